"""Sign-in through a browser: the address to open, and the answer that comes back."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import html
from collections.abc import Callable, Mapping
from types import TracebackType
from urllib.parse import parse_qsl, urlencode, urlsplit

from tieout.core.errors import ConnectionBrokenError

_PAGE = (
    "<!doctype html><html lang='en'><meta charset='utf-8'><title>Tieout</title>"
    "<body style='font:16px sans-serif;margin:4em'><p>{}</p></body></html>"
)


def pkce_verifier(draw: Callable[[int], str]) -> str:
    """A fresh verifier; ``draw(n)`` gives url-safe random text of n bytes (43 to 128 letters)."""
    return draw(48)


def pkce_challenge(verifier: str) -> str:
    """The S256 challenge of a verifier."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def authorize_address(
    authorize_url: str,
    *,
    client_id: str,
    redirect_uri: str,
    scope: str,
    state: str,
    verifier: str = "",
    extra: Mapping[str, str] | None = None,
) -> str:
    """The address to open in a browser. With a verifier the code is bound to it (PKCE)."""
    query = {
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "response_type": "code",
        "scope": scope,
        "state": state,
    }
    if verifier:
        query["code_challenge"] = pkce_challenge(verifier)
        query["code_challenge_method"] = "S256"
    query.update(extra or {})
    joint = "&" if urlsplit(authorize_url).query else "?"
    return authorize_url + joint + urlencode({k: v for k, v in query.items() if v})


def code_from_address(address: str, state: str) -> str:
    """
    The code in the address to which the browser was sent back, pasted or received.

    Raises `ConnectionBrokenError` (code sign_in_refused) where the person refused, where the
    state is another sign-in's, or where there is no code.
    """
    query = dict(parse_qsl(urlsplit(address.strip()).query))
    # The state is compared first: an address of somebody else's making decides nothing here.
    if query.get("state") != state:
        raise _refused("This address belongs to another sign-in; start again and use the new one.")
    if "error" in query:
        told = query.get("error_description") or query["error"]
        raise _refused(f"The sign-in was not granted: {told}")
    code = query.get("code", "")
    if not code:
        raise _refused("The address holds no code; copy the whole line of the browser.")
    return code


class RedirectListener:
    """
    Listens on 127.0.0.1 for the browser's return; use as ``async with``.

    Port 0 takes a free one. `redirect_uri` is what the authorise address has to name.
    """

    def __init__(self, *, state: str, port: int = 0, path: str = "/callback") -> None:
        self._state = state
        self._port = port
        self._path = path
        self._server: asyncio.Server | None = None
        self._code: asyncio.Future[str] | None = None

    @property
    def redirect_uri(self) -> str:
        """Where the browser is sent back to."""
        return f"http://127.0.0.1:{self._port}{self._path}"

    async def __aenter__(self) -> RedirectListener:
        self._code = asyncio.get_running_loop().create_future()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        if self._code is not None and not self._code.done():
            self._code.cancel()
        elif self._code is not None and self._code.exception() is not None:
            # Read, so that nobody is told of an error that was already raised or not waited for.
            self._code.exception()

    async def code(self, timeout_s: int) -> str:
        """The code, once the browser came. Raises `ConnectionBrokenError` if it does not come."""
        assert self._code is not None, "use the listener as a context"
        try:
            return await asyncio.wait_for(asyncio.shield(self._code), timeout_s)
        except TimeoutError:
            raise _refused(f"Nobody signed in within {timeout_s} s.") from None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await asyncio.wait_for(reader.readline(), 10)
            status, text = self._answer(line.decode("latin-1"))
            body = _PAGE.format(html.escape(text)).encode()
            head = (
                f"HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\n"
                f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            )
            writer.write(head.encode() + body)
            await writer.drain()
        except (TimeoutError, ConnectionError, ValueError):
            return
        finally:
            writer.close()

    def _answer(self, line: str) -> tuple[str, str]:
        method, _, rest = line.partition(" ")
        target = rest.partition(" ")[0]
        assert self._code is not None
        if method != "GET" or urlsplit(target).path != self._path:
            return "404 Not Found", "There is nothing here."
        if dict(parse_qsl(urlsplit(target).query)).get("state") != self._state:
            # Not ours: say so and go on waiting for the real one.
            return "400 Bad Request", "This belongs to another sign-in."
        if self._code.done():
            return "200 OK", "This sign-in was answered already."
        try:
            self._code.set_result(code_from_address(target, self._state))
        except ConnectionBrokenError as error:
            self._code.set_exception(error)
            return "200 OK", error.message
        return "200 OK", "Signed in. You can close this window and go back to Tieout."


def _refused(message: str) -> ConnectionBrokenError:
    return ConnectionBrokenError(message, code="sign_in_refused", hint="Sign in once more.")
