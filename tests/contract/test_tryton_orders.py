"""Sales in a real Tryton: changed as drafts, cancelled as quotations, processed into invoices."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from contract.connector_contract import run, write
from contract.order_contract import OrderContract, OrderRig, changed, made, now, taken_back
from support.tryton_rig import Fault, TrytonRig, number_of
from support.tryton_server import RunningTryton, tryton_group, tryton_plant  # noqa: F401
from tieout.core.change import Refused, Wanted
from tieout.core.model import Document, ExternalRef, OrderState
from tieout_sandbox.tryton import acts

SALE = "sale.sale"


class TrytonOrders(OrderRig):
    """The sales of one company."""

    def __init__(self, running: RunningTryton) -> None:
        self.rig: TrytonRig = TrytonRig(running, orders=True)

    def order(self, customer: ExternalRef) -> Wanted:
        wanted = super().order(customer)
        assert isinstance(wanted.record, Document)
        lines = tuple(replace(line, dimensions={}) for line in wanted.record.lines)
        return replace(wanted, record=replace(wanted.record, lines=lines))

    def lose(self, kind: str) -> None:
        kind = "truncated" if kind == "drop_after_commit" else kind
        self.rig.transport.faults.append(Fault(kind, f"model.{SALE}.create"))  # type: ignore[attr-defined]

    def edit(self, ref: ExternalRef) -> None:
        line = self.rig.admin.read(SALE, number_of(ref), "lines")["lines"][0]
        price = {"unit_price": Decimal("77.00")}
        self.rig.admin.write(SALE, number_of(ref), {"lines": [["write", [line], price]]})

    def cancel(self, ref: ExternalRef) -> None:
        self.press(ref, "cancel")

    def ship(self, ref: ExternalRef) -> None:
        self.press(ref, "quote", "confirm", "process")

    def invoice(self, ref: ExternalRef) -> None:
        self.ship(ref)
        (number,) = self.rig.admin.read(SALE, number_of(ref), "invoices")["invoices"]
        acts.post(self.rig.anna, number)

    def press(self, ref: ExternalRef, *buttons: str) -> None:
        for button in buttons:
            self.rig.admin.call(f"model.{SALE}.{button}", [number_of(ref)])


@pytest.fixture
def orders(tryton_group: RunningTryton) -> TrytonOrders:  # noqa: F811
    return TrytonOrders(tryton_group)


class TestTrytonOrders(OrderContract):
    """The contract of orders over a real server."""


def test_a_quotation_is_cancelled_and_changed_by_persons_only(orders: TrytonOrders) -> None:
    async def story() -> None:
        change, _, outcome = await made(orders)
        orders.press(outcome.ref, "quote")
        shown = await now(orders, outcome.ref)
        assert (shown.order_state, bool(shown.number)) == (OrderState.AWAITING, True)
        asked = changed(change, outcome.ref, shown, "88.00")
        (answer,) = await orders.rig.connector.prepare([asked])
        assert isinstance(answer, Refused)
        assert answer.findings[0].code == "order_ongoing"
        await write(orders.rig, taken_back(change, outcome.ref, shown))
        after = await now(orders, outcome.ref)
        assert (after.voided, after.order_state) == (True, OrderState.CANCELLED)

    run(story())


def test_dimensions_are_not_lost_in_silence(orders: TrytonOrders) -> None:
    async def story() -> None:
        change, _, _ = await made(orders)
        assert change.wanted is not None
        record = change.wanted.record
        assert isinstance(record, Document)
        first = replace(record.lines[0], dimensions={"projekt": "P1"})
        wanted = replace(change.wanted, record=replace(record, lines=(first, *record.lines[1:])))
        (answer,) = await orders.rig.connector.prepare([replace(change, wanted=wanted)])
        assert isinstance(answer, Refused)
        assert answer.findings[0].code == "dimension_unknown"

    run(story())
