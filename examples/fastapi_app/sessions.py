"""One session for each request, one transaction in it, committed before the answer is sent.

`scope="function"` is what the order hangs on: FastAPI then ends the dependency when the route's function has
returned and its answer is made, and sends the answer only afterwards. With the usual scope the answer is on
its way before the commit: a client reads "201 Created" of a row that the database then refuses.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from examples.fastapi_app.repositories import ProjectRepository, TaskRepository
from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from rowstead.repository import transactional


async def session_of_request(request: Request) -> AsyncIterator[AsyncSession]:
    """The request's session: committed when its function returns, rolled back when it raises."""
    async with request.app.state.sessions() as session, transactional(session):
        yield session


RequestSession = Annotated[AsyncSession, Depends(session_of_request, scope="function")]


def projects(session: RequestSession) -> ProjectRepository:
    return ProjectRepository(session)


def tasks(session: RequestSession) -> TaskRepository:
    return TaskRepository(session)


# FastAPI makes one session for a request, however many repositories ask for it.
Projects = Annotated[ProjectRepository, Depends(projects, scope="function")]
Tasks = Annotated[TaskRepository, Depends(tasks, scope="function")]
