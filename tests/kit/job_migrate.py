"""A process that migrates a kit database, and dies by SIGKILL at a statement if it is told to.

    python job_migrate.py URL MIGRATIONS SCHEMA [STATEMENT [broken]]

`broken` is the control: each statement is a transaction of its own.
"""

from __future__ import annotations

import json
import os
import signal
import sys

from rowstead.kit import Database
from rowstead.migrations import applying
from rowstead.plan import Pinned


def main(url: str, migrations: str, schema: str, kill: int) -> None:
    seen = 0

    def count(_trace: object) -> None:
        nonlocal seen
        seen += 1
        if seen == kill:
            os.kill(os.getpid(), signal.SIGKILL)

    with Database.open(url, trace=count) as db:
        db.set_schema(json.loads(schema))
        db.migrate(migrations)
    print(seen)


if __name__ == "__main__":
    if sys.argv[5:] == ["broken"]:
        applying.Atomic = Pinned
    main(*sys.argv[1:4], int(sys.argv[4]) if len(sys.argv) > 4 else 0)
