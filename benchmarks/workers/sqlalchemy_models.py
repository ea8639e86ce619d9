"""The people as classes of SQLAlchemy's ORM."""

from __future__ import annotations

import datetime

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class Columns:
    """A mixin: both tables have the same columns."""

    id: Mapped[int] = mapped_column(sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True)
    name: Mapped[str] = mapped_column(sa.Text)
    email: Mapped[str | None] = mapped_column(sa.Text)
    age: Mapped[int]
    score: Mapped[float] = mapped_column(sa.Double)
    active: Mapped[bool]
    created_at: Mapped[datetime.datetime]


class Person(Columns, Base):
    __tablename__ = "people"


class NewPerson(Columns, Base):
    __tablename__ = "people_new"
