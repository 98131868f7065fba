"""Orders in Visma eAccounting: PUT takes the whole, and an ongoing one cannot be deleted."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from contract.connector_contract import create, new_customer, run, write
from contract.order_contract import OrderContract, OrderRig, changed, made, now, taken_back
from support.visma_rig import VismaRig
from tieout.core.change import Refused
from tieout.core.model import Document, DocumentKind, ExternalRef, Line, LineKind, OrderState


class VismaOrders(OrderRig):
    """Orders of one simulated company."""

    def __init__(self, **settings: object) -> None:
        self.rig: VismaRig = VismaRig(orders=True, **settings)

    def lose(self, kind: str) -> None:
        self.rig.sim.faults.add({"kind": kind, "method": "POST", "path": "/v2/orders"})

    def edit(self, ref: ExternalRef) -> None:
        self.rig.act("edit_order", order=guid(ref), price=77)

    def cancel(self, ref: ExternalRef) -> None:
        self.rig.act("delete_order", order=guid(ref))

    def ship(self, ref: ExternalRef) -> None:
        self.rig.act("ship_order", order=guid(ref))

    def invoice(self, ref: ExternalRef) -> None:
        self.ship(ref)
        self.rig.act("invoice_order", order=guid(ref))


def guid(ref: ExternalRef) -> str:
    return ref.id.rpartition(":")[2]


@pytest.fixture
def orders() -> VismaOrders:
    return VismaOrders()


class TestVismaOrders(OrderContract):
    """The contract of orders over the simulator."""


def test_a_connection_without_orders_makes_none() -> None:
    async def story() -> None:
        rig = VismaRig()
        wanted = rig.document(await new_customer(rig))
        wanted = replace(wanted, record=replace(wanted.record, kind=DocumentKind.ORDER))
        (answer,) = await rig.connector.prepare([create(rig, "006A", wanted)])
        assert isinstance(answer, Refused)
        assert answer.findings[0].code == "document_kind_not_possible"

    run(story())


def test_an_ongoing_order_has_its_number_and_is_taken_back_by_a_person() -> None:
    async def story() -> None:
        orders = VismaOrders(order_status="ongoing")
        change, _, outcome = await made(orders)
        shown = await now(orders, outcome.ref)
        assert shown.order_state is OrderState.APPROVED
        assert shown.number
        (answer,) = await orders.rig.connector.prepare([taken_back(change, outcome.ref, shown)])
        assert isinstance(answer, Refused)
        assert answer.findings[0].code == "order_ongoing"
        await write(orders.rig, changed(change, outcome.ref, shown, "88.00"))
        assert (await now(orders, outcome.ref)).order_state is OrderState.APPROVED

    run(story())


def test_a_change_keeps_what_a_person_filled_and_texts_stay_rows() -> None:
    async def story() -> None:
        orders = VismaOrders()
        customer = await new_customer(orders.rig)
        wanted = orders.order(customer)
        assert isinstance(wanted.record, Document)
        text = Line(position=9, kind=LineKind.TEXT, text="Levereras vecka 49")
        record = replace(wanted.record, lines=(*wanted.record.lines, text))
        change = create(orders.rig, "006A", replace(wanted, record=record))
        _, outcome = await write(orders.rig, change)
        orders.rig.act("edit_order", order=guid(outcome.ref), set={"DeliveryMethodName": "Bud"})
        base = await now(orders, outcome.ref)
        await write(orders.rig, changed(change, outcome.ref, base, "88.00"))
        assert orders.rig.row("orders", guid(outcome.ref))["DeliveryMethodName"] == "Bud"
        after = await now(orders, outcome.ref)
        assert after.lines[-1].text == "Levereras vecka 49"
        assert after.lines[0].unit_price == Decimal("88.00")

    run(story())


def test_the_check_says_whether_orders_can_be_read() -> None:
    async def story() -> None:
        assert not [f for f in await VismaOrders().rig.connector.check() if "order" in f.code]
        rig = VismaRig(orders=True)
        rig.act("set_company_setting", name="ActivatedModules", value=["api_standard"])
        found = [f.code for f in await rig.connector.check()]
        assert "orders_not_read" in found

    run(story())
