"""Visma eAccounting as one object: the vendor's API over one company's books."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from tieout_sandbox.kit import Action, Request, Response, Simulator, html_response
from tieout_sandbox.kit.codec import dumps, loads
from tieout_sandbox.kit.faults import KINDS, WEBHOOK_KINDS
from tieout_sandbox.visma_eaccounting import actions as screen
from tieout_sandbox.visma_eaccounting import invoices, reference, seeds
from tieout_sandbox.visma_eaccounting.books import Books
from tieout_sandbox.visma_eaccounting.call import Call
from tieout_sandbox.visma_eaccounting.credentials import (
    AUTHORIZE_PATH,
    CLIENT_ID,
    TOKEN_PATH,
)
from tieout_sandbox.visma_eaccounting.errors import (
    COMPANY_NOT_ACTIVE,
    NO_SCOPE,
    NO_VARIANT,
    NOT_AUTHORIZED,
    READ_ONLY_USER,
    TOO_MANY,
    VismaError,
    no_module,
)
from tieout_sandbox.visma_eaccounting.fields import Record
from tieout_sandbox.visma_eaccounting.routes import Route, Router
from tieout_sandbox.visma_eaccounting.signin import SignIn

_ROUTER = Router()
BOOKKEEPING = 3  # the product variant without sales documents


class VismaSimulator(Simulator):
    """One company, one client. See `credentials` for how to sign in, `assumptions` for what may be
    switched, `reference` for what is there at the start."""

    name = "visma_eaccounting"
    takes_data = "products.csv"
    # No webhooks, no batches, no idempotency keys and no versions: nothing for these to strike.
    fault_kinds = KINDS - WEBHOOK_KINDS - {"batch_cut", "key_expiry", "stale"}

    def build(self) -> None:
        """The seeded company; see `reference` and `seeds`."""
        self.books = Books(seed=self.seed, clock=self.clock)
        self.sign_in = SignIn(self.clock, self.books.new_id)
        with self.clock.at(self.clock.origin):
            reference.fill(self.books, self.data)
            seeds.fill(self.books, self.size)

    def vendor(self, request: Request) -> Response:
        """One call of the API or of the identity server."""
        self.books.hold_until = self._held()
        try:
            return self._answer(request)
        except VismaError as error:
            return error.response(self.books.assumptions, self.books.new_id("error"))
        finally:
            self.books.hold_until = None

    def template(self, request: Request) -> str:
        """The path with its ids replaced."""
        _, _, template = _ROUTER.find(request.method, request.segments)
        return template or request.path

    def mutates(self, request: Request) -> bool:
        """Every call but reads; to authorise makes a code."""
        return request.path == AUTHORIZE_PATH or super().mutates(request)

    def entities(self) -> Mapping[str, Callable[[], Iterable[dict[str, Any]]]]:
        """Every table under its resource's name, as the API shows it."""
        return {name: self._reader(name) for name in self.books.tables()}

    def counts(self) -> Mapping[str, int]:
        """How many records each table has, deleted ones left out."""
        return {name: len(table) for name, table in self.books.tables().items()}

    def actions(self) -> Mapping[str, Action]:
        """What a person does in the program."""
        return screen.actions(self.books)

    def state(self) -> Any:
        """Everything, for the state file."""
        return {"books": self.books.state(), "sign_in": self.sign_in.state()}

    def load_state(self, state: Any) -> None:
        """Takes back what `state` gave."""
        self.books = Books(seed=self.seed, clock=self.clock)
        self.sign_in = SignIn(self.clock, self.books.new_id)
        reference.places(self.books)
        self.books.load(state["books"])
        self.sign_in.load(state["sign_in"])

    def rate_limit(self, request: Request, template: str) -> tuple[str, int, float] | None:
        """So many calls a minute per client and route; the identity server has no limit."""
        if not request.path.startswith("/v2"):
            return None
        per = template if self.books.assumptions.rate_limit_per == "route" else request.path
        return f"{CLIENT_ID} {per}", self.books.assumptions.rate_limit, 60

    def rate_limited(self, request: Request, seconds: int) -> Response:
        """429 with code 4010; the wait stands in the text."""
        _ = request
        limit = self.books.assumptions.rate_limit
        error = VismaError(
            TOO_MANY,
            f"API calls quota exceeded! maximum admitted {limit} per Minute. "
            f"Try again in {seconds} seconds.",
        )
        answer = error.response(self.books.assumptions, self.books.new_id("error"))
        body = {name: value for name, value in answer.json().items() if name != "Errors"}
        headers = dict(answer.headers)
        if self.books.assumptions.retry_after_header:
            headers["Retry-After"] = str(seconds)
        return Response(status=429, headers=headers, body=dumps(body))

    def token_expired(self, request: Request) -> Response:
        """The access token expires: 401 with code 4005."""
        if request.path == TOKEN_PATH:
            return self.token_revoked(request)
        self.sign_in.expire(request)
        return self._unauthorized()

    def token_revoked(self, request: Request) -> Response:
        """The user withdrew the consent: no token works any more."""
        self.sign_in.revoke()
        if request.path == TOKEN_PATH:
            return self.sign_in.token(request, self.books.assumptions)
        return self._unauthorized()

    def _unauthorized(self) -> Response:
        error = VismaError(NOT_AUTHORIZED, "NotAuthorized - the access token is not valid")
        return error.response(self.books.assumptions, self.books.new_id("error"))

    def _held(self) -> str | None:
        if self.lag_until is None:
            return None
        return f"{self.lag_until:%Y-%m-%dT%H:%M:%S.%f}0Z"

    def _answer(self, request: Request) -> Response:
        if request.path == TOKEN_PATH and request.method == "POST":
            return self.sign_in.token(request, self.books.assumptions)
        if request.path == AUTHORIZE_PATH and request.method == "GET":
            return self.sign_in.authorize(request)
        if request.segments[:1] == ("v1",):
            return html_response(401, "API version 1 is gone")
        route, ids, template = _ROUTER.find(request.method, request.segments)
        scopes = self.sign_in.require(request) if request.path.startswith("/v2") else frozenset()
        if route is None:
            status = 404 if template is None else 405
            return Response(status=status, headers={"Content-Type": "text/plain"})
        self._require_access(route, scopes)
        answer = route.handler(self.books, Call(request=request, ids=ids, scopes=scopes))
        if self.books.assumptions.numbers_as_text and answer.body[:1] == b"{":
            return Response(
                status=answer.status,
                headers=answer.headers,
                body=dumps(_numbers_as_text(loads(answer.body))),
            )
        return answer

    def _require_access(self, route: Route, scopes: frozenset[str]) -> None:
        company = self.books.settings
        if "ea:api" not in scopes or not route.scopes & scopes:
            raise VismaError(NO_SCOPE, f"NoAccessToScopes - {', '.join(sorted(route.scopes))}")
        for module in ("api_standard", route.module):
            if module is not None and module not in company["ActivatedModules"]:
                raise no_module(module, self.books.assumptions)
        if company["CompanyStatus"] == 0:
            raise VismaError(COMPANY_NOT_ACTIVE, "CompanyNotActive")
        if company["CompanyStatus"] == 2 and route.method != "GET":
            raise VismaError(READ_ONLY_USER, "NoPermissionForReadonlyUser")
        resource = route.template.split("/")[2]
        if company["ProductVariant"] == BOOKKEEPING and resource in _SALES_RESOURCES:
            raise VismaError(NO_VARIANT, f"NoAccessDueToProductVariant - {resource}")

    def _reader(self, name: str) -> Callable[[], Iterable[Record]]:
        table = self.books.tables()[name]

        def read() -> Iterable[Record]:
            for record, gone in table.everything():
                yield self._whole(name, record, gone)

        return read

    def _whole(self, name: str, record: Record, gone: bool) -> Record:
        if name == "customerinvoices":
            return loads(dumps(invoices.present(self.books, record)))  # type: ignore[no-any-return]
        present = screen.PRESENT.get(name)
        shown = {key: value for key, value in record.items() if not key.startswith("_")}
        if present is not None and not gone:
            shown = present(self.books, record)
        whole: Record = loads(dumps(shown))  # dates as the API writes them
        if gone:
            whole["_deleted"] = True
        return whole


def _numbers_as_text(value: Any) -> Any:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, dict):
        return {name: _numbers_as_text(one) for name, one in value.items()}
    return [_numbers_as_text(one) for one in value] if isinstance(value, list) else value


_SALES_RESOURCES = frozenset(
    {"customers", "articles", "customerinvoicedrafts", "customerinvoices", "orders"}
)
