"""Our clock against that of a system, as its answers tell it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from tieout.core.finding import Finding, Severity

_MOST = timedelta(minutes=5)


def clock_findings(
    now: datetime,
    seen_at: datetime | None,
    whose: str,
    hint: str = "Switch on time synchronisation.",
) -> Iterator[Finding]:
    """
    A warning where the two are five minutes or more apart; ``whose`` reads as "Visma's".

    Our own clock decides no write, but expiry and time-outs go by it.
    """
    if seen_at is None:
        return
    offset = now - seen_at
    if abs(offset) >= _MOST:
        minutes = abs(offset) // timedelta(minutes=1)
        side = "ahead of" if offset > timedelta(0) else "behind"
        yield Finding(
            code="clock_wrong",
            message=f"This machine's clock is {minutes} minutes {side} {whose}.",
            hint=hint,
            severity=Severity.WARNING,
        )
