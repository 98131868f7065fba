"""The report as data for JSON, and its digest."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from tieout.core.ageing import Ageing
from tieout.core.chain import Part
from tieout.core.receivables import Receivables
from tieout.core.tieout import CauseTotal, DealRow, Group, TieOut
from tieout.report.context import Report
from tieout.report.words import cause_note, deal_note, is_month, period_code

Data = dict[str, Any]


def report_data(report: Report) -> Data:
    """
    Everything the report shows, ready for JSON: money as amount (a string) and currency,
    days as ISO dates, times in UTC, what is absent as None.
    """
    result, context = report.tie_out, report.context
    return {
        "month": period_code(result.period) if is_month(result.period) else None,
        "period": {"start": _day(result.period.start), "end": _day(result.period.end)},
        "cut_off": _day(result.cut_off),
        "currency": result.currency,
        "company": context.company,
        "bridge": context.bridge,
        "books": context.books,
        "time_zone": context.time_zone,
        "read_at": _moment(context.read_at),
        "filed_at": _moment(context.filed.at) if context.filed else None,
        "filed_by": context.filed.by if context.filed else None,
        "config_version": context.config_version or None,
        "run": context.run or None,
        "definitions": list(context.definitions),
        "digest": context.digest or digest(report),
        **figures(report),
    }


def figures(report: Report) -> Data:
    """The figures alone: what the digest is taken over, the same whenever it is printed."""
    result = report.tie_out
    money = _Money(result.currency)
    return {
        "sold": money(result.sold),
        "invoiced": money(result.invoiced),
        "gap": money(result.gap),
        "paid": money(result.paid),
        "unexplained": money(result.unexplained),
        "unexplained_net": money(result.unexplained_net),
        "explained": result.explained,
        "ledger_read": result.ledger_read,
        "deals": result.deal_count,
        "groups": {g.value: money(result.group_total(g)) for g in Group},
        "causes": [_cause(c, money) for c in result.causes],
        "rows": [_row(r, money) for r in result.rows],
        "by_period": _by_period(result, money),
        "net_to_gross": _net_to_gross(result, money),
        "receivables": _receivables(report.receivables),
        "ageing": _ageing(report.ageing),
    }


def digest(report: Report) -> str:
    """SHA-256 in hex over the period, cut-off and figures in one fixed form of JSON."""
    bare = replace(report.context, digest="")
    content = {
        "schema": "tieout.report/1",
        "company": bare.company,
        "bridge": bare.bridge,
        "books": bare.books,
        "period": period_code(report.tie_out.period),
        "cut_off": _day(report.tie_out.cut_off),
        "config_version": bare.config_version,
        "definitions": list(bare.definitions),
        **figures(report),
    }
    text = json.dumps(content, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


class _Money:
    """Writes amounts of one currency with their scale."""

    def __init__(self, currency: str) -> None:
        self.currency = currency

    def __call__(self, amount: Decimal) -> dict[str, str]:
        return {"amount": f"{amount:.2f}", "currency": self.currency}


def _day(day: date) -> str:
    return day.isoformat()


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _cause(total: CauseTotal, money: _Money) -> Data:
    return {
        "cause": total.cause.value,
        "group": total.group.value,
        "amount": money(total.amount),
        "deals": list(total.deals),
        "note": cause_note(total),
        "who_acts": list(total.acts),
    }


def _row(row: DealRow, money: _Money) -> Data:
    return {
        "kind": row.kind.value,
        "ref": row.ref,
        "number": row.number or None,
        "title": row.title or None,
        "customer": row.customer,
        "link": row.link,
        "note": deal_note(row),
        "steps": row.steps,
        "sold": money(row.sold),
        "invoiced": money(row.invoiced),
        "gap": money(row.gap),
        "paid": money(row.paid),
        "parts": [_part(p, money) for p in row.parts],
    }


def _part(part: Part, money: _Money) -> Data:
    return {
        "cause": part.cause.value,
        "amount": money(part.amount),
        "evidence": part.evidence,
        "ref": part.ref or None,
        "who_acts": part.acts or None,
        "day": _day(part.day) if part.day else None,
    }


def _by_period(result: TieOut, money: _Money) -> Data:
    return {
        "lines": [
            {
                "code": line.code,
                "month": f"{line.month:%Y-%m}" if line.month else None,
                "amount": money(line.amount),
            }
            for line in result.by_period
        ],
        "ledger_net": money(result.ledger_net),
        "sales_less_documents": money(result.sales_less_documents),
    }


def _net_to_gross(result: TieOut, money: _Money) -> Data:
    sums = result.net_to_gross
    return {
        "net": money(sums.net),
        "tax": money(sums.tax),
        "rounding": money(sums.rounding),
        "gross": money(sums.gross),
        "unbalanced": list(sums.unbalanced),
    }


def _receivables(rolled: Receivables | None) -> Data | None:
    if rolled is None:
        return None
    money = _Money(rolled.currency)
    return {
        "opening": money(rolled.opening),
        "opening_day": _day(rolled.opening_day),
        "day": _day(rolled.day),
        "movements": [{"code": c, "amount": money(a)} for c, a in rolled.movements.lines],
        "rolled_forward": money(rolled.rolled_forward),
        "open_items": money(rolled.open_items),
        "control_account": rolled.control_account or None,
        "control": None if rolled.control is None else money(rolled.control),
        "vouchers": [
            {"number": v.number, "text": v.text, "amount": money(v.amount)} for v in rolled.vouchers
        ],
        "unexplained": money(rolled.unexplained),
    }


def _ageing(aged: Ageing | None) -> Data | None:
    if aged is None:
        return None
    money = _Money(aged.currency)
    columns = (*aged.buckets, *aged.beside)
    return {
        "day": _day(aged.day),
        **{code: money(amount) for code, amount in columns},
        "total": money(aged.total),
    }
