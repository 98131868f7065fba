"""What the tie-out rests on, read from the mirror in SQL: steps, their documents, loose ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from tieout.core.model import Paid
from tieout.store import cases, codec, credits
from tieout.store.database import Tx

BATCH = 5_000


@dataclass(slots=True, kw_only=True)
class DocumentRow:
    """A document of a step as the mirror has it, with what we wrote and what was predicted."""

    ref: str
    generation: int
    role: str
    kind: str
    number: str
    status: str
    net: Decimal | None
    currency: str
    day: date | None
    gone_at: datetime | None
    gone_certain: bool
    rate: Decimal | None
    base_net: Decimal | None
    shown_net: Decimal | None
    version: str
    wrote_version: str
    content_moved: bool
    credits: str | None = None
    gross: Decimal | None = None
    paid: Decimal | None = None
    credited: Decimal | None = None
    order: str | None = None
    order_state: str = ""
    payments: tuple[Paid, ...] = ()
    readings: list[tuple[datetime, Decimal, date | None]] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class StepRow:
    """One billing step with its last decision and everything open about it."""

    books: str
    source_id: str
    part: int
    number: str
    title: str
    deal_title: str
    url: str
    close_date: date | None
    currency: str
    sold: Decimal
    verdict: str
    reason: str
    message: str
    predicted_net: Decimal | None
    line_count: int
    key13: str | None
    operation: str | None
    operation_state: str | None
    won: bool = True
    asked_at: datetime | None = None
    answered_at: datetime | None = None
    own_rate: Decimal | None = None
    due_on: date | None = None
    customer_id: str = ""
    documents: list[DocumentRow] = field(default_factory=list)
    exceptions: list[tuple[int, str, str, str, Decimal | None]] = field(default_factory=list)
    acceptance: tuple[str, str, Decimal] | None = None


_STEPS = (
    "SELECT o.lane, o.source_id, o.part, o.number, o.title, m.day, o.currency, o.net, o.verdict,"
    " o.reason, o.message, o.predicted_net, o.line_count, o.key13, p.id, p.state,"
    " m.record->>'title', m.record->>'url', m.status = 'won' AND m.gone_at IS NULL,"
    " w.first_sent_at, w.found_at,"
    " o.customer_id"
    " FROM outcome o JOIN mirror m ON m.workspace = o.workspace AND m.connection = %(crm)s"
    " AND m.entity = 'deal' AND m.id = o.source_id"
    " LEFT JOIN operation p ON p.workspace = o.workspace AND p.key13 = o.key13"
    " AND p.state IN ('ready', 'awaiting_approval', 'started', 'unknown', 'confirming', 'doubt')"
    " LEFT JOIN LATERAL (SELECT first_sent_at, coalesce(first_hit_at, updated_at) AS"
    " found_at FROM operation w"
    " WHERE w.workspace = o.workspace AND w.key13 = o.key13 AND w.action = 'create'"
    " AND w.state IN ('applied', 'already_applied') AND w.detail NOT IN ('', 'answer')"
    " ORDER BY w.generation DESC, w.seq DESC LIMIT 1) w ON true"
    " WHERE o.workspace = %(ws)s AND o.lane = %(lane)s AND (m.status = 'won' OR EXISTS (SELECT 1"
    " FROM ref r WHERE r.workspace = o.workspace AND r.key13 = o.key13"
    " AND r.role IN ('current', 'former')))"
    # A step that a changed plan no longer has was not decided with the others.
    " AND o.decided_at = (SELECT max(x.decided_at) FROM outcome x WHERE x.workspace = o.workspace"
    " AND x.lane = o.lane AND x.source_id = o.source_id)"
    " AND (o.source_id, o.part) > (%(after)s, %(part)s)"
    " AND (%(ids)s::text[] IS NULL OR o.source_id = ANY(%(ids)s::text[]))"
    " AND (m.gone_at IS NULL OR EXISTS (SELECT 1 FROM ref r WHERE r.workspace = o.workspace"
    " AND r.key13 = o.key13 AND r.role IN ('current', 'former')))"
    " ORDER BY o.source_id, o.part LIMIT %(limit)s"
)


def step_batches(
    tx: Tx, crm: str, lane: str, books: str, ids: Sequence[str] | None = None
) -> Iterator[list[StepRow]]:
    """Every step of won deals that a lane decided, in batches, with its documents."""
    after, part = "", -1
    while True:
        rows = tx.rows(
            _STEPS,
            crm=crm,
            lane=lane,
            after=after,
            part=part,
            ids=None if ids is None else list(ids),
            limit=BATCH,
        )
        if not rows:
            return
        after, part = rows[-1][1], rows[-1][2]
        steps = [_step(row, books) for row in rows]
        _documents(tx, books, steps)
        _exceptions(tx, lane, steps)
        _acceptances(tx, steps)
        yield steps


def whole_deals(tx: Tx, lane: str, deals: Sequence[str]) -> dict[str, tuple[Decimal, int]]:
    """What all steps of a deal come to, and the number of its last one."""
    return {
        row[0]: (row[1], row[2])
        for row in tx.rows(
            "SELECT o.source_id, coalesce(sum(o.net), 0.00), max(o.part) FROM outcome o"
            " WHERE o.workspace = %(ws)s AND o.lane = %(lane)s AND o.source_id = ANY(%(ids)s)"
            " AND o.decided_at = (SELECT max(x.decided_at) FROM outcome x"
            " WHERE x.workspace = o.workspace AND x.lane = o.lane AND x.source_id = o.source_id)"
            " GROUP BY o.source_id",
            lane=lane,
            ids=list(deals),
        )
    }


def _step(row: Sequence[Any], books: str) -> StepRow:
    return StepRow(
        books=books,
        source_id=row[1],
        part=row[2],
        number=row[3],
        title=row[4],
        close_date=row[5],
        currency=row[6],
        sold=row[7] if row[7] is not None and row[18] else Decimal("0.00"),
        verdict=row[8],
        reason=row[9],
        message=row[10],
        predicted_net=row[11],
        line_count=row[12],
        key13=row[13],
        operation=row[14],
        operation_state=row[15],
        deal_title=row[16] or "",
        url=row[17] or "",
        won=row[18],
        asked_at=row[19],
        answered_at=row[20],
        customer_id=row[21],
    )


_DOCUMENTS = (
    "SELECT r.key13, r.id, r.generation, r.role, m.kind, m.number, m.status, m.net, m.currency,"
    " m.day, m.gone_at, m.gone_certain, (m.record->>'rate')::numeric,"
    " (m.record->'base_totals'->>'net')::numeric, (l.shown->'totals'->>'net')::numeric,"
    " m.version, l.shown->>'version', (l.shown->'lines') IS DISTINCT FROM (m.record->'lines'),"
    " m.gross, (m.record->>'paid')::numeric, m.merged_into, (m.record->>'credited')::numeric,"
    " m.record->>'order_state', m.record->>'payments'"
    " FROM ref r JOIN mirror m ON m.workspace = r.workspace"
    " AND m.connection = r.connection AND m.entity = r.entity AND m.id = r.id"
    " LEFT JOIN link l ON l.workspace = r.workspace AND l.key13 = r.key13"
    " WHERE r.workspace = %(ws)s AND r.key13 = ANY(%(keys)s) AND r.entity = 'document'"
    " AND r.role IN ('current', 'former') ORDER BY r.key13, r.generation, r.id"
)

# What the books made of the orders of a step: no place of its own, and it counts all the same.
_GROWN = (
    "SELECT m.parent_id, m.id, 0, 'grown', m.kind, m.number, m.status, m.net, m.currency,"
    " m.day, m.gone_at, m.gone_certain, (m.record->>'rate')::numeric,"
    " (m.record->'base_totals'->>'net')::numeric, NULL, m.version, NULL, false, m.gross,"
    " (m.record->>'paid')::numeric, m.merged_into, (m.record->>'credited')::numeric, NULL,"
    " m.record->>'payments'"
    " FROM mirror m WHERE m.workspace = %(ws)s AND m.connection = %(books)s"
    " AND m.entity = 'document' AND m.kind <> 'credit_note' AND m.parent_id = ANY(%(ids)s)"
    " AND m.gone_at IS NULL AND NOT EXISTS (SELECT 1 FROM ref r WHERE r.workspace = m.workspace"
    " AND r.connection = m.connection AND r.entity = m.entity AND r.id = m.id"
    " AND r.role IN ('current', 'former')) ORDER BY m.parent_id, m.id"
)

_CREDITS = (
    "SELECT m.parent_id, m.id, m.number, m.status, m.net, m.currency, m.day,"
    " (m.record->>'rate')::numeric, (m.record->'base_totals'->>'net')::numeric, m.version,"
    " m.gross, (m.record->>'paid')::numeric, m.record->>'payments'"
    " FROM mirror m WHERE m.workspace = %(ws)s AND m.connection = %(books)s"
    " AND m.entity = 'document' AND m.kind = 'credit_note' AND m.parent_id = ANY(%(ids)s)"
    " AND m.gone_at IS NULL ORDER BY m.parent_id, m.id"
)


def _documents(tx: Tx, books: str, steps: Sequence[StepRow]) -> None:
    by_key = {step.key13: step for step in steps if step.key13}
    parents: dict[str, StepRow] = {}
    for row in tx.rows(_DOCUMENTS, keys=sorted(by_key)):
        step = by_key[row[0]]
        # A draft that was booked is history: its successor stands for it.
        if row[20] is not None:
            continue
        step.documents.append(_document(row))
        parents[row[1]] = step
    orders = {d.ref: d for step in steps for d in step.documents if d.kind == "order"}
    for row in tx.rows(_GROWN, books=books, ids=sorted(orders)) if orders else ():
        document = _document(row)
        document.order, document.generation = row[0], orders[row[0]].generation
        parents[row[0]].documents.append(document)
        parents[row[1]] = parents[row[0]]
    if not parents:
        return
    for row in tx.rows(_CREDITS, books=books, ids=sorted(parents)):
        step = parents[row[0]]
        step.documents.append(
            DocumentRow(
                ref=row[1],
                generation=1,
                role="credit",
                kind="credit_note",
                number=row[2],
                status=row[3],
                net=row[4],
                currency=row[5],
                day=row[6],
                gone_at=None,
                gone_certain=False,
                rate=row[7],
                base_net=row[8],
                shown_net=None,
                version=row[9],
                wrote_version="",
                content_moved=False,
                credits=row[0],
                gross=row[10],
                paid=row[11],
                payments=_payments(row[12]),
            )
        )
    _readings(tx, books, [d for step in steps for d in step.documents])


def _document(row: Sequence[Any]) -> DocumentRow:
    return DocumentRow(
        ref=row[1],
        generation=row[2],
        role=row[3],
        kind=row[4],
        number=row[5],
        status=row[6],
        net=row[7],
        currency=row[8],
        day=row[9],
        gone_at=row[10],
        gone_certain=bool(row[11]),
        rate=row[12],
        base_net=row[13],
        shown_net=row[14] if row[3] == "current" else None,
        version=row[15],
        wrote_version=row[16] or "",
        content_moved=bool(row[17]),
        gross=row[18],
        paid=row[19],
        credited=row[21],
        order_state=row[22] or "",
        payments=_payments(row[23]),
    )


def _payments(told: str | None) -> tuple[Paid, ...]:
    return codec.decode(tuple[Paid, ...], told) if told else ()


def _readings(tx: Tx, books: str, documents: Sequence[DocumentRow]) -> None:
    """What each reading told of the money, for documents whose payments the books do not name."""
    asked = {d.ref: d for d in documents if d.kind in ("invoice", "credit_note") and not d.payments}
    if not asked:
        return
    for row in tx.rows(
        "SELECT id, seen_at, paid, paid_on FROM mirror_amount WHERE workspace = %(ws)s"
        " AND connection = %(books)s AND entity = 'document' AND id = ANY(%(ids)s)"
        " AND paid IS NOT NULL ORDER BY id, seq",
        books=books,
        ids=sorted(asked),
    ):
        asked[row[0]].readings.append((row[1], row[2], row[3]))


def _exceptions(tx: Tx, lane: str, steps: Sequence[StepRow]) -> None:
    by_source: dict[str, list[StepRow]] = {}
    for step in steps:
        by_source.setdefault(step.source_id, []).append(step)
    for row in tx.rows(
        "SELECT source_id, number, code, message, owner, amount, key13 FROM exception_case"
        " WHERE workspace = %(ws)s AND lane = %(lane)s AND source_id = ANY(%(ids)s)"
        " AND closed_at IS NULL ORDER BY source_id, number",
        lane=lane,
        ids=sorted(by_source),
    ):
        of_source = by_source[row[0]]
        step = next((s for s in of_source if row[6] and s.key13 == row[6]), of_source[0])
        # Steps that are held for the same reason share one exception.
        held = [s for s in of_source if s.verdict == "hold" and s.reason == row[2]]
        for one in [step, *(s for s in held if s is not step)]:
            one.exceptions.append((row[1], row[2], row[3], row[4], row[5]))
    _customer_exceptions(tx, lane, [s for s in steps if s.operation_state == "ready"])


def _customer_exceptions(tx: Tx, lane: str, waiting: Sequence[StepRow]) -> None:
    """What keeps the customer of a document that waits for it out of the books."""
    by_customer: dict[str, list[StepRow]] = {}
    for step in waiting:
        by_customer.setdefault(step.customer_id, []).append(step)
    for row in tx.rows(
        "SELECT source_id, number, code, message, owner FROM exception_case"
        " WHERE workspace = %(ws)s AND lane = %(lane)s AND source_id = ANY(%(ids)s)"
        " AND closed_at IS NULL AND severity = 'error' ORDER BY source_id, number",
        lane=lane.replace("/documents/", "/customers/"),
        ids=sorted(by_customer),
    ):
        for step in by_customer[row[0]]:
            step.exceptions.append((row[1], row[2], row[3], row[4], None))


def _acceptances(tx: Tx, steps: Sequence[StepRow]) -> None:
    """A person's word for an amount: the newest verdict 'accepted' on the step."""
    subjects = {f"accept:{step.key13}": step for step in steps if step.key13}
    for row in tx.rows(
        "SELECT DISTINCT ON (subject) subject, verdict, refs::text, who, reason FROM verdict"
        " WHERE workspace = %(ws)s AND subject = ANY(%(subjects)s) ORDER BY subject, seq DESC",
        subjects=sorted(subjects),
    ):
        if row[1] == "accepted":
            amount = Decimal(str(codec.decode_loose(row[2])[0]))
            subjects[row[0]].acceptance = (row[3], row[4], amount)


def loose_documents(tx: Tx, books: str) -> list[Sequence[Any]]:
    """
    Booked documents that no slot has: (id, kind, number, net, currency, day, rate, base net,
    status, customer name, the document it credits).
    """
    return list(
        tx.rows(
            "SELECT m.id, m.kind, m.number, m.net, m.currency, m.day,"
            " (m.record->>'rate')::numeric, (m.record->'base_totals'->>'net')::numeric, m.status,"
            " m.record->>'customer_name', m.parent_id FROM mirror m WHERE m.workspace = %(ws)s"
            " AND m.connection = %(books)s AND m.entity = 'document' AND m.gone_at IS NULL"
            " AND m.kind IN ('invoice', 'credit_note') AND m.status <> 'cancelled'"
            " AND coalesce((m.record->>'sale')::boolean, true)"
            " AND NOT EXISTS (SELECT 1 FROM ref r WHERE r.workspace = m.workspace"
            " AND r.connection = m.connection AND r.entity = m.entity AND r.id = m.id"
            " AND r.role IN ('current', 'former'))"
            # A credit note of a deal's invoice, an invoice of its order, or that one's credit note.
            " AND NOT EXISTS (SELECT 1 FROM mirror p LEFT JOIN mirror o"
            " ON o.workspace = p.workspace AND o.connection = p.connection"
            " AND o.entity = p.entity AND o.id = p.parent_id AND o.kind = 'order' JOIN ref r"
            " ON r.workspace = p.workspace AND r.connection = p.connection"
            " AND r.entity = p.entity AND r.role IN ('current', 'former')"
            " AND (r.id = p.id AND (m.kind = 'credit_note' OR p.kind = 'order')"
            " OR m.kind = 'credit_note' AND r.id = o.id)"
            " WHERE p.workspace = m.workspace AND p.connection = m.connection"
            " AND p.entity = m.entity AND p.id = m.parent_id) ORDER BY m.id",
            books=books,
        )
    )


LOOSE_CREDIT = "credit_without_invoice"


def sync_loose_credits(tx: Tx, bridge: str, lane: str, books: str, now: datetime) -> int:
    """
    A case for each open credit note that names no invoice; those that are matched now are closed.
    How many are open. One that names its invoice by its number is held against it first.
    """
    on = [f"{bridge}/{flow}/{books}" for flow in ("documents", "status")]
    known = tx.rows(
        "SELECT DISTINCT lane FROM outcome WHERE workspace = %(ws)s AND lane = ANY(%(lanes)s)",
        lanes=on,
    )
    credits.match_by_number(tx, books, [row[0] for row in known], now)
    loose = tx.rows(
        "SELECT m.id, m.number, m.net, m.currency, m.record->>'customer_name' FROM mirror m"
        " WHERE m.workspace = %(ws)s AND m.connection = %(books)s AND m.entity = 'document'"
        " AND m.kind = 'credit_note' AND m.gone_at IS NULL AND m.parent_id IS NULL"
        " AND m.open_amount <> 0 AND coalesce((m.record->>'sale')::boolean, true)"
        " AND NOT EXISTS (SELECT 1 FROM ref r WHERE r.workspace = m.workspace"
        " AND r.connection = m.connection AND r.entity = m.entity AND r.id = m.id) ORDER BY m.id",
        books=books,
    )
    for document, number, net, currency, customer in loose:
        cases.open_exception(
            tx,
            bridge=bridge,
            lane=lane,
            source_id=document,
            key13=None,
            code=LOOSE_CREDIT,
            message=f"Credit note {number} of {customer} names no invoice, so it belongs to no "
            "deal.",
            hint=f"Finance matches it with its invoice in {books}.",
            details={"number": f"credit note {number}", "title": customer or ""},
            candidates=[],
            amount=abs(net) if net is not None else None,
            currency=currency,
            now=now,
        )
    tx.run(
        "UPDATE exception_case SET closed_at = %(now)s, closed_by = 'tieout',"
        " closed_reason = 'matched' WHERE workspace = %(ws)s AND lane = %(lane)s"
        " AND closed_at IS NULL AND code = %(code)s AND NOT (source_id = ANY(%(ids)s))",
        lane=lane,
        code=LOOSE_CREDIT,
        ids=[row[0] for row in loose],
        now=now,
    )
    return len(loose)


def last_read(tx: Tx, connections: Sequence[str]) -> datetime | None:
    """When the side that was read longest ago was read."""
    row = tx.row(
        "SELECT min(at) FROM (SELECT max(read_at) AS at FROM cursor WHERE workspace = %(ws)s"
        " AND connection = ANY(%(names)s) AND entity IN ('deal', 'document')"
        " GROUP BY connection) AS sides",
        names=list(connections),
    )
    return None if row is None else row[0]
