"""Who a customer was and became, and whether what carries a key is still the sale that it names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tieout.core.model import Document, ExternalRef, Record
from tieout.store import codec
from tieout.store import slots as slot_store
from tieout.store.database import Tx


def lineage(tx: Tx, customer: ExternalRef) -> tuple[ExternalRef, ...]:
    """The customer with all that stood in its place, and the one that took it in."""
    found = {customer}
    for row in tx.rows(
        "SELECT b.connection, b.entity, b.id FROM ref a JOIN ref b ON b.workspace = a.workspace"
        " AND b.key13 = a.key13 WHERE a.workspace = %(ws)s AND a.connection = %(connection)s"
        " AND a.entity = %(entity)s AND a.id = %(id)s UNION SELECT connection, entity, merged_into"
        " FROM mirror WHERE workspace = %(ws)s AND connection = %(connection)s"
        " AND entity = %(entity)s AND id = %(id)s AND merged_into IS NOT NULL",
        connection=customer.connection,
        entity=customer.entity,
        id=customer.id,
    ):
        found.add(ExternalRef(row[0], row[1], row[2]))
    return tuple(sorted(found))


def places_of(tx: Tx, refs: Sequence[ExternalRef]) -> dict[ExternalRef, str]:
    """The place that each of these records was linked with, whatever became of it; else none."""
    rows = tx.rows(
        "SELECT r.connection, r.entity, r.id, r.key13 FROM ref r JOIN unnest("
        " %(connections)s::text[], %(entities)s::text[], %(ids)s::text[]) AS a (c, e, i)"
        " ON r.connection = a.c AND r.entity = a.e AND r.id = a.i"
        " WHERE r.workspace = %(ws)s AND r.role <> 'not_ours'",
        connections=[ref.connection for ref in refs],
        entities=[ref.entity for ref in refs],
        ids=[ref.id for ref in refs],
    )
    return {ExternalRef(row[0], row[1], row[2]): row[3] for row in rows}


def of_merged_accounts(tx: Tx, connection: str, keys: Sequence[str]) -> dict[str, list[str]]:
    """
    Further customers of the books, by place: those of accounts that were merged into the place's.
    What was booked on them is owed by the same account, whatever became of their record.
    """
    found: dict[str, list[str]] = {}
    for row in tx.rows(
        "SELECT s.alias_of, r.id FROM slot s JOIN ref r ON r.workspace = s.workspace"
        " AND r.key13 = s.key13 AND r.connection = %(connection)s AND r.entity = 'customer'"
        " AND r.role = 'copy' WHERE s.workspace = %(ws)s AND s.alias_of = ANY(%(keys)s)"
        " AND NOT EXISTS (SELECT 1 FROM ref o WHERE o.workspace = r.workspace"
        " AND o.connection = r.connection AND o.entity = r.entity AND o.id = r.id"
        " AND o.role = 'current') ORDER BY s.alias_of, r.id",
        connection=connection,
        keys=list(keys),
    ):
        found.setdefault(row[0], []).append(row[1])
    return found


def said_not_ours(
    tx: Tx, connection: str, entities: Mapping[str, str]
) -> dict[str, list[ExternalRef]]:
    """
    Records of which a person said that they are not those of these places, by place. ``entities``:
    what each place holds.
    """
    found: dict[str, list[ExternalRef]] = {}
    for subject, refs in tx.rows(
        "SELECT subject, refs::text FROM verdict WHERE workspace = %(ws)s"
        " AND verdict = 'not_ours' AND subject = ANY(%(subjects)s) ORDER BY seq",
        subjects=[f"slot:{key}" for key in entities],
    ):
        key = subject.removeprefix("slot:")
        found.setdefault(key, []).extend(
            ExternalRef(connection, entities[key], str(one)) for one in codec.decode_loose(refs)
        )
    return found


def another_sale(tx: Tx, key13: str, record: Record) -> bool:
    """
    Whether a document is for another customer and over another amount than the place's was: then
    its key alone does not make it the place's. People use a document as the template of the next.
    One of the two alone is an edit of finance's.
    """
    link = slot_store.links(tx, [key13]).get(key13)
    before = link.shown or link.wanted if link is not None else None
    if not isinstance(record, Document) or not isinstance(before, Document):
        return False
    if record.totals is None or before.totals is None or record.customer is None:
        return False
    if before.customer is None or record.totals.net == before.totals.net:
        return False
    return record.customer not in lineage(tx, before.customer)
