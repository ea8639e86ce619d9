"""Any sequence of operations against a dictionary, on every backend: the same answers and the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rowstead import DB, DuplicateError, Inc, NotNullError, Row, RowsteadError

if TYPE_CHECKING:
    from conftest import Backend
    from properties.conftest import Handles


class Account(Row):
    __table__ = "accounts"
    id: int
    code: str
    n: int | None = None


def accounts_ddl(backend: Backend) -> str:
    return backend.ddl(
        "CREATE TABLE accounts (id {int} PRIMARY KEY, code {sorted_text} NOT NULL UNIQUE, n {int})"
    )


class Undone(Exception):
    """Rolls a block back."""


@dataclass
class Model:
    """What the table should hold: id -> (code, n)."""

    rows: dict[int, tuple[str, int | None]] = field(default_factory=dict)

    def put(self, id: int, code: str | None, n: int | None) -> None:
        """Write a whole row; DuplicateError and NotNullError as the table's constraints say."""
        if code is None:
            raise NotNullError
        if any(other != id and held[0] == code for other, held in self.rows.items()):
            raise DuplicateError
        self.rows[id] = (code, n)

    def insert(self, id: int, code: str | None, n: int | None) -> None:
        if code is not None and id in self.rows:
            raise DuplicateError
        self.put(id, code, n)

    def by_code(self, code: str) -> int | None:
        return next((id for id, held in self.rows.items() if held[0] == code), None)


def as_tuples(found: Sequence[Account]) -> list[tuple[int, str, int | None]]:
    return [(row.id, row.code, row.n) for row in found]


ids = st.integers(1, 6)
codes = st.sampled_from("abcdef")
counts = st.none() | st.integers(-3, 3)
whole = st.tuples(ids, codes, counts)
Step = tuple[Any, ...]

writes: st.SearchStrategy[Step] = st.one_of(
    whole.map(lambda t: ("insert", *t)),
    st.tuples(ids, counts).map(lambda t: ("insert_without_code", *t)),
    whole.map(lambda t: ("ignore", *t)),
    whole.map(lambda t: ("upsert", *t)),
    whole.map(lambda t: ("upsert_by_code", *t)),
    st.tuples(ids, codes, st.integers(-2, 2)).map(lambda t: ("increment_or_create", *t)),
    st.tuples(ids, counts).map(lambda t: ("update", *t)),
    st.tuples(ids, codes).map(lambda t: ("recode", *t)),
    st.tuples(ids, counts, codes).map(lambda t: ("guarded_update", *t)),
    st.tuples(ids, st.integers(-2, 2)).map(lambda t: ("increment", *t)),
    ids.map(lambda i: ("delete", i)),
    st.tuples(ids, codes).map(lambda t: ("guarded_delete", *t)),
    st.lists(ids, max_size=4).map(lambda found: ("delete_many", found)),
    st.tuples(counts, counts).map(lambda t: ("update_where", *t)),
    st.lists(whole, max_size=5).map(lambda found: ("insert_many", found)),
    st.lists(whole, max_size=5).map(lambda found: ("upsert_many", found)),
    st.lists(whole, max_size=5).map(lambda found: ("ignore_many", found)),
)
reads: st.SearchStrategy[Step] = st.one_of(
    ids.map(lambda i: ("get", i)),
    st.lists(ids, max_size=3).map(lambda found: ("query", found)),
    counts.map(lambda n: ("count", n)),
)
steps = st.recursive(
    st.lists(writes | reads, max_size=8),
    lambda inner: st.tuples(inner, st.booleans(), inner).map(lambda t: [("block", t[0], t[1]), *t[2]]),
    max_leaves=4,
)


class Player:
    """Plays steps on a handle and on the model, and compares every answer."""

    def __init__(self, model: Model) -> None:
        self.model = model

    async def play(self, db: DB, todo: Sequence[Step]) -> None:
        for name, *arguments in todo:
            if name == "block":
                await self.block(db, *arguments)
                continue
            before = deepcopy(self.model.rows)
            expected: Any = None
            error: type[Exception] | None = None
            try:
                expected = getattr(self, f"model_{name}")(*arguments)
            except RowsteadError as raised:
                error, self.model.rows = type(raised), before
            try:
                # A savepoint where a block is open, so that a refused write does not fail the block.
                async with db.transaction() as guarded:
                    answer = await getattr(self, f"send_{name}")(guarded, *arguments)
                refused = None
            except RowsteadError as raised:
                refused = type(raised)
            assert refused is error, (name, arguments)
            assert error is not None or answer == expected, (name, arguments)

    async def block(self, db: DB, todo: Sequence[Step], keep: bool) -> None:
        before = deepcopy(self.model.rows)
        try:
            async with db.transaction() as inner:
                await self.play(inner, todo)
                if not keep:
                    raise Undone
        except Undone:
            self.model.rows = before

    # Each step twice: what the model makes of it, and what is sent.

    def model_insert(self, id: int, code: str, n: int | None) -> Any:
        self.model.insert(id, code, n)
        return (id, code, n)

    async def send_insert(self, db: DB, id: int, code: str, n: int | None) -> Any:
        return as_tuples([await db.insert(Account(id=id, code=code, n=n))])[0]

    def model_insert_without_code(self, id: int, n: int | None) -> Any:
        self.model.insert(id, None, n)

    async def send_insert_without_code(self, db: DB, id: int, n: int | None) -> Any:
        await db.insert(Account.patch(id=id, n=n))

    def model_ignore(self, id: int, code: str, n: int | None) -> Any:
        if id not in self.model.rows and self.model.by_code(code) is None:
            self.model.insert(id, code, n)
        return (id, code, n)

    async def send_ignore(self, db: DB, id: int, code: str, n: int | None) -> Any:
        return as_tuples([await db.insert(Account(id=id, code=code, n=n), on_conflict="ignore")])[0]

    def model_upsert(self, id: int, code: str, n: int | None) -> Any:
        self.model.put(id, code, n)
        return (id, code, n)

    async def send_upsert(self, db: DB, id: int, code: str, n: int | None) -> Any:
        return as_tuples([await db.insert(Account(id=id, code=code, n=n), on_conflict="upsert")])[0]

    def model_upsert_by_code(self, id: int, code: str, n: int | None) -> Any:
        there = self.model.by_code(code)
        if there is None:
            self.model.insert(id, code, n)
            return (id, code, n)
        self.model.rows[there] = (code, n)
        return (there, code, n)

    async def send_upsert_by_code(self, db: DB, id: int, code: str, n: int | None) -> Any:
        row = Account(id=id, code=code, n=n)
        return as_tuples([await db.insert(row, on_conflict="upsert", conflict_target="code")])[0]

    def model_increment_or_create(self, id: int, code: str, by: int) -> Any:
        held = self.model.rows.get(id)
        if held is None:
            self.model.insert(id, code, 10 + by)
        else:
            self.model.put(id, code, None if held[1] is None else held[1] + by)
        return (id, *self.model.rows[id])

    async def send_increment_or_create(self, db: DB, id: int, code: str, by: int) -> Any:
        row = Account.patch(id=id, code=code, n=Inc(by, start=10))
        return as_tuples([await db.insert(row, on_conflict="upsert")])[0]

    def model_update(self, id: int, n: int | None) -> Any:
        if id not in self.model.rows:
            return None
        self.model.rows[id] = (self.model.rows[id][0], n)
        return (id, *self.model.rows[id])

    async def send_update(self, db: DB, id: int, n: int | None) -> Any:
        row = await db.update(Account.patch(id=id, n=n))
        return None if row is None else as_tuples([row])[0]

    def model_recode(self, id: int, code: str) -> Any:
        if id in self.model.rows:
            self.model.put(id, code, self.model.rows[id][1])
        return id in self.model.rows

    async def send_recode(self, db: DB, id: int, code: str) -> Any:
        return await db.update(Account.patch(id=id, code=code)) is not None

    def model_guarded_update(self, id: int, n: int | None, code: str) -> Any:
        held = self.model.rows.get(id)
        return None if held is None or held[0] != code else self.model_update(id, n)

    async def send_guarded_update(self, db: DB, id: int, n: int | None, code: str) -> Any:
        row = await db.update(Account.patch(id=id, n=n), where={"code": code})
        return None if row is None else as_tuples([row])[0]

    def model_increment(self, id: int, by: int) -> Any:
        held = self.model.rows.get(id)
        if held is None:
            return None
        return self.model_update(id, None if held[1] is None else held[1] + by)

    async def send_increment(self, db: DB, id: int, by: int) -> Any:
        return await self.send_update(db, id, Inc(by))  # pyright: ignore[reportArgumentType]

    def model_delete(self, id: int) -> Any:
        return 0 if self.model.rows.pop(id, None) is None else 1

    async def send_delete(self, db: DB, id: int) -> Any:
        return await db.delete(Account.patch(id=id))

    def model_guarded_delete(self, id: int, code: str) -> Any:
        held = self.model.rows.get(id)
        return self.model_delete(id) if held is not None and held[0] == code else 0

    async def send_guarded_delete(self, db: DB, id: int, code: str) -> Any:
        return await db.delete(Account.patch(id=id), where={"code": code})

    def model_delete_many(self, keys: list[int]) -> Any:
        return sum(self.model_delete(id) for id in set(keys))

    async def send_delete_many(self, db: DB, keys: list[int]) -> Any:
        return await db.delete_many(Account, keys)

    def model_update_where(self, old: int | None, new: int | None) -> Any:
        found = [id for id, held in self.model.rows.items() if held[1] == old]
        for id in found:
            self.model_update(id, new)
        return len(found)

    async def send_update_where(self, db: DB, old: int | None, new: int | None) -> Any:
        return await db.update_where(Account.patch(n=new), where={"n": old})

    def model_insert_many(self, found: list[tuple[int, str, int | None]]) -> Any:
        return [self.model_insert(*entry) for entry in found]

    async def send_insert_many(self, db: DB, found: list[tuple[int, str, int | None]]) -> Any:
        rows = [Account(id=id, code=code, n=n) for id, code, n in found]
        return as_tuples(await db.insert_many(rows, returning=True))

    def model_upsert_many(self, found: list[tuple[int, str, int | None]]) -> Any:
        last = {entry[0]: entry for entry in found}
        for entry in last.values():
            self.model_upsert(*entry)
        return [last[entry[0]] for entry in found]

    async def send_upsert_many(self, db: DB, found: list[tuple[int, str, int | None]]) -> Any:
        rows = [Account(id=id, code=code, n=n) for id, code, n in found]
        return as_tuples(await db.insert_many(rows, on_conflict="upsert", returning=True))

    def model_ignore_many(self, found: list[tuple[int, str, int | None]]) -> Any:
        before = len(self.model.rows)
        for entry in found:
            self.model_ignore(*entry)
        return len(self.model.rows) - before

    async def send_ignore_many(self, db: DB, found: list[tuple[int, str, int | None]]) -> Any:
        rows = [Account(id=id, code=code, n=n) for id, code, n in found]
        return await db.insert_many(rows, on_conflict="ignore")

    def model_get(self, id: int) -> Any:
        held = self.model.rows.get(id)
        return None if held is None else (id, *held)

    async def send_get(self, db: DB, id: int) -> Any:
        row = await db.get(Account, id=id)
        return None if row is None else as_tuples([row])[0]

    def model_query(self, keys: list[int]) -> Any:
        return sorted((id, *held) for id, held in self.model.rows.items() if id in keys)

    async def send_query(self, db: DB, keys: list[int]) -> Any:
        return as_tuples(await db.query(Account, id=keys, order="id"))

    def model_count(self, n: int | None) -> Any:
        return sum(held[1] == n for held in self.model.rows.values())

    async def send_count(self, db: DB, n: int | None) -> Any:
        return await db.count(Account, n=n)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(todo=steps)
def test_any_operations_leave_what_a_dictionary_would_hold(handles: Handles, todo: list[Step]) -> None:
    handles.empty("accounts", accounts_ddl)

    async def play(db: DB) -> None:
        player = Player(Model())
        await player.play(db, todo)
        stored = as_tuples(await db.query(Account, order="id"))
        assert stored == sorted((id, *held) for id, held in player.model.rows.items())

    handles.each(play)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(todo=st.lists(writes, max_size=12))
def test_a_refused_write_outside_any_block_changes_nothing(handles: Handles, todo: list[Step]) -> None:
    handles.empty("accounts", accounts_ddl)

    async def play(db: DB) -> None:
        player = Player(Model())
        for name, *arguments in todo:
            before = deepcopy(player.model.rows)
            try:
                getattr(player, f"model_{name}")(*arguments)
                error = None
            except RowsteadError as raised:
                error, player.model.rows = type(raised), before
            try:
                await getattr(player, f"send_{name}")(db, *arguments)
                refused = None
            except RowsteadError as raised:
                refused = type(raised)
            assert refused is error, (name, arguments)
        stored = as_tuples(await db.query(Account, order="id"))
        assert stored == sorted((id, *held) for id, held in player.model.rows.items())

    handles.each(play)
