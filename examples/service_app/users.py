"""Two users of one service: what each sees, changes and is refused."""

import asyncio

from rowstead.service import App, NotFound, ValidationError, session
from tasks import TaskService


async def main() -> None:
    async with App.from_yaml("app.yaml") as app:
        service = app.discover("tasks", TaskService)

        with session(user_id=1):
            print("1 creates:", await service.create({"id": "report", "commands": [], "cron": "0 6 * * 1"}))
            for wrong in (
                {"id": "backup", "commands": [], "cron": "daily"},
                {"id": "backup", "commands": [], "cron": "0 3 * * *", "user_id": 2},
                {"id": "backup", "commands": [], "cron": "0 3 * * *", "token": "mine"},
            ):
                try:
                    await service.create(wrong)
                except ValidationError as error:
                    print("1 is refused:", error)

        with session(user_id=2):
            print("2 sees:", (await service.list())["data"])
            for call in (service.get, service.delete):
                try:
                    await call("report")
                except NotFound as error:
                    print("2 is refused:", error)
            print("2 changes:", await service.m_update([], {"cron": "* * * * *"}, conditions="*"))
            for asked in ({"token": {"like": "a%"}}, {"cron": {"~": "(a+)+$"}}, {"corn": "* * * * *"}):
                try:
                    await service.list(asked)
                except ValidationError as error:
                    print("2 is refused:", error)

        with session(user_id=3, permissions={"tasks.view_others", "tasks.modify_others"}):
            page = await service.list(sort="id", columns="id")
            print("3 sees:", [task["id"] for task in page["data"] or []])
            print("3 deletes:", await service.delete("report", columns=["id", "user_id"]))


asyncio.run(main())
