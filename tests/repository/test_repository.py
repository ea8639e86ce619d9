"""`BaseRepository`: what each method does, on every database, and the defects that it does not have."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError as SQLAlchemyIntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from repository.conftest import create
from repository.shop_models import MODELS, Author, Book, Doc, Renamed, Seat, User
from rowstead import DB, Row
from rowstead.errors import (
    ConflictError,
    DuplicateError,
    IntegrityError,
    NotNullError,
    TransactionFailed,
    UndefinedColumnError,
    UsageError,
    ValidationError,
)
from rowstead.repository import BaseRepository, PersistEngine, transactional
from rowstead.sqlalchemy import SQLAlchemyAdapter

Sessions = async_sessionmaker[AsyncSession]


class UserRepository(BaseRepository[User]):
    """As the guide prints it."""

    def __init__(self, session: AsyncSession) -> None:
        super().__init__(session, User)

    async def get_active_users(self) -> list[User]:
        query = self.where(User.is_active == True).order_by(User.name)  # noqa: E712
        return await self.all(query=query)


@pytest.fixture
async def sessions(engine: PersistEngine) -> Sessions:
    return await create(engine, *MODELS)


@pytest.fixture
async def session(sessions: Sessions) -> AsyncIterator[AsyncSession]:
    async with sessions() as session:
        yield session


@pytest.fixture
def users(session: AsyncSession) -> UserRepository:
    return UserRepository(session)


@pytest.fixture
def docs(session: AsyncSession) -> BaseRepository[Doc]:
    return BaseRepository(session, Doc)


def user(name: str, **more: Any) -> User:
    return User(name=name, email=f"{name}@example.com", **more)


async def names(sessions: Sessions) -> list[str]:
    """What another session sees."""
    async with sessions() as session:
        return list(await session.scalars(sa.select(User.name).order_by(User.name)))


# The guide


async def test_the_guides_repository_runs_as_printed(users: UserRepository, session: AsyncSession) -> None:
    alice = User(name="Alice", email="alice@example.com")
    await users.save(alice)
    await session.commit()
    found = await users.find_by(email="alice@example.com")
    active = await users.get_active_users()
    assert found is alice
    assert active == [alice]


# Writing


async def test_save_knows_the_key_and_raises_what_the_database_refuses_at_the_call(
    docs: BaseRepository[Doc], users: UserRepository
) -> None:
    doc = await docs.save(Doc(title="a"))
    assert doc.id is not None
    await users.save(user("a"))
    with pytest.raises(DuplicateError) as caught:
        await users.save(User(name="b", email="a@example.com"))
    assert (caught.value.table, caught.value.constraint) == ("users", "users_email_key")
    assert isinstance(caught.value.__cause__, SQLAlchemyIntegrityError)


async def test_after_an_error_without_commit_the_session_says_what_to_do(
    users: UserRepository, session: AsyncSession
) -> None:
    await users.save(user("a"), commit=True)
    with pytest.raises(DuplicateError):
        await users.save(User(name="b", email="a@example.com"))
    with pytest.raises(TransactionFailed, match="rollback"):
        await users.all()
    await session.rollback()
    assert len(await users.all()) == 1


async def test_what_fails_with_commit_leaves_a_session_that_can_be_used(
    users: UserRepository, sessions: Sessions
) -> None:
    await users.save(user("a"), commit=True)
    with pytest.raises(DuplicateError):
        await users.save(User(name="b", email="a@example.com"), commit=True)
    with pytest.raises(NotNullError):
        await users.bulk_insert([{"name": None, "email": "n"}], commit=True)
    await users.save(user("c"), commit=True)
    assert await names(sessions) == ["a", "c"]


async def test_the_users_own_commit_raises_sqlalchemys_own_error(
    users: UserRepository, session: AsyncSession
) -> None:
    await users.save(user("a"), commit=True)
    session.add(User(name="b", email="a@example.com"))
    with pytest.raises(SQLAlchemyIntegrityError):
        await session.commit()


async def test_repository_p09_nothing_commits_by_itself_nor_takes_pending_objects_along(
    users: UserRepository, session: AsyncSession, sessions: Sessions
) -> None:
    await users.save(user("kept"), commit=True)
    session.add(user("pending"))
    await users.add_all([user("a"), user("b")])
    await users.add(user("c"))
    await users.bulk_insert([{"name": "d", "email": "d"}])
    await users.update_where({"age": 1}, {"name": "kept"})
    kept = await users.find_by(name="kept")
    assert kept is not None
    await users.delete(kept)
    await users.delete_where({"name": "a"})
    assert await names(sessions) == ["kept"]
    await session.rollback()
    assert await names(sessions) == ["kept"]


async def test_each_write_commits_when_told(users: UserRepository, sessions: Sessions) -> None:
    await users.add_all([user("a"), user("b")], commit=True)
    assert await names(sessions) == ["a", "b"]
    await users.bulk_insert([{"name": "c", "email": "c"}], commit=True)
    assert await names(sessions) == ["a", "b", "c"]
    assert await users.update_where({"name": "z"}, {"name": "a"}, commit=True) == 1
    assert await users.delete_where({"name": "b"}, commit=True) == 1
    assert await names(sessions) == ["c", "z"]
    found = await users.find_by(name="c")
    assert found is not None
    await users.delete(found, commit=True)
    assert await names(sessions) == ["z"]


async def test_in_a_transactional_block_the_end_of_the_block_commits(
    users: UserRepository, session: AsyncSession, sessions: Sessions
) -> None:
    with pytest.raises(KeyError):
        async with transactional(session):
            await users.save(user("a"), commit=True)
            await users.bulk_insert([{"name": "b", "email": "b"}], commit=True)
            raise KeyError
    assert await names(sessions) == []


async def test_a_session_that_expires_on_commit_gives_objects_that_can_be_read(
    engine: PersistEngine, sessions: Sessions
) -> None:
    del sessions
    below, _ = engine.session()
    async with AsyncSession(below, expire_on_commit=True) as session:
        users = UserRepository(session)
        saved = await users.save(user("a"), commit=True)
        assert saved.name == "a"
        (inserted,) = await users.bulk_insert([{"name": "b", "email": "b"}], commit=True)
        assert inserted.name == "b"


async def test_objects_of_another_class_are_refused(users: UserRepository) -> None:
    with pytest.raises(ValidationError, match="works on User objects, not Doc"):
        await users.save(Doc(title="a"))  # pyright: ignore[reportArgumentType]
    with pytest.raises(UsageError, match="not a mapped class"):
        BaseRepository(users.session, int)
    with pytest.raises(UsageError, match="works on an AsyncSession"):
        BaseRepository(object(), User)  # pyright: ignore[reportArgumentType]
    with pytest.raises(UsageError, match="no one engine"):
        BaseRepository(AsyncSession(), User)


# Reading


async def test_get_takes_text_for_a_uuid_on_every_database(users: UserRepository) -> None:
    alice = await users.save(user("alice"))
    users.session.expunge_all()
    found = await users.get(str(alice.id))
    assert found is not None
    assert found.id == alice.id
    assert await users.get(uuid.uuid4()) is None
    for wrong in ("alice", None, 1.5, (alice.id, 1), {"name": "alice"}):
        with pytest.raises(ValidationError):
            await users.get(wrong)


async def test_get_takes_a_composite_key_as_a_tuple_or_a_dict(session: AsyncSession) -> None:
    seats = BaseRepository(session, Seat)
    seat = await seats.save(Seat(row="A", number=7))
    session.expunge_all()
    for key in (("A", 7), ["A", "7"], {"number": 7, "row": "A"}):
        found = await seats.get(key)
        assert found is not None
        assert (found.row, found.number) == (seat.row, seat.number)
    for wrong in ("A", ("A",), {"row": "A"}, {"row": "A", "nubmer": 7}, ("A", None)):
        with pytest.raises(ValidationError):
            await seats.get(wrong)


async def test_find_by_compares_none_with_null_and_knows_the_attributes(users: UserRepository) -> None:
    await users.save(user("a", age=3))
    await users.save(user("b"))
    assert (await users.find_by(name="a", age=3)) is not None
    found = await users.find_by(age=None)
    assert found is not None
    assert found.name == "b"
    assert await users.find_by(age=None, name="a") is None
    with pytest.raises(UndefinedColumnError, match="did you mean 'email'"):
        await users.find_by(emial="x")
    with pytest.raises(ValidationError, match="find_by takes"):
        await users.find_by()


async def test_first_goes_by_the_key_unless_told(session: AsyncSession) -> None:
    books = BaseRepository(session, Book)
    await books.add_all([Book(title="b"), Book(title="c"), Book(title="a")])
    assert await books.first() is (await books.find(order="id"))[0]
    by_title = await books.first(order_by=Book.title)
    by_sort = await books.first(order_by="-title")
    of_query = await books.first(books.where(Book.title > "a"), [Book.title.desc(), Book.id])
    assert by_title is not None
    assert by_sort is not None
    assert of_query is not None
    assert (by_title.title, by_sort.title, of_query.title) == ("a", "c", "c")
    assert await books.first(books.where(Book.title == "z")) is None


async def test_all_gives_what_a_select_gives_and_no_more_than_the_limit(users: UserRepository) -> None:
    await users.add_all([user("a"), user("b"), user("c")])
    assert len(await users.all()) == 3
    assert await users.all(limit=0) == []
    assert len(await users.all(limit=2)) == 2
    assert await users.all(users.select(User.name).order_by(User.name)) == ["a", "b", "c"]
    assert await users.all(sa.select(User.is_active)) == [True, True, True]
    with pytest.raises(ValidationError, match="negative"):
        await users.all(limit=-1)


async def test_collections_that_are_loaded_by_joins_give_each_object_once(session: AsyncSession) -> None:
    authors = BaseRepository(session, Author)
    author = Author(name="a", books=[Book(title="x"), Book(title="y")])
    await authors.save(author)
    session.expunge_all()
    for found in (await authors.all(), await authors.find({"name": "a"})):
        assert [one.name for one in found] == ["a"]
        assert len(found[0].books) == 2
    page = await authors.page(limit=5)
    assert (page.count, len(page.rows)) == (1, 1)


async def test_count_counts_what_the_select_gives(users: UserRepository) -> None:
    await users.add_all([user("a"), user("b"), user("c", is_active=False)])
    assert await users.count() == 3
    assert await users.count(users.where(User.is_active)) == 2
    assert await users.count(users.select().limit(0)) == 0
    assert await users.count(users.select().order_by(User.name).offset(1)) == 2
    assert await users.count(where={"is_active": False}) == 1
    with pytest.raises(ValidationError, match="not both"):
        await users.count(users.select(), where={"name": "a"})


# The session's view of objects


async def test_asking_whether_an_object_is_modified_changes_nothing(
    users: UserRepository, session: AsyncSession, sessions: Sessions
) -> None:
    alice = await users.save(user("alice"), commit=True)
    assert not await users.is_modified(alice)
    alice.name = alice.name
    assert not await users.is_modified(alice)
    alice.name = "bob"
    assert await users.is_modified(alice)
    async with sessions() as other:
        foreign = await UserRepository(other).find_by(email="alice@example.com")
        assert foreign is not None
        foreign.age = 5
        assert await users.is_modified(foreign)
        assert foreign not in session
    assert await users.is_modified(stranger := user("new"))
    assert stranger not in session
    assert not session.new


async def test_refresh_reads_anew_and_expire_forgets(
    users: UserRepository, session: AsyncSession, sessions: Sessions
) -> None:
    alice = await users.save(user("alice"), commit=True)
    async with sessions() as other:
        await UserRepository(other).update_where({"age": 7}, {"name": "alice"}, commit=True)
    assert alice.age is None
    await users.expire(alice, ["age"])
    assert "age" not in sa.inspect(alice).dict
    assert (await users.refresh(alice)).age == 7
    await users.expunge(alice)
    assert alice not in session
    assert users.obj_session(alice) is None
    assert (await users.refresh(alice)).name == "alice"
    assert users.obj_session(alice) is session
    with pytest.raises(UsageError, match="never saved"):
        await users.refresh(user("new"))


async def test_deleting_what_was_never_there(users: UserRepository, session: AsyncSession) -> None:
    with pytest.raises(UsageError, match="never saved"):
        await users.delete(user("new"))
    pending = user("pending")
    session.add(pending)
    await users.delete(pending)
    assert pending not in session
    assert await users.count() == 0


async def test_an_object_of_an_ended_session_can_be_deleted(
    users: UserRepository, sessions: Sessions
) -> None:
    async with sessions() as other:
        alice = await UserRepository(other).save(user("alice"), commit=True)
    await users.delete(alice, commit=True)
    assert await names(sessions) == []


# Soft deletion and versions


async def test_repository_p09_5_deleted_rows_are_marked_and_left_out_unless_asked_for(
    docs: BaseRepository[Doc],
) -> None:
    kept, gone = await docs.add_all([Doc(title="kept"), Doc(title="gone")])
    before = datetime.now(UTC)
    await docs.delete(gone)
    assert gone.deleted_at is not None
    assert gone.deleted_at >= before
    assert await docs.all() == [kept]
    assert await docs.find() == [kept]
    assert await docs.first() is kept
    assert await docs.get(gone.id) is None
    assert await docs.find_by(title="gone") is None
    assert await docs.count() == 1
    assert not await docs.exists({"title": "gone"})
    assert (await docs.page()).count == 1
    assert [one async for one in docs.iterate()] == [kept]
    assert await docs.all(docs.where(Doc.id > 0)) == [kept]
    assert await docs.all(docs.select(Doc.title)) == ["kept"]
    # Asked for:
    assert await docs.get(gone.id, deleted="include") is gone
    assert await docs.get(kept.id, deleted="only") is None
    assert await docs.find(deleted="only") == [gone]
    assert await docs.count(deleted="include") == 2
    assert len(await docs.all(docs.include_deleted())) == 2
    assert await docs.all(docs.deleted_only()) == [gone]
    assert await docs.all(docs.active_only()) == [kept]
    with pytest.raises(ValidationError, match="did you mean 'only'"):
        await docs.find(deleted="onyl")  # pyright: ignore[reportArgumentType]


async def test_a_deleted_row_can_be_restored_or_removed(docs: BaseRepository[Doc]) -> None:
    doc = await docs.save(Doc(title="a"))
    await docs.delete(doc)
    await docs.restore(doc)
    assert await docs.count() == 1
    await docs.delete(doc, hard=True)
    assert await docs.count(deleted="include") == 0


async def test_delete_where_marks_rows_unless_told_to_remove_them(docs: BaseRepository[Doc]) -> None:
    await docs.add_all([Doc(title="a"), Doc(title="b"), Doc(title="c")])
    assert await docs.delete_where({"title": {"in": ["a", "b"]}}) == 2
    assert await docs.delete_where({"title": "a"}) == 0
    assert (await docs.count(), await docs.count(deleted="include")) == (1, 3)
    assert await docs.delete_where({"title": {"in": ["a", "c"]}}, hard=True) == 2
    assert await docs.count(deleted="include") == 1


async def test_models_without_a_mark_say_so(users: UserRepository) -> None:
    assert await users.find(deleted="include") == []
    for ask in (users.active_only, users.deleted_only):
        with pytest.raises(UndefinedColumnError, match="deleted_at"):
            ask()
    with pytest.raises(UndefinedColumnError, match="deleted_at"):
        await users.find(deleted="only")


async def test_a_stale_write_is_a_conflict(docs: BaseRepository[Doc], sessions: Sessions) -> None:
    doc = await docs.save(Doc(title="a"), commit=True)
    assert doc.version == 1
    async with sessions() as other:
        theirs = await BaseRepository(other, Doc).get(doc.id)
        assert theirs is not None
        theirs.title = "theirs"
        await BaseRepository(other, Doc).save(theirs, commit=True)
    doc.title = "mine"
    with pytest.raises(ConflictError, match="read it again") as caught:
        await docs.save(doc, commit=True)
    assert caught.value.retryable
    await docs.refresh(doc)
    assert (doc.title, doc.version) == ("theirs", 2)
    assert await docs.update_where({"title": "both"}, {"id": doc.id}, commit=True) == 1
    assert (doc.title, doc.version) == ("both", 3)


# One transaction


class UserRow(Row):
    __table__ = "users"
    id: uuid.UUID
    name: str
    email: str


@pytest.mark.parametrize("commit", [False, True])
async def test_a_repository_a_row_and_raw_sql_share_one_transaction(
    users: UserRepository, session: AsyncSession, sessions: Sessions, commit: bool
) -> None:
    rows = DB(SQLAlchemyAdapter(session))
    await users.save(user("a"))
    found = await rows.get(UserRow, name="a")
    assert found is not None
    assert await rows.update_where(UserRow.patch(name="b"), where={"name": "a"}) == 1
    await rows.execute("UPDATE users SET age = 5 WHERE name = $1", "b")
    await session.execute(sa.text("UPDATE users SET email = 'e' WHERE name = 'b'"))
    await users.bulk_insert([{"name": "c", "email": "c"}])
    users.session.expunge_all()
    mine = await users.find_by(name="b")
    assert mine is not None
    assert (mine.age, mine.email) == (5, "e")
    await (session.commit() if commit else session.rollback())
    assert await names(sessions) == (["b", "c"] if commit else [])


async def test_cancellation_in_the_middle_rolls_back_all_of_it(
    users: UserRepository, session: AsyncSession, sessions: Sessions
) -> None:
    began = asyncio.Event()

    async def work() -> None:
        async with transactional(session):
            await users.save(user("a"))
            await users.bulk_insert([{"name": "b", "email": "b"}])
            began.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await names(sessions) == []
    await users.save(user("c"), commit=True)
    assert await names(sessions) == ["c"]


# Names


async def test_names_in_filters_are_attributes_and_where_unambiguous_columns(session: AsyncSession) -> None:
    things = BaseRepository(session, Renamed)
    await things.bulk_insert([{"key": 1, "label": "a"}, {"id": 2, "txt": "b", "sz": 3}])
    found = await things.find({"label": {"like": "a%"}, "key": 1})
    assert [one.label for one in found] == ["a"]
    assert [one.key for one in await things.find({"txt": "b", "size": 3})] == [2]
    assert [one.key for one in await things.find(order="-key")] == [2, 1]
    assert [one.key for one in await things.find(order=["-size", "txt"])] == [2, 1]
    with pytest.raises(ValidationError, match="twice"):
        await things.find(order="key,-id")
    assert await things.update_where({"size": 9}, {"label": "a"}) == 1
    one = await things.get(1)
    assert one is not None
    assert one.size == 9
    assert (await things.get({"key": 1})) is one
    assert await things.bulk_insert(
        [{"key": 5, "label": "a", "size": 7}],
        on_conflict="update",
        on_conflict_index_elements=[Renamed.label],
        returning=False,
    )
    assert one.key == 1
    assert (await things.refresh(one)).size == 7
    assert [o.key async for o in things.iterate(order="size", batch_size=1)] == [2, 1]
    with pytest.raises(UndefinedColumnError, match="did you mean 'label'"):
        await things.find({"lable": "a"})


async def test_on_a_database_that_only_sqlalchemy_knows_its_half_works(
    engine: PersistEngine, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine.session()[0].dialect, "driver", "elsewhere")
    async with sessions() as session:
        docs = BaseRepository(session, Doc)
        doc, _ = await docs.add_all([Doc(title="a"), Doc(title="b")], commit=True)
        assert await docs.find_by(title="a", price=None) is doc
        assert await docs.first() is doc
        assert await docs.get(str(doc.id)) is doc
        await docs.delete(doc)
        assert await docs.count() == 1
        assert [d.title for d in await docs.all()] == ["b"]
        with pytest.raises(UndefinedColumnError):
            await docs.find_by(titel="a")
        with pytest.raises(ValidationError, match=r"elsewhere; known: .*sqlite\+aiosqlite"):
            await docs.find({"title": "a"})
        session.add(User(name="a", email="x"))
        session.add(User(name="b", email="x"))
        with pytest.raises(IntegrityError):
            await docs.save(doc)
