"""
What matching works with: the mirror in windows, keys of one side, pairs, and how far it came.

Everything is made window by window, each with the position in one transaction, so that a kill at
any moment loses a window at most; it can be made anew at any time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tieout.core.matching.blocks import EXACT_KEYS, MOST_IN_BLOCK
from tieout.core.matching.judge import EXACT, MARGIN, Pairing
from tieout.core.matching.party import Party
from tieout.core.model import Customer, Entity
from tieout.store import codec
from tieout.store.database import Tx

CUSTOMER, DOCUMENT = "customer", "document"
# Customers of which it is clear who they are: their documents are looked at.
KNOWN = "known"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Which matching is meant: one bridge, its CRM, and the books of one company."""

    bridge: str
    crm: str
    books: str

    def values(self) -> dict[str, str]:
        """As parameters of a statement."""
        return {"bridge": self.bridge, "books": self.books}


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far it came: the stage, the last id that was done in it, and over which mirror."""

    stage: str
    position: str
    mark: str
    started_at: datetime
    finished_at: datetime | None


def mirror_mark(tx: Tx, place: Place) -> str:
    """
    Another text whenever a customer, deal, document or person of either side changed in the
    mirror, and whenever a link was made or somebody said something.
    """
    row = tx.row(
        "SELECT count(*), max(seen_at), count(gone_at), max(gone_at) FROM mirror"
        " WHERE workspace = %(ws)s AND connection IN (%(crm)s, %(books)s)"
        " AND entity IN ('customer', 'deal', 'document', 'contact')",
        crm=place.crm,
        books=place.books,
    )
    links = tx.row(
        "SELECT count(*), max(since) FROM ref WHERE workspace = %(ws)s"
        " AND connection IN (%(crm)s, %(books)s)"
        " AND entity IN ('customer', 'document', 'contact')",
        crm=place.crm,
        books=place.books,
    )
    words = tx.row("SELECT max(seq) FROM verdict WHERE workspace = %(ws)s")
    return " ".join(str(value) for found in (row, links, words) for value in found or ())


def customers_mark(tx: Tx, place: Place) -> str:
    """Another text whenever a customer of either side changed: what pairs of customers rest on."""
    row = tx.row(
        "SELECT count(*), max(seen_at), count(gone_at), max(gone_at) FROM mirror"
        " WHERE workspace = %(ws)s AND connection IN (%(crm)s, %(books)s)"
        " AND entity = 'customer'",
        crm=place.crm,
        books=place.books,
    )
    return " ".join(str(value) for value in row or ())


# --- how far it came --------------------


def progress(tx: Tx, place: Place) -> Progress | None:
    """How far the matching came, None where there was none yet."""
    row = tx.row(
        "SELECT stage, position, mark, started_at, finished_at FROM match_run"
        " WHERE workspace = %(ws)s AND bridge = %(bridge)s AND books = %(books)s",
        **place.values(),
    )
    if row is None:
        return None
    return Progress(
        stage=row[0], position=row[1], mark=row[2], started_at=row[3], finished_at=row[4]
    )


def begin(tx: Tx, place: Place, stage: str, mark: str, who: str, now: datetime) -> None:
    """It begins at this stage; what earlier ones found over the same customers is kept."""
    if stage == "keys":
        for table in ("match_key", "match_party", "match_pair"):
            _clear(tx, place, table)
    else:
        _clear(tx, place, "match_pair", f" AND entity IN ('{DOCUMENT}', '{KNOWN}', 'contact')")
        _classify(tx, place)
        _know(tx, place)
    tx.run(
        "INSERT INTO match_run (workspace, bridge, books, stage, position, mark, who, started_at)"
        " VALUES (%(ws)s, %(bridge)s, %(books)s, %(stage)s, '', %(mark)s, %(who)s, %(now)s)"
        " ON CONFLICT (workspace, bridge, books) DO UPDATE SET stage = excluded.stage,"
        " position = '', mark = excluded.mark, who = excluded.who,"
        " started_at = excluded.started_at, finished_at = NULL",
        **place.values(),
        stage=stage,
        mark=mark,
        who=who,
        now=now,
    )


def _clear(tx: Tx, place: Place, table: str, more: str = "") -> None:
    tx.run(
        f"DELETE FROM {table} WHERE workspace = %(ws)s AND bridge = %(bridge)s"
        f" AND books = %(books)s{more}",
        **place.values(),
    )


def move(tx: Tx, place: Place, stage: str, position: str, finished: datetime | None = None) -> None:
    """It has come so far."""
    tx.run(
        "UPDATE match_run SET stage = %(stage)s, position = %(position)s,"
        " finished_at = %(finished)s WHERE workspace = %(ws)s AND bridge = %(bridge)s"
        " AND books = %(books)s",
        **place.values(),
        stage=stage,
        position=position,
        finished=finished,
    )


# --- customers in windows --------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerRow:
    """A customer of the mirror with its columns for matching."""

    id: str
    record: Customer
    postcode: str
    carried: str


def customers(tx: Tx, connection: str, after: str, limit: int) -> list[CustomerRow]:
    """The next customers of a side that are there, by id."""
    found = []
    for row in tx.rows(
        "SELECT id, record::text, postcode, coalesce(carried_key13, '') FROM mirror"
        " WHERE workspace = %(ws)s AND connection = %(connection)s AND entity = 'customer'"
        " AND id > %(after)s AND gone_at IS NULL ORDER BY id LIMIT %(limit)s",
        connection=connection,
        after=after,
        limit=limit,
    ):
        record = codec.decode_record(Entity.CUSTOMER, row[1])
        assert isinstance(record, Customer)
        found.append(CustomerRow(id=row[0], record=record, postcode=row[2], carried=row[3]))
    return found


def put_parties(tx: Tx, place: Place, parties: Sequence[tuple[Party, Sequence[str]]]) -> None:
    """Customers of the books with the keys under which they are looked up."""
    tx.bulk(
        "INSERT INTO match_party (workspace, bridge, books, id, party) SELECT %(ws)s,"
        " %(bridge)s, %(books)s, r.id, r.party FROM {rows} ON CONFLICT DO NOTHING",
        "id text, party text",
        ({"id": party.id, "party": codec.encode_text(party)} for party, _ in parties),
        **place.values(),
    )
    tx.bulk(
        "INSERT INTO match_key (workspace, bridge, books, key, id) SELECT %(ws)s, %(bridge)s,"
        " %(books)s, r.key, r.id FROM {rows} ON CONFLICT DO NOTHING",
        "key text, id text",
        ({"key": key, "id": party.id} for party, keys in parties for key in keys),
        **place.values(),
    )


def drop_large_blocks(tx: Tx, place: Place) -> int:
    """Keys that too many share tell nobody apart; those that name somebody stay. How many went."""
    return tx.run(
        "DELETE FROM match_key k USING (SELECT key FROM match_key WHERE workspace = %(ws)s"
        " AND bridge = %(bridge)s AND books = %(books)s AND NOT (left(key, 2) = ANY(%(exact)s))"
        " GROUP BY key HAVING count(*) > %(most)s) large WHERE k.workspace = %(ws)s"
        " AND k.bridge = %(bridge)s AND k.books = %(books)s AND k.key = large.key",
        **place.values(),
        exact=list(EXACT_KEYS),
        most=MOST_IN_BLOCK,
    )


def ids_by_key(tx: Tx, place: Place, keys: Sequence[str]) -> dict[str, list[str]]:
    """Customers of the books by the keys that they share with somebody."""
    found: dict[str, list[str]] = {}
    for key, party_id in tx.rows(
        "SELECT key, id FROM match_key WHERE workspace = %(ws)s AND bridge = %(bridge)s"
        " AND books = %(books)s AND key = ANY(%(keys)s) ORDER BY key, id",
        **place.values(),
        keys=list(keys),
    ):
        found.setdefault(key, []).append(party_id)
    return found


def parties(tx: Tx, place: Place, ids: Iterable[str]) -> dict[str, Party]:
    """Customers of the books as matching sees them."""
    return {
        row[0]: codec.decode(Party, row[1])
        for row in tx.rows(
            "SELECT id, party FROM match_party WHERE workspace = %(ws)s"
            " AND bridge = %(bridge)s AND books = %(books)s AND id = ANY(%(ids)s) ORDER BY id",
            **place.values(),
            ids=list(ids),
        )
    }


# --- pairs --------------------


def put_pairs(tx: Tx, place: Place, pairs: Iterable[Pairing]) -> None:
    """Pairs of customers, not told apart yet."""
    _put(
        tx,
        place,
        CUSTOMER,
        (
            {
                "source": pair.left,
                "part": 0,
                "target": pair.right,
                "key13": "",
                "key": pair.key,
                "tier": pair.tier,
                "score": pair.score,
                "state": "",
                "reason": pair.reason,
            }
            for pair in pairs
        ),
    )


def put_documents(tx: Tx, place: Place, rows: Iterable[Mapping[str, Any]]) -> None:
    """Documents that could be a step's, with the step's place."""
    _put(tx, place, DOCUMENT, rows)


def _put(tx: Tx, place: Place, entity: str, rows: Iterable[Mapping[str, Any]]) -> None:
    tx.bulk(
        "INSERT INTO match_pair (workspace, bridge, books, entity, source_id, part, target_id,"
        " key13, key, tier, score, state, reason) SELECT %(ws)s, %(bridge)s, %(books)s,"
        " %(entity)s, r.source, r.part, r.target, r.key13, r.key, r.tier, r.score, r.state,"
        " r.reason FROM {rows} ON CONFLICT DO NOTHING",
        "source text, part integer, target text, key13 text, key text, tier integer,"
        " score integer, state text, reason text",
        rows,
        **place.values(),
        entity=entity,
    )


# The newest word of a person on each customer of the CRM, and on each pair.
SAID = (
    "said AS MATERIALIZED (SELECT DISTINCT ON (subject) subject, verdict, refs->>0 AS chosen"
    " FROM verdict WHERE workspace = %(ws)s AND (starts_with(subject, %(on_customer)s)"
    " OR starts_with(subject, %(on_pair)s)) ORDER BY subject, seq DESC)"
)
# Customers of the CRM with their record in these books.
LINKED = (
    "linked AS MATERIALIZED (SELECT s.source_id, r.id, r.found_by FROM slot s JOIN ref r"
    " ON r.workspace = s.workspace AND r.key13 = coalesce(s.alias_of, s.key13)"
    " AND r.role = 'current' WHERE s.workspace = %(ws)s AND s.kind = 'C'"
    " AND s.bridge = %(bridge)s AND s.connection = %(books)s)"
)


def words(place: Place) -> dict[str, str]:
    """How the subjects of words begin, as parameters."""
    return {"on_customer": f"customer:{place.books}:", "on_pair": f"pair:{place.books}:"}


def _classify(tx: Tx, place: Place) -> None:
    """
    What each pair of customers comes to: `matched`, `proposed`, `ambiguous`, or not shown
    (`weaker`, `refused`, `decided`, `taken`). It depends on all pairs of both ends, never on
    their order.
    """
    tx.run(
        f"WITH {SAID}, {LINKED},"
        " p AS (SELECT m.source_id, m.target_id, m.tier, m.score,"
        "   CASE WHEN lc.source_id IS NOT NULL OR lb.id IS NOT NULL THEN 'taken'"
        "     WHEN c.verdict = 'is' AND c.chosen = m.target_id THEN 'decided'"
        "     WHEN c.subject IS NOT NULL OR t.chosen IS NOT NULL THEN 'taken'"
        "     WHEN d.subject IS NOT NULL THEN 'refused' ELSE '' END AS out"
        "   FROM match_pair m"
        "   LEFT JOIN said c ON c.subject = %(on_customer)s || m.source_id"
        "     AND c.verdict IN ('is', 'new')"
        "   LEFT JOIN said d ON d.subject = %(on_pair)s || m.source_id || ':' || m.target_id"
        "     AND d.verdict = 'different'"
        "   LEFT JOIN (SELECT DISTINCT chosen FROM said WHERE verdict = 'is') t"
        "     ON t.chosen = m.target_id"
        "   LEFT JOIN (SELECT DISTINCT source_id FROM linked) lc ON lc.source_id = m.source_id"
        "   LEFT JOIN (SELECT DISTINCT id FROM linked) lb ON lb.id = m.target_id"
        "   WHERE m.workspace = %(ws)s AND m.bridge = %(bridge)s AND m.books = %(books)s"
        "   AND m.entity = 'customer'),"
        " ends AS (SELECT source_id, target_id, tier, score, max(tier) OVER c AS ctop,"
        "   max(tier) OVER b AS btop, max(score) OVER c AS cbest, max(score) OVER b AS bbest,"
        "   count(*) FILTER (WHERE tier > 0) OVER c AS cnumbers,"
        "   count(*) FILTER (WHERE tier > 0) OVER b AS bnumbers FROM p WHERE out = ''"
        "   WINDOW c AS (PARTITION BY source_id), b AS (PARTITION BY target_id)),"
        " near AS (SELECT *, count(*) FILTER (WHERE tier = ctop) OVER c AS catop,"
        "   count(*) FILTER (WHERE tier = btop) OVER b AS batop,"
        "   count(*) FILTER (WHERE score >= cbest - %(margin)s) OVER c AS cnear,"
        "   count(*) FILTER (WHERE score >= bbest - %(margin)s) OVER b AS bnear FROM ends"
        "   WINDOW c AS (PARTITION BY source_id), b AS (PARTITION BY target_id)),"
        " told AS (SELECT source_id, target_id, CASE"
        "   WHEN tier >= %(exact)s AND tier < greatest(ctop, btop) THEN 'weaker'"
        "   WHEN tier >= %(exact)s AND catop = 1 AND batop = 1"
        "     AND (tier > %(exact)s OR (cnumbers = 1 AND bnumbers = 1)) THEN 'matched'"
        "   WHEN tier >= %(exact)s THEN 'ambiguous'"
        "   WHEN greatest(ctop, btop) > %(exact)s"
        "     OR (tier = 0 AND greatest(ctop, btop) = %(exact)s) THEN 'weaker'"
        "   WHEN greatest(ctop, btop) = %(exact)s THEN 'ambiguous'"
        "   WHEN score < cbest - %(margin)s OR score < bbest - %(margin)s THEN 'weaker'"
        "   WHEN cnear = 1 AND bnear = 1 THEN 'proposed' ELSE 'ambiguous' END AS state FROM near"
        "   UNION ALL SELECT source_id, target_id, out FROM p WHERE out <> '')"
        " UPDATE match_pair m SET state = told.state FROM told WHERE m.workspace = %(ws)s"
        " AND m.bridge = %(bridge)s AND m.books = %(books)s AND m.entity = 'customer'"
        " AND m.part = 0 AND m.source_id = told.source_id AND m.target_id = told.target_id"
        " AND m.state <> told.state",
        **place.values(),
        **words(place),
        margin=MARGIN,
        exact=EXACT,
    )


def _know(tx: Tx, place: Place) -> None:
    """
    Notes the customers of the CRM of which it is clear who they are in the books: linked, said by
    a person, or matched by a key that needs nobody.
    """
    tx.run(
        f"WITH {SAID}, {LINKED}, every AS (SELECT source_id, id, found_by, 0 AS rank FROM linked"
        " UNION ALL SELECT substr(subject, length(%(on_customer)s) + 1), chosen, 'person', 1"
        " FROM said WHERE verdict = 'is' AND starts_with(subject, %(on_customer)s)"
        " UNION ALL SELECT source_id, target_id, key, 2 FROM match_pair WHERE workspace = %(ws)s"
        " AND bridge = %(bridge)s AND books = %(books)s AND entity = 'customer'"
        " AND state = 'matched')"
        " INSERT INTO match_pair (workspace, bridge, books, entity, source_id, part, target_id,"
        " key13, key, tier, score, state, reason) SELECT %(ws)s, %(bridge)s, %(books)s, %(known)s,"
        " source_id, 0, id, '', found_by, 0, 100,"
        " CASE rank WHEN 0 THEN 'linked' WHEN 1 THEN 'decided' ELSE 'matched' END, ''"
        " FROM (SELECT DISTINCT ON (source_id) * FROM every ORDER BY source_id, rank, id) one",
        **place.values(),
        **words(place),
        known=KNOWN,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownCustomer:
    """A customer of the books with those of the CRM that it is, and how many deals these have."""

    id: str
    sources: tuple[str, ...]
    deals: int


def known_customers(tx: Tx, place: Place, after: str, limit: int) -> list[KnownCustomer]:
    """The next customers of the books of which it is clear who they are in the CRM, by id."""
    return [
        KnownCustomer(id=row[0], sources=tuple(row[1]), deals=row[2])
        for row in tx.rows(
            "SELECT k.target_id, array_agg(DISTINCT k.source_id), count(d.id) FROM (SELECT"
            " DISTINCT target_id FROM match_pair WHERE workspace = %(ws)s AND bridge = %(bridge)s"
            " AND books = %(books)s AND entity = %(known)s AND target_id > %(after)s"
            " ORDER BY target_id LIMIT %(limit)s) t JOIN match_pair k ON k.workspace = %(ws)s"
            " AND k.bridge = %(bridge)s AND k.books = %(books)s AND k.entity = %(known)s"
            " AND k.target_id = t.target_id LEFT JOIN mirror d ON d.workspace = %(ws)s"
            " AND d.connection = %(crm)s AND d.entity = 'deal' AND d.customer_id = k.source_id"
            " AND d.status <> 'lost' AND d.gone_at IS NULL"
            " GROUP BY k.target_id ORDER BY k.target_id",
            **place.values(),
            crm=place.crm,
            known=KNOWN,
            after=after,
            limit=limit,
        )
    ]


def deals_of(tx: Tx, crm: str, customers: Sequence[str]) -> list[tuple[str, str]]:
    """Deals of these customers that are there and not lost: (id, customer), by id."""
    return [
        (row[0], row[1])
        for row in tx.rows(
            "SELECT id, customer_id FROM mirror WHERE workspace = %(ws)s"
            " AND connection = %(crm)s AND entity = 'deal' AND customer_id = ANY(%(ids)s)"
            " AND status <> 'lost' AND gone_at IS NULL ORDER BY id",
            crm=crm,
            ids=list(customers),
        )
    ]
