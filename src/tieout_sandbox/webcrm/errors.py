"""Refusals, and how they are told: nobody has seen more than the body of the 429."""

from __future__ import annotations

from html import escape

from tieout_sandbox.kit import Response, html_response, json_response
from tieout_sandbox.webcrm.assumptions import Assumptions

_STATUS = {
    "NotFoundException": "status_not_found",
    "ValidationException": "status_validation",
    "ForbiddenException": "status_forbidden",
    "MethodNotAllowedException": "status_method",
}


class WebcrmError(Exception):
    """The call is refused and nothing was done. `kind` is what the body's `Type` says."""

    def __init__(self, kind: str, text: str, *, status: int | None = None) -> None:
        super().__init__(text)
        self.kind = kind
        self.text = text
        self.status = status

    def response(self, assumptions: Assumptions) -> Response:
        """The answer, in the form that is assumed."""
        status = self.status
        if status is None:
            status = int(getattr(assumptions, _STATUS[self.kind]))
        form = assumptions.error_body
        if status == 401 and assumptions.unauthorized_body == "empty":
            form = "empty"
        match form:
            case "text":
                head = {"Content-Type": "text/plain; charset=utf-8"}
                return Response(status=status, headers=head, body=self.text.encode())
            case "html":
                return html_response(status, f"<html><body>{escape(self.text)}</body></html>")
            case "empty":
                return Response(status=status)
            case _:
                return json_response(status, {"Message": self.text, "Type": self.kind})


def not_found(what: str, given: object) -> WebcrmError:
    """There is no such record."""
    return WebcrmError("NotFoundException", f"{what} {given} was not found")


def invalid(text: str) -> WebcrmError:
    """A value or a body is wrong."""
    return WebcrmError("ValidationException", text)


def unauthorized() -> WebcrmError:
    """No token, or one that is over."""
    return WebcrmError("UnauthorizedException", "Unauthorized", status=401)


def forbidden(text: str) -> WebcrmError:
    """The token's rights do not reach."""
    return WebcrmError("ForbiddenException", text)


def no_method(text: str) -> WebcrmError:
    """The path is there, but not with this verb."""
    return WebcrmError("MethodNotAllowedException", text)


def busy() -> WebcrmError:
    """Two creates drew the same id."""
    return WebcrmError("DuplicateKeyException", "Could not allocate an id, try again", status=500)
