"""
A real Tryton for tests: one PostgreSQL and template per run, one server per worker, a database of
its own per test.

Take the fixtures by name in a `conftest.py`:

    from support.tryton_server import tryton, tryton_group, tryton_plant  # noqa: F401
"""

from __future__ import annotations

import base64
import http.client
import itertools
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import LiteralString
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from support.database import server
from tieout.store.embedded import OWNER
from tieout_sandbox.tryton.books import Books, find_books
from tieout_sandbox.tryton.firm import nordljus
from tieout_sandbox.tryton.plan import ADMIN, ADMIN_PASSWORD, PersonPlan, Plan, nordic
from tieout_sandbox.tryton.postgres import Postgres
from tieout_sandbox.tryton.rpc import Tryton
from tieout_sandbox.tryton.server import TrytonServer
from tieout_sandbox.tryton.template import Template, installed_module, module_files

ROOT = Path(__file__).resolve().parents[2]
WITHOUT = "TIEOUT_WITHOUT_TRYTON"
_number = itertools.count(1)
# Companies that one server is used for before the next one is started.
_MOST_SERVED = 10


def venv() -> Path:
    """The environment with Tryton in it; TIEOUT_TRYTON_VENV names another than make's."""
    return Path(os.environ.get("TIEOUT_TRYTON_VENV") or ROOT / ".venv-tryton")


def plan_of_tests() -> Plan:
    """The books of the tests: 2025 to 2027, and the years around the clock of trytond."""
    now = datetime.now(UTC).year
    return nordic([2025, 2026, 2027, now - 1, now, now + 1])


def _plan_of_demo() -> Plan:
    """The books that `tieout demo --books tryton` begins with on this day."""
    this = datetime.now(UTC).astimezone().year
    return nordljus([this - 1, this, this + 1])


@dataclass(slots=True, kw_only=True)
class RunningTryton:
    """A fresh company in a database of its own. `admin` is logged in and may do everything."""

    server: TrytonServer
    database: str
    plan: Plan
    admin: Tryton
    books: Books
    postgres: Postgres
    alone: bool = True
    _people: dict[str, Tryton] = field(default_factory=dict)

    @property
    def port(self) -> int:
        return self.server.port

    @property
    def url(self) -> str:
        """Like `http://127.0.0.1:20001`; the database's name comes after it in each path."""
        return self.server.url

    def person(self, login: str) -> Tryton:
        """The session of one of the plan's people: `tieout`, `anna` or `gast`."""
        if login not in self._people:
            session = self.server.client(self.database)
            session.company = self.books.company
            session.log_in(login, self.plan_of(login).password)
            self._people[login] = session
        return self._people[login]

    def session(self, login: str) -> str:
        """A session of one of the plan's people as a connector keeps it: a sign-in is dear."""
        return self.person(login)._session

    def plan_of(self, login: str) -> PersonPlan:
        """Name, password and groups of one of the plan's people."""
        return next(person for person in self.plan.people if person.login == login)

    def sql(self, statement: LiteralString, *values: object) -> None:
        """One statement on the database itself, as a script of somebody's does it."""
        with psycopg.connect(
            host=self.postgres.host,
            port=self.postgres.port,
            user=self.postgres.user,
            password=self.postgres.password or None,
            dbname=self.database,
        ) as tables:
            tables.execute(statement, values)

    def kill(self) -> None:
        """The server dies as in a crash. It has to be a server of its own."""
        assert self.alone, "others use this server: take the fixture tryton_alone"
        self.server.kill()

    def restart(self) -> None:
        """The server comes back on the same port; sessions go on."""
        assert self.alone, "others use this server: take the fixture tryton_alone"
        self.server.stop()
        self.server.start()


@dataclass(slots=True)
class _Shared:
    """A server that is used by the companies of several tests."""

    server: TrytonServer
    served: int = 0
    using: int = 0

    def load(self, database: str) -> None:
        """
        Let it load the models of a database that was made after its start. A sign-in alone never
        does. Which databases there are it asks anew for each name that it is called by.
        """
        called = f"{database.replace('_', '-')}.localhost"
        named = base64.urlsafe_b64encode(database.encode()).decode().rstrip("=")
        asking = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        try:
            asking.request("GET", f"/avatar/{named}/none", headers={"Host": called})
            asking.getresponse().read()
        finally:
            asking.close()

    def answers(self) -> bool:
        """Whether it is there."""
        try:
            self.server.client().version()
        except OSError:
            return False
        return True


@dataclass(slots=True, kw_only=True)
class TrytonPlant:
    """
    Where fresh Trytons come from: the run's PostgreSQL and the databases to copy in it.

    `template` holds the plan's company, `modules` none.
    """

    venv: Path
    postgres: Postgres
    template: str
    modules: str
    plan: Plan
    logs: Path
    _shared: list[_Shared] = field(default_factory=list)

    @contextmanager
    def database(self) -> Iterator[str]:
        """The name of a fresh copy of the template (0.2 s); dropped afterwards."""
        worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
        name = f"tryton_{worker}_{os.getpid()}_{next(_number)}"
        self.postgres.copy(self.template, name)
        try:
            yield name
        finally:
            self.postgres.drop(name)

    @contextmanager
    def running(self, settings: dict[str, str] | None = None) -> Iterator[RunningTryton]:
        """A fresh company in a server process of its own (about 1.5 s)."""
        with self.database() as database:
            serving = self.server(database, settings=settings)
            try:
                serving.start()
                yield self._entered(serving, database, alone=True)
            finally:
                serving.stop()

    @contextmanager
    def sharing(self) -> Iterator[RunningTryton]:
        """A fresh company in a server that other tests of this process use too (about 0.8 s)."""
        with self.database() as database:
            shared = self._serving(database)
            shared.using += 1
            try:
                yield self._entered(shared.server, database, alone=False)
            finally:
                shared.using -= 1
                self._end_used_up()

    def _entered(self, server: TrytonServer, database: str, *, alone: bool) -> RunningTryton:
        admin = server.client(database)
        admin.log_in(ADMIN, ADMIN_PASSWORD)
        books = find_books(admin)
        return RunningTryton(
            server=server,
            database=database,
            plan=self.plan,
            admin=admin,
            books=books,
            postgres=self.postgres,
            alone=alone,
        )

    def _serving(self, database: str) -> _Shared:
        """A shared server that has loaded that database."""
        for shared in self._shared:
            if shared.served < _MOST_SERVED and shared.answers():
                shared.load(database)
                break
        else:
            shared = _Shared(self.server(database))
            shared.server.start()
            self._shared.append(shared)
        shared.served += 1
        return shared

    def _end_used_up(self) -> None:
        # What a server has loaded of a database stays in its memory (17 MB) when that is gone.
        for shared in [one for one in self._shared if one.served >= _MOST_SERVED]:
            if not shared.using:
                shared.server.stop()
                self._shared.remove(shared)

    def close(self) -> None:
        """No shared server goes on."""
        while self._shared:
            self._shared.pop().server.stop()

    def server(self, *databases: str, settings: dict[str, str] | None = None) -> TrytonServer:
        """A server over these databases, not started."""
        return TrytonServer(
            venv=self.venv,
            postgres=self.postgres,
            databases=databases,
            log=self.logs / f"{databases[0]}.log",
            settings=settings,
        )


def require_tryton() -> Path:
    """The Tryton environment; the test fails without it, or is skipped where that is wanted."""
    place = venv()
    if os.environ.get(WITHOUT) == "1":
        pytest.skip(f"{WITHOUT}=1: tests against a real Tryton are left out")
    if not (place / "bin" / "trytond").is_file():
        pytest.fail(f"{place} is missing: make test builds it ({WITHOUT}=1 leaves it out)")
    if module_files(installed_module(place)) != module_files(ROOT / "tryton" / "tieout_tryton"):
        pytest.fail(f"{place} holds an older state of tryton/: make test builds it")
    return place


@contextmanager
def _plant(place: Path, logs: Path) -> Iterator[TrytonPlant]:
    running = server()
    host = parse_qs(urlsplit(running.url()).query)["host"][0]
    postgres = Postgres(host=host, user=OWNER)
    plan = plan_of_tests()
    source = Template(venv=place, postgres=postgres, plan=plan)
    made = TrytonPlant(
        venv=place,
        postgres=postgres,
        template=source.ensure(),
        modules=source.ensure_modules(),
        plan=plan,
        logs=logs,
    )
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="session")
def tryton_plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrytonPlant]:
    """The session's part: PostgreSQL and templates. A second from the cache, else a minute."""
    with _plant(require_tryton(), tmp_path_factory.mktemp("tryton")) as made:
        yield made


@pytest.fixture
def tryton(tryton_plant: TrytonPlant) -> Iterator[RunningTryton]:
    """A fresh company for this test alone, in the server of this worker."""
    with tryton_plant.sharing() as running:
        yield running


@pytest.fixture
def tryton_alone(tryton_plant: TrytonPlant) -> Iterator[RunningTryton]:
    """A fresh company and a server for this test alone, which it may kill."""
    with tryton_plant.running() as running:
        yield running


@pytest.fixture(scope="module")
def tryton_group(tryton_plant: TrytonPlant) -> Iterator[RunningTryton]:
    """One company for all tests of a file, which make what they look at themselves."""
    with tryton_plant.sharing() as running:
        yield running


@contextmanager
def plant() -> Iterator[TrytonPlant]:
    """The same outside of a test."""
    with tempfile.TemporaryDirectory() as logs, _plant(venv(), Path(logs)) as made:
        yield made


def prepare() -> None:
    """Put the templates into the cache, so that no test has to wait for them."""
    with plant() as made:
        Template(venv=made.venv, postgres=made.postgres, plan=_plan_of_demo()).ensure()
        print(f"Tryton's databases are ready: {made.template}")


if __name__ == "__main__":
    prepare()
