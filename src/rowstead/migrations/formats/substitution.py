"""Variables of the environment in a migration's text, as goose's ENVSUB annotation asks for them.

It answers for what a variable looks like and for one that is not set. It must not know files, lines or
statements.

    $NAME  ${NAME}        its value; not set: an error
    ${NAME:-word}         word where it is not set or empty; ${NAME-word}: where it is not set
    ${NAME:?message}      an error with the message where it is not set or empty; ${NAME?message}: not set
    \\$                    a dollar sign

`$1`, `$$` and `$tag$` are SQL's own and stay.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_VARIABLE = re.compile(
    rf"\\\$|\${_NAME}\$|\$(?P<bare>{_NAME})"
    rf"|\$\{{(?P<name>{_NAME})(?:(?P<how>:?[-?])(?P<word>[^}}]*))?\}}"
    r"|(?P<broken>\$\{[^}]*\}?)"
)


class _NotSet(Exception):
    """A variable has no value and the text gives none; the message says which, and what to write."""


class BadVariable(Exception):
    """What begins like a variable is none; the message says what was found."""


def substituted(
    text: str, environment: Mapping[str, str], used: dict[str, str], unset: dict[str, str]
) -> str:
    """The text with the values of its variables; each value is noted in `used` by how it was written.

    A variable without a value stays, as `${NAME}`, and is noted in `unset` with what is wrong. Raises
    BadVariable.
    """

    def value_of(found: re.Match[str]) -> str:
        name = found["bare"] or found["name"]
        if found["broken"] is not None:
            raise BadVariable(
                f"{found['broken']} is no variable; write ${{NAME}}, ${{NAME:-default}} or "
                "${NAME:?message}, and \\$ for a dollar sign"
            )
        if name is None:
            return "$" if found[0] == r"\$" else found[0]
        written = f"${{{name}}}"
        try:
            value = _value(name, found["how"] or "", found["word"] or "", environment)
        except _NotSet as error:
            unset[written] = str(error)
            return written
        if value:
            used[value] = written
        return value

    return _VARIABLE.sub(value_of, text)


def _value(name: str, how: str, word: str, environment: Mapping[str, str]) -> str:
    value = environment.get(name)
    if value is not None and (value or not how.startswith(":")):
        return value
    if how.endswith("-"):
        return word
    if how.endswith("?"):
        raise _NotSet(f"${{{name}}}: {word or 'it is not set'}")
    raise _NotSet(f"the variable {name} is not set; set it, or write ${{{name}:-default}}")
