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
