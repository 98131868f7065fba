"""Numbers keep their digits on the way in and out."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.connectors.http.json import as_decimal, dumps, loads


def test_scale_is_kept_both_ways() -> None:
    value = loads(b'{"a":0.10,"b":9000.00,"c":12}')
    assert str(value["a"]) == "0.10"
    assert str(value["b"]) == "9000.00"
    assert value["c"] == 12
    assert isinstance(value["c"], int)
    assert dumps(value) == b'{"a":0.10,"b":9000.00,"c":12}'


@pytest.mark.parametrize(
    ("value", "text"),
    [("1E+3", b"1000"), ("1E-7", b"0.0000001"), ("0E-10", b"0.0000000000"), ("-2.50", b"-2.50")],
)
def test_no_exponent_leaves(value: str, text: bytes) -> None:
    assert dumps([Decimal(value)]) == b"[" + text + b"]"


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4))
def test_any_amount_comes_back_equal(value: Decimal) -> None:
    assert as_decimal(loads(dumps({"v": value}))["v"]) == value


def test_floats_and_no_numbers_are_refused() -> None:
    with pytest.raises(TypeError):
        dumps({"a": [0.1]})
    with pytest.raises(ValueError, match="NaN"):
        dumps(Decimal("NaN"))


def test_what_is_no_json_is_a_value_error() -> None:
    no_number = b"1e99999999999999999999"
    for body in (
        b"",
        b"<html>",
        b'{"a":',
        b"\xff\xfe",
        no_number,
        b'["\\ud83d", ' + no_number + b"]",
    ):
        with pytest.raises(ValueError):
            loads(body)


def test_only_numbers_are_decimals() -> None:
    assert as_decimal("1.0") is None
    assert as_decimal(True) is None
    assert as_decimal(None) is None


def test_a_name_that_no_store_keeps_does_not_keep_out_its_page() -> None:
    body = (
        rb'{"n":"Nul\u0000 AB","k\u0000":[9000.00,{"t":"cut \uD83D"}],"ok":"\ud83d\ude80 \\u0000"}'
    )
    value = loads(body)
    assert value == {
        "n": "Nul AB",
        "k": [Decimal("9000.00"), {"t": "cut \ufffd"}],
        "ok": "\U0001f680 \\u0000",
    }
    assert str(value["k"][0]) == "9000.00"
    assert loads(rb'"Nul\u0000 AB"') == "Nul AB"
    assert loads(body.decode()) == value


def test_half_of_a_pair_opens_no_door_for_what_is_no_json() -> None:
    for body in (b'{"a":"\\ud83d","b":NaN}', b'{"a":"\\ud83d"', b'["\\ud83d"]x', b'"\\ud83d\xff"'):
        with pytest.raises(ValueError):
            loads(body)
