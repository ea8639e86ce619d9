"""Models that have what schemas are made of, for the tests of the generator."""

from __future__ import annotations

import enum
import uuid
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column, relationship


class Base(MappedAsDataclass, DeclarativeBase):
    pass


class Genre(enum.Enum):
    NOVEL = "novel"
    POEM = "poem"


def next_number() -> int:
    return 7


class Author(Base):
    """Someone who writes.

    With a "quoted" word and a back\\slash.
    """

    __tablename__ = "authors"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default_factory=uuid.uuid4, kw_only=True)
    name: Mapped[str] = mapped_column(sa.String(40), doc="As on the cover")
    date: Mapped[date | None] = mapped_column(default=None)
    schema: Mapped[str] = mapped_column(default="x", kw_only=True)
    books: Mapped[list[Book]] = relationship(back_populates="author", default_factory=list)
    favourite: Mapped[Book | None] = relationship(
        primaryjoin="foreign(Author.id) == Book.author_id", viewonly=True, init=False, uselist=False
    )


class Book(Base):
    __tablename__ = "books"

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    title: Mapped[str] = mapped_column(
        sa.String(200),
        comment="The title as it is printed, with its subtitle behind a colon, and without the series to "
        'which the book belongs, which has "a column" of its own elsewhere',
    )
    author_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("authors.id"))
    genre: Mapped[Genre] = mapped_column(default=Genre.NOVEL)
    price: Mapped[Decimal] = mapped_column(sa.Numeric(10, 2), default=Decimal("9.90"))
    number: Mapped[int] = mapped_column(default_factory=next_number)
    ratio: Mapped[float] = mapped_column(default=1)
    binding: Mapped[str] = mapped_column(
        sa.Enum("hardcover with dust jacket", "paperback", "spiral", "leather", "something else, as said"),
        default="paperback",
    )
    state: Mapped[Literal["in", "out"]] = mapped_column(sa.String(3), default="in")
    details: Mapped[dict[str, Any]] = mapped_column(sa.JSON, default_factory=dict)
    anything: Mapped[Any] = mapped_column(sa.JSON, default=None, nullable=True)
    tags: Mapped[list[str]] = mapped_column(sa.JSON, default_factory=list)
    created_at: Mapped[datetime] = mapped_column(server_default=sa.func.now(), init=False)
    author: Mapped[Author] = relationship(back_populates="books", init=False)
