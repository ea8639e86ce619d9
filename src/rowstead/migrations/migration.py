"""What a migration is, and what a look at all of them tells.

Plain values. They must not know where they were loaded from, nor any database.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol, TypeAlias

from rowstead.errors import RowsteadError
from rowstead.migrations.split import Statement
from rowstead.plan import Plan


class Work(Protocol):
    """A migration that is no list of statements: what it does depends on what it finds.

    It is one transaction, like a migration of statements.
    """

    @property
    def rebuilds(self) -> bool:
        """Whether tables may be made anew in it."""
        ...

    def plan(self) -> Plan[None]:
        """Do it, inside the transaction."""
        ...

    def failed(self, error: RowsteadError, before: str) -> RowsteadError:
        """The error to raise for one that stopped it; `before` says what was applied before it."""
        ...


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of a schema's history: how to go there, how to come back, and proof of its text."""

    id: str
    """What the ledger knows it by."""
    up: tuple[Statement, ...]
    down: tuple[Statement, ...] | None
    """None: there is no way back."""
    checksum: str
    transactional: bool
    work: Work | None = None
    """What is done in place of `up`."""
    file: str | None = None
    """Its name, where that is not its id."""

    @property
    def name(self) -> str:
        """What people know it by."""
        return self.file or self.id

    def reversed(self) -> Migration:
        """The migration whose way forth is this one's way back. Raises ValueError where there is none."""
        if self.down is None:
            raise ValueError(f"{self.name} has no way back")
        return replace(self, up=self.down, down=self.up)


@dataclass(frozen=True, slots=True)
class MigrationStatus:
    """Where the files and the database stand; each list is in the order of the files' names.

    `drifted` files were changed after they were applied; `missing` ones were applied and are no
    longer there. An interrupted migration is `pending`.
    """

    pending: list[str]
    applied: list[str]
    drifted: list[str]
    missing: list[str]

    @property
    def is_consistent(self) -> bool:
        """Whether nothing has drifted and nothing is missing."""
        return not self.drifted and not self.missing


@dataclass(frozen=True, slots=True)
class MigrationEvent:
    """What a run reports while it works: `index` counts from 1 to `total`, the migrations that are due."""

    kind: Literal["started", "applied", "undone"]
    id: str
    index: int
    total: int


OnEvent: TypeAlias = Callable[[MigrationEvent], None]


def digest(text: str) -> str:
    """The checksum of a migration's text."""
    return hashlib.sha256(text.encode()).hexdigest()


def digest_of(statements: Sequence[Statement]) -> str:
    """The checksum of statements alone, whatever stands between them."""
    return digest("\0".join(statement.shown for statement in statements))
