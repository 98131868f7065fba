"""VAT rates by country, tax class and tax point.

The tax point is the day of supply, or of receipt for a prepayment: not the invoice date and not
today. A credit note takes the day of the invoice that it corrects.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Literal

from tieout.nordic.tables import load_table

WhyUnknown = Literal["no_such_country", "no_such_class", "before_first_row", "not_settled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """No rate is known: hold the document, never assume one."""

    reason: WhyUnknown


@dataclass(frozen=True, slots=True)
class Exempt:
    """The supply is exempt: there is no rate, which is not a rate of zero."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateRow:
    """One rate and the day from which it holds, with where that is known from."""

    from_day: date
    value: Decimal | Exempt | Unknown
    source: str
    trust: Literal["law", "third_party", "unconfirmed"]


def rate(country: str, tax_class: str, day: date) -> Decimal | Exempt | Unknown:
    """The rate in percent of that class on that day, exact as the law writes it ("25.5").

    A class without rows of its own follows the standard rate only if it is listed as one that
    does; any other class is Unknown. Greece is GR, Northern Ireland XI.
    """
    row = rate_row(country, tax_class, day)
    return row if isinstance(row, Unknown) else row.value


def rate_row(country: str, tax_class: str, day: date) -> RateRow | Unknown:
    """The row that holds on that day, for those who must show where a rate comes from."""
    table = load_table("vat_rates")
    home = table["same_rates_as"].get(country, country)
    classes = table["rates"].get(home)
    if classes is None:
        return Unknown(reason="no_such_country")
    if tax_class not in classes:
        if tax_class not in table["follow_standard"]:
            return Unknown(reason="no_such_class")
        tax_class = "standard"
    held = [row for row in _rows(home, tax_class) if row.from_day <= day]
    return held[-1] if held else Unknown(reason="before_first_row")


def source_text(source: str) -> str:
    """What a source id in a row stands for."""
    return str(load_table("vat_rates")["sources"][source])


@cache
def _rows(country: str, tax_class: str) -> tuple[RateRow, ...]:
    rows = load_table("vat_rates")["rates"][country][tax_class]
    return tuple(
        RateRow(
            from_day=date.fromisoformat(row["from"]),
            value=_value(row),
            source=row["source"],
            trust=row["trust"],
        )
        for row in rows
    )


def _value(row: dict[str, str]) -> Decimal | Exempt | Unknown:
    if "unsettled" in row:
        return Unknown(reason="not_settled")
    return Exempt() if "exempt" in row else Decimal(row["rate"])
