"""Who a customer was and became, and whether what carries a key is still the sale that it names."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from tieout.core.case import RefRole
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


def not_this_ones(
    tx: Tx, connection: str, keys: Sequence[str], first: datetime
) -> dict[str, list[tuple[ExternalRef, str]]]:
    """
    Documents that cannot be the one that a look is after, by place: what another place got since
    these were sent, and what a person said is not theirs. Two deals of one customer that are
    unclear at once would else have each other's document for a candidate for ever.
    """
    found: dict[str, list[tuple[ExternalRef, str]]] = {key: [] for key in keys}
    # The day before: the refs' times are those of our clock.
    for key, row_id in tx.rows(
        "SELECT key13, id FROM ref WHERE workspace = %(ws)s AND connection = %(connection)s"
        " AND entity = 'document' AND role <> 'not_ours' AND since >= %(first)s ORDER BY id",
        connection=connection,
        first=first - timedelta(days=1),
    ):
        for place in found:
            if place != key:
                found[place].append((ExternalRef(connection, "document", row_id), "taken"))
    for subject, refs in tx.rows(
        "SELECT subject, refs::text FROM verdict WHERE workspace = %(ws)s"
        " AND verdict = 'not_ours' AND subject = ANY(%(subjects)s) ORDER BY seq",
        subjects=[f"slot:{key}" for key in keys],
    ):
        found[subject.removeprefix("slot:")] += [
            (ExternalRef(connection, "document", str(one)), RefRole.NOT_OURS)
            for one in codec.decode_loose(refs)
        ]
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
