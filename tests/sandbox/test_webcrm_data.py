"""Generated and loaded data: repeatable, the same firm as elsewhere, real dirt; and the state."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from webcrm_support import served

from tieout_sandbox.kit import SandboxClock, dumps, make_request, pack
from tieout_sandbox.kit.company_numbers import luhn_digit
from tieout_sandbox.kit.webhooks import Notice
from tieout_sandbox.salesforce import SalesforceSimulator
from tieout_sandbox.webcrm import APPLICATION_TOKEN, WebcrmSimulator

NOW = datetime(2026, 11, 25, 9, 15, tzinfo=UTC)


def made(**options: Any) -> WebcrmSimulator:
    return WebcrmSimulator(clock=SandboxClock(lambda: NOW), **options)


def rows(sim: WebcrmSimulator, resource: str) -> list[dict[str, Any]]:
    return list(sim.entities()[resource]())


@pytest.fixture(scope="module")
def sim() -> WebcrmSimulator:
    return made(size=400, seed=3)


def test_the_same_seed_size_and_clock_give_the_same_data() -> None:
    def state(**options: Any) -> bytes:
        return dumps(pack(made(**options).state()))

    assert state(size=40, seed=5) == state(size=40, seed=5)
    assert state(size=40, seed=5) != state(size=40, seed=6)


def test_it_is_the_firm_that_salesforce_has(sim: WebcrmSimulator) -> None:
    other = SalesforceSimulator(clock=SandboxClock(lambda: NOW), size=400, seed=3, package=True)
    accounts = list(other.entities()["Account"]())
    theirs = [(one["Name"], one.get("Vat_Number__c"), one.get("Org_Number__c")) for one in accounts]
    ours = [
        (
            one["OrganisationName"],
            one["OrganisationVatNumber"] or None,
            one["OrganisationCustom1"] or None,
        )
        for one in rows(sim, "Organisations")
    ]
    assert ours == theirs
    won = [one for one in other.entities()["Opportunity"]() if one["StageName"] == "Closed Won"]
    deliveries = rows(sim, "Deliveries")
    assert [one["DeliveryDescription"] for one in deliveries] == [one["Name"] for one in won]


def test_company_numbers_are_valid_but_for_the_spoilt(sim: WebcrmSimulator) -> None:
    numbers = [
        one["OrganisationCustom1"].replace("-", "")
        for one in rows(sim, "Organisations")
        if one["OrganisationCountry"] == "Sverige" and one["OrganisationCustom1"]
    ]
    assert len(numbers) > 100
    assert all(luhn_digit(one[:9]) == one[9] for one in numbers)
    vats = [one["OrganisationVatNumber"] for one in rows(sim, "Organisations")]
    swedish = [one for one in vats if one.startswith("SE")]
    spoilt = [one for one in swedish if luhn_digit(one[2:11]) != one[11]]
    assert 0 < len(spoilt) < len(swedish) / 10


def test_the_dirt(sim: WebcrmSimulator) -> None:
    organisations = rows(sim, "Organisations")
    assert any(one["OrganisationCountry"] in ("Sweden", "DK", "Noreg") for one in organisations)
    assert any(one["OrganisationCustom2"] == "-- vælg --" for one in organisations)
    assert any(one["OrganisationCustom2"] == "45: 45 dage" for one in organisations)
    assert any(not one["OrganisationVatNumber"] for one in organisations)
    assert any(one["PersonLastName"] == "-" for one in rows(sim, "Persons"))
    deliveries = rows(sim, "Deliveries")
    assert any(one["DeliveryCurrencyName"] == "00" for one in deliveries)
    lines = rows(sim, "QuotationLines")
    assert any(one["QuotationLineMemo"] and not one["QuotationLineData1"] for one in lines)
    assert any(one["QuotationLineData1"] == "-" for one in lines)
    totals: Counter[int] = Counter()
    for line in lines:
        net = line["QuotationLinePrice"] * line["QuotationLineQuantity"]
        less = 1 - line["QuotationLineDiscount"] / 100
        totals[line["QuotationLineOpportunityId"]] += net * less
    apart = [
        one
        for one in deliveries
        if abs(totals[one["DeliveryId"]] - one["DeliveryOrderValue"]) > Decimal("0.01")
    ]
    assert 0 < len(apart) < len(deliveries) / 20


@pytest.mark.shared
def test_a_pipeline_is_loaded_with_its_dirt(shared_dir: Path) -> None:
    sim = made(data=shared_dir / "data" / "crm-sales-opportunities")
    counts = sim.counts()
    assert counts["Organisations"] == 85
    assert counts["Users"] == 35
    assert counts["QuotationLineLinkedData"] == 7
    deliveries, deals = rows(sim, "Deliveries"), rows(sim, "Opportunities")
    assert len(deliveries) == 4238
    assert len(deliveries) + len(deals) == 8800
    assert sum(one["DeliveryOrderValue"] for one in deliveries) == 10_005_534
    homeless = [one for one in deals if one["OpportunityOrganisationId"] == 0]
    assert len(homeless) == 1425
    lines = rows(sim, "QuotationLines")
    assert sum(one["QuotationLineData1"] == "GTXPro" for one in lines) == 1480
    names = [
        one["QuotationLineLinkedDataItemData1"] for one in rows(sim, "QuotationLineLinkedData")
    ]
    assert "GTX Pro" in names
    assert "GTXPro" not in names
    sectors = {one["OrganisationIndustry"] for one in rows(sim, "Organisations")}
    assert "technolgy" in sectors


def test_a_folder_without_the_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        made(data=tmp_path)


def test_a_killed_process_loses_nothing_that_it_answered(tmp_path: Path) -> None:
    options = ("--state", str(tmp_path / "state"), "--clock", "2026-06-12T09:00:00Z")
    with served(*options, "--size", "3") as webcrm:
        webcrm.assume("put_answer", "object")
        owner = webcrm.organisation(OrganisationCustom5="C-1")
        webcrm.good("PUT", f"/Organisations/{owner}", {"OrganisationCity": "Ribe"})
        deal = webcrm.opportunity(owner)
        line = webcrm.line(deal)
        webcrm.act("win", deal=deal)
        webcrm.good(
            "POST",
            "/Deliveries/Hooks",
            {"TargetUrl": "http://127.0.0.1:1", "IsEnabled": True, "Filter": ["All"]},
        )
        before = webcrm.get(f"/Deliveries/{deal}")
        refresh = webcrm.login().json()["RefreshToken"]
    with served(*options) as webcrm:  # the first one was killed
        assert webcrm.get(f"/Deliveries/{deal}") == before
        assert webcrm.get(f"/Organisations/{owner}")["OrganisationCity"] == "Ribe"
        assert webcrm.get(f"/Deliveries/{deal}/QuotationLines")[0]["QuotationLineId"] == line
        assert len(webcrm.get("/Deliveries/Hooks")) == 1
        assert webcrm.act("assumptions")["put_answer"] == "object"
        again = webcrm.send("POST", "/Auth/ApiRefresh", refreshToken=refresh).json()
        assert again["IsError"] is False
        assert webcrm.opportunity(owner) > deal
    with served(*options) as webcrm:  # from the snapshot alone
        assert webcrm.get(f"/Deliveries/{deal}") == before


def test_it_runs_in_process_and_hands_notices_over() -> None:
    sim = made(size=1)
    heard: list[str] = []

    def deliver(notice: Notice) -> int:
        heard.append(notice.subject)
        return 200

    sim.outbox.deliver = deliver

    def send(method: str, path: str, body: bytes = b"", token: str = "") -> Any:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        request = make_request(method, path, headers=headers, body=body)
        return asyncio.run(sim.handle(request)).json()  # type: ignore[union-attr]

    form = f"authCode={APPLICATION_TOKEN}".encode()
    token = send("POST", "/Auth/ApiLogin", form)["AccessToken"]
    hook = {"TargetUrl": "http://x", "IsEnabled": True, "EventType": "Create", "Filter": ["All"]}
    send("POST", "/Persons/Hooks", dumps(hook), token)
    person = {"PersonOrganisationId": 4701, "PersonLastName": "Holm"}
    made_id = send("POST", "/Persons", dumps(person), token)
    assert heard == [f"Create Persons/{made_id}"]
