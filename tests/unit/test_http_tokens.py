"""Sign-in: one renewal, stored before use, survives a crash, and never repeats a refusal."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from urllib.parse import parse_qs

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from support.fakes import ManualClock, MemorySecrets, ScriptedTransport, answer
from tieout.connectors.http.json import dumps
from tieout.connectors.http.tokens import Grant, SignIn, TokenKeeper, retry_after_s
from tieout.connectors.http.traffic import Exchange
from tieout.core.errors import ConnectionBrokenError, TransientError
from tieout.ports import HttpRequest, HttpResponse, LostError

URL = "https://identity.example.com/token"


class TokenServer:
    """Grants, and rotates refresh tokens: each works once."""

    def __init__(self, valid: str = "r0") -> None:
        self.valid = valid
        self.count = 0
        self.forms: list[dict[str, str]] = []
        self.expires_in: int | None = 3600

    def __call__(self, request: HttpRequest) -> HttpResponse:
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        self.forms.append(form)
        if form.get("refresh_token", self.valid) != self.valid:
            return answer(400, b'{"error":"invalid_grant"}')
        self.count += 1
        self.valid = f"r{self.count}"
        body = {"access_token": f"a{self.count}", "refresh_token": self.valid}
        if self.expires_in is not None:
            body["expires_in"] = self.expires_in  # type: ignore[assignment]
        return answer(200, dumps(body))


def keeper(
    clock: ManualClock,
    secrets: MemorySecrets,
    server: Callable[[HttpRequest], HttpResponse],
    holder: str = "one",
    **sign_in: object,
) -> tuple[TokenKeeper, ScriptedTransport]:
    transport = ScriptedTransport(server)
    made = TokenKeeper(
        connection="books",
        system="The books",
        sign_in=SignIn(token_url=URL, **sign_in),  # type: ignore[arg-type]
        secrets=secrets,
        clock=clock,
        transport=transport,
        holder=holder,
    )
    return made, transport


def vault(clock: ManualClock, **more: str) -> MemorySecrets:
    values = {"client_id": "id", "client_secret": "s&cret", "refresh_token": "r0", **more}
    return MemorySecrets(clock, **values)


def test_many_callers_renew_once_with_basic_sign_in() -> None:
    clock = ManualClock()
    secrets, server = vault(clock), TokenServer()
    tokens, transport = keeper(clock, secrets, server)

    async def scenario() -> list[str]:
        return await asyncio.gather(*(tokens.access() for _ in range(20)))

    assert set(asyncio.run(scenario())) == {"a1"}
    assert len(transport.requests) == 1
    basic = transport.requests[0].headers["Authorization"].removeprefix("Basic ")
    assert base64.b64decode(basic) == b"id:s%26cret"
    assert server.forms == [{"grant_type": "refresh_token", "refresh_token": "r0"}]


def test_the_client_can_be_named_in_the_form() -> None:
    clock = ManualClock()
    server = TokenServer()
    tokens, transport = keeper(clock, vault(clock), server, client_auth="form")
    asyncio.run(tokens.access())
    assert server.forms[0]["client_secret"] == "s&cret"
    assert "Authorization" not in transport.requests[0].headers


def test_a_token_is_renewed_before_it_ends_and_when_it_was_refused() -> None:
    clock = ManualClock()
    tokens, _ = keeper(clock, vault(clock), TokenServer())

    async def scenario() -> None:
        assert await tokens.access() == "a1"
        clock.advance(3500)
        assert await tokens.access() == "a1"
        clock.advance(60)
        assert await tokens.access() == "a2"
        assert await tokens.access(refused="a1") == "a2", "already renewed by another caller"
        assert await tokens.access(refused="a2") == "a3"

    asyncio.run(scenario())


def test_the_new_sign_in_is_stored_before_it_is_used_and_the_old_one_goes_afterwards() -> None:
    clock = ManualClock()
    secrets = vault(clock)
    tokens, _ = keeper(clock, secrets, TokenServer())

    async def scenario() -> None:
        await tokens.access()
        assert secrets.log == ["put access_expires_at access_token refresh_token"]
        assert await secrets.older("books", "refresh_token") == "r0"
        await tokens.worked()
        await tokens.worked()
        assert secrets.log[1:] == ["forget_old"]
        assert await secrets.older("books", "refresh_token") is None

    asyncio.run(scenario())


def test_an_older_token_that_still_works_proves_nothing_of_the_newest() -> None:
    clock = ManualClock()
    secrets, server = vault(clock), TokenServer()
    first, _ = keeper(clock, secrets, server, "one")
    second, _ = keeper(clock, secrets, server, "two")

    async def scenario() -> None:
        await first.access()
        clock.advance(60)
        await second.access(refused="a1")
        await first.worked()
        assert await secrets.older("books", "refresh_token") == "r1"
        await second.worked()
        assert await secrets.older("books", "refresh_token") is None

    asyncio.run(scenario())


def test_a_second_process_uses_what_the_first_one_stored() -> None:
    clock = ManualClock()
    secrets, server = vault(clock), TokenServer()
    first, _ = keeper(clock, secrets, server, "one")
    second, other = keeper(clock, secrets, server, "two")

    async def scenario() -> list[str]:
        return await asyncio.gather(first.access(), second.access())

    assert asyncio.run(scenario()) == ["a1", "a1"]
    assert server.count == 1
    assert other.requests == []


def test_a_lease_that_never_ends_is_told() -> None:
    clock = ManualClock()

    class Held(MemorySecrets):
        async def acquire(self, connection: str, holder: str, seconds: int) -> bool:
            return False

    tokens, transport = keeper(clock, Held(clock, refresh_token="r0"), TokenServer())
    with pytest.raises(TransientError):
        asyncio.run(tokens.access())
    assert transport.requests == []


def test_a_dead_holder_is_waited_out() -> None:
    clock = ManualClock()
    secrets = vault(clock)

    async def scenario() -> str:
        assert await secrets.acquire("books", "dead", 30)
        tokens, _ = keeper(clock, secrets, TokenServer())
        return await tokens.access()

    assert asyncio.run(scenario()) == "a1"
    assert sum(clock.waits) >= 30


def test_after_a_broken_rotation_the_older_generation_is_tried_once() -> None:
    clock = ManualClock()
    secrets, server = vault(clock), TokenServer("r0")

    async def scenario() -> None:
        await secrets.put("books", {"refresh_token": "never-valid"})
        tokens, transport = keeper(clock, secrets, server)
        assert await tokens.access() == "a1"
        assert [form["refresh_token"] for form in server.forms] == ["never-valid", "r0"]
        assert len(transport.requests) == 2

    asyncio.run(scenario())


def test_a_withdrawn_sign_in_is_asked_for_once_ever() -> None:
    clock = ManualClock()
    secrets, server = vault(clock), TokenServer("other")

    async def scenario() -> None:
        for _ in range(3):
            tokens, _ = keeper(clock, secrets, server)  # as after a restart
            for _ in range(2):
                with pytest.raises(ConnectionBrokenError) as caught:
                    await tokens.access()
                assert caught.value.code == "sign_in_withdrawn"
        assert len(server.forms) == 1
        await secrets.put("books", {"refresh_token": "other"})  # a person signed in anew
        tokens, _ = keeper(clock, secrets, server)
        assert await tokens.access() == "a1"

    asyncio.run(scenario())


def test_a_wrong_client_secret_is_never_repeated() -> None:
    clock = ManualClock()
    calls: list[HttpRequest] = []

    def refuse(request: HttpRequest) -> HttpResponse:
        calls.append(request)
        return answer(401, b'{"error":"invalid_client"}')

    tokens, _ = keeper(clock, vault(clock), refuse, grant=Grant.CLIENT_CREDENTIALS)
    for _ in range(3):
        with pytest.raises(ConnectionBrokenError) as caught:
            asyncio.run(tokens.access())
        assert caught.value.code == "sign_in_refused"
        assert "s&cret" not in str(caught.value)
    assert len(calls) == 1


@pytest.mark.parametrize(
    "reply",
    [answer(503, b"<html>"), answer(429, b"", retry_after="7"), answer(200, b"<html>")],
)
def test_a_sign_in_address_in_trouble_is_no_refusal(reply: HttpResponse) -> None:
    clock = ManualClock()
    secrets = vault(clock)
    tokens, _ = keeper(clock, secrets, lambda _request: reply)
    with pytest.raises(TransientError):
        asyncio.run(tokens.access())
    assert secrets.log == []


@pytest.mark.parametrize(
    "reply",
    [
        answer(400, b'{"error":"invalid_grant","error_description":'
                    b'"token request is already being processed"}'),
        answer(400, b'{"error":"unknown_error","error_description":"retry your request"}'),
        answer(400, b'{"error":"rate_limit_exceeded"}', retry_after="120"),
        answer(400, b'{"error":"invalid_grant","error_description":"login rate exceeded"}'),
        answer(403, b'{"error":"temporarily_unavailable"}'),
        answer(400, b'{"error":"server_error"}'),
        answer(401, b"<html>the proxy wants a password</html>"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("grant", [Grant.REFRESH_TOKEN, Grant.CLIENT_CREDENTIALS])
def test_a_refusal_that_passes_is_asked_again_later(reply: HttpResponse, grant: Grant) -> None:
    clock = ManualClock()
    server, replies = TokenServer(), [reply]
    tokens, transport = keeper(
        clock,
        vault(clock),
        lambda request: replies.pop() if replies else server(request),
        grant=grant,
    )
    with pytest.raises(TransientError) as told:
        asyncio.run(tokens.access())
    assert told.value.retry_after_s == (120 if "retry-after" in reply.headers else 30)
    assert len(transport.requests) == 1, "no older token is tried"
    assert asyncio.run(tokens.access()) == "a1"


def test_a_refusal_behind_a_200_is_one() -> None:
    clock = ManualClock()
    secrets = vault(clock)
    tokens, transport = keeper(
        clock, secrets, lambda _request: answer(200, b'{"error":"invalid_grant"}')
    )
    for _ in range(3):
        with pytest.raises(ConnectionBrokenError) as told:
            asyncio.run(tokens.access())
        assert told.value.code == "sign_in_withdrawn"
    assert len(transport.requests) == 1


def test_a_lost_answer_of_the_sign_in_passes() -> None:
    def lose(_request: HttpRequest) -> HttpResponse:
        raise LostError

    clock = ManualClock()
    tokens, _ = keeper(clock, vault(clock), lose)
    with pytest.raises(TransientError, match=r"^\S+ \(.+\), signing in: [a-z.]+ is silent") as told:
        asyncio.run(tokens.access())
    assert told.value.hint


def test_no_stated_life_is_assumed() -> None:
    clock = ManualClock()
    server = TokenServer()
    server.expires_in = None
    tokens, _ = keeper(clock, vault(clock), server, assumed_life_s=900)

    async def scenario() -> None:
        await tokens.access()
        clock.advance(850)
        assert await tokens.access() == "a2"

    asyncio.run(scenario())


def test_an_assertion_is_signed_by_our_key() -> None:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    clock = ManualClock()
    server = TokenServer()
    tokens, transport = keeper(
        clock,
        vault(clock, private_key=pem),
        server,
        grant=Grant.JWT_BEARER,
        subject="sync@example.com",
        audience="https://login.example.com",
    )
    asyncio.run(tokens.access())
    form = server.forms[0]
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    claims = jwt.decode(
        form["assertion"],
        private.public_key(),
        algorithms=["RS256"],
        audience="https://login.example.com",
        options={"verify_exp": False},
    )
    assert claims["iss"] == "id"
    assert claims["sub"] == "sync@example.com"
    assert claims["exp"] == int(clock.now().timestamp()) - 0 + 180
    assert "client_secret" not in form
    assert "Authorization" not in transport.requests[0].headers


def test_a_code_is_traded_and_extra_values_are_kept() -> None:
    clock = ManualClock()
    secrets = MemorySecrets(clock, client_id="id")

    def grant(_request: HttpRequest) -> HttpResponse:
        body = {"access_token": "a", "refresh_token": "r", "instance_url": "https://my.example.com"}
        return answer(200, dumps(body))

    tokens, transport = keeper(clock, secrets, grant, keep=("instance_url",))

    async def scenario() -> None:
        await tokens.exchange_code("c0de", "http://127.0.0.1:1/callback", "verifier")
        assert await tokens.access() == "a"
        assert await tokens.kept("instance_url") == "https://my.example.com"
        assert await secrets.get("books", "refresh_token") == "r"

    asyncio.run(scenario())
    form = parse_qs(transport.requests[0].body.decode())
    assert form["code_verifier"] == ["verifier"]
    assert form["grant_type"] == ["authorization_code"]


def test_secrets_do_not_stand_in_recorded_traffic() -> None:
    clock = ManualClock()
    seen: list[Exchange] = []
    transport = ScriptedTransport(TokenServer())
    tokens = TokenKeeper(
        connection="books",
        system="The books",
        sign_in=SignIn(token_url=URL, client_auth="form"),
        secrets=vault(clock),
        clock=clock,
        transport=transport,
        holder="one",
        observer=seen.append,
    )
    asyncio.run(tokens.access())
    sent, came = seen[0].request, seen[0].response
    assert came is not None
    text = repr((sent.url, sent.headers, sent.body, came.headers, came.body))
    assert "grant_type=refresh_token" in text
    for secret in ("s%26cret", "s&cret", "r0", "r1", "a1"):
        assert secret not in text


def test_retry_after_in_both_forms() -> None:
    now = ManualClock().now()
    assert retry_after_s({"retry-after": "12"}, now) == 12
    assert retry_after_s({"retry-after": "Wed, 25 Nov 2026 09:00:30 GMT"}, now) == 30
    assert retry_after_s({"retry-after": "Wed, 25 Nov 2026 08:00:30 GMT"}, now) == 0
    assert retry_after_s({"retry-after": "soon"}, now) is None
    assert retry_after_s({"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT"}, now) == 86_400
    assert retry_after_s({"retry-after": "9" * 5000}, now) == 86_400
    assert retry_after_s({}, now) is None


def test_a_refused_sign_in_keeps_the_next_process_waiting_for_nothing() -> None:
    clock = ManualClock()
    secrets = vault(clock, refresh_token="revoked")
    server = TokenServer()
    first, _ = keeper(clock, secrets, server, "one")
    second, _ = keeper(clock, secrets, server, "two")

    async def run() -> None:
        began = clock.steady()
        for each in (first, second):
            with pytest.raises(ConnectionBrokenError) as caught:
                await each.access()
            assert caught.value.code == "sign_in_withdrawn"
        assert clock.steady() == began

    asyncio.run(run())


@pytest.mark.parametrize("life", [10**15, -5])
def test_a_life_that_no_calendar_has_loses_no_sign_in(life: int) -> None:
    clock = ManualClock()
    secrets = vault(clock)
    body = dumps({"access_token": "a1", "refresh_token": "r1", "expires_in": life})
    tokens = TokenKeeper(
        connection="books",
        system="The books",
        sign_in=SignIn(token_url=URL, client_auth="form"),
        secrets=secrets,
        clock=clock,
        transport=ScriptedTransport(lambda _request: answer(200, body)),
        holder="one",
    )
    assert asyncio.run(tokens.access()) == "a1"
    assert asyncio.run(secrets.get("books", "refresh_token")) == "r1"
