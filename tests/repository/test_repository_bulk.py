"""`bulk_insert`: conflicts settled on any unique key, defaults, what comes back, and what is refused."""

from __future__ import annotations

import copy
import uuid
from collections.abc import AsyncIterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from repository.conftest import create
from repository.shop_models import MODELS, Doc, Mood, Seat, Shop, User
from rowstead import Inc
from rowstead.errors import DuplicateError, NotNullError, UndefinedColumnError, ValidationError
from rowstead.repository import BaseRepository, PersistEngine


class Filled(Shop):
    """Columns that SQLAlchemy fills in by itself, in every way."""

    __tablename__ = "filled"

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    code: Mapped[str] = mapped_column(unique=True)
    constant: Mapped[int] = mapped_column(insert_default=5, init=False)
    computed: Mapped[str] = mapped_column(
        insert_default=lambda context: context.get_current_parameters()["code"] + "!", init=False
    )
    listed: Mapped[list[int]] = mapped_column(default_factory=lambda: [1])
    served: Mapped[int] = mapped_column(server_default="9", init=False)
    moment: Mapped[datetime | None] = mapped_column(sa.DateTime(), insert_default=sa.func.now(), init=False)
    changed: Mapped[int | None] = mapped_column(onupdate=lambda: 7, init=False)


class Counted(Shop):
    """A default that only SQL can compute."""

    __tablename__ = "counted"

    id: Mapped[int] = mapped_column(primary_key=True)
    odd: Mapped[int] = mapped_column(insert_default=sa.text("1 + 1"), init=False)


@pytest.fixture
async def session(engine: PersistEngine) -> AsyncIterator[AsyncSession]:
    sessions = await create(engine, *MODELS, Filled, Counted)
    async with sessions() as session:
        yield session


@pytest.fixture
def users(session: AsyncSession) -> BaseRepository[User]:
    return BaseRepository(session, User)


def rows(*names: str, **more: Any) -> list[dict[str, Any]]:
    return [{"name": name, "email": name, **more} for name in names]


async def test_stored_objects_come_back_in_the_order_given(users: BaseRepository[User]) -> None:
    given = rows(*(f"u{n}" for n in range(50)))
    found = await users.bulk_insert(given)
    assert [one.name for one in found] == [row["name"] for row in given]
    assert all(one in users.session for one in found)
    assert all(isinstance(one.id, uuid.UUID) and one.is_active and one.age is None for one in found)
    assert await users.get(found[7].id) is found[7]
    users.session.expunge_all()
    assert {one.id for one in await users.all()} == {one.id for one in found}


async def test_a_count_comes_back_instead_and_nothing_of_nothing(users: BaseRepository[User]) -> None:
    assert await users.bulk_insert(rows("a", "b"), returning=False) == 2
    assert await users.bulk_insert([]) == []
    assert await users.bulk_insert([], returning=False) == 0
    assert await users.bulk_insert(iter(rows("c")), returning=False) == 1


async def test_objects_are_inserted_too_and_stay_what_they_were(users: BaseRepository[User]) -> None:
    given = [User(name="a", email="a", age=3), User(name="b", email="b", mood=Mood.BAD)]
    found = await users.bulk_insert(given)
    assert [(one.name, one.age, one.mood) for one in found] == [("a", 3, None), ("b", None, Mood.BAD)]
    assert [one.id for one in found] == [one.id for one in given]
    assert not any(one in users.session for one in given)
    with pytest.raises(ValidationError, match="dicts or User objects, not Doc"):
        await users.bulk_insert([Doc(title="a")])  # pyright: ignore[reportArgumentType]


async def test_many_rows_are_written_all_or_none(users: BaseRepository[User]) -> None:
    many = rows(*(f"u{n}" for n in range(3_000)))
    with pytest.raises(DuplicateError):
        await users.bulk_insert([*many, {"name": "x", "email": "u7"}], returning=False, commit=True)
    assert await users.count() == 0
    assert await users.bulk_insert(many, returning=False) == 3_000
    assert await users.count() == 3_000


async def test_rows_may_give_different_keys(users: BaseRepository[User]) -> None:
    found = await users.bulk_insert(
        [{"name": "a", "email": "a", "age": 1}, {"name": "b", "email": "b"}, {"email": "c", "name": "c"}]
    )
    assert [(one.name, one.age) for one in found] == [("a", 1), ("b", None), ("c", None)]


async def test_what_sqlalchemy_fills_in_is_filled_in(session: AsyncSession) -> None:
    filled = BaseRepository(session, Filled)
    (one,) = await filled.bulk_insert([{"code": "a"}])
    assert (one.constant, one.computed, one.listed, one.served, one.changed) == (5, "a!", [1], 9, None)
    assert isinstance(one.moment, datetime)
    (own,) = await filled.bulk_insert([{"code": "b", "constant": 6, "computed": "c", "served": 1}])
    assert (own.constant, own.computed, own.served) == (6, "c", 1)
    assert await filled.update_where({"constant": 8}, {"code": "a"}) == 1
    assert (one.constant, one.changed) == (8, 7)
    by_session = Filled(code="s")
    session.add(by_session)
    await session.flush()
    await session.refresh(by_session)
    assert (by_session.constant, by_session.computed, by_session.listed) == (5, "s!", [1])


async def test_a_default_that_only_sql_can_compute_is_refused_when_it_is_needed(
    session: AsyncSession,
) -> None:
    counted = BaseRepository(session, Counted)
    assert await counted.bulk_insert([{"id": 1, "odd": 3}], returning=False) == 1
    with pytest.raises(ValidationError, match="default that is an SQL expression"):
        await counted.bulk_insert([{"id": 2}])


# Conflicts


async def test_fail_is_a_duplicate_error(users: BaseRepository[User]) -> None:
    await users.bulk_insert(rows("a"), commit=True)
    with pytest.raises(DuplicateError) as caught:
        await users.bulk_insert(rows("b", "a"), commit=True)
    assert (caught.value.table, caught.value.constraint) == ("users", "users_email_key")
    with pytest.raises(NotNullError):
        await users.bulk_insert([{"email": "x"}], commit=True)
    assert await users.count() == 1


async def test_repository_p10_nothing_leaves_rows_that_are_there_on_every_database(
    users: BaseRepository[User],
) -> None:
    await users.bulk_insert(rows("a", age=1))
    found = await users.bulk_insert(rows("a", "b", age=2), on_conflict="nothing")
    assert [(one.name, one.age) for one in found] == [("b", 2)]
    count = await users.bulk_insert(
        rows("a", "b", "c", age=3),
        on_conflict="nothing",
        on_conflict_index_elements=["email"],
        returning=False,
    )
    assert count == 1
    assert [one.age for one in await users.find(order="name")] == [1, 2, 3]


async def test_repository_p10_an_upsert_moves_updated_at_and_nothing_it_was_not_given(
    users: BaseRepository[User],
) -> None:
    (one,) = await users.bulk_insert(rows("a", age=1, is_active=False))
    before = (one.id, one.created_at, one.is_active)
    moved = one.updated_at
    found = await users.bulk_insert(
        [{"name": "A", "email": "a"}, {"name": "b", "email": "b"}],
        on_conflict="update",
        on_conflict_index_elements=["email"],
    )
    assert found[0] is one
    assert (one.id, one.created_at, one.is_active) == before
    assert (one.name, one.age) == ("A", 1)
    assert one.updated_at > moved
    assert (found[1].name, found[1].is_active) == ("b", True)
    assert await users.count() == 2


async def test_repository_p10_unknown_keys_are_errors_and_dicts_stay_as_they_were(
    users: BaseRepository[User], session: AsyncSession
) -> None:
    given: list[dict[str, Any]] = [{"name": "a", "email": "a"}, {"name": "b", "email": "b", "id": None}]
    copied = copy.deepcopy(given)
    found = await users.bulk_insert(given)
    assert given == copied
    assert all(one.id for one in found)
    with pytest.raises(UndefinedColumnError, match="did you mean 'email'"):
        await users.bulk_insert([{"name": "c", "emial": "c"}])
    docs = BaseRepository(session, Doc)
    numbered = await docs.bulk_insert([{"id": None, "title": "a"}, {"title": "b"}])
    assert len({one.id for one in numbered}) == 2


async def test_updates_by_any_unique_key(session: AsyncSession, users: BaseRepository[User]) -> None:
    seats = BaseRepository(session, Seat)
    await seats.bulk_insert([{"row": "A", "number": 1}, {"row": "A", "number": 2}])
    found = await seats.bulk_insert(
        [{"row": "A", "number": 2, "taken_by": "me"}, {"row": "B", "number": 1, "taken_by": "you"}],
        on_conflict="update",
    )
    assert [(s.row, s.number, s.taken_by) for s in found] == [("A", 2, "me"), ("B", 1, "you")]
    assert await seats.count() == 3
    (one,) = await users.bulk_insert(rows("a"))
    by_key = await users.bulk_insert([{"id": one.id, "name": "n", "email": "e"}], on_conflict="update")
    assert by_key == [one]
    assert (one.name, one.email) == ("n", "e")
    by_attribute = await users.bulk_insert(
        [{"name": "m", "email": "e"}], on_conflict="update", on_conflict_index_elements=[User.email]
    )
    assert by_attribute == [one]


async def test_of_rows_with_one_key_the_last_wins_and_both_are_shown(users: BaseRepository[User]) -> None:
    found = await users.bulk_insert(
        [{"name": "a", "email": "x"}, {"name": "b", "email": "x"}, {"name": "c", "email": "y"}],
        on_conflict="update",
        on_conflict_index_elements=["email"],
    )
    assert [one.name for one in found] == ["b", "b", "c"]
    assert found[0] is found[1]
    assert await users.count() == 2


async def test_an_upsert_counts_the_version_of_a_row_that_is_there(session: AsyncSession) -> None:
    docs = BaseRepository(session, Doc)
    (one,) = await docs.bulk_insert([{"title": "a", "price": Decimal("1.25")}])
    assert one.version == 1
    found = await docs.bulk_insert(
        [{"id": one.id, "title": "b"}, {"id": one.id + 1, "title": "c"}], on_conflict="update"
    )
    assert [(d.title, d.version, d.price) for d in found] == [("b", 2, Decimal("1.25")), ("c", 1, None)]
    one.title = "d"
    await docs.save(one)
    assert one.version == 3


async def test_many_upserts_at_once(users: BaseRepository[User]) -> None:
    await users.bulk_insert(rows(*(f"u{n}" for n in range(0, 6_000, 2)), age=1), returning=False)
    count = await users.bulk_insert(
        rows(*(f"u{n}" for n in range(6_000)), age=2),
        on_conflict="update",
        on_conflict_index_elements=["email"],
        returning=False,
    )
    assert count == 6_000
    assert (await users.count(), await users.count(where={"age": 2})) == (6_000, 6_000)


async def test_conflicts_that_cannot_be_settled_are_refused(users: BaseRepository[User]) -> None:
    for options, message in (
        ({"on_conflict": "updat"}, "did you mean 'update'"),
        ({"on_conflict": "update"}, "another unique key as on_conflict_index_elements"),
        ({"on_conflict": "update", "on_conflict_index_elements": ["emial"]}, "did you mean 'email'"),
        ({"on_conflict": "fail", "on_conflict_index_elements": ["email"]}, "leave them out"),
    ):
        with pytest.raises(ValidationError, match=message):
            await users.bulk_insert(rows("a"), **options)  # pyright: ignore[reportArgumentType, reportCallIssue]
    seats = BaseRepository(users.session, Seat)
    with pytest.raises(ValidationError, match="needs a column to update"):
        await seats.bulk_insert([{"row": "A", "number": 1}], on_conflict="update")
    with pytest.raises(ValidationError, match="Inc and Now are for update_where"):
        await users.bulk_insert(rows("a", age=Inc(1)))
    with pytest.raises(ValidationError, match="age"):
        await users.bulk_insert(rows("a", age="many"))
    assert await users.count() == 0
