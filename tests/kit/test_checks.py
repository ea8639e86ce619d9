"""Check expressions: grammar, three-valued logic, and the same truth in Python and in both databases."""

from __future__ import annotations

import datetime
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rowstead import UndefinedColumnError, ValidationError
from rowstead.dialects import POSTGRESQL, SQLITE, Dialect
from rowstead.drivers.sqlite_functions import register
from rowstead.kit import builders as b
from rowstead.kit.catalogue import tables_of
from rowstead.rules.checks import FALSE, TRUE, UNKNOWN, Tree, columns_of, holds, parse, renamed
from rowstead.statements.check_sql import check_texts
from rowstead.statements.ddl import create_statements
from rowstead.tables.schema import Table
from rowstead.values.encoders import SQLITE_CODEC, encoder
from servers import Server

COLUMNS = [
    b.int("id", 1),
    *(
        b.column(name, number, storage, nullable=True)
        for number, (name, storage) in enumerate(
            [
                *(("a", "int64"), ("b", "int64"), ("small", "int16"), ("ns", "timestamp_nanos")),
                *(("f", "float64"), ("g", "float32"), ("d", "decimal128"), ("e", "decimal128")),
                *(("s", "text"), ("t", "text"), ("q", "bool"), ("r", "bool"), ("raw", "bytes")),
                *(("day", "date"), ("at", "date_time"), ("hour", "time64"), ("span", "interval")),
                *(("u", "uuid"), ("v", "uuid")),
            ],
            start=2,
        )
    ),
]
TABLE = tables_of({"tables": [b.table("checked", 1, COLUMNS, "id")]})["checked"]


def truth(text: str, **row: Any) -> bool | None:
    return holds(parse(text, TABLE.columns), row)


@pytest.mark.parametrize(
    ("text", "row", "expected"),
    [
        ("a>0 AND b>0", {"a": None, "b": 0}, False),
        ("a>0 AND b>0", {"a": None, "b": 1}, None),
        ("a>0 OR b>0", {"a": None, "b": 0}, None),
        ("a>0 OR b>0", {"a": None, "b": 1}, True),
        ("a=1 OR a=2 AND b=3", {"a": 1, "b": 9}, True),
        ("(a=1 OR a=2) AND b=3", {"a": 1, "b": 9}, False),
        ("not a = 1 and b = 1", {"a": 2, "b": 1}, True),
        ("not a = 1 and b = 1", {"a": 2, "b": 2}, False),
        ("NOT a > 0", {"a": 0}, True),
        ("NOT a > 0", {"a": None}, None),
        ("! (a > 0) && b == 1 || b <> 1", {"a": 1, "b": 2}, True),
        ("1 = 2", {}, False),
        ("NULL = NULL", {}, None),
        ("a = null", {"a": 1}, None),
        ("a != NULL", {"a": None}, None),
        (r"s = 'it\'s'", {"s": "it's"}, True),
        (r's = "a\\b\"c"', {"s": 'a\\b"c'}, True),
        ('"a" < "b"', {}, True),
        ("'a' > 1", {}, None),
        ("a = '1'", {"a": 1}, None),
        ("a != 'x'", {"a": 1}, None),
        ("q = 1", {"q": True}, None),
        ("q = true", {"q": True}, True),
        ("q < r", {"q": False, "r": True}, True),
        ("s > 1", {"s": "2"}, None),
        ("s < t", {"s": "Z", "t": "a"}, True),
        ("s < t", {"s": "\uffff", "t": "\U00010000"}, True),
        ("a > -5", {"a": -4}, True),
        ("a<-5", {"a": -6}, True),
        ("3 < a", {"a": 4}, True),
        ("a > 1.5", {"a": 2}, True),
        ("a > 1.5", {"a": 1}, False),
        ("a >= 1.5", {"a": 1}, False),
        ("a < 1.5", {"a": 1}, True),
        ("a <= 1.5", {"a": 2}, False),
        ("-1.5 > a", {"a": -2}, True),
        ("-1.5 < a", {"a": -1}, True),
        ("a = 1.5", {"a": 1}, False),
        ("a = 1.5", {"a": None}, None),
        ("a != 1.5", {"a": 1}, True),
        ("a = 5.", {"a": 5}, True),
        ("a = 9007199254740993", {"a": 9007199254740993}, True),
        ("a = 9007199254740993", {"a": 9007199254740992}, False),
        ("f > 0.1", {"f": 0.1}, False),
        ("a = f", {"a": 1, "f": 1.0}, True),
        ("d >= 0.1", {"d": Decimal("0.1")}, True),
        ("d = a", {"d": Decimal("1.00"), "a": 1}, True),
        ("raw = 'é'", {"raw": "é".encode()}, True),
        ("day < '2024-02-01'", {"day": datetime.date(2024, 1, 31)}, True),
        ("at = '2024-01-01'", {"at": datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)}, True),
        (
            "at > '2024-01-01T01:00:00+01:00'",
            {"at": datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)},
            False,
        ),
        ("span < 'P1D'", {"span": datetime.timedelta(hours=23)}, True),
        ("ns > 0", {"ns": 1}, True),
        ("a\n >\t0", {"a": 1}, True),
    ],
)
def test_what_an_expression_means(text: str, row: dict[str, Any], expected: bool | None) -> None:
    assert truth(text, **row) is expected


def test_what_does_not_depend_on_a_row_is_decided_at_once() -> None:
    assert parse("1 = 1 or a > 0", TABLE.columns) == TRUE
    assert parse("1 = 2 and a > 0", TABLE.columns) == FALSE
    assert parse("not a = null", TABLE.columns) == UNKNOWN
    assert parse("1 = 1 and a > 0", TABLE.columns) == parse("a > 0", TABLE.columns)


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        ("", 0, "empty"),
        ("  ", 2, "empty"),
        ("q", 1, "operator is missing"),
        ("NOT q", 5, "operator is missing"),
        ("a >", 3, "is missing"),
        ("> 1", 0, "is missing"),
        ("a > 0 b > 0", 6, "left over"),
        ("a > 0 >", 6, "left over"),
        ("1 < a < 3", 6, "left over"),
        ("a > 0)", 5, "left over"),
        ("a-5", 1, "operator is missing"),
        ("(a > 0", 0, "not closed"),
        ("(a) > 1", 2, "operator is missing"),
        ("s = 'it''s'", 8, "left over"),
        ("s = 'it", 4, "no end"),
        ('s = "it', 4, "no end"),
        ("a > .5", 4, "no meaning"),
        ("a > +5", 4, "no meaning"),
        ("a > - 5", 4, "no meaning"),
        ("a > 1e3", 5, "left over"),
        ("a > 1.2.3", 7, "no meaning"),
        ("a % 2 = 0", 2, "no meaning"),
        ("a in (1, 2)", 7, "no meaning"),
        ("s like 'a%'", 2, "operator is missing"),
        ("a is null", 2, "operator is missing"),
        ("s(a) > 1", 1, "operator is missing"),
        ("a > 0 and", 9, "is missing"),
        ("day > 'garbage'", 6, "not a date"),
        ("day > '2024'", 6, "not a date"),
        ("u = 'x'", 4, "not a UUID"),
        ("d = f", 4, "do not compare exactly"),
        ("s = 'a\0b'", 6, "NUL"),
        ("a > " + "9" * 400, 4, "more than 300 digits"),
    ],
)
def test_an_error_says_what_is_wrong_and_points_at_it(text: str, place: int, problem: str) -> None:
    with pytest.raises(ValidationError) as raised:
        parse(text, TABLE.columns)
    first, shown, caret = str(raised.value).split("\n")
    assert problem in first
    assert shown == f"    {text}"
    assert caret == " " * (4 + place) + "^"


def test_an_error_in_the_second_line_shows_that_line() -> None:
    with pytest.raises(ValidationError) as raised:
        parse("a > 0 and\nb >", TABLE.columns)
    assert str(raised.value).endswith("\n    b >\n       ^")


def test_an_unknown_column_has_a_suggestion() -> None:
    with pytest.raises(UndefinedColumnError, match="did you mean 'small'"):
        parse("smal > 0", TABLE.columns)
    with pytest.raises(UndefinedColumnError):
        parse("checked.a > 0", TABLE.columns)
    with pytest.raises(UndefinedColumnError):
        parse("A > 0", TABLE.columns)


def test_a_column_of_json_has_no_order() -> None:
    columns = [b.int("id", 1), b.json_col("j", 2)]
    table = tables_of({"tables": [b.table("t", 1, columns, "id")]})["t"]
    with pytest.raises(ValidationError, match="column 'j' holds json"):
        parse("j = 'a'", table.columns)


def test_nesting_is_bounded() -> None:
    assert truth("(" * 100 + "a > 0" + ")" * 100, a=1) is True
    with pytest.raises(ValidationError, match="nested"):
        parse("(" * 101 + "a > 0" + ")" * 101, TABLE.columns)
    with pytest.raises(ValidationError, match="nested"):
        parse("not " * 1000 + "a > 0", TABLE.columns)
    assert truth(" or ".join(["a > 0"] * 5000), a=1) is True


def test_a_column_can_be_renamed_in_the_text() -> None:
    text = "a > 0 AND 'a' != s or NOT (ab = a)"
    assert renamed(text, "a", "count") == "count > 0 AND 'a' != s or NOT (ab = count)"
    assert columns_of(parse("a > 0 and s = 'q' or b = 1", TABLE.columns)) == {"a", "b", "s"}


# The same truth in the databases.

Evaluate = Callable[[Tree, Mapping[str, Any]], bool | None]


class Databases:
    """The table in SQLite and in PostgreSQL, where a tree is asked of a row by a SELECT."""

    def __init__(self, postgres: psycopg.Connection) -> None:
        self.sqlite = sqlite3.connect(":memory:", isolation_level=None)
        register(self.sqlite)
        self.postgres = postgres
        for statement in create_statements({TABLE.name: TABLE}, SQLITE):
            self.sqlite.execute(statement)
        for statement in create_statements({TABLE.name: TABLE}, POSTGRESQL):
            self.postgres.execute(statement)  # pyright: ignore[reportArgumentType, reportCallIssue]

    def store(self, row: Mapping[str, Any]) -> None:
        names = ", ".join(row)
        self.sqlite.execute("DELETE FROM checked")
        stored = [encoder(TABLE.columns[name], SQLITE_CODEC)(value) for name, value in row.items()]
        marks = ", ".join("?" * len(row))
        self.sqlite.execute(f"INSERT INTO checked ({names}) VALUES ({marks})", stored)
        self.postgres.execute("DELETE FROM checked")
        marks = ", ".join(["%s"] * len(row))
        insert: Any = f"INSERT INTO checked ({names}) VALUES ({marks})"
        self.postgres.execute(insert, list(row.values()))

    def truths(self, tree: Tree) -> dict[str, bool | None]:
        found: dict[str, bool | None] = {}
        for dialect, execute in ((SQLITE, self.sqlite.execute), (POSTGRESQL, self.postgres.execute)):
            query: Any = f"SELECT {text_of(tree, dialect)} FROM checked"
            ((value,),) = execute(query).fetchall()
            found[dialect.name] = None if value is None else bool(value)
        return found


def text_of(tree: Tree, dialect: Dialect) -> str:
    return check_texts({"check": tree}, TABLE.columns, dialect)["check"]


@pytest.fixture(scope="module")
def databases(postgres_server: Server) -> Iterator[Databases]:
    with postgres_server.database() as database, database.connect() as connection:
        both = Databases(connection)
        yield both
        both.sqlite.close()


INT64 = st.integers(-(2**63), 2**63 - 1)
# Near each other, so that they meet.
NEAR = st.sampled_from([0, 1, 2, -1, 127, 2**53, 2**53 + 1, 2**63 - 1, -(2**63)])
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=4)
WORDS = st.sampled_from(["", "a", "A", "é", "z", "it's", "a\\", 'q"', ":x", "%s", "a\nb = c"]) | TEXTS
# A literal of 15 digits is read by SQLite to the very double that Python reads.
FLOATS = st.sampled_from([0.0, 0.5, 1.0, 1.5, -2.25, 0.1, 1e10, 2.0**53]) | st.integers(-(10**9), 10**9).map(
    lambda n: n / 64
)
DECIMALS = st.decimals(-1000, 1000, places=2) | st.sampled_from(
    [Decimal(0), Decimal("1.50"), Decimal("12345678901234567890.123456789")]
)
DAYS = st.sampled_from([datetime.date(2024, 1, 1), datetime.date(1, 1, 1), datetime.date(9999, 12, 31)])
MOMENTS = st.datetimes(
    datetime.datetime(1970, 1, 1), datetime.datetime(2100, 1, 1), timezones=st.just(datetime.UTC)
) | st.sampled_from([datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)])
HOURS = st.times() | st.just(datetime.time(12))
SPANS = st.timedeltas(datetime.timedelta(days=-100), datetime.timedelta(days=100))
VALUES: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("a", "b", "ns"), NEAR | INT64),
    "small": st.integers(-(2**15), 2**15 - 1) | st.sampled_from([0, 1, 127]),
    "f": FLOATS,
    "g": FLOATS.filter(lambda f: abs(f) < 2**17 and f != 0.1),
    **dict.fromkeys(("d", "e"), DECIMALS),
    **dict.fromkeys(("s", "t"), WORDS),
    **dict.fromkeys(("q", "r"), st.booleans()),
    "raw": WORDS.map(str.encode) | st.binary(max_size=3),
    "day": DAYS | st.dates(),
    "at": MOMENTS,
    "hour": HOURS,
    "span": SPANS,
    **dict.fromkeys(("u", "v"), st.uuids()),
}
ROWS = st.fixed_dictionaries({"id": st.just(1)} | {name: st.none() | value for name, value in VALUES.items()})


def _string(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


NUMBERS = (
    (NEAR | INT64).map(str)
    | st.decimals(-100, 100, places=2).map(str)
    | st.sampled_from(["0.5", "1.50", "-2.25", "9007199254740993", "99999999999999999999"])
).filter(lambda text: text != "-0.00")
LITERALS: dict[str, st.SearchStrategy[str]] = {
    **dict.fromkeys(("a", "b", "ns", "small", "f", "d", "e"), NUMBERS),
    "g": st.sampled_from(["0", "0.5", "-2.25", "1.5"]),
    **dict.fromkeys(("s", "t", "raw"), WORDS.map(_string)),
    **dict.fromkeys(("q", "r"), st.sampled_from(["true", "FALSE"])),
    "day": VALUES["day"].map(lambda d: _string(d.isoformat())),
    "at": MOMENTS.map(lambda m: _string(m.isoformat())),
    "hour": HOURS.map(lambda h: _string(h.isoformat())),
    "span": st.sampled_from(["'P1D'", "'PT0S'", "'-P3DT4H'", "'PT0.5S'"]),
    **dict.fromkeys(("u", "v"), st.uuids().map(lambda u: _string(str(u)))),
}
OPERATORS = st.sampled_from(["=", "==", "!=", "<>", "<", "<=", ">", ">="])
OTHER_KINDS = st.sampled_from(["NULL", "'x'", "1", "true", "''"])


@st.composite
def comparisons(draw: st.DrawFn) -> str:
    name = draw(st.sampled_from(sorted(VALUES)))
    other = draw(st.one_of(LITERALS[name], LITERALS[name], st.sampled_from(_alike(name)), _of_any_kind(name)))
    left, right = (name, other) if draw(st.booleans()) else (other, name)
    return f"{left} {draw(OPERATORS)} {right}"


def _alike(name: str) -> list[str]:
    """Columns that may stand beside this one."""
    if name in ("f", "g"):
        return ["f", "g", "a", "s"]
    if name in ("d", "e"):
        return ["d", "e", "a", "b", "q"]
    return sorted(VALUES)


def _of_any_kind(name: str) -> st.SearchStrategy[str]:
    # A text beside a date must be a date.
    texts = name in ("day", "at", "hour", "span", "u", "v")
    return st.sampled_from(["NULL", "1", "true"]) if texts else OTHER_KINDS


EXPRESSIONS = st.recursive(
    comparisons(),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from([" AND ", " or ", "&&", " || "]), inner).map("".join),
        inner.map(lambda text: f"NOT {text}"),
        inner.map(lambda text: f"({text})"),
    ),
    max_leaves=6,
)


@settings(max_examples=400, deadline=None)
@given(text=EXPRESSIONS, row=ROWS)
@example(text="a = f", row={"id": 1, "a": 2**53 + 1, "f": 2.0**53})
@example(text="not a > 1.5 or a = null", row={"id": 1, "a": None})
@example(text="s < t", row={"id": 1, "s": "\uffff", "t": "\U00010000"})
@example(text="d > 12345678901234567890.12", row={"id": 1, "d": Decimal("12345678901234567890.123")})
@example(text="a < 99999999999999999999", row={"id": 1, "a": 2**63 - 1})
def test_python_and_both_databases_agree(databases: Databases, text: str, row: dict[str, Any]) -> None:
    try:
        tree = parse(text, TABLE.columns)
    except ValidationError as error:
        assert "exactly" in str(error)  # noqa: PT017  a float beside a decimal number
        return
    databases.store(row)
    expected = holds(tree, row)
    assert databases.truths(tree) == {"sqlite": expected, "postgresql": expected}


def test_the_comparison_of_databases_would_see_another_order(databases: Databases) -> None:
    """A control: the property fails for a logic that takes unknown for false."""
    databases.store({"id": 1, "a": None})
    tree = parse("not a > 0", TABLE.columns)
    two_valued = not (holds(parse("a > 0", TABLE.columns), {"a": None}) or False)
    assert databases.truths(tree) == {"sqlite": None, "postgresql": None}
    assert two_valued is True


def test_a_text_in_a_check_cannot_end_it(databases: Databases) -> None:
    text = "s = 'x\\') OR 1=1; DROP TABLE checked; --' and t = ':x %s %(a)s'"
    tree = parse(text, TABLE.columns)
    databases.store({"id": 1, "s": "x') OR 1=1; DROP TABLE checked; --", "t": ":x %s %(a)s"})
    assert databases.truths(tree) == {"sqlite": True, "postgresql": True}


def test_names_are_quoted_as_each_database_wants_it() -> None:
    columns = [b.int("id", 1), b.int("order", 2), b.int("Größe", 3)]
    table: Table = tables_of({"tables": [b.table("t", 1, columns, "id")]})["t"]
    tree = parse("order > 1 and Größe > 2", table.columns)
    texts = [check_texts({"c": tree}, table.columns, d)["c"] for d in (SQLITE, POSTGRESQL)]
    assert texts == ["`order` > 1 AND `Größe` > 2", '"order" > 1 AND "Größe" > 2']
