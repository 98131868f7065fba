"""What people do in the program, past the API."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from webcrm_support import Webcrm, served


@pytest.fixture(scope="module")
def server() -> Iterator[Webcrm]:
    with served("--size", "6", "--clock", "2026-06-12T09:00:00Z") as webcrm:
        yield webcrm


@pytest.fixture
def webcrm(server: Webcrm) -> Webcrm:
    return server.fresh()


def refused(webcrm: Webcrm, action: str, /, **arguments: Any) -> str:
    answer = webcrm.send("POST", f"/_sandbox/actions/{action}", arguments)
    assert answer.status == 400, answer.body
    return str(answer.json()["error"])


def deal_with_lines(webcrm: Webcrm) -> dict[str, Any]:
    owner = webcrm.act("add_organisation", name="Nordhavn Kaffe ApS")["OrganisationId"]
    return dict(
        webcrm.act(
            "add_opportunity",
            organisation=owner,
            title="Espresso",
            currency="DKK",
            lines=[
                {"item": "CONS", "quantity": 2, "vat": 25},
                {"item": "WS-HALF", "quantity": 1, "price": 1000.5, "discount": 10},
                {"memo": "Leveres i uge 12"},
            ],
        )
    )


def test_every_action_is_listed_with_its_arguments(webcrm: Webcrm) -> None:
    listed = webcrm.sandbox("GET", "actions")
    assert {"win", "edit_lines", "change_type", "merge_organisations", "add_person"} <= set(listed)
    assert all("user" in listed[name] for name in ("win", "add_organisation"))
    assert "no such action" in webcrm.send("POST", "/_sandbox/actions/fly", {}).json()["error"]
    assert "takes no" in refused(webcrm, "win", speed=3)


def test_a_deal_is_made_and_won(webcrm: Webcrm) -> None:
    deal = deal_with_lines(webcrm)
    assert deal["OpportunityOrderValue"] == Decimal("3200.45")
    assert deal["OpportunityUpdatedBy"] == "Anna Lindqvist"
    assert [line["QuotationLineSortOrder"] for line in deal["lines"]] == [10, 20, 30]
    assert deal["lines"][0]["QuotationLinePrice"] == 1150
    number = deal["OpportunityId"]
    webcrm.act("win", deal=number, user="erik.hansen@nordljus.example")
    won = webcrm.get(f"/Deliveries/{number}")
    assert won["DeliveryWinYesNo"] is True
    assert won["DeliveryWonDate"].startswith("2026-06-12T11:")
    assert won["DeliveryUpdatedBy"] == "Erik Hansen"
    assert "there is no" in refused(webcrm, "win", deal=number)


@pytest.mark.parametrize(("how", "flag"), [("flag", True), ("level", False)])
def test_systems_differ_in_what_winning_is(webcrm: Webcrm, how: str, flag: bool) -> None:
    number = deal_with_lines(webcrm)["OpportunityId"]
    webcrm.act("win", deal=number, how=how)
    seen = webcrm.get(f"/Opportunities/{number}")
    assert (seen["OpportunityWinYesNo"], seen["OpportunityLevelText"]) == (flag, "Vundet")
    assert "how is" in refused(webcrm, "win", deal=number, how="gladly")


def test_a_deal_is_lost_reopened_and_copied(webcrm: Webcrm) -> None:
    number = deal_with_lines(webcrm)["OpportunityId"]
    webcrm.act("lose", deal=number, reason="Pris")
    seen = webcrm.get(f"/Opportunities/{number}")
    assert (seen["OpportunityLevel"], seen["OpportunityLost1"]) == (11, "Pris")
    webcrm.act("reopen", deal=number, level=6)
    seen = webcrm.get(f"/Opportunities/{number}")
    assert (seen["OpportunityLevel"], seen["OpportunityLost1"]) == (6, "")
    webcrm.act("win", deal=number)
    webcrm.good("PUT", f"/Deliveries/{number}", {"DeliveryErpId": "INV-1"})
    copy = webcrm.act("clone_deal", deal=number)
    assert copy["OpportunityErpId"] == ""
    assert copy["OpportunityWinYesNo"] is False
    assert len(copy["lines"]) == 3
    webcrm.act("reopen", deal=number, level=2)
    assert webcrm.call("GET", f"/Deliveries/{number}").status == 404
    webcrm.act("delete_deal", deal=number)
    assert webcrm.call("GET", f"/Opportunities/{number}").status == 404
    left = {one["QuotationLineOpportunityId"] for one in webcrm.get("/QuotationLines?Size=1000")}
    assert number not in left


def test_lines_are_edited(webcrm: Webcrm) -> None:
    deal = deal_with_lines(webcrm)
    number, lines = deal["OpportunityId"], [one["QuotationLineId"] for one in deal["lines"]]
    webcrm.act("win", deal=number)
    before = webcrm.get(f"/Deliveries/{number}")["DeliveryUpdatedAt"]
    webcrm.pass_time(60)
    seen = webcrm.act(
        "edit_lines",
        deal=number,
        add=[{"item": "PM", "quantity": 1}],
        change=[{"line": lines[0], "quantity": 3}],
        remove=[lines[1]],
    )
    kept = [(one["QuotationLineId"], one["QuotationLineQuantity"]) for one in seen["lines"]]
    assert kept[:2] == [(lines[0], 3), (lines[2], 0)]
    assert seen["DeliveryOrderValue"] == 4800
    assert seen["DeliveryUpdatedAt"] == before
    seen = webcrm.act("edit_lines", deal=number, remove=[lines[0]], keep_value=True)
    assert seen["DeliveryOrderValue"] == 4800
    webcrm.assume("line_touches_parent", True)
    assert webcrm.act("edit_lines", deal=number)["DeliveryUpdatedAt"] > before
    assert "has no line" in refused(webcrm, "edit_lines", deal=number, remove=[1])


def test_what_the_erp_locks_is_a_switch(webcrm: Webcrm) -> None:
    number = deal_with_lines(webcrm)["OpportunityId"]
    webcrm.good("PUT", f"/Opportunities/{number}", {"OpportunityErpReadOnly": "Yes"})
    webcrm.act("edit_deal", deal=number, set={"Note": "x"})
    webcrm.assume("erp_read_only_locks", True)
    assert "locked" in refused(webcrm, "edit_deal", deal=number, set={"Note": "y"})


def test_a_deal_is_marked_ready(webcrm: Webcrm) -> None:
    number = deal_with_lines(webcrm)["OpportunityId"]
    webcrm.act("win", deal=number)
    webcrm.act("mark_ready", deal=number)
    webcrm.act("set_delivery_status", delivery=number, status="Planned")
    seen = webcrm.get(f"/Deliveries/{number}")
    assert seen["DeliveryErpStatus"] == "ReadyForSynchronization"
    assert seen["DeliveryStatus"] == "Planned"


def test_an_organisation_changes_its_type(webcrm: Webcrm) -> None:
    seen = webcrm.act("change_type", organisation=4701, type="Partner", status="Spærret")
    assert (seen["OrganisationType"], seen["OrganisationStatus"]) == ("Partner", "Spærret")
    assert "not a value" in refused(webcrm, "change_type", organisation=4701, type="Ven")


@pytest.mark.parametrize("touched", [True, False])
def test_two_organisations_are_merged(webcrm: Webcrm, touched: bool) -> None:
    webcrm.assume("merge_touches_children", touched)
    keep = webcrm.organisation()
    remove = webcrm.organisation(OrganisationVatNumber="DK12345678", OrganisationName="Twin")
    person, deal = webcrm.person(remove), webcrm.delivery(remove)
    before = webcrm.get(f"/Deliveries/{deal}")["DeliveryUpdatedAt"]
    webcrm.pass_time(60)
    told = webcrm.act("merge_organisations", keep=keep, remove=remove)
    assert told["moved"] == {"Persons": 1, "Deliveries": 1}
    assert webcrm.call("GET", f"/Organisations/{remove}").status == 404
    assert webcrm.get(f"/Persons/{person}")["PersonOrganisationId"] == keep
    seen = webcrm.get(f"/Deliveries/{deal}")
    assert seen["DeliveryOrganisationId"] == keep
    assert (seen["DeliveryUpdatedAt"] > before) is touched
    kept = webcrm.get(f"/Organisations/{keep}")
    assert kept["OrganisationVatNumber"] == "DK12345678"
    assert kept["OrganisationName"] == "Nordhavn Kaffe ApS"
    assert "itself" in refused(webcrm, "merge_organisations", keep=keep, remove=keep)


def test_persons_come_and_go(webcrm: Webcrm) -> None:
    made = webcrm.act(
        "add_person", organisation=4701, first_name="Mette", last_name="Holm", email="m@n.example"
    )
    number = made["PersonId"]
    assert made["PersonName"] == "Mette Holm"
    assert webcrm.act("resign_person", person=number)["PersonStatus"] == "Resigned"
    assert webcrm.act("edit_person", person=number, set={"Title": "CFO"})["PersonTitle"] == "CFO"
    webcrm.act("delete_person", person=number)
    assert webcrm.call("GET", f"/Persons/{number}").status == 404
    assert "last_name" in refused(webcrm, "add_person", organisation=4701)


def test_an_organisation_goes_with_all_that_it_has(webcrm: Webcrm) -> None:
    deal = deal_with_lines(webcrm)
    owner = deal["OpportunityOrganisationId"]
    assert webcrm.act("delete_organisation", organisation=owner)["deleted"] == 5
    assert webcrm.call("GET", f"/Opportunities/{deal['OpportunityId']}").status == 404


def test_the_catalogue_is_kept_by_people_too(webcrm: Webcrm) -> None:
    made = webcrm.act("add_item", item="NEW-1", text="New", price=10, vat_code="U25")
    number = made["QuotationLineLinkedDataItemId"]
    assert webcrm.get(f"/QuotationLines/LinkedData/{number}") == made
    seen = webcrm.act("edit_item", id=number, set={"Price": 12})
    assert seen["QuotationLineLinkedDataItemPrice"] == 12
    webcrm.act("delete_item", id=number)
    webcrm.act("set_columns", columns=["Nr", "Navn", "Enhed", "Konto"])
    assert webcrm.get("/QuotationLines/LinkedSetup")["QuotationLineLinkedSetupField4"] > 0


def test_fields_are_configured_anew(webcrm: Webcrm) -> None:
    webcrm.act(
        "configure_field",
        field="OrganisationPlus1",
        label="Rabatgruppe",
        options=["A: stor", "B: lille"],
        placeholder="-- ingen --",
    )
    owner = webcrm.organisation()
    assert webcrm.get(f"/Organisations/{owner}")["OrganisationPlus1"] == "-- ingen --"
    webcrm.good("PUT", f"/Organisations/{owner}", {"OrganisationPlus1": "A: stor"})
    body = {"OrganisationPlus1": "A"}
    assert webcrm.refused("PUT", f"/Organisations/{owner}", body)[0] == 400
    webcrm.act("set_levels", levels={"1": "Ny", "2": "Sendt"})
    deal = webcrm.opportunity(owner, OpportunityLevel=2)
    assert webcrm.get(f"/Opportunities/{deal}")["OpportunityLevelText"] == "Sendt"
    assert "no field" in refused(webcrm, "configure_field", field="OrganisationEmail")
    assert "must be" in refused(webcrm, "configure_field", field="OrganisationPlus1", size="x")


def test_any_record_can_be_edited(webcrm: Webcrm) -> None:
    seen = webcrm.act("edit_record", entity="User", id=12, set={"UserTitle": "Chef"})
    assert seen["UserTitle"] == "Chef"
    assert "no field" in refused(webcrm, "edit_record", entity="User", id=12, set={"X": 1})
    assert "no entity" in refused(webcrm, "edit_record", entity="Car", id=1)
    assert "no history" in refused(webcrm, "add_note", entity="User", id=12, html="x")
    assert "no user" in refused(webcrm, "resign_person", person=9001, user="nobody")


def test_switches_are_listed_and_checked(webcrm: Webcrm) -> None:
    known = webcrm.act("assumptions")
    assert known["rate_limit"] == 250
    assert "no such assumption" in refused(webcrm, "set_assumption", name="x", value=1)
    assert "is a int" in refused(webcrm, "set_assumption", name="rate_limit", value="1")
    assert "is one of" in refused(webcrm, "set_assumption", name="put_answer", value="x")
    webcrm.assume("rate_limit", 300)
    assert webcrm.act("assumptions")["rate_limit"] == 300
    webcrm.fresh()
    assert webcrm.act("assumptions") == known
