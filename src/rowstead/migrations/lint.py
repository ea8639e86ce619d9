"""Looking through migrations for statements that lock or rewrite big tables, or lose data.

It answers for which rule applies to which statement of a file, and for comments that allow one:
`-- rowstead: allow RULE` above a statement, in it or behind it; above the first one, for the file. It must
not know databases: what is looked at are files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rowstead.errors import did_you_mean
from rowstead.migrations import lint_rules as rules
from rowstead.migrations.capabilities import Facts
from rowstead.migrations.formats import goose, plain
from rowstead.migrations.formats.plain import read_text
from rowstead.migrations.lint_rules import RULES, Level, Rule, Where
from rowstead.migrations.lint_statements import Read, read
from rowstead.migrations.migration import Migration
from rowstead.migrations.split import Statement, Syntax

# Words behind the names say why.
_ALLOW = re.compile(r"--\s*rowstead:\s*allow\s+(?P<rules>[\w/-]+(?:\s*,\s*[\w/-]+)*)")
_UP = re.compile(r"^-- \+goose Up\b", re.IGNORECASE | re.MULTILINE)
_DOWN = re.compile(r"^-- \+goose Down\b", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Finding:
    """One statement that a rule warns of."""

    file: str
    line: int
    rule: str
    level: Level
    statement: str
    why: str
    safe: str


@dataclass(frozen=True, slots=True)
class File:
    """A migration as it is looked at."""

    path: Path
    text: str
    migration: Migration


def load(folder: str | Path, facts: Facts) -> list[File]:
    """The migrations of a folder, in goose's format or plain files. Raises ValidationError as these do."""
    paths = plain.files(folder)
    texts = {path.name: read_text(path) for path in paths}
    is_goose = any(_UP.search(text) for text in texts.values())
    found = goose.load(folder, facts.syntax, _AnyValue()) if is_goose else plain.load(folder, facts.syntax)
    places = {path.name: path for path in paths}
    return [File(places[m.name], texts[m.name], m) for m in found]


class _AnyValue(Mapping[str, str]):
    """Values for ENVSUB where none are set: what a statement does is not in them."""

    def __getitem__(self, _name: str) -> str:
        return "x"

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __contains__(self, _name: object) -> bool:
        return True


def lint(file: File, dialect: str, syntax: Syntax, down: bool = False) -> list[Finding]:
    """What the rules for a database say of a file, by line; of its way back too where asked."""
    allowed = _Allowed(file, syntax)
    statements = (file.migration.up, (file.migration.down or ()) if down else ())
    found = [f for part in statements for f in _of(file, part, dialect, syntax, allowed)]
    return sorted([*found, *allowed.unknown()], key=lambda finding: (finding.line, finding.rule))


def _of(
    file: File, statements: Sequence[Statement], dialect: str, syntax: Syntax, allowed: _Allowed
) -> Iterator[Finding]:
    every = [read(statement, syntax) for statement in statements]
    applying = [rule for rule in RULES if dialect in rule.dialects]
    new: set[str] = set()
    found: list[tuple[Read, Rule]] = []
    for one in every:
        if one.created is not None:
            new.add(one.created)
        for rule in applying:
            risky = _breaks(one, rule, file.migration.transactional) and not _is_rebuild(rule, one, every)
            if risky and (rule.on_new_tables or one.table not in new):
                found.append((one, rule))
    if dialect in rules.REBUILD.dialects:
        found += [(one, rules.REBUILD) for one in _unguarded(every)]
    kept = [(one, rule) for one, rule in found if not allowed.allows(one.statement.line, rule.name)]
    holding = {one.table: one for one, rule in reversed(kept) if rule.holds_lock}
    if dialect in rules.TOGETHER.dialects and file.migration.transactional and len(holding) > 1:
        last = max(holding.values(), key=lambda one: one.statement.line)
        kept += [(last, rules.TOGETHER)]
    yield from (_finding(file, one, rule) for one, rule in kept)


def _breaks(one: Read, rule: Rule, transactional: bool) -> bool:
    if rule.in_transaction and not transactional:
        return False
    if rule.where is Where.ACTION:
        return any(rule.pattern.match(action) for action in one.actions)
    return rule.pattern.match(one.outline if rule.where is Where.OUTLINE else one.shape) is not None


def _is_rebuild(rule: Rule, one: Read, every: Sequence[Read]) -> bool:
    """Whether a table is dropped, or one is renamed, so that another takes its place with its rows."""
    if rule.name == "drop-table":
        return any(other.renamed_to is not None and other.renamed_to == one.table for other in every)
    if rule.name == "rename-table":
        return any(other.created is not None and other.created == one.table for other in every)
    return False


def _unguarded(every: Sequence[Read]) -> Iterator[Read]:
    """The DROPs of tables that are made anew with foreign keys on."""
    names = {one.renamed_to for one in every} - {None}
    off = re.compile(r"PRAGMA FOREIGN_KEYS (= |\( )(OFF|NO|FALSE|0)\b")
    if any(off.match(one.shape) for one in every):
        return
    for one in every:
        if one.shape.startswith("DROP TABLE ") and one.table in names:
            yield one


def _finding(file: File, one: Read, rule: Rule) -> Finding:
    statement = one.statement
    return Finding(
        file.path.name, statement.line, rule.name, rule.level, statement.summary, rule.why, rule.safe
    )


class _Allowed:
    """The comments of a file that allow rules."""

    def __init__(self, file: File, syntax: Syntax) -> None:
        self._file = file
        statements = sorted((*file.migration.up, *(file.migration.down or ())), key=lambda s: s.line)
        self._ends = [(s.line, s.line + s.text.count("\n")) for s in statements]
        up = _UP.search(file.text)
        self._first = file.text.count("\n", 0, up.start()) + 1 if up else 0
        self._comments = list(_comments(file.text, syntax))

    def allows(self, line: int, rule: str) -> bool:
        """Whether a comment allows a rule for the statement that begins on a line."""
        return any(
            rule in names and (at < self._first or self._statement(at) == line)
            for at, names in self._comments
        )

    def unknown(self) -> Iterator[Finding]:
        """Names in such comments that no rule has."""
        for line, names in self._comments:
            for name in names:
                if name not in rules.NAMES and not name.startswith("squawk/"):
                    rule, hint = rules.UNKNOWN, did_you_mean(name, rules.NAMES)
                    yield Finding(
                        self._file.path.name, line, rule.name, rule.level, name, f"{rule.why}: {name}", hint
                    )

    def _statement(self, line: int) -> int | None:
        """The first line of the statement that a comment on a line is for."""
        within = [first for first, last in self._ends if first <= line <= last]
        if within:
            return within[-1]
        return next((first for first, _ in self._ends if first > line), None)


def _comments(text: str, syntax: Syntax) -> Iterator[tuple[int, tuple[str, ...]]]:
    line = 1
    for token in syntax.tokens(text):
        found = _ALLOW.match(token.text) if token.kind == "comment" else None
        if found is not None:
            yield line, tuple(re.split(r"\s*,\s*", found["rules"]))
        line += token.text.count("\n")


def without_way_back(file: File) -> str:
    """The file's text as another tool should see it: the same lines, those of the way back empty."""
    down = _DOWN.search(file.text)
    if down is None:
        return file.text
    return file.text[: down.start()] + "\n" * file.text.count("\n", down.start())
