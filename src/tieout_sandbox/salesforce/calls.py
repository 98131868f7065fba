"""One call of the REST API after sign-in, and what it gives: plain values, so that a composite
request can make calls of its own parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tieout_sandbox.salesforce.errors import SalesforceError, not_found

FIRST_VERSION, LAST_VERSION = 41, 68
DEPRECATED_UNTIL = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """`path` is what follows the version, decoded. `batch_items`: a fault lets only so many
    parts of a batch through."""

    method: str
    version: str
    path: tuple[str, ...]
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    text: str = ""
    raw: bytes = b""
    user_id: str = ""
    base: str = ""
    all_or_none: bool = False
    batch_items: int | None = None

    def header(self, name: str) -> str | None:
        """A header by its lower-case name."""
        return self.headers.get(name)

    def option(self, header: str, name: str) -> str | None:
        """One `name=value` of a header that lists several, such as Sforce-Query-Options."""
        for part in (self.headers.get(header) or "").split(","):
            key, _, value = part.strip().partition("=")
            if key.strip().lower() == name.lower():
                return value.strip()
        return None

    def url(self, *parts: str) -> str:
        """The path of a resource in the call's version."""
        return "/".join((f"/services/data/v{self.version}", *parts))

    def sub(self, method: str, url: str, body: Any, headers: Mapping[str, str]) -> Call:
        """A part of a composite request as a call of its own."""
        version, path, query = split_url(url)
        return replace(
            self,
            method=method.upper(),
            version=version or self.version,
            path=path,
            query=query,
            body=body,
            batch_items=None,
            headers={**self.headers, **{k.lower(): v for k, v in headers.items()}},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Status, headers and a body: JSON-able, or text when `text` is set; None is empty."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str | None = None


def split_url(url: str) -> tuple[str | None, tuple[str, ...], dict[str, str]]:
    """Version, path after it and query of an address with or without `/services/data`."""
    parts = urlsplit(url)
    path = tuple(unquote(part) for part in parts.path.split("/") if part)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    if path[:2] == ("services", "data"):
        path = path[2:]
    if path and path[0].startswith("v") and path[0][1:].replace(".", "").isdigit():
        return path[0][1:], path[1:], query
    return None, path, query


def check_version(version: str) -> None:
    """Refuses versions that are gone or not yet there."""
    whole, _, rest = version.partition(".")
    number = int(whole) if whole.isdigit() and rest == "0" else 0
    if 0 < number <= DEPRECATED_UNTIL:
        raise SalesforceError(
            "UNSUPPORTED_API_VERSION", "The requested API version is no longer served", status=410
        )
    if not FIRST_VERSION <= number <= LAST_VERSION:
        raise not_found()


def http_date(moment: datetime) -> str:
    """A moment as headers write it."""
    return format_datetime(moment.astimezone(UTC), usegmt=True)


def condition_date(call: Call, header: str) -> datetime | None:
    """The moment of a conditional header; 400 where it is none."""
    text = call.header(header)
    if text is None:
        return None
    try:
        found = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        raise SalesforceError("INVALID_DATE_FORMAT", f"Invalid {header} value: {text}") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def wants(call: Call, kind: type | tuple[type, ...], what: str) -> Any:
    """The body, which has to be of that kind."""
    if not isinstance(call.body, kind):
        raise SalesforceError("JSON_PARSER_ERROR", f"{what} is expected in the request body")
    return call.body
