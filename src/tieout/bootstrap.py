"""
Puts the parts together: the only place that names concrete classes.

Everything heavy is imported when it is first needed, so that `tieout --help` is quick.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import import_module
from random import Random
from typing import TYPE_CHECKING, Any

from tieout.core.errors import ConfigurationError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tieout.connectors.http.traffic import Observer
    from tieout.engine.context import Engine
    from tieout.ports import Clock, Connector, Ids, Secrets, Transport
    from tieout.services.project import Project
    from tieout.settings.bridge import Configuration
    from tieout.store.database import Runner
    from tieout.store.postgres import PostgresStore
    from tieout.store.vault import Vault

WORKSPACE = "main"
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
    """26 letters ordered by time: 48 bits of milliseconds, then 80 of chance that only grow."""

    def __init__(self, clock: Clock, random: Random | None = None) -> None:
        self._clock = clock
        self._random = random or secrets.SystemRandom()
        self._last = (0, 0)

    def new(self, kind: str) -> str:
        """A fresh id; two of one process are never equal and sort by when they were made."""
        del kind
        stamp = int(self._clock.now().timestamp() * 1000)
        before, chance = self._last
        if stamp <= before:
            stamp, chance = before, chance + 1
        else:
            chance = self._random.getrandbits(79)
        self._last = (stamp, chance)
        value = (stamp << 80) | chance
        return "".join(_LETTERS[(value >> shift) & 31] for shift in range(125, -1, -5))


# --- systems -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """
    What a sign-in needs to know. ``flag`` answers it beforehand; ``secret`` goes to the vault and
    is never given on a command line; ``from_file`` says that it is asked for as a file.
    """

    name: str
    text: str
    flag: str
    secret: bool = False
    from_file: bool = False
    setting: str = ""
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A way to sign in: what it asks, and the browser's part in it, where there is one."""

    name: str
    questions: tuple[Question, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    browser: Callable[[Any], BrowserAddress] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserAddress:
    """Where a person signs in, for `connectors.http.browser.authorize_address`."""

    url: str
    scope: str
    pkce: bool
    extra: Mapping[str, str] = field(default_factory=dict)


def _visma_browser(settings: Any) -> BrowserAddress:
    from tieout.connectors.visma_eaccounting.settings import SCOPES

    return BrowserAddress(
        url=settings.authorize_url, scope=SCOPES, pkce=False, extra=settings.authorize_extra()
    )


def _salesforce_browser(settings: Any) -> BrowserAddress:
    return BrowserAddress(
        url=f"{settings.token_host}/services/oauth2/authorize",
        scope="api refresh_token",
        pkce=True,
    )


_CLIENT_ID = Question(name="client_id", text="Client id", flag="--client-id")
_CLIENT_SECRET = Question(
    name="client_secret", text="Client secret", flag="--secret-env VAR", secret=True
)


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """
    A system that can be connected. ``settings`` and ``connector`` name classes as module:class;
    ``bound_as`` is the setting that holds the company which a connection belongs to.

    ``grants`` are the ways to sign in, the usual one first; ``api_setting`` and ``sign_in_setting``
    name the addresses that may be others than the vendor's own; ``sign_in_path`` is where a
    simulator gives tokens, '' where the setting is a host without a path.
    """

    name: str
    label: str
    side: str
    settings: str
    connector: str
    bound_as: str
    short: str
    grants: tuple[Grant, ...]
    api_setting: str
    sign_in_setting: str
    sign_in_path: str = ""
    register: str = ""

    def grant(self, name: str) -> Grant:
        """The way to sign in of that name, '' the usual one. Raises `ConfigurationError`."""
        for entry in self.grants:
            if name in (entry.name, ""):
                return entry
        listed = ", ".join(entry.name for entry in self.grants)
        raise ConfigurationError(
            f"{self.label} has no sign-in {name}; there are {listed}.", code="setting_wrong"
        )

    def settings_class(self) -> Any:
        return _class(self.settings)

    def connector_class(self) -> Any:
        return _class(self.connector)

    def make_settings(self, values: Mapping[str, Any]) -> Any:
        """The settings object. Raises `ConfigurationError` for a name that it does not have."""
        kind = self.settings_class()
        try:
            if hasattr(kind, "from_mapping"):
                return kind.from_mapping(values)
            return _plain_settings(kind, values)
        except (ValueError, TypeError) as error:
            raise ConfigurationError(f"{self.label}: {error}.", code="setting_wrong") from None


SYSTEMS: Mapping[str, System] = {
    entry.name: entry
    for entry in (
        System(
            name="salesforce",
            label="Salesforce",
            side="crm",
            settings="tieout.connectors.salesforce:SalesforceSettings",
            connector="tieout.connectors.salesforce:SalesforceConnector",
            bound_as="org_id",
            short="salesforce",
            api_setting="api_url",
            sign_in_setting="login_url",
            register="Make an External Client App in Salesforce (Setup, External Client App "
            "Manager) with the scopes api and refresh_token.",
            grants=(
                Grant(
                    name="jwt",
                    settings={"grant": "jwt"},
                    questions=(
                        _CLIENT_ID,
                        Question(
                            name="user",
                            text="User name of the integration user",
                            flag="--user",
                            setting="user",
                        ),
                        Question(
                            name="private_key",
                            text="File with the private key",
                            flag="--secret-file FILE",
                            secret=True,
                            from_file=True,
                        ),
                    ),
                ),
                Grant(
                    name="refresh",
                    settings={"grant": "refresh"},
                    questions=(_CLIENT_ID, _CLIENT_SECRET),
                    browser=_salesforce_browser,
                ),
                Grant(
                    name="client_credentials",
                    settings={"grant": "client_credentials"},
                    questions=(
                        _CLIENT_ID,
                        _CLIENT_SECRET,
                        Question(
                            name="my_domain",
                            text="Address of the org (https://name.my.salesforce.com)",
                            flag="--my-domain",
                            setting="my_domain",
                        ),
                    ),
                ),
            ),
        ),
        System(
            name="visma_eaccounting",
            label="Visma eAccounting",
            side="books",
            settings="tieout.connectors.visma_eaccounting:VismaSettings",
            connector="tieout.connectors.visma_eaccounting:VismaConnector",
            bound_as="company_id",
            short="visma",
            api_setting="api_url",
            sign_in_setting="token_url",
            sign_in_path="/connect/token",
            register="Visma's API support registers the app and its redirect address.",
            grants=(
                Grant(
                    name="refresh",
                    questions=(_CLIENT_ID, _CLIENT_SECRET),
                    browser=_visma_browser,
                ),
            ),
        ),
    )
}


def system_named(name: str) -> System:
    """The system of that name. Raises `ConfigurationError` with the names that there are."""
    found = SYSTEMS.get(name)
    if found is None:
        raise ConfigurationError(
            f'There is no system "{name}"; there are {", ".join(SYSTEMS)}.', code="unknown_system"
        )
    return found


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


def _class(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)


def _plain_settings(kind: Any, values: Mapping[str, Any]) -> Any:
    from dataclasses import fields

    known = {entry.name: entry for entry in fields(kind)}
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ValueError(f"no such setting: {', '.join(unknown)}")
    defaults = kind()
    made = {
        name: type(getattr(defaults, name))(value) if value is not None else value
        for name, value in values.items()
    }
    return kind(**made)


# --- the database --------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class Opened:
    """A project with its store open. ``do`` runs a store function in one transaction."""

    project: Project
    runner: Runner
    store: PostgresStore
    vault: Vault
    clock: Clock
    ids: Ids
    workspace: str = WORKSPACE
    connectors: dict[str, Connector] = field(default_factory=dict)

    async def do(self, work: Callable[[Any], Any]) -> Any:
        """What the function gives; see `store.database.in_workspace`."""
        return await self.store.do(work)

    async def close_connectors(self) -> None:
        """Lets go of every connector that was opened."""
        opened, self.connectors = self.connectors, {}
        for connector in opened.values():
            await connector.close()


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
    from tieout.store.postgres import PostgresStore
    from tieout.store.vault import Vault

    keys = read_keys(project)
    async with open_database(project, clock, durable=durable) as runner:
        ids = UlidIds(clock)
        actor = who or who_acts()
        opened = Opened(
            project=project,
            runner=runner,
            store=PostgresStore(runner, workspace=WORKSPACE, ids=ids, clock=clock, who=actor),
            vault=Vault(runner, workspace=WORKSPACE, keys=keys, clock=clock),
            clock=clock,
            ids=ids,
        )
        try:
            yield opened
        finally:
            await opened.close_connectors()


@asynccontextmanager
async def open_database(
    project: Project, clock: Clock, *, durable: bool | None = None
) -> AsyncIterator[Runner]:
    """A runner over the project's database."""
    from tieout.store.database import AsyncRunner, async_engine

    with _server(project, _durable(durable)) as url:
        await asyncio.to_thread(_prepare, url, project.name, clock, _durable(durable))
        runner = AsyncRunner(async_engine(url))
        try:
            yield runner
        finally:
            await runner.close()


def _durable(asked: bool | None) -> bool:
    # Tests start hundreds of servers whose data nobody needs after a power cut.
    return os.environ.get("TIEOUT_TEST_NOT_DURABLE") != "1" if asked is None else asked


@contextmanager
def _server(project: Project, durable: bool) -> Iterator[str]:
    """The URL of the server, for as long as it is used."""
    named = os.environ.get("TIEOUT_DATABASE_URL", "")
    if named:
        yield named
        return
    from tieout.store.embedded import EmbeddedServer
    from tieout.store.embedded_place import EmbeddedError

    server = EmbeddedServer(project.ours, durable=durable)
    try:
        url = server.start()
    except EmbeddedError as error:
        raise StoreError(error.message, code=error.code, hint=error.hint) from None
    try:
        yield url
    finally:
        server.stop()


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
    made = open_connector(name, system, settings, opened.vault, opened.clock, observer=observer)
    opened.connectors[name] = made
    return made


async def make_engine(
    opened: Opened, bridge: str, who: str = "", *, observer: Observer | None = None
) -> Engine:
    """
    The engine of a bridge with the configuration version in force.

    Raises `ConfigurationError` where nothing is published, a connection is missing, or its company
    was never asked.
    """
    from tieout.settings.bridge import Configuration
    from tieout.store import admin

    version = await opened.do(lambda tx: admin.in_force(tx, bridge))
    if version is None:
        raise ConfigurationError(
            f"Nothing is published for {bridge}, so nothing runs.",
            code="not_published",
            hint='tieout config publish -m "first version"',
        )
    configuration = Configuration.from_stored(version.body, version.tables)
    return await engine_for(opened, configuration, version.version, who, observer=observer)


async def engine_for(
    opened: Opened,
    configuration: Configuration,
    version: int,
    who: str = "",
    *,
    observer: Observer | None = None,
) -> Engine:
    """The engine of any configuration; ``version`` 0 is one that is not in force."""
    from tieout.engine.context import Engine
    from tieout.services.enrich import NordicEnricher
    from tieout.settings.compile import compile_policy, selections

    companies = await _companies(opened, configuration)
    connectors = {
        name: await connector_of(opened, name, observer=observer)
        for name in (configuration.crm, *configuration.books)
    }
    policy = compile_policy(
        configuration,
        version=version,
        crm_org=companies[configuration.crm].id,
        companies=companies,
    )
    return Engine(
        store=opened.store,
        connectors=connectors,
        policy=policy,
        selections=selections(
            configuration, {name: made.abilities for name, made in connectors.items()}
        ),
        clock=opened.clock,
        ids=opened.ids,
        enrich=NordicEnricher(
            check_vat_state=policy.documents.check_vat_state,
            oss=_uses_oss(companies, configuration),
        ),
        worker=opened.ids.new("worker"),
        who=who or who_acts(),
        process=f"process {os.getpid()}",
        companies=companies,
    )


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
