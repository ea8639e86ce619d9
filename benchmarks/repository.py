"""Repositories beside SQLAlchemy alone: the same models, engine and work, one session for each call.

On a SQLite file by aiosqlite and, where a server is given, on PostgreSQL by asyncpg. What writes is rolled
back, on all sides, so that every round finds the same tables. `python -m benchmarks.repository` runs these
alone, in an environment that has Advanced Alchemy too, which is then a third side.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import Mapped, mapped_column

from benchmarks.harness import BARE, OURS, Benchmark, Side
from benchmarks.peers.environments import python_for
from benchmarks.sqlite import MEMORY
from rowstead.repository import Base, BaseRepository, IntPKMixin, PersistEngine, UpdateMixin

ROWS = 10_000
BULK = 10_000

Sessions = async_sessionmaker[AsyncSession]
Work = Callable[[AsyncSession, int], Awaitable[Any]]


class Benched(Base):
    """With tables of its own."""

    __abstract__ = True
    metadata = sa.MetaData()


class Person(Benched, IntPKMixin, UpdateMixin):
    __tablename__ = "bench_repository"

    name: Mapped[str]
    email: Mapped[str] = mapped_column(sa.String(80), unique=True)
    age: Mapped[int]
    score: Mapped[float]
    active: Mapped[bool]


def fields(number: int) -> dict[str, Any]:
    """A person's attributes, but for what is filled in."""
    return {
        "name": f"person {number}",
        "email": f"p{number}@example.com",
        "age": number % 90,
        "score": number / 7,
        "active": number % 3 > 0,
    }


@asynccontextmanager
async def benchmarks(server: str | None) -> AsyncIterator[list[Benchmark]]:
    """The benchmarks, on a file of their own and in a table of their own, removed at the end."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="rowstead-bench-", dir=MEMORY))
        file = f"sqlite+aiosqlite:///{Path(folder) / 'bench.db'}"
        found = _on("sqlite", await stack.enter_async_context(_filled(file)))
        if server is not None:
            url = server.replace("postgresql:", "postgresql+asyncpg:")
            found += _on("postgresql", await stack.enter_async_context(_filled(url)))
        yield found


@asynccontextmanager
async def _filled(url: str) -> AsyncIterator[Sessions]:
    async with PersistEngine(url) as engines:
        engine, sessions = engines.session()
        async with engine.begin() as connection:
            await connection.run_sync(Benched.metadata.drop_all)
            await connection.run_sync(Benched.metadata.create_all)
        async with sessions() as session:
            await BaseRepository(session, Person).bulk_insert(
                [fields(number) for number in range(ROWS)], returning=False, commit=True
            )
        try:
            yield sessions
        finally:
            async with engine.begin() as connection:
                await connection.run_sync(Benched.metadata.drop_all)


def _on(database: str, sessions: Sessions) -> list[Benchmark]:
    """The pairs on one database: the same work by SQLAlchemy alone and by a repository."""

    def side(name: str, work: Work) -> Side:
        async def run(number: int) -> Any:
            async with sessions() as session:
                return await work(session, number)

        return Side(name, run, seen=_seen)

    theirs = advanced_alchemy()
    found: list[Benchmark] = []
    for name, bare, ours, calls in PAIRS:
        sides = [side(BARE, bare), side(OURS, ours)]
        if name in theirs:
            sides.append(side("Advanced Alchemy", theirs[name]))
        found.append(Benchmark(f"{name}, {database}", sides, calls, wanted=1.1))
    return found


def _seen(result: Any) -> Any:
    """A person's own fields, or a number."""
    return {name: getattr(result, name) for name in fields(0)} if isinstance(result, Person) else result


def _new(number: int) -> Person:
    return Person(**fields(ROWS + number))


async def _get_bare(session: AsyncSession, number: int) -> Any:
    return await session.get(Person, number % ROWS + 1)


async def _get(session: AsyncSession, number: int) -> Any:
    return await BaseRepository(session, Person).get(number % ROWS + 1)


async def _find_bare(session: AsyncSession, number: int) -> Any:
    email = fields(number % ROWS)["email"]
    return await session.scalar(sa.select(Person).where(Person.email == email).limit(1))


async def _find(session: AsyncSession, number: int) -> Any:
    return await BaseRepository(session, Person).find_by(email=fields(number % ROWS)["email"])


async def _save_bare(session: AsyncSession, number: int) -> Any:
    person = _new(number)
    session.add(person)
    await session.flush()
    await session.rollback()
    return person.name


async def _save(session: AsyncSession, number: int) -> Any:
    person = await BaseRepository(session, Person).save(_new(number))
    await session.rollback()
    return person.name


def _many() -> list[dict[str, Any]]:
    return [fields(ROWS + number) for number in range(BULK)]


async def _bulk_bare(session: AsyncSession, _number: int) -> int:
    await session.execute(sa.insert(Person), _many())
    await session.rollback()
    return BULK


async def _bulk(session: AsyncSession, _number: int) -> int:
    count = await BaseRepository(session, Person).bulk_insert(_many(), returning=False)
    await session.rollback()
    return count


async def _bulk_back_bare(session: AsyncSession, _number: int) -> list[str]:
    found = list(await session.scalars(sa.insert(Person).returning(Person), _many()))
    names = [one.name for one in found]
    await session.rollback()
    return sorted(names)


async def _bulk_back(session: AsyncSession, _number: int) -> list[str]:
    found = await BaseRepository(session, Person).bulk_insert(_many())
    names = [one.name for one in found]
    await session.rollback()
    return sorted(names)


PAIRS: list[tuple[str, Work, Work, int]] = [
    ("repository: get", _get_bare, _get, 200),
    ("repository: find_by", _find_bare, _find, 200),
    ("repository: save", _save_bare, _save, 100),
    ("repository: bulk_insert of 10,000", _bulk_bare, _bulk, 1),
    ("repository: bulk_insert of 10,000, objects back", _bulk_back_bare, _bulk_back, 1),
]


def advanced_alchemy() -> dict[str, Work]:
    """The same work by Advanced Alchemy's repository, by name; nothing where it is not installed."""
    try:
        from advanced_alchemy.repository import SQLAlchemyAsyncRepository
    except ModuleNotFoundError:
        return {}

    class People(SQLAlchemyAsyncRepository[Person]):  # type: ignore[type-var]
        model_type = Person

    async def get(session: AsyncSession, number: int) -> Any:
        return await People(session=session).get(number % ROWS + 1)

    async def find(session: AsyncSession, number: int) -> Any:
        return await People(session=session).get_one_or_none(email=fields(number % ROWS)["email"])

    async def save(session: AsyncSession, number: int) -> Any:
        person = await People(session=session).add(_new(number))
        await session.rollback()
        return person.name

    async def bulk(session: AsyncSession, _number: int) -> int:
        # It takes objects only.
        found = await People(session=session).add_many([Person(**one) for one in _many()])
        await session.rollback()
        return len(found)

    async def bulk_back(session: AsyncSession, _number: int) -> list[str]:
        found = await People(session=session).add_many([Person(**one) for one in _many()])
        names = [one.name for one in found]
        await session.rollback()
        return sorted(names)

    return dict(zip((name for name, *_ in PAIRS), (get, find, save, bulk, bulk_back), strict=True))


def main() -> int:
    """Run the benchmarks of this file where Advanced Alchemy is; the arguments are those of `benchmarks`."""
    root = Path(__file__).parent.parent
    python = python_for(("advanced-alchemy", f"{root}[sqlite,pg]"), "advanced_alchemy")
    command = [python, "-m", "benchmarks", "--only", "repository: repository", *sys.argv[1:]]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(root), str(root / "src")))}
    return subprocess.run(command, cwd=root, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
