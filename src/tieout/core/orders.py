"""Sales orders as the documents of a step: what grew out of one, what is left of it, its words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from tieout.core.compare import document_content
from tieout.core.digest import digest
from tieout.core.model import Document, DocumentKind, OrderState
from tieout.core.money import ZERO

# Nothing of these is changed from outside: goods have left, or an invoice was made.
_UNDER_WAY = frozenset({OrderState.SHIPPED, OrderState.INVOICED})


def is_order(record: object) -> bool:
    """Whether that record is a sales order."""
    return isinstance(record, Document) and record.kind is DocumentKind.ORDER


def under_way(shown: Document, grown: Iterable[Document]) -> bool:
    """Whether an order is shipped or invoiced, even in part: then it is measured, not changed."""
    return is_order(shown) and (
        shown.order_state in _UNDER_WAY or any(not one.voided for one in grown)
    )


def taken_back(shown: Document, notes: Iterable[Document] = ()) -> bool:
    """
    Voided, or credited in full: by the books' own figure, or by credit notes of its own, which take
    nothing off what was paid before (they are paid back, or stay open themselves).
    """
    return shown.voided or _credited(shown) or credited_by(shown, notes)


def credited_by(shown: Document, notes: Iterable[Document]) -> bool:
    """
    Whether these credit notes come to the whole of it. Those count that name it, and those that
    name none: what another sale's credit note settled was paid with it. One that names several
    takes nobody knows how much off each; one in another currency takes off no amount of this one.
    """
    if shown.totals is None or not shown.totals.gross or not shown.booked:
        return False
    own = (note for note in notes if counts(note) and note.credits in ((), (shown.ref,)))
    amounts = (note.totals for note in own if note.totals is not None)
    fitting = (one.gross for one in amounts if one.currency == shown.totals.currency)
    return sum(map(abs, fitting), ZERO) >= abs(shown.totals.gross)


def all_credited(
    shown: Document, grown: Sequence[Document], notes: Sequence[Document] = ()
) -> bool:
    """Whether all that was invoiced of a finished order was credited, so that nothing stands."""
    live = [one for one in grown if not one.voided]
    return (
        is_order(shown)
        and shown.order_state is OrderState.INVOICED
        and bool(live)
        and not standing_of(live, notes)
    )


def standing_of(grown: Iterable[Document], notes: Sequence[Document]) -> list[Document]:
    """
    Which of the documents that were made of an order are neither voided nor credited in full. Some
    books have a credit note name the order alone: such are held against all that is left together.
    """
    left = [one for one in grown if not taken_back(one, naming(one, notes))]
    unnamed = [note for note in notes if counts(note) and note.totals and not note.credits]
    taken = sum((abs(note.totals.gross) for note in unnamed if note.totals), ZERO)
    whole = sum((abs(one.totals.gross) for one in left if one.totals), ZERO)
    return [] if whole and taken >= whole and all(one.booked for one in left) else left


def still_stands(grown: Iterable[Document], notes: Sequence[Document] = ()) -> bool:
    """Whether something that was invoiced of an order is neither voided nor credited in full."""
    return bool(standing_of(grown, notes))


def stands(shown: Document, grown: Sequence[Document], notes: Sequence[Document]) -> bool:
    """
    Whether a document that a place had before, or what was made of it, stands again. By its own
    credit notes alone: the books' figure may be the credit note of another sale.
    """
    dead = shown.voided or credited_by(shown, notes) or all_credited(shown, grown, notes)
    return not dead or still_stands(grown, notes)


def counts(note: Document) -> bool:
    """Whether a credit note takes something off: it was booked, and not voided since."""
    return note.booked and not note.voided


def naming(invoice: Document, notes: Iterable[Document]) -> list[Document]:
    """The credit notes among these documents that name that invoice."""
    return [
        one for one in notes if one.kind is DocumentKind.CREDIT_NOTE and invoice.ref in one.credits
    ]


def _credited(invoice: Document) -> bool:
    gross = invoice.totals.gross if invoice.totals else ZERO
    return bool(
        invoice.booked
        and gross
        and invoice.credited is not None
        and abs(invoice.credited) >= abs(gross)
    )


def invoiced_net(grown: Iterable[Document]) -> Decimal:
    """What the booked invoices of an order come to, net; credit notes left out."""
    return sum((one.totals.net for one in grown if one.booked and one.totals), ZERO)


def left_of(
    shown: Document, grown: Iterable[Document], notes: Sequence[Document]
) -> Decimal | None:
    """What a document comes to as it stands, net, after its credit notes; an order with its rest"""
    if shown.totals is None:
        return None
    whole = _comes_to(shown, grown, notes) if is_order(shown) else shown.totals.net
    return whole - credited_net(notes)


def credited_net(notes: Iterable[Document]) -> Decimal:
    """The net of those of these credit notes that count."""
    return sum((abs(one.totals.net) for one in notes if counts(one) and one.totals), ZERO)


def _comes_to(order: Document, grown: Iterable[Document], notes: Sequence[Document]) -> Decimal:
    """
    What an order comes to, net, before its credit notes: what was made of it and, while it is
    open, what is still to come. What was credited in full and invoiced again counts twice, as its
    credit notes take it off.
    """
    live = [one for one in grown if not one.voided and one.totals]
    reached = _net(live)
    ordered = order.totals.net if order.totals else ZERO
    if order.order_state is OrderState.INVOICED:
        return reached
    if reached <= ordered:
        return ordered
    dead = [one for one in live if taken_back(one, naming(one, notes))]
    return max(ordered, reached - _net(dead)) + _net(dead)


def _net(documents: Iterable[Document]) -> Decimal:
    return sum((one.totals.net for one in documents if one.totals), ZERO)


def answer_mark(wanted: Document, shown: Document, names: Iterable[str]) -> str:
    """
    What a person's answer about an order is bound to: all that it says as they saw it, and what
    the deal said of these fields.
    """
    mine = document_content(wanted)
    return digest(document_content(shown), {name: mine[name] for name in names})[:12]


def called(shown: Document) -> str:
    """`order SO-12`, `draft`, `invoice 1042`: a document as a sentence names it."""
    word = {DocumentKind.ORDER: "order", DocumentKind.DRAFT: "draft"}.get(shown.kind, "invoice")
    return f"{word} {shown.number}".strip()
