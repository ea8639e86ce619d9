# Generated from rowstead/rows/blocks.py by scripts/make_sync.py; do not edit.
"""A transaction block of a face: the core's block, giving the face's own handle."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Generic, TypeVar

from rowstead.sync.session import Session

H = TypeVar("H")


class TransactionBlock(AbstractContextManager[H], Generic[H]):
    """`with db.transaction() as tx:`; a block is used once."""

    def __init__(
        self, session: Session, handle: Callable[[Session], H], isolation: str | None, readonly: bool
    ) -> None:
        self._block = session.block(isolation, readonly)
        self._handle = handle

    def __enter__(self) -> H:
        return self._handle(self._block.__enter__())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._block.__exit__(kind, error, trace)
