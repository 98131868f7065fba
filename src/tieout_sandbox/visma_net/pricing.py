"""What the company charges when nobody says so: prices, units and automatic discounts."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from tieout_sandbox.visma_net.company import Company, rounded
from tieout_sandbox.visma_net.errors import BusinessError, missing
from tieout_sandbox.visma_net.tables import Record

SELLABLE = frozenset({"Active", "NoPurchases", "NoRequest"})
_RANK = {"Customer": 0, "CustomerPriceClass": 1, "Base": 2}


def item_named(company: Company, number: str) -> Record:
    """The item of a number; BusinessError where there is none."""
    found = company.items.one("inventoryNumber", number)
    if found is None:
        raise missing("InventoryID", number)
    return found


def require_sellable(item: Record) -> None:
    """BusinessError where the item's status keeps it off sales documents."""
    if item["status"] not in SELLABLE:
        raise BusinessError(
            f"Error: the inventory item {item['inventoryNumber']} has status {item['status']}."
        )


def units_of(item: Record) -> list[str]:
    """Every unit the item can be sold in."""
    return [item["baseUnit"], *(row["fromUnit"] for row in item["_units"])]


def unit(item: Record, given: str | None) -> str:
    """The unit of a line: the given one, else the item's sales unit; BusinessError where the item
    does not have it."""
    if not given:
        return str(item["salesUnit"])
    for one in units_of(item):
        if one.casefold() == given.casefold():
            return one
    raise missing("UOM", given)


def in_base_unit(item: Record, uom: str) -> Decimal:
    """How many base units one of a unit is."""
    for row in item["_units"]:
        if row["fromUnit"] == uom:
            rate: Decimal = row["unitRate"]
            return rate if row["unitMultDiv"] == "Multiply" else 1 / rate
    return Decimal(1)


def price(
    company: Company,
    customer: Record,
    item: Record,
    uom: str,
    quantity: Decimal,
    currency: str,
    day: date,
) -> Decimal:
    """The price nobody sent: a promotion before others, the customer's before its class's before
    the base one, then the highest break; the item's default price where there is no row, and 0
    where that is in another currency."""
    found = [
        row
        for row in company.prices.find("inventoryId", item["inventoryNumber"])
        if row["uoM"] == uom and row["currency"] == currency and row["breakQty"] <= quantity
        if _meant_for(row, customer) and _in_force(row, day)
    ]
    if found:
        best = min(
            found, key=lambda row: (not row["promotion"], _RANK[row["priceType"]], -row["breakQty"])
        )
        return Decimal(best["price"])
    if currency != company.base_currency:
        return Decimal(0)
    default = Decimal(item["defaultPrice"]) * in_base_unit(item, uom)
    return rounded(default, company.settings["priceDecimals"])


def _meant_for(row: Record, customer: Record) -> bool:
    match row["priceType"]:
        case "Customer":
            return bool(row["priceCode"] == customer["number"])
        case "CustomerPriceClass":
            return bool(row["priceCode"] == customer.get("priceClassId"))
        case _:
            return True


def _in_force(row: Record, day: date) -> bool:
    begins, ends = row["effectiveDate"], row["expirationDate"]
    return (begins is None or begins <= day) and (ends is None or day <= ends)


def automatic_percent(company: Company, kind: str, day: date) -> tuple[str, Decimal] | None:
    """Code and percentage of the automatic discount of a kind (`L` line, `D` document) that is
    active, None where there is none."""
    for row in company.discounts:
        if row["active"] and row["_kind"] == kind and row["effectiveDate"] <= day:
            return row["discountCode"], row["_percent"]
    return None
