"""The identity server: authorise, token, refresh; and the check of a bearer token."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote, urlencode

from tieout_sandbox.kit import Request, Response, SandboxClock, html_response, json_response
from tieout_sandbox.visma_eaccounting.assumptions import Assumptions
from tieout_sandbox.visma_eaccounting.credentials import (
    ALL_SCOPES,
    CLIENT_ID,
    CLIENT_SECRET,
    REFRESH_TOKEN,
)
from tieout_sandbox.visma_eaccounting.errors import NOT_AUTHORIZED, VismaError
from tieout_sandbox.visma_eaccounting.fields import Record

ACCESS_S = 3600
CODE_S = 60


class SignIn:
    """Codes and tokens. `new_id` gives the next identifier of a kind, from the seed."""

    def __init__(self, clock: SandboxClock, new_id: Any) -> None:
        self._clock = clock
        self._new_id = new_id
        self.codes: dict[str, Record] = {}
        self.access: dict[str, Record] = {}
        self.refresh: dict[str, Record] = {REFRESH_TOKEN: {"scope": ALL_SCOPES, "alive": True}}

    def authorize(self, request: Request) -> Response:
        """`GET /connect/authorize`: nobody is asked; the redirect brings a code at once."""
        params = dict(request.query)
        target = params.get("redirect_uri", "")
        if params.get("client_id") != CLIENT_ID or params.get("response_type") != "code":
            return html_response(400, "<h1>Error: unauthorized_client</h1>")
        if not target.startswith(("http://", "https://")):
            return html_response(400, "<h1>Error: invalid redirect_uri</h1>")
        code = self._token("code")
        self.codes[code] = {
            "redirect_uri": target,
            "scope": params.get("scope", ""),
            "until": self._clock.now() + timedelta(seconds=CODE_S),
        }
        answer = {"code": code, "scope": params.get("scope", "")}
        if "state" in params:
            answer["state"] = params["state"]
        mark = "&" if "?" in target else "?"
        return Response(
            status=302, headers={"Location": f"{target}{mark}{urlencode(answer)}"}, body=b""
        )

    def token(self, request: Request, assumptions: Assumptions) -> Response:
        """`POST /connect/token`."""
        form = request.form()
        if _client(request, form) != (CLIENT_ID, CLIENT_SECRET):
            return _refused("invalid_client")
        match form.get("grant_type"):
            case "authorization_code":
                return self._by_code(form)
            case "refresh_token":
                return self._by_refresh(form, assumptions)
            case _:
                return _refused("unsupported_grant_type")

    def require(self, request: Request) -> frozenset[str]:
        """The scopes of the call's bearer token; VismaError 4005 with 401 without a good one."""
        known = self.access.get(bearer(request))
        if known is None or known["until"] <= self._clock.now():
            raise VismaError(NOT_AUTHORIZED, "NotAuthorized - the access token is not valid")
        return frozenset(known["scope"].split())

    def expire(self, request: Request) -> None:
        """Lets the access token of a call expire."""
        known = self.access.get(bearer(request))
        if known is not None:
            known["until"] = self._clock.now()

    def revoke(self) -> None:
        """Withdraws everything: nobody is signed in any more, no refresh token works."""
        self.access.clear()
        for known in self.refresh.values():
            known["alive"] = False

    def _by_code(self, form: dict[str, str]) -> Response:
        known = self.codes.pop(form.get("code", ""), None)
        if (
            known is None
            or known["until"] <= self._clock.now()
            or known["redirect_uri"] != form.get("redirect_uri")
        ):
            return _refused("invalid_grant")
        return self._grant(known["scope"], None)

    def _by_refresh(self, form: dict[str, str], assumptions: Assumptions) -> Response:
        token = form.get("refresh_token", "")
        known = self.refresh.get(token)
        if known is None or not known["alive"]:
            return _refused("invalid_grant")
        if not assumptions.refresh_token_rotates:
            return self._grant(known["scope"], token)
        if assumptions.old_refresh_token_dies:
            known["alive"] = False
        return self._grant(known["scope"], None)

    def _grant(self, scope: str, refresh: str | None) -> Response:
        now = self._clock.now()
        self.access = {key: one for key, one in self.access.items() if one["until"] > now}
        access = self._token("access")
        self.access[access] = {"scope": scope, "until": now + timedelta(seconds=ACCESS_S)}
        answer: Record = {
            "access_token": access,
            "expires_in": ACCESS_S,
            "token_type": "Bearer",
            "scope": scope,
        }
        if "offline_access" in scope.split():
            if refresh is None:
                refresh = self._token("refresh")
                self.refresh[refresh] = {"scope": scope, "alive": True}
            answer["refresh_token"] = refresh
        return json_response(200, answer, {"Cache-Control": "no-store"})

    def _token(self, kind: str) -> str:
        return str(self._new_id(f"token:{kind}")).replace("-", "") + kind[0]

    def state(self) -> Record:
        """Everything, for the state file."""
        return {"codes": self.codes, "access": self.access, "refresh": self.refresh}

    def load(self, state: Record) -> None:
        """Takes back what `state` gave."""
        self.codes, self.access = state["codes"], state["access"]
        self.refresh = state["refresh"]
        for known in (*self.codes.values(), *self.access.values()):
            assert isinstance(known["until"], datetime)


def bearer(request: Request) -> str:
    """The bearer token of a call, empty where it has none."""
    kind, _, token = (request.header("authorization") or "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def _client(request: Request, form: dict[str, str]) -> tuple[str, str]:
    kind, _, text = (request.header("authorization") or "").partition(" ")
    if kind.lower() != "basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    try:
        name, _, secret = base64.b64decode(text).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return unquote(name), unquote(secret)


def _refused(error: str) -> Response:
    return json_response(400, {"error": error}, {"Cache-Control": "no-store"})
