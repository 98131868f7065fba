"""`tieout connection`: add, test, list, rotate."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import tzinfo
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from tieout.cli.command import Session, command
from tieout.cli.formats import Column, recent, table
from tieout.cli.output import ErrorInfo, Exit, Result, error_result, listing, reference, worst
from tieout.core.errors import ConfigurationError, SyncError
from tieout.core.finding import Severity
from tieout.services.usage import UsedWronglyError

if TYPE_CHECKING:
    from tieout.bootstrap import Grant, Opened, Question, System
    from tieout.services.connections import Browser, Tested
    from tieout.store.admin import ConnectionRow

Name = Annotated[str, Argument(metavar="[NAME]", help="A connection.", show_default=False)]
ClientId = Annotated[str, Option("--client-id", help="The app's id.", show_default=False)]
User = Annotated[str, Option("--user", help="Who signs in (Salesforce, JWT).", show_default=False)]
MyDomain = Annotated[str, Option("--my-domain", help="The org's own address.", show_default=False)]
SecretEnv = Annotated[
    str, Option("--secret-env", metavar="VAR", help="The secret is in this variable.")
]
SecretFile = Annotated[
    Path | None, Option("--secret-file", metavar="FILE", help="The secret is in this file.")
]
RefreshEnv = Annotated[
    str, Option("--refresh-token-env", metavar="VAR", help="No browser: a refresh token is here.")
]
RefreshFile = Annotated[
    Path | None, Option("--refresh-token-file", metavar="FILE", help="Or in this file.")
]
RedirectUri = Annotated[
    str, Option("--redirect-uri", metavar="URL", help="As registered; else 127.0.0.1.")
]
Port = Annotated[int, Option("--port", help="Listen here for the browser; 0: any.")]
NoBrowser = Annotated[bool, Option("--no-browser", help="Show the address, open nothing.")]

STATES = {
    "ok": "ok",
    "new": "not tested",
    "sign_in_withdrawn": "sign-in withdrawn",
    "sign_in_refused": "sign-in refused",
    "host_unreachable": "unreachable",
    "company_changed": "another company",
    "scope_missing": "rights missing",
    "not_in_plan": "not in the plan",
}
_WORDS = {Severity.ERROR: "fail", Severity.WARNING: "warn", Severity.INFO: "miss"}
_STYLES = {"ok": "good", "fail": "bad", "warn": "warn", "miss": "strong"}


@command(
    "connection add",
    examples=(
        "tieout connection add salesforce",
        "tieout connection add visma_eaccounting --client-id my-app --secret-env VISMA_SECRET",
    ),
)
async def add(
    session: Session,
    system: Annotated[
        str,
        Argument(
            help="salesforce, webcrm, visma_eaccounting, visma_net, tryton", show_default=False
        ),
    ] = "",
    name: Annotated[str, Option("--name", help="What to call it.", show_default=False)] = "",
    grant: Annotated[
        str,
        Option("--grant", help="jwt, refresh, client_credentials or password.", show_default=False),
    ] = "",
    client_id: ClientId = "",
    user: User = "",
    my_domain: MyDomain = "",
    secret_env: SecretEnv = "",
    secret_file: SecretFile = None,
    refresh_token_env: RefreshEnv = "",
    refresh_token_file: RefreshFile = None,
    base_url: Annotated[str, Option("--base-url", help="Another address of the API.")] = "",
    token_url: Annotated[str, Option("--token-url", help="Another address for sign-in.")] = "",
    redirect_uri: RedirectUri = "",
    port: Port = 0,
    no_browser: NoBrowser = False,
    setting: Annotated[
        list[str] | None, Option("--set", metavar="KEY=VALUE", help="Any other setting.")
    ] = None,
) -> Result:
    """Connect a system: sign in, test at once, say what is missing."""
    from tieout.bootstrap import SYSTEMS, system_named
    from tieout.services import connections

    opened = await session.opened()
    chosen = system or session.ask(f"System ({', '.join(SYSTEMS)})", "the system as an argument")
    found = system_named(chosen)
    way = found.grant(grant)
    await connections.require_free(opened, name)
    set_here = _settings(setting or ())
    found.check_names(set_here)
    given = {"client_id": client_id, "user": user, "my_domain": my_domain}
    given |= {name: str(value) for name, value in set_here.items()}
    answers, secrets = _answers(session, found, way, given, secret_env, secret_file)
    secrets |= _refresh_token(refresh_token_env, refresh_token_file)
    settings = connections.settings_for(
        found,
        way,
        base_url=base_url,
        token_url=token_url,
        given={**set_here, **answers},
    )
    wanted = connections.Wanted(
        system=found, grant=way, name=name, settings=settings, secrets=secrets
    )
    session.ref["connection"] = name or found.short
    browser = _browser(session, redirect_uri, port, no_browser)
    tested = await connections.add(
        opened, wanted, browser.sign_in if way.browser is not None else None
    )
    shown = _tested_result(session, tested)
    if tested.works:
        shown.notes = ["Stored, encrypted."]
        shown.next = (await _after_adding(opened),)
    else:
        shown.notes = ["Stored, encrypted. It cannot be used before what fails is mended."]
        shown.next = (f"tieout connection test {tested.name}",)
    return shown


@command(
    "connection test",
    examples=("tieout connection test visma-se", "tieout connection test"),
)
async def check(session: Session, name: Name = "") -> Result:
    """Sign in, and ask for everything that would fail later. Writes nothing."""
    from tieout.services import connections
    from tieout.store import admin

    opened = await session.opened()
    rows: list[ConnectionRow] = await opened.do(admin.list_connections)
    names = [name] if name else [row.name for row in rows]
    if not names:
        return _none()
    results = []
    for each in names:
        session.ref["connection"] = each
        try:
            results.append(_tested_result(session, await connections.test(opened, each)))
        except SyncError as error:
            told = await connections.with_what_waits(opened, each, error)
            if name:
                raise told from None
            results.append(error_result(told, session.clock.now(), ref={"connection": each}))
    if name:
        return results[0]
    return _several(names, results)


@command(
    "connection list",
    examples=("tieout connection list", "tieout connection list --json"),
)
async def list_all(session: Session) -> Result:
    """Show every connection with its company and state."""
    from tieout.services.configuration import books_zone
    from tieout.store import admin

    opened = await session.opened()
    rows: list[ConnectionRow] = await opened.do(admin.list_connections)
    if not rows:
        return _none()
    zone = await books_zone(opened)
    columns = (
        Column("Name"),
        Column("Company", rank=2),
        Column("State"),
        Column("Quota", right=True, rank=3),
    )
    cells = [
        (
            row.name,
            row.company.name if row.company is not None else "",
            _state_text(session, row, zone),
            _quota_text(row),
        )
        for row in rows
    ]
    return Result(
        data=listing([_row_data(row) for row in rows]),
        lines=table(columns, cells, session.screen.width),
    )


@command(
    "connection rotate",
    examples=("tieout connection rotate visma-se", "tieout connection rotate --key"),
)
async def rotate(
    session: Session,
    name: Name = "",
    key: Annotated[bool, Option("--key", help="A new key for the vault instead.")] = False,
    client_id: ClientId = "",
    user: User = "",
    my_domain: MyDomain = "",
    secret_env: SecretEnv = "",
    secret_file: SecretFile = None,
    refresh_token_env: RefreshEnv = "",
    refresh_token_file: RefreshFile = None,
    redirect_uri: RedirectUri = "",
    port: Port = 0,
    no_browser: NoBrowser = False,
) -> Result:
    """Sign in anew. The old sign-in goes only after the new one worked."""
    from tieout.bootstrap import system_named
    from tieout.services import connections
    from tieout.store import admin

    opened = await session.opened()
    if key:
        return await _rotate_key(opened)
    if not name:
        raise UsedWronglyError("Which connection?", hint="tieout connection list")
    row: ConnectionRow | None = await opened.do(lambda tx: admin.get_connection(tx, name))
    if row is None:
        raise ConfigurationError(
            f'There is no connection "{name}".',
            code="connection_missing",
            hint="tieout connection list",
        )
    session.ref["connection"] = name
    found = system_named(row.system)
    way = found.grant(str(row.settings.get("grant", "")))
    stored = await opened.vault.get(name, "client_id") or ""
    given = {"client_id": client_id or stored}
    for question in way.questions:
        if question.setting:
            given[question.name] = str(row.settings.get(question.setting, ""))
    given |= {key: value for key, value in (("user", user), ("my_domain", my_domain)) if value}
    kept = None if secret_env or secret_file else await _kept_secret(opened, name, way)
    answers, secrets = _answers(session, found, way, given, secret_env, secret_file, kept)
    secrets |= _refresh_token(refresh_token_env, refresh_token_file)
    wanted = connections.Wanted(
        system=found,
        grant=way,
        name=name,
        settings={**row.settings, **answers},
        secrets=secrets,
    )
    browser = _browser(session, redirect_uri, port, no_browser)
    tested, waiting = await connections.rotate(
        opened, row, wanted, browser.sign_in if way.browser is not None else None
    )
    line = f"{name}: new sign-in works, old one removed."
    if waiting:
        line += f" {waiting} change{'s are' if waiting != 1 else ' is'} due again."
    return Result(
        data={"connection": name, "company": _company_data(tested), "due_again": waiting},
        lines=[line],
        findings=tested.findings,
    )


async def _rotate_key(opened: Opened) -> Result:
    from cryptography.fernet import Fernet

    from tieout.services.project import changing_the_key, read_keys, write_keys

    if os.environ.get("TIEOUT_KEY") or os.environ.get("TIEOUT_KEYS"):
        raise UsedWronglyError(
            "The key is given by TIEOUT_KEY, so it is not changed here.",
            hint="Put the new key before the old one in TIEOUT_KEYS, then: connection rotate",
        )
    with changing_the_key(opened.project):
        keys = [Fernet.generate_key().decode(), *read_keys(opened.project)]
        # Both keys are on the disk before a value is sealed with the new one.
        write_keys(opened.project, keys)
        count = await opened.vault.reseal(keys)
        write_keys(opened.project, keys[:1])
    return Result(
        data={"resealed": count},
        lines=[f"New key; {count} value{'s' * (count != 1)} sealed anew. Keep a copy of it."],
    )


async def _kept_secret(opened: Opened, name: str, way: Grant) -> str | None:
    """With a browser the app's secret stays; without one it is the sign-in, so it is asked."""
    if way.browser is None:
        return None
    return await opened.vault.get(name, "client_secret")


# --- answers -------------------------------------------------------------------------------------


def _answers(
    session: Session,
    system: System,
    way: Grant,
    given: Mapping[str, str],
    secret_env: str,
    secret_file: Path | None,
    kept: str | None = None,
) -> tuple[dict[str, Any], dict[str, str]]:
    """What the sign-in needs: settings, and secrets. Asks for what no flag answers."""
    settings: dict[str, Any] = {}
    secrets: dict[str, str] = {}
    if system.register and not given.get("client_id"):
        session.screen.note(system.register)
    for question in way.questions:
        if question.secret:
            value = kept or _secret(session, question, secret_env, secret_file)
            secrets[question.name] = value
            continue
        value = given.get(question.name) or session.ask(question.text, question.flag)
        if not value:
            raise UsedWronglyError(f"{question.text} is needed.", hint=f"Give {question.flag}")
        if question.setting:
            settings[question.setting] = value
        else:
            secrets[question.name] = value
    return settings, secrets


def _secret(session: Session, question: Question, env: str, file: Path | None) -> str:
    if env:
        return _from_env(env)
    if file is not None:
        return _from_file(file)
    if question.from_file:
        return _from_file(Path(session.ask(question.text, question.flag)).expanduser())
    return session.ask(question.text, question.flag, secret=True)


def _from_env(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise UsedWronglyError(f"The variable {name} is empty.", code="secret_missing")
    return value


def _from_file(path: Path) -> str:
    try:
        value = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise UsedWronglyError(f"{path} cannot be read.", code="secret_missing") from None
    if not value:
        raise UsedWronglyError(f"{path} is empty.", code="secret_missing")
    return value


def _refresh_token(env: str, file: Path | None) -> dict[str, str]:
    if env:
        return {"refresh_token": _from_env(env)}
    return {} if file is None else {"refresh_token": _from_file(file)}


def _settings(pairs: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        *groups, last = key.split(".")
        if not equals or not all((*groups, last)):
            raise UsedWronglyError(f'--set takes KEY=VALUE, not "{pair}".')
        target = found
        for name in groups:
            target = target.setdefault(name, {})
            if not isinstance(target, dict):
                raise UsedWronglyError(f"--set says {name} twice, once as a group.")
        # 02 is a code, not the number 2.
        number = value.isdigit() and str(int(value)) == value
        target[last] = int(value) if number else value
    return found


def _browser(session: Session, redirect_uri: str, port: int, no_browser: bool) -> Browser:
    import secrets
    import sys

    from tieout.services.connections import Browser

    def show(address: str) -> None:
        opening = "Open this address, paste what comes back:"
        if not no_browser:
            opening = "Opening the browser. None here? Open this address elsewhere, paste what "
            opening += "comes back:"
        session.screen.complain(f"{opening} {address}")
        if session.options.json:
            session.screen.err.write(f"{address}\n")
            session.screen.err.flush()

    return Browser(
        show=show,
        launch=None if no_browser else _launch,
        pasted=_pasted if sys.stdin.isatty() else None,
        draw=secrets.token_urlsafe,
        redirect_uri=redirect_uri,
        port=port,
    )


def _launch(address: str) -> None:
    import subprocess
    import sys

    from tieout.cli.output import for_others

    # In a process of its own: what a browser says must not come between our lines, and some
    # browsers keep the call until they are closed.
    subprocess.Popen(  # noqa: S603 - our own interpreter, and an address that we made
        [sys.executable, "-m", "webbrowser", address],
        env=for_others(os.environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


async def _pasted() -> str:
    """A line that a person pastes; may be cancelled."""
    import asyncio
    import sys

    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def come() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(sys.stdin, come)
    try:
        await ready
    finally:
        loop.remove_reader(sys.stdin)
    return sys.stdin.readline()


async def _after_adding(opened: Opened) -> str:
    from tieout.store import admin

    sides = {row.side for row in await opened.do(admin.list_connections)}
    return "tieout config validate" if sides == {"crm", "books"} else "tieout connection add"


# --- what is shown -------------------------------------------------------------------------------


def _tested_result(session: Session, tested: Tested) -> Result:
    from tieout.services.connections import can

    company = tested.company
    who = f", as {company.user}" if company.user else ""
    lines = [f"{tested.name}  {company.name}, {company.currency or 'any currency'}{who}"]
    words = [("ok", f"{names}: {what}") for names, what in can(tested.abilities)]
    words += [
        (_WORDS[finding.severity], f"{finding.message} {finding.hint}".strip())
        for finding in tested.findings
    ]
    for word, text in words:
        lines.append(f"  {session.screen.paint(word, _STYLES[word])}{' ' * (6 - len(word))}{text}")
    result = Result(
        data={"connection": tested.name, "company": _company_data(tested), "works": tested.works},
        lines=lines,
        findings=tested.findings,
    )
    if not tested.works:
        first = next(each for each in tested.findings if each.severity is Severity.ERROR)
        result.exit = Exit.CONNECTION
        result.error = ErrorInfo(
            code=first.code,
            message=first.message,
            ref={"connection": tested.name},
            reference=reference(first.code, session.clock.now()),
        )
    return result


def _company_data(tested: Tested) -> dict[str, Any]:
    company = tested.company
    return {
        "id": company.id,
        "name": company.name,
        "country": company.country,
        "currency": company.currency or None,
        "user": company.user or None,
        "time_zone": company.time_zone,
    }


def _several(names: Sequence[str], results: Sequence[Result]) -> Result:
    """All connections at once: their lines one below the other, the worst exit code."""
    lines: list[str] = []
    items = []
    for name, result in zip(names, results, strict=True):
        lines += result.lines
        if result.error is not None and not result.lines:
            lines.append(f"{name}  {result.error.message}")
        items.append({"connection": name, "data": result.data, "error": result.error})
    bad = next((result.error for result in results if result.error is not None), None)
    return Result(
        data=listing(items),
        lines=lines,
        next=[command for result in results for command in result.next],
        findings=[finding for result in results for finding in result.findings],
        exit=worst(result.exit for result in results),
        error=bad,
    )


def _none() -> Result:
    return Result(
        data=listing([]),
        lines=["There are no connections yet."],
        next=("tieout connection add",),
    )


def _state_text(session: Session, row: ConnectionRow, zone: tzinfo) -> str:
    word = STATES.get(row.state, row.state.replace("_", " "))
    if row.tested_at is None:
        return word
    when = recent(row.tested_at, session.clock.now(), zone)
    return f"{word}, tested {when}" if row.state == "ok" else f"{word} {when}"


def _quota_text(row: ConnectionRow) -> str:
    used = _quota(row)
    return "" if used is None else f"{int(used * 100)} %"


def _quota(row: ConnectionRow) -> Decimal | None:
    told = row.company.facts.get("quota_used") if row.company is not None else None
    return None if told is None else Decimal(str(told))


def _row_data(row: ConnectionRow) -> dict[str, Any]:
    return {
        "name": row.name,
        "system": row.system,
        "side": row.side,
        "company": row.company.name if row.company is not None else None,
        "state": row.state,
        "detail": row.detail or None,
        "tested_at": row.tested_at,
        "quota_used": _quota(row),
    }
