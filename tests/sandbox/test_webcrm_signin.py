"""Application tokens, users, access tokens and what ends them."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlencode

import jwt
import pytest
from webcrm_support import FORM, KNOWN, Webcrm, served


@pytest.fixture(scope="module")
def server() -> Iterator[Webcrm]:
    with served("--clock", "2026-11-25T09:00:00Z") as webcrm:
        yield webcrm


@pytest.fixture
def webcrm(server: Webcrm) -> Webcrm:
    return server.fresh()


def test_an_application_token_becomes_an_access_token_for_an_hour(webcrm: Webcrm) -> None:
    answer = webcrm.login().json()
    assert answer["IsError"] is False
    assert answer["Error"] is None
    assert answer["ExpiresIn"] == 3600
    assert answer["TokenType"] == "Bearer"
    claims = jwt.decode(answer["AccessToken"], options={"verify_signature": False})
    assert claims["sub"] == "api2 sync token"
    webcrm.token = answer["AccessToken"]
    webcrm.get("/Organisations")
    webcrm.pass_time(3600)
    expired = webcrm.call("GET", "/Organisations")
    assert (expired.status, expired.body) == (401, b"")


def test_the_form_may_be_multipart(webcrm: Webcrm) -> None:
    body = (
        '--xyz\r\nContent-Disposition: form-data; name="authCode"\r\n\r\n'
        f"{KNOWN['application_token']}\r\n--xyz--\r\n"
    ).encode()
    kind = "multipart/form-data; boundary=xyz"
    answer = webcrm.send("POST", "/Auth/ApiLogin", body, Content_Type=kind).json()
    assert answer["AccessToken"]


def test_a_wrong_token_is_told_in_a_body_of_the_same_shape(webcrm: Webcrm) -> None:
    answer = webcrm.login("11111111-2222-3333-4444-555555555555")
    assert answer.status == 200
    body = answer.json()
    assert body["IsError"] is True
    assert body["AccessToken"] is None
    assert body["Error"]
    assert set(body) == set(webcrm.login().json())
    webcrm.assume("bad_login", "401")
    answer = webcrm.login("11111111-2222-3333-4444-555555555555")
    assert (answer.status, answer.json()["IsError"]) == (401, True)


def test_no_token_no_answer(webcrm: Webcrm) -> None:
    assert webcrm.send("GET", "/Organisations").status == 401
    assert webcrm.send("GET", "/Organisations", Authorization="Bearer x").status == 401
    webcrm.assume("unauthorized_body", "like_errors")
    refused = webcrm.send("GET", "/Organisations")
    assert refused.json()["Type"] == "UnauthorizedException"


def test_the_refresh_token_goes_in_a_header_or_in_a_form(webcrm: Webcrm) -> None:
    first = webcrm.login().json()
    second = webcrm.send("POST", "/Auth/ApiRefresh", refreshToken=first["RefreshToken"]).json()
    assert second["IsError"] is False
    assert second["AccessToken"] != first["AccessToken"]
    form = urlencode({"refreshToken": second["RefreshToken"]}).encode()
    third = webcrm.send("POST", "/Auth/ApiRefresh", form, Content_Type=FORM).json()
    webcrm.token = third["AccessToken"]
    webcrm.get("/Organisations")
    webcrm.assume("refresh_in_form", False)
    form = urlencode({"refreshToken": third["RefreshToken"]}).encode()
    refused = webcrm.send("POST", "/Auth/ApiRefresh", form, Content_Type=FORM).json()
    assert refused["IsError"] is True


def test_whether_refresh_tokens_rotate_and_how_long_they_live_is_a_switch(webcrm: Webcrm) -> None:
    def refresh(token: str) -> bool:
        answer = webcrm.send("POST", "/Auth/ApiRefresh", refreshToken=token).json()
        return not answer["IsError"]

    token = webcrm.login().json()["RefreshToken"]
    assert refresh(token)
    assert not refresh(token)
    webcrm.assume("old_refresh_token_dies", False)
    token = webcrm.login().json()["RefreshToken"]
    assert refresh(token)
    assert refresh(token)
    webcrm.assume("refresh_token_rotates", False)
    answer = webcrm.send("POST", "/Auth/ApiRefresh", refreshToken=token).json()
    assert answer["RefreshToken"] == token
    webcrm.pass_time(86_400)
    assert not refresh(token)


def test_a_user_signs_in_and_signs_with_their_name(webcrm: Webcrm) -> None:
    form = {
        "publishCode": KNOWN["publish_code"],
        "loginName": KNOWN["username"],
        "password": KNOWN["password"],
    }
    answer = webcrm.send(
        "POST", "/Auth/CrmLogin", urlencode(form).encode(), Content_Type=FORM
    ).json()
    users = webcrm.get("/Users/AllActive")
    user = next(one for one in users if one["UserLoginName"] == KNOWN["username"])
    assert answer["UserId"] == user["UserId"]
    webcrm.token = answer["AccessToken"]
    made = webcrm.organisation()
    assert webcrm.get(f"/Organisations/{made}")["OrganisationCreatedBy"] == user["UserName"]
    old = {
        "dbnCode": KNOWN["company_id"],
        "userName": KNOWN["username"],
        "password": KNOWN["password"],
    }
    answer = webcrm.send("POST", "/Auth", urlencode(old).encode(), Content_Type=FORM).json()
    assert "UserId" not in answer
    assert answer["AccessToken"]
    wrong = urlencode({**old, "password": "x"}).encode()
    assert webcrm.send("POST", "/Auth", wrong, Content_Type=FORM).json()["IsError"] is True


def test_a_token_signs_with_its_name(webcrm: Webcrm) -> None:
    made = webcrm.organisation()
    assert webcrm.get(f"/Organisations/{made}")["OrganisationUpdatedBy"] == "api2 sync token"
    assert webcrm.get("/Auth")["UserId"] == 0


def test_a_token_may_have_fewer_rights(webcrm: Webcrm) -> None:
    webcrm.sign_in(KNOWN["read_only_application_token"])
    webcrm.get("/Organisations")
    body = {"OrganisationName": "X"}
    assert webcrm.call("POST", "/Organisations", body).status == 403
    webcrm.assume("status_forbidden", 401)
    assert webcrm.call("POST", "/Organisations", body).status == 401


def test_a_withdrawn_token_is_worth_nothing_at_once(webcrm: Webcrm) -> None:
    webcrm.act("withdraw_application_token", name="sync token")
    assert webcrm.call("GET", "/Organisations").status == 401
    assert webcrm.login().json()["IsError"] is True
    guid = "99999999-2222-3333-4444-555555555555"
    webcrm.act("make_application_token", name="new one", guid=guid)
    webcrm.sign_in(guid).get("/Organisations")


def test_faults_end_the_sign_in(webcrm: Webcrm) -> None:
    webcrm.fault("token_expired", "/Organisations")
    assert webcrm.call("GET", "/Organisations").status == 401
    assert webcrm.call("GET", "/Organisations").status == 401
    refresh = webcrm.login().json()["RefreshToken"]
    webcrm.sign_in()
    webcrm.fault("token_revoked", "/Persons")
    assert webcrm.call("GET", "/Persons").status == 401
    answer = webcrm.send("POST", "/Auth/ApiRefresh", refreshToken=refresh).json()
    assert answer["IsError"] is True
    webcrm.sign_in().get("/Persons")


def test_credentials_are_enough(webcrm: Webcrm) -> None:
    assert {"application_token", "company_id", "token_path", "username", "password"} <= set(KNOWN)
    assert webcrm.where["system"] == "webcrm"
    assert webcrm.where["token_url"] == webcrm.where["base_url"] + KNOWN["token_path"]
