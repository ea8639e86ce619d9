"""What a statement does, as far as rules ask: by its tokens, so that no text or comment in it counts.

It answers for reading; which statement is a risk is said in `lint_rules.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from rowstead.migrations.split import Statement, Syntax, Token

_QUOTES = {'"': '"', "`": "`", "[": "]"}


@dataclass(frozen=True)
class Read:
    """One statement of a file, read.

    Its shape is its tokens joined by blanks: words in capitals, names in quotes as `id`, texts as `text`,
    numbers as `0`. What stands in parentheses is `( )` in the outline.
    """

    statement: Statement
    tokens: tuple[Token, ...]

    @cached_property
    def shape(self) -> str:
        return _joined(self.tokens)

    @cached_property
    def outline(self) -> str:
        return _joined(_without_parentheses(self.tokens))

    @cached_property
    def actions(self) -> tuple[str, ...]:
        """The shapes of what an ALTER TABLE does, one for each part between commas; else nothing."""
        at = self._after("ALTER", "TABLE")
        if at is None:
            return ()
        parts = _parts(self.tokens[_end_of_name(self.tokens, at) :])
        return tuple(_joined(part) for part in parts)

    @cached_property
    def table(self) -> str | None:
        """The table that is altered, dropped, indexed or written, without its schema; in small letters."""
        for words in _BEFORE_TABLE:
            at = self._after(*words)
            if at is not None:
                return _name(self.tokens, at)
        return None

    @cached_property
    def created(self) -> str | None:
        """The table that it makes, if it makes one."""
        at = self._after("CREATE", "TABLE")
        return None if at is None else _name(self.tokens, at)

    @cached_property
    def renamed_to(self) -> str | None:
        """The name that a table gets."""
        words = [_word(token) for token in self.tokens]
        for index in range(len(words) - 2):
            if words[index : index + 2] == ["RENAME", "TO"] and words[0] == "ALTER":
                return _name(self.tokens, index + 2)
        return None

    def _after(self, first: str, *rest: str) -> int | None:
        """Where the name stands behind these words; words that may stand between are passed over."""
        words = [_word(token) for token in self.tokens]
        if not words or words[0] != first:
            return None
        at = 1
        for wanted in rest:
            while at < len(words) and words[at] != wanted:
                # Only what belongs to the statement's beginning may stand between.
                if words[at] not in _PASSED and wanted != "ON":
                    return None
                at += 1
            at += 1
        while at < len(words) and words[at] in _PASSED:
            at += 1
        return at if at < len(words) else None


_PASSED = frozenset(
    "UNIQUE FULLTEXT SPATIAL IF NOT EXISTS ONLY CONCURRENTLY TEMPORARY TEMP UNLOGGED GLOBAL LOCAL OR REPLACE "
    "ONLINE OFFLINE IGNORE LOW_PRIORITY QUICK VIRTUAL FROM TABLE".split()
)
_BEFORE_TABLE = (
    ("ALTER", "TABLE"),
    ("DROP", "TABLE"),
    ("CREATE", "INDEX", "ON"),
    ("TRUNCATE",),
    ("LOCK",),
    ("UPDATE",),
    ("DELETE",),
)


def read(statement: Statement, syntax: Syntax) -> Read:
    """The statement with its tokens, without blanks and comments."""
    blank = ("space", "comment")
    tokens = (token for token in syntax.tokens(statement.text) if token.kind not in blank)
    return Read(statement, tuple(tokens))


def _joined(tokens: Iterable[Token]) -> str:
    return " ".join(map(_shaped, tokens))


def _shaped(token: Token) -> str:
    if token.kind == "word":
        return token.text.upper()
    return {"quoted": "id", "string": "text", "number": "0"}.get(token.kind, token.text)


def _word(token: Token) -> str:
    return token.text.upper() if token.kind == "word" else ""


def _without_parentheses(tokens: Sequence[Token]) -> Iterator[Token]:
    depth = 0
    for token in tokens:
        depth -= token.text == ")"
        if depth <= 0:
            yield token
        depth += token.text == "("


def _parts(tokens: Sequence[Token]) -> list[list[Token]]:
    """The tokens cut at the commas that stand in no parentheses."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        depth += (token.text == "(") - (token.text == ")")
        if token.text == "," and depth == 0:
            parts.append([])
        elif token.kind != "semicolon":
            parts[-1].append(token)
    return [part for part in parts if part]


def _end_of_name(tokens: Sequence[Token], at: int) -> int:
    """Behind the name that begins at `at`, with its schema."""
    while at + 2 < len(tokens) and tokens[at + 1].text == ".":
        at += 2
    return at + 1


def _name(tokens: Sequence[Token], at: int) -> str | None:
    if at >= len(tokens):
        return None
    text = tokens[_end_of_name(tokens, at) - 1].text
    closing = _QUOTES.get(text[:1])
    if closing is not None and text.endswith(closing):
        text = text[1:-1]
    return text.lower()
