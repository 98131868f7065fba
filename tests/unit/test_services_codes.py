"""Codes beside what the tables make of them."""

from __future__ import annotations

from decimal import Decimal

from tieout.core.mapping.fields import ValueTable
from tieout.core.model import Code
from tieout.services.codes import csv_text, facts_text, kind_of, report
from tieout.store.reference import CodeSeen


def seen(kind: str, code: str, *, gone: bool = False, **more: object) -> CodeSeen:
    given = {"name": code.title(), **more}
    return CodeSeen(
        connection="visma",
        code=Code(kind=kind, code=code, **given),  # type: ignore[arg-type]
        gone=gone,
    )


TERMS = ValueTable(name="terms", rows={"Net 30": "30", "30 days": "30", "Net 90": "90"})


def test_a_code_says_which_values_map_to_it_and_a_row_that_leads_nowhere_is_told() -> None:
    found = report(
        [
            seen("terms", "30", facts={"days": 30, "type": ""}),
            seen("terms", "14", active=False),
            seen("terms", "60", gone=True),
            seen("tax", "25", facts={"rate": Decimal("0.25")}),
        ],
        {("terms", "terms"): TERMS},
        {("terms", "terms", "Cash"): 4},
    )
    by_code = {row.code: row for row in found.rows}
    assert by_code["30"].from_crm == ("30 days", "Net 30")
    assert by_code["30"].facts == {"days": 30}
    assert (by_code["14"].active, by_code["14"].gone) == (False, False)
    assert (by_code["60"].active, by_code["60"].gone) == (False, True)
    assert [(one.value, one.records) for one in found.unmapped] == [("Cash", 4)]
    assert [(one.value, one.code) for one in found.nowhere] == [("Net 90", "90")]
    assert facts_text(by_code["25"].facts) == "rate 0.25"
    lines = csv_text(found).splitlines()
    assert lines[0].startswith("books,kind,code")
    assert lines[1] == "visma,terms,30,30,yes,days 30,30 days; Net 30"


def test_a_kind_that_the_books_do_not_tell_of_is_not_held_against_a_table() -> None:
    found = report([seen("tax", "25")], {("terms", "terms"): TERMS}, {})
    assert found.nowhere == ()


def test_targets_name_kinds() -> None:
    assert [kind_of(t) for t in ("terms", "dimensions.cost_center", "currency", "name")] == [
        "terms",
        "cost_center",
        "currency",
        "",
    ]


def test_terms_are_named_as_people_know_them_and_other_codes_by_their_code() -> None:
    netto = {"name": "30 dagar netto", "facts": {"days": 30, "english": "30 days net"}}
    rows = {"Net 30": "30 Dagar netto", "30 days": "30 days net", "Thirty": "30", "Cash": "Kontant"}
    found = report(
        [seen("terms", "30", **netto), seen("cost_center", "100", name="Stockholm")],
        {
            ("terms", "terms"): ValueTable(name="terms", rows=rows),
            ("cost_center", "regions"): ValueTable(name="regions", rows={"North": "Stockholm"}),
        },
        {},
    )
    assert [row.from_crm for row in found.rows] == [("30 days", "Net 30", "Thirty"), ()]
    assert [(one.value, one.code) for one in found.nowhere] == [
        ("North", "Stockholm"),
        ("Cash", "Kontant"),
    ]
