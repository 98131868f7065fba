"""Persons: the whole of a customer on both sides, the other halves, and who has an address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tieout.core.model import Contact, Entity, ExternalRef
from tieout.store import codec
from tieout.store.database import Tx
from tieout.storing_contacts import AddressUsed, Family


def families(
    tx: Tx,
    crm: str,
    crm_org: str,
    books: str,
    company: str,
    crm_ids: Sequence[str],
    books_ids: Sequence[str],
) -> list[Family]:
    """
    The customers that these ids belong to, with all that was merged into them on either side.

    Those that are not linked in these books are left out.
    """
    if not crm_ids and not books_ids:
        return []
    rows = tx.rows(
        "WITH root AS (SELECT coalesce(s.alias_of, s.key13) AS key13 FROM slot s"
        " WHERE s.workspace = %(ws)s AND s.kind = 'C' AND s.crm_org = %(org)s"
        " AND s.company = %(company)s AND s.source_id = ANY(%(crm_ids)s)"
        " UNION SELECT coalesce(s.alias_of, s.key13) FROM ref r JOIN slot s"
        " ON s.workspace = r.workspace AND s.key13 = r.key13 AND s.kind = 'C'"
        " AND s.crm_org = %(org)s WHERE r.workspace = %(ws)s AND r.connection = %(books)s"
        " AND r.entity = 'customer' AND r.role IN ('current', 'former')"
        " AND r.id = ANY(%(books_ids)s))"
        " SELECT root.key13, s.key13, s.source_id, r.id, r.role FROM root JOIN slot s"
        " ON s.workspace = %(ws)s AND (s.key13 = root.key13 OR s.alias_of = root.key13)"
        " LEFT JOIN ref r ON r.workspace = s.workspace AND r.key13 = s.key13"
        " AND r.connection = %(books)s AND r.entity = 'customer'"
        " AND r.role IN ('current', 'former') ORDER BY root.key13, s.key13, r.id",
        org=crm_org,
        company=company,
        books=books,
        crm_ids=list(crm_ids),
        books_ids=list(books_ids),
    )
    members: dict[str, list[Any]] = {}
    for row in rows:
        members.setdefault(row[0], []).append(row)
    found = [_family(key, mine, crm, books) for key, mine in members.items()]
    return [family for family in found if family.books is not None]


def _family(key: str, rows: Sequence[Any], crm: str, books: str) -> Family:
    current = [row for row in rows if row[4] == "current"]
    own = [row for row in current if row[1] == key] or current
    return Family(
        key13=key,
        crm=ExternalRef(crm, "customer", next((row[2] for row in rows if row[1] == key), "")),
        books=ExternalRef(books, "customer", own[0][3]) if own else None,
        refs=frozenset(
            [
                *(ExternalRef(crm, "customer", row[2]) for row in rows),
                *(ExternalRef(books, "customer", row[3]) for row in rows if row[3]),
            ]
        ),
    )


def partners(tx: Tx, connection: str, ids: Sequence[str], kind: str) -> dict[str, tuple[str, str]]:
    """
    Slots of that kind that have these contacts as their present record: id → (source, company).
    """
    if not ids:
        return {}
    return {
        row[0]: (row[1], row[2])
        for row in tx.rows(
            "SELECT r.id, s.source_id, s.company FROM ref r JOIN slot s ON s.workspace ="
            " r.workspace AND s.key13 = r.key13 AND s.kind = %(kind)s WHERE r.workspace = %(ws)s"
            " AND r.connection = %(connection)s AND r.entity = 'contact' AND r.role = 'current'"
            " AND r.id = ANY(%(ids)s) ORDER BY r.id",
            connection=connection,
            kind=kind,
            ids=list(ids),
        )
    }


def by_address(
    tx: Tx, connection: str, crm_org: str, addresses: Sequence[str], customers: Sequence[str]
) -> list[AddressUsed]:
    """
    Contacts that are there with one of these addresses, of any customer; and all of these
    customers. Each with the slots that it is linked by.
    """
    if not addresses and not customers:
        return []
    rows = tx.rows(
        "SELECT m.id, m.email, m.record::text FROM mirror m WHERE m.workspace = %(ws)s"
        " AND m.connection = %(connection)s AND m.entity = 'contact' AND m.gone_at IS NULL"
        " AND (m.email = ANY(%(addresses)s) OR m.customer_id = ANY(%(customers)s)) ORDER BY m.id",
        connection=connection,
        addresses=list(addresses),
        customers=list(customers),
    )
    links = _links(tx, connection, crm_org, [row[0] for row in rows])
    found = []
    for row in rows:
        record = codec.decode_record(Entity.CONTACT, row[2])
        assert isinstance(record, Contact)
        found.append(AddressUsed(address=row[1], contact=record, links=links.get(row[0], ())))
    return found


def _links(
    tx: Tx, connection: str, crm_org: str, ids: Sequence[str]
) -> Mapping[str, tuple[tuple[str, str, str], ...]]:
    """
    By contact the (kind, other half, company) of its links whose other half is still there.

    A contact is linked as the record of a slot, or as the source of one that has a record.
    """
    found: dict[str, list[tuple[str, str, str]]] = {}
    for row in tx.rows(
        "SELECT r.id, s.kind, s.source_id, s.company FROM ref r JOIN slot s"
        " ON s.workspace = r.workspace AND s.key13 = r.key13 AND s.kind IN ('N', 'M')"
        " LEFT JOIN mirror o ON o.workspace = s.workspace AND o.entity = 'contact'"
        " AND o.id = s.source_id AND o.connection <> %(connection)s"
        " WHERE r.workspace = %(ws)s AND r.connection = %(connection)s AND r.entity = 'contact'"
        " AND r.role = 'current' AND r.id = ANY(%(ids)s) AND NOT coalesce(o.gone_certain, false)"
        " UNION SELECT s.source_id, s.kind, r.id, s.company FROM slot s JOIN ref r"
        " ON r.workspace = s.workspace AND r.key13 = s.key13 AND r.role = 'current'"
        " AND r.entity = 'contact' AND r.connection <> %(connection)s"
        " LEFT JOIN mirror o ON o.workspace = r.workspace AND o.connection = r.connection"
        " AND o.entity = 'contact' AND o.id = r.id"
        " WHERE s.workspace = %(ws)s AND s.crm_org = %(org)s AND s.source_id = ANY(%(ids)s)"
        " AND s.kind IN ('N', 'M')"
        " AND NOT coalesce(o.gone_certain, false) ORDER BY 1, 2, 3",
        connection=connection,
        org=crm_org,
        ids=list(ids),
    ):
        found.setdefault(row[0], []).append((row[1], row[2], row[3]))
    return {key: tuple(links) for key, links in found.items()}
