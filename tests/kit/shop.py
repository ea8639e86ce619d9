"""A schema that many tests share: customers with a sequence key, their orders, and notes without rules."""

from __future__ import annotations

from typing import Any

from rowstead.kit import bool_, fk, float_, table, text, unique
from rowstead.kit import int as int_


def shop(on_delete: str = "cascade") -> dict[str, Any]:
    return {
        "tables": [
            table(
                "customers",
                1,
                [
                    int_("id", 1, primary_key=True, default={"sequence": "customers_id"}),
                    text("email", 2),
                    text("name", 3, nullable=True, max_length=10),
                    bool_("active", 4, default={"static": True}),
                ],
                "id",
                unique_constraints=[unique("uq_email", "email")],
            ),
            table(
                "orders",
                2,
                [
                    int_("id", 1, primary_key=True, default={"sequence": "orders_id"}),
                    int_("customer_id", 2, nullable=on_delete == "set_null"),
                    float_("amount", 3, min=0),
                ],
                "id",
                foreign_keys=[fk("fk_customer", "customer_id", "customers", "id", on_delete=on_delete)],
            ),
            table(
                "notes",
                3,
                [int_("id", 1, primary_key=True), text("body", 2, nullable=True, max_length=10)],
                "id",
            ),
        ]
    }
