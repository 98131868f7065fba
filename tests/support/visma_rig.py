"""The Visma connector over its simulator, in one process and on one clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from random import Random
from typing import Any

from contract.connector_contract import ContractRig
from support.fakes import ManualClock, MemorySecrets
from support.inprocess import InProcessTransport
from tieout.connectors.visma_eaccounting import VismaConnector, VismaSettings
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
from tieout_sandbox.kit import SandboxClock
from tieout_sandbox.visma_eaccounting import (
    CLIENT_ID,
    CLIENT_SECRET,
    REFRESH_TOKEN,
    VismaSimulator,
)

NAME = "visma-se"
HOST = "http://127.0.0.1:8701"
START = datetime(2026, 11, 24, 9, 15, 47, 123000, tzinfo=UTC)
PATHS = {Entity.CUSTOMER: "/v2/customers", Entity.DOCUMENT: "/v2/customerinvoicedrafts"}
METHODS = {Action.CREATE: "POST", Action.UPDATE: "PUT", Action.VOID: "DELETE"}


class VismaRig(ContractRig):
    """One company, one connection."""

    def __init__(self, *, size: int = 0, **settings: Any) -> None:
        self.clock = ManualClock(START)
        self.sim = VismaSimulator(size=size, clock=SandboxClock(self.clock.now))
        self.transport = InProcessTransport(self.sim, self.sim.clock.now)
        self.secrets = MemorySecrets(
            self.clock,
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
            refresh_token=REFRESH_TOKEN,
        )
        self.settings = VismaSettings(
            api_url=HOST,
            token_url=f"{HOST}/connect/token",
            authorize_url=f"{HOST}/connect/authorize",
            **{"page_size": 5, "our_contact": "Sara Ek", **settings},
        )
        self.connector = self.connect()
        self._drawn = 200_000

    def connect(self) -> VismaConnector:
        """Another process with the same sign-in."""
        return VismaConnector(
            NAME, self.settings, self.transport, self.secrets, self.clock, Random(1)
        )

    # What a person does.

    def act(self, action: str, /, **arguments: Any) -> Any:
        """Something in the program."""
        return self.sim.act(action, arguments)

    def assume(self, name: str, value: Any) -> None:
        """Switches one of the simulator's named assumptions."""
        self.act("set_assumption", name=name, value=value)

    def row(self, name: str, guid: str) -> dict[str, Any]:
        """A record as it is stored."""
        return next(r for r in self.sim.entities()[name]() if r["Id"] == guid)

    def live(self, name: str) -> list[dict[str, Any]]:
        """All records of a table that are not deleted."""
        return [r for r in self.sim.entities()[name]() if not r.get("_deleted")]

    # The contract.

    def number(self) -> str | None:
        self._drawn += 1
        return str(self._drawn)

    def customer(self, **values: Any) -> Wanted:
        record = Customer(
            name="Nordhavn Kaffe AB",
            kind=PartyKind.COMPANY,
            identifiers=(
                Identifier(kind="company", country="SE", raw="5599999819"),
                Identifier(kind="vat", country="SE", raw="SE559999981901"),
            ),
            addresses=(
                Address(lines=("Kajgatan 14",), postcode="211 19", city="Malmö", country="SE"),
            ),
            emails={"invoice": "faktura@nordhavn.example"},
            phones={"general": "040-55 01 02"},
            contact_name="Kim Lund",
            currency="SEK",
            terms="30",
            note="Från CRM",
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
            "note",
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
                    item=ItemRef(number="KAFFE-K3"),
                    text="Kaffemaskin K3",
                    quantity=Decimal(3),
                    unit_price=Decimal("1249.50"),
                    discount=Decimal("0.1"),
                    tax_rate=rate,
                    dimensions={"project": "104", "cost_center": "100"},
                ),
                Line(
                    position=2,
                    item=ItemRef(number="kons-1"),
                    text="Konsulttimme",
                    quantity=Decimal("7.5"),
                    unit_price=Decimal("1095.00"),
                    tax_rate=rate,
                ),
                Line(
                    position=3,
                    item=ItemRef(number="FRAKT"),
                    text="Frakt",
                    unit_price=Decimal("199.99"),
                    discount=Decimal("0.125"),
                    tax_rate=rate,
                ),
                Line(position=4, kind=LineKind.TEXT, text="Levererat vecka 47"),
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
        path = PATHS[entity] + ("" if action is Action.CREATE else "*")
        order = {"kind": kind, "method": METHODS[action], "path": path, **more}
        self.sim.faults.add(order)

    def edit_beside(self, ref: ExternalRef) -> None:
        self.act("edit_draft", draft=_guid(ref), set={"ContractNumber": "AVTAL-7"})

    def has_beside(self, ref: ExternalRef) -> bool:
        return self.row("customerinvoicedrafts", _guid(ref)).get("ContractNumber") == "AVTAL-7"

    def add_line(self, ref: ExternalRef, text: str) -> None:
        draft = self.row("customerinvoicedrafts", _guid(ref))
        keep = ("ArticleId", "Text", "Quantity", "UnitPrice", "DiscountPercentage", "IsTextRow")
        more = ("ProjectId", "CostCenterItemId1", "ReversedConstructionServicesVatFree")
        rows = [
            {name: row[name] for name in (*keep, *more) if row.get(name) is not None}
            for row in draft["Rows"]
        ]
        rows.append({"IsTextRow": True, "Text": text, "ReversedConstructionServicesVatFree": False})
        self.act("edit_draft", draft=_guid(ref), rows=rows)

    def remove_carrier(self, ref: ExternalRef) -> None:
        if self.settings.carrier == "our_reference":
            self.act("edit_draft", draft=_guid(ref), reference="Sara Ek")
            return
        rows = self.row("customerinvoicedrafts", _guid(ref))["Rows"]
        (line,) = [r["LineNumber"] for r in rows if str(r.get("Text")).startswith("Ref ")]
        self.act("edit_draft", draft=_guid(ref), line=line, remove_line=True)

    def book(self, ref: ExternalRef) -> None:
        self.act("book_draft", draft=_guid(ref))

    def delete(self, ref: ExternalRef) -> None:
        self.act("delete_draft", draft=_guid(ref))

    def touch(self, ref: ExternalRef) -> None:
        self.act("edit_customer", customer=ref.id, set={"Note": f"{self.clock.now()}"})

    def stored(self, entity: Entity) -> int:
        if entity is Entity.CUSTOMER:
            return len(self.live("customers"))
        return len(self.live("customerinvoicedrafts")) + len(self.live("customerinvoices"))

    def break_permission(self) -> None:
        self.act("set_company_setting", name="ActivatedModules", value=["sales_standard"])


def _guid(ref: ExternalRef) -> str:
    return ref.id.partition(":")[2]
