"""A day in words, as all screens and messages write it."""

from __future__ import annotations

from datetime import date

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def day_words(day: date) -> str:
    """`5 Nov 2026`"""
    return f"{day_in_year(day)} {day.year}"


def day_in_year(day: date) -> str:
    """`5 Nov`, where the year is clear."""
    return f"{day.day} {MONTHS[day.month - 1]}"
