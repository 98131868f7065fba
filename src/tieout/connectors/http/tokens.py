"""
Access tokens: one renewal at a time, and a rotation that survives a crash at any point.

The vault is `ports.Secrets`. Names used there: ``client_id``, ``client_secret``, ``refresh_token``,
``private_key``, ``access_token``, ``access_expires_at``, ``sign_in_refused``, and ``kept.<name>``
for further values of the token answer. Where the settings name a client id, that one counts.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from urllib.parse import quote_plus, urlencode

import jwt

from tieout.connectors.http.json import loads
from tieout.connectors.http.silence import host_of, silent
from tieout.connectors.http.traffic import Observer, exchange_of
from tieout.connectors.http.waits import LONGEST_WAIT_S, seconds_in
from tieout.core.errors import ConnectionBrokenError, SyncError, TransientError
from tieout.ports import (
    Clock,
    HttpRequest,
    HttpResponse,
    LostError,
    NotSentError,
    Secrets,
    Transport,
)

_LEASE_S = 30
_WAIT_S = 60
_EARLY = timedelta(seconds=60)
_LONGEST_LIFE_S = 10 * 366 * 86_400


class Grant(StrEnum):
    """How the sign-in is renewed without a person."""

    REFRESH_TOKEN = "refresh_token"  # noqa: S105
    CLIENT_CREDENTIALS = "client_credentials"
    JWT_BEARER = "jwt_bearer"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """
    How a connection signs in.

    ``client_auth`` is 'basic' (header) or 'form' (id and secret in the body). ``subject`` and
    ``audience`` are for `Grant.JWT_BEARER`. ``assumed_life_s`` counts where the answer does not
    say how long a token lives. ``keep`` names further values of the answer to be stored.
    """

    token_url: str
    grant: Grant = Grant.REFRESH_TOKEN
    client_auth: str = "basic"
    client_id: str = ""
    scope: str = ""
    subject: str = ""
    audience: str = ""
    assumed_life_s: int = 3600
    keep: tuple[str, ...] = ()
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Access:
    token: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the token address said: values where it granted, else the name of its refusal."""

    values: Mapping[str, Any] = field(repr=False)
    refusal: str = ""


class TokenKeeper:
    """Gives access tokens of one connection; see the module for what is stored where."""

    def __init__(
        self,
        *,
        connection: str,
        system: str,
        sign_in: SignIn,
        secrets: Secrets,
        clock: Clock,
        transport: Transport,
        holder: str,
        observer: Observer | None = None,
    ) -> None:
        self._connection = connection
        self._system = system
        self._sign_in = sign_in
        self._secrets = secrets
        self._clock = clock
        self._transport = transport
        self._holder = holder
        self._observer = observer
        self._lock = asyncio.Lock()
        self._access: _Access | None = None
        self._proven = False
        self.renewals = 0

    async def access(self, *, refused: str | None = None) -> str:
        """
        A token that should work now. ``refused`` is one that the system just did not accept.

        Raises `ConnectionBrokenError` where a person has to sign in anew, and `TransientError`
        where the sign-in address cannot be asked now.
        """
        ready = self._usable(self._access, refused)
        if ready is not None:
            return ready
        async with self._lock:
            ready = self._usable(self._access, refused) or await self._stored(refused)
            if ready is None:
                ready = await self._renew_alone(refused)
            return ready

    async def worked(self) -> None:
        """A call with the present token was accepted: older generations of the sign-in may go."""
        if self._proven or self._access is None:
            return
        self._proven = True
        # Another process may have renewed meanwhile; then this token proves nothing of the newest.
        if await self._secrets.get(self._connection, "access_token") == self._access.token:
            await self._secrets.forget_old(self._connection)

    async def kept(self, name: str) -> str | None:
        """A further value of the token answer that `SignIn.keep` names, or None."""
        return await self._secrets.get(self._connection, f"kept.{name}")

    async def exchange_code(self, code: str, redirect_uri: str, verifier: str = "") -> None:
        """
        Trades the code of a browser sign-in for tokens and stores them.

        Raises `ConnectionBrokenError` where the code is not accepted; a code works once.
        """
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        if verifier:
            form["code_verifier"] = verifier
        async with self._lock:
            answer = await self._ask(form)
            if answer.refusal:
                raise ConnectionBrokenError(
                    f"{self._system} does not accept the answer of this sign-in; "
                    "it works once and only for a short time.",
                    code="sign_in_refused",
                    hint="Sign in once more.",
                )
            await self._store(answer.values)

    # Inside.

    def _usable(self, access: _Access | None, refused: str | None) -> str | None:
        if access is None or access.token == refused:
            return None
        if access.expires_at - _EARLY <= self._clock.now():
            return None
        return access.token

    async def _stored(self, refused: str | None) -> str | None:
        """The token that this or another process stored, where it is still good."""
        token = await self._secrets.get(self._connection, "access_token")
        until = await self._secrets.get(self._connection, "access_expires_at")
        if not token or not until:
            return None
        access = _Access(token, datetime.fromisoformat(until))
        ready = self._usable(access, refused)
        if ready is not None:
            self._access = access
            self._proven = False
        return ready

    async def _renew_alone(self, refused: str | None) -> str:
        """Renews as the only one among all processes, or takes what another one renewed."""
        waited_ms = self._clock.steady() + _WAIT_S * 1000
        while not await self._secrets.acquire(self._connection, self._holder, _LEASE_S):
            if self._clock.steady() >= waited_ms:
                raise TransientError(
                    f"Another process has been renewing the sign-in of {self._connection} "
                    f"for more than {_WAIT_S} s.",
                    retry_after_s=_LEASE_S,
                )
            await self._clock.sleep(0.5)
            ready = await self._stored(refused)
            if ready is not None:
                return ready
        ready = await self._stored(refused)
        try:
            return ready if ready is not None else await self._renew()
        except ConnectionBrokenError:
            # A clear refusal: whoever asks next need not wait until the lease has run out. After
            # a lost answer it is kept, since the renewal may still be under way over there.
            await self._secrets.acquire(self._connection, self._holder, 0)
            raise

    async def _renew(self) -> str:
        if self._sign_in.grant is not Grant.REFRESH_TOKEN:
            form = await self._machine_form()
            return await self._renew_with(form, await self._digest(""))
        newest = await self._secrets.get(self._connection, "refresh_token")
        if not newest:
            raise self._withdrawn()
        digest = await self._digest(newest)
        await self._require_not_refused(digest)
        answer = await self._ask(_refresh_form(newest))
        if answer.refusal == "invalid_grant":
            # A crash in a rotation can leave a newest token that was never valid: one try with
            # the one before it, and never again.
            older = await self._secrets.older(self._connection, "refresh_token")
            if older and older != newest:
                answer = await self._ask(_refresh_form(older))
        return await self._settle(answer, digest)

    async def _renew_with(self, form: Mapping[str, str], digest: str) -> str:
        await self._require_not_refused(digest)
        return await self._settle(await self._ask(form), digest)

    async def _settle(self, answer: _Answer, digest: str) -> str:
        if not answer.refusal:
            return await self._store(answer.values)
        # Remembered across restarts: the same sign-in is never tried again, so that no account is
        # locked. Other credentials have another digest.
        await self._secrets.put(self._connection, {"sign_in_refused": f"{digest} {answer.refusal}"})
        raise self._refusal_error(answer.refusal)

    async def _store(self, values: Mapping[str, Any]) -> str:
        token = str(values["access_token"])
        until = self._clock.now() + timedelta(seconds=_life(values, self._sign_in.assumed_life_s))
        stored = {"access_token": token, "access_expires_at": until.isoformat()}
        if values.get("refresh_token"):
            stored["refresh_token"] = str(values["refresh_token"])
        for name in self._sign_in.keep:
            if values.get(name):
                stored[f"kept.{name}"] = str(values[name])
        await self._secrets.put(self._connection, stored)
        # Only now is it used: a crash before this line leaves the new sign-in in the vault.
        self._access = _Access(token, until)
        self._proven = False
        self.renewals += 1
        return token

    async def _ask(self, form: Mapping[str, str]) -> _Answer:
        """One request to the token address. Raises `TransientError` where it did not answer."""
        request = await self._request(form)
        started = self._clock.steady()
        try:
            response = await self._transport.send(request)
        except (NotSentError, LostError) as error:
            self._tell(request, None, type(error).__name__, started)
            raise silent(
                system=self._system,
                connection=self._connection,
                url=request.url,
                error=error,
                doing=", signing in",
                retry_after_s=30,
            ) from None
        self._tell(request, response, "", started)
        return self._read(response)

    def _where(self) -> str:
        who = f"{self._connection} ({self._system})" if self._connection else self._system
        return f"{who}: {host_of(self._sign_in.token_url)}"

    def _read(self, response: HttpResponse) -> _Answer:
        try:
            values = loads(response.body)
        except ValueError:
            values = None
        if not isinstance(values, dict):
            values = {}
        if 200 <= response.status < 300 and values.get("access_token"):
            return _Answer(values)
        refusal = str(values.get("error") or "")
        bare = response.status == 401 and not response.body.strip()
        # Some answer 200 with the refusal inside; a page in place of their own form is a proxy's.
        known = response.status in (400, 401, 403) or 200 <= response.status < 300
        if (known and refusal and not _passes(values)) or bare:
            return _Answer({}, refusal or "invalid_client")
        if response.status in (404, 405, 410):
            raise ConnectionBrokenError(
                f"{self._where()} has no such address to sign in at.",
                code="sign_in_refused",
                hint="Check the token address in the settings of the connection.",
            )
        raise TransientError(
            f"{self._where()}, where it signs in, gives no usable answer now.",
            hint="The fault is on the other side or between (a proxy); a later run goes on.",
            retry_after_s=retry_after_s(response.headers, self._clock.now()) or 30,
        )

    async def _request(self, form: Mapping[str, str]) -> HttpRequest:
        sign_in = self._sign_in
        fields = {**form, **sign_in.extra}
        headers = {
            "Content-Type": "application/x-www-form-urlencoded;charset=UTF-8",
            "Accept": "application/json",
        }
        if "assertion" not in form:
            client = await self._client_id()
            secret = await self._secrets.get(self._connection, "client_secret") or ""
            if sign_in.client_auth == "basic" and secret:
                pair = f"{quote_plus(client)}:{quote_plus(secret)}"
                headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
            else:
                fields["client_id"] = client
                if secret:
                    fields["client_secret"] = secret
        return HttpRequest(
            method="POST",
            url=sign_in.token_url,
            headers=headers,
            body=urlencode(fields).encode(),
            timeout_s=30,
        )

    async def _machine_form(self) -> dict[str, str]:
        sign_in = self._sign_in
        if sign_in.grant is Grant.CLIENT_CREDENTIALS:
            form = {"grant_type": "client_credentials"}
        else:
            form = {
                "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
                "assertion": await self._assertion(),
            }
        if sign_in.scope:
            form["scope"] = sign_in.scope
        return form

    async def _assertion(self) -> str:
        key = await self._secrets.get(self._connection, "private_key")
        if not key:
            raise ConnectionBrokenError(
                f"{self._connection} has no private key.",
                code="sign_in_refused",
                hint=f"tieout connection rotate {self._connection}",
            )
        claims = {
            "iss": await self._client_id(),
            "sub": self._sign_in.subject,
            "aud": self._sign_in.audience,
            "exp": int(self._clock.now().timestamp()) + 180,
        }
        try:
            return jwt.encode(claims, key, algorithm="RS256")
        except (ValueError, TypeError, jwt.PyJWTError):
            raise ConnectionBrokenError(
                f"The private key of {self._connection} cannot be read as an RSA key in PEM form.",
                code="sign_in_refused",
                hint=f"tieout connection rotate {self._connection}",
            ) from None

    async def _client_id(self) -> str:
        stored = await self._secrets.get(self._connection, "client_id")
        return self._sign_in.client_id or stored or ""

    async def _digest(self, credential: str) -> str:
        """A name for this very sign-in that tells nothing about its secrets."""
        parts = [self._sign_in.token_url, self._sign_in.grant, self._sign_in.subject, credential]
        parts.append(await self._client_id())
        for name in ("client_secret", "private_key"):
            parts.append(await self._secrets.get(self._connection, name) or "")
        return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()

    async def _require_not_refused(self, digest: str) -> None:
        before = await self._secrets.get(self._connection, "sign_in_refused") or ""
        if before.startswith(digest):
            raise self._refusal_error(before.removeprefix(digest).strip())

    def _refusal_error(self, refusal: str) -> SyncError:
        machine = self._sign_in.grant is not Grant.REFRESH_TOKEN
        if refusal != "invalid_grant" or machine:
            return ConnectionBrokenError(
                f"{self._system} refuses the sign-in of {self._connection}. "
                "It is not repeated, so that it is not locked.",
                code="sign_in_refused",
                hint=f"tieout connection rotate {self._connection}",
            )
        return self._withdrawn()

    def _withdrawn(self) -> ConnectionBrokenError:
        return ConnectionBrokenError(
            f"{self._system} no longer accepts our sign-in.",
            code="sign_in_withdrawn",
            hint=f"tieout connection rotate {self._connection}",
        )

    def _tell(
        self, request: HttpRequest, response: HttpResponse | None, error: str, started: int
    ) -> None:
        if self._observer is not None:
            took = self._clock.steady() - started
            self._observer(exchange_of(request, response, error=error, took_ms=took, sign_in=True))


def retry_after_s(headers: Mapping[str, str], now: datetime) -> int | None:
    """The seconds that a Retry-After header asks for, as a number or as a date; None without."""
    text = headers.get("retry-after", "").strip()
    seconds = seconds_in(text)
    if seconds is not None or not text:
        return seconds
    try:
        when = datetime.strptime(text, "%a, %d %b %Y %H:%M:%S %Z").replace(tzinfo=now.tzinfo)
    except ValueError:
        return None
    return min(max(0, -((now - when) // timedelta(seconds=1))), LONGEST_WAIT_S)


_PASSING = frozenset(
    {"temporarily_unavailable", "server_error", "unknown_error", "rate_limit_exceeded", "slow_down"}
)
# Salesforce says so beside `invalid_grant`: to a second request at the same time, and to many.
_PASSING_WORDS = ("already being processed", "retry your request", "rate exceeded")


def _passes(values: Mapping[str, Any]) -> bool:
    """Whether a refusal is about this moment; taken for a withdrawn sign-in it would stay one."""
    told = str(values.get("error_description") or "").lower()
    return str(values.get("error")) in _PASSING or any(words in told for words in _PASSING_WORDS)


def _refresh_form(token: str) -> dict[str, str]:
    return {"grant_type": "refresh_token", "refresh_token": token}


def _life(values: Mapping[str, Any], assumed_s: int) -> int:
    try:
        told = int(values.get("expires_in") or assumed_s)
    except (TypeError, ValueError):
        return assumed_s
    # A time that no calendar has would end us between the vendor's new sign-in and our vault.
    return min(max(told, 0), _LONGEST_LIFE_S)
