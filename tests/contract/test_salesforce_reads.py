"""Reading Salesforce through the port: what changed, what is gone, and how many calls it costs."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from support.inprocess_salesforce import Rig, cursor_of, records, rig
from tieout.core.errors import ConnectionBrokenError, TransientError
from tieout.core.model import (
    Contact,
    Customer,
    Deal,
    DealKind,
    DealState,
    Entity,
    ExternalRef,
    Item,
)
from tieout.ports import Selection

DEALS = Selection(entity=Entity.DEAL, shape="s1")
CUSTOMERS = Selection(entity=Entity.CUSTOMER)


def furnish(found: Rig) -> Rig:
    """An account with a product and one open deal of two lines."""
    act = found.act
    found.made["account"] = act("create_account", name="Ekfors Trä AB")["id"]
    found.made["product"] = act("create_product", name="Lagerhylla", code="LAG-1", price=1000)["id"]
    found.made["deal"] = new_deal(found, "Lager 3")
    return found


def new_deal(found: Rig, name: str) -> str:
    lines = [
        {"product": "LAG-1", "quantity": 3, "unit_price": "1249.50", "discount": "10"},
        {"product": "LAG-1", "quantity": 1, "unit_price": "0.05", "description": "Frakt"},
    ]
    made = found.act("create_opportunity", name=name, account=found.made["account"], lines=lines)
    return str(made["id"])


def deals(pages: list[Any]) -> list[Deal]:
    found = records(pages)
    assert all(isinstance(record, Deal) for record in found)
    return [record for record in found if isinstance(record, Deal)]


def test_a_deal_is_read_with_its_lines_and_exact_amounts() -> None:
    async def story() -> None:
        found = furnish(rig())
        found.act("win", id=found.made["deal"])
        deal = next(d for d in deals(await found.read(DEALS)) if d.title == "Lager 3")
        assert deal.kind is DealKind.OPPORTUNITY
        assert deal.state is DealState.WON
        assert deal.source_id == found.made["deal"]
        assert deal.customer == ExternalRef("sf", "customer", found.made["account"])
        assert deal.shape == "s1"
        assert [line.stated_net for line in deal.lines] == [Decimal("3373.65"), Decimal("0.05")]
        assert str(deal.lines[0].unit_price) == "1249.50"
        assert deal.lines[0].discount == Decimal("0.1")
        assert deal.lines[0].item is not None
        assert deal.lines[0].item.number == "LAG-1"
        assert deal.lines[1].text == "Frakt"
        assert str(deal.stated_total) == "3373.70"
        assert sum(line.stated_net or 0 for line in deal.lines) == deal.stated_total

    asyncio.run(story())


def test_a_later_read_gives_what_changed_since() -> None:
    async def story() -> None:
        found = furnish(rig())
        found.clock.advance(3600)
        cursor = cursor_of(await found.read(DEALS))
        found.clock.advance(3600)
        other = new_deal(found, "Lager 4")
        pages = await found.read(DEALS, cursor)
        assert [deal.source_id for deal in deals(pages)] == [other]
        found.clock.advance(3600)
        # The stretch before the last stamp is read once more, and then left behind.
        overlap = await found.read(DEALS, cursor_of(pages))
        assert {deal.source_id for deal in deals(overlap)} <= {other}
        assert deals(await found.read(DEALS, cursor_of(overlap))) == []

    asyncio.run(story())


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


def test_a_row_committed_late_with_an_older_stamp_is_found() -> None:
    async def story() -> None:
        found = furnish(rig())
        found.clock.advance(1000)
        found.act("win", id=found.made["deal"])
        cursor = cursor_of(await found.read(DEALS))
        found.clock.advance(30)
        account = found.made["account"]
        late = found.act(
            "late_commit",
            action="create_opportunity",
            arguments={"name": "Late", "account": account},
            age_s=300,
        )
        pages = await found.read(DEALS, cursor)
        assert late["id"] in [deal.source_id for deal in deals(pages)]

    asyncio.run(story())


def test_a_second_edit_in_the_same_second_is_found() -> None:
    async def story() -> None:
        found = furnish(rig())
        deal = found.made["deal"]
        found.act("edit_opportunity", id=deal, fields={"NextStep": "one"})
        want = Selection(entity=Entity.DEAL, extra=("NextStep",))
        first = await found.read(want)
        found.act("edit_opportunity", id=deal, fields={"NextStep": "two"})
        second = deals(await found.read(want, cursor_of(first)))
        assert [d.extra["NextStep"] for d in second] == ["two"]
        assert second[0].version == deals(first)[0].version

    asyncio.run(story())


def test_a_line_that_moves_without_its_head_brings_the_deal() -> None:
    async def story() -> None:
        found = furnish(rig())
        deal = found.made["deal"]
        cursor = cursor_of(await found.read(DEALS))
        found.clock.advance(7200)
        table = found.simulator.org.tables["OpportunityLineItem"]
        line = table.find("OpportunityId", deal)[0]
        head = dict(found.row("Opportunity", deal))
        found.act("edit_lines", id=deal, change=[{"id": line["Id"], "unit_price": "1300.00"}])
        found.simulator.org.tables["Opportunity"].put(head)
        found.simulator.org.journal.clear()
        moved = deals(await found.read(DEALS, cursor))
        assert [d.source_id for d in moved] == [deal]
        assert Decimal("1300.00") in [moved_line.unit_price for moved_line in moved[0].lines]

    asyncio.run(story())


def test_a_product_that_gets_its_code_brings_the_deals_that_sold_it() -> None:
    async def story() -> None:
        found = furnish(rig())
        product = found.made["product"]
        found.act("edit_record", id=product, fields={"ProductCode": None})
        cursor = cursor_of(await found.read(DEALS))
        found.clock.advance(7200)
        found.act("edit_record", id=product, fields={"ProductCode": "LAG-9"})
        moved = deals(await found.read(DEALS, cursor))
        assert found.made["deal"] in [d.source_id for d in moved]
        item = moved[0].lines[0].item
        assert item is not None
        assert item.number == "LAG-9"

    asyncio.run(story())


def test_the_billing_contact_comes_with_the_deal_and_brings_it_when_edited() -> None:
    async def story() -> None:
        found = furnish(rig())
        deal, account = found.made["deal"], found.made["account"]
        person = found.act(
            "create_contact", account=account, last_name="Ek", fields={"Email": "ek@example.com"}
        )["id"]
        cursor = cursor_of(await found.read(DEALS))
        found.clock.advance(7200)
        found.act("add_contact_role", opportunity=deal, contact=person, role="Billing")
        pages = await found.read(DEALS, cursor)
        contact = deals(pages)[0].billing_contact
        assert contact is not None
        assert (contact.family, contact.email) == ("Ek", "ek@example.com")
        found.clock.advance(7200)
        found.act("edit_record", id=person, fields={"Email": "faktura@example.com"})
        contact = deals(await found.read(DEALS, cursor_of(pages)))[0].billing_contact
        assert contact is not None
        assert contact.email == "faktura@example.com"

    asyncio.run(story())


def test_a_field_read_through_the_account_brings_the_deal_when_the_account_changes() -> None:
    async def story() -> None:
        found = furnish(rig())
        want = Selection(entity=Entity.DEAL, extra=("account.payment_terms__c",))
        cursor = cursor_of(await found.read(want))
        found.clock.advance(7200)
        account = found.made["account"]
        found.act("edit_account", id=account, fields={"Payment_Terms__c": "Net 45"})
        moved = deals(await found.read(want, cursor))
        assert [d.extra for d in moved if d.source_id == found.made["deal"]] == [
            {"account.payment_terms__c": "Net 45"}
        ]

    asyncio.run(story())


def test_deleted_and_merged_records_are_gone_for_certain() -> None:
    async def story() -> None:
        found = furnish(rig())
        loser = found.act("create_account", name="Ekfors Tra")["id"]
        cursor = cursor_of(await found.read(DEALS))
        accounts = cursor_of(await found.read(CUSTOMERS))
        found.clock.advance(7200)
        found.act("delete_opportunity", id=found.made["deal"])
        found.act("merge_accounts", winner=found.made["account"], losers=[loser])
        pages = await found.read(DEALS, cursor)
        assert [(g.ref.id, g.certain) for p in pages for g in p.gone] == [
            (found.made["deal"], True)
        ]
        merged = await found.read(CUSTOMERS, accounts)
        gone = [g for page in merged for g in page.gone]
        assert [g.ref.id for g in gone] == [loser]
        assert gone[0].merged_into == ExternalRef("sf", "customer", found.made["account"])
        found.clock.advance(60)
        found.act("undelete", id=found.made["deal"])
        back = deals(await found.read(DEALS, cursor_of(pages)))
        assert [d.source_id for d in back] == [found.made["deal"]]

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


def test_accounts_contacts_and_products_are_read() -> None:
    async def story() -> None:
        found = furnish(rig())
        account = found.act(
            "create_account",
            name="Indre kommune",
            fields={
                "Org_Number__c": "974761076",
                "BillingStreet": "Storgata 1",
                "BillingCity": "Oslo",
                "BillingPostalCode": "0155",
                "BillingCountryCode": "NO",
                "Invoice_Email__c": "faktura@example.no",
                "Payment_Terms__c": "Net 30",
            },
        )["id"]
        person = found.act(
            "create_contact", account=account, last_name="Ek", fields={"FirstName": "Ann"}
        )["id"]
        customers = {c.ref.id: c for c in records(await found.read(CUSTOMERS)) if c.ref}
        customer = customers[account]
        assert isinstance(customer, Customer)
        address = customer.address()
        assert address is not None
        assert (address.lines, address.country) == (("Storgata 1",), "NO")
        number = customer.identifier("company")
        assert number is not None
        assert (number.raw, number.country) == ("974761076", "NO")
        assert customer.emails["invoice"] == "faktura@example.no"
        people = records(await found.read(Selection(entity=Entity.CONTACT)))
        contact = next(c for c in people if c.ref and c.ref.id == person)
        assert isinstance(contact, Contact)
        assert contact.name == "Ann Ek"
        assert contact.customer == customer.ref
        items = records(await found.read(Selection(entity=Entity.ITEM)))
        item = next(i for i in items if i.ref and i.ref.id == found.made["product"])
        assert isinstance(item, Item)
        assert (item.number, item.active) == ("LAG-1", True)

    asyncio.run(story())


def test_an_unknown_path_is_told_with_the_closest_names_and_the_rest_is_read() -> None:
    async def story() -> None:
        found = furnish(rig())
        want = Selection(
            entity=Entity.DEAL,
            extra=("Po_Nmber__c", "Account.Payment_Term__c", "line.Product2.Famly", "Campaing.X"),
        )
        pages = await found.read(want)
        told = {finding.place: finding for page in pages for _, finding in page.unread}
        assert {f.code for f in told.values()} == {"unknown_field"}
        assert "Po_Number__c" in told["Po_Nmber__c"].message
        assert "Payment_Terms__c" in told["Account.Payment_Term__c"].message
        assert "Family" in told["line.Product2.Famly"].message
        assert "Campaing.X" in told
        assert len(deals(pages)) == 1
        assert deals(pages)[0].extra == {}
        assert [f.place for f in await found.connector.unknown_fields(want)] == list(told)

    asyncio.run(story())


def test_a_field_that_is_hidden_later_breaks_one_read_and_not_the_next() -> None:
    async def story() -> None:
        found = furnish(rig())
        want = Selection(entity=Entity.DEAL, extra=("NextStep",))
        await found.read(want)
        found.act("hide_field", object="Opportunity", field="NextStep")
        with pytest.raises(ConnectionBrokenError) as broken:
            await found.read(want)
        assert broken.value.code == "unknown_field"
        pages = await found.read(want)
        assert len(deals(pages)) == 1
        assert [f.place for page in pages for _, f in page.unread] == ["NextStep"]

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


def test_orders_and_quotes_are_read_as_deals_of_their_opportunity() -> None:
    async def story() -> None:
        found = furnish(rig(sources=["opportunity", "order", "quote"]))
        org = found.simulator.org
        from tieout_sandbox.salesforce.writes import Writer

        writer = Writer(org=org, user_id=org.user_id, person=True, save_duplicates=True)
        entry = next(
            e
            for e in org.tables["PricebookEntry"].live()
            if e["Product2Id"] == found.made["product"]
        )
        person = found.act("create_contact", account=found.made["account"], last_name="Ek")["id"]
        with org.transaction():
            order = writer.create(
                "Order",
                {
                    "AccountId": found.made["account"],
                    "EffectiveDate": "2026-11-26",
                    "Status": "Draft",
                    "OpportunityId": found.made["deal"],
                    "Pricebook2Id": org.standard_book(),
                    "PoNumber": "PO-9",
                    "BillToContactId": person,
                },
            )
            writer.create(
                "OrderItem",
                {
                    "OrderId": order,
                    "PricebookEntryId": entry["Id"],
                    "Quantity": Decimal(2),
                    "UnitPrice": Decimal("10.50"),
                },
            )
            quote = writer.create(
                "Quote",
                {
                    "Name": "Offert",
                    "OpportunityId": found.made["deal"],
                    "Pricebook2Id": org.standard_book(),
                    "Status": "Accepted",
                },
            )
        found_by = {d.ref.id: d for d in deals(await found.read(DEALS)) if d.ref}
        read = found_by[order]
        assert read.kind is DealKind.ORDER
        assert read.source_id == found.made["deal"]
        assert read.state is DealState.OPEN
        assert read.po_number == "PO-9"
        assert read.lines[0].stated_net == Decimal("21.00")
        assert found_by[quote].state is DealState.WON
        assert found_by[quote].source_id == found.made["deal"]
        only = await found.read(Selection(entity=Entity.DEAL, kinds=frozenset({"order"})))
        assert [d.ref.id for d in deals(only) if d.ref] == [order]
        got = await found.connector.get([ExternalRef("sf", "deal", order)], DEALS)
        assert got[0] is not None
        found.clock.advance(7200)
        cursor = cursor_of(await found.read(DEALS))
        found.clock.advance(7200)
        assert deals(await found.read(DEALS, cursor)) == []
        found.act("edit_record", id=person, fields={"Email": "faktura@example.com"})
        moved = deals(await found.read(DEALS, cursor))
        assert [d.ref.id for d in moved if d.ref] == [order]
        assert moved[0].billing_contact is not None
        assert moved[0].billing_contact.email == "faktura@example.com"

    asyncio.run(story())
