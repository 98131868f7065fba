"""Visma Connect: discovery, authorise, token, userinfo; and the check of a bearer token."""

from __future__ import annotations

import base64
import binascii
from datetime import timedelta
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import unquote, urlencode

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tieout_sandbox.kit import Request, Response, html_response, json_response
from tieout_sandbox.visma_net.company import Company
from tieout_sandbox.visma_net.credentials import (
    CLIENT_ID,
    CLIENT_SECRET,
    COMPANY_ID,
    CUSTOMER_TENANT_ID,
    INTERACTIVE,
    INTERACTIVE_CLIENT_ID,
    INTERACTIVE_SCOPES,
    ORDERS,
    REFRESH_TOKEN,
    SERVICE,
    SERVICE_SCOPES,
    TENANT_ID,
    USERNAME,
)
from tieout_sandbox.visma_net.errors import LicenceError, StatusError
from tieout_sandbox.visma_net.tables import Record

ISSUER = "https://connect.visma.com"
KEY_ID = "sandbox"
ACCESS_S = 3600
CODE_S = 60
PATHS = frozenset(
    {
        "/connect/token",
        "/connect/authorize",
        "/connect/userinfo",
        "/connect/endsession",
        "/.well-known/openid-configuration",
        "/.well-known/openid-configuration/jwks",
    }
)


class SignIn:
    """Codes and tokens. The user, and what the application may do, are the company's."""

    def __init__(self, company: Company) -> None:
        self._company = company
        self.codes: dict[str, Record] = {}
        self.access: dict[str, Record] = {}
        self.refresh: dict[str, Record] = {}
        self.connected = True  # the application to the company's tenant
        self.role = True  # the user has the role API user
        self._put_refresh(REFRESH_TOKEN, " ".join(INTERACTIVE_SCOPES))

    def answer(self, request: Request) -> Response:
        """Any call of the identity server."""
        match request.method, request.path:
            case ("POST", "/connect/token"):
                return self.token(request)
            case ("GET", "/connect/authorize"):
                return self._authorize(request)
            case ("GET", "/connect/userinfo"):
                known = self.known(request)
                if known is None:
                    return Response(status=401, headers={"WWW-Authenticate": "Bearer"})
                claims = {"sub": known["subject"], "email": USERNAME, "name": "API user"}
                return json_response(200, {**claims, "tenants": [{"id": TENANT_ID}]})
            case ("GET", "/connect/endsession"):
                return html_response(200, "<h1>Signed out</h1>")
            case ("GET", "/.well-known/openid-configuration"):
                return json_response(200, _discovery(request))
            case ("GET", "/.well-known/openid-configuration/jwks"):
                return json_response(200, {"keys": [_public_key()]})
            case _:
                return Response(status=405)

    # Tokens.

    def token(self, request: Request) -> Response:
        """`POST /connect/token`."""
        form = request.form()
        client, secret = _client(request, form)
        if client not in (CLIENT_ID, INTERACTIVE_CLIENT_ID) or secret != CLIENT_SECRET:
            return _refused("invalid_client")
        grant = form.get("grant_type")
        if grant == "client_credentials":
            return self._by_client(client, form)
        if client != INTERACTIVE_CLIENT_ID:
            return _refused("unauthorized_client")
        match grant:
            case "authorization_code":
                return self._by_code(form)
            case "refresh_token":
                return self._by_refresh(form)
            case _:
                return _refused("unsupported_grant_type")

    def _by_client(self, client: str, form: dict[str, str]) -> Response:
        tenant = form.get("tenant_id", "")
        if client != CLIENT_ID or not self.connected:
            return _refused("unauthorized_client")
        if tenant not in (TENANT_ID, CUSTOMER_TENANT_ID):
            return _refused("unauthorized_client")
        wanted = form.get("scope", "").split()
        if not wanted or not set(wanted) <= set(SERVICE_SCOPES):
            return _refused("invalid_scope")
        return self._grant(" ".join(sorted(wanted)), tenant, client, None)

    def _by_code(self, form: dict[str, str]) -> Response:
        known = self.codes.pop(form.get("code", ""), None)
        now = self._company.clock.now()
        if known is None or known["until"] <= now:
            return _refused("invalid_grant")
        if known["redirect_uri"] != form.get("redirect_uri") or not _proven(known, form):
            return _refused("invalid_grant")
        return self._grant(known["scope"], TENANT_ID, INTERACTIVE_CLIENT_ID, "")

    def _by_refresh(self, form: dict[str, str]) -> Response:
        token = form.get("refresh_token", "")
        known = self.refresh.get(token)
        if known is None or not known["alive"]:
            return _refused("invalid_grant")
        if not self._company.assumptions.refresh_token_rotates:
            return self._grant(known["scope"], TENANT_ID, INTERACTIVE_CLIENT_ID, token)
        if self._company.assumptions.old_refresh_token_dies:
            known["alive"] = False
        return self._grant(known["scope"], TENANT_ID, INTERACTIVE_CLIENT_ID, "")

    def _grant(self, scope: str, tenant: str, client: str, refresh: str | None) -> Response:
        now = self._company.clock.now()
        self.access = {key: one for key, one in self.access.items() if one["until"] > now}
        subject = client if client == CLIENT_ID else USERNAME
        claims = {
            "iss": ISSUER,
            "sub": subject,
            "client_id": client,
            "tenant_id": tenant,
            "scope": scope.split(),
            "iat": int(now.timestamp()),
            "exp": int(now.timestamp()) + ACCESS_S,
            "jti": self._company.new_id("token"),
        }
        token = jwt.encode(claims, _key(), algorithm="RS256", headers={"kid": KEY_ID})
        until = now + timedelta(seconds=ACCESS_S)
        self.access[token] = {
            "scope": scope,
            "until": until,
            "tenant": tenant,
            "client": client,
            "subject": subject,
        }
        answer: Record = {
            "access_token": token,
            "expires_in": ACCESS_S,
            "token_type": "Bearer",
            "scope": scope,
        }
        if refresh is not None and "offline_access" in scope.split():
            if not refresh:
                refresh = self._company.new_id("refresh").replace("-", "")
                self._put_refresh(refresh, scope)
            answer["refresh_token"] = refresh
        return json_response(200, answer, {"Cache-Control": "no-store"})

    def _put_refresh(self, token: str, scope: str) -> None:
        self.refresh[token] = {"scope": scope, "alive": True}

    def _authorize(self, request: Request) -> Response:
        """Nobody is asked; the redirect brings a code at once."""
        params = dict(request.query)
        target = params.get("redirect_uri", "")
        if params.get("client_id") != INTERACTIVE_CLIENT_ID:
            return html_response(400, "<h1>Error: unauthorized_client</h1>")
        if params.get("response_type") != "code":
            return html_response(400, "<h1>Error: unsupported_response_type</h1>")
        if not target.startswith(("http://", "https://")):
            return html_response(400, "<h1>Error: invalid redirect_uri</h1>")
        answer: dict[str, str] = {}
        if set(params.get("scope", "").split()) <= set(INTERACTIVE_SCOPES):
            code = self._company.new_id("code").replace("-", "")
            self.codes[code] = {
                "redirect_uri": target,
                "scope": params.get("scope", ""),
                "challenge": params.get("code_challenge"),
                "until": self._company.clock.now() + timedelta(seconds=CODE_S),
            }
            answer["code"] = code
        else:
            answer["error"] = "invalid_scope"
        if "state" in params:
            answer["state"] = params["state"]
        if params.get("response_mode") == "form_post":
            fields = "".join(f'<input name="{k}" value="{v}"/>' for k, v in answer.items())
            return html_response(200, f'<form method="post" action="{target}">{fields}</form>')
        mark = "&" if "?" in target else "?"
        return Response(status=302, headers={"Location": f"{target}{mark}{urlencode(answer)}"})

    # The check of a call.

    def known(self, request: Request) -> Record | None:
        """What the call's bearer token is good for, None where it is no good."""
        found = self.access.get(bearer(request))
        if found is None or found["until"] <= self._company.clock.now():
            return None
        return found

    def require(self, request: Request) -> Record:
        """The same; 401 without a good token, or with one of the customer's tenant."""
        found = self.known(request)
        if found is None or found["tenant"] != TENANT_ID:
            raise StatusError(401)
        return found

    def require_scope(self, known: Record, verb: str) -> None:
        """403 where the token lacks the ERP scope of a verb; 12027 where the user lacks the
        role."""
        family = SERVICE if known["client"] == CLIENT_ID else INTERACTIVE
        if family == INTERACTIVE and not self.role:
            raise LicenceError("no licence")
        if f"{family}:{verb}" not in known["scope"].split():
            raise StatusError(403)

    def require_order_scope(self, known: Record, verb: str) -> None:
        """403 where the token lacks the order service's scope."""
        if f"{ORDERS}:{verb}" not in known["scope"].split():
            raise StatusError(403)

    def sees_company(self, known: Record, request: Request) -> bool:
        """An interactive token has to name the company; a service token is of one."""
        return known["client"] == CLIENT_ID or request.header("ipp-company-id") == COMPANY_ID

    def expire(self, request: Request) -> None:
        """Lets the access token of a call expire."""
        found = self.access.get(bearer(request))
        if found is not None:
            found["until"] = self._company.clock.now()

    def revoke(self) -> None:
        """Takes the application off the company, and every token with it."""
        self.access.clear()
        self.connected = False
        for known in self.refresh.values():
            known["alive"] = False

    def state(self) -> Record:
        """Everything, for the state file."""
        return {
            "codes": self.codes,
            "access": self.access,
            "refresh": self.refresh,
            "connected": self.connected,
            "role": self.role,
        }

    def load(self, state: Record) -> None:
        """Takes back what `state` gave."""
        self.codes, self.access = state["codes"], state["access"]
        self.refresh = state["refresh"]
        self.connected, self.role = state["connected"], state["role"]


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


def _proven(known: Record, form: dict[str, str]) -> bool:
    """Whether the verifier fits the challenge, where one was given (S256)."""
    from hashlib import sha256

    if not known["challenge"]:
        return True
    digest = sha256(form.get("code_verifier", "").encode()).digest()
    return bool(base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == known["challenge"])


def _refused(error: str) -> Response:
    return json_response(400, {"error": error}, {"Cache-Control": "no-store"})


@cache
def _key() -> RSAPrivateKey:
    raw = files("tieout_sandbox.visma_net").joinpath("sandbox_private_key.pem").read_bytes()
    key = load_pem_private_key(raw, None)
    assert isinstance(key, RSAPrivateKey)
    return key


def _public_key() -> Record:
    numbers = _key().public_key().public_numbers()

    def text(value: int) -> str:
        raw = value.to_bytes((value.bit_length() + 7) // 8, "big")
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    return {
        "kty": "RSA",
        "use": "sig",
        "alg": "RS256",
        "kid": KEY_ID,
        "n": text(numbers.n),
        "e": text(numbers.e),
    }


def _discovery(request: Request) -> dict[str, Any]:
    host = request.header("host")
    base = f"http://{host}" if host else ISSUER
    return {
        "issuer": ISSUER,
        "jwks_uri": f"{base}/.well-known/openid-configuration/jwks",
        "authorization_endpoint": f"{base}/connect/authorize",
        "token_endpoint": f"{base}/connect/token",
        "userinfo_endpoint": f"{base}/connect/userinfo",
        "end_session_endpoint": f"{base}/connect/endsession",
        "grant_types_supported": ["authorization_code", "client_credentials", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "scopes_supported": sorted({*SERVICE_SCOPES, *INTERACTIVE_SCOPES}),
    }
