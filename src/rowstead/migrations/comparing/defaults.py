"""Whether a column's default is the one that the database has.

It answers for texts, which Alembic pastes into a query where it compares, and for the current time, which
databases spell in their own ways; anything else is left to Alembic.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Any

import sqlalchemy as sa

from rowstead.migrations.split import Syntax, Token

_NOW = re.compile(r"\(*(CURRENT_TIMESTAMP|NOW|LOCALTIMESTAMP)(\(\d?\))?\)*", re.IGNORECASE)

_TEXTS = frozenset({"character", "varying", "varchar", "char", "bpchar", "text", "citext"})
_BOOLEANS = frozenset({"true", "false", "t", "f", "1", "0", "yes", "no", "on", "off"})

_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "b": "\b", "Z": "\x1a"}


class Defaults:
    """Comparing the defaults of two columns, in a database's syntax."""

    def __init__(self, syntax: Syntax) -> None:
        self._syntax = syntax
        # The same characters are one text where a backslash begins an escape, and a text and more where not.
        self._backslashes = len(list(syntax.tokens(r"'\'x'"))) == 1

    def put_before(self, impl: Any) -> None:
        """Ask us before Alembic's implementation of a dialect compares.

        Its option `compare_server_default` is asked of columns too that are computed, and then fails.
        """
        alembics = impl.compare_server_default

        def compare(inspected: Any, column: sa.Column[Any], rendered: str | None, there: str | None) -> bool:
            differ = self(inspected, column, there, rendered)
            return bool(alembics(inspected, column, rendered, there)) if differ is None else differ

        impl.compare_server_default = compare

    def __call__(
        self, inspected: Any, column: sa.Column[Any], there: str | None, rendered: str | None
    ) -> bool | None:
        """True: they differ; False: they do not; None: let Alembic see."""
        if _NOW.fullmatch(there or "") and _NOW.fullmatch(rendered or ""):
            return False
        given = getattr(column.server_default, "arg", None)
        if not isinstance(given, str) or there is None:
            return None
        if _is_same_number(given, there) or given.lower() == there.lower():
            return False
        tokens = self._tokens(there)
        if not tokens or tokens[0].kind != "string":
            # What Alembic would ask fails where the one is no value of the other's type.
            return None if _alike(inspected, column) and {given.lower(), there.lower()} <= _BOOLEANS else True
        if not all(map(_is_cast, tokens[1:])):
            return None
        if self._value(tokens[0].text) == given:
            return False
        # Two texts may be one interval or one moment, which the database knows.
        may_be_one = _alike(inspected, column) and "'" not in given and not _is_text(tokens[1:])
        return None if may_be_one else True

    def _tokens(self, default: str) -> list[Token]:
        """The expression without blanks and the parentheses around it."""
        tokens = [token for token in self._syntax.tokens(default) if token.kind not in ("space", "comment")]
        while tokens and tokens[0].text == "(" and tokens[-1].text == ")":
            tokens = tokens[1:-1]
        return tokens

    def _value(self, literal: str) -> str:
        escaped = self._backslashes or literal[0] in "eE"
        quote = literal[literal.index("'")] if "'" in literal[:2] else literal[0]
        inner = literal[literal.index(quote) + 1 : -1].replace(quote * 2, quote)
        return re.sub(r"\\(.)", _unescaped, inner, flags=re.DOTALL) if escaped else inner


def is_made_otherwise(one: sa.Column[Any], other: sa.Column[Any]) -> bool:
    """Whether one column has an IDENTITY and the other a default or an expression: nothing alters that."""
    kinds = {type(column.server_default) for column in (one, other)}
    return sa.Identity in kinds and not kinds <= {sa.Identity, sa.Sequence, type(None)}


def _alike(one: Any, other: Any) -> bool:
    """Whether two columns hold values of one kind."""
    return one.type._type_affinity is other.type._type_affinity


def _is_same_number(given: str, there: str) -> bool:
    """Whether both are numbers, and one: a database may write all places of its column."""
    try:
        return Decimal(given) == Decimal(there.strip("'"))
    except InvalidOperation:
        return False


def _unescaped(found: re.Match[str]) -> str:
    return _ESCAPES.get(found[1], found[1])


def _is_text(casts: list[Token]) -> bool:
    """Whether it is cast to a type of texts, or to none."""
    return all(token.text.lower() in _TEXTS for token in casts if token.kind == "word")


def _is_cast(token: Token) -> bool:
    """Whether it can belong to `::character varying(20)`."""
    return token.kind in ("word", "number", "quoted") or token.text in (":", ".", "(", ")", "[", "]")
