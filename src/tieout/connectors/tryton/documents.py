"""Drafts, invoices, credit notes and orders in our form. Pure: rows in, records out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal

from tieout.connectors.tryton.books import Books, Currency, tax_codes
from tieout.connectors.tryton.predict import half_even, line_amount
from tieout.connectors.tryton.settling import Settled, settled_of
from tieout.connectors.tryton.translate import extra_of
from tieout.connectors.tryton.values import (
    Payload,
    amount_of,
    day_of,
    id_of,
    ids_of,
    linked,
    number_of,
    reference_of,
    rows_of,
    stamp_of,
    text_of,
)
from tieout.core.keys import KeyKind, keys_in
from tieout.core.model import (
    Document,
    DocumentKind,
    ExternalRef,
    ItemRef,
    Line,
    LineKind,
    OrderState,
    Totals,
)
from tieout.core.money import ZERO, line_net, minor_units, round_to
from tieout.ports import Selection

DRAFT_STATES = ("draft", "validated")
HEAD_FIELDS = (
    "state", "number", "party", "party.name", "account", "currency", "currency.code",
    "payment_term", "invoice_address", "reference", "description", "comment", "invoice_date",
    "accounting_date", "untaxed_amount", "tax_amount", "total_amount", "amount_to_pay",
    "reconciled", "cancel_move", "cancel_move.origin", "move", "lines_to_pay.debit",
    "lines_to_pay.credit", "lines_to_pay.amount_second_currency", "lines_to_pay.maturity_date",
    "lines_to_pay.reconciliation", "lines_to_pay.invoice_payment", "payment_lines",
    "reconciliation_lines", "origin_invoices",
    "create_date", "create_uid.login", "last_modified_at", "_timestamp",
)  # fmt: skip
LINE_FIELDS = (
    "type", "sequence", "product", "product.code", "unit", "unit.symbol", "quantity",
    "unit_price", "description", "note", "taxes", "amount", "account", "origin", "taxes_date",
    "_timestamp",
)  # fmt: skip
ANALYTIC_FIELDS = ("analytic_accounts.root", "analytic_accounts.account")
ORDER_FIELDS = (
    "state", "number", "party", "party.name", "currency", "currency.code", "payment_term",
    "reference", "description", "comment", "sale_date", "untaxed_amount", "tax_amount",
    "total_amount", "create_date", "create_uid.login", "last_modified_at", "_timestamp",
    "lines.type", "lines.sequence", "lines.product", "lines.product.code", "lines.unit",
    "lines.unit.symbol", "lines.quantity", "lines.unit_price", "lines.description", "lines.note",
    "lines.taxes", "lines.amount", "lines._timestamp",
)  # fmt: skip
# A line that is still to be made comes behind those that are there.
_NEW = 1 << 60
_ORDER_STATES = {
    "draft": OrderState.DRAFT,
    "quotation": OrderState.AWAITING,
    "confirmed": OrderState.APPROVED,
    "processing": OrderState.SHIPPED,
    "done": OrderState.INVOICED,
    "cancelled": OrderState.CANCELLED,
}
_STATUS = {"validated": "awaiting_approval"}
_CARRIER = re.compile(r"\s*\bref ([0-9A-HJKMNP-TV-Z]{13}[DCKPS][0-9A-HJKMNP-TV-Z]{2})\b", re.I)
_PRICE = re.compile(r"Price (-?[0-9.]+), discount ([0-9.]+) %")
# The labels under which a document's words stand in its comment, which is printed at its foot.
LABELS = {
    "your_reference": "Your reference",
    "buyer_reference": "Buyer reference",
    "our_reference": "Our reference",
    "delivered_on": "Delivered",
}


def head_fields(books: Books) -> list[str]:
    """What to read of an invoice, with its lines, in this database."""
    names = [*HEAD_FIELDS, *(f"lines.{name}" for name in LINE_FIELDS)]
    if books.has_analytic:
        names += [f"lines.{name}" for name in ANALYTIC_FIELDS]
    if books.has_key:
        names.append("tieout_key")
    if books.has_sales:
        names.append("sales")
    return names


def order_fields(books: Books) -> list[str]:
    """What to read of an order, with its lines, in this database."""
    return [*ORDER_FIELDS, *(["tieout_key"] if books.has_key else [])]


def is_booked(row: Payload) -> bool:
    """Whether an invoice has been posted, whatever became of it then."""
    state = row.get("state")
    return state in ("posted", "paid") or (state == "cancelled" and bool(row.get("move")))


def invoice_ref(books: Books, number: int, *, booked: bool) -> ExternalRef:
    """
    The ref of an invoice. One id stays with it all its life; what it is, is part of ours, so that
    a posted draft is seen to have become another kind of thing.
    """
    return books.ref("document", f"{'invoice' if booked else 'draft'}:{number}")


def split_ref(ref: ExternalRef) -> tuple[str, int]:
    """Kind and id of a ref: ('draft', 31), ('', 12) for others. Raises ValueError for none."""
    head, colon, tail = ref.id.rpartition(":")
    return head if colon else "", int(tail)


def document(
    row: Payload,
    books: Books,
    want: Selection | None = None,
    *,
    moves: Mapping[int, Payload] | None = None,
    base: Totals | None = None,
    discounts: frozenset[str] = frozenset(),
    small: frozenset[str] = frozenset(),
) -> Document:
    """
    An invoice of Tryton as a draft, an invoice or a credit note.

    ``moves`` are the ledger lines that settle it, by id; ``base`` its figures in the company's
    currency where it is in another one. What its settling means is told by `settling.settled_of`.
    """
    booked = is_booked(row)
    number = id_of(row, "id")
    currency = text_of(linked(row, "currency"), "code") or books.currency.code
    told = settled_of(row, books, moves or {}, discounts=discounts, small=small)
    credit = amount_of(row, "total_amount") < 0
    kind = DocumentKind.DRAFT
    if booked:
        kind = DocumentKind.CREDIT_NOTE if credit else DocumentKind.INVOICE
    totals = _totals(row, currency, booked)
    if base is None and currency == books.currency.code:
        base = totals
    came_from = [books.ref("document", f"order:{sale}") for sale in ids_of(row, "sales")]
    if booked and number is not None:
        came_from.append(invoice_ref(books, number, booked=False))
    party = id_of(row, "party")
    comment = text_of(row, "comment")
    reference = text_of(row, "reference")
    words = words_of(comment)
    state = text_of(row, "state")
    return Document(
        ref=None if number is None else invoice_ref(books, number, booked=booked),
        version=text_of(row, "_timestamp") or None,
        changed_at=stamp_of(row, "last_modified_at"),
        came_from=tuple(came_from),
        kind=kind,
        number=text_of(row, "number"),
        raw_status=_status(row, booked, told) if booked else _STATUS.get(state, state or "draft"),
        booked=booked,
        voided=state == "cancelled" and not _credited_whole(row),
        customer=books.ref("customer", party) if party is not None else None,
        customer_name=text_of(linked(row, "party"), "name"),
        issue_date=day_of(row, "invoice_date"),
        due_date=_due(row) if booked else None,
        delivered_on=_day(words["delivered_on"]),
        currency=currency,
        rate=_rate(totals, base) if booked else None,
        totals=totals,
        base_totals=base,
        lines=_lines(row, books, want),
        credited=told.credited if booked else None,
        paid=told.paid if booked else None,
        written_off=told.written_off if booked else None,
        discounted=told.discounted if booked else None,
        small_difference=told.small_difference if booked else None,
        last_payment_on=told.last_payment_on,
        payments=told.payments if booked else (),
        terms=_terms(row, books),
        our_reference=words["our_reference"],
        your_reference=words["your_reference"],
        po_number=without_key(reference),
        buyer_reference=words["buyer_reference"],
        carrier_text=_carrier(row, credit),
        credits=tuple(
            invoice_ref(books, origin, booked=True) for origin in ids_of(row, "origin_invoices")
        )
        if credit
        else (),
        credited_by=_credited_by(row, books, told),
        created_at=stamp_of(row, "create_date"),
        created_by=text_of(linked(row, "create_uid"), "login"),
        extra=extra_of(row, want),
        shape=want.shape if want else "",
    )


def as_booked(record: Document, books: Books, number: int) -> Document:
    """The draft as it will be once it is posted, as far as that can be told before."""
    totals = record.totals
    credit = totals is not None and totals.gross < 0
    return replace(
        record,
        ref=invoice_ref(books, number, booked=True),
        version=None,
        kind=DocumentKind.CREDIT_NOTE if credit else DocumentKind.INVOICE,
        booked=True,
        raw_status="posted",
        came_from=(invoice_ref(books, number, booked=False),),
        totals=replace(totals, open=totals.gross) if totals is not None else None,
    )


def order(row: Payload, books: Books, want: Selection | None = None) -> Document:
    """
    A sale as an order. Its invoices name it; it carries a key of its own only. One that is
    processed has its invoice, and nobody changes it any more.

    Raises ValueError for a state that nobody has told of.
    """
    state = _ORDER_STATES.get(text_of(row, "state") or "draft")
    if state is None:
        raise ValueError(f"state {row.get('state')!r}")
    number = id_of(row, "id")
    currency = text_of(linked(row, "currency"), "code") or books.currency.code
    party = id_of(row, "party")
    words = words_of(text_of(row, "comment"))
    totals = _totals(row, currency, False)
    return Document(
        ref=None if number is None else books.ref("document", f"order:{number}"),
        version=text_of(row, "_timestamp") or None,
        changed_at=stamp_of(row, "last_modified_at"),
        kind=DocumentKind.ORDER,
        number=text_of(row, "number"),
        raw_status=text_of(row, "state"),
        voided=state is OrderState.CANCELLED,
        order_state=state,
        customer=books.ref("customer", party) if party is not None else None,
        customer_name=text_of(linked(row, "party"), "name"),
        issue_date=day_of(row, "sale_date"),
        delivered_on=_day(words["delivered_on"]),
        currency=currency,
        totals=totals,
        base_totals=totals if currency == books.currency.code else None,
        lines=_lines(row, books, want),
        terms=_terms(row, books),
        our_reference=words["our_reference"],
        your_reference=words["your_reference"],
        po_number=without_key(text_of(row, "reference")),
        buyer_reference=words["buyer_reference"],
        carrier_text=_carrier(row, False),
        created_at=stamp_of(row, "create_date"),
        created_by=text_of(linked(row, "create_uid"), "login"),
        extra=extra_of(row, want),
        shape=want.shape if want else "",
    )


# --- words ---------------------------------------------------------------------------------------


def with_key(reference: str, key: str) -> str:
    """The buyer's reference with our key behind it, for books without our column."""
    return f"{reference} ref {key}" if reference else f"ref {key}"


def without_key(reference: str) -> str:
    """The buyer's reference as people wrote it."""
    return _CARRIER.sub("", reference).strip()


def words_of(comment: str) -> dict[str, str]:
    """What stands in a comment under our labels, '' for what does not."""
    found = dict.fromkeys(LABELS, "")
    for line in comment.split("\n"):
        label, colon, value = line.partition(": ")
        for name, known in LABELS.items():
            if colon and label == known:
                found[name] = value.strip()
    return found


def with_words(comment: str, words: Mapping[str, str]) -> str:
    """The comment with these words under our labels, all that people wrote there kept."""
    labels = {LABELS[name] for name in words}
    kept = [line for line in comment.split("\n") if line.partition(": ")[0] not in labels]
    ours = [f"{LABELS[name]}: {value}" for name, value in words.items() if value]
    return "\n".join([*ours, *kept]).strip()


def price_note(price: Decimal, discount: Decimal) -> str:
    """What a line says of its price: Tryton has no field for a discount on invoices."""
    percent = format((discount * 100).normalize(), "f")
    return f"Price {price}, discount {percent} %"


def price_to_write(
    quantity: Decimal, price: Decimal, discount: Decimal, currency: str, step: Decimal
) -> Decimal | None:
    """
    The unit price with which a line shows what was sold: price less discount in four decimals, or
    the nearest to it. Tryton rounds half a cent to the even one, deals away from zero: 1.5 at
    99.95 is 149.93 sold and 149.92 there, so that it is written as 99.9501. None: no price does.
    """
    net = price if not discount else round_to(price * (1 - discount), 4)
    sold = half_even(line_net(quantity, price, discount, minor_units(currency)), step)
    for ticks in _TICKS:
        tried = net + ticks * _TICK if ticks else net
        if line_amount(quantity, tried, step) == sold:
            return tried
    return None


_TICK = Decimal("0.0001")
_TICKS = (0, *(sign * size for size in range(1, 51) for sign in (1, -1)))


def price_shown(row: Payload, currency: str, step: Decimal) -> tuple[Decimal, Decimal]:
    """Price and discount of a line: as its note has them where they still make its price."""
    there = amount_of(row, "unit_price")
    found = _PRICE.search(text_of(row, "note"))
    if found is None:
        return there, ZERO
    try:
        price, discount = Decimal(found.group(1)), Decimal(found.group(2)) / 100
        written = price_to_write(amount_of(row, "quantity"), price, discount, currency, step)
    except ArithmeticError:
        return there, ZERO
    # Somebody changed price or quantity since: then the price is the one that stands there.
    return (price, discount) if written == there else (there, ZERO)


# Inside.


def _lines(row: Payload, books: Books, want: Selection | None) -> tuple[Line, ...]:
    listed = ordered_lines(row)
    currency = books.currency_by_id.get(id_of(row, "currency") or 0, books.currency)
    return tuple(
        _line(entry, place, books, want, currency) for place, entry in enumerate(listed, start=1)
    )


def ordered_lines(row: Payload) -> list[Payload]:
    """The lines in the order in which they are shown: by sequence, those without one first."""
    rows = rows_of(row, "lines")

    def place(entry: Payload) -> tuple[int, int, int]:
        sequence = entry.get("sequence")
        return (0 if sequence is None else 1, int(sequence or 0), int(entry.get("id") or _NEW))

    return sorted(rows, key=place)


def _line(
    row: Payload, place: int, books: Books, want: Selection | None, currency: Currency
) -> Line:
    extra = extra_of(row, want, line=True)
    if row.get("type", "line") != "line":
        return Line(
            position=place, kind=LineKind.TEXT, text=text_of(row, "description"), extra=extra
        )
    product = id_of(row, "product")
    price, discount = price_shown(row, currency.code, currency.rounding)
    taxes = ids_of(row, "taxes")
    return Line(
        position=place,
        kind=LineKind.ITEM if product is not None else LineKind.CHARGE,
        item=ItemRef(number=text_of(linked(row, "product"), "code"), ref=books.ref("item", product))
        if product is not None
        else None,
        text=text_of(row, "description"),
        quantity=_quantity(row),
        unit=text_of(linked(row, "unit"), "symbol"),
        unit_price=price,
        discount=discount,
        stated_net=number_of(row, "amount"),
        tax_code=tax_codes(taxes) or "0",
        tax_rate=books.rate_of(taxes),
        dimensions=_dimensions(row, books),
        extra=extra,
    )


def _quantity(row: Payload) -> Decimal:
    """A quantity without the .0 that every whole number has over there."""
    value = amount_of(row, "quantity")
    whole = value.to_integral_value()
    return whole if whole == value else value


def _dimensions(row: Payload, books: Books) -> dict[str, str]:
    found = {}
    for entry in rows_of(row, "analytic_accounts"):
        account = id_of(entry, "account")
        if account is not None:
            kind, code = books.dimension.get(account, ("analytic", str(account)))
            found[kind] = code
    return dict(sorted(found.items()))


def _totals(row: Payload, currency: str, booked: bool) -> Totals | None:
    net, tax = number_of(row, "untaxed_amount"), number_of(row, "tax_amount")
    gross = number_of(row, "total_amount")
    if net is None or tax is None or gross is None:
        return None
    return Totals(
        currency=currency,
        net=net,
        tax=tax,
        gross=gross,
        # On a draft the open amount is told as 0, which it is not.
        open=amount_of(row, "amount_to_pay") - _lent(row) if booked else None,
    )


def _lent(row: Payload) -> Decimal:
    """
    What of a document's own claim was put on another invoice as a payment, as people do with the
    credit note for a part: it is open over there until that invoice is settled, and not twice.
    """
    lent = [
        entry
        for entry in rows_of(row, "lines_to_pay")
        if entry.get("invoice_payment") is not None and not entry.get("reconciliation")
    ]
    return sum(
        (
            number_of(entry, "amount_second_currency")
            or amount_of(entry, "debit") - amount_of(entry, "credit")
            for entry in lent
        ),
        ZERO,
    )


def _status(row: Payload, booked: bool, told: Settled) -> str:
    state = text_of(row, "state")
    if not booked:
        return state
    if _credited_whole(row):
        return "credited"
    # With a queue worker an invoice stays posted for a while after it was settled.
    settled = state == "paid" or row.get("reconciled") is not None
    if settled:
        return "credited" if told.credited and not told.paid else "paid"
    if state == "posted":
        left, whole = amount_of(row, "amount_to_pay"), amount_of(row, "total_amount")
        return "partly_paid" if left != whole else "posted"
    return state


def _credited_whole(row: Payload) -> bool:
    """Whether a cancelled invoice was credited: its cancelling move is a credit note's."""
    origin = reference_of(linked(row, "cancel_move"), "origin")
    return origin is not None and origin[0] == "account.invoice"


def _credited_by(row: Payload, books: Books, told: Settled) -> tuple[ExternalRef, ...]:
    found = dict.fromkeys(told.credit_notes)
    origin = reference_of(linked(row, "cancel_move"), "origin")
    if origin is not None and origin[0] == "account.invoice":
        found[origin[1]] = None
    if amount_of(row, "total_amount") < 0:
        return ()
    return tuple(invoice_ref(books, number, booked=True) for number in found)


def _due(row: Payload) -> date | None:
    """The earliest day on which something is still due; the last one where nothing is."""
    rows = rows_of(row, "lines_to_pay")
    left = [day_of(entry, "maturity_date") for entry in rows if not entry.get("reconciliation")]
    days = [day for day in left if day is not None]
    if days:
        return min(days)
    return max((d for e in rows if (d := day_of(e, "maturity_date")) is not None), default=None)


def _rate(totals: Totals | None, base: Totals | None) -> Decimal | None:
    if totals is None or base is None or not totals.gross:
        return None
    if totals.currency == base.currency:
        return Decimal(1)
    return round_to(base.gross / totals.gross, 8)


def _terms(row: Payload, books: Books) -> str:
    term = id_of(row, "payment_term")
    return "" if term is None else books.terms_code.get(term, str(term))


def _carrier(row: Payload, credit: bool) -> str:
    """
    Where our key is looked for: the column, and the reference, which "duplicate" copies. A credit
    note can have got the reference of its invoice, whose key is not its own.
    """
    text = "\n".join(t for t in (text_of(row, "tieout_key"), text_of(row, "reference")) if t)
    if credit:
        for key in keys_in(text):
            if key[13] == KeyKind.DOCUMENT:
                text = re.sub(re.escape(key), "", text, flags=re.I)
    return text


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None


def line_content(line: Line) -> tuple[object, ...]:
    """What makes a line the same one in the eyes of a person."""
    number = line.item.number if line.item else ""
    return (line.kind, number, line.text, line.quantity, line.unit_price, line.discount)
