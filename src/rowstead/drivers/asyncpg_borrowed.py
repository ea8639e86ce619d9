"""asyncpg pools and connections that a user brought: used plainly, their state is their owner's.

No codec is installed on them. Where they give JSON as text, parameters are turned to JSON text and
results read from it here, by the types that the server gives them: above, JSON is never a text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import asyncpg  # pyright: ignore[reportMissingTypeStubs]
from pydantic_core import PydanticSerializationError

from rowstead.dialects import POSTGRESQL, Dialect
from rowstead.drivers.addresses import Options
from rowstead.drivers.asyncpg import AsyncpgDriver
from rowstead.drivers.asyncpg_connection import STALE, AsyncpgConnection
from rowstead.drivers.asyncpg_errors import translate
from rowstead.drivers.asyncpg_json import encode_json
from rowstead.drivers.base import RawResult
from rowstead.drivers.turns import Turns
from rowstead.errors import DataError, DisconnectedError, HandleClosed, RowsteadError
from rowstead.plan import Record
from rowstead.waiting import in_background

TEXTS = 1024
"""How many texts' types a driver remembers; when full it starts afresh."""
JSON_TYPES = frozenset({"json", "jsonb"})

Convert = Callable[[Any], Any]


class Types(NamedTuple):
    """The JSON in a statement: what turns its parameters, and what reads its results, by their places."""

    encoders: tuple[Convert | None, ...]
    decoders: tuple[tuple[int, Convert], ...]


class _JsonText(str):
    """JSON that is text already, so that a value which is encoded twice is encoded once."""

    __slots__ = ()


def _json_text(value: Any) -> str:
    if type(value) is _JsonText:
        return value
    try:
        return _JsonText(encode_json(value).decode())
    except PydanticSerializationError as error:
        raise DataError(f"{type(value).__name__} cannot be written as JSON: {error}") from None


def _each(convert: Convert) -> Convert:
    """The same for an array, which may have arrays in it."""

    def elements(value: Any) -> Any:
        return [None if v is None else elements(v) if type(v) is list else convert(v) for v in value]

    return elements


def _json_texts(value: Any) -> list[Any]:
    return [None if v is None else _json_text(v) for v in value]


class TextJsonConnection(AsyncpgConnection):
    """A connection on which JSON travels as text, as asyncpg has it without a codec.

    written, read: which of the two types do, as parameters and in results.
    """

    def __init__(
        self, raw: Any, types: dict[str, Types], written: frozenset[str], read: frozenset[str]
    ) -> None:
        super().__init__(raw)
        self._types = types
        self._encode: dict[str, Convert] = {}
        self._decode: dict[str, Convert] = {}
        for name in written:
            self._encode |= {name: _json_text, f"{name}[]": _json_texts}
        for name in read:
            self._decode |= {name: json.loads, f"{name}[]": _each(json.loads)}

    async def fetch(self, text: str, params: Sequence[Any]) -> Sequence[Record]:
        types = await self._learn(text)
        try:
            records = await self.raw.fetch(text, *_encoded(types, params))
        except STALE as error:
            self._types.pop(text, None)
            return (await self._again(error, text, params)).records
        return _decoded(types, records)

    async def execute(self, text: str, params: Sequence[Any]) -> int:
        # Without values a text may be several statements, which nobody can describe.
        given = _encoded(await self._learn(text), params) if params else params
        return await super().execute(text, given)

    async def execute_many(self, text: str, rows: Sequence[Sequence[Any]]) -> int:
        types = await self._learn(text)
        return await super().execute_many(text, [_encoded(types, row) for row in rows])

    async def fetch_many(self, text: str, rows: Sequence[Sequence[Any]]) -> list[Record | None]:
        types = await self._learn(text)
        records = await super().fetch_many(text, [_encoded(types, row) for row in rows])
        return [None if record is None else _decoded(types, [record])[0] for record in records]

    async def copy_in(
        self, schema: str | None, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]
    ) -> int:
        # The types that an INSERT of these columns would take are the columns' own.
        target = ".".join(_quoted(name) for name in (schema, table) if name)
        marks = ", ".join(f"${n}" for n in range(1, len(columns) + 1))
        names = ", ".join(map(_quoted, columns))
        types = await self._learn(f"INSERT INTO {target} ({names}) VALUES ({marks})")
        return await super().copy_in(schema, table, columns, (_encoded(types, row) for row in rows))

    async def _run_statement(self, statement: Any, params: Sequence[Any]) -> RawResult:
        types = self._types_of(statement)
        result = await super()._run_statement(statement, _encoded(types, params))
        return RawResult(result.columns, _decoded(types, result.records), result.count)

    def _forget(self) -> None:
        super()._forget()
        self._types.clear()

    async def _learn(self, text: str) -> Types:
        types = self._types.get(text)
        if types is None:
            types = self._types_of(await self.raw.prepare(text))
            if len(self._types) >= TEXTS:
                self._types.clear()
            self._types[text] = types
        return types

    def _types_of(self, statement: Any) -> Types:
        encoders = tuple(self._encode.get(type_.name) for type_ in statement.get_parameters())
        decoders = tuple(
            (place, self._decode[attribute.type.name])
            for place, attribute in enumerate(statement.get_attributes())
            if attribute.type.name in self._decode
        )
        return Types(encoders if any(encoders) else (), decoders)


def _encoded(types: Types, params: Sequence[Any]) -> Sequence[Any]:
    encoders = types.encoders
    if len(encoders) != len(params):
        # None of them is JSON, or their number is wrong, which asyncpg says.
        return params
    return [
        value if encode is None or value is None else encode(value)
        for encode, value in zip(encoders, params, strict=True)
    ]


def _decoded(types: Types, records: Sequence[Record]) -> Sequence[Record]:
    if not types.decoders:
        return records
    return [_with_json(record, types.decoders) for record in records]


def _with_json(record: Record, decoders: Sequence[tuple[int, Convert]]) -> Record:
    values = list(record)
    for place, decode in decoders:
        if values[place] is not None:
            values[place] = decode(values[place])
    return tuple(values)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


async def json_given_as_text(raw: Any) -> frozenset[str]:
    """Those of the two types that a connection has no codec for."""
    given = await raw.fetchrow("SELECT '1'::json, '1'::jsonb")
    return frozenset(name for name, value in zip(("json", "jsonb"), given, strict=True) if type(value) is str)


class _Borrowed:
    """What the two drivers share: facts, and the probe for JSON, made once."""

    dialect: Dialect = POSTGRESQL
    codec = "asyncpg"
    paramstyle = "numeric_dollar"
    own_pool = False
    joined = False

    def __init__(self) -> None:
        self.json_as_text = True
        self._as_text: frozenset[str] | None = None
        self._types: dict[str, Types] = {}
        self._tasks: set[Any] = set()

    async def _wrap(self, raw: Any) -> AsyncpgConnection:
        if self._as_text is None:
            self._as_text = await json_given_as_text(raw)
            self.json_as_text = bool(self._as_text)
        if not self._as_text:
            return AsyncpgConnection(raw)
        return TextJsonConnection(raw, self._types, self._as_text, self._as_text)

    async def _settle(self) -> None:
        """Wait until what was given back has reached its owner."""
        for task in list(self._tasks):
            await task

    def translate(self, error: Exception) -> RowsteadError | None:
        return translate(error)


class AsyncpgPoolDriver(_Borrowed):
    """PostgreSQL by a user's `asyncpg.Pool`: its acquire and release, its limits and resets."""

    def __init__(self, pool: Any) -> None:
        super().__init__()
        self._pool = pool

    async def open(self) -> None:
        connection = await self.lend(write=False)
        self.take_back(connection)

    async def lend(self, write: bool) -> AsyncpgConnection:
        try:
            raw = await self._pool.acquire()
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            raise _not_lent(error) from error
        try:
            return await self._wrap(raw)
        except BaseException:
            self._release(raw)
            raise

    def take_back(self, connection: Any, suspect: bool = False) -> None:
        self._release(connection.raw)

    async def close(self) -> None:
        """The pool stays open: it is its owner's."""
        await self._settle()

    def _release(self, raw: Any) -> None:
        if not in_background(self._give_back(raw), self._tasks, raw.terminate):
            raw.terminate()

    async def _give_back(self, raw: Any) -> None:
        try:
            await self._pool.release(raw)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            # The pool drops a connection that it could not reset.
            return


class AsyncpgConnectionDriver(_Borrowed):
    """PostgreSQL by one connection that a user brought, for one task at a time.

    Where it is in a transaction already, that one is joined: blocks are savepoints, and its owner
    commits.
    """

    def __init__(self, raw: Any) -> None:
        super().__init__()
        self.joined = bool(raw.is_in_transaction())
        self._raw = raw
        self._turns = Turns()
        self._connection: AsyncpgConnection | None = None

    async def open(self) -> None:
        connection = await self.lend(write=False)
        self.take_back(connection)

    async def lend(self, write: bool) -> AsyncpgConnection:
        await self._turns.take()
        try:
            if self._raw.is_closed():
                raise HandleClosed("the connection that this handle was given is closed")
            if self._connection is None:
                self._connection = await self._wrap(self._raw)
        except BaseException:
            self._turns.give()
            raise
        return self._connection

    def take_back(self, connection: Any, suspect: bool = False) -> None:
        connection.dirty = False
        # Whether a BEGIN that was cancelled has begun is not known yet.
        left_open = (suspect or connection.in_transaction) and not self.joined
        if not left_open or connection.is_closed:
            self._turns.give()
            return
        self._turns.keep()
        if not in_background(self._roll_back(connection), self._tasks, self._turns.give):
            self._turns.give()

    async def close(self) -> None:
        """The connection stays open: it is its owner's."""
        await self._settle()

    async def _roll_back(self, connection: AsyncpgConnection) -> None:
        try:
            await connection.execute("ROLLBACK", ())
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            connection.terminate()
        self._turns.give()


def _not_lent(error: Exception) -> RowsteadError:
    if "clos" in str(error):
        return HandleClosed("the pool that this handle was given is closed")
    return translate(error) or DisconnectedError(str(error))


class AsyncpgAdapter:
    """Where a `DB` over asyncpg comes from. Each way gives a driver: `DB(AsyncpgAdapter.from_pool(pool))`."""

    @staticmethod
    def from_pool(pool: Any) -> AsyncpgPoolDriver:
        """Over a pool of asyncpg's that stays its owner's."""
        return AsyncpgPoolDriver(pool)

    @staticmethod
    def from_connection(connection: Any) -> AsyncpgConnectionDriver:
        """Over one connection of asyncpg's that stays its owner's."""
        return AsyncpgConnectionDriver(connection)

    @staticmethod
    async def from_url(
        url: str, *, min_size: int | None = None, max_size: int | None = None
    ) -> AsyncpgDriver:
        """With a pool of our own, open. Raises UnreachableError where nobody answers."""
        driver = AsyncpgDriver(url, Options(min_size=min_size, max_size=max_size))
        await driver.open()
        return driver
