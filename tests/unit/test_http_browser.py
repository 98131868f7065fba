"""The browser's way back: state first, then the code."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qs, urlsplit

import pytest

from tieout.connectors.http.browser import (
    RedirectListener,
    authorize_address,
    code_from_address,
    pkce_challenge,
)
from tieout.core.errors import ConnectionBrokenError


def test_the_challenge_is_the_one_of_the_standard() -> None:
    # RFC 7636, appendix B.
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert pkce_challenge(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_the_address_holds_all_parts() -> None:
    address = authorize_address(
        "https://identity.example.com/authorize",
        client_id="id",
        redirect_uri="http://127.0.0.1:1/callback",
        scope="a b",
        state="s",
        verifier="v" * 43,
        extra={"prompt": "select_account"},
    )
    query = parse_qs(urlsplit(address).query)
    assert query["scope"] == ["a b"]
    assert query["code_challenge_method"] == ["S256"]
    assert query["prompt"] == ["select_account"]


def test_a_pasted_address_gives_its_code() -> None:
    assert code_from_address(" https://x.example/cb?code=c&state=s\n", "s") == "c"


@pytest.mark.parametrize(
    ("address", "word"),
    [
        ("https://x.example/cb?code=c&state=other", "another sign-in"),
        ("https://x.example/cb?code=c", "another sign-in"),
        ("https://x.example/cb?state=s", "no code"),
        ("https://x.example/cb?state=s&error=access_denied&error_description=No", "No"),
    ],
)
def test_other_addresses_are_explained(address: str, word: str) -> None:
    with pytest.raises(ConnectionBrokenError, match=word):
        code_from_address(address, "s")


async def get(uri: str, query: str) -> bytes:
    parts = urlsplit(uri)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(f"GET {parts.path}{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    text = await reader.read()
    writer.close()
    return text


def test_the_listener_waits_for_the_right_one() -> None:
    async def scenario() -> str:
        async with RedirectListener(state="s") as listener:
            uri = listener.redirect_uri
            assert uri.startswith("http://127.0.0.1:")
            assert b" 400 " in await get(uri, "?code=evil&state=x")
            assert b" 404 " in await get(uri + "/favicon.ico", "")
            page = await get(uri, "?code=c0de&state=s")
            assert b"Signed in" in page
            return await listener.code(5)

    assert asyncio.run(scenario()) == "c0de"


def test_a_refusal_in_the_browser_is_told() -> None:
    async def scenario() -> None:
        async with RedirectListener(state="s") as listener:
            page = await get(
                listener.redirect_uri, "?state=s&error=x&error_description=%3Cb%3Eno%3C/b%3E"
            )
            assert b"<b>" not in page
            with pytest.raises(ConnectionBrokenError, match="not granted"):
                await listener.code(5)

    asyncio.run(scenario())


def test_nobody_came() -> None:
    async def scenario() -> None:
        async with RedirectListener(state="s") as listener:
            with pytest.raises(ConnectionBrokenError, match="within"):
                await listener.code(0)

    asyncio.run(scenario())
