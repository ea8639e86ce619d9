"""The places of a pool, and who holds them. Plain book-keeping, the same in both worlds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

C = TypeVar("C")

NAMED_HOLDERS = 8
"""How many of those who hold connections a time-out names."""


class Slot(Generic[C]):
    """One place in the pool: a connection with its dates, or the right to make one."""

    __slots__ = ("checked", "connection", "expires", "idle_since", "owner", "since")

    def __init__(self) -> None:
        self.connection: C | None = None
        self.expires = 0.0
        self.idle_since = 0.0
        self.checked = 0
        self.owner: object = None
        self.since = 0.0


def named(holders: Sequence[tuple[str, float]]) -> str:
    """Who holds connections and for how many seconds, for a message."""
    held = [f"{name} for {seconds:.1f} s" for name, seconds in holders]
    held[NAMED_HOLDERS:] = [f"{len(held) - NAMED_HOLDERS} more"] if len(held) > NAMED_HOLDERS else []
    return ", ".join(held) or "nobody: they are being made or mended"
