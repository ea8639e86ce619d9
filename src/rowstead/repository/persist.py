"""What every model can do beside being mapped: to a dict and back, its key as text, its Pydantic schema.

Works on any class that SQLAlchemy has mapped. Nothing here waits: what would have to be loaded first under
asyncio is an error that says how to load it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Self, cast

import sqlalchemy as sa
from pydantic_core import PydanticSerializationError, from_json, to_json
from sqlalchemy.orm import InstanceState, LoaderCallableStatus, Mapper, PassiveFlag
from sqlalchemy.util.concurrency import in_greenlet

from rowstead.errors import UsageError, ValidationError, undefined_column

if TYPE_CHECKING:
    from pydantic import BaseModel

_UNSET = object()


class PersistModel:
    """The methods of a model; `Base` has them."""

    def to_dict(self, with_meta: bool = False, fields: Collection[str] | None = None) -> dict[str, Any]:
        """The attributes of the model's columns, in their order; `fields` names those wanted.

        What the database has yet to fill in is left out, and so are deferred columns that are not loaded,
        unless `fields` names them. `with_meta` adds where the row belongs as `__metadata__`.
        UndefinedColumnError for a field that is none; UsageError where a value was expired and cannot be
        loaded here.
        """
        mapper = _mapper_of(type(self))
        names = _columns(type(self))
        for field in fields or ():
            if field not in names:
                raise undefined_column(field, type(self).__name__, names)
        state = _state(self)
        loaded, left_out = state.dict, _deferred(state) if fields is None else ()
        values: dict[str, Any] = {}
        for name in names:
            if name in left_out or (fields is not None and name not in fields):
                continue
            value = loaded.get(name)
            if value is None:
                value = self._value(name)
            if value is not _UNSET:
                values[name] = value
        return {**values, "__metadata__": _metadata(mapper)} if with_meta else values

    def dump_model(self, with_meta: bool = False, fields: Collection[str] | None = None) -> dict[str, Any]:
        """As `to_dict`, ready for JSON: numbers and texts, dates in ISO form, bytes in base64.

        Numbers that JSON does not have are "NaN" and "Infinity". ValidationError for a value without a form
        in JSON. What only the database can compute, an SQL expression that was not flushed yet, is left out.
        """
        values = self.to_dict(with_meta, fields)
        plain = {name: value for name, value in values.items() if not isinstance(value, sa.ClauseElement)}
        return {name: self._as_json(name, value) for name, value in plain.items()}

    def _as_json(self, name: str, value: Any) -> Any:
        try:
            # By its text: what is made without it keeps numbers that JSON does not have.
            return from_json(to_json(value, by_alias=False, bytes_mode="base64", inf_nan_mode="strings"))
        except PydanticSerializationError as error:
            raise ValidationError(
                f"{self}.{name} holds a {type(value).__name__}, which has no form in JSON ({error}); name "
                "the other `fields`",
                column=name,
            ) from error

    @classmethod
    def load(cls, data: Mapping[str, Any]) -> Self:
        """A new model from a dict, as `to_dict` makes it; keys that are no attribute are ignored.

        Values are taken as they are. ValidationError for what is no dict, TypeError where an argument
        of the constructor is missing.
        """
        mapper = _mapper_of(cls)
        if not isinstance(data, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValidationError(f"{cls.__name__}.load takes a dict, not {type(data).__name__}")
        taken = {field.name for field in _dataclass_fields(cls) if field.init}
        known = {name: value for name, value in data.items() if name in mapper.attrs}
        model = cls(**{name: value for name, value in known.items() if name in taken})
        for name in known.keys() - taken:
            setattr(model, name, known[name])
        return model

    def id_key(self) -> str:
        """`User:7`, or `User:transient_<n>` while there is no key; columns of a key joined by commas."""
        key = _key(self)
        return f"{type(self).__name__}:{key if key is not None else f'transient_{id(self)}'}"

    def printn(self) -> None:
        """Print the model, a line for each column."""
        print(type(self).__name__, *(f"  {line}" for line in _shown(self)), sep="\n")

    @classmethod
    def __columns__fields__(cls) -> dict[str, tuple[Any, Any]]:
        """The columns' attributes: name -> (Python type, default); None where there is no plain default."""
        return {name: (_python_type(column), _default(column)) for name, column in _columns(cls).items()}

    @classmethod
    def pydantic_schema(cls) -> type[BaseModel]:
        """A Pydantic model of the columns and relationships, which reads the model's instances too."""
        from rowstead.codegen.dynamic import pydantic_schema

        return pydantic_schema(cls)

    def __str__(self) -> str:
        key = _key(self)
        return f"{type(self).__name__}({key if key is not None else 'id?'})"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(_shown(self))})"

    def _value(self, name: str) -> Any:
        """The attribute, loaded if it must be; `_UNSET` while the database has yet to give it one."""
        state = _state(self)
        if not state.has_identity:
            value = getattr(self, name)
            column = _columns(type(self))[name]
            return _UNSET if value is None and _is_filled_in(column) else value
        if _must_be_loaded(state, name):
            _check_loadable(self, name, state)
        return getattr(self, name)


def _state(model: object) -> InstanceState[Any]:
    return cast("InstanceState[Any]", sa.inspect(model))


def _must_be_loaded(state: InstanceState[Any], name: str) -> bool:
    """Whether reading the attribute would ask the database."""
    if name in state.dict:
        return False
    known = state.get_impl(name).get(state, state.dict, PassiveFlag.PASSIVE_NO_FETCH)
    return known is LoaderCallableStatus.PASSIVE_NO_RESULT


def _check_loadable(model: object, name: str, state: InstanceState[Any]) -> None:
    """A UsageError where reading the attribute would have to wait, or has nothing to read from."""
    session = state.session
    is_expired = name in state.expired_attributes
    what, call = ("expired", "(obj)") if is_expired else ("not loaded", f'(obj, ["{name}"])')
    if session is None:
        raise UsageError(
            f"{model}.{name} is {what} and belongs to no session that could load it; read the row again, "
            f"or call `await repo.refresh{call}` before its session ends"
        )
    if session.get_bind(state.mapper).dialect.is_async and not in_greenlet():
        raise UsageError(
            f"{model}.{name} is {what} and cannot be loaded without waiting; call "
            f"`await repo.refresh{call}` first, or make the session with expire_on_commit=False"
        )


def _mapper_of(cls: type[Any]) -> Mapper[Any]:
    mapper = cast("Mapper[Any] | None", sa.inspect(cls, raiseerr=False))
    if mapper is None or not hasattr(mapper, "column_attrs"):
        raise ValidationError(
            f"{cls.__name__} is mapped to no table; give it a __tablename__, or use a class that has one"
        )
    return mapper


def _properties(mapper: Mapper[Any]) -> Iterator[tuple[str, sa.Column[Any]]]:
    for prop in mapper.column_attrs:
        # An attribute may be an SQL expression too.
        if isinstance(prop.columns[0], sa.Column):
            yield prop.key, prop.columns[0]


_KEPT = "columns of rowstead"
"""Names what is kept in the `info` of a class's manager."""


class _Described(NamedTuple):
    """What is found out once of a class that has so many attributes."""

    size: int
    columns: dict[str, sa.Column[Any]]
    deferred: frozenset[str]


def _columns(cls: type[Any]) -> dict[str, sa.Column[Any]]:
    """The attributes that are columns, in the table's order; those of a parent's table come first."""
    return _described(cls).columns


def _described(cls: type[Any]) -> _Described:
    mapper = _mapper_of(cls)
    kept: dict[str, Any] = cast("Any", mapper).class_manager.info
    found: _Described | None = kept.get(_KEPT)
    # An attribute may be added to a class later.
    if found is None or found.size != len(mapper.attrs):
        deferred = frozenset(prop.key for prop in mapper.column_attrs if prop.deferred)
        found = kept[_KEPT] = _Described(len(mapper.attrs), _columns_in_order(mapper), deferred)
    return found


def _columns_in_order(mapper: Mapper[Any]) -> dict[str, sa.Column[Any]]:
    tables = [table for one in reversed(list(mapper.iterate_to_root())) for table in one.tables]
    places = {column: place for place, column in enumerate(c for table in tables for c in table.columns)}
    found = sorted(_properties(mapper), key=lambda pair: places.get(pair[1], len(places)))
    return dict(found)


def _deferred(state: InstanceState[Any]) -> Collection[str]:
    """The deferred attributes that are not loaded."""
    if not state.has_identity:
        return ()
    return _described(state.mapper.class_).deferred - state.dict.keys()


def _is_filled_in(column: sa.Column[Any]) -> bool:
    """Whether the flush or the database gives the column a value that nobody else has given."""
    return (
        column.server_default is not None
        or column.default is not None
        or column.table.autoincrement_column is column
    )


def _metadata(mapper: Mapper[Any]) -> dict[str, str]:
    cls = mapper.class_
    return {
        "model": f"{cls.__module__}:{cls.__name__}",
        "table": str(mapper.local_table.description),
        "schema": getattr(mapper.local_table, "schema", None) or getattr(cls, "__schema__", "public"),
    }


def _key(model: object) -> str | None:
    """The primary key as text; None while it is not complete."""
    state = _state(model)
    if state.identity is not None:
        return ",".join(map(str, state.identity))
    mapper = _mapper_of(type(model))
    values = [state.dict.get(mapper.get_property_by_column(column).key) for column in mapper.primary_key]
    return None if None in values else ",".join(map(str, values))


def _shown(model: object) -> list[str]:
    """`name=value` for each column, without loading anything."""
    state = _state(model)
    return [
        f"{name}=<not loaded>" if _must_be_loaded(state, name) else f"{name}={getattr(model, name)!r}"
        for name in _columns(type(model))
    ]


def _dataclass_fields(cls: type[Any]) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ()


def _python_type(column: sa.Column[Any]) -> Any:
    try:
        return column.type.python_type
    except NotImplementedError:
        return Any


def _default(column: sa.Column[Any]) -> Any:
    default = column.default
    return default.arg if isinstance(default, sa.ColumnDefault) and default.is_scalar else None
