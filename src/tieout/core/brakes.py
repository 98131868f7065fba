"""Brakes: reasons to stop and ask a person before the first send. An empty tuple means go."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from tieout.core.policy import BrakePolicy
from tieout.core.safeguards import ALL_ON, Safeguards


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What a run is about to do, against what is known; from SQL, after the last window."""

    connection: str
    linked: int
    seen_before: int
    seen_now: int
    read_through: bool
    creates: int
    updates: int
    voids: int
    newly_gone: int
    sent_last_hour: int
    unknown_now: int
    double_hits_today: int
    clock_offset_s: int
    company_changed: str = ""
    high_water_behind: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Brake:
    """``creates_only``: what is unclear goes on being resolved, only new records wait."""

    code: str
    message: str
    hint: str
    creates_only: bool = False
    connection: str = ""


def brakes(counts: Counts, policy: BrakePolicy, rules: Safeguards = ALL_ON) -> tuple[Brake, ...]:
    """Reasons to stop, worst first."""
    return tuple(
        replace(found, connection=counts.connection)
        for check in (
            _company,
            _empty,
            _restored,
            _clock,
            _gone,
            _creates,
            _updates,
            _unknown,
            _double,
        )
        for found in [check(counts, policy, rules)]
        if found is not None
    )


def _company(counts: Counts, policy: BrakePolicy, rules: Safeguards) -> Brake | None:
    if not counts.company_changed:
        return None
    return Brake(
        code="company_changed",
        message=f"{counts.connection} now answers for another company: {counts.company_changed}.",
        hint=f"Sign in to the right one: tieout connection rotate {counts.connection}",
    )


def _empty(counts: Counts, policy: BrakePolicy, rules: Safeguards) -> Brake | None:
    if not rules.empty_mirror_stops:
        return None
    if not counts.read_through:
        return Brake(
            code="not_read_yet",
            message=f"{counts.connection} was not read through yet. Nothing is planned.",
            hint="The next run goes on reading.",
        )
    if counts.seen_before and not counts.seen_now:
        return Brake(
            code="side_looks_empty",
            message=f"{counts.connection} shows 0 records, before {counts.seen_before}. "
            "Nothing is planned.",
            hint=f"Wrong company or rights? tieout connection test {counts.connection}",
        )
    return None


def _restored(counts: Counts, policy: BrakePolicy, rules: Safeguards) -> Brake | None:
    if not counts.high_water_behind:
        return None
    return Brake(
        code="database_restored",
        message="This database is older than what was sent since; it was restored from a backup.",
        hint="The next run reads both sides before anything is written: tieout run",
    )


def clock_words(connection: str, offset_s: int) -> str:
    """How far this machine's clock is from a system's, whose own is ``offset_s`` ahead of ours."""
    size = abs(offset_s)
    if size < 7200:
        span = f"{round(size / 60)} min"
    elif size < 172_800:
        span = f"{round(size / 3600)} h"
    else:
        span = f"{round(size / 86_400)} days"
    side = "behind" if offset_s > 0 else "ahead of"
    return f"This machine's clock is {span} {side} that of {connection}."


def _clock(counts: Counts, policy: BrakePolicy, rules: Safeguards) -> Brake | None:
    if abs(counts.clock_offset_s) <= policy.clock_offset_s:
        return None
    return Brake(
        code="clock_off",
        message=clock_words(counts.connection, counts.clock_offset_s),
        hint="Set this machine's clock.",
    )


def _gone(counts: Counts, policy: BrakePolicy, rules: Safeguards) -> Brake | None:
    limit = max(Decimal(policy.gone_slots), policy.gone_share * counts.linked)
    if counts.newly_gone <= limit:
        return None
    return Brake(
        code="many_gone",
        message=f"{counts.newly_gone} of {counts.linked} linked records vanished from "
        f"{counts.connection} since the last read.",
        hint="If a person deleted them, go on with tieout run --force.",
    )


def _creates(counts: Counts, policy: BrakePolicy, rules: Safeguards) -> Brake | None:
    limit = max(Decimal(policy.floor), policy.create_share * counts.linked)
    if not counts.linked or counts.creates <= limit:
        return None
    return Brake(
        code="many_creates",
        message=f"{counts.creates} records would be made in {counts.connection}; "
        f"{counts.linked} are linked so far.",
        hint="Read the plan (tieout plan), then tieout run --force.",
        creates_only=True,
    )


def _updates(counts: Counts, policy: BrakePolicy, rules: Safeguards) -> Brake | None:
    limit = max(Decimal(policy.floor), policy.update_share * counts.linked)
    if counts.updates + counts.voids <= limit:
        return None
    return Brake(
        code="many_updates",
        message=f"{counts.updates + counts.voids} of {counts.linked} linked records in "
        f"{counts.connection} would be changed.",
        hint="Read the plan (tieout plan), then tieout run --force.",
    )


def _unknown(counts: Counts, policy: BrakePolicy, rules: Safeguards) -> Brake | None:
    if counts.unknown_now < policy.floor:
        return None
    if counts.unknown_now <= policy.unknown_share * max(counts.sent_last_hour, 1):
        return None
    return Brake(
        code="many_unknown",
        message=f"{counts.unknown_now} writes to {counts.connection} have no answer yet.",
        hint="They are looked up first; new ones wait.",
        creates_only=True,
    )


def _double(counts: Counts, policy: BrakePolicy, rules: Safeguards) -> Brake | None:
    if counts.double_hits_today < 2:
        return None
    return Brake(
        code="double_hits",
        message=f"{counts.double_hits_today} deals have two documents in {counts.connection} "
        "today.",
        hint="tieout exceptions list --code two_carriers",
        creates_only=True,
    )
