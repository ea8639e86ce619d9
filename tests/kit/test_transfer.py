"""Rows to files and back: every type, NULL beside the empty text, all or nothing, and going on."""

from __future__ import annotations

import csv
import datetime
import io
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import Backend
from kit.conftest import Make
from kit.contents import fill, rows_of
from kit.shop import shop
from kit.test_types import CASES
from rowstead.files.csv_lines import line_of, records
from rowstead.kit import (
    AsyncDatabase,
    UndefinedTableError,
    ValidationError,
    column,
    embedding,
    table,
    text,
)
from rowstead.kit import int as int_

FORMATS = ("csv", "jsonl")
TEXTS = [
    "",
    " ",
    '"',
    ",",
    '""',
    "a\nb",
    "a\r\nb",
    "\r",
    "é😀",
    "\\x00",
    "NULL",
    "\\N",
    "\ufeff",
    "x" * 5000,
    "0",
]


# What a file holds


@pytest.mark.parametrize("file_format", FORMATS)
async def test_every_type_comes_back_as_it_was(backend: Backend, tmp_path: Path, file_format: str) -> None:
    storages = list(dict.fromkeys(case[0] for case in CASES))
    columns = [column(f"c_{s}", n, s, nullable=True) for n, s in enumerate(storages, 2)]
    schema = {"tables": [table("t", 1, [int_("id", 1), *columns, embedding("e", 99, 2)], "id")]}
    file = tmp_path / f"t.{file_format}"
    async with await AsyncDatabase.create(backend.url, schema) as db, db.begin() as txn:
        filled = [
            {"id": n, f"c_{storage}": stored, "e": [0.1, -1e300]}
            for n, (storage, _, stored) in enumerate(CASES, 1)
        ]
        before = await txn.insert_many("t", [*filled, {"id": 0, "e": [0, 1]}])
        await txn.commit()
        assert await db.export("t", file) == len(before)
        async with db.begin() as again:
            await again.truncate("t")
        assert await db.import_("t", file) == (len(before), 0)
        async with db.begin() as again:
            after = await again.select("t", order="id")
    assert after == sorted(before, key=lambda row: row["id"])
    assert [[type(v) for v in row.values()] for row in after[1:]] == [
        [type(v) for v in row.values()] for row in before[:-1]
    ]


@pytest.mark.parametrize("file_format", FORMATS)
def test_null_and_the_empty_text_are_told_apart(make: Make, tmp_path: Path, file_format: str) -> None:
    db = make({"tables": [table("t", 1, [int_("id", 1), text("v", 2, nullable=True)], "id")]})
    before = [{"id": n, "v": v} for n, v in enumerate([None, *TEXTS])]
    fill(db, "t", before)
    file = tmp_path / f"t.{file_format}"
    assert db.export("t", file) == len(before)
    db.transaction(lambda txn: txn.truncate("t"))
    assert db.import_("t", str(file)) == (len(before), 0)
    assert rows_of(db, "t") == before


def test_a_csv_file_looks_as_postgresql_writes_it(make: Make, tmp_path: Path) -> None:
    db = make(shop())
    fill(db, "notes", [{"id": 1, "body": None}, {"id": 2, "body": ""}, {"id": 3, "body": 'a,"b"'}])
    db.export("notes", tmp_path / "n.csv")
    assert (tmp_path / "n.csv").read_bytes() == b'id,body\n1,\n2,""\n3,"a,""b"""\n'
    db.export("notes", tmp_path / "n.jsonl", filter={"id": {"lt": 3}}, columns="body")
    assert (tmp_path / "n.jsonl").read_text() == '{"body": null}\n{"body": ""}\n'


CELLS = st.lists(st.none() | st.text(st.sampled_from('a",\r\n \ufeff;')), min_size=1)


@given(st.lists(CELLS))
def test_any_cells_come_back_of_csv(several: list[list[str | None]]) -> None:
    lines = io.StringIO("".join(map(line_of, several)), newline="").readlines()
    assert [cells for _, cells in records(lines)] == several


def test_control_pythons_own_csv_reads_null_as_an_empty_text() -> None:
    assert next(csv.reader([line_of([None, ""])])) == ["", ""]
    assert next(records([line_of([None, ""])])) == (1, [None, ""])


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "n.csv is empty"),
        ("id,nope\n", "n.csv, line 1: notes has no column 'nope'"),
        ("id,id\n", "n.csv, line 1: the first line wants different column names"),
        ("id,body\n1,a\n2\n", "n.csv, line 3: 1 cells, where the first line names 2"),
        ('id,body\n1,"a\n\n', "n.csv, line 2: a quote"),
        ('id,body\n1,"a\nb"\n2,a"b"\n', "n.csv, line 4: a cell with a quote"),
        ("id,body\n1,a\n1.0,a\n", "n.csv, line 3: notes.id: takes a whole number, not '1.0'"),
        ("id,body\n1_0,a\n", "n.csv, line 2: notes.id: takes a whole number"),
        (
            "id,body\n1,a\n\n\n2,this is too long\n",
            "n.csv, line 5: notes.body must have a length of at most 10",
        ),
        ("id,body\n1,a\n2,\xff", "n.csv, line 3: this is not UTF-8"),
    ],
)
def test_a_csv_file_that_cannot_be_read_is_told_with_its_line(
    make: Make, tmp_path: Path, content: str, told: str
) -> None:
    db = make(shop())
    (tmp_path / "n.csv").write_bytes(content.encode("latin-1"))
    with pytest.raises(ValidationError, match=told.replace("(", r"\(")):
        db.import_("notes", tmp_path / "n.csv")
    assert rows_of(db, "notes") == []


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "line 2: is not JSON"),
        ("[1]", "line 2: a line holds one JSON object"),
        ('{"id": 2, "nope": 1}', "line 2: notes has no column 'nope'"),
        ('{"id": NaN}', "line 2: is not JSON: JSON has no NaN"),
        ('{"id": "2"}', "line 2: notes.id: takes a whole number, not str"),
        ('{"body": "a"}', "line 2: notes.id cannot be null"),
    ],
)
def test_a_line_of_json_that_cannot_be_read_is_told(make: Make, tmp_path: Path, line: str, told: str) -> None:
    db = make(shop())
    (tmp_path / "n.jsonl").write_text(f'{{"id": 1}}\n{line}\n')
    with pytest.raises(ValidationError, match=told.replace("[", r"\[")):
        db.import_("notes", tmp_path / "n.jsonl")
    assert rows_of(db, "notes") == []


def test_a_json_number_keeps_every_digit_in_a_decimal_column(make: Make, tmp_path: Path) -> None:
    columns = [int_("id", 1), column("d", 2, "decimal128"), column("j", 3, "json", nullable=True)]
    db = make({"tables": [table("t", 1, columns, "id")]})
    (tmp_path / "t.jsonl").write_text('{"id": 1, "d": 0.1234567890123456789012345, "j": {"a": 1.5}}\n')
    db.import_("t", tmp_path / "t.jsonl")
    assert rows_of(db, "t") == [{"id": 1, "d": Decimal("0.1234567890123456789012345"), "j": {"a": 1.5}}]


def test_a_file_of_another_program_is_read(make: Make, tmp_path: Path) -> None:
    columns = [int_("id", 1), column("b", 2, "bool"), column("at", 3, "date_time"), text("t", 4)]
    db = make({"tables": [table("t", 1, columns, "id")]})
    (tmp_path / "t.csv").write_bytes(b'\xef\xbb\xbft,id,b,at\r\n"a\r\nb",1,t,2024-02-29T12:00:00+02:00\r\n')
    db.import_("t", tmp_path / "t.csv")
    at = datetime.datetime(2024, 2, 29, 10, tzinfo=datetime.UTC)
    assert rows_of(db, "t") == [{"id": 1, "b": True, "at": at, "t": "a\r\nb"}]


# Streams, names and progress


def test_streams_need_a_format_and_are_left_open(make: Make) -> None:
    db = make(shop())
    fill(db, "notes", [{"id": 1, "body": "a"}])
    stream = io.StringIO()
    with pytest.raises(ValidationError, match="give its format, csv or jsonl"):
        db.export("notes", stream)
    assert db.export("notes", stream, format="csv") == 1
    assert stream.getvalue() == "id,body\n1,a\n"
    assert db.import_("notes", io.StringIO("id\n2\n"), format="csv") == (1, 0)
    with pytest.raises(ValidationError, match="csv"):
        db.export("notes", stream, format="cvs")
    with pytest.raises(UndefinedTableError, match="'notes'"):
        db.export("note", "n.csv")


def test_progress_is_told_and_nothing_is_printed_where_nobody_watches(
    make: Make, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    db = make(shop())
    fill(db, "notes", ({"id": n} for n in range(2500)))
    told: list[tuple[int, float | None]] = []
    db.export("notes", tmp_path / "n.csv", progress=lambda *step: told.append(step))
    assert told == [(1000, 0.4), (2000, 0.8), (2500, 1.0)]
    db.transaction(lambda txn: txn.truncate("notes"))
    told.clear()
    db.import_("notes", tmp_path / "n.csv", progress=lambda *step: told.append(step))
    assert [rows for rows, _ in told] == [1000, 2000, 2500]
    parts = [part or 0 for _, part in told]
    assert parts == sorted(parts)
    assert parts[-1] == 1.0
    db.export("notes", tmp_path / "n.csv")
    assert capfd.readouterr() == ("", "")


def test_an_export_that_fails_leaves_the_file_that_was_there(make: Make, tmp_path: Path) -> None:
    db = make(shop())
    fill(db, "notes", ({"id": n} for n in range(3000)))
    file = tmp_path / "n.csv"
    file.write_text("before")

    def fail(_rows: int, _part: float | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        db.export("notes", file, progress=fail)
    assert file.read_text() == "before"
    assert [path.suffix for path in tmp_path.iterdir() if path.suffix == ".partial"] == []
    db.export("notes", file)
    assert len(file.read_text().splitlines()) == 3001
    with pytest.raises(ValidationError, match="No such file"):
        db.import_("notes", tmp_path / "none.csv")
    with pytest.raises(ValidationError, match="No such file"):
        db.export("notes", tmp_path / "none" / "n.csv")


def test_an_export_shows_one_moment_while_others_write(make: Make, tmp_path: Path) -> None:
    db = make(shop())
    fill(db, "notes", ({"id": n, "body": "old"} for n in range(2500)))

    def write(_rows: int, _part: float | None) -> None:
        db.transaction(lambda txn: txn.update_where("notes", set={"body": "new"}))

    db.export("notes", tmp_path / "n.csv", columns="body", progress=write)
    assert set((tmp_path / "n.csv").read_text().splitlines()) == {"body", "old"}
    assert {row["body"] for row in rows_of(db, "notes")} == {"new"}
