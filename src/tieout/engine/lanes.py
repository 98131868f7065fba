"""
Lanes: flow + source + target. The unit of schedule, order and pause.

A lane's name is ``bridge/flow/books``; which lane becomes due by which record is data, handed to
the store with every page.
"""

from __future__ import annotations

from tieout.core.model import Entity
from tieout.core.policy import BridgePolicy, FlowMode
from tieout.storing import FanOut

CUSTOMERS, DOCUMENTS, STATUS, BALANCES = "customers", "documents", "status", "balances"
# What the CRM shows of records that the books own.
ITEMS, INVOICES = "items", "invoices"
# Fields of linked customers that the books own or changed last.
ACCOUNTS = "accounts"
# Persons of customers: those of the CRM to the books, and those of the books to the CRM.
CONTACTS, PERSONS = "contacts", "persons"
# Lists of values in the CRM, by the kind of the books' codes.
REFERENCE = "reference"
TO_CRM = frozenset({STATUS, BALANCES, ITEMS, INVOICES, ACCOUNTS, PERSONS, REFERENCE})
# No lane of the engine's: cases about the books' own documents stand under it.
LEDGER = "ledger"


def lane(bridge: str, flow: str, books: str) -> str:
    """The name of a lane."""
    return f"{bridge}/{flow}/{books}"


def flow_of(name: str) -> str:
    """The flow of a lane."""
    return name.split("/")[1]


def crm_fan_out(policy: BridgePolicy) -> tuple[FanOut, ...]:
    """Who becomes due when a record of the CRM changes."""
    rules: list[FanOut] = []
    for book in policy.books:
        if policy.documents.mode is not FlowMode.OFF:
            documents = lane(policy.name, DOCUMENTS, book.connection)
            rules.append(FanOut(lane=documents, entity=Entity.DEAL, source="self"))
            rules.append(FanOut(lane=documents, entity=Entity.CUSTOMER, source="deals_of_customer"))
        if policy.customers.mode is not FlowMode.OFF:
            own = "linked" if policy.customers.when is None else "self"
            customers = lane(policy.name, CUSTOMERS, book.connection)
            rules.append(FanOut(lane=customers, entity=Entity.CUSTOMER, source=own))
            if policy.customers.both:
                accounts = lane(policy.name, ACCOUNTS, book.connection)
                rules.append(FanOut(lane=accounts, entity=Entity.CUSTOMER, source="linked"))
        for flow, entity, mode in _published(policy):
            if mode is not FlowMode.OFF:
                name = lane(policy.name, flow, book.connection)
                rules.append(FanOut(lane=name, entity=entity, source="published"))
                rules.append(FanOut(lane=name, entity=entity, source="parked"))
        if policy.invoices.mode is not FlowMode.OFF:
            name = lane(policy.name, INVOICES, book.connection)
            rules.append(FanOut(lane=name, entity=Entity.CUSTOMER, source="invoices_of_customer"))
        rules += _persons(policy, book.connection, CONTACTS, PERSONS, "n")
    if policy.reference.mode is not FlowMode.OFF:
        for books in sorted({rule.books for rule in policy.reference.lists}):
            name = lane(policy.name, REFERENCE, books)
            rules.append(FanOut(lane=name, entity=Entity.VALUES, source="kind_of_values"))
            rules.append(FanOut(lane=name, entity=Entity.VALUES, source="parked"))
    return tuple(rules)


def _persons(
    policy: BridgePolicy, connection: str, own: str, other: str, kind: str
) -> list[FanOut]:
    """
    Who becomes due when a person, or a person's customer, changes on the side whose persons the
    flow ``own`` takes over to the other one.
    """
    given = policy.contacts
    if given.mode is FlowMode.OFF:
        return []
    runs = {CONTACTS: given.to_books, PERSONS: given.to_crm}
    rules: list[FanOut] = []
    if runs[own]:
        name = lane(policy.name, own, connection)
        rules += [
            FanOut(lane=name, entity=Entity.CONTACT, source="self"),
            FanOut(lane=name, entity=Entity.CUSTOMER, source="contacts_of_customer"),
        ]
    if runs[other]:
        name = lane(policy.name, other, connection)
        rules += [
            FanOut(lane=name, entity=Entity.CONTACT, source="slot_source"),
            FanOut(lane=name, entity=Entity.CONTACT, source=f"other_half_{kind}"),
        ]
    for flow in (own, other):
        if runs[flow]:
            name = lane(policy.name, flow, connection)
            rules.append(FanOut(lane=name, entity=Entity.CONTACT, source="parked"))
    return rules


def _published(policy: BridgePolicy) -> tuple[tuple[str, Entity, FlowMode], ...]:
    return (
        (ITEMS, Entity.ITEM, policy.items.mode),
        (INVOICES, Entity.DOCUMENT, policy.invoices.mode),
    )


def books_fan_out(policy: BridgePolicy, connection: str) -> tuple[FanOut, ...]:
    """Who becomes due when a record of the books changes."""
    documents = lane(policy.name, DOCUMENTS, connection)
    customers = lane(policy.name, CUSTOMERS, connection)
    rules = [
        FanOut(lane=documents, entity=Entity.DOCUMENT, source="slot_source"),
        FanOut(lane=documents, entity=Entity.DOCUMENT, source="parked"),
        FanOut(lane=documents, entity=Entity.ITEM, source="parked"),
        FanOut(lane=documents, entity=Entity.CODE, source="parked"),
        FanOut(lane=documents, entity=Entity.CUSTOMER, source="parked"),
        FanOut(lane=customers, entity=Entity.CUSTOMER, source="slot_source"),
        FanOut(lane=customers, entity=Entity.CODE, source="parked"),
    ]
    if policy.status.mode is not FlowMode.OFF:
        status = lane(policy.name, STATUS, connection)
        rules.append(FanOut(lane=status, entity=Entity.DOCUMENT, source="slot_source"))
        # A customer shows what all companies say, decided for the first in which it is linked.
        for book in policy.books:
            balances = lane(policy.name, BALANCES, book.connection)
            rules += [
                FanOut(lane=balances, entity=Entity.DOCUMENT, source="customer_of_slot"),
                FanOut(lane=balances, entity=Entity.CUSTOMER, source="slot_source"),
            ]
    if policy.customers.both and policy.customers.mode is not FlowMode.OFF:
        accounts = lane(policy.name, ACCOUNTS, connection)
        rules.append(FanOut(lane=accounts, entity=Entity.CUSTOMER, source="slot_source"))
    for flow, entity, mode in _published(policy):
        if mode is not FlowMode.OFF:
            name = lane(policy.name, flow, connection)
            rules.append(FanOut(lane=name, entity=entity, source="self"))
            if entity is Entity.ITEM and policy.items.prices:
                rules.append(FanOut(lane=name, entity=Entity.PRICE, source="item_of_price"))
    rules += _persons(policy, connection, PERSONS, CONTACTS, "m")
    named = {rule.books for rule in policy.reference.lists}
    if policy.reference.mode is not FlowMode.OFF and connection in named:
        name = lane(policy.name, REFERENCE, connection)
        rules.append(FanOut(lane=name, entity=Entity.CODE, source="kind_of_code"))
    return tuple(rules)
