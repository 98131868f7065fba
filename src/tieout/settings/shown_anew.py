"""Which records a new configuration makes due: what it shows or judges anew, it has to look at."""

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


def judged_anew(before: Configuration | None, after: Configuration) -> tuple[Fill, ...]:
    """
    Persons, and customers made by a rule, where it is another rule now: who was left out by the
    old one was read long ago, and nothing else would make them due.
    """
    found: list[Fill] = []
    given, customers = after.model.flows.contacts, after.model.flows.customers
    if given.mode is not FlowMode.OFF and _persons(before) != _persons(after):
        for books in after.books:
            found.append((f"{after.name}/contacts/{books}", after.crm, Entity.CONTACT))
            found.append((f"{after.name}/persons/{books}", books, Entity.CONTACT))
    was = None if before is None else before.model.flows.customers.when
    made = customers.mode is not FlowMode.OFF and customers.when is not None
    if made and before is not None and was != customers.when:
        found += [
            (f"{after.name}/customers/{books}", after.crm, Entity.CUSTOMER) for books in after.books
        ]
    return tuple(found)


def deals_first_judged(before: Configuration | None, after: Configuration) -> tuple[Fill, ...]:
    """
    Deals of lanes that did not decide about them before: of books that the bridge did not have, of
    another CRM, or of a flow that was off. They were read long ago, and nothing else would make
    them due. A first version too: what it reads may have been read by another bridge.
    """
    if after.model.flows.documents.mode is FlowMode.OFF:
        return ()
    known: set[str] = set()
    if before is not None and before.crm == after.crm:
        known = set() if before.model.flows.documents.mode is FlowMode.OFF else set(before.books)
    return tuple(
        (f"{after.name}/documents/{books}", after.crm, Entity.DEAL)
        for books in after.books
        if books not in known
    )


def _persons(configuration: Configuration | None) -> Any:
    if configuration is None:
        return None
    flows, mapping = configuration.model.flows, configuration.model.mapping
    return (
        flows.contacts.mode is not FlowMode.OFF,
        flows.contacts.model_dump(exclude={"mode", "every"}),
        mapping.contact.model_dump(),
        mapping.contact_to_crm.model_dump(),
    )


def deals_judged_anew(before: Configuration | None, after: Configuration) -> tuple[str, ...]:
    """
    Lanes of documents whose rules say otherwise than before which deals are invoiced, and where:
    deals that the old rules left out are judged again.
    """
    if before is None or _invoiced(before) == _invoiced(after):
        return ()
    return tuple(f"{after.name}/documents/{books}" for books in after.books)


def deals_moved(before: Configuration | None, after: Configuration) -> tuple[tuple[str, str], ...]:
    """
    Lanes of documents, with their books, where other rules than before say to whose books a deal
    belongs: a draft that stands in the former ones is taken back first, and nothing is made in the
    new ones until then.
    """
    if before is None or _routes(before) == _routes(after):
        return ()
    if after.model.flows.documents.mode is FlowMode.OFF:
        return ()
    return tuple((f"{after.name}/documents/{books}", books) for books in after.books)


def _invoiced(configuration: Configuration) -> Any:
    flow = configuration.model.flows.documents
    return flow.mode is not FlowMode.OFF, flow.include, flow.when, _routes(configuration)


def _routes(configuration: Configuration) -> list[tuple[str, str | None]]:
    """The rules of the books in their order: the first that holds for a deal takes it."""
    return [(one.connection, one.when) for one in configuration.model.books]


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
