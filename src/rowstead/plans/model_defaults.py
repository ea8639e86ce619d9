"""What SQLAlchemy would fill into a row of a mapped class by itself, for writes that are the core's own.

Beside its columns' defaults (`column_fillings`): the version that an update counts, the class's name in a
table that several classes share, and what a dataclass makes of a field that was not given.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, cast

import sqlalchemy as sa

from rowstead.language.bound import ModelTable
from rowstead.plans import column_fillings
from rowstead.plans.column_fillings import Filling, constant, made
from rowstead.sentinels import Inc


def on_insert(model: ModelTable, has_sequences: bool) -> dict[str, Filling]:
    """By column: what a new row gets where it says nothing.

    `has_sequences` says whether the database has any; without them SQLAlchemy passes over a column's.
    """
    fillings = {**_factories(model), **column_fillings.on_insert(_table(model), has_sequences)}
    mapper = model.mapper
    if mapper.polymorphic_on is not None and mapper.polymorphic_identity is not None:
        fillings[str(getattr(mapper.polymorphic_on, "name", ""))] = constant(mapper.polymorphic_identity)
    version = version_column(model)
    if version is not None and version not in fillings:
        fillings[version] = constant(_next_version(model, None))
    return fillings


def on_update(model: ModelTable) -> dict[str, Filling]:
    """By column: what a changed row gets where the change says nothing. An Inc counts its version."""
    fillings = column_fillings.on_update(_table(model))
    version = version_column(model)
    if version is not None:
        counts = _next_version(model, 41) == 42
        fillings[version] = made(Inc, Inc) if counts else made(lambda: _next_version(model, None))
    return fillings


def version_column(model: ModelTable) -> str | None:
    """The column that counts a row's versions by this program; None where there is none."""
    mapper = model.mapper
    if mapper.version_id_col is None or mapper.version_id_generator is False:
        return None
    return str(mapper.version_id_col.name)


def _next_version(model: ModelTable, version: Any) -> Any:
    return cast("Callable[[Any], Any]", model.mapper.version_id_generator)(version)


def _table(model: ModelTable) -> sa.Table[Any]:
    return cast("sa.Table[Any]", model.mapper.local_table)


def _factories(model: ModelTable) -> dict[str, Filling]:
    """What a dataclass would make of fields that its constructor is not given."""
    if not dataclasses.is_dataclass(model.model):
        return {}
    columns = {attribute: name for name, attribute in model.attributes.items()}
    found: dict[str, Filling] = {}
    for field in dataclasses.fields(model.model):
        factory = field.default_factory
        # SQLAlchemy's own factories say only that a field was not given.
        is_own = getattr(factory, "__module__", "").startswith("sqlalchemy.")
        if field.name in columns and factory is not dataclasses.MISSING and not is_own:
            found[columns[field.name]] = made(cast("Callable[[], Any]", factory))
    return found
