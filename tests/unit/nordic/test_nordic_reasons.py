"""Every reason code that the package can answer with has a sentence."""

from __future__ import annotations

import inspect
import re

import pytest

from tieout.nordic import identifier_eu, identifier_kinds
from tieout.nordic.reasons import REASONS, explain
from tieout.nordic.tables import load_table


def codes_in_the_rules_of_identifiers() -> set[str]:
    source = inspect.getsource(identifier_kinds) + inspect.getsource(identifier_eu)
    calls = set(re.findall(r'invalid\(\s*"(\w+)"', source))
    values = set(re.findall(r'(?:reason|doubt)\w*=? = "(\w+)"|reason="(\w+)"', source))
    returned = set(re.findall(r'return (?:None if [^"\n]+ else )?"(\w+)"', source))
    return calls | {code for pair in values for code in pair if code} | returned


def codes_in_the_tables_of_treatments() -> set[str]:
    table = load_table("vat_treatment")
    rows = table["rules"] + table["domestic_rules"]
    return {row[name] for row in rows for name in ("reason", "approval") if name in row}


def test_every_code_has_a_sentence() -> None:
    from_rules = codes_in_the_rules_of_identifiers()
    assert {"checksum", "date", "serial", "empty", "no_rule"} <= from_rules
    assert from_rules <= REASONS.keys()
    from_tables = codes_in_the_tables_of_treatments()
    assert {"vat_number_unverified", "no_valid_number"} <= from_tables
    assert from_tables <= REASONS.keys()


def test_sentences_are_sentences() -> None:
    for code in REASONS:
        assert explain(code)[0].isupper(), code
        assert explain(code).endswith("."), code
    with pytest.raises(KeyError):
        explain("no_such_code")
