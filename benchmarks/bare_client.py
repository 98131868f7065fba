"""
A bare client: the calls that a run of ours made, made again by aiohttp alone.

It keeps no state, decides nothing and checks nothing; ids of customers, which the books give, are
put in where ours stood. So its time is what the calls themselves take.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

import aiohttp

from tieout.connectors.http.transport import AiohttpTransport
from tieout.ports import HttpRequest, HttpResponse

AT_ONCE = 4  # as many as both connectors have in flight


@dataclass(slots=True)
class Recorded:
    """One call of ours: ``made`` is the id that its answer gave."""

    base: str
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    made: str = ""

    @property
    def route(self) -> str:
        return f"{self.method} {self.path.partition('?')[0]}"


@dataclass(slots=True)
class RecordingTransport:
    """Sends as the real one does and remembers what was sent, sign-in left out."""

    calls: list[Recorded] = field(default_factory=list)
    on: bool = False
    inner: AiohttpTransport = field(default_factory=AiohttpTransport)

    async def send(self, request: HttpRequest) -> HttpResponse:
        answer = await self.inner.send(request)
        if self.on:
            base, _, path = request.url.removeprefix("http://").partition("/")
            headers = {k: v for k, v in request.headers.items() if k != "Authorization"}
            call = Recorded(f"http://{base}", request.method, f"/{path}", headers, request.body)
            if request.method == "POST" and path.startswith("v2/customers"):
                call.made = str(json.loads(answer.body).get("Id", ""))
            self.calls.append(call)
        return answer

    async def close(self) -> None:
        await self.inner.close()


@dataclass(frozen=True, slots=True)
class Spent:
    """What a client has used."""

    calls: int
    wall_s: float
    cpu_s: float


async def replay(calls: Sequence[Recorded], bases: dict[str, str], tokens: dict[str, str]) -> Spent:
    """All calls again at other addresses: writes of one route together, the rest in their order."""
    ids: dict[str, str] = {}
    gate = asyncio.Semaphore(AT_ONCE)
    connector = aiohttp.TCPConnector(limit=32)
    wall, cpu = time.perf_counter(), time.process_time()
    async with aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:

        async def one(call: Recorded) -> None:
            body = call.body
            if ids and call.method == "POST":
                body = _with_ids(body, ids)
            async with (
                gate,
                session.request(
                    call.method,
                    bases[call.base] + call.path,
                    headers={**call.headers, "Authorization": tokens[call.base]},
                    data=body or None,
                ) as answer,
            ):
                text = await answer.read()
            if answer.status >= 300:
                raise RuntimeError(f"{call.route}: {answer.status} {text[:200]!r}")
            told = json.loads(text) if text else None
            if call.made and isinstance(told, dict):
                ids[call.made] = told["Id"]

        for writes, group in groupby(calls, lambda c: c.route if c.body else ""):
            if writes:
                await asyncio.gather(*(one(call) for call in group))
            else:
                for call in group:
                    await one(call)
    return Spent(len(calls), time.perf_counter() - wall, time.process_time() - cpu)


def _with_ids(body: bytes, ids: dict[str, str]) -> bytes:
    """The customer's id as these books gave it."""
    start = body.find(b'"CustomerId":"')
    if start < 0:
        return body
    start += len(b'"CustomerId":"')
    end = body.index(b'"', start)
    old = body[start:end].decode()
    return body[:start] + ids.get(old, old).encode() + body[end:]
