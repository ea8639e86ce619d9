"""An error that a program expects and handles leaves nothing on stderr, whatever the drivers would say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from conftest import Backend
from servers import Server

JOB = Path(__file__).with_name("job_quiet.py")


def told(url: str, work: str) -> str:
    """What the process writes to stderr; what it does is done right."""
    done = subprocess.run(
        [sys.executable, str(JOB), url, work], capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stdout) == (0, "0\n"), done.stderr
    return done.stderr


def test_a_refused_batch_says_nothing_beside_its_error(sync_backend: Backend) -> None:
    assert told(sync_backend.url, "refused") == ""


def test_a_cancelled_task_says_nothing(backend: Backend) -> None:
    assert told(backend.url, "cancelled") == ""


@pytest.mark.parametrize(
    ("work", "said"),
    [("bare refused", "error ignored terminating"), ("bare cancelled", "never retrieved")],
)
def test_control_the_bare_drivers_say_something(work: str, said: str) -> None:
    with Server.from_environment().database() as database:
        assert said in told(database.url, work)
