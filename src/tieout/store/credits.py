"""
Credit notes that name their invoice in words only: by its exact number, never by an amount.

Of the same customer, and only where one invoice fits. A short number is no word of its own in a
text about hours and pieces, so in lines the word for an invoice has to stand before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tieout.core.model import ExternalRef
from tieout.store import pages
from tieout.store.database import Tx

_INVOICE = "(faktura|fakturan|fakturanummer|fakturanr|kreditfaktura|invoice|lasku|laskun|factuur)"
_NUMBER = "regexp_replace(i.number, '([^0-9A-Za-z])', '\\\\\\1', 'g')"
_LINES = (
    "CASE WHEN jsonb_typeof(c.record->'lines') = 'array' THEN (SELECT string_agg(l->>'text', '|')"
    " FROM jsonb_array_elements(c.record->'lines') AS l) END"
)
_HEAD = (
    "concat_ws('|', c.record->>'your_reference', c.record->>'our_reference',"
    " c.record->>'po_number', c.record->>'buyer_reference')"
)
_FITTING = (
    "SELECT c.id, min(i.id) FROM mirror c JOIN mirror i ON i.workspace = c.workspace"
    " AND i.connection = c.connection AND i.entity = 'document' AND i.kind = 'invoice'"
    " AND i.customer_id = c.customer_id AND i.gone_at IS NULL AND i.number <> ''"
    " WHERE c.workspace = %(ws)s AND c.connection = %(books)s AND c.entity = 'document'"
    " AND c.kind = 'credit_note' AND c.gone_at IS NULL AND c.parent_id IS NULL"
    f" AND (({_HEAD} ~ ('(^|[^0-9A-Za-z])' || {_NUMBER} || '($|[^0-9A-Za-z])')"
    " AND (length(i.number) > 2 OR i.number IN (c.record->>'your_reference',"
    " c.record->>'our_reference', c.record->>'po_number', c.record->>'buyer_reference')))"
    f" OR concat_ws('|', {_HEAD}, {_LINES}) ~* ('(^|[^a-z])' || %(word)s ||"
    " '[^0-9A-Za-z]*((nr|no|nro|nummer|number)[^0-9A-Za-z]*)?' || "
    f"{_NUMBER} || '($|[^0-9A-Za-z])'))"
    " GROUP BY c.id HAVING count(DISTINCT i.id) = 1 ORDER BY c.id"
)


def _paid_back(row: str) -> str:
    return (
        f"({row}.gross <> 0 AND abs({row}.gross) <= (SELECT sum(abs(n.gross)) FROM mirror n"
        f" WHERE n.workspace = {row}.workspace AND n.connection = {row}.connection"
        f" AND n.entity = {row}.entity AND n.parent_id = {row}.id AND n.kind = 'credit_note'"
        f" AND n.currency = {row}.currency AND (n.record->'credits'->1) IS NULL"
        " AND n.gone_at IS NULL AND n.status NOT IN ('draft', 'cancelled')))"
    )


_OF_ORDER = (
    "SELECT 1 FROM mirror i WHERE i.workspace = m.workspace AND i.connection = m.connection"
    " AND i.entity = m.entity AND i.parent_id = m.id AND i.kind <> 'credit_note'"
    " AND i.gone_at IS NULL AND i.status <> 'cancelled'"
)
_ALL_CREDITED = (
    "(m.kind = 'order' AND m.record->>'order_state' = 'invoiced'"
    f" AND EXISTS ({_OF_ORDER}) AND NOT EXISTS ({_OF_ORDER} AND i.status <> 'credited'"
    f" AND NOT coalesce({_paid_back('i')}, false)))"
)

IS_DEAD = (
    "(m.status IN ('cancelled', 'credited')"
    f" OR coalesce({_paid_back('m')}, false) OR {_ALL_CREDITED})"
)
"""Of a mirror row ``m``: voided, or credited in full. Credit notes take nothing off what was paid
before, whose status stays *paid*, and an order's own status tells nothing of its invoices'."""


def is_dead(tx: Tx, ref: ExternalRef) -> bool:
    """Whether a document was last seen to be voided, or credited in full."""
    row = tx.row(
        "SELECT 1 FROM mirror m WHERE m.workspace = %(ws)s AND m.connection = %(connection)s"
        f" AND m.entity = %(entity)s AND m.id = %(id)s AND {IS_DEAD}",
        connection=ref.connection,
        entity=ref.entity,
        id=ref.id,
    )
    return row is not None


def match_by_number(
    tx: Tx, books: str, lanes: Sequence[str], now: datetime
) -> list[tuple[str, str]]:
    """
    Credit notes that name their invoice by its number are held against it: (credit note, invoice).

    Deals of those invoices become due on ``lanes``.
    """
    found = [(row[0], row[1]) for row in tx.rows(_FITTING, books=books, word=_INVOICE)]
    if not found:
        return []
    tx.many(
        "UPDATE mirror SET parent_id = %(invoice)s WHERE workspace = %(ws)s"
        " AND connection = %(books)s AND entity = 'document' AND id = %(note)s",
        ({"books": books, "note": note, "invoice": invoice} for note, invoice in found),
    )
    tx.log("credits.matched", books=books, pairs=[list(pair) for pair in found])
    deals = [
        row[0]
        for row in tx.rows(
            "SELECT DISTINCT s.source_id FROM ref r JOIN slot s ON s.workspace = r.workspace"
            " AND s.key13 = r.key13 WHERE r.workspace = %(ws)s AND r.connection = %(books)s"
            " AND r.entity = 'document' AND r.id = ANY(%(ids)s) AND s.kind = 'D' ORDER BY 1",
            books=books,
            ids=[invoice for _, invoice in found],
        )
    ]
    for lane in lanes:
        pages.make_due(tx, lane, deals, now)
    return found
