"""The states format: one JSON file, `[{"id": 0, "comments": "…", "commands": ["ALTER TABLE …"]}, …]`.

It answers for which files are valid, for each state's statements with their places, and for its checksum.
It must not know what is applied, nor by which tables.

A command is a text of one or several statements. `"transaction": false` in a state is Rowstead's own: its
statements run one by one, outside a transaction.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from rowstead.errors import ValidationError, did_you_mean
from rowstead.migrations.formats.placed_json import JsonText, Placed
from rowstead.migrations.formats.plain import read_text
from rowstead.migrations.migration import Migration, digest
from rowstead.migrations.split import Statement, Syntax, split_block

KEYS = ("id", "comments", "commands", "transaction")
_HIGHEST = 2**63 - 1
_SHAPE = '{"id": 0, "comments": "…", "commands": ["ALTER TABLE …"]}'


def load(file: str | Path, syntax: Syntax) -> list[Migration]:
    """The states of `file`, in its order, each with its number as id.

    Raises ValidationError with line and column: no such file, no JSON, what is not of a state's shape, ids
    that do not ascend. StorageError: it cannot be read.
    """
    path = states_file(file)
    return _States(JsonText(read_text(path), path.name), syntax).read()


def states_file(file: str | Path) -> Path:
    """The file's path. Raises ValidationError: there is none."""
    path = Path(file)
    if not path.is_file():
        raise ValidationError(
            f"migrations file not found: {file} (looked for from {Path.cwd()}); give the path of the JSON "
            f"file that holds the states, a list such as [{_SHAPE}]"
        )
    return path


class _States:
    """Reads the states of one text."""

    def __init__(self, text: JsonText, syntax: Syntax) -> None:
        self._text = text
        self._syntax = syntax

    def read(self) -> list[Migration]:
        top = self._text.read()
        if not isinstance(top.value, list):
            raise self._text.wrong(top.at, f"the file is a list of states, [{_SHAPE}, …]; {_got(top)}")
        found = [self._state(item) for item in top.value]
        for (first, one), (second, other) in pairwise(found):
            self._require_order(int(one.id), first, int(other.id), second)
        return [migration for _, migration in found]

    def _state(self, item: Placed) -> tuple[Placed, Migration]:
        """A state, with the place of its id."""
        if not isinstance(item.value, dict):
            raise self._text.wrong(item.at, f"a state is an object, {_SHAPE}; {_got(item)}")
        state = item.value
        for key, value in state.items():
            if key not in KEYS:
                what = f"a state has no {json.dumps(key)}; {did_you_mean(key, KEYS)}"
                raise self._text.wrong(value.at, what)
        for key in ("id", "commands"):
            if key not in state:
                raise self._text.wrong(item.at, f'the state has no "{key}"; it has the shape {_SHAPE}')
        number = self._number(state["id"])
        transactional = self._transactional(number, state.get("transaction"))
        commands = self._commands(number, state["commands"])
        return state["id"], Migration(
            id=str(number),
            up=tuple(self._statements(commands)),
            down=None,
            # Not the comments: they may be mended later.
            checksum=digest(json.dumps([transactional, *(command.value for command in commands)])),
            transactional=transactional,
            file=f"state {number}",
        )

    def _number(self, given: Placed) -> int:
        number = given.value
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= _HIGHEST:
            raise self._text.wrong(given.at, f"a state's id is a whole number from 0 on; {_got(given)}")
        return number

    def _transactional(self, number: int, given: Placed | None) -> bool:
        if given is None:
            return True
        if not isinstance(given.value, bool):
            raise self._text.wrong(
                given.at, f'state {number}: "transaction" is true (as without it) or false; {_got(given)}'
            )
        return given.value

    def _commands(self, number: int, given: Placed) -> Sequence[Placed]:
        if not isinstance(given.value, list):
            raise self._text.wrong(
                given.at, f'state {number}: "commands" is a list of texts of SQL; {_got(given)}'
            )
        for at, command in enumerate(given.value, 1):
            place = f"state {number}, command {at}"
            if not isinstance(command.value, str):
                raise self._text.wrong(command.at, f"{place}: a command is a text of SQL; {_got(command)}")
            if not command.value.strip():
                raise self._text.wrong(command.at, f"{place} is empty; write its SQL, or take it out")
            if "\0" in command.value:
                raise self._text.wrong(command.at, f"{place}: there is a NUL in it; take it out")
        return given.value

    def _statements(self, commands: Sequence[Placed]) -> Iterator[Statement]:
        for at, command in enumerate(commands, 1):
            line = self._text.line(command.at)
            for statement in split_block(str(command.value), self._syntax):
                # In JSON a text is one line, whatever line breaks are spelled in it.
                yield replace(statement, line=line, command=at)

    def _require_order(self, first: int, first_place: Placed, second: int, second_place: Placed) -> None:
        if first < second:
            return
        line = self._text.line(first_place.at)
        if first == second:
            what = f"there is a state {second} already, in line {line}; give each an id of its own"
        else:
            what = (
                f"state {second} stands behind state {first} (line {line}); ids ascend: give it one above it"
            )
        raise self._text.wrong(second_place.at, what)


def _got(given: Placed) -> str:
    shown = json.dumps(given.plain(), ensure_ascii=False)
    return f"got {shown if len(shown) <= 40 else shown[:37] + '...'}"
