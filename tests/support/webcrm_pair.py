"""webCRM and Visma eAccounting, both simulated, with our connectors, engine and store."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from datetime import datetime
from random import Random
from typing import Any

from support.bridges import bridge_of
from support.fakes import ManualClock, MemorySecrets
from support.inprocess import InProcessTransport
from support.real_pair import BOOKS, BRIDGE, START, CountingIds, RealPair
from support.webcrm_rig import BASE, FIELDS
from support.webcrm_rig import NAME as CRM
from tieout.connectors.webcrm import WebcrmConnector, WebcrmSettings
from tieout.core.model import Company
from tieout.engine.context import Engine
from tieout.ports import Connector
from tieout.services.enrich import NordicEnricher
from tieout.settings.compile import compile_policy, selections
from tieout.store import admin, people
from tieout.store.database import BlockingRunner, blocking_engine
from tieout.store.people import Case
from tieout.store.postgres import PostgresStore
from tieout.store.workspaces import ensure_workspace
from tieout_sandbox.kit import SandboxClock, company_numbers
from tieout_sandbox.webcrm import WebcrmSimulator
from tieout_sandbox.webcrm.credentials import APPLICATION_TOKEN

CONFIGURATION = f"""
bridge: {BRIDGE}
crm: {CRM}
books:
  - connection: {BOOKS}
    currency: [SEK, EUR]
flows:
  customers:
    mode: auto
    match: [external_id, tax_number, name_postcode]
  documents:
    mode: auto
    when: deal.won
    include: account.OrganisationType == 'Debitor'
    require_reference: flagged
  status: {{mode: auto}}
  reconcile: {{sold_amount: lines, threshold: 1.00}}
mapping:
  customer:
    terms: {{from: account.terms, values: terms, owner: books}}
  document:
    our_reference: deal.owner | default('')
    your_reference: contact.name | default('')
tables:
  terms: {{"30: 30 dage": "30", "14: 14 dage": "14"}}
  items: {{CONS: KONS-1}}
"""
_workspaces = itertools.count(1)


class WebcrmPair(RealPair):
    """One bridge over both simulators on one manual clock. Use as a context manager."""

    books_name = BOOKS

    def __init__(
        self,
        url: str,
        configuration: str = CONFIGURATION,
        *,
        start: datetime = START,
        crm: Mapping[str, Any] | None = None,
    ) -> None:
        self.clock = ManualClock(start)
        sandbox = SandboxClock(self.clock.now, start=start)
        self.webcrm = WebcrmSimulator(seed=1, size=0, clock=sandbox)
        self._loop = asyncio.new_event_loop()
        self._numbers = Random(11)
        self.organisations: dict[str, int] = {}
        self.crm_wire = InProcessTransport(self.webcrm, self.webcrm.clock.now)
        self.crm_vault = MemorySecrets(self.clock, client_secret=APPLICATION_TOKEN)
        self.crm_settings = WebcrmSettings.from_mapping({"api_url": BASE, **FIELDS, **(crm or {})})
        self.webcrm_connector = self.connect()
        self.books_connector: Connector = self._open_books({}, None)
        self._engine = blocking_engine(url)
        self.workspace = f"webcrm-{next(_workspaces)}"
        self.enrich = NordicEnricher(oss=False)
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
            CRM: self.do(self.webcrm_connector.company()),
            BOOKS: self.do(self.books_connector.company()),
        }
        self.act("add_item", item="CONS", text="Konsult, timme", unit="time", price="1150.00")
        self.engine = self.configure(configuration)

    def connect(self) -> WebcrmConnector:
        """The connector of a process that has read nothing yet."""
        return WebcrmConnector(
            CRM, self.crm_settings, self.crm_wire, self.crm_vault, self.clock, Random(1)
        )

    def configure(self, text: str) -> Engine:
        """Another version of the configuration comes into force."""
        found = bridge_of(text)
        now = self.clock.now()
        version = self.in_store(
            lambda tx: admin.publish(
                tx,
                bridge=BRIDGE,
                body=text,
                tables={},
                digest=found.digest,
                message="",
                who="Mats Ek",
                now=now,
            )
        )
        self.policy = compile_policy(
            found,
            version=version.version,
            crm_org=self.companies[CRM].id,
            companies={BOOKS: self.companies[BOOKS]},
        )
        connectors: dict[str, Connector] = {
            CRM: self.webcrm_connector,
            BOOKS: self.books_connector,
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

    # What people do.

    def act(self, action: str, /, **arguments: Any) -> Any:
        """A person does something in webCRM."""
        return self.webcrm.act(action, arguments)

    def assume(self, name: str, value: Any) -> None:
        """Switches one of webCRM's named assumptions."""
        self.act("set_assumption", name=name, value=value)

    def organisation(self, name: str = "Nordhavn Kaffe AB", **values: Any) -> int:
        """An organisation with a number of its own and a whole address."""
        if name not in self.organisations:
            number = company_numbers.swedish(self._numbers, "556")
            whole = {
                "Address": "Sandkajen 14\n2 tr",
                "PostCode": "111 22",
                "City": "Stockholm",
                "Country": "Sverige",
                "VatNumber": f"SE{number.replace('-', '')}01",
                "Custom1": number,
                "Custom2": "30: 30 dage",
                "Custom3": "faktura@nordhavn.example",
                "Custom6": "SEK",
                **values,
            }
            made = self.act("add_organisation", name=name, set=whole)
            self.organisations[name] = int(made["OrganisationId"])
        return self.organisations[name]

    def sell(self, number: str, *amounts: str, how: str = "add_delivery", **more: Any) -> int:
        """A delivery (or an opportunity) with a line of consulting for each amount."""
        lines = [{"item": "CONS", "quantity": 1, "price": amount} for amount in amounts]
        made = self.act(
            how,
            organisation=more.pop("organisation", None) or self.organisation(),
            title=f"Salg {number}",
            currency="SEK",
            lines=lines,
            set={"Number": number, "OpportunityCustom3": "Mette Holm"}
            if how == "add_delivery"
            else {"Number": number, "Custom3": "Mette Holm"},
            **more,
        )
        return int(made.get("DeliveryId") or made["OpportunityId"])

    # What there is.

    def drafts(self) -> list[dict[str, Any]]:
        """The drafts in the books."""
        return self.records("customerinvoicedrafts")

    def webcrm_row(self, resource: str, number: int) -> dict[str, Any]:
        """A deal or organisation as the API shows it."""
        key = {"Deliveries": "DeliveryId", "Opportunities": "OpportunityId"}.get(
            resource, "OrganisationId"
        )
        rows = self.webcrm.entities()[resource]()
        return next(row for row in rows if row[key] == number and not row.get("_deleted"))

    def cases(self, code: str = "") -> list[Case]:
        """Open exceptions, of one code where it is given."""
        found: list[Case] = self.in_store(lambda tx: people.open_cases(tx, BRIDGE, CRM))
        return [case for case in found if code in ("", case.code)]
