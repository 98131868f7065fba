"""What an item shows in the CRM besides its own fields: which are compared, and what is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tieout.core.decide_published import ITEM_FIELDS
from tieout.core.finding import Finding
from tieout.core.mapping.errors import MappingError, MissingFieldError, UnmappedValueError
from tieout.core.model import Item
from tieout.core.policy import FieldRule, ItemPolicy
from tieout.core.pricing import Shown
from tieout.core.scope import record_scope

_DEALS_NAMED = 5


def item_fields(policy: ItemPolicy) -> frozenset[str]:
    """The fields of an item that the books own in the CRM: cost and prices only where asked for."""
    more = {
        name
        for name, wanted in (
            ("cost", policy.cost),
            ("prices", bool(policy.prices)),
            ("extra", bool(policy.fields)),
        )
        if wanted
    }
    return ITEM_FIELDS | more


def own_fields(
    item: Item, rules: Sequence[FieldRule], findings: list[Finding]
) -> Mapping[str, Any]:
    """The CRM's own fields that the configuration names, each with what its expression gives."""
    if not rules:
        return {}
    scope = {"item": record_scope(item) or {}}
    return {rule.target: _value(rule, item, scope, findings) for rule in rules}


def _value(
    rule: FieldRule, item: Item, scope: Mapping[str, object], findings: list[Finding]
) -> object:
    name = item.number or item.name
    try:
        return rule.value(scope)
    except UnmappedValueError as error:
        code, hint = "value_unmapped", "Add it."
        message = f'"{error.value}" of {name} is not in {error.where}.'
    except MissingFieldError as error:
        code, hint = "unknown_field", "Correct the mapping in the configuration."
        message = f"{rule.target} of {name} needs {error.path}, which was not read."
    except MappingError as error:
        code, hint = "mapping_failed", f"Correct the value or the mapping ({rule.text})."
        message = f"{rule.target} of {name} has no value: {error}."
    findings.append(
        Finding(code=code, message=message, hint=hint, place=rule.target, hold_on="configuration")
    )
    return None


def told_of_item(
    number: str, prices: Shown, *, active: bool, gone: bool, quoted: Sequence[str]
) -> tuple[str, str]:
    """
    A code and a sentence for what a person should know of an item that is shown; else empty.

    ``quoted`` are the open deals in which an item stands that the books deleted.
    """
    if gone and quoted:
        named = ", ".join(quoted[:_DEALS_NAMED])
        rest = len(quoted) - _DEALS_NAMED
        more = f" and {rest} more" if rest > 0 else ""
        return (
            "item_gone_in_use",
            f"{number} was deleted in the books and stands in open deals: {named}{more}.",
        )
    if active and prices.missing:
        return "price_missing", f"{number} has no price in {', '.join(prices.missing)}."
    return "", ""
