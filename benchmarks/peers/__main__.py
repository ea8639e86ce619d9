"""Rowstead beside its peers: `python -m benchmarks.peers [--quick] [--peers NAME ...] [--only ROW]`.

SQLite always; PostgreSQL at ROWSTEAD_TEST_POSTGRES, which `make bench-peers` sets. A database whose rows
were all measured is written at once to benchmarks/results/peers.* and to its part of docs/performance.md;
a part or a quick run only prints, unless told to write. `--only sqlite:` measures one database alone.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

from benchmarks.__main__ import SERVER, machine
from benchmarks.harness import Progress, SidesDiffer
from benchmarks.peers import databases, report
from benchmarks.peers.chart import chart
from benchmarks.peers.compare import compare, open_sides, rows
from benchmarks.peers.environments import NoEnvironment
from benchmarks.peers.processes import ROOT, WorkerFailed
from benchmarks.peers.sides import DATABASES, sides
from benchmarks.workers.work import Size, Work

RESULTS = ROOT / "benchmarks" / "results"
DOCUMENT = ROOT / "docs" / "performance.md"
SIZES = {"postgresql": Size(), "sqlite": Size(streamed=20_000)}
QUICK = Size(people=20_000, bulk=2_000, streamed=5_000)
SETTINGS = """
All sides use the same tables in the same database, each from a process of its own, in turn. What a side
gave or stored is compared in every round.

- PostgreSQL: pools of ten connections; Peewee and Django keep one connection per thread, as their users
  do. The server does not wait for its disk at COMMIT (`synchronous_commit` off), for all alike.
- SQLite: one file in /dev/shm; WAL, `synchronous=FULL` and foreign keys on, set as each library lets its
  users set them. Piccolo sets nothing: it opens a connection for each statement, with SQLite's own defaults
  (FULL, too; the file is in WAL already; no foreign keys). SQLAlchemy keeps the pool that it chooses itself.
  The bare side is synchronous: an asynchronous side's way to another thread and back is in its ratio.
- Rows are objects of each library's own model class, but SQLAlchemy Core's, which are tuples with names.
  Objects and dicts of a bulk write exist before its time is taken; those of one write are made within it.
- Streams fetch 500 rows at once where the library lets one say so.
- A side is compared with ours of its own form: asynchronous with `rowstead`, others with `rowstead sync`.
"""


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="few rounds of few rows: whether it runs, not how fast"
    )
    parser.add_argument(
        "--peers", nargs="*", metavar="NAME", help="peers with this in their name; none: only us"
    )
    parser.add_argument("--only", metavar="ROW", help="rows with this in their name (`sqlite: get by key`)")
    parser.add_argument(
        "--durable", action="store_true", help="let PostgreSQL wait for its disk at each commit"
    )
    parser.add_argument(
        "--write", action="store_true", help="write the results of a part or a quick run, too"
    )
    parser.add_argument(
        "--report", action="store_true", help="measure nothing: write all from results/peers.json"
    )
    return parser.parse_args(given)


def figures(options: argparse.Namespace, database: databases.Database, size: Size) -> dict[str, Any] | None:
    """Measure one database: where and on what, what each side says of itself, each row's figures."""
    wanted = chosen(options, database, size)
    if not wanted:
        return None
    progress = Progress()
    group: dict[str, Any] = {"machine": machine(), "quick": options.quick, "durable": options.durable}
    group |= {"version": database.version(), "rows": []}
    with ExitStack() as stack:
        processes = open_sides(stack, database, sides(database.name, options.peers), size)
        group["sides"] = {process.name: process.introduction for process in processes}
        for work in wanted:
            result = compare(work, database, processes, options.quick, progress)
            group["rows"].append({"verb": work.verb} | dict(result.as_json()))
    progress.clear()
    group["load"] = os.getloadavg()[1]
    return group


def chosen(options: argparse.Namespace, database: databases.Database, size: Size) -> list[Work]:
    """The rows with what `--only` says in their name."""
    word = (options.only or "").lower()
    return [work for work in rows(database, size) if word in f"{database.name}: {work.name}".lower()]


def contexts(
    options: argparse.Namespace, sizes: Mapping[str, Size]
) -> dict[str, AbstractContextManager[databases.Database]]:
    found: dict[str, AbstractContextManager[databases.Database]] = {}
    if server := os.environ.get(SERVER):
        found["postgresql"] = databases.postgresql(server, sizes["postgresql"], options.durable)
    else:
        print(f"PostgreSQL is left out: {SERVER} is not set (make bench-peers sets it).", file=sys.stderr)
    return found | {"sqlite": databases.sqlite(sizes["sqlite"])}


def write(groups: Mapping[str, Any], folder: Path, document: Path) -> None:
    """The figures, the page, the charts, the document's part; a database not among `groups` keeps its own."""
    kept = folder / "peers.json"
    before = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    data = {name: (before | groups)[name] for name in DATABASES if name in before | groups}
    kept.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "peers.md").write_text(report.page(data, SETTINGS), encoding="utf-8")
    for name, group in data.items():
        title = f"Rowstead and its peers on {report.TITLES[name]}"
        (folder / f"peers-{name}.svg").write_text(chart(title, group), encoding="utf-8")
    report.put_into(document, data)


def main(options: argparse.Namespace) -> int:
    if options.report:
        write({}, RESULTS, DOCUMENT)
        return 0
    sizes = dict.fromkeys(SIZES, QUICK) if options.quick else SIZES
    whole = not (options.quick or options.durable or options.only) and options.peers is None
    found = False
    for name, context in contexts(options, sizes).items():
        try:
            with context as database:
                group = figures(options, database, sizes[name])
        except (SidesDiffer, WorkerFailed, NoEnvironment) as error:
            print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr)
            return 1
        if group is None:
            continue
        found = True
        print("", name, "", *report.table(group), "", *report.not_first(name, group), sep="\n", flush=True)
        if options.write or whole:
            write({name: group}, RESULTS, DOCUMENT)
    if not found:
        print(f"no row has {options.only!r} in its name", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(arguments()))
