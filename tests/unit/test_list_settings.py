"""Lists that a bridge names: price lists of books, lists of values of a CRM."""

from __future__ import annotations

import pytest
from bridge_texts import configured, policy_of

from tieout.core.abilities import Abilities, EntityAbilities, Reads
from tieout.core.errors import ConfigurationError
from tieout.core.model import Entity
from tieout.core.policy import ReferencePolicy, ValueRule
from tieout.settings.bridge import Configuration, read_bridge
from tieout.settings.check import list_problems
from tieout.settings.compile import crm_selections, selections
from tieout.settings.shown_anew import shown_anew

TEXT = """\
bridge: nordic
crm: sf
books:
  - connection: visma-se
    when: deal.won
  - connection: visma-no
flows:
  items:
    mode: auto
    prices: [{list: 7}]
  reference:
    mode: auto
    lists:
      - {kind: terms, target: Payment_Terms, label: both}
      - {kind: department, target: Departments, books: visma-no}
"""


def test_lists_become_rules_and_what_is_read() -> None:
    configuration = configured(TEXT)
    policy = policy_of(configuration).reference
    assert policy.lists == (
        ValueRule(kind="terms", target="Payment_Terms", books="visma-se", label="both"),
        ValueRule(kind="department", target="Departments", books="visma-no"),
    )
    found = crm_selections(configuration)[Entity.VALUES]
    assert found.kinds == {"Payment_Terms", "Departments"}
    off = configured(TEXT.replace("reference:\n    mode: auto", "reference:\n    mode: 'off'"))
    assert Entity.VALUES not in crm_selections(off)
    assert policy_of(configured(TEXT[: TEXT.index("  reference")])).reference == ReferencePolicy()
    fills = [fill for fill in shown_anew(off, configuration) if fill[2] is Entity.CODE]
    assert [fill[0] for fill in fills] == ["nordic/reference/visma-se", "nordic/reference/visma-no"]


@pytest.mark.parametrize(
    ("given", "wrong", "code"),
    [
        ("books: visma-no", "books: visma-dk", "connection_missing"),
        ("target: Departments", "target: Payment_Terms", "value_list_twice"),
        ("kind: department", "kind: terms", ""),
        ("books: visma-no", "books: visma-se", ""),
        ("target: Departments", "target: Account.Terms__c", ""),
        ("target: Departments", "target: Account.Industry", "standard_list"),
        ("target: Departments", "target: Account.Terms__c.More", "value_wrong"),
        ("label: both", "label: all", "not_allowed"),
    ],
)
def test_what_is_wrong_is_said(given: str, wrong: str, code: str) -> None:
    found = read_bridge(TEXT.replace(given, wrong), {})
    if not code:
        assert isinstance(found, Configuration)
        return
    assert not isinstance(found, Configuration)
    assert [problem.code for problem in found] == [code]


def test_lists_that_nobody_has_are_refused_with_their_place() -> None:
    configuration = configured(TEXT)
    able = {"sf": frozenset({"values"}), "visma-se": frozenset({"prices"})}
    assert list_problems(configuration, able) == []
    assert list_problems(configuration, {}) == []
    none = {name: frozenset[str]() for name in ("sf", "visma-se", "visma-no")}
    told = list_problems(configuration, none)
    assert [(problem.code, problem.line) for problem in told] == [
        ("lists_not_written", 11),
        ("prices_not_read", 10),
    ]


def test_a_flow_without_its_lists_does_not_run() -> None:
    configuration = configured(TEXT)
    read = EntityAbilities(reads=Reads.WHOLE_LIST)
    crm = Abilities(side="crm", entities={Entity.VALUES: read})
    books = Abilities(side="books", entities={Entity.PRICE: read})
    selections(configuration, {"sf": crm, "visma-se": books, "visma-no": books})
    bare = Abilities(side="crm", entities={})
    for given, code in (
        ({"sf": bare, "visma-se": books}, "lists_not_written"),
        ({"sf": crm, "visma-se": bare, "visma-no": bare}, "prices_not_read"),
    ):
        with pytest.raises(ConfigurationError) as told:
            selections(configuration, given)
        assert told.value.code == code
