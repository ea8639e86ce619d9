"""What is wrong with an application's file: each thing with its line, and no value in any of it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from rowstead.config.said import Place
from rowstead.errors import RowsteadError, ValidationError


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong."""

    place: Place
    problem: str
    service: str | None = None
    """The name of the service that it is about, as far as it is known; None: about the whole file."""
    left_out: bool = False
    """Whether the application starts all the same, without this service, which is not required."""

    def __str__(self) -> str:
        about = "" if self.service is None else f"service {self.service}: "
        return f"{self.place}: {about}{self.problem}"


class Findings:
    """Collects what is wrong, so that a file is read to its end."""

    def __init__(self) -> None:
        self.all: list[Finding] = []

    def add(self, place: Place, problem: str, service: str | None = None) -> None:
        self.all.append(Finding(place, problem, service))

    def add_error(
        self, place: Place, error: RowsteadError, key: str | None = None, service: str | None = None
    ) -> None:
        """What reading something raised, which may name its line already, and better than `place` does."""
        problem = str(error)
        said = re.match(re.escape(place.name) + r"(?:, line (\d+))?: ", problem)
        if said is not None:
            problem = problem[said.end() :]
            place = place if said[1] is None else Place(place.name, int(said[1]))
        self.add(place, problem if key is None else f"{key}: {problem}", service)


def wrong_file(findings: Iterable[Finding]) -> ValidationError:
    """All of it as one error."""
    return ValidationError("\n".join(str(finding) for finding in findings))
