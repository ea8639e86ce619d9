"""The example application behind FastAPI: its answers, its transactions, and why it commits where it does."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
from examples.fastapi_app.application import create_app
from examples.fastapi_app.models import Base, Project
from examples.fastapi_app.schemas import ProjectOut
from examples.fastapi_app.sessions import Projects, RequestSession, session_of_request
from fastapi import Depends, FastAPI
from sqlalchemy.ext.asyncio import AsyncSession

from conftest import Backend, backend_of
from rowstead import NotFound
from rowstead.config import config
from rowstead.repository import BaseRepository, PersistEngine
from with_postgres import free_port

ROOT = Path(__file__).parent.parent.parent

NOBODY = "no such project"
"""A name that the database refuses when it commits, see `REFUSED`."""

REFUSED = {
    True: f"""
        CREATE TABLE owners (id INTEGER PRIMARY KEY);
        CREATE TABLE owned (owner INTEGER REFERENCES owners (id) DEFERRABLE INITIALLY DEFERRED);
        CREATE FUNCTION own() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN INSERT INTO owned VALUES (1); RETURN NEW; END; $$;
        CREATE TRIGGER owning AFTER INSERT ON projects FOR EACH ROW
            WHEN (NEW.name = '{NOBODY}') EXECUTE FUNCTION own();
    """,
    False: f"""
        CREATE TABLE owners (id INTEGER PRIMARY KEY);
        CREATE TABLE owned (owner INTEGER REFERENCES owners (id) DEFERRABLE INITIALLY DEFERRED);
        CREATE TRIGGER owning AFTER INSERT ON projects WHEN NEW.name = '{NOBODY}'
            BEGIN INSERT INTO owned VALUES (1); END;
    """,
}
"""On PostgreSQL or not -> what makes a COMMIT fail: a foreign key that is looked at only then."""


@pytest.fixture(params=["sqlite", "asyncpg", "psycopg", "mariadb"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    """Each database of the repository, empty."""
    return backend_of(request, tmp_path)


@pytest.fixture
async def url(backend: Backend) -> str:
    """Where the application's tables are."""
    url = backend.url.replace("sqlite:", "sqlite+aiosqlite:")
    async with PersistEngine(url) as engine, engine.engine().begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    return url


@asynccontextmanager
async def served(application: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the running application. What it answers counts, not what it raises afterwards."""
    transport = httpx.ASGITransport(application, raise_app_exceptions=False)
    async with (
        application.router.lifespan_context(application),
        httpx.AsyncClient(transport=transport, base_url="http://test") as client,
    ):
        yield client


@pytest.fixture
async def client(url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with served(create_app(url)) as client:
        yield client


async def created(client: httpx.AsyncClient, path: str, **values: Any) -> dict[str, Any]:
    answer = await client.post(path, json=values)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def names(url: str) -> list[str]:
    """The projects that are really there."""
    async with PersistEngine(url) as engine, engine.repository(Project) as projects:
        return [one.name for one in await projects.find(order="name")]


async def test_what_was_created_can_be_read_by_the_next_request(client: httpx.AsyncClient) -> None:
    project = await created(client, "/projects", name="Bridge")
    assert (await client.get(f"/projects/{project['id']}")).json() == project
    task = await created(client, "/tasks", project_id=project["id"], title="Survey", notes="secret")
    assert task == {
        "id": task["id"],
        "project_id": project["id"],
        "title": "Survey",
        "state": "open",
        "version": 1,
        "updated_at": task["updated_at"],
    }
    assert (await client.get(f"/tasks/{task['id']}")).json() == task


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/projects", {"name": "Bridge"}, 409, "DUPLICATE"),
        ("GET", "/projects/99", None, 404, "NOT_FOUND"),
        ("GET", "/tasks/99", None, 404, "NOT_FOUND"),
        ("DELETE", "/tasks/99", None, 404, "NOT_FOUND"),
        ("POST", "/tasks", {"project_id": 99, "title": "x"}, 409, "FOREIGN_KEY"),
        ("GET", "/tasks?filter=nonsense", None, 422, "VALIDATION"),
        ("GET", "/tasks?filter=7", None, 422, "VALIDATION"),
        ("GET", '/tasks?filter={"titel":"x"}', None, 422, "UNDEFINED_COLUMN"),
        ("GET", '/tasks?filter={"notes":"x"}', None, 422, "UNDEFINED_COLUMN"),
        ("GET", '/tasks?filter={"title":{"~":"x"}}', None, 422, "VALIDATION"),
        ("GET", "/tasks?order=notes", None, 422, "UNDEFINED_COLUMN"),
        ("GET", "/tasks?after=nonsense", None, 422, "VALIDATION"),
    ],
)
async def test_a_typed_error_is_a_status_code(
    client: httpx.AsyncClient, method: str, path: str, body: Any, status: int, code: str
) -> None:
    await created(client, "/projects", name="Bridge")
    answer = await client.request(method, path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def test_what_does_not_fit_the_schema_never_reaches_the_database(client: httpx.AsyncClient) -> None:
    assert (await client.post("/projects", json={"name": ""})).status_code == 422
    assert (await client.get("/tasks?limit=1000")).status_code == 422


async def test_a_filter_an_order_and_pages(client: httpx.AsyncClient) -> None:
    project = await created(client, "/projects", name="Bridge")
    for number in range(5):
        await created(client, "/tasks", project_id=project["id"], title=f"Task {number}")
    where = json.dumps({"title": {"ne": "Task 1"}, "state": "open"})
    asked = {"filter": where, "order": "-title", "limit": 2}
    first = (await client.get("/tasks", params=asked)).json()
    assert [row["title"] for row in first["rows"]] == ["Task 4", "Task 3"]
    assert (first["count"], first["page"], first["pages"]) == (4, 1, 2)
    second = (await client.get("/tasks", params={**asked, "after": first["next"]})).json()
    assert [row["title"] for row in second["rows"]] == ["Task 2", "Task 0"]
    assert second["next"] is None
    assert (await client.get("/tasks", params={**asked, "offset": 2})).json()["rows"] == second["rows"]
    assert "notes" not in first["rows"][0]


async def test_a_deleted_task_is_not_found_any_more(client: httpx.AsyncClient) -> None:
    project = await created(client, "/projects", name="Bridge")
    task = await created(client, "/tasks", project_id=project["id"], title="Survey")
    assert (await client.delete(f"/tasks/{task['id']}")).status_code == 204
    assert (await client.get(f"/tasks/{task['id']}")).status_code == 404
    assert (await client.get("/tasks")).json()["rows"] == []


async def test_of_many_who_change_one_version_at_once_exactly_one_does(client: httpx.AsyncClient) -> None:
    project = await created(client, "/projects", name="Bridge")
    task = await created(client, "/tasks", project_id=project["id"], title="Survey")
    answers = await asyncio.gather(
        *(
            client.patch(f"/tasks/{task['id']}", json={"version": 1, "title": f"Survey {number}"})
            for number in range(10)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 9
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"CONFLICT"}
    (winner,) = [answer.json() for answer in answers if answer.status_code == 200]
    assert (await client.get(f"/tasks/{task['id']}")).json() == winner
    assert winner["version"] == 2


def with_meeting(application: FastAPI, meeting: asyncio.Barrier, sessions: list[AsyncSession]) -> None:
    """Add a route whose requests wait for each other before they write."""

    @application.post("/met/{name}", status_code=201)
    async def met(name: str, projects: Projects, session: RequestSession) -> dict[str, Any]:
        sessions.append(session)
        assert projects.session is session
        await meeting.wait()
        saved = await projects.save(Project(name=name))
        if name == "bad":
            raise NotFound("on purpose")
        return {"id": saved.id}


async def test_two_requests_at_once_have_a_session_each_and_one_that_fails_takes_no_other_along(
    url: str,
) -> None:
    application, sessions = create_app(url), list[AsyncSession]()
    with_meeting(application, asyncio.Barrier(2), sessions)
    async with served(application) as client:
        good, bad = await asyncio.gather(client.post("/met/good"), client.post("/met/bad"))
    assert (good.status_code, bad.status_code) == (201, 404)
    assert len({id(session) for session in sessions}) == 2
    assert await names(url) == ["good"]


WITH_DEFERRED_KEYS = pytest.mark.parametrize("backend", ["sqlite", "asyncpg", "psycopg"], indirect=True)
"""MariaDB looks at foreign keys at once."""


async def refuse_at_commit(url: str, backend: Backend) -> None:
    """Have the database refuse the project NOBODY when it commits, and not before."""
    async with PersistEngine(url) as engine, engine.engine().connect() as connection:
        raw: Any = (await connection.get_raw_connection()).driver_connection
        if backend.is_postgres:
            await raw.execute(REFUSED[True])
            await (raw.commit() if hasattr(raw, "commit") else asyncio.sleep(0))
        else:
            await raw.executescript(REFUSED[False])


@WITH_DEFERRED_KEYS
async def test_a_commit_that_fails_is_answered_as_the_error_that_it_is(url: str, backend: Backend) -> None:
    await refuse_at_commit(url, backend)
    async with served(create_app(url)) as client:
        answer = await client.post("/projects", json={"name": NOBODY})
        assert (answer.status_code, answer.json()["code"]) == (409, "FOREIGN_KEY")
        # Its connection is as good as new.
        await created(client, "/projects", name="Bridge")
    assert await names(url) == ["Bridge"]


LateSession = Annotated[AsyncSession, Depends(session_of_request, scope="request")]


@WITH_DEFERRED_KEYS
async def test_control_a_commit_behind_the_answer_tells_the_client_a_lie(url: str, backend: Backend) -> None:
    """Why the example's dependency has the scope of the function: with the usual one this happens."""
    await refuse_at_commit(url, backend)
    application = create_app(url)

    @application.post("/late", status_code=201, response_model=ProjectOut)
    async def create_late(session: LateSession) -> Project:
        return await BaseRepository(session, Project).save(Project(name=NOBODY))

    async with served(application) as client:
        assert (await client.post("/late")).status_code == 201
    assert await names(url) == []


async def test_the_application_reads_its_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text("database:\n  dsn: sqlite+aiosqlite:///${FILE}\n")
    monkeypatch.setenv("FILE", "settings.db")
    async with PersistEngine(config().schema.database) as engine, engine.engine().begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with served(create_app()) as client:
        await created(client, "/projects", name="Bridge")
    assert await names("sqlite+aiosqlite:///settings.db") == ["Bridge"]


async def test_a_database_that_cannot_be_reached_is_503_and_says_nothing_about_it(tmp_path: Path) -> None:
    url = "postgresql+asyncpg://someone:planted@127.0.0.1:1/nowhere"
    async with served(create_app(url)) as client:
        answer = await client.get("/tasks")
    assert answer.status_code == 503
    assert answer.json()["message"] == "the database cannot be used"
    assert "planted" not in answer.text
    assert "127.0.0.1" not in answer.text


def test_the_application_is_served(tmp_path: Path) -> None:
    """As its documentation says; the settings are the environment's."""
    port = free_port()
    environment = {**os.environ, "ROWSTEAD_DATABASE__DSN": f"sqlite+aiosqlite:///{tmp_path / 'served.db'}"}
    words = [sys.executable, "-m", "examples.fastapi_app", "--port", str(port)]
    with subprocess.Popen(
        words, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as child:
        try:
            lines = iter(child.stdout or ())
            assert any("Uvicorn running" in line for line in lines)
            with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
                assert client.post("/projects", json={"name": "Bridge"}).status_code == 201
                assert client.get("/docs").status_code == 200
        finally:
            child.terminate()
