"""A body in the making, and what customers and drafts have in common."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tieout.connectors.lengths import units
from tieout.connectors.visma_eaccounting.names import Names
from tieout.core.finding import Finding


@dataclass(slots=True)
class Made:
    """A body in the making, with everything that is wrong with it.

    ``rates`` are the VAT rates of a draft's rows, as far as they are known.
    """

    body: dict[str, Any] = field(default_factory=dict)
    rates: list[Decimal | None] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def wrong(self, code: str, message: str, *, hint: str = "", place: str = "") -> None:
        """Notes one thing that keeps the body from being sent."""
        self.findings.append(Finding(code=code, message=message, hint=hint, place=place))

    def put(self, name: str, value: str, length: int, what: str) -> None:
        """Sets a text that must not be cut; too long is wrong. '' is sent as null."""
        if units(value) > length:
            self.wrong(
                "text_too_long",
                f"{what} has {units(value)} characters; Visma takes {length}.",
                place=name,
            )
        self.body[name] = value or None


def terms_id(made: Made, said: str, names: Names, whose: str) -> str | None:
    """The id of terms that are said by any of their names; wrong where there are none."""
    found = names.find_terms(said)
    if found is None:
        made.wrong(
            "terms_unmapped",
            f'Terms "{said}" of {whose} do not exist in Visma.',
            hint="Map them in tables/terms.csv, which customer.terms in tieout.yaml reads.",
            place="terms",
        )
    return found
