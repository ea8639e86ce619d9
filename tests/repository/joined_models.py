"""Two classes whose rows are kept in two tables."""

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from rowstead.repository import Base


class Garage(Base):
    __abstract__ = True
    metadata = sa.MetaData()


class Vehicle(Garage):
    __tablename__ = "vehicles"
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "vehicle"}  # noqa: RUF012

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    name: Mapped[str]
    kind: Mapped[str] = mapped_column(init=False)


class Car(Vehicle):
    __tablename__ = "cars"
    __mapper_args__ = {"polymorphic_identity": "car"}  # noqa: RUF012

    id: Mapped[int] = mapped_column(sa.ForeignKey("vehicles.id"), primary_key=True, init=False)
    doors: Mapped[int]
