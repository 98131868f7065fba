"""
A small world on one virtual clock: an invented CRM, an invented book, engines that can die.

The database is real; each history has a workspace of its own in it. Everything else, time, chance,
network, death, comes from the seed.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Engine as SqlEngine

from mortal import Mortal
from parts import Claim, Claims, Forgetful, Machine, Paced, SeededIds, Unleased
from support.inprocess import InProcessTransport
from tables import Place, Row, Tables
from tieout.connectors.plain import (
    PlainBookConnector,
    PlainBookSettings,
    PlainCrmConnector,
    PlainCrmSettings,
)
from tieout.core.abilities import Guard
from tieout.core.errors import BusyError
from tieout.core.keys import keys_in
from tieout.core.model import Entity
from tieout.core.policy import (
    BooksPolicy,
    BrakePolicy,
    BridgePolicy,
    ContactPolicy,
    CustomerPolicy,
    DocumentPolicy,
    FlowMode,
    InvoicePolicy,
    ItemPolicy,
    PriceRule,
    ReferencePolicy,
    StatusPolicy,
    ValueRule,
)
from tieout.core.safeguards import ALL_ON, Safeguards
from tieout.engine.context import Engine
from tieout.engine.enrich import PlainEnricher
from tieout.engine.recover import begin_recovery
from tieout.engine.run import RunResult, run
from tieout.ports import Connector, HttpRequest, Selection
from tieout.store.database import BlockingRunner
from tieout.store.postgres import PostgresStore
from tieout.store.workspaces import ensure_workspace
from tieout_sandbox.kit import Request, Response
from tieout_sandbox.kit.clock import SandboxClock
from tieout_sandbox.plain import PlainBook, PlainCrm, Variant
from virtual_loop import EPOCH, Simulation

BRIDGE = "nordic"
# What a rule asks for under the CRM's own name: a tick box.
_OWN = {Entity.CONTACT: ("invoices",)}
CRM, BOOK = "crm", "book"
LEASE_S = 60
LONGEST_S = 200
LISTED_EVERY_S = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What a pair is called, and the ids of its two systems; ``telltale`` stands in its data."""

    bridge: str = BRIDGE
    crm: str = CRM
    book: str = BOOK
    crm_org: str = "crm-1"
    company: str = "books-1"
    telltale: str = "Storgatan"
    ids: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """A write that the book carried out or refused, with the row that it met."""

    at: datetime
    request: Request
    status: int
    before: Row | None
    made: tuple[str, ...]


@dataclass
class World(Tables):
    """The two systems, the database, and what is needed to start engines on them."""

    simulation: Simulation
    database: SqlEngine
    workspace: str
    owner: SqlEngine | None = None
    variant: Variant = field(default_factory=Variant)
    rules: Safeguards = ALL_ON
    mode: FlowMode = FlowMode.AUTO
    book_settings: Mapping[str, Any] = field(default_factory=dict)
    crm_settings: Mapping[str, Any] = field(default_factory=dict)
    shown: FlowMode = FlowMode.OFF
    prices: tuple[PriceRule, ...] = ()
    lists: FlowMode = FlowMode.OFF
    customers: CustomerPolicy = field(default_factory=CustomerPolicy)
    contacts: ContactPolicy = field(default_factory=ContactPolicy)
    policy_changes: dict[str, Any] = field(default_factory=dict)
    sweep_s: int = 60
    merges_move_stamps: bool = True
    braked: bool = False
    brakes: BrakePolicy = field(default_factory=BrakePolicy)
    forgets_claims: bool = False
    names: Names = field(default_factory=Names)
    # Where several pairs share a workspace: what they have in common.
    place: Place = field(default_factory=Place)
    # A schema of views that show this pair's rows only; see `views`.
    views: str = ""

    def __post_init__(self) -> None:
        self.random: Random = self.simulation.random
        self.clock = self.simulation.clock
        self.vendor_clock = SandboxClock(self.clock.now)
        self.crm = PlainCrm(
            clock=self.vendor_clock,
            merges_move_stamps=self.merges_move_stamps,
            org_id=self.names.crm_org,
        )
        self.book = PlainBook(
            clock=self.vendor_clock, variant=self.variant, company_id=self.names.company
        )
        self.place.worlds.append(self)
        self.machines = [Machine(self.simulation), Machine(self.simulation)]
        self._engines = itertools.count(1)
        self.runs: list[RunResult] = []
        self.trace: list[str] = []
        self.writes: list[Write] = []
        self.slot_of: dict[str, str] = {}
        self.edited: set[str] = set()
        self.unguarded: set[str] = set()
        # Values that a person put into a list, as they were left; codes that ended for good.
        self.put: dict[tuple[str, str], Row] = {}
        self.ended: set[str] = set()
        self.on_step: Callable[[], None] | None = None
        self.on_send: Callable[[str, HttpRequest], None] | None = None
        self.on_read: Callable[[str, HttpRequest], None] | None = None
        self.sent: list[HttpRequest] = []
        self.claimed: dict[Claim, float] = {}
        self.happened: Counter[str] = Counter()
        self.installations = 0
        self._zombies: list[Request] = []
        self.version = 1
        self._watch(self.book)
        self._count_zombies()
        self.make_workspace(self.workspace)

    def make_workspace(self, workspace: str) -> None:
        """A workspace with the bridge in it."""
        now = self.clock.now()
        values = {"ws": workspace, "bridge": self.names.bridge, "now": now}
        with self.database.begin() as conn:
            ensure_workspace(workspace, "simulation", now)(conn)
            for statement in (
                "INSERT INTO config_version (workspace, bridge, version, body, tables, digest,"
                " message, published_by, published_at) VALUES (%(ws)s, %(bridge)s, 1, '', '{}',"
                " 'd', '', 'test', %(now)s)",
                "INSERT INTO bridge (workspace, name, version) VALUES (%(ws)s, %(bridge)s, 1)",
            ):
                conn.exec_driver_sql(statement, values)

    def note(self, text: str) -> None:
        """A line of the trace."""
        seconds = (self.clock.now() - EPOCH).total_seconds()
        self.trace.append(f"{seconds:9.2f} {self.names.ids}{' ' if self.names.ids else ''}{text}")

    def _watch(self, book: PlainBook) -> None:
        """Every write with the row that it met, and which slot what it made belongs to."""
        inner = book.vendor

        def vendor(request: Request) -> Response:
            if request.method == "GET":
                return inner(request)
            documents = book.ledger.tables["documents"]
            known = set(documents)
            parts = request.segments
            before = documents.get(parts[1]) if len(parts) > 1 else None
            kept = deepcopy(before)
            answer = inner(request)
            if any(request is late for late in self._zombies) and answer.status < 300:
                self.happened["zombie requests carried out"] += 1
            made = tuple(sorted(set(documents) - known))
            for row_id in made:
                for key in keys_in(request.body.decode()):
                    if key in str(documents[row_id]["_carrier"]):
                        self.slot_of[row_id] = key[:13]
            self.writes.append(
                Write(
                    at=self.vendor_clock.now(),
                    request=request,
                    status=answer.status,
                    before=kept,
                    made=made,
                )
            )
            self.note(f"book {request.method} {request.path} -> {answer.status} {made or ''}")
            self.step()
            return answer

        book.vendor = vendor  # type: ignore[method-assign]

    def _count_zombies(self) -> None:
        """Requests that are carried out after their sender gave them up."""
        inner = self.book._put_off

        def put_off(request: Request, seconds: float) -> Any:
            self._zombies.append(request)
            return inner(request, seconds)

        self.book._put_off = put_off  # type: ignore[method-assign]

    def step(self) -> None:
        """Something happened in the book: what must always hold is looked at."""
        documents = self.book.ledger.tables["documents"]
        for row in list(documents.values()):
            became = row.get("_became")
            if became and row["id"] in self.slot_of:
                self.slot_of.setdefault(became, self.slot_of[row["id"]])
            for marked in (self.edited, self.unguarded):
                if became and row["id"] in marked:
                    marked.add(became)
        if self.on_step is not None:
            self.on_step()

    # --- engines ---

    def policy(self) -> BridgePolicy:
        """Deals to drafts by themselves, statuses back; what a history wants otherwise on top."""
        documents = DocumentPolicy(mode=self.mode, require_reference="never", **self.policy_changes)
        return BridgePolicy(
            name=self.names.bridge,
            version=self.version,
            digest="d",
            crm=self.names.crm,
            crm_org=self.crm.org_id,
            books=(
                BooksPolicy(
                    connection=self.names.book,
                    company=self.book.company_id,
                    seller="SE",
                    base_currency="SEK",
                    time_zone="Europe/Stockholm",
                ),
            ),
            customers=self.customers,
            documents=documents,
            status=StatusPolicy(),
            items=ItemPolicy(mode=self.shown, cost=True, prices=self.prices),
            invoices=InvoicePolicy(mode=self.shown),
            contacts=self.contacts,
            reference=ReferencePolicy(mode=self.lists, lists=self.value_rules()),
            brakes=self.brakes,
        )

    def value_rules(self) -> tuple[ValueRule, ...]:
        """Which codes go into which lists of the CRM; none where the flow is off."""
        if self.lists is FlowMode.OFF:
            return ()
        return (
            ValueRule(kind="terms", target="Terms", books=self.names.book, label="both"),
            ValueRule(kind="currency", target="Currencies", books=self.names.book),
        )

    def today(self) -> date:
        """The day in the time zone of the books."""
        return self.simulation.clock.now().astimezone(ZoneInfo("Europe/Stockholm")).date()

    def _shown(self) -> tuple[Entity, ...]:
        """What the CRM shows of the books and is read of it for that."""
        return () if self.shown is FlowMode.OFF else (Entity.ITEM, Entity.DOCUMENT)

    def _persons(self) -> tuple[Entity, ...]:
        """Persons are read of both sides where their flow runs."""
        return () if self.contacts.mode is FlowMode.OFF else (Entity.CONTACT,)

    def settings(self) -> PlainBookSettings:
        """Those of the connector for this kind of book."""
        values: dict[str, Any] = {
            "guard": Guard(self.variant.guard),
            "key_life_s": self.variant.key_life_s if self.variant.guard == "a" else 0,
            "version_check": self.variant.version_check,
            "tombstones": self.variant.tombstones,
            "batch": self.variant.batch,
            "atomic": self.variant.atomic,
            "keeps_id": self.variant.keeps_id,
            "tells_origin": self.variant.tells_origin,
            "orders": self.variant.orders,
            "search_lag_s": self.variant.search_lag_s,
            "longest_s": LONGEST_S,
            "codes_every_s": LISTED_EVERY_S,
        }
        return PlainBookSettings(**{**values, **self.book_settings})

    def engine(
        self,
        mortal: Mortal | None = None,
        *,
        machine: int = 0,
        pace: Callable[[str, str], float] | None = None,
        leased: bool = True,
        workspace: str = "",
        force: bool = False,
    ) -> Engine:
        """
        A new engine, as a new process would make it; it dies where its mortal says. ``force``: a
        person lets it go on over brakes.
        """
        number, names = next(self._engines), self.names
        clock = self.machines[machine]
        wires: list[Any] = []
        for system in (self.crm, self.book):
            wire = InProcessTransport(system, self.clock.now)
            wire.before = self._sending(system.name)
            wires.append(wire)
        store: Any = PostgresStore(
            BlockingRunner(self.database),
            workspace=workspace or self.workspace,
            ids=SeededIds(f"{names.ids}{number:03d}"),
            clock=clock,
            rules=self.rules,
        )
        if self.forgets_claims:
            store = Forgetful(store)
        store = Claims(store, self.simulation.loop.time, self.claimed)
        if not leased:
            store = Unleased(store)
        if pace is not None:
            store = Paced(store, lambda name, when: pace(f"store.{name}", when))
            wires = [Paced(wire, lambda name, when: pace(f"wire.{name}", when)) for wire in wires]
        if mortal is not None:
            wires = [mortal.guard(wires[0], "crm"), mortal.guard(wires[1], "book")]
            store = mortal.guard(store, "store")
        priced = (Entity.PRICE,) if self.prices else ()
        coded, offered = ((Entity.CODE,), (Entity.VALUES,)) if self.value_rules() else ((), ())
        targets = frozenset(rule.target for rule in self.value_rules())
        lists = frozenset(rule.book for rule in self.prices)
        given: dict[str, Any] = {
            "lists_every_s": LISTED_EVERY_S,
            **self.crm_settings,
            **({} if self.rules.overlap else {"overlap_s": 0}),
        }
        crm = PlainCrmConnector(
            names.crm, wires[0], clock, PlainCrmSettings(**given), Random(number)
        )
        book = PlainBookConnector(names.book, wires[1], clock, self.settings(), Random(number))
        return Engine(
            store=store,
            connectors={names.crm: crm, names.book: book},
            policy=self.policy(),
            selections={
                names.book: {
                    entity: Selection(entity=entity, shape="s")
                    for entity in (
                        *(Entity.ITEM, *priced, *coded, Entity.CUSTOMER, Entity.DOCUMENT),
                        *self._persons(),
                    )
                },
                names.crm: {
                    entity: Selection(
                        entity=entity,
                        kinds={Entity.ITEM: lists, Entity.VALUES: targets}.get(entity, frozenset()),
                        shape="s",
                        extra=_OWN.get(entity, ()),
                    )
                    for entity in (
                        *(Entity.CUSTOMER, *offered, Entity.DEAL),
                        *self._shown(),
                        *self._persons(),
                    )
                },
            },
            clock=clock,
            ids=SeededIds(f"{names.ids}{number:03d}e"),
            enrich=PlainEnricher(),
            worker=f"worker-{names.ids}{number}",
            process=f"process {names.ids}{number}",
            rules=self.rules,
            sweep_every=timedelta(seconds=self.sweep_s),
            force=force or not self.braked,
        )

    def _sending(self, system: str) -> Callable[[HttpRequest], None]:
        def before(request: HttpRequest) -> None:
            if request.method == "GET":
                if self.on_read is not None:
                    self.on_read(system, request)
                return
            self.sent.append(request)
            if self.on_send is not None:
                self.on_send(system, request)

        return before

    async def work(self, engine: Engine) -> RunResult:
        """One run, after the recovery that a restore asks for."""
        if self.place.mark is not None:
            epoch, seq = self.place.mark
            await begin_recovery(engine, epoch, seq, self._connectors_beside())
            self.place.mark = None
        result = await run(engine)
        self.runs.append(result)
        for brake in result.brakes:
            self.happened[f"brake held: {brake.code}"] += 1
        counts = {name: number for name, number in result.counts().items() if number}
        self.note(f"{engine.worker} ran {counts}")
        return result

    def _connectors_beside(self) -> list[Connector]:
        """Those of the other pairs of this workspace."""
        others = [world.engine() for world in self.place.worlds if world is not self]
        return [connector for engine in others for connector in engine.connectors.values()]

    async def run_once(self, machine: int = 0, *, force: bool = False) -> RunResult:
        """One run of a fresh engine that lives."""
        return await self.work(self.engine(machine=machine, force=force))

    async def settle(self, *, rounds: int = 80) -> RunResult:
        """
        Runs until nothing is left to do by itself, waiting as long as the protocol wants.

        Fails when the world does not come to rest.
        """
        work: dict[str, int] = {}
        force = False
        for _ in range(rounds):
            try:
                result = await self.run_once(force=force)
            except BusyError:
                # A process that died keeps its lease for a while.
                await self.clock.sleep(20)
                continue
            store = self.engine().store
            work = await store.open_work(self.names.bridge)
            recovering = await store.recovery(self.names.bridge)
            busy = [name for name in work if name in _BUSY]
            if work.get("due.op", 0) and not work.get("operation.doubt", 0):
                busy.append("due.op")
            quiet = not result.read.changed and not result.read.gone and not result.executed.calls
            waiting = self.book.waiting or self.crm.waiting
            # A person reads what a brake says, finds it right, and lets the next run go.
            force = bool(result.brakes)
            if force:
                self.happened["brakes released by a person"] += 1
            quiet = quiet and not (force and work.get("operation.ready", 0))
            if not busy and not waiting and quiet and recovering is None:
                return result
            wake = await store.next_wake(self.names.bridge, self.clock.now())
            if recovering is not None:
                wake = recovering[0]
            pause = 15.0
            if wake is not None:
                pause = max((wake - self.clock.now()).total_seconds() + 1, 5.0)
            await self.clock.sleep(min(pause, 300))
        raise AssertionError(f"the world does not come to rest: {work}")

    async def wait(self, seconds: float) -> None:
        """Time passes."""
        await self.clock.sleep(seconds)

    # --- persons ---

    def make_company(self, number: int = 1) -> str:
        """A company in the CRM; its id."""
        made = self.crm.act(
            "create_company",
            {
                "name": f"Company {number} AB",
                "org_number": f"55600000{number:02d}",
                "address": {
                    "street": f"{self.names.telltale} 1",
                    "postcode": "111 22",
                    "city": "Stockholm",
                    "country": "SE",
                },
                "email": "faktura@example.com",
                "currency": "SEK",
            },
        )
        return str(made["id"])

    def make_deal(self, company: str, price: Decimal | str = "1000.00", **more: Any) -> str:
        """A won deal with one line; its id."""
        text = f"Work at {self.names.telltale}"
        line = {"product": "CONS", "text": text, "quantity": Decimal(1)}
        given = {
            "company": company,
            "title": "A deal",
            "currency": "SEK",
            "state": "won",
            "close_date": "2026-11-20",
            "lines": [{**line, "unit_price": Decimal(price)}],
            **more,
        }
        return str(self.crm.act("create_deal", given)["id"])

    def in_crm(self, action: str, **arguments: Any) -> Any:
        """A person does something in the CRM."""
        done = self.crm.act(action, arguments)
        self.note(f"crm {action} {arguments} -> {done}")
        return done

    def in_book(self, action: str, **arguments: Any) -> Any:
        """A person does something in the book."""
        done = self.book.act(action, arguments)
        self.note(f"book {action} {arguments} -> {done}")
        if action in ("edit_draft", "overwrite_carrier"):
            self.edited.add(str(arguments.get("draft") or arguments.get("id")))
        takes_the_guard = {"c": "renumber", "b": "overwrite_carrier", "b'": "overwrite_carrier"}
        if action == takes_the_guard.get(self.variant.guard):
            self.unguarded.add(str(arguments["id"]))
        self.step()
        return done

    def fault(self, kind: str, method: str = "POST", path: str = "*", **more: Any) -> None:
        """The next fitting call to the book fails in this way."""
        self.book.faults.add({"kind": kind, "method": method, "path": path, **more})

    # --- what there is ---

    def documents(self) -> list[Row]:
        """Every document of the book, live or not."""
        return list(self.book.ledger.tables["documents"].values())

    def live(self) -> list[Row]:
        """Documents that are not deleted, voided or fully credited; credit notes left out."""
        return [row for row in self.documents() if is_live(row)]

    def drafts(self) -> list[Row]:
        """Live drafts."""
        return [row for row in self.live() if row["status"] == "draft"]

    def by_slot(self) -> dict[str, list[Row]]:
        """Live documents that our requests made, by the slot that they were made for."""
        found: dict[str, list[Row]] = {}
        for row in self.live():
            key = self.slot_of.get(row["id"])
            # A person who changes what is unique over there lets a late request through: both are
            # shown then (`Quiet` asks for it), neither is touched.
            free = row["id"] in self.unguarded
            if key is not None and row["_by"] == "api" and not free:
                found.setdefault(key, []).append(row)
        return found

    def posts(self, collection: str = "") -> list[Write]:
        """Creates of documents that were carried out (or refused), in order."""
        names = (collection,) if collection else ("drafts", "documents", "orders")
        return [
            write
            for write in self.writes
            if write.request.method == "POST"
            and write.request.segments[0] in names
            and write.request.segments[-1] != "book"
        ]

    def written(self, method: str) -> list[Write]:
        """Writes with this method to documents."""
        return [
            write
            for write in self.writes
            if write.request.method == method and write.request.segments[0] != "customers"
        ]

    def under_way(self) -> list[str]:
        """Slots of creates that were given up and will still be carried out."""
        return [
            key[:13]
            for late in self.book._late
            if late.request.method == "POST"
            for key in keys_in(late.request.body.decode())
        ]

    def set_back_s(self) -> int:
        """Where a clock was moved: how far ahead a look may lie after it is right again."""
        if not any(name.startswith("clock jumps") for name in self.happened):
            return 0
        settings = self.settings()
        return int(LEASE_S + LONGEST_S + settings.margin_s + 2 * settings.search_lag_s + 2)

    def lag_s(self) -> int:
        """How long a search may not show a write."""
        return int(self.settings().search_lag_s)


_BUSY = (
    "operation.ready",
    "operation.started",
    "operation.unknown",
    "operation.confirming",
    "due.due",
    "due.unread",
)


def is_live(row: Mapping[str, Any]) -> bool:
    """Not deleted, voided or fully credited; no credit note."""
    if row["_deleted"] or row["status"] == "void" or row["type"] == "credit_note":
        return False
    return not (row["credited"] and abs(row["credited"]) >= abs(row["gross"]))
