"""A request and what can come back for it, as plain values without a socket."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tieout_sandbox.kit.codec import dumps, loads


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call as it arrived. `path` is raw (still percent-encoded); header names lower-case."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def segments(self) -> tuple[str, ...]:
        """The decoded parts of the path; `/v2/customers/a%20b` gives `v2`, `customers`, `a b`."""
        return tuple(unquote(part) for part in self.path.split("/") if part)

    def param(self, name: str) -> str | None:
        """The first value of a query parameter, None where it was not sent."""
        return next((value for key, value in self.query if key == name), None)

    def header(self, name: str) -> str | None:
        """A header by its name in any case, None where it was not sent."""
        return self.headers.get(name.lower())

    def json(self) -> Any:
        """The body as JSON, fractions as Decimal; ValueError where it is none."""
        return loads(self.body)

    def form(self) -> dict[str, str]:
        """The body as a form; the last value counts where a name is repeated."""
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An answer. Header names as the vendor writes them."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json(self) -> Any:
        """The body as JSON, fractions as Decimal; ValueError where it is none."""
        return loads(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """The connection was closed without an answer. `carried_out` is for tests only: a caller
    cannot know it."""

    carried_out: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Truncated:
    """The answer was cut: its head promises all of `response`, only `sent` arrived."""

    response: Response
    sent: bytes


Answer = Response | Dropped | Truncated


def make_request(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
) -> Request:
    """A request from an address, with or without scheme and host, and its query in the text."""
    parts = urlsplit(url)
    return Request(
        method=method.upper(),
        path=parts.path or "/",
        query=tuple(parse_qsl(parts.query, keep_blank_values=True)),
        headers={name.lower(): value for name, value in (headers or {}).items()},
        body=body,
    )


def json_response(status: int, value: object, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer; Decimals are written with exactly their own digits."""
    head = {"Content-Type": "application/json;charset=UTF-8", **(headers or {})}
    return Response(status=status, headers=head, body=dumps(value))


def html_response(status: int, text: str) -> Response:
    """A page as a gateway sends it."""
    return Response(
        status=status,
        headers={"Content-Type": "text/html; charset=utf-8"},
        body=text.encode(),
    )
