"""Reading Salesforce through the port: what changed, what is gone, what else it brings."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from support.inprocess_salesforce import (
    DEALS,
    cursor_of,
    deals,
    furnish,
    new_deal,
    records,
    rig,
)
from tieout.core.errors import ConnectionBrokenError
from tieout.core.model import (
    Contact,
    Customer,
    DealKind,
    DealState,
    Entity,
    ExternalRef,
    Item,
)
from tieout.ports import Selection

CUSTOMERS = Selection(entity=Entity.CUSTOMER)


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
