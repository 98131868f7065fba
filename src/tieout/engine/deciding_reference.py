"""Deciding on lists of values that the CRM offers: the books' codes of one kind each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tieout.core.case import Decision, PublishedCase, Verdict
from tieout.core.decide_published import decide_published
from tieout.core.finding import Finding
from tieout.core.keys import KeyKind
from tieout.core.model import Code, Entity, ExternalRef, ValueList
from tieout.core.policy import BooksPolicy, ValueRule
from tieout.core.value_list import emptied, wanted_values
from tieout.engine.context import Engine
from tieout.engine.places import published_slot

_FIELDS = frozenset({"values"})


async def decide_reference(
    engine: Engine, lane: str, book: BooksPolicy, kinds: Sequence[str]
) -> list[Decision]:
    """What the list of each of these kinds of codes should hold; kinds without a list: nothing."""
    rules = {
        rule.kind: rule for rule in engine.policy.reference.lists if rule.books == book.connection
    }
    return [
        await _decide(engine, lane, book, rules[kind])
        if kind in rules
        else Decision(lane=lane, source_id=kind, verdict=Verdict.SKIP, reason="no_list")
        for kind in kinds
    ]


async def _decide(engine: Engine, lane: str, book: BooksPolicy, rule: ValueRule) -> Decision:
    slot = published_slot(engine, book, KeyKind.VALUES, f"{rule.kind}>{rule.target}")
    state = (await engine.store.slots([slot]))[slot.key13]
    found = await engine.store.mirror(engine.policy.crm, Entity.VALUES, [rule.target])
    seen = found.get(rule.target)
    shown = seen.record if seen is not None else None
    case = PublishedCase(
        source=ExternalRef(book.connection, str(Entity.CODE), rule.kind),
        number=rule.target,
        title=rule.kind,
        state=state,
        target=seen,
    )
    mode = engine.policy.reference.mode
    if seen is None or seen.gone or not isinstance(shown, ValueList):
        case = replace(case, found=(_no_list(rule),))
        return decide_published(case, lane, Entity.VALUES, _FIELDS, mode)
    codes = await engine.store.codes(book.connection, rule.kind)
    of_kind = [code for code in codes if isinstance(code, Code)]
    linked = state.link.wanted if state.link is not None else None
    before = linked if isinstance(linked, ValueList) else None
    if emptied(of_kind, shown, before):
        case = replace(case, found=(_no_codes(rule),))
        return decide_published(case, lane, Entity.VALUES, _FIELDS, mode)
    wanted = wanted_values(of_kind, shown, before, rule.label)
    candidates = (shown,) if state.current is None else ()
    case = replace(case, wanted=wanted, candidates=candidates)
    return decide_published(case, lane, Entity.VALUES, _FIELDS, mode)


def _no_list(rule: ValueRule) -> Finding:
    return Finding(
        code="value_list_missing",
        message=f"The CRM has no list of values {rule.target} for {rule.kind}.",
        hint="Make it there, or name another: flows.reference.lists. A field that takes its values "
        "from a shared list is written by the name of that list.",
        place=rule.target,
        hold_on=str(Entity.VALUES),
        values={"list": rule.target},
    )


def _no_codes(rule: ValueRule) -> Finding:
    return Finding(
        code="value_list_emptied",
        message=f"{rule.books} tell of no {rule.kind} any more, so {rule.target} would offer none.",
        hint="Look whether the connection may still read them; else close the values in the CRM.",
        place=rule.target,
        # A code that is read again makes it due.
        hold_on=str(Entity.VALUES),
        values={"list": rule.target},
    )
