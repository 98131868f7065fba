"""What people said of customers and documents, as decisions read it: the newest word counts."""

from __future__ import annotations

from collections.abc import Sequence

from tieout.core.conflict import Choice
from tieout.core.mapping.fields import Owner
from tieout.store import codec
from tieout.store.database import Tx


def sides_subject(connection: str, source_id: str) -> str:
    """What a word about conflicting fields of a CRM customer is stored under."""
    return f"sides:{connection}:{source_id}"


def customer_sides(
    tx: Tx, connection: str, source_ids: Sequence[str]
) -> dict[str, tuple[Choice, ...]]:
    """Which side people chose for fields of these CRM customers, and over which values."""
    if not source_ids:
        return {}
    subjects = {sides_subject(connection, source): source for source in source_ids}
    return {
        subjects[row[0]]: tuple(
            Choice(field=field, side=Owner(side), crm=crm, books=books)
            for field, side, crm, books in codec.decode_loose(row[1])
        )
        for row in tx.rows(
            "SELECT DISTINCT ON (subject) subject, refs::text FROM verdict"
            " WHERE workspace = %(ws)s AND subject = ANY(%(subjects)s)"
            " ORDER BY subject, seq DESC",
            subjects=sorted(subjects),
        )
    }
