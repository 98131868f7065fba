"""`tieout apply`: writes exactly what a plan showed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from tieout.cli.command import Session, command
from tieout.cli.output import Exit, Result, worst

MANY = 40

if TYPE_CHECKING:
    from tieout.engine.context import Engine
    from tieout.services.applying import Applied
    from tieout.services.planning import Planned
    from tieout.store.planned import Written
    from tieout.store.plans import PlanLine


@command("apply", examples=("tieout apply P-214", "tieout apply P-214 --approve D-105 --yes"))
async def apply(
    session: Session,
    which: Annotated[
        str, Argument(metavar="[PLAN]", help="The plan; without it a fresh one is shown.")
    ] = "",
    only: Annotated[
        list[str] | None, Option("--only", metavar="DEAL", help="Only this deal; may repeat.")
    ] = None,
    approve: Annotated[
        list[str] | None,
        Option("--approve", metavar="DEAL", help="Release this deal (or all); may repeat."),
    ] = None,
    as_: Annotated[str, Option("--as", metavar="NAME", help="Who acts.")] = "",
    yes: Annotated[bool, Option("--yes", help="Do not ask.")] = False,
    strict: Annotated[
        bool, Option("--strict", help="End with 8 where a person is still needed.")
    ] = False,
) -> Result:
    """Write what a plan shows: nothing else, and nothing that moved on since."""
    from tieout.bootstrap import who_acts
    from tieout.cli.commands.plan import refuse_unknown, stopped, stored_plan
    from tieout.cli.daily import (
        note_high_water,
        number_of,
        open_bridge,
        progress,
        progress_over,
        zone,
    )
    from tieout.cli.plan_screen import plan_lines
    from tieout.services import applying, planning

    opened = await session.opened()
    who = who_acts(as_)
    engine = await open_bridge(session, opened, who)
    say = progress(session, engine)
    try:
        if which:
            made = await stored_plan(opened.store, number_of(which, "P"), engine)
        else:
            made = await planning.plan(engine, opened.store, only=only or (), say=say)
            progress_over(session)
            if made.stopped:
                return stopped(session, engine, made.brakes, planned=True)
        refuse_unknown(made, only or (), which)
        if not which:
            for line in plan_lines(
                made, zone(engine), full=False, width=session.screen.width or 100
            ):
                session.screen.line(line)
        question = _question(engine, made, only or (), approve or ())
        if question is None:
            return _nothing(engine, made)
        if not session.confirm(question, yes):
            return Result(
                data={"plan": made.name, "written": 0},
                notes=["Nothing was written."],
                next=(f"tieout apply {made.name}",),
                bridge=engine.bridge,
            )
        say = progress(session, engine)
        applied = await applying.apply(
            engine,
            opened.store,
            made,
            only=only or (),
            approve=approve or (),
            who=who,
            say=say,
        )
    finally:
        progress_over(session)
        await note_high_water(opened)
    return _result(session, engine, applied, strict=strict)


def _question(engine: Engine, made: Planned, only: Any, approve: Any) -> str | None:
    """`Write 4 changes to Nordljus Konsult AB (visma-se)?`, or None where there is nothing."""
    from tieout.cli.formats import count
    from tieout.services.planning import chosen_lines, names

    lines = [
        line
        for line in chosen_lines(made.lines, only)
        if line.verdict == "write"
        or (line.verdict == "approval" and ("all" in approve or names(line, approve)))
    ]
    lines += [
        line
        for line in made.lines
        if line.verdict == "approval" and line not in lines and approve and names(line, approve)
    ]
    if not lines and not approve:
        return None
    parts = []
    for connection in [*engine.books, engine.policy.crm]:
        is_crm = connection == engine.policy.crm
        mine = [
            line
            for line in lines
            if (line.entity == "standing") == is_crm
            and (is_crm or line.lane.endswith(f"/{connection}"))
        ]
        if mine:
            company = engine.companies.get(connection)
            name = f"{company.name} ({connection})" if company else connection
            parts.append(f"{count(len(mine), 'change')} to {name}")
    return f"Write {' and '.join(parts) or 'what is released'}?"


def _nothing(engine: Engine, made: Planned) -> Result:
    waiting = [line for line in made.lines if line.verdict == "approval"]
    notes = [f"{made.name} has nothing to write."]
    if waiting:
        notes = [f"{made.name} has nothing to write without a release."]
    return Result(
        data={"plan": made.name, "items": [], "count": 0, "next_cursor": None},
        notes=notes,
        next=(f"tieout apply {made.name} --approve {waiting[0].number or 'all'}",)
        if waiting
        else (),
        bridge=engine.bridge,
    )


# --- what came of it --------------------


def _result(session: Session, engine: Engine, applied: Applied, *, strict: bool) -> Result:
    from tieout.cli.commands.plan import stopped

    codes = []
    states = applied.states()
    if states.get("unknown"):
        codes.append(Exit.UNKNOWN)
    if applied.moved or states.get("moved"):
        codes.append(Exit.STOPPED)
    if states.get("later"):
        codes.append(Exit.NOT_NOW)
    if states.get("refused") or (strict and applied.left):
        codes.append(Exit.PERSON)
    lines = done_lines(engine, applied)
    notes = [_moved_note(applied)] if applied.moved else []
    result = Result(
        data=_data(applied),
        lines=[*lines, _summary(applied, states)],
        notes=notes,
        exit=worst(codes),
        bridge=engine.bridge,
        next=_next(applied, states),
    )
    if applied.brakes:
        held = stopped(session, engine, applied.brakes, planned=False)
        result.notes = [*result.notes, *held.notes]
        result.error, result.next = held.error, held.next
        result.exit = worst([*codes, Exit.STOPPED])
    return result


def done_lines(engine: Engine, applied: Applied) -> list[str]:
    """What became of each change, a row for each; of very many the applied ones are counted."""
    from tieout.cells import cells, left
    from tieout.cli.formats import amount

    shown: list[tuple[str, str, str, str, str]] = []
    several = len({line.currency for line, _ in applied.done if line.net is not None}) > 1
    for (line, written), state in zip(applied.done, applied.words(), strict=True):
        if len(applied.done) > MANY and state == "applied" and len(shown) >= MANY:
            continue
        word, name = _words(line, written)
        word = state if word == "later" else word
        net = "" if line.net is None or line.entity == "standing" else amount(line.net)
        if several and net:
            net = f"{net} {line.currency}"
        title = "" if line.title.casefold() in name.casefold() else line.title
        remark = _remark(engine, line, written)
        if word == "waiting":
            remark = "for its customer"
        shown.append((word, name, title, net, remark))
    hidden = len(applied.done) > len(shown)
    # A name that says all has no need of the room for a title.
    room = max((cells(name) for _, name, title, _, _ in shown if title), default=0)
    rows = [
        (word, f"{left(name, room)}  {title}" if title else name, net, remark)
        for word, name, title, net, remark in shown
    ]
    widths = [max((cells(row[place]) for row in rows), default=0) for place in range(3)]
    return [
        f"{word:<{widths[0]}}  {left(what, widths[1])}  {net:>{widths[2]}}  {remark}".rstrip()
        for word, what, net, remark in rows
    ] + ([f"and {len(applied.done) - len(shown):,} more, applied"] if hidden else [])


def _words(line: PlanLine, written: Written | None) -> tuple[str, str]:
    from tieout.cli.daily import record_name, standing_name
    from tieout.services.applying import state_word

    word = state_word(written)
    if line.entity == "standing":
        return word, standing_name(line.number, line.title, line.source_id)
    deal = line.number if line.entity == "document" else ""
    if word != "applied" or written is None:
        kind = "customer" if line.entity == "customer" else line.kind or "draft"
        return word, deal or kind
    if line.action == "void":
        return word, f"{deal} {line.kind or 'draft'} voided".strip()
    name = record_name(written)
    if name in ("draft", "invoice", "order") and deal:
        name = f"{name} for {deal}"
    return word, name


def _remark(engine: Engine, line: PlanLine, written: Written | None) -> str:
    from tieout.cli.daily import zone
    from tieout.cli.formats import amount

    if written is None:
        return "not sent"
    match written.state:
        case "unknown" | "started":
            at = written.unanswered_since.astimezone(zone(engine))
            return f"no answer at {at:%H:%M}, being looked up"
        case "doubt":
            return "a person says which one it is: tieout exceptions list"
        case "rejected":
            return f"{written.detail}: tieout exceptions list".removeprefix(": ")
        case "ready":
            return "waits for the quota" if written.detail else "not sent yet"
        case "superseded":
            return "moved on meanwhile"
    if line.entity != "document" or line.action == "void":
        return ""
    if written.differs and written.shown_gross is not None:
        return f"shows {amount(written.shown_gross)}, not as predicted"
    return "as predicted" if written.shown_gross is not None else ""


def _summary(applied: Applied, states: dict[str, int]) -> str:
    order = ("applied", "unknown", "refused", "waiting", "later", "moved")
    told = ", ".join(f"{states[word]} {word}" for word in order if states.get(word))
    if not told:
        return "Nothing was written."
    if set(states) == {"applied"} and not applied.counts.calls:
        return f"{told} before. Nothing was written again."
    if states.get("unknown"):
        return f"{told}. Nothing is sent twice: the next run looks before it writes."
    return f"{told}."


def _moved_note(applied: Applied) -> str:
    from tieout.cli.formats import amount

    parts = []
    for moved in applied.moved:
        name = moved.then.number or moved.then.title
        then, now = moved.then.net, moved.now.net if moved.now else None
        if then is not None and now is not None and then != now:
            parts.append(f"{name} moved on: planned {amount(then)}, now {amount(now)}.")
        elif moved.now is None:
            parts.append(f"{name} moved on: nothing is due for it any more.")
        else:
            parts.append(f"{name} moved on: it is not as it was planned.")
    see = f" see {applied.fresh.name}." if applied.fresh and applied.fresh.number else ""
    rest = " The others are." if applied.done else ""
    return (
        f"{' '.join(parts)} Not written;{see}{rest}" if see else f"{' '.join(parts)} Not written."
    )


def _next(applied: Applied, states: dict[str, int]) -> tuple[str, ...]:
    if applied.moved and applied.fresh and applied.fresh.number is not None:
        return (f"tieout apply {applied.fresh.name}",)
    if states.get("unknown") or states.get("later"):
        return ("tieout run --once",)
    if states.get("refused"):
        return ("tieout exceptions list",)
    return ()


def _data(applied: Applied) -> dict[str, Any]:
    from tieout.cli.formats import money
    from tieout.cli.plan_screen import line_data

    items = [
        {
            **line_data(line),
            "state": state,
            "record": (written.number or written.ref or None) if written else None,
            "shown": money(written.shown_gross, line.currency) if written else None,
            "as_predicted": None if written is None else not written.differs,
        }
        for (line, written), state in zip(applied.done, applied.words(), strict=True)
    ]
    return {
        "plan": applied.plan.name,
        "items": items,
        "count": len(items),
        "next_cursor": None,
        "states": applied.states(),
        "calls": applied.counts.calls,
        "moved_on": [
            {
                "then": line_data(moved.then),
                "now": line_data(moved.now) if moved.now else None,
            }
            for moved in applied.moved
        ],
        "fresh_plan": applied.fresh.name if applied.fresh and applied.fresh.number else None,
        "waiting": [line_data(line) for line in applied.left],
    }
