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


def all_credited(shown: Document, grown: Sequence[Document]) -> bool:
    """Whether all that was invoiced of a finished order was credited, so that nothing stands."""
    live = [one for one in grown if not one.voided]
    return (
        is_order(shown)
        and shown.order_state is OrderState.INVOICED
        and bool(live)
        and all(_credited(one) for one in live)
    )


def still_stands(grown: Iterable[Document]) -> bool:
    """Whether something that was invoiced of an order is neither voided nor credited in full."""
    return any(not one.voided and not _credited(one) for one in grown)


def stands(shown: Document, grown: Sequence[Document], notes: Iterable[Document]) -> bool:
    """
    Whether a document, or what was made of it, is neither voided nor credited in full. Of ``notes``
    count those that name it, and those that name none: what the credit note of another sale
    settled was paid with it, and stands.
    """
    own = (note for note in notes if not note.credits or shown.ref in note.credits)
    taken = sum((abs(note.totals.gross) for note in own if note.booked and note.totals), ZERO)
    credited = _credited(shown) and shown.totals is not None and taken >= abs(shown.totals.gross)
    dead = shown.voided or credited or all_credited(shown, grown)
    return not dead or still_stands(grown)


def returned(invoice: Document, documents: Iterable[Document]) -> bool:
    """
    Whether credit notes among these documents that name an invoice come to the whole of it. Of one
    that was paid before they take nothing off: they are paid back, and nothing is left to credit.
    """
    gross = invoice.totals.gross if invoice.totals else ZERO
    notes = [d for d in documents if d.kind is DocumentKind.CREDIT_NOTE and d.booked]
    sizes = (abs(n.totals.gross) for n in notes if n.totals and invoice.ref in n.credits)
    return bool(invoice.booked and gross) and sum(sizes, ZERO) >= abs(gross)


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
