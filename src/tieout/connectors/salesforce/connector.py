"""The connector of Salesforce: the port, put together from its parts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from random import Random

from tieout.connectors.http.traffic import Observer
from tieout.connectors.ledger import WithoutLedger
from tieout.connectors.salesforce import soql
from tieout.connectors.salesforce.api import Row, SalesforceApi, budget_window
from tieout.connectors.salesforce.cells import text_of
from tieout.connectors.salesforce.checking import Checker, quota_finding
from tieout.connectors.salesforce.contacts import CONTACT_ACTIONS, ContactWriter
from tieout.connectors.salesforce.contacts import FIELDS as CONTACT_FIELDS
from tieout.connectors.salesforce.countries import country_code
from tieout.connectors.salesforce.field_lists import LIST
from tieout.connectors.salesforce.fields import WRITABLE, FieldWriter
from tieout.connectors.salesforce.graphs import GRAPHS_MOST
from tieout.connectors.salesforce.ids import id18
from tieout.connectors.salesforce.invoices import INVOICE
from tieout.connectors.salesforce.looking import Looker
from tieout.connectors.salesforce.publishing import ACTIONS, PUBLISHED, Publisher, no_object
from tieout.connectors.salesforce.reading import Reader
from tieout.connectors.salesforce.settings import SalesforceSettings
from tieout.connectors.salesforce.shapes import ALL_SOURCES, LINE_MARK, Shapes
from tieout.connectors.salesforce.standing import Standings
from tieout.connectors.salesforce.value_sets import ValueSets
from tieout.connectors.salesforce.writing import COLLECTION_MOST, Writer
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

_IN_FLIGHT = 4
_PAGE_MOST = 2000
# A request ends at ten minutes by the vendor's own limit; a gateway may hold it a little longer.
# A deployment that waits behind others may take its time.
_DEPLOY_LONGEST_S = 900
_VALUES_EVERY_S = 900
_LONGEST_S = 660
_STAMP_MISSES = ("formula fields", "fields behind more than one parent")
_PARENTS_SHOWN = ("Account", "Owner", "RecordType")


class SalesforceConnector(WithoutLedger):
    """
    One org. Reads deals, accounts, contacts and products; shows on them what the books say, and
    the books' own items and invoices.

    Raises ConfigurationError where the settings cannot work at all.
    """

    def __init__(
        self,
        name: str,
        settings: SalesforceSettings,
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
        self._clock = clock
        self.api = SalesforceApi(
            name, settings, transport, secrets, clock, random, observer, _IN_FLIGHT
        )
        self._shapes = Shapes(self.api, settings)
        self._reader = Reader(name, self.api, self._shapes, settings)
        self._standings = Standings(name, self.api, settings)
        self._writer = Writer(name, self.api, self._standings, settings, clock, random)
        self._fields = FieldWriter(self.api, self._reader, settings)
        self._value_sets = ValueSets(name, self.api, settings, clock)
        self._publisher = Publisher(name, self.api, self._reader, settings, clock)
        self._contacts = ContactWriter(self.api, self._reader, settings)
        self._looker = Looker(
            name, self.api, self._reader, self._standings, self._contacts, settings, clock
        )
        self._checker = Checker(self.api, self._standings, settings, clock, self.company)

    async def company(self) -> Company:
        """The org. Refuses another one than before (`ConnectionBrokenError`)."""
        row = await self._one(
            "Organization", ("Id", "Name", "Country", "TimeZoneSidKey", "IsSandbox")
        )
        org_id = id18(str(row["Id"]))
        told, user_id = await self.api.identity()
        self.api.hold_org(told or org_id)
        self.api.hold_org(org_id)
        return Company(
            id=org_id,
            name=text_of(row, "Name"),
            country=country_code(text_of(row, "Country")),
            currency=await self._currency(),
            time_zone=text_of(row, "TimeZoneSidKey") or "UTC",
            user=await self._user(user_id),
            facts={
                "sandbox": bool(row.get("IsSandbox")),
                "multi_currency": await self._multi_currency(),
                "url": await self.api.base(),
                "user_id": user_id,
            },
        )

    async def check(self) -> Sequence[Finding]:
        """See `ports.Connector.check`."""
        return await self._checker.run()

    async def describe(self) -> Schema:
        """Fields by entity: of deals those of all sources, with those of their parents."""
        found: dict[str, dict[str, FieldInfo]] = {}
        kinds = {source.kind for source in ALL_SOURCES if source.kind in self.settings.sources}
        for source in ALL_SOURCES:
            if source.kind and source.kind not in kinds:
                continue
            head = await self.api.object(source.object)
            if head is None:
                continue
            fields = found.setdefault(source.entity.value, {})
            for field in head.fields.values():
                fields.setdefault(field.name, field.info())
            for relation in _PARENTS_SHOWN if source.entity is Entity.DEAL else ():
                fields.update(await self._parent_fields(source.object, relation))
            has_lines = source.entity is Entity.DEAL and source.line_object
            line = await self.api.object(source.line_object) if has_lines else None
            if line is not None:
                lines = found.setdefault("line", {})
                for field in line.fields.values():
                    info = field.info(LINE_MARK)
                    lines.setdefault(info.path, info)
                for path, info in (await self._parent_fields(line.name, "Product2")).items():
                    lines.setdefault(LINE_MARK + path, _under(info, LINE_MARK))
        return Schema(fields={key: tuple(value.values()) for key, value in found.items()})

    async def unknown_fields(self, want: Selection) -> Sequence[Finding]:
        """The paths of a selection that this org does not have, each with the closest names."""
        found: list[Finding] = []
        sources = await self._shapes.sources(want)
        if want.entity is Entity.DOCUMENT and not sources:
            found.append(no_object(self.settings.ours(INVOICE), self.name))
        for source in sources:
            shape = await self._shapes.shape(source, want)
            found.extend(shape.unknown if shape is not None else ())
        return found

    def quota(self) -> Finding | None:
        """A warning where the org's calls in 24 hours run out, by what the last answer said."""
        return quota_finding(self.api, self.settings)

    async def changes_since(
        self, want: Selection, cursor: bytes | None, resume: bytes | None = None
    ) -> AsyncIterator[Page]:
        """See `ports.Connector.changes_since`."""
        await self.api.require_same_org()
        if want.entity is Entity.VALUES:
            yield await self._value_sets.page(want)
            return
        async for page in self._reader.changes(want, cursor, resume):
            yield page

    async def keys(self, entity: Entity) -> AsyncIterator[Sequence[tuple[ExternalRef, str]]]:
        """See `ports.Connector.keys`."""
        await self.api.require_same_org()
        async for keys in self._reader.keys(entity):
            yield keys

    async def get(self, refs: Sequence[ExternalRef], want: Selection) -> Sequence[Record | None]:
        """See `ports.Connector.get`."""
        if want.entity is Entity.STANDING:
            return await self._standings.get(refs, want.shape)
        if want.entity is Entity.VALUES:
            listed = await self._value_sets.read([ref.id for ref in refs], want.shape)
            sets = {one.name: one for one in listed}
            return [sets.get(ref.id) for ref in refs]
        return await self._reader.get(refs, want)

    async def prepare(self, changes: Sequence[Change]) -> Sequence[Prepared | Refused]:
        """
        See `ports.Connector.prepare`. Standings, items and invoices cost one read for all rows of
        an object.
        """
        await self.api.require_same_org()
        numbered = list(enumerate(changes))
        shown = [(at, c) for at, c in numbered if c.entity is Entity.STANDING]
        made = await self._writer.prepare_standings(shown)
        made |= await self._publisher.prepare(
            [(a, c) for a, c in numbered if c.entity in PUBLISHED]
        )
        for at, change in numbered:
            if change.entity is Entity.CONTACT:
                made[at] = await self._contacts.prepare(change)
            elif change.entity is Entity.VALUES:
                made[at] = await self._value_sets.prepare(change)
            elif change.entity in WRITABLE:
                made[at] = await self._fields.prepare(change)
            elif at not in made:
                made[at] = Refused(key=change.key, findings=(_not_ours(change),))
        return [made[at] for at, _ in numbered]

    def pack(self, items: Sequence[Prepared]) -> Sequence[Wire]:
        """See `ports.Connector.pack`."""
        sets = [item for item in items if item.entity is Entity.VALUES]
        others = [item for item in items if item.entity is not Entity.VALUES]
        return [*self._value_sets.pack(sets), *self._writer.pack(others)]

    async def send(self, wire: Wire) -> Sequence[Outcome]:
        """See `ports.Connector.send`. A wire whose method is GET has nothing left to do."""
        if LIST in wire.headers:
            return await self._value_sets.send(wire)
        return await self._writer.send(wire)

    async def find_by_key(self, doubts: Sequence[Doubt]) -> Sequence[Sight]:
        """See `ports.Connector.find_by_key`: the rows as they are, or those that carry the key."""
        sets = [doubt for doubt in doubts if doubt.entity is Entity.VALUES]
        others = [doubt for doubt in doubts if doubt.entity is not Entity.VALUES]
        found = await self._looker.find(others) if others else []
        found += await self._value_sets.find(sets) if sets else []
        by_key = {sight.key: sight for sight in found}
        return [by_key[doubt.key] for doubt in doubts]

    async def trace(self, refs: Sequence[ExternalRef]) -> Sequence[Fate]:
        """See `ports.Connector.trace`."""
        return await self._looker.trace(refs)

    def signals(self, headers: Mapping[str, str], body: bytes) -> Sequence[Signal]:
        """Nothing: this connector reads by stamps only."""
        del headers, body
        return ()

    async def close(self) -> None:
        """See `ports.Connector.close`."""
        await self._transport.close()

    # Inside.

    async def _one(self, name: str, columns: Sequence[str]) -> Row:
        rows = await self.api.query(soql.select(columns, name, limit=1))
        if not rows.rows:
            raise ConnectionBrokenError(
                f"Salesforce shows no row of {name} to the integration user.",
                code="rights_missing",
                hint="Give the integration user a permission set with that right.",
            )
        return rows.rows[0]

    async def _multi_currency(self) -> bool:
        account = await self.api.object("Account")
        return account is not None and account.has("CurrencyIsoCode")

    async def _currency(self) -> str:
        if not await self._multi_currency():
            return self.settings.currency
        where = ("IsCorporate = true",)
        rows = await self.api.query(soql.select(("IsoCode",), "CurrencyType", where=where))
        return text_of(rows.rows[0], "IsoCode") if rows.rows else self.settings.currency

    async def _user(self, user_id: str) -> str:
        if not user_id:
            return self.settings.user
        where = (f"Id = {soql.text(user_id)}",)
        rows = await self.api.query(soql.select(("Id", "Username"), "User", where=where))
        return text_of(rows.rows[0], "Username") if rows.rows else self.settings.user

    async def _parent_fields(self, name: str, relation: str) -> dict[str, FieldInfo]:
        head = await self.api.object(name)
        pointer = head.parents.get(relation.lower()) if head is not None else None
        if pointer is None or not pointer.targets:
            return {}
        target = "User" if "User" in pointer.targets else pointer.targets[0]
        parent = await self.api.object(target)
        if parent is None:
            return {}
        prefix = f"{pointer.relation}."
        return {prefix + f.name: f.info(prefix) for f in parent.fields.values()}


def abilities(settings: SalesforceSettings) -> Abilities:
    """What a connection to an org can do."""
    single = EntityAbilities(
        reads=Reads.STAMP,
        stamp_misses=_STAMP_MISSES,
        deletions=Deletions.FEED,
        page_max=_PAGE_MOST,
        actions=frozenset({Action.UPDATE}),
        write_max=1,
        serial_by="customer",
        version=VersionCheck.IF_MATCH,
        guard=Guard.UPSERT,
        tombstones=True,
        timeout_s=settings.timeout_s,
        longest_s=_LONGEST_S,
        search_lag_s=0,
    )
    standing = EntityAbilities(
        reads=Reads.NONE,
        page_max=_PAGE_MOST,
        actions=frozenset({Action.UPDATE}),
        write_max=COLLECTION_MOST,
        atomic=False,
        serial_by="customer",
        owned_whole=True,
        guard=Guard.UPSERT,
        tombstones=True,
        timeout_s=settings.timeout_s,
        longest_s=_LONGEST_S,
        search_lag_s=0,
    )
    published = replace(
        standing,
        reads=Reads.STAMP,
        stamp_misses=_STAMP_MISSES,
        deletions=Deletions.FEED,
        actions=ACTIONS,
        write_max=GRAPHS_MOST,
        atomic=False,
    )
    return Abilities(
        side="crm",
        entities={
            Entity.DEAL: single,
            Entity.CUSTOMER: single,
            Entity.CONTACT: replace(
                single,
                actions=CONTACT_ACTIONS,
                guard=Guard.LISTED,
                fields=frozenset(CONTACT_FIELDS),
            ),
            Entity.ITEM: published,
            Entity.DOCUMENT: published,
            Entity.STANDING: standing,
            Entity.VALUES: replace(
                standing,
                reads=Reads.WHOLE_LIST,
                whole_list_every_s=_VALUES_EVERY_S,
                write_max=1,
                tombstones=False,
                longest_s=_DEPLOY_LONGEST_S,
            ),
        },
        in_flight=_IN_FLIGHT,
        budgets=(budget_window(settings),),
    )


def _under(info: FieldInfo, prefix: str) -> FieldInfo:
    return FieldInfo(
        path=prefix + info.path,
        label=info.label,
        type=info.type,
        length=info.length,
        decimals=info.decimals,
        required=info.required,
        writable=False,
        options=info.options,
    )


def _not_ours(change: Change) -> Finding:
    return Finding(
        code="action_not_possible",
        message=f"Salesforce takes no {change.action.value} of a {change.entity.value} from us.",
        hint="Leave this flow out for Salesforce.",
    )
