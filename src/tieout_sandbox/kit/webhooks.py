"""What a simulator calls by itself: notices to addresses on this machine, and nowhere else."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

import aiohttp

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_KEPT = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One call to be made. `outcome` is a status, or in words why there is none."""

    target: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    subject: str = ""
    outcome: str = ""

    def as_json(self) -> dict[str, Any]:
        """For whoever asks what was sent."""
        return {
            "target": self.target,
            "subject": self.subject,
            "body": self.body.decode("utf-8", "replace"),
            "outcome": self.outcome,
        }


class Outbox:
    """Notices that wait to be sent, and those that were.

    `deliver`: set by a test that wants them in process; without it they go out over HTTP.
    """

    def __init__(self, *, timeout_s: float = 5) -> None:
        self.timeout_s = timeout_s
        self.deliver: Callable[[Notice], int] | None = None
        self.tries = 1
        self.sent: deque[Notice] = deque(maxlen=_KEPT)
        self._waiting: list[Notice] = []
        self._held: list[Notice] = []
        self._sender: asyncio.Task[None] | None = None

    def put(self, notices: Sequence[Notice], fault: str | None) -> None:
        """Takes what one call caused; `fault` is the kind that struck that call, if one did.

        Reordered notices wait for the next ones, and go after them, last first.
        """
        if not notices:
            return
        match fault:
            case "lost_webhook":
                self.sent.extend(replace(one, outcome="lost") for one in notices)
                return
            case "reordered_webhooks":
                self._held = [*reversed(notices), *self._held]
                return
            case "duplicate_webhook":
                notices = [one for notice in notices for one in (notice, notice)]
        self._waiting += [*notices, *self._held]
        self._held = []

    def clear(self) -> None:
        """Forgets everything."""
        self._waiting, self._held = [], []
        self.sent.clear()

    def send(self) -> None:
        """Sends what waits, one after the other: at once where `deliver` is set, else beside the
        running loop's other work."""
        if self.deliver is not None:
            notices, self._waiting = self._waiting, []
            for notice in notices:
                self.sent.append(replace(notice, outcome=str(self.deliver(notice))))
        elif self._waiting and (self._sender is None or self._sender.done()):
            self._sender = asyncio.get_running_loop().create_task(self._post_all())

    async def settled(self) -> None:
        """Returns when everything that waited has been sent."""
        if self._sender is not None:
            await self._sender

    async def _post_all(self) -> None:
        timeout = aiohttp.ClientTimeout(total=self.timeout_s)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while self._waiting:
                notice = self._waiting.pop(0)
                self.sent.append(replace(notice, outcome=await self._post(session, notice)))

    async def _post(self, session: aiohttp.ClientSession, notice: Notice) -> str:
        if not is_loopback(notice.target):
            return "not sent: only to 127.0.0.1"
        outcome = ""
        for _ in range(max(1, self.tries)):
            try:
                async with session.post(
                    notice.target,
                    data=notice.body,
                    headers=dict(notice.headers),
                    allow_redirects=False,
                ) as answer:
                    outcome = str(answer.status)
            except (aiohttp.ClientError, TimeoutError) as error:
                outcome = type(error).__name__
            if outcome.startswith("2"):
                break
        return outcome


def is_loopback(target: str) -> bool:
    """Whether an address is plain http to this machine."""
    try:
        parts = urlsplit(target)
    except ValueError:
        return False
    return parts.scheme == "http" and parts.hostname in LOOPBACK
