"""What is MariaDB's own: statements that commit by themselves, settings of the session, doubts settled."""

from __future__ import annotations

import re

import pytest

from rowstead.errors import MigrationError, UsageError, ValidationError
from rowstead.migrations.doubt import Catalogue, Repeatable, SchemaCatalogue, Unknowable
from rowstead.migrations.mariadb import MARIADB
from rowstead.migrations.split import MARIADB_SYNTAX, Statement, split

from .conftest import Folder, opened

USERS = "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);\n"


def statement(text: str) -> Statement:
    (found,) = split(text, MARIADB_SYNTAX)
    return found


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("INSERT INTO t VALUES (1)", None),
        ("(SELECT 1) UNION (SELECT 2)", None),
        ("WITH a AS (SELECT 1) DELETE FROM t", None),
        ("CREATE TEMPORARY TABLE t (id INT)", None),
        ("CREATE OR REPLACE TEMPORARY TABLE t (id INT)", None),
        ("/*!40101 INSERT INTO t VALUES (1) */", None),
        ("LOAD DATA INFILE 'x' INTO TABLE t", None),
        ("SET @a = 1", None),
        ("/*!40101 SET NAMES utf8 */", None),
        ("CREATE TABLE t (id INT)", SchemaCatalogue),
        ("/*!50003 CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW SET @a = 1 */", SchemaCatalogue),
        ("/*M!100100 ALTER TABLE t ADD b INT */", SchemaCatalogue),
        ("create /* c */ unique index i on t (id)", SchemaCatalogue),
        ("RENAME TABLE a TO b", SchemaCatalogue),
        ("DROP TABLE t", SchemaCatalogue),
        ("DROP TABLE IF EXISTS t", Repeatable),
        ("DROP TEMPORARY TABLE IF EXISTS t", None),
        ("TRUNCATE t", Repeatable),
        ("OPTIMIZE TABLE t", Repeatable),
        ("GRANT SELECT ON t TO u", Repeatable),
        ("SET GLOBAL x = 1", Repeatable),
        ("SET @@GLOBAL.x = 1", Repeatable),
        ("CREATE USER u", Catalogue),
        ("REVOKE SELECT ON t FROM u", Catalogue),
        ("CALL p()", Unknowable),
        ("BEGIN NOT ATOMIC SELECT 1; END", Unknowable),
        ("SET STATEMENT max_statement_time = 1 FOR ALTER TABLE t ADD c INT", Unknowable),
        ("EXECUTE IMMEDIATE 'DROP TABLE t'", Unknowable),
        ("SOMETHING NEW", SchemaCatalogue),
    ],
)
def test_a_statement_shares_a_transaction_or_is_settled_by_its_kind(text: str, kind: type | None) -> None:
    doubt = MARIADB.stands_alone(Statement(text, 1, _head(text)))
    assert (type(doubt) if doubt else None) is kind
    commits = kind is not None and kind is not Unknowable
    if kind is not Unknowable:
        assert MARIADB.ends_transaction(Statement(text, 1, _head(text))) is commits


def _head(text: str) -> tuple[str, ...]:
    tokens = MARIADB_SYNTAX.tokens(text)
    return tuple(token.text for token in tokens if token.kind not in ("space", "comment"))


@pytest.mark.mariadb
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("LOCK TABLES users WRITE", "under LOCK TABLES the ledger could not be written"),
        ("UNLOCK TABLES", "under LOCK TABLES"),
        ("SET autocommit = 0", "it rules transactions"),
        ("SET @@session.autocommit = 0", "it rules transactions"),
        ("XA START 'a'", "it rules transactions"),
        ("START TRANSACTION", "START TRANSACTION is explicit transaction control"),
    ],
)
async def test_what_no_migration_can_hold_is_refused_before_any_is_applied(
    mariadb_url: str, folder: Folder, text: str, told: str
) -> None:
    folder["0001_users.sql"] = USERS
    folder["0002_bad.sql"] = f"SELECT 1;\n{text};"
    async with opened(mariadb_url) as db:
        with pytest.raises(ValidationError, match=rf"^0002_bad\.sql line 2.*{re.escape(told)}"):
            await db.migrate(folder)
        assert "users" not in await db.tables()


@pytest.mark.mariadb
async def test_the_database_in_use_and_all_settings_are_set_back(mariadb_url: str, folder: Folder) -> None:
    folder["0001.sql"] = (
        "SET sql_mode = '', time_zone = '+02:00', group_concat_max_len = 77, long_query_time = 1.5;"
        "USE information_schema;"
    )
    folder["0002.sql"] = (
        "CREATE TABLE seen AS SELECT @@sql_mode LIKE '%STRICT%' AS mode, @@time_zone AS zone,"
        " @@group_concat_max_len AS size, @@long_query_time AS seconds, DATABASE() AS place;"
    )
    async with opened(mariadb_url) as db:
        (outside,) = await db.fetch("SELECT @@group_concat_max_len AS size, @@long_query_time AS seconds")
        place = await db.fetchval("SELECT DATABASE()")
        assert await db.migrate(folder) == ["0001.sql", "0002.sql"]
        (seen,) = await db.fetch("SELECT * FROM seen")
    assert dict(seen) == {"mode": 1, "zone": "+00:00", **dict(outside), "place": place}


@pytest.mark.mariadb
async def test_inside_a_transaction_a_file_that_would_commit_it_is_refused(
    mariadb_url: str, folder: Folder
) -> None:
    folder["0001_users.sql"] = USERS
    async with opened(mariadb_url) as db:
        async with db.database.block() as transaction:
            with pytest.raises(UsageError, match=r"there is no ledger yet.* outside the block"):
                await db.migrate_inside(transaction, folder)
        assert await db.tables() == []
        await db.migrate(folder)
        folder["0002_more.sql"] = "INSERT INTO users VALUES (1, 'a');"
        folder["0003_last.sql"] = "CREATE TABLE last (id INTEGER);"
        async with db.database.block() as transaction:
            with pytest.raises(UsageError, match=r"0003_last\.sql holds a statement that would commit"):
                await db.migrate_inside(transaction, folder)
        assert await db.fetchval("SELECT count(*) FROM users") == 0
        del folder["0003_last.sql"]
        async with db.database.block() as transaction:
            assert await db.migrate_inside(transaction, folder) == ["0002_more.sql"]
        assert await db.fetchval("SELECT count(*) FROM users") == 1


@pytest.mark.mariadb
async def test_a_statement_longer_than_a_text_column_is_noted_whole(mariadb_url: str, folder: Folder) -> None:
    comment = "x" * 70_000
    folder["0001.sql"] = f"{USERS}CREATE PROCEDURE p() SELECT '{comment}';"
    async with opened(mariadb_url) as db:
        assert await db.migrate(folder) == ["0001.sql"]


@pytest.mark.mariadb
async def test_a_procedure_that_was_interrupted_is_left_to_a_person(mariadb_url: str, folder: Folder) -> None:
    folder["0001.sql"] = "CREATE PROCEDURE p() SELECT 1;"
    folder["0002.sql"] = "SELECT 1;\nCALL p();\nSELECT 2;"
    async with opened(mariadb_url) as db:
        await db.migrate(folder)
        await db.execute("DELETE FROM _rowstead_migrations WHERE filename = '0002.sql'")
        # As a runner leaves it that dies in the middle of the second statement.
        await db.execute(
            "INSERT INTO _rowstead_migrations (source, filename, checksum, progress, detail) "
            "VALUES ('plain', '0002.sql', $1, 1, $2)",
            None,
            '{"done": null, "started": {"statement": "CALL p();", "before": null}}',
        )
        with pytest.raises(MigrationError, match=r"cannot be told whether it ran") as undecided:
            await db.migrate(folder)
        (applied,) = re.findall(r"if it is applied: (.*);", str(undecided.value))
        await db.execute(applied)
        assert await db.migrate(folder) == ["0002.sql"]
