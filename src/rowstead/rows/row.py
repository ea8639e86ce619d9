"""`Row`: a Pydantic model that is a row of a table, and the table that it describes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self, cast

from pydantic import BaseModel
from pydantic import ValidationError as PydanticError

from rowstead.errors import RowError, ValidationError, undefined_column
from rowstead.plan import Record
from rowstead.rows.hydrate import WORTHWHILE, at_once, plain_defaults, unchecked
from rowstead.tables.schema import Column, Decode, Hydrate, HydrateOne, Table, column_of, split_name


class Row(BaseModel):
    """A row of `__table__`; its fields are the columns.

    `__pk__` names the primary key's fields (default: `id`); `__fields_not_in_db__` those that are
    not columns, and need a default. "Set" means given to the constructor or assigned later: a
    default does not count, an explicit None does. Insert and update send what is set.
    """

    __table__: ClassVar[str]
    __pk__: ClassVar[tuple[str, ...]] = ("id",)
    __fields_not_in_db__: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def patch(cls, **fields: Any) -> Self:
        """A partial row: these fields are set and nothing is validated or required.

        For partial updates of a model with required fields, and for `Inc` and `Now`. A name that is
        no field is an UndefinedColumnError.
        """
        known = cls.__pydantic_fields__
        if not known.keys() >= fields.keys():
            unknown = next(name for name in fields if name not in known)
            raise undefined_column(unknown, cls.__name__, known)
        defaults = _defaults(cls)
        if defaults is not None:
            return unchecked(cls, defaults | fields, set(fields))
        row = cls.model_construct(_fields_set=set(fields))
        # By name: `model_construct` would look aliased fields up by their alias.
        vars(row).update(fields)
        return row

    @classmethod
    def __rowstead__(cls) -> Table:
        """The table that this class describes, made once per class."""
        table = cls.__dict__.get("__rowstead_table__")
        if table is None:
            table = _describe(cls)
            type.__setattr__(cls, "__rowstead_table__", table)
        return cast(Table, table)

    @classmethod
    def __rowstead_result__(cls) -> Table:
        """The same for reading the results of raw SQL, where a class needs no table and no key.

        Every field counts, those that are not in the database too: a statement may compute them.
        """
        table = cls.__dict__.get("__rowstead_result_table__")
        if table is None:
            table = _describe_result(cls)
            type.__setattr__(cls, "__rowstead_result_table__", table)
        return cast(Table, table)


def _defaults(model: type[Row]) -> dict[str, Any] | None:
    """What `model_construct` gives fields that are not given, found once per class; None: ask it."""
    found = model.__dict__.get("__rowstead_defaults__", _NOT_YET)
    if found is _NOT_YET:
        found = plain_defaults(model)
        type.__setattr__(model, "__rowstead_defaults__", found)
    return found


_NOT_YET = object()


def _describe(model: type[Row]) -> Table:
    name = getattr(model, "__table__", None)
    if not isinstance(name, str) or not name:
        raise ValidationError(f"{model.__name__} has no table; set __table__ = '…' on the class")
    skipped = _names(model, "__fields_not_in_db__")
    columns = _columns(model, skipped)
    if not columns:
        raise ValidationError(f"{model.__name__} has no fields that are columns", table=name)
    for missing in (n for n in _names(model, "__pk__") if n not in columns):
        raise undefined_column(missing, f"{model.__name__}.__pk__", columns)
    for missing in (n for n in skipped if n not in model.model_fields):
        raise undefined_column(missing, f"{model.__name__}.__fields_not_in_db__", model.model_fields)
    schema, table_name = split_name(name)
    key = _names(model, "__pk__")
    return Table(table_name, columns, key, _hydrate(model), schema, hydrate_one=_hydrate_one(model))


def _describe_result(model: type[Row]) -> Table:
    table: str | None = getattr(model, "__table__", None)
    schema, name = split_name(table) if table else (None, model.__name__)
    columns = _columns(model, ())
    key = tuple(field for field in _names(model, "__pk__") if field in columns)
    return Table(name, columns, key, _hydrate(model), schema)


def _columns(model: type[Row], skipped: Sequence[str]) -> dict[str, Column]:
    if not model.__pydantic_complete__:
        model.model_rebuild()
    return {
        name: column_of(name, info.annotation, info.metadata)
        for name, info in model.model_fields.items()
        if name not in skipped
    }


def _hydrate(model: type[Row]) -> Hydrate:
    def hydrate(names: Sequence[str], decoders: Sequence[Decode]) -> Callable[[Sequence[Any]], list[Any]]:
        return reader(model, names, decoders)

    return hydrate


def _hydrate_one(model: type[Row]) -> HydrateOne:
    def hydrate_one(names: Sequence[str], decoders: Sequence[Decode]) -> Callable[[Record], Any]:
        return reader_of_one(model, names, decoders)

    return hydrate_one


def _names(model: type[Row], attribute: str) -> tuple[str, ...]:
    names = getattr(model, attribute)
    return (names,) if isinstance(names, str) else tuple(names)


def reader(
    model: type[Row], names: Sequence[str], decoders: Sequence[Decode]
) -> Callable[[Sequence[Record]], list[Any]]:
    """What makes rows of `model` from records whose values are these columns, in order."""
    read_one = reader_of_one(model, names, decoders)
    make = at_once(model, names, decoders)

    def read(records: Sequence[Record]) -> list[Any]:
        if make is not None and len(records) >= WORTHWHILE:
            made = make(records)
            if made is not None:
                return made
        return [read_one(record) for record in records]

    return read


def reader_of_one(
    model: type[Row], names: Sequence[str], decoders: Sequence[Decode]
) -> Callable[[Record], Any]:
    """What makes a row of `model` from a record whose values are these columns, in order."""
    validate = model.__pydantic_validator__.validate_python
    decoded = [(name, decode) for name, decode in zip(names, decoders, strict=True) if decode is not None]
    by_name = any(f.alias or f.validation_alias for f in model.model_fields.values()) or None
    by_alias = False if by_name else None

    def read_one(record: Record) -> Any:
        # Saying `strict` would cost a third more, and each row comes through here.
        fields = dict(zip(names, record))  # noqa: B905
        try:
            for name, decode in decoded:
                fields[name] = decode(fields[name])
            # A strict model guards what callers give; JSON and SQLite have fewer types than Python.
            return validate(fields, strict=False, by_alias=by_alias, by_name=by_name)
        except (PydanticError, ValueError, ArithmeticError) as error:
            raise _row_error(model, fields, error) from error

    return read_one


def _row_error(model: type[Row], fields: dict[str, Any], error: Exception) -> RowError:
    """Names the key and the fields that do not fit, never a value: it may be a secret."""
    table = model.__rowstead_result__()
    if isinstance(error, PydanticError):
        problems = "; ".join(
            f"{'.'.join(map(str, e['loc']))}: {e['msg']}"
            for e in error.errors(include_url=False, include_input=False, include_context=False)
        )
    else:
        problems = f"{type(error).__name__} while reading a stored value"
    key = ", ".join(f"{name}={fields.get(name)!r}" for name in table.key)
    return RowError(
        f"a row of {table.name} ({key}) cannot be read as {model.__name__}: {problems}. "
        "If this statement wrote it, it is written.",
        table=table.name,
    )
