"""A corpus of injections through every position of the rows API: no statement changes, no canary dies.

A position takes a string and uses it as a value, a name, a pattern, a token, … . What is sent for it
must be, to the letter, what is sent for a harmless string; else the call must be refused before
anything is sent. Where the string is a value, the answer must be right. Where it is a name that the
user declared (a table's, a column's), the text around the quoted name must be the same.
"""

from __future__ import annotations

import base64
import json
import re
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any, NamedTuple

import pytest
from pydantic import create_model

from conftest import Backend, Translate
from rowstead import DB, DataError, Kind, Row, RowsteadError, UndefinedTableError, UsageError

from .corpus_of_injections import fetched, naughty, some, written
from .figures import LONG, record_figure, size

HARMLESS = "harmless"
SENT_TO_SERVER = size(short=120, long=3_000)
"""How many strings go through the positions that reach the database; the others take all."""
ALIVE = [{"id": 1, "alive": 1}, {"id": 2, "alive": 1}]


def corpus() -> list[str]:
    strings = [*written(), *naughty(), *(fetched() if LONG else [])]
    return list(dict.fromkeys(strings))


class Person(Row):
    __table__ = "people"
    id: int
    name: str | None = None
    data: Annotated[Any, Kind.JSON] = None


class Tag(Row):
    __table__ = "tags"
    __pk__ = ("label",)
    label: str
    n: int = 0


DDL = (
    "CREATE TABLE people (id {serial_pk}, name {text} UNIQUE, data {jsonb})",
    "CREATE TABLE tags (label {text} PRIMARY KEY, n {int} NOT NULL)",
    "CREATE TABLE canary (id {int} PRIMARY KEY, alive {int})",
    "INSERT INTO canary (id, alive) VALUES (1, 1), (2, 1)",
)


class Wire(NamedTuple):
    """A database and every text that was sent to it."""

    db: DB
    sent: list[str]
    backend: Backend


@pytest.fixture
async def wire(backend: Backend, ddl: Translate) -> AsyncIterator[Wire]:
    sent: list[str] = []
    async with await DB.from_url(backend.url, max_size=2, trace=lambda t: sent.append(t.sql)) as db:
        for statement in DDL:
            await db.execute(ddl(statement))
        sent.clear()
        yield Wire(db, sent, backend)
        assert await canary_lives(db, backend)


async def canary_lives(db: DB, backend: Backend) -> bool:
    """Whether the canary's rows are there and no table was made or lost."""
    names = "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
    if not backend.is_postgres:
        names = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'sqlite_sequence' ORDER BY 1"
    tables = [row["name"] for row in await db.fetch(names)]
    rows = await db.fetch("SELECT id, alive FROM canary ORDER BY id") if "canary" in tables else None
    return tables == ["canary", "people", "tags"] and rows == ALIVE


# ── positions of values: the statement is the same, and the answer is right ──────────────────


async def insert(db: DB, text: str) -> bool:
    await db.execute("DELETE FROM people")
    return (await db.insert(Person(id=1, name=text))).name == text


async def upsert(db: DB, text: str) -> bool:
    row = await db.insert(Person(id=1, name=text, data=0), on_conflict="upsert", conflict_target="name")
    return row.name == text and row.data == 0


async def get(db: DB, text: str) -> bool:
    return (await db.get(Person, name=text)) == await db.get(Person, id=1)


async def by_lists(db: DB, text: str) -> bool:
    found = [await db.count(Person, name=[text, "other"]), await db.count(Person, name=["x"] * 20 + [text])]
    return [*found, await db.count(Person, where={"name": {"not_in": [text]}})] == [1, 1, 0]


async def by_comparisons(db: DB, text: str) -> bool:
    tests = ("eq", "ne", "not", "gt", "gte", "lt", "lte")
    found = [await db.count(Person, where={"name": {test: text}}) for test in tests]
    between = await db.count(Person, where={"name": {"between": [text, text]}})
    return [*found, between] == [1, 0, 0, 0, 1, 0, 1, 1]


async def by_patterns(db: DB, text: str) -> bool:
    literal = [await db.count(Person, where={"name": {test: text}}) for test in ("contains", "starts_with")]
    wild = await db.count(Person, where={"name": {"like": text}})
    await db.count(Person, where={"name": {"ilike": text}})
    return literal == [1, 1] and (wild == 1 or "\\" in text)


async def in_subquery(db: DB, text: str) -> bool:
    inner = {"table": Person, "columns": ["id"], "filter": {"name": {"eq": text}}}
    there = {"exists": {"table": Person, "filter": {"name": {"eq": text}}}}
    return await db.count(Person, where={"id": {"in_subquery": inner}, **there}) == 1


async def json_value(db: DB, text: str) -> bool:
    value = {"text": text, text: [text, {"deep": text}]}
    row = await db.update(Person(id=1, data=value))
    found = await db.get(Person, data={"eq": value})
    return row is not None and row.data == value and found is not None and found.data == value


async def page_token(db: DB, text: str) -> bool:
    """A walk by name, whose token holds the string."""
    page = await db.page(Person, order="name", limit=1)
    token = base64.urlsafe_b64encode(json.dumps(["people:+name,+id", "some", [text, 0]]).encode()).decode()
    behind = await db.page(Person, order="name", limit=1, after=token.rstrip("="))
    return [r.name for r in page.rows] == [text] and [r.name for r in behind.rows] == [text]


async def raw_parameter(db: DB, text: str) -> bool:
    row = await db.fetchrow("SELECT name FROM people WHERE name = $1", text)
    model = await db.fetch_model(Person, "SELECT id, name FROM people WHERE name = $1", text)
    return row == {"name": text} and model is not None and model.name == text


async def nested_block(db: DB, text: str) -> bool:
    async with db.transaction() as outer, outer.transaction() as inner:
        return await inner.update(Person(id=1, name=text)) is not None


async def key(db: DB, text: str) -> bool:
    await db.insert(Tag(label=text, n=1))
    changed = await db.update(Tag(label=text, n=2), where={"label": {"eq": text}})
    gone = [await db.delete_many(Tag, [text]), await db.delete(Tag(label=text))]
    return changed == Tag(label=text, n=2) and gone == [1, 0]


async def bulk(db: DB, text: str) -> bool:
    rows = [Tag(label=text, n=1), *(Tag(label=f"other {i}", n=i) for i in range(3))]
    await db.insert_many(rows)
    again = await db.insert_many(rows, on_conflict="upsert", returning=True)
    changed = await db.update_where(Tag.patch(n=5), where={"label": text})
    gone = await db.delete_many(Tag, [row.label for row in rows])
    return again[0].label == text and changed == 1 and gone == 4


async def change_and_remove(db: DB, text: str) -> bool:
    changed = await db.update_where(Person.patch(name=text), where={"name": text})
    return changed == 1 and await db.delete(Person(id=1), where={"name": text}) == 1


Position = Callable[[DB, str], Awaitable[bool]]
# In this order: the first puts the row there that the others look for, the last removes it.
VALUES: Sequence[Position] = (
    insert,
    upsert,
    get,
    by_lists,
    by_comparisons,
    by_patterns,
    in_subquery,
    json_value,
    page_token,
    raw_parameter,
    nested_block,
    key,
    bulk,
    change_and_remove,
)


class Found(NamedTuple):
    """What a run of strings through positions showed."""

    calls: int
    changed: list[tuple[str, str, Sequence[str]]]
    """(position, string, what was sent) where that is not what a harmless string sends."""
    wrong: list[tuple[str, str]]
    """(position, string) where the answer is wrong."""
    refused: int
    """Calls that ended with an error of ours."""


async def values_through(
    db: DB, sent: list[str], strings: Sequence[str], positions: Sequence[Position] = VALUES
) -> Found:
    """Every string through every position of a value."""
    usual: dict[str, list[str]] = {}
    found = Found(0, [], [], 0)
    calls = refused = 0
    # Twice: the first time a driver learns about types.
    for text in (HARMLESS, HARMLESS, *strings):
        for position in positions:
            sent.clear()
            name = position.__name__
            right = True
            try:
                right = await position(db, text)
            except RowsteadError as error:
                # Text that the database cannot hold (a NUL, half a surrogate) is refused as a value.
                refused += 1
                right = isinstance(error, (DataError, UsageError)) or not storable(text)
            calls += 1
            texts = list(sent)
            if text == HARMLESS:
                assert right, name
                usual[name] = texts
            elif texts != usual[name] and (storable(text) or not set(texts) <= known(usual)):
                found.changed.append((name, text, texts))
            if not right:
                found.wrong.append((name, text))
    return found._replace(calls=calls, refused=refused)


def known(usual: dict[str, list[str]]) -> set[str]:
    """Every text that a harmless string sends, and what follows where a value was refused."""
    undone = {"ROLLBACK", "ROLLBACK TO SAVEPOINT rowstead_1", "SELECT count(*) FROM people"}
    return {*undone, *(t for texts in usual.values() for t in texts)}


def storable(text: str) -> bool:
    """Whether a database can hold the text at all."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\x00" not in text


async def test_a_string_as_a_value_changes_no_statement(wire: Wire) -> None:
    everything = corpus()
    strings = some(everything, SENT_TO_SERVER)
    found = await values_through(wire.db, wire.sent, strings)
    alive = await canary_lives(wire.db, wire.backend)
    record_figure(
        f"injection corpus as values, {wire.backend.name}: statements changed, wrong answers, canaries dead",
        f"{len(found.changed)}, {len(found.wrong)}, {int(not alive)} in {found.calls:,} calls "
        f"({len(strings):,} of {len(everything):,} strings in {len(VALUES)} positions, "
        f"{found.refused} refused)",
        "0, 0, 0",
        "the line `control: a layer that pastes values`",
    )
    assert found.changed == []
    assert found.wrong == []
    assert alive


# ── positions of names: refused before anything is sent ──────────────────────────────────────


async def column_of_a_filter(db: DB, text: str) -> None:
    await db.query(Person, where={text: 1})


async def column_by_keyword(db: DB, text: str) -> None:
    await db.query(Person, **{text: 1})


async def escaped_column(db: DB, text: str) -> None:
    await db.query(Person, where={"col": {"name": text, "eq": 1}})


async def operator(db: DB, text: str) -> None:
    await db.query(Person, where={"name": {text: "x"}})


async def order(db: DB, text: str) -> None:
    await db.query(Person, order=[{"asc": text}])


async def order_in_words(db: DB, text: str) -> None:
    await db.query(Person, order=[text])


async def direction(db: DB, text: str) -> None:
    await db.query(Person, order=[{text: "id"}])


async def nulls(db: DB, text: str) -> None:
    await db.query(Person, order=[{"asc": "name", "nulls": text}])


async def conflict_target(db: DB, text: str) -> None:
    await db.insert(Person(id=1, name="x"), on_conflict="upsert", conflict_target=text)


async def conflict_action(db: DB, text: str) -> None:
    await db.insert(Person(id=1, name="x"), on_conflict=text)  # type: ignore[arg-type]


async def field_of_a_patch(db: DB, text: str) -> None:
    await db.update_where(Person.patch(**{text: 1}), where={"id": 1})


async def key_column(db: DB, text: str) -> None:
    await db.delete_many(Person, [{text: 1}])


async def subquery_table(db: DB, text: str) -> None:
    await db.query(Person, where={"exists": {"table": text, "filter": {}}})


async def subquery_column(db: DB, text: str) -> None:
    await db.query(Person, where={"id": {"in_subquery": {"table": Person, "columns": [text]}}})


async def outer_column(db: DB, text: str) -> None:
    inner = {"table": Person, "filter": {"name": {"eq": {"$outer": text}}}}
    await db.query(Person, where={"exists": inner})


async def walked_column(db: DB, text: str) -> None:
    async for _ in db.iter_rows_keyset(Person, by=text):
        pass


async def limit(db: DB, text: str) -> None:
    await db.query(Person, limit=text)  # type: ignore[arg-type]


async def offset(db: DB, text: str) -> None:
    await db.query(Person, offset=text)  # type: ignore[arg-type]


async def token(db: DB, text: str) -> None:
    await db.page(Person, order="name", after=text)


async def isolation(db: DB, text: str) -> None:
    async with db.transaction(isolation=text):
        pass


async def isolation_of_a_function(db: DB, text: str) -> None:
    async def work(inner: DB) -> None:
        pass

    await db.transaction(work, isolation=text)


async def verb(db: DB, text: str) -> None:
    await db.explain(text, Person, id=1)


NAMES: Sequence[Callable[[DB, str], Awaitable[None]]] = (
    column_of_a_filter,
    column_by_keyword,
    escaped_column,
    operator,
    order,
    order_in_words,
    direction,
    nulls,
    conflict_target,
    conflict_action,
    field_of_a_patch,
    key_column,
    subquery_table,
    subquery_column,
    outer_column,
    walked_column,
    limit,
    offset,
    token,
    isolation,
    isolation_of_a_function,
    verb,
)
MEANINGLESS = re.compile(r"[\s,]*")
"""An order of nothing is no order."""


async def names_through(
    db: DB, sent: list[str], strings: Sequence[str], positions: Sequence[Callable[[DB, str], Awaitable[None]]]
) -> Found:
    """Every string through every position of a name."""
    found = Found(0, [], [], 0)
    calls = refused = 0
    for text in strings:
        for position in positions:
            sent.clear()
            calls += 1
            try:
                await position(db, text)
            except RowsteadError:
                refused += 1
            else:
                if position is not order_in_words or not MEANINGLESS.fullmatch(text):
                    found.wrong.append((position.__name__, text))
                    continue
            if sent and sent != ["SELECT id, name, data FROM people"]:
                found.changed.append((position.__name__, text, list(sent)))
    return found._replace(calls=calls, refused=refused)


async def test_a_string_as_a_name_is_refused_before_anything_is_sent(wire: Wire) -> None:
    strings = corpus()
    found = await names_through(wire.db, wire.sent, strings, NAMES)
    alive = await canary_lives(wire.db, wire.backend)
    record_figure(
        f"injection corpus as names, {wire.backend.name}: statements sent, calls accepted, canaries dead",
        f"{len(found.changed)}, {len(found.wrong)}, {int(not alive)} in {found.calls:,} calls "
        f"({len(strings):,} strings, {len(NAMES)} positions)",
        "0, 0, 0",
        "the line `control: a layer that pastes names`",
    )
    assert found.changed == []
    assert found.wrong == []
    assert alive


# ── names that the user declares: quoted, and nothing else of the text changes ───────────────

PLAIN_NAME = r"[a-z_][a-z0-9_$]*"
QUOTED = {True: r'"(?:[^"]|"")*"', False: r"`(?:[^`]|``)*`"}


def unquoted(name: str) -> str:
    return name[1:-1].replace(name[0] * 2, name[0]) if name[0] in '"`' else name


async def test_a_declared_name_stands_quoted_and_nothing_else_changes(wire: Wire) -> None:
    strings = some(corpus(), 3_000)
    name = f"(?:{PLAIN_NAME}|{QUOTED[wire.backend.is_postgres]})"
    table_text = re.compile(rf"SELECT id, label FROM ((?:{name}\.)?{name}) WHERE id = (?:\$1|\?)", re.DOTALL)
    column_text = re.compile(rf"SELECT id, ({name}) FROM odd WHERE id = (?:\$1|\?)", re.DOTALL)
    refused, wrong, composed = 0, [], 0
    for text in strings:
        try:
            table = type(
                "Declared", (Row,), {"__table__": text, "__annotations__": {"id": int, "label": str}}
            )
            sql = wire.db.compose("get", table, id=1).sql
        except (RowsteadError, UnicodeError):
            refused += 1
        else:
            composed += 1
            if table_text.fullmatch(sql) is None:
                wrong.append((text, sql))
        try:
            fields: Any = {"id": (int, ...), text: (str, "")}
            odd = create_model("Odd", __base__=Row, **fields)
            odd.__table__ = "odd"
            # A leading underscore makes a private attribute, which is no column.
            assert text in odd.model_fields
            sql = wire.db.compose("get", odd, id=1).sql
        except Exception:
            # Pydantic takes fewer names than we do, each in its own way.
            refused += 1
        else:
            composed += 1
            match = column_text.fullmatch(sql)
            if match is None or unquoted(match[1]) != text:
                wrong.append((text, sql))
    assert wire.sent == []
    record_figure(
        f"injection corpus as declared tables and columns, {wire.backend.name}: texts changed",
        f"{len(wrong)} of {composed:,} composed, {refused:,} refused",
        "0",
        "the line `control: a layer that pastes names`",
    )
    assert wrong == []
    assert composed > len(strings) // 2


async def test_a_table_that_is_named_like_an_injection_is_one_that_is_not_there(wire: Wire) -> None:
    ran = 0
    # The other spellings of a table that is there are that table.
    spelled = {"people", "main.people", "public.people", '"public"."people"'}
    for text in some([text for text in corpus() if text not in spelled], SENT_TO_SERVER):
        table = type("Declared", (Row,), {"__table__": text, "__annotations__": {"id": int}})
        with pytest.raises((RowsteadError, UnicodeError)) as caught:
            await wire.db.get(table, id=1)
        ran += isinstance(caught.value, UndefinedTableError)
    assert ran > 20
    assert await canary_lives(wire.db, wire.backend)


# ── control: a layer that pastes is caught by the same checks ────────────────────────────────


class Pasting:
    """The verbs that the checks use, as they are written by somebody who pastes; on SQLite."""

    def __init__(self, path: str, sent: list[str]) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.sent = sent

    def run(self, sql: str) -> list[Any]:
        self.sent.append(sql)
        try:
            # Reads what the first statement gives and runs the others too, as some drivers do.
            first, *others = sql.split(";")
            rows = self.connection.execute(first).fetchall()
            for statement in others:
                self.connection.executescript(statement)
        except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
            raise UsageError("it did not run") from error
        return rows

    async def get(self, model: type[Row], **named: Any) -> Any:
        tests = " AND ".join(f"{name} = '{value}'" for name, value in named.items())
        rows = self.run(f"SELECT id, name FROM people WHERE {tests}")
        return Person(id=rows[0][0], name=rows[0][1]) if rows else None

    async def count(self, model: type[Row], *, where: Any = None, name: Any = None) -> int:
        value = name[0] if name else next(iter(where["name"].values()))
        return self.run(f"SELECT count(*) FROM people WHERE name = '{value}'")[0][0]

    async def query(self, model: type[Row], *, order: Any) -> Any:
        return self.run(f"SELECT id, name, data FROM people ORDER BY {order[0]['asc']}")


@asynccontextmanager
async def pasting(tmp_path: Any) -> AsyncIterator[tuple[Any, list[str], Backend]]:
    from conftest import SQLITE_WORDS

    backend = Backend("sqlite", f"sqlite:///{tmp_path / 'pasted.sqlite'}", SQLITE_WORDS)
    async with await DB.from_url(backend.url) as db:
        for statement in DDL:
            await db.execute(backend.ddl(statement))
        await db.insert(Person(id=1, name=HARMLESS))
    sent: list[str] = []
    layer = Pasting(str(tmp_path / "pasted.sqlite"), sent)
    yield layer, sent, backend
    layer.connection.close()


async def dead_canaries(layer: Any, sent: list[str], backend: Backend, strings: list[str], one: Any) -> int:
    """How many of the strings, each alone, touch the canary."""
    dead = 0
    async with await DB.from_url(backend.url) as judge:
        for text in strings:
            await one(layer, sent, [text])
            if not await canary_lives(judge, backend):
                dead += 1
                for statement in ("DROP TABLE IF EXISTS planted", "DROP TABLE IF EXISTS canary", *DDL[2:]):
                    await judge.execute(backend.ddl(statement))
    return dead


async def test_a_layer_that_pastes_values_is_caught(tmp_path: Any) -> None:
    strings = written()

    async def one(layer: Any, sent: list[str], texts: Sequence[str]) -> Found:
        return await values_through(layer, sent, texts, positions=(is_found,))

    async with pasting(tmp_path) as (layer, sent, backend):
        found = await one(layer, sent, strings)
        dead = await dead_canaries(layer, sent, backend, strings, one)
    record_figure(
        "control: a layer that pastes values",
        f"{len(found.changed)} statements changed, {dead} strings touched the canary, of {len(strings)}",
        "more than 0, more than 0",
        "this is one",
    )
    assert len(found.changed) == len(strings)
    assert dead > 10


async def is_found(db: DB, text: str) -> bool:
    return await db.get(Person, name=text) is None or text == HARMLESS


async def test_a_layer_that_pastes_names_is_caught(tmp_path: Any) -> None:
    strings = written()

    async def one(layer: Any, sent: list[str], texts: Sequence[str]) -> Found:
        return await names_through(layer, sent, texts, [order])

    async with pasting(tmp_path) as (layer, sent, backend):
        found = await one(layer, sent, strings)
        dead = await dead_canaries(layer, sent, backend, strings, one)
    record_figure(
        "control: a layer that pastes names",
        f"{len(found.changed) + len(found.wrong)} statements changed or accepted, {dead} strings touched "
        f"the canary, of {len(strings)}",
        "more than 0, more than 0",
        "this is one",
    )
    assert found.changed
    assert found.wrong
    assert dead > 10
