"""`PermHook`: rows belong to users, and a session without the permission sees and changes its own only."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import sqlalchemy as sa

from rowstead.errors import UsageError, ValidationError, did_you_mean
from rowstead.service.hooks import following
from rowstead.service.sessions import Session


class PermHook:
    """Mixed into a `SQLService`, before or behind it, keeps the rows of one user from another.

    A session sees others' rows with the permission `permission_view` and writes them with
    `permission_modify`. One without a user sees none and writes none. Without a session, and for the
    system's, nothing is kept. Hooks of the class's own are asked besides, and take nothing away from it.
    """

    permission_column: ClassVar[str] = "user_id"
    """Holds the user whom a row belongs to."""
    permission_view: ClassVar[str | None] = None
    """None: `<the service's name>.view_others`."""
    permission_modify: ClassVar[str | None] = None
    """None: `<the service's name>.modify_others`."""

    if TYPE_CHECKING:
        table: ClassVar[sa.Table]
        name: str

        def get_session(self) -> Session | None: ...

    def permit_select(self, sql: sa.Select[Any]) -> sa.Select[Any]:
        """The rows that the session may see."""
        sql = self._own(sql, self.permission_view or f"{self.name}.view_others")
        return following(super(), "permit_select", sql)

    def permit_change(self, sql: sa.Update) -> sa.Update:
        """The rows that the session may change."""
        return following(super(), "permit_change", self._own(sql, self._modify))

    def permit_delete(self, sql: sa.Delete) -> sa.Delete:
        """The rows that the session may delete."""
        return following(super(), "permit_delete", self._own(sql, self._modify))

    def permit_insert(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """The row, the session's own where it says nothing else. ValidationError for another user's."""
        session, column = self._bound(self._modify), self._owner.name
        if session is not None:
            if row.get(column) is None:
                row = {**row, column: self._somebody(session)}
            self._refuse_others(session, row[column])
        return following(super(), "permit_insert", row)

    def permit_update(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """The data. ValidationError where it would give a row to another user."""
        session, column = self._bound(self._modify), self._owner.name
        if session is not None and column in data:
            self._refuse_others(session, data[column])
        return following(super(), "permit_update", data)

    @property
    def _modify(self) -> str:
        return self.permission_modify or f"{self.name}.modify_others"

    @cached_property
    def _owner(self) -> sa.Column[Any]:
        columns = {column.name: column for column in self.table.columns}
        if self.permission_column not in columns:
            hint = did_you_mean(self.permission_column, columns)
            raise UsageError(
                f"{type(self).__name__}: permission_column is {self.permission_column!r}, which "
                f"{self.table.name} lacks; {hint}"
            )
        return columns[self.permission_column]

    def _bound(self, permission: str) -> Session | None:
        """The session that is held to its own rows; None where nothing is kept."""
        session = self.get_session()
        return None if session is None or session.allows(permission) else session

    def _own(self, sql: Any, permission: str) -> Any:
        session = self._bound(permission)
        if session is None:
            return sql
        if session.user_id is None:
            return sql.where(sa.false())
        # Held to the column's type: to MariaDB the number 0 is equal to most texts.
        owner = self._owner
        return sql.where(owner == sa.literal(session.user_id, owner.type))

    def _somebody(self, session: Session) -> Any:
        if session.user_id is None:
            raise ValidationError(
                f"a row of {self.table.name} belongs to a user, and this session has none",
                table=self.table.name,
                column=self.permission_column,
            )
        return session.user_id

    def _refuse_others(self, session: Session, owner: Any) -> None:
        if owner != self._somebody(session):
            raise ValidationError(
                f"{self.permission_column!r} of {self.table.name} is another user: that needs the permission "
                f"{self._modify!r}",
                table=self.table.name,
                column=self.permission_column,
            )
