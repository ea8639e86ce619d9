"""How much is worked on at once, by all callers together and by one of them. Knows no HTTP."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Hashable
from contextlib import contextmanager

from rowstead.service.http.limits import Limits
from rowstead.service.http.metrics import Metrics
from rowstead.service.http.wire_errors import WireError

BUSY_SECONDS = 1.0
"""After which a caller who was told that all is busy may try again."""


class Slots:
    """Places for requests; `metrics.in_flight` are taken."""

    def __init__(self, limits: Limits, metrics: Metrics) -> None:
        self._limits = limits
        self._metrics = metrics
        self._of_caller: Counter[Hashable] = Counter()

    @contextmanager
    def free(self, caller: Hashable) -> Generator[None]:
        """A place for this caller. Raises WireError where there is none."""
        if self._metrics.in_flight >= self._limits.concurrent:
            raise WireError("BUSY", retry_after=BUSY_SECONDS)
        if self._of_caller[caller] >= self._limits.concurrent_of_caller:
            words = f"one caller has at most {self._limits.concurrent_of_caller} calls at once; try again"
            raise WireError("BUSY", words, retry_after=BUSY_SECONDS)
        with self.held(caller):
            yield

    @contextmanager
    def held(self, caller: Hashable) -> Generator[None]:
        """A place, also where there is none: for what is there already."""
        self._metrics.in_flight += 1
        self._of_caller[caller] += 1
        try:
            yield
        finally:
            self._metrics.in_flight -= 1
            self._of_caller[caller] -= 1
            if not self._of_caller[caller]:
                del self._of_caller[caller]
