"""How far a fault reaches, and how long to leave a register alone after it."""

from __future__ import annotations

from typing import Final

REGISTER, AREA, NUMBER = "register", "area", "number"

# Codes of ours, for what is no answer at all.
UNREACHABLE, TIMEOUT, UNREADABLE = "UNREACHABLE", "NO_ANSWER", "UNREADABLE"

_WHOLE: Final = frozenset(
    {
        "SERVICE_UNAVAILABLE",
        "GLOBAL_MAX_CONCURRENT_REQ",
        "GLOBAL_MAX_CONCURRENT_REQ_TIME",
        "IP_BLOCKED",
        UNREACHABLE,
        "HTTP_429",
        "HTTP_503",
    }
)
_OF_AREA: Final = frozenset(
    {"MS_UNAVAILABLE", "MS_MAX_CONCURRENT_REQ", "MS_MAX_CONCURRENT_REQ_TIME", "TIMEOUT"}
)
_FIRST_S: Final = 300
_LONGEST_S: Final = 7200


def scope_of(fault: str) -> str:
    """
    What is silent with this code: the whole register, one member state, or this number alone.

    A code that nobody has told of counts for the number alone, so that one odd number never keeps
    others from being asked. No answer at all counts so too; two in a row are the register's.
    """
    if fault in _WHOLE:
        return REGISTER
    return AREA if fault in _OF_AREA else NUMBER


def about_the_number(fault: str) -> bool:
    """Whether the register did answer, and only has nothing to say of this number."""
    return fault in ("INVALID_INPUT", "VAT_BLOCKED")


def backoff_s(tries: int, asked_for: int | None = None) -> int:
    """Seconds before the next try: 5 min, doubled each time up to 2 h; longer where it is asked."""
    doubled = _FIRST_S << min(max(tries - 1, 0), 10)
    return max(min(doubled, _LONGEST_S), min(asked_for or 0, 86_400))
