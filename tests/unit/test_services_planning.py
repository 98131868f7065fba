"""Plans: what is shown, that nothing is written, and that exactly the plan is applied."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC
from decimal import Decimal
from typing import Any

import pytest

from support.daily_world import World, begin, daily_world
from tieout.cli.commands.plan import following
from tieout.cli.plan_screen import plan_data, plan_lines
from tieout.core.errors import BusyError, StoppedError
from tieout.engine.context import Engine
from tieout.services import applying, planning, running
from tieout.services import status as standing
from tieout.services.usage import UsedWronglyError
from tieout.store import plans

pytestmark = pytest.mark.timeout(120)
Work = Callable[[World, Engine], Coroutine[Any, Any, Any]]


def play(url: str, work: Work, **options: Any) -> Any:
    """A world, begun, and the work in it."""
    with daily_world(url, **options) as world:

        async def all_of_it() -> Any:
            return await work(world, await begin(world))

        return asyncio.run(all_of_it())


def names(lines: Any) -> list[tuple[str, str, str]]:
    return [(line.verdict, line.entity, line.number or line.title) for line in lines]


def test_a_plan_shows_all_that_is_due_and_writes_nothing(database_url: str) -> None:
    async def work(world: World, engine: Engine) -> None:
        made = await planning.plan(engine, world.store)
        assert [(v, e, n) for v, e, n in names(made.lines) if e == "document"] == [
            ("hold", "document", "D-106"),
            ("write", "document", "D-107"),
            ("write", "document", "D-108"),
            ("write", "document", "D-109"),
        ]
        buyers = [line for line in made.lines if line.entity == "customer"]
        assert [(line.title, line.message) for line in buyers] == [
            ("Lindvall Data AB", "for D-107"),
            ("Tallmo Skog AB", "for D-108"),
            ("Österviks Hamn AB", "for D-109"),
        ]
        grosses = {line.number: line.gross for line in made.writes if line.entity == "document"}
        assert grosses["D-108"] == Decimal("46875.00")
        assert world.written() == 0
        again = await planning.plan(world.engine(), world.store)
        assert (again.hash, again.lines) == (made.hash, made.lines)
        assert again.number == (made.number or 0) + 1
        stored = await planning.stored(world.store, made.number or 0)
        assert stored is not None
        assert stored.lines == made.lines

    play(database_url, work)


def test_only_takes_a_deal_with_its_customer(database_url: str) -> None:
    async def work(world: World, engine: Engine) -> None:
        made = await planning.plan(engine, world.store, only=["d-108"])
        assert names(made.lines) == [
            ("write", "customer", "Tallmo Skog AB"),
            ("write", "document", "D-108"),
        ]

    play(database_url, work)


def test_a_plan_is_refused_while_a_run_works(database_url: str) -> None:
    async def work(world: World, engine: Engine) -> None:
        async with planning.holding(engine):
            with pytest.raises(BusyError, match="process 4121"):
                await planning.plan(world.engine(), world.store)

    play(database_url, work)


def test_exactly_the_plan_is_written(database_url: str) -> None:
    async def work(world: World, engine: Engine) -> None:
        made = await planning.plan(engine, world.store, only=["D-108"])
        done = await applying.apply(world.engine(), world.store, made, who="anna.lind")
        assert [(line.entity, applying.state_word(w)) for line, w in done.done] == [
            ("customer", "applied"),
            ("document", "applied"),
        ]
        written = done.done[1][1]
        assert written is not None
        assert (written.shown_gross, written.differs) == (Decimal("46875.00"), False)
        assert len(world.drafts()) == 1
        left = await planning.plan(world.engine(), world.store)
        assert "D-108" not in {line.number for line in left.lines}
        assert {"D-107", "D-109"} <= {line.number for line in left.writes}

    play(database_url, work)


def test_applying_twice_writes_once(database_url: str) -> None:
    async def work(world: World, engine: Engine) -> None:
        made = await planning.plan(engine, world.store)
        await applying.apply(world.engine(), world.store, made, who="anna.lind")
        sent = world.written()
        again = await applying.apply(world.engine(), world.store, made, who="anna.lind")
        assert world.written() == sent
        assert len(world.drafts()) == 3
        assert again.states() == {"applied": 6}

    play(database_url, work)


def test_a_plan_can_be_applied_in_parts(database_url: str) -> None:
    """The first part makes the customer that a deal of the second part is for, too."""

    async def work(world: World, engine: Engine) -> None:
        world.story.deal("D-121", "Tallmo Skog AB", "SRV-1", "900")
        made = await planning.plan(engine, world.store)
        await applying.apply(world.engine(), world.store, made, only=["D-108"], who="anna.lind")
        assert len(world.drafts()) == 1
        rest = await applying.apply(world.engine(), world.store, made, who="anna.lind")
        assert (rest.moved, rest.fresh) == ([], None)
        assert rest.states() == {"applied": 7}
        assert len(world.drafts()) == 4

    play(database_url, work)


def test_a_deal_is_released_after_another_one_made_its_customer(database_url: str) -> None:
    async def work(world: World, engine: Engine) -> None:
        world.story.deal("D-121", "Tallmo Skog AB", "SRV-1", "900")
        made = await planning.plan(engine, world.store)
        waiting = {line.number: line.verdict for line in made.lines if line.entity == "document"}
        assert (waiting["D-108"], waiting["D-121"]) == ("approval", "write")
        first = await applying.apply(
            world.engine(), world.store, made, only=["D-121"], approve=["all"], who="anna.lind"
        )
        assert first.states() == {"applied": 2}
        done = await applying.apply(
            world.engine(),
            world.store,
            made,
            only=["D-108"],
            approve=["D-108"],
            who="anna.lind",
        )
        assert (done.moved, done.left) == ([], [])
        assert len(world.drafts()) == 2

    play(database_url, work, mode="approve", more=", approve_above: 37499, four_eyes: false")


def test_a_deal_that_moved_on_is_not_written_and_the_others_are(database_url: str) -> None:
    async def work(world: World, engine: Engine) -> None:
        made = await planning.plan(engine, world.store)
        world.clock.advance(60)
        world.crm.act(
            "edit_lines",
            id=world.story.deals["D-109"],
            add=[{"product": "SRV-1", "quantity": "1", "unit_price": "1000"}],
        )
        done = await applying.apply(world.engine(), world.store, made, who="anna.lind")
        moved = [(one.then.number, one.then.net, one.now.net) for one in done.moved if one.now]
        assert moved == [("D-109", Decimal("25000.00"), Decimal("26000.00"))]
        assert len(world.drafts()) == 2
        assert done.fresh is not None
        assert done.fresh.number != made.number
        assert [line.number for line in done.fresh.writes if line.entity == "document"] == ["D-109"]

    play(database_url, work)


def test_in_shadow_mode_apply_is_what_writes(database_url: str) -> None:
    async def work(world: World, engine: Engine) -> None:
        from tieout.services.running import run_once

        await run_once(engine, world.store)
        assert world.written() == 0
        made = await planning.plan(world.engine(), world.store, only=["D-107"])
        await applying.apply(world.engine(), world.store, made, who="anna.lind")
        assert len(world.drafts()) == 1
        await run_once(world.engine(), world.store)
        assert len(world.drafts()) == 1

    play(database_url, work, mode="shadow")


def test_what_is_above_the_limit_needs_a_name(database_url: str) -> None:
    async def work(world: World, engine: Engine) -> None:
        made = await planning.plan(engine, world.store)
        waiting = {line.number for line in made.lines if line.verdict == "approval"}
        assert {"D-108", "D-109"} <= waiting
        done = await applying.apply(world.engine(), world.store, made, who="anna.lind")
        assert "D-108" in {line.number for line in done.left}
        made = await planning.plan(world.engine(), world.store)
        done = await applying.apply(
            world.engine(), world.store, made, approve=["all"], who="anna.lind"
        )
        assert done.left == []
        assert len(world.drafts()) == 3
        signed = await world.store.do(
            lambda tx: tx.rows("SELECT DISTINCT who FROM approval WHERE workspace = %(ws)s")
        )
        assert [row[0] for row in signed] == ["anna.lind"]

    play(database_url, work, mode="approve", more=", approve_above: 20000, four_eyes: false")


def test_a_released_deal_brings_its_customer(database_url: str) -> None:
    async def work(world: World, engine: Engine) -> None:
        made = await planning.plan(engine, world.store)
        done = await applying.apply(
            world.engine(), world.store, made, only=["D-108"], approve=["D-108"], who="anna.lind"
        )
        assert [(line.entity, line.title) for line, _ in done.done] == [
            ("document", "Tallmo Skog AB"),
            ("customer", "Tallmo Skog AB"),
        ]
        assert done.states() == {"applied": 2}
        assert len(world.drafts()) == 1

    play(database_url, work, mode="approve", more=", approve_above: 20000, four_eyes: false")


def test_a_release_brings_no_other_customer_of_that_name(database_url: str) -> None:
    async def work(world: World, engine: Engine) -> None:
        story = world.story
        for number, price in (("D-301", "30000"), ("D-302", "900")):
            story.accounts.pop("Anna Svensson", None)
            account = story.account("Anna Svensson", BillingCity=f"Stad {number}")
            fields = {"Name": "Anna Svensson", "BillingStreet": f"Torget {number}"}
            world.crm.act("edit_account", id=account, fields=fields)
            story.deal(number, "Anna Svensson", "SRV-1", price)
        made = await planning.plan(engine, world.store)
        buyers = [line for line in made.lines if line.title == "Anna Svensson"]
        assert sorted((one.entity, one.verdict, one.message) for one in buyers) == [
            ("customer", "approval", "for D-302"),
            ("document", "approval", "above 20,000.00"),
            ("document", "write", ""),
        ]
        await applying.apply(world.engine(), world.store, made, approve=["D-301"], who="anna.lind")
        signed = await world.store.do(
            lambda tx: tx.rows(
                "SELECT o.entity FROM approval a JOIN operation o"
                " ON o.workspace = a.workspace AND o.key13 = a.key13 WHERE a.workspace = %(ws)s"
            )
        )
        assert sorted(row[0] for row in signed) == ["customer", "document"]

    play(database_url, work, mode="approve", more=", approve_above: 20000, four_eyes: false")


def test_four_eyes_refuses_who_published_and_who_won(database_url: str) -> None:
    async def work(world: World, engine: Engine) -> None:
        made = await planning.plan(engine, world.store)
        for who in ("m.ek", "Astrid Admin"):
            with pytest.raises(StoppedError) as refused:
                await applying.apply(
                    world.engine(who), world.store, made, approve=["D-108"], who=who
                )
            assert refused.value.code == "four_eyes"
            assert "Nothing was released" in refused.value.message
        assert world.written() == 0
        signed = await world.store.do(
            lambda tx: tx.rows("SELECT who FROM approval WHERE workspace = %(ws)s")
        )
        assert list(signed) == []

    play(database_url, work, mode="approve", more=", approve_above: 20000, four_eyes: true")


def test_status_names_a_plan_that_shows_what_waits(database_url: str) -> None:
    async def work(world: World, engine: Engine) -> None:
        async def named() -> int | None:
            (found,) = await standing.status(world.store, now=world.clock.now())
            assert len(found.waiting) == 3
            return found.plan

        await running.run_once(engine, world.store)
        assert await named() is None
        whole = await planning.plan(world.engine(), world.store)
        assert await named() == whole.number
        await planning.plan(world.engine(), world.store, only=["D-106"])
        assert await named() == whole.number

    play(database_url, work, mode="approve", more=", four_eyes: false")


def test_approving_what_the_plan_does_not_hold_is_said(database_url: str) -> None:
    async def work(world: World, engine: Engine) -> None:
        made = await planning.plan(engine, world.store)
        with pytest.raises(UsedWronglyError, match="D-999"):
            await applying.apply(world.engine(), world.store, made, approve=["D-999"], who="a")

    play(database_url, work)


def test_a_lost_answer_is_unknown_and_not_repeated(database_url: str) -> None:
    async def work(world: World, engine: Engine) -> None:
        made = await planning.plan(engine, world.store, only=["D-107"])
        world.books.fault("drop_after_commit", method="POST", path="/v2/customerinvoicedrafts")
        done = await applying.apply(world.engine(), world.store, made, who="anna.lind")
        assert done.states() == {"applied": 1, "unknown": 1}
        assert len(world.drafts()) == 1
        again = await applying.apply(world.engine(), world.store, made, who="anna.lind")
        assert again.states().get("unknown", 0) + again.states().get("applied", 0) == 2
        assert len(world.drafts()) == 1

    play(database_url, work)


def test_a_plan_names_what_is_being_looked_up(database_url: str) -> None:
    """Its deal is not due, so that neither a change nor a word of it would be seen."""

    async def work(world: World, engine: Engine) -> None:
        made = await planning.plan(engine, world.store, only=["D-107"])
        world.books.fault("drop_after_commit", method="POST", path="/v2/customerinvoicedrafts")
        await applying.apply(world.engine(), world.store, made, who="anna.lind")
        left = await planning.plan(world.engine(), world.store, read=False)
        (line,) = [one for one in left.lines if one.number == "D-107"]
        assert (line.verdict, line.reason, line.entity) == ("wait", "on_its_way", "document")
        assert (line.net, line.digest) == (Decimal("18000.00"), "")
        assert line.message.startswith("no answer at ")
        assert line.message.endswith(", being looked up")
        (row,) = [one for one in plan_lines(left, UTC, full=False) if "D-107" in one]
        assert row.startswith(". on its way D-107 Lindvall Data AB")
        assert row.endswith(f"18,000.00  {line.message}")
        told = next(one for one in plan_data(left)["items"] if one["number"] == "D-107")
        assert (told["kind"], told["message"]) == ("on_its_way", line.message)
        # It is no part of what an apply writes, nor of what a plan is known by.
        others = [one for one in left.lines if one is not line]
        assert plans.plan_hash(others) == left.hash
        assert "D-107" not in {one.number for one in left.writes}
        alone = await planning.plan(world.engine(), world.store, read=False, only=["D-107"])
        assert following(alone) == ("tieout run --once",)
        done = await applying.apply(world.engine(), world.store, left, who="anna.lind")
        assert set(done.states()) == {"applied"}
        for _ in range(4):
            world.clock.advance(300)
            await running.run_once(world.engine(), world.store)
        after = await planning.plan(world.engine(), world.store)
        assert not [one for one in after.lines if one.number == "D-107"]
        assert len([one for one in world.drafts() if one["Rows"][0]["UnitPrice"] == 18000]) < 2

    play(database_url, work)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("anna.lind", "anna.lind@nordljus.example", True),
        ("Anna Lind", "anna.lind@nordljus.example", True),
        ("anna.lind", "ANNA.LIND", True),
        ("anna.lind", "s.berg", False),
        ("", "", False),
    ],
)
def test_who_is_the_same_person(one: str, other: str, same: bool) -> None:
    assert applying.same_person(one, other) is same


def test_who_edited_a_deal_is_found_in_what_was_read() -> None:
    deal = {"owner": "S. Berg", "email": "s.berg@x.example", "extra": {"LastModifiedBy.Name": "Jo"}}
    assert applying.is_own("jo", deal)
    assert applying.is_own("s.berg", deal)
    assert not applying.is_own("anna.lind", deal)
    for path in ("modified_by", "UpdatedBy", "OpportunityUpdatedBy", "LastModifiedById"):
        assert applying.is_own("jo", {"extra": {path: "Jo"}})


def test_what_the_crm_shows_waits_for_a_person_where_the_mode_says_so(database_url: str) -> None:
    async def work(world: World, engine: Engine) -> None:
        await running.run_once(engine, world.store)
        patches = len(world.crm.transport.asked("PATCH"))
        made = await planning.plan(world.engine(), world.store)
        waiting = [line for line in made.lines if line.entity == "standing"]
        assert {line.verdict for line in waiting} == {"approval"}
        assert len(waiting) == 6  # three deals and their three customers
        await running.run_once(world.engine(), world.store)
        assert len(world.crm.transport.asked("PATCH")) == patches
        done = await applying.apply(
            world.engine(), world.store, made, approve=["all"], who="anna.lind"
        )
        assert done.states() == {"applied": 6}
        again = await planning.plan(world.engine(), world.store)
        assert [line for line in again.lines if line.entity == "standing"] == []

    play(database_url, work, status="approve")
