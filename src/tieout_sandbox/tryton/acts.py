"""
What people do in Tryton, done the way their screens do it.

Each function takes the session of whoever acts. A refusal is a TrytonError, as it is for them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from tieout_sandbox.tryton.rpc import Row, Tryton, TrytonError, Value

INVOICE = "account.invoice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """
    A line as a person types it: an item (product id), how many, and a price if not its own.

    `dimensions` are analytic (root id, value id).
    """

    item: int
    quantity: Decimal = Decimal(1)
    price: Decimal | None = None
    text: str = ""
    dimensions: tuple[tuple[int, int], ...] = ()


# -- customers and invoices -------------------------------------------------------------------


def make_customer(person: Tryton, name: str, *, country: int | None = None, **more: Value) -> int:
    """The party id of a new customer with one address; `more` are further fields of the party."""
    address = {"street": "Kajen 3", "postal_code": "211 20", "city": "Malmö", "country": country}
    values = {"name": name, "addresses": [["create", [{**address, "invoice": True}]]], **more}
    return person.create("party.party", values)


def make_invoice(
    person: Tryton,
    customer: int,
    lines: Sequence[Line],
    *,
    currency: int | None = None,
    **more: Value,
) -> int:
    """
    The id of a new draft, with what the screen fills in for its customer and its items.

    `currency` is the company's by default; `more` are further fields of the invoice, also in
    place of what the screen filled in.
    """
    company = person.company
    if currency is None:
        currency = person.read("company.company", company or 0, "currency")["currency"]
    journal = person.one("account.journal", [["code", "=", "REV"]])["id"]
    head: Row = {"type": "out", "company": company, "currency": currency, "journal": journal}
    asked = {**head, "id": -1, "party": customer, "account": None, "invoice_address": None}
    shown = person.call(f"model.{INVOICE}.on_change", asked, ["party"])
    filled = {name: shown[name] for name in _FILLED if name in shown}
    typed = [_typed(person, customer, currency, line) for line in lines]
    values = {**head, "party": customer, **filled, "lines": [["create", typed]], **more}
    return person.create(INVOICE, values)


_FILLED = ("account", "invoice_address", "payment_term")


def _typed(person: Tryton, customer: int, currency: int, line: Line) -> Row:
    known: Row = {
        "type": "line",
        "company": person.company,
        "currency": currency,
        "product": line.item,
        "quantity": line.quantity,
    }
    open_fields: Row = {
        "id": -1,
        "invoice_type": "out",
        "party": customer,
        "invoice": None,
        "unit": None,
        "unit_price": None,
        "account": None,
        "taxes": [],
    }
    shown = person.call(
        "model.account.invoice.line.on_change", {**known, **open_fields}, ["product"]
    )
    price = line.price
    if price is None:
        price = person.read("product.product", line.item, "list_price_used")["list_price_used"]
    taxes = [tax["id"] for _, tax in (shown.get("taxes") or {}).get("add", [])]
    chosen = [{"root": root, "account": value} for root, value in line.dimensions]
    return {
        **known,
        **({"analytic_accounts": [["create", chosen]]} if chosen else {}),
        "unit": shown["unit"],
        "account": shown["account"],
        "taxes": [["add", taxes]],
        "unit_price": price,
        "description": line.text,
    }


def edit_line(person: Tryton, invoice: int, line: int, **values: Value) -> None:
    """Change a line of a draft and save the invoice, so that its taxes follow."""
    person.write(INVOICE, invoice, {"lines": [["write", [line], values]]})


def set_dimension(person: Tryton, invoice: int, line: int, root: int, value: int | None) -> None:
    """Choose another value of an analytic root on a draft's line, or none."""
    on_line = [["origin", "=", f"account.invoice.line,{line}"], ["root", "=", root]]
    # Tryton has made an empty entry for each root; a second one of the same root is refused.
    found = person.search("analytic.account.entry", on_line, [])
    changed = ["write", [row["id"] for row in found], {"account": value}]
    added = ["create", [{"root": root, "account": value}]]
    entry = changed if found else added
    edit_line(person, invoice, line, analytic_accounts=[entry])


def delete_draft(person: Tryton, invoice: int) -> None:
    """Remove a draft for good."""
    person.call(f"model.{INVOICE}.delete", [invoice])


def duplicate(person: Tryton, invoice: int) -> int:
    """The id of a new draft like this invoice."""
    made: list[int] = person.call(f"model.{INVOICE}.copy", [invoice], {})
    return made[0]


def post(person: Tryton, *invoices: int) -> None:
    """Post invoices, saying yes to whatever the server warns of."""
    _insist(person, f"model.{INVOICE}.post", [*invoices])


def cancel(person: Tryton, invoice: int) -> None:
    """Cancel an invoice that was not posted."""
    _insist(person, f"model.{INVOICE}.cancel", [invoice])


def credit(person: Tryton, invoice: int, *, refund: bool = True) -> int:
    """
    The id of the credit note that the wizard makes, saying yes to whatever the server warns of.

    With `refund` it is posted and settles the invoice; else it is a draft to be edited.
    """
    start = {"with_refund": refund, "with_refund_allowed": refund, "invoice_date": None}
    answers = _willing(
        person,
        lambda: person.wizard(
            "account.invoice.credit",
            ("start", {}),
            ("credit", {"start": start}),
            context=_active(INVOICE, invoice),
        ),
    )
    action = answers[-1]["actions"][0]
    made: int = action[1]["res_id"][0]
    return made


def _insist(person: Tryton, method: str, *params: Value) -> Value:
    return _willing(person, lambda: person.call(method, *params))


def _willing(person: Tryton, work: Callable[[], Value]) -> Value:
    """What the work gives, begun again after each warning that was answered with yes."""
    while True:
        try:
            return work()
        except TrytonError as error:
            if error.kind != "UserWarning":
                raise
            person.call("model.res.user.warning.skip", error.name, False)


def _active(model: str, *records: int) -> Row:
    return {"active_model": model, "active_id": records[0], "active_ids": [*records]}


# -- payments ---------------------------------------------------------------------------------


def pay(
    person: Tryton, invoice: int, amount: Decimal | None = None, *, on: date | None = None
) -> None:
    """Pay an invoice by the wizard: the whole of what is open, a part of it, or too much."""
    if amount is None:
        # The wizard proposes what is due by today, which is below zero where a part was paid early.
        amount = person.read(INVOICE, invoice, "amount_to_pay")["amount_to_pay"]
    _pay(person, invoice, amount, on, {})


def write_off(
    person: Tryton, invoice: int, paid: Decimal = Decimal(0), *, on: date | None = None
) -> None:
    """Settle an invoice with `paid` and write the rest off."""
    rest = person.one("account.move.reconcile.write_off", [["name", "=", "Rounding"]])["id"]
    _pay(person, invoice, paid, on, {"type": "writeoff", "writeoff": rest})


def _pay(person: Tryton, invoice: int, amount: Decimal, on: date | None, ask: Row) -> None:
    name, context = "account.invoice.pay", _active(INVOICE, invoice)
    method = person.one("account.invoice.payment.method", [["name", "=", "Bank"]])["id"]
    session = person.call(f"wizard.{name}.create", context=context)[0]
    try:
        shown = person.call(f"wizard.{name}.execute", session, {}, "start", context=context)
        start = {**shown["view"]["defaults"], "payment_method": method, "amount": amount}
        if on is not None:
            start["date"] = on
        data: Row = {"start": _plain(start)}
        answer = person.call(f"wizard.{name}.execute", session, data, "choice", context=context)
        if "view" in answer:
            data["ask"] = _plain({**answer["view"]["defaults"], **ask})
            person.call(f"wizard.{name}.execute", session, data, "pay", context=context)
    finally:
        person.call(f"wizard.{name}.delete", session, context=context)


def _plain(defaults: Row) -> Row:
    # A form's names of its links ("payee.") are for the eye.
    return {name: value for name, value in defaults.items() if not name.endswith(".")}


def pay_by_bank(person: Tryton, invoice: int, amount: Decimal, *, on: date) -> int:
    """
    The move id of a bank receipt that is booked by hand and then set against the invoice.

    The amount is in company currency. A whole payment is reconciled, and so never becomes one of
    the invoice's `payment_lines`; a part of it becomes one.
    """
    seen = person.read(INVOICE, invoice, "account", "party", "amount_to_pay", "reference")
    bank = person.one("account.account", [["code", "=", "1930"]])["id"]
    journal = person.one("account.journal", [["code", "=", "CASH"]])["id"]
    days = [["start_date", "<=", on], ["end_date", ">=", on], ["type", "=", "standard"]]
    received = {"account": bank, "debit": amount, "credit": Decimal(0)}
    settled = {"account": seen["account"], "debit": Decimal(0), "credit": amount}
    settled["party"] = seen["party"]
    values = {
        "company": person.company,
        "journal": journal,
        "period": person.one("account.period", days)["id"],
        "date": on,
        "description": seen["reference"] or "",
        "lines": [["create", [received, settled]]],
    }
    move = person.create("account.move", values)
    _insist(person, "model.account.move.post", [move])
    on_account = [["move", "=", move], ["account", "=", seen["account"]]]
    line = person.one("account.move.line", on_account)["id"]
    if amount == seen["amount_to_pay"]:
        reconcile(person, line, *_open_lines(person, invoice))
    else:
        person.write(INVOICE, invoice, {"payment_lines": [["add", [line]]]})
    return move


def settle_with(person: Tryton, invoice: int, credit_note: int) -> None:
    """Set a posted credit note against an invoice of the same amount."""
    reconcile(person, *_open_lines(person, invoice), *_open_lines(person, credit_note))


def reconcile(person: Tryton, *lines: int) -> None:
    """Settle move lines of a receivable account, whose sum is zero, with each other."""
    context = _active("account.move.line", *lines)
    person.wizard("account.move.reconcile_lines", ("start", {}), context=context)


def undo_settlement(person: Tryton, invoice: int) -> None:
    """Take apart what settled an invoice: it is open again."""
    settled = person.read(INVOICE, invoice, "reconciliation_lines")["reconciliation_lines"]
    own = person.read(INVOICE, invoice, "lines_to_pay")["lines_to_pay"]
    context = _active("account.move.line", *own, *settled)
    person.wizard("account.move.unreconcile_lines", ("unreconcile", {}), context=context)


def _open_lines(person: Tryton, invoice: int) -> list[int]:
    seen = person.read(INVOICE, invoice, "lines_to_pay", "payment_lines")
    either = [*seen["lines_to_pay"], *seen["payment_lines"]]
    still = [["id", "in", either], ["reconciliation", "=", None]]
    return [row["id"] for row in person.search("account.move.line", still, [])]


# -- periods ----------------------------------------------------------------------------------


def close_period(person: Tryton, *periods: int) -> None:
    """Close periods: nothing more can be posted into them."""
    _insist(person, "model.account.period.close", [*periods])


def reopen_period(person: Tryton, period: int) -> None:
    """Open a closed period again, with its journals, which the button leaves closed."""
    person.call("model.account.period.reopen", [period])
    closed = [["period", "=", period], ["state", "=", "closed"]]
    for row in person.search("account.journal.period", closed, []):
        person.call("model.account.journal.period.reopen", [row["id"]])


def lock_period(person: Tryton, period: int) -> None:
    """Lock a closed period: it cannot be opened again."""
    person.call("model.account.period.lock_", [period])
