"""A record in the making: what is sent, what it will look like, and all that is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tieout.connectors.tryton.books import Books
from tieout.core.change import Predicted
from tieout.core.finding import Finding

Commands = list[list[Any]]


@dataclass(slots=True)
class Made:
    """
    ``values`` are sent; ``shown`` is the row as it will be read afterwards. ``stamps`` are those
    rows that are written and were read for it.
    """

    values: dict[str, Any] = field(default_factory=dict)
    shown: dict[str, Any] = field(default_factory=dict)
    stamps: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    totals: Predicted | None = None

    def wrong(self, code: str, message: str, *, hint: str = "", place: str = "") -> None:
        """Notes one thing that keeps it from being sent."""
        self.findings.append(Finding(code=code, message=message, hint=hint, place=place))

    def put(self, name: str, value: Any) -> None:
        """Sets a field that is read as it is sent."""
        self.values[name] = value
        self.shown[name] = value

    def link(self, field_name: str, number: int | None, /, **told: Any) -> None:
        """Sets a link, with what is read through it."""
        self.put(field_name, number)
        self.shown[f"{field_name}."] = {"id": number, **told} if number is not None else None

    def written(self, model: str, row: dict[str, Any] | Any) -> None:
        """Ties the write to the state in which this row was read."""
        stamp = row.get("_timestamp")
        if stamp and row.get("id"):
            self.stamps[f"{model},{row['id']}"] = str(stamp)


def terms_id(made: Made, said: str, books: Books, whose: str) -> int | None:
    """The id of terms that are said by any of their names; wrong where there are none."""
    found = books.find_terms(said)
    if found is None:
        made.wrong(
            "terms_unmapped",
            f'Terms "{said}" of {whose} do not exist in Tryton.',
            hint="Map them to payment terms of the company.",
            place="terms",
        )
    return found


def fits_decimals(value: Decimal, places: int) -> bool:
    """Whether a value has at most so many decimals, zeros at its end not counted."""
    exponent = int(value.normalize().as_tuple().exponent)
    return -exponent <= places
