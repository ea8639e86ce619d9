"""One line a request: method, caller, duration, outcome. Never a value, and nothing that a stranger wrote."""

from __future__ import annotations

import logging
import secrets
from collections import Counter
from collections.abc import Sequence
from typing import Any

REQUESTS = logging.getLogger("rowstead.service.http.requests")
ERRORS = logging.getLogger("rowstead.service.http.errors")

UNKNOWN = "?"
"""In place of a name that strangers wrote and nobody knows."""
LONGEST_CALLER = 64


def request(what: str, caller: str, seconds: float, outcomes: Sequence[str]) -> None:
    """Tell of one request. `what`: a method, `batch(3)` or a path; `outcomes`: a code for each call."""
    if REQUESTS.isEnabledFor(logging.INFO):
        REQUESTS.info("%s caller=%s ms=%.1f outcome=%s", what, caller, seconds * 1000, _counted(outcomes))


def _counted(outcomes: Sequence[str]) -> str:
    if len(outcomes) == 1:
        return outcomes[0]
    return ",".join(f"{outcome}:{number}" for outcome, number in Counter(outcomes).items()) or "-"


def caller(user_id: Any) -> str:
    """A caller's id on a line: printable, without spaces, not long. `-` for nobody."""
    if user_id is None:
        return "-"
    text = str(user_id)[:LONGEST_CALLER]
    return "".join(c if c.isprintable() and not c.isspace() else "_" for c in text)


def incident(error: BaseException, method: str) -> str:
    """Keep an error that its caller is told nothing of; the id that both are told."""
    id = secrets.token_hex(8)
    ERRORS.error("%s failed, incident %s", method, id, exc_info=error)
    return id
