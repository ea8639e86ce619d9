"""asyncpg pools and connections that a user brought: used plainly, their state is their owner's.

No codec is installed on them. Where they give JSON as text, parameters are turned to JSON text
here, by the types that the server gives them; the reader above decodes what comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import asyncpg  # pyright: ignore[reportMissingTypeStubs]
from pydantic_core import PydanticSerializationError

from rowstead.dialects import POSTGRESQL, Dialect
from rowstead.drivers.addresses import Options
from rowstead.drivers.asyncpg import AsyncpgDriver
from rowstead.drivers.asyncpg_connection import AsyncpgConnection
from rowstead.drivers.asyncpg_errors import translate
from rowstead.drivers.asyncpg_json import encode_json
from rowstead.drivers.base import RawResult
from rowstead.drivers.turns import Turns
from rowstead.errors import DataError, DisconnectedError, HandleClosed, RowsteadError
from rowstead.plan import Record
from rowstead.waiting import in_background

ENCODERS = 1024
"""How many texts' parameter types a driver remembers; when full it starts afresh."""

Encoder = Callable[[Any], Any]
Encoders = tuple[Encoder | None, ...]


def _json_text(value: Any) -> str:
    try:
        return encode_json(value).decode()
    except PydanticSerializationError as error:
        raise DataError(f"{type(value).__name__} cannot be written as JSON: {error}") from None


def _json_texts(value: Any) -> list[Any]:
    return [None if v is None else _json_text(v) for v in value]


_ENCODE: dict[str, Encoder] = {
    "json": _json_text,
    "jsonb": _json_text,
    "json[]": _json_texts,
    "jsonb[]": _json_texts,
}


class TextJsonConnection(AsyncpgConnection):
    """A connection on which JSON travels as text, as asyncpg has it without a codec."""

    def __init__(self, raw: Any, encoders: dict[str, Encoders]) -> None:
        super().__init__(raw)
        self._encoders = encoders

    async def fetch(self, text: str, params: Sequence[Any]) -> Sequence[Record]:
        return await super().fetch(text, await self._encoded(text, params))

    async def execute(self, text: str, params: Sequence[Any]) -> int:
        return await super().execute(text, await self._encoded(text, params))

    async def fetch_raw(self, text: str, params: Sequence[Any]) -> RawResult:
        return await super().fetch_raw(text, await self._encoded(text, params))

    async def execute_many(self, text: str, rows: Sequence[Sequence[Any]]) -> int:
        encoders = await self._learn(text)
        return await super().execute_many(text, [_encode(encoders, row) for row in rows])

    async def fetch_many(self, text: str, rows: Sequence[Sequence[Any]]) -> list[Record | None]:
        encoders = await self._learn(text)
        return await super().fetch_many(text, [_encode(encoders, row) for row in rows])

    async def copy_in(
        self, schema: str | None, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]
    ) -> int:
        # The types that an INSERT of these columns would take are the columns' own.
        target = ".".join(_quoted(name) for name in (schema, table) if name)
        marks = ", ".join(f"${n}" for n in range(1, len(columns) + 1))
        names = ", ".join(map(_quoted, columns))
        encoders = await self._learn(f"INSERT INTO {target} ({names}) VALUES ({marks})")
        return await super().copy_in(schema, table, columns, (_encode(encoders, row) for row in rows))

    async def _encoded(self, text: str, params: Sequence[Any]) -> Sequence[Any]:
        return _encode(await self._learn(text), params) if params else params

    async def _learn(self, text: str) -> Encoders:
        encoders = self._encoders.get(text)
        if encoders is None:
            statement = await self.raw.prepare(text)
            encoders = tuple(_ENCODE.get(type_.name) for type_ in statement.get_parameters())
            if not any(encoders):
                encoders = ()
            if len(self._encoders) >= ENCODERS:
                self._encoders.clear()
            self._encoders[text] = encoders
        return encoders


def _encode(encoders: Encoders, params: Sequence[Any]) -> Sequence[Any]:
    if len(encoders) != len(params):
        # None of them is JSON, or their number is wrong, which asyncpg says.
        return params
    return [
        value if encode is None or value is None else encode(value)
        for encode, value in zip(encoders, params, strict=True)
    ]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


async def gives_json_as_text(raw: Any) -> bool:
    """Whether a connection has no codec for jsonb."""
    return isinstance(await raw.fetchval("SELECT '1'::jsonb"), str)


class _Borrowed:
    """What the two drivers share: facts, and the probe for JSON, made once."""

    dialect: Dialect = POSTGRESQL
    codec = "asyncpg"
    paramstyle = "numeric_dollar"
    own_pool = False
    joined = False

    def __init__(self) -> None:
        self.json_as_text = True
        self._probed = False
        self._encoders: dict[str, Encoders] = {}
        self._tasks: set[Any] = set()

    async def _wrap(self, raw: Any) -> AsyncpgConnection:
        if not self._probed:
            self.json_as_text = await gives_json_as_text(raw)
            self._probed = True
        return TextJsonConnection(raw, self._encoders) if self.json_as_text else AsyncpgConnection(raw)

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
