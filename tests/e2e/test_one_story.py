"""Whatever people do, in any order: the tie-out, the exceptions and the CRM tell one story."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from support.october import CONFIGURATION, STOCKHOLM, moment
from support.real_pair import RealPair
from tieout.core.ledger_list import Period
from tieout.core.tieout import Cause, DealRow, TieOut
from tieout.services import prove
from tieout_sandbox.kit import ActionError

D = Decimal
OCTOBER, NOVEMBER = Period.month(2026, 10), Period.month(2026, 11)
CONFIGURED = CONFIGURATION.replace("approve_above: 100000", "approve_above: 1000000")
PLANS = (None, "2", "1/2 2026-10-27, rest 2026-11-03")
# An exception that says what the chain shows by another name: a deletion that was seen.
SAID_ELSEWHERE = frozenset({"draft_deleted"})
CRM_ACTS = ("price", "price", "add", "win", "lose", "reopen", "delete", "plan", "close", "confirm")
BOOKS_ACTS = (
    *("book", "book", "book", "edit_draft", "delete_draft", "credit", "credit", "credit_part"),
    *("pay", "pay_part", "pay_too_much", "pay_out", "return_payment", "write_off", "discount"),
)


class World:
    """Random acts of sales and finance over both simulators; each deal has a buyer of its own."""

    def __init__(self, pair: RealPair, seed: int) -> None:
        self.pair = pair
        self.random = Random(seed)
        self.gone: set[str] = set()
        self.said: list[str] = []

    def play(self, rounds: int) -> None:
        for _ in range(5):
            self.deal()
        self.pair.run()
        for _ in range(rounds):
            for _ in range(self.random.choice((1, 2))):
                self.act()
            if self.random.random() < 0.3:
                self.pair.clock.advance(86_400)
            self.pair.run()
        self.pair.run()
        self.pair.run()

    def amount(self) -> str:
        return str(D(self.random.randint(100, 500_000)) / 100)

    def deal(self) -> None:
        number = f"D-{len(self.pair.deals) + 1}"
        self.pair.deal(
            number,
            f"Kund {number} AB",
            *(self.amount() for _ in range(self.random.choice((1, 2)))),
            close=self.today().isoformat(),
            Order_Confirmed__c=self.random.random() < 0.9,
            Billing_Plan__c=self.random.choice(PLANS),
        )
        self.said.append(f"create {number}")

    def today(self) -> date:
        return self.pair.clock.now().astimezone(STOCKHOLM).date()

    def act(self) -> None:
        number = self.random.choice(sorted(set(self.pair.deals) - self.gone))
        what = self.random.choice((*CRM_ACTS, *BOOKS_ACTS, *BOOKS_ACTS))
        try:
            if what in CRM_ACTS:
                self.in_crm(what, number)
            else:
                self.in_books(what, number)
        except ActionError:
            # What a system refuses did not happen: a payment that is not there is not returned.
            what = f"({what})"
        self.said.append(f"{what} {number}")

    def in_crm(self, what: str, number: str) -> None:
        pair, source = self.pair, self.pair.deals[number]
        match what:
            case "price":
                pair.price(number, self.amount())
            case "add":
                line = {"product": "CONS", "quantity": "1", "unit_price": self.amount()}
                pair.in_crm("edit_lines", id=source, add=[line])
            case "plan":
                pair.edit(number, Billing_Plan__c=self.random.choice(PLANS))
            case "close":
                pair.edit(number, CloseDate=self.random.choice(("2026-10-31", "2026-11-02")))
            case "confirm":
                pair.edit(number, Order_Confirmed__c=True)
            case "delete":
                pair.in_crm("delete_opportunity", id=source)
                self.gone.add(number)
            case _:
                pair.in_crm(what, id=source)

    def in_books(self, what: str, number: str) -> None:
        books = self.pair.in_books
        drafts = [str(row["Id"]) for row in self.drafts(number)]
        if what in ("book", "edit_draft", "delete_draft"):
            if not drafts:
                return
            draft = self.random.choice(drafts)
            if what == "edit_draft":
                books("edit_draft", draft=draft, line=1, price=self.amount())
            else:
                books({"book": "book_draft"}.get(what, what), draft=draft)
            return
        credit = what == "pay_out"
        found = [row for row in self.documents(number) if bool(row["IsCreditInvoice"]) == credit]
        if not found:
            return
        chosen = self.random.choice(found)
        invoice, left = str(chosen["InvoiceNumber"]), abs(D(chosen["RemainingAmount"]))
        match what:
            case "credit_part":
                books("credit", invoice=invoice, amount=str(D(chosen["TotalAmount"]) / 4))
            case "pay_part":
                books("pay", invoice=invoice, amount=str(left / 2))
            case "pay_too_much":
                books("pay", invoice=invoice, amount=str(left + 100))
            case "pay" | "pay_out":
                books("pay", invoice=invoice, amount=str(left))
            case "discount":
                books("cash_discount", invoice=invoice, amount="12.50")
            case _:
                books(what, invoice=invoice)

    # --- what the simulators have ----------------------------------------------------------------

    def drafts(self, number: str) -> list[dict[str, Any]]:
        return self._of(number, "customerinvoicedrafts")

    def documents(self, number: str) -> list[dict[str, Any]]:
        return self._of(number, "customerinvoices")

    def _of(self, number: str, entity: str) -> list[dict[str, Any]]:
        rows = self.pair.records(entity)
        return [row for row in rows if row["CustomerName"] == f"Kund {number} AB"]

    def drafted(self, number: str) -> Decimal:
        rows = [row for draft in self.drafts(number) for row in draft["Rows"]]
        return sum((D(r["Quantity"]) * D(r["UnitPrice"]) for r in rows), D(0))

    def sold(self, number: str) -> tuple[Decimal, date] | None:
        """What a won deal comes to, and its close date; None for any other."""
        source = self.pair.deals[number]
        rows = [r for r in self.pair.crm_records("Opportunity") if r["Id"] == source]
        if not rows or not rows[0]["IsWon"]:
            return None
        lines = self.pair.crm_records("OpportunityLineItem")
        total = sum((D(li["TotalPrice"]) for li in lines if li["OpportunityId"] == source), D(0))
        return total, date.fromisoformat(str(rows[0]["CloseDate"]))


def day(row: dict[str, Any]) -> date:
    return date.fromisoformat(str(row["InvoiceDate"]))


def net(row: dict[str, Any]) -> Decimal:
    """The net of a booked document; that of a credit note counts against."""
    figures = [D(row[n]) for n in ("TotalAmount", "TotalVatAmount", "TotalRoundings")]
    total, vat, rounding = figures
    size = abs(total) - abs(vat)
    turned = rounding if total > 0 else -rounding
    return -(size - turned) if row["IsCreditInvoice"] else total - vat - rounding


def total(rows: Iterable[dict[str, Any]]) -> Decimal:
    return sum((net(row) for row in rows), D(0))


def held(row: DealRow, cause: Cause) -> Decimal:
    return sum((part.amount for part in row.parts if part.cause is cause), D(0))


def month_agrees(world: World, period: Period) -> None:
    """A month's tie-out against what the simulators have, and against the open exceptions."""
    done = world.pair.tie_out(period, receivables=True)
    result, rolled = done.tie_out, done.report.receivables
    assert result.explained, (result.unexplained_parts, world.said)
    assert rolled is not None
    assert rolled.agrees, world.said
    everything = world.pair.records("customerinvoices")
    assert result.ledger_net == total(row for row in everything if day(row) in period)
    rows = {row.ref: row for row in result.deals}
    for number, source in world.pair.deals.items():
        sold, row = world.sold(number), rows.get(source)
        if sold is not None and sold[1] in period:
            assert row is not None, number
            assert row.sold == sold[0], (number, world.said)
        elif row is not None:
            assert row.sold == 0, (number, world.said)
        if row is not None:
            deal_agrees(world, number, row, result, won=sold is not None)


def deal_agrees(world: World, number: str, row: DealRow, result: TieOut, *, won: bool) -> None:
    """A deal's parts: each with what it stands for, and together the gap."""
    told = (number, row.parts, world.said)
    documents = world.documents(number)
    assert row.invoiced == total(d for d in documents if day(d) <= result.cut_off), told
    assert row.gap == sum((part.amount for part in row.parts), D(0)), told
    late = [d for d in documents if day(d) > result.cut_off]
    assert not held(row, Cause.BOOKED_AFTER_CUT_OFF) or late, told
    if won:
        # Of a deal that is not won a draft that finance edited stays, under an exception.
        assert held(row, Cause.IN_DRAFT) == world.drafted(number), told
    open_cases = {c.name: c.code for c in world.pair.cases() if c.source_id == row.ref}
    named = {part.ref for part in row.parts if part.cause is Cause.EXCEPTION_OPEN}
    assert named <= set(open_cases), (told, open_cases)
    if set(open_cases.values()) - SAID_ELSEWHERE:
        assert named, (told, open_cases)


def crm_agrees(world: World) -> None:
    """What each deal's row in the CRM shows against the documents of its buyer."""
    money: dict[str, Decimal] = defaultdict(Decimal)
    for payment in world.pair.books.books.payments.records.values():
        if payment["Kind"] == "payment" and not payment.get("_returned"):
            money[payment["InvoiceId"]] += payment["Amount"]
    for number in sorted(set(world.pair.deals) - world.gone):
        shown, documents = world.pair.shown(number), world.documents(number)
        told = (number, shown, world.said)
        assert (shown["status"] == "draft") == bool(world.drafts(number)), told
        if shown["number"] is None:
            continue
        paid = (money[d["Id"]] * (-1 if d["IsCreditInvoice"] else 1) for d in documents)
        assert shown["net"] == total(documents), told
        assert shown["open"] == sum((D(d["RemainingAmount"]) for d in documents), D(0)), told
        assert shown["paid"] == sum(paid, D(0)), told


@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5, 6])
def test_one_story(database_url: str, seed: int) -> None:
    with RealPair(database_url, CONFIGURED, start=moment(10, 27)) as pair:
        world = World(pair, seed)
        world.play(14)
        for period in (OCTOBER, NOVEMBER):
            month_agrees(world, period)
        crm_agrees(world)
        proof = pair.do(prove.prove(pair.engine, pair.store, None, []))
        assert proof.holds, (proof.several, proof.none_without, world.said)
