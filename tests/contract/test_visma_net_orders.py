"""Sales orders in Visma.net: the order service, whose orders no filter finds by our key."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from contract.connector_contract import create, new_customer, prepared, run, sent, write
from contract.order_contract import OrderContract, OrderRig, changed, made, now
from support.visma_net_rig import VismaNetRig
from tieout.core.change import Action, Applied, Change, Refused, Wanted
from tieout.core.model import (
    Document,
    DocumentKind,
    ExternalRef,
    ItemRef,
    Line,
    LineKind,
    OrderState,
)

PATH = "/api/v3/SalesOrders"


class VismaNetOrders(OrderRig):
    """The order service beside the ERP host, on one simulated company."""

    def __init__(self, **settings: object) -> None:
        self.rig: VismaNetRig = VismaNetRig(orders=True, **settings)

    def order(self, customer: ExternalRef) -> Wanted:
        """Goods of stock stand on orders only."""
        wanted = super().order(customer)
        assert isinstance(wanted.record, Document)
        first, *others = wanted.record.lines
        first = replace(first, item=ItemRef(number="PUMP"), text="Pumpe")
        return replace(wanted, record=replace(wanted.record, lines=(first, *others)))

    def lose(self, kind: str) -> None:
        self.rig.sim.faults.add({"kind": kind, "method": "POST", "path": PATH})

    def edit(self, ref: ExternalRef) -> None:
        self.rig.patch_order_line(number(ref), 1, 77)

    def cancel(self, ref: ExternalRef) -> None:
        self.rig.act("cancel_order", order=number(ref))

    def ship(self, ref: ExternalRef) -> None:
        self.rig.act("approve_order", order=number(ref))
        self.rig.act("ship_order", order=number(ref))

    def invoice(self, ref: ExternalRef) -> None:
        self.ship(ref)
        shown = self.rig.act("invoice_order", order=number(ref))
        self.rig.act("release", document=shown["referenceNumber"])


def number(ref: ExternalRef) -> str:
    return ref.id.rpartition("/")[2]


@pytest.fixture
def orders() -> VismaNetOrders:
    return VismaNetOrders()


class TestVismaNetOrders(OrderContract):
    """The contract of orders over the simulator."""


def test_a_connection_without_orders_makes_none() -> None:
    async def story() -> None:
        rig = VismaNetRig()
        customer = await new_customer(rig)
        wanted = rig.document(customer)
        wanted = replace(wanted, record=replace(wanted.record, kind=DocumentKind.ORDER))
        (answer,) = await rig.connector.prepare([create(rig, "006A", wanted)])
        assert isinstance(answer, Refused)
        assert answer.findings[0].code == "document_kind_not_possible"

    run(story())


def test_a_text_goes_into_the_orders_note() -> None:
    async def story() -> None:
        orders = VismaNetOrders(order_status="open")
        customer = await new_customer(orders.rig)
        wanted = orders.order(customer)
        assert isinstance(wanted.record, Document)
        text = Line(position=9, kind=LineKind.TEXT, text="Levert uke 47")
        record = replace(wanted.record, lines=(*wanted.record.lines, text))
        _, outcome = await write(
            orders.rig, create(orders.rig, "006A", replace(wanted, record=record))
        )
        shown = await now(orders, outcome.ref)
        assert shown.order_state is OrderState.APPROVED
        (row,) = orders.rig.live("salesorder")
        assert row["note"] == "Levert uke 47"

    run(story())


@pytest.mark.parametrize("fields", ["terms", "po_number", "delivered_on"])
def test_the_head_is_changed_by_a_request_of_its_own(fields: str) -> None:
    async def story() -> None:
        orders = VismaNetOrders()
        change, _, outcome = await made(orders)
        base = await now(orders, outcome.ref)
        assert base.delivered_on is not None
        value = {
            "terms": "14",
            "po_number": "PO-2",
            "delivered_on": base.delivered_on.replace(day=9),
        }
        record = replace(base, **{fields: value[fields]})
        asked = replace(
            changed(change, outcome.ref, base, "1.00"),
            wanted=Wanted(record=record, fields=frozenset({fields})),
        )
        await write(orders.rig, asked)
        assert getattr(await now(orders, outcome.ref), fields) == value[fields]

    run(story())


def test_a_line_is_added_and_taken_away_and_two_requests_are_none() -> None:
    async def story() -> None:
        orders = VismaNetOrders()
        change, _, outcome = await made(orders)
        base = await now(orders, outcome.ref)
        assert change.wanted is not None
        record = change.wanted.record
        assert isinstance(record, Document)
        more = replace(record.lines[-1], position=4, unit_price=Decimal("10.00"))

        def update(lines: tuple[Line, ...], *fields: str, **values: object) -> Change:
            wanted = replace(record, lines=lines, **values)
            return replace(
                change,
                action=Action.UPDATE,
                wanted=Wanted(record=wanted, fields=frozenset({"lines", *fields})),
                target=outcome.ref,
                base=base,
            )

        await write(orders.rig, update((*record.lines, more)))
        assert len((await now(orders, outcome.ref)).lines) == len(record.lines) + 1
        await write(orders.rig, update(record.lines))
        assert len((await now(orders, outcome.ref)).lines) == len(record.lines)
        first = replace(record.lines[0], quantity=Decimal(9))
        for asked in (
            update((first, *record.lines[1:], more)),
            update((first, *record.lines[1:]), "po_number", po_number="PO-2"),
            update((record.lines[1], *record.lines[1:])),
        ):
            (answer,) = await orders.rig.connector.prepare([asked])
            assert isinstance(answer, Refused)
            assert answer.findings[0].code == "order_change_too_wide"

    run(story())


def test_a_stale_version_is_no_write() -> None:
    async def story() -> None:
        orders = VismaNetOrders()
        change, _, outcome = await made(orders)
        base = await now(orders, outcome.ref)
        asked = await prepared(orders.rig, changed(change, outcome.ref, base, "88.00"))
        orders.edit(outcome.ref)
        _, answer = await sent(orders.rig, asked)
        assert not isinstance(answer, Applied)
        assert (await now(orders, outcome.ref)).lines[0].unit_price == Decimal("77.00")

    run(story())
