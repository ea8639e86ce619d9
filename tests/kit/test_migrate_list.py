"""What a list of migrations may be: its notation, its checksums, and what may follow on what was applied."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from conftest import Backend
from rowstead.errors import MigrationError, ValidationError
from rowstead.migrations.formats.ops import read_versions
from rowstead.migrations.operations import BODIES, ELSEWHERE, FIELDS

from .conftest import Make
from .migrations import op, raw, schema, users, version

CREATE_USERS, CREATE_POSTS = op("create_table", "users"), op("create_table", "posts")


@pytest.mark.parametrize(
    ("ops", "checksum"),
    [
        ([CREATE_USERS, CREATE_POSTS], "0ad89812200bf747a3aa06d42af89f9c9c65b9d56c2b03420635c150353189c6"),
        ([CREATE_USERS], "fe2f521793591207bd4d8645c2631e4b7ce43e30fe7ea5691a2846c74ea71cc3"),
        ([], "6408373a4372a2c49859db2a4548ea43308e5ba7dd3609998ca376606cf09757"),
    ],
)
def test_a_checksum_is_that_of_the_catalogue(ops: list[Any], checksum: str) -> None:
    (read,) = read_versions([version(1, *ops, name="init")])
    assert read.checksum == checksum


def test_a_view_and_raw_sql_are_part_of_the_checksum() -> None:
    view = {"create_view": {"name": "v", "view": {"name": "v", "sql": "SELECT 1"}}}
    (read,) = read_versions([version(1, view, {"raw_sql": "SELECT 'é'"})])
    assert [o.canonical() for o in read.operations] == [
        {"op": "create_view", "name": "v", "sql": "SELECT 1"},
        {"op": "raw_sql", "sql": "SELECT 'é'"},
    ]


def test_a_list_may_be_a_tuple_or_json_in_any_order() -> None:
    given = [version(2), version(1, CREATE_USERS)]
    expected = [(1, "m1"), (2, "m2")]
    for form in (given, tuple(given), json.dumps(given)):
        assert [(v.number, v.name) for v in read_versions(form)] == expected


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("{", "not JSON"),
        ({"version": 1}, "a list of"),
        ([{"version": 1, "name": "a"}], "number 1 of the list"),
        ([{**version(1), "up": ""}], "number 1 of the list"),
        ([version(0)], "whole number from 1"),
        ([{**version(1), "version": True}], "whole number"),
        ([{**version(1), "version": "1"}], "whole number"),
        ([{**version(1), "name": " "}], "name is a text"),
        ([{**version(1), "ops": {}}], "ops is a list"),
        ([version(1), version(1, name="again")], "both have the version 1"),
        ([version(1, {"addColumn": {"table": "a", "column": "b"}})], "did you mean 'add_column'"),
        ([version(1, {"add_column": {"table": "a"}})], '{"table": …, "column": …}'),
        ([version(1, {"add_column": {"table": "a", "column": "b", "x": 1}})], '"column": …'),
        ([version(1, {"add_column": {"table": "a", "column": 3}})], "not empty, got 3"),
        ([version(1, {"raw_sql": {"sql": "x"}})], "raw_sql wants a text"),
        ([version(1, {"create_view": {"name": "v", "view": {"name": "w", "sql": "x"}}})], "'v' and 'w'"),
        ([version(1, "create_table")], "a dict of one key"),
        ([version(1, {**CREATE_USERS, "raw_sql": "x"})], "a dict of one key"),
    ],
)  # fmt: skip
def test_what_is_no_list_of_migrations_is_a_validation_error(given: Any, words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        read_versions(given)
    assert words in str(caught.value)


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_what_a_sql_database_has_not_says_what_to_write(kind: str) -> None:
    with pytest.raises(ValidationError, match="raw_sql operation"):
        read_versions([version(1, {kind: {"name": "x"}})])


def test_every_operation_of_the_catalogue_is_known_or_refused_by_name() -> None:
    listed = {f"{action}_{what}" for action in ("create", "drop") for what in ("table", "view", "trigger")}
    listed |= {f"{action}_{what}" for action in ("create", "drop") for what in ("procedure", "virtual_table")}
    listed |= {"replace_view", "replace_trigger", "replace_procedure", "alter_column"}
    listed |= {
        f"{action}_{what}"
        for action in ("add", "drop")
        for what in ("column", "index", "unique", "foreign_key", "check")
    }
    assert listed == {*FIELDS, *BODIES, *ELSEWHERE}


# What may follow


def test_running_again_applies_nothing_and_versions_run_in_their_order(
    make: Make, sync_backend: Backend
) -> None:
    db = make(schema(users()))
    migrations = [
        version(2, {"raw_sql": "INSERT INTO log (n) VALUES (2)"}),
        version(
            1, {"raw_sql": "CREATE TABLE log (n INTEGER)"}, {"raw_sql": "INSERT INTO log (n) VALUES (1)"}
        ),
    ]
    for _ in range(2):
        db.migrate(migrations)
    assert raw(sync_backend, "SELECT n FROM log ORDER BY n") == [(1,), (2,)]


def test_kit_d28_an_edited_migration_is_refused_with_both_checksums(
    make: Make, sync_backend: Backend
) -> None:
    db = make(schema(users()))
    applied = [version(1, CREATE_USERS)]
    db.migrate(applied)
    edited = [version(1, CREATE_USERS, {"raw_sql": "CREATE TABLE evil (n INTEGER)"}), version(2)]
    with pytest.raises(MigrationError) as caught:
        db.migrate(edited)
    for versions in (applied, edited):
        assert read_versions(versions)[0].checksum in str(caught.value)
    assert "version 1 was changed" in str(caught.value)
    assert "DELETE FROM _rowstead_migrations" in str(caught.value)
    with pytest.raises(MigrationError, match="renamed from 'm1' to 'other'"):
        db.migrate([version(1, CREATE_USERS, name="other")])
    assert [v for (v,) in raw(sync_backend, "SELECT version FROM __kit_schema_migrations")] == [1]
    db.migrate([*applied, version(2)])


def test_a_removed_migration_is_refused(make: Make) -> None:
    db = make(schema(users()))
    db.migrate([version(1, name="init"), version(2)])
    with pytest.raises(MigrationError, match=r"version 1 \(init\) was applied with checksum [0-9a-f]{64}"):
        db.migrate([version(2), version(3)])


def test_a_version_below_the_last_applied_is_refused(make: Make) -> None:
    db = make(schema(users()))
    db.migrate([version(1), version(3), version(5)])
    with pytest.raises(MigrationError, match=r"version 4 \(m4\) is new but 5 was applied already"):
        db.migrate([version(1), version(3), version(4), version(5), version(6)])


def test_the_kits_own_record_is_kept_in_step(make: Make, sync_backend: Backend) -> None:
    db = make(schema(users()))
    migrations = [version(1, CREATE_USERS, name="init"), version(2, name="zwei é")]
    db.migrate(migrations)
    records = raw(
        sync_backend, "SELECT version, name, checksum, status FROM __kit_schema_migrations ORDER BY version"
    )
    read = read_versions(migrations)
    assert records == [(v.number, v.name, v.checksum, "applied") for v in read]
    ledger = raw(sync_backend, "SELECT filename, checksum FROM _rowstead_migrations WHERE source = 'kit'")
    assert sorted(ledger) == [(v.id, v.checksum) for v in read]


def test_a_missing_alembic_is_an_error_that_names_the_extra() -> None:
    code = (
        "import sys; sys.modules['alembic'] = None\n"
        "from rowstead.kit import Database, integer, table\n"
        "key = [integer('id', 1, primary_key=True)]\n"
        "tables = [table(name, n, key, 'id') for n, name in enumerate('ab')]\n"
        "db = Database.create(':memory:', {'tables': tables[:1]})\n"
        "db.set_schema({'tables': tables})\n"
        "db.migrate([{'version': 1, 'name': 'b', 'ops': [{'create_table': {'name': 'b'}}]}])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert "ImportError: schema operations need Alembic: pip install 'rowstead[migrate]'" in done.stderr


def test_alembic_is_loaded_by_the_first_migration_only() -> None:
    code = "import sys, rowstead.kit, rowstead.kit.migrating; sys.exit('alembic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
