"""Three-way comparison: what we want, what both sides last agreed on, what the target shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from itertools import zip_longest
from typing import Any

from tieout.core.model import Document, Line, LineKind, Record

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

    What is as wanted already is agreement, however it came about: both moved to the same value, or
    our own write came back.
    """
    if wanted == shown:
        return Verdict.AGREED
    source_moved = wanted != base_wanted
    target_moved = shown != base_shown
    if source_moved and target_moved:
        return Verdict.BOTH_CHANGED
    if source_moved:
        return Verdict.SOURCE_CHANGED
    if target_moved:
        return Verdict.TARGET_CHANGED
    return Verdict.AGREED


def appended(theirs: Any, mine: Any) -> Any:
    """
    A text, or each role of a mapping of texts, with ours after theirs, unless it stands there.

    Parts are held apart by semicolons. Theirs is given back as it is where nothing is added.
    """
    if isinstance(mine, Mapping):
        before = theirs if isinstance(theirs, Mapping) else {}
        added = {role: appended(before.get(role, ""), text) for role, text in mine.items()}
        return {**before, **added}
    there, here = str(theirs or ""), str(mine or "").strip()
    parts = {part.strip().casefold() for part in there.split(";")}
    if not here or here.casefold() in parts or here == there:
        return theirs
    return f"{there}; {here}" if there.strip() else here


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


def billed(document: Document) -> tuple[Any, ...]:
    """What the lines come to be: quantity, price and discount of each; no words, no codes."""
    return tuple(
        (line.quantity.normalize(), line.unit_price.normalize(), line.discount.normalize())
        for line in document.lines
        if line.kind is not LineKind.TEXT
    )


def same_sale(wanted: Document, shown: Document) -> bool:
    """
    Whether a document that was found sells what we want to sell: buyer, currency, and the lines
    with a price. Text rows and headings may differ: books fill in defaults and cut long texts.
    """
    mine = [line_content(line) for line in wanted.lines if line.kind is not LineKind.TEXT]
    theirs = [line_content(line) for line in shown.lines if line.kind is not LineKind.TEXT]
    return (
        (wanted.customer, wanted.currency) == (shown.customer, shown.currency)
        and len(mine) == len(theirs)
        and all(_as_cut(left, right) for left, right in zip(mine, theirs, strict=True))
    )


def _as_cut(mine: tuple[Any, ...], theirs: tuple[Any, ...]) -> bool:
    text = 2
    return (
        mine[:text] == theirs[:text]
        and mine[text + 1 : -1] == theirs[text + 1 : -1]
        and str(mine[text]).startswith(str(theirs[text]).rstrip())
        and set(mine[-1]) <= set(theirs[-1])
    )


def tax_moved(wanted: Document, before: Record | None) -> bool:
    """
    Whether a line gets other VAT than before for the same item: the buyer's status or the rate
    changed, not the line. Both sides have to know it.
    """
    if not isinstance(before, Document) or len(before.lines) != len(wanted.lines):
        return False
    for now, then in zip(wanted.lines, before.lines, strict=True):
        if now.item is None or then.item is None or now.item.number != then.item.number:
            continue
        both_rates = now.tax_rate is not None and then.tax_rate is not None
        if both_rates and now.tax_rate != then.tax_rate:
            return True
        if now.tax_code and then.tax_code and now.tax_code != then.tax_code:
            return True
    return False


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


def both_sides(wanted: Document, shown: Document, names: tuple[str, ...]) -> str:
    """What the two say of these fields: `terms "30" in the deal, "14" in the books`."""
    mine, theirs = document_content(wanted), document_content(shown)
    words = []
    for name in names:
        if name != "lines":
            ours, other = (_said(content[name]) for content in (mine, theirs))
            words.append(f'{name} "{ours}" in the deal, "{other}" in the books')
            continue
        pairs = zip_longest(mine["lines"], theirs["lines"])
        for place, (ours, other) in enumerate(pairs, start=1):
            if ours != other:
                left, right = (_line_said(line) for line in (ours, other))
                words.append(f"line {place} {left} in the deal, {right} in the books")
    return "; ".join(words)


def _said(value: Any) -> str:
    return "" if value is None else str(getattr(value, "id", value))


def _line_said(line: tuple[Any, ...] | None) -> str:
    if line is None:
        return "absent"
    _, item, text, quantity, price, discount, _ = line
    off = f" less {discount * 100:f} %" if discount else ""
    return f"{item or text}: {quantity:f} x {price:f}{off}"


def as_sent(sent: Record | None, found: Record) -> bool:
    """
    Whether a document that was found is the one that was sent, by its customer and lines.

    Then its base is known, and it may be updated and voided by us. True for other records.
    """
    if isinstance(sent, Document) and isinstance(found, Document):
        mine, theirs = document_content(sent), document_content(found)
        return all(mine[name] == theirs[name] for name in ("customer", "lines"))
    return True
