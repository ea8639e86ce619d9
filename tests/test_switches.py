"""The switches that choose tests: each is given to a pytest of its own, and what it collects is compared."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from switches import CHOICES, MARKS, SERVERS, UnknownChoice, chosen

ROOT = Path(__file__).parent.parent
FILES = (
    "tests/suite/test_rows_crud.py",  # every backend, by a parameter
    "tests/suite/test_rows_sync.py",
    "tests/suite/test_sqlite_driver.py",  # SQLite, by its place
    "tests/kit/test_sequences_far.py",  # PostgreSQL, by a fixture
    "tests/test_hydrate.py",  # no database
)
SWITCHES = ("TEST_DB_BACKEND", "SKIP_DB_TESTS")
DRIVERS = {"sqlite": "sqlite", "asyncpg": "postgresql", "psycopg": "postgresql", "mariadb": "mariadb"}


def pytest_with(*arguments: str, **switches: str) -> subprocess.CompletedProcess[str]:
    """A pytest of its own, in a process without any server."""
    away = {*SWITCHES, *SERVERS.values()}
    environment = {name: value for name, value in os.environ.items() if name not in away}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        env=environment | switches,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def collected(*arguments: str, **switches: str) -> frozenset[str]:
    done = pytest_with("--collect-only", "-q", *arguments, *FILES, **switches)
    assert done.returncode == 0, done.stdout + done.stderr
    return frozenset(line for line in done.stdout.splitlines() if "::" in line)


@pytest.fixture(scope="module")
def everything() -> frozenset[str]:
    return collected()


def of(everything: frozenset[str], *databases: str) -> frozenset[str]:
    """The tests on these databases, told by their ids and files: not by what is tested here."""
    return frozenset(test for test in everything if database_of(test) in databases)


def database_of(test: str) -> str:
    file, _, name = test.partition("::")
    if file.endswith("test_sqlite_driver.py"):
        return "sqlite"
    if file.endswith("test_sequences_far.py"):
        return "postgresql"
    if file.endswith("test_hydrate.py"):
        return ""
    words = name.partition("[")[2].rstrip("]").split("-")
    return next(DRIVERS[word] for word in words if word in DRIVERS)


def test_without_a_switch_every_test_runs(everything: frozenset[str]) -> None:
    told = {database_of(test) for test in everything}
    assert told >= {"", "sqlite", "postgresql"}
    assert everything == of(everything, *told)
    assert everything == collected(TEST_DB_BACKEND="all", SKIP_DB_TESTS="false")


@pytest.mark.parametrize("backend", ["sqlite", "postgresql", "mariadb", "both"])
def test_a_backend_is_chosen_and_tests_without_any_run_too(everything: frozenset[str], backend: str) -> None:
    wanted = ("sqlite", "postgresql") if backend == "both" else (backend,)
    assert collected(TEST_DB_BACKEND=backend) == of(everything, "", *wanted)


def test_tests_on_databases_are_skipped_by_the_switch_and_by_the_mark(everything: frozenset[str]) -> None:
    assert collected(SKIP_DB_TESTS="true") == of(everything, "") != frozenset()
    assert collected("-m", "not db") == of(everything, "")
    assert collected("-m", "db") == everything - of(everything, "")


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_database_is_chosen_by_its_mark(everything: frozenset[str], database: str) -> None:
    assert collected("-m", f"db and {database}") == of(everything, database) != frozenset()


def test_both_switches_together_are_stricter(everything: frozenset[str]) -> None:
    assert collected("-m", "db", TEST_DB_BACKEND="sqlite") == of(everything, "sqlite")


def test_marks_are_known_to_pytest() -> None:
    told = pytest_with("--markers").stdout
    assert [name for name, meaning in MARKS.items() if f"@pytest.mark.{name}: {meaning}" not in told] == []


def test_a_word_that_is_none_stops_the_run_and_names_those_that_are() -> None:
    done = pytest_with("--collect-only", "-q", "tests/test_hydrate.py", TEST_DB_BACKEND="postgres")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "TEST_DB_BACKEND is one of all, both, mariadb, postgresql, sqlite, not 'postgres'" in done.stderr
    with pytest.raises(UnknownChoice, match="SKIP_DB_TESTS is true or false, not 'maybe'"):
        chosen({"SKIP_DB_TESTS": "maybe"})


def test_on_sqlite_alone_tests_pass_without_a_server() -> None:
    done = pytest_with("-q", "tests/suite/test_rows_crud.py", TEST_DB_BACKEND="sqlite")
    assert (done.returncode, " failed" in done.stdout, " deselected" in done.stdout) == (0, False, True)


def test_a_test_that_lacks_its_mark_finds_no_server_and_is_told_why(tmp_path: Path) -> None:
    """The control: what the marks would miss is a failure, though a server is there."""
    program = "from servers import Server\n\ndef test_unmarked():\n    Server.from_environment()\n"
    unmarked = tmp_path / "test_unmarked.py"
    unmarked.write_text(program)
    words = (
        "-q",
        "-p",
        "switches",
        "-c",
        str(ROOT / "pyproject.toml"),
        "--rootdir",
        str(ROOT),
        str(unmarked),
    )
    paths = os.pathsep.join([str(ROOT / "tests"), str(ROOT / "scripts")])
    environment = {"ROWSTEAD_TEST_POSTGRES": "postgresql://somewhere", "PYTHONPATH": paths}
    done = pytest_with(*words, **environment)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    assert "this test is marked with no database" in done.stdout
    unmarked.write_text(f"import pytest\npytestmark = pytest.mark.postgresql\n{program}")
    done = pytest_with(*words, **environment)
    assert done.returncode == pytest.ExitCode.OK, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("switches", "servers"),
    [
        ({}, ["with_postgres.py", "with_mariadb.py"]),
        ({"TEST_DB_BACKEND": "sqlite"}, []),
        ({"TEST_DB_BACKEND": "postgresql"}, ["with_postgres.py"]),
        ({"TEST_DB_BACKEND": "mariadb"}, ["with_mariadb.py"]),
        ({"TEST_DB_BACKEND": "both"}, ["with_postgres.py"]),
        ({"TEST_DB_BACKEND": "all"}, ["with_postgres.py", "with_mariadb.py"]),
        ({"SKIP_DB_TESTS": "true"}, []),
        ({"SKIP_DB_TESTS": "false", "TEST_DB_BACKEND": "sqlite"}, []),
    ],
)
def test_make_test_starts_only_the_servers_that_are_needed(
    switches: dict[str, str], servers: list[str]
) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in SWITCHES}
    words = made("test", environment | switches).split()
    assert [Path(word).name for word in words if word.startswith("scripts/with_")] == servers
    assert "pytest" in words


def test_make_knows_every_backend_that_the_tests_know() -> None:
    text = (ROOT / "Makefile").read_text()
    assert [name for name in CHOICES if name != "sqlite" and f"\nBESIDE_{name} :=" not in text] == []


def test_make_pyright_is_make_types() -> None:
    assert made("pyright", os.environ) == made("types", os.environ)
    assert "-m pyright" in made("pyright", os.environ)


def made(target: str, environment: os._Environ[str] | dict[str, str]) -> str:
    """The last command of a target, as make would run it."""
    # A make that runs these tests hands its own flags down.
    clean = {name: value for name, value in environment.items() if not name.startswith("MAKE")}
    done = subprocess.run(
        ["make", "-n", target], cwd=ROOT, env=clean, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()[-1]
