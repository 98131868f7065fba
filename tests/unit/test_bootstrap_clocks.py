"""What answers tell of the time over there, before anything is sent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

from tieout.bootstrap_clocks import Listener, told_by
from tieout.connectors.http.traffic import Exchange
from tieout.engine.context import Engine
from tieout.ports import HttpRequest, HttpResponse

THERE = datetime(2026, 11, 25, 9, 0, 5, tzinfo=UTC)


def _exchange(response: HttpResponse | None) -> Exchange:
    request = HttpRequest(method="GET", url="http://127.0.0.1/v2/customers", headers={}, body=b"")
    return Exchange(request=request, response=response)


def _answer(**headers: str) -> Exchange:
    return _exchange(HttpResponse(status=200, headers=headers, body=b""))


def test_an_answer_tells_the_time_or_none() -> None:
    assert told_by(_answer(Date="Wed, 25 Nov 2026 09:00:05 GMT")) == THERE
    assert told_by(_answer(date="Wed, 25 Nov 2026 10:00:05 +0100")) == THERE
    assert told_by(_answer(date="yesterday")) is None
    assert told_by(_answer()) is None
    assert told_by(_exchange(None)) is None


def test_each_connection_is_heard_once_there_is_an_engine() -> None:
    heard: list[Any] = []

    class Hearing:
        def heard(self, connection: str, at: datetime | None) -> None:
            heard.append((connection, at))

    seen: list[Exchange] = []
    listener = Listener()
    crm, books = listener.of("sf", seen.append), listener.of("visma-se", None)
    answer = _answer(date="Wed, 25 Nov 2026 09:00:05 GMT")
    crm(answer)
    assert (seen, heard) == ([answer], [])
    listener.engine = cast(Engine, Hearing())
    crm(answer)
    books(answer)
    assert seen == [answer, answer]
    assert heard == [("sf", THERE), ("visma-se", THERE)]
