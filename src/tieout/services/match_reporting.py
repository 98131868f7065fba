"""The match report: figures of every company's books, the pairs that people look at first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tieout.engine.context import Engine
from tieout.services.match_deciding import place_of
from tieout.services.usage import UsedWronglyError
from tieout.store import match_report, matching
from tieout.store.match_report import Duplicates, Pair, Totals
from tieout.store.matching import CUSTOMER, DOCUMENT, Place
from tieout.store.postgres import PostgresStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """
    What the CRM and one company's books hold of each other. The pairs are the first so many of
    each state, the surest first; ``only_crm`` and ``only_books``: (id, number, name, place).
    """

    crm: str
    books: str
    totals: Totals
    proposed: tuple[Pair, ...]
    ambiguous: tuple[Pair, ...]
    documents: tuple[Pair, ...]
    unsure_documents: tuple[Pair, ...]
    duplicates: tuple[Duplicates, ...]
    only_crm: tuple[tuple[str, ...], ...]
    only_books: tuple[tuple[str, ...], ...]


async def reports(engine: Engine, store: PostgresStore, most: int) -> list[Report]:
    """
    The report of each company's books, with so many rows of each kind.

    Raises `UsedWronglyError` where nothing was matched yet.
    """
    found = []
    for books in engine.books:
        place = place_of(engine, books)
        known = await store.do(lambda tx, place=place: matching.progress(tx, place))  # type: ignore[misc]
        if known is None or known.finished_at is None:
            raise UsedWronglyError(
                f"{engine.policy.crm} and {books} were not matched yet.",
                code="not_matched",
                hint="tieout match report",
            )
        found.append(await _report(store, place, most))
    return found


async def _report(store: PostgresStore, place: Place, most: int) -> Report:
    def pairs(entity: str, state: str) -> Any:
        return store.do(lambda tx: match_report.best(tx, place, entity, (state,), most))

    def alone(connection: str) -> Any:
        return store.do(lambda tx: match_report.only_there(tx, place, connection, "", most))

    return Report(
        crm=place.crm,
        books=place.books,
        totals=await store.do(lambda tx: match_report.totals(tx, place)),
        proposed=tuple(await pairs(CUSTOMER, "proposed")),
        ambiguous=tuple(await pairs(CUSTOMER, "ambiguous")),
        documents=tuple(await pairs(DOCUMENT, "proposed")),
        unsure_documents=tuple(await pairs(DOCUMENT, "ambiguous")),
        duplicates=tuple(await store.do(lambda tx: match_report.duplicates(tx, place, most))),
        only_crm=_texts(await alone(place.crm)),
        only_books=_texts(await alone(place.books)),
    )


def _texts(rows: Sequence[Any]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple("" if value is None else str(value) for value in row) for row in rows)


def by_key(totals: Totals, entity: str, state: str) -> dict[str, int]:
    """Pairs in that state by the key that found them, the most first."""
    found = {
        key: number
        for of, found_state, key, number in totals.keys
        if (of, found_state) == (entity, state)
    }
    return dict(sorted(found.items(), key=lambda entry: (-entry[1], entry[0])))
