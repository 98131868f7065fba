"""
Calls to one vendor's API: reads that are repeated, writes that never are.

Everything waits on `Clock.sleep` and asyncio's own primitives only, so that a simulation can run
it on a virtual loop.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from tieout.connectors.http.addresses import require_callable, with_query
from tieout.connectors.http.budget import CallBudget
from tieout.connectors.http.silence import silent
from tieout.connectors.http.tokens import TokenKeeper, retry_after_s
from tieout.connectors.http.traffic import Observer, exchange_of
from tieout.connectors.http.waits import seconds_in
from tieout.core.abilities import BudgetWindow
from tieout.core.errors import ConnectionBrokenError, TransientError
from tieout.ports import (
    Clock,
    HttpRequest,
    HttpResponse,
    LostError,
    NotSentError,
    OverlongError,
    Transport,
)

_ATTEMPTS = 4
_FIRST_WAIT_S = 0.5
_LONGEST_BACKOFF_S = 60
# A little more than the usual window of a minute, so that a read waits for its turn.
_LONGEST_WAIT_S = 90
_WRITE_WAIT_MS = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """
    One call. ``path`` begins with a slash and may hold a query already; ``query`` is encoded and
    put behind it. ``template`` is the path with ids replaced: it names the route in counts and
    budgets, '' takes the path. ``signs_in``: its bodies hold secrets and are shown to nobody.
    """

    path: str
    method: str = "GET"
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    template: str = ""
    timeout_s: int = 60
    signs_in: bool = False

    @property
    def route(self) -> str:
        """What counts and budgets call it: the method and the template."""
        return f"{self.method} {self.template or self.path.partition('?')[0]}"


def default_throttled(response: HttpResponse) -> int | None:
    """Seconds to wait where the answer says 'too many calls' (a bare 429 means 60), else None."""
    if response.status != 429:
        return None
    told = seconds_in(response.headers.get("retry-after", ""))
    return 60 if told is None else told


class ApiClient:
    """
    Speaks to one base address with one sign-in.

    ``connection`` is its name in messages. ``throttled`` reads the vendor's way of saying "too many
    calls"; ``base_from`` names a kept value of the token answer that replaces the base address (a
    system that tells it at sign-in).
    """

    def __init__(
        self,
        *,
        system: str,
        connection: str = "",
        base_url: str,
        transport: Transport,
        clock: Clock,
        random: Random,
        tokens: TokenKeeper | None = None,
        budgets: Sequence[BudgetWindow] = (),
        budget_per_route: bool = False,
        in_flight: int = 4,
        headers: Mapping[str, str] | None = None,
        throttled: Callable[[HttpResponse], int | None] = default_throttled,
        base_from: str = "",
        observer: Observer | None = None,
    ) -> None:
        require_callable(base_url)
        self._system = system
        self._connection = connection
        self._base_url = base_url.rstrip("/")
        self._transport = transport
        self._clock = clock
        self._random = random
        self._tokens = tokens
        self._in_flight = asyncio.Semaphore(in_flight)
        self._headers = {"Accept": "application/json", **(headers or {})}
        self._throttled = throttled
        self._base_from = base_from
        self._observer = observer
        self.budget = CallBudget(budgets, clock, per_route=budget_per_route)
        self.calls: Counter[str] = Counter()

    async def read(self, call: Call) -> HttpResponse:
        """
        The answer to a call that changes nothing, repeated where that helps: lost or refused
        connections, 5xx, and "too many calls" after the wait it asks for.

        Answers of other statuses come back as they are. Raises `TransientError` after four tries
        and `ConnectionBrokenError` where the sign-in does not work any more.
        """
        started = self._clock.steady()
        wait_s: float = 0
        silence: NotSentError | LostError | None = None
        for attempt in range(_ATTEMPTS):
            if attempt:
                await self._clock.sleep(wait_s)
            await self._within_budget(call.route)
            wait_s = self._backoff_s(attempt)
            try:
                response = await self._signed_in(call)
            except OverlongError:
                raise TransientError(
                    f"{self._system} answered one question with more than can be read at once; "
                    "the answer was dropped.",
                    hint="Check the address of the connection; the next run asks again.",
                ) from None
            except (NotSentError, LostError) as error:
                silence = error
                continue
            silence = None
            throttled_s = self._note_throttled(call, response)
            if throttled_s is not None:
                if throttled_s > _LONGEST_WAIT_S:
                    raise self._quota(throttled_s)
                wait_s = throttled_s
                continue
            if response.status >= 500:
                asked = retry_after_s(response.headers, self._clock.now())
                wait_s = max(wait_s, min(asked or 0, _LONGEST_WAIT_S))
                continue
            return response
        took_s = (self._clock.steady() - started) // 1000
        raise await self.no_answer(silence, after=f"{_ATTEMPTS} tries, {took_s} s")

    async def write(self, call: Call) -> HttpResponse:
        """
        The answer to a call that may change something. It leaves once; only after a 401, which
        is certainly not done, it leaves a second time with a renewed sign-in.

        Raises `NotSentError` (nothing left), `LostError` (unknown), `TransientError` (nothing
        left: our share of the quota is used up, or the sign-in cannot be renewed now) and
        `ConnectionBrokenError` (nothing was done).
        """
        wait_ms = self.budget.wait_ms(call.route)
        if wait_ms > _WRITE_WAIT_MS:
            # A long wait here would outlast the lease under which this write may leave.
            raise self._quota(-(-wait_ms // 1000))
        await self._within_budget(call.route)
        response = await self._signed_in(call)
        self._note_throttled(call, response)
        return response

    async def no_answer(
        self,
        error: NotSentError | LostError | None,
        *,
        after: str = "",
        doing: str = "",
        retry_after_s: int | None = None,
    ) -> TransientError:
        """The error that names connection, host and cause; None: it answers that it cannot now."""
        return silent(
            system=self._system,
            connection=self._connection,
            url=await self._base(),
            error=error,
            after=after,
            doing=doing,
            retry_after_s=retry_after_s,
        )

    # Inside.

    async def _signed_in(self, call: Call) -> HttpResponse:
        if self._tokens is None:
            return await self._once(call, {})
        token = await self._tokens.access()
        response = await self._once(call, {"Authorization": f"Bearer {token}"})
        if response.status == 401:
            token = await self._tokens.access(refused=token)
            response = await self._once(call, {"Authorization": f"Bearer {token}"})
            if response.status == 401:
                raise ConnectionBrokenError(
                    f"{self._system} no longer accepts our sign-in.", code="sign_in_withdrawn"
                )
        await self._tokens.worked()
        return response

    async def _once(self, call: Call, headers: Mapping[str, str]) -> HttpResponse:
        request = HttpRequest(
            method=call.method,
            url=await self._base() + with_query(call.path, call.query),
            headers={**self._headers, **call.headers, **headers},
            body=call.body,
            timeout_s=call.timeout_s,
        )
        self.calls[call.route] += 1
        self.budget.take(call.route)
        async with self._in_flight:
            started = self._clock.steady()
            try:
                response = await self._transport.send(request)
            except (NotSentError, LostError) as error:
                self._tell(call, request, None, type(error).__name__, started)
                raise
            self._tell(call, request, response, "", started)
            return response

    async def _base(self) -> str:
        if self._base_from and self._tokens is not None:
            told = await self._tokens.kept(self._base_from)
            if told:
                return told.rstrip("/")
        return self._base_url

    async def _within_budget(self, route: str) -> None:
        while (wait_ms := self.budget.wait_ms(route)) > 0:
            if wait_ms > _LONGEST_WAIT_S * 1000:
                raise self._quota(-(-wait_ms // 1000))
            await self._clock.sleep(wait_ms / 1000)

    def _note_throttled(self, call: Call, response: HttpResponse) -> int | None:
        seconds = self._throttled(response)
        if seconds is not None:
            self.budget.pause(call.route, seconds)
        return seconds

    def _backoff_s(self, attempt: int) -> float:
        # Half fixed, half drawn: many workers that failed together do not return together.
        full = min(_FIRST_WAIT_S * (1 << attempt), _LONGEST_BACKOFF_S)
        return full * (1 + self._random.random()) / 2

    def _quota(self, seconds: int) -> TransientError:
        return TransientError(
            f"The calls to {self._system} that are ours are used up for {seconds} s.",
            code="quota_used",
            retry_after_s=seconds,
        )

    def _tell(
        self,
        call: Call,
        request: HttpRequest,
        response: HttpResponse | None,
        error: str,
        started: int,
    ) -> None:
        if self._observer is not None:
            took = self._clock.steady() - started
            self._observer(
                exchange_of(request, response, error=error, took_ms=took, sign_in=call.signs_in)
            )
