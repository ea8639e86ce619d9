"""What an operation makes of the tables: names looked up in the wanted schema, steps as values.

Pure: tables in, changes and tables out. It answers for what an operation means where tables and
schema stand, and for refusing it where it can mean nothing. It must not know how a change is spelled
or carried out (`rendering.py`, `carrying.py`).

Definitions come from the schema that is wanted in the end, while operations may be old: the list is
run as a whole on a new database, and on one that `create` made of the newest schema. So what is there
already in its last form is left alone, and what a later operation takes away again is never made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn

from rowstead.errors import MigrationError, did_you_mean
from rowstead.migrations.changes import (
    Altered,
    Change,
    Created,
    Dropped,
    Ran,
    Renamed,
    same_table,
    without,
)
from rowstead.migrations.operations import BODIES, RAW, Operation
from rowstead.migrations.referring import is_unique, standing_on, with_column
from rowstead.migrations.renaming import (
    changed,
    names_between,
    names_in,
    referring_table,
    renamed_check,
    renamed_foreign_key,
    renamed_index,
    renamed_table,
    renamed_unique,
    reread_check,
)
from rowstead.migrations.unexplained import PARTS, Part, part_of, same_column, same_kind, same_part
from rowstead.tables.schema import Check, Column, ForeignKey, Index, Table, Unique


class Evolution:
    """The tables while operations are applied to them one by one, in their order."""

    def __init__(
        self, tables: Mapping[str, Table], wanted: Mapping[str, Table], operations: Sequence[Operation]
    ) -> None:
        self.tables = dict(tables)
        self._wanted = wanted
        self._operations = operations
        self._at = 0
        self._passed: set[tuple[str, str]] = set()
        """(table, column): names that the schema does not have any more, of columns that were passed over
        or made under their later name."""
        self._renamed: set[str] = set()
        """Tables of which a column got its last name; a later operation may know it by one in between."""

    def step(self) -> list[Change]:
        """Apply the next operation: what is to be done. Raises MigrationError."""
        operation = self._operations[self._at]
        self._at += 1
        kind = operation.kind
        if kind == RAW or kind in BODIES or kind in ("drop_view", "drop_trigger"):
            return [Ran(operation)]
        if kind in _STEPS:
            return _STEPS[kind](self, operation)
        action, _, part = kind.partition("_")
        return (self._add_part if action == "add" else self._drop_part)(operation, part)

    # Tables

    def _create_table(self, operation: Operation) -> list[Change]:
        name = operation.table
        if name in self.tables:
            return []
        if name not in self._wanted:
            if self._later("drop_table", name):
                return []
            self._unknown(operation, "table", name, self._wanted)
        wanted = self._wanted[name]
        # A table that is not there yet cannot be referred to: it gets its foreign keys when it comes.
        keys = tuple(f for f in wanted.foreign_keys if self._can_come(operation, wanted, f))
        table = changed(wanted, foreign_keys=tuple(self._here(operation, wanted, wanted, f) for f in keys))
        self.tables[name] = table
        return [Created(table), *self._awaited(operation, name)]

    def _can_come(self, operation: Operation, table: Table, key: ForeignKey) -> bool:
        """Whether a new table gets this foreign key at once: not before what it refers to is unique."""
        if key.table == table.name or key.table not in self.tables:
            return key.table == table.name
        comes_later = self._later("add_foreign_key", table.name, key.name)
        return not comes_later or is_unique(self.tables[key.table], self._references(operation, key))

    def _references(self, operation: Operation, key: ForeignKey) -> tuple[str, ...]:
        """The columns that a foreign key of the wanted schema refers to, by the names they have now."""
        names = names_between(self._wanted[key.table], self.tables[key.table])
        self._require_columns(operation, key.references, names)
        return tuple(names[name] for name in key.references)

    def _awaited(self, operation: Operation, name: str) -> list[Change]:
        """Foreign keys of other tables that waited for this one."""
        changes: list[Change] = []
        for other, table in list(self.tables.items()):
            if other == name or other not in self._wanted:
                continue
            names = names_between(self._wanted[other], table)
            keys = [
                self._here(operation, table, self._wanted[other], key)
                for key in self._wanted[other].foreign_keys
                if key.table == name
                and part_of(table, "foreign_key", key.name) is None
                and not self._later("add_foreign_key", other, key.name)
                and names.keys() >= set(key.columns)
            ]
            if keys:
                changes += self._alter(table, changed(table, foreign_keys=(*table.foreign_keys, *keys)))
        return changes

    def _drop_table(self, operation: Operation) -> list[Change]:
        name = operation.table
        table = self.tables.get(name)
        if table is None or (name in self._wanted and self._later("create_table", name)):
            return []
        for other in self.tables.values():
            for key in other.foreign_keys:
                if key.table == name and other is not table:
                    self._refuse(
                        operation,
                        f"foreign key {key.name} of {other.name} refers to it; drop that first",
                    )
        del self.tables[name]
        return [Dropped(table)]

    # Columns

    def _add_column(self, operation: Operation) -> list[Change]:
        table, wanted = self._table(operation)
        if table is None or wanted is None:
            return []
        column = wanted.columns.get(operation.part) or self._renamed_later(operation, table, wanted)
        there = table.columns.get(operation.part)
        if column is None or (there is not None and there.number == column.number):
            return []
        taken = next((c for c in table.columns.values() if c.number == column.number), None)
        if taken is not None:
            self._refuse(
                operation, f"column {column.number} is there as {taken.name!r}; alter_column renames it"
            )
        if there is not None:
            self._refuse(
                operation,
                f"the table has a column {there.name!r}, number {there.number}, and the schema another, "
                f"number {column.number}; drop the old one first",
            )
        if column.name in wanted.key:
            self._refuse(operation, "it is of the primary key, which cannot be changed; create a new table")
        after = changed(table, columns={**table.columns, column.name: column})
        return self._alter(table, self._with_checks_of(operation, after, wanted, column), column.name)

    def _renamed_later(self, operation: Operation, table: Table, wanted: Table) -> Column | None:
        """The column that the operation means though the schema has it by a later name, if it has it."""
        name = operation.part
        self._passed.add((table.name, name))
        if self._later("drop_column", operation.table, name) or name in table.columns:
            return None
        if not self._later("alter_column", operation.table, name):
            self._unknown(operation, "column", name, wanted.columns)
        there = {column.number for column in table.columns.values()}
        named = {o.part for o in self._operations if (o.kind, o.fields[0][1]) == ("add_column", table.name)}
        candidates = [c for c in wanted.columns.values() if c.number not in there and c.name not in named]
        if len(candidates) > 1:
            names = ", ".join(c.name for c in candidates)
            self._refuse(
                operation,
                f"it was renamed later, and the schema has several columns that it may be: {names}; "
                "migrate to this version with the schema of that time first",
            )
        return candidates[0] if candidates else None

    def _alter_column(self, operation: Operation) -> list[Change]:
        table, wanted = self._table(operation)
        if table is None or wanted is None:
            return []
        column = self._column_to_alter(operation, table, wanted)
        if column is None:
            return []
        new = next((c for c in wanted.columns.values() if c.number == column.number), None)
        if new is None:
            return self._alter_to_drop(operation, table, wanted, column)
        changes: list[Change] = []
        if new.name != column.name:
            if new.name in table.columns:
                self._refuse(operation, f"the table has a column {new.name!r}; rename or drop that one first")
            changes.append(self._rename(table, column.name, new.name))
            table = self.tables[table.name]
        if not same_kind(table.columns[new.name], new):
            key = with_column(self.tables, table, new.name)
            if key:
                reason = f"its type cannot change while foreign key {key} stands on it"
                self._refuse(operation, f"{reason}; drop that first and add it afterwards")
        kept = tuple(c for c in table.checks if c.column != new.name)
        # What a check compares depends on the columns' types.
        columns = {n: new if n == new.name else c for n, c in table.columns.items()}
        after = changed(table, columns=columns, checks=tuple(reread_check(c, columns) for c in kept))
        return [*changes, *self._alter(table, self._with_checks_of(operation, after, wanted, new))]

    def _alter_to_drop(
        self, operation: Operation, table: Table, wanted: Table, column: Column
    ) -> list[Change]:
        """A column that a later operation drops, maybe by a name that it gets here."""
        if self._later("drop_column", table.name, column.name):
            return []
        known = table.columns.keys() | wanted.columns.keys()
        dropped = {o.part for o in self._rest("drop_column", table.name) if o.part not in known}
        if len(dropped) != 1:
            self._refuse(operation, f"the schema has no column number {column.number}, which that is")
        return [self._rename(table, column.name, dropped.pop())]

    def _column_to_alter(self, operation: Operation, table: Table, wanted: Table) -> Column | None:
        """The column by its old name, or by the one that the schema has; None when all is done already."""
        name = operation.part
        if name in table.columns:
            return table.columns[name]
        if name in wanted.columns:
            number = wanted.columns[name].number
            return next((c for c in table.columns.values() if c.number == number), None)
        names = names_between(table, wanted)
        passed = (table.name, name) in self._passed or table.name in self._renamed
        if passed or all(same_column(table.columns[n], wanted.columns[names[n]]) for n in names):
            return None
        return self._unknown(operation, "column", name, table.columns)

    def _rename(self, table: Table, old: str, new: str) -> Change:
        after = renamed_table(table, {old: new})
        self.tables = {name: referring_table(t, table.name, {old: new}) for name, t in self.tables.items()}
        self.tables[table.name] = after
        self._renamed.add(table.name)
        return Renamed(table, after, old, new)

    def _drop_column(self, operation: Operation) -> list[Change]:
        table, wanted = self._table(operation)
        column = table.columns.get(operation.part) if table is not None else None
        if table is None or column is None:
            return []
        name = column.name
        if wanted is not None and any(c.number == column.number for c in wanted.columns.values()):
            if self._later("add_column", table.name, name):
                return []
            self._still_there(operation)
        if name in table.key:
            self._refuse(operation, "it is of the primary key, which cannot be changed; create a new table")
        for other in self.tables.values():
            for key in other.foreign_keys:
                if key.table == table.name and name in key.references:
                    self._refuse(operation, f"foreign key {key.name} of {other.name} refers to it")
        return self._alter(table, without(table, name))

    # Constraints and indexes

    def _add_part(self, operation: Operation, kind: str) -> list[Change]:
        attribute, _, words = PARTS[kind]
        table, wanted = self._table(operation)
        if table is None or wanted is None:
            return []
        name = operation.part
        new = part_of(wanted, kind, name)
        if new is None:
            # It may have gone with a column.
            if self._later(f"drop_{kind}", table.name, name) or self._rest("drop_column", table.name):
                return []
            self._unknown(operation, words, name, (part.name for part in getattr(wanted, attribute)))
        new = self._here(operation, table, wanted, new)
        there = part_of(table, kind, name)
        if there is not None:
            if same_part(there, new):
                return []
            self._refuse(operation, f"the table has a {words} of this name in another form; drop it first")
        return self._alter(table, changed(table, **{attribute: (*getattr(table, attribute), new)}))

    def _drop_part(self, operation: Operation, kind: str) -> list[Change]:
        attribute = PARTS[kind][0]
        table, wanted = self._table(operation)
        there = part_of(table, kind, operation.part) if table is not None else None
        if table is None or there is None:
            return []
        comes_back = self._later(f"add_{kind}", table.name, there.name)
        if not comes_back and wanted is not None and self._is_wanted(operation, table, wanted, there, kind):
            self._still_there(operation)
        kept = tuple(part for part in getattr(table, attribute) if part is not there)
        after = changed(table, **{attribute: kept})
        needing = standing_on(self.tables, table, after, there)
        if needing:
            if comes_back:
                return []
            self._refuse(operation, f"foreign key {needing} needs it")
        return self._alter(table, after)

    def _is_wanted(self, operation: Operation, table: Table, wanted: Table, there: Part, kind: str) -> bool:
        new = part_of(wanted, kind, there.name)
        try:
            return new is not None and same_part(there, self._here(operation, table, wanted, new))
        except MigrationError:
            # It stands on columns that are not there yet, so it is another one.
            return False

    def _here(self, operation: Operation, table: Table, wanted: Table, part: Any) -> Any:
        """A part of the wanted table in the names that the columns have now."""
        names = names_between(wanted, table)
        if isinstance(part, Check):
            self._require_columns(operation, names_in(part, wanted.columns), names)
            return renamed_check(part, names, table.columns)
        self._require_columns(operation, part.columns, names)
        if isinstance(part, Unique):
            return renamed_unique(part, names)
        if isinstance(part, Index):
            return renamed_index(part, names)
        assert isinstance(part, ForeignKey)
        if part.table not in self.tables and part.table != table.name:
            self._refuse(operation, f"it refers to table {part.table!r}, which is not there yet")
        referred = table if part.table == table.name else self.tables[part.table]
        others = names_between(self._wanted[part.table], referred)
        self._require_columns(operation, part.references, others)
        found = renamed_foreign_key(part, names, others)
        if not is_unique(referred, found.references):
            columns = ", ".join(found.references)
            self._refuse(operation, f"{columns} of table {part.table!r} is not unique yet; add that first")
        return found

    def _with_checks_of(self, operation: Operation, after: Table, wanted: Table, column: Column) -> Table:
        """The table with the checks that are declared on columns, as far as its columns allow them now."""
        names = names_between(wanted, after)
        there = {check.name for check in after.checks}
        new = [
            self._here(operation, after, wanted, check)
            for check in wanted.checks
            if check.column is not None
            and check.name not in there
            and names.get(check.column) is not None
            and (check.column == column.name or column.name in names_in(check, wanted.columns))
            and names_in(check, wanted.columns) <= names.keys()
        ]
        return changed(after, checks=(*after.checks, *new)) if new else after

    # What all of them need

    def _table(self, operation: Operation) -> tuple[Table | None, Table | None]:
        """The table as it is and as it is wanted; (None, None) when it is dropped later."""
        name = operation.table
        table = self.tables.get(name)
        if table is None and not self._later("drop_table", name):
            if name in self._wanted:
                self._refuse(operation, f"table {name!r} is not there yet; create_table comes first")
            self._unknown(operation, "table", name, {**self._wanted, **self.tables})
        wanted = self._wanted.get(name)
        if wanted is None and table is not None and not self._later("drop_table", name):
            if operation.kind.startswith("drop"):
                return table, None
            self._refuse(operation, f"the schema given to set_schema has no table {name!r}")
        return table, wanted

    def _alter(self, before: Table, after: Table, filled: str | None = None) -> list[Change]:
        if same_table(before, after):
            return []
        self.tables[after.name] = after
        return [Altered(before, after, filled)]

    def _later(self, kind: str, *names: str) -> bool:
        return any(tuple(value for _, value in o.fields) == names for o in self._rest(kind, names[0]))

    def _rest(self, kind: str, table: str) -> list[Operation]:
        """The operations of this kind on this table that are still to come."""
        return [o for o in self._operations[self._at :] if o.kind == kind and o.table == table]

    def _still_there(self, operation: Operation) -> NoReturn:
        self._refuse(operation, "the schema still has it; give the schema without it to set_schema first")

    def _require_columns(self, operation: Operation, wanted: Iterable[str], names: Mapping[str, str]) -> None:
        missing = [column for column in wanted if column not in names]
        if missing:
            self._refuse(operation, f"column {missing[0]!r} is not there yet; add it first")

    def _unknown(self, operation: Operation, what: str, name: str, known: Iterable[str]) -> NoReturn:
        self._refuse(operation, f"the schema has no {what} {name!r}; {did_you_mean(name, known)}")

    def _refuse(self, operation: Operation, reason: str) -> NoReturn:
        raise MigrationError(f"{operation}: {reason}", table=operation.table)


_STEPS: Mapping[str, Callable[[Evolution, Operation], list[Change]]] = {
    "create_table": Evolution._create_table,  # pyright: ignore[reportPrivateUsage]
    "drop_table": Evolution._drop_table,  # pyright: ignore[reportPrivateUsage]
    "add_column": Evolution._add_column,  # pyright: ignore[reportPrivateUsage]
    "drop_column": Evolution._drop_column,  # pyright: ignore[reportPrivateUsage]
    "alter_column": Evolution._alter_column,  # pyright: ignore[reportPrivateUsage]
}
