"""The connector: the port, put together from its parts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import date
from random import Random

from tieout.connectors.http.client import ApiClient
from tieout.connectors.http.traffic import Observer
from tieout.connectors.tryton import checking, schema
from tieout.connectors.tryton.api import TrytonApi
from tieout.connectors.tryton.books import Books, BooksKeeper
from tieout.connectors.tryton.catalogue import Catalogue
from tieout.connectors.tryton.errors import throttled
from tieout.connectors.tryton.ledger import Ledger
from tieout.connectors.tryton.looking import Looker
from tieout.connectors.tryton.reading import Reader
from tieout.connectors.tryton.session import Session
from tieout.connectors.tryton.settings import TrytonSettings
from tieout.connectors.tryton.writing import Writer
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

SYSTEM = "Tryton"
# The server packs long answers whatever is asked for: a client that does not say that it reads
# them gets a header that is not true.
_HEADERS = {"Accept-Encoding": "gzip"}


class TrytonConnector:
    """
    One company in a Tryton database; see `ports.Connector` for what each method promises.

    Documents: ``draft:31`` until it is posted, ``invoice:31`` from then on, one id over there;
    ``order:7`` for sales, where they are asked for.
    """

    def __init__(
        self,
        name: str,
        settings: TrytonSettings,
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
        del holder
        self.name = name
        self._settings = settings
        self._transport = transport
        self.client = ApiClient(
            system=SYSTEM,
            connection=name,
            base_url=settings.host,
            transport=transport,
            clock=clock,
            random=random,
            in_flight=settings.in_flight,
            headers=_HEADERS,
            throttled=throttled,
            observer=observer,
        )
        self.session = Session(
            name=name,
            path=settings.path,
            login=settings.login,
            client=self.client,
            secrets=secrets,
        )
        self._api = TrytonApi(
            name=name, settings=settings, client=self.client, session=self.session, clock=clock
        )
        # Until the database was asked whether our column is there, the weaker guard is told, with
        # which nothing is repeated early.
        self.abilities = schema.abilities(settings, has_key=False)
        self._keeper = BooksKeeper(self._api, self._learn)
        self._reader = Reader(self._api, self._keeper)
        self._writer = Writer(self._api, self._keeper, self._reader, Catalogue(self._api))
        self._looker = Looker(self._api, self._keeper, self._reader)
        self._ledger = Ledger(self._api, self._keeper, self._reader)

    def _learn(self, books: Books) -> None:
        self.abilities = schema.abilities(
            self._settings, has_key=books.has_key, by_line=books.by_line
        )

    async def company(self) -> Company:
        """The company of the settings; `ConnectionBrokenError` where it is another one."""
        return await checking.company_of(self._api, self._keeper)

    async def check(self) -> Sequence[Finding]:
        """All that would fail later, and what is weaker without our module."""
        return await checking.check(self._api, self._keeper)

    async def describe(self) -> Schema:
        """The fields that a mapping may name."""
        return schema.SCHEMA

    def changes_since(
        self, want: Selection, cursor: bytes | None, resume: bytes | None = None
    ) -> AsyncIterator[Page]:
        """All that may have changed."""
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
        """Creates in lists, all else alone."""
        return self._writer.pack(items)

    async def send(self, wire: Wire) -> Sequence[Outcome]:
        """One request, an outcome for each item."""
        return await self._writer.send(wire)

    async def find_by_key(self, doubts: Sequence[Doubt]) -> Sequence[Sight]:
        """Every document in its one table, customers by our column or their codes."""
        return await self._looker.find_by_key(doubts)

    async def trace(self, refs: Sequence[ExternalRef]) -> Sequence[Fate]:
        """A draft that vanished was posted or deleted."""
        return await self._looker.trace(refs)

    def ledger(self, first: date, last: date) -> AsyncIterator[Sequence[Document]]:
        """Sales invoices by the moves that booked them."""
        return self._ledger.documents(first, last)

    async def control(self, day: date) -> Control | None:
        """The balance of the receivable accounts, and what no invoice stands behind."""
        return await self._ledger.control(day)

    async def subledger(self, first: date, last: date) -> Subledger | None:
        """The lines of the receivable accounts."""
        return await self._ledger.subledger(first, last)

    def signals(self, headers: Mapping[str, str], body: bytes) -> Sequence[Signal]:
        """Empty: there are no webhooks."""
        del headers, body
        return ()

    async def close(self) -> None:
        """Lets go of sockets."""
        await self._transport.close()
