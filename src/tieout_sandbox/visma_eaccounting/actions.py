"""What people do in the program itself, past the API.

Documents are named by id or number, customers by id or number. Amounts may be numbers or texts.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

from tieout_sandbox.kit import Action, ActionError
from tieout_sandbox.visma_eaccounting import (
    articles,
    customers,
    drafts,
    extras,
    invoices,
    lookups,
    orders,
    price_lists,
    schemas,
    settlement,
)
from tieout_sandbox.visma_eaccounting.arguments import (
    Arguments,
    amount_of,
    customer_of,
    day_of,
    draft_of,
    found_in,
    invoice_of,
    needed_amount,
    number_of,
    settings_of,
    whole_of,
)
from tieout_sandbox.visma_eaccounting.booking import Order, book
from tieout_sandbox.visma_eaccounting.books import Books
from tieout_sandbox.visma_eaccounting.call import shown, with_blanks
from tieout_sandbox.visma_eaccounting.documents import (
    Terms,
    includes_vat,
    priced,
    read_rows,
)
from tieout_sandbox.visma_eaccounting.errors import VismaError
from tieout_sandbox.visma_eaccounting.fields import Record
from tieout_sandbox.visma_eaccounting.ledger import BANK, MANUAL, RECEIVABLES, Entry
from tieout_sandbox.visma_eaccounting.order_actions import ORDER_ACTIONS
from tieout_sandbox.visma_eaccounting.totals import cents, row_amount

Doing = Callable[[Books, Arguments], Any]

PRESENT: dict[str, Callable[[Books, Record], Record]] = {
    "customers": customers.present,
    "articles": articles.present,
    "customerinvoicedrafts": drafts.present,
    "customerinvoices": invoices.present,
    "orders": orders.present,
    "articleaccountcodings": lookups.coding,
    "costcenters": lookups.cost_center,
    "projects": lookups.project,
    "vouchers": lookups.voucher,
}
_INVOICE = "id or number of the invoice"
_DAY = "YYYY-MM-DD; today where it is left out"
_PART = "amount; all that is open where it is left out"


def actions(books: Books) -> dict[str, Action]:
    """Every action by its name."""
    return {
        name: Action(arguments=arguments, run=_bound(books, doing))
        for name, (arguments, doing) in {**_ACTIONS, **ORDER_ACTIONS}.items()
    }


def _bound(books: Books, doing: Doing) -> Callable[[Arguments], Any]:
    def run(arguments: Arguments) -> Any:
        try:
            return doing(books, arguments)
        except VismaError as error:
            raise ActionError(f"{error.code}: {error.text}") from error

    return run


# Drafts.


def _book_draft(books: Books, arguments: Arguments) -> Any:
    keep = bool(arguments.get("keep_date", False))
    if not arguments.get("all"):
        made = drafts.convert(books, draft_of(books, arguments), keep=keep, override=True)
        return invoices.present(books, made)
    waiting = list(books.drafts.records.values())
    booked = [drafts.convert(books, draft, keep=keep, override=True) for draft in waiting]
    return {"booked": [made["InvoiceNumber"] for made in booked]}


def _body_of(draft: Record) -> Record:
    writable = {name for name, field in schemas.DRAFT.fields.items() if not field.read_only}
    body = {name: _plain(value) for name, value in draft.items() if name in writable}
    body["Rows"] = [
        {name: value for name, value in row.items() if name in schemas.DRAFT_ROW.fields}
        for row in draft["Rows"]
    ]
    return body


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


def _edit_draft(books: Books, arguments: Arguments) -> Any:
    draft = draft_of(books, arguments)
    body = {**_body_of(draft), **settings_of(arguments)}
    if "rows" in arguments:
        body["Rows"] = arguments["rows"]
    if "line" in arguments:
        row = next((one for one in body["Rows"] if one["LineNumber"] == arguments["line"]), None)
        if row is None:
            raise ActionError(f"there is no row {arguments['line']}")
        if arguments.get("remove_line"):
            body["Rows"].remove(row)
        for name, field in (
            ("price", "UnitPrice"),
            ("quantity", "Quantity"),
            ("discount", "DiscountPercentage"),
            ("text", "Text"),
        ):
            if name in arguments:
                row[field] = arguments[name] if name == "text" else number_of(arguments, name)
    if "reference" in arguments:
        body["OurReference"] = arguments["reference"]
    return drafts.present(books, drafts.put(books, body, draft))


def _delete_draft(books: Books, arguments: Arguments) -> Any:
    draft = draft_of(books, arguments)
    books.drafts.remove(draft["Id"])
    return {"deleted": draft["Id"]}


def _copy_draft(books: Books, arguments: Arguments) -> Any:
    return drafts.present(books, drafts.put(books, _body_of(draft_of(books, arguments))))


# Money.


def _pay(books: Books, arguments: Arguments) -> Any:
    invoice = invoice_of(books, arguments)
    amount = amount_of(arguments)
    kind = whole_of(arguments, "kind", settlement.PARTIAL)
    if kind not in settlement.KINDS:
        raise ActionError(f"kind is one of {settlement.KINDS}")
    bank = _bank(books, whole_of(arguments, "bank_account", BANK))
    settlement.pay(
        books,
        invoice,
        settlement.open_size(invoice) if amount is None else amount,
        day_of(books, arguments),
        kind=kind,
        bank_account=bank["LedgerAccountNumber"],
        bank_id=bank["Id"],
        fee=amount_of(arguments, "fee") or Decimal("0.00"),
        reference=arguments.get("reference"),
    )
    return _now(books, invoice)


def _bank(books: Books, number: int) -> Record:
    for record in books.bank_accounts.records.values():
        if record["LedgerAccountNumber"] == number:
            return record
    raise ActionError(f"there is no bank account {number}")


def _now(books: Books, invoice: Record) -> Record:
    return invoices.present(books, books.invoices.records[invoice["Id"]])


def _return_payment(books: Books, arguments: Arguments) -> Any:
    if arguments.get("payment") is not None:
        payment = found_in(books.payments, arguments["payment"])
        invoice = books.invoices.records[payment["InvoiceId"]]
    else:
        invoice = invoice_of(books, arguments)
        last = settlement.last_open_payment(books, invoice["Id"])
        if last is None:
            raise ActionError("the invoice has no payment")
        payment = last
    settlement.give_back(books, invoice, payment, day_of(books, arguments))
    return _now(books, invoice)


def _cost(what: str) -> Doing:
    def doing(books: Books, arguments: Arguments) -> Any:
        invoice = invoice_of(books, arguments)
        size = amount_of(arguments)
        size = settlement.open_size(invoice) if size is None else size
        settlement.take_cost(books, invoice, what, size, day_of(books, arguments))
        return _now(books, invoice)

    return doing


def _write_off(books: Books, arguments: Arguments) -> Any:
    if arguments.get("doubtful"):
        invoice = invoice_of(books, arguments)
        settlement.doubt(books, invoice, day_of(books, arguments))
        return _now(books, invoice)
    return _cost("write_off")(books, arguments)


def _credit(books: Books, arguments: Arguments) -> Any:
    invoice = invoice_of(books, arguments)
    rows = _credit_rows(books, invoice, arguments)
    matched = bool(arguments.get("matched", True))
    made = invoices.credit(books, invoice, rows, day_of(books, arguments), matched=matched)
    return invoices.present(books, made)


def _credit_rows(books: Books, invoice: Record, arguments: Arguments) -> list[Record]:
    lines, amount = arguments.get("lines"), amount_of(arguments)
    if lines is not None:
        if not isinstance(lines, list):
            raise ActionError("lines must be a list")
        return [_credited_line(invoice, line) for line in lines]
    if amount is None:
        return list(invoice["Rows"])
    first = priced(invoice["Rows"])[0]
    price = amount if invoice["IncludesVat"] else cents(amount / (1 + first["VatRate"]))
    if not first.get("ArticleId"):
        raise ActionError("this invoice can be credited as a whole only")
    changed = {"Quantity": Decimal(1), "UnitPrice": price, "DiscountPercentage": Decimal(0)}
    _ = books
    return [{**first, **changed, "Amount": price, "LineNumber": 1}]


def _credited_line(invoice: Record, line: Any) -> Record:
    number = line.get("line") if isinstance(line, dict) else line
    row = next((one for one in priced(invoice["Rows"]) if one["LineNumber"] == number), None)
    if row is None:
        raise ActionError(f"there is no row {number}")
    if not isinstance(line, dict) or line.get("quantity") is None:
        return row
    quantity = number_of(line, "quantity")
    amount = row_amount(quantity, row["UnitPrice"], row["DiscountPercentage"])
    return {**row, "Quantity": quantity, "Amount": amount}


def _set_off(books: Books, arguments: Arguments) -> Any:
    invoice = invoice_of(books, arguments)
    credit = invoice_of(books, arguments, "credit")
    settlement.set_off(books, invoice, credit, amount_of(arguments))
    return {"invoice": _now(books, invoice), "credit": _now(books, credit)}


def _void(books: Books, arguments: Arguments) -> Any:
    return invoices.present(books, invoices.void(books, invoice_of(books, arguments)))


def _reminder_fee(books: Books, arguments: Arguments) -> Any:
    """The fee is a claim of its own: a quick invoice without VAT."""
    invoice = invoice_of(books, arguments)
    amount = amount_of(arguments)
    fee = Decimal("60.00") if amount is None else amount
    extras.remind(books, invoice)
    customer = books.customers.records[invoice["CustomerId"]]
    row = {
        "LineNumber": 1,
        "IsTextRow": False,
        "Text": f"Påminnelseavgift faktura {invoice['InvoiceNumber']}",
        "Quantity": Decimal(1),
        "UnitPrice": fee,
        "DiscountPercentage": Decimal(0),
        "VatRate": Decimal("0.00"),
        "Amount": fee,
    }
    order = Order(
        terms=invoices.terms_of(invoice, customer),
        head={"EuThirdParty": False},
        rows=[row],
        day=day_of(books, arguments),
        quick=True,
    )
    return invoices.present(books, book(books, order))


def _manual_voucher(books: Books, arguments: Arguments) -> Any:
    amount = needed_amount(arguments)
    day = day_of(books, arguments)
    books.require_open(day, settlement.LOCKED_VOUCHER_DATE)
    text = str(arguments.get("text", "Manuell verifikation"))
    other = whole_of(arguments, "account", 1910)
    entries = [Entry(RECEIVABLES, amount, text), Entry(other, -amount, text)]
    return lookups.voucher(books, books.post_voucher(day, text, entries, kind=MANUAL))


# Periods and settings.


def _lock_period(books: Books, arguments: Arguments) -> Any:
    if "to" not in arguments:
        raise ActionError("to is needed")
    books.settings["AccountingLockedTo"] = day_of(books, arguments, "to")
    return {"AccountingLockedTo": books.settings["AccountingLockedTo"]}


def _unlock(books: Books, _arguments: Arguments) -> Any:
    books.settings["AccountingLockedTo"] = None
    for year in list(books.fiscal_years.records.values()):
        books.fiscal_years.save({**year, "IsLockedForAccounting": False})
    return {"AccountingLockedTo": None}


def _lock_year(books: Books, arguments: Arguments) -> Any:
    number = whole_of(arguments, "year")
    year = books.fiscal_year(date(number, 7, 1)) if 1 <= number <= 9999 else None
    if year is None:
        raise ActionError(f"there is no fiscal year {number}")
    return shown(books, books.fiscal_years.save({**year, "IsLockedForAccounting": True}))


def _set_company_setting(books: Books, arguments: Arguments) -> Any:
    name = arguments.get("name")
    if name not in books.settings:
        raise ActionError(f"there is no company setting {name!r}")
    value = arguments.get("value")
    if name == "AccountingLockedTo":
        value = day_of(books, arguments, "value") if value is not None else None
    books.settings[name] = value
    return {name: value}


def _set_assumption(books: Books, arguments: Arguments) -> Any:
    if "name" in arguments:
        try:
            books.assumptions.set(str(arguments["name"]), arguments.get("value"))
        except ValueError as error:
            raise ActionError(str(error)) from error
    return books.assumptions.as_json()


def _set_exchange_rate(books: Books, arguments: Arguments) -> Any:
    rate, currency = number_of(arguments, "rate"), arguments.get("currency")
    if not isinstance(currency, str) or rate <= 0:
        raise ActionError("a currency and a rate above 0 are needed")
    books.rates[currency] = rate
    return {currency: rate}


# Customers, articles, dimensions.


def _create_customer(books: Books, arguments: Arguments) -> Any:
    first_terms = next(iter(books.terms.records))
    body = {
        "TermsOfPaymentId": first_terms,
        "IsActive": True,
        "IsPrivatePerson": False,
        "InvoicePostalCode": "111 22",
        "InvoiceCity": "Stockholm",
        **settings_of(arguments),
    }
    return customers.present(books, customers.put(books, customers.read(books, body)))


def _edit_customer(books: Books, arguments: Arguments) -> Any:
    old = customer_of(books, arguments)
    body = {**customers.present(books, old), **settings_of(arguments)}
    return customers.present(books, customers.put(books, customers.read(books, body), old))


def _deactivate_customer(books: Books, arguments: Arguments) -> Any:
    old = customer_of(books, arguments)
    saved = books.save(books.customers, {**old, "IsActive": False, "ChangedUtc": books.stamp()})
    return customers.present(books, saved)


def _create_invoice(books: Books, arguments: Arguments) -> Any:
    customer = customer_of(books, arguments)
    terms = Terms(
        customer=customer,
        currency=customer["CurrencyCode"],
        includes_vat=includes_vat(books, bool(customer.get("IsPrivatePerson"))),
        third_party=False,
    )
    given = arguments.get("rows")
    if given is None:
        article = next(iter(books.articles.records))
        given = [{"ArticleId": article, "Quantity": 1, "UnitPrice": needed_amount(arguments)}]
    order = Order(
        terms=terms,
        head={"EuThirdParty": False, **settings_of(arguments)},
        rows=read_rows(books, given, invoices.KIND, terms),
        day=day_of(books, arguments),
        credit=bool(arguments.get("credit", False)),
    )
    return invoices.present(books, book(books, order))


def _create_article(books: Books, arguments: Arguments) -> Any:
    body = {
        "IsActive": True,
        "CodingId": next(iter(books.codings.records)),
        "UnitId": next(iter(books.units.records)),
        **settings_of(arguments),
    }
    values = schemas.ARTICLE.read(body, books.assumptions)
    return articles.present(books, articles.put(books, values))


def _edit_article(books: Books, arguments: Arguments) -> Any:
    old = found_in(books.articles, arguments.get("article"), "Number")
    body = {**articles.present(books, old), **settings_of(arguments)}
    values = schemas.ARTICLE.read(body, books.assumptions)
    return articles.present(books, articles.put(books, values, old))


def _set_list_price(books: Books, arguments: Arguments) -> Any:
    article = found_in(books.articles, arguments.get("article"), "Number")
    number = int(arguments.get("list") or 1)
    currency = str(arguments.get("currency") or books.settings["CurrencyCode"])
    price = arguments.get("price")
    net = None if price is None else Decimal(str(price))
    price_list = price_lists.list_named(books, number, currency)
    return price_lists.put_row(books, price_list, article, net)


def _end_project(books: Books, arguments: Arguments) -> Any:
    old = found_in(books.projects, arguments.get("project"), "Number")
    changed = {**old, "Status": 2, "EndDate": books.today(), "ModifiedUtc": books.stamp()}
    return lookups.project(books, books.save(books.projects, changed))


def _cost_center_item(books: Books, arguments: Arguments) -> Any:
    old = found_in(books.cost_center_items, arguments.get("item"))
    saved = books.save(books.cost_center_items, {**old, "IsActive": False})
    return with_blanks(books.cost_center_items)(books, saved)


_SET = "object of API properties"
_ACTIONS: dict[str, tuple[dict[str, str], Doing]] = {
    "book_draft": (
        {
            "draft": "id of the draft",
            "all": "true books every draft",
            "keep_date": "true books on the draft's own date, else a past date becomes today",
        },
        _book_draft,
    ),
    "edit_draft": (
        {
            "draft": "id of the draft",
            "set": _SET,
            "rows": "all rows anew, as in the API",
            "line": "number of one row to change",
            "price": "its new price",
            "quantity": "its new quantity",
            "discount": "its new discount, 0 to 1",
            "text": "its new text",
            "remove_line": "true removes it",
            "reference": "the new OurReference",
        },
        _edit_draft,
    ),
    "delete_draft": ({"draft": "id of the draft"}, _delete_draft),
    "copy_draft": (
        {"draft": "id of the draft; everything is copied, OurReference too"},
        _copy_draft,
    ),
    "pay": (
        {
            "invoice": _INVOICE,
            "amount": _PART + "; more is kept on the customer's account",
            "date": _DAY,
            "kind": "1 partial (the default), 2 complete, 3 rounding, 4 bank charge",
            "bank_account": "ledger account, 1930 by default",
            "fee": "what the bank kept",
            "reference": "text",
        },
        _pay,
    ),
    "return_payment": (
        {"invoice": _INVOICE + ", its last payment", "payment": "id of a payment", "date": _DAY},
        _return_payment,
    ),
    "cash_discount": (
        {"invoice": _INVOICE, "amount": _PART, "date": _DAY},
        _cost("cash_discount"),
    ),
    "write_off": (
        {
            "invoice": _INVOICE,
            "amount": _PART,
            "date": _DAY,
            "doubtful": "true moves it to account 1515 and leaves it open",
        },
        _write_off,
    ),
    "bank_charge": ({"invoice": _INVOICE, "amount": _PART, "date": _DAY}, _cost("bank_charge")),
    "credit": (
        {
            "invoice": _INVOICE,
            "lines": "row numbers, or objects with line and quantity",
            "amount": "with VAT, in place of lines",
            "date": _DAY,
            "matched": "false leaves the credit note unmatched",
        },
        _credit,
    ),
    "set_off": (
        {"invoice": _INVOICE, "credit": "id or number of the credit note", "amount": _PART},
        _set_off,
    ),
    "void": ({"invoice": _INVOICE}, _void),
    "reminder_fee": (
        {"invoice": _INVOICE, "amount": "the fee, 60.00 by default", "date": _DAY},
        _reminder_fee,
    ),
    "manual_voucher_1510": (
        {
            "amount": "debit on 1510; negative is credit",
            "date": _DAY,
            "account": "the other account, 1910 by default",
            "text": "text of the voucher",
        },
        _manual_voucher,
    ),
    "lock_period": ({"to": "YYYY-MM-DD, the last day that is closed"}, _lock_period),
    "lock_year": ({"year": "a calendar year"}, _lock_year),
    "unlock": ({}, _unlock),
    "set_company_setting": ({"name": "property", "value": "its value"}, _set_company_setting),
    "set_assumption": (
        {"name": "name of the assumption; nothing lists all", "value": "its value"},
        _set_assumption,
    ),
    "set_exchange_rate": (
        {"currency": "code", "rate": "base currency for one unit"},
        _set_exchange_rate,
    ),
    "create_customer": ({"set": _SET}, _create_customer),
    "edit_customer": ({"customer": "id or number", "set": _SET}, _edit_customer),
    "deactivate_customer": ({"customer": "id or number"}, _deactivate_customer),
    "create_invoice": (
        {
            "customer": "id or number",
            "amount": "one row at this net price",
            "rows": "rows as in the API, in place of amount",
            "date": _DAY,
            "credit": "true makes an unmatched credit note",
            "set": _SET,
        },
        _create_invoice,
    ),
    "create_article": ({"set": _SET}, _create_article),
    "edit_article": ({"article": "id or number", "set": _SET}, _edit_article),
    "set_list_price": (
        {
            "article": "id or number",
            "list": "number of the price list, made where it is not there",
            "price": "net; left out takes it away",
            "currency": "of a new list; the company's where it is left out",
        },
        _set_list_price,
    ),
    "end_project": ({"project": "id or number"}, _end_project),
    "deactivate_cost_center_item": ({"item": "id"}, _cost_center_item),
}
