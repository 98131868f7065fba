"""Filed months: the report as it was shown, stored whole and never computed again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tieout.core.ledger_list import Period
from tieout.report.context import Filing, Report
from tieout.report.csv import tie_out_csv
from tieout.report.data import digest, report_data
from tieout.report.html import render
from tieout.report.text import (
    deal_lines,
    note_lines,
    period_lines,
    receivables_lines,
    reconcile_lines,
)
from tieout.report.words import NOT_ASKED
from tieout.services.usage import UsedWronglyError
from tieout.store.evidence import FiledReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """
    One book's report in every form in which it can be asked for. ``explained`` False: figures
    disagree. ``filed`` says when and by whom, where it comes from storage.
    """

    books: str
    lines: Sequence[str]
    deals: Sequence[str]
    notes: Sequence[str]
    periods: Sequence[str]
    receivables: Sequence[str]
    csv: str
    html: str
    data: Mapping[str, Any]
    explained: bool
    filed: str = ""


def shown(report: Report, undecided: str = "") -> Shown:
    """
    A report that was just computed, in every form. ``undecided`` says which deals were read and
    are in no figure yet; the page says so in the verdict's place.
    """
    result = report.tie_out
    rolled = report.receivables
    return Shown(
        books=report.context.books,
        lines=reconcile_lines(report),
        deals=deal_lines(result),
        notes=note_lines(result),
        periods=period_lines(result),
        receivables=[report.unread or NOT_ASKED]
        if rolled is None
        else receivables_lines(rolled, report.ageing),
        csv=tie_out_csv(result),
        html=render(report, undecided),
        data=report_data(report),
        explained=result.explained and (rolled is None or rolled.agrees),
    )


def to_file(reports: Sequence[Report], *, month: str, who: str, at: datetime) -> bytes:
    """The bytes that are filed: every book's report with when, by whom and how to check it."""
    filed = []
    for report in reports:
        local = at.astimezone(ZoneInfo(report.context.time_zone))
        context = replace(
            report.context,
            filed=Filing(at=local, by=who),
            digest=digest(report),
            check=f"tieout log verify --report {month}",
        )
        found = shown(replace(report, context=context))
        filed.append(
            {
                "books": found.books,
                "lines": list(found.lines),
                "deals": list(found.deals),
                "notes": list(found.notes),
                "periods": list(found.periods),
                "receivables": list(found.receivables),
                "csv": found.csv,
                "html": found.html,
                "data": found.data,
                "explained": found.explained,
            }
        )
    return json.dumps({"format": 1, "month": month, "reports": filed}, ensure_ascii=False).encode()


def from_file(report: FiledReport) -> list[Shown]:
    """What was filed, as it was shown then. Raises ValueError for bytes of another form."""
    body = json.loads(report.body)
    if body.get("format") != 1:
        raise ValueError(f"a filed report of format {body.get('format')} is not known")
    return [
        Shown(
            books=one["books"],
            lines=one["lines"],
            deals=one["deals"],
            notes=one["notes"],
            periods=one["periods"],
            receivables=one["receivables"],
            csv=one["csv"],
            html=one["html"],
            data=one["data"],
            explained=one["explained"],
            filed=report.filed_by,
        )
        for one in body["reports"]
    ]


def digests(report: FiledReport) -> list[tuple[str, str]]:
    """Each book's SHA-256 as its report shows it, in hex: what a paper is compared by."""
    return [(one.books, str(one.data["digest"])) for one in from_file(report)]


def month_of(text: str) -> Period:
    """The days of `2026-10`. Raises `UsedWronglyError`."""
    year, _, month = text.partition("-")
    try:
        if len(year) != 4:
            raise ValueError(year)
        start = date(int(year), int(month), 1)
        end = date(start.year + start.month // 12, start.month % 12 + 1, 1) - timedelta(days=1)
    except ValueError:
        raise UsedWronglyError(
            f'"{text}" is no month. Say it like 2026-10.', code="no_month"
        ) from (None)
    return Period(start=start, end=end)
