"""`tieout run`: read, decide, write, look up; once or again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from tieout.cli.command import Session, command
from tieout.cli.output import ErrorInfo, Exit, Result, error_result, reference, worst
from tieout.core.errors import BusyError, SyncError, TransientError

if TYPE_CHECKING:
    from datetime import datetime, tzinfo
    from decimal import Decimal

    from tieout.bootstrap import Opened
    from tieout.engine.context import Engine
    from tieout.services.running import Ran
    from tieout.services.tie_outs import Pace, TiedOut
    from tieout.store.planned import Written

FEW = 10


@command("run", examples=("tieout run --once", "tieout run --every 30s"))
async def run(
    session: Session,
    once: Annotated[bool, Option("--once", help="One pass; also without options.")] = False,
    every: Annotated[
        str, Option("--every", metavar="30s", help="Again and again, with this pause.")
    ] = "",
    force: Annotated[
        bool, Option("--force", help="Go on although a brake holds; read the plan first.")
    ] = False,
    strict: Annotated[
        bool, Option("--strict", help="End with 8 where a person is still needed.")
    ] = False,
) -> Result | None:
    """Bring both sides in step, as far as the modes allow."""
    from tieout.cli.daily import note_high_water, open_bridge, progress, progress_over
    from tieout.services import running
    from tieout.services.tie_outs import Pace
    from tieout.services.usage import UsedWronglyError

    if once and every:
        raise UsedWronglyError("Say --once or --every, not both.", code="usage")
    pause_s = running.interval(every) if every else 0
    opened = await session.opened()
    engine = await open_bridge(session, opened)
    engine.force = force
    if every:
        return await _again(session, opened, engine, pause_s, force=force, strict=strict)
    say = progress(session, engine)
    say(f"Running {engine.bridge}")
    try:
        ran = await running.run_once(engine, opened.store)
        result = result_of(session, engine, ran, strict=strict)
        await _tie_out(session, opened, engine, Pace(), result)
    finally:
        progress_over(session)
        await note_high_water(opened)
    return result


async def _tie_out(
    session: Session, opened: Opened, engine: Engine, pace: Pace, result: Result
) -> None:
    """
    The tie-out that the configuration asks for behind a run, where it is due. One that could not
    be made does not undo the run: it is said, and tried again behind the next one.
    """
    if result.error is not None and result.exit is Exit.STOPPED:
        return
    try:
        made = await pace.tie_out(engine, opened.store)
    except SyncError as error:
        failed = error_result(error, session.clock.now(), ref=session.ref)
        result.notes = [*result.notes, f"Not tied out: {error.message}"]
        result.error, result.exit = result.error or failed.error, worst([result.exit, failed.exit])
        return
    result.data["tie_outs"] = [tied_data(one) for one in made]
    result.lines = [*result.lines, *(_tied_line(one) for one in made)]
    open_ones = [one for one in made if one.exception is not None]
    if open_ones:
        message = " ".join(_tied_line(one) for one in open_ones)
        result.exit = worst([result.exit, Exit.DISAGREE])
        result.error = result.error or ErrorInfo(
            code="figures_disagree",
            message=message,
            reference=reference("figures_disagree", session.clock.now()),
        )
        result.next = ("tieout reconcile", *result.next)


def _tied_line(one: TiedOut) -> str:
    from tieout.cli.formats import amount

    gap = f"gap {one.currency} {amount(one.gap)}"
    if one.explained:
        return f"tied out {one.books}: explained to the cent, {gap}"
    if not one.ledger_read:
        return f"tied out {one.books}: its own list was not read, {gap}"
    said = f"tied out {one.books}: UNEXPLAINED {amount(one.unexplained)} of the {gap}"
    return said if one.exception is None else f"{said}, EX-{one.exception}"


def tied_data(one: TiedOut) -> dict[str, Any]:
    """A tie-out that a run did, in the JSON output."""
    from tieout.cli.formats import money

    return {
        "books": one.books,
        "at": one.at,
        "sold": money(one.sold, one.currency),
        "invoiced": money(one.invoiced, one.currency),
        "gap": money(one.gap, one.currency),
        "unexplained": money(one.unexplained, one.currency),
        "explained": one.explained,
        "ledger_read": one.ledger_read,
        "exception": None if one.exception is None else f"EX-{one.exception}",
    }


async def _again(
    session: Session, opened: Opened, engine: Engine, pause_s: int, *, force: bool, strict: bool
) -> Result | None:
    """
    Rounds until somebody stops it. What passes by itself is said and tried again; what needs a
    person ends it, so that no account is locked by repeating.
    """
    from tieout.cli.daily import note_high_water
    from tieout.services import running
    from tieout.services.tie_outs import Pace

    pace = Pace()
    while not session.stopping:
        engine = await _in_force(session, opened, engine, force)
        try:
            pace.rest(engine)
            ran = await running.run_once(engine, opened.store)
            result = result_of(session, engine, ran, strict=strict)
            await _tie_out(session, opened, engine, pace, result)
            session.emit(result)
        except (BusyError, TransientError) as error:
            session.emit(error_result(error, session.clock.now(), ref=session.ref))
        await note_high_water(opened)
        await running.pause(engine, pause_s)
    return None


async def _in_force(session: Session, opened: Opened, engine: Engine, force: bool) -> Engine:
    """
    The same engine, or one with the version that was published meanwhile, or without the hold
    that a restore had put on it.
    """
    from tieout.bootstrap import make_engine
    from tieout.store import admin, recovering

    bridge = engine.bridge
    version = await opened.do(lambda tx: admin.in_force(tx, bridge))
    held = await opened.do(lambda tx: recovering.flows_held(tx, bridge))
    if version is None or (version.version, held) == (engine.policy.version, engine.by_hand):
        return engine
    made = await make_engine(opened, bridge, engine.who)
    made.force = force
    session.stops(made)
    return made


def result_of(session: Session, engine: Engine, ran: Ran, *, strict: bool) -> Result:
    """What a run did, as the screen says it."""
    from tieout.cli.commands.plan import stopped
    from tieout.cli.daily import zone

    codes = []
    # Whichever run sent it: as long as it is not known, this command does not say "done".
    if ran.looked_up or (ran.result.executed.unknown and ran.without_answer):
        codes.append(Exit.UNKNOWN)
    if strict and (ran.exceptions or ran.waiting):
        codes.append(Exit.PERSON)
    here = zone(engine)
    result = Result(
        data=_data(ran),
        lines=[_head(engine, ran, here), *_rows(engine, ran, here)],
        exit=worst(codes),
        bridge=engine.bridge,
        next=_next(ran),
    )
    if ran.result.after:
        said = f"{ran.result.after} had worked on {engine.bridge} and is gone."
        result.notes = [f"{said[0].upper()}{said[1:]} What it had sent is looked up."]
    if ran.looked_up:
        result.notes = [*result.notes, _looked_up(ran, engine.clock.now())]
    if ran.result.brakes:
        held = stopped(session, engine, ran.result.brakes, planned=False)
        result.notes = [*result.notes, *held.notes]
        result.error, result.next = held.error, held.next
        result.exit = worst([*codes, Exit.STOPPED])
    return result


def _head(engine: Engine, ran: Ran, here: tzinfo) -> str:
    from tieout.cli.formats import moment

    at = ran.result.started_at or engine.clock.now()
    number = f"Run R-{ran.result.number}"
    read = ran.result.read.changed
    return (
        f"{number}  {engine.bridge}  {moment(at, here)}  {ran.seconds:.1f} s  "
        f"{read:,} read, {ran.written:,} written"
    )


def _rows(engine: Engine, ran: Ran, here: tzinfo) -> list[str]:
    from tieout.cells import cells
    from tieout.cli.daily import recovery_text, sums_text

    rows: list[str] = []
    if ran.recovery is not None:
        rows.append(recovery_text(*ran.recovery, here, engine.clock.now()))
    currencies = {one.currency for one in ran.moved} | {one["currency"] for one in ran.waiting}
    # One row among exceptions of other currencies has to say its own, too.
    several = len((currencies | {name for _, name in ran.amounts}) - {""}) > 1
    told = [one for one in ran.moved if one not in ran.without_answer]
    rows += _few([_moved(one, here, named=several) for one in told], "more")
    # Below those that are known, so that of very many none of these is hidden behind them.
    lost = [_moved(one, here, named=several) for one in ran.without_answer]
    rows += _few(lost, "more without an answer")
    rows += _few(_waiting(ran, named=several), "more wait for approval")
    shadow = ran.result.open.get("due.shadow", 0)
    if shadow:
        noun = "change is" if shadow == 1 else "changes are"
        rows.append(f"shadow   {shadow:,} {noun} planned only: tieout plan")
    open_ones = "Open exceptions: none"
    if ran.exceptions:
        open_ones = f"Open exceptions: {ran.exceptions:,}, {sums_text(ran.amounts)}"
    if rows and cells(rows[-1]) + len(open_ones) + 2 <= 100 and ran.waiting:
        rows[-1] = f"{rows[-1]}. {open_ones}"
    else:
        rows.append(open_ones)
    return rows


def _net(value: Decimal | None, currency: str, *, named: bool) -> str:
    """The amount; its currency behind it where the screen has several."""
    from tieout.cli.formats import amount

    if value is None:
        return ""
    return f"{amount(value)} {currency}".strip() if named else amount(value)


def _waiting(ran: Ran, *, named: bool) -> list[str]:
    """What a person has to release: each deal and customer, and what the CRM shows in one line."""
    from tieout.cli.daily import deal_words
    from tieout.cli.formats import count

    rows = []
    for one in ran.waiting:
        if one["entity"] == "standing":
            continue
        name = one["number"] or one["source_id"]
        if one["entity"] == "customer":
            rows.append(f"waiting  customer {one['title'] or name}: approval")
            continue
        net = _net(one["net"], one["currency"], named=named)
        who = deal_words(name, one["title"])
        rows.append(f"waiting  {f'{who} {net}'.strip()}: approval")
    shown = sum(one["entity"] == "standing" for one in ran.waiting)
    if shown:
        rows.append(f"waiting  status of {count(shown, 'record')} in the CRM: approval")
    return rows


def _few(rows: list[str], rest: str) -> list[str]:
    if len(rows) <= FEW:
        return rows
    return [*rows[:FEW], f"         and {len(rows) - FEW:,} {rest}"]


def _moved(one: Written, here: tzinfo, *, named: bool = False) -> str:
    from tieout.cli.daily import deal_words, record_name
    from tieout.cli.formats import amount

    net, who = "", one.title
    if one.entity == "document":
        net = f" {_net(one.net, one.currency, named=named)}".rstrip()
        who = deal_words(one.deal, one.title)
    name = record_name(one)
    if one.entity == "standing":
        who = name
    if one.state in ("applied", "already_applied", "confirming"):
        if one.action == "void":
            return f"voided   {who}: its draft"
        if one.detail == "answer" or one.action != "create":
            told = "" if one.shown_gross is None else ", as predicted"
            if one.differs and one.shown_gross is not None:
                told = f", shows {amount(one.shown_gross)}, not as predicted"
            return f"written  {who}{net}: {name}{told}"
        return f"found    {who}{net}: {name}, once, under its key"
    if one.state == "doubt":
        return f"doubt    {who}{net}: a person says which one it is"
    at = one.unanswered_since.astimezone(here)
    return f"unknown  {who}{net}: no answer at {at:%H:%M}, being looked up"


def _looked_up(ran: Ran, now: datetime) -> str:
    """What it means that outcomes are unknown, and from when on a run may know more."""
    from tieout.cli.formats import age, count

    looks = [one.next_look_at for one in ran.looked_up if one.next_look_at is not None]
    soon = f", due in {age(min(looks) - now)}" if looks and min(looks) > now else ""
    return (
        f"{count(len(ran.looked_up), 'outcome is', 'outcomes are')} unknown. Nothing is sent "
        f"twice: the next run looks before it writes{soon}."
    )


def _next(ran: Ran) -> tuple[str, ...]:
    found = ["tieout run --once"] if ran.looked_up else []
    if ran.exceptions:
        found.append("tieout exceptions list")
    if ran.waiting:
        found.append("tieout plan")
    return tuple(found)


def _data(ran: Ran) -> dict[str, Any]:
    from tieout.cli.formats import money

    result = ran.result
    return {
        "run": f"R-{result.number}",
        "started_at": result.started_at,
        "finished_at": result.finished_at,
        "seconds": f"{ran.seconds:.1f}",
        "after": result.after or None,
        "read": result.read.changed,
        "written": ran.written,
        "counts": result.counts(),
        "open": dict(result.open),
        "moved": [
            {
                "state": one.state,
                "entity": one.entity,
                "action": one.action,
                "deal": one.deal or None,
                "title": one.title or None,
                "net": money(one.net, one.currency) if one.entity == "document" else None,
                "record": one.number or one.ref or None,
                "found_by": one.detail or None,
                "as_predicted": not one.differs,
            }
            for one in ran.moved
        ],
        "waiting": [
            {
                "entity": one["entity"],
                "deal": one["number"] or None,
                "title": one["title"] or None,
                "net": money(one["net"], one["currency"]),
                "since": one["since"],
            }
            for one in ran.waiting
        ],
        "unknown": {
            "count": len(ran.looked_up),
            "next_look": min(
                (one.next_look_at for one in ran.looked_up if one.next_look_at), default=None
            ),
        },
        "exceptions": {
            "count": ran.exceptions,
            "amounts": [money(value, currency) for value, currency in ran.amounts],
        },
        "recovery": None
        if ran.recovery is None
        else {"not_before": ran.recovery[0], "reads_left": ran.recovery[1]},
        "brakes": [
            {"code": brake.code, "message": brake.message, "connection": brake.connection}
            for brake in result.brakes
        ],
    }
