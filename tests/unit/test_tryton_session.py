"""Signing in to Tryton: one try, never the same refused password twice, a new session on a 401."""

from __future__ import annotations

import asyncio
import base64
from random import Random

import pytest

from support.fakes import ManualClock, MemorySecrets, ScriptedTransport
from tieout.connectors.http.json import dumps, loads
from tieout.connectors.http.traffic import Exchange, Observer
from tieout.connectors.tryton import TrytonConnector, TrytonSettings
from tieout.core.change import Deferred, Unknown, Wire
from tieout.core.errors import ConnectionBrokenError, TransientError
from tieout.ports import HttpRequest, HttpResponse, LostError, NotSentError

PATH = "/books/rpc/"


class Server:
    """The part of a server that signs people in; ``password`` is the one that it takes."""

    def __init__(self, password: str = "right") -> None:
        self.password = password
        self.logins: list[str] = []
        self.sessions: set[str] = set()
        self.calls: list[tuple[str, str]] = []
        self.locked = False
        self.answer: bytes = dumps({"id": 1, "result": [31]})

    def __call__(self, request: HttpRequest) -> HttpResponse:
        body = loads(request.body)
        method = body["method"]
        if method == "common.db.login":
            return self._log_in(body["params"])
        header = request.headers.get("Authorization", "")
        self.calls.append((method, header))
        if header not in self.sessions:
            return HttpResponse(status=401, headers={}, body=b"")
        return HttpResponse(status=200, headers={}, body=self.answer)

    def _log_in(self, params: list[object]) -> HttpResponse:
        assert isinstance(params[1], dict)
        self.logins.append(str(params[1]["password"]))
        if self.locked:
            return HttpResponse(status=429, headers={}, body=b"<html></html>")
        if params[1]["password"] != self.password:
            return HttpResponse(status=401, headers={}, body=b"<html></html>")
        key = f"key{len(self.logins)}"
        token = base64.b64encode(f"{params[0]}:7:{key}".encode()).decode()
        self.sessions.add(f"Session {token}")
        return HttpResponse(status=200, headers={}, body=dumps({"id": 1, "result": [7, key, None]}))


def connector(
    server: object, secrets: MemorySecrets, observer: Observer | None = None
) -> TrytonConnector:
    settings = TrytonSettings(database="books", company=1)
    transport = ScriptedTransport(server)  # type: ignore[arg-type]
    clock = ManualClock()
    return TrytonConnector(
        "tryton", settings, transport, secrets, clock, Random(1), observer=observer
    )


def vault(password: str) -> MemorySecrets:
    return MemorySecrets(login="tieout", password=password)


def wire() -> Wire:
    body = dumps({"id": 1, "method": "model.account.invoice.post", "params": [[31], {}]})
    return Wire(wire_key="w", method="POST", path=PATH, body=body, items=("a",))


def test_what_is_observed_of_a_sign_in_holds_neither_password_nor_session() -> None:
    seen: list[Exchange] = []
    made = connector(Server(), vault("right"), seen.append)
    asyncio.run(made._api.call("model.x.search"))
    signing_in, asking = seen
    assert signing_in.request.body == b""
    assert signing_in.response is not None
    assert signing_in.response.body == b""
    assert asking.request.headers["Authorization"] == "***"
    assert b"model.x.search" in asking.request.body


def test_a_session_serves_every_process_of_the_vault() -> None:
    server, secrets = Server(), vault("right")

    async def story() -> None:
        await connector(server, secrets)._api.call("model.x.search")
        await connector(server, secrets)._api.call("model.x.search")
        assert server.logins == ["right"]

    asyncio.run(story())


def test_a_refused_password_is_tried_once_for_all() -> None:
    server, secrets = Server(), vault("wrong")

    async def story() -> None:
        for _ in range(4):
            with pytest.raises(ConnectionBrokenError) as caught:
                await connector(server, secrets)._api.call("model.x.search")
            assert caught.value.code == "sign_in_refused"
        assert server.logins == ["wrong"]
        await secrets.put("tryton", {"password": "right"})
        await connector(server, secrets)._api.call("model.x.search")
        assert server.logins == ["wrong", "right"]

    asyncio.run(story())


def test_a_locked_login_waits_and_is_no_refusal() -> None:
    server, secrets = Server(), vault("right")
    server.locked = True

    async def story() -> None:
        made = connector(server, secrets)
        with pytest.raises(TransientError) as caught:
            await made._api.call("model.x.search")
        assert caught.value.retry_after_s == 300
        (outcome,) = await made.send(wire())
        assert isinstance(outcome, Deferred)
        assert outcome.retry_after_s == 300
        server.locked = False
        await made._api.call("model.x.search")

    asyncio.run(story())


def test_a_session_that_ended_is_renewed_and_the_same_bytes_go_once_more() -> None:
    server, secrets = Server(), vault("right")

    async def story() -> None:
        made = connector(server, secrets)
        await made._api.call("model.x.search")
        server.sessions.clear()
        await made._api.write(wire().body)
        assert [method for method, _ in server.calls] == [
            "model.x.search",
            "model.account.invoice.post",
            "model.account.invoice.post",
        ]
        assert len(server.logins) == 2

    asyncio.run(story())


def test_a_session_that_is_never_taken_needs_a_person() -> None:
    server, secrets = Server(), vault("right")

    class Forgetful(Server):
        def __call__(self, request: HttpRequest) -> HttpResponse:
            answer = server(request)
            server.sessions.clear()
            return answer

    async def story() -> None:
        with pytest.raises(ConnectionBrokenError):
            await connector(Forgetful(), secrets).send(wire())
        assert len(server.logins) == 2

    asyncio.run(story())


@pytest.mark.parametrize(("error", "kind"), [(LostError, Unknown), (NotSentError, Deferred)])
def test_a_write_leaves_once(error: type[Exception], kind: type) -> None:
    server, secrets = Server(), vault("right")
    posts: list[str] = []

    def unsteady(request: HttpRequest) -> HttpResponse:
        if b".post" in request.body:
            posts.append("post")
            raise error("gone")
        return server(request)

    async def story() -> None:
        (outcome,) = await connector(unsteady, secrets).send(wire())
        assert isinstance(outcome, kind)
        assert posts == ["post"]

    asyncio.run(story())


def test_every_call_says_that_it_reads_packed_answers_and_names_the_company() -> None:
    server, secrets = Server(), vault("right")
    seen: list[HttpRequest] = []

    def watched(request: HttpRequest) -> HttpResponse:
        seen.append(request)
        return server(request)

    async def story() -> None:
        await connector(watched, secrets)._api.call("model.x.search", [])
        last = seen[-1]
        assert last.headers["Accept-Encoding"] == "gzip"
        body = loads(last.body)
        assert list(body) == ["id", "method", "params"]
        assert body["params"][-1] == {"language": "en", "company": 1}

    asyncio.run(story())
