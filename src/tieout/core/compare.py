"""Three-way comparison: what we want, what both sides last agreed on, what the target shows."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from tieout.core.model import Document, Line, Record

# What a person could edit in a document, and what we set. Dates that the books fill in by
# themselves, numbers, states and totals are results, not content.
DOCUMENT_CONTENT = (
    "customer",
    "currency",
    "delivered_on",
    "terms",
    "your_reference",
    "po_number",
    "buyer_reference",
)


class Verdict(StrEnum):
    """Who moved since both sides agreed."""

    AGREED = "agreed"
    SOURCE_CHANGED = "source_changed"
    TARGET_CHANGED = "target_changed"
    BOTH_CHANGED = "both_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldVerdict:
    field: str
    verdict: Verdict


def compare(wanted: Any, base_wanted: Any, shown: Any, base_shown: Any) -> Verdict:
    """
    Who moved. The base is a pair, since a name cut to 50 characters is no edit.

    Both moved to the same value is agreement, and so is our own write coming back.
    """
    source_moved = wanted != base_wanted
    target_moved = shown != base_shown
    if source_moved and target_moved:
        return Verdict.AGREED if wanted == shown else Verdict.BOTH_CHANGED
    if source_moved:
        return Verdict.SOURCE_CHANGED
    if target_moved:
        return Verdict.TARGET_CHANGED
    return Verdict.AGREED


def line_content(line: Line) -> tuple[Any, ...]:
    """What a line says: item, text, quantity, price, discount, dimensions."""
    return (
        line.kind,
        "" if line.item is None else line.item.number,
        line.text,
        line.quantity.normalize(),
        line.unit_price.normalize(),
        line.discount.normalize(),
        tuple(sorted(line.dimensions.items())),
    )


def document_content(document: Document) -> dict[str, Any]:
    """The content of a document as comparable values, the lines by position."""
    content: dict[str, Any] = {name: getattr(document, name) for name in DOCUMENT_CONTENT}
    content["lines"] = tuple(line_content(line) for line in document.lines)
    return content


def differing(left: Record | None, right: Record | None, only: frozenset[str]) -> tuple[str, ...]:
    """The names of the fields (of ``only``) in which two records of one class differ, sorted."""
    if left is None or right is None:
        return tuple(sorted(only))
    if isinstance(left, Document) and isinstance(right, Document):
        mine, theirs = document_content(left), document_content(right)
        return tuple(sorted(name for name in mine if name in only and mine[name] != theirs[name]))
    known = {entry.name for entry in fields(left)}
    return tuple(
        sorted(name for name in only & known if getattr(left, name) != getattr(right, name))
    )


DOCUMENT_FIELDS = frozenset({*DOCUMENT_CONTENT, "lines"})
