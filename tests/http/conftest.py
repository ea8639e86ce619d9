"""A server of `Greeter` that all tests of a file share, and one that it can be told otherwise."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from http_server import Server, running
from public_services import Greeter, Inner


@pytest.fixture(scope="module")
def greeter() -> Greeter:
    return Greeter()


@pytest.fixture(scope="module")
def server(greeter: Greeter) -> Iterator[Server]:
    """Everybody may call, as often as they like."""
    with running(services=[greeter, Inner()]) as server:
        yield server
