"""
After a restore: both sides are read twice before anything is written.

The database is older than what was sent since. Requests of the old epoch are waited out, then two
complete reads more than the search lag apart adopt every carrier and follow every vanished record.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from tieout.core.abilities import Guard
from tieout.core.change import Action, Doubt
from tieout.core.model import Entity
from tieout.engine.context import LEASE_S, Engine
from tieout.ports import Connector


async def begin_recovery(
    engine: Engine, epoch: int, seq: int, others: Iterable[Connector] = ()
) -> None:
    """
    The restore was recognised (the mark outside the database was newer): a new epoch begins.

    ``epoch`` and ``seq`` are those of the mark. ``others`` are connectors of further bridges on
    the same database. Nothing is written before `recovering` is False.
    """
    now = engine.clock.now()
    longest = max(_longest(engine.connectors.values()), _longest(others))
    until = now + timedelta(seconds=LEASE_S + longest)
    await engine.store.begin_recovery(epoch, seq, until, now)
    engine.looked_for_carriers = False


async def recovering(engine: Engine) -> bool:
    """
    Whether this run only reads, looks and adopts. Before a read that counts, cursors are
    forgotten, so that it is a whole one.
    """
    found = await engine.store.recovery(engine.bridge)
    if found is None:
        return False
    until, _ = found
    if await _now(engine) >= until:
        await engine.store.forget_cursors([*engine.books, engine.policy.crm])
    engine.looked_for_carriers = False
    return True


async def read_through(engine: Engine) -> None:
    """Both sides were read and carriers adopted: one more counted read, or the end of it."""
    found = await engine.store.recovery(engine.bridge)
    if found is None:
        return
    until, left = found
    now = await _now(engine)
    if now < until:
        return
    if left > 1:
        later = now + timedelta(seconds=_lag(engine) + 1)
        await engine.store.recovery_read(engine.bridge, later, now)
        return
    for connection in engine.books:
        guard = engine.connectors[connection].abilities.of(Entity.DOCUMENT).guard
        # The day of the backup was told by a clock that may have been so far ahead of theirs.
        off = timedelta(seconds=engine.policy.brakes.clock_offset_s)
        opaque = guard is Guard.OPAQUE
        await engine.store.ask_for_unlinked(engine.bridge, connection, opaque, off, now)
    await engine.store.recovery_read(engine.bridge, None, now)


async def _now(engine: Engine) -> datetime:
    """
    The earliest of our time and those of the books. Our clock may have been set ahead since the
    restore; what was sent before it is still on its way over there.
    """
    times = [engine.clock.now()]
    for connection in engine.books:
        if not engine.knows_time(connection):
            # Nothing was asked for yet that tells the time: a look for a key that nobody has does.
            (sight,) = await engine.connectors[connection].find_by_key([_nobody(times[0])])
            engine.heard(connection, sight.vendor_time)
        if connection in engine.told:
            times.append(engine.vendor_now(connection))
    return min(times)


def _nobody(now: datetime) -> Doubt:
    return Doubt(
        key="0" * 13 + "D00",
        key13="0" * 13,
        entity=Entity.DOCUMENT,
        action=Action.CREATE,
        target=None,
        bodies=(),
        witness={},
        customers=(),
        first_sent_at=now,
    )


def _longest(connectors: Iterable[Connector]) -> int:
    return max(
        (
            abilities.longest_s + abilities.margin_s
            for connector in connectors
            for abilities in connector.abilities.entities.values()
        ),
        default=0,
    )


def _lag(engine: Engine) -> int:
    return max(
        abilities.search_lag_s
        for connector in engine.connectors.values()
        for abilities in connector.abilities.entities.values()
    )
