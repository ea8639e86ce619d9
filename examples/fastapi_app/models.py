"""The tables."""

from __future__ import annotations

import enum

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from rowstead.repository import Base, IntPKMixin, SoftDeleteMixin, UpdateMixin, VersionMixin


class State(enum.Enum):
    """How far a task is."""

    OPEN = "open"
    UNDER_WAY = "under way"
    DONE = "done"


class Project(Base, IntPKMixin, UpdateMixin):
    """What tasks belong to."""

    __tablename__ = "projects"

    name: Mapped[str] = mapped_column(String(80), unique=True)


class Task(Base, IntPKMixin, UpdateMixin, SoftDeleteMixin, VersionMixin):
    """Something to do. A deleted task is marked as deleted and stays."""

    __tablename__ = "tasks"

    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"), index=True)
    title: Mapped[str] = mapped_column(String(200))
    state: Mapped[State] = mapped_column(default=State.OPEN)
    notes: Mapped[str | None] = mapped_column(default=None)
    """For those who work on it: never shown, filtered or sorted by."""
