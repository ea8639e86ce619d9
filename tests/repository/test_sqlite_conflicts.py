"""Two sessions on one SQLite file: who read before the other wrote is told so at once."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from repository.items import Item
from rowstead import ConflictError
from rowstead.repository import BaseRepository, PersistEngine


@pytest.mark.sqlite
async def test_a_write_behind_an_old_read_is_a_conflict_while_the_other_still_writes(tmp_path: Path) -> None:
    persist = PersistEngine(f"sqlite+aiosqlite:///{tmp_path / 'two.db'}")
    engine, sessions = persist.session()
    async with engine.begin() as connection:
        await connection.run_sync(Item.metadata.create_all, tables=[sa.inspect(Item).local_table])
    async with sessions() as one, sessions() as other:
        assert await BaseRepository(one, Item).count() == 0
        await BaseRepository(other, Item).save(Item(name="theirs"))
        with pytest.raises(ConflictError) as refused:
            await BaseRepository(one, Item).save(Item(name="mine"))
        assert refused.value.retryable
        await other.commit()
        await one.rollback()
        # Run again, it is done.
        await BaseRepository(one, Item).save(Item(name="mine"), commit=True)
        assert await BaseRepository(other, Item).count() == 2
    await persist.dispose_engines()
