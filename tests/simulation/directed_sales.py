"""Directed histories of deals that are made into sales orders, or into invoices that we book."""

from __future__ import annotations

from typing import Any

from scenes import Scene, history
from tieout.core.policy import INVOICE, SALES_ORDER

_ORDERS: dict[str, Any] = {"policy_changes": {"kind": SALES_ORDER}}
_ASKS: dict[str, Any] = {"policy_changes": {"kind": SALES_ORDER, "ask_order_changes": True}}
_BOOKS: dict[str, Any] = {"policy_changes": {"kind": INVOICE}}


def _orders(s: Scene) -> list[dict[str, Any]]:
    return [row for row in s.world.documents() if row["type"] == "order"]


@history(orders=True, options=_ORDERS)
async def o01_order_lost_then_found(s: Scene) -> None:
    s.deal()
    s.world.fault("drop_after_commit", path="/orders")
    await s.settle()
    assert s.sent("POST", "/orders") == 1
    s.one("draft")
    s.none_open()


@history(orders=True, options=_ORDERS)
async def o02_invoiced_in_parts(s: Scene) -> None:
    _, order = await s.linked("1000.00")
    s.world.in_book("invoice_order", order=order, amount="400.00")
    await s.settle()
    s.world.in_book("invoice_order", order=order)
    await s.settle()
    assert s.world.current() == [s.ref(order)]
    assert s.sent("POST", "/orders") == 1
    assert s.sent("POST", "/drafts") == 0
    s.none_open()


@history(orders=True, options=_ORDERS)
async def o03_changed_until_it_is_shipped(s: Scene) -> None:
    deal, order = await s.linked("1000.00")
    s.world.in_crm("edit", deal=deal, price="1200.00")
    await s.settle()
    assert s.row(order)["net"] == 1200
    s.world.in_book("ship_order", order=order)
    await s.settle()
    s.world.in_crm("edit", deal=deal, price="1500.00")
    await s.settle()
    assert s.row(order)["net"] == 1200
    assert s.sent("POST", "/orders") == 1
    assert s.world.exceptions(deal) == ["changed_after_booking"]


@history(orders=True, options=_ORDERS)
async def o04_reopened_after_it_was_shipped(s: Scene) -> None:
    deal, order = await s.linked()
    s.world.in_book("ship_order", order=order)
    await s.settle()
    s.world.in_crm("reopen", deal=deal)
    await s.settle()
    assert s.row(order)["status"] == "shipped"
    assert s.world.exceptions(deal) == ["reopened_after_booking"]


@history(orders=True, options=_ORDERS)
async def o05_reopened_before_it_was_shipped(s: Scene) -> None:
    deal, order = await s.linked()
    s.world.in_crm("reopen", deal=deal)
    await s.settle()
    assert not s.world.live()
    s.none_open()
    s.world.in_crm("win", deal=deal)
    await s.settle()
    assert s.one("draft") != order


@history(orders=True, options=_ORDERS)
async def o06_cancelled_by_finance(s: Scene) -> None:
    deal, order = await s.linked()
    s.world.in_book("cancel_order", order=order)
    await s.settle()
    s.world.in_crm("edit", deal=deal, price="1300.00")
    await s.settle()
    assert s.sent("POST", "/orders") == 1
    assert s.row(order)["status"] == "void"
    s.none_open()
    await s.answers(deal, "make_new")
    await s.settle()
    assert s.one("draft") != order
    assert s.sent("POST", "/orders") == 2


@history(orders=True, options=_ASKS)
async def o07_changed_on_both_sides_the_deal_counts(s: Scene) -> None:
    deal, order = await s.linked("1000.00")
    s.world.in_book("edit_draft", draft=order, price="900.00")
    await s.settle()
    assert s.world.exceptions(deal) == ["order_changed"]
    assert s.row(order)["net"] == 900
    s.world.in_crm("edit", deal=deal, price="1200.00")
    await s.settle()
    assert s.world.exceptions(deal) == ["order_changed"]
    assert s.row(order)["net"] == 900


@history(orders=True, options=_BOOKS)
async def o08_booked_by_us_the_answer_lost(s: Scene) -> None:
    deal = s.deal()
    s.world.fault("drop_after_commit", path="/drafts/*/book")
    await s.settle()
    booked = s.one("booked")
    assert s.row(booked)["_by"] == "api"
    assert s.sent("POST", "/book") == 1
    assert s.world.exceptions(deal) == []


@history(orders=True, options=_BOOKS)
async def o09_edited_before_it_is_booked(s: Scene) -> None:
    s.deal()
    s.world.fault("drop_before", path="/drafts/*/book")
    for _ in range(3):
        await s.run()
        if s.world.drafts():
            break
    draft = s.world.drafts()[-1]["id"]
    s.world.in_book("edit_draft", draft=draft, price="900.00")
    await s.settle()
    assert s.one("draft") == draft
    assert s.sent("POST", "/book") <= 1
    s.none_open()
