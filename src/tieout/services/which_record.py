"""Which record of several is the one, or which are not ours: a person's word, kept for good."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tieout.core.case import RefRole
from tieout.core.model import Entity, ExternalRef
from tieout.engine import lanes
from tieout.engine.context import Engine
from tieout.services.exceptions import (
    ALIKE,
    Answer,
    candidate_ids,
    kept_in,
    one_record,
    place_of_step,
)
from tieout.services.usage import UsedWronglyError
from tieout.store import pages, people
from tieout.store import slots as slot_store
from tieout.store.people import Case
from tieout.store.postgres import PostgresStore
from tieout.store.said import pair_subject

Named = tuple[str, str, str, str]
_WORDS = {Entity.CONTACT: "person"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """The place that an exception asks about, and where its records are."""

    case: Case
    key13: str
    connection: str
    entity: str
    generation: int
    others: tuple[str, ...]
    who: str
    now: Any

    def ref(self, record_id: str) -> ExternalRef:
        return ExternalRef(self.connection, self.entity, record_id)

    @property
    def flow(self) -> str:
        return lanes.flow_of(self.case.lane)

    @property
    def books(self) -> str:
        return self.case.lane.rsplit("/", 1)[-1]


async def which(engine: Engine, store: PostgresStore, case: Case, given: Answer, who: str) -> str:
    """
    One record counts, or some are not ours; every later look honours it. In a sentence.

    Raises `UsedWronglyError` for a record that is not there, or belongs to another place.
    """
    if case.key13 is None:
        raise UsedWronglyError(f"{case.name} names no place.", code="answer_unfit")
    connection, entity = kept_in(case, engine.policy.crm)
    chosen = await _named(store, case, connection, entity, given.which) if given.which else None
    refused = [await _named(store, case, connection, entity, word) for word in given.not_ours]
    others = tuple(candidate_ids(case))
    key13, now = case.key13, engine.clock.now()

    def work(tx: Any) -> None:
        if case.code == ALIKE:
            slot = place_of_step(engine, case)
            state = slot_store.slots(tx, [slot])[slot.key13]
            slot_store.ensure_slot(tx, state, engine.bridge, connection)
        asked = _Asked(
            case=case,
            key13=key13,
            connection=connection,
            entity=entity,
            generation=slot_store.generation_of(tx, key13),
            others=tuple(dict.fromkeys([*others, *slot_store.live_copies(tx, key13)])),
            who=who,
            now=now,
        )
        if chosen:
            _choose(tx, asked, chosen[0])
        else:
            _refuse(tx, asked, [one[0] for one in refused])
        _wake(tx, engine.bridge, asked)

    await store.do(work)
    name = case.deal or case.source_id
    if entity != Entity.DOCUMENT:
        name = case.customer or name
    if chosen:
        word = chosen[3] if entity == Entity.DOCUMENT else _WORDS.get(Entity(entity), entity)
        return f"{word or entity} {chosen[1] or chosen[0]} is the one of {name}."
    words = ", ".join(one[1] or one[0] for one in refused)
    return f"Not ours: {words}. It is looked up once more before anything is sent."


async def _named(
    store: PostgresStore, case: Case, connection: str, entity: str, word: str
) -> Named:
    """The record that a word names; a candidate by its id, read already or not."""
    for ref in candidate_ids(case):
        if word == ref and not await store.do(
            lambda tx: people.in_books(tx, connection, entity, word)
        ):
            return ref, "", "", ""
    return await one_record(store, connection, entity, word)


def _choose(tx: Any, asked: _Asked, ref: str) -> None:
    present = slot_store.current_of(tx, asked.key13)
    _check_free(tx, asked, ref)
    _keep(tx, asked, "is", [ref])
    _put(tx, asked, ref, RefRole.CURRENT)
    if present is None or present.id != ref:
        people.forget_base(tx, asked.key13)
    # What carries no key of ours is no copy of this one: it may be another's.
    keyless = asked.case.code == "near_hit" or asked.entity == Entity.CONTACT
    for one in () if keyless else asked.others:
        if one != ref:
            _put(tx, asked, one, RefRole.COPY)
    people.settle_doubt(tx, asked.key13, "applied", "person", asked.now)
    _close(tx, asked, [ref])


def _refuse(tx: Any, asked: _Asked, refused: Sequence[str]) -> None:
    """
    Kept out of every later look. Where the place's own record is among them, the one that is left
    is its record from now on: without one, another would be made beside it.
    """
    left = [ref for ref in asked.others if ref not in refused]
    present = slot_store.current_of(tx, asked.key13)
    own = present is not None and present.id in refused
    if own and len(left) != 1:
        _no_record_left(asked, present.id if present else "", left)
    _keep(tx, asked, "not_ours", refused)
    for ref in refused:
        _put(tx, asked, ref, RefRole.NOT_OURS)
    people.settle_doubt(tx, asked.key13, "unknown", "not_ours", asked.now)
    if own:
        _check_free(tx, asked, left[0])
        _put(tx, asked, left[0], RefRole.CURRENT)
        people.forget_base(tx, asked.key13)
    if own or not left:
        _close(tx, asked, refused)


def _no_record_left(asked: _Asked, own: str, left: Sequence[str]) -> None:
    name = asked.case.name
    if left:
        raise UsedWronglyError(
            f"{', '.join(left)} are left, and one of them has to count.",
            code="answer_unfit",
            hint=f"tieout exceptions answer {name} --is REF",
        )
    raise UsedWronglyError(
        f"{own} is what was made here; another one would be made beside it. Delete it there first.",
        code="answer_unfit",
        hint=f"tieout exceptions retry {name}",
    )


def _put(tx: Any, asked: _Asked, ref: str, role: RefRole) -> None:
    slot_store.put_ref(tx, asked.ref(ref), asked.key13, asked.generation, role, "person", asked.now)


def _check_free(tx: Any, asked: _Asked, ref: str) -> None:
    """Raises `UsedWronglyError` where the record is another place's: nothing is one of two."""
    other = slot_store.place_of_other(tx, asked.ref(ref), asked.key13, asked.case.source_id)
    if other is None:
        return
    whose = people.called(tx, other)
    raise UsedWronglyError(
        f"{ref} belongs to {whose or 'another deal or account'} already.",
        code="ref_taken",
        hint=f"tieout exceptions answer {asked.case.name} --not-ours {ref}",
    )


def _keep(tx: Any, asked: _Asked, verdict: str, refs: Sequence[str]) -> None:
    """The word, as looks read it, and as decisions on customers and persons do."""
    reason = f"answer to {asked.case.name}"
    told = (asked.who, reason, asked.now)
    people.add_verdict(tx, f"slot:{asked.key13}", verdict, refs, *told)
    source = asked.case.source_id
    if asked.flow == lanes.CUSTOMERS and verdict == "is":
        people.add_verdict(tx, f"customer:{asked.books}:{source}", "is", refs, *told)
    if verdict == "is" or asked.flow not in (lanes.CUSTOMERS, lanes.CONTACTS, lanes.PERSONS):
        return
    for ref in refs:
        pair = (ref, source) if asked.flow == lanes.PERSONS else (source, ref)
        people.add_verdict(tx, pair_subject(asked.books, *pair), "different", [], *told)


def _close(tx: Any, asked: _Asked, named: Sequence[str]) -> None:
    people.close_case(tx, asked.case.number, asked.who, f"answered: {', '.join(named)}", asked.now)


def _wake(tx: Any, bridge: str, asked: _Asked) -> None:
    """Its own source, and what waits for it or shows it, is decided anew."""
    pages.make_due(tx, asked.case.lane, [asked.case.source_id], asked.now)
    if asked.flow == lanes.DOCUMENTS:
        status = lanes.lane(bridge, lanes.STATUS, asked.books)
        pages.make_due(tx, status, [asked.case.source_id], asked.now)
    if asked.flow == lanes.CUSTOMERS:
        for lane, source in people.waiting_behind(tx, asked.key13):
            pages.make_due(tx, lane, [source], asked.now)
        documents = lanes.lane(bridge, lanes.DOCUMENTS, asked.books)
        pages.wake(tx, documents, ["customer"], asked.now)
