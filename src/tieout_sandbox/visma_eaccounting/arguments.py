"""What an action was asked with, read into records, amounts and dates."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from tieout_sandbox.kit import ActionError
from tieout_sandbox.visma_eaccounting.books import Books
from tieout_sandbox.visma_eaccounting.fields import Record, as_guid
from tieout_sandbox.visma_eaccounting.tables import Table
from tieout_sandbox.visma_eaccounting.totals import cents

Arguments = Mapping[str, Any]


def found_in(table: Table, given: Any, *fields: str) -> Record:
    """The record with this id, or this value in one of the fields; ActionError without one."""
    record = table.get(as_guid(given)) if isinstance(given, str) else None
    for field in fields:
        # A number may be written as text and a text of digits as a number.
        for form in (given, str(given), int(given) if str(given).isdigit() else None):
            if record is None:
                record = next(iter(table.find(field, form)), None)
    if record is None:
        raise ActionError(f"there is no {given!r} in {table.name}")
    return record


def invoice_of(books: Books, arguments: Arguments, name: str = "invoice") -> Record:
    """The invoice named by id or number."""
    return found_in(books.invoices, arguments.get(name), "InvoiceNumber")


def customer_of(books: Books, arguments: Arguments) -> Record:
    """The customer named by id or number."""
    return found_in(books.customers, arguments.get("customer"), "CustomerNumber")


def draft_of(books: Books, arguments: Arguments) -> Record:
    """The draft named by id."""
    return found_in(books.drafts, arguments.get("draft"))


def amount_of(arguments: Arguments, name: str = "amount") -> Decimal | None:
    """An amount in cents, None where it was left out."""
    given = arguments.get(name)
    if given is None:
        return None
    try:
        return cents(Decimal(str(given)))
    except ArithmeticError as error:
        raise ActionError(f"{name} must be an amount, not {given!r}") from error


def number_of(arguments: Arguments, name: str) -> Decimal:
    """A number; ActionError where it is none."""
    try:
        found = Decimal(str(arguments.get(name)))
    except InvalidOperation as error:
        raise ActionError(f"{name} must be a number, not {arguments.get(name)!r}") from error
    if not found.is_finite():
        raise ActionError(f"{name} must be a number, not {arguments.get(name)!r}")
    return found


def whole_of(arguments: Arguments, name: str, default: int | None = None) -> int:
    """A whole number, or the default where it was left out."""
    if default is not None and name not in arguments:
        return default
    return int(number_of(arguments, name))


def needed_amount(arguments: Arguments) -> Decimal:
    """An amount that may not be left out."""
    amount = amount_of(arguments)
    if amount is None:
        raise ActionError("amount is needed")
    return amount


def day_of(books: Books, arguments: Arguments, name: str = "date") -> date:
    """A date, today where it was left out."""
    given = arguments.get(name)
    try:
        return date.fromisoformat(given) if given is not None else books.today()
    except (TypeError, ValueError) as error:
        raise ActionError(f"{name} must be YYYY-MM-DD, not {given!r}") from error


def settings_of(arguments: Arguments) -> Record:
    """The properties under `set`, none where it was left out."""
    given = arguments.get("set", {})
    if not isinstance(given, dict):
        raise ActionError("set must be an object of property names and values")
    return given
