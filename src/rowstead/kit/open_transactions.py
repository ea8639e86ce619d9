"""Which transactions of a handle are open, and who began them: nobody may wait for himself.

Knows neither threads nor tasks; an owner is whatever the two worlds take for one.
"""

from __future__ import annotations

from threading import Lock
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from rowstead.errors import ConflictError, UsageError


class Open(Protocol):
    """What is asked of a transaction."""

    @property
    def wrote(self) -> bool: ...


class OpenTransactions:
    """A handle's open transactions, each with its owner, in the order in which they began."""

    def __init__(self) -> None:
        self._owners: WeakKeyDictionary[Any, object] = WeakKeyDictionary()
        # Threads share a handle, and such a dictionary must not change while it is walked through.
        self._changing = Lock()

    def add(self, transaction: Open, owner: object) -> None:
        with self._changing:
            self._owners[transaction] = owner

    def discard(self, transaction: Open) -> None:
        with self._changing:
            self._owners.pop(transaction, None)

    def of(self, owner: object) -> list[Any]:
        """This owner's, the latest last."""
        with self._changing:
            return [transaction for transaction, who in self._owners.items() if who == owner]

    def another_wrote(self, transaction: Open, owner: object) -> bool:
        """Whether this owner has another transaction open that has written."""
        return len(self._owners) > 1 and any(
            other is not transaction and other.wrote for other in self.of(owner)
        )

    def refuse_within(self, owner: object, what: str) -> None:
        """A UsageError where this owner has a transaction open that `what` would wait for."""
        if any(other.wrote for other in self.of(owner)):
            raise UsageError(
                f"a transaction that was begun here has written and is still open, and {what} would wait "
                "for it for ever: use that transaction, or end it first"
            )


def waiting_for_itself() -> ConflictError:
    """The error of whoever would wait for a transaction that he has open himself."""
    error = ConflictError(
        "another transaction that was begun here has written this and is still open, and this one would "
        "wait for it for ever: end it first, then begin again"
    )
    # The other one is still open when the same is done again.
    error.retryable = False
    return error
