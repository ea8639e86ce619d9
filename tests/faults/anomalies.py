"""The anomalies of the Hermitage list: how each is brought about, and where the databases document it.

https://github.com/ept/hermitage. The scripts are played by `stepping.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from .stepping import Story

LEVELS = (None, "read uncommitted", "read committed", "repeatable read", "serializable")
ANOMALIES = ("G0", "G1a", "G1b", "G1c", "OTV", "PMP", "P4", "G-single", "G2-item", "G2")


class Script(NamedTuple):
    """One way to bring an anomaly about."""

    anomaly: str
    steps: str
    occurred: Callable[[Story], bool]
    readers: str = ""
    """Which transactions only read."""


def is_monotonic(values: Sequence[int]) -> bool:
    return list(values) == sorted(values)


SCRIPTS = [
    # Dirty writes: of two transactions' writes to two rows, each row keeps another's.
    Script(
        "G0",
        """
        T1 set 1 11
        T2 set 1 12
        T2 set 2 22
        T1 set 2 21
        T1 commit
        T2 commit
        """,
        lambda story: story.final not in ({1: 11, 2: 21}, {1: 12, 2: 22}),
    ),
    # What was rolled back was read.
    Script(
        "G1a",
        """
        T1 set 1 101
        T2 all = before
        T1 abort
        T2 all = after
        T2 commit
        """,
        lambda story: 101 in (story["before"] or {}).values() or 101 in (story["after"] or {}).values(),
        readers="T2",
    ),
    # What was overwritten before its commit was read.
    Script(
        "G1b",
        """
        T1 set 1 101
        T2 all = before
        T1 set 1 11
        T1 commit
        T2 all = after
        T2 commit
        """,
        lambda story: 101 in (story["before"] or {}).values() or 101 in (story["after"] or {}).values(),
        readers="T2",
    ),
    # Each of two transactions saw what the other wrote.
    Script(
        "G1c",
        """
        T1 set 1 11
        T2 set 2 22
        T1 read 2 = first
        T2 read 1 = second
        T1 commit
        T2 commit
        """,
        lambda story: story["first"] == 22 and story["second"] == 11,
    ),
    # What was seen of a transaction is gone, though it committed and nothing came after it.
    Script(
        "OTV",
        """
        T1 set 1 11
        T1 set 2 19
        T2 set 1 12
        T1 commit
        T3 read 1 = a
        T3 read 2 = b
        T2 set 2 18
        T2 commit
        T3 read 2 = c
        T3 read 1 = d
        T3 commit
        """,
        lambda story: (
            not is_monotonic(
                [{10: 0, 20: 0, 11: 1, 19: 1, 12: 2, 18: 2}[story[name]] for name in "abcd" if story[name]]
            )
        ),
        readers="T3",
    ),
    # A row comes to fulfil a predicate between two reads of it.
    Script(
        "PMP",
        """
        T1 equal 30 = before
        T2 insert 3 30
        T2 commit
        T1 multiple 3 = after
        T1 commit
        """,
        lambda story: story["before"] == {} and story["after"] == {3: 30},
        readers="T1",
    ),
    # A write finds other rows than the read before it did.
    Script(
        "PMP",
        """
        T1 addall 10
        T2 equal 20 = before
        T2 delete 20 = deleted
        T1 commit
        T2 equal 20 = after
        T2 commit
        """,
        lambda story: story.committed["T2"] and story["after"] != {},
    ),
    # A lost update.
    Script(
        "P4",
        """
        T1 read 1 = first
        T2 read 1 = second
        T1 set 1 11
        T2 set 1 12
        T1 commit
        T2 commit
        """,
        lambda story: story.all_committed and story["first"] == story["second"] == 10,
    ),
    # Two rows read from two states.
    Script(
        "G-single",
        """
        T1 read 1 = one
        T2 read 1
        T2 read 2
        T2 set 1 12
        T2 set 2 18
        T2 commit
        T1 read 2 = two
        T1 commit
        """,
        lambda story: (story["one"], story["two"]) in ((10, 18), (12, 20)),
        readers="T1",
    ),
    # The same by predicates.
    Script(
        "G-single",
        """
        T1 multiple 5 = before
        T2 set 1 12
        T2 commit
        T1 multiple 3 = after
        T1 commit
        """,
        lambda story: story["before"] == {1: 10, 2: 20} and story["after"] == {1: 12},
        readers="T1",
    ),
    # The same of a read and a write.
    Script(
        "G-single",
        """
        T1 read 1 = one
        T2 all
        T2 set 1 12
        T2 set 2 18
        T2 commit
        T1 delete 20 = deleted
        T1 commit
        """,
        lambda story: story.committed["T1"] and story["one"] == 10 and story["deleted"] == 0,
    ),
    # Write skew: two read both rows, and each writes one.
    Script(
        "G2-item",
        """
        T1 all = first
        T2 all = second
        T1 set 1 11
        T2 set 2 21
        T1 commit
        T2 commit
        """,
        lambda story: story.all_committed and story["first"] == story["second"],
    ),
    # The same with rows that are not there yet.
    Script(
        "G2",
        """
        T1 multiple 3 = first
        T2 multiple 3 = second
        T1 insert 3 30
        T2 insert 4 42
        T1 commit
        T2 commit
        """,
        lambda story: story.all_committed and story["first"] == story["second"] == {},
    ),
    # A reader sees a state that no order of the two writers has (Fekete and others, 2004).
    Script(
        "G2",
        """
        T1 all = first
        T2 set 2 25
        T2 commit
        T3 all = between
        T3 commit
        T1 set 1 0
        T1 commit
        """,
        lambda story: (
            story.all_committed
            and story["first"] == {1: 10, 2: 20}
            and story["between"] == {1: 10, 2: 25}
            and story.final == {1: 0, 2: 25}
        ),
        readers="T3",
    ),
]

# https://www.postgresql.org/docs/current/transaction-iso.html: read uncommitted is read committed
# there, and repeatable read is snapshot isolation; https://github.com/ept/hermitage#summary-of-test-results
AT_READ_COMMITTED = frozenset({"PMP", "P4", "G-single", "G2-item", "G2"})
AT_REPEATABLE_READ = frozenset({"G2-item", "G2"})
NONE: frozenset[str] = frozenset()

DOCUMENTED: Mapping[str, Mapping[str | None, frozenset[str]]] = {
    "PostgreSQL": {
        None: AT_READ_COMMITTED,
        "read uncommitted": AT_READ_COMMITTED,
        "read committed": AT_READ_COMMITTED,
        "repeatable read": AT_REPEATABLE_READ,
        "serializable": NONE,
    },
    # https://www.sqlite.org/isolation.html: serializable, by letting one write at a time.
    "SQLite": dict.fromkeys(LEVELS, NONE),
}
