"""A plan as rows on a screen and as data."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING, Any

from tieout.cells import cells, cut, left
from tieout.cli.daily import deal_words, sums, sums_text
from tieout.cli.formats import amount, count, moment, money

if TYPE_CHECKING:
    from tieout.services.planning import Planned
    from tieout.store.plans import PlanLine

WIDTH = 100
NARROW_EDGE = 40
HEAD = 13  # where the name begins
NET_EDGE = 50
GROSS_ROOM = 11
FEW = 12

SIGNS = {"create": "+", "update": "~", "void": "-", "convert": "~", "credit": "+"}
ENTITIES = {
    "customer": "customer",
    "document": "draft",
    "standing": "status",
    "item": "item",
    "values": "values",
    "account": "account",
    "invoice": "invoice",
}
_LEFT_OUT = {
    "excluded_by_rule": "rule",
    "trigger_not_yet_true": "trigger",
    "other_books": "other books",
    "other_company": "other books",
    "left_out": "by a person",
    "zero_total": "total is zero",
    "deal_deleted": "deleted",
}


def kind_of(line: PlanLine) -> tuple[str, str]:
    """The sign and the word of a row; a sign never stands without its word."""
    match line.verdict:
        case "approval":
            return "?", "approve"
        case "hold":
            return "!", "exception"
        case "skip":
            return ".", "left out"
        case "wait":
            return ".", "on its way"
    word = ENTITIES.get(line.entity, line.entity)
    if line.entity == "document":
        word = "booking" if line.action == "convert" else line.kind or word
    return SIGNS.get(line.action, "~"), word


def title_line(plan: Planned, zone: tzinfo) -> str:
    """`Plan P-214  nordic  7 deals due, SEK 379,140.00 net, read 31 Oct 2026, 23:55`."""
    name = f"Plan {plan.name}" if plan.number is not None else "Plan"
    read = f"read {moment(plan.read_at, zone)}"
    deals = [line for line in plan.lines if line.entity == "document"]
    if not plan.lines:
        return f"{name}  {plan.bridge}  nothing to do, {read}"
    number = len({line.source_id for line in deals})
    total = sums([(line.net, line.currency) for line in deals])
    head = f"{name}  {plan.bridge}  {count(number, 'deal')} due"
    said = [f", {sums_text(total, named=True)} net" if total else ""]
    if len(total) > 1:
        said.append(f", {sums_text(total, named=True, most=1)} net")
    # With many currencies the first one has room, the others are counted.
    return next(
        (line for net in said if cells(line := f"{head}{net}, {read}") <= WIDTH),
        f"{head}, {read}",
    )


def plan_lines(
    plan: Planned, zone: tzinfo, *, full: bool, estimate: str = "", width: int = WIDTH
) -> list[str]:
    """The whole screen: title, rows by kind, and what it comes to; names give way to ``width``."""
    lines = [title_line(plan, zone)]
    if not plan.lines:
        return lines
    several = len({line.currency for line in plan.lines if line.currency}) > 1
    writes = [line for line in plan.lines if line.verdict == "write"]
    rows: list[Row] = []
    if any(line.net is not None for line in writes):
        rows.append(("", "", "net", "will show", ""))
    rows += _write_rows(writes, full, several)
    if writes:
        rows += _to_write(writes, estimate)
    for verdict in ("approval", "hold", "wait"):
        found = [line for line in plan.lines if line.verdict == verdict]
        shown = [line for line in found if full or not _only_shown(line)]
        rows += _few([_row(line, several) for line in shown], full, shown)
        if rest := len(found) - len(shown):
            rows.append((". on its way", f"{count(rest, 'record')} in the CRM", "", "", ""))
    rows += _left_out([line for line in plan.lines if line.verdict == "skip"], full)
    return [*lines, *_aligned(rows, full, width)]


def _only_shown(line: PlanLine) -> bool:
    """Whether it is what the CRM shows of a deal or a customer, and on its way there."""
    return line.verdict == "wait" and line.entity == "standing"


# (kind, name, net, gross, remark); a remark that begins with a comma follows directly
Row = tuple[str, str, str, str, str]


def _write_rows(writes: Sequence[PlanLine], full: bool, several: bool) -> list[Row]:
    shown = [line for line in writes if line.entity != "standing" or full]
    standings = [line for line in writes if line.entity == "standing"]
    rows: list[Row] = []
    for kind in dict.fromkeys(kind_of(line) for line in shown):
        mine = [line for line in shown if kind_of(line) == kind]
        rows += _few([_row(line, several) for line in mine], full, mine)
    if standings and not full:
        what = count(len(standings), "record")
        rows.append(("~ status", f"{what} in the CRM", "", "", ""))
    return rows


def _row(line: PlanLine, several: bool) -> Row:
    sign, word = kind_of(line)
    name = deal_name(line) if line.entity != "customer" else line.title
    net = "" if line.net is None else amount(line.net)
    remark, gross = "", ""
    if line.verdict == "write":
        gross = "" if line.gross is None else amount(line.gross)
        remark = line.message
        if line.other_gross is not None and line.other_gross != line.gross:
            remark = f"or {amount(line.other_gross)}" + (f", {remark}" if remark else "")
    elif line.verdict in ("approval", "wait"):
        remark = line.message
    elif line.verdict == "hold":
        remark = line.reason
    if several and line.currency and net:
        remark = f"{line.currency}  {remark}".strip()
    return (f"{sign} {word}", name.strip() or line.source_id, net, gross, remark)


def deal_name(line: PlanLine) -> str:
    """`D-108 Tallmo Skog AB`; a deal whose own title says the customer is not said twice."""
    return deal_words(line.number, line.title)


def _few(rows: list[Row], full: bool, lines: Sequence[PlanLine]) -> list[Row]:
    if full or len(rows) <= FEW:
        return rows
    rest = sums([(line.net, line.currency) for line in lines[FEW - 1 :]])
    net = amount(rest[0][0]) if len(rest) == 1 else ""
    more = f"and {len(rows) - FEW + 1:,} more, with --full"
    return [*rows[: FEW - 1], (rows[-1][0], more, net, "", "")]


def _to_write(writes: Sequence[PlanLine], estimate: str) -> list[Row]:
    nets = sums([(line.net, line.currency) for line in writes])
    grosses = {
        name: value for value, name in sums([(line.gross, line.currency) for line in writes])
    }
    if not nets:
        return [("  to write", f"{count(len(writes), 'change')}", "", "", estimate)]
    rows: list[Row] = []
    for net, currency in nets:
        gross = grosses.get(currency)
        remark = currency if len(nets) > 1 else estimate
        rows.append(("  to write", "", amount(net), "" if gross is None else amount(gross), remark))
    if len(nets) > 1 and estimate:
        rows.append(("  in all", estimate.removeprefix(", "), "", "", ""))
    return rows


def _left_out(lines: Sequence[PlanLine], full: bool) -> list[Row]:
    if not lines:
        return []
    if full:
        return [
            (
                ". left out",
                deal_name(line),
                "" if line.net is None else amount(line.net),
                "",
                _LEFT_OUT.get(line.reason, line.reason),
            )
            for line in lines
        ]
    reasons = list(dict.fromkeys(_LEFT_OUT.get(line.reason, line.reason) for line in lines))
    numbers = list(dict.fromkeys(line.number or line.source_id for line in lines))
    shown, named = ", ".join(numbers[:3]), len(numbers)
    while named > 1 and (len(numbers) > 3 or cells(shown) > NET_EDGE - HEAD):
        # As many by name as have room, and how many more there are.
        named = min(named - 1, 2)
        shown = f"{', '.join(numbers[:named])} and {len(numbers) - named:,} more"
        if cells(shown) <= NET_EDGE - HEAD:
            break
    total = sums([(line.net, line.currency) for line in lines])
    net = amount(total[0][0]) if len(total) == 1 else ""
    return [(". left out", shown, net, "", "; ".join(reasons))]


def _aligned(rows: Sequence[Row], full: bool, width: int) -> list[str]:
    longest = max((cells(row[1]) + 2 + len(row[2]) for row in rows if row[2]), default=0)
    gross_room = max(GROSS_ROOM, *(len(row[3]) + 1 for row in rows))
    # However long a name is, what the plan comes to stays whole.
    told = max((cells(row[4]) for row in rows if row[4].startswith(",")), default=0)
    least = NET_EDGE if width >= WIDTH or full else NARROW_EDGE
    wanted = max(NET_EDGE, HEAD + longest)
    if width < WIDTH:
        # What stands behind an amount has to have room.
        behind = max((cells(row[4]) + 2 for row in rows if row[2] and not row[3]), default=0)
        wanted = min(wanted, width - max(behind, gross_room + told))
    edge = max(least, min(wanted, 70, WIDTH - gross_room - told))
    return [_text(row, edge, gross_room, full, width) for row in rows]


def _text(row: Row, edge: int, gross_room: int, full: bool, width: int) -> str:
    kind, name, net, gross, remark = row
    room = edge - HEAD - (len(net) + 2 if net else 0)
    head = f"{kind:<{HEAD}}{name if full else cut(name, room)}"
    text = f"{head}{net:>{edge - cells(head)}}" if net else head
    follows = remark.startswith(",") and not net
    if gross or (not net and remark and not follows) or kind.startswith(("+", "~", "-")):
        text = f"{left(text, edge)}{gross:>{gross_room}}"
    if remark:
        text = f"{text}{remark}" if remark.startswith(",") else f"{text}  {remark}"
        if cells(text) > width and not gross and not net:
            # Where no amounts stand, the remark begins as far left as it has to.
            at = max(cells(head) + 2, min(edge + gross_room + 2, width - cells(remark)))
            text = f"{left(head, at)}{remark}"
    text = text.rstrip()
    return text if full else cut(text, WIDTH if width < 60 else width)


def line_data(line: PlanLine) -> dict[str, Any]:
    """A row in the JSON output."""
    sign, word = kind_of(line)
    return {
        "sign": sign,
        "kind": word.replace(" ", "_"),
        "entity": line.entity,
        "lane": line.lane,
        "source_id": line.source_id,
        "step": line.part,
        "number": line.number or None,
        "title": line.title or None,
        "verdict": line.verdict,
        "reason": line.reason or None,
        "message": line.message or None,
        "action": line.action or None,
        "net": money(line.net, line.currency),
        "will_show": money(line.gross, line.currency),
        "or_show": money(line.other_gross, line.currency),
        "differs": list(line.differs),
        "digest": line.digest or None,
    }


def plan_data(plan: Planned) -> dict[str, Any]:
    """A plan in the JSON output."""
    writes = plan.writes
    return {
        "plan": plan.name if plan.number is not None else None,
        "hash": plan.hash,
        "config_version": plan.config_version,
        "read_at": plan.read_at,
        "items": [line_data(line) for line in plan.lines],
        "count": len(plan.lines),
        "next_cursor": None,
        "to_write": {
            "changes": len(writes),
            "net": [
                money(value, currency)
                for value, currency in sums([(line.net, line.currency) for line in writes])
            ],
        },
        "brakes": [
            {"code": brake.code, "message": brake.message, "connection": brake.connection}
            for brake in plan.brakes
        ],
    }
