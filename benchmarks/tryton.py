"""
Won deals into a real Tryton, against a bare client that sends the same bytes to a like server.

The server takes them in lists of its own pace, so its limit, measured with lists of several sizes
of the same drafts, is told beside both.
"""

from __future__ import annotations

import base64
import json
import os
import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp

from benchmarks import ground
from benchmarks.bare_client import Recorded
from tieout.bootstrap import SystemClock, UlidIds, collect_rarely
from tieout.connectors.http.budget import CallBudget
from tieout.connectors.http.transport import AiohttpTransport
from tieout.connectors.salesforce import SalesforceConnector, SalesforceSettings
from tieout.connectors.tryton import TrytonConnector, TrytonSettings
from tieout.core.model import Customer, Deal, Item
from tieout.core.tax import TaxAnswer, Treatment
from tieout.engine.context import Engine
from tieout.engine.enrich import PlainEnricher
from tieout.engine.run import run
from tieout.ports import HttpRequest, HttpResponse
from tieout.settings.compile import compile_policy, selections
from tieout.store.database import ThreadRunner
from tieout.store.embedded import OWNER, EmbeddedServer
from tieout.store.embedded_orphans import remove_data_of
from tieout.store.postgres import PostgresStore
from tieout_sandbox.salesforce import credentials as salesforce_credentials
from tieout_sandbox.tryton.books import Books, find_books
from tieout_sandbox.tryton.plan import ADMIN, ADMIN_PASSWORD, nordic
from tieout_sandbox.tryton.postgres import Postgres
from tieout_sandbox.tryton.rpc import Tryton
from tieout_sandbox.tryton.server import TrytonServer
from tieout_sandbox.tryton.template import Template

ROOT = Path(__file__).resolve().parents[1]
BOOKS = "tryton-se"
ROUNDS = 2
_BRIDGE_FILE = """\
bridge: nordic
crm: sf
books:
  - connection: tryton-se
flows:
  customers: {mode: auto}
  documents: {mode: auto}
  status: {mode: auto}
tables:
  payment_terms: {"Net 30": "30", "Net 14": "15", "Net 10": "10"}
"""
_CREATES = b'"model.account.invoice.create"'
_READS = b'"model.account.invoice.search_read"'


class Domestic(PlainEnricher):
    """Every sale is at home, so that each draft has VAT to reckon."""

    def tax(
        self, seller: str, buyer: Customer | None, deal: Deal, item: Item, net: Decimal, day: date
    ) -> TaxAnswer:
        return TaxAnswer(treatment=Treatment.DOMESTIC_RATE, rate=Decimal("0.25"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """
    Seconds and counts of one measurement; drafts are the deals. CPU is the mean of all rounds,
    walls are those of the last one.
    """

    deals: int
    run_s: float
    drafting_s: float
    engine_cpu_s: float
    lists: tuple[int, ...]
    bare_s: float
    server_cpu_s: float
    bare_server_cpu_s: float
    lists_cpu_s: float
    limits: dict[int, float] = field(default_factory=dict)
    beside: dict[str, int] = field(default_factory=dict)

    @property
    def per_second(self) -> float:
        """Drafts per second, from the first list sent to the last one read back."""
        return self.deals / self.drafting_s

    @property
    def bare_per_second(self) -> float:
        """The same of the bare client."""
        return self.deals / self.bare_s

    @property
    def ratio(self) -> float:
        """Our speed as a part of the bare client's: 1 is as quick as it."""
        return self.per_second / self.bare_per_second

    def lines(self) -> Iterator[str]:
        """For people."""
        sizes = sorted(set(self.lists))
        yield f"Tryton: {self.deals:,} won deals to drafts"
        yield f"  whole run {self.run_s:.1f} s, {self.deals / self.run_s:.0f} deals/s"
        yield f"  ours, first list to the last one read back: {self.per_second:.1f} drafts/s"
        bare = f"{self.bare_per_second:.1f} drafts/s"
        yield f"  bare client, the same {len(self.lists)} lists: {bare}"
        yield f"  ratio {self.ratio:.2f} (target 0.9); lists of {sizes[0]} to {sizes[-1]}"
        ours, theirs = (s / self.deals * 1000 for s in (self.server_cpu_s, self.bare_server_cpu_s))
        yield f"  CPU of trytond for a draft: ours {ours:.1f} ms, bare {theirs:.1f} ms"
        share = self.lists_cpu_s / self.server_cpu_s
        yield f"  of ours {share:.2f} is for the lists themselves, which both send (target 0.9)"
        for size, speed in self.limits.items():
            yield f"  the server's own limit in lists of {size}: {speed:.1f} drafts/s"
        others = ", ".join(f"{number} {name}" for name, number in self.beside.items())
        yield f"  calls of ours between the first list and the last answer: {others or 'none'}"
        yield f"  CPU of the engine {self.engine_cpu_s / self.deals * 1000:.1f} ms a deal"


# --- the books -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Company:
    """A fresh company in a server process of its own."""

    server: TrytonServer
    admin: Tryton
    books: Books
    database: str

    def cpu(self) -> float:
        """CPU seconds that the server has used, threads that have ended included."""
        pid = self.server.pid or 0
        try:
            # The kernel's clock of a process: nanoseconds, where /proc counts hundredths.
            return time.clock_gettime((~pid << 3) | 2)
        except OSError:
            return ground.cpu_of(pid)


class Plant:
    """PostgreSQL with the template in it, and companies copied from it."""

    def __init__(self, folder: Path) -> None:
        folder.chmod(0o755)
        self._folder = folder
        self._server = EmbeddedServer(folder, durable=True)
        self._server.start()
        host = parse_qs(urlsplit(self._server.url()).query)["host"][0]
        self.postgres = Postgres(host=host, user=OWNER)
        named = os.environ.get("TIEOUT_TRYTON_VENV")
        self._venv = Path(named) if named else ROOT / ".venv-tryton"
        year = SystemClock().now().year
        plan = nordic([2025, 2026, 2027, year - 1, year, year + 1])
        self._template = Template(venv=self._venv, postgres=self.postgres, plan=plan).ensure()

    @contextmanager
    def company(self, name: str, products: Sequence[str]) -> Iterator[Company]:
        """A company that sells these."""
        self.postgres.copy(self._template, name)
        log = self._folder / f"{name}.log"
        server = TrytonServer(venv=self._venv, postgres=self.postgres, databases=(name,), log=log)
        with server:
            admin = server.client()
            admin.log_in(ADMIN, ADMIN_PASSWORD)
            books = find_books(admin)
            admin.create("country.country", {"code": "PL", "name": "Poland"})
            for code in products:
                admin.create("product.template", _template(books, code))
            yield Company(server, admin, books, name)
        self.postgres.drop(name)

    def close(self) -> None:
        """Ends it."""
        self._server.stop()
        remove_data_of(self._folder)


def _template(books: Books, code: str) -> dict[str, object]:
    return {
        "name": code,
        "code": code,
        "type": "service",
        "default_uom": books.units["Unit"],
        "list_price": Decimal("1.00"),
        "account_category": books.categories["Tjänster 25 %"],
        "products": [["create", [{}]]],
    }


# --- ours ----------------------------------------------------------------------------------------


@dataclass(slots=True)
class Recording:
    """
    The real transport; remembers what was created, when, and what `server_cpu` showed then.
    """

    server_cpu: Callable[[], float] = lambda: 0.0
    cpu_s: float = 0.0
    lists_cpu_s: float = 0.0
    calls: list[Recorded] = field(default_factory=list)
    began: float = 0.0
    ended: float = 0.0
    beside: Counter[str] = field(default_factory=Counter)
    inner: AiohttpTransport = field(default_factory=AiohttpTransport)
    _waiting: Counter[str] = field(default_factory=Counter)
    _cpu: float = 0.0

    async def send(self, request: HttpRequest) -> HttpResponse:
        drafts = _CREATES in request.body
        before = self.server_cpu()
        if drafts and not self.began:
            self.began, self._cpu = time.perf_counter(), before
        answer = await self.inner.send(request)
        if drafts:
            self.lists_cpu_s += self.server_cpu() - before
        # What was made is read back: that of the last list counts too.
        counts = drafts or (bool(self.began) and _READS in request.body)
        if counts:
            self.ended, self.cpu_s = time.perf_counter(), self.server_cpu() - self._cpu
        if self.began and not drafts:
            self._waiting[_method(request)] += 1
        if counts:
            # What came after that is not counted.
            self.beside, self._waiting = self.beside + self._waiting, Counter()
        if drafts or b'"model.party.party.create"' in request.body:
            headers = {k: v for k, v in request.headers.items() if k != "Authorization"}
            path = "/" + request.url.partition("://")[2].partition("/")[2]
            self.calls.append(Recorded("", request.method, path, headers, request.body))
        return answer

    async def close(self) -> None:
        await self.inner.close()


def _method(request: HttpRequest) -> str:
    found = re.search(rb'"method":\s*"([^"]+)"', request.body)
    return found.group(1).decode() if found else ""


async def measure(deals: int) -> Measured:
    """A first run over so many deals; then the same lists by a bare client, in a fresh company."""
    with tempfile.TemporaryDirectory(prefix="tieout-bench-") as name:
        data = Path(name) / "data"
        ground.write_deals(data, deals)
        plant = Plant(Path(name))
        try:
            return await _measure(plant, data, deals)
        finally:
            plant.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Round:
    """One run of ours and the same lists by the bare client, each in a fresh company."""

    wire: Recording
    run_s: float
    engine_cpu_s: float
    bare_s: float
    bare_cpu_s: float


async def _measure(plant: Plant, data: Path, deals: int) -> Measured:
    # A processor that others use as well is now quick and now slow: ours and the bare client take
    # turns. What hangs on no such luck is the share that the lists have in one and the same run.
    rounds = [await _round(plant, data, deals, number) for number in range(ROUNDS)]
    last = rounds[-1]
    products = [row for row, _ in ground.PRODUCTS]
    limits = {}
    for size in (1, 10, 50, 100, 200):
        with plant.company(f"limit{size}", products) as company:
            limits[size] = await _limit(last.wire.calls, company, size, min(deals, 400))
    return Measured(
        deals=deals,
        run_s=last.run_s,
        drafting_s=last.wire.ended - last.wire.began,
        engine_cpu_s=last.engine_cpu_s,
        lists=tuple(len(_rows(call)) for call in last.wire.calls if _CREATES in call.body),
        bare_s=last.bare_s,
        server_cpu_s=sum(one.wire.cpu_s for one in rounds) / ROUNDS,
        bare_server_cpu_s=sum(one.bare_cpu_s for one in rounds) / ROUNDS,
        lists_cpu_s=sum(one.wire.lists_cpu_s for one in rounds) / ROUNDS,
        limits=limits,
        beside=dict(last.wire.beside),
    )


async def _round(plant: Plant, data: Path, deals: int, number: int) -> _Round:
    products = [row for row, _ in ground.PRODUCTS]
    wire = Recording()
    with (
        ground.database() as base,
        ground.simulators(data, 0) as (crm, _),
        plant.company(f"ours{number}", products) as company,
    ):
        wire.server_cpu = company.cpu
        wall, cpu = time.perf_counter(), time.process_time()
        await _run(base.url, crm, company, wire)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        made = len(company.admin.search("account.invoice", [["type", "=", "out"]], []))
    if made != deals:
        raise RuntimeError(f"{made} drafts for {deals} deals")
    with plant.company(f"bare{number}", products) as company:
        bare, bare_cpu = await _bare(wire.calls, company)
    return _Round(wire=wire, run_s=wall, engine_cpu_s=cpu, bare_s=bare, bare_cpu_s=bare_cpu)


async def _run(url: str, crm: ground.Served, company: Company, wire: Recording) -> None:
    collect_rarely()
    clock = SystemClock()
    known = salesforce_credentials()
    left = SalesforceConnector(
        ground.CRM,
        SalesforceSettings.from_mapping(
            {
                "login_url": crm.base_url,
                "audience": known["jwt_audience"],
                "user": known["username"],
                "currency": "SEK",
            }
        ),
        AiohttpTransport(),
        ground.Vault({"client_id": known["client_id"], "private_key": known["private_key"]}),
        clock,
        Random(1),
    )
    left.api.client.budget = CallBudget((), clock)
    right = TrytonConnector(
        BOOKS,
        # One call at a time, as the bare client does, so that CPU can be told by call.
        TrytonSettings(
            api_url=company.server.url, database=company.database, login="tieout", in_flight=1
        ),
        wire,
        ground.Vault({"password": "tieout-secret"}),
        clock,
        Random(1),
    )
    ids = UlidIds(clock, Random(7))
    runner = ThreadRunner(url)
    store = PostgresStore(runner, workspace=ground.WORKSPACE, ids=ids, clock=clock, who="bench")
    try:
        org, books = await left.company(), await right.company()
        configuration = ground.configured(_BRIDGE_FILE)
        policy = compile_policy(configuration, version=1, crm_org=org.id, companies={BOOKS: books})
        await store.do(ground.publish)
        engine = Engine(
            store=store,
            connectors={ground.CRM: left, BOOKS: right},
            policy=policy,
            selections=selections(
                configuration, {ground.CRM: left.abilities, BOOKS: right.abilities}
            ),
            clock=clock,
            ids=ids,
            enrich=Domestic(),
            worker="bench",
        )
        done = await run(engine)
        if done.brakes:
            raise RuntimeError("; ".join(brake.message for brake in done.brakes))
    finally:
        await left.close()
        await right.close()
        await runner.close()


# --- the bare client -----------------------------------------------------------------------------


async def _bare(calls: Sequence[Recorded], company: Company) -> tuple[float, float]:
    """
    Seconds from the first list of drafts sent to the last one answered, one after the other, and
    what the server needed of them.
    """
    async with aiohttp.ClientSession() as session:
        header = await _signed_in(session, company)
        began = cpu = 0.0
        for call in calls:
            if _CREATES in call.body and not began:
                began, cpu = time.perf_counter(), company.cpu()
            await _post(session, company, header, call.body)
        return time.perf_counter() - began, company.cpu() - cpu


async def _limit(calls: Sequence[Recorded], company: Company, size: int, drafts: int) -> float:
    """Drafts per second in lists of that size, made of the drafts that were recorded."""
    async with aiohttp.ClientSession() as session:
        header = await _signed_in(session, company)
        for call in calls:
            if _CREATES not in call.body:
                await _post(session, company, header, call.body)
        rows = [row for call in calls if _CREATES in call.body for row in _rows(call)]
        if size == 1:
            drafts = min(drafts, 60)
        rows = rows[:drafts]
        one = json.loads(next(call.body for call in calls if _CREATES in call.body))
        began = time.perf_counter()
        for start in range(0, len(rows), size):
            body = {**one, "params": [rows[start : start + size], one["params"][-1]]}
            await _post(session, company, header, json.dumps(body).encode())
        return len(rows) / (time.perf_counter() - began)


def _rows(call: Recorded) -> list[object]:
    found: list[object] = json.loads(call.body)["params"][0]
    return found


async def _signed_in(session: aiohttp.ClientSession, company: Company) -> str:
    params = ["tieout", {"password": "tieout-secret"}, "en"]
    asked = json.dumps({"id": 1, "method": "common.db.login", "params": params}).encode()
    user, key, _ = await _post(session, company, "", asked)
    return "Session " + base64.b64encode(f"tieout:{user}:{key}".encode()).decode("ascii")


async def _post(session: aiohttp.ClientSession, company: Company, header: str, body: bytes) -> Any:
    headers = {"Content-Type": "application/json"} | ({"Authorization": header} if header else {})
    async with session.post(
        f"{company.server.url}/{company.database}/rpc/", data=body, headers=headers
    ) as answer:
        told = json.loads(await answer.read())
    if answer.status != 200 or "error" in told:
        raise RuntimeError(f"{answer.status} {str(told)[:300]}")
    return told["result"]
