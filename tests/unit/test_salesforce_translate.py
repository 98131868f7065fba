"""Rows of Salesforce into records."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from tieout.connectors.http.json import loads
from tieout.connectors.salesforce.cells import RowError
from tieout.connectors.salesforce.settings import AccountFields, DealFields, SalesforceSettings
from tieout.connectors.salesforce.shapes import (
    ACCOUNT,
    CONTACT,
    OPPORTUNITY,
    ORDER,
    PRODUCT,
    QUOTE,
    Shape,
    Source,
)
from tieout.connectors.salesforce.translate import Translator
from tieout.core.model import (
    Contact,
    Customer,
    Deal,
    DealKind,
    DealState,
    Item,
    LineKind,
    PartyKind,
)

OPP = "006xx000001abcDAAQ"
ACC = "001xx000003DGb2AAG"
STAMP = "2026-03-31T09:14:02.000+0000"


def translator(**settings: Any) -> Translator:
    return Translator(
        connection="sf",
        settings=SalesforceSettings(user="u@example.com", **settings),
        base_url="https://acme.my.salesforce.com",
        currency="SEK",
    )


def shape(source: Source, **more: Any) -> Shape:
    return Shape(source=source, columns=(), digest="d1", **more)


def opportunity(**more: Any) -> dict[str, Any]:
    """The won deal of the reference, as it comes over the wire."""
    row: dict[str, Any] = loads(
        b'{"attributes":{"type":"Opportunity"},"Id":"006xx000001abcDAAQ",'
        b'"Name":"Acme \xe2\x80\x93 espresso machines","AccountId":"001xx000003DGb2AAG",'
        b'"Account":{"attributes":{"type":"Account"},"Erp_Id__c":"C-10077"},'
        b'"Amount":18750.00,"CurrencyIsoCode":"EUR","CloseDate":"2026-03-31","IsWon":true,'
        b'"IsClosed":true,"StageName":"Vunnen","Probability":100.0,'
        b'"Owner":{"Name":"Siri Berg","Email":"siri@example.com"},'
        b'"RecordType":{"DeveloperName":"Standard"},"Po_Number__c":"PO-7",'
        b'"LastStageChangeDate":"2026-03-31T09:14:01.000+0000",'
        b'"SystemModstamp":"2026-03-31T09:14:02.000+0000","IsDeleted":false,'
        b'"OpportunityLineItems":{"totalSize":2,"done":true,"records":['
        b'{"Id":"00kxx0000001AbDAAU","Product2Id":null,"Product2":null,"Quantity":1.0,'
        b'"UnitPrice":0.005,"Discount":null,"TotalPrice":0.01,"ServiceDate":"2026-04-02",'
        b'"Description":"Freight","SortOrder":2},'
        b'{"Id":"00kxx0000001AbCAAU","Product2Id":"01txx0000006i2yAAA",'
        b'"Product2":{"ProductCode":"ESP-200","Name":"Espresso machine","Family":"Hardware",'
        b'"QuantityUnitOfMeasure":"Each"},"Quantity":5.0,"UnitPrice":4000.00,"Discount":6.25,'
        b'"TotalPrice":18750.00,"ServiceDate":null,"Description":null,"SortOrder":1}]},'
        b'"OpportunityContactRoles":null}'
    )
    return {**row, **more}


def deal(row: dict[str, Any], source: Source = OPPORTUNITY, **settings: Any) -> Deal:
    found = translator(**settings).record(row, shape(source))
    assert isinstance(found, Deal)
    return found


def test_a_won_opportunity_is_a_won_deal_whatever_its_stage_is_called() -> None:
    found = deal(opportunity())
    assert found.ref is not None
    assert str(found.ref) == f"sf:deal:{OPP}"
    assert found.source_id == OPP
    assert found.kind is DealKind.OPPORTUNITY
    assert found.state is DealState.WON
    assert found.stage == "Vunnen"
    assert found.title == "Acme – espresso machines"
    assert found.currency == "EUR"
    assert found.close_date == date(2026, 3, 31)
    assert found.won_at == datetime(2026, 3, 31, 9, 14, 1, tzinfo=UTC)
    assert found.changed_at == datetime(2026, 3, 31, 9, 14, 2, tzinfo=UTC)
    assert found.version == STAMP
    assert found.url == f"https://acme.my.salesforce.com/{OPP}"
    assert found.customer is not None
    assert found.customer.id == ACC
    assert (found.owner, found.owner_email) == ("Siri Berg", "siri@example.com")
    assert found.record_type == "Standard"
    assert found.po_number == "PO-7"
    assert found.probability == Decimal(1)


def test_amounts_keep_the_digits_of_the_wire() -> None:
    found = deal(opportunity())
    assert str(found.stated_total) == "18750.00"
    line = found.lines[0]
    assert (str(line.quantity), str(line.unit_price)) == ("5.0", "4000.00")
    assert line.discount == Decimal("0.0625")
    assert str(line.stated_net) == "18750.00"
    assert str(found.lines[1].unit_price) == "0.005"


def test_lines_are_in_the_order_of_the_screen_with_their_product() -> None:
    first, second = deal(opportunity()).lines
    assert (first.position, second.position) == (1, 2)
    assert first.item is not None
    assert (first.item.number, first.item.name) == ("ESP-200", "Espresso machine")
    assert first.item.ref is not None
    assert first.item.ref.id == "01txx0000006i2yAAA"
    assert first.unit == "Each"
    assert second.item is None
    assert second.text == "Freight"
    assert second.discount == Decimal(0)
    assert second.delivered_on == date(2026, 4, 2)


def test_a_deal_without_lines_and_account_is_read_all_the_same() -> None:
    found = deal(opportunity(OpportunityLineItems=None, AccountId=None, Account=None, Amount=None))
    assert found.lines == ()
    assert found.customer is None
    assert found.stated_total is None


@pytest.mark.parametrize(
    ("won", "closed", "state"),
    [
        (True, True, DealState.WON),
        (False, True, DealState.LOST),
        (False, False, DealState.OPEN),
    ],
)
def test_the_state_comes_from_the_two_flags(won: bool, closed: bool, state: DealState) -> None:
    found = deal(opportunity(IsWon=won, IsClosed=closed, StageName="Closed Won"))
    assert found.state is state
    assert (found.won_at is not None) is won


def test_fifteen_characters_become_eighteen() -> None:
    found = deal(opportunity(Id=OPP[:15], AccountId=ACC[:15]))
    assert found.source_id == deal(opportunity(Id=found.source_id)).source_id
    assert len(found.source_id) == 18
    assert found.customer is not None
    assert len(found.customer.id) == 18


def role(name: str | None, primary: bool, number: int, family: str) -> dict[str, Any]:
    return {
        "Id": f"00Kxx000000000{number}AAA",
        "ContactId": f"003xx000000000{number}AAA",
        "Role": name,
        "IsPrimary": primary,
        "Contact": {
            "FirstName": "Ann",
            "LastName": family,
            "Email": f"{family.lower()}@example.com",
            "Phone": None,
            "SystemModstamp": STAMP,
        },
    }


def test_the_billing_contact_is_by_role_then_primary_then_nobody() -> None:
    billing = role("billing", False, 1, "Ek")
    primary = role("Decision Maker", True, 2, "Al")
    other = role(None, False, 3, "Bo")

    def contact(*roles: dict[str, Any]) -> Contact | None:
        return deal(opportunity(OpportunityContactRoles={"records": list(roles)})).billing_contact

    chosen = contact(other, primary, billing)
    assert chosen is not None
    assert (chosen.family, chosen.email, chosen.roles) == ("Ek", "ek@example.com", ("billing",))
    second = contact(other, primary)
    assert second is not None
    assert (second.family, second.roles) == ("Al", ("primary",))
    assert contact(other) is None


def test_the_first_of_the_configured_roles_wins() -> None:
    roles = [role("Invoice", False, 1, "Ek"), role("Payer", False, 2, "Al")]
    row = opportunity(OpportunityContactRoles={"records": roles})
    found = deal(row, billing_roles=("Payer", "Invoice")).billing_contact
    assert found is not None
    assert found.family == "Al"


def test_extra_values_stand_under_the_paths_as_they_were_written() -> None:
    made = shape(
        OPPORTUNITY,
        extra=(("account.erp_id__c", "Account.Erp_Id__c"), ("Campaign.Name", "Campaign.Name")),
        line_extra=(("line.product2.family", "Product2.Family"),),
    )
    found = translator().record(opportunity(), made)
    assert isinstance(found, Deal)
    assert found.extra == {"account.erp_id__c": "C-10077", "Campaign.Name": None}
    assert found.lines[0].extra == {"line.product2.family": "Hardware"}
    assert found.lines[1].extra == {"line.product2.family": None}
    assert found.shape == "d1"


def order(**more: Any) -> dict[str, Any]:
    return {
        "Id": "801xx000003DGb2AAG",
        "Name": None,
        "OrderNumber": "00000100",
        "AccountId": ACC,
        "OpportunityId": OPP,
        "QuoteId": None,
        "Status": "Aktiverad",
        "StatusCode": "Activated",
        "EffectiveDate": "2026-04-01",
        "TotalAmount": Decimal("99.90"),
        "PoNumber": "PO-9",
        "ActivatedDate": STAMP,
        "SystemModstamp": STAMP,
        "OrderItems": None,
        **more,
    }


def test_an_order_of_an_opportunity_is_the_same_source() -> None:
    found = deal(order(), ORDER)
    assert found.kind is DealKind.ORDER
    assert found.source_id == OPP
    assert [ref.id for ref in found.came_from] == [OPP]
    assert found.number == "00000100"
    assert found.po_number == "PO-9"
    assert found.state is DealState.WON
    assert found.close_date == date(2026, 4, 1)
    assert found.stated_total == Decimal("99.90")


def test_an_order_of_a_quote_is_the_source_of_the_quote() -> None:
    row = order(OpportunityId=None, QuoteId="0Q0xx0000000001AAA", Quote={"OpportunityId": OPP})
    assert deal(row, ORDER).source_id == OPP
    alone = order(OpportunityId=None)
    assert deal(alone, ORDER).source_id == alone["Id"]


def test_a_reduction_order_never_passes_for_the_order_that_it_reduces() -> None:
    row = order(IsReductionOrder=True, OriginalOrderId="801xx000003DGb9AAG")
    found = deal(row, ORDER)
    assert found.source_id == row["Id"]
    assert "801xx000003DGb9AAG" in [ref.id for ref in found.came_from]


@pytest.mark.parametrize(
    ("code", "state"),
    [
        ("Draft", DealState.OPEN),
        ("Canceled", DealState.LOST),
        ("Expired", DealState.LOST),
        ("Superseded", DealState.LOST),
    ],
)
def test_the_state_of_an_order_is_its_category(code: str, state: DealState) -> None:
    assert deal(order(StatusCode=code), ORDER).state is state


def test_an_unknown_category_is_said_and_not_guessed() -> None:
    with pytest.raises(RowError, match="Paused"):
        deal(order(StatusCode="Paused"), ORDER)


def test_a_quote_counts_without_its_tax_and_with_its_freight() -> None:
    row = {
        "Id": "0Q0xx0000000001AAA",
        "Name": "Q",
        "QuoteNumber": "00000007",
        "OpportunityId": OPP,
        "Opportunity": {"CloseDate": "2026-03-31", "AccountId": ACC},
        "AccountId": None,
        "Status": "Accepted",
        "TotalPrice": Decimal("100.00"),
        "ShippingHandling": Decimal("12.50"),
        "SystemModstamp": STAMP,
        "QuoteLineItems": None,
    }
    found = deal(row, QUOTE)
    assert found.state is DealState.WON
    assert found.source_id == OPP
    assert found.stated_total == Decimal("112.50")
    assert [(line.kind, line.unit_price) for line in found.lines] == [
        (LineKind.CHARGE, Decimal("12.50"))
    ]
    assert found.customer is not None
    assert found.customer.id == ACC
    assert found.close_date == date(2026, 3, 31)
    assert deal({**row, "Status": "Denied"}, QUOTE).state is DealState.LOST
    assert deal({**row, "Status": "Presented"}, QUOTE).state is DealState.OPEN


def account(**more: Any) -> dict[str, Any]:
    return {
        "Id": ACC,
        "Name": "Ekfors Trä AB",
        "AccountNumber": "10077",
        "BillingStreet": "Box 1\r\nStorgatan 2",
        "BillingCity": "Umeå",
        "BillingPostalCode": "903 26",
        "BillingCountry": "Sweden",
        "BillingCountryCode": "SE",
        "Org_Number__c": "556917-3072",
        "Vat_Number__c": "SE556917307201",
        "Payment_Terms__c": "Net 30",
        "Invoice_Email__c": "faktura@example.com",
        "Phone": "090-1",
        "Credit_Hold__c": True,
        "SystemModstamp": STAMP,
        "Owner": {"Name": "Siri Berg"},
        **more,
    }


def customer(row: dict[str, Any], **settings: Any) -> Customer:
    found = translator(**settings).record(row, shape(ACCOUNT))
    assert isinstance(found, Customer)
    return found


def test_an_account_is_a_customer_with_its_numbers() -> None:
    found = customer(account())
    assert found.kind is PartyKind.COMPANY
    assert found.number == "10077"
    assert [(i.kind, i.country, i.raw) for i in found.identifiers] == [
        ("company", "SE", "556917-3072"),
        ("vat", "SE", "SE556917307201"),
    ]
    address = found.address()
    assert address is not None
    assert address.lines == ("Box 1", "Storgatan 2")
    assert (address.postcode, address.city, address.country) == ("903 26", "Umeå", "SE")
    assert found.address("shipping") is None
    assert found.emails == {"invoice": "faktura@example.com"}
    assert found.phones == {"general": "090-1"}
    assert (found.terms, found.currency, found.credit_stop) == ("Net 30", "SEK", True)
    assert found.owner == "Siri Berg"


@pytest.mark.parametrize(
    ("name", "code"),
    [("Sverige", "SE"), ("norway", "NO"), ("FI", "FI"), ("Suomi", "FI"), ("Atlantis", "")],
)
def test_a_country_without_a_code_is_known_by_its_name_or_not_told(name: str, code: str) -> None:
    row = account(BillingCountry=name)
    del row["BillingCountryCode"]
    found = customer(row).address()
    assert found is not None
    assert found.country == code


def test_person_accounts_and_losers_of_merges_are_told_apart() -> None:
    found = customer(account(IsPersonAccount=True, PersonEmail="a@b.se", MasterRecordId=ACC))
    assert found.kind is PartyKind.PERSON
    assert found.emails["general"] == "a@b.se"
    assert found.merged_into is not None
    assert found.merged_into.id == ACC


def test_names_of_fields_come_from_the_settings() -> None:
    fields = AccountFields(org_number="CVR__c", vat_number="", terms="Terms__c")
    found = customer(account(CVR__c="12345674", Terms__c="14"), account=fields)
    assert [i.raw for i in found.identifiers] == ["12345674"]
    assert found.terms == "14"
    dated = deal(
        opportunity(Delivered__c="2026-04-05"), deal=DealFields(delivered_on="Delivered__c")
    )
    assert dated.delivered_on == date(2026, 4, 5)


def test_the_prefix_of_the_package_is_put_before_our_own_fields_only() -> None:
    row = account(acme__Vat_Number__c="SE1", acme__Credit_Hold__c=False)
    found = customer(row, namespace="acme")
    assert [i.raw for i in found.identifiers] == ["556917-3072", "SE1"]
    assert found.credit_stop is False


def test_contacts_and_products() -> None:
    person = translator().record(
        {
            "Id": "003xx0000000001AAA",
            "AccountId": ACC,
            "FirstName": "Ann",
            "LastName": "Ek",
            "Email": "ann@example.com",
            "Phone": None,
            "MobilePhone": "070-1",
            "SystemModstamp": STAMP,
        },
        shape(CONTACT),
    )
    assert isinstance(person, Contact)
    assert (person.name, person.phone, person.mobile) == ("Ann Ek", "", "070-1")
    assert person.customer is not None
    product = translator().record(
        {
            "Id": "01txx0000006i2yAAA",
            "ProductCode": "ESP-200",
            "Name": "Espresso machine",
            "IsActive": False,
            "QuantityUnitOfMeasure": "Each",
            "SystemModstamp": STAMP,
        },
        shape(PRODUCT),
    )
    assert isinstance(product, Item)
    assert (product.number, product.unit, product.active) == ("ESP-200", "Each", False)


def test_a_date_that_is_none_is_said() -> None:
    with pytest.raises(RowError, match="CloseDate"):
        deal(opportunity(CloseDate="tomorrow"))
