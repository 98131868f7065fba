"""What a flow in mode shadow would write: by what the last run or the last plan decided."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from tieout.core.case import Verdict
from tieout.store import codec
from tieout.store.database import Tx
from tieout.store.plans import PlanLine

_WRITES = [str(Verdict.WRITE), str(Verdict.APPROVAL)]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBack:
    """
    One change that waits for its flow to write. ``verdict`` is '' where nothing was decided yet;
    ``entity`` is what it would make or change, '' where only its lane is known.
    """

    lane: str
    verdict: str
    entity: str = ""
    net: Decimal | None = None
    currency: str = ""


def held_back(tx: Tx, bridge: str) -> list[HeldBack]:
    """
    What of the bridge waits to be written, and what is due and was not looked at: by the newest
    plan, or by the runs where they decided since.
    """
    lanes = f"{bridge}/"
    decided = tx.row(
        "SELECT max(o.decided_at) FROM outcome o JOIN due d USING (workspace, lane, source_id)"
        " WHERE o.workspace = %(ws)s AND starts_with(o.lane, %(lanes)s) AND d.parked = 'shadow'",
        lanes=lanes,
    )
    plan = tx.row(
        "SELECT number, created_at FROM plan WHERE workspace = %(ws)s AND bridge = %(bridge)s"
        " ORDER BY number DESC LIMIT 1",
        bridge=bridge,
    )
    last = decided[0] if decided else None
    if plan is not None and (last is None or plan[1] >= last):
        found, looked_at = _planned(tx, plan[0]), plan[1]
    else:
        found, looked_at = [*_decided(tx, lanes), *_customers(tx, bridge)], None
    not_yet = tx.rows(
        "SELECT lane FROM due WHERE workspace = %(ws)s AND starts_with(lane, %(lanes)s)"
        " AND parked IS NULL AND (%(since)s::timestamptz IS NULL OR since > %(since)s)",
        lanes=lanes,
        since=looked_at,
    )
    return found + [HeldBack(lane=lane, verdict="") for (lane,) in not_yet]


def _planned(tx: Tx, number: int) -> list[HeldBack]:
    rows = tx.rows(
        "SELECT line::text FROM plan_change WHERE workspace = %(ws)s AND plan = %(number)s"
        " AND verdict = ANY(%(writes)s) AND state = 'open'",
        number=number,
        writes=_WRITES,
    )
    lines = [codec.decode(PlanLine, text) for (text,) in rows]
    return [
        HeldBack(
            lane=line.lane,
            verdict=line.verdict,
            entity=line.entity,
            net=line.net,
            currency=line.currency,
        )
        for line in lines
    ]


def _decided(tx: Tx, lanes: str) -> list[HeldBack]:
    rows = tx.rows(
        "SELECT o.lane, o.verdict, coalesce(o.predicted_net, o.net), o.currency FROM outcome o"
        " JOIN due d USING (workspace, lane, source_id) WHERE o.workspace = %(ws)s"
        " AND starts_with(o.lane, %(lanes)s) AND d.parked = 'shadow'"
        " AND o.verdict = ANY(%(writes)s)",
        lanes=lanes,
        writes=_WRITES,
    )
    return [
        HeldBack(lane=lane, verdict=verdict, net=net, currency=currency)
        for lane, verdict, net, currency in rows
    ]


def _customers(tx: Tx, bridge: str) -> list[HeldBack]:
    """Customers that those documents need and the books do not have: they go with the deals."""
    rows = tx.rows(
        "SELECT DISTINCT replace(o.lane, '/documents/', '/customers/'), o.customer_id"
        " FROM outcome o JOIN due d USING (workspace, lane, source_id) WHERE o.workspace = %(ws)s"
        " AND starts_with(o.lane, %(lane)s) AND d.parked = 'shadow'"
        " AND o.verdict = ANY(%(writes)s) AND o.customer_id <> '' AND NOT EXISTS (SELECT 1 FROM"
        " slot s JOIN link l USING (workspace, key13) WHERE s.workspace = o.workspace"
        " AND s.bridge = %(bridge)s AND s.kind = 'C' AND s.source_id = o.customer_id)",
        lane=f"{bridge}/documents/",
        bridge=bridge,
        writes=_WRITES,
    )
    return [HeldBack(lane=lane, verdict=Verdict.WRITE, entity="customer") for lane, _ in rows]
