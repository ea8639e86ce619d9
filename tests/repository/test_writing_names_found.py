"""Names, classes and defaults that hostile reviewers found mixed up in writes of many rows."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from rowstead.errors import ValidationError
from rowstead.repository import Base, BaseRepository, IntPKMixin, PersistEngine, UpdateMixin

from .conftest import create


class Crossed(Base):
    __abstract__ = True
    metadata = sa.MetaData(naming_convention=Base.metadata.naming_convention)


class Art(Crossed, IntPKMixin):
    """Each attribute is called as the other's column."""

    __tablename__ = "crossed_art"

    name: Mapped[str] = mapped_column("title")
    title: Mapped[str] = mapped_column("name")


class Thing(Crossed, IntPKMixin):
    """The attribute that tells the classes apart has another attribute's column's name."""

    __tablename__ = "crossed_things"
    __mapper_args__ = {"polymorphic_on": "type", "polymorphic_identity": "thing"}  # noqa: RUF012

    type: Mapped[str] = mapped_column("kind", init=False)
    kind: Mapped[str] = mapped_column("type", default="plain")


class Tool(Thing):
    __mapper_args__ = {"polymorphic_identity": "tool"}  # noqa: RUF012

    weight: Mapped[int | None] = mapped_column(default=None)


class Person(Crossed, IntPKMixin):
    """Told apart by an expression."""

    __tablename__ = "crossed_people"

    name: Mapped[str]
    age: Mapped[int] = mapped_column()

    __mapper_args__ = {  # noqa: RUF012
        "polymorphic_on": sa.case((age.column < 18, "child"), else_="adult"),
        "polymorphic_identity": "adult",
    }


class Child(Person):
    __mapper_args__ = {"polymorphic_identity": "child"}  # noqa: RUF012


class Kept(Crossed, IntPKMixin, UpdateMixin):
    __tablename__ = "crossed_kept"

    name: Mapped[str]


@pytest.fixture
async def session(engine: PersistEngine) -> AsyncIterator[AsyncSession]:
    sessions = await create(engine, Art, Thing, Person, Kept)
    async with sessions() as session:
        yield session


async def test_objects_are_written_by_attribute_where_names_cross(session: AsyncSession) -> None:
    repo = BaseRepository(session, Art)
    (given,) = await repo.bulk_insert([Art(name="N", title="T")], commit=True)
    saved = await repo.save(Art(name="N", title="T"), commit=True)
    session.expunge_all()
    for key in (given.id, saved.id):
        found = await repo.get(key)
        assert found is not None
        assert (found.name, found.title) == ("N", "T")
    assert await session.scalar(sa.text("SELECT count(*) FROM crossed_art WHERE title = 'N'")) == 2


async def test_a_subclass_is_found_changed_and_deleted_where_names_cross(session: AsyncSession) -> None:
    things, tools = BaseRepository(session, Thing), BaseRepository(session, Tool)
    await things.add_all([Thing(kind="tool"), Thing(kind="other")])
    await tools.bulk_insert([{"kind": "x"}, {"kind": "y"}])
    assert [one.kind for one in await tools.find(order="kind")] == ["x", "y"]
    assert await tools.update_where({"weight": 3}, {"kind": {"in": ["x", "tool", "other"]}}) == 1
    assert await tools.delete_where({"kind": {"is_null": False}}, commit=True) == 2
    session.expunge_all()
    assert sorted(one.kind for one in await things.find()) == ["other", "tool"]


async def test_a_subclass_by_an_expression_is_read_and_written(session: AsyncSession) -> None:
    people, children = BaseRepository(session, Person), BaseRepository(session, Child)
    await people.bulk_insert([{"name": "a", "age": 40}, {"name": "b", "age": 4}], returning=False)
    await session.commit()
    assert [one.name for one in await children.find()] == ["b"]
    assert await children.count() == 1
    assert not await children.exists({"name": "a"})
    assert await children.find_by(name="a") is None
    assert [one.name async for one in children.iterate(order="name")] == ["b"]
    assert (await children.page(order="name")).count == 1
    assert await children.update_where({"name": "c"}, {"name": {"in": ["a", "b"]}}, commit=True) == 1
    assert await children.delete_where({"id": {"is_not_null": True}}, commit=True) == 1
    session.expunge_all()
    assert [one.name for one in await people.find()] == ["a"]


async def test_a_base_classs_repository_refuses_objects_of_a_subclass(session: AsyncSession) -> None:
    things = BaseRepository(session, Thing)
    with pytest.raises(ValidationError, match="a repository of Tool"):
        await things.bulk_insert([Thing(), Tool(weight=9)])
    (tool,) = await BaseRepository(session, Tool).bulk_insert([Tool(weight=9)])
    assert tool.weight == 9


async def test_a_new_row_was_updated_when_it_was_created(session: AsyncSession) -> None:
    repo = BaseRepository(session, Kept)
    saved = await repo.save(Kept("a"))
    (given,) = await repo.bulk_insert([{"name": "b"}])
    for one in (saved, given):
        assert one.created_at == one.updated_at
    assert await repo.count(where=Kept.created_at == Kept.updated_at) == 2
    saved.name = "c"
    await repo.save(saved)
    assert saved.updated_at > saved.created_at
