"""What people said of customers and documents, as decisions read it: the newest word counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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


def pair_subject(connection: str, source: str, target: str) -> str:
    """
    What a word about two records is stored under: a customer of the CRM or the place of a billing
    step, and a record of the books.
    """
    return f"pair:{connection}:{source}:{target}"


def told_apart(tx: Tx, connection: str, pairs: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of the pairs (source, target) of which a person said last that they are not one."""
    subjects = {pair_subject(connection, *pair): pair for pair in pairs}
    if not subjects:
        return set()
    return {
        subjects[row[0]]
        for row in tx.rows(
            "SELECT DISTINCT ON (subject) subject, verdict FROM verdict"
            " WHERE workspace = %(ws)s AND subject = ANY(%(subjects)s)"
            " ORDER BY subject, seq DESC",
            subjects=sorted(subjects),
        )
        if row[1] == "different"
    }
