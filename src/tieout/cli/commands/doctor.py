"""`tieout doctor`: what would stop a deal, and where to mend it."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

from typer import Option

from tieout.cli.command import Session, command
from tieout.cli.formats import Column, count, day, money, table
from tieout.cli.output import (
    ErrorInfo,
    Exit,
    Result,
    error_result,
    exit_code,
    listing,
    reference,
    worst,
)
from tieout.core.finding import Severity
from tieout.services.usage import UsedWronglyError

if TYPE_CHECKING:
    from tieout.services.doctor import Diagnosis, Trouble
    from tieout.services.orphans import Orphans, Removed

_WORDS = {Severity.ERROR: ("fail", "bad"), Severity.WARNING: ("warn", "warn")}
SHOWN, WARNINGS = 20, 10


@command("doctor", examples=("tieout doctor", "tieout doctor --json"))
async def doctor(
    session: Session,
    remove_orphans: Annotated[
        bool,
        Option(
            "--remove-orphans",
            help="Only list databases whose folder is gone, and remove them if you say so.",
        ),
    ] = False,
    yes: Annotated[bool, Option("--yes", help="Remove them without asking.")] = False,
) -> Result:
    """Look at sign-ins, rights, fields, codes, periods and the machine. Writes nothing."""
    from tieout.services.doctor import examine

    if remove_orphans:
        return await _remove_orphans(session, yes=yes)
    began = session.clock.steady()
    opened = await session.opened()
    found = await examine(opened, session.options.bridge, session.screen.note)
    seconds = Decimal(session.clock.steady() - began) / 1000
    lines = []
    if found.areas:
        lines.append(f"{session.screen.paint('ok', 'good')}    {', '.join(found.areas)}")
    failures, warnings = len(found.failures), len(found.warnings)
    # What fails is below, next to the sum; many of one do not push out the other.
    shown = [*found.warnings[:WARNINGS], *found.failures[:SHOWN]]
    lines += [_line(session, trouble) for trouble in shown]
    if failures + warnings > len(shown):
        more = failures + warnings - len(shown)
        lines.append(f"and {more} more; all of them: tieout doctor --json")
    lines.append(
        f"{count(failures, 'failure')}, {count(warnings, 'warning')}, "
        f"{count(found.checks, 'check')}, {seconds:.1f} s."
    )
    result = Result(
        data=_data(found, seconds),
        lines=lines,
        findings=[trouble.finding for trouble in found.troubles],
        bridge=found.bridge,
    )
    if failures:
        _failed(session, found, result)
    elif not warnings:
        result.next = ("tieout plan",)
    return result


def _failed(session: Session, found: Diagnosis, result: Result) -> None:
    """A person is needed; a connection or a file that is at fault says so by its own code."""
    codes = [exit_code(error) for error in found.errors]
    if any(each.finding.place.startswith(("tieout.yaml", "tables/")) for each in found.failures):
        codes.append(Exit.CONFIGURATION)
    result.exit = worst([Exit.PERSON, *codes])
    first = found.failures[0]
    result.error = ErrorInfo(
        code=first.finding.code,
        message=first.text(),
        place=first.finding.place or None,
        reference=reference(first.finding.code, session.clock.now()),
    )
    # On a screen each row names its own step already.
    if session.options.json and first.next.startswith("tieout "):
        result.next = (first.next,)


def _line(session: Session, trouble: Trouble) -> str:
    word, style = _WORDS[trouble.finding.severity]
    # A command or a place is named as the next step; a sentence stands for itself.
    step = trouble.next.startswith(("tieout", "tables/")) and not trouble.next.endswith(".")
    after = f" {'Next: ' if step else ''}{trouble.next}" if trouble.next else ""
    return f"{session.screen.paint(word, style)}  {trouble.text()}{after}"


# --- orphans -------------------------------------------------------------------------------------


async def _remove_orphans(session: Session, *, yes: bool) -> Result:
    """It needs no project: the one that they were of is gone."""
    from tieout.services import orphans
    from tieout.store.embedded_place import state_folder

    found = await asyncio.to_thread(orphans.look)
    for line in _orphan_lines(session, found):
        session.screen.line(line)
    if not found.gone:
        return Result(
            data=_removal_data(found, None),
            lines=[f"No database in {state_folder()} is known to be nobody's."],
        )
    try:
        agreed = session.confirm(f"Remove {orphans.what(found.gone)}?", yes)
    except UsedWronglyError as error:
        # Nobody is there to ask: the list is worth reading all the same.
        result = error_result(error, session.clock.now(), ref=session.ref)
        result.data = _removal_data(found, None)
        result.next = (f"{orphans.REMOVE} --yes",)
        return result
    if not agreed:
        return Result(data=_removal_data(found, None), notes=["Nothing was removed."])
    removed = await asyncio.to_thread(orphans.remove_all, found.gone)
    result = Result(
        data=_removal_data(found, removed),
        lines=[f"Removed {orphans.what(removed.gone)}."] if removed.gone else [],
        notes=[f"{place.folder} was left: it is in use." for place in removed.left],
    )
    if removed.refused:
        place, reason = removed.refused[0]
        result.exit = Exit.STORE
        result.error = ErrorInfo(
            code="folder_closed",
            message=f"{count(len(removed.refused), 'folder')} could not be removed whole; "
            f"{place.folder}: {reason}.",
            place=str(place.folder),
            reference=reference("folder_closed", session.clock.now()),
        )
        result.notes = [*result.notes, result.error.message]
    return result


def _orphan_lines(session: Session, found: Orphans) -> list[str]:
    """Those that may go, then those of which nobody knows, each with its folder for `rm -r`."""
    from tieout.services import orphans

    rows = [
        (
            word,
            orphans.project_of(place) if place.owner else "not noted",
            "PostgreSQL" if place.programs else "database",
            f"{orphans.megabytes([place]):,} MB",
            f"last used {day(place.last_used.date())}",
            str(place.folder),
        )
        for word, places in (("gone", found.gone), ("unclear", found.unclear))
        for place in places
    ]
    columns = (Column(), Column(), Column(rank=2), Column(right=True), Column(rank=1), Column())
    return table(columns, rows, session.screen.width)


def _removal_data(found: Orphans, removed: Removed | None) -> dict[str, object]:
    return {
        "orphans": _orphan_data(found),
        "removed": listing([str(place.folder) for place in removed.gone] if removed else []),
    }


def _orphan_data(found: Orphans) -> dict[str, object]:
    from tieout.services.orphans import project_of

    return listing(
        [
            {
                "folder": str(place.folder),
                "project": project_of(place) if place.owner else None,
                "state": str(place.standing),
                "programs": place.programs,
                "bytes": place.bytes,
                "last_used": place.last_used,
            }
            for place in (*found.gone, *found.unclear)
        ]
    )


# --- the answer ----------------------------------------------------------------------------------


def _data(found: Diagnosis, seconds: Decimal) -> dict[str, object]:
    return {
        "ok": list(found.areas),
        "failures": [_trouble_data(each) for each in found.failures],
        "warnings": [_trouble_data(each) for each in found.warnings],
        "checks": found.checks,
        "seconds": f"{seconds:.1f}",
        "orphans": _orphan_data(found.orphans) if found.orphans else listing([]),
    }


def _trouble_data(trouble: Trouble) -> dict[str, object]:
    return {
        "code": trouble.finding.code,
        "message": trouble.text(),
        "deals": list(trouble.deals),
        "amounts": [money(amount, currency) for currency, amount in trouble.amounts],
        "next": trouble.next or None,
    }
