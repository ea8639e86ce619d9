"""P1: a planted password is in nothing that the repository, its engines, the settings and the commands show.

The password is a PostgreSQL role's, plain and with every character that URLs, shells and SQL find special,
each piece of it with the planted word. It is looked for in outputs, logs, warnings, errors with all that
they hold, reprs of everything that is in reach, and in the command lines of all processes.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import Mapped, mapped_column

from faults.planted import Planted, listener
from faults.secrets_shown import Shown, processes, watched
from rowstead import RowsteadError
from rowstead.cli import COMMANDS, main
from rowstead.config import config
from rowstead.repository import Base, BaseRepository, IntPKMixin, PersistEngine
from servers import PostgresDatabase, Server
from with_postgres import free_port

MODELS = """\
from sqlalchemy.orm import Mapped, mapped_column
from rowstead.repository import Base, IntPKMixin

class Kept(Base, IntPKMixin):
    __tablename__ = "kept"
    name: Mapped[str] = mapped_column()
"""

MIGRATION = """\
-- +goose Up
CREATE TABLE {name} (id INTEGER PRIMARY KEY);
-- +goose Down
DROP TABLE {name};
"""

BAD_MIGRATION = "-- +goose Up\nSELEC 1;\n-- +goose Down\nSELEC 2;\n"

LINES: dict[str, tuple[str, ...]] = {
    "db init": ("--models", "{models}"),
    "db create": ("another",),
    "db up": ("--dir", "{folder}"),
    "db up-to": ("1", "--dir", "{folder}"),
    "db down": ("--dir", "{folder}"),
    "db down-to": ("0", "--dir", "{folder}"),
    "db redo": ("--dir", "{folder}"),
    "db status": ("--dir", "{folder}"),
    "db health": (),
    "db diff": ("--models", "{models}"),
    "db generate": ("changes", "--models", "{models}"),
    "db lint": ("--dir", "{folder}"),
    "default-config": (),
}
"""Every command that is about a configured database -> its other arguments."""

CONNECTING = ("db init", "db up", "db down", "db redo", "db status", "db health", "db diff", "db generate")


class Kept(Base, IntPKMixin):
    """A table that the role may use."""

    __tablename__ = "passwords_kept"

    name: Mapped[str] = mapped_column(unique=True)


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
            host, port = admin.info.host, admin.info.port
        with database.connect() as inside:
            inside.execute(sql.SQL("GRANT ALL ON SCHEMA public TO {}").format(sql.Identifier(role)))
        yield Planted(word, role, password, host, port, database)


def databases(planted: Planted, **changes: Any) -> dict[str, dict[str, Any]]:
    """Sections `database` of a configuration: the right ones and wrong ones, each for its own reason."""
    right = {
        "dialect": "postgresql",
        "driver": "asyncpg",
        "host": planted.host,
        "port": planted.port,
        "db": planted.database.name,
        "user": planted.role,
        "password": planted.password,
        **changes,
    }
    raw = f"postgresql+asyncpg://{planted.role}:{planted.password}@{planted.host}:{planted.port}/x"
    return {
        "right": right,
        "right, by psycopg": right | {"driver": "psycopg"},
        "right, as a DSN": {"dsn": planted.url("asyncpg")},
        "debug": right | {"debug": True},
        "wrong password": right | {"password": planted.password + planted.word},
        "wrong port": right | {"port": free_port()},
        "wrong port, by psycopg": right | {"port": free_port(), "driver": "psycopg"},
        "wrong database": right | {"db": "no_such_database"},
        "TLS that the server has not": right | {"params": {"ssl": "require"}},
        "a setting that is none": right | {"params": {"no_such_setting": "nonsense"}, "driver": "psycopg"},
        "a mistyped key": {**right, "pasword": planted.password},
        "a port that is none": right | {"port": planted.password},
        "a DSN that is not encoded": {"dsn": raw},
        "a DSN with a wrong port": {"dsn": f"postgresql+asyncpg://{planted.login}@h:{planted.word}/x"},
        "a database of which no command knows": right | {"dialect": "oracle", "driver": "oracledb"},
        "a dialect that is none": right | {"dialect": "postgrsql", "driver": None},
    }


_ANY = PostgresDatabase(Server("postgresql://host/name"), "name")
CASES = tuple(databases(Planted("word", "role", "password", "host", 1, _ANY)))
SOUND = ("right", "right, by psycopg", "right, as a DSN", "debug")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with models and migrations, and no database named by the environment."""
    for name in [name for name in os.environ if name.startswith(("ROWSTEAD_DATABASE", "DATABASE_URL"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    for kind in ("migrations", "bad"):
        (tmp_path / kind).mkdir()
    (tmp_path / "migrations" / "00001_one.sql").write_text(MIGRATION.format(name="one"))
    (tmp_path / "migrations" / "00002_two.sql").write_text(MIGRATION.format(name="two"))
    (tmp_path / "bad" / "00001_bad.sql").write_text(BAD_MIGRATION)
    return tmp_path


def words_of(command: str, **names: str) -> list[str]:
    return [*command.split(), *(word.format(**names) for word in LINES[command])]


def test_every_command_of_a_database_is_looked_at() -> None:
    known = [command.words for command in COMMANDS if command.words.startswith("db ")]
    assert [words for words in known if words not in LINES] == []


def what_commands_show(
    planted: Planted, folder: Path, capfd: pytest.CaptureFixture[str], shown: Shown, case: str
) -> list[int]:
    """Run every command with the section of this case; their exit codes."""
    models = f"models_{secrets.token_hex(4)}"
    (folder / f"{models}.py").write_text(MODELS)
    # JSON is YAML, and spells any password.
    section = databases(planted)[case]
    (folder / "config.yaml").write_text(f"name: app\ndatabase: {json.dumps(section, ensure_ascii=False)}\n")
    codes: list[int] = []
    for command in LINES:
        for migrations in ("migrations", "bad") if command == "db up" else ("migrations",):
            for more in ([], ["--json"]) if command.startswith("db ") else ([],):
                words = [*words_of(command, models=models, folder=migrations), *more]
                if command != "db create":
                    words += ["-c", "config.yaml"]
                with watched(shown):
                    codes.append(exit_code(words))
                out, err = capfd.readouterr()
                shown.add(f"{case}: {' '.join(words)}: stdout", out)
                shown.add(f"{case}: {' '.join(words)}: stderr", err)
    return codes


def exit_code(words: list[str]) -> int:
    try:
        return main(words)
    except SystemExit as end:
        return int(end.code or 0)


@pytest.mark.parametrize("case", CASES)
def test_repository_p01_no_command_shows_the_password(
    planted: Planted, folder: Path, capfd: pytest.CaptureFixture[str], case: str
) -> None:
    shown = Shown()
    codes = what_commands_show(planted, folder, capfd, shown, case)
    assert shown.leaks(planted.word) == []
    assert len(shown.texts) > 2 * len(LINES)
    # `create` and `default-config` need no database.
    assert (codes.count(0) > 10) is (case in SOUND), codes


def holds_it(where: str) -> bool:
    """Where the password must stand, since somebody has to know it, and nobody is shown what stands there."""
    # What SQLAlchemy's pool connects by; the value of Pydantic's secret text.
    return ".closure " in where or where.endswith(".dsn: attributes")


@pytest.mark.parametrize("planted", ["special"], indirect=True)
def test_repository_p01_no_process_list_shows_the_password(planted: Planted, folder: Path) -> None:
    """While all commands wait for an answer of their server, nobody's command line has the password."""
    (folder / "models_listed.py").write_text(MODELS)
    shown = Shown()
    with listener(None) as port, ExitStack() as stack:
        section = databases(planted, port=port, host="127.0.0.1", connect_timeout=60)["right"]
        (folder / "config.yaml").write_text(f"database: {json.dumps(section, ensure_ascii=False)}\n")
        running = {command: stack.enter_context(started(command)) for command in CONNECTING}
        for command, child in running.items():
            while not is_connected_to(child.pid, port):
                assert child.poll() is None, f"{command} ended: {child.communicate()}"
                time.sleep(0.01)
        processes(shown, os.getpid())
        for child in running.values():
            child.terminate()
        for command, child in running.items():
            for text in child.communicate(timeout=30):
                shown.add(f"{command}: output", text.decode())
    assert shown.leaks(planted.word) == []
    # Their own lines are among those that were looked at.
    lines = "".join(text for _, text in shown.texts)
    assert [words for words in CONNECTING if f"\0{words.split()[1]}\0" not in lines] == []


@contextmanager
def started(command: str) -> Iterator[subprocess.Popen[bytes]]:
    """The command as a process that never outlives the block."""
    words = [*words_of(command, models="models_listed", folder="migrations"), "-c", "config.yaml"]
    with subprocess.Popen(
        [sys.executable, "-m", "rowstead", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        try:
            yield child
        finally:
            child.kill()


def is_connected_to(pid: int, port: int) -> bool:
    """Whether the process has a connection to this port of 127.0.0.1."""
    try:
        table = (Path("/proc") / str(pid) / "net" / "tcp").read_text()
        sockets = [os.readlink(entry) for entry in (Path("/proc") / str(pid) / "fd").iterdir()]
    except OSError:
        return False
    return any(
        columns[2] == f"0100007F:{port:04X}" and f"socket:[{columns[9]}]" in sockets
        for columns in (line.split() for line in table.splitlines()[1:])
    )


@pytest.mark.parametrize("case", CASES)
async def test_repository_p01_no_engine_session_or_repository_shows_the_password(
    planted: Planted, folder: Path, case: str
) -> None:
    shown = Shown()
    section = databases(planted)[case]
    done = False
    with watched(shown):
        try:
            async with PersistEngine(config(database=section).schema.database) as engines:
                shown.reachable("engines", engines)
                done = await used(engines, shown)
        except Exception as error:
            # Ours, and what SQLAlchemy and the drivers raise where an engine is used by itself.
            shown.error("use", error)
    assert [leak for leak in shown.leaks(planted.word) if not holds_it(leak[0])] == []
    assert shown.texts
    assert done is (case in SOUND)


async def used(engines: PersistEngine, shown: Shown) -> bool:
    """Use a repository, rightly and wrongly; whether it could be used at all."""
    engine, sessions = engines.session()
    async with engine.begin() as connection:
        await connection.run_sync(Kept.metadata.tables["passwords_kept"].create)
    async with sessions() as session:
        repository = BaseRepository(session, Kept)
        await repository.save(Kept(name="one"), commit=True)
        for wrong in (repository.save(Kept(name="one"), commit=True), repository.find({"nmae": 1})):
            try:
                await wrong
            except RowsteadError as error:
                shown.error("wrong use", error)
        shown.reachable("engine", engine)
        shown.add("repr", f"{session!r} {repository!r} {engine.pool!r} {engine.url!r} {engine.url}")
        return await repository.count() == 1


# ── controls ─────────────────────────────────────────────────────────────────────────────────


async def test_a_layer_that_shows_its_address_is_caught(
    planted: Planted, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shown = Shown()
    database = config(database=databases(planted)["right"]).schema.database
    address = database.url.render_as_string(hide_password=False)
    with watched(shown):
        engine = create_async_engine(database.url, echo=True)
        async with engine.connect() as connection:
            await connection.execute(sa.text("SELECT :password"), {"password": planted.password})
        await engine.dispose()
    print(f"DSN: {address}")
    shown.add("stdout", capfd.readouterr().out)
    try:
        raise ConnectionError(f"cannot reach {address}") from psycopg.Error(address)
    except ConnectionError as error:
        shown.error("naive", error)
    where = {where for where, _ in shown.leaks(planted.word)}
    assert {"stdout", "naive: traceback", "naive: Error", "log of sqlalchemy.engine.Engine"} <= where
