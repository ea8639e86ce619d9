"""Which tests run: `TEST_DB_BACKEND`, `SKIP_DB_TESTS`, and the marks that `pytest -m` chooses by.

    TEST_DB_BACKEND=sqlite make test          no server is started
    TEST_DB_BACKEND=postgresql make test      also mariadb, both (SQLite and PostgreSQL) and all
    SKIP_DB_TESTS=true make test              the same as pytest -m "not db"
    pytest -m "db and postgresql"

Nobody writes these marks by hand: a test that opens a database has `db` and the mark of each database, found
from the parameters and fixtures that it asks for, else from the folder or file that it stands in. A test may
still say it itself, by `@pytest.mark.sqlite` and its like. Without a switch every test runs.

A server's address is hidden from a test that is not marked with it, so that a missing mark is a failure and
not a test that `TEST_DB_BACKEND=sqlite` runs by mistake.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Mapping

import pytest

import with_mariadb
import with_postgres

MARKS: Mapping[str, str] = {
    "db": "opens a database",
    "sqlite": "opens a SQLite database",
    "postgresql": "needs a PostgreSQL server",
    "mariadb": "needs a MariaDB server",
}
SQLITE, POSTGRESQL, MARIADB = frozenset({"sqlite"}), frozenset({"postgresql"}), frozenset({"mariadb"})
DATABASES = SQLITE | POSTGRESQL | MARIADB

CHOICES: Mapping[str, frozenset[str]] = {
    "": DATABASES,
    "all": DATABASES,
    "both": SQLITE | POSTGRESQL,
    **{name: frozenset({name}) for name in DATABASES},
}
"""What TEST_DB_BACKEND may say -> the databases whose tests run."""

TRUE, FALSE = frozenset({"true", "1"}), frozenset({"false", "0", ""})

WORDS: Mapping[str, frozenset[str]] = {
    "sqlite": SQLITE,
    "aiosqlite": SQLITE,
    "memory": SQLITE,
    "postgresql": POSTGRESQL,
    "asyncpg": POSTGRESQL,
    "psycopg": POSTGRESQL,
    "mariadb": MARIADB,
    "mysql": MARIADB,
    "asyncmy": MARIADB,
    "aiomysql": MARIADB,
    "pymysql": MARIADB,
}
"""Words of a parameter, as in `sync psycopg` -> the database that it runs on."""

PARAMETERS = frozenset({"backend", "sync_backend", "place", "fresh", "engine", "handles"})
"""The parameters whose values say where a test runs. Others may name a database that nobody opens."""

FIXTURES: Mapping[str, frozenset[str]] = {
    "postgres_server": POSTGRESQL,
    "postgres_stage": POSTGRESQL,
    "sqlite_stage": SQLITE,
    "mariadb_server": MARIADB,
    "mariadb_url": MARIADB,
    # tests/faults: a database behind a pooler, a primary with its standby.
    "pooler": POSTGRESQL,
    "cluster": POSTGRESQL,
}

SERVERS: Mapping[str, str] = {"postgresql": with_postgres.VARIABLE, "mariadb": with_mariadb.VARIABLE}
"""Mark -> the variable with the address of its server."""

NOTHING: frozenset[str] = frozenset()

PLACES: Mapping[str, frozenset[str]] = {
    "tests/cli/": SQLITE,
    "tests/cli/test_codegen.py": NOTHING,
    "tests/cli/test_db_lint": NOTHING,
    "tests/codegen/test_dynamic.py::test_under_asyncio": SQLITE,
    "tests/codegen/test_source.py::test_relationships_that_are_not_loaded": SQLITE,
    "tests/examples/": SQLITE,
    "tests/faults/": SQLITE,
    "tests/faults/test_exhaustion.py": POSTGRESQL,
    "tests/faults/test_failover.py": POSTGRESQL,
    "tests/faults/test_figures.py": NOTHING,
    "tests/faults/test_pooler": POSTGRESQL,
    "tests/faults/test_replicas.py": POSTGRESQL,
    "tests/faults/test_soak.py": POSTGRESQL,
    "tests/faults/test_wire.py": POSTGRESQL,
    "tests/guides/": SQLITE,
    "tests/kit/": SQLITE,
    "tests/kit/test_builders.py": NOTHING,
    "tests/kit/test_catalogue.py": NOTHING,
    "tests/kit/test_checks.py": NOTHING,
    "tests/kit/test_codes.py": NOTHING,
    "tests/kit/test_keys.py": NOTHING,
    "tests/kit/test_migrate_list.py": NOTHING,
    "tests/kit/test_names.py": NOTHING,
    "tests/kit/test_rules.py": NOTHING,
    "tests/kit/test_rules.py::test_a_text_with_a_nul": SQLITE,
    "tests/migrations/test_handles.py": SQLITE,
    "tests/kit/test_migrate_pairs.py::test_the_comparison_sees_one_constraint_less[psycopg]": POSTGRESQL,
    "tests/kit/test_quiet.py::test_control": POSTGRESQL,
    "tests/peers/": SQLITE,
    "tests/repository/test_engine": SQLITE,
    "tests/spelling/test_other_dialects.py::test_the_last_statement": SQLITE,
    "tests/suite/": SQLITE,
    "tests/suite/test_postgres_drivers.py": NOTHING,
    "tests/test_decimals.py": SQLITE,
    "tests/test_docs.py::test_the_snippet_runs": SQLITE,
    "tests/test_servers.py": POSTGRESQL,
}
"""Where a test stands that names no database -> what it opens; the longest beginning of its id counts."""


class UnknownChoice(pytest.UsageError):
    """A switch says something that it cannot; the message names the words that it can."""


def chosen(environment: Mapping[str, str]) -> frozenset[str]:
    """The databases whose tests are to run; none where they are to be skipped. Raises UnknownChoice."""
    skip = environment.get("SKIP_DB_TESTS", "")
    if skip not in TRUE | FALSE:
        raise UnknownChoice(f"SKIP_DB_TESTS is true or false, not {skip!r}")
    backend = environment.get("TEST_DB_BACKEND", "")
    if backend not in CHOICES:
        known = ", ".join(sorted(name for name in CHOICES if name))
        raise UnknownChoice(f"TEST_DB_BACKEND is one of {known}, not {backend!r}")
    return frozenset() if skip in TRUE else CHOICES[backend]


def opened(item: pytest.Item) -> frozenset[str]:
    """The databases that a test opens: what it says, else what it asks for, else what its place says."""
    said = {mark.name for mark in item.iter_markers()}
    return frozenset(said & DATABASES) or _asked_for(item) or _usual(item.nodeid)


def _asked_for(item: pytest.Item) -> frozenset[str]:
    """By its fixtures and parameters."""
    found = [FIXTURES[name] for name in getattr(item, "fixturenames", ()) if name in FIXTURES]
    call = getattr(item, "callspec", None)
    for name, value in (call.params if call is not None else {}).items():
        if name in PARAMETERS and isinstance(value, str):
            found += [WORDS[word] for word in value.split() if word in WORDS]
    return frozenset[str]().union(*found)


def _usual(nodeid: str) -> frozenset[str]:
    beginnings = [place for place in PLACES if nodeid.startswith(place)]
    return PLACES[max(beginnings, key=len)] if beginnings else frozenset()


# ── what pytest calls ────────────────────────────────────────────────────────────────────────


def pytest_configure(config: pytest.Config) -> None:
    for name, meaning in MARKS.items():
        config.addinivalue_line("markers", f"{name}: {meaning}")
    chosen(os.environ)


# First, so that `-m` finds the marks.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    allowed = chosen(os.environ)
    left_out = list(_marked(items, allowed))
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        out = set(left_out)
        items[:] = [item for item in items if item not in out]


def _marked(items: list[pytest.Item], allowed: frozenset[str]) -> Iterator[pytest.Item]:
    """Put its marks on each test; those that are left out."""
    for item in items:
        databases = opened(item)
        said = {mark.name for mark in item.iter_markers()}
        for name in (databases | {"db"} if databases else databases) - said:
            item.add_marker(name)
        if not databases <= allowed or ("db" in said and not allowed):
            yield item


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Hide the servers that the test has no mark of."""
    hidden = {
        variable: os.environ.pop(variable)
        for mark, variable in SERVERS.items()
        if variable in os.environ and item.get_closest_marker(mark) is None
    }
    try:
        return (yield)
    finally:
        os.environ.update(hidden)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where a test failed for want of a server, say that it may be for want of a mark."""
    report = yield
    if report.failed and any(
        f"{variable} is not set" in report.longreprtext for variable in SERVERS.values()
    ):
        marks = ", ".join(sorted(opened(item))) or "no database"
        report.sections.append(
            ("switches", f"this test is marked with {marks}; tests/switches.py says how a test gets its mark")
        )
    return report
