"""The SQL of changes where a database cannot alter a table: it is made anew under its old name.

It answers for SQLite, whose way this is (https://www.sqlite.org/lang_altertable.html#otheralter), and for
what stands around it so that no row is lost. The new form is the models' own, the old one is the text that
the database keeps; nothing is looked up when the file is applied.

Dropping a table that others refer to deletes their rows too, by their keys' actions, unless foreign keys
are off; and inside a transaction they cannot be switched. So the file asks for that at its beginning, where
a runner can see it, and then refuses to go on if they are on. At its end it refuses rows that refer to none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy.schema import CreateIndex, CreateTable

from rowstead.migrations.comparing.changes import Change
from rowstead.migrations.comparing.losses import lost_clauses
from rowstead.migrations.comparing.reading import Found
from rowstead.migrations.comparing.spelling import InPlace, text_of
from rowstead.migrations.split import Syntax

GUARD = "_rowstead_guard"

_OFF = ("PRAGMA foreign_keys = OFF", "PRAGMA legacy_alter_table = ON")
_ON = ("PRAGMA legacy_alter_table = OFF", "PRAGMA foreign_keys = ON")

_REFUSE_KEYS_ON = (
    f"CREATE TABLE {GUARD} (are_on INTEGER CONSTRAINT foreign_keys_must_be_off CHECK (are_on = 0))",
    f"INSERT INTO {GUARD} SELECT foreign_keys FROM pragma_foreign_keys",
    f"DROP TABLE {GUARD}",
)
_REFUSE_BROKEN_KEYS = (
    f"CREATE TABLE {GUARD} (broken INTEGER CONSTRAINT no_row_refers_to_none CHECK (broken = 0))",
    f"INSERT INTO {GUARD} SELECT count(*) FROM pragma_foreign_key_check",
    f"DROP TABLE {GUARD}",
)


class Rebuilding:
    """Spells changes, table by table: those that can be done in place, else the table anew."""

    def __init__(self, found: Found, changes: Sequence[Change]) -> None:
        self._found = found
        self._in_place = InPlace(found)
        self._anew = tables_made_anew(changes, found)

    @property
    def tables(self) -> frozenset[str]:
        """The tables that are made anew."""
        return frozenset(self._anew)

    def forth(self, table: str, changes: Sequence[Change]) -> list[str]:
        """A table anew, as the models have it."""
        model, stored = self._found.models[table], self._found.stored[table]
        renamed = {c.op.new: c.op.old for c in changes if c.kind == "rename_column"}
        written = [c.name for c in model.columns if c.computed is None]
        copied = {new: renamed.get(new, new) for new in written if renamed.get(new, new) in stored.columns}
        return self._made_anew(
            table,
            _headed(text_of(CreateTable(model), self._found.case), table, self._found.facts.syntax),
            self._filled(copied, model),
            [*self._indexes(model), *self._unseen_indexes(table, changes)],
            stored.triggers.values(),
        )

    def back(self, table: str, changes: Sequence[Change]) -> list[str]:
        """A table anew, as the database had it."""
        model, stored = self._found.models[table], self._found.stored[table]
        renamed = {c.op.old: c.op.new for c in changes if c.kind == "rename_column"}
        copied = {
            old: renamed.get(old, old) for old in stored.columns if renamed.get(old, old) in model.columns
        }
        return self._made_anew(
            table,
            _headed(stored.sql, table, self._found.facts.syntax),
            {old: self._quoted(new) for old, new in copied.items()},
            stored.indexes.values(),
            stored.triggers.values(),
        )

    def dropped(self, table: str) -> list[str]:
        """What makes a table again that was dropped."""
        stored = self._found.stored[table]
        return [stored.sql, *stored.indexes.values(), *stored.triggers.values()]

    def around(self, statements: Iterable[str]) -> list[str]:
        """Statements that make tables anew, with what guards the rows that refer to these."""
        if not any(self._is_referred_to(table) for table in self._anew):
            return [_OFF[1], *statements, _ON[0]]
        return [*_OFF, *_REFUSE_KEYS_ON, *statements, *_REFUSE_BROKEN_KEYS, *_ON]

    def _is_referred_to(self, table: str) -> bool:
        models = self._found.models.values()
        keys = (key for model in models for key in model.foreign_keys)
        return self._found.stored[table].referred_to or any(key.column.table.key == table for key in keys)

    def _filled(self, copied: Mapping[str, str], model: Any) -> dict[str, str]:
        """What each column is filled with: what it was, or its default where it may not be NULL any more."""
        filled: dict[str, str] = {}
        for new, old in copied.items():
            value, column = self._quoted(old), model.columns[new]
            default = self._default(column)
            was_null = self._found.stored[column.table.name].columns[old]
            must = was_null and not column.nullable and default is not None
            filled[new] = f"coalesce({value}, {default})" if must else value
        return filled

    def _default(self, column: Any) -> str | None:
        return self._found.case.ddl_compiler(self._found.case, None).get_column_default_string(column)

    def _indexes(self, model: Any) -> list[str]:
        indexes = sorted(model.indexes, key=lambda index: str(index.name))
        return [text_of(CreateIndex(index), self._found.case) for index in indexes]

    def _unseen_indexes(self, table: str, changes: Sequence[Change]) -> list[str]:
        """Those of expressions, which SQLAlchemy does not see and so are no difference."""
        models = {index.name for index in self._found.models[table].indexes}
        gone = {change.op.index_name for change in changes if change.kind == "drop_index"}
        indexes = self._found.stored[table].indexes
        return [sql for name, sql in indexes.items() if name not in models and name not in gone]

    def _made_anew(
        self,
        table: str,
        create: str,
        filled: Mapping[str, str],
        indexes: Iterable[str],
        triggers: Iterable[str],
    ) -> list[str]:
        name, new = self._quoted(table), self._quoted(_new(table))
        columns = ", ".join(map(self._quoted, filled))
        return [
            create,
            f"INSERT INTO {new} ({columns}) SELECT {', '.join(filled.values())} FROM {name}",
            *self._counter(table, create),
            f"DROP TABLE {name}",
            f"ALTER TABLE {new} RENAME TO {name}",
            *indexes,
            *triggers,
        ]

    def _counter(self, table: str, create: str) -> Iterator[str]:
        """AUTOINCREMENT never gives a number twice; the new table goes on where the old one stood."""
        texts = create, self._found.stored[table].sql
        if not all(_has_word(text, "AUTOINCREMENT", self._found.facts.syntax) for text in texts):
            return
        old, new = (f"'{name.replace(chr(39), chr(39) * 2)}'" for name in (table, _new(table)))
        yield f"DELETE FROM sqlite_sequence WHERE name = {new}"
        at = f"SELECT {new}, seq FROM sqlite_sequence WHERE name = {old}"
        yield f"INSERT INTO sqlite_sequence (name, seq) {at}"

    def _quoted(self, name: str) -> str:
        return str(self._found.case.identifier_preparer.quote(name))


def tables_made_anew(changes: Iterable[Change], found: Found) -> set[str]:
    """The tables of which something changes that cannot be done in place."""
    return {c.table for c in changes if c.table in found.stored and not _is_simple(c)}


def with_losses(changes: Sequence[Change], found: Found) -> list[Change]:
    """The changes, where a table is made anew with what it has besides and the models do not say."""
    anew = tables_made_anew(changes, found)
    told: list[Change] = []
    for change in changes:
        if change.table not in anew or _is_simple(change):
            told.append(change)
            continue
        anew.remove(change.table)
        said = (change.destructive, _without(change.table, found))
        told.append(replace(change, destructive="; ".join(part for part in said if part) or None))
    return told


def _without(table: str, found: Found) -> str | None:
    create = text_of(CreateTable(found.models[table]), found.case)
    lost = lost_clauses(found.stored[table].sql, create, found.facts.syntax)
    return f"{table} is made anew as in the models, without {', '.join(lost)}" if lost else None


def _new(table: str) -> str:
    return f"_rowstead_new_{table}"


def _is_simple(change: Change) -> bool:
    """Whether SQLite does it in place, there and back."""
    if change.kind == "add_column":
        column = change.op.column
        default = column.server_default
        constant = default is None or isinstance(getattr(default, "arg", None), str)
        return column.computed is None and constant and (column.nullable or default is not None)
    return change.kind in ("create_index", "drop_index", "rename_column", "drop_table")


def _headed(create: str, table: str, syntax: Syntax) -> str:
    """`CREATE TABLE` with the new table's name; whatever refers to the old one goes on doing that."""
    before, at = "", 0
    for token in syntax.tokens(create):
        if token.kind in ("word", "quoted") and token.text.upper() not in _HEAD:
            return f'{before}"{_new(table).replace(chr(34), chr(34) * 2)}"{create[at + len(token.text) :]}'
        before += token.text
        at += len(token.text)
    raise ValueError(f"no CREATE TABLE: {create}")


_HEAD = frozenset({"CREATE", "TABLE", "IF", "NOT", "EXISTS"})


def _has_word(text: str, word: str, syntax: Syntax) -> bool:
    return any(token.kind == "word" and token.text.upper() == word for token in syntax.tokens(text))
