"""
Rounds in which the engine or trytond dies at a random moment and answers are lost on the way.

    python tests/tryton/rounds.py --rounds 200 [--seed 7] [--carrier reference] [--longest 600]

The engine is that of `tieout run`, in processes of their own that are ended by SIGKILL; the books
are a real Tryton; the CRM is the simulator, served. Engine and CRM share a clock on which a second
of the machine is `SPEED`, so that a dead worker's lease passes in moments. Afterwards Tryton's
own tables are asked by SQL.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any
from urllib.request import Request, urlopen

import psycopg

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.tryton_wire import KINDS, Wire

SPEED = 40
BRIDGE, CRM, BOOKS = "nordic", "sf", "tryton-se"
CONFIGURATION = """\
bridge: nordic
crm: sf
books:
  - connection: tryton-se
flows:
  customers: {mode: auto}
  documents: {mode: auto}
  status: {mode: auto}
tables:
  payment_terms: {"Net 30": "30"}
  items: {CONS: KON01}
"""


# --- processes -----------------------------------------------------------------------------------


class FastClock:
    """The clock of the engine and of the CRM; the same instant in every process."""

    def __init__(self, since: str) -> None:
        self._since = datetime.fromisoformat(since)

    def now(self) -> datetime:
        return self._since + (datetime.now(UTC) - self._since) * SPEED

    def steady(self) -> int:
        return time.monotonic_ns() * SPEED // 1_000_000

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / SPEED)


def serve_crm(since: str) -> None:
    """The simulated Salesforce over HTTP until it is ended."""
    from tieout_sandbox.kit import SandboxClock
    from tieout_sandbox.kit.serve import serve
    from tieout_sandbox.salesforce import SalesforceSimulator

    _end_with_parent()
    clock = FastClock(since)
    sim = SalesforceSimulator(
        seed=1, size=0, clock=SandboxClock(clock.now, start=clock.now()), package=True
    )
    asyncio.run(serve(sim, port=0, token_path="", as_json=True))


def stand_by(root: str, since: str, longest_s: str) -> None:
    """
    Forks an engine for each line on standard input ('work', or 'settle'), and says its process.

    What a process needs is loaded once, so that a round is about the engine and not about Python.
    """
    import tieout.bootstrap
    import tieout.connectors.salesforce
    import tieout.connectors.tryton
    import tieout.services.running
    import tieout.store.postgres  # noqa: F401

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    home = os.getpid()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            code = 1
            _end_with_parent(home)
            try:
                settle = line.strip() == "settle"
                clock = FastClock(since)
                asyncio.run(_work(Path(root), clock, settle=settle, longest_s=int(longest_s)))
                code = 0
            except BaseException as error:  # noqa: BLE001 - it is told, and ends the process
                traceback.print_exc()
                _say(f"ended by {type(error).__name__}: {error}")
            finally:
                sys.stderr.flush()
                sys.stdout.flush()
                os._exit(code)
        _say(f"pid {child}")


def _end_with_parent(parent: int = 0) -> None:
    """Ends with the parent, however it ends: when it is another one, or the input is at its end."""

    def watch() -> None:
        while os.getppid() == parent or (not parent and os.read(0, 4096)):
            if parent:
                time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def _hasten(connector: Any, longest_s: int) -> None:
    """
    Says of the books that no request takes effect later than this. Horizons count on the books'
    own clock, which is not a fast one: with the ten minutes of real life the last doubts take as
    long to settle. On the wire here nothing is late by more than a second.
    """

    def told(self: Any) -> Any:
        known = self.__dict__["abilities"]
        quick = {
            entity: replace(found, longest_s=longest_s, margin_s=2)
            for entity, found in known.entities.items()
        }
        return replace(known, entities=quick)

    def tell(self: Any, known: Any) -> None:
        self.__dict__["abilities"] = known

    kind = type(connector)
    connector.__class__ = type("Hastened", (kind,), {"abilities": property(told, tell)})


async def _work(root: Path, clock: FastClock, *, settle: bool, longest_s: int) -> None:
    """Runs as `tieout run --every` does; with `settle` until nothing is left, and tells."""
    from tieout.bootstrap import make_engine, open_project
    from tieout.core.errors import SyncError
    from tieout.services import running
    from tieout.services.project import find_project

    quiet = 0
    async with open_project(find_project(str(root)), clock, who="rounds") as opened:
        engine = await make_engine(opened, BRIDGE)
        engine.force = True
        _hasten(engine.connectors[BOOKS], longest_s)
        _say("ready")
        while quiet < 3:
            try:
                ran = await running.run_once(engine, opened.store)
            except SyncError as error:
                sys.stderr.write(f"{type(error).__name__}: {error}\n")
                await asyncio.sleep(0.05)
                continue
            done = ran.result
            busy = [
                name
                for name in done.open
                if name.startswith("operation.") or name in ("due.due", "due.op", "due.unread")
            ]
            calm = not busy and not done.executed.calls and not done.read.changed
            quiet = quiet + 1 if settle and calm else 0
            await asyncio.sleep(0.05)
        ran = await running.run_once(engine, opened.store)
        planned = ran.result.decided.by_verdict.get("write", 0)
        _say(f"planned {planned} sent {ran.result.executed.calls} open {json.dumps(busy)}")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _start(*arguments: str, log: Path, **environment: str) -> subprocess.Popen[str]:
    with log.open("ab") as errors:
        return subprocess.Popen(
            [sys.executable, __file__, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, **environment},
            text=True,
        )


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    process.wait(timeout=20)
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()


# --- the ground ----------------------------------------------------------------------------------


@dataclass(slots=True)
class Crm:
    """The served CRM, and what people have entered in it."""

    base: str
    chance: Random
    accounts: list[str] = field(default_factory=list)
    buyers: set[str] = field(default_factory=set)
    deals: list[Decimal] = field(default_factory=list)

    def act(self, name: str, /, **arguments: Any) -> Any:
        """What a person does."""
        asked = Request(
            f"{self.base}/_sandbox/actions/{name}",
            data=json.dumps(arguments).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urlopen(asked, timeout=60) as answer:
            return json.loads(answer.read())

    def sell(self) -> None:
        """A won deal over an amount that no other has, of an old or a new customer."""
        if len(self.accounts) < 3 or self.chance.random() < 0.2:
            values = {
                "BillingStreet": f"Storgatan {len(self.accounts) + 1}",
                "BillingPostalCode": "111 22",
                "BillingCity": "Stockholm",
                "BillingCountryCode": "SE",
                "Payment_Terms__c": "Net 30",
                "Invoice_Email__c": "faktura@kund.example",
                "CurrencyIsoCode": "SEK",
            }
            name = f"Kund {len(self.accounts) + 1} AB"
            self.accounts.append(self.act("create_account", name=name, fields=values)["id"])
        amount = Decimal(1000 + len(self.deals))
        line = {"product": "CONS", "quantity": "1", "unit_price": str(amount)}
        buyer = self.chance.choice(self.accounts)
        self.buyers.add(buyer)
        made = self.act(
            "create_opportunity",
            name=f"Deal {len(self.deals) + 1}",
            account=buyer,
            currency="SEK",
            lines=[line],
        )
        self.act("win", id=made["id"])
        self.deals.append(amount)


async def _set_up(root: Path, clock: FastClock, crm: str, books: dict[str, Any]) -> None:
    """A project with both connections and version 1 of its configuration."""
    from tieout.bootstrap import connector_of, open_project
    from tieout.services.configuration import publish, read_configuration
    from tieout.services.project import make_project
    from tieout.store import admin
    from tieout.store.admin import ConnectionRow
    from tieout_sandbox.salesforce import credentials

    known = credentials()
    project = make_project(root, {"tieout.yaml": CONFIGURATION})
    left = {
        "login_url": crm,
        "audience": known["jwt_audience"],
        "user": known["username"],
        "currency": "SEK",
    }
    async with open_project(project, clock, who="rounds") as opened:
        for row in (
            ConnectionRow(name=CRM, system="salesforce", side="crm", settings=left),
            ConnectionRow(name=BOOKS, system="tryton", side="books", settings=books),
        ):
            await opened.do(lambda tx, row=row: admin.add_connection(tx, row))
        secret = {"client_id": known["client_id"], "private_key": known["private_key"]}
        await opened.vault.put(CRM, secret)
        await opened.vault.put(BOOKS, {"password": "tieout-secret"})
        for name in (CRM, BOOKS):
            company = await (await connector_of(opened, name)).company()
            await opened.do(
                lambda tx, name=name, company=company: admin.set_company(
                    tx, name, company, clock.now()
                )
            )
        made = await publish(
            opened, read_configuration(project), message="first", who="rounds", now=clock.now()
        )
        assert made is not None


# --- the rounds ----------------------------------------------------------------------------------


@dataclass(slots=True)
class Played:
    """What happened in the rounds, and what is in Tryton's own tables afterwards."""

    rounds: int = 0
    seconds: float = 0
    engines_killed: int = 0
    servers_killed: int = 0
    ended_alone: int = 0
    posted: int = 0
    struck: Counter[str] = field(default_factory=Counter)
    deals: int = 0
    customers: int = 0
    said: str = ""
    in_tables: dict[str, Any] = field(default_factory=dict)

    def killed(self, engines: Engines) -> None:
        """An engine is killed, and it is noted whether it was there to be."""
        if engines.kill():
            self.engines_killed += 1
        else:
            self.ended_alone += 1

    def wrong(self) -> list[str]:
        """Everything that is not as it has to be."""
        told = self.in_tables
        rules = {
            f"{self.deals} deals, {told['invoices']} invoices": told["invoices"] == self.deals,
            f"{told['keys']} keys": told["keys"] == self.deals,
            f"of one deal several: {told['twice']}": not told["twice"],
            f"{told['net']} in the lines, {told['sold']} sold": told["net"] == told["sold"],
            "an amount is there twice or not at all": told["amounts"],
            f"{self.customers} customers, {told['parties']} parties": (
                told["parties"] == self.customers
            ),
            f"{told['same_name']} customers several times": not told["same_name"],
            f"posted {told['posted_net']}, in the ledger {told['ledger']}": (
                told["posted_net"] == told["ledger"]
            ),
            f"engines that ended by themselves: {self.ended_alone}": not self.ended_alone,
            f"a further run: {self.said}": self.said == "planned 0 sent 0 open []",
        }
        return [words for words, holds in rules.items() if not holds]

    def lines(self) -> Iterator[str]:
        """For people."""
        told = self.in_tables
        yield f"rounds {self.rounds} in {self.seconds:.0f} s"
        yield f"killed: engine {self.engines_killed}, trytond {self.servers_killed}"
        yield f"on the wire: {dict(sorted(self.struck.items()))}"
        yield f"deals {self.deals} of {self.customers} customers; posted by people {self.posted}"
        yield f"Tryton's tables: {told}"
        yield f"a further run: {self.said}"
        yield "WRONG: " + "; ".join(self.wrong()) if self.wrong() else "each deal exactly once"


@contextmanager
def crm_served(since: str, log: Path) -> Iterator[str]:
    """The CRM in a process of its own; its address."""
    process = _start("crm", since, log=log)
    assert process.stdout is not None
    try:
        yield str(json.loads(process.stdout.readline())["base_url"])
    finally:
        _end(process)


class Engines:
    """Engines one after the other, each in a process that can be killed."""

    def __init__(self, root: Path, since: str, longest_s: int, log: Path) -> None:
        self._home = _start("stand-by", str(root), since, str(longest_s), log=log)
        self.pid = 0

    def start(self, how: str = "work") -> None:
        """A new one; returns when it is about to begin its first run."""
        assert self._home.stdin is not None
        self._home.stdin.write(how + "\n")
        self._home.stdin.flush()
        told = {self.line(), self.line()}
        assert "ready" in told, told
        self.pid = next(int(line.split()[1]) for line in told if line.startswith("pid "))

    def line(self) -> str:
        """What was said next."""
        assert self._home.stdout is not None
        return self._home.stdout.readline().strip()

    def kill(self) -> bool:
        """It ends in the middle of whatever it does; False where it had ended by itself."""
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True

    def close(self) -> None:
        """No further ones, and an end to the one that runs."""
        if self.pid:
            self.kill()
        _end(self._home)


def play(
    plant: Any,
    database_url: str,
    rounds: int,
    seed: int,
    carrier: str = "auto",
    longest_s: int = 20,
) -> Played:
    """So many rounds over a fresh company; `plant` is `tryton_server.TrytonPlant`."""
    chance = Random(seed)
    played = Played()
    began = time.monotonic()
    since = datetime.now(UTC).isoformat()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tieout-rounds-")))
        log = folder / "errors.log"
        environment = {"TIEOUT_DATABASE_URL": database_url, "TIEOUT_TEST_NOT_DURABLE": "1"}
        before = {name: os.environ.get(name) for name in environment}
        os.environ.update(environment)
        stack.callback(_put_back, before)
        running = stack.enter_context(plant.running())
        wire = Wire(running.port, seed)
        stack.callback(wire.close)
        base = stack.enter_context(crm_served(since, log))
        books = {
            "api_url": wire.url,
            "database": running.database,
            "login": "tieout",
            "carrier": carrier,
            "drafts_every_s": 0,
            "overlap_s": 5,
        }
        asyncio.run(_set_up(folder / "project", FastClock(since), base, books))
        engines = Engines(folder / "project", since, longest_s, log)
        stack.callback(engines.close)
        crm = Crm(base, chance)
        for number in range(rounds):
            _round(chance, crm, wire, engines, running, played)
            played.rounds += 1
            if (number + 1) % 10 == 0:
                print(f"{number + 1} rounds, {len(crm.deals)} deals", flush=True)
        wire.fail()
        engines.start("settle")
        played.said = engines.line()
        played.deals, played.customers = len(crm.deals), len(crm.buyers)
        played.struck = wire.struck
        played.in_tables = ask_tables(plant.postgres, running.database, crm.deals)
        played.seconds = time.monotonic() - began
        if played.wrong() and log.exists():
            print(log.read_text("utf-8")[-3000:], file=sys.stderr)
    return played


def _put_back(before: dict[str, str | None]) -> None:
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _round(
    chance: Random, crm: Crm, wire: Wire, engines: Engines, running: Any, played: Played
) -> None:
    """Deals are won, a fault waits on the wire, an engine starts, and something dies."""
    for _ in range(chance.randint(1, 3)):
        crm.sell()
    wire.fail(*chance.choices(KINDS, k=chance.choice((0, 1, 1, 2, 3))))
    engines.start()
    # At a moment of the work, not of the clock, whatever else the machine does.
    if chance.random() < 0.6:
        wire.wait(writes=chance.randint(1, 4))
    else:
        wire.wait(calls=chance.randint(0, 60))
    time.sleep(chance.uniform(0, 0.2))
    if chance.random() < 0.35:
        running.kill()
        played.servers_killed += 1
        time.sleep(chance.uniform(0, 0.5))
        if chance.random() < 0.5:
            played.killed(engines)
            running.server.start()
            return
        running.server.start()
        time.sleep(chance.uniform(0, 1.5))
    if chance.random() < 0.25:
        played.posted += _post_one(chance, running)
    played.killed(engines)


def _post_one(chance: Random, running: Any) -> int:
    """The accountant posts one of the drafts while all this goes on."""
    from tieout_sandbox.tryton import acts

    anna = running.person("anna")
    drafts = anna.search("account.invoice", [["state", "=", "draft"], ["type", "=", "out"]], [])
    if not drafts:
        return 0
    acts.post(anna, chance.choice(drafts)["id"])
    return 1


def ask_tables(postgres: Any, database: str, sold: list[Decimal]) -> dict[str, Any]:
    """What is in Tryton's own tables, by SQL alone."""
    with psycopg.connect(host=postgres.host, user=postgres.user, dbname=database) as tables:

        def one(statement: str) -> Any:
            row = tables.execute(statement).fetchone()
            assert row is not None
            return row[0]

        key = (
            "coalesce(tieout_key, (regexp_match(reference, '([0-9A-Z]{16})$'))[1])"
            " AS key FROM account_invoice WHERE type = 'out'"
        )
        lines = (
            "FROM account_invoice_line l JOIN account_invoice i ON i.id = l.invoice"
            " WHERE l.type = 'line' AND i.type = 'out'"
        )
        nets = tables.execute(
            f"SELECT sum(l.quantity::numeric * l.unit_price) {lines} GROUP BY i.id ORDER BY 1"
        ).fetchall()
        return {
            "invoices": one("SELECT count(*) FROM account_invoice WHERE type = 'out'"),
            "keys": one(f"SELECT count(DISTINCT left(key, 13)) FROM (SELECT {key}) k"),
            "twice": one(
                "SELECT count(*) FROM (SELECT left(key, 13) FROM"
                f" (SELECT {key}) k GROUP BY 1 HAVING count(*) > 1) t"
            ),
            "net": one(f"SELECT coalesce(sum(l.quantity::numeric * l.unit_price), 0) {lines}"),
            "sold": sum(sold, Decimal(0)),
            "amounts": [row[0] for row in nets] == sorted(sold),
            "parties": one(
                "SELECT count(*) FROM party_party p WHERE NOT EXISTS"
                " (SELECT FROM company_company c WHERE c.party = p.id)"
            ),
            "same_name": one(
                "SELECT count(*) FROM"
                " (SELECT name FROM party_party GROUP BY 1 HAVING count(*) > 1) t"
            ),
            "posted_net": one(
                "SELECT coalesce(sum(l.quantity::numeric * l.unit_price), 0)"
                f" {lines} AND i.state IN ('posted', 'paid')"
            ),
            "ledger": one(
                "SELECT coalesce(sum(m.credit - m.debit), 0) FROM account_move_line m"
                " JOIN account_account a ON a.id = m.account"
                " JOIN account_account_type t ON t.id = a.type WHERE t.revenue"
            ),
        }


def main() -> None:
    """See the module."""
    if sys.argv[1:2] == ["crm"]:
        serve_crm(sys.argv[2])
        return
    if sys.argv[1:2] == ["stand-by"]:
        stand_by(*sys.argv[2:5])
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--carrier", choices=("auto", "reference"), default="auto")
    parser.add_argument("--longest", type=int, default=20, help="seconds; 600 as in real life")
    asked = parser.parse_args()
    # Told to end, it ends what it has started: as at Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    from support.database import database
    from support.tryton_server import _plant, venv

    with (
        tempfile.TemporaryDirectory() as logs,
        _plant(venv(), Path(logs)) as plant,
        database(f"rounds_{os.getpid()}") as url,
    ):
        played = play(plant, url, asked.rounds, asked.seed, asked.carrier, asked.longest)
    print("\n".join(played.lines()), flush=True)
    sys.exit(1 if played.wrong() else 0)


if __name__ == "__main__":
    main()
