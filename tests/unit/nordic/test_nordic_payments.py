"""Payment terms, payment references, e-invoice addresses and rounding."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tieout.nordic.einvoice import candidate, candidates, check_address, rewrite, scheme
from tieout.nordic.identifiers import parse_identifier
from tieout.nordic.payment_references import (
    KINDS,
    check_reference,
    find_reference,
    make_fik,
    make_reference,
)
from tieout.nordic.payment_terms import (
    DueDate,
    Terms,
    Unresolved,
    due_date,
    is_business_day,
    next_business_day,
    overdue_from,
    parse_terms,
)
from tieout.nordic.rounding import (
    COUNTRY_ROUNDING,
    Line,
    Method,
    cash_amount,
    document_totals,
    invoice_rule,
    pays_in_full,
    round_amount,
    round_to_step,
)
from tieout.nordic.tables import load_table


def spec(shared_dir: Path, name: str) -> dict[str, Any]:
    text = (shared_dir / "specs/nordic" / f"{name}.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


# Terms


def due(text: str, invoice: str, delivery: str | None = None) -> DueDate | Unresolved:
    terms = parse_terms(text)
    if isinstance(terms, Unresolved):
        return terms
    return due_date(
        terms, date.fromisoformat(invoice), date.fromisoformat(delivery) if delivery else None
    )


@pytest.mark.parametrize(
    ("text", "invoice", "expected"),
    [
        ("30 dagar netto", "2026-01-31", "2026-03-02"),
        ("NETTO 14 DAGER", "2026-11-25", "2026-12-09"),
        ("Net 30", "2026-11-25", "2026-12-25"),
        ("1 kk", "2024-01-31", "2024-02-29"),
        ("3 måneder", "2026-11-30", "2027-02-28"),
        ("Kontant", "2026-11-25", "2026-11-25"),
        ("løbende måned + 30 dage", "2026-11-05", "2026-12-30"),
        ("EOM 30", "2026-12-05", "2027-01-30"),
        ("den 15. i næste måned", "2026-12-05", "2027-01-15"),
    ],
)
def test_terms_in_words_give_a_date(text: str, invoice: str, expected: str) -> None:
    found = due(text, invoice)
    assert isinstance(found, DueDate)
    assert found.day == date.fromisoformat(expected)
    assert found.findings == ()


def test_terms_from_the_month_of_delivery() -> None:
    found = due("Fri leveringsmåned + 30", "2026-12-03", "2026-11-27")
    assert isinstance(found, DueDate)
    assert found.day == date(2026, 12, 30)
    early = due("Fri leveringsmåned", "2026-12-03", "2026-11-27")
    assert isinstance(early, DueDate)
    assert early.findings == ("due_before_invoice_date",)
    assert due("Fri leveringsmåned + 30", "2026-12-03") == Unresolved(
        reason="delivery_date_missing"
    )


def test_discounts_count_from_the_invoice_date() -> None:
    for text in ("2/10 net 30", "10 dage 2 %, 30 dage netto", "10 pv -2,0 %, 30 pv netto"):
        found = due(text, "2026-11-25")
        assert isinstance(found, DueDate)
        assert (found.day, found.discount_until) == (date(2026, 12, 25), date(2026, 12, 5))
        assert found.discount_percent == 2
    alone = due("10 dage 2 %", "2026-11-25")
    assert isinstance(alone, DueDate)
    assert alone.findings == ("net_term_missing",)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("30", "bare_number"),
        ("-14 dage", "negative"),
        ("45 bankdagar", "bank_days"),
        ("Efter avtale", "by_agreement"),
        ("30 dagar 2", "not_understood"),
        ("30 dagar netto efter montage", "not_understood"),
        ("10 dage 2 %, efter montage", "not_understood"),
        ("Faktura", "not_understood"),
        ("den 32. i næste måned", "not_understood"),
    ],
)
def test_words_that_name_no_date_stay_unresolved(text: str, reason: str) -> None:
    assert parse_terms(text) == Unresolved(reason=reason)


def test_overdue_starts_after_the_next_business_day() -> None:
    assert not is_business_day(date(2026, 12, 25), "SE")
    assert next_business_day(date(2026, 12, 25), "SE") == date(2026, 12, 28)
    assert overdue_from(date(2026, 12, 25), "NO") == date(2026, 12, 29)
    assert overdue_from(date(2026, 11, 25), "DK") == date(2026, 11, 26)
    assert not is_business_day(date(2026, 5, 17), "NO")
    assert not is_business_day(date(2026, 6, 19), "SE")  # midsummer eve, a Friday
    assert is_business_day(date(2026, 6, 22), "SE")
    assert not is_business_day(date(2026, 12, 6), "FI")
    assert next_business_day(date(2026, 12, 5), "XX") == date(2026, 12, 7)  # weekends only


@pytest.mark.shared
def test_every_reference_term(shared_dir: Path) -> None:
    terms = spec(shared_dir, "payment_terms")
    for one in terms["vectors"]:
        found = due(one["text"], one["invoice_date"], one["parsed"].get("delivery"))
        assert isinstance(found, DueDate), one
        assert found.day == date.fromisoformat(one["due_date"]), one
        discount = one.get("discount")
        until = None if discount is None else date.fromisoformat(discount["until"])
        percent = None if discount is None else Decimal(discount["percent"])
        assert (found.discount_until, found.discount_percent) == (until, percent), one
    for one in terms["unresolved"]:
        assert isinstance(due(one["text"], "2026-11-25"), Unresolved), one
    assert isinstance(parse_terms("30 dagar efter leverans"), Terms)


# References


@pytest.mark.parametrize(
    ("kind", "base", "reference"),
    [
        ("se.ocr.check", "4711", "47118"),
        ("se.ocr.length", "2019121", "201912193"),
        ("fi.viite", "123456", "1234561"),
        ("rf", "539007547034", "RF18539007547034"),
        ("no.kid.mod10", "60224", "602243"),
        ("no.kid.mod11", "555", "555-"),
    ],
)
def test_references_are_made_and_accepted(kind: str, base: str, reference: str) -> None:
    assert make_reference(kind, base) == reference
    assert check_reference(kind, reference).normal == reference


@pytest.mark.parametrize(
    ("kind", "text", "reason"),
    [
        ("se.ocr.check", "47119", "checksum"),
        ("se.ocr.length", "01000173", "length_digit"),
        ("se.bankgiro", "000-0000", "all_zero"),
        ("se.plusgiro", "12 34 56-7", "checksum"),
        ("fi.viite", "1000", "checksum"),
        ("rf", "RF00539007547034", "checksum"),
        ("no.kid.mod10", "123456-", "format"),
        ("no.kid.mod11", "10090", "checksum"),
        ("dk.fik", "+73<000000000000026+81234567<", "no_payment_id"),
        ("dk.fik", "+99<000000000000026+81234567<", "card"),
    ],
)
def test_wrong_references_say_why(kind: str, text: str, reason: str) -> None:
    found = check_reference(kind, text)
    assert (found.state, found.reason, found.normal) == ("invalid", reason, None)


def test_references_are_shown_as_they_are_printed() -> None:
    assert check_reference("se.bankgiro", "BG 50123454").display == "5012-3454"
    assert check_reference("se.plusgiro", "1234566").display == "12 34 56-6"
    assert check_reference("fi.viite", "00000000000001234561").display == "12 34561"
    assert check_reference("rf", "rf18 5390 0754 7034").display == "RF18 5390 0754 7034"


def test_a_finnish_rf_carries_a_whole_finnish_reference() -> None:
    assert check_reference("rf", "RF97123456").state == "valid"
    assert check_reference("rf", "RF97123456", "FI").reason == "no_finnish_reference"
    assert check_reference("rf", "RF341234561", "FI").state == "valid"


def test_references_that_cannot_be_made_are_refused() -> None:
    for kind, base in (("se.ocr.check", "4" * 25), ("rf", "Ä"), ("fi.viite", "1"), ("rf", "")):
        with pytest.raises(ValueError, match=r"carr|digits"):
            make_reference(kind, base)
    with pytest.raises(ValueError, match="card"):
        make_fik("73", "1", "81234567")
    with pytest.raises(ValueError, match="creditor"):
        make_fik("71", "1", "8123")
    with pytest.raises(ValueError, match="no such kind"):
        check_reference("se.shoe", "1")
    with pytest.raises(ValueError, match="can be made"):
        make_reference("se.bankgiro", "1")


def test_a_payment_finds_its_reference_and_two_candidates_are_both_shown() -> None:
    known = ["10001", "0010001", "10002", "555-"]
    assert find_reference("10 001", known) == ("10001",)
    assert find_reference("00010002", known) == ("10002",)
    assert find_reference("000010001", known) == ("10001", "0010001")
    assert find_reference("Invoice 10002, thanks", known) == ("10002",)
    assert find_reference("faktura 10001 og 10002", known) == ("10001", "10002")
    assert find_reference("110002", known) == ()
    assert find_reference("555-", known) == ("555-",)
    assert find_reference("", [*known, ""]) == ()


@pytest.mark.shared
def test_every_reference_of_the_reference(shared_dir: Path) -> None:
    kinds = spec(shared_dir, "payment_references")["kinds"]
    assert kinds.keys() == KINDS
    wrong: list[Any] = []
    count = 0
    for kind, vectors in kinds.items():
        for one in vectors["valid"]:
            count += 1
            if kind == "dk.fik":
                made = make_fik(one["card"], one["base"], one["creditor"])
                expected = one["line"]
            elif "base" in one:
                made, expected = make_reference(kind, one["base"]), one["reference"]
            else:
                made, expected = one["input"], one["normal"]
            found = check_reference(kind, made)
            if found.normal != expected or one.get("display", found.display) != found.display:
                wrong.append((kind, one, found))
        for one in vectors["invalid"]:
            count += 1
            country = "FI" if one["reason"] == "no_finnish_reference" else None
            found = check_reference(kind, one["input"], country)
            state = "absent" if one["reason"] == "empty" else "invalid"
            if (found.state, found.reason) != (state, one["reason"]):
                wrong.append((kind, one, found))
        for line in vectors.get("also_accept", ()):
            assert check_reference(kind, line).state == "valid"
    assert wrong == []
    assert count == 235


# E-invoice addresses


def test_an_address_made_from_a_number_is_a_candidate() -> None:
    numbers = [
        parse_identifier("0112038-9", "FI", "fi.ytunnus"),
        parse_identifier("003701120389ABC", "FI", "fi.ovt"),
        parse_identifier("FI01120389", "FI", "fi.vat"),
        parse_identifier("nonsense", "FI", "fi.vat"),
    ]
    assert candidates(numbers) == ("0216:003701120389ABC", "0216:003701120389")
    assert candidate(parse_identifier("121212-1212", "SE", "se.personnummer")) is None
    assert candidate(parse_identifier("SE121212121201", "SE", "se.vat")) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0007:5560160680", None),
        ("0007:5560160681", "checksum"),
        ("0007:556016-0680", "value"),
        ("0198:DK24256790", None),
        ("0088:5790001234560", None),
        ("0037:003701120389", "scheme_removed"),
        ("9909:NO923609016MVA", None),
        ("9999:1", "scheme_unknown"),
        ("5560160680", "format"),
    ],
)
def test_addresses_are_checked_by_scheme(text: str, reason: str | None) -> None:
    found = check_address(text)
    assert found.reason == reason
    assert ":" not in text or found.text == text


def test_removed_schemes_are_rewritten_only_with_a_valid_number() -> None:
    found = rewrite("9955:SE556016068001")
    assert found is not None
    assert (found.new, found.reason) == ("0007:5560160680", "scheme_removed")
    old = rewrite("0037:01120389")
    assert old is not None
    assert old.new == "0216:003701120389"
    assert rewrite("9955:SE556016068101") is None
    assert rewrite("0007:5560160680") is None
    assert rewrite("9901:1") is None


def test_every_scheme_names_a_source() -> None:
    table = load_table("einvoice_schemes")
    assert all(row["source"] in table["sources"] for row in table["schemes"].values())
    for row in table["schemes"].values():
        successor = row.get("use_instead")
        assert successor is None or table["schemes"][successor]["state"] == "active"


@pytest.mark.shared
def test_every_reference_address(shared_dir: Path) -> None:
    facts = spec(shared_dir, "einvoice")
    for one in facts["schemes"]:
        found = scheme(one["icd"])
        assert found is not None
        removed = found.removed_on and found.removed_on.isoformat()
        assert (found.name, found.state, removed) == (
            one["scheme"],
            one["state"],
            one["removal_date"],
        )
        assert (found.country or "international") == one["country"]
    for one in facts["derive"]:
        made = candidate(parse_identifier(one["input"], one["country"], one["kind"]))
        assert made == one["participant"], one
        assert check_address(made).reason is None
    for one in facts["old_to_new"]:
        new = rewrite(one["old"])
        assert new is not None, one
        assert new.new == one["new"]


# Rounding


def lines(*pairs: tuple[str, str]) -> list[Line]:
    return [Line(net=Decimal(net), rate=Decimal(rate)) for net, rate in pairs]


def test_half_goes_away_from_zero_on_decimals() -> None:
    assert str(round_amount(Decimal("25.005"), 2)) == "25.01"
    assert str(round_amount(Decimal("-25.005"), 2)) == "-25.01"
    assert str(round_amount(Decimal("-0.004"), 2)) == "0.00"
    assert str(round_to_step(Decimal("10.75"), Decimal("0.50"))) == "11.00"
    assert str(round_to_step(Decimal("10.25"), Decimal("0.50"))) == "10.50"
    assert str(round_to_step(Decimal("-10.25"), Decimal("0.50"))) == "-10.50"
    with pytest.raises(ValueError, match="above zero"):
        round_to_step(Decimal(1), Decimal(0))


@pytest.mark.parametrize(
    ("net", "total", "payable", "rounding"),
    [
        ("4467.75", "5584.69", "5585.00", "0.31"),
        ("99.60", "124.50", "125.00", "0.50"),
        ("-99.60", "-124.50", "-125.00", "-0.50"),
        ("99.59", "124.49", "124.00", "-0.49"),
        ("0.39", "0.49", "0.00", "-0.49"),
    ],
)
def test_only_the_amount_to_pay_is_rounded_in_sweden(
    net: str, total: str, payable: str, rounding: str
) -> None:
    found = document_totals(lines((net, "25")), "SEK", method="per_rate", rule="whole_krona")
    told = (str(found.total), str(found.payable), str(found.rounding))
    assert told == (total, payable, rounding)
    exact = document_totals(lines((net, "25")), "SEK", method="per_rate", rule="none")
    assert exact.payable == exact.total


def test_vat_per_rate_and_per_line_differ() -> None:
    three = lines(("0.30", "25"), ("0.30", "25"), ("0.30", "25"))
    assert document_totals(three, "SEK", method="per_rate", rule="none").vat == Decimal("0.23")
    assert document_totals(three, "SEK", method="per_line", rule="none").vat == Decimal("0.24")


def test_the_rule_of_a_country_is_for_its_own_currency() -> None:
    assert invoice_rule("SE", "SEK") == "whole_krona"
    assert invoice_rule("SE", "EUR") == "none"
    assert invoice_rule("NO", "NOK") == "none"
    assert invoice_rule("DE", "EUR") == "none"
    assert cash_amount(Decimal("10.03"), "FI", "EUR") == Decimal("10.05")
    assert cash_amount(Decimal("10.03"), "DE", "EUR") == Decimal("10.03")
    assert all(facts.source for facts in COUNTRY_ROUNDING.values())


def test_the_exact_amount_pays_a_rounded_invoice() -> None:
    total, payable = Decimal("5584.69"), Decimal("5585.00")
    assert pays_in_full(total, total, payable)
    assert pays_in_full(payable, total, payable)
    assert not pays_in_full(Decimal("5584.70"), total, payable)


@pytest.mark.shared
def test_every_reference_document(shared_dir: Path) -> None:
    facts = spec(shared_dir, "rounding")
    methods: tuple[Method, ...] = ("per_rate", "per_line")
    for one in facts["documents"]:
        of = lines(*((line["net"], line["rate"]) for line in one["lines"]))
        for method in methods:
            found = document_totals(of, one["currency"], method=method, rule=one["rounding_rule"])
            told = {
                "vat_by_rate": {str(rate): str(vat) for rate, vat in found.vat_by_rate},
                **{
                    name: str(getattr(found, name))
                    for name in ("vat", "total", "payable", "rounding")
                },
            }
            assert told == one[method], one
            assert str(found.net) == one["net"]
    homes = {"SEK": "SE", "EUR": "FI", "NOK": "NO", "DKK": "DK", "ISK": "IS"}
    for one in facts["cash"]:
        currency = one["rule"][:3]
        paid = cash_amount(Decimal(one["amount"]), homes[currency], currency)
        assert str(paid) == one["rounded"], one
