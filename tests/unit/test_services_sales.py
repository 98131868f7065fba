"""Sums of sales side by side: per customer and currency, never across currencies."""

from __future__ import annotations

from decimal import Decimal

from tieout.services.sales import csv_text, report
from tieout.store.sales import SalesSum


def _sum(kind: str, customer: str, currency: str, net: str, *, linked: bool = True) -> SalesSum:
    return SalesSum(
        kind=kind,
        customer_id=customer,
        customer=customer.upper(),
        linked=linked,
        currency=currency,
        net=Decimal(net),
        count=1,
    )


def test_kinds_stand_side_by_side_and_currencies_apart() -> None:
    found = report(
        [
            _sum("invoiced", "a", "SEK", "100.00"),
            _sum("invoiced", "a", "SEK", "-25.00"),
            _sum("ongoing", "a", "SEK", "10.50"),
            _sum("open", "a", "EUR", "7.00"),
            _sum("invoiced", "b", "SEK", "300.00", linked=False),
        ]
    )
    assert [(row.customer, row.currency, row.invoiced, row.ongoing) for row in found.rows] == [
        ("A", "EUR", Decimal(0), Decimal(0)),
        ("B", "SEK", Decimal("300.00"), Decimal(0)),
        ("A", "SEK", Decimal("75.00"), Decimal("10.50")),
    ]
    totals = {row.currency: (row.invoiced, row.ongoing, row.open_deals) for row in found.totals}
    assert totals == {
        "EUR": (Decimal(0), Decimal(0), Decimal("7.00")),
        "SEK": (Decimal("375.00"), Decimal("10.50"), Decimal(0)),
    }


def test_a_customer_of_both_sides_with_one_id_is_two() -> None:
    found = report(
        [_sum("invoiced", "7", "SEK", "1"), _sum("invoiced", "7", "SEK", "2", linked=False)]
    )
    assert sorted((row.linked, row.invoiced) for row in found.rows) == [
        (False, Decimal(2)),
        (True, Decimal(1)),
    ]


def test_a_spreadsheet_takes_no_name_for_a_formula() -> None:
    name = SalesSum(
        kind="open",
        customer_id="1",
        customer="=1+1",
        linked=True,
        currency="SEK",
        net=Decimal("1.00"),
        count=1,
    )
    assert "\n'=1+1," in csv_text(report([name])).replace("\r", "")
