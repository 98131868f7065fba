"""Connections: added, tested and renewed. Nothing is stored before it worked once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tieout.connectors.http.addresses import is_loopback
from tieout.connectors.http.browser import (
    RedirectListener,
    authorize_address,
    code_from_address,
    pkce_verifier,
)
from tieout.core.abilities import Abilities, Reads
from tieout.core.errors import (
    ConfigurationError,
    ConnectionBrokenError,
    SyncError,
    TransientError,
)
from tieout.core.finding import Finding, Severity
from tieout.core.model import Company
from tieout.services.usage import UsedWronglyError
from tieout.settings.bridge_kinds import plain_name
from tieout.store import admin
from tieout.store.admin import ConnectionRow

if TYPE_CHECKING:
    from tieout.bootstrap import BrowserAddress, Grant, Opened, System
    from tieout.ports import Connector

SIGN_IN_S = 300


class Staged:
    """
    A vault in memory for a sign-in that is being tried; what worked goes into the real one.

    It satisfies `ports.Secrets`.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)

    def __repr__(self) -> str:
        return f"<Staged {sorted(self._values)}>"

    async def get(self, connection: str, name: str) -> str | None:
        return self._values.get(name)

    async def put(self, connection: str, values: Mapping[str, str]) -> None:
        self._values.update(values)

    async def forget_old(self, connection: str) -> None:
        """There is one generation."""

    async def older(self, connection: str, name: str) -> str | None:
        return None

    async def acquire(self, connection: str, holder: str, seconds: int) -> bool:
        return True

    def worked(self) -> dict[str, str]:
        """What is worth keeping."""
        return {name: value for name, value in self._values.items() if name != "sign_in_refused"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A connection to be. ``secrets`` has what was answered; a browser may bring the rest."""

    system: System
    grant: Grant
    name: str
    settings: Mapping[str, Any]
    secrets: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """What a connection answered. ``quota`` is the part of the vendor's calls in use, or None."""

    name: str
    company: Company
    findings: tuple[Finding, ...]
    abilities: Abilities
    quota: str | None

    @property
    def works(self) -> bool:
        """Whether nothing is missing that every flow needs."""
        return all(finding.severity is not Severity.ERROR for finding in self.findings)


SignIn = Callable[["BrowserAddress", str], Awaitable["Answered"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What came back from the browser."""

    code: str = field(repr=False)
    redirect_uri: str
    verifier: str = field(repr=False, default="")


# --- adding --------------------------------------------------------------------------------------


def settings_for(
    system: System, grant: Grant, *, base_url: str, token_url: str, given: Mapping[str, Any]
) -> dict[str, Any]:
    """
    The settings of a new connection: the grant's, those that were given, and addresses.

    A base address on this machine is a simulator, so that tokens come from there too unless
    another address is named.
    """
    made: dict[str, Any] = {**grant.settings, **given}
    base = base_url.rstrip("/")
    if base:
        made[system.api_setting] = base
        if not token_url and is_loopback(urlsplit(base).hostname or ""):
            token_url = base + system.sign_in_path
    if token_url:
        made[system.sign_in_setting] = token_url if system.sign_in_path else _origin(token_url)
        if "authorize_url" in _fields(system):
            made.setdefault("authorize_url", _beside(token_url, "/connect/authorize"))
        if "audience" in _fields(system) and is_loopback(urlsplit(token_url).hostname or ""):
            made.setdefault("audience", "https://login.salesforce.com")
    system.make_settings(made)
    return made


def _fields(system: System) -> frozenset[str]:
    from dataclasses import fields

    return frozenset(entry.name for entry in fields(system.settings_class()))


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _beside(url: str, path: str) -> str:
    return _origin(url) + path


async def require_free(opened: Opened, name: str) -> None:
    """
    Raises `UsedWronglyError` where a connection has that name, or no file could call it so.
    Asked before a sign-in, which may use up a token that is good for once.
    """
    try:
        plain_name(name or "any")
    except ValueError as error:
        raise UsedWronglyError(f"{error} Nothing was changed.", hint="Give --name") from None
    if name and await opened.do(lambda tx: admin.get_connection(tx, name)) is not None:
        raise UsedWronglyError(
            f"There is a connection {name} already. Nothing was changed.",
            code="connection_exists",
            hint=f"tieout connection rotate {name}",
        )


async def add(opened: Opened, wanted: Wanted, sign_in: SignIn | None) -> Tested:
    """
    Signs in, tests, and stores: the connection with its company, the secrets sealed.

    Raises what the connector raises, with nothing stored.
    """
    staged = Staged(wanted.secrets)
    try:
        async with _tried(opened, wanted, staged) as connector:
            if sign_in is not None and not await staged.get(wanted.name, "refresh_token"):
                await _browser(wanted, connector, sign_in)
            tested = await examine(connector)
    except ConnectionBrokenError as error:
        raise ConnectionBrokenError(
            f"{error.message} Nothing was stored.",
            code=error.code,
            hint=f"tieout connection add {wanted.system.name}",
        ) from None
    except TransientError as error:
        raise TransientError(
            f"{error.message} Nothing was stored.",
            code=error.code,
            hint=error.hint,
            retry_after_s=error.retry_after_s,
        ) from None
    name = wanted.name or await _name_for(opened, wanted.system, tested.company)
    tested = _named(tested, name)
    generation = await opened.vault.put_new(name, staged.worked())
    added = await opened.do(
        lambda tx: admin.add_connection(
            tx,
            ConnectionRow(
                name=name,
                system=wanted.system.name,
                side=wanted.system.side,
                settings=wanted.settings,
                company=_noted(tested),
                state="ok" if tested.works else _first_error(tested).code,
                detail="" if tested.works else _first_error(tested).message,
                tested_at=opened.clock.now(),
            ),
        )
    )
    if not added:
        # Another one was added under that name meanwhile: its sign-in stays.
        await opened.vault.step_back(name, generation)
        await require_free(opened, name)
    return tested


async def rotate(
    opened: Opened, row: ConnectionRow, wanted: Wanted, sign_in: SignIn | None
) -> tuple[Tested, int]:
    """
    A new sign-in for a connection. The old one goes only after the new one worked for the same
    company; else nothing is changed. Also how many changes wait on it.
    """
    staged = Staged(wanted.secrets)
    async with _tried(opened, wanted, staged) as connector:
        if sign_in is not None and not await staged.get(row.name, "refresh_token"):
            await _browser(wanted, connector, sign_in)
        tested = await examine(connector)
    if row.company is not None and tested.company.id != row.company.id:
        raise ConnectionBrokenError(
            f"This sign-in leads to another company: {tested.company.name}, not "
            f"{row.company.name}. Nothing was changed.",
            code="company_changed",
            hint=f"tieout connection rotate {row.name}",
        )
    tested = replace(tested, name=row.name)
    await opened.vault.put(row.name, staged.worked())
    await opened.vault.forget(row.name, ("sign_in_refused",))
    await opened.vault.forget_old(row.name)
    now = opened.clock.now()

    def note(tx: Any) -> int:
        admin.set_company(tx, row.name, _noted(tested), now)
        admin.note_rotation(tx, row.name)
        return admin.due_again(tx, row.name, now)

    return tested, await opened.do(note)


def _named(tested: Tested, name: str) -> Tested:
    """The same under the name that it gets, also in commands that findings tell to type."""
    before = f" {tested.name}"
    findings = tuple(
        replace(finding, hint=finding.hint.replace(before, f" {name}"))
        if finding.hint.startswith("tieout ")
        else finding
        for finding in tested.findings
    )
    return replace(tested, name=name, findings=findings)


@asynccontextmanager
async def _tried(opened: Opened, wanted: Wanted, staged: Staged) -> AsyncIterator[Connector]:
    from tieout.bootstrap import open_connector

    connector = open_connector(
        wanted.name or wanted.system.short,
        wanted.system,
        wanted.settings,
        staged,
        opened.clock,
        observer=opened.observer,
    )
    try:
        yield connector
    finally:
        await connector.close()


async def _browser(wanted: Wanted, connector: Connector, sign_in: SignIn) -> None:
    from tieout.bootstrap import tokens_of

    assert wanted.grant.browser is not None
    address = wanted.grant.browser(wanted.system.make_settings(wanted.settings))
    answered = await sign_in(address, wanted.secrets["client_id"])
    await tokens_of(connector).exchange_code(
        answered.code, answered.redirect_uri, answered.verifier
    )


async def _name_for(opened: Opened, system: System, company: Company) -> str:
    """The name that the project's file waits for, else like visma-se, made unique."""
    taken = {row.name for row in await opened.do(admin.list_connections)}
    for name in _expected(opened, system.side):
        if name not in taken:
            return name
    end = company.country.lower() or "1"
    if system.side == "crm":
        end = "sandbox" if company.facts.get("sandbox") else "prod"
    plain = f"{system.short}-{end}"
    names = (plain, *(f"{plain}-{number}" for number in range(2, 1000)))
    return next(name for name in names if name not in taken)


def _expected(opened: Opened, side: str) -> Sequence[str]:
    from tieout.settings.bridge import Configuration, load_bridge

    written = load_bridge(opened.project.root, sleep=lambda _: None)
    if not isinstance(written, Configuration):
        return ()
    return (written.crm,) if side == "crm" else written.books


# --- testing -------------------------------------------------------------------------------------


async def examine(connector: Connector) -> Tested:
    """Signs in and asks for everything that would fail later; writes nothing."""
    from tieout.bootstrap import quota_of

    company = await connector.company()
    findings = tuple(await connector.check())
    return Tested(
        name=connector.name,
        company=company,
        findings=findings,
        abilities=connector.abilities,
        quota=quota_of(connector),
    )


async def test(opened: Opened, name: str) -> Tested:
    """
    Tests a stored connection and notes what came of it. Raises what the connector raises.
    """
    from tieout.bootstrap import connector_of

    connector = await connector_of(opened, name)
    now = opened.clock.now()
    try:
        tested = await examine(connector)
    except SyncError as error:
        code, message = error.code, error.message
        await opened.do(lambda tx: admin.set_state(tx, name, code, message, now))
        raise
    if tested.works:
        await opened.do(lambda tx: admin.set_company(tx, name, _noted(tested), now))
    else:
        first = _first_error(tested)
        await opened.do(lambda tx: admin.set_state(tx, name, first.code, first.message, now))
    return replace(tested, name=name)


async def with_what_waits(opened: Opened, name: str, error: SyncError) -> SyncError:
    """The same error with how many changes wait on the connection, so that nobody is afraid."""
    waiting = await opened.do(lambda tx: admin.waiting_on(tx, name))
    if waiting:
        one = waiting == 1
        error.message = (
            f"{error.message} {waiting} change{'' if one else 's'} wait{'s' if one else ''}, "
            "none is lost."
        )
    return error


def _noted(tested: Tested) -> Company:
    if tested.quota is None:
        return tested.company
    return replace(tested.company, facts={**tested.company.facts, "quota_used": tested.quota})


def _first_error(tested: Tested) -> Finding:
    return next(entry for entry in tested.findings if entry.severity is Severity.ERROR)


def can(abilities: Abilities) -> list[tuple[str, str]]:
    """What the connection can do: `customers, documents` → `read, write`."""
    by_what: dict[str, list[str]] = {}
    for entity, has in abilities.entities.items():
        parts = []
        if has.reads is not Reads.NONE:
            parts.append("read")
        if has.actions:
            parts.append("write")
        if parts:
            by_what.setdefault(", ".join(parts), []).append(_PLURAL[str(entity)])
    return [(", ".join(names), what) for what, names in by_what.items()]


_PLURAL = {
    "customer": "customers",
    "contact": "contacts",
    "item": "items",
    "price": "prices",
    "code": "codes",
    "values": "lists of values",
    "deal": "deals",
    "document": "documents",
    "payment": "payments",
    "balance": "balances",
    "standing": "standings",
}


# --- the browser ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Browser:
    """
    How a person signs in: by a browser that comes back to a loopback address, or by pasting the
    address that it came back to.

    ``show`` tells the address, ``launch`` opens it (None: not), ``pasted`` waits for a line (None:
    nobody can paste), ``draw(n)`` gives random text.
    """

    show: Callable[[str], None]
    launch: Callable[[str], object] | None
    pasted: Callable[[], Awaitable[str]] | None
    draw: Callable[[int], str]
    redirect_uri: str = ""
    port: int = 0
    timeout_s: int = SIGN_IN_S

    async def sign_in(self, address: BrowserAddress, client_id: str) -> Answered:
        """The code that came back. Raises `ConnectionBrokenError` where none does."""
        state = self.draw(24)
        verifier = pkce_verifier(self.draw) if address.pkce else ""
        if self.redirect_uri and not is_loopback(urlsplit(self.redirect_uri).hostname or ""):
            self._open(address, client_id, self.redirect_uri, state, verifier)
            code = code_from_address(await self._paste(), state)
            return Answered(code=code, redirect_uri=self.redirect_uri, verifier=verifier)
        listener = self._listener(state)
        try:
            await listener.__aenter__()
        except OSError:
            raise ConfigurationError(
                f"Port {self._wanted_port()} is taken.", code="port_taken", hint="Give --port 0"
            ) from None
        try:
            uri = self.redirect_uri or listener.redirect_uri
            self._open(address, client_id, uri, state, verifier)
            code = await self._first(listener, state)
        finally:
            await listener.__aexit__(None, None, None)
        return Answered(code=code, redirect_uri=uri, verifier=verifier)

    def _listener(self, state: str) -> RedirectListener:
        path = urlsplit(self.redirect_uri).path or "/callback"
        return RedirectListener(state=state, port=self._wanted_port(), path=path)

    def _wanted_port(self) -> int:
        return self.port or (urlsplit(self.redirect_uri).port or 0)

    def _open(
        self, address: BrowserAddress, client_id: str, uri: str, state: str, verifier: str
    ) -> None:
        full = authorize_address(
            address.url,
            client_id=client_id,
            redirect_uri=uri,
            scope=address.scope,
            state=state,
            verifier=verifier,
            extra=address.extra,
        )
        self.show(full)
        if self.launch is not None:
            self.launch(full)

    async def _paste(self) -> str:
        if self.pasted is None:
            raise UsedWronglyError(
                "An answer is needed and there is no terminal: the address after signing in.",
                code="answer_needed",
                hint="Give --refresh-token-env VAR",
            )
        return await self.pasted()

    async def _first(self, listener: RedirectListener, state: str) -> str:
        """The code from the browser or from what was pasted, whichever comes first."""
        came = asyncio.ensure_future(listener.code(self.timeout_s))
        if self.pasted is None:
            return await came
        typed = asyncio.ensure_future(self.pasted())
        done, _ = await asyncio.wait({came, typed}, return_when=asyncio.FIRST_COMPLETED)
        for task in (came, typed):
            if task not in done:
                task.cancel()
        await asyncio.gather(came, typed, return_exceptions=True)
        if came in done:
            return came.result()
        return code_from_address(typed.result(), state)
