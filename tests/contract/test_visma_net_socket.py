"""Visma.net over real sockets: what the transport makes of drops, cuts and empty answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
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
    new_document,
    prepared,
    records,
    run,
    sent,
    write,
)
from support.visma_net_rig import NAME, VismaNetRig
from tieout.connectors.http.transport import AiohttpTransport
from tieout.connectors.visma_net import VismaNetConnector
from tieout.core.change import Action, Deferred, Unknown
from tieout.core.model import Document, Entity
from tieout_sandbox.kit.serve import _handler


@asynccontextmanager
async def served(rig: VismaNetRig) -> AsyncIterator[VismaNetRig]:
    """The rig with a connector that reaches the simulator over a socket."""
    runner = web.ServerRunner(web.Server(_handler(rig.sim), access_log=None), shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host = f"http://127.0.0.1:{runner.addresses[0][1]}"
    settings = replace(
        rig.settings, api_url=host, orders_url=host, token_url=f"{host}/connect/token"
    )
    rig.connector = VismaNetConnector(
        NAME, settings, AiohttpTransport(), rig.secrets, rig.clock, Random(1)
    )
    try:
        yield rig
    finally:
        await rig.connector.close()
        await runner.cleanup()


def test_a_deal_goes_there_and_back() -> None:
    async def story() -> None:
        async with served(VismaNetRig(draft_status="balanced")) as rig:
            customer = await new_customer(rig)
            change, _, outcome = await new_document(rig, customer)
            found = [p async for p in rig.connector.changes_since(DOCUMENTS, None)]
            assert records(found)[outcome.ref] == outcome.shows
            convert = replace(change, action=Action.CONVERT, wanted=None, target=outcome.ref)
            _, booked = await write(rig, convert)
            assert isinstance(booked.shows, Document)
            assert booked.shows.booked

    run(story())


@pytest.mark.parametrize(
    ("fault", "there"),
    [
        ({"kind": "drop_before"}, 0),
        ({"kind": "drop_after_commit"}, 1),
        ({"kind": "garbage", "status": 200}, 1),
        ({"kind": "garbage", "status": 502}, 1),
    ],
)
def test_a_lost_answer_is_one_arrival_and_unknown(fault: dict[str, Any], there: int) -> None:
    async def story() -> None:
        async with served(VismaNetRig()) as rig:
            customer = await new_customer(rig)
            change = create(rig, "006A", rig.document(customer))
            made = await prepared(rig, change)
            order = {"method": "POST", "path": "/v2/customerinvoice", "times": None}
            rig.sim.faults.add({**fault, **order})
            asked = doubt(rig, change, made, customer)
            _, outcome = await sent(rig, made)
            assert isinstance(outcome, Unknown), outcome
            assert sum(rig.sim.calls["POST /v2/customerinvoice"].values()) == 1
            sight = await look(rig, asked)
            assert len(sight.hits) == there

    run(story())


def test_a_server_that_is_down_puts_the_write_off() -> None:
    async def story() -> None:
        rig = VismaNetRig()
        async with served(rig):
            customer = await new_customer(rig)
            made = await prepared(rig, create(rig, "006A", rig.document(customer)))
            (wire,) = rig.connector.pack([made])
        (outcome,) = await rig.connector.send(wire)
        assert isinstance(outcome, Deferred)
        assert rig.stored(Entity.DOCUMENT) == 0
        await rig.connector.close()

    run(story())
