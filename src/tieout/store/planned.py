"""What a plan looks at, and what became of its changes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from tieout.store import codec
from tieout.store.database import Tx
from tieout.storing import DueRow

WAITING = ["ready", "awaiting_approval"]


def to_decide(tx: Tx, lane: str, limit: int, after: str) -> list[DueRow]:
    """
    Sources of a lane that are due or parked, or whose operation waits, by source id.

    A source that is here only for its operation has revision 0: there is no due row to take.
    """
    return [
        DueRow(lane=lane, source_id=row[0], revision=row[1])
        for row in tx.rows(
            "SELECT source_id, max(revision) FROM (SELECT source_id, revision FROM due"
            " WHERE workspace = %(ws)s AND lane = %(lane)s AND source_id > %(after)s UNION ALL"
            " SELECT source_id, 0 FROM operation WHERE workspace = %(ws)s AND lane = %(lane)s"
            " AND source_id > %(after)s AND state = ANY(%(waiting)s)) AS found"
            " GROUP BY source_id ORDER BY source_id LIMIT %(limit)s",
            lane=lane,
            after=after,
            waiting=WAITING,
            limit=limit,
        )
    ]


def due_of(tx: Tx, lane: str, source_id: str) -> list[DueRow]:
    """The due row of one source, parked or not."""
    return [
        DueRow(lane=lane, source_id=source_id, revision=row[0], parked=row[1])
        for row in tx.rows(
            "SELECT revision, parked FROM due WHERE workspace = %(ws)s AND lane = %(lane)s"
            " AND source_id = %(id)s",
            lane=lane,
            id=source_id,
        )
    ]


def won(tx: Tx, crm: str, source_ids: Sequence[str]) -> set[str]:
    """Which of these deals are won by the CRM's own flag."""
    return {
        row[0]
        for row in tx.rows(
            "SELECT id FROM mirror WHERE workspace = %(ws)s AND connection = %(crm)s"
            " AND entity = 'deal' AND id = ANY(%(ids)s) AND status = 'won'",
            crm=crm,
            ids=list(source_ids),
        )
    }


def read_at(tx: Tx, connections: Sequence[str]) -> datetime | None:
    """When the side that was read longest ago was read; None where one was never read."""
    rows = tx.rows(
        "SELECT connection, max(read_at) FROM cursor WHERE workspace = %(ws)s"
        " AND connection = ANY(%(names)s) GROUP BY connection",
        names=list(connections),
    )
    return min(row[1] for row in rows) if len(rows) == len(set(connections)) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What became of one change: its operation's state and the record that it made or changed."""

    key13: str
    digest: str
    operation: str
    state: str
    detail: str
    entity: str
    action: str
    source_id: str
    lane: str
    number: str
    deal: str
    title: str
    net: Decimal | None
    currency: str
    ref: str
    kind: str
    shown_gross: Decimal | None
    predicted_gross: Decimal | None
    differs: bool
    updated_at: datetime
    sent_at: datetime | None = None
    next_look_at: datetime | None = None
    depends_on: str = ""

    @property
    def unanswered_since(self) -> datetime:
        """When it was first sent: that does not move with each look."""
        return self.sent_at or self.updated_at


_WRITTEN = (
    "SELECT o.key13, o.want_digest, o.id, o.state, o.detail, o.entity, o.action, o.source_id,"
    " o.lane, coalesce(m.number, ''), coalesce(c.number, ''), coalesce(nullif(c.title, ''),"
    " m.record->>'name', ''), o.net,"
    " o.currency, coalesce(r.id, ''), coalesce(m.kind, ''), m.gross,"
    " (l.predicted->'totals'->>'gross')::numeric, EXISTS (SELECT 1 FROM exception_case e"
    " WHERE e.workspace = o.workspace AND e.lane = o.lane AND e.source_id = o.source_id"
    " AND e.code = 'total_differs' AND e.closed_at IS NULL), o.updated_at, o.first_sent_at,"
    " o.next_look_at, coalesce(o.depends_on, '')"
    " FROM operation o"
    " LEFT JOIN ref r ON r.workspace = o.workspace AND r.key13 = o.key13 AND r.role = 'current'"
    " LEFT JOIN mirror m ON m.workspace = r.workspace AND m.connection = r.connection"
    " AND m.entity = r.entity AND m.id = r.id"
    " LEFT JOIN link l ON l.workspace = o.workspace AND l.key13 = o.key13"
    " LEFT JOIN outcome c ON c.workspace = o.workspace AND c.lane = o.lane"
    " AND c.source_id = o.source_id AND c.key13 = o.key13"
    " WHERE o.workspace = %(ws)s"
)


def _written(row: Sequence[Any]) -> Written:
    return Written(
        key13=row[0],
        digest=row[1],
        operation=row[2],
        state=row[3],
        detail=row[4],
        entity=row[5],
        action=row[6],
        source_id=row[7],
        lane=row[8],
        number=row[9],
        deal=row[10],
        title=row[11],
        net=row[12],
        currency=row[13],
        ref=row[14],
        kind=row[15],
        shown_gross=row[16],
        predicted_gross=row[17],
        differs=row[18],
        updated_at=row[19],
        sent_at=row[20],
        next_look_at=row[21],
        depends_on=row[22],
    )


def written(tx: Tx, pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Written]:
    """The newest operation of each (key13, digest), with what it made."""
    rows = tx.rows(
        f"{_WRITTEN} AND o.key13 = ANY(%(keys)s) AND o.want_digest = ANY(%(digests)s)"
        " ORDER BY o.key13, o.seq",
        keys=sorted({key for key, _ in pairs}),
        digests=sorted({digest for _, digest in pairs}),
    )
    found = {(row[0], row[1]): _written(row) for row in rows}
    return {pair: found[pair] for pair in pairs if pair in found}


def buyers(tx: Tx, pairs: Sequence[tuple[str, str]]) -> set[str]:
    """The CRM's customers of the deals that have these (key13, digest); a name may be another's."""
    rows = tx.rows(
        "SELECT key13, want_digest, customer_id FROM operation WHERE workspace = %(ws)s"
        " AND key13 = ANY(%(keys)s) AND want_digest = ANY(%(digests)s)",
        keys=sorted({key for key, _ in pairs}),
        digests=sorted({digest for _, digest in pairs}),
    )
    return {row[2] for row in rows if (row[0], row[1]) in set(pairs)}


def moved_since(tx: Tx, bridge: str, since: datetime) -> list[Written]:
    """
    Operations of customers and documents that were settled since, and all whose answer is
    missing, what the CRM is shown among them; oldest first.
    """
    return [
        _written(row)
        for row in tx.rows(
            f"{_WRITTEN} AND o.bridge = %(bridge)s AND ((o.entity IN ('customer', 'document')"
            " AND ((o.updated_at >= %(since)s AND o.state IN ('applied', 'already_applied'))"
            " OR o.state = 'confirming')) OR o.state IN ('started', 'unknown', 'doubt'))"
            " ORDER BY o.updated_at, o.id",
            bridge=bridge,
            since=since,
        )
    ]


def mark_plan(tx: Tx, plan: int, states: Mapping[tuple[str, str], str]) -> None:
    """What became of a plan's changes, by (key13, digest)."""
    tx.many(
        "UPDATE plan_change SET state = %(state)s WHERE workspace = %(ws)s AND plan = %(plan)s"
        " AND line->>'key13' = %(key13)s AND digest = %(digest)s",
        (
            {"plan": plan, "key13": key13, "digest": digest, "state": state}
            for (key13, digest), state in sorted(states.items())
        ),
    )


def plan_with(tx: Tx, bridge: str, digests: Collection[str]) -> int | None:
    """The newest of a bridge's last plans that shows all of these for a release; else None."""
    row = tx.row(
        "SELECT max(plan) FROM (SELECT plan FROM plan_change WHERE workspace = %(ws)s"
        " AND plan IN (SELECT number FROM plan WHERE workspace = %(ws)s AND bridge = %(bridge)s"
        " ORDER BY number DESC LIMIT 5) AND verdict = 'approval' AND digest = ANY(%(digests)s)"
        " GROUP BY plan HAVING count(DISTINCT digest) = %(count)s) shown",
        bridge=bridge,
        digests=sorted(set(digests)),
        count=len(set(digests)),
    )
    return None if row is None else row[0]


def owners(tx: Tx, crm: str, source_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Who won or edited these deals, as far as the mirror knows: owner, mail, extra."""
    return {
        row[0]: {"owner": row[1] or "", "email": row[2] or "", "extra": codec.decode_loose(row[3])}
        for row in tx.rows(
            "SELECT id, record->>'owner', record->>'owner_email', coalesce(record->'extra',"
            " '{}'::jsonb)::text FROM mirror WHERE workspace = %(ws)s AND connection = %(crm)s"
            " AND entity = 'deal' AND id = ANY(%(ids)s)",
            crm=crm,
            ids=list(source_ids),
        )
    }
