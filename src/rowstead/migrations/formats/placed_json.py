"""JSON text read with its places, so that what is wrong with a value can be told with its line.

It answers for where each value begins. It must not know what the text describes. Stricter than Python's
own reader in one thing (no key twice in one object), more lenient in one: a comma may stand behind the
last item of a list or an object, as people leave one there.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from rowstead.errors import ValidationError

DEEPEST = 100
"""How many lists and objects may stand in one another."""

_BLANK = re.compile(r"[ \t\n\r]*")
_SCALAR = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class Placed:
    """A value and where it begins: a list's items and an object's values are placed, too."""

    value: list[Placed] | dict[str, Placed] | str | int | float | None
    at: int

    def plain(self) -> Any:
        """The value without its places."""
        if isinstance(self.value, list):
            return [item.plain() for item in self.value]
        if isinstance(self.value, dict):
            return {key: item.plain() for key, item in self.value.items()}
        return self.value


_Read: TypeAlias = Callable[[int], int]
"""Reads what begins here and gives where it ends."""


class JsonText:
    """The text of one file; `file` is its name in messages."""

    def __init__(self, text: str, file: str) -> None:
        self._text = text
        self._file = file
        self._lines = [0, *(found.end() for found in re.finditer("\n", text))]
        self._depth = 0

    def read(self) -> Placed:
        """The one value that the text is. Raises ValidationError with line and column."""
        value, at = self._value(self._next(0))
        at = self._next(at)
        if at < len(self._text):
            raise self.wrong(at, "there is more behind the value that the file is; take it out")
        return value

    def line(self, at: int) -> int:
        """The number of the line in which this place is."""
        return bisect_right(self._lines, at)

    def wrong(self, at: int, what: str) -> ValidationError:
        """The error that says what is wrong in this place."""
        line = self.line(at)
        column = at - self._lines[line - 1] + 1
        return ValidationError(f"{self._file} line {line} column {column}: {what}")

    def _value(self, at: int) -> tuple[Placed, int]:
        read = {"[": self._list, "{": self._object}.get(self._text[at : at + 1], self._scalar)
        if self._depth > DEEPEST:
            raise self.wrong(at, f"more than {DEEPEST} lists and objects stand in one another here")
        self._depth += 1
        value, end = read(at)
        self._depth -= 1
        return value, end

    def _list(self, at: int) -> tuple[Placed, int]:
        items: list[Placed] = []

        def item(at: int) -> int:
            value, end = self._value(at)
            items.append(value)
            return end

        end = self._several(at, "]", item)
        return Placed(items, at), end

    def _object(self, at: int) -> tuple[Placed, int]:
        members: dict[str, Placed] = {}

        def member(at: int) -> int:
            key, end = self._key(at)
            if key in members:
                first = self.line(members[key].at)
                raise self.wrong(at, f"there is a {json.dumps(key)} already, in line {first}; leave one")
            members[key], end = self._value(self._next(end))
            return end

        end = self._several(at, "}", member)
        return Placed(members, at), end

    def _several(self, opening: int, closing: str, read: _Read) -> int:
        """Read each of what stands between brackets and gives where these end."""
        at = self._next(opening + 1)
        while not self._text.startswith(closing, at):
            if at >= len(self._text):
                raise self.wrong(opening, f"the {self._text[opening]!r} that stands here is never closed")
            at = self._next(read(at))
            if self._text.startswith(",", at):
                at = self._next(at + 1)
            elif at < len(self._text) and not self._text.startswith(closing, at):
                raise self.wrong(at, f"expected a comma, or {closing!r} at the end")
        return at + 1

    def _key(self, at: int) -> tuple[str, int]:
        """A member's name, and where its value may begin."""
        if not self._text.startswith('"', at):
            raise self.wrong(at, 'expected a name in double quotes, such as "id"')
        key, end = self._scalar(at)
        end = self._next(end)
        if not self._text.startswith(":", end):
            raise self.wrong(end, f"expected a colon behind {json.dumps(key.value)}")
        return str(key.value), end + 1

    def _scalar(self, at: int) -> tuple[Placed, int]:
        try:
            value, end = _SCALAR.raw_decode(self._text, at)
        except json.JSONDecodeError as error:
            raise self.wrong(error.pos, f"this is not JSON ({error.msg.strip().lower()})") from None
        except ValueError as error:
            # A number of more digits than Python reads.
            raise self.wrong(at, str(error)) from None
        if isinstance(value, str) and re.search("[\ud800-\udfff]", value):
            raise self.wrong(at, "the text holds half of a surrogate pair, which is no character")
        return Placed(value, at), end

    def _next(self, at: int) -> int:
        """Where the next thing begins that is not blank."""
        blank = _BLANK.match(self._text, at)
        return blank.end() if blank else at
