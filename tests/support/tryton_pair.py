"""Salesforce simulated, the books a real Tryton, with our connectors, engine and store between."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from support.fakes import ManualClock, MemorySecrets
from support.real_pair import CRM, RealPair
from support.tryton_rig import FaultyTransport
from support.tryton_server import RunningTryton
from tieout.connectors.tryton import TrytonConnector, TrytonSettings
from tieout.core.ledger_list import Period
from tieout.core.tieout import TieOut
from tieout.engine.enrich import Enricher
from tieout.ports import Connector
from tieout_sandbox.tryton import acts
from tieout_sandbox.tryton.rpc import Row, Tryton

BOOKS = "tryton-se"
CONFIGURATION = """
bridge: nordic
crm: salesforce-prod
books:
  - connection: tryton-se
    currency: [SEK, EUR]
flows:
  customers: {mode: auto}
  documents:
    mode: auto
    instalments: deal.Billing_Plan__c
  reconcile:
    rate: deal.Sales_Rate__c
tables:
  payment_terms: {"Net 10": "10", "Net 30": "30", "Net 60": "60"}
  items: {CONS: KON01}
"""
# Whatever day it is: trytond tells its time by the machine.
_THIS = datetime.now(UTC).year
ALL_TIME = Period(start=date(_THIS - 1, 1, 1), end=date(_THIS + 1, 12, 31))


class LeapingClock(ManualClock):
    """The machine's time and what was leapt over: a wait is none here, and trytond's time runs."""

    def __init__(self) -> None:
        super().__init__()
        self._ahead = 0.0

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self._ahead)

    def steady(self) -> int:
        return time.monotonic_ns() // 1_000_000 + round(self._ahead * 1000)

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)
        # What is under way over there gets a moment of the machine's.
        await asyncio.sleep(min(seconds, 0.05))

    def advance(self, seconds: float) -> None:
        self._ahead += seconds


class TrytonPair(RealPair):
    """
    One bridge between the simulated Salesforce and a company in a real Tryton.

    What people do over there they do as `anna`, the accountant, by their own screens' calls.
    Everything is in the present: the books' days are those of the machine.
    """

    books_name = BOOKS

    def __init__(
        self,
        url: str,
        running: RunningTryton,
        configuration: str = CONFIGURATION,
        *,
        data: Path | None = None,
        enrich: Enricher | None = None,
        crm: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        self.running = running
        clock = LeapingClock()
        super().__init__(
            url,
            configuration,
            start=clock.now(),
            clock=clock,
            data=data,
            enrich=enrich,
            crm=crm,
            books=settings,
        )

    def __exit__(self, *_: object) -> None:
        self.do(self.books_connector.close())
        super().__exit__()

    def _open_books(self, more: Mapping[str, Any], data: Path | None) -> Connector:
        del data
        person = self.running.plan_of("tieout")
        settings = TrytonSettings(
            api_url=self.running.url,
            database=self.running.database,
            **{
                # Every run looks at everything, as if these times had passed.
                **{"drafts_every_s": 0, "open_invoices_every_s": 0, "balances_every_s": 0},
                **{"overlap_s": 1, "our_contact": "Sara Ek"},
                **more,
            },
        )
        vault = MemorySecrets(self.clock, login=person.login, password=person.password)
        self.wire = FaultyTransport()
        return TrytonConnector(BOOKS, settings, self.wire, vault, self.clock, Random(1))

    # --- what people do over there ---------------------------------------------------------------

    @property
    def anna(self) -> Tryton:
        """The accountant's session."""
        return self.running.person("anna")

    def id_of(self, number: str, part: int = 0) -> int:
        """The invoice of a deal's step over there, by the key of its slot."""
        rows = self.in_store(
            lambda tx: tx.rows(
                "SELECT key13 FROM slot WHERE workspace = %(ws)s AND kind = 'D'"
                " AND source_id = %(source)s AND part = %(part)s",
                source=self.deals[number],
                part=part,
            )
        )
        ((key13,),) = rows
        domain = [["tieout_key", "like", f"{key13}D%"]]
        found = self.running.admin.search("account.invoice", domain, ["tieout_key"])
        assert found, f"{number} has no invoice"
        return int(max(found, key=lambda row: str(row["tieout_key"]))["id"])

    def row(self, number: str, *names: str, part: int = 0) -> Row:
        """Fields of a deal's invoice over there."""
        return self.running.admin.read("account.invoice", self.id_of(number, part), *names)

    def drafts(self) -> list[Row]:
        """The drafts of sales, with what they are about."""
        return self.invoices("draft")

    def invoices(self, *states: str) -> list[Row]:
        """The sales invoices in these states, all of them where none is named."""
        domain: list[Any] = [["type", "=", "out"]]
        if states:
            domain.append(["state", "in", list(states)])
        names = ["state", "number", "party.name", "untaxed_amount", "total_amount", "tieout_key"]
        return self.running.admin.search("account.invoice", domain, names)

    def book(self, number: str, part: int = 0) -> str:
        """Finance posts the draft of a deal's step; the invoice's number."""
        acts.post(self.anna, self.id_of(number, part))
        return str(self.row(number, "number", part=part)["number"])

    def invoiced(self, number: str, account: str, *amounts: Any, **more: Any) -> int:
        """A won deal, its draft made by a run and posted by finance, seen by a run; its id."""
        self.deal(number, account, *amounts, **more)
        self.run()
        self.book(number)
        self.run()
        return self.id_of(number)

    def price_there(self, number: str, price: str, line: int = 1, part: int = 0) -> None:
        """Finance gives a line of the draft another price."""
        invoice = self.id_of(number, part)
        lines = self.running.admin.search(
            "account.invoice.line", [["invoice", "=", invoice], ["type", "=", "line"]], []
        )
        values = {"unit_price": Decimal(price)}
        acts.edit_line(self.anna, invoice, lines[line - 1]["id"], **values)

    # --- what there is ---------------------------------------------------------------------------

    def tied(self) -> TieOut:
        """The tie-out of all time, which has to be explained."""
        result = self.tie_out(ALL_TIME).tie_out
        assert result.explained, result.unexplained_parts
        return result

    def figures(self, number: str) -> dict[str, str]:
        """What the CRM shows of a deal, as text; flags that are not set left out."""
        told = {name: value for name, value in self.shown(number).items() if value is not None}
        return {name: str(value) for name, value in told.items() if value is not False}

    def cases_of(self, number: str) -> list[str]:
        """The codes of a deal's open exceptions."""
        return [case.code for case in self.cases() if case.source_id == self.deals[number]]


def parts(result: TieOut, number: str) -> list[tuple[str, str]]:
    """The parts of a deal's gap."""
    row = next(row for row in result.deals if row.number == number)
    return [(part.cause.value, str(part.amount)) for part in row.parts]


__all__ = ["ALL_TIME", "BOOKS", "CONFIGURATION", "CRM", "LeapingClock", "TrytonPair", "parts"]
