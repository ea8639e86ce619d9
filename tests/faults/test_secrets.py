"""A planted password of the database's URL is in nothing that is shown, wherever something fails.

Two passwords: a plain one, and one with every character that URLs, shells and SQL find special, each
piece of which holds the planted word, so that a piece of it is found too. What is searched: messages,
reprs, tracebacks, causes and contexts, pickles, logs, warnings, traces, what the command prints, command
lines, and every object that the handle leads to.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

import rowstead.sync
from rowstead import DB, OperationalError, Row, RowsteadError
from rowstead.cli import main
from rowstead.drivers.asyncpg import AsyncpgDriver
from rowstead.drivers.urls import Options
from servers import Server

from .figures import record_figure
from .planted import FACES, NO_SECRET, Planted, listener, wrong_urls
from .secrets_shown import Shown, processes, watched


@pytest.fixture(params=["plain", "special"])
def planted(request: pytest.FixtureRequest, postgres_server: Server) -> Iterator[Planted]:
    word = f"planted{secrets.token_hex(4)}"
    password = (
        word if request.param == "plain" else f"{word}@{word}/{word}?{word}#{word}:{word}%{word}' \"é{word}"
    )
    with postgres_server.database() as database, postgres_server.role() as (role, _):
        with postgres_server.connect() as admin:
            text = sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(password))
            admin.execute(text)
            info = admin.info
            host, port = info.host, info.port
        with database.connect() as inside:
            inside.execute("CREATE TABLE things (id int PRIMARY KEY, name text NOT NULL)")
            inside.execute(sql.SQL("GRANT ALL ON things TO {}").format(sql.Identifier(role)))
        yield Planted(word, role, password, host, port, database)


class Thing(Row):
    __table__ = "things"
    id: int
    name: str | None = None


async def opening(face: str, url: str, shown: Shown, where: str, **options: Any) -> bool:
    """Whether the URL opens. What it raises is shown; everything but our own errors fails the test."""
    try:
        if face == "sync":
            handle = await asyncio.to_thread(rowstead.sync.DB.from_url, url, **options)
            await asyncio.to_thread(handle.close)
        else:
            await (await DB.from_url(url, **options)).close()
    except RowsteadError as error:
        shown.error(where, error)
        return False
    except Exception as error:
        shown.error(where, error)
        raise AssertionError(f"{where}: {type(error).__name__} is none of our errors") from None
    return True


@pytest.mark.parametrize("face", FACES)
async def test_a_connection_that_cannot_be_made_shows_no_password(planted: Planted, face: str) -> None:
    shown = Shown()
    asyncio.get_running_loop().set_debug(True)
    failed = 0
    with watched(shown):
        for where, url in wrong_urls(planted, face).items():
            if where not in NO_SECRET:
                failed += not await opening(face, url, shown, where, connect_timeout=5)
        with listener(b"") as silent, listener(b"N" + b"garbage" * 10) as noisy, listener(None) as hanging:
            for where, port in (("silent", silent), ("noisy", noisy), ("hanging", hanging)):
                url = planted.url(face, port=port)
                failed += not await opening(face, url, shown, f"a {where} server", connect_timeout=0.2)
        failed += not await opening(face, planted.url(face), shown, "bounds", min_size=5, max_size=2)
    leaks = shown.leaks(planted.word)
    record_figure(
        f"secrets, connecting by {face}: places that show the password",
        f"{len(leaks)} of {len(shown.texts)} texts from {failed} failures",
        "0",
        "the lines `control: a driver that shows its address`",
    )
    assert not leaks, "\n".join(f"{where}: {text}" for where, text in leaks[:40])
    assert failed >= 20


@asynccontextmanager
async def opened(face: str, url: str, shown: Shown, **options: Any) -> AsyncIterator[Any]:
    """A handle of this face whose every statement's trace is shown, with `await` alike on both."""

    def trace(told: Any) -> None:
        shown.add("trace", repr(told))

    if face != "sync":
        async with await DB.from_url(url, trace=trace, trace_values=True, **options) as db:
            yield db
        return
    db = await asyncio.to_thread(rowstead.sync.DB.from_url, url, trace=trace, trace_values=True, **options)
    try:
        yield Threaded(db)
    finally:
        await asyncio.to_thread(db.close)


class Threaded:
    """A synchronous handle's verbs, each in a thread."""

    def __init__(self, db: rowstead.sync.DB) -> None:
        self.db = db

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self.db, name)

        async def call(*arguments: Any, **options: Any) -> Any:
            return await asyncio.to_thread(verb, *arguments, **options)

        return call


MISTAKES: dict[str, tuple[str, tuple[Any, ...]]] = {
    "duplicate": ("insert", (Thing(id=1, name="again"),)),
    "null": ("insert", (Thing(id=2, name=None),)),
    "syntax": ("fetch", ("SELEKT 1",)),
    "no table": ("fetch", ("SELECT * FROM nothing",)),
    "privilege": ("fetch", ("SELECT rolpassword FROM pg_authid",)),
    "wrong value": ("fetch", ("SELECT $1::int", "not a number")),
    "too slow": ("fetch", ("SELECT pg_sleep(5)",)),
    "killed by itself": ("fetch", ("SELECT pg_terminate_backend(pg_backend_pid())",)),
}


async def break_everything(face: str, handle: Any, planted: Planted, shown: Shown) -> int:
    """Every failure that a handle can meet after it was opened; how many there were."""
    failed = 0
    await handle.insert(Thing(id=1, name="first"))
    for where, (verb, arguments) in MISTAKES.items():
        try:
            await getattr(handle, verb)(*arguments)
        except RowsteadError as error:
            failed += 1
            shown.error(where, error)
    # The server throws everybody out, and lets nobody in again.
    with planted.database.server.connect() as admin:
        role = sql.Identifier(planted.role)
        admin.execute(sql.SQL("ALTER ROLE {} PASSWORD 'another'").format(role))
        out = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = %s"
        admin.execute(out, [planted.role])
        for _ in range(3):
            try:
                await handle.get(Thing, id=1)
            except OperationalError as error:
                failed += 1
                shown.error("thrown out", error)
        # The message of the server's own log is for the server's owner; what it lists is not.
        for row in admin.execute("SELECT row_to_json(a)::text FROM pg_stat_activity a"):
            shown.add("pg_stat_activity", row[0])
    return failed


@pytest.mark.parametrize("face", FACES)
async def test_an_open_handle_shows_no_password_while_everything_fails(planted: Planted, face: str) -> None:
    shown = Shown()
    before = dict(os.environ)
    with watched(shown):
        async with opened(face, planted.url(face), shown, max_size=2, statement_timeout=0.3) as handle:
            await handle.ping()
            root = handle.db if isinstance(handle, Threaded) else handle
            shown.reachable("handle", root)
            processes(shown, os.getpid())
            failed = await break_everything(face, handle, planted, shown)
            shown.reachable("broken handle", root)
        shown.reachable("closed handle", root)
        try:
            await handle.get(Thing, id=1)
        except RowsteadError as error:
            shown.error("closed", error)
    leaks = shown.leaks(planted.word)
    record_figure(
        f"secrets, a handle by {face}: places that show the password",
        f"{len(leaks)} of {len(shown.texts)} texts from {failed} failures and {shown.objects} objects",
        "0",
        "the lines `control: a driver that shows its address`",
    )
    assert not leaks, "\n".join(f"{where}: {text}" for where, text in leaks[:40])
    assert failed >= 9
    assert shown.objects > 20
    assert os.environ == before


async def test_a_pool_that_has_no_connection_left_shows_no_password(planted: Planted) -> None:
    shown = Shown()
    for face in ("asyncpg", "psycopg"):
        url = planted.url(face)
        async with (
            opened(face, url, shown, max_size=1, acquire_timeout=0.05) as db,
            db.transaction() as tx,
        ):
            shown.reachable("transaction", tx)
            waiting = asyncio.create_task(db.get(Thing, id=1))
            with pytest.raises(OperationalError) as caught:
                await waiting
            shown.error("no connection left", caught.value)
    assert not shown.leaks(planted.word), shown.leaks(planted.word)[:5]
    assert len(shown.texts) > 20


# ── the command ──────────────────────────────────────────────────────────────────────────────


def test_the_command_prints_no_password_whatever_is_wrong(
    planted: Planted, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = Shown()
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001_bad.sql").write_text("SELEKT 1;")
    monkeypatch.delenv("DATABASE_URL", raising=False)
    urls = {where: url for where, url in wrong_urls(planted, "asyncpg").items() if where not in NO_SECRET}
    urls["a migration that fails"] = planted.url("asyncpg")
    lines = [
        (f"{where} {word}", [word, str(folder), "--url", url, *more])
        for where, url in urls.items()
        for word, more in (("migrate", []), ("status", ["--json"]))
    ]
    right = planted.url("psycopg")
    lines += [
        ("a folder that is none", ["migrate", str(tmp_path / "nothing"), "--url", right]),
        ("the URL as the folder", ["migrate", right]),
        ("an option that is none", ["migrate", str(folder), "--ulr", right]),
        ("an option written together", ["migrate", str(folder), f"--ulr={right}"]),
        ("a command that is none", [right]),
        ("one argument too many", ["status", str(folder), right]),
    ]
    codes: list[Any] = []
    for where, words in lines:
        try:
            codes.append(main(words))
        except SystemExit as end:
            codes.append(end.code)
        out, err = capfd.readouterr()
        shown.add(f"{where}: stdout", out)
        shown.add(f"{where}: stderr", err)
    leaks = shown.leaks(planted.word)
    record_figure(
        "secrets, the command: outputs that show the password",
        f"{len(leaks)} of {len(shown.texts)} outputs of {len(lines)} command lines",
        "0",
        "the lines `control: a driver that shows its address`",
    )
    assert not leaks, "\n".join(f"{where}: {text}" for where, text in leaks[:40])
    # Only the status of the migration that fails can be told; a plain password needs no encoding.
    assert codes.count(0) == (2 if planted.password == planted.word else 1)


def test_a_running_command_has_no_password_in_the_process_list(planted: Planted, tmp_path: Path) -> None:
    shown = Shown()
    with listener(None) as port:
        url = planted.url("psycopg", port=port, query="?connect_timeout=20")
        child = subprocess.Popen(
            [sys.executable, "-m", "rowstead", "status", str(tmp_path)],
            env={**os.environ, "DATABASE_URL": url},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            # It waits for the server's answer as soon as it has opened a socket.
            while child.poll() is None and not sockets_of(child.pid):
                os.sched_yield()
            seen = processes(shown, child.pid)
        finally:
            child.terminate()
            for text in child.communicate(timeout=20):
                shown.add("output", text.decode())
    assert seen > 2
    assert any(str(tmp_path) in text for _, text in shown.texts)
    assert not shown.leaks(planted.word), shown.leaks(planted.word)[:5]


def sockets_of(pid: int) -> list[str]:
    links: list[str] = []
    with suppress(OSError):
        for entry in (Path("/proc") / str(pid) / "fd").iterdir():
            with suppress(OSError):
                links.append(os.readlink(entry))
    return [link for link in links if link.startswith("socket:")]


# ── controls ─────────────────────────────────────────────────────────────────────────────────


class Talkative(AsyncpgDriver):
    """A driver that keeps its address where everybody sees it."""

    def __init__(self, address: str) -> None:
        super().__init__(address, Options(max_size=1))
        self.address = address

    def __repr__(self) -> str:
        return f"<driver of {self.address}>"


async def test_a_driver_that_shows_its_address_is_caught(planted: Planted) -> None:
    shown = Shown()
    address = planted.url("asyncpg", scheme="postgresql")
    driver = Talkative(address)
    await driver.open()
    async with DB(driver) as db:
        shown.reachable("handle", db)
    # As a naive layer lets a driver's errors through.
    try:
        await asyncio.to_thread(psycopg.connect, f"{address}&no such setting")
    except psycopg.Error as error:
        shown.error("naive", error)
    try:
        raise ConnectionError(f"cannot reach {address}") from None
    except ConnectionError as error:
        shown.error("naive", error)
    leaks = {where for where, _ in shown.leaks(planted.word)}
    record_figure(
        "control: a driver that shows its address",
        f"caught at {len(leaks)} places",
        "at least 3",
        "this is one",
    )
    assert any("repr" in where for where in leaks)
    assert any("attributes" in where for where in leaks)
    assert any("traceback" in where for where in leaks)
