"""Whether a column's default is the one that the database has.

It answers for texts, which Alembic pastes into a query where it compares, and for the current time, which
databases spell in their own ways; anything else is left to Alembic.
"""

from __future__ import annotations

import re
from typing import Any

import sqlalchemy as sa

from rowstead.migrations.split import Syntax, Token

_NOW = re.compile(r"\(*(CURRENT_TIMESTAMP|NOW|LOCALTIMESTAMP)(\(\d?\))?\)*", re.IGNORECASE)

_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "b": "\b", "Z": "\x1a"}


class Defaults:
    """Alembic's option `compare_server_default` for a database's syntax."""

    def __init__(self, syntax: Syntax) -> None:
        self._syntax = syntax
        # The same characters are one text where a backslash begins an escape, and a text and more where not.
        self._backslashes = len(list(syntax.tokens(r"'\'x'"))) == 1

    def __call__(
        self,
        _context: Any,
        _inspected: Any,
        column: sa.Column[Any],
        there: str | None,
        _wanted: Any,
        rendered: str | None,
    ) -> bool | None:
        """True: they differ; False: they do not; None: let Alembic see."""
        if _NOW.fullmatch(there or "") and _NOW.fullmatch(rendered or ""):
            return False
        given = getattr(column.server_default, "arg", None)
        if not isinstance(given, str) or there is None:
            return None
        text = self._text(there)
        return None if text is None else text != given

    def _text(self, default: str) -> str | None:
        """The text that an expression is; None if it is more than a text and casts of it."""
        tokens = [token for token in self._syntax.tokens(default) if token.kind not in ("space", "comment")]
        while tokens and tokens[0].text == "(" and tokens[-1].text == ")":
            tokens = tokens[1:-1]
        if not tokens or tokens[0].kind != "string" or not all(map(_is_cast, tokens[1:])):
            return None
        return self._value(tokens[0].text)

    def _value(self, literal: str) -> str:
        escaped = self._backslashes or literal[0] in "eE"
        quote = literal[literal.index("'")] if "'" in literal[:2] else literal[0]
        inner = literal[literal.index(quote) + 1 : -1].replace(quote * 2, quote)
        return re.sub(r"\\(.)", _unescaped, inner, flags=re.DOTALL) if escaped else inner


def _unescaped(found: re.Match[str]) -> str:
    return _ESCAPES.get(found[1], found[1])


def _is_cast(token: Token) -> bool:
    """Whether it can belong to `::character varying(20)`."""
    return token.kind in ("word", "number", "quoted") or token.text in (":", ".", "(", ")", "[", "]")
