"""The customer ledger of Visma.net: its list, its balance, and the receivables, to the cent."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from contract.connector_contract import new_customer, new_document, run
from contract.test_visma_net_writes import lines, released
from support.visma_net_rig import VismaNetRig, number_of
from tieout.core.ageing import ItemKind
from tieout_sandbox.kit import ActionError


def test_the_ledger_lists_what_is_booked_in_these_days() -> None:
    async def story() -> None:
        rig = VismaNetRig()
        first = await released(rig, "006A")
        customer = await new_customer(rig, "C2")
        await new_document(rig, customer, "006B")  # a draft
        rig.act("credit", document=number_of(first))
        rig.clock.advance(10 * 86_400)
        second = await released(rig, "006C")
        november = [d async for part in rig.connector.ledger(
            date(2026, 11, 1), date(2026, 11, 30)) for d in part]  # fmt: skip
        assert {d.ref.id.partition(":")[0] for d in november if d.ref} == {"invoice", "note"}
        december = [d async for part in rig.connector.ledger(
            date(2026, 12, 1), date(2026, 12, 31)) for d in part]  # fmt: skip
        assert [d.ref for d in december] == [second]

    run(story())


def _invoices(rig: VismaNetRig) -> Any:
    async def story() -> None:
        refs = [await released(rig, f"006{n}", lines=lines("1000.00")) for n in range(6)]
        numbers = [number_of(ref) for ref in refs]
        rig.clock.advance(8 * 86_400)  # December
        rig.act("pay", document=numbers[0])
        rig.act("pay", document=numbers[1], amount="1500.00")  # 250.00 stays on account
        rig.act("credit", document=numbers[2], net="200.00")
        rig.act("write_off", document=numbers[3])
        rig.act("cash_discount", document=numbers[4], discount="25.00")
        paid = rig.act("pay", document=numbers[5])
        rig.act("void_payment", payment=paid["refNbr"])
        await released(rig, "006Z", lines=lines("400.00"))

    return story()


def test_the_receivables_roll_forward_to_the_ledgers_own_balance() -> None:
    async def story() -> None:
        rig = VismaNetRig()
        await _invoices(rig)
        december = (date(2026, 12, 1), date(2026, 12, 31))
        rolled = await rig.connector.subledger(*december)
        assert rolled is not None
        assert rolled.opening == 7500
        sums: dict[str, Decimal] = {}
        for posting in rolled.postings:
            sums[posting.kind] = sums.get(posting.kind, Decimal(0)) + posting.amount
        assert sums["invoice"] == 500
        assert sums["credit_note"] == -250
        assert sums["write_off"] == -1250
        assert sums["discount"] == -25
        assert sums["on_account"] == -250
        assert sums["money"] == -(1250 + 1250 + 1225)
        closing = sum((item.open for item in rolled.items), Decimal(0))
        assert rolled.opening + sum(sums.values(), Decimal(0)) == closing
        control = await rig.connector.control(date(2026, 12, 31))
        assert control is not None
        assert (control.balance, control.currency, control.account) == (closing, "NOK", "1500")
        kinds = {item.kind for item in rolled.items}
        assert kinds == {ItemKind.INVOICE, ItemKind.ON_ACCOUNT}
        before = await rig.connector.subledger(date(2026, 11, 1), date(2026, 11, 30))
        assert before is not None
        assert sum((item.open for item in before.items), Decimal(0)) == 7500
        november = await rig.connector.control(date(2026, 11, 30))
        assert november is not None
        assert november.balance == 7500

    run(story())


def test_the_balance_is_not_told_for_a_day_inside_a_period_that_is_over() -> None:
    async def story() -> None:
        rig = VismaNetRig()
        await released(rig)
        rig.clock.advance(40 * 86_400)
        assert await rig.connector.control(date(2026, 11, 25)) is None
        assert await rig.connector.control(date(2026, 11, 30)) is not None

    run(story())


def test_a_payment_at_another_rate_leaves_an_exchange_difference() -> None:
    async def story() -> None:
        rig = VismaNetRig(customer_class="2", zone_domestic="01")
        customer = await new_customer(rig, currency="EUR")
        _, _, outcome = await new_document(rig, customer, currency="EUR", lines=lines("100.00"))
        rig.book(outcome.ref)
        rig.act("pay", document=number_of(outcome.ref), rate="11.5000")
        rolled = await rig.connector.subledger(date(2026, 11, 1), date(2026, 11, 30))
        assert rolled is not None
        sums = {posting.kind: posting.amount for posting in rolled.postings}
        control = await rig.connector.control(date(2026, 11, 30))
        assert control is not None
        assert control.balance == 0
        assert rolled.items == ()
        assert sum(sums.values(), Decimal(0)) == 0
        assert sums["exchange"] == rolled.exchange_gain > 0

    run(story())


def _something(rig: VismaNetRig, chance: Random, customers: list[str]) -> None:
    """Somebody does something about the receivables."""
    invoices = [r["referenceNumber"] for r in rig.live("customerinvoice") if r["balance"]]
    payments = [r["refNbr"] for r in rig.live("customerpayment") if r["type"] == "Payment"]
    notes = [r["referenceNumber"] for r in rig.live("customercreditnote") if r["balance"]]
    cent = f"{chance.randint(1, 900)}.{chance.randint(10, 99)}"
    what = chance.choice(
        ("invoice", "invoice", "pay", "pay", "part", "credit", "loose", "account", "apply",
         "unapply", "void", "set_off", "refund", "discount", "write_off", "charge")
    )  # fmt: skip
    try:
        match what:
            case "invoice":
                rig.act("make_invoice", customer=chance.choice(customers), price=cent)
            case "pay":
                rig.act("pay", document=chance.choice(invoices))
            case "part":
                rig.act("pay", document=chance.choice(invoices), amount=cent)
            case "credit":
                rig.act("credit", document=chance.choice(invoices), net=cent)
            case "loose":
                rig.act("credit", document=chance.choice(invoices), net=cent, match=False)
            case "account":
                rig.act("pay_on_account", customer=chance.choice(customers), amount=cent)
            case "apply":
                rig.act("apply_payment", payment=chance.choice(payments),
                        document=chance.choice(invoices))  # fmt: skip
            case "unapply":
                rig.act("unapply_payment", payment=chance.choice(payments))
            case "void":
                rig.act("void_payment", payment=chance.choice(payments))
            case "set_off":
                rig.act("set_off", credit=chance.choice(notes), document=chance.choice(invoices))
            case "refund":
                source = {"credit": chance.choice(notes)} if notes else {
                    "payment": chance.choice(payments)
                }  # fmt: skip
                rig.act("refund", **source)
            case "discount":
                rig.act("cash_discount", document=chance.choice(invoices), discount="0.50")
            case "write_off":
                rig.act("write_off", document=chance.choice(invoices))
            case _:
                rig.act("overdue_charge", document=chance.choice(invoices))
    except (ActionError, IndexError):
        return  # there is none, or none in that state


@pytest.mark.parametrize("seed", range(10))
def test_whatever_happened_the_receivables_agree_with_the_ledger(seed: int) -> None:
    async def story() -> None:
        chance = Random(seed)
        rig = VismaNetRig(page_size=200)
        rig.assume("application_doc_type", chance.choice(("name", "code")))
        rig.assume("voided_payment", chance.choice(("VoidPayment", "Payment")))
        customers = [
            rig.customer_number(await new_customer(rig, f"C{n}", name=f"Kunde {n} AS"))
            for n in range(2)
        ]
        for _ in range(25):
            _something(rig, chance, customers)
        rig.clock.advance(10 * 86_400)  # December
        for _ in range(25):
            _something(rig, chance, customers)
        for first, last in (
            (date(2026, 11, 1), date(2026, 11, 30)),
            (date(2026, 12, 1), date(2026, 12, 31)),
        ):
            rolled = await rig.connector.subledger(first, last)
            control = await rig.connector.control(last)
            assert rolled is not None
            assert control is not None
            closing = sum((item.open for item in rolled.items), Decimal(0))
            assert closing == control.balance, (seed, last)
            moved = sum((posting.amount for posting in rolled.postings), Decimal(0))
            assert rolled.opening + moved == closing, (seed, last)
        # And one by one, as each document itself says it.
        told = {item.ref.partition(":")[2]: item.open for item in rolled.items}
        owed = {r["referenceNumber"]: r["balance"] for r in rig.live("customerinvoice")}
        kept = {
            r["refNbr"]: -r["availableBalance"]
            for r in rig.live("customerpayment")
            if r["type"] in ("Payment", "Prepayment")
        }
        kept |= {
            r["refNbr"]: r["availableBalance"]
            for r in rig.live("customerpayment")
            if r["type"] == "Refund"
        }
        notes = {r["referenceNumber"]: -r["balance"] for r in rig.live("customercreditnote")}
        assert told == {n: left for n, left in {**owed, **kept, **notes}.items() if left}, seed

    run(story())


@pytest.mark.parametrize("seed", range(6))
def test_in_another_currency_they_agree_but_for_a_cent_of_a_part(seed: int) -> None:
    """A payment does not tell its rate: the base of a part of it is reckoned by its size."""

    async def story() -> None:
        chance = Random(seed)
        rig = VismaNetRig(page_size=200)
        abroad = rig.act("make_customer", name="Kunde GmbH", country="DE",
                         set={"customerClassId": "2"}, address={"postalCode": "10115"})  # fmt: skip
        for _ in range(25):
            _something(rig, chance, [abroad["number"]])
        rolled = await rig.connector.subledger(date(2026, 11, 1), date(2026, 11, 30))
        control = await rig.connector.control(date(2026, 11, 30))
        assert rolled is not None
        assert control is not None
        closing = sum((item.open for item in rolled.items), Decimal(0))
        assert abs(closing - control.balance) <= Decimal("0.05"), seed
        moved = sum((posting.amount for posting in rolled.postings), Decimal(0))
        assert rolled.opening + moved == closing, seed

    run(story())
