"""Databases of one test each for the commands that compare them with models, and the command with them."""

from __future__ import annotations

import contextlib
import io
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pymysql
import pytest
import sqlalchemy as sa
from pymysql.constants import CLIENT

from rowstead.cli import main


@dataclass
class Place:
    """A database for one test, and the command with it."""

    folder: Path
    url: str
    execute: Callable[[str], list[tuple[object, ...]]]

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """The command in this process, as though it had just begun: code, stdout, stderr."""
        out, error = io.StringIO(), io.StringIO()
        with (
            contextlib.chdir(self.folder),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(error),
        ):
            code = main(["db", *arguments, "--url", self.url])
        for file in self.folder.glob("*.py"):
            sys.modules.pop(file.stem, None)
        return code, out.getvalue(), error.getvalue()

    def alone(self, *arguments: str) -> tuple[int, str]:
        """The command in a process of its own: code, and what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "rowstead", "db", *arguments, "--url", self.url],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def models(self, name: str, text: str) -> None:
        """A module of models."""
        (self.folder / f"{name}.py").write_text(text)

    def create(self, name: str) -> None:
        """The tables of a module of models, as SQLAlchemy makes them."""
        module: dict[str, Any] = {"__name__": f"{name}_{self.folder.name}"}
        sys.modules[module["__name__"]] = ModuleType(module["__name__"])
        exec(compile((self.folder / f"{name}.py").read_text(), name, "exec", dont_inherit=True), module)
        url = self.url.replace("postgresql:", "postgresql+psycopg:").replace("mysql:", "mysql+pymysql:")
        engine = sa.create_engine(url)
        module["Base"].metadata.create_all(engine)
        engine.dispose()
        del sys.modules[module["__name__"]]

    def file(self) -> Path:
        """The newest migration."""
        return max((self.folder / "migrations").iterdir())


def on_sqlite(folder: Path) -> Place:
    path = folder / "app.db"

    def execute(text: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(path)) as connection:
            if text.lstrip().upper().startswith("SELECT"):
                return connection.execute(text).fetchall()
            connection.executescript(text)
            return []

    return Place(folder, f"sqlite:///{path}", execute)


def on_postgres(folder: Path, url: str) -> Place:
    def execute(text: str) -> list[tuple[object, ...]]:
        with psycopg.connect(url, autocommit=True) as connection:
            cursor = connection.execute(text.encode())
            return cursor.fetchall() if cursor.description else []

    return Place(folder, url, execute)


def on_mariadb(folder: Path, url: str) -> Place:
    parts = urlsplit(url)

    def execute(text: str) -> list[tuple[object, ...]]:
        connection = pymysql.connect(
            host=parts.hostname,
            port=parts.port or 3306,
            user=parts.username,
            password=parts.password or "",
            database=parts.path[1:],
            autocommit=True,
            client_flag=CLIENT.MULTI_STATEMENTS,
        )
        with closing(connection), connection.cursor() as cursor:
            cursor.execute(text)
            return list(cursor.fetchall())

    return Place(folder, url, execute)


PLACES = ("sqlite", "postgresql", "mariadb")


def made(kind: str, folder: Path, address: Callable[[str], str]) -> Place:
    """A place of a kind; `address` gives the server's by the name of its fixture."""
    if kind == "sqlite":
        return on_sqlite(folder)
    if kind == "postgresql":
        return on_postgres(folder, address("postgres_url"))
    return on_mariadb(folder, address("mariadb_url"))


def without_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the environment names a database."""
    ours = ("ROWSTEAD_DATABASE", "ROWSTEAD_CONFIG", "DATABASE_URL")
    for name in [name for name in os.environ if name.startswith(ours)]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
