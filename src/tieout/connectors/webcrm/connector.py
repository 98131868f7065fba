"""The connector of webCRM: the port, put together from its parts."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from random import Random

from tieout.connectors.http.traffic import Observer
from tieout.connectors.ledger import WithoutLedger
from tieout.connectors.webcrm.api import IN_FLIGHT, RESOURCES, WebcrmApi, budget_window
from tieout.connectors.webcrm.checking import Checker
from tieout.connectors.webcrm.contacts import (
    PERSON_ACTIONS,
    PERSONS_PATH,
    PLACES,
    ContactWriter,
)
from tieout.connectors.webcrm.feed import Feed
from tieout.connectors.webcrm.fields import WRITABLE, FieldWriter
from tieout.connectors.webcrm.ids import ref_of
from tieout.connectors.webcrm.invoice_reading import PATH as INVOICES_PATH
from tieout.connectors.webcrm.invoice_reading import InvoiceReader
from tieout.connectors.webcrm.invoices import ACTIONS as INVOICE_ACTIONS
from tieout.connectors.webcrm.invoices import InvoiceWriter
from tieout.connectors.webcrm.items import PATH as ITEMS_PATH
from tieout.connectors.webcrm.items import ItemWriter
from tieout.connectors.webcrm.lineage import Lineage
from tieout.connectors.webcrm.looking import Looker
from tieout.connectors.webcrm.reading import Reader
from tieout.connectors.webcrm.settings import WebcrmSettings
from tieout.connectors.webcrm.standing import Standings
from tieout.connectors.webcrm.system import is_custom, native
from tieout.connectors.webcrm.translate import LINE_MARK
from tieout.connectors.webcrm.writing import Writer, not_possible
from tieout.core.abilities import (
    Abilities,
    Deletions,
    EntityAbilities,
    Guard,
    Reads,
    VersionCheck,
)
from tieout.core.change import (
    Action,
    Change,
    Doubt,
    Fate,
    Outcome,
    Prepared,
    Refused,
    Sight,
    Wire,
)
from tieout.core.errors import ConfigurationError, ConnectionBrokenError
from tieout.core.finding import Finding
from tieout.core.model import Company, Entity, ExternalRef, Record
from tieout.ports import (
    Clock,
    FieldInfo,
    Page,
    Schema,
    Secrets,
    Selection,
    Signal,
    Transport,
)

# Nobody has said how long a request may take; a few minutes beyond any gateway's patience.
_LONGEST_S = 600
_ITEMS_EVERY_S = 3600
_HOOK = re.compile(rb"/(Deliveries|Opportunities|Organisations|Persons)/(\d{1,10})\b")
_HOOKED = {
    b"Deliveries": Entity.DEAL,
    b"Opportunities": Entity.DEAL,
    b"Organisations": Entity.CUSTOMER,
    b"Persons": Entity.CONTACT,
}
_ENTITIES = {
    "Delivery": Entity.DEAL,
    "Opportunity": Entity.DEAL,
    "Organisation": Entity.CUSTOMER,
    "Person": Entity.CONTACT,
}
_LINE_COLUMNS = (
    *(f"QuotationLineData{number}" for number in range(1, 10)),
    *("QuotationLineMemo", "QuotationLineComment", "QuotationLineStockStatus"),
)
_LINE_NUMBERS = ("Price", "ListPrice", "CostPrice", "Quantity", "Discount", "VatPercentage")


class WebcrmConnector(WithoutLedger):
    """
    One system. Reads deals, organisations, persons and the catalogue; shows what the books say.

    Raises ConfigurationError where the settings cannot work at all.
    """

    def __init__(
        self,
        name: str,
        settings: WebcrmSettings,
        transport: Transport,
        secrets: Secrets,
        clock: Clock,
        random: Random,
        observer: Observer | None = None,
    ) -> None:
        problems = settings.problems()
        if problems:
            raise ConfigurationError(f"{name}: {' '.join(problems)}")
        self.name = name
        self.settings = settings
        self.abilities = abilities(settings)
        self._transport = transport
        self.api = WebcrmApi(name, settings, transport, secrets, clock, random, observer)
        self.client = self.api.client
        feed = Feed(self.api, settings)
        self._reader = Reader(name, self.api, feed, Lineage(feed, settings), settings)
        self._standings = Standings(name, self._reader, settings)
        self._writer = Writer(name, self.api, feed, self._standings, settings, clock)
        self._fields = FieldWriter(self._reader, settings)
        self._items = ItemWriter(self.api, self._reader, settings)
        self._contacts = ContactWriter(name, self.api, self._reader, settings)
        self._bought = InvoiceReader(name, self.api, settings)
        self._invoices = InvoiceWriter(self.api, self._bought, settings, clock)
        self._clock = clock
        self._looker = Looker(name, self.api, self._reader, self._standings, clock)
        self._checker = Checker(
            self.api,
            feed,
            self._reader,
            self._standings,
            settings,
            clock,
            self.company,
            self._bought,
        )
        self._held = False

    async def company(self) -> Company:
        """
        The system. Its id is told by a person (`system_id`) or by `GET /Auth`; where both do,
        another one than before is refused (`ConnectionBrokenError`).
        """
        told = await self.api.principal()
        system = str(told.get("System") or "")
        known = self.settings.system_id
        if known and system and known != system:
            raise ConnectionBrokenError(
                f"The application token leads to the webCRM system {system}, but this connection "
                f"belongs to {known}. Nothing was read or written.",
                code="company_changed",
                hint="For another system, add a new connection.",
            )
        if not known and not system:
            raise ConnectionBrokenError(
                "webCRM does not tell which system this is.",
                code="company_unknown",
                hint="Name it once and for ever: --set system_id=NAME",
            )
        self._held = True
        return Company(
            id=known or system,
            name=self.settings.name or known or system,
            country=self.settings.country,
            currency=self.settings.currency,
            time_zone=self.settings.time_zone,
            user=str(told.get("Name") or ""),
            facts={"url": self.settings.api_url, "told": bool(system)},
        )

    async def check(self) -> Sequence[Finding]:
        """See `ports.Connector.check`."""
        return await self._checker.run()

    async def describe(self) -> Schema:
        """Fields by entity: of deals those of opportunities and deliveries."""
        found: dict[str, dict[str, FieldInfo]] = {}
        for kind, entity in _ENTITIES.items():
            fields = found.setdefault(entity.value, {})
            known = await self._reader.fields(kind)
            for field in known.fields.values():
                fields.setdefault(field.name, field.info())
            for name in () if known.tells_all else await self._shown(kind):
                if not is_custom(name.removeprefix(kind)):
                    fields.setdefault(name, native(name).info())
        lines = [FieldInfo(path=LINE_MARK + name, writable=False) for name in _LINE_COLUMNS]
        lines += [
            FieldInfo(path=f"{LINE_MARK}QuotationLine{name}", type="number", writable=False)
            for name in _LINE_NUMBERS
        ]
        described = {key: tuple(value.values()) for key, value in found.items()}
        return Schema(fields={**described, "line": tuple(lines)})

    async def unknown_fields(self, want: Selection) -> Sequence[Finding]:
        """The paths of a selection that this system does not have, each with the closest names."""
        return [finding for _, finding in await self._reader.unknown(want)]

    async def changes_since(
        self, want: Selection, cursor: bytes | None, resume: bytes | None = None
    ) -> AsyncIterator[Page]:
        """See `ports.Connector.changes_since`."""
        await self._require_same()
        if want.entity is Entity.DOCUMENT:
            async for page in self._bought.changes(want.shape):
                yield page
            return
        async for page in self._reader.changes(want, cursor, resume):
            yield page

    async def keys(self, entity: Entity) -> AsyncIterator[Sequence[tuple[ExternalRef, str]]]:
        """See `ports.Connector.keys`."""
        await self._require_same()
        reader = self._bought if entity is Entity.DOCUMENT else None
        async for keys in reader.keys() if reader else self._reader.keys(entity):
            yield keys

    async def get(self, refs: Sequence[ExternalRef], want: Selection) -> Sequence[Record | None]:
        """See `ports.Connector.get`."""
        if want.entity is Entity.STANDING:
            return await self._standings.get(refs, want.shape)
        if want.entity is Entity.DOCUMENT:
            return await self._bought.get(refs, want.shape)
        return await self._reader.get(refs, want)

    async def prepare(self, changes: Sequence[Change]) -> Sequence[Prepared | Refused]:
        """See `ports.Connector.prepare`. Standings are read together, and so are invoices."""
        await self._require_same()
        numbered = list(enumerate(changes))
        shown = [(at, c) for at, c in numbered if c.entity is Entity.STANDING]
        made = await self._writer.prepare_standings(shown)
        items = [(at, c) for at, c in numbered if c.entity is Entity.ITEM]
        done = await self._items.prepare([change for _, change in items])
        made.update(zip((at for at, _ in items), done, strict=True))
        made |= await self._invoices.prepare(
            [(at, c) for at, c in numbered if c.entity is Entity.DOCUMENT]
        )
        for at, change in numbered:
            if change.entity is Entity.CONTACT:
                made[at] = await self._contacts.prepare(change)
            elif change.entity in WRITABLE:
                made[at] = await self._fields.prepare(change)
            elif at not in made:
                made[at] = Refused(key=change.key, findings=(not_possible(change),))
        return [made[at] for at, _ in numbered]

    def pack(self, items: Sequence[Prepared]) -> Sequence[Wire]:
        """See `ports.Connector.pack`."""
        sent = {item.key for item in items if item.entity is Entity.DOCUMENT and item.body}
        others = self._writer.pack([item for item in items if item.key not in sent])
        return [*others, *self._invoices.pack([item for item in items if item.key in sent])]

    async def send(self, wire: Wire) -> Sequence[Outcome]:
        """See `ports.Connector.send`. A wire whose method is GET has nothing left to do."""
        if wire.method != "GET" and wire.path.startswith(ITEMS_PATH):
            return await self._items.send(wire)
        if wire.method != "GET" and wire.path.startswith(PERSONS_PATH):
            return await self._contacts.send(wire)
        if wire.method != "GET" and wire.path == INVOICES_PATH:
            return await self._invoices.send(wire)
        return await self._writer.send(wire)

    async def find_by_key(self, doubts: Sequence[Doubt]) -> Sequence[Sight]:
        """
        See `ports.Connector.find_by_key`: of items and invoices those that carry our key, of new
        persons those with their address, of all else, of which we create none, the records as
        they are.
        """
        began = self.api.server_now() or self._clock.now()
        persons = [doubt for doubt in doubts if doubt.entity is Entity.CONTACT]
        items = [doubt for doubt in doubts if doubt.entity is Entity.ITEM]
        shown = [doubt for doubt in doubts if doubt.entity is Entity.DOCUMENT]
        alone = (Entity.ITEM, Entity.CONTACT, Entity.DOCUMENT)
        others = [doubt for doubt in doubts if doubt.entity not in alone]
        sights = await self._items.find(items, began, self._clock.now())
        sights += await self._contacts.find(persons, began, self._clock.now())
        sights += await self._invoices.find(shown, began, self._clock.now())
        sights += await self._looker.find(others) if others else []
        by_key = {sight.key: sight for sight in sights}
        return [by_key[doubt.key] for doubt in doubts]

    async def trace(self, refs: Sequence[ExternalRef]) -> Sequence[Fate]:
        """See `ports.Connector.trace`."""
        shown = [ref for ref in refs if ref.entity == Entity.DOCUMENT.value]
        others = [ref for ref in refs if ref.entity != Entity.DOCUMENT.value]
        fates = await self._looker.trace(others) if others else []
        fates += await self._bought.trace(shown) if shown else []
        by_ref = {fate.ref: fate for fate in fates}
        return [by_ref[ref] for ref in refs]

    def signals(self, headers: Mapping[str, str], body: bytes) -> Sequence[Signal]:
        """
        The record that a hook names, where its body holds an address of one; nobody has shown
        what hooks send. It is looked at, nothing of the body is believed.
        """
        del headers
        refs = [
            ref_of(self.name, _HOOKED[resource], int(number))
            for resource, number in _HOOK.findall(body)
        ]
        return (Signal(refs=tuple(dict.fromkeys(refs))),) if refs else ()

    async def close(self) -> None:
        """See `ports.Connector.close`."""
        await self._transport.close()

    # Inside.

    async def _shown(self, kind: str) -> Sequence[str]:
        """The fields that one record of a kind shows, switched on or not."""
        rows = await self.api.page(f"/{RESOURCES[kind]}", 1, 1)
        return [name for row in rows for name in row if name.startswith(kind)]

    async def _require_same(self) -> None:
        """Once in a process: the token still leads to the system that this connection is for."""
        if not self._held:
            await self.company()


def abilities(settings: WebcrmSettings) -> Abilities:
    """What a connection to a system can do."""
    single = EntityAbilities(
        reads=Reads.STAMP,
        stamp_misses=("a line that was taken away", "fields of the catalogue's items"),
        deletions=Deletions.KEYS,
        page_max=settings.page_rows,
        actions=frozenset({Action.UPDATE}),
        write_max=1,
        serial_by="connection",
        version=VersionCheck.NONE,
        guard=Guard.SEARCHABLE,
        timeout_s=settings.timeout_s,
        longest_s=_LONGEST_S,
    )
    items = EntityAbilities(
        reads=Reads.WHOLE_LIST,
        deletions=Deletions.KEYS,
        page_max=settings.page_rows,
        whole_list_every_s=_ITEMS_EVERY_S,
        actions=frozenset({Action.CREATE, Action.UPDATE} if settings.line.key else ()),
        serial_by="connection",
        guard=Guard.SEARCHABLE,
        timeout_s=settings.timeout_s,
        longest_s=_LONGEST_S,
    )
    invoices = replace(
        items,
        whole_list_every_s=settings.invoices_every_s,
        actions=INVOICE_ACTIONS,
        write_max=settings.patch_items,
        longest_s=2 * _LONGEST_S,
    )
    standing = EntityAbilities(
        reads=Reads.NONE,
        page_max=settings.page_rows,
        actions=frozenset({Action.UPDATE}),
        write_max=settings.patch_items,
        atomic=False,
        serial_by="connection",
        owned_whole=True,
        guard=Guard.UPSERT,
        timeout_s=settings.timeout_s,
        longest_s=_LONGEST_S,
    )
    return Abilities(
        side="crm",
        entities={
            Entity.DEAL: single,
            Entity.CUSTOMER: single,
            Entity.CONTACT: replace(
                single,
                stamp_misses=(),
                actions=PERSON_ACTIONS,
                guard=Guard.LISTED,
                fields=frozenset(PLACES),
            ),
            Entity.ITEM: items,
            Entity.STANDING: standing,
            **({Entity.DOCUMENT: invoices} if settings.invoice.key else {}),
        },
        in_flight=IN_FLIGHT,
        budgets=(budget_window(settings),),
    )
