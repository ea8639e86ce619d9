"""The goose format: annotated `.sql` files, each with the way forth and, if it has one, the way back.

It answers for which files of a folder are migrations, for their versions, for what an annotation means
and where it may stand. It must not know what is applied, nor by which tables.

The rules are those of goose's version 3 (https://pressly.github.io/goose/documentation/annotations/):
an annotation is a line of its own that begins with `-- +goose`; a statement ends with a semicolon
unless it stands between StatementBegin and StatementEnd. Statements are found by the database's own
syntax, so a file that goose accepts is read alike, and a body in dollar quotes needs no StatementBegin.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from rowstead.errors import StorageError, ValidationError, did_you_mean
from rowstead.migrations.formats.plain import read_text
from rowstead.migrations.formats.substitution import BadVariable, substituted
from rowstead.migrations.migration import Migration, digest
from rowstead.migrations.split import Statement, Syntax, split, split_block, unfinished

_LONGEST_VERSION = 2**63 - 1
_NAMED = re.compile(r"(\d+)_.*\.(sql|go)", re.DOTALL)
_ANNOTATION = re.compile(r"\s*--(?P<before>.*?)\+goose(?P<words>.*)")


def load(folder: str | Path, syntax: Syntax, environment: Mapping[str, str] | None = None) -> list[Migration]:
    """The migrations of `folder` by version; ENVSUB takes its values from `environment`, else the process's.

    Raises ValidationError: no such folder, a name without a version, two files of one version, a
    migration written in Go, or a file whose annotations or statements are wrong, with its line.
    """
    values = os.environ if environment is None else environment
    found = sorted((version_of(file), file) for file in files(folder))
    for (first, one), (second, other) in pairwise(found):
        if first == second:
            raise ValidationError(
                f"{one.name} and {other.name} both have the version {first}; give each file its own"
            )
    return [_migration(version, file, syntax, values) for version, file in found]


def files(folder: str | Path) -> list[Path]:
    """The files of `folder` that are migrations, sorted by name. Raises ValidationError."""
    path = Path(folder)
    if not path.is_dir():
        raise ValidationError(
            f"migrations directory not found: {folder}; give the folder with --dir, or make it by "
            "`rowstead db create NAME`"
        )
    try:
        seen = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
    except OSError as error:
        raise StorageError(f"cannot read the migrations directory {folder}: {error.strerror}") from error
    for file in seen:
        if file.suffix == ".go" and _NAMED.fullmatch(file.name) and not file.name.endswith("_test.go"):
            raise ValidationError(
                f"{file.name} is a migration written in Go, which only a program in Go can run; write it as "
                "SQL, or apply this folder by that program"
            )
    return [file for file in seen if file.suffix == ".sql"]


def version_of(file: Path) -> int:
    """The version in a file's name. Raises ValidationError where there is none."""
    named = _NAMED.fullmatch(file.name)
    version = int(named[1]) if named else 0
    if not 1 <= version <= _LONGEST_VERSION:
        raise ValidationError(
            f"{file.name} has no version: a migration's name is its number from 1 on or its time, an "
            "underscore and what it does, such as 00001_add_users.sql or 20060102150405_add_users.sql"
        )
    return version


def _migration(version: int, file: Path, syntax: Syntax, environment: Mapping[str, str]) -> Migration:
    text = read_text(file)
    reader = Reader(file.name, syntax, environment)
    for number, line in enumerate(text.split("\n"), 1):
        reader.read(number, line)
    reader.end()
    return Migration(
        id=str(version),
        up=tuple(reader.up),
        down=None if reader.down is None else tuple(reader.down),
        checksum=reader.checksum(),
        transactional=reader.transactional,
        file=file.name,
    )


class Reader:
    """Reads one file line by line; afterwards it has the statements."""

    def __init__(self, file: str, syntax: Syntax, environment: Mapping[str, str]) -> None:
        self.up: list[Statement] = []
        self.down: list[Statement] | None = None
        self.transactional = True
        self._file = file
        self._syntax = syntax
        self._environment = environment
        self._section: list[Statement] | None = None
        """Whose statements are read at this line; None before Up."""
        self._began = 0
        """The line of the StatementBegin that has not ended; 0: there is none."""
        self._substitutes = False
        self._used: dict[str, str] = {}
        self._unset: dict[str, str] = {}
        """By how it was written: what is wrong with a variable that has no value, with its line."""
        self._forth: list[str] = []
        """The lines of the way forth as they stand in the file."""
        self._written: list[str] = []
        """The lines of the statements that are being read, as they stand in the file."""
        self._lines: list[str] = []
        self._numbers: list[int] = []
        """Of each of the lines: which line of the file it comes from."""

    def read(self, number: int, line: str) -> None:
        """Take the next line of the file. Raises ValidationError."""
        annotation = self._annotation(number, line)
        if self._section is self.up and annotation != "Down":
            self._forth.append(line)
        if annotation is not None:
            ANNOTATIONS[annotation](self, number)
        elif self._section is not None:
            self._take(number, line)
        elif line.strip() and not line.lstrip().startswith("--"):
            raise self._wrong(
                number,
                "nothing but comments of the form `-- …` may stand before `-- +goose Up`; put it first",
            )

    def end(self) -> None:
        """The file is at its end. Raises ValidationError."""
        if self._section is None:
            raise self._wrong(1, "there is no line `-- +goose Up`; write it above the statements to apply")
        self._finish()

    def checksum(self) -> str:
        """Proof of what was applied: the way forth. The way back may be written or mended later."""
        return digest(f"{self.transactional}\n" + "\n".join(self._forth).strip())

    # What an annotation does

    def begin_up(self, number: int) -> None:
        if self._section is not None:
            raise self._wrong(number, "there is a second `-- +goose Up`; a file has one")
        self._section = self.up

    def begin_down(self, number: int) -> None:
        if self._section is None:
            raise self._wrong(number, "`-- +goose Down` stands before `-- +goose Up`; put Up first")
        self._finish()
        if self.down is not None:
            raise self._wrong(number, "there is a second `-- +goose Down`; a file has one")
        self._section = self.down = []

    def begin_statement(self, number: int) -> None:
        if self._section is None:
            raise self._wrong(number, "StatementBegin stands before `-- +goose Up`; put it behind")
        self._finish()
        self._began = number

    def end_statement(self, number: int) -> None:
        if not self._began:
            raise self._wrong(number, "StatementEnd without a StatementBegin before it")
        self._began = 0
        self._add(split_block)

    def without_transaction(self, _number: int) -> None:
        self.transactional = False

    def substitute(self, _number: int) -> None:
        self._substitutes = True

    def substitute_no_more(self, _number: int) -> None:
        self._substitutes = False

    # Lines and statements

    def _annotation(self, number: int, line: str) -> str | None:
        found = _ANNOTATION.fullmatch(line)
        if found is None:
            return None
        words = " ".join(found["words"].split())
        name = next((known for known in ANNOTATIONS if known.lower() == words.lower()), None)
        if name is None:
            hint = did_you_mean(words, ANNOTATIONS)
            raise self._wrong(
                number,
                f"there is no annotation `-- +goose {words}`, and no comment may look like one; {hint}",
            )
        if line[0] != "-" or found["before"].strip():
            raise self._wrong(number, f"an annotation begins its line: write `-- +goose {name}`")
        return name

    def _take(self, number: int, line: str) -> None:
        self._written.append(line)
        if self._substitutes and not line.lstrip().startswith("--"):
            line = self._substituted(number, line)
        # A value may be several lines.
        for part in line.split("\n"):
            self._lines.append(part)
            self._numbers.append(number)

    def _substituted(self, number: int, line: str) -> str:
        unset: dict[str, str] = {}
        try:
            text = substituted(line, self._environment, self._used, unset)
        except BadVariable as error:
            raise self._wrong(number, str(error)) from None
        for written, what in unset.items():
            self._unset.setdefault(written, f"{self._file} line {number}: {what}")
        return text

    def _finish(self) -> None:
        """What was read since the last annotation is whole statements."""
        if self._began:
            raise self._wrong(
                self._began, "StatementBegin has no StatementEnd; write `-- +goose StatementEnd` behind it"
            )
        left = unfinished("\n".join(self._lines), self._syntax)
        if left is not None:
            statement = self._placed(left)
            raise self._wrong(
                statement.line,
                f"the statement that begins here ({statement.summary}) does not end with a semicolon; write "
                "one, or put it between `-- +goose StatementBegin` and `-- +goose StatementEnd`",
            )
        self._add(split)

    def _add(self, cut: Callable[[str, Syntax], Sequence[Statement]]) -> None:
        """The lines are cut into statements of the section."""
        if self._section is not None:
            statements = cut("\n".join(self._lines), self._syntax)
            written: Sequence[Statement | None] = cut("\n".join(self._written), self._syntax)
            if len(written) != len(statements):
                # A value holds a semicolon or a quote.
                written = [None] * len(statements)
            self._section += map(self._placed, statements, written)
        self._lines, self._numbers, self._written = [], [], []
        self._unset.clear()

    def _placed(self, statement: Statement, written: Statement | None = None) -> Statement:
        """With its line in the file, and without the values of variables where it is shown."""
        return replace(
            statement,
            line=self._numbers[statement.line - 1],
            hidden=tuple((value, name) for value, name in self._used.items() if value in statement.text),
            written=None if written is None else written.text,
            lacks=next((what for name, what in self._unset.items() if name in statement.text), None),
        )

    def _wrong(self, number: int, what: str) -> ValidationError:
        return ValidationError(f"{self._file} line {number}: {what}")


ANNOTATIONS: Mapping[str, Callable[[Reader, int], None]] = {
    "Up": Reader.begin_up,
    "Down": Reader.begin_down,
    "StatementBegin": Reader.begin_statement,
    "StatementEnd": Reader.end_statement,
    "NO TRANSACTION": Reader.without_transaction,
    "ENVSUB ON": Reader.substitute,
    "ENVSUB OFF": Reader.substitute_no_more,
}
"""What may stand behind `-- +goose`, in any case."""
