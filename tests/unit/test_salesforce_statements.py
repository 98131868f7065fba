"""SOQL as text, ids, and the values of fields."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.connectors.salesforce import soql
from tieout.connectors.salesforce.ids import id18, is_id, object_of, row_id, same_id, unique
from tieout.connectors.salesforce.org import OrgField, read_describe
from tieout.connectors.salesforce.values import Unfit, same, to_wire


def test_a_quote_in_a_value_stays_inside_the_literal() -> None:
    assert soql.text("O'Brien \\ Co") == "'O\\'Brien \\\\ Co'"
    assert soql.text("a\nb") == "'a\\nb'"


def test_moments_are_written_in_utc_and_read_back() -> None:
    at = datetime(2026, 3, 31, 11, 14, 2, 500000, tzinfo=timezone(timedelta(hours=2)))
    assert soql.moment(at) == "2026-03-31T09:14:02.500Z"
    assert soql.stamp(at) == "2026-03-31T09:14:02.500+0000"
    assert soql.parse_moment(soql.stamp(at)) == at
    assert soql.earlier("2026-03-31T09:14:02.000+0000", 600) == "2026-03-31T09:04:02.000+0000"


@given(st.text(min_size=1, max_size=60))
def test_an_encoded_statement_arrives_as_it_was(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    assert parse_qs("q=" + soql.encoded(text), keep_blank_values=True)["q"] == [text]


def test_ids_are_cut_to_what_an_address_holds() -> None:
    ids = [f"006xx{n:010d}AAA" for n in range(1000)]
    columns = ["Name" * 10] * 60
    pieces = list(soql.chunks(ids, columns))
    assert [one for piece in pieces for one in piece] == ids
    assert len(pieces) <= 4
    for piece in pieces:
        where = [soql.one_of("Id", piece)]
        assert len(soql.encoded(soql.select(columns, "Opportunity", where=where))) < 16_000


def test_a_row_after_another_is_later_or_has_a_greater_id() -> None:
    assert soql.after("2026-03-31T09:14:02.000+0000", "006xx000001abcDAAQ") == (
        "(SystemModstamp > 2026-03-31T09:14:02.000Z OR "
        "(SystemModstamp = 2026-03-31T09:14:02.000Z AND Id > '006xx000001abcDAAQ'))"
    )


def test_ids_of_both_lengths_are_one() -> None:
    # A published example: the suffix is computed from the case of the letters.
    assert id18("0013000000abcDE") == "0013000000abcDEAAY"
    assert id18("0013000000abcDEAAY") == "0013000000abcDEAAY"
    assert same_id("0013000000abcDE", "0013000000abcDEAAY")
    assert not same_id("0013000000abcDe", "0013000000abcDEAAY")
    assert unique(["0013000000abcDE", "0013000000abcDEAAY"]) == ["0013000000abcDEAAY"]
    assert object_of("0013000000abcDE") == "Account"
    assert object_of("ZZZ3000000abcDE") is None
    assert not is_id("sf:1")
    assert row_id("deal:0013000000abcDE") == "0013000000abcDEAAY"
    assert row_id("0013000000abcDE") == "0013000000abcDEAAY"
    assert row_id("deal:1") is None
    with pytest.raises(ValueError, match="not a Salesforce id"):
        id18("1001")


def field(**more: Any) -> OrgField:
    entry = {"name": "F__c", "label": "F", "type": "string", "length": 10, "updateable": True}
    known = read_describe({"name": "X", "label": "X", "fields": [{**entry, **more}]})
    found = known.field("f__C")
    assert found is not None
    return found


def test_numbers_get_the_decimals_of_their_field() -> None:
    money = field(type="currency", precision=18, scale=2)
    assert str(to_wire(money, Decimal("25.005"))) == "25.01"
    assert str(to_wire(money, Decimal("9000.00"))) == "9000.00"
    assert str(to_wire(money, Decimal("-0.005"))) == "-0.01"
    assert to_wire(field(type="int", precision=8, scale=0), Decimal("2.5")) == 3
    assert isinstance(to_wire(field(type="currency", precision=4, scale=2), Decimal(100)), Unfit)
    assert isinstance(to_wire(money, "many"), Unfit)


def test_empty_values_clear_and_a_checkbox_is_never_empty() -> None:
    assert to_wire(field(), None) is None
    assert to_wire(field(), "") is None
    assert to_wire(field(type="boolean"), None) is False
    assert to_wire(field(type="date"), date(2026, 3, 31)) == "2026-03-31"
    at = datetime(2026, 3, 31, 9, 14, 2, tzinfo=UTC)
    assert to_wire(field(type="datetime"), at) == "2026-03-31T09:14:02.000+0000"


def test_a_text_is_cut_only_where_it_is_ours() -> None:
    assert to_wire(field(), "0123456789ABC", cut=True) == "012345678…"
    assert isinstance(to_wire(field(), "0123456789ABC"), Unfit)
    assert to_wire(field(), "0123456789") == "0123456789"


def test_a_value_outside_a_restricted_list_is_found_before_it_is_sent() -> None:
    values = [{"value": "Paid", "active": True}, {"value": "Old", "active": False}]
    chosen = field(type="picklist", restrictedPicklist=True, picklistValues=values)
    assert to_wire(chosen, "Paid") == "Paid"
    refused = to_wire(chosen, "Old")
    assert isinstance(refused, Unfit)
    assert "Old" in refused.finding.message
    open_list = field(type="picklist", restrictedPicklist=False, picklistValues=values)
    assert to_wire(open_list, "Old") == "Old"


def test_equal_values_are_the_same_however_they_are_written() -> None:
    assert same(Decimal("5"), Decimal("5.00"))
    assert same(5, Decimal("5.0"))
    assert same(None, "")
    assert same("2026-03-31T09:14:02.000+0000", "2026-03-31T09:14:02.000+0000")
    assert not same(Decimal("5"), Decimal("5.01"))
    assert not same(False, None)
    assert not same(Decimal(0), None)
