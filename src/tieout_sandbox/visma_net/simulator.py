"""Visma.net ERP as one object: service API, order service and Visma Connect over one company."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tieout_sandbox.kit import Action, Answer, Request, Response, Simulator, json_response
from tieout_sandbox.kit.codec import dumps, loads
from tieout_sandbox.kit.faults import KINDS
from tieout_sandbox.kit.webhooks import Outbox
from tieout_sandbox.visma_net import actions as screen
from tieout_sandbox.visma_net import background, entities, order_calls, reference, seeds, webhooks
from tieout_sandbox.visma_net.call import Call
from tieout_sandbox.visma_net.company import Company
from tieout_sandbox.visma_net.errors import (
    LicenceError,
    NetError,
    NotFoundError,
    ProblemError,
    StaleError,
    StatusError,
)
from tieout_sandbox.visma_net.release import release
from tieout_sandbox.visma_net.routes import Route, Router
from tieout_sandbox.visma_net.signin import PATHS, SignIn
from tieout_sandbox.visma_net.tables import Record

_ROUTER = Router()
HOUR_S = 3600
_VERBS = {"GET": "read", "POST": "create", "PUT": "update", "DELETE": "delete"}
ERP, ORDER_SERVICE, IDENTITY, ELSEWHERE = "erp", "orders", "identity", "elsewhere"


class VismaNetSimulator(Simulator):
    """One company behind two hosts, told apart by their paths. See `credentials` for how to sign
    in, `assumptions` for what may be switched, `reference` for what is there at the start."""

    name = "visma_net"
    # No batches and no idempotency keys: nothing for these to strike.
    fault_kinds = KINDS - {"batch_cut", "key_expiry"}

    def __init__(self, **options: Any) -> None:
        self.outbox = Outbox()
        super().__init__(**options)
        # What a state file replayed was told of when it happened.
        self.outbox.clear()

    def build(self) -> None:
        """The seeded company; see `reference` and `seeds`."""
        self.company = Company(seed=self.seed, clock=self.clock)
        self.sign_in = SignIn(self.company)
        with self.clock.at(self.clock.origin):
            reference.fill(self.company)
            seeds.fill(self.company, self.size)
        self.company.happenings.clear()
        self.outbox.clear()

    async def handle(self, request: Request) -> Answer:
        """Answers any call; what subscribers have to be told goes out after it."""
        answer = await super().handle(request)
        self.outbox.tries = self.company.assumptions.webhook_tries
        self.outbox.send()
        return answer

    def vendor(self, request: Request) -> Response:
        """One call of any of the three hosts."""
        self._run_jobs()
        self.company.hold_until = self.lag_until
        try:
            with self.company.transaction():
                answer = self._answer(request)
        except NetError as error:
            new_id = self.company.new_id("error")
            answer = error.respond(self.company.assumptions, new_id)
        finally:
            self.company.hold_until = None
            self._tell()
        return self._with_headers(request, answer)

    def settle(self) -> None:
        """Carries out what was put off, by the kit and by the vendor."""
        super().settle()
        self._run_jobs()

    def template(self, request: Request) -> str:
        """The path with its ids replaced, on the new host."""
        host, segments, _ = place(request)
        if host == ORDER_SERVICE:
            return order_calls.template(request)
        if host != ERP:
            return request.path
        if len(segments) > 1 and segments[1].lower() == "background":
            tail = "/content" if len(segments) > 3 else ""
            return "/v1/background/{requestId}" + tail
        _, _, template = _ROUTER.find(request.method, segments)
        return template or request.path

    def mutates(self, request: Request) -> bool:
        """Every call but reads; to authorise makes a code, and a read can be queued."""
        if request.path == "/connect/authorize" or request.header(background.HEADER) is not None:
            return True
        return super().mutates(request)

    def entities(self) -> Mapping[str, Callable[[], Iterable[dict[str, Any]]]]:
        """Every table under its resource's name, as the API shows it."""
        found = {name: self._reader(read) for name, read in entities.readers(self.company).items()}
        found["webhook"] = lambda: [one.as_json() for one in self.outbox.sent]
        return found

    def actions(self) -> Mapping[str, Action]:
        """What a person does in the program."""
        return screen.actions(self.company, self.sign_in, self._run_jobs, self._tell)

    def state(self) -> Any:
        """Everything, for the state file."""
        return {"company": self.company.state(), "sign_in": self.sign_in.state()}

    def load_state(self, state: Any) -> None:
        """Takes back what `state` gave."""
        self.company = Company(seed=self.seed, clock=self.clock)
        self.sign_in = SignIn(self.company)
        self.company.load(state["company"])
        self.sign_in.load(state["sign_in"])

    def rate_limit(self, request: Request, template: str) -> tuple[str, int, float] | None:
        """So many calls an hour per company and client; the identity server has no limit."""
        _ = template
        known = self.company.assumptions
        host, _, old = place(request)
        if host not in (ERP, ORDER_SERVICE):
            return None
        if old:
            return "old host", known.rate_limit_old_host, HOUR_S
        shared = host == ORDER_SERVICE and known.rate_limit_shared
        return ERP if shared else host, known.rate_limit, HOUR_S

    def rate_limited(self, request: Request, seconds: int) -> Response:
        """429 with Retry-After."""
        headers = {**self._limit_headers(request), "Retry-After": str(seconds)}
        headers["X-RateLimit-Remaining"] = "0"
        if self.company.assumptions.rate_limit_body == "empty":
            return Response(status=429, headers=headers)
        text = f"Rate limit is exceeded. Try again in {seconds} seconds."
        return json_response(429, {"statusCode": 429, "message": text}, headers)

    def token_expired(self, request: Request) -> Response:
        """The access token expires: 401."""
        self.sign_in.expire(request)
        return self._refused(request)

    def token_revoked(self, request: Request) -> Response:
        """The company's administrator takes the application off: no token works any more."""
        self.sign_in.revoke()
        if request.path == "/connect/token":
            return self.sign_in.token(request)
        return self._refused(request)

    def stale(self, request: Request) -> Response:
        """412 in the form of the host that was called."""
        host, _, _ = place(request)
        error: NetError = StaleError("stale")
        if host == ORDER_SERVICE:
            error = ProblemError(412, "The order was changed.", request.path)
        answer = error.respond(self.company.assumptions, self.company.new_id("error"))
        return self._with_headers(request, answer)

    def _refused(self, request: Request) -> Response:
        answer = StatusError(401).respond(self.company.assumptions, "")
        return self._with_headers(request, answer)

    # One call.

    def _answer(self, request: Request) -> Response:
        host, segments, _ = place(request)
        if host == IDENTITY:
            return self.sign_in.answer(request)
        if host == ELSEWHERE:
            raise NotFoundError(f"There is no {request.path}.")
        known = self.sign_in.require(request)
        if host == ORDER_SERVICE:
            return self._order_service(request, known)
        return self._erp(request, segments, known)

    def _order_service(self, request: Request, known: Record) -> Response:
        verb = "read" if request.method == "GET" else "write"
        self.sign_in.require_order_scope(known, verb)
        if not self.sign_in.sees_company(known, request):
            raise StatusError(403)
        return order_calls.answer(self.company, request)

    def _erp(self, request: Request, segments: tuple[str, ...], known: Record) -> Response:
        if len(segments) > 2 and segments[1].lower() == "background":
            self.sign_in.require_scope(known, "read")
            return self._background(request, segments, known)
        route, ids, template = _ROUTER.find(request.method, segments)
        if route is None:
            return self._no_route(request, segments, template)
        verb = _VERBS[route.method]
        if route.action:
            verb = self.company.assumptions.action_scope
        self.sign_in.require_scope(known, verb)
        if not self.sign_in.sees_company(known, request):
            return self._wrong_company(route)
        if request.header(background.HEADER) is not None:
            return background.queue(self.company, request, known["subject"])
        return route.handler(self.company, Call(request=request, ids=ids))

    def _no_route(
        self, request: Request, segments: tuple[str, ...], template: str | None
    ) -> Response:
        if template is not None:
            raise StatusError(405)
        resource = segments[1].lower() if len(segments) > 1 else ""
        if resource in ("salesorder", "salesorderbasic") and (
            self.company.assumptions.old_salesorder == "throttled"
        ):
            headers = {"Retry-After": "3600", "X-RateLimit-Policy": "8-fixed-window"}
            return json_response(429, {"statusCode": 429, "message": "throttled"}, headers)
        raise NotFoundError(f"There is no {request.path}.")

    def _wrong_company(self, route: Route) -> Response:
        if self.company.assumptions.wrong_company == "refused" or route.method != "GET":
            raise LicenceError("no licence")
        if route.collection:
            return json_response(200, [])
        raise NotFoundError("The record cannot be found in the system.")

    def _background(self, request: Request, segments: tuple[str, ...], known: Record) -> Response:
        call = Call(request=request, ids=(segments[2],))
        if len(segments) == 4 and segments[3].lower() == "content":
            return background.content(self.company, call, known["subject"])
        if len(segments) != 3 or request.method != "GET":
            raise NotFoundError(f"There is no {request.path}.")
        return background.state(self.company, call, known["subject"])

    def _with_headers(self, request: Request, answer: Response) -> Response:
        host, _, _ = place(request)
        if host not in (ERP, ORDER_SERVICE):
            return answer
        request_id = self.company.new_id("request")
        headers = {
            "ipp-request-id": request_id,
            "Request-Context": "appId=cid-v1:sandbox",
            **self._limit_headers(request),
            **answer.headers,
        }
        return Response(status=answer.status, headers=headers, body=answer.body)

    def _limit_headers(self, request: Request) -> dict[str, str]:
        limit = self.rate_limit(request, "")
        if limit is None:
            return {}
        key, allowed, seconds = limit
        window = self._windows.get(key)
        used = window.count if window is not None else 0
        left = float(seconds)
        if window is not None:
            left -= (self.clock.now() - window.began).total_seconds()
        policy = "6-fixed-window" if key == "old host" else "4-fixed-window"
        return {
            "X-RateLimit-Limit": str(allowed),
            "X-RateLimit-Remaining": str(max(0, allowed - used)),
            "X-RateLimit-Reset": str(max(1, int(left))),
            "X-RateLimit-Policy": policy,
        }

    # Jobs.

    def _run_jobs(self) -> None:
        """Carries out every job whose time has come, each at its own moment."""
        for job in self.company.due_jobs():
            with self.clock.at(job["due"]):
                if job["kind"] == "release":
                    self._release_job(job["key"])
                else:
                    self._background_job(job["key"])
                self._tell()

    def _tell(self) -> None:
        self.outbox.put(webhooks.notices(self.company), self.webhook_fault)

    def _release_job(self, key: str) -> None:
        """What fails here fails in silence: the document stays as it was."""
        record = self.company.documents.get(key)
        if record is None:
            return
        try:
            with self.company.transaction():
                release(self.company, record)
        except NetError:
            return

    def _background_job(self, job_id: str) -> None:
        request = background.job_request(self.company, job_id)
        _, segments, _ = place(request)
        route, ids, _ = _ROUTER.find(request.method, segments)
        assert route is not None
        call = Call(request=request, ids=ids, in_background=True)
        try:
            with self.company.transaction():
                answer = route.handler(self.company, call)
        except NetError as error:
            new_id = self.company.new_id("error")
            answer = error.respond(self.company.assumptions, new_id)
        background.finish(self.company, job_id, answer)

    def _reader(
        self, read: Callable[[], Iterable[Record]]
    ) -> Callable[[], Iterable[dict[str, Any]]]:
        def every() -> Iterable[dict[str, Any]]:
            for record in read():
                yield loads(dumps(record))

        return every


def place(request: Request) -> tuple[str, tuple[str, ...], bool]:
    """Which host is meant, the path on it without the old host's prefix, and whether it was the
    old host's."""
    if request.path in PATHS:
        return IDENTITY, request.segments, False
    segments = request.segments
    lower = tuple(part.lower() for part in segments)
    if lower[:2] == ("api", "v3"):
        return ORDER_SERVICE, segments, False
    old = False
    if lower[:3] == ("api", "controller", "api"):
        segments, old = segments[3:], True
    elif lower[:1] == ("api",) and lower[1:2] in (("v1",), ("v2",)):
        segments, old = segments[1:], True
    if not segments or segments[0].lower() not in ("v1", "v2"):
        return ELSEWHERE, segments, False
    return ERP, segments, old
