"""The match report on a screen and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any

from tieout.cli.formats import Column, amount, count, moment, money, table
from tieout.core.matching.judge import KEYS
from tieout.services.match_reporting import Report, by_key
from tieout.store.match_people import CONTACT, People
from tieout.store.match_report import Duplicates, Pair, Side
from tieout.store.matching import CUSTOMER, DOCUMENT

_DOCUMENT_KEYS = {"reference": "reference", "date": "date"}


def report_lines(
    report: Report, bridge: str, zone: tzinfo, width: int | None, *, full: bool
) -> list[str]:
    """The figures first, then the pairs that a person decides."""
    totals = report.totals
    read = f", read {moment(totals.read_at, zone)}" if isinstance(totals.read_at, datetime) else ""
    lines = [f"Match report  {bridge}  {report.crm} with {report.books}{read}"]
    lines += _figures(report)
    lines += _documents(report)
    lines += _people(report)
    lines += _items(report)
    lines += _pairs("Proposed", report.proposed, width)
    lines += _pairs("Ambiguous: a person picks", report.ambiguous, width)
    lines += _pairs("Documents proposed", report.documents, width)
    lines += _pairs("Documents that are a person's", report.unsure_documents, width)
    lines += _pairs("Persons with one address", report.unsure_people, width)
    lines += _items_alike(report, width)
    lines += _duplicates(report.duplicates)
    if full:
        for connection, rows in ((report.crm, report.only_crm), (report.books, report.only_books)):
            lines += _alone(connection, rows, width)
    return lines


def _figures(report: Report) -> list[str]:
    totals = report.totals
    crm, books = totals.crm, totals.books
    rows = [
        ("Customers", report.crm, report.books, ""),
        ("  linked", f"{crm.linked:,}", f"{books.linked:,}", ""),
        ("  said by a person", f"{crm.decided:,}", f"{books.decided:,}", ""),
        (
            "  matched",
            f"{crm.matched:,}",
            f"{books.matched:,}",
            _keys(by_key(totals, CUSTOMER, "matched"), KEYS),
        ),
        (
            "  proposed",
            f"{crm.proposed:,}",
            f"{books.proposed:,}",
            _keys(by_key(totals, CUSTOMER, "proposed"), KEYS),
        ),
        ("  ambiguous", f"{crm.ambiguous:,}", f"{books.ambiguous:,}", ""),
        ("  only there", f"{crm.alone:,}", f"{books.alone:,}", _new(totals.new)),
        ("  all", f"{crm.total:,}", f"{books.total:,}", ""),
    ]
    columns = (Column(), Column(right=True), Column(right=True), Column(rank=1))
    return table(columns, rows)


def _new(number: int) -> str:
    return f"of the first {number:,} are new, as a person said" if number else ""


def _keys(found: Mapping[str, int], words: Mapping[str, str]) -> str:
    return ", ".join(f"{words.get(key, key)} {number:,}" for key, number in found.items())


def _documents(report: Report) -> list[str]:
    totals = report.totals
    proposed = by_key(totals, DOCUMENT, "proposed")
    unsure = sum(by_key(totals, DOCUMENT, "ambiguous").values())
    lines = [
        f"Documents: {count(totals.loose_documents, 'document')} in {report.books} without a deal,"
        f" {count(totals.deals_without, 'won deal')} without a document."
    ]
    if proposed:
        sums = ", ".join(f"{currency} {amount(net)}" for currency, net in totals.proposed_net)
        lines.append(
            f"  proposed {sum(proposed.values()):,}: {_keys(proposed, _DOCUMENT_KEYS)}; {sums} net"
        )
    if unsure:
        lines.append(f"  a person's {unsure:,}: more than one deal or document fits")
    return lines


_OF_PEOPLE = (
    ("linked", "linked"),
    ("matched", "matched"),
    ("ambiguous", "ambiguous"),
    ("no address", "no_address"),
    ("customer not known", "no_customer"),
    ("only there", "alone"),
    ("all", "total"),
)


def _people(report: Report) -> list[str]:
    if report.people is None:
        return []
    crm, books = report.people
    rows = [("Persons", report.crm, report.books, "")]
    for word, name in _OF_PEOPLE:
        mine, theirs = getattr(crm, name), getattr(books, name)
        if mine or theirs or name in ("matched", "total"):
            note = "e-mail" if name == "matched" and mine else ""
            rows.append((f"  {word}", f"{mine:,}", f"{theirs:,}", note))
    columns = (Column(), Column(right=True), Column(right=True), Column(rank=1))
    lines = table(columns, rows)
    for side, found in ((report.crm, crm), (report.books, books)):
        if found.shared:
            lines.append(
                f"  {count(found.shared, 'address', 'addresses')} in {side} of persons of several"
                " customers: each is one of its own."
            )
    return lines


def _items(report: Report) -> list[str]:
    lines = []
    if report.totals.items is not None:
        crm, books, both = report.totals.items
        lines.append(
            f"Items: {both:,} of {crm:,} have their number in {report.books} ({books:,} there)."
        )
    if report.lines_without_code:
        told = ", ".join(f"{text} ({number:,})" for text, number in report.lines_without_code[:5])
        lines.append(f"Lines of deals without an item's number: {told}.")
    return lines


def _items_alike(report: Report, width: int | None) -> list[str]:
    if not report.items_alike:
        return []
    rows = [
        (f"  {mine or '-'}", name, "=", theirs or "-", other)
        for mine, name, theirs, other in report.items_alike
    ]
    columns = (Column(), Column(rank=1), Column(rank=2), Column(), Column(rank=1))
    title = "Items with one name and another number: give them one, or name both under tables:"
    return ["", title, *table(columns, rows, width)]


def _pairs(title: str, pairs: Sequence[Pair], width: int | None) -> list[str]:
    if not pairs:
        return []
    rows = [
        (
            f"  {_crm(pair)}",
            "=",
            _books(pair),
            f"{pair.score}" if pair.entity == CUSTOMER else "",
            pair.reason,
        )
        for pair in pairs
    ]
    columns = (Column(), Column(rank=3), Column(), Column(right=True, rank=2), Column(rank=1))
    return ["", f"{title}:", *table(columns, rows, width)]


def _crm(pair: Pair) -> str:
    if pair.entity == DOCUMENT:
        return pair.crm_number or pair.crm_name
    if pair.entity == CONTACT:
        return f"{pair.crm_name} {pair.source_id}"
    return pair.crm_name


def _books(pair: Pair) -> str:
    number = pair.books_number or pair.target_id
    if pair.entity == CONTACT:
        return f"{pair.books_name} {pair.target_id}"
    if pair.entity == DOCUMENT:
        net = f", {pair.currency} {amount(pair.net)}" if pair.net is not None else ""
        return f"{number} {pair.books_name}{net}"
    return f"{number} {pair.books_name}"


_MOST_REFUSED = 20
_BEAR = {
    "company_number": "company number and post code",
    "vat_number": "VAT number and post code",
    "name_postcode": "name and post code",
}


def _duplicates(found: Sequence[Duplicates]) -> list[str]:
    if not found:
        return []
    lines = ["", "Duplicates on one side:"]
    for group in found:
        more = (
            f" and {group.count - len(group.names)} more" if group.count > len(group.names) else ""
        )
        lines.append(
            f"  {group.side}: {', '.join(group.names)}{more} have one {_BEAR[group.key]}"
            f" ({group.value})"
        )
    return lines


def _alone(connection: str, rows: Sequence[Sequence[str]], width: int | None) -> list[str]:
    if not rows:
        return []
    shown = [(f"  {row[2]}", row[1], row[3]) for row in rows]
    columns = (Column(), Column(rank=0), Column(rank=1))
    return ["", f"Only in {connection}:", *table(columns, shown, width)]


def refused_lines(refused: Sequence[tuple[Pair, str]]) -> list[str]:
    """Pairs that were not taken over, each with its reason."""
    if not refused:
        return []
    shown = [f"  {_crm(pair)} = {_books(pair)}: {why}" for pair, why in refused[:_MOST_REFUSED]]
    more = len(refused) - len(shown)
    return [
        f"Not taken over, as it does not hold any more: {count(len(refused), 'pair')}.",
        *shown,
        *([f"  and {more:,} more: --json has all"] if more else []),
    ]


# --- JSON --------------------


def report_data(report: Report) -> dict[str, Any]:
    """The report of one company's books in the JSON output."""
    totals = report.totals
    return {
        "crm": report.crm,
        "books": report.books,
        "read_at": totals.read_at,
        "customers": {
            "crm": _side(totals.crm),
            "books": _side(totals.books),
            "new": totals.new,
            "keys": {
                state: by_key(totals, CUSTOMER, state)
                for state in ("matched", "proposed", "ambiguous")
            },
            "proposed": [pair_data(pair) for pair in report.proposed],
            "ambiguous": [pair_data(pair) for pair in report.ambiguous],
            "only_crm": [_one(row) for row in report.only_crm],
            "only_books": [_one(row) for row in report.only_books],
        },
        "documents": {
            "without_deal": totals.loose_documents,
            "deals_without": totals.deals_without,
            "keys": {state: by_key(totals, DOCUMENT, state) for state in ("proposed", "ambiguous")},
            "net": [money(net, currency) for currency, net in totals.proposed_net],
            "proposed": [pair_data(pair) for pair in report.documents],
            "ambiguous": [pair_data(pair) for pair in report.unsure_documents],
        },
        "items": None
        if totals.items is None
        else dict(zip(("crm", "books", "both"), totals.items, strict=True)),
        "items_alike": [
            {
                "crm": {"number": mine or None, "name": name},
                "books": {"number": theirs or None, "name": other},
            }
            for mine, name, theirs, other in report.items_alike
        ],
        "lines_without_code": [
            {"text": text, "deals": number} for text, number in report.lines_without_code
        ],
        "persons": None
        if report.people is None
        else {
            "crm": _people_data(report.people[0]),
            "books": _people_data(report.people[1]),
            "ambiguous": [pair_data(pair) for pair in report.unsure_people],
        },
        "duplicates": [
            {
                "side": group.side,
                "key": group.key,
                "value": group.value,
                "count": group.count,
                "ids": list(group.ids),
                "names": list(group.names),
            }
            for group in report.duplicates
        ],
    }


def _people_data(found: People) -> dict[str, int]:
    names = ("linked", "matched", "ambiguous", "no_address", "no_customer", "alone", "total")
    return {name: getattr(found, name) for name in (*names, "shared")}


def _side(side: Side) -> dict[str, int]:
    return {
        "linked": side.linked,
        "decided": side.decided,
        "matched": side.matched,
        "proposed": side.proposed,
        "ambiguous": side.ambiguous,
        "alone": side.alone,
        "total": side.total,
    }


def _one(row: Sequence[str]) -> dict[str, str | None]:
    return {"id": row[0], "number": row[1] or None, "name": row[2] or None, "place": row[3] or None}


def pair_data(pair: Pair) -> dict[str, Any]:
    """A pair in the JSON output."""
    return {
        "kind": pair.entity,
        "crm": {
            "id": pair.source_id,
            "part": pair.part,
            "number": pair.crm_number or None,
            "name": pair.crm_name or None,
            "place": pair.crm_place or None,
        },
        "books": {
            "id": pair.target_id,
            "number": pair.books_number or None,
            "name": pair.books_name or None,
            "place": pair.books_place or None,
        },
        "net": None if pair.net is None else money(pair.net, pair.currency),
        "key": pair.key,
        "score": pair.score,
        "state": pair.state,
        "reason": pair.reason,
    }
