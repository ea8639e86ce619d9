"""`rowstead app serve`, as a user runs it and as a supervisor ends it."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import Run, environment
from .test_missing_extras import WITHOUT

TOKEN = "a-token-that-is-long"
SECRET = "s3cret-value"

MODULE = """
import asyncio, pathlib, sys
import sqlalchemy as sa
from rowstead.service import SERVICE_CLASS_REGISTRY, PublicInterface, Service, SQLService

tasks = sa.Table(
    "tasks", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(50))
)

@SERVICE_CLASS_REGISTRY.register
class Tasks(SQLService, PublicInterface):
    service_name = "tasks"
    table = tasks

@SERVICE_CLASS_REGISTRY.register
class Slow(Service, PublicInterface):
    service_name = "slow"

    @property
    def routes(self):
        return {"wait": self.wait}

    async def wait(self):
        print("waiting", file=sys.stderr, flush=True)
        while not pathlib.Path("released").exists():
            await asyncio.sleep(0.01)
        return "done"

    async def close(self):
        print("closed", file=sys.stderr, flush=True)

@SERVICE_CLASS_REGISTRY.register
class Wrong(Service, PublicInterface):
    @property
    def routes(self):
        return {"_private": self.close}
"""

HTTP = "  - {cls: HTTPService, settings: {port: 0, tokens: [{token: '${TOKEN}', user_id: 7}]}}"
DATABASE = "  - {cls: DatabaseService, settings: {url: 'sqlite:///app.sqlite'}}"
SOUND = ["  - cls: Slow", DATABASE, "  - cls: Tasks", HTTP]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "services.py").write_text(MODULE)
    return tmp_path


def write(folder: Path, *services: str) -> None:
    (folder / "app.yaml").write_text("\n".join(["imports: [services]", "services:", *services]) + "\n")


class Serving:
    """A `rowstead app serve` that is under way."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._told = folder / "stderr"
        with self._told.open("w") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "rowstead", "app", "serve", "app.yaml", *options],
                cwd=folder,
                env=environment(TOKEN=TOKEN),
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        assert self.process.stdout is not None
        self.first_line = self.process.stdout.readline()
        found = re.fullmatch(r"serving on http://([\d.]+):(\d+)\n", self.first_line)
        assert found, self.told
        self.host, self.port = found[1], int(found[2])

    @property
    def told(self) -> str:
        return self._told.read_text()

    def wait_for(self, words: str) -> None:
        end = time.monotonic() + 60
        while words not in self.told:
            assert self.process.poll() is None, self.told
            assert time.monotonic() < end, f"{words!r} never came: {self.told}"
            os.sched_yield()

    def call(self, method: str, params: Any = ()) -> Any:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params or []})
        headers = {"content-type": "application/json", "authorization": f"Bearer {TOKEN}"}
        try:
            connection.request("POST", "/rpc", body, headers)
            return json.loads(connection.getresponse().read())["result"]
        finally:
            connection.close()

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def serving(folder: Path) -> Iterator[Serving]:
    write(folder, *SOUND)
    found = Serving(folder)
    yield found
    found.kill()


def test_it_serves_the_public_services_and_says_where(serving: Serving) -> None:
    assert serving.call("tasks.create", {"data": {"id": 1, "name": SECRET}}) == {"id": 1, "name": SECRET}
    assert serving.call("tasks.list", {"conditions": {"name": SECRET}})["count"] == 1
    serving.process.send_signal(signal.SIGTERM)
    assert serving.process.wait(60) == 0
    lines = [line.partition(" INFO ")[2] for line in serving.told.splitlines()]
    called = [re.sub(r"ms=\S+", "ms=…", line) for line in lines if "http.requests" in line]
    assert called == [
        "rowstead.service.http.requests: tasks.create caller=7 ms=… outcome=OK",
        "rowstead.service.http.requests: tasks.list caller=7 ms=… outcome=OK",
    ]
    assert SECRET not in serving.told
    assert TOKEN not in serving.told


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_lets_requests_in_flight_end_then_closes(
    folder: Path, serving: Serving, number: signal.Signals, code: int
) -> None:
    results: list[Any] = []
    idle = http.client.HTTPConnection(serving.host, serving.port, timeout=60)
    idle.request("GET", "/health")
    assert idle.getresponse().read() == b'{"status":"ok"}'
    first = threading.Thread(target=lambda: results.append(serving.call("slow.wait")))
    first.start()
    serving.wait_for("waiting")
    serving.process.send_signal(number)
    _refuses_newcomers(serving)
    assert "closed" not in serving.told
    (folder / "released").touch()
    first.join(60)
    assert results == ["done"]
    assert serving.process.wait(60) == code
    assert serving.told.endswith("closed\nstopped\n")
    assert "Traceback" not in serving.told
    idle.close()


def _refuses_newcomers(serving: Serving) -> None:
    """Waits until no new connection is taken."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        connection = http.client.HTTPConnection(serving.host, serving.port, timeout=60)
        try:
            connection.connect()
        except ConnectionError:
            return
        finally:
            connection.close()
    raise AssertionError("connections are still taken")


def test_a_second_signal_waits_for_no_request(serving: Serving) -> None:
    def call() -> None:
        with pytest.raises((ConnectionError, http.client.HTTPException, json.JSONDecodeError)):
            serving.call("slow.wait")

    first = threading.Thread(target=call)
    first.start()
    serving.wait_for("waiting")
    serving.process.send_signal(signal.SIGTERM)
    _refuses_newcomers(serving)
    serving.process.send_signal(signal.SIGTERM)
    assert serving.process.wait(60) == 143
    first.join(60)
    assert "closed\n" in serving.told
    assert serving.told.endswith("stopped by a second signal, before everything was closed\n")


@pytest.mark.parametrize(
    ("services", "told"),
    [
        (["  - {cls: HTTPServce}"], "line 3: cls: no class of services is registered as 'HTTPServce'"),
        (["  - cls: Slow"], "app.yaml: nothing says who may call: add a service `cls: HTTPService`"),
        (["  - cls: HTTPService"], "line 3: service http: say who may call"),
        (
            [HTTP, HTTP.replace("settings", "name: b, settings")],
            "line 4: one HTTPService is served, and there are",
        ),
        (
            ["  - {cls: HTTPService, settings: {anonymous: true, limits: {dept: 3}}}"],
            "service http: limits: there is no limit 'dept'; did you mean 'depth'?",
        ),
        (["  - cls: Wrong", HTTP], "service http: Wrong._private begins with '_'"),
        (
            ["  - {cls: HTTPService, settings: {tokens: [{token: x}]}}"],
            "tokens[0]: a token is a text of at least",
        ),
        (
            ["  - {cls: HTTPService, settings: {prt: 1}}"],
            "settings.prt: HTTPService has no such setting; did you mean 'port'?",
        ),
    ],
)
def test_a_wrong_file_is_refused_in_the_words_of_check(
    rowstead: Run, folder: Path, services: list[str], told: str
) -> None:
    write(folder, *services)
    code, out, error = rowstead("app", "serve", "app.yaml", TOKEN=TOKEN)
    assert (code, out) == (1, "")
    assert told in error
    if "nothing says" in told or "one HTTPService" in told:
        return
    assert told in rowstead("app", "check", "app.yaml", TOKEN=TOKEN)[1]


def test_a_file_that_is_not_there_exits_2(rowstead: Run, folder: Path) -> None:
    write(folder, *SOUND)
    code, _, error = rowstead("app", "serve", "ap.yaml")
    assert code == 2
    assert "did you mean 'app.yaml'?" in error


def test_a_variable_that_is_not_set_is_named_with_its_line(rowstead: Run, folder: Path) -> None:
    write(folder, *SOUND)
    code, _, error = rowstead("app", "serve", "app.yaml")
    assert code == 1
    assert "line 6" in error
    assert "TOKEN" in error


def test_a_port_that_is_taken_is_said_and_everything_closed(
    rowstead: Run, folder: Path, serving: Serving
) -> None:
    code, out, error = rowstead("app", "serve", "app.yaml", "--port", str(serving.port), TOKEN=TOKEN)
    assert (code, out) == (1, "")
    assert f"error: cannot listen on 127.0.0.1:{serving.port}: Address already in use" in error
    assert "closed" in error


def test_the_command_line_says_where_in_place_of_the_file(folder: Path) -> None:
    write(folder, *SOUND)
    serving = Serving(folder, "--host", "127.0.0.2", "--port", "0")
    try:
        assert serving.host == "127.0.0.2"
        assert serving.call("tasks.count") == 0
    finally:
        serving.kill()


@pytest.mark.parametrize("library", ["starlette", "uvicorn"])
def test_without_the_extra_its_name_is_said(folder: Path, library: str) -> None:
    write(folder, *SOUND)
    program = WITHOUT.format(missing=[library], words=["app", "serve", "app.yaml"])
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=False,
        cwd=folder,
        env=environment(TOKEN=TOKEN),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert f"a public server needs {library}" in done.stderr
    assert "rowstead[serve]" in done.stderr


def test_neither_help_nor_check_loads_a_server() -> None:
    program = (
        "import sys\nfrom rowstead.cli import parser\nparser()\n"
        "assert not [m for m in sys.modules if m.startswith('rowstead.service')]\n"
        "import rowstead.service.http, rowstead.cli.app_serve\n"
        "found = {'starlette', 'uvicorn'} & sys.modules.keys()\nassert not found, found\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
