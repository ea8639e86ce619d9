"""The file of a generated migration: goose's format, each statement under the difference that it is for.

It answers for the order of statements in both directions and for the file's text.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rowstead.errors import ValidationError
from rowstead.migrations.comparing.changes import Change
from rowstead.migrations.comparing.deciding import Decision
from rowstead.migrations.comparing.reading import Found
from rowstead.migrations.comparing.rebuilding import Rebuilding
from rowstead.migrations.comparing.spelling import InPlace
from rowstead.migrations.formats import goose
from rowstead.migrations.split import Syntax, Token


@dataclass(frozen=True, slots=True)
class _Step:
    """Statements, and what is said above them."""

    says: tuple[str, ...]
    statements: tuple[str, ...]


def migration_file(decision: Decision, found: Found) -> str:
    """The text of a migration that carries out what was decided, with the way back.

    Raises ValidationError where the format cannot hold it: a text of the models looks like an annotation.
    """
    steps = _rebuilt(decision, found) if found.facts.rebuild is not None else _altered(decision, found)
    forth, back = steps
    lines = ["-- What the models and the database differed in, written by `rowstead db generate`."]
    lines += [f"-- Not in here: {possible.text}" for possible in decision.possible_renames]
    lines += ["-- +goose Up", *_lines(forth, found.facts.syntax)]
    lines += ["-- +goose Down", *_lines(back, found.facts.syntax)]
    text = "\n".join(lines).rstrip("\n") + "\n"
    _refuse_other_reading(text, forth, back, found.facts.syntax)
    return text


def _refuse_other_reading(text: str, forth: Sequence[_Step], back: Sequence[_Step], syntax: Syntax) -> None:
    """What is read of the file must be what was written. Raises ValidationError."""
    reader = goose.Reader("the new file", syntax, {})
    wrong = "it would be read as other statements"
    try:
        for number, line in enumerate(text.split("\n"), 1):
            reader.read(number, line)
        reader.end()
    except ValidationError as error:
        wrong = str(error)
    else:
        if [len(reader.up), len(reader.down or ())] == [
            sum(len(step.statements) for step in steps) for steps in (forth, back)
        ]:
            return
    raise ValidationError(
        "a text in the models or in the database (a default, a comment) has a line that goose's format "
        f"takes for an annotation, `-- +goose …`: {wrong}; write this migration by hand"
    )


def _altered(decision: Decision, found: Found) -> tuple[list[_Step], list[_Step]]:
    """Where tables are altered in place."""
    spell = InPlace(found)
    goes = {change.table for change in decision.changes if change.kind == "drop_table"}
    # What a table has goes with it, and some of it cannot go before.
    forward = [c for c in decision.changes if c.table not in goes or c.kind == "drop_table"]
    backward = [c for c in reversed(decision.changes) if not _goes_along(c, decision.changes)]
    forth = [_forth(change, spell.forth(change)) for change in forward]
    back = [_back(change, spell.back(change)) for change in backward]
    adding, dropping = spell.late_keys()
    if adding:
        says = ("tables that refer to each other",)
        forth.append(_Step(says, tuple(adding)))
        back.insert(0, _Step(says, tuple(dropping)))
    return forth, back


def _rebuilt(decision: Decision, found: Found) -> tuple[list[_Step], list[_Step]]:
    """Where some tables are made anew."""
    spell, alone = Rebuilding(found, decision.changes), InPlace(found)
    tables = sorted(spell.tables)
    changes = {table: [c for c in decision.changes if c.table == table] for table in tables}
    rest = [change for change in decision.changes if change.table not in spell.tables]
    anew = [_Step(_said(changes[t], "destructive"), tuple(spell.forth(t, changes[t]))) for t in tables]
    again = [_Step(_said(changes[t], "undoing"), tuple(spell.back(t, changes[t]))) for t in tables[::-1]]
    # A new table may be what another one refers to now, and one that goes what it referred to before.
    late = [change for change in rest if change.kind == "drop_table"]
    early = [change for change in rest if change not in late]
    forth = [
        *(_forth(change, alone.forth(change)) for change in early),
        *anew,
        *(_forth(change, alone.forth(change)) for change in late),
    ]
    back = [
        *(_back(change, spell.dropped(change.table)) for change in reversed(late)),
        *again,
        *(_back(change, alone.back(change)) for change in reversed(early) if not _goes_along(change, early)),
    ]
    if not tables:
        return forth, back
    return _guarded(spell, forth), _guarded(spell, back)


def _goes_along(change: Change, changes: Sequence[Change]) -> bool:
    """Whether it is part of a table that was created with it, and is dropped with it."""
    created = {other.table for other in changes if other.kind == "create_table"}
    return change.kind != "create_table" and change.table in created


def _guarded(spell: Rebuilding, steps: Sequence[_Step]) -> list[_Step]:
    marks = spell.around(["\0"])
    at = marks.index("\0")
    before = _Step(("before tables are made anew",), tuple(marks[:at]))
    return [before, *steps, _Step(("after it",), tuple(marks[at + 1 :]))]


def _forth(change: Change, statements: Iterable[str]) -> _Step:
    return _Step(_said([change], "destructive"), tuple(statements))


def _back(change: Change, statements: Iterable[str]) -> _Step:
    return _Step(_said([change], "undoing"), tuple(statements))


def _said(changes: Sequence[Change], risk: str) -> tuple[str, ...]:
    """The differences in words, and below them what is destroyed."""
    back = "undo " if risk == "undoing" else ""
    said = [_on_one_line(f"{back}{change.table}: {change.text}") for change in changes]
    risks: list[str] = [getattr(change, risk) for change in changes if getattr(change, risk)]
    return (*said, *(f"destructive: {_on_one_line(text)}" for text in risks))


def _on_one_line(text: str) -> str:
    # A comment must not look like an annotation.
    return " ".join(text.split()).replace("+goose", "+ goose")


def _lines(steps: Sequence[_Step], syntax: Syntax) -> Iterator[str]:
    for step in steps:
        for said in step.says:
            yield from textwrap.wrap(said, 108, initial_indent="-- ", subsequent_indent="--   ")
        for statement in step.statements:
            yield from _statement(_tidy(statement, syntax), syntax)
        yield ""


def _statement(text: str, syntax: Syntax) -> list[str]:
    whole = f"{text.rstrip().rstrip(';')};"
    # Other readers of the format end a statement at each line that ends with a semicolon, even in a text.
    if any(token.kind == "semicolon" or _ends_a_line(token) for token in syntax.tokens(whole[:-1])):
        return ["-- +goose StatementBegin", whole, "-- +goose StatementEnd"]
    return [whole]


def _ends_a_line(token: Token) -> bool:
    return token.kind in ("string", "quoted") and re.search(r";\s*\n", token.text) is not None


def _tidy(text: str, syntax: Syntax) -> str:
    """The blanks between tokens as people write them; those inside texts stay."""
    parts = [
        re.sub(r"[ \t]+\n", "\n", token.text).replace("\t", "    ") if token.kind == "space" else token.text
        for token in syntax.tokens(text)
    ]
    return "".join(parts)
