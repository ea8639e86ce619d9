"""An application's file, read: which services it asks for, in which order, and what is wrong with it.

Accepted are one service (`services: cls: …`), several by name, or a list of them, with or without
`settings:` above; a YAML, TOML or JSON file, which may extend others, and a mapping. Nothing is made and
nothing is started.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

from rowstead.config import files
from rowstead.config.levels import SECTION, merged
from rowstead.config.said import Level, Node, Place, Said, SaidList, file_place, plain
from rowstead.errors import ValidationError
from rowstead.service.entries import HINTS, KEYS, Disabled, Entry, EntryReader
from rowstead.service.findings import Finding, Findings, wrong_file
from rowstead.service.registry import ServiceRegistry, import_named

TOP = ("services", "settings", "imports")
"""The keys at the top, or under `settings`, that an application reads. Others are somebody else's."""


@dataclass(frozen=True, slots=True)
class Application:
    """What a file asks for."""

    source: str
    """The file's name, or what else it was read from."""
    entries: tuple[Entry, ...] = ()
    disabled: tuple[Disabled, ...] = ()
    findings: tuple[Finding, ...] = ()

    def sound(self) -> Application:
        """Itself. Raises ValidationError, with everything that is wrong, where anything is."""
        if self.findings:
            raise wrong_file(self.findings)
        return self


def find_file(path: str | os.PathLike[str]) -> Path:
    """The application's file. Raises ValidationError where there is none, or its ending says no format."""
    found = files.find(Path(path), {})
    assert found is not None
    if found.suffix.lower() not in files.READERS:
        raise ValidationError(f"{found}: an application's file ends in one of {', '.join(files.READERS)}")
    return found


def read_file(path: Path, registry: ServiceRegistry, imports: Iterable[str] = ()) -> Application:
    """What the file asks for. Its folder is put on `sys.path`, then its imports and those given are imported.

    Variables are the environment's. What is wrong is in the findings; nothing is raised.
    """
    environment, findings = dict(os.environ), Findings()
    look_in(path.parent)
    try:
        levels, _ = files.read(path, environment)
        # A section for other readers of the same file, whose rules of merging do not matter here.
        ours = [Level({k: v for k, v in each.nodes.items() if k != SECTION}, each.place) for each in levels]
        top = merged(ours, environment)
    except ValidationError as error:
        findings.add_error(file_place(path), error)
        return Application(str(path), findings=tuple(findings.all))
    return _read(str(path), top, registry, environment, imports)


def read_mapping(
    settings: Mapping[str, Any], registry: ServiceRegistry, imports: Iterable[str] = ()
) -> Application:
    """What a mapping asks for that says what a file would say, variables included."""
    source = "the settings given"
    return _read(source, _level(settings, Place(source)), registry, dict(os.environ), imports)


def look_in(folder: Path) -> None:
    """Have modules imported from this folder too, as they are from a program's own."""
    name = str(folder.resolve())
    if name not in sys.path:
        sys.path.insert(0, name)


def _level(value: Mapping[Any, Any], place: Place) -> Level:
    return Level({str(key): _node(item, place) for key, item in value.items()}, place)


def _node(value: Any, place: Place) -> Node:
    if isinstance(value, Mapping):
        return _level(cast("Mapping[Any, Any]", value), place)
    if isinstance(value, list | tuple):
        return SaidList(tuple(_node(item, place) for item in cast("Sequence[Any]", value)), place)
    if isinstance(value, str):
        return Said(value, place, has_variables=True)
    return Said(value, place, str(value).lower() if isinstance(value, bool | int | float) else None)


def _read(
    source: str,
    top: Level,
    registry: ServiceRegistry,
    environment: Mapping[str, str],
    imports: Iterable[str],
) -> Application:
    findings = Findings()
    sections = _sections(top, findings)
    for module, place in [*_imports(sections, environment, findings), *((name, None) for name in imports)]:
        try:
            import_named(module)
        except ValidationError as error:
            findings.add_error(place or Place("--import"), error)
    reader = EntryReader(registry, environment, findings)
    services = _services(sections, top, findings)
    read = [found for key, node in services if (found := reader.read(key, node)) is not None]
    entries = _by_name((each for each in read if isinstance(each, Entry)), findings)
    disabled = tuple(each for each in read if isinstance(each, Disabled))
    return Application(source, entries, disabled, tuple(findings.all))


def _sections(top: Level, findings: Findings) -> list[Level]:
    """Where the application's keys stand: at the top, and under `settings`."""
    settings = top.nodes.get("settings")
    sections = [top, settings] if isinstance(settings, Level) else [top]
    if settings is not None and not isinstance(settings, Level):
        findings.add(settings.place, "settings must hold keys and values, as `services:`")
    for section in sections:
        for key, node in section.nodes.items():
            likely = [] if key in TOP else get_close_matches(key, TOP, n=1, cutoff=0.75)
            if likely:
                findings.add(node.place, f"{key}: nothing reads this; did you mean {likely[0]!r}?")
    return sections


def _imports(
    sections: Sequence[Level], environment: Mapping[str, str], findings: Findings
) -> Iterator[tuple[str, Place]]:
    for node in (section.nodes["imports"] for section in sections if "imports" in section.nodes):
        items = node.items if isinstance(node, SaidList) else (node,)
        for item in items:
            try:
                value = plain(item, environment)
            except ValidationError as error:
                findings.add_error(item.place, error, "imports")
                continue
            if isinstance(value, str):
                yield value, item.place
            elif value is not None:
                findings.add(item.place, "imports: must be a list of modules' names, as app.tasks")


def _services(sections: Sequence[Level], top: Level, findings: Findings) -> Iterable[tuple[str | None, Node]]:
    """The nodes of the services; of a mapping of several with their names."""
    found = [section.nodes["services"] for section in sections if "services" in section.nodes]
    if not found:
        findings.add(top.place, "there are no services; write `services:` with a `cls:` for each")
        return []
    if len(found) > 1:
        findings.add(found[1].place, f"services stands here, and in {found[0].place}; keep one of them")
    (node, *_) = found
    if isinstance(node, SaidList):
        return [(None, item) for item in node.items]
    if isinstance(node, Level):
        return [(None, node)] if _is_one(node) else node.nodes.items()
    if node.value is not None:
        findings.add(node.place, "services must be one service, several by name, or a list of them")
    return []


def _is_one(node: Level) -> bool:
    """Whether the mapping is a service itself; else its keys are names, which could be any words."""
    own = {*KEYS, *HINTS}
    return any(key in own and not isinstance(item, Level) for key, item in node.nodes.items())


def _by_name(entries: Iterable[Entry], findings: Findings) -> tuple[Entry, ...]:
    """The entries, of which one that overrides stands in the place of the one that it overrides."""
    named: dict[str, Entry] = {}
    for entry in entries:
        other = named.get(entry.name)
        if other is not None and not entry.override:
            where = "" if other.place.line is None else f" in line {other.place.line} and"
            findings.add(
                entry.place,
                f"two services have this name,{where} here; "
                "give one a `name` of its own, or say `override: true` here to replace the other",
                entry.name,
            )
        named[entry.name] = entry
    return tuple(named.values())
