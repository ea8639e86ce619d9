"""Serve the application on 127.0.0.1, its tables made where they are not there yet."""

from __future__ import annotations

import argparse
import asyncio

import uvicorn
from examples.fastapi_app.application import create_app
from examples.fastapi_app.models import Base

from rowstead.config import config
from rowstead.repository import PersistEngine


async def create_tables() -> None:
    async with PersistEngine(config().schema.database) as engine, engine.engine().begin() as connection:
        await connection.run_sync(Base.metadata.create_all)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m examples.fastapi_app", description=__doc__)
    parser.add_argument("--port", type=int, default=8000)
    port = parser.parse_args().port
    asyncio.run(create_tables())
    uvicorn.run(create_app(), host="127.0.0.1", port=port)


if __name__ == "__main__":
    main()
