"""Models: dicts and back, JSON, keys as text, what is expired, and the guide's own model."""

from __future__ import annotations

import datetime
import decimal
import enum
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from repository.conftest import create
from rowstead.errors import UndefinedColumnError, UsageError, ValidationError
from rowstead.repository import (
    Base,
    BaseRepository,
    IntPKMixin,
    PersistEngine,
    PersistModel,
    UpdateMixin,
    UUIDPKMixin,
)

Sessions = async_sessionmaker[AsyncSession]
UTC = datetime.UTC


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class User(Base, UUIDPKMixin, UpdateMixin):
    """User model with UUID PK and timestamps."""

    __tablename__ = "models_users"

    name: Mapped[str] = mapped_column()
    email: Mapped[str] = mapped_column(unique=True)
    is_active: Mapped[bool] = mapped_column(default=True)


class Team(Base, IntPKMixin):
    __tablename__ = "models_teams"

    name: Mapped[str]
    members: Mapped[list[Member]] = relationship(back_populates="team", init=False, repr=False)


class Member(Base, IntPKMixin):
    __tablename__ = "models_members"

    nick: Mapped[str] = mapped_column("nickname")
    color: Mapped[Color] = mapped_column(default=Color.RED)
    price: Mapped[decimal.Decimal | None] = mapped_column(default=None)
    picture: Mapped[bytes | None] = mapped_column(default=None)
    data: Mapped[dict[str, Any]] = mapped_column(default_factory=dict)
    born: Mapped[datetime.datetime | None] = mapped_column(default=None)
    team_id: Mapped[int | None] = mapped_column(sa.ForeignKey("models_teams.id"), default=None)
    team: Mapped[Team | None] = relationship(back_populates="members", default=None)
    shout: Mapped[str] = sa.orm.column_property(sa.func.upper(sa.text("nickname")))


class Pair(Base):
    __tablename__ = "models_pairs"

    left: Mapped[int] = mapped_column(primary_key=True)
    right: Mapped[str] = mapped_column(primary_key=True)


class Long(Base, IntPKMixin):
    __tablename__ = "models_long"

    title: Mapped[str]
    text: Mapped[str] = mapped_column(deferred=True)


MODELS = (User, Team, Member, Pair, Long)


@pytest.fixture
async def sessions(engine: PersistEngine) -> Sessions:
    return await create(engine, *MODELS)


@pytest.fixture
async def session(sessions: Sessions) -> AsyncIterator[AsyncSession]:
    async with sessions() as session:
        yield session


async def test_the_guides_model_and_repository_run_as_printed(sessions: Sessions) -> None:
    class UserRepository(BaseRepository[User]):
        def __init__(self, session: AsyncSession):
            super().__init__(session, User)

        async def get_active_users(self) -> list[User]:
            query = self.where(User.is_active == True).order_by(User.name)  # noqa: E712 - as printed
            return await self.all(query=query)

    async with sessions() as session:
        repo = UserRepository(session)
        user = User(name="Alice", email="alice@example.com")
        await repo.save(user)
        await session.commit()
        assert await repo.find_by(email="alice@example.com") is user
        assert await repo.get_active_users() == [user]
        assert user.created_at.tzinfo is UTC


async def test_a_model_becomes_a_dict_in_the_order_of_its_columns(session: AsyncSession) -> None:
    user = User(name="a", email="b")
    assert user.to_dict() == {"id": user.id, "name": "a", "email": "b", "is_active": True}
    session.add(user)
    await session.commit()
    written = user.to_dict()
    assert list(written) == ["id", "name", "email", "is_active", "created_at", "updated_at"]
    assert user.to_dict(fields={"name", "id"}) == {"id": user.id, "name": "a"}
    assert user.to_dict(with_meta=True, fields=())["__metadata__"] == {
        "model": f"{User.__module__}:User",
        "table": "models_users",
        "schema": "public",
    }
    with pytest.raises(UndefinedColumnError, match="did you mean 'name'"):
        user.to_dict(fields={"nmae"})


def test_repository_p12_the_order_of_keys_is_the_same_in_every_process() -> None:
    program = (
        "from sqlalchemy.orm import Mapped, mapped_column\n"
        "from rowstead.repository import Base, UUIDPKMixin, UpdateMixin\n"
        "class User(Base, UUIDPKMixin, UpdateMixin):\n"
        "    __tablename__ = 'users'\n"
        "    name: Mapped[str]\n    email: Mapped[str]\n    city: Mapped[str]\n"
        "print(list(User(name='a', email='b', city='c').to_dict(fields={'city', 'name', 'id', 'email'})))\n"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert seen == {"['id', 'name', 'email', 'city']\n"}


async def test_repository_p12_an_expired_attribute_is_never_none(session: AsyncSession) -> None:
    user = User(name="a", email="b")
    session.add(user)
    await session.flush()
    session.expire(user, ["name"])
    with pytest.raises(UsageError, match=r"name is expired .* `await repo.refresh\(obj\)`"):
        user.to_dict()
    assert user.to_dict(fields={"email"}) == {"email": "b"}
    session.expire(user)
    with pytest.raises(UsageError, match="is expired"):
        user.dump_model()
    assert "name=<not loaded>" in repr(user)
    assert str(user) == f"User({(sa.inspect(user).identity or [None])[0]})"
    # The error cost nothing: the session goes on.
    await session.refresh(user)
    assert user.to_dict()["name"] == "a"


async def test_repository_p12_where_waiting_is_possible_an_expired_attribute_is_loaded(
    session: AsyncSession,
) -> None:
    user = User(name="a", email="b")
    session.add(user)
    await session.flush()
    session.expire(user)

    def name_of(_session: Session) -> Any:
        return user.to_dict()["name"]

    assert await session.run_sync(name_of) == "a"


async def test_repository_p12_an_expired_object_without_a_session_says_so(session: AsyncSession) -> None:
    user = User(name="a", email="b")
    session.add(user)
    await session.flush()
    session.expire(user)
    session.expunge(user)
    with pytest.raises(UsageError, match="belongs to no session"):
        user.to_dict()


async def test_a_column_that_is_loaded_later_is_asked_for_by_name_only(session: AsyncSession) -> None:
    session.add(Long(title="a", text="b"))
    await session.flush()
    session.expunge_all()
    found = (await session.scalars(sa.select(Long))).one()
    assert found.to_dict(fields={"title"}) == {"title": "a"}
    assert found.to_dict() == {"id": found.id, "title": "a"}
    with pytest.raises(UsageError, match="text is not loaded"):
        found.to_dict(fields={"text"})


async def test_a_model_becomes_json(session: AsyncSession) -> None:
    member = Member(
        nick="a",
        price=decimal.Decimal("1.50"),
        picture=b"\x00\xff",
        data={"at": datetime.date(2024, 1, 2)},
        born=datetime.datetime(2024, 1, 2, 3, tzinfo=UTC),
    )
    session.add(member)
    assert member.dump_model() == {
        "nick": "a",
        "color": "red",
        "price": "1.50",
        "picture": "AP8=",
        "data": {"at": "2024-01-02"},
        "born": "2024-01-02T03:00:00Z",
        "team_id": None,
    }
    member.price = sa.literal(1) + 1  # type: ignore[assignment]
    assert "price" not in member.dump_model(fields={"price", "nick"})


def test_a_model_is_made_of_a_dict() -> None:
    id = uuid.uuid4()
    at = datetime.datetime.now(UTC)
    user = User.load({"id": id, "name": "a", "email": "b", "created_at": at, "password": "x", "Meta": 1})
    assert (user.id, user.name, user.is_active, user.created_at) == (id, "a", True, at)
    assert User.load(user.to_dict()).to_dict() == user.to_dict()
    with pytest.raises(TypeError, match="email"):
        User.load({"name": "a"})
    with pytest.raises(ValidationError, match=r"User.load takes a dict, not list") as caught:
        User.load([("name", "a")])  # type: ignore[arg-type]
    assert isinstance(caught.value, ValueError)

    class Unmapped(PersistModel): ...

    with pytest.raises(ValueError, match="Unmapped is mapped to no table"):
        Unmapped.load({})


async def test_a_key_as_text(session: AsyncSession, capsys: pytest.CaptureFixture[str]) -> None:
    team, other, pair = Team(name="a"), Team(name="b"), Pair(left=1, right="x")
    assert team.id_key().startswith("Team:transient_")
    assert team.id_key() != other.id_key()
    assert (str(team), str(pair), pair.id_key()) == ("Team(id?)", "Pair(1,x)", "Pair:1,x")
    session.add(team)
    await session.flush()
    assert (str(team), team.id_key()) == (f"Team({team.id})", f"Team:{team.id}")
    assert repr(team) == f"Team(id={team.id}, name='a')"
    team.printn()
    assert capsys.readouterr().out == f"Team\n  id={team.id}\n  name='a'\n"


def test_columns_and_their_defaults() -> None:
    assert Member.__columns__fields__() == {
        "id": (int, None),
        "nick": (str, None),
        "color": (Color, Color.RED),
        "price": (decimal.Decimal, None),
        "picture": (bytes, None),
        "data": (dict, None),
        "born": (datetime.datetime, None),
        "team_id": (int, None),
    }
    assert User.__columns__fields__()["is_active"] == (bool, True)


def test_a_model_has_a_pydantic_schema() -> None:
    schema = User.pydantic_schema()
    assert schema.__name__ == "UserSchema"
    user = User(name="a", email="b")
    user.created_at = user.updated_at = datetime.datetime.now(UTC)
    assert schema.model_validate(user).model_dump() == user.to_dict()


def test_models_are_compared_by_identity_and_can_be_in_sets() -> None:
    one, same = Pair(left=1, right="x"), Pair(left=1, right="x")
    assert one != same
    assert len({one, same, one}) == 2


def test_constraints_have_the_names_that_postgresql_would_give() -> None:
    unique = next(c for c in User.__table__.constraints if isinstance(c, sa.UniqueConstraint))
    (key,) = Member.__table__.foreign_key_constraints
    assert (unique.name, key.name) == ("models_users_email_key", "models_members_team_id_fkey")


def test_importing_the_package_does_not_load_the_orm_and_a_missing_extra_is_named() -> None:
    def output(program: str) -> str:
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    assert output("import sys, rowstead; print('sqlalchemy.orm' in sys.modules)") == "False\n"
    missing = output("import sys; sys.modules['greenlet'] = None; import rowstead.repository")
    assert "ImportError: rowstead.repository needs greenlet" in missing
    assert "pip install 'rowstead[sqlite]'" in missing
