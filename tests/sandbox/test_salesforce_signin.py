"""Sign-in in all its ways, sessions, limits and faults."""

from __future__ import annotations

import base64
import hashlib
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import pytest
from salesforce_client import HOST, START, Client

from tieout_sandbox.kit import Response
from tieout_sandbox.salesforce import credentials

KNOWN = credentials()
TOKEN = KNOWN["token_path"]
JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@pytest.fixture
def org() -> Client:
    return Client()


def _assertion(**changes: Any) -> str:
    claims = {
        "iss": KNOWN["client_id"],
        "sub": KNOWN["username"],
        "aud": "https://login.salesforce.com",
        "exp": int(START.timestamp()) + 180,
        **changes,
    }
    return jwt.encode(claims, KNOWN["private_key"], algorithm="RS256")


def _by_jwt(org: Client, assertion: str) -> Response:
    return org.form(TOKEN, grant_type=JWT_GRANT, assertion=assertion)


def _works(org: Client, token: str) -> bool:
    org.token = token
    return org.call("GET", "/limits").status == 200


def test_a_signed_assertion_gives_a_token_and_no_refresh_token(org: Client) -> None:
    answer = _by_jwt(org, _assertion()).json()
    assert answer["instance_url"] == f"http://{HOST}"
    assert answer["token_type"] == "Bearer"
    assert "refresh_token" not in answer
    assert "expires_in" not in answer
    assert answer["id"].split("/")[-2:] == [KNOWN["org_id"], org.sim.org.user_id]
    assert _works(org, answer["access_token"])
    text_expiry = _by_jwt(org, _assertion(exp=str(int(START.timestamp()) + 180)))
    assert text_expiry.status == 200


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"aud": "https://example.com"}, "invalid_grant", "audience is invalid"),
        ({"sub": "nobody@example.com"}, "invalid_grant", "user hasn't approved this consumer"),
        ({"iss": "another"}, "invalid_client_id", "client identifier invalid"),
        ({"exp": int(START.timestamp()) - 120}, "invalid_grant", "expired"),
        ({"exp": int(START.timestamp()) + 3600}, "invalid_grant", "too far"),
        ({"exp": None}, "invalid_grant", "invalid assertion"),
    ],
)
def test_assertions_that_are_refused(
    org: Client, changes: dict[str, Any], error: str, text: str
) -> None:
    answer = _by_jwt(org, _assertion(**changes))
    assert answer.status == 400
    assert answer.json()["error"] == error
    assert text in answer.json()["error_description"]


def test_another_key_signs_nothing(org: Client) -> None:
    body = {"iss": KNOWN["client_id"], "sub": KNOWN["username"], "exp": 1}
    forged = jwt.encode(body, "a secret of thirty-two bytes or so", algorithm="HS256")
    assert _by_jwt(org, forged).json()["error_description"] == "invalid assertion"
    assert _by_jwt(org, "nonsense").status == 400
    org.act("set_switch", name="user_approved", value=False)
    assert "hasn't approved" in _by_jwt(org, _assertion()).json()["error_description"]


def _refresh(org: Client, token: str) -> Response:
    return org.form(
        TOKEN, grant_type="refresh_token", refresh_token=token, client_id=KNOWN["client_id"]
    )


def test_a_refresh_token_stays_unless_rotation_is_on(org: Client) -> None:
    for _ in range(2):
        answer = _refresh(org, KNOWN["refresh_token"]).json()
        assert "refresh_token" not in answer
        assert _works(org, answer["access_token"])
    org.act("set_switch", name="refresh_rotation", value=True)
    rotated = _refresh(org, KNOWN["refresh_token"]).json()["refresh_token"]
    dead = _refresh(org, KNOWN["refresh_token"])
    assert (dead.status, dead.json()["error"]) == (400, "invalid_grant")
    assert _refresh(org, rotated).status == 200


def test_client_credentials_need_the_orgs_own_host(org: Client) -> None:
    form = {
        "grant_type": "client_credentials",
        "client_id": KNOWN["client_id"],
        "client_secret": KNOWN["client_secret"],
    }
    head = {"Host": "login.salesforce.com"}
    wrong = org.raw("POST", TOKEN, body=urlencode(form).encode(), headers=head)
    assert wrong.status == 400
    assert org.form(TOKEN, **{**form, "client_secret": "no"}).json()["error"] == "invalid_client"
    secret = base64.b64encode(f"{KNOWN['client_id']}:{KNOWN['client_secret']}".encode()).decode()
    basic = {"Authorization": f"Basic {secret}"}
    answer = org.raw("POST", TOKEN, body=b"grant_type=client_credentials", headers=basic)
    assert answer.status == 200
    org.act("set_switch", name="client_credentials_user", value=False)
    assert "no client credentials user" in org.form(TOKEN, **form).json()["error_description"]


def test_consent_with_a_verifier(org: Client) -> None:
    verifier = "v" * 64
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode()
    asked = {
        "response_type": "code",
        "client_id": KNOWN["client_id"],
        "redirect_uri": "http://127.0.0.1:9999/back",
        "state": "abc",
        "code_challenge": challenge.rstrip("="),
        "code_challenge_method": "S256",
    }

    def code() -> str:
        page = org.raw("GET", f"{KNOWN['authorize_path']}?{urlencode(asked)}")
        assert page.status == 302
        back = urlsplit(page.headers["Location"])
        assert back.netloc == "127.0.0.1:9999"
        given = parse_qs(back.query)
        assert given["state"] == ["abc"]
        return given["code"][0]

    def take(code: str, verifier: str) -> Response:
        return org.form(
            TOKEN,
            grant_type="authorization_code",
            code=code,
            redirect_uri=asked["redirect_uri"],
            client_id=KNOWN["client_id"],
            code_verifier=verifier,
        )

    assert take(code(), "w" * 64).json()["error"] == "invalid_grant"
    good = code()
    answer = take(good, verifier).json()
    assert _works(org, answer["access_token"])
    assert _refresh(org, answer["refresh_token"]).status == 200
    assert take(good, verifier).json()["error"] == "invalid_grant"


def test_a_session_ends_unless_it_is_used(org: Client) -> None:
    org.act("set_session_timeout", seconds=900)
    token = org.sign_in()
    for _ in range(3):
        org.time.advance(600)
        assert _works(org, token)
    org.time.advance(901)
    error = org.refused("GET", "/limits", status=401)
    assert error == {"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}


def test_tokens_can_be_looked_at_and_taken_back(org: Client) -> None:
    seen = org.form("/services/oauth2/introspect", token=org.token).json()
    assert (seen["active"], seen["username"]) == (True, KNOWN["username"])
    bearer = {"Authorization": f"Bearer {org.token}"}
    who = org.raw("GET", "/services/oauth2/userinfo", headers=bearer).json()
    assert (who["organization_id"], who["user_id"]) == (KNOWN["org_id"], org.sim.org.user_id)
    identity = org.raw("GET", f"/id/{KNOWN['org_id']}/{who['user_id']}", headers=bearer).json()
    assert identity["username"] == KNOWN["username"]
    assert org.form("/services/oauth2/revoke", token=org.token).status == 200
    assert org.call("GET", "/limits").status == 401
    assert org.form("/services/oauth2/introspect", token=org.token).json() == {"active": False}
    assert org.raw("GET", "/services/oauth2/userinfo", headers=bearer).status == 403


def test_the_days_calls_run_out() -> None:
    org = Client()
    org.act("set_switch", name="daily_api_requests", value=3)
    for _ in range(3):
        assert org.call("GET", "/limits").status == 200
    answer = org.call("GET", "/limits")
    assert answer.status == 403
    assert answer.json() == [
        {"message": "TotalRequests Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}
    ]
    assert answer.headers["Sforce-Limit-Info"] == "api-usage=3/3"
    assert "Retry-After" not in answer.headers
    org.time.advance(25 * 3600)
    org.token = org.sign_in()
    assert org.call("GET", "/limits").status == 200
    free = Client(rate_limits=False)
    free.act("set_switch", name="daily_api_requests", value=1)
    assert [free.call("GET", "/limits").status for _ in range(3)] == [200, 200, 200]


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("rate_limited", 403, "REQUEST_LIMIT_EXCEEDED"),
        ("token_expired", 401, "INVALID_SESSION_ID"),
        ("token_revoked", 401, "INVALID_SESSION_ID"),
        ("stale", 412, "ENTITY_FAILED_IFLASTMODIFIED_ON_UPDATE"),
    ],
)
def test_faults_speak_the_vendors_words(org: Client, kind: str, status: int, code: str) -> None:
    order = f'{{"kind": "{kind}", "method": "GET", "path": "/services/data/v68.0/limits"}}'
    assert org.raw("POST", "/_sandbox/faults", body=order.encode()).status in (200, 201)
    assert org.refused("GET", "/limits", status=status)["errorCode"] == code
    still_good = org.call("GET", "/limits").status
    assert still_good == (401 if kind.startswith("token") else 200)
    refreshed = _refresh(org, KNOWN["refresh_token"]).status
    assert refreshed == (400 if kind == "token_revoked" else 200)


def _soap(org: Client, password: str, version: str = "59.0") -> Response:
    body = (
        '<env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/"><env:Body>'
        '<n1:login xmlns:n1="urn:partner.soap.sforce.com">'
        f"<n1:username>{KNOWN['username']}</n1:username><n1:password>{password}</n1:password>"
        "</n1:login></env:Body></env:Envelope>"
    )
    return org.raw("POST", f"/services/Soap/u/{version}", body=body.encode())


def test_the_old_sign_in_answers_until_it_is_gone(org: Client) -> None:
    good = _soap(org, KNOWN["password"] + KNOWN["security_token"])
    assert good.status == 200
    text = good.body.decode()
    token = text.split("<sessionId>")[1].split("</sessionId>")[0]
    assert f"http://{HOST}/services/Soap/u/59.0" in text
    assert _works(org, token)
    wrong = _soap(org, "no")
    assert wrong.status == 500
    assert b"<sf:exceptionCode>INVALID_LOGIN</sf:exceptionCode>" in wrong.body
    gone = _soap(org, KNOWN["password"], version="65.0")
    assert b"UNSUPPORTED_API_VERSION" in gone.body
    org.act("set_switch", name="soap_login", value=False)
    assert _soap(org, KNOWN["password"]).status == 500


def test_calls_are_counted_by_template(org: Client) -> None:
    account = org.create("Account", Name="A")
    org.read("Account", account)
    org.call("PATCH", "/sobjects/Account/Erp_Id__c/C%2F1", {"Name": "B"})
    org.query("SELECT Id FROM Account")
    counted = org.raw("GET", "/_sandbox/calls").json()
    base = "/services/data/v{version}"
    assert counted[f"POST {base}/sobjects/Account"] == {"201": 1}
    assert counted[f"GET {base}/sobjects/Account/{{id}}"] == {"200": 1}
    assert counted[f"PATCH {base}/sobjects/Account/Erp_Id__c/{{value}}"] == {"201": 1}
    assert counted[f"GET {base}/query"] == {"200": 1}
