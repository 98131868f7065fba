"""The connector over real sockets: what the transport makes of drops, cuts and kept connections."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import pytest
from aiohttp import web

from contract.connector_contract import (
    DOCUMENTS,
    create,
    doubt,
    look,
    new_customer,
    prepared,
    records,
    run,
    sent,
)
from support.visma_rig import NAME, VismaRig
from tieout.connectors.http.transport import AiohttpTransport
from tieout.connectors.visma_eaccounting import VismaConnector, VismaSettings
from tieout.core.change import Applied, Deferred, Unknown
from tieout.core.model import Entity
from tieout_sandbox.kit.serve import _handler


@asynccontextmanager
async def served(rig: VismaRig) -> AsyncIterator[VismaRig]:
    """The rig with a connector that reaches the simulator over a socket."""
    runner = web.ServerRunner(web.Server(_handler(rig.sim), access_log=None), shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host = f"http://127.0.0.1:{runner.addresses[0][1]}"
    settings = VismaSettings(api_url=host, token_url=f"{host}/connect/token")
    rig.connector = VismaConnector(
        NAME, settings, AiohttpTransport(), rig.secrets, rig.clock, Random(1)
    )
    try:
        yield rig
    finally:
        await rig.connector.close()
        await runner.cleanup()


def test_a_deal_goes_there_and_back() -> None:
    async def story() -> None:
        async with served(VismaRig()) as rig:
            customer = await new_customer(rig)
            made = await prepared(rig, create(rig, "006A", rig.document(customer)))
            _, outcome = await sent(rig, made)
            assert isinstance(outcome, Applied)
            assert outcome.vendor_time is not None
            found = [p async for p in rig.connector.changes_since(DOCUMENTS, None)]
            assert records(found)[outcome.ref] == outcome.shows

    run(story())


@pytest.mark.parametrize(
    ("fault", "there"),
    [
        ({"kind": "drop_before"}, 0),
        ({"kind": "drop_after_commit"}, 1),
        ({"kind": "truncated"}, 1),
        ({"kind": "garbage", "status": 200}, 1),
        ({"kind": "garbage", "status": 502}, 1),
    ],
)
def test_a_lost_answer_is_one_arrival_and_unknown(fault: dict[str, Any], there: int) -> None:
    async def story() -> None:
        async with served(VismaRig()) as rig:
            customer = await new_customer(rig)
            change = create(rig, "006A", rig.document(customer))
            made = await prepared(rig, change)
            rig.sim.faults.add(
                {**fault, "method": "POST", "path": "/v2/customerinvoicedrafts", "times": None}
            )
            asked = doubt(rig, change, made, customer)
            _, outcome = await sent(rig, made)
            assert isinstance(outcome, Unknown), outcome
            calls = rig.sim.calls["POST /v2/customerinvoicedrafts"]
            assert sum(calls.values()) == 1
            sight = await look(rig, asked)
            assert len(sight.hits) == there

    run(story())


def test_a_server_that_is_down_puts_the_write_off() -> None:
    async def story() -> None:
        rig = VismaRig()
        async with served(rig):
            customer = await new_customer(rig)
            made = await prepared(rig, create(rig, "006A", rig.document(customer)))
            (wire,) = rig.connector.pack([made])
        (outcome,) = await rig.connector.send(wire)
        assert isinstance(outcome, Deferred)
        assert rig.stored(Entity.DOCUMENT) == 0
        await rig.connector.close()

    run(story())
