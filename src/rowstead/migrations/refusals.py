"""What a database refuses while a table is altered, told in the names that the schema declares.

A database names what it has: an index by a name of its own, a table that is being made anew by the one
that Alembic gives it until it takes the other's place. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping

from rowstead.errors import CheckError, DuplicateError, ForeignKeyError, IntegrityError, RowsteadError
from rowstead.plan import Plan
from rowstead.tables.constraints import constraint_of
from rowstead.tables.schema import Table

Tables = Mapping[str, Table]


def declaring(work: Plan[None], table: Table, tables: Tables) -> Plan[None]:
    """Carry out what brings a table into this form; its errors name the table and the constraint."""
    try:
        yield from work
    except RowsteadError as error:
        own = _with_own_name(error, table)
        if not isinstance(own, IntegrityError):
            raise
        name = own.constraint = constraint_of(table, own, tables)
        if name is None:
            raise
        raise _said(own, table, name) from error


def declaring_in_any(work: Plan[None], tables: Tables) -> Plan[None]:
    """Carry out SQL of the user's own; what refuses it has its declared name."""
    try:
        yield from work
    except IntegrityError as error:
        table = tables.get(error.table or "")
        if table is not None:
            error.constraint = constraint_of(table, error, tables)
        raise


def _with_own_name(error: RowsteadError, table: Table) -> RowsteadError:
    temporary = f"_alembic_tmp_{table.name}"[:50]
    if error.table == temporary:
        error.table = table.name
    error.args = (str(error).replace(temporary, table.name),)
    return error


def _said(error: IntegrityError, table: Table, name: str) -> IntegrityError:
    """The same error by what was declared; the rows are those that were there."""
    columns = _columns(table, name)
    match error:
        case DuplicateError():
            reason = f"rows have the same {', '.join(columns)}; leave one of them"
        case CheckError():
            reason = "rows break this check; change them"
        case ForeignKeyError():
            reason = f"rows refer by {', '.join(columns)} to rows that are not there; change or delete them"
        case _:
            return error
    return type(error)(
        f"{table.name}.{name}: {reason} first",
        table=table.name,
        column=columns[0] if len(columns) == 1 else error.column,
        constraint=name,
    )


def _columns(table: Table, name: str) -> tuple[str, ...]:
    """The columns that a constraint is declared on."""
    for part in (*table.unique_keys(), *table.foreign_keys):
        if part.name == name:
            return tuple(part.columns)
    return tuple(check.column for check in table.checks if check.name == name and check.column is not None)
