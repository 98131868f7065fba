"""Tie-outs that a run did by itself: their figures in the activity log, their exception."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from tieout.store.cases import close_others, open_exception
from tieout.store.database import Tx

DISAGREE = "figures_disagree"


def last(tx: Tx, bridge: str) -> datetime | None:
    """When the bridge was tied out by itself the last time; None: never."""
    row = tx.row(
        "SELECT at FROM (SELECT seq, at, entries FROM activity WHERE workspace = %(ws)s"
        " AND position('\"tied_out\"'::bytea IN entries) > 0 ORDER BY seq DESC) AS found"
        " WHERE EXISTS (SELECT 1 FROM jsonb_array_elements(convert_from(entries, 'UTF8')::jsonb)"
        " AS entry WHERE entry ->> 'kind' = 'tied_out' AND entry ->> 'bridge' = %(bridge)s)"
        " LIMIT 1",
        bridge=bridge,
    )
    return None if row is None else row[0]


def keep(
    tx: Tx,
    *,
    bridge: str,
    books: str,
    company: str,
    figures: Mapping[str, str],
    message: str,
    owner: str,
    now: datetime,
) -> int | None:
    """
    The figures into the activity log. With a ``message`` an exception is opened, or tried again,
    and its number given; without one what was open of these books is closed.
    """
    tx.log("tied_out", bridge=bridge, books=books, **figures)
    lane = f"{bridge}/tie-out/{books}"
    close_others(tx, lane, books, [DISAGREE] if message else [], now, "the figures agree")
    if not message:
        return None
    number = open_exception(
        tx,
        bridge=bridge,
        lane=lane,
        source_id=books,
        key13=None,
        code=DISAGREE,
        message=message,
        hint="tieout reconcile names them.",
        details={"number": books, "title": company},
        candidates=[],
        amount=None,
        currency="",
        now=now,
    )
    if owner:
        tx.run(
            "UPDATE exception_case SET owner = %(owner)s WHERE workspace = %(ws)s"
            " AND number = %(number)s",
            owner=owner,
            number=number,
        )
    return number
