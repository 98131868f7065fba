"""Plans as rows: what was shown, what it expected of the world, and what was released of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from tieout.core.case import Decision, Verdict
from tieout.core.change import Change
from tieout.core.model import Document
from tieout.core.orders import is_order
from tieout.store import codec
from tieout.store.database import Tx

# Why a row waits whose write was sent and is not settled.
ON_ITS_WAY = "on_its_way"
# Customers before documents before what is shown in the CRM; then by source.
RANKS = {"item": 0, "account": 0, "customer": 1, "document": 2, "standing": 3, "invoice": 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanLine:
    """
    One row of a plan as it is shown and stored. Amounts are in ``currency``; ``kind`` is 'order'
    where the document is one.
    """

    rank: int
    entity: str
    lane: str
    source_id: str
    part: int
    verdict: str
    reason: str
    message: str
    digest: str
    key13: str
    action: str
    number: str
    title: str
    net: Decimal | None
    gross: Decimal | None
    other_gross: Decimal | None
    currency: str
    differs: tuple[str, ...]
    kind: str = ""


def line_of(decision: Decision) -> PlanLine:
    """A decision as a row of a plan."""
    change = decision.change
    entity = _named_entity(decision.lane, str(change.entity) if change else "")
    predicted = decision.predicted
    return PlanLine(
        rank=RANKS.get(entity, 9),
        entity=entity,
        lane=decision.lane,
        source_id=decision.source_id,
        part=decision.part,
        verdict=str(decision.verdict),
        reason=decision.reason,
        message=decision.message,
        digest=decision.digest,
        key13=decision.state.key13 if decision.state else "",
        action=str(change.action) if change else "",
        number=decision.number,
        title=decision.title,
        net=decision.net,
        gross=predicted.totals.gross if predicted else _gross(decision),
        other_gross=predicted.other.gross if predicted and predicted.other else None,
        currency=decision.currency,
        differs=decision.differs,
        kind=_kind(change),
    )


def _kind(change: Change | None) -> str:
    known = (change.wanted.record if change.wanted else change.base) if change else None
    return "order" if is_order(known) else ""


_ENTITIES = {
    "customers": "customer",
    "documents": "document",
    "items": "item",
    "accounts": "account",
    "invoices": "invoice",
    "contacts": "contact",
    "persons": "person",
}


def _named_entity(lane: str, written: str) -> str:
    """What a row is about: what is written, or what its lane is for."""
    entity = _ENTITIES.get(lane.split("/")[1], "standing")
    # What the CRM shows of an invoice is no document of a deal's.
    return entity if not written or entity in ("item", "invoice", "account") else written


def _gross(decision: Decision) -> Decimal | None:
    wanted = decision.change.wanted if decision.change else None
    if wanted and isinstance(wanted.record, Document) and wanted.record.totals:
        return wanted.record.totals.gross
    return None


def sort_key(line: PlanLine) -> tuple[int, str, str, str, int]:
    """The stable order of a plan: dependency, entity, source."""
    return (line.rank, line.entity, line.lane, line.source_id, line.part)


def plan_hash(lines: Iterable[PlanLine]) -> str:
    """SHA-256 over the digests in order (rank, entity, source), streamed."""
    hashed = hashlib.sha256()
    for line in sorted(lines, key=sort_key):
        if line.verdict in (Verdict.WRITE, Verdict.APPROVAL):
            hashed.update(line.digest.encode())
    return hashed.hexdigest()


def store_plan(
    tx: Tx,
    bridge: str,
    lines: Sequence[PlanLine],
    config_version: int,
    read_at: datetime,
    now: datetime,
) -> int:
    """The number of the stored plan; its rows are never changed but for their state."""
    number = tx.number("plan")
    counts: dict[str, int] = {}
    for line in lines:
        counts[line.verdict] = counts.get(line.verdict, 0) + 1
    tx.run(
        "INSERT INTO plan (workspace, number, bridge, hash, config_version, read_at, created_at,"
        " counts) VALUES (%(ws)s, %(number)s, %(bridge)s, %(hash)s, %(version)s, %(read)s,"
        " %(now)s, %(counts)s)",
        number=number,
        bridge=bridge,
        hash=plan_hash(lines),
        version=config_version,
        read=read_at,
        now=now,
        counts=codec.encode_text(counts),
    )
    tx.many(
        "INSERT INTO plan_change (workspace, plan, rank, entity, lane, source_id, part, verdict,"
        " digest, expects, line, state) VALUES (%(ws)s, %(plan)s, %(rank)s, %(entity)s, %(lane)s,"
        " %(source)s, %(part)s, %(verdict)s, %(digest)s, '{}', %(line)s, 'open')"
        " ON CONFLICT DO NOTHING",
        (
            {
                "plan": number,
                "rank": line.rank,
                "entity": line.entity,
                "lane": line.lane,
                "source": line.source_id,
                "part": line.part,
                "verdict": line.verdict,
                "digest": line.digest,
                "line": codec.encode_text(line),
            }
            for line in sorted(lines, key=sort_key)
        ),
    )
    return number


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPlan:
    number: int
    bridge: str
    hash: str
    config_version: int
    read_at: datetime
    created_at: datetime


def load_plan(tx: Tx, number: int) -> StoredPlan | None:
    """A plan's head, or None."""
    row = tx.row(
        "SELECT number, bridge, hash, config_version, read_at, created_at FROM plan"
        " WHERE workspace = %(ws)s AND number = %(number)s",
        number=number,
    )
    if row is None:
        return None
    return StoredPlan(
        number=row[0],
        bridge=row[1],
        hash=row[2],
        config_version=row[3],
        read_at=row[4],
        created_at=row[5],
    )


def plan_lines(tx: Tx, number: int) -> list[PlanLine]:
    """The rows of a plan in its order."""
    return [
        codec.decode(PlanLine, row[0])
        for row in tx.rows(
            "SELECT line::text FROM plan_change WHERE workspace = %(ws)s AND plan = %(number)s"
            " ORDER BY rank, entity, lane, source_id, part",
            number=number,
        )
    ]


def approve(
    tx: Tx,
    lines: Sequence[PlanLine],
    who: str,
    plan: int | None,
    now: datetime,
    days: Mapping[str, date],
) -> int:
    """
    A person's name under these digests. An operation that waits for exactly this is ready now;
    what changes later has another digest, and the approval says nothing about it. ``days``: by
    lane the day on which it counts, that of the books.
    """
    released = 0
    for line in lines:
        tx.run(
            "INSERT INTO approval (workspace, digest, key13, who, at, plan) VALUES (%(ws)s,"
            " %(digest)s, %(key13)s, %(who)s, %(now)s, %(plan)s) ON CONFLICT DO NOTHING",
            digest=line.digest,
            key13=line.key13,
            who=who,
            now=now,
            plan=plan,
        )
        released += tx.run(
            "UPDATE operation SET state = 'ready', released_on = %(day)s, updated_at = %(now)s"
            " WHERE workspace = %(ws)s AND key13 = %(key13)s AND want_digest = %(digest)s"
            " AND state = 'awaiting_approval'",
            day=days[line.lane],
            now=now,
            key13=line.key13,
            digest=line.digest,
        )
        tx.run(
            "UPDATE due SET parked = NULL, parked_on = NULL, revision = revision + 1"
            " WHERE workspace = %(ws)s AND lane = %(lane)s AND source_id = %(id)s"
            " AND parked = 'approval'",
            lane=line.lane,
            id=line.source_id,
        )
    tx.log("plan.approved", who=who, digests=[line.digest for line in lines], plan=plan)
    return released


_UNSETTLED = (
    "SELECT o.lane, o.source_id, s.part, o.entity, o.key13, o.action,"
    " coalesce(nullif(c.number, ''), m.number, ''),"
    " coalesce(nullif(c.title, ''), m.record->>'name', m.record->>'title', ''),"
    " o.net, o.currency, o.state, coalesce(o.first_sent_at, o.updated_at)"
    " FROM operation o JOIN slot s ON s.workspace = o.workspace AND s.key13 = o.key13"
    " LEFT JOIN outcome c ON c.workspace = o.workspace AND c.lane = o.lane"
    " AND c.source_id = o.source_id AND c.key13 = o.key13 LEFT JOIN LATERAL (SELECT"
    " number, record FROM mirror m WHERE m.workspace = o.workspace AND m.id = o.source_id"
    " AND m.entity IN ('deal', 'customer') ORDER BY m.connection LIMIT 1) m ON true"
    " WHERE o.workspace = %(ws)s AND o.bridge = %(bridge)s"
    " AND o.state IN ('started', 'unknown', 'confirming', 'doubt')"
    " ORDER BY o.lane, o.source_id, s.part, o.id"
)


def unsettled(tx: Tx, bridge: str) -> list[tuple[PlanLine, str, datetime]]:
    """Writes that were sent and not settled yet, as rows, with their state and since when."""
    return [(_on_its_way(row), row[10], row[11]) for row in tx.rows(_UNSETTLED, bridge=bridge)]


def _on_its_way(row: Sequence[Any]) -> PlanLine:
    entity = _named_entity(row[0], row[3])
    return PlanLine(
        rank=RANKS.get(entity, 9),
        entity=entity,
        lane=row[0],
        source_id=row[1],
        part=row[2],
        verdict=str(Verdict.WAIT),
        reason=ON_ITS_WAY,
        message="",
        digest="",
        key13=row[4],
        action=row[5],
        number=row[6],
        title=row[7],
        net=row[8],
        gross=None,
        other_gross=None,
        currency=row[9],
        differs=(),
    )


def waiting(tx: Tx, bridge: str) -> list[dict[str, Any]]:
    """Operations that wait for a person: key, source, net, since when."""
    return [
        {
            "operation": row[0],
            "key13": row[1],
            "lane": row[2],
            "source_id": row[3],
            "digest": row[4],
            "net": row[5],
            "currency": row[6],
            "since": row[7],
            "action": row[8],
            "number": row[9] or "",
            "title": row[10] or "",
            "entity": row[11],
        }
        for row in tx.rows(
            "SELECT o.id, o.key13, o.lane, o.source_id, o.want_digest, o.net, o.currency,"
            " o.created_at, o.action, coalesce(nullif(c.number, ''), m.number),"
            " coalesce(nullif(c.title, ''), m.record->>'name', m.record->>'title'), o.entity"
            " FROM operation o LEFT JOIN outcome c"
            " ON c.workspace = o.workspace AND c.lane = o.lane AND c.source_id = o.source_id"
            " AND c.key13 = o.key13 LEFT JOIN LATERAL (SELECT"
            " number, record FROM mirror m WHERE m.workspace = o.workspace AND m.id = o.source_id"
            " AND m.entity IN ('deal', 'customer') ORDER BY m.connection LIMIT 1) m ON true"
            " WHERE o.workspace = %(ws)s AND o.bridge = %(bridge)s"
            " AND o.state = 'awaiting_approval' ORDER BY o.created_at, o.id",
            bridge=bridge,
        )
    ]
