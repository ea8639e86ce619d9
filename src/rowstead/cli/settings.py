"""The command `default-config`: the settings as they are in force, for people and for programs.

It holds no rule of settings: those are `rowstead.config`'s.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator

from rowstead.cli import output
from rowstead.config import Config, config
from rowstead.config.masking import masked


def default_config(arguments: argparse.Namespace) -> int:
    """Print the settings. What is a password by its type or by its name is ***."""
    as_json = arguments.output == "json"
    try:
        found = config(arguments.config or None)
        text = _json(found) if as_json else _yaml(found)
    except Exception as error:
        # The process ends here: whatever it was is told in one line, with its exit code.
        return output.failure(error, "", as_json)
    print(text, flush=True)
    return output.OK


def _json(found: Config) -> str:
    return json.dumps(masked(found.schema), ensure_ascii=False, indent=2, default=str)


def _yaml(found: Config) -> str:
    try:
        import yaml
    except ImportError:
        raise ImportError(
            "YAML needs PyYAML, which is not installed: pip install 'rowstead[config]', or use -o json"
        ) from None
    text = yaml.safe_dump(masked(found.schema), sort_keys=False, allow_unicode=True)
    return "\n".join([*_comments(found), text.rstrip()])


def _comments(found: Config) -> Iterator[str]:
    """Where the settings come from, and the address that they come to."""
    yield f"# read from: {', '.join(map(repr, map(str, found.files))) or 'no file'}"
    url = found.schema.database.url.set(query={})
    yield f"# database:  {url.render_as_string(hide_password=True)!r}"
