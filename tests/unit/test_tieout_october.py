"""The worked month-end of October 2026 comes out to the cent."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from tieout_october import (
    CUT_OFF,
    document,
    october,
    october_ledger,
    october_receivables,
    october_steps,
    open_items,
)

from tieout.core.ageing import ageing
from tieout.core.receivables import Bank
from tieout.core.tieout import Cause, Group, RowKind

D = Decimal

CAUSES = {
    Cause.EXCLUDED_BY_RULE: ("15000.00", ["D-103"]),
    Cause.TRIGGER_NOT_YET_TRUE: ("64000.00", ["D-104"]),
    Cause.REMAINING_INSTALMENTS: ("33333.34", ["D-110"]),
    Cause.WAITING_FOR_APPROVAL: ("210000.00", ["D-105"]),
    Cause.EXCEPTION_OPEN: ("11640.00", ["D-106", "D-116"]),
    Cause.ON_ITS_WAY: ("18000.00", ["D-107"]),
    Cause.ROUNDING: ("-0.01", ["D-114"]),
    Cause.EDITED_IN_THE_BOOKS: ("2200.00", ["D-111", "D-117"]),
    Cause.CANCELLED: ("8900.00", ["D-112"]),
    Cause.IN_DRAFT: ("66500.00", ["D-108", "D-117"]),
    Cause.BOOKED_AFTER_CUT_OFF: ("25000.00", ["D-109"]),
    Cause.CREDITED: ("16500.00", ["D-113", "D-117"]),
    Cause.CURRENCY_RATE: ("1881.60", ["D-115"]),
    Cause.INVOICED_WITHOUT_DEAL: ("-6300.00", []),
}

ROWS = {
    "D-101": ("120000.00", "120000.00"),
    "D-102": ("48750.00", "48750.00"),
    "D-103": ("15000.00", "0.00"),
    "D-104": ("64000.00", "0.00"),
    "D-105": ("210000.00", "0.00"),
    "D-106": ("9640.00", "0.00"),
    "D-107": ("18000.00", "0.00"),
    "D-108": ("37500.00", "0.00"),
    "D-109": ("25000.00", "0.00"),
    "D-110": ("100000.00", "66666.66"),
    "D-111": ("27200.00", "26000.00"),
    "D-112": ("8900.00", "0.00"),
    "D-113": ("54000.00", "40500.00"),
    "D-114": ("10000.01", "10000.02"),
    "D-115": ("134400.00", "132518.40"),
    "D-116": ("82000.00", "80000.00"),
    "D-117": ("60000.00", "27000.00"),
}


def test_totals_to_the_cent():
    result = october()
    assert result.sold == D("1024390.01")
    assert result.invoiced == D("557735.08")
    assert result.gap == D("466654.93")
    assert result.unexplained == 0
    assert result.explained
    assert not result.alerts


def test_every_deal_has_its_row():
    rows = october().deals
    assert {r.number: (str(r.sold), str(r.invoiced)) for r in rows} == ROWS
    assert [r.number for r in rows] == list(ROWS)


def test_causes_in_the_order_of_the_chain():
    causes = october().causes
    assert [(c.cause, str(c.amount), list(c.deals)) for c in causes] == [
        (cause, amount, deals) for cause, (amount, deals) in CAUSES.items()
    ]


def test_a_deal_of_two_steps_has_three_parts():
    row = next(r for r in october().deals if r.number == "D-117")
    assert row.steps == 2
    assert [(p.cause, str(p.amount)) for p in row.parts] == [
        (Cause.EDITED_IN_THE_BOOKS, "1000.00"),
        (Cause.IN_DRAFT, "29000.00"),
        (Cause.CREDITED, "3000.00"),
    ]


def test_groups():
    result = october()
    assert result.group_total(Group.STILL_TO_BE_INVOICED) == D("428473.34")
    assert result.group_total(Group.WILL_NOT_BE_INVOICED) == D("42600.00")
    assert result.group_total(Group.RATE_ROUNDING_NO_DEAL) == D("-4418.41")
    assert [c.cause for c in result.in_group(Group.STILL_TO_BE_INVOICED)] == [
        Cause.WAITING_FOR_APPROVAL,
        Cause.IN_DRAFT,
        Cause.TRIGGER_NOT_YET_TRUE,
        Cause.REMAINING_INSTALMENTS,
        Cause.BOOKED_AFTER_CUT_OFF,
        Cause.ON_ITS_WAY,
        Cause.EXCEPTION_OPEN,
    ]


def test_by_period():
    result = october()
    assert [(p.code, p.month, str(p.amount)) for p in result.by_period] == [
        ("period_deals", None, "557735.08"),
        ("invoices", date(2026, 9, 1), "22000.00"),
        ("credits", date(2026, 9, 1), "-4000.00"),
    ]
    assert result.ledger_net == D("575735.08")
    assert result.sales_less_documents == D("448654.93")
    assert result.gap - result.sales_less_documents == D("18000.00")


def test_net_to_gross():
    sums = october().net_to_gross
    assert (sums.net, sums.tax, sums.rounding, sums.gross) == (
        D("575735.08"),
        D("110804.17"),
        D("1.15"),
        D("686540.40"),
    )
    assert sums.rest == 0
    assert sums.unbalanced == ()


def test_receivables_to_the_control_account():
    rolled = october_receivables()
    assert rolled.rolled_forward == D("378165.00")
    assert rolled.open_items == D("378165.00")
    assert rolled.control_difference == D("2400.00")
    assert rolled.bank_rest == 0
    assert rolled.agrees


@pytest.mark.parametrize(
    ("changed", "unexplained"),
    [
        ({"vouchers": ()}, "2400.00"),
        ({"open_items": D("378164.00"), "control": D("380564.00")}, "1.00"),
        ({"control": None}, "0.00"),
        ({"bank": None}, "0.00"),
        ({"bank": Bank(received=D("427700.16"))}, "515.10"),
        ({"opening": D("131251.00")}, "1.00"),
    ],
)
def test_what_has_no_name_in_the_receivables_is_unexplained(changed, unexplained):
    rolled = october_receivables(**changed)
    assert rolled.unexplained == D(unexplained)
    assert rolled.agrees is (D(unexplained) == 0)


def test_ageing():
    aged = ageing(open_items(), CUT_OFF, "SEK")
    assert [str(amount) for _, amount in aged.buckets] == [
        "304855.00",
        "31250.00",
        "42500.00",
        "0.00",
        "0.00",
    ]
    assert (aged.fees, aged.credits, aged.on_account) == (D("60.00"), D("0.00"), D("-500.00"))
    assert aged.total == D("378165.00")


def test_a_document_of_the_ledger_that_we_do_not_have_is_unexplained_and_named():
    missing = october_ledger()
    extra = missing[0].__class__(
        ref="invoice:1060",
        number="1060",
        net=D("1250.00"),
        tax=D("312.50"),
        gross=D("1562.50"),
        day=date(2026, 10, 30),
        customer="Sjöholm Bygg AB",
    )
    result = october(ledger=[*missing, extra])
    assert not result.explained
    assert result.unexplained == D("1250.00")
    assert result.gap == D("466654.93") - D("1250.00")
    assert result.ledger_net == D("576985.08")
    (part,) = result.unexplained_parts
    assert part.evidence == "invoice 1060, Sjöholm Bygg AB, is in the ledger's list, not in ours"
    assert [r.kind for r in result.rows[-2:]] == [RowKind.NO_DEAL, RowKind.LEDGER]


def test_a_surplus_does_not_hide_a_shortfall():
    ledger = [r for r in october_ledger() if r.number not in ("1049", "1048")]
    result = october(ledger=ledger, documents_without_deal=[])
    swapped = [document("1061", "22000.00", customer="X AB")]
    both = october(ledger=[*ledger], documents_without_deal=swapped)
    assert result.unexplained == D("22000.00")
    assert both.unexplained == D("44000.00")


def test_another_amount_in_the_ledger_is_unexplained():
    ledger = [
        r.__class__(
            ref=r.ref,
            number=r.number,
            net=r.net + (1 if r.number == "1038" else 0),
            tax=r.tax,
            gross=r.gross,
            rounding=r.rounding,
            day=r.day,
            kind=r.kind,
        )
        for r in october_ledger()
    ]
    result = october(ledger=ledger)
    assert result.unexplained == D("1.00")
    assert result.differences[0].text == "is 120,001.00 in the ledger's list, 120,000.00 in ours"
    assert result.net_to_gross.unbalanced == ("1038",)


def test_without_the_ledgers_list_nothing_counts_as_explained():
    result = october(ledger=None)
    assert result.unexplained == 0
    assert not result.explained
    assert result.alerts


def test_the_threshold_decides_the_alert_and_never_the_figures():
    ledger = [r for r in october_ledger() if r.number != "1049"]
    quiet = october(ledger=ledger, alert_above=D("6300.00"))
    assert quiet.unexplained == D("6300.00")
    assert not quiet.explained
    assert not quiet.alerts
    assert october(ledger=ledger, alert_above=D("6299.99")).alerts


def test_a_step_given_twice_is_refused():
    steps = october_steps()
    with pytest.raises(ValueError, match="step given twice: deal:101 1"):
        october(steps=[*steps, steps[0]])
