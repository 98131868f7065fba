"""The Visma.net connector over its simulator, in one process and on one clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from random import Random
from typing import Any
from urllib.parse import urlencode

from contract.connector_contract import ContractRig
from support.fakes import ManualClock, MemorySecrets
from support.inprocess import InProcessTransport
from tieout.connectors.visma_net import VismaNetConnector, VismaNetSettings
from tieout.core.change import Action, Wanted
from tieout.core.model import (
    Address,
    Customer,
    Document,
    Entity,
    ExternalRef,
    Identifier,
    ItemRef,
    Line,
    LineKind,
    PartyKind,
)
from tieout_sandbox.kit import SandboxClock, dumps, loads, make_request
from tieout_sandbox.visma_net import CLIENT_ID, CLIENT_SECRET, TENANT_ID, VismaNetSimulator
from tieout_sandbox.visma_net.credentials import SERVICE_SCOPES

NAME = "visma-net"
HOST = "http://127.0.0.1:8703"
START = datetime(2026, 11, 24, 9, 15, 47, 123000, tzinfo=UTC)
PATHS = {
    (Entity.CUSTOMER, Action.CREATE): "/v1/customer",
    (Entity.CUSTOMER, Action.UPDATE): "/v1/customer/internal/*",
    (Entity.DOCUMENT, Action.CREATE): "/v2/customerinvoice",
    (Entity.DOCUMENT, Action.UPDATE): "/v1/customerinvoice/*",
    (Entity.DOCUMENT, Action.VOID): "/v1/customerinvoice/*",
}
METHODS = {Action.CREATE: "POST", Action.UPDATE: "PUT", Action.VOID: "DELETE"}


class VismaNetRig(ContractRig):
    """One company, one connection. ``drawn``: we draw the numbers of customers."""

    def __init__(self, *, size: int = 0, drawn: bool = True, **settings: Any) -> None:
        self.clock = ManualClock(START)
        self.sim = VismaNetSimulator(size=size, clock=SandboxClock(self.clock.now))
        self.transport = InProcessTransport(self.sim, self.sim.clock.now)
        self.secrets = MemorySecrets(self.clock, client_id=CLIENT_ID, client_secret=CLIENT_SECRET)
        self.settings = VismaNetSettings(
            **{
                "api_url": HOST,
                "orders_url": HOST,
                "token_url": f"{HOST}/connect/token",
                "authorize_url": f"{HOST}/connect/authorize",
                "tenant_id": TENANT_ID,
                "page_size": 5,
                "number_start": 200_000 if drawn else 0,
                "zone_eu": "02",
                "zone_abroad": "03",
                "default_subaccount": "100-00",
                **settings,
            }
        )
        self.connector = self.connect()
        self._drawn = 200_000

    def connect(self) -> VismaNetConnector:
        """Another process with the same sign-in."""
        return VismaNetConnector(
            NAME, self.settings, self.transport, self.secrets, self.clock, Random(1)
        )

    # What a person does.

    def act(self, action: str, /, **arguments: Any) -> Any:
        """Something in the program."""
        return self.sim.act(action, arguments)

    def assume(self, name: str, value: Any) -> None:
        """Switches one of the simulator's named assumptions."""
        self.act("set_assumption", name=name, value=value)

    def live(self, name: str) -> list[dict[str, Any]]:
        """All records of a table that are not deleted."""
        return [r for r in self.sim.entities()[name]() if not r.get("_deleted")]

    def invoice(self, ref: ExternalRef) -> dict[str, Any]:
        """An invoice as it is shown over there."""
        number = number_of(ref)
        return next(r for r in self.live("customerinvoice") if r["referenceNumber"] == number)

    def customer_number(self, ref: ExternalRef) -> str:
        """The number of a customer."""
        found = next(r for r in self.live("customer") if str(r["internalId"]) == ref.id)
        return str(found["number"])

    def order(self, customer: ExternalRef, **more: Any) -> str:
        """Somebody makes a sales order by the order service; its number."""
        token = self.token()
        line = {"inventoryId": "CONS", "quantity": 2, "unitPrice": 100, "hasManualPrice": True}
        number = self.customer_number(customer)
        body = {"type": "SO", "customer": {"id": number, "order": "PO-1"}, "orderLines": [line]}
        request = make_request(
            "POST",
            f"{HOST}/api/v3/SalesOrders",
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
            body=dumps({**body, **more}),
        )
        answer = self.sim.vendor(request)
        assert answer.status == 201, answer.body
        return answer.headers["Location"].rpartition("/")[2]

    def patch_order_line(self, number: str, line: int, price: int) -> None:
        """Somebody gives a line of an order another price, by the order service."""
        place = f"{HOST}/api/v3/SalesOrders/SO/{number}"
        headers = {
            "Authorization": f"Bearer {self.token()}",
            "Content-Type": "application/json",
        }
        shown = self.sim.vendor(make_request("GET", place, headers=headers))
        change = {"lineId": line, "unitPrice": price, "hasManualPrice": True}
        request = make_request(
            "PATCH",
            f"{place}/lines",
            headers={**headers, "If-Match": shown.headers["ETag"]},
            body=dumps({"lines": [change]}),
        )
        answer = self.sim.vendor(request)
        assert answer.status == 202, answer.body

    def token(self) -> str:
        """A token of the service application."""
        fields = {
            "grant_type": "client_credentials",
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "tenant_id": TENANT_ID,
            "scope": " ".join(SERVICE_SCOPES),
        }
        request = make_request(
            "POST",
            f"{HOST}/connect/token",
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            body=urlencode(fields).encode(),
        )
        return str(loads(self.sim.vendor(request).body)["access_token"])

    # The contract.

    def number(self) -> str | None:
        if not self.settings.number_start:
            return None
        self._drawn += 1
        return str(self._drawn)

    def customer(self, **values: Any) -> Wanted:
        record = Customer(
            name="Nordhavn Kaffe AS",
            kind=PartyKind.COMPANY,
            identifiers=(
                Identifier(kind="company", country="NO", raw="987654325"),
                Identifier(kind="vat", country="NO", raw="NO987654325MVA"),
            ),
            addresses=(
                Address(lines=("Kaigata 14",), postcode="5003", city="Bergen", country="NO"),
            ),
            emails={"invoice": "faktura@nordhavn.example"},
            phones={"general": "55 01 02 03"},
            contact_name="Kim Lund",
            currency="NOK",
            terms="30",
        )
        fields = {
            "name",
            "kind",
            "identifiers",
            "addresses",
            "emails",
            "phones",
            "contact_name",
            "currency",
            "terms",
        }
        return Wanted(record=replace(record, **values), fields=frozenset(fields | set(values)))

    def document(self, customer: ExternalRef, **values: Any) -> Wanted:
        rate = Decimal("0.25")
        record = Document(
            customer=customer,
            currency="",
            delivered_on=date(2026, 11, 20),
            our_reference="Sara Ek",
            your_reference="Kim Lund",
            buyer_reference="",
            po_number="PO-5521",
            lines=(
                Line(
                    position=1,
                    item=ItemRef(number="KIT/A"),
                    text="Kaffemaskin K3",
                    quantity=Decimal(3),
                    unit_price=Decimal("1249.50"),
                    discount=Decimal("0.1"),
                    tax_rate=rate,
                    dimensions={"project": "P1000", "project_task": "1", "department": "200"},
                ),
                Line(
                    position=2,
                    item=ItemRef(number="cons"),
                    text="Konsulttime",
                    quantity=Decimal("7.5"),
                    unit_price=Decimal("1095.00"),
                    tax_rate=rate,
                    dimensions={"project": "P1000", "project_task": "2"},
                ),
                Line(
                    position=3,
                    item=ItemRef(number="LIC"),
                    text="Lisens",
                    unit_price=Decimal("199.99"),
                    discount=Decimal("0.125"),
                    tax_rate=rate,
                    dimensions={"project": "P1000", "project_task": "1"},
                ),
                Line(position=4, kind=LineKind.TEXT, text="Levert uke 47"),
            ),
        )
        fields = {
            "customer",
            "delivered_on",
            "our_reference",
            "your_reference",
            "po_number",
            "lines",
        }
        return Wanted(record=replace(record, **values), fields=frozenset(fields | set(values)))

    def fault(self, kind: str, entity: Entity, action: Action, **more: Any) -> None:
        path = PATHS[entity, action]
        self.sim.faults.add({"kind": kind, "method": METHODS[action], "path": path, **more})

    def edit_beside(self, ref: ExternalRef) -> None:
        self.act("edit_document", document=number_of(ref), set={"accountingCostRef": "AVTALE-7"})

    def has_beside(self, ref: ExternalRef) -> bool:
        return bool(self.invoice(ref).get("accountingCostRef") == "AVTALE-7")

    def add_line(self, ref: ExternalRef, text: str) -> None:
        # A line without an item needs an account; with a project, a task too.
        line = {
            "operation": "Insert",
            "description": text,
            "accountNumber": "3000",
            "quantity": 0,
            "unitPriceInCurrency": 0,
            "vatCodeId": "3",
            "taskId": "1",
        }
        self.act("edit_document", document=number_of(ref), lines=[line])

    def remove_carrier(self, ref: ExternalRef) -> None:
        name = "externalReference"
        if self.settings.carrier == "customer_ref":
            name = "customerRefNumber"
        self.act("edit_document", document=number_of(ref), set={name: "Avtale 7"})

    def book(self, ref: ExternalRef) -> None:
        if self.invoice(ref)["status"] == "Hold":
            self.act("hold_document", document=number_of(ref), on=False)
        self.act("release", document=number_of(ref))

    def delete(self, ref: ExternalRef) -> None:
        self.act("delete_document", document=number_of(ref))

    def touch(self, ref: ExternalRef) -> None:
        number = self.customer_number(ref)
        self.act("edit_customer", customer=number, set={"accountReference": f"{self.clock.now()}"})

    def stored(self, entity: Entity) -> int:
        if entity is Entity.CUSTOMER:
            return len(self.live("customer"))
        return len(self.live("customerinvoice")) + len(self.live("customercreditnote"))

    def break_permission(self) -> None:
        self.sim.token_revoked(make_request("GET", f"{HOST}/v1/customer"))


def number_of(ref: ExternalRef) -> str:
    """The number of a document."""
    return ref.id.partition(":")[2]
