"""One deal, whatever webCRM calls it: conversions, copies, and marks of other programs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from support.webcrm_rig import (
    DEALS,
    codes,
    deal_ref,
    deals,
    rig,
    rig_again,
    show,
    stamps,
)
from tieout.core.change import FateKind
from tieout.core.model import Deal, DealKind, DealState


def run(story: Any) -> None:
    asyncio.run(story)


@pytest.mark.parametrize("created", [True, False])
def test_a_converted_deal_that_keeps_its_id_is_the_same_deal(created: bool) -> None:
    async def story() -> None:
        found = rig(won="flag")
        found.assume("conversion_keeps_created", created)
        number = found.deal("add_opportunity")
        pages = await found.read(DEALS)
        found.clock.advance(60)
        found.act("win", deal=number)
        later = await found.read(DEALS, pages[-1].cursor)
        (deal,) = deals(later).values()
        assert (deal.ref, deal.kind) == (deal_ref(number), DealKind.DELIVERY)
        assert deal.lines == deals(pages)[f"deal:{number}"].lines
        assert set(await stamps(found)) == {f"deal:{number}"}

    run(story())


def test_a_converted_deal_with_a_new_id_is_known_by_what_we_wrote_on_it() -> None:
    async def story() -> None:
        found = rig(won="flag")
        found.assume("conversion_keeps_id", False)
        number = found.deal("add_opportunity")
        found.act("win", deal=number, how="flag")
        pages = await found.read(DEALS)
        assert deals(pages)[f"deal:{number}"].state is DealState.WON
        await show(found, f"deal:{number}", books_id="draft:1", status="draft")
        found.clock.advance(60)
        new = int(found.act("win", deal=number)["DeliveryId"])
        assert new != number
        later = await found.read(DEALS, pages[-1].cursor)
        (deal,) = deals(later).values()
        assert deal.ref == deal_ref(number)
        assert deal.source_id == f"deal:{number}"
        assert deal.came_from == (deal_ref(new),)
        assert deal.state is DealState.WON
        assert await stamps(found) == {f"deal:{number}": deal.version}
        # Another process finds the row too, and writes to it.
        other = rig_again(found, "queries")
        (got,) = await other.connector.get([deal_ref(number)], DEALS)
        assert got is not None
        assert got.lines == deal.lines  # type: ignore[union-attr]
        await show(other, f"deal:{number}", books_id="invoice:1", status="booked")
        assert found.row("Deliveries", new)["DeliveryErpId"] == f"T{number}/invoice:1"
        assert found.row("Deliveries", new)["DeliveryCustom4"] == "booked"
        (fate,) = await other.connector.trace([deal_ref(number)])
        assert fate.kind is FateKind.PRESENT
        # Taken back, and won once more: a third number, and still the deal that it was.
        found.clock.advance(60)
        found.act("reopen", deal=new)
        back = found.rows("Opportunities")[0]["OpportunityId"]
        (again,) = await other.connector.get([deal_ref(number)], DEALS)
        assert isinstance(again, Deal)
        assert (again.ref, again.state) == (deal_ref(number), DealState.OPEN)
        third = int(found.act("win", deal=back)["DeliveryId"])
        assert len({number, new, back, third}) == 4
        (last,) = deals(await rig_again(found, "queries").read(DEALS)).values()
        assert (last.ref, last.kind) == (deal_ref(number), DealKind.DELIVERY)

    run(story())


def test_a_copy_is_a_deal_of_its_own() -> None:
    async def story() -> None:
        found = rig()
        number = found.deal()
        await show(found, f"deal:{number}", books_id="draft:1", status="draft")
        clone = int(found.act("clone_deal", deal=number)["OpportunityId"])
        # As a system would do it whose copies carry everything.
        found.act("edit_deal", deal=clone, set={"ErpId": f"T{number}/draft:1"})
        read = deals(await found.read(DEALS))
        assert set(read) == {f"deal:{number}", f"deal:{clone}"}
        await show(found, f"deal:{clone}", books_id="draft:2")
        assert found.row("Opportunities", clone)["OpportunityErpId"] == f"T{clone}/draft:2"

    run(story())


@pytest.mark.parametrize("erp_id", ["2026/17", "1/2", "T99999999/draft:1", "T/1", "X1/draft:1"])
def test_what_another_program_wrote_into_erp_id_means_nothing(erp_id: str) -> None:
    async def story() -> None:
        found = rig()
        number = found.deal(set={"ErpId": erp_id})
        assert set(deals(await found.read(DEALS))) == {f"deal:{number}"}

    run(story())


def test_two_that_claim_to_be_one_deal_are_not_chosen_between() -> None:
    async def story() -> None:
        found = rig(won="flag")
        found.assume("conversion_keeps_id", False)
        number = found.deal("add_opportunity")
        await show(found, f"deal:{number}", books_id="draft:1")
        new = int(found.act("win", deal=number)["DeliveryId"])
        clone = int(found.act("clone_deal", deal=new)["OpportunityId"])
        found.act("edit_deal", deal=clone, set={"ErpId": f"T{number}/draft:1"})
        pages = await found.read(DEALS)
        assert deals(pages) == {}
        assert codes(pages) == ["record_unreadable", "record_unreadable"]
        assert "Empty ErpId" in pages[0].unread[0][1].message
        found.act("edit_deal", deal=clone, set={"ErpId": ""})
        assert set(deals(await found.read(DEALS))) == {f"deal:{number}", f"deal:{clone}"}

    run(story())
