"""Sources that may be decided again once an operation has ended, and what a refusal leaves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from tieout.core.finding import Finding
from tieout.core.model import Document, Entity
from tieout.store import pages as page_store
from tieout.store.cases import open_exception
from tieout.store.database import Tx
from tieout.store.published import wake_for_accounts
from tieout.storing import ReadyOperation


def settle_overtaken(tx: Tx, bridge: str, now: datetime) -> None:
    """
    Creates that may go while their place has a record by now, which a read or a person linked. One
    that was sent before is looked for again, since that may be the record or a second one; one
    that was never sent has nothing left to do. What was sent before for a customer that is no more,
    as after a merge, is looked for too: it would be refused, and is made anew for the one that is.
    """
    rows = tx.rows(
        "UPDATE operation o SET state = CASE WHEN found.sent THEN 'unknown' ELSE 'superseded' END,"
        " detail = CASE WHEN found.linked THEN 'linked_meanwhile' ELSE 'earlier_attempt_open' END,"
        " lease_owner = NULL, updated_at = %(now)s,"
        " next_look_at = CASE WHEN found.sent THEN %(now)s END"
        " FROM (SELECT r.id, s.sent, t.linked FROM operation r CROSS JOIN LATERAL (SELECT EXISTS"
        " (SELECT 1 FROM attempt a WHERE a.workspace = r.workspace AND a.operation = r.id"
        " AND a.result = 'open') AS sent) s CROSS JOIN LATERAL (SELECT EXISTS (SELECT 1 FROM ref c"
        " WHERE c.workspace = r.workspace AND c.key13 = r.key13 AND c.role = 'current')"
        " AS linked) t"
        " WHERE r.workspace = %(ws)s AND r.bridge = %(bridge)s AND r.state = 'ready'"
        " AND r.action = 'create' AND (t.linked OR (s.sent AND r.depends_on IS NOT NULL"
        " AND NOT EXISTS (SELECT 1 FROM ref d WHERE d.workspace = r.workspace"
        " AND d.key13 = r.depends_on AND d.role = 'current')))"
        " FOR UPDATE OF r SKIP LOCKED) AS found"
        " WHERE o.workspace = %(ws)s AND o.id = found.id"
        " RETURNING o.id, o.state, o.lane, o.source_id, o.detail",
        bridge=bridge,
        now=now,
    )
    for operation, state, lane, source, detail in rows:
        if state == "unknown":
            tx.log("operation.unknown", operation=operation, reason=detail)
            continue
        tx.log("operation.superseded", operation=operation, detail=detail)
        page_store.make_due(tx, lane, [source], now)


def planned_before(tx: Tx, bridge: str, version: int, now: datetime) -> int:
    """
    What another configuration planned and nobody has sent is planned anew from this one: whoever
    publishes a change has seen what the old one would do. How many. What was sent keeps its bytes.
    """
    rows = tx.rows(
        "UPDATE operation o SET state = 'superseded', detail = 'published', updated_at = %(now)s"
        " WHERE workspace = %(ws)s AND bridge = %(bridge)s AND state = 'ready'"
        " AND config_version <> %(version)s AND NOT EXISTS (SELECT 1 FROM attempt a"
        " WHERE a.workspace = o.workspace AND a.operation = o.id AND a.result = 'open')"
        " RETURNING id, lane, source_id",
        bridge=bridge,
        version=version,
        now=now,
    )
    if rows:
        tx.log("operations.superseded", operations=sorted(row[0] for row in rows))
    page_store.make_all_due(tx, [(row[1], row[2]) for row in rows], now)
    return len(rows)


def decided_before(tx: Tx, bridge: str, version: int, now: datetime) -> int:
    """
    What the last run decided by another configuration after this one was published is decided once
    more: that woke what waited, and did not know of these. How many.
    """
    published = tx.row(
        "SELECT c.published_at FROM config_version c WHERE c.workspace = %(ws)s"
        " AND c.bridge = %(bridge)s AND c.version = %(version)s AND c.published_at >"
        " (SELECT r.started_at FROM run r WHERE r.workspace = c.workspace AND r.bridge = c.bridge"
        " ORDER BY r.number DESC OFFSET 1 LIMIT 1)",
        bridge=bridge,
        version=version,
    )
    if published is None:
        return 0
    rows = tx.rows(
        "SELECT lane, source_id FROM outcome WHERE workspace = %(ws)s"
        " AND starts_with(lane, %(lanes)s) AND decided_at >= %(since)s ORDER BY 1, 2",
        lanes=f"{bridge}/",
        since=published[0],
    )
    page_store.make_all_due(tx, [(row[0], row[1]) for row in rows], now)
    return len(rows)


def free_source(tx: Tx, op: ReadyOperation, now: datetime) -> None:
    """What waited for this write is decided anew."""
    free_sources(tx, [op], now)


def free_sources(tx: Tx, ops: Sequence[ReadyOperation], now: datetime) -> None:
    """
    What waited for these writes is decided anew: the sources themselves, and a customer's deals.
    Exceptions that an answer opened are closed, since a later run succeeded.
    """
    by_lane: dict[str, list[str]] = {}
    deals: dict[str, list[str]] = {}
    for op in ops:
        by_lane.setdefault(op.lane, []).append(op.source_id)
        if op.change.entity is Entity.CUSTOMER:
            documents = op.lane.replace("/customers/", "/documents/")
            deals.setdefault(documents, []).append(op.source_id)
    for lane, ids in sorted(by_lane.items()):
        tx.run(
            "UPDATE due SET parked = NULL, parked_on = NULL, revision = revision + 1"
            " WHERE workspace = %(ws)s AND lane = %(lane)s AND source_id = ANY(%(ids)s)"
            " AND parked = 'op'",
            lane=lane,
            ids=ids,
        )
        tx.run(
            "UPDATE exception_case SET closed_at = %(now)s, closed_by = 'tieout', closed_reason ="
            " 'a later run succeeded' WHERE workspace = %(ws)s AND lane = %(lane)s"
            " AND source_id = ANY(%(ids)s) AND closed_at IS NULL AND (details->>'by') = 'answer'",
            now=now,
            lane=lane,
            ids=ids,
        )
    wake_for_accounts(tx, sorted({key for ids in deals.values() for key in ids}), now)
    for lane, ids in sorted(deals.items()):
        tx.run(
            "UPDATE due SET parked = NULL, parked_on = NULL, revision = revision + 1"
            " WHERE workspace = %(ws)s AND lane = %(lane)s AND parked IN ('hold', 'op')"
            " AND source_id IN (SELECT o.source_id FROM outcome o WHERE o.workspace = %(ws)s"
            " AND o.lane = %(lane)s AND o.customer_id = ANY(%(ids)s))",
            lane=lane,
            ids=ids,
        )


def reject_source(
    tx: Tx, bridge: str, op: ReadyOperation, findings: Sequence[Finding], now: datetime
) -> None:
    """Each finding of a refusal is an open exception; the source waits for what may free it."""
    for finding in findings:
        open_exception(
            tx,
            bridge=bridge,
            lane=op.lane,
            source_id=op.source_id,
            key13=op.key13,
            code=finding.code,
            message=finding.message,
            hint=finding.hint,
            details={"by": "answer", "values": [dict(finding.values)], "hold_on": finding.hold_on},
            candidates=[],
            amount=_net(op),
            currency=_currency(op),
            now=now,
        )
    retry = [f.retry_after_s for f in findings if f.retry_after_s]
    tx.run(
        "INSERT INTO due (workspace, lane, source_id, revision, since, not_before, parked,"
        f" parked_on) VALUES (%(ws)s, %(lane)s, %(id)s, {page_store.FIRST_REVISION}, %(now)s,"
        " %(at)s, 'hold', %(on)s)"
        " ON CONFLICT (workspace, lane, source_id) DO UPDATE SET parked = 'hold',"
        " parked_on = excluded.parked_on, not_before = excluded.not_before",
        lane=op.lane,
        id=op.source_id,
        now=now,
        at=now + timedelta(seconds=min(retry)) if retry else None,
        on=findings[0].hold_on if findings else "",
    )


def _net(op: ReadyOperation) -> Decimal | None:
    wanted = op.change.wanted
    if wanted is None or not isinstance(wanted.record, Document) or wanted.record.totals is None:
        return None
    return wanted.record.totals.net


def _currency(op: ReadyOperation) -> str:
    wanted = op.change.wanted
    return wanted.record.currency if wanted and isinstance(wanted.record, Document) else ""
