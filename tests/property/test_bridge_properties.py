"""What holds for every bridge: equal meaning, equal digest; other meaning, other digest."""

from __future__ import annotations

import json
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from tieout.core.model import Company, Customer, Deal
from tieout.core.scope import deal_scope
from tieout.settings.bridge import Configuration, read_bridge, table_text
from tieout.settings.compile import compile_policy, selections
from tieout.settings.difference import diff
from tieout.settings.problems import render_problems

WORDS = st.text("abcdefgÅäö -;\"'#:,%1", min_size=1, max_size=12).filter(
    lambda text: text == text.strip() and bool(text)
)
ROWS = st.dictionaries(WORDS, WORDS, max_size=6)
NAMES = st.from_regex(re.compile(r"[a-z][a-z0-9]{0,6}", re.ASCII), fullmatch=True)
FIELDS = st.sampled_from(
    ("account.Terms__c", "account.name", "account.Code__c | upper", "'x' ~ account.Zip__c")
)
RULES = st.sampled_from(
    ("deal.won", "deal.Signed__c", "deal.amount__c > 10 and deal.won", "not deal.Hold__c")
)


@st.composite
def parts(draw: st.DrawFn) -> dict[str, object]:
    """A bridge as plain data; JSON is YAML."""
    flows: dict[str, object] = {
        "customers": {"mode": draw(st.sampled_from(("off", "shadow", "auto")))},
        "documents": {
            "when": draw(RULES),
            "mode": draw(st.sampled_from(("approve", "auto"))),
            "approve_above": draw(st.integers(0, 10**6)),
            "require_email": draw(st.booleans()),
        },
    }
    return {
        "bridge": draw(NAMES),
        "crm": "crm",
        "books": [{"connection": "books", "currency": draw(st.permutations(["SEK", "EUR"]))}],
        "flows": flows,
        "mapping": {
            "customer": draw(
                st.dictionaries(st.sampled_from(("name", "email", "terms")), FIELDS, max_size=3)
            ),
            "document.line": {"text": draw(FIELDS)},
        },
        "tables": {"codes": draw(ROWS)},
    }


def read(data: object, tables: dict[str, str] | None = None, comment: str = "") -> Configuration:
    text = json.dumps(data, ensure_ascii=False, indent=1)
    if comment:
        text = f"# {comment}\n" + text.replace(",\n", f",  # {comment}\n", 1)
    found = read_bridge(text, tables or {})
    assert isinstance(found, Configuration), render_problems(found)
    return found


def turned(data: object) -> object:
    """The same with the keys of all maps in the other order."""
    if isinstance(data, dict):
        return {key: turned(data[key]) for key in reversed(list(data))}
    return data


COMPANIES = {"books": Company(id="1", name="b", country="SE", currency="SEK")}


@given(parts(), st.text("abc åäö:{}[]'\"", max_size=20))
@settings(max_examples=60, deadline=None)
def test_comments_order_and_the_place_of_a_table_mean_nothing(
    data: dict[str, object], comment: str
) -> None:
    first = read(data)
    tables = data["tables"]
    assert isinstance(tables, dict)
    in_a_file = {**data, "tables": {}}
    files = {"codes": table_text(tables["codes"])}
    for other in (read(data, comment=f"x{comment}"), read(turned(data)), read(in_a_file, files)):
        assert other.digest == first.digest
        assert diff(first, other) == []


@given(parts(), parts())
@settings(max_examples=100, deadline=None)
def test_the_digest_tells_two_bridges_apart_exactly_when_the_difference_does(
    one: dict[str, object], two: dict[str, object]
) -> None:
    first, second = read(one), read(two)
    lines = diff(first, second)
    assert (first.digest == second.digest) == (not lines)
    assert len(diff(second, first)) == len(lines)


@given(parts(), ROWS)
@settings(max_examples=60, deadline=None)
def test_each_other_row_is_another_digest(data: dict[str, object], rows: dict[str, str]) -> None:
    tables = data["tables"]
    assert isinstance(tables, dict)
    same = rows == tables["codes"]
    assert (read(data).digest == read({**data, "tables": {"codes": rows}}).digest) == same


@given(parts())
@settings(max_examples=60, deadline=None)
def test_compiling_twice_gives_policies_that_answer_alike(data: dict[str, object]) -> None:
    configuration = read(data)
    stored = Configuration.from_stored(configuration.body, dict(configuration.tables))
    assert selections(configuration) == selections(stored)
    first, second = (
        compile_policy(one, version=3, crm_org="o", companies=COMPANIES)
        for one in (configuration, stored)
    )
    assert first.digest == second.digest
    extra = {"Terms__c": "t", "Code__c": "c", "Zip__c": "z"}
    deal = Deal(extra={"Signed__c": True, "Hold__c": False, "amount__c": None})
    scope = deal_scope(deal, Customer(name="n", extra=extra))
    for one, two in zip(first.customers.fields, second.customers.fields, strict=True):
        assert (one.target, one.text, one.owner, one.mode, one.table) == (
            two.target,
            two.text,
            two.owner,
            two.mode,
            two.table,
        )
        assert one.value(scope) == two.value(scope)


@given(st.text(max_size=80))
@settings(max_examples=150, deadline=None)
def test_no_text_makes_it_crash(text: str) -> None:
    for body in (text, f"bridge: x\ncrm: y\nbooks: [{{connection: z}}]\n{text}"):
        found = read_bridge(body, {"t": text})
        assert isinstance(found, Configuration) or found
