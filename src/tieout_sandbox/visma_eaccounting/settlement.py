"""What closes an invoice: payments, set-offs, discounts, losses, and taking them back."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from tieout_sandbox.visma_eaccounting.books import Books
from tieout_sandbox.visma_eaccounting.errors import (
    CANNOT_UPDATE,
    VALIDATION,
    VismaError,
)
from tieout_sandbox.visma_eaccounting.fields import Record
from tieout_sandbox.visma_eaccounting.ledger import (
    BAD_DEBT,
    BANK,
    BANK_CHARGES,
    CASH_DISCOUNT,
    CUSTOMER_PAYMENT,
    DOUBTFUL,
    EXCHANGE_GAIN,
    EXCHANGE_LOSS,
    RECEIVABLES,
    ROUNDING,
    Entry,
    turned,
)
from tieout_sandbox.visma_eaccounting.totals import cents

ZERO = Decimal("0.00")
LOCKED_VOUCHER_DATE = 4026
KINDS = PARTIAL, COMPLETE, ROUNDED, CHARGED = 1, 2, 3, 4
# Where the difference of a payment that closes the invoice goes.
_DIFFERENCE = {COMPLETE: ROUNDING, ROUNDED: ROUNDING, CHARGED: BANK_CHARGES}
_COST = {"cash_discount": CASH_DISCOUNT, "bank_charge": BANK_CHARGES, "write_off": BAD_DEBT}


def open_size(invoice: Record) -> Decimal:
    """What is open, as a size without sign, in invoice currency."""
    return abs(Decimal(invoice["RemainingAmountInvoiceCurrency"]))


def direction(invoice: Record) -> int:
    """1 for an invoice, -1 for a credit note."""
    return -1 if invoice["IsCreditInvoice"] else 1


def pay(
    books: Books,
    invoice: Record,
    amount: Decimal,
    day: date,
    *,
    kind: int = PARTIAL,
    bank_account: int = BANK,
    bank_id: str | None = None,
    fee: Decimal = ZERO,
    domestic: Decimal | None = None,
    reference: str | None = None,
) -> Record:
    """Takes in a payment (for a credit note: pays out) and gives its record. What is above the
    open amount is kept on the customer's account."""
    books.require_open(day, LOCKED_VOUCHER_DATE)
    sign, still_open = direction(invoice), open_size(invoice)
    settled = still_open if kind != PARTIAL else min(amount, still_open)
    over = max(amount - still_open, ZERO) if kind == PARTIAL else ZERO
    if over and books.assumptions.overpayment == "refuse":
        raise VismaError(VALIDATION, "The payment is larger than the remaining amount.")
    cleared = _cleared(invoice, settled)
    rate = books.rate_of(invoice["CurrencyCode"])
    received = cents(amount * rate) if domestic is None else domestic
    kept = cents(over * rate)
    entries = [
        Entry(bank_account, sign * received - fee),
        Entry(BANK_CHARGES, fee),
        Entry(_receivable(invoice), -sign * cleared),
        Entry(RECEIVABLES, -sign * kept),
    ]
    left = sum((entry.amount for entry in entries), ZERO)
    if kind != PARTIAL:
        gap = cents((still_open - amount) * rate) * sign
        entries.append(Entry(_DIFFERENCE[kind], gap))
        left += gap
    entries.append(Entry(EXCHANGE_GAIN if left > 0 else EXCHANGE_LOSS, -left))
    voucher = books.post_voucher(
        day,
        f"Betalning faktura {invoice['InvoiceNumber']}",
        entries,
        kind=CUSTOMER_PAYMENT,
        source=invoice["Id"],
    )
    reduced = _reduced(books, invoice, settled, books.assumptions.payment_moves_modified)
    books.save(books.invoices, {**reduced, "PaymentDate": day})
    record = _settled(books, invoice, "payment", settled, day, voucher)
    record |= {
        "CompanyBankAccountId": bank_id,
        "PaymentDate": day,
        "PaymentAmount": amount,
        "PaymentCurrency": invoice["CurrencyCode"],
        "PaymentType": kind,
        "DomesticPaymentAmount": domestic,
        "BankFeeAmount": fee or None,
        "Reference": reference,
    }
    if over:
        record["_onAccount"] = keep_on_account(books, invoice, over, day, voucher)["Id"]
    return books.payments.save(record)


def keep_on_account(
    books: Books, invoice: Record, over: Decimal, day: date, voucher: Record
) -> Record:
    """The item that holds what a customer paid too much."""
    signed = -direction(invoice) * over
    return books.save(
        books.ledger_items,
        {
            "Id": books.new_id("customerledgeritems"),
            "CustomerId": invoice["CustomerId"],
            "CurrencyCode": invoice["CurrencyCode"],
            "CurrencyRate": books.rate_of(invoice["CurrencyCode"]),
            "CurrencyRateUnit": 1,
            "InvoiceNumber": invoice["InvoiceNumber"],
            "InvoiceDate": day,
            "DueDate": day,
            "IsCreditInvoice": signed < 0,
            "TotalAmountInvoiceCurrency": signed,
            "VATAmountInvoiceCurrency": ZERO,
            "RoundingsAmountInvoiceCurrency": ZERO,
            "RemainingAmountInvoiceCurrency": signed,
            "VoucherId": voucher["Id"],
            "ModifiedUtc": books.stamp(),
            "_onAccount": True,
        },
    )


def take_cost(books: Books, invoice: Record, what: str, size: Decimal, day: date) -> Record:
    """Closes (a part of) an invoice at our own cost: `cash_discount`, `bank_charge`,
    `write_off`."""
    books.require_open(day, LOCKED_VOUCHER_DATE)
    _require_size(invoice, size)
    cleared = _cleared(invoice, size) * direction(invoice)
    voucher = books.post_voucher(
        day,
        f"{what} faktura {invoice['InvoiceNumber']}",
        [Entry(_COST[what], cleared), Entry(_receivable(invoice), -cleared)],
        kind=CUSTOMER_PAYMENT,
        source=invoice["Id"],
    )
    reduced = _reduced(books, invoice, size, books.assumptions.payment_moves_modified)
    if what == "write_off":
        reduced["_badDebt"] = True
    books.save(books.invoices, reduced)
    return books.payments.save(_settled(books, invoice, what, size, day, voucher))


def doubt(books: Books, invoice: Record, day: date) -> Record:
    """Moves what is open to doubtful receivables; the invoice stays open."""
    books.require_open(day, LOCKED_VOUCHER_DATE)
    if invoice.get("_doubtful") or not invoice["RemainingAmount"]:
        raise VismaError(CANNOT_UPDATE, "The invoice is doubtful already, or paid.")
    amount = invoice["RemainingAmount"]
    books.post_voucher(
        day,
        f"Osäker fordran {invoice['InvoiceNumber']}",
        [Entry(DOUBTFUL, amount), Entry(RECEIVABLES, -amount)],
        kind=CUSTOMER_PAYMENT,
        source=invoice["Id"],
    )
    return books.save(books.invoices, {**invoice, "_doubtful": True})


def give_back(books: Books, invoice: Record, payment: Record, day: date) -> Record:
    """Takes a payment back: the invoice is open again by what it had settled."""
    books.require_open(day, LOCKED_VOUCHER_DATE)
    if payment.get("_returned"):
        raise VismaError(CANNOT_UPDATE, "The payment was returned already.")
    cleared = payment["_cleared"] * direction(invoice)
    moved = [Entry(_receivable(invoice), cleared), Entry(payment["_receivable"], -cleared)]
    voucher = books.vouchers.records[payment["_voucher"]]
    books.post_voucher(
        day,
        f"Retur betalning faktura {invoice['InvoiceNumber']}",
        [*turned(voucher), *moved],
        kind=CUSTOMER_PAYMENT,
        source=invoice["Id"],
    )
    item_id = payment.get("_onAccount")
    if item_id is not None and item_id in books.ledger_items.records:
        books.ledger_items.remove(item_id)
    books.payments.save({**payment, "_returned": True})
    reduced = _reduced(
        books,
        invoice,
        -payment["_settled"],
        books.assumptions.payment_moves_modified,
        base=-payment["_cleared"],
    )
    reduced["PaymentDate"] = _last_payment(books, invoice["Id"])
    return books.save(books.invoices, reduced)


def last_open_payment(books: Books, invoice_id: str) -> Record | None:
    """The newest payment that was not returned."""
    found = [
        payment
        for payment in books.payments.find("InvoiceId", invoice_id)
        if payment["Kind"] == "payment" and not payment.get("_returned")
    ]
    return found[-1] if found else None


def _last_payment(books: Books, invoice_id: str) -> date | None:
    payment = last_open_payment(books, invoice_id)
    return payment["PaymentDate"] if payment is not None else None


def set_off(
    books: Books, invoice: Record, credit: Record, size: Decimal | None = None
) -> tuple[Record, Record]:
    """Lets a credit note meet an invoice, by a size or as far as both reach; gives both."""
    if invoice["IsCreditInvoice"] or not credit["IsCreditInvoice"]:
        raise VismaError(CANNOT_UPDATE, "A set-off takes an invoice and a credit note.")
    if invoice["CustomerId"] != credit["CustomerId"]:
        raise VismaError(CANNOT_UPDATE, "Invoice and credit note are of two customers.")
    if invoice["CurrencyCode"] != credit["CurrencyCode"]:
        raise VismaError(CANNOT_UPDATE, "Invoice and credit note are in two currencies.")
    if size is None:
        size = min(open_size(invoice), open_size(credit))
    _require_size(invoice, size)
    _require_size(credit, size)
    _post_set_off(books, invoice, credit, size)
    moves = books.assumptions.set_off_moves_modified
    met = _reduced(books, invoice, size, moves)
    used = _reduced(books, credit, size, moves)
    met["SetOffAmountInvoiceCurrency"] += size
    used["SetOffAmountInvoiceCurrency"] -= size
    if books.assumptions.set_off_links_documents:
        known = [link["CreditInvoiceId"] for link in met.get("CreditedBy", [])]
        if credit["Id"] not in known:
            met["CreditedBy"] = [*met.get("CreditedBy", []), {"CreditInvoiceId": credit["Id"]}]
        if not used.get("ReferringInvoiceId"):
            used["ReferringInvoiceId"] = invoice["Id"]
    return books.save(books.invoices, met), books.save(books.invoices, used)


def _post_set_off(books: Books, invoice: Record, credit: Record, size: Decimal) -> None:
    """A set-off within one account at one rate needs no voucher; any other does."""
    met, used = _cleared(invoice, size), _cleared(credit, size)
    entries = [Entry(_receivable(invoice), -met), Entry(_receivable(credit), used)]
    gap = met - used
    if not gap and _receivable(invoice) == _receivable(credit):
        return
    entries.append(Entry(EXCHANGE_LOSS if gap > 0 else EXCHANGE_GAIN, gap))
    day = books.today()
    books.require_open(day, LOCKED_VOUCHER_DATE)
    books.post_voucher(
        day,
        f"Kvittning faktura {invoice['InvoiceNumber']}",
        entries,
        kind=CUSTOMER_PAYMENT,
        source=invoice["Id"],
    )


def _receivable(invoice: Record) -> int:
    return DOUBTFUL if invoice.get("_doubtful") else RECEIVABLES


def _require_size(invoice: Record, size: Decimal) -> None:
    if size < 0 or size > open_size(invoice):
        raise VismaError(
            VALIDATION, f"{size} is more than what is open on {invoice['InvoiceNumber']}."
        )


def _cleared(invoice: Record, size: Decimal) -> Decimal:
    """What a size clears in base currency; the last part clears all that is left of it."""
    if size == open_size(invoice):
        return abs(Decimal(invoice["RemainingAmount"]))
    return cents(size * invoice["CurrencyRate"])


def _reduced(
    books: Books, invoice: Record, size: Decimal, moves: bool, base: Decimal | None = None
) -> Record:
    cleared = _cleared(invoice, size) if base is None else base
    left = invoice["RemainingAmountInvoiceCurrency"] - direction(invoice) * size
    left_base = invoice["RemainingAmount"] - direction(invoice) * cleared
    record = {**invoice, "RemainingAmountInvoiceCurrency": left, "RemainingAmount": left_base}
    if moves:
        record["ModifiedUtc"] = books.stamp()
    return record


def _settled(
    books: Books, invoice: Record, what: str, size: Decimal, day: date, voucher: Record
) -> Record:
    return {
        "Id": books.new_id("payments"),
        "InvoiceId": invoice["Id"],
        "InvoiceNumber": invoice["InvoiceNumber"],
        "Kind": what,
        "Amount": size,
        "Date": day,
        "_settled": size,
        "_cleared": _cleared(invoice, size),
        "_receivable": _receivable(invoice),
        "_voucher": voucher["Id"],
    }
