"""The connector: the port, put together from its parts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import date
from random import Random

from tieout.connectors.http.client import ApiClient
from tieout.connectors.http.tokens import TokenKeeper
from tieout.connectors.http.traffic import Observer
from tieout.connectors.visma_eaccounting import checking, schema
from tieout.connectors.visma_eaccounting.api import VismaApi
from tieout.connectors.visma_eaccounting.errors import throttled
from tieout.connectors.visma_eaccounting.filters import FilterBook
from tieout.connectors.visma_eaccounting.looking import Looker
from tieout.connectors.visma_eaccounting.postings import Postings
from tieout.connectors.visma_eaccounting.reading import Reader
from tieout.connectors.visma_eaccounting.settings import VismaSettings
from tieout.connectors.visma_eaccounting.writing import Writer
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

SYSTEM = "Visma"


class VismaConnector:
    """
    One company in Visma eAccounting; see `ports.Connector` for what each method promises.

    Documents: ``draft:<guid>`` and ``invoice:<guid>``; a booked draft is the invoice whose
    ``came_from`` names it. Payments are not listed by this system, they are derived.
    """

    def __init__(
        self,
        name: str,
        settings: VismaSettings,
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
        self.client = ApiClient(
            system=SYSTEM,
            connection=name,
            base_url=settings.host,
            transport=transport,
            clock=clock,
            random=random,
            tokens=self.tokens,
            budgets=self.abilities.budgets,
            budget_per_route=True,
            in_flight=settings.in_flight,
            throttled=throttled,
            observer=observer,
        )
        self._api = VismaApi(name=name, settings=settings, client=self.client, clock=clock)
        self._filters = FilterBook(self._api)
        self._reader = Reader(self._api, self._filters)
        self._writer = Writer(self._api, self._reader, self._filters)
        self._looker = Looker(self._api, self._reader, self._filters)
        self._postings = Postings(self._api, self._filters)

    async def company(self) -> Company:
        """The company behind the sign-in; `ConnectionBrokenError` where it is another one."""
        return await checking.company_of(self._api)

    async def check(self) -> Sequence[Finding]:
        """All that would fail later. Asks anew which filters this company's lists take."""
        return await checking.check(self._api, self._filters)

    async def describe(self) -> Schema:
        """The fields that a mapping may name."""
        return schema.SCHEMA

    def changes_since(
        self, want: Selection, cursor: bytes | None, resume: bytes | None = None
    ) -> AsyncIterator[Page]:
        """All that may have changed; of documents the drafts and the invoices in one stream."""
        return self._reader.changes_since(want, cursor, resume)

    def keys(self, entity: Entity) -> AsyncIterator[Sequence[tuple[ExternalRef, str]]]:
        """Ids and stamps, complete or an error."""
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
        """One request, one outcome."""
        return await self._writer.send(wire)

    async def find_by_key(self, doubts: Sequence[Doubt]) -> Sequence[Sight]:
        """Drafts, invoices, drafts again; customers by the numbers that were drawn."""
        return await self._looker.find_by_key(doubts)

    async def trace(self, refs: Sequence[ExternalRef]) -> Sequence[Fate]:
        """A draft that vanished was booked or deleted."""
        return await self._looker.trace(refs)

    async def ledger(self, first: date, last: date) -> AsyncIterator[Sequence[Document]]:
        """Booked invoices and credit notes by their date, whatever the change feed gave."""
        async for found in self._postings.ledger(first, last):
            yield found

    async def control(self, day: date) -> Control | None:
        """The receivables account (1510 in Sweden) with the manual vouchers on it."""
        return await self._postings.control(day)

    async def subledger(self, first: date, last: date) -> Subledger | None:
        """Open items from the invoices, what moved them from the vouchers."""
        return await self._postings.subledger(first, last)

    def signals(self, headers: Mapping[str, str], body: bytes) -> Sequence[Signal]:
        """None: the vendor has switched its webhooks off."""
        return ()

    async def close(self) -> None:
        """Lets go of sockets."""
        await self._transport.close()
