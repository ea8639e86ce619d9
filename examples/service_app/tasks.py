"""Tasks that are run again and again: their table, and the service on it."""

import secrets
from collections.abc import Mapping
from typing import Any, TypedDict

import sqlalchemy as sa

from rowstead.service import SERVICE_CLASS_REGISTRY, PermHook, PublicInterface, SQLService, ValidationError

tasks = sa.Table(
    "tasks",
    sa.MetaData(),
    sa.Column("id", sa.String(80), primary_key=True),
    sa.Column("commands", sa.JSON, nullable=False),
    sa.Column("cron", sa.String(40), nullable=False),
    sa.Column("user_id", sa.Integer),
    sa.Column("token", sa.String(60)),
)


class Task(TypedDict):
    """A task as callers see it: without its token."""

    id: str
    commands: list[dict[str, Any]]
    cron: str
    user_id: int | None


@SERVICE_CLASS_REGISTRY.register
class TaskService(PermHook, SQLService[str, Task], PublicInterface):
    """The tasks. A user sees and changes their own; whoever may `tasks.view_others` sees all."""

    service_name = "tasks"
    table = tasks
    select_columns_blacklist = {"token"}
    insert_columns_blacklist = {"token"}
    update_columns_blacklist = {"id", "token"}

    def prepare_insert_data(self, data: dict[str, Any]) -> Mapping[str, Any]:
        return {**self.prepare_update_data(data), "token": secrets.token_urlsafe()}

    def prepare_update_data(self, data: dict[str, Any]) -> Mapping[str, Any]:
        cron = data.get("cron", "* * * * *")
        if len(cron.split()) != 5:
            raise ValidationError(f"cron has five fields, not {cron!r}", column="cron")
        return data
