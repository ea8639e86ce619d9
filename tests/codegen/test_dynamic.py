"""Schemas that are made while the program runs."""

from __future__ import annotations

import datetime
import uuid
from decimal import Decimal

import pydantic
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import selectinload

from codegen.library import Author, Base, Book, Genre
from rowstead.codegen.dynamic import pydantic_schema


def test_it_is_one_class_with_the_models_words() -> None:
    schema = pydantic_schema(Book)
    assert schema is pydantic_schema(Book)
    assert schema.__name__ == "BookSchema"
    assert (pydantic_schema(Author).__doc__ or "").startswith("Someone who writes.")


def test_columns_are_required_optional_or_have_their_plain_default() -> None:
    fields = pydantic_schema(Book).model_fields
    required = [name for name, field in fields.items() if field.is_required()]
    assert required == ["id", "title", "author_id", "number", "details", "tags", "created_at"]
    assert fields["genre"].default is Genre.NOVEL
    assert fields["price"].default == Decimal("9.90")
    assert pydantic_schema(Author).model_fields["date"].default is None
    with pytest.raises(pydantic.ValidationError, match="at most 40 characters"):
        pydantic_schema(Author)(id=uuid.uuid4(), name="x" * 41)


def test_it_reads_an_object_whose_relationships_lead_back_to_it() -> None:
    author = Author(name="Le Guin")
    book = Book(title="The Dispossessed", author_id=author.id)
    book.id, book.created_at, book.number = 1, datetime.datetime(2026, 1, 1), 7
    author.books.append(book)
    read = pydantic_schema(Author).model_validate(author).model_dump()
    assert read["books"][0]["title"] == "The Dispossessed"
    assert read["books"][0]["author"] is None
    assert pydantic_schema(Book).model_validate(book).model_dump()["author"]["name"] == "Le Guin"


async def test_under_asyncio_it_reads_what_is_loaded_and_asks_for_nothing() -> None:
    engine = create_async_engine("sqlite+aiosqlite://")
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with AsyncSession(engine) as session:
        session.add(author := Author(name="Le Guin"))
        await session.flush()
        session.add(Book(title="The Dispossessed", author_id=author.id))
        await session.commit()
        session.expunge_all()
        plain = (await session.scalars(sa.select(Author))).one()
        assert pydantic_schema(Author).model_validate(plain).model_dump()["books"] is None
        session.expunge_all()
        loading = sa.select(Author).options(selectinload(Author.books))
        loaded = (await session.scalars(loading)).one()
        assert len(pydantic_schema(Author).model_validate(loaded).model_dump()["books"]) == 1
    await engine.dispose()


def test_two_objects_under_way_in_one_list_do_not_hide_each_other() -> None:
    first, second = Author(name="a"), Author(name="b")
    read = [pydantic_schema(Author).model_validate(author) for author in (first, second)]
    assert [one.model_dump()["name"] for one in read] == ["a", "b"]
