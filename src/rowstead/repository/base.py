"""`Base`, of which an application's models are subclasses.

Models are dataclasses that SQLAlchemy maps. A column whose type is only annotated stores its values as a
typed row's field does (`tables.column_types`); a SQLAlchemy type that a model names stays what it is.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import DeclarativeBase, MappedAsDataclass, TypeResolve

from rowstead.repository.persist import PersistModel
from rowstead.tables.column_types import Stored, stored_type

NAMING = {
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    "ix": "%(table_name)s_%(column_0_N_name)s_idx",
}
"""The names that PostgreSQL gives, on every database: what has a name can be found and dropped."""


# No generated `__eq__` and `__repr__`: comparing fields would load expired ones and make models unhashable;
# a session has one object for each row, so that identity is what is meant.
class Base(PersistModel, MappedAsDataclass, DeclarativeBase, repr=False, eq=False):
    """The base class of models: `class User(Base, UUIDPKMixin)` with a `__tablename__` and mapped columns."""

    __abstract__ = True
    metadata = sa.MetaData(naming_convention=NAMING)


@event.listens_for(Base, "resolve_type_annotation")
def _stored(resolving: TypeResolve) -> Stored | None:
    """The column type of an annotation, unless a `type_annotation_map` says another."""
    named: tuple[Any, ...] = (resolving.raw_type, resolving.raw_pep_593_type, resolving.resolved_type)
    known = resolving.registry.type_annotation_map
    if any(annotation is not None and annotation in known for annotation in named):
        return None
    return stored_type(resolving.resolved_type, resolving.key)
