"""What `config validate` believes of books is what their connectors say."""

from __future__ import annotations

from importlib import import_module

import pytest

from tieout.bootstrap_systems import SYSTEMS
from tieout.core.abilities import Reads
from tieout.core.errors import ConfigurationError
from tieout.core.model import Entity

CRMS = sorted(name for name, system in SYSTEMS.items() if system.side == "crm")
BOOKS = sorted(name for name, system in SYSTEMS.items() if system.side == "books")


@pytest.mark.parametrize("name", BOOKS)
def test_the_kinds_of_document_are_those_of_the_connector(name: str) -> None:
    system = SYSTEMS[name]
    schema = import_module(f"tieout.connectors.{name}.schema")
    settings = system.settings_class()
    values = {"orders": True} if hasattr(settings(), "orders") else {}
    more = {"has_key": True} if name == "tryton" else {}
    abilities = schema.abilities(settings(**values), **more)
    assert abilities.makes == set(system.makes)
    tells = abilities.of(Entity.PRICE).reads is not Reads.NONE
    assert ("prices" in system.lists) is tells
    assert bool(abilities.of(Entity.CONTACT).fields) == system.persons


@pytest.mark.parametrize("name", CRMS)
def test_invoices_are_shown_where_the_connector_writes_them(name: str) -> None:
    system = SYSTEMS[name]
    connector = system.connector_class()
    module = import_module(connector.__module__)
    plain = module.abilities(system.settings_class()())
    assert (Entity.DOCUMENT in plain.entities) == (not system.invoice_setting)
    group, _, name = system.invoice_setting.partition(".")
    named = {group: {name: "ProductCustom1"}} if group else {}
    abilities = module.abilities(system.make_settings(named))
    assert system.shows_invoices == (Entity.DOCUMENT in abilities.entities)
    assert bool(abilities.of(Entity.CONTACT).fields) == system.persons
    assert ("values" in system.lists) == (Entity.VALUES in abilities.entities)


WITH_ORDERS = [name for name in BOOKS if hasattr(SYSTEMS[name].settings_class()(), "orders")]
WORDS = [("true", True), ("yes", True), (True, True), ("No", False), ("false", False)]


@pytest.mark.parametrize("name", WITH_ORDERS)
def test_a_setting_that_is_yes_or_no_is_never_taken_for_its_opposite(name: str) -> None:
    for said, meant in WORDS:
        assert SYSTEMS[name].make_settings({"orders": said}).orders is meant
    with pytest.raises((ValueError, ConfigurationError)):
        SYSTEMS[name].make_settings({"orders": "perhaps"})
