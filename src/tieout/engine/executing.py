"""Executing: prepare, pack, record, send, settle; in groups, with bounded calls in flight."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from tieout.core.abilities import Guard
from tieout.core.change import (
    Action,
    AlreadyApplied,
    Applied,
    Deferred,
    Outcome,
    Prepared,
    Refused,
    Rejected,
    Stale,
    Unknown,
)
from tieout.core.compare import DOCUMENT_FIELDS, as_sent, differing
from tieout.core.errors import ConnectionBrokenError, TransientError
from tieout.core.finding import Finding
from tieout.core.keys import generation_of
from tieout.core.model import Document, Entity, Item, Record
from tieout.core.orders import is_order
from tieout.core.resolve import UNSET, horizon
from tieout.engine.context import LEASE_S, Engine
from tieout.engine.facts import mirror_row
from tieout.engine.reading import look_again
from tieout.ports import Connector
from tieout.storing import MirrorRow, ReadyOperation, Sending, Settled

GROUP = 128
FLUSH = 64
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


async def execute(
    engine: Engine,
    connection: str,
    counts: ExecuteCounts,
    *,
    creates: bool = True,
    only: Sequence[str] | None = None,
) -> None:
    """
    Everything that may be sent to one connection, group by group, until nothing is ready.

    ``creates`` False: a brake holds new records back. ``only``: these operations and no others.
    """
    lane = _Lane(engine, connection, counts)
    try:
        await _groups(lane, creates, only)
        await lane.settled()
    finally:
        await lane.stop()


@dataclass(slots=True)
class _Lane:
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
class _Group:
    """Writes as bytes, not yet recorded as begun. ``picked``: something was ready at all."""

    picked: bool
    sendings: Sequence[Sending] = ()


@dataclass(frozen=True, slots=True)
class _Started:
    """Sends that are recorded as begun, with attempt and fence of each operation."""

    steady: int
    sendings: Sequence[Sending] = ()
    given: Mapping[str, Mapping[str, tuple[int, int]]] = field(default_factory=dict)


async def _groups(lane: _Lane, creates: bool, only: Sequence[str] | None) -> None:
    """While the calls of one group are under way, the bytes of the next are made."""
    before = lane.counts.seen
    group = await _next(lane, creates, only)
    while group.picked:
        started = await _begin(lane, group.sendings)
        sending = asyncio.ensure_future(_send_all(lane, started))
        following = await _beside(lane, sending, creates, only)
        if lane.counts.seen == before:
            return
        before = lane.counts.seen
        if not following.picked:
            # What waited for these answers may be ready now.
            await lane.settled()
            following = await _next(lane, creates, only)
        group = following


async def _beside(
    lane: _Lane, sending: asyncio.Task[None], creates: bool, only: Sequence[str] | None
) -> _Group:
    """The next group, made while this one is sent; both are over when this returns or raises."""
    failed: TransientError | ConnectionBrokenError | None = None
    following = _Group(picked=False)
    try:
        following = await _next(lane, creates, only)
    except (TransientError, ConnectionBrokenError) as error:
        # The system failed a read of ours; what is under way is still heard out.
        failed = error
    except BaseException:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        raise
    await sending
    if failed is not None:
        await lane.settled()
        raise failed
    return following


async def _next(lane: _Lane, creates: bool, only: Sequence[str] | None) -> _Group:
    engine, connection = lane.engine, lane.connection
    until = engine.paused.get(connection)
    if engine.stopping or (until is not None and engine.clock.now() < until):
        return _Group(picked=False)
    picked = await engine.store.pick_ready(
        engine.bridge, connection, GROUP, engine.clock.now(), creates, only
    )
    if not picked:
        return _Group(picked=False)
    return _Group(picked=True, sendings=await _made(lane, picked))


async def _made(lane: _Lane, picked: Sequence[ReadyOperation]) -> list[Sending]:
    engine, connector, connection = lane.engine, lane.connector, lane.connection
    free = await _adopt_carriers(engine, connection, picked, lane.counts)
    customers = [op for op in free if op.change.entity is Entity.CUSTOMER]
    # A customer never shares a round with its documents: they depend on its ref.
    ready = await _numbered(engine, connector, connection, customers or free)
    fresh = [op for op in ready if op.stored is None]
    prepared = await _prepare(engine, connector, fresh, lane.counts)
    sendings = _pack(engine, connector, connection, prepared)
    return sendings + [_again(engine, connector, connection, op) for op in ready if op.stored]


async def _begin(lane: _Lane, sendings: Sequence[Sending]) -> _Started:
    """Record that these begin, before a byte of them leaves."""
    engine = lane.engine
    steady = engine.clock.steady()
    if not sendings:
        return _Started(steady=steady)
    given = await engine.store.mark_started(sendings, engine.worker, LEASE_S, engine.clock.now())
    mine = [sending for sending in sendings if sending.send_id in given]
    return _Started(steady=steady, sendings=mine, given=given)


# --- step 0: the mirror knows carriers of our keys --------------------


async def _adopt_carriers(
    engine: Engine,
    connection: str,
    picked: Sequence[ReadyOperation],
    counts: ExecuteCounts,
) -> list[ReadyOperation]:
    creates = [op for op in picked if op.change.action is Action.CREATE and not op.repeats]
    looked_for = {op.id for op in creates}
    if not engine.rules.carrier_adopted_at_claim or not engine.rules.books_read_first:
        return list(picked)
    found = await engine.store.carriers([op.key13 for op in creates])
    free = []
    for op in picked:
        carriers = _live(found.get(op.key13, []), connection, op.generation)
        if op.id not in looked_for or not carriers:
            free.append(op)
            continue
        key, record = carriers[0]
        counts.adopted += 1
        await engine.store.adopt(
            engine.bridge,
            op,
            mirror_row(record, engine.enrich),
            generation_of(key),
            as_sent(op.change.wanted.record if op.change.wanted else None, record),
            engine.clock.now(),
        )
    return free


def _live(
    found: Sequence[tuple[str, Record]], connection: str, generation: int
) -> list[tuple[str, Record]]:
    """
    Carriers of this generation or a later one, on this connection; the latest first. What grew
    out of an order among them only took its key along.
    """
    orders = {record.ref for _, record in found if is_order(record)}
    mine = [
        (key, record)
        for key, record in found
        if record.ref is not None
        and record.ref.connection == connection
        and generation_of(key) >= generation
        and not orders & set(getattr(record, "came_from", ()))
    ]
    return sorted(mine, key=lambda pair: -generation_of(pair[0]))


# --- bytes --------------------


async def _numbered(
    engine: Engine, connector: Connector, connection: str, ops: Sequence[ReadyOperation]
) -> list[ReadyOperation]:
    """Numbers drawn by us, once per operation, for systems where they are the guard."""
    start = int(str(engine.companies[connection].facts.get("number_start") or 0))
    numbers: dict[str, str] = {}
    for entity in (Entity.CUSTOMER, Entity.DOCUMENT):
        ours = connector.abilities.of(entity).guard is Guard.OUR_NUMBER
        wanting = [
            op
            for op in ops
            if op.change.entity is entity
            and op.change.action is Action.CREATE
            and op.change.number is None
            and op.stored is None
        ]
        if not start or not wanting or not (ours or entity is Entity.CUSTOMER):
            continue
        first = await engine.store.draw_number(connection, entity, start, len(wanting))
        numbers |= {op.id: str(first + index) for index, op in enumerate(wanting)}
    return [
        replace(op, change=replace(op.change, number=numbers[op.id])) if op.id in numbers else op
        for op in ops
    ]


async def _prepare(
    engine: Engine,
    connector: Connector,
    ops: Sequence[ReadyOperation],
    counts: ExecuteCounts,
) -> list[tuple[ReadyOperation, Prepared]]:
    ready = []
    for op, made in zip(
        ops, await connector.prepare([op.change for op in ops]) if ops else (), strict=True
    ):
        if isinstance(made, Refused):
            counts.stale += made.stale
            counts.rejected += not made.stale
            await _refuse(engine, op, made.findings, made.stale, made.seen)
            if made.stale and made.seen is None and op.change.target is not None:
                await look_again(engine, connector.name, op.change.entity, [op.change.target])
            continue
        moved = _moved_on(engine, op, made)
        if moved:
            counts.stale += 1
            await _refuse(engine, op, (), True, made.read)
            continue
        ready.append((op, made))
    return ready


async def _refuse(
    engine: Engine,
    op: ReadyOperation,
    findings: Sequence[Finding],
    stale: bool,
    seen: Record | None,
) -> None:
    row = mirror_row(seen, engine.enrich) if seen is not None and seen.ref else None
    await engine.store.refuse(engine.bridge, op, findings, stale, row, engine.clock.now())


def _moved_on(engine: Engine, op: ReadyOperation, made: Prepared) -> bool:
    """What was just read differs from the base: somebody edited it, so it is decided anew."""
    if not engine.rules.compare_with_base or made.read is None or op.change.base is None:
        return False
    if isinstance(made.read, Document):
        if made.read.booked:
            return True
        only = DOCUMENT_FIELDS
    elif op.change.wanted is not None:
        only = op.change.wanted.fields
    else:
        only = frozenset()
    return bool(differing(made.read, op.change.base, only)) and op.change.entity is not (
        Entity.STANDING
    )


def _pack(
    engine: Engine,
    connector: Connector,
    connection: str,
    prepared: Sequence[tuple[ReadyOperation, Prepared]],
) -> list[Sending]:
    by_key = {made.key: (op, made) for op, made in prepared}
    wires = connector.pack([made for _, made in prepared])
    now = engine.sent_at(connection)
    sendings = []
    for wire in wires:
        items = [by_key[key] for key in wire.items]
        sendings.append(
            Sending(
                send_id=engine.ids.new("send"),
                connection=connection,
                wire=wire,
                items=items,
                vendor_time=now,
                horizon=_horizon(engine, connector, connection, items[0][1].entity),
            )
        )
    return sendings


def _horizon(engine: Engine, connector: Connector, connection: str, entity: Entity) -> datetime:
    """Until when a request that leaves now can take effect; unset before we know their time."""
    if not engine.knows_time(connection):
        return UNSET
    return horizon(engine.vendor_now(connection), connector.abilities.of(entity))


def _again(engine: Engine, connector: Connector, connection: str, op: ReadyOperation) -> Sending:
    """The stored request once more: same key, same bytes."""
    assert op.stored is not None
    now = engine.sent_at(connection)
    return Sending(
        send_id=engine.ids.new("send"),
        connection=connection,
        wire=op.stored.wire,
        items=[(op, op.stored.prepared)],
        vendor_time=now,
        horizon=_horizon(engine, connector, connection, op.change.entity),
    )


# --- sending --------------------


async def _send_all(lane: _Lane, started: _Started) -> None:
    """Calls bounded by what the connection takes at once; outcomes are stored in groups."""
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
        until = engine.paused.get(lane.connection)
        await engine.store.not_sent(bounced, started.given, until, engine.clock.now())
    if broken:
        await lane.settled()
        raise broken[0]


async def _cut_off(
    lane: _Lane, started: _Started, answered: Sequence[Settled], kept: Sequence[Sending]
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
                horizon=_horizon(
                    engine,
                    engine.connectors[sending.connection],
                    sending.connection,
                    op.change.entity,
                ),
            )
        )
    return settled


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


def lease_horizon(engine: Engine, connection: str, entity: Entity) -> timedelta:
    """After a take-over: how long from now a dead worker's request may still take effect."""
    abilities = engine.connectors[connection].abilities.of(entity)
    return timedelta(seconds=LEASE_S + abilities.longest_s + abilities.margin_s)
