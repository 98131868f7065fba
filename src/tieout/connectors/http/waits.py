"""How long a system asks to be left alone: as it says, but never for longer than a day."""

from __future__ import annotations

from typing import Final

LONGEST_WAIT_S: Final = 86_400
"""No quota of a vendor's lasts longer; what asks for more is mistaken, or not the vendor."""


def seconds_in(text: str) -> int | None:
    """The seconds that a text names, a day at most; None where it is no whole number."""
    text = text.strip()
    if not (text.isascii() and text.isdecimal()):
        return None
    # Cut first: a number of thousands of digits is refused by int().
    return min(int(text[:10]), LONGEST_WAIT_S)
