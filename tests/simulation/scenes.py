"""What directed histories are told with: engines that stop where they are told, and answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine as SqlEngine

import virtual_loop
from mortal import Death, Mortal
from tieout.core.case import RefRole
from tieout.core.errors import StoreError, SyncError
from tieout.core.model import ExternalRef
from tieout.core.safeguards import ALL_ON, Safeguards
from tieout.engine.context import Engine
from tieout.services import exceptions
from tieout.services.making_anew import make_anew
from tieout.store import pages, people, slots
from tieout.store.database import BlockingRunner
from tieout.store.people import Case
from tieout.store.postgres import PostgresStore
from tieout_sandbox.plain import Variant
from virtual_loop import Simulation
from watch import Watch
from world import BOOK, World

DOCUMENTS = "nordic/documents/book"


@dataclass(frozen=True, slots=True)
class Told:
    """A directed history: what it needs of the book, and the telling."""

    tell: Callable[[Scene], Awaitable[None]]
    variant: Variant
    options: dict[str, Any]
    lenient: bool


TOLD: dict[str, Told] = {}


def history(
    *, lenient: bool = False, options: dict[str, Any] | None = None, **variant: Any
) -> Callable[[Callable[[Scene], Awaitable[None]]], Callable[[Scene], Awaitable[None]]]:
    """Registers a history. ``lenient``: the checks at each step are its own business."""

    def note(tell: Callable[[Scene], Awaitable[None]]) -> Callable[[Scene], Awaitable[None]]:
        TOLD[tell.__name__] = Told(tell, Variant(**variant), options or {}, lenient)
        return tell

    return note


def before_write(number: int, seconds: float) -> Callable[[str, str], float]:
    """A pace: the first request after the claim of a run's n-th group waits before it leaves."""
    claimed: list[str] = []
    waited: list[str] = []

    def pace(name: str, when: str) -> float:
        if name == "store.mark_started" and when == "after":
            claimed.append(name)
        if name != "wire.send" or when != "before" or len(claimed) != number or waited:
            return 0.0
        waited.append(name)
        return seconds

    return pace


@dataclass
class Scene:
    """A world with one company, and the shortcuts of the histories."""

    world: World
    watch: Watch
    company: str = ""
    errors: list[str] = field(default_factory=list)

    def deal(self, price: str = "1000.00", **more: Any) -> str:
        """A won deal of the company."""
        return self.world.make_deal(self.company, price, **more)

    async def run(self, machine: int = 0) -> None:
        """One run; an error of ours is noted, as a scheduler would."""
        try:
            await self.world.run_once(machine)
        except SyncError as error:
            self.errors.append(str(error))

    async def linked(self, price: str = "1000.00") -> tuple[str, str]:
        """A deal whose draft is linked: (deal, draft)."""
        deal = self.deal(price)
        await self.run()
        await self.world.wait(130)
        await self.run()
        return deal, self.world.drafts()[-1]["id"]

    async def dies(self, where: str, number: int, *, leased: bool = True) -> None:
        """A run that dies at the how-manieth point of that name."""
        mortal = Mortal("engine", dies_at=number, where=where)
        engine = self.world.engine(mortal, leased=leased)
        died = False
        try:
            await mortal.run(lambda: self.world.work(engine))
        except Death:
            died = True
        assert died, f"it did not come to {where} {number} times: {mortal.passed}"

    def run_beside(
        self, machine: int = 0, *, pace: Callable[[str, str], float] | None = None
    ) -> asyncio.Task[Any]:
        """A run that goes on beside what is told; its errors are noted."""
        engine = self.world.engine(machine=machine, pace=pace, leased=False)

        async def work() -> None:
            try:
                await self.world.work(engine)
            except SyncError as error:
                self.errors.append(str(error))

        return asyncio.get_running_loop().create_task(work())

    async def loses_commit(self, method: str, number: int) -> None:
        """A run in which the answer to one of our own commits is lost."""
        engine = self.world.engine()
        engine.store = _Lossy(engine.store, method, number)  # type: ignore[assignment]
        try:
            await self.world.work(engine)
        except StoreError as error:
            self.errors.append(str(error))

    async def settle(self) -> None:
        """Until nothing is left to do."""
        await self.world.settle()

    # --- what a person answers ---

    async def names(self, deal: str, chosen: str) -> None:
        """A person names the document that counts; the others are copies."""
        key, others = await self._doubt(deal)
        now = self.world.clock.now()

        def work(tx: Any) -> None:
            place = ExternalRef(BOOK, "document", chosen)
            slots.put_ref(tx, place, key, 0, RefRole.CURRENT, "person", now)
            for other in others:
                if other != chosen:
                    copy = ExternalRef(BOOK, "document", other)
                    slots.put_ref(tx, copy, key, 0, RefRole.COPY, "person", now)
            people.settle_doubt(tx, key, "applied", "person", now)
            pages.make_due(tx, DOCUMENTS, [deal], now)

        await self.world.do(work)

    async def says_not_ours(self, deal: str) -> None:
        """A person says that none of the candidates is ours."""
        key, others = await self._doubt(deal)
        now = self.world.clock.now()

        def work(tx: Any) -> None:
            for other in others:
                place = ExternalRef(BOOK, "document", other)
                slots.put_ref(tx, place, key, 0, RefRole.NOT_OURS, "person", now)
            people.settle_doubt(tx, key, "unknown", "not_ours", now)
            tx.run(
                "UPDATE exception_case SET closed_at = %(now)s, closed_by = 'Maria'"
                " WHERE workspace = %(ws)s AND source_id = %(deal)s AND closed_at IS NULL",
                now=now,
                deal=deal,
            )

        await self.world.do(work)

    async def _doubt(self, deal: str) -> tuple[str, list[str]]:
        rows = self.world.rows(
            "SELECT key13, candidates FROM exception_case WHERE workspace = %(ws)s"
            " AND source_id = %(deal)s AND closed_at IS NULL AND code IN ('two_carriers',"
            " 'near_hit')",
            deal=deal,
        )
        assert rows, f"nothing about {deal} asks for an answer: {self.world.exceptions()}"
        return rows[0][0], [ref.split(":", 2)[2] for ref in rows[0][1]]

    async def answers(self, deal: str, verdict: str) -> None:
        """'make_new' or 'leave_out'."""
        now = self.world.clock.now()
        rows = self.world.rows(
            "SELECT key13 FROM slot WHERE workspace = %(ws)s AND source_id = %(deal)s"
            " AND kind = 'D'",
            deal=deal,
        )

        def work(tx: Any) -> None:
            people.set_slot_verdict(tx, rows[0][0], verdict)
            pages.make_due(tx, DOCUMENTS, [deal], now)

        await self.world.do(work)

    async def answer(self, deal: str, code: str, **given: Any) -> str:
        """What the command line does with a person's answer to that exception of a deal."""
        engine, store, case = await self.asked(deal, code)
        answer = exceptions.Answer(**given)
        return await exceptions.answer(engine, store, case, answer, who="Maria")

    async def dismisses(self, deal: str, code: str) -> None:
        """What the command line does with a person's dismissal of that exception of a deal."""
        engine, store, case = await self.asked(deal, code)
        now = engine.clock.now()
        await exceptions.dismiss(store, case, who="Maria", reason="as agreed", now=now)

    async def asked(self, deal: str, code: str) -> tuple[Engine, PostgresStore, Case]:
        """The open exception of a deal, a customer or a person, with what answers it."""
        engine, names = self.world.engine(), self.world.names
        store = self.store(engine)
        found = await exceptions.listing(store, names.bridge, names.crm, code=code)
        return engine, store, next(one for one in found if one.source_id == deal)

    def store(self, engine: Engine) -> PostgresStore:
        """The store as the command line has it."""
        return PostgresStore(
            BlockingRunner(self.world.database),
            workspace=self.world.workspace,
            ids=engine.ids,
            clock=engine.clock,
        )

    async def makes_anew(self, deal: str) -> int:
        """What the command line does with a person's wish for another document."""
        engine = self.world.engine()
        _, places = await make_anew(engine, self.store(engine), deal, 0, who="Anna")
        return places

    async def tries_again(self, deal: str) -> None:
        """A person, or the clock, asks for another try."""
        await self.world.engine().store.make_due(DOCUMENTS, [deal], self.world.clock.now())

    # --- what is checked ---

    def one(self, status: str = "") -> str:
        """Exactly one live document of ours, linked; its id."""
        live = self.world.live()
        assert len(live) == 1, f"there are {[row['id'] for row in live]}"
        assert self.world.current() == [self.ref(live[0]["id"])], self.world.refs()
        if status:
            assert live[0]["status"] == status
        return str(live[0]["id"])

    def ref(self, row_id: str) -> str:
        """The id of a document as the connector knows it."""
        row = self.world.book.ledger.tables["documents"][row_id]
        return f"{self.world.book.ledger.collection(row).removesuffix('s')}:{row_id}"

    def row(self, row_id: str) -> dict[str, Any]:
        """A document of the book."""
        return self.world.book.ledger.tables["documents"][row_id]

    def sent(self, method: str = "POST", path: str = "/drafts") -> int:
        """How many such requests left."""
        return sum(
            1
            for request in self.world.sent
            if request.method == method and f"{path}" in request.url
        )

    def none_open(self) -> None:
        """No exception is open."""
        assert not self.world.exceptions(), self.world.exceptions()


class _Lossy:
    """A store that commits and then does not answer, once."""

    def __init__(self, inner: Any, method: str, number: int) -> None:
        self._inner = inner
        self._method = method
        self._left = number

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        if name != self._method:
            return value

        async def call(*args: Any, **options: Any) -> Any:
            result = await value(*args, **options)
            self._left -= 1
            if self._left == 0:
                raise StoreError("the answer to a commit was lost")
            return result

        return call


def tell(
    name: str,
    database: SqlEngine,
    owner: SqlEngine,
    *,
    rules: Safeguards = ALL_ON,
    mark: str = "",
) -> World:
    """Plays one directed history from its beginning; raises what it finds wrong."""
    told = TOLD[name]
    kept: list[World] = []

    async def program(simulation: Simulation) -> None:
        world = World(
            simulation=simulation,
            database=database,
            owner=owner,
            workspace=f"{name}{mark}",
            variant=told.variant,
            rules=rules,
            **told.options,
        )
        kept.append(world)
        scene = Scene(world, Watch(world))
        if told.lenient:
            world.on_step = world.on_send = None
        scene.company = world.make_company()
        try:
            await told.tell(scene)
        except AssertionError as error:
            error.add_note("\n".join(world.trace))
            raise

    virtual_loop.run(program, 1, forgive=(Death, SyncError, asyncio.CancelledError))
    return kept[0]
