"""Resolving: looks at unclear writes when they are due; what each proves is decided purely."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from tieout.core.change import Doubt, Sight
from tieout.core.errors import UnreadableError
from tieout.core.model import Document, Entity, ExternalRef, Record
from tieout.core.resolve import UNSET, Step, judge
from tieout.engine.context import Engine
from tieout.engine.facts import mirror_row
from tieout.engine.halving import by_halves
from tieout.engine.reading import look_again
from tieout.engine.sending import lease_horizon
from tieout.storing import OpenDoubt

LOOKS_AT_ONCE = 50


@dataclass(slots=True)
class ResolveCounts:
    looked: int = 0
    found: int = 0
    absent: int = 0
    doubts: int = 0

    @property
    def progress(self) -> int:
        return self.found + self.absent


async def expire(engine: Engine) -> int:
    """Operations whose worker is gone become unclear, with a horizon that covers its requests."""
    horizons = {
        f"{connection}/{entity}": UNSET
        if engine.rules.vendor_clock
        else engine.clock.now() + lease_horizon(engine, connection, entity)
        for connection in engine.connectors
        for entity in Entity
    }
    return await engine.store.expire_leases(engine.bridge, engine.clock.now(), horizons)


def _furthest(engine: Engine, connection: str) -> timedelta:
    """How far ahead a look can lie: at the end of a request of a dead worker, and two lags."""
    connector = engine.connectors[connection]
    return max(
        lease_horizon(engine, connection, entity)
        + timedelta(seconds=2 * connector.abilities.of(entity).search_lag_s + 2)
        for entity in Entity
    )


async def _looked(engine: Engine, connection: str, doubts: Sequence[Doubt]) -> list[Sight]:
    """
    One look for each. Where a record that it comes upon cannot be understood, that look is not
    complete: nothing follows from what it did not find.
    """

    def incomplete(doubt: Doubt, _error: UnreadableError) -> list[Sight]:
        now = engine.vendor_now(connection)
        return [Sight(key=doubt.key, began_at=now, vendor_time=now, complete=False)]

    return await by_halves(engine.connectors[connection].find_by_key, doubts, incomplete)


async def _without_those_of_others(
    engine: Engine, due: Sequence[OpenDoubt], sights: Sequence[Sight]
) -> list[OpenDoubt]:
    """
    With the role of what a look came upon and another place has: that cannot be the one that was
    looked for. Two deals of one customer that are unclear at once would else have each other's
    document for a candidate for ever.
    """
    near = {ref for sight in sights for record in sight.near if (ref := record.ref) is not None}
    if not near:
        return list(due)
    places = await engine.store.places_of(sorted(near))
    return [_knowing(one, places) for one in due]


def _knowing(one: OpenDoubt, places: Mapping[ExternalRef, str]) -> OpenDoubt:
    """What its own place has, or what a person said of it, counts before what another has."""
    taken = {ref: "taken" for ref, key in places.items() if key != one.operation.key13}
    return replace(one, state=replace(one.state, roles={**taken, **one.state.roles}))


async def resolve(engine: Engine, connection: str, counts: ResolveCounts) -> None:
    """Every look that is due on one connection, in batches; nothing is sent here."""
    connector = engine.connectors[connection]
    while not engine.stopping:
        now = engine.clock.now()
        due = await engine.store.doubts_due(
            engine.bridge, connection, LOOKS_AT_ONCE, now, now + _furthest(engine, connection)
        )
        if not due:
            return
        sights = await _looked(engine, connection, [_doubt(open_doubt) for open_doubt in due])
        gone: dict[Entity, list[ExternalRef]] = {}
        due = await _without_those_of_others(engine, due, sights)
        for open_doubt, sight in zip(due, sights, strict=True):
            engine.heard(connection, sight.vendor_time)
            counts.looked += 1
            change = open_doubt.operation.change
            abilities = connector.abilities.of(change.entity)
            open_doubt, sight = _timed(engine, connection, open_doubt, sight)
            if not engine.rules.all_collections:
                sight = _first_collection(sight)
            judgement = judge(open_doubt.state, sight, abilities, engine.rules)
            if sight.target_gone and change.target is not None:
                gone.setdefault(change.entity, []).append(change.target)
            record = judgement.record
            found = record is not None and judgement.step is not Step.WAS_DELETED
            row = mirror_row(record, engine.enrich) if found and record is not None else None
            _count(judgement.step, counts)
            await engine.store.apply_judgement(
                engine.bridge,
                open_doubt,
                judgement,
                row,
                engine.fan_out(connection),
                engine.clock.now(),
            )
        for entity, refs in gone.items():
            await look_again(engine, connection, entity, refs)
        if len(due) < LOOKS_AT_ONCE:
            return


def _timed(
    engine: Engine, connection: str, open_doubt: OpenDoubt, sight: Sight
) -> tuple[OpenDoubt, Sight]:
    """
    Horizons that were not set count from this look, the first that tells the vendor's time: a
    request of a worker that is gone can have left until its lease ended.
    """
    if not engine.rules.vendor_clock:
        now = engine.clock.now()
        return open_doubt, replace(sight, began_at=now, vendor_time=now)
    state = open_doubt.state
    if all(limit < UNSET for limit in state.horizons):
        return open_doubt, sight
    late = sight.vendor_time + lease_horizon(engine, connection, Entity(state.entity))
    horizons = tuple(late if limit >= UNSET else limit for limit in state.horizons)
    return replace(open_doubt, state=replace(state, horizons=horizons), late_horizon=late), sight


def _first_collection(sight: Sight) -> Sight:
    """What a look would show that forgets where documents move to."""

    def booked(record: Record) -> bool:
        return isinstance(record, Document) and record.booked

    return replace(
        sight,
        hits=tuple(hit for hit in sight.hits if not booked(hit.record)),
        near=tuple(record for record in sight.near if not booked(record)),
    )


def _count(step: Step, counts: ResolveCounts) -> None:
    if step in (Step.FOUND, Step.CONFIRM, Step.CONFIRMED, Step.APPLIED, Step.MOVED):
        counts.found += 1
    elif step in (Step.ABSENT, Step.PLAN_AGAIN, Step.ENDED, Step.REPEAT):
        counts.absent += 1
    elif step is Step.DOUBT:
        counts.doubts += 1


def _doubt(open_doubt: OpenDoubt) -> Doubt:
    operation = open_doubt.operation
    return Doubt(
        key=operation.change.key,
        key13=operation.key13,
        entity=operation.change.entity,
        action=operation.change.action,
        target=operation.change.target,
        bodies=open_doubt.bodies,
        witness=open_doubt.witness,
        customers=open_doubt.customers,
        first_sent_at=open_doubt.state.first_sent_at,
    )
