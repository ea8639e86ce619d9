"""Regular expressions of schemas, which are of the family without look-around and back-references.

They find a place somewhere in a text; `$` is the end of the text, not also the place before a last
line break; digits, letters and spaces are those of every alphabet. They are turned to Python's
notation where that differs. What Python reads otherwise, or cannot say, is a ValidationError.
"""

from __future__ import annotations

import re
import warnings
from functools import lru_cache

from rowstead.errors import ValidationError

_REFUSED_GROUPS = {
    "?=": "look-ahead",
    "?!": "look-ahead",
    "?<=": "look-behind",
    "?<!": "look-behind",
    "?P=": "a back-reference",
    "?(": "a condition on a group",
    "?>": "an atomic group",
    "?#": "a comment",
}
_REFUSED_ESCAPES = {"p": r"\p{…}", "P": r"\P{…}", "Z": r"\Z (write \z)", "k": "a back-reference"}
_PART = re.compile(
    r"""(?P<escape>\\.)
    |(?P<set>\[\^?\]?(?:\\.|\[:\^?\w+:\]|[^\]\\])*\])
    |(?P<flags>\(\?[A-Za-z]*-?[A-Za-z]*[:)])
    |(?P<group>\((?:\?(?:P[<=]|<|[^A-Za-z<])?(?:=|!)?)?)
    |(?P<possessive>(?:[*+?]|\{[0-9,]+\})\+)
    |(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)


@lru_cache(maxsize=256)
def pattern(text: str) -> re.Pattern[str]:
    """The pattern, compiled; a ValidationError where it is none or says what these cannot."""
    translated = _Translation(text).python()
    try:
        with warnings.catch_warnings():
            # A set within a set, which Python 3.11 warns that it reads otherwise.
            warnings.simplefilter("error", FutureWarning)
            return re.compile(translated)
    except (re.error, FutureWarning, OverflowError, RecursionError) as error:
        raise _refused(text, f"it cannot be read: {error}") from None


def _refused(text: str, problem: str) -> ValidationError:
    return ValidationError(f"the regular expression {text!r} cannot be used: {problem}")


class _Translation:
    """Turns one pattern; knows in which groups `$` is the end of a line."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.multiline = [False]

    def python(self) -> str:
        return "".join(self.part(match) for match in _PART.finditer(self.text))

    def refuse(self, what: str) -> ValidationError:
        return _refused(self.text, f"{what} is not supported")

    def part(self, match: re.Match[str]) -> str:
        kind, token = str(match.lastgroup), match.group()
        if kind == "escape":
            return self.escape(token)
        if kind == "set":
            return self.set(token)
        if kind == "flags":
            return self.flags(token)
        if kind == "group":
            return self.group(token)
        if kind == "possessive":
            raise self.refuse("a possessive repetition")
        if token == ")" and len(self.multiline) > 1:
            self.multiline.pop()
        return r"\Z" if token == "$" and not self.multiline[-1] else token

    def escape(self, token: str) -> str:
        letter = token[1]
        if letter.isdigit():
            raise self.refuse("a back-reference")
        if letter in _REFUSED_ESCAPES:
            raise self.refuse(_REFUSED_ESCAPES[letter])
        return r"\Z" if letter == "z" else token

    def set(self, token: str) -> str:
        if "[:" in token:
            raise self.refuse("a named class like [:alpha:]")
        if any(double in token for double in ("&&", "--", "~~")):
            raise self.refuse("arithmetic of sets")
        if r"\p" in token or r"\P" in token:
            raise self.refuse(r"\p{…}")
        return token

    def flags(self, token: str) -> str:
        on, _, off = token[2:-1].partition("-")
        now = "m" in on or (self.multiline[-1] and "m" not in off)
        if token[-1] == ":":
            self.multiline.append(now)
        else:
            self.multiline[-1] = now
        return token

    def group(self, token: str) -> str:
        for opening, what in _REFUSED_GROUPS.items():
            if token.startswith("(" + opening):
                raise self.refuse(what)
        self.multiline.append(self.multiline[-1])
        return "(?P<" if token == "(?<" else token
