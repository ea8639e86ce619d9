"""The statement cache: a statement's shape -> its text, its parameters' encoders and its reader.

Building and compiling a SQLAlchemy expression costs 50 to 500 microseconds; reading a shape and
looking it up costs one or two. So every statement is compiled once per shape and kept, bounded:
512 texts, none with over 50 parameters or 4,096 characters. Tables are known by identity.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import Any, TypeAlias, TypeVar

from rowstead.dialects import Dialect
from rowstead.language.expressions import Slots
from rowstead.language.shapes import VALUE
from rowstead.plan import Call, Read, Record, Stored
from rowstead.statements.builders import BUILDERS, WRITES
from rowstead.tables.schema import Kind, Table
from rowstead.values.column_values import EncodeColumn
from rowstead.values.columnar import Columnar, columnar
from rowstead.values.decoders import decoder, returned_decoder
from rowstead.values.encoders import Encode

R = TypeVar("R")
Pick: TypeAlias = Callable[[Mapping[str, Any]], tuple[Any, ...]]
"""Takes a statement's values off an object's fields."""

NOT_SHOWN: Any = object()
"""Stands for a written row that its caller may not see."""
MAX_TEXTS = 512
MAX_PARAMS = 50
MAX_LENGTH = 4_096
MAX_FITTING = 64
"""Combinations of types of which each statement remembers what encoding they need."""


_WITHOUT_EQUALITY = frozenset({Kind.JSON, Kind.LIST, Kind.ANY})


def by_key(key: tuple[Any, ...]) -> tuple[Table, tuple[str, ...], tuple[str, ...]] | None:
    """(table, columns, names) where this is a get by each part of the primary key and nothing else."""
    if key[0] != "get":
        return None
    table: Table = key[1]
    terms: tuple[Any, ...] = key[3][1:]
    if any(len(term) != 3 or term[0] != "eq" or term[2] != VALUE for term in terms):
        return None
    names = tuple(term[1] for term in terms)
    if len(names) != len(table.key) or set(names) != set(table.key):
        return None
    if any(table.columns[name].kind in _WITHOUT_EQUALITY for name in names):
        return None
    return table, key[2], names


def columns_of(rows: Sequence[Sequence[Any]]) -> Sequence[list[Any]]:
    """Rows of one width, column by column."""
    return columnar(rows).columns


class Get(Read[R]):
    """A get by the whole key. Those of one `compiled` can be answered by one statement, see `batching`.

    `values` are the key's, in the order of the filter and not encoded.
    """

    __slots__ = ("compiled", "values")

    def __init__(
        self,
        compiled: Compiled,
        params: Sequence[Any],
        values: Sequence[Any],
        read: Callable[[Sequence[Record]], R] | None,
    ) -> None:
        # Without a call of another `__init__`: that is a fifth of what a repeated get costs until it is sent.
        self.text = compiled.text
        self.params = params
        self.read = read
        self.writes = False
        self.raw = False
        self.table = compiled.table
        self.compiled = compiled
        self.values = values


class Compiled:
    """A statement's text and how its values travel; `bind` makes the parameters of one execution."""

    __slots__ = (
        "_changes",
        "_columns",
        "_encoders",
        "_order",
        "_unchanged",
        "keepable",
        "read_all",
        "read_one",
        "table",
        "text",
        "together",
        "writes",
    )

    def __init__(
        self,
        text: str,
        table: str,
        writes: bool,
        order: Sequence[int],
        encoders: Sequence[Encode | None],
        unchanged: Sequence[frozenset[type]],
        columns: Sequence[EncodeColumn],
        read_all: Callable[[Sequence[Record]], list[Any]],
        together: tuple[Table, tuple[str, ...], tuple[str, ...]] | None = None,
        keepable: bool = True,
        read_record: Callable[[Record], Any] | None = None,
    ) -> None:
        self.text = text
        self.keepable = keepable
        self.together = together
        """Of a get by the whole key: its table, its columns, and the key's names in the filter's order."""
        self.table = table
        self.writes = writes
        self._order = None if list(order) == list(range(len(encoders))) else tuple(order)
        self._encoders = tuple(encoders)
        self._unchanged = tuple(unchanged)
        self._columns = tuple(columns)
        self._changes: dict[tuple[type, ...], tuple[tuple[int, Encode], ...]] = {}
        """By types of values, as they were seen: the encoders that may change them, with their places."""
        self.read_all = read_all

        self.read_one = _first_by(read_all, read_record)

    @property
    def size(self) -> int:
        """How many values it takes."""
        return len(self._encoders)

    def rows(self, records: Sequence[Record]) -> list[Any]:
        """What its records are to its caller."""
        return self.read_all(records)

    def bind(self, values: Sequence[Any]) -> Sequence[Any]:
        """The values as the driver takes them, in the order of the parameters."""
        types = tuple(map(type, values))
        changes = self._changes.get(types)
        if changes is None:
            changes = self._changes_to(types)
        if self._order is None and not changes:
            return values
        encoded = list(values)
        for place, encode in changes:
            encoded[place] = encode(encoded[place])
        return encoded if self._order is None else [encoded[i] for i in self._order]

    def _changes_to(self, types: tuple[type, ...]) -> tuple[tuple[int, Encode], ...]:
        """The encoders that may change values of these types, each with its value's place."""
        changes = tuple(
            (place, encode)
            for place, (encode, type_, known) in enumerate(
                zip(self._encoders, types, self._unchanged, strict=True)
            )
            if encode is not None and type_ not in known
        )
        if len(self._changes) < MAX_FITTING:
            self._changes[types] = changes
        return changes

    def bind_many(self, rows: Sequence[Sequence[Any]]) -> Columnar:
        """As `bind` for each of some rows of values, column by column, which costs half."""
        given = columnar(rows)
        columns = [
            encode_all(column, types)
            for encode_all, column, types in zip(self._columns, given.columns, given.types, strict=bool(rows))
        ]
        ordered = columns if self._order is None else [columns[i] for i in self._order]
        return Columnar(ordered, len(rows))

    def get_again(self, values: Sequence[Any]) -> Call[Any]:
        """One more execution of a get, with values of types that were seen to travel as they are."""
        if self.together is None:
            return Read(self.text, values, self.read_one, table=self.table)
        return Get(self, values, values, self.read_one)

    def travel_as_they_are(self, types: tuple[type, ...]) -> bool:
        """Whether values of these types were seen to need no encoding."""
        return self._order is None and self._changes.get(types) == ()

    def stored_again(self, values: Sequence[Any], read: Callable[[Sequence[Record]], R]) -> Stored[R]:
        """As `stored`, with values of types that were seen to travel as they are."""
        return Stored(self.text, values, read, writes=True, table=self.table)

    def stored(self, values: Sequence[Any], read: Callable[[Sequence[Record]], R]) -> Stored[R]:
        """One execution of what writes one row and returns it."""
        return Stored(self.text, self.bind(values), read, writes=True, table=self.table)

    def call(self, values: Sequence[Any], read: Callable[[Sequence[Record]], Any] | None) -> Call[Any]:
        """One execution."""
        if self.together is not None:
            return Get(self, self.bind(values), values, read)
        if self.writes:
            return Call(self.text, self.bind(values), read, writes=True, table=self.table)
        return Read(self.text, self.bind(values), read, table=self.table)


class Compiler:
    """Compiles statements for one dialect, codec and parameter style, and keeps them."""

    def __init__(self, dialect: Dialect, codec: str, paramstyle: str) -> None:
        self.dialect = dialect
        self.codec = codec
        self.paramstyle = paramstyle
        self.kept: dict[Any, Compiled] = {}
        self.gets: dict[Any, Compiled] = {}
        """Gets that were read before, by (model, names, types of the values): see `rows.calls.get`."""
        self.again: dict[Any, tuple[Compiled, Pick]] = {}
        """Writes of one object that were read before, by the fields that are set: statement and values."""
        self.facts: dict[Any, Any] = {}
        """What was learnt from this database about tables: `types.column_types`."""
        self._text_dialect: Any = None
        # Threads share a compiler; looking up needs no lock, making room does.
        self._keeping = Lock()

    def get(self, key: tuple[Any, ...]) -> Compiled:
        """The compiled statement of this key."""
        found = self.kept.get(key)
        if found is not None:
            return found
        compiled = self._compile(key)
        if compiled.keepable and compiled.size <= MAX_PARAMS and len(compiled.text) <= MAX_LENGTH:
            with self._keeping:
                if len(self.kept) >= MAX_TEXTS:
                    self.kept.pop(next(iter(self.kept)))
                self.kept[key] = compiled
        return compiled

    def keep_again(self, asked: Any, compiled: Compiled, pick: Pick) -> None:
        """What need not be found out again for the next object with these fields set."""
        if len(self.again) < MAX_TEXTS and compiled.size <= MAX_PARAMS:
            self.again[asked] = (compiled, pick)

    def _compile(self, key: tuple[Any, ...]) -> Compiled:
        operation, table = key[0], key[1]
        slots = Slots(self.dialect, self.codec)
        expression = BUILDERS[operation](slots, table, *key[2:])
        text, names = self.text_of(expression)
        order = [int(name[1:]) for name in names]
        read_all, read_record = self._readers(table, result_names(key, expression), operation in WRITES)
        if _tells_shown(key):
            read_all, read_record = _shown_only(read_all), None
        return Compiled(
            text,
            table.name,
            operation in WRITES,
            order,
            slots.encoders,
            slots.unchanged,
            slots.columns,
            read_all,
            by_key(key),
            slots.keepable,
            read_record,
        )

    def text_of(self, expression: Any) -> tuple[str, list[str]]:
        """Any SQLAlchemy expression as text on one line, and its parameters' names in order."""
        compiled = expression.compile(dialect=self._spelling())
        return tidy(compiled.string), list(compiled.positiontup or ())

    def quoted_name(self, clause: Any) -> str:
        """A table's name as it stands in SQL."""
        return self._spelling().identifier_preparer.format_table(clause)

    def _spelling(self) -> Any:
        if self._text_dialect is None:
            self._text_dialect = self.dialect.sqlalchemy(self.paramstyle)
        return self._text_dialect

    def _readers(
        self, table: Table, names: Sequence[str] | None, written: bool
    ) -> tuple[Callable[[Sequence[Record]], list[Any]], Callable[[Record], Any] | None]:
        """What reads all records, and what reads one where that has a shorter way."""
        if names is None:
            return list, None
        decode = returned_decoder if written else decoder
        decoders = [decode(table.columns[name], self.codec) for name in names]
        read_record = None if table.hydrate_one is None else table.hydrate_one(names, decoders)
        return table.hydrate(names, decoders), read_record


def _first_by(
    read_all: Callable[[Sequence[Record]], list[Any]], read_record: Callable[[Record], Any] | None
) -> Callable[[Sequence[Record]], Any]:
    """What reads the first of some records; None where there is none."""
    if read_record is None:
        return lambda records: read_all(records[:1])[0] if records else None
    return lambda records: read_record(records[0]) if records else None


def text_of(expression: Any, dialect: Dialect, paramstyle: str) -> tuple[str, list[Any]]:
    """A SQLAlchemy expression with its values as (text, parameters), for statements that run rarely."""
    compiled = expression.compile(dialect=dialect.sqlalchemy(paramstyle))
    return tidy(compiled.string), [compiled.params[name] for name in compiled.positiontup or ()]


def result_names(key: tuple[Any, ...], expression: Any) -> Sequence[str] | None:
    """The names of the table's columns that the statement returns, in order; None where it returns none."""
    operation, table = key[0], key[1]
    if operation == "select":
        return key[2]
    if operation == "aggregate":
        return table.all
    if operation in RETURNS_AT:
        return next(iter(key[RETURNS_AT[operation] :]), ()) or None
    wanted = getattr(expression, "selected_columns", None) or ()
    return [c.name for c in wanted if getattr(c, "name", None) in table.columns] or None


RETURNS_AT: Mapping[str, int] = {"insert": 4, "insert_from_arrays": 5, "update": 4, "delete": 3}
"""Where in a write's key its columns stand that it gives back; behind them what its rows are shown by."""


def _tells_shown(key: tuple[Any, ...]) -> bool:
    """Whether each record of a write ends in whether its row may be seen."""
    at = RETURNS_AT.get(key[0])
    return at is not None and len(key) > at + 1


def _shown_only(read_all: Callable[[Sequence[Record]], list[Any]]) -> Callable[[Sequence[Record]], list[Any]]:
    """A reader of records that end so, with NOT_SHOWN in the place of a row that may not be seen."""

    def read(records: Sequence[Record]) -> list[Any]:
        rows = iter(read_all([record for record in records if record[-1]]))
        return [next(rows) if record[-1] else NOT_SHOWN for record in records]

    return read


_TOKENS = re.compile(r'"(?:[^"]|"")*"|`(?:[^`]|``)*`|\'(?:[^\']|\'\')*\'|\s*\n\s*|(?<=[\w"`])=(?=\S)')


def tidy(text: str) -> str:
    """SQLAlchemy's text as a person writes it: on one line, with spaces around SET's equal signs.

    All values of ours are parameters, so outside quoted names, and texts that a user wrote into a
    condition, a line break is white space and an equal sign without spaces is an assignment.
    """

    def mend(match: re.Match[str]) -> str:
        token = match.group()
        if token == "=":
            return " = "
        return token if token[0] in "\"`'" else " "

    return _TOKENS.sub(mend, text).strip()
