"""Run the benchmarks: `python -m benchmarks [--quick] [--only NAME] [--json FILE] [--durable]`.

SQLite always; PostgreSQL at ROWSTEAD_TEST_POSTGRES, which `make bench` sets (scripts/with_postgres.py).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sqlite3
import sys
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks import kit, postgres, repository, service, sqlite
from benchmarks.harness import Benchmark, Progress, Result, measure, table

SERVER = "ROWSTEAD_TEST_POSTGRES"
PACKAGES = ("pydantic", "pydantic_core", "sqlalchemy", "asyncpg", "aiosqlite")


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds: whether it runs, not how fast")
    parser.add_argument(
        "--only", metavar="NAME", help="those with this in their name (`postgres: get by key`)"
    )
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the figures there, too")
    parser.add_argument(
        "--durable",
        action="store_true",
        help="let PostgreSQL wait for its disk at each commit",
    )
    return parser.parse_args(given)


def machine() -> dict[str, str]:
    """What the figures were taken on."""
    facts = {"date": datetime.now(UTC).date().isoformat(), "processors": str(os.cpu_count())}
    facts |= {"system": f"{platform.system()} {platform.machine()}", "Python": platform.python_version()}
    facts |= {"SQLite": sqlite3.sqlite_version}
    return facts | {name: version(name) for name in PACKAGES}


async def run(options: argparse.Namespace) -> int:
    progress = Progress()
    groups: dict[str, AbstractAsyncContextManager[list[Benchmark]]] = {
        "sqlite": sqlite.benchmarks(),
        "kit": kit.benchmarks(),
    }
    server = os.environ.get(SERVER)
    groups["repository"] = repository.benchmarks(server)
    groups["service"] = service.benchmarks(server)
    if server:
        groups["postgres"] = postgres.benchmarks(server, options.durable)
    print(", ".join(f"{name} {value}" for name, value in machine().items()))
    found: dict[str, list[Result]] = {}
    for group, context in groups.items():
        found[group] = []
        async with context as all_of_them:
            for benchmark in all_of_them:
                if options.only and options.only.lower() not in f"{group}: {benchmark.name}".lower():
                    continue
                found[group].append(await measure(benchmark, options.quick, progress))
        progress.clear()
        if found[group]:
            print("", *table(group, found[group]), sep="\n", flush=True)
    if not server:
        print(f"\nPostgreSQL was left out: {SERVER} is not set (make bench sets it).")
    if not any(found.values()):
        print(f"no benchmark has {options.only!r} in its name", file=sys.stderr)
        return 2
    if options.json is not None:
        report: dict[str, Any] = {"machine": machine(), "quick": options.quick}
        report |= {group: [r.as_json() for r in results] for group, results in found.items()}
        options.json.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(run(arguments())))
