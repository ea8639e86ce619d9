"""Keys, timestamps, soft deletion and versions, as models get them from the mixins."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.orm.exc import StaleDataError

from repository.conftest import Place, create
from rowstead.errors import ValidationError
from rowstead.repository import (
    Base,
    BaseRepository,
    IntPKMixin,
    PersistEngine,
    PGUUIDPKMixin,
    SoftDeleteMixin,
    TimestampMixin,
    UpdateMixin,
    UUIDPKMixin,
    VersionMixin,
)

Sessions = async_sessionmaker[AsyncSession]
UTC = datetime.UTC


class Known(Base, UUIDPKMixin):
    __tablename__ = "mixins_known"

    name: Mapped[str]


class Made(Base, PGUUIDPKMixin):
    __tablename__ = "mixins_made"

    name: Mapped[str]


class Counted(Base, IntPKMixin, UpdateMixin):
    __tablename__ = "mixins_counted"

    name: Mapped[str] = mapped_column(unique=True)
    size: Mapped[int] = mapped_column(default=0, server_default="0")


class Kept(Base, IntPKMixin, SoftDeleteMixin, UpdateMixin):
    __tablename__ = "mixins_kept"

    name: Mapped[str]


class Versioned(Base, IntPKMixin, VersionMixin):
    __tablename__ = "mixins_versioned"

    name: Mapped[str]


MODELS = (Known, Made, Counted, Kept, Versioned)


@pytest.fixture
async def sessions(engine: PersistEngine) -> Sessions:
    return await create(engine, *MODELS)


@pytest.fixture
async def session(sessions: Sessions) -> AsyncIterator[AsyncSession]:
    async with sessions() as session:
        yield session


async def raw(session: AsyncSession, text: str) -> Any:
    return (await session.execute(sa.text(text))).first()


async def test_a_uuid_is_known_before_the_row_is_written(session: AsyncSession) -> None:
    given = uuid.uuid4()
    assert Known(name="a", id=given).id == given
    one, other = Known(name="a"), Known(name="b")
    assert one.id.version == 4
    assert one.id != other.id
    session.add(one)
    before = one.id
    await session.flush()
    assert one.id == before
    with pytest.raises(TypeError):
        Known("a", given)  # type: ignore[misc]


async def test_a_uuid_of_the_database_comes_with_the_row(session: AsyncSession, place: Place) -> None:
    with pytest.raises(TypeError):
        Made(name="a", id=uuid.uuid4())  # type: ignore[call-arg]
    models = [Made(name=str(number)) for number in range(20)]
    assert models[0].id is None
    session.add_all(models)
    await session.flush()
    assert {(type(model.id), model.id.version, model.id.variant) for model in models} == {
        (uuid.UUID, 4, uuid.RFC_4122)
    }
    assert len({model.id for model in models}) == 20


async def test_the_database_really_makes_the_uuid(
    engine: PersistEngine, session: AsyncSession, place: Place
) -> None:
    sent: list[tuple[str, Any]] = []

    @sa.event.listens_for(engine.engine().sync_engine, "before_cursor_execute")
    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        sent.append((statement, parameters))

    session.add(Made(name="a"))
    await session.flush()
    ((statement, parameters),) = [one for one in sent if one[0].startswith("INSERT")]
    assert "RETURNING mixins_made.id" in statement or "RETURNING id" in statement
    assert len(parameters) == 1
    # Nor does a row need a program to have a key.
    await session.execute(sa.text("INSERT INTO mixins_made (name) VALUES ('raw')"))
    found = (await session.scalars(sa.select(Made).where(Made.name == "raw"))).one()
    assert (found.id.version, found.id.variant) == (4, uuid.RFC_4122)


async def test_a_number_is_counted_by_the_database(session: AsyncSession) -> None:
    one, other = Counted(name="a"), Counted(name="b")
    assert one.id is None
    session.add_all([one, other])
    await session.flush()
    assert (one.id, other.id) == (1, 2)


async def test_both_timestamps_have_values_with_a_zone_when_the_row_is_written(session: AsyncSession) -> None:
    before = datetime.datetime.now(UTC)
    model = Counted(name="a")
    assert (model.created_at, model.updated_at) == (None, None)
    assert "updated_at" not in model.to_dict()
    session.add(model)
    await session.flush()
    after = datetime.datetime.now(UTC)
    assert before <= model.created_at <= model.updated_at <= after
    assert model.created_at.tzinfo is UTC
    created = model.created_at
    await session.refresh(model)
    assert (model.created_at, model.created_at.tzinfo) == (created, UTC)


async def test_a_row_that_comes_another_way_has_timestamps_too(session: AsyncSession) -> None:
    now = datetime.datetime.now(UTC)
    await session.execute(sa.text("INSERT INTO mixins_counted (name) VALUES ('raw')"))
    model = (await session.scalars(sa.select(Counted))).one()
    assert abs(model.created_at - now) < datetime.timedelta(minutes=5)
    assert model.updated_at.tzinfo is UTC


async def test_each_update_moves_updated_at_and_leaves_created_at(session: AsyncSession) -> None:
    model = Counted(name="a")
    session.add(model)
    await session.flush()
    created, seen = model.created_at, [model.updated_at]

    model.name = "b"
    await session.flush()
    seen.append(model.updated_at)

    await session.execute(sa.update(Counted).values(name="c"))
    await session.refresh(model)
    seen.append(model.updated_at)

    repository = BaseRepository(session, Counted)
    await repository.update_where({"name": "d"}, {"name": "c"})
    await session.refresh(model)
    seen.append(model.updated_at)

    await repository.bulk_insert(
        [{"name": "d", "size": 2}],
        on_conflict="update",
        on_conflict_index_elements=["name"],
        returning=False,
    )
    await session.refresh(model)
    seen.append(model.updated_at)

    assert (model.name, model.size, model.created_at) == ("d", 2, created)
    assert len(seen) == 5
    assert seen == sorted(set(seen))


def test_timestamp_mixin_is_another_name() -> None:
    assert TimestampMixin is UpdateMixin


async def test_a_row_is_marked_as_deleted_and_restored(session: AsyncSession) -> None:
    model = Kept(name="a")
    assert (model.deleted_at, model.is_active(), model.is_deleted()) == (None, True, False)
    session.add(model)
    await session.flush()
    model.soft_delete()
    await session.flush()
    await session.refresh(model)
    assert model.deleted_at is not None
    assert (model.deleted_at.tzinfo, model.is_active(), model.is_deleted()) == (UTC, False, True)
    model.restore()
    await session.flush()
    await session.refresh(model)
    assert (model.deleted_at, model.is_active()) == (None, True)


async def test_a_version_counts_updates_and_a_stale_one_is_refused(
    session: AsyncSession, sessions: Sessions
) -> None:
    model = Versioned(name="a")
    session.add(model)
    await session.commit()
    assert model.version == 1
    model.name = "b"
    await session.commit()
    assert model.version == 2
    async with sessions() as other:
        theirs = await other.get_one(Versioned, model.id)
        theirs.name = "theirs"
        await other.commit()
    model.name = "stale"
    with pytest.raises(StaleDataError):
        await session.commit()
    await session.rollback()
    assert await raw(session, "SELECT name, version FROM mixins_versioned") == ("theirs", 3)


def test_a_model_that_would_lose_its_version_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"sets __mapper_args__ and so loses VersionMixin's"):

        class Loses(Base, IntPKMixin, VersionMixin):
            __tablename__ = "mixins_loses"
            __mapper_args__ = {"eager_defaults": True}  # noqa: RUF012

            name: Mapped[str]


def test_a_models_own_arguments_come_first_and_in_any_order_with_the_mixins() -> None:
    class First(UUIDPKMixin, UpdateMixin, Base):
        __tablename__ = "mixins_first"

        name: Mapped[str]
        size: Mapped[int] = mapped_column(default=3)

    class Last(Base, SoftDeleteMixin, UUIDPKMixin, UpdateMixin, VersionMixin):
        __tablename__ = "mixins_last"

        name: Mapped[str]
        size: Mapped[int] = mapped_column(default=3)

    for model in (First("a"), Last("a"), First(name="a", size=3)):
        assert (model.name, model.size) == ("a", 3)
        assert next(iter(model.__table__.columns)).name == "id"
