"""Reads are repeated, writes never; a quota of ours is never passed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random

import pytest

from support.fakes import ManualClock, MemorySecrets, ScriptedTransport, answer
from tieout.connectors.http.budget import CallBudget
from tieout.connectors.http.client import ApiClient, Call
from tieout.connectors.http.tokens import SignIn, TokenKeeper
from tieout.connectors.http.traffic import Exchange
from tieout.core.abilities import BudgetWindow
from tieout.core.errors import ConfigurationError, ConnectionBrokenError, TransientError
from tieout.ports import HttpRequest, HttpResponse, LostError, NotSentError, OverlongError

Answer = Callable[[HttpRequest], HttpResponse]


def client(
    reply: Answer, *, clock: ManualClock | None = None, **more: object
) -> tuple[ApiClient, ScriptedTransport, ManualClock]:
    clock = clock or ManualClock()
    transport = ScriptedTransport(reply)
    made = ApiClient(
        system="The books",
        base_url="https://api.example.com/v2/",
        transport=transport,
        clock=clock,
        random=Random(1),
        **more,  # type: ignore[arg-type]
    )
    return made, transport, clock


def in_turn(*replies: HttpResponse | Exception) -> Answer:
    left = list(replies)

    def reply(_request: HttpRequest) -> HttpResponse:
        now = left.pop(0)
        if isinstance(now, Exception):
            raise now
        return now

    return reply


def test_a_read_goes_on_after_trouble() -> None:
    api, transport, clock = client(
        in_turn(LostError(), answer(503), NotSentError(), answer(200, b"[1]"))
    )
    found = asyncio.run(api.read(Call(path="/items", query=(("$page", "1"),))))
    assert found.body == b"[1]"
    assert transport.requests[0].url == "https://api.example.com/v2/items?$page=1"
    assert len(clock.waits) == 3
    assert 0.25 <= clock.waits[0] <= 0.5 < clock.waits[2] <= 2


def test_a_read_gives_up_after_four_tries() -> None:
    api, transport, _ = client(in_turn(*[answer(500)] * 9))
    with pytest.raises(TransientError):
        asyncio.run(api.read(Call(path="/items")))
    assert len(transport.requests) == 4


def test_client_errors_come_back_as_they_are() -> None:
    api, transport, _ = client(in_turn(answer(404, b"x")))
    assert asyncio.run(api.read(Call(path="/items/1"))).status == 404
    assert len(transport.requests) == 1


@pytest.mark.parametrize("trouble", [LostError(), NotSentError()])
def test_a_write_leaves_once(trouble: Exception) -> None:
    api, transport, _ = client(in_turn(trouble, answer(201)))
    with pytest.raises(type(trouble)):
        asyncio.run(api.write(Call(method="POST", path="/items", body=b"{}")))
    assert len(transport.requests) == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_write_is_not_repeated_after_an_answer(status: int) -> None:
    api, transport, _ = client(in_turn(answer(status), answer(201)))
    assert asyncio.run(api.write(Call(method="PUT", path="/items/1"))).status == status
    assert len(transport.requests) == 1


def test_too_many_calls_waits_as_asked_and_holds_others_back() -> None:
    api, _, clock = client(in_turn(answer(429, retry_after="17"), answer(200), answer(200)))
    asyncio.run(api.read(Call(path="/items")))
    assert sum(clock.waits) == pytest.approx(17)
    api, transport, clock = client(in_turn(answer(429, retry_after="40"), answer(201)))

    async def scenario() -> None:
        await api.write(Call(method="POST", path="/items"))
        with pytest.raises(TransientError) as caught:
            await api.write(Call(method="POST", path="/items"))
        assert caught.value.retry_after_s == 40
        clock.advance(40)
        await api.write(Call(method="POST", path="/items"))

    asyncio.run(scenario())
    assert len(transport.requests) == 2


def signed_in(clock: ManualClock, reply: Answer) -> tuple[ApiClient, ScriptedTransport, list[str]]:
    grants: list[str] = []

    def both(request: HttpRequest) -> HttpResponse:
        if "identity" not in request.url:
            return reply(request)
        grants.append("grant")
        return answer(200, b'{"access_token":"a%d","refresh_token":"r"}' % len(grants))

    transport = ScriptedTransport(both)
    tokens = TokenKeeper(
        connection="books",
        system="The books",
        sign_in=SignIn(token_url="https://identity.example.com/token"),
        secrets=MemorySecrets(clock, refresh_token="r0"),
        clock=clock,
        transport=transport,
        holder="one",
    )
    api = ApiClient(
        system="The books",
        base_url="https://api.example.com",
        transport=transport,
        clock=clock,
        random=Random(1),
        tokens=tokens,
    )
    return api, transport, grants


def test_a_401_renews_once_and_repeats_once_also_a_write() -> None:
    def reply(request: HttpRequest) -> HttpResponse:
        return answer(401 if request.headers["Authorization"] == "Bearer a1" else 201)

    api, transport, grants = signed_in(ManualClock(), reply)
    call = Call(method="POST", path="/items", body=b"{}")
    assert asyncio.run(api.write(call)).status == 201
    assert len(grants) == 2
    assert [r.body for r in transport.requests if r.url.endswith("/items")] == [b"{}", b"{}"]


def test_a_second_401_needs_a_person() -> None:
    api, transport, grants = signed_in(ManualClock(), lambda _request: answer(401))
    with pytest.raises(ConnectionBrokenError):
        asyncio.run(api.read(Call(path="/items")))
    assert len(grants) == 2
    assert len(transport.requests) == 4


def test_calls_are_counted_by_template_and_shown_without_secrets() -> None:
    seen: list[Exchange] = []
    api, _, _ = client(lambda _r: answer(200), observer=seen.append)

    async def scenario() -> None:
        for number in range(3):
            call = Call(
                path=f"/items/{number}", template="/items/{id}", headers={"Authorization": "top"}
            )
            await api.read(call)

    asyncio.run(scenario())
    assert api.calls == {"GET /items/{id}": 3}
    assert len(seen) == 3
    assert {sent.request.headers["Authorization"] for sent in seen} == {"***"}


def test_what_signs_in_is_in_no_repr() -> None:
    headers = {"Authorization": "Bearer top"}
    sent = HttpRequest(method="POST", url="https://x.example/", headers=headers, body=b"top")
    came = HttpResponse(status=200, headers={"set-cookie": "top"}, body=b"top")
    call = Call(path="/login", headers=headers, body=b"top")
    assert "top" not in repr((sent, came, call))


def test_an_answer_that_is_too_long_is_not_asked_for_again() -> None:
    api, transport, _ = client(in_turn(*[OverlongError()] * 9))
    with pytest.raises(TransientError, match="more than can be read"):
        asyncio.run(api.read(Call(path="/items")))
    assert len(transport.requests) == 1


def test_no_more_in_flight_than_allowed() -> None:
    running = peak = 0

    class Slow:
        async def send(self, request: HttpRequest) -> HttpResponse:
            nonlocal running, peak
            running += 1
            peak = max(peak, running)
            for _ in range(5):
                await asyncio.sleep(0)
            running -= 1
            return answer(200)

        async def close(self) -> None:
            return None

    api = ApiClient(
        system="The books",
        base_url="https://api.example.com",
        transport=Slow(),
        clock=ManualClock(),
        random=Random(1),
        in_flight=3,
    )

    async def scenario() -> None:
        await asyncio.gather(*(api.read(Call(path="/items")) for _ in range(20)))

    asyncio.run(scenario())
    assert peak == 3


@pytest.mark.parametrize("pause", [0.3, 1.5])
def test_any_minute_stays_within_our_share(pause: float) -> None:
    clock = ManualClock()
    times: list[int] = []

    def reply(_request: HttpRequest) -> HttpResponse:
        times.append(clock.steady())
        return answer(200)

    windows = (BudgetWindow(calls=60, seconds=60, share="0.5"),)
    api, _, _ = client(reply, clock=clock, budgets=windows)

    async def scenario() -> None:
        for _ in range(200):
            clock.advance(pause)
            await api.read(Call(path="/items"))

    asyncio.run(scenario())
    for start in times:
        assert sum(start <= moment < start + 60_000 for moment in times) <= 30
    assert times[-1] < 200 / 30 * 66_000, "the share is used, not wasted"


def test_routes_have_their_own_windows_where_the_vendor_counts_by_route() -> None:
    clock = ManualClock()
    budget = CallBudget((BudgetWindow(calls=2, seconds=60, share="1"),), clock, per_route=True)
    for _ in range(2):
        budget.take("GET /a")
    assert budget.wait_ms("GET /a") > 0
    assert budget.wait_ms("GET /b") == 0
    budget.pause("GET /b", 5)
    assert budget.wait_ms("GET /b") == 5000
    assert budget.share_used() == 1


def test_a_write_does_not_wait_for_a_quota_beyond_its_lease() -> None:
    windows = (BudgetWindow(calls=1, seconds=600, share="1"),)
    api, transport, clock = client(lambda _r: answer(201), budgets=windows)

    async def scenario() -> None:
        await api.write(Call(method="POST", path="/items"))
        with pytest.raises(TransientError) as caught:
            await api.write(Call(method="POST", path="/items"))
        assert caught.value.retry_after_s

    asyncio.run(scenario())
    assert len(transport.requests) == 1
    assert clock.waits == []


def test_an_open_base_address_is_refused_at_the_door() -> None:
    with pytest.raises(ConfigurationError):
        ApiClient(
            system="The books",
            base_url="http://api.example.com",
            transport=ScriptedTransport(lambda _r: answer(200)),
            clock=ManualClock(),
            random=Random(1),
        )
