"""Words of people: a setting that is yes or no, and a day as all screens write it."""

from __future__ import annotations

from datetime import date

_YES, _NO = ("true", "yes", "1"), ("false", "no", "0")


def truth(name: str, value: object) -> bool:
    """Raises ValueError for what is neither: a setting that is taken for its opposite is silent."""
    word = str(value).strip().lower()
    if word not in (*_YES, *_NO):
        raise ValueError(f"{name}: true or false, not {value!r}")
    return word in _YES


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def day_words(day: date) -> str:
    """`5 Nov 2026`, as all screens write a day."""
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"
