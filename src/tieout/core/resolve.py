"""
What one look at an unclear write proves: presence at any time, absence only after a wait.

`judge` is pure: it is handed the state of the operation, what the system declares, and one look.
The rules are those of docs/explanation/once-only.md; each is a switch of `core.safeguards`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from tieout.core.abilities import EntityAbilities, Guard, VersionCheck
from tieout.core.change import Action, Hit, Sight, Wanted
from tieout.core.compare import DOCUMENT_FIELDS, differing
from tieout.core.keys import generation_of
from tieout.core.model import Document, ExternalRef, Record
from tieout.core.orders import is_order, taken_back
from tieout.core.safeguards import ALL_ON, Safeguards

# Pauses before the looks that come before the horizon; then the horizon, then one lag after it.
LOOK_PAUSES_S = (2, 10, 30, 120)
# A horizon that counts from the first look: no answer has told the vendor's time yet.
UNSET = datetime(9999, 1, 1, tzinfo=UTC)
ABSENCES_BEFORE_A_PERSON = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class DoubtState:
    """
    An operation whose answer is missing, as stored. Times are on the vendor's clock.

    ``batched``: its last request held other items too, so that its bytes cannot go again alone.
    ``refused``: so was its last request, while an earlier one is still open.
    ``horizons`` are those of the open attempts (after one of them that attempt can no longer take
    effect); ``sends`` how many attempts may have taken effect; ``roles`` what is known of other
    records of the slot ('copy', 'not_ours', 'former'), those that another slot has ('taken').
    """

    key: str
    action: Action
    entity: str
    state: str
    first_sent_at: datetime
    horizons: tuple[datetime, ...]
    sends: int
    looks: int
    first_absence_at: datetime | None = None
    first_hit_at: datetime | None = None
    linked: ExternalRef | None = None
    found_by: str = ""
    absence_no: int = 0
    batched: bool = False
    refused: bool = False
    wanted: Wanted | None = None
    base: Record | None = None
    nets_sent: tuple[Decimal, ...] = ()
    roles: Mapping[ExternalRef, str] = field(default_factory=dict)


class Step(StrEnum):
    """What to do after a look."""

    FOUND = "found"
    CONFIRM = "confirm"
    CONFIRMED = "confirmed"
    MOVED = "moved"
    LOOK_AGAIN = "look_again"
    ABSENT = "absent"
    REPEAT = "repeat"
    DOUBT = "doubt"
    APPLIED = "applied"
    PLAN_AGAIN = "plan_again"
    ENDED = "ended"
    WAS_DELETED = "was_deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """
    ``record`` is the one found; ``copies`` carry our key but are not it; ``wait_s`` until the next
    look; ``first_absence_at`` and ``first_hit_at`` are kept for it.
    """

    step: Step
    record: Record | None = None
    copies: tuple[Record, ...] = ()
    candidates: tuple[Record, ...] = ()
    wait_s: int = 0
    first_absence_at: datetime | None = None
    first_hit_at: datetime | None = None
    reason: str = ""
    generation: int | None = None


def judge(
    state: DoubtState, sight: Sight, abilities: EntityAbilities, rules: Safeguards = ALL_ON
) -> Judgement:
    """What this look proves about that operation, and what comes next."""
    if state.action is Action.CREATE:
        return _judge_create(state, sight, abilities, rules)
    if state.action is Action.VOID:
        return _judge_void(state, sight, abilities, rules)
    if state.action is Action.CONVERT:
        return _judge_convert(state, sight, rules)
    return _judge_update(state, sight, abilities, rules)


def horizon(sent_at: datetime, abilities: EntityAbilities) -> datetime:
    """After this instant of the vendor's clock the request can no longer take effect."""
    return sent_at + timedelta(seconds=abilities.longest_s + abilities.margin_s)


def _after_horizons(state: DoubtState, sight: Sight, rules: Safeguards, lag_s: int = 0) -> bool:
    """Whether the look began when no request could take effect, or still hide, any more."""
    if not rules.horizon:
        return True
    lag = timedelta(seconds=lag_s)
    return all(sight.began_at > limit + lag for limit in state.horizons)


def _next_look(state: DoubtState, sight: Sight, lag_s: int) -> int:
    """Seconds until the next look: soon at first, then at the horizon, then one lag later."""
    latest = max(state.horizons, default=sight.vendor_time)
    to_horizon = int((latest - sight.vendor_time).total_seconds()) + 1
    if to_horizon <= 0:
        return lag_s + 1
    if state.looks < len(LOOK_PAUSES_S):
        return min(LOOK_PAUSES_S[state.looks], max(to_horizon, 1))
    return to_horizon


# --- create --------------------


def _judge_create(
    state: DoubtState, sight: Sight, abilities: EntityAbilities, rules: Safeguards
) -> Judgement:
    if state.state == "confirming":
        return _judge_confirming(state, sight, abilities, rules)
    hits = _ours(state, sight, rules)
    mine = generation_of(state.key)
    later = [hit for hit in hits if generation_of(hit.key) > mine]
    same = [hit for hit in hits if generation_of(hit.key) == mine]
    if later and rules.slot_wide_look:
        return _later_generation(later, same)
    if len(same) > 1 and rules.copies_not_adopted:
        return Judgement(
            step=Step.DOUBT,
            candidates=tuple(hit.record for hit in same),
            reason="two_carriers",
        )
    if same:
        return _one_hit(state, sight, same[0], abilities, rules)
    earlier = [hit.record for hit in hits if generation_of(hit.key) < mine and _live(hit.record)]
    return _no_hit(state, sight, abilities, rules, tuple(earlier))


def _later_generation(later: Sequence[Hit], same: Sequence[Hit]) -> Judgement:
    """We forgot something: the latest is followed, unless two live ones could be meant."""
    top = max(generation_of(hit.key) for hit in later)
    newest = [hit for hit in later if generation_of(hit.key) == top]
    older = [hit for hit in (*later, *same) if hit not in newest and _live(hit.record)]
    if len(newest) > 1 or older:
        return Judgement(
            step=Step.DOUBT,
            candidates=tuple(hit.record for hit in (*older, *newest)),
            reason="two_carriers",
        )
    return Judgement(
        step=Step.FOUND, record=newest[0].record, generation=top, reason="later_generation"
    )


def _live(record: Record) -> bool:
    """
    Not voided and not fully credited. A look shows no credit notes: an invoice that was paid before
    it was credited counts as live, and a person is asked.
    """
    return not isinstance(record, Document) or not taken_back(record)


def _ours(state: DoubtState, sight: Sight, rules: Safeguards) -> list[Hit]:
    """
    Hits of this slot that nobody has named a copy or not ours; equal refs once. An invoice that
    grew out of an order among them is no second one, whose key it took along.
    """
    found: dict[str, Hit] = {}
    orders = {hit.record.ref for hit in sight.hits if is_order(hit.record)}
    for hit in sight.hits:
        ref = hit.record.ref
        if orders and orders & set(getattr(hit.record, "came_from", ())):
            continue
        if ref is None or hit.key[:14] != state.key[:14]:
            continue
        if state.roles.get(ref) in ("copy", "not_ours", "former"):
            continue
        if not rules.slot_wide_look and hit.key != state.key:
            continue
        found.setdefault(str(ref), hit)
    return list(found.values())


def _one_hit(
    state: DoubtState,
    sight: Sight,
    hit: Hit,
    abilities: EntityAbilities,
    rules: Safeguards,
) -> Judgement:
    lag = abilities.search_lag_s if rules.second_look_after_lag else 0
    if not _is_guarded(abilities):
        if not sight.complete and rules.all_collections:
            # A copy could be the one that shows while the original, just booked, does not.
            return replace(_again(state, 30, "look_incomplete"), first_absence_at=None)
        first = state.first_hit_at
        if lag and (first is None or sight.began_at - first <= timedelta(seconds=lag)):
            return Judgement(
                step=Step.LOOK_AGAIN,
                wait_s=lag + 1,
                first_hit_at=first or sight.began_at,
                reason="seen_once",
            )
    if state.sends > 1 and rules.confirming and not _after_horizons(state, sight, rules):
        return Judgement(step=Step.CONFIRM, record=hit.record, wait_s=_to_horizon(state, sight))
    return Judgement(step=Step.FOUND, record=hit.record)


def _again(state: DoubtState, wait_s: int, reason: str) -> Judgement:
    """Look again later; what earlier looks proved is kept."""
    return Judgement(
        step=Step.LOOK_AGAIN,
        wait_s=wait_s,
        first_absence_at=state.first_absence_at,
        first_hit_at=state.first_hit_at,
        reason=reason,
    )


def _is_guarded(abilities: EntityAbilities) -> bool:
    """A unique number or external id cannot be on two records, so one hit is final."""
    return abilities.guard in (Guard.CREATE_ONLY, Guard.OUR_NUMBER, Guard.UPSERT)


def _to_horizon(state: DoubtState, sight: Sight) -> int:
    latest = max(state.horizons, default=sight.vendor_time)
    return max(int((latest - sight.vendor_time).total_seconds()) + 1, 1)


def _no_hit(
    state: DoubtState,
    sight: Sight,
    abilities: EntityAbilities,
    rules: Safeguards,
    earlier: tuple[Record, ...],
) -> Judgement:
    lag = abilities.search_lag_s
    if not sight.complete and rules.all_collections:
        return _again(state, 30, "look_incomplete")
    # A live document of an ended generation could be it, under an older key: a person says.
    near = _near(state, sight, abilities, rules) + (earlier if rules.slot_wide_look else ())
    if near:
        return Judgement(step=Step.DOUBT, candidates=near, reason="near_hit")
    removed = [hit for hit in sight.deleted if hit.key == state.key]
    if removed and rules.deletion_not_undone:
        return Judgement(step=Step.WAS_DELETED, record=removed[-1].record, reason="tombstone")
    # Where the place has a record by now nothing more is made for it, and what was refused as it is
    # is not sent once more as it is.
    if state.linked is None and not state.refused and _may_repeat(state, sight, abilities, rules):
        return Judgement(step=Step.REPEAT, reason="guarded")
    if not rules.look_before_repeat:
        return Judgement(step=Step.ABSENT)
    if not _after_horizons(state, sight, rules):
        return replace(
            _again(state, _next_look(state, sight, lag), "before_horizon"), first_absence_at=None
        )
    if rules.two_looks:
        first = state.first_absence_at
        if first is not None and rules.horizon and any(first <= end for end in state.horizons):
            # It was before the end of a request that has been sent since.
            first = None
        if first is None or sight.began_at - first <= timedelta(seconds=lag):
            return replace(
                _again(state, lag + 1, "absent_once"), first_absence_at=first or sight.began_at
            )
    if state.absence_no + 1 >= ABSENCES_BEFORE_A_PERSON:
        return Judgement(step=Step.DOUBT, reason="absent_three_times")
    return Judgement(step=Step.ABSENT)


def _near(
    state: DoubtState, sight: Sight, abilities: EntityAbilities, rules: Safeguards
) -> tuple[Record, ...]:
    """Records without any key that could be ours: where nothing is readable, whatever the total."""
    if not rules.near_hit:
        return ()
    unknown = [
        record
        for record in sight.near
        if state.roles.get(getattr(record, "ref", None)) is None  # type: ignore[arg-type]
    ]
    if abilities.guard is Guard.OPAQUE:
        return tuple(unknown)
    return tuple(
        record
        for record in unknown
        if isinstance(record, Document)
        and record.totals is not None
        and record.totals.net in state.nets_sent
    )


def _may_repeat(
    state: DoubtState, sight: Sight, abilities: EntityAbilities, rules: Safeguards
) -> bool:
    """Whether the same bytes may go again at once, because the vendor takes them only once."""
    if abilities.guard in (Guard.CREATE_ONLY, Guard.OUR_NUMBER):
        return True
    if abilities.guard is Guard.UPSERT:
        return abilities.owned_whole or not rules.no_early_upsert
    if abilities.guard is Guard.IDEMPOTENCY_KEY and abilities.key_life_s and not state.batched:
        life = abilities.key_life_s - abilities.longest_s - abilities.margin_s
        still = sight.vendor_time <= state.first_sent_at + timedelta(seconds=life)
        return abilities.longest_s < abilities.key_life_s and still
    return False


def _judge_confirming(
    state: DoubtState, sight: Sight, abilities: EntityAbilities, rules: Safeguards
) -> Judgement:
    """The last look after the horizon: exactly the linked record, or another one instead."""
    lag = abilities.search_lag_s if rules.second_look_after_lag else 0
    if not _after_horizons(state, sight, rules, lag):
        return _again(state, _to_horizon(state, sight) + lag, "before_horizon")
    if not sight.complete and rules.all_collections:
        return _again(state, 30, "look_incomplete")
    hits = _ours(state, sight, rules)
    same = [hit.record for hit in hits if generation_of(hit.key) == generation_of(state.key)]
    others = [record for record in same if record.ref != state.linked]
    if not others:
        return Judgement(step=Step.CONFIRMED)
    if len(others) < len(same):
        if state.found_by == "answer":
            return Judgement(step=Step.CONFIRMED, copies=tuple(others), reason="copy")
        return Judgement(step=Step.DOUBT, candidates=tuple(same), reason="two_carriers")
    if len(others) == 1:
        # The one we linked is not among the carriers any more: it was deleted or moved on, and a
        # late request made, or a booking gave, this one.
        return Judgement(step=Step.MOVED, record=others[0], reason="another_instead")
    return Judgement(step=Step.DOUBT, candidates=tuple(others), reason="two_carriers")


# --- update and void --------------------


def _judge_update(
    state: DoubtState, sight: Sight, abilities: EntityAbilities, rules: Safeguards
) -> Judgement:
    past = _after_horizons(state, sight, rules) or not rules.update_waits
    versioned = abilities.version is not VersionCheck.NONE
    if sight.target is None and not sight.target_gone and not sight.complete:
        return _again(state, 30, "look_incomplete")
    if sight.target_gone or sight.target is None:
        if versioned or past:
            return Judgement(step=Step.PLAN_AGAIN, reason="gone")
        return Judgement(step=Step.LOOK_AGAIN, wait_s=_to_horizon(state, sight))
    target = sight.target
    if state.wanted is not None and _as_wanted(state.wanted, target):
        if versioned or abilities.owned_whole or state.sends <= 1 or past:
            return Judgement(step=Step.APPLIED, record=target)
        return Judgement(step=Step.LOOK_AGAIN, wait_s=_to_horizon(state, sight))
    if abilities.owned_whole:
        return Judgement(step=Step.PLAN_AGAIN, record=target, reason="owned_whole")
    if versioned or past:
        return Judgement(step=Step.PLAN_AGAIN, record=target, reason="not_as_wanted")
    return Judgement(step=Step.LOOK_AGAIN, wait_s=_to_horizon(state, sight))


def _as_wanted(wanted: Wanted, target: Record) -> bool:
    only = wanted.fields & DOCUMENT_FIELDS if isinstance(target, Document) else wanted.fields
    return not differing(wanted.record, target, frozenset(only))


def _judge_convert(state: DoubtState, sight: Sight, rules: Safeguards) -> Judgement:
    """Booked under whatever ref, or still a draft when the request can take no effect any more."""
    booked = [
        hit.record for hit in _ours(state, sight, rules) if getattr(hit.record, "booked", False)
    ]
    target = sight.target
    if target is not None and getattr(target, "booked", False):
        return Judgement(step=Step.APPLIED, record=target)
    if booked:
        return Judgement(step=Step.MOVED, record=booked[0], reason="booked")
    if not sight.complete:
        return _again(state, 30, "look_incomplete")
    if target is None:
        return Judgement(step=Step.PLAN_AGAIN, reason="gone")
    if _after_horizons(state, sight, rules) or not rules.update_waits:
        return Judgement(step=Step.PLAN_AGAIN, record=target, reason="still_there")
    return Judgement(
        step=Step.LOOK_AGAIN, wait_s=_to_horizon(state, sight), reason="before_horizon"
    )


def _judge_void(
    state: DoubtState, sight: Sight, abilities: EntityAbilities, rules: Safeguards
) -> Judgement:
    booked = [
        hit.record for hit in _ours(state, sight, rules) if getattr(hit.record, "booked", False)
    ]
    target = sight.target.ref if sight.target is not None else None
    mine = [record for record in booked if target is None or record.ref == target]
    if mine:
        return Judgement(step=Step.MOVED, record=mine[0], reason="booked_meanwhile")
    if not sight.complete:
        return _again(state, 30, "look_incomplete")
    if sight.target is not None and getattr(sight.target, "voided", False):
        # An order is cancelled, not deleted: it stays where it was.
        return Judgement(step=Step.ENDED)
    if sight.target_gone:
        lag = abilities.search_lag_s
        first = state.first_absence_at
        if rules.two_looks and (first is None or sight.began_at - first <= timedelta(seconds=lag)):
            return Judgement(
                step=Step.LOOK_AGAIN,
                wait_s=lag + 1,
                first_absence_at=first or sight.began_at,
                reason="gone_once",
            )
        return Judgement(step=Step.ENDED)
    if _after_horizons(state, sight, rules) or not rules.void_waits:
        return Judgement(step=Step.PLAN_AGAIN, record=sight.target, reason="still_there")
    return Judgement(
        step=Step.LOOK_AGAIN, wait_s=_to_horizon(state, sight), reason="before_horizon"
    )
