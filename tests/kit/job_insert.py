"""A process that inserts a row by the schema of its first transaction, and another when it is told to go on.

python job_insert.py URL
"""

from __future__ import annotations

import sys

from rowstead.kit import Database

with Database.open(sys.argv[1]) as db:
    with db.begin() as txn:
        print(sorted(txn.insert("users", {"id": 1, "email": "a@x"})), flush=True)
    sys.stdin.readline()
    with db.begin() as txn:
        print(txn.insert("users", {"id": 2, "email": "b@x"})["grade"], flush=True)
