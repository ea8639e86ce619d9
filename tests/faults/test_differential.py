"""Random programs against a Python model, on SQLite and PostgreSQL at once: every answer is the same.

A program is a list of operations and blocks from a seed. The model answers first; then each backend
plays it, and every answer and every row that is left is compared. A difference names its seed:
`ROWSTEAD_SEED=17 make test ARGS="tests/faults/test_differential.py"` plays that program alone.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from decimal import Decimal
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from conftest import POSTGRES_WORDS, SQLITE_WORDS, Backend
from rowstead import DB, Row, RowsteadError
from rowstead.drivers.sqlite_connection import SQLiteConnection
from servers import Server, with_driver

from .differential_model import Answer, Held, Model, Step, Undone, said
from .differential_steps import Author
from .figures import record_figure, size

PROGRAM = 50
"""Operations in one program."""
PROGRAMS = size(short=50, long=4_000)
CONTROL_PROGRAMS = 30


class Item(Row):
    __table__ = "items"
    id: int
    code: str
    n: int | None = None
    s: str | None = None
    price: Decimal | None = None
    ok: bool | None = None
    at: datetime | None = None
    data: Any = None


class Note(Row):
    __table__ = "notes"
    id: int
    item: int | None = None
    body: str


DDL = (
    "CREATE TABLE items (id {{int}} PRIMARY KEY, code {text} NOT NULL UNIQUE, "
    "n {{bigint}} CHECK (n < 1000), s {text}, price {{decimal}}, ok {{bool}}, at {{timestamptz}}, "
    "data {{jsonb}})",
    "CREATE TABLE notes (id {{int}} PRIMARY KEY, item {{int}} REFERENCES items (id), body {text} NOT NULL)",
)


class Difference(NamedTuple):
    """Where a backend and the model part."""

    seed: object
    backend: str
    expected: Answer
    given: Answer


class Player:
    """Plays a program on a database, and keeps what each operation answered."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []

    async def play(self, db: DB, program: Sequence[Step]) -> list[Answer]:
        for name, *arguments in program:
            try:
                answer = await getattr(self, name)(db, *arguments)
            except RowsteadError as error:
                answer = ("error", type(error).__name__)
            self.answers.append((said(name, *arguments), answer))
        return self.answers

    async def block(self, db: DB, program: Sequence[Step], keep: bool, **how: Any) -> Answer:
        try:
            async with db.transaction(**how) as inner:
                await self.play(inner, program)
                if not keep:
                    raise Undone
        except Undone:
            return "undone"
        return "kept"

    async def readonly(self, db: DB, program: Sequence[Step], keep: bool) -> Answer:
        return await self.block(db, program, keep, readonly=True)

    async def function(self, db: DB, program: Sequence[Step], keep: bool) -> Answer:
        async def work(inner: DB) -> Answer:
            await self.play(inner, program)
            if not keep:
                raise Undone
            return "kept"

        try:
            return await db.transaction(work)
        except Undone:
            return "undone"

    async def insert(self, db: DB, fields: dict[str, Any]) -> Answer:
        return whole(await db.insert(Item.patch(**fields)))

    async def ignore(self, db: DB, fields: dict[str, Any], target: str | None) -> Answer:
        given = Item.patch(**fields)
        stored = await db.insert(given, on_conflict="ignore", conflict_target=target)
        return "given" if stored is given else whole(stored)

    async def upsert(self, db: DB, fields: dict[str, Any], target: str) -> Answer:
        return whole(await db.insert(Item.patch(**fields), on_conflict="upsert", conflict_target=target))

    async def insert_many(self, db: DB, rows: list[dict[str, Any]]) -> Answer:
        return list(map(whole, await db.insert_many([Item(**r) for r in rows], returning=True)))

    async def ignore_many(self, db: DB, rows: list[dict[str, Any]]) -> Answer:
        return await db.insert_many([Item(**r) for r in rows], on_conflict="ignore")

    async def upsert_many(self, db: DB, rows: list[dict[str, Any]]) -> Answer:
        stored = await db.insert_many([Item(**r) for r in rows], on_conflict="upsert", returning=True)
        return list(map(whole, stored))

    async def update(self, db: DB, id: int, fields: dict[str, Any], where: Any) -> Answer:
        row = await db.update(Item.patch(id=id, **fields), where=spelled(where))
        return None if row is None else whole(row)

    async def update_where(self, db: DB, fields: dict[str, Any], where: Any) -> Answer:
        return await db.update_where(Item.patch(**fields), where=spelled(where))

    async def delete(self, db: DB, id: int, where: Any) -> Answer:
        return await db.delete(Item.patch(id=id), where=spelled(where))

    async def delete_many(self, db: DB, ids: list[int]) -> Answer:
        return await db.delete_many(Item, ids)

    async def note(self, db: DB, id: int, item: int | None, body: str) -> Answer:
        return tuple(dict(await db.insert(Note(id=id, item=item, body=body))).values())

    async def move_note(self, db: DB, id: int, item: int | None) -> Answer:
        row = await db.update(Note.patch(id=id, item=item))
        return None if row is None else tuple(dict(row).values())

    async def drop_note(self, db: DB, id: int) -> Answer:
        return await db.delete(Note.patch(id=id))

    async def raw_write(self, db: DB, n: int | None, id: int) -> Answer:
        return await db.execute("UPDATE items SET n = $1 WHERE id = $2", n, id)

    async def get(self, db: DB, id: int) -> Answer:
        row = await db.get(Item, id=id)
        return None if row is None else whole(row)

    async def query(self, db: DB, where: Any, order: Any, limit: int | None, offset: int | None) -> Answer:
        sort = [*sorted_by(order), *([] if any(t[0] == "id" for t in order) else ["id"])]
        rows = await db.query(Item, where=spelled(where), order=sort, limit=limit, offset=offset)
        return list(map(whole, rows))

    async def count(self, db: DB, where: Any) -> Answer:
        return await db.count(Item, where=spelled(where))

    async def exists(self, db: DB, where: Any) -> Answer:
        return await db.exists(Item, where=spelled(where))

    async def page(self, db: DB, where: Any, order: Any, limit: int, offset: int) -> Answer:
        page = await db.page(Item, where=spelled(where), order=sorted_by(order), limit=limit, offset=offset)
        return page.count, [row.id for row in page.rows], page.next is not None

    async def walk(self, db: DB, where: Any, order: Any, size: int) -> Answer:
        rows = db.iter_rows(Item, where=spelled(where), order=sorted_by(order), batch_size=size)
        return [row.id async for row in rows]

    async def noted(self, db: DB, how: str) -> Answer:
        where: Any = {how: {"table": Note, "filter": {"item": {"eq": {"$outer": "id"}}}}}
        if how == "in_subquery":
            where = {"id": {how: {"table": Note, "columns": ["item"]}}}
        return [row.id for row in await db.query(Item, where=where, order="id")]

    async def raw_read(self, db: DB, n: int, s: str) -> Answer:
        return await db.fetchval("SELECT count(*) FROM items WHERE n = $1 OR s = $2", n, s)

    async def raw_rows(self, db: DB, least: int) -> Answer:
        rows = await db.fetch_models(Item, "SELECT * FROM items WHERE id >= $1 ORDER BY id", least)
        return list(map(whole, rows))

    async def unknown(self, db: DB, name: str) -> Answer:
        return await db.query(Item, where={name: 1})


def whole(row: Item) -> tuple[Any, ...]:
    return tuple(getattr(row, name) for name in Held._fields)


def sorted_by(order: Iterable[tuple[str, bool, bool]]) -> list[Any]:
    return [
        {"desc" if down else "asc": name, "nulls": "first" if first else "last"}
        for name, down, first in order
    ]


def spelled(where: Any) -> Any:
    """The filter with its table's name as what it stands for."""
    if isinstance(where, list):
        return [spelled(w) for w in where]
    if isinstance(where, dict):
        return {k: Item if (k, v) == ("table", "items") else spelled(v) for k, v in where.items()}
    return where


async def differences(
    databases: dict[str, DB], seeds: Iterable[object], make_model: Callable[[], Model] = Model
) -> tuple[list[Difference], int]:
    """Where backends and the model part, at most one for each program and backend; operations played."""
    found: list[Difference] = []
    played = 0
    for seed in seeds:
        program = Author(seed).program(PROGRAM)
        model = make_model()
        expected = [
            *model.play(program),
            ("what is left", [tuple(r) for _, r in sorted(model.items.items())]),
        ]
        played += len(expected) - 1
        given = await asyncio.gather(*(one_program(db, program) for db in databases.values()))
        for name, answers in zip(databases, given, strict=True):
            # A step that only one of them played is a difference too.
            pairs = zip_longest(expected, answers, fillvalue=("nothing", None))
            parted = next(((e, a) for e, a in pairs if not same(e, a)), None)
            if parted is not None:
                found.append(Difference(seed, name, *parted))
    return found, played


async def one_program(db: DB, program: Sequence[Step]) -> list[Answer]:
    await db.execute("DELETE FROM notes")
    await db.execute("DELETE FROM items")
    answers = await Player().play(db, program)
    left = [whole(row) for row in await db.query(Item, order="id")]
    return [*answers, ("what is left", left)]


def same(expected: Answer, given: Answer) -> bool:
    """Equal, where True is not 1: an answer of another type is another answer."""
    if isinstance(expected, (list, tuple)):
        alike = isinstance(given, (list, tuple)) and len(expected) == len(given)
        return alike and all(map(same, expected, given))
    return expected == given and isinstance(given, bool) == isinstance(expected, bool)


@asynccontextmanager
async def opened(server: Server | None, folder: Path, names: Sequence[str]) -> AsyncIterator[dict[str, DB]]:
    """Handles with empty tables."""
    async with AsyncExitStack() as stack:
        databases: dict[str, DB] = {}
        for name in names:
            if name == "sqlite":
                backend = Backend(name, f"sqlite:///{folder / 'differential.sqlite'}", SQLITE_WORDS)
            else:
                assert server is not None
                database = stack.enter_context(server.database())
                backend = Backend(name, with_driver(database.url, name), POSTGRES_WORDS)
            db = await stack.enter_async_context(await DB.from_url(backend.url, max_size=2))
            text = 'TEXT COLLATE "C"' if backend.is_postgres else "TEXT"
            for statement in DDL:
                await db.execute(backend.ddl(statement.format(text=text)))
            databases[name] = db
        yield databases


def seeds_of_this_run() -> list[object]:
    chosen = os.environ.get("ROWSTEAD_SEED")
    return [chosen] if chosen else list(range(PROGRAMS))


async def test_every_backend_answers_what_the_model_answers(postgres_server: Server, tmp_path: Path) -> None:
    seeds = seeds_of_this_run()
    async with opened(postgres_server, tmp_path, ("sqlite", "asyncpg", "psycopg")) as databases:
        found, played = await differences(databases, seeds)
    print(f"seeds {seeds[0]} to {seeds[-1]}")
    record_figure(
        "random programs on SQLite, asyncpg and psycopg against a model: unexplained differences",
        f"{len(found)} in {played:,} operations on each (seeds {seeds[0]} to {seeds[-1]})",
        "0",
        "4 broken variants, each found: the lines `control: a model …`, `control: a SQLite driver …`",
    )
    assert not found, "\n".join(map(str, found[:10]))


# Controls: a wrong model or a broken driver is found within a few programs.


class ForgetsNull(Model):
    """Counts NULL as SQL's `<>` does: neither equal nor different."""

    def matches(self, where: Any, row: Held) -> bool:
        if isinstance(where, dict) and any(
            isinstance(test, dict) and "ne" in test and getattr(row, name, 0) is None
            for name, test in where.items()
            if name in Held._fields
        ):
            return False
        return super().matches(where, row)


class KeepsRolledBack(Model):
    """A model in which a rolled back block stays."""

    def undo(self, kept: Any) -> None:
        pass


def deaf_to_savepoints(patch: pytest.MonkeyPatch) -> None:
    """A SQLite driver that does not undo savepoints."""
    execute = SQLiteConnection.execute

    def deaf(connection: SQLiteConnection, text: str, params: Sequence[Any]) -> int:
        return 0 if text.startswith("ROLLBACK TO") else execute(connection, text, params)

    patch.setattr(SQLiteConnection, "execute", deaf)


def short_of_results(patch: pytest.MonkeyPatch) -> None:
    """A SQLite driver that forgets the last of more than three records."""
    for name in ("fetch", "fetch_quickly"):
        fetch: Any = getattr(SQLiteConnection, name)

        def short(connection: Any, text: str, params: Sequence[Any], fetch: Any = fetch) -> Any:
            records = fetch(connection, text, params)
            return records[:-1] if records is not None and len(records) > 3 else records

        patch.setattr(SQLiteConnection, name, short)


@pytest.mark.parametrize("broken", [ForgetsNull, KeepsRolledBack], ids=lambda model: model.__name__)
async def test_a_wrong_model_is_found(tmp_path: Path, broken: type[Model]) -> None:
    async with opened(None, tmp_path, ("sqlite",)) as databases:
        found, _ = await differences(databases, range(CONTROL_PROGRAMS), broken)
    programs = {difference.seed for difference in found}
    assert {difference.backend for difference in found} == {"sqlite"}
    record_figure(
        f"control: a model that is wrong ({broken.__name__})",
        f"found in {len(programs)} of {CONTROL_PROGRAMS} programs",
        "at least 1",
        "this is one",
    )


@pytest.mark.parametrize("broken", [deaf_to_savepoints, short_of_results], ids=lambda broken: broken.__name__)
async def test_a_driver_that_breaks_something_is_found(
    tmp_path: Path,
    broken: Callable[[pytest.MonkeyPatch], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with opened(None, tmp_path, ("sqlite",)) as databases:
        broken(monkeypatch)
        found, _ = await differences(databases, range(CONTROL_PROGRAMS))
    programs = {difference.seed for difference in found}
    assert {difference.backend for difference in found} == {"sqlite"}
    record_figure(
        f"control: a SQLite driver that is {broken.__name__.replace('_', ' ')}",
        f"found in {len(programs)} of {CONTROL_PROGRAMS} programs",
        "at least 1",
        "this is one",
    )
