from __future__ import annotations

from decimal import Decimal

import pytest

from tieout.core.money import Money, apportion, distribute, line_net, minor_units, round_to


def d(*texts: str) -> list[Decimal]:
    return [Decimal(text) for text in texts]


@pytest.mark.parametrize(
    ("value", "places", "rounded"),
    [
        ("25.005", 2, "25.01"),
        ("-25.005", 2, "-25.01"),
        ("0.5", 0, "1"),
        ("-0.5", 0, "-1"),
        ("1.4999999999999999999999999999999999", 0, "1"),
        ("2940.285", 2, "2940.29"),
    ],
)
def test_rounding_is_half_away_from_zero(value: str, places: int, rounded: str) -> None:
    assert str(round_to(Decimal(value), places)) == rounded


@pytest.mark.parametrize(
    ("quantity", "price", "discount", "net"),
    [
        ("3", "1249.50", "0.1", "3373.65"),
        ("7.5", "1095.00", "0", "8212.50"),
        ("1", "199.99", "0.125", "174.99"),
        ("7.33", "1095.00", "0", "8026.35"),
        ("440", "18.25", "0", "8030.00"),
        ("1200", "0.0375", "0", "45.00"),
        ("37.25", "12.3456", "0", "459.87"),
        ("-1", "0.005", "0", "-0.01"),
    ],
)
def test_a_line_is_rounded_once(quantity: str, price: str, discount: str, net: str) -> None:
    assert str(line_net(Decimal(quantity), Decimal(price), Decimal(discount))) == net


def test_a_long_product_is_not_rounded_on_the_way() -> None:
    # 28 digits would make this 0.005, and then a cent.
    assert line_net(Decimal("1"), Decimal("0.00499999999999999999999999999999"), Decimal(0)) == 0
    assert str(line_net(Decimal("99999999999999999"), Decimal("99999999999.99"), Decimal(0))) == (
        "9999999999998999900000000000.01"
    )


@pytest.mark.parametrize(
    ("total", "weights", "parts"),
    [
        ("100.00", d("1000", "1000", "1000"), d("33.34", "33.33", "33.33")),
        ("500.00", d("3000", "1250", "749.99"), d("300.00", "125.00", "75.00")),
        ("100.00", d("1", "1"), d("50.00", "50.00")),
        ("0.01", d("1", "1", "1"), d("0.01", "0.00", "0.00")),
        ("-100.00", d("1", "1", "1"), d("-33.34", "-33.33", "-33.33")),
        ("10.00", d("0", "0"), d("10.00", "0.00")),
        ("38.00", d("30000", "18750"), d("23.38", "14.62")),
        ("5", d("0", "1"), d("0.00", "5.00")),
    ],
)
def test_a_total_is_split_by_largest_remainder(
    total: str, weights: list[Decimal], parts: list[Decimal]
) -> None:
    assert [str(part) for part in distribute(Decimal(total), weights)] == [
        str(part) for part in parts
    ]


def test_paid_revenue_over_two_lines() -> None:
    # revenue-cycle 9: 23,999.80 over recurring 30,000.00 and once 18,750.00.
    assert distribute(Decimal("23999.80"), d("30000", "18750")) == tuple(d("14769.11", "9230.69"))


@pytest.mark.parametrize(
    ("total", "weights"), [("1.00", []), ("1.00", d("1", "-1")), ("1.001", d("1"))]
)
def test_what_cannot_be_split_is_refused(total: str, weights: list[Decimal]) -> None:
    with pytest.raises(ValueError):
        distribute(Decimal(total), weights)


def test_a_negative_line_takes_a_negative_share() -> None:
    assert apportion(Decimal("400.00"), d("1000", "-200")) == tuple(d("500.00", "-100.00"))
    assert apportion(Decimal("10.00"), d("3", "-1", "1")) == tuple(d("10.00", "-3.33", "3.33"))
    assert apportion(Decimal("10.00"), d("1", "-1")) == tuple(d("10.00", "0.00"))
    with pytest.raises(ValueError):
        apportion(Decimal("1.00"), [])


def test_two_currencies_are_never_added() -> None:
    with pytest.raises(ValueError):
        Money(Decimal(1), "SEK") + Money(Decimal(1), "EUR")
    assert Money(Decimal("1024390.01"), "SEK") - Money(Decimal("1"), "SEK") == Money(
        Decimal("1024389.01"), "SEK"
    )
    assert str(-Money(Decimal("1024390.01"), "SEK")) == "SEK -1,024,390.01"


def test_a_float_or_a_word_is_no_money() -> None:
    with pytest.raises(TypeError):
        Money(1.0, "SEK")  # type: ignore[arg-type]
    with pytest.raises(ValueError):
        Money(Decimal(1), "kronor")


def test_minor_units() -> None:
    assert [minor_units(code) for code in ("SEK", "ISK", "KWD")] == [2, 0, 3]
    assert str(Money(Decimal("1234.5"), "ISK")) == "ISK 1,234"
