"""
Whatever people do with money, in whatever order: every gap has its cause, the parts add up, and the
tie-out that is walked is the one that is added up in SQL.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from support.october import CONFIGURATION, FINNISH, moment
from support.real_pair import RealPair
from tieout.core.ledger_list import Period
from tieout.core.tieout import TieOut
from tieout.services import exceptions, making_anew, prove
from tieout.services.reconcile import Scale, reconcile
from tieout.services.usage import UsedWronglyError
from tieout_sandbox.kit import ActionError

D = Decimal
TEXT = CONFIGURATION.replace("approve_above: 100000", "approve_above: 10000000")
OCTOBER, NOVEMBER = Period.month(2026, 10), Period.month(2026, 11)
ASKED = ((OCTOBER, OCTOBER.end), (OCTOBER, NOVEMBER.end), (NOVEMBER, NOVEMBER.end))
SUMMED = Scale(steps=0, rows=0)
MOST_DEALS = 4


class People:
    """Sales and finance, who do one thing after the other to what there is."""

    def __init__(self, pair: RealPair, chance: Random) -> None:
        self.pair, self.chance = pair, chance
        self.done: list[str] = []
        pair.account(FINNISH, "FI")
        # A draft that nobody touches: without one a brake would take the books for emptied.
        pair.deal("D-0", "Alvik Analys AB", "10.00", Order_Confirmed__c=True)
        self.sell()
        self.sell()
        pair.run()
        self.acts: dict[str, Callable[[], Any]] = {
            "sell": self.sell,
            "price": lambda: pair.price(self.number(), self.amount()),
            "plan": lambda: pair.edit(self.number(), Billing_Plan__c=self.one([None, "2", "3"])),
            **{act: lambda act=act: pair.in_crm(act, id=pair.deals[self.number()])
               for act in ("reopen", "lose", "win")},
            "book": lambda: pair.in_books("book_draft", draft=self.draft()),
            "edit": lambda: pair.in_books(
                "edit_draft", draft=self.draft(), line=1, price=self.amount()
            ),
            "delete": lambda: pair.in_books("delete_draft", draft=self.draft()),
            "pay": lambda: self.on_invoice("pay", amount=self.amount()),
            "credit": lambda: self.on_invoice("credit"),
            "credit in part": lambda: self.on_invoice("credit", amount=self.amount()),
            "set off": lambda: self.on_invoice("set_off", credit=self.invoice(credit=True)),
            "refund": lambda: pair.in_books(
                "pay", invoice=self.invoice(credit=True), amount=self.amount()
            ),
            "write off": lambda: self.on_invoice("write_off"),
            "discount": lambda: self.on_invoice("cash_discount", amount="50.00"),
            "return": lambda: self.on_invoice("return_payment"),
            "void": lambda: self.on_invoice("void"),
            "rate": lambda: pair.in_books(
                "set_exchange_rate", currency="EUR", rate=str(D(chance.randrange(105, 120)) / 10)
            ),
            "make anew": lambda: pair.do(
                making_anew.make_anew(pair.engine, pair.store, self.number(), 0, who="Eva Lind")
            ),
            "dismiss": self.dismiss,
            "wait": lambda: pair.at(pair.clock.now() + timedelta(days=chance.randrange(1, 9))),
        }  # fmt: skip

    def act(self) -> None:
        """One thing that can be done; sooner or later something is sold."""
        often = ("book", "book", "pay", "credit", "credit in part", "make anew", "price")
        before = len(self.done)
        while len(self.done) == before:
            name = self.one([*self.acts, *often])
            with suppress(ActionError, UsedWronglyError, LookupError):
                self.acts[name]()
                self.done.append(name)

    def one(self, among: list[Any]) -> Any:
        return self.chance.choice(among)

    def amount(self) -> str:
        return str(D(self.chance.randrange(10_000, 500_000)) / 100)

    def number(self) -> str:
        return str(self.one([number for number in self.pair.deals if number != "D-0"]))

    def draft(self) -> str:
        kept = self.pair.draft_of("D-0")
        rows = self.pair.records("customerinvoicedrafts")
        return str(self.one([row["Id"] for row in rows if row["Id"] != kept]))

    def invoice(self, *, credit: bool = False) -> str:
        rows = self.pair.records("customerinvoices")
        return str(self.one([r["InvoiceNumber"] for r in rows if r["IsCreditInvoice"] == credit]))

    def on_invoice(self, action: str, **more: Any) -> None:
        self.pair.in_books(action, invoice=self.invoice(), **more)

    def sell(self) -> None:
        count = len(self.pair.deals)
        if count > MOST_DEALS:
            raise LookupError("enough was sold")
        abroad = self.chance.random() < 0.3
        more: dict[str, Any] = {"currency": "EUR"} if abroad else {}
        if abroad and self.chance.random() < 0.5:
            more["Sales_Rate__c"] = "11.2371"
        if self.chance.random() < 0.3:
            more["Billing_Plan__c"] = self.one(["2", "1/3, 1/3, rest 2026-11-15"])
        buyer = FINNISH if abroad else self.one(["Tallmo Skog AB", "Vattenbo Teknik AB"])
        self.pair.deal(f"D-{count}", buyer, self.amount(), Order_Confirmed__c=True, **more)

    def dismiss(self) -> None:
        case = self.one(self.pair.cases())
        said = {"who": "Maria Ek", "reason": "agreed", "now": self.pair.clock.now()}
        self.pair.do(exceptions.dismiss(self.pair.store, case, **said))


def summed(pair: RealPair, period: Period, cut_off: date) -> TieOut:
    """The tie-out with all that agrees added up in SQL."""
    books = pair.books_name
    done = reconcile(pair.store, pair.policy, pair.policy.book(books), pair.companies[books],
                     period=period, cut_off=cut_off, now=pair.clock.now(),
                     connector=pair.books_connector, scale=SUMMED)  # fmt: skip
    return pair.do(done).tie_out


def figures(result: TieOut) -> tuple[object, ...]:
    causes = [(one.cause, one.amount) for one in result.causes]
    lines = [(line.code, line.month, line.amount) for line in result.by_period]
    totals = (result.sold, result.invoiced, result.paid, result.ledger_net, result.deal_count)
    return *totals, causes, lines


def agreed(people: People) -> None:
    """Each month as of each day that is asked for, by both computations."""
    pair = people.pair
    for period, cut_off in ASKED:
        walked = pair.tie_out(period, cut_off).tie_out
        told = (str(period), cut_off, walked.unexplained_parts, people.done)
        assert walked.explained, told
        assert all(sum(p.amount for p in row.parts) == row.gap for row in walked.rows), told
        assert figures(summed(pair, period, cut_off)) == figures(walked), told


@pytest.mark.parametrize(
    "seed", [*range(1, 4), *(pytest.param(n, marks=pytest.mark.slow) for n in range(4, 44))]
)
def test_every_gap_has_its_cause(database_url: str, seed: int) -> None:
    chance = Random(seed)
    with RealPair(database_url, TEXT, start=moment(10, 5)) as pair:
        pair.in_books("set_exchange_rate", currency="EUR", rate="11.0437")
        linked = chance.random() < 0.5
        pair.in_books("set_assumption", name="set_off_links_documents", value=linked)
        people = People(pair, chance)
        for _ in range(25):
            people.act()
            if chance.random() < 0.6:
                pair.run()
                agreed(people)
        for _ in range(3):
            pair.run()
        agreed(people)
        proof = pair.do(prove.prove(pair.engine, pair.store, None, []))
        assert proof.several == [], people.done
