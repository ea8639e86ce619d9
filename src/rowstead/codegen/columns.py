"""What a mapped class says of its attributes, as plain facts for schemas.

It answers for reading SQLAlchemy's mapping: types, NULL, defaults, lengths, words about a column, and
which attributes a caller may set. It must not know how a schema is written down.
"""

from __future__ import annotations

import builtins
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

import sqlalchemy as sa
from pydantic import TypeAdapter
from pydantic.errors import PydanticUserError
from sqlalchemy import orm
from sqlalchemy.sql.schema import CallableColumnDefault


class Missing(Enum):
    """No value: a default may be None."""

    MISSING = "missing"


MISSING = Missing.MISSING


@dataclass(frozen=True, slots=True)
class Field:
    """One column of a schema."""

    name: str
    type: Any
    """A type, or what `typing` makes of several; None is never part of it."""
    nullable: bool
    default: Any = MISSING
    factory: Callable[[], Any] | None = None
    left_out: bool = False
    """Whether it may be left out, so that the model or the database gives the value."""
    limits: Mapping[str, int] | None = None
    """Keywords of `pydantic.Field`: max_length, max_digits, decimal_places."""
    description: str | None = None

    @property
    def required(self) -> bool:
        """Whether a value must be given."""
        return self.default is MISSING and self.factory is None and not self.left_out and not self.nullable

    @property
    def refuses_none(self) -> bool:
        """Whether None is its default, for a value that is left out, but cannot be given."""
        # A JSON column keeps None as a value of its own.
        return self.left_out and not self.nullable and self.type is not Any


@dataclass(frozen=True, slots=True)
class Related:
    """One relationship of a schema."""

    name: str
    target: type
    collection: type | None
    """list or dict; None for one object."""
    description: str | None = None


def documentation(model: type) -> str | None:
    """The class's own docstring, without the one that dataclasses write."""
    text = vars(model).get("__doc__")
    if not text or text.startswith(f"{model.__name__}("):
        return None
    return inspect.cleandoc(text)


def related(model: type) -> list[Related]:
    """The relationships that can be read from an object, in the mapper's order."""
    found: list[Related] = []
    for key, relationship in orm.class_mapper(model).relationships.items():
        # What is not loaded into the object cannot be read from it.
        if relationship.lazy in ("dynamic", "write_only", "noload"):
            continue
        found.append(
            Related(key, relationship.mapper.class_, _collection(relationship), relationship.doc or None)
        )
    return found


def read_fields(model: type) -> list[Field]:
    """What an object holds: every column, in the mapper's order."""
    return [field for _, _, field in _fields(model)]


def create_fields(model: type) -> list[Field]:
    """What the constructor takes; what it requires is required.

    Left out are keys and columns that the database or the mapper fills by itself.
    """
    taken = _constructor(model)
    found: list[Field] = []
    for attribute, column, field in _fields(model):
        if column is None or not _is_callers(model, attribute, column, taken):
            continue
        may_be_left_out = field.required and not _must_be_given(attribute, column, taken)
        found.append(replace(field, left_out=True) if may_be_left_out else field)
    return found


def update_fields(model: type) -> list[Field]:
    """What a caller may change, all of it optional: what is not given stays."""
    taken = _constructor(model)
    return [
        replace(field, default=MISSING, factory=None, left_out=True)
        for attribute, column, field in _fields(model)
        if column is not None
        and not column.primary_key
        and column.onupdate is None
        and _is_callers(model, attribute, column, taken)
    ]


def _collection(relationship: orm.RelationshipProperty[Any]) -> type | None:
    if not relationship.uselist:
        return None
    made = cast("Callable[[], object] | None", relationship.collection_class)  # pyright: ignore[reportUnknownMemberType]
    return dict if made is not None and isinstance(made(), dict) else list


def _fields(model: type) -> Iterator[tuple[str, sa.Column[Any] | None, Field]]:
    """Each column attribute with its column; None for an expression."""
    for attribute in orm.class_mapper(model).column_attrs:
        expression = attribute.columns[0]
        column = expression if isinstance(expression, sa.Column) else None
        kind = _kind(model, attribute.key, expression.type)
        yield (
            attribute.key,
            column,
            Field(
                name=attribute.key,
                type=kind if _is_understood(kind) else Any,
                nullable=column is None or bool(column.nullable),
                default=MISSING if column is None else _default(column, kind),
                factory=None if column is None else _factory(model, attribute.key, column),
                limits=_limits(expression.type, kind),
                description=attribute.doc or (column.comment if column is not None else None),
            ),
        )


def _kind(model: type, name: str, stored: sa.types.TypeEngine[Any]) -> Any:
    # Of `Mapped[str]` with a list of values only the list says which.
    if isinstance(stored, sa.Enum) and stored.enum_class is None:
        return cast(Any, Literal)[tuple(stored.enums)]
    annotated = _annotated(model, name)
    return _python_type(stored) if annotated is None else annotated


def _annotated(model: type, name: str) -> Any:
    """What stands in `Mapped[...]`, without None; None if nothing does or it cannot be evaluated."""
    for cls in model.__mro__:
        annotation = vars(cls).get("__annotations__", {}).get(name)
        if annotation is not None:
            return _mapped(_evaluated(annotation, cls))
    return None


def _evaluated(annotation: Any, cls: type) -> Any:
    if not isinstance(annotation, str):
        return annotation
    # Names of the class come last: its attributes may be called like types.
    namespace = {**vars(builtins), **{k: v for k, v in vars(cls).items() if isinstance(v, type)}}
    try:
        return eval(annotation, {**namespace, **vars(sys.modules[cls.__module__])})
    except Exception:  # a name that only a type checker knows
        return None


def _mapped(annotation: Any) -> Any:
    origin = get_origin(annotation)
    if isinstance(origin, type) and issubclass(origin, orm.Mapped | orm.MappedColumn):
        return _without_none(get_args(annotation)[0])
    return None


def _without_none(kind: Any) -> Any:
    if get_origin(kind) is Annotated:
        return _without_none(get_args(kind)[0])
    if isinstance(kind, str) or kind is NoneType:
        return None
    if get_origin(kind) not in (Union, UnionType):
        return kind
    parts = tuple(part for part in get_args(kind) if part is not NoneType)
    return Union[parts]  # noqa: UP007  made from a tuple


def _python_type(stored: sa.types.TypeEngine[Any]) -> Any:
    if isinstance(stored, sa.ARRAY):
        return list[_python_type(cast(Any, stored).item_type)]
    try:
        kind = stored.python_type
    except NotImplementedError:
        return Any
    return Any if kind is object else kind


@cache
def _understood(kind: Any) -> bool:
    try:
        TypeAdapter(kind)
    except (PydanticUserError, NameError, TypeError):
        return False
    return True


def _is_understood(kind: Any) -> bool:
    try:
        return _understood(kind)
    except TypeError:  # not hashable: a Literal of lists and the like
        return False


def _default(column: sa.Column[Any], kind: Any) -> Any:
    default = column.default
    if not isinstance(default, sa.ColumnDefault) or not default.is_scalar:
        return MISSING
    return _plain(default.arg, kind)


def _plain(value: Any, kind: Any) -> Any:
    """The default as a value of the field's type, if it is a plain one."""
    if kind is bool and isinstance(value, int):
        return bool(value)
    if kind is Decimal and isinstance(value, int | str):
        return Decimal(value)
    if kind is float and isinstance(value, int):
        return float(value)
    if isinstance(value, str | int | float | bool | Decimal | Enum) or value is None:
        fits = not isinstance(kind, type) or isinstance(value, kind) or value is None
        return value if fits else MISSING
    return MISSING


def _factory(model: type, name: str, column: sa.Column[Any]) -> Callable[[], Any] | None:
    """The function that makes the default, if it has a name by which it can be imported."""
    fields = cast("dict[str, Any]", getattr(model, "__dataclass_fields__", {}))
    made = getattr(fields.get(name), "default_factory", None)
    if not callable(made) and isinstance(column.default, CallableColumnDefault):
        # SQLAlchemy wraps what takes no context.
        made = getattr(column.default.arg, "__wrapped__", None)
    return made if callable(made) and _is_public(made) and is_importable(made) else None


def _is_public(thing: Any) -> bool:
    path = f"{getattr(thing, '__module__', '_')}.{getattr(thing, '__qualname__', '_')}"
    return not any(part.startswith("_") for part in path.split("."))


def is_importable(thing: Any) -> bool:
    """Whether `from module import name` gives just this."""
    name, module = getattr(thing, "__qualname__", ""), sys.modules.get(getattr(thing, "__module__", ""))
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
    return found is not None and (found is thing or found == thing)


def _limits(stored: sa.types.TypeEngine[Any], kind: Any) -> dict[str, int] | None:
    if isinstance(stored, sa.types.TypeDecorator):
        stored = stored.impl_instance
    if isinstance(stored, sa.Enum):
        return None
    if isinstance(stored, sa.String | sa.LargeBinary) and kind in (str, bytes) and stored.length:
        return {"max_length": stored.length}
    if isinstance(stored, sa.Numeric) and kind is Decimal and stored.precision:
        return _digits(stored.precision, stored.scale or 0)
    return None


def _digits(precision: int, scale: int) -> dict[str, int]:
    """Of a number: where its scale is below 0 it ends with zeros, above its precision it begins with them."""
    if scale < 0:
        return {"max_digits": precision - scale, "decimal_places": 0}
    return {"max_digits": max(precision, scale), "decimal_places": scale}


def _constructor(model: type) -> dict[str, inspect.Parameter] | None:
    """What the constructor takes, by name; None: whatever is mapped."""
    parameters = inspect.signature(model).parameters
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
        return None
    return dict(parameters)


def _is_callers(
    model: type, name: str, column: sa.Column[Any], taken: Mapping[str, inspect.Parameter] | None
) -> bool:
    """Whether the caller gives this column's value, rather than the database or the mapper."""
    mapper: orm.Mapper[Any] = orm.class_mapper(model)
    if column.computed is not None or column is mapper.version_id_col or column is mapper.polymorphic_on:
        return False
    if taken is not None:
        return name in taken
    generated = column.server_default is not None or column.identity is not None
    counted = column is getattr(column.table, "autoincrement_column", None)
    return not (column.primary_key and (generated or counted))


def _must_be_given(name: str, column: sa.Column[Any], taken: Mapping[str, inspect.Parameter] | None) -> bool:
    if taken is not None:
        return taken[name].default is inspect.Parameter.empty
    return column.default is None and column.server_default is None
