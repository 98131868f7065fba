"""Whether the line to a PostgreSQL of one's own shows that it is the right server that answers."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address

from sqlalchemy.engine import make_url

from tieout.core.finding import Finding, Severity

_VERIFIES = frozenset({"verify-full", "verify-ca"})
NEXT = "sslmode=verify-full and sslrootcert=FILE in TIEOUT_DATABASE_URL"


def hosts_away(environment: Mapping[str, str]) -> list[str]:
    """
    The hosts of the database that are not this machine; none where it is the embedded one. What
    the address leaves out is taken from the variables that PostgreSQL's own programs read.
    """
    address = environment.get("TIEOUT_DATABASE_URL", "")
    if not address:
        return []
    given = _options(address)
    hosts = given.get("hostaddr") or environment.get("PGHOSTADDR", "")
    hosts = hosts or given.get("host") or make_url(address).host or environment.get("PGHOST", "")
    return [host for host in hosts.split(",") if not _is_here(host.strip())]


def unverified_line(environment: Mapping[str, str]) -> Finding | None:
    """
    A warning where the database is on another host and its certificate is not checked; None for
    the embedded one, this machine, and a line that is verified.
    """
    away = hosts_away(environment)
    if not away:
        return None
    given = _options(environment["TIEOUT_DATABASE_URL"])
    root = given.get("sslrootcert") or environment.get("PGSSLROOTCERT", "")
    # With the system's authorities PostgreSQL verifies by itself.
    usual = "verify-full" if root == "system" else "prefer"
    mode = given.get("sslmode") or environment.get("PGSSLMODE", "") or usual
    if mode in _VERIFIES:
        return None
    return Finding(
        code="database_unverified",
        severity=Severity.WARNING,
        message=(
            f"The line to the database on {away[0]} does not show whether it is your server that "
            f"answers (sslmode={mode}): who stands between reads and changes everything"
        ),
    )


def _options(address: str) -> dict[str, str]:
    return {name: _joined(value) for name, value in make_url(address).query.items()}


def _joined(value: str | tuple[str, ...]) -> str:
    return value if isinstance(value, str) else ",".join(value)


def _is_here(host: str) -> bool:
    """A socket's folder, or an address of this machine."""
    if not host or host.startswith(("/", "@")) or host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
