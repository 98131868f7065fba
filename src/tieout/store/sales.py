"""What each customer bought, has on order, and may buy: sums over the mirror of both sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from tieout.store.database import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class SalesSum:
    """One sum of one kind ('invoiced', 'ongoing', 'open') of one customer in one currency, net."""

    kind: str
    customer_id: str
    customer: str
    linked: bool
    currency: str
    net: Decimal
    count: int


def sums(
    tx: Tx, crm: str, books: Sequence[str], first: date | None, last: date | None
) -> list[SalesSum]:
    """
    Invoiced between these days, in draft or ordered now, and in deals that are open now.

    Documents of a customer that nobody linked stand under the name that the books give it, so
    that all that was invoiced is in the sum.
    """
    rows = [
        *tx.rows(_DOCUMENTS, books=list(books), crm=crm, first=first, last=last),
        *tx.rows(_DEALS, crm=crm),
    ]
    return [
        SalesSum(
            kind=row[0],
            customer_id=row[1] or "",
            customer=row[2] or "",
            linked=bool(row[3]),
            currency=row[4],
            net=row[5],
            count=row[6],
        )
        for row in rows
    ]


# Reminder fees and interest are claims, not sales (`sale` false). Absent means that it is a sale.
_DOCUMENTS = (
    # Of an order only what no draft or invoice was made of is still ongoing by itself.
    "WITH document AS (SELECT m.connection, m.customer_id, m.currency, m.record,"
    " CASE WHEN m.kind <> 'order' THEN m.net WHEN m.record->>'order_state' = 'invoiced' THEN 0.00"
    " ELSE greatest(m.net - coalesce((SELECT sum(i.net) FROM mirror i"
    " WHERE i.workspace = m.workspace AND i.connection = m.connection"
    " AND i.entity = 'document' AND i.kind IN ('draft', 'invoice') AND i.parent_id = m.id"
    " AND i.gone_at IS NULL AND i.status <> 'cancelled'), 0.00), 0.00) END AS net,"
    " CASE WHEN m.status IN ('draft', 'awaiting_approval') OR m.kind = 'order' THEN 'ongoing'"
    " ELSE 'invoiced' END AS kind FROM mirror m WHERE m.workspace = %(ws)s"
    " AND m.connection = ANY(%(books)s) AND m.entity = 'document' AND m.gone_at IS NULL"
    " AND m.status <> 'cancelled' AND m.net IS NOT NULL"
    " AND coalesce((m.record->>'sale')::boolean, true)"
    " AND (m.status IN ('draft', 'awaiting_approval') OR m.kind = 'order'"
    " OR ((%(first)s::date IS NULL OR m.day >= %(first)s)"
    " AND (%(last)s::date IS NULL OR m.day <= %(last)s)))),"
    " owner AS (SELECT r.connection, r.id, min(w.source_id) AS source_id FROM ref r"
    " JOIN slot s ON s.workspace = r.workspace AND s.key13 = r.key13 AND s.kind = 'C'"
    " JOIN slot w ON w.workspace = s.workspace AND w.key13 = coalesce(s.alias_of, s.key13)"
    " WHERE r.workspace = %(ws)s AND r.connection = ANY(%(books)s) AND r.entity = 'customer'"
    " AND r.role IN ('current', 'former') GROUP BY r.connection, r.id)"
    " SELECT d.kind, coalesce(o.source_id, d.customer_id),"
    " coalesce(max(a.record->>'name'), max(b.record->>'name'), max(d.record->>'customer_name')),"
    " o.source_id IS NOT NULL, d.currency, sum(d.net), count(*) FROM document d"
    " LEFT JOIN owner o ON o.connection = d.connection AND o.id = d.customer_id"
    " LEFT JOIN mirror a ON a.workspace = %(ws)s AND a.connection = %(crm)s"
    " AND a.entity = 'customer' AND a.id = o.source_id"
    " LEFT JOIN mirror b ON b.workspace = %(ws)s AND b.connection = d.connection"
    " AND b.entity = 'customer' AND b.id = d.customer_id"
    " GROUP BY d.kind, o.source_id, CASE WHEN o.source_id IS NULL THEN d.connection END,"
    " d.customer_id, d.currency ORDER BY 1, 2, 5"
)

_DEALS = (
    "SELECT 'open', d.customer_id, max(a.record->>'name'), true, d.currency,"
    " sum(coalesce(d.net, 0)), count(*) FROM mirror d LEFT JOIN mirror a"
    " ON a.workspace = d.workspace AND a.connection = d.connection AND a.entity = 'customer'"
    " AND a.id = d.customer_id WHERE d.workspace = %(ws)s AND d.connection = %(crm)s"
    " AND d.entity = 'deal' AND d.status = 'open' AND d.gone_at IS NULL"
    " GROUP BY d.customer_id, d.currency ORDER BY 2, 5"
)
