"""Guide 001's code, as printed there with only the names changed, and a reader's folder to run it in."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

MODELS = '''\
from rowstead.repository import Base, UUIDPKMixin, UpdateMixin
from sqlalchemy.orm import Mapped, mapped_column

class User(Base, UUIDPKMixin, UpdateMixin):
    """User model with UUID PK and timestamps."""
    
    __tablename__ = "users"
    
    name: Mapped[str] = mapped_column()
    email: Mapped[str] = mapped_column(unique=True)
    is_active: Mapped[bool] = mapped_column(default=True)
'''  # noqa: W293  (as printed)

REPOSITORY = """\
from rowstead.repository import BaseRepository
from sqlalchemy.ext.asyncio import AsyncSession

class UserRepository(BaseRepository[User]):
    def __init__(self, session: AsyncSession):
        super().__init__(session, User)
    
    async def get_active_users(self) -> list[User]:
        query = self.where(User.is_active == True).order_by(User.name)
        return await self.all(query=query)
"""  # noqa: W293

APPLICATION = """\
import asyncio
from rowstead.repository import PersistEngine
from rowstead.config import config

async def main():
    cfg = config("config.yaml")
    engine = PersistEngine(cfg.schema.database)
    db_engine, session_factory = engine.session()
    
    async with session_factory() as session:
        repo = UserRepository(session)
        
        # Create
        user = User(name="Alice", email="alice@example.com")
        await repo.save(user)
        await session.commit()
        
        # Query
        found = await repo.find_by(email="alice@example.com")
        active = await repo.get_active_users()
"""  # noqa: W293

SHOWN = """\
        print(found is user, active == [user], found.name, found.is_active, str(found.id))
    await engine.dispose_engines()

asyncio.run(main())
"""
"""What the guide leaves out: a look at what was found, the end of the engine, the start of the program."""

SWITCHED = ("ROWSTEAD_", "DATABASE_URL", "DB_")
"""Beginnings of variables that a reader's shell would not have."""


@dataclass
class Project:
    """A reader's folder."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    def write(self, files: Mapping[str, str]) -> None:
        """Write files, by their place in the folder."""
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)

    def rowstead(self, line: str) -> subprocess.CompletedProcess[str]:
        """One command line of the guide, behind the program's name, in a process of its own."""
        return self.python("-m", "rowstead", *line.split())

    def python(self, *words: str) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(SWITCHED)}
        return subprocess.run(
            [sys.executable, *words],
            cwd=self.folder,
            env=kept | self.variables,
            capture_output=True,
            text=True,
            check=False,
        )
