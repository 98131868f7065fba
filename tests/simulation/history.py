"""A history from a seed: persons, faults, deaths, two engines; then quiet, then the checks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any

from sqlalchemy import Engine as SqlEngine

from invariants import Violation, Watch, dump
from mortal import Death, Mortal
from tieout.core.errors import SyncError
from tieout.core.safeguards import ALL_ON, Safeguards
from tieout_sandbox.kit.simulator import ActionError
from tieout_sandbox.plain import Variant
from virtual_loop import Simulation
from world import World

FAMILIES = ("a", "b", "b'", "c", "d", "d lag", "e1", "e2")
LAG_S = 45
LENGTH_S = 420


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What a seed broke, with the trace of its history."""

    seed: int
    family: str
    message: str
    trace: tuple[str, ...]


def family_of(seed: int) -> str:
    """Which kind of book a seed has; each kind has the same share."""
    return FAMILIES[seed % len(FAMILIES)]


def variant_of(seed: int, chance: Random) -> tuple[Variant, dict[str, Any]]:
    """The book of a seed, and what its connector does not know of it."""
    family = family_of(seed)
    guard = family.split()[0]
    known_key_life = chance.random() < 0.6
    values: dict[str, Any] = {
        "guard": guard,
        "version_check": chance.random() < 0.3,
        "tombstones": chance.random() < 0.4,
        "keeps_id": chance.random() < 0.25,
        "batch": 3 if chance.random() < 0.35 else 1,
        "search_lag_s": LAG_S if family == "d lag" else 0,
        # Where nothing can be read back, a booked draft is followed by its origin only.
        "tells_origin": guard == "e2" or chance.random() < 0.8,
        "copies_carrier": chance.random() < 0.8,
        "key_life_s": 600,
    }
    values["atomic"] = values["batch"] > 1 and chance.random() < 0.3
    settings = {} if known_key_life or guard != "a" else {"key_life_s": 0}
    return Variant(**values), settings


class History:
    """One seed's history in a world of its own."""

    def __init__(self, world: World, *, knows_key_life: bool, harsh: bool = False) -> None:
        self.world = world
        self.harsh = harsh
        self.random = world.random
        self.watch = Watch(world)
        self.knows_key_life = knows_key_life
        self.companies: list[str] = []
        self.deals: list[str] = []
        self.touched: dict[str, float] = {}
        self.over = False
        self.mortals: list[Mortal] = []
        self.backup: Any = None
        self.restored = False

    # --- the course of it ---

    async def play(self) -> None:
        """Everything that the seed says, then quiet and the checks."""
        world, chance = self.world, self.random
        self.companies = [world.make_company(n + 1) for n in range(chance.choice((1, 1, 2)))]
        for _ in range(chance.randint(1, 3)):
            state = "won" if chance.random() < 0.8 else "open"
            company = chance.choice(self.companies)
            price = Decimal(chance.choice((1000, 1000, 1500, 2000)))
            self.deals.append(world.make_deal(company, price, state=state))
        if self.harsh:
            # The first create of every history meets a fault.
            kind = chance.choice(("commit_late", "commit_late", "drop_after_commit", "garbage"))
            path = "/documents" if world.variant.keeps_id else "/drafts"
            late = {"seconds": chance.randint(20, 190)} if kind == "commit_late" else {}
            world.fault(kind, path=path, times=chance.choice((1, 2)), **late)
        if chance.random() < 0.5:
            await world.run_once()
        times = sorted(chance.uniform(0, LENGTH_S) for _ in range(chance.randint(6, 16)))
        restore = chance.random() < 0.125 and world.owner is not None
        if restore:
            middle = LENGTH_S / 2
            times = sorted([*times, chance.uniform(0, middle)])
        workers = [asyncio.ensure_future(self._worker(n)) for n in range(2)]
        try:
            for number, at in enumerate(times):
                await world.wait(max(0.0, at - self._elapsed()))
                self._raise(workers)
                if restore and number == len(times) // 3:
                    self.backup = world.snapshot()
                    world.note("backup")
                if restore and number == 2 * len(times) // 3:
                    self._restore()
                self._act()
            await world.wait(max(0.0, LENGTH_S - self._elapsed()))
            self._raise(workers)
        finally:
            self.over = True
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
        self._raise(workers)
        await self._quiet()

    def _elapsed(self) -> float:
        return self.world.simulation.loop.time()

    def _raise(self, workers: list[asyncio.Future[None]]) -> None:
        for worker in workers:
            if worker.done() and not worker.cancelled():
                worker.result()

    async def _quiet(self) -> None:
        world = self.world
        world.note("quiet")
        world.book.faults.clear()
        world.crm.faults.clear()
        for machine in world.machines:
            machine.wall.jump((world.clock.now() - machine.now()).total_seconds())
        # What is on its way arrives, leases end, and rows that were hidden are seen.
        await world.wait(260)
        world.book.settle()
        world.crm.settle()
        await world.settle()
        # What vanished without being linked shows only where all ids are compared.
        await world.wait(world.sweep_s + 5)
        await world.settle()
        world.step()
        chance = self.random.random()
        await self.watch.quiet(rebuild=chance < 0.2, install=0.2 <= chance < 0.4)

    # --- engines ---

    async def _worker(self, machine: int) -> None:
        """A machine that runs, dies, and runs again with a new process."""
        chance = self.random
        while not self.over:
            await self.world.wait(chance.uniform(1, 45))
            dies_at = int(chance.expovariate(1 / 60)) + 1 if chance.random() < 0.3 else None
            where = chance.choice(("", "", "book", "store.settle", "store.mark", "store.apply"))
            if where and dies_at is not None:
                dies_at = chance.randint(1, 6)
            mortal = Mortal(f"engine {machine}", dies_at=dies_at, where=where)
            self.mortals.append(mortal)
            engine = self.world.engine(
                mortal, machine=machine, pace=self._pace(), leased=chance.random() < 0.6
            )
            restored = self.restored
            try:
                await mortal.run(lambda engine=engine: self.world.work(engine))  # type: ignore[misc]
            except Death as death:
                self.world.note(f"{engine.worker}: {death}")
            except SyncError as error:
                self.world.note(f"{engine.worker}: {type(error).__name__} {error}")
            except Violation:
                raise
            self.mortals.remove(mortal)
            self.watch.between_runs(restored=self.restored and not restored)
            if self.restored:
                self.restored = False

    def _pace(self) -> Callable[[str, str], float]:
        """Small waits at every call, and now and then one that is longer than a lease."""
        chance = self.random
        slow = chance.random() < 0.25

        def pace(name: str, when: str) -> float:
            if name.startswith("wire."):
                return chance.uniform(0.01, 0.4)
            if slow and chance.random() < 0.01:
                seconds = chance.uniform(20, 150)
                self.world.note(f"a pause of {seconds:.0f} s {when} {name}")
                return seconds
            return chance.uniform(0.001, 0.05) if chance.random() < 0.5 else 0.0

        return pace

    def _restore(self) -> None:
        if self.backup is None:
            return
        for mortal in self.mortals:
            mortal.kill("restored")
        self.world.restore(self.backup)
        self.backup = None
        self.restored = True
        self.watch.generations = {}

    # --- acts and faults ---

    def _act(self) -> None:
        chance = self.random
        kind = chance.random()
        try:
            if kind < 0.3:
                self._fault()
            elif kind < 0.34:
                self._jump()
            elif kind < 0.62:
                self._in_crm()
            else:
                self._in_book()
        except ActionError as error:
            self.world.note(f"not possible: {error}")

    def _jump(self) -> None:
        seconds = self.random.choice((-1700, -600, 600, 1700, 3000))
        machine = self.random.randrange(2)
        self.world.machines[machine].wall.jump(seconds)
        self.world.note(f"the clock of machine {machine} jumps {seconds} s")

    def _fault(self) -> None:
        chance, world = self.random, self.world
        method = chance.choice(("POST", "POST", "POST", "PATCH", "DELETE", "*", "GET"))
        kinds = ["drop_before", "drop_after_commit", "commit_late", "commit_late", "garbage"]
        kinds += ["truncated", "rate_limited", "status", "drop_after_commit", "slow"]
        if world.variant.batch > 1:
            kinds += ["batch_cut", "batch_cut"]
        if world.variant.search_lag_s:
            kinds += ["search_lag"]
        if world.variant.guard == "a" and not self.knows_key_life:
            kinds += ["key_expiry"]
        kind = chance.choice(kinds)
        if method == "GET" and kind in ("commit_late", "batch_cut", "key_expiry"):
            kind = "drop_before"
        order: dict[str, Any] = {"kind": kind, "method": method, "path": "*"}
        order["times"] = chance.choice((1, 1, 2))
        if kind == "commit_late":
            order["seconds"] = chance.randint(3, 190)
        elif kind == "slow":
            order["seconds"] = chance.randint(1, 15)
        elif kind == "search_lag":
            order["seconds"] = chance.randint(5, LAG_S)
        elif kind == "rate_limited":
            order["seconds"] = chance.randint(1, 40)
        elif kind == "status":
            order["status"] = chance.choice((500, 502, 503))
        elif kind == "batch_cut":
            order["items"] = chance.randint(0, 2)
        target = world.crm if chance.random() < 0.15 and kind not in _BOOK_ONLY else world.book
        target.faults.add(order)
        world.note(f"fault at {target.name}: {order}")

    def _in_crm(self) -> None:
        chance, world = self.random, self.world
        deal = chance.choice(self.deals)
        act = chance.choice(_CRM_ACTS)
        price = Decimal(chance.choice((1000, 1200, 1500, 2000, 2500)))
        if act in ("win", "reopen", "lose", "edit"):
            self.touched[deal] = self._elapsed()
        match act:
            case "edit":
                world.in_crm("edit", deal=deal, price=price)
            case "edit_company":
                company = chance.choice(self.companies)
                world.in_crm("edit_company", company=company, name=f"Renamed {int(price)} AB")
            case "clone":
                if len(self.deals) < 5:
                    self.deals.append(str(world.in_crm("clone", deal=deal)["id"]))
            case "new":
                if len(self.deals) < 5:
                    company = chance.choice(self.companies)
                    self.deals.append(world.make_deal(company, price))
                    world.note(f"new deal {self.deals[-1]}")
            case "late_commit":
                state = chance.choice(("won", "won", "open"))
                seconds = chance.randint(5, 80)
                world.in_crm("late_commit", deal=deal, seconds=seconds, state=state, price=price)
            case "stale_replica":
                self._stale_replica(chance.randint(5, 80))
            case "merge_companies":
                if len(self.companies) > 1 and chance.random() < 0.5:
                    loser, winner = chance.sample(self.companies, 2)
                    world.in_crm("merge_companies", loser=loser, winner=winner)
                    self.companies.remove(loser)
            case "delete":
                if len(self.deals) > 1 and chance.random() < 0.4:
                    world.in_crm("delete", deal=deal)
                    self.deals.remove(deal)
            case _:
                world.in_crm(act, deal=deal)

    def _stale_replica(self, lag_s: int) -> None:
        """Readers see deals as they were so long ago: what changed since then is not there yet."""
        for deal, at in list(self.touched.items()):
            left = lag_s - (self._elapsed() - at)
            if left > 0 and deal in self.deals:
                self.world.in_crm("stale_replica", deal=deal, seconds=round(left))

    def _in_book(self) -> None:
        chance, world = self.random, self.world
        act = chance.choice(_BOOK_ACTS)
        live = [row for row in world.documents() if not row["_deleted"]]
        drafts = [row["id"] for row in live if row["status"] == "draft"]
        booked = [row["id"] for row in live if row["status"] == "booked"]
        price = Decimal(chance.choice((900, 1100, 1300)))
        match act:
            case "book" if drafts:
                world.in_book("book", draft=self._fresh(drafts))
            case "edit_draft" if drafts:
                draft = self._fresh(drafts)
                if not self._overwritten(draft):
                    world.in_book("edit_draft", draft=draft, price=price)
            case "add_row" if drafts:
                draft = self._fresh(drafts)
                if not self._overwritten(draft):
                    row = {"item": "SUP", "quantity": 1, "unit_price": Decimal(10)}
                    world.in_book("edit_draft", draft=draft, add_row=row)
            case "delete_draft" if drafts:
                world.in_book("delete_draft", draft=self._fresh(drafts))
            case "copy_draft" if drafts:
                world.in_book("copy_draft", draft=self._fresh(drafts))
            case "overwrite_carrier" if drafts:
                draft = self._fresh(drafts)
                if draft not in world.edited and chance.random() < 0.5:
                    world.in_book("overwrite_carrier", id=draft, text="see the order")
            case "renumber" if live:
                number = str(chance.randint(700_000, 700_009))
                world.in_book(
                    "renumber", id=self._fresh([row["id"] for row in live]), number=number
                )
            case "credit" if booked:
                world.in_book("credit", invoice=chance.choice(booked))
            case "void" if booked:
                world.in_book("void", invoice=chance.choice(booked))
            case "pay" if booked:
                world.in_book("pay", invoice=chance.choice(booked))
            case "return":
                payments = [
                    row["id"]
                    for row in world.book.ledger.live("payments")
                    if row["amount"] > 0 and not row["returned"]
                ]
                if payments:
                    world.in_book("return_payment", payment=chance.choice(payments))
            case "merge":
                customers = [row["id"] for row in world.book.ledger.live("customers")]
                if len(customers) > 1 and chance.random() < 0.5:
                    loser, winner = chance.sample(customers, 2)
                    world.in_book("merge_customers", loser=loser, winner=winner)
            case "own":
                customers = [row["id"] for row in world.book.ledger.live("customers")]
                if customers and chance.random() < 0.5:
                    line = {"item": "LIC", "quantity": 1, "unit_price": price}
                    world.in_book(
                        "create_invoice",
                        customer=chance.choice(customers),
                        lines=[line],
                        booked=chance.random() < 0.5,
                    )

    def _overwritten(self, draft: str) -> bool:
        row = self.world.book.ledger.tables["documents"][draft]
        return bool(row["_carrier"] == "see the order")

    def _fresh(self, ids: list[str]) -> str:
        """Mostly the newest: persons aim at what was just made."""
        return ids[-1] if self.random.random() < 0.6 else self.random.choice(ids)


_BOOK_ONLY = ("search_lag", "key_expiry")
_CRM_ACTS = (
    *("win", "win", "win", "reopen", "reopen", "lose", "edit", "edit", "edit", "clone", "new"),
    *("late_commit", "stale_replica", "merge_companies", "delete", "edit_company"),
)
_BOOK_ACTS = (
    *("book", "book", "edit_draft", "edit_draft", "delete_draft", "copy_draft", "add_row"),
    *("overwrite_carrier", "renumber", "credit", "void", "pay", "return", "merge", "own"),
)


def play(
    seed: int,
    database: SqlEngine,
    owner: SqlEngine | None,
    *,
    rules: Safeguards = ALL_ON,
    mark: str = "",
    harsh: bool = False,
) -> tuple[Failure | None, list[str]]:
    """The history of a seed: what it broke, or None; and its trace."""
    import virtual_loop

    chance = Random(seed * 7919 + 17)
    variant, settings = variant_of(seed, chance)
    kept: list[World] = []

    async def program(simulation: Simulation) -> None:
        world = World(
            simulation=simulation,
            database=database,
            owner=owner,
            workspace=f"seed{seed}{mark}",
            variant=variant,
            book_settings=settings,
            rules=rules,
        )
        kept.append(world)
        world.note(f"{variant}")
        await History(world, knows_key_life=not settings, harsh=harsh).play()

    try:
        virtual_loop.run(program, seed, forgive=(Death, SyncError, asyncio.CancelledError))
    except Exception as error:  # noqa: BLE001 - whatever breaks is what a seed is for
        import traceback

        lines = kept[0].trace if kept else []
        state = dump(kept[0]) if kept else []
        where = traceback.format_exc().splitlines()[-14:]
        message = f"{type(error).__name__}: {error}"
        if isinstance(error, Violation):
            where = []
        return (
            Failure(
                seed=seed,
                family=family_of(seed),
                message=message,
                trace=(*lines, "", *state, "", *where, message),
            ),
            lines,
        )
    return None, kept[0].trace
