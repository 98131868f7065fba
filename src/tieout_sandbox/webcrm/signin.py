"""Signing in: application tokens and users become access tokens for an hour."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import timedelta
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

from tieout_sandbox.kit import ActionError, Request, Response, SandboxClock, dumps, json_response
from tieout_sandbox.webcrm.assumptions import Assumptions
from tieout_sandbox.webcrm.calls import Principal
from tieout_sandbox.webcrm.credentials import (
    APPLICATION_TOKEN,
    DATABASE_CODE,
    PASSWORD,
    PUBLISH_CODE,
    READ_ONLY_NAME,
    READ_ONLY_TOKEN,
    TOKEN_NAME,
    USERNAME,
)
from tieout_sandbox.webcrm.crm import Crm
from tieout_sandbox.webcrm.errors import unauthorized
from tieout_sandbox.webcrm.fields import USER

_KEY = b"webcrm-sandbox-signing-key"
Known = dict[str, Any]


class SignIn:
    """Application tokens with their names and rights, and what was given out for them."""

    def __init__(self, clock: SandboxClock, seed: int) -> None:
        self._clock = clock
        self._seed = seed
        self._count = 0
        self.applications: dict[str, Known] = {
            APPLICATION_TOKEN: {"name": TOKEN_NAME, "read_only": False},
            READ_ONLY_TOKEN: {"name": READ_ONLY_NAME, "read_only": True},
        }
        self.access: dict[str, Known] = {}
        self.refresh: dict[str, Known] = {}

    # Calls.

    def answer(self, crm: Crm, request: Request) -> Response | None:
        """The answer to a call under `/Auth`; None where there is no such call."""
        assumptions = crm.assumptions
        path = "/".join(request.segments).lower()
        if request.method == "GET" and path == "auth":
            return json_response(200, self._information(self.principal(request)))
        if request.method != "POST":
            return None
        form = form_of(request)
        match path:
            case "auth/apilogin":
                return self._api_login(form, assumptions)
            case "auth" | "auth/crmlogin":
                return self._user_login(crm, form, with_id=path == "auth/crmlogin")
            case "auth/apirefresh" | "auth/crmrefresh":
                token = request.header("refreshtoken")
                if token is None and assumptions.refresh_in_form:
                    token = form.get("refreshToken")
                return self._refresh(token or "", assumptions)
            case _:
                return None

    def principal(self, request: Request) -> Principal:
        """Whose access token a call carries; WebcrmError 401 without a good one."""
        known = self.access.get(bearer(request))
        if known is None or known["until"] <= self._clock.now():
            raise unauthorized()
        if known["user_id"] == 0 and known["key"] not in self.applications:
            raise unauthorized()
        return Principal(
            key=known["key"],
            signs_as=known["signs_as"],
            user_id=known["user_id"],
            read_only=known["read_only"],
        )

    def caller(self, request: Request) -> str | None:
        """Whose calls are counted together; None for a call without a token that was given out."""
        known = self.access.get(bearer(request))
        return None if known is None else str(known["key"])

    def _api_login(self, form: dict[str, str], assumptions: Assumptions) -> Response:
        code = form.get("authCode", "").strip().lower()
        known = self.applications.get(code)
        if known is None:
            return _failed(assumptions, "The application token is not valid")
        return self._give(
            {
                "key": code,
                "signs_as": f"api2 {known['name']}",
                "user_id": 0,
                "read_only": known["read_only"],
            },
            assumptions,
        )

    def _user_login(self, crm: Crm, form: dict[str, str], *, with_id: bool) -> Response:
        code, name = ("publishCode", "loginName") if with_id else ("dbnCode", "userName")
        system = PUBLISH_CODE if with_id else DATABASE_CODE
        login = form.get(name, "").lower()
        right = form.get(code) == system and form.get("password") == PASSWORD
        user = next(
            (row for row in crm.every(USER) if row.get("LoginName", "").lower() == login), None
        )
        if not right or login != USERNAME or user is None:
            return _failed(crm.assumptions, "User name or password is not valid")
        known = {
            "key": f"{system} {login}",
            "signs_as": user["Name"],
            "user_id": user["Id"],
            "read_only": False,
        }
        return self._give(known, crm.assumptions, user_id=user["Id"] if with_id else None)

    def _refresh(self, token: str, assumptions: Assumptions) -> Response:
        known = self.refresh.get(token)
        if known is None or not known["alive"] or known["until"] <= self._clock.now():
            return _failed(assumptions, "The refresh token is not valid")
        if known["user_id"] == 0 and known["key"] not in self.applications:
            return _failed(assumptions, "The application token is not valid")
        rotates = assumptions.refresh_token_rotates
        if rotates and assumptions.old_refresh_token_dies:
            known["alive"] = False
        who = {name: known[name] for name in ("key", "signs_as", "user_id", "read_only")}
        return self._give(who, assumptions, keep=None if rotates else token)

    def _give(
        self,
        who: Known,
        assumptions: Assumptions,
        *,
        keep: str | None = None,
        user_id: int | None = None,
    ) -> Response:
        now = self._clock.now()
        self.access = {key: one for key, one in self.access.items() if one["until"] > now}
        until = now + timedelta(seconds=assumptions.expires_in)
        access = self._jwt(who, int(until.timestamp()))
        self.access[access] = {**who, "until": until}
        refresh = keep
        if refresh is None:
            refresh = self._unique("refresh")
            lifetime = timedelta(seconds=assumptions.refresh_lifetime_s)
            self.refresh[refresh] = {**who, "until": now + lifetime, "alive": True}
        answer: Known = {} if user_id is None else {"UserId": user_id}
        answer |= {
            "AccessToken": access,
            "RefreshToken": refresh,
            "Error": None,
            "ErrorDescription": None,
            "IsError": False,
            "ExpiresIn": assumptions.expires_in,
            "TokenType": "Bearer",
        }
        return json_response(200, answer)

    def _unique(self, kind: str) -> str:
        self._count += 1
        text = f"{self._seed} {kind} {self._count}".encode()
        return hashlib.sha256(text).hexdigest()[:40]

    def _jwt(self, who: Known, expires: int) -> str:
        head = {"alg": "HS256", "typ": "JWT"}
        claims = {
            "sub": who["signs_as"],
            "jti": self._unique("access"),
            "exp": expires,
            "iss": "webcrm-sandbox",
        }
        text = f"{_url64(dumps(head))}.{_url64(dumps(claims))}"
        return f"{text}.{_url64(hmac.digest(_KEY, text.encode(), 'sha256'))}"

    def _information(self, principal: Principal) -> Known:
        return {"Name": principal.signs_as, "UserId": principal.user_id, "System": DATABASE_CODE}

    # What an administrator does.

    def make(self, guid: str, name: str, *, read_only: bool) -> None:
        """A further application token."""
        self.applications[guid.lower()] = {"name": name, "read_only": read_only}

    def withdraw(self, name: str) -> None:
        """Deletes an application token; what was given out for it is worth nothing."""
        known = [guid for guid, one in self.applications.items() if one["name"] == name]
        if not known:
            raise ActionError(f"there is no application token named {name}")
        for guid in known:
            del self.applications[guid]

    def expire(self, request: Request) -> None:
        """Lets the access token of a call expire."""
        known = self.access.get(bearer(request))
        if known is not None:
            known["until"] = self._clock.now()

    def revoke(self, request: Request) -> None:
        """Ends everything that was given out to the caller; a new sign-in is needed."""
        key = self.caller(request)
        for given in (self.access, self.refresh):
            for token in [token for token, one in given.items() if one["key"] == key]:
                del given[token]

    def state(self) -> Known:
        """Everything, for the state file."""
        return {
            "count": self._count,
            "applications": self.applications,
            "access": self.access,
            "refresh": self.refresh,
        }

    def load(self, state: Known) -> None:
        """Takes back what `state` gave."""
        self._count = state["count"]
        self.applications = state["applications"]
        self.access, self.refresh = state["access"], state["refresh"]


def bearer(request: Request) -> str:
    """The bearer token of a call, empty where it has none."""
    kind, _, token = (request.header("authorization") or "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def form_of(request: Request) -> dict[str, str]:
    """The fields of a form, urlencoded or multipart."""
    kind = request.header("content-type") or ""
    if not kind.lower().startswith("multipart/form-data"):
        return request.form()
    head = f"Content-Type: {kind}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + request.body)
    found: dict[str, str] = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        value = part.get_payload(decode=True)
        if name and isinstance(value, bytes):
            found[str(name)] = value.decode("utf-8", "replace")
    return found


def _failed(assumptions: Assumptions, text: str) -> Response:
    body = {
        "AccessToken": None,
        "RefreshToken": None,
        "Error": "invalid_grant",
        "ErrorDescription": text,
        "IsError": True,
        "ExpiresIn": 0,
        "TokenType": None,
    }
    return json_response(401 if assumptions.bad_login == "401" else 200, body)


def _url64(text: bytes) -> str:
    return base64.urlsafe_b64encode(text).decode().rstrip("=")
