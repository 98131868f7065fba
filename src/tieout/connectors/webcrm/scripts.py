"""The scripts of `/Queries`: a SELECT with every value escaped, and names that are names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
# So many ids that a script stays well below two thousand characters in the address.
IDS_MOST = 30


def text(value: str) -> str:
    """A text as a script has it: in single quotes, an inner one doubled."""
    return "'" + value.replace("'", "''") + "'"


def moment(value: datetime) -> str:
    """A time as a script has it: with its zone, so that nobody has to guess one."""
    utc = value.astimezone(UTC)
    return text(f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}0000Z")


def name(value: str) -> str:
    """A name of a table or field. Raises ValueError for anything else."""
    if not _NAME.fullmatch(value):
        raise ValueError(f"{value!r} is no name of a field")
    return value


def select(table: str, *, where: str = "", order: str = "", columns: Sequence[str] = ()) -> str:
    """A whole script. Without columns all that the table has."""
    listed = ", ".join(name(column) for column in columns) if columns else "*"
    found = f"SELECT {listed} FROM {name(table)}"  # noqa: S608 - names are checked
    if where:
        found += f" WHERE {where}"
    if order:
        found += f" ORDER BY {name(order)} ASC"
    return found


def any_id(field: str, ids: Iterable[int]) -> str:
    """A condition that holds for each of these ids; there is no IN."""
    return " OR ".join(f"{name(field)} = {int(one)}" for one in ids)


def chunks(ids: Iterable[int]) -> Iterator[list[int]]:
    """The ids in parts that fit into one script."""
    left = iter(ids)
    while part := list(islice(left, IDS_MOST)):
        yield part
