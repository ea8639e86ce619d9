"""Serve the application on port 8000, its tables made where they are not there yet."""

from __future__ import annotations

import asyncio

import uvicorn
from examples.fastapi_app.application import create_app
from examples.fastapi_app.models import Base

from rowstead.config import config
from rowstead.repository import PersistEngine


async def create_tables() -> None:
    async with PersistEngine(config().schema.database) as engine, engine.engine().begin() as connection:
        await connection.run_sync(Base.metadata.create_all)


if __name__ == "__main__":
    asyncio.run(create_tables())
    uvicorn.run(create_app(), host="127.0.0.1", port=8000)
