"""The report as CSV: one row a deal or document, one column a cause, so that columns add up."""

from __future__ import annotations

import csv
import io
import re
from decimal import Decimal

from tieout.core.chain import Cause
from tieout.core.tieout import DealRow, TieOut
from tieout.report.words import CAUSES, amount, deal_note

_HEAD = ("kind", "deal", "title", "customer", "link", "steps", "currency")
_TAIL = ("what happened", "evidence", "who acts")
# A spreadsheet takes a cell that starts so for a formula.
_FORMULA_STARTS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
# Where a spreadsheet's own separator is the semicolon, as in half of Europe, it begins a cell there
# in our files too, and a row at the end of a line: it sees no quotes that begin inside a cell.
_BEGINS_INSIDE = re.compile(
    rf"([;\t\r\n][\s\ufeff\u200b\"]*)(?=[{re.escape(''.join(_FORMULA_STARTS))}])"
)


def tie_out_csv(result: TieOut, delimiter: str = ",") -> str:
    """
    All rows, those that agree too. Amounts are plain numbers with two decimals.

    Text that a spreadsheet would run as a formula gets an apostrophe in front.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\r\n")
    writer.writerow([*_HEAD, "sold", "invoiced", "gap", "paid", *CAUSES.values(), *_TAIL])
    for row in result.rows:
        writer.writerow(_cells(row, result.currency))
    return out.getvalue()


def tie_out_csv_bytes(result: TieOut, delimiter: str = ",") -> bytes:
    """The same in UTF-8 with the mark by which spreadsheets know it."""
    return tie_out_csv(result, delimiter).encode("utf-8-sig")


def plain_text(text: str) -> str:
    """The text as a cell that stays text: `=1+1` becomes `'=1+1`, and `AB;=1+1` `AB;'=1+1`."""
    text = _BEGINS_INSIDE.sub(r"\1'", text)
    starts = text.lstrip(" \t\r\n\u00a0\ufeff\u200b")
    return (
        f"'{text}"
        if starts.startswith(_FORMULA_STARTS) or (text[:1] in "\t\r\n" and text)
        else text
    )


def _cells(row: DealRow, currency: str) -> list[str]:
    sums = dict.fromkeys(Cause, Decimal(0))
    for part in row.parts:
        sums[part.cause] += part.amount
    evidence = "; ".join(
        f"{CAUSES[p.cause]} {amount(p.amount)}: {p.evidence}" + (f" ({p.ref})" if p.ref else "")
        for p in row.parts
    )
    acts = ", ".join(sorted({p.acts for p in row.parts if p.acts}))
    texts = (row.kind.value, row.number, row.title, row.customer, row.link or "")
    return [
        *(plain_text(text) for text in texts),
        str(row.steps),
        currency,
        *(f"{value:.2f}" for value in (row.sold, row.invoiced, row.gap, row.paid)),
        *(f"{sums[cause]:.2f}" for cause in CAUSES),
        *(plain_text(text) for text in (deal_note(row), evidence, acts)),
    ]
