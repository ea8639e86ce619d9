"""One set of rows, filters with the rows that they find, and filters that are mistakes."""

import datetime
import uuid
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from rowstead import (
    Now,
    Row,
    UndefinedColumnError,
    UndefinedTableError,
    ValidationError,
)

UTC = datetime.UTC


class Item(Row):
    __table__ = "items"
    id: int
    name: str | None = None
    n: int | None = None
    price: Decimal | None = None
    ok: bool | None = None
    seen: datetime.datetime | None = None
    tags: list[str] | None = None
    data: dict[str, Any] | None = None
    parent: int | None = None
    token: uuid.UUID | None = None
    raw: bytes | None = None


class Order(Row):
    __table__ = "orders"
    id: int
    item: int | None = None
    amount: int


TABLES = """
CREATE TABLE items (
    id {int} PRIMARY KEY, name {text}, n {int}, price {decimal}, ok {bool}, seen {timestamptz},
    tags {texts}, data {jsonb}, parent {int}, token {uuid}, raw {bytes}
)
"""


def moment(day: int) -> datetime.datetime:
    return datetime.datetime(2024, 1, day, 12, tzinfo=UTC)


ITEMS = [
    Item(
        id=1,
        name="apple",
        n=1,
        price=Decimal("1.50"),
        ok=True,
        seen=moment(1),
        tags=["a", "b"],
        data={"k": 1},
        token=uuid.UUID(int=1),
        raw=b"\x01",
    ),
    Item(
        id=2,
        name="Apple",
        n=2,
        price=Decimal(9),
        ok=False,
        seen=moment(2),
        tags=[],
        data={},
        parent=1,
        token=uuid.UUID(int=2),
        raw=b"\xff\x00",
    ),
    Item(
        id=3,
        name="APPLE pie",
        n=3,
        price=Decimal(10),
        ok=True,
        seen=moment(3),
        parent=1,
        data={"k": [1, 2]},
        token=uuid.UUID(int=3),
        raw=b"",
    ),
    Item(id=4, name=None, n=None, price=None, ok=None, seen=None, tags=None, data=None, parent=None),
    Item(id=5, name="100%", n=10, price=Decimal("-2.25"), seen=moment(5), parent=2, tags=["a"]),
    Item(id=6, name="1000", n=10, price=Decimal("0.00000000000000000001"), parent=4),
    Item(id=7, name="a_b", n=-5, price=Decimal("12345678901234567890.5"), ok=False),
    Item(id=8, name="axb", n=0, price=Decimal(0), ok=True, seen=moment(8)),
    Item(id=9, name="Ärger", n=7),
    Item(id=10, name="ärger", n=8),
    Item(id=11, name="x*y?[z]", n=20),
    Item(id=12, name="back\\slash", n=21),
    Item(id=13, name="", n=22, tags=[""]),
    Item(id=14, name="🎈 balloon", n=2**31 - 1),
    Item(id=15, name='O\'Hara "q"', n=-(2**31)),
    Item(id=16, name="two\nlines", n=23),
]
EVERY = list(range(1, 17))
ORDERS = [
    Order(id=1, item=1, amount=10),
    Order(id=2, item=1, amount=20),
    Order(id=3, item=3, amount=5),
    Order(id=4, item=None, amount=99),
    Order(id=5, item=5, amount=10),
]


def but(*ids: int) -> list[int]:
    return [i for i in EVERY if i not in ids]


ITEM_ORDERS = {"table": Order, "filter": {"item": {"$outer": "id"}}}

# (filter, expected ids)
TABLE: Sequence[tuple[Any, list[int]]] = [
    # nothing said
    (None, EVERY),
    ({}, EVERY),
    ([], EVERY),
    # equality
    ({"id": 3}, [3]),
    ({"name": "apple"}, [1]),
    ({"name": "APPLE"}, []),
    ({"name": None}, [4]),
    ({"name": ""}, [13]),
    ({"name": {"eq": "Apple"}}, [2]),
    ({"name": {"eq": None}}, [4]),
    ({"name": 'O\'Hara "q"'}, [15]),
    ({"name": "🎈 balloon"}, [14]),
    ({"name": "two\nlines"}, [16]),
    ({"ok": True}, [1, 3, 8]),
    ({"ok": False}, [2, 7]),
    ({"ok": None}, but(1, 2, 3, 7, 8)),
    ({"price": Decimal("1.5")}, [1]),
    ({"price": "9.00"}, [2]),
    ({"price": 0}, [8]),
    ({"seen": moment(2)}, [2]),
    ({"seen": "2024-01-02T12:00:00Z"}, [2]),
    ({"seen": "2024-01-02T17:45:00+05:45"}, [2]),
    ({"token": uuid.UUID(int=2)}, [2]),
    ({"token": str(uuid.UUID(int=2)).upper()}, [2]),
    ({"raw": b"\xff\x00"}, [2]),
    ({"raw": b""}, [3]),
    # not equal, in its two meanings
    ({"n": {"ne": 10}}, but(5, 6)),
    ({"n": {"ne": None}}, but(4)),
    ({"n": {"not": 10}}, but(4, 5, 6)),
    ({"n": {"not": None}}, but(4)),
    ({"price": {"ne": Decimal("9.0")}}, but(2)),
    ({"name": {"ne": ""}}, but(13)),
    # order
    ({"n": {"gt": 10}}, [11, 12, 13, 14, 16]),
    ({"n": {"gte": 10}}, [5, 6, 11, 12, 13, 14, 16]),
    ({"n": {"ge": 10}}, [5, 6, 11, 12, 13, 14, 16]),
    ({"n": {"lt": 1}}, [7, 8, 15]),
    ({"n": {"lte": 1}}, [1, 7, 8, 15]),
    ({"n": {"le": 1}}, [1, 7, 8, 15]),
    ({"n": {"GT": 1, "Lte": 3}}, [2, 3]),
    ({"n": {"gt": 1, "lt": 10, "ne": 7}}, [2, 3, 10]),
    ({"price": {"gt": 9}}, [3, 7]),
    ({"price": {"gt": 0, "lt": 1}}, [6]),
    ({"price": {"lt": 0}}, [5]),
    ({"seen": {"gte": "2024-01-03T12:00:00Z"}}, [3, 5, 8]),
    ({"n": {"between": [1, 3]}}, [1, 2, 3]),
    ({"n": {"between": (3, 1)}}, []),
    ({"price": {"between": [9, 10]}}, [2, 3]),
    ({"seen": {"between": [moment(2), moment(4)]}}, [2, 3]),
    # lists
    ({"id": [1, 2, 99]}, [1, 2]),
    ({"id": (1, 2)}, [1, 2]),
    ({"id": {1, 2}}, [1, 2]),
    ({"id": range(4)}, [1, 2, 3]),
    ({"id": []}, []),
    ({"id": {"in": [5]}}, [5]),
    ({"name": ["apple", None]}, [1, 4]),
    ({"name": [None]}, [4]),
    ({"n": {"not_in": [10, 20]}}, but(5, 6, 11)),
    ({"n": {"not_in": [10, None]}}, but(4, 5, 6)),
    ({"n": {"not_in": [None]}}, but(4)),
    ({"n": {"not_in": []}}, EVERY),
    ({"price": [Decimal("1.50"), "10.0"]}, [1, 3]),
    # text
    ({"name": {"like": "app%"}}, [1]),
    ({"name": {"like": "App%"}}, [2]),
    ({"name": {"like": "%pp%"}}, [1, 2]),
    ({"name": {"like": "a_b"}}, [7, 8]),
    ({"name": {"like": "100%"}}, [5, 6]),
    ({"name": {"like": "%"}}, but(4)),
    ({"name": {"like": ""}}, [13]),
    ({"name": {"like": "_"}}, []),
    ({"name": {"like": "back\\slash"}}, [12]),
    ({"name": {"like": "back\\%"}}, [12]),
    ({"name": {"like": "x*y?[z]"}}, [11]),
    ({"name": {"like": "%[z]"}}, [11]),
    ({"name": {"like": "*"}}, []),
    ({"name": {"like": "_ balloon"}}, [14]),
    ({"name": {"like": "two%lines"}}, [16]),
    ({"name": {"like": "two_lines"}}, [16]),
    ({"name": {"ilike": "apple%"}}, [1, 2, 3]),
    ({"name": {"ilike": "back\\SLASH"}}, [12]),
    ({"name": {"ilike": "A_B"}}, [7, 8]),
    ({"name": {"ilike": "TWO%LINES"}}, [16]),
    ({"name": {"contains": "pp"}}, [1, 2]),
    ({"name": {"contains": "PP"}}, [3]),
    ({"name": {"contains": "%"}}, [5]),
    ({"name": {"contains": "_"}}, [7]),
    ({"name": {"contains": "*y?["}}, [11]),
    ({"name": {"contains": "\\"}}, [12]),
    ({"name": {"contains": ""}}, but(4)),
    ({"name": {"contains": "rg"}}, [9, 10]),
    ({"name": {"contains": "🎈"}}, [14]),
    ({"name": {"starts_with": "a"}}, [1, 7, 8]),
    ({"name": {"starts_with": "a_"}}, [7]),
    ({"name": {"starts_with": "100%"}}, [5]),
    ({"name": {"starts_with": "x*y?["}}, [11]),
    ({"name": {"starts_with": ""}}, but(4)),
    ({"name": {"starts_with": "Ä"}}, [9]),
    ({"name": {"starts_with": "back\\"}}, [12]),
    # NULL
    ({"n": {"is_null": True}}, [4]),
    ({"n": {"is_null": None}}, [4]),
    ({"n": {"is_null": False}}, but(4)),
    ({"n": {"is_not_null": True}}, but(4)),
    ({"n": {"is_not_null": False}}, [4]),
    # JSON and arrays
    ({"data": {"eq": {"k": 1}}}, [1]),
    ({"data": {"eq": {"k": [1, 2]}}}, [3]),
    ({"data": {"eq": {}}}, [2]),
    ({"data": {"ne": {"k": 1}}}, but(1)),
    ({"data": None}, but(1, 2, 3)),
    ({"data": {"is_null": False}}, [1, 2, 3]),
    ({"tags": {"eq": ["a", "b"]}}, [1]),
    ({"tags": {"eq": []}}, [2]),
    ({"tags": {"not": ["a"]}}, [1, 2, 13]),
    # connectives
    ({"n": 10, "name": "1000"}, [6]),
    ([{"id": 1}, {"id": 2}], [1, 2]),
    ({"or": [{"id": 1}, {"n": {"gt": 22}}]}, [1, 14, 16]),
    ({"and": [{"n": {"gt": 0}}, {"n": {"lt": 3}}]}, [1, 2]),
    ({"or": []}, []),
    ({"and": []}, EVERY),
    ({"not": {"n": 10}}, but(5, 6)),
    ({"not": {"n": {"gt": 0}}}, [4, 7, 8, 15]),
    ({"not": {}}, []),
    ({"not": {"or": []}}, EVERY),
    ({"not": {"name": None}}, but(4)),
    ({"not": [{"id": 1}, {"id": 2}]}, but(1, 2)),
    ({"not": {"not": {"n": {"gt": 22}}}}, [14, 16]),
    ({"or": [{"and": [{"ok": True}, {"n": 1}]}, {"not": {"n": {"lte": 22}}}]}, [1, 4, 14, 16]),
    ({"id": {"lte": 5}, "or": [{"n": 1}, {"n": 10}]}, [1, 5]),
    ([{"id": {"lte": 3}, "ok": True}, {"name": None}], [1, 3, 4]),
    ({"or": [{"id": 1}, {}]}, EVERY),
    ({"or": [{}, {"id": 1}]}, EVERY),
    ({"or": [{"id": []}, {"id": 1}]}, [1]),
    ({"name": "apple", "id": []}, []),
    ({"id": [], "name": {"like": "a%"}, "n": [1] * 30}, []),
    ({"not": {"or": [{"n": 10}, {"id": []}]}}, but(5, 6)),
    ({"n": {}}, EVERY),
    ([{}], EVERY),
    # subqueries
    ({"exists": ITEM_ORDERS}, [1, 3, 5]),
    ({"not_exists": ITEM_ORDERS}, but(1, 3, 5)),
    ({"exists": {"table": Order, "filter": {"item": {"$outer": "id"}, "amount": {"gt": 5}}}}, [1, 5]),
    ({"exists": {"table": Order, "filter": {"amount": 10}}}, EVERY),
    ({"exists": {"table": Order, "filter": {"amount": 1}}}, []),
    ({"exists": {"table": Order}}, EVERY),
    ({"id": {"in_subquery": {"table": Order, "columns": ["item"]}}}, [1, 3, 5]),
    ({"id": {"in_subquery": {"table": Order, "columns": "item", "filter": {"amount": 10}}}}, [1, 5]),
    (
        {
            "id": {
                "in_subquery": {
                    "table": Order,
                    "columns": ["item"],
                    "filter": {"item": {"ne": None}},
                    "order": "-amount",
                    "limit": 1,
                }
            }
        },
        [1],
    ),
    (
        {
            "id": {
                "in_subquery": {
                    "table": Order,
                    "columns": ["item"],
                    "filter": {"item": {"ne": None}},
                    "order": ["-amount", "id"],
                    "limit": 2,
                    "offset": 2,
                }
            }
        },
        [3, 5],
    ),
    (
        {
            "not": {
                "id": {"in_subquery": {"table": Order, "columns": ["item"], "filter": {"item": {"ne": None}}}}
            }
        },
        but(1, 3, 5),
    ),
    ({"exists": {"table": Item, "filter": {"parent": {"$outer": "id"}}}}, [1, 2, 4]),
    ({"exists": {"table": Item, "filter": {"id": {"$outer": "parent"}, "ok": True}}}, [2, 3]),
    (
        {"exists": {"table": Item, "filter": {"n": {"gt": {"$outer": "n"}}, "id": {"lt": 4}}}},
        [1, 2, 7, 8, 15],
    ),
    (
        {
            "exists": {
                "table": Item,
                "filter": {
                    "parent": {"$outer": "id"},
                    "exists": {"table": Order, "filter": {"item": {"$outer": "id"}, "amount": {"lt": 6}}},
                },
            }
        },
        [1],
    ),
    # the present
    ({"seen": {"lt": Now()}}, [1, 2, 3, 5, 8]),
    ({"seen": {"gte": Now()}}, []),
    ({"seen": {"between": ["2024-01-03T00:00:00Z", Now()]}}, [3, 5, 8]),
    # columns by their own name
    ({"col": {"name": "n", "eq": 10}}, [5, 6]),
    ({"col": {"name": "n", "gt": 1, "lt": 3}}, [2]),
    # an operator as text
    ({"id": "7"}, [7]),
    ({"n": {"in": ["1", 2]}}, [1, 2]),
]


# What every row fulfils without a look at it; update_where takes none of them.
ALWAYS: Sequence[Any] = [
    {"n": {"not_in": []}},
    None,
    {},
    [],
    [{}],
    {"and": []},
    {"n": {}},
    {"not": {"or": []}},
    {"or": [{"id": 1}, {}]},
    {"or": [{}, {"id": 1}]},
]


MISTAKES: Sequence[tuple[Any, type[Exception], str]] = [
    ({"nmae": 1}, UndefinedColumnError, "items has no column 'nmae'; did you mean 'name'?"),
    ({"zzz": 1}, UndefinedColumnError, "known: id, name, n,"),
    ({"name OR 1=1": 1}, UndefinedColumnError, "has no column"),
    ({1: 1}, UndefinedColumnError, "has no column 1"),
    ({"or": [{"id": 1}, {"nam": 2}]}, UndefinedColumnError, "did you mean 'name'?"),
    ({"col": {"name": "nmae", "eq": 1}}, UndefinedColumnError, "did you mean 'name'?"),
    (
        {"name": {"lik": "a"}},
        ValidationError,
        "there is no operator 'lik' (on column 'name'); did you mean 'like'?",
    ),
    ({"n": {"$gt": 1}}, ValidationError, "did you mean 'gt'?"),
    ({"n": {"": 1}}, ValidationError, "there is no operator ''"),
    ({"n": {5: 1}}, ValidationError, "there is no operator 5"),
    ({"data": {"k": 1}}, ValidationError, 'a JSON value is compared by {"eq": …}'),
    ({"n": {"gt": None}}, ValidationError, "'gt' cannot compare column 'n' with None; use is_null"),
    ({"name": {"like": None}}, ValidationError, "use is_null"),
    ({"n": {"between": [1, None]}}, ValidationError, "use is_null"),
    ({"n": {"between": [1]}}, ValidationError, "takes [low, high]"),
    ({"n": {"between": 5}}, ValidationError, "takes [low, high]"),
    ({"n": {"between": {"a": 1}}}, ValidationError, "takes [low, high]"),
    ({"n": {"in": 5}}, ValidationError, "takes a list, not int"),
    ({"n": {"in": None}}, ValidationError, "takes a list, not NoneType"),
    ({"name": {"in": "abc"}}, ValidationError, "takes a list, not str"),
    ({"name": {"in": [{"a": 1}]}}, ValidationError, "takes plain values"),
    ({"seen": {"in": [Now()]}}, ValidationError, "takes plain values"),
    ({"n": {"is_null": "yes"}}, ValidationError, "takes true or false"),
    ({"n": {"is_null": 0}}, ValidationError, "takes true or false"),
    ({"n": {"like": "1%"}}, ValidationError, "'like' works on text, and column 'n' holds int"),
    ({"raw": {"like": "x"}}, ValidationError, "holds bytes"),
    ({"data": {"gt": {}}}, ValidationError, "cannot be used on column 'data', which holds json"),
    ({"tags": ["a"]}, ValidationError, '({"eq": [...]} compares the whole value)'),
    ({"data": {"in": [{}]}}, ValidationError, "use eq, ne or is_null"),
    ({"n": {"eq": {"a": 1}}}, ValidationError, "takes a value, not a dict"),
    ({"n": {"eq": [1]}}, ValidationError, "column 'n' takes int, not list"),
    ({"n": "many"}, ValidationError, "column 'n' takes int, not str"),
    ({"name": {"like": 5}}, ValidationError, "column 'name' takes str, not int"),
    ("id = 1", ValidationError, "a filter is a dict, or a list of filters; got str"),
    (5, ValidationError, "got int"),
    ([1], ValidationError, "got int"),
    ({"or": {"id": 1}}, ValidationError, "'or' is a dict, or a list of filters; got dict"),
    ({"and": 5}, ValidationError, "got int"),
    ({"not": 5}, ValidationError, "got int"),
    ({"not": None}, ValidationError, "got NoneType"),
    ({"exists": "orders"}, ValidationError, "a subquery is"),
    ({"exists": {}}, UndefinedTableError, "unknown table None"),
    ({"exists": {"table": "orders"}}, UndefinedTableError, "a subquery names an unknown table 'orders'"),
    (
        {"exists": {"table": Order, "fliter": {}}},
        ValidationError,
        "a subquery has no 'fliter'; did you mean 'filter'?",
    ),
    ({"exists": {"table": Order, "filter": {"itm": 1}}}, UndefinedColumnError, "orders has no column 'itm'"),
    (
        {"exists": {"table": Order, "filter": {"item": {"$outer": "idd"}}}},
        UndefinedColumnError,
        "did you mean 'id'?",
    ),
    (
        {"id": {"in_subquery": {"table": Order, "columns": ["itm"]}}},
        UndefinedColumnError,
        "did you mean 'item'?",
    ),
    ({"id": {"in_subquery": {"table": Order, "limit": -1}}}, ValidationError, "limit cannot be negative"),
    ({"id": {"in_subquery": {"table": Order, "limit": True}}}, ValidationError, "limit is a whole number"),
    (
        {"id": {"in_subquery": {"table": Order, "order": "-nope"}}},
        UndefinedColumnError,
        "orders has no column 'nope'",
    ),
    ({"id": {"in_subquery": [1, 2]}}, ValidationError, "a subquery is"),
]
