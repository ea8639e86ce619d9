"""`rowstead app check` and `rowstead app run`: from a file to its services, and what is said of them.

They hold no rule of what may stand in a file: those are the service face's.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, redirect_stdout
from pathlib import Path
from typing import Any, TypeAlias

from rowstead.cli import output
from rowstead.cli.signals import first_signal
from rowstead.config.said import Place
from rowstead.drivers.addresses import without_passwords
from rowstead.service.app import App
from rowstead.service.application import Application, find_file, look_in, read_file
from rowstead.service.findings import Finding
from rowstead.service.registry import SERVICE_CLASS_REGISTRY

Signalled: TypeAlias = "asyncio.Future[signal.Signals]"

EXIT_CODES: Mapping[signal.Signals, int] = {signal.SIGTERM: output.OK, signal.SIGINT: 130}
"""What the signal that ended it means to the shell."""


class CutShort(Exception):
    """A second signal came behind this one, before everything was closed."""

    def __init__(self, first: signal.Signals) -> None:
        self.code = 128 + first
        super().__init__("stopped by a second signal, before everything was closed")


def check(arguments: argparse.Namespace) -> int:
    """Print what would start and what is wrong; 1 where anything is. Nothing is started."""
    try:
        application = read(arguments)
        with _printed_elsewhere():
            findings = application.findings or asyncio.run(App(application).check())
    except Exception as error:
        # The process ends here: whatever it was is told in one line, with its exit code.
        return output.failure(error, "", arguments.json)
    wrong = [finding for finding in findings if not finding.left_out]
    output.result(
        _value(application, findings, not wrong), _lines(application, findings, wrong), arguments.json
    )
    return output.FAILED if wrong else output.OK


def run(arguments: argparse.Namespace) -> int:
    """Run until a signal comes: 0 after SIGTERM, 130 after Ctrl-C; 143 and 130 where a second one came."""
    try:
        application = read(arguments)
    except Exception as error:
        # The process ends here, and below: whatever it was is told in one line, with its exit code.
        return output.failure(error, "", False)
    if application.findings:
        return refused(application)
    try:
        return asyncio.run(until_signal(App(application), _wait))
    except Exception as error:
        return failed(error)
    except asyncio.CancelledError:
        return cancelled()


def read(arguments: argparse.Namespace) -> Application:
    """What the file of the command line asks for; modules are looked for in the working folder too.

    Raises ValidationError for a file that is not there; what is wrong in it is in the findings.
    """
    file = find_file(arguments.file)
    look_in(Path.cwd())
    with _printed_elsewhere():
        return read_file(file, SERVICE_CLASS_REGISTRY, arguments.imports)


def _printed_elsewhere() -> AbstractContextManager[object]:
    """What a user's module prints while it is imported or makes a service is no part of our result."""
    return redirect_stdout(sys.stderr)


def refused(application: Application) -> int:
    """Tell why nothing is started."""
    for finding in application.findings:
        output.say(f"error: {finding}")
    return output.FAILED


async def until_signal(app: App, work: Callable[[App, Signalled], Awaitable[None]]) -> int:
    """Start, work until a signal comes, stop; what the signal means to the shell.

    A signal while it starts stops what was started; a second one waits for nothing more: CutShort.
    """
    with first_signal() as signalled:
        try:
            await _started_and_stopped(app, work, signalled)
        except asyncio.CancelledError:
            if not signalled.done():
                raise
            raise CutShort(signalled.result()) from None
    output.say("stopped")
    return EXIT_CODES[signalled.result()]


async def _started_and_stopped(
    app: App, work: Callable[[App, Signalled], Awaitable[None]], signalled: Signalled
) -> None:
    starting = asyncio.create_task(app.start())
    await asyncio.wait({starting, signalled}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        await asyncio.wait({starting})
    if starting.cancelled() and signalled.done():
        return
    starting.result()
    try:
        await work(app, signalled)
    finally:
        await app.stop()


async def _wait(app: App, signalled: Signalled) -> None:
    _say_started(app)
    await signalled


def _say_started(app: App) -> None:
    lines = [f"  {name} ({type(service).__name__})" for name, service in app.services.items()]
    output.result({}, [f"started {_services(len(lines))}", *lines], as_json=False)


def _services(number: int) -> str:
    return "1 service" if number == 1 else f"{number} services"


def cancelled() -> int:
    """Tell of a service that ended all by a cancellation of its own."""
    output.say("error: a service was cancelled from within; nothing goes on without it")
    return output.FAILED


def failed(error: Exception) -> int:
    """Tell of a start or a stop that failed, with its notes. The code is not that of wrong usage."""
    if isinstance(error, CutShort):
        output.say(str(error))
        return error.code
    output.failure(error, "", False)
    for note in getattr(error, "__notes__", []):
        output.say(f"  {without_passwords(note)}")
    code = output.exit_code(error)
    return code if code == output.UNREACHABLE or isinstance(error, ImportError) else output.FAILED


# What check prints


def _value(application: Application, findings: Sequence[Finding], sound: bool) -> dict[str, Any]:
    """The result for programs."""
    left_out = {finding.service for finding in findings if finding.left_out}
    starts = [
        {"name": each.name, "class": each.cls.__name__, "line": each.place.line, "required": each.required}
        for each in application.entries
        if each.name not in left_out
    ]
    return {
        "file": application.source,
        "sound": sound,
        "services": starts,
        "disabled": [{"name": each.name, "line": each.place.line} for each in application.disabled],
        "left_out": [_finding_value(finding) for finding in findings if finding.left_out],
        "problems": [_finding_value(finding) for finding in findings if not finding.left_out],
    }


def _finding_value(finding: Finding) -> dict[str, Any]:
    return {
        "file": finding.place.name,
        "line": finding.place.line,
        "service": finding.service,
        "message": finding.problem,
    }


def _lines(application: Application, findings: Sequence[Finding], wrong: Sequence[Finding]) -> list[str]:
    """The result for people."""
    left_out = [finding for finding in findings if finding.left_out]
    names = {finding.service for finding in left_out}
    starting = [entry for entry in application.entries if entry.name not in names]
    lines = [f"{application.source}: would start {_services(len(starting))}"]
    if wrong:
        lines = [f"{application.source}: {len(wrong)} wrong"]
        lines += [f"  ! {finding}" for finding in wrong]
        lines += [f"  of {_services(len(starting))} in the file:"] if starting else []
    for number, entry in enumerate(starting, 1):
        lines.append(f"  {number}. {entry.name} ({entry.cls.__name__}), {_line(entry.place)}")
    lines += [f"  left out: {each.name}, not enabled, {_line(each.place)}" for each in application.disabled]
    lines += [f"  left out: {finding}" for finding in left_out]
    return lines


def _line(place: Place) -> str:
    return str(place) if place.line is None else f"line {place.line}"
