"""A row of a mapping: where a field comes from."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from tieout.settings.bridge_kinds import Expression, Name, Strict


class FieldRow(Strict):
    """Where a field comes from: an expression alone, or with what else is to be said."""

    from_: Expression = Field(
        alias="from",
        description="An expression over account, deal, line and contact; under item over item.",
    )
    values: Name | None = Field(
        default=None, description="The table in which the value is looked up."
    )
    unmapped: Literal["hold", "keep"] | None = Field(
        default=None,
        description="What happens to a value that the table does not have: hold stops the record "
        "and asks, keep takes the value itself. Left out: keep for item, else hold.",
    )
    condition: Expression | None = Field(
        default=None, description="Only where this is true; else as if it were not mapped."
    )

    @model_validator(mode="before")
    @classmethod
    def _expression_alone(cls, value: Any) -> Any:
        if value is None:
            raise ValueError("an expression is missing here.")
        return value if isinstance(value, dict | list) else {"from": value}
