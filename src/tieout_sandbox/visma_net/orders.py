"""Sales orders: made, changed, priced; the rules behind the order service."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

from tieout_sandbox.visma_net import credit, documents, periods, pricing, subaccounts, tax
from tieout_sandbox.visma_net.company import Company, rounded
from tieout_sandbox.visma_net.errors import BusinessError, OrderError, ProblemError
from tieout_sandbox.visma_net.order_writes import Faults
from tieout_sandbox.visma_net.tables import Record
from tieout_sandbox.visma_net.totals import Line, discount_of, document, extended

ZERO = Decimal("0.00")
EDITABLE = frozenset({"Hold", "Open", "CreditHold", "BackOrder", "PendingApproval"})
_HEAD = (
    "description",
    "note",
    "ownerId",
    "requestOn",
    "cancelBy",
    "taxZoneId",
    "originalOrderType",
    "originalOrderId",
    "useReplacementCostForMarginAndProfit",
)
_PARTS = ("billing", "shipping", "financialInformation", "paymentSettings", "freight", "print")
_LINE = (
    "description",
    "discountCode",
    "externalLink",
    "note",
    "projectTaskId",
    "requestDate",
    "shipDate",
    "salesPersonId",
    "reasonCode",
    "shippingRule",
    "commissionable",
    "undershipThreshold",
    "overshipThreshold",
    "unitCost",
    "sortOrder",
    "operation",
)


def create(company: Company, given: Record) -> Record:
    """A new order; OrderError with everything that is wrong with it."""
    faults: Faults = []
    type_ = str(given["type"]).upper()
    if company.order_types.get(type_) is None:
        raise OrderError([("Type", "0003-InvalidValue", "Order type cannot be found")])
    customer = _customer(company, given["customer"], faults)
    if customer is None:
        raise OrderError(faults)
    order_id = _order_id(company, type_, given)
    record: Record = {
        "_key": f"{type_}/{order_id}",
        "type": type_,
        "orderId": order_id,
        "_customer": customer["internalId"],
        "_rev": 0,
        "locationId": company.settings["mainLocation"],
        "contactId": None,
        "order": None,
        "refNo": None,
        "termsId": customer["creditTermsId"],
        "currencyId": customer["currencyId"],
        "date": company.today(),
        "branchId": company.settings["branch"],
        "_project": None,
        "salesPersonId": None,
        **dict.fromkeys(_HEAD),
        **{name: {} for name in _PARTS},
        "_lines": [],
        "status": "Open",
    }
    record = _head(company, record, given, faults)
    lines = [
        _line(company, record, line, number, {}, f"OrderLines[{number - 1}]", faults)
        for number, line in enumerate(given.get("orderLines") or [], start=1)
    ]
    if faults:
        raise OrderError(faults)
    record["_lines"] = lines
    return _saved(company, record)


def _order_id(company: Company, type_: str, given: Record) -> str:
    wanted = given.get("orderId") or None
    try:
        order_id = company.number(
            "SOORDER", wanted, bool(given.get("overrideNumberSeries")), company.orders, f"{type_}/"
        )
    except BusinessError as error:
        text = error.text.removeprefix("Error: ")
        raise OrderError([("OrderId", "1900-OrderNumberSequenceNotFound", text)]) from error
    if company.orders.get(f"{type_}/{order_id}") is not None:
        text = f"Order {type_} {order_id} already exists"
        if company.assumptions.duplicate_order_status == 400:
            raise OrderError([("OrderId", "0004-ValueNotAllowed", text)])
        raise ProblemError(409, text)
    return order_id


def patch(company: Company, record: Record, given: Record) -> Record:
    """The order with the fields that were sent, all or nothing."""
    faults: Faults = []
    if record["status"] not in EDITABLE:
        text = f"The order has status {record['status']}"
        raise OrderError([("Status", "0005-InvalidState", text)])
    if company.assumptions.order_patch_null == "absent":
        given = {name: value for name, value in given.items() if value is not None}
    record = _head(company, dict(record), given, faults)
    if faults:
        raise OrderError(faults)
    return _saved(company, record)


def add_lines(company: Company, record: Record, sent: list[Record]) -> Record:
    """The order with more lines."""
    highest = max((line["lineId"] for line in record["_lines"]), default=0)

    def merged(faults: Faults) -> list[Record]:
        made = [
            _line(company, record, line, highest + place, {}, f"Lines[{place - 1}]", faults)
            for place, line in enumerate(sent, start=1)
        ]
        return [*record["_lines"], *made]

    return _with_lines(company, record, merged)


def patch_lines(company: Company, record: Record, sent: list[Record]) -> Record:
    """The order with other lines; OrderError where one is shipped or not there."""

    def merged(faults: Faults) -> list[Record]:
        known = {line["lineId"]: line for line in record["_lines"]}
        for place, line in enumerate(sent):
            where = f"Lines[{place}]"
            old = _free(known, int(line["lineId"]), where, faults)
            if old is not None:
                number = old["lineId"]
                known[number] = _line(company, record, line, number, old, where, faults)
        return list(known.values())

    return _with_lines(company, record, merged)


def delete_lines(company: Company, record: Record, numbers: list[int]) -> Record:
    """The order without these lines; OrderError where one is shipped or not there."""

    def merged(faults: Faults) -> list[Record]:
        known = {line["lineId"]: line for line in record["_lines"]}
        for place, number in enumerate(numbers):
            if _free(known, number, f"Ids[{place}]", faults) is not None:
                del known[number]
        return list(known.values())

    return _with_lines(company, record, merged)


def _with_lines(
    company: Company, record: Record, merged: Callable[[Faults], list[Record]]
) -> Record:
    faults: Faults = []
    lines = merged(faults)
    if record["status"] not in EDITABLE:
        text = f"The order has status {record['status']}"
        faults.append(("Status", "0005-InvalidState", text))
    if faults:
        raise OrderError(faults)
    return _saved(company, {**record, "_lines": lines})


def _free(known: dict[int, Record], number: int, where: str, faults: Faults) -> Record | None:
    line = known.get(number)
    if line is None:
        text = f"Line {number} does not exist"
        faults.append((f"{where}.LineId", "0200-LineIdDoesNotExist", text))
        return None
    if line["completed"]:
        text = f"Line {number} is completed"
        faults.append((f"{where}.LineId", "1810-LineAlreadyCompleted", text))
        return None
    if line["quantityOnShipments"]:
        text = f"Line {number} is on a shipment"
        faults.append((f"{where}.LineId", "1811-LineIsShipped", text))
        return None
    return line


def delete(company: Company, record: Record) -> None:
    """Takes an order away; ProblemError where something was shipped or invoiced."""
    if record["status"] not in EDITABLE:
        raise ProblemError(409, f"The order has status {record['status']}")
    company.orders.remove(record["_key"])


# The head.


def _customer(company: Company, given: Record, faults: Faults) -> Record | None:
    found = None
    if given.get("id"):
        found = company.customers.one("number", given["id"])
    elif given.get("gln"):
        found = next((one for one in company.customers if one["gln"] == given["gln"]), None)
    if found is None:
        faults.append(("Customer.Id", "1400-CustomerLookupException", "Customer cannot be found"))
        return None
    if found["status"] in ("OnHold", "Inactive"):
        text = f"Customer status is {found['status']}"
        faults.append(("Customer.Id", "1407-InvalidCustomerStatus", text))
        return None
    return found


def _head(company: Company, record: Record, given: Record, faults: Faults) -> Record:
    for name in _HEAD:
        if name in given:
            record[name] = given[name]
    for name in _PARTS:
        if given.get(name):
            # An address or contact that is given is taken whole: nothing is filled in.
            record[name] = {**record[name], **given[name]}
    who = given.get("customer") or {}
    for name in ("order", "refNo", "contactId"):
        if name in who:
            record[name] = who[name]
    _references(company, record, given, who, faults)
    if given.get("date") is not None:
        record["date"] = given["date"]
    _period(company, record, faults)
    _status(record, given, faults)
    return record


def _references(
    company: Company, record: Record, given: Record, who: Record, faults: Faults
) -> None:
    customer = company.customers.get(record["_customer"])
    assert customer is not None
    if who.get("termsId"):
        if company.terms.get(who["termsId"]) is None:
            faults.append(("Customer.TermsId", "1401-MissingTermsId", "Terms cannot be found"))
        record["termsId"] = who["termsId"]
    if who.get("locationId"):
        record["locationId"] = who["locationId"]
    currency = given.get("currencyId")
    if currency:
        if company.currencies.get(currency) is None:
            faults.append(("CurrencyId", "0003-InvalidValue", "Currency cannot be found"))
        elif currency != customer["currencyId"] and not customer["_override_currency"]:
            text = "The customer does not allow another currency"
            faults.append(("CurrencyId", "1408-OverrideCurrencyIdProhibited", text))
        record["currencyId"] = currency
    if given.get("taxZoneId") and company.vat_zones.get(given["taxZoneId"]) is None:
        faults.append(("TaxZoneId", "0003-InvalidValue", "Tax zone cannot be found"))
    if given.get("branchId"):
        if company.branches.get(given["branchId"]) is None:
            faults.append(("BranchId", "0003-InvalidValue", "Branch cannot be found"))
        record["branchId"] = given["branchId"]
    if given.get("salesPersonId"):
        if company.salespeople.get(given["salesPersonId"]) is None:
            faults.append(("SalesPersonId", "0003-InvalidValue", "Sales person cannot be found"))
        record["salesPersonId"] = given["salesPersonId"]
    if "projectId" in given:
        record["_project"] = _project(company, given["projectId"], faults)


def _project(company: Company, given: str | None, faults: Faults) -> str | None:
    if not given or given == company.settings["nonProject"]:
        return None
    found = company.projects.one("projectID", given)
    if found is None:
        faults.append(("ProjectId", "1904-ProjectNotFound", "Project cannot be found"))
        return None
    codes = {"Cancelled": "1906-ProjectCancelled", "Completed": "1907-ProjectCompleted"}
    if found["status"] in codes:
        text = f"Project is {found['status'].lower()}"
        faults.append(("ProjectId", codes[found["status"]], text))
    return str(found["_key"])


def _period(company: Company, record: Record, faults: Faults) -> None:
    financial = record["financialInformation"]
    day = financial.get("invoiceDate") or record["date"]
    period = financial.get("postPeriod")
    try:
        row = periods.named(company, period) if period else periods.of_date(company, day)
    except BusinessError:
        text = "Financial period cannot be found"
        faults.append(("Date", "1600-FinancialPeriodNotFound", text))
        return
    if not row["active"]:
        faults.append(("Date", "1602-FinancialPeriodInactive", "Financial period is inactive"))
    elif periods.shut(row) is not None and company.assumptions.closed_period == "refused":
        faults.append(("Date", "1601-FinancialPeriodClosed", "Financial period is closed"))


def _status(record: Record, given: Record, faults: Faults) -> None:
    wanted = given.get("status")
    if wanted is None:
        return
    if wanted not in ("Open", "Hold", "Cancelled"):
        faults.append(("Status", "0003-InvalidValue", "Status is not valid"))
        return
    record["status"] = wanted


# Lines.


def _line(
    company: Company,
    record: Record,
    given: Record,
    number: int,
    old: Record,
    where: str,
    faults: Faults,
) -> Record:
    item = company.items.one("inventoryNumber", given.get("inventoryId") or old.get("inventoryId"))
    if item is None or item["status"] not in pricing.SELLABLE:
        text = "InventoryId cannot be found or is invalid"
        faults.append((f"{where}.InventoryId", "1804-InventoryIdNotFound", text))
        return old
    line: Record = {**_blank_line(company, record, item), **old, "lineId": number}
    for name in _LINE:
        if name in given:
            line[name] = given[name]
    if given.get("description") is None and not old:
        line["description"] = item["description"]
    line.update(_coded(company, record, given, where, faults))
    try:
        line["unitOfMeasure"] = pricing.unit(
            item, given.get("unitOfMeasure") or line["unitOfMeasure"]
        )
    except BusinessError:
        text = "UnitOfMeasure is not one of the item"
        faults.append((f"{where}.UnitOfMeasure", "1808-InvalidUnitOfMeasure", text))
        return line
    _priced(company, record, given, item, line)
    _checked(company, record, line, where, faults)
    return line


def _blank_line(company: Company, record: Record, item: Record) -> Record:
    return {
        "inventoryId": item["inventoryNumber"],
        **dict.fromkeys(_LINE),
        "unitOfMeasure": item["salesUnit"],
        "quantity": Decimal(0),
        "unitPrice": ZERO,
        "discountPercent": ZERO,
        "discountAmount": ZERO,
        "hasManualPrice": False,
        "hasManualDiscount": False,
        "taxCategoryId": item["_vat_category"],
        "salesAccountId": item["_sales_account"],
        "warehouseId": "1" if item["stockItem"] else None,
        "subaccount": company.settings["subaccount"],
        "branchId": record["branchId"],
        "quantityOnShipments": ZERO,
        "billedQuantity": ZERO,
        "completed": False,
        "_stock": item["stockItem"],
    }


def _coded(company: Company, record: Record, given: Record, where: str, faults: Faults) -> Record:
    found: Record = {}
    for name, table, code, text in (
        ("taxCategoryId", company.vat_categories, "1805-InvalidTaxCategoryId", "Tax category"),
        ("salesAccountId", company.accounts, "1806-InvalidSalesAccountId", "Sales account"),
    ):
        if given.get(name):
            if table.get(given[name]) is None:
                place = f"{where}.{name[:1].upper()}{name[1:]}"
                faults.append((place, code, f"{text} cannot be found"))
            found[name] = given[name]
    if given.get("warehouseId"):
        if given["warehouseId"] != "1":
            text = "Warehouse cannot be found"
            faults.append((f"{where}.WarehouseId", "1802-InvalidWarehouseId", text))
        found["warehouseId"] = given["warehouseId"]
    if given.get("discountCode") and all(
        row["discountCode"] != given["discountCode"] for row in company.discounts
    ):
        text = "Discount code cannot be found"
        faults.append((f"{where}.DiscountCode", "1105-InvalidDiscountCode", text))
    if given.get("subaccount"):
        found["subaccount"] = _subaccount(company, given["subaccount"], where, faults)
    _ = record
    return found


def _subaccount(company: Company, given: dict[str, str], where: str, faults: Faults) -> str:
    parts = str(company.settings["subaccount"]).split("-")
    for place, segment in enumerate(subaccounts.segments(company)):
        value = given.get(str(segment["segmentId"]))
        if value is None:
            continue
        row = next((one for one in segment["_values"] if one["valueId"] == value), None)
        if row is None:
            text = f"Segment value {value} cannot be found"
            faults.append((f"{where}.Subaccount", "1202-SegmentValueNotFound", text))
        elif not row["active"]:
            text = f"Segment value {value} is inactive"
            faults.append((f"{where}.Subaccount", "1200-SubaccountSegmentInactive", text))
        parts[place] = value
    return "-".join(parts)


def _priced(company: Company, record: Record, given: Record, item: Record, line: Record) -> None:
    """A price or discount that is not marked as manual is thrown away for the company's own."""
    customer = company.customers.get(record["_customer"])
    assert customer is not None
    decimals, settings = company.precision(record["currencyId"]), company.settings
    if given.get("quantity") is not None:
        line["quantity"] = rounded(given["quantity"], settings["quantityDecimals"])
    if given.get("unitPrice") is not None:
        line["unitPrice"] = rounded(given["unitPrice"], settings["priceDecimals"])
        line["hasManualPrice"] = True
    if given.get("hasManualPrice") is not None:
        line["hasManualPrice"] = given["hasManualPrice"]
    if not line["hasManualPrice"]:
        line["unitPrice"] = pricing.price(
            company,
            customer,
            item,
            line["unitOfMeasure"],
            line["quantity"],
            record["currencyId"],
            record["date"],
        )
    ext = extended(line["quantity"], line["unitPrice"], decimals)
    amount, percent = given.get("discountAmount"), given.get("discountPercent")
    if amount is not None or percent is not None:
        line["hasManualDiscount"] = True
    if given.get("hasManualDiscount") is not None:
        line["hasManualDiscount"] = given["hasManualDiscount"]
    if not line["hasManualDiscount"]:
        found = pricing.automatic_percent(company, "L", record["date"])
        line["discountCode"], percent = found or (None, ZERO)
        amount = None
    if percent is not None:
        line["discountPercent"], line["_by_amount"] = percent, False
    if amount is not None and percent is None:
        line["discountAmount"], line["_by_amount"] = rounded(amount, decimals), True
        line["discountPercent"] = rounded(amount * 100 / ext, 6) if ext else ZERO
    elif not line.get("_by_amount"):
        line["discountAmount"] = discount_of(ext, line["discountPercent"], decimals)
    line["lineTotalBeforeDiscount"] = ext
    line["amount"] = ext - line["discountAmount"]


def _checked(company: Company, record: Record, line: Record, where: str, faults: Faults) -> None:
    if abs(line["discountPercent"]) > 100:
        text = "DiscountPercent must be between -100 and 100"
        faults.append((f"{where}.DiscountPercent", "0100-OutsideValidRange", text))
    if abs(line["discountAmount"]) > abs(line["lineTotalBeforeDiscount"]):
        text = "The discount is more than the extended price"
        code = "1101-DiscountAmountMoreThanExtPrice"
        faults.append((f"{where}.DiscountAmount", code, text))
    if line["quantity"] < 0 and record["type"] != "CM":
        text = "Quantity cannot be negative"
        faults.append((f"{where}.Quantity", "1809-InvalidQuantityForType", text))
    if record["_project"] is not None:
        known = company.tasks.find("_project", record["_project"])
        if all(one["taskId"] != line["projectTaskId"] for one in known):
            text = "Project task cannot be found"
            faults.append((f"{where}.ProjectTaskId", "1908-ProjectTaskNotFound", text))


# Totals.


def zone_of(company: Company, record: Record) -> str | None:
    """The VAT zone of an order."""
    if record["taxZoneId"]:
        return str(record["taxZoneId"])
    for location in company.locations.find("_customer", record["_customer"]):
        if location["locationId"] == record["locationId"]:
            return str(location["vatZoneId"])
    return None


def _saved(company: Company, record: Record) -> Record:
    """Totals reckoned, credit checked, saved with the next revision."""
    reckon(company, record)
    customer = company.customers.get(record["_customer"])
    assert customer is not None
    if record["status"] == "Open":
        probe: dict[str, Any] = {"_base": {"amount": record["_totals"]["total"]}}
        stopped = customer["status"] == "CreditHold" or credit.exceeded(company, customer, probe)
        if stopped and not record.get("_credit_approved"):
            record["status"] = "CreditHold"
    record["_rev"] = record["_rev"] + 1
    return company.save(company.orders, record)


def reckon(company: Company, record: Record) -> None:
    """Puts the totals and VAT on an order."""
    zone, day = zone_of(company, record), record["date"]
    priced = [
        Line(amount=line["amount"], vats=_vats(company, zone, line["taxCategoryId"], day))
        for line in record["_lines"]
    ]
    freight = record["freight"].get("premiumAmount") or ZERO
    if freight:
        vats = _vats(company, zone, record["freight"].get("taxCategoryId") or "3", day)
        priced.append(Line(amount=freight, vats=vats))
    totals = document(priced, ZERO, documents.rules(company, record["currencyId"]))
    rate, mult_div = company.rate_of(record["currencyId"], day)
    record["_rate"], record["_mult_div"] = rate, mult_div
    record["_totals"] = {
        "total": totals.total,
        "vat": totals.vat,
        "taxable": totals.taxable,
        "exempt": totals.exempt,
        "freight": freight,
        "discount": sum((line["discountAmount"] for line in record["_lines"]), ZERO),
    }
    record["_taxes"] = [
        {
            "vat": share.vat.vat_id,
            "rate": share.vat.rate * 100,
            "taxable": share.taxable,
            "amount": share.amount,
            "exempt": share.vat.exempt,
        }
        for share in totals.shares
    ]


def _vats(company: Company, zone: str | None, category: str | None, day: date) -> Any:
    try:
        return tax.vats(company, zone, category, day)
    except BusinessError:
        return ()
