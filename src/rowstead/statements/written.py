"""A statement that a user wrote, as SQLAlchemy's or as text with `:name` parameters, made ready to run.

Values are encoded by the types of their parameters, results decoded by the types of the columns, as
everywhere in the core; SQLAlchemy only spells. What a table's columns are filled with by default
(`default`, `onupdate`) is filled in as SQLAlchemy would. Runs nothing: `written` gives a plan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol, TypeAlias, cast

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import NullType, TypeEngine

from rowstead import raw
from rowstead.dialects import Dialect
from rowstead.errors import UsageError, ValidationError, did_you_mean, undefined_column
from rowstead.plan import Atomic, Call, Many, Plan, Record
from rowstead.tables.from_sqlalchemy import column_of_type
from rowstead.values.decoders import decoder, returned_decoder
from rowstead.values.encoders import Encode, encoder, operand_encoder, raw_encoder

_WRITING = frozenset({"insert", "update", "delete", "replace"})

Parameters: TypeAlias = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None
"""Values by name; of several the statement runs once for each."""


class RawRecords(Protocol):
    """What a user's statement gives: `drivers.base.RawResult`, which this layer does not know."""

    columns: Sequence[str]
    records: Sequence[Record]
    count: int


@dataclass(frozen=True, slots=True)
class Result:
    """What a statement gave."""

    rows: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """Every row by the columns' names; of two columns with one name the last wins."""
    count: int = 0
    """How many rows were written; of a query, how many it gave."""

    def first(self) -> dict[str, Any] | None:
        """The first row, or None."""
        return self.rows[0] if self.rows else None

    def scalar(self) -> Any:
        """The first column of the first row, or None where there is no row."""
        return next(iter(self.rows[0].values()), None) if self.rows else None


@dataclass(frozen=True, slots=True)
class Target:
    """For what a statement is spelled: a database, how its driver's values travel, its parameter style."""

    dialect: Dialect
    codec: str
    paramstyle: str


def written(sql: Any, params: Parameters, target: Target) -> Plan[Result]:
    """A plan that runs the statement; all or nothing where `params` are several.

    `sql` is a statement of SQLAlchemy's or text with `:name` parameters. Raises ValidationError for
    parameters that do not fit it, and UsageError for what is no statement and for a word that opens or
    ends a transaction.
    """
    if params is None or isinstance(params, Mapping):
        return _once(Statement(sql, params or {}, target), params or {})
    rows = list(_checked(params))
    if not rows:
        return _nothing()
    return _for_each(Statement(sql, rows[0], target), rows)


def _checked(params: Any) -> Iterable[Mapping[str, Any]]:
    if not isinstance(params, (list, tuple)):
        raise ValidationError(
            f"parameters are a mapping, or a list of mappings for a statement that runs several times, "
            f"not {type(params).__name__}"
        )
    names: set[str] | None = None
    for place, row in enumerate(cast("Sequence[Any]", params)):
        if not isinstance(row, Mapping):
            raise ValidationError(
                "a statement's parameters have names: write `:name` in its text and give {'name': value}, "
                f"not {type(row).__name__}"
            )
        given = cast("Mapping[str, Any]", row)
        names = set(given) if names is None else names
        if set(given) != names:
            raise ValidationError(f"parameters {place} have other names than the first, which all share")
        yield given


def _nothing() -> Plan[Result]:
    yield from ()
    return Result()


def _once(statement: Statement, params: Mapping[str, Any]) -> Plan[Result]:
    given: RawRecords = yield statement.call(params)
    return statement.result(given)


def _for_each(statement: Statement, rows: Sequence[Mapping[str, Any]]) -> Plan[Result]:
    if statement.gives_rows or statement.varies:
        return (yield Atomic(_one_by_one(statement, rows)))
    calls = [statement.call(row) for row in rows]
    return Result(count=(yield Many(calls[0].text, [call.params for call in calls])))


def _one_by_one(statement: Statement, rows: Sequence[Mapping[str, Any]]) -> Plan[Result]:
    together, count = list[dict[str, Any]](), 0
    for row in rows:
        given = statement.result((yield statement.call(row)))
        together += given.rows
        count += given.count
    return Result(together, count)


class Statement:
    """One statement, spelled for parameters of these names. Raises as `written` does."""

    def __init__(self, sql: Any, params: Mapping[str, Any], target: Target) -> None:
        self._target = target
        element = _element(sql)
        self._compiled = compiled = _compiled(element, params, target)
        self._decode = returned_decoder if _writes(compiled) else decoder
        self._word = raw.first_word(compiled.string)
        if self._word in raw.CONTROL:
            raise UsageError(
                f"{self._word.upper()} is not sent as a statement: `async with db.begin():` is a transaction"
            )
        self._known = {*compiled.bind_names.values()}
        table: Any = element.table if isinstance(element, (sa.Insert, sa.Update, sa.Delete)) else None
        self._table: str | None = getattr(table, "name", None)
        self._columns = None if table is None else tuple(table.c.keys())
        self._encoders: dict[str, Encode | None] = {}

    @property
    def gives_rows(self) -> bool:
        """Whether it may be a query, or a write that returns."""
        if self._word not in _WRITING:
            return True
        return bool(self._compiled._result_columns) or "returning" in self._compiled.string.lower()  # pyright: ignore[reportPrivateUsage]

    @property
    def varies(self) -> bool:
        """Whether its text depends on its values: a list that is written out."""
        return bool(self._compiled.post_compile_params)

    def call(self, params: Mapping[str, Any]) -> Call[Any]:
        """One execution."""
        self._check_names(params)
        values = self._filled(dict(params))
        try:
            state = self._compiled.construct_expanded_state(values, escape_names=False)
        except (exc.InvalidRequestError, exc.StatementError) as error:
            raise ValidationError(_first_line(error)) from error
        encoders = self._encoders | self._expanded(state.parameter_expansion)
        bound = [self._encoded(name, state.parameters[name], encoders) for name in state.positiontup or ()]
        writes = _writes(self._compiled) or self._word not in raw.READS
        return Call(state.statement, bound, writes=writes, raw=True, table=self._table)

    def result(self, given: RawRecords) -> Result:
        """What it gave, decoded."""
        rows = list(map(self._row(given.columns), given.records))
        return Result(rows, len(rows) if given.count < 0 else given.count)

    def _check_names(self, params: Mapping[str, Any]) -> None:
        for name in params:
            if name in self._known:
                continue
            if self._columns is not None:
                raise undefined_column(name, self._table or "the table", self._columns)
            raise ValidationError(
                f"the statement has no parameter {name!r}; {did_you_mean(str(name), self._known)}"
            )

    def _filled(self, values: dict[str, Any]) -> dict[str, Any]:
        """With the defaults that Python computes for this row or these rows."""
        compiled = self._compiled
        if not compiled.prefetch:
            return values
        row = _Row({**compiled.construct_params(values, _check=False), **values})
        inserts = compiled.isinsert
        for column in compiled.prefetch:
            default: Any = column.default if inserts else column.onupdate
            name: str = compiled._within_exec_param_key_getter(column)  # pyright: ignore[reportPrivateUsage]
            value = default.arg(row) if default.is_callable else default.arg
            if value is not None:
                values[name] = row.current_parameters[name] = value
        return values

    def _encoded(self, name: str, value: Any, encoders: dict[str, Encode | None]) -> Any:
        if name not in encoders:
            bind = self._compiled.binds[name]
            encoders[name] = self._encoders[name] = self._encoder(bind, bind.type)
        encode = encoders[name]
        return value if encode is None else encode(value)

    def _expanded(self, expansion: Mapping[str, list[str]]) -> dict[str, Encode | None]:
        """The encoders of lists that are written out, by the names of their elements."""
        found: dict[str, Encode | None] = {}
        for name, elements in expansion.items():
            bind = self._compiled.binds[name]
            types = getattr(bind.type, "types", None) or [bind.type]
            each = [self._encoder(bind, type_) for type_ in types]
            found |= {element: each[place % len(each)] for place, element in enumerate(elements)}
        return found

    def _encoder(self, bind: Any, type_: TypeEngine[Any]) -> Encode | None:
        codec = self._target.codec
        if isinstance(type_, NullType):
            return raw_encoder(codec)
        column = column_of_type(str(getattr(bind, "_orig_key", bind.key)), type_, True)
        return encoder(column, codec) if _writes(self._compiled) else operand_encoder(column, codec)

    def _row(self, columns: Sequence[str]) -> Callable[[Record], dict[str, Any]]:
        entries = self._compiled._result_columns  # pyright: ignore[reportPrivateUsage]
        if len(entries) == len(columns) and not getattr(self._compiled, "_textual_ordered_columns", False):
            names = [str(entry.keyname) for entry in entries]
            types = [entry.type for entry in entries]
        else:
            # Text: a column has a type where the user said so by its name.
            told = {str(entry.keyname): entry.type for entry in entries}
            names = list(columns)
            types = [told.get(name) for name in columns]
        decoders = [self._decoder(name, type_) for name, type_ in zip(names, types, strict=True)]
        if not any(decoders):
            return lambda record: dict(zip(names, record, strict=True))
        return lambda record: {
            name: value if decode is None else decode(value)
            for name, decode, value in zip(names, decoders, record, strict=True)
        }

    def _decoder(self, name: str, type_: TypeEngine[Any] | None) -> Any:
        if type_ is None or isinstance(type_, NullType):
            return None
        return self._decode(column_of_type(name, type_, True), self._target.codec)


class _Row:
    """What SQLAlchemy shows to a default's function: the values of the row that it is for."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.current_parameters = values

    def get_current_parameters(self, isolate_multiinsert_groups: bool = True) -> Mapping[str, Any]:
        return self.current_parameters


def _element(sql: Any) -> Any:
    if isinstance(sql, str):
        return sa.text(sql)
    if not isinstance(sql, sa.sql.expression.Executable):
        raise UsageError(
            f"a statement is one of SQLAlchemy's, as sa.select(…), or text with :name parameters, not "
            f"{type(sql).__name__}"
        )
    if isinstance(sql, sa.Insert) and not sql._returning:  # pyright: ignore[reportPrivateUsage]
        # Else SQLAlchemy would have the new key returned, for which nobody asked.
        return sql.inline()
    return sql


def _compiled(element: Any, params: Mapping[str, Any], target: Target) -> SQLCompiler:
    is_insert_or_update = isinstance(element, (sa.Insert, sa.Update))
    names = list(params) if is_insert_or_update and params else None
    try:
        return element.compile(dialect=_spelling(target.dialect, target.paramstyle), column_keys=names)
    except exc.CompileError as error:
        raise ValidationError(_first_line(error)) from error


@lru_cache(maxsize=16)
def _spelling(dialect: Dialect, paramstyle: str) -> Any:
    return dialect.written(paramstyle)


def _writes(compiled: SQLCompiler) -> bool:
    return bool(compiled.isinsert or compiled.isupdate or compiled.isdelete)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
