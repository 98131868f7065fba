"""Tryton's totals: half to even, VAT from unrounded products, groups by taxes and sign."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from tieout.connectors.tryton.predict import EndlessError, Priced, Tax, half_even, predict

D = Decimal
TAXES = {
    1: Tax(id=1, rate=D("0.25"), accounts=(73, 73)),
    2: Tax(id=2, rate=D("0.12"), accounts=(74, 74)),
    3: Tax(id=3, rate=D("0.06"), accounts=(75, 75), end=date(2026, 6, 30)),
    4: Tax(id=4, amount=D("1.10"), accounts=(76, 76)),
    5: Tax(id=5, rate=D("0.25"), accounts=(77, 77)),
    9: Tax(id=9, rate=D("0.25"), known=False),
}


def figures(
    *lines: Priced, by_line: bool = False, step: str = "0.01", day: date = date(2026, 11, 25)
) -> tuple[Decimal, Decimal, Decimal]:
    made = predict(lines, TAXES, currency="SEK", step=D(step), by_line=by_line, day=day)
    assert made is not None
    assert made.other is None
    totals = made.totals
    assert totals.gross == totals.net + totals.tax
    return totals.net, totals.tax, totals.gross


def line(price: str, quantity: str = "1", *taxes: int) -> Priced:
    return Priced(quantity=D(quantity), unit_price=D(price), taxes=taxes or (1,))


@pytest.mark.parametrize(
    ("lines", "of_document", "of_line"),
    [
        ([line("99.95", "3"), line("10.3333")], ("310.18", "77.55"), ("310.18", "77.54")),
        ([line("0.50"), line("0.50")], ("1.00", "0.25"), ("1.00", "0.24")),
        ([line("0.50")], ("0.50", "0.12"), ("0.50", "0.12")),
        # A discount line has a group of its own, which is rounded for itself.
        ([line("100.30"), line("10.10", "-1")], ("90.20", "22.56"), ("90.20", "22.56")),
        # What two taxes of a group are off by together is given back cent by cent.
        ([line("0.10", "1", 1, 2), line("0.10")], ("0.20", "0.06"), ("0.20", "0.06")),
        ([line("99.95", "-3"), line("10.3333", "-1")], ("-310.18", "-77.55"),
         ("-310.18", "-77.54")),
    ],
)  # fmt: skip
def test_worked_examples(
    lines: list[Priced], of_document: tuple[str, str], of_line: tuple[str, str]
) -> None:
    assert figures(*lines)[:2] == tuple(D(x) for x in of_document)
    assert figures(*lines, by_line=True)[:2] == tuple(D(x) for x in of_line)


def test_half_a_cent_goes_to_the_even_one() -> None:
    assert [str(half_even(D(x), D("0.01"))) for x in ("0.125", "0.135", "-0.125", "2.675")] == [
        "0.12",
        "0.14",
        "-0.12",
        "2.68",
    ]


def test_a_currency_may_have_another_smallest_step() -> None:
    assert figures(line("10.03"), step="0.05") == (D("10.05"), D("2.50"), D("12.55"))
    assert figures(line("10.30"), step="1") == (D("10"), D("3"), D("13"))


def test_a_tax_outside_its_dates_counts_as_nothing() -> None:
    assert figures(line("100.00", "1", 3))[1] == 0
    assert figures(line("100.00", "1", 3), day=date(2026, 6, 30))[1] == D("6.00")
    dated = Priced(quantity=D(1), unit_price=D(100), taxes=(3,), tax_day=date(2026, 1, 1))
    assert figures(dated)[1] == D("6.00")


def test_a_fixed_tax_goes_by_quantity() -> None:
    assert figures(line("100.00", "2.5", 4))[1] == D("2.75")


def test_a_tax_that_is_made_of_others_is_not_predicted() -> None:
    made = predict(
        [line("100.00", "1", 9)], TAXES, currency="SEK", step=D("0.01"), by_line=False,
        day=date(2026, 1, 1),
    )  # fmt: skip
    assert made is None


def test_what_tryton_would_reckon_for_ever_is_told() -> None:
    with pytest.raises(EndlessError):
        figures(line("0.02", "1", 1, 5))
    with pytest.raises(EndlessError):
        figures(line("0.02", "1", 1, 5), by_line=True)
