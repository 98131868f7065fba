"""What is said of long work while it goes on: read, decided, written, with counts."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Coroutine
from typing import Any, cast

import pytest

from support.daily_world import World, begin, daily_world
from tieout.bootstrap import SystemClock
from tieout.cli.command import Session
from tieout.cli.daily import progress, progress_over
from tieout.cli.output import Options, Screen
from tieout.engine.context import Engine
from tieout.services import applying, planning, running
from tieout.services.watching import watch

pytestmark = pytest.mark.timeout(120)
Said = list[tuple[str, int, int]]


def play(url: str, work: Callable[[World, Engine], Coroutine[Any, Any, None]]) -> None:
    with daily_world(url) as world:

        async def all_of_it() -> None:
            await work(world, await begin(world))

        asyncio.run(all_of_it())


def _to(said: Said, step: str) -> list[tuple[int, int]]:
    return [(done, total) for text, done, total in said if text == step]


def test_a_run_tells_what_it_read_decided_and_wrote(database_url: str) -> None:
    async def work(world: World, engine: Engine) -> None:
        said: Said = []
        watch(engine, lambda step, done=0, total=0: said.append((step, done, total)))
        ran = await running.run_once(engine, world.store)
        crm, books = engine.policy.crm, engine.books[0]
        for connection in (crm, books):
            counts = [done for done, _ in _to(said, f"Reading {connection}")]
            assert counts == sorted(counts)
            assert counts[-1] > 0
        assert ran.result.read.changed <= sum(
            _to(said, f"Reading {one}")[-1][0] for one in (crm, books)
        )
        assert _to(said, "Deciding")[0][1] > 0, "how many are due is told before the first"
        assert all(done <= total for done, total in _to(said, f"Writing to {books}"))
        sent = [done for text, done, _ in said if text.startswith("Writing to ")]
        assert sent == sorted(sent)
        assert sent[-1] == ran.written > 0

    play(database_url, work)


def test_a_plan_tells_what_it_decides_and_applying_of_how_many(database_url: str) -> None:
    async def work(world: World, engine: Engine) -> None:
        said: Said = []

        def say(step: str, done: int = 0, total: int = 0) -> None:
            said.append((step, done, total))

        watch(engine, say)
        made = await planning.plan(engine, world.store, say=say)
        decided = _to(said, "Deciding")
        assert decided[0][0] == 0
        assert decided[-1][0] == decided[-1][1] > 0
        said.clear()
        watch(engine, say)
        applied = await applying.apply(engine, world.store, made, who="anna", say=say)
        [(_, total)] = {(text, total) for text, done, total in said if done and "Writing" in text}
        assert total == len(made.writes)
        most = max(done for text, done, _ in said if "Writing" in text)
        assert most == applied.counts.applied == len(made.writes), "each counted once"

    play(database_url, work)


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("options", "terminal", "watched"),
    [
        (Options(), True, True),
        (Options(), False, False),
        (Options(json=True), True, False),
        (Options(quiet=True), True, False),
        (Options(plain=True), True, False),
    ],
)
def test_counts_are_for_a_terminal_only(options: Options, terminal: bool, watched: bool) -> None:
    class Known:
        store = object()
        bridge = "nordic"
        clock = SystemClock()

    err = _Terminal() if terminal else io.StringIO()
    screen = Screen(options, out=io.StringIO(), err=err)
    session = Session(name="run", options=options, screen=screen, clock=SystemClock())
    engine = Known()
    before = engine.store
    say = progress(session, cast(Engine, engine))
    say("Reading visma-se", 400, 0)
    progress_over(session)
    assert (engine.store is not before) is watched
    assert ("Reading visma-se" in err.getvalue()) is watched
