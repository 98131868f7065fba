"""One stored request sent once: the vendor's answer, or what it means that none came."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tieout.connectors.http.client import Call
from tieout.connectors.http.silence import words_of_silence
from tieout.core.change import Deferred, Outcome, Unknown, Wire
from tieout.core.errors import TransientError
from tieout.ports import HttpResponse, LostError, NotSentError

UNSENT_WAIT_S = 30


async def answer_to(
    wire: Wire,
    write: Callable[[Call], Awaitable[HttpResponse]],
    *,
    template: str,
    timeout_s: int,
) -> HttpResponse | list[Outcome]:
    """
    The answer whatever its status; without one an outcome for each item: deferred where nothing
    left this machine, unknown where something may have arrived. Raises `ConnectionBrokenError`.
    """
    call = Call(
        method=wire.method,
        path=wire.path,
        headers=wire.headers,
        body=wire.body,
        template=template,
        timeout_s=timeout_s,
    )
    try:
        return await write(call)
    except NotSentError as error:
        return _deferred(wire, UNSENT_WAIT_S, words_of_silence(error))
    except LostError:
        return [Unknown(key=key, reason="the answer was lost") for key in wire.items]
    except TransientError as error:
        return _deferred(wire, error.retry_after_s or UNSENT_WAIT_S, error.message)


def _deferred(wire: Wire, wait_s: int, reason: str) -> list[Outcome]:
    return [Deferred(key=key, retry_after_s=wait_s, reason=reason) for key in wire.items]
