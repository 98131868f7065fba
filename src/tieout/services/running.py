"""One run of a bridge, with a short wait for answers that come within seconds; what it changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from tieout.core.errors import ConnectionBrokenError, TransientError
from tieout.engine.context import Engine
from tieout.engine.run import RunResult
from tieout.engine.run import run as run_engine
from tieout.services import clocks
from tieout.services.usage import UsedWronglyError
from tieout.store import admin, people, planned, plans, recovering
from tieout.store.planned import Written
from tieout.store.postgres import PostgresStore

# A look that is due so soon is worth waiting for; horizons are not.
WAIT_MOST = timedelta(seconds=5)
WAITS = 2
# How finely a pause is cut, so that Ctrl-C ends it at once.
SLICE_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """
    What a run did and what it left. ``moved`` are writes and finds of this run and all that has no
    answer yet, whichever run sent it; ``waiting`` what a person has to release. ``recovery``: a
    restore still holds all writes back.
    """

    result: RunResult
    moved: tuple[Written, ...] = ()
    waiting: tuple[dict[str, Any], ...] = ()
    exceptions: int = 0
    amounts: tuple[tuple[Decimal, str], ...] = ()
    seconds: Decimal = field(default=Decimal(0))
    recovery: tuple[datetime, int] | None = None

    @property
    def written(self) -> int:
        return self.result.executed.applied

    @property
    def without_answer(self) -> tuple[Written, ...]:
        """Writes whose outcome is not known."""
        return tuple(one for one in self.moved if one.state in ("started", "unknown", "doubt"))

    @property
    def looked_up(self) -> tuple[Written, ...]:
        """Of these the ones that a later run looks for by itself; of the others a person says."""
        return tuple(one for one in self.without_answer if one.state != "doubt")


async def run_once(engine: Engine, store: PostgresStore) -> Ran:
    """
    One pass; when a write has no answer and its first look is due within seconds, that one too.

    Raises `BusyError` when another run works on the bridge, and what the connectors raise.
    """
    began, steady = engine.clock.now(), engine.clock.steady()
    try:
        result = await run_engine(engine)
    except ConnectionBrokenError:
        if (stopped := clocks.apart(engine)) is not None:
            raise stopped from None
        await note_connections(engine, store)
        raise
    await _all_well(engine, store)
    for _ in range(WAITS):
        due = await _look_soon(engine, store, result)
        if due is None or not await pause(engine, (due - engine.clock.now()).total_seconds()):
            break
        result = _both(result, await run_engine(engine))
    seconds = Decimal(engine.clock.steady() - steady) / 1000
    return await _told(engine, store, result, began, seconds)


async def note_connections(engine: Engine, store: PostgresStore) -> None:
    """
    Which connections need a person, asked of each once; `status` shows those that stand still.
    """
    for name, connector in engine.connectors.items():
        state, detail = "ok", ""
        try:
            await connector.company()
        except ConnectionBrokenError as error:
            state, detail = error.code, error.message
        except TransientError:
            continue
        await store.do(_set_state(name, state, detail, engine.clock.now()))


async def _all_well(engine: Engine, store: PostgresStore) -> None:
    """A run went through, so that every connection works."""
    now = engine.clock.now()
    for name in engine.connectors:
        await store.do(_set_state(name, "ok", "", now))


def _set_state(name: str, state: str, detail: str, now: datetime) -> Callable[[Any], None]:
    return lambda tx: admin.set_state(tx, name, state, detail, now)


async def _look_soon(engine: Engine, store: PostgresStore, result: RunResult) -> datetime | None:
    """When the next look is due, if this run left something unanswered and it is soon."""
    unclear = sum(result.open.get(f"operation.{state}", 0) for state in ("unknown", "started"))
    if not unclear or engine.stopping or not result.executed.unknown:
        return None
    now = engine.clock.now()
    wake = await store.next_wake(engine.bridge, now)
    return wake if wake is not None and wake - now <= WAIT_MOST else None


async def pause(engine: Engine, seconds: float) -> bool:
    """Waits, in slices; False when somebody asked to stop."""
    left = max(seconds, 0.0)
    while left > 0 and not engine.stopping:
        slice_s = min(left, SLICE_S)
        await engine.clock.sleep(slice_s)
        left -= slice_s
    return not engine.stopping


def _both(first: RunResult, second: RunResult) -> RunResult:
    """Two passes as one run; the number is the first one's, what is open the second one's."""
    first.read.changed += second.read.changed
    first.read.gone += second.read.gone
    first.read.pages += second.read.pages
    first.decided.add(second.decided.by_verdict)
    for name in ("applied", "rejected", "unknown", "deferred", "adopted", "stale", "calls"):
        total = getattr(first.executed, name) + getattr(second.executed, name)
        setattr(first.executed, name, total)
    for name in ("looked", "found", "absent", "doubts"):
        total = getattr(first.resolved, name) + getattr(second.resolved, name)
        setattr(first.resolved, name, total)
    first.brakes, first.open, first.finished_at = second.brakes, second.open, second.finished_at
    return first


async def _told(
    engine: Engine, store: PostgresStore, result: RunResult, began: datetime, seconds: Decimal
) -> Ran:
    bridge = engine.bridge

    def work(tx: Any) -> Ran:
        total = people.open_total(tx, bridge)
        return Ran(
            result=result,
            moved=tuple(planned.moved_since(tx, bridge, began)),
            waiting=tuple(plans.waiting(tx, bridge)),
            exceptions=total.number,
            amounts=total.amounts,
            seconds=seconds,
            recovery=recovering.recovery(tx, bridge),
        )

    return await store.do(work)


_UNITS = {"s": 1, "m": 60, "h": 3600}


def interval(text: str) -> int:
    """Seconds of `30s`, `5m`, `1h` or `30`. Raises `UsedWronglyError`."""
    plain = text.strip().casefold()
    unit = _UNITS.get(plain[-1:], 0)
    digits = plain[:-1] if unit else plain
    if not digits.isdigit() or int(digits) == 0:
        raise UsedWronglyError(f'"{text}" is no interval. Say 30s, 5m or 1h.', code="no_interval")
    return int(digits) * (unit or 1)
