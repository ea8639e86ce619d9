"""Models of the repository's tests: a plain one, one with every mixin, a composite key, renamed columns."""

from __future__ import annotations

import enum
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from rowstead.repository import (
    Base,
    IntPKMixin,
    SoftDeleteMixin,
    UpdateMixin,
    UUIDPKMixin,
    VersionMixin,
)


class Shop(Base):
    """With tables of its own: other tests have some of these names."""

    __abstract__ = True
    metadata = sa.MetaData(naming_convention=Base.metadata.naming_convention)


class Mood(enum.Enum):
    GOOD = "good"
    BAD = "bad"


class User(Shop, UUIDPKMixin, UpdateMixin):
    __tablename__ = "users"

    name: Mapped[str] = mapped_column()
    email: Mapped[str] = mapped_column(unique=True)
    is_active: Mapped[bool] = mapped_column(default=True)
    age: Mapped[int | None] = mapped_column(default=None)
    mood: Mapped[Mood | None] = mapped_column(default=None)


class Doc(Shop, IntPKMixin, UpdateMixin, SoftDeleteMixin, VersionMixin):
    __tablename__ = "docs"

    title: Mapped[str]
    price: Mapped[Decimal | None] = mapped_column(default=None)


class Seat(Shop):
    """A key of two columns."""

    __tablename__ = "seats"

    row: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    taken_by: Mapped[str | None] = mapped_column(default=None)


class Renamed(Shop):
    """Attributes that are called otherwise than their columns."""

    __tablename__ = "renamed"

    key: Mapped[int] = mapped_column("id", primary_key=True)
    label: Mapped[str] = mapped_column("txt", unique=True)
    size: Mapped[int | None] = mapped_column("sz", default=None)


class Author(Shop, IntPKMixin):
    __tablename__ = "authors"

    name: Mapped[str]
    books: Mapped[list[Book]] = relationship(back_populates="author", default_factory=list, lazy="joined")


class Book(Shop, IntPKMixin):
    __tablename__ = "books"

    title: Mapped[str]
    author_id: Mapped[int | None] = mapped_column(sa.ForeignKey("authors.id"), default=None)
    author: Mapped[Author | None] = relationship(back_populates="books", default=None)


class Animal(Shop, IntPKMixin):
    """Two classes in one table."""

    __tablename__ = "animals"
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}  # noqa: RUF012

    name: Mapped[str]
    kind: Mapped[str] = mapped_column(init=False)


class Dog(Animal):
    __mapper_args__ = {"polymorphic_identity": "dog"}  # noqa: RUF012

    barks: Mapped[bool | None] = mapped_column(default=None)


MODELS = (User, Doc, Seat, Renamed, Author, Book, Animal)
