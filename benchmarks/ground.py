"""What every measurement stands on: generated deals, served simulators, a database, an engine."""

from __future__ import annotations

import csv
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from random import Random

from tieout.bootstrap import SystemClock, UlidIds, collect_rarely
from tieout.connectors.http.budget import CallBudget
from tieout.connectors.http.transport import AiohttpTransport
from tieout.connectors.salesforce import SalesforceConnector, SalesforceSettings
from tieout.connectors.visma_eaccounting import VismaConnector, VismaSettings
from tieout.engine.context import Engine
from tieout.ports import Transport
from tieout.services.enrich import NordicEnricher
from tieout.settings.bridge import Configuration, load_bridge
from tieout.settings.compile import compile_policy, selections
from tieout.store.database import (
    APP_ROLE,
    ThreadRunner,
    Tx,
    blocking_engine,
)
from tieout.store.embedded import EmbeddedServer
from tieout.store.embedded_orphans import remove_data_of
from tieout.store.migrate import prepare
from tieout.store.postgres import PostgresStore
from tieout.store.workspaces import ensure_workspace
from tieout_sandbox.salesforce import credentials as salesforce_credentials
from tieout_sandbox.visma_eaccounting import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN

WORKSPACE = "bench"
CRM, BOOKS, BRIDGE = "sf", "visma-se", "nordic"
DEALS_PER_CUSTOMER = 20

_BRIDGE_FILE = """\
bridge: nordic
crm: sf
books:
  - connection: visma-se
flows:
  customers: {mode: auto}
  documents: {mode: auto}
  status: {mode: auto}
mapping:
  customer:
    terms: {from: account.terms, values: payment_terms}
tables:
  payment_terms: {"Net 30": "30 dagar netto", "Net 14": "14 dagar netto"}
"""
PRODUCTS = tuple((f"Unit {letter}", 400 + 37 * place) for place, letter in enumerate("ABCDEFGH"))
_COUNTRIES = ("United States", "Norway", "Germany", "Poland")


# --- the deals -----------------------------------------------------------------------------------


def write_deals(folder: Path, deals: int) -> None:
    """CSV files of a pipeline with so many won deals, that both simulators load."""
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(deals)
    customers = [f"Customer {n + 1:05d}" for n in range(max(1, deals // DEALS_PER_CUSTOMER))]
    _table(
        folder / "accounts.csv",
        "account sector year_established revenue employees office_location subsidiary_of",
        (
            (name, "retail", "1990", "10.00", "12", _COUNTRIES[place % len(_COUNTRIES)], "")
            for place, name in enumerate(customers)
        ),
    )
    _table(
        folder / "products.csv",
        "product series sales_price",
        ((name, "U", str(price)) for name, price in PRODUCTS),
    )
    _table(
        folder / "sales_teams.csv",
        "sales_agent manager regional_office",
        [("Ida Lund", "Per Ek", "East"), ("Tor Berg", "Per Ek", "West")],
    )
    _table(
        folder / "sales_pipeline.csv",
        "opportunity_id sales_agent product account deal_stage engage_date close_date close_value",
        (_deal(number, customers, chance) for number in range(deals)),
    )


def _deal(number: int, customers: list[str], chance: Random) -> tuple[str, ...]:
    product, price = PRODUCTS[chance.randrange(len(PRODUCTS))]
    closed = date(2026, 1, 2) + timedelta(days=chance.randrange(300))
    return (
        f"D{number + 1:07d}",
        ("Ida Lund", "Tor Berg")[number % 2],
        product,
        customers[number % len(customers)],
        "Won",
        (closed - timedelta(days=40)).isoformat(),
        closed.isoformat(),
        str(price + chance.randrange(-20, 21)),
    )


def _table(path: Path, head: str, rows: Iterable[tuple[str, ...]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(head.split())
        writer.writerows(rows)


# --- simulators ----------------------------------------------------------------------------------


@dataclass(slots=True)
class Served:
    """A simulator in a process of its own."""

    base_url: str
    token_url: str
    process: subprocess.Popen[str]

    @property
    def cpu_s(self) -> float:
        """CPU seconds that it has used."""
        return cpu_of(self.process.pid)


@contextmanager
def simulators(data: Path, latency_ms: int) -> Iterator[tuple[Served, Served]]:
    """A CRM and books with that data, without rate limits, stopped at the end."""
    started: list[Served] = []
    try:
        for system in ("salesforce", "visma_eaccounting"):
            started.append(_serve(system, data, latency_ms))
        yield started[0], started[1]
    finally:
        for one in started:
            one.process.send_signal(signal.SIGTERM)
        for one in started:
            one.process.wait(timeout=30)


def _serve(system: str, data: Path, latency_ms: int) -> Served:
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "tieout_sandbox", "serve", system, "--json"),
            *(("--with-package",) if system == "salesforce" else ()),
            *("--data", str(data), "--latency-ms", str(latency_ms), "--rate-limits", "off"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    told = json.loads(process.stdout.readline())
    return Served(told["base_url"], told["token_url"], process)


# --- the database --------------------------------------------------------------------------------


@dataclass(slots=True)
class Database:
    """An embedded server with a migrated database: durable, as in production."""

    url: str
    folder: Path

    @property
    def cpu_s(self) -> float:
        """CPU seconds of the server with all its children, those that have ended included."""
        return family_cpu(_postmaster(self.folder))


@contextmanager
def database() -> Iterator[Database]:
    """A fresh one, gone at the end."""
    folder = Path(tempfile.mkdtemp(prefix="tieout-bench-"))
    folder.chmod(0o755)
    server = EmbeddedServer(folder, durable=True)
    try:
        server.start()
        owner = blocking_engine(server.url(), as_app=False, pool_size=1)
        prepare(owner, durable=True)
        with owner.begin() as conn:
            conn.exec_driver_sql(f"SET LOCAL ROLE {APP_ROLE}")
            ensure_workspace(WORKSPACE, "Benchmark", SystemClock().now())(conn)
        owner.dispose()
        yield Database(server.url(), folder)
    finally:
        server.stop()
        remove_data_of(folder)
        shutil.rmtree(folder, ignore_errors=True)


def _postmaster(folder: Path) -> int:
    for found in folder.rglob("postmaster.pid"):
        return int(found.read_text().split()[0])
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if str(folder).encode() in b" ".join(words) and b"-D" in words:
            return int(process.name)
    return 0


# --- what it costs -------------------------------------------------------------------------------


def cpu_of(pid: int) -> float:
    """CPU seconds of a process that runs, 0 where the machine does not tell."""
    return _stat(pid)[1]


def _stat(pid: int) -> tuple[int, float, float]:
    """The parent, the process's own CPU seconds, and those of its children that have ended."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0, 0.0, 0.0
    tick = os.sysconf("SC_CLK_TCK")
    own, ended = int(words[11]) + int(words[12]), int(words[13]) + int(words[14])
    return int(words[1]), own / tick, ended / tick


def peak_kb() -> int:
    """
    The most memory that this program has held. What a process was before it ran this program, a
    copy of the one that started it, counts in `ru_maxrss` and not here.
    """
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def family_cpu(pid: int) -> float:
    """CPU seconds of a process with its children, living and ended; 0 where it is not told."""
    if not pid:
        return 0.0
    _, own, ended = _stat(pid)
    total = own + ended
    for process in Path("/proc").glob("[0-9]*"):
        parent, mine, _ = _stat(int(process.name))
        if parent == pid:
            total += mine
    return total


# --- the engine ----------------------------------------------------------------------------------


class Vault:
    """
    Secrets in memory, or in a file for processes that follow each other: the vault is not what is
    measured.
    """

    def __init__(self, values: Mapping[str, str], file: Path | None = None) -> None:
        self._values = dict(values)
        self._file = file
        if file is not None and file.is_file():
            self._values.update(json.loads(file.read_text(encoding="utf-8")))

    async def get(self, connection: str, name: str) -> str | None:
        return self._values.get(name)

    async def put(self, connection: str, values: Mapping[str, str]) -> None:
        self._values.update(values)
        if self._file is not None:
            self._file.write_text(json.dumps(self._values), encoding="utf-8")

    async def forget_old(self, connection: str) -> None:
        """There are no older ones."""

    async def older(self, connection: str, name: str) -> str | None:
        return None

    async def acquire(self, connection: str, holder: str, seconds: int) -> bool:
        return True


@dataclass(slots=True)
class Ground:
    """An engine over both simulators with its store."""

    engine: Engine
    store: PostgresStore
    crm: SalesforceConnector
    books: VismaConnector
    calls_before: dict[str, int] = field(default_factory=dict)

    def calls(self) -> dict[str, int]:
        """Calls so far by connection and route, sign-in left out."""
        found = {f"{CRM} {route}": n for route, n in self.crm.api.client.calls.items()}
        found |= {f"{BOOKS} {route}": n for route, n in self.books.client.calls.items()}
        return found


@asynccontextmanager
async def engine(
    url: str,
    crm: Served,
    books: Served,
    transport: Transport | None = None,
    crm_settings: Mapping[str, object] | None = None,
    secrets: Path | None = None,
) -> AsyncIterator[Ground]:
    """The engine as production composes it; only our share of a vendor's quota is taken off."""
    collect_rarely()
    clock = SystemClock()
    wire = transport or AiohttpTransport()
    known = salesforce_credentials()
    left = SalesforceConnector(
        CRM,
        SalesforceSettings.from_mapping(
            {
                "login_url": crm.base_url,
                "audience": known["jwt_audience"],
                "user": known["username"],
                "currency": "SEK",
                **(crm_settings or {}),
            }
        ),
        wire,
        Vault({"client_id": known["client_id"], "private_key": known["private_key"]}),
        clock,
        Random(1),
    )
    right = VismaConnector(
        BOOKS,
        VismaSettings(
            api_url=books.base_url,
            token_url=books.token_url,
            authorize_url=f"{books.base_url}/connect/authorize",
        ),
        wire,
        Vault(
            {
                "client_id": CLIENT_ID,
                "client_secret": CLIENT_SECRET,
                "refresh_token": REFRESH_TOKEN,
            },
            secrets,
        ),
        clock,
        Random(1),
    )
    left.api.client.budget = CallBudget((), clock)
    right.client.budget = CallBudget((), clock)
    ids = UlidIds(clock, Random(7))
    runner = ThreadRunner(url)
    store = PostgresStore(runner, workspace=WORKSPACE, ids=ids, clock=clock, who="bench")
    try:
        org, company = await left.company(), await right.company()
        configuration = configured()
        policy = compile_policy(
            configuration, version=1, crm_org=org.id, companies={BOOKS: company}
        )
        await store.do(publish)
        made = Engine(
            store=store,
            connectors={CRM: left, BOOKS: right},
            policy=policy,
            selections=selections(configuration, {CRM: left.abilities, BOOKS: right.abilities}),
            clock=clock,
            ids=ids,
            enrich=NordicEnricher(),
            worker="bench",
        )
        yield Ground(made, store, left, right)
    finally:
        await wire.close()
        await runner.close()


def configured(text: str = _BRIDGE_FILE) -> Configuration:
    """The configuration that is measured."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "tieout.yaml").write_text(text, encoding="utf-8")
        found = load_bridge(Path(folder))
    if isinstance(found, list):
        raise ValueError("; ".join(str(problem) for problem in found))
    return found


def publish(tx: Tx) -> None:
    """A version of the bridge's configuration is in force."""
    tx.run(
        "INSERT INTO config_version (workspace, bridge, version, body, tables, digest, message,"
        " published_by, published_at) VALUES (%(ws)s, %(bridge)s, 1, '', '{}', 'x', '', 'bench',"
        " %(now)s) ON CONFLICT DO NOTHING",
        bridge=BRIDGE,
        now=tx.now,
    )
    tx.run(
        "INSERT INTO bridge (workspace, name, version) VALUES (%(ws)s, %(bridge)s, 1)"
        " ON CONFLICT DO NOTHING",
        bridge=BRIDGE,
    )
