"""
Real processes for the kill test, all on one fast clock: the two simulators, and the engine.

    python kill_runner.py serve crm|book
    python kill_runner.py engine DATABASE_URL CRM_URL BOOK_URL NAME [--settle]

A second of the machine is `SPEED` seconds for everybody, so that a dead worker's lease and the
longest execution pass in moments.
"""

from __future__ import annotations

import asyncio
import sys
import time
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from tieout.connectors.http.transport import AiohttpTransport
from tieout.connectors.plain import (
    PlainBookConnector,
    PlainBookSettings,
    PlainCrmConnector,
    PlainCrmSettings,
)
from tieout.core.abilities import Guard
from tieout.core.errors import SyncError
from tieout.core.model import Entity
from tieout.core.policy import (
    BooksPolicy,
    BridgePolicy,
    CustomerPolicy,
    DocumentPolicy,
    FlowMode,
    StatusPolicy,
)
from tieout.engine.context import Engine
from tieout.engine.enrich import PlainEnricher
from tieout.engine.run import run
from tieout.ports import Selection
from tieout.store.database import ThreadRunner
from tieout.store.postgres import PostgresStore
from tieout_sandbox.kit import SandboxClock
from tieout_sandbox.kit.serve import serve
from tieout_sandbox.plain import PlainBook, PlainCrm, Variant

SPEED = 40
BRIDGE, WORKSPACE = "nordic", "killed"
ORIGIN = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
REAL_ORIGIN = datetime(2026, 1, 1, tzinfo=UTC)


def fast_now() -> datetime:
    """The same instant in every process."""
    return ORIGIN + (datetime.now(UTC) - REAL_ORIGIN) * SPEED


class FastClock:
    """The engine's clock."""

    def now(self) -> datetime:
        return fast_now()

    def steady(self) -> int:
        return time.monotonic_ns() * SPEED // 1_000_000

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / SPEED)


class Ids:
    """Ids in order of time, never equal in two processes."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._count = 0

    def new(self, kind: str) -> str:
        self._count += 1
        return f"{kind[:2]}-{time.time_ns():020d}-{self._name}-{self._count:04d}"


def make_engine(database: str, crm_url: str, book_url: str, name: str) -> Engine:
    """An engine of the plain pair over HTTP."""
    clock = FastClock()
    store = PostgresStore(
        ThreadRunner(database),
        workspace=WORKSPACE,
        ids=Ids(name),
        clock=clock,
    )
    times: dict[str, Any] = {"longest_s": 20, "margin_s": 10}
    book = PlainBookSettings(base_url=book_url, guard=Guard.SEARCHABLE, **times)
    crm = PlainCrmSettings(base_url=crm_url, **times)
    chance = Random(name)
    return Engine(
        store=store,
        connectors={
            "crm": PlainCrmConnector("crm", AiohttpTransport(), clock, crm, chance),
            "book": PlainBookConnector("book", AiohttpTransport(), clock, book, chance),
        },
        policy=BridgePolicy(
            name=BRIDGE,
            version=1,
            digest="d",
            crm="crm",
            crm_org="crm-1",
            books=(
                BooksPolicy(
                    connection="book",
                    company="books-1",
                    seller="SE",
                    base_currency="SEK",
                    time_zone="Europe/Stockholm",
                ),
            ),
            customers=CustomerPolicy(),
            documents=DocumentPolicy(mode=FlowMode.AUTO, require_reference="never"),
            status=StatusPolicy(),
        ),
        selections={
            "book": {
                entity: Selection(entity=entity, shape="s")
                for entity in (Entity.ITEM, Entity.CUSTOMER, Entity.DOCUMENT)
            },
            "crm": {
                entity: Selection(entity=entity, shape="s")
                for entity in (Entity.CUSTOMER, Entity.DEAL)
            },
        },
        clock=clock,
        ids=Ids(f"{name}e"),
        enrich=PlainEnricher(),
        worker=name,
        process=name,
        sweep_every=timedelta(minutes=2),
        force=True,
    )


async def work(engine: Engine, *, settle: bool) -> None:
    """Runs for ever, or until nothing is left to do; then tells what a further run planned."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    quiet = 0
    while quiet < 3:
        try:
            result = await run(engine)
        except SyncError as error:
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            await asyncio.sleep(0.05)
            continue
        busy = [
            name
            for name in result.open
            if name.startswith("operation.") or name in ("due.due", "due.op", "due.unread")
        ]
        calm = not busy and not result.executed.calls and not result.read.changed
        quiet = quiet + 1 if settle and calm else 0
        if not settle or not calm:
            await asyncio.sleep(0.1)
    result = await run(engine)
    sys.stdout.write(f"planned {result.decided.by_verdict.get('write', 0)}\n")
    sys.stdout.write(f"sent {result.executed.calls}\n")


def main() -> None:
    """See the module."""
    if sys.argv[1] == "serve":
        clock = SandboxClock(fast_now)
        crm = sys.argv[2] == "crm"
        sim = PlainCrm(clock=clock) if crm else PlainBook(clock=clock, variant=Variant())
        asyncio.run(serve(sim, port=0, token_path="", as_json=True))
        return
    database, crm_url, book_url, name = sys.argv[2:6]
    engine = make_engine(database, crm_url, book_url, name)
    asyncio.run(work(engine, settle="--settle" in sys.argv))


if __name__ == "__main__":
    main()
