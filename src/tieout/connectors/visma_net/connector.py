"""The connector: the port, put together from its parts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import date
from random import Random

from tieout.connectors.http.client import ApiClient
from tieout.connectors.http.tokens import TokenKeeper
from tieout.connectors.http.traffic import Observer
from tieout.connectors.visma_net import checking, schema
from tieout.connectors.visma_net.api import VismaNetApi
from tieout.connectors.visma_net.directory import Directory
from tieout.connectors.visma_net.errors import throttled
from tieout.connectors.visma_net.ledger import CustomerLedger
from tieout.connectors.visma_net.looking import Looker
from tieout.connectors.visma_net.orders import OrderService
from tieout.connectors.visma_net.reading import OrderReader, Reader
from tieout.connectors.visma_net.sending import Sender
from tieout.connectors.visma_net.settings import VismaNetSettings
from tieout.connectors.visma_net.writing import Writer
from tieout.core.change import Change, Doubt, Fate, Outcome, Prepared, Refused, Sight, Wire
from tieout.core.errors import ConfigurationError
from tieout.core.finding import Finding
from tieout.core.model import Company, Document, Entity, ExternalRef, Record
from tieout.ports import (
    Clock,
    Control,
    Page,
    Schema,
    Secrets,
    Selection,
    Signal,
    Subledger,
    Transport,
)

SYSTEM = "Visma.net"


class VismaNetConnector:
    """
    One company in Visma.net ERP; see `ports.Connector` for what each method promises.

    Documents: ``draft:100245`` until it is released and ``invoice:100245`` from then on, under one
    number over there; credit notes are ``draft_note`` and ``note``, debit notes ``debit``, overdue
    charges ``charge``, sales orders ``order:SO/000223``. Customers are named by their internal id,
    since their number can change. Payments are not listed, they are told by the documents that
    they met.
    """

    def __init__(
        self,
        name: str,
        settings: VismaNetSettings,
        transport: Transport,
        secrets: Secrets,
        clock: Clock,
        random: Random,
        *,
        holder: str = "",
        observer: Observer | None = None,
    ) -> None:
        problems = list(settings.problems())
        if problems:
            raise ConfigurationError(f"{name}: {' '.join(problems)}")
        self.name = name
        self.abilities = schema.abilities(settings)
        self._transport = transport
        self.tokens = TokenKeeper(
            connection=name,
            system=SYSTEM,
            sign_in=settings.sign_in(),
            secrets=secrets,
            clock=clock,
            transport=transport,
            holder=holder or f"{name}-{random.getrandbits(64):016x}",
            observer=observer,
        )

        def client(url: str) -> ApiClient:
            return ApiClient(
                system=SYSTEM,
                connection=name,
                base_url=url,
                transport=transport,
                clock=clock,
                random=random,
                tokens=self.tokens,
                budgets=self.abilities.budgets,
                in_flight=settings.in_flight,
                throttled=throttled,
                observer=observer,
            )

        self.client = client(settings.api_url)
        service = None
        if settings.orders and settings.orders_url:
            service = OrderService(client(settings.orders_url), settings.headers)
        self._api = VismaNetApi(name=name, settings=settings, client=self.client, clock=clock)
        self._service = service
        directory = Directory(self._api)
        self._reader = Reader(self._api, directory, OrderReader(self._api, service))
        self._writer = Writer(self._api, self._reader, directory, service)
        self._sender = Sender(self._api, self._reader, self._writer.learn, service)
        self._looker = Looker(self._api, self._reader, service)
        self._ledger = CustomerLedger(self._api, self._reader)

    async def company(self) -> Company:
        """The company behind the sign-in; `ConnectionBrokenError` where it is another or none."""
        return await checking.company_of(self._api)

    async def check(self) -> Sequence[Finding]:
        """All that would fail later."""
        return await checking.check(self._api, self._service)

    async def describe(self) -> Schema:
        """The fields that a mapping may name."""
        return schema.SCHEMA

    def changes_since(
        self, want: Selection, cursor: bytes | None, resume: bytes | None = None
    ) -> AsyncIterator[Page]:
        """All that may have changed; of documents invoices, credit and debit notes in one."""
        return self._reader.changes_since(want, cursor, resume)

    def keys(self, entity: Entity) -> AsyncIterator[Sequence[tuple[ExternalRef, str]]]:
        """Ids and row versions, complete or an error."""
        return self._reader.keys(entity)

    async def get(self, refs: Sequence[ExternalRef], want: Selection) -> Sequence[Record | None]:
        """The records now, in order."""
        return await self._reader.get(refs, want)

    async def prepare(self, changes: Sequence[Change]) -> Sequence[Prepared | Refused]:
        """Decisions to bytes."""
        return await self._writer.prepare(changes)

    def pack(self, items: Sequence[Prepared]) -> Sequence[Wire]:
        """One request for each item."""
        return self._writer.pack(items)

    async def send(self, wire: Wire) -> Sequence[Outcome]:
        """One request, one outcome; what it made is read back."""
        return await self._sender.send(wire)

    async def find_by_key(self, doubts: Sequence[Doubt]) -> Sequence[Sight]:
        """Invoices and credit notes by their reference; customers by their attribute or number."""
        return await self._looker.find_by_key(doubts)

    async def trace(self, refs: Sequence[ExternalRef]) -> Sequence[Fate]:
        """A draft that vanished was released or deleted."""
        return await self._looker.trace(refs)

    async def ledger(self, first: date, last: date) -> AsyncIterator[Sequence[Document]]:
        """Released documents by their date, whatever the change feed gave."""
        async for found in self._ledger.documents(first, last):
            yield found

    async def control(self, day: date) -> Control | None:
        """What the customer ledger itself says is owed, at the end of a period or now."""
        return await self._ledger.control(day)

    async def subledger(self, first: date, last: date) -> Subledger | None:
        """Open items and what moved them, from documents, payments and applications."""
        return await self._ledger.subledger(first, last)

    def signals(self, headers: Mapping[str, str], body: bytes) -> Sequence[Signal]:
        """None: nobody has shown the form of the vendor's webhooks."""
        return ()

    async def close(self) -> None:
        """Lets go of sockets."""
        await self._transport.close()
