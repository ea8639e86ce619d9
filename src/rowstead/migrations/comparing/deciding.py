"""What a column that is gone and one that is new are: a rename, or two changes. Only people know.

It answers for which differences are written and which wait for a decision. Until it is said, neither the
dropped nor the added column is written, nor what depends on them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from alembic.operations import ops
from alembic.runtime.migration import MigrationContext

from rowstead.errors import ValidationError, did_you_mean
from rowstead.migrations.comparing.changes import Change, RenameColumn, change_of, in_order
from rowstead.migrations.comparing.reading import Found
from rowstead.migrations.comparing.rebuilding import with_losses


@dataclass(frozen=True, slots=True)
class PossibleRename:
    """A column that is gone and one of the same type that is new, in one table."""

    table: str
    old: str
    new: str

    @property
    def text(self) -> str:
        """In words, with what to say."""
        return (
            f"{self.table}.{self.old} may have been renamed to {self.new}: say --rename "
            f"{self.table}.{self.old}:{self.new}, or --drop {self.table}.{self.old}"
        )


@dataclass(frozen=True, slots=True)
class Decision:
    """The changes to write, and those that wait."""

    changes: tuple[Change, ...]
    waiting: tuple[Change, ...]
    possible_renames: tuple[PossibleRename, ...]


def decide(found: Found, renames: Iterable[str] = (), drops: Iterable[str] = ()) -> Decision:
    """Sort the differences by what is said of them: `table.old:new` is a rename, `table.old` is dropped.

    The table may be left out where only one has such a column. Raises ValidationError where what is said
    is no difference.
    """
    changes = list(found.changes)
    for said in renames:
        changes = _renamed(changes, said, found)
    dropped = [_said_drop(changes, said) for said in drops]
    possible = _possible(changes, dropped, found)
    held = {(p.table, name) for p in possible for name in (p.old, p.new)}
    waiting = [change for change in changes if _waits(change, held)]
    if found.facts.rebuild is not None:
        # A table that is made anew is made as the models have it, all at once.
        tables = {table for table, _ in held}
        rest = [c for c in changes if c.table in tables and c not in waiting]
        if any(c.kind not in _IN_PLACE for c in rest):
            waiting += rest
    written = in_order([change for change in changes if change not in waiting])
    return Decision(
        changes=tuple(with_losses(written, found)),
        waiting=tuple(waiting),
        possible_renames=tuple(possible),
    )


_IN_PLACE = frozenset({"add_column", "create_index", "drop_index", "rename_column"})


def _waits(change: Change, held: set[tuple[str, str]]) -> bool:
    if any((change.table, column) in held for column in change.columns):
        return True
    if isinstance(change.op, ops.CreateForeignKeyOp):
        return any((change.op.referent_table, column) in held for column in change.op.remote_cols)
    return False


def _possible(changes: Sequence[Change], dropped: Sequence[Change], found: Found) -> list[PossibleRename]:
    gone = [c for c in changes if c.kind == "drop_column" and c not in dropped]
    new = [c for c in changes if c.kind == "add_column"]
    return [
        PossibleRename(one.table, _column(one), _column(other))
        for one in gone
        for other in new
        if one.table == other.table and not _differ(one, other, found)
    ]


def _renamed(changes: list[Change], said: str, found: Found) -> list[Change]:
    """The changes with a dropped and an added column made one that is renamed, and altered if it must."""
    place, colon, new = said.partition(":")
    if not colon or not new:
        raise ValidationError(f"--rename {said} says no new name; write it as TABLE.old:new")
    gone = _find(changes, "drop_column", place, f"--rename {said}")
    added = _find(changes, "add_column", f"{gone.table}.{new.rpartition('.')[2]}", f"--rename {said}")
    old, column = _column(gone), added.op.column
    spelled = found.case.type_compiler_instance.process
    rename = RenameColumn(gone.op.table_name, old, str(column.name), gone.op.schema)
    made = [change_of(rename, spelled)]
    alter = _altered(gone.op.to_column(), column, gone, _differ(gone, added, found))
    if alter is not None:
        made.append(change_of(alter, spelled))
    return [*(c for c in changes if c is not gone and c is not added), *made]


def _altered(before: Any, after: Any, gone: Change, retyped: bool) -> ops.AlterColumnOp | None:
    """What else is different of a column that is renamed."""
    changed: dict[str, Any] = {}
    if retyped:
        changed["modify_type"] = after.type
    if before.nullable != after.nullable:
        changed["modify_nullable"] = after.nullable
    if (before.server_default is None) != (after.server_default is None):
        changed["modify_server_default"] = after.server_default
    if not changed:
        return None
    return ops.AlterColumnOp(
        gone.op.table_name,
        str(after.name),
        schema=gone.op.schema,
        existing_type=before.type,
        existing_nullable=before.nullable,
        existing_server_default=before.server_default or False,
        **changed,
    )


def _said_drop(changes: Sequence[Change], said: str) -> Change:
    return _find(changes, "drop_column", said, f"--drop {said}")


def _find(changes: Sequence[Change], kind: str, place: str, said: str) -> Change:
    """The change of a kind that `table.column` or `column` names. Raises ValidationError."""
    table, _, column = place.rpartition(".")
    fitting = [c for c in changes if c.kind == kind and _column(c) == column and table in ("", c.table)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        tables = ", ".join(c.table for c in fitting)
        raise ValidationError(f"{said}: {column} is in several tables ({tables}); write TABLE.{column}")
    what = {"drop_column": "no column that the models lack is", "add_column": "no new column is"}[kind]
    known = [f"{c.table}.{_column(c)}" for c in changes if c.kind == kind]
    raise ValidationError(f"{said}: {what} called {place}; {did_you_mean(place, known)}")


def _column(change: Change) -> str:
    return next(iter(change.columns))


def _differ(gone: Change, added: Change, found: Found) -> bool:
    """Whether two columns have different types, as the database sees it."""
    context = MigrationContext.configure(dialect=found.case, opts={"as_sql": True})
    impl: Any = context.impl
    return bool(impl.compare_type(gone.op.to_column(), added.op.column))
