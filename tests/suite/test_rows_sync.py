"""The synchronous `rowstead.sync.DB`: the same verbs, the same defects that are not there, and threads."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from conftest import Backend
from rowstead import (
    HandleClosed,
    Inc,
    IntegrityError,
    MigrationStatus,
    Now,
    Row,
    TransactionFailed,
    UndefinedColumnError,
    UsageError,
    ValidationError,
)
from rowstead.sync import DB

ON_SQLITE = pytest.mark.parametrize("sync_backend", ["sqlite"], indirect=True)


class User(Row):
    __table__ = "users"
    id: int | None = None
    name: str
    email: str | None = None
    visits: int = 0


@pytest.fixture
def users(sync_db: DB, sync_backend: Backend) -> DB:
    sync_db.execute(
        sync_backend.ddl(
            "CREATE TABLE users (id {serial_pk}, name TEXT NOT NULL, email TEXT UNIQUE,"
            " visits INTEGER DEFAULT 0)"
        )
    )
    return sync_db


@pytest.fixture
def other(users: DB, sync_backend: Backend) -> Iterator[DB]:
    """A second handle on the same database."""
    with DB.from_url(sync_backend.url) as handle:
        yield handle


def names(db: DB) -> list[str]:
    return [user.name for user in db.query(User, order="name")]


# The guide's verbs


def test_typed_crud_line_by_line(users: DB) -> None:
    db = users
    alice = db.insert(User(name="Alice", email="a@x"))
    assert alice == User(id=1, name="Alice", email="a@x", visits=0)
    assert db.get(User, id=alice.id) == alice
    assert db.query(User, email=None) == []
    assert db.query(User, id=[1, 5, 7]) == [alice]
    assert db.update(User(id=1, name="Alice B")) == User(id=1, name="Alice B", email="a@x", visits=0)
    assert db.update(User(id=1, name="x"), where={"email": "nobody"}) is None
    assert db.update(User.patch(id=1, visits=Inc(3))) == User(id=1, name="Alice B", email="a@x", visits=3)
    assert db.insert(User(id=1, name="C"), on_conflict="upsert") == User(
        id=1, name="C", email="a@x", visits=3
    )
    given = User(id=1, name="D")
    assert db.insert(given, on_conflict="ignore") is given
    assert db.count(User) == 1
    assert db.exists(User, name="C") is True
    assert db.delete(alice) == 1
    assert db.get(User, id=1) is None


def test_bulk_verbs(users: DB) -> None:
    db = users
    assert db.insert_many([User(name=f"n{i}", email=f"e{i}") for i in range(1_000)]) == 1_000
    stored = db.insert_many([User(name="a"), User(name="b", email="b"), User(name="c")], returning=True)
    assert [u.name for u in stored] == ["a", "b", "c"]
    assert db.insert_many([User(name="z", email=f"e{i}") for i in range(5)], on_conflict="ignore") == 0
    again = db.insert_many(
        [User(id=1, name="x"), User(id=2, name="y"), User(id=1, name="z")],
        on_conflict="upsert",
        returning=True,
    )
    assert [(u.id, u.name) for u in again] == [(1, "z"), (2, "y"), (1, "z")]
    assert db.update_where(User.patch(name="same"), where={"id": {"lte": 10}}) == 10
    assert db.delete_many(User, range(1, 501)) == 500
    assert db.count(User) == 503


def test_iteration_and_pages(users: DB) -> None:
    db = users
    db.insert_many([User(name=f"n{i % 9}") for i in range(1_234)])
    assert [u.id for u in db.iter_rows(User, batch_size=100)] == list(range(1, 1_235))
    by_name = [(u.name, u.id) for u in db.iter_rows_keyset(User, by="name", batch_size=77)]
    assert by_name == sorted(by_name)
    page = db.page(User, order="-id", limit=1_000)
    assert (page.count, len(page.rows), page.rows[0].id) == (1_234, 1_000, 1_234)
    rest = db.page(User, order="-id", limit=1_000, after=page.next)
    assert [u.id for u in rest.rows] == list(range(234, 0, -1))
    assert rest.next is None


def test_raw_sql(users: DB) -> None:
    db = users
    db.insert_many([User(name="a"), User(name="b")])
    assert db.fetch("SELECT id, name FROM users WHERE id = $1", 2) == [{"id": 2, "name": "b"}]
    assert db.fetchrow("SELECT name FROM users WHERE id = $1", 9) is None
    assert db.fetchval("SELECT count(*) FROM users") == 2
    assert db.execute("UPDATE users SET visits = $2 WHERE name = $1", "a", 4) == 1
    assert db.fetch_models(User, "SELECT * FROM users ORDER BY id")[0].visits == 4
    assert db.fetch_model(User, "SELECT * FROM users WHERE id = 9") is None


def test_compose_and_explain(users: DB, sync_backend: Backend) -> None:
    q = users.compose("get", User, id=1)
    holder = "$1" if sync_backend.is_postgres else "%s" if sync_backend.is_maria else "?"
    assert q.sql == f"SELECT id, name, email, visits FROM users WHERE id = {holder}"
    assert q.params == [1]
    users.insert(User(name="a"))  # MariaDB looks a key up before it plans
    assert "users" in users.explain("get", User, id=1)


def test_migrations(sync_db: DB, tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "1.sql").write_text("CREATE TABLE a (id INTEGER);")
    assert sync_db.migration_status(folder) == MigrationStatus(["1.sql"], [], [], [])
    assert sync_db.migrate(folder) == 1
    assert sync_db.migration_status(folder) == MigrationStatus([], ["1.sql"], [], [])
    assert sync_db.fetchval("SELECT count(*) FROM a") == 0


def test_ping_is_true_and_raises_only_on_a_closed_handle(sync_backend: Backend) -> None:
    with DB.from_url(sync_backend.url) as db:
        assert db.ping() is True
    with pytest.raises(HandleClosed):
        db.ping()


def test_a_foreign_name_is_an_error_with_a_suggestion(users: DB) -> None:
    with pytest.raises(UndefinedColumnError, match="did you mean 'email'"):
        users.query(User, where={"emial": "x"})
    with pytest.raises(UndefinedColumnError, match="did you mean 'email'"):
        users.query(User, order="emial")
    with pytest.raises(ValidationError, match="needs a row to add to"):
        users.insert(User.patch(name="a", visits=Inc()))


def test_now_is_a_value_of_filters_and_inserts(sync_db: DB, sync_backend: Backend) -> None:
    class Note(Row):
        __table__ = "notes"
        id: int | None = None
        at: Any = None

    sync_db.execute(sync_backend.ddl("CREATE TABLE notes (id {serial_pk}, at {timestamptz})"))
    assert sync_db.insert(Note.patch(at=Now())).at is not None
    assert sync_db.count(Note, where={"at": {"lte": Now()}}) == 1


# Defects that are not there

WRITES: dict[str, Callable[[DB], object]] = {
    "insert": lambda db: db.insert(User(name="b")),
    "upsert": lambda db: db.insert(User(id=1, name="b"), on_conflict="upsert"),
    "update": lambda db: db.update(User(id=1, name="b")),
    "insert_many": lambda db: db.insert_many([User(name="b")], returning=True),
    "execute": lambda db: db.execute("UPDATE users SET name = 'b'"),
    "fetch": lambda db: db.fetch("INSERT INTO users (name) VALUES ('b') RETURNING id"),
}


@pytest.mark.parametrize("verb", WRITES)
def test_rows_d01_a_write_is_committed_when_its_call_returns(users: DB, other: DB, verb: str) -> None:
    users.insert(User(name="a"))
    WRITES[verb](users)
    assert "b" in names(other)
    assert names(users) == names(other)


@ON_SQLITE
def test_rows_d01_a_write_leaves_no_lock_and_survives_close(users: DB, tmp_path: Path) -> None:
    users.insert(User(name="a"))
    with closing(sqlite3.connect(tmp_path / "test.sqlite", timeout=0)) as stranger, stranger:
        stranger.execute("INSERT INTO users (name) VALUES ('c')")
    users.close()
    with closing(sqlite3.connect(tmp_path / "test.sqlite")) as stranger, stranger:
        assert stranger.execute("SELECT name FROM users ORDER BY name").fetchall() == [("a",), ("c",)]


def test_rows_d02_another_threads_statement_does_not_commit_an_open_transaction(users: DB) -> None:
    started = threading.Event()

    def neighbour() -> int:
        started.set()
        return users.execute("INSERT INTO users (name) VALUES ('b')")

    def rolled_back(pool: ThreadPoolExecutor) -> Any:
        with users.transaction() as tx:
            tx.insert(User(name="a"))
            future = pool.submit(neighbour)
            started.wait(10)
            raise KeyError(future)

    with ThreadPoolExecutor() as pool:
        with pytest.raises(KeyError) as raised:
            rolled_back(pool)
        assert raised.value.args[0].result(10) == 1
    assert names(users) == ["b"]


def test_rows_d02_two_threads_never_share_a_transaction(users: DB) -> None:
    barrier = threading.Barrier(8, timeout=30)

    def block(number: int) -> str:
        barrier.wait()
        try:
            with users.transaction() as tx:
                for part in "xyz":
                    tx.insert(User(name=f"{number}{part}"))
                if number % 2:
                    raise KeyError
        except KeyError:
            return "undone"
        return "kept"

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(block, range(8))) == ["kept", "undone"] * 4
    assert names(users) == [f"{n}{part}" for n in (0, 2, 4, 6) for part in "xyz"]


def test_rows_d03_the_outer_rollback_undoes_inner_blocks_and_ddl(users: DB) -> None:
    def outer() -> None:
        with users.transaction() as tx:
            with tx.transaction() as inner:
                inner.insert(User(name="a"))
            if users.database.dialect.commits_by_itself is not None:
                with pytest.raises(UsageError, match="would commit this transaction block"):
                    tx.execute("ALTER TABLE users ADD COLUMN more TEXT")
            else:
                tx.execute("ALTER TABLE users ADD COLUMN more TEXT")
            raise KeyError

    with pytest.raises(KeyError):
        outer()
    assert names(users) == []
    assert users.execute("ALTER TABLE users ADD COLUMN more TEXT") == -1


def test_rows_d04_a_failed_statement_locks_nobody_out(users: DB, other: DB) -> None:
    users.insert(User(name="a", email="a"))
    with pytest.raises(IntegrityError):
        users.insert(User(name="b", email="a"))
    other.insert(User(name="c"))
    assert names(users) == ["a", "c"]


def test_rows_d13_a_transactions_handle_ends_with_its_block(users: DB) -> None:
    with users.transaction() as tx:
        tx.insert(User(name="a"))
    for write in WRITES.values():
        with pytest.raises(HandleClosed):
            write(tx)
    assert names(users) == ["a"]


def test_rows_d14_a_swallowed_error_is_raised_again_when_the_block_ends(users: DB) -> None:
    def swallows() -> None:
        with users.transaction() as tx:
            tx.insert(User(name="a", email="a"))
            try:
                tx.insert(User(name="b", email="a"))
            except IntegrityError:
                pass

    with pytest.raises(TransactionFailed):
        swallows()
    assert names(users) == []


def test_rows_d15_seventy_thousand_rows_are_inserted_wholly_or_not_at_all(users: DB) -> None:
    users.insert(User(name="last", email="last"))
    rows = [User(name="r", email=f"r{i}") for i in range(70_000)]
    with pytest.raises(IntegrityError):
        users.insert_many([*rows, User(name="last", email="last")])
    assert users.count(User) == 1
    assert users.count(User, email=[f"r{i}" for i in range(40_000)]) == 0


def test_rows_d17_deleting_while_iterating_skips_nothing(users: DB) -> None:
    users.insert_many([User(name=n) for n in "abcdef"])
    seen: list[str] = []
    for user in users.iter_rows(User, batch_size=2):
        seen.append(user.name)
        users.delete(user)
    assert seen == list("abcdef")
    assert names(users) == []


def test_rows_d22_the_outer_handle_inside_a_block_raises_where_it_would_wait_for_ever(
    sync_backend: Backend,
) -> None:
    with DB.from_url(sync_backend.url, max_size=1) as db:
        db.execute(
            "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, email TEXT, visits INTEGER DEFAULT 0)"
        )
        with db.transaction() as tx:
            tx.insert(User(id=1, name="a"))
            with pytest.raises(UsageError, match="tx"):
                db.insert(User(id=2, name="b"))
        assert names(db) == ["a"]


# Transactions and threads


def test_a_function_is_run_again_until_no_update_is_lost(users: DB) -> None:
    users.insert(User(name="counter"))

    def add(_: int) -> None:
        def once(tx: DB) -> None:
            row = tx.get(User, id=1)
            assert row is not None
            tx.update(User.patch(id=1, visits=row.visits + 1))

        users.transaction(once, max_retries=100)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(40)))
    found = users.get(User, id=1)
    assert found is not None
    assert found.visits == 40


def test_threads_share_one_handle(users: DB) -> None:
    def work(number: int) -> int:
        for i in range(20):
            users.insert(User(name=f"t{number}", email=f"{number}-{i}"))
            users.update(User.patch(id=1, visits=Inc()))
        return users.count(User, name=f"t{number}")

    users.insert(User(name="first"))
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == [20] * 8
    first = users.get(User, id=1)
    assert first is not None
    assert first.visits == 160


def test_a_savepoint_is_undone_alone(users: DB) -> None:
    def inner(tx: DB) -> None:
        with tx.transaction() as savepoint:
            savepoint.insert(User(name="b"))
            raise KeyError

    with users.transaction() as tx:
        tx.insert(User(name="a"))
        with pytest.raises(KeyError):
            inner(tx)
        tx.insert(User(name="c"))
    assert names(users) == ["a", "c"]
