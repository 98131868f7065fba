"""The tie-out report as one HTML file: no network, no script needed, safe to mail and to print."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import cache
from importlib.resources import files

from tieout.core.ageing import Ageing
from tieout.core.chain import Cause
from tieout.core.receivables import Receivables
from tieout.core.tieout import CauseTotal, DealRow, Group, RowKind, TieOut
from tieout.report.context import Report
from tieout.report.data import digest
from tieout.report.markup import (
    CHECK,
    MARKS,
    SIGNS,
    Axis,
    amount_cell,
    big_number,
    link,
    mark,
    mark_of,
    note_text,
    number,
    text,
)
from tieout.report.words import (
    AGES,
    CAUSES,
    GROUPS,
    MOVEMENTS,
    NOT_ASKED,
    cause_note,
    count,
    day_full,
    day_long,
    deal_note,
    gap_note,
    gross_line,
    ledger_line,
    moment,
    period_line,
    period_name,
    period_short,
    rounding_of_totals,
    sentence,
    unexplained_sentences,
)

MOST_DEALS = 500  # beyond it, deals that agree are one row; the CSV has them all
_FEW_DEALS = 2
_WIDE = Decimal(100_000_000)  # from here on two figures side by side need smaller digits on a phone
_LONG_NAME = 14  # a CRM without deal numbers names them by whole titles, which have to wrap
_MOST_RED = 20  # unexplained amounts named before the waterfall
_MANY_ROWS = 25  # from here on a reader wants to search
_TOOLS = (
    '<p class="tools" id="tools" hidden="hidden"><label>Find <input type="search"/></label>'
    '<label><input type="checkbox"/> Only with a gap</label><output></output></p>'
)


def render(report: Report, undecided: str = "") -> str:
    """
    The whole file as text, to be written in UTF-8.

    ``undecided`` says which deals are in no figure yet; then nothing is called explained.

    Its security policy allows nothing but its own style and script, both by hash. Every value
    is escaped; addresses are links only when they are http or https.
    """
    result = report.tie_out
    title = f"Tie-out {period_name(result.period)}, {report.context.company}"
    body = [
        _head(report),
        _verdict(result, undecided),
        _figures(result),
        _unexplained(result),
        _fall(result),
        _deals(result),
        '<div class="two page">',
        _by_period(result),
        _receivables(report.receivables, report.unread),
        "</div>",
        _ageing(report.ageing),
        _foot(report),
    ]
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8"/>\n{_policy()}\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>\n'
        '<meta name="referrer" content="no-referrer"/>\n'
        '<meta name="color-scheme" content="light dark"/>\n'
        f"<title>{text(title)}</title>\n<style>{_asset('style.css')}</style>\n</head>\n"
        f"<body>\n{SIGNS}\n<main>\n{''.join(part + chr(10) for part in body if part)}</main>\n"
        f"<script>{_asset('script.js')}</script>\n</body>\n</html>\n"
    )


@cache
def _asset(name: str) -> str:
    return (files("tieout.report") / name).read_text(encoding="utf-8")


@cache
def _policy() -> str:
    def allowed(name: str) -> str:
        digest_of = hashlib.sha256(_asset(name).encode()).digest()
        return f"'sha256-{base64.b64encode(digest_of).decode()}'"

    rules = (
        f"default-src 'none'; style-src {allowed('style.css')}; "
        f"script-src {allowed('script.js')}; base-uri 'none'; form-action 'none'"
    )
    return f'<meta http-equiv="Content-Security-Policy" content="{rules}"/>'


def _head(report: Report) -> str:
    context, result = report.context, report.tie_out
    if context.filed:
        said = f"{moment(context.filed.at)}, {context.filed.by}"
        status = f'<span class="tag filed">Filed</span> {text(said)}'
    else:
        read = text(moment(context.read_at))
        status = f'<span class="tag">Open</span> not filed, read {read}'
    cut_off = text(f"{day_long(result.cut_off)}, {context.time_zone}")
    return (
        '<header class="head"><div><p class="kicker">Tie-out report</p>'
        f"<h1>{text(period_name(result.period))}</h1>"
        f'<p class="whose">{text(context.company)} · bridge <strong>{text(context.bridge)}'
        f"</strong> · books <strong>{text(context.books)}</strong></p></div>"
        f'<dl class="facts"><dt>Status</dt><dd>{status}</dd><dt>Cut-off</dt><dd>{cut_off}</dd>'
        f"<dt>Amounts</dt><dd>{text(result.currency)}, net of VAT</dd></dl></header>"
    )


def _verdict(result: TieOut, undecided: str = "") -> str:
    if undecided:
        shape, name = "M13 7.5V14.5M13 18.4V18.5", "verdict wrong"
        said, more = "Not complete.", undecided
    elif result.explained:
        shape, name = "M8 13.5 11.5 17 18.5 9.5", "verdict"
        said = "Explained to the cent."
        more = "Every difference between sold and invoiced has a cause with evidence."
    elif result.unexplained:
        shape, name = "M13 7.5V14.5M13 18.4V18.5", "verdict wrong"
        said = f"Unexplained: {number(result.unexplained)} {text(result.currency)}."
        number_of = len(result.unexplained_parts)
        more = (
            f"{count(number_of, 'difference has', 'differences have')} no evidence, listed first."
        )
    else:
        shape, name = "M13 7.5V14.5M13 18.4V18.5", "verdict wrong"
        said = "Not compared with the ledger."
        more = "The ledger's own list was not read, so nothing counts as explained."
    return (
        f'<div class="{name}" role="status"><svg viewBox="0 0 26 26" aria-hidden="true">'
        f'<circle class="disc" cx="13" cy="13" r="13"/><path class="mark" d="{shape}"/></svg>'
        f"<strong>{said}</strong> <span>{text(more)}</span></div>"
    )


def _figures(result: TieOut) -> str:
    ledger = "against the ledger’s own list"
    if not result.ledger_read:
        ledger = "the ledger’s own list was not read"
    figures = (
        ("Sold", result.sold, count(result.deal_count, "won deal"), ""),
        ("Invoiced by the cut-off", result.invoiced, "after credit notes", ""),
        ("Gap", result.gap, gap_note(result), ""),
        ("Unexplained", result.unexplained, ledger, "good" if result.explained else "bad"),
    )
    cells = (
        f'<div class="{name}"><dt>{text(label)}</dt><dd class="big">{big_number(value)}</dd>'
        f"<dd>{text(remark)}</dd></div>"
        for label, value, remark, name in figures
    )
    most = max(abs(value) for _, value, _, _ in figures)
    wide = " wide" if most >= _WIDE else ""
    return f'<dl class="figures{wide}">{"".join(cells)}</dl>'


def _unexplained(result: TieOut) -> str:
    found = unexplained_sentences(result)
    if not found:
        return ""
    rows = "".join(
        f'<tr><td class="n">{number(size)}</td><td>{_note(sentence(said))}</td></tr>'
        for size, said in found[:_MOST_RED]
    )
    if len(found) > _MOST_RED:
        rest = sum((size for size, _ in found[_MOST_RED:]), Decimal(0))
        more = f"{len(found) - _MOST_RED} more, first in the list of deals"
        rows += f'<tr><td class="n">{number(rest)}</td><td>{more}</td></tr>'
    return (
        '<section class="red-list"><h2>Without evidence</h2>'
        f"<table><tbody>{rows}</tbody></table></section>"
    )


def _fall(result: TieOut) -> str:
    """The chain as a table and a waterfall in one."""
    totals = list(result.causes)
    if not any(c.cause is Cause.UNEXPLAINED for c in totals):
        totals.append(
            CauseTotal(cause=Cause.UNEXPLAINED, amount=Decimal("0.00"), parts=(), deals=(), acts=())
        )
    levels = [result.sold]
    for total in totals:
        levels.append(levels[-1] - total.amount)
    axis = Axis(levels)
    zero = Decimal(0)
    places = _places(result)
    rows = [
        _fall_end("Sold", axis.bar(zero, result.sold, "total", "below"), result.sold,
                  count(result.deal_count, "deal")),
        *(
            _fall_row(total, axis.bar(before, before - total.amount, MARKS[total.group],
                                      "above below"), places)
            for total, before in zip(totals, levels, strict=False)
        ),
        _fall_end(f"Invoiced by {day_full(result.cut_off)}",
                  _last_bar(axis, result.invoiced), result.invoiced, ""),
    ]  # fmt: skip
    groups = dict(GROUPS)
    if result.unexplained_parts:
        groups[Group.UNEXPLAINED] = "Unexplained"
    key = "".join(
        f"<li>{mark(group)}{text(name)} <span>{number(result.group_total(group))}</span></li>"
        for group, name in groups.items()
    )
    return (
        f'<section><div class="title"><h2>From sold to invoiced</h2><ul class="key">{key}</ul>'
        '</div><table class="fall"><thead><tr><th class="what" scope="col">Cause</th>'
        '<th class="bar"></th><th class="n amt" scope="col">Amount</th><th class="who" '
        'scope="col">Deals</th><th class="acts" scope="col">Who acts</th></tr></thead><tbody>'
        f"{''.join(rows)}</tbody></table></section>"
    )


def _last_bar(axis: Axis, invoiced: Decimal) -> str:
    # The join comes from the level itself, the bar from zero: two shapes on one axis.
    place = axis.place(invoiced)
    line = f'<line class="join" x1="{place}%" x2="{place}%" y1="0" y2="26%"/></svg>'
    return axis.bar(Decimal(0), invoiced, "total").replace("</svg>", line)


def _fall_end(label: str, bar: str, value: Decimal, who: str) -> str:
    return (
        f'<tr class="sum"><th class="what" scope="row">{text(label)}</th><td class="bar">{bar}'
        f'</td>{amount_cell(value, "amt")}<td class="who">{text(who)}</td><td class="acts"></td>'
        "</tr>"
    )


def _fall_row(total: CauseTotal, bar: str, places: Mapping[str, int]) -> str:
    red = ' class="red"' if total.cause is Cause.UNEXPLAINED and total.parts else ""
    long = " long" if _names_one(total) and len(total.deals[0]) > _LONG_NAME else ""
    return (
        f'<tr{red}><th class="what" scope="row">{text(sentence(CAUSES[total.cause]))} '
        f'<span class="note">{_note(cause_note(total))}</span></th><td class="bar">{bar}</td>'
        f"{amount_cell(-total.amount, 'amt', plus=True)}"
        f'<td class="who{long}">{_who(total, places)}</td>'
        f'<td class="acts">{text(", ".join(total.acts))}</td></tr>'
    )


def _names_one(total: CauseTotal) -> bool:
    return len(total.deals) == 1


def _who(total: CauseTotal, places: Mapping[str, int]) -> str:
    """The deals of a cause: a few by name, each leading to its row; else how many."""
    if not total.deals:
        return "none" if total.parts else ""
    short = all(len(name) <= _LONG_NAME for name in total.deals)
    if _names_one(total) or (short and len(total.deals) <= _FEW_DEALS):
        return ", ".join(_to_row(name, places) for name in total.deals)
    found = text(sentence(CAUSES[total.cause]))
    return f'<a href="#deals" data-find="{found}">{count(len(total.deals), "deal")}</a>'


def _to_row(name: str, places: Mapping[str, int]) -> str:
    return f'<a href="#r{places[name]}">{text(name)}</a>' if name in places else text(name)


def _places(result: TieOut) -> dict[str, int]:
    """Where the row of each deal with a gap is; deals that share a name share the first."""
    found: dict[str, int] = {}
    for place, row in enumerate(result.rows):
        if row.kind is RowKind.DEAL and row.parts:
            found.setdefault(row.number or row.title or row.ref, place)
    return found


def _deals(result: TieOut) -> str:
    rows = sorted(result.rows, key=lambda r: not _is_red(r))
    left_out: list[DealRow] = []
    if result.deal_count > MOST_DEALS:
        left_out = [r for r in rows if r.agrees]
        rows = [r for r in rows if not r.agrees]
    anchors = {id(result.rows[place]): f"r{place}" for place in _places(result).values()}
    long = " long" if any(len(row.number) > _LONG_NAME for row in rows) else ""
    order = "by name" if long else "by number"
    closed = f"Closed in {period_short(result.period)}, {order}."
    body = "".join(_deal(row, anchors.get(id(row), "")) for row in rows) + _rest(left_out)
    total = (
        f'<tr class="sum"><td></td><td>Total</td>'
        f"{_deal_amount(result.sold)}{_deal_amount(result.invoiced)}"
        f"{_deal_amount(result.gap)}<td></td></tr>"
    )
    return (
        '<section class="page"><div class="title"><h2>Deal by deal</h2>'
        f"<p>{text(closed)} The gap of each row is the sum of its causes.</p></div>"
        f"{_TOOLS if len(rows) > _MANY_ROWS else ''}"
        f'<table class="deals{long}" id="deals"><thead><tr><th scope="col" data-sort="text">'
        'Deal</th><th scope="col" data-sort="text">Customer</th><th '
        'scope="col" data-sort="number">Sold</th><th scope="col" '
        'data-sort="number">Invoiced</th><th scope="col" data-sort="number">Gap'
        '</th><th scope="col" data-sort="text">Cause</th></tr></thead>'
        f"<tbody>{body}</tbody><tbody>{total}</tbody></table></section>"
    )


def _is_red(row: DealRow) -> bool:
    return any(p.cause is Cause.UNEXPLAINED for p in row.parts)


def _deal(row: DealRow, anchor: str) -> str:
    labels = {
        RowKind.NO_DEAL: "no deal",
        RowKind.LEDGER: "ledger",
        RowKind.AGREED: text(row.number),
    }
    if row.kind is RowKind.DEAL:
        name = f"<td>{link(row.number or row.ref, row.link)}</td>"
    else:
        name = f'<td class="mute">{labels[row.kind]}</td>'
    note = deal_note(row)
    said = f' <span class="note">{_note(note)}</span>' if note else ""
    opening = "<tr" + (f' id="{anchor}"' if anchor else "")
    opening += ' class="red">' if _is_red(row) else ">"
    return (
        f"{opening}{name}"
        f"<td>{text(row.customer)}{said}</td>"
        f"{_deal_amount(row.sold)}{_deal_amount(row.invoiced)}"
        f"{_deal_amount(row.gap)}<td>{_causes(row)}</td></tr>\n"
    )


def _causes(row: DealRow) -> str:
    sums: dict[Cause, Decimal] = {}
    for part in row.parts:
        sums[part.cause] = sums.get(part.cause, Decimal(0)) + part.amount
    if not sums:
        return f'<div class="ok">{CHECK}agrees</div>'
    only = len(sums) == 1
    return "".join(
        f"<div>{mark_of(cause)}{sentence(CAUSES[cause])}"
        + ("" if only else f' <span class="note">{number(value)}</span>')
        + "</div>"
        for cause, value in sums.items()
    )


def _rest(rows: list[DealRow]) -> str:
    if not rows:
        return ""
    sold = sum((r.sold for r in rows), Decimal(0))
    invoiced = sum((r.invoiced for r in rows), Decimal(0))
    return (
        f'<tr><td class="mute">others</td><td>{count(len(rows), "deal")} that '
        'agree <span class="note">all in the CSV</span></td>'
        f"{_deal_amount(sold)}{_deal_amount(invoiced)}"
        f'{_deal_amount(sold - invoiced)}<td><div class="ok">{CHECK}agree</div>'
        "</td></tr>"
    )


def _deal_amount(value: Decimal) -> str:
    # No class but for zero: the style sheet knows these cells by their place, and there are many.
    return f"<td>{number(value)}</td>" if value else f'<td class="zero">{number(value)}</td>'


def _line(label: str, value: Decimal, name: str = "") -> str:
    opening = f'<tr class="{name}">' if name else "<tr>"
    return f'{opening}<th scope="row">{text(label)}</th><td class="n">{number(value)}</td></tr>'


def _sheet(lines: Iterable[str]) -> str:
    return f'<table class="sheet"><tbody>{"".join(lines)}</tbody></table>'


def _by_period(result: TieOut) -> str:
    name = period_short(result.period)
    ledger = _typographic(ledger_line(result))
    lines = [_line(_typographic(period_line(p, result)), p.amount) for p in result.by_period]
    first = _sheet([*lines, _line(ledger, result.ledger_net, "sum")])
    says = f"The ledger asks what was invoiced in {name}, whenever it was sold."
    second = ""
    if result.ledger_read:
        sums = result.net_to_gross
        rows = [
            _line(ledger, sums.net),
            _line("VAT", sums.tax),
            _line(rounding_of_totals(result.currency), sums.rounding),
        ]
        if sums.rest:
            rows.append(_line(f"Does not add up: {', '.join(sums.unbalanced)}", sums.rest, "red"))
        second = _sheet([*rows, _line(gross_line(result.period), sums.gross, "sum")])
    return f'<section><h2>By period</h2><p class="says">{text(says)}</p>{first}{second}</section>'


def _receivables(rolled: Receivables | None, unread: str) -> str:
    if rolled is None:
        said = text(unread or NOT_ASKED)
        return f'<section><h2>Receivables</h2><p class="says">{said}</p></section>'
    lines = [_line(f"Opening, {day_full(rolled.opening_day)}", rolled.opening)]
    lines += [_line(MOVEMENTS[code], value) for code, value in rolled.movements.lines if value]
    if rolled.items_difference:
        lines.append(_line("Unexplained", rolled.items_difference, "red"))
    lines.append(_line(f"Open items, {day_full(rolled.day)}", rolled.open_items, "sum"))
    if rolled.control is not None:
        for voucher in rolled.vouchers:
            said = f", {voucher.text}" if voucher.text else ""
            lines.append(_line(f"Manual voucher {voucher.number}{said}", voucher.amount, "after"))
        if rolled.control_rest:
            lines.append(_line("Unexplained", rolled.control_rest, "red"))
        lines.append(_line(f"Control account {rolled.control_account}", rolled.control, "sum"))
    return (
        f'<section><h2>Receivables</h2><p class="says">{text(_receivables_says(rolled))}</p>'
        f"{_sheet(lines)}</section>"
    )


def _receivables_says(rolled: Receivables) -> str:
    items = "Open items agree with the list"
    if rolled.items_difference:
        items = "Open items differ from the list"
    if rolled.control is None:
        return f"Gross. {items}; the control account was not read."
    if rolled.control_rest:
        return f"Gross. {items}; the control account differs, and not all of it has a name."
    if rolled.control_difference:
        named = len(rolled.vouchers)
        how_many = "one manual voucher" if named == 1 else f"{named} manual vouchers"
        return f"Gross. {items}; the control account differs by {how_many}."
    return f"Gross. {items} and with the control account."


def _ageing(aged: Ageing | None) -> str:
    if aged is None:
        return ""
    axis = Axis([amount for _, amount in aged.buckets])
    fills = ("still", "a1", "a2", "a3", "a4")
    rows = [
        _age(AGES[code], value, axis.bar(Decimal(0), value, fill))
        for (code, value), fill in zip(aged.buckets, fills, strict=True)
    ]
    rows += [_age(AGES[code], value, "") for code, value in aged.beside if value]
    rows.append(_age("Open items", aged.total, "", "sum"))
    says = f"By original due date, {day_full(aged.day)}. Money on account is not netted."
    return (
        '<section class="ages"><div class="title"><h2>Ageing of open items</h2>'
        f"<p>{text(says)}</p></div><table><tbody>{''.join(rows)}</tbody></table></section>"
    )


def _age(label: str, value: Decimal, bar: str, name: str = "") -> str:
    opening = f'<tr class="{name}">' if name else "<tr>"
    return (
        f'{opening}<th scope="row">{text(label)}</th><td class="bar">{bar}</td>'
        f"{amount_cell(value, 'amt')}</tr>"
    )


def _foot(report: Report) -> str:
    context = report.context
    rows = count(len(report.tie_out.rows), "row")
    kept = f"{rows} stored, never recomputed" if context.filed else f"{rows}, not stored yet"
    facts = [
        f"Configuration {context.config_version}" if context.config_version else "",
        ", ".join(
            s for s in (f"run {context.run}" if context.run else "",
                        f"read {moment(context.read_at)}") if s
        ),
        kept,
    ]  # fmt: skip
    told = " · ".join(fact for fact in facts if fact)
    sha = context.digest or digest(report)
    pieces = "<wbr/>".join(f"<i>{text(sha[n : n + 4])}</i>" for n in range(0, len(sha), 4))
    check = f"<br/>Check: <code>{text(context.check)}</code>" if context.check else ""
    definitions = " ".join(_typographic(d) for d in context.definitions)
    return (
        '<footer><div class="two">'
        f"<section><h3>Definitions</h3><p>{text(definitions)}</p></section>"
        f'<section><h3>Evidence</h3><p>{text(told)}. <span class="nb">SHA-256</span> '
        f"<code>{pieces}</code>{check}</p>"
        '</section><p class="sign">Prepared by, date</p><p class="sign">Reviewed by, date</p>'
        "</div></footer>"
    )


def _note(said: str) -> str:
    return note_text(_typographic(said))


def _typographic(said: str) -> str:
    return said.replace("'", "’")
