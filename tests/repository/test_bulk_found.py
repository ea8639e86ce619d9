"""What `bulk_insert` makes of objects, of defaults, of types of PostgreSQL's, and of what is no row."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import INT4RANGE, TSTZMULTIRANGE, Range
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import Mapped, mapped_column

from repository.conftest import Place, create
from repository.written_models import MODELS, Errand, Node, Written
from rowstead.errors import ValidationError
from rowstead.repository import BaseRepository, IntPKMixin, PersistEngine, VersionMixin
from servers import with_driver

Sessions = async_sessionmaker[AsyncSession]
NUMBERS = sa.Sequence("numbers", metadata=Written.metadata)
SERVED = sa.Sequence("served", metadata=Written.metadata)


class Numbered(Written):
    """Whose key a sequence gives, by SQLAlchemy."""

    __tablename__ = "numbered"

    id: Mapped[int] = mapped_column(NUMBERS, primary_key=True, init=False)
    name: Mapped[str]


class Served(Written):
    """Whose key a sequence gives, by the database."""

    __tablename__ = "served_rows"

    id: Mapped[int] = mapped_column(SERVED, primary_key=True, init=False, server_default=SERVED.next_value())
    name: Mapped[str]


class Contact(Written, IntPKMixin):
    __tablename__ = "contacts"

    name: Mapped[str] = mapped_column(unique=True)
    age: Mapped[int | None] = mapped_column(default=None)
    rank: Mapped[int | None] = mapped_column(default=3)


class Span(Written, IntPKMixin):
    """Of types that only PostgreSQL has."""

    __tablename__ = "spans"

    numbers: Mapped[Any] = mapped_column(INT4RANGE, nullable=True, default=None)
    times: Mapped[Any] = mapped_column(TSTZMULTIRANGE, nullable=True, default=None)


@pytest.fixture
async def sessions(engine: PersistEngine) -> Sessions:
    return await create(engine, *MODELS, Contact)


async def test_an_upsert_of_objects_sets_null(sessions: Sessions) -> None:
    async with sessions() as session:
        contacts = BaseRepository(session, Contact)
        one = await contacts.save(Contact(name="one", age=30, rank=7), commit=True)

        async def upsert(given: Contact) -> None:
            await contacts.bulk_insert([given], on_conflict="update", on_conflict_index_elements=Contact.name)

        await upsert(Contact(name="one", rank=8))
        assert (one.age, one.rank) == (30, 8)
        await upsert(Contact(name="one", age=None))
        assert (one.age, one.rank) == (None, 8)
        assert [x.name for x in await contacts.find()] == ["one"]


async def test_an_object_whose_relationship_would_be_lost_is_refused(sessions: Sessions) -> None:
    async with sessions() as session:
        nodes, errands = BaseRepository(session, Node), BaseRepository(session, Errand)
        node = await nodes.save(Node(name="node"))
        with pytest.raises(ValidationError, match=r"Errand\.node is a relationship"):
            await errands.bulk_insert([Errand(name="one", node=node)])
        with pytest.raises(ValidationError, match=r"Node\.children is a relationship"):
            await nodes.bulk_insert([Node(name="parent", children=[Node(name="child")])])
        (one,) = await errands.bulk_insert([Errand(name="one", node_id=node.id, node=node)])
        assert one.node_id == node.id


async def test_what_is_no_list_of_rows_is_refused(sessions: Sessions) -> None:
    async with sessions() as session:
        errands: Any = BaseRepository(session, Errand)
        for given in (None, {"name": "x"}, "name", 3):
            with pytest.raises(ValidationError, match="takes several rows"):
                await errands.bulk_insert(given)
        with pytest.raises(ValidationError, match="deleted is"):
            await errands.find(deleted=[])


async def test_a_key_of_a_sequence_is_left_to_who_can_give_it(engine: PersistEngine, place: Place) -> None:
    below, sessions = engine.session()
    async with below.begin() as connection:
        await connection.run_sync(Numbered.__table__.create)
    async with sessions() as session:
        numbered = BaseRepository(session, Numbered)
        if place.is_sqlite:
            (one,) = await numbered.bulk_insert([{"name": "one"}])
            assert one.id == 1
        else:
            with pytest.raises(ValidationError, match="server_default=sequence"):
                await numbered.bulk_insert([{"name": "one"}])


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_a_sequence_that_the_database_asks_too_gives_keys_to_many_rows(
    postgres_url: str, driver: str
) -> None:
    async with PersistEngine(with_driver(postgres_url, driver)) as engine:
        sessions = await create(engine, Served)
        async with sessions() as session:
            served = BaseRepository(session, Served)
            assert (await served.save(Served(name="one"))).id == 1
            found = await served.bulk_insert([{"name": "two"}, Served(name="three")])
            assert [(x.id, x.name) for x in found] == [(2, "two"), (3, "three")]


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_ranges_are_written_alike_by_objects_and_by_many_rows(postgres_url: str, driver: str) -> None:
    async with PersistEngine(with_driver(postgres_url, driver)) as engine:
        sessions = await create(engine, Span)
        async with sessions() as session:
            spans = BaseRepository(session, Span)
            await spans.save(Span(numbers=Range(1, 5)))
            (one,) = await spans.bulk_insert([{"numbers": Range(2, 6), "times": [Range(None, None)]}])
            assert (one.numbers, list(one.times)) == (Range(2, 6), [Range(None, None, bounds="()")])
            assert await spans.update_where({"numbers": Range(3, 7)}, {"numbers": Range(2, 6)}) == 1
            assert one.numbers == Range(3, 7)
            many = await spans.bulk_insert([{"numbers": Range(n, n + 1)} for n in range(60)], returning=False)
            assert many == 60
            session.expunge_all()
            found = [x.numbers for x in await spans.find(order="id")]
            assert found[:3] == [Range(1, 5), Range(3, 7), Range(0, 1)]


def test_a_version_that_is_named_by_a_text_is_refused_and_the_advice_works() -> None:
    with pytest.raises(ValidationError, match=r"VersionMixin\.version"):

        class Wrong(Written, IntPKMixin, VersionMixin):  # pyright: ignore[reportUnusedClass]
            __tablename__ = "wrong_versions"
            __mapper_args__ = {"version_id_col": "version"}  # noqa: RUF012

    class Right(Written, IntPKMixin, VersionMixin):
        __tablename__ = "right_versions"
        __mapper_args__ = {"version_id_col": VersionMixin.version}  # noqa: RUF012

    assert sa.inspect(Right).version_id_col is Right.__table__.c.version


def test_a_database_that_nobody_knows_is_an_error_of_ours() -> None:
    with pytest.raises(ValidationError, match=r"knows no foo\+bar"):
        PersistEngine("foo+bar://server/database").engine()


async def test_a_plain_json_column_is_compared_as_everywhere(sessions: Sessions) -> None:
    async with sessions() as session:
        errands = BaseRepository(session, Errand)
        await errands.bulk_insert([{"name": "one", "data": {"a": 1}}, {"name": "two", "data": {"b": [2]}}])
        assert [x.name for x in await errands.find({"data": {"eq": {"a": 1}}})] == ["one"]
        assert [x.name for x in await errands.find({"data": {"ne": {"a": 1}}})] == ["two"]
        assert await errands.update_where({"n": 4}, {"data": {"not": {"a": 1}}}) == 1
        assert [x.name for x in await errands.find({"n": 4})] == ["two"]


async def test_none_is_null_in_a_json_column_of_many_rows(sessions: Sessions) -> None:
    async with sessions() as session:
        errands = BaseRepository(session, Errand)
        await errands.bulk_insert([{"name": "one", "extra": None}])
        assert [x.name for x in await errands.find({"extra": None})] == ["one"]
