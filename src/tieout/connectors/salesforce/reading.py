"""Reading: what changed, what there is, and rows by their ids."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from tieout.connectors.salesforce import soql
from tieout.connectors.salesforce.api import LocatorGoneError, Row, Rows, SalesforceApi
from tieout.connectors.salesforce.cells import RowError
from tieout.connectors.salesforce.ids import id18, object_of, row_id, unique
from tieout.connectors.salesforce.items import Catalogue
from tieout.connectors.salesforce.settings import SalesforceSettings
from tieout.connectors.salesforce.shapes import (
    ALL_SOURCES,
    ROLES,
    Shape,
    Shapes,
    Source,
    invoice_source,
)
from tieout.connectors.salesforce.translate import Translator
from tieout.core.errors import TransientError, UnreadableError
from tieout.core.finding import Finding, unreadable
from tieout.core.model import Entity, ExternalRef, Record
from tieout.ports import Gone, Page, Selection

_QUERIES_MOST = 5
_KEYS_MOST = 50
_ORDER = "SystemModstamp, Id"
Place = tuple[str | None, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """
    Where a read stands. ``since`` is the stamp that it began from (None: everything), ``began``
    the server's time of its first answer, ``high`` the highest stamp read; ``step`` the part that
    is being read, ``stamp`` and ``id`` its last row.
    """

    since: str | None = None
    began: str | None = None
    high: str | None = None
    step: int = 0
    stamp: str | None = None
    id: str | None = None

    def pack(self) -> bytes:
        """The sweep as bytes to be stored."""
        return json.dumps(asdict(self), separators=(",", ":")).encode()

    @classmethod
    def unpack(cls, stored: bytes) -> Sweep:
        """The sweep that was stored."""
        return cls(**json.loads(stored))

    def cursor(self, overlap_s: int) -> bytes | None:
        """
        The stamp from which the next read begins (less the overlap); None where nothing was seen.

        Not after this sweep began: a line may have moved behind it without its head's stamp. Not
        before its beginning less the overlap: all that is older was there to be read.
        """
        high = self.high or self.since
        if self.began is None:
            return high.encode() if high else None
        floor = soql.earlier(self.began, overlap_s)
        return max(min(high or floor, self.began), floor).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """
    One query of a sweep. ``pointer`` '' reads the records themselves, else it names the field
    that says which record a moved row belongs to. ``by_stamp``: in the order of stamps, else ids.
    """

    shape: Shape
    object: str
    columns: tuple[str, ...]
    where: tuple[str, ...]
    pointer: str = ""
    by_stamp: bool = True
    deleted_too: bool = True

    def place(self, rows: Sequence[Row], began: str | None, before: Place) -> Place:
        """
        The stamp and id behind which this query goes on after these rows.

        A later page shows rows as they are when it is fetched. One that has moved since the
        query began stands where it was, with a stamp that would skip all rows between.
        """
        for row in reversed(rows):
            stamp = row.get("SystemModstamp")
            if not self.by_stamp or began is None or str(stamp) < began:
                return stamp, str(row["Id"])
        return before

    def statement(self, stamp: str | None, record_id: str | None) -> str:
        """The query, behind a row that was read already."""
        where = list(self.where)
        if record_id is not None and stamp is not None and self.by_stamp:
            where.append(soql.after(stamp, record_id))
        elif record_id is not None:
            where.append(f"Id > {soql.text(record_id)}")
        order = _ORDER if self.by_stamp else "Id"
        return soql.select(self.columns, self.object, where=where, order=order)


class Reader:
    """Reads records of one org. Holds one page at a time."""

    def __init__(
        self,
        name: str,
        api: SalesforceApi,
        shapes: Shapes,
        settings: SalesforceSettings,
    ) -> None:
        self._name = name
        self._api = api
        self._shapes = shapes
        self._settings = settings
        self.catalogue = Catalogue(api, settings)

    async def changes(
        self, want: Selection, cursor: bytes | None, resume: bytes | None
    ) -> AsyncIterator[Page]:
        """See `ports.Connector.changes_since`."""
        overlap = self._settings.overlap_s
        if resume is not None:
            sweep = Sweep.unpack(resume)
        else:
            since = soql.earlier(cursor.decode(), overlap) if cursor else None
            sweep = Sweep(since=since)
        shapes = [
            shape
            for source in await self._shapes.sources(want)
            if (shape := await self._shapes.shape(source, want)) is not None
        ]
        unknown = [
            (ExternalRef(self._name, want.entity.value, finding.place), finding)
            for shape in shapes
            for finding in shape.unknown
        ]
        if unknown and resume is None:
            yield Page(unread=tuple(unknown), resume=sweep.pack())
        translator = await self.translator(want.entity)
        steps = [step for shape in shapes for step in await self._steps(shape, sweep.since)]
        firsts = await self._firsts(steps) if resume is None else {}
        read: set[str] = set()
        for place in range(sweep.step, len(steps)):
            sweep = replace(sweep, step=place)
            first = firsts.pop(place, None)
            async for page, moved in self._run(steps[place], sweep, translator, read, first):
                sweep = moved
                yield page
            sweep = replace(sweep, stamp=None, id=None)
        yield Page(cursor=sweep.cursor(overlap) or cursor)

    async def keys(self, entity: Entity) -> AsyncIterator[Sequence[tuple[ExternalRef, str]]]:
        """See `ports.Connector.keys`."""
        for source in await self._shapes.sources(Selection(entity=entity)):
            step = Step(
                shape=Shape(source=source, columns=()),
                object=source.object,
                columns=("Id", "SystemModstamp"),
                where=(),
                by_stamp=False,
                deleted_too=False,
            )
            count, total = 0, -1
            async for rows, _ in self._pages(step):
                total = rows.total if total < 0 else total
                count += len(rows.rows)
                yield tuple(
                    (ExternalRef(self._name, entity.value, id18(row["Id"])), row["SystemModstamp"])
                    for row in rows.rows
                )
            if count < total:
                raise TransientError(
                    f"Salesforce told of {total} rows of {source.object} and gave {count}.",
                    code="answer_garbled",
                )

    async def get(self, refs: Sequence[ExternalRef], want: Selection) -> tuple[Record | None, ...]:
        """See `ports.Connector.get`. A row in the recycle bin is not there."""
        translator = await self.translator(want.entity)
        found: dict[str, Record] = {}
        asked = [row_id(ref.id) for ref in refs]
        ids = unique(record_id for record_id in asked if record_id is not None)
        for source in self._sources_of(want.entity):
            # What the package's rows are called, each org decides: all ids are of invoices then.
            mine = [
                record_id
                for record_id in ids
                if want.entity is Entity.DOCUMENT or object_of(record_id) == source.object
            ]
            shape = await self._shapes.shape(source, want) if mine else None
            if shape is None:
                continue
            for row in await self._rows_by_id(shape, mine):
                found[id18(row["Id"])] = self._record(row, shape, translator)
        return tuple(found.get(one) if one is not None else None for one in asked)

    def _sources_of(self, entity: Entity) -> list[Source]:
        if entity is Entity.DOCUMENT:
            return [invoice_source(self._settings)]
        return [source for source in ALL_SOURCES if source.entity is entity]

    async def shown(self, want: Selection, ids: Sequence[str]) -> tuple[Shape | None, list[Row]]:
        """The rows of items or invoices with these ids as they are now, and their columns."""
        source = self._sources_of(want.entity)[0]
        shape = await self._shapes.shape(source, want)
        if shape is None or not ids:
            return shape, []
        return shape, await self._rows_by_id(shape, ids)

    async def with_keys(
        self, entity: Entity, field: str, keys: Sequence[str]
    ) -> list[tuple[Row, Record]]:
        """Rows whose key field begins with one of these, those of the recycle bin too."""
        source = self._sources_of(entity)[0]
        shape = await self._shapes.shape(source, Selection(entity=entity))
        head = await self._api.object(source.object)
        if shape is None or head is None or not head.has(field):
            return []
        translator = await self.translator(entity)
        columns = shape.select()
        found: list[tuple[Row, Record]] = []
        for start in range(0, len(keys), _KEYS_MOST):
            likes = [f"{field} LIKE {soql.text(k + '%')}" for k in keys[start : start + _KEYS_MOST]]
            where = [f"({' OR '.join(likes)})"]
            statement = soql.select(columns, source.object, where=where)
            async for rows in self._all(statement, deleted_too=True):
                whole = [await self._whole(row, shape) for row in rows.rows]
                found += [(row, self._record(row, shape, translator)) for row in whole]
        return found

    async def bin_rows(self, object_name: str, ids: Sequence[str]) -> dict[str, Row]:
        """Id, stamp, deletion and merge of rows, those of the recycle bin too, by id."""
        known = await self._api.object(object_name)
        if known is None:
            return {}
        columns = known.only("Id", "SystemModstamp", "IsDeleted", "MasterRecordId")
        found: dict[str, Row] = {}
        for chunk in soql.chunks(ids, columns):
            where = [soql.one_of("Id", chunk)]
            statement = soql.select(columns, object_name, where=where)
            async for rows in self._all(statement, deleted_too=True):
                found.update({id18(row["Id"]): row for row in rows.rows})
        return found

    # Inside.

    async def translator(self, entity: Entity) -> Translator:
        """What makes records of that entity out of rows."""
        await self._api.tokens.access()
        return Translator(
            connection=self._name,
            settings=self._settings,
            base_url=await self._api.base(),
            currency=self._settings.currency,
            price_currency=await self.catalogue.currency() if entity is Entity.ITEM else "",
        )

    async def _firsts(self, steps: Sequence[Step]) -> dict[int, Rows]:
        """The first pages of all steps, five to a call: a quiet read costs one or two calls."""
        found: dict[int, Rows] = {}
        if len(steps) < 2:
            return found
        for start in range(0, len(steps), _QUERIES_MOST):
            group = steps[start : start + _QUERIES_MOST]
            asked = [(step.statement(None, None), step.deleted_too) for step in group]
            for at, rows in enumerate(await self._api.queries(asked), start=start):
                if rows is not None:
                    found[at] = rows
        return found

    async def _steps(self, shape: Shape, since: str | None) -> list[Step]:
        """The queries that together find all that may have changed."""
        source = shape.source
        heads = Step(
            shape=shape,
            object=source.object,
            columns=tuple(shape.select()),
            where=(soql.since("SystemModstamp", since),) if since else (),
            # A complete read may take hours and be resumed: in the order of ids, which stay.
            by_stamp=since is not None,
            deleted_too=since is not None,
        )
        if since is None:
            # Everything is read: what moves meanwhile is found by the next read.
            return [heads]
        return [heads, *self._child_steps(shape, since), *await self._parent_steps(shape, since)]

    def _child_steps(self, shape: Shape, since: str) -> list[Step]:
        """Children move without their head, and so does what a line shows of its product."""
        source = shape.source
        found: list[Step] = []
        if shape.line_columns:
            found.append(
                replace(
                    step := _moved(shape, source.line_object, source.line_parent, since=since),
                    where=(*step.where, *source.line_where),
                ),
            )
            if source.entity is Entity.DEAL and _reads(shape.line_columns, "Product2"):
                found.append(
                    _pointed(
                        shape,
                        source.line_object,
                        source.line_parent,
                        "Product2Id",
                        "Product2",
                        since,
                    )
                )
        if shape.role_columns:
            child = "OpportunityContactRole"
            found.append(_moved(shape, child, "OpportunityId", since=since))
        if _reads(shape.role_columns, "Contact"):
            step = _pointed(shape, child, "OpportunityId", "ContactId", "Contact", since)
            roles = soql.one_of("Role", self._settings.billing_roles)
            billing = (
                f"(IsPrimary = true OR {roles})"
                if self._settings.billing_roles
                else ("IsPrimary = true")
            )
            found.append(replace(step, where=(*step.where, billing)))
        return found

    async def _parent_steps(self, shape: Shape, since: str) -> list[Step]:
        """Where a mapping reads through a parent, a change of the parent is a change of the row."""
        head = await self._api.object(shape.source.object)
        found: list[Step] = []
        for relation in shape.parents_asked:
            field = head.parents.get(relation.lower()) if head else None
            if field is None or len(field.targets) != 1:
                continue
            if field.targets[0] in ("User", shape.source.object):
                # Users change with every sign-in; a query cannot look into its own object.
                continue
            found.append(
                _pointed(shape, shape.source.object, "Id", field.name, field.targets[0], since)
            )
        for pointer, relation, target in _PERSON_POINTERS:
            if _reads(shape.columns, relation):
                found.append(_pointed(shape, shape.source.object, "Id", pointer, target, since))
        return found

    async def _run(
        self,
        step: Step,
        sweep: Sweep,
        translator: Translator,
        read: set[str],
        first: Rows | None,
    ) -> AsyncIterator[tuple[Page, Sweep]]:
        start = (sweep.stamp, sweep.id) if sweep.id is not None else (None, None)
        async for rows, place in self._pages(step, start, sweep.began, first):
            if sweep.began is None and rows.at is not None:
                sweep = replace(sweep, began=soql.stamp(rows.at))
            if not rows.rows:
                continue
            before = sweep
            sweep = replace(sweep, stamp=place[0], id=place[1])
            if step.pointer:
                async for whole, is_last in self._pointed_at(step, rows.rows, read):
                    # A restart between two parts of this page reads the page again.
                    at = sweep if is_last else before
                    yield self._page(whole, step.shape, translator, at), at
                continue
            highest = max(str(row["SystemModstamp"]) for row in rows.rows)
            sweep = replace(sweep, high=max(highest, sweep.high or highest))
            complete = [await self._whole(row, step.shape) for row in rows.rows]
            if sweep.since is not None:
                read.update(id18(row["Id"]) for row in rows.rows)
            yield self._page(complete, step.shape, translator, sweep), sweep

    async def _pointed_at(
        self, step: Step, rows: Sequence[Row], read: set[str]
    ) -> AsyncIterator[tuple[list[Row], bool]]:
        """The records that moved rows belong to, unless this sweep has read them already."""
        ids = unique(str(row[step.pointer]) for row in rows if row.get(step.pointer))
        fresh = [record_id for record_id in ids if record_id not in read]
        read.update(fresh)
        chunks = list(soql.chunks(fresh, step.shape.select()))
        for chunk in chunks:
            yield await self._rows_by_id(step.shape, chunk), chunk is chunks[-1]

    def _page(
        self, rows: Sequence[Row], shape: Shape, translator: Translator, sweep: Sweep
    ) -> Page:
        records: list[Record] = []
        gone: list[Gone] = []
        unread: list[tuple[ExternalRef, Finding]] = []
        for row in rows:
            try:
                if row.get("IsDeleted"):
                    gone.append(translator.gone(row, shape.source.entity))
                else:
                    records.append(translator.record(row, shape))
            except (RowError, KeyError, TypeError, ValueError) as error:
                unread.append(self._unread(row, shape.source, error))
        return Page(
            records=tuple(records),
            gone=tuple(gone),
            unread=tuple(unread),
            resume=sweep.pack(),
        )

    def _record(self, row: Row, shape: Shape, translator: Translator) -> Record:
        try:
            return translator.record(row, shape)
        except (RowError, KeyError, TypeError, ValueError) as error:
            _, finding = self._unread(row, shape.source, error)
            raise UnreadableError(finding.message, hint=finding.hint) from None

    def _unread(self, row: Row, source: Source, error: Exception) -> tuple[ExternalRef, Finding]:
        record_id = str(row.get("Id") or "")
        name = str(row.get("Name") or record_id)
        told = str(error) if isinstance(error, RowError) else "It is not in the form we know."
        message = f'{source.object} "{name}" cannot be understood. {told}'
        finding = unreadable(message, id=record_id, object=source.object)
        return ExternalRef(self._name, source.entity.value, record_id), finding

    async def _rows_by_id(self, shape: Shape, ids: Sequence[str]) -> list[Row]:
        columns = shape.select()
        found: list[Row] = []
        for chunk in soql.chunks(ids, columns):
            where = [soql.one_of("Id", chunk)]
            statement = soql.select(columns, shape.source.object, where=where)
            async for rows in self._all(statement, deleted_too=False):
                found.extend([await self._whole(row, shape) for row in rows.rows])
        return found

    async def _whole(self, row: Row, shape: Shape) -> Row:
        """The row with all its children: a long list comes in pages of its own."""
        whole: dict[str, Any] | None = None
        lists = (
            (
                shape.source.lines,
                shape.source.line_object,
                shape.source.line_parent,
                shape.line_columns,
            ),
            (ROLES, "OpportunityContactRole", "OpportunityId", shape.role_columns),
        )
        for relation, child, pointer, columns in lists:
            found = row.get(relation) if columns else None
            if isinstance(found, Mapping) and found.get("nextRecordsUrl"):
                where = [f"{pointer} = {soql.text(row['Id'])}", "IsDeleted = false"]
                again = soql.select(columns, child, where=where, order="Id")
                whole = {**(whole or row), relation: {"records": await self._rest(found, again)}}
        return row if whole is None else whole

    async def _rest(self, first: Mapping[str, Any], again: str) -> list[Row]:
        found = list(first.get("records") or ())
        more: str | None = str(first["nextRecordsUrl"])
        while more:
            try:
                rows = await self._api.more(more)
            except LocatorGoneError:
                return [
                    row async for page in self._all(again, deleted_too=False) for row in page.rows
                ]
            found.extend(rows.rows)
            more = rows.more
        return found

    async def _pages(
        self,
        step: Step,
        start: Place = (None, None),
        began: str | None = None,
        first: Rows | None = None,
    ) -> AsyncIterator[tuple[Rows, Place]]:
        """
        The pages of an ordered query, each with the place behind which it can be continued; a
        query that the server has forgotten is asked anew from there.
        """
        place = start
        rows = first or await self._api.query(step.statement(*place), deleted_too=step.deleted_too)
        if began is None and rows.at is not None:
            began = soql.stamp(rows.at)
        while True:
            place = step.place(rows.rows, began, place)
            yield rows, place
            if rows.more is None:
                return
            try:
                rows = await self._api.more(rows.more)
            except LocatorGoneError:
                rows = await self._api.query(step.statement(*place), deleted_too=step.deleted_too)

    async def _all(self, statement: str, *, deleted_too: bool) -> AsyncIterator[Rows]:
        """The pages of a query over few ids; a forgotten one is asked again as a whole."""
        rows = await self._api.query(statement, deleted_too=deleted_too)
        while True:
            yield rows
            if rows.more is None:
                return
            try:
                rows = await self._api.more(rows.more)
            except LocatorGoneError:
                rows = await self._api.query(statement, deleted_too=deleted_too)


_PERSON_POINTERS = (
    ("BillToContactId", "BillToContact", "Contact"),
    ("ContactId", "Contact", "Contact"),
)


def _reads(columns: Sequence[str], relation: str) -> bool:
    """Whether anything is read through that way to a parent."""
    return any(column.startswith(f"{relation}.") for column in columns)


def _moved(shape: Shape, child: str, pointer: str, *, since: str) -> Step:
    return Step(
        shape=shape,
        object=child,
        columns=("Id", "SystemModstamp", pointer),
        where=(soql.since("SystemModstamp", since),),
        pointer=pointer,
    )


def _pointed(shape: Shape, child: str, pointer: str, field: str, target: str, since: str) -> Step:
    inner = soql.select(("Id",), target, where=(soql.since("SystemModstamp", since),))
    return Step(
        shape=shape,
        object=child,
        columns=tuple(dict.fromkeys(("Id", pointer))),
        where=(f"{field} IN ({inner})",),
        pointer=pointer,
        by_stamp=False,
        deleted_too=False,
    )
