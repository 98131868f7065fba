"""Single rows: the operations, their answers, and what they refuse."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest
from salesforce_client import Client

from tieout_sandbox.salesforce.ids import make_id, normalise, suffix


@pytest.fixture
def org() -> Client:
    return Client()


def test_a_row_is_created_read_changed_and_deleted(org: Client) -> None:
    answer = org.call("POST", "/sobjects/Account/", {"Name": "xyzzy", "AccountNumber": "420"})
    assert answer.status == 201
    made = answer.json()
    assert made == {"id": made["id"], "success": True, "errors": []}
    row = org.read("Account", made["id"])
    assert row["attributes"]["type"] == "Account"
    assert (row["Name"], row["AccountNumber"], row["IsDeleted"]) == ("xyzzy", "420", False)
    changed = org.call("PATCH", f"/sobjects/Account/{made['id']}", {"AccountNumber": None})
    assert (changed.status, changed.body) == (204, b"")
    only = org.json("GET", f"/sobjects/Account/{made['id']}?fields=AccountNumber,Name")
    assert only["AccountNumber"] is None
    assert "Phone" not in only
    assert org.call("DELETE", f"/sobjects/Account/{made['id']}").status == 204
    error = org.refused("GET", f"/sobjects/Account/{made['id']}", status=404)
    assert error["errorCode"] == "ENTITY_IS_DELETED"


def test_ids_have_a_right_suffix_and_both_lengths_work(org: Client) -> None:
    account = org.create("Account", Name="Ids")
    assert account.startswith("001")
    assert account[15:] == suffix(account[:15])
    assert org.read("Account", account[:15])["Id"] == account
    assert normalise(account.lower()[:15] + account[15:]) == account
    assert suffix("00130000000aBcD") != suffix("00130000000abcd")
    assert make_id("006", 62**3 + 40)[15:] == suffix(make_id("006", 62**3 + 40)[:15])


def test_an_upsert_makes_one_row(org: Client) -> None:
    path = "/sobjects/Tieout_Invoice__c/External_Id__c/qbo%3A1%3Ainvoice%3A1001"
    fields = {"Number__c": "1001", "Status__c": "booked", "Total__c": Decimal("250.00")}
    first = org.call("PATCH", path, fields)
    second = org.call("PATCH", path, {**fields, "Balance__c": 0})
    assert (first.status, second.status) == (201, 200)
    assert first.json()["created"] is True
    assert second.json() == {**first.json(), "created": False}
    assert b'"Total__c":250.00' in org.call("GET", path).body
    assert len(org.query("SELECT Id FROM Tieout_Invoice__c")) == 1


def test_old_versions_answer_an_updating_upsert_without_a_body(org: Client) -> None:
    org.create("Account", Name="Old", Erp_Id__c="C-1")
    path = "/services/data/v45.0/sobjects/Account/Erp_Id__c/C-1"
    answer = org.call("PATCH", path, {"Name": "Older"})
    assert (answer.status, answer.body) == (204, b"")


def test_upserts_that_are_refused(org: Client) -> None:
    both = org.refused(
        "PATCH", "/sobjects/Account/Erp_Id__c/C-1", {"Name": "A", "Erp_Id__c": "C-1"}
    )
    assert both["errorCode"] == "INVALID_FIELD"
    no_key = org.refused("PATCH", "/sobjects/Account/Phone/1", {"Name": "A"}, status=404)
    assert no_key["errorCode"] == "NOT_FOUND"
    only = org.refused(
        "PATCH", "/sobjects/Account/Erp_Id__c/C-9?updateOnly=true", {"Name": "A"}, status=404
    )
    assert only["errorCode"] == "NOT_FOUND"


def test_an_external_id_matches_in_any_case_unless_the_field_tells_cases(org: Client) -> None:
    account = org.create("Account", Name="A", Erp_Id__c="Abc")
    found = org.json("GET", "/sobjects/Account/Erp_Id__c/aBC")
    assert found["Id"] == account
    org.create("Tieout_Invoice__c", External_Id__c="Abc")
    assert org.call("GET", "/sobjects/Tieout_Invoice__c/External_Id__c/aBC").status == 404


def test_several_matches_are_a_300_and_nothing_is_written(org: Client) -> None:
    line = {"product": "CONS", "quantity": 1}
    deal = org.deal(line, line)
    for each in deal["lines"]:
        org.update("OpportunityLineItem", each, Erp_Id__c="same")
    answer = org.call("PATCH", "/sobjects/OpportunityLineItem/Erp_Id__c/same", {"Description": "x"})
    assert answer.status == 300
    assert sorted(answer.json()) == sorted(
        f"/services/data/v68.0/sobjects/OpportunityLineItem/{each}" for each in deal["lines"]
    )
    assert org.read("OpportunityLineItem", deal["lines"][0])["Description"] is None


@pytest.mark.parametrize(
    ("kind", "fields", "code", "text"),
    [
        ("Account", {"Phone": "1"}, "REQUIRED_FIELD_MISSING", "[Name]"),
        ("Contact", {"FirstName": "A"}, "REQUIRED_FIELD_MISSING", "[LastName]"),
        ("Account", {"Name": "A", "Foo": 1}, "INVALID_FIELD", "No such column 'Foo'"),
        (
            "Account",
            {"Name": "A", "SystemModstamp": "x"},
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            "System",
        ),
        ("Account", {"Name": "A", "AccountNumber": "x" * 41}, "STRING_TOO_LONG", "(max length=40)"),
        (
            "Tieout_Invoice__c",
            {"Status__c": "Unheard of"},
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            "Status: bad value for restricted picklist field: Unheard of",
        ),
        ("Contact", {"LastName": "A", "Email": "a@b"}, "INVALID_EMAIL_ADDRESS", "a@b"),
        ("Contact", {"LastName": "A", "AccountId": "12"}, "MALFORMED_ID", "12"),
        ("Contact", {"LastName": "A", "AccountId": make_id("006", 1)}, "MALFORMED_ID", "006"),
        (
            "Contact",
            {"LastName": "A", "AccountId": make_id("001", 99)},
            "INVALID_CROSS_REFERENCE_KEY",
            "invalid",
        ),
        ("Account", {"Name": "A", "CurrencyIsoCode": "GBP"}, "INVALID_CURRENCY_ISO", "GBP"),
        ("Account", {"Name": "A", "BillingCountryCode": "QQ"}, "INVALID_OR_NULL", "QQ"),
        (
            "Account",
            {"Name": "A", "BillingCountryCode": "SE", "BillingCountry": "Norway"},
            "FIELD_INTEGRITY_EXCEPTION",
            "country",
        ),
        (
            "Contact",
            {"LastName": "A", "Account": {"Erp_Id__c": "nobody"}},
            "INVALID_FIELD",
            "Foreign key external ID: nobody not found",
        ),
    ],
)
def test_fields_that_are_refused(
    org: Client, kind: str, fields: dict[str, Any], code: str, text: str
) -> None:
    before = len(org.query(f"SELECT Id FROM {kind}"))
    error = org.refused("POST", f"/sobjects/{kind}", fields)
    assert error["errorCode"].startswith(code)
    assert text in error["message"]
    assert len(org.query(f"SELECT Id FROM {kind}")) == before


def test_values_are_kept_as_the_platform_keeps_them(org: Client) -> None:
    account = org.create(
        "Account",
        Name="  Spaces  ",
        Phone="",
        BillingCountryCode="SE",
        AnnualRevenue=Decimal("12.5"),
        Erp_Synced_At__c="2026-03-31T11:14:02+02:00",
        Ar_Balance__c=Decimal("10.005"),
    )
    row = org.read("Account", account)
    assert row["Name"] == "Spaces"
    assert row["Phone"] is None
    assert row["BillingCountry"] == "Sweden"
    assert row["AnnualRevenue"] == 13
    assert row["Erp_Synced_At__c"] == "2026-03-31T09:14:02.000+0000"
    assert row["Ar_Balance__c"] == Decimal("10.01")
    assert row["CurrencyIsoCode"] == "SEK"
    assert row["Credit_Hold__c"] is False


def test_a_parent_can_be_named_by_its_external_id(org: Client) -> None:
    account = org.create("Account", Name="Parent", Erp_Id__c="C-10077")
    contact = org.create("Contact", LastName="Child", Account={"Erp_Id__c": "C-10077"})
    assert org.read("Contact", contact)["AccountId"] == account
    assert org.json("GET", f"/sobjects/Contact/{contact}/Account")["Id"] == account
    children = org.json("GET", f"/sobjects/Account/{account}/Contacts")
    assert [each["Id"] for each in children["records"]] == [contact]


def test_a_unique_field_names_the_row_that_has_the_value(org: Client) -> None:
    first = org.create("Account", Name="A", Erp_Id__c="C-1")
    error = org.refused("POST", "/sobjects/Account", {"Name": "B", "Erp_Id__c": "c-1"})
    assert error["errorCode"] == "DUPLICATE_VALUE"
    assert error["fields"] == []
    assert first[:15] in error["message"]
    org.call("DELETE", f"/sobjects/Account/{first}")
    assert org.create("Account", Name="B", Erp_Id__c="C-1") != first


def test_rules_locks_and_owners(org: Client) -> None:
    account = org.create("Account", Name="A")
    org.act("require", object="Account", field="Org_Number__c", message="Fill in the number")
    error = org.refused("PATCH", f"/sobjects/Account/{account}", {"Phone": "1"})
    assert (error["errorCode"], error["message"]) == (
        "FIELD_CUSTOM_VALIDATION_EXCEPTION",
        "Fill in the number",
    )
    org.act("require", object="Account", field="Org_Number__c", on=False)
    org.act("lock_row", id=account, seconds=30)
    locked = org.refused("PATCH", f"/sobjects/Account/{account}", {"Phone": "1"})
    assert locked["errorCode"] == "UNABLE_TO_LOCK_ROW"
    org.time.advance(31)
    org.update("Account", account, Phone="1")
    org.act("lock_for_approval", id=account)
    waiting = org.refused("PATCH", f"/sobjects/Account/{account}", {"Phone": "2"})
    assert waiting["errorCode"] == "ENTITY_IS_LOCKED"
    gone = org.query("SELECT Id FROM User WHERE IsActive = false")[0]["Id"]
    owner = org.refused("POST", "/sobjects/Account", {"Name": "B", "OwnerId": gone})
    assert owner["errorCode"] == "INACTIVE_OWNER_OR_USER"


def test_duplicate_rules_let_pass_only_where_they_allow_it(org: Client) -> None:
    org.create("Account", Name="Twice AB")
    org.act("set_switch", name="duplicate_rule", value="allow")
    error = org.refused("POST", "/sobjects/Account", {"Name": "TWICE ab"})
    assert error["errorCode"] == "DUPLICATES_DETECTED"
    allow = {"Sforce-Duplicate-Rule-Header": "allowSave=true"}
    assert org.call("POST", "/sobjects/Account", {"Name": "Twice AB"}, headers=allow).status == 201
    org.act("set_switch", name="duplicate_rule", value="block")
    assert org.call("POST", "/sobjects/Account", {"Name": "Twice AB"}, headers=allow).status == 400


def test_conditions_on_dates(org: Client) -> None:
    account = org.create("Account", Name="A")
    path = f"/sobjects/Account/{account}"
    read = org.call("GET", path)
    stamp = read.headers["Last-Modified"]
    assert stamp == "Wed, 25 Nov 2026 09:00:00 GMT"
    assert org.call("GET", path, headers={"If-Modified-Since": stamp}).status == 304
    good = {"If-Unmodified-Since": stamp}
    assert org.call("PATCH", path, {"Phone": "1"}, headers=good).status == 204
    org.time.advance(5)
    org.update("Account", account, Phone="2")
    stale = org.call("PATCH", path, {"Phone": "3"}, headers=good)
    assert stale.status == 412
    assert org.read("Account", account)["Phone"] == "2"
    assert org.call("PATCH", path, {}, headers={"If-Unmodified-Since": "noon"}).status == 400


def test_tags_are_for_accounts_only(org: Client) -> None:
    account = org.create("Account", Name="A")
    path = f"/sobjects/Account/{account}"
    tag = org.call("GET", path).headers["ETag"]
    assert org.call("GET", path, headers={"If-None-Match": tag}).status == 304
    assert org.call("PATCH", path, {"Phone": "1"}, headers={"If-Match": tag}).status == 204
    assert org.call("PATCH", path, {"Phone": "2"}, headers={"If-Match": tag}).status == 412
    contact = org.create("Contact", LastName="B")
    assert "ETag" not in org.call("GET", f"/sobjects/Contact/{contact}").headers


def test_what_changed_and_what_was_deleted_can_be_asked_for(org: Client) -> None:
    kept = org.create("Account", Name="Kept")
    gone = org.create("Account", Name="Gone")
    org.time.advance(60)
    org.call("DELETE", f"/sobjects/Account/{gone}")
    org.time.advance(300)
    period = "start=2026-11-25T08:00:00%2B00:00&end=2026-11-25T10:00:00Z"
    updated = org.json("GET", f"/sobjects/Account/updated/?{period}")
    assert updated == {"ids": [kept], "latestDateCovered": "2026-11-25T09:05:00.000+0000"}
    deleted = org.json("GET", f"/sobjects/Account/deleted/?{period}")
    assert deleted["deletedRecords"] == [
        {"id": gone, "deletedDate": "2026-11-25T09:01:00.000+0000"}
    ]
    assert deleted["earliestDateAvailable"].startswith("2026-11-10")
    short = "start=2026-11-25T08:00:00Z&end=2026-11-25T08:01:00Z"
    error = org.refused("GET", f"/sobjects/Account/updated/?{short}")
    assert error["errorCode"] == "INVALID_REPLICATION_DATE"


def test_paths_that_are_not_there(org: Client) -> None:
    for path in ("/sobjects/Foo", "/sobjects/Account/001xx0000000zzz", "/nonsense"):
        error = org.refused("GET", path, status=404)
        assert error["errorCode"] == "NOT_FOUND"
    assert org.call("GET", "/services/data/v30.0/sobjects").status == 410
    assert org.call("GET", "/services/data/v69.0/sobjects").status == 404
    broken = org.call("POST", "/sobjects/Account", b"{oops")
    assert broken.json()[0]["errorCode"] == "JSON_PARSER_ERROR"
    text = {"Content-Type": "text/plain"}
    assert org.call("POST", "/sobjects/Account", b"x", headers=text).status == 415
    assert org.call("PUT", "/sobjects/Account/001xx0000000001AAA", {}).status in (404, 405)


def test_versions_and_limits_tell_what_there_is(org: Client) -> None:
    versions = org.raw("GET", "/services/data/").json()
    assert versions[-1] == {
        "label": "Winter '27",
        "url": "/services/data/v68.0",
        "version": "68.0",
    }
    assert {each["version"]: each["label"] for each in versions}["64.0"] == "Summer '25"
    assert {each["version"]: each["label"] for each in versions}["66.0"] == "Spring '26"
    limits = org.json("GET", "/limits")["DailyApiRequests"]
    assert limits["Max"] == 100_000
    assert limits["Remaining"] == 100_000 - 1
    assert org.call("GET", "/limits").headers["Sforce-Limit-Info"] == "api-usage=2/100000"
    org.create("Account", Name="Counted")
    counted = org.json("GET", "/limits/recordCount?sObjects=Account,Opportunity")
    assert counted == {"sObjects": [{"count": 1, "name": "Account"}]}
    assert "sobjects" in org.json("GET", "/")


def test_an_object_may_be_absent(org: Client) -> None:
    org.act("hide_object", object="Tieout_Invoice__c")
    assert org.call("GET", "/sobjects/Tieout_Invoice__c/describe").status == 404
    names = {each["name"] for each in org.json("GET", "/sobjects")["sobjects"]}
    assert "Tieout_Invoice__c" not in names
    assert "Account" in names
    error = org.refused("GET", "/query?q=SELECT+Id+FROM+Tieout_Invoice__c")
    assert error["errorCode"] == "INVALID_TYPE"
    org.act("hide_object", object="Tieout_Invoice__c", hidden=False)
    assert org.query("SELECT Id FROM Tieout_Invoice__c") == []


def test_addresses_have_a_longest(org: Client) -> None:
    many = ",".join(f"'{make_id('001', number)}'" for number in range(1000))
    path = "/query?q=" + quote(f"SELECT Id FROM Account WHERE Id IN ({many})")
    assert org.call("GET", path).status == 414
    headers = {"X-Padding": "x" * 16_384}
    assert org.call("GET", "/limits", headers=headers).status == 431
    part = {"method": "GET", "referenceId": "q", "url": f"/services/data/v68.0{path}"}
    answer = org.json("POST", "/composite", {"compositeRequest": [part]})
    assert answer["compositeResponse"][0]["httpStatusCode"] == 200
    long = "/query?q=" + quote(f"SELECT Id FROM Account WHERE Name = '{'x' * 4001}'")
    assert org.refused("GET", long)["errorCode"] == "MALFORMED_QUERY"


def test_what_the_documents_leave_open_can_be_switched(org: Client) -> None:
    org.act("set_switch", name="product_active", value=True)
    product = org.create("Product2", Name="Active by itself")
    assert org.read("Product2", product)["IsActive"] is True
    org.act("set_switch", name="surplus_decimals", value="refuse")
    surplus = {"Name": "A", "Ar_Balance__c": Decimal("1.005")}
    error = org.refused("POST", "/sobjects/Account", surplus)
    assert error["errorCode"] == "NUMBER_OUTSIDE_VALID_RANGE"
    org.act("set_switch", name="lock_status", value=409)
    account = org.create("Account", Name="A")
    org.act("lock_row", id=account, seconds=10)
    below = {"LastName": "B", "AccountId": account}
    assert org.refused("POST", "/sobjects/Contact", below, status=409)["errorCode"] == (
        "UNABLE_TO_LOCK_ROW"
    )
    org.act("set_switch", name="line_by_product", value=False)
    deal = org.act("create_opportunity", name="D")["id"]
    line = {"OpportunityId": deal, "Product2Id": product, "Quantity": 1}
    error = org.refused("POST", "/sobjects/OpportunityLineItem", line)
    assert error["fields"] == ["PricebookEntryId"]
