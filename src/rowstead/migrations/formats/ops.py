"""The ops format: migrations as data, `[{"version": 1, "name": "init", "ops": [{…}, …]}, …]`.

It answers for which lists are valid, for a migration's checksum and for what may follow on what was
applied. It must not know what an operation does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

from rowstead.errors import MigrationError, ValidationError
from rowstead.migrations.ledger import Entry, recovery
from rowstead.migrations.migration import digest
from rowstead.migrations.operations import Operation, checksum_text, read_operation

_KEYS = ("version", "name", "ops")


@dataclass(frozen=True, slots=True)
class Version:
    """One migration of the list: its number, its name and what it does."""

    number: int
    name: str
    operations: tuple[Operation, ...]
    checksum: str

    @property
    def id(self) -> str:
        """What the ledger knows it by. Not the name: an applied migration that was renamed is found."""
        return str(self.number)

    def __str__(self) -> str:
        return f"{self.number} ({self.name})"


def read_versions(given: Any) -> list[Version]:
    """The migrations of a list, tuple or JSON text, by version. Raises ValidationError."""
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError as error:
            raise ValidationError(f"the migrations are not JSON: {error}; give a list of dicts") from error
    if not isinstance(given, (list, tuple)):
        raise ValidationError(f"migrations are a list of {_shape()}, got {type(given).__name__}")
    items = cast("Sequence[Any]", given)
    versions = sorted((_version(item, place) for place, item in enumerate(items)), key=lambda v: v.number)
    for first, second in pairwise(versions):
        if first.number == second.number:
            raise ValidationError(
                f"{first.name!r} and {second.name!r} both have the version {first.number}; "
                "give each migration a version of its own"
            )
    return versions


def require_history(
    versions: Sequence[Version], entries: Mapping[str, Entry], names: Mapping[str, str], source: str
) -> None:
    """Raise MigrationError, with the ways out, unless the list only goes on from what was applied.

    `names` are those that the applied versions had then.
    """
    known = {version.id: version for version in versions}
    problems = [_drift(known[id], entry, names) for id, entry in entries.items() if id in known]
    problems += [_removed(id, entry, names) for id, entry in entries.items() if id not in known]
    problems += _out_of_order(versions, entries)
    found = [problem for problem in problems if problem]
    if not found:
        return
    forgettable = [id for id, entry in entries.items() if id not in known or _drifted(known[id], entry)]
    lines = ["the migrations do not go on from what this database has; nothing was applied.", *found]
    if forgettable:
        lines.append(
            "Give each applied migration as it was and write what is new as a new version; or, when the "
            "database is known to be right as it is, have the old entry forgotten:"
        )
        lines += [f"  {recovery(id, source)};" for id in forgettable]
    raise MigrationError("\n".join(lines))


def _drifted(version: Version, entry: Entry) -> bool:
    return entry.checksum is not None and entry.checksum != version.checksum


def _drift(version: Version, entry: Entry, names: Mapping[str, str]) -> str:
    if not _drifted(version, entry):
        return ""
    then = names.get(version.id, version.name)
    what = "changed" if then == version.name else f"renamed from {then!r} to {version.name!r}"
    return (
        f"  version {version.number} was {what} after it was applied: "
        f"its checksum was {entry.checksum} and is now {version.checksum}"
    )


def _removed(id: str, entry: Entry, names: Mapping[str, str]) -> str:
    name = f" ({names[id]})" if id in names else ""
    return f"  version {id}{name} was applied with checksum {entry.checksum} and is not in the list any more"


def _out_of_order(versions: Sequence[Version], entries: Mapping[str, Entry]) -> list[str]:
    highest = max((int(id) for id in entries if id.isdigit()), default=0)
    return [
        f"  version {version} is new but {highest} was applied already; give it a version above {highest}"
        for version in versions
        if version.id not in entries and version.number < highest
    ]


def _version(item: Any, place: int) -> Version:
    if not isinstance(item, Mapping) or set(item) != set(_KEYS):  # pyright: ignore[reportUnknownArgumentType]
        raise ValidationError(f"migration number {place + 1} of the list is not {_shape()}: {item!r}")
    number, name, ops = (item[key] for key in _KEYS)  # pyright: ignore[reportUnknownVariableType]
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise ValidationError(f"a migration's version is a whole number from 1 on, got {number!r}")
    if not isinstance(name, str) or not name.strip():
        raise ValidationError(f"migration {number}: its name is a text that is not empty, got {name!r}")
    if not isinstance(ops, (list, tuple)):
        raise ValidationError(f"migration {number} ({name}): ops is a list, got {ops!r}")
    given = cast("Sequence[Any]", ops)
    operations = tuple(
        read_operation(op, f"migration {number} ({name}), operation {at}") for at, op in enumerate(given, 1)
    )
    return Version(number, name, operations, digest(checksum_text(number, name, operations)))


def _shape() -> str:
    return '{"version": 1, "name": "…", "ops": […]}'
