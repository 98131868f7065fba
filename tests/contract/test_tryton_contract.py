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

# A minute of two cores. What reads and writes there is in test_tryton_reads and test_tryton_writes.
pytestmark = pytest.mark.slow


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


class TestTrytonWithoutModule:
    """
    The key stands in the reference, as where nobody may install a module: what depends on where
    it stands, of the same contract.
    """

    @pytest.fixture
    def rig(self, tryton: RunningTryton) -> TrytonRig:  # noqa: F811
        return TrytonRig(tryton, carrier="reference")

    test_predicted = ConnectorContract.test_what_was_predicted_is_what_the_books_show
    test_update = ConnectorContract.test_an_update_sets_what_is_named_and_keeps_the_rest
    test_lost = ConnectorContract.test_a_lost_answer_is_unknown_and_found_by_its_key
    test_not_done = ConnectorContract.test_what_was_not_done_is_not_found
    test_lost_customer = ConnectorContract.test_a_lost_customer_is_found
    test_booked = ConnectorContract.test_a_document_booked_meanwhile_is_found_as_what_it_became
    test_copy = ConnectorContract.test_a_copy_is_a_second_hit_and_never_chosen
    test_taken = ConnectorContract.test_a_number_that_is_taken_is_told
    test_near = ConnectorContract.test_near_are_documents_of_the_customer_without_a_key
