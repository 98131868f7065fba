"""Why a host gave no answer, in words: who did not, for what reason, and what helps."""

from __future__ import annotations

import errno
import socket
import ssl
from urllib.parse import urlsplit

import aiohttp

from tieout.core.errors import TransientError
from tieout.ports import LostError, NotSentError, Silence

_NO_WAY = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN})
# What OpenSSL calls a certificate that does not pass.
_EXPIRED = frozenset({9, 10})
_OF_ANOTHER_HOST = frozenset({62, 64})

_WORDS = {
    Silence.REFUSED: (
        "{host} refuses the connection",
        "Nothing listens there: check the address of the connection, or start what should run",
    ),
    Silence.NO_ADDRESS: (
        "no address is known for {host}",
        "Check how the host is written in the connection, and the name server of this machine",
    ),
    Silence.NO_WAY: (
        "there is no way in the network to {host}",
        "Check the network of this machine, VPN and firewall",
    ),
    Silence.TIMED_OUT: (
        "{host} does not answer in time",
        "Check network, firewall and proxy",
    ),
    Silence.CUT: (
        "{host} ends the connection without a whole answer",
        "Check what stands between (proxy, gateway), and whether the system is up",
    ),
    Silence.TLS: (
        "no encryption could be agreed on with {host}",
        "Check that the address and its port are those of https, and what stands between",
    ),
    Silence.CERTIFICATE_EXPIRED: (
        "the certificate of {host} is not valid today",
        "Whoever runs that host renews it; check the clock of this machine, too",
    ),
    Silence.CERTIFICATE_OF_ANOTHER: (
        "the certificate that {host} shows is for another host",
        "Check how the host is written in the connection; a proxy may stand between",
    ),
    Silence.CERTIFICATE_UNKNOWN: (
        "the certificate of {host} is signed by nobody whom this machine knows",
        "A proxy that opens https, or a server of your own: give its CA file in SSL_CERT_FILE",
    ),
    Silence.PROXY: (
        "the proxy on the way to {host} gives no connection",
        "Check HTTPS_PROXY and NO_PROXY",
    ),
    Silence.UNKNOWN: ("{host} is silent", "Check network, firewall and proxy"),
}
_NOT_WORKING = (
    "{host} answers that it is not working now",
    "The fault is on the other side; their status page may say more",
)
GOES_ON = "nothing is lost, a later run goes on."


def silence_of(error: BaseException) -> Silence:
    """What the network's own error means. Its text is left out: it may hold a whole address."""
    if isinstance(error, aiohttp.ClientProxyConnectionError | aiohttp.ClientHttpProxyError):
        return Silence.PROXY
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return _of_certificate(error.certificate_error)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return Silence.NO_ADDRESS
    if isinstance(error, aiohttp.ClientConnectorError):
        return _of_system(error.os_error)
    if isinstance(error, TimeoutError):
        return Silence.TIMED_OUT
    if isinstance(error, aiohttp.ClientError | OSError):
        return Silence.CUT
    return Silence.UNKNOWN


def _of_certificate(error: BaseException) -> Silence:
    number = getattr(error, "verify_code", 0)
    if number in _EXPIRED:
        return Silence.CERTIFICATE_EXPIRED
    if number in _OF_ANOTHER_HOST:
        return Silence.CERTIFICATE_OF_ANOTHER
    return Silence.CERTIFICATE_UNKNOWN


def _of_system(error: OSError) -> Silence:
    if isinstance(error, ssl.SSLError):
        return Silence.TLS
    if isinstance(error, ConnectionRefusedError):
        return Silence.REFUSED
    if isinstance(error, socket.gaierror):
        return Silence.NO_ADDRESS
    if isinstance(error, TimeoutError):
        return Silence.TIMED_OUT
    if error.errno in _NO_WAY:
        return Silence.NO_WAY
    # aiohttp wraps a connection that broke in the handshake into an error without a number.
    return Silence.CUT


def words_of_silence(error: NotSentError | LostError, url: str = "") -> str:
    """`127.0.0.1:8702 refuses the connection`; without an address *the host* does."""
    return _WORDS[error.silence][0].format(host=host_of(url) or "the host")


def silent(
    *,
    system: str,
    connection: str,
    url: str,
    error: NotSentError | LostError | None,
    after: str = "",
    doing: str = "",
    retry_after_s: int | None = None,
) -> TransientError:
    """
    Says which connection, which host and why; ``error`` None where it answered that it does not
    work. ``after`` is what was tried, ``doing`` what for.
    """
    what, hint = _NOT_WORKING if error is None else _WORDS[error.silence]
    who = f"{connection} ({system})" if connection else system
    told = what.format(host=host_of(url) or "the host")
    return TransientError(
        f"{who}{doing}: {told}{f' ({after})' if after else ''}.",
        hint=f"{hint}; {GOES_ON}",
        retry_after_s=retry_after_s,
    )


def host_of(url: str) -> str:
    """Host, and port where one is written; no path, query, user or password."""
    return urlsplit(url).netloc.rpartition("@")[2]
