"""Salesforce and Visma simulators with an engine and a store of their own, in one process."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from support.daily_story import Story, small_company
from support.fakes import START, ManualClock, MemorySecrets
from support.inprocess import InProcessTransport
from tieout.connectors.http.traffic import Observer
from tieout.connectors.salesforce import SalesforceConnector, SalesforceSettings
from tieout.connectors.visma_eaccounting import VismaConnector, VismaSettings
from tieout.core.model import Company
from tieout.engine.context import Engine
from tieout.services.enrich import NordicEnricher
from tieout.settings.bridge import Configuration, load_bridge
from tieout.settings.compile import compile_policy, selections
from tieout.store import admin
from tieout.store.database import BlockingRunner, blocking_engine
from tieout.store.postgres import PostgresStore
from tieout.store.workspaces import ensure_workspace
from tieout_sandbox.kit import SandboxClock
from tieout_sandbox.salesforce import SalesforceSimulator, credentials
from tieout_sandbox.visma_eaccounting import (
    CLIENT_ID,
    CLIENT_SECRET,
    REFRESH_TOKEN,
    VismaSimulator,
)

CRM_URL, BOOKS_URL = "http://127.0.0.1:8443", "http://127.0.0.1:8701"
BRIDGE = """\
bridge: nordic
crm: sf
books:
  - connection: visma-se
flows:
  customers: {{mode: {mode}}}
  documents: {{mode: {mode}{more}}}
  status: {{mode: {status}}}
mapping:
  customer:
    terms: {{from: account.terms, values: payment_terms}}
tables:
  payment_terms:
    "Net 30": "30 dagar netto"
"""
_workspaces = itertools.count()


class CountingIds:
    """Ids in the order in which they were asked for."""

    def __init__(self) -> None:
        self._next = itertools.count()

    def new(self, kind: str) -> str:
        return f"{kind[0]}{next(self._next):012d}"


@dataclass
class Side:
    """A simulator that people act on."""

    simulator: Any
    transport: InProcessTransport

    def act(self, name: str, /, **arguments: Any) -> Any:
        """Something that a person does over there."""
        return self.simulator.act(name, arguments)

    def fault(self, kind: str, **more: Any) -> None:
        """The next fitting call fails in this way."""
        self.simulator.faults.add({"kind": kind, "method": "*", "path": "*", **more})


@dataclass
class World:
    """One company's morning: both sides, the store, and engines as they are asked for."""

    clock: ManualClock
    crm: Side
    books: Side
    store: PostgresStore
    connectors: dict[str, Any]
    companies: dict[str, Company]
    configuration: Configuration
    version: int
    story: Story
    ids: CountingIds = field(default_factory=CountingIds)

    def engine(self, who: str = "anna.lind") -> Engine:
        """A fresh engine, as every command makes one."""
        policy = compile_policy(
            self.configuration,
            version=self.version,
            crm_org=self.companies["sf"].id,
            companies=self.companies,
        )
        return Engine(
            store=self.store,
            connectors=self.connectors,
            policy=policy,
            selections=selections(
                self.configuration,
                {name: made.abilities for name, made in self.connectors.items()},
            ),
            clock=self.clock,
            ids=self.ids,
            enrich=NordicEnricher(),
            worker=self.ids.new("worker"),
            who=who,
            process="process 4121",
            companies=dict(self.companies),
        )

    def drafts(self) -> list[dict[str, Any]]:
        """Drafts in the books as they stand."""
        books = self.books.simulator.books
        return [
            one
            for one in self.books.simulator.entities()["customerinvoicedrafts"]()
            if one["Id"] not in books.drafts.deleted
        ]

    def written(self) -> int:
        """How many requests other than reads left for the books."""
        return len(self.books.transport.asked("POST", "/v2")) + len(
            self.books.transport.asked("PUT", "/v2")
        )


@contextmanager
def daily_world(
    url: str,
    *,
    mode: str = "auto",
    status: str = "off",
    more: str = "",
    observer: Observer | None = None,
) -> Iterator[World]:
    """
    A world with `small_company`'s deals. Await `begin` inside the test's loop first.

    ``more`` is added to the documents flow: ``, approve_above: 20000``.
    """
    clock = ManualClock(START)
    crm = SalesforceSimulator(
        seed=1, size=0, clock=SandboxClock(clock.now, start=START), package=True
    )
    books = VismaSimulator(seed=1, size=0, clock=SandboxClock(clock.now), rate_limits=False)
    sides = (
        Side(crm, InProcessTransport(crm, crm.clock.now)),
        Side(books, InProcessTransport(books, books.clock.now)),
    )
    known = credentials()
    connectors = {
        "sf": SalesforceConnector(
            "sf",
            SalesforceSettings.from_mapping(
                {
                    "login_url": CRM_URL,
                    "audience": known["jwt_audience"],
                    "user": known["username"],
                    "currency": "SEK",
                }
            ),
            sides[0].transport,
            MemorySecrets(clock, client_id=known["client_id"], private_key=known["private_key"]),
            clock,
            Random(1),
            observer=observer,
        ),
        "visma-se": VismaConnector(
            "visma-se",
            VismaSettings(
                api_url=BOOKS_URL,
                token_url=f"{BOOKS_URL}/connect/token",
                authorize_url=f"{BOOKS_URL}/connect/authorize",
            ),
            sides[1].transport,
            MemorySecrets(
                clock,
                client_id=CLIENT_ID,
                client_secret=CLIENT_SECRET,
                refresh_token=REFRESH_TOKEN,
            ),
            clock,
            Random(1),
            observer=observer,
        ),
    }
    engine = blocking_engine(url)
    workspace = f"daily{next(_workspaces)}"
    with engine.begin() as conn:
        ensure_workspace(workspace, "Daily", START)(conn)
    ids = CountingIds()
    store = PostgresStore(
        BlockingRunner(engine), workspace=workspace, ids=ids, clock=clock, who="anna.lind"
    )
    with TemporaryDirectory() as folder:
        text = BRIDGE.format(mode=mode, status=status, more=more)
        (Path(folder) / "tieout.yaml").write_text(text, encoding="utf-8")
        configuration = load_bridge(Path(folder))
    assert isinstance(configuration, Configuration), configuration
    try:
        yield World(
            clock=clock,
            crm=sides[0],
            books=sides[1],
            store=store,
            connectors=connectors,
            companies={},
            configuration=configuration,
            version=0,
            story=small_company(sides[0], sides[1]),
            ids=ids,
        )
    finally:
        engine.dispose()


async def begin(world: World, who: str = "m.ek") -> Engine:
    """Asks both companies, publishes version 1, and gives an engine."""
    for name, connector in world.connectors.items():
        world.companies[name] = await connector.company()
    configuration, now = world.configuration, world.clock.now()

    def publish(tx: Any) -> Any:
        return admin.publish(
            tx,
            bridge=configuration.name,
            body=configuration.body,
            tables=configuration.tables,
            digest=configuration.digest,
            message="first",
            who=who,
            now=now,
        )

    made = await world.store.do(publish)
    world.version = made.version
    return world.engine()
