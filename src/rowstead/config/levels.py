"""What several levels say, made one: arguments before the environment before files.

A key of a higher level wins. Of `database` more is known: a DSN says several keys at once, so it wins
over what lower levels say of its parts, and a level that names another database than those below
leaves nothing of their address.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from rowstead.config import databases
from rowstead.config.dsn import Parts, read_dsn
from rowstead.config.said import Level, Node, Said, plain, says_nothing
from rowstead.errors import ValidationError

SECTION = "database"
ADDRESS = ("dsn", "dialect", "driver", "db", "user", "password", "host", "port", "params")
"""The keys that together are an address."""
AS_WRITTEN = (*ADDRESS, "async_driver", "default_schema")
"""The keys of `database` whose values are texts: what YAML makes of them does not count."""


def merged(levels: Sequence[Level], environment: Mapping[str, str]) -> Level:
    """One level of several, the first of which wins."""
    sections = [node for level in levels if isinstance(node := level.nodes.get(SECTION), Level)]
    nodes: dict[str, Node] = {}
    for level in levels:
        for key, node in level.nodes.items():
            if key != SECTION:
                nodes[key] = _under(nodes[key], node) if key in nodes else node
            elif not isinstance(node, Level) and not says_nothing(node):
                raise ValidationError(
                    f"{node.place}: database must hold keys and values; write a URL as `dsn` in it"
                )
    if sections:
        nodes[SECTION] = _databases(sections, environment)
    return Level(nodes, levels[0].place)


def _under(upper: Node, lower: Node) -> Node:
    """Two nodes for one key; of sections all keys."""
    if says_nothing(upper):
        return lower
    if not isinstance(upper, Level) or not isinstance(lower, Level):
        return upper
    nodes = dict(lower.nodes)
    for key, node in upper.nodes.items():
        nodes[key] = _under(node, nodes[key]) if key in nodes else node
    return Level(nodes, upper.place)


def _databases(sections: Sequence[Level], environment: Mapping[str, str]) -> Level:
    upper, *rest = (_one_driver(section) for section in sections)
    for section in rest:
        merged_level = _under(upper, _left_of(section, upper, environment))
        assert isinstance(merged_level, Level)
        upper = merged_level
    return upper


def _one_driver(section: Level) -> Level:
    """The section with `async_driver` under its other name, and without keys that say nothing."""
    nodes = {key: node for key, node in section.nodes.items() if not says_nothing(node)}
    if "async_driver" in nodes:
        nodes["driver"] = nodes.pop("async_driver")
    return Level(nodes, section.place)


def _left_of(lower: Level, upper: Level, environment: Mapping[str, str]) -> Level:
    """The lower section without the keys that the upper one's address leaves no room for."""
    own, below = _dialect(upper, environment), _dialect(lower, environment)
    if own is not None and below is not None and databases.family(own) != databases.family(below):
        return _without(lower, ADDRESS)
    if "dsn" not in upper.nodes:
        return lower
    parts = _read(upper, environment)
    kept = _without(lower, _said_by(parts))
    params = kept.nodes.get("params")
    if parts is None or not isinstance(params, Level):
        return kept
    said = {name for name, _ in parts.params}
    said |= {"ssl", "sslmode"} if "sslmode" in said else set()
    return Level({**kept.nodes, "params": _without(params, said)}, kept.place)


def _without(level: Level, keys: Collection[str]) -> Level:
    return Level({key: node for key, node in level.nodes.items() if key not in keys}, level.place)


def _said_by(parts: Parts | None) -> frozenset[str]:
    """The keys that a DSN says; a file's says all of them, and so does one that cannot be read."""
    if parts is None or parts.is_file:
        return frozenset(ADDRESS) - {"driver" if parts is not None and parts.driver is None else ""}
    said = {
        "driver": parts.driver,
        "db": parts.db,
        "user": parts.user,
        "password": parts.password,
        "host": parts.hosts,
        "port": parts.hosts,
    }
    return frozenset({"dsn", "dialect", *(key for key, part in said.items() if part)})


def _read(section: Level, environment: Mapping[str, str]) -> Parts | None:
    """The parts of a section's DSN; None for one that cannot be read, which is told later."""
    text = _text(section, "dsn", environment)
    try:
        return read_dsn(str(text))
    except ValidationError:
        return None


def _dialect(section: Level, environment: Mapping[str, str]) -> str | None:
    """Which database a section names, if it does."""
    if "dialect" in section.nodes:
        return databases.dialect_named(str(_text(section, "dialect", environment)))
    if "dsn" in section.nodes:
        return _dialect_of_dsn(section, environment)
    if "driver" in section.nodes:
        return databases.DRIVERS.get(str(_text(section, "driver", environment)).lower())
    return None


def _dialect_of_dsn(section: Level, environment: Mapping[str, str]) -> str | None:
    node = section.nodes["dsn"]
    written = node.value if isinstance(node, Said) else None
    scheme = written.partition("://")[0] if isinstance(written, str) else ""
    if scheme == "" or "${" in scheme:
        parts = _read(section, environment)
        return None if parts is None else parts.dialect
    # Of a DSN that another one replaces nothing else is asked, so variables in it need not be set.
    return databases.dialect_named(scheme.partition("+")[0])


def _text(section: Level, key: str, environment: Mapping[str, str]) -> Any:
    value = plain(section.nodes[key], environment, as_text=True)
    return value.get_secret_value() if hasattr(value, "get_secret_value") else value


def settings(level: Level, environment: Mapping[str, str]) -> dict[str, Any]:
    """The merged level as plain values, texts as they were written where they are texts."""
    values: dict[str, Any] = {}
    for key, node in level.nodes.items():
        if key != SECTION or not isinstance(node, Level):
            values[key] = plain(node, environment, as_text=key == "name")
            continue
        values[key] = {
            name: plain(item, environment, as_text=name in AS_WRITTEN) for name, item in node.nodes.items()
        }
    return values
