"""Bounds that were missing once: how many rows one call may bring."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rowstead import DB
from rowstead.service import FixtureService, ValidationError
from service.services import Tasks, some


class Few(Tasks):
    MAX_CREATE_ROWS = 3


def endless() -> Iterator[Any]:
    while True:
        yield {"name": "t"}


async def test_more_new_rows_than_are_allowed_are_refused_before_they_are_read(db: DB) -> None:
    service = Few(db, name="tasks")
    assert len(await service.m_create(some(3)) or ()) == 3
    with pytest.raises(ValidationError, match=r"tasks.m_create takes at most 3 rows in one call"):
        await service.m_create(endless())
    with pytest.raises(ValidationError, match="at most 100000 rows"):
        await Tasks(db, name="tasks").m_create(endless())
    assert await service.count() == 3


async def test_the_bound_of_callers_does_not_keep_a_files_rows_from_their_table(
    db: DB, tmp_path: Path
) -> None:
    (tmp_path / "tasks.json").write_text(json.dumps(some(7)))
    service = Few(db, name="tasks")
    assert await FixtureService(services=[service], root_dir=tmp_path).load() == {"tasks": 7}
    assert await service.count() == 7
