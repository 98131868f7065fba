"""What is made of which deal, from the file to the policy, and what the books cannot make."""

from __future__ import annotations

import pytest

from tieout.core.model import Company, DealKind
from tieout.core.policy import INVOICE, INVOICE_DRAFT, SALES_ORDER, BridgePolicy
from tieout.settings.bridge import Configuration, read_bridge
from tieout.settings.check import kind_problems
from tieout.settings.compile import compile_policy

PLAIN = "bridge: nordic\ncrm: sf\nbooks: [{connection: visma-se}]\n"
RULES = PLAIN + (
    "flows:\n"
    "  documents:\n"
    "    create: invoice\n"
    "    kinds:\n"
    "      - {when: deal.kind == 'order', create: sales_order}\n"
    "      - {when: deal.kind == 'quote' or deal.kind == 'order', create: invoice_draft}\n"
)


def configured(text: str) -> Configuration:
    found = read_bridge(text, {})
    assert isinstance(found, Configuration), found
    return found


def policy(text: str) -> BridgePolicy:
    company = Company(id="c", name="C", country="SE", currency="SEK", time_zone="UTC")
    return compile_policy(configured(text), version=1, crm_org="o", companies={"visma-se": company})


@pytest.mark.parametrize(
    ("kind", "made"),
    [
        (DealKind.ORDER, SALES_ORDER),
        (DealKind.QUOTE, INVOICE_DRAFT),
        (DealKind.OPPORTUNITY, INVOICE),
        (DealKind.DELIVERY, INVOICE),
    ],
)
def test_the_first_rule_that_is_true_counts(kind: DealKind, made: str) -> None:
    assert policy(RULES).documents.kind_of({"deal": {"kind": str(kind)}}) == made


def test_without_rules_a_draft_is_made_and_nobody_is_asked() -> None:
    documents = policy(PLAIN).documents
    assert documents.kind_of({"deal": {}}) == INVOICE_DRAFT
    assert documents.ask_order_changes is False
    asked = PLAIN + "flows: {documents: {order_changes: ask}}\n"
    assert policy(asked).documents.ask_order_changes is True
    assert configured(asked).digest != configured(PLAIN).digest


@pytest.mark.parametrize(
    "flow",
    [
        "{create: order}",
        "{order_changes: overwrite}",
        "{kinds: [{create: sales_order}]}",
        "{kinds: [{when: deal.kind ==, create: sales_order}]}",
        "{kinds: [{when: deal.kind == 'order', create: receipt}]}",
    ],
)
def test_what_is_no_kind_is_told(flow: str) -> None:
    found = read_bridge(f"{PLAIN}flows: {{documents: {flow}}}\n", {})
    assert not isinstance(found, Configuration)


def test_a_kind_that_no_books_can_make_is_told_with_its_place() -> None:
    drafts = {"visma-se": frozenset({INVOICE_DRAFT})}
    found = kind_problems(configured(RULES), drafts)
    assert [(p.code, p.place.rpartition(":")[0]) for p in found] == [
        ("document_kind_not_possible", "tieout.yaml:6"),
        ("document_kind_not_possible", "tieout.yaml:8"),
    ]
    assert "There are: invoice_draft." in found[0].hint


def test_where_some_books_can_it_shows_on_the_deals() -> None:
    some = {
        "visma-se": frozenset({INVOICE_DRAFT}),
        "net": frozenset({INVOICE_DRAFT, INVOICE, SALES_ORDER}),
    }
    assert kind_problems(configured(RULES), some) == []
    assert kind_problems(configured(RULES), {}) == []


def test_a_flow_that_is_off_makes_nothing() -> None:
    off = RULES.replace("    create: invoice\n", "    create: invoice\n    mode: 'off'\n")
    assert kind_problems(configured(off), {"visma-se": frozenset({INVOICE_DRAFT})}) == []
