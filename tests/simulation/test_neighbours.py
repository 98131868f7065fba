"""Two pairs at once: what each of them may know of the other, which is nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import Engine as SqlEngine

import virtual_loop
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
        assert "assign_documents" in south.exceptions()

    variants = (Variant(guard="d"), Variant(guard="e2", tells_origin=True))
    _play(app_engine, owner_engine, "restored-two", Setting.TOGETHER, tell, variants)


@pytest.mark.parametrize("setting", [Setting.TOGETHER, Setting.APART])
def test_pairs_that_are_alike_are_kept_apart(
    app_engine: SqlEngine, owner_engine: SqlEngine, setting: Setting
) -> None:
    """Equal ids, numbers and names on both sides of both: each deal is in its own books, once."""

    async def tell(north: World, south: World) -> None:
        for world, price in ((north, "1000.00"), (south, "70.00")):
            world.make_deal(world.make_company(), price)
        await asyncio.gather(north.settle(), south.settle())
        for world, price in ((north, "1000.00"), (south, "70.00")):
            (draft,) = world.live()
            assert draft["id"] == "d1"
            assert str(draft["net"]) == price
            assert world.names.telltale in draft["lines"][0]["text"]
            assert [row["id"] for row in world.book.ledger.live("customers")] == ["k1"]
            assert world.exceptions() == []
        sent = [len(world.sent) for world in (north, south)]
        await asyncio.gather(north.settle(), south.settle())
        assert [len(world.sent) for world in (north, south)] == sent

    _play(app_engine, owner_engine, f"alike-{setting.name}", setting, tell)


SPOILED = {
    "a row of the mirror": (
        Setting.APART,
        "UPDATE mirror SET record = jsonb_build_object('street', 'Solrosgatan')"
        " WHERE workspace = 'spoiled-0' AND entity = 'customer'",
    ),
    "a request": (
        Setting.APART,
        "UPDATE send SET body = 'Norrskensgatan'::bytea WHERE workspace = 'spoiled-1'",
    ),
    "a ref into the other's books": (
        Setting.TOGETHER,
        "UPDATE ref SET id = 'moved', connection = 'book-south' WHERE workspace = 'spoiled'"
        " AND connection = 'book-north'",
    ),
    "an outcome with the other's key": (
        Setting.TOGETHER,
        "UPDATE outcome SET key13 = (SELECT key13 FROM slot WHERE workspace = 'spoiled'"
        " AND bridge = 'southern' AND kind = 'D') WHERE workspace = 'spoiled'"
        " AND lane LIKE 'nordic/%%'",
    ),
    "an exception about the other's bridge": (
        Setting.TOGETHER,
        "INSERT INTO exception_case (workspace, number, bridge, lane, source_id, code, message,"
        " hint, severity, candidates, details, tries, opened_at, tried_at) VALUES ('spoiled', 99,"
        " 'southern', 'nordic/documents/x', 's', 'c', '', '', '', '[]', '{}', 0,"
        " '2026-11-26', '2026-11-26')",
    ),
    "a cursor": (
        Setting.TOGETHER,
        "UPDATE cursor SET position = 'Solrosgatan'::bytea WHERE workspace = 'spoiled'"
        " AND connection = 'crm-north'",
    ),
    "an entry of the activity log": (
        Setting.TOGETHER,
        "UPDATE activity SET entries = 'op-n001-000001 op-s001-000001'::bytea"
        " WHERE workspace = 'spoiled' AND seq = 1",
    ),
}


@pytest.mark.parametrize("what", sorted(SPOILED))
def test_a_leak_is_seen(app_engine: SqlEngine, owner_engine: SqlEngine, what: str) -> None:
    """A look that would find nothing whatever there is would prove nothing."""
    setting, spoil = SPOILED[what]

    async def tell(north: World, south: World) -> None:
        for world in (north, south):
            world.make_deal(world.make_company())
            await world.settle()
        await no_leak((north, south), owner_engine)
        with owner_engine.begin() as conn:
            assert conn.exec_driver_sql(spoil).rowcount > 0

    try:
        with pytest.raises(Violation, match=r"28: a row of .* is about"):
            _play(app_engine, owner_engine, "spoiled", setting, tell)
    finally:
        with owner_engine.begin() as conn:
            conn.exec_driver_sql("SET LOCAL session_replication_role = replica")
            tables = conn.exec_driver_sql(
                "SELECT table_name FROM information_schema.columns WHERE table_schema = 'public'"
                " AND column_name = 'workspace'"
            ).scalars()
            for table in [*tables]:
                conn.exec_driver_sql(f"DELETE FROM public.{table} WHERE workspace ~ '^spoiled'")
