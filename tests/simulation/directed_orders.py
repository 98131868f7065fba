"""Directed histories of orders and of invoices that we book: each is sold once."""

from __future__ import annotations

from decimal import Decimal

from scenes import Scene, history
from tieout.core.policy import INVOICE, SALES_ORDER

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
