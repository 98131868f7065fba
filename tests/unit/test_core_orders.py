"""Sales orders and invoices that we book: what is made, what is left alone, who is asked."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from support.cases import (
    LANE,
    books_ref,
    bridge,
    deal,
    document_case,
    document_policy,
    line,
    lines,
    linked,
    operation,
    rule,
    seen,
    shown_as,
    slot,
    slot_state,
    target,
)
from tieout.core.case import Decision, DocumentCase, OpState, Verdict
from tieout.core.change import Action
from tieout.core.compose import compose
from tieout.core.decide_document import decide_document
from tieout.core.model import (
    Deal,
    DealKind,
    DealState,
    Document,
    DocumentKind,
    OrderState,
    Totals,
)
from tieout.core.policy import DocumentPolicy, FlowMode, KindRule

ORDERS = document_policy(kind="sales_order")
ASKING = document_policy(kind="sales_order", ask_order_changes=True)
INVOICES = document_policy(kind="invoice")
WON = deal()
LOST = deal(state=DealState.LOST)
DEARER = deal("D-108", line(price="1200.00"))


def decide(case: DocumentCase, policy: DocumentPolicy = ORDERS) -> Decision:
    return decide_document(case, bridge(policy), LANE)


def ordered(
    now: Deal = WON,
    *,
    was: Deal | None = None,
    state: OrderState = OrderState.APPROVED,
    changed: dict[str, Any] | None = None,
    verdict: str = "",
    **more: Any,
) -> DocumentCase:
    """A deal whose order we wrote for it as it `was`; ``changed``: by a person since."""
    base = compose(document_case(was or now), ORDERS).document
    showed = shown_as(base, kind=DocumentKind.ORDER, number="SO-1", order_state=state)
    place = linked(slot_state(slot(), verdict=verdict), books_ref("document", "2217"), base, showed)
    stands = replace(showed, **(changed or {}))
    return document_case(now, state=place, document=seen(stands), **more)


def invoice_of_order(net: str = "1000.00", **more: Any) -> Document:
    gross = Decimal(net) * Decimal("1.25")
    return Document(
        ref=books_ref("document", "i1"),
        came_from=(books_ref("document", "2217"),),
        booked=True,
        number="1042",
        totals=Totals(currency="SEK", net=Decimal(net), tax=gross - Decimal(net), gross=gross),
        **more,
    )


# --- what is made --------------------------------------------------------------------------------


def test_a_deal_becomes_an_order_where_the_settings_say_so() -> None:
    decision = decide(document_case())
    assert decision.change is not None
    record = decision.change.wanted.record if decision.change.wanted else None
    assert isinstance(record, Document)
    assert (decision.verdict, record.kind) == (Verdict.WRITE, DocumentKind.ORDER)


def test_the_first_rule_that_holds_says_what_is_made() -> None:
    policy = document_policy(
        kinds=(
            KindRule(when=rule(lambda s: s["deal"]["kind"] == "order"), kind="sales_order"),
            KindRule(when=rule(lambda s: True), kind="invoice"),
        )
    )

    def made(kind: DealKind) -> str:
        return compose(document_case(deal(kind=kind)), policy).kind

    assert made(DealKind.ORDER) == "sales_order"
    assert made(DealKind.OPPORTUNITY) == "invoice"
    assert compose(document_case(), document_policy()).kind == "invoice_draft"


def test_books_that_make_no_orders_hold_with_what_they_make() -> None:
    case = document_case(target=target(makes=("invoice_draft", "invoice")))
    decision = decide(case)
    assert (decision.verdict, decision.reason) == (Verdict.HOLD, "document_kind_not_possible")
    assert decision.message == (
        "visma-se makes no sales orders for D-108; it makes: invoice_draft, invoice."
    )


def test_an_order_is_made_in_a_closed_period_and_a_draft_is_not() -> None:
    closed = target()
    closed = replace(closed, company=replace(closed.company, locked_to=document_case().today))
    assert decide(document_case(target=closed)).verdict is Verdict.WRITE
    assert decide(document_case(target=closed), document_policy()).reason == "period_closed"


def test_a_document_that_is_there_stays_what_it_is() -> None:
    # An opportunity that became an order in the CRM is the same source, and has its draft already.
    base = compose(document_case(), document_policy()).document
    place = linked(slot_state(slot()), books_ref("document", "2217"), base, shown_as(base))
    case = document_case(deal(kind=DealKind.ORDER), state=place, document=seen(shown_as(base)))
    assert decide(case).reason == "in_step"
    assert decide(ordered(), document_policy()).reason == "in_step"


# --- the life of an order ------------------------------------------------------------------------


def test_a_changed_deal_changes_its_order_until_it_is_shipped() -> None:
    open_order = decide(ordered(DEARER, was=WON))
    assert open_order.change is not None
    assert open_order.change.action is Action.UPDATE
    shipped = decide(ordered(DEARER, was=WON, state=OrderState.SHIPPED))
    assert (shipped.verdict, shipped.reason) == (Verdict.HOLD, "changed_after_booking")
    assert shipped.message == "D-108 changed after its order was shipped (lines)."
    assert "finance changes the order" in shipped.findings[0].hint


def test_after_an_invoice_of_the_order_the_difference_is_proposed() -> None:
    case = ordered(DEARER, was=WON, grown=(invoice_of_order(),))
    decision = decide(case)
    assert decision.message == "D-108 changed after its order was invoiced (lines)."
    assert decision.findings[0].values["proposal"] == "a supplementary invoice over 200.00"


def test_a_lost_deal_takes_its_untouched_order_back_and_no_other() -> None:
    untouched = decide(ordered(LOST, was=WON))
    assert untouched.change is not None
    assert untouched.change.action is Action.VOID
    edited = decide(ordered(LOST, was=WON, changed={"terms": "10"}))
    assert (edited.verdict, edited.reason) == (Verdict.HOLD, "reopened_draft_kept")
    assert "finance edited its order" in edited.message
    for case in (
        ordered(LOST, was=WON, state=OrderState.SHIPPED),
        ordered(LOST, was=WON, grown=(invoice_of_order(),)),
    ):
        held = decide(case)
        assert (held.verdict, held.reason) == (Verdict.HOLD, "reopened_after_booking")
        assert "its order SO-1 is" in held.message


def test_a_cancelled_order_is_not_made_again_by_itself() -> None:
    case = ordered(changed={"voided": True, "order_state": OrderState.CANCELLED})
    decision = decide(case)
    assert (decision.verdict, decision.reason) == (Verdict.NOTHING, "cancelled")
    asked = replace(case, state=replace(case.state, verdict="make_new"))
    assert decide(asked).verdict is Verdict.END


def test_an_order_whose_invoice_was_credited_in_full_is_dead() -> None:
    credited = invoice_of_order(credited=Decimal("1250.00"))
    done = ordered(state=OrderState.INVOICED, grown=(credited,))
    assert decide(done).reason == "credited"
    more = ordered(state=OrderState.SHIPPED, grown=(credited,))
    assert decide(more).reason == "in_step"


CANCELLED = {"voided": True, "order_state": OrderState.CANCELLED}


@pytest.mark.parametrize("gone", [True, False])
def test_what_was_invoiced_of_an_order_that_went_is_not_sold_a_second_time(gone: bool) -> None:
    def went(now: Deal, invoice: Document, verdict: str = "") -> DocumentCase:
        case = ordered(now, was=WON, grown=(invoice,), changed=CANCELLED, verdict=verdict)
        assert case.document is not None
        return replace(case, document=replace(case.document, gone=gone, gone_certain=gone))

    # Not won any more: its place would be free for another order once it is won again.
    lost = decide(went(LOST, invoice_of_order()))
    assert (lost.verdict, lost.reason) == (Verdict.HOLD, "reopened_after_booking")
    assert lost.message == "D-108 is no longer won, and its order SO-1 is invoiced already."

    asked = decide(went(WON, invoice_of_order(), "make_new"))
    assert (asked.verdict, asked.reason) == (Verdict.HOLD, "order_gone_invoiced")
    assert asked.message == (
        "The order SO-1 of D-108 is gone in visma-se, and what was made of it stands: invoice 1042."
    )
    kept = decide(went(WON, invoice_of_order()))
    assert kept.reason == ("order_gone_invoiced" if gone else "cancelled")

    credited = invoice_of_order(credited=Decimal("1250.00"))
    assert decide(went(LOST, credited)).verdict is Verdict.END
    assert decide(went(WON, credited, "make_new")).verdict is Verdict.END


# --- both sides ----------------------------------------------------------------------------------

CHEAPER = {"lines": lines(line(price="900.00"))}


def test_an_order_changed_in_the_books_is_left_where_nobody_asks() -> None:
    decision = decide(ordered(changed=CHEAPER))
    assert (decision.verdict, decision.reason) == (Verdict.NOTHING, "edited_in_the_books")


def test_an_order_changed_in_the_books_is_asked_about_with_both_sides() -> None:
    decision = decide(ordered(changed=CHEAPER), ASKING)
    assert (decision.verdict, decision.reason) == (Verdict.HOLD, "order_changed")
    assert decision.message == (
        "The order SO-1 of D-108 was changed in visma-se: line 1 CONS: 1 x 1000 in the deal, "
        "CONS: 1 x 900 in the books."
    )


def test_the_answer_holds_for_the_order_as_it_was_seen() -> None:
    mark = decide(ordered(changed=CHEAPER), ASKING).findings[0].values["mark"]
    kept = decide(ordered(changed=CHEAPER, verdict=f"books_count:{mark}"), ASKING)
    assert (kept.verdict, kept.differs) == (Verdict.NOTHING, ("lines",))

    over = decide(ordered(changed=CHEAPER, verdict=f"deal_counts:{mark}"), ASKING)
    assert over.change is not None
    assert over.change.wanted is not None
    assert (over.change.action, over.change.wanted.fields) == (Action.UPDATE, {"lines"})
    assert isinstance(over.change.base, Document)
    assert over.change.base.lines[0].unit_price == Decimal("900.00")

    again = {"lines": lines(line(price="800.00"))}
    for answer in ("books_count", "deal_counts"):
        asked = decide(ordered(changed=again, verdict=f"{answer}:{mark}"), ASKING)
        assert (asked.verdict, asked.reason) == (Verdict.HOLD, "order_changed")


def test_an_answer_says_nothing_about_what_the_deal_says_later() -> None:
    terms = {"terms": "10"}
    mark = decide(ordered(changed=terms), ASKING).findings[0].values["mark"]
    kept = f"books_count:{mark}"
    assert decide(ordered(changed=terms, verdict=kept), ASKING).verdict is Verdict.NOTHING
    dearer = decide(ordered(DEARER, was=WON, changed=terms, verdict=kept), ASKING)
    assert (dearer.verdict, dearer.reason) == (Verdict.HOLD, "order_changed")
    assert "CONS: 1 x 1200 in the deal" in dearer.message


def test_the_deal_that_counts_is_written_whole_and_by_the_usual_gates() -> None:
    terms = {"terms": "10"}

    def answered(now: Deal) -> Decision:
        mark = decide(ordered(now, was=WON, changed=terms), ASKING).findings[0].values["mark"]
        return decide(ordered(now, was=WON, changed=terms, verdict=f"deal_counts:{mark}"), ASKING)

    both = answered(DEARER)
    assert both.change is not None
    assert both.change.wanted is not None
    assert both.change.wanted.fields == {"lines", "terms"}
    held = answered(deal("D-108", line("NOTHING", price="1200.00")))
    assert (held.verdict, held.reason) == (Verdict.HOLD, "item_no_code")


def test_a_shipped_order_is_no_question_any_more() -> None:
    case = ordered(changed=CHEAPER, state=OrderState.SHIPPED)
    assert decide(case, ASKING).reason == "edited_in_the_books"


def test_the_deal_that_follows_the_order_settles_it() -> None:
    lower = deal("D-108", line(price="900.00"))
    same = {"lines": compose(document_case(lower), ORDERS).document.lines}
    followed = decide(ordered(lower, was=WON, changed=same), ASKING)
    assert followed.verdict is Verdict.AGREED


# --- invoices that we book -----------------------------------------------------------------------


def drafted(now: Deal = WON, *, changed: dict[str, Any] | None = None, **more: Any) -> DocumentCase:
    base = compose(document_case(WON), INVOICES).document
    showed = shown_as(base)
    place = more.pop("state", slot_state(slot()))
    place = linked(place, books_ref("document", "2217"), base, showed)
    stands = replace(showed, **(changed or {}))
    return document_case(now, state=place, document=seen(stands), **more)


def test_a_draft_that_shows_what_was_predicted_is_booked_by_a_write_of_its_own() -> None:
    decision = decide(drafted(), INVOICES)
    assert decision.change is not None
    assert (decision.verdict, decision.reason) == (Verdict.WRITE, "book")
    assert (decision.change.action, decision.change.version) == (Action.CONVERT, "1")
    assert decision.change.target == books_ref("document", "2217")
    by_hand = document_policy(kind="invoice", mode=FlowMode.APPROVE)
    assert decide(drafted(), by_hand).verdict is Verdict.APPROVAL


@pytest.mark.parametrize(
    ("case", "policy", "reason"),
    [
        (drafted(), document_policy(), "in_step"),
        (drafted(target=target(makes=("invoice_draft",))), INVOICES, "in_step"),
        (drafted(changed={"terms": "10"}), INVOICES, "edited_in_the_books"),
        (
            drafted(changed={"totals": Totals(currency="SEK", net=Decimal(1000),
                                              tax=Decimal(251), gross=Decimal(1251))}),
            INVOICES,
            "in_step",
        ),
        (drafted(DEARER), INVOICES, "update"),
        (
            drafted(state=slot_state(slot(), operation=operation(OpState.UNKNOWN, "convert"))),
            INVOICES,
            "on_its_way",
        ),
    ],
)  # fmt: skip
def test_what_is_not_booked(case: DocumentCase, policy: DocumentPolicy, reason: str) -> None:
    decision = decide(case, policy)
    assert decision.reason == reason
    assert decision.change is None or decision.change.action is not Action.CONVERT


def test_a_draft_that_was_found_is_agreed_on_and_looked_at_once_more_to_be_booked() -> None:
    shown = shown_as(compose(document_case(WON), INVOICES).document)
    place = linked(slot_state(slot()), books_ref("document", "2217"), None, None, known=False)
    found = document_case(state=place, document=seen(shown))
    decision = decide(found, INVOICES)
    assert (decision.verdict, decision.again) == (Verdict.AGREED, True)
    # Where finance books, nothing follows.
    decision = decide(found, document_policy())
    assert (decision.verdict, decision.again) == (Verdict.AGREED, False)
    booked = document_case(state=place, document=seen(replace(shown, booked=True)))
    assert not decide(booked, INVOICES).again
