"""Signing in: an application token becomes an access token for an hour, again and again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from tieout.connectors.http.json import dumps, loads
from tieout.connectors.http.tokens import Grant, SignIn, TokenKeeper
from tieout.connectors.http.traffic import MASK, Observer
from tieout.connectors.webcrm.settings import WebcrmSettings
from tieout.core.errors import ConnectionBrokenError
from tieout.ports import Clock, HttpRequest, HttpResponse, Secrets, Transport

SYSTEM = "webCRM"
SECRET = "client_secret"  # noqa: S105 - the name under which the vault keeps it
_LIFE_S = 3600
# The keeper renews a minute before the end: together about ten minutes.
_EARLIER_S = 540


class WebcrmTokens(TokenKeeper):
    """
    Access tokens of one connection. The refresh token is not used: how long it lives is told
    nowhere, and the application token works as well.
    """

    def __init__(
        self,
        connection: str,
        settings: WebcrmSettings,
        secrets: Secrets,
        clock: Clock,
        transport: Transport,
        holder: str,
        observer: Observer | None,
    ) -> None:
        self._url = settings.token_url
        super().__init__(
            connection=connection,
            system=SYSTEM,
            sign_in=SignIn(token_url=self._url, grant=Grant.CLIENT_CREDENTIALS),
            secrets=secrets,
            clock=clock,
            transport=transport,
            holder=holder,
            observer=observer,
        )

    async def _request(self, form: Mapping[str, str]) -> HttpRequest:
        del form
        token = await self._secrets.get(self._connection, SECRET)
        if not token:
            raise ConnectionBrokenError(
                f"{self._connection} has no application token.",
                code="sign_in_refused",
                hint=f"tieout connection rotate {self._connection}",
            )
        return HttpRequest(
            method="POST",
            url=self._url,
            headers={
                "Content-Type": "application/x-www-form-urlencoded",
                "Accept": "application/json",
            },
            body=urlencode({"authCode": token.strip()}).encode(),
            timeout_s=30,
        )

    def _read(self, response: HttpResponse) -> Any:
        """A refusal may come with status 200: the body says so in `IsError`."""
        found = _json(response)
        if found is None or "IsError" not in found:
            return super()._read(response)
        if found.get("IsError") or not found.get("AccessToken"):
            plain = {"error": str(found.get("Error") or "invalid_client")}
            return super()._read(_answer(401, plain))
        return super()._read(
            _answer(
                200,
                {
                    "access_token": str(found["AccessToken"]),
                    "expires_in": _life(found.get("ExpiresIn")),
                },
            )
        )

    def _tell(
        self, request: HttpRequest, response: HttpResponse | None, error: str, started: int
    ) -> None:
        masked = HttpRequest(
            method=request.method,
            url=request.url,
            headers=request.headers,
            body=f"authCode={MASK}".encode(),
            timeout_s=request.timeout_s,
        )
        super()._tell(masked, response, error, started)


def _json(response: HttpResponse) -> Mapping[str, Any] | None:
    try:
        found = loads(response.body)
    except ValueError:
        return None
    return found if isinstance(found, Mapping) else None


def _answer(status: int, values: Mapping[str, Any]) -> HttpResponse:
    return HttpResponse(status=status, headers={}, body=dumps(values))


def _life(told: object) -> int:
    """How long the token counts here: nine minutes less than it lives; a sixth of a short life."""
    lives = told if isinstance(told, int) and not isinstance(told, bool) and told > 0 else _LIFE_S
    return max(lives - min(_EARLIER_S, lives // 6), 1)
