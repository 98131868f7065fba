"""A body in the making, and what customers and documents have in common."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tieout.connectors.visma_net.names import Names, is_split
from tieout.core.change import Predicted
from tieout.core.finding import Finding

CARRIER_PREFIX = "TIEOUT-"


@dataclass(slots=True)
class Made:
    """
    A body in the making, with everything that is wrong with it.

    ``shown`` is the record as the vendor's answer will show it, in the vendor's own form.
    """

    body: dict[str, Any] = field(default_factory=dict)
    shown: dict[str, Any] = field(default_factory=dict)
    totals: Predicted | None = None
    findings: list[Finding] = field(default_factory=list)

    def wrong(self, code: str, message: str, *, hint: str = "", place: str = "") -> None:
        """Notes one thing that keeps the body from being sent."""
        self.findings.append(Finding(code=code, message=message, hint=hint, place=place))

    def set(self, name: str, value: Any, shows: str = "") -> None:
        """A wrapped field, and what an answer will show of it under its own name there."""
        self.body[name] = {"value": value}
        self.shown[shows or name] = value

    def text(
        self, name: str, value: str, *, length: int, what: str, new: bool, shows: str = ""
    ) -> None:
        """
        A text that must not be cut; too long is wrong. An empty one clears the field, and is left
        out of a new record.
        """
        value = value.strip()
        if len(value) > length:
            self.wrong(
                "text_too_long",
                f"{what} has {len(value)} characters; Visma.net takes {length}.",
                place=name,
            )
        if value or not new:
            self.set(name, value, shows)


def carried(key: str) -> str:
    """Our key as a record carries it: 23 letters, digits and a hyphen, exact to look for."""
    return CARRIER_PREFIX + key


def terms_id(made: Made, said: str, names: Names, whose: str) -> str | None:
    """The id of terms that are said by any of their names; wrong where there are none."""
    found = names.find_terms(said)
    if found is None:
        made.wrong(
            "terms_unmapped",
            f'Terms "{said}" of {whose} do not exist in Visma.net.',
            hint="Map them in tables/terms.csv, which customer.terms in tieout.yaml reads.",
            place="terms",
        )
    elif is_split(names.terms[found]):
        made.wrong(
            "terms_unmapped",
            f'Terms "{said}" of {whose} are in instalments: Visma.net would split the invoice '
            "into several.",
            hint="Map them to terms with one due date.",
            place="terms",
        )
    return found
