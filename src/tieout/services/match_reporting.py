"""The match report: figures of every company's books, the pairs that people look at first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tieout.core.policy import FlowMode
from tieout.engine.context import Engine
from tieout.services.match_deciding import place_of
from tieout.services.usage import UsedWronglyError
from tieout.store import items, match_people, match_report, matching
from tieout.store.match_people import CONTACT, People
from tieout.store.match_report import Duplicates, Pair, Totals
from tieout.store.matching import CUSTOMER, DOCUMENT, Place
from tieout.store.postgres import PostgresStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """
    What the CRM and one company's books hold of each other. The pairs are the first so many of
    each state, the surest first; ``only_crm`` and ``only_books``: (id, number, name, place).
    ``people``: of the CRM and of the books, None where persons are not kept in step.
    ``items_alike``: (number, name) of the CRM and of the books; ``lines_without_code``: what
    stands on lines of deals, and in how many.
    """

    crm: str
    books: str
    totals: Totals
    proposed: tuple[Pair, ...]
    ambiguous: tuple[Pair, ...]
    documents: tuple[Pair, ...]
    unsure_documents: tuple[Pair, ...]
    people: tuple[People, People] | None
    unsure_people: tuple[Pair, ...]
    items_alike: tuple[tuple[str, ...], ...]
    lines_without_code: tuple[tuple[str, int], ...]
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
        kept = engine.policy.contacts.mode is not FlowMode.OFF
        company = engine.policy.book(books).company if kept else ""
        found.append(await _report(store, place, most, company))
    return found


async def _report(store: PostgresStore, place: Place, most: int, company: str) -> Report:
    def pairs(entity: str, state: str) -> Any:
        return store.do(lambda tx: match_report.best(tx, place, entity, (state,), most))

    def alone(connection: str) -> Any:
        return store.do(lambda tx: match_report.only_there(tx, place, connection, "", most))

    def alike(tx: Any) -> list[tuple[str, ...]]:
        return items.alike_by_name(tx, place.crm, place.books, most)

    def nameless(tx: Any) -> list[tuple[str, int]]:
        return items.lines_without_code(tx, place.crm)

    def people(connection: str) -> Any:
        return store.do(lambda tx: match_people.people(tx, place, connection, company))

    return Report(
        crm=place.crm,
        books=place.books,
        totals=await store.do(lambda tx: match_report.totals(tx, place)),
        proposed=tuple(await pairs(CUSTOMER, "proposed")),
        ambiguous=tuple(await pairs(CUSTOMER, "ambiguous")),
        documents=tuple(await pairs(DOCUMENT, "proposed")),
        unsure_documents=tuple(await pairs(DOCUMENT, "ambiguous")),
        people=(await people(place.crm), await people(place.books)) if company else None,
        unsure_people=tuple(await pairs(CONTACT, "ambiguous")),
        items_alike=tuple(await store.do(alike)),
        lines_without_code=tuple(
            await store.do(lambda tx: items.lines_without_code(tx, place.crm))
        )[:most],
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
