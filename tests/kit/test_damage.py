"""Databases that something else has changed, places that cannot be, and schemas that no database can hold."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from conftest import Backend
from rowstead.kit import Database, StorageError, ValidationError
from rowstead.kit.builders import check, column, table

from .migrations import raw, schema, users

CALLERS = 6


def test_of_those_who_create_at_once_one_does_and_the_others_are_told(sync_backend: Backend) -> None:
    together = Barrier(CALLERS)

    def create(_: int) -> str:
        together.wait()
        try:
            Database.create(sync_backend.url, schema(users())).close()
        except ValidationError as error:
            return "there" if "already" in str(error) else repr(error)
        return "made"

    with ThreadPoolExecutor(CALLERS) as pool:
        said = sorted(pool.map(create, range(CALLERS)))
    assert said == ["made", *["there"] * (CALLERS - 1)]


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE users ADD COLUMN more INTEGER",
        "ALTER TABLE users RENAME COLUMN email TO mail",
    ],
)
def test_a_column_that_was_added_or_renamed_by_hand_is_noticed_by_open(
    sync_backend: Backend, change: str
) -> None:
    Database.create(sync_backend.url, schema(users())).close()
    Database.open(sync_backend.url).close()
    raw(sync_backend, change)
    with pytest.raises(StorageError, match="users"):
        Database.open(sync_backend.url)


def test_an_index_that_was_added_by_hand_is_nobodys_business(sync_backend: Backend) -> None:
    Database.create(sync_backend.url, schema(users())).close()
    raw(sync_backend, "CREATE INDEX by_hand ON users (email)")
    Database.open(sync_backend.url).close()


@pytest.mark.parametrize("text", ["null", "5", "[5]", '[["a"]]', "[[1, 2, 3, 4]]", "{", ""])
def test_damaged_definitions_are_said_to_be(sync_backend: Backend, text: str) -> None:
    Database.create(sync_backend.url, schema(users())).close()
    raw(sync_backend, f"UPDATE _rowstead_schema SET definitions = '{text}'")
    raw(sync_backend, "CREATE TABLE another (id INTEGER)")
    with pytest.raises(StorageError, match="damaged"):
        Database.open(sync_backend.url)
    with Database.open(sync_backend.url, verify=False) as db:
        assert "damaged" in db.check()[0]


@pytest.mark.parametrize("text", ["null", "{", '{"tables": [{}]}'])
def test_a_damaged_schema_is_said_to_be(sync_backend: Backend, text: str) -> None:
    Database.create(sync_backend.url, schema(users())).close()
    raw(sync_backend, f"UPDATE _rowstead_schema SET schema = '{text}'")
    with pytest.raises(StorageError, match="damaged"):
        Database.open(sync_backend.url)


def counting() -> dict[str, Any]:
    columns = [column("id", 1, "int64", primary_key=True, default={"sequence": "numbers"})]
    return schema(table("things", 1, columns, "id"))


def test_a_counter_that_is_no_number_and_a_lost_table_of_them_are_found(tmp_path: Path) -> None:
    backend = Backend("sqlite", f"sqlite:///{tmp_path / 'app.db'}", {})
    with Database.create(backend.url, counting()) as db, db.begin() as txn:
        txn.insert("things", {})
    raw(backend, "UPDATE _rowstead_sequences SET value = 'abc'")
    with Database.open(backend.url) as db:
        assert [line for line in db.check() if "'numbers' is damaged" in line]
    raw(backend, "DROP TABLE _rowstead_sequences")
    with pytest.raises(StorageError, match="_rowstead_sequences is missing"):
        Database.open(backend.url)


@pytest.mark.parametrize("place", ["/proc/x/y.db", "afile/x/y.db", "x" * 300 + "/y.db"])
def test_a_folder_that_cannot_be_made_is_a_storage_error(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("afile").write_text("")
    with pytest.raises(StorageError, match="cannot be made"):
        Database.create(place, schema(users()))


def test_a_nul_in_a_path_is_named() -> None:
    with pytest.raises(ValidationError, match="NUL"):
        Database.create("a\0b.db", schema(users()))
    with pytest.raises(ValidationError, match="NUL"):
        Database.open("a\0b.db")


HALF = "a\ud800"


@pytest.mark.parametrize(
    "given",
    [
        schema({**users(), "name": HALF}),
        schema(users(column(HALF, 3, "text", nullable=True))),
        schema(users(check_constraints=[check(HALF, "id > 0")])),
        schema(users(check_constraints=[check("c", f"email != '{HALF}'")])),
        *(
            schema(users(column("more", 3, storage, nullable=True, **said)))
            for storage, said in [
                ("text", {"default": {"static": HALF}}),
                ("bytes", {"default": {"static": HALF}}),
                ("json", {"default": {"static": {HALF: 1}}}),
                ("json", {"default": {"static": [{"x": HALF}]}}),
                ("array", {"default": {"static": [HALF]}}),
                ("text", {"default": {"custom_name": HALF}}),
                ("int64", {"default": {"sequence": HALF}}),
                ("int64", {"default": {"sequence": "a\0b"}}),
                ("text", {"enum_values": ["x", HALF]}),
                ("json", {"enum_values": [1, {"x": HALF}]}),
                ("text", {"regex": HALF}),
            ]
        ),
        "[" * 100_000,
        json.dumps(schema(users())).replace('"email"', '"a\\ud800"'),
    ],
    ids=[
        *("table", "column", "check's name", "check"),
        *("default of text", "of bytes", "a key in one", "deep in one", "in a list", "custom default"),
        *("counter", "NUL in a counter", "choice", "choice of JSON", "pattern", "deep JSON", "JSON"),
    ],
)
def test_a_schema_that_no_database_can_hold_is_a_validation_error(given: Any, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="schema"):
        Database.create(tmp_path / "app.db", given)
    assert not (tmp_path / "app.db").exists()


def test_control_whole_characters_beyond_the_sixteen_bits_are_taken(sync_backend: Backend) -> None:
    whole = "a\U0001f600"
    more = [
        column("said", 3, "text", default={"static": whole}, enum_values=[whole], regex=f"{whole}$"),
        column("data", 4, "json", default={"static": {whole: [whole]}}),
        column("number", 5, "int64", default={"sequence": whole}),
    ]
    with Database.create(sync_backend.url, schema(users(*more))) as db, db.begin() as txn:
        row = txn.insert("users", {"id": 1, "email": "a@x"})
    assert (row["said"], row["data"], row["number"]) == (whole, {whole: [whole]}, 1)
