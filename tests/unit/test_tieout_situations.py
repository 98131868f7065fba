"""The chain link by link, and what counts as evidence."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from tieout_october import CUT_OFF, OCTOBER, credit, document, draft, ledger_row, october, step

from tieout.core.chain import Chain, walk
from tieout.core.tieout import (
    Acceptance,
    Approval,
    Cancellation,
    Cause,
    DocumentKind,
    Edit,
    LedgerRow,
    OpenException,
    Period,
    Prediction,
    StepFigures,
    Unanswered,
    number_holes,
    tie_out,
)

D = Decimal
EDIT = Edit(version="7", changed="price lowered", by="finance")


def one(*documents, sold: str = "100.00", **more) -> StepFigures:
    return step(1, "Alvik Analys AB", sold, *documents, **more)


def walked(*documents, sold: str = "100.00", **more) -> Chain:
    return walk(one(*documents, sold=sold, **more), CUT_OFF, "SEK")


def parts(chain: Chain) -> list[tuple[str, str]]:
    return [(p.cause.value, str(p.amount)) for p in chain.parts]


def test_agreement_has_no_parts():
    chain = walked(document("1", "100.00"))
    assert (chain.gap, chain.parts) == (0, ())


def test_no_document_and_no_reason_is_unexplained():
    assert parts(walked()) == [("unexplained", "100.00")]


def test_a_changed_document_without_a_seen_edit_is_unexplained():
    seen = document("1", "80.00", written_net=D("100.00"), version_is_ours=False, edit=EDIT)
    assert parts(walked(seen)) == [("edited_in_the_books", "20.00")]
    assert parts(walked(replace(seen, edit=None))) == [("unexplained", "20.00")]
    assert parts(walked(replace(seen, version_is_ours=True))) == [("unexplained", "20.00")]


def test_only_what_changed_after_we_wrote_is_an_edit():
    odd = document("1", "80.00", written_net=D("97.00"), version_is_ours=False, edit=EDIT)
    assert parts(walked(odd)) == [("unexplained", "3.00"), ("edited_in_the_books", "17.00")]


def test_a_vanished_draft_needs_a_deletion_that_was_seen():
    gone = draft("1", "100.00", present=False)
    assert parts(walked(gone)) == [("unexplained", "100.00")]
    seen = replace(gone, cancellation=Cancellation(seen_on=CUT_OFF))
    assert parts(walked(seen)) == [("cancelled", "100.00")]


@pytest.mark.parametrize(
    ("predicted", "lines", "cause"),
    [
        ("100.01", 2, "rounding"),
        ("100.01", 1, "unexplained"),
        ("99.98", 4, "rounding"),
        ("99.98", 3, "unexplained"),
    ],
)
def test_rounding_is_half_a_cent_a_line_at_most(predicted, lines, cause):
    chain = walked(document("1", predicted), prediction=Prediction(net=D(predicted), lines=lines))
    assert parts(chain) == [(cause, str(D("100.00") - D(predicted)))]


def test_the_first_stop_takes_the_whole_step():
    chain = walked(
        excluded_by="own group",
        trigger_missing="not delivered",
        approval=Approval(reason="above 50"),
        unanswered=Unanswered(operation="OP-1", reason="answer lost"),
    )
    assert parts(chain) == [("excluded_by_rule", "100.00")]


def test_exceptions_with_amounts_share_and_the_open_one_takes_the_rest():
    chain = walked(
        exceptions=(
            OpenException(id="EX-2", code="tax_unresolved"),
            OpenException(id="EX-1", code="item_no_code", amount=D("30.00")),
        )
    )
    assert parts(chain) == [("exception_open", "30.00"), ("exception_open", "70.00")]
    assert [p.ref for p in chain.parts] == ["EX-1", "EX-2"]


def test_a_deal_of_nothing_with_an_open_exception_does_not_agree():
    case = OpenException(id="EX-1", code="no_lines", text="D-1 has nothing to invoice.")
    chain = walked(sold="0.00", exceptions=(case,))
    assert parts(chain) == [("exception_open", "0.00")]
    assert (chain.gap, chain.parts[0].ref) == (0, "EX-1")
    result = tie_out(
        [one(sold="0.00", exceptions=(case,))],
        [],
        [],
        cut_off=CUT_OFF,
        period=OCTOBER,
        base_currency="SEK",
    )
    assert [row.agrees for row in result.rows] == [False]
    [cause] = result.causes
    assert (cause.cause.value, cause.amount, cause.acts) == ("exception_open", 0, ("Finance",))
    assert result.explained


def test_deals_of_nothing_are_named_after_those_with_an_amount():
    case = OpenException(id="EX-1", code="no_lines")
    result = tie_out(
        [
            step(1, "Alvik Analys AB", "0.00", exceptions=(case,)),
            step(2, "Brännvik Logistik AB", "100.00", exceptions=(case,)),
        ],
        [],
        [],
        cut_off=CUT_OFF,
        period=OCTOBER,
        base_currency="SEK",
    )
    [cause] = result.causes
    assert (cause.amount, cause.deals) == (D("100.00"), ("D-2", "D-1"))


def test_a_deal_of_nothing_without_a_reason_agrees():
    assert walked(sold="0.00").parts == ()
    assert walked(sold="0.00", excluded_by="zero total").parts == ()
    written = walked(document("1", "100.00"), exceptions=(OpenException(id="EX-1", code="copy"),))
    assert written.parts == ()


def test_nothing_is_stopped_twice():
    case = OpenException(id="EX-1", code="item_no_code", amount=D("30.00"))
    assert parts(walked(approval=Approval(reason="limit"), exceptions=(case,))) == [
        ("waiting_for_approval", "100.00")
    ]
    large = replace(case, amount=D("130.00"))
    assert parts(walked(exceptions=(large,))) == [("exception_open", "100.00")]


def test_a_stop_holds_only_what_is_not_yet_written():
    chain = walked(draft("1", "60.00"), approval=Approval(reason="raised"))
    assert parts(chain) == [("waiting_for_approval", "40.00"), ("in_draft", "60.00")]


def test_a_reopened_deal_with_a_booked_invoice_stands_in_its_exception():
    case = OpenException(id="EX-3", code="reopened_after_booking")
    chain = walked(document("1", "100.00"), sold="0.00", exceptions=(case,))
    assert parts(chain) == [("exception_open", "-100.00")]


def test_lost_draft_voided_under_a_stop_shows_the_stop():
    void = draft("1", "100.00", cancellation=Cancellation(seen_on=CUT_OFF, by="us"))
    assert parts(walked(void, trigger_missing="reopened")) == [("trigger_not_yet_true", "100.00")]


def test_instalment_lowered_by_finance():
    lowered = document("1", "33000.00", version_is_ours=False, edit=EDIT)
    chain = walked(lowered, sold="33333.33")
    assert parts(chain) == [("edited_in_the_books", "333.33")]


def test_booked_after_the_cut_off_by_the_documents_own_date():
    assert parts(walked(document("1", "100.00", date(2026, 11, 1)))) == [
        ("booked_after_cut_off", "100.00")
    ]
    assert parts(walked(document("1", "100.00", CUT_OFF))) == []


def test_a_credit_of_november_leaves_october_as_it_was():
    booked = document("1", "100.00")
    late = credit("2", "100.00", "1", date(2026, 11, 4))
    assert parts(walked(booked, late)) == []
    november = walk(one(booked, late), date(2026, 11, 30), "SEK")
    assert parts(november) == [("credited", "100.00")]


def test_november_shows_the_credit_as_timing():
    result = tie_out(
        [one(document("1", "100.00"), credit("2", "100.00", "1", date(2026, 11, 4)))],
        [],
        [ledger_row("2", "100.00", "25.00", kind=DocumentKind.CREDIT_NOTE, day=date(2026, 11, 4))],
        cut_off=date(2026, 11, 30),
        period=Period.month(2026, 11),
        base_currency="SEK",
    )
    assert (result.sold, result.invoiced, result.ledger_net) == (0, 0, D("-100.00"))
    assert result.explained


def test_a_void_that_made_a_credit_note_is_credited():
    voided = document("1", "100.00", cancellation=Cancellation(seen_on=CUT_OFF))
    assert parts(walked(voided, credit("2", "100.00", "1"))) == [("credited", "100.00")]


def test_won_again_after_full_credit_counts_the_new_generation_only():
    old = (document("1", "100.00"), credit("2", "100.00", "1"))
    assert parts(walked(*old, draft("3", "100.00", generation=2))) == [("in_draft", "100.00")]
    assert parts(walked(*old, document("3", "100.00", generation=2))) == []
    assert parts(walked(*old, approval=Approval(reason="made anew"))) == [
        ("waiting_for_approval", "100.00")
    ]


def test_a_replacement_of_november_leaves_october_whole():
    november = date(2026, 11, 3)
    chain = walked(
        document("1", "100.00"),
        credit("2", "100.00", "1", november),
        document("3", "100.00", november, generation=2),
    )
    assert chain.gap == 0
    assert {p.cause for p in chain.parts} == {Cause.BOOKED_AFTER_CUT_OFF}


def test_a_second_live_document_is_unexplained():
    chain = walked(document("1", "100.00"), document("2", "100.00"))
    assert parts(chain) == [("unexplained", "-100.00")]
    assert chain.parts[0].evidence == "a second document: invoice 2"


def test_the_same_worth_in_another_currency_is_no_match():
    euro = document("1", "1000.00", currency="EUR", rate=D("11.0432"))
    chain = walked(euro, sold="11043.20")
    assert chain.gap == 0
    assert parts(chain) == [("unexplained", "11043.20"), ("unexplained", "-11043.20")]


def test_rate_and_rest_are_separate_parts():
    half = document("1", "6000.00", currency="EUR", rate=D("11.0432"), version_is_ours=False,
                    edit=EDIT)  # fmt: skip
    chain = walked(half, sold="12000.00", currency="EUR", rate=D("11.20"))
    assert parts(chain) == [("edited_in_the_books", "67200.00"), ("currency_rate", "940.80")]


def test_the_ledgers_own_base_amount_counts():
    euro = document("1", "10.00", currency="EUR", rate=D("11.0432"), base_net=D("110.44"))
    chain = walked(euro, sold="10.00", currency="EUR", rate=D("11.0432"))
    assert parts(chain) == [("currency_rate", "-0.01")]


def test_a_base_amount_that_does_not_fit_its_rate_is_unexplained():
    euro = document("1", "10.00", currency="EUR", rate=D("11.0432"), base_net=D("90.00"))
    chain = walked(euro, sold="10.00", currency="EUR", rate=D("11.20"))
    assert parts(chain) == [("unexplained", "20.43"), ("currency_rate", "1.57")]
    assert chain.parts[0].evidence == "invoice 1 does not fit its rate"


def test_a_lost_answer_whose_document_shows_the_amount_stops_nothing():
    lost = Unanswered(operation="OP-1", reason="answer lost")
    sent = draft("1", "100.00", written_net=D("90.00"))
    assert parts(walked(sent, unanswered=lost)) == [("in_draft", "100.00")]
    before = draft("1", "90.00", written_net=D("90.00"))
    assert parts(walked(before, unanswered=lost)) == [
        ("on_its_way", "10.00"),
        ("in_draft", "90.00"),
    ]


def test_a_draft_that_awaits_approval_in_the_books_says_so():
    chain = walked(draft("1", "100.00", status="awaiting_approval"))
    assert chain.parts[0].evidence == "draft 1, awaiting approval"


def test_a_person_accepts_so_much_and_no_more():
    word = Acceptance(name="Anna Lind", reason="price agreed", amount=D("60.00"))
    chain = walked(acceptance=word)
    assert parts(chain) == [("accepted", "60.00"), ("unexplained", "40.00")]
    assert chain.parts[0].evidence == "Anna Lind: price agreed"
    assert parts(walked(document("1", "130.00"), acceptance=word)) == [("unexplained", "-30.00")]


def test_unread_credit_drafts_do_not_count():
    waiting = draft("2", "40.00", credits="invoice:1")
    assert parts(walked(document("1", "100.00"), waiting)) == []


def test_the_amounts_of_a_replaced_price():
    exact = walked(
        document("1", "80000.00", written_net=D("80000.00")),
        sold="82000.00",
        exceptions=(OpenException(id="EX-34", code="changed_after_booking"),),
    )
    assert parts(exact) == [("exception_open", "2000.00")]
    dismissed = walked(
        document("1", "80000.00", written_net=D("80000.00")),
        sold="82000.00",
        acceptance=Acceptance(name="Anna Lind", reason="price agreed", amount=D("2000.00")),
    )
    assert parts(dismissed) == [("accepted", "2000.00")]


def test_a_credit_note_without_a_deal_counts_against_sales():
    lone = document("9", "500.00", kind=DocumentKind.CREDIT_NOTE, ref="credit:9")
    result = october(documents_without_deal=[lone], ledger=None)
    (row,) = result.without_deal
    assert (row.invoiced, row.gap) == (D("-500.00"), D("500.00"))


def test_documents_of_another_month_are_not_counted_twice():
    early = step(1, "A", "100.00", document("1", "100.00", date(2026, 9, 30)))
    result = tie_out([early], [], [], cut_off=CUT_OFF, period=OCTOBER, base_currency="SEK")
    assert result.invoiced == D("100.00")
    assert [(p.code, p.amount) for p in result.by_period] == [
        ("period_deals", D("100.00")),
        ("dated_before", D("-100.00")),
    ]
    assert result.ledger_net == 0
    assert result.explained


def test_a_cut_off_inside_the_period():
    late = step(1, "A", "100.00", document("1", "100.00", date(2026, 10, 30)))
    result = tie_out(
        [late],
        [],
        [ledger_row("1", "100.00", "25.00", day=date(2026, 10, 30))],
        cut_off=date(2026, 10, 29),
        period=OCTOBER,
        base_currency="SEK",
    )
    assert [(p.code, p.amount) for p in result.by_period][1:] == [("after_cut_off", D("100.00"))]
    assert result.explained
    assert result.ledger_net == D("100.00")


def test_holes_in_a_series_are_found():
    rows = [ledger_row(n, "1.00", "0.00") for n in ("7", "8", "11", "A-3")]
    rows.append(ledger_row("9", "1.00", "0.00", ref="x", series="B"))
    assert number_holes(rows) == (("A", 9, 10),)


def test_a_booked_document_needs_its_date():
    with pytest.raises(ValueError, match="needs its date"):
        document("1", "1.00", None)


def test_a_credit_note_counts_by_its_size_with_either_sign():
    values = {"ref": "c", "number": "1", "tax": D("0"), "day": CUT_OFF}
    for net in (D("5.00"), D("-5.00")):
        row = LedgerRow(net=net, gross=net, kind=DocumentKind.CREDIT_NOTE, **values)
        assert row.sign * row.net == D("-5.00")


def test_a_month_knows_its_days():
    assert Period.month(2026, 12).end == date(2026, 12, 31)
    assert Period.month(2028, 2).end == date(2028, 2, 29)
    with pytest.raises(ValueError, match="ends before"):
        Period(start=CUT_OFF, end=date(2026, 10, 1))


def test_a_cut_off_after_the_period_takes_what_was_booked_since():
    late = step(1, "A", "100.00", document("1", "100.00", date(2026, 11, 3)))
    result = tie_out([late], [], [], cut_off=date(2026, 11, 3), period=OCTOBER, base_currency="SEK")
    assert result.invoiced == D("100.00")
    assert [(p.code, p.amount) for p in result.by_period][1:] == [("dated_after", D("-100.00"))]
    assert result.explained


def test_a_period_holds_its_first_and_its_last_day():
    one_day = Period(start=CUT_OFF, end=CUT_OFF)
    assert CUT_OFF in one_day
    assert date(2026, 10, 30) not in one_day
    assert date(2026, 11, 1) not in one_day


def test_a_voided_document_in_another_currency_is_nothing():
    void = document(
        "1", "9.00", currency="EUR", rate=D("11.0"), cancellation=Cancellation(seen_on=CUT_OFF)
    )
    chain = walked(void)
    assert parts(chain) == [("unexplained", "100.00")]
    assert chain.parts[0].evidence == "no document, and no reason"
