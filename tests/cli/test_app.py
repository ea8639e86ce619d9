"""`rowstead app check` and `rowstead app run`, as a user runs them."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rowstead.cli import parser

from .conftest import Run, environment

SECRET = "s3cret-word"

MODULE = f'''
import asyncio, os, sys
from rowstead.service import SERVICE_CLASS_REGISTRY, App
from rowstead.service.service import Service
from rowstead.errors import UnreachableError, UsageError

print("printed while it is imported")

@SERVICE_CLASS_REGISTRY.register
class Task(Service):
    def __init__(self, *, fails: str = "", waits: str = "", token: str = "{SECRET}", app=None, name=None):
        super().__init__(app=app, name=name)
        self.fails, self.waits = fails, waits
        self.tell("make")

    def tell(self, step):
        print(step, self.name, file=sys.stderr, flush=True)
        if self.fails == step:
            raise UsageError("it cannot " + step)
        if self.fails == "unreachable " + step:
            raise UnreachableError("postgresql://app:{SECRET}@db/app is down")

    def prepare(self):
        self.tell("prepare")

    async def init(self):
        self.tell("init")
        if self.waits == "init":
            await asyncio.Event().wait()

    async def close(self):
        self.tell("close")
        if self.waits == "close":
            await asyncio.Event().wait()
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tasks.py").write_text(MODULE)
    return tmp_path


def write(folder: Path, *services: str, name: str = "app.yaml") -> None:
    lines = ["imports: [tasks]", "services:", *(f"  - {{cls: Task, {each}}}" for each in services)]
    (folder / name).write_text("\n".join(lines) + "\n")


STEPS = re.compile(r"^(?:make|prepare|init|close) \w+$", re.M)


def test_check_says_what_would_start_in_order_and_starts_nothing(rowstead: Run, folder: Path) -> None:
    write(folder, "name: a", "name: b, enabled: false", "name: c, settings: {token: x}")
    code, out, error = rowstead("app", "check", "app.yaml")
    assert (code, out) == (
        0,
        "app.yaml: would start 2 services\n"
        "  1. a (Task), line 3\n"
        "  2. c (Task), line 5\n"
        "  left out: b, not enabled, line 4\n",
    )
    assert STEPS.findall(error) == ["make a", "make c", "prepare a", "prepare c"]


def test_check_says_everything_that_is_wrong_with_its_line(rowstead: Run, folder: Path) -> None:
    write(folder, "name: a, settings: {tokn: x}", "name: b", f"name: b, enabled: {SECRET}")
    code, out, error = rowstead("app", "check", "app.yaml")
    assert (code, out) == (
        1,
        "app.yaml: 3 wrong\n"
        "  ! app.yaml, line 3: service a: settings.tokn: Task has no such setting; did you mean 'token'?\n"
        "  ! app.yaml, line 5: service b: enabled: must be true or false\n"
        "  ! app.yaml, line 5: service b: two services have this name, in line 4 and here; give one a `name` "
        "of its own, or say `override: true` here to replace the other\n"
        "  of 2 services in the file:\n"
        "  1. a (Task), line 3\n"
        "  2. b (Task), line 5\n",
    )
    assert STEPS.findall(error) == []


def test_check_finds_what_making_and_preparing_finds(rowstead: Run, folder: Path) -> None:
    write(folder, "name: a, settings: {fails: prepare}", "name: b, required: no, settings: {fails: make}")
    code, out, _ = rowstead("app", "check", "app.yaml")
    assert (code, out) == (
        1,
        "app.yaml: 1 wrong\n"
        "  ! app.yaml, line 3: service a: it cannot prepare\n"
        "  of 1 service in the file:\n"
        "  1. a (Task), line 3\n"
        "  left out: app.yaml, line 4: service b: it cannot make\n",
    )


def test_check_gives_programs_json_and_nothing_else(rowstead: Run, folder: Path) -> None:
    write(folder, "name: a", "name: b, enabled: false", "name: c, required: false, settings: {fails: make}")
    code, out, error = rowstead("app", "check", "app.yaml", "--json")
    assert code == 0
    assert json.loads(out) == {
        "file": "app.yaml",
        "sound": True,
        "services": [{"name": "a", "class": "Task", "line": 3, "required": True}],
        "disabled": [{"name": "b", "line": 4}],
        "left_out": [{"file": "app.yaml", "line": 5, "service": "c", "message": "it cannot make"}],
        "problems": [],
    }
    assert "printed while it is imported" in error
    (folder / "app.yaml").write_text("services: {cls: Task}\n")
    code, out, _ = rowstead("app", "check", "app.yaml", "--json")
    assert code == 1
    (problem,) = json.loads(out)["problems"]
    assert (problem["line"], problem["service"]) == (1, None)
    assert problem["message"].startswith("cls: no class of services is registered as 'Task'")


def test_modules_are_also_named_on_the_command_line(rowstead: Run, folder: Path) -> None:
    place = folder / "etc"
    place.mkdir()
    (place / "app.yaml").write_text("services: {cls: Task}\n")
    # Looked for in the working folder, and beside the file.
    assert rowstead("app", "check", "etc/app.yaml", "--import", "tasks")[0] == 0
    (folder / "tasks.py").rename(place / "tasks.py")
    assert rowstead("app", "check", "etc/app.yaml", "--import", "json", "--import", "tasks")[0] == 0
    code, out, _ = rowstead("app", "check", "etc/app.yaml", "--import", "nowhere")
    assert code == 1
    assert "! --import: the module nowhere cannot be imported: ModuleNotFoundError" in out


@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("ap.yaml", "ap.yaml, is not there; did you mean 'app.yaml'?"),
        (".", "is a folder, and not a file"),
        ("tasks.py", "an application's file ends in one of .yaml, .yml, .toml, .json"),
    ],
)
def test_a_file_that_is_none_exits_2(rowstead: Run, folder: Path, command: str, file: str, told: str) -> None:
    write(folder, "name: a")
    code, out, error = rowstead("app", command, file)
    assert (code, out) == (2, "")
    assert told in error


def test_a_file_that_cannot_be_read_exits_1(rowstead: Run, folder: Path) -> None:
    (folder / "app.yaml").write_text(f"services: [{SECRET}\n")
    code, out, error = rowstead("app", "check", "app.yaml")
    assert code == 1
    assert "! app.yaml, line 2: this is no YAML that can be read" in out
    assert SECRET not in out + error
    assert rowstead("app", "run", "app.yaml")[:2] == (1, "")


def test_run_refuses_a_wrong_file_with_every_reason_and_starts_nothing(rowstead: Run, folder: Path) -> None:
    write(folder, "name: a, settings: {tokn: x}", "name: a")
    code, _, error = rowstead("app", "run", "app.yaml")
    assert code == 1
    assert error.count("error: app.yaml, line ") == 2
    assert STEPS.findall(error) == []


@pytest.mark.parametrize(
    ("fails", "code", "told"),
    [
        ("make", 1, "error: it cannot make\n  while the service b (app.yaml, line 4) was made\n"),
        ("init", 1, "error: it cannot init\n  while the service b (app.yaml, line 4) was started\n"),
        ("unreachable init", 3, "error: postgresql://app:***@db/app is down\n"),
    ],
)
def test_a_start_that_fails_says_why_and_closes_what_was_begun(
    rowstead: Run, folder: Path, fails: str, code: int, told: str
) -> None:
    write(folder, "name: a", f"name: b, settings: {{fails: {fails}}}")
    found, _, error = rowstead("app", "run", "app.yaml")
    assert found == code
    assert told in error
    assert SECRET not in error
    assert re.findall(r"close \w", error) == ([] if fails == "make" else ["close b", "close a"])


def test_an_unreachable_database_exits_3_without_a_word_of_the_password(rowstead: Run, folder: Path) -> None:
    url = f"postgresql+asyncpg://user:{SECRET}@127.0.0.1:1/x"
    settings = f"{{url: '{url}', init_db: false}}"
    (folder / "app.yaml").write_text(f"services:\n  cls: DatabaseService\n  settings: {settings}\n")
    code, out, error = rowstead("app", "run", "app.yaml")
    assert (code, out) == (3, "")
    assert "while the service db (app.yaml, line 1) was started" in error
    assert SECRET not in error


# What ends it.


class Running:
    """A `rowstead app run` that is under way."""

    def __init__(self, folder: Path) -> None:
        self._told = folder / "stderr"
        with self._told.open("w") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "rowstead", "app", "run", "app.yaml"],
                cwd=folder,
                env=environment(),
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )

    @property
    def told(self) -> str:
        return self._told.read_text()

    def wait_for(self, words: str) -> None:
        end = time.monotonic() + 60
        while words not in self.told:
            assert self.process.poll() is None, self.told
            assert time.monotonic() < end, f"{words!r} never came: {self.told}"
            time.sleep(0.01)

    def ended(self) -> tuple[int, str]:
        out, _ = self.process.communicate(timeout=60)
        return self.process.returncode, out


@pytest.fixture
def running(folder: Path) -> Iterator[Running]:
    """Starts app.yaml when it is asked for first; nothing of it stays."""
    found = Running(folder)
    yield found
    if found.process.poll() is None:
        found.process.kill()
    found.process.wait()
    assert found.process.stdout is not None
    found.process.stdout.close()


STARTED = "started 2 services\n  a (Task)\n  b (Task)\n"


@pytest.fixture
def sound(folder: Path) -> None:
    write(folder, "name: a", "name: b")


@pytest.fixture
def hangs_in_init(folder: Path) -> None:
    write(folder, "name: a", "name: b, settings: {waits: init}", "name: c")


@pytest.fixture
def hangs_in_close(folder: Path) -> None:
    write(folder, "name: a", "name: b, settings: {waits: close}")


def read_started(running: Running) -> str:
    assert running.process.stdout is not None
    return "".join(running.process.stdout.readline() for _ in STARTED.splitlines())


@pytest.mark.usefixtures("sound")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_stops_the_services_in_reverse(request, number: signal.Signals, code: int) -> None:
    running: Running = request.getfixturevalue("running")
    assert read_started(running) == STARTED
    running.process.send_signal(number)
    assert running.ended() == (code, "")
    assert running.told.endswith("close b\nclose a\nstopped\n")
    assert "Traceback" not in running.told


@pytest.mark.usefixtures("hangs_in_init")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_while_it_starts_closes_what_was_begun(request, number: signal.Signals, code: int) -> None:
    running: Running = request.getfixturevalue("running")
    running.wait_for("init b")
    running.process.send_signal(number)
    assert running.ended() == (code, "")
    assert STEPS.findall(running.told)[-2:] == ["close b", "close a"]
    assert "init c" not in running.told


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.usefixtures("hangs_in_close")
def test_a_second_signal_leaves_a_service_that_does_not_end(request, number: signal.Signals) -> None:
    running: Running = request.getfixturevalue("running")
    read_started(running)
    running.process.send_signal(number)
    running.wait_for("close b")
    running.process.send_signal(signal.SIGTERM)
    assert running.ended()[0] == 128 + number
    # The others are closed all the same.
    assert "close a" in running.told
    assert running.told.endswith("stopped by a second signal, before everything was closed\n")


@pytest.mark.usefixtures("sound")
def test_services_are_stopped_also_where_nobody_reads_what_is_said(request) -> None:
    running: Running = request.getfixturevalue("running")
    assert running.process.stdout is not None
    running.process.stdout.close()
    running.wait_for("init b")
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(timeout=60) == 0
    assert running.told.endswith("close b\nclose a\nstopped\n")
    assert "Traceback" not in running.told


def test_help_knows_the_group_without_loading_a_service() -> None:
    program = (
        "import sys; from rowstead.cli import main\n"
        "try: main(['app', '--help'])\n"
        "except SystemExit: pass\n"
        "print([name for name in ('sqlalchemy', 'pydantic', 'asyncio', 'rowstead.service') "
        "if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert parser().parse_args(["app", "check", "x.yaml"]).imports == []
