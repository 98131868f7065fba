"""A host that gives no answer: the message names connection, host, cause and what helps."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from support.fakes import ManualClock, MemorySecrets
from tieout.bootstrap import SYSTEMS, system_named
from tieout.connectors.http.client import ApiClient, Call
from tieout.connectors.http.silence import host_of, silence_of
from tieout.connectors.http.transport import AiohttpTransport
from tieout.core.errors import TransientError
from tieout.ports import Silence

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


async def told_by(url: str, timeout_s: int = 5, tls: ssl.SSLContext | None = None) -> str:
    """What a read of that address says in the end, with its hint."""
    transport = AiohttpTransport(tls=tls)
    clock = ManualClock()
    api = ApiClient(
        system="Visma eAccounting",
        connection="visma-se",
        base_url=url,
        transport=transport,
        clock=clock,
        random=Random(1),
    )
    call = Call(path="/v2/items", query=(("secret", "s3cret"),), timeout_s=timeout_s)
    try:
        with pytest.raises(TransientError) as caught:
            await api.read(call)
    finally:
        await transport.close()
    error = caught.value
    assert error.code == "host_unreachable"
    assert "s3cret" not in error.message + error.hint
    assert "/v2" not in error.message
    return f"{error.message} {error.hint}"


async def served(
    serve: Serve,
    scheme: str = "http",
    server_tls: ssl.SSLContext | None = None,
    host: str = "127.0.0.1",
    **more: object,
) -> str:
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server_tls)
    port = server.sockets[0].getsockname()[1]
    try:
        return await told_by(f"{scheme}://{host}:{port}", **more)  # type: ignore[arg-type]
    finally:
        server.close()


async def hangs_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def says_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


async def is_down(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 503 X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    await writer.drain()
    writer.close()


async def speaks_plainly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(5)
    writer.write(b"HTTP/1.1 400 X\r\n\r\n")
    await writer.drain()
    writer.close()


def certificate(folder: Path, host: str, days: int) -> tuple[ssl.SSLContext, Path]:
    """A server's side with a certificate of its own, and that certificate's file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    until = datetime.now(UTC) + timedelta(days=days)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(until - timedelta(days=30))
        .not_valid_after(until)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    shown, private = folder / "cert.pem", folder / "key.pem"
    shown.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown, private)
    return context, shown


def test_a_refused_connection() -> None:
    port = free_port()
    told = asyncio.run(told_by(f"http://127.0.0.1:{port}"))
    assert told.startswith(
        f"visma-se (Visma eAccounting): 127.0.0.1:{port} refuses the connection (4 tries, "
    )
    assert "Nothing listens there: check the address of the connection" in told


def test_a_host_without_an_address() -> None:
    told = asyncio.run(told_by("https://nowhere.invalid/base?token=abc"))
    assert "visma-se (Visma eAccounting): no address is known for nowhere.invalid (4" in told
    assert "abc" not in told


def test_a_host_that_says_nothing() -> None:
    told = asyncio.run(served(says_nothing, timeout_s=1))
    assert " does not answer in time (4 tries, " in told
    assert "Check network, firewall and proxy" in told


def test_a_host_that_hangs_up() -> None:
    assert " ends the connection without a whole answer (4" in asyncio.run(served(hangs_up))


def test_a_host_that_is_down() -> None:
    told = asyncio.run(served(is_down))
    assert " answers that it is not working now (4 tries, " in told


def test_a_host_without_encryption() -> None:
    told = asyncio.run(served(speaks_plainly, "https"))
    assert "no encryption could be agreed on with 127.0.0.1:" in told


@pytest.mark.parametrize(
    ("days", "host", "known", "words"),
    [
        (20, "localhost", False, "is signed by nobody whom this machine knows"),
        (-2, "localhost", True, "is not valid today"),
        (20, "other.example", True, "shows is for another host"),
    ],
)
def test_a_certificate_that_does_not_pass(
    tmp_path: Path, days: int, host: str, known: bool, words: str
) -> None:
    server, shown = certificate(tmp_path, host, days)
    tls = ssl.create_default_context(cafile=str(shown) if known else None)
    told = asyncio.run(served(is_down, "https", server, "localhost", tls=tls))
    assert words in told
    assert "localhost:" in told


@pytest.mark.parametrize("name", sorted(SYSTEMS))
def test_every_connector_names_connection_and_host(name: str) -> None:
    system = system_named(name)
    if system.name.startswith("plain"):
        pytest.skip("a connector of tests, without a sign-in")
    host = f"127.0.0.1:{free_port()}"
    given = {system.sign_in_setting: f"http://{host}", system.api_setting: f"http://{host}"}
    if name == "salesforce":
        given |= system.grant("refresh").settings
    if name == "tryton":
        given["database"] = "nordic"
    if name == "visma_net":
        given["tenant_id"] = "00000000-0000-0000-0000-000000000001"

    async def scenario() -> TransientError:
        clock, secrets = ManualClock(), MemorySecrets(ManualClock())
        words = ("client_id", "client_secret", "refresh_token", "login", "password")
        await secrets.put("mine", dict.fromkeys((*words, "application_token"), "s3cret"))
        transport = AiohttpTransport()
        made = system.connector_class()(
            "mine", system.make_settings(given), transport, secrets, clock, Random(1)
        )
        try:
            with pytest.raises(TransientError) as caught:
                await made.company()
        finally:
            await transport.close()
        return caught.value

    told = asyncio.run(scenario())
    assert told.code == "host_unreachable"
    assert told.message.startswith("mine ("), told.message
    assert f"{host} refuses the connection" in told.message
    assert "s3cret" not in told.message + told.hint


def test_what_stands_in_an_address_beside_the_host_is_not_said() -> None:
    assert host_of("https://anna:pw@api.example.com:8443/a?token=1") == "api.example.com:8443"
    assert silence_of(TimeoutError()) is Silence.TIMED_OUT
    assert silence_of(aiohttp.ServerDisconnectedError()) is Silence.CUT
