"""Make the virtual environment and install one set of packages into it.

    python3 scripts/make_venv.py .venv test

Runs on a bare python3: the standard library only. On a fresh Debian the `venv` module cannot work
until `python3-venv` is there; as root it is installed, otherwise the message says what is missing.
Leaves a stamp, `.venv/.ready-<set>`, that `make` compares with pyproject.toml.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

FLOOR = (3, 11)

EXTRAS = {"demo": "", "test": "[all]", "check": "[all]", "bench": "[all]"}
"""What each set installs of Rowstead's extras, beside the dependency group of its own name."""


def main(venv: Path, package_set: str) -> None:
    """Make `venv` if it is not usable and install `package_set` into it."""
    if sys.version_info < FLOOR:
        sys.exit(f"Rowstead needs Python {FLOOR[0]}.{FLOOR[1]} or newer; this is {sys.version.split()[0]}")
    if package_set not in EXTRAS:
        sys.exit(f"unknown set of packages {package_set!r}; known: {', '.join(EXTRAS)}")
    python = venv / "bin" / "python"
    if not is_usable(python):
        make(venv)
    print(f"installing what `{package_set}` needs into {venv} ...", flush=True)
    # Dependency groups came with pip 25.1; Debian 12 brings 23.0.
    pip(python, "--upgrade", "pip>=25.1")
    pip(python, "--editable", f".{EXTRAS[package_set]}", "--group", package_set)
    (venv / f".ready-{package_set}").touch()


def is_usable(python: Path) -> bool:
    """Whether this environment's interpreter runs and has pip (an interrupted making leaves neither)."""
    if not python.exists():
        return False
    probe = subprocess.run([python, "-c", "import pip"], stderr=subprocess.DEVNULL, check=False)
    return probe.returncode == 0


def make(venv: Path) -> None:
    """Make the environment anew, after seeing to it that Python can."""
    if importlib.util.find_spec("ensurepip") is None:
        install_venv_module()
    run(sys.executable, "-m", "venv", "--clear", str(venv))


def install_venv_module() -> None:
    """Debian keeps `ensurepip` in a package of its own."""
    package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        sys.exit(
            f"{sys.executable} cannot make virtual environments: its ensurepip module is missing.\n"
            f"Install it (on Debian or Ubuntu: sudo apt-get install {package}) and run make again,\n"
            f"or name another Python: make PYTHON=python3.12 ..."
        )
    print(f"installing {package} ...", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run("apt-get", "update", "-qq", env=environment)
    run("apt-get", "install", "-y", "-qq", "--no-install-recommends", package, env=environment)


def pip(python: Path, *what: str) -> None:
    run(str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *what)


def run(*command: str, env: dict[str, str] | None = None) -> None:
    """Run a command; when it fails, end with its exit code: it has said why itself."""
    done = subprocess.run(command, env=env, check=False)
    if done.returncode:
        sys.exit(f"failed ({done.returncode}): {' '.join(command)}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), sys.argv[2])
