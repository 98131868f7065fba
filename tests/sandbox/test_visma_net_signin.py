"""Visma Connect, scopes, tenants, companies, limits; the headers of every answer."""

from __future__ import annotations

import base64
from hashlib import sha256
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import pytest
from visma_net_support import VismaNet, wrap

from tieout_sandbox.visma_net import (
    CLIENT_ID,
    CLIENT_SECRET,
    COMPANY_ID,
    CUSTOMER_TENANT_ID,
    TENANT_ID,
    credentials,
)

SERVICE = "vismanet_erp_service_api"
INTERACTIVE = "vismanet_erp_interactive_api"
KNOWN = credentials()


@pytest.fixture
def net() -> VismaNet:
    return VismaNet(size=3).sign_in()


def interactive(net: VismaNet, scope: str = f"{INTERACTIVE}:read offline_access") -> dict[str, str]:
    verifier = "v" * 50
    digest = sha256(verifier.encode()).digest()
    query = urlencode(
        {
            "response_type": "code",
            "client_id": KNOWN["interactive_client_id"],
            "redirect_uri": "https://client.example/back",
            "scope": scope,
            "state": "s-1",
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        }
    )
    answer = net.send("GET", f"/connect/authorize?{query}")
    assert answer.status == 302
    back = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert back["state"] == ["s-1"]
    form = {
        "grant_type": "authorization_code",
        "code": back["code"][0],
        "redirect_uri": "https://client.example/back",
        "client_id": KNOWN["interactive_client_id"],
        "client_secret": CLIENT_SECRET,
    }
    assert net.form(**form).json() == {"error": "invalid_grant"}  # without the verifier
    back = parse_qs(
        urlsplit(net.send("GET", f"/connect/authorize?{query}").headers["Location"]).query
    )
    answer = net.form(**{**form, "code": back["code"][0]}, code_verifier=verifier)
    assert answer.status == 200, answer.body
    found: dict[str, str] = answer.json()
    return found


def test_client_credentials_give_a_signed_token(net: VismaNet) -> None:
    keys = net.send("GET", "/.well-known/openid-configuration/jwks").json()["keys"]
    key = jwt.PyJWK(keys[0]).key
    claims = jwt.decode(net.token, key, algorithms=["RS256"], options={"verify_exp": False})
    assert claims["tenant_id"] == TENANT_ID
    assert claims["exp"] - claims["iat"] == 3600
    form = {
        "grant_type": "client_credentials",
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "tenant_id": TENANT_ID,
        "scope": f"{SERVICE}:update {SERVICE}:create",
    }
    answer = net.form(**form).json()
    assert set(answer) == {"access_token", "expires_in", "token_type", "scope"}  # no refresh token
    assert answer["scope"] == f"{SERVICE}:create {SERVICE}:update"
    basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
    rest = {name: form[name] for name in ("grant_type", "tenant_id", "scope")}
    by_header = net.send(
        "POST", "/connect/token", urlencode(rest).encode(), Authorization=f"Basic {basic}"
    )
    assert by_header.status == 200
    for change, error in (
        ({"client_secret": "x"}, "invalid_client"),
        ({"scope": "nothing"}, "invalid_scope"),
        ({"tenant_id": "00000000-0000-0000-0000-000000000000"}, "unauthorized_client"),
    ):
        answer = net.form(**{**form, **change})
        assert (answer.status, answer.json()) == (400, {"error": error})


def test_the_customers_tenant_gives_a_token_that_opens_nothing(net: VismaNet) -> None:
    net.sign_in(tenant=CUSTOMER_TENANT_ID)
    assert net.call("GET", "customer").status == 401
    assert net.call("GET", "/api/v3/SalesOrders").status == 401


def test_tokens_end(net: VismaNet) -> None:
    net.pass_time(seconds=3601)
    answer = net.call("GET", "customer")
    assert (answer.status, answer.body) == (401, b"")
    net.sign_in()
    net.act("connect_application", connected=False)
    assert net.call("GET", "customer").status == 401
    form = {
        "grant_type": "client_credentials",
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "tenant_id": TENANT_ID,
        "scope": f"{SERVICE}:read",
    }
    assert net.form(**form).json() == {"error": "unauthorized_client"}


def test_scopes_are_checked_per_verb(net: VismaNet) -> None:
    number = net.draft(net.customer())
    net.sign_in(scope=f"{SERVICE}:read {SERVICE}:update")
    assert net.call("GET", "customer").status == 200
    assert net.call("POST", "customer", {}).status == 403
    assert net.call("PUT", f"customerinvoice/{number}", wrap(hold=True)).status == 204
    assert net.call("PUT", f"customerinvoice/{number}", wrap(hold=False)).status == 204
    assert net.call("DELETE", f"customerinvoice/{number}").status == 403
    release = f"customerinvoice/{number}/action/release"
    assert net.call("POST", release).status == 403
    net.assume("action_scope", "update")
    assert net.call("POST", release).status == 200
    assert net.call("GET", "/api/v3/SalesOrders").status == 403
    net.sign_in(scope="visma.net.erp.salesorder:read")
    assert net.call("GET", "/api/v3/SalesOrders").status == 200
    assert net.call("POST", "/api/v3/SalesOrders", {}).status == 403
    assert net.call("GET", "customer").status == 403


def test_the_interactive_flow_and_its_company(net: VismaNet) -> None:
    answer = interactive(net)
    net.token = answer["access_token"]
    # A wrong or missing company is an empty success.
    assert net.get("customer") == []
    assert net.call("GET", "customer", **{"ipp-company-id": "1"}).json() == []
    assert net.call("GET", "customer/10000").status == 404
    right = {"ipp-company-id": COMPANY_ID}
    assert len(net.call("GET", "customer", **right).json()) == 3
    net.assume("wrong_company", "refused")
    refused = net.call("GET", "customer")
    assert (refused.status, refused.json()["ExceptionFaultCode"]) == (403, "12027")
    net.act("set_api_user_role", api_user=False)
    body = net.call("GET", "customer", **right).json()
    assert body["ExceptionMessage"] == "No license for this company."


def test_refresh_tokens_rotate(net: VismaNet) -> None:
    form = {
        "grant_type": "refresh_token",
        "client_id": KNOWN["interactive_client_id"],
        "client_secret": CLIENT_SECRET,
    }
    first = net.form(**form, refresh_token=KNOWN["refresh_token"]).json()
    again = net.form(**form, refresh_token=KNOWN["refresh_token"])
    assert again.json() == {"error": "invalid_grant"}
    net.assume("old_refresh_token_dies", False)
    for _ in range(2):
        assert net.form(**form, refresh_token=first["refresh_token"]).status == 200


def test_headers_and_limits() -> None:
    net = VismaNet(rate_limits=True).sign_in()
    net.assume("rate_limit", 3)
    head = net.call("GET", "currency").headers
    assert head["X-RateLimit-Limit"] == "3"
    assert head["X-RateLimit-Remaining"] == "2"
    assert head["X-RateLimit-Policy"] == "4-fixed-window"
    assert head["ipp-request-id"]
    assert head["Request-Context"]
    for _ in range(2):
        assert net.call("GET", "currency").status == 200
    net.pass_time(seconds=100)
    over = net.call("GET", "currency")
    assert (over.status, over.headers["Retry-After"]) == (429, "3500")
    assert over.json()["statusCode"] == 429
    assert net.call("GET", "/api/v3/SalesOrders").status == 200  # a window of its own
    net.assume("rate_limit_shared", True)
    assert net.call("GET", "/api/v3/SalesOrders").status == 429
    old = net.call("GET", "/API/controller/api/v1/currency")
    assert (old.status, old.headers["X-RateLimit-Limit"]) == (200, "500")
    assert old.headers["X-RateLimit-Policy"] == "6-fixed-window"
    net.assume("rate_limit_body", "empty")
    assert net.call("GET", "currency").body == b""
    net.pass_time(hours=1)
    net.sign_in()
    assert net.call("GET", "currency").status == 200


def test_paths_without_regard_to_case_and_old_prefixes(net: VismaNet) -> None:
    number = net.booked(net.customer())
    for path in (
        f"/v1/CustomerInvoice/{number}",
        f"/V1/customerinvoice/{number}",
        f"/API/controller/api/v1/customerInvoice/{number}",
        f"/API//controller/api/v1/customerInvoice/{number}",
        f"/API/v1/customerinvoice/{number}",
    ):
        assert net.get(path)["referenceNumber"] == number
    assert net.call("GET", "/v1/nothing").status == 404
    assert net.call("DELETE", "customer/10000").status == 405
    assert net.call("GET", "salesorder").status == 404
    net.assume("old_salesorder", "throttled")
    throttled = net.call("GET", "salesorder")
    assert throttled.headers["X-RateLimit-Policy"] == "8-fixed-window"
    calls = net.send("GET", "/_sandbox/calls").json()
    assert calls["GET /v1/customerinvoice/{invoiceNumber}"]["200"] == 5


def test_discovery_userinfo_and_end(net: VismaNet) -> None:
    known = net.send("GET", "/.well-known/openid-configuration", Host="127.0.0.1:9").json()
    assert known["token_endpoint"] == "http://127.0.0.1:9/connect/token"
    assert net.send("GET", "/connect/userinfo").status == 401
    assert net.call("GET", "/connect/userinfo").json()["tenants"] == [{"id": TENANT_ID}]
    assert net.send("GET", "/connect/endsession").status == 200
    assert net.send("DELETE", "/connect/token").status == 405
    bad = net.send("GET", "/connect/authorize?client_id=x")
    assert bad.status == 400
