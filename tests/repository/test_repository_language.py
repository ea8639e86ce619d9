"""The language of filters on models: find, pages, walks, counts, and changes by a filter."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from repository.conftest import create
from repository.shop_models import MODELS, Animal, Author, Book, Doc, Dog, Mood, Seat, User
from rowstead import Inc, Now
from rowstead.errors import UndefinedColumnError, UndefinedTableError, UsageError, ValidationError
from rowstead.repository import BaseRepository, PersistEngine
from rowstead.tables.access import STRANGER, Access


@pytest.fixture
async def session(engine: PersistEngine) -> AsyncIterator[AsyncSession]:
    sessions = await create(engine, *MODELS)
    async with sessions() as session:
        yield session


@pytest.fixture
async def users(session: AsyncSession) -> BaseRepository[User]:
    """Ten of them: u0 … u9, ages 0 … 8 and one without."""
    users = BaseRepository(session, User)
    await users.bulk_insert(
        [
            {"name": f"u{n}", "email": f"u{n}@x", "age": n if n < 9 else None, "mood": list(Mood)[n % 2]}
            for n in range(10)
        ],
        commit=True,
    )
    session.expunge_all()
    return users


def named(found: Sequence[User]) -> str:
    return " ".join(one.name for one in found)


async def test_filters_of_every_form_find_objects(users: BaseRepository[User]) -> None:
    assert named(await users.find({"age": {"gte": 7}}, order="age")) == "u7 u8"
    assert named(await users.find([{"name": "u1"}, {"age": 3}], order="name")) == "u1 u3"
    assert named(await users.find({"not": {"age": {"lt": 8}}}, order="-age")) == "u8 u9"
    assert named(await users.find({"age": None})) == "u9"
    assert named(await users.find({"name": {"ilike": "U2%"}})) == "u2"
    assert named(await users.find({"mood": "good", "age": {"between": [2, 5]}}, order="age")) == "u2 u4"
    assert named(await users.find({"mood": Mood.BAD}, order="name", limit=2, offset=1)) == "u3 u5"
    assert named(await users.find({"age": {"in": list(range(3, 40))}}, order="age", limit=1)) == "u3"
    assert named(await users.find({"created_at": {"gt": Now}}, order="name", limit=1)) == ""
    assert await users.count(where={"age": {"ne": 3}}) == 9
    assert await users.exists({"name": {"contains": "9"}})
    assert not await users.exists({"name": "nobody"})


async def test_conditions_of_sqlalchemys_do_the_same(users: BaseRepository[User]) -> None:
    assert named(await users.find(User.age >= 7, order="age")) == "u7 u8"
    assert named(await users.find(sa.or_(User.name == "u1", User.age == 3), order="-name")) == "u3 u1"
    assert named(await users.all(users.where({"age": {"gt": 7}}, User.name != "x"))) == "u8"
    assert await users.exists(User.age.is_(None))
    assert await users.count(where=User.age < 2) == 2
    page = await users.page(User.age > 0, order="-age", limit=3)
    assert (named(page.rows), page.count) == ("u8 u7 u6", 8)
    behind = await users.page(User.age > 0, order="-age", limit=3, after=page.next)
    assert named(behind.rows) == "u5 u4 u3"
    with pytest.raises(ValidationError, match="and_"):
        await users.find([User.age == 1, User.age == 2])  # pyright: ignore[reportArgumentType]


async def test_mistakes_are_errors_of_ours_with_a_suggestion(users: BaseRepository[User]) -> None:
    for where, error, message in (
        ({"nmae": 1}, UndefinedColumnError, "did you mean 'name'"),
        ({"name": {"lik": 1}}, ValidationError, "did you mean 'like'"),
        ({"age": "many"}, ValidationError, "age"),
        ({"age": True}, ValidationError, "holds numbers"),
        ({"exists": {"table": "userz"}}, UndefinedTableError, "did you mean 'users'"),
        ({"mood": "neither"}, ValidationError, "mood"),
        (5, ValidationError, "a filter is a dict"),
    ):
        with pytest.raises(error, match=message):
            await users.find(where)  # pyright: ignore[reportArgumentType]
    with pytest.raises(UndefinedColumnError, match="did you mean 'name'"):
        await users.find(order="-nmae")


async def test_a_strangers_filter_is_bounded(users: BaseRepository[User]) -> None:
    visible = Access(columns=frozenset({"name"}), subqueries=False)
    assert named(await users.find({"name": "u1"}, order="name", access=visible)) == "u1"
    with pytest.raises(UndefinedColumnError):
        await users.find({"email": "u1@x"}, access=visible)
    with pytest.raises(UndefinedColumnError):
        await users.find(order="email", access=visible)
    with pytest.raises(ValidationError, match="subqueries"):
        await users.count(where={"exists": {"table": User}}, access=STRANGER)


async def test_a_bound_on_columns_does_not_hide_the_mark_of_deletion(session: AsyncSession) -> None:
    docs = BaseRepository(session, Doc)
    _, gone = await docs.add_all([Doc(title="a"), Doc(title="b")])
    await docs.delete(gone)
    visible = Access(columns=frozenset({"title"}))
    assert [d.title for d in await docs.find({"title": {"in": ["a", "b"]}}, access=visible)] == ["a"]


async def test_subqueries_name_classes_tables_and_names(session: AsyncSession) -> None:
    authors, books = BaseRepository(session, Author), BaseRepository(session, Book)
    a, b = await authors.add_all([Author(name="a"), Author(name="b")])
    await books.bulk_insert([{"title": "x", "author_id": a.id}, {"title": "y", "author_id": b.id}])
    for table in (Book, Book.__table__, "books"):
        has = {"exists": {"table": table, "filter": {"author_id": {"$outer": "id"}, "title": "x"}}}
        assert [one.name for one in await authors.find(has)] == ["a"]
        assert await authors.count(where={"not": has}) == 1
        among = {"id": {"in_subquery": {"table": table, "columns": ["author_id"], "filter": {"title": "y"}}}}
        assert [one.name for one in await authors.find(among)] == ["b"]
    found = await books.update_where({"title": "z"}, {"exists": {"table": Author, "filter": {"name": "b"}}})
    assert found == 2


async def test_pages_by_offset_and_by_token_give_every_row_once(users: BaseRepository[User]) -> None:
    by_offset = [
        one for n in range(0, 12, 3) for one in (await users.page(order="-age", limit=3, offset=n)).rows
    ]
    assert named(by_offset) == "u8 u7 u6 u5 u4 u3 u2 u1 u0 u9"
    first = await users.page(order="-age", limit=4)
    assert (first.count, first.pages, first.page) == (10, 3, 1)
    seen, token = list(first.rows), first.next
    while token is not None:
        page = await users.page(order="-age", limit=4, after=token, count=False)
        assert page.count is None
        seen += page.rows
        token = page.next
    assert seen == by_offset
    assert (await users.page(limit=5, offset=40)).rows == []
    for wrong in ({"limit": 0}, {"offset": -1}, {"limit": True}, {"after": "nonsense"}):
        with pytest.raises(ValidationError):
            await users.page(order="age", **wrong)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValidationError, match="not both"):
        await users.page(order="-age", offset=2, after=first.next)
    with pytest.raises(ValidationError, match="another table or order"):
        await users.page(order="age", after=first.next)


async def test_a_walk_gives_every_row_once_while_rows_come_and_go(users: BaseRepository[User]) -> None:
    seen: list[str] = []
    async for one in users.iterate(order="name", batch_size=3):
        seen.append(one.name)
        if one.name == "u3":
            await users.delete_where({"name": {"in": ["u1", "u8"]}})
            await users.bulk_insert([{"name": "u0b", "email": "b"}, {"name": "u6b", "email": "c"}])
    assert seen == ["u0", "u1", "u2", "u3", "u4", "u5", "u6", "u6b", "u7", "u9"]
    with pytest.raises(ValidationError, match="batch_size"):
        [one async for one in users.iterate(batch_size=0)]


async def test_a_walk_holds_one_batch_at_a_time(users: BaseRepository[User]) -> None:
    session = users.session
    held: list[int] = []
    async for _one in users.iterate(batch_size=2):
        held.append(len(list(session.identity_map)))
    assert len(held) == 10
    # The batch that is being given and, at its end, the one behind it.
    assert max(held) <= 4


async def test_a_walk_over_a_composite_key_and_equal_values(session: AsyncSession) -> None:
    seats = BaseRepository(session, Seat)
    await seats.bulk_insert([{"row": r, "number": n} for r in "AB" for n in range(5)])
    walked = [(s.row, s.number) async for s in seats.iterate(order="-taken_by", batch_size=3)]
    assert walked == [(r, n) for r in "AB" for n in range(5)]
    found = await seats.find({"row": "A"}, order="number,-taken_by", limit=2)
    assert [s.number for s in found] == [0, 1]


# Changes by a filter


async def test_update_where_moves_updated_at_and_the_sessions_objects_show_it(
    users: BaseRepository[User],
) -> None:
    one = await users.find_by(name="u1")
    assert one is not None
    before, created = one.updated_at, one.created_at
    assert await users.update_where({"age": Inc(10), "name": "v"}, {"age": {"lt": 3}}) == 3
    assert (one.name, one.age, one.created_at) == ("v", 11, created)
    assert one.updated_at > before
    between = one.updated_at
    assert await users.update_where({"age": Inc(1)}, User.age == 11) == 1
    assert one.age == 12
    assert one.updated_at > between
    assert await users.update_where({"mood": "bad"}, {"name": "v"}) == 3
    assert await users.count(where={"name": "v", "mood": Mood.BAD}) == 3
    assert one.mood is Mood.BAD


async def test_what_is_pending_is_written_before_rows_are_changed(users: BaseRepository[User]) -> None:
    one = await users.find_by(name="u1")
    assert one is not None
    one.name = "mine"
    users.session.add(User(name="new", email="new"))
    assert await users.update_where({"age": 77}, {"name": {"in": ["mine", "new"]}}) == 2
    assert (one.name, one.age) == ("mine", 77)


async def test_delete_where_takes_objects_of_removed_rows_out_of_the_session(
    users: BaseRepository[User],
) -> None:
    one, other = await users.find_by(name="u1"), await users.find_by(name="u2")
    assert await users.delete_where({"name": "u1"}) == 1
    assert one not in users.session
    assert other in users.session
    assert await users.delete_where(User.name == "u2") == 1
    assert await users.count() == 8


async def test_changes_of_everything_need_to_be_said(users: BaseRepository[User]) -> None:
    for where in (None, {}, [], [{}], {"or": [{"age": 1}, {}]}):
        with pytest.raises(ValidationError, match="needs a filter"):
            await users.update_where({"age": 1}, where)
        with pytest.raises(ValidationError, match="needs a filter"):
            await users.delete_where(where)
    assert await users.update_where({"age": 1}, {"id": {"is_not_null": True}}) == 10
    docs = BaseRepository(users.session, Doc)
    with pytest.raises(ValidationError, match="needs a filter"):
        await docs.delete_where({})


async def test_patches_that_are_mistakes(users: BaseRepository[User]) -> None:
    for patch, message in (
        ({}, "nothing to update"),
        ({"aeg": 1}, "did you mean 'age'"),
        ({"id": 1}, "does not change keys"),
        ({"age": "many"}, "age"),
    ):
        with pytest.raises(ValidationError, match=message):
            await users.update_where(patch, {"name": "u1"})


# Inheritance


async def test_classes_that_share_a_table_keep_to_their_own_rows(session: AsyncSession) -> None:
    animals, dogs = BaseRepository(session, Animal), BaseRepository(session, Dog)
    await animals.bulk_insert([{"name": "cat"}])
    (rex,) = await dogs.bulk_insert([{"name": "rex", "barks": True}])
    assert type(rex) is Dog
    assert (await animals.count(), await dogs.count()) == (2, 1)
    assert [one.name for one in await dogs.find({"name": {"like": "%"}})] == ["rex"]
    assert not await dogs.exists({"name": "cat"})
    assert await dogs.update_where({"name": "max"}, {"name": {"in": ["cat", "rex"]}}) == 1
    assert await dogs.update_where({"name": "tom"}, Animal.name == "cat") == 0
    assert rex.name == "max"
    assert await dogs.delete_where({"id": {"is_not_null": True}}) == 1
    assert [type(one) for one in await animals.find()] == [Animal]


async def test_a_class_over_several_tables_is_read_and_refuses_statements_of_one(
    engine: PersistEngine,
) -> None:
    from repository.joined_models import Car, Vehicle

    sessions = await create(engine, Vehicle, Car)
    async with sessions() as session:
        cars = BaseRepository(session, Car)
        await cars.save(Car(name="a", doors=4))
        await cars.save(Car(name="b", doors=2))
        assert [c.name for c in await cars.find({"doors": {"gt": 2}, "name": "a"}, order="-name")] == ["a"]
        assert await cars.count(where={"name": {"in": ["a", "b"]}}) == 2
        assert [c.doors async for c in cars.iterate(order="doors", batch_size=1)] == [2, 4]
        refused: list[Any] = [
            lambda: cars.bulk_insert([{"name": "c", "doors": 1}]),
            lambda: cars.update_where({"doors": 1}, {"name": "a"}),
            lambda: cars.delete_where({"name": "a"}),
        ]
        for write in refused:
            with pytest.raises(UsageError, match="several tables"):
                await write()
