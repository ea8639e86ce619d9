"""Django's ORM without a project: synchronous, a connection that the thread keeps; psycopg 3."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import django
from django.conf import settings

from benchmarks.people import COLUMNS, named
from benchmarks.sql_sqlite import SETTINGS
from benchmarks.workers.loop import SyncWorker, Target, serve
from benchmarks.workers.work import PAGE, PREFETCH


def connection(target: Target) -> dict[str, Any]:
    if target.is_sqlite:
        pragmas = ";".join(f"PRAGMA {setting}" for setting in SETTINGS)
        options = {"init_command": pragmas, "transaction_mode": "IMMEDIATE", "timeout": 30}
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": target.place, "OPTIONS": options}
    url = urlsplit(target.place)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": url.path[1:],
        "USER": url.username,
        "PASSWORD": url.password,
        "HOST": url.hostname,
        "PORT": url.port,
        "CONN_MAX_AGE": None,
    }


class Django(SyncWorker):
    packages = ("django",)

    def open(self) -> None:
        settings.configure(DATABASES={"default": connection(self.target)}, USE_TZ=False)
        django.setup()
        # Django's models can be defined only when it is set up.
        from django.db import connection as opened
        from django.db import models, transaction

        class Columns(models.Model):
            id = models.BigAutoField(primary_key=True)
            name = models.TextField()
            email = models.TextField(null=True)
            age = models.IntegerField()
            score = models.FloatField()
            active = models.BooleanField()
            created_at = models.DateTimeField()

            class Meta:
                abstract = True
                app_label = "people"

        class Person(Columns):
            class Meta(Columns.Meta):
                abstract = False
                db_table = "people"

        class NewPerson(Columns):
            class Meta(Columns.Meta):
                abstract = False
                db_table = "people_new"

        self.connection, self.atomic = opened, transaction.atomic
        self.person, self.new_person = Person, NewPerson

    def close(self) -> None:
        self.connection.close()

    def left_out(self) -> dict[str, str]:
        return {"tasks": "its asynchronous methods run in one thread, on one connection"}

    def notes(self) -> dict[str, str]:
        return {"update": "reads the row, then saves it (two statements): updates return no rows"}

    def bulk(self, rows: list[tuple[Any, ...]]) -> Any:
        return [self.new_person(**named(row)) for row in rows]

    def get(self, key: int) -> Any:
        return self.person.objects.get(pk=key)

    def insert(self, values: dict[str, Any]) -> Any:
        return self.new_person.objects.create(**values)

    def update(self, key: int, name: str, score: float) -> Any:
        person = self.person.objects.get(pk=key)
        person.name, person.score = name, score
        person.save(update_fields=["name", "score"])
        return person

    def insert_in_transaction(self, rows: list[dict[str, Any]]) -> Any:
        with self.atomic():
            return [self.new_person.objects.create(**row) for row in rows]

    def insert_many(self, people: list[Any]) -> None:
        self.new_person.objects.bulk_create(people)

    def upsert_many(self, people: list[Any]) -> None:
        self.new_person.objects.bulk_create(
            people, update_conflicts=True, unique_fields=["id"], update_fields=list(COLUMNS[1:])
        )

    def page(self, age: int) -> Any:
        limit, offset = PAGE
        chosen = self.person.objects.filter(age=age)
        people = list(chosen.order_by("id")[offset : offset + limit])
        return chosen.count(), people

    def by_age(self, age: int) -> Any:
        return list(self.person.objects.filter(age=age))

    def first_rows(self, count: int) -> Any:
        return list(self.person.objects.filter(id__lte=count))

    def stream(self, count: int) -> int:
        people = self.person.objects.filter(id__lte=count).order_by("id")
        return sum(person.age + person.id for person in people.iterator(chunk_size=PREFETCH))


if __name__ == "__main__":
    serve(Django)
