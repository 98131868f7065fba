"""Owners of customers' fields: only where somebody asks for them."""

from __future__ import annotations

from tieout.settings.bridge import Configuration, read_bridge

HEAD = "bridge: nordic\ncrm: sf\nbooks:\n  - connection: visma\nflows:\n  customers:\n"


def _codes(text: str) -> list[str]:
    found = read_bridge(text, {})
    return [] if isinstance(found, Configuration) else [problem.code for problem in found]


def test_owners_count_only_both_ways() -> None:
    owners = "    owners: {name: books}\n"
    assert _codes(HEAD + owners) == ["owners_without_both"]
    assert _codes(HEAD + "    direction: both\n" + owners) == []


def test_a_field_that_a_mapping_makes_has_no_way_back() -> None:
    text = f"{HEAD}    direction: both\n    owners: {{emails: books, phones: latest}}\n"
    assert _codes(text) == []
    mapped = f"{text}mapping:\n  customer:\n    email: account.Invoice_Email__c\n"
    assert _codes(mapped) == ["owner_of_mapped_field"]


def test_an_unknown_owner_or_field_is_refused() -> None:
    assert _codes(f"{HEAD}    direction: both\n    owners: {{name: finance}}\n")
    assert _codes(f"{HEAD}    direction: both\n    owners: {{terms: books}}\n")
