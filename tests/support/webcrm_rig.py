"""A webCRM connector and its simulator in one process, on one clock, without a socket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any
from urllib.parse import parse_qs, urlsplit

from support.fakes import ManualClock, MemorySecrets
from support.inprocess import InProcessTransport
from tieout.connectors.webcrm import WebcrmConnector, WebcrmSettings
from tieout.core.change import Action, Applied, Change, Doubt, Prepared, Sight, Wanted
from tieout.core.model import Deal, Entity, ExternalRef, Record, Standing
from tieout.ports import HttpRequest, Page, Selection
from tieout_sandbox.kit.clock import SandboxClock
from tieout_sandbox.webcrm import WebcrmSimulator
from tieout_sandbox.webcrm.credentials import APPLICATION_TOKEN

NAME = "webcrm-prod"
BASE = "http://127.0.0.1:8711"
START = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
DEALS = Selection(entity=Entity.DEAL, shape="d1")
CUSTOMERS = Selection(entity=Entity.CUSTOMER, shape="c1")
CONTACTS = Selection(entity=Entity.CONTACT, shape="p1")
ITEMS = Selection(entity=Entity.ITEM, shape="i1")

# What the generated system calls its fields.
FIELDS: Mapping[str, Any] = {
    "account": {
        "org_number": "OrganisationCustom1",
        "terms": "OrganisationCustom2",
        "invoice_email": "OrganisationCustom3",
        "credit_stop": "OrganisationCustom4",
        "number": "OrganisationCustom5",
        "currency": "OrganisationCustom6",
        "reference_required": "OrganisationCustom9",
        "person_types": "Privat",
    },
    "deal": {
        "po_number": "OpportunityCustom2",
        "buyer_reference": "OpportunityCustom3",
        "delivered_on": "OpportunityCustom4",
    },
    "delivery_standing": {
        "number": "DeliveryCustom3",
        "status": "DeliveryCustom4",
        "due_date": "DeliveryCustom5",
        "open": "DeliveryCustom6",
        "last_payment_on": "DeliveryCustom7",
        "message": "DeliveryCustom8",
    },
    "account_standing": {
        "open": "OrganisationCustom7",
        "overdue_amount": "OrganisationCustom8",
    },
    "currency": "SEK",
}


@dataclass
class Rig:
    """A system, a connector to it, and shortcuts for what tests do with them."""

    clock: ManualClock
    simulator: WebcrmSimulator
    transport: InProcessTransport
    secrets: MemorySecrets
    connector: WebcrmConnector
    made: dict[str, Any] = field(default_factory=dict)

    def act(self, action: str, /, **arguments: Any) -> Any:
        """A person does something in the program."""
        return self.simulator.act(action, arguments)

    def assume(self, name: str, value: Any) -> None:
        """Switches one of the simulator's named assumptions."""
        self.act("set_assumption", name=name, value=value)

    def fault(self, kind: str, **more: Any) -> None:
        """The next fitting call fails in this way."""
        self.simulator.faults.add({"kind": kind, **more})

    async def read(
        self, want: Selection, cursor: bytes | None = None, resume: bytes | None = None
    ) -> list[Page]:
        """All pages of a read."""
        return [page async for page in self.connector.changes_since(want, cursor, resume)]

    def rows(self, resource: str) -> list[dict[str, Any]]:
        """Every live record of a resource as the API shows it."""
        found = self.simulator.entities()[resource]()
        return [row for row in found if not row.get("_deleted")]

    def row(self, resource: str, number: int) -> dict[str, Any]:
        """One of them."""
        key = {"Deliveries": "DeliveryId", "Opportunities": "OpportunityId"}.get(
            resource, f"{resource.removesuffix('s')}Id"
        )
        return next(row for row in self.rows(resource) if row[key] == number)

    def again(self, **settings: Any) -> WebcrmConnector:
        """Another process with the same sign-in."""
        return _connect(self.transport, self.secrets, self.clock, settings)

    def scripts(self) -> list[str]:
        """Every script that was asked."""
        return [
            text
            for request in self.transport.requests
            for text in parse_qs(urlsplit(request.url).query).get("script", [])
        ]

    def writes(self) -> list[HttpRequest]:
        """Every write that arrived, sign-ins left out."""
        return [
            request
            for request in self.transport.requests
            if request.method != "GET" and not urlsplit(request.url).path.startswith("/Auth")
        ]

    # A world of its own.

    def organisation(self, name: str = "Ekfors Trä AB", **values: Any) -> int:
        """An organisation with a whole address."""
        whole = {
            "Address": "Storgatan 1\n2 tr",
            "PostCode": "111 22",
            "City": "Stockholm",
            "Country": "Sverige",
            "VatNumber": "SE556036079301",
            "Custom1": "556036-0793",
            "Custom2": "30: 30 dage",
            "Custom3": "faktura@ekfors.example",
            "Custom6": "SEK",
            **values,
        }
        made = self.act("add_organisation", name=name, set=whole)
        return int(made["OrganisationId"])

    def item(self, number: str = "LAG-1", price: str = "1249.50") -> int:
        """An item of the catalogue."""
        made = self.act("add_item", item=number, text="Lagerhylla", unit="stk", price=price)
        return int(made["QuotationLineLinkedDataItemId"])

    def deal(self, action: str = "add_delivery", **arguments: Any) -> int:
        """A delivery, or an opportunity, of two lines."""
        given = {
            "title": "Lager 3",
            "currency": "SEK",
            "lines": [
                {"item": "LAG-1", "quantity": 3, "price": "1249.50", "discount": "10", "vat": 25},
                {"item": "LAG-1", "quantity": 1, "price": "0.05", "text": "Frakt", "vat": 25},
            ],
            **arguments,
        }
        if "organisation" not in given:
            given["organisation"] = self.made.setdefault("organisation", self._new_organisation())
        made = self.act(action, **given)
        return int(made.get("DeliveryId") or made["OpportunityId"])

    def _new_organisation(self) -> int:
        self.item()
        return self.organisation()


def rig(*, size: int = 0, seed: int = 1, token: str = APPLICATION_TOKEN, **settings: Any) -> Rig:
    """A connector that is signed in by an application token."""
    clock = ManualClock(START)
    simulator = WebcrmSimulator(seed=seed, size=size, clock=SandboxClock(clock.now, start=START))
    transport = InProcessTransport(simulator, simulator.clock.now)
    vault = MemorySecrets(clock, client_secret=token)
    return Rig(clock, simulator, transport, vault, _connect(transport, vault, clock, settings))


def _connect(
    transport: InProcessTransport,
    vault: MemorySecrets,
    clock: ManualClock,
    settings: Mapping[str, Any],
) -> WebcrmConnector:
    made = WebcrmSettings.from_mapping({"api_url": BASE, **FIELDS, **settings})
    return WebcrmConnector(NAME, made, transport, vault, clock, Random(1))


def records(pages: Sequence[Page]) -> dict[str, Record]:
    """The last state of each record in the pages, by id."""
    return {record.ref.id: record for page in pages for record in page.records if record.ref}


def deals(pages: Sequence[Page]) -> dict[str, Deal]:
    """The same of deals."""
    return {key: one for key, one in records(pages).items() if isinstance(one, Deal)}


def codes(pages: Sequence[Page]) -> list[str]:
    """The codes of what was not understood."""
    return [finding.code for page in pages for _, finding in page.unread]


def standing_change(key: str, record_id: str, **values: Any) -> Change:
    """The decision to show these values on a deal or an organisation."""
    ref = ExternalRef(NAME, Entity.STANDING.value, record_id)
    of = "customer" if record_id.startswith("organisation") else "deal"
    return Change(
        key=key,
        entity=Entity.STANDING,
        action=Action.UPDATE,
        wanted=Wanted(record=Standing(ref=ref, of=of, **values), fields=frozenset(values)),
        target=ref,
    )


async def prepared(found: Rig, *changes: Change) -> list[Prepared]:
    """The changes as bytes; none may be refused."""
    made = await found.connector.prepare(changes)
    assert all(isinstance(one, Prepared) for one in made), made
    return [one for one in made if isinstance(one, Prepared)]


def deal_ref(number: int) -> ExternalRef:
    """The ref of a deal that has its own number."""
    return ExternalRef(NAME, "deal", f"deal:{number}")


async def stamps(found: Rig, entity: Entity = Entity.DEAL) -> dict[str, str]:
    """All ids with their stamps."""
    return {ref.id: stamp async for keys in found.connector.keys(entity) for ref, stamp in keys}


async def show(found: Rig, record_id: str, **values: Any) -> None:
    """What the books say is written on a record."""
    (made,) = await prepared(found, standing_change("K", record_id, **values))
    (wire,) = found.connector.pack([made])
    (outcome,) = await found.connector.send(wire)
    assert isinstance(outcome, Applied), outcome


def rig_again(found: Rig, changes: str) -> Rig:
    """The same system, seen by a process that has read nothing yet."""
    connector = found.again(changes=changes)
    return Rig(found.clock, found.simulator, found.transport, found.secrets, connector)


async def look(found: Rig, made: Prepared) -> Sight:
    """What a look for a write without an answer tells."""
    doubt = Doubt(
        key=made.key,
        key13=made.key[:13],
        entity=made.entity,
        action=made.action,
        target=made.target,
        bodies=(made.body,),
        witness=made.witness,
        customers=(),
        first_sent_at=found.clock.now(),
    )
    (sight,) = await found.connector.find_by_key([doubt])
    return sight
