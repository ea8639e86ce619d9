"""`rowstead app serve`: an application whose public services are called over HTTP until a signal comes.

It holds no rule of HTTP: those are the service face's.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from rowstead.cli import output
from rowstead.cli.app import Signalled, cancelled, failed, read, refused, until_signal
from rowstead.config.said import Place
from rowstead.service.app import App
from rowstead.service.application import Application
from rowstead.service.findings import Finding
from rowstead.service.http import HTTPService
from rowstead.service.http.service import require_server

LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def serve(arguments: argparse.Namespace) -> int:
    """Serve until a signal comes: 0 after SIGTERM, 130 after Ctrl-C, when everything is ended and closed."""
    logging.basicConfig(level=logging.INFO, format=LINE, stream=sys.stderr)
    # What it says of each broken request fills the log for whoever sends them.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    try:
        require_server()
        application = read(arguments)
    except Exception as error:
        # The process ends here, and below: whatever it was is told in one line, with its exit code.
        return output.failure(error, "", False)
    try:
        findings = application.findings or asyncio.run(_findings(application))
        if findings:
            return refused(replace(application, findings=tuple(findings)))
        return asyncio.run(until_signal(App(application), partial(_listen, arguments.host, arguments.port)))
    except Exception as error:
        return failed(error)
    except asyncio.CancelledError:
        return cancelled()


async def _findings(application: Application) -> Sequence[Finding]:
    """What keeps an application from being served."""
    serving = [entry for entry in application.entries if issubclass(entry.cls, HTTPService)]
    if not serving:
        problem = (
            "nothing says who may call: add a service `cls: HTTPService` with `tokens`, `authenticate` or "
            "`anonymous`"
        )
        return [Finding(Place(application.source), problem)]
    if len(serving) > 1:
        names = ", ".join(entry.name for entry in serving)
        return [Finding(serving[1].place, f"one HTTPService is served, and there are several: {names}")]
    return [finding for finding in await App(application).check() if not finding.left_out]


async def _listen(host: str | None, port: int | None, app: App, signalled: Signalled) -> None:
    """Serve until the signal, and let requests in flight end."""
    from rowstead.service.http.serving import address_of, listening, make_room, serve

    service = app.discover(None, HTTPService, asked_by="app serve")
    make_room(service.limits)
    application = service.asgi()
    stop = asyncio.Event()
    signalled.add_done_callback(lambda _: stop.set())
    with listening(host or service.host, service.port if port is None else port) as listener:
        address = address_of(listener)
        await serve(
            application,
            listener,
            service.limits,
            proxies=service.proxies,
            stop=stop,
            started=lambda: output.result({}, [f"serving on {address}"], as_json=False),
        )
