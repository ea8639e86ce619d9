"""The codes of the kit's errors: the guide's eight names as the catalogue has them, and two that are ours."""

from __future__ import annotations

from typing import Any

import pytest

import rowstead.kit as kit
from kit.conftest import Make
from kit.shop import shop
from rowstead.kit import CheckError, NotNullError

CODES = {
    "ValidationError": "VALIDATION",
    "DuplicateError": "DUPLICATE",
    "ForeignKeyError": "FOREIGN_KEY",
    "RestrictError": "RESTRICT",
    "MigrationError": "MIGRATION",
    "ConflictError": "CONFLICT",
    "StorageError": "STORAGE",
    "IntegrityError": "INTEGRITY",
}


@pytest.mark.parametrize(("name", "code"), CODES.items())
def test_the_guides_errors_have_the_catalogues_codes(name: str, code: str) -> None:
    error = getattr(kit, name)("why")
    assert isinstance(error, kit.KitError)
    assert error.code == code


@pytest.mark.parametrize(
    ("row", "error", "code"),
    [({"email": None}, NotNullError, "NOT_NULL"), ({"name": "x" * 11}, CheckError, "CHECK")],
)
def test_null_and_a_broken_rule_are_validation_errors_with_codes_of_their_own(
    make: Make, row: dict[str, Any], error: type[kit.KitError], code: str
) -> None:
    db = make(shop())
    with db.begin() as txn, pytest.raises(error) as caught:
        txn.insert("customers", {"email": "a@x", **row})
    assert isinstance(caught.value, kit.ValidationError)
    assert isinstance(caught.value, kit.IntegrityError)
    assert caught.value.code == code


def test_control_each_code_is_raised_with_its_class(make: Make) -> None:
    """What a statement raises has the code of its class."""
    db = make(shop("restrict"))
    raised: dict[str, str] = {}
    with db.begin() as txn:
        txn.insert("customers", {"id": 1, "email": "a@x"})
        txn.insert("orders", {"customer_id": 1, "amount": 1})
        for work in (
            lambda: txn.insert("customers", {"nope": 1}),
            lambda: txn.insert("customers", {"id": "x", "email": "b@x"}),
            lambda: txn.insert("customers", {"id": 1, "email": "b@x"}),
            lambda: txn.insert("orders", {"customer_id": 9, "amount": 1}),
            lambda: txn.delete("customers", 1),
        ):
            with pytest.raises(kit.KitError) as caught:
                work()
            raised[type(caught.value).__name__] = caught.value.code
    assert raised == {
        "UndefinedColumnError": "UNDEFINED_COLUMN",
        "ValidationError": "VALIDATION",
        "DuplicateError": "DUPLICATE",
        "ForeignKeyError": "FOREIGN_KEY",
        "RestrictError": "RESTRICT",
    }
