"""The commands of `rowstead kit`: from arguments to one verb of the kit, and its result printed.

A person at a terminal gets tables and words, a pipe (or --json) JSON lines. They hold no rule of the
kit: those are the face's and the core's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from rowstead.cli import output, tables
from rowstead.errors import StorageError, ValidationError
from rowstead.files.writing import json_writer
from rowstead.kit.catalogue import to_dict
from rowstead.kit.database import AsyncDatabase
from rowstead.tables.schema import Column, Table

Command = Callable[[AsyncDatabase, argparse.Namespace], Awaitable[int]]


def run(arguments: argparse.Namespace) -> int:
    """Carry out `rowstead kit …`; its exit code."""
    place: str = arguments.db or os.environ.get("DATABASE_URL", "")
    try:
        if not place:
            raise ValidationError("no database: give --db with a path or a URL, or set DATABASE_URL")
        return asyncio.run(_run(place, arguments))
    except BrokenPipeError:
        raise
    except Exception as error:
        # The process ends here: whatever it was is told in one line, with its exit code.
        return output.failure(error, place, arguments.json)


async def _run(place: str, arguments: argparse.Namespace) -> int:
    command = COMMANDS[arguments.kit_command]
    if command is _check:
        return await _check_what_opens(place, arguments)
    async with await AsyncDatabase.open(place) as db:
        return await command(db, arguments)


async def _check_what_opens(place: str, arguments: argparse.Namespace) -> int:
    """A file that is too damaged to be opened is what `check` was asked about."""
    try:
        db = await AsyncDatabase.open(place, verify=False)
    except StorageError as error:
        if not _may_be_there(place):
            raise
        return _faults([str(error)], arguments)
    async with db:
        return await _check(db, arguments)


def _may_be_there(place: str) -> bool:
    return "://" in place or Path(place).is_file()


# What is printed


def _for_people(arguments: argparse.Namespace) -> bool:
    return not arguments.json and sys.stdout.isatty()


def _print_lines(lines: Iterable[str]) -> None:
    sys.stdout.writelines(lines)
    sys.stdout.flush()


def _show(arguments: argparse.Namespace, rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> None:
    """Rows of texts and numbers."""
    if _for_people(arguments):
        _print_lines(f"{line}\n" for line in tables.lines(rows, names))
    else:
        _print_lines(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)


def _tell(arguments: argparse.Namespace, value: Mapping[str, Any], words: str) -> None:
    output.result(value, [words], not _for_people(arguments))


def _rows(number: int) -> str:
    return "1 row" if number == 1 else f"{number:,} rows"


def _names(given: str | None) -> list[str] | None:
    return None if given is None else [name.strip() for name in given.split(",")]


def _filter(given: str | None) -> Any:
    if given is None:
        return None
    try:
        return json.loads(given)
    except ValueError as error:
        raise ValidationError(f"--filter is not JSON: {error}") from None


# The commands


async def _tables(db: AsyncDatabase, arguments: argparse.Namespace) -> int:
    rows: list[dict[str, Any]] = []
    async with db.begin() as txn:
        for name, table in db.tables().items():
            rows.append({"table": name, "columns": len(table.columns), "rows": await txn.count(name)})
    _show(arguments, rows, ("table", "columns", "rows"))
    return output.OK


async def _schema(db: AsyncDatabase, arguments: argparse.Namespace) -> int:
    chosen = dict(db.tables())
    if arguments.table is not None:
        chosen = {arguments.table: db.table(arguments.table)}
    if not _for_people(arguments):
        _print_lines([json.dumps(to_dict(chosen), ensure_ascii=False) + "\n"])
        return output.OK
    rows = [_column_row(table, column) for table in chosen.values() for column in table.columns.values()]
    _show(arguments, rows, tuple(rows[0]) if rows else ())
    return output.OK


def _column_row(table: Table, column: Column) -> dict[str, str]:
    default = column.default
    refers = [
        f"{key.table}.{theirs}"
        for key in table.foreign_keys
        for own, theirs in zip(key.columns, key.references, strict=True)
        if own == column.name
    ]
    return {
        "table": table.name,
        "column": column.name,
        "type": column.storage or column.kind.value,
        "null": "yes" if column.nullable else "",
        "key": "primary" if column.name in table.key else "",
        "default": "" if default is None else f"{default.kind} {default.value or ''}".strip(),
        "refers to": ", ".join(refers),
    }


async def _select(db: AsyncDatabase, arguments: argparse.Namespace) -> int:
    table = db.table(arguments.table)
    names = _names(arguments.columns) or list(table.all)
    async with db.begin() as txn:
        rows = await txn.select(
            table.name,
            _filter(arguments.filter),
            arguments.order,
            arguments.limit,
            arguments.offset,
            names,
            arguments.distinct,
        )
    if _for_people(arguments):
        _print_lines(f"{line}\n" for line in tables.lines(rows, names))
        output.say(_rows(len(rows)))
    else:
        _print_lines(json_writer(table, names)(rows))
    return output.OK


async def _import(db: AsyncDatabase, arguments: argparse.Namespace) -> int:
    source: str | TextIO = _standard_input() if arguments.file == "-" else arguments.file
    done = await db.import_(arguments.table, source, format=arguments.format, batch=arguments.batch)
    words = f"imported {_rows(done.rows)} into {arguments.table}"
    if arguments.batch is not None:
        words += f"; {_rows(done.skipped)} there already"
    _tell(arguments, {"table": arguments.table, "rows": done.rows, "skipped": done.skipped}, words)
    return output.OK


def _standard_input() -> TextIO:
    """What is typed or piped in, with its line breaks as they are."""
    # asyncio would only note a Ctrl-C, and note it again, while a read waits for the next line.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    return open(0, encoding="utf-8-sig", newline="", closefd=False)


async def _export(db: AsyncDatabase, arguments: argparse.Namespace) -> int:
    to_stdout = arguments.file == "-"
    target: str | TextIO = sys.stdout if to_stdout else arguments.file
    rows = await db.export(
        arguments.table,
        target,
        format=arguments.format or ("jsonl" if to_stdout else None),
        filter=_filter(arguments.filter),
        columns=_names(arguments.columns),
        # A line on the same terminal would stand in the middle of the rows.
        progress=_silent if to_stdout and sys.stdout.isatty() else None,
    )
    words = f"exported {_rows(rows)} of {arguments.table}"
    if to_stdout:
        output.say(words)
    else:
        value = {"table": arguments.table, "file": arguments.file, "rows": rows}
        _tell(arguments, value, f"{words} to {arguments.file}")
    return output.OK


def _silent(_rows: int, _part: float | None) -> None:
    """Tells nobody."""


async def _check(db: AsyncDatabase, arguments: argparse.Namespace) -> int:
    return _faults(await db.check(), arguments)


def _faults(found: Sequence[str], arguments: argparse.Namespace) -> int:
    if not _for_people(arguments):
        _print_lines(f"{json.dumps({'problem': one}, ensure_ascii=False)}\n" for one in found)
    else:
        _print_lines([f"{one}\n" for one in found] or ["no faults found\n"])
    return output.FAILED if found else output.OK


async def _backup(db: AsyncDatabase, arguments: argparse.Namespace) -> int:
    await db.backup(arguments.file)
    size = _size(arguments.file)
    value = {"file": arguments.file, "bytes": size}
    _tell(arguments, value, f"copied to {arguments.file} ({size:,} bytes)")
    return output.OK


def _size(path: str) -> int:
    return Path(path).stat().st_size


COMMANDS: Mapping[str, Command] = {
    "tables": _tables,
    "schema": _schema,
    "select": _select,
    "import": _import,
    "export": _export,
    "check": _check,
    "backup": _backup,
}
