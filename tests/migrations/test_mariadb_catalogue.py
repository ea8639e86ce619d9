"""The fingerprint of MariaDB's catalogue: changed by each change of a schema, and by nothing else."""

from __future__ import annotations

import pytest

from rowstead.migrations.doubt import Doubt
from rowstead.migrations.ledger import Calls
from rowstead.migrations.mariadb import MARIADB
from rowstead.migrations.split import Statement, split

from .conftest import Migrator, opened

pytestmark = pytest.mark.mariadb

SETUP = (
    "CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(10), KEY a_key (a))",
    "CREATE TABLE child (id INT PRIMARY KEY, t INT)",
    "CREATE TABLE parts (id INT) PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (10))",
    "CREATE VIEW v AS SELECT id FROM t",
    "CREATE PROCEDURE p() SELECT 1",
    "CREATE SEQUENCE s",
    "INSERT INTO t VALUES (1, 'x')",
)
CHANGES = (
    "CREATE TABLE other (id INT)",
    "CREATE TABLE copied AS SELECT * FROM t",
    "DROP TABLE child",
    "RENAME TABLE child TO renamed",
    "ALTER TABLE t ADD COLUMN b INT",
    "ALTER TABLE t DROP COLUMN a",
    "ALTER TABLE t MODIFY a VARCHAR(11)",
    "ALTER TABLE t MODIFY a VARCHAR(10) NOT NULL",
    "ALTER TABLE t ALTER COLUMN a SET DEFAULT 'y'",
    "ALTER TABLE t MODIFY a VARCHAR(10) COLLATE utf8mb4_bin",
    "ALTER TABLE t MODIFY a VARCHAR(10) COMMENT 'said'",
    "ALTER TABLE t ADD COLUMN g INT AS (id + 1) VIRTUAL",
    "ALTER TABLE t ADD COLUMN first_one INT FIRST",
    "ALTER TABLE t CHANGE a b VARCHAR(10)",
    "ALTER TABLE t COMMENT = 'said'",
    "ALTER TABLE t ENGINE = MyISAM",
    "ALTER TABLE t DROP PRIMARY KEY",
    "ALTER TABLE t ADD CONSTRAINT positive CHECK (id > 0)",
    "ALTER TABLE child ADD CONSTRAINT to_t FOREIGN KEY (t) REFERENCES t (id)",
    "ALTER TABLE t ALTER INDEX a_key IGNORED",
    "ALTER TABLE parts ADD PARTITION (PARTITION p1 VALUES LESS THAN (20))",
    "CREATE INDEX i ON t (a)",
    "CREATE UNIQUE INDEX i ON t (a(5) DESC)",
    "DROP INDEX a_key ON t",
    "CREATE OR REPLACE VIEW v AS SELECT a FROM t",
    "DROP VIEW v",
    "CREATE OR REPLACE PROCEDURE p() SELECT 2",
    "CREATE OR REPLACE PROCEDURE p(n INT) SELECT 1",
    "DROP PROCEDURE p",
    "CREATE FUNCTION f() RETURNS INT RETURN 1",
    "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 'z'",
    "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1",
    "CREATE SEQUENCE s2",
    "DROP SEQUENCE s",
    "ALTER DATABASE COMMENT 'said'",
)
NO_CHANGES = (
    "INSERT INTO t VALUES (2, 'y')",
    "DELETE FROM t",
    "ALTER TABLE t AUTO_INCREMENT = 50",
    "ANALYZE TABLE t",
    "OPTIMIZE TABLE t",
    "TRUNCATE TABLE t",
    "SELECT nextval(s)",
    "CREATE TABLE IF NOT EXISTS t (id INT)",
)


def statement(text: str) -> Statement:
    (found,) = split(text, MARIADB.syntax)
    return found


def catalogue() -> Doubt:
    """How a CREATE is settled."""
    doubt = MARIADB.stands_alone(statement("CREATE TABLE t (id INT)"))
    assert doubt is not None
    return doubt


async def changed_by(db: Migrator, text: str) -> bool:
    """Whether the fingerprint is another one after the statement."""
    calls = Calls(db.database.dialect, db.database.driver.paramstyle)
    one = statement(text)
    before = await db.database.plan(catalogue().before(calls, one))
    await db.execute(text)
    return await db.database.plan(catalogue().applied(calls, one, before))


@pytest.mark.parametrize("change", CHANGES)
async def test_a_change_of_the_schema_is_seen(mariadb_url: str, change: str) -> None:
    async with opened(mariadb_url) as db:
        for each in SETUP:
            await db.execute(each)
        assert await changed_by(db, change)


async def test_what_changes_no_schema_is_not_seen(mariadb_url: str) -> None:
    async with opened(mariadb_url) as db:
        for each in SETUP:
            await db.execute(each)
        assert [text for text in NO_CHANGES if await changed_by(db, text)] == []


async def test_other_schemas_count_only_where_the_statement_names_them(mariadb_url: str) -> None:
    async with opened(mariadb_url) as db:
        calls = Calls(db.database.dialect, db.database.driver.paramstyle)
        place = await db.fetchval("SELECT database()")
        other = f"{place}_other"
        mine, theirs = statement("CREATE TABLE x (id INT)"), statement(f"CREATE TABLE `{other}`.x (id INT)")
        try:
            assert await changed_by(db, f"CREATE DATABASE `{other}`")
            before = [await db.database.plan(catalogue().before(calls, each)) for each in (mine, theirs)]
            await db.execute(theirs.text)
            after = [await db.database.plan(catalogue().before(calls, each)) for each in (mine, theirs)]
            assert before[0] == after[0]
            assert before[1] != after[1]
        finally:
            await db.execute(f"DROP DATABASE IF EXISTS `{other}`")
