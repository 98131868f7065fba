"""`tieout status`: where things stand, in a few lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from tieout.cli.command import Session, command
from tieout.cli.output import Result

if TYPE_CHECKING:
    from datetime import datetime, tzinfo

    from tieout.bootstrap import Opened
    from tieout.services.status import BridgeStatus

WATCH_S = 2.0
FRESH_S = 120


@command("status", examples=("tieout status", "tieout status --watch"))
async def status(
    session: Session,
    watch: Annotated[bool, Option("--watch", help="Again every 2 seconds.")] = False,
    all_: Annotated[bool, Option("--all", help="A line for each bridge, the worst first.")] = False,
) -> Result | None:
    """Show what ran, what waits for whom, and what stands still."""
    opened = await session.opened()
    if not watch:
        return await _now(session, opened, all_)
    said: list[str] | None = None
    while True:  # until Ctrl-C ends the wait
        result = await _now(session, opened, all_)
        if session.options.json or list(result.lines) != said:
            said = list(result.lines)
            session.emit(result)
        await session.clock.sleep(WATCH_S)


async def _now(session: Session, opened: Opened, every: bool) -> Result:
    from tieout.services.configuration import choose_bridge
    from tieout.services.status import status as stand

    now = session.clock.now()
    only = "" if every else await choose_bridge(opened, session.options.bridge)
    found = await stand(opened.store, now=now, only=only)
    zone = await _zone(opened, found)
    lines: list[str] = []
    for one in found:
        width = session.screen.width
        lines += [short_line(one, now, zone)] if every else status_lines(one, now, zone, width)
    if not found:
        lines = ["Nothing is published, so nothing runs."]
    return Result(
        data=_data(found, only),
        lines=lines,
        next=() if found else ('tieout config publish -m "first version"',),
        bridge=only or None,
    )


async def _zone(opened: Opened, found: list[BridgeStatus]) -> tzinfo:
    from datetime import UTC
    from zoneinfo import ZoneInfo

    from tieout.store import admin

    rows = await opened.do(admin.list_connections)
    del found
    return next(
        (ZoneInfo(row.company.time_zone) for row in rows if row.side == "books" and row.company),
        UTC,
    )


def status_lines(
    one: BridgeStatus, now: datetime, zone: tzinfo, width: int | None = None
) -> list[str]:
    """The bridge's head and a line for each thing that waits for a person."""
    from tieout.cli.daily import recovery_text, sums, sums_text
    from tieout.cli.formats import Column, age, count, table

    lines = [_still(row, now, zone) for row in one.still]
    if one.recovery is not None:
        lines.append(f"! {recovery_text(*one.recovery, zone, now)} tieout run")
    lines.append(_head(one, now, zone))
    rows: list[tuple[str, str, str, str]] = []
    deals = [row for row in one.waiting if row["entity"] == "document"]
    others = [row for row in one.waiting if row["entity"] != "document"]
    see = f"tieout plan P-{one.plan}" if one.plan is not None else "tieout plan"
    for waiting, noun in ((deals, "deal"), (others, "other change")):
        if waiting:
            total = sums([(row["net"], row["currency"]) for row in waiting if waiting is deals])
            oldest = min(row["since"] for row in waiting)
            what = f"{count(len(waiting), noun)} to approve"
            rows.append((what, sums_text(total) if total else "", age(now - oldest), see))
    if one.exceptions and one.oldest is not None:
        rows.append(
            (
                count(one.exceptions, "exception"),
                sums_text(one.amounts),
                age(now - one.oldest),
                "tieout exceptions list",
            )
        )
        if one.without_amount:
            rows.append((f"  {one.without_amount:,} of them without an amount", "", "", ""))
    if one.shadow:
        rows.append((f"{count(one.shadow, 'source')} planned only", "", "shadow", "tieout plan"))
    columns = (Column(), Column(right=True), Column(rank=2), Column(rank=1))
    lines += table(columns, rows, width)
    if not rows and not one.still and one.recovery is None:
        lines.append("Nothing waits for a person.")
    return lines


def _still(row: Any, now: datetime, zone: tzinfo) -> str:
    from tieout.cli.commands.connection import STATES
    from tieout.cli.formats import recent

    since = f" {recent(row.tested_at, now, zone)}" if row.tested_at is not None else ""
    why = STATES.get(row.state, row.state.replace("_", " ")) if row.state else "not tested"
    do = "rotate" if row.state.startswith("sign_in") else "test"
    return f"! {row.name} stands still: {why}{since}. tieout connection {do} {row.name}"


def _head(one: BridgeStatus, now: datetime, zone: tzinfo) -> str:
    from tieout.cli.formats import age, moment, recent

    when = moment(now, zone)
    if one.works is not None:
        process, since = one.works
        ran = f"{process} works since {recent(since, now, zone)}"
    elif one.broken_off is not None:
        number, began = one.broken_off
        ran = f"R-{number}, {age(now - began)} ago, did not come to its end"
    elif one.run is None:
        ran = "never ran"
    elif (now - one.run["finished_at"]).total_seconds() <= FRESH_S:
        ran = "all flows ran within 2 minutes"
    else:
        ran = f"last run R-{one.run['number']} {age(now - one.run['finished_at'])} ago"
    looked = "none" if not one.unanswered else str(len(one.unanswered))
    return f"{one.bridge}  v{one.version}  {when}  {ran}; being looked up: {looked}"


def short_line(one: BridgeStatus, now: datetime, zone: tzinfo) -> str:
    """One bridge in one line, for who looks at many."""
    from tieout.cli.daily import sums_text
    from tieout.cli.formats import age, count

    del zone
    parts = [f"{one.bridge}  v{one.version}"]
    if one.still:
        parts.append(f"! {', '.join(row.name for row in one.still)} stands still")
    if one.recovery is not None:
        parts.append("! recovers from a restore")
    ran = "never ran" if one.run is None else f"ran {age(now - one.run['finished_at'])} ago"
    if one.broken_off is not None:
        ran = f"R-{one.broken_off[0]} did not come to its end"
    parts.append(ran)
    parts.append(f"{len(one.waiting)} to approve")
    parts.append(
        f"{count(one.exceptions, 'exception')}"
        + (f", {sums_text(one.amounts, most=1)}" if one.exceptions else "")
    )
    if one.unanswered:
        parts.append(f"{len(one.unanswered)} looked up")
    return "  ".join(parts)


def _data(found: list[BridgeStatus], only: str) -> dict[str, Any]:
    from tieout.cli.formats import money

    items = [
        {
            "bridge": one.bridge,
            "version": one.version,
            "last_run": None
            if one.run is None
            else {
                "run": f"R-{one.run['number']}",
                "finished_at": one.run["finished_at"],
                "state": one.run["state"],
            },
            "broken_off": None
            if one.broken_off is None
            else {"run": f"R-{one.broken_off[0]}", "started_at": one.broken_off[1]},
            "working": None
            if one.works is None
            else {"process": one.works[0], "since": one.works[1]},
            "read_at": one.read_at,
            "approvals": {
                "count": len(one.waiting),
                "items": [
                    {
                        "entity": row["entity"],
                        "deal": row["number"] or None,
                        "title": row["title"] or None,
                        "net": money(row["net"], row["currency"]),
                        "since": row["since"],
                    }
                    for row in one.waiting
                ],
            },
            "exceptions": {
                "count": one.exceptions,
                "amounts": [money(value, currency) for value, currency in one.amounts],
                "without_amount": one.without_amount,
                "oldest": one.oldest,
            },
            "looked_up": {
                "count": len(one.unanswered),
                "items": [
                    {
                        "deal": row["number"] or None,
                        "title": row["title"] or None,
                        "net": money(row["net"], row["currency"]),
                        "since": row["since"],
                    }
                    for row in one.unanswered
                ],
            },
            "connections": [{"name": row.name, "state": row.state} for row in one.still],
            "recovery": None
            if one.recovery is None
            else {"not_before": one.recovery[0], "reads_left": one.recovery[1]},
            "open": dict(one.open),
        }
        for one in found
    ]
    if only and items:
        return items[0]
    return {"items": items, "count": len(items), "next_cursor": None}
