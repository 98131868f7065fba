"""A dead engine does nothing more, whatever its handlers try."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest

from mortal import Death, Mortal
from virtual_loop import Simulation, run


class Store:
    """Rows that count once their transaction is left in order."""

    def __init__(self) -> None:
        self.rows: list[str] = []
        self.ended = 0

    @contextmanager
    def transaction(self) -> Iterator[list[str]]:
        new: list[str] = []
        try:
            yield new
            self.rows += new
        finally:
            self.ended += 1

    @asynccontextmanager
    async def slow_transaction(self) -> AsyncIterator[list[str]]:
        with self.transaction() as new:
            await asyncio.sleep(1)
            yield new

    def add(self, row: str) -> int:
        self.rows.append(row)
        return len(self.rows)


class Wire:
    """A transport that answers after a second."""

    abilities = "all"

    def __init__(self) -> None:
        self.arrived: list[str] = []

    async def send(self, body: str) -> str:
        self.arrived.append(body)
        await asyncio.sleep(1)
        return f"ok {body}"

    async def pages(self) -> AsyncIterator[int]:
        for page in range(3):
            await asyncio.sleep(1)
            yield page


def engine(mortal: Mortal, store: Store, wire: Wire) -> None:
    """Runs one order through, with every kind of handler that could tidy up."""
    seen_store, seen_wire = mortal.guard(store, "store"), mortal.guard(wire, "wire")

    async def work() -> str:
        answer = "none"
        try:
            with seen_store.transaction() as rows:
                rows.append("intent")
            answer = await seen_wire.send("order")
        except BaseException:
            seen_store.add("tidied up")
            raise
        finally:
            seen_store.add(f"answer {answer}")
        async for page in seen_wire.pages():
            await mortal.point(f"page {page}")
        return answer

    async def program(simulation: Simulation) -> str:
        return await mortal.run(work)

    run(program, 1)


def test_every_point_can_be_died_at_and_nothing_happens_afterwards() -> None:
    alive = Mortal()
    store, wire = Store(), Wire()
    engine(alive, store, wire)
    assert store.rows == ["intent", "answer ok order"]
    assert alive.passed == [
        "store.transaction:before",
        "store.transaction:entered",
        "store.transaction:leaving",
        "store.transaction:after",
        "wire.send:before",
        "wire.send:after",
        "store.add:before",
        "store.add:after",
        "wire.pages:before",
        "wire.pages:item",
        "page 0",
        "wire.pages:item",
        "page 1",
        "wire.pages:item",
        "page 2",
        "wire.pages:after",
    ]
    for number, name in enumerate(alive.passed, start=1):
        mortal, store, wire = Mortal(dies_at=number), Store(), Wire()
        with pytest.raises(Death, match=name):
            engine(mortal, store, wire)
        assert mortal.passed == alive.passed[:number]
        assert store.rows == ["intent", "answer ok order"][: (number > 3) + (number > 7)], name
        assert wire.arrived == ["order"][: number > 5], name
        assert store.ended == (number > 1), "the block was left open"


def test_a_point_is_chosen_by_name() -> None:
    store, wire = Store(), Wire()
    with pytest.raises(Death, match="page 1"):
        engine(Mortal(dies_at=2, where="page"), store, wire)


def test_a_dead_engine_refuses_everything() -> None:
    mortal, wire = Mortal(), Wire()
    seen = mortal.guard(wire, "wire")
    assert seen.abilities == "all"
    send = seen.send
    mortal.kill("power cut")
    with pytest.raises(Death, match="power cut"):
        _ = seen.abilities
    with pytest.raises(Death, match="power cut"):
        send("late")
    with pytest.raises(Death):
        mortal.check("again")
    assert wire.arrived == []


def test_a_call_under_way_arrives_but_its_answer_does_not() -> None:
    mortal, wire = Mortal(), Wire()
    seen = mortal.guard(wire, "wire")
    answers: list[str] = []

    async def work() -> None:
        answers.append(await seen.send("order"))

    async def program(simulation: Simulation) -> None:
        simulation.loop.call_later(0.5, mortal.kill)
        await mortal.run(work)

    with pytest.raises(Death):
        run(program, 1)
    assert wire.arrived == ["order"]
    assert answers == []


def test_all_its_tasks_end_with_it_and_the_other_engine_goes_on() -> None:
    first, second = Mortal("first", dies_at=3, where="tick"), Mortal("second")
    ticks: list[str] = []

    async def ticking(mortal: Mortal, number: int) -> None:
        while len(ticks) < 40:
            await asyncio.sleep(1)
            await mortal.point("tick")
            ticks.append(f"{mortal.name} {number}")

    def work(mortal: Mortal):
        async def start() -> None:
            async with asyncio.TaskGroup() as group:
                for number in range(3):
                    group.create_task(ticking(mortal, number))
                background.append(asyncio.create_task(ticking(mortal, 3)))

        return start

    background: list[asyncio.Task[None]] = []

    async def program(simulation: Simulation) -> float:
        other = asyncio.create_task(second.run(work(second)))
        with pytest.raises(Death, match="first died at tick"):
            await first.run(work(first))
        died = simulation.loop.time()
        await other
        return died

    died = run(program, 1)
    assert died == 1.0
    assert sum(tick.startswith("first") for tick in ticks) == 2
    assert sum(tick.startswith("second") for tick in ticks) >= 38
    assert all(task.done() for task in background)


def test_death_is_raised_even_where_it_was_swallowed() -> None:
    mortal = Mortal(dies_at=1)

    async def work() -> str:
        try:
            await mortal.point("here")
        except BaseException:  # noqa: BLE001 - what no engine should do
            return "fine"
        return "alive"

    async def program(simulation: Simulation) -> str:
        return await mortal.run(work)

    with pytest.raises(Death, match="here"):
        run(program, 1)


def test_who_will_not_die_is_named() -> None:
    mortal = Mortal(dies_at=1)

    async def stubborn() -> None:
        while True:
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                if asyncio.get_running_loop().time() > 5:
                    raise

    async def work() -> None:
        background.append(asyncio.create_task(stubborn(), name="stubborn"))
        await asyncio.sleep(0)
        await mortal.point("here")

    background: list[asyncio.Task[None]] = []

    async def program(simulation: Simulation) -> None:
        try:
            await mortal.run(work)
        finally:
            await asyncio.sleep(6)

    with pytest.raises(RuntimeError, match="stubborn"):
        run(program, 1)


@pytest.mark.parametrize("point", ["entered", "leaving", "after"])
def test_an_async_block_is_left_as_by_an_error(point: str) -> None:
    store = Store()
    mortal = Mortal(dies_at=1, where=f"store.slow_transaction:{point}")
    seen = mortal.guard(store, "store")

    async def work() -> None:
        async with seen.slow_transaction() as rows:
            rows.append("row")

    async def program(simulation: Simulation) -> None:
        await mortal.run(work)

    with pytest.raises(Death):
        run(program, 1)
    assert store.rows == (["row"] if point == "after" else [])
    assert store.ended == 1
