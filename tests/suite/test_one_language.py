"""One language: every face gives the same rows, the same errors and the same SQL, on every backend.

All faces are opened on one database, one after the other does each case of `language_cases`, and the
first of them is what the others are held against. A face that is new is an entry in `language_faces`.
"""

from __future__ import annotations

import traceback
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any

import pytest

from conftest import Backend
from language_cases import (
    CONTENTS,
    COUNTS,
    FILTERS,
    GETS,
    INSTEAD,
    SCHEMA,
    SORTS,
    WORDS,
    WRITES,
    WRONG_FILTERS,
    Case,
)
from language_faces import (
    FACES,
    Face,
    KitVerbs,
    Verbs,
    as_a_session_spells,
    as_the_core_lists,
    as_the_core_spells,
    open_face,
    settled,
)
from language_models import ON_MARIADB
from rowstead import DB, ForeignKeyError, RowsteadError, ValidationError
from rowstead.kit import AsyncDatabase

EVERY_CASE = [*FILTERS, *COUNTS, *WRONG_FILTERS, *SORTS, *GETS, *WRITES]
Opened = Mapping[str, tuple[Face, Verbs]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What one face made of one case."""

    outcome: Any
    """What came back, or the class of the error."""
    message: str
    sent: Sequence[str]
    left: Any
    """What all tables hold afterwards."""


class Tables:
    """What the tables hold, as the first face sees it, and how they get it back."""

    def __init__(self, first: Verbs) -> None:
        self._first = first
        self.full: Any = None

    async def fill(self, by: Verbs) -> None:
        """Empty the tables, and let a face write them full."""
        await self.empty()
        for name, rows in CONTENTS.items():
            await by.insert_many(name, [row.model_dump() for row in rows])
        self.full = await self.contents()

    async def empty(self) -> None:
        for name in reversed(CONTENTS):
            await settled(self._first.db.execute(f"DELETE FROM {name}"))

    async def contents(self) -> Any:
        return {name: [typed(row) for row in await self._first.find(name, None, "id")] for name in CONTENTS}


def typed(row: Any) -> Any:
    """A row with the types of its values, since 1 is True and 1.0."""
    return {name: (type(value).__name__, value) for name, value in row.items()}


async def opened(stack: AsyncExitStack, backend: Backend, faces: Mapping[str, Face]) -> Opened:
    """The faces that this backend has, open."""
    found: dict[str, tuple[Face, Verbs]] = {}
    for name, face in faces.items():
        if backend.name in face.drivers:
            verbs = await open_face(face, backend.url)
            stack.push_async_callback(verbs.close)
            found[name] = face, verbs
    return found


@pytest.fixture
async def stack(backend: Backend) -> AsyncIterator[AsyncExitStack]:
    """Closes what the test opens. The tables are there."""
    if backend.is_maria:
        async with await DB.from_url(backend.url) as db:
            for text in ON_MARIADB:
                await db.execute(text)
    else:
        await (await AsyncDatabase.create(backend.url, SCHEMA)).close()
    async with AsyncExitStack() as opening:
        yield opening


async def filled(faces: Opened) -> Tables:
    """The tables, full. Every face wrote them once: some of what a handle asks, it asks once."""
    everyone = [verbs for _, verbs in faces.values()]
    tables = Tables(everyone[0])
    for verbs in reversed(everyone):
        await tables.fill(verbs)
    return tables


async def answer(case: Case, verbs: Verbs, tables: Tables) -> Answer:
    """The face's answer; the tables are as they were, for the next one."""
    verbs.sent.clear()
    message = ""
    try:
        outcome = await getattr(verbs, case.verb)(*case.args)
    except RowsteadError as error:
        outcome, message = type(error), str(error)
    except Exception as error:  # not of the tree: a defect, which the comparison shows
        outcome, message = type(error), "".join(traceback.format_exception(error)[-3:])
    sent = list(verbs.sent)
    left = await tables.contents()
    if left != tables.full:
        await tables.fill(verbs)
    return Answer(outcome, message, sent, left)


def shown(outcome: Any) -> Any:
    """Rows by their ids, as a case has them."""
    return [row["id"] for row in outcome] if isinstance(outcome, list) else outcome


def exact(outcome: Any) -> Any:
    """With the types of all values."""
    if isinstance(outcome, list):
        return [typed(row) for row in outcome]
    return typed(outcome) if isinstance(outcome, dict) else outcome


def disagreements(
    case: Case, answers: Mapping[str, Answer], faces: Mapping[str, Face], full: Any
) -> list[str]:
    """All that is wrong with the answers to one case, a line for each."""
    first = next(iter(answers.values()))
    wrong: list[str] = []
    for name, own in answers.items():
        word = case.apart.get(faces[name].kind)
        wanted = INSTEAD.get(word, case.wanted) if word else case.wanted
        here = f"{case} by {name}"
        if shown(own.outcome) != wanted:
            wrong.append(f"{here}: {shown(own.outcome)} {own.message}, wanted {wanted}")
        elif wanted == case.wanted and exact(own.outcome) != exact(first.outcome):
            wrong.append(f"{here}: {exact(own.outcome)}, the first {exact(first.outcome)}")
        if case.message not in own.message:
            wrong.append(f"{here}: says {own.message!r}, wanted {case.message!r}")
        if own.left != (full if is_error(own.outcome) else first.left):
            wrong.append(f"{here}: leaves something else in the tables")
        wanted_texts = [faces[name].spell(text) for text in first.sent]
        if not (WORDS[word](list(own.sent), list(first.sent)) if word else own.sent == wanted_texts):
            wrong.append(f"{here}: sent {own.sent}, the first {first.sent} ({word or 'same'})")
    return wrong


def is_error(outcome: Any) -> bool:
    return isinstance(outcome, type)


async def compared(cases: Sequence[Case], faces: Opened) -> list[str]:
    """All that the faces disagree on, or that none of them does as the table says."""
    tables = await filled(faces)
    wrong: list[str] = []
    for case in cases:
        answers = {name: await answer(case, verbs, tables) for name, (_, verbs) in faces.items()}
        wrong += disagreements(case, answers, {name: face for name, (face, _) in faces.items()}, tables.full)
    return wrong


CASES = {
    "filters": FILTERS,
    "counts": COUNTS,
    "mistakes in filters": WRONG_FILTERS,
    "sorts and pages": SORTS,
    "gets": GETS,
    "writes": WRITES,
}


@pytest.mark.parametrize("group", CASES)
async def test_every_face_gives_the_same_rows_errors_and_sql(
    stack: AsyncExitStack, backend: Backend, group: str
) -> None:
    faces = await opened(stack, backend, FACES)
    assert {face.kind for face, _ in faces.values()} == {"rows", "kit", "repository", "service"} - (
        {"kit"} if backend.is_maria else set()
    )
    wrong = await compared(CASES[group], faces)
    assert not wrong, "\n".join(wrong)


async def test_what_one_face_writes_every_other_reads(stack: AsyncExitStack, backend: Backend) -> None:
    faces = await opened(stack, backend, FACES)
    tables = await filled(faces)
    for writer, (_, verbs) in faces.items():
        await tables.empty()
        for name, models in CONTENTS.items():
            rows = [row.model_dump() for row in models]
            await verbs.insert_many(name, rows[1:])
            assert typed(await verbs.insert(name, rows[0])) == typed(rows[0]), writer
            for reader, (_, others) in faces.items():
                assert exact(await others.find(name, None, "id")) == exact(rows), (writer, reader)


def test_the_table_is_large_and_each_way_to_differ_is_used() -> None:
    own = [*SORTS, *GETS, *WRITES]
    assert len(own) > 60
    assert sum(is_error(case.wanted) for case in own) > 30
    assert {word for case in EVERY_CASE for word in case.apart.values()} == set(WORDS)
    # A difference is an exception, and no filter or sort has one; a page without rows has.
    differing = [case for case in EVERY_CASE if case.verb in ("find", "count") and case.apart]
    assert [(case.args[-1], case.apart) for case in differing] == [(0, {"service": "spares"})]


# Controls: faces that are wrong in one thing, each of which must be found.


class ForgetsTheLimit(KitVerbs):
    async def find(
        self, table: str, where: Any, order: Any = None, limit: Any = None, offset: Any = None
    ) -> list[dict[str, Any]]:
        return await super().find(table, where, order, None if limit == 3 else limit, offset)


class FiltersItself(KitVerbs):
    """The right rows, by a statement of its own."""

    async def find(
        self, table: str, where: Any, order: Any = None, limit: Any = None, offset: Any = None
    ) -> list[dict[str, Any]]:
        rows = await super().find(table, where, order)
        return rows[offset or 0 :][:limit] if type(limit) is int else rows[offset or 0 :]


class HasItsOwnErrors(KitVerbs):
    async def update(self, table: str, key: Any, patch: dict[str, Any]) -> dict[str, Any] | None:
        try:
            return await super().update(table, key, patch)
        except ForeignKeyError as error:
            raise ValidationError(str(error)) from error


class GivesOtherTypes(KitVerbs):
    async def find(
        self, table: str, where: Any, order: Any = None, limit: Any = None, offset: Any = None
    ) -> list[dict[str, Any]]:
        rows = await super().find(table, where, order, limit, offset)
        return [{**row, "ok": None if row["ok"] is None else int(row["ok"])} for row in rows]


class WritesHalf(KitVerbs):
    async def insert_many(self, table: str, rows: Sequence[dict[str, Any]]) -> int:
        for row in rows:
            await self.insert(table, row)
        return len(rows)


BROKEN: Mapping[type[KitVerbs], tuple[Sequence[Case], str]] = {
    ForgetsTheLimit: (SORTS, "[1, 2, 3, 4"),
    FiltersItself: (SORTS, "(same)"),
    HasItsOwnErrors: (WRITES, "ValidationError"),
    GivesOtherTypes: (SORTS, "('int', 1)"),
    WritesHalf: (WRITES, "leaves something else"),
}


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_a_face_that_is_wrong_in_one_thing_is_found(
    stack: AsyncExitStack, backend: Backend, broken: type[KitVerbs]
) -> None:
    cases, sign = BROKEN[broken]
    kit = FACES["kit"]
    faces = await opened(stack, backend, {"rows": FACES["rows"], "broken": replace(kit, verbs=broken)})
    wrong = await compared(cases, faces)
    assert any(sign in line for line in wrong)
    sound = await opened(stack, backend, {"rows": FACES["rows"], "kit": kit})
    assert await compared(cases, sound) == []


@pytest.mark.parametrize(
    ("word", "own", "first"),
    [
        ("early", ["a"], ["a"]),
        ("early", [], []),
        ("whole", ["a"], ["a"]),
        ("raises", ["a"], ["b"]),
        ("flushes", ["SELECT 1"], ["INSERT INTO a (b) VALUES ($1)"]),
        ("flushes", ["INSERT INTO c (b) VALUES ($1)"], ["INSERT INTO a (b) VALUES ($1)"]),
        ("constructs", ["INSERT INTO a (b) VALUES ($1)"], []),
        ("rereads", ["UPDATE a SET c = $1"], ["UPDATE a SET b = $1 RETURNING b"]),
        ("rereads", ["UPDATE a SET b = $1", "UPDATE a SET b = $1"], ["UPDATE a SET b = $1 RETURNING b"]),
        ("spares", ["SELECT 1"], ["SELECT 1"]),
    ],
)
def test_a_word_that_no_longer_says_the_truth_is_found(word: str, own: list[str], first: list[str]) -> None:
    assert not WORDS[word](own, first)


def test_of_a_pages_text_nothing_is_taken_out_but_what_is_a_pages_alone() -> None:
    text = (
        "SELECT n FROM a WHERE b IN (SELECT c FROM d ORDER BY e, id LIMIT ? OFFSET ?) ORDER BY n, id LIMIT ?"
    )
    whole = "SELECT n FROM a WHERE b IN (SELECT c FROM d ORDER BY e, id LIMIT ? OFFSET ?) ORDER BY n"
    assert as_the_core_lists(text, has_limit=False, by_key=False) == whole
    assert as_the_core_lists(text, has_limit=True, by_key=True) == text
    assert (
        as_the_core_lists("ORDER BY n, id LIMIT $2 OFFSET $3", True, False) == "ORDER BY n LIMIT $2 OFFSET $3"
    )
    assert (
        as_the_core_lists("ORDER BY id LIMIT $2 OFFSET $3", False, True) == "ORDER BY id LIMIT ALL OFFSET $2"
    )


def test_of_a_sessions_text_nothing_is_taken_out_but_what_is_declared() -> None:
    text = (
        "SELECT items.id, other.n\nFROM items \nWHERE items.n = %(n_1)s::BIGINT AND items.name = ANY (%(m)s)"
    )
    assert as_the_core_spells(text) == "SELECT id, other.n FROM items WHERE n = $1 AND name = ANY ($2)"
    assert as_the_core_spells("a = $1::TIMESTAMP WITH TIME ZONE[] OR b = $2::x") == "a = $1 OR b = $2::x"
    assert as_a_session_spells("SELECT items.id LIMIT ?") == "SELECT id LIMIT ? OFFSET ?"
    assert as_a_session_spells("SELECT id LIMIT ? OFFSET ?") == "SELECT id LIMIT ? OFFSET ?"
