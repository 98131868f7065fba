"""Quotes with their lines, and the one that is synced with its opportunity."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tieout_sandbox.salesforce.orders import sum_of
from tieout_sandbox.salesforce.prices import integrity, pick_entry
from tieout_sandbox.salesforce.sales import settle_prices, take_entry
from tieout_sandbox.salesforce.values import Row, Value

if TYPE_CHECKING:
    from tieout_sandbox.salesforce.writes import Writer

_SHARED = ("Quantity", "UnitPrice", "Discount", "Description", "ServiceDate", "SortOrder")


def before_quote(writer: Writer, row: Row, old: Row | None, _given: Row) -> None:
    """A quote takes account, currency and price book from its opportunity."""
    opportunity = writer.org.tables["Opportunity"].rows[str(row["OpportunityId"])]
    row["AccountId"] = opportunity.get("AccountId")
    if "CurrencyIsoCode" in opportunity:
        row["CurrencyIsoCode"] = opportunity["CurrencyIsoCode"]
    if row.get("Pricebook2Id") is None:
        row["Pricebook2Id"] = opportunity.get("Pricebook2Id")
    if old is None:
        row["Status"] = row.get("Status") or "Draft"
        row["Subtotal"] = row["TotalPrice"] = Decimal("0.00")
        row["LineItemCount"] = 0
    row["GrandTotal"] = _grand_total(row)


def _grand_total(row: Row) -> Decimal:
    names = ("TotalPrice", "Tax", "ShippingHandling")
    amounts = (row.get(name) for name in names)
    return sum((each for each in amounts if isinstance(each, Decimal)), Decimal("0.00"))


def before_quote_line(writer: Writer, row: Row, old: Row | None, given: Row) -> None:
    """A product on a quote, of the quote's own price book."""
    org = writer.org
    quote = org.tables["Quote"].rows[str(row["QuoteId"])]
    if old is None:
        entry = pick_entry(
            org,
            row,
            book=quote.get("Pricebook2Id"),
            currency=quote.get("CurrencyIsoCode"),
            what="quote",
        )
        take_entry(row, entry)
        row.pop("ProductCode", None)
    # A quote line always holds its unit price; its total cannot be sent.
    settle_prices(row, None, {**given, "TotalPrice": None})


def after_quote_line(writer: Writer, row: Row, _old: Row | None, _given: Row) -> None:
    """The quote's totals follow its lines, and so do those of the opportunity it is synced with."""
    quote_id = str(row["QuoteId"])
    roll_up_quote(writer, quote_id)
    if writer.org.tables["Quote"].rows[quote_id].get("IsSyncing"):
        _carry(writer, row)


def roll_up_quote(writer: Writer, quote_id: str) -> None:
    """Sets a quote's subtotal, total and grand total."""
    org = writer.org
    quote = org.tables["Quote"].get(quote_id)
    if quote is None or quote.get("IsDeleted"):
        return
    lines = org.tables["QuoteLineItem"].find_live("QuoteId", quote_id)
    changed: Row = dict(quote)
    changed["Subtotal"] = sum_of(lines, "Subtotal")
    changed["TotalPrice"] = sum_of(lines, "TotalPrice")
    changed["LineItemCount"] = len(lines)
    changed["GrandTotal"] = _grand_total(changed)
    writer.change("Quote", quote_id, changed)


def after_quote_line_delete(writer: Writer, row: Row) -> None:
    """A synced line goes from both sides."""
    quote_id = str(row["QuoteId"])
    roll_up_quote(writer, quote_id)
    line = writer.org.row(row.get("OpportunityLineItemId"))
    if line is not None and writer.org.tables["Quote"].rows[quote_id].get("IsSyncing"):
        writer.delete("OpportunityLineItem", str(line["Id"]))


def after_opportunity(writer: Writer, row: Row, old: Row | None, _given: Row) -> None:
    """Naming another synced quote replaces the opportunity's lines by the quote's."""
    before: Value = old.get("SyncedQuoteId") if old is not None else None
    if row.get("SyncedQuoteId") == before:
        return
    org = writer.org
    for quote in org.tables["Quote"].find_live("OpportunityId", row["Id"]):
        synced = quote["Id"] == row.get("SyncedQuoteId")
        if bool(quote.get("IsSyncing")) is not synced:
            writer.change("Quote", str(quote["Id"]), {"IsSyncing": synced})
    if row.get("SyncedQuoteId") is None:
        return
    quote = org.tables["Quote"].rows[str(row["SyncedQuoteId"])]
    if quote["OpportunityId"] != row["Id"]:
        raise integrity("SyncedQuoteId (the quote is of another opportunity)", "SyncedQuoteId")
    for line in org.tables["OpportunityLineItem"].find_live("OpportunityId", row["Id"]):
        writer.delete("OpportunityLineItem", str(line["Id"]))
    writer.change("Opportunity", str(row["Id"]), {"Pricebook2Id": quote.get("Pricebook2Id")})
    for line in org.tables["QuoteLineItem"].find_live("QuoteId", quote["Id"]):
        _carry(writer, {**line, "OpportunityLineItemId": None})


def _carry(writer: Writer, line: Row) -> None:
    """Makes the opportunity's line equal to the quote's, or makes one."""
    shared: dict[str, Any] = {name: line.get(name) for name in _SHARED}
    other = writer.org.row(line.get("OpportunityLineItemId"))
    if other is not None and not other.get("IsDeleted"):
        writer.update("OpportunityLineItem", str(other["Id"]), shared)
        return
    quote = writer.org.tables["Quote"].rows[str(line["QuoteId"])]
    made = writer.create(
        "OpportunityLineItem",
        {
            "OpportunityId": quote["OpportunityId"],
            "PricebookEntryId": line["PricebookEntryId"],
            **shared,
        },
    )
    writer.change("QuoteLineItem", str(line["Id"]), {"OpportunityLineItemId": made})


def after_opportunity_line(writer: Writer, row: Row) -> None:
    """A changed line of the opportunity changes the synced quote's."""
    org = writer.org
    for line in org.tables["QuoteLineItem"].find_live("OpportunityLineItemId", row["Id"]):
        if not org.tables["Quote"].rows[str(line["QuoteId"])].get("IsSyncing"):
            continue
        names = (*_SHARED, "Subtotal", "TotalPrice")
        writer.change("QuoteLineItem", str(line["Id"]), {name: row.get(name) for name in names})
        roll_up_quote(writer, str(line["QuoteId"]))
