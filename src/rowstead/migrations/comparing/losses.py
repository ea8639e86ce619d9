"""What a table's text on SQLite says besides, which neither a difference nor the models tell.

It answers for clauses that reflection does not give: AUTOINCREMENT, collations, checks without a name,
ON CONFLICT, and a table's options. It must not know changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rowstead.migrations.split import Syntax, Token

_OPTIONS = frozenset({"WITHOUT ROWID", "STRICT"})
"""What may stand behind a table's columns."""

_OF_COLUMNS: Mapping[str, str] = {
    "AUTOINCREMENT": "AUTOINCREMENT",
    "COLLATE": "{column}: COLLATE {after}",
    "CONFLICT": "{column}: ON CONFLICT {after}",
}
"""How a column's clause is told, by its word; `after` is the next one."""


def lost_clauses(stored: str, made: str, syntax: Syntax) -> list[str]:
    """The clauses of one CREATE TABLE that the other lacks, as they are written, in their order."""
    kept = {_plain(clause) for _, clause in _clauses(made, syntax)}
    return list(
        dict.fromkeys(
            clause
            for has_name, clause in _clauses(stored, syntax)
            # A check with a name is a difference of its own.
            if not has_name and _plain(clause) not in kept
        )
    )


def _plain(clause: str) -> str:
    """A clause whatever its blanks, quotes and capitals are."""
    return "".join(clause.split()).replace('"', "").replace("`", "").lower()


def _clauses(create: str, syntax: Syntax) -> Iterator[tuple[bool, str]]:
    """Each clause with whether it has a name."""
    tokens = [token for token in syntax.tokens(create) if token.kind not in ("space", "comment")]
    body = next((at for at, token in enumerate(tokens) if token.text == "("), len(tokens))
    end = _closing(tokens, body)
    column = body + 1
    at = body
    while (at := at + 1) < end:
        word = tokens[at].text.upper()
        if word == ",":
            column = at + 1
        elif word == "CHECK":
            close = _closing(tokens, at)
            named = at > body + 2 and tokens[at - 2].text.upper() == "CONSTRAINT"
            yield named, "CHECK " + _written(tokens[at + 1 : close + 1])
            at = close
        elif word == "(":
            at = _closing(tokens, at)
        elif words := _OF_COLUMNS.get(word):
            yield False, words.format(column=tokens[column].text, after=tokens[at + 1].text)
    options = _written(tokens[end + 1 :]).upper().split(", ")
    yield from ((False, option) for option in options if option in _OPTIONS)


def _written(tokens: Sequence[Token]) -> str:
    """Tokens as people write them."""
    text = " ".join(token.text for token in tokens)
    for wide, close in (("( ", "("), (" )", ")"), (" ,", ","), (" . ", "."), ("< >", "<>"), ("> =", ">="),
                        ("< =", "<="), ("! =", "!=")):  # fmt: skip
        text = text.replace(wide, close)
    return text


def _closing(tokens: Sequence[Token], at: int) -> int:
    """Where the parenthesis closes that opens at `at` or behind it; the end, if none does."""
    depth = 0
    for place in range(at, len(tokens)):
        depth += {"(": 1, ")": -1}.get(tokens[place].text, 0)
        if depth == 0 and tokens[place].text == ")":
            return place
    return len(tokens)
