"""Reading: what changed, what there is, and records by their ids."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta

from tieout.connectors.http.json import dumps
from tieout.connectors.webcrm.api import Row, WebcrmApi
from tieout.connectors.webcrm.feed import Feed
from tieout.connectors.webcrm.ids import number_for, ref_of
from tieout.connectors.webcrm.lineage import DEALS, Lineage
from tieout.connectors.webcrm.lines import LineFeed
from tieout.connectors.webcrm.settings import WebcrmSettings
from tieout.connectors.webcrm.system import (
    KINDS,
    SystemFields,
    place_on,
    read_metadata,
    unknown_field,
)
from tieout.connectors.webcrm.translate import (
    Around,
    Shape,
    Translator,
    deal_version,
    stamp_text,
)
from tieout.connectors.webcrm.values import RowError, id_at, text_at
from tieout.core.errors import UnreadableError
from tieout.core.finding import UNREADABLE, Finding, unreadable
from tieout.core.model import Customer, Entity, ExternalRef, Record
from tieout.ports import Page, Selection

ITEM_ID = "QuotationLineLinkedDataItemId"
TABLES: Mapping[Entity, tuple[str, ...]] = {
    Entity.DEAL: ("Opportunity", "Delivery"),
    Entity.CUSTOMER: ("Organisation",),
    Entity.CONTACT: ("Person",),
}
_LINES, _PERSON, _WALKED = "QuotationLine", "Person", "walked"
# Fields of lines stand in no metadata; these are all that the vendor documents.
_LINE_FIELDS = frozenset(
    f"QuotationLine{name}"
    for name in (
        *(f"Data{number}" for number in range(1, 10)),
        *("Comment", "CostPrice", "CreatedAt", "CreatedBy", "Discount", "Id", "ListPrice"),
        *("Memo", "OpportunityId", "OrganisationId", "PersonId", "Price", "Quantity"),
        *("SortOrder", "StockStatus", "UpdatedAt", "UpdatedBy", "VatPercentage"),
    )
)
Problems = list[tuple[ExternalRef, Finding]]
# Shape, table and id; stamp and digest.
_Key = tuple[str, str, int]
_State = tuple[str, str]
_REMEMBERED = 5000
_MANY_MOVED = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """
    Where a read stands. ``since`` are the stamps from which it reads each table (None:
    everything), ``began`` the server's time when it began, ``high`` the highest stamp read of
    each; ``step`` the table that is being read, ``last`` the id behind which it goes on.
    ``walked`` is when the list of lines was last read through.
    """

    since: Mapping[str, str] | None = None
    began: str | None = None
    high: Mapping[str, str] = field(default_factory=dict)
    step: int = 0
    last: int = 0
    walked: str = ""

    def pack(self) -> bytes:
        """The sweep as bytes to be stored."""
        return json.dumps(asdict(self), separators=(",", ":")).encode()

    @classmethod
    def unpack(cls, stored: bytes) -> Sweep:
        """The sweep that was stored."""
        return cls(**json.loads(stored))

    def seen(self, table: str, rows: Sequence[Row]) -> Sweep:
        """The same after these rows."""
        stamps = [stamp_text(row.get(f"{table}UpdatedAt")) for row in rows]
        highest = max((*stamps, self.high.get(table, "")))
        return replace(self, high={**self.high, table: highest})

    def cursor(self, tables: Sequence[str], overlap: timedelta) -> bytes | None:
        """
        The stamps from which the next read begins, less the overlap; None where nothing is known.

        Not after this sweep began, since what was read first may have moved behind it; not before
        its beginning less the overlap, since all that is older was there to be read.
        """
        found: dict[str, str] = {}
        for table in tables:
            high = self.high.get(table) or (self.since or {}).get(table, "")
            if self.began is None or table == _LINES:
                # Lines are read on a timetable of their own, which says how far they were read.
                stamp = high
            else:
                floor = _earlier(self.began, overlap)
                stamp = max(min(high or floor, self.began), floor)
            if stamp:
                found[table] = stamp
        if self.walked:
            found[_WALKED] = self.walked
        return json.dumps(found, sort_keys=True, separators=(",", ":")).encode() if found else None


class Reader:
    """Reads records of one system. Holds one page at a time, and what was handed over last."""

    def __init__(
        self,
        name: str,
        api: WebcrmApi,
        feed: Feed,
        lineage: Lineage,
        settings: WebcrmSettings,
    ) -> None:
        self._name = name
        self._api = api
        self._settings = settings
        self.feed = feed
        self.lineage = lineage
        self._lines = LineFeed(api, feed, settings)
        self._handed: dict[_Key, _State] = {}
        self._fields: dict[str, tuple[Sequence[Row], SystemFields]] = {}
        self._overlap = timedelta(seconds=settings.overlap_s)

    # What changed.

    async def changes(
        self, want: Selection, cursor: bytes | None, resume: bytes | None
    ) -> AsyncIterator[Page]:
        """See `ports.Connector.changes_since`."""
        if want.entity is Entity.ITEM:
            yield await self._catalogue(want)
            return
        sweep = self._began(self._start(cursor, resume))
        self._lines.begin()
        translator = await self.translator()
        if resume is None:
            unknown = await self.unknown(want)
            if unknown:
                yield Page(unread=tuple(unknown), resume=sweep.pack())
        tables = self._tables(want)
        sweep = self._began(sweep)
        for step in range(sweep.step, len(tables)):
            sweep = replace(sweep, step=step, last=sweep.last if step == sweep.step else 0)
            async for page, moved in self._step(tables[step], want, sweep, translator):
                sweep = moved
                if page is not None:
                    yield page
        yield Page(cursor=sweep.cursor(tables, self._overlap) or cursor)

    def _start(self, cursor: bytes | None, resume: bytes | None) -> Sweep:
        if resume is not None:
            return Sweep.unpack(resume)
        if cursor is None:
            return Sweep()
        stored: dict[str, str] = json.loads(cursor)
        walked = stored.pop(_WALKED, "")
        since = {table: _earlier(stamp, self._overlap) for table, stamp in stored.items()}
        return Sweep(since=since, walked=walked)

    def _tables(self, want: Selection) -> tuple[str, ...]:
        tables = TABLES[want.entity]
        # A person and a line move without the deal that shows them.
        return (*tables, _PERSON, _LINES) if want.entity is Entity.DEAL else tables

    async def _step(
        self, table: str, want: Selection, sweep: Sweep, translator: Translator
    ) -> AsyncIterator[tuple[Page | None, Sweep]]:
        """One table; of lines and persons the deals that they belong to."""
        since = (sweep.since or {}).get(table)
        if want.entity is Entity.DEAL and table in (_PERSON, _LINES):
            async for kind, rows, moved in self._around(table, since, sweep):
                page = await self._page(kind, rows, want, moved, translator) if rows else None
                yield page, moved
            return
        if since is None:
            pages = self.feed.all(table, sweep.last)
        else:
            pages = self.feed.since(table, datetime.fromisoformat(since))
        async for rows in pages:
            sweep = self._began(sweep).seen(table, rows)
            if since is None:
                last = max((id_at(row, f"{table}Id") for row in rows), default=sweep.last)
                sweep = replace(sweep, last=max(last, sweep.last))
            fresh, handed = self._fresh(table, want, rows, since)
            page = await self._page(table, fresh, want, sweep, translator) if fresh else None
            yield page, sweep
            # Only now has whoever reads taken them.
            self._hand_over(handed)

    async def _around(
        self, table: str, since: str | None, sweep: Sweep
    ) -> AsyncIterator[tuple[str, list[Row], Sweep]]:
        """The deals around which a person or a line moved, by kind."""
        if since is None:
            # Everything is read, or was: what moves from now on is found by the next read.
            yield DEALS[0], [], self._at_start(sweep, table)
            return
        through = self._persons if table == _PERSON else self._moved_lines
        async for kind, rows, moved in through(since, sweep):
            yield kind, rows, moved

    def _began(self, sweep: Sweep) -> Sweep:
        """The beginning by the server's clock, as soon as an answer told its time."""
        now = self._api.server_now()
        if sweep.began is not None or now is None:
            return sweep
        return replace(sweep, began=stamp_text(now.isoformat()))

    def _at_start(self, sweep: Sweep, table: str) -> Sweep:
        found = self._began(sweep)
        if table != _LINES or found.began is None:
            return found
        return replace(found, walked=found.began, high={**found.high, _LINES: found.began})

    def _fresh(
        self, table: str, want: Selection, rows: Sequence[Row], since: str | None
    ) -> tuple[list[Row], dict[_Key, _State]]:
        """Without what this reader handed over in the very same state: the overlap comes again."""
        states: dict[_Key, _State] = {
            (want.shape, table, id_at(row, f"{table}Id")): (
                stamp_text(row.get(f"{table}UpdatedAt")),
                hashlib.sha256(dumps(row)).hexdigest(),
            )
            for row in rows
        }
        if since is None or len(states) != len(rows):
            return list(rows), states
        fresh = [
            row
            for (key, state), row in zip(states.items(), rows, strict=True)
            if self._handed.get(key) != state
        ]
        return fresh, states

    def _hand_over(self, states: Mapping[_Key, _State]) -> None:
        """Remembers what can come again: nothing older than two overlaps does."""
        self._handed.update(states)
        now = self._api.server_now()
        if now is not None and len(self._handed) > _REMEMBERED:
            oldest = _earlier(now.isoformat(), 3 * self._overlap)
            self._handed = {k: s for k, s in self._handed.items() if s[0] >= oldest}

    async def _persons(
        self, since: str, sweep: Sweep
    ) -> AsyncIterator[tuple[str, list[Row], Sweep]]:
        """The deals of persons that changed: their names and addresses stand on the document."""
        if not self.feed.by_scripts:
            return
        async for rows in self.feed.since(_PERSON, datetime.fromisoformat(since)):
            fresh, handed = self._fresh(_PERSON, _OF_DEALS, rows, since)
            sweep = sweep.seen(_PERSON, rows)
            persons = [id_at(row, "PersonId") for row in fresh]
            for kind in DEALS:
                deals = await self.feed.listed(kind, f"{kind}PersonId", persons)
                yield kind, list(deals.values()), sweep
            self._hand_over(handed)

    async def _moved_lines(
        self, since: str, sweep: Sweep
    ) -> AsyncIterator[tuple[str, list[Row], Sweep]]:
        """The deals whose lines moved: by a script where that can be asked, else now and then."""
        now = self._began(sweep).began or ""
        by_script = bool(self._settings.line_table) and self.feed.by_scripts
        wait = timedelta(seconds=self._settings.lines_every_s)
        if not by_script and sweep.walked and now and now < _later(sweep.walked, wait):
            # The stamp stays where it is, so that the next walk looks back far enough.
            stays = {**sweep.high, _LINES: _later(since, self._overlap)}
            yield DEALS[0], [], replace(sweep, high=stays)
            return
        numbers = await self._lines.moved(datetime.fromisoformat(since))
        if len(numbers) > _MANY_MOVED:
            async for kind, rows in self._among_all(numbers):
                yield kind, rows, sweep
        elif numbers:
            found = await self.feed.either(DEALS, sorted(numbers))
            for kind in DEALS:
                yield kind, [row for one, row in found.values() if one == kind], sweep
        yield DEALS[0], [], replace(sweep, walked=now, high={**sweep.high, _LINES: now})

    async def _among_all(self, numbers: set[int]) -> AsyncIterator[tuple[str, list[Row]]]:
        """After an import so many lines are new that reading all deals costs fewer calls."""
        for kind in DEALS:
            async for rows in self.feed.all(kind):
                yield kind, [row for row in rows if id_at(row, f"{kind}Id") in numbers]

    async def _catalogue(self, want: Selection) -> Page:
        """The catalogue as it is: it has no stamps and no pages."""
        translator = await self.translator()
        shape = Shape.of(want.extra, want.shape, want.kinds)
        records: list[Record] = []
        unread: Problems = []
        for row in await self._api.catalogue():
            try:
                records.append(translator.item(row, shape))
            except RowError as error:
                unread.append(self._unread(Entity.ITEM, id_at(row, ITEM_ID), "item", error))
        return Page(records=tuple(records), unread=tuple(unread), whole=True)

    # Records of rows.

    async def _page(
        self, table: str, rows: Sequence[Row], want: Selection, sweep: Sweep, by: Translator
    ) -> Page:
        found = await self.records(table, rows, want, by)
        return Page(records=tuple(found[0]), unread=tuple(found[1]), resume=sweep.pack())

    async def records(
        self, table: str, rows: Sequence[Row], want: Selection, by: Translator
    ) -> tuple[list[Record], Problems]:
        """The records of rows of a table, and what was not understood."""
        shape = Shape.of(want.extra, want.shape)
        make: Callable[[Row], Record]
        if want.entity is Entity.DEAL:
            return await self._deals(table, rows, shape, by)
        if want.entity is Entity.CUSTOMER:
            users = await self._api.users()

            def make(row: Row) -> Record:
                return by.customer(row, users, shape)
        else:

            def make(row: Row) -> Record:
                return by.contact(row, shape)

        records: list[Record] = []
        unread: Problems = []
        for row in rows:
            number = id_at(row, f"{table}Id")
            try:
                record = make(row)
            except (RowError, TypeError, ValueError) as error:
                unread.append(self._unread(want.entity, number, text_at(row, _NAMES[table]), error))
                continue
            records.append(record)
            finding = by.country_finding(row) if isinstance(record, Customer) else None
            if finding is not None and record.ref is not None:
                unread.append((record.ref, finding))
        return records, unread

    async def _deals(
        self, kind: str, rows: Sequence[Row], shape: Shape, by: Translator
    ) -> tuple[list[Record], Problems]:
        records: list[Record] = []
        unread: Problems = []
        numbers = [id_at(row, f"{kind}Id") for row in rows]
        lines = await self._lines.of([(kind, number) for number in numbers])
        wanted = {id_at(row, f"{kind}PersonId") for row in rows} - {0}
        persons = await self.feed.some(_PERSON, sorted(wanted))
        users = await self._api.users()
        for number, row in zip(numbers, rows, strict=True):
            around = Around(
                lines=lines.get(number, ()),
                person=persons.get(id_at(row, f"{kind}PersonId")),
                users=users,
            )
            try:
                root = await self.lineage.root(kind, row)
                records.append(by.deal(kind, row, root, around, shape))
            except (RowError, TypeError, ValueError) as error:
                title = text_at(row, f"{kind}Number") or text_at(row, f"{kind}Description")
                unread.append(self._unread(Entity.DEAL, number, title, error))
        return records, unread

    def _unread(
        self, entity: Entity, number: int, name: str, error: Exception
    ) -> tuple[ExternalRef, Finding]:
        told = str(error) if isinstance(error, RowError) else "It is not in the form we know."
        message = f'The {entity.value} "{name or number}" cannot be understood. {told}'
        finding = unreadable(message, id=str(number), object=entity.value)
        return ref_of(self._name, entity, number), finding

    # What there is.

    async def keys(self, entity: Entity) -> AsyncIterator[Sequence[tuple[ExternalRef, str]]]:
        """See `ports.Connector.keys`. A deal's stamp names its lines too."""
        if entity is Entity.ITEM:
            rows = await self._api.catalogue()
            yield [(self._ref(entity, id_at(row, ITEM_ID)), "") for row in rows]
            return
        if entity is not Entity.DEAL:
            for table in TABLES[entity]:
                stamped = (f"{table}Id", f"{table}UpdatedAt")
                async for found in self.feed.all(table, columns=stamped):
                    yield [
                        (
                            self._ref(entity, id_at(row, f"{table}Id")),
                            stamp_text(row.get(f"{table}UpdatedAt")),
                        )
                        for row in found
                    ]
            return
        lines = await self._lines.walk()
        for kind in TABLES[entity]:
            columns = (f"{kind}Id", f"{kind}UpdatedAt", f"{kind}ErpId")
            async for found in self.feed.all(kind, columns=columns):
                keys: list[tuple[ExternalRef, str]] = []
                for row in found:
                    number = id_at(row, f"{kind}Id")
                    try:
                        root = await self.lineage.root(kind, row)
                    except RowError:
                        # It is there, under whichever name; what is wrong was said on reading it.
                        root = number
                    stamp = deal_version(kind, row, lines.get(number, ()))
                    keys.append((self._ref(entity, root), stamp))
                yield keys

    async def get(self, refs: Sequence[ExternalRef], want: Selection) -> tuple[Record | None, ...]:
        """See `ports.Connector.get`."""
        numbers = [number_for(ref, want.entity) for ref in refs]
        translator = await self.translator()
        if want.entity is Entity.ITEM:
            shape = Shape.of(want.extra, want.shape, want.kinds)
            items: dict[int, Record] = {}
            for row in await self._api.catalogue():
                number = id_at(row, ITEM_ID)
                if number not in numbers:
                    continue
                try:
                    items[number] = translator.item(row, shape)
                except (RowError, TypeError, ValueError) as error:
                    _, finding = self._unread(Entity.ITEM, number, "", error)
                    raise UnreadableError(finding.message) from None
            return tuple(items.get(number) for number in numbers)
        self._lines.begin()
        found: dict[str, Record] = {}
        for table, rows in (await self._rows(numbers, want.entity)).items():
            records, unread = await self.records(table, rows, want, translator)
            broken = [f for _, f in unread if f.code == UNREADABLE]
            if broken:
                raise UnreadableError(broken[0].message, hint=broken[0].hint)
            found.update({record.ref.id: record for record in records if record.ref is not None})
        return tuple(found.get(ref.id) for ref in refs)

    async def _rows(self, numbers: Sequence[int], entity: Entity) -> dict[str, list[Row]]:
        wanted = [number for number in dict.fromkeys(numbers) if number]
        found: dict[str, list[Row]] = {}
        if entity is Entity.DEAL:
            for kind, row in (await self.lineage.now(wanted)).values():
                found.setdefault(kind, []).append(row)
            return found
        table = TABLES[entity][0]
        rows = await self.feed.some(table, wanted)
        return {table: list(rows.values())}

    # The system.

    async def translator(self) -> Translator:
        """A translator with the fields as they are now."""
        fields = {kind: await self.fields(kind) for kind in KINDS}
        return Translator(connection=self._name, settings=self._settings, fields=fields)

    async def fields(self, kind: str) -> SystemFields:
        """The fields of one kind that are switched on."""
        told = await self._api.metadata(kind)
        known = self._fields.get(kind)
        if known is None or known[0] is not told:
            known = self._fields[kind] = (told, read_metadata(kind, told))
        return known[1]

    async def unknown(self, want: Selection) -> list[tuple[ExternalRef, Finding]]:
        """The paths of a selection that this system does not have, with the closest names."""
        shape = Shape.of(want.extra, want.shape)
        found: list[Finding] = []
        tables = TABLES.get(want.entity, ())
        for path in shape.extra if tables else ():
            known = [await self.fields(table) for table in tables]
            places = (path if table not in DEALS else place_on(table, path) for table in tables)
            if not any(
                place and fields.has(place) for fields, place in zip(known, places, strict=True)
            ):
                found.append(unknown_field(path, known[-1]))
        lines = SystemFields(kind="QuotationLine", fields={})
        found += [
            unknown_field(f"line.{path}", lines)
            for path in shape.line_extra
            if path not in _LINE_FIELDS
        ]
        return [(ExternalRef(self._name, want.entity.value, f.place), f) for f in found]

    def _ref(self, entity: Entity, number: int) -> ExternalRef:
        return ref_of(self._name, entity, number)


_NAMES = {"Organisation": "OrganisationName", "Person": "PersonName"}
_OF_DEALS = Selection(entity=Entity.CONTACT, shape="of deals")


def _earlier(stamp: str, by: timedelta) -> str:
    return stamp_text((datetime.fromisoformat(stamp) - by).isoformat())


def _later(stamp: str, by: timedelta) -> str:
    return stamp_text((datetime.fromisoformat(stamp) + by).isoformat())
