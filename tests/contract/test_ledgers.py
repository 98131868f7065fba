"""The ledger's own list, the control account and the receivables, of each side."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import date
from decimal import Decimal

import pytest

from support.inprocess_salesforce import rig as salesforce_rig
from support.visma_rig import VismaRig
from tieout.core.ageing import ItemKind
from tieout.core.model import Document
from tieout.ports import Connector

D = Decimal
FIRST, LAST = date(2026, 11, 1), date(2026, 11, 30)


async def listed(connector: Connector, first: date = FIRST, last: date = LAST) -> list[Document]:
    pages: list[Sequence[Document]] = [page async for page in connector.ledger(first, last)]
    return [document for page in pages for document in page]


@pytest.fixture
def rig() -> VismaRig:
    return VismaRig()


def invoice(rig: VismaRig, amount: str, day: str, **more: object) -> str:
    customer = rig.live("customers") or [rig.act("create_customer", set={"Name": "Nordhavn AB"})]
    made = rig.act("create_invoice", customer=customer[0]["Id"], amount=amount, date=day, **more)
    return str(made["InvoiceNumber"])


@pytest.mark.parametrize("filters", [True, False])
def test_the_list_holds_what_is_dated_in_the_days(rig: VismaRig, filters: bool) -> None:
    if not filters:
        known = rig.act("set_assumption")["filterable"]
        rig.assume("filterable", {**known, "customerinvoices": ["Id"], "vouchers": ["Id"]})
    for amount, day in (("100.00", "2026-10-31"), ("200.00", "2026-11-01"),
                        ("300.00", "2026-11-24"), ("400.00", "2026-12-01")):  # fmt: skip
        invoice(rig, amount, day)
    found = asyncio.run(listed(rig.connector))
    assert sorted(d.totals.net for d in found if d.totals) == [D("200.00"), D("300.00")]


def test_what_closed_an_invoice_is_told_by_its_vouchers(rig: VismaRig) -> None:
    numbers = [invoice(rig, "1000.10", "2026-11-02") for _ in range(4)]
    rig.act("pay", invoice=numbers[0], amount="1249.66", kind=3)
    rig.act("write_off", invoice=numbers[1])
    rig.act("pay", invoice=numbers[2], amount="1000.00")
    rig.act("cash_discount", invoice=numbers[2], amount="250.00")
    rig.act("pay", invoice=numbers[3], amount="1250.00", fee="15.00")

    async def story() -> dict[str, Document]:
        from contract.connector_contract import pages, records
        from tieout.core.model import Entity
        from tieout.ports import Selection

        read = records(await pages(rig, Selection(entity=Entity.DOCUMENT)))
        return {r.number: r for r in read.values() if isinstance(r, Document)}

    found = asyncio.run(story())
    told = [
        (d.paid, d.written_off or 0, d.discounted or 0, d.small_difference or 0)
        for number in numbers
        for d in (found[number],)
    ]
    assert told == [
        (D("1249.66"), 0, 0, D("0.34")),
        (0, D("1250.00"), 0, 0),
        (D("1000.00"), 0, D("250.00"), 0),
        (D("1250.00"), 0, 0, 0),
    ]


def test_a_reminder_fee_is_no_sale(rig: VismaRig) -> None:
    rig.act("reminder_fee", invoice=invoice(rig, "100.00", "2026-11-02"), date="2026-11-20")
    found = asyncio.run(listed(rig.connector))
    assert [(d.sale, d.totals.gross) for d in found if d.totals] == [
        (True, D("125.00")),
        (False, D("60.00")),
    ]


def test_the_receivables_of_a_month_go_forward_to_the_account(rig: VismaRig) -> None:
    old = invoice(rig, "400.00", "2026-10-05")
    new = invoice(rig, "800.00", "2026-11-03")
    rig.act("pay", invoice=old, amount="200.00", date="2026-11-10")
    rig.act("credit", invoice=new, amount="250.00", date="2026-11-12")
    rig.act("pay", invoice=new, amount="760.00", date="2026-11-20")
    rig.act("manual_voucher_1510", amount="70.00", date="2026-11-21", text="fel konto")
    rig.act("pay", invoice=old, amount="100.00", date="2026-12-02")

    async def story() -> None:
        told = await rig.connector.subledger(FIRST, LAST)
        control = await rig.connector.control(LAST)
        assert told is not None
        assert control is not None
        assert told.opening == D("500.00")
        sums: dict[str, Decimal] = {}
        for posting in told.postings:
            sums[posting.kind] = sums.get(posting.kind, D(0)) + posting.amount
        assert sums == {
            "invoice": D("1000.00"),
            "credit_note": D("-250.00"),
            "money": D("-950.00"),
            "on_account": D("-10.00"),
        }
        left = {(item.kind, item.open) for item in told.items}
        assert left == {(ItemKind.INVOICE, D("300.00")), (ItemKind.ON_ACCOUNT, D("-10.00"))}
        assert told.opening + sum(sums.values()) == sum(item.open for item in told.items)
        assert control.account == "1510"
        assert control.balance == D("360.00")
        assert [(amount, text) for _, amount, text in control.vouchers] == [
            (D("70.00"), "fel konto")
        ]
        assert told.bank == D("960.00")

    asyncio.run(story())


def test_a_crm_has_no_ledger() -> None:
    rig = salesforce_rig()

    async def story() -> None:
        assert await listed(rig.connector) == []
        assert await rig.connector.control(LAST) is None
        assert await rig.connector.subledger(FIRST, LAST) is None

    asyncio.run(story())
