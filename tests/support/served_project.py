"""Served simulators and a project that is connected to them, for tests that run the program."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from support import loaded
from tieout.ports import HttpRequest

BRIDGE = """\
bridge: nordic
crm: sf
books:
  - connection: visma-se
flows:
  customers: {mode: MODE}
  documents: {mode: MODE}
  status: {mode: auto}
mapping:
  customer:
    terms: {from: account.terms, values: payment_terms}
tables:
  payment_terms:
    "Net 30": "30 dagar netto"
    "Net 14": "14 dagar netto"
    "Net 10": "10 dagar netto"
"""


@dataclass(slots=True)
class Served:
    """A simulator in a process of its own."""

    system: str
    base_url: str
    token_url: str
    process: loaded.Started

    def act(self, name: str, /, **arguments: Any) -> Any:
        """Something that a person does over there, or a fault to come."""
        body = json.dumps(arguments).encode()
        address = f"{self.base_url}/_sandbox/actions/{name}"
        return _post(address, body)

    def records(self, entity: str) -> list[dict[str, Any]]:
        """What the simulator holds, deleted records too."""
        with urlopen(f"{self.base_url}/_sandbox/records/{entity}", timeout=30) as answer:
            found: list[dict[str, Any]] = json.loads(answer.read())
        return found

    def calls(self) -> list[HttpRequest]:
        """What was called so far: methods and paths, with names where ids stood."""
        with urlopen(f"{self.base_url}/_sandbox/calls", timeout=30) as answer:
            found = [name.split(" ", 1) for name in json.loads(answer.read())]
        return [HttpRequest(method=method, url=path) for method, path in found]

    def struck(self) -> int:
        """How often the faults that were ordered have struck: calls that have arrived."""
        with urlopen(f"{self.base_url}/_sandbox/faults", timeout=30) as answer:
            found = json.loads(answer.read())
        rows = found if isinstance(found, list) else found["faults"]
        return sum(int(row["hits"]) for row in rows)

    def move_clock(self, seconds: int) -> None:
        """Its clock goes ahead by so many seconds, or back."""
        _post(f"{self.base_url}/_sandbox/clock", json.dumps({"advance_s": seconds}).encode())

    def fault(self, **fault: Any) -> Any:
        """The next requests that fit go wrong in this way."""
        return _post(f"{self.base_url}/_sandbox/faults", json.dumps(fault).encode())


def _post(address: str, body: bytes) -> Any:
    asked = Request(address, data=body, headers={"content-type": "application/json"})
    try:
        with urlopen(asked, timeout=30) as answer:
            text = answer.read()
    except HTTPError as error:
        raise ValueError(error.read().decode()) from None
    return json.loads(text) if text else None


def start(system: str, *options: str) -> Served:
    """Starts a simulator on a free port."""
    process = loaded.start("tieout_sandbox", "serve", system, "--port", "0", "--json", *options)
    assert process.stdout is not None
    told = json.loads(process.stdout.readline())
    return Served(system, told["base_url"], told["token_url"], process)


@contextmanager
def simulator(size: str) -> Iterator[Served]:
    """A CRM of that size, stopped at the end."""
    one = start("salesforce", "--with-package", "--size", size)
    try:
        yield one
    finally:
        _stop(one)


def _stop(one: Served) -> None:
    one.process.send_signal(signal.SIGTERM)
    one.process.wait(timeout=20)
    if one.process.stdout is not None:
        one.process.stdout.close()


@contextmanager
def simulators(*options: str) -> Iterator[tuple[Served, Served]]:
    """A CRM and books, stopped at the end."""
    started: list[Served] = []
    try:
        started.append(start("salesforce", "--with-package", *options))
        started.append(start("visma_eaccounting", "--rate-limits", "off", *options))
        yield started[0], started[1]
    finally:
        for one in started:
            one.process.send_signal(signal.SIGTERM)
        for one in started:
            one.process.wait(timeout=20)
            if one.process.stdout is not None:
                one.process.stdout.close()


@dataclass(slots=True)
class Answer:
    """What a command line came to."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """The one object on standard output."""
        found: Any = json.loads(self.out)
        return found


@dataclass(slots=True)
class Program:
    """The program in a project's folder."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __call__(self, *words: str, stdin: str | None = None) -> Answer:
        code, out, err = loaded.run(
            "tieout",
            words,
            folder=self.root,
            environment={**os.environ, "TIEOUT_TEST_NOT_DURABLE": "1", **self.environment},
            stdin=stdin or "",
            timeout=120,
        )
        return Answer(code, out, err)

    def inside(self, *words: str) -> Answer:
        """The same in this process, for the many questions whose start would cost the time."""
        from tieout.cli.main import run

        out, err = StringIO(), StringIO()
        before = Path.cwd()
        os.chdir(self.root)
        try:
            with (
                patch.dict(os.environ, self.environment),
                redirect_stdout(out),
                redirect_stderr(err),
            ):
                code = run(words)
        finally:
            os.chdir(before)
        return Answer(code, out.getvalue(), err.getvalue())

    def edit(self, text: str) -> None:
        """Another tieout.yaml."""
        (self.root / "tieout.yaml").write_text(text, encoding="utf-8")


def connect_project(
    root: Path, crm: Served, books: Served, mode: str = "auto", *, database_url: str = ""
) -> Program:
    """
    A project with both connections stored and version 1 published.

    ``database_url``: a server that runs already, which saves starting one for every command.
    """
    from tieout.services.project import make_project

    project = make_project(root, {"tieout.yaml": BRIDGE.replace("MODE", mode)})
    more = {"TIEOUT_TEST_NOT_DURABLE": "1"}
    if database_url:
        more["TIEOUT_DATABASE_URL"] = database_url
    with patch.dict(os.environ, more):
        asyncio.run(_set_up(project, crm, books))
    return Program(root, {"TIEOUT_ACTOR": "anna.lind", **more})


def add_books(program: Program, name: str, books: Served) -> None:
    """One more company's books beside those that are connected."""
    from tieout.services.project import find_project

    with patch.dict(os.environ, program.environment):
        asyncio.run(_add_books(find_project(str(program.root)), name, books))


async def _add_books(project: Any, name: str, books: Served) -> None:
    from tieout.bootstrap import SystemClock, connector_of, open_project
    from tieout.store import admin
    from tieout_sandbox.kit.registry import credentials

    seen, clock = credentials("visma_eaccounting"), SystemClock()
    async with open_project(project, clock, durable=False) as opened:
        row = _books_row(name, books)
        await opened.do(lambda tx: admin.add_connection(tx, row))
        await opened.vault.put(
            name, {key: seen[key] for key in ("client_id", "client_secret", "refresh_token")}
        )
        company = await (await connector_of(opened, name)).company()
        await opened.do(lambda tx: admin.set_company(tx, name, company, clock.now()))


def _books_row(name: str, books: Served) -> Any:
    from tieout.store.admin import ConnectionRow

    return ConnectionRow(
        name=name,
        system="visma_eaccounting",
        side="books",
        settings={
            "api_url": books.base_url,
            "token_url": books.token_url,
            "authorize_url": f"{books.base_url}/connect/authorize",
        },
    )


async def _set_up(project: Any, crm: Served, books: Served) -> None:
    from tieout.bootstrap import SystemClock, connector_of, open_project
    from tieout.services.configuration import publish, read_configuration
    from tieout.store import admin
    from tieout.store.admin import ConnectionRow
    from tieout_sandbox.kit.registry import credentials

    clock = SystemClock()
    known: Mapping[str, Any] = credentials("salesforce")
    seen: Mapping[str, Any] = credentials("visma_eaccounting")
    async with open_project(project, clock, durable=False) as opened:
        rows: Sequence[ConnectionRow] = (
            ConnectionRow(
                name="sf",
                system="salesforce",
                side="crm",
                settings={
                    "login_url": crm.base_url,
                    "audience": known["jwt_audience"],
                    "user": known["username"],
                    "currency": "SEK",
                },
            ),
            _books_row("visma-se", books),
        )
        for row in rows:
            await opened.do(lambda tx, row=row: admin.add_connection(tx, row))
        await opened.vault.put(
            "sf", {"client_id": known["client_id"], "private_key": known["private_key"]}
        )
        await opened.vault.put(
            "visma-se",
            {name: seen[name] for name in ("client_id", "client_secret", "refresh_token")},
        )
        for row in rows:
            company = await (await connector_of(opened, row.name)).company()
            await opened.do(
                lambda tx, row=row, company=company: admin.set_company(
                    tx, row.name, company, clock.now()
                )
            )
        configuration = read_configuration(project)
        made = await publish(opened, configuration, message="first", who="m.ek", now=clock.now())
        assert made is not None
