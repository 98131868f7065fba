"""Who becomes due when a record changes: the sources of a lane, as queries over what is linked."""

from __future__ import annotations

from collections.abc import Mapping

# Step by step: while the tables are new to the planner, it takes the whole of them for one row
# and joins everything with everything.
_SEEN = (
    "WITH seen AS MATERIALIZED (SELECT parent_id, carried_key13, customer_id FROM mirror"
    " WHERE workspace = %(ws)s AND connection = %(connection)s AND entity = %(entity)s"
    " AND id = ANY(%(ids)s))"
)
_REF = (
    "ref r ON r.workspace = %(ws)s AND r.connection = %(connection)s AND r.entity = %(entity)s"
    " AND r.id"
)
# Of a credit note its invoice's, of an order's invoice the order's, of its credit note that too.
_PARENTS = (
    "parents AS MATERIALIZED (SELECT parent_id AS id FROM seen WHERE parent_id IS NOT NULL"
    " UNION SELECT g.parent_id FROM seen JOIN mirror g ON g.workspace = %(ws)s"
    " AND g.connection = %(connection)s AND g.entity = %(entity)s AND g.id = seen.parent_id"
    " WHERE g.parent_id IS NOT NULL)"
)
_SLOTS = (
    " SELECT s.source_id FROM keys JOIN slot s ON s.workspace = %(ws)s AND s.key13 = keys.key13"
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
    "slot_source": f"{_SEEN}, {_PARENTS}, keys AS MATERIALIZED (SELECT r.key13"
    f" FROM unnest(%(ids)s::text[]) own (id) JOIN {_REF} = own.id"
    " UNION SELECT carried_key13 FROM seen"
    f" UNION SELECT r.key13 FROM parents JOIN {_REF} = parents.id){_SLOTS}",
    "customer_of_slot": f"{_SEEN}, buyers AS MATERIALIZED (SELECT r.key13, r.role FROM"
    " (SELECT DISTINCT customer_id AS id FROM seen WHERE customer_id IS NOT NULL) buyer"
    " JOIN ref r ON r.workspace = %(ws)s AND r.connection = %(connection)s"
    " AND r.entity = 'customer' AND r.id = buyer.id),"
    # The customer of an account that was merged is a copy in its own place, an alias.
    " keys AS MATERIALIZED (SELECT key13 FROM buyers WHERE role = 'current' UNION"
    " SELECT a.alias_of FROM buyers JOIN slot a ON a.workspace = %(ws)s"
    f" AND a.key13 = buyers.key13 WHERE a.alias_of IS NOT NULL){_SLOTS}",
}
