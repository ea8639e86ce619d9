"""Every type of Python on every backend: what was written comes back equal and of the same type."""

import datetime
import ipaddress
import math
import uuid
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any

import pytest
from pydantic import Field, create_model

from conftest import Backend
from rowstead import DB, DataError, ValidationError
from type_cases import (
    CASES,
    NOT_COMPARED,
    PERSON,
    UTC,
    Case,
    Color,
    Level,
    Number,
    Size,
    Stored,
    Word,
    assert_rows,
    assert_same,
    case_of,
    model_of,
    prepared,
)


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_what_is_inserted_comes_back_equal_and_of_the_same_type(
    db: DB, backend: Backend, case: Case
) -> None:
    await prepared(db, backend, case)
    model = model_of(case)
    wanted = [*case.values, None]
    for i, value in enumerate(wanted):
        assert_same((await db.insert(model(id=i, v=value))).v, value)
    for i, value in enumerate(wanted):
        assert_same((await db.get(model, id=i)).v, value)
    assert_rows(await db.query(model, order="id"), wanted)
    assert_rows([row async for row in db.iter_rows(model, batch_size=2)], wanted)
    assert_rows(await db.fetch_models(model, "SELECT * FROM stored ORDER BY id"), wanted)


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_many_rows_come_back_as_they_were_given_by_every_bulk_path(
    db: DB, backend: Backend, case: Case
) -> None:
    await prepared(db, backend, case)
    model = model_of(case)
    wanted = [*case.values, None]
    many = [wanted[i % len(wanted)] for i in range(120)]
    for values, returning in ((wanted, False), (wanted, True), (many, False), (many, True)):
        rows = [model(id=i, v=value) for i, value in enumerate(values)]
        stored = await db.insert_many(rows, returning=returning)
        if returning:
            assert_rows(stored, values)
        else:
            assert stored == len(values)
        assert_rows(await db.query(model, order="id"), values)
        await db.execute("DELETE FROM stored")


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_update_and_upsert_store_every_type(db: DB, backend: Backend, case: Case) -> None:
    await prepared(db, backend, case)
    model = model_of(case)
    await db.insert(model(id=1, note="kept"))
    for value in [*case.values, None]:
        changed = await db.update(model(id=1, v=value))
        assert_same(changed.v, value)
        assert changed.note == "kept"
    for value in [*case.values, None]:
        assert_same((await db.insert(model(id=1, v=value), on_conflict="upsert")).v, value)
        assert await db.update_where(model.patch(v=value), where={"id": [1]}) == 1
        assert_same((await db.get(model, id=1)).v, value)
    rows = [model(id=i, v=value) for i, value in enumerate(case.values)]
    assert_rows(await db.insert_many(rows, on_conflict="upsert", returning=True), case.values)
    assert await db.insert_many(rows, on_conflict="upsert") == len(rows)
    assert_rows(await db.query(model, where={"id": {"lt": len(rows)}}, order="id"), case.values)


@pytest.mark.parametrize("case", [c for c in CASES if c.name not in NOT_COMPARED], ids=str)
async def test_a_filter_by_a_stored_value_finds_its_row(db: DB, backend: Backend, case: Case) -> None:
    await prepared(db, backend, case)
    model = model_of(case)
    await db.insert_many([model(id=i, v=value) for i, value in enumerate([*case.values, None])])
    for value in case.values:
        alike = [i for i, other in enumerate(case.values) if other == value]
        others = [i for i in range(len(case.values) + 1) if i not in alike]
        assert [r.id for r in await db.query(model, where={"v": {"eq": value}}, order="id")] == alike
        assert [r.id for r in await db.query(model, where={"v": {"ne": value}}, order="id")] == others
        assert await db.update_where(model.patch(note="x"), where={"v": {"eq": value}}) == len(alike)
    assert [r.id for r in await db.query(model, v=None)] == [len(case.values)]


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_a_strict_model_reads_what_it_wrote(db: DB, backend: Backend, case: Case) -> None:
    await prepared(db, backend, case)
    model = model_of(case, strict=True)
    wanted = [*case.values, None]
    await db.insert_many([model(id=i, v=value) for i, value in enumerate(wanted)])
    assert_rows(await db.query(model, order="id"), wanted)


# ── refusals ─────────────────────────────────────────────────────────────────────────────────


async def refused(db: DB, backend: Backend, case: Case, value: Any) -> ValidationError:
    """Inserting this value is a ValidationError, and nothing is stored."""
    await prepared(db, backend, case)
    model = model_of(case)
    with pytest.raises(ValidationError) as caught:
        await db.insert(model.patch(id=1, v=value))
    assert await db.count(model) == 0
    return caught.value


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 10**30])
async def test_an_integer_beyond_64_bits_is_a_data_error(db: DB, backend: Backend, value: int) -> None:
    error = await refused(db, backend, case_of("int"), value)
    assert isinstance(error, DataError)


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1])
async def test_an_integer_beyond_64_bits_is_refused_in_bulk_and_in_filters_too(
    db: DB, backend: Backend, value: int
) -> None:
    await prepared(db, backend, case_of("int"))
    model = model_of(case_of("int"))
    for count in (2, 100):
        with pytest.raises(ValidationError):
            await db.insert_many([model(id=i, v=value) for i in range(count)])
    with pytest.raises(ValidationError):
        await db.query(model, v=value)
    with pytest.raises(ValidationError):
        await db.query(model, v=[value])
    assert await db.count(model) == 0


async def test_nan_round_trips_on_postgresql_and_is_refused_on_sqlite(db: DB, backend: Backend) -> None:
    case = case_of("float")
    if not backend.is_postgres:
        error = await refused(db, backend, case, math.nan)
        assert "NaN" in str(error)
        assert error.column == "v"
        return
    await prepared(db, backend, case)
    model = model_of(case)
    assert math.isnan((await db.insert(model(id=1, v=math.nan))).v)
    assert math.isnan((await db.get(model, id=1)).v)


async def test_a_nul_character_is_a_data_error_on_postgresql_and_stored_on_sqlite(
    db: DB, backend: Backend
) -> None:
    case = case_of("str")
    if backend.is_postgres:
        error = await refused(db, backend, case, "a\x00b")
        assert isinstance(error, DataError)
        with pytest.raises(DataError):
            await db.query(model_of(case), v="a\x00b")
        return
    await prepared(db, backend, case)
    model = model_of(case)
    assert (await db.insert(model(id=1, v="a\x00b"))).v == "a\x00b"
    assert [r.id for r in await db.query(model, v="a\x00b")] == [1]


async def test_a_lone_surrogate_is_a_validation_error(db: DB, backend: Backend) -> None:
    await refused(db, backend, case_of("str"), "a\ud800")


async def test_infinite_numbers_are_refused_by_mariadb(db: DB, backend: Backend) -> None:
    if not backend.is_maria:
        return
    for name, value in (("float", math.inf), ("float", -math.inf), ("float", math.nan)):
        error = await refused(db, backend, case_of(name), value)
        assert error.column == "v"
        await db.execute("DROP TABLE stored")


async def test_decimals_that_are_no_numbers_round_trip(db: DB, backend: Backend) -> None:
    await prepared(db, backend, case_of("decimal_text"))
    # Pydantic refuses them unless told.
    model = create_model(
        "Free", __base__=Stored, v=(Annotated[Decimal, Field(allow_inf_nan=True)] | None, None)
    )
    if backend.is_maria:
        for value in (Decimal("Infinity"), Decimal("-Infinity"), Decimal("NaN")):
            with pytest.raises(ValidationError, match="MariaDB's decimals have no"):
                await db.insert(model(id=1, v=value))
        return
    for i, value in enumerate((Decimal("Infinity"), Decimal("-Infinity"))):
        assert (await db.insert(model(id=i, v=value))).v == value
    assert (await db.insert(model(id=5, v=Decimal("NaN")))).v.is_nan()
    assert (await db.get(model, id=5)).v.is_nan()


WRONG: Sequence[tuple[str, Any]] = [
    ("int", "seven"),
    ("int", 1.5),
    ("int", [1]),
    ("int", {"a": 1}),
    ("float", "much"),
    ("bool", "perhaps"),
    ("bool", 2),
    ("str", 7),
    ("str", b"\xff"),
    ("str", ["a"]),
    ("bytes", 7),
    ("decimal_text", "1,5"),
    ("decimal_numeric", "NaNo"),
    ("uuid", "not-a-uuid"),
    ("uuid", 5),
    ("date", "2024-13-01"),
    ("date", "yesterday"),
    ("time", "25:00"),
    ("datetime", "soon"),
    ("timedelta", "long"),
    ("enum_of_text", "green"),
    ("enum_of_int", 3),
    ("str_enum", "perhaps"),
    ("int_enum", 9),
    ("list_int", 7),
    ("list_int_jsonb", "a"),
    ("list_str", "a"),
]


@pytest.mark.parametrize(("name", "value"), WRONG, ids=[f"{n}-{v!r}" for n, v in WRONG])
async def test_a_value_of_the_wrong_type_is_a_validation_error_that_names_the_column(
    db: DB, backend: Backend, name: str, value: Any
) -> None:
    case = case_of(name)
    error = await refused(db, backend, case, value)
    assert error.column == "v"
    assert "'v'" in str(error)
    model = model_of(case)
    filters: list[Any] = [{"v": {"eq": value}}, {"v": {"ne": value}}]
    if not name.startswith("list"):
        filters += [{"v": {"in": [value]}}, {"v": {"in": [value] * 20}}, {"v": {"gt": value}}]
    for where in filters:
        with pytest.raises(ValidationError) as caught:
            await db.query(model, where=where)
        assert caught.value.column == "v", where
        assert "'v'" in str(caught.value)
    for count in (1, 100):
        with pytest.raises(ValidationError) as caught:
            await db.insert_many([model.patch(id=i, v=value) for i in range(count)])
        assert caught.value.column == "v"
    assert await db.count(model) == 0


LIST_WRONG: Sequence[tuple[str, Any]] = [
    ("list_int", ["a"]),
    ("list_int_jsonb", ["a"]),
    ("list_str", [1]),
    ("list_uuid", ["x"]),
    ("list_enum", ["green"]),
    ("list_decimal", ["a"]),
]


@pytest.mark.parametrize(("name", "value"), LIST_WRONG, ids=[f"{n}-{v!r}" for n, v in LIST_WRONG])
async def test_a_list_with_a_wrong_element_is_a_validation_error_on_every_backend(
    db: DB, backend: Backend, name: str, value: Any
) -> None:
    error = await refused(db, backend, case_of(name), value)
    assert error.column == "v"


JSON_SPELLINGS: Sequence[tuple[str, Any, Any]] = [
    ("int", "7", 7),
    ("int", 7.0, 7),
    ("float", "1.5", 1.5),
    ("float", 2, 2.0),
    ("bool", "true", True),
    ("bool", 1, True),
    ("decimal_text", "1.50", Decimal("1.5")),
    ("decimal_text", 3, Decimal(3)),
    ("decimal_text", 0.5, Decimal("0.5")),
    ("decimal_numeric", "1.50", Decimal("1.5")),
    ("uuid", "00000000-0000-0000-0000-00000000000A", uuid.UUID(int=10)),
    ("uuid", "0000000000000000000000000000000a", uuid.UUID(int=10)),
    ("date", "2024-02-29", datetime.date(2024, 2, 29)),
    ("time", "12:30", datetime.time(12, 30)),
    ("datetime", "2024-01-01T00:00:00", datetime.datetime(2024, 1, 1)),
    ("datetime_aware", "2024-01-01T00:00:00Z", datetime.datetime(2024, 1, 1, tzinfo=UTC)),
    ("aware_only", "2024-01-01T05:45:00+05:45", datetime.datetime(2024, 1, 1, tzinfo=UTC)),
    ("timedelta", "P1DT2H", datetime.timedelta(days=1, hours=2)),
    ("timedelta", 90, datetime.timedelta(seconds=90)),
    ("enum_of_text", "red", Color.RED),
    ("enum_type", "red", Color.RED),
    ("enum_of_int", 20, Level.HIGH),
    ("str_enum", "no", Word.NO),
    ("int_enum", 2, Number.TWO),
    ("list_int", (1, 2), [1, 2]),
    ("list_enum", ["red"], [Color.RED]),
    ("list_uuid", ["00000000-0000-0000-0000-00000000000A"], [uuid.UUID(int=10)]),
    ("list_date", ["2024-02-29"], [datetime.date(2024, 2, 29)]),
    ("list_decimal", ["1.5"], [Decimal("1.5")]),
    ("list_decimal", [2], [Decimal(2)]),
    ("list_float", [2], [2.0]),
    ("model", PERSON.model_dump(mode="json"), PERSON),
    ("dataclass", {"width": 3, "label": "a"}, Size(3, "a")),
    ("ip", "10.0.0.1", ipaddress.IPv4Address("10.0.0.1")),
]


@pytest.mark.parametrize(
    ("name", "spelled", "value"), JSON_SPELLINGS, ids=[f"{n}-{str(s)[:20]}" for n, s, _ in JSON_SPELLINGS]
)
async def test_a_value_as_json_spells_it_is_taken_in_filters_and_patches(
    db: DB, backend: Backend, name: str, spelled: Any, value: Any
) -> None:
    case = case_of(name)
    await prepared(db, backend, case)
    model = model_of(case)
    await db.insert(model(id=1, v=value))
    assert [r.id for r in await db.query(model, where={"v": {"eq": spelled}})] == [1]
    assert await db.query(model, where={"v": {"not": spelled}}) == []
    if not name.startswith(("list", "model", "dataclass")):
        assert [r.id for r in await db.query(model, v=[spelled])] == [1]
        assert [r.id for r in await db.query(model, v=[spelled] * 30)] == [1]
        assert [r.id for r in await db.query(model, where={"v": {"gte": spelled}})] == [1]
    await db.insert(model.patch(id=2, v=spelled))
    assert_same((await db.get(model, id=2)).v, value)
    for count in (3, 60):
        await db.insert_many([model.patch(id=i + 10, v=spelled) for i in range(count)])
        assert_same((await db.get(model, id=12)).v, value)
        await db.execute("DELETE FROM stored WHERE id >= 10")


async def test_bytes_that_json_cannot_hold_are_a_validation_error(db: DB, backend: Backend) -> None:
    case = Case("bytes_in_json", dict[str, bytes], "TEXT", "JSONB", [])
    error = await refused(db, backend, case, {"a": b"\xff"})
    assert "JSON" in str(error) or "utf-8" in str(error)
