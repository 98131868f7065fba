"""What webCRM's rows become: dates, drop-downs, names of countries, lines, discounts, states."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from support.webcrm_rig import (
    CONTACTS,
    CUSTOMERS,
    DEALS,
    ITEMS,
    NAME,
    Rig,
    codes,
    deals,
    records,
    rig,
)
from tieout.core.model import (
    Contact,
    Customer,
    Deal,
    DealKind,
    DealState,
    Entity,
    ExternalRef,
    Item,
    LineKind,
    PartyKind,
    Record,
)
from tieout.ports import Selection

D = Decimal


async def one(found: Rig, number: int, want: Selection = DEALS) -> Deal:
    """A deal as a whole read gives it."""
    pages = await found.read(want)
    assert codes(pages) == []
    return deals(pages)[f"deal:{number}"]


async def customer(found: Rig, number: int, want: Selection = CUSTOMERS) -> Customer:
    record = records(await found.read(want))[f"organisation:{number}"]
    assert isinstance(record, Customer)
    return record


def run(story: Any) -> None:
    asyncio.run(story)


def test_a_delivery_is_a_won_deal_with_its_lines() -> None:
    async def story() -> None:
        found = rig()
        number = found.deal(set={"Number": "4711", "OpportunityCustom2": "PO 9"})
        deal = await one(found, number)
        assert deal.ref == ExternalRef(NAME, "deal", f"deal:{number}")
        assert deal.source_id == f"deal:{number}"
        assert (deal.kind, deal.state, deal.number) == (DealKind.DELIVERY, DealState.WON, "4711")
        assert deal.customer == ExternalRef(
            NAME, "customer", f"organisation:{found.made['organisation']}"
        )
        assert deal.po_number == "PO 9"
        assert deal.currency == "SEK"
        assert deal.close_date == date(2026, 11, 25)
        assert deal.won_at == datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
        first, second = deal.lines
        assert first.item is not None
        assert (first.item.number, first.item.name, first.unit) == ("LAG-1", "Lagerhylla", "stk")
        assert (first.quantity, first.unit_price, first.discount) == (3, D("1249.5"), D("0.1"))
        assert second.text == "Frakt"
        assert deal.stated_total == D("3373.70")

    run(story())


@pytest.mark.parametrize("form", ["mixed", "utc", "local", "bare"])
def test_the_year_one_is_no_date_in_every_form(form: str) -> None:
    async def story() -> None:
        found = rig()
        found.assume("no_date", form)
        number = found.deal("add_opportunity", set={"OrderDate": "0001-01-01T00:00:00Z"})
        deal = await one(found, number)
        assert (deal.close_date, deal.won_at, deal.state) == (None, None, DealState.OPEN)

    run(story())


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("2026-06-12T00:00:00Z", date(2026, 6, 12)),  # midnight UTC, shown at two in the morning
        ("2026-01-12T00:00:00Z", date(2026, 1, 12)),
        ("2026-06-11T22:00:00Z", date(2026, 6, 12)),  # midnight in Copenhagen
        ("2026-06-12T22:30:00Z", date(2026, 6, 13)),  # half past midnight there
        ("2026-06-12T14:00:00Z", date(2026, 6, 12)),
    ],
)
def test_a_day_is_not_moved_by_the_local_time_that_it_is_written_in(
    written: str, day: date
) -> None:
    async def story() -> None:
        found = rig()
        found.assume("order_date_keeps_time", True)
        assert (await one(found, found.deal(set={"OrderDate": written}))).close_date == day

    run(story())


def test_a_delivery_without_an_order_date_was_sold_when_it_was_won_there() -> None:
    async def story() -> None:
        found = rig()
        found.clock.advance(14 * 3600 + 40 * 60)  # 23:40 UTC, 00:40 in Copenhagen
        number = found.deal(set={"OrderDate": "0001-01-01T00:00:00Z"})
        assert (await one(found, number)).close_date == date(2026, 11, 26)

    run(story())


@pytest.mark.parametrize("unset", ["00", ""])
def test_a_currency_that_is_not_set_is_the_connections_own(unset: str) -> None:
    async def story() -> None:
        found = rig(currency="DKK", currencies={"Kroner": "NOK"})
        found.assume("currency_unset", unset)
        plain, named, unknown = (found.deal(currency=c) for c in ("", "kroner", "Taler"))
        found_deals = deals(await found.read(DEALS))
        assert found_deals[f"deal:{plain}"].currency == "DKK"
        assert found_deals[f"deal:{named}"].currency == "NOK"
        # It stays as it is, and the gate of currencies says so on the deal.
        assert found_deals[f"deal:{unknown}"].currency == "Taler"
        bare = rig(currency="")
        bare.assume("currency_unset", unset)
        assert (await one(bare, bare.deal(currency=""))).currency == ""

    run(story())


def test_an_organisation_is_a_customer() -> None:
    async def story() -> None:
        found = rig()
        number = found.organisation(
            Custom4="Yes", Custom5="C-1", Custom9="Yes", Telephone="+45 55 55 01 02"
        )
        record = await customer(found, number)
        assert record.name == "Ekfors Trä AB"
        assert record.kind is PartyKind.COMPANY
        address = record.address("billing")
        assert address is not None
        assert address.lines == ("Storgatan 1", "2 tr")
        assert (address.postcode, address.city, address.country) == ("111 22", "Stockholm", "SE")
        assert [(i.kind, i.raw, i.country) for i in record.identifiers] == [
            ("company", "556036-0793", "SE"),
            ("vat", "SE556036079301", "SE"),
        ]
        assert record.emails == {"invoice": "faktura@ekfors.example"}
        assert record.phones == {"general": "+45 55 55 01 02"}
        assert (record.terms, record.currency, record.number) == ("30: 30 dage", "SEK", "C-1")
        assert record.credit_stop is True
        assert record.extra["reference_required"] is True

    run(story())


def test_what_nobody_chose_is_nothing() -> None:
    async def story() -> None:
        found = rig()
        number = found.organisation(Custom2="", Custom4="No", Custom6="", VatNumber="")
        want = Selection(
            entity=Entity.CUSTOMER,
            extra=(
                "OrganisationIndustry",
                "OrganisationCustom10",
                "OrganisationCustom4",
                "OrganisationStatus",
                "OrganisationMemo",
            ),
        )
        record = await customer(found, number, want)
        assert (record.terms, record.currency, record.credit_stop) == ("", "", False)
        assert [i.kind for i in record.identifiers] == ["company"]
        assert record.extra["OrganisationIndustry"] is None
        assert record.extra["OrganisationCustom10"] is None
        assert record.extra["OrganisationCustom4"] is False
        assert record.extra["OrganisationStatus"] == "Kunde"
        assert record.extra["OrganisationMemo"] is None

    run(story())


@pytest.mark.parametrize(
    ("name", "code"),
    [("Danmark", "DK"), ("Norge", "NO"), ("Sweden", "SE"), ("DK", "DK"), ("Suomi", "FI")],
)
def test_a_country_is_known_by_any_of_its_names(name: str, code: str) -> None:
    async def story() -> None:
        found = rig()
        address = (await customer(found, found.organisation(Country=name))).address("billing")
        assert address is not None
        assert address.country == code

    run(story())


def test_a_country_that_is_not_known_is_said_and_never_guessed() -> None:
    async def story() -> None:
        found = rig()
        number = found.organisation(Country="Kongeriget")
        pages = await found.read(CUSTOMERS)
        record = records(pages)[f"organisation:{number}"]
        assert isinstance(record, Customer)
        address = record.address("billing")
        assert address is not None
        assert address.country == ""
        assert codes(pages) == ["country_unknown"]
        told = rig(countries={"Kongeriget": "DK"})
        address = (await customer(told, told.organisation(Country="kongeriget"))).address()
        assert address is not None
        assert address.country == "DK"

    run(story())


@pytest.mark.parametrize("memo", ["null", "empty"])
def test_a_line_of_text_is_text_and_rich_text_loses_its_tags(memo: str) -> None:
    async def story() -> None:
        found = rig()
        found.assume("unset_memo", memo)
        text = "<p>Leveres efter <b>aftale</b> &amp; tid</p><p>Portkod 17</p>"
        lines = [
            {"item": "LAG-1", "quantity": 1, "price": "10.00", "memo": ""},
            {"memo": text},
            {"item": "-", "text": "Frit valg", "quantity": 1, "price": "0"},
        ]
        deal = await one(found, found.deal(lines=lines))
        assert [line.kind for line in deal.lines] == [LineKind.ITEM, LineKind.TEXT, LineKind.ITEM]
        assert deal.lines[1].text == "Leveres efter aftale & tid\nPortkod 17"
        free = deal.lines[2].item
        assert free is not None
        assert (free.number, free.name) == ("", "Frit valg")

    run(story())


@pytest.mark.parametrize(
    ("kind", "value", "discount", "stated"),
    [
        ("percent", "1000.00", "100.00", "900.00"),  # the value before the discount
        ("percent", "900.00", "100.00", "900.00"),  # the value after it
        ("percent", "950.00", "100.00", "950.00"),  # neither: the gate says so
        ("amount", "1000.00", "10.00", "990.00"),
    ],
)
def test_a_discount_of_the_head_is_never_dropped(
    kind: str, value: str, discount: str, stated: str
) -> None:
    async def story() -> None:
        found = rig(head_discount=kind)
        lines = [{"item": "LAG-1", "quantity": 1, "price": "1000.00"}]
        number = found.deal(lines=lines, value=value, set={"Discount": 10})
        deal = await one(found, number)
        assert (deal.discount, deal.stated_total) == (D(discount), D(stated))

    run(story())


def test_the_value_of_the_head_may_be_off_by_rounding_only() -> None:
    async def story() -> None:
        found = rig()
        lines = [{"item": "LAG-1", "quantity": 3, "price": "3.335"} for _ in range(3)]
        near = await one(found, found.deal(lines=lines, value="30.02"))
        assert near.stated_total == D("30.03")
        off = await one(found, found.deal(lines=lines, value="31.03"))
        assert off.stated_total == D("31.03")
        loose = rig(check_order_value="no")
        assert (await one(loose, loose.deal(lines=lines, value="0"))).stated_total == D("30.03")

    run(story())


def test_a_carried_field_is_found_on_both_and_the_two_sets_are_kept_apart() -> None:
    async def story() -> None:
        found = rig(deal={"po_number": "OpportunityCustom2", "delivered_on": "OpportunityCustom4"})
        want = Selection(
            entity=Entity.DEAL, extra=("OpportunityCustom1", "DeliveryCustom1", "DeliveryStatus")
        )
        values = {"Custom1": "14: 14 dage", "Custom2": "PO-1", "Custom4": "2026-12-01"}
        number = found.deal("add_opportunity", set=values)
        before = await one(found, number, want)
        assert (before.po_number, before.delivered_on) == ("PO-1", date(2026, 12, 1))
        assert before.extra == {
            "OpportunityCustom1": "14: 14 dage",
            "DeliveryCustom1": None,
            "DeliveryStatus": None,
        }
        found.act("win", deal=number)
        found.act("edit_deal", deal=number, set={"Custom1": "07: 7 dage"})
        after = await one(found, number, want)
        assert (after.po_number, after.delivered_on) == ("PO-1", date(2026, 12, 1))
        assert after.extra == {
            "OpportunityCustom1": "14: 14 dage",
            "DeliveryCustom1": "07: 7 dage",
            "DeliveryStatus": "New",
        }

    run(story())


def test_a_day_that_is_no_day_is_a_row_that_is_said_not_dropped() -> None:
    async def story() -> None:
        found = rig()
        good = found.deal()
        bad = found.deal(set={"OpportunityCustom4": "næste uge", "Number": "77"})
        pages = await found.read(DEALS)
        assert set(deals(pages)) == {f"deal:{good}"}
        ((ref, finding),) = pages[0].unread
        assert ref.id == f"deal:{bad}"
        assert '"77"' in finding.message
        assert "næste uge" in finding.message

    run(story())


@pytest.mark.parametrize(
    ("settings", "do", "states"),
    [
        ({}, [("win", {})], ("open", "won")),
        ({"won": "flag"}, [("win", {"how": "flag"}), ("win", {})], ("open", "won", "won")),
        ({"won": "flag"}, [("win", {"how": "level"})], ("open", "open")),
        (
            {"won": "level", "won_levels": "8,10"},
            [("edit_deal", {"set": {"Level": 8}}), ("edit_deal", {"set": {"Level": 6}})],
            ("open", "won", "open"),
        ),
        (
            {"won": "level", "won_levels": "10", "lost_levels": "11"},
            [("lose", {})],
            ("open", "lost"),
        ),
        (
            {"won": "status", "won_statuses": "Planned,Completed"},
            [("win", {}), ("set_delivery_status", {"status": "Planned"})],
            ("open", "open", "won"),
        ),
        (
            {"won": "ready"},
            [
                ("win", {}),
                ("mark_ready", {}),
                ("edit_deal", {"set": {"ErpStatus": "Synchronized"}}),
                ("edit_deal", {"set": {"ErpStatus": "NotReadyForSynchronization"}}),
            ],
            ("open", "open", "won", "won", "open"),
        ),
        ({}, [("lose", {}), ("reopen", {})], ("open", "lost", "open")),
        ({}, [("win", {}), ("reopen", {})], ("open", "won", "open")),
    ],
)
@pytest.mark.parametrize("enums", ["names", "ordinals"])
def test_what_makes_a_deal_won_is_a_setting(
    settings: dict[str, Any], do: list[tuple[str, Any]], states: tuple[str, ...], enums: str
) -> None:
    async def story() -> None:
        found = rig(**settings)
        found.assume("query_enums", enums)
        number = found.deal("add_opportunity")
        seen = [(await one(found, number)).state.value]
        for action, arguments in do:
            word = "delivery" if action == "set_delivery_status" else "deal"
            found.clock.advance(1)
            found.act(action, **{word: number}, **arguments)
            seen.append((await one(found, number)).state.value)
        assert tuple(seen) == states

    run(story())


def test_the_owner_and_the_person_stand_on_the_deal() -> None:
    async def story() -> None:
        found = rig(size=2)
        made = found.act("add_person", organisation=4701, last_name="-", first_name="Reception")
        person = found.act(
            "add_person", organisation=4701, first_name="Mette", last_name="Holm", email="m@x.dk"
        )
        users = {u["UserName"]: u["UserId"] for u in found.rows("Users")}
        name, user = sorted(users.items())[0]
        found.item("LAG-9")
        number = found.deal(
            organisation=4701,
            person=person["PersonId"],
            set={"Responsible": user, "AssignedTo": 0},
            lines=[{"item": "LAG-9", "quantity": 1}],
        )
        deal = deals(await found.read(DEALS))[f"deal:{number}"]
        assert deal.owner == name
        assert deal.owner_email.endswith("@nordljus.example")
        assert deal.billing_contact is not None
        assert (deal.billing_contact.name, deal.billing_contact.email) == ("Mette Holm", "m@x.dk")
        people = records(await found.read(CONTACTS))
        reception = people[f"person:{made['PersonId']}"]
        assert isinstance(reception, Contact)
        assert (reception.given, reception.family) == ("Reception", "")
        found.act("resign_person", person=made["PersonId"])
        gone = records(await found.read(CONTACTS))[f"person:{made['PersonId']}"]
        assert isinstance(gone, Contact)
        assert gone.active is False

    run(story())


def test_the_catalogue_is_a_whole_list_of_items() -> None:
    async def story() -> None:
        found = rig()
        number = found.item("ESP-200", "4000.00")
        pages = await found.read(ITEMS)
        assert [page.whole for page in pages] == [True]
        item = records(pages)[f"item:{number}"]
        assert isinstance(item, Item)
        assert (item.number, item.name, item.unit) == ("ESP-200", "Lagerhylla", "stk")
        assert item.price == D("4000.0")
        (again,) = await found.connector.get([ExternalRef(NAME, "item", f"item:{number}")], ITEMS)
        assert again == item

    run(story())


def test_get_keeps_the_order_and_says_what_is_not_there() -> None:
    async def story() -> None:
        found = rig()
        numbers = [found.deal() for _ in range(6)]
        opportunity = found.deal("add_opportunity")
        found.act("delete_deal", deal=numbers[1])
        asked = [numbers[3], opportunity, numbers[1], numbers[0], numbers[3], 999]
        refs = [ExternalRef(NAME, "deal", f"deal:{number}") for number in asked]
        got = await found.connector.get(refs, DEALS)
        assert [record.ref.id if record and record.ref else None for record in got] == [
            f"deal:{numbers[3]}",
            f"deal:{opportunity}",
            None,
            f"deal:{numbers[0]}",
            f"deal:{numbers[3]}",
            None,
        ]
        whole = deals(await found.read(DEALS))
        assert got[0] == whole[f"deal:{numbers[3]}"]

    run(story())


@pytest.mark.parametrize("status", [404, 400, 410, 204, 500])
@pytest.mark.parametrize("body", ["json", "html", "empty"])
@pytest.mark.parametrize("changes", ["queries", "lists"])
def test_a_record_that_is_not_there_is_none_however_it_is_said(
    status: int, body: str, changes: str
) -> None:
    async def story() -> None:
        found = rig(changes=changes)
        if changes == "lists":
            found.assume("script_most", 5)
        number = found.deal()
        found.assume("status_not_found", status)
        found.assume("error_body", body)
        refs = [ExternalRef(NAME, "deal", f"deal:{n}") for n in (number, 999)]
        there, missing = await found.connector.get(refs, DEALS)
        assert there is not None
        assert missing is None
        company = ExternalRef(NAME, "customer", "organisation:999")
        got: list[Record | None] = list(await found.connector.get([company], CUSTOMERS))
        assert got == [None]

    run(story())


def test_names_that_break_scripts_break_nothing() -> None:
    async def story() -> None:
        found = rig()
        number = found.deal(set={"Number": "O'Brien'; --"})
        other = found.deal(set={"Number": "O'Brien'; --"})
        rows = await found.connector._reader.feed.named(
            "Delivery", "DeliveryNumber", "O'Brien'; --"
        )
        assert {row["DeliveryId"] for row in rows} == {number, other}

    run(story())
