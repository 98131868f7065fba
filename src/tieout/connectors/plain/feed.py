"""Reading by stamp: cursors over several lists and a feed of what is gone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from tieout.connectors.http.json import dumps, loads
from tieout.connectors.plain.api import UNREADABLE, Answer, PlainApi, Row
from tieout.core.errors import UnreadableError
from tieout.core.finding import Finding, unreadable
from tieout.core.model import ExternalRef, Record
from tieout.ports import Gone, Page


class Position:
    """How far each list was read (highest stamp) and the feed of the gone (its last number)."""

    def __init__(self, cursor: bytes | None) -> None:
        stored: dict[str, Any] = loads(cursor) if cursor else {}
        self.stamps: dict[str, str] = dict(stored.get("stamps", {}))
        self.gone: int = stored.get("gone", 0)

    def since(self, path: str, overlap_s: int) -> str:
        """From where a list is read: its stamp less the overlap, '' for the beginning."""
        stamp = self.stamps.get(path)
        if not stamp:
            return ""
        return (datetime.fromisoformat(stamp) - timedelta(seconds=overlap_s)).isoformat()

    def saw(self, path: str, stamp: str) -> None:
        """A row with that stamp was read; stamps never go back."""
        before = self.stamps.get(path)
        if before is None or datetime.fromisoformat(stamp) > datetime.fromisoformat(before):
            self.stamps[path] = stamp

    def stored(self) -> bytes:
        """The cursor."""
        return dumps({"stamps": self.stamps, "gone": self.gone})


async def changed(
    api: PlainApi,
    paths: Sequence[str],
    position: Position,
    overlap_s: int,
    ref_of: Callable[[str, Row], ExternalRef],
    read: Callable[[str, Row], Record],
) -> AsyncIterator[Page]:
    """Pages of changed rows of some lists, oldest first, so that each cursor is safe to store."""
    for path in paths:
        since = position.since(path, overlap_s)
        query = (("since", since),) if since else ()
        began: datetime | None = None
        async for answer in api.pages(f"/{path}", query):
            began = began or answer.at
            yield _page(path, answer, position, ref_of, read)
        if began is not None:
            # All that was stamped before this read began was read, late commits apart.
            position.saw(path, began.isoformat())


def _page(
    path: str,
    answer: Answer,
    position: Position,
    ref_of: Callable[[str, Row], ExternalRef],
    read: Callable[[str, Row], Record],
) -> Page:
    records: list[Record] = []
    unread: list[tuple[ExternalRef, Finding]] = []
    for row in answer.value["rows"]:
        try:
            with understood(row):
                records.append(read(path, row))
        except UnreadableError as error:
            finding = unreadable(error.message, id=str(row.get("id")))
            unread.append((ref_of(path, row), finding))
        position.saw(path, row["changed_at"])
    return Page(records=tuple(records), unread=tuple(unread), cursor=position.stored())


async def gone(
    api: PlainApi, position: Position, ref_of: Callable[[Row], Gone | None]
) -> AsyncIterator[Page]:
    """One page with what was deleted or merged since; it ends a read."""
    answer = await api.read("/gone", (("after", str(position.gone)),))
    found = [entry for row in answer.value["rows"] if (entry := ref_of(row)) is not None]
    position.gone = answer.value["last"]
    yield Page(gone=tuple(found), cursor=position.stored())


@contextmanager
def understood(row: Row) -> Iterator[None]:
    """What a translation of a row raises becomes `UnreadableError`."""
    try:
        yield
    except UNREADABLE as error:
        raise UnreadableError(not_understood(row, error).message) from error


def not_understood(row: Row, error: Exception) -> Finding:
    """A row that this connector cannot read; it is shown, never dropped."""
    named = str(row.get("id"))
    return unreadable(f"A record ({named}) was not understood: {error}.", id=named)
