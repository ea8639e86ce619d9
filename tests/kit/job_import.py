"""A process that imports a file and dies by SIGKILL when so many rows have been written.

python job_import.py URL TABLE FILE ROWS [BATCH]
"""

from __future__ import annotations

import os
import signal
import sys

from rowstead.kit import Database


def main(url: str, table: str, file: str, kill: int, batch: int | None) -> None:
    def die(rows: int, _part: float | None) -> None:
        if rows >= kill:
            os.kill(os.getpid(), signal.SIGKILL)

    with Database.open(url) as db:
        print(db.import_(table, file, batch=batch, progress=die).rows)


if __name__ == "__main__":
    main(*sys.argv[1:4], int(sys.argv[4]), int(sys.argv[5]) if len(sys.argv) > 5 else None)
