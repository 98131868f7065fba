"""Items and their price lists in a bridge's file: what it may say, and what it comes to."""

from __future__ import annotations

from decimal import Decimal

import pytest
from bridge_texts import configured, policy_of

from tieout.core.compose_item import own_fields
from tieout.core.model import Entity, Item
from tieout.core.policy import PriceRule
from tieout.settings.bridge import Configuration, read_bridge
from tieout.settings.compile import books_selections, crm_selections
from tieout.settings.shown_anew import (
    deals_first_judged,
    deals_judged_anew,
    deals_moved,
    judged_anew,
    shown_anew,
)

TEXT = """\
bridge: nordic
crm: sf
books:
  - connection: visma-se
flows:
  items:
    mode: auto
    prices:
      - list: WHOLESALE
        book: Wholesale 2026
        currency: [SEK, EUR]
      - list: RETAIL
      - list: base
        currency: [EUR]
mapping:
  item:
    Cost_Price__c: item.cost
    Family: {from: item.tax_class, values: families}
    Weight__c: {from: item.Weight, condition: not item.service}
tables:
  families: {standard: Goods}
"""


def test_price_lists_become_rules_and_what_is_read() -> None:
    configuration = configured(TEXT)
    policy = policy_of(configuration).items
    assert policy.prices == (
        PriceRule(list="WHOLESALE", book="Wholesale 2026", currencies=("SEK", "EUR")),
        PriceRule(list="RETAIL", book="RETAIL"),
        PriceRule(list="", book="standard", currencies=("EUR",)),
    )
    shown = crm_selections(configuration)[Entity.ITEM]
    assert shown.kinds == {"Wholesale 2026", "RETAIL", "standard"}
    assert shown.extra == ("Cost_Price__c", "Family", "Weight__c")
    read = books_selections(configuration)
    assert Entity.PRICE in read
    assert read[Entity.ITEM].extra == ("Weight",)
    off = configured(TEXT.replace("mode: auto", "mode: 'off'"))
    assert Entity.PRICE not in books_selections(off)
    assert books_selections(off)[Entity.ITEM].extra == ()
    assert Entity.ITEM not in crm_selections(off)


def test_fields_of_the_crm_show_what_their_expressions_give() -> None:
    rules = policy_of(configured(TEXT)).items.fields
    item = Item(
        number="A", tax_class="standard", cost=Decimal("12.50"), extra={"Weight": Decimal("0.4")}
    )
    assert own_fields(item, rules, []) == {
        "Cost_Price__c": Decimal("12.50"),
        "Family": "Goods",
        "Weight__c": Decimal("0.4"),
    }
    service = Item(number="B", service=True, tax_class="reduced", extra={"Weight": None})
    findings: list[object] = []
    assert own_fields(service, rules, findings)["Weight__c"] is None  # type: ignore[arg-type]
    assert [finding.code for finding in findings] == ["value_unmapped"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("given", "wrong", "codes"),
    [
        ("book: Wholesale 2026", "book: RETAIL", ["price_list_twice"]),
        ("      - list: RETAIL\n", "      - list: base\n", ["price_list_twice"]),
        ("[SEK, EUR]", "[SEK, sek, EUROS]", ["value_wrong", "value_wrong"]),
        ("list: WHOLESALE", "lst: WHOLESALE", ["missing_key", "unknown_key"]),
        ("item.cost", "account.cost", ["unknown_field"]),
        ("Weight__c:", "'2 Weight':", ["value_wrong"]),
    ],
)
def test_what_is_wrong_is_said_with_its_place(given: str, wrong: str, codes: list[str]) -> None:
    assert given in TEXT
    found = read_bridge(TEXT.replace(given, wrong, 1), {})
    assert not isinstance(found, Configuration)
    assert sorted(problem.code for problem in found) == sorted(codes)
    assert all(problem.line > 1 for problem in found)


def test_a_changed_price_list_is_another_version() -> None:
    before = configured(TEXT)
    assert configured(TEXT).digest == before.digest
    assert configured(TEXT.replace("Wholesale 2026", "Wholesale 2027")).digest != before.digest
    assert configured(TEXT.replace("item.cost", "item.price")).digest != before.digest


def test_what_is_shown_anew_is_looked_at_whole() -> None:
    after = configured(TEXT)
    items = (("nordic/items/visma-se", "visma-se", Entity.ITEM),)
    off = configured(TEXT.replace("mode: auto", "mode: 'off'"))
    assert shown_anew(None, after) == shown_anew(off, after) == items
    assert shown_anew(after, off) == shown_anew(after, after) == ()
    slower = configured(TEXT.replace("mode: auto", "mode: auto\n    every: 1h"))
    assert shown_anew(after, slower) == ()
    for given, other in (
        ("Wholesale 2026", "Wholesale 2027"),
        ("item.cost", "item.price"),
        ("standard: Goods", "standard: Things"),
    ):
        assert shown_anew(after, configured(TEXT.replace(given, other))) == items, other
    head = "  - connection: visma-se\n"
    second = TEXT.replace(head, f"{head}    when: deal.won\n  - connection: visma-no\n")
    assert [fill[0] for fill in shown_anew(after, configured(second))] == ["nordic/items/visma-no"]


RULES = """\
bridge: nordic
crm: sf
books: [{connection: se, when: "account.BillingCountryCode == 'SE'"}, {connection: no}]
flows:
  customers: {when: "account.Type == 'Customer'"}
  documents: {include: "account.Type != 'Own group'", when: deal.won}
  contacts: {mode: auto, direction: both, books_when: "'billing' in contact.roles"}
"""


def test_deals_of_new_books_are_judged_although_they_were_read_long_ago() -> None:
    before = configured(RULES)
    assert deals_first_judged(before, before) == ()
    third = configured(
        RULES.replace("{connection: no}", "{connection: dk, when: deal.won}, {connection: no}")
    )
    assert deals_first_judged(before, third) == (("nordic/documents/dk", "sf", Entity.DEAL),)
    off = configured(RULES.replace("when: deal.won}", "when: deal.won, mode: off}"))
    lanes = tuple((f"nordic/documents/{books}", "sf", Entity.DEAL) for books in ("se", "no"))
    assert deals_first_judged(before, off) == ()
    assert deals_first_judged(off, before) == lanes
    assert deals_first_judged(configured(RULES.replace("crm: sf", "crm: old")), before) == lanes
    assert deals_first_judged(None, before) == lanes


def test_drafts_are_judged_by_new_rules_of_the_books_only() -> None:
    """What a narrower rule of deals leaves out stays until its deal moves; books take over."""
    before = configured(RULES)
    lanes = tuple((f"nordic/documents/{books}", books) for books in ("se", "no"))
    assert deals_moved(before, configured(RULES.replace("'SE'", "'FI'"))) == lanes
    assert deals_moved(before, configured(RULES.replace("Own group", "Group"))) == ()
    assert deals_moved(before, before) == deals_moved(None, before) == ()
    moved = RULES.replace("'SE'", "'FI'").replace("when: deal.won}", "when: deal.won, mode: off}")
    assert deals_moved(before, configured(moved)) == ()


def test_who_was_left_out_by_an_old_rule_is_judged_by_the_new_one() -> None:
    before = configured(RULES)
    slower = configured(RULES.replace("mode: auto", "mode: approve, every: 1h"))
    assert judged_anew(before, slower) == deals_judged_anew(before, slower) == ()
    for given, other in (
        ("'SE'", "'FI'"),
        ("Own group", "Group"),
        ("when: deal.won}", "when: deal.lost}"),
    ):
        after = configured(RULES.replace(given, other))
        lanes = ("nordic/documents/se", "nordic/documents/no")
        assert (deals_judged_anew(before, after), judged_anew(before, after)) == (lanes, ()), other
    persons = judged_anew(before, configured(RULES.replace("billing", "invoice")))
    assert persons == (
        ("nordic/contacts/se", "sf", Entity.CONTACT),
        ("nordic/persons/se", "se", Entity.CONTACT),
        ("nordic/contacts/no", "sf", Entity.CONTACT),
        ("nordic/persons/no", "no", Entity.CONTACT),
    )
    customers = judged_anew(before, configured(RULES.replace("== 'Customer'", "== 'Partner'")))
    assert {fill[2] for fill in customers} == {Entity.CUSTOMER}
