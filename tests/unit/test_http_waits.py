"""However long a system asks to be left alone: a day at most, and never an error of ours."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tieout.connectors.http.client import default_throttled
from tieout.connectors.http.waits import LONGEST_WAIT_S, seconds_in
from tieout.connectors.visma_eaccounting.errors import throttled as visma_throttled
from tieout.connectors.visma_net.errors import throttled as visma_net_throttled
from tieout.connectors.webcrm.errors import throttled as webcrm_throttled
from tieout.ports import HttpResponse
from tieout.registers.wire import _got

Throttled = Callable[[HttpResponse], int | None]
VENDORS: tuple[Throttled, ...] = (
    default_throttled,
    visma_throttled,
    visma_net_throttled,
    webcrm_throttled,
    lambda response: _got(response).retry_after_s,
)


def _busy(header: str = "", body: bytes = b"{}") -> HttpResponse:
    return HttpResponse(status=429, headers={"retry-after": header}, body=body)


def test_seconds_are_a_whole_number() -> None:
    assert (seconds_in("0"), seconds_in(" 90 "), seconds_in("86401")) == (0, 90, LONGEST_WAIT_S)
    for text in ("", "-1", "1.5", "soon", "٣"):
        assert seconds_in(text) is None


@pytest.mark.parametrize("throttled", VENDORS)
def test_a_wait_ends_within_a_day(throttled: Throttled) -> None:
    assert throttled(_busy("30")) == 30
    for header in ("99999999999999999", "9" * 8000):
        assert throttled(_busy(header)) == LONGEST_WAIT_S


@pytest.mark.parametrize(
    ("throttled", "body"),
    [
        (visma_net_throttled, b"Try again in 99999999999999999 seconds."),
        (webcrm_throttled, b'{"RetryAfterSeconds": 99999999999999999}'),
        (
            visma_throttled,
            b'{"DeveloperErrorMessage": "Try again in 99999999999999999 seconds."}',
        ),
    ],
)
def test_so_it_does_where_the_text_tells_it(throttled: Throttled, body: bytes) -> None:
    assert throttled(_busy(body=body)) == LONGEST_WAIT_S
