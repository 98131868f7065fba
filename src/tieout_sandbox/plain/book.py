"""An invented book with an API of its own: JSON over HTTP, one company, one `Variant`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from typing import Any

from tieout_sandbox.kit import Action, Request, Response, Simulator, json_response
from tieout_sandbox.kit.clock import instant_text
from tieout_sandbox.plain.book_actions import BookActions
from tieout_sandbox.plain.ledger import CUSTOMER_FIELDS, Ledger
from tieout_sandbox.plain.rows import (
    RefusedError,
    Row,
    instant_param,
    object_of,
    page_by_stamp,
    stored,
    wire,
)
from tieout_sandbox.plain.variant import Variant

DOCUMENT_PATHS = ("orders", "drafts", "invoices", "documents")
_WRITTEN = ("customers", "contacts")
_CREATED = ("orders", "drafts", "documents", *_WRITTEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A write that was carried out (or refused), with the moment at which that happened."""

    at: datetime
    request: Request
    status: int


class PlainBook(Simulator):
    """One company's books. `received` keeps every write that arrived, for tests."""

    name = "plain_book"

    def __init__(
        self, *, variant: Variant | None = None, company_id: str = "books-1", **kit: Any
    ) -> None:
        self.variant = variant or Variant()
        self.company_id = company_id
        self.received: list[Received] = []
        super().__init__(**kit)

    def build(self) -> None:
        """Three items at 25 %; customers and documents come by API and actions."""
        self.ledger = Ledger(self.variant, self.clock)
        self._keys: dict[str, Row] = {}
        self._broken_creates: list[int] = []
        self.received.clear()
        rate = Decimal("0.25")
        with self.clock.at(self.clock.origin):
            for number, label, price in (
                ("CONS", "Consulting", Decimal("1200.00")),
                ("LIC", "Licence", Decimal("4999.00")),
                ("SUP", "Support", Decimal("199.99")),
            ):
                self.ledger.new_item(number, label, price, rate)

    # The kit.

    def template(self, request: Request) -> str:
        """`/drafts/{id}` for any draft."""
        parts = request.segments
        return f"/{parts[0]}/{{id}}" if len(parts) > 1 else request.path

    def entities(self) -> Mapping[str, Callable[[], Iterable[Row]]]:
        """Everything stored; documents by the collection in which they stand (or stood)."""
        tables = self.ledger.tables

        def of(table: str) -> Callable[[], Iterable[Row]]:
            return lambda: [stored(row) for row in tables[table].values()]

        return {name: of(name) for name in tables}

    def actions(self) -> Mapping[str, Action]:
        """What a person does in the book's own screens."""
        return BookActions(self.ledger, self._broken_creates).all()

    def state(self) -> Any:
        return {
            "tables": self.ledger.tables,
            "gone": self.ledger.gone,
            "counters": self.ledger.counters,
            "codes": self.ledger.codes,
            "keys": self._keys,
            "broken": self._broken_creates,
        }

    def load_state(self, state: Any) -> None:
        self.ledger.tables = state["tables"]
        self.ledger.gone = state["gone"]
        self.ledger.counters = state["counters"]
        self.ledger.codes = state.get("codes", self.ledger.codes)
        self._keys = state["keys"]
        self._broken_creates = state["broken"]

    def stale(self, request: Request) -> Response:
        _ = request
        return self._stamped(RefusedError(412, "stale", "the record moved on").response())

    def rate_limited(self, request: Request, seconds: int) -> Response:
        _ = request
        refused = RefusedError(429, "rate_limited", f"wait {seconds} s").response()
        headers = {**refused.headers, "Retry-After": str(seconds)}
        return self._stamped(Response(status=429, headers=headers, body=refused.body))

    def forget_keys(self) -> None:
        self._keys.clear()

    def vendor(self, request: Request) -> Response:
        self.ledger.lag_until = self.lag_until
        if request.method == "GET":
            return self._stamped(self._attempt(request))
        answer = self._keyed(request)
        self.received.append(Received(at=self.clock.now(), request=request, status=answer.status))
        return self._stamped(answer)

    def _stamped(self, answer: Response) -> Response:
        now = self.clock.now()
        clock = {"Date": format_datetime(now, usegmt=True), "X-Time": instant_text(now)}
        return Response(status=answer.status, headers={**answer.headers, **clock}, body=answer.body)

    # Once.

    def _keyed(self, request: Request) -> Response:
        """With guard `a`: a key's first answer is the answer to every repeat, for its life."""
        key = request.header("idempotency-key") if self.variant.guard == "a" else None
        if not key:
            return self._attempt(request)
        now = self.clock.now()
        asked = f"{request.method} {request.path} {request.body.decode()}"
        known = self._keys.get(key)
        if known is not None and now < known["until"]:
            if known["asked"] != asked:
                return RefusedError(
                    422, "key_reused", "the key was used for another call"
                ).response()
            headers = {**known["headers"], "Idempotent-Replayed": "true"}
            return Response(status=known["status"], headers=headers, body=known["body"].encode())
        answer = self._attempt(request)
        if answer.status < 300 or self.variant.caches_errors:
            self._keys[key] = {
                "until": now + timedelta(seconds=self.variant.key_life_s),
                "asked": asked,
                "status": answer.status,
                "headers": dict(answer.headers),
                "body": answer.body.decode(),
            }
        return answer

    def _attempt(self, request: Request) -> Response:
        try:
            return self._route(request)
        except RefusedError as error:
            return error.response()

    def _route(self, request: Request) -> Response:
        match (request.method, *request.segments):
            case ("GET", "company"):
                return json_response(200, self._company())
            case ("GET", "codes"):
                return json_response(
                    200, {"rows": [*self.ledger.codes, *self.ledger.price_lists()]}
                )
            case ("GET", "balances"):
                return json_response(200, {"rows": self._balances()})
            case ("GET", "gone"):
                return self._gone(request)
            case ("GET", ("orders" | "drafts" | "invoices" | "documents") as collection):
                self._require(collection)
                return self._list(request, self.ledger.documents(collection))
            case ("GET", ("customers" | "items" | "payments" | "prices" | "contacts") as table):
                return self._list(request, self.ledger.live(table))
            case ("GET", ("orders" | "drafts" | "invoices" | "documents") as collection, row_id):
                return self._one(self.ledger.document(collection, row_id))
            case ("GET", ("customers" | "items" | "contacts") as table, row_id):
                return self._one(self.ledger.find(table, row_id))
            case ("POST", ("drafts" | "documents") as collection, row_id, "book"):
                self._require(collection)
                return self._book(request, collection, row_id)
            case ("POST", collection) if collection in _CREATED:
                self._require(collection)
                return self._create(request, collection)
            case ("PATCH", collection, row_id) if collection in (*DOCUMENT_PATHS, *_WRITTEN):
                return self._update(request, collection, row_id)
            case ("DELETE", ("orders" | "drafts" | "documents") as collection, row_id):
                return self._delete(request, collection, row_id)
            case _:
                raise RefusedError(404, "no_such_call", f"{request.method} {request.path}")

    def _require(self, collection: str) -> None:
        if collection == "orders":
            known = self.variant.orders
        else:
            known = (collection == "documents") == self.variant.keeps_id
        if collection in DOCUMENT_PATHS and not known:
            raise RefusedError(404, "no_such_call", f"this book has no {collection}")

    # Reads.

    def _company(self) -> Row:
        return {
            "id": self.company_id,
            "name": f"Exempel {self.company_id} AB",
            "country": "SE",
            "currency": "SEK",
            "time_zone": "Europe/Stockholm",
            "first_open_day": f"{self.clock.now().year}-01-01",
            "last_open_day": f"{self.clock.now().year + 1}-12-31",
        }

    def _shown(self, row: Row) -> Row:
        shown = wire(row)
        if self.variant.guard != "e2" and "_carrier" in row:
            shown[self.variant.carrier_field] = row["_carrier"]
        return shown

    def _one(self, row: Row) -> Response:
        return json_response(200, self._shown(row), {"ETag": f'"{row["revision"]}"'})

    def _list(self, request: Request, rows: Iterable[Row]) -> Response:
        ids = request.param("ids")
        if ids is not None:
            wanted = frozenset(ids.split(","))
            rows = [row for row in rows if row["id"] in wanted]
        for test in self._filters(request):
            rows = [row for row in rows if test(row)]
        keys_only = request.param("only") == "keys"
        return page_by_stamp(rows, request, _key if keys_only else self._shown)

    def _filters(self, request: Request) -> list[Callable[[Row], bool]]:
        """Text and customer are asked of the search index, which lags; the rest of the rows."""
        tests: list[Callable[[Row], bool]] = []
        carrier = request.param("carrier")
        if carrier is not None:
            if not self.variant.searchable:
                raise RefusedError(400, "not_searchable", f"{self.variant.carrier_field}")
            tests.append(lambda row: carrier.lower() in self._seen(row)[0].lower())
        customers = request.param("customer")
        if customers is not None:
            mine = frozenset(customers.split(","))
            tests.append(lambda row: self._seen(row)[1] in mine)
        created = instant_param(request, "created_since")
        if created is not None:
            # What the index does not know yet is not found by any filter.
            tests.append(lambda row: row["created_at"] >= created)
            tests.append(lambda row: self.ledger.indexed(row) is not None)
        for name in ("number", "created_from", "document"):
            value = request.param(name)
            if value is not None:
                tests.append(lambda row, name=name, value=value: row[name] == value)  # type: ignore[misc]
        return tests

    def _seen(self, row: Row) -> tuple[str, str]:
        found = self.ledger.indexed(row)
        return found if found is not None else ("", "")

    def _gone(self, request: Request) -> Response:
        after = int(request.param("after") or 0)
        rows = [wire(row) for row in self.ledger.gone[after:]]
        return json_response(200, {"rows": rows, "last": len(self.ledger.gone)})

    def _balances(self) -> list[Row]:
        today = self.clock.now().date().isoformat()
        found: dict[tuple[str, str], Row] = {}
        for row in self.ledger.live("documents"):
            if row["open"] == 0:
                continue
            place = (row["customer"], row["currency"])
            entry = found.setdefault(
                place,
                {
                    "customer": place[0],
                    "currency": place[1],
                    "open": Decimal("0.00"),
                    "overdue": Decimal("0.00"),
                },
            )
            entry["open"] += row["open"]
            if row["due_date"] and row["due_date"] < today:
                entry["overdue"] += row["open"]
        return [found[place] for place in sorted(found)]

    # Writes.

    def _create(self, request: Request, collection: str) -> Response:
        body = object_of(request)
        if self._broken_creates:
            raise RefusedError(self._broken_creates.pop(0), "broken", "something went wrong inside")
        if self.variant.batch == 1:
            status, row = self._made(collection, body)
            return json_response(status, self._shown(row))
        items = body.get("items")
        if not isinstance(items, list) or not 1 <= len(items) <= self.variant.batch:
            raise RefusedError(400, "bad_batch", f"1 to {self.variant.batch} items")
        if self.variant.atomic and self.batch_items is None:
            return self._all_or_none(collection, items)
        results = []
        for index, item in enumerate(items):
            if self.batch_items is not None and index > self.batch_items:
                break  # cut: neither carried out nor answered
            result = self._create_one(collection, item)
            if self.batch_items is None or index < self.batch_items:
                results.append(result)
        return json_response(200, {"results": results})

    def _all_or_none(self, collection: str, items: list[Row]) -> Response:
        before = deepcopy(self.ledger.tables)
        counters, gone = dict(self.ledger.counters), list(self.ledger.gone)
        results = [self._create_one(collection, item) for item in items]
        errors = [result for result in results if result["status"] >= 400]
        if not errors:
            return json_response(200, {"results": results})
        self.ledger.tables, self.ledger.counters, self.ledger.gone = before, counters, gone
        raise RefusedError(422, "batch_refused", "one item cannot be; none was made", items=errors)

    def _create_one(self, collection: str, item: Row) -> Row:
        tag = item.get("tag", "") if isinstance(item, dict) else ""
        try:
            if not isinstance(item, dict):
                raise RefusedError(400, "bad_body", "an item is an object")
            status, row = self._made(collection, item)
        except RefusedError as error:
            return {"tag": tag, "status": error.status, "error": error.error}
        return {"tag": tag, "status": status, "row": self._shown(row)}

    def _made(self, collection: str, item: Row) -> tuple[int, Row]:
        if collection == "contacts":
            return 201, self.ledger.new_contact(item, "api")
        table = "customers" if collection == "customers" else "documents"
        carrier = str(item.get(self.variant.carrier_field) or "")
        field = self.variant.unique
        value = carrier if field == "_carrier" else str(item.get("number") or "")
        if field and value:
            if self.variant.guard == "b'":
                known = self.ledger.holder(table, field, value)
                if known is not None and known.get("status", "draft") == "draft":
                    self._write(table, known, item)
                    return 200, known
            self.ledger.require_unique(table, field, value)
        if table == "customers":
            if not item.get("name"):
                raise RefusedError(422, "name_missing", "a customer has a name")
            return 201, self.ledger.new_customer(item, "api", carrier)
        kind = "order" if collection == "orders" else "invoice"
        return 201, self.ledger.new_document(item, "api", carrier, kind)

    def _book(self, request: Request, collection: str, row_id: str) -> Response:
        return self._one(self.ledger.book(self._writable(request, collection, row_id)))

    def _update(self, request: Request, collection: str, row_id: str) -> Response:
        table = collection if collection in _WRITTEN else "documents"
        row = self._writable(request, collection, row_id)
        self._write(table, row, object_of(request))
        return self._one(row)

    def _delete(self, request: Request, collection: str, row_id: str) -> Response:
        row = self._writable(request, collection, row_id)
        self.ledger.remove("documents", row)
        return Response(status=204)

    def _writable(self, request: Request, collection: str, row_id: str) -> Row:
        if collection in _WRITTEN:
            row = self.ledger.find(collection, row_id)
        else:
            self._require(collection)
            row = self.ledger.document(collection, row_id)
            if row["status"] != "draft":
                raise RefusedError(409, "booked", f"{row_id} is {row['status']}")
        if self.variant.version_check:
            named = (request.header("if-match") or "").strip('"')
            if not named:
                raise RefusedError(428, "version_missing", "a write names the version it read")
            if named != str(row["revision"]):
                raise RefusedError(412, "stale", f"{row_id} has revision {row['revision']}")
        return row

    def _write(self, table: str, row: Row, values: Row) -> None:
        if table == "customers":
            self.ledger.check_customer(values)
            row.update({name: values[name] for name in CUSTOMER_FIELDS if name in values})
        elif table == "contacts":
            self.ledger.set_contact(row, values)
        else:
            self.ledger.set_content(row, values)
        self.ledger.touch(row)


def _key(row: Row) -> Row:
    return {"id": row["id"], "revision": row["revision"]}
