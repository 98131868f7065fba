"""The plain CRM and a plain book of any kind, with their connectors, in one process."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from support.fakes import START, ManualClock
from support.inprocess import InProcessTransport
from tieout.connectors.plain import (
    PlainBookConnector,
    PlainBookSettings,
    PlainCrmConnector,
    PlainCrmSettings,
)
from tieout.core.abilities import Guard
from tieout.core.change import Action, Change, Doubt, Outcome, Prepared, Sight, Wanted, Wire
from tieout.core.keys import KeyKind, Slot, operation_key
from tieout.core.model import (
    Customer,
    Document,
    DocumentKind,
    Entity,
    ExternalRef,
    ItemRef,
    Line,
    Record,
)
from tieout.ports import Page, Selection
from tieout_sandbox.kit import SandboxClock
from tieout_sandbox.plain import PlainBook, PlainCrm, Variant

T = TypeVar("T")
DOCUMENTS = Selection(entity=Entity.DOCUMENT)
DEALS = Selection(entity=Entity.DEAL)
_FIELDS = frozenset(
    {
        "customer",
        "currency",
        "delivered_on",
        "terms",
        "your_reference",
        "our_reference",
        "po_number",
        "buyer_reference",
        "lines",
    }
)


def settings_for(variant: Variant, **more: Any) -> PlainBookSettings:
    """The settings of a connector to a book of that kind."""
    return PlainBookSettings(
        guard=Guard(variant.guard),
        key_life_s=variant.key_life_s if variant.guard == "a" else 0,
        version_check=variant.version_check,
        tombstones=variant.tombstones,
        batch=variant.batch,
        atomic=variant.atomic,
        keeps_id=variant.keeps_id,
        tells_origin=variant.tells_origin,
        orders=variant.orders,
        search_lag_s=variant.search_lag_s,
        **more,
    )


@dataclass
class BookRig:
    """A book, a connector to it, and shortcuts for what tests do with them."""

    clock: ManualClock
    book: PlainBook
    transport: InProcessTransport
    connector: PlainBookConnector
    bodies: dict[str, list[bytes]] = field(default_factory=dict)

    def act(self, action: str, /, **arguments: Any) -> Any:
        """A person does something in the book."""
        return self.book.act(action, arguments)

    def fault(self, kind: str, **more: Any) -> None:
        """The next fitting call fails in this way."""
        self.book.faults.add({"kind": kind, "method": "*", "path": "*", **more})

    def customer(self, name: str = "Kund AB") -> ExternalRef:
        """A customer made by a person."""
        made = self.act("create_customer", name=name)
        return ExternalRef("books", "customer", made["id"])

    def create(
        self,
        key: str,
        customer: ExternalRef,
        *lines: tuple[str, int, str],
        number: str | None = None,
        **values: Any,
    ) -> Change:
        """The decision to make a draft; a line is item, quantity, unit price."""
        return Change(
            key=key,
            entity=Entity.DOCUMENT,
            action=Action.CREATE,
            wanted=Wanted(record=document(customer, *lines, **values), fields=_FIELDS),
            number=number,
        )

    async def prepared(self, *changes: Change) -> list[Prepared]:
        """Changes as bytes; none may be refused."""
        made = await self.connector.prepare(changes)
        for item in made:
            assert isinstance(item, Prepared), item
            self.bodies.setdefault(item.key, []).append(item.body)
        return [item for item in made if isinstance(item, Prepared)]

    async def wires(self, *changes: Change) -> list[Wire]:
        """Changes as requests."""
        return list(self.connector.pack(await self.prepared(*changes)))

    async def send(self, *changes: Change) -> list[Outcome]:
        """Changes sent, their outcomes in order."""
        outcomes: list[Outcome] = []
        for wire in await self.wires(*changes):
            outcomes.extend(await self.connector.send(wire))
        by_key = {outcome.key: outcome for outcome in outcomes}
        return [by_key[change.key] for change in changes]

    async def look(self, change: Change, first_sent_at: datetime | None = None) -> Sight:
        """One look for a change whose answer is missing."""
        record = change.wanted.record if change.wanted else None
        customer = record.customer if isinstance(record, Document) else None
        doubt = Doubt(
            key=change.key,
            key13=change.key[:13],
            entity=change.entity,
            action=change.action,
            target=change.target,
            bodies=tuple(self.bodies.get(change.key, ())),
            witness={"number": change.number} if change.number else {},
            customers=(customer,) if customer else (),
            first_sent_at=first_sent_at or START,
        )
        (sight,) = await self.connector.find_by_key([doubt])
        return sight

    async def read(self, want: Selection, cursor: bytes | None = None) -> list[Page]:
        """All pages of a read."""
        return [page async for page in self.connector.changes_since(want, cursor)]

    async def one(self, ref: ExternalRef) -> Record | None:
        """A record as it is now."""
        (found,) = await self.connector.get([ref], Selection(entity=Entity(ref.entity)))
        return found

    def live(self) -> list[Mapping[str, Any]]:
        """The documents in the book that were not deleted."""
        return [row for row in self.book.ledger.tables["documents"].values() if not row["_deleted"]]


@dataclass
class CrmRig:
    """A CRM, a connector to it, and shortcuts for what tests do with them."""

    clock: ManualClock
    crm: PlainCrm
    transport: InProcessTransport
    connector: PlainCrmConnector

    def act(self, action: str, /, **arguments: Any) -> Any:
        """A person does something in the CRM."""
        return self.crm.act(action, arguments)

    def fault(self, kind: str, **more: Any) -> None:
        """The next fitting call fails in this way."""
        self.crm.faults.add({"kind": kind, "method": "*", "path": "*", **more})

    async def read(self, want: Selection, cursor: bytes | None = None) -> list[Page]:
        """All pages of a read."""
        return [page async for page in self.connector.changes_since(want, cursor)]


def book_rig(variant: Variant | None = None, **settings: Any) -> BookRig:
    """A connector to a fresh book of this kind."""
    variant = variant or Variant()
    clock = ManualClock(START)
    book = PlainBook(variant=variant, clock=SandboxClock(clock.now, start=START))
    transport = InProcessTransport(book, clock.now)
    connector = PlainBookConnector("books", transport, clock, settings_for(variant, **settings))
    return BookRig(clock, book, transport, connector)


def crm_rig(size: int = 0, **settings: Any) -> CrmRig:
    """A connector to a fresh CRM."""
    clock = ManualClock(START)
    crm = PlainCrm(clock=SandboxClock(clock.now, start=START), size=size)
    transport = InProcessTransport(crm, clock.now)
    connector = PlainCrmConnector("crm", transport, clock, PlainCrmSettings(**settings))
    return CrmRig(clock, crm, transport, connector)


def document(customer: ExternalRef, *lines: tuple[str, int, str], **values: Any) -> Document:
    """A wanted draft in SEK at 25 % VAT."""
    made = tuple(
        Line(
            position=position,
            item=ItemRef(number=item),
            text=item.title(),
            quantity=Decimal(quantity),
            unit_price=Decimal(price),
            tax_rate=Decimal("0.25"),
        )
        for position, (item, quantity, price) in enumerate(lines or (("CONS", 2, "1200.00"),), 1)
    )
    named = {"currency": "SEK", "lines": made, **values}
    return Document(kind=DocumentKind.DRAFT, customer=customer, **named)


def records(pages: Sequence[Page]) -> list[Any]:
    """The records of all pages."""
    return [record for page in pages for record in page.records]


def cursor_of(pages: Sequence[Page]) -> bytes | None:
    """The cursor that a read ended with."""
    return pages[-1].cursor


def after(seconds: float) -> datetime:
    """So long after the start."""
    return START + timedelta(seconds=seconds)


def customer_change(key: str, number: str | None = None, **values: Any) -> Change:
    """The decision to make a customer."""
    record = Customer(**values)
    return Change(
        key=key,
        entity=Entity.CUSTOMER,
        action=Action.CREATE,
        wanted=Wanted(record=record, fields=frozenset(values)),
        number=number,
    )


def run(work: Coroutine[Any, Any, T]) -> T:
    """Runs one test's story."""
    return asyncio.run(work)


def key_of(source: str, generation: int = 0, kind: KeyKind = KeyKind.DOCUMENT) -> str:
    """The key of a generation of a deal's slot."""
    slot = Slot(crm_org="crm-1", source_id=source, company="books-1", kind=kind)
    return operation_key(slot, generation)


KEY = key_of("deal-1")
LINE = ("CONS", 2, "1200.00")


def one(rig: BookRig, source: str = "deal-1", number: str = "90001", **values: Any) -> Change:
    """The decision to make a draft for a deal, for a new customer."""
    drawn = number if rig.connector.settings.guard is Guard.OUR_NUMBER else None
    return rig.create(key_of(source), rig.customer(), LINE, number=drawn, **values)
