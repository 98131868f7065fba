"""Reading many rows of Salesforce: pages, interruptions, complete keys, and what calls cost."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from support.inprocess_salesforce import (
    DEALS,
    Rig,
    cursor_of,
    deals,
    furnish,
    new_deal,
    rig,
)
from tieout.core.errors import TransientError
from tieout.core.model import (
    DealState,
    Entity,
    ExternalRef,
)
from tieout.ports import Selection


def test_only_the_last_page_has_a_cursor_and_the_others_can_be_resumed() -> None:
    async def story() -> None:
        found = furnish(rig(page_rows=200))
        for number in range(230):
            new_deal(found, f"Deal {number}")
        pages = await found.read(DEALS)
        assert all(page.cursor is None for page in pages[:-1])
        assert pages[-1].cursor is not None
        assert all(page.resume is not None for page in pages[:-1])

    asyncio.run(story())


def test_a_forgotten_query_is_asked_anew_behind_the_last_row() -> None:
    async def story() -> None:
        found = furnish(rig(page_rows=200))
        ids = {found.made["deal"], *(new_deal(found, f"Deal {n}") for n in range(250))}
        pages = []
        async for page in found.connector.changes_since(DEALS, None, None):
            pages.append(page)
            # Two days pass between pages: the locator is gone.
            found.clock.advance(3 * 86_400)
        read = [deal.source_id for deal in deals(pages)]
        assert set(read) == ids
        assert len(read) == len(ids)
        # The first page, the locator that was refused, and the rest.
        assert len(found.transport.to("/query")) == 3

    asyncio.run(story())


def test_a_read_goes_on_where_it_was_interrupted() -> None:
    async def story() -> None:
        found = furnish(rig(page_rows=200))
        ids = {found.made["deal"], *(new_deal(found, f"Deal {n}") for n in range(250))}
        first = None
        async for page in found.connector.changes_since(DEALS, None, None):
            first = page
            break
        assert first is not None
        rest = await found.read(DEALS, None, first.resume)
        assert {d.source_id for d in deals([first, *rest])} == ids
        assert len(deals(rest)) == len(ids) - len(deals([first]))
        assert cursor_of(rest) is not None

    asyncio.run(story())


def test_a_row_that_moves_while_pages_are_read_skips_no_others() -> None:
    async def story() -> None:
        found = furnish(rig(page_rows=200))
        cursor = cursor_of(await found.read(DEALS))
        ids = []
        for number in range(410):
            found.clock.advance(1)
            # Without lines, which would bring the deal a second way.
            ids.append(found.act("create_opportunity", name=f"Deal {number}")["id"])
        found.clock.advance(60)
        read: list[str] = []
        async for page in found.connector.changes_since(DEALS, cursor, None):
            read.extend(d.source_id for d in deals([page]))
            if len(read) == 200:
                # The last rows of the second page move while the first is being looked at.
                for moved in ids[397:400]:
                    found.act("edit_opportunity", id=moved, fields={"NextStep": "x"})
            if len(read) == 400:
                found.clock.advance(3 * 86_400)
        assert set(ids) <= set(read)

    asyncio.run(story())


def test_what_moves_behind_a_long_read_is_found_by_the_next() -> None:
    async def story() -> None:
        found = furnish(rig(page_rows=200))
        cursor = cursor_of(await found.read(DEALS))
        found.clock.advance(7200)
        deal = new_deal(found, "First")
        table = found.simulator.org.tables["OpportunityLineItem"]
        line = table.find("OpportunityId", deal)[0]
        found.clock.advance(1)
        later = [found.act("create_opportunity", name=f"Deal {n}")["id"] for n in range(250)]
        found.clock.advance(60)
        last: bytes | None = None
        async for page in found.connector.changes_since(DEALS, cursor, None):
            if len(page.records) == 200:
                # Its head was read; now a line moves alone, and much later another head does.
                head = dict(found.row("Opportunity", deal))
                change = [{"id": line["Id"], "unit_price": "77.00"}]
                found.act("edit_lines", id=deal, change=change)
                found.simulator.org.tables["Opportunity"].put(head)
                found.simulator.org.journal.clear()
                found.clock.advance(5000)
                found.act("edit_opportunity", id=later[-1], fields={"NextStep": "x"})
            last = page.cursor or last
        read = {d.source_id: d for d in deals(await found.read(DEALS, last))}
        assert Decimal("77.00") in [each.unit_price for each in read[deal].lines]

    asyncio.run(story())


def test_records_that_moved_rows_point_at_survive_an_interruption() -> None:
    async def story() -> None:
        found = furnish(rig())
        ids = {found.made["deal"], *(new_deal(found, f"Deal {n}") for n in range(500))}
        found.clock.advance(7200)
        cursor = cursor_of(await found.read(DEALS))
        found.clock.advance(7200)
        found.act("edit_record", id=found.made["product"], fields={"ProductCode": "LAG-9"})
        first = None
        async for page in found.connector.changes_since(DEALS, cursor, None):
            first = page
            break
        assert first is not None
        assert 0 < len(first.records) < len(ids)
        rest = await found.read(DEALS, cursor, first.resume)
        assert {d.source_id for d in deals([first, *rest])} == ids

    asyncio.run(story())


def test_wide_rows_come_in_shorter_pages_than_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        found = furnish(rig())
        ids = {found.made["deal"], *(new_deal(found, f"Deal {n}") for n in range(19))}
        monkeypatch.setattr("tieout_sandbox.salesforce.queries.page_size", lambda *_, **__: 7)
        pages = await found.read(DEALS)
        assert [len(page.records) for page in pages] == [7, 7, 6, 0]
        refs = [ExternalRef("sf", "deal", record_id) for record_id in sorted(ids)]
        assert None not in await found.connector.get(refs, DEALS)
        keys = [pair async for page in found.connector.keys(Entity.DEAL) for pair in page]
        assert {ref.id for ref, _ in keys} == ids

    asyncio.run(story())


def test_a_session_that_ends_in_the_middle_is_renewed() -> None:
    async def story() -> None:
        found = furnish(rig())
        await found.read(DEALS)
        before = found.connector.api.tokens.renewals
        found.act("expire_sessions")
        assert len(deals(await found.read(DEALS))) == 1
        assert found.connector.api.tokens.renewals == before + 1

    asyncio.run(story())


def test_an_org_that_moved_is_found_at_its_new_host() -> None:
    async def story() -> None:
        found = furnish(rig())
        await found.connector.company()
        renewals = found.connector.api.tokens.renewals
        found.fault("status", method="GET", path="/services/data/v68.0/query", status=420)
        with pytest.raises(TransientError) as moved:
            await found.read(DEALS)
        assert moved.value.code == "host_moved"
        assert found.connector.api.tokens.renewals == renewals + 1
        assert len(deals(await found.read(DEALS))) == 1

    asyncio.run(story())


def test_a_thousand_won_deals_cost_pages_and_not_a_call_each() -> None:
    async def story() -> None:
        found = furnish(rig())
        ids = [new_deal(found, f"Deal {number}") for number in range(1000)]
        found.act("win", ids=ids)
        await found.connector.company()
        await found.read(Selection(entity=Entity.ITEM))
        before = found.calls()
        read = deals(await found.read(DEALS))
        assert len([d for d in read if d.state is DealState.WON]) == 1000
        assert all(len(d.lines) == 2 for d in read)
        # One page of rows, and once the describes of head and lines.
        assert found.calls() - before <= 4

    asyncio.run(story())


def test_a_quiet_read_costs_one_call_however_many_deals_there_are() -> None:
    async def story() -> None:
        found = furnish(rig())
        for number in range(300):
            new_deal(found, f"Deal {number}")
        cursor = cursor_of(await found.read(DEALS))
        found.clock.advance(7200)
        cursor = cursor_of(await found.read(DEALS, cursor))
        before = found.calls()
        pages = await found.read(DEALS, cursor)
        assert deals(pages) == []
        assert found.calls() - before == 1

    asyncio.run(story())


@pytest.mark.parametrize("refused", ["whole", "part"])
def test_queries_that_were_not_answered_together_are_asked_alone(refused: str) -> None:
    async def story() -> None:
        found = furnish(rig())
        cursor = cursor_of(await found.read(DEALS))
        found.clock.advance(7200)
        other = new_deal(found, "Lager 4")
        composite = "/services/data/v68.0/composite"
        if refused == "whole":
            body = [{"errorCode": "FUNCTIONALITY_NOT_ENABLED", "message": "no composite"}]
            found.fault("status", method="POST", path=composite, status=400, body=body)
        else:
            found.fault("batch_cut", method="POST", path=composite, items=2)
        before = found.calls()
        pages = await found.read(DEALS, cursor)
        assert {d.source_id for d in deals(pages)} >= {other}
        assert found.calls() - before > 2

    asyncio.run(story())


def test_get_answers_in_order_with_few_calls() -> None:
    async def story() -> None:
        found = furnish(rig())
        ids = [new_deal(found, f"Deal {number}") for number in range(900)]
        found.act("delete_opportunity", id=ids[5])
        refs = [ExternalRef("sf", "deal", record_id) for record_id in ids]
        refs.append(ExternalRef("sf", "deal", ids[0][:15]))
        refs.append(ExternalRef("sf", "deal", "not-an-id"))
        await found.connector.get(refs[:1], DEALS)
        before = found.calls()
        got = await found.connector.get(refs, DEALS)
        assert found.calls() - before <= 5
        assert got[5] is None
        assert got[-1] is None
        seen = [r.ref.id if r is not None and r.ref else None for r in got[:900]]
        assert seen == [None if n == 5 else record_id for n, record_id in enumerate(ids)]
        assert got[900] == got[0]
        longest = max(len(request.url) for request in found.transport.requests)
        assert longest < 14_000

    asyncio.run(story())


def test_keys_are_complete_and_have_the_versions_of_the_records() -> None:
    async def story() -> None:
        found = furnish(rig(page_rows=200))
        for number in range(220):
            new_deal(found, f"Deal {number}")
        keys = [pair async for page in found.connector.keys(Entity.DEAL) for pair in page]
        versions = {d.ref: d.version for d in deals(await found.read(DEALS))}
        assert dict(keys) == versions
        assert len(keys) == 221

    asyncio.run(story())


def test_keys_raise_rather_than_be_incomplete() -> None:
    async def story() -> None:
        found = furnish(rig())
        await found.connector.company()
        found.fault("status", method="GET", path="/services/data/v68.0/query", status=503, times=9)
        with pytest.raises(TransientError):
            [page async for page in found.connector.keys(Entity.DEAL)]
        short = {"totalSize": 2, "done": True, "records": []}
        path = "/services/data/v68.0/query"
        found.simulator.faults.clear()
        found.fault("status", method="GET", path=path, status=200, body=short)
        with pytest.raises(TransientError, match="2 rows"):
            [page async for page in found.connector.keys(Entity.DEAL)]

    asyncio.run(story())


def test_a_long_list_of_lines_comes_in_pages_of_its_own() -> None:
    async def story() -> None:
        found = furnish(rig())
        whole = deals(await found.read(DEALS))[0]
        cut_lists(found, keep=1)
        assert deals(await found.read(DEALS))[0] == whole
        # The place of the rest is forgotten too: then the lines are asked by their deal.
        cut_lists(found, keep=1, forgotten=True)
        assert deals(await found.read(DEALS))[0] == whole

    asyncio.run(story())


def cut_lists(found: Rig, *, keep: int, forgotten: bool = False) -> None:
    """From now on the org gives lists of children in pages, as it does with long ones."""
    from tieout.connectors.http.json import dumps, loads
    from tieout.ports import HttpRequest, HttpResponse

    inner = type(found.transport).send
    rest: dict[str, Any] = {}

    async def send(request: HttpRequest) -> HttpResponse:
        key = request.url.rsplit("/", 1)[-1]
        if key in rest:
            if forgotten:
                body = dumps([{"errorCode": "INVALID_QUERY_LOCATOR", "message": "invalid"}])
                return HttpResponse(status=400, headers={}, body=body)
            page = {"totalSize": 2, "done": True, "records": rest[key]}
            return HttpResponse(status=200, headers={}, body=dumps(page))
        answer = await inner(found.transport, request)
        if "/query" not in request.url or answer.status != 200:
            return answer
        value = loads(answer.body)
        for number, record in enumerate(value["records"]):
            lines = record.get("OpportunityLineItems")
            if lines and len(lines["records"]) > keep:
                locator = f"0r8xx{number:010d}AAA-{keep}"
                rest[locator] = lines["records"][keep:]
                record["OpportunityLineItems"] = {
                    "totalSize": len(lines["records"]),
                    "done": False,
                    "nextRecordsUrl": f"/services/data/v68.0/query/{locator}",
                    "records": lines["records"][:keep],
                }
        return HttpResponse(status=200, headers=answer.headers, body=dumps(value))

    found.transport.send = send  # type: ignore[method-assign]
