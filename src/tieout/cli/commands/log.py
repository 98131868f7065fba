"""`tieout log verify`: whether anything of the past was changed from outside."""

from __future__ import annotations

from datetime import tzinfo
from typing import TYPE_CHECKING, Annotated

from typer import Option

from tieout.cli.command import Session, command
from tieout.cli.formats import day, moment
from tieout.cli.output import ErrorInfo, Exit, Result, reference

if TYPE_CHECKING:
    from tieout.bootstrap import Opened
    from tieout.store.evidence import FiledReport, Verified


@command(
    "log verify",
    examples=("tieout log verify", "tieout log verify --report 2026-10"),
)
async def verify(
    session: Session,
    report: Annotated[str, Option("--report", metavar="MONTH", help="Also a filed month.")] = "",
) -> Result:
    """Read the whole activity log and check that every entry fits the one before."""
    from tieout.services.configuration import books_zone
    from tieout.store.evidence import head_data, verify_log

    opened = await session.opened()
    now = session.clock.now()
    found = await verify_log(
        opened.runner, workspace=opened.workspace, now=now, who=opened.project.name
    )
    if found.broken is not None:
        return _broken(session, found, await books_zone(opened))
    zone = await books_zone(opened)
    data = {
        "entries": found.entries,
        "since": found.head.started_at,
        "head": head_data(found.head),
        "unbroken": True,
    }
    restored = await _restored(opened)
    if restored is not None:
        return restored
    lines = [
        f"{found.entries:,} {'entry' if found.entries == 1 else 'entries'}, unbroken since "
        f"{day(found.head.started_at.astimezone(zone).date())}. Head {found.head.hash.hex()[:8]}: "
        "note it where we cannot write."
    ]
    if report:
        checked = await _report(session, opened, report)
        if isinstance(checked, Result):
            return checked
        from tieout.services.filing import digests

        shas = digests(checked)
        lines.append(f"Report {report}, filed by {checked.filed_by}, is as it was filed:")
        lines += [f"{books}  SHA-256 {in_fours(sha)}" for books, sha in shas]
        data["report"] = {
            "month": report,
            "intact": True,
            "reports": [{"books": books, "sha256": sha} for books, sha in shas],
        }
    return Result(data=data, lines=lines)


def _broken(session: Session, found: Verified, zone: tzinfo) -> Result:
    broken = found.broken
    assert broken is not None
    when = f" ({moment(broken.at, zone)})" if broken.at is not None else ""
    what = "is missing" if broken.why == "missing" else "does not fit the one before"
    if broken.why == "head":
        what = "is not the end that the log had"
    first = f"Entry {broken.seq:,}{when} {what}. Intact up to {found.entries:,}."
    second = "Somebody changed the database from outside. Copy it, then: tieout help log_broken"
    return Result(
        exit=Exit.EVIDENCE,
        data={"entries": found.entries, "unbroken": False, "broken": broken.seq, "why": broken.why},
        lines=[first],
        notes=[second],
        error=ErrorInfo(
            code="log_broken",
            message=first,
            ref={"entry": str(broken.seq)},
            reference=reference("log_broken", session.clock.now()),
        ),
    )


async def _restored(opened: Opened) -> Result | None:
    from tieout.store.evidence import HighWater, head, is_restored

    mark = HighWater(opened.project.high_water)
    noted = mark.read()
    if not await opened.do(lambda tx: is_restored(tx, noted)):
        mark.write(await opened.do(head))
        return None
    assert noted is not None
    message = (
        f"The log once reached entry {noted.seq:,}; this database does not have it, so it was put "
        "back to an earlier state."
    )
    return Result(
        exit=Exit.EVIDENCE,
        data={"unbroken": False, "high_water": noted.seq},
        lines=[message],
        next=("tieout help database_restored",),
        error=ErrorInfo(code="database_restored", message=message),
    )


def in_fours(sha: str) -> str:
    """The hash in groups of four, as it stands on the report."""
    return " ".join(sha[at : at + 4] for at in range(0, len(sha), 4))


async def _report(session: Session, opened: Opened, month: str) -> FiledReport | Result:
    from tieout.services.configuration import choose_bridge
    from tieout.store.evidence import filed_report, logged_report_hash

    bridge = await choose_bridge(opened, session.options.bridge)
    found: FiledReport | None = await opened.do(lambda tx: filed_report(tx, bridge, month))
    if found is None:
        from tieout.services.filing import month_of
        from tieout.services.usage import UsedWronglyError

        month_of(month)
        raise UsedWronglyError(
            f"No report of {month} is filed.", hint=f"tieout reconcile --month {month} --store"
        )
    noted = await opened.do(lambda tx: logged_report_hash(tx, bridge, month))
    if found.intact and noted == found.sha256:
        return found
    message = f"The report of {month} is not the one that was filed."
    return Result(
        exit=Exit.EVIDENCE,
        lines=[message],
        notes=["Somebody changed the database from outside. Copy it."],
        next=("tieout help log_broken",),
        bridge=bridge,
        error=ErrorInfo(code="report_changed", message=message, ref={"month": month}),
    )
