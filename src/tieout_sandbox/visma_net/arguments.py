"""What an action was asked with, read into records, amounts and dates."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from tieout_sandbox.kit import ActionError
from tieout_sandbox.visma_net.company import Company
from tieout_sandbox.visma_net.tables import Record, Table

Arguments = Mapping[str, Any]


def text_of(arguments: Arguments, name: str, default: str | None = None) -> str:
    """A text, or the default where it was left out; ActionError where neither is there."""
    given = arguments.get(name)
    if given is None:
        if default is None:
            raise ActionError(f"{name} is needed")
        return default
    return str(given)


def row_of(table: Table, key: object) -> Record:
    """The record of a key."""
    found = table.get(key)
    if found is None:
        raise ActionError(f"there is no {key!r} in {table.name}")
    return found


def document_of(company: Company, arguments: Arguments, name: str = "document") -> Record:
    """A document by its number; `type` names its type, an invoice where it was left out."""
    number = text_of(arguments, name)
    types = [arguments["type"]] if arguments.get("type") else ["Invoice", "FinCharge", "DebitNote"]
    for type_ in types:
        found = company.documents.get(f"{type_}/{number}")
        if found is not None:
            return found
    raise ActionError(f"there is no {types[0]} {number}")


def credit_of(company: Company, arguments: Arguments, name: str = "credit") -> Record:
    """A credit note by its number."""
    number = text_of(arguments, name)
    found = company.documents.get(f"CreditNote/{number}")
    if found is None:
        raise ActionError(f"there is no credit note {number}")
    return found


def payment_of(company: Company, arguments: Arguments, name: str = "payment") -> Record:
    """A payment or prepayment by its number."""
    number = text_of(arguments, name)
    for type_ in ("Payment", "Prepayment", "Refund"):
        found = company.documents.get(f"{type_}/{number}")
        if found is not None:
            return found
    raise ActionError(f"there is no payment {number}")


def customer_of(company: Company, arguments: Arguments) -> Record:
    """A customer by its number."""
    number = text_of(arguments, "customer")
    found = company.customers.one("number", number)
    if found is None:
        raise ActionError(f"there is no customer {number}")
    return found


def item_of(company: Company, arguments: Arguments) -> Record:
    """An item by its number."""
    number = text_of(arguments, "item")
    found = company.items.one("inventoryNumber", number)
    if found is None:
        raise ActionError(f"there is no item {number}")
    return found


def order_of(company: Company, arguments: Arguments) -> Record:
    """An order by its number; `type` is SO where it was left out."""
    return row_of(
        company.orders, f"{text_of(arguments, 'type', 'SO')}/{text_of(arguments, 'order')}"
    )


def number_of(arguments: Arguments, name: str, default: Decimal | None = None) -> Decimal:
    """A number, or the default where it was left out; ActionError where it is none."""
    given = arguments.get(name)
    if given is None and default is not None:
        return default
    try:
        found = Decimal(str(given))
    except InvalidOperation as error:
        raise ActionError(f"{name} must be a number, not {given!r}") from error
    if not found.is_finite():
        raise ActionError(f"{name} must be a number, not {given!r}")
    return found


def amount_of(arguments: Arguments, name: str, default: Decimal | None = None) -> Decimal:
    """A positive amount with at most two decimals."""
    found = number_of(arguments, name, default)
    if found <= 0 or found != found.quantize(Decimal("0.01")):
        raise ActionError(f"{name} must be a positive amount with two decimals, not {found}")
    return found.quantize(Decimal("0.01"))


def day_of(company: Company, arguments: Arguments, name: str = "date") -> date:
    """A date, today where it was left out."""
    given = arguments.get(name)
    try:
        return date.fromisoformat(given) if given is not None else company.today()
    except (TypeError, ValueError) as error:
        raise ActionError(f"{name} must be YYYY-MM-DD, not {given!r}") from error


def flag_of(arguments: Arguments, name: str, default: bool) -> bool:
    """A boolean, or the default where it was left out."""
    given = arguments.get(name, default)
    if not isinstance(given, bool):
        raise ActionError(f"{name} must be true or false, not {given!r}")
    return given


def object_of(arguments: Arguments, name: str) -> Record:
    """An object, empty where it was left out."""
    given = arguments.get(name, {})
    if not isinstance(given, dict):
        raise ActionError(f"{name} must be an object")
    return given
