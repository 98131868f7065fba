"""Calls to the plain pair: answers with the vendor's time, and refusals as outcomes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from random import Random
from typing import Any

from tieout.connectors.http.client import ApiClient, Call
from tieout.connectors.http.json import loads
from tieout.connectors.http.traffic import Observer
from tieout.connectors.http.waits import seconds_in
from tieout.core.change import Deferred, Outcome, Rejected, Stale, Unknown, Wire
from tieout.core.errors import ConnectionBrokenError, TransientError
from tieout.core.finding import Finding
from tieout.ports import Clock, HttpResponse, LostError, NotSentError, Transport

Row = Mapping[str, Any]
Query = tuple[tuple[str, str], ...]
UNSENT_WAIT_S = 5
UNREADABLE = (KeyError, TypeError, ValueError, ArithmeticError, AttributeError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A readable answer. ``value`` is a JSON object; ``at`` the vendor's time of it."""

    status: int
    value: Row
    at: datetime

    @property
    def error(self) -> Row:
        """The vendor's error, empty where there is none."""
        found = self.value.get("error")
        return found if isinstance(found, dict) else {}


class PlainApi:
    """One system of the pair. Reads are repeated by the client below, writes never."""

    def __init__(
        self,
        system: str,
        base_url: str,
        transport: Transport,
        clock: Clock,
        random: Random,
        *,
        timeout_s: int,
        in_flight: int,
        page: int = 100,
        observer: Observer | None = None,
    ) -> None:
        self._system = system
        self._page = page
        self._timeout_s = timeout_s
        self._client = ApiClient(
            system=system,
            base_url=base_url,
            transport=transport,
            clock=clock,
            random=random,
            in_flight=in_flight,
            observer=observer,
        )

    async def read(self, path: str, query: Query = ()) -> Answer:
        """
        The answer, 404 and 410 too. Raises `TransientError` for one that cannot be used now and
        `ConnectionBrokenError` where we may not read at all.
        """
        call = Call(path=path, query=query, template=_template(path), timeout_s=self._timeout_s)
        response = await self._client.read(call)
        self._require_signed_in(response)
        value, at = _object(response), vendor_time(response)
        usable = response.status < 300 or response.status in (404, 410)
        if value is None or at is None or not usable:
            raise TransientError(f"{self._system} gave no usable answer ({response.status}).")
        return Answer(status=response.status, value=value, at=at)

    async def pages(self, path: str, query: Query = ()) -> AsyncIterator[Answer]:
        """Every page of a list, at least one."""
        token = ""
        query = (*query, ("per", str(self._page)))
        while True:
            answer = await self.read(path, (*query, ("page", token)) if token else query)
            if answer.status >= 300 or not isinstance(answer.value.get("rows"), list):
                raise TransientError(f"{self._system} does not list {path} now.")
            yield answer
            token = answer.value.get("next") or ""
            if not token:
                return

    async def write(
        self, wire: Wire, read: Callable[[Answer | None, HttpResponse], list[Outcome]]
    ) -> list[Outcome]:
        """
        Sends once. ``read`` makes outcomes of a 2xx (its answer is None where it is no object) or
        of a well-formed refusal; everything else is decided here, for all items alike.
        """
        call = Call(
            path=wire.path,
            method=wire.method,
            headers=wire.headers,
            body=wire.body,
            template=_template(wire.path),
            timeout_s=self._timeout_s,
        )
        try:
            response = await self._client.write(call)
        except NotSentError:
            return [
                Deferred(key=key, retry_after_s=UNSENT_WAIT_S, reason="not_sent")
                for key in wire.items
            ]
        except LostError:
            return unknown(wire, "answer_lost", None)
        except TransientError as error:
            wait = error.retry_after_s or UNSENT_WAIT_S
            return [Deferred(key=key, retry_after_s=wait, reason=error.code) for key in wire.items]
        self._require_signed_in(response)
        at = vendor_time(response)
        if response.status >= 500:
            replayed = "idempotent-replayed" in response.headers
            return unknown(wire, "error_under_key" if replayed else "server_error", at)
        value = _object(response)
        answer = None
        if value is not None:
            answer = Answer(status=response.status, value=value, at=at or _NO_TIME)
        if response.status < 300:
            return read(answer, response)
        if answer is None or "code" not in answer.error:
            return unknown(wire, "not_the_systems_own_answer", at)
        if response.status == 429:
            asked = seconds_in(response.headers.get("retry-after", ""))
            wait = 60 if asked is None else asked
            return [
                Deferred(key=key, retry_after_s=wait, reason="rate_limited", vendor_time=at)
                for key in wire.items
            ]
        return read(answer, response)

    def _require_signed_in(self, response: HttpResponse) -> None:
        if response.status in (401, 403):
            raise ConnectionBrokenError(
                f"{self._system} no longer lets us in ({response.status}).",
                code="sign_in_withdrawn",
            )


_NO_TIME = datetime.min.replace(tzinfo=UTC)


def vendor_time(response: HttpResponse) -> datetime | None:
    """The vendor's clock at this answer, finer than a second where it tells; None without."""
    fine = response.headers.get("x-time", "")
    try:
        return datetime.fromisoformat(fine) if fine else _date(response.headers.get("date", ""))
    except ValueError:
        return None


def _date(text: str) -> datetime | None:
    return parsedate_to_datetime(text).astimezone(UTC) if text else None


def unknown(wire: Wire, reason: str, at: datetime | None) -> list[Outcome]:
    """Every item may have been done."""
    return [Unknown(key=key, reason=reason, vendor_time=at) for key in wire.items]


def refusal(key: str, status: int, error: Row, at: datetime | None) -> Outcome:
    """What a well-formed refusal of one item means, where it has no meaning of its own."""
    code = str(error.get("code", "refused"))
    if status in (404, 410, 412) or code == "booked":
        return Stale(key=key, vendor_time=at)
    if status == 423:
        return Deferred(key=key, retry_after_s=UNSENT_WAIT_S, reason=code, vendor_time=at)
    found = Finding(
        code="refused_by_system",
        message=f"Refused: {error.get('message', code)}.",
        hint="Correct the record, then it is tried again.",
        values={"code": code},
    )
    return Rejected(key=key, findings=(found,), vendor_time=at)


def broken(error: ConnectionBrokenError) -> Finding:
    """A sign-in or right that is not there, as a check shows it."""
    return Finding(code=error.code, message=error.message, hint=error.hint)


def time_of(answer: Answer | None) -> datetime | None:
    """The vendor's time of an answer, None where it told none."""
    return None if answer is None or answer.at == _NO_TIME else answer.at


def _object(response: HttpResponse) -> Row | None:
    try:
        value = loads(response.body)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _template(path: str) -> str:
    parts = path.strip("/").split("/")
    return f"/{parts[0]}/{{id}}" if len(parts) > 1 else path
