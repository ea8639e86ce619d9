"""Random work on the kit beside a dictionary: the same rows, the same refusals, on each backend."""

from __future__ import annotations

import random
from typing import Any

import pytest

from kit.conftest import Make
from rowstead.kit import (
    Database,
    DuplicateError,
    ForeignKeyError,
    IntegrityError,
    NotFound,
    Transaction,
    fk,
    table,
    text,
    unique,
)
from rowstead.kit import int as int_

Row = dict[str, Any]
STEPS = 400


def schema() -> dict[str, Any]:
    key = int_("id", 1, primary_key=True)
    return {
        "tables": [
            table(
                "a", 1, [key, text("code", 2, nullable=True)], "id", unique_constraints=[unique("uq", "code")]
            ),
            table(
                "b",
                2,
                [key, int_("a_id", 2, nullable=True)],
                "id",
                foreign_keys=[fk("fk_a", "a_id", "a", "id", on_delete="cascade")],
            ),
        ]
    }


class Model:
    """What the database should hold."""

    def __init__(self) -> None:
        self.a: dict[int, Row] = {}
        self.b: dict[int, Row] = {}

    def copy(self) -> Model:
        other = Model()
        other.a = {k: dict(v) for k, v in self.a.items()}
        other.b = {k: dict(v) for k, v in self.b.items()}
        return other

    def insert_a(self, row: Row) -> Row:
        if row["id"] in self.a or self.takes_code(row["code"], None):
            raise DuplicateError
        self.a[row["id"]] = dict(row)
        return row

    def takes_code(self, code: str | None, but: int | None) -> bool:
        return code is not None and any(r["code"] == code for k, r in self.a.items() if k != but)

    def insert_b(self, row: Row) -> Row:
        if row["id"] in self.b:
            raise DuplicateError
        if row["a_id"] is not None and row["a_id"] not in self.a:
            raise ForeignKeyError
        self.b[row["id"]] = dict(row)
        return row

    def update_a(self, pk: int, code: str | None) -> Row:
        if pk not in self.a:
            raise NotFound
        if self.takes_code(code, pk):
            raise DuplicateError
        self.a[pk]["code"] = code
        return dict(self.a[pk])

    def delete_a(self, pk: int) -> None:
        if pk not in self.a:
            raise NotFound
        del self.a[pk]
        self.b = {k: r for k, r in self.b.items() if r["a_id"] != pk}

    def insert_many_a(self, rows: list[Row]) -> list[Row]:
        before = self.copy()
        try:
            return [self.insert_a(row) for row in rows]
        except IntegrityError:
            self.a = before.a
            raise

    def upsert_a(self, row: Row, code: str | None) -> Row:
        if row["id"] not in self.a:
            return self.insert_a(row)
        return self.update_a(row["id"], code)

    def set_codes_to_null(self, least: int) -> int:
        found = [r for k, r in self.a.items() if k >= least]
        for row in found:
            row["code"] = None
        return len(found)


def step(chance: random.Random, model: Model, txn: Transaction) -> None:
    """One random verb on both; what one refuses the other must."""
    pk, code = chance.randint(1, 12), chance.choice([None, *"abcdefgh"])
    row = {"id": pk, "code": code}
    many = [{"id": chance.randint(1, 12), "code": chance.choice([None, *"abcdefgh"])} for _ in range(3)]
    child = {"id": chance.randint(1, 20), "a_id": chance.choice([None, pk])}
    other = chance.choice([None, *"abcdefgh"])
    patch = {"do_update": {"set": {"code": other}}}
    verb = chance.randrange(7)
    ours: Any = None
    theirs: Any = None
    refused: type[Exception] | None = None
    try:
        theirs = (
            lambda: model.insert_a(row),
            lambda: model.insert_b(child),
            lambda: model.update_a(pk, code),
            lambda: model.delete_a(pk),
            lambda: model.insert_many_a(many),
            lambda: model.upsert_a(row, other),
            lambda: model.set_codes_to_null(pk),
        )[verb]()
    except Exception as error:
        refused = type(error)
    calls = (
        lambda: txn.insert("a", row),
        lambda: txn.insert("b", child),
        lambda: txn.update("a", pk, {"code": code}),
        lambda: txn.delete("a", pk),
        lambda: txn.insert_many("a", many),
        lambda: txn.upsert("a", row, on_conflict=patch),
        lambda: len(txn.update_where("a", set={"code": None}, filter={"id": {"gte": pk}})),
    )
    if refused is None:
        ours = calls[verb]()
        assert ours == theirs
    else:
        with pytest.raises(refused):
            calls[verb]()


def held(db: Database) -> tuple[list[Row], list[Row]]:
    with db.begin() as txn:
        return txn.select("a", order="id"), txn.select("b", order="id")


@pytest.mark.parametrize("seed", range(5))
def test_random_work_leaves_what_a_dictionary_says(make: Make, seed: int) -> None:
    chance = random.Random(seed)
    db = make(schema())
    model = Model()
    while_open = 0
    for _ in range(STEPS // 20):
        attempt = model.copy()
        txn = db.begin()
        for _ in range(20):
            step(chance, attempt, txn)
            while_open += 1
        if chance.random() < 0.7:
            txn.commit()
            model = attempt
        else:
            txn.rollback()
        rows_a = [model.a[k] for k in sorted(model.a)]
        rows_b = [model.b[k] for k in sorted(model.b)]
        assert held(db) == (rows_a, rows_b)
    assert while_open == STEPS


def test_control_a_model_without_the_cascade_is_caught(make: Make) -> None:
    db, model = make(schema()), Model()
    with db.begin() as txn:
        txn.insert("a", model.insert_a({"id": 1, "code": None}))
        txn.insert("b", model.insert_b({"id": 1, "a_id": 1}))
        txn.delete("a", 1)
    del model.a[1]
    assert held(db)[1] != list(model.b.values())
