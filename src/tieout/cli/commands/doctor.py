"""`tieout doctor`: what would stop a deal, and where to mend it."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from tieout.cli.command import Session, command
from tieout.cli.formats import count, money
from tieout.cli.output import ErrorInfo, Exit, Result, exit_code, reference, worst
from tieout.core.finding import Severity

if TYPE_CHECKING:
    from tieout.services.doctor import Diagnosis, Trouble

_WORDS = {Severity.ERROR: ("fail", "bad"), Severity.WARNING: ("warn", "warn")}
SHOWN = 20


@command("doctor", examples=("tieout doctor", "tieout doctor --json"))
async def doctor(session: Session) -> Result:
    """Look at sign-ins, rights, fields, codes, periods and the machine. Writes nothing."""
    from tieout.services.doctor import examine

    began = session.clock.steady()
    opened = await session.opened()
    found = await examine(opened, session.options.bridge, session.screen.note)
    seconds = Decimal(session.clock.steady() - began) / 1000
    lines = []
    if found.areas:
        lines.append(f"{session.screen.paint('ok', 'good')}    {', '.join(found.areas)}")
    shown = [*found.warnings, *found.failures]
    for trouble in shown[:SHOWN]:
        lines.append(_line(session, trouble))
    if len(shown) > SHOWN:
        lines.append(f"and {len(shown) - SHOWN} more; all of them: tieout doctor --json")
    failures, warnings = len(found.failures), len(found.warnings)
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
    if first.next.startswith("tieout "):
        result.next = (first.next,)


def _line(session: Session, trouble: Trouble) -> str:
    word, style = _WORDS[trouble.finding.severity]
    # A command or a place is named as the next step; a sentence stands for itself.
    step = trouble.next.startswith(("tieout", "tables/"))
    after = f" {'Next: ' if step else ''}{trouble.next}" if trouble.next else ""
    return f"{session.screen.paint(word, style)}  {trouble.text()}{after}"


def _data(found: Diagnosis, seconds: Decimal) -> dict[str, object]:
    return {
        "ok": list(found.areas),
        "failures": [_trouble_data(each) for each in found.failures],
        "warnings": [_trouble_data(each) for each in found.warnings],
        "checks": found.checks,
        "seconds": f"{seconds:.1f}",
    }


def _trouble_data(trouble: Trouble) -> dict[str, object]:
    return {
        "code": trouble.finding.code,
        "message": trouble.text(),
        "deals": list(trouble.deals),
        "amounts": [money(amount, currency) for currency, amount in trouble.amounts],
        "next": trouble.next or None,
    }
