"""The answer to one write of webCRM that did nothing, or of which that is not known."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from tieout.connectors.webcrm import errors
from tieout.core.change import Deferred, Outcome, Rejected, Stale, Unknown, Wire
from tieout.ports import HttpResponse


def not_done(
    wire: Wire, response: HttpResponse, at: datetime | None, label: Callable[[], str]
) -> Outcome | None:
    """
    What an answer means that is no success, for the one item of the request; None for a success.

    ``label`` names the record in the words for a person; it is asked only where it is needed.
    """
    (key,) = wire.items
    status = response.status
    if status == 429:
        wait = errors.throttled(response) or errors.THROTTLED_WAIT_S
        return Deferred(key=key, retry_after_s=wait, reason="too many calls", vendor_time=at)
    if status in (404, 410) and wire.method == "PUT":
        return Stale(key=key, vendor_time=at)
    if status in (200, 201, 204):
        return None
    if 400 <= status < 500 and status not in (408, 425):
        finding = errors.refused(label(), response)
        return Rejected(key=key, findings=(finding,), vendor_time=at)
    return Unknown(key=key, reason=f"webCRM answered {status}", vendor_time=at)
