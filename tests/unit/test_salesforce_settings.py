"""Settings, the table of errors, and what the headers of an answer tell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tieout.connectors.http.json import dumps
from tieout.connectors.salesforce.api import Usage, read_usage, server_time
from tieout.connectors.salesforce.errors import (
    MEANINGS,
    QUOTA_WAIT_S,
    Kind,
    Refusal,
    read_error,
    refusals,
    throttled,
)
from tieout.connectors.salesforce.settings import SalesforceSettings
from tieout.core.errors import ConnectionBrokenError, TransientError
from tieout.ports import HttpResponse


def answer(status: int, code: str, message: str = "m", **more: object) -> HttpResponse:
    body = dumps([{"errorCode": code, "message": message, **more}])
    return HttpResponse(status=status, headers={}, body=body)


def test_the_defaults_need_only_a_user() -> None:
    assert SalesforceSettings(user="a@b.se").problems() == []
    assert "user is needed" in SalesforceSettings().problems()[0]


def test_every_problem_is_told_at_once() -> None:
    wrong = SalesforceSettings(
        grant="password",
        sources=("invoice",),
        api_version="newest",
        overlap_s=5,
        currency="kronor",
        quota_share="80",
        deal_standing={"colour": "Colour__c"},
    )
    told = " ".join(wrong.problems())
    for word in ("grant", "sources", "api_version", "overlap_s", "currency", "quota_share"):
        assert word in told
    assert "colour" in told
    assert SalesforceSettings(grant="client_credentials").problems() == [
        "my_domain is needed: client credentials are given only there."
    ]


def test_a_file_names_only_what_differs() -> None:
    made = SalesforceSettings.from_mapping(
        {
            "user": "a@b.se",
            "sources": ["order"],
            "account": {"org_number": "CVR__c"},
            "deal_standing": {"number": ""},
        }
    )
    assert made.sources == ("order",)
    assert made.account.org_number == "CVR__c"
    assert made.account.terms == "Payment_Terms__c"
    assert "number" not in made.standing_fields("deal")
    assert made.standing_fields("deal")["status"] == "Erp_Status__c"
    told = SalesforceSettings.from_mapping(
        {"user": "a@b.se", "sources": "order, quote", "overlap_s": "900", "billing_roles": ""}
    )
    assert (told.sources, told.overlap_s, told.billing_roles) == (("order", "quote"), 900, ())
    assert told.problems() == []
    with pytest.raises(ValueError, match="invalid literal"):
        SalesforceSettings.from_mapping({"overlap_s": "soon"})
    with pytest.raises(ValueError, match="colour"):
        SalesforceSettings.from_mapping({"colour": "red"})
    with pytest.raises(ValueError, match=r"account\.cvr"):
        SalesforceSettings.from_mapping({"account": {"cvr": "x"}})


def test_a_managed_package_prefixes_our_fields_and_no_others() -> None:
    made = SalesforceSettings(
        user="a@b.se", namespace="acme", deal_standing={"status": "Erp_Status__c", "net": "Net__c"}
    )
    assert made.standing_fields("deal") == {"status": "acme__Erp_Status__c", "net": "Net__c"}


@pytest.mark.parametrize(
    ("response", "seconds"),
    [
        (answer(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."), QUOTA_WAIT_S),
        (answer(403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests Limit exceeded."), 5),
        (answer(403, "INSUFFICIENT_ACCESS"), None),
        (answer(400, "REQUEST_LIMIT_EXCEEDED"), None),
        (HttpResponse(status=200, headers={}, body=b"{}"), None),
    ],
)
def test_the_call_limit_is_a_403_here(response: HttpResponse, seconds: int | None) -> None:
    assert throttled(response) == seconds


def test_reads_raise_what_happens_next() -> None:
    slow = read_error(answer(400, "QUERY_TIMEOUT"))
    assert isinstance(slow, TransientError)
    off = read_error(answer(403, "API_DISABLED_FOR_ORG"))
    assert isinstance(off, ConnectionBrokenError)
    assert off.code == "api_disabled"
    hidden = read_error(answer(400, "INVALID_FIELD", "No such column"))
    assert isinstance(hidden, ConnectionBrokenError)
    assert hidden.code == "unknown_field"
    page = HttpResponse(status=404, headers={}, body=b"<html>")
    assert isinstance(read_error(page), TransientError)
    moved = read_error(HttpResponse(status=420, headers={}, body=b""))
    assert isinstance(moved, TransientError)
    assert moved.code == "host_moved"
    assert read_error(HttpResponse(status=410, headers={}, body=b"")).code == "version_gone"


def test_a_lock_inside_a_trigger_is_a_lock() -> None:
    nested = Refusal("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "x: UNABLE_TO_LOCK_ROW, y")
    assert nested.meaning.kind is Kind.LATER
    plain = Refusal("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "x: null pointer")
    assert plain.meaning.kind is Kind.DATA


def test_an_unknown_code_is_permanent_and_goes_to_a_person() -> None:
    refusal = Refusal("NEVER_SEEN", "Something new")
    assert refusal.meaning.kind is Kind.DATA
    assert "Something new" in refusal.finding("Opportunity 006").message


def test_the_orgs_own_rule_is_shown_in_its_own_words() -> None:
    found = refusals(answer(400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", "Fyll i PO").body)
    assert "Fyll i PO" in found[0].finding("Opportunity 006").message
    assert refusals(b"<html>") == ()
    assert refusals(b'{"error":"x"}') == ()


def test_every_code_of_the_table_is_one_of_the_vendors(shared_dir: Path) -> None:
    path = shared_dir / "specs" / "salesforce" / "error-codes.json"
    known = json.loads(path.read_text())
    codes = {*known["ExceptionCode"], *known["StatusCode"]}
    # REST has names of its own beside those of the service description.
    rest_only = {
        "NOT_FOUND",
        "JSON_PARSER_ERROR",
        "REQUEST_RUNNING_TOO_LONG",
        "INVALID_LOGIN",
        "USER_ACCOUNT_DISABLED",
        "FIELD_NOT_UPDATABLE",
    }
    assert set(MEANINGS) - codes <= rest_only


def test_usage_and_time_are_read_from_headers() -> None:
    assert read_usage("api-usage=123/100000") == Usage(123, 100_000)
    assert read_usage("per-app-api-usage=17/250(appName=x); api-usage=1/2") == Usage(1, 2)
    assert read_usage("") is None
    assert Usage(80, 100).reaches("0.8")
    assert not Usage(79, 100).reaches("0.8")
    response = HttpResponse(status=200, headers={"date": "Tue, 31 Mar 2026 09:14:02 GMT"}, body=b"")
    at = server_time(response)
    assert at is not None
    assert at.isoformat() == "2026-03-31T09:14:02+00:00"
    assert server_time(HttpResponse(status=200, headers={}, body=b"")) is None
