"""From an order to its invoice, on the ERP host: shipment, confirmation, invoice."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from tieout_sandbox.kit import Response, json_response
from tieout_sandbox.visma_net import documents, lines, periods, views
from tieout_sandbox.visma_net.call import Call, done
from tieout_sandbox.visma_net.company import Company, day_text
from tieout_sandbox.visma_net.errors import BusinessError, NotFoundError, missing
from tieout_sandbox.visma_net.ledger import FREIGHT
from tieout_sandbox.visma_net.lists import matching, one, paged, stored
from tieout_sandbox.visma_net.shown import short, stamps, without_nothing
from tieout_sandbox.visma_net.tables import Record
from tieout_sandbox.visma_net.writes import read

ZERO = Decimal("0.00")
SHIPPABLE = frozenset({"Open", "BackOrder", "Shipping"})


def need_order(company: Company, type_: str, number: str) -> Record:
    """An order as the ERP host knows it: a while after the order service."""
    found = company.orders.get(f"{type_.upper()}/{number}")
    delay = timedelta(seconds=company.assumptions.order_sync_seconds)
    if found is None or company.clock.now() < found["_created"] + delay:
        raise NotFoundError(f"Sales order '{number}' cannot be found in the system.")
    return found


def ship(company: Company, order: Record, quantities: dict[int, Decimal] | None = None) -> Record:
    """A shipment of what is open of the order's stock lines, or of so much of each line."""
    if order["status"] not in SHIPPABLE:
        raise BusinessError(f"Error: order {order['orderId']} has status {order['status']}.")
    parts = []
    changed = []
    for line in order["_lines"]:
        left = line["quantity"] - line["quantityOnShipments"]
        wanted = left if quantities is None else quantities.get(line["lineId"], ZERO)
        if not line["_stock"] or wanted <= 0:
            changed.append(line)
            continue
        if wanted > left:
            raise BusinessError(f"Error: only {left} of line {line['lineId']} is open.")
        _take(company, line["inventoryId"], wanted)
        parts.append({"lineId": line["lineId"], "quantity": wanted})
        changed.append({**line, "quantityOnShipments": line["quantityOnShipments"] + wanted})
    if not parts:
        raise BusinessError(f"Error: order {order['orderId']} has nothing to ship.")
    number = company.number("SHIPMENT", None, False, company.shipments)
    rev = order["_rev"] + 1
    shipping = {**order, "_lines": changed, "status": "Shipping", "_rev": rev}
    company.save(company.orders, shipping)
    return company.save(
        company.shipments,
        {
            "_key": number,
            "shipmentNumber": number,
            "status": "Open",
            "date": company.today(),
            "_order": order["_key"],
            "_customer": order["_customer"],
            "_lines": parts,
            "_invoice": None,
        },
    )


def _take(company: Company, number: str, quantity: Decimal) -> None:
    item = company.items.one("inventoryNumber", number)
    if item is None or item["_on_hand"] < quantity:
        raise BusinessError(f"Error: there is not enough of {number} on hand.")
    company.save(company.items, {**item, "_on_hand": item["_on_hand"] - quantity})


def confirm(company: Company, shipment: Record) -> Record:
    """The shipment has left."""
    if shipment["status"] != "Open":
        raise BusinessError(f"Error: the shipment has status {shipment['status']}.")
    return company.save(company.shipments, {**shipment, "status": "Confirmed"})


def prepare_invoice(company: Company, order: Record) -> Record:
    """An invoice over what was shipped, and over lines that need no shipment."""
    if order["status"] not in SHIPPABLE or order["type"] == "QT":
        raise BusinessError(f"Error: order {order['orderId']} has status {order['status']}.")
    sent: dict[int, Decimal] = {}
    shipped = [
        row
        for row in company.shipments
        if row["_order"] == order["_key"] and row["status"] == "Confirmed"
    ]
    for row in shipped:
        for part in row["_lines"]:
            sent[part["lineId"]] = sent.get(part["lineId"], ZERO) + part["quantity"]
    made, changed = [], []
    for line in order["_lines"]:
        left = line["quantity"] - line["billedQuantity"]
        quantity = sent.get(line["lineId"], ZERO) if line["_stock"] else left
        if quantity <= 0:
            changed.append(line)
            continue
        made.append((line, quantity))
        billed = line["billedQuantity"] + quantity
        done_ = billed >= line["quantity"]
        changed.append({**line, "billedQuantity": billed, "completed": done_})
    if not made:
        raise BusinessError(f"Error: order {order['orderId']} has nothing to invoice.")
    invoice = _invoice(company, order, made, shipped[0]["shipmentNumber"] if shipped else None)
    for row in shipped:
        number = invoice["referenceNumber"]
        company.save(company.shipments, {**row, "status": "Invoiced", "_invoice": number})
    whole = all(line["completed"] for line in changed)
    status = "Invoiced" if whole else "BackOrder"
    financial = {**order["financialInformation"], "invoiceId": invoice["referenceNumber"]}
    company.save(
        company.orders,
        {
            **order,
            "_lines": changed,
            "status": status,
            "financialInformation": financial,
            "_rev": order["_rev"] + 1,
        },
    )
    return invoice


def _invoice(
    company: Company, order: Record, parts: list[tuple[Record, Decimal]], shipment: str | None
) -> Record:
    customer = company.customers.get(order["_customer"])
    assert customer is not None
    kind = documents.CREDIT_NOTE if order["type"] == "CM" else documents.INVOICE
    record = documents.fresh(company, kind, {"customerNumber": customer["number"]})
    number = company.number(kind.series, None, False, company.documents, f"{kind.type}/")
    day = order["financialInformation"].get("invoiceDate") or company.today()
    terms = company.terms.get(order["termsId"])
    due, discount = documents.due_dates(terms, day)
    record.update(
        _key=f"{kind.type}/{number}",
        referenceNumber=number,
        hold=False,
        documentDate=day,
        documentDueDate=due,
        cashDiscountDate=discount,
        financialPeriod=periods.of_date(company, day)["_key"],
        creditTermsId=order["termsId"],
        currencyId=order["currencyId"],
        locationId=order["locationId"],
        customerRefNumber=order["order"],
        invoiceText=(order["description"] or "")[:60] or None,
        project=order["_project"],
        paymentReference=documents.kid(number) if kind is documents.INVOICE else None,
        _zone=order["taxZoneId"],
    )
    head = documents.head_of(company, record)
    made = [
        _invoice_line(company, head, order, line, quantity, place, shipment)
        for place, (line, quantity) in enumerate(parts, start=1)
    ]
    freight = order["freight"].get("premiumAmount")
    if freight and not any(line["billedQuantity"] for line in order["_lines"]):
        row = lines.system_line(len(made) + 1, "FR", "Freight", freight, made[0])
        category = order["freight"].get("taxCategoryId") or "3"
        made.append({**row, "account": FREIGHT, "vatCodeId": category})
    record["_lines"] = made
    documents.reckon(company, record)
    record["status"] = documents.status_before_release(company, record)
    return company.save(company.documents, record)


def _invoice_line(
    company: Company,
    head: lines.Head,
    order: Record,
    line: Record,
    quantity: Decimal,
    place: int,
    shipment: str | None,
) -> Record:
    item = company.items.one("inventoryNumber", line["inventoryId"])
    if item is None:
        raise missing("InventoryID", line["inventoryId"])
    base: Record = {
        "lineNumber": place,
        "inventoryNumber": item["inventoryNumber"],
        "lineType": "GI" if line["_stock"] else "GN",
        "description": line["description"],
        "quantity": quantity,
        "unitPrice": line["unitPrice"],
        "_hand_price": True,
        "uom": line["unitOfMeasure"],
        "account": line["salesAccountId"],
        "subaccount": line["subaccount"],
        "vatCodeId": line["taxCategoryId"],
        "branch": line["branchId"],
        "taskId": line["projectTaskId"],
        "note": line["note"],
        "externalLink": line["externalLink"],
        "discountPercent": line["discountPercent"],
        "manualDiscount": True,
        "soOrderType": order["type"],
        "soOrderNbr": order["orderId"],
        "soShipmentNbr": shipment if line["_stock"] else None,
    }
    given: Record = {}
    if line.get("_by_amount") and quantity == line["quantity"]:
        given["discountAmountInCurrency"] = line["discountAmount"]
    lines.reprice(company, head, given, item, base)
    return base


# Calls.


def present(company: Company, record: Record) -> Any:
    """A shipment as the API shows it: no customer's order number, only the order per line."""
    customer = company.customers.get(record["_customer"])
    order = company.orders.get(record["_order"])
    assert customer is not None
    assert order is not None
    known = {line["lineId"]: line for line in order["_lines"]}
    quantity = sum((part["quantity"] for part in record["_lines"]), ZERO)
    return without_nothing(
        {
            "shipmentNumber": record["shipmentNumber"],
            "shipmentType": "Issue",
            "status": record["status"],
            "hold": False,
            "operation": "Issue",
            "shipmentDate": day_text(record["date"]),
            "customer": {name: customer[name] for name in ("internalId", "number", "name")},
            "currencyId": order["currencyId"],
            "shippedQuantity": short(quantity),
            "shipmentDetailLines": [
                {
                    "lineNumber": place,
                    "orderType": order["type"],
                    "orderNbr": order["orderId"],
                    "orderLineNbr": part["lineId"],
                    "inventoryNumber": known[part["lineId"]]["inventoryId"],
                    "uom": known[part["lineId"]]["unitOfMeasure"],
                    "shippedQty": short(part["quantity"]),
                    "orderedQty": short(known[part["lineId"]]["quantity"]),
                }
                for place, part in enumerate(record["_lines"], start=1)
            ],
            "shipmentOrderLines": [
                without_nothing(
                    {
                        "orderType": order["type"],
                        "orderNbr": order["orderId"],
                        "shippedQty": short(quantity),
                        "invoiceType": "Invoice" if record["_invoice"] else None,
                        "invoiceNbr": record["_invoice"],
                    }
                )
            ],
            "lastModifiedDateTime": stamps(company, "shipment", record)["lastModifiedDateTime"],
            "timeStamp": record["_version"],
        }
    )


def _need(company: Company, number: str) -> Record:
    found = company.shipments.get(number)
    if found is None:
        raise NotFoundError(f"Shipment '{number}' cannot be found in the system.")
    return found


def listing(company: Company, call: Call) -> Response:
    """GET /v1/shipment."""

    def customer(company: Company, record: Record) -> str:
        found = company.customers.get(record["_customer"])
        return str(found["number"]) if found else ""

    found = matching(
        company,
        call.request,
        "shipment",
        stored(company, company.shipments),
        equal={"status": lambda _, record: record["status"], "customerNumber": customer},
        dates={"shipmentDate": "date"},
    )
    return paged(company, call.request, "shipment", found, present)


def single(company: Company, call: Call) -> Response:
    """GET /v1/shipment/{number}."""
    record = _need(company, call.ids[0])
    return one(company, present(company, record), record["_version"])


def create_call(company: Company, call: Call) -> Response:
    """The action `createShipment`."""
    given = read("CreateShipmentActionDto", call.body(optional=True), company.assumptions)
    order = need_order(company, given.get("orderType") or "SO", call.ids[0])
    made = ship(company, order)
    answer = done(company).json()
    return json_response(200, {**answer, "referenceNumber": made["shipmentNumber"]})


def confirm_call(company: Company, call: Call) -> Response:
    """The action `confirmShipment`."""
    confirm(company, _need(company, call.ids[0]))
    return done(company)


def invoice_call(company: Company, call: Call) -> Response:
    """The action `prepareInvoice`: gives the invoice's number."""
    order = need_order(company, *call.ids)
    made = prepare_invoice(company, order)
    answer = {**done(company).json(), "referenceNumber": made["referenceNumber"]}
    if made["documentType"] == "Invoice":
        answer["customerInvoiceDto"] = views.full(company, made)
    return json_response(200, answer)
