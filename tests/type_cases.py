"""The types that Rowstead stores, with values of each: what `tests/suite` writes, reads and compares."""

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
from rowstead import DB, Row

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

    @property
    def maria(self) -> str | None:
        """The declared type on MariaDB; None where it has no column for such values."""
        if self.name in NOT_ON_MARIA:
            return None
        listed = self.postgres.endswith("[]")
        return "JSON" if listed else MARIA_OVERRIDES.get(self.name) or MARIA_TYPES[self.postgres]

    def __str__(self) -> str:
        return self.name


MARIA_TYPES = {
    "TEXT": "LONGTEXT",
    "BIGINT": "BIGINT",
    "INTEGER": "INTEGER",
    "BOOLEAN": "BOOLEAN",
    "DOUBLE PRECISION": "DOUBLE",
    "REAL": "DOUBLE",
    "VARCHAR(20)": "VARCHAR(20)",
    "BYTEA": "LONGBLOB",
    "NUMERIC": "DECIMAL(65, 30)",
    "DECIMAL(10,2)": "DECIMAL(10,2)",
    "UUID": "UUID",
    "DATE": "DATE",
    "TIME": "TIME(6)",
    "TIMESTAMP": "DATETIME(6)",
    "TIMESTAMPTZ": "TIMESTAMP(6)",
    "INTERVAL": "BIGINT",
    "color": "ENUM('red', 'blue')",
    "word": "ENUM('yes', 'no')",
    "JSON": "JSON",
    "JSONB": "JSON",
    "INET": "VARCHAR(50)",
    "CIDR": "VARCHAR(50)",
}
"""PostgreSQL's type -> MariaDB's; arrays are JSON."""
MARIA_OVERRIDES = {"any": "LONGTEXT", "aware_only": "DATETIME(6)"}
NOT_ON_MARIA = frozenset({"any_number", "int_or_str", "float_infinite"})
"""A column has one type there, and its numbers are finite."""

CASES = [
    Case("int", int, "INTEGER", "BIGINT", [0, 1, -1, 2**31, 2**63 - 1, -(2**63)]),
    Case("float", float, "REAL", "DOUBLE PRECISION", [0.0, 0.1, -1.5e300, 5e-324, 3.0]),
    Case("float_infinite", float, "REAL", "DOUBLE PRECISION", [math.inf, -math.inf]),
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
    declared = case.maria if backend.is_maria else case.postgres if backend.is_postgres else case.sqlite
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


def case_of(name: str) -> Case:
    return next(c for c in CASES if c.name == name)
