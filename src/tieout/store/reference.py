"""Codes of the books, and what the CRM says where they are looked up: all that was last read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tieout.core.model import Code, Customer, Deal, Entity
from tieout.store import codec
from tieout.store.database import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeSeen:
    """A code of one company's books; ``gone``: it is not there any more."""

    connection: str
    code: Code
    gone: bool


def codes_of(tx: Tx, books: Sequence[str], kinds: Sequence[str] = ()) -> list[CodeSeen]:
    """Every code that was read, of these kinds or of all, by books, kind and code."""
    return [
        CodeSeen(connection=row[0], code=codec.decode(Code, row[1]), gone=bool(row[2]))
        for row in tx.rows(
            "SELECT connection, record::text, gone_at IS NOT NULL FROM mirror"
            " WHERE workspace = %(ws)s AND entity = 'code' AND connection = ANY(%(books)s)"
            " AND (%(all)s OR kind = ANY(%(kinds)s)) ORDER BY connection, kind, number, id",
            books=list(books),
            kinds=list(kinds),
            all=not kinds,
        )
    ]


def customers_after(tx: Tx, crm: str, after: str, limit: int) -> list[tuple[str, Customer]]:
    """The next customers of the CRM by id."""
    return [
        (row[0], codec.decode(Customer, row[1]))
        for row in _after(tx, crm, Entity.CUSTOMER, after, limit)
    ]


def deals_after(tx: Tx, crm: str, after: str, limit: int) -> list[tuple[str, Deal]]:
    """The next open or won deals of the CRM by id."""
    return [
        (row[0], codec.decode(Deal, row[1])) for row in _after(tx, crm, Entity.DEAL, after, limit)
    ]


def customers_by_id(tx: Tx, crm: str, ids: Sequence[str]) -> dict[str, Customer]:
    """These customers of the CRM, those that are there."""
    return {
        row[0]: codec.decode(Customer, row[1])
        for row in tx.rows(
            "SELECT id, record::text FROM mirror WHERE workspace = %(ws)s"
            " AND connection = %(crm)s AND entity = 'customer' AND id = ANY(%(ids)s)",
            crm=crm,
            ids=list(ids),
        )
    }


def _after(tx: Tx, crm: str, entity: Entity, after: str, limit: int) -> list[tuple[str, str]]:
    return [
        (row[0], row[1])
        for row in tx.rows(
            "SELECT id, record::text FROM mirror WHERE workspace = %(ws)s"
            " AND connection = %(crm)s AND entity = %(entity)s AND gone_at IS NULL"
            " AND id > %(after)s AND (entity <> 'deal' OR status IN ('open', 'won'))"
            " ORDER BY id LIMIT %(limit)s",
            crm=crm,
            entity=str(entity),
            after=after,
            limit=limit,
        )
    ]
