"""The contract of the port, over a real Tryton: with our module's column, and without it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contract.connector_contract import (
    ConnectorContract,
    ContractRig,
    create,
    doubt,
    look,
    new_customer,
    new_document,
    prepared,
    run,
    sent,
)
from support.tryton_rig import TrytonRig
from support.tryton_server import RunningTryton, tryton, tryton_plant  # noqa: F401
from tieout.core.change import AlreadyApplied, Applied
from tieout.core.model import Entity


class TestTryton(ConnectorContract):
    """The key stands in a column that takes it once only."""

    @pytest.fixture
    def rig(self, tryton: RunningTryton) -> TrytonRig:  # noqa: F811
        return TrytonRig(tryton)

    def test_a_copy_is_a_second_hit_and_never_chosen(self, rig: ContractRig) -> None:
        """There is none: the second one is refused, and found to be the first."""

        async def story() -> None:
            customer = await new_customer(rig)
            change, made, outcome = await new_document(rig, customer)
            (wire,) = rig.connector.pack([made])
            (second,) = await rig.connector.send(wire)
            assert isinstance(second, AlreadyApplied)
            sight = await look(rig, doubt(rig, change, made, customer))
            assert [hit.record.ref for hit in sight.hits] == [outcome.ref]
            assert rig.stored(Entity.DOCUMENT) == 1

        run(story())

    def test_a_customer_that_is_sent_twice_is_made_once(self, rig: ContractRig) -> None:
        async def story() -> None:
            change = create(rig, "001A", rig.customer())
            _, first = await sent(rig, await prepared(rig, change))
            assert isinstance(first, Applied)
            again = replace(change, number=rig.number())
            _, second = await sent(rig, await prepared(rig, again))
            assert isinstance(second, AlreadyApplied)
            assert rig.stored(Entity.CUSTOMER) == 1

        run(story())


class TestTrytonWithoutModule(ConnectorContract):
    """The key stands in the reference, as where nobody may install a module."""

    @pytest.fixture
    def rig(self, tryton: RunningTryton) -> TrytonRig:  # noqa: F811
        return TrytonRig(tryton, carrier="reference")
