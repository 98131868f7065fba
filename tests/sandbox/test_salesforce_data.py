"""The data an org starts with, what a person may see of it, and what a state file keeps."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
from salesforce_client import Client

from tieout_sandbox.kit import company_numbers, dumps
from tieout_sandbox.salesforce.pipeline import country_code


def _rows(client: Client, kind: str) -> list[Any]:
    return list(client.sim.org.tables[kind].rows.values())


@pytest.fixture(scope="module")
def org() -> Client:
    return Client(size=600)


def test_the_same_seed_gives_the_same_org(org: Client) -> None:
    again, other = Client(size=600), Client(size=600, seed=2)
    assert dumps(again.sim.state()["org"]["tables"]) == dumps(org.sim.state()["org"]["tables"])
    assert _rows(other, "Account") != _rows(org, "Account")


def test_sizes_are_as_promised(org: Client) -> None:
    accounts, deals = _rows(org, "Account"), _rows(org, "Opportunity")
    assert len(accounts) == 600
    assert 1.8 < len(deals) / len(accounts) < 2.2
    assert 0.45 < sum(row["IsWon"] for row in deals) / len(deals) < 0.55
    assert {row["StageName"] for row in deals} == {
        row["MasterLabel"] for row in _rows(org, "OpportunityStage")
    }
    lines = _rows(org, "OpportunityLineItem")
    per_deal: dict[str, int] = {}
    for line in lines:
        per_deal[line["OpportunityId"]] = per_deal.get(line["OpportunityId"], 0) + 1
    assert set(per_deal.values()) == {1, 2, 3, 4, 5, 6}


def test_amounts_and_stages_agree_with_the_platforms_rules(org: Client) -> None:
    lines: dict[str, Decimal] = {}
    for line in _rows(org, "OpportunityLineItem"):
        key = line["OpportunityId"]
        lines[key] = lines.get(key, Decimal(0)) + line["TotalPrice"]
    for deal in _rows(org, "Opportunity"):
        assert deal.get("Amount") == lines.get(deal["Id"])
        assert deal["IsWon"] is (deal["StageName"] == "Closed Won")
        assert deal["SystemModstamp"] >= deal["CreatedDate"]
        assert deal["SystemModstamp"] <= "2026-11-25T09:00:00.000+0000"


def test_the_dirt_is_there(org: Client) -> None:
    accounts, deals = _rows(org, "Account"), _rows(org, "Opportunity")
    countries = {row["BillingCountryCode"] for row in accounts}
    assert {"SE", "NO", "FI", "DK", "DE", "US"} <= countries
    assert sum(row["BillingCountryCode"] == "SE" for row in accounts) > 200
    assert any(row["Payment_Terms__c"] == "Net 45" for row in accounts)
    assert any(row.get("BillingPostalCode") is None for row in accounts)
    assert any(row.get("ProductCode") is None for row in _rows(org, "Product2"))
    assert any(row["CurrencyIsoCode"] == "CHF" for row in deals)
    assert any(row.get("Amount") == 0 for row in deals)
    assert any("Amount" not in row for row in deals)
    municipal = {row["Id"] for row in accounts if row["Buyer_Reference_Required__c"]}
    theirs = [row for row in deals if row["AccountId"] in municipal]
    assert any(row.get("Buyer_Reference__c") is None for row in theirs)
    assert any(row.get("Buyer_Reference__c") is not None for row in theirs)
    names: dict[str, int] = {}
    for row in accounts:
        plain = row["Name"].upper().replace(",", "").removesuffix(" AB")
        names[plain] = names.get(plain, 0) + 1
    assert max(names.values()) > 1


def _mod(digits: str, weights: tuple[int, ...]) -> int:
    return sum(int(c) * w for c, w in zip(digits, weights, strict=True)) % 11


def test_company_numbers_have_right_check_digits() -> None:
    assert company_numbers.luhn_digit("556016068") == "0"
    assert company_numbers.luhn_digit("7992739871") == "3"
    rng = Random(7)
    for _ in range(200):
        assert _mod(company_numbers.norwegian(rng), (3, 2, 7, 6, 5, 4, 3, 2, 1)) == 0
        assert _mod(company_numbers.danish(rng), (2, 7, 6, 5, 4, 3, 2, 1)) == 0
        finnish = company_numbers.finnish(rng).replace("-", "")
        assert _mod(finnish, (7, 9, 10, 5, 8, 4, 2, 1)) == 0
        swedish = company_numbers.swedish(rng).replace("-", "")
        assert company_numbers.luhn_digit(swedish[:9]) == swedish[9]
        assert int(swedish[2]) >= 2


def test_most_numbers_are_right_and_a_few_are_not(org: Client) -> None:
    vats = [
        row["Vat_Number__c"]
        for row in _rows(org, "Account")
        if row["BillingCountryCode"] == "SE" and row.get("Vat_Number__c")
    ]
    wrong = [vat for vat in vats if company_numbers.luhn_digit(vat[2:11]) != vat[11]]
    assert 0 < len(wrong) < len(vats) / 10


def test_records_show_deleted_rows_and_filter() -> None:
    client = Client()
    account = client.create("Account", Name="Seen", Phone="1")
    client.create("Account", Name="Other")
    client.call("DELETE", f"/sobjects/Account/{account}")
    assert client.raw("GET", "/_sandbox/records").json()["Account"] == 1
    answer = client.raw("GET", "/_sandbox/records/Account?Name=Seen").json()
    [seen] = answer["records"] if isinstance(answer, dict) else answer
    assert (seen["Id"], seen["_deleted"], seen["Phone"]) == (account, True, "1")


def test_a_state_file_keeps_what_was_answered(tmp_path: Path) -> None:
    place = tmp_path / "state.jsonl"
    first = Client(size=20, state_file=place)
    account = first.create("Account", Name="Kept", Erp_Id__c="C-1")
    deal = first.deal({"product": "CONS", "quantity": 2}, account=account)
    first.act("win", id=deal["id"])
    first.act("hide_field", object="Account", field="Site")
    job = first.json("POST", "/jobs/ingest", {"object": "Account", "operation": "insert"})["id"]
    before = dumps(first.sim.state())
    first.sim.close()
    second = Client.__new__(Client)
    second.time = first.time
    second.sim = type(first.sim)(clock=first.sim.clock, seed=1, size=20, state_file=place)
    second.token = first.token
    assert dumps(second.sim.state()) == before
    assert second.json("GET", "/sobjects/Account/Erp_Id__c/C-1")["Id"] == account
    assert second.read("Opportunity", deal["id"])["IsWon"] is True
    assert second.json("GET", f"/jobs/ingest/{job}")["state"] == "Open"
    second.raw("POST", "/_sandbox/reset", body=b"{}")
    second.token = second.sign_in()
    assert second.call("GET", "/sobjects/Account/Erp_Id__c/C-1").status == 404


def test_settings_of_an_administrator() -> None:
    client = Client()
    assert "no such switch" in client.act_refused("set_switch", name="nonsense", value=1)
    assert "takes bool" in client.act_refused("set_switch", name="refresh_rotation", value="yes")
    assert "needs name" in client.act_refused("create_account")
    assert "no such field" in client.act_refused("hide_field", object="Account", field="X").replace(
        "there is no field", "no such field"
    )
    client.act("set_switch", name="api_enabled", value=False)
    assert client.refused("GET", "/limits", status=403)["errorCode"] == "API_DISABLED_FOR_ORG"
    user = client.query  # the API is closed, so the table is read directly
    assert callable(user)
    integration = client.sim.org.user_id
    client.act("deactivate_user", id=integration)
    assert client.sim.org.tables["User"].rows[integration]["IsActive"] is False
    assert client.act("expire_sessions")["sessions"] >= 1
    client.act("revoke_tokens")
    product = client.act("create_product", name="Made", code="MADE", price="12.50")
    client.act("change_price", product="MADE", price="13.75")
    entry = client.sim.org.tables["PricebookEntry"].rows[product["entry"]]
    assert entry["UnitPrice"] == Decimal("13.75")


# The pipeline of the reference material.


@pytest.mark.parametrize(
    ("text", "code"),
    [("United States", "US"), ("Philipines", "PH"), ("Korea", "KR"), ("Norway", "NO"), ("", "US")],
)
def test_countries_are_found_in_spite_of_spelling(text: str, code: str) -> None:
    assert country_code(text) == code


@pytest.fixture(scope="module")
def pipeline(shared_dir: Path) -> Client:
    return Client(data=shared_dir / "data" / "crm-sales-opportunities")


@pytest.mark.shared
def test_the_pipeline_is_loaded_as_it_is(pipeline: Client) -> None:
    [won] = pipeline.query("SELECT COUNT(Id) n, SUM(Amount) s FROM Opportunity WHERE IsWon = true")
    assert (won["n"], won["s"]) == (4238, Decimal("10005534.00"))
    open_ones = pipeline.query(
        "SELECT Id FROM Opportunity WHERE AccountId = null AND IsClosed = false"
    )
    assert len(open_ones) == 1425
    spelt = pipeline.query(
        "SELECT COUNT(Id) n FROM OpportunityLineItem WHERE ProductCode = 'GTXPro'"
    )
    assert spelt[0]["n"] == 1480
    assert len(pipeline.query("SELECT Id FROM Product2")) == 8
    assert len(_rows(pipeline, "Opportunity")) == 8800
    assert len(_rows(pipeline, "Account")) == 85


@pytest.mark.shared
def test_the_pipelines_accounts_can_be_customers(pipeline: Client) -> None:
    for row in _rows(pipeline, "Account"):
        assert row["BillingPostalCode"]
        assert row["BillingCity"]
        assert len(row["BillingCountryCode"]) == 2
    assert sum(row.get("ParentId") is not None for row in _rows(pipeline, "Account")) == 15
    assert {row["BillingCountryCode"] for row in _rows(pipeline, "Account")} >= {"PH", "KR", "KE"}


@pytest.mark.shared
def test_the_pipelines_org_has_one_currency(pipeline: Client) -> None:
    described = pipeline.json("GET", "/sobjects/Account/describe")
    assert "CurrencyIsoCode" not in {each["name"] for each in described["fields"]}
    assert pipeline.call("GET", "/sobjects/CurrencyType").status == 404
    [row] = pipeline.query(
        "SELECT Owner.Name, StageName, (SELECT Quantity, UnitPrice, ListPrice FROM "
        "OpportunityLineItems) FROM Opportunity WHERE Name LIKE '%Z063OYW0'"
    )
    assert (row["Owner"]["Name"], row["StageName"]) == ("Darcel Schlecht", "Won")
    [line] = row["OpportunityLineItems"]["records"]
    assert (line["Quantity"], line["UnitPrice"], line["ListPrice"]) == (1, 4514, 4821)
    made = pipeline.act(
        "create_opportunity", name="One more", lines=[{"product": "GTK 500", "quantity": 1}]
    )
    assert pipeline.read("Opportunity", made["id"])["Amount"] == 26768


def test_a_folder_without_the_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"accounts\.csv"):
        Client(data=tmp_path)
