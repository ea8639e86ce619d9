"""What a service can be asked."""

import asyncio

from rowstead.service import App, NotFound
from tasks import TaskService


async def main() -> None:
    async with App.from_yaml("app.yaml") as app:
        service = app.discover("tasks", TaskService)

        print(await service.get("orders.sync"))
        try:
            await service.get("orders.snyc")
        except NotFound as error:
            print(error)

        reports = [{"id": f"report.{n}", "commands": [], "cron": f"0 {n} * * *"} for n in range(24)]
        await service.m_create(reports, columns=[])
        print(await service.update("report.7", {"cron": "30 7 * * *"}, columns=["cron"]))

        page = await service.list({"id": {"like": "report.1%"}}, sort="-id", limit=4, columns="id")
        print(page)
        async for batch in service.iter({"cron": ["* * * * *", "30 7 * * *"]}, columns="id", limit=2):
            print(batch)

        deleted = await service.m_delete(conditions={"id": {"starts_with": "report."}}, columns="id")
        print(len(deleted or []), await service.count())


asyncio.run(main())
