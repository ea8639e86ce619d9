"""Values that the database computes: `Inc` and `Now`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Inc:
    """Add `by` to what the column holds.

    In an update: `n = n + by`. In an upsert: a new row gets `start + by`, an existing one is
    incremented, in one statement. A NULL stays NULL.
    """

    by: Any = 1
    start: Any = 0


@dataclass(frozen=True, slots=True)
class Now:
    """The database's current time: CURRENT_TIMESTAMP, the start of the transaction on PostgreSQL."""
