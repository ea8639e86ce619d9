"""Models of the tests of what writes leave in a session."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.mutable import MutableDict
from sqlalchemy.orm import Mapped, mapped_column, relationship

from rowstead.repository import Base, IntPKMixin, VersionMixin


class Written(Base):
    __abstract__ = True
    metadata = sa.MetaData(naming_convention=Base.metadata.naming_convention)


class Node(Written, IntPKMixin):
    """Whose objects are removed, and leave their session, with their parent's."""

    __tablename__ = "nodes"

    name: Mapped[str]
    parent_id: Mapped[int | None] = mapped_column(sa.ForeignKey("nodes.id", ondelete="CASCADE"), default=None)
    parent: Mapped[Node | None] = relationship(
        back_populates="children", default=None, remote_side=lambda: [Node.id]
    )
    children: Mapped[list[Node]] = relationship(
        back_populates="parent", cascade="all, delete-orphan", default_factory=list, lazy="selectin"
    )


class Link(Written, IntPKMixin):
    """That the database lets go of what is removed."""

    __tablename__ = "links"

    name: Mapped[str]
    before: Mapped[int | None] = mapped_column(sa.ForeignKey("links.id", ondelete="SET NULL"), default=None)


class Errand(Written, IntPKMixin, VersionMixin):
    __tablename__ = "errands"

    name: Mapped[str] = mapped_column(unique=True)
    n: Mapped[int] = mapped_column(default=0)
    data: Mapped[dict[str, Any]] = mapped_column(MutableDict.as_mutable(sa.JSON()), default_factory=dict)
    notes: Mapped[str] = mapped_column(deferred=True, default="")
    extra: Mapped[Any] = mapped_column(sa.JSON(), nullable=True, init=False)
    node_id: Mapped[int | None] = mapped_column(sa.ForeignKey("nodes.id"), default=None)
    node: Mapped[Node | None] = relationship(default=None, lazy="joined")
    total: Mapped[int | None] = mapped_column(sa.Computed("n + 1", persisted=True), init=False)


MODELS = (Node, Link, Errand)
