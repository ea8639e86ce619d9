"""The comparison with peers: its workers' protocol on SQLite, what it compares, and what it writes."""

from __future__ import annotations

import sys
import xml.etree.ElementTree
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from benchmarks.harness import BARE, OURS, Progress, SidesDiffer
from benchmarks.peers import databases, report
from benchmarks.peers.__main__ import SETTINGS
from benchmarks.peers.chart import apart, axis, chart
from benchmarks.peers.compare import compare, open_sides, rows
from benchmarks.peers.processes import Process, WorkerFailed
from benchmarks.peers.sides import OURS_SYNC, SIDES, sides
from benchmarks.workers.loop import digest
from benchmarks.workers.work import Size, Work

SMALL = Size(people=300, bulk=40, streamed=200)
WRONG = "wrong"


Sides = tuple[databases.Database, list[Process]]


@pytest.fixture(scope="module")
def bench() -> Iterator[Sides]:
    """The bare side and both of ours on a small SQLite."""
    with databases.sqlite(SMALL) as database, ExitStack() as stack:
        yield database, open_sides(stack, database, sides("sqlite", []), SMALL)


@contextmanager
def wrong_side(database: databases.Database) -> Iterator[Process]:
    """A worker that errs: see wrong_worker.py."""
    first = {"database": "sqlite", "place": database.place, "pool": 1, "size": asdict(SMALL)}
    with Process(WRONG, sys.executable, "tests.peers.wrong_worker", first) as process:
        yield process


def work(database: databases.Database, verb: str) -> Work:
    return next(work for work in rows(database, SMALL) if work.verb == verb)


def test_every_row_is_done_alike_by_the_bare_side_and_by_both_of_ours(bench: Sides) -> None:
    database, processes = bench
    assert [process.name for process in processes] == [BARE, OURS, OURS_SYNC]
    for each in rows(database, SMALL):
        result = compare(each, database, processes, True, Progress())
        assert [len(times) for times in result.seconds.values()] == [2, 2, 2], each.name
        assert all(second > 0 for times in result.seconds.values() for second in times)


def test_a_side_with_another_result_is_caught_and_one_that_fails_says_why(bench: Sides) -> None:
    database, (bare, *_) = bench
    with wrong_side(database) as wrong:
        for verb in ("get", "by_age", "insert_many"):
            with pytest.raises(SidesDiffer, match=f"{WRONG} gave .*, {BARE} gave "):
                compare(work(database, verb), database, [bare, wrong], True, Progress())
        # What it does right is not complained of.
        compare(work(database, "page"), database, [bare, wrong], True, Progress())
        with pytest.raises(WorkerFailed, match=r"(?s)the worker of wrong ended.*the stream broke"):
            compare(work(database, "stream"), database, [bare, wrong], True, Progress())


def test_a_row_that_a_side_leaves_out_is_not_asked_of_it(bench: Sides) -> None:
    _, processes = bench
    tasks = Work("50 tasks over a pool of 10", "tasks")
    assert [process.does(tasks) for process in processes] == [False, True, False]


def test_a_digest_tells_values_order_and_types_apart() -> None:
    assert digest([(1, True)]) == digest([(1, True)])
    assert len({digest([(1, True)]), digest([(1, 1)]), digest([("1", True)]), digest([(True, 1)])}) == 4


def test_every_side_has_a_worker() -> None:
    folder = Path(sys.modules["benchmarks.workers.work"].__file__ or "").parent
    assert [side.name for side in SIDES if not (folder / f"{side.module}.py").exists()] == []


# What is written, from figures made up here.


def figures(**ratios: float) -> dict[str, Any]:
    forms = {BARE: "synchronous", OURS: "asynchronous", OURS_SYNC: "synchronous"}
    said = {
        name: {
            "form": forms.get(name, "asynchronous" if name == "Tortoise" else "synchronous"),
            "versions": {name: "1"},
            "left_out": {},
            "notes": {},
        }
        for name in (BARE, *ratios)
    }
    said["Peewee"]["left_out"] = {"stream": "no streams"}
    said["Tortoise"]["notes"] = {"get": "reads twice"}
    row = {
        "verb": "get",
        "name": "get by key",
        "microseconds": {BARE: 10.0},
        "ratio": {BARE: 1.0, **ratios},
    }
    streams = {
        "verb": "stream",
        "name": "stream",
        "microseconds": {BARE: 10.0},
        "ratio": {BARE: 1.0, OURS: 2.0},
    }
    where = dict.fromkeys(report.MACHINE, "some")
    return {
        "sqlite": {
            "machine": where,
            "quick": False,
            "load": 1.0,
            "version": "3",
            "sides": said,
            "rows": [row, streams],
        }
    }


FIRST = figures(**{OURS: 0.5, OURS_SYNC: 0.4, "Tortoise": 0.6, "Peewee": 0.45})
BEHIND = figures(**{OURS: 0.5, OURS_SYNC: 0.4, "Tortoise": 0.25, "Peewee": 0.45})


def test_a_side_is_compared_with_ours_of_the_same_form() -> None:
    assert report.not_first("sqlite", FIRST["sqlite"]) == ["- First in every row."]
    # Peewee is faster than our asynchronous side, but not than our synchronous one.
    (line,) = report.not_first("sqlite", BEHIND["sqlite"])
    assert line.startswith("- get by key: not first: Tortoise takes 0.50 of rowstead's time (0.25 to 0.50")
    cells = next(row for row in report.table(BEHIND["sqlite"]) if "get by key" in row)
    assert [cell.strip() for cell in cells.split("|")][3:-1] == ["0.50", "**0.40**", "0.25", "0.45"]


def test_figures_of_a_busy_machine_say_so() -> None:
    group = FIRST["sqlite"]
    assert "rough" not in report.machine(group)
    assert "rough" in report.machine(group | {"load": 9.0})


def test_the_page_says_what_is_left_out_and_done_otherwise() -> None:
    text = report.page(FIRST, SETTINGS)
    assert "- Peewee, stream: –, no streams." in text
    assert "- Tortoise, get by key: reads twice." in text


def test_the_documents_part_is_written_anew_and_the_rest_left_alone(tmp_path: Path) -> None:
    document = tmp_path / "performance.md"
    document.write_text("# Performance\n\nText.\n")
    report.put_into(document, BEHIND)
    once = document.read_text()
    assert once.startswith("# Performance\n\nText.\n")
    assert "not first: Tortoise" in once
    document.write_text(once + "\nMore text.\n")
    report.put_into(document, FIRST)
    twice = document.read_text()
    assert "not first: Tortoise" not in twice
    assert twice.endswith("\nMore text.\n")
    assert twice.count(report.BEGIN) == twice.count(report.END) == 1


def test_a_chart_is_an_svg_with_a_mark_for_every_figure() -> None:
    group = FIRST["sqlite"]
    root = xml.etree.ElementTree.fromstring(chart("Title", group))
    titles = [title.text for title in root.iter("{http://www.w3.org/2000/svg}title")]
    assert "Tortoise: 0.60" in titles
    assert "rowstead: 2.00" in titles
    scale = axis([0.3, 40.0])
    assert (scale.low, scale.high) == (0.2, 50.0)
    assert scale.x(0.2) < scale.x(1.0) < scale.x(50.0)


def test_marks_that_would_overlap_are_moved_apart_and_ours_stay() -> None:
    places = apart({OURS: 100.0, "Tortoise": 104.0, "Peewee": 96.0, "Django": 200.0})
    assert places[OURS] == (100.0, 0.0)
    assert places["Django"] == (200.0, 0.0)
    assert {places["Tortoise"][1], places["Peewee"][1]} == {1.0, -1.0}
