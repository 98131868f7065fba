"""A history from a seed: persons, faults, deaths, two engines; then quiet, then the checks."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any

from sqlalchemy import Engine as SqlEngine

import virtual_loop
from acts import LAG_S, Cast
from mortal import Death, Mortal
from neighbours import Setting, make_views, names_of, no_leak
from quiet import document_slot, dump
from returns import stands_again
from stories import Stories
from tables import Place
from tieout.core.errors import SyncError
from tieout.core.mapping.fields import Owner
from tieout.core.policy import (
    INVOICE,
    INVOICE_DRAFT,
    SALES_ORDER,
    BrakePolicy,
    ContactPolicy,
    CustomerPolicy,
    FlowMode,
    PriceRule,
)
from tieout.core.safeguards import ALL_ON, Safeguards
from tieout.engine.context import Engine
from tieout_sandbox.kit.simulator import ActionError
from tieout_sandbox.plain import Variant
from virtual_loop import Simulation
from watch import Watch
from world import World

FAMILIES = ("a", "b", "b'", "c", "d", "d lag", "e1", "e2")
LENGTH_S = 300
PRICES = (
    PriceRule(list="WHOLESALE", book="Wholesale", currencies=("SEK", "EUR")),
    PriceRule(list="EXPORT", book="Export"),
)
# How many acts a history has; fewer where another goes on beside it.
ACTS, FEW_ACTS = (5, 11), (3, 7)
BOTH_WAYS = CustomerPolicy(both=True, owners={"emails": Owner.BOOKS, "phones": Owner.LATEST})
PERSONS = ContactPolicy(mode=FlowMode.AUTO, to_crm=True, owners={"title": Owner.BOOKS})
# A rule that has no switch in the program: a request is stored before its first byte leaves.
RECORD_BEFORE_SEND = "record_before_send"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What a seed broke, with the trace of its history."""

    seed: int
    family: str
    message: str
    trace: tuple[str, ...]


@dataclass(slots=True)
class Played:
    """A seed's history: what it broke, its trace, and what happened in it, counted."""

    failure: Failure | None = None
    trace: list[str] = field(default_factory=list)
    happened: Counter[str] = field(default_factory=Counter)


def setting_of(seed: int) -> Setting:
    """Half of the seeds have one pair, a quarter two in one workspace, a quarter in two."""
    settings = (Setting.ALONE, Setting.TOGETHER, Setting.ALONE, Setting.APART)
    return settings[seed // len(FAMILIES) % len(settings)]


def family_of(seed: int) -> str:
    """Which kind of book a seed has; each kind has the same share."""
    return FAMILIES[seed % len(FAMILIES)]


def kind_of(seed: int) -> str:
    """What deals become: mostly drafts; in one round of six orders, in one invoices we book."""
    return {2: SALES_ORDER, 4: INVOICE}.get(seed // len(FAMILIES) % 6, INVOICE_DRAFT)


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
    values["orders"] = kind_of(seed) == SALES_ORDER
    values["atomic"] = values["batch"] > 1 and chance.random() < 0.3
    settings = {} if known_key_life or guard != "a" else {"key_life_s": 0}
    return Variant(**values), settings


class History:
    """One seed's history in a world of its own."""

    def __init__(
        self,
        world: World,
        *,
        knows_key_life: bool,
        harsh: bool = False,
        acts: tuple[int, int],
        later: int = 0,
    ) -> None:
        self.world = world
        self.harsh = harsh
        self.acts = acts
        # Histories of other pairs in the same workspace: a restore is theirs too.
        self.beside: list[History] = []
        self.working = False
        self.random = world.random
        # What is done after a history has a chance of its own: the histories stay what they are.
        self.later = Random(later)
        self.watch = Watch(world)
        self.cast = Cast(world, knows_key_life=knows_key_life)
        self.stories = Stories(self, self.cast)
        self.over = False
        self.mortals: list[Mortal] = []
        self.backup: Any = None
        self.restored = False
        self.restored_once = False
        self._soon: list[tuple[float, int, Callable[[], Any]]] = []
        self._order = itertools.count()
        self._hurry_until = 0.0
        self._awake = asyncio.Event()
        self._dooms = 0
        self._claim_pauses: list[float] = []

    # --- the course of it ---

    async def play(self) -> None:
        """Everything that the seed says, then quiet and the checks."""
        world, chance = self.world, self.random
        self.cast.begin()
        if self.harsh:
            # The first create of every history meets a fault.
            kind = chance.choice(("commit_late", "commit_late", "drop_after_commit", "garbage"))
            path = "/documents" if world.variant.keeps_id else "/drafts"
            path = "/orders" if world.variant.orders else path
            late = {"seconds": chance.randint(20, 190)} if kind == "commit_late" else {}
            world.fault(kind, path=path, times=chance.choice((1, 2)), **late)
        if chance.random() < 0.5:
            await world.run_once()
        for _ in range(chance.randint(*self.acts)):
            act = self.stories.tell if chance.random() < 0.5 else self.cast.act
            self.soon(chance.uniform(0, LENGTH_S), act)
        workers = [asyncio.ensure_future(self._worker(n)) for n in range(2)]
        self.working = True
        try:
            while self._soon and self._soon[0][0] < LENGTH_S:
                at, _, act = self._soon[0]
                if at > self._elapsed():
                    # Something sooner can come up meanwhile.
                    await world.wait(min(at - self._elapsed(), 1.0))
                    self._raise(workers)
                    continue
                heapq.heappop(self._soon)
                self._do(act)
            await world.wait(max(0.0, LENGTH_S - self._elapsed()))
            self._raise(workers)
        finally:
            self.over = True
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
        self._raise(workers)
        await self._quiet()

    def _do(self, act: Callable[[], Any]) -> None:
        try:
            act()
        except ActionError as error:
            self.world.note(f"not possible: {error}")

    def _elapsed(self) -> float:
        return self.world.simulation.loop.time()

    def _raise(self, workers: list[asyncio.Future[None]]) -> None:
        for worker in workers:
            if worker.done() and not worker.cancelled():
                worker.result()

    async def _quiet(self) -> None:
        world = self.world
        world.note("quiet")
        for system in (world.book, world.crm):
            for fault in system.faults.listed():
                world.happened[f"fault struck: {fault['kind']}"] += fault["hits"]
            system.faults.clear()
        for machine in (0, 1):
            self.cast.set_right(machine)
        # What is on its way arrives, leases end, and rows that were hidden are seen.
        await world.wait(260)
        world.book.settle()
        world.crm.settle()
        await world.settle()
        # What vanished without being linked shows only where all ids are compared.
        await world.wait(world.sweep_s + 5)
        await world.settle()
        world.step()
        await stands_again(world, self.later)
        last = self.random.choice(("", "", "rebuild", "install", "install", "publish"))
        await self.watch.quiet(last)

    # --- what stories ask for ---

    def soon(self, seconds: float, act: Callable[[], Any]) -> None:
        """Something that happens so many seconds from now."""
        heapq.heappush(self._soon, (self._elapsed() + seconds, next(self._order), act))

    def hurry(self, seconds: float) -> None:
        """Engines run again and again for so long, the next time at once."""
        self._hurry_until = self._elapsed() + seconds
        self._awake.set()

    def doom(self) -> None:
        """The next engine that is about to store what came of a late request dies instead."""
        self._dooms += 1

    def pause_claim(self, seconds: float) -> None:
        """The next claim of any engine is followed by a pause."""
        self._claim_pauses.append(seconds)

    def slot(self, deal: str) -> str:
        """The 13 characters of a deal's document slot."""
        return document_slot(self.world, deal)

    def take_backup(self) -> None:
        """A backup of the database."""
        self.backup = self.world.snapshot()
        self.world.happened["backups"] += 1
        self.world.note("backup")

    def restore(self) -> None:
        """The backup brought back; every process that was running is gone."""
        everybody = (self, *self.beside)
        if self.backup is None or not all(one.working for one in everybody):
            return
        for one in everybody:
            for mortal in one.mortals:
                mortal.kill("restored")
        since = len(self.world.writes)
        self.world.restore(self.backup)
        self.world.happened["restores"] += 1
        self.world.note(f"restored after {since} writes")
        self.backup = None
        for one in everybody:
            one.restored = True
            one.watch.forget()

    # --- engines ---

    async def _worker(self, machine: int) -> None:
        """A machine that runs, dies, and runs again with a new process."""
        chance, world = self.random, self.world
        while not self.over:
            await self._rest()
            mortal = self._mortal(machine)
            self.mortals.append(mortal)
            if len(self.mortals) > 1:
                world.happened["two engines at once"] += 1
            force = bool(self._held()) and chance.random() < 0.3
            if force:
                world.happened["brakes released by a person"] += 1
            if "clock_off" in self._held() and chance.random() < 0.5:
                self.cast.set_right(machine)
            engine = world.engine(
                mortal,
                machine=machine,
                pace=self._pace(mortal),
                leased=chance.random() < 0.6,
                force=force,
            )
            await self._run(engine, mortal)

    async def _run(self, engine: Engine, mortal: Mortal) -> None:
        restored, began = self.restored, engine.clock.now()
        done = False
        try:
            await mortal.run(lambda: self.world.work(engine))
            done = True
        except Death as death:
            self._died(engine, death)
        except SyncError as error:
            self.world.note(f"{engine.worker}: {type(error).__name__} {error}")
            self.world.happened[f"runs ended: {type(error).__name__}"] += 1
        self.mortals.remove(mortal)
        self.watch.between_runs(restored=self.restored and not restored)
        if done and len(self.mortals) == 0:
            self.watch.after_run(began)
        if self.restored:
            self.restored = False

    def _died(self, engine: Engine, death: Death) -> None:
        self.world.note(f"{engine.worker}: {death}")
        self.world.happened["processes killed"] += 1
        started = self.world.rows(
            "SELECT count(*) FROM operation WHERE workspace = %(ws)s AND state = 'started'"
            " AND lease_owner = %(worker)s",
            worker=engine.worker,
        )
        if started[0][0]:
            self.world.happened["processes killed with a write under way"] += 1

    async def _rest(self) -> None:
        """Until the next run: soon when something happened, else by the timetable."""
        if self._elapsed() < self._hurry_until:
            await self.world.wait(self.random.uniform(1, 7))
            return
        self._awake.clear()
        try:
            await asyncio.wait_for(self._awake.wait(), self.random.uniform(2, 60))
        except TimeoutError:
            return
        await self.world.wait(self.random.uniform(0, 1))

    def _mortal(self, machine: int) -> Mortal:
        chance = self.random
        dies_at = int(chance.expovariate(1 / 60)) + 1 if chance.random() < 0.3 else None
        where = chance.choice(("", "", "book", "store.settle", "store.mark", "store.apply"))
        if where and dies_at is not None:
            dies_at = chance.randint(1, 6)
        return Mortal(f"engine {machine}", dies_at=dies_at, where=where)

    def _held(self) -> set[str]:
        """Codes of the brakes that a person sees."""
        return {
            row[0]
            for row in self.world.rows(
                "SELECT code FROM exception_case WHERE workspace = %(ws)s AND closed_at IS NULL"
                " AND lane LIKE '%%/brakes/' ORDER BY code"
            )
        }

    def _pace(self, mortal: Mortal) -> Callable[[str, str], float]:
        """Small waits at every call, and now and then one that is longer than a lease."""
        chance, world = self.random, self.world
        slow = chance.random() < 0.25

        def pace(name: str, when: str) -> float:
            if name.startswith("wire."):
                return chance.uniform(0.01, 0.4)
            if name == "store.settle" and when == "before" and self._dooms and world.under_way():
                self._dooms -= 1
                mortal.kill("its late request was told of")
                mortal.refuse()
            if name == "store.mark_started" and when == "after" and self._claim_pauses:
                seconds = self._claim_pauses.pop()
                world.happened["pauses longer than a lease after a claim"] += seconds > 60
                world.note(f"a pause of {seconds:.0f} s after a claim")
                return seconds
            if slow and chance.random() < 0.01:
                seconds = chance.uniform(20, 150)
                world.happened["pauses elsewhere"] += 1
                world.note(f"a pause of {seconds:.0f} s {when} {name}")
                return seconds
            return chance.uniform(0.001, 0.05) if chance.random() < 0.5 else 0.0

        return pace


def play(
    seed: int,
    database: SqlEngine,
    owner: SqlEngine | None,
    *,
    rules: Safeguards = ALL_ON,
    forgets_claims: bool = False,
    mark: str = "",
    harsh: bool = False,
) -> Played:
    """The history of a seed: what it broke, its trace, and what happened in it."""
    setting = Setting.ALONE if owner is None else setting_of(seed)
    kept: list[World] = []
    played = Played()

    async def program(simulation: Simulation) -> None:
        histories, place = [], Place()
        for number, names in enumerate(names_of(setting)):
            apart = f"-{number + 1}" if setting is Setting.APART else ""
            if setting is Setting.TOGETHER and owner is not None:
                shared: dict[str, Any] = {"place": place, "views": make_views(owner, names)}
            else:
                shared = {}
            options, knows_key_life = _options(seed, number)
            world = World(
                simulation=simulation,
                database=database,
                owner=owner,
                workspace=f"seed{seed}{mark}{apart}",
                rules=rules,
                forgets_claims=forgets_claims,
                names=names,
                **shared,
                **options,
            )
            kept.append(world)
            world.trace = kept[0].trace
            world.note(f"{world.variant}")
            acts = FEW_ACTS if number or setting is not Setting.ALONE else ACTS
            histories.append(
                History(
                    world,
                    knows_key_life=knows_key_life,
                    harsh=harsh,
                    acts=acts,
                    later=seed * 31 + number,
                )
            )
        if setting is Setting.TOGETHER:
            for history in histories:
                history.beside = [one for one in histories if one is not history]
        await _all(histories)
        if owner is not None and len(kept) > 1:
            await no_leak(kept, owner)

    try:
        virtual_loop.run(program, seed, forgive=(Death, SyncError, asyncio.CancelledError))
    except Exception as error:  # noqa: BLE001 - whatever breaks is what a seed is for
        played.failure = _failure(seed, kept, error)
    if kept:
        played.trace = kept[0].trace
        played.happened = sum((world.happened for world in kept), Counter())
        played.happened[f"played: {setting}"] += 1
    return played


def _options(seed: int, number: int) -> tuple[dict[str, Any], bool]:
    """The how-manieth world of a seed, and whether its connector knows how long keys live."""
    # Pairs of one seed have unlike books, and unlike flows.
    seed += number * (len(FAMILIES) + 3)
    chance = Random(seed * 7919 + 17)
    variant, settings = variant_of(seed, chance)
    braked = chance.random() < 0.7
    tight = BrakePolicy(floor=2, gone_slots=1, unknown_share=Decimal("0.3"))
    options = {
        "variant": variant,
        "book_settings": settings,
        "braked": braked,
        "brakes": tight if chance.random() < 0.3 else BrakePolicy(),
        "contacts": PERSONS if seed // len(FAMILIES) % 3 == 2 else ContactPolicy(),
        "customers": BOTH_WAYS if seed // len(FAMILIES) % 3 == 1 else CustomerPolicy(),
        "shown": FlowMode.AUTO if seed // len(FAMILIES) % 3 == 0 else FlowMode.OFF,
        "policy_changes": {"kind": kind_of(seed)},
        "lists": FlowMode.AUTO if seed // len(FAMILIES) % 5 in (1, 3) else FlowMode.OFF,
        "prices": PRICES if seed // len(FAMILIES) % 6 == 0 else (),
    }
    return options, not settings


async def _all(histories: list[History]) -> None:
    """All of them at once; the first that fails ends the others."""
    if len(histories) == 1:
        await histories[0].play()
        return
    tasks = [asyncio.ensure_future(history.play()) for history in histories]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    finally:
        for history in histories:
            history.over = True
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _failure(seed: int, kept: list[World], error: Exception) -> Failure:
    lines = kept[0].trace if kept else []
    state = [line for world in kept for line in dump(world)]
    where = [] if type(error).__name__ == "Violation" else traceback.format_exc().splitlines()[-14:]
    message = f"{type(error).__name__}: {error}"
    trace = (*lines, "", *state, "", *where, message)
    return Failure(seed=seed, family=family_of(seed), message=message, trace=trace)
