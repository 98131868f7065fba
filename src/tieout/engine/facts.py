"""A record with the columns that the mirror keeps beside it."""

from __future__ import annotations

from decimal import Decimal

from tieout.core.compose import sold_amount
from tieout.core.contacts import normal_address
from tieout.core.keys import keys_in
from tieout.core.model import (
    Balance,
    Code,
    Contact,
    Customer,
    Deal,
    Document,
    DocumentKind,
    ExternalRef,
    Item,
    OrderState,
    Payment,
    Price,
    Record,
    ValueList,
)
from tieout.core.status import (
    SMALL_DIFFERENCE,
    DocumentStanding,
    Settlement,
    SettlementKind,
    Stage,
    status_from_amounts,
)
from tieout.engine.enrich import Enricher
from tieout.storing import MirrorFacts, MirrorRow

ZERO = Decimal("0.00")


def mirror_row(record: Record, enrich: Enricher) -> MirrorRow:
    """The row for a record that was read. Raises ValueError for one without a ref."""
    if record.ref is None:
        raise ValueError(f"a {type(record).__name__} without a ref cannot be kept")
    if isinstance(record, Customer):
        record = enrich.customer(record)
    return MirrorRow(ref=record.ref or _never(), record=record, facts=_facts(record, enrich))


def _never() -> ExternalRef:
    raise AssertionError("a ref was there a moment ago")


def _facts(record: Record, enrich: Enricher) -> MirrorFacts:
    match record:
        case Customer():
            return _customer(record, enrich)
        case Deal():
            return MirrorFacts(
                kind=str(record.kind),
                number=record.number,
                customer_id=_id(record.customer),
                status=str(record.state),
                day=record.close_date,
                currency=record.currency,
                net=sold_amount(record) if record.lines else record.stated_total,
            )
        case Document():
            return _document(record)
        case Item():
            return MirrorFacts(number=record.number, kind="service" if record.service else "goods")
        case Price():
            item = record.item
            return MirrorFacts(
                number=item.number if item else "",
                parent_id=_id(item.ref) if item else None,
                kind=record.list,
                currency=record.currency,
                day=record.valid_from,
                due_day=record.valid_to,
                net=record.amount,
            )
        case Code():
            return MirrorFacts(number=record.code, kind=record.kind)
        case ValueList():
            return MirrorFacts(number=record.name)
        case Contact():
            return MirrorFacts(customer_id=_id(record.customer), email=normal_address(record.email))
        case Payment():
            return MirrorFacts(
                customer_id=_id(record.customer),
                parent_id=_id(record.document),
                day=record.paid_on,
                currency=record.currency,
                gross=record.amount,
                kind=record.kind,
            )
        case Balance():
            return MirrorFacts(
                customer_id=_id(record.customer), currency=record.currency, open=record.open
            )
        case _:
            return MirrorFacts()


def _id(ref: ExternalRef | None) -> str | None:
    return None if ref is None else ref.id


def _customer(record: Customer, enrich: Enricher) -> MirrorFacts:
    address = record.address("billing")
    country = address.country if address else ""
    company, vat = record.identifier("company"), record.identifier("vat")
    carried = keys_in(f"{record.note} {record.extra.get('carrier', '')}")
    return MirrorFacts(
        number=record.number,
        org_number=company.key if company else "",
        vat_number=vat.key if vat else "",
        email=(record.emails.get("invoice") or record.emails.get("general", "")).casefold(),
        name_folded=enrich.folded(record.name, country),
        postcode=enrich.postcode(address.postcode, country) if address else "",
        currency=record.currency,
        carried_key=next((key for key in carried if key[13] == "C"), None),
        status="active" if record.active else "inactive",
    )


def _document(record: Document) -> MirrorFacts:
    standing = standing_of(record)
    totals = record.totals
    carried = keys_in(record.carrier_text)
    # Programs copy the references of an invoice to its credit note: that key is not its own.
    own = "K" if record.kind is DocumentKind.CREDIT_NOTE else "DK"
    return MirrorFacts(
        kind=str(record.kind),
        number=record.number,
        customer_id=_id(record.customer),
        parent_id=_id(record.credits[0] if record.credits else _first(record.came_from)),
        carried_key=next((key for key in carried if key[13] in own), None),
        status=str(standing.status),
        day=record.issue_date,
        due_day=record.due_date,
        currency=record.currency,
        net=totals.net if totals else None,
        tax=totals.tax if totals else None,
        gross=totals.gross if totals else None,
        open=totals.open if totals else None,
        paid=standing.paid,
        paid_on=record.last_payment_on,
        credited=standing.credited,
    )


def _first(refs: tuple[ExternalRef, ...]) -> ExternalRef | None:
    return refs[0] if refs else None


def standing_of(record: Document) -> DocumentStanding:
    """
    The document's status and amounts from what the books tell: money, credits, write-offs, and
    the open amount. What closes it beyond these is of unknown kind, never money.
    """
    totals = record.totals
    sign = -1 if record.kind is DocumentKind.CREDIT_NOTE else 1
    total = sign * totals.gross if totals else ZERO
    settlements = [
        Settlement(kind=kind, amount=sign * amount)
        for kind, amount in (
            (SettlementKind.MONEY, record.paid),
            (SettlementKind.CREDIT, record.credited),
            (SettlementKind.WRITE_OFF, record.written_off),
            (SettlementKind.DISCOUNT, record.discounted),
            (SettlementKind.SMALL_DIFFERENCE, record.small_difference),
        )
        if amount
    ]
    booked = record.booked or record.kind in (DocumentKind.INVOICE, DocumentKind.CREDIT_NOTE)
    waits = record.order_state is OrderState.AWAITING
    opened = totals.open if totals and booked else None
    return status_from_amounts(
        total=total,
        settlements=settlements,
        stage=Stage.BOOKED if booked else Stage.AWAITING_APPROVAL if waits else Stage.DRAFT,
        voided=record.voided,
        open_amount=None if opened is None else sign * opened,
        tolerance=SMALL_DIFFERENCE.get(record.currency, ZERO),
    )
