"""On which line of a JSON or TOML file each key's value stands; the standard library does not say.

For messages only: a file that is read has been accepted by the library before, so this need not be a
parser, and what is not found has no line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

Lines: TypeAlias = Mapping[tuple[str, ...], int]
"""Path of keys (and places in lists, as text) -> line, from 1."""

_JSON = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
_TABLE = re.compile(r"^\s*\[\[?\s*([^\[\]=]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""^\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")
_WORD = re.compile(r"""[\w-]+|"[^"]*"|'[^']*'""")


def json_lines(text: str, unquote: Callable[[str], str]) -> Lines:
    """The lines of a JSON document; `unquote` reads one string of it."""
    lines: dict[tuple[str, ...], int] = {}
    path: list[str] = []
    lists: list[bool] = []
    key = ""
    tokens = list(_JSON.finditer(text))
    for token, after in zip(tokens, [*tokens[1:], None], strict=True):
        word = token[0]
        line = text.count("\n", 0, token.start()) + 1
        if after is not None and after[0] == ":" and word[0] == '"':
            key = unquote(word)
        elif word in "{[":
            lines[(*path, key)[1:]] = line
            path.append(key)
            lists.append(word == "[")
            key = "0"
        elif word in "}]":
            key = path.pop()
            lists.pop()
        elif word == ",":
            key = str(int(key) + 1) if lists[-1] else key
        elif word != ":":
            lines[(*path, key)[1:]] = line
    return lines


def toml_lines(text: str) -> Lines:
    """The lines of a TOML document's tables and keys; those in inline tables have their line's key's."""
    lines: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        if (heading := _TABLE.match(line)) is not None:
            table = _words(heading[1])
            lines.setdefault(table, number)
        elif (key := _KEY.match(line)) is not None:
            lines.setdefault((*table, *_words(key[1])), number)
    return lines


def line_at(lines: Lines, path: Sequence[str]) -> int | None:
    """The line of the value at `path`, or of what it stands in."""
    for length in range(len(path), 0, -1):
        found = lines.get(tuple(path[:length]))
        if found is not None:
            return found
    return None


def _words(dotted: str) -> tuple[str, ...]:
    return tuple(word.strip("\"'") for word in _WORD.findall(dotted))
