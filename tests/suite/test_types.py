"""Every type of Python on every backend: what was written comes back equal and of the same type."""

import dataclasses
import datetime
import enum
import ipaddress
import math
import pathlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal, NewType

import pytest
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    SecretStr,
    StringConstraints,
    create_model,
)
from typing_extensions import TypedDict

from conftest import Backend
from rowstead import DB, DataError, Row, ValidationError

UTC = datetime.UTC
EAST = datetime.timezone(datetime.timedelta(hours=5, minutes=45))
WEST = datetime.timezone(datetime.timedelta(hours=-9))


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.Enum):
    LOW = 1
    HIGH = 20


class Word(enum.StrEnum):
    YES = "yes"
    NO = "no"


class Number(enum.IntEnum):
    ONE = 1
    TWO = 2


class Address(BaseModel):
    street: str
    since: datetime.date
    price: Decimal = Decimal("1.50")
    tags: list[str] = []


class Person(BaseModel):
    id: uuid.UUID
    home: Address
    former: list[Address] = []
    mood: Color = Color.RED
    seen: datetime.datetime | None = None


class Exact(BaseModel):
    model_config = ConfigDict(strict=True)
    at: datetime.datetime | None
    price: Decimal
    id: uuid.UUID


class Cat(BaseModel):
    name: str
    lives: int


class Dog(BaseModel):
    name: str
    barks: bool


class Day(enum.Enum):
    FIRST = datetime.date(2024, 1, 1)
    LAST = datetime.date(2024, 12, 31)


class Rate(enum.Enum):
    LOW = Decimal("0.07")
    HIGH = Decimal("0.19")


class Point(TypedDict):
    x: int
    y: float


@dataclass
class Size:
    width: int
    label: str


Score = NewType("Score", int)
Short = Annotated[str, StringConstraints(max_length=5)]
Positive = Annotated[int, Field(gt=0)]

HOME = Address(street="Höhe 1", since=datetime.date(2020, 2, 29), tags=["a", 'b"\\'])
PERSON = Person(
    id=uuid.UUID(int=7),
    home=HOME,
    former=[HOME, Address(street="", since=datetime.date(1, 1, 1), price=Decimal("1e3"))],
    mood=Color.BLUE,
    seen=datetime.datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC),
)


@dataclass(frozen=True)
class Case:
    """A type: its name, annotation, declared types, and values that differ from each other."""

    name: str
    annotation: Any
    sqlite: str
    postgres: str
    values: Sequence[Any]

    def __str__(self) -> str:
        return self.name


CASES = [
    Case("int", int, "INTEGER", "BIGINT", [0, 1, -1, 2**31, 2**63 - 1, -(2**63)]),
    Case("float", float, "REAL", "DOUBLE PRECISION", [0.0, 0.1, -1.5e300, 5e-324, math.inf, -math.inf, 3.0]),
    Case("bool", bool, "INTEGER", "BOOLEAN", [True, False]),
    Case("bool_in_boolean", bool, "BOOLEAN", "BOOLEAN", [True, False]),
    Case(
        "str",
        str,
        "TEXT",
        "TEXT",
        ["", "a", "O'Hara", '"q"', "\\", "äöü ß", "🎈👩‍👩‍👧", "a\nb\tc", "%_", "7", "x" * 9000],
    ),
    Case("varchar", str, "VARCHAR(20)", "VARCHAR(20)", ["", "7", "007", "1e3", " x "]),
    Case("bytes", bytes, "BLOB", "BYTEA", [b"", b"\x00\xff", b"abc", bytes(range(256))]),
    Case(
        "decimal_text",
        Decimal,
        "TEXT",
        "NUMERIC",
        [
            Decimal(t)
            for t in (
                "0",
                "1.5",
                "-3",
                "0.1",
                "1e-20",
                "12345678901234567890.123456789",
                "1E+30",
                "-0.000001",
            )
        ],
    ),
    Case(
        "decimal_numeric",
        Decimal,
        "NUMERIC",
        "NUMERIC",
        [
            Decimal(t)
            for t in (
                "0",
                "1.5",
                "-3",
                "0.1",
                "1e-20",
                "12345678901234567890.123456789",
                "1E+30",
                "9007199254740993",
                "0.1234567890123456789",
                "-99999999999999999999",
            )
        ],
    ),
    Case(
        "decimal_declared",
        Decimal,
        "DECIMAL(10,2)",
        "DECIMAL(10,2)",
        [Decimal("12.34"), Decimal("-0.01"), Decimal(99999999)],
    ),
    Case("uuid", uuid.UUID, "TEXT", "UUID", [uuid.UUID(int=0), uuid.UUID(int=2**128 - 1), uuid.uuid4()]),
    Case(
        "date",
        datetime.date,
        "TEXT",
        "DATE",
        [datetime.date(1, 1, 1), datetime.date(2024, 2, 29), datetime.date(9999, 12, 31)],
    ),
    Case(
        "date_declared", datetime.date, "DATE", "DATE", [datetime.date(1, 1, 1), datetime.date(2024, 2, 29)]
    ),
    Case(
        "time",
        datetime.time,
        "TEXT",
        "TIME",
        [datetime.time(0), datetime.time(23, 59, 59, 999999), datetime.time(12, 30), datetime.time(1, 2, 3)],
    ),
    Case(
        "datetime",
        datetime.datetime,
        "TEXT",
        "TIMESTAMP",
        [
            datetime.datetime(1, 1, 1),
            datetime.datetime(2024, 2, 29, 12),
            datetime.datetime(2024, 1, 1, 0, 0, 0, 1),
        ],
    ),
    Case(
        "datetime_declared", datetime.datetime, "DATETIME", "TIMESTAMP", [datetime.datetime(2024, 2, 29, 12)]
    ),
    Case(
        "datetime_aware",
        datetime.datetime,
        "TEXT",
        "TIMESTAMPTZ",
        [datetime.datetime(2024, 2, 29, 12, tzinfo=z) for z in (UTC, EAST, WEST)],
    ),
    Case(
        "aware_only",
        AwareDatetime,
        "TEXT",
        "TIMESTAMPTZ",
        [datetime.datetime(2024, 2, 29, 12, 0, 0, 5, tzinfo=z) for z in (UTC, EAST, WEST)],
    ),
    Case(
        "timedelta",
        datetime.timedelta,
        "INTEGER",
        "INTERVAL",
        [
            datetime.timedelta(),
            datetime.timedelta(microseconds=1),
            datetime.timedelta(days=-3, hours=2, microseconds=7),
            datetime.timedelta(days=400),
            datetime.timedelta(days=-99999),
        ],
    ),
    Case("enum_of_text", Color, "TEXT", "TEXT", list(Color)),
    Case("enum_type", Color, "TEXT", "color", list(Color)),
    Case("enum_of_int", Level, "INTEGER", "INTEGER", list(Level)),
    Case("str_enum", Word, "TEXT", "TEXT", list(Word)),
    Case("str_enum_type", Word, "TEXT", "word", list(Word)),
    Case("int_enum", Number, "INTEGER", "INTEGER", list(Number)),
    Case("list_int", list[int], "TEXT", "INTEGER[]", [[], [1], [1, 2, -3], [2**31 - 1]]),
    Case("list_int_jsonb", list[int], "TEXT", "JSONB", [[], [1], [1, 2, -3], [2**62]]),
    Case("list_str", list[str], "TEXT", "TEXT[]", [[], ["a"], ['"', "\\", "{a,b}", "NULL", ""], ["ä🎈"]]),
    Case(
        "list_str_jsonb", list[str], "TEXT", "JSONB", [[], ["a"], ['"', "\\", "{a,b}", "NULL", ""], ["ä🎈"]]
    ),
    Case("list_optional", list[int | None], "TEXT", "INTEGER[]", [[None], [1, None, 2]]),
    Case("list_float", list[float], "TEXT", "DOUBLE PRECISION[]", [[1.5], [1.0, 2.25]]),
    Case("list_bool", list[bool], "TEXT", "BOOLEAN[]", [[True, False], []]),
    Case(
        "list_decimal",
        list[Decimal],
        "TEXT",
        "NUMERIC[]",
        [[Decimal("1.5")], [Decimal("12345678901234567890.12345")]],
    ),
    Case("list_uuid", list[uuid.UUID], "TEXT", "UUID[]", [[], [uuid.UUID(int=1), uuid.UUID(int=2)]]),
    Case("list_uuid_jsonb", list[uuid.UUID], "TEXT", "JSONB", [[], [uuid.UUID(int=1), uuid.UUID(int=2)]]),
    Case("list_date", list[datetime.date], "TEXT", "DATE[]", [[datetime.date(2024, 1, 2)]]),
    Case(
        "list_aware",
        list[AwareDatetime],
        "TEXT",
        "TIMESTAMPTZ[]",
        [[datetime.datetime(2024, 1, 2, tzinfo=EAST)]],
    ),
    Case("list_enum", list[Color], "TEXT", "TEXT[]", [[], [Color.RED, Color.BLUE]]),
    Case("list_enum_type", list[Color], "TEXT", "color[]", [[], [Color.RED, Color.BLUE]]),
    Case("list_enum_jsonb", list[Color], "TEXT", "JSONB", [[], [Color.RED, Color.BLUE]]),
    Case("list_of_lists", list[list[int]], "TEXT", "INTEGER[]", [[[1, 2], [3, 4]]]),
    Case("tuple", tuple[int, str], "TEXT", "JSONB", [(1, "a"), (2, "")]),
    Case("set", set[int], "TEXT", "INTEGER[]", [{1, 2, 3}, set()]),
    Case("frozenset_jsonb", frozenset[str], "TEXT", "JSONB", [frozenset({"a"}), frozenset()]),
    Case("model", Person, "TEXT", "JSONB", [PERSON, Person(id=uuid.UUID(int=1), home=HOME)]),
    Case("model_json", Address, "TEXT", "JSON", [HOME]),
    Case("list_model", list[Address], "TEXT", "JSONB", [[], [HOME, HOME]]),
    Case("dict", dict[str, Any], "TEXT", "JSONB", [{}, {"a": 1, "b": [1.5, None, {"c": "ä"}], "": True}]),
    Case("bare_dict", dict, "TEXT", "JSONB", [{"a": {"b": []}}, {}]),
    Case("dict_json", dict[str, int], "JSON", "JSON", [{}, {"a": 1}]),
    Case("dict_int_keys", dict[int, Decimal], "TEXT", "JSONB", [{1: Decimal("1.5")}]),
    Case("dict_or_list", dict[str, int] | list[int], "TEXT", "JSONB", [{"a": 1}, [1, 2], {}, []]),
    Case("any", Any, "TEXT", "JSONB", [{"a": [1]}, [1, {"b": None}], "x", "", '{"a":1}', "[1", '"q"', "[]"]),
    Case("any_number", Any, "", "JSONB", [1, 1.5, -7]),
    Case("typeddict", Point, "TEXT", "JSONB", [{"x": 1, "y": 2.5}]),
    Case("dataclass", Size, "TEXT", "JSONB", [Size(3, "a"), Size(-1, "")]),
    Case("ip", ipaddress.IPv4Address, "TEXT", "INET", [ipaddress.IPv4Address("10.0.0.1")]),
    Case("ip6", ipaddress.IPv6Address, "TEXT", "INET", [ipaddress.IPv6Address("::1")]),
    Case("ip_network", ipaddress.IPv4Network, "TEXT", "CIDR", [ipaddress.IPv4Network("10.0.0.0/8")]),
    Case("ip_interface", ipaddress.IPv4Interface, "TEXT", "INET", [ipaddress.IPv4Interface("10.0.0.1/8")]),
    Case("list_ip", list[ipaddress.IPv4Address], "TEXT", "INET[]", [[ipaddress.IPv4Address("10.0.0.1")]]),
    Case("list_bytes", list[bytes], "TEXT", "BYTEA[]", [[b"a", b""], [b"\x00\xff"]]),
    Case(
        "list_timedelta",
        list[datetime.timedelta],
        "TEXT",
        "INTERVAL[]",
        [[datetime.timedelta(days=-1, microseconds=5)]],
    ),
    Case("list_time", list[datetime.time], "TEXT", "TIME[]", [[datetime.time(1, 2, 3, 4)]]),
    Case("list_dict", list[dict[str, int]], "TEXT", "JSONB", [[{"a": 1}], []]),
    Case("tuple_of_any_length", tuple[int, ...], "TEXT", "INTEGER[]", [(1, 2), ()]),
    Case(
        "dict_of_moments",
        dict[str, AwareDatetime],
        "TEXT",
        "JSONB",
        [{"a": datetime.datetime(2024, 1, 2, tzinfo=UTC)}],
    ),
    Case("secret", SecretStr, "TEXT", "TEXT", [SecretStr("s3cret")]),
    Case("url", HttpUrl, "TEXT", "TEXT", [HttpUrl("https://example.org/a?b=c")]),
    Case("path", pathlib.Path, "TEXT", "TEXT", [pathlib.Path("/a/b c"), pathlib.Path("x")]),
    Case("enum_of_dates", Day, "TEXT", "DATE", list(Day)),
    Case("enum_of_decimals", Rate, "TEXT", "NUMERIC", list(Rate)),
    Case("int_in_numeric", int, "INTEGER", "NUMERIC", [5, -(2**62)]),
    Case("bool_in_integer", bool, "INTEGER", "INTEGER", [True, False]),
    Case("float_in_real", float, "REAL", "REAL", [1.5, -0.25]),
    Case(
        "strict_inside",
        Exact,
        "TEXT",
        "JSONB",
        [Exact(at=PERSON.seen, price=Decimal("1.5"), id=uuid.UUID(int=3))],
    ),
    Case(
        "models_of_two_kinds", Cat | Dog, "TEXT", "JSONB", [Cat(name="a", lives=9), Dog(name="b", barks=True)]
    ),
    Case("int_or_str", int | str, "", "JSONB", [1, "1", "a", "{"]),
    Case("literal", Literal["a", "b"], "TEXT", "TEXT", ["a", "b"]),
    Case("literal_int", Literal[1, 2], "INTEGER", "INTEGER", [1, 2]),
    Case("newtype", Score, "INTEGER", "INTEGER", [Score(3)]),
    Case("constrained_str", Short, "TEXT", "TEXT", ["abc"]),
    Case("constrained_int", Positive, "INTEGER", "INTEGER", [5]),
]
NOT_COMPARED = {"model_json", "dict_json"}
"""PostgreSQL's `json` (not jsonb) has no equality."""


class Stored(Row):
    __table__ = "stored"
    id: int
    note: str | None = None


def model_of(case: Case, *, strict: bool = False) -> type[Any]:
    """A Row whose column `v` has the case's type, and may be None."""
    base = Stored
    if strict:
        base = type("Strict", (Stored,), {"model_config": ConfigDict(strict=True), "__annotations__": {}})
    return create_model(
        "Made", __base__=base, v=(case.annotation | None if case.annotation is not Any else Any, None)
    )


async def prepared(db: DB, backend: Backend, case: Case) -> None:
    if backend.is_postgres:
        await db.execute("CREATE TYPE color AS ENUM ('red', 'blue')")
        await db.execute("CREATE TYPE word AS ENUM ('yes', 'no')")
    declared = case.postgres if backend.is_postgres else case.sqlite
    await db.execute(f"CREATE TABLE stored (id INTEGER PRIMARY KEY, note TEXT, v {declared})")


def assert_same(got: Any, wanted: Any) -> None:
    """Equal, and of the same type all the way down."""
    assert got == wanted, (got, wanted)
    assert type(got) is type(wanted), (got, wanted)
    if isinstance(wanted, dict):
        for key in wanted:
            assert_same(got[key], wanted[key])
    elif isinstance(wanted, (list, tuple)):
        for mine, theirs in zip(got, wanted, strict=True):
            assert_same(mine, theirs)
    elif isinstance(wanted, BaseModel):
        assert_same(dict(got), dict(wanted))
    elif dataclasses.is_dataclass(wanted) and not isinstance(wanted, type):
        assert_same(vars(got), vars(wanted))


def assert_rows(rows: Sequence[Any], wanted: Sequence[Any]) -> None:
    assert len(rows) == len(wanted)
    for row, value in zip(rows, wanted, strict=True):
        assert_same(row.v, value)


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_what_is_inserted_comes_back_equal_and_of_the_same_type(
    db: DB, backend: Backend, case: Case
) -> None:
    await prepared(db, backend, case)
    model = model_of(case)
    wanted = [*case.values, None]
    for i, value in enumerate(wanted):
        assert_same((await db.insert(model(id=i, v=value))).v, value)
    for i, value in enumerate(wanted):
        assert_same((await db.get(model, id=i)).v, value)
    assert_rows(await db.query(model, order="id"), wanted)
    assert_rows([row async for row in db.iter_rows(model, batch_size=2)], wanted)
    assert_rows(await db.fetch_models(model, "SELECT * FROM stored ORDER BY id"), wanted)


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_many_rows_come_back_as_they_were_given_by_every_bulk_path(
    db: DB, backend: Backend, case: Case
) -> None:
    await prepared(db, backend, case)
    model = model_of(case)
    wanted = [*case.values, None]
    many = [wanted[i % len(wanted)] for i in range(120)]
    for values, returning in ((wanted, False), (wanted, True), (many, False), (many, True)):
        rows = [model(id=i, v=value) for i, value in enumerate(values)]
        stored = await db.insert_many(rows, returning=returning)
        if returning:
            assert_rows(stored, values)
        else:
            assert stored == len(values)
        assert_rows(await db.query(model, order="id"), values)
        await db.execute("DELETE FROM stored")


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_update_and_upsert_store_every_type(db: DB, backend: Backend, case: Case) -> None:
    await prepared(db, backend, case)
    model = model_of(case)
    await db.insert(model(id=1, note="kept"))
    for value in [*case.values, None]:
        changed = await db.update(model(id=1, v=value))
        assert_same(changed.v, value)
        assert changed.note == "kept"
    for value in [*case.values, None]:
        assert_same((await db.insert(model(id=1, v=value), on_conflict="upsert")).v, value)
        assert await db.update_where(model.patch(v=value), where={"id": [1]}) == 1
        assert_same((await db.get(model, id=1)).v, value)
    rows = [model(id=i, v=value) for i, value in enumerate(case.values)]
    assert_rows(await db.insert_many(rows, on_conflict="upsert", returning=True), case.values)
    assert await db.insert_many(rows, on_conflict="upsert") == len(rows)
    assert_rows(await db.query(model, where={"id": {"lt": len(rows)}}, order="id"), case.values)


@pytest.mark.parametrize("case", [c for c in CASES if c.name not in NOT_COMPARED], ids=str)
async def test_a_filter_by_a_stored_value_finds_its_row(db: DB, backend: Backend, case: Case) -> None:
    await prepared(db, backend, case)
    model = model_of(case)
    await db.insert_many([model(id=i, v=value) for i, value in enumerate([*case.values, None])])
    for value in case.values:
        alike = [i for i, other in enumerate(case.values) if other == value]
        others = [i for i in range(len(case.values) + 1) if i not in alike]
        assert [r.id for r in await db.query(model, where={"v": {"eq": value}}, order="id")] == alike
        assert [r.id for r in await db.query(model, where={"v": {"ne": value}}, order="id")] == others
        assert await db.update_where(model.patch(note="x"), where={"v": {"eq": value}}) == len(alike)
    assert [r.id for r in await db.query(model, v=None)] == [len(case.values)]


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_a_strict_model_reads_what_it_wrote(db: DB, backend: Backend, case: Case) -> None:
    await prepared(db, backend, case)
    model = model_of(case, strict=True)
    wanted = [*case.values, None]
    await db.insert_many([model(id=i, v=value) for i, value in enumerate(wanted)])
    assert_rows(await db.query(model, order="id"), wanted)


# ── refusals ─────────────────────────────────────────────────────────────────────────────────


async def refused(db: DB, backend: Backend, case: Case, value: Any) -> ValidationError:
    """Inserting this value is a ValidationError, and nothing is stored."""
    await prepared(db, backend, case)
    model = model_of(case)
    with pytest.raises(ValidationError) as caught:
        await db.insert(model.patch(id=1, v=value))
    assert await db.count(model) == 0
    return caught.value


def case_of(name: str) -> Case:
    return next(c for c in CASES if c.name == name)


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 10**30])
async def test_an_integer_beyond_64_bits_is_a_data_error(db: DB, backend: Backend, value: int) -> None:
    error = await refused(db, backend, case_of("int"), value)
    assert isinstance(error, DataError)


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1])
async def test_an_integer_beyond_64_bits_is_refused_in_bulk_and_in_filters_too(
    db: DB, backend: Backend, value: int
) -> None:
    await prepared(db, backend, case_of("int"))
    model = model_of(case_of("int"))
    for count in (2, 100):
        with pytest.raises(ValidationError):
            await db.insert_many([model(id=i, v=value) for i in range(count)])
    with pytest.raises(ValidationError):
        await db.query(model, v=value)
    with pytest.raises(ValidationError):
        await db.query(model, v=[value])
    assert await db.count(model) == 0


async def test_nan_round_trips_on_postgresql_and_is_refused_on_sqlite(db: DB, backend: Backend) -> None:
    case = case_of("float")
    if not backend.is_postgres:
        error = await refused(db, backend, case, math.nan)
        assert "NaN" in str(error)
        assert error.column == "v"
        return
    await prepared(db, backend, case)
    model = model_of(case)
    assert math.isnan((await db.insert(model(id=1, v=math.nan))).v)
    assert math.isnan((await db.get(model, id=1)).v)


async def test_a_nul_character_is_a_data_error_on_postgresql_and_stored_on_sqlite(
    db: DB, backend: Backend
) -> None:
    case = case_of("str")
    if backend.is_postgres:
        error = await refused(db, backend, case, "a\x00b")
        assert isinstance(error, DataError)
        with pytest.raises(DataError):
            await db.query(model_of(case), v="a\x00b")
        return
    await prepared(db, backend, case)
    model = model_of(case)
    assert (await db.insert(model(id=1, v="a\x00b"))).v == "a\x00b"
    assert [r.id for r in await db.query(model, v="a\x00b")] == [1]


async def test_a_lone_surrogate_is_a_validation_error(db: DB, backend: Backend) -> None:
    await refused(db, backend, case_of("str"), "a\ud800")


async def test_decimals_that_are_no_numbers_round_trip(db: DB, backend: Backend) -> None:
    await prepared(db, backend, case_of("decimal_text"))
    # Pydantic refuses them unless told.
    model = create_model(
        "Free", __base__=Stored, v=(Annotated[Decimal, Field(allow_inf_nan=True)] | None, None)
    )
    for i, value in enumerate((Decimal("Infinity"), Decimal("-Infinity"))):
        assert (await db.insert(model(id=i, v=value))).v == value
    assert (await db.insert(model(id=5, v=Decimal("NaN")))).v.is_nan()
    assert (await db.get(model, id=5)).v.is_nan()


WRONG: Sequence[tuple[str, Any]] = [
    ("int", "seven"),
    ("int", 1.5),
    ("int", [1]),
    ("int", {"a": 1}),
    ("float", "much"),
    ("bool", "perhaps"),
    ("bool", 2),
    ("str", 7),
    ("str", b"\xff"),
    ("str", ["a"]),
    ("bytes", 7),
    ("decimal_text", "1,5"),
    ("decimal_numeric", "NaNo"),
    ("uuid", "not-a-uuid"),
    ("uuid", 5),
    ("date", "2024-13-01"),
    ("date", "yesterday"),
    ("time", "25:00"),
    ("datetime", "soon"),
    ("timedelta", "long"),
    ("enum_of_text", "green"),
    ("enum_of_int", 3),
    ("str_enum", "perhaps"),
    ("int_enum", 9),
    ("list_int", 7),
    ("list_int_jsonb", "a"),
    ("list_str", "a"),
]


@pytest.mark.parametrize(("name", "value"), WRONG, ids=[f"{n}-{v!r}" for n, v in WRONG])
async def test_a_value_of_the_wrong_type_is_a_validation_error_that_names_the_column(
    db: DB, backend: Backend, name: str, value: Any
) -> None:
    case = case_of(name)
    error = await refused(db, backend, case, value)
    assert error.column == "v"
    assert "'v'" in str(error)
    model = model_of(case)
    filters: list[Any] = [{"v": {"eq": value}}, {"v": {"ne": value}}]
    if not name.startswith("list"):
        filters += [{"v": {"in": [value]}}, {"v": {"in": [value] * 20}}, {"v": {"gt": value}}]
    for where in filters:
        with pytest.raises(ValidationError) as caught:
            await db.query(model, where=where)
        assert caught.value.column == "v", where
        assert "'v'" in str(caught.value)
    for count in (1, 100):
        with pytest.raises(ValidationError) as caught:
            await db.insert_many([model.patch(id=i, v=value) for i in range(count)])
        assert caught.value.column == "v"
    assert await db.count(model) == 0


LIST_WRONG: Sequence[tuple[str, Any]] = [
    ("list_int", ["a"]),
    ("list_int_jsonb", ["a"]),
    ("list_str", [1]),
    ("list_uuid", ["x"]),
    ("list_enum", ["green"]),
    ("list_decimal", ["a"]),
]


@pytest.mark.parametrize(("name", "value"), LIST_WRONG, ids=[f"{n}-{v!r}" for n, v in LIST_WRONG])
async def test_a_list_with_a_wrong_element_is_a_validation_error_on_every_backend(
    db: DB, backend: Backend, name: str, value: Any
) -> None:
    error = await refused(db, backend, case_of(name), value)
    assert error.column == "v"


JSON_SPELLINGS: Sequence[tuple[str, Any, Any]] = [
    ("int", "7", 7),
    ("int", 7.0, 7),
    ("float", "1.5", 1.5),
    ("float", 2, 2.0),
    ("bool", "true", True),
    ("bool", 1, True),
    ("decimal_text", "1.50", Decimal("1.5")),
    ("decimal_text", 3, Decimal(3)),
    ("decimal_text", 0.5, Decimal("0.5")),
    ("decimal_numeric", "1.50", Decimal("1.5")),
    ("uuid", "00000000-0000-0000-0000-00000000000A", uuid.UUID(int=10)),
    ("uuid", "0000000000000000000000000000000a", uuid.UUID(int=10)),
    ("date", "2024-02-29", datetime.date(2024, 2, 29)),
    ("time", "12:30", datetime.time(12, 30)),
    ("datetime", "2024-01-01T00:00:00", datetime.datetime(2024, 1, 1)),
    ("datetime_aware", "2024-01-01T00:00:00Z", datetime.datetime(2024, 1, 1, tzinfo=UTC)),
    ("aware_only", "2024-01-01T05:45:00+05:45", datetime.datetime(2024, 1, 1, tzinfo=UTC)),
    ("timedelta", "P1DT2H", datetime.timedelta(days=1, hours=2)),
    ("timedelta", 90, datetime.timedelta(seconds=90)),
    ("enum_of_text", "red", Color.RED),
    ("enum_type", "red", Color.RED),
    ("enum_of_int", 20, Level.HIGH),
    ("str_enum", "no", Word.NO),
    ("int_enum", 2, Number.TWO),
    ("list_int", (1, 2), [1, 2]),
    ("list_enum", ["red"], [Color.RED]),
    ("list_uuid", ["00000000-0000-0000-0000-00000000000A"], [uuid.UUID(int=10)]),
    ("list_date", ["2024-02-29"], [datetime.date(2024, 2, 29)]),
    ("list_decimal", ["1.5"], [Decimal("1.5")]),
    ("list_decimal", [2], [Decimal(2)]),
    ("list_float", [2], [2.0]),
    ("model", PERSON.model_dump(mode="json"), PERSON),
    ("dataclass", {"width": 3, "label": "a"}, Size(3, "a")),
    ("ip", "10.0.0.1", ipaddress.IPv4Address("10.0.0.1")),
]


@pytest.mark.parametrize(
    ("name", "spelled", "value"), JSON_SPELLINGS, ids=[f"{n}-{str(s)[:20]}" for n, s, _ in JSON_SPELLINGS]
)
async def test_a_value_as_json_spells_it_is_taken_in_filters_and_patches(
    db: DB, backend: Backend, name: str, spelled: Any, value: Any
) -> None:
    case = case_of(name)
    await prepared(db, backend, case)
    model = model_of(case)
    await db.insert(model(id=1, v=value))
    assert [r.id for r in await db.query(model, where={"v": {"eq": spelled}})] == [1]
    assert await db.query(model, where={"v": {"not": spelled}}) == []
    if not name.startswith(("list", "model", "dataclass")):
        assert [r.id for r in await db.query(model, v=[spelled])] == [1]
        assert [r.id for r in await db.query(model, v=[spelled] * 30)] == [1]
        assert [r.id for r in await db.query(model, where={"v": {"gte": spelled}})] == [1]
    await db.insert(model.patch(id=2, v=spelled))
    assert_same((await db.get(model, id=2)).v, value)
    for count in (3, 60):
        await db.insert_many([model.patch(id=i + 10, v=spelled) for i in range(count)])
        assert_same((await db.get(model, id=12)).v, value)
        await db.execute("DELETE FROM stored WHERE id >= 10")


# ── time ─────────────────────────────────────────────────────────────────────────────────────


async def test_bytes_that_json_cannot_hold_are_a_validation_error(db: DB, backend: Backend) -> None:
    case = Case("bytes_in_json", dict[str, bytes], "TEXT", "JSONB", [])
    error = await refused(db, backend, case, {"a": b"\xff"})
    assert "JSON" in str(error) or "utf-8" in str(error)


async def test_one_moment_in_several_zones_is_one_value(db: DB, backend: Backend) -> None:
    case = case_of("datetime_aware")
    await prepared(db, backend, case)
    model = model_of(case)
    moment = datetime.datetime(2024, 3, 31, 1, 30, tzinfo=UTC)
    await db.insert_many([model(id=i, v=moment.astimezone(z)) for i, z in enumerate((UTC, EAST, WEST))])
    assert await db.count(model, v=moment) == 3
    assert await db.count(model, v=moment.astimezone(EAST)) == 3
    assert await db.count(model, v=[moment.astimezone(WEST)] * 40) == 3
    later = moment + datetime.timedelta(microseconds=1)
    assert await db.count(model, where={"v": {"lt": later.astimezone(WEST)}}) == 3
    assert await db.count(model, where={"v": {"gte": later}}) == 0


async def test_a_moment_keeps_its_zone_and_never_becomes_another(db: DB, backend: Backend) -> None:
    case = case_of("datetime")
    await prepared(db, backend, case)
    model = model_of(case)
    aware = datetime.datetime(2024, 1, 1, 12, tzinfo=EAST)
    if backend.is_postgres:
        # A `timestamp` has no zone: taking the value would lose it.
        with pytest.raises(DataError):
            await db.insert(model(id=1, v=aware))
        return
    stored = (await db.insert(model(id=1, v=aware))).v
    assert stored == aware
    assert stored.tzinfo is not None


async def test_now_is_the_current_time_in_a_column_of_each_kind(db: DB, ddl: Any) -> None:
    await db.execute(
        ddl("CREATE TABLE clocks (id INTEGER PRIMARY KEY, naive {timestamp}, aware {timestamptz})")
    )

    class Clock(Row):
        __table__ = "clocks"
        id: int
        naive: datetime.datetime | None = None
        aware: AwareDatetime | None = None

    from rowstead import Now

    before = datetime.datetime.now(UTC) - datetime.timedelta(seconds=2)
    stored = await db.insert(Clock.patch(id=1, naive=Now(), aware=Now()))
    after = datetime.datetime.now(UTC) + datetime.timedelta(seconds=2)
    assert stored.aware is not None
    assert before <= stored.aware <= after
    assert stored.naive is not None
    assert stored.naive.tzinfo is None
    await db.update(Clock(id=1, aware=before))
    assert await db.count(Clock, where={"aware": {"lt": Now()}}) == 1
    assert await db.count(Clock, where={"aware": {"gt": Now()}}) == 0


# ── order ────────────────────────────────────────────────────────────────────────────────────

ORDERED: Sequence[tuple[str, Sequence[Any]]] = [
    ("int", [-(2**63), -10, -9, 0, 9, 10, 2**63 - 1]),
    ("float", [-math.inf, -1.5, -0.1, 0.0, 1e-20, 9.0, 10.0, math.inf]),
    ("bool", [False, True]),
    ("bytes", [b"", b"\x00", b"a", b"a\x00", b"b", b"\xff"]),
    (
        "decimal_text",
        [
            Decimal(t)
            for t in (
                "-1e25",
                "-10",
                "-9.5",
                "-9",
                "-1e-20",
                "0",
                "1e-20",
                "0.5",
                "9",
                "10",
                "10.01",
                "12345678901234567890.1",
                "12345678901234567890.12",
                "1e30",
            )
        ],
    ),
    (
        "decimal_numeric",
        [
            Decimal(t)
            for t in (
                "-1e25",
                "-10",
                "-9.5",
                "-9",
                "-1e-20",
                "0",
                "1e-20",
                "0.5",
                "9",
                "10",
                "10.01",
                "12345678901234567890.1",
                "12345678901234567890.12",
                "1e30",
            )
        ],
    ),
    ("uuid", [uuid.UUID(int=i) for i in (0, 1, 9, 10, 2**64, 2**127)]),
    (
        "date",
        [
            datetime.date(1, 1, 1),
            datetime.date(999, 12, 31),
            datetime.date(1000, 1, 1),
            datetime.date(9999, 1, 1),
        ],
    ),
    (
        "time",
        [
            datetime.time(0),
            datetime.time(0, 0, 0, 1),
            datetime.time(0, 0, 1),
            datetime.time(9),
            datetime.time(10),
        ],
    ),
    (
        "datetime",
        [
            datetime.datetime(1, 1, 1),
            datetime.datetime(2024, 1, 1),
            datetime.datetime(2024, 1, 1, 0, 0, 0, 1),
            datetime.datetime(2024, 1, 1, 0, 0, 1),
            datetime.datetime(9999, 12, 31),
        ],
    ),
    (
        "datetime_aware",
        [
            datetime.datetime(2024, 1, 1, 12, tzinfo=EAST),
            datetime.datetime(2024, 1, 1, 7, tzinfo=UTC),
            datetime.datetime(2024, 1, 1, 7, 0, 0, 1, tzinfo=UTC),
            datetime.datetime(2024, 1, 1, 0, tzinfo=WEST),
        ],
    ),
    (
        "timedelta",
        [
            datetime.timedelta(days=-2),
            datetime.timedelta(microseconds=-1),
            datetime.timedelta(0),
            datetime.timedelta(seconds=9),
            datetime.timedelta(seconds=10),
            datetime.timedelta(days=3),
        ],
    ),
    ("enum_of_int", [Level.LOW, Level.HIGH]),
    ("int_enum", [Number.ONE, Number.TWO]),
]


@pytest.mark.parametrize(("name", "values"), ORDERED, ids=[n for n, _ in ORDERED])
async def test_the_order_of_stored_values_is_the_order_of_values(
    db: DB, backend: Backend, name: str, values: Sequence[Any]
) -> None:
    case = case_of(name)
    await prepared(db, backend, case)
    model = model_of(case)
    ids = list(range(len(values)))
    shuffled = sorted(ids, key=lambda i: (i * 7919) % 13)
    await db.insert_many([model(id=i, v=values[i]) for i in shuffled])
    assert [r.id for r in await db.query(model, order="v")] == ids
    assert [r.id for r in await db.query(model, order="-v")] == ids[::-1]
    assert [r.id async for r in db.iter_rows(model, order="-v", batch_size=2)] == ids[::-1]
    for i, value in enumerate(values):
        found = {op: await db.count(model, where={"v": {op: value}}) for op in ("lt", "lte", "gt", "gte")}
        assert found == {"lt": i, "lte": i + 1, "gt": len(ids) - i - 1, "gte": len(ids) - i}
    assert await db.count(model, where={"v": {"between": [values[0], values[-1]]}}) == len(values)


async def test_none_is_refused_where_the_model_has_no_none(db: DB, ddl: Any) -> None:
    await db.execute(ddl("CREATE TABLE needs (id INTEGER PRIMARY KEY, n {int} NOT NULL)"))

    class Needs(Row):
        __table__ = "needs"
        id: int
        n: int

    from rowstead import NotNullError

    with pytest.raises(NotNullError) as caught:
        await db.insert(Needs.patch(id=1, n=None))
    assert caught.value.column == "n"
    assert await db.count(Needs) == 0
