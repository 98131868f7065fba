"""Another document on request (`--make-new`): steps, currencies, months; never two that live."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from support.october import CONFIGURATION, moment
from support.real_pair import RealPair
from tieout.core.ledger_list import Period
from tieout.core.tieout import TieOut
from tieout.services import making_anew, prove
from tieout.services.usage import UsedWronglyError

D = Decimal
OCTOBER, NOVEMBER = Period.month(2026, 10), Period.month(2026, 11)


@pytest.fixture
def pair(database_url: str) -> Iterator[RealPair]:
    text = CONFIGURATION.replace("approve_above: 100000", "approve_above: 1000000")
    with RealPair(database_url, text, start=moment(10, 5)) as made:
        yield made


def anew(pair: RealPair, step: int = 0) -> int:
    """How many places a person opened for another document; the next runs make them."""
    _, count = pair.do(making_anew.make_anew(pair.engine, pair.store, "D-1", step, who="Eva Lind"))
    pair.run()
    pair.run()
    return count


def refused(pair: RealPair, step: int = 0) -> None:
    with pytest.raises(UsedWronglyError):
        anew(pair, step)


def booked(pair: RealPair, part: int = 0) -> str:
    number = pair.book("D-1", part)
    pair.run()
    return number


def tied(pair: RealPair, period: Period = OCTOBER, *, until: Period | None = None) -> TieOut:
    result = pair.tie_out(period, (until or period).end).tie_out
    assert result.explained, result.unexplained_parts
    proof = pair.do(prove.prove(pair.engine, pair.store, None, []))
    assert (proof.holds, proof.orphans) == (True, [])
    return result


def causes(result: TieOut) -> dict[str, Decimal]:
    return {str(one.cause): one.amount for one in result.causes if one.amount}


@pytest.mark.parametrize("paid", [True, False], ids=["paid", "not paid"])
def test_one_instalment_is_made_anew_and_no_other(pair: RealPair, paid: bool) -> None:
    pair.deal("D-1", "Tallmo Skog AB", "9000.00", Order_Confirmed__c=True, Billing_Plan__c="3")
    pair.run()
    first, second = booked(pair, 1), booked(pair, 2)
    if paid:
        pair.in_books("pay", invoice=second, amount="3750.00")
    pair.in_books("credit", invoice=second)
    pair.run()
    refused(pair, 1)
    refused(pair, 3)
    assert anew(pair, 2) == 1
    refused(pair, 2)
    assert causes(tied(pair)) == {"in_draft": D("6000.00")}
    booked(pair, 2)
    assert causes(tied(pair)) == {"in_draft": D("3000.00")}
    # All of them: only what is dead by then.
    pair.in_books("credit", invoice=first)
    pair.run()
    assert anew(pair) == 1
    assert causes(tied(pair)) == {"in_draft": D("6000.00")}


def test_credited_and_made_anew_in_the_next_month(pair: RealPair) -> None:
    pair.deal("D-1", "Tallmo Skog AB", "10000.00", Order_Confirmed__c=True)
    pair.run()
    invoice = booked(pair)
    october = tied(pair)
    assert (october.sold, october.invoiced, causes(october)) == (D(10000), D(10000), {})
    pair.at(moment(11, 3))
    pair.in_books("pay", invoice=invoice, amount="12500.00")
    pair.in_books("credit", invoice=invoice)
    pair.run()
    # October as of its end is what it was; November has the amount against it.
    assert (tied(pair).invoiced, causes(tied(pair))) == (D(10000), {})
    assert tied(pair, NOVEMBER).ledger_net == D("-10000.00")
    assert anew(pair) == 1
    assert (tied(pair).sold, tied(pair).invoiced) == (D(10000), D(10000))
    assert causes(tied(pair, OCTOBER, until=NOVEMBER)) == {"in_draft": D(10000)}
    booked(pair)
    assert (tied(pair).sold, tied(pair).invoiced) == (D(10000), D(10000))
    assert causes(tied(pair, OCTOBER, until=NOVEMBER)) == {}
    assert tied(pair, NOVEMBER).ledger_net == D("0.00")


@pytest.mark.parametrize("own", [None, "11.2371"], ids=["the books' rate", "its own rate"])
def test_in_a_foreign_currency_the_first_month_stays(pair: RealPair, own: str | None) -> None:
    pair.account("Saimaan Telakka Oy", "FI")
    pair.in_books("set_exchange_rate", currency="EUR", rate="11.0437")
    more = {"Sales_Rate__c": own} if own else {}
    pair.deal("D-1", "Saimaan Telakka Oy", "1000.13", currency="EUR", Order_Confirmed__c=True,
              **more)  # fmt: skip
    pair.run()
    invoice = booked(pair)
    before = tied(pair)
    assert before.invoiced == D("11045.14")
    pair.at(moment(11, 3))
    pair.in_books("set_exchange_rate", currency="EUR", rate="11.80")
    pair.in_books("credit", invoice=invoice)
    pair.run()
    assert anew(pair) == 1
    for made in (False, True):
        if made:
            booked(pair)
        after = tied(pair)
        assert (after.sold, after.invoiced) == (before.sold, before.invoiced)
        # What came after October stands against its credit note, and both are named.
        found = causes(after)
        later = [found.pop(name, D(0)) for name in ("in_draft", "booked_after_cut_off")]
        assert (sum(later), found) == (D(0), causes(before))
        tied(pair, NOVEMBER)
        whole = tied(pair, OCTOBER, until=NOVEMBER)
        assert set(causes(whole)) <= ({"currency_rate"} if made else {"currency_rate", "in_draft"})


def test_asked_twice_and_booked_meanwhile_there_is_one(pair: RealPair) -> None:
    pair.deal("D-1", "Tallmo Skog AB", "10000.00", Order_Confirmed__c=True)
    pair.run()
    pair.in_books("credit", invoice=booked(pair))
    pair.run()
    ask = making_anew.make_anew
    assert pair.do(ask(pair.engine, pair.store, "D-1", 0, who="Eva Lind"))[1] == 1
    # Before the run: the place is open already, and nothing is opened a second time.
    with pytest.raises(UsedWronglyError):
        pair.do(ask(pair.engine, pair.store, "D-1", 0, who="Bo Berg"))
    pair.run()
    pair.run()
    assert len(pair.records("customerinvoicedrafts")) == 1
    tied(pair)
    # A deletion of the new draft is finance's word, as of any other.
    pair.in_books("delete_draft", draft=pair.draft_of("D-1"))
    pair.run()
    pair.run()
    assert pair.records("customerinvoicedrafts") == []
    assert [case.code for case in pair.cases()] == ["draft_deleted"]
    assert causes(tied(pair)) == {"cancelled": D(10000)}
