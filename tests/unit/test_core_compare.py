from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from support.cases import SE12, SE25, books_ref, customer, deal, line, text_line
from tieout.core.compare import (
    DOCUMENT_FIELDS,
    Verdict,
    billed,
    compare,
    differing,
    same_sale,
    tax_moved,
)
from tieout.core.digest import digest
from tieout.core.keys import KeyKind
from tieout.core.model import Document, Line, Totals
from tieout.core.scope import customer_scope, deal_scope, record_scope


def document(*lines: Line, **more: object) -> Document:
    given = {"customer": books_ref("customer", "318"), "currency": "SEK", **more}
    return Document(lines=lines or (line(),), **given)  # type: ignore[arg-type]


# --- who moved -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "base_wanted", "shown", "base_shown", "verdict"),
    [
        ("a", "a", "a", "a", Verdict.AGREED),
        ("b", "a", "a", "a", Verdict.SOURCE_CHANGED),
        ("a", "a", "b", "a", Verdict.TARGET_CHANGED),
        ("b", "a", "c", "a", Verdict.BOTH_CHANGED),
        ("b", "a", "b", "a", Verdict.AGREED),
        # A name cut to three characters is no edit, and the next change is seen against the pair.
        ("abcdef", "abcdef", "abc", "abc", Verdict.AGREED),
        ("xyzdef", "abcdef", "abc", "abc", Verdict.SOURCE_CHANGED),
        ("abcdef", "abcdef", "abq", "abc", Verdict.TARGET_CHANGED),
        ("xyz", "abcdef", "abq", "abc", Verdict.BOTH_CHANGED),
        # Shortened in the CRM to what the books show already: nothing to write.
        ("abc", "abcdef", "abc", "abc", Verdict.AGREED),
        # Written out in the books as the CRM has it: no edit any more.
        ("abcdef", "abcdef", "abcdef", "abc", Verdict.AGREED),
    ],
)
def test_who_moved(
    wanted: str, base_wanted: str, shown: str, base_shown: str, verdict: Verdict
) -> None:
    assert compare(wanted, base_wanted, shown, base_shown) is verdict


def test_content_is_compared_not_scale_dates_or_results() -> None:
    one = document(line(price="1000.0"))
    other = document(
        line(price="1000.00", stated_net=Decimal(5), tax_rate=SE25),
        issue_date=date(2026, 11, 1),
        number="1038",
        booked=True,
        version="2",
        our_reference="Maria Ek",
        totals=Totals(currency="SEK", net=Decimal(1), tax=Decimal(0), gross=Decimal(1)),
    )
    assert differing(one, other, DOCUMENT_FIELDS) == ()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"customer": books_ref("customer", "9")}, "customer"),
        ({"currency": "EUR"}, "currency"),
        ({"terms": "30"}, "terms"),
        ({"po_number": "7"}, "po_number"),
        ({"your_reference": "Anna"}, "your_reference"),
        ({"buyer_reference": "B"}, "buyer_reference"),
        ({"delivered_on": date(2026, 1, 1)}, "delivered_on"),
        ({"lines": (line(quantity="2"),)}, "lines"),
        ({"lines": (line(price="999"),)}, "lines"),
        ({"lines": (line(discount="0.1"),)}, "lines"),
        ({"lines": (line("GOODS"),)}, "lines"),
        ({"lines": (line(text="another word"),)}, "lines"),
        ({"lines": (line(dimensions={"cost_centre": "10"}),)}, "lines"),
        ({"lines": (line(), text_line("a", 2))}, "lines"),
    ],
)
def test_every_field_of_the_content_counts(change: dict[str, object], field: str) -> None:
    changed = replace(document(), **change)  # type: ignore[arg-type]
    assert differing(document(), changed, DOCUMENT_FIELDS) == (field,)


def test_nothing_to_compare_with_differs_in_all() -> None:
    assert differing(document(), None, frozenset({"terms", "lines"})) == ("lines", "terms")


def test_fields_of_other_records() -> None:
    left, right = customer(), customer(name="Tallmo AB", terms="30")
    assert differing(left, right, frozenset({"name", "emails", "no_such"})) == ("name",)


# --- the same sale -------------------------------------------------------------------------------


def test_a_cut_text_a_default_and_a_text_row_are_the_same_sale() -> None:
    wanted = document(line(text="Consulting in October"), terms="")
    shown = document(
        line(text="Consulting in", dimensions={"branch": "1"}), text_line("Ref K", 2), terms="30"
    )
    assert same_sale(wanted, shown)


@pytest.mark.parametrize(
    "shown",
    [
        document(line(price="999.99")),
        document(line("GOODS", name="CONS")),
        document(line(), line(position=2)),
        document(line(), customer=books_ref("customer", "9")),
        document(line(), currency="EUR"),
        document(line(text="Something else")),
    ],
)
def test_another_sale(shown: Document) -> None:
    assert not same_sale(document(), shown)


def test_what_is_billed_has_no_words() -> None:
    assert billed(document(line(text="a"), text_line("b", 2))) == billed(
        document(line("GOODS", text="c"))
    )
    assert billed(document()) != billed(document(line(quantity="2", price="500")))


def test_vat_moves_only_where_it_is_known_on_both_sides() -> None:
    at_25, at_12 = document(line(tax_rate=SE25)), document(line(tax_rate=SE12))
    assert tax_moved(at_25, at_12)
    assert tax_moved(document(line(tax_code="A")), document(line(tax_code="B")))
    assert not tax_moved(at_25, document(line(tax_rate=Decimal("0.250"))))
    assert not tax_moved(at_25, document(line()))
    assert not tax_moved(document(line()), at_25)
    assert not tax_moved(at_25, document(line(tax_rate=SE12), line(position=2)))
    assert not tax_moved(at_25, None)
    # Another item on the line is another line, whatever its VAT.
    assert not tax_moved(at_25, document(line("FOOD", tax_rate=SE12)))


# --- digests -------------------------------------------------------------------------------------


def test_equal_values_have_equal_digests() -> None:
    assert digest(Decimal("1.0")) == digest(Decimal("1.00")) == digest(Decimal("1E+0"))
    assert digest(Decimal("-0.00")) == digest(Decimal("0"))
    assert digest(Decimal("100")) == digest(Decimal("1E+2"))
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert digest(frozenset({"x", "y"})) == digest({"y", "x"})
    assert digest(KeyKind.DOCUMENT) == digest("D")


def test_different_values_have_different_digests() -> None:
    values = [
        None,
        True,
        1,
        Decimal("1.5"),
        Decimal("0.000000000000000000000000000001"),
        Decimal("1.000000000000000000000000000001"),
        "",
        "a",
        ("a",),
        ("a", "b"),
        ("ab",),
        {"a": "b"},
        date(2026, 10, 31),
        datetime(2026, 10, 31, tzinfo=UTC),
        books_ref("customer", "1"),
        books_ref("customer", "2"),
    ]
    assert len({digest(value) for value in values}) == len(values)
    assert digest("a", "b") != digest("ab")


# --- scopes --------------------------------------------------------------------------------------


def test_a_scope_has_our_names_and_the_vendors_paths() -> None:
    made = customer(extra={"Owner.Name": "M", "Owner.Email": "m@x.example", "Tier__c": "A"})
    scope = customer_scope(made)
    assert scope is not None
    assert scope["Owner"] == {"Name": "M", "Email": "m@x.example"}
    assert scope["Tier__c"] == "A"
    assert scope["billing"]["postcode"] == "111 22"
    assert scope["shipping"] is None
    assert scope["email"] == "faktura@tallmo.example"
    assert record_scope(None) is None


@pytest.mark.parametrize("asked", ["line.Product2.Name", "Product2.Name"])
def test_a_field_of_a_line_stands_in_the_scope_of_the_line(asked: str) -> None:
    scope = record_scope(Line(position=1, extra={asked: "Montage"}))
    assert scope is not None
    assert scope["Product2"] == {"Name": "Montage"}
    assert "line" not in scope


def test_a_scope_never_writes_into_the_record() -> None:
    emails = {"invoice": "a@x.example"}
    made = customer(emails=emails, extra={"emails.billing": "b@x.example"})
    scope = record_scope(made)
    assert scope is not None
    assert scope["emails"] == {"invoice": "a@x.example", "billing": "b@x.example"}
    assert emails == {"invoice": "a@x.example"}


def test_a_deal_without_customer_or_contact_has_them_empty() -> None:
    scope = deal_scope(deal(), None)
    assert scope["customer"] is None
    assert scope["contact"] is None
    assert scope["deal"]["won"] is True
