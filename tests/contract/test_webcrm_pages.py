"""Reading in parts: rows that move, lines without a trace on their deal, deletions, conversions."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlsplit

import pytest

from support.webcrm_rig import (
    CUSTOMERS,
    DEALS,
    NAME,
    deal_ref,
    deals,
    records,
    rig,
    rig_again,
    show,
    stamps,
)
from tieout.core.change import FateKind
from tieout.core.errors import TransientError
from tieout.core.model import Deal, Entity, ExternalRef, Record
from tieout.ports import HttpRequest

BOTH = pytest.mark.parametrize("changes", ["queries", "lists"])


def run(story: Any) -> None:
    asyncio.run(story)


# --- changes -----------------------------------------------------------------------------------


@BOTH
def test_only_what_changed_is_read_again(changes: str) -> None:
    async def story() -> None:
        found = rig(changes=changes)
        first, second = found.deal(), found.deal()
        cursor = (await found.read(DEALS))[-1].cursor
        found.clock.advance(3600)
        # Lines of the overlap come once more, with the deals that they belong to.
        again = await found.read(DEALS, cursor)
        found.clock.advance(60)
        quiet = await found.read(DEALS, again[-1].cursor)
        assert deals(quiet) == {}
        found.act("edit_deal", deal=second, set={"Number": "X"})
        found.clock.advance(60)
        later = await found.read(DEALS, quiet[-1].cursor)
        assert set(deals(later)) == {f"deal:{second}"}
        assert deals(later)[f"deal:{second}"].number == "X"
        assert f"deal:{first}" not in deals(later)

    run(story())


def test_a_quiet_read_costs_the_same_whatever_there_is() -> None:
    async def story() -> None:
        costs = []
        for size in (2, 60):
            found = rig(size=size)
            cursor = (await found.read(DEALS))[-1].cursor
            found.clock.advance(60)
            before = len(found.transport.requests)
            await found.read(DEALS, cursor)
            costs.append(len(found.transport.requests) - before)
        assert costs == [3, 3]

    run(story())


@BOTH
def test_a_line_that_moves_without_its_deal_is_found(changes: str) -> None:
    async def story() -> None:
        found = rig(changes=changes, lines_every_s=600)
        number = found.deal()
        pages = await found.read(DEALS)
        line = deals(pages)[f"deal:{number}"].lines[0]
        assert line.ref is not None
        found.clock.advance(300)
        change = [{"line": int(line.ref.id), "price": "1000.00"}]
        found.act("edit_lines", deal=number, change=change, keep_value=True)
        soon = await found.read(DEALS, pages[-1].cursor)
        assert deals(soon) == {}, "the list of lines has its own timetable"
        found.clock.advance(400)
        later = await found.read(DEALS, soon[-1].cursor)
        assert str(deals(later)[f"deal:{number}"].lines[0].unit_price) == "1000.0"

    run(story())


def test_lines_that_scripts_can_ask_for_are_asked_for_each_time() -> None:
    async def story() -> None:
        found = rig(line_table="QuotationLine")
        found.assume("quotation_line_table", "QuotationLine")
        number = found.deal()
        pages = await found.read(DEALS)
        found.clock.advance(30)
        found.act("edit_lines", deal=number, add=[{"item": "LAG-1", "quantity": 2}])
        later = await found.read(DEALS, pages[-1].cursor)
        assert len(deals(later)[f"deal:{number}"].lines) == 3

    run(story())


def test_a_line_that_was_taken_away_is_found_by_the_stamps() -> None:
    async def story() -> None:
        found = rig()
        number = found.deal()
        before = deals(await found.read(DEALS))[f"deal:{number}"]
        assert (await stamps(found))[f"deal:{number}"] == before.version
        line = before.lines[1].ref
        assert line is not None
        found.act("edit_lines", deal=number, remove=[int(line.id)])
        assert (await stamps(found))[f"deal:{number}"] != before.version
        (again,) = await found.connector.get([deal_ref(number)], DEALS)
        assert isinstance(again, Deal)
        assert [one.ref for one in again.lines] == [before.lines[0].ref]

    run(story())


@pytest.mark.parametrize("touches", [True, False])
def test_lines_may_touch_their_deal_or_not(touches: bool) -> None:
    async def story() -> None:
        found = rig(lines_every_s=0)
        found.assume("line_touches_parent", touches)
        number = found.deal()
        pages = await found.read(DEALS)
        found.clock.advance(30)
        found.act("edit_lines", deal=number, add=[{"item": "LAG-1", "quantity": 2}])
        later = await found.read(DEALS, pages[-1].cursor)
        assert len(deals(later)[f"deal:{number}"].lines) == 3

    run(story())


def test_a_person_that_changes_changes_its_deals() -> None:
    async def story() -> None:
        found = rig()
        organisation = found.organisation()
        found.item()
        person = found.act("add_person", organisation=organisation, last_name="Holm")["PersonId"]
        number = found.deal(organisation=organisation, person=person)
        pages = await found.read(DEALS)
        found.clock.advance(1200)
        found.act("edit_person", person=person, set={"Email": "ny@kund.example"})
        later = await found.read(DEALS, pages[-1].cursor)
        contact = deals(later)[f"deal:{number}"].billing_contact
        assert contact is not None
        assert contact.email == "ny@kund.example"

    run(story())


def test_a_change_that_scripts_show_late_is_found_by_the_overlap() -> None:
    async def story() -> None:
        found = rig()
        number, other = found.deal(), found.deal()
        first = await found.read(DEALS)
        found.clock.advance(1300)
        found.fault("search_lag", seconds=60, method="PATCH", path="/Deliveries")
        await show(found, f"deal:{number}", status="booked")
        found.clock.advance(1)
        found.act("edit_deal", deal=other, set={"Number": "soon"})
        pages = await found.read(DEALS, first[-1].cursor)
        assert set(deals(pages)) == {f"deal:{other}"}
        found.clock.advance(90)
        later = await found.read(DEALS, pages[-1].cursor)
        assert set(deals(later)) == {f"deal:{number}"}

    run(story())


# --- pages -------------------------------------------------------------------------------------


@BOTH
def test_rows_that_move_while_pages_are_read_are_not_lost(changes: str) -> None:
    async def story() -> None:
        found = rig(changes=changes, page_rows=2)
        made = []
        for number in range(9):
            made.append(found.organisation(f"Kund {number}", VatNumber=""))
            found.clock.advance(2)
        first = await found.read(CUSTOMERS)
        assert len(records(first)) == 9
        found.clock.advance(3600)
        for number in made:
            found.act("edit_organisation", organisation=number, set={"City": "Malmö"})
            found.clock.advance(2)
        moved = iter(made)

        def before(request: HttpRequest) -> None:
            if urlsplit(request.url).path != "/Queries":
                return
            number = next(moved, None)
            if number is not None:
                found.clock.advance(1)
                found.act("edit_organisation", organisation=number, set={"State": "X"})

        found.transport.before = before
        seen: dict[str, Record] = {}
        pages = await found.read(CUSTOMERS, first[-1].cursor)
        seen |= records(pages)
        found.transport.before = None
        seen |= records(await found.read(CUSTOMERS, pages[-1].cursor))
        assert set(seen) == {f"organisation:{number}" for number in made}
        whole = records(await rig_again(found, changes).read(CUSTOMERS))
        assert seen == whole

    run(story())


def test_many_rows_of_one_stamp_are_all_read() -> None:
    async def story() -> None:
        found = rig(page_rows=2)
        cursor = None
        found.organisation("Først")
        cursor = (await found.read(CUSTOMERS))[-1].cursor
        found.clock.advance(60)
        made = {f"organisation:{found.organisation(f'Import {n}')}" for n in range(11)}
        read = records(await found.read(CUSTOMERS, cursor))
        assert made <= set(read)

    run(story())


@BOTH
def test_a_row_that_goes_while_a_list_is_read_hides_no_other(changes: str) -> None:
    async def story() -> None:
        found = rig(changes=changes, page_rows=1000)
        made = [found.organisation(f"Kund {n}", VatNumber="") for n in range(1010)]
        gone: list[int] = []

        def before(request: HttpRequest) -> None:
            path = urlsplit(request.url).path
            second = "Page=2" in request.url or "%3E%3D%20" in request.url
            if path in ("/Queries", "/Organisations") and second and not gone:
                if changes == "queries" and f"%3E%3D%20{made[0]}" in request.url:
                    return
                gone.append(made[0])
                found.act("delete_organisation", organisation=made[0])

        found.transport.before = before
        read = records(await found.read(CUSTOMERS))
        assert gone
        assert {f"organisation:{number}" for number in made[1:]} <= set(read)

    run(story())


@BOTH
def test_what_moves_behind_a_long_first_read_is_found_by_the_next(changes: str) -> None:
    async def story() -> None:
        found = rig(changes=changes, page_rows=60)
        made = [found.organisation(f"Kund {n}", VatNumber="") for n in range(100)]
        await found.connector.company()
        pages = []
        async for page in found.connector.changes_since(CUSTOMERS, None):
            pages.append(page)
            if len(pages) == 1:
                found.act("edit_organisation", organisation=made[0], set={"City": "Lund"})
                found.clock.advance(7200)
                found.act("edit_organisation", organisation=made[-1], set={"City": "Lund"})
        later = records(await found.read(CUSTOMERS, pages[-1].cursor))
        assert f"organisation:{made[0]}" in later

    run(story())


def test_a_line_that_goes_while_all_lines_are_read_hides_no_other() -> None:
    async def story() -> None:
        found = rig()
        lines = [{"item": "LAG-1", "quantity": 1, "price": "1.00"} for _ in range(55)]
        numbers = [found.deal(lines=lines) for _ in range(40)]  # 2,200 lines: three pages
        victim = min(row["QuotationLineId"] for row in found.rows("QuotationLines"))
        did: list[bool] = []

        def before(request: HttpRequest) -> None:
            if "/QuotationLines?Page=2" in request.url and not did:
                did.append(True)
                found.act("edit_lines", deal=numbers[0], remove=[victim], keep_value=True)

        found.transport.before = before
        read = deals(await found.read(DEALS))
        assert did
        assert [len(read[f"deal:{number}"].lines) for number in numbers] == [54] + [55] * 39

    run(story())


@BOTH
def test_a_sweep_goes_on_where_it_was_interrupted(changes: str) -> None:
    async def story() -> None:
        found = rig(changes=changes, page_rows=60)
        made = {f"organisation:{found.organisation(f'Kund {n}')}" for n in range(150)}
        seen: set[str] = set()
        resume = None
        async for page in found.connector.changes_since(CUSTOMERS, None):
            seen |= set(records([page]))
            resume = page.resume
            break
        assert resume is not None
        if changes == "queries":
            assert len(seen) < len(made)
        before = len(found.transport.requests)
        pages = await rig_again(found, changes).read(CUSTOMERS, None, resume)
        seen |= set(records(pages))
        assert seen == made
        assert len(found.transport.requests) - before < 12
        assert pages[-1].cursor is not None

    run(story())


def test_what_a_page_held_is_given_again_where_nobody_took_it() -> None:
    async def story() -> None:
        found = rig()
        cursor = (await found.read(DEALS))[-1].cursor
        found.clock.advance(60)
        number = found.deal()
        async for page in found.connector.changes_since(DEALS, cursor):
            if deals([page]):
                break  # the page was refused by the store: it is not asked for the next one
        again = await found.read(DEALS, cursor)
        assert f"deal:{number}" in deals(again)
        assert deals(await found.read(DEALS, again[-1].cursor)) == {}

    run(story())


# --- /Queries ----------------------------------------------------------------------------------


@pytest.mark.parametrize("error", ["error", "object"])
def test_without_scripts_everything_is_read_by_lists(error: str) -> None:
    async def story() -> None:
        found = rig(lines_every_s=0)
        found.assume("query_error", error)
        found.assume("script_most", 10)
        number = found.deal()
        pages = await found.read(DEALS)
        assert set(deals(pages)) == {f"deal:{number}"}
        found.clock.advance(900)
        found.act("edit_deal", deal=number, set={"Number": "9"})
        later = await found.read(DEALS, pages[-1].cursor)
        assert deals(later)[f"deal:{number}"].number == "9"
        told = await found.connector.check()
        assert [f.code for f in told if f.severity == "warning"] == ["scripts_refused"]
        assert await stamps(found) == {f"deal:{number}": deals(later)[f"deal:{number}"].version}

    run(story())


def test_scripts_use_only_what_is_known_of_them() -> None:
    async def story() -> None:
        found = rig(size=40)
        pages = await found.read(DEALS)
        customers = await found.read(CUSTOMERS)
        found.clock.advance(5000)
        await found.read(DEALS, pages[-1].cursor)
        await found.read(CUSTOMERS, customers[-1].cursor)
        asked = found.scripts()
        assert asked
        assert all(len(script) < 900 for script in asked)
        assert not any(sign in script for script in asked for sign in ("<", " IN ", "LIKE", "TOP"))

    run(story())


def test_many_deals_cost_few_calls_whichever_kind_they_are() -> None:
    async def story() -> None:
        found = rig(lines_every_s=0)
        kinds = ("add_opportunity", "add_delivery")
        numbers = [found.deal(kinds[n % 2]) for n in range(600)]
        pages = await found.read(DEALS)
        before = len(found.transport.requests)
        refs = [deal_ref(number) for number in numbers[:200]]
        got = await found.connector.get(refs, DEALS)
        assert all(record is not None for record in got)
        # Seven scripts of thirty ids for either kind, the users and fields being known, the lines
        # of all deals twice: no call for each deal.
        assert len(found.transport.requests) - before < 25
        found.clock.advance(900)
        again = rig_again(found, "queries")
        before = len(found.transport.requests)
        later = await again.read(DEALS, pages[-1].cursor)
        assert len(deals(later)) == 600
        assert len(found.transport.requests) - before < 60

    run(story())


# --- deletions, merges -------------------------------------------------------------------------


@BOTH
def test_keys_are_what_there_is(changes: str) -> None:
    async def story() -> None:
        found = rig(changes=changes, size=20, page_rows=60)
        read = deals(await found.read(DEALS))
        assert await stamps(found) == {key: deal.version for key, deal in read.items()}
        gone = next(iter(read))
        found.act("delete_deal", deal=int(gone.partition(":")[2]))
        assert gone not in await stamps(found)
        customers = records(await found.read(CUSTOMERS))
        assert set(await stamps(found, Entity.CUSTOMER)) == set(customers)
        (fate,) = await found.connector.trace([ExternalRef(NAME, "deal", gone)])
        assert fate.kind is FateKind.CANNOT_TELL

    run(story())


def test_keys_are_complete_or_an_error() -> None:
    async def story() -> None:
        found = rig(size=5)
        await found.connector.company()
        found.fault("garbage", path="/QuotationLines", times=None)
        with pytest.raises(TransientError):
            await stamps(found)

    run(story())


def test_deals_of_merged_organisations_belong_to_the_one_that_stayed() -> None:
    async def story() -> None:
        found = rig()
        kept, gone = found.organisation("A"), found.organisation("B", VatNumber="")
        found.item()
        number = found.deal(organisation=gone)
        pages = await found.read(DEALS)
        found.clock.advance(60)
        found.act("merge_organisations", keep=kept, remove=gone)
        later = deals(await found.read(DEALS, pages[-1].cursor))[f"deal:{number}"]
        assert later.customer == ExternalRef(NAME, "customer", f"organisation:{kept}")
        assert f"organisation:{gone}" not in await stamps(found, Entity.CUSTOMER)

    run(story())
