"""What matching found, as people read it: counts by key and state, rows with names, duplicates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from tieout.store.database import Tx
from tieout.store.matching import DOCUMENT, KNOWN, SAID, Place, words

CHUNK = 2_000
SHOWN = ("matched", "proposed", "ambiguous")


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """
    Customers of one side: all that are there, and of these how many are linked, decided, matched,
    proposed, ambiguous; ``alone``: nobody over there is like them.
    """

    total: int
    linked: int
    decided: int
    matched: int
    proposed: int
    ambiguous: int

    @property
    def alone(self) -> int:
        return self.total - (
            self.linked + self.decided + self.matched + self.proposed + self.ambiguous
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicates:
    """Customers of one side that bear the same: by number or name, in one post code or several."""

    side: str
    key: str
    value: str
    names: tuple[str, ...]
    ids: tuple[str, ...]
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two records that could belong together, by what people call them."""

    entity: str
    source_id: str
    part: int
    target_id: str
    key13: str
    key: str
    score: int
    state: str
    reason: str
    crm_number: str
    crm_name: str
    crm_place: str
    books_number: str
    books_name: str
    books_place: str
    net: Decimal | None
    currency: str
    tier: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """
    The report's figures for one company's books. ``keys``: (entity, state, key, pairs);
    ``new``: customers that a person said are new.
    """

    crm: Side
    books: Side
    keys: tuple[tuple[str, str, str, int], ...]
    new: int
    proposed_net: tuple[tuple[str, Decimal], ...]
    loose_documents: int
    deals_without: int
    items: tuple[int, int, int] | None
    read_at: datetime | None


def totals(tx: Tx, place: Place) -> Totals:
    """All figures of the report."""
    keys = tuple(
        (row[0], row[1], row[2], int(row[3]))
        for row in tx.rows(
            "SELECT entity, state, key, count(*) FROM match_pair WHERE workspace = %(ws)s"
            " AND bridge = %(bridge)s AND books = %(books)s AND entity IN ('customer', 'document',"
            " 'contact') GROUP BY entity, state, key ORDER BY entity, state, key",
            **place.values(),
        )
    )
    return Totals(
        crm=_side(tx, place, place.crm, "source_id"),
        books=_side(tx, place, place.books, "target_id"),
        keys=keys,
        new=_new(tx, place),
        proposed_net=tuple(
            (row[0], row[1])
            for row in tx.rows(
                "SELECT m.currency, sum(m.net) FROM match_pair p JOIN mirror m"
                " ON m.workspace = p.workspace AND m.connection = p.books"
                " AND m.entity = 'document' AND m.id = p.target_id WHERE p.workspace = %(ws)s"
                " AND p.bridge = %(bridge)s AND p.books = %(books)s AND p.entity = 'document'"
                " AND p.state = 'proposed' GROUP BY m.currency ORDER BY m.currency",
                **place.values(),
            )
        ),
        loose_documents=_count(
            tx,
            "SELECT count(*) FROM mirror m WHERE m.workspace = %(ws)s AND m.connection = %(books)s"
            " AND m.entity = 'document' AND m.kind IN ('draft', 'invoice') AND m.gone_at IS NULL"
            " AND m.carried_key13 IS NULL AND m.status NOT IN ('cancelled', 'credited')"
            " AND NOT EXISTS (SELECT 1 FROM ref r WHERE r.workspace = m.workspace"
            " AND r.connection = m.connection AND r.entity = m.entity"
            " AND r.id IN (m.id, m.parent_id))",
            place,
        ),
        deals_without=_count(
            tx,
            "SELECT count(*) FROM mirror m WHERE m.workspace = %(ws)s AND m.connection = %(crm)s"
            " AND m.entity = 'deal' AND m.status = 'won' AND m.gone_at IS NULL"
            " AND NOT EXISTS (SELECT 1 FROM slot s JOIN ref r ON r.workspace = s.workspace"
            " AND r.key13 = s.key13 AND r.role = 'current' WHERE s.workspace = m.workspace"
            " AND s.bridge = %(bridge)s AND s.kind = 'D' AND s.source_id = m.id)",
            place,
        ),
        items=_items(tx, place),
        read_at=_read_at(tx, place),
    )


def _count(tx: Tx, sql: str, place: Place) -> int:
    row = tx.row(sql, **place.values(), crm=place.crm)
    return int(row[0]) if row else 0


def _new(tx: Tx, place: Place) -> int:
    return _count_words(tx, place, "new")


def _count_words(tx: Tx, place: Place, verdict: str) -> int:
    row = tx.row(
        f"WITH {SAID} SELECT count(*) FROM said WHERE verdict = %(verdict)s"
        " AND starts_with(subject, %(on_customer)s)",
        **words(place),
        verdict=verdict,
    )
    return int(row[0]) if row else 0


def _side(tx: Tx, place: Place, connection: str, column: str) -> Side:
    """One row per customer of that side, with the best that is known of it."""
    known: dict[str, int] = {
        row[0]: int(row[1])
        for row in tx.rows(
            f"SELECT what, count(*) FROM (SELECT p.{column}, CASE"
            " WHEN bool_or(p.entity = %(known)s AND p.state = 'linked') THEN 'linked'"
            " WHEN bool_or(p.entity = %(known)s AND p.state = 'decided') THEN 'decided'"
            " WHEN bool_or(p.state = 'matched') THEN 'matched'"
            " WHEN bool_or(p.state = 'proposed') THEN 'proposed'"
            " WHEN bool_or(p.state = 'ambiguous') THEN 'ambiguous' ELSE '' END AS what"
            " FROM match_pair p JOIN mirror m ON m.workspace = p.workspace"
            " AND m.connection = %(connection)s AND m.entity = 'customer'"
            f" AND m.id = p.{column} AND m.gone_at IS NULL WHERE p.workspace = %(ws)s"
            " AND p.bridge = %(bridge)s AND p.books = %(books)s"
            f" AND p.entity IN ('customer', %(known)s) GROUP BY p.{column}) one GROUP BY what",
            **place.values(),
            connection=connection,
            known=KNOWN,
        )
    }
    total = tx.row(
        "SELECT count(*) FROM mirror WHERE workspace = %(ws)s AND connection = %(connection)s"
        " AND entity = 'customer' AND gone_at IS NULL",
        connection=connection,
    )
    return Side(
        total=int(total[0]) if total else 0,
        linked=known.get("linked", 0),
        decided=known.get("decided", 0),
        matched=known.get("matched", 0),
        proposed=known.get("proposed", 0),
        ambiguous=known.get("ambiguous", 0),
    )


def _items(tx: Tx, place: Place) -> tuple[int, int, int] | None:
    """Items of the CRM, of the books, and those with one number; None where one side has none."""
    row = tx.row(
        "SELECT count(*) FILTER (WHERE c > 0), count(*) FILTER (WHERE b > 0),"
        " count(*) FILTER (WHERE c > 0 AND b > 0) FROM (SELECT number,"
        " count(*) FILTER (WHERE connection = %(crm)s) AS c,"
        " count(*) FILTER (WHERE connection = %(books)s) AS b FROM mirror"
        " WHERE workspace = %(ws)s AND connection IN (%(crm)s, %(books)s) AND entity = 'item'"
        " AND gone_at IS NULL AND number <> '' GROUP BY number) one",
        crm=place.crm,
        books=place.books,
    )
    if row is None or not row[0] or not row[1]:
        return None
    return int(row[0]), int(row[1]), int(row[2])


def _read_at(tx: Tx, place: Place) -> datetime | None:
    row = tx.row(
        "SELECT min(read_at) FROM cursor WHERE workspace = %(ws)s"
        " AND connection IN (%(crm)s, %(books)s) AND entity = 'customer'",
        crm=place.crm,
        books=place.books,
    )
    return row[0] if row else None


# --- rows --------------------

_NAMES = (
    "coalesce(c.number, ''), coalesce(c.record->>'name', c.record->>'title', ''),"
    " coalesce(nullif(concat_ws(' ', nullif(c.postcode, ''),"
    " c.record->'addresses'->0->>'city'), ''), c.day::text,"
    " CASE WHEN p.entity = 'contact' THEN c.email END, ''),"
    " coalesce(b.number, ''), coalesce(b.record->>'name', b.record->>'customer_name', ''),"
    " coalesce(nullif(concat_ws(' ', nullif(b.postcode, ''),"
    " b.record->'addresses'->0->>'city'), ''), b.day::text,"
    " CASE WHEN p.entity = 'contact' THEN b.email END, ''), b.net, coalesce(b.currency, '')"
)


_PAIRS = (
    "SELECT p.source_id, p.part, p.target_id, p.key13, p.key, p.score, p.state, p.reason,"
    f" {_NAMES}, p.tier FROM match_pair p"
    " LEFT JOIN mirror c ON c.workspace = p.workspace AND c.connection = %(crm)s"
    " AND c.entity = %(of_crm)s AND c.id = p.source_id"
    " LEFT JOIN mirror b ON b.workspace = p.workspace AND b.connection = %(books)s"
    " AND b.entity = p.entity AND b.id = p.target_id"
    " WHERE p.workspace = %(ws)s AND p.bridge = %(bridge)s AND p.books = %(books)s"
    " AND p.entity = %(entity)s AND p.state = ANY(%(states)s)"
)


def _pairs(
    tx: Tx, place: Place, entity: str, states: Sequence[str], ending: str, **values: Any
) -> list[Pair]:
    return [
        _pair(entity, row)
        for row in tx.rows(
            f"{_PAIRS} {ending}",
            **place.values(),
            crm=place.crm,
            entity=entity,
            of_crm="deal" if entity == DOCUMENT else entity,
            states=list(states),
            **values,
        )
    ]


def best(tx: Tx, place: Place, entity: str, states: Sequence[str], limit: int) -> list[Pair]:
    """Pairs in these states, the highest score first."""
    ending = "ORDER BY p.score DESC, p.source_id, p.part, p.target_id LIMIT %(limit)s"
    return _pairs(tx, place, entity, states, ending, limit=limit)


def of_source(tx: Tx, place: Place, entity: str, source_id: str) -> list[Pair]:
    """All pairs of one customer of the CRM or one deal, the highest score first."""
    ending = "AND p.source_id = %(source)s ORDER BY p.score DESC, p.part, p.target_id LIMIT 100"
    states = (*SHOWN, "weaker", "refused", "decided", "taken")
    return _pairs(tx, place, entity, states, ending, source=source_id)


def all_pairs(
    tx: Tx, place: Place, entity: str, states: Sequence[str], behind: Pair | None = None
) -> Iterator[Pair]:
    """Every pair in these states by the ids of both ends, behind that one, in pieces."""
    ending = (
        "AND (p.source_id, p.part, p.target_id) > (%(source)s, %(part)s, %(target)s)"
        " ORDER BY p.source_id, p.part, p.target_id LIMIT %(limit)s"
    )
    after = (behind.source_id, behind.part, behind.target_id) if behind else ("", -1, "")
    while rows := _pairs(
        tx,
        place,
        entity,
        states,
        ending,
        source=after[0],
        part=after[1],
        target=after[2],
        limit=CHUNK,
    ):
        yield from rows
        after = (rows[-1].source_id, rows[-1].part, rows[-1].target_id)


def _pair(entity: str, row: Sequence[Any]) -> Pair:
    return Pair(
        entity=entity,
        source_id=row[0],
        part=row[1],
        target_id=row[2],
        key13=row[3],
        key=row[4],
        score=row[5],
        state=row[6],
        reason=row[7],
        crm_number=row[8],
        crm_name=row[9],
        crm_place=row[10],
        books_number=row[11],
        books_name=row[12],
        books_place=row[13],
        net=row[14] if entity == DOCUMENT else None,
        currency=row[15] if entity == DOCUMENT else "",
        tier=row[16],
    )


def named(tx: Tx, place: Place, word: str, kind: str = "") -> list[tuple[str, str]]:
    """
    Customers, persons and deals of the CRM that a word names, by id, number, name, title or
    address in any case: (entity of their pairs, id). ``kind`` 'customer', 'contact' or 'deal'
    looks at these only.
    """
    return [
        (DOCUMENT if row[0] == "deal" else row[0], row[1])
        for row in tx.rows(
            "SELECT entity, id FROM mirror WHERE workspace = %(ws)s AND connection = %(crm)s"
            " AND entity = ANY(%(kinds)s) AND gone_at IS NULL AND (id = %(word)s"
            " OR split_part(id, ':', 2) = %(word)s OR lower(number) = lower(%(word)s)"
            " OR (entity = 'contact' AND email = lower(%(word)s))"
            " OR lower(coalesce(record->>'name', record->>'title')) = lower(%(word)s))"
            " ORDER BY entity, id LIMIT 20",
            crm=place.crm,
            word=word,
            kinds=[kind] if kind else ["contact", "customer", "deal"],
        )
    ]


def only_there(tx: Tx, place: Place, connection: str, after: str, limit: int) -> list[Any]:
    """The next customers of one side whom nobody is like: (id, number, name, place)."""
    column = "source_id" if connection == place.crm else "target_id"
    return list(
        tx.rows(
            f"WITH {SAID} SELECT m.id, m.number, m.record->>'name',"
            " concat_ws(' ', nullif(m.postcode, ''), m.record->'addresses'->0->>'city')"
            " FROM mirror m WHERE m.workspace = %(ws)s AND m.connection = %(connection)s"
            " AND m.entity = 'customer' AND m.gone_at IS NULL AND m.id > %(after)s"
            " AND NOT EXISTS (SELECT 1 FROM match_pair p WHERE p.workspace = m.workspace"
            f" AND p.bridge = %(bridge)s AND p.books = %(books)s AND p.{column} = m.id"
            " AND (p.entity = 'known' OR (p.entity = 'customer'"
            " AND p.state IN ('matched', 'proposed', 'ambiguous'))))"
            " AND NOT EXISTS (SELECT 1 FROM said WHERE subject = %(on_customer)s || m.id"
            " AND verdict = 'new' AND %(connection)s = %(crm)s)"
            " ORDER BY m.id LIMIT %(limit)s",
            **place.values(),
            **words(place),
            crm=place.crm,
            connection=connection,
            after=after,
            limit=limit,
        )
    )


# --- duplicates --------------------


def duplicates(tx: Tx, place: Place, limit: int) -> list[Duplicates]:
    """
    Customers of one side that could be one: the same number in one post code, or the same name
    there without two numbers. The largest first, of each side and key so many at most.
    """
    found = []
    for side in (place.crm, place.books):
        for key, of, where in (
            ("company_number", "org_number || ' ' || postcode", "org_number <> ''"),
            ("vat_number", "vat_number || ' ' || postcode", "vat_number <> '' AND org_number = ''"),
            (
                "name_postcode",
                "name_folded || ' ' || postcode",
                "name_folded <> '' AND postcode <> ''",
            ),
        ):
            one_number = (
                " AND count(DISTINCT nullif(org_number, '')) < 2 AND count(*)"
                " > count(nullif(org_number, ''))"
                if key == "name_postcode"
                else ""
            )
            for row in tx.rows(
                f"SELECT {of}, count(*), (array_agg(id ORDER BY id))[1:5],"
                " (array_agg(coalesce(nullif(number, '') || ' ', '') || (record->>'name')"
                " ORDER BY id))[1:5] FROM mirror WHERE workspace = %(ws)s"
                " AND connection = %(side)s AND entity = 'customer' AND gone_at IS NULL"
                f" AND {where} GROUP BY {of} HAVING count(*) > 1{one_number}"
                " ORDER BY count(*) DESC, 1 LIMIT %(limit)s",
                side=side,
                limit=limit,
            ):
                found.append(
                    Duplicates(
                        side=side,
                        key=key,
                        value=row[0].strip(),
                        count=int(row[1]),
                        ids=tuple(row[2]),
                        names=tuple(row[3]),
                    )
                )
    return found
