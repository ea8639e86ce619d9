"""One statement of a user's, spelled for a database: its text, how its values travel, how its rows come back.

What a table's columns are filled with by default (`default`, `onupdate`) is filled in as SQLAlchemy would.
SQLAlchemy only spells: values and rows are converted as everywhere in the core.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol, TypeAlias

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import NullType, TypeEngine

from rowstead import raw
from rowstead.dialects import Dialect
from rowstead.errors import UsageError, ValidationError, did_you_mean, undefined_column
from rowstead.plan import Call, Record
from rowstead.statements.untyped import encoder_by_value
from rowstead.tables.dicts import ReadAll, dict_rows
from rowstead.tables.from_sqlalchemy import column_of_type
from rowstead.values.decoders import decoder, returned_decoder
from rowstead.values.encoders import Encode, encoder, operand_encoder

WRITING = frozenset({"insert", "update", "delete", "replace"})

Own: TypeAlias = Sequence[Any] | None
"""The parameters that stand in a statement with values, where its text is one that was kept."""


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


class Statement:
    """One statement, spelled; `names` are those of the columns that parameters fill.

    Raises ValidationError for parameters that do not fit it, UsageError for what opens or ends a transaction.
    """

    def __init__(self, element: Any, names: Sequence[str] | None, target: Target, cache_key: Any) -> None:
        self._target = target
        self._compiled = compiled = _compiled(element, names, target, cache_key)
        self._decode = returned_decoder if _writes(compiled) else decoder
        self._word = raw.first_word(compiled.string)
        check_word(self._word)
        self._known = {*compiled.bind_names.values()}
        table: Any = element.table if isinstance(element, (sa.Insert, sa.Update, sa.Delete)) else None
        self._table: str | None = getattr(table, "name", None)
        self._columns = None if table is None else tuple(table.c.keys())
        self._has_rows = bool(getattr(element, "_multi_values", ()))
        self._encoders: dict[str, Encode | None] = {}
        self._readers: dict[tuple[str, ...], ReadAll] = {}
        self.gives_rows = self._gives_rows()
        """Whether it may be a query, or a write that returns."""
        self.varies = bool(compiled.post_compile_params or compiled.literal_execute_params)
        """Whether its text depends on its values: a list that is written out."""

    def _gives_rows(self) -> bool:
        if self._word not in WRITING:
            return True
        return bool(self._compiled._result_columns) or "returning" in self._compiled.string.lower()  # pyright: ignore[reportPrivateUsage]

    def call(self, params: Mapping[str, Any], own: Own) -> Call[Any]:
        """One execution, with these values and the statement's own."""
        self._check_names(params)
        compiled = self._compiled
        try:
            values = compiled.construct_params(
                self._filled(dict(params), own), own, escape_names=False, _no_postcompile=True
            )
            text, names = compiled.string, compiled.positiontup or ()
            expansion: Mapping[str, list[str]] = {}
            if self.varies:
                state = compiled._process_parameters_for_postcompile(values)  # pyright: ignore[reportPrivateUsage]
                text, names, expansion = state.statement, state.positiontup or (), state.parameter_expansion
                values = state.parameters
        except (exc.InvalidRequestError, exc.StatementError) as error:
            raise ValidationError(_first_line(error)) from error
        of_lists = self._expanded(expansion)
        bound = [self._encoded(name, values[name], of_lists) for name in names]
        writes = _writes(compiled) or self._word not in raw.READS
        return Call(text, bound, writes=writes, raw=True, table=self._table)

    def result(self, given: RawRecords) -> Result:
        """What it gave, decoded."""
        columns = tuple(given.columns)
        read = self._readers.get(columns)
        if read is None:
            read = self._readers[columns] = self._rows(columns)
        rows = read(given.records)
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

    def _filled(self, values: dict[str, Any], own: Own) -> dict[str, Any]:
        """With the defaults that Python computes for this row or these rows."""
        compiled = self._compiled
        if not compiled.prefetch:
            return values
        row = _Row({**compiled.construct_params(values, own, _check=False), **values}, self._has_rows)
        for column in compiled.prefetch:
            default: Any = column.default if compiled.isinsert else column.onupdate
            name: str = compiled._within_exec_param_key_getter(column)  # pyright: ignore[reportPrivateUsage]
            of_several: Any = column if getattr(column, "_is_multiparam_column", False) else None
            row.number = 0 if of_several is None else of_several.index + 1
            value = default.arg(row) if default.is_callable else default.arg
            if value is not None:
                values[name] = row.current_parameters[name] = value
        return values

    def _encoded(self, name: str, value: Any, of_lists: Mapping[str, Encode | None]) -> Any:
        if name in of_lists:
            encode = of_lists[name]
        elif name in self._encoders:
            encode = self._encoders[name]
        else:
            bind = self._compiled.binds[name]
            encode = self._encoders[name] = self._encoder(self._told(name, bind), bind.type)
        return value if encode is None else encode(value)

    def _expanded(self, expansion: Mapping[str, list[str]]) -> dict[str, Encode | None]:
        """The encoders of lists that are written out, by the names of their elements."""
        found: dict[str, Encode | None] = {}
        for name, elements in expansion.items():
            bind = self._compiled.binds[name]
            types = getattr(bind.type, "types", None) or [bind.type]
            each = [self._encoder(self._told(name, bind), type_) for type_ in types]
            found |= {element: each[place % len(each)] for place, element in enumerate(elements)}
        return found

    def _told(self, name: str, bind: Any) -> str:
        """What a parameter is called in an error: the column that it fills or is compared with."""
        column = _ROW_OF_SEVERAL.sub("", name) if self._has_rows else name
        return column if column in (self._columns or ()) else str(getattr(bind, "_orig_key", bind.key))

    def _encoder(self, name: str, type_: TypeEngine[Any]) -> Encode | None:
        codec = self._target.codec
        if isinstance(type_, NullType):
            return encoder_by_value(codec)
        column = column_of_type(name, type_, True)
        return encoder(column, codec) if _writes(self._compiled) else operand_encoder(column, codec)

    def _rows(self, columns: Sequence[str]) -> ReadAll:
        entries = self._compiled._result_columns  # pyright: ignore[reportPrivateUsage]
        if len(entries) == len(columns) and self._compiled._ordered_columns:  # pyright: ignore[reportPrivateUsage]
            names = [str(entry.keyname) for entry in entries]
            types = [entry.type for entry in entries]
        else:
            # Text: a column has a type where the user said so by its name.
            told = {str(entry.keyname): entry.type for entry in entries}
            names = list(columns)
            types = [told.get(name) for name in columns]
        decoders = [self._decoder(name, type_) for name, type_ in zip(names, types, strict=True)]
        return dict_rows(names, decoders)

    def _decoder(self, name: str, type_: TypeEngine[Any] | None) -> Any:
        if type_ is None or isinstance(type_, NullType):
            return None
        return self._decode(column_of_type(name, type_, True), self._target.codec)


_ROW_OF_SEVERAL = re.compile(r"_m\d+$")
"""What SQLAlchemy puts behind a column's name for each row that an INSERT writes out."""


class _Row:
    """What SQLAlchemy shows to a default's function: the values of the row that it is for."""

    def __init__(self, values: dict[str, Any], one_of_several: bool) -> None:
        self.current_parameters = values
        self.number = 0
        self._one_of_several = one_of_several

    def get_current_parameters(self, isolate_multiinsert_groups: bool = True) -> Mapping[str, Any]:
        """All values; of an INSERT that writes out several rows those of this one, by the columns' names."""
        if not (isolate_multiinsert_groups and self._one_of_several):
            return self.current_parameters
        ending = f"_m{self.number}"
        here = ((name, value) for name, value in self.current_parameters.items() if name.endswith(ending))
        return {name.removesuffix(ending): value for name, value in here}


def check_word(word: str) -> None:
    """Raise UsageError where a statement's first word opens or ends a transaction."""
    if word in raw.CONTROL:
        raise UsageError(
            f"{word.upper()} is not sent as a statement: `async with db.begin():` is a transaction"
        )


def _compiled(element: Any, names: Sequence[str] | None, target: Target, cache_key: Any) -> SQLCompiler:
    columns = None if names is None else list(names)
    spelling = spelling_of(target.dialect, target.paramstyle)
    try:
        return element.compile(dialect=spelling, column_keys=columns, cache_key=cache_key)
    except exc.CompileError as error:
        raise ValidationError(_first_line(error)) from error


@lru_cache(maxsize=16)
def spelling_of(dialect: Dialect, paramstyle: str) -> Any:
    return dialect.written(paramstyle)


def _writes(compiled: SQLCompiler) -> bool:
    return bool(compiled.isinsert or compiled.isupdate or compiled.isdelete)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
