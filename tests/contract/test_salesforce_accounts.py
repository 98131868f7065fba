"""What an account takes over from the books: only the fields named, in the org's own places."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from support.inprocess_salesforce import Rig, rig
from support.salesforce_writing import customer_change, prepared, write
from tieout.connectors.http.json import loads
from tieout.core.change import Applied, Change, Stale
from tieout.core.model import Address, Customer, Entity, ExternalRef, Identifier, IdState
from tieout.ports import Selection

CUSTOMERS = Selection(entity=Entity.CUSTOMER)


def awaited(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """The test on a loop of its own."""

    @functools.wraps(test)
    def run(**given: Any) -> None:
        asyncio.run(test(**given))

    return run


@pytest.fixture
def org() -> Rig:
    found = rig()
    fields = {
        "BillingStreet": "Storgatan 1\r\n2 tr",
        "BillingPostalCode": "111 22",
        "BillingCity": "Stockholm",
        "BillingCountryCode": "SE",
        "ShippingStreet": "Lagret 9",
        "ShippingCity": "Borås",
        "Org_Number__c": "556036-0793",
        "Phone": "08-1",
        "Invoice_Email__c": "gammal@kund.example",
    }
    made = found.act("create_account", name="Ekfors Trä AB", fields=fields)
    found.made["account"] = made["id"]
    return found


async def shown(found: Rig) -> Customer:
    ref = ExternalRef("sf", "customer", found.made["account"])
    (record,) = await found.connector.get([ref], CUSTOMERS)
    assert isinstance(record, Customer)
    return record


async def taken(found: Rig, record: Customer, *fields: str) -> Change:
    """The change that the lane of accounts would decide."""
    change = customer_change("K1", found.made["account"], record, *fields)
    return replace(change, base=await shown(found))


@awaited
async def test_an_account_takes_only_what_is_named(org: Rig) -> None:
    before = await shown(org)
    record = replace(before, name="Ekfors AB", emails={"invoice": "ny@kund.example"}, phones={})
    change = await taken(org, record, "emails")
    (made,) = await prepared(org, change)
    assert loads(made.body) == {"Invoice_Email__c": "ny@kund.example"}
    assert isinstance((await write(org, change))[0], Applied)
    after = await shown(org)
    assert after.emails == {"invoice": "ny@kund.example"}
    assert (after.name, after.phones) == ("Ekfors Trä AB", {"general": "08-1"})
    assert isinstance(made.shows, Customer)
    assert made.shows == replace(
        after, version=None, changed_at=before.changed_at, extra=made.shows.extra
    )


@awaited
async def test_addresses_and_numbers_go_to_the_orgs_own_fields(org: Rig) -> None:
    before = await shown(org)
    billing = Address(lines=("Nygatan 2", "c/o Ek"), postcode="57100", city="Savonlinna")
    record = replace(
        before,
        name="Ekfors Oy",
        phones={"general": "015-2", "mobile": "040-3"},
        addresses=(replace(billing, country="FI"),),
        identifiers=(Identifier(kind="vat", country="FI", raw="FI12345671"),),
    )
    change = await taken(org, record, "name", "phones", "addresses", "identifiers")
    (made,) = await prepared(org, change)
    assert isinstance((await write(org, change))[0], Applied)
    row = org.row("Account", org.made["account"])
    assert (row["BillingStreet"], row["BillingCountryCode"]) == ("Nygatan 2\nc/o Ek", "FI")
    # What the books do not tell stays: the place of delivery, and the company number.
    assert (row["ShippingStreet"], row["Org_Number__c"]) == ("Lagret 9", "556036-0793")
    assert (row["Vat_Number__c"], row["Phone"], row["Name"]) == (
        "FI12345671",
        "015-2",
        "Ekfors Oy",
    )
    after = await shown(org)
    promised = made.shows
    assert isinstance(promised, Customer)
    for name in ("name", "phones", "addresses", "identifiers", "emails"):
        assert getattr(promised, name) == getattr(after, name), name
    # The same again has nothing to send.
    (again,) = await prepared(org, await taken(org, record, "name", "phones", "addresses"))
    assert again.body == b""


@awaited
async def test_without_country_codes_the_name_is_written_where_the_country_is_another() -> None:
    found = rig()
    for prefix in ("Billing", "Shipping"):
        found.act("hide_field", object="Account", field=f"{prefix}CountryCode")
    fields = {"BillingCountry": "Sweden", "BillingCity": "Lund"}
    found.made["account"] = found.act("create_account", name="Ek AB", fields=fields)["id"]
    record = replace(await shown(found), addresses=(Address(city="Malmö", country="SE"),))
    (made,) = await prepared(found, await taken(found, record, "addresses"))
    assert loads(made.body) == {"BillingCity": "Malmö"}
    record = replace(record, addresses=(Address(city="Malmö", country="DK"),))
    change = await taken(found, record, "addresses")
    (made,) = await prepared(found, change)
    assert loads(made.body) == {"BillingCity": "Malmö", "BillingCountry": "Denmark"}
    await write(found, change)
    assert isinstance(made.shows, Customer)
    assert (await shown(found)).addresses == made.shows.addresses


@awaited
async def test_what_a_register_said_of_a_number_is_no_edit_and_a_mapping_keeps_its_fields(
    org: Rig,
) -> None:
    before = await shown(org)
    known = replace(
        before,
        identifiers=tuple(
            replace(one, normal="5560360793", state=IdState.VALID) for one in before.identifiers
        ),
        extra={"Industry": "Retail"},
        shape="s9",
    )
    record = replace(known, emails={"invoice": "ny@kund.example"})
    change = replace(await taken(org, record, "emails"), base=known)
    (made,) = await prepared(org, change)
    assert isinstance(made.read, Customer)
    assert isinstance(made.shows, Customer)
    assert made.read.identifiers == known.identifiers
    assert (made.shows.extra["Industry"], made.shows.shape) == ("Retail", "s9")


@awaited
async def test_an_account_that_moved_meanwhile_is_decided_anew(org: Rig) -> None:
    record = replace(await shown(org), emails={"invoice": "ny@kund.example"})
    (made,) = await prepared(org, await taken(org, record, "emails"))
    org.clock.advance(60)
    org.act("edit_account", id=org.made["account"], fields={"Phone": "08-9"})
    (wire,) = org.connector.pack([made])
    assert [type(one) for one in await org.connector.send(wire)] == [Stale]
