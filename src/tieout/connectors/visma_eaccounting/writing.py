"""Writing: decisions to bytes, bytes to the vendor, answers to outcomes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from tieout.connectors.http.client import Call
from tieout.connectors.http.json import dumps
from tieout.connectors.http.silence import words_of_silence
from tieout.connectors.http.together import in_order
from tieout.connectors.visma_eaccounting import documents, shown, translate
from tieout.connectors.visma_eaccounting.api import FilterNotSupportedError, VismaApi
from tieout.connectors.visma_eaccounting.compose_customer import customer_body
from tieout.connectors.visma_eaccounting.compose_draft import check_body, draft_body
from tieout.connectors.visma_eaccounting.compose_order import (
    DRAFT,
    ONGOING,
    order_body,
    order_payload,
)
from tieout.connectors.visma_eaccounting.filters import (
    ARTICLES,
    CUSTOMERS,
    DRAFTS,
    ORDERS,
    FilterBook,
)
from tieout.connectors.visma_eaccounting.names import Names, draft_ref, split_ref
from tieout.connectors.visma_eaccounting.outcomes import outcome_of, template_of
from tieout.connectors.visma_eaccounting.reading import Reader
from tieout.connectors.visma_eaccounting.values import (
    Payload,
    day_of,
    quoted,
    stamp_text,
    text_of,
)
from tieout.core.change import (
    Action,
    Change,
    Deferred,
    Outcome,
    Predicted,
    Prepared,
    Refused,
    Unknown,
    Wire,
)
from tieout.core.errors import TransientError
from tieout.core.finding import Finding
from tieout.core.keys import wire_key
from tieout.core.model import Document, DocumentKind, Entity, Record
from tieout.ports import LostError, NotSentError

_JSON = {"Content-Type": "application/json"}
_KEEP_DATE = "?keepOriginalDraftDate=true&overrideCompanyKeepOriginalDraftDate=true"
_ARTICLES_LIVE_MS = 600_000
_TIMEOUT_S = 60
_ZONE = ZoneInfo("Europe/Stockholm")


class Writer:
    """Prepares, packs and sends the changes of one connection."""

    def __init__(self, api: VismaApi, reader: Reader, filters: FilterBook) -> None:
        self._api = api
        self._reader = reader
        self._filters = filters
        self._articles: dict[str, Payload] = {}
        self._articles_at_ms = 0
        self._articles_whole = False

    # --- prepare ---------------------------------------------------------------------------------

    async def prepare(self, changes: Sequence[Change]) -> list[Prepared | Refused]:
        """Decisions to bytes, in order. Reads what a PUT replaces; writes nothing."""
        customers = await self._reader.payloads(CUSTOMERS, _customer_ids(changes))
        await self._load_articles(changes)
        return await in_order([self._prepared(change, customers) for change in changes])

    async def _prepared(
        self, change: Change, customers: Mapping[str, Payload]
    ) -> Prepared | Refused:
        match (change.entity, change.action):
            case (Entity.CUSTOMER, Action.CREATE | Action.UPDATE):
                return await self._customer(change)
            case (Entity.DOCUMENT, Action.CREATE):
                return await self._draft(change, customers, None)
            case (Entity.DOCUMENT, Action.UPDATE | Action.VOID | Action.CONVERT):
                return await self._existing(change, customers)
        message = f"Visma eAccounting has no {change.action} of a {change.entity} from outside."
        return _refused(change, "not_supported", message)

    async def _customer(self, change: Change) -> Prepared | Refused:
        if change.wanted is None:
            return _refused(change, "nothing_wanted", "The change sets nothing.")
        names = await self._names(change)
        read: dict[str, Any] | None = None
        if change.action is Action.UPDATE:
            assert change.target is not None
            read = await self._reader.payload(change.target)
            if read is None:
                return Refused(key=change.key, stale=True)
        elif not change.number:
            return _refused(
                change,
                "customer_number_missing",
                "The customer has no number drawn for it; without one a second try could make a "
                "second customer.",
                hint="Set number_start of the connection to a range of your own.",
            )
        number = (change.number or "").zfill(self._api.settings.number_width)
        made = customer_body(change.wanted, names, self._api.settings, number=number, read=read)
        if made.findings:
            return Refused(key=change.key, findings=tuple(made.findings))
        seen = {**(read or {}), **made.body}
        for name, default in (
            ("CurrencyCode", names.currency),
            ("InvoiceCountryCode", names.country),
        ):
            # What the vendor fills in by itself.
            seen[name] = seen.get(name) or default
        before = translate.customer(read, names) if read is not None else None
        after = translate.customer(seen, names)
        if before is None:
            after = replace(after, ref=None)
        path = CUSTOMERS if read is None else f"{CUSTOMERS}/{text_of(read, 'Id')}"
        return self._made(
            change,
            method="POST" if read is None else "PUT",
            path=path,
            body=dumps(made.body),
            shows=after,
            read=before,
            witness={"number": text_of(made.body, "CustomerNumber")},
        )

    async def _existing(
        self, change: Change, customers: Mapping[str, Payload]
    ) -> Prepared | Refused:
        assert change.target is not None
        collection, guid = split_ref(change.target)
        if collection == "order":
            return await self._order(change, customers, guid)
        if collection != "draft":
            return _refused(
                change,
                "booked",
                "A booked document is not changed or deleted; a credit note corrects it.",
                hint="Finance makes a credit note.",
            )
        read = await self._reader.payload(change.target)
        if read is None:
            return Refused(key=change.key, stale=True)
        if change.action is Action.UPDATE:
            return await self._draft(change, customers, read)
        names = await self._names(change)
        record = documents.draft(read, names)
        if change.action is Action.VOID:
            return self._made(
                change, method="DELETE", path=f"{DRAFTS}/{guid}", body=b"", shows=None, read=record
            )
        day = day_of(read, "InvoiceDate")
        if names.keeps_draft_date and day is not None and not names.day_is_open(day):
            return _refused(
                change,
                "period_closed",
                f"The draft of {record.customer_name} would be booked on {day.isoformat()}; "
                "that day is in a closed period.",
                hint="Finance chooses the date.",
                seen=record,
            )
        totals = Predicted(totals=record.totals) if record.totals is not None else None
        return self._made(
            change,
            method="POST",
            path=f"{DRAFTS}/{guid}/convert{_KEEP_DATE}",
            body=dumps(check_body(read)),
            shows=_as_booked(record, names, guid),
            read=record,
            totals=totals,
            witness={"draft": guid},
        )

    async def _order(
        self, change: Change, customers: Mapping[str, Payload], guid: str
    ) -> Prepared | Refused:
        """An order that is not shipped is changed; only one that is a draft can be deleted."""
        assert change.target is not None
        read = await self._reader.payload(change.target)
        if read is None:
            return Refused(key=change.key, stale=True)
        record = documents.order(read, await self._names(change))
        if read.get("Status") not in (DRAFT, ONGOING):
            return Refused(key=change.key, stale=True, seen=record)
        if change.action is Action.UPDATE:
            return await self._draft(change, customers, read)
        if change.action is Action.CONVERT or read.get("Status") != DRAFT:
            return _refused(
                change,
                "order_ongoing",
                f"Order {record.number or guid} of {record.customer_name} is ongoing; Visma "
                "deletes only orders that are drafts.",
                hint="Finance closes it in Visma, or sales takes the change back.",
                seen=record,
            )
        return self._made(
            change, method="DELETE", path=f"{ORDERS}/{guid}", body=b"", shows=None, read=record
        )

    async def _draft(
        self, change: Change, customers: Mapping[str, Payload], read: Payload | None
    ) -> Prepared | Refused:
        wanted = change.wanted
        if wanted is None or not isinstance(wanted.record, Document):
            return _refused(change, "nothing_wanted", "The change sets nothing.")
        ordered = wanted.record.kind is DocumentKind.ORDER
        if ordered and not self._api.settings.orders:
            return _refused(
                change,
                "document_kind_not_possible",
                "This connection to Visma eAccounting makes no sales orders.",
                hint="Set orders of the connection, or another kind in flows.documents.create.",
            )
        guid = text_of(read, "CustomerId") if read is not None else _customer_id(wanted.record)
        if not guid:
            return _refused(change, "customer_missing", "The document names no customer.")
        customer = customers.get(guid)
        if customer is None:
            customer = (await self._reader.payloads(CUSTOMERS, [guid])).get(guid)
        if customer is None:
            return Refused(key=change.key, stale=True)
        names = await self._names(change)
        base = change.base if isinstance(change.base, Document) else None
        made = draft_body(
            wanted,
            names,
            self._api.settings,
            key=change.key,
            customer=customer,
            articles=self._articles,
            read=read,
            base=base,
        )
        includes = shown.includes_vat(customer, names, read)
        currency = text_of(customer, "CurrencyCode") or names.currency
        if wanted.record.currency not in ("", currency):
            made.wrong(
                "currency_not_allowed",
                f"The document is in {wanted.record.currency}; {text_of(customer, 'Name')} is "
                f"invoiced in {currency} in Visma.",
                hint="Change the deal, or the currency of the customer.",
                place="currency",
            )
        if "lines" in wanted.fields or read is None:
            shown.check_prices(made, wanted.record.lines, includes)
        if made.findings:
            return Refused(key=change.key, findings=tuple(made.findings))
        totals = shown.predicted(
            made, customer, names, includes=includes, rule=self._api.settings.totals_rule
        )
        payload = shown.draft_payload(
            made,
            customer=customer,
            articles=self._articles,
            names=names,
            read=read,
            includes=includes,
            totals=totals,
        )
        listed, told, body = DRAFTS, documents.draft, made.body
        if ordered:
            listed, told = ORDERS, documents.order
            body = order_body(
                made,
                customer=customer,
                names=names,
                settings=self._api.settings,
                day=(wanted.record.issue_date or self._today()).isoformat(),
                read=read,
            )
            payload = order_payload(payload, body, read)
        path = listed if read is None else f"{listed}/{text_of(read, 'Id')}"
        return self._made(
            change,
            method="POST" if read is None else "PUT",
            path=path,
            body=dumps(body),
            shows=told(payload, names),
            read=told(read, names) if read is not None else None,
            totals=totals,
            witness={"customer": guid},
        )

    def _today(self) -> date:
        """The day in the vendor's countries, by its clock."""
        return (self._api.seen_at or self._api.clock.now()).astimezone(_ZONE).date()

    def _made(
        self,
        change: Change,
        *,
        method: str,
        path: str,
        body: bytes,
        shows: Record | None,
        read: Record | None,
        totals: Predicted | None = None,
        witness: Mapping[str, str] | None = None,
    ) -> Prepared:
        noted = dict(witness or {})
        if self._api.seen_at is not None:
            noted["vendor_time"] = stamp_text(self._api.seen_at)
        return Prepared(
            key=change.key,
            entity=change.entity,
            action=change.action,
            target=change.target,
            method=method,
            path=path,
            body=body,
            headers=_JSON if body else {},
            witness=noted,
            shows=shows,
            totals=totals,
            read=read,
            revision=change.revision,
        )

    async def _names(self, change: Change) -> Names:
        """The names; read anew where the change says something that they do not know."""
        names = await self._api.names()
        record = change.wanted.record if change.wanted is not None else None
        said = getattr(record, "terms", "")
        unknown = bool(said) and names.find_terms(said) is None
        if isinstance(record, Document):
            unknown = unknown or any(
                (kind, code.casefold()) not in names.dimension_id
                for line in record.lines
                for kind, code in line.dimensions.items()
            )
        return await self._api.names(fresh=True) if unknown else names

    async def _load_articles(self, changes: Sequence[Change]) -> None:
        """Reads the articles that the lines name and that are not known, in few calls."""
        now = self._api.clock.steady()
        if now - self._articles_at_ms > _ARTICLES_LIVE_MS:
            self._articles.clear()
            self._articles_at_ms = now
            self._articles_whole = False
        ids, numbers = _named_articles(changes)
        ids = [guid for guid in ids if guid not in self._articles]
        for payload in (await self._reader.payloads(ARTICLES, ids)).values():
            self._know(payload)
        numbers = [number for number in numbers if number.casefold() not in self._articles]
        if not numbers:
            return
        try:
            if await self._filters.can(ARTICLES, "Number"):
                for start in range(0, len(numbers), 20):
                    chunk = numbers[start : start + 20]
                    text = " or ".join(f"Number eq {quoted(number)}" for number in chunk)
                    for payload in await self._api.filtered(ARTICLES, text):
                        self._know(payload)
        except FilterNotSupportedError:
            self._filters.refuse(ARTICLES, "Number")
        missing = [number for number in numbers if number.casefold() not in self._articles]
        if missing and not self._articles_whole:
            # Written in other letters than over there, or not there at all: the list tells.
            for payload in await self._api.whole(ARTICLES):
                self._know(payload)
            self._articles_whole = True

    def _know(self, payload: Payload) -> None:
        self._articles[text_of(payload, "Id")] = payload
        self._articles[text_of(payload, "Number").casefold()] = payload

    # --- pack and send ---------------------------------------------------------------------------

    @staticmethod
    def pack(items: Sequence[Prepared]) -> list[Wire]:
        """One request for each: the vendor has no batches."""
        return [
            Wire(
                wire_key=wire_key(item.key, item.revision, item.action, item.path),
                method=item.method,
                path=item.path,
                body=item.body,
                items=(item.key,),
                headers=item.headers,
            )
            for item in items
        ]

    async def send(self, wire: Wire) -> list[Outcome]:
        """One request, one outcome. Raises only `ConnectionBrokenError`, with nothing done."""
        (key,) = wire.items
        try:
            # Known before the write, so that no read can fail between it and its outcome.
            names = await self._api.names()
            response = await self._api.client.write(
                Call(
                    method=wire.method,
                    path=wire.path,
                    headers=wire.headers,
                    body=wire.body,
                    template=template_of(wire.path),
                    timeout_s=_TIMEOUT_S,
                )
            )
        except NotSentError as error:
            why = f"Visma was not reached: {words_of_silence(error)}."
            return [Deferred(key=key, retry_after_s=60, reason=why)]
        except TransientError as error:
            return [
                Deferred(key=key, retry_after_s=error.retry_after_s or 60, reason=error.message)
            ]
        except LostError:
            return [Unknown(key=key, reason="No whole answer came from Visma.")]
        return [outcome_of(wire, response, names)]


def _as_booked(record: Document, names: Names, guid: str) -> Document:
    totals = record.totals
    return replace(
        record,
        ref=None,
        version=None,
        kind=DocumentKind.INVOICE,
        booked=True,
        raw_status="unpaid",
        came_from=(draft_ref(names, guid),),
        totals=replace(totals, open=totals.gross) if totals is not None else None,
    )


def _customer_id(record: Document) -> str:
    return record.customer.id if record.customer is not None else ""


def _customer_ids(changes: Iterable[Change]) -> list[str]:
    found = []
    for change in changes:
        if change.entity is Entity.DOCUMENT and change.action is Action.CREATE and change.wanted:
            record = change.wanted.record
            if isinstance(record, Document) and record.customer is not None:
                found.append(record.customer.id)
    return found


def _named_articles(changes: Iterable[Change]) -> tuple[list[str], list[str]]:
    ids: dict[str, None] = {}
    numbers: dict[str, None] = {}
    for change in changes:
        record = change.wanted.record if change.wanted is not None else None
        for line in record.lines if isinstance(record, Document) else ():
            if line.item is not None and line.item.ref is not None:
                ids[line.item.ref.id] = None
            elif line.item is not None and line.item.number:
                numbers[line.item.number] = None
    return list(ids), list(numbers)


def _refused(
    change: Change, code: str, message: str, *, hint: str = "", seen: Record | None = None
) -> Refused:
    finding = Finding(code=code, message=message, hint=hint)
    return Refused(key=change.key, findings=(finding,), seen=seen)
