"""What the CRM is asked for of lists, and whether the systems of a bridge have what is shown."""

from __future__ import annotations

from collections.abc import Mapping

from tieout.core.abilities import Abilities, Reads
from tieout.core.errors import ConfigurationError
from tieout.core.model import Entity
from tieout.core.policy import FlowMode, ReferencePolicy, ValueRule
from tieout.settings.bridge import Configuration


def reference_policy(configuration: Configuration) -> ReferencePolicy:
    """Which codes go into which lists; without a name the first books of the bridge have them."""
    flow = configuration.model.flows.reference
    return ReferencePolicy(
        mode=flow.mode,
        every_s=flow.every,
        lists=tuple(
            ValueRule(
                kind=one.kind,
                target=one.target,
                books=one.books or configuration.books[0],
                label=one.label,
            )
            for one in flow.lists
        ),
    )


def value_lists(configuration: Configuration) -> frozenset[str]:
    """The lists of the CRM to read; none where nothing goes into them."""
    flow = configuration.model.flows.reference
    if flow.mode is FlowMode.OFF:
        return frozenset()
    return frozenset(one.target for one in flow.lists)


def require_lists(configuration: Configuration, abilities: Mapping[str, Abilities]) -> None:
    """
    Raises ConfigurationError where lists of values or of prices should be shown that nobody has.

    A flow that ran without them would look like one that has nothing to do.
    """
    crm = abilities.get(configuration.crm)
    if value_lists(configuration) and crm is not None and not _reads(crm, Entity.VALUES):
        raise ConfigurationError(
            f"flows.reference writes lists of values, and {configuration.crm} lets nobody write "
            "them by its interface.",
            code="lists_not_written",
            hint="Take flows.reference out; tieout codes --csv gives its administrator the table.",
        )
    items = configuration.model.flows.items
    known = [abilities[name] for name in configuration.books if name in abilities]
    priced = items.mode is not FlowMode.OFF and items.prices
    if priced and known and not any(_reads(one, Entity.PRICE) for one in known):
        raise ConfigurationError(
            f"flows.items.prices names price lists, and {', '.join(configuration.books)} "
            "has none to read.",
            code="prices_not_read",
            hint="Take flows.items.prices out; the list price is shown without it.",
        )


def _reads(abilities: Abilities, entity: Entity) -> bool:
    return abilities.of(entity).reads is not Reads.NONE
