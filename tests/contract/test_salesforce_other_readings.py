"""What the vendor's pages leave open, read the other way: a right result, or held and told."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from support.inprocess_salesforce import (
    DEALS,
    Rig,
    cursor_of,
    deals,
    furnish,
    records,
    rig,
    standing_change,
)
from support.salesforce_writing import prepared, write
from tieout.core.change import (
    Action,
    Applied,
    Change,
    Prepared,
    Refused,
    Rejected,
    Stale,
    Unknown,
    Wanted,
)
from tieout.core.model import Contact, Entity, ExternalRef, Item
from tieout.ports import Selection


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("Product2", "QuantityUnitOfMeasure"),
        ("Product2", "ProductCode"),
        ("Contact", "Phone"),
        ("Contact", "Email"),
    ],
)
def test_a_hidden_field_of_a_parent_hides_no_deal(kind: str, name: str) -> None:
    async def story() -> None:
        found = furnish(rig())
        person = found.act("create_contact", account=found.made["account"], last_name="Ek")
        deal = found.made["deal"]
        found.act("add_contact_role", opportunity=deal, contact=person["id"], primary=True)
        found.act("hide_field", object=kind, field=name)
        pages = await found.read(DEALS)
        (read,) = (one for one in deals(pages) if one.source_id == deal)
        assert read.lines[0].item is not None
        assert read.lines[0].item.number == ("" if name == "ProductCode" else "LAG-1")
        assert read.billing_contact is not None
        assert read.billing_contact.family == "Ek"
        # A later read asks about the parents too.
        found.clock.advance(3600)
        found.act("edit_record", id=person["id"], fields={"FirstName": "Siv"})
        (later,) = deals(await found.read(DEALS, cursor_of(pages)))
        assert later.billing_contact is not None
        assert later.billing_contact.given == "Siv"

    asyncio.run(story())


@pytest.mark.parametrize("name", ["Contact", "Product2"])
def test_a_hidden_parent_hides_no_deal(name: str) -> None:
    async def story() -> None:
        found = furnish(rig())
        person = found.act("create_contact", account=found.made["account"], last_name="Ek")
        deal = found.made["deal"]
        found.act("add_contact_role", opportunity=deal, contact=person["id"], primary=True)
        found.act("hide_object", object=name)
        pages = await found.read(DEALS)
        (read,) = (one for one in deals(pages) if one.source_id == deal)
        assert len(read.lines) == 2
        found.clock.advance(3600)
        found.act("edit_record", id=deal, fields={"Name": "Lager 3b"})
        (later,) = deals(await found.read(DEALS, cursor_of(pages)))
        assert later.title == "Lager 3b"

    asyncio.run(story())


@pytest.mark.parametrize("body", ["<html>We are moving. Back at noon.</html>", "", "null"])
def test_a_page_in_place_of_an_answer_is_no_success(body: str) -> None:
    async def story() -> None:
        found, change = _person(title="CFO")
        path = f"/services/data/v68.0/sobjects/Contact/{found.made['person']}"
        found.fault("status", method="PATCH", path=path, status=200, body=body)
        (outcome,) = await write(found, change)
        assert isinstance(outcome, Unknown)
        assert found.row("Contact", found.made["person"]).get("Title") is None
        (outcome,) = await write(found, change)
        assert isinstance(outcome, Applied)

    asyncio.run(story())


@pytest.mark.parametrize("counted", ["characters", "utf16"])
def test_a_cut_text_fits_however_the_platform_counts(counted: str) -> None:
    async def story() -> None:
        found, change = _person(title="🎉" * 100, given="Ann")
        found.act("set_switch", name="text_length_in", value=counted)
        (outcome,) = await write(found, change)
        assert isinstance(outcome, Applied)
        assert found.row("Contact", found.made["person"])["Title"] == "🎉" * 63 + "…"

    asyncio.run(story())


@pytest.mark.parametrize("named", [True, False])
def test_a_row_that_names_a_missing_one_is_refused_and_not_tried_for_ever(named: bool) -> None:
    async def story() -> None:
        other = "001xx0000009999"
        found, change = _person(customer=ExternalRef("sf", "customer", other))
        if not named:
            body = '[{"message":"invalid cross reference id","errorCode":'
            body += '"INVALID_CROSS_REFERENCE_KEY","fields":[]}]'
            path = f"/services/data/v68.0/sobjects/Contact/{found.made['person']}"
            found.fault("status", method="PATCH", path=path, status=400, body=body)
        (outcome,) = await write(found, change)
        assert isinstance(outcome, Rejected)
        assert outcome.findings[0].code == "record_gone"
        assert "invalid cross reference id" in outcome.findings[0].message

    asyncio.run(story())


def test_a_row_that_is_gone_itself_is_decided_anew() -> None:
    async def story() -> None:
        found, change = _person(title="CFO")
        (wire,) = found.connector.pack(await prepared(found, change))
        found.act("delete_record", id=found.made["person"])
        (outcome,) = await found.connector.send(wire)
        assert isinstance(outcome, Stale)

    asyncio.run(story())


@pytest.mark.parametrize("told", [False, True])
def test_amounts_in_another_currency_than_the_orgs_one_say_so_or_are_held(told: bool) -> None:
    async def story() -> None:
        standing = {"open": "Ar_Balance__c", **({"currency": "Erp_Currency__c"} if told else {})}
        found = rig(currency="SEK", account_standing=standing)
        account = found.act("create_account", name="Ekfors Trä AB")["id"]
        found.act("create_field", object="Account", field="Erp_Currency__c", type="string:3")
        found.act("hide_field", object="Account", field="CurrencyIsoCode")
        euro = standing_change("K1", account, open=Decimal("100.00"), currency="EUR")
        krona = standing_change("K2", account, open=Decimal("100.00"), currency="SEK")
        (made,) = await found.connector.prepare([euro])
        if told:
            assert isinstance(made, Prepared)
        else:
            assert isinstance(made, Refused)
            assert made.findings[0].code == "currency_not_allowed"
        assert all(isinstance(one, Applied) for one in await write(found, krona))

    asyncio.run(story())


def _person(**wanted: Any) -> tuple[Rig, Change]:
    """An org with one contact, and the change that puts these values on it."""
    found = rig()
    found.made["account"] = found.act("create_account", name="Ekfors Trä AB")["id"]
    made = found.act("create_contact", account=found.made["account"], last_name="Ek")
    found.made["person"] = made["id"]
    return found, Change(
        key="K" * 13 + "M00",
        entity=Entity.CONTACT,
        action=Action.UPDATE,
        wanted=Wanted(record=Contact(**wanted), fields=frozenset(wanted)),
        target=ExternalRef("sf", "contact", made["id"]),
    )


@pytest.mark.parametrize("written", ["exponent", "plain"])
def test_large_and_whole_numbers_are_read_as_people_write_them(written: str) -> None:
    async def story() -> None:
        found = rig()
        found.act("set_switch", name="large_numbers", value=written)
        account = found.act("create_account", name="Ekfors Trä AB")["id"]
        for name, shape in (("Contract__c", "double:18.0"), ("Budget__c", "currency:16.2")):
            found.act("create_field", object="Opportunity", field=name, type=shape)
        product = found.act("create_product", name="Ångpanna", code="P", price=12_500_000)["id"]
        lines = [{"product": product, "quantity": 1, "unit_price": 12_500_000}]
        deal = found.act("create_opportunity", name="Verket", account=account, lines=lines)["id"]
        fields = {"Contract__c": 5567890120, "Budget__c": 30_000_000}
        found.act("edit_record", id=deal, fields=fields)
        want = replace(DEALS, extra=("Contract__c", "Budget__c"))
        (read,) = deals(await found.read(want))
        assert str(read.extra["Contract__c"]) == "5567890120"
        assert read.extra["Budget__c"] == 30_000_000
        assert (
            "E" not in f"{read.extra['Budget__c']} {read.stated_total} {read.lines[0].unit_price}"
        )
        assert read.stated_total == read.lines[0].unit_price == 12_500_000
        # A number that stands for a name, as a purchase order's, is that name.
        named = rig(deal={"po_number": "Contract__c"})
        named.act("set_switch", name="large_numbers", value=written)
        named.act("create_field", object="Opportunity", field="Contract__c", type="double:18.0")
        for number in (5567890120, 4711):
            one = named.act("create_opportunity", name="Verket", fields={"Contract__c": number})
            (shown,) = (d for d in deals(await named.read(DEALS)) if d.source_id == one["id"])
            assert shown.po_number == str(number)

    asyncio.run(story())


def test_a_mapping_of_very_many_fields_is_read_all_the_same() -> None:
    async def story() -> None:
        found = furnish(rig())
        names = [f"A_very_long_name_of_a_field_{n:03}_of_this_org__c" for n in range(330)]
        for name in names:
            found.act("create_field", object="Opportunity", field=name, type="string:40")
        found.act("edit_record", id=found.made["deal"], fields={names[-1]: "seen"})
        (read,) = deals(await found.read(replace(DEALS, extra=tuple(names))))
        assert read.extra[names[-1]] == "seen"
        assert found.transport.to("/composite")

    asyncio.run(story())


def test_hidden_price_books_hide_no_item() -> None:
    async def story() -> None:
        found = furnish(rig())
        found.act("hide_object", object="Pricebook2")
        want = Selection(entity=Entity.ITEM)
        pages = await found.read(want)
        items = {one.number: one for one in records(pages) if isinstance(one, Item)}
        assert items["LAG-1"].price is None
        found.clock.advance(3600)
        assert await found.read(want, cursor_of(pages))

    asyncio.run(story())


def test_hidden_price_books_hold_a_price_and_nothing_else() -> None:
    async def story() -> None:
        found = rig()
        found.act("hide_object", object="Pricebook2")
        priced = Item(number="A-1", name="Vara", price=Decimal("10.00"), active=True)
        named = frozenset({"number", "name", "active"})
        fields = (named | {"price"}, named)
        changes = [
            Change(
                key=key,
                entity=Entity.ITEM,
                action=Action.CREATE,
                wanted=Wanted(record=priced, fields=wanted),
            )
            for key, wanted in zip(("K" * 13 + "M00", "K" * 13 + "M01"), fields, strict=True)
        ]
        held, made = await found.connector.prepare(changes)
        assert isinstance(held, Refused)
        assert [finding.code for finding in held.findings] == ["object_missing"]
        assert isinstance(made, Prepared)

    asyncio.run(story())
