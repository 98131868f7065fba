"""The report as lines for a terminal, at most 100 columns wide."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from tieout.cells import cells as columns_of
from tieout.cells import cut, left
from tieout.core.ageing import Ageing
from tieout.core.receivables import Receivables
from tieout.core.tieout import CauseTotal, Group, RowKind, TieOut
from tieout.report.context import Report
from tieout.report.words import (
    AGES,
    CAUSES,
    GROUPS,
    MOVEMENTS,
    amount,
    count,
    day_full,
    day_long,
    day_short,
    deal_note,
    gross_line,
    ledger_line,
    moment,
    period_line,
    period_name,
    rounding_of_totals,
    unexplained_sentences,
)

WIDTH = 100
EXPLAINED = "Explained to the cent."
_EDGE = 37  # right edge of the amounts in the usual case

Line = tuple[str, Decimal, str]  # label, amount, remark


def reconcile_lines(report: Report) -> list[str]:
    """
    The verdict, the four figures, and every cause with its deals.

    Anything unexplained comes first, a line for each amount, and the verdict is not said.
    """
    result = report.tie_out
    rows: list[Line] = [
        ("Sold", result.sold, count(result.deal_count, "deal")),
        ("Invoiced", result.invoiced, "by the cut-off, after credit notes"),
        ("Gap", result.gap, ""),
        ("Unexplained", result.unexplained, _ledger_remark(result)),
    ]
    for group, name in GROUPS.items():
        causes = result.in_group(group)
        if causes:
            rows.append((name, result.group_total(group), ""))
            rows.extend((f"  {CAUSES[c.cause]}", c.amount, _deals(c)) for c in causes)
    return [*verdict_lines(report), *table_lines(rows)]


def verdict_lines(report: Report) -> list[str]:
    """The verdict with what it is about; one line, or one for each unexplained amount."""
    result = report.tie_out
    about = _about(report)
    if result.explained:
        line = f"{EXPLAINED}  {about}"
        return [line] if columns_of(line) <= WIDTH else [EXPLAINED, about]
    found = [f"UNEXPLAINED {amount(size)}: {text}." for size, text in unexplained_sentences(result)]
    if not result.ledger_read:
        found.append("NOT COMPARED: the ledger's own list was not read.")
    return [*found, about]


def deal_lines(result: TieOut) -> list[str]:
    """A line for each deal and each document without one, with its causes."""
    numbers = [row.number or "no deal" for row in result.rows]
    longest = max((columns_of(number) for number in numbers), default=4)
    amounts = [(amount(r.sold), amount(r.invoiced), amount(r.gap)) for r in result.rows]
    total = (amount(result.sold), amount(result.invoiced), amount(result.gap))
    widths = [max(len(a[n]) for a in (*amounts, total, ("", "Invoiced", ""))) for n in range(3)]
    head = ("Sold", "Invoiced", "Gap")
    free = WIDTH - sum(widths) - 10 - 24
    # A deal that goes by a long name leaves room for its customer and its cause.
    first = min(longest, max(free - 12, 14))
    room = max(free - first, 12)

    def line(number: str, customer: str, cells: Sequence[str], cause: str) -> str:
        figures = "  ".join(f"{c:>{w}}" for c, w in zip(cells, widths, strict=True))
        name = left(cut(customer, room), room)
        return f"{left(cut(number, first), first)}  {name}  {figures}  {cause}".rstrip()

    lines = [line("Deal", "Customer", head, "Cause")]
    for number, row, cells in zip(numbers, result.rows, amounts, strict=True):
        causes = list(dict.fromkeys(CAUSES[p.cause] for p in row.parts)) or ["agrees"]
        lines.append(line(number, row.customer, cells, causes[0]))
        lines.extend(line("", "", ("", "", ""), cause) for cause in causes[1:])
    return [*lines, line("", "Total", total, "")]


def period_lines(result: TieOut) -> list[str]:
    """What the ledger booked in the period, whenever it was sold; then from net to gross."""
    sums = result.net_to_gross
    rows: list[Line] = [(period_line(p, result), p.amount, "") for p in result.by_period]
    rows.append((ledger_line(result), result.ledger_net, ""))
    if result.ledger_read:
        rows.append(("VAT", sums.tax, ""))
        rows.append((rounding_of_totals(result.currency), sums.rounding, ""))
        if sums.rest:
            rows.append(("Does not add up", sums.rest, ", ".join(sums.unbalanced)))
        rows.append((gross_line(result.period), sums.gross, ""))
    return table_lines(rows)


def receivables_lines(rolled: Receivables, aged: Ageing | None = None) -> list[str]:
    """From the opening balance to the control account, then the open items by age; gross."""
    rows: list[Line] = [(f"Opening, {day_full(rolled.opening_day)}", rolled.opening, "")]
    rows.extend((MOVEMENTS[c], a, "") for c, a in rolled.movements.lines if a)
    if rolled.items_difference:
        rows.append(("UNEXPLAINED", rolled.items_difference, "open items against the movements"))
    rows.append((f"Open items, {day_full(rolled.day)}", rolled.open_items, ""))
    if rolled.control is not None:
        rows.extend((f"Manual voucher {v.number}", v.amount, v.text) for v in rolled.vouchers)
        if rolled.control_rest:
            rows.append(("UNEXPLAINED", rolled.control_rest, "control account"))
        rows.append((f"Control account {rolled.control_account}".rstrip(), rolled.control, ""))
    ages: list[Line] = []
    if aged is not None:
        ages = [(AGES[c], a, "") for c, a in (*aged.buckets, *(b for b in aged.beside if b[1]))]
        ages.append(("Open items", aged.total, ""))
    lines = table_lines([*rows, *ages])  # one edge for both
    head = f"Receivables, {rolled.currency} gross"
    if not ages:
        return [head, *lines]
    by_age = f"Open items by age, from their due date to {day_short(rolled.day)}"
    return [head, *lines[: len(rows)], "", by_age, *lines[len(rows) :]]


def note_lines(result: TieOut) -> list[str]:
    """What happened to each deal that has a gap, for `--full`."""
    return [
        f"{row.number or 'no deal'}  {row.customer}: {deal_note(row)}"
        for row in result.rows
        if row.parts and row.kind is not RowKind.LEDGER
    ]


def table_lines(rows: Iterable[Line]) -> list[str]:
    """Labels to the left, amounts with one right edge, remarks behind."""
    found = [(label, amount(value), remark) for label, value, remark in rows]
    edge = max([_EDGE, *(columns_of(label) + 2 + len(value) for label, value, _ in found)])
    return [
        f"{label}{value:>{edge - columns_of(label)}}  {cut(remark, WIDTH - edge - 2)}".rstrip()
        for label, value, remark in found
    ]


def _about(report: Report) -> str:
    result, context = report.tie_out, report.context
    same_year = result.cut_off.year == result.period.end.year
    cut_off = day_short(result.cut_off) if same_year else day_long(result.cut_off)
    return (
        f"{context.bridge}, {period_name(result.period)}, {result.currency} net, "
        f"cut-off {cut_off}, read {moment(context.read_at)}"
    )


def _ledger_remark(result: TieOut) -> str:
    if result.ledger_read:
        return "against the ledger's own list"
    return "the ledger's own list was not read"


def _deals(total: CauseTotal, room: int = WIDTH - _EDGE - 2) -> str:
    """The deals' numbers, as many as fit, and how many more there are."""
    if not total.deals:
        documents = [p.evidence for p in total.parts]
        return documents[0] if len(documents) == 1 else count(len(documents), "document")
    shown = ", ".join(total.deals)
    kept = len(total.deals)
    while columns_of(shown) > room and kept > 1:
        kept -= 1
        more = f" and {len(total.deals) - kept} more"
        # However long the only name is, how many more there are stays whole.
        named = ", ".join(total.deals[:kept])
        shown = (cut(named, room - len(more)) if kept == 1 else named) + more
    return shown


__all__ = [
    "Group",
    "deal_lines",
    "note_lines",
    "period_lines",
    "receivables_lines",
    "reconcile_lines",
    "table_lines",
    "verdict_lines",
]
