"""Which VAT ids a line has: those that are in both the zone of the document and the line's
category."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from tieout_sandbox.visma_net.company import Company
from tieout_sandbox.visma_net.errors import BusinessError, missing
from tieout_sandbox.visma_net.tables import Record
from tieout_sandbox.visma_net.totals import Vat


def category(company: Company, category_id: str | None) -> Record | None:
    """The VAT category; BusinessError where it is named and not there."""
    if not category_id:
        return None
    found = company.vat_categories.get(category_id)
    if found is None:
        raise missing("TaxCategoryID", category_id)
    return found


def zone(company: Company, zone_id: str | None) -> Record | None:
    """The VAT zone; BusinessError where it is named and not there."""
    if not zone_id:
        return None
    found = company.vat_zones.get(zone_id)
    if found is None:
        raise missing("TaxZoneID", zone_id)
    return found


def vats(
    company: Company, zone_id: str | None, category_id: str | None, day: date
) -> tuple[Vat, ...]:
    """The VAT ids of a line with their rates on a day; none where zone and category share none,
    or BusinessError where the company was switched to that."""
    in_zone = zone(company, zone_id)
    in_category = category(company, category_id)
    zone_ids: list[str] = in_zone["_vats"] if in_zone is not None else []
    category_ids: list[str] = in_category["_vats"] if in_category is not None else []
    found = []
    for vat_id in category_ids:
        row = company.vats.get(vat_id)
        if vat_id not in zone_ids or row is None:
            continue
        if row["notValidAfter"] is not None and row["notValidAfter"] < day:
            continue
        found.append(_vat(row, day))
    if not found and category_id and company.assumptions.no_vat_id == "error":
        raise missing("TaxID", category_id)
    return tuple(found)


def rate_on(row: Record, day: date) -> Decimal:
    """The rate of a VAT id on a day, in percent; BusinessError where none has begun."""
    begun = [
        step
        for step in row["schedules"]
        if step["groupType"] == "Output" and step["startDate"] <= day
    ]
    if not begun:
        raise BusinessError(f"Error: VAT id {row['vatId']} has no rate on {day}.")
    rate: Decimal = max(begun, key=lambda step: step["startDate"])["vatRate"]
    return rate


def _vat(row: Record, day: date) -> Vat:
    return Vat(
        vat_id=row["vatId"],
        rate=rate_on(row, day) / 100 if row["type"] != "ReverseVat" else Decimal(0),
        calculate_on=row["calculateOn"],
        exempt=row["type"] in ("ExemptVat", "ReverseVat"),
    )
