"""The simulated Salesforce: one org behind its sign-in, REST, Bulk and SOAP login paths."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from tieout_sandbox.kit.faults import KINDS, WEBHOOK_KINDS
from tieout_sandbox.kit.http import Request, Response, json_response
from tieout_sandbox.kit.simulator import Action, Simulator
from tieout_sandbox.salesforce import soap
from tieout_sandbox.salesforce.actions import Actions
from tieout_sandbox.salesforce.api import Api, Usage, spent_error, version_list
from tieout_sandbox.salesforce.calls import Call, Result, check_version, http_date
from tieout_sandbox.salesforce.errors import SalesforceError, SeveralMatchesError, session_invalid
from tieout_sandbox.salesforce.ids import normalise
from tieout_sandbox.salesforce.oauth import SignIn
from tieout_sandbox.salesforce.pipeline import load_pipeline
from tieout_sandbox.salesforce.rows import row_json
from tieout_sandbox.salesforce.seed import generate
from tieout_sandbox.salesforce.values import moment

MOST_BYTES = 16_384
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class SalesforceSimulator(Simulator):
    """One org. Searches do not lag (queries read what is committed) and there are no idempotency
    keys, so the faults of that name have nothing to do here."""

    name = "salesforce"
    takes_data = "sales_pipeline.csv"
    fault_kinds = KINDS - WEBHOOK_KINDS - {"search_lag", "key_expiry"}
    takes_package = True

    def __init__(self, *, package: bool = False, **options: Any) -> None:
        self.package = package
        super().__init__(**options)

    def build(self) -> None:
        """
        Generates the org from the seed, or loads the pipeline of the data folder. With `package`
        what Tieout's package brings is there from the start; else it has to be deployed.
        """
        if self.data is not None:
            self.org = load_pipeline(self.clock, self.data, package=self.package)
        else:
            self.org = generate(self.clock, seed=self.seed, size=self.size, package=self.package)
        self._open()

    def settle(self) -> None:
        """Also ends deployments whose time has come."""
        super().settle()
        self.api.metadata.settle()

    def _open(self) -> None:
        self.sign_in = SignIn(self.org)
        self.usage = Usage(self.org)
        self.api = Api(self.org, self.usage)
        self._actions = Actions(self.org, self.sign_in, self.api).listed()

    # One call.

    def vendor(self, request: Request) -> Response:
        """Answers one call of the vendor's paths."""
        segments = request.segments
        base = base_of(request)
        if segments[:2] == ("services", "oauth2"):
            return self.sign_in.answer(request, base)
        if segments[:2] == ("services", "Soap"):
            return soap.answer(self.org, self.sign_in, request, base)
        if segments[:1] == ("id",):
            return self._identity(request, base)
        if segments[:1] == (".well-known",):
            return json_response(200, _discovery(base))
        if segments == ("services", "data"):
            return json_response(200, version_list())
        if segments[:2] == ("services", "data"):
            return self._rest(request, base)
        return json_response(404, [{"errorCode": "NOT_FOUND", "message": "not found"}])

    def _identity(self, request: Request, base: str) -> Response:
        if request.segments[1:] == ("keys",):
            return json_response(200, {"keys": []})
        session = self.sign_in.session_of(request)
        if session is None:
            return Response(
                status=403, headers={"Content-Type": "text/html"}, body=b"Missing_OAuth_Token"
            )
        user_id = normalise(request.segments[-1]) or session.user_id
        if self.org.row(user_id) is None:
            return Response(status=404)
        return json_response(200, self.sign_in.identity(user_id, base))

    def _rest(self, request: Request, base: str) -> Response:
        try:
            version = request.segments[2].removeprefix("v")
            check_version(version)
            check_size(request)
            session = self.sign_in.enter(request)
            self.api.metadata.settle()
            self.org.empty_old_bin()
            if not self.org.switches.api_enabled:
                raise SalesforceError(
                    "API_DISABLED_FOR_ORG",
                    "The REST API is not enabled for this Organization.",
                    status=403,
                )
            if self.rate_limits and self.usage.spent:
                raise spent_error()
            self.usage.count()
            result = self.api.route(self._call(request, version, session.user_id, base))
        except SalesforceError as error:
            result = Result(status=error.status, body=[error.as_request_error()])
        except SeveralMatchesError as error:
            result = Result(status=300, body=error.ids)
        finally:
            self.org.journal.clear()
        return self._respond(result)

    def _call(self, request: Request, version: str, user_id: str, base: str) -> Call:
        body: Any = None
        text = ""
        raw = b""
        kind = request.header("content-type") or ""
        if request.body and kind.startswith("multipart/form-data"):
            raw = request.body
        elif request.body and "csv" in kind:
            try:
                text = request.body.decode("utf-8-sig")
            except UnicodeDecodeError as error:
                raise SalesforceError("INVALIDBATCH", "The data is not in UTF-8") from error
        elif request.body and request.method in ("POST", "PATCH", "PUT"):
            if "json" not in kind:
                raise SalesforceError(
                    "UNSUPPORTED_MEDIA_TYPE",
                    f"Content type '{kind}' is not supported",
                    status=415,
                )
            try:
                body = request.json()
            except ValueError as error:
                raise SalesforceError("JSON_PARSER_ERROR", str(error)) from error
        method = request.method
        override = request.param("_HttpMethod")
        if method == "POST" and override:
            method = override.upper()
        return Call(
            method=method,
            version=version,
            path=request.segments[3:],
            query=dict(request.query),
            headers=request.headers,
            body=body,
            text=text,
            raw=raw,
            user_id=user_id,
            base=base,
            batch_items=self.batch_items,
        )

    def _respond(self, result: Result) -> Response:
        headers = {
            "Date": http_date(self.clock.now()),
            "Sforce-Limit-Info": f"api-usage={self.usage.used}/{self.usage.most}",
            "Cache-Control": "no-cache,must-revalidate,max-age=0,no-store,private",
            **result.headers,
        }
        if result.text is not None:
            headers.setdefault("Content-Type", "text/plain;charset=UTF-8")
            return Response(status=result.status, headers=headers, body=result.text.encode())
        if result.body is None:
            return Response(status=result.status, headers=headers)
        body = result.body
        if self.org.switches.large_numbers == "exponent":
            body = _with_exponents(body)
        return json_response(result.status, body, headers)

    def template(self, request: Request) -> str:
        """The path with ids, external keys and locators replaced."""
        parts = list(request.segments)
        if parts[:2] != ["services", "data"] or len(parts) < 4:
            return "/" + "/".join("{id}" if normalise(part) else part for part in parts)
        parts[2] = "v{version}"
        if parts[3] in ("query", "queryAll") and len(parts) > 4:
            parts[4] = "{locator}"
        if parts[3] == "sobjects" and len(parts) == 7:
            known = normalise(parts[5]) is not None and parts[5] not in ("updated", "deleted")
            parts[5 if known else 6] = "{id}" if known else "{value}"
        return "/" + "/".join(
            "{id}" if normalise(part) and _has_digit(part) else part for part in parts
        )

    def mutates(self, request: Request) -> bool:
        """Writes do; so does consent, and a read whose session becomes longer by it."""
        if request.method not in ("GET", "HEAD", "OPTIONS"):
            return True
        if request.path.startswith("/services/oauth2/authorize"):
            return True
        session = self.sign_in.session_of(request)
        return session is not None and self.sign_in.needs_extension(session)

    # Faults in the vendor's words.

    def rate_limited(self, request: Request, seconds: int) -> Response:
        """403 REQUEST_LIMIT_EXCEEDED: this vendor has no 429 and no Retry-After."""
        _ = request, seconds
        error = spent_error()
        return self._respond(Result(status=error.status, body=[error.as_request_error()]))

    def token_expired(self, request: Request) -> Response:
        """Ends the session of the call."""
        self.sign_in.expire(request)
        error = session_invalid()
        return self._respond(Result(status=error.status, body=[error.as_request_error()]))

    def token_revoked(self, request: Request) -> Response:
        """Takes back the sessions and refresh tokens."""
        self.sign_in.withdraw()
        return self.token_expired(request)

    def stale(self, request: Request) -> Response:
        """412: the row was changed since."""
        _ = request
        error = SalesforceError(
            "ENTITY_FAILED_IFLASTMODIFIED_ON_UPDATE",
            "The precondition of the request does not hold: the row was changed since",
            status=412,
        )
        return self._respond(Result(status=error.status, body=[error.as_request_error()]))

    # The outside surface.

    def entities(self) -> Mapping[str, Callable[[], Iterable[dict[str, Any]]]]:
        """Every object with its rows, and the global value sets."""
        found = {name: self._records_of(name) for name in self.org.schema}
        return {**found, "GlobalValueSet": self._value_sets, "CustomField": self._picklists}

    def _value_sets(self) -> Iterator[dict[str, Any]]:
        for name, made in self.org.installed.value_sets.items():
            yield {"DeveloperName": name, **asdict(made)}

    def _picklists(self) -> Iterator[dict[str, Any]]:
        for place, made in self.org.installed.picklists.items():
            yield {"FullName": place, **asdict(made)}

    def counts(self) -> Mapping[str, int]:
        """How many rows each object has, deleted ones left out."""
        tables = self.org.tables.items()
        return {name: len(table) - len(table.deleted) for name, table in tables}

    def _records_of(self, name: str) -> Callable[[], Iterator[dict[str, Any]]]:
        call = Call(method="GET", version="68.0", path=())

        def records() -> Iterator[dict[str, Any]]:
            kind = self.org.schema[name]
            for row in self.org.tables[name].rows.values():
                shown = row_json(kind, row, call)
                if row.get("IsDeleted"):
                    shown["_deleted"] = True
                yield shown

        return records

    def actions(self) -> Mapping[str, Action]:
        """What a person would do in the screens."""
        return self._actions

    def state(self) -> Any:
        """Org, sessions and jobs."""
        return {
            "org": self.org.state(),
            "sign_in": self.sign_in.state(),
            "jobs": self.api.bulk.state(),
            "deployments": self.api.metadata.state(),
        }

    def load_state(self, state: Any) -> None:
        """Takes back what `state` gave."""
        self.org.load_state(state["org"])
        self._open()
        self.sign_in.load_state(state["sign_in"])
        self.api.bulk.load_state(state["jobs"])
        self.api.metadata.load_state(state.get("deployments", []))


def check_size(request: Request) -> None:
    """Refuses an address that is too long, alone (414) or with its headers (431)."""
    address = len(request.path) + len(urlencode(request.query))
    headers = sum(len(name) + len(value) + 4 for name, value in request.headers.items())
    if address > MOST_BYTES:
        raise SalesforceError("URI_TOO_LONG", "URI Too Long", status=414)
    if address + headers > MOST_BYTES:
        raise SalesforceError(
            "REQUEST_HEADER_FIELDS_TOO_LARGE", "Request Header Fields Too Large", status=431
        )


def base_of(request: Request) -> str:
    """The address that the request came to; http on the loopback, https elsewhere."""
    host = request.header("host") or "127.0.0.1"
    scheme = request.header("x-forwarded-proto")
    if scheme is None:
        scheme = "http" if host.startswith(LOOPBACK) else "https"
    return f"{scheme}://{host}"


def _has_digit(part: str) -> bool:
    return any(char.isdigit() for char in part) and moment(part) is None


def _discovery(base: str) -> dict[str, Any]:
    return {
        "issuer": base,
        "authorization_endpoint": f"{base}/services/oauth2/authorize",
        "token_endpoint": f"{base}/services/oauth2/token",
        "revocation_endpoint": f"{base}/services/oauth2/revoke",
        "userinfo_endpoint": f"{base}/services/oauth2/userinfo",
        "introspection_endpoint": f"{base}/services/oauth2/introspect",
        "jwks_uri": f"{base}/id/keys",
    }


def _with_exponents(value: Any) -> Any:
    """Numbers from ten million on as the platform writes them: 12500000.00 is 1.25E+7."""
    if isinstance(value, Decimal):
        return value.normalize() if abs(value) >= _LARGE else value
    if isinstance(value, dict):
        return {name: _with_exponents(one) for name, one in value.items()}
    return [_with_exponents(one) for one in value] if isinstance(value, list) else value


_LARGE = Decimal(10_000_000)
