"""Programs that fault tests need: found on the machine, else installed by root from Debian's packages."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

POLICY = Path("/usr/sbin/policy-rc.d")
"""While this exists and says 101, Debian's packages start no services."""


class ProgramMissing(Exception):
    """A test that needs a program fails where there is none; it is never skipped in silence."""


def find_or_install(names: Sequence[str], packages: Sequence[str], places: Sequence[str] = ()) -> str:
    """The first of these programs; as root its packages are installed where none is there.

    `places` are paths that may not be on PATH. Raises ProgramMissing with what to install.
    """
    found = _here(names, places)
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        _install(packages)
        found = _here(names, places)
    if found is None:
        raise ProgramMissing(
            f"{names[0]} is not on this machine. Install it (on Debian or Ubuntu: "
            f"sudo apt-get install {' '.join(packages)}), or put it on PATH."
        )
    return found


def _here(names: Sequence[str], places: Sequence[str]) -> str | None:
    on_path = next((path for name in names if (path := shutil.which(name))), None)
    return on_path or next((place for place in places if os.access(place, os.X_OK)), None)


def _install(packages: Sequence[str]) -> None:
    """Install Debian's packages, without the services that they would start by themselves."""
    ours = not POLICY.exists()
    if ours:
        POLICY.write_text("#!/bin/sh\nexit 101\n")
        POLICY.chmod(0o755)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        for words in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
            done = subprocess.run(
                ["apt-get", "-qq", *words], env=environment, capture_output=True, text=True, check=False
            )
            if done.returncode:
                raise ProgramMissing(f"apt-get {words[0]} failed:\n{done.stdout}{done.stderr}")
    finally:
        if ours:
            POLICY.unlink()
