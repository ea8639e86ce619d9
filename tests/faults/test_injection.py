"""A corpus of injections through every position of the rows API: no statement changes, no canary dies.

A position takes a string and uses it as a value, a name, a pattern, a token, … . What is sent for it
must be, to the letter, what is sent for a harmless string; else the call must be refused before
anything is sent. Where the string is a value, the answer must be right. Where it is a name that the
user declared (a table's, a column's), the text around the quoted name must be the same.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest
from pydantic import create_model

from conftest import Backend, Translate
from rowstead import DB, Row, RowsteadError, UndefinedTableError, UsageError

from .corpus_of_injections import some, written
from .figures import record_figure, size
from .injection_positions import NAMES, VALUES, Person, Position, order, order_in_words
from .injection_runs import HARMLESS, Found, corpus, names_through, values_through

SENT_TO_SERVER = size(short=120, long=3_000)
"""How many strings go through the positions that reach the database; the others take all."""
ALIVE = [{"id": 1, "alive": 1}, {"id": 2, "alive": 1}]


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


# ── values ──────────────────────────────────────────────────────────────────────────────────


async def values_of_rows(
    db: DB, sent: list[str], strings: Sequence[str], positions: Sequence[Position] = VALUES
) -> Found:
    return await values_through(db, sent, strings, positions, undone=("SELECT count(*) FROM people",))


async def test_a_string_as_a_value_changes_no_statement(wire: Wire) -> None:
    everything = corpus()
    strings = some(everything, SENT_TO_SERVER)
    found = await values_of_rows(wire.db, wire.sent, strings)
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


# ── names: refused before anything is sent ──────────────────────────────────────────────────

MEANINGLESS = re.compile(r"[\s,]*")
"""An order of nothing is no order."""


async def names_of_rows(
    db: DB, sent: list[str], strings: Sequence[str], positions: Sequence[Callable[[DB, str], Awaitable[None]]]
) -> Found:
    def meant(position: Any, text: str) -> bool:
        return position is order_in_words and MEANINGLESS.fullmatch(text) is not None

    return await names_through(
        db, sent, strings, positions, meant=meant, harmless=("SELECT id, name, data FROM people",)
    )


async def test_a_string_as_a_name_is_refused_before_anything_is_sent(wire: Wire) -> None:
    strings = corpus()
    found = await names_of_rows(wire.db, wire.sent, strings, NAMES)
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
        return await values_of_rows(layer, sent, texts, positions=(is_found,))

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
        return await names_of_rows(layer, sent, texts, [order])

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
