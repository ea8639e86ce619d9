"""The services that tests share: one for each table, that says nothing beside its table."""

from __future__ import annotations

from typing import Any

from rowstead.service import SQLService
from service.tables import documents, members, my_table, projects, readings, tasks


class MyService(SQLService[str, dict[str, Any]]):
    table = my_table


class Projects(SQLService[int, dict[str, Any]]):
    table = projects


class Tasks(SQLService[int, dict[str, Any]]):
    table = tasks


class Members(SQLService[Any, dict[str, Any]]):
    table = members


class Readings(SQLService[Any, dict[str, Any]]):
    table = readings


class Documents(SQLService[Any, dict[str, Any]]):
    table = documents


def names(rows: Any) -> list[str]:
    """The names of rows, sorted: what came back where the order does not matter."""
    return sorted(row["name"] for row in rows)


def ids(rows: Any) -> list[Any]:
    """The ids of rows, in their order."""
    return [row["id"] for row in rows]


def some(number: int) -> list[dict[str, Any]]:
    """Rows of `tasks`: ids and values from 1, names t1, t2, …; every third is not active."""
    return [
        {"id": n, "name": f"t{n}", "value": n, "active": n % 3 != 0, "hash": f"secret {n}"}
        for n in range(1, number + 1)
    ]
