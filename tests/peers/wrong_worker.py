"""A side that does everything as Rowstead's does, but forgets a row and changes a value: a control."""

from __future__ import annotations

from typing import Any

from benchmarks.workers.loop import serve
from benchmarks.workers.rowstead_sync import Rowstead


class Wrong(Rowstead):
    def get(self, key: int) -> Any:
        return super().get(key + 1)

    def by_age(self, age: int) -> Any:
        return super().by_age(age)[1:]

    def insert_many(self, people: list[Any]) -> None:
        people[-1].score += 1
        super().insert_many(people)

    def stream(self, count: int) -> int:
        raise RuntimeError("the stream broke")


if __name__ == "__main__":
    serve(Wrong)
