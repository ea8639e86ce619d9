"""The routes: what comes in goes to a repository, what it gives goes out."""

from __future__ import annotations

import json
from typing import Annotated, Any

from examples.fastapi_app.models import Project, Task
from examples.fastapi_app.schemas import ProjectIn, ProjectOut, TaskChange, TaskIn, TaskOut, TaskPage
from examples.fastapi_app.sessions import Projects, Tasks
from fastapi import APIRouter, Depends, Query

from rowstead import Page, ValidationError

router = APIRouter()


def filter_of_request(
    filter: Annotated[str, Query(description='JSON, such as {"state": "open"}')] = "{}",
) -> Any:
    """The filter as data. ValidationError for what is no JSON."""
    try:
        return json.loads(filter)
    except (ValueError, RecursionError) as error:
        raise ValidationError(
            f"filter is JSON in the condition language, and this is not: {error}"
        ) from error


Filter = Annotated[Any, Depends(filter_of_request)]


@router.post("/projects", status_code=201, response_model=ProjectOut)
async def create_project(new: ProjectIn, projects: Projects) -> Project:
    return await projects.save(Project(name=new.name))


@router.get("/projects/{key}", response_model=ProjectOut)
async def read_project(key: int, projects: Projects) -> Project:
    return await projects.of_id(key)


@router.post("/tasks", status_code=201, response_model=TaskOut)
async def create_task(new: TaskIn, tasks: Tasks) -> Task:
    return await tasks.save(Task(project_id=new.project_id, title=new.title, notes=new.notes))


@router.get("/tasks", response_model=TaskPage)
async def find_tasks(
    tasks: Tasks,
    where: Filter,
    order: str = "-updated_at,id",
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    offset: Annotated[int, Query(ge=0)] = 0,
    after: str | None = None,
) -> Page[Task]:
    return await tasks.asked_for(where, order, limit=limit, offset=offset, after=after)


@router.get("/tasks/{key}", response_model=TaskOut)
async def read_task(key: int, tasks: Tasks) -> Task:
    return await tasks.of_id(key)


@router.patch("/tasks/{key}", response_model=TaskOut)
async def change_task(key: int, change: TaskChange, tasks: Tasks) -> Task:
    return await tasks.change(key, change.version, change.title, change.state)


@router.delete("/tasks/{key}", status_code=204)
async def delete_task(key: int, tasks: Tasks) -> None:
    await tasks.delete(await tasks.of_id(key))
