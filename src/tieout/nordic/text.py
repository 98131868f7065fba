"""Cleaning of text that people typed or pasted: the first step of every rule in this package."""

from __future__ import annotations

import unicodedata

MINUS_SIGN = "\u2212"


def clean_text(raw: str) -> str:
    """The text in one spelling: NFKC, plain dashes and blanks, nothing invisible, trimmed.

    Case is left alone. Raises TypeError for anything but text: a number type has already lost
    its leading zeros, and YAML reads an unquoted NO as false.
    """
    if not isinstance(raw, str):
        raise TypeError(f"an identifier must be text, not {type(raw).__name__}")
    kept: list[str] = []
    for sign in unicodedata.normalize("NFKC", raw):
        category = unicodedata.category(sign)
        if category in ("Zs", "Zl", "Zp") or sign in "\t\n\r\v\f":
            kept.append(" ")
        elif category == "Pd" or sign == MINUS_SIGN:
            kept.append("-")
        elif category not in ("Cf", "Cc"):  # zero-width signs, soft hyphen, BOM, controls
            kept.append(sign)
    return " ".join("".join(kept).split())


def is_digits(text: str) -> bool:
    """True for a non-empty run of the ten ASCII digits."""
    return text.isascii() and text.isdigit()
