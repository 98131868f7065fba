"""Each check of the simulation sees what it is there to see: a broken state, and only that."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine as SqlEngine

import invariants
import virtual_loop
from invariants import Violation
from quiet import Quiet, results_by_deal
from tieout.core.errors import SyncError
from tieout.ports import HttpRequest
from virtual_loop import Simulation
from watch import Watch
from world import World

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def _later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


# --- over plain values --------------------


def _planned(operation: str, state: str = "ready") -> dict[str, Any]:
    return {"kind": "operations.planned", "planned": [[operation, "key", "create", state]]}


BROKEN: dict[str, Callable[[], None]] = {
    "1: two live documents": lambda: invariants.one_live({"slot": [{"id": "d1"}, {"id": "d2"}]}),
    "3: two open operations": lambda: invariants.one_open(
        [("slot", "op-1", "unknown"), ("slot", "op-2", "started")]
    ),
    "4: a late one on its way": lambda: invariants.no_zombie(["slot"], ["other", "slot"]),
    "4: past its lease": lambda: invariants.lease_held(100.0, 161.0, 60),
    "5: two bodies": lambda: invariants.one_body([("wire", "sha-1"), ("wire", "sha-2")]),
    "8: two slots": lambda: invariants.refs_hold(
        [("d1", "slot", "current"), ("d1", "other", "copy")]
    ),
    "8: two current refs": lambda: invariants.refs_hold(
        [("d1", "slot", "current"), ("d2", "slot", "current")]
    ),
    "9: fell": lambda: invariants.generations_rise({"slot": 2}, {"slot": 1}, {}),
    "9: rose without an end": lambda: invariants.generations_rise({"slot": 0}, {"slot": 1}, {}),
    "10: a dead lease": lambda: invariants.looked_in_time(
        [("op-1", "started", _later(-1), None, None)], NOW, NOW, 0
    ),
    "10: a look left out": lambda: invariants.looked_in_time(
        [("op-1", "unknown", None, _later(-5), _later(60))], NOW, NOW, 0
    ),
    "10: a look too late": lambda: invariants.looked_in_time(
        [("op-1", "unknown", None, _later(600), _later(60))], NOW, NOW, 0
    ),
    "10: a look of a clock set back": lambda: invariants.looked_in_time(
        [("op-1", "unknown", None, _later(600), _later(60))], NOW, NOW, 0, 400
    ),
    "11: more than time": lambda: invariants.same_but_order(
        {"deal": 1}, {"deal": 2}, "11: a death"
    ),
    "12: not in the log": lambda: invariants.logged_once([], {"op-1": "ready"}, {}),
    "12: another state": lambda: invariants.logged_once(
        [_planned("op-1")], {"op-1": "applied"}, {}
    ),
    "12: planned twice": lambda: invariants.logged_once(
        [_planned("op-1"), _planned("op-1")], {"op-1": "ready"}, {}
    ),
    "12: applied twice": lambda: invariants.logged_once(
        [_planned("op-1"), *[{"kind": "operation.applied", "operation": "op-1"}] * 2],
        {"op-1": "applied"},
        {},
    ),
    "12: an attempt too many": lambda: invariants.logged_once(
        [_planned("op-1"), {"kind": "operations.started", "ids": ["op-1"]}],
        {"op-1": "started"},
        {"op-1": 2},
    ),
}


@pytest.mark.parametrize("what", sorted(BROKEN))
def test_a_broken_state_is_seen(what: str) -> None:
    with pytest.raises(Violation, match=f"^{what.split(':', maxsplit=1)[0]}:"):
        BROKEN[what]()


def test_what_is_right_is_let_through() -> None:
    invariants.one_live({"slot": [{"id": "d1"}]})
    invariants.one_open([("slot", "op-1", "unknown"), ("slot", "op-2", "ready")])
    invariants.no_zombie(["slot"], ["other"])
    invariants.lease_held(100.0, 159.0, 60)
    invariants.one_body([("wire", "sha-1"), ("wire", "sha-1"), ("", "sha-2"), ("", "sha-3")])
    invariants.refs_hold([("d1", "slot", "current"), ("d2", "slot", "copy")])
    invariants.generations_rise({"slot": 0}, {"slot": 1, "new": 3}, {"slot": 1})
    invariants.looked_in_time(
        [
            ("op-1", "started", _later(30), None, None),
            ("op-2", "unknown", None, _later(60), _later(60)),
            ("op-3", "doubt", None, None, None),
        ],
        NOW,
        NOW,
        0,
    )
    log = [
        _planned("op-1"),
        {"kind": "operations.started", "ids": ["op-1"]},
        {"kind": "operation.unknown", "operation": "op-1"},
        {"kind": "operation.confirming", "operation": "op-1"},
        {"kind": "operation.applied", "operation": "op-1"},
    ]
    invariants.logged_once(log, {"op-1": "applied"}, {"op-1": 1})


# --- over a world that is broken by hand --------------------


@dataclass(slots=True)
class Spoiled:
    """A world with one deal, linked and at rest, and its checks."""

    world: World
    watch: Watch
    deal: str

    @property
    def draft(self) -> dict[str, Any]:
        return self.world.drafts()[0]

    def sql(self, sql: str, **values: Any) -> None:
        """Behind everybody's back."""
        assert self.world.rows(f"{sql} RETURNING 1", **values)


async def _second_document(s: Spoiled) -> None:
    s.world.in_book("copy_draft", draft=s.draft["id"])
    copy = s.world.drafts()[-1]
    copy["_by"] = "api"
    s.world.slot_of[copy["id"]] = s.world.slot_of[s.draft["id"]]
    s.watch.step()


async def _unstored(s: Spoiled) -> None:
    s.watch.sending("plain_book", HttpRequest(method="POST", url="http://book/drafts", body=b"{}"))


async def _booked_deleted(s: Spoiled) -> None:
    write = s.world.writes[-1]
    kept = {**s.draft, "status": "booked"}
    request = type(write.request)(method="DELETE", path=f"/drafts/{kept['id']}")
    s.world.writes.append(
        type(write)(at=write.at, request=request, status=204, before=kept, made=())
    )
    s.watch.step()


async def _edit_written_over(s: Spoiled) -> None:
    s.world.in_crm("edit", deal=s.deal, price="1200.00")
    await s.world.settle()
    write = next(w for w in reversed(s.world.writes) if w.request.method == "PATCH")
    assert write.before is not None
    write.before["lines"][0]["unit_price"] = Decimal(900)
    s.world.edited.add(write.before["id"])
    s.watch._written(write)


async def _document_gone(s: Spoiled) -> None:
    s.draft["_deleted"] = True
    Quiet(s.world).documents()


async def _not_won(s: Spoiled) -> None:
    s.world.crm.rows.tables["deals"][s.deal]["state"] = "open"
    Quiet(s.world).documents()


async def _unlinked(s: Spoiled) -> None:
    s.world.in_book("copy_draft", draft=s.draft["id"])
    Quiet(s.world).documents()


async def _other_amount(s: Spoiled) -> None:
    s.draft["net"] += 1
    Quiet(s.world).documents()


async def _amounts_apart(s: Spoiled) -> None:
    s.draft["net"] += 1
    Quiet(s.world).amounts()


async def _something_to_do(s: Spoiled) -> None:
    s.world.in_crm("edit", deal=s.deal, price="1200.00")
    await Quiet(s.world).nothing_more("16: a further run")


async def _not_at_rest(s: Spoiled) -> None:
    s.sql("UPDATE operation SET state = 'unknown' WHERE workspace = %(ws)s AND entity = 'document'")
    Quiet(s.world).at_rest()


async def _attempt_open(s: Spoiled) -> None:
    s.sql("UPDATE attempt SET result = 'open' WHERE workspace = %(ws)s")
    Quiet(s.world).at_rest()


async def _mirror_differs(s: Spoiled) -> None:
    s.sql(
        "UPDATE mirror SET content_hash = '\\x00' WHERE workspace = %(ws)s AND id = %(id)s", id="k1"
    )
    await Quiet(s.world).mirror()


async def _adopts_nothing(s: Spoiled) -> None:
    async def no_run() -> None:
        """A new installation that never gets to its books."""

    s.world.settle = no_run  # type: ignore[method-assign, assignment]
    await Quiet(s.world).new_installation()


async def _log_cut(s: Spoiled) -> None:
    s.world.rows("SELECT 1")
    with s.world._as_owner().begin() as conn:
        conn.exec_driver_sql(
            "DELETE FROM activity WHERE workspace = %(ws)s AND seq = 3", {"ws": s.world.workspace}
        )
    await Quiet(s.world).log()


SPOILED: dict[str, Callable[[Spoiled], Awaitable[None]]] = {
    "1: a second document": _second_document,
    "2: left without being stored": _unstored,
    "6: a booked document deleted": _booked_deleted,
    "7: an edit written over": _edit_written_over,
    "12: an entry is missing": _log_cut,
    "13: no document": _document_gone,
    "14: a deal that is not won": _not_won,
    "14: a carrier without a role": _unlinked,
    "15: another amount": _other_amount,
    "16: something was to do": _something_to_do,
    "17: not at rest": _not_at_rest,
    "17: an attempt is open": _attempt_open,
    "18: the mirror differs": _mirror_differs,
    "20: adopts nothing": _adopts_nothing,
    "21: amounts do not tie out": _amounts_apart,
}


@pytest.mark.parametrize("what", sorted(SPOILED))
def test_a_spoiled_world_is_seen(what: str, app_engine: SqlEngine, owner_engine: SqlEngine) -> None:
    name = f"spoiled-{sorted(SPOILED).index(what)}"

    async def program(simulation: Simulation) -> None:
        world = World(
            simulation=simulation, database=app_engine, owner=owner_engine, workspace=name
        )
        watch = Watch(world)
        deal = world.make_deal(world.make_company())
        await world.settle()
        await watch.quiet()
        await SPOILED[what](Spoiled(world, watch, deal))

    number = what.split(":", maxsplit=1)[0]
    with pytest.raises(Violation, match=f"^{number}:"):
        virtual_loop.run(program, 1, forgive=(SyncError, asyncio.CancelledError))


# --- 19: one, two or three workers --------------------


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_more_workers_change_nothing_but_order(seed: int, app_engine: SqlEngine) -> None:
    found = [_worked(app_engine, seed, workers) for workers in (1, 2, 3)]

    assert any(documents for documents, _ in _deals(found[0]))
    for other in found[1:]:
        invariants.same_but_order(found[0], other, "19: more workers")


def _deals(results: dict[str, Any]) -> list[tuple[Any, Any]]:
    return [value for key, value in results.items() if key != "customers"]


def _worked(database: SqlEngine, seed: int, workers: int) -> dict[str, Any]:
    """The same deeds at the same times, with so many engines that run all the time."""
    results: dict[str, Any] = {}

    async def program(simulation: Simulation) -> None:
        world = World(
            simulation=simulation, database=database, workspace=f"workers-{seed}-{workers}"
        )
        watch = Watch(world)
        over = False

        async def work(number: int) -> None:
            while not over:
                await world.wait(3 + number)
                try:
                    await world.work(world.engine(machine=number % 2, leased=False))
                except SyncError as error:
                    world.note(f"{type(error).__name__} {error}")

        company = world.make_company()
        deals = [world.make_deal(company, price) for price in ("1000.00", "1500.00", "2000.00")]
        tasks = [asyncio.ensure_future(work(number)) for number in range(workers)]
        for act in ("edit", "reopen", "win", "edit"):
            await world.wait(40)
            more = (
                {"price": Decimal(simulation.random.choice((1100, 1200)))} if act == "edit" else {}
            )
            world.in_crm(act, deal=deals[seed % len(deals)], **more)
        await world.wait(40)
        over = True
        await asyncio.gather(*tasks)
        await world.settle()
        await watch.quiet()
        results.update(results_by_deal(world))

    virtual_loop.run(program, seed, forgive=(SyncError, asyncio.CancelledError))
    return results
