"""An invented CRM with an API of its own: companies, products, deals, and what is shown on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from email.utils import format_datetime
from typing import Any

from tieout_sandbox.kit import Action, Request, Response, Simulator, json_response
from tieout_sandbox.kit.clock import instant_text
from tieout_sandbox.kit.faults import KINDS, WEBHOOK_KINDS
from tieout_sandbox.plain.crm_actions import CrmActions
from tieout_sandbox.plain.crm_lists import Lists
from tieout_sandbox.plain.crm_rows import CrmRows
from tieout_sandbox.plain.rows import (
    RefusedError,
    Row,
    object_of,
    page_by_stamp,
    stored,
    wire,
)

STANDINGS_MOST = 200


class PlainCrm(Simulator):
    """One organisation. With `size` n it begins with n won deals of n / 3 companies.

    `merges_move_stamps` False: deals of a merged company change hands without a new stamp.
    """

    name = "plain_crm"
    fault_kinds = KINDS - WEBHOOK_KINDS - {"search_lag", "key_expiry"}

    def __init__(
        self, *, org_id: str = "crm-1", merges_move_stamps: bool = True, **kit: Any
    ) -> None:
        self.org_id = org_id
        self.merges_move_stamps = merges_move_stamps
        self.received: list[Request] = []
        super().__init__(**kit)

    def build(self) -> None:
        self.rows = CrmRows(self.clock)
        self.received.clear()
        with self.clock.at(self.clock.origin):
            for number, label, price in (
                ("CONS", "Consulting", Decimal("1200.00")),
                ("LIC", "Licence", Decimal("4999.00")),
                ("SUP", "Support", Decimal("199.99")),
            ):
                self.rows.new_product({"number": number, "name": label, "price": price})
            _seed(self.rows, self.size)

    # The kit.

    def template(self, request: Request) -> str:
        parts = request.segments
        return f"/{parts[0]}/{{id}}" if len(parts) > 1 else request.path

    def entities(self) -> Mapping[str, Callable[[], Iterable[Row]]]:
        tables = self.rows.tables

        def of(table: str) -> Callable[[], Iterable[Row]]:
            return lambda: [stored(row) for row in tables[table].values()]

        lists = self.rows.lists
        return {
            **{name: of(name) for name in tables},
            "lists": lambda: [stored(row) for row in lists.values()],
        }

    def actions(self) -> Mapping[str, Action]:
        return CrmActions(self.rows, self.merges_move_stamps).all()

    def state(self) -> Any:
        return {
            "tables": self.rows.tables,
            "gone": self.rows.gone,
            "counters": self.rows.counters,
            "lists": self.rows.lists,
        }

    def load_state(self, state: Any) -> None:
        self.rows.tables = state["tables"]
        self.rows.gone = state["gone"]
        self.rows.counters = state["counters"]
        self.rows.lists = state.get("lists", {})

    def stale(self, request: Request) -> Response:
        _ = request
        return self._stamped(RefusedError(412, "stale", "the record moved on").response())

    def rate_limited(self, request: Request, seconds: int) -> Response:
        _ = request
        refused = RefusedError(429, "rate_limited", f"wait {seconds} s").response()
        headers = {**refused.headers, "Retry-After": str(seconds)}
        return self._stamped(Response(status=429, headers=headers, body=refused.body))

    def vendor(self, request: Request) -> Response:
        if request.method != "GET":
            self.received.append(request)
        try:
            return self._stamped(self._route(request))
        except RefusedError as error:
            return self._stamped(error.response())

    def _stamped(self, answer: Response) -> Response:
        now = self.clock.now()
        clock = {"Date": format_datetime(now, usegmt=True), "X-Time": instant_text(now)}
        return Response(status=answer.status, headers={**answer.headers, **clock}, body=answer.body)

    def _route(self, request: Request) -> Response:
        match (request.method, *request.segments):
            case ("GET", "organisation"):
                return json_response(200, self._organisation())
            case ("GET", "gone"):
                after = int(request.param("after") or 0)
                rows = [wire(row) for row in self.rows.gone[after:]]
                return json_response(200, {"rows": rows, "last": len(self.rows.gone)})
            case ("PATCH", "companies"):
                return self._batch(request, self._company)
            case ("PATCH", ("products" | "invoices" | "contacts") as table):
                return self._batch(request, lambda row: self._published(table, row))
            case ("GET", "lists", name):
                return json_response(200, wire(Lists(self.rows.lists).one(name)))
            case ("PATCH", "lists", name):
                lists = Lists(self.rows.lists)
                return self._batch(
                    request, lambda row: _answered(row, lambda: lists.replace(name, row))
                )
            case ("GET", table) if table in self.rows.tables:
                return self._list(request, table)
            case ("GET", table, row_id) if table in self.rows.tables:
                return json_response(200, wire(self.rows.shown(table, row_id)))
            case ("PATCH", "standings"):
                return self._batch(request, self._show)
            case _:
                raise RefusedError(404, "no_such_call", f"{request.method} {request.path}")

    def _organisation(self) -> Row:
        return {
            "id": self.org_id,
            "name": "Exempel Försäljning AB",
            "country": "SE",
            "currency": "SEK",
            "time_zone": "Europe/Stockholm",
        }

    def _list(self, request: Request, table: str) -> Response:
        rows = self.rows.visible(table)
        ids = request.param("ids")
        if ids is not None:
            wanted = frozenset(ids.split(","))
            rows = (row for row in rows if row["id"] in wanted)
        key = request.param("key")
        if key is not None:
            rows = (row for row in rows if str(row.get("key") or "").startswith(key))
        keys_only = request.param("only") == "keys"
        return page_by_stamp(rows, request, _key if keys_only else wire)

    def _batch(self, request: Request, write: Callable[[Row], Row]) -> Response:
        rows = object_of(request).get("rows")
        if not isinstance(rows, list) or not 1 <= len(rows) <= STANDINGS_MOST:
            raise RefusedError(400, "bad_batch", f"1 to {STANDINGS_MOST} rows")
        results = []
        for index, row in enumerate(rows):
            if self.batch_items is not None and index > self.batch_items:
                break  # cut: neither carried out nor answered
            result = write(row)
            if self.batch_items is None or index < self.batch_items:
                results.append(result)
        return json_response(200, {"results": results})

    def _show(self, asked: Row) -> Row:
        return _answered(
            asked,
            lambda: self.rows.write_standing(str(asked.get("id")), asked.get("fields") or {}),
        )

    def _company(self, asked: Row) -> Row:
        return _answered(
            asked,
            lambda: self.rows.write_company(str(asked.get("id")), asked.get("fields") or {}),
        )

    def _published(self, table: str, asked: Row) -> Row:
        """An upsert by key: the same one twice makes one row."""
        key, row_id = str(asked.get("key") or ""), str(asked.get("id") or "")
        return _answered(
            asked, lambda: self.rows.publish(table, key, row_id, asked.get("fields") or {})
        )


def _answered(asked: Row, write: Callable[[], Row]) -> Row:
    tag = asked.get("tag", "")
    try:
        row = write()
    except RefusedError as error:
        return {"tag": tag, "status": error.status, "error": error.error}
    return {"tag": tag, "status": 200, "row": wire(row)}


def _key(row: Row) -> Row:
    return {"id": row["id"], "changed_at": instant_text(row["changed_at"])}


_CITIES = (("111 22", "Stockholm"), ("411 04", "Göteborg"), ("211 20", "Malmö"))


def _seed(rows: CrmRows, size: int) -> None:
    companies = []
    for number in range(-(-size // 3)):
        postcode, city = _CITIES[number % len(_CITIES)]
        address = {"lines": [f"Storgatan {number + 1}"], "postcode": postcode, "city": city}
        company = rows.new_company(
            {
                "name": f"Kund {number + 1} AB",
                "address": {**address, "country": "SE"},
                "email": f"faktura@kund{number + 1}.example",
            }
        )
        companies.append(company["id"])
    for number in range(size):
        line = {"product": "CONS", "quantity": 1 + number % 4, "unit_price": Decimal("1200.00")}
        deal = rows.new_deal(
            {
                "title": f"Deal {number + 1}",
                "company": companies[number // 3],
                "lines": [line],
                "close_date": rows.clock.now().date().isoformat(),
            }
        )
        rows.set_state(deal, "won")
