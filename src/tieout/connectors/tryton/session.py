"""
Signing in: a session is kept as long as it lasts, and a refused password is never tried twice.

The vault holds ``login``, ``password``, ``session`` (base64 of login:user:key) and
``sign_in_refused``. After five refusals the server locks a login, for the right password too.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib

from tieout.connectors.http.client import ApiClient, Call
from tieout.connectors.http.json import loads
from tieout.connectors.tryton.values import call_body
from tieout.core.errors import ConnectionBrokenError, TransientError
from tieout.ports import HttpResponse, LostError, NotSentError, Secrets

JSON = {"Content-Type": "application/json"}
_LOCKED_S = 300
# The server holds an answer back for seconds after refusals, the good one too.
_TIMEOUT_S = 90


class Session:
    """The session of one connection, shared with other processes through the vault."""

    def __init__(
        self, *, name: str, path: str, login: str, client: ApiClient, secrets: Secrets
    ) -> None:
        self._name = name
        self._path = path
        self._login = login
        self._client = client
        self._secrets = secrets
        self._lock = asyncio.Lock()
        self._header = ""
        self.logins = 0

    async def header(self, *, refused: str = "") -> str:
        """
        The value of the Authorization header. ``refused`` is one that was just answered with 401.

        Raises `ConnectionBrokenError` where the sign-in is refused, `TransientError` where it
        cannot be asked now.
        """
        async with self._lock:
            if self._header and self._header != refused:
                return self._header
            stored = await self._secrets.get(self._name, "session") or ""
            kept = f"Session {stored}" if stored else ""
            if kept and kept != refused and not self._header:
                self._header = kept
                return kept
            self._header = await self._sign_in()
            return self._header

    async def end(self) -> None:
        """Forgets the session here; the server ends it by itself."""
        self._header = ""

    async def user(self) -> str:
        """The login that signs in."""
        return self._login or await self._secrets.get(self._name, "login") or ""

    async def _sign_in(self) -> str:
        login = await self.user()
        password = await self._secrets.get(self._name, "password") or ""
        if not login or not password:
            raise ConnectionBrokenError(
                f"{self._name} has no login or no password.",
                code="sign_in_refused",
                hint=f"tieout connection rotate {self._name}",
            )
        digest = hashlib.sha256(f"{self._path}\x1f{login}\x1f{password}".encode()).hexdigest()[:24]
        if (await self._secrets.get(self._name, "sign_in_refused") or "") == digest:
            raise self._refused()
        self.logins += 1
        response = await self._ask(login, password)
        if response.status == 401:
            # Remembered across restarts: a lock would shut out the right password as well.
            await self._secrets.put(self._name, {"sign_in_refused": digest})
            raise self._refused()
        user, key = self._granted(response)
        token = base64.b64encode(f"{login}:{user}:{key}".encode()).decode()
        await self._secrets.put(self._name, {"session": token})
        await self._secrets.forget_old(self._name)
        return f"Session {token}"

    async def _ask(self, login: str, password: str) -> HttpResponse:
        body = call_body("common.db.login", [login, {"password": password}, "en"])
        call = Call(
            method="POST",
            path=self._path,
            headers=JSON,
            body=body,
            template="common.db.login",
            timeout_s=_TIMEOUT_S,
            signs_in=True,
        )
        try:
            # As a write: it leaves once, since a second try could be one too many.
            return await self._client.write(call)
        except (NotSentError, LostError) as error:
            raise await self._client.no_answer(
                error, doing=", signing in", retry_after_s=30
            ) from None

    def _granted(self, response: HttpResponse) -> tuple[int, str]:
        if response.status == 429:
            raise TransientError(
                "Tryton takes no sign-in of this user for five minutes: too many were refused.",
                code="quota_used",
                retry_after_s=_LOCKED_S,
            )
        if response.status == 404:
            raise ConnectionBrokenError(
                "There is no such database on this Tryton server.",
                code="setting_wrong",
                hint="Correct the database of the connection.",
            )
        try:
            value = loads(response.body)
        except ValueError:
            value = None
        result = value.get("result") if isinstance(value, dict) else None
        if isinstance(result, list) and len(result) >= 2 and isinstance(result[0], int):
            return result[0], str(result[1])
        error = value.get("error") if isinstance(value, dict) else None
        if isinstance(error, list) and error and error[0] == "LoginException":
            raise ConnectionBrokenError(
                "Tryton asks for more than a password to sign in.",
                code="sign_in_refused",
                hint="Let the user of this connection sign in by password alone.",
            )
        if isinstance(error, list) and error and str(error[0]).startswith("'res.user'"):
            raise TransientError(
                "The Tryton server was started without this database (trytond -d), so that nobody "
                "can sign in.",
                retry_after_s=60,
            )
        raise TransientError("Tryton's answer to the sign-in has not its form.", retry_after_s=30)

    def _refused(self) -> ConnectionBrokenError:
        return ConnectionBrokenError(
            f"Tryton refuses the sign-in of {self._name}. It is not repeated, so that it is not "
            "locked.",
            code="sign_in_refused",
            hint=f"tieout connection rotate {self._name}",
        )
