"""A corpus of injections through every position of a service: no statement changes, no canary dies.

What is sent for a string must be, to the letter, what is sent for a harmless one; else the call must be
refused with a ValidationError. A value must come back as it went in. The control is a service that
pastes: the same checks must find it out, on each database.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from conftest import Backend, backend_of
from faults.corpus_of_injections import some, written
from faults.figures import record_figure, size
from faults.injection_runs import Found, NamePosition, corpus, names_through, values_through
from rowstead import DB, ValidationError
from service import injection_names as names
from service import injection_positions as positions
from service.injection_control import (
    Pasted,
    pasted_column,
    pasted_data,
    pasted_sort,
    pasted_value,
    sender,
)
from service.injection_wire import BACKENDS, Wire, canary_lives, make_tables, mend_canary, wired

SENT_TO_SERVER = size(short=1_000, long=5_000)
"""How many strings go through the positions that reach the database; the others take what is fetched, too."""
PASTED = size(short=150, long=1_000)
MEANINGLESS = re.compile(r"[\s,]*")
"""An order of nothing is no order."""


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    return backend_of(request, tmp_path)


@pytest.fixture
async def wire(backend: Backend) -> AsyncIterator[Wire]:
    async with wired(backend) as wire:
        yield wire


async def test_a_string_as_a_value_changes_no_statement(wire: Wire) -> None:
    everything = corpus()
    strings = some(everything, SENT_TO_SERVER)
    found = await values_through(
        wire.services, wire.sent, strings, positions.VALUES, may_end=wire.may_end, holds=wire.holds
    )
    wrong = [
        (name, text)
        for name, text in found.wrong
        if wire.holds(text) or name not in positions.WHAT_CREATE_MADE
    ]
    alive = await canary_lives(wire.db, wire.backend)
    record_figure(
        f"service, injection corpus as values, {wire.backend.name}: statements changed, wrong answers, "
        "canaries dead",
        f"{len(found.changed)}, {len(wrong)}, {int(not alive)} in {found.calls:,} calls "
        f"({len(strings):,} of {len(everything):,} strings in {len(positions.VALUES)} positions, "
        f"{found.refused} refused)",
        "0, 0, 0",
        f"the line `control: a service that pastes values, {wire.backend.name}`",
    )
    assert found.changed == []
    assert wrong == []
    assert alive


async def test_a_string_where_a_number_or_a_date_is_meant_changes_no_statement(wire: Wire) -> None:
    """It is refused, or it is that number or date, and then the statement is the usual one."""
    usual = await sent_by(wire, positions.KINDS, "1") | await sent_by(wire, positions.KINDS, "2026-01-01")
    strings = corpus()
    changed: list[tuple[str, str]] = []
    taken = 0
    for text in strings:
        for position in positions.KINDS:
            sent = await sent_by(wire, [position], text)
            taken += bool(sent)
            if not sent <= usual:
                changed.append((position.__name__, text))
    record_figure(
        f"service, injection corpus as numbers and dates, {wire.backend.name}: statements changed",
        f"{len(changed)} of {len(strings) * len(positions.KINDS):,} calls, {taken} of them sent something",
        "0",
        f"the line `control: a service that pastes values, {wire.backend.name}`",
    )
    assert changed == []
    assert 0 < taken < len(strings)


async def sent_by(wire: Wire, several: Sequence[NamePosition], text: str) -> set[str]:
    """Every text that these positions send for a string, refused or not; no other error may come."""
    wire.sent.clear()
    for position in several:
        try:
            await position(wire.services, text)
        except ValidationError:
            pass
    return set(wire.sent)


def meant(position: NamePosition, text: str) -> bool:
    """Whether a position of a name rightly takes this string."""
    in_words = (names.sort_in_words, names.sort_in_a_list)
    return position in in_words and MEANINGLESS.fullmatch(text) is not None


async def test_a_string_as_a_name_is_refused_before_anything_is_sent(wire: Wire) -> None:
    # "*" is a word of ours, where columns or conditions stand.
    strings = [text for text in corpus() if text != names.EVERY]
    await wire.services.people.list()
    harmless = frozenset(wire.sent)
    found = await names_through(
        wire.services,
        wire.sent,
        strings,
        names.NAMES,
        refusal=ValidationError,
        meant=meant,
        harmless=harmless,
    )
    alive = await canary_lives(wire.db, wire.backend)
    record_figure(
        f"service, injection corpus as names, {wire.backend.name}: statements sent, calls accepted, "
        "canaries dead",
        f"{len(found.changed)}, {len(found.wrong)}, {int(not alive)} in {found.calls:,} calls "
        f"({len(strings):,} strings, {len(names.NAMES)} positions)",
        "0, 0, 0",
        f"the line `control: a service that pastes names, {wire.backend.name}`",
    )
    assert found.changed == []
    assert found.wrong == []
    assert alive


async def test_a_name_of_another_table_or_of_a_hidden_column_is_refused_as_one_that_is_not_there(
    wire: Wire,
) -> None:
    tables = positions.METADATA.sorted_tables
    there = ["alive", "user_id", *(table.name for table in tables)]
    there += [f"{table.name}.{column.name}" for table in tables for column in table.c]
    found = await names_through(
        wire.services, wire.sent, there, names.NAMES, refusal=ValidationError, meant=never
    )
    hidden = await names_through(
        wire.services,
        wire.sent,
        ["hidden"],
        [p for p in names.NAMES if not p.__name__.startswith("columns_")],
        refusal=ValidationError,
        meant=never,
    )
    assert [*found.changed, *hidden.changed] == []
    assert [*found.wrong, *hidden.wrong] == []


def never(position: NamePosition, text: str) -> bool:
    return False


# ── control: a service that pastes is caught by the same checks ──────────────────────────────


async def touched(judge: DB, backend: Backend, strings: Sequence[str], one: Callable[[str], Any]) -> int:
    """How many of the strings, each alone, touch the canary."""
    dead = 0
    for text in strings:
        await one(text)
        if not await canary_lives(judge, backend):
            dead += 1
            await mend_canary(judge, backend)
    return dead


async def test_a_service_that_pastes_values_is_caught(backend: Backend) -> None:
    strings = some(written(), PASTED)
    sent: list[str] = []
    async with await DB.from_url(backend.url) as judge, sender(backend) as send:
        await make_tables(judge, backend)
        service = Pasted(send, sent)

        async def through(texts: Sequence[str]) -> Found:
            return await values_through(service, sent, texts, [pasted_value, pasted_data], may_end=anything)

        found = await through(strings)
        await mend_canary(judge, backend)
        dead = await touched(judge, backend, strings, lambda text: through([text]))
    record_figure(
        f"control: a service that pastes values, {backend.name}",
        f"{len(found.changed)} statements changed, {dead} strings touched the canary, of {len(strings)}",
        "more than 0, more than 0",
        "this is one",
    )
    assert len(found.changed) == 2 * len(strings)
    assert dead > 0


def anything(error: Exception, text: str) -> bool:
    return True


async def test_a_service_that_pastes_names_is_caught(backend: Backend) -> None:
    strings = some(written(), PASTED)
    sent: list[str] = []
    async with await DB.from_url(backend.url) as judge, sender(backend) as send:
        await make_tables(judge, backend)
        service = Pasted(send, sent)

        async def through(texts: Sequence[str]) -> Found:
            pasted = [pasted_column, pasted_sort]
            return await names_through(service, sent, texts, pasted, refusal=ValidationError, meant=never)

        found = await through(strings)
        await mend_canary(judge, backend)
        dead = await touched(judge, backend, strings, lambda text: through([text]))
    record_figure(
        f"control: a service that pastes names, {backend.name}",
        f"{len(found.changed) + len(found.wrong)} statements changed or accepted, {dead} strings touched "
        f"the canary, of {len(strings)}",
        "more than 0, more than 0",
        "this is one",
    )
    assert found.changed
    assert found.wrong
    assert dead > 0
