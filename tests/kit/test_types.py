"""Every column type of the kit on every backend: natural values in, and the stored ones back."""

from __future__ import annotations

import datetime
import struct
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import Backend
from rowstead import ValidationError
from rowstead.kit import AsyncDatabase, Database
from rowstead.kit import builders as b
from servers import Server, with_driver

UTC = datetime.UTC
EAST = datetime.timezone(datetime.timedelta(hours=5, minutes=45))
DAY = datetime.date(2024, 2, 29)
MOMENT = datetime.datetime(2024, 2, 29, 12, 30, 0, 250, UTC)
NANOS = 1_709_209_800_000_250_000
ID = uuid.UUID("7d444840-9dc0-11d1-b245-5ffdce74fad2")

# Storage, values that are given, the value that is stored of each.
CASES: list[tuple[str, list[Any], Any]] = [
    ("int8", [-128], -128),
    ("int16", [32767], 32767),
    ("int32", [-(2**31)], -(2**31)),
    ("int64", [2**63 - 1], 2**63 - 1),
    ("float32", [0.1], struct.unpack("<f", struct.pack("<f", 0.1))[0]),
    ("float64", [3, 3.0], 3.0),
    ("float64", [0.1], 0.1),
    ("text", ["é😀'\"\\\n"], "é😀'\"\\\n"),
    ("bool", [True], True),
    ("json", [{"b": [1, None, {"a": "é"}]}], {"b": [1, None, {"a": "é"}]}),
    ("json", ['{"b":1}'], '{"b":1}'),
    ("json", ["x"], "x"),
    ("json_native", [[1, 2]], [1, 2]),
    ("bytes", [b"\0ab\xff", bytearray(b"\0ab\xff"), [0, 97, 98, 255]], b"\0ab\xff"),
    ("bytes", ["ab"], b"ab"),
    ("timestamp_nanos", [NANOS, MOMENT, MOMENT.astimezone(EAST), MOMENT.replace(tzinfo=None)], NANOS),
    ("date", [DAY, "2024-02-29"], DAY),
    ("date64", [DAY, "2024-02-29", NANOS // 10**6], DAY),
    ("date_time", [MOMENT, MOMENT.astimezone(EAST), MOMENT.replace(tzinfo=None), MOMENT.isoformat()], MOMENT),
    ("time64", [datetime.time(1, 2, 3, 4), "01:02:03.000004", 3_723_000_004_000], datetime.time(1, 2, 3, 4)),
    ("interval", [datetime.timedelta(days=-3, microseconds=7)], datetime.timedelta(days=-3, microseconds=7)),
    ("decimal128", [Decimal("12345678901234567890.123456789")], Decimal("12345678901234567890.123456789")),
    ("decimal128", [7, "7.0"], Decimal(7)),
    ("uuid", [ID, str(ID), str(ID).upper(), ID.hex], ID),
    ("array", [[1, "a", None], (1, "a", None)], [1, "a", None]),
    ("sparse", [[(1, 2), ("b", 0.5)]], [[1, 2.0], ["b", 0.5]]),
]
UNFILTERED = ("json", "json_native", "array", "sparse", "embedding")


def table(storage: str) -> dict[str, Any]:
    return {"tables": [b.table("t", 1, [b.int("id", 1), b.column("c", 2, storage, nullable=True)], "id")]}


@pytest.mark.parametrize(("storage", "given_values", "stored"), CASES)
async def test_a_value_comes_back_as_it_is_stored(
    backend: Backend, storage: str, given_values: list[Any], stored: Any
) -> None:
    async with await AsyncDatabase.create(backend.url, table(storage)) as db, db.begin() as txn:
        await txn.insert("t", {"id": 1})
        for number, value in enumerate(given_values, start=2):
            row = {"id": number, "c": stored}
            written = [
                await txn.insert("t", {"id": number, "c": value}),
                await txn.update("t", number, {"c": value}),
                await txn.get_by_pk("t", number),
            ]
            assert written == [row] * 3
            assert [type(w["c"]) for w in written if w is not None] == [type(stored)] * 3
        many = await txn.insert_many("t", ({"id": 100 + n, "c": v} for n, v in enumerate(given_values)))
        assert [row["c"] for row in many] == [stored] * len(given_values)
        everything = await txn.select("t", order="id")
        assert [row["c"] for row in everything] == [None, *[stored] * 2 * len(given_values)]


@pytest.mark.parametrize(
    ("storage", "given_values", "stored"), [case for case in CASES if case[0] not in UNFILTERED]
)
async def test_a_value_is_found_by_every_form_of_it(
    backend: Backend, storage: str, given_values: list[Any], stored: Any
) -> None:
    async with await AsyncDatabase.create(backend.url, table(storage)) as db, db.begin() as txn:
        await txn.insert_many("t", [{"id": 1, "c": stored}, {"id": 2}])
        for value in given_values:
            # A list in a filter is several values.
            if isinstance(value, (list, bytearray)) or (storage == "decimal128" and isinstance(value, str)):
                continue
            for condition in (value, {"eq": value}, {"gte": value, "lte": value}, [value, value]):
                found = await txn.select("t", {"c": condition})
                assert [row["id"] for row in found] == [1], condition
            assert await txn.select("t", {"c": {"gt": value}}) == []


async def test_a_moment_comes_back_in_utc(backend: Backend) -> None:
    async with await AsyncDatabase.create(backend.url, table("date_time")) as db, db.begin() as txn:
        row = await txn.insert("t", {"id": 1, "c": MOMENT.astimezone(EAST)})
        (again,) = await txn.select("t")
        assert row["c"].utcoffset() == again["c"].utcoffset() == datetime.timedelta(0)


async def test_kit_d21_json_comes_back_parsed(backend: Backend) -> None:
    async with await AsyncDatabase.create(backend.url, table("json")) as db, db.begin() as txn:
        await txn.insert("t", {"id": 1, "c": {"b": 1}})
        assert await txn.select("t") == [{"id": 1, "c": {"b": 1}}]


async def test_an_embedding_is_a_list_of_floats(backend: Backend) -> None:
    schema = {"tables": [b.table("t", 1, [b.int("id", 1), b.embedding("e", 2, 3)], "id")]}
    async with await AsyncDatabase.create(backend.url, schema) as db, db.begin() as txn:
        assert (await txn.insert("t", {"id": 1, "e": [1, 2.5, -3]}))["e"] == [1.0, 2.5, -3.0]
        assert (await txn.get_by_pk("t", 1)) == {"id": 1, "e": [1.0, 2.5, -3.0]}
        with pytest.raises(ValidationError, match="length of at least 3") as raised:
            await txn.insert("t", {"id": 2, "e": [1, 2]})
        assert raised.value.column == "e"


@pytest.mark.parametrize(("storage", "beyond"), [("int8", 128), ("int16", 2**15), ("int32", 2**31)])
async def test_kit_d37_no_verb_and_no_filter_wraps_a_number(
    backend: Backend, storage: str, beyond: int
) -> None:
    async with await AsyncDatabase.create(backend.url, table(storage)) as db, db.begin() as txn:
        await txn.insert("t", {"id": 1, "c": 1})
        for work in (
            lambda: txn.insert("t", {"id": 2, "c": beyond}),
            lambda: txn.insert_many("t", [{"id": 2, "c": beyond}]),
            lambda: txn.update("t", 1, {"c": beyond}),
            lambda: txn.select("t", {"c": beyond}),
        ):
            with pytest.raises(ValidationError, match="does not fit") as raised:
                await work()
            assert raised.value.column == "c"
        assert await txn.select("t") == [{"id": 1, "c": 1}]


# Any value of every type, on both backends of the synchronous world.

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
STRATEGIES: dict[str, st.SearchStrategy[Any]] = {
    "int8": st.integers(-128, 127),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "float32": st.floats(width=32, allow_nan=False, allow_infinity=False),
    "float64": st.floats(allow_nan=False, allow_infinity=False),
    "text": TEXTS,
    "bool": st.booleans(),
    "bytes": st.binary(max_size=20),
    "timestamp_nanos": st.integers(-(2**63), 2**63 - 1),
    "date": st.dates(),
    # Further, a zone would lead out of the calendar.
    "date_time": st.datetimes(
        datetime.datetime(1, 1, 3), datetime.datetime(9999, 12, 29), timezones=st.sampled_from([UTC, EAST])
    ),
    "time64": st.times(),
    "interval": st.timedeltas(datetime.timedelta(days=-(10**6)), datetime.timedelta(days=10**6)),
    "decimal128": st.decimals(-(10**20), 10**20, places=15),
    "uuid": st.uuids(),
    "json": st.recursive(
        st.integers(-(2**53), 2**53) | TEXTS | st.booleans(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
        max_leaves=4,
    ),
}
ROWS = st.fixed_dictionaries({name: st.none() | strategy for name, strategy in STRATEGIES.items()})


@pytest.fixture(scope="module")
def databases(postgres_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Database]]:
    columns = [b.column(name, n, name, nullable=True) for n, name in enumerate(STRATEGIES, start=1)]
    schema = {"tables": [b.table("t", 1, [b.int("id", 0), *columns], "id")]}
    path: Path = tmp_path_factory.mktemp("types") / "types.db"
    with ExitStack() as stack:
        url = with_driver(stack.enter_context(postgres_server.database()).url, "psycopg")
        yield [stack.enter_context(Database.create(place, schema)) for place in (str(path), url)]


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(ROWS, min_size=1, max_size=40))
def test_any_values_come_back_from_both_databases(databases: list[Database], rows: list[Any]) -> None:
    numbered = [{"id": number, **row} for number, row in enumerate(rows)]
    for db in databases:
        with db.begin() as txn:
            txn.delete_where("t")
            written = txn.insert_many("t", numbered)
            assert written == numbered
            assert txn.select("t", order="id") == numbered
