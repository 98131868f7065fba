"""Executing: prepare, pack, record what begins, and have it sent; group by group."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tieout.core.abilities import Guard
from tieout.core.change import (
    Action,
    Change,
    Prepared,
    Refused,
)
from tieout.core.compare import DOCUMENT_FIELDS, as_sent, differing
from tieout.core.errors import ConnectionBrokenError, TransientError, UnreadableError
from tieout.core.finding import Finding, unreadable
from tieout.core.keys import generation_of
from tieout.core.model import Document, Entity, Record
from tieout.core.orders import is_order
from tieout.engine.context import LEASE_S, Engine
from tieout.engine.facts import mirror_row
from tieout.engine.halving import by_halves
from tieout.engine.reading import look_again
from tieout.engine.sending import (
    ExecuteCounts,
    Lane,
    Started,
    give_back,
    horizon_of,
    send_all,
)
from tieout.ports import Connector
from tieout.storing import ReadyOperation, Sending

# So many are picked at a time, or as many as the system takes in one call.
GROUP = 128


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
    lane = Lane(engine, connection, counts)
    try:
        await _groups(lane, creates, only)
        await lane.settled()
    finally:
        await lane.stop()


@dataclass(frozen=True, slots=True)
class _Group:
    """Writes as bytes, not yet recorded as begun. ``picked``: something was ready at all."""

    picked: bool
    sendings: Sequence[Sending] = ()


async def _groups(lane: Lane, creates: bool, only: Sequence[str] | None) -> None:
    """While the calls of one group are under way, the next is made into bytes and recorded."""
    before = lane.counts.seen
    started = await _begin(lane, await _next(lane, creates, only))
    # A group of which nothing may be sent and nothing came would be picked again and again.
    while started.picked and (started.sendings or lane.counts.seen > before):
        before = lane.counts.seen
        sending = asyncio.ensure_future(send_all(lane, started))
        following = await _beside(lane, started, sending, creates, only)
        if not following.picked:
            # What waited for these answers may be ready now.
            await lane.settled()
            following = await _begin(lane, await _next(lane, creates, only))
        started = following


async def _beside(
    lane: Lane,
    started: Started,
    sending: asyncio.Task[None],
    creates: bool,
    only: Sequence[str] | None,
) -> Started:
    """
    The next group, begun while the last of this one are sent; the sending is over when this
    returns or raises.
    """
    failed: TransientError | ConnectionBrokenError | None = None
    following = Started(steady=0, picked=False)
    try:
        group = await _next(lane, creates, only)
        await started.nearly.wait()
        failed_to_send = sending.done() and sending.exception() is not None
        if not failed_to_send and not _held(lane):
            following = await _begin(lane, group)
    except (TransientError, ConnectionBrokenError) as error:
        # The system failed a read of ours; what is under way is still heard out.
        failed = error
    except BaseException:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        raise
    try:
        await sending
    except (ConnectionBrokenError, asyncio.CancelledError):
        await give_back(lane, following)
        raise
    if failed is not None:
        await lane.settled()
        raise failed
    return following


async def _next(lane: Lane, creates: bool, only: Sequence[str] | None) -> _Group:
    if _held(lane):
        return _Group(picked=False)
    engine = lane.engine
    entities = lane.connector.abilities.entities.values()
    most = max((GROUP, *(entity.write_max for entity in entities)))
    picked = await engine.store.pick_ready(
        engine.bridge, lane.connection, most, engine.clock.now(), creates, only
    )
    if not picked:
        return _Group(picked=False)
    return _Group(picked=True, sendings=await _made(lane, picked))


def _held(lane: Lane) -> bool:
    """Nothing more begins: the run ends, or the connection's quota is used up."""
    until = lane.engine.paused.get(lane.connection)
    return lane.engine.stopping or (until is not None and lane.engine.clock.now() < until)


async def _made(lane: Lane, picked: Sequence[ReadyOperation]) -> list[Sending]:
    engine, connector, connection = lane.engine, lane.connector, lane.connection
    free = await _adopt_carriers(engine, connection, picked, lane.counts)
    customers = [op for op in free if op.change.entity is Entity.CUSTOMER]
    # A customer never shares a round with its documents: they depend on its ref.
    ready = await _numbered(engine, connector, connection, customers or free)
    fresh = [op for op in ready if op.stored is None]
    prepared = await _prepare(engine, connector, fresh, lane.counts)
    sendings = _pack(engine, connector, connection, prepared)
    return sendings + [_again(engine, connector, connection, op) for op in ready if op.stored]


async def _begin(lane: Lane, group: _Group) -> Started:
    """Record that these begin, before a byte of them leaves."""
    engine = lane.engine
    steady = engine.clock.steady()
    if not group.sendings:
        return Started(steady=steady, picked=group.picked)
    given = await engine.store.mark_started(
        group.sendings, engine.worker, LEASE_S, engine.clock.now()
    )
    mine = [sending for sending in group.sendings if sending.send_id in given]
    return Started(steady=steady, picked=True, sendings=mine, given=given)


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
    for op, made in zip(ops, await _bytes_of(connector, ops), strict=True):
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


async def _bytes_of(
    connector: Connector, ops: Sequence[ReadyOperation]
) -> list[Prepared | Refused]:
    """As prepared. A record that cannot be understood keeps back only what stands on it."""

    def refused(change: Change, error: UnreadableError) -> list[Prepared | Refused]:
        return [Refused(key=change.key, findings=(unreadable(error.message),))]

    return await by_halves(connector.prepare, [op.change for op in ops], refused)


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
                horizon=horizon_of(engine, connector, connection, items[0][1].entity),
            )
        )
    return sendings


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
        horizon=horizon_of(engine, connector, connection, op.change.entity),
    )
