"""Sending: what was recorded as begun leaves, so much at once; what is answered is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from tieout.core.change import (
    Action,
    AlreadyApplied,
    Applied,
    Deferred,
    Outcome,
    Prepared,
    Rejected,
    Stale,
    Unknown,
)
from tieout.core.errors import ConnectionBrokenError
from tieout.core.model import Entity, Item
from tieout.core.resolve import UNSET, horizon
from tieout.engine.context import LEASE_S, Engine
from tieout.engine.facts import mirror_row
from tieout.engine.reading import look_again
from tieout.ports import Connector
from tieout.storing import MirrorRow, ReadyOperation, Sending, Settled

FLUSH = 64
# The next group is recorded as begun when so many of this one have yet to leave: recording takes
# as long as they do, and what is recorded early has less of its lease to be sent in.
AHEAD = 16
CLOCK_MARGIN_MS = 5_000
FIRST_LOOK_S = 2


@dataclass(slots=True)
class ExecuteCounts:
    applied: int = 0
    rejected: int = 0
    unknown: int = 0
    deferred: int = 0
    adopted: int = 0
    stale: int = 0
    calls: int = 0

    @property
    def progress(self) -> int:
        """Whether another round can find something new to do."""
        return self.applied + self.rejected + self.adopted + self.stale

    @property
    def seen(self) -> int:
        """Whether anything came of a group at all."""
        return self.progress + self.unknown + self.deferred


@dataclass(slots=True)
class Lane:
    """
    One connection being written to. What was answered is stored beside the next calls, one group
    of answers after the other.
    """

    engine: Engine
    connection: str
    counts: ExecuteCounts
    storing: asyncio.Task[None] | None = None
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def connector(self) -> Connector:
        return self.engine.connectors[self.connection]

    async def store(self, settled: Sequence[Settled]) -> None:
        """Begin to store these; waits until what was handed over before is stored."""
        async with self.turn:
            await self._finish()
            self.storing = asyncio.ensure_future(_flush(self.engine, self.connection, settled))

    async def settled(self) -> None:
        """Wait until all that was answered is stored. Raises what went wrong with it."""
        async with self.turn:
            await self._finish()

    async def _finish(self) -> None:
        if self.storing is not None:
            storing, self.storing = self.storing, None
            await storing

    async def stop(self) -> None:
        """After a failure: nothing of it goes on."""
        if self.storing is not None:
            self.storing.cancel()
            await asyncio.gather(self.storing, return_exceptions=True)


@dataclass(frozen=True, slots=True)
class Started:
    """
    Sends that are recorded as begun, with attempt and fence of each operation. ``picked``:
    something was ready at all. ``nearly``: few of them have yet to leave, or none ever will.
    """

    steady: int
    picked: bool
    sendings: Sequence[Sending] = ()
    given: Mapping[str, Mapping[str, tuple[int, int]]] = field(default_factory=dict)
    nearly: asyncio.Event = field(default_factory=asyncio.Event)


def horizon_of(engine: Engine, connector: Connector, connection: str, entity: Entity) -> datetime:
    """Until when a request that leaves now can take effect; unset before we know their time."""
    if not engine.knows_time(connection):
        return UNSET
    return horizon(engine.vendor_now(connection), connector.abilities.of(entity))


def lease_horizon(engine: Engine, connection: str, entity: Entity) -> timedelta:
    """After a take-over: how long from now a dead worker's request may still take effect."""
    abilities = engine.connectors[connection].abilities.of(entity)
    return timedelta(seconds=LEASE_S + abilities.longest_s + abilities.margin_s)


async def send_all(lane: Lane, started: Started) -> None:
    """Calls bounded by what the connection takes at once; outcomes are stored in groups."""
    try:
        await _sent(lane, started)
    finally:
        started.nearly.set()


async def _sent(lane: Lane, started: Started) -> None:
    if not started.sendings:
        return
    engine, connector = lane.engine, lane.connector
    gate = asyncio.Semaphore(connector.abilities.in_flight)
    waiting: list[Settled] = []
    broken: list[ConnectionBrokenError] = []
    bounced: list[Sending] = []
    left: set[str] = set()

    async def one(sending: Sending) -> None:
        async with gate:
            late = _too_late(engine, started.steady)
            if engine.stopping or broken or late or _paused(engine, sending):
                bounced.append(sending)
                lane.counts.deferred += len(sending.items)
                return
            lane.counts.calls += 1
            left.add(sending.send_id)
            if len(started.sendings) - len(left) <= AHEAD:
                started.nearly.set()
            try:
                outcomes = await connector.send(sending.wire)
            except ConnectionBrokenError as error:
                broken.append(error)
                bounced.append(sending)
                return
        given = started.given[sending.send_id]
        waiting.extend(_settled(engine, sending, given, outcomes, lane.counts))
        if len(waiting) >= FLUSH:
            answered = waiting[:]
            waiting.clear()
            await lane.store(answered)

    tasks = [asyncio.ensure_future(one(sending)) for sending in started.sendings]
    try:
        await asyncio.gather(*tasks)
    except asyncio.CancelledError:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        kept = [sending for sending in started.sendings if sending.send_id not in left]
        await _cut_off(lane, started, waiting, kept + [s for s in bounced if s not in kept])
        raise
    except BaseException:
        # One failed (our own store, or a death): the others must not go on sending.
        for task in tasks:
            task.cancel()
        raise
    if waiting:
        await lane.store(waiting)
    if bounced:
        await lane.settled()
        await give_back(lane, replace(started, sendings=bounced))
    if broken:
        await lane.settled()
        raise broken[0]


async def _cut_off(
    lane: Lane, started: Started, answered: Sequence[Settled], kept: Sequence[Sending]
) -> None:
    """
    Somebody ended it at once. What was answered is stored and what never left is given back, so
    that only the calls under way are unknown.
    """
    engine = lane.engine
    if answered:
        await lane.store(answered)
    await lane.settled()
    if kept:
        await engine.store.not_sent(kept, started.given, None, engine.clock.now())


def _paused(engine: Engine, sending: Sending) -> bool:
    """A quota that is used up holds back all that is still to go, not one after the other."""
    until = engine.paused.get(sending.connection)
    return until is not None and engine.clock.now() < until


def _too_late(engine: Engine, steady: int) -> bool:
    """A clock that neither jumps nor stops in suspend says whether the lease still holds."""
    if not engine.rules.steady_clock_test:
        return False
    return engine.clock.steady() - steady > LEASE_S * 1000 - CLOCK_MARGIN_MS


def _settled(
    engine: Engine,
    sending: Sending,
    started: Mapping[str, tuple[int, int]],
    outcomes: Sequence[Outcome],
    counts: ExecuteCounts,
) -> list[Settled]:
    by_key = {outcome.key: outcome for outcome in outcomes}
    settled: list[Settled] = []
    for op, prepared in sending.items:
        outcome = by_key.get(prepared.key) or Unknown(
            key=prepared.key, reason="no_answer_for_this_item"
        )
        engine.heard(sending.connection, outcome.vendor_time)
        if isinstance(outcome, Deferred) and len(sending.items) == len(outcomes) > 0:
            _pause(engine, sending.connection, outcomes)
        _count(outcome, counts)
        number, fence = started[op.id]
        settled.append(
            Settled(
                operation=op,
                prepared=prepared,
                attempt=number,
                fence=fence,
                outcome=outcome,
                next_look_s=FIRST_LOOK_S,
                row=_row(engine, op, prepared, outcome),
                horizon=_left_until(engine, sending, op, outcome),
            )
        )
    return settled


def _left_until(
    engine: Engine, sending: Sending, op: ReadyOperation, outcome: Outcome
) -> datetime | None:
    """Of a call without an answer: until when it can take effect, had it left only now."""
    if not isinstance(outcome, Unknown):
        return None
    connector = engine.connectors[sending.connection]
    return horizon_of(engine, connector, sending.connection, op.change.entity)


def _pause(engine: Engine, connection: str, outcomes: Sequence[Outcome]) -> None:
    """When a whole request was put off, so is the connection: until then nothing else is tried."""
    if all(isinstance(outcome, Deferred) for outcome in outcomes):
        wait = max(o.retry_after_s for o in outcomes if isinstance(o, Deferred))
        engine.paused[connection] = engine.clock.now() + timedelta(seconds=wait)


def _row(
    engine: Engine, op: ReadyOperation, prepared: Prepared, outcome: Outcome
) -> MirrorRow | None:
    if not isinstance(outcome, Applied) or op.change.action is Action.VOID:
        return None
    record = outcome.shows or prepared.shows
    if record is None or op.change.entity is Entity.STANDING:
        return None
    if isinstance(record, Item) and isinstance(prepared.shows, Item):
        # An answer tells neither price lists nor the fields that the configuration names.
        record = replace(record, prices=prepared.shows.prices, extra=prepared.shows.extra)
    if record.ref is None:
        record = replace(record, ref=outcome.ref)
    return mirror_row(record, engine.enrich)


def _count(outcome: Outcome, counts: ExecuteCounts) -> None:
    match outcome:
        case Applied():
            counts.applied += 1
        case AlreadyApplied() | Unknown():
            counts.unknown += 1
        case Rejected():
            counts.rejected += 1
        case Stale():
            counts.stale += 1
        case Deferred():
            counts.deferred += 1


async def _flush(engine: Engine, connection: str, settled: Sequence[Settled]) -> None:
    await engine.store.settle(
        engine.bridge, settled, engine.fan_out(connection), engine.clock.now()
    )
    # A write that was refused for its version was decided on what is not so any more.
    for entity in (
        Entity.CUSTOMER,
        Entity.CONTACT,
        Entity.DOCUMENT,
        Entity.ITEM,
        Entity.VALUES,
    ):
        moved = [
            one.operation.change.target
            for one in settled
            if isinstance(one.outcome, Stale)
            and one.operation.change.entity is entity
            and one.operation.change.target is not None
        ]
        await look_again(engine, connection, entity, moved)


async def give_back(lane: Lane, started: Started) -> None:
    """No byte of these has left: they are ready again."""
    if started.sendings:
        engine = lane.engine
        until = engine.paused.get(lane.connection)
        await engine.store.not_sent(started.sendings, started.given, until, engine.clock.now())
