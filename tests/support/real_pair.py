"""Salesforce and Visma eAccounting, both simulated, with our connectors, engine and store."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from support.bridges import bridge_of
from support.fakes import ManualClock, MemorySecrets
from support.inprocess import InProcessTransport
from tieout.connectors.salesforce import SalesforceConnector, SalesforceSettings
from tieout.connectors.visma_eaccounting import VismaConnector, VismaSettings
from tieout.core.brakes import Brake
from tieout.core.ledger_list import Period
from tieout.core.model import Company
from tieout.engine.context import Engine
from tieout.engine.enrich import Enricher
from tieout.engine.run import RunResult, run
from tieout.ports import Connector
from tieout.services.enrich import NordicEnricher
from tieout.services.receivables import roll_forward
from tieout.services.reconcile import Reconciled, reconcile
from tieout.settings.compile import compile_policy, selections
from tieout.store import admin, people
from tieout.store.database import BlockingRunner, blocking_engine
from tieout.store.people import Case
from tieout.store.postgres import PostgresStore
from tieout.store.workspaces import ensure_workspace
from tieout_sandbox.kit import SandboxClock, company_numbers
from tieout_sandbox.salesforce import SalesforceSimulator, credentials
from tieout_sandbox.visma_eaccounting import (
    CLIENT_ID,
    CLIENT_SECRET,
    REFRESH_TOKEN,
    VismaSimulator,
)

T = TypeVar("T")
CRM, BOOKS, BRIDGE = "salesforce-prod", "visma-se", "nordic"
CRM_HOST, BOOKS_HOST = "http://127.0.0.1:8443", "http://127.0.0.1:8701"
START = datetime(2026, 9, 1, 7, 0, tzinfo=UTC)

# What an administrator adds to a fresh org for these tests, and what our settings call it.
FIELDS = (
    ("Opportunity", "Deal_Number__c", "string:20"),
    ("Opportunity", "Billing_Plan__c", "string:200"),
    ("Opportunity", "Order_Confirmed__c", "boolean"),
    ("Opportunity", "Delivered_On__c", "date"),
    ("Opportunity", "Discount_Amount__c", "currency:18.2"),
    ("Opportunity", "Sales_Rate__c", "double:18.6"),
    ("Account", "Own_Group__c", "boolean"),
)
DEAL_FIELDS = {
    "number": "Deal_Number__c",
    "delivered_on": "Delivered_On__c",
    "discount": "Discount_Amount__c",
}
STANDING_FIELDS = {
    "net": "Erp_Net__c",
    "gross": "Erp_Gross__c",
    "last_payment_on": "Erp_Last_Payment__c",
    "credited_in_part": "Erp_Credited_In_Part__c",
    "refund_due": "Erp_Refund_Due__c",
}
_workspaces = itertools.count(1)


class CountingIds:
    """Ids in order, as a seeded run has them."""

    def __init__(self) -> None:
        self._next = itertools.count(1)

    def new(self, kind: str) -> str:
        return f"{kind[:1]}{next(self._next):012d}"


class RealPair:
    """
    One bridge over both simulators on one manual clock, in a workspace of its own.

    ``configuration`` is the text of `tieout.yaml`; the bridge is called nordic, its connections
    salesforce-prod and visma-se. Use as a context manager.
    """

    books_name = BOOKS

    def __init__(
        self,
        url: str,
        configuration: str,
        *,
        start: datetime = START,
        data: Path | None = None,
        enrich: Enricher | None = None,
        crm: Mapping[str, Any] | None = None,
        books: Mapping[str, Any] | None = None,
        clock: ManualClock | None = None,
    ) -> None:
        self.clock = clock or ManualClock(start)
        self.crm = SalesforceSimulator(
            seed=1, size=0, clock=SandboxClock(self.clock.now, start=start), data=data, package=True
        )
        self._loop = asyncio.new_event_loop()
        self.accounts: dict[str, str] = {}
        self.deals: dict[str, str] = {}
        self.lines: dict[str, list[str]] = {}
        self._numbers = Random(7)
        if data is None:
            for kind, name, shape in FIELDS:
                self.in_crm("create_field", object=kind, field=name, type=shape)
        named = {"deal": DEAL_FIELDS, "deal_standing": STANDING_FIELDS} if data is None else {}
        self.crm_connector = self._crm_connector({**named, **(crm or {})})
        self.books_connector: Connector = self._open_books(books or {}, data)
        self._engine = blocking_engine(url)
        self.workspace = f"pair-{next(_workspaces)}"
        self.enrich = enrich or NordicEnricher(oss=False)
        self._ids = CountingIds()
        with self._engine.begin() as connection:
            ensure_workspace(self.workspace, "A pair", self.clock.now())(connection)
        self.store = PostgresStore(
            BlockingRunner(self._engine),
            workspace=self.workspace,
            ids=self._ids,
            clock=self.clock,
        )
        self.companies: dict[str, Company] = {
            CRM: self.do(self.crm_connector.company()),
            self.books_name: self.do(self.books_connector.company()),
        }
        self.engine = self.configure(configuration)

    def __enter__(self) -> RealPair:
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.close()
        self._engine.dispose()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs it to its end."""
        return self._loop.run_until_complete(work)

    def in_store(self, work: Any) -> Any:
        """A store function in one transaction."""
        return self.do(self.store.do(work))

    # --- making the parts ------------------------------------------------------------------------

    def _crm_connector(self, more: Mapping[str, Any]) -> SalesforceConnector:
        known = credentials()
        settings = SalesforceSettings.from_mapping(
            {
                "login_url": CRM_HOST,
                "audience": known["jwt_audience"],
                "user": known["username"],
                "currency": "SEK",
                **more,
            }
        )
        vault = MemorySecrets(
            self.clock, client_id=known["client_id"], private_key=known["private_key"]
        )
        self.crm_wire = InProcessTransport(self.crm, self.crm.clock.now)
        return SalesforceConnector(CRM, settings, self.crm_wire, vault, self.clock, Random(1))

    def _open_books(self, more: Mapping[str, Any], data: Path | None) -> Connector:
        """The connector of the books; what it leads to is opened here as well."""
        self.books = VismaSimulator(
            seed=1, size=0, clock=SandboxClock(self.clock.now), data=data, rate_limits=False
        )
        settings = VismaSettings(
            api_url=BOOKS_HOST,
            token_url=f"{BOOKS_HOST}/connect/token",
            authorize_url=f"{BOOKS_HOST}/connect/authorize",
            **more,
        )
        vault = MemorySecrets(
            self.clock,
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
            refresh_token=REFRESH_TOKEN,
        )
        self.books_wire = InProcessTransport(self.books, self.books.clock.now)
        return VismaConnector(BOOKS, settings, self.books_wire, vault, self.clock, Random(1))

    def configure(self, text: str) -> Engine:
        """Another version of the configuration comes into force."""
        return self.work_with(text, self.do(self.publish(text)))

    async def publish(self, text: str) -> int:
        """It comes into force, and whoever works with another one goes on; its version."""
        digest, now = bridge_of(text).digest, self.clock.now()
        made = await self.store.do(
            lambda tx: admin.publish(
                tx,
                bridge=BRIDGE,
                body=text,
                tables={},
                digest=digest,
                message="",
                who="Mats Ek",
                now=now,
            )
        )
        return int(made.version)

    def work_with(self, text: str, version: int) -> Engine:
        """An engine with that version."""
        found = bridge_of(text)
        self.policy = compile_policy(
            found,
            version=version,
            crm_org=self.companies[CRM].id,
            companies={self.books_name: self.companies[self.books_name]},
        )
        connectors: dict[str, Connector] = {
            CRM: self.crm_connector,
            self.books_name: self.books_connector,
        }
        self.engine = Engine(
            store=self.store,
            connectors=connectors,
            policy=self.policy,
            selections=selections(found, {name: c.abilities for name, c in connectors.items()}),
            clock=self.clock,
            ids=self._ids,
            enrich=self.enrich,
            worker="worker",
            companies=dict(self.companies),
        )
        return self.engine

    # --- time and runs ---------------------------------------------------------------------------

    def at(self, when: datetime) -> None:
        """Time goes on to that moment."""
        seconds = (when - self.clock.now()).total_seconds()
        assert seconds >= 0, f"it is {self.clock.now()} already"
        self.clock.advance(seconds)

    def run(self) -> RunResult:
        """One run of the bridge, 61 seconds after what came before. Brakes are not expected."""
        self.clock.advance(61)
        result = self.do(run(self.engine))
        assert not result.brakes, [brake.message for brake in result.brakes]
        return result

    def braked(self) -> tuple[Brake, ...]:
        """One run that is expected to be held back."""
        self.clock.advance(61)
        return self.do(run(self.engine)).brakes

    # --- what people do --------------------------------------------------------------------------

    def in_crm(self, action: str, /, **arguments: Any) -> Any:
        """A person does something in Salesforce."""
        return self.crm.act(action, arguments)

    def in_books(self, action: str, /, **arguments: Any) -> Any:
        """A person does something in Visma."""
        return self.books.act(action, arguments)

    def account(self, name: str, country: str = "SE", **fields: Any) -> str:
        """An account with a number of its own and a whole address."""
        if name in self.accounts:
            return self.accounts[name]
        where = {
            "SE": ("Storgatan 1", "111 22", "Stockholm"),
            "FI": ("Satamakatu 4", "57100", "Savonlinna"),
        }[country]
        number = (
            company_numbers.swedish(self._numbers, "556")
            if country == "SE"
            else company_numbers.finnish(self._numbers)
        )
        vat = {"SE": f"SE{number.replace('-', '')}01", "FI": f"FI{number.replace('-', '')}"}
        values = {
            "BillingStreet": where[0],
            "BillingPostalCode": where[1],
            "BillingCity": where[2],
            "BillingCountryCode": country,
            "Org_Number__c": number,
            "Vat_Number__c": vat[country],
            "Payment_Terms__c": "Net 30",
            "Invoice_Email__c": "faktura@kund.example",
            "CurrencyIsoCode": "EUR" if country == "FI" else "SEK",
            **fields,
        }
        made = self.in_crm("create_account", name=name, fields=values)
        self.accounts[name] = str(made["id"])
        return self.accounts[name]

    def deal(
        self,
        number: str,
        account: str,
        *amounts: str | dict[str, Any],
        close: str = "",
        won: bool = True,
        currency: str = "SEK",
        **fields: Any,
    ) -> str:
        """
        A deal with a line for each amount (of one hour of consulting), won at once or not.

        A line may be given whole, as `create_opportunity` takes it.
        """
        lines = [
            amount
            if isinstance(amount, dict)
            else {"product": "CONS", "quantity": "1", "unit_price": amount}
            for amount in amounts
        ]
        made = self.in_crm(
            "create_opportunity",
            name=f"{number} {account}",
            account=self.accounts.get(account) or self.account(account),
            close_date=close or self.clock.now().date().isoformat(),
            currency=currency,
            lines=lines,
            fields={"Deal_Number__c": number, **fields},
        )
        self.deals[number] = str(made["id"])
        self.lines[number] = [str(line) for line in made["lines"]]
        if won:
            self.in_crm("win", id=self.deals[number], close_date=close or None)
        return self.deals[number]

    def edit(self, number: str, **fields: Any) -> None:
        """A person changes fields of a deal."""
        self.in_crm("edit_opportunity", id=self.deals[number], fields=fields)

    def price(self, number: str, amount: str, line: int = 1) -> None:
        """A person changes the price of a line of a deal."""
        change = {"id": self.lines[number][line - 1], "unit_price": amount}
        self.in_crm("edit_lines", id=self.deals[number], change=[change])

    def draft_of(self, number: str, part: int = 0) -> str:
        """The id of the draft of a deal's step in the books."""
        return self._guid(number, part, "draft")

    def invoice_of(self, number: str, part: int = 0) -> str:
        """The number of the invoice of a deal's step in the books."""
        guid = self._guid(number, part, "invoice")
        row = next(r for r in self.records("customerinvoices") if r["Id"] == guid)
        return str(row["InvoiceNumber"])

    def book(self, number: str, part: int = 0) -> str:
        """Finance books the draft of a deal's step today; the invoice's number."""
        made = self.in_books("book_draft", draft=self.draft_of(number, part))
        return str(made["InvoiceNumber"])

    def _guid(self, number: str, part: int, kind: str) -> str:
        rows = self.in_store(
            lambda tx: tx.rows(
                "SELECT r.id FROM ref r JOIN slot s ON s.workspace = r.workspace"
                " AND s.key13 = r.key13 WHERE r.workspace = %(ws)s AND r.role = 'current'"
                " AND r.entity = 'document' AND s.source_id = %(source)s AND s.part = %(part)s",
                source=self.deals[number],
                part=part,
            )
        )
        assert rows, f"{number} has no document"
        found, _, guid = str(rows[0][0]).partition(":")
        assert found == kind, f"{number} has the {found} {guid}"
        return guid

    def approve(self, number: str, who: str = "Maria Ek") -> int:
        """A person releases what waits of a deal; how many operations that were."""
        source = self.deals[number]

        def release(tx: Any) -> int:
            rows = tx.rows(
                "SELECT key13, want_digest FROM operation WHERE workspace = %(ws)s"
                " AND source_id = %(source)s AND state = 'awaiting_approval' ORDER BY id",
                source=source,
            )
            for key13, digest in rows:
                tx.run(
                    "INSERT INTO approval (workspace, digest, key13, who, at) VALUES (%(ws)s,"
                    " %(digest)s, %(key13)s, %(who)s, %(now)s) ON CONFLICT DO NOTHING",
                    digest=digest,
                    key13=key13,
                    who=who,
                    now=self.clock.now(),
                )
            return len(rows)

        count = int(self.in_store(release))
        lane = f"{BRIDGE}/documents/{self.books_name}"
        self.do(self.store.make_due(lane, [source], self.clock.now()))
        return count

    # --- what there is ---------------------------------------------------------------------------

    def records(self, entity: str) -> list[dict[str, Any]]:
        """Everything stored in the books under that name, as `/_sandbox/records` gives it."""
        rows = self.books.entities()[entity]()
        return [row for row in rows if not row.get("_deleted")]

    def crm_records(self, entity: str) -> list[dict[str, Any]]:
        """The same of Salesforce."""
        rows = self.crm.entities()[entity]()
        return [row for row in rows if not row.get("_deleted") and not row.get("IsDeleted")]

    def shown(self, number: str) -> dict[str, Any]:
        """What the deal's row in Salesforce shows of the books."""
        source = self.deals[number]
        row = next(r for r in self.crm_records("Opportunity") if r["Id"] == source)
        return {
            "status": row.get("Erp_Status__c"),
            "number": row.get("Erp_Invoice_Number__c"),
            "net": row.get("Erp_Net__c"),
            "paid": row.get("Erp_Paid_Amount__c"),
            "open": row.get("Erp_Open_Amount__c"),
            "overdue": row.get("Erp_Overdue__c"),
            "credited_in_part": row.get("Erp_Credited_In_Part__c"),
            "refund_due": row.get("Erp_Refund_Due__c"),
        }

    def balance(self, account: str) -> tuple[Decimal, Decimal]:
        """What the account's row shows as open, and as overdue."""
        source = self.accounts[account]
        row = next(r for r in self.crm_records("Account") if r["Id"] == source)
        return row["Ar_Balance__c"], row["Ar_Overdue__c"]

    def cases(self, code: str = "") -> list[Case]:
        """Open exceptions, of one code where it is given."""
        found: list[Case] = self.in_store(lambda tx: people.open_cases(tx, BRIDGE, CRM))
        return [case for case in found if code in ("", case.code)]

    def tie_out(
        self, period: Period, cut_off: date | None = None, *, receivables: bool = False
    ) -> Reconciled:
        """The tie-out of a period, with the receivables where they are asked for."""
        book = self.policy.book(self.books_name)
        day = cut_off or period.end
        done = self.do(
            reconcile(
                self.store,
                self.policy,
                book,
                self.companies[self.books_name],
                period=period,
                cut_off=day,
                now=self.clock.now(),
                connector=self.books_connector,
            )
        )
        if receivables:
            rolled = self.do(roll_forward(self.books_connector, period, day))
            assert rolled is not None
            return with_receivables(done, *rolled)
        return done


def with_receivables(done: Reconciled, rolled: Any, aged: Any) -> Reconciled:
    """The same with receivables and their age in its report."""
    return replace(done, report=replace(done.report, receivables=rolled, ageing=aged))


__all__ = ["BOOKS", "BRIDGE", "CRM", "START", "RealPair"]
