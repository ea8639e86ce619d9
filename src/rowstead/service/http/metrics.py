"""What was served, counted, and told in the text format of Prometheus.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TypeAlias

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper ends of the histogram's buckets, in seconds."""
OK = "OK"
"""The outcome of a call that succeeded; else the error's code."""

Labels: TypeAlias = tuple[str, ...]
"""Each as it is written, see `label`."""
Sample: TypeAlias = tuple[str, Labels, float]


def label(name: str, value: str) -> str:
    """A label of a sample."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'{name}="{escaped}"'


class Durations:
    """How long calls of one method took."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds


class Metrics:
    """Counters of one server. Labels are names of methods and codes, never what strangers wrote."""

    def __init__(self) -> None:
        self.calls: Counter[tuple[str, str]] = Counter()
        """By method and outcome."""
        self.refused: Counter[str] = Counter()
        """Requests that were refused as a whole, by code."""
        self.durations: dict[str, Durations] = {}
        self.in_flight = 0

    def call(self, method: str, outcome: str, seconds: float) -> None:
        """One call has ended."""
        self.calls[method, outcome] += 1
        if method not in self.durations:
            self.durations[method] = Durations()
        self.durations[method].add(seconds)

    def text(self, others: Iterable[tuple[str, str, Labels, float]] = ()) -> str:
        """All of it. `others`: gauges that are read elsewhere, as (name, help, labels, value)."""
        lines = [
            *_family("rowstead_calls_total", "counter", "Calls by method and outcome", self._calls()),
            *_family("rowstead_refused_total", "counter", "Requests refused as a whole", self._refused()),
            *_family("rowstead_call_seconds", "histogram", "How long calls took", self._durations()),
            *_family("rowstead_in_flight", "gauge", "Requests being worked on", [("", (), self.in_flight)]),
        ]
        gauges: dict[tuple[str, str], list[Sample]] = {}
        for name, about, labels, value in others:
            gauges.setdefault((name, about), []).append(("", labels, value))
        for (name, about), samples in gauges.items():
            lines += _family(name, "gauge", about, samples)
        return "\n".join(lines) + "\n"

    def _calls(self) -> Iterator[Sample]:
        for (method, outcome), number in sorted(self.calls.items()):
            yield "", (label("method", method), label("outcome", outcome)), number

    def _refused(self) -> Iterator[Sample]:
        for code, number in sorted(self.refused.items()):
            yield "", (label("code", code),), number

    def _durations(self) -> Iterator[Sample]:
        for method, durations in sorted(self.durations.items()):
            of_method = label("method", method)
            number = 0
            for bound, count in zip((*BOUNDS, float("inf")), durations.counts, strict=True):
                number += count
                yield "_bucket", (of_method, f'le="{"+Inf" if bound == float("inf") else bound}"'), number
            yield "_sum", (of_method,), durations.total
            yield "_count", (of_method,), number


def _family(name: str, kind: str, about: str, samples: Iterable[Sample]) -> Iterator[str]:
    yield f"# HELP {name} {about}"
    yield f"# TYPE {name} {kind}"
    for suffix, labels, value in samples:
        told = f"{{{','.join(labels)}}}" if labels else ""
        yield f"{name}{suffix}{told} {value:.15g}"
