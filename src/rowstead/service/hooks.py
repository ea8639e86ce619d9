"""The hooks of a service: what its class may say about the rows of every call, and what comes of it.

Conditions become guards, which bind whatever the call is; rows are copies, so that a caller's own stay as
they are. A class that says nothing pays next to nothing: it is asked which hooks there are, and no more.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Mapping, Sequence
from copy import deepcopy
from functools import cached_property
from typing import Any, ClassVar, cast

import sqlalchemy as sa

from rowstead.errors import UsageError
from rowstead.language.guards import NO_GUARD, Guard, guard_of
from rowstead.language.inserted import values_added

Data = Mapping[str, Any]

HOOKS = (
    "prepare_insert_data",
    "prepare_update_data",
    "get_condition_hook",
    "insert_condition_hook",
    "update_condition_hook",
    "delete_condition_hook",
    "permit_insert",
    "permit_update",
    "permit_select",
    "permit_change",
    "permit_delete",
    "after_create_hook",
    "after_update_hook",
    "after_delete_hook",
)


OF_CHANGES = frozenset(HOOKS) - {
    "get_condition_hook",
    "delete_condition_hook",
    "permit_select",
    "permit_delete",
}
"""Those that have a word on rows that are inserted or changed, or are told of them."""


class Hooks:
    """Every hook as it is where nobody says more: it asks the next class, so that mix-ins add up.

    A class's own hook may be a method or static. One that is to be added to a mix-in's, and does not take
    its place, calls `super()`.
    """

    table: ClassVar[sa.Table]

    # Rows, before they are written

    def prepare_insert_data(self, data: dict[str, Any]) -> Data:
        """A row that is to be inserted, a copy of the caller's, as it should be."""
        return following(super(), "prepare_insert_data", data)

    def prepare_update_data(self, data: dict[str, Any]) -> Data:
        """What rows are to be updated with, a copy of the caller's, as it should be; an upsert's too."""
        return following(super(), "prepare_update_data", data)

    def permit_insert(self, row: Data) -> Data:
        """A row that goes to the database, after every other hook; for mix-ins that refuse or complete it."""
        return following(super(), "permit_insert", row)

    def permit_update(self, data: Data) -> Data:
        """What rows are updated with, after every other hook; for mix-ins that refuse or complete it."""
        return following(super(), "permit_update", data)

    # Conditions

    def get_condition_hook(self, sql: sa.Select[Any]) -> sa.Select[Any]:
        """A select of the table, with conditions added: which rows there are for whoever reads.

        It binds the rows that a write gives back, too.
        """
        return following(super(), "get_condition_hook", sql)

    def insert_condition_hook(self, sql: sa.Insert) -> sa.Insert:
        """An insert into the table; it may raise, or add values that every row gets."""
        return following(super(), "insert_condition_hook", sql)

    def update_condition_hook(self, sql: sa.Update) -> sa.Update:
        """An update of the table, with conditions added: which rows may be changed, by an upsert too."""
        return following(super(), "update_condition_hook", sql)

    def delete_condition_hook(self, sql: sa.Delete) -> sa.Delete:
        """A delete from the table, with conditions added: which rows may be deleted."""
        return following(super(), "delete_condition_hook", sql)

    def permit_select(self, sql: sa.Select[Any]) -> sa.Select[Any]:
        """As `get_condition_hook`, and asked behind it whatever that did; for mix-ins that hide rows."""
        return following(super(), "permit_select", sql)

    def permit_change(self, sql: sa.Update) -> sa.Update:
        """As `update_condition_hook`, and asked behind it whatever that did."""
        return following(super(), "permit_change", sql)

    def permit_delete(self, sql: sa.Delete) -> sa.Delete:
        """As `delete_condition_hook`, and asked behind it whatever that did."""
        return following(super(), "permit_delete", sql)

    # Rows, after they were written

    def after_create_hook(self, *rows: Any) -> Awaitable[None] | None:
        """What was created, where the caller asked for columns; awaited if there is something to await."""
        return _following_all(super(), "after_create_hook", rows)

    def after_update_hook(self, *rows: Any) -> Awaitable[None] | None:
        """What was updated, where the caller asked for columns."""
        return _following_all(super(), "after_update_hook", rows)

    def after_delete_hook(self, *rows: Any) -> Awaitable[None] | None:
        """What was deleted, where the caller asked for columns."""
        return _following_all(super(), "after_delete_hook", rows)

    # What comes of them

    def _says(self, hook: str) -> bool:
        """Whether anybody says something by this hook: the object, its class, or a mix-in behind `Hooks`.

        Looked for at each call and kept nowhere: a hook may be put in later, and one that is overlooked
        shows every row.
        """
        if hook in vars(self) or getattr(type(self), hook) is not _SILENT[hook]:
            return True
        classes = type(self).__mro__
        return any(hook in vars(one) for one in classes[classes.index(Hooks) + 1 :])

    @cached_property
    def _select(self) -> sa.Select[Any]:
        return sa.select(self.table)

    @cached_property
    def _insert(self) -> sa.Insert:
        return sa.insert(self.table)

    @cached_property
    def _update(self) -> sa.Update:
        return sa.update(self.table)

    @cached_property
    def _delete(self) -> sa.Delete:
        return sa.delete(self.table)

    def _may_see(self) -> Guard:
        return self._guard("_select", "get_condition_hook", "permit_select")

    def _may_change(self) -> Guard:
        return self._guard("_update", "update_condition_hook", "permit_change")

    def _may_delete(self) -> Guard:
        return self._guard("_delete", "delete_condition_hook", "permit_delete")

    def _guard(self, statement: str, *hooks: str) -> Guard:
        """What these hooks add to the statement, one behind the other."""
        said = [hook for hook in hooks if self._says(hook)]
        if not said:
            return NO_GUARD
        before = after = getattr(self, statement)
        for hook in said:
            after = getattr(self, hook)(after)
            if type(after) is not type(before):
                break
        _never_awaited(after)
        return guard_of(self.table, before, after)

    def _prepared(self, rows: Sequence[Data]) -> Sequence[Data]:
        """The rows that are to be inserted, as they should be."""
        if not self._says("prepare_insert_data"):
            return rows
        return [_row(self.prepare_insert_data(_copied(row)), "prepare_insert_data") for row in rows]

    def _permitted(self, rows: Sequence[Data]) -> Sequence[Data]:
        """The rows with what goes into every one of them, as far as they may be inserted at all."""
        if self._says("insert_condition_hook"):
            after = self.insert_condition_hook(self._insert)
            _never_awaited(after)
            added = values_added(self.table, self._insert, after)
            rows = [{**row, **added} for row in rows] if added else rows
        if self._says("permit_insert"):
            rows = [_row(self.permit_insert(row), "permit_insert") for row in rows]
        return rows

    def _to_update(self, data: Data) -> Data:
        """What rows are updated with, as the hooks want it."""
        if self._says("prepare_update_data"):
            data = _row(self.prepare_update_data(_copied(data)), "prepare_update_data")
        if self._says("permit_update"):
            data = _row(self.permit_update(data), "permit_update")
        return data

    async def _after(self, hook: str, rows: Sequence[Any]) -> None:
        if self._says(hook):
            done = getattr(self, hook)(*rows)
            if inspect.isawaitable(done):
                await done


_SILENT: Mapping[str, Any] = {name: vars(Hooks)[name] for name in HOOKS}
"""The hooks as they are where nobody says anything."""


def following(others: Any, hook: str, given: Any) -> Any:
    """What the hook of the next class that has one makes of this."""
    of_next = getattr(others, hook, None)
    return given if of_next is None else of_next(given)


def _following_all(others: Any, hook: str, rows: Sequence[Any]) -> Any:
    of_next = getattr(others, hook, None)
    return None if of_next is None else of_next(*rows)


def _copied(row: Data) -> dict[str, Any]:
    """A row that a hook may change, with the lists and dicts in it."""
    return {
        name: deepcopy(cast("Any", value)) if isinstance(value, (dict, list)) else value
        for name, value in row.items()
    }


def _never_awaited(given: Any) -> None:
    """A hook that is `async` and may not be gives a coroutine; nobody is warned of it beside the error."""
    if inspect.iscoroutine(given):
        given.close()


def _row(given: Any, hook: str) -> Data:
    if isinstance(given, Mapping):
        return given  # pyright: ignore[reportUnknownVariableType]
    _never_awaited(given)
    raise UsageError(f"{hook} returned {type(given).__name__}: it returns the data that it is given, a dict")
