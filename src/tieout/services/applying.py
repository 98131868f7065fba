"""Applying a plan: decided again on what both sides show now, then exactly that is written."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tieout.core.brakes import Brake
from tieout.core.case import Decision, Verdict
from tieout.core.errors import StoppedError
from tieout.engine import lanes
from tieout.engine.context import Engine
from tieout.engine.executing import execute
from tieout.engine.resolving import ResolveCounts, expire, resolve
from tieout.engine.sending import ExecuteCounts
from tieout.services import planning
from tieout.services.planning import Key, Planned, by_key, chosen_lines, holding, names
from tieout.services.running import pause
from tieout.services.usage import UsedWronglyError
from tieout.store import planned, plans
from tieout.store.plans import PlanLine
from tieout.store.postgres import PostgresStore
from tieout.storing import DueRow, Lease

Say = Callable[[str], None]
ALL = "all"
KEEP_EVERY_S = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A change that is not what was planned any more: the row then, and now if there is one."""

    then: PlanLine
    now: PlanLine | None


@dataclass(slots=True, kw_only=True)
class Applied:
    """
    What applying came to. ``done`` are the plan's changes with what became of each, in its order;
    ``moved`` were not written, and ``fresh`` is the plan that shows them as they are now.
    ``left`` are those that still wait for a person.
    """

    plan: Planned
    done: list[tuple[PlanLine, planned.Written | None]] = field(default_factory=list)
    moved: list[Moved] = field(default_factory=list)
    fresh: Planned | None = None
    left: list[PlanLine] = field(default_factory=list)
    brakes: tuple[Brake, ...] = ()
    counts: ExecuteCounts = field(default_factory=ExecuteCounts)

    def states(self) -> dict[str, int]:
        """Changes by what became of them: applied, unknown, refused, waiting, later."""
        found: dict[str, int] = {}
        for word in self.words():
            found[word] = found.get(word, 0) + 1
        return found

    def words(self) -> list[str]:
        """
        What became of each change, as ``done``; `waiting` of a document whose customer was
        refused: it is not sent later by itself, but when a person has seen to the customer.
        """
        words = [state_word(written) for _, written in self.done]
        refused = {
            line.key13
            for (line, _), word in zip(self.done, words, strict=True)
            if word == "refused"
        }
        return [
            "waiting"
            if word == "later" and written is not None and written.depends_on in refused
            else word
            for (_, written), word in zip(self.done, words, strict=True)
        ]


_WORDS = {
    "applied": "applied",
    "already_applied": "applied",
    "confirming": "applied",
    "started": "unknown",
    "unknown": "unknown",
    "doubt": "unknown",
    "rejected": "refused",
    "superseded": "moved",
}


def state_word(written: planned.Written | None) -> str:
    """What became of a change, in one word."""
    return "later" if written is None else _WORDS.get(written.state, "later")


async def apply(
    engine: Engine,
    store: PostgresStore,
    plan: Planned,
    *,
    only: Collection[str] = (),
    approve: Collection[str] = (),
    who: str,
    say: Say = lambda _: None,
) -> Applied:
    """
    Writes a plan's changes, and those of its approvals that ``approve`` names ('all': every one).

    Raises `StoppedError` when the person may not release them, `UsedWronglyError` for a deal that
    the plan does not have, `BusyError`, and what the connectors raise before anything is sent.
    """
    wanted = chosen_lines(plan.lines, only)
    released = _released(plan, wanted, approve)
    async with holding(engine) as lease:
        await planning.read_both(engine, lease, say)
        await expire(engine)
        for connection in [*engine.books, engine.policy.crm]:
            await resolve(engine, connection, ResolveCounts())
        result = Applied(plan=plan)
        released += await _release(engine, store, result, released, who)
        await _write(engine, store, lease, result, wanted, released, say)
        if result.moved:
            result.fresh = await planning.plan_now(engine, store)
    return result


def _released(
    plan: Planned, wanted: Sequence[PlanLine], approve: Collection[str]
) -> list[PlanLine]:
    waiting = [line for line in plan.lines if line.verdict == Verdict.APPROVAL]
    if ALL in approve:
        return [line for line in waiting if line in wanted]
    for word in approve:
        if any(names(line, [word]) for line in waiting):
            continue
        there = any(names(line, [word]) for line in plan.lines)
        raise UsedWronglyError(
            f"{word} {'does not wait for approval' if there else 'is not'} in {plan.name}.",
            code="not_in_plan",
            hint=f"tieout plan {plan.name}",
        )
    return [line for line in waiting if names(line, approve)] if approve else []


# --- releasing --------------------


async def _release(
    engine: Engine, store: PostgresStore, result: Applied, lines: Sequence[PlanLine], who: str
) -> list[PlanLine]:
    """
    A person's name under what is as it was planned; what moved on is not released. Gives the
    customers that were released with their deals.
    """
    if not lines:
        return []
    await _four_eyes(engine, store, lines, who)
    fresh = by_key(await planning.decided_lines(engine, store))
    same = [line for line in lines if _same(fresh.get(_key(line)), line)]
    if same:
        # An approval releases an operation, so it is there first, as a run would leave it.
        await record(engine, store, same, rest=False)
        await _sign(engine, store, same, who, result.plan.number)
    pairs = _pairs([line for line in same if line.entity == "document"])
    buyers = await store.do(lambda tx: planned.buyers(tx, pairs))
    fresh = by_key(await planning.decided_lines(engine, store))
    with_them = [
        line
        for line in fresh.values()
        if line.entity == "customer"
        and line.verdict == Verdict.APPROVAL
        and line.source_id in buyers
        and _key(line) not in {_key(one) for one in same}
    ]
    if with_them:
        await record(engine, store, with_them, rest=False)
        await _sign(engine, store, with_them, who, result.plan.number)
    return with_them


async def _sign(
    engine: Engine, store: PostgresStore, lines: Sequence[PlanLine], who: str, plan: int | None
) -> None:
    now = engine.clock.now()
    days = {line.lane: engine.today(line.lane.rsplit("/", 1)[-1]) for line in lines}
    await store.do(lambda tx: plans.approve(tx, lines, who, plan, now, days))


async def _four_eyes(
    engine: Engine, store: PostgresStore, lines: Sequence[PlanLine], who: str
) -> None:
    """
    Who releases is neither who won or edited the deal nor who published the mapping in force.

    Raises `StoppedError` with all deals that this person may not release.
    """
    if not engine.policy.documents.four_eyes:
        return
    from tieout.store import admin

    bridge = engine.bridge
    version = await store.do(lambda tx: admin.in_force(tx, bridge))
    if version is not None and same_person(who, version.published_by):
        raise StoppedError(
            f"{who} published v{version.version}, the mapping in force, so another person "
            "releases what it makes. Nothing was released.",
            code="four_eyes",
        )
    crm = engine.policy.crm
    ids = sorted({line.source_id for line in lines})
    known = await store.do(lambda tx: planned.owners(tx, crm, ids))
    own = [line.number for line in lines if is_own(who, known.get(line.source_id, {}))]
    if own:
        raise StoppedError(
            f"{who} won or edited {', '.join(own)}, so another person releases "
            f"{'it' if len(own) == 1 else 'them'}. Nothing was released.",
            code="four_eyes",
        )


_EDITORS = ("lastmodifiedby", "createdby", "modifiedby", "updatedby", "owner")


def is_own(who: str, deal: Mapping[str, Any]) -> bool:
    """Whether a deal (owner, email, extra) was won or edited by this person."""
    told = [str(deal.get("owner") or ""), str(deal.get("email") or "")]
    for path, value in dict(deal.get("extra") or {}).items():
        name = path.casefold().replace("_", "").replace(".", "")
        if name.removeprefix("opportunity").startswith(_EDITORS) and value:
            told.append(str(value))
    return any(same_person(who, name) for name in told)


def same_person(one: str, other: str) -> bool:
    """Whether two names mean one person: equal, or one is the other's mail address."""
    return bool(_folded(one) & _folded(other))


def _folded(name: str) -> set[str]:
    """Ways to write one name: whole, the part before the @, and with dots for spaces."""
    plain = name.strip().casefold()
    if not plain:
        return set()
    short = plain.partition("@")[0]
    return {plain, short, short.replace(".", " "), short.replace(" ", ".")}


# --- writing --------------------


def _key(line: PlanLine) -> Key:
    return (line.lane, line.source_id, line.part)


def _same(fresh: PlanLine | None, line: PlanLine) -> bool:
    return fresh is not None and fresh.digest == line.digest and fresh.key13 == line.key13


async def _write(
    engine: Engine,
    store: PostgresStore,
    lease: Lease,
    result: Applied,
    wanted: Sequence[PlanLine],
    released: Sequence[PlanLine],
    say: Say,
) -> None:
    go = [line for line in wanted if line.verdict == Verdict.WRITE] + list(released)
    waiting = [line for line in wanted if line.verdict == Verdict.APPROVAL and line not in released]
    fresh = by_key(await planning.decided_lines(engine, store))
    sent_before = await store.do(lambda tx: planned.written(tx, _pairs([*go, *waiting])))
    # What was released and written before, by another part of this plan, waits for nobody.
    result.left = [
        line
        for line in waiting
        if state_word(sent_before.get((line.key13, line.digest))) != "applied"
    ]
    chosen: list[PlanLine] = []
    for line in go:
        now = fresh.get(_key(line))
        if _same(now, line) and now is not None and now.verdict == Verdict.WRITE:
            chosen.append(line)
        elif state_word(sent_before.get((line.key13, line.digest))) in ("applied", "unknown"):
            result.done.append((line, sent_before[(line.key13, line.digest)]))
        else:
            result.moved.append(Moved(then=line, now=now))
    # What a person has just released by name is no surprise.
    unasked = [line for line in chosen if line not in released]
    result.brakes = await planning.held_back(engine, unasked)
    if any(not brake.creates_only for brake in result.brakes):
        return
    if result.brakes:
        chosen = [line for line in chosen if line.action != "create"]
    await record(engine, store, chosen, rest=len(wanted) == len(result.plan.lines))
    await planning.keep(engine, lease)
    await _send(engine, store, lease, result, chosen, say)
    order = {id(line): place for place, line in enumerate(go)}
    result.done.sort(key=lambda pair: order.get(id(pair[0]), 0))


def _pairs(lines: Sequence[PlanLine]) -> list[tuple[str, str]]:
    return [(line.key13, line.digest) for line in lines]


async def _send(
    engine: Engine,
    store: PostgresStore,
    lease: Lease,
    result: Applied,
    chosen: Sequence[PlanLine],
    say: Say,
) -> None:
    pairs = _pairs(chosen)
    made = await store.do(lambda tx: planned.written(tx, pairs))
    ids = [one.operation for one in made.values()]
    try:
        while True:
            for connection in [*engine.books, engine.policy.crm]:
                say(f"Writing to {connection}")
                await execute(engine, connection, result.counts, only=ids)
            if not await _wait_for_quota(engine, store, lease, say):
                break
    finally:
        after = await store.do(lambda tx: planned.written(tx, pairs))
        result.done += [(line, after.get((line.key13, line.digest))) for line in chosen]
        if result.plan.number is not None:
            number = result.plan.number
            states = {
                (line.key13, line.digest): state_word(written) for line, written in result.done
            }
            await store.do(lambda tx: planned.mark_plan(tx, number, states))


async def _wait_for_quota(engine: Engine, store: PostgresStore, lease: Lease, say: Say) -> bool:
    """Whether a quota put changes off, after waiting until they may go; not for long ones."""
    at = await store.next_ready(engine.bridge, engine.clock.now())
    if at is None or engine.stopping:
        return False
    seconds = (at - engine.clock.now()).total_seconds()
    if seconds > engine.patience_s:
        return False
    say(f"Waiting {max(1, round(seconds))} s for the quota")
    while seconds > 0 and not engine.stopping:
        await pause(engine, min(seconds, KEEP_EVERY_S))
        seconds -= KEEP_EVERY_S
        await planning.keep(engine, lease)
    return not engine.stopping


# What is decided without a write: kept as it would be by a run, so that everybody sees it.
_QUIET = frozenset({Verdict.HOLD, Verdict.SKIP, Verdict.NOTHING})


async def record(
    engine: Engine, store: PostgresStore, chosen: Sequence[PlanLine], *, rest: bool
) -> None:
    """
    Operations for exactly these rows, whatever the mode; no other write.

    A deal's customer is recorded with it when it was found in the books, and waits for its release
    where a person has to give one. With ``rest`` also what is held or left out, as exceptions
    and outcomes.
    """
    wanted = {(*_key(line), line.digest) for line in chosen}
    async for window in planning.windows(engine, store):
        mine = [
            decision
            for decision in window.decisions
            if (decision.lane, decision.source_id, decision.part, decision.digest) in wanted
        ]
        buyers = {decision.customer_id for decision in mine if decision.lane == window.lane}
        mine += [
            decision
            for decision in window.decisions
            if decision not in mine
            and decision.lane != window.lane
            and decision.source_id in buyers
            and decision.verdict in (Verdict.AGREED, Verdict.APPROVAL)
        ]
        if rest:
            due = {row.source_id for row in window.due if row.revision > 0}
            mine += [
                decision
                for decision in window.decisions
                if decision.verdict in _QUIET
                and decision.lane == window.lane
                and decision.source_id in due
            ]
        taken = [decision for decision in mine if not planning.recorded(decision)]
        if taken:
            await _record_window(engine, window, taken)


async def _record_window(
    engine: Engine, window: planning.Window, taken: Sequence[Decision]
) -> None:
    flow, books = lanes.flow_of(window.lane), window.lane.rsplit("/", 1)[-1]
    to_crm = flow in lanes.TO_CRM
    await engine.store.record(
        bridge=engine.bridge,
        connection=engine.policy.crm if to_crm else books,
        decisions=taken,
        due=_whole(window, taken),
        run=None,
        config_version=engine.policy.version,
        now=engine.clock.now(),
        day=engine.today(books),
        shadow=False,
    )


def _whole(window: planning.Window, taken: Sequence[Decision]) -> list[DueRow]:
    """
    Due rows of which every decision was taken. A source with a part that was not stays due, so
    that the next run decides it.
    """
    left = {
        decision.source_id
        for decision in window.decisions
        if decision.lane == window.lane and decision not in taken
    }
    mine = {decision.source_id for decision in taken if decision.lane == window.lane}
    return [row for row in window.due if row.source_id in mine - left and row.revision > 0]
