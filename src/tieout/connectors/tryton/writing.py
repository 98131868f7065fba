"""Writing: decisions to bytes, bytes to the server, answers to outcomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date

from tieout.connectors.http.silence import words_of_silence
from tieout.connectors.tryton import confirming, documents, order_writing, packing, translate
from tieout.connectors.tryton.api import TrytonApi
from tieout.connectors.tryton.books import Books, BooksKeeper
from tieout.connectors.tryton.catalogue import Catalogue, Known
from tieout.connectors.tryton.compose_customer import customer_values
from tieout.connectors.tryton.compose_invoice import invoice_values
from tieout.connectors.tryton.compose_other import (
    credit_values,
    is_open,
    order_changes,
    order_values,
    payment_data,
)
from tieout.connectors.tryton.making import Made
from tieout.connectors.tryton.outcomes import LIST_REFUSED, Done, Sent, read_answer, unknown
from tieout.connectors.tryton.payments import MOVE_FIELDS, payment_of
from tieout.connectors.tryton.reading import INVOICE, ORDER, PARTY, Reader, model_of
from tieout.connectors.tryton.session import JSON
from tieout.connectors.tryton.values import Payload, amount_of, call_body, id_of, text_of
from tieout.core.change import (
    Action,
    Applied,
    Change,
    Deferred,
    Outcome,
    Predicted,
    Prepared,
    Refused,
    Wire,
)
from tieout.core.errors import SyncError, TransientError
from tieout.core.finding import Finding
from tieout.core.model import (
    Customer,
    Document,
    DocumentKind,
    Entity,
    ExternalRef,
    Payment,
    Record,
)
from tieout.ports import LostError, NotSentError

PAY = "wizard.account.invoice.pay"


class Writer:
    """Prepares, packs and sends the changes of one company."""

    def __init__(
        self, api: TrytonApi, keeper: BooksKeeper, reader: Reader, catalogue: Catalogue
    ) -> None:
        self._api = api
        self._keeper = keeper
        self._reader = reader
        self._catalogue = catalogue
        # How many may go with an item that was in a list of which one was refused.
        self._most: dict[str, int] = {}
        self._noted = confirming.Noted()

    # --- prepare ---------------------------------------------------------------------------------

    async def prepare(self, changes: Sequence[Change]) -> list[Prepared | Refused]:
        """Decisions to bytes, in order. Reads what is changed; writes nothing."""
        books = await self._words(changes)
        targets = await self._targets(changes)
        parties = await self._parties(changes, targets)
        known = await self._catalogue.load(changes, parties, books)
        made: list[Prepared | Refused] = []
        for change in changes:
            made.append(await self._prepared(change, books, targets, parties, known))
        return made

    async def _words(self, changes: Sequence[Change]) -> Books:
        """The company's words; read anew where a change says something that they do not know."""
        books = await self._keeper.get()
        for change in changes:
            record = change.wanted.record if change.wanted is not None else None
            said = getattr(record, "terms", "")
            if said and books.find_terms(said) is None:
                return await self._keeper.get(fresh=True)
            if isinstance(record, Customer) and not _knows_countries(record, books):
                return await self._keeper.get(whole=True)
            if isinstance(record, Document) and books.journal is None:
                return await self._keeper.get(whole=True)
            if isinstance(record, Document) and not self._can_book(record, books):
                return await self._keeper.get(fresh=True)
            for line in record.lines if isinstance(record, Document) else ():
                for kind, code in line.dimensions.items():
                    if (kind, code.casefold()) not in books.dimension_id:
                        return await self._keeper.get(fresh=True)
        return books

    def _can_book(self, record: Document, books: Books) -> bool:
        currency = books.currency_of(record.currency)
        return currency is not None and books.can_book(currency, self._today(books))

    async def _targets(self, changes: Sequence[Change]) -> dict[tuple[str, int], Payload]:
        """What is changed, as it is now, in one call for each model."""
        asked: dict[str, list[int]] = {}
        for change in changes:
            ref = _target(change)
            if ref is not None:
                model = model_of(ref)
                asked.setdefault(model, []).append(documents.split_ref(ref)[1])
        found: dict[tuple[str, int], Payload] = {}
        for model, numbers in asked.items():
            for number, row in (await self._reader.rows(model, numbers)).items():
                found[model, number] = row
        return found

    async def _parties(
        self, changes: Sequence[Change], targets: Mapping[tuple[str, int], Payload]
    ) -> dict[int, Payload]:
        numbers = {
            id_of(row, "party") or 0
            for (model, _), row in targets.items()
            if model in (INVOICE, ORDER)
        }
        for change in changes:
            record = change.wanted.record if change.wanted is not None else None
            if isinstance(record, Document) and record.customer is not None:
                numbers.add(documents.split_ref(record.customer)[1])
        return await self._reader.payers(sorted(numbers - {0})) if numbers - {0} else {}

    async def _prepared(
        self,
        change: Change,
        books: Books,
        targets: Mapping[tuple[str, int], Payload],
        parties: Mapping[int, Payload],
        known: Known,
    ) -> Prepared | Refused:
        match (change.entity, change.action):
            case (Entity.CUSTOMER, Action.CREATE | Action.UPDATE):
                return self._customer(change, books, targets)
            case (Entity.DOCUMENT, Action.CREATE):
                return self._create(change, books, parties, known)
            case (Entity.DOCUMENT, Action.UPDATE | Action.VOID | Action.CONVERT):
                return self._existing(change, books, targets, parties, known)
            case (Entity.DOCUMENT, Action.CREDIT):
                return await self._credit(change, books, targets)
            case (Entity.PAYMENT, Action.CREATE):
                return await self._pay(change, books, targets)
        message = f"Tryton has no {change.action} of a {change.entity} by this connection."
        return _refused(change, "not_supported", message)

    def _customer(
        self, change: Change, books: Books, targets: Mapping[tuple[str, int], Payload]
    ) -> Prepared | Refused:
        if change.wanted is None or not isinstance(change.wanted.record, Customer):
            return _refused(change, "nothing_wanted", "The change sets nothing.")
        read = None
        if change.action is Action.UPDATE:
            assert change.target is not None
            read = targets.get((PARTY, int(change.target.id)))
            if read is None:
                return Refused(key=change.key, stale=True)
        elif not change.number:
            return _refused(
                change,
                "customer_number_missing",
                "The customer has no code drawn for it; without one a second try could make a "
                "second customer.",
                hint="Set number_start of the connection to a range of your own.",
            )
        settings = self._api.settings
        code = f"{settings.number_prefix}{change.number or ''}"
        made = customer_values(change.wanted, books, settings, code=code, key=change.key, read=read)
        if made.findings:
            return Refused(key=change.key, findings=tuple(made.findings))
        return self._made(
            change,
            body=self._body(PARTY, made, read),
            shows=translate.customer(made.shown, books),
            read=translate.customer(read, books) if read is not None else None,
            witness={"number": text_of(made.shown, "code")},
        )

    def _create(
        self, change: Change, books: Books, parties: Mapping[int, Payload], known: Known
    ) -> Prepared | Refused:
        wanted = change.wanted
        if wanted is None or not isinstance(wanted.record, Document):
            return _refused(change, "nothing_wanted", "The change sets nothing.")
        if wanted.record.customer is None:
            return _refused(change, "customer_missing", "The document names no customer.")
        party = parties.get(int(wanted.record.customer.id))
        if party is None:
            return Refused(key=change.key, stale=True)
        if party.get("active") is False:
            # Tryton itself would take it.
            return _refused(
                change,
                "customer_inactive",
                f"{text_of(party, 'name')} is not active in Tryton.",
                hint="Activate it, or link the account to another customer.",
            )
        is_order = wanted.record.kind is DocumentKind.ORDER
        if is_order and not books.has_sales:
            return _refused(
                change, "document_kind_not_possible", "This Tryton has no module for sales."
            )
        made = self._values(change, books, party, None, known)
        if is_order:
            day = wanted.record.issue_date or self._today(books)
            order_values(made, known.products, day)
        if made.findings:
            return Refused(key=change.key, findings=tuple(made.findings))
        make = documents.order if is_order else documents.document
        body = self._body(ORDER if is_order else INVOICE, made, None)
        if not is_order:
            self._noted.note(change.key, body, made.shown)
        return self._made(
            change,
            body=body,
            shows=make(made.shown, books),
            totals=made.totals,
            witness={"customer": str(id_of(party, "id"))},
        )

    def _values(
        self, change: Change, books: Books, party: Payload, read: Payload | None, known: Known
    ) -> Made:
        assert change.wanted is not None
        return invoice_values(
            change.wanted,
            books,
            self._api.settings,
            key=change.key,
            party=party,
            products=known.products,
            defaults=known.defaults,
            read=read,
            base=change.base if isinstance(change.base, Document) else None,
            today=self._today(books),
        )

    def _existing(
        self,
        change: Change,
        books: Books,
        targets: Mapping[tuple[str, int], Payload],
        parties: Mapping[int, Payload],
        known: Known,
    ) -> Prepared | Refused:
        assert change.target is not None
        head, number = documents.split_ref(change.target)
        if head == "order":
            return self._order(change, books, targets.get((ORDER, number)), parties, known)
        if head != "draft":
            return _refused(
                change,
                "booked",
                "A booked document is not changed or deleted; a credit note corrects it.",
                hint="Finance makes a credit note.",
            )
        read = targets.get((INVOICE, number))
        if read is None or documents.is_booked(read):
            return Refused(key=change.key, stale=True)
        record = documents.document(read, books)
        stamps = {f"{INVOICE},{number}": text_of(read, "_timestamp")}
        if change.action is not Action.UPDATE:
            verb = "delete" if change.action is Action.VOID else "post"
            converts = change.action is Action.CONVERT
            return self._made(
                change,
                body=call_body(
                    f"model.{INVOICE}.{verb}", [[number], self._api.context(_timestamp=stamps)]
                ),
                shows=documents.as_booked(record, books, number) if converts else None,
                read=record,
                totals=Predicted(totals=record.totals) if converts and record.totals else None,
                witness={"draft": str(number)},
            )
        party = parties.get(id_of(read, "party") or 0)
        if change.wanted is None or not isinstance(change.wanted.record, Document):
            return _refused(change, "nothing_wanted", "The change sets nothing.")
        if party is None:
            return Refused(key=change.key, stale=True)
        made = self._values(change, books, party, read, known)
        if made.findings:
            return Refused(key=change.key, findings=tuple(made.findings), seen=record)
        return self._made(
            change,
            body=self._body(INVOICE, made, read),
            shows=documents.document(made.shown, books),
            read=record,
            totals=made.totals,
            witness={"customer": str(id_of(party, "id"))},
        )

    def _order(
        self,
        change: Change,
        books: Books,
        read: Payload | None,
        parties: Mapping[int, Payload],
        known: Known,
    ) -> Prepared | Refused:
        if read is None:
            return Refused(key=change.key, stale=True)
        record = documents.order(read, books)
        refused = order_writing.stopped(change, read, record)
        if refused is not None:
            return refused
        if change.action is Action.VOID:
            body = order_writing.taken_back(read, self._api)
            return self._made(change, body=body, shows=None, read=record)
        party = parties.get(id_of(read, "party") or 0)
        if party is None:
            return Refused(key=change.key, stale=True)
        made = order_changes(self._values(change, books, party, read, known))
        if made.findings:
            return Refused(key=change.key, findings=tuple(made.findings), seen=record)
        return self._made(
            change,
            body=self._body(ORDER, made, read),
            shows=documents.order(made.shown, books),
            read=record,
            totals=made.totals,
        )

    async def _credit(
        self, change: Change, books: Books, targets: Mapping[tuple[str, int], Payload]
    ) -> Prepared | Refused:
        assert change.target is not None
        row = targets.get((INVOICE, documents.split_ref(change.target)[1]))
        if row is None or not documents.is_booked(row):
            return Refused(key=change.key, stale=True)
        wanted = change.wanted.record if change.wanted is not None else None
        record = wanted if isinstance(wanted, Document) else None
        made = credit_values(record, row, books, key=change.key, today=self._today(books))
        if made.findings:
            return Refused(key=change.key, findings=tuple(made.findings))
        body = self._body(INVOICE, made, None)
        self._noted.note(change.key, body, made.shown)
        return self._made(
            change,
            body=body,
            shows=documents.document(made.shown, books),
            totals=made.totals,
            witness={"customer": str(id_of(row, "party"))},
        )

    async def _pay(
        self, change: Change, books: Books, targets: Mapping[tuple[str, int], Payload]
    ) -> Prepared | Refused:
        wanted = change.wanted.record if change.wanted is not None else None
        if not isinstance(wanted, Payment) or wanted.document is None:
            return _refused(change, "nothing_wanted", "The payment names no invoice.")
        number = documents.split_ref(wanted.document)[1]
        row = targets.get((INVOICE, number))
        if row is None or not is_open(row):
            return Refused(key=change.key, stale=True)
        left = amount_of(row, "amount_to_pay")
        if not 0 < wanted.amount <= left:
            return _refused(
                change,
                "value_not_accepted",
                f"{wanted.amount} cannot be put on {text_of(row, 'number')}; {left} is open.",
            )
        method = await self._catalogue.payment_method(wanted.method)
        if method is None:
            return _refused(
                change,
                "value_unmapped",
                f'Tryton has no payment method "{wanted.method}" for this company.',
                hint="Add it in Tryton: Financial, Configuration, Invoices, Payment Methods.",
            )
        day = self._today(books)
        state, data = payment_data(wanted, row, method, books, key=change.key, day=day)
        active = {"active_model": INVOICE, "active_id": number, "active_ids": [number]}
        # A wizard keeps its steps over there; all but the last one write nothing in the books.
        opened = await self._api.call(f"{PAY}.create", **active)
        body = call_body(f"{PAY}.execute", [opened[0], data, state, self._api.context(**active)])
        return self._made(
            change,
            body=body,
            shows=replace(wanted, ref=None, currency=_currency_of(row, books), kind="money"),
            witness={"open": str(left), "invoice": str(number)},
        )

    # --- bytes -----------------------------------------------------------------------------------

    def _body(self, model: str, made: Made, read: Payload | None) -> bytes:
        if read is None:
            return call_body(f"model.{model}.create", [[made.values], self._api.context()])
        # The head itself is always saved, so that its taxes follow its lines.
        context = self._api.context(_timestamp=made.stamps)
        return call_body(f"model.{model}.write", [[read["id"]], made.values, context])

    def _made(
        self,
        change: Change,
        *,
        body: bytes,
        shows: Record | None,
        read: Record | None = None,
        totals: Predicted | None = None,
        witness: Mapping[str, str] | None = None,
    ) -> Prepared:
        noted = {**(witness or {}), "vendor_time": self._api.now().isoformat()}
        return Prepared(
            key=change.key,
            entity=change.entity,
            action=change.action,
            target=change.target,
            method="POST",
            path=self._api.settings.path,
            body=body,
            headers=JSON,
            witness=noted,
            shows=shows,
            totals=totals,
            read=read,
            revision=change.revision,
        )

    def _today(self, books: Books) -> date:
        return books.day_of(self._api.now())

    # --- pack and send ---------------------------------------------------------------------------

    def pack(self, items: Sequence[Prepared]) -> list[Wire]:
        """
        Creates of one model in lists, all else alone. Lists are all or nothing: an item that was
        in one that was refused goes with half as many the next time, at last alone.
        """
        wires: list[Wire] = []
        waiting: dict[tuple[str, int], list[Prepared]] = {}
        for item in items:
            sent = Sent.of(item.body)
            if sent.verb != "create":
                wires.append(packing.wire([item], item.body))
                continue
            most = self._most.get(item.key, self._api.settings.batch)
            group = waiting.setdefault((sent.model, most), [])
            group.append(item)
            if len(group) >= most:
                wires.append(packing.wire(group, packing.together(group)))
                waiting[sent.model, most] = []
        wires += [
            packing.wire(group, packing.together(group)) for group in waiting.values() if group
        ]
        return wires

    async def send(self, wire: Wire) -> list[Outcome]:
        """
        One request, an outcome for each item. What was made is read back once, and again where it
        is not as it was predicted; where that fails it is done all the same. Raises only
        `ConnectionBrokenError`, with nothing done.
        """
        sent = Sent.of(wire.body)
        try:
            response = await self._api.write(wire.body)
        except NotSentError as error:
            why = f"Tryton was not reached: {words_of_silence(error)}."
            return packing.put_off(wire, why, 60)
        except TransientError as error:
            return packing.put_off(wire, error.message, error.retry_after_s or 60)
        except LostError:
            return unknown(wire.items, "No whole answer came from Tryton.")
        done = read_answer(wire, sent, response)
        if not isinstance(done, Done):
            self._remember(wire, done)
            return done
        for key in wire.items:
            self._most.pop(key, None)
        return await self._applied(wire, sent, done)

    def _remember(self, wire: Wire, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            refused = isinstance(outcome, Deferred) and outcome.reason.startswith(LIST_REFUSED)
            if refused and len(wire.items) > 1:
                self._most[outcome.key] = max(1, len(wire.items) // 2)
            elif not isinstance(outcome, Deferred):
                self._most.pop(outcome.key, None)

    async def _applied(self, wire: Wire, sent: Sent, done: Done) -> list[Outcome]:
        try:
            found = await self._read_back(sent, done, wire)
        except (SyncError, NotSentError, LostError, ValueError):
            found = {}
        books = await self._known_books()
        outcomes: list[Outcome] = []
        for place, key in enumerate(wire.items):
            number = done.ids[place] if place < len(done.ids) else 0
            record = found.get(number)
            ref = record.ref if record is not None else _ref(sent, number, books)
            if ref is None:
                outcomes += unknown([key], "Nobody said what was made.", done.at)
                continue
            outcomes.append(
                Applied(
                    key=key,
                    ref=ref,
                    version=getattr(record, "version", None),
                    shows=record,
                    vendor_time=done.at,
                )
            )
        return outcomes

    async def _known_books(self) -> Books:
        known = self._keeper.known
        return known if known is not None else Books(connection=self._api.name)

    async def _read_back(self, sent: Sent, done: Done, wire: Wire) -> dict[int, Record]:
        if sent.verb == "delete":
            return {}
        if sent.verb == "wizard":
            (key,) = wire.items
            made = await self.payment(key)
            return {0: made} if made is not None else {}
        rows = await self._confirmed(done, wire) if _makes_invoices(sent) else {}
        left = [number for number in done.ids if number not in rows]
        if left:
            rows |= await self._reader.rows(sent.model, left)
        records = await self._reader.records(list(rows.values()), sent.model)
        return dict(zip(rows, records, strict=True))

    async def _confirmed(self, done: Done, wire: Wire) -> dict[int, Payload]:
        """The drafts that stand there as they were sent and reckoned as predicted, by id."""
        values = confirming.values_sent(wire.body)
        shown = {
            number: row
            for number, key, sent in zip(done.ids, wire.items, values, strict=True)
            if (row := self._noted.take(key, sent)) is not None
        }
        if not shown:
            return {}
        login = await self._api.session.user()
        read = await self._reader.made(list(shown), await self._keeper.get())
        found = {
            number: confirming.confirmed(shown[number], read[number], login) for number in read
        }
        return {number: row for number, row in found.items() if row is not None}

    async def payment(self, key: str) -> Payment | None:
        """The payment whose move carries that key in its description, None where there is none."""
        books = await self._keeper.get()
        rows = await self._api.search(
            "account.move",
            [["company", "=", books.company], ["description", "ilike", f"%{key}%"]],
            MOVE_FIELDS,
        )
        return payment_of(rows[0], books) if rows else None


def _knows_countries(record: Customer, books: Books) -> bool:
    said = {address.country.upper() for address in record.addresses if address.country}
    return said <= set(books.countries)


def _makes_invoices(sent: Sent) -> bool:
    return sent.verb == "create" and sent.model == INVOICE


def _ref(sent: Sent, number: int, books: Books) -> ExternalRef | None:
    if not number:
        return None
    if sent.model == PARTY:
        return books.ref("customer", number)
    if sent.model == ORDER:
        return books.ref("document", f"order:{number}")
    return documents.invoice_ref(books, number, booked=sent.verb == "post")


def _target(change: Change) -> ExternalRef | None:
    """What has to be read before: the target, or the invoice that a payment is for."""
    record = change.wanted.record if change.wanted is not None else None
    if isinstance(record, Payment):
        return record.document
    return change.target if change.action is not Action.CREATE else None


def _currency_of(row: Payload, books: Books) -> str:
    found = books.currency_by_id.get(id_of(row, "currency") or 0)
    return found.code if found is not None else books.currency.code


def _refused(
    change: Change, code: str, message: str, *, hint: str = "", seen: Record | None = None
) -> Refused:
    finding = Finding(code=code, message=message, hint=hint)
    return Refused(key=change.key, findings=(finding,), seen=seen)
