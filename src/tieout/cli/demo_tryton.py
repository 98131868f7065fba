"""The demo's books in a real Tryton: where it is installed, its start, and how to look into it."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import tieout
from tieout.bootstrap import system_named
from tieout.cli.demo_books import TRYTON, Start, Started
from tieout.cli.demo_servers import Wanted, port_taken
from tieout.cli.demo_tryton_finance import TrytonFinance
from tieout.cli.demo_tryton_server import DATABASE, PORT_TAKEN
from tieout.core.errors import ConfigurationError, TransientError
from tieout.services import demo as making
from tieout.store.embedded import OWNER, EmbeddedServer
from tieout_sandbox.tryton.firm import TAX_RULES
from tieout_sandbox.tryton.plan import nordic
from tieout_sandbox.tryton.postgres import Postgres
from tieout_sandbox.tryton.server import TrytonMissingError, program
from tieout_sandbox.tryton.template import cache_folder, installed_module

COMMAND = "tieout demo --books tryton"
CONNECTION, ROLE = "tryton-demo", "tryton"
OURS, FINANCE = "tieout", "anna"
READY_S, END_S = 1200, 20
_USUAL_PORT = 8701

_ITEMS = """\
from,to,note
Travel and expenses,RESA,this product has no code in the CRM
Data migration,INT-PKG,nor has this one
"""
_TERMS = """\
from,to,note
Net 10,10,terms go by their days
Net 14,14,
Net 20,20,
Net 30,30,
Net 60,60,
"""


class TrytonBooks:
    """One company in a database of its own, in the project's PostgreSQL."""

    label = "Tryton"
    servers = "a simulator, a real Tryton"
    closed_to = "the end of the month"
    # Tryton needs a fifth of a second to post an invoice.
    accounts = 240
    country = "SE"
    currency = "SEK"

    def texts(self, today: date) -> making.BooksTexts:
        """Invoices are numbered by year."""
        return making.BooksTexts(
            connection=CONNECTION,
            command=COMMAND,
            what="a real Tryton",
            made_from="a simulator, on a real Tryton",
            ended="Both",
            invoice=f"F{today.year}-00003",
            items=_ITEMS,
            terms=_TERMS,
            more="\nWhile they run, Tryton's own client opens the same data: "
            f"{_sign_in('the address that is shown')}.\n",
        )

    def check(self) -> None:
        """Raises `ConfigurationError` where there is no Tryton with our module."""
        home()

    def simulators(self, port: int) -> Sequence[Wanted]:
        """None: it is the real one."""
        del port
        return ()

    async def start(self, stack: AsyncExitStack, start: Start) -> Started:
        """A minute where its database is built for the first time, else a few seconds."""
        project = start.opened.project
        place = EmbeddedServer(project.ours)
        url = await asyncio.to_thread(place.start)
        stack.callback(place.stop)
        where = _where(url)
        await asyncio.to_thread(Postgres(user=OWNER, **where).create_role, ROLE)
        given = {
            **where,
            "role": ROLE,
            "venv": str(home()),
            "cache": str(_cache(project.ours)),
            "log": str(project.log_file.parent / "trytond.log"),
            "listen": start.port,
            "years": [start.today.year + more for more in (-1, 0, 1)],
        }
        process = stack.enter_context(_child(given, project.log_file.parent, project.ours))
        base_url = await _base_url(process, start, project.log_file.parent)
        finance = await asyncio.to_thread(
            TrytonFinance.at_work, base_url, DATABASE, (FINANCE, _password(FINANCE))
        )
        access = making.Access(
            name=CONNECTION,
            system=system_named(TRYTON),
            settings={
                "api_url": base_url,
                "database": DATABASE,
                "login": OURS,
                "tax_rules": dict(TAX_RULES),
            },
            secrets={"password": _password(OURS)},
        )
        return Started(access=access, finance=finance, base_url=base_url)

    def looking(self, started: Started | None, port: int) -> Sequence[str]:
        """Address, database, user and password for the vendor's own client."""
        if started is not None:
            host = started.base_url.removeprefix("http://")
            return (f"Tryton's own client, {_series(home())}: {_sign_in(host)}",)
        usual = port or _USUAL_PORT
        return (
            f"To open it in Tryton's own client, {_series(home())}: "
            f"{COMMAND} --keep --port {usual}",
            f"then {_sign_in(f'127.0.0.1:{usual + 1}')}",
        )


def _sign_in(host: str) -> str:
    return f"host {host}, database {DATABASE}, user {FINANCE}, password {_password(FINANCE)}"


def _password(login: str) -> str:
    """What the plan's people sign in with: a server that only this machine reaches."""
    return next(person.password for person in nordic(()).people if person.login == login)


# --- where it is ---------------------------------------------------------------------------------


def home() -> Path:
    """The environment that Tryton and our module are installed in. Raises `ConfigurationError`."""
    named = os.environ.get("TIEOUT_TRYTON_VENV", "")
    places = [Path(named).expanduser().absolute()] if named else list(_usual_homes())
    for place in places:
        try:
            program(place, "trytond")
            program(place, "python")
            installed_module(place)
        except TrytonMissingError:
            continue
        return place
    where = f"in {named}" if named else "here"
    message = f"Tryton with the module tieout is not installed {where}. Nothing was started."
    code, hint = "tryton_missing", "Type make demo BOOKS=tryton: it installs one."
    sources = _sources()
    if sources is None:
        message += (
            " Tieout's sources have that module: there, make demo BOOKS=tryton installs both."
        )
        raise ConfigurationError(f"{message} On simulators alone:", code=code, hint="tieout demo")
    if sources != Path.cwd():
        hint = f"Type make -C {shlex.quote(str(sources))} demo BOOKS=tryton: it installs one."
    raise ConfigurationError(message, code=code, hint=hint)


def _sources() -> Path | None:
    """The folder of Tieout's sources with the makefile; None of a package that was installed."""
    folder = Path(tieout.__file__).resolve().parents[2]
    return folder if (folder / "Makefile").is_file() and (folder / "tryton").is_dir() else None


def _usual_homes() -> Iterator[Path]:
    """What make builds, in this folder or beside the program, else the environment in use."""
    yield Path.cwd() / ".venv-tryton"
    yield Path(tieout.__file__).resolve().parents[2] / ".venv-tryton"
    found = shutil.which("trytond")
    if found:
        yield Path(found).absolute().parent.parent


def _series(place: Path) -> str:
    """Like "series 8.0": a client of another one is refused."""
    found = next(place.glob("lib/python*/site-packages/trytond-*.dist-info"), None)
    version = found.name.removeprefix("trytond-").split(".") if found else []
    return f"series {'.'.join(version[:2])}" if version else "of the same series"


def _cache(ours: Path) -> Path:
    """Where the built database is kept; in the demo's folder where nothing else can be written."""
    kept = cache_folder(home())
    there = next(place for place in (kept, *kept.parents) if place.exists())
    return kept if os.access(there, os.W_OK) else ours / "template"


# --- its database and process --------------------------------------------------------------------


def _where(url: str) -> dict[str, Any]:
    """Host (a socket's folder) and port of the project's PostgreSQL."""
    asked = parse_qs(urlsplit(url).query)
    return {"host": asked["host"][0], "port": int(asked["port"][0])}


@contextmanager
def _child(given: dict[str, Any], logs: Path, ours: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The process that serves it, ended on leaving, whatever happened."""
    with (logs / "tryton.log").open("wb") as log:
        # The kernel ends the child with the thread that made it: this is the main one.
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-P", "-m", "tieout.cli.demo_tryton_server", json.dumps(given)],
            # What a killed one leaves lying goes with the demo's folder.
            env={**os.environ, "TMPDIR": str(ours)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


async def _base_url(process: subprocess.Popen[bytes], start: Start, logs: Path) -> str:
    """Where it listens, once it does. What takes long is said."""
    assert process.stdout is not None
    loop = asyncio.get_running_loop()
    while True:
        reading = loop.run_in_executor(None, process.stdout.readline)
        try:
            line = await asyncio.wait_for(asyncio.shield(reading), READY_S)
        except TimeoutError:
            line = b""
        if not line:
            raise _not_started(process, start.port, logs)
        told: dict[str, str] = json.loads(line)
        if "base_url" in told:
            return told["base_url"]
        start.say(told["doing"])


def _not_started(process: subprocess.Popen[bytes], port: int, logs: Path) -> TransientError:
    if process.poll() is None:
        process.kill()
    if process.wait() == PORT_TAKEN:
        return port_taken(port, COMMAND)
    return TransientError(
        "Tryton did not start.",
        code="tryton_failed",
        hint=f"Read {logs}/tryton.log and {logs}/trytond.log.",
    )
