"""Any sequence of a service's verbs, by any of several users, against dictionaries, on every backend.

Each step is done by nobody in particular, by one of two users, or by somebody who has not said who they
are; rows belong to users by `PermHook`, before or behind the service. Every answer is what the model says,
and the table holds what the model holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rowstead import DB, DuplicateError, NotFound, RowsteadError, ValidationError
from rowstead.service import PermHook, SQLService, session

if TYPE_CHECKING:
    from conftest import Backend
    from properties.conftest import Handles

belongings = sa.Table(
    "belongings",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("code", sa.String(20), unique=True, nullable=False),
    sa.Column("n", sa.Integer),
    sa.Column("user_id", sa.Integer),
    sa.Column("secret", sa.Integer, default=7),
)


def belongings_ddl(backend: Backend) -> str:
    return backend.ddl(
        "CREATE TABLE belongings (id {int} PRIMARY KEY, code {sorted_text} NOT NULL UNIQUE, n {int},"
        " user_id {int}, secret {int})"
    )


class Plain(SQLService[int, dict[str, Any]]):
    table = belongings
    select_columns_blacklist = ("secret",)
    update_columns = ("n", "code", "user_id")


class Before(PermHook, Plain):
    service_name = "belongings"


class Behind(Plain, PermHook):
    service_name = "belongings"


NOBODY, ANONYMOUS = "nobody in particular", "anonymous"
Row = dict[str, Any]


def acting(who: Any) -> AbstractContextManager[Any]:
    if who == NOBODY:
        return nullcontext()
    return session() if who == ANONYMOUS else session(user_id=who)


def fulfils(row: Row, conditions: Any) -> bool:
    """What conditions of this file's forms say of a row."""
    if conditions in (None, "*"):
        return True
    if isinstance(conditions, list):
        return any(fulfils(row, one) for one in conditions)
    return all(_holds(row[name], test) for name, test in conditions.items())


def _holds(value: Any, test: Any) -> bool:
    if isinstance(test, list):
        return value in test
    if isinstance(test, dict):
        return value is not None and value > test["gt"]
    return value == test


class Unclear(Exception):
    """A step of which the databases may say different things: it is left out."""


class Model:
    """What the table should hold: id -> row; and what each verb makes of it for who acts."""

    def __init__(self) -> None:
        self.rows: dict[int, Row] = {}
        self.who: Any = NOBODY

    def own(self, row: Row) -> bool:
        return self.who == NOBODY or row["user_id"] == self.who

    def seen(self, rows: Iterable[Row]) -> list[Row]:
        return [dict(row) for row in rows if self.own(row)]

    def those(self, ids: Sequence[int] | None, conditions: Any) -> list[Row]:
        """The rows of a verb of many that are the acting user's. ValidationError where nothing is said."""
        if not ids and conditions is None:
            raise ValidationError
        rows = [row for row in self.rows.values() if not ids or row["id"] in ids]
        return [row for row in rows if fulfils(row, conditions) and self.own(row)]

    def one(self, id: int) -> Row:
        row = self.rows.get(id)
        if row is None or not self.own(row):
            raise NotFound
        return row

    def ready(self, row: Row) -> Row:
        """A row as it would be inserted."""
        if self.who == ANONYMOUS:
            raise ValidationError
        owner = row.get("user_id")
        if self.who != NOBODY:
            if owner not in (None, self.who):
                raise ValidationError
            owner = self.who
        return {"n": None, **row, "user_id": owner}

    def holder(self, code: str) -> int | None:
        return next((row["id"] for row in self.rows.values() if row["code"] == code), None)

    def put(self, row: Row) -> Row:
        if row["id"] in self.rows or self.holder(row["code"]) is not None:
            raise DuplicateError
        self.rows[row["id"]] = row
        return row

    # The verbs

    def create(self, row: Row) -> Any:
        return (self.seen([self.put(self.ready(row))]) or [None])[0]

    def m_create(self, rows: list[Row]) -> Any:
        return self.seen([self.put(row) for row in [self.ready(row) for row in rows]])

    def ignore(self, rows: list[Row]) -> Any:
        written: list[Row] = []
        for row in [self.ready(row) for row in rows]:
            if row["id"] not in self.rows and self.holder(row["code"]) is None:
                written.append(self.put(row))
        return self.seen(written)

    def upsert(self, rows: list[Row], n: int) -> Any:
        written: list[Row] = []
        ready = [self.ready(row) for row in rows]
        if not rows:
            return []
        if len({row["id"] for row in ready}) < len(ready):
            raise Unclear
        for row in ready:
            there = self.rows.get(row["id"])
            if there is None:
                written.append(self.put(row))
                continue
            if self.holder(row["code"]) not in (None, row["id"]):
                raise Unclear
            if not self.own(there):
                raise DuplicateError
            there["n"] = n
            written.append(there)
        return self.seen(written)

    def get(self, id: int) -> Any:
        return dict(self.one(id))

    def exists(self, id: int) -> Any:
        return id in self.rows and self.own(self.rows[id])

    def m_exists(self, ids: list[int]) -> Any:
        return frozenset(id for id in ids if self.exists(id))

    def m_get(self, ids: list[int] | None, conditions: Any) -> Any:
        return [] if ids == [] and conditions is None else [dict(row) for row in self.those(ids, conditions)]

    def count(self, conditions: Any) -> Any:
        return len(self.those(None, conditions or "*"))

    def listed(self, conditions: Any, offset: int, limit: int) -> Any:
        rows = sorted(self.those(None, conditions or "*"), key=lambda row: -row["id"])
        page = [dict(row) for row in rows[offset : offset + limit]]
        pages = max(1, -(-len(rows) // limit))
        return len(rows), offset // limit + 1, pages, len(page), page

    def walked(self, conditions: Any, limit: int) -> Any:
        return [dict(row) for row in sorted(self.those(None, conditions or "*"), key=lambda row: row["id"])]

    def update(self, id: int, n: int | None) -> Any:
        row = self.one(id)
        row["n"] = n
        return dict(row)

    def give(self, id: int, user: int) -> Any:
        if self.who not in (NOBODY, user):
            raise ValidationError
        row = self.one(id)
        row["user_id"] = user
        return dict(row)

    def recode(self, id: int, code: str) -> Any:
        row = self.one(id)
        if self.holder(code) not in (None, id):
            raise DuplicateError
        row["code"] = code
        return dict(row)

    def m_update(self, ids: list[int] | None, n: int, conditions: Any) -> Any:
        rows = self.those(ids, conditions)
        for row in rows:
            row["n"] = n
        return [dict(row) for row in rows]

    def delete(self, id: int) -> Any:
        return self.rows.pop(self.one(id)["id"])

    def m_delete(self, ids: list[int] | None, conditions: Any) -> Any:
        return [self.rows.pop(row["id"]) for row in self.those(ids, conditions)]


class Sender:
    """The same verbs, sent."""

    def __init__(self, service: Plain) -> None:
        self.service = service

    async def create(self, row: Row) -> Any:
        return await self.service.create(row)

    async def m_create(self, rows: list[Row]) -> Any:
        return await self.service.m_create(rows)

    async def ignore(self, rows: list[Row]) -> Any:
        return await self.service.m_create(rows, on_conflict="do_nothing")

    async def upsert(self, rows: list[Row], n: int) -> Any:
        return await self.service.m_create(
            rows, on_conflict="do_update", on_conflict_keys=["id"], on_conflict_values={"n": n}
        )

    async def get(self, id: int) -> Any:
        return await self.service.get(id)

    async def exists(self, id: int) -> Any:
        return await self.service.exists(id)

    async def m_exists(self, ids: list[int]) -> Any:
        return await self.service.m_exists(ids)

    async def m_get(self, ids: list[int] | None, conditions: Any) -> Any:
        return await self.service.m_get(ids, conditions)

    async def count(self, conditions: Any) -> Any:
        return await self.service.count(conditions)

    async def listed(self, conditions: Any, offset: int, limit: int) -> Any:
        page = await self.service.list(conditions, sort="-id", offset=offset, limit=limit)
        return page["count"], page["page"], page["pages"], page["on_page"], page["data"]

    async def walked(self, conditions: Any, limit: int) -> Any:
        return [row async for batch in self.service.iter(conditions, limit=limit) for row in batch]

    async def update(self, id: int, n: int | None) -> Any:
        return await self.service.update(id, {"n": n})

    async def give(self, id: int, user: int) -> Any:
        # The row may no longer be seen then, and is not given back.
        return await self.service.update(id, {"user_id": user})

    async def recode(self, id: int, code: str) -> Any:
        return await self.service.update(id, {"code": code})

    async def m_update(self, ids: list[int] | None, n: int, conditions: Any) -> Any:
        return await self.service.m_update(ids, {"n": n}, conditions)

    async def delete(self, id: int) -> Any:
        return await self.service.delete(id, columns="*")

    async def m_delete(self, ids: list[int] | None, conditions: Any) -> Any:
        return await self.service.m_delete(ids, conditions, columns="*")


IN_NO_ORDER = ("m_get", "m_update", "m_delete")

ids = st.integers(1, 6)
codes = st.sampled_from("abcdef")
numbers = st.integers(-3, 3)
some_ids = st.none() | st.lists(ids, max_size=4)
rows = st.fixed_dictionaries(
    {"id": ids, "code": codes}, optional={"n": st.none() | numbers, "user_id": st.none() | st.integers(1, 2)}
)
one_condition = st.one_of(
    numbers.map(lambda n: {"n": n}),
    numbers.map(lambda n: {"n": {"gt": n}, "id": {"gt": 1}}),
    st.lists(codes, max_size=3).map(lambda found: {"code": found}),
    st.integers(1, 2).map(lambda user: {"user_id": user}),
)
conditions = st.one_of(
    st.none(), st.just("*"), one_condition, st.lists(one_condition, min_size=1, max_size=3)
)
Verb = tuple[str, tuple[Any, ...]]


def verb(name: str, *arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Verb]:
    return st.tuples(*arguments).map(lambda found: (name, found))


verbs: st.SearchStrategy[Verb] = st.one_of(
    verb("create", rows),
    verb("m_create", st.lists(rows, max_size=4)),
    verb("ignore", st.lists(rows, max_size=4)),
    verb("upsert", st.lists(rows, max_size=3), numbers),
    verb("get", ids),
    verb("exists", ids),
    verb("m_exists", st.lists(ids, max_size=4)),
    verb("m_get", some_ids, conditions),
    verb("count", conditions),
    verb("listed", conditions, st.integers(0, 7), st.integers(1, 4)),
    verb("walked", conditions, st.integers(1, 4)),
    verb("update", ids, st.none() | numbers),
    verb("give", ids, st.integers(1, 2)),
    verb("recode", ids, codes),
    verb("m_update", some_ids, numbers, conditions),
    verb("delete", ids),
    verb("m_delete", some_ids, conditions),
)
steps = st.lists(
    st.tuples(st.sampled_from([NOBODY, 1, 2, ANONYMOUS]), st.booleans(), verbs), min_size=1, max_size=12
)


async def play(make: Callable[[DB], Plain], db: DB, todo: Sequence[Any]) -> None:
    """Do the steps with the service and the model, and compare every answer; some inside a block."""
    model, sender = Model(), Sender(make(db))
    for who, in_block, (name, arguments) in todo:
        before, model.who = deepcopy(model.rows), who
        expected: Any = None
        error: type[Exception] | None = None
        try:
            expected = getattr(model, name)(*deepcopy(arguments))
        except Unclear:
            model.rows = before
            continue
        except RowsteadError as raised:
            error, model.rows = type(raised), before
        answer, refused = await sent(sender, make, db, in_block, who, name, arguments)
        assert refused is error, (who, name, arguments)
        if name in IN_NO_ORDER and error is None:
            answer, expected = (sorted(found, key=lambda row: row["id"]) for found in (answer, expected))
        assert error is not None or answer == expected, (who, name, arguments)
    held = await Plain(db).list(sort="id", limit=1000)
    assert held["data"] == [model.rows[id] for id in sorted(model.rows)]


async def sent(
    sender: Sender, make: Callable[[DB], Plain], db: DB, in_block: bool, who: Any, name: str, arguments: Any
) -> tuple[Any, type[Exception] | None]:
    """What comes of a verb: its answer, or the class of its error. A refused one leaves its block usable."""
    given = deepcopy(arguments)
    with acting(who):
        try:
            if not in_block:
                return await getattr(sender, name)(*given), None
            async with db.transaction() as tx:
                inside = Sender(make(tx))
                try:
                    return await getattr(inside, name)(*given), None
                except RowsteadError as raised:
                    await tx.fetchval("SELECT count(*) FROM belongings")
                    return None, type(raised)
        except RowsteadError as raised:
            return None, type(raised)
        finally:
            # What a caller gave stays as it was.
            assert given == arguments


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(todo=steps, behind=st.booleans())
def test_a_service_does_what_dictionaries_do(handles: Handles, todo: Sequence[Any], behind: bool) -> None:
    make: Callable[[DB], Plain] = Behind if behind else Before
    handles.empty("belongings", belongings_ddl)
    handles.each(lambda db: play(make, db, todo))


# Controls: services that are wrong in one thing, and steps that show it.


class ShowsEverything(Before):
    def permit_select(self, sql: Any) -> Any:
        return sql


class UpsertsEverything(Before):
    def permit_change(self, sql: Any) -> Any:
        return sql


class DeletesEverything(Before):
    def permit_delete(self, sql: Any) -> Any:
        return sql


class InsertsForOthers(Before):
    def permit_insert(self, row: Any) -> Any:
        return row


class MeansEveryRow(Before):
    async def m_delete(self, id: Any = None, conditions: Any = None, *args: Any, **options: Any) -> Any:
        return await super().m_delete(id, conditions or "*", *args, **options)


A, B = {"id": 1, "code": "a"}, {"id": 2, "code": "b"}
OF_ONE = (1, False, ("create", (A,)))
SHOWN_BY: dict[type[Plain], list[Any]] = {
    ShowsEverything: [OF_ONE, (2, True, ("m_get", ([1], None)))],
    UpsertsEverything: [OF_ONE, (2, False, ("upsert", ([A], 3)))],
    DeletesEverything: [OF_ONE, (2, False, ("m_delete", ([1], None)))],
    InsertsForOthers: [(1, False, ("create", ({**B, "user_id": 2},)))],
    MeansEveryRow: [OF_ONE, (1, False, ("m_delete", ([], None)))],
}


@pytest.mark.parametrize("broken", SHOWN_BY)
def test_control_a_service_that_is_wrong_in_one_thing_is_found(handles: Handles, broken: type[Plain]) -> None:
    for _, db in handles.databases.values():
        handles.empty("belongings", belongings_ddl)
        handles.run(play(Before, db, SHOWN_BY[broken]))
        handles.empty("belongings", belongings_ddl)
        with pytest.raises(AssertionError):
            handles.run(play(broken, db, SHOWN_BY[broken]))
