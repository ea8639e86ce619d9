"""What the application does with its tables. Nothing here commits: the request does."""

from __future__ import annotations

import dataclasses
from typing import Any

from examples.fastapi_app.models import Project, State, Task
from sqlalchemy.ext.asyncio import AsyncSession

from rowstead import STRANGER, ConflictError, NotFound, Page
from rowstead.repository import BaseRepository

ANYBODY = dataclasses.replace(
    STRANGER, columns=frozenset({"id", "project_id", "title", "state", "created_at", "updated_at"})
)
"""What a filter and an order from outside may name, and how much they may ask for."""


class ProjectRepository(BaseRepository[Project]):
    """Projects."""

    def __init__(self, session: AsyncSession) -> None:
        super().__init__(session, Project)

    async def of_id(self, key: int) -> Project:
        """The project, or NotFound."""
        found = await self.get(key)
        if found is None:
            raise NotFound(f"there is no project {key}", table=Project.__tablename__, pk=key)
        return found


class TaskRepository(BaseRepository[Task]):
    """Tasks, without those that are marked as deleted."""

    def __init__(self, session: AsyncSession) -> None:
        super().__init__(session, Task)

    async def of_id(self, key: int) -> Task:
        """The task, or NotFound."""
        found = await self.get(key)
        if found is None:
            raise NotFound(f"there is no task {key}", table=Task.__tablename__, pk=key)
        return found

    async def asked_for(
        self, where: Any, order: str, *, limit: int, offset: int, after: str | None
    ) -> Page[Task]:
        """A page by a filter and an order that come from outside: of the visible columns only."""
        return await self.page(where, order=order, limit=limit, offset=offset, after=after, access=ANYBODY)

    async def change(self, key: int, seen: int, title: str | None, state: State | None) -> Task:
        """Change a task that nobody changed since it was `seen`; else a ConflictError. Or NotFound."""
        task = await self.of_id(key)
        if task.version != seen:
            raise ConflictError(
                f"the task was changed meanwhile: its version is {task.version}, not {seen}; read it again",
                table=Task.__tablename__,
                pk=key,
            )
        if title is not None:
            task.title = title
        if state is not None:
            task.state = state
        return await self.save(task)
