"""Addresses of vendors: what may be called, and how a query is written."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import quote, urlsplit

from tieout.core.errors import ConfigurationError


def address_problem(url: str) -> str | None:
    """
    Why this address cannot be called, as a plain sentence; None where it can.

    Plain http is for this machine only: elsewhere it would carry the sign-in for all to read.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return f"{url!r} is not an address."
    if parts.scheme not in ("http", "https") or not host:
        return f"{url!r} is not an address; it begins with https:// and names a host."
    if parts.username or parts.password:
        return "An address must not contain a user name or password."
    if parts.scheme == "http" and not is_loopback(host):
        return f"{url} would be called without encryption; only this machine may be, use https://."
    return None


def require_callable(url: str) -> None:
    """Raises ConfigurationError where `address_problem` finds one."""
    problem = address_problem(url)
    if problem is not None:
        raise ConfigurationError(problem, code="address_not_allowed")


@lru_cache(maxsize=64)
def is_loopback(host: str) -> bool:
    """Whether a host name or number is this machine: localhost, 127.0.0.0/8, ::1."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def query_text(query: Iterable[tuple[str, str]]) -> str:
    """
    The pairs as a query, every value wholly percent-encoded; ``$`` stays in names.

    ``[("$filter", "Name eq 'A&B'")]`` gives ``$filter=Name%20eq%20%27A%26B%27``.
    """
    return "&".join(f"{quote(name, safe='$')}={quote(value, safe='')}" for name, value in query)


def with_query(path: str, query: Iterable[tuple[str, str]]) -> str:
    """The path with the query behind it, if there is any."""
    text = query_text(query)
    return f"{path}?{text}" if text else path
