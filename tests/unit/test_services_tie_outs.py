"""What a bridge does less often than its rounds: the status flow, and tie-outs by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from support.daily_world import World, begin, daily_world
from tieout.core.errors import ConnectionBrokenError
from tieout.engine import lanes
from tieout.engine.context import Engine
from tieout.report.words import NOT_ASKED
from tieout.services import exceptions, running, tie_outs
from tieout.services.filing import shown
from tieout.services.tie_outs import Pace
from tieout.store import tied

pytestmark = pytest.mark.timeout(120)
Work = Callable[[World, Engine], Coroutine[Any, Any, None]]


def play(url: str, work: Work, status: str) -> None:
    """A world whose first run is still to come, with this status flow and what follows it."""
    with daily_world(url, status=status) as world:

        async def all_of_it() -> None:
            await work(world, await begin(world))

        asyncio.run(all_of_it())


async def _round(world: World, engine: Engine, pace: Pace) -> None:
    pace.rest(engine)
    await running.run_once(engine, world.store)


async def _due(world: World, flow: str) -> int:
    lane = lanes.lane("nordic", flow, "visma-se")
    return len(await world.store.due_window(lane, 100, world.clock.now(), ""))


def test_the_status_flow_rests_between_its_times(database_url: str) -> None:
    async def work(world: World, engine: Engine) -> None:
        pace = Pace()
        await _round(world, engine, pace)
        assert await _due(world, lanes.STATUS) == 0
        world.books.act("book_draft", draft=world.drafts()[0]["Id"])
        world.clock.advance(61)
        await _round(world, engine, pace)
        # It was read, and waits; the other flows went on.
        assert await _due(world, lanes.STATUS) >= 1
        assert await _due(world, lanes.DOCUMENTS) == 0
        world.clock.advance(300)
        await _round(world, engine, pace)
        assert await _due(world, lanes.STATUS) == 0

    play(database_url, work, "auto, every: 5m")


def test_without_a_time_it_is_decided_in_every_round(database_url: str) -> None:
    async def work(world: World, engine: Engine) -> None:
        pace = Pace()
        await _round(world, engine, pace)
        world.books.act("book_draft", draft=world.drafts()[0]["Id"])
        world.clock.advance(61)
        await _round(world, engine, pace)
        assert await _due(world, lanes.STATUS) == 0

    play(database_url, work, "auto")


def _book_past_us(world: World, net: str) -> None:
    """Finance books an invoice that the bridge has not read."""
    customer = next(iter(world.books.simulator.entities()["customers"]()))
    world.books.act("create_invoice", customer=customer["Id"], amount=net)


DAILY = "off}\n  reconcile: {every: 1d, threshold: 10.00, alert: finance"


def test_a_tie_out_is_done_as_often_as_configured_and_kept(database_url: str) -> None:
    async def work(world: World, engine: Engine) -> None:
        await running.run_once(engine, world.store)
        (first,) = await Pace().tie_out(engine, world.store)
        assert (first.explained, first.unexplained, first.exception) == (
            True,
            Decimal("0.00"),
            None,
        )
        assert first.sold == Decimal("90140.00")
        # Another process knows of it, and a day later it is done again.
        assert await Pace().tie_out(engine, world.store) == ()
        world.clock.advance(86_401)
        assert len(await Pace().tie_out(engine, world.store)) == 1
        ahead = Pace(tied_out=world.clock.now() + timedelta(hours=1))
        assert len(await ahead.tie_out(engine, world.store)) == 1, "a clock that was set back"

    play(database_url, work, DAILY)


def test_other_bridges_tie_outs_count_for_themselves(database_url: str) -> None:
    async def work(world: World, engine: Engine) -> None:
        await running.run_once(engine, world.store)
        await Pace().tie_out(engine, world.store)
        assert await world.store.do(lambda tx: tied.last(tx, "nordic")) == world.clock.now()
        assert await world.store.do(lambda tx: tied.last(tx, "retail")) is None

    play(database_url, work, DAILY)


def test_what_stays_unexplained_opens_an_exception_until_it_agrees(database_url: str) -> None:
    async def work(world: World, engine: Engine) -> None:
        await running.run_once(engine, world.store)
        _book_past_us(world, "1250.00")
        world.clock.advance(60)
        (one,) = await Pace().tie_out(engine, world.store)
        assert not one.explained
        assert one.exception is not None
        (case,) = await exceptions.listing(world.store, "nordic", "sf", code="figures_disagree")
        assert case.number == one.exception
        assert case.owner == "finance"
        assert "1,250.00 between the CRM and visma-se have no explanation." in case.message
        world.clock.advance(86_400)
        await running.run_once(engine, world.store)
        (two,) = await Pace().tie_out(engine, world.store)
        assert two.exception is None
        assert not await exceptions.listing(world.store, "nordic", "sf", code="figures_disagree")

    play(database_url, work, DAILY)


def test_below_the_threshold_it_is_shown_and_nobody_is_told(database_url: str) -> None:
    async def work(world: World, engine: Engine) -> None:
        await running.run_once(engine, world.store)
        _book_past_us(world, "9.00")
        world.clock.advance(60)
        (one,) = await Pace().tie_out(engine, world.store)
        assert (one.explained, one.unexplained, one.exception) == (False, Decimal("9.00"), None)

    play(database_url, work, DAILY)


def test_a_report_has_the_receivables_or_says_why_not(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(world: World, engine: Engine) -> None:
        await running.run_once(engine, world.store)
        read = partial(tie_outs.reports, engine, world.store, None)
        (report,) = await read(receivables=True)
        assert report.receivables is not None
        assert report.receivables.agrees
        assert report.ageing is not None
        assert report.unread == ""
        (report,) = await read()
        assert (report.receivables, report.unread) == (None, "")
        assert NOT_ASKED in shown(report).html
        connector = engine.connectors["visma-se"]

        async def silent(first: date, last: date) -> None:
            return None

        monkeypatch.setattr(connector, "subledger", silent)
        (report,) = await read(receivables=True)
        assert shown(report).receivables == ["These books tell nothing of their receivables."]

        async def refused(first: date, last: date) -> None:
            raise ConnectionBrokenError("The user may not read vouchers.", code=code)

        monkeypatch.setattr(connector, "subledger", refused)
        code = "rights_missing"
        (report,) = await read(receivables=True)
        assert "Not read. The user may not read vouchers." in shown(report).html
        assert shown(report).explained, "the tie-out stands without them"
        code = "sign_in_withdrawn"
        with pytest.raises(ConnectionBrokenError):
            await read(receivables=True)

    play(database_url, work, DAILY)
