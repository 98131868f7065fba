"""The one place that opens sockets. It sends once and says honestly what it knows afterwards."""

from __future__ import annotations

import ssl

import aiohttp
from yarl import URL

from tieout.connectors.http.addresses import require_callable
from tieout.connectors.http.silence import silence_of
from tieout.ports import HttpRequest, HttpResponse, LostError, NotSentError, OverlongError

# No page of a vendor's comes near it; half a megabyte of gzip may otherwise fill the memory.
_MOST_BYTES = 128_000_000


class AiohttpTransport:
    """
    Bytes out, bytes in, over aiohttp: no redirect, no cookie, no repeat, no proxy from the
    environment unless ``trust_env``. An answer has ``most_bytes``, unpacked, at most.

    Plain http is refused for every host but this machine (ConfigurationError).
    """

    def __init__(
        self,
        *,
        connect_timeout_s: int = 15,
        connections: int = 32,
        trust_env: bool = False,
        tls: ssl.SSLContext | None = None,
        user_agent: str = "tieout",
        most_bytes: int = _MOST_BYTES,
    ) -> None:
        self._connect_timeout_s = connect_timeout_s
        self._connections = connections
        self._trust_env = trust_env
        self._tls = tls
        self._user_agent = user_agent
        self._most_bytes = most_bytes
        self._session: aiohttp.ClientSession | None = None

    async def send(self, request: HttpRequest) -> HttpResponse:
        """
        The answer whatever its status. Raises `NotSentError` only where no byte of the request
        can have left (refused, unknown host, TLS not agreed), else `LostError`; of an answer that
        is too long its kind `OverlongError`.
        """
        require_callable(request.url)
        session = self._opened()
        timeout = aiohttp.ClientTimeout(
            total=request.timeout_s,
            connect=min(self._connect_timeout_s, max(request.timeout_s - 1, 1)),
        )
        try:
            async with session.request(
                request.method,
                URL(request.url, encoded=True),
                headers=dict(request.headers),
                data=request.body or None,
                allow_redirects=False,
                timeout=timeout,
            ) as answer:
                body = await self._body(answer)
                headers = {name.lower(): value for name, value in answer.headers.items()}
                return HttpResponse(status=answer.status, headers=headers, body=body)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            # Raised only while a connection is being made; TLS is part of that.
            raise NotSentError(_told(error), silence=silence_of(error)) from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise LostError(_told(error), silence=silence_of(error)) from None

    async def _body(self, answer: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        async for part in answer.content.iter_any():
            body += part
            if len(body) > self._most_bytes:
                answer.close()
                raise OverlongError(f"more than {self._most_bytes} bytes")
        return bytes(body)

    async def close(self) -> None:
        """Lets go of sockets. May be called twice."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self._connections,
                    ssl=self._tls if self._tls is not None else True,
                    keepalive_timeout=10,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=self._trust_env,
                headers={"User-Agent": self._user_agent},
                skip_auto_headers=("Content-Type",),
            )
            # aiohttp repeats PUT and DELETE by itself when a kept connection breaks, also when the
            # first one arrived. There is no public switch; its own tests set this attribute.
            assert hasattr(self._session, "_retry_connection")
            self._session._retry_connection = False
        return self._session


def _told(error: BaseException) -> str:
    # Class names only: the text of an error may hold an address with its query.
    return type(error).__name__
