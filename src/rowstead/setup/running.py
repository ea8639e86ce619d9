"""The steps of setting a database up, each on a connection to the place where it is done.

Knows how to reach these places by URLs, and nothing of where the URLs come from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from rowstead.database import Database
from rowstead.drivers.addresses import Options, Secret
from rowstead.errors import UnreachableError
from rowstead.plan import Plan
from rowstead.session import Session, Trace
from rowstead.setup.functions import UserFunction
from rowstead.setup.needs import Needs, ServerSteps
from rowstead.setup.tables import Made, tables_and_functions
from rowstead.statements.written import Target


@dataclass(frozen=True, slots=True)
class Places:
    """Where an administrator does the steps: outside the program's database, and inside it."""

    outside: Secret
    inside: Secret
    own: Secret
    """As the program itself will reach it."""
    has_root: bool
    """Whether an administrator was named; else it is the program's own user who tries."""


async def prepare_server(
    places: Places, needs: Needs, steps: ServerSteps, trace: Callable[[Trace], None] | None = None
) -> None:
    """Make the database, the role and what both need, as far as they are not there.

    Raises ValidationError for a name that the server cannot keep, UnreachableError, and PrivilegeError where
    the administrator is none.
    """
    steps.check(needs)
    if places.has_root or not await _reaches(places.own):
        await _at(places.outside, steps.outside(needs), trace)
    await _at(places.inside, steps.inside(needs), trace)


async def prepare_tables(
    session: Session, tables: Iterable[sa.Table[Any]], functions: Iterable[type[UserFunction]]
) -> Made:
    """Make functions, and of the tables those that are not there."""
    wanted, given = list(tables), list(functions)
    if not wanted and not given:
        return Made()
    target = Target(session.dialect, session.driver.codec, session.driver.paramstyle)
    return await session.plan(tables_and_functions(wanted, given, target))


async def _reaches(url: Secret) -> bool:
    """Whether the program's user can use its database already: then nobody has to make it."""
    try:
        database = await Database.from_url(url, _ONE)
    except UnreachableError:
        return False
    await database.close()
    return True


async def _at(url: Secret, plan: Plan[None], trace: Callable[[Trace], None] | None) -> None:
    database = await Database.from_url(url, _ONE, trace=trace)
    try:
        await database.plan(plan)
    finally:
        await database.close()


_ONE = Options(min_size=1, max_size=1)
