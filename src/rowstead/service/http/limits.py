"""How much of the server one request, one caller and all of them together may take."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from rowstead.errors import ValidationError, did_you_mean

MAY_BE_NONE = ("rate",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of the public server. What is as large as the bound passes; what is larger is refused.

    Raises ValidationError for a bound that bounds nothing.
    """

    header_seconds: float = 10.0
    """Until the head of a request has arrived; then the connection is closed."""
    body_seconds: float = 10.0
    """Until the body has arrived: BODY_TIMEOUT."""
    body_bytes: int = 1_000_000
    """Of a body: BODY_TOO_LARGE, before it is read."""
    write_seconds: float = 10.0
    """Until the client has taken its answer, or the next 256 KB of it; then the connection is cut."""
    depth: int = 32
    """Of lists and objects in each other, the outermost counted: TOO_DEEP."""
    batch: int = 50
    """Calls of one batch: BATCH_TOO_LONG."""
    rate: float | None = 50.0
    """Calls a second of one caller, in the long run: RATE_LIMIT. None: as many as come."""
    burst: int = 100
    """Calls of one caller at once, after a pause. Not less than `batch`."""
    concurrent: int = 100
    """Requests that are worked on at once, or whose large answer is not taken yet: BUSY."""
    concurrent_of_caller: int = 50
    """The same, of one caller: BUSY."""
    connections: int = 1000
    """Connections that are open at once, also those that ask nothing; the server's own 503."""
    call_seconds: float = 30.0
    """For a call, or all calls of a batch together: CALL_TIMEOUT."""
    response_bytes: int = 10_000_000
    """Of the results of one request: RESPONSE_TOO_LARGE."""

    def __post_init__(self) -> None:
        for field in fields(self):
            _check(field.name, getattr(self, field.name), whole=field.type == "int")
        if self.rate is not None and self.burst < self.batch:
            raise ValidationError(
                f"limits: a batch of {self.batch} calls could never pass a burst of {self.burst}; "
                "raise `burst` or lower `batch`"
            )

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Limits:
        """From an application's file."""
        known = [field.name for field in fields(cls)]
        for name in settings:
            if name not in known:
                raise ValidationError(f"limits: there is no limit {name!r}; {did_you_mean(name, known)}")
        return cls(**{name: _number(value) for name, value in settings.items()})


def _number(value: Any) -> Any:
    """A number that is a text, as variables of the environment are; anything else as it is."""
    if not isinstance(value, str):
        return value
    try:
        return int(value)
    except ValueError:
        pass
    try:
        return float(value)
    except ValueError:
        return value


def _check(name: str, value: Any, whole: bool) -> None:
    if value is None and name in MAY_BE_NONE:
        return
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        raise ValidationError(
            f"limits: {name} is a {'whole ' if whole else ''}number, not {type(value).__name__}"
        )
    if not (math.isfinite(value) and value > 0):
        raise ValidationError(f"limits: {name} is more than 0 and finite, not {value}")
