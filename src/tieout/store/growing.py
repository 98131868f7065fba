"""What a record became, and what the books made of an order."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tieout.core.model import Entity, ExternalRef, Record
from tieout.store import codec
from tieout.store.database import Tx

OF_NO_ORDER = (
    "NOT EXISTS (SELECT 1 FROM ref p JOIN mirror o ON o.workspace = p.workspace"
    " AND o.connection = p.connection AND o.entity = p.entity AND o.id = p.id"
    " AND o.kind = 'order' WHERE p.workspace = m.workspace AND p.connection = m.connection"
    " AND p.entity = m.entity AND p.id = m.parent_id AND p.role IN ('current', 'former'))"
)
"""Of a mirror row ``m``: it did not grow out of an order that belongs to a deal, whose key it may
have taken along."""


def became(tx: Tx, old: ExternalRef, new: ExternalRef, now: datetime) -> None:
    """The old record is gone for certain, and what it became is known."""
    tx.run(
        "UPDATE mirror SET gone_at = coalesce(gone_at, %(now)s), gone_certain = true,"
        " merged_into = %(into)s WHERE workspace = %(ws)s AND connection = %(connection)s"
        " AND entity = %(entity)s AND id = %(id)s",
        now=now,
        into=new.id,
        connection=old.connection,
        entity=old.entity,
        id=old.id,
    )


def grown_from(tx: Tx, connection: str, ids: Sequence[str]) -> dict[str, list[Record]]:
    """What the books made of these orders: their drafts and invoices, by the order's id."""
    found: dict[str, list[Record]] = {}
    if not ids:
        return found
    for row in tx.rows(
        "SELECT m.parent_id, m.record::text FROM mirror m JOIN mirror o"
        " ON o.workspace = m.workspace AND o.connection = m.connection AND o.entity = m.entity"
        " AND o.id = m.parent_id AND o.kind = 'order' WHERE m.workspace = %(ws)s"
        " AND m.connection = %(connection)s AND m.entity = 'document' AND m.kind <> 'credit_note'"
        " AND m.parent_id = ANY(%(ids)s) AND m.gone_at IS NULL ORDER BY m.parent_id, m.id",
        connection=connection,
        ids=list(ids),
    ):
        found.setdefault(row[0], []).append(codec.decode_record(Entity.DOCUMENT, row[1]))
    return found
