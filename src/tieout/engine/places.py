"""The places of a bridge in the books: which slot a customer, a step or a standing takes."""

from __future__ import annotations

from tieout.core.keys import KeyKind, Slot
from tieout.core.policy import BooksPolicy
from tieout.engine.context import Engine


def customer_slot(engine: Engine, book: BooksPolicy, customer_id: str) -> Slot:
    """The place of a CRM customer in that company's books."""
    return Slot(
        crm_org=engine.policy.crm_org,
        source_id=customer_id,
        company=book.company,
        kind=KeyKind.CUSTOMER,
    )


def document_slot(engine: Engine, book: BooksPolicy, source_id: str, part: int) -> Slot:
    """The place of one billing step of a deal in that company's books."""
    return Slot(
        crm_org=engine.policy.crm_org,
        source_id=source_id,
        company=book.company,
        kind=KeyKind.DOCUMENT,
        part=part,
    )


def published_slot(engine: Engine, book: BooksPolicy, kind: KeyKind, source_id: str) -> Slot:
    """The place in the CRM of what it shows of one record of that company's books."""
    return Slot(
        crm_org=engine.policy.crm_org,
        source_id=source_id,
        company=book.company,
        kind=kind,
    )


def standing_slot(engine: Engine, book: BooksPolicy, key: str) -> Slot:
    """The place of what a deal or a customer of the CRM shows of that company's books."""
    return Slot(
        crm_org=engine.policy.crm_org,
        source_id=key,
        company=book.company,
        kind=KeyKind.STANDING,
    )
