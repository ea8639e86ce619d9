"""The settings of one service in an application's file, held against what its class takes.

What a class takes is said by the signature of its `__init__`. It must not know what a setting is for.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from rowstead.config.said import Level, Node, Said, SaidList, plain
from rowstead.errors import ValidationError, did_you_mean
from rowstead.service.findings import Findings
from rowstead.service.service import Service

GIVEN = ("app", "name")
"""What the application itself gives to every service."""

TRUTHS: Mapping[str, bool] = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}
"""How a text, such as a variable's, says yes or no; in any case of letters."""

_PASSWORD = re.compile(r"pass(word|wd|phrase)?$|pwd$", re.IGNORECASE)


def truth(value: Any) -> bool:
    """True or false, also in words. Raises ValidationError."""
    known = TRUTHS.get(value.strip().lower()) if isinstance(value, str) else value
    if isinstance(known, bool):
        return known
    raise ValidationError("must be true or false")


def _whole(value: Any) -> int:
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?\d{1,100}\s*", value):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValidationError("must be a whole number")


def _number(value: Any) -> float:
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            pass
    elif isinstance(value, int | float) and not isinstance(value, bool):
        return value
    raise ValidationError("must be a number")


def _text(value: Any) -> Any:
    if isinstance(value, list | dict):
        raise ValidationError("must be a text")
    return cast("object", value)


_READERS: Mapping[str, Callable[[Any], Any]] = {"bool": truth, "int": _whole, "float": _number, "str": _text}
"""Annotations that say all of what a value may be. Texts are read as one, since variables hold only texts."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One setting that a class takes."""

    kinds: frozenset[str]
    """The types in its annotation; none where nothing is said."""
    required: bool

    @property
    def reader(self) -> Callable[[Any], Any] | None:
        """What reads its values, where the annotation is one plain type, or that and None."""
        kinds = self.kinds - {"None"}
        return _READERS.get(next(iter(kinds))) if len(kinds) == 1 else None

    def is_written(self, name: str) -> bool:
        """Whether what is written counts, and not what YAML makes of it: `0123` is no 83 to a password."""
        return "str" in self.kinds and (self.reader is _text or _PASSWORD.search(name) is not None)


@dataclass(frozen=True, slots=True)
class Taken:
    """What a class takes."""

    parameters: Mapping[str, Parameter]
    any_others: bool
    """Whether it takes settings that it does not name."""


def taken_by(cls: type[Service]) -> Taken:
    """The settings that the class takes, by the signature of its `__init__`."""
    _, *parameters = inspect.signature(cls.__init__).parameters.values()
    named = [each for each in parameters if each.kind in (each.KEYWORD_ONLY, each.POSITIONAL_OR_KEYWORD)]
    return Taken(
        {each.name: Parameter(_kinds(each.annotation), each.default is each.empty) for each in named},
        any(each.kind is each.VAR_KEYWORD for each in parameters),
    )


def _kinds(annotation: Any) -> frozenset[str]:
    if annotation is inspect.Parameter.empty:
        return frozenset()
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    optional = re.fullmatch(r"(?:typing\.|t\.)?Optional\[(.*)\]", text)
    text = text if optional is None else f"{optional[1]} | None"
    return frozenset(part.strip() for part in text.split("|"))


def read_settings(
    level: Level, cls: type[Service], environment: Mapping[str, str], findings: Findings, service: str
) -> dict[str, Any]:
    """The settings as the class is given them; what is wrong with them is added to the findings."""
    taken = taken_by(cls)
    _refuse_unfit(cls, taken, level, findings, service)
    known = {name: each for name, each in taken.parameters.items() if name not in GIVEN}
    values: dict[str, Any] = {}
    for name, node in level.nodes.items():
        if name in GIVEN:
            problem = "is no setting; a service's `name` stands beside `settings`, its `app` is this one"
            findings.add(node.place, f"settings.{name}: {problem}", service)
        elif name in known or taken.any_others:
            parameter = known.get(name, Parameter(frozenset(), required=False))
            values.update(_read(name, node, parameter, environment, findings, service))
        else:
            hint = did_you_mean(name, known)
            findings.add(node.place, f"settings.{name}: {cls.__name__} has no such setting; {hint}", service)
    missing = [name for name, each in known.items() if each.required and name not in level.nodes]
    for name in missing:
        findings.add(level.place, f"settings.{name} is missing: {cls.__name__} cannot do without", service)
    return values


def _refuse_unfit(cls: type[Service], taken: Taken, level: Level, findings: Findings, service: str) -> None:
    """Add that the class cannot be made by an application, where it cannot."""
    lacking = [] if taken.any_others else [name for name in GIVEN if name not in taken.parameters]
    if lacking:
        findings.add(
            level.place,
            f"{cls.__name__}.__init__ does not take {' and '.join(lacking)}: write "
            "`def __init__(self, …, *, app=None, name=None)` and hand both to super().__init__",
            service,
        )


def _read(
    name: str,
    node: Node,
    parameter: Parameter,
    environment: Mapping[str, str],
    findings: Findings,
    service: str,
) -> dict[str, Any]:
    """The setting under its name; nothing where it says nothing or cannot be read."""
    before = len(findings.all)
    for leaf, path in _leaves(node, f"settings.{name}"):
        try:
            plain(leaf, environment)
        except ValidationError as error:
            findings.add_error(leaf.place, error, path, service)
    if len(findings.all) > before:
        return {}
    value = plain(node, environment, as_text=isinstance(node, Said) and parameter.is_written(name))
    reader = parameter.reader
    if reader is None:
        return {name: value}
    if value is None:
        return {name: None} if "None" in parameter.kinds else {}
    try:
        return {name: reader(value)}
    except ValidationError as error:
        findings.add_error(node.place, error, f"settings.{name}", service)
        return {}


def _leaves(node: Node, path: str) -> Iterator[tuple[Said, str]]:
    """Every single value in a setting, and where it stands."""
    if isinstance(node, Said):
        yield node, path
    elif isinstance(node, SaidList):
        for number, item in enumerate(node.items):
            yield from _leaves(item, f"{path}[{number}]")
    else:
        for name, item in node.nodes.items():
            yield from _leaves(item, f"{path}.{name}")
