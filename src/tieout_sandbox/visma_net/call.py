"""One call of the ERP host as a handler sees it, and the answers that all writes share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from tieout_sandbox.kit import Request, Response, json_response
from tieout_sandbox.visma_net.company import Company
from tieout_sandbox.visma_net.errors import BusinessError, StaleError
from tieout_sandbox.visma_net.tables import Record

HOST = "api.finance.visma.net"
ORDER_HOST = "salesorder.visma.net"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request with the ids of its path, and whether it runs as a background job."""

    request: Request
    ids: tuple[str, ...] = ()
    in_background: bool = False

    def body(self, *, optional: bool = False) -> Any:
        """The JSON body; BusinessError where there is none."""
        if not self.request.body.strip():
            if optional:
                return {}
            raise BusinessError("Error: a body is expected.", status=400)
        try:
            return self.request.json()
        except ValueError as error:
            raise BusinessError(f"Error: the body is no JSON: {error}", status=400) from error

    def require_match(self, record: Record) -> None:
        """StaleError where If-Match was sent and names another version."""
        sent = self.request.header("if-match")
        if sent is not None and sent.strip() not in ("*", f'"{record["_version"]}"'):
            raise StaleError("stale")

    def address(self, company: Company, path: str, host: str = HOST) -> str:
        """An address of this service, on the host that the company was switched to."""
        match company.assumptions.location_host:
            case "vendor":
                return f"https://{host}{path}"
            case "http":
                return f"http://{host}{path}"
            case _:
                own = self.request.header("host")
                return f"http://{own}{path}" if own else f"https://{host}{path}"


Handler = Callable[[Company, Call], Response]


def created(
    company: Company, call: Call, resource: str, number: object, version: str | None = None
) -> Response:
    """201 without a body; the number is in Location only."""
    headers = {"Location": call.address(company, f"/{resource}/{quote(str(number), safe='')}")}
    if version is not None:
        headers["ETag"] = f'"{version}"'
    if company.assumptions.post_body:
        return json_response(201, {"number": str(number)}, headers)
    return Response(status=201, headers=headers)


def changed(
    company: Company, call: Call, resource: str, number: object, version: str | None = None
) -> Response:
    """204 with the new version."""
    headers = {"ETag": f'"{version}"'} if version is not None else {}
    if company.assumptions.put_location:
        path = f"/{resource}/{quote(str(number), safe='')}"
        headers["Location"] = call.address(company, path)
    return Response(status=204, headers=headers)


def done(company: Company, result: str = "Done", error: str = "") -> Response:
    """What an action answers."""
    body = {"actionId": company.new_id("action"), "actionResult": result, "errorInfo": error}
    return json_response(200, body)
