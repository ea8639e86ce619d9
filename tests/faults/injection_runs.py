"""Runs strings through positions and compares what was sent with what a harmless string sends.

A position takes the handle under test and one string. What the handle is, and which errors are a
refusal of it, is the caller's: the rows API and the service run through this.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from typing import Any, NamedTuple

from rowstead import DataError, RowsteadError, UsageError

from .corpus_of_injections import fetched, naughty, written
from .figures import LONG

HARMLESS = "harmless"

ValuePosition = Callable[[Any, str], Awaitable[bool]]
"""Uses the string as a value; whether the database gave what that string should give."""
NamePosition = Callable[[Any, str], Awaitable[Any]]
"""Uses the string as a name; only calls."""


class Found(NamedTuple):
    """What a run of strings through positions showed."""

    calls: int
    changed: list[tuple[str, str, Sequence[str]]]
    """(position, string, what was sent) where that is not what a harmless string sends."""
    wrong: list[tuple[str, str]]
    """(position, string) where the answer is wrong, or a name was taken that should not be."""
    refused: int
    """Calls that ended with an error of ours."""


def corpus() -> list[str]:
    """Every string that this run tries: in the long run, what is fetched too."""
    strings = [*written(), *naughty(), *(fetched() if LONG else [])]
    return list(dict.fromkeys(strings))


def storable(text: str) -> bool:
    """Whether a database can hold the text at all."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\x00" not in text


def refuses_a_value(error: RowsteadError, text: str) -> bool:
    """Whether this error may end a call of the rows API that was given this value."""
    return isinstance(error, (DataError, UsageError)) or not storable(text)


async def values_through(
    handle: Any,
    sent: list[str],
    strings: Sequence[str],
    positions: Sequence[ValuePosition],
    *,
    may_end: Callable[[RowsteadError, str], bool] = refuses_a_value,
    undone: Iterable[str] = (),
    holds: Callable[[str], bool] = storable,
) -> Found:
    """Every string through every position of a value, in the positions' order.

    `may_end`: whether an error is a right answer to a string; `undone`: what may be sent, too, where a
    value was refused half way; `holds`: whether the database can hold a string.
    """
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
                right = await position(handle, text)
            except RowsteadError as error:
                # Text that the database cannot hold (a NUL, half a surrogate) is refused as a value.
                refused += 1
                right = may_end(error, text)
            calls += 1
            texts = list(sent)
            if text == HARMLESS:
                assert right, name
                usual[name] = texts
            elif texts != usual[name] and (holds(text) or not set(texts) <= known(usual, undone)):
                found.changed.append((name, text, texts))
            if not right:
                found.wrong.append((name, text))
    return found._replace(calls=calls, refused=refused)


def known(usual: dict[str, list[str]], undone: Iterable[str]) -> set[str]:
    """Every text that a harmless string sends, and what follows where a value was refused."""
    rolled_back = {"ROLLBACK", "ROLLBACK TO SAVEPOINT rowstead_1"}
    return {*rolled_back, *undone, *(t for texts in usual.values() for t in texts)}


async def names_through(
    handle: Any,
    sent: list[str],
    strings: Iterable[str],
    positions: Sequence[NamePosition],
    *,
    refusal: type[RowsteadError] = RowsteadError,
    meant: Callable[[NamePosition, str], bool],
    harmless: Collection[str] = (),
) -> Found:
    """Every string through every position of a name: refused, and nothing is sent.

    `meant`: whether this position rightly takes this string; `harmless`: what it may send then.
    """
    found = Found(0, [], [], 0)
    calls = refused = 0
    for text in strings:
        for position in positions:
            sent.clear()
            calls += 1
            try:
                await position(handle, text)
            except refusal:
                refused += 1
            else:
                if not meant(position, text):
                    found.wrong.append((position.__name__, text))
                    continue
            if not set(sent) <= set(harmless):
                found.changed.append((position.__name__, text, list(sent)))
    return found._replace(calls=calls, refused=refused)
