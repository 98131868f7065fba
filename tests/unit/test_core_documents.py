"""The life of a deal, row by row; what its document says; who releases it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from support.cases import (
    LANE,
    SE12,
    SE25,
    TODAY,
    books_customer,
    books_ref,
    bridge,
    deal,
    document_case,
    document_policy,
    domestic,
    field_rule,
    instalments,
    item,
    items,
    line,
    lines,
    linked,
    money,
    operation,
    rule,
    seen,
    shown_as,
    slot,
    slot_state,
    target,
    text_line,
)
from tieout.core.abilities import EntityAbilities, TotalsRule
from tieout.core.case import (
    Buyer,
    Decision,
    DocumentCase,
    OpState,
    RefRole,
    Seen,
    SlotRef,
    Verdict,
)
from tieout.core.change import Action
from tieout.core.compose import Composed, compose, sold_amount
from tieout.core.decide_document import ADOPTED, decide_document
from tieout.core.keys import operation_key
from tieout.core.model import (
    Deal,
    DealState,
    Document,
    DocumentKind,
    ExternalRef,
    Instalment,
    Line,
    LineKind,
    Totals,
)
from tieout.core.policy import DocumentPolicy, FlowMode
from tieout.core.predict import fits, predict
from tieout.core.safeguards import ALL_ON, Safeguards
from tieout.core.tax import TaxAnswer, Treatment


def decide(
    case: DocumentCase, policy: DocumentPolicy | None = None, rules: Safeguards = ALL_ON
) -> Decision:
    return decide_document(case, bridge(policy), LANE, rules)


def wanted_for(made: Deal, part: int = 0, policy: DocumentPolicy | None = None) -> Document:
    return compose(document_case(made, part), policy or document_policy()).document


def live(
    now: Deal,
    *,
    was: Deal | None = None,
    shown: Document | None = None,
    booked: bool = False,
    known: bool = True,
    part: int = 0,
    **more: Any,
) -> DocumentCase:
    """A deal with a live document that we wrote for it as it `was`; `shown`: edited since."""
    base = wanted_for(was or now, part)
    showed = shown_as(base, booked=booked)
    state = more.pop("state", None) or slot_state(slot(now.source_id, part))
    state = linked(state, books_ref("document", "2217"), base, showed, known=known)
    return document_case(now, part, state=state, document=seen(shown or showed), **more)


def gone(case: DocumentCase, *, certain: bool = True) -> DocumentCase:
    assert case.document is not None
    record = case.document.record
    return replace(case, document=Seen(record=record, gone=True, gone_certain=certain))


LOST = deal(state=DealState.LOST)
WON = deal()
DEARER = deal("D-108", line(price="1200.00"))
CHEAPER = deal("D-108", line(price="900.00"))


# --- nothing there yet ---------------------------------------------------------------------------


def test_a_won_deal_becomes_a_draft() -> None:
    decision = decide(document_case())
    assert (decision.verdict, decision.reason) == (Verdict.WRITE, "create")
    change = decision.change
    assert change is not None
    assert (change.action, change.target, change.base) == (Action.CREATE, None, None)
    assert change.key == operation_key(slot(), 0)
    assert decision.net == Decimal("1000.00")


def test_it_waits_for_its_customer_by_the_customers_key() -> None:
    decision = decide(document_case(buyer=Buyer(pending="0123456789ABC")))
    assert decision.change is not None
    assert decision.change.depends_on == "0123456789ABC"


@pytest.mark.parametrize(
    ("case", "policy", "reason"),
    [
        (document_case(LOST), None, "trigger_not_yet_true"),
        (document_case(deal(state=DealState.OPEN)), None, "trigger_not_yet_true"),
        (document_case(WON, deal_gone=True), None, "deal_deleted"),
        (document_case(WON), document_policy(include=rule(lambda s: False)), "excluded_by_rule"),
        (
            document_case(WON),
            document_policy(trigger=rule(lambda s: False)),
            "trigger_not_yet_true",
        ),
        (document_case(WON, part=4), None, "step_removed"),
        (document_case(deal("D-1", line(price="0"))), None, "zero_total"),
        (
            document_case(deal("D-1", line(price="500"), line(price="-500"))),
            None,
            "zero_total",
        ),
        (document_case(state=slot_state(slot(), verdict="leave_out")), None, "left_out"),
    ],
)
def test_what_is_skipped_says_why(
    case: DocumentCase, policy: DocumentPolicy | None, reason: str
) -> None:
    decision = decide(case, policy)
    assert (decision.verdict, decision.reason) == (Verdict.SKIP, reason)
    assert decision.message.endswith(".")
    assert decision.change is None


def test_a_trigger_of_ones_own_goes_before_won() -> None:
    delivered = document_policy(trigger=rule(lambda scope: scope["deal"]["stage"] == "Delivered"))
    made = deal(state=DealState.OPEN, stage="Delivered")
    assert decide(document_case(made), delivered).verdict is Verdict.WRITE


@pytest.mark.parametrize("state", [OpState.STARTED, OpState.UNKNOWN, OpState.DOUBT])
@pytest.mark.parametrize("made", [WON, LOST, DEARER])
def test_while_an_answer_is_missing_everything_waits(state: OpState, made: Deal) -> None:
    case = document_case(made, state=slot_state(slot(), operation=operation(state)))
    decision = decide(case)
    assert (decision.verdict, decision.reason) == (Verdict.WAIT, "on_its_way")
    assert decision.supersede is False
    without = decide(case, rules=ALL_ON.without("one_open_operation"))
    assert without.verdict is not Verdict.WAIT


def test_what_waits_is_left_if_equal_and_replaced_if_not() -> None:
    mark = decide(document_case()).digest
    ready = slot_state(slot(), operation=operation(OpState.READY, want_digest=mark))
    same = decide(document_case(state=ready))
    assert (same.verdict, same.supersede) == (Verdict.WAIT, False)
    other = decide(document_case(DEARER, state=ready))
    assert (other.verdict, other.supersede) == (Verdict.WRITE, True)
    lost = decide(document_case(LOST, state=ready))
    assert (lost.verdict, lost.supersede) == (Verdict.SKIP, True)
    held = decide(document_case(deal("D-108", line("NONE")), state=ready))
    assert (held.verdict, held.supersede) == (Verdict.HOLD, True)


# --- price, quantity, line -----------------------------------------------------------------------


def test_nothing_changed_nothing_to_do() -> None:
    for booked in (False, True):
        decision = decide(live(WON, booked=booked))
        assert (decision.verdict, decision.reason) == (Verdict.NOTHING, "in_step")


def test_a_draft_follows_the_deal() -> None:
    decision = decide(live(DEARER, was=WON))
    assert (decision.verdict, decision.reason, decision.differs) == (
        Verdict.WRITE,
        "update",
        ("lines",),
    )
    change = decision.change
    assert change is not None
    assert change.wanted is not None
    assert (change.action, change.wanted.fields) == (Action.UPDATE, frozenset({"lines"}))
    assert (change.target, change.version) == (books_ref("document", "2217"), "1")
    assert change.base == shown_as(wanted_for(WON))


def test_a_draft_that_finance_edited_is_shown_not_overwritten() -> None:
    edited = shown_as(wanted_for(WON), lines=lines(line(price="950.00")))
    alone = decide(live(WON, shown=edited))
    assert (alone.verdict, alone.reason) == (Verdict.NOTHING, "edited_in_the_books")
    assert alone.differs == ("lines",)
    both = decide(live(DEARER, was=WON, shown=edited))
    assert (both.verdict, both.reason) == (Verdict.HOLD, "draft_edited")
    assert both.message == (
        "D-108 changed, and finance edited its draft (lines); it is shown, not overwritten."
    )
    off = decide(live(DEARER, was=WON, shown=edited), rules=ALL_ON.without("compare_with_base"))
    assert off.verdict is Verdict.WRITE


def test_both_sides_moving_to_the_same_value_is_no_conflict() -> None:
    shown = shown_as(wanted_for(DEARER))
    decision = decide(live(DEARER, was=WON, shown=shown))
    assert (decision.verdict, decision.agreed) == (Verdict.AGREED, (wanted_for(DEARER), shown))


def test_agreeing_on_one_field_does_not_swallow_an_edit_of_another() -> None:
    ordered = deal(po_number="4500")
    shown = shown_as(wanted_for(WON), po_number="4500", terms="10")
    decision = decide(live(ordered, was=WON, shown=shown))
    assert (decision.verdict, decision.reason) == (Verdict.NOTHING, "edited_in_the_books")


def test_a_held_change_of_a_draft_names_what_is_wrong() -> None:
    decision = decide(live(deal("D-108", line("NONE")), was=WON))
    assert (decision.verdict, decision.reason) == (Verdict.HOLD, "item_no_code")


@pytest.mark.parametrize(
    ("now", "proposal", "difference"),
    [
        (DEARER, "a supplementary invoice over 200.00", "200.00"),
        (CHEAPER, "a credit note over 100.00", "-100.00"),
        (
            deal("D-108", line(price="500.00", quantity="2")),
            "nothing to invoice; a note to the buyer at most",
            "0.00",
        ),
        (deal("D-108", currency="EUR"), "full credit and a new invoice", "0.00"),
        (deal("D-108", po_number="4500"), "full credit and a new invoice", "0.00"),
    ],
)
def test_a_change_after_booking_is_a_case_with_a_proposal(
    now: Deal, proposal: str, difference: str
) -> None:
    decision = decide(live(now, was=WON, booked=True))
    assert (decision.verdict, decision.reason) == (Verdict.HOLD, "changed_after_booking")
    found = decision.findings[0]
    assert found.hint == f"Proposal: {proposal}. Finance decides."
    assert (found.values["proposal"], found.values["difference"]) == (proposal, difference)
    assert decision.change is None


def test_deal_116_of_the_worked_month() -> None:
    was, now = (deal("D-116", line(price=price)) for price in ("80000.00", "82000.00"))
    decision = decide(live(now, was=was, booked=True))
    assert decision.findings[0].values["proposal"] == "a supplementary invoice over 2,000.00"


def test_another_buyer_after_booking_needs_full_credit() -> None:
    moved = Buyer(ref=books_ref("customer", "400"), record=books_customer("400"))
    decision = decide(live(WON, booked=True, buyer=moved))
    assert decision.findings[0].values["proposal"] == "full credit and a new invoice"


def test_a_customer_that_moved_on_both_sides_is_no_change() -> None:
    winner = Buyer(ref=books_ref("customer", "400"), record=books_customer("400"))
    shown = shown_as(wanted_for(WON), booked=True, customer=winner.ref)
    assert decide(live(WON, booked=True, buyer=winner, shown=shown)).verdict is Verdict.NOTHING


def test_new_words_new_terms_and_new_codes_do_not_reopen_a_booked_invoice() -> None:
    now = deal("D-108", line("GOODS", name="A new name", text="A new text"))
    policy = document_policy(fields=(field_rule("terms", lambda scope: "14"),))
    decision = decide(live(now, was=WON, booked=True), policy)
    assert (decision.verdict, decision.reason) == (Verdict.NOTHING, "in_step")


def test_an_instalment_that_finance_lowered_stays_lowered() -> None:
    plan = deal("D-110", line(price="100000"), schedule=instalments("40000", "60000"))
    edited = shown_as(
        wanted_for(plan, 1), booked=True, lines=lines(line(price="39000", name="CONS name"))
    )
    decision = decide(live(plan, shown=edited, booked=True, part=1))
    assert (decision.verdict, decision.reason) == (Verdict.NOTHING, "edited_in_the_books")
    assert decide(document_case(plan, 2)).net == Decimal("60000")


# --- buyer, currency, VAT ------------------------------------------------------------------------


def test_another_buyer_is_another_document() -> None:
    other = Buyer(ref=books_ref("customer", "400"), record=books_customer("400"))
    decision = decide(live(WON, buyer=other))
    assert decision.change is not None
    assert (decision.verdict, decision.change.action) == (Verdict.WRITE, Action.VOID)
    assert decision.change.wanted is None


def test_another_currency_or_vat_is_another_document() -> None:
    in_euro = decide(live(deal(currency="EUR"), was=WON))
    assert in_euro.change is not None
    assert in_euro.change.action is Action.VOID
    at_12 = items(item(rate=SE12))
    lower = decide(live(WON, items=at_12, taxes=domestic(at_12)))
    assert lower.change is not None
    assert lower.change.action is Action.VOID
    unknown = decide(live(WON, taxes={}))
    assert unknown.verdict is Verdict.NOTHING


def test_where_drafts_are_not_deleted_by_rule_a_new_buyer_is_a_case() -> None:
    other = Buyer(ref=books_ref("customer", "400"), record=books_customer("400"))
    decision = decide(live(WON, buyer=other), document_policy(void_on_reopen=False))
    assert decision.message == (
        "D-108 has another buyer, currency or VAT now, and drafts are not deleted by rule; "
        "nothing was deleted."
    )


def test_a_draft_whose_deal_adds_up_to_nothing_goes() -> None:
    decision = decide(live(deal("D-108", line(price="0")), was=WON))
    assert decision.change is not None
    assert (decision.change.action, decision.net) == (Action.VOID, Decimal(0))


# --- reopened, lost, deleted ---------------------------------------------------------------------


def test_a_reopened_deal_takes_its_untouched_draft_back() -> None:
    decision = decide(live(LOST, was=WON))
    change = decision.change
    assert change is not None
    assert (decision.verdict, change.action, change.version) == (Verdict.WRITE, Action.VOID, "1")
    assert change.base == shown_as(wanted_for(WON))


EDITED = shown_as(wanted_for(WON), terms="10")


@pytest.mark.parametrize(
    ("case", "policy", "why"),
    [
        (live(LOST, was=WON, shown=EDITED), None, "finance edited its draft"),
        (
            live(LOST, was=WON, known=False),
            None,
            "its draft is not one that we wrote as it stands",
        ),
        (
            live(LOST, was=WON),
            document_policy(void_on_reopen=False),
            "drafts are not deleted by rule",
        ),
    ],
)
def test_what_may_not_be_deleted_is_a_case(
    case: DocumentCase, policy: DocumentPolicy | None, why: str
) -> None:
    decision = decide(case, policy)
    assert (decision.verdict, decision.reason) == (Verdict.HOLD, "reopened_draft_kept")
    assert decision.message == f"D-108 is no longer won, and {why}; nothing was deleted."
    assert decision.change is None


def test_rules_of_voiding_are_needed() -> None:
    edited = live(LOST, was=WON, shown=EDITED)
    assert decide(edited, rules=ALL_ON.without("compare_with_base")).verdict is Verdict.WRITE
    unknown = live(LOST, was=WON, known=False)
    assert decide(unknown, rules=ALL_ON.without("base_known_before_write")).verdict is Verdict.WRITE
    booked = live(LOST, was=WON, booked=True)
    off = decide(booked, rules=ALL_ON.without("booked_never_voided"))
    assert off.change is not None
    assert off.change.action is Action.VOID
    away = gone(live(WON))
    assert decide(away, rules=ALL_ON.without("deletion_not_undone")).verdict is Verdict.END


@pytest.mark.parametrize(
    ("case", "policy", "message"),
    [
        (
            live(LOST, was=WON, booked=True),
            None,
            "D-108 is no longer won, and its invoice 1038 is booked.",
        ),
        (
            live(WON, booked=True, deal_gone=True),
            None,
            "D-108 was deleted in the CRM, and its invoice 1038 is booked.",
        ),
        (
            live(WON, booked=True),
            document_policy(include=rule(lambda scope: False)),
            "A rule leaves D-108 out, and its invoice 1038 is booked.",
        ),
        (
            live(WON, booked=True),
            document_policy(trigger=rule(lambda scope: False)),
            "deal.ready of D-108 is not true any more, and its invoice 1038 is booked.",
        ),
    ],
)
def test_a_booked_invoice_is_never_voided(
    case: DocumentCase, policy: DocumentPolicy | None, message: str
) -> None:
    decision = decide(case, policy)
    assert (decision.verdict, decision.reason) == (Verdict.HOLD, "reopened_after_booking")
    assert decision.message == message


def test_a_step_that_left_the_plan_takes_its_draft_along() -> None:
    plan = deal("D-110", line(price="300"), schedule=instalments("100", "100", "100"))
    case = live(plan, part=3)
    without = replace(plan, schedule=instalments("150", "150"))
    decision = decide(replace(case, deal=without))
    assert decision.change is not None
    assert decision.change.action is Action.VOID
    booked = live(plan, part=3, booked=True)
    held = decide(replace(booked, deal=without))
    assert held.message == (
        "The billing plan of D-110 has no step 3 any more, and its invoice 1038 is booked."
    )


@pytest.mark.parametrize("made", [LOST, WON])
def test_a_document_that_is_missing_is_looked_for_before_anything_is_concluded(made: Deal) -> None:
    for case in (
        gone(live(made, was=WON), certain=False),
        replace(live(made, was=WON), document=None),
    ):
        decision = decide(case)
        assert (decision.verdict, decision.reason) == (Verdict.WAIT, "not_read_yet")


def test_a_draft_that_finance_deleted_is_not_made_again_by_itself() -> None:
    decision = decide(gone(live(WON)))
    assert (decision.verdict, decision.reason) == (Verdict.HOLD, "draft_deleted")
    assert decision.message == "The draft of D-108 was deleted in visma-se."
    asked = gone(live(WON, state=slot_state(slot(), verdict="make_new")))
    assert decide(asked).verdict is Verdict.END
    left = gone(live(WON, state=slot_state(slot(), verdict="leave_out")))
    assert decide(left).verdict is Verdict.SKIP


def test_the_trigger_seen_false_ends_a_generation_whose_document_is_dead() -> None:
    for case in (
        gone(live(LOST, was=WON)),
        live(LOST, was=WON, shown=shown_as(wanted_for(WON), voided=True)),
        live(LOST, was=WON, booked=True, shown=CREDITED),
    ):
        assert decide(case).verdict is Verdict.END


CREDITED = shown_as(wanted_for(WON), booked=True, credited=Decimal("1250.00"))


@pytest.mark.parametrize(
    ("shown", "reason"),
    [
        (CREDITED, "credited"),
        (shown_as(wanted_for(WON), booked=True, voided=True), "cancelled"),
        (shown_as(wanted_for(WON), voided=True), "cancelled"),
    ],
)
def test_credited_or_voided_while_won_is_left_until_a_person_asks(
    shown: Document, reason: str
) -> None:
    decision = decide(live(WON, shown=shown, booked=shown.booked))
    assert (decision.verdict, decision.reason) == (Verdict.NOTHING, reason)
    assert decision.net == Decimal("1000.00")
    asked = live(WON, shown=shown, state=slot_state(slot(), verdict="make_new"))
    assert decide(asked).verdict is Verdict.END


INVOICE = books_ref("document", "2217")
PAID = shown_as(wanted_for(WON), booked=True, credited=Decimal(0))


def note(gross: str, *credits: ExternalRef, currency: str = "SEK", **more: Any) -> Document:
    """A booked credit note over that gross, which names these invoices."""
    total = Totals(currency=currency, net=Decimal(gross), tax=Decimal(0), gross=-Decimal(gross))
    return Document(
        kind=DocumentKind.CREDIT_NOTE,
        totals=total,
        credits=credits,
        **{"booked": True, **more},
    )


@pytest.mark.parametrize(
    ("notes", "reason"),
    [
        ((), "in_step"),
        ((note("1250.00", INVOICE),), "credited"),
        ((note("1000.00", INVOICE), note("250.00", INVOICE)), "credited"),
        ((note("1249.99", INVOICE),), "in_step"),
        ((note("1250.00", INVOICE, booked=False),), "in_step"),
        ((note("1250.00", INVOICE, voided=True),), "in_step"),
        ((note("1250.00"),), "credited"),
        ((note("1250.00", books_ref("document", "9")),), "in_step"),
        ((note("1250.00", INVOICE, books_ref("document", "9")),), "in_step"),
        ((note("1250.00", currency="NOK"),), "in_step"),
    ],
)
def test_what_was_paid_is_dead_by_credit_notes_of_its_own_over_the_whole(
    notes: tuple[Document, ...], reason: str
) -> None:
    case = replace(live(WON, shown=PAID, booked=True), credit_notes=notes)
    assert decide(case).reason == reason
    lost = decide(replace(live(LOST, was=WON, shown=PAID, booked=True), credit_notes=notes))
    dead = reason == "credited"
    assert lost.reason == ("generation_ended" if dead else "reopened_after_booking")


def test_credited_in_part_is_alive() -> None:
    shown = shown_as(wanted_for(WON), booked=True, credited=Decimal("500.00"))
    assert decide(live(WON, booked=True, shown=shown)).reason == "in_step"
    lost = decide(live(LOST, was=WON, booked=True, shown=shown))
    assert lost.reason == "reopened_after_booking"


# --- won again -----------------------------------------------------------------------------------


def test_won_again_with_the_draft_alive_updates_the_same_draft() -> None:
    decision = decide(live(DEARER, was=WON))
    assert decision.change is not None
    assert decision.change.key == operation_key(slot(), 0)
    assert decision.change.action is Action.UPDATE


def test_won_again_after_an_end_makes_the_next_generation() -> None:
    former = SlotRef(
        ref=books_ref("document", "2217"), generation=0, role=RefRole.FORMER, found_by="answer"
    )
    state = slot_state(slot(), exists=True, generation=1, refs=(former,))
    decision = decide(document_case(state=state))
    assert decision.change is not None
    assert decision.change.action is Action.CREATE
    assert decision.change.key == operation_key(slot(), 1)


# --- found, not written by us --------------------------------------------------------------------


def test_a_found_document_that_sells_the_same_is_agreed_whatever_its_headings() -> None:
    shown = shown_as(wanted_for(WON), terms="30", your_reference="x")
    decision = decide(live(WON, known=False, shown=shown))
    assert (decision.verdict, decision.agreed) == (Verdict.AGREED, (wanted_for(WON), shown))


def adopted(shown: Document) -> DocumentCase:
    """A document in other words over the same net, that a person took over for the deal."""
    state = linked(
        slot_state(slot()), books_ref("document", "2217"), None, shown, known=False,
        found_by=ADOPTED,
    )  # fmt: skip
    return document_case(WON, state=state, document=seen(shown))


BY_HAND = {"lines": lines(line(price="500.00"), line(price="500.00")), "your_reference": "x"}


def test_an_adopted_invoice_is_agreed_as_it_stands_and_a_draft_stays_finances() -> None:
    booked = shown_as(wanted_for(WON), booked=True, **BY_HAND)
    decision = decide(adopted(booked))
    assert (decision.verdict, decision.agreed) == (Verdict.AGREED, (wanted_for(WON), booked))
    decision = decide(adopted(shown_as(wanted_for(WON), **BY_HAND)))
    assert (decision.verdict, decision.reason, decision.change) == (
        Verdict.NOTHING,
        "adopted",
        None,
    )


@pytest.mark.parametrize(
    "change", [{"currency": "EUR"}, {"customer": books_ref("customer", "9")}, {"totals": None}]
)
def test_an_adopted_document_of_somebody_else_is_shown_to_a_person(change: dict[str, Any]) -> None:
    shown = shown_as(wanted_for(WON), booked=True, **{**BY_HAND, **change})
    assert decide(adopted(shown)).reason == "found_differs"


@pytest.mark.parametrize(
    "change",
    [
        {"lines": lines(line(price="999.00"))},
        {"lines": lines(line(price="500.00"), line(price="500.00"))},
        {"customer": books_ref("customer", "9")},
        {"currency": "EUR"},
    ],
)
def test_a_found_document_that_differs_is_neither_overwritten_nor_deleted(
    change: dict[str, Any],
) -> None:
    decision = decide(live(WON, known=False, shown=shown_as(wanted_for(WON), **change)))
    assert (decision.verdict, decision.reason) == (Verdict.HOLD, "found_differs")


# --- instalments ---------------------------------------------------------------------------------

PLAN = deal(
    "D-110",
    line(price="100000.00"),
    schedule=instalments("33333.33", "33333.33", "33333.34"),
)


def test_instalments_add_up_to_the_cent() -> None:
    cases = [document_case(PLAN, part) for part in (1, 2, 3)]
    decisions = [decide(case) for case in cases]
    assert [decision.net for decision in decisions] == [
        money("33,333.33"),
        money("33,333.33"),
        money("33,333.34"),
    ]
    assert sum(d.predicted.totals.net for d in decisions if d.predicted) == sold_amount(PLAN)
    keys = {decision.change.key for decision in decisions if decision.change}
    assert len(keys) == 3


def test_vat_of_instalments_is_rounded_per_invoice() -> None:
    quarter = predict(
        [line(price="250.10", tax_rate=SE25)], "SEK", rule=TotalsRule.PER_RATE, rounds_to_unit=False
    )
    whole = predict(
        [line(price="1000.40", tax_rate=SE25)],
        "SEK",
        rule=TotalsRule.PER_RATE,
        rounds_to_unit=False,
    )
    assert 4 * quarter.totals.tax == Decimal("250.12")
    assert whole.totals.tax == Decimal("250.10")


def test_a_step_takes_its_share_of_every_line_also_of_negative_ones() -> None:
    made = deal(
        "D-1",
        line(price="1000.00"),
        text_line("As agreed"),
        line("FOOD", price="-200.00", name="Returned"),
        schedule=(
            Instalment(part=1, amount=Decimal("400.00"), text="Part 1 of 2"),
            Instalment(part=2, amount=Decimal("400.00")),
        ),
    )
    document = wanted_for(made, 1)
    assert [(one.kind, one.text) for one in document.lines[:1]] == [(LineKind.TEXT, "Part 1 of 2")]
    priced = [(one.unit_price, one.tax_rate) for one in document.lines if one.item]
    assert priced == [(Decimal("500.00"), SE25), (Decimal("-100.00"), SE12)]
    assert document.totals is not None
    assert (document.totals.net, document.totals.tax) == (Decimal("400.00"), Decimal("113.00"))
    assert decide(document_case(made, 1)).verdict is Verdict.WRITE


def test_an_instalment_has_its_day() -> None:
    due = [TODAY, date(2026, 11, 30)]
    made = deal("D-110", line(price="200.00"), schedule=instalments("100", "100", due=due))
    assert decide(document_case(made, 1)).verdict is Verdict.WRITE
    later = decide(document_case(made, 2))
    assert (later.verdict, later.reason) == (Verdict.SKIP, "not_due_yet")
    assert later.net == Decimal("100")
    # Midnight in Stockholm, where the books are.
    assert later.not_before == datetime(2026, 11, 29, 23, tzinfo=UTC)
    assert decide(document_case(made, 2, today=date(2026, 11, 30))).verdict is Verdict.WRITE


# --- discounts -----------------------------------------------------------------------------------


def discounted(discount: str, *priced: Line, policy: DocumentPolicy | None = None) -> Composed:
    made = deal("D-1", *priced, discount=money(discount))
    return compose(document_case(made), policy or document_policy())


THREE = (line(), line("GOODS"), line(price="1000.00"))
MIXED = (line(price="3000.00"), line(price="1250.00"), line("FOOD", price="749.99"))
WITH_ITEM = document_policy(discount_item="RABATT")


def test_a_discount_across_vat_rates_goes_where_it_belongs() -> None:
    composed = discounted("500.00", *MIXED)
    assert [one.discount for one in composed.document.lines] == [Decimal("0.1")] * 3
    totals = composed.predicted.totals
    assert (totals.net, totals.tax, totals.gross) == (
        money("4,499.99"),
        money("956.25") + money("81.00"),
        money("5,537.24"),
    )
    assert composed.sold == money("4,499.99")
    assert composed.findings == ()


def test_what_no_fraction_gives_exactly_is_a_line_of_its_own() -> None:
    composed = discounted("100.00", *THREE, policy=WITH_ITEM)
    last = composed.document.lines[-1]
    assert last.item is not None
    assert (last.item.number, last.unit_price, last.tax_rate) == (
        "RABATT",
        Decimal("-100.00"),
        SE25,
    )
    assert composed.predicted.totals.net == Decimal("2900.00")
    assert [one.discount for one in composed.document.lines] == [Decimal(0)] * 4


def test_a_finer_fraction_is_used_where_the_books_take_it() -> None:
    made = deal("D-1", *THREE, discount=Decimal("100.00"))
    fine = target(document=EntityAbilities(decimals={"discount": 6}))
    composed = compose(document_case(made, target=fine), WITH_ITEM)
    assert len(composed.document.lines) == 3
    assert composed.predicted.totals.net == Decimal("2900.00")


def test_a_discount_item_of_another_rate_is_not_used() -> None:
    """The books tax a line by its item: -75.00 at 25 % would be 9.75 of VAT too little."""
    odd = (line(price="3000.00"), line("FOOD", price="749.98"))
    composed = discounted("333.33", *odd, policy=WITH_ITEM)
    assert [one.quantity for one in composed.document.lines] == [Decimal(1)] * 2
    assert composed.predicted.totals.net == money("3,416.65")
    assert all(one.item and one.item.number != "RABATT" for one in composed.document.lines)


def test_without_an_item_the_price_is_lowered_and_the_quantity_is_told() -> None:
    composed = discounted("100.00", line(price="1000.00", quantity="3"), line("GOODS", "0.01"))
    first = composed.document.lines[0]
    assert (first.quantity, first.unit_price) == (Decimal(1), Decimal("2900.00"))
    assert first.text == "CONS (3 × 1000.00)"
    assert composed.findings == ()
    assert composed.predicted.totals.net == composed.sold


def test_a_negative_line_bears_no_discount() -> None:
    composed = discounted("100.00", line(), line(price="-500.00"))
    assert [one.discount for one in composed.document.lines] == [Decimal("0.1"), Decimal(0)]
    assert composed.predicted.totals.net == composed.sold == Decimal("400.00")


def test_a_discount_line_keeps_the_dimensions_of_its_lines() -> None:
    priced = (
        line(dimensions={"project": "A"}),
        line("GOODS", dimensions={"project": "B"}),
        line(dimensions={"project": "B"}),
    )
    composed = discounted("100.00", *priced, policy=WITH_ITEM)
    made = composed.document.lines[3:]
    assert [(one.unit_price, one.dimensions["project"]) for one in made] == [
        (Decimal("-33.34"), "A"),
        (Decimal("-66.66"), "B"),
    ]


# --- lines ---------------------------------------------------------------------------------------


def test_free_and_text_lines_pass() -> None:
    made = deal("D-1", line(), line("GOODS", "0"), text_line("Thanks"), line(price="-100"))
    decision = decide(document_case(made))
    assert decision.verdict is Verdict.WRITE
    document = wanted_for(made)
    assert [one.kind for one in document.lines] == [
        LineKind.ITEM,
        LineKind.ITEM,
        LineKind.TEXT,
        LineKind.ITEM,
    ]
    assert document.lines[1].unit_price == 0
    assert document.lines[2].item is None
    assert decision.net == Decimal("900.00")


def test_freight_is_a_line_like_any_other() -> None:
    made = deal("D-1", line(), replace(line("GOODS", "50"), kind=LineKind.CHARGE))
    assert wanted_for(made).lines[1].kind is LineKind.CHARGE
    assert sold_amount(made) == Decimal("1050.00")


def test_deal_114_three_lines_of_half_a_cent() -> None:
    made = deal("D-114", *(line(price="3333.335", stated_net=Decimal("3333.335")),) * 3)
    assert sold_amount(made) == money("10,000.01")


def test_mappings_fill_lines_and_headings() -> None:
    policy = document_policy(
        fields=(
            field_rule("po_number", lambda scope: f"PO {scope['deal']['number']}"),
            field_rule("delivered_on", lambda scope: "2026-10-29"),
            field_rule("buyer_reference", lambda scope: None),
        ),
        line_fields=(
            field_rule("item", lambda scope: {"Montage": "GOODS"}[scope["line"]["item"]]),
            field_rule("quantity", lambda scope: 2),
            field_rule("unit_price", lambda scope: "12.50"),
            field_rule("discount", lambda scope: Decimal("0.5")),
            field_rule("text", lambda scope: scope["line"]["item_name"].upper()),
            field_rule("dimensions.project", lambda scope: "P1"),
        ),
    )
    document = wanted_for(deal("D-7", line("", name="Montage"), buyer_reference="x"), 0, policy)
    only = document.lines[0]
    assert (document.po_number, document.delivered_on) == ("PO D-7", date(2026, 10, 29))
    assert document.buyer_reference == ""
    assert only.item is not None
    assert (only.item.number, only.text, only.dimensions) == ("GOODS", "MONTAGE", {"project": "P1"})
    assert (only.quantity, only.unit_price, only.discount) == (
        Decimal(2),
        Decimal("12.50"),
        Decimal("0.5"),
    )


def test_the_words_that_the_law_wants_stand_on_the_document_once() -> None:
    words = "Omvänd betalningsskyldighet"
    known = items(
        item(
            tax=(
                replace(
                    item().tax[0], treatment=Treatment.EU_SERVICE_REVERSE_CHARGE, rate=Decimal(0)
                ),
            )
        )
    )
    answer = TaxAnswer(treatment=Treatment.EU_SERVICE_REVERSE_CHARGE, rate=Decimal(0), text=words)
    case = document_case(deal("D-1", line(), line()), items=known, taxes={"CONS": answer})
    document = compose(case, document_policy()).document
    assert [one.text for one in document.lines if one.kind is LineKind.TEXT] == [words]
    assert document.totals is not None
    assert document.totals.tax == 0
    said = replace(case, deal=deal("D-1", line(), text_line(words.upper())))
    assert len(compose(said, document_policy()).document.lines) == 2


# --- figures -------------------------------------------------------------------------------------


def test_prices_with_vat() -> None:
    known = items(item(rate=Decimal("0.255")))
    case = document_case(items=known)
    decision = decide(case, document_policy(prices_include_tax=True))
    assert decision.predicted is not None
    totals = decision.predicted.totals
    assert (totals.net, totals.tax, totals.gross) == (
        Decimal("796.81"),
        Decimal("203.19"),
        Decimal("1000.00"),
    )
    assert decision.net == Decimal("796.81")


ORDER = (
    line(price="1249.50", quantity="3", discount="0.1"),
    line(price="1095.00", quantity="7.5"),
    line(price="199.99", discount="0.125"),
)


@pytest.mark.parametrize(
    ("priced", "net", "tax", "gross", "rounding"),
    [
        (ORDER, "11761.14", "2940.29", "14701.00", "-0.43"),
        ((line(price="99.60"),), "99.60", "24.90", "125.00", "0.50"),
        ((line(price="99.59"),), "99.59", "24.90", "124.00", "-0.49"),
        (
            (line(price="3500.00"), line(price="720.00"), line(price="247.75")),
            "4467.75",
            "1116.94",
            "5585.00",
            "0.31",
        ),
        ((line(price="-99.60"),), "-99.60", "-24.90", "-125.00", "-0.50"),
        ((line(price="100.02"),), "100.02", "25.01", "125.00", "-0.03"),
    ],
)
def test_oresavrundning(
    priced: tuple[Line, ...], net: str, tax: str, gross: str, rounding: str
) -> None:
    made = deal("D-1", *priced)
    totals = compose(
        document_case(made, target=target(rounds_to_unit=True)), document_policy()
    ).predicted.totals
    assert [str(value) for value in (totals.net, totals.tax, totals.gross, totals.rounding)] == [
        net,
        tax,
        gross,
        rounding,
    ]


def test_a_foreign_currency_is_not_rounded_to_units() -> None:
    made = deal("D-1", line(price="99.60"), currency="EUR")
    totals = compose(
        document_case(made, target=target(rounds_to_unit=True)), document_policy()
    ).predicted.totals
    assert (totals.gross, totals.rounding) == (Decimal("124.50"), Decimal("0.00"))


def test_where_the_books_rule_is_unknown_two_figures_are_possible() -> None:
    made = deal("D-1", *(line(price="33.33"),) * 3)
    unknown = target(rounds_to_unit=True, totals_rule=TotalsRule.UNKNOWN)
    predicted = compose(document_case(made, target=unknown), document_policy()).predicted
    assert predicted.other is not None
    first, second = predicted.totals, predicted.other
    assert (first.tax, first.gross, first.rounding) == money_of("25.00", "125.00", "0.01")
    assert (second.tax, second.gross, second.rounding) == money_of("24.99", "125.00", "0.02")
    assert fits(predicted, first)
    assert fits(predicted, second)
    assert not fits(predicted, replace(first, tax=Decimal("25.01")))


def money_of(*texts: str) -> tuple[Decimal, ...]:
    return tuple(Decimal(text) for text in texts)


# --- release -------------------------------------------------------------------------------------

LIMIT = document_policy(mode=FlowMode.APPROVE, approve_above=Decimal("100000"))
BIG = deal("D-105", line(price="210000.00"))


@pytest.mark.parametrize(
    ("made", "released", "verdict"),
    [
        (deal("D-1", line(price="100000.00")), "0", Verdict.WRITE),
        (deal("D-1", line(price="100000.01")), "0", Verdict.APPROVAL),
        (deal("D-1", line(price="60000.00")), "40000.00", Verdict.WRITE),
        (deal("D-1", line(price="60000.00")), "40000.01", Verdict.APPROVAL),
        (deal("D-1", line(price="8928.57"), currency="EUR"), "0", Verdict.WRITE),
        (deal("D-1", line(price="8928.58"), currency="EUR"), "0", Verdict.APPROVAL),
    ],
)
def test_the_limit_is_net_in_base_currency_summed_per_customer_and_day(
    made: Deal, released: str, verdict: Verdict
) -> None:
    assert decide(document_case(made, released_today=Decimal(released)), LIMIT).verdict is verdict


def test_what_is_above_the_limit_says_so() -> None:
    decision = decide(document_case(BIG), LIMIT)
    assert (decision.reason, decision.message) == ("waiting_for_approval", "above 100,000.00")
    assert decision.change is not None


def test_without_a_limit_everything_waits_and_without_a_rate_what_is_foreign() -> None:
    every = document_policy(mode=FlowMode.APPROVE)
    assert decide(document_case(), every).verdict is Verdict.APPROVAL
    foreign = document_case(deal("D-1", line(price="1"), currency="EUR"), rates={})
    assert decide(foreign, LIMIT).verdict is Verdict.APPROVAL


def test_what_was_released_in_a_currency_without_a_rate_is_not_taken_for_nothing() -> None:
    case = document_case(deal("D-1", line(price="1")), unrated="EUR")
    decision = decide(case, LIMIT)
    assert (decision.verdict, decision.message) == (
        Verdict.APPROVAL,
        "above 100,000.00: no rate for EUR, released for this customer today",
    )


def test_a_void_is_under_any_limit() -> None:
    case = live(LOST, was=WON, released_today=Decimal("500000"))
    assert decide(case, LIMIT).verdict is Verdict.WRITE
    assert decide(case, document_policy(mode=FlowMode.APPROVE)).verdict is Verdict.APPROVAL


def test_an_approval_is_bound_to_what_was_read() -> None:
    mark = decide(document_case(BIG), LIMIT).digest
    state = slot_state(slot("D-105"), approved=frozenset({mark}))
    assert decide(document_case(BIG, state=state), LIMIT).verdict is Verdict.WRITE
    for changed in (
        document_case(deal("D-105", line(price="210000.01")), state=state),
        document_case(deal("D-105", line(price="210000.00"), po_number="1"), state=state),
        document_case(
            BIG, state=state, items=(lower := items(item(rate=SE12))), taxes=domestic(lower)
        ),
    ):
        assert decide(changed, LIMIT).verdict is Verdict.APPROVAL
        off = ALL_ON.without("approval_bound_to_payload")
        assert decide(changed, LIMIT, off).verdict is Verdict.WRITE


def test_shadow_and_auto_ask_nobody() -> None:
    for mode in (FlowMode.SHADOW, FlowMode.AUTO):
        assert decide(document_case(BIG), document_policy(mode=mode)).verdict is Verdict.WRITE


def test_vat_that_a_person_must_confirm_waits_in_every_mode() -> None:
    answer = TaxAnswer(treatment=Treatment.DOMESTIC_RATE, rate=SE25, approval=True)
    case = document_case(taxes={"CONS": answer})
    decision = decide(case)
    assert (decision.verdict, decision.message) == (
        Verdict.APPROVAL,
        "A person confirms the VAT of line 1.",
    )
    approved = replace(case, state=slot_state(slot(), approved=frozenset({decision.digest})))
    assert decide(approved).verdict is Verdict.WRITE
    several = document_case(deal("D-1", line(), line()), taxes={"CONS": answer})
    assert decide(several).message == "A person confirms the VAT of lines 1, 2."
