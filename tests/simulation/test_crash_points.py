"""
One small history, killed at every point of a run; then a new process, and nothing is amiss.

Two deals of one customer are won. In each world the first run dies at another point, until one gets
to its end alive. What it had sent was carried out, or is carried out only long after its death.
Points that leave the same behind as the one before, down to the last row, are told once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import Engine as SqlEngine
from sqlalchemy import event

import virtual_loop
from invariants import same_but_order
from mortal import Death, Mortal
from quiet import results_by_deal
from tieout.core.errors import SyncError
from virtual_loop import Simulation
from watch import Watch
from world import World

CHANGES = ("INSERT", "UPDATE", "DELETE")
# Only says that the process is still there.
RENEWAL = "UPDATE bridge SET lease_until"


@dataclass(slots=True)
class Killed:
    """
    What came of one death. ``points`` were passed, the last of them was the one it died at;
    ``left`` says for each what had been changed until then, here and in both systems.
    """

    points: list[str] = field(default_factory=list)
    left: list[tuple[int, ...]] = field(default_factory=list)
    died: bool = False
    results: dict[str, Any] = field(default_factory=dict)


class Witness(Mortal):
    """Notes at each point what has been changed so far."""

    def __init__(self, dies_at: int | None, changed: Callable[[], tuple[int, ...]]) -> None:
        super().__init__("engine", dies_at=dies_at)
        self.left: list[tuple[int, ...]] = []
        self._changed = changed

    def check(self, name: str) -> None:
        """As of `Mortal`; a point at which it dies counts too."""
        if not self.dead:
            self.left.append(self._changed())
        super().check(name)


@contextmanager
def _rows_changed(database: SqlEngine) -> Iterator[Callable[[], int]]:
    """Counts the rows that statements change, other than by renewing a lease."""
    count = 0

    def note(_: Any, cursor: Any, statement: str, *__: Any) -> None:
        nonlocal count
        if statement.startswith(CHANGES) and not statement.startswith(RENEWAL):
            count += max(cursor.rowcount, 0)

    event.listen(database, "after_cursor_execute", note)
    try:
        yield lambda: count
    finally:
        event.remove(database, "after_cursor_execute", note)


def _kill(database: SqlEngine, name: str, at: int | None, late: bool) -> Killed:
    """A world in which the first run dies at that point; then all checks."""
    killed = Killed()

    async def program(simulation: Simulation) -> None:
        world = World(
            simulation=simulation,
            database=database,
            workspace=name,
        )
        watch = Watch(world)
        company = world.make_company()
        for price in ("1000.00", "1500.00"):
            world.make_deal(company, price)
        if late:
            world.fault("commit_late", path="/drafts", seconds=100, times=2)
        with _rows_changed(database) as rows:
            mortal = Witness(
                at,
                lambda: (
                    rows(),
                    len(world.writes),
                    len(world.crm.received),
                    world.book.waiting,
                ),
            )
            try:
                await mortal.run(lambda: world.work(world.engine(mortal)))
            except Death:
                killed.died = True
        killed.points, killed.left = mortal.passed, mortal.left
        await world.wait(61)
        await world.settle()
        await watch.quiet()
        assert not world.exceptions(), world.exceptions()
        killed.results = results_by_deal(world)

    virtual_loop.run(program, 1, forgive=(Death, SyncError, asyncio.CancelledError))
    return killed


def _telling(alive: Killed) -> list[int]:
    """
    The numbers of the points that leave something else behind than the one before. What a dead
    process knew is gone with it: equal tables and equal systems have the same future.
    """
    return [
        number
        for number, left in enumerate(alive.left, start=1)
        if number == 1 or left != alive.left[number - 2]
    ]


@pytest.mark.parametrize(
    "late",
    [
        pytest.param(False, id="carried_out", marks=pytest.mark.slow),
        pytest.param(True, id="carried_out_later"),
    ],
)
def test_a_death_at_any_point_changes_time_only(late: bool, app_engine: SqlEngine) -> None:
    name = f"crash-{late}"
    alive = _kill(app_engine, f"{name}-alive", None, late)
    assert not alive.died
    numbers = _telling(alive)
    if late:
        # Until the first of them is on its way nothing is late.
        numbers = [number for number in numbers if alive.left[number - 1][3] > 0]
    died = 0

    for number in numbers:
        killed = _kill(app_engine, f"{name}-{number}", number, late)
        same_but_order(alive.results, killed.results, f"11: a death at {killed.points[-1]}")
        died += killed.died

    assert died == len(numbers)
    assert len(numbers) >= (8 if late else 25)


def test_the_points_are_those_of_every_call(app_engine: SqlEngine) -> None:
    alive = _kill(app_engine, "crash-count", None, late=False)
    beyond = _kill(app_engine, "crash-beyond", len(alive.points) + 1, late=False)

    assert not beyond.died
    assert beyond.points == alive.points
    told = {alive.points[number - 1] for number in _telling(alive)}
    assert {"book.send:after", "store.mark_started:after", "store.settle:after"} <= told
    assert len(alive.points) > 200
