"""Fixture files as a stranger may have written them: their contents, their columns, their names.

What is sent for a file is what is sent for a harmless file of as many rows; the texts come back as they
stood there. A file that is none is a ValidationError, whatever is wrong with it.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import Backend, backend_of
from faults.corpus_of_injections import some
from faults.figures import record_figure, size
from faults.injection_runs import HARMLESS, corpus
from rowstead import ValidationError
from rowstead.service import FixtureService
from service.injection_loads import MEGABYTE
from service.injection_wire import BACKENDS, Wire, canary_lives, wired

ROWS = size(short=1_000, long=5_000)
ONE_BY_ONE = size(short=200, long=2_000)
"""How many strings make a file each."""
Rows = list[dict[str, Any]]


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    return backend_of(request, tmp_path)


@pytest.fixture
async def wire(backend: Backend) -> AsyncIterator[Wire]:
    async with wired(backend) as wire:
        yield wire


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "fixtures"
    folder.mkdir()
    return folder


def as_csv(rows: Rows) -> str:
    written = io.StringIO(newline="")
    writer = csv.DictWriter(written, rows[0], quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows(rows)
    return written.getvalue()


WRITERS: Mapping[str, Callable[[Rows], str]] = {
    "json": json.dumps,
    "jsonl": lambda rows: "\n".join(map(json.dumps, rows)) + "\n",
    "csv": as_csv,
    "yaml": yaml.safe_dump,
}


async def sent_by_load(wire: Wire, folder: Path) -> list[str]:
    """What loading the folder's files into the tables of tags and notes sends."""
    services: Any = [wire.services.tags, wire.services.notes]
    wire.sent.clear()
    await FixtureService(root_dir=folder, services=services).load()
    return list(wire.sent)


async def refused(wire: Wire, folder: Path) -> list[str]:
    """The same for files that must be refused."""
    with pytest.raises(ValidationError):
        await sent_by_load(wire, folder)
    return list(wire.sent)


async def empty(wire: Wire) -> None:
    await wire.db.execute("DELETE FROM tags")


@pytest.mark.parametrize("kind", WRITERS)
async def test_what_a_file_holds_is_stored_as_it_stands_there(wire: Wire, folder: Path, kind: str) -> None:
    texts = [text for text in some(corpus(), ROWS) if wire.holds(text)]
    rows = [{"label": f"row {n}", "n": n, "note": text} for n, text in enumerate(texts)]
    file = folder / f"Tags.{kind}"
    harmless: list[str] = []
    # Twice: the first time a driver learns about types.
    for _ in range(2):
        await empty(wire)
        file.write_text(WRITERS[kind]([{**row, "note": HARMLESS} for row in rows]), newline="")
        harmless = await sent_by_load(wire, folder)
    await empty(wire)
    file.write_text(WRITERS[kind](rows), newline="")
    sent = await sent_by_load(wire, folder)
    stored = await wire.db.fetch("SELECT label, n, note FROM tags ORDER BY n")
    wrong = [
        (row["note"], read["note"])
        for row, read in zip(rows, stored, strict=True)
        if row["note"] != read["note"]
    ]
    record_figure(
        f"service, injection corpus in a fixture file ({kind}), {wire.backend.name}: statements changed, "
        "texts changed, canaries dead",
        f"{int(sent != harmless)}, {len(wrong)}, {int(not await canary_lives(wire.db, wire.backend))} "
        f"of {len(rows):,} rows",
        "0, 0, 0",
        f"the line `control: a service that pastes values, {wire.backend.name}`",
    )
    assert sent == harmless
    assert wrong == []


async def test_a_string_as_a_key_in_a_file_is_one_that_is_not_there(wire: Wire, folder: Path) -> None:
    file = folder / "Tags.json"
    file.write_text(json.dumps([{"label": "x", "n": 1, HARMLESS: 1}]))
    usual = await refused(wire, folder)
    changed: list[str] = []
    for text in some(corpus(), ONE_BY_ONE):
        file.write_text(json.dumps([{"label": "x", "n": 1, text: 1}]))
        if await refused(wire, folder) != usual:
            changed.append(text)
    assert changed == []
    assert await wire.db.fetch("SELECT label FROM tags") == []


@pytest.mark.parametrize("form", ["{}.json", "{}/rows.jsonl", "001_{}.csv"])
async def test_a_string_as_the_name_of_a_file_reaches_no_table(wire: Wire, folder: Path, form: str) -> None:
    tried = 0
    for text in some(corpus(), ONE_BY_ONE):
        file = folder / form.format(text)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text('[{"id": 3, "alive": 0}]')
        except (OSError, ValueError):
            # No name of a file at all.
            continue
        if folder not in file.resolve().parents:
            file.unlink()
            continue
        tried += 1
        try:
            sent = await sent_by_load(wire, folder)
        except ValidationError:
            sent = list(wire.sent)
        assert sent == []
        file.unlink()
        if file.parent != folder:
            file.parent.rmdir()
    assert tried > ONE_BY_ONE / 2


async def test_a_string_as_a_name_of_fixtures_is_refused(wire: Wire, folder: Path) -> None:
    (folder / "Tags.json").write_text('[{"label": "x", "n": 1}]')
    services: Any = [wire.services.tags]
    for text in corpus():
        with pytest.raises(ValidationError):
            await FixtureService(root_dir=folder, services=services, fixtures=[text]).load()
    assert wire.sent == []


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{after}: &{after} [{', '.join([f'*{before}'] * 10)}]\n"
    for before, after in zip("abcdefghi", "bcdefghij", strict=True)
)
RIGHT = {"label": "x", "n": 1}
NO_FILES: Mapping[str, tuple[str, bytes]] = {
    "no rows": ("json", b"5"),
    "a row without a list": ("json", b'{"label": "x", "n": 1}'),
    "nothing but a text": ("json", b'"x"'),
    "half a file": ("json", b'[{"label": "x", "n": 1}'),
    "rows that are none": ("json", b'[5, null, "x"]'),
    "no UTF-8": ("json", b'[{"label": "\xff", "n": 1}]'),
    "deep": ("json", b"[" * 200_000),
    "a deep value": ("json", b'[{"label": ' + b"[" * 100_000 + b"]" * 100_000 + b', "n": 1}]'),
    "a number of 100,000 digits": ("json", b'[{"label": "x", "n": ' + b"9" * 100_000 + b"}]"),
    "a number beyond every column": ("json", b'[{"label": "x", "n": 1e400}]'),
    "no number": ("json", b'[{"label": "x", "n": NaN}]'),
    "a NUL": ("jsonl", b"\x00"),
    "a line that is none": ("jsonl", b'{"label": "x", "n": 1}\n[]\n'),
    "a line of a megabyte": ("jsonl", MEGABYTE.encode()),
    "a column of a megabyte": ("json", json.dumps([{**RIGHT, MEGABYTE: 1}]).encode()),
    "a wrong header": ("csv", b"label;n\nx;1\n"),
    "a header twice": ("csv", b"label,n,n\nx,1,2\n"),
    "a row that is too long": ("csv", b"label,n\nx,1,2,3\n"),
    "an open quote": ("csv", b'label,n\n"x,1\n'),
    "laughs": ("yaml", LAUGHS.encode()),
    "a row of laughs": ("yaml", f"{LAUGHS}rows: *j\n".encode()),
    "an object of Python's": ("yaml", b"- label: !!python/object/apply:os.getcwd []\n  n: 1\n"),
    "a module of Python's": ("yaml", b"!!python/module:os\n"),
    "open brackets": ("yaml", b"[" * 5_000),
    "two documents": ("yaml", b"- label: x\n  n: 1\n---\n- 5\n"),
    "keys that are none": ("yaml", b"- {[a, b]: 1}\n"),
    "itself": ("yaml", b"&a [*a]\n"),
    "a row of itself": ("yaml", b"- &a {label: *a, n: 1}\n"),
}


@pytest.mark.sqlite
@pytest.mark.parametrize("name", NO_FILES)
async def test_a_file_that_is_none_is_refused(
    name: str, request: pytest.FixtureRequest, tmp_path: Path, folder: Path
) -> None:
    request.param = "sqlite"
    kind, content = NO_FILES[name]
    async with wired(backend_of(request, tmp_path)) as wire:
        (folder / f"Tags.{kind}").write_bytes(content)
        await refused(wire, folder)
        assert await wire.db.fetch("SELECT label FROM tags") == []
