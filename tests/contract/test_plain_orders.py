"""Orders in the plain book."""

from __future__ import annotations

import pytest

from contract.order_contract import OrderContract, OrderRig
from contract.test_plain_contract import PlainRig
from tieout.core.model import ExternalRef
from tieout_sandbox.plain import Variant


class PlainOrders(OrderRig):
    """Orders of one plain book."""

    def __init__(self) -> None:
        self.rig: PlainRig = PlainRig(Variant(orders=True))

    def lose(self, kind: str) -> None:
        self.rig.rig.fault(kind, method="POST", path="/orders")

    def edit(self, ref: ExternalRef) -> None:
        self.rig.rig.act("edit_draft", draft=number(ref), price="77.00")

    def cancel(self, ref: ExternalRef) -> None:
        self.rig.rig.act("cancel_order", order=number(ref))

    def ship(self, ref: ExternalRef) -> None:
        self.rig.rig.act("ship_order", order=number(ref))

    def invoice(self, ref: ExternalRef) -> None:
        self.rig.rig.act("invoice_order", order=number(ref))


def number(ref: ExternalRef) -> str:
    return ref.id.rpartition(":")[2]


@pytest.fixture
def orders() -> PlainOrders:
    return PlainOrders()


class TestPlainOrders(OrderContract):
    """The contract of orders over the plain book."""
