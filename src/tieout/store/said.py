"""What people said of customers and documents, as decisions read it: the newest word counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tieout.core.conflict import Choice
from tieout.core.mapping.fields import Owner
from tieout.store import codec
from tieout.store.database import Tx

Said = tuple[str, tuple[str, ...]]
NOTHING: Said = ("", ())


def customer_verdicts(
    tx: Tx, crm: str, connection: str, source_ids: Sequence[str]
) -> dict[str, Said]:
    """
    A person's newest word on a CRM customer: ('is', its id in the books), or ('new', ids of those
    that it could have been when that was said).

    Where nobody spoke of it, what was said of one that was merged into it counts; and a customer
    of the books that was merged since is the one that it became.
    """
    if not source_ids:
        return {}
    became = _merged_into(tx, crm, source_ids)
    words = _words(tx, connection, [*source_ids, *became])
    found = {source: words[source] for source in source_ids if source in words}
    for loser, winner in became.items():
        said = words.get(loser, NOTHING)
        if said[0] == "is" and winner not in found:
            found[winner] = said
    named = {ref for word, refs in found.values() if word == "is" for ref in refs}
    ends = _ends(tx, connection, sorted(named))
    return {
        source: (word, tuple(ends.get(ref, ref) for ref in refs) if word == "is" else refs)
        for source, (word, refs) in found.items()
    }


def could_be(tx: Tx, crm: str, connection: str, source_id: str) -> list[str]:
    """
    Who in the books this customer of the CRM could be now: a word that it is new is about these,
    and about nobody who comes later. One id that is none where there is nobody, since a word that
    was kept without any is about all.
    """
    rows = tx.rows(
        "SELECT b.id FROM mirror c JOIN mirror b ON b.workspace = c.workspace"
        " AND b.connection = %(connection)s AND b.entity = 'customer' AND b.gone_at IS NULL"
        " AND ((c.org_number <> '' AND b.org_number = c.org_number)"
        " OR (c.vat_number <> '' AND b.vat_number = c.vat_number)"
        " OR (c.name_folded <> '' AND c.postcode <> '' AND b.name_folded = c.name_folded"
        " AND b.postcode = c.postcode)) WHERE c.workspace = %(ws)s AND c.connection = %(crm)s"
        " AND c.entity = 'customer' AND c.id = %(source)s ORDER BY b.id",
        crm=crm,
        connection=connection,
        source=source_id,
    )
    return [str(row[0]) for row in rows] or [""]


def _words(tx: Tx, connection: str, sources: Iterable[str]) -> dict[str, Said]:
    subjects = {f"customer:{connection}:{source}": source for source in sources}
    found: dict[str, Said] = {}
    for row in tx.rows(
        "SELECT DISTINCT ON (subject) subject, verdict, refs::text FROM verdict"
        " WHERE workspace = %(ws)s AND subject = ANY(%(subjects)s) ORDER BY subject, seq DESC",
        subjects=sorted(subjects),
    ):
        refs = codec.decode_loose(row[2])
        found[subjects[row[0]]] = (row[1], tuple(str(ref) for ref in refs))
    return found


def _merged_into(tx: Tx, crm: str, winners: Sequence[str]) -> dict[str, str]:
    """Customers that were merged into these, at once or by way of others: loser → winner."""
    found: dict[str, str] = {}
    into = {winner: winner for winner in winners}
    while into:
        rows = tx.rows(
            "SELECT id, merged_into FROM mirror WHERE workspace = %(ws)s"
            " AND connection = %(crm)s AND entity = 'customer' AND gone_at IS NOT NULL"
            " AND merged_into = ANY(%(into)s) ORDER BY gone_at DESC, id",
            crm=crm,
            into=sorted(into),
        )
        into = {row[0]: into[row[1]] for row in rows if row[0] not in found}
        found |= into
    return found


def _ends(tx: Tx, connection: str, ids: Sequence[str]) -> dict[str, str]:
    """Those of these customers that were merged, with what they became."""
    if not ids:
        return {}
    rows = tx.rows(
        "SELECT id FROM mirror WHERE workspace = %(ws)s AND connection = %(connection)s"
        " AND entity = 'customer' AND id = ANY(%(ids)s) AND gone_at IS NOT NULL"
        " AND merged_into IS NOT NULL",
        connection=connection,
        ids=list(ids),
    )
    return {row[0]: end_of_chain(tx, connection, row[0]) for row in rows}


def end_of_chain(tx: Tx, connection: str, customer_id: str) -> str:
    """What a customer became by merges, itself where it was not merged."""
    seen = {customer_id}
    while True:
        row = tx.row(
            "SELECT merged_into FROM mirror WHERE workspace = %(ws)s"
            " AND connection = %(connection)s AND entity = 'customer' AND id = %(id)s"
            " AND gone_at IS NOT NULL",
            connection=connection,
            id=customer_id,
        )
        if row is None or row[0] is None or row[0] in seen:
            return customer_id
        customer_id = row[0]
        seen.add(customer_id)


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
