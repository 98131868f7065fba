"""What the CRM should show: the status words, numbers and amounts of a deal or a customer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal

from tieout.core.case import RefRole, Seen, SlotState
from tieout.core.model import Customer, Document, DocumentKind, ExternalRef, Standing
from tieout.core.orders import is_order
from tieout.core.status import SMALL_DIFFERENCE, Flag, Status
from tieout.engine.facts import standing_of

ZERO = Decimal("0.00")

# Of several steps the deal shows the least advanced live one; a dead one only where none lives.
_ORDER = (
    Status.DRAFT,
    Status.AWAITING_APPROVAL,
    Status.BOOKED,
    Status.PARTLY_PAID,
    Status.SETTLED,
    Status.PAID,
    Status.WRITTEN_OFF,
    Status.CREDITED,
    Status.CANCELLED,
)


def deal_standing(
    ref: ExternalRef,
    slots: Sequence[SlotState],
    documents: Mapping[str, Seen],
    credits: Mapping[str, Sequence[Document]],
    grown: Mapping[str, Sequence[Document]] | None = None,
    *,
    today: date,
    last_day: Callable[[date], date],
) -> Standing | None:
    """
    The standing of a deal over all its steps; None when no document was ever there. ``grown`` are
    the documents that the books made of its orders, by the order's id: status and amounts are
    theirs, number, date and day of delivery also the order's.

    Amounts are in the documents' currency: net and gross after credit notes; paid less what was
    paid back; open with what is left on credit notes, which counts against it.
    """
    seen = [
        (slot_ref.role, documents[slot_ref.ref.id])
        for slot in slots
        for slot_ref in slot.refs
        if slot_ref.ref.id in documents and slot_ref.role in (RefRole.CURRENT, RefRole.FORMER)
    ]
    if not seen:
        return None
    live = [
        found.record
        for role, found in seen
        if role is RefRole.CURRENT
        and isinstance(found.record, Document)
        and (not found.gone_certain or _invoiced_of(found.record, grown or {}))
    ] or _last_booked(slots, documents)
    if not live:
        return Standing(
            ref=ref,
            of="deal",
            status=str(Status.CANCELLED),
            booked=False,
            vendor_status="cancelled",
            open=ZERO,
        )
    orders = [record for record in live if is_order(record)]
    live = _as_invoiced(live, grown or {})
    shown = [_figures(document, today, last_day) for document in live]
    beside = [credits.get(document.ref.id, ()) if document.ref else () for document in live]
    notes = [note for listed in beside for note in listed]
    first = min(shown, key=lambda figure: _ORDER.index(figure.status))
    in_part = first.status is not Status.CREDITED and any(n.booked for n in notes)
    booked = [d for d in live if _is_booked(d)]
    days = [d.delivered_on for d in (*orders, *live) if d.delivered_on]
    totals = [d.totals for d in booked if d.totals] + [n.totals for n in notes if n.totals]
    return Standing(
        ref=ref,
        of="deal",
        status=str(first.status),
        overdue=any(figure.overdue for figure in shown),
        credited_in_part=in_part or any(Flag.CREDITED_IN_PART in f.flags for f in shown),
        refund_due=any(
            Flag.REFUND_DUE in figure.flags or _more_than_open(figure.open, notes_of)
            for figure, notes_of in zip(shown, beside, strict=True)
        ),
        booked=bool(booked),
        vendor_status=_vendor_word(orders, live),
        order_number=", ".join(sorted({d.number for d in orders if d.number})) or None,
        order_date=min((d.issue_date for d in orders if d.issue_date), default=None),
        delivered_on=max(days, default=None),
        number=", ".join(sorted({d.number for d in booked if d.number})) or None,
        books_id=", ".join(sorted({d.ref.id for d in (*orders, *live) if d.ref})) or None,
        issue_date=min((d.issue_date for d in booked if d.issue_date), default=None),
        due_date=max((d.due_date for d in booked if d.due_date), default=None),
        last_payment_on=max(
            (f.paid_on for f in shown if f.paid_on is not None and f.paid > 0), default=None
        ),
        currency=live[0].currency,
        net=sum((t.net for t in totals), ZERO) if booked else None,
        gross=sum((t.gross for t in totals), ZERO) if booked else None,
        paid=sum((f.paid for f in shown), ZERO) - _paid_back(notes) if booked else None,
        open=sum((f.open for f in shown if f.booked), ZERO) + _left(notes) if booked else None,
    )


def _last_booked(slots: Sequence[SlotState], documents: Mapping[str, Seen]) -> list[Document]:
    """
    What was booked last in places where nothing lives any more: an invoice that was credited when
    its deal was lost had effect, so it is shown as credited, not as cancelled.
    """
    found: list[Document] = []
    for slot in slots:
        booked = [
            (one.generation, seen.record)
            for one in slot.refs
            if (seen := documents.get(one.ref.id)) is not None
            and one.role is RefRole.FORMER
            and not seen.gone
            and isinstance(seen.record, Document)
            and _is_booked(seen.record)
            and not seen.record.voided
        ]
        if booked:
            found.append(max(booked, key=lambda one: one[0])[1])
    return found


def _is_booked(document: Document) -> bool:
    return document.kind not in (DocumentKind.DRAFT, DocumentKind.ORDER)


def _as_invoiced(
    live: Sequence[Document], grown: Mapping[str, Sequence[Document]]
) -> list[Document]:
    """The documents with each order replaced by what was invoiced of it, once something was."""
    return [one for document in live for one in _invoiced_of(document, grown) or [document]]


def _invoiced_of(document: Document, grown: Mapping[str, Sequence[Document]]) -> list[Document]:
    """What was invoiced of an order and stands, also of one that was deleted since."""
    made = grown.get(document.ref.id, ()) if document.ref and is_order(document) else ()
    return [one for one in made if one.booked and not one.voided]


def _vendor_word(orders: Sequence[Document], live: Sequence[Document]) -> str | None:
    """The books' own word: of an order how far it has come, of others as it stands there."""
    words = [str(one.order_state or one.raw_status) for one in orders]
    words = words or [one.raw_status for one in live]
    return ", ".join(sorted({word for word in words if word})) or None


def _paid_back(notes: Sequence[Document]) -> Decimal:
    """Money that went out on credit notes: it lowers what was paid."""
    return sum((abs(note.paid) for note in notes if note.paid is not None), ZERO)


def _more_than_open(left: Decimal, notes: Sequence[Document]) -> bool:
    """Whether credit notes come to more than the invoice has open: books may set them off later."""
    rest = _left(notes)
    return rest < 0 and left + rest < 0


def _left(notes: Sequence[Document]) -> Decimal:
    return sum((note.totals.open for note in notes if note.totals and note.totals.open), ZERO)


def turns_late(
    documents: Iterable[Document], *, today: date, last_day: Callable[[date], date]
) -> date | None:
    """The first day on which time alone makes one of these late; None where none is open."""
    days = [
        last_day(document.due_date)
        for document in documents
        if document.due_date is not None and document.totals and (document.totals.open or ZERO) > 0
    ]
    following = [day + timedelta(days=1) for day in days if day >= today]
    return min(following, default=None)


class _Figure:
    """The parts of a document's standing that a deal's standing is made of."""

    __slots__ = ("booked", "flags", "open", "overdue", "paid", "paid_on", "status")

    def __init__(self, document: Document, today: date, last_day: Callable[[date], date]) -> None:
        standing = standing_of(document)
        self.status = standing.status
        self.flags = standing.flags
        self.open = standing.open
        self.paid = standing.paid
        self.paid_on = document.last_payment_on
        self.booked = _is_booked(document)
        self.overdue = (
            self.booked
            and standing.open > small_difference(document.currency)
            and document.due_date is not None
            and today > last_day(document.due_date)
        )


def small_difference(currency: str) -> Decimal:
    """A rest of at most so much is nothing to remind anybody of: the books write it off."""
    return SMALL_DIFFERENCE.get(currency, ZERO)


def _figures(document: Document, today: date, last_day: Callable[[date], date]) -> _Figure:
    return _Figure(document, today, last_day)


def customer_standing(
    ref: ExternalRef,
    customer: Customer,
    documents: Sequence[Document],
    *,
    today: date,
    last_day: Callable[[date], date],
) -> Standing:
    """
    The standing of a customer: number and id in the books, what is open, what is overdue.

    Open documents in the customer's own currency; one balance per currency is never added up.
    """
    currency = customer.currency or (documents[0].currency if documents else "")
    mine = [d for d in documents if d.currency == currency and d.totals is not None]
    opened = [(d, d.totals.open or ZERO) for d in mine if d.totals is not None]
    late = [
        amount
        for document, amount in opened
        if amount > small_difference(document.currency)
        and document.due_date is not None
        and today > last_day(document.due_date)
    ]
    return Standing(
        ref=ref,
        of="customer",
        books_id=customer.number or (customer.ref.id if customer.ref else None),
        currency=currency or None,
        open=sum((amount for _, amount in opened), ZERO),
        overdue_amount=sum(late, ZERO),
        overdue=bool(late),
    )
