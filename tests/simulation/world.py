"""
A small world on one virtual clock: an invented CRM, an invented book, engines that can die.

The database is real; each history has a workspace of its own in it. Everything else, time, chance,
network, death, comes from the seed.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from sqlalchemy import Engine as SqlEngine

from mortal import Mortal
from support.inprocess import InProcessTransport
from virtual_loop import Simulation

from tieout.connectors.plain import (
    PlainBookConnector,
    PlainBookSettings,
    PlainCrmConnector,
    PlainCrmSettings,
)
from tieout.core.abilities import Guard
from tieout.core.model import Entity
from tieout.core.policy import (
    BooksPolicy,
    BridgePolicy,
    CustomerPolicy,
    DocumentPolicy,
    FlowMode,
    StatusPolicy,
)
from tieout.core.safeguards import ALL_ON, Safeguards
from tieout.engine.context import Engine
from tieout.engine.enrich import PlainEnricher
from tieout.engine.run import RunResult, run
from tieout.ports import Selection
from tieout.store.database import BlockingRunner
from tieout.store.postgres import PostgresStore
from tieout.store.workspaces import ensure_workspace
from tieout_sandbox.kit.clock import SandboxClock
from tieout_sandbox.plain import PlainBook, PlainCrm, Variant

BRIDGE = "nordic"
CRM, BOOK = "crm", "book"
ITEMS = ("CONS", "LIC")


class SimClock:
    """The engine's clock in a simulation; ``jump`` moves the wall clock, never the steady one."""

    def __init__(self, simulation: Simulation) -> None:
        self._clock = simulation.clock
        self._loop = simulation.loop

    def now(self) -> datetime:
        return self._clock.now()

    def steady(self) -> int:
        return round(self._loop.time() * 1000)

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)


class SeededIds:
    """Ids in order of time, from the seed."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._count = itertools.count(1)

    def new(self, kind: str) -> str:
        return f"{kind[:2]}-{self._name}-{next(self._count):06d}"


@dataclass
class World:
    """The two systems, the database, and what is needed to start engines on them."""

    simulation: Simulation
    database: SqlEngine
    workspace: str
    variant: Variant = field(default_factory=Variant)
    rules: Safeguards = ALL_ON
    mode: FlowMode = FlowMode.AUTO
    book_times: Mapping[str, int] = field(default_factory=dict)
    crm_overlap_s: int = 120
    policy_changes: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.random: Random = self.simulation.random
        self.vendor_clock = SandboxClock(self.simulation.clock.now)
        self.crm = PlainCrm(clock=self.vendor_clock)
        self.book = PlainBook(clock=self.vendor_clock, variant=self.variant)
        self._engines = itertools.count(1)
        self.runs: list[RunResult] = []
        self.version = 1
        clock = SimClock(self.simulation)
        with self.database.begin() as conn:
            ensure_workspace(self.workspace, "simulation", clock.now())(conn)
        with self.database.begin() as conn:
            conn.exec_driver_sql(
                "SELECT set_config('tieout.workspace', %(ws)s, true)", {"ws": self.workspace}
            )
            conn.exec_driver_sql(
                "INSERT INTO config_version (workspace, bridge, version, body, tables, digest,"
                " message, published_by, published_at) VALUES (%(ws)s, %(bridge)s, 1, '', '{}',"
                " 'd', '', 'test', %(now)s)",
                {"ws": self.workspace, "bridge": BRIDGE, "now": clock.now()},
            )
            conn.exec_driver_sql(
                "INSERT INTO bridge (workspace, name, version) VALUES (%(ws)s, %(bridge)s, 1)",
                {"ws": self.workspace, "bridge": BRIDGE},
            )

    # --- engines ---

    def policy(self) -> BridgePolicy:
        """Deals to drafts by themselves, statuses back; what a history wants otherwise on top."""
        documents = DocumentPolicy(
            mode=self.mode, require_reference="never", **self.policy_changes
        )
        return BridgePolicy(
            name=BRIDGE,
            version=self.version,
            digest="d",
            crm=CRM,
            crm_org=self.crm.org_id,
            books=(
                BooksPolicy(
                    connection=BOOK,
                    company=self.book.company_id,
                    seller="SE",
                    base_currency="SEK",
                    time_zone="Europe/Stockholm",
                ),
            ),
            customers=CustomerPolicy(),
            documents=documents,
            status=StatusPolicy(),
        )

    def engine(self, mortal: Mortal | None = None, *, patience: Any = None) -> Engine:
        """A new engine, as a new process would make it; it dies where its mortal says."""
        number = next(self._engines)
        clock = SimClock(self.simulation)
        now = self.simulation.clock.now
        crm_wire: Any = InProcessTransport(self.crm, now)
        book_wire: Any = InProcessTransport(self.book, now)
        store: Any = PostgresStore(
            BlockingRunner(self.database),
            workspace=self.workspace,
            ids=SeededIds(f"{number:03d}"),
            clock=clock,
            rules=self.rules,
        )
        if mortal is not None:
            crm_wire, book_wire = mortal.guard(crm_wire, "crm"), mortal.guard(book_wire, "book")
            store = mortal.guard(store, "store")
        settings = PlainBookSettings(
            guard=Guard(self.variant.guard),
            key_life_s=self.variant.key_life_s if self.variant.guard == "a" else 0,
            version_check=self.variant.version_check,
            tombstones=self.variant.tombstones,
            batch=self.variant.batch,
            atomic=self.variant.atomic,
            keeps_id=self.variant.keeps_id,
            tells_origin=self.variant.tells_origin,
            search_lag_s=self.variant.search_lag_s,
            **self.book_times,
        )
        crm = PlainCrmConnector(
            CRM, crm_wire, clock, PlainCrmSettings(overlap_s=self.crm_overlap_s), Random(number)
        )
        book = PlainBookConnector(BOOK, book_wire, clock, settings, Random(number))
        return Engine(
            store=store,
            connectors={CRM: crm, BOOK: book},
            policy=self.policy(),
            selections={
                BOOK: {
                    entity: Selection(entity=entity, shape="s")
                    for entity in (Entity.ITEM, Entity.CUSTOMER, Entity.DOCUMENT)
                },
                CRM: {
                    entity: Selection(entity=entity, shape="s")
                    for entity in (Entity.CUSTOMER, Entity.DEAL)
                },
            },
            clock=clock,
            ids=SeededIds(f"{number:03d}e"),
            enrich=PlainEnricher(),
            worker=f"worker-{number}",
            process=f"process {number}",
            rules=self.rules,
        )

    async def run_once(self) -> RunResult:
        """One run of a fresh engine that lives."""
        result = await run(self.engine())
        self.runs.append(result)
        return result

    async def settle(self, *, rounds: int = 60) -> RunResult:
        """
        Runs until nothing is left to do by itself, waiting as long as the protocol wants.

        Fails when the world does not come to rest.
        """
        result = await self.run_once()
        for _ in range(rounds):
            result = await self.run_once()
            work = await self.engine().store.open_work(BRIDGE)
            busy = [
                name
                for name in work
                if name
                in (
                    "operation.ready",
                    "operation.started",
                    "operation.unknown",
                    "operation.confirming",
                    "due.due",
                    "due.op",
                )
            ]
            if not busy and not self.book.waiting and not self.crm.waiting:
                return result
            wake = await self.engine().store.next_wake(BRIDGE, self.simulation.clock.now())
            pause = 30.0
            if wake is not None:
                pause = max((wake - self.simulation.clock.now()).total_seconds() + 1, 1.0)
            await self.simulation.clock.sleep(min(pause, 900))
        raise AssertionError(f"the world does not come to rest: {work}")

    # --- persons ---

    def make_company(self, number: int = 1) -> str:
        """A company in the CRM; its id."""
        made = self.crm.act(
            "create_company",
            {
                "name": f"Company {number} AB",
                "org_number": f"55600000{number:02d}",
                "address": {
                    "street": "Storgatan 1",
                    "postcode": "111 22",
                    "city": "Stockholm",
                    "country": "SE",
                },
                "email": "faktura@example.com",
                "currency": "SEK",
            },
        )
        return str(made["id"])

    def make_deal(self, company: str, price: Decimal = Decimal("1000.00"), **more: Any) -> str:
        """A deal with one line; its id."""
        given = {
            "company": company,
            "title": "A deal",
            "currency": "SEK",
            "state": "won",
            "close_date": "2026-11-20",
            "lines": [
                {"product": "CONS", "text": "Work", "quantity": Decimal(1), "unit_price": price}
            ],
            **more,
        }
        return str(self.crm.act("create_deal", given)["id"])

    # --- what there is ---

    def documents(self) -> list[dict[str, Any]]:
        """Every document of the book, live or not."""
        return list(self.book.entities()["documents"]())

    def live_documents(self) -> list[dict[str, Any]]:
        """Documents that are not deleted, voided or fully credited; credit notes left out."""
        return [row for row in self.documents() if self._is_live(row)]

    def _is_live(self, row: Mapping[str, Any]) -> bool:
        if row.get("_deleted") or row.get("voided") or row.get("kind") == "credit_note":
            return False
        net, credited = row.get("net"), row.get("credited") or Decimal(0)
        return not (net and abs(credited) >= abs(row.get("gross") or net))

    def carriers(self) -> Counter[str]:
        """Live documents by the key that they carry."""
        field_name = self.variant.carrier_field
        found: Counter[str] = Counter()
        from tieout.core.keys import keys_in

        for row in self.live_documents():
            text = str(row.get("_carrier") or row.get(field_name) or "")
            for key in keys_in(text)[:1]:
                found[key[:13]] += 1
        return found

    def rows(self, sql: str, **values: Any) -> list[Any]:
        """Rows of this history's workspace."""
        with self.database.begin() as conn:
            conn.exec_driver_sql(
                "SELECT set_config('tieout.workspace', %(ws)s, true)", {"ws": self.workspace}
            )
            return list(
                conn.exec_driver_sql(sql, {"ws": self.workspace, **values}).fetchall()
            )

    def later(self, seconds: float) -> datetime:
        return self.simulation.clock.now() + timedelta(seconds=seconds)
