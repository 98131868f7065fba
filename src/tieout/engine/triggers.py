"""Rules that an administrator wrote, asked for one record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tieout.core.mapping.errors import MappingError
from tieout.core.model import Customer, Deal, DealState
from tieout.core.policy import BridgePolicy, Rule
from tieout.core.scope import deal_scope


def holds(rule: Rule, scope: Mapping[str, Any]) -> bool:
    """A rule that cannot be judged for a record holds nothing here; the core says so on it."""
    try:
        return rule.holds(scope)
    except MappingError:
        return False


def triggered(policy: BridgePolicy, deal: Deal, buyer: Customer | None) -> bool:
    """Whether the deal is to be invoiced by the rule; then its customer and VAT are needed."""
    trigger = policy.documents.trigger
    if trigger is None:
        return deal.state is DealState.WON
    return holds(trigger, deal_scope(deal, buyer))


def routed_to(policy: BridgePolicy, deal: Deal, buyer: Customer | None) -> str:
    """The books of the first rule that holds for the deal; '' where none does."""
    if policy.books[0].when is None:
        return policy.books[0].connection
    scope = deal_scope(deal, buyer)
    for book in policy.books:
        if book.when is None or holds(book.when, scope):
            return book.connection
    return ""
