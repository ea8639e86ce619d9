"""One service of an application's file: its class, its name, whether it is wanted, its settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from rowstead.config.said import Level, Node, Place, Said, plain, says_nothing
from rowstead.errors import RowsteadError, ValidationError, did_you_mean
from rowstead.service.findings import Findings
from rowstead.service.registry import ServiceRegistry, service_class
from rowstead.service.service import Service
from rowstead.service.settings import read_settings, truth

if TYPE_CHECKING:
    from rowstead.service.app import App

T = TypeVar("T")

KEYS = ("cls", "name", "enabled", "required", "override", "loglevel", "settings")
HINTS: Mapping[str, str] = {
    "class": "cls",
    "type": "cls",
    "service": "cls",
    "log_level": "loglevel",
    "options": "settings",
    "config": "settings",
    "disabled": "enabled",
    "optional": "required",
}
"""What people write for a key that is spelled quite differently."""
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


@dataclass(frozen=True, slots=True)
class Entry:
    """One service that is to be started."""

    name: str
    cls: type[Service]
    place: Place
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    required: bool = True
    """Whether the application cannot do without; else it is left out when it cannot be started."""
    override: bool = False
    """Whether it takes the place of an earlier one of its name."""
    loglevel: str | None = None

    def make(self, app: App) -> Service:
        """The service itself, which starts nothing yet."""
        service = self.cls(**self.settings, app=app, name=self.name)
        if self.loglevel is not None:
            service.logger.setLevel(self.loglevel)
        return service


@dataclass(frozen=True, slots=True)
class Disabled:
    """One service that is in the file and not wanted: neither its class nor its settings are looked at."""

    name: str
    place: Place


class EntryReader:
    """Reads the services of one file; what is wrong with them is added to the findings."""

    def __init__(self, registry: ServiceRegistry, environment: Mapping[str, str], findings: Findings) -> None:
        self._registry = registry
        self._environment = environment
        self._findings = findings

    def read(self, key: str | None, node: Node) -> Entry | Disabled | None:
        """The service that a node describes, named `key` in a mapping; None where that cannot be known."""
        if not isinstance(node, Level):
            self._findings.add(
                node.place, "a service must hold keys and values, as `cls: DatabaseService`", key
            )
            return None
        label = self._name(node, key)
        for name, item in node.nodes.items():
            if name not in KEYS:
                self._unknown(name, item, label)
        if not self._value(node, "enabled", truth, True, label):
            cls = node.nodes.get("cls")
            shown = cls.value if isinstance(cls, Said) and isinstance(cls.value, str) else "?"
            return Disabled(label or shown, node.place)
        cls = self._class(node, label)
        if cls is None:
            return None
        return self._entry(node, cls, label or cls.service_name or cls.__name__)

    def _entry(self, node: Level, cls: type[Service], name: str) -> Entry:
        return Entry(
            name,
            cls,
            node.place,
            self._settings(node, cls, name),
            required=self._value(node, "required", truth, True, name),
            override=self._value(node, "override", truth, False, name),
            loglevel=self._value(node, "loglevel", _log_level, None, name),
        )

    def _unknown(self, name: str, node: Node, label: str | None) -> None:
        likely = HINTS.get(name.lower())
        hint = f"did you mean {likely!r}?" if likely else did_you_mean(name, KEYS)
        self._findings.add(node.place, f"{name}: a service has no such key; {hint}", label)

    def _name(self, node: Level, key: str | None) -> str | None:
        return self._value(node, "name", _name, key, key)

    def _class(self, node: Level, label: str | None) -> type[Service] | None:
        if "cls" not in node.nodes or says_nothing(node.nodes["cls"]):
            self._findings.add(node.place, "cls is missing: the name of the service's class", label)
            return None
        return self._value(node, "cls", self._found, None, label)

    def _found(self, value: Any) -> type[Service]:
        if isinstance(value, str):
            return self._registry.find(value)
        if isinstance(value, type):
            return service_class(value)
        raise ValidationError("must be the name of a class, as DatabaseService or app.tasks:TaskService")

    def _settings(self, node: Level, cls: type[Service], name: str) -> dict[str, Any]:
        said = node.nodes.get("settings")
        level = Level({}, node.place) if said is None or says_nothing(said) else said
        if not isinstance(level, Level):
            self._findings.add(level.place, "settings must hold keys and values, as `host: localhost`", name)
            return {}
        return read_settings(level, cls, self._environment, self._findings, name)

    def _value(self, node: Level, key: str, read: Callable[[Any], T], default: T, label: str | None) -> T:
        """What stands under a key, read; the default where nothing does or it is wrong."""
        said = node.nodes.get(key)
        if said is None or says_nothing(said):
            return default
        try:
            return read(plain(said, self._environment))
        except RowsteadError as error:
            self._findings.add_error(said.place, error, key, label)
            return default


def _name(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise ValidationError("must be a text")


def _log_level(value: Any) -> str:
    if isinstance(value, str) and value.upper() in LOG_LEVELS:
        return value.upper()
    raise ValidationError(f"is no level of a log; {did_you_mean(str(value).upper(), LOG_LEVELS)}")
