"""Creates, updates, array upserts, deletes, moves and conversions, with what refuses them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from webcrm_support import Webcrm, served


@pytest.fixture(scope="module")
def server() -> Iterator[Webcrm]:
    with served("--clock", "2026-06-12T09:00:00Z") as webcrm:
        yield webcrm


@pytest.fixture
def webcrm(server: Webcrm) -> Webcrm:
    return server.fresh()


# Answers.


def test_a_create_answers_an_integer_an_object_or_nothing(webcrm: Webcrm) -> None:
    owner = webcrm.good("POST", "/Organisations", {"OrganisationName": "A"})
    assert owner["OrganisationName"] == "A"
    number = owner["OrganisationId"]
    made = webcrm.good("POST", "/Deliveries", {"DeliveryOrganisationId": number})
    assert isinstance(made, int)
    relation = {"RelationOrganisation1Id": number, "RelationType": "LinkedOrganisations"}
    answer = webcrm.call("POST", "/Relations", relation)
    assert (answer.status, answer.body) == (200, b"")
    assert webcrm.get("/Relations")[0]["RelationType"] == "LinkedOrganisations"
    webcrm.assume("organisation_answer", "integer")
    assert webcrm.good("POST", "/Organisations", {"OrganisationName": "B"}) == number + 1
    webcrm.assume("organisation_answer", "empty")
    assert webcrm.good("POST", "/Organisations", {"OrganisationName": "C"}) is None
    webcrm.assume("other_create_answer", "integer")
    assert isinstance(webcrm.good("POST", "/Relations", relation), int)


def test_an_update_answers_nothing_or_the_record(webcrm: Webcrm) -> None:
    owner = webcrm.organisation()
    answer = webcrm.call("PUT", f"/Organisations/{owner}", {"OrganisationCity": "Nordhavn"})
    assert (answer.status, answer.body) == (200, b"")
    webcrm.assume("put_answer", "object")
    body = {"OrganisationCity": "Aarhus"}
    assert webcrm.good("PUT", f"/Organisations/{owner}", body)["OrganisationCity"] == "Aarhus"


def test_absent_and_null_leave_a_field_and_empty_text_clears_it(webcrm: Webcrm) -> None:
    owner = webcrm.organisation(
        OrganisationCity="Nordhavn", OrganisationPostCode="2150", OrganisationFax="1"
    )
    body = {"OrganisationId": owner, "OrganisationPostCode": None, "OrganisationFax": ""}
    webcrm.good("PUT", f"/Organisations/{owner}", body)
    seen = webcrm.get(f"/Organisations/{owner}")
    assert seen["OrganisationCity"] == "Nordhavn"
    assert seen["OrganisationPostCode"] == "2150"
    assert seen["OrganisationFax"] == ""


def test_whether_year_one_clears_a_date_is_a_switch(webcrm: Webcrm) -> None:
    def after_clearing() -> str:
        made = webcrm.delivery(webcrm.organisation(), DeliveryNextFollowUp="2026-08-01T10:00:00Z")
        body = {"DeliveryNextFollowUp": "0001-01-01T00:00:00"}
        webcrm.good("PUT", f"/Deliveries/{made}", body)
        return str(webcrm.get(f"/Deliveries/{made}")["DeliveryNextFollowUp"])

    assert after_clearing().startswith("0001-")
    webcrm.assume("date_is_cleared_by_year_one", False)
    assert after_clearing() == "2026-08-01T12:00:00+02:00"


def test_what_the_server_writes_nobody_else_does(webcrm: Webcrm) -> None:
    owner = webcrm.organisation(
        OrganisationCreatedBy="me", OrganisationUpdatedAt="2020-01-01T00:00:00Z"
    )
    seen = webcrm.get(f"/Organisations/{owner}")
    assert seen["OrganisationCreatedBy"] == "api2 sync token"
    assert seen["OrganisationUpdatedAt"].startswith("2026-06-12T11:00")
    assert seen["OrganisationCompareName"] == "nordhavnkaffeaps"


def test_unknown_properties_and_an_id_on_create(webcrm: Webcrm) -> None:
    body = {"OrganisationId": 77, "OrganisationName": "A", "OrganisationEmail": "a@b"}
    made = webcrm.good("POST", "/Organisations", body)
    assert made["OrganisationId"] != 77
    assert "OrganisationEmail" not in made
    webcrm.assume("post_with_id", "error")
    assert webcrm.refused("POST", "/Organisations", body)[0] == 400
    webcrm.assume("unknown_properties", "error")
    _, text = webcrm.refused("POST", "/Organisations", {**body, "OrganisationId": 0})
    assert "OrganisationEmail" in text


# Array upserts.


def test_an_array_upsert_always_answers_200_with_texts(webcrm: Webcrm) -> None:
    owner = webcrm.organisation()
    first = webcrm.delivery(owner)
    answer = webcrm.good(
        "PATCH",
        "/Deliveries",
        [
            {"DeliveryId": first, "DeliveryStatus": "Completed", "DeliveryCustom4": "Paid"},
            {"DeliveryId": 0, "DeliveryOrganisationId": owner, "DeliveryErpId": "INV-2"},
            {"DeliveryId": 999999, "DeliveryStatus": "New"},
            {"DeliveryId": first, "DeliveryStatus": "Paid"},
        ],
    )
    assert all(isinstance(one, str) for one in answer)
    assert answer[0] == str(first)
    assert webcrm.get(f"/Deliveries/{answer[1]}")["DeliveryErpId"] == "INV-2"
    assert not answer[2].isdigit()
    assert "Paid" in answer[3]
    assert webcrm.get(f"/Deliveries/{first}")["DeliveryStatus"] == "Completed"


@pytest.mark.parametrize(("form", "told"), [("empty", [""]), ("omitted", [])])
def test_what_a_plain_update_answers_is_a_switch(
    webcrm: Webcrm, form: str, told: list[str]
) -> None:
    webcrm.assume("patch_update_answer", form)
    owner = webcrm.organisation()
    body = [{"OrganisationId": owner, "OrganisationCity": "Ribe"}]
    assert webcrm.good("PATCH", "/Organisations", body) == told
    assert webcrm.get(f"/Organisations/{owner}")["OrganisationCity"] == "Ribe"


def test_arrays_can_have_a_length_and_must_be_arrays(webcrm: Webcrm) -> None:
    items = [{"OrganisationId": 0, "OrganisationName": f"N{place}"} for place in range(60)]
    assert len(webcrm.good("PATCH", "/Organisations", items)) == 60
    webcrm.assume("patch_most", 50)
    assert webcrm.refused("PATCH", "/Organisations", items)[0] == 400
    assert webcrm.refused("PATCH", "/Organisations", {"OrganisationName": "x"})[0] == 400


def test_a_cut_batch_does_one_more_than_it_tells(webcrm: Webcrm) -> None:
    webcrm.fault("batch_cut", "/Organisations", items=2)
    items = [{"OrganisationId": 0, "OrganisationName": f"N{place}"} for place in range(5)]
    assert len(webcrm.good("PATCH", "/Organisations", items)) == 2
    names = [one["OrganisationName"] for one in webcrm.get("/Organisations")]
    assert names == ["N0", "N1", "N2"]


# What refuses.


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"OrganisationName": " "},
        {"OrganisationName": "x" * 201},
        {"OrganisationName": "A", "OrganisationAlert": "x" * 51},
        {"OrganisationName": "A", "OrganisationCustom1": "x" * 51},
        {"OrganisationName": "A", "OrganisationStatus": "Nobody"},
        {"OrganisationName": "A", "OrganisationCustom2": "7 dage"},
        {"OrganisationName": "A", "OrganisationCustom4": "Perhaps"},
        {"OrganisationName": "A", "OrganisationCustom10": '["Produkt","Andet"]'},
        {"OrganisationName": "A", "OrganisationOwner": "x"},
        {"OrganisationName": "A", "OrganisationNoAds": "x"},
        {"OrganisationName": "A", "OrganisationXDate1": "yesterday"},
        {"OrganisationName": ["A"]},
    ],
)
def test_organisations_that_are_refused(webcrm: Webcrm, body: dict[str, Any]) -> None:
    status, text = webcrm.refused("POST", "/Organisations", body)
    assert status == 400
    assert text
    assert webcrm.get("/Organisations") == []


def test_long_text_and_drop_downs_may_be_let_in(webcrm: Webcrm) -> None:
    webcrm.assume("long_text", "cut")
    webcrm.assume("dropdown_values", "free")
    owner = webcrm.organisation(OrganisationAlert="x" * 60, OrganisationStatus="Nobody")
    seen = webcrm.get(f"/Organisations/{owner}")
    assert seen["OrganisationAlert"] == "x" * 50
    assert seen["OrganisationStatus"] == "Nobody"


def test_several_choices_are_written_as_an_array_in_a_text(webcrm: Webcrm) -> None:
    owner = webcrm.organisation(OrganisationCustom10='["Produkt","Drift"]')
    seen = webcrm.get(f"/Organisations/{owner}")
    assert seen["OrganisationCustom10"] == '["Produkt","Drift"]'


def test_a_unique_field_of_an_organisation(webcrm: Webcrm) -> None:
    first = webcrm.organisation(OrganisationCustom5="C-1")
    body = {"OrganisationName": "B", "OrganisationCustom5": "c-1"}
    assert str(first) in webcrm.refused("POST", "/Organisations", body)[1]
    second = webcrm.organisation(OrganisationCustom5="C-2")
    put = {"OrganisationCustom5": "C-1"}
    assert webcrm.refused("PUT", f"/Organisations/{second}", put)[0] == 400
    told = webcrm.good("PATCH", "/Organisations", [{"OrganisationId": second, **put}])
    assert "C-1" in told[0]
    webcrm.good("PUT", f"/Organisations/{first}", {"OrganisationCustom5": "C-1"})
    # A person's field cannot be unique.
    refused = webcrm.send(
        "POST", "/_sandbox/actions/configure_field", {"field": "PersonCustom3", "unique": True}
    )
    assert refused.status == 400


def test_persons(webcrm: Webcrm) -> None:
    owner, other = webcrm.organisation(), webcrm.organisation()
    assert webcrm.refused("POST", "/Persons", {"PersonOrganisationId": owner})[0] == 400
    assert webcrm.refused("POST", "/Persons", {"PersonLastName": "Holm"})[0] == 400
    made = webcrm.person(owner, PersonFirstName="Mette", PersonEmail="m@n.example")
    webcrm.person(owner, PersonEmail="m@n.example")
    assert webcrm.get(f"/Persons/{made}")["PersonName"] == "Mette Holm"
    webcrm.good("PUT", f"/Persons/{made}", {"PersonOrganisationId": other, "PersonTitle": "CFO"})
    seen = webcrm.get(f"/Persons/{made}")
    assert (seen["PersonOrganisationId"], seen["PersonTitle"]) == (owner, "CFO")
    assert webcrm.refused("PUT", f"/Persons/{made}", {"PersonLastName": ""})[0] == 400
    webcrm.assume("person_organisation_put", "error")
    body = {"PersonOrganisationId": other}
    assert webcrm.refused("PUT", f"/Persons/{made}", body)[0] == 400
    webcrm.good("PUT", f"/Persons/{made}", {"PersonId": made, "PersonStatus": "Resigned"})
    assert webcrm.get(f"/Persons/{made}")["PersonStatus"] == "Resigned"
    assert webcrm.refused("PUT", f"/Persons/{made}", {"PersonStatus": "Gone"})[0] == 400
    assert len(webcrm.get(f"/Organisations/{owner}/Persons")) == 2


def test_twin_deliveries_can_be_made_but_not_changed(webcrm: Webcrm) -> None:
    owner = webcrm.organisation()
    first = webcrm.delivery(owner, DeliveryNumber="100234")
    second = webcrm.delivery(owner, DeliveryNumber="100234")
    for number in (first, second):
        status, text = webcrm.refused("PUT", f"/Deliveries/{number}", {"DeliveryNote": "x"})
        assert status == 400
        assert "100234" in text
    webcrm.act("renumber_delivery", delivery=second, number="100235")
    webcrm.good("PUT", f"/Deliveries/{first}", {"DeliveryNote": "x"})


def test_numbers_may_be_given_by_the_system(webcrm: Webcrm) -> None:
    owner = webcrm.organisation()
    assert webcrm.get(f"/Deliveries/{webcrm.delivery(owner)}")["DeliveryNumber"] == ""
    webcrm.assume("automatic_numbers", True)
    webcrm.delivery(owner, DeliveryNumber="100500")
    assert webcrm.get(f"/Deliveries/{webcrm.delivery(owner)}")["DeliveryNumber"] == "100501"


def test_a_responsible_may_be_mandatory(webcrm: Webcrm) -> None:
    owner = webcrm.organisation()
    webcrm.assume("delivery_responsible_mandatory", True)
    body = {"DeliveryOrganisationId": owner}
    assert "Responsible" in webcrm.refused("POST", "/Deliveries", body)[1]
    webcrm.delivery(owner, DeliveryResponsible=11)


def test_mandatory_fields_are_configured(webcrm: Webcrm) -> None:
    webcrm.act("configure_field", field="OrganisationCustom1", mandatory=True)
    body = {"OrganisationName": "A"}
    assert "OrganisationCustom1" in webcrm.refused("POST", "/Organisations", body)[1]
    webcrm.organisation(OrganisationCustom1="12345678")


def test_deals_need_an_organisation(webcrm: Webcrm) -> None:
    assert webcrm.refused("POST", "/Deliveries", {"DeliveryNumber": "1"})[0] == 400
    body = {"OpportunityOrganisationId": webcrm.organisation(), "OpportunityPersonId": 5}
    assert webcrm.refused("POST", "/Opportunities", body)[0] == 400


# Lines and catalogue.


def test_a_line_belongs_to_an_opportunity_or_a_delivery(webcrm: Webcrm) -> None:
    owner = webcrm.organisation()
    deal, delivery = webcrm.opportunity(owner), webcrm.delivery(owner)
    first = webcrm.line(deal, QuotationLineSortOrder=20)
    second = webcrm.line(deal, QuotationLineSortOrder=10)
    webcrm.line(delivery, QuotationLineDiscount=Decimal("6.25"))
    lines = webcrm.get(f"/Opportunities/{deal}/QuotationLines?Page=1&Size=1000")
    assert [one["QuotationLineId"] for one in lines] == [second, first]
    assert "QuotationLineLinkedDataId" not in lines[0]
    (line,) = webcrm.get(f"/Deliveries/{delivery}/QuotationLines")
    assert line["QuotationLineDiscount"] == Decimal("6.25")
    assert webcrm.refused("POST", "/QuotationLines", {"QuotationLineOpportunityId": 5})[0] == 400
    webcrm.good("DELETE", f"/QuotationLines/{first}")
    assert webcrm.call("GET", f"/QuotationLines/{first}").status == 404


def test_the_linked_data_id_is_required_where_linked_data_is_used(webcrm: Webcrm) -> None:
    deal = webcrm.opportunity(webcrm.organisation())
    body = {"QuotationLineOpportunityId": deal, "QuotationLineData1": "CONS"}
    assert "LinkedDataId" in webcrm.refused("POST", "/QuotationLines", body)[1]
    webcrm.assume("linked_data_required", False)
    webcrm.good("POST", "/QuotationLines", body)
    webcrm.assume("linked_data_fills", True)
    made = webcrm.good(
        "POST", "/QuotationLines", {**body, "QuotationLineLinkedDataId": webcrm.item()}
    )
    seen = webcrm.get(f"/QuotationLines/{made}")
    assert seen["QuotationLineData2"]
    assert seen["QuotationLinePrice"] > 0


def test_whether_a_line_moves_its_deal_is_a_switch(webcrm: Webcrm) -> None:
    deal = webcrm.delivery(webcrm.organisation())
    before = webcrm.get(f"/Deliveries/{deal}")["DeliveryUpdatedAt"]
    webcrm.pass_time(60)
    made = webcrm.line(deal)
    seen = webcrm.get(f"/Deliveries/{deal}")
    assert (seen["DeliveryUpdatedAt"], seen["DeliveryOrderValue"]) == (before, 0)
    webcrm.assume("line_moves_order_value", True)
    webcrm.good("PUT", f"/QuotationLines/{made}", {"QuotationLineQuantity": 3})
    seen = webcrm.get(f"/Deliveries/{deal}")
    assert (seen["DeliveryUpdatedAt"], seen["DeliveryOrderValue"]) == (before, 3450)
    webcrm.assume("line_touches_parent", True)
    webcrm.good("DELETE", f"/QuotationLines/{made}")
    seen = webcrm.get(f"/Deliveries/{deal}")
    assert seen["DeliveryUpdatedAt"] > before
    assert seen["DeliveryOrderValue"] == 0


def test_what_an_organisation_has_bought(webcrm: Webcrm) -> None:
    owner, other = webcrm.organisation(), webcrm.organisation()
    assert "does not exist" in webcrm.refused("POST", "/Products", {"ProductPrice": 1})[1]
    body = {"ProductOrganisationId": owner, "ProductPrice": 1249.5, "ProductCustom3": "1038"}
    made = webcrm.good("POST", "/Products", body)
    mixed = [
        {"ProductId": made, "ProductQuantity": 3},
        {**body, "ProductId": 0},
        {"ProductId": 0, "ProductCustom3": "of nobody"},
        {**body, "ProductId": 0, "ProductCustom3": "x" * 51},
    ]
    first, second, third, fourth = webcrm.good("PATCH", "/Products", mixed)
    assert (first, int(second) > made) == (str(made), True)
    assert "does not exist" in third
    assert "maximum length of 50" in fourth
    listed = webcrm.get(f"/Organisations/{owner}/Products?Page=1&Size=10")
    assert [row["ProductQuantity"] for row in listed] == [3, 0]
    # Nothing else is asked for by a parameter.
    assert len(webcrm.get(f"/Products?Page=1&Size=10&ProductOrganisationId={other}")) == 2
    webcrm.good("PUT", f"/Products/{made}", {"ProductOrganisationId": other})
    assert len(webcrm.get(f"/Organisations/{other}/Products?Page=1&Size=10")) == 1
    webcrm.assume("product_organisation_put", "ignored")
    webcrm.good("PUT", f"/Products/{made}", {"ProductOrganisationId": owner})
    assert webcrm.get(f"/Products/{made}")["ProductOrganisationId"] == other
    webcrm.assume("product_organisation_put", "error")
    moved = {"ProductOrganisationId": owner}
    assert "cannot be changed" in webcrm.refused("PUT", f"/Products/{made}", moved)[1]
    webcrm.good("DELETE", f"/Products/{made}")
    assert webcrm.call("GET", f"/Products/{made}").status == 404
    assert webcrm.call("GET", "/Organisations/1/Products?Page=1&Size=10").status == 404


def test_whether_metadata_tells_fields_of_products_is_a_switch(webcrm: Webcrm) -> None:
    def told() -> set[str]:
        rows = webcrm.get("/FieldsMetadata/Product")
        return {row["FieldMetadataFriendlyFieldName"] for row in rows}

    assert {"ProductCustom1", "ProductPlus10", "ProductPrice"} <= told()
    assert "ProductPlus11" not in told()
    webcrm.assume("product_fields_told", False)
    assert told() & {"ProductCustom1", "ProductPlus10", "ProductPrice"} == {"ProductPrice"}


def test_the_catalogue(webcrm: Webcrm) -> None:
    path = "/QuotationLines/LinkedData"
    prefix = "QuotationLineLinkedDataItem"
    before = webcrm.get(path)
    assert len(before) == 14
    assert len(webcrm.get(f"{path}?Page=1&Size=2")) == 14
    body = {
        f"{prefix}Id": 0,
        f"{prefix}EntityType": "Product",
        f"{prefix}Data1": "ESP-200",
        f"{prefix}Data2": "Espresso machine",
        f"{prefix}Data3": "-",
        f"{prefix}Price": 4000,
        f"{prefix}VatCode": "U25",
    }
    empty = {**body, f"{prefix}Data3": ""}
    assert "Data3" in webcrm.refused("POST", path, empty)[1]
    made = webcrm.good("POST", path, body)
    assert "ESP-200" in webcrm.refused("POST", path, body)[1]
    assert webcrm.get(f"{path}/{made}")[f"{prefix}VatCode"] == "U25"
    webcrm.good("PUT", f"{path}/{made}", {f"{prefix}Price": 4100})
    assert webcrm.get(f"{path}/{made}")[f"{prefix}Price"] == 4100
    webcrm.good("DELETE", f"{path}/{made}")
    assert len(webcrm.get(path)) == 14
    setup = webcrm.get("/QuotationLines/LinkedSetup")
    assert setup["QuotationLineLinkedSetupField3"] > 0
    assert setup["QuotationLineLinkedSetupField4"] == 0
    assert setup["QuotationLineLinkedSetupIsUniqueValueRequired"] is True


def test_a_delete_without_an_id_empties_the_catalogue(webcrm: Webcrm) -> None:
    made = webcrm.good("POST", "/Persons/LinkedData", {"LinkedDataItemData1": "other"})
    assert webcrm.call("GET", f"/QuotationLines/LinkedData/{made}").status == 404
    assert webcrm.call("GET", f"/Persons/LinkedData/{webcrm.item()}").status == 404
    webcrm.good("DELETE", "/QuotationLines/LinkedData")
    assert webcrm.get("/QuotationLines/LinkedData") == []
    (left,) = webcrm.get("/Persons/LinkedData")
    assert left["LinkedDataItemEntityType"] == "Person"
    gone = webcrm.records("QuotationLineLinkedData")
    assert len(gone) == 14
    assert all(one["_deleted"] for one in gone)


# Deals that move.


def test_a_deal_moves_to_another_organisation(webcrm: Webcrm) -> None:
    owner, other = webcrm.organisation(), webcrm.organisation()
    person = webcrm.person(owner)
    deal = webcrm.delivery(owner, DeliveryPersonId=person)
    line = webcrm.line(deal, QuotationLineOrganisationId=owner)
    answer = webcrm.call("POST", f"/Deliveries/{deal}/Move", {"NewOrganisationId": other})
    assert (answer.status, answer.body) == (204, b"")
    seen = webcrm.get(f"/Deliveries/{deal}")
    assert (seen["DeliveryOrganisationId"], seen["DeliveryPersonId"]) == (other, person)
    assert webcrm.get(f"/QuotationLines/{line}")["QuotationLineOrganisationId"] == other
    webcrm.assume("move_keeps_person", False)
    webcrm.call("POST", f"/Deliveries/{deal}/Move", {"NewOrganisationId": owner})
    assert webcrm.get(f"/Deliveries/{deal}")["DeliveryPersonId"] == 0
    body = {"NewOrganisationId": 999999}
    assert webcrm.refused("POST", f"/Deliveries/{deal}/Move", body)[0] == 400


@pytest.mark.parametrize("keeps", [True, False])
def test_a_won_deal_becomes_a_delivery_with_its_lines(webcrm: Webcrm, keeps: bool) -> None:
    webcrm.assume("conversion_keeps_id", keeps)
    deal = webcrm.opportunity(
        webcrm.organisation(),
        OpportunityCustom2="PO-1",
        OpportunityOrderValue=2300,
        OpportunityCurrencyName="DKK",
    )
    line = webcrm.line(deal)
    delivery = webcrm.good("POST", f"/Opportunities/{deal}/ConvertToDelivery")
    assert (delivery == deal) is keeps
    assert webcrm.call("GET", f"/Opportunities/{deal}").status == 404
    seen = webcrm.get(f"/Deliveries/{delivery}")
    assert seen["DeliveryOpportunityCustom2"] == "PO-1"
    assert seen["DeliveryCustom2"] == "-- vælg --"
    assert seen["DeliveryOrderValue"] == 2300
    assert seen["DeliveryStatus"] == "New"
    (kept,) = webcrm.get(f"/Deliveries/{delivery}/QuotationLines")
    assert kept["QuotationLineId"] == line
    back = webcrm.good("POST", f"/Deliveries/{delivery}/ConvertToOpportunity/4")
    seen = webcrm.get(f"/Opportunities/{back}")
    assert (seen["OpportunityLevel"], seen["OpportunityLevelText"]) == (4, "Løsning")
    assert seen["OpportunityCustom2"] == "PO-1"
    assert len(webcrm.get(f"/Opportunities/{back}/QuotationLines")) == 1
    path = f"/Deliveries/{webcrm.delivery(webcrm.organisation())}/ConvertToOpportunity/99"
    assert webcrm.refused("POST", path)[0] == 400


def test_ids_of_opportunities_and_deliveries_come_from_one_sequence(webcrm: Webcrm) -> None:
    owner = webcrm.organisation()
    first = webcrm.opportunity(owner)
    assert [webcrm.delivery(owner), webcrm.opportunity(owner)] == [first + 1, first + 2]


def test_the_created_stamp_of_a_converted_deal_is_a_switch(webcrm: Webcrm) -> None:
    owner = webcrm.organisation()

    def moved_by_conversion() -> bool:
        deal = webcrm.opportunity(owner)
        before = webcrm.get(f"/Opportunities/{deal}")["OpportunityCreatedAt"]
        webcrm.pass_time(600)
        webcrm.good("POST", f"/Opportunities/{deal}/ConvertToDelivery")
        seen = webcrm.get(f"/Deliveries/{deal}")
        assert seen["DeliveryUpdatedAt"] > before
        return bool(seen["DeliveryCreatedAt"] != before)

    assert not moved_by_conversion()
    webcrm.assume("conversion_keeps_created", False)
    assert moved_by_conversion()


# Lookups.


def test_a_range_of_dates_takes_its_start_in_and_leaves_its_end_out(webcrm: Webcrm) -> None:
    owner = webcrm.organisation()
    webcrm.at("2026-06-20T08:00:00Z")
    webcrm.sign_in()
    webcrm.good("PUT", f"/Organisations/{owner}", {"OrganisationCity": "x"})
    stamp = webcrm.get(f"/Organisations/{owner}")["OrganisationUpdatedAt"]
    later = "2026-06-21T00:00:00Z"
    at = stamp.replace("+", "%2B")

    def found(kind: str, start: str, end: str) -> int:
        return len(webcrm.get(f"/Organisations/FindBy{kind}Dates/{start}/{end}"))

    assert found("Update", at, later) == 1
    assert found("Update", "2026-06-01T00:00:00Z", at) == 0
    assert found("Create", "2026-06-13T00:00:00Z", later) == 0
    assert found("Create", "2026-06-12T00:00:00Z", later) == 1
    assert webcrm.call("GET", f"/Organisations/FindByUpdateDates/x/{later}").status == 400
    assert webcrm.call("GET", f"/Deliveries/FindByUpdateDates/{at}/{later}").status == 404


def test_lookups(webcrm: Webcrm) -> None:
    owner = webcrm.organisation()
    delivery = webcrm.delivery(owner, DeliveryStatus="OnGoing", DeliveryResponsible=12)
    deal = webcrm.opportunity(
        owner, OpportunityLevel=3, OpportunityAssignedTo=13, OpportunityAssignedTo2=14
    )

    def ids(path: str) -> list[int]:
        return [
            one.get("DeliveryId", one.get("OpportunityId"))
            for one in webcrm.get(f"{path}?Page=1&Size=10")
        ]

    assert ids("/Deliveries/ByStatus/OnGoing") == [delivery]
    assert ids("/Deliveries/ByStatus/New") == []
    assert ids("/Deliveries/ByResponsible/12") == [delivery]
    assert ids(f"/Deliveries/ByOrganisation/{owner}") == [delivery]
    assert ids("/Opportunities/ByPipelineLevel/3") == [deal]
    assert ids("/Opportunities/ByResponsible/13") == [deal]
    assert ids("/Opportunities/ByResponsible2/14") == [deal]
    assert ids(f"/Opportunities/ByOrganisation/{owner + 1}") == []
    assert webcrm.call("GET", "/Deliveries/ByStatus/Paid").status == 400


def test_search(webcrm: Webcrm) -> None:
    owner = webcrm.organisation(OrganisationName="Ålborg Kaffe")
    person = webcrm.person(owner, PersonEmail="Mette@nordhavn.example")
    webcrm.organisation(OrganisationName="Andet")
    found = webcrm.get("/Organisations/Search?term=kaffe")
    assert [one["OrganisationId"] for one in found] == [owner]
    found = webcrm.get("/Persons/Search?term=mette%40")
    assert [one["PersonId"] for one in found] == [person]


# Others.


def test_documents_activities_and_private_customers(webcrm: Webcrm) -> None:
    owner = webcrm.organisation()
    content = b"%PDF-1.7 invoice"
    body = {
        "DocumentId": 0,
        "DocumentOrganisationId": owner,
        "DocumentLinkedEntityType": "Delivery",
        "DocumentFileName": "INV-1",
        "DocumentFileExtension": "pdf",
        "DocumentFile": b64encode(content).decode(),
    }
    made = webcrm.good("POST", "/Documents", body)
    seen = webcrm.get(f"/Documents/{made}")
    assert (seen["DocumentFileSize"], seen["DocumentFile"]) == (len(content), "")
    download = webcrm.call("GET", f"/Documents/{made}/Download")
    assert download.headers["content-type"] == "application/octet-stream"
    assert download.body == content
    assert webcrm.refused("POST", "/Documents", {**body, "DocumentFile": "***"})[0] == 400
    webcrm.good("DELETE", f"/Documents/{made}")
    activity = webcrm.good("POST", "/Activities", {"ActivityOrganisationId": owner})
    answer = webcrm.call("POST", f"/Activities/{activity}/Notes", {"Comment": "Ringet"})
    assert (answer.status, answer.body) == (204, b"")
    assert webcrm.get(f"/Activities/{activity}/Notes")["Comment"] == "Ringet"
    assert webcrm.call("DELETE", f"/Activities/{activity}/NewestNote").status == 204
    person = webcrm.good(
        "POST", "/PersonsB2C", {"PersonB2CLastName": "Dahl", "PersonB2CCity": "Ribe"}
    )
    assert [one["PersonB2CId"] for one in webcrm.get("/PersonsB2C")] == [person]
    private = webcrm.get(f"/PersonsB2C/{person}")
    assert (private["PersonB2CCity"], private["PersonB2CLastName"]) == ("Ribe", "Dahl")
    assert (
        webcrm.get(f"/Persons/{person}")["PersonOrganisationId"]
        == (private["PersonB2COrganisationId"])
    )
    told = webcrm.good("PATCH", "/PersonsB2C", [{"PersonB2CId": person, "PersonB2CCity": "Vejle"}])
    assert told == [str(person)]
    assert webcrm.get(f"/PersonsB2C/{person}")["PersonB2CCity"] == "Vejle"


def test_meetings(webcrm: Webcrm) -> None:
    body = {
        "MeetingUserId": "11",
        "MeetingDescription": "d",
        "MeetingSubject": "s",
        "MeetingStart": "2026-06-20T08:00:00Z",
        "MeetingEnd": "2026-06-20T09:00:00Z",
    }
    assert webcrm.good("POST", "/Meetings", body) is None
    span = "from=2026-06-20T00:00:00Z&to=2026-06-21T00:00:00Z&userId=11"
    (meeting,) = webcrm.get(f"/Meetings?{span}")["Meetings"]
    path = f"/Meetings/{meeting['MeetingId']}"
    webcrm.good("PUT", path, {**body, "MeetingSubject": "t"})
    assert webcrm.get(path)["MeetingSubject"] == "t"
    assert webcrm.call("DELETE", path).status == 204
    assert webcrm.get(f"/Meetings?{span}")["Meetings"] == []
    assert webcrm.refused("GET", "/Meetings")[0] == 400
