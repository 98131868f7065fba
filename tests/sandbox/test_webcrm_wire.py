"""What surprises on the wire: dates, placeholders, bare arrays, ignored parameters, paging."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

import pytest
from webcrm_support import Webcrm, served

STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?[+-]\d\d:\d\d")


@pytest.fixture(scope="module")
def server() -> Iterator[Webcrm]:
    with served("--size", "30", "--clock", "2026-11-25T09:00:00Z") as webcrm:
        yield webcrm


@pytest.fixture
def webcrm(server: Webcrm) -> Webcrm:
    return server.fresh()


def test_lists_are_bare_arrays_and_unknown_parameters_are_passed_over(webcrm: Webcrm) -> None:
    answer = webcrm.call("GET", "/Persons?PersonEmail=nobody@nowhere.example&Page=1&Size=5")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("application/json")
    assert [one["PersonId"] for one in answer.json()] == [9001, 9002, 9003, 9004, 9005]


def test_pages(webcrm: Webcrm) -> None:
    whole = [one["OrganisationId"] for one in webcrm.get("/Organisations?Page=1&Size=1000")]
    assert len(whole) == 30
    pages = [
        [one["OrganisationId"] for one in webcrm.get(f"/Organisations?page={page}&size=12")]
        for page in (1, 2, 3, 4)
    ]
    assert [len(page) for page in pages] == [12, 12, 6, 0]
    assert [one for page in pages for one in page] == whole
    webcrm.assume("default_page_size", 7)
    assert len(webcrm.get("/Organisations")) == 7


@pytest.mark.parametrize("query", ["Page=0", "Size=0", "Size=1001", "Page=1000001", "Size=x"])
def test_pages_have_bounds(webcrm: Webcrm, query: str) -> None:
    assert webcrm.call("GET", f"/Organisations?{query}").status == 400


def test_out_of_bounds_may_be_the_nearest_too(webcrm: Webcrm) -> None:
    webcrm.assume("paging_out_of_range", "nearest")
    assert len(webcrm.get("/Organisations?Size=1001&Page=0")) == 30


def test_stamps_are_in_copenhagens_time(webcrm: Webcrm) -> None:
    summer, winter = "2026-07-01T09:14:02.417Z", "2026-12-01T09:14:02.400Z"
    stamps = []
    for now in (summer, winter):
        webcrm.at(now)
        webcrm.sign_in()
        made = webcrm.get(f"/Organisations/{webcrm.organisation()}")
        stamps.append(made["OrganisationUpdatedAt"])
    assert stamps[0].startswith("2026-07-01T11:14:0")
    assert stamps[0].endswith("+02:00")
    assert stamps[1].startswith("2026-12-01T10:14:0")
    assert stamps[1].endswith("+01:00")
    assert all(STAMP.fullmatch(one) for one in stamps)


def test_a_day_is_utc_midnight_in_local_time(webcrm: Webcrm) -> None:
    owner = webcrm.organisation()
    made = webcrm.delivery(owner, DeliveryOrderDate="2026-03-31T00:00:00Z")
    assert webcrm.get(f"/Deliveries/{made}")["DeliveryOrderDate"] == "2026-03-31T02:00:00+02:00"
    made = webcrm.delivery(owner, DeliveryOrderDate="2026-01-31T15:30:00Z")
    assert webcrm.get(f"/Deliveries/{made}")["DeliveryOrderDate"] == "2026-01-31T01:00:00+01:00"
    webcrm.assume("order_date_keeps_time", True)
    made = webcrm.delivery(owner, DeliveryOrderDate="2026-01-31T15:30:00Z")
    assert webcrm.get(f"/Deliveries/{made}")["DeliveryOrderDate"] == "2026-01-31T16:30:00+01:00"


def test_dates_without_a_zone_are_what_is_assumed(webcrm: Webcrm) -> None:
    owner = webcrm.organisation()
    made = webcrm.delivery(owner, DeliveryNextFollowUp="2026-06-01T12:00:00")
    seen = webcrm.get(f"/Deliveries/{made}")["DeliveryNextFollowUp"]
    assert seen == "2026-06-01T14:00:00+02:00"
    webcrm.assume("dates_without_zone", "local")
    made = webcrm.delivery(owner, DeliveryNextFollowUp="2026-06-01T12:00:00")
    seen = webcrm.get(f"/Deliveries/{made}")["DeliveryNextFollowUp"]
    assert seen == "2026-06-01T12:00:00+02:00"


def test_no_date_is_the_year_one_in_several_forms(webcrm: Webcrm) -> None:
    made = webcrm.get(f"/Deliveries/{webcrm.delivery(webcrm.organisation())}")
    dates = {name: value for name, value in made.items() if name.endswith(("Date", "DateTime"))}
    unset = {value for value in dates.values() if datetime.fromisoformat(value).year == 1}
    assert len(unset) >= 2
    for form, text in (
        ("utc", "0001-01-01T00:00:00+00:00"),
        ("local", "0001-01-01T01:00:00+01:00"),
        ("bare", "0001-01-01T00:00:00"),
    ):
        webcrm.assume("no_date", form)
        assert webcrm.get(f"/Deliveries/{made['DeliveryId']}")["DeliveryErpSyncDateTime"] == text


def test_what_is_not_set(webcrm: Webcrm) -> None:
    made = webcrm.get(f"/Deliveries/{webcrm.delivery(webcrm.organisation())}")
    assert made["DeliveryPersonId"] == 0
    assert made["DeliveryErpId"] == ""
    assert made["DeliveryCustom1"] == "-- vælg --"
    assert made["DeliveryCurrencyName"] == "00"
    assert made["DeliverySpentTime"] == "00:00:00"
    assert made["DeliveryErpStatus"] == "NotReadyForSynchronization"
    assert made["DeliveryMemo"] is None
    webcrm.assume("unset_memo", "empty")
    webcrm.assume("currency_unset", "")
    made = webcrm.get(f"/Deliveries/{made['DeliveryId']}")
    assert made["DeliveryMemo"] == ""
    assert made["DeliveryCurrencyName"] == ""


def test_drop_downs_check_boxes_and_several_choices(webcrm: Webcrm) -> None:
    owner = webcrm.organisation(OrganisationCustom2="07: 7 dage", OrganisationCustom4="Yes")
    seen = webcrm.get(f"/Organisations/{owner}")
    assert seen["OrganisationCustom2"] == "07: 7 dage"
    assert seen["OrganisationCustom4"] == "Yes"
    assert seen["OrganisationCustom9"] == "No"
    assert seen["OrganisationCustom10"] == "[]"
    assert seen["OrganisationIndustry"] == "-- Vælg ---"
    # Written back as it was read it stays unset.
    webcrm.good("PUT", f"/Organisations/{owner}", seen)
    assert webcrm.get(f"/Organisations/{owner}")["OrganisationIndustry"] == "-- Vælg ---"
    body = {"OrganisationCustom2": "", "OrganisationCustom4": "No"}
    webcrm.good("PUT", f"/Organisations/{owner}", body)
    seen = webcrm.get(f"/Organisations/{owner}")
    assert (seen["OrganisationCustom2"], seen["OrganisationCustom4"]) == ("-- vælg --", "No")


def test_history_is_html(webcrm: Webcrm) -> None:
    owner = webcrm.organisation()
    webcrm.act("add_note", entity="Organisation", id=owner, html="Ringet &amp; aftalt")
    seen = webcrm.get(f"/Organisations/{owner}")["OrganisationHistory"]
    assert seen == "<p>Ringet &amp; aftalt</p>"
    rows = webcrm.get("/Deliveries?Size=1000") + webcrm.get("/Opportunities?Size=1000")
    texts = [row.get("DeliveryHistory", row.get("OpportunityHistory")) for row in rows]
    assert any(text.startswith("<p>") for text in texts)


def test_amounts_are_doubles(webcrm: Webcrm) -> None:
    owner = webcrm.organisation()
    made = webcrm.delivery(owner, DeliveryOrderValue=18750, DeliveryDiscount=Decimal("6.25"))
    text = webcrm.call("GET", f"/Deliveries/{made}").body.decode()
    assert '"DeliveryOrderValue":18750.0,' in text
    assert '"DeliveryDiscount":6.25,' in text


def test_the_country_is_a_name_and_the_address_one_text(webcrm: Webcrm) -> None:
    seen = webcrm.get("/Organisations?Size=1000")
    countries = {one["OrganisationCountry"] for one in seen}
    assert {"Sverige", "Danmark"} <= countries
    assert all(len(name) != 2 or name == "DK" for name in countries)
    assert any("\n" in one["OrganisationAddress"] for one in seen)


def test_security_is_shown_where_it_is_asked_for(webcrm: Webcrm) -> None:
    owner = webcrm.organisation()
    made = webcrm.opportunity(owner)
    assert "OpportunitySecurityInfo" not in webcrm.get(f"/Opportunities/{made}")
    seen = webcrm.get(f"/Opportunities/{made}?include=SecurityInfo")
    assert seen["OpportunitySecurityInfo"] == {"CanRead": True, "CanEdit": True}


def test_later_fields_can_be_left_out(webcrm: Webcrm) -> None:
    made = webcrm.opportunity(webcrm.organisation(OrganisationCountry="Danmark"))
    seen = webcrm.get(f"/Opportunities/{made}")
    assert seen["OpportunityCountry"]["Name"] == "Danmark"
    webcrm.assume("later_fields", False)
    assert "OpportunityCountry" not in webcrm.get(f"/Opportunities/{made}")


def test_fields_tell_what_they_are(webcrm: Webcrm) -> None:
    fields = {
        one["FieldMetadataFriendlyFieldName"]: one
        for one in webcrm.get("/FieldsMetadata/Organisation")
    }
    number = fields["OrganisationCustom5"]
    assert number["FieldMetadataLabel"] == "ERP customer no."
    assert number["FieldMetadataTextFieldMaxLength"] == 50
    options = fields["OrganisationCustom2"]["FieldMetadataDropdownListData"]
    assert {"Text": "30: 30 dage", "Value": "30: 30 dage"} in options
    assert "OrganisationCustom15" not in fields
    both = webcrm.get("/FieldsMetadata/Organisation,Delivery")
    assert len(both) > len(fields)
    every = webcrm.get("/FieldsMetadata")
    assert every == webcrm.get("/FieldsMetadata/All")
    assert len({one["FieldMetadataId"] for one in every}) == len(every)
    webcrm.act("configure_field", field="OrganisationCustom5", hidden=True)
    names = {
        one["FieldMetadataFriendlyFieldName"] for one in webcrm.get("/FieldsMetadata/Organisation")
    }
    assert "OrganisationCustom5" not in names
    assert webcrm.call("GET", "/FieldsMetadata/Nothing").status == 400


def test_users_carry_secrets_that_nobody_should_keep(webcrm: Webcrm) -> None:
    users = webcrm.get("/Users")
    assert all(one["UserPassword"] and one["UserTicket"] for one in users)
    assert len(webcrm.get("/Users/AllActive")) == len(users) - 1


@pytest.mark.parametrize("form", ["json", "text", "html", "empty"])
def test_error_bodies_come_in_every_form(webcrm: Webcrm, form: str) -> None:
    webcrm.assume("error_body", form)
    webcrm.assume("status_not_found", 404 if form != "html" else 400)
    answer = webcrm.call("GET", "/Organisations/0")
    assert answer.status == (400 if form == "html" else 404)
    match form:
        case "json":
            assert set(answer.json()) == {"Message", "Type"}
        case "empty":
            assert answer.body == b""
        case _:
            assert b"not found" in answer.body


def test_what_is_not_there(webcrm: Webcrm) -> None:
    assert webcrm.refused("GET", "/Organisations/999999")[0] == 404
    assert webcrm.call("GET", "/Organisations/x").status == 400
    assert webcrm.call("GET", "/Invoices").status == 404
    assert webcrm.call("DELETE", "/Organisations/4701").status == 405
    assert webcrm.call("DELETE", "/Deliveries/88001").status == 405
    # Words of a path are read in any case.
    assert webcrm.get("/organisations/4701")["OrganisationId"] == 4701


def test_older_systems_hold_shorter_names(webcrm: Webcrm) -> None:
    webcrm.act("configure_field", field="OrganisationName", size=50)
    fields = {
        one["FieldMetadataFriendlyFieldName"]: one["FieldMetadataTextFieldMaxLength"]
        for one in webcrm.get("/FieldsMetadata/Organisation")
    }
    assert (fields["OrganisationName"], fields["OrganisationAlert"]) == (50, 50)
    assert fields["OrganisationCustom3"] == 80
    body = {"OrganisationName": "x" * 51}
    assert webcrm.refused("POST", "/Organisations", body)[0] == 400
    webcrm.organisation(OrganisationName="x" * 50)


def test_who_does_not_accept_json_may_get_text(webcrm: Webcrm) -> None:
    def kind(**headers: str) -> str:
        answer = webcrm.send(
            "GET", "/Organisations?Size=1", Authorization=f"Bearer {webcrm.token}", **headers
        )
        return answer.headers["content-type"].partition(";")[0]

    assert kind() == "application/json"
    webcrm.assume("text_without_accept", True)
    assert kind() == "text/plain"
    assert kind(Accept="*/*") == "text/plain"
    assert kind(Accept="application/json") == "application/json"
