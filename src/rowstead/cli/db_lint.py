"""The command `db lint`: risky statements of migrations, by file and line.

It holds no rule: those are in `rowstead.migrations.lint_rules`.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rowstead.cli import output
from rowstead.cli.db_place import database_of
from rowstead.errors import UsageError, ValidationError, did_you_mean
from rowstead.migrations import lint_squawk
from rowstead.migrations.facts import FACTS
from rowstead.migrations.lint import File, Finding, load
from rowstead.migrations.lint import lint as lint_file
from rowstead.migrations.lint_rules import Level

_SPELLINGS = {"mysql": "mariadb", "postgres": "postgresql", "sqlite3": "sqlite"}
"""What people and SQLAlchemy call a database, where that is not our name for it."""


def lint(arguments: argparse.Namespace) -> int:
    """Print what the rules say: 1 where there is an error or a warning."""
    try:
        dialect = _dialect(arguments)
        files = _chosen(load(arguments.dir, FACTS[dialect]), arguments.files)
        squawk = lint_squawk.program() if dialect == lint_squawk.DIALECT and not arguments.no_squawk else None
        found = [finding for file in files for finding in _findings(file, dialect, arguments.down, squawk)]
    except Exception as error:
        # The process ends here: whatever it was is told in one line, with its exit code.
        return output.failure(error, arguments.url or "", arguments.json)
    value = {
        "dialect": dialect,
        "files": len(files),
        "squawk": squawk is not None,
        "findings": [_shown(finding) for finding in found],
    }
    output.result(value, _lines(arguments.dir, found, len(files)), arguments.json)
    return output.FAILED if any(finding.level is not Level.NOTE for finding in found) else output.OK


def _findings(file: File, dialect: str, down: bool, squawk: str | None) -> list[Finding]:
    ours = lint_file(file, dialect, FACTS[dialect].syntax, down)
    if squawk is None:
        return ours
    more = lint_squawk.ask(squawk, file, ours)
    return sorted([*ours, *more], key=lambda finding: (finding.line, finding.rule))


def _dialect(arguments: argparse.Namespace) -> str:
    named: str = arguments.dialect or database_of(arguments).url.get_backend_name()
    dialect = _SPELLINGS.get(named.lower(), named.lower())
    if dialect not in FACTS:
        problem = f"there are no rules for {named}; {did_you_mean(dialect, FACTS)}"
        raise ValidationError(problem) if arguments.dialect else UsageError(problem)
    return dialect


def _chosen(files: Sequence[File], names: Sequence[str]) -> Sequence[File]:
    known = [file.path.name for file in files]
    wanted = {Path(name).name for name in names}
    for name in sorted(wanted.difference(known)):
        raise ValidationError(f"there is no migration {name} in the folder; {did_you_mean(name, known)}")
    return [file for file in files if not wanted or file.path.name in wanted]


def _lines(folder: str, found: Sequence[Finding], files: int) -> list[str]:
    lines: list[str] = []
    for finding in found:
        lines.append(f"{Path(folder) / finding.file}:{finding.line}: {finding.level.value} {finding.rule}")
        lines.append(f"    {finding.statement}")
        lines.append(f"    why:  {finding.why}")
        lines.append(f"    safe: {finding.safe}")
    counts = Counter(finding.level.value for finding in found)
    told = ", ".join(f"{counts[level.value]} {level.value}" for level in Level if counts[level.value])
    return [*lines, f"{files} file{'' if files == 1 else 's'}: {told or 'nothing to warn of'}"]


def _shown(finding: Finding) -> dict[str, Any]:
    return {
        "file": finding.file,
        "line": finding.line,
        "rule": finding.rule,
        "level": finding.level.value,
        "statement": finding.statement,
        "why": finding.why,
        "safe": finding.safe,
    }
