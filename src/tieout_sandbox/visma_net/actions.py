"""What people do in the program itself, past the API: documents, money, the order's way.

Documents, customers, items and orders are named by their numbers. Amounts may be numbers or texts.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tieout_sandbox.kit import Action, ActionError
from tieout_sandbox.visma_net import (
    actions_setup,
    documents,
    payments,
    reversal,
    settlement,
    shipments,
    views,
)
from tieout_sandbox.visma_net import release as booking
from tieout_sandbox.visma_net.arguments import (
    Arguments,
    amount_of,
    credit_of,
    customer_of,
    day_of,
    document_of,
    flag_of,
    number_of,
    object_of,
    order_of,
    payment_of,
    text_of,
)
from tieout_sandbox.visma_net.company import Company
from tieout_sandbox.visma_net.errors import NetError
from tieout_sandbox.visma_net.seeds import wrapped
from tieout_sandbox.visma_net.signin import SignIn
from tieout_sandbox.visma_net.tables import Record

Doing = Callable[[Company, Arguments], Any]
ZERO = Decimal("0.00")
_DOCUMENT = {"document": "number", "type": "Invoice where it is left out"}
_DAY = "YYYY-MM-DD; today where it is left out"
_ALL = "amount; all that is open where it is left out"


def actions(
    company: Company,
    sign_in: SignIn,
    before: Callable[[], None],
    after: Callable[[], None],
) -> dict[str, Action]:
    """Every action by its name; `before` and `after` are done about each."""
    listed = {
        **_ACTIONS,
        **actions_setup.ACTIONS,
        **actions_setup.sign_in_actions(sign_in),
    }
    return {
        name: Action(arguments=arguments, run=_bound(company, doing, before, after))
        for name, (arguments, doing) in listed.items()
    }


def _bound(
    company: Company, doing: Doing, before: Callable[[], None], after: Callable[[], None]
) -> Callable[[Arguments], Any]:
    def run(arguments: Arguments) -> Any:
        before()
        try:
            with company.transaction():
                return doing(company, arguments)
        except NetError as error:
            raise ActionError(str(error)) from error
        finally:
            after()

    return run


def _fresh(company: Company, record: Record) -> Record:
    found = company.documents.get(record["_key"])
    assert found is not None
    return found


def _shown(company: Company, record: Record) -> Any:
    record = _fresh(company, record)
    if record["documentType"] in payments.TYPES:
        return views.payment(company, record)
    return views.full(company, record)


# Documents.


def _release(company: Company, arguments: Arguments) -> Any:
    if arguments.get("all"):
        waiting = [one for one in company.documents if one["status"] == "Balanced"]
        return {"released": [_release_one(company, one)["referenceNumber"] for one in waiting]}
    return _shown(company, _release_one(company, document_of(company, arguments)))


def _release_one(company: Company, record: Record) -> Record:
    if record["documentType"] in payments.WRITABLE:
        return payments.release(company, record)
    return booking.release(company, record)


def _edit(company: Company, arguments: Arguments) -> Any:
    """`set` and `lines` are fields as the API writes them, here without their wrapping."""
    record = document_of(company, arguments)
    kind = documents.KINDS[record["documentType"]]
    body = wrapped(**object_of(arguments, "set"))
    sent = arguments.get("lines", [])
    if not isinstance(sent, list):
        raise ActionError("lines must be a list of objects")
    if sent:
        body[kind.lines] = [
            {
                "operation": one.get("operation", "Update"),
                **wrapped(**{name: value for name, value in one.items() if name != "operation"}),
            }
            for one in sent
        ]
    return _shown(company, documents.change(company, record, body))


def _hold(company: Company, arguments: Arguments) -> Any:
    record = document_of(company, arguments)
    on = flag_of(arguments, "on", False)
    return _shown(company, documents.change(company, record, wrapped(hold=on)))


def _delete(company: Company, arguments: Arguments) -> Any:
    record = document_of(company, arguments)
    documents.delete(company, record)
    return {"deleted": record["referenceNumber"]}


def _pass(mark: str, status: str) -> Doing:
    """Takes a document past a stop: credit check, print, mail."""

    def doing(company: Company, arguments: Arguments) -> Any:
        record = document_of(company, arguments)
        if record["status"] != status:
            raise ActionError(f"{record['referenceNumber']} has status {record['status']}")
        record = {**record, mark: True}
        record["status"] = documents.status_before_release(company, record)
        return _shown(company, company.save(company.documents, record))

    return doing


def _make_invoice(company: Company, arguments: Arguments) -> Any:
    """An invoice without a deal."""
    line = {
        "operation": "Insert",
        **wrapped(
            inventoryNumber=text_of(arguments, "item", "CONS"),
            quantity=number_of(arguments, "quantity", Decimal(1)),
            unitPriceInCurrency=number_of(arguments, "price", Decimal("1000.00")),
            manualDiscount=True,
        ),
    }
    body = {
        **wrapped(
            customerNumber=customer_of(company, arguments)["number"],
            hold=False,
            documentDate=day_of(company, arguments).isoformat(),
            **object_of(arguments, "set"),
        ),
        "invoiceLines": [line],
    }
    record = documents.create(company, documents.INVOICE, body)
    if flag_of(arguments, "release", True):
        record = booking.release(company, record)
    return _shown(company, record)


def _credit(company: Company, arguments: Arguments) -> Any:
    """A credit note on an invoice, over all or over one line of some net amount, released and,
    unless told not to, set against it."""
    invoice = document_of(company, arguments)
    match_it = flag_of(arguments, "match", True)
    if arguments.get("net") is None:
        note = reversal.reverse(company, invoice, apply_it=False)
    else:
        note = _partial_note(company, invoice, amount_of(arguments, "net"))
    note = booking.release(company, note)
    if match_it:
        invoice, note = _fresh(company, invoice), _fresh(company, note)
        amount = min(invoice["balance"], note["balance"])
        if amount > 0:
            settlement.apply(company, note, invoice, amount, company.today())
    return _shown(company, note)


def _partial_note(company: Company, invoice: Record, net: Decimal) -> Record:
    line = invoice["_lines"][0]
    sent = {
        "operation": "Insert",
        **wrapped(
            description="Kredit",
            accountNumber=line["account"],
            vatCodeId=line["vatCodeId"],
            quantity=Decimal(1),
            unitPriceInCurrency=net,
            manualDiscount=True,
        ),
    }
    number = documents.customer_of(company, invoice)["number"]
    head = wrapped(
        customerNumber=number,
        hold=False,
        currencyId=invoice["currencyId"],
        customerRefNumber=invoice["referenceNumber"],
    )
    return documents.create(company, documents.CREDIT_NOTE, {**head, "lines": [sent]})


def _charge(company: Company, arguments: Arguments) -> Any:
    invoice = document_of(company, arguments)
    amount = amount_of(arguments, "amount", Decimal("35.00"))
    return _shown(company, booking.overdue_charge(company, invoice, amount))


# Money.


def _pay(company: Company, arguments: Arguments) -> Any:
    """A payment of an invoice; what is too much stays on account."""
    invoice = document_of(company, arguments)
    amount = amount_of(arguments, "amount", invoice["balance"] or None)
    day = day_of(company, arguments)
    rate = number_of(arguments, "rate") if arguments.get("rate") is not None else None
    money = payments.pay(
        company,
        documents.customer_of(company, invoice),
        amount,
        day,
        currency=invoice["currencyId"],
        rate=rate,
        reference=arguments.get("reference"),
    )
    part = min(amount, invoice["balance"])
    if part > 0:
        money, _ = settlement.apply(company, money, invoice, part, day)
    if arguments.get("fee") is not None:
        payments.bank_fee(company, money, amount_of(arguments, "fee"), day)
    return _shown(company, money)


def _on_account(company: Company, arguments: Arguments) -> Any:
    money = payments.pay(
        company,
        customer_of(company, arguments),
        amount_of(arguments, "amount"),
        day_of(company, arguments),
        type_=text_of(arguments, "type", "Payment"),
    )
    return _shown(company, money)


def _apply(company: Company, arguments: Arguments) -> Any:
    money = payment_of(company, arguments)
    invoice = document_of(company, arguments)
    amount = amount_of(arguments, "amount", min(money["balance"], invoice["balance"]) or None)
    money, _ = settlement.apply(company, money, invoice, amount, day_of(company, arguments))
    return _shown(company, money)


def _unapply(company: Company, arguments: Arguments) -> Any:
    money = payment_of(company, arguments)
    alive = settlement.alive(company, "_by", money["_key"])
    if not alive:
        raise ActionError(f"payment {money['referenceNumber']} is applied to nothing")
    for one in alive:
        settlement.take_back(company, one, day_of(company, arguments))
    return _shown(company, money)


def _void(company: Company, arguments: Arguments) -> Any:
    made = payments.void(company, payment_of(company, arguments), day_of(company, arguments))
    return _shown(company, made)


def _set_off(company: Company, arguments: Arguments) -> Any:
    note, invoice = credit_of(company, arguments), document_of(company, arguments)
    amount = amount_of(arguments, "amount", min(note["balance"], invoice["balance"]) or None)
    note, _ = settlement.apply(company, note, invoice, amount, day_of(company, arguments))
    return _shown(company, note)


def _refund(company: Company, arguments: Arguments) -> Any:
    """Money back for what is open on a credit note or a payment."""
    if arguments.get("credit") is not None:
        source = credit_of(company, arguments)
    else:
        source = payment_of(company, arguments)
    amount = amount_of(arguments, "amount", source["balance"] or None)
    if amount > source["balance"]:
        raise ActionError(f"only {source['balance']} is open")
    day = day_of(company, arguments)
    customer = documents.customer_of(company, source)
    made = payments.pay(
        company, customer, amount, day, currency=source["currencyId"], type_="Refund"
    )
    _, made = settlement.apply(company, source, made, amount, day)
    return _shown(company, made)


def _cash_discount(company: Company, arguments: Arguments) -> Any:
    """Pays an invoice less a cash discount."""
    invoice = document_of(company, arguments)
    discount = amount_of(arguments, "discount")
    amount = invoice["balance"] - discount
    if amount <= 0:
        raise ActionError("the discount is more than what is open")
    day = day_of(company, arguments)
    customer = documents.customer_of(company, invoice)
    money = payments.pay(company, customer, amount, day, currency=invoice["currencyId"])
    money, _ = settlement.apply(company, money, invoice, amount, day, discount=discount)
    return _shown(company, money)


def _write_off(company: Company, arguments: Arguments) -> Any:
    invoice = document_of(company, arguments)
    amount = amount_of(arguments, "amount", invoice["balance"] or None)
    made = payments.write_off(company, invoice, amount, day_of(company, arguments))
    return _shown(company, made)


# Orders.


def _ship(company: Company, arguments: Arguments) -> Any:
    order = order_of(company, arguments)
    given = object_of(arguments, "quantities")
    quantities = {int(line): number_of(given, line) for line in given} or None
    made = shipments.ship(company, order, quantities)
    if flag_of(arguments, "confirm", True):
        made = shipments.confirm(company, made)
    return shipments.present(company, made)


def _invoice_order(company: Company, arguments: Arguments) -> Any:
    return _shown(company, shipments.prepare_invoice(company, order_of(company, arguments)))


def _order_status(status: str, allowed: frozenset[str]) -> Doing:
    def doing(company: Company, arguments: Arguments) -> Any:
        order = order_of(company, arguments)
        if order["status"] not in allowed:
            raise ActionError(f"order {order['orderId']} has status {order['status']}")
        changed = {**order, "status": status, "_rev": order["_rev"] + 1, "_credit_approved": True}
        company.save(company.orders, changed)
        return {"order": order["orderId"], "status": status}

    return doing


_OPEN = frozenset({"Open", "Hold", "CreditHold", "BackOrder"})
_ORDER = {"order": "number", "type": "SO where it is left out"}
_PAYMENT = {"payment": "number of the payment"}
_ACTIONS: dict[str, tuple[dict[str, str], Doing]] = {
    "release": ({**_DOCUMENT, "all": "true: every balanced document"}, _release),
    "edit_document": (
        {**_DOCUMENT, "set": "fields of the head", "lines": "fields of lines, with operation"},
        _edit,
    ),
    "hold_document": ({**_DOCUMENT, "on": "true: on hold; false (default): off hold"}, _hold),
    "delete_document": (dict(_DOCUMENT), _delete),
    "approve_credit": (dict(_DOCUMENT), _pass("_credit_approved", "CreditHold")),
    "print_document": (dict(_DOCUMENT), _pass("_printed", "PendingPrint")),
    "mail_document": (dict(_DOCUMENT), _pass("_mailed", "PendingEmail")),
    "make_invoice": (
        {
            "customer": "number",
            "item": "CONS where it is left out",
            "quantity": "1 where it is left out",
            "price": "1000.00 where it is left out",
            "date": _DAY,
            "release": "true where it is left out",
            "set": "more fields of the head",
        },
        _make_invoice,
    ),
    "credit": (
        {
            **_DOCUMENT,
            "net": "net amount; the whole invoice where it is left out",
            "match": "false: not set against the invoice",
        },
        _credit,
    ),
    "overdue_charge": ({**_DOCUMENT, "amount": "35.00 where it is left out"}, _charge),
    "pay": (
        {
            **_DOCUMENT,
            "amount": _ALL,
            "date": _DAY,
            "rate": "exchange rate of the payment",
            "fee": "what the bank kept",
            "reference": "text",
        },
        _pay,
    ),
    "pay_on_account": (
        {
            "customer": "number",
            "amount": "amount",
            "date": _DAY,
            "type": "Payment (default) or Prepayment",
        },
        _on_account,
    ),
    "apply_payment": ({**_PAYMENT, **_DOCUMENT, "amount": _ALL, "date": _DAY}, _apply),
    "unapply_payment": ({**_PAYMENT, "date": _DAY}, _unapply),
    "void_payment": ({**_PAYMENT, "date": _DAY}, _void),
    "set_off": (
        {**_DOCUMENT, "credit": "number of the credit note", "amount": _ALL, "date": _DAY},
        _set_off,
    ),
    "refund": (
        {
            "credit": "number of the credit note",
            "payment": "or number of the payment",
            "amount": _ALL,
            "date": _DAY,
        },
        _refund,
    ),
    "cash_discount": ({**_DOCUMENT, "discount": "amount", "date": _DAY}, _cash_discount),
    "write_off": ({**_DOCUMENT, "amount": _ALL, "date": _DAY}, _write_off),
    "ship_order": (
        {**_ORDER, "quantities": "by line; all where it is left out", "confirm": "true"},
        _ship,
    ),
    "invoice_order": (dict(_ORDER), _invoice_order),
    "approve_order": (dict(_ORDER), _order_status("Open", frozenset({"CreditHold", "Hold"}))),
    "cancel_order": (dict(_ORDER), _order_status("Cancelled", _OPEN)),
}
