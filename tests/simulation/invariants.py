"""
What must hold, as plain functions over what was seen. Each raises `Violation` when it does not.

The numbers are those of docs/explanation/once-only.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

OPEN = ("started", "unknown", "confirming", "doubt")
# A look that found nothing comes back after this at the latest, were there no horizon to wait for.
LONGEST_PAUSE_S = 130


class Violation(AssertionError):  # noqa: N818
    """An invariant does not hold; the text begins with its number."""


def one_live(by_slot: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """1: at most one live document of ours for a slot."""
    for key, rows in by_slot.items():
        if len(rows) > 1:
            ids = ", ".join(row["id"] for row in rows)
            raise Violation(f"1: {key} has {len(rows)} live documents: {ids}")


def one_open(operations: Iterable[tuple[str, str, str]]) -> None:
    """3: of (slot, operation, state), one of a slot is on its way."""
    open_of: dict[str, str] = {}
    for key, operation, state in operations:
        if state not in OPEN:
            continue
        if key in open_of:
            raise Violation(f"3: {key} has two open operations: {open_of[key]} and {operation}")
        open_of[key] = operation


def no_zombie(keys: Iterable[str], under_way: Iterable[str]) -> None:
    """4: no create leaves while an earlier one for its slot may still be carried out."""
    for key in sorted(set(keys) & set(under_way)):
        raise Violation(f"4: a create for {key} left while one for it was on its way")


def one_body(sends: Iterable[tuple[str, str]]) -> None:
    """5: of (wire key, digest of the body), no key has two bodies."""
    bodies: dict[str, str] = {}
    for wire_key, digest in sends:
        if wire_key and bodies.setdefault(wire_key, digest) != digest:
            raise Violation(f"5: {wire_key} named two bodies")


def lease_held(claimed: float | None, now: float, lease_s: float) -> None:
    """4, too: what left within the lease of its claim is waited for; what left later is not."""
    if claimed is not None and now - claimed > lease_s:
        raise Violation(f"4: a write left {now - claimed:.0f} s after its claim, past its lease")


def refs_hold(refs: Iterable[tuple[str, str, str]]) -> None:
    """8: of (place, slot, role), a place has one slot, a slot one current ref."""
    slot_of: dict[str, str] = {}
    current: dict[str, str] = {}
    for place, key, role in refs:
        if slot_of.setdefault(place, key) != key:
            raise Violation(f"8: {place} belongs to {slot_of[place]} and to {key}")
        if role == "current" and current.setdefault(key, place) != place:
            raise Violation(f"8: {key} has two current refs: {current[key]} and {place}")


def generations_rise(
    before: Mapping[str, int], now: Mapping[str, int], ended: Mapping[str, int]
) -> None:
    """9: within an epoch a generation never falls, and rises once for each recorded end."""
    for key, generation in now.items():
        was = before.get(key)
        if was is None:
            continue
        if generation < was:
            raise Violation(f"9: {key} fell from {was} to {generation}")
        if generation - was > ended.get(key, 0):
            raise Violation(
                f"9: {key} rose from {was} to {generation} with {ended.get(key, 0)} ends recorded"
            )


def looked_in_time(
    operations: Iterable[tuple[str, str, datetime | None, datetime | None, datetime | None]],
    began: datetime,
    now: datetime,
    lag_s: int,
    set_back_s: int = 0,
) -> None:
    """
    10, after a whole run that began then: of (operation, state, lease, next look, last horizon),
    nothing is started under a dead lease, and looks come when they are due and not later. Where a
    clock was set back, they may lie as far ahead as the longest wait, ``set_back_s``.
    """
    for operation, state, lease, look, horizon in operations:
        if state == "started" and lease is not None and lease < began:
            raise Violation(f"10: {operation} is started, its lease ended at {lease}")
        if state not in ("unknown", "confirming"):
            continue
        if look is None or look < began:
            raise Violation(f"10: {operation} is {state} and its look at {look} was left out")
        latest = max(horizon or now, now) + timedelta(seconds=2 * lag_s + LONGEST_PAUSE_S)
        latest = max(latest, now + timedelta(seconds=set_back_s))
        if look > latest and (horizon is None or horizon.year < 9999):
            raise Violation(f"10: {operation} is {state} and looked at as late as {look}")


def logged_once(
    entries: Iterable[Mapping[str, Any]],
    states: Mapping[str, str],
    attempts: Mapping[str, int],
) -> None:
    """12: the log alone gives each operation's state; each start and each end is in it once."""
    replay = _Replay()
    for entry in entries:
        replay.take(entry)
    for operation, state in states.items():
        said = replay.state.get(operation)
        if said is None or state not in said:
            raise Violation(f"12: {operation} is {state}, the activity log says {said}")
        if replay.started[operation] != attempts.get(operation, 0):
            raise Violation(
                f"12: {operation} was started {attempts.get(operation, 0)} times, the activity"
                f" log says {replay.started[operation]}"
            )
        if replay.ended[operation] > 1:
            raise Violation(f"12: {operation} was applied {replay.ended[operation]} times")


class _Replay:
    """States as the log tells them; a set where an entry leaves it open which."""

    def __init__(self) -> None:
        self.state: dict[str, set[str]] = {}
        self.started: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()

    def take(self, entry: Mapping[str, Any]) -> None:
        kind = str(entry["kind"])
        for operation, states in _told(entry):
            if kind == "operations.planned" and operation in self.state:
                raise Violation(f"12: {operation} was planned twice")
            before = self.state.get(operation, set())
            self.started[operation] += kind == "operations.started"
            self.ended[operation] += states == {"applied"} and before != {"confirming"}
            # An attempt that did not leave is told even when the operation went on without it.
            self.state[operation] = states | before if kind == "operations.not_sent" else states


def _told(entry: Mapping[str, Any]) -> list[tuple[str, set[str]]]:
    """Which operations an entry of the activity log concerns, and what it says they are now."""
    kind = str(entry["kind"])
    match kind:
        case "operations.planned":
            return [(row[0], {row[3]}) for row in entry["planned"]]
        case "operations.started":
            return [(operation, {"started"}) for operation in entry["ids"]]
        case "operations.not_sent":
            return [(operation, {"ready", "unknown"}) for operation in entry["ids"]]
        case "operations.unknown":
            return [(operation, {"unknown"}) for operation in entry["ids"]]
        case "operations.applied":
            return [(operation, {"applied"}) for operation in entry["refs"]]
        case "operations.superseded":
            return [(operation, {"superseded"}) for operation in entry["operations"]]
        case "operation.refused":
            return [(entry["operation"], {"superseded" if entry["stale"] else "rejected"})]
        case "operation.answered":
            return [(entry["operation"], {entry["state"]})]
        case "operation.looked":
            return []
    if kind.startswith("operation."):
        return [(entry["operation"], {kind.removeprefix("operation.")})]
    return []


def same_but_order(one: Mapping[str, Any], other: Mapping[str, Any], why: str) -> None:
    """11 and 19: what came of each deal is the same; only when and in which order is not."""
    if one != other:
        deals = sorted(key for key in {*one, *other} if one.get(key) != other.get(key))
        told = "; ".join(f"{key}: {one.get(key)} and {other.get(key)}" for key in deals)
        raise Violation(f"{why} changed more than order: {told}")


__all__ = [
    "LONGEST_PAUSE_S",
    "Violation",
    "generations_rise",
    "lease_held",
    "logged_once",
    "looked_in_time",
    "no_zombie",
    "one_body",
    "one_live",
    "one_open",
    "refs_hold",
    "same_but_order",
]
