"""The application: its settings, its engine, and what is closed at its end."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from examples.fastapi_app.errors import add_handlers
from examples.fastapi_app.routes import router
from fastapi import FastAPI

from rowstead.config import DatabaseConfigSchema, config
from rowstead.repository import PersistEngine


def create_app(database: DatabaseConfigSchema | str | None = None) -> FastAPI:
    """The application on this database; without one, on that of the settings.

    The settings are config.yaml in the working folder and ROWSTEAD_DATABASE__... in the environment; without
    either, a SQLite file. The tables are made by `rowstead db init` or a migration, not here.
    """

    @asynccontextmanager
    async def lifespan(application: FastAPI) -> AsyncGenerator[None]:
        async with PersistEngine(database or config().schema.database) as engine:
            _, application.state.sessions = engine.session()
            yield

    application = FastAPI(title="Projects and their tasks", lifespan=lifespan)
    application.include_router(router)
    add_handlers(application)
    return application
