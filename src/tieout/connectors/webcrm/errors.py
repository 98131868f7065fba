"""
What webCRM's refusals mean for us.

Only the body of the 429 has ever been shown. Everything else goes by the status alone, and the
words of the answer are kept for people.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tieout.connectors.http.json import loads
from tieout.connectors.http.waits import LONGEST_WAIT_S, seconds_in
from tieout.core.errors import ConnectionBrokenError, SyncError, TransientError
from tieout.core.finding import Finding
from tieout.ports import HttpResponse

THROTTLED_WAIT_S = 60
_WORDS_MOST = 2000
_TAG = re.compile(r"<[^>]*>")


def throttled(response: HttpResponse) -> int | None:
    """Seconds to stay away where too many calls were made, else None."""
    if response.status != 429:
        return None
    told = mapping_of(response)
    seconds = told.get("RetryAfterSeconds") if told is not None else None
    if isinstance(seconds, int) and not isinstance(seconds, bool) and seconds >= 0:
        return min(max(seconds, 1), LONGEST_WAIT_S)
    asked = seconds_in(response.headers.get("retry-after", ""))
    return THROTTLED_WAIT_S if asked is None else max(asked, 1)


def mapping_of(response: HttpResponse) -> Mapping[str, Any] | None:
    """The object of an answer's body; None where it is none."""
    try:
        found = loads(response.body)
    except ValueError:
        return None
    return found if isinstance(found, Mapping) else None


def words_of(response: HttpResponse) -> str:
    """What an answer says, whatever its form: a message, text, or HTML without its tags."""
    told = mapping_of(response)
    message = told.get("Message") if told is not None else None
    if isinstance(message, str) and message:
        return message[:_WORDS_MOST]
    text = response.body[: _WORDS_MOST * 4].decode("utf-8", "replace")
    plain = " ".join(_TAG.sub(" ", text).split())
    return plain[:_WORDS_MOST] or f"status {response.status}, without a word"


def read_error(response: HttpResponse, what: str) -> SyncError:
    """The error to raise for the answer to a read that is no success. ``what`` was asked for."""
    if response.status == 403:
        return ConnectionBrokenError(
            f"The application token may not read {what}.",
            code="rights_missing",
            hint="Give the token that right in webCRM: Configuration, Integration, API, REST.",
        )
    if 400 <= response.status < 500:
        return ConnectionBrokenError(
            f"webCRM refuses to tell {what}: {words_of(response)}",
            code="refused_by_system",
            hint="Run tieout connection test; keep its output for support.",
        )
    return garbled(what)


def garbled(what: str) -> TransientError:
    """An answer that has not the form of the vendor's."""
    return TransientError(
        f"webCRM gave an answer about {what} that is not in its form.",
        code="answer_garbled",
        retry_after_s=30,
    )


def refused(record: str, response: HttpResponse) -> Finding:
    """A write that was refused, for people, in webCRM's own words."""
    words = words_of(response)
    if response.status == 403:
        return Finding(
            code="rights_missing",
            message=f"The application token may not write {record}.",
            hint="Give the token that right in webCRM: Configuration, Integration, API, REST.",
            values={"vendor_code": str(response.status), "vendor_message": words},
        )
    return refusal(record, words, str(response.status))


def refusal(record: str, words: str, code: str = "") -> Finding:
    """A refusal in webCRM's own words."""
    return Finding(
        code="refused_by_system",
        message=f"webCRM does not take {record}: {words}",
        hint="Correct the record in webCRM, or ask its administrator.",
        values={"vendor_code": code, "vendor_message": words},
    )


def twins(record: str, number: str, others: str, words: str) -> Finding:
    """Two deliveries have one number: webCRM lets nobody change either through the API."""
    return Finding(
        code="twin_number",
        message=f"{record} has the number {number} of another delivery ({others}); while two have "
        "it, webCRM lets nothing be written on either.",
        hint="Give one of them another number in webCRM.",
        place="DeliveryNumber",
        values={"number": number, "others": others, "vendor_message": words},
    )


def gone(record: str) -> Finding:
    """The record is not there any more."""
    return Finding(
        code="target_missing",
        message=f"{record} is not in webCRM any more.",
        hint="It is read again.",
    )


def not_kept(record: str, fields: str) -> Finding:
    """webCRM said yes, and the record shows something else."""
    return Finding(
        code="value_not_accepted",
        message=f"webCRM took the values for {record} without an error, but {fields} does not "
        "show them.",
        hint="Look at these fields in webCRM's configuration: length, drop-down, switched off.",
        place=fields,
    )
