"""What every face must answer alike: sorts, pages, gets and writes, beside the filters of `filter_cases`.

A case says a verb, what it is given and what comes of it: the rows' ids, a number, a row, or an error.
`apart` says, in one word of WORDS, where one kind of face rightly differs from the first; every other
case wants the same statements, word for word.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from pydantic import AwareDatetime

from filter_cases import ITEMS, MISTAKES, ORDERS, TABLE, Item, Order
from rowstead import (
    CheckError,
    DataError,
    DuplicateError,
    ForeignKeyError,
    NotNullError,
    RestrictError,
    Row,
    RowNotFound,
    UndefinedColumnError,
    ValidationError,
)
from rowstead.kit import (
    array_col,
    bool_,
    bytes_col,
    check,
    column,
    datetime,
    decimal128,
    fk,
    json_col,
    table,
    text,
    unique,
)
from rowstead.kit import int as int_
from rowstead.kit import uuid as uuid_


class Member(Row):
    """A row whose table has a constraint of every kind."""

    __table__ = "members"
    id: int
    email: str
    age: int | None = None
    size: int | None = None
    level: str | None = None
    item: int | None = None


class Moments(Item):
    """An Item whose `seen` is a moment, as the schema below says, and not whatever is stored there."""

    seen: AwareDatetime | None = None


MODELS: Mapping[str, type[Row]] = {"items": Moments, "orders": Order, "members": Member}

SCHEMA = {
    "tables": [
        table(
            "items",
            1,
            [
                int_("id", 1, primary_key=True),
                text("name", 2, nullable=True),
                int_("n", 3, nullable=True),
                decimal128("price", 4, nullable=True),
                bool_("ok", 5, nullable=True),
                datetime("seen", 6, nullable=True),
                array_col("tags", 7, nullable=True),
                json_col("data", 8, nullable=True),
                int_("parent", 9, nullable=True),
                uuid_("token", 10, nullable=True),
                bytes_col("raw", 11, nullable=True),
            ],
            "id",
        ),
        table(
            "orders",
            2,
            [int_("id", 1, primary_key=True), int_("item", 2, nullable=True), int_("amount", 3)],
            "id",
            foreign_keys=[fk("fk_item", "item", "items", "id")],
        ),
        table(
            "members",
            3,
            [
                int_("id", 1, primary_key=True),
                text("email", 2, max_length=12),
                int_("age", 3, nullable=True, min=0),
                column("size", 4, "int16", nullable=True),
                text("level", 5, nullable=True, enum_values=["low", "high"]),
                int_("item", 6, nullable=True),
            ],
            "id",
            unique_constraints=[unique("uq_email", "email")],
            foreign_keys=[fk("fk_item", "item", "items", "id")],
            check_constraints=[check("high_is_old", "level != 'high' OR age > 17")],
        ),
    ]
}
"""The same tables as the Row classes, with constraints; every face works on them."""

MEMBERS = [
    Member(id=1, email="a@x", age=20, size=1, level="high", item=1),
    Member(id=2, email="b@x", age=5, size=2, level="low"),
    Member(id=3, email="c@x"),
]
CONTENTS: dict[str, Sequence[Row]] = {"items": ITEMS, "orders": ORDERS, "members": MEMBERS}

SQL = list[str]


def writes(texts: SQL) -> list[list[str]]:
    """What is written by these statements: the verb and its table."""
    return [text.split()[:3] for text in texts if not text.startswith("SELECT")]


def changes(texts: SQL) -> SQL:
    """The texts that write, whether they name their rows by a key or by a list of one."""
    return [text.replace(" IN (%s)", " = %s") for text in texts if not text.startswith("SELECT")]


WORDS: Mapping[str, Callable[[SQL, SQL], bool]] = {
    # It holds values to the declared rules itself, where the first leaves that to the database.
    "early": lambda own, first: own == [] and first != [],
    # Its INSERT names every column, since the columns that a row leaves out get its own defaults.
    "whole": lambda own, first: len(own) == len(first) and own != first,
    # It takes a value of the column's type and no text of it, in rows and keys; a filter takes both.
    "strict": lambda own, first: own == [] and first != [],
    # Where the database does not say which foreign key refused, or which row, it asks afterwards.
    "blames": lambda own, first: own[: len(first)] == first,
    # A session writes a new object by a statement of SQLAlchemy's own, and is asked what was stored.
    "flushes": lambda own, first: writes(own) == writes(first),
    # As "flushes"; Python refuses an argument that the class does not have.
    "constructs": lambda own, first: own == [],
    # It gives no rows back: the one that was changed is read by a statement of its own.
    "rereads": lambda own, first: (
        own[:1] == [text.split(" RETURNING")[0] for text in first[:1]] and not writes(own[1:])
    ),
    # A row that is not there is an error of its own; the same statement found that out.
    "raises": lambda own, first: own == first,
    # Who asks for no rows gets none, and nothing is asked for.
    "spares": lambda own, first: own == [],
}
"""The ways in which a face may differ: (its statements, the first face's) -> whether that is the way."""


@dataclass(frozen=True, slots=True)
class Case:
    """One verb with its arguments; `wanted` is what comes of it, an error class where it fails."""

    verb: str
    args: tuple[Any, ...]
    wanted: Any
    message: str = ""
    apart: Mapping[str, str] = field(default_factory=dict[str, str])

    def __str__(self) -> str:
        return f"{self.verb}{self.args!r}"


EARLY = {"kit": "early"}
BLAMES = {"kit": "blames"}
WHOLE = {"kit": "whole"}
RAISES = {"kit": "raises"}
STRICT = {"kit": "strict"}
REREADS = {"repository": "rereads"}


def found(where: Any, order: Any, wanted: Any, *bounds: Any) -> Case:
    return Case("find", ("items", where, order, *bounds), wanted)


FILTERS = [found(where, "id", ids) for where, ids in TABLE]
COUNTS = [Case("count", ("items", where), len(ids)) for where, ids in TABLE]
# A schema's tables have names that a subquery may use; those of Row classes do not.
BY_NAME = {"exists": {"table": "orders"}}
WRONG_FILTERS = [
    Case(verb, (*given, where), error, message)
    for where, error, message in MISTAKES
    if where != BY_NAME
    for verb, *given in (("find", "items"), ("count", "items"), ("update_where", "items", {"n": 1}))
]

ODD = {"id": {"in": [3, 4, 5, 7, 9]}}
SORTS = [
    found(None, "id", list(range(1, 17))),
    found(None, "-id", list(range(16, 0, -1))),
    found(None, "n,id", [15, 7, 8, 1, 2, 3, 9, 10, 5, 6, 11, 12, 13, 16, 14, 4]),
    found(None, "-n,+id", [14, 16, 13, 12, 11, 5, 6, 10, 9, 3, 2, 1, 8, 7, 15, 4]),
    found(None, ["-n", "-id"], [14, 16, 13, 12, 11, 6, 5, 10, 9, 3, 2, 1, 8, 7, 15, 4]),
    found(ODD, [{"desc": "n"}, {"asc": "id"}], [5, 9, 3, 7, 4]),
    found(ODD, [{"desc": "n", "nulls": "first"}, "id"], [4, 5, 9, 3, 7]),
    found(ODD, {"asc": "n", "nulls": "first"}, [4, 7, 3, 9, 5]),
    found(ODD, " - n , id ", [5, 9, 3, 7, 4]),
    # By code point, whatever the server's locale.
    found(None, "name", [13, 5, 6, 3, 2, 15, 7, 1, 8, 12, 16, 11, 9, 10, 14, 4]),
    found(None, "price,id", [5, 8, 6, 1, 2, 3, 7, 4, *range(9, 17)]),
    found(None, "ok,id", [2, 7, 1, 3, 8, 4, 5, 6, *range(9, 17)]),
    found(None, "-ok,id", [1, 3, 8, 2, 7, 4, 5, 6, *range(9, 17)]),
    found(None, "-seen,id", [8, 5, 3, 2, 1, 4, 6, 7, *range(9, 17)]),
    found(None, "-token,id", [3, 2, 1, *range(4, 17)]),
    found(None, "raw,id", [3, 1, 2, *range(4, 17)]),
    found(None, "parent,-id", [3, 2, 5, 6, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 4, 1]),
    # Pages of it: LIMIT, OFFSET, both, none of the rows.
    found(None, "id", [1, 2, 3], 3),
    found(None, "id", [4, 5], 2, 3),
    found(None, "-id", [2, 1], None, 14),
    replace(found(None, "id", [], 0), apart={"service": "spares"}),
    found(None, "id", [], 5, 99),
    found({"n": 10}, "-id", [5], 1, 1),
    # Mistakes
    found(None, "-nope", UndefinedColumnError),
    found(None, "nmae", UndefinedColumnError),
    found(None, ["id", {"asc": "x; DROP TABLE items"}], UndefinedColumnError),
    found(None, "data", ValidationError),
    found(None, "-tags", ValidationError),
    found(None, "n,-n", ValidationError),
    found(None, [5], ValidationError),
    found(None, 5, ValidationError),
    found(None, False, ValidationError),
    found(None, "-", UndefinedColumnError),
    found(None, {"up": "n"}, ValidationError),
    found(None, {"asc": "n", "nulls": "middle"}, ValidationError),
    found(None, {"asc": 1}, ValidationError),
    found(None, "id", ValidationError, -1),
    found(None, "id", ValidationError, True),
    found(None, "id", ValidationError, "3"),
    found(None, "id", ValidationError, 3, -1),
    found(None, "id", ValidationError, 3, 1.5),
]
GETS = [
    Case("get", ("orders", 2), {"id": 2, "item": 1, "amount": 20}),
    Case("get", ("orders", 99), None),
    Case("get", ("orders", "2"), {"id": 2, "item": 1, "amount": 20}, apart=STRICT),
    Case("get", ("orders", "two"), ValidationError),
    Case("get", ("orders", 2.5), ValidationError),
]


def member(id: Any, email: Any, **fields: Any) -> dict[str, Any]:
    """A member's row with every column, as both faces write it whole."""
    empty = dict.fromkeys(("age", "size", "level", "item"))
    return {"id": id, "email": email, **empty, **fields}


def inserted(row: dict[str, Any], wanted: Any, apart: Mapping[str, str] | None = None) -> Case:
    return Case("insert", ("members", row), wanted, apart={"repository": "flushes", **(apart or {})})


def updated(key: Any, patch: dict[str, Any], wanted: Any, apart: Mapping[str, str] | None = None) -> Case:
    return Case("update", ("members", key, patch), wanted, apart={**REREADS, **(apart or {})})


def updated_item(patch: dict[str, Any]) -> Case:
    """Item 4, in which every column is empty, changed: each value comes back in its own type."""
    wanted = {**ITEMS[3].model_dump(), **patch}
    return Case("update", ("items", 4, patch), wanted, apart=REREADS)


NEW = member(9, "n@x", age=30, size=-5, level="high", item=2)
WRITES = [
    inserted(NEW, NEW),
    inserted(member(9, "n@x"), member(9, "n@x")),
    inserted({"id": 9, "email": "n@x"}, member(9, "n@x"), WHOLE),
    inserted(member("9", "n@x"), member(9, "n@x"), STRICT),
    inserted(member(1, "n@x"), DuplicateError),
    inserted(member(9, "a@x"), DuplicateError),
    inserted(member(9, "n@x", item=99), ForeignKeyError),
    inserted(member(9, None), NotNullError, EARLY),
    inserted({"id": 9}, NotNullError, EARLY),
    inserted(member(9, "n@x", age=-1), CheckError, EARLY),
    inserted(member(9, "thirteen@long"), CheckError, EARLY),
    inserted(member(9, "n@x", level="middle"), CheckError, EARLY),
    inserted(member(9, "n@x", level="high", age=17), CheckError, EARLY),
    inserted(member(9, "n@x", age="many"), ValidationError),
    inserted(member(9, 5), ValidationError),
    # A DataError is the database's word; it is a ValidationError too.
    inserted(member(9, "n@x", age=2**63), DataError, STRICT),
    inserted(member(9, "n@x", age=1.5), ValidationError),
    inserted({"id": 9, "emial": "n@x"}, UndefinedColumnError, {"repository": "constructs"}),
    Case("insert_many", ("members", [NEW, member(10, "o@x"), member(11, "p@x", age=1)]), 3),
    Case("insert_many", ("members", []), 0),
    Case(
        "insert_many", ("members", [NEW, member(10, "o@x"), member(1, "p@x")]), DuplicateError, apart=BLAMES
    ),
    Case("insert_many", ("members", [NEW, member(10, "n@x")]), DuplicateError, apart=BLAMES),
    Case("insert_many", ("members", [NEW, member(10, "o@x", item=99)]), ForeignKeyError),
    Case("insert_many", ("members", [NEW, member(10, "o@x", age=-1)]), CheckError, apart=EARLY),
    Case("insert_many", ("members", [NEW, member(10, None)]), NotNullError, apart=EARLY),
    Case("insert_many", ("members", [NEW, member(10, "o@x", age="many")]), ValidationError),
    updated(1, {"age": 21, "email": "A@x"}, member(1, "A@x", age=21, size=1, level="high", item=1)),
    updated(2, {"age": None}, member(2, "b@x", size=2, level="low")),
    updated("3", {"age": 7}, member(3, "c@x", age=7), STRICT),
    updated(99, {"age": 7}, None, RAISES),
    updated(1, {"email": "b@x"}, DuplicateError),
    updated(1, {"item": 99}, ForeignKeyError),
    updated(1, {"email": None}, NotNullError, EARLY),
    updated(1, {"age": -1}, CheckError, EARLY),
    # The row's check needs the columns that the patch does not name: the database finds it, in both.
    updated(1, {"age": 17}, CheckError),
    updated(1, {"age": "many"}, ValidationError),
    updated(1, {"aeg": 1}, UndefinedColumnError),
    Case("update_where", ("members", {"age": 8}, {"age": {"ne": 20}}), 2),
    Case("update_where", ("members", {"item": None}, {"email": {"like": "z%"}}), 0),
    Case("update_where", ("members", {"item": 3}, {"exists": {"table": Order, "filter": {"item": 1}}}), 3),
    Case("update_where", ("members", {"email": "same"}, {"id": {"gt": 1}}), DuplicateError),
    Case("update_where", ("members", {"item": 99}, {"id": 2}), ForeignKeyError),
    Case("update_where", ("members", {"level": "high"}, {"id": 2}), CheckError),
    Case("update_where", ("members", {"age": -1}, {"id": 2}), CheckError, apart=EARLY),
    Case("update_where", ("members", {}, {"id": 2}), ValidationError),
    Case("delete", ("members", 3), 1),
    Case("delete", ("members", 99), 0, apart=RAISES),
    Case("delete", ("items", 1), RestrictError, apart={"kit": "blames"}),
    Case("delete", ("items", 16), 1),
    Case("delete", ("members", "three"), ValidationError),
    updated_item({"price": Decimal("1.10"), "token": uuid.UUID(int=7), "raw": b"\0", "ok": True}),
    updated_item({"data": {"a": [1, None, "é"]}, "tags": ["x"], "seen": ITEMS[0].seen}),
]

INSTEAD: Mapping[str, type[Exception]] = {
    "raises": RowNotFound,
    "strict": ValidationError,
    "constructs": TypeError,
}
"""What comes of a case instead, by the word that says so."""
