"""Directed histories of orders and of invoices that we book: each is sold once."""

from __future__ import annotations

from decimal import Decimal

from directed_back import stays_paid
from scenes import Scene, history
from tieout.core.policy import INVOICE, SALES_ORDER
from tieout.services.prove import prove

ORDERS = {"policy_changes": {"kind": SALES_ORDER}}
INVOICES = {"policy_changes": {"kind": INVOICE}}


@history(orders=True, options=ORDERS, lenient=True)
async def h90_order_cancelled_after_a_part_of_it_was_invoiced(s: Scene) -> None:
    """Won again, a deal is not sold a second time while an invoice of its first order stands."""
    deal = s.deal("1000.00")
    await s.settle()
    (order,) = [row["id"] for row in s.world.documents() if row["type"] == "order"]
    s.world.in_book("invoice_order", order=order, amount=Decimal(400))
    await s.settle()
    s.world.in_book("cancel_order", order=order)
    await s.settle()
    s.world.in_crm("reopen", deal=deal)
    await s.settle()
    assert s.world.exceptions() == ["reopened_after_booking"]
    s.world.in_crm("win", deal=deal)
    await s.settle()
    assert s.sent(path="/orders") == 1
    await s.answers(deal, "make_new")
    await s.settle()
    assert s.sent(path="/orders") == 1
    assert s.world.exceptions() == ["order_gone_invoiced"]
    (invoice,) = [row["id"] for row in s.world.documents() if row["status"] == "booked"]
    s.world.in_book("credit", invoice=invoice)
    await s.settle()
    assert s.sent(path="/orders") == 2
    s.none_open()


@history(orders=True, options=ORDERS)
async def h91_order_that_was_ready_had_been_made(s: Scene) -> None:
    """A release before the backup that was sent after it: one order, also after the restore."""
    await s.run()
    s.deal()
    s.world.fault("rate_limited", path="/orders", seconds=40)
    engine = s.world.engine()
    engine.patience_s = 0
    await s.world.work(engine)
    assert ("create", "ready") in [one[:2] for one in s.world.operations()]
    backup = s.world.snapshot()
    await s.settle()
    s.one()
    s.world.restore(backup)
    await s.settle()
    s.one()
    assert len(s.world.posts()) == 1


@history(options=INVOICES)
async def h92_booking_lost_and_restored(s: Scene) -> None:
    """The answer to a booking is lost, and the database put back to before it: booked once."""
    s.deal("1000.00")
    await s.run()
    backup = s.world.snapshot()
    s.world.fault("drop_after_commit", path="/drafts/*")
    await s.settle()
    invoice = s.one("booked")
    s.world.restore(backup)
    await s.settle()
    assert s.one("booked") == invoice
    assert len(s.world.posts()) == 1


async def _invoiced(s: Scene) -> tuple[str, str]:
    """A deal whose order was invoiced as a whole: (deal, invoice)."""
    deal = s.deal("1000.00")
    await s.settle()
    (order,) = [row["id"] for row in s.world.documents() if row["type"] == "order"]
    s.world.in_book("invoice_order", order=order)
    await s.settle()
    (invoice,) = [row["id"] for row in s.world.documents() if row["status"] == "booked"]
    return deal, invoice


@history(orders=True, options=ORDERS, lenient=True)
async def h119_invoice_of_an_order_credited(s: Scene) -> None:
    """The order of a lost deal is over with it, and is nothing that was thought to be gone."""
    await _credited(s, paid=False)


@history(orders=True, options=ORDERS, lenient=True)
async def h120_invoice_of_an_order_paid_and_credited(s: Scene) -> None:
    """The same where the credit note takes nothing off, since the invoice was paid."""
    await _credited(s, paid=True)


async def _credited(s: Scene, *, paid: bool) -> None:
    deal, invoice = await _invoiced(s)
    if paid:
        s.world.in_book("pay", invoice=invoice)
    s.world.in_crm("reopen", deal=deal)
    await s.world.wait(130)
    await s.settle()
    assert s.world.exceptions() == ["reopened_after_booking"]
    s.world.in_book("credit", invoice=invoice)
    if paid:
        stays_paid(s, invoice)
    await s.world.wait(130)
    await s.settle()
    s.none_open()
    assert s.world.current() == []
    s.world.in_crm("win", deal=deal)
    await s.world.wait(130)
    await s.settle()
    s.none_open()
    assert s.sent(path="/orders") == 2


@history(orders=True, options=ORDERS)
async def h121_invoice_of_an_order_credited_in_part(s: Scene) -> None:
    """The deal was changed after that: once it is credited by the difference, nothing is asked."""
    deal, invoice = await _invoiced(s)
    s.world.in_crm("edit", deal=deal, price="600.00")
    await s.world.wait(130)
    await s.settle()
    assert s.world.exceptions() == ["changed_after_booking"]
    s.world.in_book("credit", invoice=invoice, amount=400)
    await s.world.wait(130)
    await s.settle()
    s.none_open()


@history(orders=True, options=ORDERS, lenient=True)
async def h130_invoice_of_an_order_is_proved_once(s: Scene) -> None:
    """It took its order's key along, and is no second document of the step."""
    deal = s.deal("1000.00")
    await s.settle()
    (order,) = [row["id"] for row in s.world.documents() if row["type"] == "order"]
    s.world.in_book("invoice_order", order=order, amount=Decimal(400))
    assert await _proved(s) == {deal: ["order"]}
    s.world.in_book("cancel_order", order=order)
    assert await _proved(s) == {deal: ["invoice"]}


async def _proved(s: Scene) -> dict[str, list[str]]:
    """What stands for each deal."""
    engine = s.world.engine()
    proof = await prove(engine, s.store(engine), None, [])
    assert proof.holds
    return {
        step.source_id: [str(one.document.kind) for one in step.carriers] for step in proof.steps
    }
