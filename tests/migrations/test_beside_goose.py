"""goose and Rowstead on one database, each going on where the other stopped; and goose's table as it is.

goose itself is not run: its rows are written by hand, as its version 3 writes them.
"""

from __future__ import annotations

import pytest

from rowstead.errors import MigrationError
from rowstead.migrations import MigrationStatus

from .conftest import Folder, Migrator
from .versioned import GOOSE, NO_TRANSACTION, OURS, Versions, tables


@pytest.fixture
def versions(db: Migrator, folder: Folder) -> Versions:
    return Versions(db, folder)


async def test_rows_that_goose_added_are_adopted_without_a_checksum(
    versions: Versions, folder: Folder
) -> None:
    names = tables(folder, 1, 2, 3)
    await versions.up(to=1)
    # As goose does it.
    await versions.db.execute("CREATE TABLE t2 (id INTEGER)")
    await versions.db.execute(
        "INSERT INTO goose_db_version (version_id, is_applied) VALUES ($1, $2)", 2, True
    )
    assert await versions.status() == MigrationStatus(names[2:], names[:2], [], [])
    assert await versions.ours() == {"1": None}
    assert await versions.up() == [names[2]]
    checksums = {row["filename"]: row["checksum"] for row in await versions.db.fetch(OURS)}
    assert checksums["2"] is None
    assert checksums["1"] is not None
    assert await versions.goose() == [0, 1, 2, 3]
    assert await versions.down(to=0) == names[::-1]


async def test_rows_that_goose_removed_are_taken_as_undone(versions: Versions, folder: Folder) -> None:
    names = tables(folder, 1, 2)
    await versions.up()
    await versions.db.execute("DROP TABLE t2")
    await versions.db.execute("DELETE FROM goose_db_version WHERE version_id = 2")
    assert await versions.status() == MigrationStatus(names[1:], names[:1], [], [])
    assert await versions.ours() == {"1": None, "2": None}
    assert await versions.up() == names[1:]
    assert (await versions.goose(), await versions.ours()) == ([0, 1, 2], {"1": None, "2": None})


async def test_a_row_that_says_not_applied_counts_as_the_last_word(
    versions: Versions, folder: Folder
) -> None:
    names = tables(folder, 1, 2)
    await versions.up()
    await versions.db.execute("DROP TABLE t1")
    await versions.db.execute(
        "INSERT INTO goose_db_version (version_id, is_applied) VALUES ($1, $2)", 1, False
    )
    assert (await versions.status()).pending == names[:1]
    assert await versions.up(allow_missing=True) == names[:1]
    assert (await versions.status()).applied == names


async def test_what_goose_finished_of_ours_is_finished(versions: Versions, folder: Folder) -> None:
    folder["1_a.sql"] = NO_TRANSACTION.format(up="INSERT INTO late VALUES (1);", down="")
    with pytest.raises(MigrationError):
        await versions.up()
    await versions.db.execute(
        "INSERT INTO goose_db_version (version_id, is_applied) VALUES ($1, $2)", 1, True
    )
    assert await versions.up() == []
    assert await versions.ours() == {"1": None}


@pytest.mark.parametrize("how", ["DROP TABLE goose_db_version", "DELETE FROM goose_db_version"])
async def test_gooses_table_is_written_again_where_it_was_lost(
    versions: Versions, folder: Folder, how: str
) -> None:
    names = tables(folder, 1, 2)
    await versions.up()
    await versions.db.execute(how)
    assert (await versions.status()).applied == names
    assert await versions.up() == []
    assert await versions.goose() == [0, 1, 2]


async def test_a_folder_that_goose_began_is_gone_on_with(versions: Versions, folder: Folder) -> None:
    names = tables(folder, 1, 2)
    await versions.up()
    await versions.down()
    await versions.db.execute("DROP TABLE _rowstead_migrations")
    assert (await versions.status()).applied == names[:1]
    assert await versions.up() == names[1:]
    assert await versions.ours() == {"1": None, "2": None}


# The table as goose makes it

COLUMNS = {
    "mariadb": (
        "SELECT column_name, column_type, is_nullable, lower(column_default), extra"
        " FROM information_schema.columns"
        " WHERE table_schema = database() AND table_name = 'goose_db_version' ORDER BY ordinal_position"
    ),
    "sqlite": "SELECT name, type, \"notnull\", dflt_value, pk FROM pragma_table_info('goose_db_version')",
    "postgresql": (
        "SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity::text,"
        " pg_get_expr(d.adbin, d.adrelid) FROM pg_attribute a"
        " LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
        " WHERE a.attrelid = 'goose_db_version'::regclass AND a.attnum > 0 ORDER BY a.attnum"
    ),
}
GOLDEN = {
    "mariadb": [
        ("id", "bigint(20) unsigned", "NO", None, "auto_increment"),
        ("version_id", "bigint(20)", "NO", None, ""),
        ("is_applied", "tinyint(1)", "NO", None, ""),
        ("tstamp", "timestamp", "YES", "current_timestamp()", ""),
    ],
    "sqlite": [
        ("id", "INTEGER", 0, None, 1),
        ("version_id", "INTEGER", 1, None, 0),
        ("is_applied", "INTEGER", 1, None, 0),
        ("tstamp", "TIMESTAMP", 0, "datetime('now')", 0),
    ],
    "postgresql": [
        ("id", "integer", True, "d", None),
        ("version_id", "bigint", True, "", None),
        ("is_applied", "boolean", True, "", None),
        ("tstamp", "timestamp without time zone", True, "", "now()"),
    ],
}
KEY = {
    "mariadb": (
        "SELECT group_concat(DISTINCT concat(index_name, ' ', column_name) ORDER BY 1) = 'id id,PRIMARY id'"
        " FROM information_schema.statistics"
        " WHERE table_schema = database() AND table_name = 'goose_db_version'"
    ),
    "sqlite": "SELECT sql LIKE '%AUTOINCREMENT%' FROM sqlite_master WHERE name = 'goose_db_version'",
    "postgresql": (
        "SELECT pg_get_constraintdef(oid) = 'PRIMARY KEY (id)' FROM pg_constraint"
        " WHERE conrelid = 'goose_db_version'::regclass AND contype = 'p'"
    ),
}


async def test_gooses_table_is_the_one_that_goose_makes(versions: Versions, folder: Folder) -> None:
    tables(folder, 3)
    await versions.up()
    dialect = versions.db.database.dialect.name
    rows = await versions.db.fetch(COLUMNS[dialect])
    assert [tuple(dict(row).values()) for row in rows] == GOLDEN[dialect]
    assert await versions.db.fetchval(KEY[dialect])
    found = await versions.db.fetch(GOOSE.replace("SELECT", "SELECT id, tstamp,"))
    assert [(row["id"], row["version_id"], bool(row["is_applied"])) for row in found] == [
        (1, 0, True),
        (2, 3, True),
    ]
    assert all(row["tstamp"] is not None for row in found)
    await versions.down()
    left = await versions.db.fetch("SELECT id, version_id FROM goose_db_version")
    assert [tuple(dict(row).values()) for row in left] == [(1, 0)]
