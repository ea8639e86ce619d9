"""What a column takes and refuses: in Python with the column named, and by a CHECK in both databases."""

from __future__ import annotations

import datetime
import enum
import re
import uuid
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import Backend
from rowstead import CheckError, NotNullError, ValidationError
from rowstead.dialects import DIALECTS
from rowstead.kit import Database
from rowstead.kit import builders as b
from rowstead.kit.catalogue import tables_of
from rowstead.rules.columns import check_row, checker, column_checker
from rowstead.rules.patterns import pattern
from rowstead.statements.ddl import create_statements
from rowstead.sync import DB
from rowstead.tables.schema import Column, Table

UTC = datetime.UTC
DAY = datetime.date(2024, 2, 29)
MOMENT = datetime.datetime(2024, 2, 29, 12, 30, tzinfo=UTC)


class Level(enum.IntEnum):
    HIGH = 3


class Word(enum.StrEnum):
    YES = "yes"


def made(column: dict[str, Any], *checks: dict[str, Any]) -> tuple[Table, Column]:
    schema = {"tables": [b.table("t", 1, [b.int("id", 1), column], "id", check_constraints=checks)]}
    table = tables_of(schema)["t"]
    return table, table.columns["c"]


def of(storage: str, **options: Any) -> tuple[Table, Column]:
    return made(b.column("c", 2, storage, **options))


TAKEN: list[tuple[str, Any, Any]] = [
    ("int64", 2**63 - 1, 2**63 - 1),
    ("int64", Level.HIGH, 3),
    ("int8", -128, -128),
    ("float64", 1, 1.0),
    ("float64", 1.5, 1.5),
    ("float32", 0.1, 0.10000000149011612),
    ("text", "", ""),
    ("text", Word.YES, "yes"),
    ("bool", True, True),
    ("json", {"b": [1, (2,), None]}, {"b": [1, [2], None]}),
    ("json", "{", "{"),
    ("json", {1: DAY}, {"1": "2024-02-29"}),
    ("json", 1.5, 1.5),
    ("json_native", {"a": 1}, {"a": 1}),
    ("bytes", b"ab", b"ab"),
    ("bytes", bytearray(b"ab"), b"ab"),
    ("bytes", memoryview(b"ab"), b"ab"),
    ("bytes", "é", "é".encode()),
    ("bytes", [97, 98], b"ab"),
    ("timestamp_nanos", -5, -5),
    ("timestamp_nanos", MOMENT, 1_709_209_800_000_000_000),
    ("timestamp_nanos", MOMENT.replace(tzinfo=None), 1_709_209_800_000_000_000),
    ("date", DAY, DAY),
    ("date", "2024-02-29", DAY),
    ("date64", 1_709_209_800_000, DAY),
    ("date_time", MOMENT, MOMENT),
    ("date_time", MOMENT.replace(tzinfo=None), MOMENT),
    ("date_time", "2024-02-29T13:30:00+01:00", MOMENT),
    ("time64", datetime.time(1, 2, 3), datetime.time(1, 2, 3)),
    ("time64", "01:02:03", datetime.time(1, 2, 3)),
    ("time64", 3_723_000_000_000, datetime.time(1, 2, 3)),
    ("interval", datetime.timedelta(days=1), datetime.timedelta(days=1)),
    ("interval", "P1DT1S", datetime.timedelta(days=1, seconds=1)),
    ("decimal128", Decimal("1.50"), Decimal("1.5")),
    ("decimal128", 7, Decimal(7)),
    ("decimal128", 0.1, Decimal("0.1")),
    ("decimal128", "1.25", Decimal("1.25")),
    ("uuid", uuid.UUID(int=7), uuid.UUID(int=7)),
    ("uuid", str(uuid.UUID(int=7)).upper(), uuid.UUID(int=7)),
    ("array", [1, "a", (2,)], [1, "a", [2]]),
    ("sparse", [(1, 2), ["a", 0.5]], [[1, 2.0], ["a", 0.5]]),
]


@pytest.mark.parametrize(("storage", "given", "stored"), TAKEN)
def test_a_value_is_taken_as_what_is_stored(storage: str, given: Any, stored: Any) -> None:
    table, column = of(storage)
    value = checker(table, column)(given)
    assert (value, type(value)) == (stored, type(stored))
    assert column_checker(table, column)([given, given]) == [stored, stored]


REFUSED: list[tuple[str, list[Any]]] = [
    ("int64", [1.0, True, "1", 2**63, -(2**63) - 1, Decimal(1)]),
    ("float64", [True, "1", float("nan"), float("inf"), 10**400]),
    ("float32", [1e308, "1"]),
    ("text", [1, ["a"], b"a", True]),
    ("bool", [0, 1, "true"]),
    ("json", [float("nan"), object()]),
    ("bytes", [5, [256], [-1], [1.5], ["a"], [True]]),
    ("timestamp_nanos", ["now", 1.5, 2**63, datetime.datetime(9999, 1, 1)]),
    ("date", ["garbage", "", "20240229", 5, 1.5, MOMENT]),
    ("date_time", ["garbage", 5, DAY]),
    ("date64", ["x", 1.5, 10**18]),
    ("time64", ["x", 1.5, 1, -1000, 86_400_000_000_000, datetime.time(1, tzinfo=UTC)]),
    ("interval", [5, "x"]),
    ("decimal128", [Decimal("NaN"), "x", True, Decimal("1e38"), Decimal(1).scaleb(-39)]),
    ("uuid", [7, "x", b"x"]),
    ("array", [{"a": 1}, "ab", 1]),
    ("sparse", [[1], [[1]], [[1.5, 2]], [[1, "a"]], "ab"]),
]


@pytest.mark.parametrize(
    ("storage", "value"), [(storage, value) for storage, values in REFUSED for value in values]
)
def test_another_value_is_refused_with_the_column_named(storage: str, value: Any) -> None:
    table, column = of(storage)
    for check in (checker(table, column), lambda v: column_checker(table, column)([v])):
        with pytest.raises(ValidationError) as raised:
            check(value)
        assert (raised.value.table, raised.value.column) == ("t", "c")
        assert "c" in str(raised.value)


def test_kit_d20_a_float_column_takes_ints() -> None:
    table, column = of("float64")
    assert checker(table, column)(1) == 1.0
    assert column_checker(table, column)([1, 2.5]) == [1.0, 2.5]


@pytest.mark.parametrize(("storage", "value"), [("int8", 128), ("int16", -32769), ("int32", 2**31)])
def test_kit_d37_a_width_is_held_and_nothing_wraps(storage: str, value: int) -> None:
    table, column = of(storage)
    with pytest.raises(ValidationError, match="does not fit"):
        checker(table, column)(value)
    with pytest.raises(ValidationError, match="does not fit"):
        column_checker(table, column)([1, value])


def test_an_embedding_has_its_dimensions() -> None:
    table, column = made(b.embedding("c", 2, 3))
    assert checker(table, column)((1, 2.5, 3)) == [1.0, 2.5, 3.0]
    for wrong in ([1.0], [1.0] * 4):
        with pytest.raises(CheckError, match="length of at"):
            checker(table, column)(wrong)
    with pytest.raises(ValidationError, match="takes a number"):
        checker(table, column)([1, 2, "a"])


def test_null_is_told_apart() -> None:
    table, column = of("text")
    with pytest.raises(NotNullError) as raised:
        column_checker(table, column)(["a", None])
    assert (raised.value.table, raised.value.column) == ("t", "c")
    table, column = of("text", nullable=True, min_length=2, regex="a", enum_values=["aa"])
    assert column_checker(table, column)(["aa", None]) == ["aa", None]


RULES: list[tuple[dict[str, Any], list[Any], list[Any], str]] = [
    (b.int("c", 2, min=-3, max=5), [-3, 0, 5], [-4, 6], "c_range"),
    (b.int("c", 2, min=0.5, max=2.5), [1, 2], [0, 3], "c_range"),
    (b.int("c", 2, max=2**53), [2**53], [2**53 + 1], "c_range"),
    (b.column("c", 2, "int8", min=0), [0, 127], [-1], "c_range"),
    (b.float_("c", 2, min=0.1), [0.1, 1], [0.09, -1.0], "c_range"),
    (b.decimal128("c", 2, max=0.1), [Decimal("0.1"), Decimal(-5)], [Decimal("0.10001")], "c_range"),
    (b.timestamp("c", 2, min=0), [0], [-1], "c_range"),
    (b.text("c", 2, min_length=2, max_length=3), ["é😀", "abc"], ["é", "😀", "abcd"], "c_length"),
    (b.bytes_col("c", 2, min_length=2, max_length=2), [b"ab", "é"], [b"a", "éé"], "c_length"),
    (b.text("c", 2, enum_values=["a", "it's", "é"]), ["a", "it's", "é"], ["A", "", "its"], "c_enum"),
    (b.text("c", 2, enum_values=[]), [], ["a"], "c_enum"),
    (b.int("c", 2, enum_values=[1, 2, "3"]), [1, 2], [3], "c_enum"),
    (b.int("c", 2, check_expr="c != 13"), [12], [13], "c_check"),
]


@pytest.mark.parametrize(("column", "good", "bad", "constraint"), RULES)
def test_a_rule_is_held_in_python(column: Any, good: list[Any], bad: list[Any], constraint: str) -> None:
    table, described = made(column)
    assert column_checker(table, described)(good) == [checker(table, described)(v) for v in good]
    for value in bad:
        for check in (checker(table, described), lambda v: column_checker(table, described)([v, *good])):
            with pytest.raises(CheckError) as raised:
                check(value)
                check_row(table, {"id": 1, "c": value})
            assert (raised.value.table, raised.value.column, raised.value.constraint) == (
                "t",
                "c",
                constraint,
            )


@pytest.mark.parametrize(("column", "good", "bad", "constraint"), RULES)
def test_a_rule_is_held_by_the_database_too(
    sync_backend: Backend, column: Any, good: list[Any], bad: list[Any], constraint: str
) -> None:
    """Whoever writes past the kit meets the same rule."""
    table, described = made({**column, "nullable": True})
    stored = checker(*of(described.storage or ""))
    with DB.from_url(sync_backend.url) as db:
        for statement in create_statements({"t": table}, dialect_of(sync_backend)):
            db.execute(statement)
        for number, value in enumerate([*map(stored, good), None]):
            db.execute("INSERT INTO t VALUES ($1, $2)", number, value)
        for value in map(stored, bad):
            with pytest.raises(CheckError) as raised:
                db.execute("INSERT INTO t VALUES ($1, $2)", -1, value)
            assert raised.value.constraint == constraint


def dialect_of(backend: Backend) -> Any:
    return DIALECTS["postgresql" if backend.is_postgres else "sqlite"]


def test_a_text_with_a_nul_is_as_long_as_it_is(tmp_path: Any) -> None:
    table = b.table("t", 1, [b.int("id", 1), b.text("c", 2, min_length=3)], "id")
    with Database.create(tmp_path / "a.db", {"tables": [table]}) as db, db.begin() as txn:
        assert txn.insert("t", {"id": 1, "c": "a\0b"})["c"] == "a\0b"


@pytest.mark.parametrize(
    ("column", "check", "constraint"),
    [
        (b.text("c", 2, enum_values=["a"]), None, "c_enum"),
        (b.text("c", 2, regex="^a$"), None, "c_regex"),
        (b.text("c", 2, check_expr="c = 'a'"), None, "c_check"),
        (b.text("c", 2), b.check("only_a", "c = 'a' and id > 0"), "only_a"),
    ],
)
def test_kit_d36_rules_are_held_at_the_statement(
    sync_backend: Backend, column: dict[str, Any], check: dict[str, Any] | None, constraint: str
) -> None:
    checks = [] if check is None else [check]
    table = b.table("t", 1, [b.int("id", 1), column], "id", check_constraints=checks)
    with Database.create(sync_backend.url, {"tables": [table]}) as db, db.begin() as txn:
        with pytest.raises(ValidationError) as raised:
            txn.insert("t", {"id": 1, "c": "b"})
        assert raised.value.constraint == constraint
        assert txn.insert("t", {"id": 2, "c": "a"}) == {"id": 2, "c": "a"}


def test_a_check_over_several_columns_is_named() -> None:
    table, _ = made(b.int("c", 2), b.check("after", "c > id"))
    check_row(table, {"id": 1, "c": 2})
    check_row(table, {"id": 1, "c": None})
    with pytest.raises(CheckError, match="CHECK constraint 'after' failed: c > id") as raised:
        check_row(table, {"id": 2, "c": 2})
    assert (raised.value.table, raised.value.constraint) == ("t", "after")


@given(values=st.lists(st.none() | st.integers(-140, 140) | st.booleans() | st.just(1.5), max_size=6))
def test_many_values_are_held_to_what_each_is(values: list[Any]) -> None:
    table, column = made(b.column("c", 2, "int8", nullable=True, min=-100, enum_values=list(range(-105, 90))))
    check = checker(table, column)

    def outcome(work: Any) -> Any:
        try:
            return list(work())
        except ValidationError as error:
            return type(error), str(error)

    one_by_one = outcome(lambda: [check(value) for value in values])
    assert outcome(lambda: column_checker(table, column)(values)) == one_by_one


@pytest.mark.parametrize(
    ("regex", "found", "missed"),
    [
        ("b", ["abc"], ["ac"]),
        ("^a$", ["a"], ["a\n", "ba"]),
        ("(?m)^a$", ["a\n", "b\na\nc"], ["ab"]),
        ("(?m:^a$)b?$", ["a"], ["a\nc"]),
        ("(?i)ABC", ["xabcx"], ["xab"]),
        (r"^\d+$", ["12", "٣"], ["1a", "12\n"]),
        (r"^[$a]$", ["$", "a"], ["b"]),
        (r"\$", ["a$"], ["a"]),
        (r"a\z", ["ba"], ["a\n"]),
        (r"^(?P<x>a)(?<y>b)$", ["ab"], ["a"]),
        ("^(a|b)*$", ["abab", ""], ["abc"]),
        (r"^[^\]]$", ["a"], ["]"]),
    ],
)
def test_a_pattern_is_searched_for(regex: str, found: list[str], missed: list[str]) -> None:
    table, column = made(b.text("c", 2, regex=regex))
    for text in found:
        assert checker(table, column)(text) == text
    for text in missed:
        with pytest.raises(CheckError, match="must match") as raised:
            checker(table, column)(text)
        assert raised.value.constraint == "c_regex"


@pytest.mark.parametrize(
    "regex",
    [
        *("(", "[", "a**", "(?=a)", "(?!a)", "(?<=a)", "(?<!a)", r"(a)\1", "(?P<x>a)(?P=x)", "(?>a)", "a++"),
        *(r"\pL", r"\Z", "[[:alpha:]]", "[a&&b]", "(?(1)a)", "a{2,1}", r"(?P<x>a)\k<x>"),
    ],
)
def test_a_pattern_that_python_reads_otherwise_is_refused(regex: str) -> None:
    with pytest.raises(ValidationError, match="cannot be used"):
        pattern(regex)


def test_a_pattern_without_differences_is_python_s() -> None:
    assert pattern("a+[b-d]{2}|e").pattern == re.compile("a+[b-d]{2}|e").pattern
