"""Asking squawk, a linter for PostgreSQL, where it is installed.

It answers for running it and reading what it says. Nothing needs it: our own rules cover what it is
asked for most, and what both say is told once.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from rowstead.errors import OperationalError
from rowstead.migrations.lint import File, Finding, without_way_back
from rowstead.migrations.lint_rules import Level

PROGRAM = "squawk"
DIALECT = "postgresql"
_LONGEST = 60.0
"""Seconds that one file may take."""

SAME: Mapping[str, str] = {
    "require-concurrent-index-creation": "create-index",
    "require-concurrent-index-deletion": "drop-index",
    "require-concurrent-reindex": "reindex",
    "ban-concurrent-index-creation-in-transaction": "concurrently-in-transaction",
    "adding-required-field": "add-column-not-null",
    "adding-not-nullable-field": "set-not-null",
    "adding-field-with-default": "add-column-rewrite",
    "adding-serial-primary-key-field": "add-column-rewrite",
    "changing-column-type": "change-type",
    "constraint-missing-not-valid": "constraint-not-valid",
    "adding-foreign-key-constraint": "constraint-not-valid",
    "disallowed-unique-constraint": "add-unique",
    "ban-drop-table": "drop-table",
    "ban-drop-column": "drop-column",
    "ban-drop-database": "drop-schema",
    "ban-truncate-cascade": "truncate",
    "renaming-column": "rename-column",
    "renaming-table": "rename-table",
}
"""Its rules that are ours by another name."""

_MATTERS_OF_TASTE = ("prefer-", "require-", "identifier-", "ban-char")
"""How the names of its rules begin that warn of no lock and no loss."""


def program() -> str | None:
    """Where squawk is, if it is installed."""
    return shutil.which(PROGRAM)


def ask(squawk: str, file: File, ours: Sequence[Finding]) -> list[Finding]:
    """What squawk says of a file beyond our own findings. Raises OperationalError where it does not work."""
    said = {(finding.line, finding.rule) for finding in ours}
    found: list[Finding] = []
    for report in _reports(squawk, file):
        name, line = str(report["rule_name"]), int(report["line"]) + 1
        line = _statement_line(file, line)
        if line == 0 or (line, SAME.get(name)) in said:
            continue
        taste = name.startswith(_MATTERS_OF_TASTE)
        found.append(
            Finding(
                file=file.path.name,
                line=line,
                rule=f"squawk/{name}",
                level=Level.NOTE if taste else Level.WARN,
                statement=next(s.summary for s in file.migration.up if s.line == line),
                why=str(report["message"]),
                safe=str(report["help"] or "see squawk's documentation of the rule"),
            )
        )
    return list(dict.fromkeys(found))


def _statement_line(file: File, line: int) -> int:
    """The first line of the statement that stands there; 0 where there is none."""
    spans = ((s.line, s.line + s.text.count("\n")) for s in file.migration.up)
    return next((first for first, last in spans if first <= line <= last), 0)


def _reports(squawk: str, file: File) -> list[dict[str, Any]]:
    command = [squawk, "--reporter", "json", "--stdin-filepath", file.path.name]
    if file.migration.transactional:
        command.append("--assume-in-transaction")
    text = without_way_back(file)
    try:
        done = subprocess.run(
            command, input=text, capture_output=True, text=True, timeout=_LONGEST, check=False
        )
        return json.loads(done.stdout)
    except (OSError, subprocess.TimeoutExpired, json.JSONDecodeError) as error:
        problem = f"{squawk} gave no answer for {file.path.name} ({error}); try --no-squawk"
        raise OperationalError(problem) from error
