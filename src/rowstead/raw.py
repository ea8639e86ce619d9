"""A user's own SQL: how its parameters are spelled for the driver, and what kind of statement it is.

Parameters are `$1`, `$2`, … on every backend (SQLite also takes `?`), so that raw SQL survives the
move to PostgreSQL. Only as much is read of the text as that needs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from rowstead.errors import UsageError, ValidationError


def _nested(levels: int) -> str:
    """PostgreSQL's comments, which have whole comments in them."""
    within = f"|{_nested(levels - 1)}" if levels else ""
    return rf"/\*(?:[^*/]|\*(?!/)|/(?!\*){within})*+\*/"


# What is no SQL, whatever stands in it.
_QUOTED = r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | `(?:[^`]|``)*` | --[^\n]*"""
_VERBATIM = rf"""
      (?<![\w$])[eE]'(?:[^'\\]|\\.|'')*'                    # PostgreSQL's strings with backslashes
    | {_QUOTED} | {_nested(levels=8)}
    | \$(?P<tag>[^\W\d]\w*|)\$.*?\$(?P=tag)\$               # dollar quotes
"""
# SQLite's: names in brackets as well.
_VERBATIM_WITH_BRACKETS = rf"{_QUOTED} | /\*.*?\*/ | \[[^\]]*\]"
# MariaDB's: a backslash escapes in its strings, and a `#` begins a comment.
_VERBATIM_WITH_BACKSLASHES = r"""
      '(?:[^'\\]|\\.|'')*' | "(?:[^"\\]|\\.|"")*" | `(?:[^`]|``)*`
    | --(?=\s|\Z)[^\n]* | \#[^\n]* | /\*.*?\*/
"""
_PLACE = r"| (?<![\w$])\$(?P<number>\d+) | (?P<percent>%)"
_NAMED_PLACE = r"| :: | (?<![\w$]):(?P<name>[^\W\d]\w*) | (?<![\w$])\$(?P<number>\d+)"


def _tokens(verbatim: str, place: str) -> re.Pattern[str]:
    return re.compile(verbatim + place, re.VERBOSE | re.DOTALL)


_TOKEN, _NAMED = _tokens(_VERBATIM, _PLACE), _tokens(_VERBATIM, _NAMED_PLACE)
# By parameter style: of the databases that we speak to only MariaDB's libraries have the first one, and
# only SQLite's have the other.
_OTHERS = {"format": _VERBATIM_WITH_BACKSLASHES, "qmark": _VERBATIM_WITH_BRACKETS}
_TOKENS = {style: _tokens(verbatim, _PLACE) for style, verbatim in _OTHERS.items()}
_NAMED_TOKENS = {style: _tokens(verbatim, _NAMED_PLACE) for style, verbatim in _OTHERS.items()}
_BEFORE = r"(?:\s+|(?:--|#)[^\n]*(?:\n|$)|/\*.*?\*/|\(|;)*"
_FIRST_WORD = re.compile(_BEFORE + r"([A-Za-z]*)", re.DOTALL)

READS = frozenset({"select", "with", "values", "explain", "table", "show"})
CONTROL = frozenset({"begin", "start", "commit", "end", "rollback", "abort", "savepoint", "release"})


class RawText(NamedTuple):
    """A user's statement, ready for a driver."""

    text: str
    order: tuple[int, ...] | None
    """Which of the caller's values each parameter takes; None: as they come."""
    word: str
    """The first keyword, lower case; empty for a text without a statement."""

    @property
    def reads(self) -> bool:
        """Whether it probably only reads (a WITH may write: the database tells)."""
        return self.word in READS


def may_write(sql: str) -> bool:
    """Whether a statement could write for all that its text shows: `WITH` may, and so may a function."""
    return first_word(sql) not in READS - {"with"} or "(" in sql


@lru_cache(maxsize=1024)
def first_word(sql: str) -> str:
    """The first keyword, lower case, behind comments and brackets."""
    first = _FIRST_WORD.match(sql)
    return first.group(1).lower() if first else ""


def statement(sql: str) -> str:
    """The text from its first keyword on."""
    first = _FIRST_WORD.match(sql)
    return sql[first.start(1) :] if first else sql


@lru_cache(maxsize=1024)
def prepare(sql: str, paramstyle: str) -> RawText:
    """The text as a driver of this parameter style takes it.

    Raises UsageError for a word that opens or ends a transaction: a handle keeps track of its own.
    """
    word = first_word(sql)
    if word in CONTROL:
        raise UsageError(f"{word.upper()} cannot be sent as raw SQL; use `async with db.transaction():`")
    if paramstyle == "numeric_dollar":
        return RawText(sql, None, word)
    order: list[int] = []

    def respell(match: re.Match[str]) -> str:
        if match["percent"] or match["number"] is None:
            return match.group().replace("%", "%%") if paramstyle == "format" else match.group()
        number = int(match["number"])
        if number < 1:
            raise ValidationError("parameters are numbered from $1")
        order.append(number - 1)
        return "%s" if paramstyle == "format" else f"?{number}"

    text = _TOKENS.get(paramstyle, _TOKEN).sub(respell, sql)
    return RawText(text, tuple(order) if paramstyle == "format" else None, word)


def numbered(sql: str, paramstyle: str) -> tuple[str, tuple[str, ...]]:
    """A text with `:name` parameters as one with `$1`, `$2`, …, and the names in this order.

    A `::` is a cast, and a `:` behind a letter or digit no parameter: `numbers[1:2]`. Raises ValidationError
    where there are numbered ones already.
    """
    names: dict[str, int] = {}

    def respell(match: re.Match[str]) -> str:
        if match["number"] is not None:
            raise ValidationError(
                f"the text has a parameter {match.group()}: write `:name`, and its value by name"
            )
        if match["name"] is None:
            return match.group()
        return f"${names.setdefault(match['name'], len(names) + 1)}"

    return _NAMED_TOKENS.get(paramstyle, _NAMED).sub(respell, sql), tuple(names)


def verbatim(sql: str, paramstyle: str) -> Iterator[str]:
    """The strings, quoted names and comments of a text."""
    for match in _NAMED_TOKENS.get(paramstyle, _NAMED).finditer(sql):
        if match["name"] is None and match["number"] is None and match.group() != "::":
            yield match.group()
