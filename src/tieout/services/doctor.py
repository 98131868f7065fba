"""
What would stop a deal, and where to mend it: connections, configuration, data, machine.

Nothing is written to another system. Both sides are read into the mirror, as a plan would.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from tieout.core.case import Decision, Verdict
from tieout.core.errors import BusyError, ConfigurationError, EvidenceError, StoreError, SyncError
from tieout.core.finding import Finding, Severity
from tieout.core.model import Deal, Entity
from tieout.engine import lanes
from tieout.engine.deciding import WINDOW, decide_window
from tieout.engine.reading import read_side
from tieout.engine.run import connect
from tieout.services import codes, connections, orphans
from tieout.services import configuration as configurations
from tieout.services.database_line import NEXT, hosts_away, unverified_line
from tieout.services.project import check_disk
from tieout.settings.check import check_fields
from tieout.store import admin
from tieout.store.evidence import HighWater
from tieout.storing import DueRow

if TYPE_CHECKING:
    from tieout.bootstrap import Opened
    from tieout.engine.context import Engine
    from tieout.services.connections import Tested
    from tieout.services.orphans import Orphans
    from tieout.settings.bridge import Configuration

DEALS_SHOWN = 3
CURRENCIES_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """
    Something that stops deals, with those that it stops and the net amounts by currency.

    ``next`` is a command or a place; ``named``: the screen has several currencies, so each is said.
    """

    finding: Finding
    deals: tuple[str, ...] = ()
    amounts: tuple[tuple[str, Decimal], ...] = ()
    next: str = ""
    named: bool = False

    def text(self) -> str:
        """`item "Montage plus" has no code in visma-se; stops D-106, 9,640.00.`"""
        text = self.finding.message.rstrip(".")
        if len(self.deals) == 1 and self.deals[0] in text:
            text += f"; {self._sums()}" if self.amounts else ""
        elif self.deals:
            shown = ", ".join(self.deals[:DEALS_SHOWN])
            more = len(self.deals) - DEALS_SHOWN
            shown += f" and {more} more" if more > 0 else ""
            text += f"; stops {shown}" + (f", {self._sums()}" if self.amounts else "")
        return text + "."

    def _sums(self) -> str:
        if not self.named and len(self.amounts) == 1:
            return f"{self.amounts[0][1]:,.2f}"
        most = CURRENCIES_SHOWN
        shown = self.amounts if len(self.amounts) <= most else self.amounts[: most - 1]
        told = ", ".join(f"{amount:,.2f} {currency}".strip() for currency, amount in shown)
        rest = len(self.amounts) - len(shown)
        return f"{told} and {rest} more currencies" if rest else told


@dataclass(slots=True)
class Diagnosis:
    """What was looked at: areas in order, what is wrong, how many checks."""

    areas: list[str] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    checks: int = 0
    bridge: str | None = None
    errors: list[SyncError] = field(default_factory=list)
    orphans: Orphans | None = None
    spoiled: set[str] = field(default_factory=set)

    def fine(self, area: str, checks: int = 1) -> None:
        """An area was looked at; it is shown as ok unless something is wrong in it."""
        self.checks += checks
        if area not in self.areas and area not in self.spoiled:
            self.areas.append(area)

    def wrong(self, area: str, trouble: Trouble) -> None:
        """Something is wrong in an area; a mere note leaves the area ok."""
        self.troubles.append(trouble)
        if trouble.finding.severity is Severity.INFO:
            return
        # Also for good: the next connection must not call the area fine again.
        self.spoiled.add(area)
        if area in self.areas:
            self.areas.remove(area)

    @property
    def failures(self) -> list[Trouble]:
        return [each for each in self.troubles if each.finding.severity is Severity.ERROR]

    @property
    def warnings(self) -> list[Trouble]:
        return [each for each in self.troubles if each.finding.severity is Severity.WARNING]


async def examine(opened: Opened, bridge: str, say: Callable[[str], None]) -> Diagnosis:
    """Looks at everything. Raises only `StoreError`; other errors are part of the answer."""
    found = Diagnosis()
    say("Asking the connections.")
    tested = await _connections(opened, found)
    configuration = await _configuration(opened, bridge, found)
    _machine(opened, found)
    _database(found)
    await _orphans(found)
    if configuration is None:
        return found
    found.bridge = configuration.name
    if configuration.crm in tested:
        await _fields(opened, configuration, found)
    if all(name in tested for name in (configuration.crm, *configuration.books)):
        say("Reading both sides.")
        await _data(opened, configuration, found)
    return found


# --- connections ---------------------------------------------------------------------------------

_AREAS = {
    "sign_in_refused": "sign-in",
    "sign_in_withdrawn": "sign-in",
    "host_unreachable": "sign-in",
    "company_changed": "sign-in",
    "field_missing": "custom fields",
    "unknown_field": "custom fields",
    "currency_unknown": "currencies",
    "clock_wrong": "clock",
    "period_closed": "periods",
    "year_ends": "periods",
    "quota_low": "quota",
}
_LOOKED_AT = ("rights", "custom fields", "currencies", "periods", "clock", "quota")


async def _connections(opened: Opened, found: Diagnosis) -> dict[str, Tested]:
    tested: dict[str, Tested] = {}
    rows = await opened.do(admin.list_connections)
    for row in rows:
        found.fine("sign-in")
        try:
            tested[row.name] = await connections.test(opened, row.name)
        except SyncError as error:
            if isinstance(error, StoreError):
                raise
            found.errors.append(error)
            says_so = error.message.startswith(f"{row.name} (")
            message = error.message if says_so else f"{row.name}: {error.message}"
            told = Finding(code=error.code, message=message)
            area = "key" if error.code in ("key_wrong", "key_missing") else "sign-in"
            found.wrong(area, Trouble(finding=told, next=error.hint))
            continue
        for area in _LOOKED_AT:
            found.fine(area)
        for finding in tested[row.name].findings:
            area = _AREAS.get(finding.code, "rights")
            named = Finding(
                code=finding.code,
                message=f"{row.name}: {finding.message}",
                severity=finding.severity,
                place=finding.place,
                values=finding.values,
            )
            found.wrong(area, Trouble(finding=named, next=finding.hint))
    if not rows:
        found.wrong(
            "sign-in",
            Trouble(
                finding=Finding(code="connection_missing", message="There are no connections yet."),
                next="tieout connection add",
            ),
        )
    return tested


# --- configuration and machine -------------------------------------------------------------------


async def _configuration(opened: Opened, bridge: str, found: Diagnosis) -> Configuration | None:
    found.fine("configuration", 2)
    try:
        written = await configurations.check(opened)
    except configurations.ConfigurationProblems as error:
        for problem in error.problems:
            finding = Finding(
                code=problem.code, message=f"{problem.place} {problem.message}", place=problem.place
            )
            found.wrong("configuration", Trouble(finding=finding, next=problem.hint))
        return None
    except ConfigurationError as error:
        finding = Finding(code=error.code, message=error.message)
        found.wrong("configuration", Trouble(finding=finding, next=error.hint))
        return None
    in_force = await configurations.in_force(opened, bridge or written.name)
    if in_force is None:
        _note(found, "not_published", "Nothing is published yet.", "tieout config publish")
    elif in_force.digest != written.digest:
        message = f"tieout.yaml is not what is in force (v{in_force.version})."
        _note(found, "not_published", message, "tieout config diff")
    return written


def _note(found: Diagnosis, code: str, message: str, command: str) -> None:
    finding = Finding(code=code, message=message, severity=Severity.WARNING)
    found.wrong("configuration", Trouble(finding=finding, next=command))


def _machine(opened: Opened, found: Diagnosis) -> None:
    found.fine("disk")
    found.fine("key")
    try:
        check_disk(opened.project)
    except StoreError as error:
        finding = Finding(code=error.code, message=error.message)
        found.wrong("disk", Trouble(finding=finding, next=error.hint))
    try:
        HighWater(opened.project.high_water).read()
    except EvidenceError as error:
        found.errors.append(error)
        finding = Finding(code=error.code, message=error.message)
        found.wrong("disk", Trouble(finding=finding, next=error.hint))


def _database(found: Diagnosis) -> None:
    """Of a server on another host: whether its certificate is checked."""
    if not hosts_away(os.environ):
        return
    found.fine("database")
    if (finding := unverified_line(os.environ)) is not None:
        found.wrong("database", Trouble(finding=finding, next=NEXT))


async def _orphans(found: Diagnosis) -> None:
    """Databases that do not lie in their project's folder, and whose folder is gone."""
    # In a thread: where there are many, their files take seconds to count.
    found.orphans = await asyncio.to_thread(orphans.look)
    if found.orphans.looked_at:
        found.fine("disk")
    for finding, step in orphans.findings(found.orphans):
        found.wrong("disk", Trouble(finding=finding, next=step))


async def _fields(opened: Opened, configuration: Configuration, found: Diagnosis) -> None:
    from tieout.bootstrap import connector_of

    found.fine("custom fields", max(1, len(configuration.written)))
    connector = await connector_of(opened, configuration.crm)
    for problem in check_fields(configuration, await connector.describe()):
        finding = Finding(
            code=problem.code,
            message=f"{problem.place}: {problem.value} is {problem.message}",
            place=problem.place,
        )
        found.wrong("custom fields", Trouble(finding=finding, next=problem.hint))


# --- data ----------------------------------------------------------------------------------------


async def _data(opened: Opened, configuration: Configuration, found: Diagnosis) -> None:
    from tieout.bootstrap import engine_for

    engine = await engine_for(opened, configuration, 0)
    await _registers(engine, found)
    await connect(engine)
    try:
        for name in (*engine.books, engine.policy.crm):
            await read_side(engine, name)
    except BusyError:
        # Another run reads just now: what the mirror has is as good.
        found.fine("deals", 0)
    _currencies(engine, found)
    await _leading_nowhere(opened, engine, configuration, found)
    decisions = [each async for each in _decided(opened, engine)]
    found.fine("deals", len(decisions))
    written = await _written_as(engine, decisions)
    for trouble in _troubles(opened, decisions, written):
        found.wrong("deals", trouble)


async def _registers(engine: Engine, found: Diagnosis) -> None:
    """Whether the registers of VAT numbers answer, where they are to be asked at all."""
    if engine.registers is None:
        return
    for title, status in await engine.registers.status():
        found.fine("registers")
        silent = ", ".join(status.silent)
        if status.fault:
            message = f"{title} does not answer ({status.fault}); deals that need it are held."
        elif silent:
            message = f"{title} gets no answer from {silent}; deals that need it are held."
        else:
            continue
        finding = Finding(
            code="number_unchecked", message=message, severity=Severity.WARNING, place=title
        )
        found.wrong("registers", Trouble(finding=finding, next="Nothing; it is asked again."))
    if engine.registers.requester_refused:
        finding = Finding(
            code="number_wrong",
            message="registers.requester is no possible VAT number: no consultation number comes",
            severity=Severity.WARNING,
        )
        found.wrong("registers", Trouble(finding=finding, next="tieout.yaml, registers.requester"))


async def _written_as(engine: Engine, decisions: Sequence[Decision]) -> dict[str, str]:
    """The CRM's own code of each product that has none in the books: what the table goes by."""
    first: dict[str, tuple[str, str]] = {}
    for decision in decisions:
        for finding in decision.findings:
            if finding.code == "item_no_code":
                first.setdefault(
                    finding.values.get("item", ""), (decision.source_id, finding.place)
                )
    ids = sorted({source for source, _ in first.values()})
    seen = await engine.store.mirror(engine.policy.crm, Entity.DEAL, ids)
    codes = {}
    for name, (source, place) in first.items():
        deal = seen[source].record if source in seen else None
        for line in deal.lines if isinstance(deal, Deal) else ():
            if place == f"lines.{line.position}" and line.item is not None:
                codes[name] = line.item.number
    return codes


def _currencies(engine: Engine, found: Diagnosis) -> None:
    for book in engine.policy.books:
        found.fine("currencies")
        company = engine.companies[book.connection]
        if book.currencies and company.currency not in book.currencies:
            finding = Finding(
                code="currency_not_allowed",
                message=f"{book.connection} keeps its books in {company.currency}, which "
                "books.currency leaves out.",
                severity=Severity.WARNING,
            )
            found.wrong("currencies", Trouble(finding=finding, next="tieout.yaml, books.currency"))


async def _leading_nowhere(
    opened: Opened, engine: Engine, configuration: Configuration, found: Diagnosis
) -> None:
    """
    Rows of tables with a code that no books have, and records of the CRM that would get it: they
    would be refused. A row that nobody needs stops nothing; `tieout codes` tells it.
    """
    found.fine("tables")
    told = await codes.codes(opened.store, configuration, list(engine.books))
    for row in (one for one in told.nowhere if one.records):
        finding = Finding(
            code="terms_unmapped" if row.kind == "terms" else "value_unmapped",
            message=f'table {row.table} gives "{row.value}" the code "{row.code}", '
            "which no books have.",
            values={"table": row.table, "value": row.value, "code": row.code},
        )
        file = opened.project.tables / f"{row.table}.csv"
        place = f"tables/{file.name}" if file.is_file() else f"tieout.yaml, tables.{row.table}"
        found.wrong("tables", Trouble(finding=finding, next=f"{place}; tieout codes shows them"))


async def _decided(opened: Opened, engine: Engine) -> AsyncIterator[Decision]:
    """What would be decided for every deal that waits; nothing is recorded."""
    for book in engine.policy.books:
        lane = lanes.lane(engine.bridge, lanes.DOCUMENTS, book.connection)
        after = ""
        while True:
            ids = await opened.do(_page(lane, after))
            if not ids:
                break
            after = ids[-1]
            rows = [DueRow(lane=lane, source_id=each, revision=0) for each in ids]
            for decision in await decide_window(engine, lane, rows):
                if decision.lane == lane:
                    yield decision


def _page(lane: str, after: str) -> Callable[[object], Sequence[str]]:
    return lambda tx: admin.all_due(tx, lane, after, WINDOW)  # type: ignore[arg-type]


def _troubles(
    opened: Opened, decisions: Iterable[Decision], written: Mapping[str, str]
) -> list[Trouble]:
    """One for each cause, with all deals that it stops; those that stop most first."""
    causes: dict[tuple[str, str], list[tuple[Finding, Decision]]] = {}
    currencies: set[str] = set()
    for decision in decisions:
        if decision.verdict is not Verdict.HOLD:
            continue
        if decision.net is not None:
            currencies.add(decision.currency)
        for finding in decision.findings:
            if finding.severity is Severity.ERROR:
                causes.setdefault(_cause(finding, decision), []).append((finding, decision))
    made = [
        replace(_trouble(opened, found, written), named=len(currencies) > 1)
        for found in causes.values()
    ]
    return sorted(made, key=lambda each: (-len(each.deals), each.finding.message))


def _cause(finding: Finding, decision: Decision) -> tuple[str, str]:
    """What stops many deals and is mended once is said once: an item, a value, a closed month."""
    if finding.code == "currency_not_allowed":
        return finding.code, decision.currency
    if finding.values.get("table"):
        return finding.code, f"{finding.values['table']} {finding.values.get('value', '')}"
    return finding.code, finding.values.get("item") or _of_each(finding, decision)


def _of_each(finding: Finding, decision: Decision) -> str:
    """What is said of the deal, without its name: the same of all that have it."""
    return finding.message.removeprefix(f"{decision.number} ")


def _trouble(
    opened: Opened, found: Sequence[tuple[Finding, Decision]], written: Mapping[str, str]
) -> Trouble:
    finding = found[0][0]
    deals: dict[str, Decision] = {}
    for _, decision in found:
        deals.setdefault(decision.number, decision)
    amounts: dict[str, Decimal] = {}
    rows: dict[str, int] = {}
    for decision in deals.values():
        if decision.net is not None:
            before = amounts.get(decision.currency, Decimal(0))
            amounts[decision.currency] = before + decision.net
            rows[decision.currency] = rows.get(decision.currency, 0) + 1
    item = finding.values.get("item")
    if finding.code == "item_no_code" and item:
        code = written.get(item, "")
        named = f" ({code} in the CRM)" if code and code != item else ""
        inline = "tables.items of tieout.yaml" in finding.hint
        finding = Finding(
            code=finding.code,
            message=f'item "{item}"{named} has no code.',
            values={**finding.values, "code": code},
        )
        place = "tieout.yaml, tables.items" if inline else _next_line(opened, "items.csv")
    elif finding.code == "currency_not_allowed" and len(deals) > 1:
        currency, books = found[0][1].currency, found[0][1].lane.rpartition("/")[2]
        finding = Finding(
            code=finding.code, message=f"{books} does not take {currency or 'no currency'}."
        )
        place = "tieout.yaml, books.currency"
    elif finding.values.get("table") and len(deals) > 1:
        table = f"{finding.values['table']}.csv"
        kept_in = finding.values.get("kept_in") or f"tables/{table}"
        said = f'"{finding.values.get("value", "")}" is not in {kept_in}.'
        finding = Finding(code=finding.code, message=said, values=finding.values)
        place = _next_line(opened, table)
        if not kept_in.startswith("tables/"):
            place = f"tieout.yaml, tables.{finding.values['table']}"
    elif len(deals) > 1:
        said = f"{len(deals)} deals: each {_of_each(*found[0])}"
        finding, place = replace(finding, message=said), finding.hint
    else:
        place = finding.hint
    return Trouble(
        finding=finding,
        deals=tuple(sorted(deals)),
        amounts=tuple(sorted(amounts.items(), key=lambda each: (-rows[each[0]], each[0]))),
        next=place,
    )


def _next_line(opened: Opened, table: str) -> str:
    """`tables/items.csv, line 14`: the first line behind what is there."""
    try:
        text = (opened.project.tables / table).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return f"tables/{table}"
    return f"tables/{table}, line {len(text.splitlines()) + 1}"
