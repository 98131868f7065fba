"""What to read of persons, and whether the systems of a bridge hold any."""

from __future__ import annotations

from collections.abc import Mapping

from tieout.core.abilities import Abilities
from tieout.core.digest import digest
from tieout.core.errors import ConfigurationError
from tieout.core.model import Entity
from tieout.core.policy import FlowMode
from tieout.ports import Selection
from tieout.settings.bridge import Configuration
from tieout.settings.bridge_names import vendor_path

WITHOUT_PERSONS = (
    "Set flows.contacts.mode to off in tieout.yaml; contact_name of mapping.customer fills the one"
    " name that a customer may have."
)


def contact_selections(
    configuration: Configuration, section: str, rule: str
) -> dict[Entity, Selection]:
    """
    Persons of one side, where their flow runs, with the vendor's own paths that are named.

    Its settings are part of the shape: where they change, all persons are decided anew.
    """
    given = configuration.model.flows.contacts
    if given.mode is FlowMode.OFF:
        return {}
    extra = {
        own
        for key, written in configuration.written.items()
        if key[:2] == ("mapping", section) or key == ("flows", "contacts", rule)
        for path, _ in written.fields
        if path[0] == "contact" and (own := vendor_path(path)) is not None
    }
    said = sorted(
        (".".join(key), written.text)
        for key, written in configuration.written.items()
        if key[:2] == ("flows", "contacts") or key[1].startswith("contact")
    )
    words = given.model_dump_json(exclude={"mode", "every"})
    found = tuple(sorted(extra))
    shape = digest(Entity.CONTACT.value, (), found, words, said)
    return {Entity.CONTACT: Selection(entity=Entity.CONTACT, extra=found, shape=shape)}


def require_contacts(configuration: Configuration, abilities: Mapping[str, Abilities]) -> None:
    """
    Raises ConfigurationError where persons should be kept in step and a system holds none.

    A flow that ran without them would look like one that has nothing to do.
    """
    given = configuration.model.flows.contacts
    if given.mode is FlowMode.OFF:
        return
    for name in (configuration.crm, *configuration.books):
        has = abilities.get(name)
        if has is not None and not has.of(Entity.CONTACT).fields:
            raise ConfigurationError(
                f"flows.contacts is {given.mode.value}, and {name} holds no persons of customers"
                " that could be kept in step.",
                code="contacts_not_held",
                hint=WITHOUT_PERSONS,
            )
