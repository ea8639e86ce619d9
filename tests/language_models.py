"""The tables of `language_cases` as mapped classes, for the repository."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from rowstead.repository import Base


class LanguageModel(Base):
    """With a schema of its own: other tests have tables of these names."""

    __abstract__ = True
    metadata = sa.MetaData()


class MappedItem(LanguageModel):
    __tablename__ = "items"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column(default=None)
    n: Mapped[int | None] = mapped_column(default=None)
    price: Mapped[Decimal | None] = mapped_column(default=None)
    ok: Mapped[bool | None] = mapped_column(default=None)
    seen: Mapped[datetime.datetime | None] = mapped_column(default=None)
    tags: Mapped[list[str] | None] = mapped_column(default=None)
    data: Mapped[dict[str, Any] | None] = mapped_column(default=None)
    parent: Mapped[int | None] = mapped_column(default=None)
    token: Mapped[uuid.UUID | None] = mapped_column(default=None)
    raw: Mapped[bytes | None] = mapped_column(default=None)


class MappedOrder(LanguageModel):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    item: Mapped[int | None] = mapped_column(sa.ForeignKey("items.id"), default=None)
    amount: Mapped[int] = mapped_column(kw_only=True)


class MappedMember(LanguageModel):
    __tablename__ = "members"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str | None] = mapped_column(unique=True, default=None, nullable=False)
    age: Mapped[int | None] = mapped_column(default=None)
    size: Mapped[int | None] = mapped_column(default=None)
    level: Mapped[str | None] = mapped_column(default=None)
    item: Mapped[int | None] = mapped_column(sa.ForeignKey("items.id"), default=None)


MAPPED: Mapping[str, type[Any]] = {"items": MappedItem, "orders": MappedOrder, "members": MappedMember}

ON_MARIADB = (
    "CREATE TABLE items (id BIGINT PRIMARY KEY, name VARCHAR(700), n BIGINT, price DECIMAL(65, 30),"
    " ok BOOLEAN, seen DATETIME(6), tags JSON, data JSON, parent BIGINT, token CHAR(36), raw LONGBLOB)",
    "CREATE TABLE orders (id BIGINT PRIMARY KEY, item BIGINT, amount BIGINT NOT NULL,"
    " CONSTRAINT fk_item FOREIGN KEY (item) REFERENCES items (id))",
    "CREATE TABLE members (id BIGINT PRIMARY KEY, email VARCHAR(700) NOT NULL, age BIGINT, size SMALLINT,"
    " level VARCHAR(700), item BIGINT, CONSTRAINT uq_email UNIQUE (email),"
    " CONSTRAINT fk_member_item FOREIGN KEY (item) REFERENCES items (id),"
    " CONSTRAINT short_email CHECK (char_length(email) <= 12), CONSTRAINT known_age CHECK (age >= 0),"
    " CONSTRAINT known_level CHECK (level IN ('low', 'high')),"
    " CONSTRAINT high_is_old CHECK (level != 'high' OR age > 17))",
)
"""The tables where the kit, which makes them elsewhere, keeps nothing."""
