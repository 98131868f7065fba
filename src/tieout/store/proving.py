"""What we know of billing steps, to be held against what the systems themselves show."""

from __future__ import annotations

from tieout.store.database import Tx


def current_refs(tx: Tx, bridge: str) -> dict[str, set[str]]:
    """Ids of the records that we know as a document place's own, by its 13 characters."""
    found: dict[str, set[str]] = {}
    for row in tx.rows(
        "SELECT s.key13, r.id FROM slot s JOIN ref r ON r.workspace = s.workspace"
        " AND r.key13 = s.key13 AND r.role = 'current' WHERE s.workspace = %(ws)s"
        " AND s.bridge = %(bridge)s AND s.kind = 'D'",
        bridge=bridge,
    ):
        found.setdefault(row[0], set()).add(row[1])
    return found


def current_parts(tx: Tx, bridge: str) -> dict[str, set[int]]:
    """The billing steps of each source that have a document of their own, as we know it."""
    found: dict[str, set[int]] = {}
    for source, part in tx.rows(
        "SELECT DISTINCT s.source_id, s.part FROM slot s JOIN ref r ON r.workspace = s.workspace"
        " AND r.key13 = s.key13 AND r.role = 'current' WHERE s.workspace = %(ws)s"
        " AND s.bridge = %(bridge)s AND s.kind = 'D'",
        bridge=bridge,
    ):
        found.setdefault(source, set()).add(part)
    return found


def reasons(tx: Tx, bridge: str) -> dict[tuple[str, int], str]:
    """
    Why a step has no live document, by (source, step): held, left out, waiting for approval, on
    its way, cancelled, planned only. A step whose document should be there has no reason.
    """
    found: dict[tuple[str, int], str] = {}
    for row in tx.rows(
        "SELECT o.source_id, o.part, o.verdict, o.reason, p.state, d.parked FROM outcome o"
        " LEFT JOIN operation p ON p.workspace = o.workspace AND p.key13 = o.key13 AND p.state IN"
        " ('ready', 'awaiting_approval', 'started', 'unknown', 'doubt') LEFT JOIN due d"
        " ON d.workspace = o.workspace AND d.lane = o.lane AND d.source_id = o.source_id"
        " WHERE o.workspace = %(ws)s AND starts_with(o.lane, %(prefix)s)"
        " ORDER BY o.lane, o.source_id, o.part",
        prefix=f"{bridge}/documents/",
    ):
        source, part, verdict, reason, state, parked = row
        told = ""
        if state is not None:
            told = state
        elif verdict in ("hold", "skip", "approval"):
            told = reason
        elif parked == "shadow":
            told = "shadow"
        elif verdict == "nothing" and reason == "credited":
            told = reason
        if told and (reason != "other_books" or (source, part) not in found):
            found[(source, part)] = told
    return found
