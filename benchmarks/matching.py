"""First connection: both sides read and matched, how well, at what cost, and over a kill."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from benchmarks import ground, match_set
from tieout.services import matching
from tieout.store.database import Tx, blocking_engine, in_workspace

SETTINGS = {"deal": {"number": "Deal_Number__c"}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What one process took: seconds for reading and for matching, its peak, its calls."""

    read_s: float
    match_s: float
    peak_mb: int
    calls: int


@dataclass(slots=True, kw_only=True)
class Quality:
    """Pairs of one kind of corruption by what became of them; ``wrong``: found with another."""

    pairs: int = 0
    matched: int = 0
    proposed: int = 0
    ambiguous: int = 0
    wrong: int = 0

    @property
    def missed(self) -> int:
        return self.pairs - self.matched - self.proposed - self.ambiguous


@dataclass(frozen=True, slots=True, kw_only=True)
class Documents:
    """
    Deals of customers that are known on both sides, and the documents that were proposed for
    them: rightly, wrongly, or left to a person.
    """

    deals: int
    right: int
    wrong: int
    ambiguous: int


@dataclass(slots=True, kw_only=True)
class Found:
    """
    The whole measurement over so many customers on each side. ``again``: by route the calls that
    the lives of the killed run made together beyond those of one that nobody disturbed.
    """

    customers: int
    invoices: int
    deals: int
    taken: Taken
    small: Taken | None
    small_customers: int
    killed: int
    again: Mapping[str, int]
    same_after_kill: bool
    least_calls: int
    by_corruption: dict[str, Quality] = field(default_factory=dict)
    states: dict[str, tuple[int, int]] = field(default_factory=dict)
    documents: Documents | None = None


def measure(customers: int, invoices: int) -> Found:
    """Both sizes, a run that is killed again and again, and what was found."""
    small = customers // 10
    with _world(small, invoices // 10) as world:
        _, taken_small = world.undisturbed()
    with _world(customers, invoices) as world:
        before = world.struck()
        digest, taken = world.undisturbed()
        once = _less(world.struck(), before)
        killed, calls, digest_after = world.killed(taken)
        found = Found(
            customers=customers,
            invoices=invoices,
            deals=sum(one.deal for one in match_set.history(invoices, [0])),
            taken=taken,
            small=taken_small,
            small_customers=small,
            killed=killed,
            again=_less(calls, once),
            same_after_kill=digest == digest_after,
            least_calls=world.least_calls(),
        )
        world.judge(found)
        return found


@dataclass
class _World:
    customers: int
    invoices: int
    crm: ground.Served
    books: ground.Served
    ids: Mapping[str, Mapping[str, str]]
    secrets: Path
    pairs: list[tuple[str, str, str, str, str]] = field(default_factory=list)
    known_deals: int = 0
    base: ground.Database | None = None

    def undisturbed(self) -> tuple[str, Taken]:
        """A process that reads and matches, in a database of its own; what it found, and took."""
        with ground.database() as base:
            self.base = base
            done = json.loads(self._start().communicate()[0] or "{}")
            self.pairs = self._pairs()
            self.known_deals = self._do(_known_deals)
            return self._digest(), Taken(**done)

    def killed(self, whole: Taken) -> tuple[int, dict[str, int], str]:
        """
        The same, killed at moments spread over its work until it comes to its end: how often it
        was killed, the calls of all its lives by route, and what it found.
        """
        with ground.database() as base:
            self.base = base
            kills = 0
            total = whole.read_s + whole.match_s
            before = self.struck()
            for part in (0.15, 0.3, 0.3, 0.3):
                child = self._start()
                try:
                    child.communicate(timeout=max(2.0, total * part))
                    break
                except subprocess.TimeoutExpired:
                    os.kill(child.pid, signal.SIGKILL)
                    child.communicate()
                    kills += 1
            else:
                child = self._start()
                child.communicate()
            if child.returncode != 0:
                raise RuntimeError("the matching did not come to its end")
            return kills, _less(self.struck(), before), self._digest()

    def _start(self) -> subprocess.Popen[str]:
        assert self.base is not None
        child = subprocess.Popen(
            [
                *(sys.executable, "-m", "benchmarks.matching", self.base.url),
                *(self.crm.base_url, self.crm.token_url, self.books.base_url, self.books.token_url),
                str(self.secrets),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        # From here on its time counts, not while the machine loads a program.
        assert child.stdout is not None
        child.stdout.readline()
        return child

    def struck(self) -> dict[str, int]:
        """Calls that both sides were asked so far, by route."""
        total: dict[str, int] = {}
        for side in (self.crm, self.books):
            with urlopen(f"{side.base_url}/_sandbox/calls") as answer:
                for route, found in json.loads(answer.read()).items():
                    total[route] = total.get(route, 0) + sum(found.values())
        return total

    def _do(self, work: Any) -> Any:
        assert self.base is not None
        engine = blocking_engine(self.base.url, pool_size=1)
        try:
            with engine.begin() as conn:
                from tieout.bootstrap import SystemClock

                return in_workspace(ground.WORKSPACE, SystemClock().now(), "bench", work)(conn)
        finally:
            engine.dispose()

    def _pairs(self) -> list[tuple[str, str, str, str, str]]:
        def work(tx: Tx) -> list[tuple[str, str, str, str, str]]:
            return [
                tuple(row)
                for row in tx.rows(
                    "SELECT entity, source_id, target_id, state, key FROM match_pair"
                    " WHERE workspace = %(ws)s AND entity IN ('customer', 'document')"
                    " ORDER BY entity, source_id, part, target_id"
                )
            ]

        return self._do(work)  # type: ignore[no-any-return]

    def _digest(self) -> str:
        return hashlib.sha256(repr(self._pairs()).encode()).hexdigest()

    def least_calls(self) -> int:
        """Pages of the largest size that each system gives, if nothing else were asked."""
        deals = sum(one.deal for one in match_set.history(self.invoices, [0]))
        on_crm = ceil(self.customers / 2_000) + ceil(deals / 2_000)
        on_books = ceil(self.customers / 1_000) + ceil(self.invoices / 1_000)
        return on_crm + on_books

    def judge(self, found: Found) -> None:
        """What was found, held against the truth of the set."""
        mine = {key: index for index, key in self.ids["crm"].items()}
        theirs = {key: index for index, key in self.ids["books"].items()}
        right: dict[str, str] = {}
        wrong: set[str] = set()
        states: dict[str, list[int]] = {}
        documents = {"right": 0, "wrong": 0, "ambiguous": 0}
        for entity, source, target, state, _ in self.pairs:
            if entity == "document":
                same = mine[source] == theirs[target.partition(":")[2]]
                word = "ambiguous" if state != "proposed" else "right" if same else "wrong"
                documents[word] += 1
                continue
            if state not in ("matched", "proposed", "ambiguous"):
                continue
            same = mine[source] == theirs[target]
            states.setdefault(state, [0, 0])[not same] += 1
            if same:
                right[mine[source]] = state
            elif state != "ambiguous":
                wrong.add(mine[source])
        for known in match_set.customers(self.customers):
            if known.crm is None or known.books is None:
                continue
            numbered = bool(known.crm.number and known.books.number)
            name = f"{known.corruption}{'' if numbered else ', no number'}"
            one = found.by_corruption.setdefault(name, Quality())
            one.pairs += 1
            state = right.get(str(known.index), "")
            if state:
                setattr(one, state, getattr(one, state) + 1)
            one.wrong += str(known.index) in wrong
        found.states = {state: (good, bad) for state, (good, bad) in sorted(states.items())}
        found.documents = Documents(deals=self.known_deals, **documents)


def _less(after: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    found = {route: number - before.get(route, 0) for route, number in after.items()}
    return {route: number for route, number in sorted(found.items()) if number}


def _known_deals(tx: Tx) -> int:
    row = tx.row(
        "SELECT count(*) FROM mirror d JOIN match_pair k ON k.workspace = d.workspace"
        " AND k.entity = 'known' AND k.source_id = d.customer_id WHERE d.workspace = %(ws)s"
        " AND d.connection = %(crm)s AND d.entity = 'deal'",
        crm=ground.CRM,
    )
    return int(row[0]) if row else 0


@contextmanager
def _world(customers: int, invoices: int) -> Iterator[_World]:
    with tempfile.TemporaryDirectory() as name:
        started: list[subprocess.Popen[str]] = []
        try:
            for system, file in (("salesforce", "crm"), ("visma_eaccounting", "books")):
                started.append(_serve(system, customers, invoices, Path(name) / file))
            sides = [_told(process) for process in started]
            ids = {
                side: json.loads((Path(name) / side).read_text(encoding="utf-8"))
                for side in ("crm", "books")
            }
            secrets = Path(name) / "secrets.json"
            yield _World(customers, invoices, sides[0], sides[1], ids, secrets)
        finally:
            for process in started:
                process.send_signal(signal.SIGTERM)
            for process in started:
                process.wait(timeout=60)


def _serve(system: str, customers: int, invoices: int, ids: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "benchmarks.match_serve", system),
            *(str(customers), str(invoices), str(ids)),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def _told(process: subprocess.Popen[str]) -> ground.Served:
    assert process.stdout is not None
    told = json.loads(process.stdout.readline())
    return ground.Served(told["base_url"], told["token_url"], process)


# --- the process that is measured --------------------


async def _run(url: str, crm: ground.Served, books: ground.Served, secrets: Path) -> dict[str, Any]:
    opened = ground.engine(url, crm, books, crm_settings=SETTINGS, secrets=secrets)
    async with opened as made:
        print("begun", flush=True)
        began = time.perf_counter()
        told: dict[str, float] = {}

        def say(step: str, done: int = 0, total: int = 0) -> None:
            if not step.startswith("Reading"):
                told.setdefault("read_s", time.perf_counter() - began)

        await matching.match(made.engine, made.store, say=say)
        whole = time.perf_counter() - began
        read = told.get("read_s", whole)
        return {
            "read_s": round(read, 1),
            "match_s": round(whole - read, 1),
            "peak_mb": ground.peak_kb() // 1024,
            "calls": sum(made.calls().values()),
        }


if __name__ == "__main__":
    _url, _crm, _crm_token, _books, _books_token, _secrets = sys.argv[1:7]
    _none: Any = None
    print(
        json.dumps(
            asyncio.run(
                _run(
                    _url,
                    ground.Served(_crm, _crm_token, _none),
                    ground.Served(_books, _books_token, _none),
                    Path(_secrets),
                )
            )
        )
    )
