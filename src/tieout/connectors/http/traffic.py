"""What was said on the wire, for recording, with everything secret masked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from tieout.ports import HttpRequest, HttpResponse

MASK = "***"
_SECRET_HEADERS = frozenset(
    {"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key"}
)
_SECRET_FIELDS = frozenset(
    {
        "access_token",
        "assertion",
        "client_assertion",
        "client_secret",
        "code",
        "code_verifier",
        "id_token",
        "password",
        "refresh_token",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """
    One request and what came back. ``error`` names what happened where no answer came.

    Secrets are masked already: what an observer gets may be written down.
    """

    request: HttpRequest
    response: HttpResponse | None
    error: str = ""
    took_ms: int = 0


Observer = Callable[[Exchange], None]


def masked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers with the values of those that sign in replaced."""
    return {
        name: MASK if name.lower() in _SECRET_HEADERS else value for name, value in headers.items()
    }


def masked_form(body: bytes) -> bytes:
    """A sign-in form with its secret fields replaced."""
    pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
    return urlencode([(k, MASK if k in _SECRET_FIELDS else v) for k, v in pairs]).encode()


def _shown_body(request: HttpRequest) -> bytes:
    """What may be shown of a sign-in: a form without its secrets, nothing of any other body."""
    kinds = [value for name, value in request.headers.items() if name.lower() == "content-type"]
    is_form = any(kind.startswith("application/x-www-form-urlencoded") for kind in kinds)
    return masked_form(request.body) if is_form else b""


def exchange_of(
    request: HttpRequest,
    response: HttpResponse | None,
    *,
    error: str = "",
    took_ms: int = 0,
    sign_in: bool = False,
) -> Exchange:
    """The exchange as it may be shown; of a sign-in the answer's body is left out whole."""
    shown = HttpRequest(
        method=request.method,
        url=request.url,
        headers=masked_headers(request.headers),
        body=_shown_body(request) if sign_in else request.body,
        timeout_s=request.timeout_s,
    )
    answer = None
    if response is not None:
        answer = HttpResponse(
            status=response.status,
            headers=masked_headers(response.headers),
            body=b"" if sign_in else response.body,
        )
    return Exchange(request=shown, response=answer, error=error, took_ms=took_ms)
