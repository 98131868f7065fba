"""Sign-in: code, tokens, rotation, expiry, scopes, modules."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from visma_support import BASIC, Visma

from tieout_sandbox.visma_eaccounting import CLIENT_ID, CLIENT_SECRET, COMPANY_ID, REFRESH_TOKEN

REDIRECT = "https://books.example.com/oauth/visma"


def authorize(visma: Visma, scope: str = "ea:api%20offline_access%20ea:sales") -> dict[str, Any]:
    answer = visma.send(
        "GET",
        f"/connect/authorize?client_id={CLIENT_ID}&redirect_uri={REDIRECT}&response_type=code"
        f"&scope={scope}&state=b7c1f2&prompt=select_account",
    )
    assert answer.status == 302
    target = answer.headers["Location"]
    assert target.startswith(REDIRECT + "?")
    return {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}


def exchange(visma: Visma, form: str, **headers: str) -> Any:
    return visma.send("POST", "/connect/token", form.encode(), **headers)


def by_code(visma: Visma, code: str) -> Any:
    form = f"grant_type=authorization_code&code={code}&redirect_uri={REDIRECT}"
    return exchange(visma, form, Authorization=BASIC)


def test_code_flow_brings_state_and_works_once() -> None:
    visma = Visma()
    back = authorize(visma)
    assert back["state"] == "b7c1f2"
    answer = by_code(visma, back["code"]).json()
    assert answer["token_type"] == "Bearer"
    assert answer["expires_in"] == 3600
    visma.token = answer["access_token"]
    assert visma.get("companysettings")["CompanyIdentifier"] == COMPANY_ID
    again = by_code(visma, back["code"])
    assert (again.status, again.json()) == (400, {"error": "invalid_grant"})


def test_code_is_short_lived_and_bound_to_its_redirect() -> None:
    visma = Visma()
    code = authorize(visma)["code"]
    visma.pass_time(seconds=60)
    assert by_code(visma, code).json() == {"error": "invalid_grant"}
    code = authorize(visma)["code"]
    form = f"grant_type=authorization_code&code={code}&redirect_uri=https://other.example"
    assert exchange(visma, form, Authorization=BASIC).json() == {"error": "invalid_grant"}


def test_refresh_rotates_and_the_old_token_is_dead() -> None:
    visma = Visma().sign_in()
    assert visma.refresh != REFRESH_TOKEN
    old = exchange(
        visma, f"grant_type=refresh_token&refresh_token={REFRESH_TOKEN}", Authorization=BASIC
    )
    assert (old.status, old.json()) == (400, {"error": "invalid_grant"})
    first = visma.token
    visma.sign_in()
    assert visma.token != first
    assert visma.call("GET", "companysettings").status == 200


def test_credentials_may_stand_in_the_form() -> None:
    visma = Visma()
    form = (
        f"grant_type=refresh_token&refresh_token={REFRESH_TOKEN}"
        f"&client_id={CLIENT_ID}&client_secret={CLIENT_SECRET}"
    )
    assert exchange(visma, form).status == 200
    wrong = exchange(visma, form.replace(CLIENT_SECRET, "wrong"))
    assert (wrong.status, wrong.json()) == (400, {"error": "invalid_client"})


def test_other_grants_are_refused() -> None:
    answer = exchange(Visma(), "grant_type=client_credentials", Authorization=BASIC)
    assert answer.json() == {"error": "unsupported_grant_type"}


def test_access_token_lasts_an_hour_on_the_simulators_clock() -> None:
    visma = Visma().sign_in()
    visma.pass_time(seconds=3599)
    assert visma.call("GET", "companysettings").status == 200
    visma.send("POST", "/_sandbox/clock", {"advance_s": 1})
    assert visma.code("GET", "companysettings") == (401, 4005)


def test_token_faults() -> None:
    visma = Visma().sign_in()
    visma.send("POST", "/_sandbox/faults", {"kind": "token_expired"})
    assert visma.code("GET", "companysettings") == (401, 4005)
    assert visma.code("GET", "companysettings") == (401, 4005)
    visma.sign_in()
    assert visma.call("GET", "companysettings").status == 200
    visma.send("POST", "/_sandbox/faults", {"kind": "token_revoked", "path": "/connect/token"})
    form = f"grant_type=refresh_token&refresh_token={visma.refresh}"
    assert exchange(visma, form, Authorization=BASIC).json() == {"error": "invalid_grant"}
    assert exchange(visma, form, Authorization=BASIC).json() == {"error": "invalid_grant"}
    assert visma.code("GET", "companysettings") == (401, 4005)


@pytest.mark.parametrize(
    ("scope", "method", "path", "status"),
    [
        ("ea:api ea:sales", "GET", "bankaccounts", 403),
        ("ea:api ea:sales", "GET", "vatcodes", 403),
        ("ea:api ea:sales ea:purchase_readonly", "GET", "bankaccounts", 200),
        ("ea:api ea:accounting_readonly", "GET", "vatcodes", 200),
        ("ea:api ea:sales_readonly", "GET", "customers", 200),
        ("ea:api ea:sales_readonly", "POST", "customers", 403),
        ("ea:sales", "GET", "customers", 403),
    ],
)
def test_scopes(scope: str, method: str, path: str, status: int) -> None:
    visma = Visma()
    code = authorize(visma, scope.replace(" ", "%20"))["code"]
    answer = by_code(visma, code).json()
    assert "refresh_token" not in answer  # offline_access was not asked for
    visma.token = answer["access_token"]
    found = visma.call(method, path)
    assert found.status == status
    if status == 403:
        assert found.json()["ErrorCode"] == 4006


def test_a_plan_without_the_module_signs_in_and_gets_403() -> None:
    visma = Visma().sign_in()
    visma.act("set_company_setting", name="ActivatedModules", value=[])
    answer = visma.call("GET", "customers")
    body = answer.json()
    assert (answer.status, body["ErrorCode"], body["Errors"]) == (403, 4002, [])
    text = "ForbiddenRequestException - No access to module: api_standard"
    assert body["DeveloperErrorMessage"] == text
    visma.act("set_company_setting", name="ActivatedModules", value=["api_standard"])
    assert visma.call("GET", "customers").status == 200
    assert visma.code("GET", "orders") == (403, 4002)


def test_company_states_and_variants() -> None:
    visma = Visma().sign_in()
    visma.act("set_company_setting", name="ProductVariant", value=3)
    assert visma.code("GET", "customers") == (403, 4009)
    visma.act("set_company_setting", name="ProductVariant", value=5)
    visma.act("set_company_setting", name="CompanyStatus", value=2)
    assert visma.call("GET", "customers").status == 200
    assert visma.code("POST", "customers", {}) == (403, 4019)
    visma.act("set_company_setting", name="CompanyStatus", value=0)
    assert visma.code("GET", "customers") == (403, 4004)


def test_paths_without_methods_are_not_there() -> None:
    visma = Visma().sign_in()
    for path in ("webhooks", "customers/batch", "customerinvoicedrafts/dryrun", "nothing"):
        assert visma.call("POST", path, {}).status in (404, 405), path
    assert visma.call("GET", "webhooks").status == 404
    assert visma.call("PATCH", "customers", {}).status == 405
    assert visma.send("GET", "/v1/customers").status == 401


def test_rate_limit_is_per_route_with_the_vendors_form() -> None:
    visma = Visma().sign_in()
    visma.assume("rate_limit", 3)
    customer = visma.customer()["Id"]
    statuses = [visma.call("GET", f"customers/{customer}").status for _ in range(3)]
    assert statuses == [200, 200, 200]
    visma.pass_time(seconds=5)
    answer = visma.call("GET", f"customers/{customer}")
    assert answer.status == 429
    assert "Retry-After" not in answer.headers
    body = answer.json()
    assert set(body) == {"ErrorCode", "DeveloperErrorMessage", "ErrorId"}
    assert body["ErrorCode"] == 4010
    assert (
        "maximum admitted 3 per Minute. Try again in 55 seconds." in body["DeveloperErrorMessage"]
    )
    assert visma.call("GET", "units").status == 200
    visma.pass_time(seconds=55)
    assert visma.call("GET", f"customers/{customer}").status == 200
