"""Decimal numbers in SQLite: their stored text, their order, their sum."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from decimal import MAX_PREC, Decimal, localcontext

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rowstead.drivers.sqlite_functions import register
from rowstead.errors import DataError
from rowstead.values.decimals import decimal_key, decimal_sum, decimal_text, decimal_value

numbers = st.decimals(allow_nan=False, allow_infinity=False) | st.decimals(
    allow_nan=False, allow_infinity=False, min_value=-10, max_value=10, places=3
)


@pytest.fixture(scope="module")
def db() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:")
    register(connection)
    connection.execute("CREATE TABLE n (id INTEGER PRIMARY KEY, free, numeric NUMERIC, text TEXT)")
    yield connection
    connection.close()


def small(number: Decimal) -> bool:
    return abs(number.adjusted()) < 1000


@given(st.lists(numbers.filter(small), max_size=20))
@example([Decimal("1E+2"), Decimal("100"), Decimal("1E+1"), Decimal("-0"), Decimal("-1.2"), Decimal("-1.23")])
def test_the_keys_of_stored_numbers_have_the_numbers_order(values: list[Decimal]) -> None:
    keys = [decimal_key(decimal_text(value)) for value in values]
    for a, key_a in zip(values, keys, strict=True):
        for b, key_b in zip(values, keys, strict=True):
            assert (a < b, a == b) == (key_a < key_b, key_a == key_b)


@given(numbers.filter(small))
def test_a_stored_number_comes_back_equal(value: Decimal) -> None:
    assert decimal_value(decimal_text(value)) == value


@given(numbers.filter(small), numbers.filter(small))
def test_equal_numbers_are_equal_texts(a: Decimal, b: Decimal) -> None:
    assert (decimal_text(a) == decimal_text(b)) == (a == b)


@given(numbers.filter(small))
@example(Decimal("0.1"))
@example(Decimal("999999999999999"))
@example(Decimal("-12345678901234567890.12"))
@example(Decimal("1E-400"))
@example(Decimal("1E+400"))
def test_a_number_survives_a_column_of_any_affinity(value: Decimal) -> None:
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE n (free, numeric NUMERIC, text TEXT)")
    text = decimal_text(value)
    db.execute("INSERT INTO n VALUES (?, ?, ?)", (text, text, text))
    stored = db.execute("SELECT * FROM n").fetchone()
    db.close()
    assert [decimal_value(one) for one in stored] == [value] * 3


@given(st.integers(-(10**15) + 1, 10**15 - 1), st.integers(0, 15))
def test_fifteen_digits_survive_the_way_through_a_real(digits: int, places: int) -> None:
    value = Decimal(digits).scaleb(-places)
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE n (n NUMERIC)")
    db.execute("INSERT INTO n VALUES (?)", (decimal_text(value),))
    (stored,) = db.execute("SELECT n FROM n").fetchone()
    db.close()
    assert decimal_value(stored) == value


@given(numbers.filter(small), numbers.filter(small))
def test_sums_are_exact(a: Decimal, b: Decimal) -> None:
    with localcontext() as context:
        context.prec = MAX_PREC
        expected = a + b
    assert decimal_value(decimal_sum(decimal_text(a), decimal_text(b))) == expected


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("0", "0"),
        ("-0.00", "0"),
        ("1.50", "1.5"),
        ("100", "100"),
        ("1E+3", "1000"),
        ("1E-7", "0.0000001"),
        ("123456789012345", "123456789012345"),
        ("1234567890123456", "1234567890123456d"),
        ("12345678901234567890.12", "12345678901234567890.12d"),
        ("NaN", "NaN"),
        ("sNaN", "NaN"),
        ("-Infinity", "-Infinity"),
    ],
)
def test_the_canonical_text_is_plain(number: str, text: str) -> None:
    assert decimal_text(Decimal(number)) == text


def test_a_number_of_absurd_size_is_refused() -> None:
    for number in ("1E+999999", "1E-999999"):
        with pytest.raises(DataError, match="digits"):
            decimal_text(Decimal(number))


def test_text_that_is_no_number_is_refused() -> None:
    with pytest.raises(DataError, match="'abc'"):
        decimal_value("abc")


def test_sqlite_sorts_what_it_stored_in_any_form(db: sqlite3.Connection) -> None:
    ordered = [
        "-Infinity",
        "-1E+30",
        -12,
        -1.5,
        "-1.49d",
        "-0.001",
        0,
        1e-9,
        "0.5",
        1,
        "1.0000000000000000001d",
        2,
    ]
    ordered += ["99999999999999999999d", 1e22, "Infinity", "NaN", "no number", b"\x00"]
    db.executemany("INSERT INTO n (free) VALUES (?)", [(value,) for value in reversed(ordered)])
    found = [value for (value,) in db.execute("SELECT free FROM n ORDER BY rowstead_decimal(free)")]
    assert found == ordered
    assert db.execute("SELECT rowstead_decimal(NULL), rowstead_decimal_add(1, NULL)").fetchone() == (
        None,
        None,
    )
    assert db.execute("SELECT rowstead_decimal(1) = rowstead_decimal('1.00')").fetchone() == (1,)


def test_sqlite_adds_without_rounding(db: sqlite3.Connection) -> None:
    text = "SELECT rowstead_decimal_add(?, ?)"
    assert db.execute(text, ("0.1", "0.2")).fetchone() == ("0.3",)
    assert db.execute(text, (0.1, 0.2)).fetchone() == ("0.3",)
    assert db.execute(text, ("99999999999999999999.99d", "0.01")).fetchone() == ("100000000000000000000",)
    assert db.execute(text, (2**62, 2**62)).fetchone() == ("9223372036854775808d",)
    assert db.execute(text, ("1.5", "-1.5")).fetchone() == ("0",)


def test_an_index_may_use_the_order(db: sqlite3.Connection) -> None:
    db.execute("CREATE INDEX by_number ON n (rowstead_decimal(text))")
    plan = db.execute(
        "EXPLAIN QUERY PLAN SELECT id FROM n WHERE rowstead_decimal(text) > rowstead_decimal('5')"
    )
    assert "by_number" in str(plan.fetchall())
