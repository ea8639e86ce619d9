"""`${NAME}` and `${NAME:-default}` in the values of a file.

A value is filled in after the file was read, so that what a variable holds can neither become a key
nor be read again: it stands as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from rowstead.errors import ValidationError, did_you_mean

_OPEN = re.compile(r"\$\$\{|\$\{")
_NAME = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(:-)?")
_BRACES = re.compile(r"\$\{|\}")


def filled_in(text: str, environment: Mapping[str, str], file: str, line: int | None = None) -> str:
    """The text with the variables' values; `$${` is a plain `${`.

    `:-` gives what is taken where the variable is not set, or empty; it may hold variables itself.
    Raises ValidationError, which names the file, the line (of the text's beginning, from 1) and the
    variable, for one that is not set, and for what is no variable.
    """
    done: list[str] = []
    at = 0
    while (found := _OPEN.search(text, at)) is not None:
        done.append(text[at : found.start()])
        if found[0] == "$${":
            done.append("${")
            at = found.end()
            continue
        where = file if line is None else f"{file}, line {line + text.count(chr(10), 0, found.start())}"
        end = _closing(text, found.end(), where)
        done.append(_value(text[found.end() : end], environment, where))
        at = end + 1
    return "".join([*done, text[at:]])


def _closing(text: str, start: int, where: str) -> int:
    """Where the brace is that ends what begins at `start`."""
    depth = 1
    for brace in _BRACES.finditer(text, start):
        depth += 1 if brace[0] == "${" else -1
        if depth == 0:
            return brace.start()
    raise ValidationError(f"{where}: a ${{ has no }} that ends it; a plain ${{ is written $${{")


def _value(inside: str, environment: Mapping[str, str], where: str) -> str:
    name = _NAME.match(inside)
    if name is None or (name[2] is None and name.end() != len(inside)):
        raise ValidationError(
            f"{where}: a ${{…}} that is no variable: write ${{NAME}} or ${{NAME:-default}}; "
            "a plain ${ is written $${"
        )
    value = environment.get(name[1])
    if name[2] is not None:
        return value or filled_in(inside[name.end() :], environment, where)
    if value is not None:
        return value
    hint = did_you_mean(name[1], environment)
    suggestion = "" if hint.startswith(("known", "there")) else f" {hint}"
    raise ValidationError(
        f"{where}: the environment variable {name[1]} is not set;{suggestion} "
        f"set it, or write ${{{name[1]}:-default}}"
    )
