"""
Steps that agree without a doubt, found and added up in SQL: of a large company's deals nearly all.

Whatever is not plain is left to the walk: here nothing is explained, it is only seen that there is
nothing to explain. The tie-out is the same with this and without.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from tieout.store.database import Tx

CHUNK = 5_000

# Everything below is a reason for a part, a stop or a note in the walk; none of it may hold.
_AGREEING = """
CREATE TEMP TABLE agreeing ON COMMIT DROP AS
SELECT o.source_id, coalesce(m.day, '1900-01-01') AS closed, d.id AS ref, d.day AS booked, o.net,
    CASE WHEN coalesce(s.day, h.day) <= %(cut_off)s THEN o.net ELSE 0.00 END AS paid
FROM outcome o
JOIN mirror m ON m.workspace = o.workspace AND m.connection = %(crm)s AND m.entity = 'deal'
    AND m.id = o.source_id
JOIN ref r ON r.workspace = o.workspace AND r.key13 = o.key13 AND r.role = 'current'
JOIN mirror d ON d.workspace = r.workspace AND d.connection = r.connection AND d.entity = r.entity
    AND d.id = r.id
LEFT JOIN link l ON l.workspace = o.workspace AND l.key13 = o.key13
LEFT JOIN (SELECT id, count(*) AS times, max(paid) AS paid,
        max(coalesce(paid_on, (seen_at AT TIME ZONE %(zone)s)::date)) AS day FROM mirror_amount
    WHERE workspace = %(ws)s AND connection = %(books)s AND entity = 'document' AND paid <> 0
    GROUP BY id) h ON h.id = d.id
LEFT JOIN LATERAL (SELECT (d.record->'payments'->0->>'on')::date AS day) s ON true
WHERE o.workspace = %(ws)s AND o.lane = %(lane)s
    AND o.verdict IN ('nothing', 'agreed')
    AND NOT (o.reason = ANY(%(stops)s))
    AND o.currency = %(currency)s
    AND o.net > 0 AND o.net = round(o.net, %(decimals)s)
    AND (o.predicted_net IS NULL OR o.predicted_net = o.net)
    AND m.status = 'won' AND m.gone_at IS NULL
    AND r.entity = 'document' AND r.connection = %(books)s
    AND d.kind = 'invoice' AND d.status <> 'cancelled' AND d.gone_at IS NULL
    AND d.merged_into IS NULL AND d.currency = o.currency AND d.net = o.net
    AND d.day <= %(cut_off)s
    AND coalesce((d.record->'base_totals'->>'net')::numeric, d.net) = d.net
    AND coalesce((d.record->>'rate')::numeric, 1) = 1
    AND coalesce((l.shown->'totals'->>'net')::numeric, d.net) = d.net
    AND d.gross > 100
    AND coalesce((d.record->>'credited')::numeric, 0) = 0
    AND CASE WHEN coalesce((d.record->>'paid')::numeric, 0) = 0 THEN h.times IS NULL
            AND s.day IS NULL
        ELSE (d.record->>'paid')::numeric = d.gross AND (d.record->'payments'->1) IS NULL
            AND (s.day IS NOT NULL OR (h.times = 1 AND h.paid = d.gross)) END
    AND NOT EXISTS (SELECT 1 FROM outcome x WHERE x.workspace = o.workspace AND x.lane = o.lane
        AND x.source_id = o.source_id AND x.part <> o.part)
    AND NOT EXISTS (SELECT 1 FROM ref f JOIN mirror b ON b.workspace = f.workspace
        AND b.connection = f.connection AND b.entity = f.entity AND b.id = f.id
        WHERE f.workspace = o.workspace AND f.key13 = o.key13 AND f.role = 'former'
        AND b.merged_into IS NULL)
    AND NOT EXISTS (SELECT 1 FROM mirror c WHERE c.workspace = d.workspace
        AND c.connection = d.connection AND c.entity = 'document' AND c.kind = 'credit_note'
        AND c.parent_id = d.id)
    AND NOT EXISTS (SELECT 1 FROM operation p WHERE p.workspace = o.workspace
        AND p.key13 = o.key13 AND (p.state IN ('ready', 'awaiting_approval', 'started',
        'unknown', 'confirming', 'doubt') OR (p.action = 'create'
        AND p.state IN ('applied', 'already_applied') AND p.detail NOT IN ('', 'answer'))))
    AND NOT EXISTS (SELECT 1 FROM exception_case e WHERE e.workspace = o.workspace
        AND e.lane = o.lane AND e.source_id = o.source_id AND e.closed_at IS NULL)
"""

# Reasons under which a decided step is no plain one, whatever stands in the books.
_STOPS = (
    "excluded_by_rule",
    "left_out",
    "zero_total",
    "deal_deleted",
    "trigger_not_yet_true",
    "not_due_yet",
    "other_books",
    "other_company",
    "held_by_other_books",
    "step_removed",
    "generation_ended",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreedSums:
    """The figures of `core.tieout.Agreed`, from SQL."""

    deals: int
    sold: Decimal
    paid: Decimal
    listed: Decimal
    timing: tuple[tuple[date, Decimal], ...]
    before: Decimal
    after: Decimal


def decided(tx: Tx, lane: str, most: int) -> int:
    """How many steps a lane has decided, counted up to ``most``."""
    row = tx.row(
        "SELECT count(*) FROM (SELECT 1 FROM outcome WHERE workspace = %(ws)s"
        " AND lane = %(lane)s LIMIT %(most)s) AS found",
        lane=lane,
        most=most,
    )
    assert row is not None
    return int(row[0])


def find(
    tx: Tx,
    *,
    crm: str,
    lane: str,
    books: str,
    currency: str,
    decimals: int,
    cut_off: date,
    zone: str,
) -> None:
    """Puts the agreeing steps into a temporary table of this transaction."""
    # One pass over everything: hashes that fit into memory, here and nowhere else.
    tx.run("SET LOCAL work_mem = '64MB'")
    # All deals against all documents: a plan that looks each one up, made from statistics that a
    # new database does not have yet, would take minutes.
    tx.run("SET LOCAL enable_nestloop = off")
    tx.run(
        _AGREEING,
        crm=crm,
        lane=lane,
        books=books,
        currency=currency,
        decimals=decimals,
        cut_off=cut_off,
        zone=zone,
        stops=list(_STOPS),
    )
    tx.run("SET LOCAL enable_nestloop = on")
    tx.run("CREATE INDEX ON agreeing (source_id)")
    tx.run("ANALYZE agreeing")


def closed_in(tx: Tx, first: date, last: date) -> int:
    """How many of them were closed in these days."""
    row = tx.row(
        "SELECT count(*) FROM agreeing WHERE closed BETWEEN %(first)s AND %(last)s",
        first=first,
        last=last,
    )
    assert row is not None
    return int(row[0])


def walk_those_closed_in(tx: Tx, first: date, last: date) -> None:
    """Those closed in these days are left to the walk, so that each has its row."""
    tx.run(
        "DELETE FROM agreeing WHERE closed BETWEEN %(first)s AND %(last)s",
        first=first,
        last=last,
    )


def listed(tx: Tx, first: date, last: date) -> Iterator[Sequence[tuple[str, str, Decimal]]]:
    """Those whose document is dated in these days: (document, deal, net), in pieces."""
    after = ""
    while rows := tx.rows(
        "SELECT ref, source_id, net FROM agreeing WHERE booked BETWEEN %(first)s AND %(last)s"
        " AND source_id > %(after)s ORDER BY source_id LIMIT %(limit)s",
        first=first,
        last=last,
        after=after,
        limit=CHUNK,
    ):
        yield [(row[0], row[1], row[2]) for row in rows]
        after = rows[-1][1]


def walk_these(tx: Tx, deals: Sequence[str]) -> None:
    """These are left to the walk: the ledger's own list says otherwise."""
    if deals:
        tx.run("DELETE FROM agreeing WHERE source_id = ANY(%(ids)s)", ids=list(deals))


def sums(tx: Tx, first: date, last: date) -> AgreedSums:
    """What the agreeing steps add up to, for a period."""
    days = {"first": first, "last": last}
    row = tx.row(
        "SELECT count(*) FILTER (WHERE mine), coalesce(sum(net) FILTER (WHERE mine), 0.00),"
        " coalesce(sum(paid) FILTER (WHERE mine), 0.00), coalesce(sum(net) FILTER"
        " (WHERE booked BETWEEN %(first)s AND %(last)s), 0.00), coalesce(sum(net) FILTER"
        " (WHERE mine AND booked < %(first)s), 0.00), coalesce(sum(net) FILTER"
        " (WHERE mine AND booked > %(last)s), 0.00) FROM (SELECT *,"
        " closed BETWEEN %(first)s AND %(last)s AS mine FROM agreeing) AS a",
        **days,
    )
    assert row is not None
    months = tx.rows(
        "SELECT date_trunc('month', closed)::date, sum(net) FROM agreeing"
        " WHERE booked BETWEEN %(first)s AND %(last)s AND closed NOT BETWEEN %(first)s AND %(last)s"
        " GROUP BY 1 ORDER BY 1",
        **days,
    )
    return AgreedSums(
        deals=row[0],
        sold=row[1],
        paid=row[2],
        listed=row[3],
        timing=tuple((month, amount) for month, amount in months),
        before=row[4],
        after=row[5],
    )


def others(tx: Tx, lane: str) -> Iterator[list[str]]:
    """The sources of a lane that are left to the walk, in pieces, by id."""
    after = ""
    while rows := tx.rows(
        "SELECT DISTINCT o.source_id FROM outcome o WHERE o.workspace = %(ws)s"
        " AND o.lane = %(lane)s AND o.source_id > %(after)s AND NOT EXISTS (SELECT 1"
        " FROM agreeing a WHERE a.source_id = o.source_id) ORDER BY o.source_id LIMIT %(limit)s",
        lane=lane,
        after=after,
        limit=CHUNK,
    ):
        yield [row[0] for row in rows]
        after = rows[-1][0]
