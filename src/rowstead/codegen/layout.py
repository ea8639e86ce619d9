"""How generated lines are broken: as the usual formatters of Python do, so that they change nothing.

It answers for width and indentation. It must not know what the lines say.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from rowstead.codegen.spelling import spell_text

WIDTH = 110
INDENT = "    "


def assigned(left: str, callee: str, arguments: Sequence[str], indent: str = INDENT) -> list[str]:
    """`left = callee(arguments)`, on as few lines as it needs. An argument may have several lines."""
    return bracketed(f"{left} = {callee}(", arguments, ")", indent)


def bracketed(begin: str, parts: Sequence[str], end: str, indent: str = "") -> list[str]:
    """Parts in brackets: on one line, or on one between the brackets, or on one each."""
    inner = ", ".join(parts)
    whole = f"{indent}{begin}{inner}{end}"
    if _fits(whole):
        return [whole]
    deeper = indent + INDENT
    if _fits(deeper + inner):
        return [indent + begin, deeper + inner, indent + end]
    return [
        indent + begin,
        *(f"{deeper}{line}" for part in parts for line in f"{part},".split("\n")),
        indent + end,
    ]


def keyword_text(keyword: str, text: str, depth: int = 2) -> str:
    """`keyword="text"` as an argument, in pieces where it is too long for a line."""
    whole = f"{keyword}={spell_text(text)}"
    if _fits(INDENT * depth + whole + ","):
        return whole
    room = WIDTH - len(INDENT) * (depth + 1) - 2
    pieces = [f"{INDENT}{spell_text(piece)}" for piece in _pieces(text, room)]
    return "\n".join([f"{keyword}=(", *pieces, ")"])


def comment(text: str) -> list[str]:
    """A comment at the margin."""
    return [
        f"# {line}" for line in textwrap.wrap(text, WIDTH - 2, break_long_words=False, break_on_hyphens=False)
    ]


def imported(module: str, names: Sequence[str]) -> list[str]:
    """`from module import names`, on one line or on one for each name; one that is renamed on its own."""
    renamed = [f"from {module} import {name}" for name in names if " as " in name]
    plain = [name for name in names if " as " not in name]
    whole = f"from {module} import {', '.join(plain)}"
    if not plain:
        return renamed
    if _fits(whole):
        return [*renamed, whole]
    return [*renamed, f"from {module} import (", *(f"{INDENT}{name}," for name in plain), ")"]


def docstring(first: str, text: str | None) -> list[str]:
    """A class's docstring: a line, and below it the text if there is one."""
    if text is None:
        return [f'{INDENT}"""{first}"""']
    escaped = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    lines = [line for written in escaped.split("\n") for line in _wrapped(written)]
    body = [f"{INDENT}{line}".rstrip() for line in lines]
    return [f'{INDENT}"""{first}', "", *body, f'{INDENT}"""']


def _fits(line: str) -> bool:
    return len(line) <= WIDTH and "\n" not in line


def _pieces(text: str, room: int) -> Iterator[str]:
    """The text cut behind blanks, each piece short enough when it is written as a literal."""
    words = text.split(" ")
    piece = ""
    for number, word in enumerate(words):
        addition = word if number == len(words) - 1 else f"{word} "
        if piece and len(spell_text(piece + addition)) > room:
            yield piece
            piece = ""
        piece += addition
    yield piece


def _wrapped(line: str) -> list[str]:
    indent = line[: len(line) - len(line.lstrip())]
    width = WIDTH - len(INDENT)
    return textwrap.wrap(
        line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    ) or [""]
