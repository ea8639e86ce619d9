"""SQLAlchemy types that store a Python value exactly as a typed row's column does.

`Stored(datetime.datetime)` takes and gives what a row's field of that type takes and gives, on every
database: a session writes what a row reads and filters, and the other way round. On PostgreSQL the
column has the server's own type; elsewhere the stored form is that of `values.encoders`. A SQLAlchemy type
that a model names by itself is left as it is. Knows no session and no statement.
"""

from __future__ import annotations

import datetime
import enum
import typing
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import sqlalchemy as sa
from pydantic import AwareDatetime, PydanticUndefinedAnnotation, PydanticUserError, TypeAdapter
from pydantic import ValidationError as PydanticError
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.exc import DontWrapMixin
from sqlalchemy.sql import operators
from sqlalchemy.types import TypeDecorator, TypeEngine

from rowstead.errors import RowError, ValidationError
from rowstead.tables.native_types import generic_type, native_type
from rowstead.tables.schema import COMPOSITE_KINDS, Column, Kind, column_of
from rowstead.values.decoders import decoder
from rowstead.values.encoders import ASYNCPG_CODEC, encoder, jsonable
from rowstead.values.stored_forms import MYSQL_CODEC, SQLITE_CODEC
from rowstead.values.widths import in_utc, without_zone

if TYPE_CHECKING:
    _Type: TypeAlias = TypeDecorator[Any]
else:
    _Type = TypeDecorator

Process: TypeAlias = Callable[[Any], Any]


class RefusedValue(ValidationError, DontWrapMixin):
    """A ValidationError that SQLAlchemy lets through as it is, instead of wrapping it in its own."""


class Stored(_Type):
    """The column type of a Python type: `mapped_column(Stored(dict[str, int]))`.

    `annotation` is what a row's field would have: a scalar type, an Enum, a dict, a list, a Pydantic model,
    a dataclass or a TypedDict. `name` is the column's, for messages. `length` bounds a text. ValidationError
    for a type that has no one stored form.
    """

    impl = sa.types.NullType
    cache_ok = True

    def __init__(self, annotation: Any, name: str = "value", length: int | None = None) -> None:
        super().__init__()
        self.annotation: Any = annotation
        self.name = name
        self.length = length
        self.column = _column(annotation, name)
        if self.kind in COMPOSITE_KINDS:
            _check_readable(annotation, name)
        # Members are stored as their values, so the database's type is that of those.
        self.stored_kind = _members_column(self.column).kind if self.kind is Kind.ENUM else self.kind
        self.impl = self.impl_instance = generic_type(self.stored_kind, length)

    @property
    def kind(self) -> Kind:
        return self.column.kind

    @property
    def python_type(self) -> type[Any]:
        return typing.get_origin(self.annotation) or self.annotation

    def described(self, name: str, nullable: bool) -> Column:
        """The core's column of this type."""
        column = self.column
        return Column(name, column.kind, column.type, nullable, column.element)

    def encoder(self, codec: str) -> Process:
        """What turns a caller's value into what the driver of `codec` takes."""
        return _then(_HOLDING.get(self.kind, _no_holding)(self.column), encoder(self.column, codec))

    def decoder(self, codec: str) -> Process | None:
        """What turns the driver's value into a Python value; None where nothing needs to."""
        if self.kind is Kind.ENUM:
            return _member(self.column, decoder(_members_column(self.column), codec))
        decode = decoder(self.column, codec)
        if self.kind in COMPOSITE_KINDS:
            # What SQLAlchemy has read of JSON is not read again.
            typed = _typed_json(self.annotation, self.name)
            return _then(decode, typed) if codec in _JSON_IS_TEXT else typed
        return _then(decode, _NORMAL.get(self.kind) if codec not in _STORED_FORMS else None)

    # What SQLAlchemy asks a type for

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        native = native_type(dialect.name, self.stored_kind, self.length)
        return dialect.type_descriptor(self.impl_instance if native is None else native)

    def bind_processor(self, dialect: Dialect) -> Any:
        return _refusing(_then(self._encoded(dialect), self.impl_instance.bind_processor(dialect)))

    def literal_processor(self, dialect: Dialect) -> Any:
        write = self.impl_instance.literal_processor(dialect)
        return None if write is None else _refusing(_then(self._encoded(dialect), write))

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        return _then(
            self.impl_instance.result_processor(dialect, coltype),
            self.decoder(_CODECS.get(dialect.name, ASYNCPG_CODEC)),
        )

    def coerce_compared_value(self, op: operators.OperatorType | None, value: Any) -> TypeEngine[Any]:
        """The type of the other side: this one where like is compared with like, else that of the value."""
        if self.kind in COMPOSITE_KINDS:
            return self if op in _EQUALITIES else self.impl_instance.coerce_compared_value(op, value)
        if op is None or operators.is_comparison(op) or value is None:
            return self
        if self.kind is Kind.ENUM or column_of(self.name, type(value)).kind is self.kind:
            return self
        return self.impl_instance.coerce_compared_value(op, value)

    def _encoded(self, dialect: Dialect) -> Process:
        codec = _CODECS.get(dialect.name, ASYNCPG_CODEC)
        encode = self.encoder(codec)
        # Where JSON does not travel as a text of ours, SQLAlchemy's type writes what is plain JSON already.
        if self.kind in COMPOSITE_KINDS and codec not in _JSON_IS_TEXT:
            return _then(encode, _plain_json)
        return encode

    def __repr__(self) -> str:
        shown = getattr(self.annotation, "__name__", None) or str(self.annotation)
        return f"Stored({shown})"


def stored_type(annotation: Any, name: str) -> Stored | None:
    """The type of a model's column, by its annotation; None for what only SQLAlchemy may know."""
    kind = column_of(name, annotation).kind
    return None if kind in (Kind.ANY, Kind.OTHER) else Stored(annotation, name)


def _column(annotation: Any, name: str) -> Column:
    column = column_of(name, annotation)
    if column.kind in (Kind.ANY, Kind.OTHER):
        raise ValidationError(
            f"column {name!r}: {annotation!r} has no one stored form; name a SQLAlchemy type, "
            "as in mapped_column(String())",
            column=name,
        )
    if column.kind is Kind.DATETIME:
        return Column(name, Kind.DATETIME, AwareDatetime)
    return column


def _check_readable(annotation: Any, name: str) -> None:
    """ValidationError for a type that Pydantic, which reads its JSON, does not take."""
    try:
        TypeAdapter(annotation)
    except PydanticUndefinedAnnotation:
        # A name that is defined later.
        return
    except PydanticUserError as error:
        if error.code == "class-not-fully-defined":
            return
        raise ValidationError(
            f"column {name!r}: {annotation!r} cannot be read from JSON: {error.message}", column=name
        ) from error


def _members_column(column: Column) -> Column:
    """The column that the values of an Enum's members make."""
    kinds = {column_of(column.name, type(member.value)).kind for member in column.type}
    if len(kinds) != 1 or kinds & {Kind.ANY, Kind.OTHER}:
        raise ValidationError(
            f"column {column.name!r}: the values of {column.type.__name__} are of several types; give all "
            "members a text, or name a SQLAlchemy type",
            column=column.name,
        )
    return column_of(column.name, type(next(iter(column.type)).value))


def _then(first: Process | None, second: Process | None) -> Any:
    if first is None or second is None:
        return first or second

    def both(value: Any) -> Any:
        return second(first(value))

    return both


def _refusing(process: Process) -> Process:
    """The same, with errors that SQLAlchemy does not wrap."""

    def bind(value: Any) -> Any:
        try:
            return process(value)
        except ValidationError as error:
            raise RefusedValue(str(error), column=error.column) from None

    return bind


# What a value must be beside its Python type


def _no_holding(_column: Column) -> Process | None:
    return None


def _with_zone(column: Column) -> Process:
    """A moment without a zone is nobody's moment: it is refused, whatever the database would make of it."""
    read = TypeAdapter(AwareDatetime).validate_python

    def hold(value: Any) -> Any:
        if value is None or (type(value) is datetime.datetime and value.tzinfo is not None):
            return value
        try:
            return read(value)
        except PydanticError:
            raise ValidationError(
                f"column {column.name!r} takes a datetime with a zone, such as datetime.now(UTC), not "
                f"{type(value).__name__} without one; give it a zone (value.replace(tzinfo=UTC)), or map the "
                "column to sqlalchemy.DateTime()",
                column=column.name,
            ) from None

    return hold


def _no_zone(_column: Column) -> Process:
    def hold(value: Any) -> Any:
        return without_zone(value) if isinstance(value, datetime.time) else value

    return hold


_HOLDING: Mapping[Kind, Callable[[Column], Process | None]] = {
    Kind.DATETIME: _with_zone,
    Kind.TIME: _no_zone,
}


# What a driver's value is read as


def _moment(value: Any) -> Any:
    """psycopg gives the zone of the session; everywhere else a moment comes back in UTC."""
    return value if value is None or value.tzinfo is datetime.UTC else in_utc(value)


_NORMAL: Mapping[Kind, Process] = {Kind.DATETIME: _moment}


def _member(column: Column, decode: Process | None) -> Process:
    members = {member.value: member for member in column.type}
    is_flag = issubclass(column.type, enum.Flag)

    def read(value: Any) -> Any:
        if value is None:
            return None
        plain = value if decode is None else decode(value)
        try:
            # Flags have more members than those with a name.
            return column.type(plain) if is_flag else members[plain]
        except (KeyError, TypeError, ValueError):
            raise RowError(
                f"column {column.name!r} holds {plain!r}, which is no {column.type.__name__}; "
                f"known: {', '.join(repr(known) for known in members)}",
                column=column.name,
            ) from None

    return read


_PLAIN_JSON = frozenset({dict, list, dict[str, Any], list[Any]})


def _typed_json(annotation: Any, name: str) -> Process | None:
    """What makes of plain JSON the types that the annotation names."""
    if annotation in _PLAIN_JSON:
        return None
    read = TypeAdapter(annotation).validate_python

    def typed(value: Any) -> Any:
        if value is None:
            return None
        try:
            return read(value)
        except PydanticError as error:
            reason = error.errors(include_url=False, include_input=False)[0]["msg"]
            raise RowError(
                f"column {name!r} holds JSON that is no {annotation}: {reason}", column=name
            ) from None

    return typed


def _plain_json(value: Any) -> Any:
    return None if value is None else jsonable(value)


_CODECS: Mapping[str, str] = {"sqlite": SQLITE_CODEC, "mysql": MYSQL_CODEC, "mariadb": MYSQL_CODEC}
"""Where values travel in a stored form; everywhere else as they are, by SQLAlchemy's own types."""
_STORED_FORMS = frozenset(_CODECS.values())
_JSON_IS_TEXT = _STORED_FORMS
_EQUALITIES = (
    operators.eq,
    operators.ne,
    operators.is_,
    operators.is_not,
    operators.in_op,
    operators.not_in_op,
)
