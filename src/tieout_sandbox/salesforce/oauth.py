"""Sign-in: the OAuth 2.0 endpoints, sessions and what they are worth."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import urlencode

import jwt

from tieout_sandbox.kit.http import Request, Response, json_response
from tieout_sandbox.salesforce.errors import session_invalid
from tieout_sandbox.salesforce.org import ORG_ID, Org
from tieout_sandbox.salesforce.values import moment, stamp

CLIENT_ID = "3MVG9sandbox.TieoutSandboxExternalClientApp"
CLIENT_SECRET = "sandbox-client-secret-0000"  # noqa: S105  (documented, opens nothing real)
USERNAME = "integration@tieout-sandbox.example"
PASSWORD = "sandbox-password"  # noqa: S105
SECURITY_TOKEN = "SandboxToken24Characters"  # noqa: S105
REFRESH_TOKEN = "5Aepsandbox.FirstRefreshToken"  # noqa: S105
TOKEN_PATH = "/services/oauth2/token"  # noqa: S105
JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
CLOCK_LEEWAY = timedelta(seconds=60)
CODE_LIFE = timedelta(minutes=15)
LOGIN_HOSTS = ("https://login.salesforce.com", "https://test.salesforce.com")


@cache
def private_key() -> str:
    """The fixed key that JWT assertions to the sandbox are signed with; it opens nothing else."""
    return _key("sandbox_private_key.pem")


@cache
def public_key() -> str:
    """The half of it that the sandbox checks signatures with."""
    return _key("sandbox_public_key.pem")


def _key(name: str) -> str:
    return files("tieout_sandbox.salesforce").joinpath(name).read_text(encoding="ascii")


def credentials() -> dict[str, str]:
    """What a stranger's client needs to sign in."""
    return {
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "username": USERNAME,
        "password": PASSWORD,
        "security_token": SECURITY_TOKEN,
        "private_key": private_key(),
        "refresh_token": REFRESH_TOKEN,
        "org_id": ORG_ID,
        "tenant_id": ORG_ID,
        "token_path": TOKEN_PATH,
        "authorize_path": "/services/oauth2/authorize",
        "jwt_audience": LOGIN_HOSTS[0],
    }


@dataclass(slots=True)
class Session:
    """An access token: who it acts for, and until when unless it is used."""

    token: str
    user_id: str
    expires: str
    scope: str = "api refresh_token"


@dataclass(slots=True)
class Code:
    """An authorization code waiting to be taken."""

    redirect_uri: str
    challenge: str
    method: str
    expires: str


class OAuthError(Exception):
    """A refusal of the token endpoint."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.status = status


class SignIn:
    """The sessions of an org and the endpoints that give them."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self._sessions: dict[str, Session] = {}
        self._codes: dict[str, Code] = {}
        self._refresh_tokens: set[str] = {REFRESH_TOKEN}

    # Sessions.

    def state(self) -> dict[str, Any]:
        """What would have to be kept."""
        return {
            "sessions": [asdict(each) for each in self._sessions.values()],
            "codes": {code: asdict(each) for code, each in self._codes.items()},
            "refresh_tokens": sorted(self._refresh_tokens),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Takes back what `state` gave."""
        self._sessions = {each["token"]: Session(**each) for each in state["sessions"]}
        self._codes = {code: Code(**each) for code, each in state["codes"].items()}
        self._refresh_tokens = set(state["refresh_tokens"])

    def open(self, user_id: str) -> str:
        """A new access token of a user."""
        token = f"{ORG_ID[:15]}!{self._secret('session')}"
        self._sessions[token] = Session(token=token, user_id=user_id, expires=self._end())
        return token

    def _end(self) -> str:
        return stamp(self._org.now() + timedelta(seconds=self._org.switches.session_timeout_s))

    def _secret(self, kind: str) -> str:
        number = self._org.numbers.get(kind, 0) + 1
        self._org.numbers[kind] = number
        return hashlib.sha256(f"{kind} {number}".encode()).hexdigest()

    def session_of(self, request: Request) -> Session | None:
        """The live session that a request names."""
        scheme, _, token = (request.header("authorization") or "").partition(" ")
        if scheme.lower() not in ("bearer", "oauth"):
            return None
        return self._live(token.strip())

    def _live(self, token: str) -> Session | None:
        session = self._sessions.get(token)
        if session is None or stamp(self._org.now()) >= session.expires:
            return None
        return session

    def needs_extension(self, session: Session) -> bool:
        """Whether half of the session's time has gone, so that use makes it longer."""
        ends = moment(session.expires)
        assert ends is not None
        half = timedelta(seconds=self._org.switches.session_timeout_s / 2)
        return ends - self._org.now() < half

    def enter(self, request: Request) -> Session:
        """The session of a call, made longer by its use; 401 where there is none."""
        session = self.session_of(request)
        if session is None:
            raise session_invalid()
        if self.needs_extension(session):
            session.expires = self._end()
        return session

    def expire(self, request: Request) -> None:
        """Ends the session of a request."""
        session = self.session_of(request)
        if session is not None:
            del self._sessions[session.token]

    def expire_all(self) -> int:
        """Ends every session; how many there were."""
        count = len(self._sessions)
        self._sessions.clear()
        return count

    def withdraw(self) -> None:
        """Takes back every session and refresh token, as an administrator may."""
        self._sessions.clear()
        self._refresh_tokens.clear()

    # Endpoints.

    def answer(self, request: Request, base: str) -> Response:
        """Everything below `/services/oauth2`."""
        endpoint = request.segments[2] if len(request.segments) > 2 else ""
        form = {**dict(request.query), **request.form()}
        try:
            match endpoint:
                case "token":
                    return json_response(200, self._token(request, form, base))
                case "authorize":
                    return self._authorize(form)
                case "revoke":
                    return self._revoke(form)
                case "introspect":
                    return json_response(200, self._introspect(form))
                case "userinfo":
                    session = self.session_of(request) or self._live(form.get("access_token", ""))
                    if session is None:
                        return Response(
                            status=403,
                            headers={"Content-Type": "text/html"},
                            body=b"Bad_OAuth_Token",
                        )
                    return json_response(200, self.identity(session.user_id, base))
        except OAuthError as error:
            body = {"error": error.error, "error_description": error.description}
            return json_response(error.status, body)
        return json_response(404, [{"errorCode": "NOT_FOUND", "message": "not found"}])

    def _token(self, request: Request, form: Mapping[str, str], base: str) -> dict[str, Any]:
        grant = form.get("grant_type", "")
        match grant:
            case "urn:ietf:params:oauth:grant-type:jwt-bearer":
                return self._granted(self._by_jwt(form, base), base)
            case "refresh_token":
                return self._by_refresh(request, form, base)
            case "client_credentials":
                return self._granted(self._by_client(request, form), base)
            case "authorization_code":
                return self._by_code(request, form, base)
            case "password":
                return self._granted(self._by_password(request, form), base)
        raise OAuthError("unsupported_grant_type", "grant type not supported")

    def _granted(self, user_id: str, base: str) -> dict[str, Any]:
        token = self.open(user_id)
        identity = f"{base}/id/{ORG_ID}/{user_id}"
        issued = str(int(self._org.now().timestamp() * 1000))
        signature = hmac.new(CLIENT_SECRET.encode(), (identity + issued).encode(), "sha256")
        return {
            "access_token": token,
            "signature": base64.b64encode(signature.digest()).decode(),
            "scope": "api refresh_token",
            "instance_url": base,
            "id": identity,
            "token_type": "Bearer",
            "issued_at": issued,
        }

    def _by_jwt(self, form: Mapping[str, str], base: str) -> str:
        try:
            claims = jwt.decode(
                form.get("assertion", ""),
                public_key(),
                algorithms=["RS256"],
                options={"verify_exp": False, "verify_aud": False, "verify_iat": False},
            )
        except jwt.PyJWTError:
            raise OAuthError("invalid_grant", "invalid assertion") from None
        if claims.get("iss") != CLIENT_ID:
            raise OAuthError("invalid_client_id", "client identifier invalid")
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        if not set(audiences) & {*LOGIN_HOSTS, base}:
            raise OAuthError("invalid_grant", "audience is invalid")
        self._check_expiry(claims.get("exp"))
        if claims.get("sub") != USERNAME or not self._org.switches.user_approved:
            raise OAuthError("invalid_grant", "user hasn't approved this consumer")
        return self._active_user()

    def _check_expiry(self, claim: Any) -> None:
        try:
            expires = datetime.fromtimestamp(int(claim), tz=self._org.now().tzinfo)
        except (TypeError, ValueError, OverflowError):
            raise OAuthError("invalid_grant", "invalid assertion") from None
        now = self._org.now()
        if expires <= now - CLOCK_LEEWAY:
            raise OAuthError("invalid_grant", "assertion expired")
        if expires > now + timedelta(seconds=self._org.switches.jwt_life_s) + CLOCK_LEEWAY:
            raise OAuthError("invalid_grant", "assertion expiration is too far in the future")

    def _active_user(self) -> str:
        user = self._org.tables["User"].get(self._org.user_id)
        if user is None or not user.get("IsActive"):
            raise OAuthError("inactive_user", "user is inactive")
        return self._org.user_id

    def _by_refresh(self, request: Request, form: Mapping[str, str], base: str) -> dict[str, Any]:
        self._check_client(request, form, secret_needed=False)
        given = form.get("refresh_token", "")
        if given not in self._refresh_tokens:
            raise OAuthError("invalid_grant", "expired access/refresh token")
        found = self._granted(self._active_user(), base)
        if self._org.switches.refresh_rotation:
            self._refresh_tokens.discard(given)
            found["refresh_token"] = self._new_refresh_token()
        return found

    def _new_refresh_token(self) -> str:
        token = f"5Aep{self._secret('refresh')}"
        self._refresh_tokens.add(token)
        return token

    def _by_client(self, request: Request, form: Mapping[str, str]) -> str:
        host = (request.header("host") or "").lower()
        if host.startswith(("login.", "test.")):
            raise OAuthError("invalid_grant", "request not supported on this domain", status=400)
        self._check_client(request, form, secret_needed=True)
        if not self._org.switches.client_credentials_user:
            raise OAuthError("invalid_grant", "no client credentials user enabled")
        return self._active_user()

    def _check_client(
        self, request: Request, form: Mapping[str, str], *, secret_needed: bool
    ) -> None:
        client_id, secret = form.get("client_id"), form.get("client_secret")
        scheme, _, encoded = (request.header("authorization") or "").partition(" ")
        if scheme.lower() == "basic":
            try:
                text = base64.b64decode(encoded).decode()
            except ValueError:
                raise OAuthError("invalid_client", "invalid client credentials") from None
            client_id, _, secret = text.partition(":")
        if client_id != CLIENT_ID:
            raise OAuthError("invalid_client_id", "client identifier invalid")
        if secret != CLIENT_SECRET and (secret_needed or secret is not None):
            raise OAuthError("invalid_client", "invalid client credentials")

    def _by_code(self, request: Request, form: Mapping[str, str], base: str) -> dict[str, Any]:
        self._check_client(request, form, secret_needed=False)
        code = self._codes.pop(form.get("code", ""), None)
        if code is None or stamp(self._org.now()) >= code.expires:
            raise OAuthError("invalid_grant", "expired authorization code")
        if code.redirect_uri != form.get("redirect_uri"):
            raise OAuthError("redirect_uri_mismatch", "redirect_uri must match configuration")
        self._check_verifier(code, form.get("code_verifier"))
        found = self._granted(self._active_user(), base)
        found["refresh_token"] = self._new_refresh_token()
        return found

    @staticmethod
    def _check_verifier(code: Code, verifier: str | None) -> None:
        if not code.challenge:
            return
        sent = verifier or ""
        if code.method == "S256":
            digest = hashlib.sha256(sent.encode()).digest()
            sent = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if not hmac.compare_digest(sent, code.challenge):
            raise OAuthError("invalid_grant", "invalid code verifier")

    def _by_password(self, request: Request, form: Mapping[str, str]) -> str:
        self._check_client(request, form, secret_needed=True)
        if not self.password_fits(form.get("username", ""), form.get("password", "")):
            raise OAuthError("invalid_grant", "authentication failure")
        return self._active_user()

    @staticmethod
    def password_fits(username: str, password: str) -> bool:
        """Whether user and password (with or without the security token behind it) are right."""
        return username == USERNAME and password in (PASSWORD, PASSWORD + SECURITY_TOKEN)

    def _authorize(self, form: Mapping[str, str]) -> Response:
        """The consent page: the person behind it always agrees."""
        redirect = form.get("redirect_uri", "")
        if form.get("client_id") != CLIENT_ID or not redirect:
            raise OAuthError("invalid_client_id", "client identifier invalid")
        if form.get("response_type") != "code":
            raise OAuthError("unsupported_response_type", "response type not supported")
        code = f"aPrx{self._secret('code')}"
        self._codes[code] = Code(
            redirect_uri=redirect,
            challenge=form.get("code_challenge", ""),
            method=form.get("code_challenge_method", "plain"),
            expires=stamp(self._org.now() + CODE_LIFE),
        )
        answer = {"code": code}
        if "state" in form:
            answer["state"] = form["state"]
        joint = "&" if "?" in redirect else "?"
        return Response(status=302, headers={"Location": redirect + joint + urlencode(answer)})

    def _revoke(self, form: Mapping[str, str]) -> Response:
        token = form.get("token", "")
        if token in self._refresh_tokens:
            self._refresh_tokens.discard(token)
            self._sessions.clear()
        elif self._sessions.pop(token, None) is None:
            raise OAuthError("unsupported_token_type", "this token type is not supported")
        return Response(status=200)

    def _introspect(self, form: Mapping[str, str]) -> dict[str, Any]:
        token = form.get("token", "")
        session = self._live(token)
        if session is not None:
            ends = moment(session.expires)
            assert ends is not None
            return {
                "active": True,
                "scope": session.scope,
                "client_id": CLIENT_ID,
                "username": USERNAME,
                "token_type": "access_token",
                "exp": int(ends.timestamp()),
            }
        known = token in self._refresh_tokens
        return {"active": known, **({"token_type": "refresh_token"} if known else {})}

    def identity(self, user_id: str, base: str) -> dict[str, Any]:
        """Who a user is, as userinfo and the identity address tell it."""
        user = self._org.tables["User"].rows[user_id]
        return {
            "sub": f"{base}/id/{ORG_ID}/{user_id}",
            "id": f"{base}/id/{ORG_ID}/{user_id}",
            "user_id": user_id,
            "organization_id": ORG_ID,
            "preferred_username": user["Username"],
            "username": user["Username"],
            "nickname": user["Alias"],
            "display_name": user["Name"],
            "name": user["Name"],
            "email": user["Email"],
            "email_verified": True,
            "given_name": user.get("FirstName"),
            "family_name": user["LastName"],
            "zoneinfo": user["TimeZoneSidKey"],
            "timezone": user["TimeZoneSidKey"],
            "active": user["IsActive"],
            "user_type": "STANDARD",
            "language": user["LanguageLocaleKey"],
            "locale": user["LocaleSidKey"],
            "urls": {
                "rest": f"{base}/services/data/v{{version}}/",
                "sobjects": f"{base}/services/data/v{{version}}/sobjects/",
                "query": f"{base}/services/data/v{{version}}/query/",
            },
        }
