"""The job of a process that fills tables from files when it starts. See `processes.py`.

An order: `{"url": …, "folder": …, "runner": a key of RUNNERS, "kill": number | null}`. The process dies by
SIGKILL after the statement of that number was answered.

The runners beside `real` are the controls: each leaves out one thing that the real one stands on.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import sqlalchemy as sa
from processes import Tell, serve

from rowstead import DB
from rowstead.service import FixtureService, SQLService
from rowstead.service.fixture_loading import Load
from rowstead.session import Session, Trace

R = TypeVar("R")

METADATA = sa.MetaData()
owners = sa.Table("owners", METADATA, sa.Column("id", sa.Integer, primary_key=True))
# The key is counted by the database: rows that are loaded twice are there twice.
things = sa.Table(
    "things",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("owner", sa.Integer),
    sa.Column("word", sa.String(20)),
)


class Owners(SQLService[int, dict[str, Any]]):
    table = owners
    service_name = "owners"


class Things(SQLService[int, dict[str, Any]]):
    table = things
    service_name = "things"


class Apart(Load):
    """Fills each table by itself, as the earlier package did."""

    async def _in_transaction(self, function: Callable[[Session], Awaitable[R]]) -> R:
        return await function(self._database)


RUNNERS: dict[str, type[Load]] = {"real": Load, "apart": Apart}


async def load(order: dict[str, Any]) -> int:
    sent = 0

    def hear(_statement: Trace) -> None:
        nonlocal sent
        sent += 1
        if sent == order["kill"]:
            os.kill(os.getpid(), signal.SIGKILL)

    async with await DB.from_url(order["url"], trace=hear) as db:
        await FixtureService(services=[Things(db), Owners(db)], root_dir=order["folder"]).load()
    return 0


def job(order: dict[str, Any], _tell: Tell) -> int:
    # The process is forked for this one order.
    import rowstead.service.fixtures as module

    module.Load = RUNNERS[order["runner"]]
    return asyncio.run(load(order))


if __name__ == "__main__":
    serve(job)
