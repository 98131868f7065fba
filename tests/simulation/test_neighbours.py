"""Two pairs at once: what each of them may know of the other, which is nothing."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import Engine as SqlEngine

import virtual_loop
from history import FAMILIES, setting_of
from invariants import Violation
from mortal import Death
from neighbours import Setting, make_views, names_of, no_leak
from tables import Place
from tieout.core.errors import SyncError
from tieout_sandbox.plain import Variant
from virtual_loop import Simulation
from watch import Watch
from world import World

Tell = Callable[[World, World], Awaitable[None]]


def _play(
    database: SqlEngine,
    owner: SqlEngine,
    name: str,
    setting: Setting,
    tell: Tell,
    variants: tuple[Variant, Variant] = (Variant(), Variant()),
) -> None:
    """Tells a history of two worlds, and looks for leaks at its end."""

    async def program(simulation: Simulation) -> None:
        worlds: list[World] = []
        place = Place()
        for names, variant in zip(names_of(setting), variants, strict=True):
            shared: dict[str, Any] = {}
            workspace = f"{name}-{len(worlds)}"
            if setting is Setting.TOGETHER:
                shared = {"place": place, "views": make_views(owner, names)}
                workspace = name
            world = World(
                simulation=simulation,
                database=database,
                owner=owner,
                workspace=workspace,
                names=names,
                variant=variant,
                **shared,
            )
            Watch(world)
            worlds.append(world)
        try:
            await tell(*worlds)
        except AssertionError as error:
            error.add_note("\n".join(line for world in worlds for line in world.trace))
            raise
        await no_leak(worlds, owner)

    virtual_loop.run(program, 1, forgive=(Death, SyncError, asyncio.CancelledError))


def test_a_restore_is_waited_out_by_each_bridge(
    app_engine: SqlEngine, owner_engine: SqlEngine
) -> None:
    """
    The bridge that runs first reads its two sides; the other one has not read its own then. Its
    books show no key: what is newer than the backup is for a person, and nothing is made twice.
    """

    async def tell(north: World, south: World) -> None:
        companies = [world.make_company() for world in (north, south)]
        south.make_deal(companies[1], "20.00")
        for world in (north, south):
            await world.settle()
        backup = north.snapshot()
        south.make_deal(companies[1])
        await south.settle()
        south.in_book("edit_draft", draft=south.drafts()[-1]["id"], price="700.00")
        assert len(south.live()) == 2
        north.restore(backup)
        south.slot_of.clear()
        # Only the one runs until it has caught up.
        await north.settle()
        await south.settle()
        assert len(south.live()) == 2
        assert south.exceptions() == ["assign_documents"]

    variants = (Variant(guard="d"), Variant(guard="e2", tells_origin=True))
    _play(app_engine, owner_engine, "restored-two", Setting.TOGETHER, tell, variants)
