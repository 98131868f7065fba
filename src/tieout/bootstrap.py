"""
Puts the parts together: the only place that names concrete classes.

Everything heavy is imported when it is first needed, so that `tieout --help` is quick.
"""

from __future__ import annotations

import asyncio
import gc
import os
import secrets
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING, Any

from tieout.bootstrap_systems import (
    SYSTEMS,
    BrowserAddress,
    Grant,
    Question,
    System,
    system_named,
)
from tieout.core.errors import ConfigurationError, EvidenceError, StoreError

if TYPE_CHECKING:
    from tieout.connectors.http.traffic import Exchange as Exchange  # named by the screens
    from tieout.connectors.http.traffic import Observer
    from tieout.engine.context import Engine
    from tieout.ports import Clock, Connector, Ids, Secrets, Transport
    from tieout.services.number_checks import NumberChecks
    from tieout.services.project import Project
    from tieout.settings.bridge import Configuration
    from tieout.store.database import Runner
    from tieout.store.embedded_place import EmbeddedError
    from tieout.store.marked import MarkedStore
    from tieout.store.vault import Vault

WORKSPACE = "main"

__all__ = [
    "SYSTEMS",
    "BrowserAddress",
    "Grant",
    "Opened",
    "Question",
    "System",
    "SystemClock",
    "UlidIds",
    "collect_rarely",
    "connector_of",
    "engine_for",
    "make_engine",
    "open_connector",
    "open_database",
    "open_project",
    "quota_of",
    "system_named",
    "tokens_of",
    "who_acts",
]
_BOOTTIME = getattr(time, "CLOCK_BOOTTIME", None)


class SystemClock:
    """The machine's clocks. ``steady`` also counts while the machine sleeps, where it can."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def steady(self) -> int:
        if _BOOTTIME is not None:
            return time.clock_gettime_ns(_BOOTTIME) // 1_000_000
        return time.monotonic_ns() // 1_000_000

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class UlidIds:
    """
    26 letters ordered by time: 48 bits of milliseconds, then 80 of chance that only grow. Any
    thread may ask.
    """

    def __init__(self, clock: Clock, random: Random | None = None) -> None:
        self._clock = clock
        self._random = random or secrets.SystemRandom()
        self._last = (0, 0)
        self._lock = threading.Lock()

    def new(self, kind: str) -> str:
        """A fresh id; two of one process are never equal and sort by when they were made."""
        del kind
        stamp = int(self._clock.now().timestamp() * 1000)
        with self._lock:
            before, chance = self._last
            if stamp <= before:
                stamp, chance = before, chance + 1
            else:
                chance = self._random.getrandbits(79)
            self._last = (stamp, chance)
        value = (stamp << 80) | chance
        return "".join(_LETTERS[(value >> shift) & 31] for shift in range(125, -1, -5))


# --- connectors ---------------------------------------------------------------------------------


def open_connector(
    name: str,
    system: System,
    settings: Mapping[str, Any],
    vault: Secrets,
    clock: Clock,
    *,
    observer: Observer | None = None,
    transport: Transport | None = None,
) -> Connector:
    """A connector over the network; who opens it closes it."""
    from tieout.connectors.http.transport import AiohttpTransport

    made: Connector = system.connector_class()(
        name,
        system.make_settings(settings),
        transport or AiohttpTransport(trust_env=True),
        vault,
        clock,
        secrets.SystemRandom(),
        observer=observer,
    )
    return made


# --- the database --------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class Opened:
    """A project with its store open. ``do`` runs a store function in one transaction."""

    project: Project
    runner: Runner
    store: MarkedStore
    vault: Vault
    clock: Clock
    ids: Ids
    workspace: str = WORKSPACE
    connectors: dict[str, Connector] = field(default_factory=dict)
    observer: Observer | None = None
    asking: list[tuple[NumberChecks, Transport]] = field(default_factory=list)

    async def do(self, work: Callable[[Any], Any]) -> Any:
        """What the function gives; see `store.database.in_workspace`."""
        return await self.store.do(work)

    def makes(self, system: str) -> frozenset[str]:
        """The kinds of document that such books can make; see `core.abilities.Abilities`."""
        return frozenset(system_named(system).makes)

    def shows_invoices(self, system: str) -> bool:
        """Whether such a CRM can show invoices of the books as records of their own."""
        return system_named(system).shows_invoices

    def invoice_setting(self, system: str, settings: Mapping[str, Any]) -> str:
        """The setting that a connection to such a CRM lacks to show invoices; '' for none."""
        name = system_named(system).invoice_setting
        found: Any = settings
        for word in name.split(".") if name else ():
            found = found.get(word) if isinstance(found, Mapping) else None
        return "" if found else name

    def lists(self, system: str) -> frozenset[str]:
        """What lists such a system has: 'prices' to read, 'values' to write."""
        return frozenset(system_named(system).lists)

    def holds_persons(self, system: str) -> bool:
        """Whether persons of customers can be kept in step there."""
        return system_named(system).persons

    async def close_connectors(self) -> None:
        """Lets go of every connector that was opened."""
        opened, self.connectors = self.connectors, {}
        for connector in opened.values():
            await connector.close()
        while self.asking:
            checks, transport = self.asking.pop()
            await checks.close()
            await transport.close()


@asynccontextmanager
async def open_project(
    project: Project, clock: Clock, *, who: str = "", durable: bool | None = None
) -> AsyncIterator[Opened]:
    """
    The project's store, ready: server started or reached, migrated, workspace made.

    Raises `StoreError`. ``TIEOUT_DATABASE_URL`` names a server of one's own, else the embedded
    one of the project's folder is used.
    """
    from tieout.services.project import read_keys
    from tieout.store.evidence import HighWater
    from tieout.store.marked import MarkedStore
    from tieout.store.vault import Vault

    keys = read_keys(project)
    async with open_database(project, clock, durable=durable) as runner:
        ids = UlidIds(clock)
        actor = who or who_acts()
        opened = Opened(
            project=project,
            runner=runner,
            store=MarkedStore(
                runner,
                workspace=WORKSPACE,
                ids=ids,
                clock=clock,
                who=actor,
                mark=HighWater(project.high_water),
                check_space=None if _own_server() else lambda: _check_disk(project),
            ),
            vault=Vault(
                runner,
                workspace=WORKSPACE,
                keys=keys,
                clock=clock,
                who=actor,
                keys_now=lambda: read_keys(project),
            ),
            clock=clock,
            ids=ids,
        )
        try:
            yield opened
        finally:
            await opened.close_connectors()
            with suppress(StoreError, EvidenceError):
                # What is wrong with them was said by the command itself, or is by the next run.
                await _note_mark(opened)


@asynccontextmanager
async def open_database(
    project: Project, clock: Clock, *, durable: bool | None = None
) -> AsyncIterator[Runner]:
    """A runner over the project's database."""
    from tieout.store.database import ThreadRunner

    async with _server(project, _durable(durable)) as url:
        await asyncio.to_thread(_prepare, url, project.name, clock, _durable(durable))
        runner = ThreadRunner(url)
        try:
            yield runner
        finally:
            await runner.close()


def _durable(asked: bool | None) -> bool:
    # Tests start hundreds of servers whose data nobody needs after a power cut.
    return os.environ.get("TIEOUT_TEST_NOT_DURABLE") != "1" if asked is None else asked


def _own_server() -> str:
    """The URL of a server of one's own, whose disk is not ours to look at; else empty."""
    return os.environ.get("TIEOUT_DATABASE_URL", "")


def _check_address(url: str) -> None:
    if wrong := _wrong_address(url):
        raise ConfigurationError(
            wrong,
            code="database_address",
            hint="Set it to postgresql://user@host:5432/database, or leave it out.",
        )


def _wrong_address(url: str) -> str:
    """What is wrong with an address, if anything; it is not repeated: it may hold a password."""
    from psycopg import ProgrammingError
    from psycopg.conninfo import make_conninfo
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    none = "TIEOUT_DATABASE_URL does not name a PostgreSQL server."
    try:
        read = make_url(url)
    except (ArgumentError, ValueError):
        return none
    if read.drivername not in ("postgresql", "postgresql+psycopg"):
        return none
    for option in read.query:
        try:
            make_conninfo("", **{option: ""})
        except ProgrammingError:
            return f"TIEOUT_DATABASE_URL has an option that PostgreSQL does not know: {option}."
    return ""


def _check_disk(project: Project) -> None:
    from tieout.services.project import check_disk

    check_disk(project)


@asynccontextmanager
async def _server(project: Project, durable: bool) -> AsyncIterator[str]:
    """The URL of the server, for as long as it is used."""
    named = _own_server()
    if named:
        _check_address(named)
        yield named
        return
    from tieout.store.embedded import EmbeddedServer
    from tieout.store.embedded_place import EmbeddedError

    server = EmbeddedServer(project.ours, durable=durable)
    # In threads: a start may wait for another process, and Ctrl-C must be heard meanwhile.
    starting = asyncio.ensure_future(asyncio.to_thread(server.start))
    try:
        try:
            url = await asyncio.shield(starting)
        except asyncio.CancelledError:
            await asyncio.wait([starting])
            raise
        yield url
    except EmbeddedError as error:
        raise _not_usable(error) from None
    finally:
        try:
            await asyncio.to_thread(server.stop)
        except EmbeddedError as error:
            raise _not_usable(error) from None


def _not_usable(error: EmbeddedError) -> StoreError:
    return StoreError(error.message, code=error.code, hint=error.hint)


def _prepare(url: str, name: str, clock: Clock, durable: bool) -> None:
    """Migrates where that is needed, and makes the workspace."""
    from tieout.store.database import _translated, blocking_engine
    from tieout.store.workspaces import ensure_workspace

    owner = blocking_engine(url, as_app=False, pool_size=1)
    try:
        with _translated(), owner.connect() as conn:
            current = _is_current(conn)
        if not current:
            from tieout.store.migrate import prepare

            prepare(owner, durable=durable)
        else:
            _check(owner, durable)
        with _translated(), owner.begin() as conn:
            conn.exec_driver_sql("SET LOCAL ROLE tieout_app")
            ensure_workspace(WORKSPACE, name, clock.now())(conn)
    finally:
        owner.dispose()


def _is_current(conn: Any) -> bool:
    """Whether the newest migration of this program has run: then Alembic need not be asked."""
    from pathlib import Path

    from tieout.store import migrations

    there = conn.exec_driver_sql("SELECT to_regclass('public.alembic_version')").scalar()
    if there is None:
        return False
    found = conn.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    versions = Path(migrations.__path__[0]) / "versions"
    newest = max(path.stem.rpartition("_")[2] for path in versions.glob("*_[0-9]*.py"))
    return bool(found == newest)


def _check(owner: Any, durable: bool) -> None:
    from tieout.store.database import _translated

    with _translated(), owner.connect() as conn:
        from tieout.store.migrate import check_bound, check_durable

        if durable:
            check_durable(conn)
        check_bound(conn)


def who_acts(given: str = "") -> str:
    """Who is recorded as acting: ``--as``, else TIEOUT_ACTOR, else the login name."""
    if given or os.environ.get("TIEOUT_ACTOR"):
        return given or os.environ["TIEOUT_ACTOR"]
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"uid {os.getuid()}"


# --- engines -------------------------------------------------------------------------------------


async def connector_of(opened: Opened, name: str, *, observer: Observer | None = None) -> Connector:
    """
    The connector of a stored connection, bound to the company that it was added for.

    It is closed with the project. Raises `ConfigurationError` where there is none of that name.
    """
    if name in opened.connectors:
        return opened.connectors[name]
    from tieout.store import admin

    row = await opened.do(lambda tx: admin.get_connection(tx, name))
    if row is None:
        raise ConfigurationError(
            f'There is no connection "{name}".',
            code="connection_missing",
            hint="tieout connection list",
        )
    system = system_named(row.system)
    settings = dict(row.settings)
    if row.company is not None and not settings.get(system.bound_as):
        settings[system.bound_as] = row.company.id
    made = open_connector(
        name,
        system,
        settings,
        opened.vault,
        opened.clock,
        observer=observer or opened.observer,
    )
    opened.connectors[name] = made
    return made


def collect_rarely() -> None:
    """
    A run makes many values that live long and hardly a cycle: what was loaded so far is left out
    of the collector's rounds, and those come less often. A fifth of a run's time went into them.
    """
    gc.freeze()
    gc.set_threshold(50_000, 25, 25)


async def make_engine(
    opened: Opened, bridge: str, who: str = "", *, observer: Observer | None = None
) -> Engine:
    """
    The engine of a bridge with the configuration version in force.

    Raises `ConfigurationError` where nothing is published, a connection is missing, or its company
    was never asked.
    """
    from tieout.settings.bridge import Configuration
    from tieout.store import admin, recovering

    version = await opened.do(lambda tx: admin.in_force(tx, bridge))
    if version is None:
        raise ConfigurationError(
            f"Nothing is published for {bridge}, so nothing runs.",
            code="not_published",
            hint='tieout config publish -m "first version"',
        )
    configuration = Configuration.from_stored(version.body, version.tables)
    engine = await engine_for(opened, configuration, version.version, who, observer=observer)
    collect_rarely()
    await _recognise_restore(opened, engine)
    if await opened.do(lambda tx: recovering.flows_held(tx, bridge)):
        engine.policy, engine.by_hand = engine.policy.by_hand(), True
    return engine


async def _recognise_restore(opened: Opened, engine: Engine) -> None:
    """
    A database that was put back begins its recovery: nothing is written before both sides were
    read, and then not without a person. Raises `EvidenceError` where the mark is damaged, since
    nobody can tell then.
    """
    from tieout.engine.recover import begin_recovery
    from tieout.store import admin, recovering
    from tieout.store.evidence import HighWater, is_restored

    noted = HighWater(opened.project.high_water).read()
    if noted is not None and await opened.do(lambda tx: is_restored(tx, noted)):
        others = await _all_connectors(opened)
        await begin_recovery(engine, noted.epoch, noted.seq, others)
        now = opened.clock.now()
        await opened.do(
            lambda tx: recovering.hold_flows(
                tx, [version.bridge for version in admin.bridges(tx)], now
            )
        )
        await opened.store.note_mark()


async def _all_connectors(opened: Opened) -> list[Connector]:
    """Those of every connection that is stored; one that cannot be made has sent nothing."""
    from tieout.store import admin

    found = []
    for row in await opened.do(admin.list_connections):
        with suppress(ConfigurationError):
            found.append(await connector_of(opened, row.name))
    return found


async def _note_mark(opened: Opened) -> None:
    """The mark follows the log, unless the log is behind it."""
    from tieout.store.evidence import HighWater, is_restored

    noted = HighWater(opened.project.high_water).read()
    if not await opened.do(lambda tx: is_restored(tx, noted)):
        await opened.store.note_mark()


async def engine_for(
    opened: Opened,
    configuration: Configuration,
    version: int,
    who: str = "",
    *,
    observer: Observer | None = None,
) -> Engine:
    """The engine of any configuration; ``version`` 0 is one that is not in force."""
    from tieout.bootstrap_clocks import Listener
    from tieout.engine.context import Engine
    from tieout.services.enrich import NordicEnricher
    from tieout.settings.compile import compile_policy, selections

    companies = await _companies(opened, configuration)
    clocks = Listener()
    connectors = {
        name: await connector_of(
            opened, name, observer=clocks.of(name, observer or opened.observer)
        )
        for name in (configuration.crm, *configuration.books)
    }
    policy = compile_policy(
        configuration,
        version=version,
        crm_org=companies[configuration.crm].id,
        companies=companies,
    )
    enrich = NordicEnricher(
        check_vat_state=policy.documents.check_vat_state,
        oss=_uses_oss(companies, configuration),
    )
    engine = Engine(
        store=opened.store,
        connectors=connectors,
        policy=policy,
        selections=selections(
            configuration, {name: made.abilities for name, made in connectors.items()}
        ),
        clock=opened.clock,
        ids=opened.ids,
        enrich=enrich,
        registers=_registers(opened, policy, enrich),
        worker=opened.ids.new("worker"),
        who=who or who_acts(),
        process=f"process {os.getpid()}",
        companies=companies,
    )
    clocks.engine = engine
    return engine


def _registers(opened: Opened, policy: Any, enrich: Any) -> Any:
    """What asks the registers of VAT numbers, where the configuration says so."""
    if not policy.documents.check_vat_state:
        return None
    from tieout.bootstrap_registers import registers_of
    from tieout.connectors.http.transport import AiohttpTransport

    transport = AiohttpTransport(trust_env=True)
    checks = registers_of(policy, opened.store, enrich, opened.clock, transport)
    if checks is not None:
        opened.asking.append((checks, transport))
    return checks


async def _companies(opened: Opened, configuration: Any) -> dict[str, Any]:
    from tieout.store import admin

    found = {}
    rows = {row.name: row for row in await opened.do(admin.list_connections)}
    for name in (configuration.crm, *configuration.books):
        row = rows.get(name)
        if row is None or row.company is None:
            raise ConfigurationError(
                f'There is no connection "{name}" yet.'
                if row is None
                else f"The company behind {name} is not known yet.",
                code="connection_missing",
                hint="tieout connection add" if row is None else f"tieout connection test {name}",
            )
        found[name] = row.company
    return found


def _uses_oss(companies: Mapping[str, Any], configuration: Any) -> bool | None:
    """Whether the books use the one-stop shop, where all of them say the same."""
    told = {companies[name].facts.get("uses_oss") for name in configuration.books}
    said = told.pop() if len(told) == 1 else None
    return said if isinstance(said, bool) else None


def tokens_of(connector: Connector) -> Any:
    """The connector's `TokenKeeper`, to which a browser's code is given."""
    held = getattr(connector, "tokens", None)
    return held if held is not None else connector.api.tokens  # type: ignore[attr-defined]


def quota_of(connector: Connector) -> str | None:
    """The part of the vendor's calls that is in use, as a fraction; None where nobody tells."""
    from decimal import Decimal

    api = getattr(connector, "api", None)
    usage = getattr(api, "usage", None)
    if usage is not None and usage.most:
        return format(Decimal(usage.used) / Decimal(usage.most), ".4f")
    client = getattr(connector, "client", None)
    return None if client is None else format(client.budget.share_used(), ".4f")
