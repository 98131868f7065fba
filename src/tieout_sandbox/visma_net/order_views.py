"""Orders as the Sales Order service shows them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from urllib.parse import quote

from tieout_sandbox.visma_net.call import ORDER_HOST, Call
from tieout_sandbox.visma_net.company import Company, day_text, stamp_text
from tieout_sandbox.visma_net.shown import short, without_nothing
from tieout_sandbox.visma_net.tables import Record

ZERO = Decimal("0.00")
EXPANDS = frozenset(
    {
        "none",
        "billing",
        "payment",
        "financialinformation",
        "shipping",
        "customer",
        "owner",
        "origin",
        "note",
        "freight",
        "attachments",
        "all",
    }
)
_TEXTS = {"Hold": "On hold", "CreditHold": "Credit hold", "BackOrder": "Back order"}


def _stamp(record: Record) -> str:
    return stamp_text(record["_modified"], "utc", "z")


def _customer(company: Company, record: Record) -> Record:
    found = company.customers.get(record["_customer"])
    assert found is not None
    return found


def row(company: Company, call: Call, record: Record, parts: frozenset[str]) -> Any:
    """An order in a list; its status is a text there."""
    customer = _customer(company, record)
    path = f"/api/v3/SalesOrders/{record['type']}/{quote(record['orderId'], safe='')}"
    found: Record = {
        "type": record["type"],
        "orderId": record["orderId"],
        "description": record["description"],
        "customerId": customer["number"],
        "customerName": customer["name"],
        "customerOrder": record["order"],
        "customerRefNo": record["refNo"],
        "location": record["locationId"],
        "status": record["status"],
        "date": day_text(record["date"]),
        "requestOn": day_text(record["requestOn"] or record["date"]),
        "shippingScheduledDate": day_text(record["shipping"].get("scheduledDate")),
        "orderQty": short(_quantity(record)),
        "orderTotal": short(record["_totals"]["total"]),
        "currency": record["currencyId"],
        "lastModified": _stamp(record),
        "_links": {"self": {"href": call.address(company, path, ORDER_HOST)}},
    }
    for name, value in _parts(company, record, parts).items():
        if name not in ("customer",):
            found[name] = value
    return found


def _quantity(record: Record) -> Decimal:
    return sum((line["quantity"] for line in record["_lines"]), ZERO)


def full(company: Company, record: Record, parts: frozenset[str]) -> Any:
    """One order; parts that were not expanded are left out."""
    project = company.projects.get(record["_project"])
    branch = company.branches.get(record["branchId"])
    seller = company.salespeople.get(record["salesPersonId"])
    status = record["status"]
    number = company.assumptions.order_etag == "number"
    found: Record = {
        "type": record["type"],
        "orderId": record["orderId"],
        "status": {
            "description": _TEXTS.get(status, status),
            "hold": status == "Hold",
            "cancelled": status == "Cancelled",
        },
        "date": day_text(record["date"]),
        "requestOn": day_text(record["requestOn"] or record["date"]),
        "cancelBy": day_text(record["cancelBy"]),
        "currencyId": record["currencyId"],
        "description": record["description"],
        "branch": {"id": branch["number"], "description": branch["name"]} if branch else None,
        "project": {
            "id": project["projectID"],
            "internalId": project["internalID"],
            "description": project["description"],
        }
        if project
        else None,
        "salesPerson": {"id": seller["salespersonID"], "description": seller["name"]}
        if seller
        else None,
        "originalOrderType": record["originalOrderType"],
        "originalOrderId": record["originalOrderId"],
        "orderQty": short(_quantity(record)),
        "totals": _totals(company, record),
        "print": record["print"] or None,
        "isRotRutDeductable": False,
        "createdBy": "api",
        "lastModified": _stamp(record),
        "version": str(record["_rev"]) if number else record["_version"],
        **_parts(company, record, parts),
    }
    return without_nothing(found)


def _totals(company: Company, record: Record) -> Record:
    totals, rate, mult_div = record["_totals"], record["_rate"], record["_mult_div"]
    values = {
        "orderTotal": totals["total"],
        "taxTotal": totals["vat"],
        "taxableTotal": totals["taxable"],
        "taxExemptTotal": totals["exempt"],
        "discountTotal": totals["discount"],
        "freightTotal": totals["freight"],
        "freightCost": record["freight"].get("cost") or ZERO,
        "unbilledAmount": totals["total"],
        "unshippedAmount": totals["total"],
        "costTotal": ZERO,
    }
    found: Record = {}
    for name, value in values.items():
        found[name] = short(value)
        found[f"{name}InBaseCurrency"] = short(company.to_base(value, rate, mult_div))
    return found


def _parts(company: Company, record: Record, parts: frozenset[str]) -> Record:
    makers = {
        "customer": ("customer", _customer_part),
        "billing": ("billing", _billing),
        "shipping": ("shipping", _shipping),
        "financialinformation": ("financialInformation", _financial),
        "payment": ("paymentSettings", _payment),
        "owner": ("owner", _owner),
        "origin": ("origin", _origin),
        "note": ("note", lambda _, record: record["note"]),
        "freight": ("freight", _freight),
        "attachments": ("attachments", lambda *_: []),
    }
    found = {}
    for part in sorted(parts & set(makers)):
        name, make = makers[part]
        found[name] = make(company, record)
    return without_nothing(found)


def _customer_part(company: Company, record: Record) -> Record:
    customer = _customer(company, record)
    zone = company.vat_zones.get(record["taxZoneId"] or customer["vatZoneId"])
    return without_nothing(
        {
            "id": customer["number"],
            "internalId": customer["internalId"],
            "name": customer["name"],
            "order": record["order"],
            "refNo": record["refNo"],
            "contactId": record["contactId"],
            "location": _short_location(company, record),
            "taxZone": {"id": zone["id"], "description": zone["description"]} if zone else None,
        }
    )


def _short_location(company: Company, record: Record) -> Record | None:
    for one in company.locations.find("_customer", record["_customer"]):
        if one["locationId"] == record["locationId"]:
            return without_nothing(
                {
                    "id": one["locationId"],
                    "internalId": one["internalId"],
                    "name": one["locationName"],
                    "countryId": (one["address"] or {}).get("countryId"),
                    "gln": one["gln"],
                    "corporateId": one["corporateId"],
                    "taxRegistrationId": one["vatRegistrationId"],
                }
            )
    return None


def _place(company: Company, given: Record, own: Record | None) -> Record | None:
    """An address: the order's own, whole, else the customer's."""
    if given:
        country = company.countries.get(given.get("countryId"))
        names = ("line1", "line2", "line3", "postalCode", "city")
        found = {name: given.get(name) for name in names}
        found["country"] = {"id": country["id"], "name": country["name"]} if country else None
        return without_nothing({**found, "overridesDefault": True})
    if own is None:
        return None
    country = company.countries.get(own.get("countryId"))
    return without_nothing(
        {
            "id": own.get("addressId"),
            "line1": own.get("addressLine1"),
            "line2": own.get("addressLine2"),
            "line3": own.get("addressLine3"),
            "postalCode": own.get("postalCode"),
            "city": own.get("city"),
            "country": {"id": country["id"], "name": country["name"]} if country else None,
            "overridesDefault": False,
        }
    )


def _person(given: Record, own: Record | None) -> Record | None:
    if given:
        short_form = ("name", "attention", "email", "phone1")
        found = {name: given.get(name) for name in short_form}
        return without_nothing({**found, "overridesDefault": True})
    if own is None:
        return None
    names = ("name", "attention", "email", "phone1", "phone2", "fax")
    found = {name: own.get(name) for name in names}
    return without_nothing({**found, "id": own.get("contactId"), "overridesDefault": False})


def _billing(company: Company, record: Record) -> Record:
    customer, given = _customer(company, record), record["billing"]
    own = customer["invoiceAddress"] or customer["mainAddress"]
    contact = customer["invoiceContact"] or customer["mainContact"]
    return without_nothing(
        {
            "address": _place(company, given.get("address") or {}, own),
            "contact": _person(given.get("contact") or {}, contact),
        }
    )


def _shipping(company: Company, record: Record) -> Record:
    customer, given = _customer(company, record), record["shipping"]
    own = customer["deliveryAddress"] or customer["mainAddress"]
    contact = customer["deliveryContact"] or customer["mainContact"]
    return without_nothing(
        {
            "address": _place(company, given.get("address") or {}, own),
            "contact": _person(given.get("contact") or {}, contact),
            "scheduledDate": day_text(given.get("scheduledDate")),
            "priority": given.get("priority"),
            "shipSeparately": bool(given.get("shipSeparately")),
        }
    )


def _financial(company: Company, record: Record) -> Record:
    given = record["financialInformation"]
    terms = company.terms.get(record["termsId"])
    return without_nothing(
        {
            "invoiceDate": day_text(given.get("invoiceDate")),
            "dueDate": day_text(given.get("dueDate")),
            "cashDiscountDate": day_text(given.get("cashDiscountDate")),
            "postPeriod": given.get("postPeriod"),
            "invoiceId": given.get("invoiceId"),
            "invoiceSeparately": bool(given.get("invoiceSeparately")),
            "terms": {"id": terms["termsId"], "description": terms["description"]}
            if terms
            else None,
        }
    )


def _payment(company: Company, record: Record) -> Record:
    given = record["paymentSettings"]
    method = company.payment_methods.get(given.get("paymentMethodId") or "1")
    return without_nothing(
        {
            "cashAccountId": given.get("cashAccountId"),
            "paymentReference": given.get("paymentReference"),
            "paymentMethod": {"id": method["_key"], "description": method["description"]}
            if method
            else None,
        }
    )


def _owner(company: Company, record: Record) -> Record | None:
    _ = company
    return {"id": record["ownerId"]} if record["ownerId"] else None


def _origin(company: Company, record: Record) -> Record | None:
    _ = company
    if not record["originalOrderId"]:
        return None
    return {"orderType": record["originalOrderType"], "orderId": record["originalOrderId"]}


def _freight(company: Company, record: Record) -> Record:
    given = record["freight"]
    found: Record = {"taxCategoryId": given.get("taxCategoryId")}
    for name in ("cost", "premiumAmount"):
        value = given.get(name) or ZERO
        found[name] = short(value)
        base = company.to_base(value, record["_rate"], record["_mult_div"])
        found[f"{name}InBaseCurrency"] = short(base)
    return without_nothing(found)


def line(company: Company, record: Record, one: Record) -> Any:
    """A line of an order."""
    item = company.items.one("inventoryNumber", one["inventoryId"])
    seller = company.salespeople.get(one["salesPersonId"])
    segments = one["subaccount"].split("-")
    open_quantity = one["quantity"] - one["quantityOnShipments"]
    return without_nothing(
        {
            "lineId": one["lineId"],
            "inventory": {
                "id": one["inventoryId"],
                "description": item["description"] if item else None,
                "baseUnit": item["baseUnit"] if item else None,
            },
            "lineType": "GI" if one["_stock"] else "GN",
            "operation": one["operation"] or "Issue",
            "description": one["description"],
            "unitOfMeasure": one["unitOfMeasure"],
            "quantity": short(one["quantity"]),
            "baseOrderQuantity": short(one["quantity"]),
            "openQuantity": short(open_quantity),
            "quantityOnShipments": short(one["quantityOnShipments"]),
            "billedQuantity": short(one["billedQuantity"]),
            "openLine": not one["completed"],
            "completed": one["completed"],
            "unitPrice": short(one["unitPrice"]),
            "hasManualPrice": one["hasManualPrice"],
            "lineTotalBeforeDiscount": short(one["lineTotalBeforeDiscount"]),
            "extendedPrice": short(one["amount"]),
            "discountPercent": short(one["discountPercent"]),
            "discountAmount": short(one["discountAmount"]),
            "discountCode": one["discountCode"],
            "hasManualDiscount": one["hasManualDiscount"],
            "taxCategoryId": one["taxCategoryId"],
            "salesAccountId": one["salesAccountId"],
            "subaccount": {str(place): value for place, value in enumerate(segments, start=1)},
            "warehouseId": one["warehouseId"],
            "projectTaskId": one["projectTaskId"],
            "requestDate": day_text(one["requestDate"]),
            "shipDate": day_text(one["shipDate"]),
            "orderDate": day_text(record["date"]),
            "note": one["note"],
            "externalLink": one["externalLink"],
            "reasonCode": one["reasonCode"],
            "sortOrder": one["sortOrder"] or one["lineId"],
            "salesPerson": {"id": seller["salespersonID"], "description": seller["name"]}
            if seller
            else None,
            "attachments": [],
        }
    )


def taxes(record: Record) -> list[Record]:
    """The VAT of an order, per id."""
    return [
        {
            "taxId": one["vat"],
            "taxRate": short(one["rate"]),
            "taxableAmount": short(one["taxable"]),
            "taxAmount": short(one["amount"]),
            "taxType": "VAT",
            "exemptTax": one["exempt"],
            "includeInTaxable": False,
            "isPendingTax": False,
            "isReverseTax": False,
            "isStatisticalTax": False,
        }
        for one in record["_taxes"]
    ]


def shipments(company: Company, record: Record) -> list[Record]:
    """The shipments of an order, with the invoices they came to."""
    return [
        without_nothing(
            {
                "id": one["shipmentNumber"],
                "type": "Issue",
                "date": day_text(one["date"]),
                "quantity": short(sum((part["quantity"] for part in one["_lines"]), ZERO)),
                "invoiceId": one["_invoice"],
                "invoiceType": "Invoice" if one["_invoice"] else None,
            }
        )
        for one in company.shipments
        if one["_order"] == record["_key"]
    ]


def customer(company: Company, record: Record) -> Any:
    """A customer as the order service finds it."""
    main = record["mainAddress"] or {}
    probe = {"_customer": record["internalId"], "locationId": company.settings["mainLocation"]}
    return without_nothing(
        {
            "id": record["number"],
            "internalId": record["internalId"],
            "name": record["name"],
            "status": record["status"],
            "addressLine1": main.get("addressLine1"),
            "addressLine2": main.get("addressLine2"),
            "postalCode": main.get("postalCode"),
            "country": main.get("countryId"),
            "currencyId": record["currencyId"],
            "customerClassId": record["customerClassId"],
            "defaultLocation": _short_location(company, probe),
        }
    )


def location(company: Company, record: Record) -> Any:
    """A location of a customer as the order service finds it."""
    return without_nothing(
        {
            "id": record["locationId"],
            "internalId": record["internalId"],
            "name": record["locationName"],
            "address": _place(company, {}, record["address"]),
            "contact": _person({}, record["contact"]),
            "gln": record["gln"],
            "corporateId": record["corporateId"],
            "taxRegistrationId": record["vatRegistrationId"],
            "taxZoneId": record["vatZoneId"],
            "countryId": (record["address"] or {}).get("countryId"),
        }
    )


def item(company: Company, record: Record) -> Any:
    """What is there of an item."""
    _ = company
    amount = short(record["_on_hand"])
    stock = [
        {
            "warehouseId": "1",
            "description": "Main",
            "quantityOnHand": amount,
            "quantityAvailable": amount,
            "quantityAvailableForShipment": amount,
            "lastModified": _stamp(record),
        }
    ]
    return {
        "inventoryId": record["inventoryNumber"],
        "internalId": record["inventoryId"],
        "description": record["description"],
        "baseUnit": record["baseUnit"],
        "availability": stock if record["stockItem"] else [],
    }
