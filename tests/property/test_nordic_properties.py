"""What holds for every number, name, reference and amount, not only for those we thought of."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tieout.nordic.countries import country_code, post_code
from tieout.nordic.identifiers import KINDS, parse_company_number, parse_identifier, same_company
from tieout.nordic.names import compare_names, fold_name
from tieout.nordic.payment_references import check_reference, find_reference, make_reference
from tieout.nordic.payment_terms import (
    DueDate,
    Terms,
    due_date,
    next_business_day,
    overdue_from,
    parse_terms,
)
from tieout.nordic.reasons import REASONS
from tieout.nordic.rounding import Line, document_totals, payable_amount, round_amount
from tieout.nordic.vat_treatment import SaleFacts, decide_treatment

no_deadline = settings(deadline=None)  # other tests share the machine

DAYS = st.dates(date(2000, 1, 1), date(2040, 12, 31))
COUNTRIES = st.sampled_from(["SE", "FI", "NO", "DK", "IS", None])
DIGITS = "0123456789"


def luhn_digit(base: str) -> str:
    total = 0
    for place, digit in enumerate(reversed(base)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def mod11_digit(base: str, weights: tuple[int, ...]) -> str | None:
    value = -sum(int(d) * w for d, w in zip(base, weights, strict=True)) % 11
    return None if value == 10 else str(value)


def digits(size: int) -> st.SearchStrategy[str]:
    return st.text(DIGITS, min_size=size, max_size=size)


@st.composite
def swedish(draw: st.DrawFn) -> str:
    base = draw(st.sampled_from("123456789")) + draw(digits(1)) + draw(st.sampled_from("23456789"))
    base += draw(digits(6))
    return base + luhn_digit(base)


def by_mod11(first: str, size: int, weights: tuple[int, ...]) -> st.SearchStrategy[str]:
    @st.composite
    def build(draw: st.DrawFn) -> str:
        base = draw(st.sampled_from(first)) + draw(digits(size - 1))
        check = mod11_digit(base, weights)
        assume(check is not None)
        return base + str(check)

    return build()


finnish = by_mod11("0123456789", 7, (7, 9, 10, 5, 8, 4, 2)).filter(lambda n: n != "00000000")
norwegian = by_mod11("89", 8, (3, 2, 7, 6, 5, 4, 3, 2))
danish = by_mod11("123456789", 7, (2, 7, 6, 5, 4, 3, 2))


@st.composite
def icelandic(draw: st.DrawFn) -> str:
    born = draw(st.dates(date(1900, 1, 1), date(2025, 12, 31)))
    base = f"{born.day + 40:02d}{born:%m%y}" + draw(digits(2))
    check = mod11_digit(base, (3, 2, 7, 6, 5, 4, 3, 2))
    assume(check is not None)
    return f"{base}{check}{'9' if born.year < 2000 else '0'}"


@st.composite
def estonian(draw: st.DrawFn) -> str:
    base = "10" + draw(digits(6))
    weights = (3, 7, 1, 3, 7, 1, 3, 7)
    return base + str(-sum(int(d) * w for d, w in zip(base, weights, strict=True)) % 10)


@st.composite
def location(draw: st.DrawFn) -> str:
    base = draw(st.sampled_from("123456789")) + draw(digits(11))
    total = sum(int(d) * (1 if place % 2 == 0 else 3) for place, d in enumerate(base))
    return base + str(-total % 10)


# Kind: country, numbers, how many digits from the left the check digit covers, labels.
KINDS_WITH_CHECK: dict[str, tuple[str | None, st.SearchStrategy[str], int, tuple[str, ...]]] = {
    "se.orgnr": ("SE", swedish(), 10, ("", "Org.nr: ", "organisationsnummer ", "SE ")),
    "fi.ytunnus": ("FI", finnish, 8, ("", "Y-tunnus: ", "FO-nummer ", "FI")),
    "no.orgnr": ("NO", norwegian, 9, ("", "Org.nr. ", "Foretaksregisteret ", "NO ")),
    "dk.cvr": ("DK", danish, 8, ("", "CVR-nr. ", "SE-nr. ", "DK", "SE ")),
    "is.kennitala": ("IS", icelandic(), 9, ("", "kt. ", "Kennitala: ", "IS")),
    "ee.kmkr": ("EE", estonian(), 9, ("", "KMKR ", "EE", "VAT no. EE")),
    "gln": (None, location(), 13, ("", "GLN ", "0088:")),
}
FULL_WIDTH = str.maketrans(DIGITS, "０１２３４５６７８９")


@st.composite
def written_forms(draw: st.DrawFn, number: str, labels: tuple[str, ...]) -> str:
    """The number as people type it: label, case, separators between digits, invisible signs."""
    gaps = st.sampled_from(["", "", "", " ", "\u00a0", "-", "\u2013", ".", "\u200b", "\u00ad"])
    body = "".join(digit + draw(gaps) for digit in number[:-1]) + number[-1]
    if draw(st.booleans()):
        body = body.translate(FULL_WIDTH)
    text = draw(st.sampled_from(labels)) + body
    text = text.lower() if draw(st.booleans()) else text.upper()
    return (
        draw(st.sampled_from(["", " ", "\ufeff", "\t"])) + text + draw(st.sampled_from(["", " "]))
    )


@pytest.mark.parametrize("kind", KINDS_WITH_CHECK)
@no_deadline
@given(data=st.data())
def test_all_written_forms_of_a_number_have_one_key(kind: str, data: st.DataObject) -> None:
    country, numbers, _, labels = KINDS_WITH_CHECK[kind]
    number = data.draw(numbers)
    plain = parse_identifier(number, country, kind)
    written = parse_identifier(data.draw(written_forms(number, labels)), country, kind)
    assert plain.state == written.state == "valid"
    assert plain.key == written.key
    assert plain.display == written.display
    assert same_company(plain, written) == (kind != "gln")


@pytest.mark.parametrize("kind", KINDS_WITH_CHECK)
@no_deadline
@given(data=st.data())
def test_normal_and_display_forms_are_read_back(kind: str, data: st.DataObject) -> None:
    country, numbers, _, _ = KINDS_WITH_CHECK[kind]
    found = parse_identifier(data.draw(numbers), country, kind)
    for form in (found.normal, found.display):
        again = parse_identifier(form or "", country, kind)
        assert (again.key, again.normal, again.state) == (found.key, found.normal, "valid")


@pytest.mark.parametrize("kind", KINDS_WITH_CHECK)
@no_deadline
@given(data=st.data())
def test_check_digits_catch_every_single_wrong_digit(kind: str, data: st.DataObject) -> None:
    country, numbers, covered, _ = KINDS_WITH_CHECK[kind]
    number = data.draw(numbers)
    place = data.draw(st.integers(0, covered - 1))
    other = data.draw(st.sampled_from(DIGITS.replace(number[place], "")))
    wrong = number[:place] + other + number[place + 1 :]
    found = parse_identifier(wrong, country, kind)
    # A changed first digit can make an Icelandic company a person, whose check digit is no proof.
    assert found.state in ("invalid", "doubtful")
    if found.state == "doubtful":
        assert kind == "is.kennitala"
        assert found.personal
    assert not same_company(found, parse_identifier(number, country, kind))


@no_deadline
@given(born=st.dates(date(1900, 1, 1), date(2025, 12, 31)), serial=st.integers(1, 999))
def test_a_personal_number_is_never_printed(born: date, serial: int) -> None:
    base = f"{born:%y%m%d}{serial:03d}"
    number = base + luhn_digit(base)
    for raw in (number, f"{number[:6]}-{number[6:]}", f"{born:%Y}{number[2:]}", f"SE{number}01"):
        found = parse_company_number(raw, "SE")
        assert found.key == "SE" + number
        for kind in KINDS:
            shown = parse_identifier(raw, "SE", kind)
            if shown.state == "valid" and not kind.startswith("se."):
                continue  # the same digits are a company's number of another country
            for text in (str(shown), repr(shown), f"{shown}", shown.masked()):
                plain = re.sub(r"\D", "", text)
                assert number not in plain
                assert number[:6] not in plain
                assert number[6:] not in plain


@no_deadline
@given(raw=st.text(max_size=40), country=COUNTRIES, kind=st.sampled_from(sorted(KINDS)))
def test_any_text_gets_an_answer(raw: str, country: str | None, kind: str) -> None:
    found = parse_identifier(raw, country, kind)
    assert (found.normal is None) == (found.state in ("invalid", "absent"))
    assert (found.reason is None) == (found.state == "valid")
    repr(found)


NAMES = st.text(
    st.one_of(
        st.sampled_from("abåäöæøüðþßéÅÄÖÆØ &-./'’() ABOYSaa"),
        st.characters(exclude_categories=("Cs",)),
    ),
    max_size=30,
)
WORDS = """Ab AB Oy Oyj as A/S ApS (publ) och & og Volvo Åkesson Aa Foo hf. ehf S.E.B. A. P. Óg Áb
    filial Stiftelsen Ek. för. initio x"""
WORDY_NAMES = st.lists(st.sampled_from(WORDS.split()), max_size=8).map(" ".join)


@no_deadline
@given(name=st.one_of(NAMES, WORDY_NAMES), country=COUNTRIES)
def test_folding_is_idempotent(name: str, country: str | None) -> None:
    once = fold_name(name, country)
    twice = fold_name(once.text, country)
    assert (twice.text, twice.plain, twice.key) == (once.text, once.plain, once.key)
    assert twice.spellings == once.spellings
    assert twice.forms == frozenset()


@no_deadline
@given(a=st.one_of(NAMES, WORDY_NAMES), b=st.one_of(NAMES, WORDY_NAMES), country=COUNTRIES)
def test_comparing_is_symmetric_and_a_name_equals_itself(
    a: str, b: str, country: str | None
) -> None:
    assert compare_names(a, country, a, country) == "same"
    assert compare_names(a, country, b, country) == compare_names(b, country, a, country)


@no_deadline
@given(name=WORDY_NAMES)
def test_two_countries_are_two_companies(name: str) -> None:
    assert compare_names(name, "SE", name, "FI") == "different"


REFERENCES = {
    "se.ocr.check": (1, 24),
    "se.ocr.length": (1, 23),
    "fi.viite": (3, 19),
    "rf": (1, 21),
    "no.kid.mod10": (1, 24),
    "no.kid.mod11": (1, 24),
}


@pytest.mark.parametrize("kind", REFERENCES)
@no_deadline
@given(data=st.data())
def test_a_made_reference_passes_and_any_wrong_digit_fails(kind: str, data: st.DataObject) -> None:
    shortest, longest = REFERENCES[kind]
    first = st.sampled_from("123456789")  # a Finnish reference has no leading zero
    base = data.draw(first) + data.draw(
        st.text(DIGITS, min_size=shortest - 1, max_size=longest - 1)
    )
    reference = make_reference(kind, base)
    assert check_reference(kind, reference).normal == reference
    assert find_reference(reference, [reference, reference + "0"]) == (reference,)
    start = 2 if kind == "rf" else 0
    place = data.draw(st.integers(start, len(reference) - 1))
    other = data.draw(st.sampled_from(DIGITS.replace(reference[place], "")))
    wrong = reference[:place] + other + reference[place + 1 :]
    assert check_reference(kind, wrong).state == "invalid"


@no_deadline
@given(
    days=st.integers(0, 400), invoice=DAYS, unit=st.sampled_from(["dagar", "dage", "pv", "days"])
)
def test_days_are_calendar_days(days: int, invoice: date, unit: str) -> None:
    terms = parse_terms(f"{days} {unit} netto")
    assert isinstance(terms, Terms)
    found = due_date(terms, invoice)
    assert isinstance(found, DueDate)
    assert found.day - invoice == timedelta(days=days)


@no_deadline
@given(months=st.integers(1, 36), invoice=DAYS)
def test_months_keep_the_day_or_clip_it(months: int, invoice: date) -> None:
    found = due_date(Terms(months=months), invoice)
    assert isinstance(found, DueDate)
    passed = (found.day.year - invoice.year) * 12 + found.day.month - invoice.month
    assert passed == months
    assert found.day.day <= invoice.day
    assert found.day.day == invoice.day or (found.day + timedelta(days=1)).day == 1


@no_deadline
@given(due=DAYS, country=st.sampled_from(["SE", "FI", "NO", "DK", "IS"]))
def test_nothing_is_overdue_on_a_day_before_money_can_move(due: date, country: str) -> None:
    moved = next_business_day(due, country)
    assert due <= moved <= due + timedelta(days=6)
    assert overdue_from(due, country) == moved + timedelta(days=1)


AMOUNTS = st.decimals(Decimal("-1e9"), Decimal("1e9"), places=4)
LINES = st.lists(
    st.builds(
        Line,
        net=st.decimals(Decimal("-1e6"), Decimal("1e6"), places=2),
        rate=st.sampled_from([Decimal(text) for text in ("0", "6", "12", "13.5", "25", "25.5")]),
    ),
    min_size=1,
    max_size=12,
)


@no_deadline
@given(amount=AMOUNTS, places=st.integers(0, 3))
def test_rounding_is_near_mirrored_and_stable(amount: Decimal, places: int) -> None:
    found = round_amount(amount, places)
    assert abs(found - amount) <= Decimal(1).scaleb(-places) / 2
    assert round_amount(-amount, places) == -found
    assert round_amount(found, places) == found
    assert not (found.is_zero() and found.is_signed())


@no_deadline
@given(lines=LINES)
def test_totals_add_up_and_a_credit_note_mirrors_its_invoice(lines: list[Line]) -> None:
    credit = [Line(net=-line.net, rate=line.rate) for line in lines]
    for method in ("per_rate", "per_line"):
        found = document_totals(lines, "SEK", method=method, rule="whole_krona")  # type: ignore[arg-type]
        assert found.total == found.net + found.vat
        assert found.vat == sum(vat for _, vat in found.vat_by_rate)
        assert found.payable == found.total + found.rounding
        assert found.payable == found.payable.to_integral_value()
        assert abs(found.rounding) <= Decimal("0.50")
        mirror = document_totals(credit, "SEK", method=method, rule="whole_krona")  # type: ignore[arg-type]
        assert (mirror.total, mirror.payable) == (-found.total, -found.payable)


@no_deadline
@given(amount=AMOUNTS, currency=st.sampled_from(["EUR", "NOK", "DKK", "ISK"]))
def test_only_swedish_kronor_are_rounded_by_the_swedish_rule(
    amount: Decimal, currency: str
) -> None:
    exact = payable_amount(amount, currency, "none")
    assert payable_amount(amount, currency, "whole_krona") == exact


@no_deadline
@given(text=st.text(max_size=20), place=st.sampled_from(["SE", "FI", "NO", "DK", "IS", "GB", "US"]))
def test_a_post_code_is_stable_once_read(text: str, place: str) -> None:
    code = country_code(text)
    assert code is None or country_code(code) == code
    found = post_code(text, place)
    if found is not None:
        assert post_code(found.display, place) == found
        assert post_code(found.normal, place) == found


@no_deadline
@given(number=st.text(DIGITS, min_size=6, max_size=7).filter(lambda text: text.strip("0") != ""))
def test_giro_numbers_catch_every_single_wrong_digit(number: str) -> None:
    whole = number + luhn_digit(number)
    for kind in ("se.bankgiro", "se.plusgiro"):
        assert check_reference(kind, whole).normal == whole
        for place in range(len(whole)):
            for digit in DIGITS.replace(whole[place], ""):
                wrong = whole[:place] + digit + whole[place + 1 :]
                assert check_reference(kind, wrong).state == "invalid"


PLACES = st.sampled_from(["SE", "FI", "NO", "DK", "IS", "DE", "AX", "XI", "GB", "MC", "US", "GL"])
MAYBE_PLACES = st.one_of(st.none(), PLACES)
YES_NO_OR_UNKNOWN = st.sampled_from([True, False, None])
TAX_CLASSES = """standard food book health construction mobile_phone scrap gold consulting
    restaurant electronic_service local_service passenger_transport unmapped flowers"""
SALES = st.builds(
    SaleFacts,
    seller=st.sampled_from(["SE", "FI", "DK", "NO", "IS"]),
    buyer=MAYBE_PLACES,
    business=YES_NO_OR_UNKNOWN,
    vat_state=st.sampled_from(["valid", "invalid", "unknown", "absent"]),
    vat_prefix=st.sampled_from(["SE", "FI", "DK", "DE", "EL", "XI", "GB", "NO", None]),
    kind=st.sampled_from(["goods", "service"]),
    tax_class=st.sampled_from(TAX_CLASSES.split()),
    day=st.dates(date(2015, 1, 1), date(2028, 12, 31)),
    ship_to=MAYBE_PLACES,
    ships_from=st.sampled_from([None, "SE", "FI"]),
    place=MAYBE_PLACES,
    buyer_sells_construction=YES_NO_OR_UNKNOWN,
    class_net_total=st.sampled_from([None, Decimal(1), Decimal("100000.01")]),
    oss=YES_NO_OR_UNKNOWN,
    below_threshold=YES_NO_OR_UNKNOWN,
    collected_for_export=st.booleans(),
    proof_buyer_established_abroad=st.booleans(),
    international=st.booleans(),
)


@no_deadline
@given(facts=SALES)
def test_every_sale_is_decided_or_held_with_a_reason(facts: SaleFacts) -> None:
    found = decide_treatment(facts)
    if found.held:
        assert found.reason in REASONS
        assert (found.rate, found.ec_list, found.numbers_on_invoice) == (None, None, ())
        return
    assert (found.rate is None) == (found.code == "exempt")
    assert found.approval == (found.reason is not None)
    assert found.basis
    assert found.numbers_on_invoice
    assert found.vat_category is not None


@no_deadline
@given(facts=SALES)
def test_an_unverified_number_never_exempts_and_never_becomes_domestic_vat(
    facts: SaleFacts,
) -> None:
    unverified = decide_treatment(replace(facts, vat_state="unknown"))
    needs_a_number = {
        "eu_goods_exempt",
        "eu_service_reverse_charge",
        "domestic_reverse_charge",
        "foreign_local_reverse_charge",
    }
    assert unverified.code not in needs_a_number
    assert unverified.reason not in ("no_valid_number", "number_not_eu")
    if decide_treatment(replace(facts, vat_state="valid")).code in needs_a_number:
        assert unverified.held


@no_deadline
@given(facts=SALES)
def test_norway_and_iceland_are_never_in_the_union(facts: SaleFacts) -> None:
    found = decide_treatment(facts)
    if facts.seller in ("NO", "IS"):
        assert found.code not in ("eu_goods_exempt", "eu_service_reverse_charge", "oss_destination")
        assert found.ec_list in ("none", None)
