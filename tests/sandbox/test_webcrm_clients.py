"""Calls in the shapes that other people's clients and the vendor's own integration use."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from webcrm_support import KNOWN, Webcrm, served


@pytest.fixture(scope="module")
def server() -> Iterator[Webcrm]:
    with served("--size", "30", "--clock", "2026-06-12T09:00:00Z") as webcrm:
        yield webcrm


@pytest.fixture
def webcrm(server: Webcrm) -> Webcrm:
    return server.fresh()


@pytest.fixture
def base(webcrm: Webcrm) -> str:
    return str(webcrm.where["base_url"])


class Extractor:
    """As an extractor of 2020 does it: multipart sign-in, refresh as a form field, everything by
    the query endpoint, page after page until one is empty."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.session = requests.Session()
        self.session.headers["Accept"] = "application/json"
        self.tokens = self.post("/Auth/ApiLogin", authCode=KNOWN["application_token"])

    def post(self, path: str, **fields: str) -> Any:
        files = {name: (None, value) for name, value in fields.items()}
        answer = self.session.post(self.base + path, files=files)
        answer.raise_for_status()
        return answer.json()

    def refresh(self) -> None:
        self.tokens = self.post("/Auth/ApiRefresh", refreshToken=self.tokens["RefreshToken"])

    def records(self, table: str, stamp: str) -> Iterator[Any]:
        params: dict[str, Any] = {"script": f"SELECT * FROM {table} order by {stamp} ASC"}
        params |= {"Page": 1, "Size": 20}
        while True:
            headers = {"Authorization": f"Bearer {self.tokens['AccessToken']}"}
            answer = self.session.get(f"{self.base}/Queries", params=params, headers=headers)
            answer.raise_for_status()
            rows = answer.json()
            if not rows:
                return
            yield from rows
            params["Page"] += 1


def test_an_extractor_reads_everything(webcrm: Webcrm, base: str) -> None:
    extractor = Extractor(base)
    for table, stamp in (
        ("organisation", "OrganisationUpdatedAt"),
        ("opportunity", "OpportunityUpdatedAt"),
        ("delivery", "DeliveryUpdatedAt"),
        ("person", "PersonUpdatedAt"),
        ("activity", "ActivityUpdatedAt"),
    ):
        rows = list(extractor.records(table, stamp))
        resource = {"activity": "Activities", "opportunity": "Opportunities"}.get(table)
        name = resource or {"delivery": "Deliveries"}.get(table) or f"{table.title()}s"
        assert len(rows) == webcrm.sandbox("GET", "records")[name]
        extractor.refresh()
    extractor.session.close()


def test_a_client_signs_in_again_after_401_and_waits_as_it_is_told(
    webcrm: Webcrm, base: str
) -> None:
    """As a client of 2024: no sign-in before the first 401, the wait out of the body."""
    headers: dict[str, str] = {}
    waits: list[int] = []

    def get(path: str) -> requests.Response:
        for _ in range(4):
            answer = requests.get(base + path, headers=headers, timeout=20)
            if answer.status_code == 401:
                form = {"authCode": KNOWN["application_token"]}
                token = requests.post(f"{base}/Auth/ApiLogin", data=form, timeout=20).json()
                headers["Authorization"] = f"Bearer {token['AccessToken']}"
            elif answer.status_code == 429:
                waits.append(answer.json()["RetryAfterSeconds"])
                webcrm.pass_time(waits[-1])
            else:
                return answer
        raise AssertionError(path)

    webcrm.assume("rate_limit", 3)
    persons: list[Any] = []
    page = 1
    while rows := get(f"/Persons?Page={page}&Size=10").json():
        persons += rows
        page += 1
    assert len(persons) == webcrm.sandbox("GET", "records")["Persons"]
    assert waits
    assert all(0 < wait <= 60 for wait in waits)
    assert get("/Memberships?Page=1&Size=150").json() == []
    owner = persons[0]["PersonOrganisationId"]
    assert get(f"/Persons/ByOrganisation/{owner}?Page=1&Size=10").json()[0] == persons[0]


def test_the_vendors_own_integration(webcrm: Webcrm) -> None:
    """Polls by a query, matches by the id in a custom field, drops nulls, writes all lines anew."""
    script = (
        "SELECT * FROM Organisation WHERE OrganisationUpdatedAt >= '2026-06-12T08:00:00.0000000Z'"
        " AND (OrganisationStatus = 'Kunde' OR OrganisationType = 'Debitor')"
    )
    assert isinstance(webcrm.query(script), list)
    owner = webcrm.organisation(OrganisationCustom5="10077")
    found = webcrm.query("SELECT * FROM Organisation WHERE OrganisationCustom5 = '10077'")
    assert [one["OrganisationId"] for one in found] == [owner]
    person = webcrm.person(owner, PersonCustom3="10077/9", PersonCustom2="Yes")
    joined = webcrm.query(
        "SELECT Person.* FROM Person JOIN Organisation ON "
        "(Person.PersonOrganisationId = Organisation.OrganisationId) "
        f"WHERE PersonCustom3 = '10077/9' AND OrganisationId = {owner}"
    )
    assert [one["PersonId"] for one in joined] == [person]
    deal = webcrm.delivery(
        owner, DeliveryPersonId=person, DeliveryErpSyncDateTime="2026-06-12T08:30:00Z"
    )
    webcrm.line(deal)
    for line in webcrm.get(f"/Deliveries/{deal}/QuotationLines?Page=1&Size=1000"):
        webcrm.good("DELETE", f"/QuotationLines/{line['QuotationLineId']}")
    webcrm.line(deal)
    assert len(webcrm.get(f"/Deliveries/{deal}/QuotationLines")) == 1
    # A whole record is read, one field changed, and everything written back.
    whole = webcrm.get(f"/Deliveries/{deal}")
    whole["DeliveryStatus"] = "Completed"
    webcrm.good("PUT", f"/Deliveries/{deal}", whole)
    after = webcrm.get(f"/Deliveries/{deal}")
    changed = {name for name in whole if whole[name] != after[name]}
    assert changed <= {"DeliveryUpdatedAt"}


def test_an_automation_of_2026(webcrm: Webcrm) -> None:
    """Looks persons up by search, puts two fields only, takes the id out of an answered object."""
    owner = webcrm.good("POST", "/Organisations", {"OrganisationName": "Ny kunde"})
    number = owner["OrganisationId"]
    person = webcrm.person(number, PersonEmail="ny@kunde.example")
    (found,) = webcrm.get("/Persons/Search?term=ny@kunde.example")
    assert found["PersonId"] == person
    body = {"PersonId": person, "PersonStatus": "Resigned"}
    webcrm.good("PUT", f"/Persons/{person}", body)
    seen = webcrm.get(f"/Persons/{person}")
    assert (seen["PersonStatus"], seen["PersonEmail"]) == ("Resigned", "ny@kunde.example")
    # The filter that it must not rely on: the first page of all.
    assert len(webcrm.get("/Persons?PersonEmail=ny@kunde.example")) > 1


def test_many_at_a_time(webcrm: Webcrm) -> None:
    """Calls side by side get answers of their own."""
    webcrm.assume("rate_limit", 1000)
    made: list[int] = []

    def work() -> None:
        made.extend(webcrm.organisation() for _ in range(10))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 40
