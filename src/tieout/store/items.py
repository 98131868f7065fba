"""Products of the CRM and items of the books side by side, as both were last read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tieout.core.model import Item, Price
from tieout.store import codec
from tieout.store.database import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemFound:
    """
    One item of the books, or one product of the CRM that shows none of them.

    ``crm_id`` is the product that shows it, '' for none; ``reason`` and ``message`` are what
    became of it in the items flow, '' where that never decided it.
    """

    connection: str
    id: str
    number: str
    name: str
    active: bool
    gone: bool = False
    crm_id: str = ""
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceFound:
    """One price of the books; ``item`` None where they have no such item (any more)."""

    connection: str
    price: Price
    item: Item | None


def items_of_books(tx: Tx, bridge: str, books: Sequence[str]) -> list[ItemFound]:
    """Every item that the books have, or had while it was shown."""
    return [
        ItemFound(
            connection=row[0],
            id=row[1],
            number=row[2] or "",
            name=row[3] or "",
            active=bool(row[4]),
            gone=bool(row[5]),
            crm_id=row[6] or "",
            reason=row[7] or "",
            message=row[8] or "",
        )
        for row in tx.rows(
            "SELECT m.connection, m.id, m.number, m.record->>'name',"
            " coalesce((m.record->>'active')::boolean, true), m.gone_at IS NOT NULL, r.id,"
            " o.reason, o.message FROM mirror m LEFT JOIN outcome o ON o.workspace = m.workspace"
            " AND o.lane = %(bridge)s || '/items/' || m.connection AND o.source_id = m.id"
            " LEFT JOIN ref r ON r.workspace = o.workspace AND r.key13 = o.key13"
            " AND r.role = 'current' WHERE m.workspace = %(ws)s AND m.entity = 'item'"
            " AND m.connection = ANY(%(books)s) AND (m.gone_at IS NULL OR r.id IS NOT NULL)"
            " ORDER BY m.number, m.connection, m.id",
            bridge=bridge,
            books=list(books),
        )
    ]


def prices_of_books(tx: Tx, books: Sequence[str]) -> list[PriceFound]:
    """Every price of the books with its item, by item, as `tieout.core.pricing` is given them."""
    return [
        PriceFound(
            connection=row[0],
            price=codec.decode(Price, row[1]),
            item=codec.decode(Item, row[2]) if row[2] is not None else None,
        )
        for row in tx.rows(
            "SELECT m.connection, m.record::text, i.record::text FROM mirror m LEFT JOIN mirror i"
            " ON i.workspace = m.workspace AND i.connection = m.connection AND i.entity = 'item'"
            " AND i.gone_at IS NULL AND (i.id = m.parent_id OR (m.parent_id IS NULL"
            " AND m.number <> '' AND i.number = m.number)) WHERE m.workspace = %(ws)s"
            " AND m.entity = 'price' AND m.connection = ANY(%(books)s) AND m.gone_at IS NULL"
            " ORDER BY m.connection, coalesce(i.number, m.number), i.id, m.id",
            books=list(books),
        )
    ]


def products_alone(tx: Tx, crm: str) -> list[ItemFound]:
    """Products of the CRM that show no item of the books."""
    return [
        ItemFound(
            connection=crm, id=row[0], number=row[1] or "", name=row[2] or "", active=bool(row[3])
        )
        for row in tx.rows(
            "SELECT m.id, m.number, m.record->>'name',"
            " coalesce((m.record->>'active')::boolean, true) FROM mirror m"
            " WHERE m.workspace = %(ws)s AND m.connection = %(crm)s AND m.entity = 'item'"
            " AND m.gone_at IS NULL AND NOT EXISTS (SELECT 1 FROM ref r"
            " WHERE r.workspace = m.workspace AND r.connection = m.connection"
            " AND r.entity = 'item' AND r.id = m.id AND r.role = 'current')"
            " ORDER BY m.number, m.id",
            crm=crm,
        )
    ]


def alike_by_name(tx: Tx, crm: str, books: str, limit: int) -> list[tuple[str, ...]]:
    """
    Products and items with one name, alone with it on both sides, where neither has its number on
    the other one: (number, name, number, name).
    """
    return [
        (row[0], row[1], row[2], row[3])
        for row in tx.rows(
            "WITH one AS (SELECT m.connection, coalesce(m.number, '') AS number,"
            " m.record->>'name' AS name, lower(btrim(m.record->>'name')) AS folded,"
            " count(*) OVER (PARTITION BY m.connection, lower(btrim(m.record->>'name'))) AS bear"
            " FROM mirror m WHERE m.workspace = %(ws)s AND m.entity = 'item'"
            " AND m.connection IN (%(crm)s, %(books)s) AND m.gone_at IS NULL"
            " AND coalesce((m.record->>'active')::boolean, true)"
            " AND btrim(coalesce(m.record->>'name', '')) <> '')"
            " SELECT c.number, c.name, b.number, b.name FROM one c JOIN one b"
            " ON b.folded = c.folded AND b.connection = %(books)s AND b.bear = 1"
            " AND b.number <> c.number WHERE c.connection = %(crm)s AND c.bear = 1"
            " AND NOT EXISTS (SELECT 1 FROM one o WHERE o.connection = %(books)s"
            "   AND o.number = c.number AND c.number <> '')"
            " AND NOT EXISTS (SELECT 1 FROM one o WHERE o.connection = %(crm)s"
            "   AND o.number = b.number AND b.number <> '')"
            " ORDER BY c.folded LIMIT %(limit)s",
            crm=crm,
            books=books,
            limit=limit,
        )
    ]


def lines_without_code(tx: Tx, crm: str) -> list[tuple[str, int]]:
    """What stands on lines of deals without any code, by its text, and in how many deals."""
    return [
        (row[0], int(row[1]))
        for row in tx.rows(
            "SELECT coalesce(nullif(line->'item'->>'name', ''), line->>'text'),"
            " count(DISTINCT m.id) FROM mirror m, jsonb_array_elements(m.record->'lines') AS line"
            " WHERE m.workspace = %(ws)s AND m.connection = %(crm)s AND m.entity = 'deal'"
            " AND m.status IN ('open', 'won') AND m.gone_at IS NULL AND line->>'kind' = 'item'"
            " AND coalesce(line->'item'->>'number', '') = '' GROUP BY 1 ORDER BY 2 DESC, 1",
            crm=crm,
        )
        if row[0]
    ]
