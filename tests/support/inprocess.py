"""A transport that calls a simulator in this process: no socket, one clock, every byte kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from email.utils import format_datetime
from typing import Protocol
from urllib.parse import urlsplit

from tieout.ports import HttpRequest, HttpResponse, LostError, NotSentError
from tieout_sandbox.kit import Answer, Dropped, Request, Truncated, make_request

# Who wants to know of every request to a simulator: its name, and the request.
listeners: list[Callable[[str, HttpRequest], None]] = []


class Handles(Protocol):
    """A simulator, as far as this transport needs it."""

    async def handle(self, request: Request) -> Answer: ...


class InProcessTransport:
    """
    What `AiohttpTransport` is to a socket, this is to a simulator.

    A dropped or cut answer is `LostError`. ``unreachable`` makes it raise `NotSentError`;
    ``before`` is called with each request just before it arrives.
    """

    def __init__(self, simulator: Handles, now: Callable[[], datetime]) -> None:
        self._simulator = simulator
        self._now = now
        self.requests: list[HttpRequest] = []
        self.unreachable = False
        self.before: Callable[[HttpRequest], None] | None = None

    async def send(self, request: HttpRequest) -> HttpResponse:
        """The simulator's answer, with the Date header that every server sends."""
        if self.unreachable:
            raise NotSentError("refused")
        self.requests.append(request)
        if self.before is not None:
            self.before(request)
        for told_of in listeners:
            told_of(getattr(self._simulator, "name", ""), request)
        headers = {"Host": urlsplit(request.url).netloc, **request.headers}
        asked = make_request(request.method, request.url, headers=headers, body=request.body)
        answer = await self._simulator.handle(asked)
        if isinstance(answer, (Dropped, Truncated)):
            raise LostError(type(answer).__name__)
        told = {"date": format_datetime(self._now().replace(microsecond=0), usegmt=True)}
        told |= {name.lower(): value for name, value in answer.headers.items()}
        return HttpResponse(status=answer.status, headers=told, body=answer.body)

    async def close(self) -> None:
        """There is nothing to let go of."""

    def asked(self, method: str, path: str = "") -> list[HttpRequest]:
        """The requests with this method whose path begins so."""
        return [
            request
            for request in self.requests
            if request.method == method and urlsplit(request.url).path.startswith(path)
        ]
