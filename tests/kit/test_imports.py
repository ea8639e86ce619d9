"""Files into tables: defaults and rules hold, all or nothing, parents come later, going on after a kill."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from conftest import Backend
from kit.conftest import Make
from kit.contents import fill, rows_of
from kit.shop import shop
from rowstead import UsageError
from rowstead.kit import (
    CheckError,
    DuplicateError,
    ForeignKeyError,
    NotNullError,
    UndefinedColumnError,
    ValidationError,
    fk,
    table,
    text,
    unique,
)
from rowstead.kit import int as int_

JOB = Path(__file__).with_name("job_import.py")
FORMATS = ("csv", "jsonl")


# Defaults, rules, constraints


@pytest.mark.parametrize("file_format", FORMATS)
def test_an_import_runs_defaults_and_goes_on_behind_the_ids_it_brings(
    make: Make, tmp_path: Path, file_format: str
) -> None:
    db = make(shop())
    content = {"csv": "email,id\na@x,\nb@x,7\n", "jsonl": '{"email": "a@x"}\n{"email": "b@x", "id": 7}\n'}
    (tmp_path / f"c.{file_format}").write_text(content[file_format])
    assert db.import_("customers", tmp_path / f"c.{file_format}") == (2, 0)
    with db.begin() as txn:
        more = txn.insert("customers", {"email": "c@x"})
    by_email = {row["email"]: row for row in rows_of(db, "customers")}
    assert by_email["b@x"]["id"] == 7
    assert by_email["a@x"]["id"] != 7
    assert [row["active"] for row in by_email.values()] == [True] * 3
    assert more["id"] > 7
    assert db.check() == []


@pytest.mark.parametrize(
    ("line", "error", "constraint"),
    [
        ("2001,{n},-1", CheckError, "amount_range"),
        ("1999,1,1", DuplicateError, "orders_pkey"),
        ("2001,99,1", ForeignKeyError, "fk_customer"),
        ("2001,,1", NotNullError, None),
    ],
)
def test_a_row_that_is_refused_undoes_the_whole_file_and_is_named(
    make: Make, tmp_path: Path, line: str, error: type[Exception], constraint: str | None
) -> None:
    db = make(shop())
    fill(db, "customers", [{"id": 1, "email": "a@x"}])
    lines = ["id,customer_id,amount", *(f"{n},1,{n}" for n in range(3000))]
    lines[2002] = line.replace("{n}", "1")
    (tmp_path / "o.csv").write_text("\n".join(lines))
    with pytest.raises(error, match=r"o\.csv, line 2003: ") as caught:
        db.import_("orders", tmp_path / "o.csv")
    if constraint is not None:
        assert caught.value.constraint == constraint  # type: ignore[attr-defined]
    # The line is the row's place; one among the rows that were tried together would be another.
    assert "place" not in str(caught.value)
    assert caught.value.place is None  # type: ignore[attr-defined]
    assert rows_of(db, "orders") == []
    with pytest.raises(error, match=r"o\.csv, line 2003: "):
        db.import_("orders", tmp_path / "o.csv", batch=500)
    assert len(rows_of(db, "orders")) == 2000


def test_a_batch_goes_on_where_it_was_stopped_and_never_passes_over_another_row(
    make: Make, tmp_path: Path
) -> None:
    db = make(shop())
    file = tmp_path / "n.csv"
    file.write_text("id,body\n" + "".join(f"{n},{n}\n" for n in range(2500)))
    fill(db, "notes", [{"id": n, "body": str(n)} for n in (3, 700, 2499)])
    assert db.import_("notes", file, batch=400) == (2497, 3)
    assert db.import_("notes", file, batch=400) == (0, 2500)
    db.transaction(lambda txn: txn.update("notes", 1234, {"body": "other"}))
    with pytest.raises(DuplicateError, match=r"n\.csv, line 1236: "):
        db.import_("notes", file, batch=400)
    for wrong in (0, -1, True, 1.5):
        with pytest.raises(ValidationError, match="batch"):
            db.import_("notes", file, batch=wrong)  # type: ignore[arg-type]


def test_a_batch_goes_on_with_composite_keys_and_refuses_rows_without_a_key(
    make: Make, tmp_path: Path
) -> None:
    columns = [int_("a", 1, default={"sequence": "a"}), text("b", 2), text("v", 3, nullable=True)]
    db = make({"tables": [table("t", 1, columns, ["a", "b"])]})
    file = tmp_path / "t.csv"
    file.write_text("a,b,v\n" + "".join(f"{n},x,\n{n},y,{n}\n" for n in range(50)))
    fill(db, "t", [{"a": 7, "b": "y", "v": "7"}])
    assert db.import_("t", file, batch=30) == (99, 1)
    assert db.import_("t", file, batch=30) == (0, 100)
    file.write_text("b\nz\n")
    with pytest.raises(ValidationError, match=r"line 2: .*brings its key \(a, b\)"):
        db.import_("t", file, batch=30)
    assert db.import_("t", file) == (1, 0)


TREE = {
    "tables": [
        table(
            "t",
            1,
            [int_("id", 1), int_("up", 2, nullable=True)],
            "id",
            foreign_keys=[fk("up", "up", "t", "id")],
        )
    ]
}


@pytest.mark.parametrize("batch", [None, 700])
@pytest.mark.parametrize(
    "numbers", [range(2500), range(2499, -1, -1), sorted(range(2500), key=lambda n: n % 7)]
)
def test_rows_may_stand_before_their_parents(
    make: Make, tmp_path: Path, numbers: Sequence[int], batch: int | None
) -> None:
    db = make(TREE)
    file = tmp_path / "t.csv"
    file.write_text("id,up\n" + "".join(f"{n},{(n - 1) // 2 if n else ''}\n" for n in numbers))
    assert db.import_("t", file, batch=batch) == (2500, 0)
    assert rows_of(db, "t") == [{"id": n, "up": (n - 1) // 2 if n else None} for n in range(2500)]
    if batch:
        db.transaction(lambda txn: txn.delete_where("t", filter={"id": {"gte": 1500}}))
        assert db.import_("t", file, batch=batch) == (1000, 1500)


def test_rows_may_stand_before_their_parents_by_composite_keys_and_by_several(
    make: Make, tmp_path: Path
) -> None:
    columns = [int_("a", 1), text("b", 2), *(int_(name, n, nullable=True) for n, name in enumerate("xz", 3))]
    keys = [fk("k", ["x", "y"], "t", ["a", "b"]), fk("one", "z", "t", "u")]
    more = [text("y", 5, nullable=True), int_("u", 6)]
    db = make(
        {
            "tables": [
                table(
                    "t",
                    1,
                    [*columns, *more],
                    ["a", "b"],
                    foreign_keys=keys,
                    unique_constraints=[unique("uq", "u")],
                )
            ]
        }
    )
    fill(db, "t", [{"a": 0, "b": "r", "u": 0}])
    # Each row refers to the next by one key, and by the other to the last or to the one that is there.
    rows = [f"{n},r,{n + 1 if n < 9 else 0},r,{9 if n % 2 else 0},{n}" for n in range(1, 10)]
    (tmp_path / "t.csv").write_text("a,b,x,y,z,u\n" + "\n".join(rows))
    assert db.import_("t", tmp_path / "t.csv") == (9, 0)
    assert [row["x"] for row in rows_of(db, "t")] == [None, 2, 3, 4, 5, 6, 7, 8, 9, 0]
    assert db.check() == []


@pytest.mark.parametrize("batch", [None, 2])
def test_a_row_whose_parent_never_comes_is_named(make: Make, tmp_path: Path, batch: int | None) -> None:
    db = make(TREE)
    (tmp_path / "t.csv").write_text("id,up\n5,4\n4,\n1,7\n2,1\n")
    with pytest.raises(ForeignKeyError, match=r"t\.csv, line 4: ") as caught:
        db.import_("t", tmp_path / "t.csv", batch=batch)
    assert caught.value.constraint == "up"
    assert [row["id"] for row in rows_of(db, "t")] == ([4, 5] if batch else [])


def test_an_import_inside_ones_own_transaction_is_refused(make: Make, tmp_path: Path) -> None:
    db = make(shop())
    (tmp_path / "n.csv").write_text("id\n2\n")
    with db.begin() as txn:
        txn.insert("notes", {"id": 1})
        with pytest.raises(UsageError, match="import_"):
            db.import_("notes", tmp_path / "n.csv")


def test_an_unknown_column_is_its_own_error(make: Make, tmp_path: Path) -> None:
    (tmp_path / "n.csv").write_text("id,bodi\n")
    with pytest.raises(UndefinedColumnError, match="did you mean 'body'"):
        make(shop()).import_("notes", tmp_path / "n.csv")


# Faults


def killed(backend: Backend, file: Path, *batch: str) -> None:
    command = [sys.executable, str(JOB), backend.url, "notes", str(file), "4000", *batch]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == -signal.SIGKILL, done.stderr


def test_an_import_that_is_killed_leaves_nothing_and_can_be_run_again(
    make: Make, sync_backend: Backend, tmp_path: Path
) -> None:
    db = make(shop())
    file = tmp_path / "n.jsonl"
    file.write_text("".join(json.dumps({"id": n}) + "\n" for n in range(10_000)))
    killed(sync_backend, file)
    assert rows_of(db, "notes") == []
    assert db.check() == []
    assert db.import_("notes", file) == (10_000, 0)


def test_control_an_import_in_batches_that_is_killed_leaves_whole_batches_and_goes_on(
    make: Make, sync_backend: Backend, tmp_path: Path
) -> None:
    db = make(shop())
    file = tmp_path / "n.jsonl"
    file.write_text("".join(json.dumps({"id": n}) + "\n" for n in range(10_000)))
    killed(sync_backend, file, "1500")
    assert len(rows_of(db, "notes")) == 4500
    assert db.import_("notes", file, batch=1500) == (5500, 4500)
    assert [row["id"] for row in rows_of(db, "notes")] == list(range(10_000))
