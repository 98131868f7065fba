"""Who becomes due when a record changes: the sources of a lane, as queries over what is linked."""

from __future__ import annotations

from collections.abc import Mapping

# Of a credit note its invoice's, of an order's invoice the order's, of its credit note that too.
_OF_PARENT = (
    "SELECT s.source_id FROM mirror m LEFT JOIN mirror g ON g.workspace = m.workspace"
    " AND g.connection = m.connection AND g.entity = m.entity AND g.id = m.parent_id"
    " JOIN ref r ON r.workspace = m.workspace AND r.connection = m.connection"
    " AND r.entity = m.entity AND r.id IN (m.parent_id, g.parent_id)"
    " JOIN slot s ON s.workspace = r.workspace AND s.key13 = r.key13"
    " WHERE m.workspace = %(ws)s AND m.connection = %(connection)s AND m.entity = %(entity)s"
    " AND m.id = ANY(%(ids)s)"
)


def _other_half(kind: str) -> str:
    """The records of slots of a kind whose sources these contacts are."""
    return (
        "SELECT r.id FROM slot s JOIN ref r ON r.workspace = s.workspace AND r.key13 = s.key13"
        " AND r.role = 'current' AND r.entity = 'contact' AND r.connection <> %(connection)s"
        " WHERE s.workspace = %(ws)s AND s.bridge = split_part(%(lane)s, '/', 1)"
        f" AND s.kind = '{kind}' AND s.source_id = ANY(%(ids)s)"
    )


SOURCES: Mapping[str, str] = {
    "self": "SELECT unnest(%(ids)s::text[])",
    "linked": "SELECT source_id FROM slot WHERE workspace = %(ws)s AND kind = 'C'"
    " AND source_id = ANY(%(ids)s)",
    "invoices_of_customer": "SELECT m.id FROM slot s JOIN ref r ON r.workspace = s.workspace"
    " AND r.key13 = s.key13 AND r.entity = 'customer' AND r.role = 'current' JOIN mirror m"
    " ON m.workspace = r.workspace AND m.connection = r.connection AND m.entity = 'document'"
    " AND m.customer_id = r.id AND m.kind <> 'draft' WHERE s.workspace = %(ws)s AND s.kind = 'C'"
    " AND s.source_id = ANY(%(ids)s)",
    "published": "SELECT s.source_id FROM ref r JOIN slot s ON s.workspace = r.workspace"
    " AND s.key13 = r.key13 AND s.kind IN ('A', 'H') WHERE r.workspace = %(ws)s"
    " AND r.connection = %(connection)s AND r.entity = %(entity)s AND r.id = ANY(%(ids)s)",
    "kind_of_code": "SELECT kind FROM mirror WHERE workspace = %(ws)s"
    " AND connection = %(connection)s AND entity = %(entity)s AND id = ANY(%(ids)s)",
    "kind_of_values": "SELECT split_part(s.source_id, '>', 1) FROM ref r JOIN slot s"
    " ON s.workspace = r.workspace AND s.key13 = r.key13 AND s.kind = 'V'"
    " WHERE r.workspace = %(ws)s AND r.connection = %(connection)s AND r.entity = %(entity)s"
    " AND r.id = ANY(%(ids)s)",
    "item_of_price": "SELECT coalesce(m.parent_id, i.id) FROM mirror m LEFT JOIN mirror i"
    " ON i.workspace = m.workspace AND i.connection = m.connection AND i.entity = 'item'"
    " AND i.number = m.number AND i.gone_at IS NULL AND m.parent_id IS NULL"
    " WHERE m.workspace = %(ws)s AND m.connection = %(connection)s AND m.entity = %(entity)s"
    " AND m.id = ANY(%(ids)s)",
    "deals_of_customer": "SELECT id FROM mirror WHERE workspace = %(ws)s AND entity = 'deal'"
    " AND connection = %(connection)s AND customer_id = ANY(%(ids)s)",
    "contacts_of_customer": "SELECT id FROM mirror WHERE workspace = %(ws)s AND entity = 'contact'"
    " AND connection = %(connection)s AND customer_id = ANY(%(ids)s)",
    "other_half_n": _other_half("N"),
    "other_half_m": _other_half("M"),
    "slot_source": "SELECT s.source_id FROM ref r JOIN slot s ON s.workspace = r.workspace"
    " AND s.key13 = r.key13 WHERE r.workspace = %(ws)s AND r.connection = %(connection)s"
    " AND r.entity = %(entity)s AND r.id = ANY(%(ids)s)"
    " UNION SELECT s.source_id FROM mirror m JOIN slot s ON s.workspace = m.workspace"
    " AND s.key13 = m.carried_key13 WHERE m.workspace = %(ws)s AND m.connection = %(connection)s"
    " AND m.entity = %(entity)s AND m.id = ANY(%(ids)s)"
    f" UNION {_OF_PARENT}",
    "customer_of_slot": "SELECT s.source_id FROM ref r JOIN slot s ON s.workspace = r.workspace"
    " AND s.key13 = r.key13 WHERE r.workspace = %(ws)s AND r.connection = %(connection)s"
    " AND r.entity = 'customer' AND r.role = 'current' AND r.id IN (SELECT customer_id FROM mirror"
    " WHERE workspace = %(ws)s AND connection = %(connection)s AND entity = %(entity)s"
    " AND id = ANY(%(ids)s) AND customer_id IS NOT NULL)",
    "credited": _OF_PARENT,
}
