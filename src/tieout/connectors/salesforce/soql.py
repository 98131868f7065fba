"""SOQL as text: literals, SELECT, and lists of ids cut to what an address may hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

# The address and the headers together may have 16,384 bytes; the rest is for headers and host.
URL_ROOM = 12_000
ADDRESS_MOST = 14_000
_SAFE = "',().:*="


def text(value: str) -> str:
    """A string literal with its quotes."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    for raw, code in (("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
        escaped = escaped.replace(raw, code)
    return f"'{escaped}'"


def moment(value: datetime) -> str:
    """A date-time literal in UTC with milliseconds, without quotes."""
    utc = value.astimezone(UTC)
    return utc.strftime("%Y-%m-%dT%H:%M:%S.") + f"{utc.microsecond // 1000:03d}Z"


def parse_moment(value: str) -> datetime:
    """An aware time from the wire's form `2026-03-31T09:14:02.000+0000`."""
    return datetime.fromisoformat(value).astimezone(UTC)


def stamp(value: datetime) -> str:
    """The wire's own form of a time: `2026-03-31T09:14:02.000+0000`."""
    return moment(value).replace("Z", "+0000")


def earlier(value: str, seconds: int) -> str:
    """A stamp of the wire that lies so many seconds before another."""
    return stamp(parse_moment(value) - timedelta(seconds=seconds))


def since(path: str, value: str) -> str:
    """A condition: the stamp at that path is not before this one."""
    return f"{path} >= {moment(parse_moment(value))}"


def after(value: str, record_id: str) -> str:
    """A condition: the row comes after this one in the order of stamp and id."""
    at = moment(parse_moment(value))
    return f"(SystemModstamp > {at} OR (SystemModstamp = {at} AND Id > {text(record_id)}))"


def one_of(path: str, values: Sequence[str]) -> str:
    """A condition: the value at that path is one of these."""
    return f"{path} IN ({','.join(text(value) for value in values)})"


def select(
    columns: Sequence[str],
    source: str,
    *,
    where: Sequence[str] = (),
    order: str = "",
    limit: int | None = None,
) -> str:
    """A statement. The conditions hold all together."""
    # Names come from the org's describe, values are quoted by `text`.
    statement = f"SELECT {','.join(columns)} FROM {source}"  # noqa: S608
    if where:
        statement += f" WHERE {' AND '.join(where)}"
    if order:
        statement += f" ORDER BY {order}"
    if limit is not None:
        statement += f" LIMIT {limit}"
    return statement


def encoded(statement: str) -> str:
    """The statement as the value of `q` in an address."""
    return quote(statement, safe=_SAFE).replace("%20", "+")


def chunks(values: Sequence[str], columns: Sequence[str], most: int = 400) -> Iterator[list[str]]:
    """The ids in pieces, each of which fits into one address with those columns."""
    room = URL_ROOM - len(encoded(",".join(columns))) - 400
    each = len(encoded(text("0" * 18))) + 1
    size = max(1, min(most, room // each))
    for start in range(0, len(values), size):
        yield list(values[start : start + size])
