"""Gathers all that a program can show of an error, a handle or a process, to look for a secret in it.

Knows nothing of Rowstead: it walks whatever it is given.
"""

from __future__ import annotations

import io
import logging
import pickle
import traceback
import types
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_PLAIN = (str, bytes, bytearray, int, float, complex, bool, type(None), type, types.ModuleType)
_STORAGE = (dict, list, tuple, set, frozenset)


class Shown:
    """Texts that a user, a log or another process could come to see, and where each stood."""

    def __init__(self) -> None:
        self.texts: list[tuple[str, str]] = []
        self.objects = 0

    def add(self, where: str, text: object) -> None:
        self.texts.append((where, text if isinstance(text, str) else repr(text)))

    def leaks(self, secret: str) -> list[tuple[str, str]]:
        return [(where, text[:400]) for where, text in self.texts if secret in text]

    def error(self, where: str, error: BaseException) -> None:
        """An exception with what caused it and what it was raised beside."""
        self.add(f"{where}: traceback", "".join(traceback.format_exception(error)))
        chain: list[BaseException | None] = [error]
        seen: set[int] = set()
        while chain:
            one = chain.pop()
            if one is None or id(one) in seen:
                continue
            seen.add(id(one))
            kind = f"{where}: {type(one).__name__}"
            for text in (str(one), repr(one), repr(one.args), repr(vars(one))):
                self.add(kind, text)
            self.pickled(kind, one)
            chain += [one.__cause__, one.__context__]
            if isinstance(one, BaseExceptionGroup):
                chain += one.exceptions

    def pickled(self, where: str, thing: object) -> None:
        """What pickling gives, where it gives anything."""
        file = io.BytesIO()
        try:
            pickle.Pickler(file).dump(thing)
        except Exception as refusal:
            self.add(f"{where}: why it cannot be pickled", str(refusal))
        # Also of a pickle that failed half way.
        self.add(f"{where}: pickle", file.getvalue().decode("latin-1"))

    def reachable(self, where: str, root: object) -> None:
        """repr, str and pickle of every object that attributes and containers lead to from `root`.

        A string by itself is not shown: somebody must hold the secret. What shows it is the repr of an
        object, and of the attributes of one.
        """
        todo: list[tuple[str, object]] = [(where, root)]
        seen: set[int] = set()
        while todo and len(seen) < 20_000:
            path, thing = todo.pop()
            if isinstance(thing, _PLAIN) or id(thing) in seen:
                continue
            seen.add(id(thing))
            if isinstance(thing, Mapping):
                todo += [(f"{path}[{key!r}]", value) for key, value in list(thing.items())]
            if isinstance(thing, _STORAGE[1:]):
                todo += [(f"{path}[]", value) for value in list(thing)]
            if type(thing) in _STORAGE:
                continue
            self.objects += 1
            self.add(f"{path}: repr", repr(thing))
            self.add(f"{path}: str", str(thing))
            todo += [(f"{path}.{name}", value) for name, value in _attributes(thing)]
            if type(thing).__module__.startswith("rowstead"):
                self.add(f"{path}: attributes", repr(dict(_attributes(thing))))
                self.pickled(path, thing)


def _attributes(thing: object) -> Iterator[tuple[str, object]]:
    names = list(getattr(thing, "__dict__", {}))
    for kind in type(thing).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        names += [slots] if isinstance(slots, str) else list(slots)
    for name in dict.fromkeys(names):
        if name in ("__dict__", "__weakref__"):
            continue
        mangled = f"_{type(thing).__name__.lstrip('_')}{name}" if name.startswith("__") else name
        try:
            yield name, getattr(thing, mangled)
        except Exception:
            # A slot that was never set has nothing to show.
            continue
    if isinstance(thing, types.FunctionType):
        yield from ((f"closure {i}", cell.cell_contents) for i, cell in enumerate(thing.__closure__ or ()))
    if isinstance(thing, types.MethodType):
        yield "self", thing.__self__


@contextmanager
def watched(shown: Shown) -> Iterator[None]:
    """Every log record and warning in the block, the chatty ones too."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            shown.add(f"log of {record.name}", f"{self.format(record)} {record.__dict__!r}")

    handler = Handler()
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        with warnings.catch_warnings(record=True) as given:
            warnings.simplefilter("always")
            yield
        for warning in given:
            shown.add("warning", f"{warning.message} {warning.source!r}")
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


def processes(shown: Shown, family: int | None = None) -> int:
    """The command line of every process, and the environment of the descendants of `family`; how many."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            command = (folder / "cmdline").read_bytes().decode(errors="replace")
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
        shown.add(f"command line of process {folder.name}", command)
    if family is not None:
        for child, parent in parents.items():
            if parent == family:
                try:
                    environment = (Path("/proc") / str(child) / "environ").read_bytes()
                except OSError:
                    continue
                shown.add(f"environment of process {child}", environment.decode(errors="replace"))
    return len(parents)
