"""Why no invoice of the books is made a record of webCRM (decision 39): it would be a deal."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from support.webcrm_rig import DEALS, Rig, deals, prepared, rig, standing_change
from tieout.core.change import Rejected
from tieout.core.keys import KeyKind, Slot, operation_key
from tieout.core.model import Deal, DealState

INVOICE = operation_key(
    Slot(crm_org="nordljus", source_id="inv-7", company="books", kind=KeyKind.INVOICE), 0
)


async def shown(found: Rig, **values: Any) -> tuple[int, Deal]:
    """A delivery as it would be made of a booked invoice, and how it is read back."""
    number = found.deal(
        title="Invoice 1038", set={"Number": "1038", "Status": "Completed", **values}
    )
    read = deals(await found.read(DEALS))
    return number, read[f"deal:{number}"]


@pytest.mark.parametrize("erp_id", [INVOICE, ""], ids=["with our key", "key cleared by a person"])
def test_a_delivery_that_stood_for_an_invoice_would_be_a_won_deal(erp_id: str) -> None:
    async def story() -> None:
        found = rig()
        _, deal = await shown(found, ErpId=erp_id)
        assert deal.state is DealState.WON
        # All that a second invoice needs is there.
        assert deal.customer is not None
        assert sum(line.quantity * line.unit_price for line in deal.lines) > Decimal(1000)

    asyncio.run(story())


def test_with_the_number_of_the_deals_own_delivery_neither_could_be_changed() -> None:
    async def story() -> None:
        found = rig()
        own = found.deal(set={"Number": "1038"})
        number, _ = await shown(found, ErpId=INVOICE)
        for key, delivery in (("A", own), ("B", number)):
            change = standing_change(key, f"deal:{delivery}", status="paid")
            (made,) = await prepared(found, change)
            (wire,) = found.connector.pack([made])
            (outcome,) = await found.connector.send(wire)
            assert isinstance(outcome, Rejected)
            assert [finding.code for finding in outcome.findings] == ["twin_number"]

    asyncio.run(story())
