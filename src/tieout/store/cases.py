"""Exceptions: opened once per place and code, closed when what they say is no longer so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from tieout.core.case import Decision, Verdict
from tieout.core.finding import Finding, Severity
from tieout.core.model import ExternalRef
from tieout.store import codec
from tieout.store.database import Tx


def settle_exceptions(tx: Tx, bridge: str, decisions: Sequence[Decision], now: datetime) -> None:
    """Findings that stop are open exceptions; those that stopped before and do not, are closed."""
    stops: dict[tuple[str, str], dict[str, tuple[list[Decision], list[Finding]]]] = {}
    for decision in decisions:
        by_code = stops.setdefault((decision.lane, decision.source_id), {})
        if decision.verdict is Verdict.HOLD:
            for finding in decision.findings:
                if finding.severity is Severity.ERROR:
                    held, found = by_code.setdefault(finding.code, ([], []))
                    found.append(finding)
                    if not held or held[-1] is not decision:
                        held.append(decision)
    for place, code in _open_codes(tx, list(stops)):
        if code not in stops[place]:
            close_others(tx, *place, list(stops[place]), now, "settled by itself")
    for (lane, source_id), by_code in stops.items():
        for code, (held, findings) in by_code.items():
            decision = held[0]
            open_exception(
                tx,
                bridge=bridge,
                lane=lane,
                source_id=source_id,
                key13=decision.state.key13 if decision.state else None,
                code=code,
                message=" ".join(dict.fromkeys(f.message for f in findings)),
                hint=findings[0].hint,
                details={
                    "number": decision.number,
                    "title": decision.title,
                    "places": [f.place for f in findings],
                    "values": [dict(f.values) for f in findings],
                    "hold_on": findings[0].hold_on,
                },
                candidates=(),
                amount=_net_of_steps(held),
                currency=decision.currency,
                now=now,
            )


def _net_of_steps(held: Sequence[Decision]) -> Decimal | None:
    """What the steps come to that are held for one reason."""
    nets = [one.net for one in held if one.net is not None]
    return sum(nets, Decimal(0)) if nets else None


def _open_codes(tx: Tx, places: Sequence[tuple[str, str]]) -> list[tuple[tuple[str, str], str]]:
    """The open exceptions of these sources: (lane, source), code."""
    by_lane: dict[str, list[str]] = {}
    for lane, source_id in places:
        by_lane.setdefault(lane, []).append(source_id)
    return [
        ((lane, row[0]), row[1])
        for lane, sources in by_lane.items()
        for row in tx.rows(
            "SELECT source_id, code FROM exception_case WHERE workspace = %(ws)s"
            " AND lane = %(lane)s AND source_id = ANY(%(ids)s) AND closed_at IS NULL"
            " ORDER BY source_id, number",
            lane=lane,
            ids=sources,
        )
        if row[1] not in NOT_BY_DECISION
    ]


def open_exception(
    tx: Tx,
    *,
    bridge: str,
    lane: str,
    source_id: str,
    key13: str | None,
    code: str,
    message: str,
    hint: str,
    details: dict[str, Any],
    candidates: Sequence[ExternalRef],
    amount: Any,
    currency: str,
    now: datetime,
    severity: str = "error",
) -> int:
    """
    The number of the exception: a new one, or the open one of this source, tried again.

    Of what a decision says a source has one for each code, over all its billing steps, and it names
    the place of the first that is held; of what a look or a read found each place has its own.
    """
    found = tx.row(
        "UPDATE exception_case SET tries = tries + 1, tried_at = %(now)s, message = %(message)s,"
        " hint = %(hint)s, details = %(details)s, candidates = %(candidates)s,"
        # An answer goes to the place that is named: the one that is held now, not the one that was.
        " amount = %(amount)s, currency = %(currency)s, key13 = %(key13)s"
        " WHERE workspace = %(ws)s"
        " AND lane = %(lane)s AND source_id = %(source)s AND code = %(code)s"
        " AND (NOT %(own)s OR key13 IS NOT DISTINCT FROM %(key13)s)"
        " AND closed_at IS NULL RETURNING number",
        lane=lane,
        source=source_id,
        key13=key13,
        own=code in NOT_BY_DECISION,
        code=code,
        message=message,
        hint=hint,
        details=codec.encode_text(details),
        candidates=codec.encode_text([str(ref) for ref in candidates]),
        amount=amount,
        currency=currency,
        now=now,
    )
    if found is not None:
        return int(found[0])
    number = tx.number("exception")
    tx.run(
        "INSERT INTO exception_case (workspace, number, bridge, lane, source_id, key13, code,"
        " message, hint, severity, candidates, details, amount, currency, tries, opened_at,"
        " tried_at) VALUES (%(ws)s, %(number)s, %(bridge)s, %(lane)s, %(source)s, %(key13)s,"
        " %(code)s, %(message)s, %(hint)s, %(severity)s, %(candidates)s, %(details)s, %(amount)s,"
        " %(currency)s, 1, %(now)s, %(now)s)",
        number=number,
        bridge=bridge,
        lane=lane,
        source=source_id,
        key13=key13,
        code=code,
        message=message,
        hint=hint,
        severity=severity,
        candidates=codec.encode_text([str(ref) for ref in candidates]),
        details=codec.encode_text(details),
        amount=amount,
        currency=currency,
        now=now,
    )
    tx.log("exception.opened", number=number, code=code, source=source_id)
    return number


# Opened by the resolver or the reader, not by a decision: only their own end closes them.
NOT_BY_DECISION = (
    "two_carriers",
    "copy",
    "near_hit",
    "look_incomplete",
    "absent_three_times",
    "total_differs",
    "found_for_closed_deal",
    "found_after_deletion",
    "old_generation_alive",
    "accounts_merged",
)


def close_others(
    tx: Tx, lane: str, source_id: str, keep: Sequence[str], now: datetime, reason: str
) -> None:
    """Exceptions of a source that are not among the codes to keep are closed, with the reason."""
    rows = tx.rows(
        "UPDATE exception_case SET closed_at = %(now)s, closed_by = 'tieout',"
        " closed_reason = %(reason)s WHERE workspace = %(ws)s AND lane = %(lane)s"
        " AND source_id = %(source)s AND closed_at IS NULL AND NOT (code = ANY(%(keep)s))"
        " RETURNING number, code",
        now=now,
        reason=reason,
        lane=lane,
        source=source_id,
        keep=[*keep, *NOT_BY_DECISION],
    )
    for row in rows:
        tx.log("exception.closed", number=int(row[0]), code=row[1])


def close_one(tx: Tx, lane: str, source_id: str, code: str, now: datetime, reason: str) -> None:
    """The open exception of a source with that code, where there is one, is closed."""
    close_many(tx, lane, [source_id], code, now, reason)


def close_many(
    tx: Tx, lane: str, source_ids: Sequence[str], code: str, now: datetime, reason: str
) -> None:
    """The open exceptions of these sources with that code are closed; '' takes any code."""
    rows = tx.rows(
        "UPDATE exception_case SET closed_at = %(now)s, closed_by = 'tieout',"
        " closed_reason = %(reason)s WHERE workspace = %(ws)s AND lane = %(lane)s"
        " AND source_id = ANY(%(sources)s) AND closed_at IS NULL AND %(code)s IN ('', code)"
        " RETURNING number, code",
        now=now,
        reason=reason,
        lane=lane,
        sources=list(source_ids),
        code=code,
    )
    for row in rows:
        tx.log("exception.closed", number=int(row[0]), code=row[1])
