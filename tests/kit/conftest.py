"""Databases of the kit on each backend of the synchronous world, made of schemas and closed afterwards.

def test_a_row_comes_back(make):
    db = make(shop())
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import pytest

from conftest import Backend
from rowstead.kit import Database

Make: TypeAlias = Callable[[Any], Database]


@pytest.fixture
def make(sync_backend: Backend) -> Iterator[Make]:
    """Makes the test's database with a schema; once per test."""
    made: list[Database] = []

    def create(schema: Any) -> Database:
        made.append(Database.create(sync_backend.url, schema))
        return made[-1]

    yield create
    for database in made:
        database.close()
