"""
Planning and applying: what would be written, shown first; then exactly that, and nothing else.

A plan decides every due and parked source without taking it. Applying decides again on what both
sides show now: a change whose digest is another one by then has moved on and is not written.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from tieout.core.brakes import Brake, brakes
from tieout.core.case import WAITING, Decision, OpenOperation, OpState, Verdict
from tieout.core.change import Action
from tieout.core.errors import BusyError, ConnectionBrokenError, StoppedError
from tieout.core.model import Entity
from tieout.engine import lanes
from tieout.engine.adopting import adopt_carriers
from tieout.engine.context import LEASE_S, Engine
from tieout.engine.deciding import WINDOW, all_lanes, decide_window
from tieout.engine.reading import read_side
from tieout.engine.recover import recovering
from tieout.engine.run import connect
from tieout.services import clocks
from tieout.services.planned_words import differing_words, shown_lines, with_unsettled
from tieout.services.watching import Say, silent
from tieout.store import planned, plans
from tieout.store.plans import PlanLine
from tieout.store.postgres import PostgresStore
from tieout.storing import DueRow, Lease

Key = tuple[str, str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """
    A plan as it is shown. ``number`` is None for one that was not stored (a brake held it).
    """

    number: int | None
    bridge: str
    hash: str
    config_version: int
    read_at: datetime
    lines: tuple[PlanLine, ...]
    brakes: tuple[Brake, ...] = ()

    @property
    def writes(self) -> tuple[PlanLine, ...]:
        return tuple(line for line in self.lines if line.verdict == Verdict.WRITE)

    @property
    def name(self) -> str:
        return f"P-{self.number}"

    @property
    def stopped(self) -> bool:
        """Whether nothing at all may be planned, not only no new records."""
        return any(not brake.creates_only for brake in self.brakes)


@asynccontextmanager
async def holding(engine: Engine) -> AsyncIterator[Lease]:
    """The right to work on the bridge. Raises `BusyError` when another run has it."""
    taken = await engine.store.take_lease(
        engine.bridge, engine.worker, engine.process, LEASE_S, engine.clock.now()
    )
    if not isinstance(taken, Lease):
        process, since = taken
        local = since.astimezone(zone_of(engine))
        raise BusyError(
            f"Another run works on {engine.bridge} since {local:%H:%M} ({process}). "
            "Nothing was done.",
            hint="tieout status --watch",
        )
    try:
        yield taken
    finally:
        await engine.store.release_lease(taken)


def zone_of(engine: Engine) -> Any:
    """The time zone in which times are shown: that of the first books."""
    from zoneinfo import ZoneInfo

    return ZoneInfo(engine.policy.books[0].time_zone)


async def keep(engine: Engine, lease: Lease) -> None:
    """Renews the right to work. Raises `BusyError` when somebody took it over."""
    if not await engine.store.renew_lease(lease, LEASE_S, engine.clock.now()):
        raise BusyError(
            f"Another run took over {engine.bridge}. What was sent is settled by it.",
            hint="tieout status --watch",
        )


async def read_both(engine: Engine, lease: Lease, say: Callable[[str], None]) -> None:
    """
    The books, then the CRM: what changed since the last time; documents that carry our keys are
    adopted. Raises `StoppedError` while a restored database is being caught up with.
    """
    try:
        await connect(engine)
    except ConnectionBrokenError:
        if (stopped := clocks.apart(engine)) is not None:
            raise stopped from None
        raise
    if await recovering(engine):
        raise StoppedError(
            "This database was put back to an earlier state. Nothing is planned before both sides "
            "were read again.",
            code="database_restored",
            hint="tieout run --once",
        )
    for connection in [*engine.books, engine.policy.crm]:
        say(f"Reading {connection}")
        await read_side(engine, connection)
        await keep(engine, lease)
    await adopt_carriers(engine)


# --- deciding without taking --------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One window of a lane: its due rows and what was decided of them."""

    lane: str
    due: tuple[DueRow, ...]
    decisions: tuple[Decision, ...]


async def windows(engine: Engine, store: PostgresStore) -> AsyncIterator[Window]:
    """Every due, parked and waiting source of all lanes, decided and left as it is."""
    for lane in all_lanes(engine):
        after = ""
        while not engine.stopping:
            due = await store.do(_to_decide(lane, after))
            if not due:
                break
            after = due[-1].source_id
            decisions = await decide_window(engine, lane, due)
            yield Window(lane=lane, due=tuple(due), decisions=tuple(decisions))


def _to_decide(lane: str, after: str) -> Callable[[Any], list[DueRow]]:
    return lambda tx: planned.to_decide(tx, lane, WINDOW, after)


async def plan(
    engine: Engine,
    store: PostgresStore,
    *,
    read: bool = True,
    only: Collection[str] = (),
    say: Say = silent,
) -> Planned:
    """
    A fresh plan, stored under its number unless a brake holds everything.

    ``only``: deals by number, title or id. Raises `BusyError`, and what the connectors raise.
    """
    async with holding(engine) as lease:
        if read:
            await read_both(engine, lease, say)
        return await plan_now(engine, store, only=only, say=say)


async def plan_now(
    engine: Engine, store: PostgresStore, *, only: Collection[str] = (), say: Say = silent
) -> Planned:
    """A plan on what the mirror shows now."""
    lines = await decided_lines(engine, store, say)
    sent = await store.do(lambda tx: plans.unsettled(tx, engine.bridge))
    lines = sorted(with_unsettled(lines, sent, zone_of(engine)), key=plans.sort_key)
    chosen = tuple(chosen_lines(lines, only))
    held = await held_back(engine, chosen)
    sides = [*engine.books, engine.policy.crm]
    now = engine.clock.now()
    read_at = await store.do(lambda tx: planned.read_at(tx, sides)) or now
    number = None
    if not any(not brake.creates_only for brake in held):
        number = await store.do(
            lambda tx: plans.store_plan(
                tx, engine.bridge, chosen, engine.policy.version, read_at, now
            )
        )
    return Planned(
        number=number,
        bridge=engine.bridge,
        hash=plans.plan_hash(chosen),
        config_version=engine.policy.version,
        read_at=read_at,
        lines=chosen,
        brakes=held,
    )


async def decided_lines(engine: Engine, store: PostgresStore, say: Say = silent) -> list[PlanLine]:
    """
    All that is due as rows in the plan's order, each source once.

    Raises `StoppedError` where somebody stopped it half-way: half a plan would read as a whole one.
    """
    found: dict[Key, PlanLine] = {}
    needed_by: dict[str, list[str]] = {}
    done, total = 0, await _to_look_at(engine)
    say("Deciding", done, total)
    async for window in windows(engine, store):
        done += len(window.due)
        say("Deciding", done, total)
        for decision in window.decisions:
            if decision.change is not None:
                for_deal = lanes.flow_of(decision.lane) == lanes.DOCUMENTS
                if for_deal and decision.change and decision.change.depends_on:
                    deals = needed_by.setdefault(decision.change.depends_on, [])
                    deals.append(decision.number)
            line = _line(decision)
            key = (line.lane, line.source_id, line.part)
            if key not in found or _weight(line) > _weight(found[key]):
                found[key] = line
    if engine.stopping:
        raise StoppedError(
            "Stopped before everything was looked at. Nothing was written.",
            code="interrupted",
            hint="Run it again.",
        )
    crm = engine.policy.crm
    deals = [line.source_id for line in found.values() if line.entity == "document"]
    won = await store.do(lambda tx: planned.won(tx, crm, sorted(set(deals))))
    lines = [
        _for_deals(line, needed_by.get(line.key13, [])) for line in shown_lines(found.values(), won)
    ]
    return sorted(lines, key=plans.sort_key)


async def _to_look_at(engine: Engine) -> int:
    """How many sources are due or parked; what waits to be released may come to them."""
    found = await engine.store.open_work(engine.bridge)
    return sum(number for name, number in found.items() if name.startswith("due."))


def recorded(decision: Decision) -> OpenOperation | None:
    """The operation for exactly this that waits to be released or sent; None where none does."""
    waiting = decision.state.operation if decision.state else None
    if waiting is None or waiting.state not in WAITING:
        return None
    not_needed = decision.verdict is Verdict.SKIP and decision.reason == "not_needed"
    return waiting if not_needed or waiting.want_digest == decision.digest else None


def _line(decision: Decision) -> PlanLine:
    """
    A decision as a row. What is recorded already is shown as it was recorded: a customer whose
    document waits too is not decided anew, and what was released once needs no second name.
    """
    line = plans.line_of(decision)
    waiting = recorded(decision)
    if waiting is not None:
        released = waiting.state is OpState.READY
        line = replace(
            line,
            verdict=str(Verdict.WRITE if released else Verdict.APPROVAL),
            reason=waiting.action if released else "waiting_for_approval",
            message="" if released else decision.message or "a person releases it",
            action=waiting.action,
            digest=waiting.want_digest,
        )
    if decision.change is not None and decision.change.action is Action.UPDATE:
        line = replace(line, message=differing_words(decision.change) or line.message)
    return line


def _for_deals(line: PlanLine, deals: Sequence[str]) -> PlanLine:
    """A customer's row says which deals need it."""
    if line.entity != "customer" or not deals:
        return line
    names_of = sorted(set(deals))
    more = f" and {len(names_of) - 1} more" if len(names_of) > 1 else ""
    return replace(line, message=f"for {names_of[0]}{more}")


_WEIGHTS = {"write": 5, "approval": 4, "hold": 3, "agreed": 2, "wait": 1}


def _weight(line: PlanLine) -> int:
    return _WEIGHTS.get(line.verdict, 0)


def chosen_lines(lines: Iterable[PlanLine], only: Collection[str]) -> list[PlanLine]:
    """Rows of the deals that are named, with the customers that they need; all without a name."""
    found = list(lines)
    if not only:
        return found
    deals = [line for line in found if line.entity != "customer" and names(line, only)]
    buyers = {line.title for line in deals}
    return [
        line
        for line in found
        if line in deals
        or (line.entity == "customer" and (names(line, only) or line.title in buyers))
    ]


def unnamed(lines: Iterable[PlanLine], only: Collection[str]) -> list[str]:
    """Those of the words that name no row: mistyped, or nothing is due for it."""
    found = list(lines)
    return [word for word in only if not any(names(line, [word]) for line in found)]


def names(line: PlanLine, wanted: Collection[str]) -> bool:
    """Whether one of these words names the row: number, id, or the name, in any case."""
    known = {line.number.casefold(), line.source_id.casefold(), line.title.casefold()} - {""}
    return any(word.casefold() in known for word in wanted)


async def held_back(engine: Engine, lines: Iterable[PlanLine]) -> tuple[Brake, ...]:
    """Reasons to stop, from what is known and what these rows would do."""
    if engine.force:
        return ()
    writes = [line for line in lines if line.verdict == Verdict.WRITE]
    found: list[Brake] = []
    for connection in [*engine.books, engine.policy.crm]:
        is_books = connection != engine.policy.crm
        for entity in (Entity.CUSTOMER, Entity.DOCUMENT) if is_books else (Entity.DEAL,):
            selection = engine.selections[connection].get(entity)
            if selection is None:
                continue
            mine = [
                line.action
                for line in writes
                if is_books and line.entity == entity and line.lane.endswith(f"/{connection}")
            ]
            counts = await engine.store.counts(
                engine.bridge, connection, entity, selection.shape, 0, engine.clock.now(), len(mine)
            )
            offset = engine.offsets.get(connection)
            counts = replace(
                counts,
                creates=max(counts.creates, mine.count("create")),
                updates=max(counts.updates, mine.count("update")),
                voids=max(counts.voids, mine.count("void")),
                clock_offset_s=0 if offset is None else int(offset.total_seconds()),
            )
            found += brakes(counts, engine.policy.brakes, engine.rules)
    return tuple({brake.code: brake for brake in found}.values())


async def stored(store: PostgresStore, number: int) -> Planned | None:
    """A plan as it was shown, or None where there is none of that number."""

    def work(tx: Any) -> Planned | None:
        head = plans.load_plan(tx, number)
        if head is None:
            return None
        return Planned(
            number=head.number,
            bridge=head.bridge,
            hash=head.hash,
            config_version=head.config_version,
            read_at=head.read_at,
            lines=tuple(plans.plan_lines(tx, number)),
        )

    return await store.do(work)


def by_key(lines: Iterable[PlanLine]) -> Mapping[Key, PlanLine]:
    """Rows by (lane, source, part)."""
    return {(line.lane, line.source_id, line.part): line for line in lines}
