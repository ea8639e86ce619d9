"""Rows made at once are the very objects that validation makes, and only where it can change nothing."""

from __future__ import annotations

import datetime
import decimal
import enum
import pickle
import uuid
from collections.abc import Sequence
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator, model_validator
from pydantic import ValidationError as PydanticError

from rowstead import Row
from rowstead.errors import RowError
from rowstead.rows.hydrate import WORTHWHILE, at_once, plain_fields
from rowstead.rows.row import reader


class Everything(Row):
    __table__ = "everything"
    id: int
    flag: bool
    ratio: float
    name: str
    note: str | None = None
    data: bytes = b""
    day: datetime.date | None
    hour: datetime.time
    at: datetime.datetime
    lasted: datetime.timedelta
    key: uuid.UUID = Field(default_factory=uuid.uuid4)


NAMES = tuple(Everything.model_fields)
ZONES = st.sampled_from([None, datetime.UTC, datetime.timezone(datetime.timedelta(minutes=-150), "odd")])
COLUMNS = (
    st.integers(),
    st.booleans(),
    st.floats(),
    st.text(),
    st.none() | st.text(),
    st.binary(),
    st.none() | st.dates(),
    st.times(timezones=ZONES),
    st.datetimes(timezones=ZONES, allow_imaginary=False),
    st.timedeltas(),
    st.uuids(),
)
ANYTHING = (
    st.none() | st.integers() | st.booleans() | st.floats() | st.text(max_size=5) | st.binary(max_size=5)
)
ANYTHING |= st.dates() | st.datetimes() | st.times() | st.timedeltas() | st.uuids() | st.decimals()


def validated(model: type[BaseModel], names: Sequence[str], records: Sequence[Sequence[Any]]) -> list[Any]:
    validate = model.__pydantic_validator__.validate_python
    return [validate(dict(zip(names, record, strict=True)), strict=False) for record in records]


def state(row: BaseModel) -> tuple[Any, ...]:
    """All that a row is made of, with values as text and type: NaN is equal to itself here."""
    fields = [(name, type(value), repr(value)) for name, value in row.__dict__.items()]
    return type(row), fields, row.__pydantic_fields_set__, row.__pydantic_extra__, row.__pydantic_private__


@given(st.lists(st.tuples(*COLUMNS), min_size=1, max_size=5))
def test_rows_made_at_once_are_what_validation_makes(records: list[tuple[Any, ...]]) -> None:
    make = at_once(Everything, NAMES, [None] * len(NAMES))
    assert make is not None
    made = make(records)
    assert made is not None
    assert list(map(state, made)) == list(map(state, validated(Everything, NAMES, records)))


@given(st.lists(st.tuples(*[c | ANYTHING for c in COLUMNS]), min_size=1, max_size=5))
def test_values_of_any_type_are_validated_or_come_out_as_validation_leaves_them(
    records: list[tuple[Any, ...]],
) -> None:
    make = at_once(Everything, NAMES, [None] * len(NAMES))
    assert make is not None
    made = make(records)
    if made is not None:
        assert list(map(state, made)) == list(map(state, validated(Everything, NAMES, records)))


def test_a_row_made_at_once_can_be_changed_copied_and_pickled_alone() -> None:
    class Pair(Row):
        __table__ = "pairs"
        id: int
        name: str | None = None

    make = at_once(Pair, ("id", "name"), [None, None])
    assert make is not None
    first, second = make([(1, "a"), (2, None)]) or []
    first.name = "changed"
    first.__pydantic_fields_set__.discard("id")
    assert first.model_dump() == {"id": 1, "name": "changed"}
    assert second.model_fields_set == {"id", "name"}
    assert second == Pair(id=2, name=None)
    assert second.model_copy(update={"id": 3}) == Pair(id=3, name=None)


def test_a_row_made_at_once_survives_a_pickle() -> None:
    make = at_once(Everything, NAMES, [None] * len(NAMES))
    assert make is not None
    record = (
        1,
        True,
        0.5,
        "n",
        None,
        b"",
        None,
        datetime.time(1),
        datetime.datetime(2026, 1, 1),
        datetime.timedelta(1),
        uuid.UUID(int=1),
    )
    (row,) = make([record]) or []
    assert state(pickle.loads(pickle.dumps(row))) == state(row)


class Colour(enum.Enum):
    RED = "red"


def checked(value: str) -> str:
    return value.upper()


def test_models_that_do_more_than_hold_plain_fields_are_validated() -> None:
    class FieldValidator(Row):
        name: str
        _check = field_validator("name")(checked)

    class ModelValidator(Row):
        name: str

        @model_validator(mode="after")
        def check(self) -> ModelValidator:
            return self

    class Before(Row):
        name: str

        @model_validator(mode="before")
        @classmethod
        def check(cls, data: Any) -> Any:
            return data

    class Constrained(Row):
        name: Annotated[str, Field(max_length=3)]

    class Positive(Row):
        age: int = Field(gt=0)

    class Aliased(Row):
        name: str = Field(alias="Name")

    class Stripping(Row):
        model_config = ConfigDict(str_strip_whitespace=True)
        name: str

    class Extra(Row):
        model_config = ConfigDict(extra="allow")
        name: str

    class Strict(Row):
        model_config = ConfigDict(strict=True)
        name: str

    class Private(Row):
        name: str
        _secret: int = PrivateAttr(1)

    class PostInit(Row):
        name: str

        def model_post_init(self, context: Any, /) -> None:
            self.name = self.name.upper()

    class OwnInit(Row):
        name: str

        def __init__(self, **fields: Any) -> None:
            super().__init__(**fields)

    class OwnNew(Row):
        name: str

        def __new__(cls, *_arguments: Any, **_fields: Any) -> OwnNew:
            return super().__new__(cls)

    class Chosen(Row):
        colour: Colour

    class Money(Row):
        amount: decimal.Decimal

    class Nested(Row):
        tags: list[str]

    class Anything(Row):
        value: Any

    class Choice(Row):
        value: int | str

    doing_more = (
        FieldValidator, ModelValidator, Before, Constrained, Positive, Aliased, Stripping, Extra, Strict,
        Private, PostInit, OwnInit, OwnNew, Chosen, Money, Nested, Anything, Choice,
    )  # fmt: skip
    assert [model.__name__ for model in doing_more if plain_fields(model) is not None] == []


def test_a_frozen_row_made_at_once_is_frozen_and_hashes_as_ever() -> None:
    class Frozen(Row):
        model_config = ConfigDict(frozen=True)
        name: str

    make = at_once(Frozen, ("name",), [None])
    assert make is not None
    (row,) = make([("a",)]) or []
    assert hash(row) == hash(Frozen(name="a"))
    with pytest.raises(PydanticError, match="frozen"):
        row.name = "b"


def test_a_statement_that_gives_some_of_the_fields_is_validated() -> None:
    assert at_once(Everything, NAMES[:-1], [None] * (len(NAMES) - 1)) is None
    assert at_once(Everything, NAMES[::-1], [None] * len(NAMES)) is None


class Small(Row):
    __table__ = "small"
    id: int
    day: datetime.date | None = None


def parse(value: Any) -> Any:
    return datetime.date.fromisoformat(value) if type(value) is str else value


def test_decoded_columns_come_out_as_one_by_one() -> None:
    records = [(n, "2026-11-21" if n % 2 else None) for n in range(WORTHWHILE)]
    rows = reader(Small, ("id", "day"), [None, parse])(records)
    expected = [Small(id=n, day=datetime.date(2026, 11, 21) if n % 2 else None) for n in range(WORTHWHILE)]
    assert list(map(state, rows)) == list(map(state, expected))


def test_columns_behind_those_of_the_model_are_left_out() -> None:
    records = [(n, None, "more") for n in range(WORTHWHILE)]
    assert reader(Small, ("id", "day"), [None, None])(records)[-1].__dict__ == {
        "id": WORTHWHILE - 1,
        "day": None,
    }
    assert reader(Small, ("id", "day"), [None, parse])(records)[-1].__dict__ == {
        "id": WORTHWHILE - 1,
        "day": None,
    }


@pytest.mark.parametrize("wrong", ["no date", 5.5])
def test_one_wrong_value_among_many_rows_is_named_as_ever(wrong: Any) -> None:
    records: list[tuple[Any, ...]] = [(n, None) for n in range(WORTHWHILE)]
    records[7] = (7, wrong)
    with pytest.raises(RowError, match=r"small \(id=7\) cannot be read as Small"):
        reader(Small, ("id", "day"), [None, parse])(records)


def test_a_value_that_validation_converts_is_converted_among_many_rows() -> None:
    records: list[tuple[Any, ...]] = [(n, None) for n in range(WORTHWHILE)]
    records[7] = ("7", datetime.datetime(2026, 11, 21))
    row = reader(Small, ("id", "day"), [None, None])(records)[7]
    assert state(row) == state(Small(id=7, day=datetime.date(2026, 11, 21)))


class Defaulted(Row):
    __table__ = "t"
    id: int | None = None
    name: str
    tags: str = "none"
    n: int = 3


class WithFactory(Row):
    __table__ = "t"
    id: int
    names: list[str] = Field(default_factory=list)


class WithSharedList(Row):
    __table__ = "t"
    id: int
    names: list[str] = []  # noqa: RUF012  (Pydantic copies it)


class WithPrivate(Row):
    __table__ = "t"
    id: int = 0
    _seen: int = PrivateAttr(default=7)


class WithAlias(Row):
    __table__ = "t"
    id: int = Field(alias="identifier")
    n: int = 1


class WithOwnConstruct(Row):
    __table__ = "t"
    id: int = 0

    @classmethod
    def model_construct(cls, _fields_set: set[str] | None = None, **values: Any) -> Any:
        row = super().model_construct(_fields_set, **values)
        row.__dict__["id"] = 42
        return row


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        (Defaulted, {"id": 1}),
        (Defaulted, {"n": "not checked", "name": None}),
        (Defaulted, {}),
        (WithFactory, {"id": 1}),
        (WithSharedList, {"id": 1}),
        (WithPrivate, {"id": 1}),
        (WithAlias, {"id": 1}),
        (WithOwnConstruct, {}),
    ],
)
def test_a_patch_is_the_row_that_model_construct_makes(model: type[Row], fields: dict[str, Any]) -> None:
    made = model.model_construct(_fields_set=set(fields))
    vars(made).update(fields)
    patch = model.patch(**fields)
    assert type(patch) is type(made)
    assert list(vars(patch).items()) == list(vars(made).items())
    assert patch.model_fields_set == made.model_fields_set
    assert patch.__pydantic_extra__ == made.__pydantic_extra__
    assert patch.__pydantic_private__ == made.__pydantic_private__
    assert repr(patch) == repr(made)
    other = model.patch(**fields)
    assert vars(other) is not vars(patch)
    assert all(vars(other)[n] is not v for n, v in vars(patch).items() if isinstance(v, list))
