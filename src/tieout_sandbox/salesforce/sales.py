"""Opportunities and their lines."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from tieout_sandbox.salesforce.errors import SalesforceError
from tieout_sandbox.salesforce.org import Org
from tieout_sandbox.salesforce.prices import integrity, pick_entry
from tieout_sandbox.salesforce.values import Row, Value, plain, to_scale

if TYPE_CHECKING:
    from tieout_sandbox.salesforce.writes import Writer

_HUNDRED = Decimal(100)


def stage(org: Org, label: Value) -> Row | None:
    """The stage of that name."""
    for row in org.tables["OpportunityStage"].rows.values():
        if label in (row["MasterLabel"], row["ApiName"]):
            return row
    return None


def before_opportunity(writer: Writer, row: Row, old: Row | None, given: Row) -> None:
    """Derives what follows from stage, amount and close date; guards book and currency."""
    org = writer.org
    has_lines = old is not None and bool(old.get("HasOpportunityLineItem"))
    if old is not None and has_lines:
        if row.get("Pricebook2Id") != old.get("Pricebook2Id"):
            raise integrity("Pricebook2Id (cannot change with line items)", "Pricebook2Id")
        if row.get("CurrencyIsoCode") != old.get("CurrencyIsoCode"):
            raise integrity("CurrencyIsoCode (cannot change with line items)", "CurrencyIsoCode")
        # With lines the amount is their sum; one that is sent is dropped without a word.
        row["Amount"] = old.get("Amount")
        row["TotalOpportunityQuantity"] = old.get("TotalOpportunityQuantity")
    if old is None or row["StageName"] != old["StageName"]:
        apply_stage(org, row, keep_probability=given.get("Probability") is not None)
        row["LastStageChangeDate"] = org.stamp() if old is not None else None
    row["HasOpportunityLineItem"] = has_lines
    derive(row)


def apply_stage(org: Org, row: Row, *, keep_probability: bool = False) -> None:
    """Sets what a stage decides; a stage the org does not list is open and has no chance."""
    found = stage(org, row["StageName"])
    row["IsClosed"] = bool(found and found["IsClosed"])
    row["IsWon"] = bool(found and found["IsWon"])
    row["ForecastCategory"] = found["ForecastCategory"] if found else "Pipeline"
    row["ForecastCategoryName"] = found["ForecastCategoryName"] if found else "Pipeline"
    if not keep_probability:
        row["Probability"] = found["DefaultProbability"] if found else Decimal("0.0")


def derive(row: Row) -> None:
    """Expected revenue and fiscal period (the calendar's)."""
    amount, chance = row.get("Amount"), row.get("Probability")
    if isinstance(amount, Decimal) and isinstance(chance, Decimal):
        row["ExpectedRevenue"] = to_scale(amount * chance / _HUNDRED, 2)
    else:
        row["ExpectedRevenue"] = None
    close = str(row["CloseDate"])
    year, quarter = int(close[:4]), (int(close[5:7]) - 1) // 3 + 1
    row["FiscalYear"], row["FiscalQuarter"] = year, quarter
    row["Fiscal"] = f"{year} {quarter}"


def before_line(writer: Writer, row: Row, old: Row | None, given: Row) -> None:
    """Finds the price of a new line, and moves prices of a changed one as the platform does."""
    org = writer.org
    opportunity = org.tables["Opportunity"].rows[str(row["OpportunityId"])]
    _check_line(row, given)
    if old is None:
        entry = pick_entry(
            org,
            row,
            book=opportunity.get("Pricebook2Id"),
            currency=opportunity.get("CurrencyIsoCode"),
            what="opportunity",
        )
        take_entry(row, entry)
        product = org.tables["Product2"].rows[str(entry["Product2Id"])]
        row["Name"] = f"{opportunity['Name']} {product['Name']}"[:376]
        for name in ("HasSchedule", "HasQuantitySchedule", "HasRevenueSchedule"):
            row[name] = False
        if row.get("UnitPrice") is None and row.get("TotalPrice") is None:
            row["UnitPrice"] = entry["UnitPrice"]
    kind = "OpportunityLineItem"
    settle_prices(row, old, given, (org.scale(kind, "UnitPrice"), org.scale(kind, "TotalPrice")))


def _check_line(row: Row, given: Row) -> None:
    if row.get("Quantity") == 0:
        raise integrity("Quantity (must not be zero)", "Quantity")
    if given.get("UnitPrice") is not None and given.get("TotalPrice") is not None:
        raise integrity("only one of UnitPrice and TotalPrice may be specified", "TotalPrice")


def take_entry(row: Row, entry: Row) -> None:
    """Copies to a line what its price says."""
    row["PricebookEntryId"] = entry["Id"]
    row["Product2Id"] = entry["Product2Id"]
    row["ListPrice"] = entry["UnitPrice"]
    row["ProductCode"] = entry.get("ProductCode")
    if "CurrencyIsoCode" in entry:
        row["CurrencyIsoCode"] = entry["CurrencyIsoCode"]


def settle_prices(row: Row, old: Row | None, given: Row, scales: tuple[int, int] = (2, 2)) -> None:
    """
    Unit price, total and subtotal of a line, whichever of them was sent; `scales` are the
    decimals of prices and of totals.
    """
    quantity = _decimal(row["Quantity"])
    prices, totals = scales
    kept = 1 - _decimal(row.get("Discount")) / _HUNDRED
    total_leads = given.get("TotalPrice") is not None
    if old is not None and not total_leads and given.get("UnitPrice") is None:
        moved = "Quantity" in given and given["Quantity"] != old["Quantity"]
        discounted = "Discount" in given and given["Discount"] != old.get("Discount")
        if moved and discounted:
            raise integrity(
                "Discount and Quantity together need UnitPrice or TotalPrice", "Discount"
            )
        # The quantity alone leaves the total and moves the unit price.
        total_leads = moved
    if total_leads and kept != 0:
        row["UnitPrice"] = to_scale(_decimal(row["TotalPrice"]) / quantity / kept, prices)
    else:
        row["TotalPrice"] = to_scale(_decimal(row["UnitPrice"]) * quantity * kept, totals)
    row["Subtotal"] = to_scale(_decimal(row["UnitPrice"]) * quantity, totals)


def _decimal(value: Value) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(0)


def after_line(writer: Writer, row: Row, _old: Row | None, _given: Row) -> None:
    """The opportunity follows its lines."""
    roll_up(writer, str(row["OpportunityId"]), entry_id=str(row["PricebookEntryId"]))


def roll_up(writer: Writer, opportunity_id: str, *, entry_id: str | None = None) -> None:
    """Sets an opportunity's amount, quantity and price book by its lines."""
    org = writer.org
    opportunity = org.tables["Opportunity"].get(opportunity_id)
    if opportunity is None or opportunity.get("IsDeleted"):
        return
    lines = org.tables["OpportunityLineItem"].find_live("OpportunityId", opportunity_id)
    changed: Row = dict(opportunity)
    changed["HasOpportunityLineItem"] = bool(lines)
    total = sum((_decimal(line["TotalPrice"]) for line in lines), Decimal("0.00"))
    changed["Amount"] = to_scale(total, org.scale("Opportunity", "Amount"))
    quantity = sum((_decimal(line["Quantity"]) for line in lines), Decimal(0))
    changed["TotalOpportunityQuantity"] = plain(quantity) if lines else None
    if changed.get("Pricebook2Id") is None and entry_id is not None:
        changed["Pricebook2Id"] = org.tables["PricebookEntry"].rows[entry_id]["Pricebook2Id"]
    derive(changed)
    writer.change("Opportunity", opportunity_id, changed)


def before_role(writer: Writer, row: Row, _old: Row | None, _given: Row) -> None:
    """One row per contact and opportunity; at most one is primary."""
    org = writer.org
    others = org.tables["OpportunityContactRole"].find_live("OpportunityId", row["OpportunityId"])
    for other in others:
        if other["Id"] == row["Id"]:
            continue
        if other["ContactId"] == row["ContactId"]:
            raise SalesforceError(
                "DUPLICATE_VALUE", "This contact already has a role on the opportunity", fields=[]
            )
        if other.get("IsPrimary") and row.get("IsPrimary"):
            writer.change("OpportunityContactRole", str(other["Id"]), {"IsPrimary": False})
    opportunity = org.tables["Opportunity"].rows[str(row["OpportunityId"])]
    if "CurrencyIsoCode" in opportunity:
        row["CurrencyIsoCode"] = opportunity["CurrencyIsoCode"]
