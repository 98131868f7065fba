"""`tieout why`: where a value comes from, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from tieout.cli.command import Session, command
from tieout.cli.output import Result

if TYPE_CHECKING:
    from datetime import tzinfo

    from tieout.services.why import Step, Why
    from tieout.store.tracing import Call

LABEL = 9
SOURCE = 23
RULE = 49


@command("why", examples=("tieout why invoice:1038 --call", 'tieout why "D-101 line 2"'))
async def why(
    session: Session,
    ref: Annotated[str, Argument(metavar="REF", help="A number, name, link or id; a line of it.")],
    full: Annotated[bool, Option("--full", help="Every value and every request.")] = False,
    call: Annotated[bool, Option("--call", help="The requests as they were sent.")] = False,
) -> Result:
    """Follow a record back to its source fields, and forward to its payments."""
    from tieout.cli.daily import open_bridge, zone
    from tieout.services import why as tracing

    opened = await session.opened()
    engine = await open_bridge(session, opened)
    one = await tracing.find(engine, opened.store, ref)
    made = await tracing.why(engine, opened.store, one)
    here = zone(engine)
    values = value_lines(made, full=full, width=session.screen.width)
    lines = [title(made, here), *values, *_written(made, here, full=full)]
    lines += number_lines(made, here, full=full)
    lines += _then(made)
    lines += _open(made)
    if call:
        lines += _calls(made, here)
    return Result(
        data=_data(made, call=call or full, full=full),
        lines=lines,
        next=_next(made),
        bridge=engine.bridge,
    )


def title(made: Why, here: tzinfo) -> str:
    """`Invoice 1038  Brännvik Logistik AB  SEK 120,000.00 net  paid 28 Oct 2026`."""
    from tieout.cli.daily import readable
    from tieout.cli.formats import amount, day

    kind = {"credit_note": "Credit note"}.get(made.kind, made.kind.capitalize())
    number = made.number or readable(made.ref.id)
    parts = [f"{kind} {number}".strip() + (f" line {made.line}" if made.line is not None else "")]
    if made.title and made.title.casefold() not in parts[0].casefold():
        parts.append(made.title)
    net, currency = made.columns.get("net"), made.columns.get("currency") or ""
    if net is not None:
        parts.append(f"{currency} {amount(net)} net".strip())
    status = str(made.columns.get("status") or "").replace("_", " ")
    paid_on = getattr(made.record, "last_payment_on", None)
    if status == "paid" and paid_on is not None:
        status = f"paid {day(paid_on)}"
    if made.columns.get("gone_at") is not None:
        at = made.columns["gone_at"].astimezone(here)
        status = f"gone since {day(at.date())}"
    parts.append(status)
    return "  ".join(part for part in parts if part)


def value_lines(made: Why, *, full: bool, width: int | None = None) -> list[str]:
    """
    A line for each value: name, value, source, rule; with --full also the empty ones and those
    that come from their usual place, which a single line has always. What is wider than the screen
    goes on below its source.
    """
    from tieout.cells import cells, left

    every = full or made.line is not None
    shown = [one for one in made.values if every or (one.value and not one.usual)]
    if not full and len(shown) > 12:
        shown = shown[:12]
    name_room = max([LABEL - 1, *(cells(one.name) + 1 for one in shown)])
    value_room = max([11, *(min(cells(one.value), 30) + 1 for one in shown)])
    source_room = max([25, *(min(cells(one.source), 60) + 1 for one in shown if one.rule)])
    lines: list[str] = []
    for one in shown:
        head = f"{left(one.name, name_room)} {left(one.value, value_room)} "
        whole = f"{head}{left(one.source, source_room)} {one.rule}".rstrip()
        room = 0 if width is None else max(width - cells(head), 20)
        if width is None or cells(whole) <= width:
            lines.append(whole)
            continue
        told = wrap(one.source, room, break_long_words=False) + wrap(one.rule, room)
        lines += [f"{' ' * cells(head) if at else head}{text}" for at, text in enumerate(told)]
    return lines


def _written(made: Why, here: tzinfo, *, full: bool) -> list[str]:
    from tieout.cli.formats import moment

    sent = [one for one in made.calls if one.at is not None]
    if not sent:
        waiting = [one for one in made.calls if one.state in ("ready", "awaiting_approval")]
        return [f"waiting  {waiting[-1].state.replace('_', ' ')}, not sent yet"] if waiting else []
    shown = sent if full or len(sent) <= 4 else [sent[0], *sent[-2:]]
    lines = []
    for one in shown:
        assert one.at is not None
        word = {"create": "written", "update": "changed", "void": "voided"}.get(
            one.action, one.action
        )
        parts = [moment(one.at, here)]
        if one.run is not None:
            parts.append(f"run R-{one.run}")
        elif one.plan is not None:
            parts.append(f"plan P-{one.plan}")
        else:
            parts.append("by tieout apply")
        parts.append(f"{one.method} {one.path}")
        if one.approved_by:
            parts.append(f"released by {one.approved_by}")
        if one.result not in ("answered", "effect_seen"):
            parts.append(
                {
                    "open": "no answer yet",
                    "expired": "no answer; proven not done, or superseded",
                    "not_sent": "not sent",
                }.get(one.result, one.result)
            )
        lines.append(f"{word:<8} {', '.join(parts)}")
    if len(shown) < len(sent):
        lines.append(f"         {len(sent) - len(shown)} more, with --full")
    return lines


def number_lines(made: Why, here: tzinfo, *, full: bool) -> list[str]:
    """`number   FI20774740 is valid: VIES, 5 Oct 2026, 09:10, consultation WAPI…, "NAME"`."""
    from tieout.cli.formats import moment
    from tieout.services.number_checks import TITLES

    lines = []
    for one in made.number_answers if full else made.number_answers[:1]:
        parts = [TITLES.get(one.register, one.register), moment(one.asked_at, here)]
        if one.consultation:
            parts.append(f"consultation {one.consultation}")
        if one.name:
            parts.append(f'"{one.name}"')
        word = "valid" if one.said == "yes" else "not valid"
        lines.append(f"{'number':<8} {one.number} is {word}: {', '.join(parts)}")
    return lines


# Of a won deal: its document had effect, and has none any more.
_ENDED = ("credited", "cancelled")


def _then(made: Why) -> list[str]:
    """The chain of records: draft, invoice, credit notes, money."""
    by_part: dict[int, list[Step]] = {}
    for step in made.chain:
        by_part.setdefault(step.part, []).append(step)
    lines = [
        f"{'then' if part == 0 else f'step {part}':<8} "
        + ", ".join(_step(step, taken_back=_taken_back(steps)) for step in steps)
        for part, steps in sorted(by_part.items())
    ]
    if not _taken_back(made.chain):
        return lines + [
            f"now      {one['message']}" for one in made.outcomes if one["reason"] in _ENDED
        ]
    # Nothing stands over there: what was decided last says why.
    told = [one for one in made.outcomes if one["message"] or one["reason"]]
    return lines + [
        f"{'now' if lines else 'then':<8} {one['verdict']}: "
        f"{one['message'] or one['reason'].replace('_', ' ')}"
        for one in told[:3]
    ]


def _taken_back(steps: Sequence[Step]) -> bool:
    """Nothing of it stands any more: a draft that is gone was not booked."""
    return all(step.role == "former" and step.kind == "draft" for step in steps)


def _step(step: Step, *, taken_back: bool = False) -> str:
    from tieout.cli.daily import readable
    from tieout.cli.formats import amount
    from tieout.core.days import day_in_year

    kind = step.kind.replace("_", " ")
    number = step.number or readable(step.ref.id)
    text = f"{kind} {number}".strip()
    if step.role == "former" and step.kind == "draft":
        if step.status != "gone":
            return text
        return f"{text}, since {'taken back' if taken_back else 'booked'}"
    if step.role in ("copy", "not_ours"):
        return f"{text} ({step.role.replace('_', ' ')})"
    if step.role == "credit" and step.day is not None:
        text = f"{text} of {day_in_year(step.day)}"
        return text if step.gross is None else f"{text}, {amount(abs(step.gross))}"
    if step.kind == "invoice" and step.day is not None:
        text = f"{text} booked {day_in_year(step.day)}"
    elif step.status and step.status != step.kind:
        text = f"{text} ({step.status.replace('_', ' ')})"
    if step.paid:
        when = f" {day_in_year(step.paid_on)}" if step.paid_on else ""
        text += f", {amount(step.paid)} received{when}"
    if step.kind == "invoice" and step.open:
        text += f", {amount(step.open)} open"
    return text


def _open(made: Why) -> list[str]:
    return [f"open     {case.name} {case.code}: {case.message}" for case in made.cases]


def _calls(made: Why, here: tzinfo) -> list[str]:
    from tieout.cli.formats import moment

    lines: list[str] = []
    for one in made.calls:
        if one.at is None:
            continue
        lines += ["", f"{one.method} {one.path}  {moment(one.at, here)}, attempt {one.attempt}"]
        lines += body_text(one).splitlines()
    return lines or ["", "No request was sent for it."]


def body_text(one: Call) -> str:
    """A request's body as text, each value as it was sent; indented where it is JSON."""
    import msgspec

    try:
        # Only laid out: read and written again, a number could come out as another one.
        return msgspec.json.format(one.body, indent=2).decode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return one.body.decode("utf-8", "replace")


def _next(made: Why) -> tuple[str, ...]:
    if made.cases:
        return (f"tieout exceptions show {made.cases[0].name}",)
    return ()


def _data(made: Why, *, call: bool, full: bool) -> dict[str, Any]:
    from tieout.cli.formats import money

    currency = made.columns.get("currency") or ""
    return {
        "kind": made.kind,
        "number": made.number or None,
        "title": made.title or None,
        "ref": {"connection": made.ref.connection, "entity": made.ref.entity, "id": made.ref.id},
        "status": made.columns.get("status") or None,
        "net": money(made.columns.get("net"), currency),
        "gross": money(made.columns.get("gross"), currency),
        "open": money(made.columns.get("open"), currency),
        "line": made.line,
        "deal": (made.deal.number or made.deal.title) if made.deal else None,
        "deal_url": made.deal.url or None if made.deal else None,
        "values": [
            {
                "name": one.name,
                "value": one.value or None,
                "source": one.source,
                "rule": one.rule or None,
            }
            for one in made.values
            if full or made.line is not None or not one.usual
        ],
        "requests": [
            {
                "at": one.at,
                "action": one.action,
                "state": one.state,
                "run": f"R-{one.run}" if one.run is not None else None,
                "config_version": one.config_version,
                "method": one.method or None,
                "path": one.path or None,
                "result": one.result or None,
                "body": one.body.decode("utf-8", "replace") if call and one.at else None,
                "released_by": one.approved_by or None,
            }
            for one in made.calls
        ],
        "chain": [
            {
                "kind": step.kind,
                "number": step.number or None,
                "id": step.ref.id,
                "step": step.part,
                "role": step.role,
                "found_by": step.found_by or None,
                "status": step.status or None,
                "day": step.day,
                "net": money(step.net, step.currency),
                "gross": money(step.gross, step.currency),
                "paid": money(step.paid, step.currency),
                "open": money(step.open, step.currency),
            }
            for step in made.chain
        ],
        "number_answers": [
            {"number": one.number, "register": one.register, "said": one.said,
             "at": one.asked_at, "consultation": one.consultation, "name": one.name}
            for one in made.number_answers
        ],
        "outcomes": [
            {"lane": one["lane"], "step": one["part"], "verdict": one["verdict"],
             "reason": one["reason"] or None, "message": one["message"] or None}
            for one in made.outcomes
        ],
        "exceptions": [case.name for case in made.cases],
    }  # fmt: skip
