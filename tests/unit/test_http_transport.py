"""The transport against raw sockets: how often a request arrives, and what is known afterwards."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from tieout.connectors.http.transport import AiohttpTransport
from tieout.core.errors import ConfigurationError
from tieout.ports import HttpRequest, HttpResponse, LostError, NotSentError, OverlongError

Reply = Callable[[int, asyncio.StreamWriter], Awaitable[bool]]


class RawServer:
    """Counts whole requests; ``reply(number, writer)`` answers and says whether to keep open."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        self.connections = 0
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = 0
                for line in head.lower().split(b"\r\n"):
                    if line.startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                self.bodies.append(await reader.readexactly(length))
                self.heads.append(head)
                if not await self._reply(len(self.heads), writer):
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def raw_server(reply: Reply) -> AsyncIterator[RawServer]:
    server = RawServer(reply)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    server.url = f"http://127.0.0.1:{port}"
    try:
        yield server
    finally:
        listening.close()


async def ok(writer: asyncio.StreamWriter, body: bytes = b"{}", extra: bytes = b"") -> bool:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n" % (len(body), extra) + body)
    await writer.drain()
    return True


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_a_request_arrives_once_when_a_kept_connection_is_closed(method: str) -> None:
    async def reply(number: int, writer: asyncio.StreamWriter) -> bool:
        return await ok(writer) if number == 1 else False

    async def scenario() -> RawServer:
        transport = AiohttpTransport()
        async with raw_server(reply) as server:
            await transport.send(HttpRequest(method="GET", url=server.url + "/warm"))
            with pytest.raises(LostError):
                await transport.send(HttpRequest(method=method, url=server.url + "/x", body=b"1"))
            await asyncio.sleep(0.05)
            assert server.connections == 1, "the second request has to use the kept connection"
            await transport.close()
            await transport.close()
            return server

    server = asyncio.run(scenario())
    assert len(server.heads) == 2


def send_once(reply: Reply, **request: object) -> tuple[HttpResponse | BaseException, RawServer]:
    async def scenario() -> tuple[HttpResponse | BaseException, RawServer]:
        transport = AiohttpTransport()
        async with raw_server(reply) as server:
            asked = HttpRequest(**{"method": "GET", "url": server.url + "/a", **request})  # type: ignore[arg-type]
            try:
                return await transport.send(asked), server
            except (LostError, NotSentError) as error:
                return error, server
            finally:
                await transport.close()

    return asyncio.run(scenario())


def test_no_redirect_and_no_cookie() -> None:
    async def scenario() -> RawServer:
        async def reply(number: int, writer: asyncio.StreamWriter) -> bool:
            writer.write(
                b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nSet-Cookie: a=b\r\n"
                b"Content-Length: 0\r\n\r\n"
            )
            return True

        transport = AiohttpTransport()
        async with raw_server(reply) as server:
            for _ in range(2):
                answer = await transport.send(HttpRequest(method="GET", url=server.url + "/a"))
                assert answer.status == 302
                assert answer.headers["location"] == "/elsewhere"
            await transport.close()
            return server

    server = asyncio.run(scenario())
    assert len(server.heads) == 2
    assert b"cookie" not in server.heads[1].lower()


def test_environment_proxies_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    answer, _ = send_once(lambda _n, writer: ok(writer))
    assert isinstance(answer, HttpResponse)


def test_gzip_is_read_and_bytes_leave_as_given() -> None:
    packed = gzip.compress(b'{"a":1}')
    answer, server = send_once(
        lambda _n, writer: ok(writer, packed, b"Content-Encoding: gzip\r\n"),
        method="POST",
        body=b'{"price":9000.00}',
        headers={"Content-Type": "application/json"},
    )
    assert isinstance(answer, HttpResponse)
    assert answer.body == b'{"a":1}'
    assert server.bodies == [b'{"price":9000.00}']


@pytest.mark.parametrize("packed", [False, True])
def test_an_answer_may_not_fill_the_memory(packed: bool) -> None:
    whole = bytes(3_000_000)
    sent = gzip.compress(whole) if packed else whole
    extra = b"Content-Encoding: gzip\r\n" if packed else b""

    async def scenario(most: int) -> HttpResponse:
        transport = AiohttpTransport(most_bytes=most)
        try:
            async with raw_server(lambda _n, writer: ok(writer, sent, extra)) as server:
                return await transport.send(HttpRequest(method="GET", url=server.url + "/a"))
        finally:
            await transport.close()

    assert asyncio.run(scenario(len(whole))).body == whole
    with pytest.raises(OverlongError):
        asyncio.run(scenario(len(whole) - 1))


def test_the_path_is_not_rewritten() -> None:
    async def scenario() -> bytes:
        transport = AiohttpTransport()
        async with raw_server(lambda _n, writer: ok(writer)) as server:
            url = server.url + "/v2/x?$filter=Name%20eq%20%27A%2BB%2F%27"
            await transport.send(HttpRequest(method="GET", url=url))
            await transport.close()
            return server.heads[0].split(b"\r\n")[0]

    assert asyncio.run(scenario()) == b"GET /v2/x?$filter=Name%20eq%20%27A%2BB%2F%27 HTTP/1.1"


def test_a_cut_answer_is_lost() -> None:
    async def cut(_number: int, writer: asyncio.StreamWriter) -> bool:
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"half":')
        await writer.drain()
        return False

    assert isinstance(send_once(cut)[0], LostError)


def test_silence_is_lost_after_the_time_out() -> None:
    async def silent(_number: int, _writer: asyncio.StreamWriter) -> bool:
        await asyncio.sleep(5)
        return False

    error, server = send_once(silent, method="POST", timeout_s=1)
    assert isinstance(error, LostError)
    assert len(server.heads) == 1


def test_a_refused_connection_is_not_sent() -> None:
    async def scenario() -> None:
        async with raw_server(lambda _n, writer: ok(writer)) as server:
            url = server.url
        transport = AiohttpTransport()
        with pytest.raises(NotSentError):
            await transport.send(HttpRequest(method="POST", url=url))
        await transport.close()

    asyncio.run(scenario())


def test_an_unknown_host_is_not_sent() -> None:
    async def scenario() -> None:
        transport = AiohttpTransport()
        with pytest.raises(NotSentError):
            await transport.send(HttpRequest(method="POST", url="https://nowhere.invalid/"))
        await transport.close()

    asyncio.run(scenario())


def test_a_failed_tls_handshake_is_not_sent() -> None:
    async def scenario() -> int:
        transport = AiohttpTransport(tls=ssl.create_default_context())
        async with raw_server(lambda _n, writer: ok(writer)) as server:
            url = server.url.replace("http://", "https://")
            with pytest.raises((NotSentError, LostError)) as caught:
                await transport.send(HttpRequest(method="POST", url=url, timeout_s=3))
            await transport.close()
            assert caught.type is NotSentError
            return len(server.heads)

    assert asyncio.run(scenario()) == 0


def test_plain_http_leaves_this_machine_never() -> None:
    async def scenario() -> None:
        transport = AiohttpTransport()
        with pytest.raises(ConfigurationError):
            await transport.send(HttpRequest(method="GET", url="http://example.com/"))
        await transport.close()

    asyncio.run(scenario())
