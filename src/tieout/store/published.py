"""What the CRM shows of the books: whose a record is over there, and which numbers are taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from tieout.core.model import Entity, ExternalRef, Price
from tieout.store import codec
from tieout.store.database import Tx
from tieout.storing import NumberTaken


def sources_of(tx: Tx, connection: str, entity: Entity, ids: Sequence[str]) -> dict[str, str]:
    """The customer or deal of the CRM that each of these records of the books belongs to."""
    if not ids:
        return {}
    return {
        row[0]: row[1]
        for row in tx.rows(
            # A customer that was merged away in the CRM stands under the one that is left.
            "SELECT r.id, min(w.source_id) FROM ref r JOIN slot s ON s.workspace = r.workspace"
            " AND s.key13 = r.key13 AND s.kind IN ('C', 'D') JOIN slot w"
            " ON w.workspace = s.workspace AND w.key13 = coalesce(s.alias_of, s.key13)"
            " WHERE r.workspace = %(ws)s"
            " AND r.connection = %(connection)s AND r.entity = %(entity)s"
            " AND r.role IN ('current', 'former') AND r.id = ANY(%(ids)s)"
            " GROUP BY r.id ORDER BY r.id",
            connection=connection,
            entity=str(entity),
            ids=list(ids),
        )
    }


def numbers_taken(
    tx: Tx, connection: str, entity: Entity, numbers: Sequence[str]
) -> dict[str, list[NumberTaken]]:
    """Records that are there and bear one of these numbers, by number; linked ones first."""
    found: dict[str, list[NumberTaken]] = {}
    if not numbers:
        return found
    for row in tx.rows(
        "SELECT m.number, m.record::text, r.key13 FROM mirror m LEFT JOIN ref r"
        " ON r.workspace = m.workspace AND r.connection = m.connection AND r.entity = m.entity"
        " AND r.id = m.id WHERE m.workspace = %(ws)s AND m.connection = %(connection)s"
        " AND m.entity = %(entity)s AND m.gone_at IS NULL AND m.number = ANY(%(numbers)s)"
        " ORDER BY m.number, r.key13 NULLS LAST, m.id",
        connection=connection,
        entity=str(entity),
        numbers=list(numbers),
    ):
        found.setdefault(row[0], []).append(
            NumberTaken(record=codec.decode_record(entity, row[1]), linked=row[2] is not None)
        )
    return found


def prices_of(tx: Tx, connection: str, items: Mapping[str, str]) -> dict[str, list[Price]]:
    """
    The prices of these items (number by id) that are there, by item id.

    Books name the item of a price by its id or by its number; a price may come before its item.
    """
    found: dict[str, list[Price]] = {}
    if not items:
        return found
    for row in tx.rows(
        "SELECT w.id, m.record::text FROM unnest(%(ids)s::text[], %(numbers)s::text[])"
        " AS w (id, number) JOIN mirror m ON m.workspace = %(ws)s"
        " AND m.connection = %(connection)s AND m.entity = 'price' AND m.parent_id = w.id"
        " WHERE m.gone_at IS NULL UNION ALL"
        " SELECT w.id, m.record::text FROM unnest(%(ids)s::text[], %(numbers)s::text[])"
        " AS w (id, number) JOIN mirror m ON m.workspace = %(ws)s"
        " AND m.connection = %(connection)s AND m.entity = 'price' AND m.number = w.number"
        " WHERE m.gone_at IS NULL AND m.parent_id IS NULL AND w.number <> '' ORDER BY 1, 2",
        connection=connection,
        ids=list(items),
        numbers=list(items.values()),
    ):
        found.setdefault(row[0], []).append(codec.decode(Price, row[1]))
    return found


def open_deals_with(tx: Tx, connection: str, numbers: Sequence[str]) -> dict[str, list[str]]:
    """The numbers of open deals that have a line with one of these items, by item number."""
    found: dict[str, list[str]] = {}
    if not numbers:
        return found
    for row in tx.rows(
        "SELECT DISTINCT line->'item'->>'number', coalesce(nullif(m.number, ''), m.id)"
        " FROM mirror m, jsonb_array_elements(m.record->'lines') AS line"
        " WHERE m.workspace = %(ws)s AND m.connection = %(connection)s AND m.entity = 'deal'"
        " AND m.status = 'open' AND m.gone_at IS NULL"
        " AND line->'item'->>'number' = ANY(%(numbers)s) ORDER BY 1, 2",
        connection=connection,
        numbers=list(numbers),
    ):
        found.setdefault(row[0], []).append(row[1])
    return found


def wake_for_deals(tx: Tx, lane: str, source_ids: Sequence[str], now: datetime) -> None:
    """Other companies wait until a deal's document is gone here: they are decided anew."""
    _wake(tx, [f"deal:{source}" for source in source_ids], now, but=lane)


def wake_for_link(tx: Tx, ref: ExternalRef, key13: str, now: datetime) -> None:
    """
    What waits until this record of the books belongs to somebody in the CRM is due, and what
    waits until that somebody has a record in the books.
    """
    accounts = tx.rows(
        "SELECT source_id FROM slot WHERE workspace = %(ws)s AND kind = 'C'"
        " AND (key13 = %(key)s OR alias_of = %(key)s) ORDER BY source_id",
        key=key13,
    )
    _wake(tx, [f"{ref.entity}:{ref.id}", *(f"account:{row[0]}" for row in accounts)], now)


def wake_for_accounts(tx: Tx, ids: Sequence[str], now: datetime) -> None:
    """What waits until these customers of the CRM have a record in the books is due."""
    _wake(tx, [f"account:{key}" for key in ids], now)


def _wake(tx: Tx, on: Sequence[str], now: datetime, *, but: str = "") -> None:
    """Rows of other lanes than ``but`` that wait for one of these are due."""
    if not on:
        return
    tx.run(
        "UPDATE due SET parked = NULL, parked_on = NULL, revision = revision + 1,"
        " since = %(now)s WHERE workspace = %(ws)s AND parked = 'link' AND lane <> %(but)s"
        " AND parked_on = ANY(%(on)s)",
        but=but,
        on=list(on),
        now=now,
    )
