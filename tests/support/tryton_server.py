"""
A real Tryton for tests: one PostgreSQL and template per run, a database and a server per test.

Take the fixtures by name in a `conftest.py`:

    from support.tryton_server import tryton, tryton_group, tryton_plant  # noqa: F401
"""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

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
    """A fresh company in a Tryton of its own. `admin` is logged in and may do everything."""

    server: TrytonServer
    database: str
    plan: Plan
    admin: Tryton
    books: Books
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

    def plan_of(self, login: str) -> PersonPlan:
        """Name, password and groups of one of the plan's people."""
        return next(person for person in self.plan.people if person.login == login)

    def kill(self) -> None:
        """The server dies as in a crash."""
        self.server.kill()

    def restart(self) -> None:
        """The server comes back on the same port; sessions go on."""
        self.server.stop()
        self.server.start()


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
                admin = serving.client()
                admin.log_in(ADMIN, ADMIN_PASSWORD)
                books = find_books(admin)
                yield RunningTryton(
                    server=serving, database=database, plan=self.plan, admin=admin, books=books
                )
            finally:
                serving.stop()

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
    with server() as running:
        host = parse_qs(urlsplit(running.url()).query)["host"][0]
        postgres = Postgres(host=host, user=OWNER)
        plan = plan_of_tests()
        source = Template(venv=place, postgres=postgres, plan=plan)
        yield TrytonPlant(
            venv=place,
            postgres=postgres,
            template=source.ensure(),
            modules=source.ensure_modules(),
            plan=plan,
            logs=logs,
        )


@pytest.fixture(scope="session")
def tryton_plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrytonPlant]:
    """The session's part: PostgreSQL and templates. A second from the cache, else a minute."""
    with _plant(require_tryton(), tmp_path_factory.mktemp("tryton")) as made:
        yield made


@pytest.fixture
def tryton(tryton_plant: TrytonPlant) -> Iterator[RunningTryton]:
    """A fresh company and server for this test alone."""
    with tryton_plant.running() as running:
        yield running


@pytest.fixture(scope="module")
def tryton_group(tryton_plant: TrytonPlant) -> Iterator[RunningTryton]:
    """One company and server for all tests of a file, which make what they look at themselves."""
    with tryton_plant.running() as running:
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
