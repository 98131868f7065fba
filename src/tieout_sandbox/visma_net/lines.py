"""Lines of invoices, credit notes and debit notes: read, defaulted, checked and priced."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from tieout_sandbox.visma_net import pricing, subaccounts, tax
from tieout_sandbox.visma_net.company import Company, rounded
from tieout_sandbox.visma_net.errors import BusinessError, missing
from tieout_sandbox.visma_net.ledger import SALES
from tieout_sandbox.visma_net.tables import Record
from tieout_sandbox.visma_net.totals import discount_of, extended

ZERO = Decimal("0.00")


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What lines take from their document."""

    customer: Record
    zone: str | None
    currency: str
    day: date
    branch: str
    project: Record | None


def merge(company: Company, head: Head, old: list[Record], sent: list[Record]) -> list[Record]:
    """The lines after the operations that were sent; lines that were not mentioned stay."""
    lines = {line["lineNumber"]: line for line in old}
    highest = max((*lines, *(0,)))
    for given in sent:
        number = int(given.get("lineNumber") or 0)
        match _operation(company, given, number in lines):
            case "Insert":
                highest += 1
                lines[highest] = read(company, head, given, highest, {})
            case "Update":
                if number not in lines:
                    raise missing("LineNbr", number)
                lines[number] = read(company, head, given, number, lines[number])
            case _:
                if number not in lines:
                    raise missing("LineNbr", number)
                del lines[number]
    return [lines[number] for number in sorted(lines)]


def _operation(company: Company, given: Record, known: bool) -> str:
    operation = given.get("operation") or ("Update" if known else "Insert")
    if operation == "Insert" and known and company.assumptions.insert_with_number == "update":
        return "Update"
    return str(operation)


def read(company: Company, head: Head, given: Record, number: int, old: Record) -> Record:
    """One line, new or changed."""
    item = _item(company, given, old)
    line: Record = {**_blank(head, item), **old, "lineNumber": number}
    for name in ("note", "taskId", "salesperson", "discountCode", "deferralCode"):
        if name in given:
            line[name] = given[name] or None
    for name in ("startDate", "endDate", "termStartDate", "termEndDate"):
        if name in given:
            line[name] = given[name]
    line["description"] = _description(company, given, item, old)
    _coding(company, head, given, item, line)
    reprice(company, head, given, item, line)
    _check_task(company, head, line)
    return line


def _item(company: Company, given: Record, old: Record) -> Record | None:
    number = given.get("inventoryNumber", old.get("inventoryNumber"))
    if not number:
        return None
    item = pricing.item_named(company, number)
    if "inventoryNumber" in given or not old:
        pricing.require_sellable(item)
    if item["stockItem"] and not old.get("soOrderNbr"):
        raise BusinessError(f"Error: {number} is a stock item, which an invoice cannot hold.")
    return item


def _blank(head: Head, item: Record | None) -> Record:
    return {
        "inventoryNumber": item["inventoryNumber"] if item else None,
        "lineType": "GN" if item else "MI",
        "quantity": Decimal(1),
        "branch": head.branch,
        "soOrderType": None,
        "soOrderNbr": None,
        "soShipmentNbr": None,
        "_hand_price": False,
        "manualDiscount": False,
    }


def _description(company: Company, given: Record, item: Record | None, old: Record) -> str:
    default = old.get("description") or (item["description"] if item else "")
    text = str(given.get("description") or default or "")
    limit = company.assumptions.line_description_length
    if len(text) <= limit:
        return text
    if company.assumptions.over_long == "reject":
        raise BusinessError(f"Error: TranDesc is longer than {limit} characters.")
    return text[:limit]


def _coding(company: Company, head: Head, given: Record, item: Record | None, line: Record) -> None:
    """Account, subaccount, VAT category and branch."""
    changed = "inventoryNumber" in given or "account" not in line
    if item is not None and changed:
        line["inventoryNumber"] = item["inventoryNumber"]
        line["account"] = item["_sales_account"]
        line["vatCodeId"] = item["_vat_category"]
        line["uom"] = item["salesUnit"]
    if given.get("accountNumber"):
        if company.accounts.get(given["accountNumber"]) is None:
            raise missing("AccountID", given["accountNumber"])
        line["account"] = given["accountNumber"]
    if item is None and (not line.get("account") or not line["description"]):
        raise BusinessError("Error: a line without an item needs a description and an account.")
    line.setdefault("account", SALES)
    if "vatCodeId" in given:
        tax.category(company, given["vatCodeId"])
        line["vatCodeId"] = given["vatCodeId"] or None
    if "vatCodeId" not in line:
        zone = tax.zone(company, head.zone)
        line["vatCodeId"] = zone["defaultVatCategory"] if zone else None
    if given.get("branchNumber"):
        if company.branches.get(given["branchNumber"]) is None:
            raise missing("BranchID", given["branchNumber"])
        line["branch"] = given["branchNumber"]
    if "subaccount" in given or "subaccount" not in line:
        line["subaccount"] = subaccounts.filled(company, given.get("subaccount", []), head.customer)
    if given.get("salesperson") and company.salespeople.get(given["salesperson"]) is None:
        raise missing("SalesPersonID", given["salesperson"])


def reprice(company: Company, head: Head, given: Record, item: Record | None, line: Record) -> None:
    """Quantity, unit, price, discount and amount of a line."""
    settings, decimals = company.settings, company.precision(head.currency)
    if given.get("quantity") is not None:
        line["quantity"] = rounded(given["quantity"], settings["quantityDecimals"])
    if item is not None:
        line["uom"] = pricing.unit(item, given.get("uom") or line.get("uom"))
    else:
        line["uom"] = given.get("uom", line.get("uom"))
    if given.get("unitPriceInCurrency") is not None:
        line["unitPrice"] = rounded(given["unitPriceInCurrency"], settings["priceDecimals"])
        line["_hand_price"] = True
    elif not line["_hand_price"] and item is not None:
        line["unitPrice"] = pricing.price(
            company, head.customer, item, line["uom"], line["quantity"], head.currency, head.day
        )
    line.setdefault("unitPrice", ZERO)
    ext = extended(line["quantity"], line["unitPrice"], decimals)
    _discount(company, head, given, line, ext, decimals)
    manual = given.get("manualAmountInCurrency", line.get("manualAmount"))
    line["manualAmount"] = manual
    line["amount"] = ext - line["discountAmount"] if manual is None else rounded(manual, decimals)


def _discount(
    company: Company, head: Head, given: Record, line: Record, ext: Decimal, decimals: int
) -> None:
    """Percentage or amount as sent, each with the other one reckoned; else an automatic one."""
    amount, percent = given.get("discountAmountInCurrency"), given.get("discountPercent")
    if amount is not None or percent is not None:
        line["manualDiscount"] = True
    if given.get("manualDiscount") is not None:
        line["manualDiscount"] = given["manualDiscount"]
    if amount is not None and percent is None:
        line["discountAmount"] = rounded(amount, decimals)
        line["discountPercent"] = rounded(amount * 100 / ext, 6) if ext else ZERO
        line["_by_amount"] = True
        return
    if percent is not None:
        line["discountPercent"] = percent
        line["_by_amount"] = False
    elif not line["manualDiscount"]:
        found = pricing.automatic_percent(company, "L", head.day)
        line["discountCode"], line["discountPercent"] = found or (None, ZERO)
    line.setdefault("discountPercent", ZERO)
    if not line.get("_by_amount"):
        line["discountAmount"] = discount_of(ext, line["discountPercent"], decimals)


def _check_task(company: Company, head: Head, line: Record) -> None:
    if head.project is None:
        return
    task = line.get("taskId")
    if not task:
        raise BusinessError("Error: 'Project Task' cannot be empty.")
    known = company.tasks.find("_project", head.project["_key"])
    if all(one["taskId"] != task for one in known):
        raise missing("TaskID", task)


def system_line(number: int, kind: str, text: str, amount: Decimal, template: Record) -> Record:
    """A line that the system makes: a document discount (DS) or freight (FR)."""
    made: dict[str, Any] = {
        **template,
        "lineNumber": number,
        "inventoryNumber": None,
        "lineType": kind,
        "description": text,
        "quantity": ZERO,
        "unitPrice": ZERO,
        "uom": None,
        "discountPercent": ZERO,
        "discountAmount": ZERO,
        "manualAmount": None,
        "manualDiscount": True,
        "amount": amount,
    }
    return made
