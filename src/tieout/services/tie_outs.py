"""Tie-outs of a bridge's books: when somebody asks, and by themselves as often as configured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from tieout.core.errors import ConnectionBrokenError
from tieout.core.ledger_list import Period
from tieout.engine import lanes
from tieout.engine.context import Engine
from tieout.ports import Connector
from tieout.report.context import Report
from tieout.report.data import digest
from tieout.services import receivables as rolling
from tieout.services.reconcile import reconcile
from tieout.store import people, tied
from tieout.store.postgres import PostgresStore

Say = Callable[[str], None]


async def reports(
    engine: Engine,
    store: PostgresStore,
    asked: Period | None,
    *,
    books: str = "",
    receivables: bool = False,
    say: Say = lambda _: None,
) -> list[Report]:
    """
    The tie-out of each of the books, or of ``books`` only, against their own lists.

    ``asked`` None: of all deals and documents that there are. Raises what the connectors raise.
    """
    found = []
    for book in engine.policy.books:
        if books not in ("", book.connection):
            continue
        say(f"Comparing {book.connection} with its ledger")
        connector = engine.connectors[book.connection]
        company = await connector.company()
        engine.companies[book.connection] = company
        today = engine.today(book.connection)
        period = asked or await _everything(engine, store, book.connection)
        cut_off = min(period.end, today) if asked else today
        done = await reconcile(
            store,
            engine.policy,
            book,
            company,
            period=period,
            cut_off=cut_off,
            now=engine.clock.now(),
            connector=connector if hasattr(connector, "ledger") else None,
        )
        report = done.report
        if receivables:
            report = await _with_receivables(report, connector, period, cut_off)
        found.append(report)
    return found


_NOT_TOLD = "These books tell nothing of their receivables."
_NOT_ALLOWED = frozenset({"rights_missing", "scope_missing", "not_in_plan"})


async def _with_receivables(
    report: Report, connector: Connector, period: Period, cut_off: date
) -> Report:
    """The report with the receivables, or with the reason why it has none."""
    try:
        rolled = await rolling.roll_forward(connector, period, cut_off)
    except ConnectionBrokenError as error:
        # A right to sales alone is a choice that a company may make; the tie-out stands.
        if error.code not in _NOT_ALLOWED:
            raise
        return replace(report, unread=f"Not read. {error.message}")
    if rolled is None:
        return replace(report, unread=_NOT_TOLD)
    return replace(report, receivables=rolled[0], ageing=rolled[1])


async def _everything(engine: Engine, store: PostgresStore, books: str) -> Period:
    """The days of all deals and documents that are known."""
    crm, today = engine.policy.crm, engine.today(books)
    first, last = await store.do(lambda tx: people.known_days(tx, crm, books))
    days = [day for day in (first, last, today) if day is not None]
    return Period(start=min(days), end=max(days))


# --- by themselves -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class TiedOut:
    """What a tie-out came to that nobody asked for. ``exception``: its number, where one is open"""

    books: str
    at: datetime
    currency: str
    sold: Decimal
    invoiced: Decimal
    unexplained: Decimal
    explained: bool
    ledger_read: bool
    exception: int | None = None

    @property
    def gap(self) -> Decimal:
        return self.sold - self.invoiced


@dataclass(slots=True, kw_only=True)
class Pace:
    """
    What a bridge does less often than its rounds. Kept between the rounds of one process; when
    it was tied out last is also in the database, so that a restart does not do it again.
    """

    decided: dict[str, int] = field(default_factory=dict)
    tied_out: datetime | None = None

    def rest(self, engine: Engine) -> None:
        """Tells the engine which flows rest in the coming round."""
        policy, now = engine.policy, engine.clock.steady()
        resting: set[str] = set()
        for flows, every in (
            ((lanes.STATUS, lanes.BALANCES), policy.status.every_s),
            ((lanes.ITEMS,), policy.items.every_s),
            ((lanes.INVOICES,), policy.invoices.every_s),
            ((lanes.REFERENCE,), policy.reference.every_s),
            ((lanes.CONTACTS, lanes.PERSONS), policy.contacts.every_s),
        ):
            last = self.decided.get(flows[0])
            if every is not None and last is not None and now - last < every * 1000:
                resting.update(flows)
            else:
                self.decided[flows[0]] = now
        engine.resting = frozenset(resting)

    async def tie_out(self, engine: Engine, store: PostgresStore) -> tuple[TiedOut, ...]:
        """
        The tie-outs that are due by `flows.reconcile.every`; none where they are not.

        Kept in the activity log; what stays unexplained opens an exception. Raises what the
        connectors raise.
        """
        every, now = engine.policy.reconcile.every_s, engine.clock.now()
        if every is None or engine.stopping:
            return ()
        if self.tied_out is None:
            bridge = engine.bridge
            self.tied_out = await store.do(lambda tx: tied.last(tx, bridge))
        # A clock that was set back must not keep it from being done.
        if self.tied_out is not None and timedelta(0) <= now - self.tied_out < _span(every):
            return ()
        made = await reports(engine, store, None)
        found = await store.do(lambda tx: _keep(tx, engine, made, now))
        self.tied_out = now
        return tuple(found)


def _span(seconds: int) -> timedelta:
    return timedelta(seconds=seconds)


def _keep(tx: Any, engine: Engine, made: Sequence[Report], now: datetime) -> list[TiedOut]:
    found = []
    for report in made:
        result = report.tie_out
        one = TiedOut(
            books=report.context.books,
            at=now,
            currency=result.currency,
            sold=result.sold,
            invoiced=result.invoiced,
            unexplained=result.unexplained,
            explained=result.explained,
            ledger_read=result.ledger_read,
        )
        number = tied.keep(
            tx,
            bridge=engine.bridge,
            books=one.books,
            company=report.context.company,
            figures={
                "sold": str(one.sold),
                "invoiced": str(one.invoiced),
                "unexplained": str(one.unexplained),
                "currency": one.currency,
                "sha256": digest(report),
            },
            message=_trouble(one) if result.alerts else "",
            owner=engine.policy.reconcile.alert,
            now=now,
        )
        found.append(replace(one, exception=number))
    return found


def _trouble(one: TiedOut) -> str:
    if not one.ledger_read:
        return f"The own list of {one.books} was not read, so nothing counts as explained."
    amount = f"{one.currency} {one.unexplained:,.2f}"
    return f"{amount} between the CRM and {one.books} have no explanation."
