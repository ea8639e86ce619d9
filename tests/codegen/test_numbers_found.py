"""Numbers of models that once made a file that could not be imported, or that refused what fits."""

from __future__ import annotations

import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import ValidationError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from codegen.test_source import loaded
from rowstead.codegen import generate_pydantic_code
from rowstead.codegen.dynamic import pydantic_schema


class Base(DeclarativeBase):
    pass


class Number(Base):
    __tablename__ = "numbers"

    id: Mapped[int] = mapped_column(primary_key=True)
    float = mapped_column(sa.Float, nullable=False, default=math.inf)
    low = mapped_column(sa.Float, nullable=False, default=-math.inf)
    none = mapped_column(sa.Float, nullable=False, default=math.nan)
    hundreds: Mapped[Decimal] = mapped_column(sa.Numeric(5, -2), default=Decimal(0))
    small: Mapped[Decimal] = mapped_column(sa.Numeric(3, 5), default=Decimal(0))


@pytest.fixture(params=["file", "made"])
def schema(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "made":
        return pydantic_schema(Number)
    return loaded(generate_pydantic_code(Number), tmp_path).NumberSchema


def test_defaults_that_are_not_finite_are_kept(schema: Any) -> None:
    one = schema(id=1)
    assert (one.float, one.low) == (math.inf, -math.inf)
    assert math.isnan(one.none)


def test_a_number_ends_with_zeros_where_its_scale_is_below_0(schema: Any) -> None:
    assert schema(id=1, hundreds=Decimal("9999900")).hundreds == 9999900
    for wrong in ("12345678", "0.5"):
        with pytest.raises(ValidationError, match="hundreds"):
            schema(id=1, hundreds=Decimal(wrong))


def test_a_number_begins_with_zeros_where_its_scale_is_above_its_precision(schema: Any) -> None:
    assert schema(id=1, small=Decimal("0.00999")).small == Decimal("0.00999")
    with pytest.raises(ValidationError, match="small"):
        schema(id=1, small=Decimal("0.000999"))
