"""Encoders and decoders by themselves: what travels, without a database."""

import datetime
import enum
import math
import uuid
from decimal import Decimal
from typing import Any

import pytest
from pydantic import AwareDatetime, BaseModel

from rowstead import DataError, Kind, ValidationError
from rowstead.plan import ServerTyped
from rowstead.tables.schema import column_of
from rowstead.values.decoders import decoder
from rowstead.values.encoders import any_for_sqlite, encoder, json_text, raw_encoder

UTC = datetime.UTC
EAST = datetime.timezone(datetime.timedelta(hours=2))


class Color(enum.Enum):
    RED = "red"


class Model(BaseModel):
    b: int = 1
    a: str = "x"


STORED: list[tuple[Any, Any, Any]] = [
    (int, 7, 7),
    (int, True, 1),
    (bool, True, True),
    (float, 1, 1.0),
    (str, "a", "a"),
    (Decimal, Decimal("1.500"), "1.5"),
    (Decimal, Decimal("1e3"), "1000"),
    (Decimal, Decimal("-0.0"), "0"),
    (Decimal, Decimal("0.1234567890123456789"), "0.1234567890123456789d"),
    (uuid.UUID, "0000000000000000000000000000000A", "00000000-0000-0000-0000-00000000000a"),
    (datetime.date, datetime.date(2024, 2, 29), "2024-02-29"),
    (datetime.time, datetime.time(1, 2, 3, 4), "01:02:03.000004"),
    (datetime.datetime, datetime.datetime(2024, 1, 2, 3), "2024-01-02 03:00:00"),
    (datetime.datetime, datetime.datetime(2024, 1, 2, 3, tzinfo=EAST), "2024-01-02 01:00:00+00:00"),
    (datetime.timedelta, datetime.timedelta(days=-1, microseconds=1), -86_399_999_999),
    (Color, Color.RED, "red"),
    (Color, "red", "red"),
    (list[int], (1, "2"), "[1,2]"),
    (list[bytes], [b"\xff", None], '["ff",null]'),
    (list[Decimal], [Decimal("1.50")], '["1.5"]'),
    (dict[str, Any], {"b": 1, "a": {"d": None, "c": "ä"}}, '{"a":{"c":"ä","d":null},"b":1}'),
    (Model, Model(), '{"a":"x","b":1}'),
    (dict[str, int] | list[int], [1], "[1]"),
    (Any, {"a": 1}, '{"a":1}'),
    (Any, "plain", "plain"),
    (Any, '{"a":1}', '"{\\"a\\":1}"'),
    (Any, 5, 5),
    (int | str, "[", '"["'),
]


@pytest.mark.parametrize(("annotation", "value", "stored"), STORED, ids=[str(s[2])[:30] for s in STORED])
def test_each_type_has_one_stored_form_on_sqlite(annotation: Any, value: Any, stored: Any) -> None:
    encode = encoder(column_of("c", annotation | None if annotation is not Any else Any), "sqlite")
    assert encode(value) == stored
    assert type(encode(value)) is type(stored)
    assert encode(None) is None


ON_MARIADB: list[tuple[Any, Any, Any]] = [
    (int, "7", 7),
    (bool, True, True),
    (float, 1, 1.0),
    (str, "a", "a"),
    (Decimal, "1e3", Decimal("1e3")),
    (uuid.UUID, "0000000000000000000000000000000A", "00000000-0000-0000-0000-00000000000a"),
    (datetime.date, "2024-02-29", datetime.date(2024, 2, 29)),
    (datetime.time, datetime.time(1, 2, 3, 4), datetime.time(1, 2, 3, 4)),
    (datetime.datetime, datetime.datetime(2024, 1, 2, 3), datetime.datetime(2024, 1, 2, 3)),
    (datetime.datetime, datetime.datetime(2024, 1, 2, 3, tzinfo=EAST), datetime.datetime(2024, 1, 2, 1)),
    (datetime.timedelta, datetime.timedelta(days=-1, microseconds=1), -86_399_999_999),
    (Color, "red", "red"),
    (list[int], (1, "2"), "[1,2]"),
    (list[bytes], [b"\xff", None], '["ff",null]'),
    (dict[str, Any], {"b": 1, "a": None}, '{"a":null,"b":1}'),
    (Model, Model(), '{"a":"x","b":1}'),
    (Any, datetime.datetime(2024, 1, 2, 3, tzinfo=EAST), datetime.datetime(2024, 1, 2, 1)),
    (Any, {"a": 1}, '{"a":1}'),
    (Any, '{"a":1}', '"{\\"a\\":1}"'),
]


@pytest.mark.parametrize(
    ("annotation", "value", "stored"), ON_MARIADB, ids=[str(s[2])[:30] for s in ON_MARIADB]
)
def test_each_type_has_one_stored_form_on_mariadb(annotation: Any, value: Any, stored: Any) -> None:
    encode = encoder(column_of("c", annotation | None if annotation is not Any else Any), "mysql")
    assert encode(value) == stored
    assert type(encode(value)) is type(stored)
    assert encode(None) is None


FROM_MARIADB: list[tuple[Any, Any, Any]] = [
    (bool, 1, True),
    (bool, 2, 2),
    (uuid.UUID, "00000000-0000-0000-0000-00000000000a", uuid.UUID(int=10)),
    (datetime.time, datetime.timedelta(hours=1, microseconds=5), datetime.time(1, 0, 0, 5)),
    (datetime.time, datetime.timedelta(days=2), datetime.timedelta(days=2)),
    (datetime.timedelta, -5, datetime.timedelta(microseconds=-5)),
    (AwareDatetime, datetime.datetime(2024, 1, 2), datetime.datetime(2024, 1, 2, tzinfo=UTC)),
    (Color, "red", Color.RED),
    (list[bytes], '["ff",null]', [b"\xff", None]),
    (dict[str, int], '{"a":1}', {"a": 1}),
    (Any, '"{}"', "{}"),
    (Any, "{", "{"),
]


@pytest.mark.parametrize(
    ("annotation", "given", "read"), FROM_MARIADB, ids=[str(s[1])[:30] for s in FROM_MARIADB]
)
def test_what_mariadb_gives_is_read_as_the_columns_type(annotation: Any, given: Any, read: Any) -> None:
    decode = decoder(column_of("c", annotation | None if annotation is not Any else Any), "mysql")
    assert decode is not None
    assert decode(given) == read
    assert type(decode(given)) is type(read)
    assert decode(None) is None


@pytest.mark.parametrize("value", [math.nan, math.inf, Decimal("NaN"), Decimal("-Infinity")])
def test_numbers_that_mariadb_lacks_are_refused(value: Any) -> None:
    with pytest.raises(ValidationError, match="MariaDB"):
        (raw_encoder("mysql") or str)(value)


def test_the_drivers_of_postgresql_are_given_values_as_they_are() -> None:
    moment = datetime.datetime(2024, 1, 2, 3, tzinfo=EAST)
    for annotation, value in (
        (int, 7),
        (Decimal, Decimal("1.50")),
        (uuid.UUID, uuid.UUID(int=1)),
        (bytes, b"a"),
    ):
        for codec in ("asyncpg", "psycopg"):
            assert encoder(column_of("c", annotation), codec)(value) is value
    assert encoder(column_of("c", datetime.datetime), "asyncpg")(moment) is moment
    assert encoder(column_of("c", Color), "asyncpg")(Color.RED) == "red"
    assert encoder(column_of("c", list[Color]), "asyncpg")([Color.RED, None]) == ["red", None]
    typed = encoder(column_of("c", dict[str, int]), "psycopg")({"a": 1})
    assert isinstance(typed, ServerTyped)
    assert typed.value == {"a": 1}


@pytest.mark.parametrize("codec", ["sqlite", "asyncpg", "psycopg"])
@pytest.mark.parametrize(
    ("annotation", "value", "words"),
    [
        (int, "x", "column 'c' takes int, not str"),
        (int, 1.5, "column 'c' takes int, not float"),
        (bool, 5, "column 'c' takes bool, not int"),
        (str, 5, "column 'c' takes str, not int"),
        (Decimal, "x", "column 'c' takes Decimal, not str"),
        (datetime.datetime, "soon", "column 'c' takes datetime, not str"),
        (Color, "green", "column 'c' takes Color, not str"),
        (list[int], 5, "column 'c' takes a list, not int"),
        (list[int], ["x"], "column 'c' takes int, not str"),
        (list[list[int]], [5], "column 'c' takes a list, not int"),
    ],
)
def test_what_is_not_of_the_columns_type_is_refused_alike_for_every_driver(
    codec: str, annotation: Any, value: Any, words: str
) -> None:
    with pytest.raises(ValidationError, match=words) as caught:
        encoder(column_of("c", annotation), codec)(value)
    assert caught.value.column == "c"


def test_a_refused_value_is_not_in_the_message() -> None:
    with pytest.raises(ValidationError) as caught:
        encoder(column_of("c", int), "sqlite")("s3cret")
    assert "s3cret" not in str(caught.value)


def test_numbers_that_sqlite_cannot_keep_are_refused_by_column() -> None:
    with pytest.raises(ValidationError, match="column 'c': SQLite stores NaN as NULL"):
        encoder(column_of("c", float), "sqlite")(math.nan)
    with pytest.raises(DataError, match=r"column 'c': .*131072 digits") as caught:
        encoder(column_of("c", Decimal), "sqlite")(Decimal("1e200000"))
    assert caught.value.column == "c"
    with pytest.raises(ValidationError, match="JSON has no NaN"):
        encoder(column_of("c", dict[str, float]), "sqlite")({"a": math.inf})


READ: list[tuple[Any, Any, Any]] = [
    (bool, 1, True),
    (bool, 0, False),
    (Decimal, "1.5", Decimal("1.5")),
    (Decimal, 1.5, Decimal("1.5")),
    (Decimal, 0.1, Decimal("0.1")),
    (Decimal, 7, Decimal(7)),
    (Decimal, "0.1234567890123456789d", Decimal("0.1234567890123456789")),
    (datetime.timedelta, -1, datetime.timedelta(microseconds=-1)),
    (datetime.timedelta, "-1", datetime.timedelta(microseconds=-1)),
    (AwareDatetime, "2024-01-02 03:04:05", datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)),
    (datetime.datetime, "2024-01-02T03:04:05", datetime.datetime(2024, 1, 2, 3, 4, 5)),
    (Color, "red", Color.RED),
    (list[int], "[1,2]", [1, 2]),
    (list[bytes], '["ff",null]', [b"\xff", None]),
    (dict[str, int], '{"a":1}', {"a": 1}),
    (Any, '{"a":1}', {"a": 1}),
    (Any, '"{"', "{"),
    (Any, "{broken", "{broken"),
    (Any, "text", "text"),
    (Any, 5, 5),
]


@pytest.mark.parametrize(("annotation", "stored", "value"), READ, ids=[str(r[1])[:30] for r in READ])
def test_stored_forms_are_read_back_from_sqlite(annotation: Any, stored: Any, value: Any) -> None:
    decode = decoder(column_of("c", annotation), "sqlite")
    assert decode is not None
    assert decode(stored) == value
    assert type(decode(stored)) is type(value)
    assert decode(None) is None


def test_a_kind_in_the_annotation_overrules_the_type() -> None:
    column = column_of("c", list[int], [Kind.JSON])
    assert column.kind is Kind.JSON
    assert encoder(column, "sqlite")([2, 1]) == "[2,1]"
    assert encoder(column, "asyncpg")([2, 1]) == [2, 1]


def test_raw_sql_takes_values_by_their_own_type() -> None:
    assert raw_encoder("asyncpg") is None
    assert raw_encoder("sqlite") is any_for_sqlite
    assert any_for_sqlite(Decimal("1.50")) == "1.5"
    assert any_for_sqlite(datetime.datetime(2024, 1, 2)) == "2024-01-02 00:00:00"
    assert any_for_sqlite(datetime.date(2024, 1, 2)) == "2024-01-02"
    assert any_for_sqlite(Color.RED) == "red"
    assert any_for_sqlite("{") == "{"
    assert any_for_sqlite([1, {"b": 2, "a": 1}]) == '[1,{"a":1,"b":2}]'
    assert any_for_sqlite(bytearray(b"a")) == b"a"
    with pytest.raises(ValidationError, match="NaN"):
        any_for_sqlite(math.nan)


def test_equal_json_values_are_equal_texts() -> None:
    assert json_text({"b": 1, "a": 2}) == json_text({"a": 2, "b": 1}) == '{"a":2,"b":1}'
    assert json_text("a") == '"a"'
    assert json_text(Model(b=2)) == '{"a":"x","b":2}'


@pytest.mark.parametrize("codec", ["asyncpg", "psycopg"])
def test_json_that_a_driver_has_read_is_not_read_again(codec: str) -> None:
    for annotation in (dict[str, Any], list[int], list[uuid.UUID]):
        decode = decoder(column_of("c", annotation), codec)
        assert (decode or (lambda value: value))("5") == "5"
    assert decoder(column_of("c", dict[str, Any]), "sqlite")("5") == 5
