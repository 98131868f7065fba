"""Orders with their products."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from tieout_sandbox.salesforce.errors import SalesforceError
from tieout_sandbox.salesforce.prices import integrity, pick_entry
from tieout_sandbox.salesforce.sales import take_entry
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
    total = sum_of(org.tables["OrderItem"].find_live("OrderId", order_id), "TotalPrice")
    writer.change("Order", order_id, {"TotalAmount": total})


def sum_of(rows: list[Row], name: str) -> Decimal:
    amounts = (row.get(name) for row in rows)
    return sum((each for each in amounts if isinstance(each, Decimal)), Decimal("0.00"))
