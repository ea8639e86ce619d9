"""Cutting a migration file into statements, and finding the words that rule a transaction.

It answers for where a statement begins and ends in each database's own syntax, on which line it
stands and by which words it begins. It must not know what a migration is, nor any connection. The
rules of PostgreSQL are those of its lexer and of psql (nested comments, dollar quotes, `BEGIN
ATOMIC` bodies, semicolons in parentheses); of SQLite those of `sqlite3_complete`; of MariaDB those
of its client (DELIMITER).
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import NamedTuple

HEAD = 32
"""How many tokens of a statement are kept: enough to know what it does and to what."""

_LEGIBLE = 4
"""Shorter values than this are hidden in messages only where they stand as words of their own."""

_BLANK = frozenset({"space", "comment"})
_TRANSACTION_WORDS = frozenset({"BEGIN", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE"})
_TRANSACTION_PAIRS = frozenset({("START", "TRANSACTION"), ("PREPARE", "TRANSACTION")})


class Token(NamedTuple):
    """A piece of text with its kind: space, comment, string, quoted, word, number, semicolon, other."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement: its text without what stands before and after it, and where it begins."""

    text: str
    line: int
    head: tuple[str, ...]
    """The first tokens, without comments; words as they were written."""
    hidden: tuple[tuple[str, str], ...] = ()
    """Values that came from elsewhere, maybe passwords, each with what stood for it in the file."""
    lacks: str | None = None
    """What it needs that is not there, so that it cannot run."""

    written: str | None = None
    """The text as it stands in the file, where that is another one."""

    command: int | None = None
    """Which command of its migration it is part of, counted from 1, where a migration is made of these."""

    @property
    def place(self) -> str:
        """Where it stands in the file, for a message."""
        return f"line {self.line}" if self.command is None else f"command {self.command}, line {self.line}"

    @property
    def shown(self) -> str:
        """The text as it may be shown and kept."""
        return self.showing(self.text) if self.written is None else self.written

    def showing(self, message: str) -> str:
        """The message without the values that are hidden, the longest first: one may hold another."""
        for value, written in sorted(self.hidden, key=lambda pair: -len(pair[0])):
            if len(value) < _LEGIBLE:
                # In the middle of a word it is most likely another.
                pattern = rf"(?<!\w){re.escape(value)}(?!\w)"
                message = re.sub(pattern, lambda _, written=written: written, message)
            else:
                message = message.replace(value, written)
        return message

    @property
    def words(self) -> tuple[str, ...]:
        """The first tokens in capitals."""
        return tuple(token.upper() for token in self.head)

    @property
    def summary(self) -> str:
        """The first words, for a message."""
        few = " ".join(self.shown.split()[:5] if self.hidden else self.head[:5])
        return few if len(few) <= 60 else few[:57] + "..."


@dataclass(frozen=True, slots=True)
class Syntax:
    """How one database's text is read."""

    pattern: re.Pattern[str]
    nested_comments: bool
    pieces: Callable[[str], list[str]]
    """The text cut behind each statement; the pieces joined are the text."""
    compound: re.Pattern[str] | None = None
    """First words of statements that have semicolons in them which `pieces` cuts at, where there are any."""

    def tokens(self, text: str) -> Iterator[Token]:
        """The tokens of `text`, in order and without a gap."""
        at = 0
        while at < len(text):
            token = self.token(text, at)
            yield token
            at += len(token.text)

    def token(self, text: str, at: int) -> Token:
        """The token that begins at `at`."""
        found = self.pattern.match(text, at)
        if found is None or found.lastgroup is None:
            return Token("other", text[at])
        if found.lastgroup == "open":
            return Token("comment", text[at : _comment_end(text, found.end(), self.nested_comments)])
        if found.lastgroup == "dollar":
            end = text.find(found.group(), found.end())
            return Token("string", text[at:] if end < 0 else text[at : end + len(found.group())])
        return Token(found.lastgroup, found.group())


def split(text: str, syntax: Syntax) -> list[Statement]:
    """The statements of `text`; pieces that are empty or only comments are left out."""
    statements: list[Statement] = []
    line, delimiter = 1, ";"
    for piece in syntax.pieces(text):
        statement = _statement(piece, line, syntax)
        if statement is not None:
            statements.append(_without(delimiter, statement))
        elif command := _DELIMITER.match(piece, _beginning(piece, syntax)):
            delimiter = command[1]
        line += piece.count("\n")
    return statements


def _without(delimiter: str, statement: Statement) -> Statement:
    """A delimiter of the client's own is none of the server's business."""
    if delimiter == ";":
        return statement
    return replace(statement, text=statement.text.removesuffix(delimiter).rstrip())


def split_block(text: str, syntax: Syntax) -> list[Statement]:
    """The statements of a text whose author says that it is one; it is, where it may hold semicolons."""
    statements = split(text, syntax)
    if len(statements) < 2 or syntax.compound is None:
        return statements
    if not syntax.compound.match(" ".join(statements[0].words)):
        return statements
    whole = _statement(text, 1, syntax)
    # None: the client's own DELIMITER begins it, by which its author has said where each ends.
    return statements if whole is None else [whole]


def unfinished(text: str, syntax: Syntax) -> Statement | None:
    """The last statement of `text` if nothing ends it; None when something does."""
    # A semicolon more is a piece of its own only where the last statement has ended.
    if _statement(syntax.pieces(f"{text}\n;")[-1], 1, syntax) is None:
        return None
    return split(text, syntax)[-1]


def leading_comments(text: str, syntax: Syntax) -> Iterator[str]:
    """The comments before the first statement, each as written."""
    for token in syntax.tokens(text):
        if token.kind not in _BLANK:
            return
        if token.kind == "comment":
            yield token.text


def transaction_word(statement: Statement) -> str | None:
    """The word by which a statement begins or ends a transaction or savepoint; None if it does not."""
    words = statement.words[:2]
    if words == ("BEGIN", "NOT"):
        # MariaDB: BEGIN NOT ATOMIC … END is a block of statements.
        return None
    if words[0] in _TRANSACTION_WORDS:
        return words[0]
    return " ".join(words) if words in _TRANSACTION_PAIRS else None


def _statement(piece: str, line: int, syntax: Syntax) -> Statement | None:
    at = _beginning(piece, syntax)
    text = piece[at:].strip()
    if not text or _DELIMITER.match(text):
        return None
    head = (token.text for token in syntax.tokens(text) if token.kind not in _BLANK)
    return Statement(text, line + piece.count("\n", 0, at), tuple(islice(head, HEAD)))


def _beginning(piece: str, syntax: Syntax) -> int:
    """Where what is neither blank nor a comment begins; the end, if nothing does."""
    at = 0
    for token in syntax.tokens(piece):
        if token.kind not in _BLANK and token.kind != "semicolon":
            break
        at += len(token.text)
    return at


def _comment_end(text: str, at: int, nested: bool) -> int:
    depth = 1
    for mark in re.compile(r"/\*|\*/").finditer(text, at):
        if mark.group() == "*/":
            depth -= 1
        elif nested:
            depth += 1
        if depth == 0:
            return mark.end()
    return len(text)


# A closing quote may be missing: then the rest of the text is the string, and the database says so.
_SINGLE = r"'[^']*(?:''[^']*)*(?:'|\Z)"
_DOUBLE = r'"[^"]*(?:""[^"]*)*(?:"|\Z)'
_BACKTICK = r"`[^`]*(?:``[^`]*)*(?:`|\Z)"
_ESCAPED = r"[^'\\]*(?:(?:''|\\.)[^'\\]*)*"
_WORD = r"(?P<word>[^\W\d][\w$]*)|(?P<number>\d[\w.]*)"
_REST = r"(?P<space>\s+)|(?P<semicolon>;)|(?P<other>.)"


def _postgresql_pieces(text: str) -> list[str]:
    pieces: list[str] = []
    start = at = parentheses = 0
    body = _AtomicBody()
    for token in POSTGRESQL_SYNTAX.tokens(text):
        at += len(token.text)
        if token.kind in _BLANK:
            continue
        body.read(token)
        if token.text == "(":
            parentheses += 1
        elif token.text == ")":
            parentheses = max(0, parentheses - 1)
        elif token.kind == "semicolon" and parentheses == 0 and body.depth == 0:
            pieces.append(text[start:at])
            start, body = at, _AtomicBody()
    return [*pieces, text[start:]] if start < len(text) else pieces


class _AtomicBody:
    """Counts the depth of a `BEGIN ATOMIC … END` body, in which CASE has an END of its own."""

    def __init__(self) -> None:
        self.depth = 0
        self._routine = False
        self._first = ""
        self._last = ""

    def read(self, token: Token) -> None:
        word = token.text.upper()
        # A keyword behind a dot or AS is a name.
        if token.kind == "word" and self._last not in (".", "AS"):
            self._count(word)
        self._first = self._first or word
        self._last = word

    def _count(self, word: str) -> None:
        if self._first == "CREATE" and word in ("FUNCTION", "PROCEDURE"):
            self._routine = True
        elif self.depth == 0:
            if self._routine and word == "ATOMIC" and self._last == "BEGIN":
                self.depth = 1
        elif word == "CASE":
            self.depth += 1
        elif word == "END":
            self.depth -= 1


_TRIGGER = re.compile(r"(EXPLAIN (QUERY PLAN )?)?CREATE (TEMP |TEMPORARY )?TRIGGER\b")


def _sqlite_pieces(text: str) -> list[str]:
    pieces: list[str] = []
    start = at = 0
    words: list[str] = []
    for token in SQLITE_SYNTAX.tokens(text):
        at += len(token.text)
        if token.kind in _BLANK:
            continue
        if token.kind != "semicolon":
            if len(words) < 6:
                words.append(token.text.upper())
            continue
        piece = text[start:at]
        # Only a trigger has semicolons in it; elsewhere asking at each would cost the square of the length.
        if not _TRIGGER.match(" ".join(words)) or sqlite3.complete_statement(piece):
            pieces.append(piece)
            start, words = at, []
    return [*pieces, text[start:]] if start < len(text) else pieces


_DELIMITER = re.compile(r"DELIMITER[ \t]+(\S+)[^\n]*(?:\n|\Z)", re.IGNORECASE)


def _mariadb_pieces(text: str) -> list[str]:
    pieces: list[str] = []
    start = at = 0
    delimiter, fresh = ";", True
    while at < len(text):
        command = _DELIMITER.match(text, at) if fresh else None
        if command is not None:
            delimiter, at = command.group(1), command.end()
        elif text.startswith(delimiter, at):
            at, fresh = at + len(delimiter), True
        else:
            token = MARIADB_SYNTAX.token(text, at)
            # A word may touch the delimiter: `END$$`.
            cut = token.text.find(delimiter, 1) if token.kind in ("word", "other") else -1
            at += len(token.text) if cut < 0 else cut
            fresh = fresh and token.kind in _BLANK
            continue
        pieces.append(text[start:at])
        start = at
    return [*pieces, text[start:]] if start < len(text) else pieces


POSTGRESQL_SYNTAX = Syntax(
    re.compile(
        r"(?P<comment>--[^\n]*)|(?P<open>/\*)"
        # A string goes on behind a line break, under the rules of its first part.
        rf"|(?P<string>[eE]'{_ESCAPED}(?:'\s*\n\s*'{_ESCAPED})*(?:'|\Z)|{_SINGLE})"
        rf"|(?P<quoted>{_DOUBLE})|(?P<dollar>\$(?:[^\W\d]\w*)?\$)|{_WORD}|{_REST}",
        re.DOTALL,
    ),
    nested_comments=True,
    pieces=_postgresql_pieces,
)

SQLITE_SYNTAX = Syntax(
    re.compile(
        r"(?P<comment>--[^\n]*)|(?P<open>/\*)"
        rf"|(?P<string>{_SINGLE})|(?P<quoted>{_DOUBLE}|{_BACKTICK}|\[[^\]]*(?:\]|\Z))|{_WORD}|{_REST}",
        re.DOTALL,
    ),
    nested_comments=False,
    pieces=_sqlite_pieces,
)

MARIADB_SYNTAX = Syntax(
    re.compile(
        # `/*!` is text that the server runs.
        r"(?P<comment>--(?=\s|\Z)[^\n]*|\#[^\n]*)|(?P<open>/\*(?!!))"
        rf"|(?P<string>'{_ESCAPED}(?:'|\Z)|\"[^\"\\]*(?:(?:\"\"|\\.)[^\"\\]*)*(?:\"|\Z))"
        rf"|(?P<quoted>{_BACKTICK})|{_WORD}|{_REST}",
        re.DOTALL,
    ),
    nested_comments=False,
    pieces=_mariadb_pieces,
    compound=re.compile(
        r"(CREATE|ALTER)( OR REPLACE)?( DEFINER = \S+( @ \S+)?)?( AGGREGATE)? "
        r"(PROCEDURE|FUNCTION|TRIGGER|EVENT|PACKAGE)\b"
        r"|BEGIN NOT ATOMIC\b|(IF|CASE|FOR|LOOP|WHILE|REPEAT)\b"
    ),
)
