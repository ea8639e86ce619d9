"""Which files of a folder hold rows, and for which service: by their names. Opens none of them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from rowstead.files.formats import FORMATS

_NUMBER = re.compile(r"[0-9]+_(?=.)")


class FixtureFiles(NamedTuple):
    """The files of each service, in the order of their paths, and those whose names are no service's."""

    of_services: dict[str, list[Path]]
    strangers: list[Path]


def fixture_files(root: Path, services: Collection[str]) -> FixtureFiles:
    """The files below a folder, in the formats that are known; hidden ones are none of them."""
    found = FixtureFiles({}, [])
    for path in sorted(root.rglob("*")):
        inside = path.relative_to(root)
        is_hidden = any(part.startswith(".") for part in inside.parts)
        if is_hidden or path.suffix.lower() not in FORMATS or not path.is_file():
            continue
        name = service_of(inside, services)
        if name is None:
            found.strangers.append(path)
        else:
            found.of_services.setdefault(name, []).append(path)
    return found


def service_of(path: Path, services: Collection[str]) -> str | None:
    """The service that a file is for: the file's name tells, else that of the nearest folder that can.

    `tasks.json`, `tasks.2.csv`, `010_tasks.yaml` and `tasks/anything.json` are the service `tasks`'.
    """
    for part in (path.stem, *reversed(path.parent.parts)):
        for name in _names(part):
            if name in services:
                return name
    return None


def meant(path: Path) -> str:
    """The name that a file's own name stands for, where no service has it."""
    return _NUMBER.sub("", path.name, count=1).partition(".")[0]


def _names(part: str) -> Iterator[str]:
    """The names that a file's or folder's name may stand for, the longest first."""
    number = _NUMBER.match(part)
    for whole in (part, part[number.end() :] if number else ""):
        words = whole.split(".")
        yield from (".".join(words[:count]) for count in range(len(words), 0, -1))
