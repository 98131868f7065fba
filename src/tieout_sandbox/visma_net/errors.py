"""The vendor's refusals, in the shapes of its two hosts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tieout_sandbox.kit import Response, json_response
from tieout_sandbox.visma_net.assumptions import Assumptions


class NetError(Exception):
    """The call is refused; nothing was done. `respond` makes the answer."""

    def respond(self, assumptions: Assumptions, new_id: str) -> Response:
        """The answer as the vendor writes it; `new_id` is the VismaId."""
        return _message(500, f"VismaId: {new_id}. {self}", assumptions)


class BusinessError(NetError):
    """ERP host: the business rules refuse; 400 or 500 with a text that begins with VismaId."""

    def __init__(self, text: str, *, status: int | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.status = status

    def respond(self, assumptions: Assumptions, new_id: str) -> Response:
        """`{"message": "VismaId: …. Error …"}`."""
        status = self.status or assumptions.business_error_status
        return _message(status, f"VismaId: {new_id}. {self.text}", assumptions)


class NotFoundError(NetError):
    """ERP host: no such record or path."""

    def respond(self, assumptions: Assumptions, new_id: str) -> Response:
        """404; nobody knows with which body."""
        if assumptions.not_found_body == "empty":
            return Response(status=404)
        text = f"VismaId: {new_id}. {self}"
        return _message(404, text, assumptions)


class StaleError(NetError):
    """ERP host: If-Match named an old version."""

    def respond(self, assumptions: Assumptions, new_id: str) -> Response:
        """412; nobody knows with which body."""
        if assumptions.stale_body == "empty":
            return Response(status=412)
        return _message(412, f"VismaId: {new_id}. The record was changed.", assumptions)


class StatusError(NetError):
    """An answer with a status and no body: 401, 403, 405, 410."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status

    def respond(self, assumptions: Assumptions, new_id: str) -> Response:
        """The status alone."""
        _ = assumptions, new_id
        headers = {"WWW-Authenticate": "Bearer"} if self.status == 401 else {}
        return Response(status=self.status, headers=headers)


class LicenceError(NetError):
    """The gateway: the user has no licence for the company."""

    def respond(self, assumptions: Assumptions, new_id: str) -> Response:
        """12027 in the gateway's own form."""
        body = {
            "ExceptionType": "IPPException",
            "ExceptionMessage": "No license for this company.",
            "ExceptionFaultCode": "12027",
            "ExceptionMessageID": f"12027_{new_id}",
            "ExceptionDetails": "",
        }
        return json_response(assumptions.status_licence, body)


_TITLES = {
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    412: "Precondition Failed",
    428: "Precondition Required",
}


class ProblemError(NetError):
    """Order service: 404, 405, 409, 412, 428."""

    def __init__(self, status: int, detail: str, instance: str = "") -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.instance = instance

    def respond(self, assumptions: Assumptions, new_id: str) -> Response:
        """ProblemDetails."""
        _ = assumptions, new_id
        body = {
            "type": f"https://httpstatuses.com/{self.status}",
            "title": _TITLES[self.status],
            "status": self.status,
            "detail": self.detail,
            "instance": self.instance,
        }
        return json_response(self.status, body, {"Content-Type": "application/problem+json"})


class OrderError(NetError):
    """Order service: 400 with codes. `faults` are (property, code, text)."""

    def __init__(self, faults: Sequence[tuple[str, str, str]]) -> None:
        super().__init__("; ".join(text for _, _, text in faults))
        self.faults = list(faults)

    def respond(self, assumptions: Assumptions, new_id: str) -> Response:
        """ValidationProblemDetails with `errors` and `details`."""
        _ = assumptions, new_id
        errors: dict[str, list[str]] = {}
        for place, _, text in self.faults:
            errors.setdefault(place, []).append(text)
        body: dict[str, Any] = {
            "type": "https://tools.ietf.org/html/rfc7231#section-6.5.1",
            "title": "One or more validation errors occurred.",
            "status": 400,
            "errors": errors,
            "details": [
                {"code": code, "message": text, "parameters": {"property": place}}
                for place, code, text in self.faults
                if code
            ],
        }
        return json_response(400, body, {"Content-Type": "application/problem+json"})


def missing(field: str, value: object) -> BusinessError:
    """A reference to what is not there, in the vendor's words."""
    return BusinessError(f"Error: {field} '{value}' cannot be found in the system.")


def _message(status: int, text: str, assumptions: Assumptions) -> Response:
    return json_response(status, {assumptions.error_member: text})
