"""Each face as the same few verbs, so that one table of cases runs through all of them.

    face = await open_face(FACES["kit"], url)
    rows = await face.find("items", {"n": {"gt": 1}}, order="id", limit=2)
    face.sent      # the statements of the last verb, without those that begin and end a transaction

A face is one entry in FACES: how it is opened, and a class of a few lines that says the verbs in its
words. Tables are named by text, rows are dicts, a filter names a subquery's table by its Row class.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession

from language_cases import MODELS
from language_models import MAPPED
from rowstead import DB, NotFound, Row
from rowstead import sync as in_threads
from rowstead.dialects import POSTGRESQL
from rowstead.drivers.joined import BEGIN
from rowstead.kit import AsyncDatabase, Database
from rowstead.model_session import ModelSession
from rowstead.repository import BaseRepository, PersistEngine
from rowstead.service import SQLService
from rowstead.session import Trace, Tracer
from rowstead.statements.compiled import tidy

Dict = dict[str, Any]

EVERYWHERE = frozenset({"sqlite", "asyncpg", "psycopg", "mariadb"})
IN_THREADS = frozenset({"sqlite", "psycopg", "mariadb"})
ON_MARIADB = frozenset({"mariadb"})
"""The kit keeps nothing there."""
"""asyncpg has no synchronous driver."""

AROUND = frozenset({"BEGIN", "START", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE"})
"""What begins and ends transactions. Each write of the kit stands in a savepoint of its own, by design."""


async def settled(result: Any) -> Any:
    """What a verb of either world gives."""
    return await result if inspect.isawaitable(result) else result


class Verbs(Protocol):
    """A face that is open. Every verb gives plain values, or raises what the face raises."""

    db: Any
    sent: list[str]

    async def get(self, table: str, key: Any) -> Dict | None: ...
    async def find(
        self, table: str, where: Any, order: Any = None, limit: Any = None, offset: Any = None
    ) -> list[Dict]: ...
    async def count(self, table: str, where: Any) -> int: ...
    async def insert(self, table: str, row: Dict) -> Dict: ...
    async def insert_many(self, table: str, rows: Sequence[Dict]) -> int: ...
    async def update(self, table: str, key: Any, patch: Dict) -> Dict | None: ...
    async def update_where(self, table: str, patch: Dict, where: Any) -> int: ...
    async def delete(self, table: str, key: Any) -> int: ...
    async def close(self) -> None: ...


class Traced:
    """An open handle, and the statements that it sent for the last verb."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.db: Any = None
        self._listening = False

    async def open(self, connect: Callable[..., Any], url: str) -> Self:
        self.db = await settled(connect(url, trace=self._trace))
        return self

    async def close(self) -> None:
        await settled(self.db.close())

    def _trace(self, statement: Trace) -> None:
        if self._listening and statement.sql.split(maxsplit=1)[0].upper() not in AROUND:
            # In a transaction the first write brings the transaction's id along, behind the row's columns.
            self.sent.append(statement.sql.removesuffix(POSTGRESQL.returned_id or ""))

    async def listened(self, handle: Any, verb: str, *args: Any, **options: Any) -> Any:
        """Do a verb and keep what it sends."""
        self.sent.clear()
        self._listening = True
        try:
            return await settled(getattr(handle, verb)(*args, **options))
        finally:
            self._listening = False


class RowsVerbs(Traced):
    """Typed rows: a table is a Row class, a row an object."""

    async def _do(self, verb: str, *args: Any, **options: Any) -> Any:
        return await self.listened(self.db, verb, *args, **options)

    async def get(self, table: str, key: Any) -> Dict | None:
        return _fields(await self._do("get", MODELS[table], id=key))

    async def find(
        self, table: str, where: Any, order: Any = None, limit: Any = None, offset: Any = None
    ) -> list[Dict]:
        options = {"where": where, "order": order, "limit": limit, "offset": offset}
        return [_fields(row) or {} for row in await self._do("query", MODELS[table], **options)]

    async def count(self, table: str, where: Any) -> int:
        return await self._do("count", MODELS[table], where=where)

    async def insert(self, table: str, row: Dict) -> Dict:
        return _fields(await self._do("insert", MODELS[table].patch(**row))) or {}

    async def insert_many(self, table: str, rows: Sequence[Dict]) -> int:
        return await self._do("insert_many", [MODELS[table].patch(**row) for row in rows])

    async def update(self, table: str, key: Any, patch: Dict) -> Dict | None:
        return _fields(await self._do("update", MODELS[table].patch(id=key, **patch)))

    async def update_where(self, table: str, patch: Dict, where: Any) -> int:
        return await self._do("update_where", MODELS[table].patch(**patch), where=where)

    async def delete(self, table: str, key: Any) -> int:
        return await self._do("delete", MODELS[table].patch(id=key))


def _fields(row: Any) -> Dict | None:
    return None if row is None else {name: getattr(row, name) for name in type(row).model_fields}


class KitVerbs(Traced):
    """The kit: a table is a name, a row a dict, and every verb is one of a transaction."""

    async def _do(self, verb: str, *args: Any, **options: Any) -> Any:
        # What begins the transaction, the read for its snapshot with it, is not the verb's; nor its end.
        transaction = await settled(self.db.begin())
        try:
            result = await self.listened(transaction, verb, *args, **options)
        except BaseException:
            await settled(transaction.rollback())
            raise
        await settled(transaction.commit())
        return result

    async def get(self, table: str, key: Any) -> Dict | None:
        return await self._do("get_by_pk", table, key)

    async def find(
        self, table: str, where: Any, order: Any = None, limit: Any = None, offset: Any = None
    ) -> list[Dict]:
        return await self._do("select", table, _by_name(where), order=order, limit=limit, offset=offset)

    async def count(self, table: str, where: Any) -> int:
        return await self._do("count", table, _by_name(where))

    async def insert(self, table: str, row: Dict) -> Dict:
        return await self._do("insert", table, row)

    async def insert_many(self, table: str, rows: Sequence[Dict]) -> int:
        return await self._do("insert_many", table, rows, returning=False)

    async def update(self, table: str, key: Any, patch: Dict) -> Dict | None:
        return await self._do("update", table, key, patch)

    async def update_where(self, table: str, patch: Dict, where: Any) -> int:
        return len(await self._do("update_where", table, set=patch, filter=_by_name(where)))

    async def delete(self, table: str, key: Any) -> int:
        await self._do("delete", table, key)
        return 1


def _by_name(where: Any) -> Any:
    """A filter whose subqueries name their tables by text."""
    if isinstance(where, dict):
        return {key: _by_name(value) for key, value in where.items()}
    if isinstance(where, list):
        return [_by_name(value) for value in where]
    return where.__table__ if isinstance(where, type) and issubclass(where, Row) else where


OPENS = BEGIN["asyncpg"]
"""What the adapter has SQLAlchemy send, so that its driver opens the transaction."""


class RepositoryVerbs:
    """Repositories: a table is a model, a row an object of it, and every verb is a session that commits."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.db: Any = None

    async def open(self, connect: Callable[..., Any], url: str) -> Self:
        self.db = connect(url.replace("sqlite:", "sqlite+aiosqlite:").replace("mysql:", "mysql+asyncmy:"))
        engine, self._sessions = self.db.session()
        self._style = engine.dialect.paramstyle
        event.listen(engine.sync_engine, "before_cursor_execute", self._executed)
        return self

    async def close(self) -> None:
        await self.db.dispose_engines()

    def _executed(self, _c: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        begins = statement.split(maxsplit=1)[0].upper() in (*AROUND, "PRAGMA") or statement == OPENS
        if not begins:
            self.sent.append(as_the_core_spells(statement))

    def _trace(self, statement: Trace) -> None:
        if statement.sql.split(maxsplit=1)[0].upper() not in AROUND:
            self.sent.append(statement.sql)

    async def _do(self, table: str, work: Callable[[BaseRepository[Any]], Any]) -> Any:
        async with self._sessions() as session:
            repository = self._repository(session, table)
            self.sent.clear()
            result = await work(repository)
            await session.commit()
            return result

    def _repository(self, session: AsyncSession, table: str) -> BaseRepository[Any]:
        ModelSession.of(session).database.tracer = Tracer(self._trace, values=False)
        return BaseRepository(session, MAPPED[table])

    async def get(self, table: str, key: Any) -> Dict | None:
        return _attributes(await self._do(table, lambda r: r.get(key)))

    async def find(
        self, table: str, where: Any, order: Any = None, limit: Any = None, offset: Any = None
    ) -> list[Dict]:
        options = {"order": order, "limit": limit, "offset": offset}
        found = await self._do(table, lambda r: r.find(_by_model(where), **options))
        return [_attributes(one) or {} for one in found]

    async def count(self, table: str, where: Any) -> int:
        return await self._do(table, lambda r: r.count(where=_by_model(where)))

    async def insert(self, table: str, row: Dict) -> Dict:
        async def saved(repository: BaseRepository[Any]) -> Any:
            found = await repository.save(MAPPED[table](**row))
            # What was given is what the object holds until its row is read.
            return await repository.refresh(found)

        return _attributes(await self._do(table, saved)) or {}

    async def insert_many(self, table: str, rows: Sequence[Dict]) -> int:
        return await self._do(table, lambda r: r.bulk_insert(rows, returning=False))

    async def update(self, table: str, key: Any, patch: Dict) -> Dict | None:
        if not await self._do(table, lambda r: r.update_where(patch, {"id": {"eq": key}})):
            return None
        sent = list(self.sent)
        found = await self.get(table, key)
        self.sent[:0] = sent
        return found

    async def update_where(self, table: str, patch: Dict, where: Any) -> int:
        return await self._do(table, lambda r: r.update_where(patch, _by_model(where)))

    async def delete(self, table: str, key: Any) -> int:
        return await self._do(table, lambda r: r.delete_where({"id": {"eq": key}}))


def _attributes(one: Any) -> Dict | None:
    return None if one is None else one.to_dict()


def _by_model(where: Any) -> Any:
    """A filter whose subqueries name their tables by mapped classes."""
    if isinstance(where, dict):
        return {key: _by_model(value) for key, value in where.items()}
    if isinstance(where, list):
        return [_by_model(value) for value in where]
    return MAPPED[where.__table__] if isinstance(where, type) and issubclass(where, Row) else where


class Trusting(SQLService[Any, Dict]):
    """A service whose callers are held to nothing, as those of the other faces are."""

    MAX_CONDITION_DEPTH = MAX_CONDITION_TERMS = MAX_LIST_LENGTH = MAX_IDS = MAX_SORT_COLUMNS = None
    MAX_ROW_LIMIT = 1_000_000
    ALLOW_REGEX = ALLOW_SUBQUERIES = True


def _service_of(name: str, table: sa.Table[Any]) -> type[Trusting]:
    return type(name, (Trusting,), {"table": table})


SERVICES = {name: _service_of(name, model.__table__) for name, model in MAPPED.items()}


class ServiceVerbs(Traced):
    """Services: a table is a class of its own, a row a dict, and what is not there is NotFound."""

    async def _do(self, table: str, verb: str, *args: Any, **options: Any) -> Any:
        return await self.listened(SERVICES[table](self.db), verb, *args, **options)

    async def get(self, table: str, key: Any) -> Dict | None:
        try:
            return await self._do(table, "get", key)
        except NotFound:
            return None

    async def find(
        self, table: str, where: Any, order: Any = None, limit: Any = None, offset: Any = None
    ) -> list[Dict]:
        if order is None:
            return await self._do(table, "m_get", conditions="*" if where is None else _by_name(where))
        size = Trusting.MAX_ROW_LIMIT if limit is None else limit
        options = {"sort": order, "limit": size, "offset": 0 if offset is None else offset, "count": False}
        page = await self._do(table, "list", _by_name(where), **options)
        by_key = "id" in str(order)
        self.sent[:] = [as_the_core_lists(text, limit is not None, by_key) for text in self.sent]
        return page["data"] or []

    async def count(self, table: str, where: Any) -> int:
        return await self._do(table, "count", _by_name(where))

    async def insert(self, table: str, row: Dict) -> Dict:
        return await self._do(table, "create", row)

    async def insert_many(self, table: str, rows: Sequence[Dict]) -> int:
        await self._do(table, "m_create", rows, columns=[])
        return len(rows)

    async def update(self, table: str, key: Any, patch: Dict) -> Dict | None:
        try:
            return await self._do(table, "update", key, patch)
        except NotFound:
            return None

    async def update_where(self, table: str, patch: Dict, where: Any) -> int:
        # A service that gives no rows back says no number either.
        number = await SERVICES[table](self.db).count(_by_name(where))
        await self._do(table, "m_update", None, patch, _by_name(where), columns=[])
        return number

    async def delete(self, table: str, key: Any) -> int:
        try:
            await self._do(table, "delete", key)
        except NotFound:
            return 0
        return 1


UNBOUNDED = (
    (r" LIMIT \$(\d+) OFFSET \$\d+$", r" LIMIT ALL OFFSET $\1"),
    (r" LIMIT \? OFFSET \?$", " LIMIT -1 OFFSET ?"),
    (r" LIMIT %s, %s$", " LIMIT %s, 18446744073709551615"),
    (r" LIMIT (\?|%s|\$\d+)$", ""),
)
"""How a page's text differs from that of all rows: what is replaced, and by what."""


def as_the_core_lists(statement: str, has_limit: bool, by_key: bool) -> str:
    """A page's text without what is a page's alone: a limit always, and the key behind every order."""
    text = statement
    for pattern, replacement in () if has_limit else UNBOUNDED:
        text = re.sub(pattern, replacement, text)
    return text if by_key else re.sub(r", id(?=( LIMIT [^()]*)?$)", "", text)


NORMALISED: Mapping[str, tuple[str, str]] = {
    # A session's statement may read several classes, so that SQLAlchemy says of every column whose it is.
    "qualifiers": (r"(?<![\w.])(items|orders|members)\.", ""),
    # SQLAlchemy tells asyncpg and psycopg each parameter's type; our own statements let the server find it.
    "casts": (
        r"(?<=[\d)s])::(TIMESTAMP WITH(OUT)? TIME ZONE|DOUBLE PRECISION|[A-Z]+)(\(\d+(, ?\d+)?\))?(\[\])?",
        "",
    ),
}
"""How a session's text differs from the core's, by name: what is replaced, and by what."""


def with_offset(statement: str) -> str:
    """A text of the core's as SQLAlchemy bounds rows on SQLite: with both bounds, whatever is asked for."""
    return re.sub(r"LIMIT (\?(?! OFFSET)|-1 OFFSET \?)", "LIMIT ? OFFSET ?", statement)


def unqualified(statement: str) -> str:
    """A text of either without the names of the tables whose columns they are."""
    return re.sub(*NORMALISED["qualifiers"], statement)


def as_a_session_spells(statement: str) -> str:
    return statement if statement.startswith("INSERT") else with_offset(unqualified(statement))


def as_the_core_spells(statement: str) -> str:
    """A statement of SQLAlchemy's with its known differences taken out, parameters numbered."""
    names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", statement)))
    text = re.sub(r"%\((\w+)\)s", lambda m: f"${names.index(m[1]) + 1}", tidy(statement)).replace("%%", "%")
    for pattern, replacement in NORMALISED.values():
        text = re.sub(pattern, replacement, text)
    return text


@dataclass(frozen=True, slots=True)
class Face:
    """One face in one world. `kind` is the name under which a case says where it differs."""

    kind: str
    verbs: type[Any]
    connect: Callable[..., Any]
    drivers: frozenset[str]
    spell: Callable[[str], str] = str
    """What a statement of the first face is called in this one's words."""


FACES: Mapping[str, Face] = {
    "rows": Face("rows", RowsVerbs, DB.from_url, EVERYWHERE),
    "rows in threads": Face("rows", RowsVerbs, in_threads.DB.from_url, IN_THREADS),
    "kit": Face("kit", KitVerbs, AsyncDatabase.open, EVERYWHERE - ON_MARIADB),
    "kit in threads": Face("kit", KitVerbs, Database.open, IN_THREADS - ON_MARIADB),
    "repository": Face("repository", RepositoryVerbs, PersistEngine, EVERYWHERE, as_a_session_spells),
    "service": Face("service", ServiceVerbs, DB.from_url, EVERYWHERE),
}
"""Every face. The first is the one that the others are compared with."""


async def open_face(face: Face, url: str) -> Verbs:
    """The face on a database whose tables are there."""
    return await face.verbs().open(face.connect, url)
