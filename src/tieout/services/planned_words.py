"""Which rows of a plan are shown, and what differs in a change, in words."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import fields, replace
from datetime import datetime, tzinfo
from typing import Any

from tieout.core.case import Verdict
from tieout.core.change import Change
from tieout.core.compare import document_content
from tieout.core.conflict import value_text
from tieout.core.model import Document, ListedPrice, ListedValue
from tieout.core.pricing import amounts
from tieout.store.plans import ON_ITS_WAY, PlanLine

_SHOWN = {Verdict.WRITE, Verdict.APPROVAL, Verdict.HOLD}


def shown_lines(lines: Iterable[PlanLine], won: Collection[str]) -> list[PlanLine]:
    """
    Rows that a person wants to see: writes, approvals, exceptions, writes on their way, and won
    deals that are left out. A deal that goes to other books of the bridge is shown there.
    """
    found = list(lines)
    taken = {(line.source_id, line.entity) for line in found if line.reason != "other_books"}
    shown = []
    for line in found:
        if line.verdict in _SHOWN or (line.verdict == Verdict.WAIT and line.reason == ON_ITS_WAY):
            shown.append(line)
        elif line.verdict == Verdict.SKIP and line.entity == "document" and line.source_id in won:
            if line.reason == "other_books" and (line.source_id, line.entity) in taken:
                continue
            shown.append(line)
    return shown


def with_unsettled(
    lines: Iterable[PlanLine], sent: Iterable[tuple[PlanLine, str, datetime]], zone: tzinfo
) -> list[PlanLine]:
    """
    The rows of a plan with all writes that were sent and not settled: their deals are not due, and
    would not be seen.
    """
    found = {(line.lane, line.source_id, line.part): line for line in lines}
    for line, state, since in sent:
        key = (line.lane, line.source_id, line.part)
        told = replace(found.get(key, line), message=_unsettled_words(state, since, zone))
        if told.verdict == Verdict.WAIT:
            found[key] = told
    return list(found.values())


def _unsettled_words(state: str, since: datetime, zone: tzinfo) -> str:
    if state == "confirming":
        return "found, being confirmed"
    what = "a person decides" if state == "doubt" else "being looked up"
    return f"no answer at {since.astimezone(zone):%H:%M}, {what}"


def differing_words(change: Change) -> str:
    """`terms "14" -> "30"` for each field that an update sets."""
    if change.wanted is None:
        return ""
    before, after = _values(change.base), _values(change.wanted.record)
    words = []
    for name in sorted(change.wanted.fields):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if name == "lines":
            words.append(_lines_words(old, new))
        elif name == "prices":
            words.append(_price_words(old or (), new or ()))
        elif name == "values":
            words.append(_value_words(old or (), new or ()))
        elif name == "extra":
            words += [
                f'{field} "{value_text((old or {}).get(field))}" -> "{value_text(one)}"'
                for field, one in sorted((new or {}).items())
                if (old or {}).get(field) != one
            ]
        else:
            words.append(f'{name} "{value_text(old)}" -> "{value_text(new)}"')
    return ", ".join(word for word in words if word)


def _values(record: Any) -> dict[str, Any]:
    if record is None:
        return {}
    found = {entry.name: getattr(record, entry.name) for entry in fields(record)}
    if isinstance(record, Document):
        found.update(
            {
                name: value
                for name, value in document_content(record).items()
                if name not in ("customer",)
            }
        )
        found["customer"] = record.customer.id if record.customer else ""
    return found


def _price_words(old: Sequence[ListedPrice], new: Sequence[ListedPrice]) -> str:
    """`Wholesale SEK "90.00" -> "85.00"` for each price list of ours that moves."""
    before, after = amounts(old), amounts(new)
    return ", ".join(
        f'{one.list} {one.currency} "{value_text(before.get(place))}" ->'
        f' "{value_text(after.get(place))}"'
        for one in new
        if before.get(place := (one.list, one.currency)) != after.get(place)
    )


def _value_words(old: Sequence[ListedValue], new: Sequence[ListedValue]) -> str:
    """`values: 2 more, 1 out of use`."""
    before = {one.code: one for one in old}
    more = sum(1 for one in new if one.code not in before)
    ended = sum(1 for one in new if one.code in before and before[one.code].active > one.active)
    other = sum(1 for one in new if one.code in before and before[one.code] != one) - ended
    told = [(more, "more"), (ended, "out of use"), (other, "changed")]
    parts = [f"{number} {word}" for number, word in told if number]
    return f"values: {', '.join(parts)}" if parts else "values"


def _lines_words(old: Any, new: Any) -> str:
    before, after = list(old or ()), list(new or ())
    changed = sum(1 for one, two in zip(before, after, strict=False) if one != two)
    parts = []
    if changed:
        parts.append(f"{changed} changed")
    if len(after) > len(before):
        parts.append(f"{len(after) - len(before)} more")
    if len(after) < len(before):
        parts.append(f"{len(before) - len(after)} fewer")
    return f"lines: {', '.join(parts)}" if parts else "lines"
