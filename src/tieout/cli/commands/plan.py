"""`tieout plan`: what would be written, before anything is."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from tieout.cli.command import Session, command
from tieout.cli.output import ErrorInfo, Exit, Result, reference

if TYPE_CHECKING:
    from tieout.core.abilities import BudgetWindow
    from tieout.core.brakes import Brake
    from tieout.engine.context import Engine
    from tieout.services.planning import Planned


@command("plan", examples=("tieout plan", "tieout plan P-214 --full"))
async def plan(
    session: Session,
    which: Annotated[
        str, Argument(metavar="[PLAN]", help="Show a plan that was made before.")
    ] = "",
    full: Annotated[bool, Option("--full", help="Every row, nothing cut.")] = False,
    only: Annotated[
        list[str] | None, Option("--only", metavar="DEAL", help="Only this deal; may repeat.")
    ] = None,
    no_read: Annotated[
        bool, Option("--no-read", help="Plan on what was read before; calls nothing.")
    ] = False,
    exit_code: Annotated[
        bool, Option("--exit-code", help="End with 9 where there is work.")
    ] = False,
) -> Result:
    """Show what would be written. Nothing is."""
    from tieout.cli.daily import number_of, open_bridge, progress, progress_over
    from tieout.services import planning

    opened = await session.opened()
    engine = await open_bridge(session, opened)
    if which:
        made = await stored_plan(opened.store, number_of(which, "P"), engine)
    else:
        try:
            made = await planning.plan(
                engine,
                opened.store,
                read=not no_read,
                only=only or (),
                say=progress(session, engine),
            )
        finally:
            progress_over(session)
    if made.stopped:
        return stopped(session, engine, made.brakes, planned=True)
    refuse_unknown(made, only or (), which)
    if which and only:
        from dataclasses import replace

        made = replace(made, lines=tuple(planning.chosen_lines(made.lines, only)))
    return _shown(session, engine, made, full=full, exit_code=exit_code)


async def stored_plan(store: object, number: int, engine: Engine) -> Planned:
    """The plan of that number. Raises `UsedWronglyError` where this bridge has none such."""
    from tieout.services import planning
    from tieout.services.usage import UsedWronglyError

    found = await planning.stored(store, number)  # type: ignore[arg-type]
    if found is None or found.bridge != engine.bridge:
        raise UsedWronglyError(
            f"There is no plan P-{number} of {engine.bridge}.", code="no_plan", hint="tieout plan"
        )
    return found


def refuse_unknown(made: Planned, only: Sequence[str], which: str) -> None:
    """Raises `UsedWronglyError` for words of --only that name nothing in the plan."""
    from tieout.services.planning import unnamed
    from tieout.services.usage import UsedWronglyError

    unknown = unnamed(made.lines, only)
    if not unknown:
        return
    if which:
        raise UsedWronglyError(
            f"{', '.join(unknown)} {'is' if len(unknown) == 1 else 'are'} not in {made.name}.",
            code="not_in_plan",
            hint=f"tieout plan {made.name}",
        )
    raise UsedWronglyError(
        f"Nothing is due for {', '.join(unknown)}.",
        code="not_due",
        hint=f"tieout why {shlex.quote(unknown[0])}",
    )


def _shown(
    session: Session, engine: Engine, made: Planned, *, full: bool, exit_code: bool
) -> Result:
    from tieout.cli.daily import zone
    from tieout.cli.plan_screen import plan_data, plan_lines

    work = bool(made.writes)
    approvals = [line for line in made.lines if line.verdict == "approval"]
    result = Result(
        data=plan_data(made),
        lines=plan_lines(
            made,
            zone(engine),
            full=full,
            estimate=estimate(engine, made),
            width=session.screen.width or 100,
        ),
        notes=["Nothing was written."],
        next=following(made),
        bridge=engine.bridge,
        exit=Exit.UNKNOWN if exit_code and (work or approvals) else Exit.OK,
    )
    if made.brakes:
        held = stopped(session, engine, made.brakes, planned=False)
        result.notes = [*held.notes, "Nothing was written."]
        result.next, result.error, result.exit = held.next, held.error, held.exit
    return result


def following(made: Planned) -> tuple[str, ...]:
    """What to do with the plan, ready to paste: write it, release one, or see what holds it."""
    if made.writes:
        return (f"tieout apply {made.name}",)
    for line in made.lines:
        if line.verdict == "approval":
            return (f"tieout apply {made.name} --approve {shlex.quote(line.number or 'all')}",)
    if any(line.verdict == "hold" for line in made.lines):
        # Not the list of exceptions: before a run it does not have them yet.
        return ("tieout doctor",)
    if any(line.verdict == "wait" for line in made.lines):
        # What is looked up is settled by a run, or asked about there.
        return ("tieout run --once",)
    return ()


_CALL_MS, _BEGIN_MS = 250, 500


def estimate(engine: Engine, made: Planned) -> str:
    """`, 4 calls, about 1 s`: what fits into a call, how many at once, and the vendor's quota."""
    from tieout.cli.formats import age, count
    from tieout.core.model import Entity

    calls, took_ms = 0, 0
    for connection in [*engine.books, engine.policy.crm]:
        abilities = engine.connectors[connection].abilities
        mine = 0
        for entity in ("customer", "document", "standing"):
            lines = [line for line in made.writes if _goes_to(engine, line, connection, entity)]
            room = max(abilities.of(Entity(entity)).write_max, 1)
            mine += -(-len(lines) // room)
        calls += mine
        if mine:
            took_ms += _BEGIN_MS + mine * _CALL_MS // max(abilities.in_flight, 1)
            took_ms += max((_held_ms(mine, window) for window in abilities.budgets), default=0)
    span = timedelta(milliseconds=max(took_ms, 1_000))
    about = f"{span.seconds} s" if span < timedelta(seconds=90) else age(span)
    return f", {count(calls, 'call')}, about {about}"


def _held_ms(calls: int, window: BudgetWindow) -> int:
    """How long our share of a quota holds back so many calls; a whole share may go at once."""
    ours = max(int(window.calls * Decimal(window.share)), 1)
    return max(calls - ours, 0) * window.seconds * 1000 // ours


def _goes_to(engine: Engine, line: object, connection: str, entity: str) -> bool:
    found = getattr(line, "entity", "")
    lane = getattr(line, "lane", "")
    if found != entity:
        return False
    if entity == "standing":
        return connection == engine.policy.crm
    return bool(lane.endswith(f"/{connection}"))


def _distinct(brakes: tuple[Brake, ...]) -> list[Brake]:
    """Our own clock is one: it is said once, whichever systems tell another time."""
    first: dict[str, Brake] = {}
    for brake in brakes:
        name = brake.code if brake.code == "clock_off" else f"{brake.code} {brake.connection}"
        first.setdefault(name, brake)
    return list(first.values())


def stopped(
    session: Session, engine: Engine, brakes: tuple[Brake, ...], *, planned: bool
) -> Result:
    """`STOPPED: …`, with what to look at."""
    first = brakes[0]
    shown = _distinct(brakes)
    words = [brake.message for brake in shown]
    message = " ".join(words)
    if planned and "Nothing is planned" not in message:
        message += " Nothing is planned."
    commands, notes = [], [f"STOPPED: {message}"]
    for brake in shown:
        said, _, tail = brake.hint.partition("tieout ")
        if tail:
            commands.append(f"tieout {tail.rstrip('.')}")
        told = said.strip().rstrip(":,").strip()
        if tail and told and told.endswith("?"):
            notes.append(told)
        elif not tail and brake.hint:
            notes.append(brake.hint)
    return Result(
        exit=Exit.STOPPED,
        notes=notes,
        next=tuple(commands[:1]),
        bridge=engine.bridge,
        error=ErrorInfo(
            code=first.code,
            message=message,
            ref={"connection": first.connection} if first.connection else None,
            reference=reference(first.code, session.clock.now()),
        ),
    )
