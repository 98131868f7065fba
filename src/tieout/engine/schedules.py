"""Deals with their billing plans as steps, as the configuration says where a plan is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tieout.core.case import Seen
from tieout.core.compose import label, sold_amount
from tieout.core.finding import Finding
from tieout.core.mapping.errors import MappingError
from tieout.core.model import Customer, Deal
from tieout.core.money import minor_units
from tieout.core.policy import FieldRule
from tieout.core.schedule import PlanError, instalments
from tieout.core.scope import deal_scope


def with_schedules(
    deals: Mapping[str, Seen], customers: Mapping[str, Seen], rule: FieldRule | None
) -> tuple[dict[str, Seen], dict[str, Finding]]:
    """
    The same deals with their steps, and what is wrong with a plan, by deal.

    A deal that has steps of its own keeps them; one whose plan is not understood has none.
    """
    if rule is None:
        return dict(deals), {}
    found: dict[str, Seen] = {}
    wrong: dict[str, Finding] = {}
    for key, seen in deals.items():
        deal = seen.record
        assert isinstance(deal, Deal)
        found[key] = seen
        if deal.schedule:
            continue
        buyer = customers.get(deal.customer.id) if deal.customer else None
        record = buyer.record if buyer and isinstance(buyer.record, Customer) else None
        try:
            text = rule.value(deal_scope(deal, record))
            steps = instalments(
                "" if text is None else str(text),
                sold_amount(deal),
                minor_units(deal.currency),
                deal.close_date,
            )
        except (MappingError, PlanError) as error:
            wrong[key] = _not_understood(deal, rule, error)
        else:
            found[key] = replace(seen, record=replace(deal, schedule=steps))
    return found, wrong


def _not_understood(deal: Deal, rule: FieldRule, error: Exception) -> Finding:
    return Finding(
        code="schedule_not_understood",
        message=f"The billing plan of {label(deal)} is not understood: {error}.",
        hint=f"Correct it on the deal ({rule.text}), such as 3, or 30%, 70% 2026-11-30.",
        hold_on="deal",
    )
