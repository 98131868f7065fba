"""Ended at once in the middle of a group: only what is under way is unknown afterwards."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from support.daily_world import World, begin, daily_world
from tieout.engine.run import run as run_engine

pytestmark = pytest.mark.timeout(120)
DEALS = 20


async def _states(world: World) -> Counter[tuple[str, str]]:
    rows = await world.store.do(
        lambda tx: tx.rows(
            "SELECT entity, state, count(*) FROM operation WHERE workspace = %(ws)s GROUP BY 1, 2"
        )
    )
    return Counter({(row[0], row[1]): row[2] for row in rows})


def test_what_never_left_is_given_back(database_url: str) -> None:
    with daily_world(database_url) as world:
        for number in range(DEALS):
            world.story.deal(f"D-3{number:02}", "Tallmo Skog AB", "SRV-1", f"{1000 + number}")

        async def all_of_it() -> None:
            engine = await begin(world)
            connector = world.connectors["visma-se"]
            real, under_way, hang = connector.send, asyncio.Event(), asyncio.Event()
            sent = 0

            async def send(wire: object) -> object:
                nonlocal sent
                if wire.items and "invoice" in str(wire.path):  # type: ignore[attr-defined]
                    sent += 1
                    if sent > 4:
                        under_way.set()
                        await hang.wait()
                return await real(wire)

            connector.send = send
            working = asyncio.ensure_future(run_engine(engine))
            await under_way.wait()
            await asyncio.sleep(0.05)
            working.cancel()
            with pytest.raises(asyncio.CancelledError):
                await working
            states = await _states(world)
            at_once = connector.abilities.in_flight
            assert states["document", "applied"] == 4, states
            assert 0 < states["document", "started"] <= at_once, states
            assert states["document", "ready"] == DEALS + 3 - 4 - states["document", "started"]

            # The next run looks for those, sends the others, and no brake holds.
            connector.send = real
            world.clock.advance(61)
            result = await run_engine(world.engine())
            assert not result.brakes
            states = await _states(world)
            assert states["document", "ready"] == 0, states
            assert len(world.drafts()) == states["document", "applied"]

        asyncio.run(all_of_it())
