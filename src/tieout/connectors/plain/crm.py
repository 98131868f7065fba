"""The connector of the plain CRM: reads deals, companies and products, shows what the books say."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime
from random import Random
from typing import Any

from tieout.connectors.http.json import dumps
from tieout.connectors.http.traffic import Observer
from tieout.connectors.ledger import WithoutLedger
from tieout.connectors.plain.api import (
    UNREADABLE,
    Answer,
    PlainApi,
    Row,
    broken,
    refusal,
    time_of,
    unknown,
)
from tieout.connectors.plain.contact_rows import FIELDS
from tieout.connectors.plain.crm_published import PATHS, published_row, shows
from tieout.connectors.plain.crm_rows import TABLES, CrmReader
from tieout.connectors.plain.feed import Position, changed, gone
from tieout.connectors.plain.settings import PlainCrmSettings
from tieout.connectors.plain.value_lists import LISTS, prepared_list, read_list
from tieout.connectors.plain.values import wire_value
from tieout.core.abilities import (
    Abilities,
    Deletions,
    EntityAbilities,
    Guard,
    Reads,
)
from tieout.core.change import (
    Action,
    Applied,
    Change,
    Doubt,
    Fate,
    FateKind,
    Hit,
    Outcome,
    Prepared,
    Refused,
    Sight,
    Unknown,
    Wire,
)
from tieout.core.errors import ConnectionBrokenError
from tieout.core.finding import Finding
from tieout.core.keys import wire_key
from tieout.core.model import Company, Entity, ExternalRef, Record, Standing, ValueList
from tieout.ports import (
    Clock,
    FieldInfo,
    Gone,
    HttpResponse,
    Page,
    Schema,
    Selection,
    Signal,
    Transport,
)

_IDS_IN_ONE_CALL = 50
_UPSERTS = (Action.CREATE, Action.UPDATE)
_PATH = "/standings"
_MARKS = frozenset({"ref", "version", "of", "shape"})
_SHOWN = frozenset(entry.name for entry in fields(Standing)) - _MARKS


class PlainCrmConnector(WithoutLedger):
    """One organisation."""

    def __init__(
        self,
        name: str,
        transport: Transport,
        clock: Clock,
        settings: PlainCrmSettings | None = None,
        random: Random | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.name = name
        self.settings = settings or PlainCrmSettings()
        self.abilities = abilities(self.settings)
        self._transport = transport
        self._api = PlainApi(
            "The plain CRM",
            self.settings.base_url,
            transport,
            clock,
            random or Random(0),  # noqa: S311
            timeout_s=self.settings.timeout_s,
            in_flight=self.settings.in_flight,
            page=self.settings.page,
            observer=observer,
        )
        self._rows = CrmReader(name, self.settings.deal_kind)

    async def company(self) -> Company:
        """The organisation behind the connection."""
        answer = await self._api.read("/organisation")
        row = answer.value
        return Company(
            id=row["id"],
            name=row["name"],
            country=row["country"],
            currency=row["currency"],
            time_zone=row["time_zone"],
        )

    async def check(self) -> Sequence[Finding]:
        """See `ports.Connector.check`."""
        try:
            await self.company()
            await self._api.read("/deals", (("per", "1"),))
        except ConnectionBrokenError as error:
            return (broken(error),)
        return ()

    async def describe(self) -> Schema:
        """The fields that can be named in a mapping."""
        return _SCHEMA

    # Reading.

    async def changes_since(
        self, want: Selection, cursor: bytes | None, resume: bytes | None = None
    ) -> AsyncIterator[Page]:
        """See `ports.Connector.changes_since`. Every cursor is safe, so there is no resume."""
        del resume
        if want.entity is Entity.VALUES:
            yield Page(records=tuple(await self._lists(want)), cursor=b"{}", whole=True)
            return
        if want.entity not in TABLES:
            return
        position = Position(cursor)

        def read(_: str, row: Row) -> Record:
            return self._rows.record(row, want)

        def ref_of(_: str, row: Row) -> ExternalRef:
            return self._rows.ref(want.entity, str(row["id"]))

        path = TABLES[want.entity]
        overlap_s = self.settings.overlap_s
        async for page in changed(self._api, (path,), position, overlap_s, ref_of, read):
            yield page
        async for page in gone(self._api, position, lambda row: self._gone(want.entity, row)):
            yield page

    async def _lists(self, want: Selection, names: Sequence[str] = ()) -> list[ValueList]:
        found = [
            await read_list(self._api, self.name, name, want.shape)
            for name in names or sorted(want.kinds)
        ]
        return [one for one in found if one is not None]

    def _gone(self, entity: Entity, row: Row) -> Gone | None:
        if row["table"] != TABLES[entity]:
            return None
        winner = row.get("merged_into")
        return Gone(
            ref=self._rows.ref(entity, row["id"]),
            certain=True,
            merged_into=self._rows.ref(entity, winner) if winner else None,
            at=datetime.fromisoformat(row["at"]),
        )

    async def keys(self, entity: Entity) -> AsyncIterator[Sequence[tuple[ExternalRef, str]]]:
        """See `ports.Connector.keys`."""
        if entity not in TABLES:
            return
        async for answer in self._api.pages(f"/{TABLES[entity]}", (("only", "keys"),)):
            yield [
                (self._rows.ref(entity, row["id"]), row["changed_at"])
                for row in answer.value["rows"]
            ]

    async def get(self, refs: Sequence[ExternalRef], want: Selection) -> Sequence[Record | None]:
        """See `ports.Connector.get`."""
        found: dict[str, Record] = {}
        if want.entity is Entity.VALUES:
            found |= {one.name: one for one in await self._lists(want, [ref.id for ref in refs])}
            return [found.get(ref.id) for ref in refs]
        for table, ids in _by_table(refs).items():
            for row in await self._listed(table, ids):
                found[row["id"]] = self._rows.record(row, want)
        return [found.get(ref.id) for ref in refs]

    async def _listed(self, table: str, ids: Sequence[str]) -> list[Row]:
        rows: list[Row] = []
        for start in range(0, len(ids), _IDS_IN_ONE_CALL):
            query = (("ids", ",".join(ids[start : start + _IDS_IN_ONE_CALL])),)
            async for answer in self._api.pages(f"/{table}", query):
                rows.extend(answer.value["rows"])
        return rows

    # Writing.

    async def prepare(self, changes: Sequence[Change]) -> Sequence[Prepared | Refused]:
        """
        See `ports.Connector.prepare`. Of rows that we own whole nothing is read before; a list of
        values is.
        """
        return [
            await self._prepare_list(change)
            if change.entity is Entity.VALUES
            else self._prepare(change)
            for change in changes
        ]

    async def _prepare_list(self, change: Change) -> Prepared | Refused:
        name = change.target.id if change.target is not None else ""
        shape = getattr(change.base, "shape", "")
        return prepared_list(change, await read_list(self._api, self.name, name, shape))

    def _prepare(self, change: Change) -> Prepared | Refused:
        mine = _UPSERTS if change.entity is not Entity.CUSTOMER else (Action.UPDATE,)
        if change.wanted is not None and change.entity in PATHS and change.action in mine:
            return self._published(change)
        target = change.target
        if change.wanted is None or target is None or not _is_standing(change):
            finding = Finding(
                code="action_not_possible",
                message=f"The plain CRM takes no {change.action.value} of a "
                f"{change.entity.value} from us.",
            )
            return Refused(key=change.key, findings=(finding,))
        wanted = change.wanted.record
        assert isinstance(wanted, Standing)
        names = sorted(change.wanted.fields & _SHOWN)
        values: dict[str, Any] = {name: getattr(wanted, name) for name in names}
        before = change.base if isinstance(change.base, Standing) else None
        shown = before or Standing(ref=target, of=wanted.of)
        row = {
            "tag": change.key,
            "id": target.id,
            "fields": {name: wire_value(value) for name, value in values.items()},
        }
        return Prepared(
            key=change.key,
            entity=change.entity,
            action=change.action,
            target=target,
            method="PATCH",
            path=_PATH,
            body=dumps(row),
            shows=replace(shown, **values),
            revision=change.revision,
        )

    def _published(self, change: Change) -> Prepared:
        return Prepared(
            key=change.key,
            entity=change.entity,
            action=change.action,
            target=change.target,
            method="PATCH",
            path=PATHS[change.entity],
            body=dumps(published_row(change)),
            shows=shows(change),
            revision=change.revision,
        )

    def pack(self, items: Sequence[Prepared]) -> Sequence[Wire]:
        """See `ports.Connector.pack`."""
        size = self.settings.batch
        found: list[Wire] = []
        for path in dict.fromkeys(item.path for item in items):
            mine = [item for item in items if item.path == path]
            found += [_together(mine[start : start + size]) for start in range(0, len(mine), size)]
        return found

    async def send(self, wire: Wire) -> Sequence[Outcome]:
        """See `ports.Connector.send`."""

        def read(answer: Answer | None, _: HttpResponse) -> list[Outcome]:
            return self._answered(wire, answer)

        return await self._api.write(wire, read)

    def _answered(self, wire: Wire, answer: Answer | None) -> list[Outcome]:
        at = time_of(answer)
        if answer is not None and answer.status >= 400:
            return [refusal(key, answer.status, answer.error, at) for key in wire.items]
        results = answer.value.get("results") if answer is not None else None
        if not isinstance(results, list):
            return unknown(wire, "answer_not_readable", at)
        by_tag = {one.get("tag"): one for one in results if isinstance(one, dict)}
        entity = next((one for one, path in PATHS.items() if path == wire.path), Entity.STANDING)
        if wire.path.startswith(f"/{LISTS}/"):
            entity = Entity.VALUES
        return [self._item(key, by_tag.get(key), entity, at) for key in wire.items]

    def _item(self, key: str, result: Row | None, entity: Entity, at: datetime | None) -> Outcome:
        if result is None:
            return Unknown(key=key, reason="item_not_answered", vendor_time=at)
        try:
            if result["status"] >= 500:
                return Unknown(key=key, reason="server_error", vendor_time=at)
            if result["status"] >= 400:
                return refusal(key, result["status"], result["error"], at)
            shown = self._rows.record(result["row"], Selection(entity=entity))
            assert shown.ref is not None
            return Applied(
                key=key, ref=shown.ref, version=shown.version, shows=shown, vendor_time=at
            )
        except UNREADABLE:
            return Unknown(key=key, reason="answer_not_readable", vendor_time=at)

    # Doubt.

    async def find_by_key(self, doubts: Sequence[Doubt]) -> Sequence[Sight]:
        """See `ports.Connector.find_by_key`: the row as it is, or the one that bears our key."""
        return [
            await (self._look(doubt) if doubt.target else self._search(doubt)) for doubt in doubts
        ]

    async def _search(self, doubt: Doubt) -> Sight:
        """A row that an upsert by our key made, if it did."""
        path = PATHS[doubt.entity]
        want = Selection(entity=doubt.entity)
        hits: list[Hit] = []
        began_at = vendor_time = None
        async for answer in self._api.pages(path, (("key", doubt.key13),)):
            began_at = began_at or answer.at
            vendor_time = answer.at
            hits += [
                Hit(key=row["key"], record=self._rows.record(row, want))
                for row in answer.value["rows"]
            ]
        assert began_at is not None
        assert vendor_time is not None
        return Sight(key=doubt.key, began_at=began_at, vendor_time=vendor_time, hits=tuple(hits))

    async def _look(self, doubt: Doubt) -> Sight:
        assert doubt.target is not None
        table = LISTS if doubt.entity is Entity.VALUES else _table_of(doubt.target)
        answer = await self._api.read(f"/{table}/{doubt.target.id}")
        want = Selection(entity=doubt.entity)
        found = self._rows.record(answer.value, want) if answer.status == 200 else None
        return Sight(
            key=doubt.key,
            began_at=answer.at,
            vendor_time=answer.at,
            target=found,
            target_gone=found is None,
        )

    async def trace(self, refs: Sequence[ExternalRef]) -> Sequence[Fate]:
        """See `ports.Connector.trace`."""
        return [await self._trace(ref) for ref in refs]

    async def _trace(self, ref: ExternalRef) -> Fate:
        answer = await self._api.read(f"/{_table_of(ref)}/{ref.id}")
        if answer.status == 200:
            record = self._rows.record(answer.value, Selection(entity=Entity(ref.entity)))
            return Fate(ref=ref, kind=FateKind.PRESENT, record=record)
        winner = answer.error.get("merged_into")
        if winner:
            into = ExternalRef(ref.connection, ref.entity, str(winner))
            return Fate(ref=ref, kind=FateKind.MERGED, into=into)
        # 410 is a deletion; a row that is merely not there may be one that is not committed yet.
        kind = FateKind.DELETED if answer.status == 410 else FateKind.CANNOT_TELL
        return Fate(ref=ref, kind=kind)

    def signals(self, headers: Mapping[str, str], body: bytes) -> Sequence[Signal]:
        """Nothing: this CRM calls nobody."""
        del headers, body
        return ()

    async def close(self) -> None:
        """See `ports.Connector.close`."""
        await self._transport.close()


def abilities(settings: PlainCrmSettings) -> Abilities:
    """What the CRM can do."""
    read = EntityAbilities(
        reads=Reads.STAMP, deletions=Deletions.FEED, page_max=100, tombstones=True
    )
    standing = EntityAbilities(
        reads=Reads.NONE,
        actions=frozenset({Action.UPDATE}),
        write_max=settings.batch,
        owned_whole=True,
        guard=Guard.UPSERT,
        tombstones=True,
        timeout_s=settings.timeout_s,
        longest_s=settings.longest_s,
        search_lag_s=0,
        margin_s=settings.margin_s,
    )
    published = replace(
        standing,
        reads=Reads.STAMP,
        deletions=Deletions.FEED,
        page_max=100,
        actions=frozenset(_UPSERTS),
    )
    return Abilities(
        side="crm",
        entities={
            Entity.DEAL: read,
            Entity.CUSTOMER: replace(published, actions=frozenset({Action.UPDATE})),
            Entity.CONTACT: replace(published, owned_whole=False, fields=FIELDS),
            Entity.ITEM: published,
            Entity.DOCUMENT: published,
            Entity.STANDING: standing,
            Entity.VALUES: replace(
                standing,
                reads=Reads.WHOLE_LIST,
                whole_list_every_s=settings.lists_every_s,
                write_max=1,
                tombstones=False,
            ),
        },
        in_flight=settings.in_flight,
    )


def _is_standing(change: Change) -> bool:
    return change.entity is Entity.STANDING and change.action is Action.UPDATE


def _table_of(ref: ExternalRef) -> str:
    """Ids begin with what they are of: a standing's is that of its deal or company."""
    kinds = {
        "deal": "deals",
        "company": "companies",
        "product": "products",
        "invoice": "invoices",
        "contact": "contacts",
    }
    return kinds.get(ref.id.partition("-")[0], "deals")


def _by_table(refs: Sequence[ExternalRef]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for ref in dict.fromkeys(refs):
        found.setdefault(_table_of(ref), []).append(ref.id)
    return found


def _together(items: Sequence[Prepared]) -> Wire:
    keys = [wire_key(item.key, item.action.value, item.revision, item.body.hex()) for item in items]
    return Wire(
        wire_key=keys[0] if len(keys) == 1 else wire_key(*keys),
        method="PATCH",
        path=items[0].path,
        # The bytes of each row are taken as they are: they were decided already.
        body=b'{"rows":[' + b",".join(item.body for item in items) + b"]}",
        items=tuple(item.key for item in items),
        headers={"Content-Type": "application/json"},
    )


_SCHEMA = Schema(
    fields={
        "deal": tuple(
            FieldInfo(path=path)
            for path in ("number", "title", "owner", "po_number", "buyer_reference", "stage")
        ),
        "customer": tuple(
            FieldInfo(path=path) for path in ("name", "org_number", "vat_number", "email", "terms")
        ),
        "line": tuple(
            FieldInfo(path=path) for path in ("product", "text", "quantity", "unit_price")
        ),
    }
)
