"""What statements of many rows leave in their session: its objects, their changes, their versions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from repository.conftest import create
from repository.written_models import MODELS, Errand, Link, Node
from rowstead.errors import ConflictError
from rowstead.repository import BaseRepository, PersistEngine, transactional

Sessions = async_sessionmaker[AsyncSession]


@pytest.fixture
async def sessions(engine: PersistEngine) -> Sessions:
    return await create(engine, *MODELS)


@pytest.fixture
async def session(sessions: Sessions) -> AsyncIterator[AsyncSession]:
    async with sessions() as session:
        yield session


@pytest.fixture
def errands(session: AsyncSession) -> BaseRepository[Errand]:
    return BaseRepository(session, Errand)


async def stored(session: AsyncSession, *columns: Any) -> list[tuple[Any, ...]]:
    """The rows themselves, whatever the session's objects say."""
    return [tuple(row) for row in await session.execute(sa.select(*columns).order_by(columns[0]))]


# Objects that leave with others


async def test_a_deletion_whose_objects_take_others_along_is_kept(session: AsyncSession) -> None:
    nodes = BaseRepository(session, Node)
    root = await nodes.save(Node(name="root", children=[Node(name="child")]), commit=True)
    child = root.children[0]
    other = await nodes.save(Node(name="other"), commit=True)
    assert await nodes.delete_where({"id": root.id}, commit=True) == 1
    assert root not in session
    assert child not in session
    assert other in session
    assert await stored(session, Node.name) == [("other",)]


async def test_what_a_deletion_empties_is_read_anew(session: AsyncSession) -> None:
    links = BaseRepository(session, Link)
    first = await links.save(Link(name="first"))
    second = await links.save(Link(name="second", before=first.id))
    assert await links.delete_where({"id": first.id}) == 1
    assert second.before is None
    assert second in session


# Changes that are not written yet


@pytest.mark.parametrize("write", ["update", "update by expression", "delete", "upsert"])
async def test_a_change_that_is_not_written_yet_outlives_a_write_of_other_rows(
    sessions: Sessions, write: str
) -> None:
    async with sessions(autoflush=False) as session:
        errands = BaseRepository(session, Errand)
        one, _ = await errands.add_all([Errand(name="one"), Errand(name="two")], commit=True)
        one.name = "changed"
        if write == "update":
            await errands.update_where({"n": 5}, {"name": "two"})
        elif write == "update by expression":
            await errands.update_where({"n": 5}, Errand.name == "two")
        elif write == "delete":
            await errands.delete_where({"name": "two"})
        else:
            await errands.bulk_insert(
                [{"name": "two", "n": 5}], on_conflict="update", on_conflict_index_elements=["name"]
            )
        assert one.name == "changed"
        await errands.save(one, commit=True)
        assert ("changed",) in await stored(session, Errand.name)


@pytest.mark.parametrize("write", ["update", "upsert"])
async def test_a_change_that_is_not_written_yet_outlives_a_write_of_its_own_row(
    sessions: Sessions, write: str
) -> None:
    async with sessions(autoflush=False) as session:
        errands = BaseRepository(session, Errand)
        one = await errands.save(Errand(name="one"), commit=True)
        one.notes = "mine"
        if write == "update":
            assert await errands.update_where({"n": 5, "notes": "theirs"}, {"name": "one"}) == 1
        else:
            await errands.bulk_insert(
                [{"name": "one", "n": 5, "notes": "theirs"}],
                on_conflict="update",
                on_conflict_index_elements=["name"],
            )
        assert (one.n, one.total, one.notes) == (5, 6, "mine")
        await errands.save(one, commit=True)
        assert await stored(session, Errand.n, Errand.notes) == [(5, "mine")]


# Values that tell of their own changes


async def test_a_value_of_an_inserted_object_tells_of_its_change(errands: BaseRepository[Errand]) -> None:
    (one,) = await errands.bulk_insert([{"name": "one", "data": {"q": 1}}])
    one.data["z"] = 1
    await errands.save(one, commit=True)
    assert await stored(errands.session, Errand.name, Errand.data) == [("one", {"q": 1, "z": 1})]


@pytest.mark.parametrize("write", ["update", "upsert"])
async def test_a_value_that_a_write_gave_an_object_tells_of_its_change(
    errands: BaseRepository[Errand], write: str
) -> None:
    one = await errands.save(Errand(name="one"), commit=True)
    if write == "update":
        await errands.update_where({"data": {"q": 2}}, {"name": "one"})
    else:
        await errands.bulk_insert(
            [{"name": "one", "data": {"q": 2}}], on_conflict="update", on_conflict_index_elements=["name"]
        )
    one.data["z"] = 2
    await errands.save(one, commit=True)
    assert await stored(errands.session, Errand.name, Errand.data) == [("one", {"q": 2, "z": 2})]


# Versions


@pytest.mark.parametrize("write", ["update", "delete"])
async def test_a_write_of_other_rows_does_not_hide_that_somebody_changed_an_objects_row(
    sessions: Sessions, write: str
) -> None:
    async with sessions() as session, sessions() as elsewhere:
        mine, theirs = BaseRepository(session, Errand), BaseRepository(elsewhere, Errand)
        one, _ = await mine.add_all([Errand(name="one"), Errand(name="two")], commit=True)
        other = await theirs.get(one.id)
        assert other is not None
        other.n = 7
        await theirs.save(other, commit=True)
        if write == "update":
            await mine.update_where({"n": 1}, {"name": "two"}, commit=True)
        else:
            await mine.delete_where({"name": "two"}, commit=True)
        one.n = 1
        with pytest.raises(ConflictError):
            await mine.save(one, commit=True)


async def test_only_the_objects_of_changed_rows_are_read_anew(
    errands: BaseRepository[Errand], session: AsyncSession
) -> None:
    many = await errands.add_all([Errand(name=f"w{n}") for n in range(1100)], commit=True)
    sent: list[str] = []
    connection = (await session.connection()).sync_connection

    def note(*arguments: Any) -> None:
        sent.append(arguments[2])

    event.listen(connection, "before_cursor_execute", note)
    assert await errands.update_where({"n": 3}, {"name": {"in": ["w1", "w1099"]}}) == 2
    assert (many[1].n, many[1].version, many[1099].n, many[2].n) == (3, 2, 3, 0)
    assert len([text for text in sent if "SELECT" in text and "errands.id" in text]) <= 2


async def test_what_hangs_on_a_changed_column_is_read_anew(
    errands: BaseRepository[Errand], session: AsyncSession
) -> None:
    a, b = await BaseRepository(session, Node).add_all([Node(name="a"), Node(name="b")])
    one = await errands.save(Errand(name="one", node_id=a.id), commit=True)
    session.expunge_all()
    one = await errands.get(one.id)
    assert one is not None
    assert one.node is not None
    assert one.node.name == "a"
    await errands.update_where({"node_id": b.id}, {"name": "one"})
    assert one.node.name == "b"


# Savepoints


async def test_a_savepoint_that_is_rolled_back_leaves_no_ghosts(
    errands: BaseRepository[Errand], session: AsyncSession
) -> None:
    links = BaseRepository(session, Link)
    kept, removed, upserted = await errands.add_all(
        [Errand(name="kept"), Errand(name="removed"), Errand(name="upserted")], commit=True
    )
    async with transactional(session):
        with pytest.raises(KeyError):
            async with transactional(session):
                (ghost,) = await links.bulk_insert([{"name": "ghost"}])
                await errands.update_where({"n": 99}, {"name": "kept"})
                await errands.delete_where({"name": "removed"})
                await errands.bulk_insert(
                    [{"name": "upserted", "n": 99}],
                    on_conflict="update",
                    on_conflict_index_elements=["name"],
                )
                raise KeyError
        assert ghost not in session
        assert await links.find_by(name="ghost") is None
        assert (kept.n, kept.version, upserted.n) == (0, 1, 0)
        assert removed in session
        kept.n = removed.n = 5
        await errands.add_all([kept, removed])
    rows = await stored(session, Errand.name, Errand.n)
    assert rows == [("kept", 5), ("removed", 5), ("upserted", 0)]


async def test_a_savepoint_that_is_kept_leaves_its_objects_to_the_block_around_it(
    session: AsyncSession,
) -> None:
    links = BaseRepository(session, Link)
    with pytest.raises(KeyError):
        async with transactional(session):
            async with transactional(session):
                (ghost,) = await links.bulk_insert([{"name": "ghost"}])
            assert ghost in session
            raise KeyError
    assert ghost not in session
    await links.save(ghost, commit=True)
    assert await stored(session, Link.name) == [("ghost",)]
    await session.rollback()
    assert ghost in session
