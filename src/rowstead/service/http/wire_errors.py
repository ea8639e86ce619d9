"""What an error is on the wire: the one place where errors of Rowstead become errors of JSON-RPC.

It answers for numbers, statuses and words that strangers may read. What a database or a driver says of
itself, SQL, values and tracebacks are for the log, never for the wire.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

from rowstead.errors import RowsteadError, ValidationError


class Kind(NamedTuple):
    """What a code means on the wire."""

    number: int
    """`error.code` of JSON-RPC: its own negative numbers, else the HTTP status that means the same."""
    sentence: str
    """`error.message`, where the error has no words of its own for strangers."""
    status: int = 200
    """The HTTP status, where the request as a whole is refused."""


PARSE, INVALID_REQUEST, NO_METHOD, INVALID_PARAMS, INTERNAL = -32700, -32600, -32601, -32602, -32603

ERRORS: Mapping[str, Kind] = {
    # The request
    "PARSE": Kind(PARSE, "the body is not JSON", 400),
    "INVALID_REQUEST": Kind(INVALID_REQUEST, "this is no JSON-RPC 2.0 request", 400),
    "TOO_DEEP": Kind(INVALID_REQUEST, "the request is nested too deep", 400),
    "BATCH_TOO_LONG": Kind(INVALID_REQUEST, "the batch has too many calls", 400),
    "METHOD_NOT_FOUND": Kind(NO_METHOD, "there is no such method"),
    "INVALID_PARAMS": Kind(INVALID_PARAMS, "the parameters do not fit the method"),
    "UNAUTHENTICATED": Kind(
        401, "say who calls: no credentials that are accepted here came with the request", 401
    ),
    "FORBIDDEN": Kind(403, "this caller may not see this", 403),
    "HTTP": Kind(INVALID_REQUEST, "this is not how requests are made here", 400),
    "BODY_TIMEOUT": Kind(408, "the body did not arrive in time", 408),
    "BODY_TOO_LARGE": Kind(413, "the body is too large", 413),
    "CONTENT_TYPE": Kind(415, "send application/json in UTF-8, not compressed", 415),
    "RATE_LIMIT": Kind(429, "too many calls; wait, then go on slower", 429),
    "BUSY": Kind(503, "too many calls at once; try again", 503),
    "CALL_TIMEOUT": Kind(
        504,
        "the call took too long and was broken off. What it had written may be written: look before "
        "writing again",
    ),
    "RESPONSE_TOO_LARGE": Kind(413, "the answer is too large; ask for less. What was written is written"),
    # Input
    "VALIDATION": Kind(INVALID_PARAMS, "a value was not accepted"),
    "UNDEFINED_TABLE": Kind(INVALID_PARAMS, "a table is not there"),
    "UNDEFINED_COLUMN": Kind(INVALID_PARAMS, "a column is not there"),
    "DATA": Kind(INVALID_PARAMS, "a value does not fit its column"),
    # Constraints and rows
    "NOT_FOUND": Kind(404, "there is no such row"),
    "ROW_NOT_FOUND": Kind(404, "there is no such row; nothing was written"),
    "INTEGRITY": Kind(409, "a constraint refused the write"),
    "DUPLICATE": Kind(409, "a row with this key exists"),
    "FOREIGN_KEY": Kind(409, "the row refers to one that does not exist"),
    "RESTRICT": Kind(409, "other rows refer to this one"),
    "NOT_NULL": Kind(409, "a column that must have a value got none"),
    "CHECK": Kind(409, "the row breaks a check"),
    "CONFLICT": Kind(409, "another transaction was first; run it again"),
    # The database
    "TIMEOUT": Kind(504, "the database took too long"),
    "POOL_TIMEOUT": Kind(503, "no connection to the database became free in time"),
    "STATEMENT_TIMEOUT": Kind(504, "the database took too long"),
    "OPERATIONAL": Kind(503, "the database cannot be used now"),
    "UNREACHABLE": Kind(503, "the database cannot be reached"),
    "DISCONNECTED": Kind(503, "the connection to the database broke; nothing was written"),
    "STORAGE": Kind(503, "the database cannot be used now"),
    "READ_ONLY": Kind(503, "the database cannot be written to now"),
    "OUTCOME_UNKNOWN": Kind(
        503, "the answer of the database was lost: what was to be written may be written"
    ),
    "COMMIT_OUTCOME_UNKNOWN": Kind(
        503, "the answer of the database was lost: what was to be written may be written"
    ),
    # Mistakes of the service itself: all one to a stranger, told apart in the log
    "INTERNAL": Kind(INTERNAL, "internal error"),
}
"""By the code in `error.data.code`. A code of Rowstead's that is not here is INTERNAL on the wire."""

IN_THEIR_OWN_WORDS = frozenset({"VALIDATION", "UNDEFINED_TABLE", "UNDEFINED_COLUMN", "DATA"})
"""Errors of Rowstead's whose message is for whoever sent the input, unless a driver said it."""
LISTS_OF_NAMES = ("columns", "sort")
"""Parameters whose texts are names of columns."""
LONGEST_MESSAGE = 300
"""Characters; a message may repeat what the caller sent, not all of it."""


class WireError(Exception):
    """An error as a stranger sees it. `code` is a key of ERRORS."""

    def __init__(
        self,
        code: str,
        message: str | None = None,
        *,
        details: Mapping[str, Any] | None = None,
        retry_after: float | None = None,
        status: int | None = None,
    ) -> None:
        kind = ERRORS[code]
        super().__init__(shortened(message or kind.sentence))
        self.code = code
        self.number = kind.number
        self.status = status or kind.status
        self.details: Mapping[str, Any] = details or {}
        self.retry_after = retry_after
        """Seconds."""

    def as_json(self) -> dict[str, Any]:
        """The member `error` of an answer."""
        data = {"code": self.code, **self.details}
        return {"code": self.number, "message": str(self), "data": data}


def shortened(message: str) -> str:
    """The message, not longer than is told."""
    return message if len(message) <= LONGEST_MESSAGE else f"{message[: LONGEST_MESSAGE - 1]}…"


def is_internal(error: BaseException) -> bool:
    """Whether a stranger is told nothing of the error but where it stands in the log."""
    return not isinstance(error, RowsteadError) or error.code not in ERRORS


def on_the_wire(error: RowsteadError, params: Any) -> WireError:
    """The error of a call with these parameters, as its caller may see it. Not for one that `is_internal`."""
    names = {"table": error.table, "column": error.column, "constraint": error.constraint}
    details: dict[str, Any] = {what: shortened(name) for what, name in names.items() if name is not None}
    if error.place is not None:
        details["place"] = error.place
    if error.retryable:
        details["retryable"] = True
    return WireError(error.code, _own_words(error, params), details=details)


def _own_words(error: RowsteadError, params: Any) -> str | None:
    """The error's message, where it is Rowstead's and about what the caller sent.

    Of a column that the caller did not name a hook has given the value: it is not described.
    """
    if error.code not in IN_THEIR_OWN_WORDS or not isinstance(error, ValidationError):
        return None
    if error.__cause__ is not None or (error.column is not None and not names(params, error.column)):
        return None
    return str(error)


def names(params: Any, name: str) -> bool:
    """Whether parameters name a column: one is called so, an object in them has it, or a list of names.

    A value that happens to be the same names nothing.
    """
    waiting: list[Any] = [params]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            given = cast("dict[str, Any]", part)
            if name in given or any(name in _listed(given.get(list_)) for list_ in LISTS_OF_NAMES):
                return True
            waiting += given.values()
        elif isinstance(part, list | tuple):
            waiting += cast("Sequence[Any]", part)
    return False


def _listed(given: Any) -> set[str]:
    """The texts where names are listed, without the sign of a direction."""
    texts = cast("list[Any]", given) if isinstance(given, list) else [given]
    return {text.lstrip("+-") for text in texts if isinstance(text, str)}
