"""What a look proves, for every family of guard; and that each rule is needed."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from support.cases import books_ref, line, slot
from tieout.core.abilities import EntityAbilities, Guard, VersionCheck
from tieout.core.change import Action, Hit, Sight, Wanted
from tieout.core.compare import DOCUMENT_FIELDS
from tieout.core.keys import operation_key
from tieout.core.model import Customer, Document, DocumentKind, ExternalRef, Standing, Totals
from tieout.core.resolve import (
    LOOK_PAUSES_S,
    DoubtState,
    Judgement,
    Step,
    horizon,
    judge,
)
from tieout.core.safeguards import ALL_ON, Safeguards

SENT = datetime(2026, 10, 31, 23, 58, tzinfo=UTC)
LONGEST, LAG, MARGIN = 600, 45, 30
END = SENT + timedelta(seconds=LONGEST + MARGIN)
KEY = operation_key(slot(), 1)


def able(guard: Guard = Guard.SEARCHABLE, **more: Any) -> EntityAbilities:
    given = {"longest_s": LONGEST, "search_lag_s": LAG, "margin_s": MARGIN, **more}
    return EntityAbilities(guard=guard, **given)


NO_LAG = able(search_lag_s=0)


def after(seconds: int, *, of: datetime = SENT) -> datetime:
    return of + timedelta(seconds=seconds)


def ref(id: str) -> ExternalRef:
    return books_ref("document", id)


def document(id: str = "2216", net: str = "18000.00", **more: Any) -> Document:
    amount = Decimal(net)
    totals = Totals(currency="SEK", net=amount, tax=amount / 4, gross=amount * Decimal("1.25"))
    given = {"ref": ref(id), "kind": DocumentKind.DRAFT, "lines": (line(price=net),), **more}
    return Document(totals=totals, currency="SEK", **given)


def hit(id: str = "2216", generation: int = 1, **more: Any) -> Hit:
    return Hit(key=operation_key(slot(), generation), record=document(id, **more))


def doubt(action: Action = Action.CREATE, **more: Any) -> DoubtState:
    """One request, sent at `SENT`, whose answer was lost; nobody has looked yet."""
    given: dict[str, Any] = {
        "key": KEY,
        "action": action,
        "entity": "document",
        "state": "unknown",
        "first_sent_at": SENT,
        "horizons": (END,),
        "sends": 1,
        "looks": 0,
        "nets_sent": (Decimal("18000.00"),),
        "wanted": Wanted(record=document(), fields=DOCUMENT_FIELDS),
        **more,
    }
    return DoubtState(**given)


def look(at: datetime = SENT, *hits: Hit, **more: Any) -> Sight:
    return Sight(key=KEY, began_at=at, vendor_time=at, hits=hits, **more)


LATE = after(1, of=END)
ONCE = doubt(first_absence_at=LATE)
LATER = after(LAG + 1, of=LATE)


def test_the_horizon_is_the_longest_execution_and_a_margin_after_the_send() -> None:
    assert horizon(SENT, able()) == END


# --- create: presence ----------------------------------------------------------------------------


def test_one_request_one_effect_is_found_at_once() -> None:
    judged = judge(doubt(), look(after(2), hit()), NO_LAG)
    assert (judged.step, judged.record) == (Step.FOUND, document())


@pytest.mark.parametrize("guard", [Guard.SEARCHABLE, Guard.LISTED, Guard.IDEMPOTENCY_KEY])
def test_where_looks_lag_one_hit_is_final_after_a_second_look(guard: Guard) -> None:
    abilities = able(guard)
    first = judge(doubt(), look(after(2), hit()), abilities)
    assert (first.step, first.first_hit_at, first.wait_s) == (Step.LOOK_AGAIN, after(2), LAG + 1)
    soon = judge(doubt(first_hit_at=after(2)), look(after(2 + LAG), hit()), abilities)
    assert (soon.step, soon.first_hit_at) == (Step.LOOK_AGAIN, after(2))
    final = judge(doubt(first_hit_at=after(2)), look(after(3 + LAG), hit()), abilities)
    assert final.step is Step.FOUND


@pytest.mark.parametrize("guard", [Guard.CREATE_ONLY, Guard.OUR_NUMBER, Guard.UPSERT])
def test_where_the_vendor_allows_one_record_one_hit_is_final(guard: Guard) -> None:
    assert judge(doubt(), look(after(2), hit()), able(guard)).step is Step.FOUND


def test_a_hit_takes_back_an_absence() -> None:
    judged = judge(doubt(first_absence_at=LATE), look(LATER, hit()), able())
    assert (judged.step, judged.first_absence_at) == (Step.LOOK_AGAIN, None)


def test_a_hit_in_a_look_that_is_not_whole_could_be_a_copy() -> None:
    judged = judge(doubt(), look(after(2), hit(), complete=False), NO_LAG)
    assert (judged.step, judged.reason) == (Step.LOOK_AGAIN, "look_incomplete")
    unique = judge(doubt(), look(after(2), hit(), complete=False), able(Guard.CREATE_ONLY))
    assert unique.step is Step.FOUND


def test_two_carriers_of_one_generation_are_for_a_person() -> None:
    for second in (hit("2217"), hit("2217", voided=True)):
        judged = judge(doubt(), look(after(2), hit(), second), able())
        assert (judged.step, judged.reason) == (Step.DOUBT, "two_carriers")
        assert [record.ref for record in judged.candidates] == [ref("2216"), ref("2217")]


@pytest.mark.parametrize("role", ["copy", "not_ours", "former"])
def test_what_a_person_named_is_no_hit_any_more(role: str) -> None:
    state = doubt(roles={ref("2217"): role})
    judged = judge(state, look(after(2), hit(), hit("2217")), NO_LAG)
    assert (judged.step, judged.record) == (Step.FOUND, document())


def test_the_same_record_in_two_collections_is_one() -> None:
    assert judge(doubt(), look(after(2), hit(), hit()), NO_LAG).step is Step.FOUND


def test_another_slots_carrier_and_a_nameless_record_are_no_hits() -> None:
    other = Hit(key=operation_key(slot(part=1), 1), record=document())
    nameless = Hit(key=KEY, record=replace(document(), ref=None))
    judged = judge(doubt(), look(after(2), other, nameless), NO_LAG)
    assert (judged.step, judged.reason) == (Step.LOOK_AGAIN, "before_horizon")


def test_a_later_generation_is_followed() -> None:
    judged = judge(doubt(), look(after(2), hit("2300", 3), hit("2200", 1, voided=True)), able())
    assert (judged.step, judged.generation) == (Step.FOUND, 3)
    assert judged.record == document("2300")


@pytest.mark.parametrize(
    "hits",
    [
        (hit("2300", 2), hit("2216", 1)),
        (hit("2300", 2), hit("2301", 2)),
        (hit("2300", 2), hit("2301", 3)),
    ],
)
def test_two_live_ones_are_for_a_person_whatever_their_generation(hits: tuple[Hit, ...]) -> None:
    judged = judge(doubt(), look(after(2), *hits), NO_LAG)
    assert (judged.step, judged.reason) == (Step.DOUBT, "two_carriers")
    assert len(judged.candidates) == 2


def test_a_fully_credited_one_is_not_live() -> None:
    credited = hit("2216", 1, booked=True, credited=Decimal("22500.00"))
    judged = judge(doubt(), look(after(2), hit("2300", 2), credited), NO_LAG)
    assert (judged.step, judged.generation) == (Step.FOUND, 2)


def test_a_live_one_of_an_ended_generation_is_for_a_person() -> None:
    judged = judge(ONCE, look(LATER, hit("2100", 0)), able())
    assert (judged.step, judged.candidates) == (Step.DOUBT, (document("2100"),))
    dead = judge(ONCE, look(LATER, hit("2100", 0, voided=True)), able())
    assert dead.step is Step.ABSENT


# --- create: absence -----------------------------------------------------------------------------


def test_absence_needs_two_looks_after_the_horizon_further_apart_than_the_lag() -> None:
    early = judge(doubt(), look(END), able())
    assert (early.step, early.reason) == (Step.LOOK_AGAIN, "before_horizon")
    assert early.first_absence_at is None
    first = judge(doubt(), look(LATE), able())
    assert (first.step, first.first_absence_at, first.wait_s) == (Step.LOOK_AGAIN, LATE, LAG + 1)
    soon = judge(ONCE, look(after(LAG, of=LATE)), able())
    assert (soon.step, soon.first_absence_at) == (Step.LOOK_AGAIN, LATE)
    assert judge(ONCE, look(LATER), able()).step is Step.ABSENT


def test_absence_waits_for_every_open_request() -> None:
    second = after(100, of=LATER)
    state = replace(ONCE, horizons=(END, second), sends=2)
    assert judge(state, look(LATER), able()).reason == "before_horizon"
    # The first look was before the second request could be over: it proves nothing of that one.
    first = judge(state, look(after(1, of=second)), able())
    assert (first.step, first.first_absence_at) == (Step.LOOK_AGAIN, after(1, of=second))


def test_a_look_that_is_not_whole_proves_no_absence_and_forgets_none() -> None:
    judged = judge(ONCE, look(LATER, complete=False), able())
    assert (judged.step, judged.first_absence_at) == (Step.LOOK_AGAIN, LATE)


def test_after_three_absences_a_person_looks() -> None:
    assert judge(replace(ONCE, absence_no=1), look(LATER), able()).step is Step.ABSENT
    judged = judge(replace(ONCE, absence_no=2), look(LATER), able())
    assert (judged.step, judged.reason) == (Step.DOUBT, "absent_three_times")


def test_looks_come_at_2_10_30_and_120_seconds_then_at_the_horizon() -> None:
    waits = [judge(doubt(looks=number), look(SENT), able()).wait_s for number in range(5)]
    assert waits == [*LOOK_PAUSES_S, LONGEST + MARGIN + 1]
    assert judge(doubt(looks=3), look(after(-50, of=END)), able()).wait_s == 51


# --- create: near hits ---------------------------------------------------------------------------


def test_an_unkeyed_document_of_the_same_total_is_a_near_hit() -> None:
    judged = judge(doubt(), look(LATER, near=(document("9"),)), able())
    assert (judged.step, judged.reason) == (Step.DOUBT, "near_hit")
    assert judged.candidates == (document("9"),)


@pytest.mark.parametrize(
    "record",
    [
        document("9", "17999.99"),
        replace(document("9"), totals=None),
        Customer(ref=books_ref("customer", "9")),
    ],
)
def test_another_total_is_no_near_hit(record: Any) -> None:
    assert judge(ONCE, look(LATER, near=(record,)), able()).step is Step.ABSENT


def test_where_nothing_can_be_read_any_new_document_could_be_it() -> None:
    record = document("9", "1.00")
    judged = judge(doubt(), look(after(2), near=(record,)), able(Guard.OPAQUE))
    assert (judged.step, judged.candidates) == (Step.DOUBT, (record,))
    assert judge(ONCE, look(LATER), able(Guard.OPAQUE)).step is Step.ABSENT


def test_a_near_hit_that_a_person_judged_is_none() -> None:
    state = replace(ONCE, roles={ref("9"): "not_ours"})
    for guard in (Guard.SEARCHABLE, Guard.OPAQUE):
        assert judge(state, look(LATER, near=(document("9"),)), able(guard)).step is Step.ABSENT


# --- create: guards ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("guard", "step"),
    [
        (Guard.CREATE_ONLY, Step.REPEAT),
        (Guard.OUR_NUMBER, Step.REPEAT),
        (Guard.IDEMPOTENCY_KEY, Step.LOOK_AGAIN),
        (Guard.UPSERT, Step.LOOK_AGAIN),
        (Guard.SEARCHABLE, Step.LOOK_AGAIN),
        (Guard.LISTED, Step.LOOK_AGAIN),
        (Guard.OPAQUE, Step.LOOK_AGAIN),
    ],
)
def test_what_may_be_repeated_before_absence(guard: Guard, step: Step) -> None:
    assert judge(doubt(), look(after(2)), able(guard)).step is step


def test_rows_that_we_own_whole_may_be_written_again_at_once() -> None:
    judged = judge(doubt(), look(after(2)), able(Guard.UPSERT, owned_whole=True))
    assert judged.step is Step.REPEAT


@pytest.mark.parametrize(
    ("life", "at", "step"),
    [
        (86_400, 2, Step.REPEAT),
        (86_400, 86_400 - LONGEST - MARGIN, Step.REPEAT),
        (86_400, 86_400 - LONGEST - MARGIN + 1, Step.LOOK_AGAIN),
        (LONGEST, 2, Step.LOOK_AGAIN),
        (0, 2, Step.LOOK_AGAIN),
    ],
)
def test_a_key_guards_only_while_the_repeat_can_end_within_its_life(
    life: int, at: int, step: Step
) -> None:
    abilities = able(Guard.IDEMPOTENCY_KEY, key_life_s=life)
    assert judge(doubt(), look(after(at)), abilities).step is step


def test_one_item_of_a_batch_never_repeats_the_batch() -> None:
    abilities = able(Guard.IDEMPOTENCY_KEY, key_life_s=86_400)
    assert judge(doubt(batched=True), look(after(2)), abilities).step is Step.LOOK_AGAIN


@pytest.mark.parametrize("since", [{"linked": ref("d9")}, {"refused": True}])
def test_what_was_linked_or_refused_since_is_not_sent_again_as_it_was(since: Any) -> None:
    judged = judge(doubt(**since), look(after(2)), able(Guard.CREATE_ONLY))
    assert judged.step is Step.LOOK_AGAIN


def test_a_look_that_is_not_whole_repeats_nothing() -> None:
    judged = judge(doubt(), look(after(2), complete=False), able(Guard.CREATE_ONLY))
    assert judged.step is Step.LOOK_AGAIN


# --- confirming ----------------------------------------------------------------------------------


def test_two_requests_one_effect_is_confirmed_after_the_horizon() -> None:
    twice = doubt(sends=2)
    judged = judge(twice, look(after(2), hit()), NO_LAG)
    assert (judged.step, judged.wait_s) == (Step.CONFIRM, LONGEST + MARGIN - 1)
    assert judge(twice, look(LATE, hit()), NO_LAG).step is Step.FOUND


def confirming(**more: Any) -> DoubtState:
    given = {"state": "confirming", "sends": 2, "linked": ref("2216"), "found_by": "key", **more}
    return doubt(**given)


def test_nothing_is_confirmed_before_the_last_request_could_show() -> None:
    assert judge(confirming(), look(END, hit()), NO_LAG).step is Step.LOOK_AGAIN
    assert judge(confirming(), look(LATE, hit()), NO_LAG).step is Step.CONFIRMED
    # A late effect just before the horizon hides for the length of the lag.
    early = judge(confirming(), look(LATE, hit()), able())
    assert (early.step, early.wait_s) == (Step.LOOK_AGAIN, LAG + 1)
    assert judge(confirming(), look(LATER, hit()), able()).step is Step.CONFIRMED
    unwhole = judge(confirming(), look(LATER, hit(), complete=False), able())
    assert unwhole.step is Step.LOOK_AGAIN


def test_another_instead_of_the_linked_one_is_followed() -> None:
    judged = judge(confirming(), look(LATER, hit("2300")), able())
    assert (judged.step, judged.record) == (Step.MOVED, document("2300"))


def test_a_second_one_beside_it_is_a_copy_only_if_the_answer_named_the_first() -> None:
    both = look(LATER, hit(), hit("2300"))
    answered = judge(confirming(found_by="answer"), both, able())
    assert (answered.step, answered.copies) == (Step.CONFIRMED, (document("2300"),))
    assert judge(confirming(), both, able()).step is Step.DOUBT
    strangers = look(LATER, hit("2300"), hit("2301"))
    assert judge(confirming(found_by="answer"), strangers, able()).step is Step.DOUBT


# --- update --------------------------------------------------------------------------------------

WANTED = document()
BASE = document(net="17000.00")
VERSIONED = able(version=VersionCheck.IF_MATCH)


def update(**more: Any) -> DoubtState:
    return doubt(Action.UPDATE, base=BASE, **more)


@pytest.mark.parametrize(
    ("at", "sends", "abilities", "target", "step"),
    [
        (after(2), 1, VERSIONED, WANTED, Step.APPLIED),
        (after(2), 2, VERSIONED, WANTED, Step.APPLIED),
        (after(2), 1, VERSIONED, BASE, Step.PLAN_AGAIN),
        (after(2), 1, VERSIONED, document(net="5.00"), Step.PLAN_AGAIN),
        (after(2), 1, able(), WANTED, Step.APPLIED),
        (after(2), 2, able(), WANTED, Step.LOOK_AGAIN),
        (LATE, 2, able(), WANTED, Step.APPLIED),
        (after(2), 1, able(), BASE, Step.LOOK_AGAIN),
        (LATE, 1, able(), BASE, Step.PLAN_AGAIN),
        (after(2), 1, able(), document(net="5.00"), Step.LOOK_AGAIN),
        (LATE, 1, able(), document(net="5.00"), Step.PLAN_AGAIN),
    ],
)
def test_a_lost_update(
    at: datetime, sends: int, abilities: EntityAbilities, target: Document, step: Step
) -> None:
    judged = judge(update(sends=sends), look(at, target=target), abilities)
    assert judged.step is step
    if step is Step.APPLIED:
        assert judged.record == target


def test_an_update_of_what_is_gone_follows_the_lineage() -> None:
    assert judge(update(), look(after(2), target_gone=True), VERSIONED).reason == "gone"
    assert judge(update(), look(after(2), target_gone=True), able()).step is Step.LOOK_AGAIN
    assert judge(update(), look(LATE, target_gone=True), able()).step is Step.PLAN_AGAIN


def test_a_target_that_could_not_be_read_is_not_gone() -> None:
    judged = judge(update(), look(LATE, complete=False), VERSIONED)
    assert (judged.step, judged.reason) == (Step.LOOK_AGAIN, "look_incomplete")


def test_only_the_fields_that_were_sent_are_compared() -> None:
    sent = Wanted(record=WANTED, fields=frozenset({"lines", "our_reference"}))
    shown = replace(WANTED, terms="30", our_reference="Maria")
    assert judge(update(wanted=sent), look(after(2), target=shown), able()).step is Step.APPLIED


def test_a_row_that_we_own_whole_is_written_again_at_once() -> None:
    state = replace(
        update(sends=2),
        wanted=Wanted(record=Standing(status="paid"), fields=frozenset({"status"})),
    )
    whole = able(owned_whole=True)
    same = judge(state, look(after(2), target=Standing(status="paid")), whole)
    other = judge(state, look(after(2), target=Standing(status="draft")), whole)
    assert (same.step, other.step) == (Step.APPLIED, Step.PLAN_AGAIN)


# --- void ----------------------------------------------------------------------------------------


def void(**more: Any) -> DoubtState:
    return doubt(Action.VOID, wanted=None, **more)


def test_a_lost_void_is_waited_out_while_the_draft_is_there() -> None:
    assert judge(void(), look(after(2), target=WANTED), able()).step is Step.LOOK_AGAIN
    judged = judge(void(), look(LATE, target=WANTED), able())
    assert (judged.step, judged.record) == (Step.PLAN_AGAIN, WANTED)


def test_gone_needs_two_looks_further_apart_than_the_lag() -> None:
    first = judge(void(), look(after(2), target_gone=True), able())
    assert (first.step, first.first_absence_at) == (Step.LOOK_AGAIN, after(2))
    once = void(first_absence_at=after(2))
    assert judge(once, look(after(2 + LAG), target_gone=True), able()).step is Step.LOOK_AGAIN
    assert judge(once, look(after(3 + LAG), target_gone=True), able()).step is Step.ENDED


def test_booked_before_the_void_came() -> None:
    booked = hit("1038", booked=True)
    judged = judge(void(), look(after(2), booked, target_gone=True), able())
    assert (judged.step, judged.record) == (Step.MOVED, booked.record)
    copied = void(roles={ref("1038"): "copy"})
    assert judge(copied, look(after(2), booked, target_gone=True), able()).step is not Step.MOVED


def test_a_void_is_not_judged_by_half_a_look() -> None:
    for sight in (look(LATE, complete=False), look(LATE, target_gone=True, complete=False)):
        assert judge(void(first_absence_at=after(2)), sight, able()).step is Step.LOOK_AGAIN


# --- each rule is needed -------------------------------------------------------------------------

OFF: dict[str, tuple[DoubtState, Sight, EntityAbilities, Step, Step]] = {
    # rule: state, look, abilities; with the rule, without it
    "horizon": (
        doubt(first_absence_at=after(2)),
        look(after(3 + LAG)),
        able(),
        Step.LOOK_AGAIN,
        Step.ABSENT,
    ),
    "two_looks": (doubt(), look(LATE), able(), Step.LOOK_AGAIN, Step.ABSENT),
    "look_before_repeat": (doubt(), look(after(2)), able(), Step.LOOK_AGAIN, Step.ABSENT),
    "near_hit": (ONCE, look(LATER, near=(document("9"),)), able(), Step.DOUBT, Step.ABSENT),
    "second_look_after_lag": (doubt(), look(after(2), hit()), able(), Step.LOOK_AGAIN, Step.FOUND),
    "confirming": (doubt(sends=2), look(after(2), hit()), NO_LAG, Step.CONFIRM, Step.FOUND),
    "slot_wide_look": (ONCE, look(LATER, hit("2300", 2)), able(), Step.FOUND, Step.ABSENT),
    "copies_not_adopted": (
        doubt(),
        look(after(2), hit(), hit("2217")),
        NO_LAG,
        Step.DOUBT,
        Step.FOUND,
    ),
    "no_early_upsert": (
        doubt(),
        look(after(2)),
        able(Guard.UPSERT),
        Step.LOOK_AGAIN,
        Step.REPEAT,
    ),
    "all_collections": (
        ONCE,
        look(LATER, complete=False),
        able(),
        Step.LOOK_AGAIN,
        Step.ABSENT,
    ),
    "update_waits": (
        update(),
        look(after(2), target=BASE),
        able(),
        Step.LOOK_AGAIN,
        Step.PLAN_AGAIN,
    ),
    "void_waits": (
        void(),
        look(after(2), target=WANTED),
        able(),
        Step.LOOK_AGAIN,
        Step.PLAN_AGAIN,
    ),
}


@pytest.mark.parametrize("rule", OFF)
def test_with_a_rule_off_the_outcome_is_another(rule: str) -> None:
    state, sight, abilities, kept, broken = OFF[rule]
    assert judge(state, sight, abilities, ALL_ON).step is kept
    assert judge(state, sight, abilities, ALL_ON.without(rule)).step is broken


def test_every_rule_that_judges_is_in_the_table() -> None:
    """A rule that changes no outcome of these is not one that `judge` asks for."""
    untouched = {entry.name for entry in fields(Safeguards)} - set(OFF)
    for rule in untouched:
        for state, sight, abilities, kept, _ in OFF.values():
            assert judge(state, sight, abilities, ALL_ON.without(rule)).step is kept


def test_there_is_no_rule_of_another_name() -> None:
    with pytest.raises(ValueError):
        ALL_ON.without("hope")


def test_a_judgement_never_waits_backwards() -> None:
    steps: set[Step] = set()
    for state, sight, abilities, _, _ in OFF.values():
        judged: Judgement = judge(state, sight, abilities)
        steps.add(judged.step)
        assert judged.wait_s >= 0 if judged.step is not Step.LOOK_AGAIN else judged.wait_s > 0
    assert Step.LOOK_AGAIN in steps


# --- orders, and drafts that we book -------------------------------------------------------------


BOOKING = doubt(Action.CONVERT)
INVOICED = document("i77", booked=True, kind=DocumentKind.INVOICE)


def test_an_invoice_that_grew_out_of_an_order_is_no_second_document() -> None:
    order = hit("order:1", kind=DocumentKind.ORDER)
    grown = hit("i77", booked=True, kind=DocumentKind.INVOICE, came_from=(ref("order:1"),))
    judged = judge(doubt(), look(after(2), grown, order), NO_LAG)
    assert (judged.step, judged.record) == (Step.FOUND, order.record)
    alone = judge(doubt(), look(after(2), hit("i78", came_from=(ref("order:9"),))), NO_LAG)
    assert alone.step is Step.FOUND


def test_a_booking_without_an_answer_is_done_where_the_target_is_booked() -> None:
    judged = judge(BOOKING, look(after(2), target=INVOICED), NO_LAG)
    assert (judged.step, judged.record) == (Step.APPLIED, INVOICED)


def test_a_booking_that_gave_another_id_is_found_by_its_key() -> None:
    booked = hit("i77", booked=True, kind=DocumentKind.INVOICE)
    judged = judge(BOOKING, look(after(2), booked), NO_LAG)
    assert (judged.step, judged.record, judged.reason) == (Step.MOVED, booked.record, "booked")


def test_a_draft_that_is_still_there_is_booked_anew_behind_the_horizon_only() -> None:
    early = judge(BOOKING, look(after(2), hit(), target=document()), NO_LAG)
    assert (early.step, early.reason) == (Step.LOOK_AGAIN, "before_horizon")
    late = judge(BOOKING, look(LATE, hit(), target=document()), NO_LAG)
    assert (late.step, late.reason) == (Step.PLAN_AGAIN, "still_there")


def test_a_booking_whose_look_was_cut_or_whose_draft_is_gone() -> None:
    cut = judge(BOOKING, look(LATE, complete=False, target=document()), NO_LAG)
    assert (cut.step, cut.reason) == (Step.LOOK_AGAIN, "look_incomplete")
    gone = judge(BOOKING, look(LATE), NO_LAG)
    assert (gone.step, gone.reason) == (Step.PLAN_AGAIN, "gone")


def test_an_order_that_was_cancelled_on_our_word_is_ended_though_it_stays() -> None:
    shown = document("order:1", kind=DocumentKind.ORDER, voided=True)
    assert judge(doubt(Action.VOID), look(after(2), target=shown), NO_LAG).step is Step.ENDED
    stays = document("order:1", kind=DocumentKind.ORDER)
    judged = judge(doubt(Action.VOID), look(after(2), target=stays), NO_LAG)
    assert judged.step is Step.LOOK_AGAIN
