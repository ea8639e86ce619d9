"""What comes in and what goes out. `notes` is in none of what goes out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from examples.fastapi_app.models import State
from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(min_length=1, max_length=80)]
Title = Annotated[str, Field(min_length=1, max_length=200)]


class ProjectIn(BaseModel):
    """A new project."""

    name: Name


class ProjectOut(BaseModel):
    """A project as everybody may see it."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    created_at: datetime


class TaskIn(BaseModel):
    """A new task."""

    project_id: int
    title: Title
    notes: str | None = None


class TaskChange(BaseModel):
    """A change of a task, by somebody who has seen this version of it."""

    version: int
    title: Title | None = None
    state: State | None = None


class TaskOut(BaseModel):
    """A task as everybody may see it."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    project_id: int
    title: str
    state: State
    version: int
    updated_at: datetime


class TaskPage(BaseModel):
    """Some tasks of many; `next` asks for those behind them."""

    model_config = ConfigDict(from_attributes=True)

    rows: list[TaskOut]
    count: int | None
    page: int
    pages: int | None
    next: str | None
