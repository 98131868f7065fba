"""A simulator on 127.0.0.1: the same `handle`, over HTTP."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import UTC
from email.utils import format_datetime
from ipaddress import ip_address
from time import perf_counter
from urllib.parse import parse_qsl, urlsplit

from aiohttp import web

from tieout_sandbox.kit.codec import dumps
from tieout_sandbox.kit.http import Dropped, Request, Response, Truncated
from tieout_sandbox.kit.simulator import Simulator

HOST = "127.0.0.1"
# Vendors take longer addresses than the server's own 8190 bytes; a simulator refuses what is too
# long for its vendor by itself.
LONGEST_LINE = 65_536

_OF_VENDORS = (".salesforce.com", ".visma.net", ".visma.com", ".vismaonline.com", ".webcrm.com")
# No public server gives an address to these (RFC 2606, 6761, 6762, 9476; .internal by ICANN).
_OF_NOBODY = (".localhost", ".test", ".example", ".invalid", ".local", ".internal", ".alt")


class PortTakenError(OSError):
    """Another process listens on the port."""


async def serve(sim: Simulator, *, port: int, token_path: str, as_json: bool) -> None:
    """Serves until SIGTERM or SIGINT; PortTakenError where the port is not free."""
    server = web.Server(
        _handler(sim), access_log=None, max_line_size=LONGEST_LINE, max_field_size=LONGEST_LINE
    )
    runner = web.ServerRunner(server, shutdown_timeout=2)
    await runner.setup()
    site = web.TCPSite(runner, HOST, port)
    try:
        try:
            await site.start()
        except OSError as error:
            raise PortTakenError(f"Port {port} is taken. Try --port 0.") from error
        end = _end_signal()
        _announce(sim.name, _port(runner), token_path, as_json)
        await end.wait()
    finally:
        await runner.cleanup()
        sim.close()


def _announce(system: str, port: int, token_path: str, as_json: bool) -> None:
    base = f"http://{HOST}:{port}"
    line = f"{system} listens on {base}"
    if as_json:
        where = {
            "system": system,
            "base_url": base,
            "token_url": base + token_path,
            "pid": os.getpid(),
        }
        line = dumps(where).decode()
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _port(runner: web.ServerRunner) -> int:
    return int(runner.addresses[0][1])


def _end_signal() -> asyncio.Event:
    """What SIGTERM and SIGINT set."""
    end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end.set)
    return end


def _handler(sim: Simulator):  # type: ignore[no-untyped-def]
    async def handle(incoming: web.BaseRequest) -> web.StreamResponse:
        began = perf_counter()
        if not is_meant(incoming.headers.get("Host", "")):
            return _not_ours()
        if incoming.headers.get("Expect", "").lower() == "100-continue":
            # A caller that asks so waits a second or more before it sends its body.
            await incoming.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            incoming.writer.output_size = 0
        request = Request(
            method=incoming.method,
            path=incoming.rel_url.raw_path,
            query=tuple(parse_qsl(incoming.rel_url.raw_query_string, keep_blank_values=True)),
            headers={name.lower(): value for name, value in incoming.headers.items()},
            # Not `incoming.read()`, which refuses what is over a megabyte: vendors take files.
            body=await incoming.content.read(),
        )
        answer = await sim.handle(request)
        _log(request, answer, perf_counter() - began)
        match answer:
            case Response():
                return web.Response(
                    status=answer.status, headers=_headers(sim, answer), body=answer.body
                )
            case Truncated():
                return await _send_half(incoming, answer, _headers(sim, answer.response))
            case Dropped():
                return _hang_up(incoming)

    return handle


def is_meant(host: str) -> bool:
    """
    Whether a Host header is an address, a name that nobody can lead anywhere (without a dot, or
    kept for one's own network), or a vendor's, in whose place a client was led here. A request
    without one passes.

    A page in a browser can lead a name of its own to 127.0.0.1 and so reach what listens there; its
    requests then carry that name.
    """
    if not host.strip():
        return True
    try:
        name = (urlsplit(f"//{host.strip()}").hostname or "").rstrip(".")
    except ValueError:
        return False
    return "." not in name or name.endswith((*_OF_VENDORS, *_OF_NOBODY)) or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _not_ours() -> web.Response:
    told = {
        "error": "A simulator answers to addresses, to names without a dot and to its vendor's."
    }
    return web.Response(status=421, headers={"Content-Type": "application/json"}, body=dumps(told))


def _headers(sim: Simulator, answer: Response) -> dict[str, str]:
    """What the simulator says, and what time it is there: by its own clock, not the machine's."""
    now = format_datetime(sim.clock.now().astimezone(UTC), usegmt=True)
    said = {name.lower() for name in answer.headers}
    return {**answer.headers, **({} if "date" in said else {"Date": now})}


async def _send_half(
    incoming: web.BaseRequest, answer: Truncated, headers: dict[str, str]
) -> web.StreamResponse:
    headers["Content-Length"] = str(len(answer.response.body))
    cut = web.StreamResponse(status=answer.response.status, headers=headers)
    await cut.prepare(incoming)
    await cut.write(answer.sent)
    return _hang_up(incoming, cut)


def _hang_up(
    incoming: web.BaseRequest, response: web.StreamResponse | None = None
) -> web.StreamResponse:
    if incoming.transport is not None:
        incoming.transport.close()
    return response if response is not None else web.Response(status=500)


def _log(request: Request, answer: object, seconds: float) -> None:
    outcome = str(answer.status) if isinstance(answer, Response) else type(answer).__name__.lower()
    sys.stderr.write(f"{request.method} {request.path} {outcome} {seconds * 1000:.1f} ms\n")
