"""What `tieout run` and `apply` say of writes without an answer, refused, or of the CRM."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, cast

import pytest

from support.daily_world import World, begin, daily_world
from tieout.cli.commands import apply as apply_command
from tieout.cli.commands import run as run_command
from tieout.cli.output import Exit, Result
from tieout.services import applying, planning, running

pytestmark = pytest.mark.timeout(120)
DRAFTS = "/v2/customerinvoicedrafts"


def play(url: str, work: Callable[[World], Coroutine[Any, Any, None]], **options: Any) -> None:
    with daily_world(url, **options) as world:

        async def all_of_it() -> None:
            await begin(world)
            await work(world)

        asyncio.run(all_of_it())


async def ran(world: World, after_s: int = 60) -> Result:
    """The answer of `tieout run` so much later."""
    world.clock.advance(after_s)
    engine = world.engine()
    made = await running.run_once(engine, world.store)
    return run_command.result_of(cast(Any, None), engine, made, strict=False)


def test_an_outcome_that_an_earlier_run_left_unknown_is_nine_until_it_is_known(
    database_url: str,
) -> None:
    async def work(world: World) -> None:
        # It is carried out late: no look of the first minutes finds it.
        world.books.fault("commit_late", method="POST", path=DRAFTS, seconds=900)
        first = await ran(world)
        second = await ran(world, 300)
        for result in (first, second):
            assert result.exit is Exit.UNKNOWN
            assert result.next[0] == "tieout run --once"
            assert result.data["unknown"]["count"] == 1
            assert result.notes[-1].startswith("1 outcome is unknown. Nothing is sent twice: ")
            assert sum(line.startswith("unknown  D-10") for line in result.lines) == 1
        assert second.data["unknown"]["next_look"] > world.clock.now()
        assert ", due in " in second.notes[-1]
        for _ in range(8):
            last = await ran(world, 600)
        assert (last.exit, last.data["unknown"]) == (Exit.OK, {"count": 0, "next_look": None})
        assert not last.notes

    play(database_url, work)


def test_a_lost_answer_of_the_crm_is_said_and_names_its_record(database_url: str) -> None:
    async def work(world: World) -> None:
        await ran(world)
        # Killed between the write and its answer; its time to be looked up has not come.
        later = world.clock.now() + timedelta(minutes=5)
        await world.store.do(
            lambda tx: tx.run(
                "UPDATE operation SET state = 'unknown', next_look_at = %(at)s"
                " WHERE workspace = %(ws)s AND entity = 'standing'",
                at=later,
            )
        )
        result = await ran(world)
        lost = {line.partition(":")[0] for line in result.lines if line.startswith("unknown")}
        deals = {f"unknown  status of {number}" for number in ("D-107", "D-108", "D-109")}
        assert deals | {"unknown  status of Tallmo Skog AB"} <= lost
        assert (result.exit, result.data["unknown"]["count"]) == (Exit.UNKNOWN, len(lost))

    play(database_url, work, status="auto")


def test_of_many_rows_those_without_an_answer_are_shown_last(database_url: str) -> None:
    async def work(world: World) -> None:
        world.books.fault("commit_late", method="POST", path=DRAFTS, seconds=900)
        world.clock.advance(60)
        engine = world.engine()
        made = await running.run_once(engine, world.store)
        written = next(one for one in made.moved if one.state == "applied")
        many = replace(made, moved=(*[written] * 12, *made.looked_up, *[written] * 12))
        lines = run_command.result_of(cast(Any, None), engine, many, strict=False).lines
        abroad = replace(made, amounts=((Decimal("5.00"), "SEK"), (Decimal("7.00"), "CHF")))
        told = run_command.result_of(cast(Any, None), engine, abroad, strict=False).lines
        assert any(line.startswith("unknown") and " SEK: no answer" in line for line in told)
        assert lines[-2].startswith("unknown  D-10")
        assert lines[-3].strip() == "and 14 more"

    play(database_url, work)


def test_apply_names_the_records_whose_status_it_wrote_to_the_crm(database_url: str) -> None:
    async def work(world: World) -> None:
        await ran(world)
        world.clock.advance(60)
        world.books.act("book_draft", all=True)
        engine = world.engine()
        made = await planning.plan(engine, world.store)
        done = await applying.apply(engine, world.store, made, approve=("all",), who="anna.lind")
        lines = apply_command.done_lines(engine, done)
        assert "applied  status of D-108" in lines
        assert "applied  status of Tallmo Skog AB" in lines

    play(database_url, work, status="approve")


def test_a_document_behind_a_refused_customer_waits_for_a_person(database_url: str) -> None:
    async def work(world: World) -> None:
        world.story.account("Långa Namnet AB", BillingPostalCode="1234567890123456789")
        world.story.deal("D-130", "Långa Namnet AB", "SRV-1", "900")
        world.clock.advance(60)
        engine = world.engine()
        made = await planning.plan(engine, world.store, only=["D-130"])
        done = await applying.apply(engine, world.store, made, only=["D-130"], who="anna.lind")
        assert done.states() == {"refused": 1, "waiting": 1}
        result = apply_command._result(cast(Any, None), engine, done, strict=False)
        assert list(result.lines) == [
            "refused  customer  Långa Namnet AB          tieout exceptions list",
            "waiting  D-130     Långa Namnet AB  900.00  for its customer",
            "1 refused, 1 waiting.",
        ]
        assert (result.exit, result.next) == (Exit.PERSON, ("tieout exceptions list",))
        assert [one["state"] for one in result.data["items"]] == ["refused", "waiting"]

    play(database_url, work)
