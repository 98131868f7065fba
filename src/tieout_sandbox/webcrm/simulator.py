"""webCRM as one object: the vendor's REST API over one system."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tieout_sandbox.kit import Action, Answer, Request, Response, Simulator, json_response
from tieout_sandbox.kit.faults import KINDS
from tieout_sandbox.kit.webhooks import Outbox
from tieout_sandbox.webcrm.actions import actions
from tieout_sandbox.webcrm.administration import administration
from tieout_sandbox.webcrm.calls import Call
from tieout_sandbox.webcrm.crm import Crm
from tieout_sandbox.webcrm.errors import (
    WebcrmError,
    forbidden,
    no_method,
    not_found,
    unauthorized,
)
from tieout_sandbox.webcrm.fields import LINE, QUOTING_DATA, STORED, Entity, Row
from tieout_sandbox.webcrm.hooks import Hooks, hook_json
from tieout_sandbox.webcrm.pipeline import load_pipeline
from tieout_sandbox.webcrm.present import Presenter
from tieout_sandbox.webcrm.routes import SIGN_IN, Router
from tieout_sandbox.webcrm.seed import generate
from tieout_sandbox.webcrm.signin import SignIn

_SIGN_IN = {path.lower(): path for _, path in SIGN_IN}


class WebcrmSimulator(Simulator):
    """One system with two application tokens. See `credentials` for how to sign in and
    `assumptions` for what may be switched. There are no versions and no idempotency keys."""

    name = "webcrm"
    takes_data = "sales_pipeline.csv"
    sliding_limits = True
    fault_kinds = KINDS - {"key_expiry", "stale"}

    def __init__(self, **options: Any) -> None:
        self.outbox = Outbox()
        super().__init__(**options)
        # What a state file replayed was told of when it happened.
        self.outbox.clear()

    def build(self) -> None:
        """The generated system, or the pipeline of the data folder."""
        self._open()
        with self.clock.at(self.clock.origin):
            if self.data is not None:
                load_pipeline(self.crm, self.data)
            else:
                generate(self.crm, seed=self.seed, size=self.size)
        self.outbox.clear()

    def _open(self) -> None:
        self.crm = Crm(self.clock)
        self.sign_in = SignIn(self.clock, self.seed)
        self.hooks = Hooks()
        self._router = Router(self.hooks)
        self._actions = {
            name: Action(arguments=action.arguments, run=self._telling(action.run))
            for name, action in (
                actions(self.crm) | administration(self.crm, self.sign_in, self.outbox)
            ).items()
        }

    async def handle(self, request: Request) -> Answer:
        """Answers any call; what hooks have to be told of goes out after it."""
        answer = await super().handle(request)
        self.outbox.tries = self.crm.assumptions.hook_tries
        self.outbox.send()
        return answer

    def vendor(self, request: Request) -> Response:
        """One call of the API."""
        self.crm.lag_until = self.lag_until
        try:
            return self._as_accepted(request, self._answer(request))
        except WebcrmError as error:
            return error.response(self.crm.assumptions)
        finally:
            self.crm.lag_until = None
            self._tell()

    def template(self, request: Request) -> str:
        """The path with its ids replaced."""
        found = self._router.find(request.method, request.segments)
        if found is not None:
            return found.template
        path = "/" + "/".join(request.segments)
        return _SIGN_IN.get(path.lower(), request.path)

    def entities(self) -> Mapping[str, Callable[[], Iterable[dict[str, Any]]]]:
        """Every resource by its name, as the API shows it; `LinkedData` has all catalogues,
        `QuotationLineLinkedData` that of the lines."""
        found = {entity.resource: self._reader(entity) for entity in STORED}
        found[QUOTING_DATA.resource] = self._reader(
            QUOTING_DATA, lambda row: row.get("_of") == LINE.resource
        )
        found["Hooks"] = lambda: [hook_json(row) for row in self.hooks.rows.values()]
        return found

    def actions(self) -> Mapping[str, Action]:
        """What people and administrators do in the program."""
        return self._actions

    def state(self) -> Any:
        """Everything, for the state file."""
        return {
            "crm": self.crm.state(),
            "sign_in": self.sign_in.state(),
            "hooks": self.hooks.state(),
        }

    def load_state(self, state: Any) -> None:
        """Takes back what `state` gave."""
        self._open()
        self.crm.load(state["crm"])
        self.sign_in.load(state["sign_in"])
        self.hooks.load(state["hooks"])

    def rate_limit(self, request: Request, template: str) -> tuple[str, int, float] | None:
        """So many calls in any minute per application token, or per system and user."""
        _ = template
        caller = self.sign_in.caller(request)
        return None if caller is None else (caller, self.crm.assumptions.rate_limit, 60)

    def rate_limited(self, request: Request, seconds: int) -> Response:
        """429 with the wait in header and body."""
        _ = request
        limit = self.crm.assumptions.rate_limit
        body = {
            "RetryAfterSeconds": seconds,
            "Message": "The request was throttled. "
            f"The limit of {limit} requests per minute is reached",
            "Type": "TooManyRequestsException",
        }
        return json_response(429, body, {"Retry-After": str(seconds)})

    def token_expired(self, request: Request) -> Response:
        """The access token is over: 401."""
        self.sign_in.expire(request)
        return unauthorized().response(self.crm.assumptions)

    def token_revoked(self, request: Request) -> Response:
        """Everything given out to the caller is worth nothing; a new sign-in works."""
        self.sign_in.revoke(request)
        return unauthorized().response(self.crm.assumptions)

    def _answer(self, request: Request) -> Response:
        if request.segments[:1] and request.segments[0].lower() == "auth":
            answer = self.sign_in.answer(self.crm, request)
            if answer is None:
                raise not_found("Path", request.path)
            return answer
        principal = self.sign_in.principal(request)
        found = self._router.find(request.method, request.segments)
        if found is None:
            raise not_found("Path", request.path)
        if found.handler is None:
            raise no_method(f"The method {request.method} is not supported.")
        if principal.read_only and request.method != "GET":
            raise forbidden("The application token may not write.")
        call = Call(
            request=request,
            parts=found.parts,
            principal=principal,
            assumptions=self.crm.assumptions,
            batch_items=self.batch_items,
        )
        return found.handler(self.crm, call)

    def _as_accepted(self, request: Request, answer: Response) -> Response:
        """The first kind that the document lists is plain text: some may get that."""
        accepted = request.header("accept") or ""
        kind = answer.headers.get("Content-Type", "")
        if not self.crm.assumptions.text_without_accept or "json" in accepted:
            return answer
        if not kind.startswith("application/json"):
            return answer
        head = {**answer.headers, "Content-Type": "text/plain; charset=utf-8"}
        return Response(status=answer.status, headers=head, body=answer.body)

    def _tell(self) -> None:
        happenings, self.crm.happenings = self.crm.happenings, []
        self.outbox.put(self.hooks.notices(self.crm, happenings), self.webhook_fault)

    def _telling(self, run: Callable[[Mapping[str, Any]], Any]) -> Callable[..., Any]:
        def told(arguments: Mapping[str, Any]) -> Any:
            try:
                return run(arguments)
            finally:
                self._tell()

        return told

    def _reader(
        self, entity: Entity, choice: Callable[[Row], bool] = lambda row: True
    ) -> Callable[[], Iterable[dict[str, Any]]]:
        def read() -> Iterable[dict[str, Any]]:
            present = Presenter(self.crm, entity)
            for row, gone in self.crm.everything(entity):
                if choice(row):
                    shown = present.one(row)
                    yield {**shown, "_deleted": True} if gone else shown

        return read
