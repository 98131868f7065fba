"""Values on Tryton's wire, settings, words in comments, prices, terms and taxes. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.connectors.http.json import dumps, loads
from tieout.connectors.tryton import TrytonSettings, documents
from tieout.connectors.tryton.books import Books, Currency, tax_codes, tax_ids, terms_of
from tieout.connectors.tryton.predict import Tax, line_amount
from tieout.connectors.tryton.values import Number, call_body, decoded, encoded
from tieout.core.money import line_net

D = Decimal
STEP = D("0.01")


def test_values_go_out_and_come_back() -> None:
    when = datetime(2026, 11, 25, 18, 5, 35, 990001, tzinfo=UTC)
    values = {
        "money": D("0.10"),
        "day": date(2026, 11, 25),
        "when": when,
        "file": b"hello",
        "list": [["create", [{"n": D("9000.00")}]]],
        "nothing": None,
    }
    assert decoded(loads(dumps(encoded(values)))) == values
    assert str(decoded(loads(dumps(encoded(D("9000.00")))))) == "9000.00"


def test_a_call_has_three_keys_and_a_quantity_is_a_bare_number() -> None:
    body = call_body("model.x.create", [[{"quantity": Number(D("7.50"))}], {"company": 1}])
    assert list(loads(body)) == ["id", "method", "params"]
    assert b'"quantity":7.50' in body


def test_settings_as_they_are_stored() -> None:
    made = TrytonSettings.from_mapping(
        {
            "database": "books",
            "batch": "50",
            "orders": "true",
            "discount_journals": "CASHD, KASSA",
            "tax_rules": {"eu_service_reverse_charge": "EU"},
        }
    )
    assert (made.batch, made.orders) == (50, True)
    assert made.discount_journals == ("CASHD", "KASSA")
    assert list(made.problems()) == []
    with pytest.raises(ValueError, match="no such setting"):
        TrytonSettings.from_mapping({"datbase": "books"})


@pytest.mark.parametrize(
    "wrong",
    [
        {"database": ""},
        {"database": "a/b"},
        {"carrier": "nowhere"},
        {"api_url": "http://erp.example"},
        {"batch": 1000},
        {"tax_rules": {"somehow": "EU"}},
        {"overlap_s": -1},
    ],
)
def test_settings_that_are_wrong_are_told(wrong: dict[str, object]) -> None:
    made = TrytonSettings(**{"database": "books", **wrong})  # type: ignore[arg-type]
    assert len(list(made.problems())) == 1


def test_words_stand_in_the_comment_beside_what_people_wrote() -> None:
    before = "Tack för ordern!\nYour reference: Gammal\nRing innan leverans"
    after = documents.with_words(before, {"your_reference": "Kim Lund", "our_reference": ""})
    assert after == "Your reference: Kim Lund\nTack för ordern!\nRing innan leverans"
    assert documents.words_of(after)["your_reference"] == "Kim Lund"
    assert documents.with_words(after, {"your_reference": ""}) == (
        "Tack för ordern!\nRing innan leverans"
    )


def test_the_key_stands_behind_the_reference_where_there_is_no_column() -> None:
    carried = documents.with_key("PO-4711", "K8XSKF8E91JBGD00")
    assert carried == "PO-4711 ref K8XSKF8E91JBGD00"
    assert documents.without_key(carried) == "PO-4711"
    assert documents.without_key("ref 12 och mer") == "ref 12 och mer"


def test_half_a_cent_that_tryton_would_drop_is_in_the_price() -> None:
    made = documents.price_to_write(D("1.5"), D("99.95"), D(0), "SEK", STEP)
    assert made == D("99.9501")
    assert line_amount(D("1.5"), made, STEP) == D("149.93")
    # Where it agrees the price is untouched, digits and all.
    assert str(documents.price_to_write(D(3), D("9000.00"), D(0), "SEK", STEP)) == "9000.00"


def test_a_price_that_cannot_show_what_was_sold_is_none() -> None:
    assert documents.price_to_write(D(3_000_001), D("0.333333"), D("0.1"), "SEK", STEP) is None


@given(
    quantity=st.decimals("0.01", "100", places=2),
    price=st.decimals("0.01", "10000", places=2),
    percent=st.integers(0, 100),
)
def test_a_line_shows_what_was_sold_and_is_read_as_it_was_said(
    quantity: Decimal, price: Decimal, percent: int
) -> None:
    discount = D(percent) / 100
    written = documents.price_to_write(quantity, price, discount, "SEK", STEP)
    assert written is not None
    assert line_amount(quantity, written, STEP) == line_net(quantity, price, discount)
    row = {"unit_price": written, "quantity": quantity,
           "note": documents.price_note(price, discount)}  # fmt: skip
    assert documents.price_shown(row, "SEK", STEP) == (price, discount)
    edited = {**row, "unit_price": written + D("0.5")}
    assert documents.price_shown(edited, "SEK", STEP) == (written + D("0.5"), 0)


def _term(number: int, name: str, *lines: dict[str, object]) -> dict[str, object]:
    return {"id": number, "name": name, "lines.": list(lines)}


def _rest(**delta: int) -> dict[str, object]:
    return {"type": "remainder", "relativedeltas.": [delta] if delta else []}


def test_terms_are_called_by_their_days_where_that_says_it_all() -> None:
    codes, ids, days = terms_of(
        [
            _term(1, "Upon Receipt", _rest()),
            _term(4, "Net 30 days", _rest(days=30)),
            _term(5, "Four weeks", _rest(weeks=2, days=1)),
            _term(6, "End of Month", _rest(day=31)),
            _term(7, "Halves", {"type": "percent"}, _rest(days=30)),
            _term(8, "Fifteen", _rest(days=15)),
        ]
    )
    assert codes == {1: "0", 4: "30", 5: "Four weeks", 6: "End of Month", 7: "Halves", 8: "Fifteen"}
    assert (ids["30"], ids["net 30 days"], ids["halves"], ids["6"]) == (4, 4, 7, 6)
    assert days == {1: 0, 4: 30, 5: 15, 8: 15}


def test_taxes_as_a_code() -> None:
    assert (tax_codes([4, 1]), tax_ids("1+4"), tax_ids("0"), tax_ids("25 %")) == (
        "1+4",
        (1, 4),
        (),
        None,
    )


def test_a_tax_rule_replaces_adds_and_leaves_alone() -> None:
    rule = {"lines.": [
        {"origin_tax": 1, "group": 1, "tax": 4, "keep_origin": False},
        {"origin_tax": 2, "group": 1, "tax": None, "keep_origin": False},
        {"origin_tax": 3, "group": 1, "tax": 4, "keep_origin": True},
    ]}  # fmt: skip
    books = Books(
        connection="b",
        currency=Currency(id=1, code="SEK", rounding=STEP),
        rules={"eu": rule},
        tax_groups=dict.fromkeys((1, 2, 3, 5), 1),
        taxes={1: Tax(id=1, rate=D("0.25")), 4: Tax(id=4, rate=D(0))},
    )
    assert books.applied("EU", (1,)) == (4,)
    assert books.applied("EU", (2,)) == ()
    assert books.applied("EU", (3,)) == (4, 3)
    assert books.applied("EU", (5,)) == (5,)
    assert books.applied("nobody", (1,)) is None
    assert (books.rate_of((1, 4)), books.rate_of((5,))) == (D("0.25"), None)
