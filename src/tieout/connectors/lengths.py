"""How long a text is for a system that counts in 16 bits, as Java and .NET do: an emoji is two."""

from __future__ import annotations


def units(text: str) -> int:
    """The length of a text in UTF-16. Never less than its characters."""
    return len(text) + sum(char > "\uffff" for char in text)


def cut_units(text: str, most: int) -> str:
    """The longest beginning of a text that has at most so many units; no character is halved."""
    taken = 0
    for place, char in enumerate(text):
        taken += 2 if char > "\uffff" else 1
        if taken > most:
            return text[:place]
    return text
