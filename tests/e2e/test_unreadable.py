"""Rows in a form that nobody knew: shown with their name, and nothing else is kept out by them."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from support.october import CONFIGURATION, moment
from support.real_pair import RealPair
from tieout.connectors.salesforce.translate import Translator
from tieout.connectors.visma_eaccounting import reading

BUYER = "Tallmo Skog AB"


@pytest.fixture
def pair(database_url: str) -> Iterator[RealPair]:
    with RealPair(database_url, CONFIGURATION, start=moment(10, 5)) as made:
        yield made


def deal(pair: RealPair, number: str, amount: str) -> None:
    pair.deal(number, BUYER, amount, Order_Confirmed__c=True)


def codes(pair: RealPair) -> list[str]:
    return [case.code for case in pair.cases()]


def nets(pair: RealPair) -> list[Decimal]:
    return sorted(row["TotalAmount"] for row in pair.records("customerinvoicedrafts"))


def a_day_later(pair: RealPair) -> None:
    """All ids and stamps are held against the mirror."""
    pair.clock.advance(30 * 3600)
    pair.run()


def test_an_opportunity(pair: RealPair, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = Translator._deal

    def broken(self: Translator, row: Any, shape: Any) -> Any:
        if row["Name"] and "D-1" in str(row.values()):
            raise ValueError("a currency of four letters")
        return usual(self, row, shape)

    deal(pair, "D-1", "1000.00")
    deal(pair, "D-2", "2000.00")
    with monkeypatch.context() as patched:
        patched.setattr(Translator, "_deal", broken)
        pair.run()
        assert (len(nets(pair)), codes(pair)) == (1, ["record_unreadable"])
        deal(pair, "D-3", "3000.00")
        a_day_later(pair)
        assert (len(nets(pair)), codes(pair)) == (2, ["record_unreadable"])
    # A newer Tieout reads it: at the latest when all ids are looked at.
    a_day_later(pair)
    assert (len(nets(pair)), codes(pair)) == (3, [])


def test_a_draft(pair: RealPair, monkeypatch: pytest.MonkeyPatch) -> None:
    deal(pair, "D-1", "1000.00")
    pair.run()
    pair.run()
    guid = pair.draft_of("D-1")
    usual = reading._MAKERS[reading.DRAFTS]

    def broken(row: Any, *rest: Any) -> Any:
        if row["Id"] == guid:
            raise KeyError("Rows")
        return usual(row, *rest)

    with monkeypatch.context() as patched:
        makers = {**reading._MAKERS, reading.DRAFTS: broken}
        patched.setattr(reading, "_MAKERS", makers)
        pair.in_books("edit_draft", draft=guid, set={"YourReference": "Ada"})
        pair.clock.advance(600)
        deal(pair, "D-2", "2000.00")
        pair.run()
        assert (len(nets(pair)), codes(pair)) == (2, ["record_unreadable"])
        a_day_later(pair)
        assert (len(nets(pair)), codes(pair)) == (2, ["record_unreadable"])
        # What would write over it is held.
        pair.price("D-1", "1100.00")
        pair.clock.advance(600)
        pair.run()
        assert codes(pair) == ["record_unreadable", "draft_edited"]
    pair.in_books("edit_draft", draft=guid, set={"YourReference": "Bo"})
    pair.clock.advance(600)
    pair.run()
    assert pair.draft_of("D-1") == guid
    assert "record_unreadable" not in codes(pair)
    assert len(nets(pair)) == 2
