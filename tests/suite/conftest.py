"""The core's behaviours run on MariaDB too: by asyncmy in the asynchronous world, PyMySQL in the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import Backend, backend_of
from type_cases import CASES, Case

NOT_ON_MARIADB = frozenset({"test_rows_defects_migrations.py"})
"""It wants schema changes undone. What migrations do there is in tests/migrations."""
CASES_BY_NAME = {case.name: case for case in CASES}


@pytest.fixture(params=["sqlite", "asyncpg", "psycopg", "mariadb"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    """Each backend of the asynchronous world, with an empty database."""
    return backend_of(request, tmp_path)


@pytest.fixture(params=["sqlite", "psycopg", "mariadb"])
def sync_backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    """Each backend of the synchronous world, with an empty database."""
    return backend_of(request, tmp_path)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What MariaDB has no column for is not asked of it; `test_mariadb.py` says what it does instead."""
    left_out = [item for item in items if _lacks_type(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not _lacks_type(item)]


def _lacks_type(item: pytest.Item) -> bool:
    asked = getattr(item, "callspec", None)
    if asked is None or asked.params.get("backend") != "mariadb":
        return False
    if item.path.name in NOT_ON_MARIADB:
        return True
    case = asked.params.get("case") or CASES_BY_NAME.get(asked.params.get("name"))
    return isinstance(case, Case) and case.maria is None
