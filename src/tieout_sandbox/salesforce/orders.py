"""Orders and quotes with their lines."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from tieout_sandbox.salesforce.errors import SalesforceError
from tieout_sandbox.salesforce.prices import integrity, pick_entry
from tieout_sandbox.salesforce.sales import settle_prices, take_entry
from tieout_sandbox.salesforce.values import Row, Value, to_scale

if TYPE_CHECKING:
    from tieout_sandbox.salesforce.writes import Writer

STATUS_CODES = {
    "Draft": "Draft",
    "Activated": "Activated",
    "Cancelled": "Canceled",
    "Expired": "Expired",
    "Superseded": "Superseded",
}
_FREE_ON_ACTIVATED = frozenset(
    {"Status", "Description", "PoNumber", "OrderReferenceNumber", "OwnerId", "Name"}
)


def before_order(writer: Writer, row: Row, old: Row | None, given: Row) -> None:
    """Orders are made as drafts; activation is a change of the status and nothing else."""
    org = writer.org
    code = STATUS_CODES.get(str(row["Status"]))
    if code is None:
        raise SalesforceError(
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            f"Status: bad value for restricted picklist field: {row['Status']}",
            fields=["Status"],
        )
    row["StatusCode"] = code
    if old is None:
        if code != "Draft":
            raise SalesforceError(
                "INVALID_STATUS", "Choose a valid order status: Draft", fields=["Status"]
            )
        row["TotalAmount"] = Decimal("0.00")
        return
    if old["StatusCode"] == "Draft" and code == "Activated":
        if set(given) - {"Status"}:
            raise SalesforceError(
                "FAILED_ACTIVATION",
                "To activate an order, change only its Status",
                fields=sorted(set(given) - {"Status"}),
            )
        lines = org.tables["OrderItem"].find_live("OrderId", row["Id"])
        if not lines and org.switches.order_needs_product:
            raise SalesforceError(
                "FAILED_ACTIVATION", "An order must have at least one product.", fields=[]
            )
        row["ActivatedDate"], row["ActivatedById"] = org.stamp(), writer.user_id
    elif old["StatusCode"] == "Activated" and code == "Draft":
        row["ActivatedDate"] = row["ActivatedById"] = None
    elif old["StatusCode"] == "Activated":
        kept = {name for name in given if name not in _FREE_ON_ACTIVATED}
        kept = {name for name in kept if not name.endswith("__c") and given[name] != old.get(name)}
        if kept:
            raise SalesforceError(
                "FIELD_NOT_UPDATABLE",
                "You can't edit this field on an activated order",
                fields=sorted(kept),
            )
    moved = row.get("Pricebook2Id") != old.get("Pricebook2Id")
    if moved and org.tables["OrderItem"].find_live("OrderId", row["Id"]):
        raise integrity("Pricebook2Id (cannot change with products)", "Pricebook2Id")


def before_item(writer: Writer, row: Row, old: Row | None, given: Row) -> None:
    """A product on a draft order, of the order's own price book."""
    org = writer.org
    order = org.tables["Order"].rows[str(row["OrderId"])]
    money = {"Quantity", "UnitPrice"} & set(given)
    if order["StatusCode"] != "Draft" and (old is None or money):
        raise SalesforceError(
            "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
            "You can't add, remove or change products of an activated order",
            fields=[],
        )
    if order.get("Pricebook2Id") is None:
        raise integrity("Pricebook2Id (the order has no price book)", "OrderId")
    if old is None:
        entry = pick_entry(
            org,
            row,
            book=order["Pricebook2Id"],
            currency=order.get("CurrencyIsoCode"),
            what="order",
        )
        take_entry(row, entry)
        row.pop("ProductCode", None)
        if row.get("UnitPrice") is None:
            row["UnitPrice"] = entry["UnitPrice"]
    row["AvailableQuantity"] = row["Quantity"]
    row["TotalPrice"] = _product(row["UnitPrice"], row["Quantity"])


def _product(price: Value, quantity: Value) -> Decimal:
    assert isinstance(price, Decimal)
    assert isinstance(quantity, Decimal)
    return to_scale(price * quantity, 2)


def after_item(writer: Writer, row: Row, _old: Row | None, _given: Row) -> None:
    """The order's total follows its products."""
    roll_up(writer, str(row["OrderId"]))


def roll_up(writer: Writer, order_id: str) -> None:
    """Sets an order's total."""
    org = writer.org
    order = org.tables["Order"].get(order_id)
    if order is None or order.get("IsDeleted"):
        return
    total = _sum(org.tables["OrderItem"].find_live("OrderId", order_id), "TotalPrice")
    writer.change("Order", order_id, {"TotalAmount": total})


def _sum(rows: list[Row], name: str) -> Decimal:
    amounts = (row.get(name) for row in rows)
    return sum((each for each in amounts if isinstance(each, Decimal)), Decimal("0.00"))


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
    """The quote's totals follow its lines."""
    roll_up_quote(writer, str(row["QuoteId"]))


def roll_up_quote(writer: Writer, quote_id: str) -> None:
    """Sets a quote's subtotal, total and grand total."""
    org = writer.org
    quote = org.tables["Quote"].get(quote_id)
    if quote is None or quote.get("IsDeleted"):
        return
    lines = org.tables["QuoteLineItem"].find_live("QuoteId", quote_id)
    changed: Row = dict(quote)
    changed["Subtotal"] = _sum(lines, "Subtotal")
    changed["TotalPrice"] = _sum(lines, "TotalPrice")
    changed["LineItemCount"] = len(lines)
    changed["GrandTotal"] = _grand_total(changed)
    writer.change("Quote", quote_id, changed)
