"""A finding is trouble in the data, as a value: a code, what it is about, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """
    One thing that is wrong, or worth knowing.

    ``code`` is stable English (docs/reference/codes.md); ``message`` a whole plain sentence that
    names the record by what people call it; ``hint`` what to do. ``place`` is the field or line,
    ``values`` what the message was made of. ``hold_on`` names the entity whose change may clear it.
    """

    code: str
    message: str
    hint: str = ""
    severity: Severity = Severity.ERROR
    place: str = ""
    hold_on: str = ""
    retry_after_s: int | None = None
    values: Mapping[str, str] = field(default_factory=dict)


UNREADABLE = "record_unreadable"


def unreadable(message: str, **values: str) -> Finding:
    """A record of a system that is not in a form that its connector knows: shown, never dropped."""
    return Finding(
        code=UNREADABLE,
        message=message,
        hint="It is left out until it changes, or a newer Tieout reads it; report it with its id.",
        values=values,
    )


DEFECT = "defect"
_AGAIN_S = 3600


def defect(place: str) -> Finding:
    """Our own code stumbles over one record: it is held, and looked at again each hour."""
    return Finding(
        code=DEFECT,
        message=f"A defect of Tieout keeps this back, not your data: {place}.",
        hint="Report it with that place. All else goes on; this is tried again each hour.",
        retry_after_s=_AGAIN_S,
    )
