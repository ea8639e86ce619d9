"""The job of one client of a pooler: asks what only it asks, and counts what came back wrong.

An order: `{"url": …, "client": a key of CLIENTS, "number": …, "tasks": …, "rounds": …, "role": …}`. Each
process has texts of its own, of which the n-th is prepared under the same name by all who give names.
It tells `{"answers": …, "wrong": …, "errors": […]}`.
"""

from __future__ import annotations

import asyncio
import enum
import json
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import psycopg
from processes import Tell, serve

import rowstead.sync
from rowstead import DB, Row

TEXTS = 5


class Mood(enum.StrEnum):
    GLAD = "glad"
    SAD = "sad"


class Thing(Row):
    __table__ = "things"
    id: int
    owner: int
    count: int
    mood: Mood
    note: dict[str, Any]


class Account:
    """What one client counted."""

    def __init__(self) -> None:
        self.answers = 0
        self.wrong = 0
        self.errors: list[str] = []

    def check(self, got: Any, wanted: Any) -> None:
        self.answers += 1
        self.wrong += got != wanted

    def fail(self, error: Exception) -> None:
        self.answers += 1
        self.errors.append(f"{type(error).__name__}: {error}")

    def told(self) -> bytes:
        counted = {"answers": self.answers, "wrong": self.wrong, "errors": len(self.errors)}
        return json.dumps(counted | {"some": self.errors[:3]}).encode()


def question(number: int, text: int, value: int) -> tuple[str, int, int]:
    """A text of this process, its value and the answer."""
    return f"SELECT $1::int + {number * 1000 + text} AS answer", value, value + number * 1000 + text


async def ask(
    fetchval: Callable[..., Awaitable[Any]], order: dict[str, Any], task: int, account: Account
) -> None:
    """The check that every client is put to, also the controls."""
    for turn in range(order["rounds"]):
        sql, value, wanted = question(order["number"], (turn + task) % TEXTS, turn)
        try:
            account.check(await fetchval(sql, value), wanted)
        except Exception as error:
            account.fail(error)


async def ours(order: dict[str, Any], account: Account) -> None:
    async with await DB.from_url(order["url"], max_size=4, statement_timeout=order.get("timeout")) as db:
        await asyncio.gather(*(_task(db, order, task, account) for task in range(order["tasks"])))


async def _task(db: DB, order: dict[str, Any], task: int, account: Account) -> None:
    await ask(db.fetchval, order, task, account)
    key = order["number"] * 1000 + task
    for turn in range(order["rounds"] // 8):
        id = key * 100_000 + turn
        try:
            mood = list(Mood)[turn % 2]
            thing = Thing(id=id, owner=key, count=turn, mood=mood, note={"k": [turn]})
            account.check(await db.insert(thing), thing)
            account.check(await db.get(Thing, id=id), thing)
            account.check(await db.transaction(lambda tx, id=id: _add(tx, id), max_retries=50), turn + 1)
            found = await db.query(Thing, owner=key)
            account.check([t.count for t in found if t.id == id], [turn + 1])
            account.check(
                await db.insert_many([_copy(thing, id + 50_000 + n) for n in range(3)], returning=True)
                and await db.count(Thing, id={"gte": id + 50_000, "lt": id + 50_003}),
                3,
            )
            account.check(await db.execute("DELETE FROM things WHERE id >= $1 AND id < $2", id, id + 1), 1)
            account.check(
                await db.execute("DELETE FROM things WHERE id >= $1 AND id < $2", id + 50_000, id + 50_003), 3
            )
        except Exception as error:
            account.fail(error)
        try:
            # What the client alone finds wrong leaves nothing behind in the pooler.
            account.check(await db.fetchval("SELECT $1::int", "no number"), "an error")
        except Exception as error:
            account.check(type(error).__name__, "DataError")


def _copy(thing: Thing, id: int) -> Thing:
    return Thing(id=id, owner=-1, count=thing.count, mood=thing.mood, note=thing.note)


async def _add(tx: DB, id: int) -> int:
    thing = await tx.get(Thing, id=id)
    assert thing is not None
    changed = await tx.update(
        Thing(id=id, owner=thing.owner, count=thing.count + 1, mood=thing.mood, note=thing.note)
    )
    return changed.count


def ours_sync(order: dict[str, Any], account: Account) -> None:
    with rowstead.sync.DB.from_url(order["url"], max_size=4) as db:

        def work(task: int) -> None:
            for turn in range(order["rounds"]):
                sql, value, wanted = question(order["number"], (turn + task) % TEXTS, turn)
                id = (order["number"] * 1000 + task) * 100_000 + turn
                try:
                    account.check(db.fetchval(sql, value), wanted)
                    if turn % 8 == 0:
                        thing = Thing(id=id, owner=task, count=turn, mood=Mood.SAD, note={})
                        account.check(db.insert(thing), thing)
                        account.check(db.get(Thing, id=id), thing)
                        account.check(db.execute("DELETE FROM things WHERE id = $1", id), 1)
                except Exception as error:
                    account.fail(error)

        threads = [threading.Thread(target=work, args=(task,)) for task in range(order["tasks"])]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


async def bare_asyncpg(order: dict[str, Any], account: Account) -> None:
    """Control: asyncpg as it comes."""
    async with asyncpg.create_pool(order["url"], min_size=1, max_size=4) as pool:
        await asyncio.gather(*(ask(pool.fetchval, order, task, account) for task in range(order["tasks"])))


async def bare_psycopg(order: dict[str, Any], account: Account) -> None:
    """Control: psycopg as it comes, which begins to prepare when a text comes often."""

    async def task(number: int) -> None:
        async with await psycopg.AsyncConnection.connect(order["url"], autocommit=True) as connection:

            async def fetchval(sql: str, value: int) -> Any:
                cursor = await connection.execute(sql.replace("$1", "%s"), [value])
                row = await cursor.fetchone()
                return row and row[0]

            await ask(fetchval, order, number, account)

    await asyncio.gather(*map(task, range(order["tasks"])))


CLIENTS: dict[str, Callable[[dict[str, Any], Account], Awaitable[None]]] = {
    "ours": ours,
    "bare asyncpg": bare_asyncpg,
    "bare psycopg": bare_psycopg,
}


def job(order: dict[str, Any], tell: Tell) -> int:
    account = Account()
    try:
        if order["client"] == "ours, sync":
            ours_sync(order, account)
        else:
            asyncio.run(asyncio.wait_for(CLIENTS[order["client"]](order, account), 100))
    except Exception as error:
        account.fail(error)
    tell(account.told())
    return 0


if __name__ == "__main__":
    serve(job)
