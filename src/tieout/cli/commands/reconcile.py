"""`tieout reconcile`: whether what was sold, invoiced and paid agrees, to the cent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from tieout.cli.command import Session, command
from tieout.cli.output import ErrorInfo, Exit, Result, reference

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tieout.bootstrap import Opened
    from tieout.core.ledger_list import Period
    from tieout.engine.context import Engine
    from tieout.report.context import Report
    from tieout.services.filing import Shown


@command(
    "reconcile",
    examples=("tieout reconcile --month 2026-10", "tieout reconcile --deals --html report.html"),
)
async def reconcile(
    session: Session,
    month: Annotated[
        str, Option("--month", metavar="YYYY-MM", help="Deals closed in it; else all there are.")
    ] = "",
    deals: Annotated[bool, Option("--deals", help="Every deal with its causes.")] = False,
    by_period: Annotated[
        bool, Option("--by-period", help="What the ledger booked in the month.")
    ] = False,
    receivables: Annotated[
        bool, Option("--receivables", help="From the opening balance to the control account.")
    ] = False,
    csv: Annotated[
        Path | None, Option("--csv", metavar="FILE", help="All rows, for a spreadsheet.")
    ] = None,
    html: Annotated[
        Path | None, Option("--html", metavar="FILE", help="The report as one page.")
    ] = None,
    store: Annotated[
        bool, Option("--store", help="File the month: it is never computed again.")
    ] = False,
    books: Annotated[str, Option("--books", metavar="NAME", help="Only these books.")] = "",
    as_: Annotated[str, Option("--as", metavar="NAME", help="Who files.")] = "",
) -> Result:
    """Show that sold and invoiced agree, or what every difference comes from."""
    from tieout.bootstrap import who_acts
    from tieout.cli.daily import check_file, open_bridge, progress, progress_over
    from tieout.services import filing, tie_outs
    from tieout.services.usage import UsedWronglyError
    from tieout.store.evidence import filed_report

    if store and not month:
        raise UsedWronglyError("Which month is filed? Say --month 2026-10.", code="usage")
    if store and books:
        raise UsedWronglyError("A month is filed for all books at once.", code="usage")
    for path in (csv, html):
        check_file(path)
    asked = filing.month_of(month) if month else None
    undecided = ""
    opened = await session.opened()
    who = who_acts(as_)
    engine = await open_bridge(session, opened, who)
    _check_books(engine, books)
    if asked is not None:
        _check_begun(engine, asked, month)
    bridge = engine.bridge
    filed = await opened.do(lambda tx: filed_report(tx, bridge, month)) if month else None
    if filed is not None:
        found = [one for one in filing.from_file(filed) if books in ("", one.books)]
        notes = [_filed_note(engine, filed, again=store)]
    else:
        say = progress(session)
        try:
            reports = await tie_outs.reports(
                engine,
                opened.store,
                asked,
                books=books,
                receivables=receivables or store,
                say=say,
            )
        finally:
            progress_over(session)
        undecided = await _undecided(engine, opened)
        found, notes = [filing.shown(report, undecided) for report in reports], []
        if store and not undecided:
            found, notes = await _file(session, engine, opened, month, reports, who)
    return _answer(
        session,
        engine,
        found,
        notes,
        month=month,
        stored=filed is not None or store,
        sections=(deals, by_period, receivables),
        files=(csv, html),
        undecided=undecided,
    )


async def _undecided(engine: Engine, opened: Opened) -> str:
    """What is wrong with the figures as long as deals were read and not decided; else ''."""
    from tieout.cli.daily import sums_text
    from tieout.cli.formats import count
    from tieout.store import people

    bridge, crm = engine.bridge, engine.policy.crm
    number, amounts = await opened.do(lambda tx: people.undecided(tx, bridge, crm))
    if not number:
        return ""
    was = "was read and is" if number == 1 else "were read and are"
    return f"NOT COMPLETE: {count(number, 'deal')}, {sums_text(amounts)}, {was} in no figure yet."


def _check_begun(engine: Engine, asked: Period, month: str) -> None:
    """A month that lies ahead has no figures; nothing would be compared with nothing."""
    from tieout.cli.formats import day
    from tieout.services.usage import UsedWronglyError

    today = max(engine.today(books) for books in engine.books)
    if asked.start > today:
        raise UsedWronglyError(
            f"{month} lies ahead: it begins on {day(asked.start)}.",
            code="month_ahead",
            hint=f"tieout reconcile --month {today:%Y-%m}",
        )


def _check_books(engine: Engine, books: str) -> None:
    from tieout.services.usage import UsedWronglyError

    if books and books not in engine.books:
        raise UsedWronglyError(
            f'{engine.bridge} has no books "{books}"; it has {", ".join(engine.books)}.',
            code="no_books",
        )


async def _file(
    session: Session,
    engine: Engine,
    opened: Opened,
    month: str,
    reports: Sequence[Report],
    who: str,
) -> tuple[list[Shown], list[str]]:
    """The month in storage. Not before it is over, and not while figures disagree."""
    from tieout.services import filing
    from tieout.services.usage import UsedWronglyError
    from tieout.store.evidence import file_report

    end = filing.month_of(month).end
    if any(engine.today(report.context.books) <= end for report in reports):
        raise UsedWronglyError(f"{month} is not over; it can be filed after it.", code="month_open")
    found = [filing.shown(report) for report in reports]
    if not all(one.explained for one in found):
        return found, ["Nothing was filed: a month is filed once its figures agree."]
    now, bridge = session.clock.now(), engine.bridge
    body = filing.to_file(reports, month=month, who=who, at=now)
    filed = await opened.do(
        lambda tx: file_report(tx, bridge=bridge, month=month, body=body, who=who, now=now)
    )
    if filed is None:
        raise UsedWronglyError(f"{month} was filed meanwhile.", code="month_filed")
    shas = ", ".join(sha[:8] for _, sha in filing.digests(filed))
    note = f"Filed by {who}, SHA-256 {shas}. Check: tieout log verify --report {month}"
    return filing.from_file(filed), [note]


def _filed_note(engine: Engine, filed: Any, *, again: bool) -> str:
    from tieout.cli.daily import zone
    from tieout.cli.formats import moment

    at = moment(filed.filed_at, zone(engine))
    said = f"Filed {at} by {filed.filed_by}; shown as it was filed."
    return f"{said} It is not filed twice." if again else said


def _withheld(lines: Sequence[str]) -> list[str]:
    """The lines without the word that all is explained: deals are in no figure yet."""
    from tieout.report.text import EXPLAINED

    first = lines[0].removeprefix(EXPLAINED).strip() if lines else ""
    return [*([first] if first else []), *lines[1:]]


def _answer(
    session: Session,
    engine: Engine,
    found: Sequence[Shown],
    notes: list[str],
    *,
    month: str,
    stored: bool,
    sections: tuple[bool, bool, bool],
    files: tuple[Path | None, Path | None],
    undecided: str,
) -> Result:
    lines: list[str] = [undecided] if undecided else []
    for number, one in enumerate(found):
        if number:
            lines.append("")
        lines += _withheld(one.lines) if undecided else one.lines
        for wanted, part in zip(sections, (one.deals, one.periods, one.receivables), strict=True):
            if wanted:
                lines += ["", *part]
    written = _write_files(found, files)
    explained = all(one.explained for one in found) and not undecided
    unread = any(not one.data.get("ledger_read", True) for one in found)
    result = Result(
        data=_data(found, sections[0]),
        lines=lines,
        notes=[*notes, *(f"Written: {path}" for path in written)],
        exit=Exit.OK if explained else Exit.DISAGREE,
        bridge=engine.bridge,
    )
    if explained:
        if month and not stored and _is_over(engine, month):
            result.next = (f"tieout reconcile --month {month} --store",)
        return result
    if undecided:
        result.next = ("tieout run",)
        result.error = ErrorInfo(code="deals_undecided", message=undecided)
        return result
    message = (
        "The ledger's own list was not read, so the figures are not compared with it."
        if unread
        else "Figures disagree."
    )
    result.error = ErrorInfo(
        code="ledger_not_read" if unread else "figures_disagree",
        message=message,
        reference=reference("figures_disagree", session.clock.now()),
    )
    if not unread:
        read = _read_time(found)
        result.notes = [*result.notes, f"Booked after we read ({read})? Then this again."]
        result.next = ("tieout run",)
    else:
        result.notes = [*result.notes, message]
    return result


def _is_over(engine: Engine, month: str) -> bool:
    from tieout.services.filing import month_of

    return all(engine.today(books) > month_of(month).end for books in engine.books)


def _read_time(found: Sequence[Shown]) -> str:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    data = found[0].data
    at = datetime.fromisoformat(str(data["read_at"]).replace("Z", "+00:00"))
    return f"{at.astimezone(ZoneInfo(str(data['time_zone']))):%H:%M}"


def _data(found: Sequence[Shown], deals: bool) -> dict[str, Any]:
    """One book: its report's data; several: a list of them. Deals are always in it."""
    del deals
    if len(found) == 1:
        return dict(found[0].data)
    return {"items": [dict(one.data) for one in found], "count": len(found), "next_cursor": None}


def _write_files(found: Sequence[Shown], files: tuple[Path | None, Path | None]) -> list[Path]:
    """The CSV and the page; with several books a file for each, its name in the file's name."""
    from tieout.cli.daily import write_file

    written = []
    csv, html = files
    for one in found:
        for path, text, mark in ((csv, one.csv, "utf-8-sig"), (html, one.html, "utf-8")):
            if path is None:
                continue
            place = path if len(found) == 1 else path.with_stem(f"{path.stem}-{one.books}")
            write_file(place, text.encode(mark))
            written.append(place)
    return written
