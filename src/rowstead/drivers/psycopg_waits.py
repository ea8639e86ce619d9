"""How long psycopg waits: its conversations are generators, and a generator can be given a limit.

Knows no connection and no statement: both worlds use this file.
"""

from __future__ import annotations

from time import monotonic
from typing import TypeVar

from psycopg.abc import PQGen

R = TypeVar("R")


class Silence(Exception):
    """No TimeoutError, which is an OSError: psycopg takes those for a closed connection."""


def limited(conversation: PQGen[R], seconds: float) -> PQGen[R]:
    """The same conversation, which raises Silence when nothing came for so many seconds.

    Whoever waits for it looks in at intervals, with nothing; a bulk write that goes on is not cut off.
    """
    try:
        wanted = next(conversation)
        until = monotonic() + seconds
        while True:
            ready = yield wanted
            if ready:
                until = monotonic() + seconds
            elif monotonic() >= until:
                raise Silence
            wanted = conversation.send(ready)
    except StopIteration as end:
        return end.value
