"""Reading: what may have changed, all keys, and single records now."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from tieout.connectors.http.json import dumps, loads
from tieout.connectors.tryton import confirming, documents, translate
from tieout.connectors.tryton.api import Domain, TrytonApi, everyone
from tieout.connectors.tryton.books import Books, BooksKeeper
from tieout.connectors.tryton.codes import read_codes
from tieout.connectors.tryton.settling import MOVE_LINE_FIELDS, settling_ids
from tieout.connectors.tryton.values import (
    Payload,
    amount_of,
    day_of,
    id_of,
    linked,
    rows_of,
    text_of,
)
from tieout.core.errors import NOT_UNDERSTOOD, UnreadableError
from tieout.core.finding import Finding, unreadable
from tieout.core.model import Balance, Document, Entity, ExternalRef, Record, Totals
from tieout.core.money import ZERO
from tieout.ports import Gone, Page, Selection

INVOICE, ORDER, PARTY, PRODUCT = "account.invoice", "sale.sale", "party.party", "product.product"
MOVE_LINE = "account.move.line"
_DAWN = datetime(2000, 1, 1, tzinfo=UTC)
_CHILDREN = ("addresses", "identifiers", "contact_mechanisms")
_KEYS_AT_ONCE = 1000


class Reader:
    """Changes, keys and records of one company."""

    def __init__(self, api: TrytonApi, keeper: BooksKeeper) -> None:
        self._api = api
        self._keeper = keeper

    # --- what belongs to us ----------------------------------------------------------------------

    def invoices(self) -> Domain:
        """The sales invoices of this company."""
        return [["company", "=", self._api.company], ["type", "=", "out"]]

    def orders(self) -> Domain:
        """The sales of this company."""
        return [["company", "=", self._api.company]]

    @staticmethod
    def customers(books: Books) -> Domain:
        """Every party but the companies themselves: there is no mark of a customer."""
        return [*everyone(PARTY), ["id", "not in", list(books.own_parties)]]

    # --- changes ---------------------------------------------------------------------------------

    async def changes_since(
        self, want: Selection, cursor: bytes | None, resume: bytes | None
    ) -> AsyncIterator[Page]:
        """All that may have changed since the cursor; see `ports.Connector.changes_since`."""
        match want.entity:
            case Entity.CUSTOMER | Entity.ITEM:
                stream = self._stamped(want, cursor, resume)
            case Entity.DOCUMENT:
                stream = self._documents(want, cursor, resume)
            case Entity.BALANCE:
                stream = self._balances(want)
            case Entity.CODE:
                stream = self._codes(want)
            case _:
                return
        async for page in stream:
            yield page

    async def _stamped(
        self, want: Selection, cursor: bytes | None, resume: bytes | None
    ) -> AsyncIterator[Page]:
        books = await self._keeper.get()
        deep: tuple[str, ...]
        if want.entity is Entity.CUSTOMER:
            model, domain, deep = PARTY, self.customers(books), _CHILDREN
            names = customer_fields(books)
        else:
            model, domain, deep = PRODUCT, everyone(PRODUCT), ("template",)
            names = list(translate.ITEM_FIELDS)
        state = _state(resume) or _state(cursor) or {}
        sweep = _Sweep(state, resumed=resume is not None)
        names += translate.extra_fields(want)
        clauses = [*domain, sweep.clause(deep, hiding=True)]
        async for rows in self._api.pages(model, clauses, names, after=sweep.after):
            sweep.moved(rows, self._api.now())
            records, unread = await self._read_rows(rows, want, model)
            yield Page(records=records, unread=unread, resume=dumps(sweep.marks()))
        # The first answer told the time, also where nothing had changed.
        yield Page(cursor=self._cursor(sweep, {}))

    async def _documents(
        self, want: Selection, cursor: bytes | None, resume: bytes | None
    ) -> AsyncIterator[Page]:
        books = await self._keeper.get()
        state = _state(resume) or _state(cursor) or {}
        sweep = _Sweep(state, resumed=resume is not None)
        timed: dict[str, Any] = {
            name: state[name] for name in ("drafts_at", "open_at") if name in state
        }
        names = [*documents.head_fields(books), *translate.extra_fields(want, lines="lines")]
        clauses = [*self.invoices(), sweep.clause(())]
        async for rows in self._api.pages(INVOICE, clauses, names, after=sweep.after):
            sweep.moved(rows, self._api.now())
            yield await self._document_page(rows, want, {**sweep.marks(), **timed})
        now = self._api.now()
        if self._due(timed, "drafts_at", self._api.settings.drafts_every_s, now):
            # The whole list: a line that was edited for itself moves no stamp of its invoice, and
            # a draft that was deleted leaves none at all.
            async for page in self._drafts(want, names):
                yield page
            timed["drafts_at"] = now.isoformat()
        if self._due(timed, "open_at", self._api.settings.open_invoices_every_s, now):
            if cursor is not None:
                clauses = [*self.invoices(), ["state", "=", "posted"]]
                async for rows in self._api.pages(INVOICE, clauses, names):
                    yield await self._document_page(rows, want, None)
            timed["open_at"] = now.isoformat()
        if self._orders(want, books):
            async for page in self._changed_orders(want, sweep, books):
                yield page
        yield Page(cursor=self._cursor(sweep, timed))

    def _orders(self, want: Selection, books: Books) -> bool:
        asked = "order" in want.kinds or (not want.kinds and self._api.settings.orders)
        return asked and books.has_sales

    async def _changed_orders(
        self, want: Selection, sweep: _Sweep, books: Books
    ) -> AsyncIterator[Page]:
        names = [*documents.order_fields(books), *translate.extra_fields(want, lines="lines")]
        clauses = [*self.orders(), sweep.clause(())]
        async for rows in self._api.pages(ORDER, clauses, names):
            records, unread = await self._read_rows(rows, want, ORDER)
            yield Page(records=records, unread=unread)

    @staticmethod
    def _due(timed: Mapping[str, Any], name: str, every_s: int, now: datetime) -> bool:
        last = timed.get(name)
        return not last or now - datetime.fromisoformat(str(last)) >= timedelta(seconds=every_s)

    async def _document_page(
        self, rows: Sequence[Payload], want: Selection, marks: Mapping[str, Any] | None
    ) -> Page:
        records, unread = await self._read_rows(rows, want, INVOICE)
        gone = tuple(
            Gone(ref=ref, certain=False)
            for record in records
            if isinstance(record, Document) and record.booked
            for ref in record.came_from
            if not ref.id.startswith("order:")
        )
        resume = None if marks is None else dumps(marks)
        return Page(records=records, unread=unread, gone=gone, resume=resume)

    async def _drafts(self, want: Selection, names: Sequence[str]) -> AsyncIterator[Page]:
        domain = [*self.invoices(), _UNBOOKED]
        async for rows in self._api.pages(INVOICE, domain, names):
            records, unread = await self._read_rows(rows, want, INVOICE)
            yield Page(records=records, unread=unread, whole=True, scope="draft:")
        yield Page(whole=True, scope="draft:")

    async def _balances(self, want: Selection) -> AsyncIterator[Page]:
        books = await self._keeper.get()
        yield Page(records=await self.balances(books, want), whole=True)
        yield Page(cursor=dumps({"at": self._api.now().isoformat()}))

    async def balances(self, books: Books, want: Selection | None = None) -> tuple[Record, ...]:
        """
        What each customer owes, by currency: the open posted lines of its receivable accounts.
        Everybody has a balance in the company's currency, zero where nothing is open.
        """
        today = books.day_of(self._api.now())
        sums: dict[tuple[int, str], list[Decimal]] = {}
        async for rows in self._api.pages(
            MOVE_LINE,
            self.open_lines(),
            ["party", "debit", "credit", "amount_second_currency", "second_currency",
             "maturity_date"],
            size=_KEYS_AT_ONCE,
        ):  # fmt: skip
            for row in rows:
                party = id_of(row, "party")
                if party is None:
                    continue
                other = books.currency_by_id.get(id_of(row, "second_currency") or 0)
                amount = amount_of(row, "debit") - amount_of(row, "credit")
                if other is not None:
                    amount = amount_of(row, "amount_second_currency")
                code = other.code if other is not None else books.currency.code
                entry = sums.setdefault((party, code), [ZERO, ZERO])
                entry[0] += amount
                due = day_of(row, "maturity_date")
                if due is not None and due < today:
                    entry[1] += amount
        parties: list[int] = []
        async for rows in self._api.pages(PARTY, self.customers(books), ["id"], size=_KEYS_AT_ONCE):
            parties += [int(row["id"]) for row in rows]
        for number in parties:
            sums.setdefault((number, books.currency.code), [ZERO, ZERO])
        known = set(parties)
        return tuple(
            Balance(
                ref=balance_ref(books, party, code),
                version=f"{left} {late}",
                customer=books.ref("customer", party),
                currency=code,
                open=left,
                overdue=late,
                shape=want.shape if want else "",
            )
            for (party, code), (left, late) in sorted(sums.items())
            if party in known
        )

    def open_lines(self) -> Domain:
        """The open posted lines of receivable accounts."""
        return [
            ["account.type.receivable", "=", True],
            ["account.company", "=", self._api.company],
            ["reconciliation", "=", None],
            ["move.state", "=", "posted"],
        ]

    async def _codes(self, want: Selection) -> AsyncIterator[Page]:
        books = await self._keeper.get(fresh=True)
        async for kind, found in read_codes(self._api, books, want):
            yield Page(records=found, whole=True, scope=f"{kind}:")
        yield Page(cursor=dumps({"at": self._api.now().isoformat()}))

    # --- keys ------------------------------------------------------------------------------------

    async def keys(self, entity: Entity) -> AsyncIterator[Sequence[tuple[ExternalRef, str]]]:
        """Ids and stamps, complete or an error; what is booked meanwhile is seen as it was."""
        books = await self._keeper.get()
        match entity:
            case Entity.CUSTOMER:
                async for rows in self._keys(PARTY, self.customers(books), ["_timestamp"]):
                    yield [(books.ref("customer", r["id"]), text_of(r, "_timestamp")) for r in rows]
            case Entity.ITEM:
                # No stamp: a product's version is that of its template too.
                async for rows in self._keys(PRODUCT, everyone(PRODUCT), ["id"]):
                    yield [(books.ref("item", row["id"]), "") for row in rows]
            case Entity.DOCUMENT:
                names = ["_timestamp", "state", "move"]
                async for rows in self._keys(INVOICE, self.invoices(), names):
                    yield [(_ref_of(row, books), text_of(row, "_timestamp")) for row in rows]
                if books.has_sales and self._api.settings.orders:
                    async for rows in self._keys(ORDER, self.orders(), ["_timestamp"]):
                        yield [
                            (books.ref("document", f"order:{r['id']}"), text_of(r, "_timestamp"))
                            for r in rows
                        ]
            case Entity.BALANCE:
                yield [(r.ref, "") for r in await self.balances(books) if r.ref is not None]
            case Entity.CODE:
                async for _, codes in read_codes(self._api, books, Selection(entity=Entity.CODE)):
                    yield [(code.ref, "") for code in codes if code.ref is not None]
            case _:
                return

    def _keys(self, model: str, domain: Domain, names: list[str]) -> AsyncIterator[list[Payload]]:
        return self._api.pages(model, domain, names, size=_KEYS_AT_ONCE)

    # --- single records --------------------------------------------------------------------------

    async def get(self, refs: Sequence[ExternalRef], want: Selection) -> list[Record | None]:
        """The records now, in order; None where one is not there, or is another thing by now."""
        books = await self._keeper.get()
        if want.entity in (Entity.BALANCE, Entity.CODE):
            return await self._whole(refs, want, books)
        by_model: dict[str, list[int]] = {}
        for ref in refs:
            by_model.setdefault(model_of(ref), []).append(documents.split_ref(ref)[1])
        found: dict[ExternalRef, Record] = {}
        for model, numbers in by_model.items():
            rows = await self.rows(model, numbers, want)
            records, unread = await self._read_rows(list(rows.values()), want, model)
            if unread:
                raise UnreadableError(unread[0][1].message)
            found.update((record.ref, record) for record in records if record.ref is not None)
        return [found.get(ref) for ref in refs]

    async def _whole(
        self, refs: Sequence[ExternalRef], want: Selection, books: Books
    ) -> list[Record | None]:
        listed: list[Record] = []
        if want.entity is Entity.BALANCE:
            listed += await self.balances(books, want)
        else:
            async for _, codes in read_codes(self._api, books, want):
                listed += codes
        found = {record.ref: record for record in listed}
        return [found.get(ref) for ref in refs]

    async def rows(
        self, model: str, numbers: Sequence[int], want: Selection | None = None
    ) -> dict[int, Payload]:
        """The rows of records by id, with what a translation needs; those not there left out."""
        books = await self._keeper.get()
        match model:
            case "party.party":
                names = customer_fields(books)
            case "product.product":
                names = list(translate.ITEM_FIELDS)
            case "sale.sale":
                names = documents.order_fields(books)
            case _:
                names = documents.head_fields(books)
        lines = "lines" if model in (INVOICE, ORDER) else ""
        names += translate.extra_fields(want, lines=lines)
        # Purchases have ids of the same kind; those are none of ours.
        own = self.invoices() if model == INVOICE else []
        return await self._api.read(model, numbers, names, own)

    async def made(self, numbers: Sequence[int], books: Books) -> dict[int, Payload]:
        """Sales invoices by id, as `confirming` compares them with what was sent."""
        return await self._api.read(INVOICE, numbers, confirming.fields(books), self.invoices())

    async def payers(self, numbers: Sequence[int]) -> dict[int, Payload]:
        """Parties by id, with what a document for them needs."""
        return await self._api.read(PARTY, numbers, translate.PAYER_FIELDS)

    async def records(
        self, rows: Iterable[Payload], model: str, want: Selection | None = None
    ) -> list[Record]:
        """Rows as records of ours. Raises `UnreadableError` where one is none."""
        listed = list(rows)
        try:
            return await self._made(listed, model, want)
        except NOT_UNDERSTOOD as error:
            said = _told_of(listed[0], model) if len(listed) == 1 else f"One of {len(listed)} rows"
            raise UnreadableError(f"{said} was not understood.") from error

    async def _made(
        self, listed: Sequence[Payload], model: str, want: Selection | None
    ) -> list[Record]:
        books = await self._known(listed, model)
        if model == PARTY:
            return [translate.customer(row, books, want) for row in listed]
        if model == PRODUCT:
            rules = self._api.settings.tax_rules
            return [translate.item(row, books, want, rules) for row in listed]
        if model == ORDER:
            return [documents.order(row, books, want) for row in listed]
        moves = await self.moves(listed)
        bases = await self._bases(listed, books)
        settings = self._api.settings
        return [
            documents.document(
                row,
                books,
                want,
                moves=moves,
                base=bases.get(id_of(row, "move") or 0),
                discounts=frozenset(settings.discount_journals),
                small=frozenset(settings.small_difference_journals),
            )
            for row in listed
        ]

    async def moves(self, rows: Iterable[Payload]) -> dict[int, Payload]:
        """The ledger lines that settle these invoices, by id."""
        ids = sorted({number for row in rows for number in settling_ids(row)})
        return await self._api.read(MOVE_LINE, ids, MOVE_LINE_FIELDS) if ids else {}

    async def _bases(self, rows: Sequence[Payload], books: Books) -> dict[int, Totals]:
        """The figures in the company's currency of posted foreign invoices, by move."""
        moves = sorted(
            {
                move
                for row in rows
                if (move := id_of(row, "move")) is not None
                and id_of(row, "currency") != books.currency.id
            }
        )
        if not moves:
            return {}
        lines = await self._api.search(
            MOVE_LINE,
            [["move", "in", moves]],
            ["move", "account", "debit", "credit", "account.type.receivable", "tax_lines.type"],
        )
        open_base = await self._open_bases(lines)
        return {
            move: _base_totals([r for r in lines if r.get("move") == move], books, open_base)
            for move in moves
        }

    async def _open_bases(self, lines: Sequence[Payload]) -> dict[int, Decimal]:
        """What is left of receivable lines in the company's currency: all of it, or nothing."""
        ids = [int(row["id"]) for row in lines if _receivable(row)]
        rows = await self._api.read(MOVE_LINE, ids, ["debit", "credit", "reconciliation"])
        return {
            number: ZERO
            if row.get("reconciliation")
            else amount_of(row, "debit") - amount_of(row, "credit")
            for number, row in rows.items()
        }

    # --- inside ----------------------------------------------------------------------------------

    async def _read_rows(
        self, rows: Sequence[Payload], want: Selection, model: str
    ) -> tuple[tuple[Record, ...], tuple[tuple[ExternalRef, Finding], ...]]:
        try:
            return tuple(await self.records(rows, model, want)), ()
        except UnreadableError:
            # One of them is not understood: one by one, so that only that one is left out.
            pass
        books = await self._keeper.get()
        records: list[Record] = []
        unread: list[tuple[ExternalRef, Finding]] = []
        for row in rows:
            try:
                records += await self.records([row], model, want)
            except UnreadableError as error:
                ref = _ref_of(row, books) if model == INVOICE else books.ref(
                    _ENTITIES[model], f"order:{row.get('id')}" if model == ORDER else row.get("id")
                )  # fmt: skip
                reason = type(error.__cause__).__name__
                unread.append((ref, unreadable(error.message, error=reason)))
        return tuple(records), tuple(unread)

    async def _known(self, rows: Sequence[Payload], model: str) -> Books:
        """The company's words, read anew (at most once a minute) where a row names others."""
        books = await self._keeper.get()
        if not any(_names_unknown(row, books, model) for row in rows):
            return books
        now = self._api.clock.steady()
        if now - self._refreshed_ms < 60_000:
            return books
        self._refreshed_ms = now
        return await self._keeper.get(fresh=True)

    _refreshed_ms = -60_000

    def _cursor(self, sweep: _Sweep, more: Mapping[str, Any]) -> bytes:
        # Stamps are those of the beginning of a transaction: what commits after us can be older.
        overlap = timedelta(seconds=self._api.settings.overlap_s)
        since = (sweep.started or self._api.now()) - overlap
        return dumps({"since": since.isoformat(), **more})


class _Sweep:
    """
    Where a sweep stands. It goes by id over all that has a stamp from ``since`` on; what changes
    meanwhile gets a stamp after ``started``, from where the next one begins.
    """

    def __init__(self, state: Mapping[str, Any], *, resumed: bool) -> None:
        self.since = datetime.fromisoformat(str(state["since"])) if "since" in state else _DAWN
        self.after = int(state.get("after", 0)) if resumed else 0
        told = state.get("started") if resumed else None
        self.started = datetime.fromisoformat(str(told)) if told else None

    def clause(self, deep: Sequence[str], *, hiding: bool = False) -> list[object]:
        """
        The stamps of the record itself, or of what hangs on it and moves no stamp of its own.

        ``hiding``: the model has records that are not active. The server leaves them out of every
        list of alternatives that does not itself name `active`, whatever stands beside the list.
        """
        since = self.since
        paths = ["last_modified_at", *(f"{name}.last_modified_at" for name in deep)]
        named: list[object] = [["active", "in", []]] if hiding else []
        return ["OR", *([path, ">=", since] for path in paths), *named]

    def moved(self, rows: Sequence[Payload], now: datetime) -> None:
        """Goes on after these rows."""
        self.started = self.started or now
        if rows:
            self.after = int(rows[-1]["id"])

    def marks(self) -> dict[str, Any]:
        """What continues inside this sweep."""
        return {
            "since": self.since.isoformat(),
            "after": self.after,
            "started": self.started.isoformat() if self.started else None,
        }


_UNBOOKED: Domain = [
    "OR",
    ["state", "in", list(documents.DRAFT_STATES)],
    [["state", "=", "cancelled"], ["move", "=", None]],
]
_ENTITIES = {INVOICE: "document", ORDER: "document", PARTY: "customer", PRODUCT: "item"}


def model_of(ref: ExternalRef) -> str:
    """The model where a record is found. Raises ValueError for a ref of another system."""
    head = ref.id.rpartition(":")[0]
    match (ref.entity, head):
        case ("document", "draft" | "invoice"):
            return INVOICE
        case ("document", "order"):
            return ORDER
        case ("customer", ""):
            return PARTY
        case ("item", ""):
            return PRODUCT
    raise ValueError(f"{ref} is no record of this system")


def customer_fields(books: Books) -> list[str]:
    """What to read of a party in this database."""
    return [*translate.CUSTOMER_FIELDS, *(["tieout_key"] if books.has_key else [])]


def balance_ref(books: Books, party: int, currency: str) -> ExternalRef:
    """The ref of a balance: the party's id, and the currency where it is a foreign one."""
    own = currency == books.currency.code
    return books.ref("balance", party if own else f"{party}:{currency}")


def _told_of(row: Payload, model: str) -> str:
    named = text_of(row, "number") or text_of(row, "code") or str(row.get("id"))
    return f"{_ENTITIES.get(model, 'record').capitalize()} {named}"


def _ref_of(row: Payload, books: Books) -> ExternalRef:
    return documents.invoice_ref(books, int(row["id"]), booked=documents.is_booked(row))


def _receivable(row: Payload) -> bool:
    return bool(linked(linked(row, "account"), "type").get("receivable"))


def _base_totals(
    lines: Sequence[Payload], books: Books, open_base: Mapping[int, Decimal]
) -> Totals:
    gross = tax = rounding = left = ZERO
    for row in lines:
        amount = amount_of(row, "debit") - amount_of(row, "credit")
        if _receivable(row):
            gross += amount
            left += open_base.get(int(row["id"]), ZERO)
        elif any(entry.get("type") == "tax" for entry in rows_of(row, "tax_lines")):
            tax -= amount
        elif row.get("account") in books.exchange_accounts and not row.get("tax_lines."):
            # Each line is rounded for itself; what that leaves over is booked there.
            rounding -= amount
    return Totals(
        currency=books.currency.code,
        net=gross - tax - rounding,
        tax=tax,
        gross=gross,
        rounding=rounding,
        open=left,
    )


def _names_unknown(row: Payload, books: Books, model: str) -> bool:
    if model == PRODUCT:
        category = linked(linked(row, "template"), "account_category")
        return any(
            number not in books.taxes for number in category.get("customer_taxes_used") or ()
        )
    term = id_of(row, "customer_payment_term" if model == PARTY else "payment_term")
    if term is not None and term not in books.terms_code:
        return True
    rule = id_of(row, "customer_tax_rule")
    if rule is not None and rule not in books.rule_names:
        return True
    for line in rows_of(row, "lines"):
        taxes = line.get("taxes") or ()
        accounts = [id_of(entry, "account") for entry in rows_of(line, "analytic_accounts")]
        if any(number not in books.taxes for number in taxes):
            return True
        if any(number is not None and number not in books.dimension for number in accounts):
            return True
    return False


def _state(blob: bytes | None) -> dict[str, Any] | None:
    if blob is None:
        return None
    value = loads(blob)
    return value if isinstance(value, dict) else None
