"""What the books own as rows of the org: items as products with a price, invoices with lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any

from tieout.connectors.salesforce import invoices, items, soql
from tieout.connectors.salesforce.api import Row, SalesforceApi
from tieout.connectors.salesforce.cells import children_of, text_of
from tieout.connectors.salesforce.errors import Refusal
from tieout.connectors.salesforce.graphs import HEAD, NODES_MOST, Graph, graph_path
from tieout.connectors.salesforce.ids import id18, row_id, unique
from tieout.connectors.salesforce.org import OrgObject
from tieout.connectors.salesforce.price_books import ENTRY, Listing, book_ids, other_currency
from tieout.connectors.salesforce.reading import Reader
from tieout.connectors.salesforce.settings import SalesforceSettings
from tieout.connectors.salesforce.shapes import Shape
from tieout.connectors.salesforce.translate import Translator
from tieout.connectors.salesforce.values import Unfit, Wire, same, to_wire
from tieout.core.change import Action, Change, Prepared, Refused
from tieout.core.finding import Finding
from tieout.core.keys import key_in
from tieout.core.model import Document, Entity, Item, Record
from tieout.core.policy import STANDARD_LIST
from tieout.ports import Clock, Selection

ACTIONS = frozenset({Action.CREATE, Action.UPDATE})
PUBLISHED = frozenset({Entity.ITEM, Entity.DOCUMENT})
_NEEDED = frozenset({"Name", "ProductCode", "IsActive", invoices.KEY, items.KEY})
_NO_ID = "000000000000000AAA"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where changes of one entity are written: the objects, their columns, the rows as they are."""

    head: OrgObject
    child: OrgObject
    shape: Shape
    rows: Mapping[str, Row]
    translator: Translator
    currency: str = ""
    book: str = ""
    books: Mapping[str, str] = field(default_factory=dict)
    deals: frozenset[str] = frozenset()


class Publisher:
    """Prepares one graph for each change; what a row shows already is not sent."""

    def __init__(
        self,
        name: str,
        api: SalesforceApi,
        reader: Reader,
        settings: SalesforceSettings,
        clock: Clock,
    ) -> None:
        self._name = name
        self._api = api
        self._reader = reader
        self._settings = settings
        self._clock = clock

    async def prepare(self, changes: Sequence[tuple[int, Change]]) -> dict[int, Prepared | Refused]:
        """Each change by its place: one read for all rows of an entity."""
        made: dict[int, Prepared | Refused] = {}
        for entity in PUBLISHED:
            mine = [(at, change) for at, change in changes if change.entity is entity]
            if not mine:
                continue
            place = await self._place(entity, [change for _, change in mine])
            for at, change in mine:
                made[at] = (
                    self._refused(change, place)
                    if isinstance(place, Finding)
                    else self._prepare(change, place)
                )
        return made

    async def _place(self, entity: Entity, changes: Sequence[Change]) -> _Place | Finding:
        settings, ours = self._settings, self._settings.ours
        names = (
            ("Product2", "PricebookEntry", ours(items.KEY))
            if entity is Entity.ITEM
            else (ours(invoices.INVOICE), ours(invoices.INVOICE_LINE), ours(invoices.KEY))
        )
        head, child = await self._api.object(names[0]), await self._api.object(names[1])
        ids = unique(
            found
            for change in changes
            if change.target is not None and (found := row_id(change.target.id))
        )
        shape, rows = await self._reader.shown(_selection(entity, changes), ids)
        if head is None or child is None or shape is None:
            return no_object(names[0] if head is None else names[1], self._name)
        if not head.has(names[2]):
            return _no_key(head, names[2], self._name)
        place = _Place(
            head=head,
            child=child,
            shape=shape,
            rows={id18(str(row["Id"])): row for row in rows},
            translator=await self._reader.translator(entity),
        )
        if entity is Entity.ITEM:
            currency = await self._reader.catalogue.currency()
            others = shape.kinds - {STANDARD_LIST}
            books = await book_ids(self._api, shape.kinds) if others else {}
            standard = await self._reader.catalogue.standard_book()
            return replace(place, currency=currency, book=standard, books=books)
        field = settings.ours("Opportunity__c")
        named = [
            deal
            for change in changes
            if change.wanted is not None
            and isinstance(document := change.wanted.record, Document)
            and (deal := invoices.head_values(document, {"extra"})["Opportunity__c"])
            and not same(deal, place.rows.get(_target(change), {}).get(field))
        ]
        return replace(place, deals=await self._there("Opportunity", unique(named)))

    async def _there(self, name: str, ids: Sequence[str]) -> frozenset[str]:
        """Those of the rows that are there: a lookup to a deleted one is refused."""
        found: set[str] = set()
        for chunk in soql.chunks(ids, ("Id",)):
            where = [soql.one_of("Id", chunk)]
            rows = await self._api.query(soql.select(("Id",), name, where=where))
            found.update(id18(str(row["Id"])) for row in rows.rows)
        return frozenset(found)

    def _refused(self, change: Change, finding: Finding) -> Refused:
        return Refused(key=change.key, findings=(finding,))

    def _prepare(self, change: Change, place: _Place) -> Prepared | Refused:
        wanted = change.wanted.record if change.wanted is not None else None
        if change.action not in ACTIONS or not isinstance(wanted, (Item, Document)):
            return self._refused(change, _not_possible(change))
        row = place.rows.get(_target(change)) if change.target is not None else None
        if change.target is not None and row is None:
            gone = Refusal("ENTITY_IS_DELETED", "").finding(f"{place.head.name} {_target(change)}")
            return Refused(key=change.key, findings=(gone,), stale=True)
        graph = Graph(self._settings.data_path)
        findings: list[Finding] = []
        after = (
            self._item(change, wanted, place, row, graph, findings)
            if isinstance(wanted, Item)
            else self._invoice(change, wanted, place, row, graph, findings)
        )
        if len(graph.nodes) > NODES_MOST:
            findings.append(_too_long(wanted, len(graph.nodes)))
        if findings:
            return Refused(key=change.key, findings=tuple(findings))
        shows: Record = place.translator.record(after, place.shape)
        customer = getattr(wanted, "customer", None)
        return Prepared(
            key=change.key,
            entity=change.entity,
            action=change.action,
            target=change.target,
            method="POST",
            path=graph_path(self._settings.data_path),
            body=graph.body(change) if graph.nodes else b"",
            witness={
                "nodes": str(len(graph.nodes)),
                "parent": customer.id if customer is not None else "",
            },
            shows=replace(shows, ref=change.target, version=None),
            revision=change.revision,
        )

    # Items.

    def _item(
        self,
        change: Change,
        item: Item,
        place: _Place,
        row: Row | None,
        graph: Graph,
        findings: list[Finding],
    ) -> Row:
        assert change.wanted is not None
        values = items.product_values(item, change.wanted.fields, self._settings)
        more = frozenset(item.extra) if "extra" in change.wanted.fields else frozenset[str]()
        body = self._fitted(place.head, values, row, findings, needed=_NEEDED | more)
        entries = [dict(one) for one in children_of(row, items.PRICES)] if row is not None else []
        target = _target(change) or f"@{{{HEAD}.id}}"
        nodes = Graph(self._settings.data_path)
        if "price" in change.wanted.fields:
            self._price(item, place, target, entries, nodes, findings)
        if "prices" in change.wanted.fields:
            self._prices(item, place, target, entries, nodes, findings)
        listed = bool(nodes.nodes)
        self._head(change, place, row, body, items.KEY, items.STAMP, graph, more=listed)
        graph.nodes.extend(nodes.nodes)
        before = row if row is not None else self._blank(place)
        return {**before, **body, items.PRICES: {"records": entries}}

    def _prices(
        self,
        item: Item,
        place: _Place,
        target: str,
        entries: list[dict[str, Any]],
        graph: Graph,
        findings: list[Finding],
    ) -> None:
        """The prices of other price books and currencies."""
        field = place.child.field("UnitPrice")
        if field is None:
            findings.append(_no_price_book())
            return
        Listing(
            product=target,
            entries=entries,
            books={STANDARD_LIST: place.book, **place.books},
            price_field=field,
            currency=place.currency and (item.currency or place.currency),
            only=self._settings.currency,
        ).write(item, graph, findings)

    def _price(
        self,
        item: Item,
        place: _Place,
        target: str,
        entries: list[dict[str, Any]],
        graph: Graph,
        findings: list[Finding],
    ) -> None:
        """What changes in the standard price; an item without one has none that is in use."""
        field = place.child.field("UnitPrice")
        if field is None or not place.book:
            findings.append(_no_price_book())
            return
        only = self._settings.currency
        if not place.currency and item.currency and only and item.currency != only:
            label = item.number or item.name
            findings.append(other_currency(label, item.currency, only))
            return
        currency = place.currency and (item.currency or place.currency)
        entry = next((one for one in entries if items.is_list_price(one, currency)), None)
        if item.price is None and (entry is None or not entry.get("IsActive")):
            return
        value = None if item.price is None else to_wire(field, item.price)
        if isinstance(value, Unfit):
            findings.append(value.finding)
            return
        price: dict[str, Any] = {"IsActive": False}
        if value is not None:
            price = {"UnitPrice": value, "IsActive": True}
        if entry is None:
            place_of = {"Pricebook2Id": place.book, "Product2Id": target}
            if currency:
                place_of["CurrencyIsoCode"] = currency
            graph.add("price", "POST", ENTRY, {**place_of, **price})
            entries.append({**place_of, **price, "Pricebook2": {"IsStandard": True}})
            return
        moved = {name: one for name, one in price.items() if not same(one, entry.get(name))}
        if moved:
            graph.add("price", "PATCH", f"{ENTRY}/{id18(str(entry['Id']))}", moved)
            entry.update(moved)

    # Invoices.

    def _invoice(
        self,
        change: Change,
        document: Document,
        place: _Place,
        row: Row | None,
        graph: Graph,
        findings: list[Finding],
    ) -> Row:
        assert change.wanted is not None
        ours = self._settings.ours
        names = change.wanted.fields
        values: dict[str, Any] = {
            ours(name): value for name, value in invoices.head_values(document, names).items()
        }
        deal, before = ours("Opportunity__c"), row if row is not None else self._blank(place)
        named = values.get(deal)
        if named and named not in place.deals and not same(named, before.get(deal)):
            values[deal] = None
        if "currency" in names and _is_currency(place.head, document.currency):
            values["CurrencyIsoCode"] = document.currency
        body = self._fitted(place.head, values, row, findings)
        lines = Graph(self._settings.data_path)
        after = list(children_of(before, ours(invoices.LINES)))
        if "lines" in names:
            after = self._lines(change, document, place, row, lines, findings)
        self._head(
            change,
            place,
            row,
            body,
            invoices.KEY,
            invoices.STAMP,
            graph,
            more=bool(lines.nodes),
        )
        graph.nodes.extend(lines.nodes)
        return {**before, **body, ours(invoices.LINES): {"records": after}}

    def _lines(
        self,
        change: Change,
        document: Document,
        place: _Place,
        row: Row | None,
        graph: Graph,
        findings: list[Finding],
    ) -> list[Row]:
        """The lines as they will be; rows are known by their keys, the others are taken away."""
        ours = self._settings.ours
        field, name = ours(invoices.KEY), place.child.name
        key = (text_of(row, field) if row is not None else "") or change.key
        present = list(children_of(row, ours(invoices.LINES))) if row is not None else []
        known = {text_of(one, field): one for one in present}
        wanted = [
            (invoices.line_key(key, at), invoices.line_values(line, at))
            for at, line in enumerate(document.lines, 1)
        ]
        keys = {mark for mark, _ in wanted}
        for at, one in enumerate(present):
            if text_of(one, field) not in keys:
                graph.add(f"gone{at}", "DELETE", f"{name}/{id18(str(one['Id']))}")
        after: list[Row] = []
        for at, (mark, values) in enumerate(wanted, 1):
            old = known.get(mark)
            packaged = {ours(name): value for name, value in values.items()}
            body = self._fitted(place.child, packaged, old, findings)
            if old is not None and body:
                graph.add(f"line{at}", "PATCH", f"{name}/{id18(str(old['Id']))}", body)
            elif old is None:
                head = {ours(invoices.HEAD_OF_LINE): _target(change) or f"@{{{HEAD}.id}}"}
                if _is_currency(place.child, document.currency):
                    head["CurrencyIsoCode"] = document.currency
                graph.add(f"line{at}", "POST", name, {field: mark, **head, **body})
            after.append({**(old or {}), field: mark, **body})
        return after

    # Both.

    def _head(
        self,
        change: Change,
        place: _Place,
        row: Row | None,
        body: dict[str, Any],
        key: str,
        stamp: str,
        graph: Graph,
        *,
        more: bool,
    ) -> None:
        """The request about the row itself; ``more``: others follow, so that it is always there."""
        ours = self._settings.ours
        field = ours(key)
        if row is not None and key_in(text_of(row, field), change.key[:13]) is None:
            # It was there before us: from its first change on it carries our key.
            body[field] = change.key
        if row is not None and not body and not more:
            return
        sent = dict(body)
        stamped = place.head.field(ours(stamp))
        if stamped is not None and stamped.updateable:
            now = to_wire(stamped, self._clock.now())
            sent[stamped.name] = None if isinstance(now, Unfit) else now
        if row is None:
            graph.add(HEAD, "PATCH", f"{place.head.name}/{field}/{change.key}", sent)
            body[field] = change.key
        else:
            graph.add(HEAD, "PATCH", f"{place.head.name}/{_target(change)}", sent)

    def _fitted(
        self,
        known: OrgObject,
        values: Mapping[str, Any],
        row: Row | None,
        findings: list[Finding],
        needed: Set[str] = _NEEDED,
    ) -> dict[str, Wire]:
        """Those values that a row does not show yet, as its fields take them."""
        found: dict[str, Wire] = {}
        for name, value in values.items():
            field = known.field(name)
            if field is None or not field.updateable:
                if name in needed:
                    findings.append(_not_writable(known, name))
                continue
            text = value.strip() if isinstance(value, str) else value
            wire = to_wire(field, text, cut=True)
            if isinstance(wire, Unfit):
                findings.append(wire.finding)
            elif row is None or not same(wire, row.get(field.name)):
                found[field.name] = wire
        return found

    def _blank(self, place: _Place) -> dict[str, Any]:
        """A row that is not there yet: nothing is in its fields."""
        return {column: None for column in place.shape.columns if "." not in column} | {
            "Id": _NO_ID
        }


def _selection(entity: Entity, changes: Sequence[Change]) -> Selection:
    """The price books and fields of the org that these changes are about."""
    wanted = [change.wanted.record for change in changes if change.wanted is not None]
    lists = {one.list for record in wanted if isinstance(record, Item) for one in record.prices}
    if entity is Entity.ITEM:
        lists.add(STANDARD_LIST)
    paths = {path for record in wanted if isinstance(record, Item) for path in record.extra}
    return Selection(entity=entity, kinds=frozenset(lists), extra=tuple(sorted(paths)))


def key_field(entity: Entity, settings: SalesforceSettings) -> str:
    """The field of a row that carries our key."""
    return settings.ours(items.KEY if entity is Entity.ITEM else invoices.KEY)


def _target(change: Change) -> str:
    return (row_id(change.target.id) or "") if change.target is not None else ""


def _is_currency(known: OrgObject, currency: str) -> bool:
    """Whether rows have a currency of their own, and this one is in use in the org."""
    field = known.field("CurrencyIsoCode")
    return field is not None and field.updateable and currency in field.options


def no_object(name: str, connection: str) -> Finding:
    """An object without which nothing can be shown, and what brings it."""
    if not name.endswith("__c"):
        return Finding(
            code="object_missing",
            message=f"{name} cannot be read by the integration user.",
            hint="Give the integration user a permission set with that right.",
            place=name,
        )
    return Finding(
        code="object_missing",
        message=f"{name} cannot be read by the integration user, so invoices of the books are not "
        "listed in Salesforce.",
        hint=f"tieout salesforce deploy {connection}, or switch flows.invoices off.",
        place=name,
    )


def _no_key(known: OrgObject, name: str, connection: str) -> Finding:
    return Finding(
        code="field_missing",
        message=f"{known.name} has no field {name} that the integration user can see, so nothing "
        "would keep a second record from being made.",
        hint=f"tieout salesforce deploy {connection}, or switch this flow off.",
        place=f"{known.name}.{name}",
        values={"object": known.name, "field": name},
    )


def _no_price_book() -> Finding:
    return Finding(
        code="object_missing",
        message="The standard price book cannot be seen by the integration user, so items get no "
        "price in Salesforce.",
        hint="Give the integration user a permission set with that right.",
        place="Pricebook2",
    )


def _not_writable(known: OrgObject, name: str) -> Finding:
    return Finding(
        code="rights_missing",
        message=f"{name} of {known.label} cannot be written by the integration user.",
        hint="Give the integration user a permission set with that right.",
        place=f"{known.name}.{name}",
    )


def _too_long(record: Record, count: int) -> Finding:
    return Finding(
        code="value_not_accepted",
        message=f"{getattr(record, 'number', '')} needs {count} rows to be written at once; "
        f"Salesforce takes {NODES_MOST}.",
        hint="Show invoices without their lines: flows.invoices.lines: false.",
    )


def _not_possible(change: Change) -> Finding:
    return Finding(
        code="action_not_possible",
        message=f"Salesforce takes no {change.action.value} of a {change.entity.value} from us.",
        hint="Leave this flow out for Salesforce.",
    )
