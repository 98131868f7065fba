"""Persons in tieout.yaml: directions, rules over their own fields, owners, mappings."""

from __future__ import annotations

import pytest

from tieout.core.abilities import Abilities, EntityAbilities, Reads
from tieout.core.errors import ConfigurationError
from tieout.core.mapping.fields import Mode, Owner
from tieout.core.model import Company, Contact, Entity, ExternalRef
from tieout.core.policy import BridgePolicy, FlowMode
from tieout.core.scope import contact_scope
from tieout.ports import FieldInfo, Schema
from tieout.settings.bridge import Configuration, read_bridge, summary
from tieout.settings.check import check_fields, contact_problems
from tieout.settings.compile import compile_policy, selections

HEAD = "bridge: nordic\ncrm: sf\nbooks:\n  - connection: visma\n"
FLOW = HEAD + "flows:\n  contacts:\n    mode: auto\n"


def configured(text: str) -> Configuration:
    found = read_bridge(text, {"titles": "from,to\nBoss,CEO\n"})
    assert isinstance(found, Configuration), found
    return found


def policy(text: str) -> BridgePolicy:
    companies = {"visma": Company(id="v", name="Visma")}
    return compile_policy(configured(text), version=1, crm_org="o", companies=companies)


def wrong(text: str) -> list[tuple[str, str, int | None]]:
    found = read_bridge(text, {})
    assert isinstance(found, list)
    return [(problem.code, ".".join(problem.key), problem.line) for problem in found]


def test_without_a_word_nobody_goes_anywhere() -> None:
    given = policy(HEAD).contacts
    assert given.mode is FlowMode.OFF
    assert all(Entity.CONTACT not in wanted for wanted in selections(configured(HEAD)).values())


@pytest.mark.parametrize(
    ("direction", "books", "crm"),
    [("to_books", True, False), ("to_crm", False, True), ("both", True, True)],
)
def test_one_way_or_the_other_or_both(direction: str, books: bool, crm: bool) -> None:
    given = policy(FLOW + f"    direction: {direction}\n").contacts
    assert (given.to_books, given.to_crm, given.both) == (books, crm, books and crm)
    assert summary(configured(FLOW)) == "1 bridge, 5 flows, 0 fields"


def test_a_tick_box_and_a_role_are_asked_of_the_person() -> None:
    text = FLOW + (
        "    direction: both\n"
        "    books_when: contact.Invoice__c or 'billing' in contact.roles\n"
        "    crm_when: contact.position != 'Left'\n"
        "    owners: {email: books, phone: manual}\n"
        "    shared_address: hold\n"
        "    every: 15m\n"
    )
    given = policy(text).contacts
    assert given.books_when is not None
    assert given.crm_when is not None
    ticked = Contact(extra={"Invoice__c": True})
    role = Contact(roles=("billing",), extra={"Invoice__c": False})
    neither = Contact(extra={"Invoice__c": False})
    assert [
        given.books_when.holds({"contact": contact_scope(one)}) for one in (ticked, role, neither)
    ] == [True, True, False]
    assert given.owners == {"email": Owner.BOOKS, "phone": Owner.MANUAL}
    assert (given.shared, given.every_s) == ("hold", 900)
    # The systems are asked for what the rules name.
    wanted = selections(configured(text))
    assert wanted["sf"][Entity.CONTACT].extra == ("Invoice__c",)
    assert wanted["visma"][Entity.CONTACT].extra == ("position",)


def test_a_rule_that_changes_reads_all_persons_again() -> None:
    shapes = {
        selections(configured(text))["sf"][Entity.CONTACT].shape
        for text in (
            FLOW,
            FLOW + "    books_when: contact.active\n",
            FLOW + "    books_when: contact.title == 'CFO'\n",
            FLOW + "    owners: {phone: crm}\n",
            FLOW + "mapping:\n  contact:\n    title: contact.title | upper\n",
        )
    }
    assert len(shapes) == 5
    # How far the flow goes by itself is no reason to read everything again.
    by_hand = selections(configured(FLOW.replace("auto", "approve")))["sf"][Entity.CONTACT]
    assert by_hand.shape in shapes


def test_fields_are_mapped_with_tables_and_conditions() -> None:
    text = FLOW + (
        "mapping:\n"
        "  contact:\n"
        "    title: {from: contact.Rank__c, values: titles, mode: create_only}\n"
        "    phone: {from: contact.mobile, condition: contact.phone == ''}\n"
        "  contact.to_crm:\n"
        "    family: contact.family | upper\n"
    )
    given = policy(text).contacts
    title, phone = (
        next(rule for rule in given.books_fields if rule.target == name)
        for name in ("title", "phone")
    )
    scope = {"contact": contact_scope(Contact(mobile="070", extra={"Rank__c": "Boss"}))}
    assert (title.value(scope), title.mode, title.table) == ("CEO", Mode.CREATE_ONLY, "titles")
    assert phone.value(scope) == "070"
    (family,) = given.crm_fields
    assert family.value({"contact": contact_scope(Contact(family="Ek"))}) == "EK"
    assert selections(configured(text))["sf"][Entity.CONTACT].extra == ("Rank__c",)


def test_all_that_is_wrong_is_told_at_once_with_its_place() -> None:
    text = FLOW + (
        "    direction: to_books\n"
        "    crm_when: contact.active\n"
        "    owners: {phone: crm, fax: crm}\n"
        "    books_when: deal.won\n"
    )
    assert {(key, line) for _, key, line in wrong(text)} >= {
        ("flows.contacts.owners.fax", 10),
        ("flows.contacts.books_when", 11),
    }


def test_a_rule_of_a_direction_that_does_not_run_is_a_mistake() -> None:
    text = FLOW + "    direction: to_books\n    crm_when: contact.active\n"
    assert wrong(text) == [("direction_not_run", "flows.contacts.crm_when", 9)]


def test_a_mapped_field_goes_one_way_and_has_no_owner() -> None:
    text = FLOW + (
        "    direction: both\n"
        "    owners: {title: crm}\n"
        "mapping:\n"
        "  contact: {title: contact.title, phone: contact.phone}\n"
        "  contact.to_crm: {phone: contact.phone}\n"
    )
    assert wrong(text) == [
        ("owner_of_mapped_field", "flows.contacts.owners.title", 9),
        ("mapped_both_ways", "mapping.contact.to_crm.phone", 12),
    ]


def test_a_system_without_persons_refuses_the_flow() -> None:
    some = EntityAbilities(reads=Reads.STAMP, fields=frozenset({"email"}))
    crm = Abilities(side="crm", entities={Entity.CONTACT: some})
    books = Abilities(side="books", entities={Entity.CUSTOMER: EntityAbilities()})
    with pytest.raises(ConfigurationError) as told:
        selections(configured(FLOW), {"sf": crm, "visma": books})
    assert told.value.code == "contacts_not_held"
    assert "visma" in str(told.value)
    assert selections(configured(HEAD), {"sf": crm, "visma": books})


def test_a_deals_own_contact_still_has_our_fields_only() -> None:
    text = HEAD + "mapping:\n  document:\n    your_reference: contact.Nick__c\n"
    assert [code for code, _, _ in wrong(text)] == ["unknown_field"]


def test_refs_are_no_part_of_what_a_person_is_called() -> None:
    assert contact_scope(Contact(ref=ExternalRef("a", "contact", "b"), given="A"))["name"] == "A"  # type: ignore[index]


def test_a_connection_without_persons_is_told_at_its_place() -> None:
    (told,) = contact_problems(configured(FLOW), {"sf": True, "visma": False})
    assert (told.code, told.key) == ("contacts_not_held", ("flows", "contacts", "mode"))
    assert told.message.startswith("visma holds no persons")
    assert contact_problems(configured(HEAD), {"visma": False}) == []


def test_fields_of_persons_that_the_crm_does_not_have_are_told() -> None:
    text = FLOW + (
        "    books_when: contact.Tick__c\n"
        "    direction: both\n"
        "    crm_when: contact.InTheBooks\n"
        "mapping:\n"
        "  contact: {title: contact.Functon__c}\n"
    )
    schema = Schema(fields={"contact": (FieldInfo(path="Function__c", type="text"),)})
    told = [(each.key[-1], each.value) for each in check_fields(configured(text), schema)]
    assert told == [("books_when", "Tick__c"), ("title", "Functon__c")]
