"""The tables of SQLAlchemy's `MetaData` that are not there yet, and what makes them.

SQLAlchemy says what `create_all` would run (types, sequences, tables, indexes, comments, DDL events), in
its order; it runs on connections of ours. A table that is there is left as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine.mock import MockConnection
from sqlalchemy.schema import CreateIndex, CreateSequence, CreateTable

from rowstead import raw
from rowstead.errors import RowsteadError, UsageError
from rowstead.plan import Call, Plan
from rowstead.setup.facts import facts_of
from rowstead.setup.functions import UserFunction
from rowstead.setup.needs import done
from rowstead.statements.written import Target, written


@dataclass(frozen=True, slots=True)
class Made:
    """What was made, by names as SQLAlchemy tells them: `schema.table` where a schema was named."""

    tables: tuple[str, ...] = ()
    there_already: tuple[str, ...] = ()


def tables_and_functions(
    tables: Iterable[sa.Table[Any]], functions: Iterable[type[UserFunction]], target: Target
) -> Plan[Made]:
    """A plan that makes the functions anew, and of the tables those that are not there.

    Whole or not at all where the database can undo DDL. Raises UsageError for a foreign key to a table that
    is not among them, and the database's refusals as ever.
    """
    wanted = tuple(tables)
    texts = [raw.prepare(f"CREATE OR REPLACE {each.sql()}", target.paramstyle).text for each in functions]
    found = yield from _present(wanted, target)
    if len(found) == len(wanted) and not texts:
        # Nothing to write, and so nobody to wait for: most starts are such.
        return Made((), tuple(sorted(found)))
    return (yield from facts_of(target.dialect).in_turn(lambda: _all(wanted, texts, target)))


def _all(wanted: Sequence[sa.Table[Any]], functions: Sequence[str], target: Target) -> Plan[Made]:
    facts = facts_of(target.dialect)
    if functions:
        # A function may name a table that is only made next.
        for text in (*facts.before_functions, *functions):
            yield done(text)
    found = yield from _present(wanted, target)
    missing = [table for table in wanted if table.fullname not in found]
    spelling = _spelling(target)
    if facts.virtual_columns is not None and any(map(_computes, missing)):
        # A dialect that has met no server believes in the newest one.
        spelling.supports_virtual_generated_columns = yield facts.virtual_columns
    for element, parameters in _elements(wanted, missing, spelling):
        there = _there(element, target)
        if there is not None and (yield there):
            continue
        if isinstance(element, (CreateTable, CreateIndex)):
            element.if_not_exists = not facts.undoes_ddl
        if isinstance(element, sa.schema.ExecutableDDLElement):
            yield from _made(element, _text(element, spelling))
        else:
            yield from written(element, parameters, target)
    return Made(tuple(table.fullname for table in missing), tuple(sorted(found)))


def _made(element: Any, text: str) -> Plan[None]:
    made = getattr(element, "element", None)
    name = getattr(made, "fullname", None) or getattr(made, "name", None)
    try:
        yield Call(text, writes=True, table=getattr(getattr(made, "table", made), "name", None))
    except RowsteadError as error:
        if name is not None:
            error.args = (f"{name} was not made: {error}",)
        raise


def _text(element: sa.schema.ExecutableDDLElement, spelling: Any) -> str:
    try:
        return str(element.compile(dialect=spelling)).strip()
    except exc.CompileError as error:
        raise UsageError(f"the tables cannot be made: {error}") from error


def _computes(table: sa.Table[Any]) -> bool:
    """Whether a column of the table is computed, and perhaps only when it is read."""
    return any(one.computed is not None and not one.computed.persisted for one in table.columns)


def _spelling(target: Target) -> Any:
    spelling: Any = target.dialect.sqlalchemy(target.paramstyle)
    # On a new table nobody writes who would have to wait, and in a transaction it cannot be.
    spelling._supports_create_index_concurrently = False
    return spelling


def _quoted(name: str, schema: str | None, target: Target) -> str:
    preparer = _spelling(target).identifier_preparer
    parts = (name,) if schema is None else (schema, name)
    return ".".join(map(preparer.quote_identifier, parts))


def _present(wanted: Sequence[sa.Table[Any]], target: Target) -> Plan[set[str]]:
    facts, found = facts_of(target.dialect), set[str]()
    for table in wanted:
        if (yield facts.table_there(table.name, table.schema, _quoted(table.name, table.schema, target))):
            found.add(table.fullname)
    return found


def _there(element: Any, target: Target) -> Call[Any] | None:
    """The question whether a type or a sequence of this name is there, which tables may share."""
    facts = facts_of(target.dialect)
    made = getattr(element, "element", None)
    name, schema = getattr(made, "name", None), getattr(made, "schema", None)
    if isinstance(element, CreateSequence):
        return facts.sequence_there(_quoted(str(name), schema, target))
    if element.__visit_name__ in ("create_enum_type", "create_domain_type"):
        return facts.type_there(_quoted(str(name), schema, target))
    return None


def _elements(
    wanted: Sequence[sa.Table[Any]], missing: Sequence[sa.Table[Any]], spelling: Any
) -> list[tuple[Any, Any]]:
    """What `create_all` would run for the missing tables, with parameters where it is no DDL."""
    elements: list[tuple[Any, Any]] = []

    def keep(element: Any, parameters: Any = None) -> None:
        elements.append((element, parameters))

    metadata, copies = _together(wanted)
    try:
        metadata.create_all(
            MockConnection(spelling, keep),
            tables=[copies[table.key] for table in missing],
            checkfirst=False,
        )
    except (exc.NoReferenceError, exc.CircularDependencyError) as error:
        raise UsageError(
            f"the tables cannot be made: {error}; a table that another refers to is given to add_table too"
        ) from error
    return elements


def _together(wanted: Sequence[sa.Table[Any]]) -> tuple[sa.MetaData, Mapping[str, sa.Table[Any]]]:
    """All tables in one MetaData, where foreign keys find each other: their own, or one of copies."""
    owners = {id(table.metadata): table.metadata for table in wanted}
    if len(owners) == 1:
        return wanted[0].metadata, {table.key: table for table in wanted}
    together = sa.MetaData()
    for metadata in owners.values():
        _listen_too(together, metadata)
    copies = {table.key: table.to_metadata(together) for table in wanted}
    for table in wanted:
        copy = copies[table.key]
        _listen_too(copy, table)
        _name_alike(copy, table)
    return together, copies


def _listen_too(copy: Any, original: Any) -> None:
    """Have a copy's events told to whoever listens to the original's, such as `sa.DDL`."""
    copy.dispatch._update(original.dispatch, only_propagate=False)


def _name_alike(copy: sa.Table[Any], original: sa.Table[Any]) -> None:
    """What a column or its type brings is made anew in a copy, where no naming convention holds."""
    names: dict[Any, Any] = {_kind(each): each.name for each in (*original.constraints, *original.indexes)}
    for each in (*copy.constraints, *copy.indexes):
        each.name = names.get(_kind(each), each.name)


def _kind(named: sa.Constraint | sa.Index) -> tuple[Any, ...]:
    """What tells one constraint or index of a table from the others but its name."""
    columns = tuple(column.name for column in getattr(named, "columns", ()))
    text = str(named.sqltext) if isinstance(named, sa.CheckConstraint) else ""
    own = (
        () if getattr(named, "_column_flag", False) or getattr(named, "_type_bound", False) else (named.name,)
    )
    return type(named).__name__, columns, text, *own
