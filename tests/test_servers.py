"""The private PostgreSQL of `make test`, and the databases that tests get: each test here half a second."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pymysql
import pytest

from conftest import Backend, Translate
from servers import MariaDatabase, MariaServer, MissingServer, Server
from with_postgres import PostgresServer

SCRIPT = Path(__file__).parent.parent / "scripts" / "with_postgres.py"
WITH_POSTGRES = (sys.executable, str(SCRIPT), "--fast", "--")

PRINT_URL = "import os; print(os.environ['ROWSTEAD_TEST_POSTGRES'], flush=True); "
WAIT_FOR_SIGNAL = PRINT_URL + "import signal; signal.pause()"
WAIT_FOR_INPUT = PRINT_URL + "import sys; sys.stdin.read()"


@contextmanager
def beside_postgres(program: str) -> Iterator[subprocess.Popen[str]]:
    """`program` in Python beside a private server of its own; both are gone afterwards."""
    pipe = subprocess.PIPE
    command = [*WITH_POSTGRES, sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def data_folder(url: str) -> Path:
    with psycopg.connect(url) as connection:
        row = connection.execute("SHOW data_directory").fetchone()
    assert row is not None
    return Path(row[0])


def answers(url: str) -> bool:
    """Whether anything listens there."""
    parts = urlsplit(url)
    with suppress(OSError), socket.create_connection((parts.hostname, parts.port), timeout=5):
        return True
    return False


def falls_silent(url: str, seconds: float = 30.0) -> bool:
    """Wait until nothing listens there; False when something still does after `seconds`."""
    deadline = time.monotonic() + seconds
    while answers(url):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_the_exit_code_is_the_commands_own_and_the_server_is_gone() -> None:
    with beside_postgres(PRINT_URL + "raise SystemExit(7)") as process:
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 7
    assert not answers(output.strip())


def test_the_server_asks_for_its_password() -> None:
    with PostgresServer(fast=True) as server:
        with psycopg.connect(server.url) as connection:
            assert connection.execute("SELECT current_setting('max_connections')").fetchone() == ("200",)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(server.url.replace(server.password, "another"))


def test_a_server_is_durable_unless_fast_is_asked_for() -> None:
    with PostgresServer() as server, psycopg.connect(server.url) as connection:
        assert connection.execute("SHOW fsync").fetchone() == ("on",)
        assert connection.execute("SHOW synchronous_commit").fetchone() == ("on",)


def test_a_crashed_server_starts_again_on_its_port_with_its_data() -> None:
    with PostgresServer() as server:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        url = server.url
        server.stop(signal.SIGQUIT)
        assert not answers(url)
        server.start()
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_command_then_the_server_and_removes_its_folder(number: signal.Signals) -> None:
    with beside_postgres(WAIT_FOR_SIGNAL) as process:
        url = first_line(process)
        folder = data_folder(url).parent
        process.send_signal(number)
        process.communicate(timeout=60)
    # Python turns an interrupt into an exception of its own, and ends as if killed by it.
    assert process.returncode == 128 + number
    assert not answers(url)
    assert not folder.exists()


def test_not_even_kill_9_leaves_a_server_behind() -> None:
    with beside_postgres(WAIT_FOR_INPUT) as process:
        url = first_line(process)
        folder = data_folder(url).parent
        process.kill()
        process.communicate(timeout=60)
    assert falls_silent(url)
    # Nobody was left to remove it.
    shutil.rmtree(folder, ignore_errors=True)


def test_a_command_that_is_not_there_is_named() -> None:
    done = subprocess.run([*WITH_POSTGRES, "no-such-command"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (127, "cannot run no-such-command: No such file or directory\n")


# What a test gets of it.


def test_a_test_that_needs_postgres_fails_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROWSTEAD_TEST_POSTGRES")
    with pytest.raises(MissingServer, match="Run `make test`"):
        Server.from_environment()


@pytest.mark.parametrize("turn", [1, 2])
def test_every_test_finds_its_database_empty(postgres_url: str, turn: int) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        relations = "SELECT count(*) FROM pg_class WHERE relnamespace::regnamespace::text !~ '^(pg_|info)'"
        assert connection.execute(relations).fetchone() == (0,)
        assert connection.execute("SHOW statement_timeout").fetchone() == ("0",)
        connection.execute("CREATE TABLE left_over (id SERIAL PRIMARY KEY)")
        connection.execute("CREATE SCHEMA other")
        connection.execute("CREATE TYPE other.mood AS ENUM ('sad')")
        name = urlsplit(postgres_url).path.lstrip("/")
        connection.execute(f"ALTER DATABASE {name} SET statement_timeout = '1h'")


@pytest.fixture(scope="module")
def forgotten() -> Iterator[list[psycopg.Connection]]:
    """Connections that are closed only after the tests that opened them."""
    connections: list[psycopg.Connection] = []
    yield connections
    for connection in connections:
        connection.close()


@pytest.mark.parametrize("turn", [1, 2])
def test_a_connection_that_a_test_forgot_does_not_stop_the_next(
    postgres_url: str, forgotten: list[psycopg.Connection], turn: int
) -> None:
    connection = psycopg.connect(postgres_url)
    connection.execute("CREATE TABLE held (id INT)")
    connection.execute("LOCK TABLE held")
    forgotten.append(connection)
    assert len(forgotten) == turn


def test_a_role_of_a_tests_own_is_gone_afterwards(postgres_server: Server) -> None:
    with postgres_server.role() as (name, password), postgres_server.connect() as admin:
        admin.execute(f"CREATE SCHEMA {name} AUTHORIZATION {name}")
        url = postgres_server.url_of("postgres", user=name, password=password)
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT current_user").fetchone() == (name,)
    with postgres_server.connect() as admin:
        assert admin.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone() is None


def test_a_ddl_text_is_spelled_for_the_backend_of_the_test(backend: Backend, ddl: Translate) -> None:
    spelled = {"sqlite": "id INTEGER PRIMARY KEY, d TEXT", "asyncpg": "id SERIAL PRIMARY KEY, d JSONB"}
    spelled["psycopg"] = spelled["asyncpg"]
    assert ddl("id {serial_pk}, d {jsonb} DEFAULT '{}'") == f"{spelled[backend.name]} DEFAULT '{{}}'"


def test_an_unknown_word_in_a_ddl_text_is_named(backend: Backend, ddl: Translate) -> None:
    with pytest.raises(KeyError, match=r"no word \{serial\} for DDL; known: serial_pk"):
        ddl("id {serial}")


# ── MariaDB ──────────────────────────────────────────────────────────────────────────────────

MARIA_SCRIPT = SCRIPT.with_name("with_mariadb.py")
PRINT_PID = (
    "import os; print(os.getppid(), flush=True);"
    "print(os.environ['ROWSTEAD_TEST_MARIADB'], flush=True); import signal; signal.pause()"
)


def connected(url: str, password: str | None = None) -> pymysql.Connection:
    parts = urlsplit(url)
    return pymysql.connect(
        host=parts.hostname, port=parts.port, user=parts.username, password=password or parts.password
    )


@pytest.mark.mariadb
def test_a_mariadb_asks_for_its_password_and_goes_with_its_data() -> None:
    with MariaServer(fast=True) as server:
        folder = server.folder
        with connected(server.url) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT @@innodb_flush_log_at_trx_commit, @@bind_address")
            assert cursor.fetchall() == ((0, "127.0.0.1"),)
        with pytest.raises(pymysql.OperationalError, match="Access denied"):
            connected(server.url, password="wrong")
        log = server.log()
        assert not (folder / "first.sql").exists(), "it held the password"
    assert server.password not in log
    assert not folder.exists()


@pytest.mark.mariadb
def test_a_crashed_mariadb_starts_again_on_its_port_with_its_data() -> None:
    with MariaServer() as server:
        with connected(server.url) as connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE rowstead.kept AS SELECT 1 AS n")
            connection.commit()
        url = server.url
        server.stop(signal.SIGKILL)
        server.start()
        assert server.url == url
        with connected(url) as connection, connection.cursor() as cursor:
            assert cursor.execute("SELECT n FROM rowstead.kept") == 1


@pytest.mark.mariadb
def test_not_even_kill_9_leaves_a_mariadb_behind() -> None:
    words = [sys.executable, str(MARIA_SCRIPT), "--fast", "--", sys.executable, "-c", PRINT_PID]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid = int(first_line(process))
        url = first_line(process).strip()
        assert pid == process.pid
        with connected(url) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT @@datadir")
            ((data,),) = cursor.fetchall()
        arguments = subprocess.run(["ps", "-Ao", "args"], capture_output=True, text=True, check=True).stdout
        assert str(urlsplit(url).password) not in arguments
        process.kill()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            connected(url).close()
        except pymysql.OperationalError as error:
            if error.args[0] == 2003:
                shutil.rmtree(Path(data).parent)
                return
        time.sleep(0.05)
    pytest.fail("the server still answers")


def test_a_test_that_needs_mariadb_fails_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROWSTEAD_TEST_MARIADB", raising=False)
    with pytest.raises(MissingServer, match="make test"), MariaDatabase.made():
        pass


@pytest.mark.parametrize("turn", [1, 2])
def test_every_test_finds_its_mariadb_empty(mariadb_url: str, turn: int) -> None:
    with connected(mariadb_url) as connection, connection.cursor() as cursor:
        name = mariadb_url.rpartition("/")[2]
        cursor.execute("SELECT count(*) FROM information_schema.tables WHERE table_schema = %s", [name])
        assert cursor.fetchall() == ((0,),)
        cursor.execute(f"CREATE TABLE `{name}`.left_behind (id INTEGER)")
