"""The chain of a deal whose document is a sales order: ordered, invoiced, never both."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from tieout_october import CUT_OFF, OCTOBER, credit, document, ledger_row, step

from tieout.core.chain import walk
from tieout.core.figures import Cancellation, Chain, DocumentEvidence, OpenException, StepFigures
from tieout.core.model import DocumentKind
from tieout.core.tieout import tie_out

D = Decimal
ORDER = DocumentKind.ORDER
DRAFT = DocumentKind.DRAFT


def order(net: str = "1000.00", number: str = "12", **more) -> DocumentEvidence:
    return document(f"SO-{number}", net, None, ref=f"order:{number}", kind=ORDER, **more)


def invoice(number: str, net: str, day: date = date(2026, 10, 20), **more) -> DocumentEvidence:
    return document(number, net, day, order="order:12", **more)


def figures(*documents: DocumentEvidence, sold: str = "1000.00", **more) -> StepFigures:
    return step(1, "Alvik Analys AB", sold, *documents, **more)


def walked(*documents: DocumentEvidence, sold: str = "1000.00", **more) -> Chain:
    return walk(figures(*documents, sold=sold, **more), CUT_OFF, "SEK")


def parts(chain: Chain) -> list[tuple[str, str]]:
    return [(p.cause.value, str(p.amount)) for p in chain.parts]


@pytest.mark.parametrize(
    ("documents", "invoiced", "causes"),
    [
        ([order()], "0.00", [("ordered", "1000.00")]),
        ([order(), invoice("1", "600.00")], "600.00", [("ordered", "400.00")]),
        ([order(closed=True), invoice("1", "1000.00")], "1000.00", []),
        (
            [order(closed=True), invoice("1", "600.00"), invoice("2", "400.00")],
            "1000.00",
            [],
        ),
        (
            [order(closed=True), invoice("1", "900.00")],
            "900.00",
            [("edited_in_the_books", "100.00")],
        ),
        (
            [order(), invoice("1", "1100.00")],
            "1100.00",
            [("edited_in_the_books", "-100.00")],
        ),
        (
            [order(), document("9", "600.00", None, ref="draft:9", kind=DRAFT, order="order:12")],
            "0.00",
            [("ordered", "400.00"), ("in_draft", "600.00")],
        ),
        (
            [order(closed=True), invoice("1", "1000.00", date(2026, 11, 2))],
            "0.00",
            [("booked_after_cut_off", "1000.00")],
        ),
        (
            [order(closed=True), invoice("1", "1000.00"), credit("2", "250.00", of="1")],
            "750.00",
            [("credited", "250.00")],
        ),
        (
            [
                order(closed=True),
                invoice("1", "1000.00"),
                credit("2", "1000.00", of="1"),
                invoice("3", "1000.00"),
            ],
            "1000.00",
            [],
        ),
        (
            [order(cancellation=Cancellation(seen_on=CUT_OFF, how="cancelled"))],
            "0.00",
            [("cancelled", "1000.00")],
        ),
        (
            [
                order(cancellation=Cancellation(seen_on=CUT_OFF, how="cancelled")),
                invoice("1", "600.00"),
            ],
            "600.00",
            [("cancelled", "400.00")],
        ),
        ([order(present=False)], "0.00", [("unexplained", "1000.00")]),
    ],
)
def test_the_parts_of_an_order(
    documents: list[DocumentEvidence], invoiced: str, causes: list[tuple[str, str]]
) -> None:
    chain = walked(*documents)
    assert chain.invoiced == D(invoiced)
    assert parts(chain) == causes


def test_a_deal_that_rose_after_its_order_waits_for_a_person() -> None:
    held = OpenException(id="EX-1", code="changed_after_booking", owner="Finance")
    chain = walked(order(closed=True), invoice("1", "1000.00"), sold="1200.00", exceptions=(held,))
    assert parts(chain) == [("exception_open", "200.00")]


def test_an_order_of_an_earlier_generation_counts_what_was_invoiced_of_it() -> None:
    old = order("1000.00", "12", closed=True, generation=1)
    new = order("1000.00", "13", generation=2)
    chain = walked(
        old, replace(invoice("1", "1000.00"), generation=1), credit("2", "1000.00", of="1"), new
    )
    assert chain.invoiced == 0
    assert parts(chain)[-1] == ("ordered", "1000.00")


def test_the_ledgers_list_holds_the_invoices_and_no_order() -> None:
    result = tie_out(
        [figures(order(), invoice("1", "600.00"))],
        [],
        [ledger_row("1", "600.00", "150.00")],
        cut_off=CUT_OFF,
        period=OCTOBER,
        base_currency="SEK",
    )
    assert result.explained
    assert (result.sold, result.invoiced, result.gap) == (D("1000.00"), D("600.00"), D("400.00"))


def test_a_credit_note_that_names_the_order_alone_is_held_against_its_invoice() -> None:
    closed = order(closed=True)
    gone = replace(credit("9", "1000.00", of=""), credits="order:12")
    again = order(number="13", generation=2)
    chain = walked(closed, invoice("1", "1000.00"), gone, again)
    assert parts(chain) == [("ordered", "1000.00")]


def test_what_is_left_of_an_order_after_credit_notes_is_what_its_exception_holds() -> None:
    held = OpenException(id="EX-1", code="changed_after_booking", shown=True, standing=True)
    lowered = replace(credit("9", "200.00", of=""), credits="order:12")
    for closed in (True, False):
        chain = walked(order(closed=closed), invoice("1", "1000.00"), lowered, sold="900.00",
                       exceptions=(held,))  # fmt: skip
        assert parts(chain) == [
            ("exception_open", "100.00"), ("credited", "-200.00"), ("credited", "200.00")
        ]  # fmt: skip
    # What is still to come of an open order is ordered, and no part of the exception.
    chain = walked(order(), invoice("1", "600.00"), lowered, sold="900.00", exceptions=(held,))
    assert parts(chain)[:3] == [
        ("exception_open", "100.00"), ("credited", "-200.00"), ("ordered", "400.00")
    ]  # fmt: skip
