"""What the platform does by itself when a row is written: one table of rules per object."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tieout_sandbox.salesforce import orders, prices, quotes, sales
from tieout_sandbox.salesforce.errors import SalesforceError
from tieout_sandbox.salesforce.schema import ObjectType, country_names
from tieout_sandbox.salesforce.values import Row

if TYPE_CHECKING:
    from tieout_sandbox.salesforce.writes import Writer

Before = Callable[["Writer", Row, Row | None, Row], None]
After = Callable[["Writer", Row, Row | None, Row], None]


def before(writer: Writer, kind: ObjectType, row: Row, old: Row | None, given: Row) -> None:
    """Completes or refuses the row that is about to be stored. `given` are the sent fields."""
    _countries(kind, row, given)
    rule = _BEFORE.get(kind.name)
    if rule is not None:
        rule(writer, row, old, given)


def after(writer: Writer, kind: ObjectType, row: Row, old: Row | None, given: Row) -> None:
    """Carries a stored row's change on to other rows."""
    rule = _AFTER.get(kind.name)
    if rule is not None:
        rule(writer, row, old, given)


def check_delete(writer: Writer, kind: ObjectType, row: Row) -> None:
    """Refuses the deletion of a row that others need."""
    if kind.name == "PricebookEntry":
        return
    if kind.name == "Order" and row.get("StatusCode") != "Draft":
        raise SalesforceError("DELETE_FAILED", "An activated order cannot be deleted", fields=[])
    for child in kind.children:
        if child.on_delete != "restrict" or child.object not in writer.org.tables:
            continue
        users = writer.org.tables[child.object].find_live(child.field, row["Id"])
        if users:
            raise SalesforceError(
                "DELETE_FAILED",
                f"Your attempt to delete {writer.org.name_of(row)} could not be completed because "
                f"it is associated with the following {child.object} records: "
                f"{', '.join(str(each['Id'])[:15] for each in users[:5])}",
                fields=[],
            )


def after_delete(writer: Writer, kind: ObjectType, row: Row) -> None:
    """Carries a deletion on to the totals of the row above."""
    if kind.name == "OpportunityLineItem":
        sales.roll_up(writer, str(row["OpportunityId"]))
    elif kind.name == "OrderItem":
        orders.roll_up(writer, str(row["OrderId"]))
    elif kind.name == "QuoteLineItem":
        quotes.after_quote_line_delete(writer, row)


def _countries(kind: ObjectType, row: Row, given: Row) -> None:
    """Keeps a country's name and code equal; refuses two that differ."""
    for stem in ("Billing", "Shipping", "Mailing"):
        code_name, text_name = f"{stem}CountryCode", f"{stem}Country"
        if code_name not in kind.fields:
            continue
        names = country_names()
        if code_name in given and text_name in given:
            code, text = given[code_name], given[text_name]
            if code and text and text not in (names.get(str(code)), code):
                raise _no_country(text_name)
        if code_name in given:
            row[text_name] = names.get(str(given[code_name])) if given[code_name] else None
        elif text_name in given:
            row[code_name] = _code_of(given[text_name], text_name)
            row[text_name] = names[str(row[code_name])] if row[code_name] else None


def _code_of(text: object, field: str) -> str | None:
    if text is None:
        return None
    for code, name in country_names().items():
        if str(text).casefold() in (name.casefold(), code.casefold()):
            return code
    raise _no_country(field)


def _no_country(field: str) -> SalesforceError:
    return SalesforceError(
        "FIELD_INTEGRITY_EXCEPTION",
        "There's a problem with this country, even though it may appear correct. Please select a "
        "country/territory from the list of valid countries.",
        fields=[field],
    )


def _contact(_writer: Writer, row: Row, _old: Row | None, _given: Row) -> None:
    names = (row.get("FirstName"), row.get("LastName"))
    row["Name"] = " ".join(str(name) for name in names if name)


def _task(writer: Writer, row: Row, _old: Row | None, given: Row) -> None:
    for name in ("Status", "Priority"):
        if name in given and given[name] is None:
            raise SalesforceError(
                "REQUIRED_FIELD_MISSING", f"Required fields are missing: [{name}]", fields=[name]
            )
    row["IsClosed"] = row.get("Status") == "Completed"
    row["IsHighPriority"] = row.get("Priority") == "High"
    about = writer.org.row(row.get("WhatId"))
    row["AccountId"] = None
    if about is not None:
        is_account = str(about["Id"]).startswith("001")
        row["AccountId"] = about["Id"] if is_account else about.get("AccountId")


def _after_line(writer: Writer, row: Row, old: Row | None, given: Row) -> None:
    sales.after_line(writer, row, old, given)
    if old is not None:
        quotes.after_opportunity_line(writer, row)


_BEFORE: dict[str, Before] = {
    "Contact": _contact,
    "Task": _task,
    "Opportunity": sales.before_opportunity,
    "OpportunityLineItem": sales.before_line,
    "OpportunityContactRole": sales.before_role,
    "PricebookEntry": prices.before_entry,
    "Order": orders.before_order,
    "OrderItem": orders.before_item,
    "Quote": quotes.before_quote,
    "QuoteLineItem": quotes.before_quote_line,
}
_AFTER: dict[str, After] = {
    "Opportunity": quotes.after_opportunity,
    "OpportunityLineItem": _after_line,
    "Product2": prices.after_product,
    "PricebookEntry": prices.after_entry,
    "OrderItem": orders.after_item,
    "QuoteLineItem": quotes.after_quote_line,
}
