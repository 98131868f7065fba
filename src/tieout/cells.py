"""
Text in the columns of a terminal: an emoji and a Chinese character take two, a mark that combines
with the letter before it takes none. Lengths in characters would shift what stands behind.
"""

from __future__ import annotations

# Below the combining marks every letter that is printed takes one column: åäöé, ß, ł and so on.
_FIRST_ODD = "\u0300"


def cells(text: str) -> int:
    """How many columns the text takes."""
    if text.isascii() or max(text) < _FIRST_ODD:
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def left(text: str, width: int) -> str:
    """The text from the left edge, filled up to so many columns; never cut."""
    return text + " " * (width - cells(text))


def right(text: str, width: int) -> str:
    """The text at the right edge of so many columns; never cut."""
    return " " * (width - cells(text)) + text


def cut(text: str, width: int) -> str:
    """
    The text in at most so many columns, with a mark at its end where it had to be cut. A letter of
    two columns that has room for one only is left out whole.
    """
    return text if cells(text) <= width else f"{head(text, width - 1)}…"


def head(text: str, width: int) -> str:
    """As much of the text's beginning as so many columns hold."""
    if width < 1:
        return ""
    if cells(text) <= width:
        return text
    from rich.cells import set_cell_size

    kept = set_cell_size(text, width)
    # Half of a wide letter comes back as a space of its own.
    return kept if text.startswith(kept) else kept[:-1]
