"""
Reconciliation: the steps of the mirror with their evidence, against the ledger's own list.

Each figure comes from its own evidence; what has none is unexplained. Nothing is written, and no
threshold decides what is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from decimal import Decimal
from zoneinfo import ZoneInfo

from tieout.core.case import Seen
from tieout.core.chain import (
    Acceptance,
    Approval,
    Cancellation,
    DocumentEvidence,
    Edit,
    OpenException,
    Prediction,
    StepFigures,
    Unanswered,
)
from tieout.core.compose import step_of
from tieout.core.ledger_list import LedgerRow, NetToGross, Period, net_to_gross
from tieout.core.model import Company, Customer, Deal, Document, DocumentKind, Entity, OrderState
from tieout.core.money import ZERO, minor_units
from tieout.core.paid import PaidSeen, seen_by, stated_by
from tieout.core.policy import BooksPolicy, BridgePolicy
from tieout.core.receivables import paid_revenue
from tieout.core.status import SMALL_DIFFERENCE
from tieout.core.tieout import NONE_AGREED, Agreed, TieOut, tie_out
from tieout.engine import lanes
from tieout.engine.schedules import with_schedules
from tieout.ports import Connector
from tieout.report.context import Report, ReportContext
from tieout.report.words import day_short
from tieout.services.rates import book_rates, own_rate, rate_of
from tieout.store import agreeing, pages, reconciling
from tieout.store.database import Tx
from tieout.store.postgres import PostgresStore
from tieout.store.reconciling import DocumentRow, StepRow

EVERYTHING = Period(start=date(1900, 1, 1), end=date(9999, 12, 31))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """
    From ``steps`` decided steps on, those that agree are added up in SQL instead of walked; of the
    period's own only where they are more than ``rows``, since then nobody reads them one by one.
    """

    steps: int = 20_000
    rows: int = 20_000


SCALE = Scale()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """One book's tie-out with what its report says about itself."""

    books: str
    tie_out: TieOut
    report: Report
    steps: tuple[StepFigures, ...]


async def reconcile(
    store: PostgresStore,
    policy: BridgePolicy,
    book: BooksPolicy,
    company: Company,
    *,
    period: Period,
    cut_off: date,
    now: datetime,
    connector: Connector | None,
    scale: Scale = SCALE,
) -> Reconciled:
    """
    The tie-out of one book for the deals closed in a period.

    ``connector`` None: the ledger's own list is not read, and then nothing counts as explained.
    ``scale`` says from how many steps on those that agree are added up in SQL. Raises what the
    connector raises.
    """
    ledger = None if connector is None else await read_ledger(connector, period, cut_off)
    steps, loose, read_at, agreed, ledger = await store.do(
        lambda tx: _figures(tx, policy, book, cut_off, period, ledger, scale)
    )
    result = tie_out(
        steps,
        loose,
        ledger,
        agreed=agreed,
        cut_off=cut_off,
        period=period,
        base_currency=book.base_currency,
        alert_above=policy.reconcile.threshold,
    )
    zone = ZoneInfo(book.time_zone)
    context = ReportContext(
        company=company.name,
        bridge=policy.name,
        books=book.connection,
        time_zone=book.time_zone,
        read_at=(read_at or now).astimezone(zone),
        config_version=f"v{policy.version}",
    )
    return Reconciled(
        books=book.connection,
        tie_out=result,
        report=Report(context=context, tie_out=result),
        steps=tuple(steps),
    )


async def read_ledger(connector: Connector, period: Period, cut_off: date) -> list[LedgerRow]:
    """The books' own list of the period, in base currency; what is no sale is not on it."""
    rows: list[LedgerRow] = []
    async for documents in connector.ledger(period.start, max(period.end, cut_off)):
        rows += [row for document in documents if (row := ledger_row(document)) is not None]
    return rows


def ledger_row(document: Document) -> LedgerRow | None:
    """A booked document as a row of the ledger; None for a fee, and without date or totals."""
    totals = document.base_totals or document.totals
    if document.ref is None or totals is None or document.issue_date is None or not document.sale:
        return None
    return LedgerRow(
        ref=document.ref.id,
        number=document.number,
        net=totals.net,
        tax=totals.tax,
        gross=totals.gross,
        rounding=totals.rounding,
        day=document.issue_date,
        kind=document.kind,
        customer=document.customer_name,
    )


def _figures(
    tx: Tx,
    policy: BridgePolicy,
    book: BooksPolicy,
    cut_off: date,
    period: Period,
    ledger: list[LedgerRow] | None,
    scale: Scale,
) -> tuple[
    list[StepFigures], list[DocumentEvidence], datetime | None, Agreed, list[LedgerRow] | None
]:
    """Steps to walk, loose documents, when it was read, what was added up, and the ledger's rest"""
    lane = lanes.lane(policy.name, lanes.DOCUMENTS, book.connection)
    view = _View(book=book, cut_off=cut_off, rates=book_rates(tx, book))
    agreed = NONE_AGREED
    ids: Iterable[list[str] | None] = (None,)
    by_lines = policy.reconcile.sold_amount == "lines"
    if by_lines and agreeing.decided(tx, lane, scale.steps) >= scale.steps:
        agreed, ledger = _agreed(tx, policy, book, lane, cut_off, period, ledger, scale)
        ids = agreeing.others(tx, lane)
    steps: list[StepFigures] = []
    for some in ids:
        for batch in reconciling.step_batches(tx, policy.crm, lane, book.connection, some):
            _from_deals(tx, policy, lane, batch, cut_off)
            steps += [step_figures(row, view) for row in batch if _counts(row)]
    loose = [_loose(row) for row in reconciling.loose_documents(tx, book.connection)]
    read_at = reconciling.last_read(tx, [policy.crm, book.connection])
    return steps, loose, read_at, agreed, ledger


def _agreed(
    tx: Tx,
    policy: BridgePolicy,
    book: BooksPolicy,
    lane: str,
    cut_off: date,
    period: Period,
    ledger: list[LedgerRow] | None,
    scale: Scale,
) -> tuple[Agreed, list[LedgerRow] | None]:
    """
    What agrees without a doubt, and the ledger's rows that are not held against it.

    Deals of the period have a row each as long as a person can read so many.
    """
    agreeing.find(
        tx,
        crm=policy.crm,
        lane=lane,
        books=book.connection,
        currency=book.base_currency,
        decimals=minor_units(book.base_currency),
        cut_off=cut_off,
        zone=book.time_zone,
    )
    first, last = period.start, period.end
    if agreeing.closed_in(tx, first, last) <= scale.rows:
        agreeing.walk_those_closed_in(tx, first, last)
    listed: NetToGross | None = None
    if ledger is not None:
        ledger = [row for row in ledger if row.day in period]
        theirs = {row.ref: row for row in ledger}
        if len(theirs) < len(ledger):
            theirs = {}  # a list that names a document twice is refused by the tie-out itself
        same: set[str] = set()
        other: list[str] = []
        for found in agreeing.listed(tx, first, last):
            for ref, deal, net in found:
                row = theirs.get(ref)
                if row is not None and row.sign * row.net == net:
                    same.add(ref)
                else:
                    other.append(deal)
        agreeing.walk_these(tx, other)
        listed = net_to_gross(row for row in ledger if row.ref in same)
        ledger = [row for row in ledger if row.ref not in same]
    sums = agreeing.sums(tx, first, last)
    agreed = Agreed(
        deals=sums.deals,
        sold=sums.sold,
        paid=sums.paid,
        listed=sums.listed,
        timing=sums.timing,
        before=sums.before,
        after=sums.after,
        ledger=listed,
    )
    return agreed, ledger


_ENDED = ("step_removed", "other_company", "generation_ended")


def _counts(row: StepRow) -> bool:
    """
    A deal that is no longer won counts as long as something of it is booked, or a draft of it
    stands that waits for a person: whoever books it would invoice what nobody bought.
    """
    if row.reason in ("other_books", "held_by_other_books"):
        return False
    # A step that the plan lost, whose draft went, is none any more.
    live = row.won and row.reason not in _ENDED
    kept = row.reason == "reopened_draft_kept" or _approval(row) is not None
    return live or any(
        d.kind not in ("draft", "order") or (kept and d.role == "current" and d.gone_at is None)
        for d in row.documents
    )


def _from_deals(
    tx: Tx, policy: BridgePolicy, lane: str, batch: Sequence[StepRow], cut_off: date
) -> None:
    """
    What only the deal itself tells: its own rate, its own amount where that is what was sold, and
    the day of a step that is not due, or was not at the cut-off.
    """
    rate, plan = policy.reconcile.rate, policy.documents.instalments
    by_head = policy.reconcile.sold_amount == "head"
    wanted = {
        row.source_id
        for row in batch
        if rate is not None or by_head or row.part or row.reason == "not_due_yet"
    }
    if not wanted:
        return
    deals = pages.mirror(tx, policy.crm, Entity.DEAL, sorted(wanted))
    buyers = sorted(
        {d.record.customer.id for d in deals.values() if isinstance(d.record, Deal)
         and d.record.customer}
    )  # fmt: skip
    customers = pages.mirror(tx, policy.crm, Entity.CUSTOMER, buyers)
    planned, _ = with_schedules(deals, customers, plan)
    if by_head:
        _sold_by_head(tx, lane, deals, batch)
    for row in batch:
        seen = planned.get(row.source_id)
        if seen is None or not isinstance(seen.record, Deal):
            continue
        deal = seen.record
        step = step_of(deal, row.part)
        due_on = step.due_on if step is not None else None
        if due_on is not None and (row.reason == "not_due_yet" or _came_due(row, due_on, cut_off)):
            row.due_on = due_on
        buyer = customers.get(deal.customer.id) if deal.customer else None
        record = buyer.record if buyer and isinstance(buyer.record, Customer) else None
        row.own_rate = None if rate is None else own_rate(rate, deal, record)


def _came_due(row: StepRow, due_on: date, cut_off: date) -> bool:
    """Whether a step came due after the cut-off, and nothing has kept it from its invoice since."""
    kept = row.exceptions or row.operation is not None or row.verdict in ("hold", "approval")
    return due_on > cut_off and not kept


def _sold_by_head(tx: Tx, lane: str, deals: Mapping[str, Seen], batch: Sequence[StepRow]) -> None:
    """
    The deal's own amount is what was sold. A deal in steps has the difference on its last one;
    one without an amount of its own keeps that of its lines.
    """
    whole = reconciling.whole_deals(tx, lane, sorted({row.source_id for row in batch if row.won}))
    for row in batch:
        seen = deals.get(row.source_id)
        deal = seen.record if seen is not None else None
        if not row.won or not isinstance(deal, Deal) or deal.stated_total is None:
            continue
        sold, last = whole[row.source_id]
        if row.part == last:
            row.sold += deal.stated_total - sold


# --- one step --------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    """From where the steps are looked at: whose books, as of when, at which rates."""

    book: BooksPolicy
    cut_off: date
    rates: Mapping[str, Decimal]

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.book.time_zone)

    @property
    def end(self) -> datetime:
        """The moment after the cut-off's last one."""
        following = date.fromordinal(min(self.cut_off.toordinal() + 1, date.max.toordinal()))
        return datetime.combine(following, time(), self.zone)


def step_figures(row: StepRow, view: _View) -> StepFigures:
    """A step with every stop that has its evidence, and its documents."""
    late = _answered_late(row, view)
    if late is not None:
        # On the day of the cut-off nobody knew of the draft; what is booked stays on the list.
        row.documents = [d for d in row.documents if d.kind not in ("draft", "order")]
    live_written = any(d.role == "current" and d.gone_at is None for d in row.documents)
    excluded = row.message or row.reason if _excluded(row) else None
    missing = row.message if row.reason == "trigger_not_yet_true" else None
    return StepFigures(
        deal=row.source_id,
        number=row.number or row.deal_title or row.source_id,
        customer=row.title,
        title=row.deal_title,
        link=row.url or None,
        step=row.part,
        currency=row.currency or view.book.base_currency,
        close_date=row.close_date or date(1900, 1, 1),
        sold=row.sold,
        rate=rate_of(row, view.book.base_currency, view.cut_off, view.rates),
        excluded_by=excluded,
        trigger_missing=missing if row.won else None,
        due_on=row.due_on,
        approval=_approval(row),
        exceptions=_exceptions(row, live_written),
        unanswered=late or _unanswered(row, live_written),
        prediction=_prediction(row),
        documents=tuple(_evidence(document, row, view.zone) for document in row.documents),
        acceptance=_acceptance(row),
        paid=_paid(row, view),
    )


def _answered_late(row: StepRow, view: _View) -> Unanswered | None:
    """A write that had no answer at the cut-off and was found later."""
    if row.asked_at is None or row.answered_at is None:
        return None
    if not row.asked_at < view.end <= row.answered_at:
        return None
    if any(d.day is not None and d.day <= view.cut_off for d in row.documents):
        return None
    zone = ZoneInfo(view.book.time_zone)
    asked, found = row.asked_at.astimezone(zone), row.answered_at.astimezone(zone)
    return Unanswered(
        operation="",
        reason=f"answer lost {day_short(asked.date())} {asked:%H:%M}, "
        f"found {day_short(found.date())} {found:%H:%M}",
    )


def _paid(row: StepRow, view: _View) -> Decimal:
    """
    What money had paid of the net by the cut-off, over the step's booked invoices, after the
    credit notes of that day. Each payment counts on its day in the books.
    """
    total = ZERO
    counted = [d for d in row.documents if d.status != "cancelled"]
    for document in counted:
        if document.kind != "invoice" or not document.gross or document.paid is None:
            continue
        if document.day is not None and document.day > view.cut_off:
            continue
        notes = [d for d in counted if d.credits == document.ref and d.net is not None]
        later = [d for d in notes if d.day is not None and d.day > view.cut_off]
        notes = [d for d in notes if d not in later]
        net = (document.net or ZERO) - sum((abs(d.net) for d in notes if d.net), ZERO)
        refunded = sum((_paid_by_then(d, view) for d in notes), ZERO)
        # A note may be larger than what was open: its rest is paid back, and lowers what was paid.
        its_own = sum((abs(d.gross or ZERO) for d in notes), ZERO)
        met = abs(document.credited or ZERO) - sum((abs(d.gross or ZERO) for d in later), ZERO)
        payable = document.gross - max(its_own, met)
        if net > 0 and payable > 0:
            total += paid_revenue(
                net=net,
                payable=payable,
                paid=_paid_by_then(document, view) - refunded,
                tolerance=SMALL_DIFFERENCE.get(document.currency, ZERO),
                currency=document.currency,
            ).so_far
    return total


def _paid_by_then(document: DocumentRow, view: _View) -> Decimal:
    """The size of the money on a document, or paid back for a credit note, by the cut-off."""
    if document.payments:
        return abs(stated_by(view.cut_off, document.payments))
    readings = [
        PaidSeen(on=at.astimezone(view.zone).date(), paid=paid, last_on=last_on)
        for at, paid, last_on in document.readings
    ]
    return seen_by(view.cut_off, readings)


def _excluded(row: StepRow) -> bool:
    return row.reason in ("excluded_by_rule", "left_out", "zero_total", "deal_deleted")


def _approval(row: StepRow) -> Approval | None:
    waiting = row.operation_state == "awaiting_approval" or row.verdict == "approval"
    return Approval(reason=row.message or "a person releases it") if waiting else None


# Exceptions that hold the amount itself; the others (copies, totals) are shown beside the chain.
_BESIDE = frozenset({"two_carriers", "copy", "total_differs", "found_differs"})
# What they say of a document that went is its cancellation in the chain.
_CANCELLED = frozenset({"draft_deleted", "order_gone_invoiced"})
# Those of a document that is there: what the deal says now cannot be written to it.
_OF_DOCUMENT = frozenset(
    {"changed_after_booking", "reopened_after_booking", "draft_edited", "order_changed"}
)


def _exceptions(row: StepRow, live: bool) -> tuple[OpenException, ...]:
    found = []
    for number, code, message, owner, _amount in row.exceptions:
        # What keeps a change of the deal from being written to a draft holds the difference.
        holds = row.verdict == "hold" and code == row.reason
        beside = code in _BESIDE or (live and code not in _OF_DOCUMENT)
        if code in _CANCELLED or (beside and not holds):
            continue
        found.append(
            OpenException(
                id=f"EX-{number}",
                code=code,
                owner=owner or ("Finance" if code in _OF_DOCUMENT else "Sales"),
                text=message,
                shown=code in _OF_DOCUMENT,
                standing=code == "changed_after_booking",
            )
        )
    if found or live or row.documents or row.verdict != "hold" or row.acceptance is not None:
        return tuple(found[:1])
    return (OpenException(id="", code=row.reason, owner="Sales", text=row.message),)


def _unanswered(row: StepRow, live: bool) -> Unanswered | None:
    """A write that is planned, sent or looked up: on its way, unless it moves no amount."""
    if row.verdict == "wait" and row.reason == "not_read_yet" and not live:
        return Unanswered(operation="", reason="its document is gone, and is being looked for")
    if row.operation is None or row.operation_state == "awaiting_approval":
        waits = row.verdict == "wait" and row.reason in ("on_its_way", "after_former_plan")
        sent = row.verdict == "write" or waits
        if row.verdict == "shadow" or (sent and not live and not row.documents):
            return Unanswered(operation="", reason="planned, not yet sent")
        return None
    if live and _stands(row):
        return None
    words = {
        "ready": "planned, not yet sent",
        "started": "sent, no answer yet",
        "unknown": "no answer, being looked up",
        "confirming": "found, being confirmed",
        "doubt": "no answer, a person decides",
    }
    return Unanswered(
        operation=row.operation, reason=words.get(row.operation_state or "", "on its way")
    )


def _stands(row: StepRow) -> bool:
    """Whether the live document is at the step's amount, as read and as we wrote it."""
    wanted = {row.sold, row.predicted_net}
    live = [d for d in row.documents if d.role == "current" and d.gone_at is None]
    return all(d.net in wanted and d.shown_net in {*wanted, None} for d in live)


def _prediction(row: StepRow) -> Prediction | None:
    if row.predicted_net is None or not row.won:
        return None
    unit = Decimal(1).scaleb(-minor_units(row.currency or "SEK"))
    return Prediction(net=row.predicted_net, lines=max(row.line_count, 1), unit=unit)


def _acceptance(row: StepRow) -> Acceptance | None:
    if row.acceptance is None:
        return None
    name, reason, amount = row.acceptance
    return Acceptance(name=name, reason=reason, amount=amount)


_KINDS = {
    "draft": DocumentKind.DRAFT,
    "invoice": DocumentKind.INVOICE,
    "credit_note": DocumentKind.CREDIT_NOTE,
    "order": DocumentKind.ORDER,
}


def _evidence(document: DocumentRow, row: StepRow, zone: ZoneInfo) -> DocumentEvidence:
    net = document.net if document.net is not None else ZERO
    written = document.shown_net
    moved = written is not None and written != net
    cancelled = None
    if document.gone_at is not None and document.gone_certain:
        seen_on = document.gone_at.astimezone(zone).date()
        cancelled = Cancellation(seen_on=seen_on, how="deleted")
    elif document.status == "cancelled":
        cancelled = Cancellation(seen_on=document.day or date(1900, 1, 1), how="voided")
    edit = None
    if moved and document.content_moved:
        edit = Edit(version=document.version, changed="lines changed in the books")
    return DocumentEvidence(
        ref=document.ref,
        number=document.number,
        kind=_KINDS[document.kind],
        net=net,
        currency=document.currency,
        day=document.day or (date(1900, 1, 1) if document.kind != "draft" else None),
        rate=document.rate,
        base_net=document.base_net,
        status=document.status,
        version_is_ours=not moved,
        written_net=written,
        edit=edit,
        cancellation=cancelled,
        present=document.gone_at is None,
        credits=document.credits,
        generation=document.generation + 1,
        customer=row.title,
        order=document.order,
        closed=document.order_state == OrderState.INVOICED,
    )


def _loose(row: Sequence[object]) -> DocumentEvidence:
    ref, kind, number, net, currency, day, rate, base_net, status, customer, credits = row
    assert isinstance(kind, str)
    return DocumentEvidence(
        ref=str(ref),
        number=str(number),
        kind=_KINDS[kind],
        net=net if isinstance(net, Decimal) else ZERO,
        currency=str(currency),
        day=day if isinstance(day, date) else date(1900, 1, 1),
        rate=rate if isinstance(rate, Decimal) else None,
        base_net=base_net if isinstance(base_net, Decimal) else None,
        status=str(status),
        credits=str(credits) if credits and kind == "credit_note" else None,
        customer=str(customer or ""),
    )


def everything(steps: Iterable[StepFigures], documents: Iterable[LedgerRow], today: date) -> Period:
    """A period that holds every deal and document that is known, for a tie-out without a month."""
    days = [step.close_date for step in steps] + [row.day for row in documents] + [today]
    return Period(start=min(days), end=max(days))


def with_filing(reconciled: Reconciled, context: ReportContext) -> Reconciled:
    """The same figures under another head: used when a month is filed."""
    return replace(reconciled, report=replace(reconciled.report, context=context))
