"""Writes of many rows of a mapped class, as the core's statements: by dicts or by objects of the class.

Names in a dict are the class's attributes, or its columns. What SQLAlchemy would fill in is filled in
(`model_defaults`). Nothing that a caller gave is changed. Written as calls and plans.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import sqlalchemy as sa
from sqlalchemy.orm import RelationshipDirection

from rowstead.errors import ValidationError, did_you_mean
from rowstead.language.bound import BoundSlots, ModelTable
from rowstead.language.criteria import Criteria
from rowstead.language.shapes import IF_NEW, VALUE, has_subquery, is_everything
from rowstead.plan import Call, Plan, Record
from rowstead.plans import bulk
from rowstead.plans.bulk import Group
from rowstead.plans.column_fillings import Filling, Known
from rowstead.plans.model_defaults import on_insert, on_update
from rowstead.plans.model_reads import Filter
from rowstead.sentinels import Inc, Now
from rowstead.statements.compiled import Compiler
from rowstead.statements.for_models import ModelStatements, Selected
from rowstead.statements.inserts import Target
from rowstead.values.columnar import Columnar

Given = tuple[tuple[str, Any], ...]

ON_CONFLICT: Mapping[str, str | None] = {"fail": None, "nothing": "ignore", "update": "upsert"}
"""How a caller says what becomes of rows that are there, and the action of the `Target`."""


# Inserts


def insert_values(
    compiler: Compiler,
    model: ModelTable,
    values: Iterable[Any],
    on_conflict: str,
    elements: Iterable[str] | str | None,
    returning: bool,
    has_sequences: bool,
) -> Plan[Any]:
    """Insert dicts or objects; the count, or the stored rows as dicts by column, in the order given.

    `elements` are the columns of the unique key that "update" (and, where given, "nothing") is about;
    without them "update" goes by the primary key, which each row must then give. Of rows with one key the
    last wins. ValidationError for an unknown key and for an upsert that has nothing to set.
    """
    if returning:
        _check_told_apart(model)
    target = _target(model, on_conflict, elements)
    if isinstance(values, (str, Mapping)) or not isinstance(values, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValidationError(
            f"bulk_insert takes several rows, as in [row, ...], not one {type(cast('Any', values)).__name__}",
            table=model.table.name,
        )
    upserts = target is not None and target.action == "upsert"
    rows = [_row(model, value, upserts) for value in values]
    groups = _groups(model, rows, target, has_sequences)
    return (yield from bulk.insert_many(compiler, model.stored, groups, target, returning))


def _check_told_apart(model: ModelTable) -> None:
    """ValidationError where only the database knows of which class a row is."""
    kind = cast("Any", model.mapper.polymorphic_on)
    classes = list(model.mapper.self_and_descendants)
    if kind is not None and not isinstance(kind, sa.Column) and len(classes) > 1:
        raise ValidationError(
            f"the class of a row of {model.table.name} is told by an SQL expression; use returning=False and "
            "read the objects",
            table=model.table.name,
        )


def _target(model: ModelTable, on_conflict: str, elements: Iterable[str] | str | None) -> Target | None:
    if on_conflict not in ON_CONFLICT:
        hint = did_you_mean(str(on_conflict), ON_CONFLICT)
        raise ValidationError(f"on_conflict is fail, nothing or update, not {on_conflict!r}; {hint}")
    action = ON_CONFLICT[on_conflict]
    named = (elements,) if isinstance(elements, str) else tuple(elements or ())
    key = tuple(model.column(name).name for name in named) or None
    if action is None:
        if key is not None:
            raise ValidationError(
                'on_conflict_index_elements say which key "nothing" and "update" are about; with "fail" '
                "leave them out"
            )
        return None
    return Target(action, key or (model.stored.key if action == "upsert" else None))


def _row(model: ModelTable, value: Any, upserts: bool) -> Mapping[str, Any]:
    """A row as a mapping by attribute: of an object what is set and not None, as SQLAlchemy takes it.

    An upsert takes a None too that nothing else fills.
    """
    if isinstance(value, Mapping):
        return cast("Mapping[str, Any]", value)
    if not isinstance(value, model.model):
        raise ValidationError(
            f"bulk_insert takes dicts or {model.model.__name__} objects, not {type(value).__name__}",
            table=model.table.name,
        )
    if sa.inspect(value).mapper is not model.mapper:
        own = type(value).__name__
        raise ValidationError(
            f"bulk_insert of {model.model.__name__} would drop the columns that only {own} has; insert it by "
            f"a repository of {own}, or by `save`",
            table=model.table.name,
        )
    loaded: Mapping[str, Any] = sa.inspect(value).dict
    given = {key: loaded[key] for key in model.attributes.values() if loaded.get(key) is not None}
    _check_relationships(model, value, given)
    emptied = _emptied(model) if upserts else ()
    return {**given, **{key: None for key in emptied if key in loaded and key not in given}}


def _emptied(model: ModelTable) -> list[str]:
    """The attributes that an upsert sets to NULL where an object has None: nothing else fills them."""
    columns = cast("sa.Table[Any]", model.mapper.local_table).columns
    return [
        model.attributes[column.name]
        for column in columns
        if column.name in model.attributes
        and column.nullable
        and not column.primary_key
        and column.default is None
        and column.server_default is None
    ]


def _check_relationships(model: ModelTable, value: Any, given: Mapping[str, Any]) -> None:
    """ValidationError for an object of which a relationship was set that no column in `given` says."""
    state = sa.inspect(value)
    for relation in model.mapper.relationships:
        key = relation.key
        if relation.viewonly or key not in state.committed_state or not state.dict.get(key):
            continue
        own = [model.attributes.get(column.name) for column in relation.local_columns]
        if relation.direction is RelationshipDirection.MANYTOONE and given.keys() >= set(own):
            continue
        raise ValidationError(
            f"bulk_insert writes columns, and {type(value).__name__}.{key} is a relationship: give the "
            "columns of its key, or `save` the object",
            table=model.table.name,
        )


class _Alike(NamedTuple):
    """Rows that give the same keys, and their places in the input."""

    rows: list[Mapping[str, Any]]
    places: list[int]


def _groups(
    model: ModelTable, rows: Sequence[Mapping[str, Any]], target: Target | None, has_sequences: bool
) -> list[Group]:
    alike: dict[tuple[str, ...], _Alike] = {}
    in_key = [name for name, column in model.named.columns.items() if column.name in model.stored.key]
    for place, row in enumerate(rows):
        keys = tuple(row)
        if any(row.get(name, in_key) is None for name in in_key):
            # A key that is None asks for the database's, or for its default.
            keys = tuple(name for name in keys if not (name in in_key and row[name] is None))
        group = alike.setdefault(keys, _Alike([], []))
        group.rows.append(row)
        group.places.append(place)
    inserted, updated = on_insert(model, has_sequences), on_update(model)
    return [_group(model, keys, group, target, inserted, updated) for keys, group in alike.items()]


def _group(
    model: ModelTable,
    keys: tuple[str, ...],
    alike: _Alike,
    target: Target | None,
    inserted: Mapping[str, Filling],
    updated: Mapping[str, Filling],
) -> Group:
    """The rows of one set of keys as the bulk plans take them, column by column."""
    named = _named(model, keys)
    upsert = target is not None and target.action == "upsert"
    if upsert:
        assert target is not None
        _check_upsert(model, target, named)
    given: list[tuple[str, Any]] = []
    columns: list[list[Any]] = []
    increments: list[Any] = []
    known: dict[str, list[Any]] = {}
    for name in model.stored.all:
        change = updated.get(name) if upsert else None
        # What only an update sets by itself an upsert sets in either case.
        key, filling = named.get(name), inserted.get(name) or change
        if key is not None:
            given.append((name, VALUE))
            known[name] = _plain_values(model, name, [row[key] for row in alike.rows])
            columns.append(known[name])
        elif filling is not None:
            form = _form(filling, change, upsert)
            given.append((name, form))
            if form is Inc:
                increments.append(1)
            if form is Inc:
                columns.append([1] * len(alike.rows))
            elif form is not Now:
                known[name] = [filling.value(Known(row, known, n)) for n, row in enumerate(alike.rows)]
                columns.append(known[name])
    columns += [[by] * len(alike.rows) for by in increments]
    return Group(tuple(given), Columnar(columns, len(alike.rows)), alike.places)


def _form(filling: Filling, change: Filling | None, upsert: bool) -> Any:
    """The form of a column that a row says nothing of: what of it an upsert sets on a row that is there."""
    if change is not None:
        return Inc if change.form is Inc else filling.form
    return IF_NEW if upsert and filling.form == VALUE else filling.form


def _named(model: ModelTable, keys: Sequence[str]) -> dict[str, str]:
    """By column: the key that gives it. UndefinedColumnError for one that the class does not have."""
    named: dict[str, str] = {}
    for key in keys:
        name = model.column(key).name
        if name in named:
            raise ValidationError(
                f"{key!r} and {named[name]!r} are the same column of {model.table.name}",
                table=model.table.name,
                column=name,
            )
        named[name] = key
    return named


def _plain_values(model: ModelTable, name: str, values: list[Any]) -> list[Any]:
    if any(isinstance(value, (Inc, Now)) or value is Now for value in values):
        raise ValidationError(
            "bulk_insert takes values; Inc and Now are for update_where", table=model.table.name, column=name
        )
    return values


def _check_upsert(model: ModelTable, target: Target, named: Mapping[str, str]) -> None:
    key = target.key or ()
    missing = [name for name in key if name not in named]
    if missing:
        raise ValidationError(
            f"an upsert by {list(key)} needs every one of them in each row; {missing} is not; name the "
            "columns of another unique key as on_conflict_index_elements",
            table=model.table.name,
        )
    if all(name in key or name in model.stored.key for name in named):
        raise ValidationError(
            f'an upsert by {list(key)} needs a column to update; use on_conflict="nothing"',
            table=model.table.name,
        )


# Changes


class Change(NamedTuple):
    """What a patch sets: the columns with their forms, and a value for each VALUE and Inc."""

    given: Given
    values: list[Any]


def change_of(model: ModelTable, patch: Mapping[str, Any]) -> Change:
    """A patch by attributes (values, `Inc`, `Now`) with what each update sets beside it.

    ValidationError for an empty patch and for one that would change a key.
    """
    named = _named(model, tuple(patch))
    in_key = [key for name, key in named.items() if name in model.table.key]
    if in_key:
        raise ValidationError(
            f"update_where does not change keys, and {in_key} belong to that of {model.table.name}; insert "
            "the rows anew, or change one object and save it",
            table=model.table.name,
            column=in_key[0],
        )
    if not named:
        raise ValidationError(f"there is nothing to update: no fields of {model.table.name} are given")
    row = {name: patch[key] for name, key in named.items()}
    for name, filling in on_update(model).items():
        if name not in row:
            row[name] = filling.value(row)
    ordered = [(name, row[name]) for name in model.table.all if name in row]
    given = tuple((name, _form_of(value)) for name, value in ordered)
    values = [v.by if isinstance(v, Inc) else v for _, v in ordered if _form_of(v) is not Now]
    return Change(given, values)


def _form_of(value: Any) -> Any:
    if value is Now or isinstance(value, Now):
        return Now
    return Inc if isinstance(value, Inc) else VALUE


def update_where(compiler: Compiler, statements: ModelStatements, change: Change, where: Filter) -> Call[int]:
    """Change the rows that fulfil `where`; how many there were."""
    table = statements.model.stored
    if where.by_expression:
        return Selected(_update(statements, change, where), None, table.name)
    counted = compiler.dialect.update_sees_itself and has_subquery(where.shape)
    key = ("update", table, change.given, where.shape, table.all[:1] if counted else ())
    return compiler.get(key).call([*change.values, *where.values], len if counted else None)


def update_returning(
    compiler: Compiler, statements: ModelStatements, change: Change, where: Filter
) -> Call[list[Any]]:
    """As `update_where`, and gives the keys of the rows. For a database whose UPDATE returns rows."""
    table, key = statements.model.stored, statements.model.table.key
    if where.by_expression:
        columns = _columns(statements)
        returned = [columns[name] for name in key]
        return Selected(_update(statements, change, where).returning(*returned), _tuples, table.name)
    compiled = compiler.get(("update", table, change.given, where.shape, key))

    def read(records: Sequence[Record]) -> list[Any]:
        return [tuple(row[name] for name in key) for row in compiled.read_all(records)]

    return compiled.call([*change.values, *where.values], read)


def lock_keys(statements: ModelStatements, where: Filter) -> Call[list[Any]]:
    """The keys of the rows that fulfil `where`, which nobody else changes until the transaction's end."""
    model = statements.model
    columns = _columns(statements)
    keys = [columns[name] for name in model.table.key]
    statement = sa.select(*keys).where(_condition(statements, where)).with_for_update()
    return Selected(statement, _tuples, model.table.name)


def _tuples(records: Sequence[Record]) -> list[Any]:
    return [tuple(record) for record in records]


def delete_where(compiler: Compiler, statements: ModelStatements, where: Filter) -> Call[int]:
    """Remove the rows that fulfil `where`; how many there were."""
    table = statements.model.stored
    if where.by_expression:
        statement = sa.delete(_sqlalchemys(statements)).where(_condition(statements, where))
        return Selected(statement, None, table.name)
    return compiler.get(("delete", table, where.shape, ())).call(where.values, None)


def refuse_everything(model: ModelTable, where: Filter, verb: str) -> None:
    """Raise a ValidationError for a filter that every row fulfils: it was rarely meant."""
    if is_everything(where.own):
        raise ValidationError(
            f'{verb} needs a filter; for every row of {model.table.name} say so: {{"{model.table.key[0]}": '
            '{"is_not_null": True}}',
            table=model.table.name,
        )


# The same for a condition of SQLAlchemy's, which no kept statement can hold


def _update(statements: ModelStatements, change: Change, where: Filter) -> Any:
    slots = BoundSlots(statements.dialect, statements.codec, change.values)
    table = _sqlalchemys(statements)
    columns = _columns(statements)
    sets: dict[Any, Any] = {}
    for name, form in change.given:
        column, plain = statements.model.stored.columns[name], columns[name]
        sets[plain] = slots.added(column, plain) if form is Inc else slots.given(column, form)
    return sa.update(table).values(sets).where(_condition(statements, where))


def _sqlalchemys(statements: ModelStatements) -> sa.Table[Any]:
    return cast("sa.Table[Any]", statements.model.mapper.local_table)


def _columns(statements: ModelStatements) -> dict[str, Any]:
    return {column.name: column for column in _sqlalchemys(statements).columns}


def _condition(statements: ModelStatements, where: Filter) -> Any:
    slots = BoundSlots(statements.dialect, statements.codec, where.values)
    return Criteria(slots, statements.model.table).condition(where.shape)
