"""A table that stands in tieout.yaml itself: what is said of it names that place, and no file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tieout.core.mapping import UnmappedValueError
from tieout.settings.bridge import Configuration, load_bridge
from tieout.settings.compile import field_rules

TEXT = """\
bridge: nordic
crm: salesforce
books:
  - connection: visma_eaccounting
flows:
  documents: {mode: auto, when: deal.won}
mapping:
  customer:
    terms: {from: account.terms, values: terms}
"""


def configuration(folder: Path, *, inline: bool, filed: bool) -> Configuration:
    more = 'tables:\n  terms: {"Net 30": "30"}\n  items: {"A": "1"}\n' if inline else ""
    (folder / "tieout.yaml").write_text(TEXT + more)
    if filed:
        (folder / "tables").mkdir()
        for name in ("terms", "items"):
            (folder / "tables" / f"{name}.csv").write_text("from,to,note\nX,Y,\n")
    found = load_bridge(folder)
    assert isinstance(found, Configuration), found
    return found


@pytest.mark.parametrize(
    ("inline", "filed", "terms", "items"),
    [
        (True, False, "tables.terms of tieout.yaml", "tables.items of tieout.yaml"),
        (False, True, "tables/terms.csv", "tables/items.csv"),
        (True, True, "tables/terms.csv", "tables/items.csv"),
    ],
)
def test_where_a_value_is_to_be_added(
    tmp_path: Path, inline: bool, filed: bool, terms: str, items: str
) -> None:
    found = configuration(tmp_path, inline=inline, filed=filed)
    customers, _, lines = field_rules(found)
    (rule,) = [each for each in customers if each.target == "terms"]
    assert (rule.table, rule.kept_in) == ("terms", terms)
    assert [each.kept_in for each in lines if each.target == "item"] == [items]
    with pytest.raises(UnmappedValueError) as caught:
        rule.value({"customer": {"terms": "Net 45"}, "account": {"terms": "Net 45"}})
    assert caught.value.where == terms
    again = Configuration.from_stored(found.body, found.tables)
    assert field_rules(again)[0][0].kept_in == terms
