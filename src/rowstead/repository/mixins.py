"""Columns that many models share: keys, timestamps, soft deletion, a version.

    class User(Base, UUIDPKMixin, UpdateMixin): ...

Their arguments of the constructor, where they have any, are named ones, so that a model's own columns may
come in any order.
"""

from __future__ import annotations

import datetime
import uuid
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, MappedAsDataclass, declared_attr, mapped_column

from rowstead.errors import ValidationError
from rowstead.tables.column_defaults import current_moment, random_uuid


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _as_created(context: Any) -> datetime.datetime:
    """A new row's first moment, so that one that was never updated can be told."""
    return context.get_current_parameters().get("created_at") or _now()


class UUIDPKMixin(MappedAsDataclass, repr=False, eq=False):
    """A random UUID as the key, known before the row is written."""

    id: Mapped[uuid.UUID] = mapped_column(
        primary_key=True, sort_order=-1, kw_only=True, insert_default=uuid.uuid4, default_factory=uuid.uuid4
    )


class PGUUIDPKMixin(MappedAsDataclass, repr=False, eq=False):
    """A random UUID as the key, made by the database when the row is written."""

    id: Mapped[uuid.UUID] = mapped_column(
        primary_key=True, sort_order=-1, init=False, server_default=random_uuid()
    )


class IntPKMixin(MappedAsDataclass, repr=False, eq=False):
    """A number as the key, counted by the database when the row is written."""

    id: Mapped[int] = mapped_column(primary_key=True, sort_order=-1, init=False, autoincrement=True)


class UpdateMixin(MappedAsDataclass, repr=False, eq=False):
    """When the row was written first and last, in UTC; `updated_at` moves with every update."""

    # Computed here, so that two updates in one transaction are two moments, which SQL's now() is not.
    created_at: Mapped[datetime.datetime] = mapped_column(
        init=False, insert_default=_now, server_default=current_moment()
    )
    updated_at: Mapped[datetime.datetime] = mapped_column(
        init=False, insert_default=_as_created, onupdate=_now, server_default=current_moment()
    )


TimestampMixin = UpdateMixin


class SoftDeleteMixin(MappedAsDataclass, repr=False, eq=False):
    """Rows that are marked as deleted and stay; repositories leave them out unless asked for them."""

    deleted_at: Mapped[datetime.datetime | None] = mapped_column(init=False, default=None)

    def soft_delete(self) -> None:
        """Mark the row as deleted now."""
        self.deleted_at = _now()

    def restore(self) -> None:
        """Take the mark away."""
        self.deleted_at = None

    def is_deleted(self) -> bool:
        return self.deleted_at is not None

    def is_active(self) -> bool:
        return self.deleted_at is None


class VersionMixin(MappedAsDataclass, repr=False, eq=False):
    """A version that each update counts up, by which a stale write is noticed: it is a ConflictError."""

    version: Mapped[int] = mapped_column(init=False, server_default=sa.text("1"))

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, Any]:
        return {"version_id_col": cls.version}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        mapper: Any = sa.inspect(cls, raiseerr=False)
        if mapper is not None and not isinstance(mapper.version_id_col, sa.Column):
            raise ValidationError(
                f"{cls.__name__} sets __mapper_args__ and so loses VersionMixin's; add "
                '"version_id_col": VersionMixin.version to them, the column itself and not its name'
            )
