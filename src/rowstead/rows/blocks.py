"""A transaction block of a face: the core's block, giving the face's own handle."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Generic, TypeVar

from rowstead.session import Session

H = TypeVar("H")


class TransactionBlock(AbstractAsyncContextManager[H], Generic[H]):
    """`async with db.transaction() as tx:`; a block is used once."""

    def __init__(
        self, session: Session, handle: Callable[[Session], H], isolation: str | None, readonly: bool
    ) -> None:
        self._block = session.block(isolation, readonly)
        self._handle = handle

    async def __aenter__(self) -> H:
        return self._handle(await self._block.__aenter__())

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._block.__aexit__(kind, error, trace)
