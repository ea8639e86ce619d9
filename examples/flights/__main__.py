"""The demo from beginning to end: `make demo`."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from rowstead import DB, RowsteadError

from .dataset import MissingData
from .load import load
from .questions import PLOTS, STEPS
from .terminal import Terminal

MIGRATIONS = Path(__file__).parent / "migrations"
KEPT = Path("demo-data") / "flights.sqlite"


async def demo(url: str, where: str) -> None:
    """Run every step on this database and show it."""
    began = perf_counter()
    terminal = Terminal()
    async with await DB.from_url(url, trace=terminal.hear) as db:
        status = await db.migration_status(MIGRATIONS)
        applied = await db.migrate(MIGRATIONS)
        terminal.title(f"Migrations, into {where}")
        terminal.statements_in_short()
        terminal.line(f"{applied} applied ({', '.join(status.pending) or 'all were there'})")

        terminal.title("Loading: typed rows, in one transaction")
        if not await load(db, terminal):
            terminal.line("the flights are there already")
        terminal.statements_in_short()

        for step in STEPS:
            lines = await step(db)
            terminal.title(step.__doc__ or step.__name__)
            terminal.statements()
            for line in lines:
                terminal.line(line)
        for plot in PLOTS:
            values = await plot(db)
            terminal.title(plot.__doc__ or plot.__name__)
            terminal.statements()
            terminal.bars(values)
    terminal.title(f"Done in {perf_counter() - began:.0f} s.")


def main(arguments: list[str] | None = None) -> int:
    """The command; gives its exit code: 0, 1 when something failed, 2 for a wrong call, 130 for Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.flights", description="Rowstead's main job on a year of flights."
    )
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--keep", action="store_true", help=f"keep the database, in {KEPT}")
    place.add_argument("--url", help="use this database, for example postgresql+asyncpg://user@host/name")
    options = parser.parse_args(arguments)
    try:
        with TemporaryDirectory(prefix="rowstead-demo-") as folder:
            asyncio.run(demo(*_place(options.url, options.keep, Path(folder))))
    except KeyboardInterrupt:
        print("\nstopped; what was not committed is rolled back", file=sys.stderr)
        return 128 + signal.SIGINT
    except (RowsteadError, MissingData, ImportError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _place(url: str | None, keep: bool, temporary: Path) -> tuple[str, str]:
    """The database's URL, and how to name it without a password."""
    if url is not None:
        scheme, _, rest = url.partition("://")
        return url, f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"
    file = KEPT if keep else temporary / KEPT.name
    file.parent.mkdir(exist_ok=True)
    kept = "kept" if keep else "removed afterwards; --keep keeps it"
    return f"sqlite:///{file}", f"{file} ({kept})"


if __name__ == "__main__":
    sys.exit(main())
