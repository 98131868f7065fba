"""Which records of the books a new configuration makes due: what it shows, it has to look at."""

from __future__ import annotations

from typing import Any

from tieout.core.model import Entity
from tieout.core.policy import FlowMode
from tieout.settings.bridge import Configuration

Fill = tuple[str, str, Entity]
"""A lane, the connection whose records it decides, and their entity."""


def shown_anew(before: Configuration | None, after: Configuration) -> tuple[Fill, ...]:
    """
    Items, invoices and codes whose flow was switched on, or says something else than before.

    They may have been read long ago: nothing else would make them due. What a table says counts
    too, since a mapping of items may look it up.
    """
    found: list[Fill] = []
    for flow, entity in (
        ("items", Entity.ITEM),
        ("invoices", Entity.DOCUMENT),
        ("reference", Entity.CODE),
    ):
        if getattr(after.model.flows, flow).mode is FlowMode.OFF:
            continue
        if before is not None and _says(before, flow) == _says(after, flow):
            known = set(before.books)
        else:
            known = set()
        found += [
            (f"{after.name}/{flow}/{books}", books, entity)
            for books in after.books
            if books not in known
        ]
    return tuple(found)


def _says(configuration: Configuration, flow: str) -> Any:
    """What the file says of a flow, but for how often and how far it goes by itself."""
    said = getattr(configuration.model.flows, flow).model_dump(exclude={"mode", "every"})
    on = getattr(configuration.model.flows, flow).mode is not FlowMode.OFF
    rows = configuration.model.mapping.item if flow == "items" else {}
    tables = {
        name: dict(configuration.values[name].rows)
        for name in {row.values or "" for row in rows.values()}
        if name in configuration.values
    }
    return on, said, {name: row.model_dump() for name, row in rows.items()}, tables
