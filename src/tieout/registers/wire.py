"""One call to a register: sent once, within seconds, and whatever comes back becomes a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec

from tieout.connectors.http.addresses import require_callable
from tieout.connectors.http.waits import seconds_in
from tieout.nordic.vat_state import Question, RegisterAnswer, Said
from tieout.ports import Clock, HttpRequest, HttpResponse, LostError, NotSentError, Transport
from tieout.registers.faults import TIMEOUT, UNREACHABLE, UNREADABLE

_LONGEST_NAME = 200
_decoder = msgspec.json.Decoder(float_hook=Decimal)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer, and for how many seconds the register asked to be left alone."""

    answer: RegisterAnswer
    retry_after_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Got:
    """What a call brought: a JSON object, or a fault."""

    status: int = 0
    body: Mapping[str, Any] = field(default_factory=dict)
    fault: str = ""
    retry_after_s: int | None = None


class Wire:
    """Calls below one address. Raises ConfigurationError for one that may not be called."""

    def __init__(
        self, base_url: str, transport: Transport, clock: Clock, *, timeout_s: int = 5
    ) -> None:
        require_callable(base_url)
        self.base_url = base_url.rstrip("/")
        self._transport = transport
        self._clock = clock
        self._timeout_s = timeout_s

    async def get(self, path: str) -> Got:
        """The object at a path."""
        return await self._call("GET", path, b"")

    async def post(self, path: str, value: Mapping[str, str]) -> Got:
        """The answer to an object."""
        return await self._call("POST", path, msgspec.json.encode(value))

    def reply(
        self,
        question: Question,
        said: Said,
        *,
        got: Got | None = None,
        fault: str | None = None,
        consultation: str | None = None,
        name: str | None = None,
    ) -> Reply:
        """The answer with the time of now."""
        answer = RegisterAnswer(
            register=question.register,
            number=question.number,
            said=said,
            asked_at=self._clock.now(),
            fault=fault,
            consultation=consultation,
            name=name,
        )
        return Reply(answer=answer, retry_after_s=got.retry_after_s if got else None)

    async def _call(self, method: str, path: str, body: bytes) -> Got:
        headers = {"Accept": "application/json"}
        if body:
            headers["Content-Type"] = "application/json"
        request = HttpRequest(
            method=method,
            url=self.base_url + path,
            headers=headers,
            body=body,
            timeout_s=self._timeout_s,
        )
        try:
            response = await self._transport.send(request)
        except NotSentError:
            return Got(fault=UNREACHABLE)
        except LostError:
            return Got(fault=TIMEOUT)
        return _got(response)


def _got(response: HttpResponse) -> Got:
    body = _object(response.body)
    fault = ""
    if response.status != 200:
        fault = f"HTTP_{response.status}"
    elif not body:
        fault = UNREADABLE
    return Got(
        status=response.status,
        body=body,
        fault=fault,
        retry_after_s=seconds_in(response.headers.get("retry-after", "")),
    )


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        found = _decoder.decode(body)
    except msgspec.DecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def clean(value: Any) -> str | None:
    """A text that says something, shortened; '---' is how VIES says that it tells none."""
    if not isinstance(value, str):
        return None
    text = " ".join(value.split())
    return text[:_LONGEST_NAME] if text.strip("-. ") else None
