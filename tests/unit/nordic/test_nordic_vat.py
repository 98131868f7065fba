"""VAT: rates, states of a number, treatments."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tieout.nordic.tables import load_table
from tieout.nordic.vat_areas import goods_area, service_area
from tieout.nordic.vat_rates import Exempt, RateRow, Unknown, rate, rate_row, source_text
from tieout.nordic.vat_state import NumberState, Register, RegisterAnswer, Said, vat_number_state
from tieout.nordic.vat_treatment import SaleFacts, Treatment, decide_treatment, rule_sources

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
DAY = date(2026, 11, 25)
LIMIT = timedelta(days=30)


# Rates


@pytest.mark.parametrize(
    ("country", "tax_class", "day", "expected"),
    [
        ("SE", "standard", "2026-11-25", "25"),
        ("SE", "food", "2026-03-31", "12"),
        ("SE", "food", "2026-04-01", "6"),
        ("SE", "food", "2028-01-01", "12"),
        ("FI", "standard", "2024-08-31", "24"),
        ("FI", "standard", "2024-09-01", "25.5"),
        ("FI", "book", "2026-01-01", "13.5"),
        ("AX", "standard", "2026-01-01", "25.5"),
        ("NO", "raw_fish", "2026-01-01", "11.11"),
        ("NO", "accommodation", "2020-06-01", "6"),
        ("DK", "newspaper", "2026-01-01", "0"),
        ("IS", "standard", "2014-12-31", "25.5"),
        ("EE", "consulting", "2025-07-01", "24"),
        ("MC", "standard", "2026-01-01", "20"),
    ],
)
def test_a_rate_belongs_to_its_tax_point(
    country: str, tax_class: str, day: str, expected: str
) -> None:
    assert rate(country, tax_class, date.fromisoformat(day)) == Decimal(expected)


@pytest.mark.parametrize(
    ("country", "tax_class", "day", "reason"),
    [
        ("SE", "flowers", "2026-01-01", "no_such_class"),
        ("DE", "food", "2026-01-01", "no_such_class"),
        ("XX", "standard", "2026-01-01", "no_such_country"),
        ("SE", "standard", "1990-06-30", "before_first_row"),
        ("DK", "book", "2026-01-01", "not_settled"),
    ],
)
def test_what_is_not_known_has_no_rate(country: str, tax_class: str, day: str, reason: str) -> None:
    assert rate(country, tax_class, date.fromisoformat(day)) == Unknown(reason=reason)  # type: ignore[arg-type]


def test_exempt_is_not_zero() -> None:
    assert rate("DK", "passenger_transport", DAY) == Exempt()
    assert rate("DK", "passenger_transport", DAY) != Decimal(0)


def test_every_rate_row_names_a_source_and_follows_the_one_before() -> None:
    for country, classes in load_table("vat_rates")["rates"].items():
        for tax_class, rows in classes.items():
            days = [date.fromisoformat(row["from"]) for row in rows]
            assert days == sorted(set(days)), (country, tax_class)
            for day in days:
                row = rate_row(country, tax_class, day)
                assert isinstance(row, RateRow)
                assert source_text(row.source)
                assert row.trust in ("law", "third_party", "unconfirmed")


@pytest.mark.shared
def test_every_reference_look_up(shared_dir: Path) -> None:
    spec = json.loads((shared_dir / "specs/nordic/vat_rates.json").read_text(encoding="utf-8"))
    wrong = [
        one
        for one in spec["lookups"]
        if rate(one["country"], one["class"], date.fromisoformat(one["tax_point"]))
        != Decimal(one["rate"])
    ]
    assert wrong == []
    for row in spec["nordic"]:
        if (row["country"], row["class"]) == ("DK", "book"):
            continue  # listed there as unknown from 2026
        for end in (row["valid_from"], row["valid_to"]):
            if end is None:
                continue
            found = rate(row["country"], row["class"], date.fromisoformat(end))
            expected = Exempt() if row["rate"] == "exempt" else Decimal(row["rate"])
            assert found == expected, row
    for row in spec["others_standard"]:
        as_of = date.fromisoformat(row["as_of"])
        assert rate(row["country"], "standard", as_of) == Decimal(row["standard_now"]), row


# States


def answer(
    said: Said,
    *,
    number: str = "FI01120389",
    days_old: int = 0,
    fault: str | None = None,
    register: Register = "vies",
) -> RegisterAnswer:
    return RegisterAnswer(
        register=register,
        number=number,
        said=said,
        asked_at=NOW - timedelta(days=days_old),
        fault=fault,
    )


def state(raw: str | None, country: str | None, told: RegisterAnswer | None) -> NumberState:
    return vat_number_state(raw, country, told, now=NOW, max_age=LIMIT)


def fault(code: str) -> RegisterAnswer:
    return answer("fault", fault=code)


GOOD, BAD = "FI01120389", "FI01120388"
STATES: dict[str, tuple[str, NumberState]] = {
    "VIES answered valid = true today for this number": ("valid", state(GOOD, "FI", answer("yes"))),
    "VIES answered valid = false today for this number": (
        "invalid",
        state(GOOD, "FI", answer("no")),
    ),
    "VIES fault MS_UNAVAILABLE": ("unknown", state(GOOD, "FI", fault("MS_UNAVAILABLE"))),
    "VIES fault SERVICE_UNAVAILABLE": ("unknown", state(GOOD, "FI", fault("SERVICE_UNAVAILABLE"))),
    "VIES fault MS_MAX_CONCURRENT_REQ": (
        "unknown",
        state(GOOD, "FI", fault("MS_MAX_CONCURRENT_REQ")),
    ),
    "VIES fault GLOBAL_MAX_CONCURRENT_REQ": (
        "unknown",
        state(GOOD, "FI", fault("GLOBAL_MAX_CONCURRENT_REQ")),
    ),
    "VIES fault TIMEOUT, or no answer": ("unknown", state(GOOD, "FI", fault("TIMEOUT"))),
    "HTTP 500, or a body that cannot be read": ("unknown", state(GOOD, "FI", fault("HTTP_500"))),
    "VIES fault INVALID_INPUT, and our own form check passes": (
        "unknown",
        state(GOOD, "FI", fault("INVALID_INPUT")),
    ),
    "VIES fault INVALID_INPUT, and our own form check fails": (
        "invalid",
        state(BAD, "FI", answer("fault", number=BAD, fault="INVALID_INPUT")),
    ),
    "form check fails, nothing asked": ("invalid", state(BAD, "FI", None)),
    "form check says doubtful, nothing asked": ("unknown", state("SE556016068002", "SE", None)),
    "never asked": ("unknown", state(GOOD, "FI", None)),
    "valid = true, older than the limit that is set": (
        "unknown",
        state(GOOD, "FI", answer("yes", days_old=31)),
    ),
    "valid = false, older than the limit that is set": (
        "unknown",
        state(GOOD, "FI", answer("no", days_old=31)),
    ),
    "valid = true, but the number on the customer changed since": (
        "unknown",
        state("FI19274001", "FI", answer("yes")),
    ),
    "valid = true for a number with another prefix than the one used now": (
        "unknown",
        state("XI125307848", "GB", answer("yes", number="GB125307848")),
    ),
    "no number on the customer": ("absent", state(None, "FI", None)),
    "number is only white space or a dash": ("absent", state(" \u2013 ", "FI", answer("no"))),
    "text such as okänt or n/a in the number field": (
        "absent, and a finding",
        state("okänt", "SE", None),
    ),
    "Norwegian register says registered for VAT": (
        "valid",
        state("NO923609016MVA", "NO", answer("yes", number="923609016MVA", register="brreg")),
    ),
    "Norwegian register says not registered for VAT": (
        "invalid",
        state("NO923609016MVA", "NO", answer("no", number="NO923609016MVA", register="brreg")),
    ),
    "Norwegian register does not answer": (
        "unknown",
        state("NO923609016MVA", "NO", answer("fault", register="brreg", fault="TIMEOUT")),
    ),
    "GB number, nothing asked (VIES does not hold it)": (
        "unknown",
        state("GB980780684", "GB", None),
    ),
}


@pytest.mark.parametrize("event", STATES)
def test_state_after_an_event(event: str) -> None:
    expected, found = STATES[event]
    told = f"{found.state}, and a finding" if found.state == "absent" and found.finding else None
    assert (told or found.state) == expected


def test_no_fault_and_no_age_ever_makes_a_good_number_invalid() -> None:
    for code in ("TIMEOUT", "HTTP_503", "UNREADABLE", "INVALID_INPUT", "NEW_CODE"):
        assert state(GOOD, "FI", fault(code)).state == "unknown"
    for days in (31, 400):
        assert state(GOOD, "FI", answer("no", days_old=days)).state == "unknown"


def test_number_of_another_state_is_judged_by_its_own_letters_and_shown() -> None:
    found = state("SE556016068001", "FI", answer("yes", number="SE 556016-0680 01"))
    assert (found.state, found.finding) == ("valid", "country_prefix")


def test_digits_without_a_country_are_unknown_not_invalid() -> None:
    assert state("01120389", None, None).state == "unknown"


def test_an_answer_needs_an_aware_time() -> None:
    with pytest.raises(ValueError, match="aware"):
        RegisterAnswer(register="vies", number=GOOD, said="yes", asked_at=datetime(2026, 1, 1))  # noqa: DTZ001


@pytest.mark.shared
def test_every_reference_event_is_among_ours(shared_dir: Path) -> None:
    spec = json.loads((shared_dir / "specs/nordic/vat_treatment.json").read_text(encoding="utf-8"))
    expected = {one["event"]: one["state"] for one in spec["vat_state_vectors"]}
    assert {event: told for event, (told, _) in STATES.items()} == expected


# Treatments

HOME = SaleFacts(
    seller="SE",
    buyer="SE",
    business=True,
    vat_state="valid",
    vat_prefix="SE",
    kind="goods",
    tax_class="standard",
    day=DAY,
    ship_to="SE",
)


def decide(**changes: Any) -> Treatment:
    facts = {name: getattr(HOME, name) for name in HOME.__slots__} | changes
    return decide_treatment(SaleFacts(**facts))


def test_goods_follow_where_they_go_not_where_the_buyer_is() -> None:
    finnish = {"buyer": "FI", "vat_prefix": "FI"}
    assert decide(**finnish).code == "domestic_rate"  # collected in Stockholm
    assert decide(**finnish, ship_to="FI").code == "eu_goods_exempt"
    assert decide(**finnish, ship_to="AX").code == "export_goods"
    assert decide(buyer="NO", vat_prefix="NO", ship_to="NO").code == "export_goods"


def test_an_exempt_supply_shows_its_words_numbers_list_and_box() -> None:
    found = decide(buyer="FI", vat_prefix="FI", ship_to="FI")
    assert found.rate == 0
    assert found.invoice_text is not None
    assert "art. 138" in found.invoice_text
    assert dict(found.texts).keys() == {"sv", "en"}
    assert found.ec_list == "goods"
    assert found.numbers_on_invoice == ("seller_vat", "buyer_vat")
    assert (found.vat_category, found.return_box) == ("K", "35")
    assert "directive art. 138(1) and (1a)" in [basis.cite for basis in found.basis]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"tax_class": "unmapped"}, "tax_class_unknown"),
        ({"buyer": None}, "buyer_country_missing"),
        ({"seller": "AX"}, "seller_not_covered"),
        ({"ship_to": None}, "ship_to_missing"),
        ({"ships_from": "PL"}, "ships_from_other_country"),
        ({"buyer": "FI", "ship_to": "FI", "business": None}, "buyer_status_unknown"),
        ({"buyer": "FI", "ship_to": "FI", "vat_state": "unknown"}, "vat_number_unverified"),
        ({"buyer": "FI", "ship_to": "FI", "vat_prefix": None}, "vat_prefix_missing"),
        ({"buyer": "FI", "ship_to": "FI", "business": False}, "oss_status_unknown"),
        ({"kind": "service", "tax_class": "restaurant"}, "place_missing"),
        (
            {"kind": "service", "tax_class": "short_hire", "place": "DE"},
            "registration_in_place_country",
        ),
        ({"tax_class": "flowers"}, "rate_unknown"),
        ({"tax_class": "mobile_phone"}, "class_total_unknown"),
        (
            {"buyer": "DE", "ship_to": "DE", "business": False, "oss": True, "tax_class": "food"},
            "rate_unknown",
        ),
        (
            {"kind": "service", "tax_class": "consulting", "buyer": "AX", "business": False},
            "consumer_aland_unknown",
        ),
    ],
)
def test_what_is_not_known_is_held(changes: dict[str, Any], reason: str) -> None:
    found = decide(**changes)
    assert found.held
    assert found.reason == reason
    assert (found.rate, found.invoice_text, found.ec_list) == (None, None, None)
    assert found.numbers_on_invoice == ()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"buyer": "FI", "ship_to": "FI", "vat_state": "invalid"}, "no_valid_number"),
        ({"buyer": "FI", "ship_to": "FI", "vat_state": "absent"}, "no_valid_number"),
        ({"buyer": "FI", "ship_to": "FI", "vat_prefix": "SE"}, "number_of_departure_state"),
        ({"buyer": "GB", "ship_to": "XI", "vat_prefix": "GB"}, "number_not_eu"),
        ({"kind": "service", "buyer": "FI", "vat_prefix": "GB"}, "number_not_eu"),
        ({"kind": "service", "buyer": "FI", "vat_prefix": "SE"}, "number_of_seller_state"),
        ({"tax_class": "scrap", "vat_prefix": "FI"}, "number_not_of_seller_state"),
        ({"buyer": "FI", "collected_for_export": True}, "export_by_buyer_not_proven"),
    ],
)
def test_domestic_vat_for_a_buyer_abroad_needs_a_person(
    changes: dict[str, Any], reason: str
) -> None:
    found = decide(**changes)
    assert (found.code, found.approval, found.reason) == ("domestic_rate", True, reason)
    assert found.rate == 25


def test_the_swedish_limit_for_phones_is_above_not_at_100_000() -> None:
    at = decide(tax_class="mobile_phone", class_net_total=Decimal("100000.00"))
    above = decide(tax_class="mobile_phone", class_net_total=Decimal("100000.01"))
    assert (at.code, at.rate) == ("domestic_rate", 25)
    assert (above.code, above.rate) == ("domestic_reverse_charge", 0)
    assert above.invoice_text == "Omvänd betalningsskyldighet"


def test_norwegian_remote_services_are_free_since_2023_whoever_buys() -> None:
    norwegian = {"seller": "NO", "buyer": "SE", "kind": "service", "ship_to": None}
    assert decide(**norwegian, vat_state="unknown").code == "service_outside_eu"
    consumer = decide(**norwegian, business=False)
    assert consumer.warnings == ("foreign_vat_may_be_due",)
    assert decide(**norwegian, business=False, day=date(2022, 12, 31)).held
    assert decide(**norwegian).return_box == "52"


def test_areas_of_territories() -> None:
    assert goods_area("SE", "XI") == "eu"
    assert service_area("SE", "XI") == "outside"
    assert goods_area("SE", "MC") == "eu"
    assert goods_area("FI", "AX") == "outside"
    assert service_area("FI", "AX") == "home"
    assert service_area("SE", "AX") == "aland"
    assert goods_area("NO", "SJ") == "outside"
    assert goods_area("SE", "DE-HEL") == "outside"
    assert goods_area("SE", "GR") == "eu"


def test_every_rule_names_a_source_and_can_be_told_from_the_others() -> None:
    table = load_table("vat_treatment")
    rows = table["rules"] + table["domestic_rules"]
    assert len({row["id"] for row in rows}) == len(rows)
    assert {row["source"] for row in rows} <= rule_sources().keys()
    assert {row["then"] for row in rows} - {"domestic"} <= table["effects"].keys()
    assert all("reason" in row for row in rows if row["then"] == "hold")
    assert table["domestic_rules"][-1]["when"] == {}


@pytest.mark.shared
def test_every_reference_decision(shared_dir: Path) -> None:
    spec = json.loads((shared_dir / "specs/nordic/vat_treatment.json").read_text(encoding="utf-8"))
    numbers = {
        "seller_vat (home state, used in the Union scheme)": "seller_vat_of_scheme",
        "seller_orgnr_with_MVA": "seller_orgnr_with_mva",
    }
    wrong = []
    for case in spec["cases"]:
        given = dict(case["input"])
        given["day"] = date.fromisoformat(given.pop("date"))
        given.pop("buyer_region", None)
        if "class_net_total_sek" in given:
            given["class_net_total"] = Decimal(given.pop("class_net_total_sek"))
        found = decide_treatment(SaleFacts(**given))
        reason = case.get("reason", "").removeprefix("confirm:") or None
        cites = [cite for basis in case["basis"] for cite in basis["text"].split("; ")]
        expected = {
            "code": case["treatment"],
            "rate": None if case["rate"] is None else Decimal(case["rate"]),
            "reason": "no_valid_number" if reason == "confirm" else reason,
            "approval": case.get("approval") == "required",
            "invoice_text": case["invoice_text"],
            "ec_list": case["ec_list"],
            "numbers_on_invoice": tuple(numbers.get(n, n) for n in case["numbers_on_invoice"]),
            "warnings": (case["warning"],) if "warning" in case else (),
        }
        got = {name: getattr(found, name) for name in expected}
        if got != expected:
            wrong.append((case["id"], got))
        if not found.held and [basis.cite for basis in found.basis] != cites:
            wrong.append((case["id"], {"basis": found.basis}))
        if (found.return_box or "") not in case.get("return_box", {"value": ""})["value"]:
            wrong.append((case["id"], {"return_box": found.return_box}))
        if found.return_box is None and "return_box" in case:
            wrong.append((case["id"], {"return_box": None}))
    assert wrong == []
    assert len(spec["cases"]) == 155


@pytest.mark.shared
def test_categories_and_territories_of_the_reference(shared_dir: Path) -> None:
    spec = json.loads((shared_dir / "specs/nordic/vat_treatment.json").read_text(encoding="utf-8"))
    for code, category in spec["en16931"].items():
        assert load_table("vat_treatment")["effects"][code]["category"] == category.split()[0], code
    for place, areas in spec["territories"].items():
        goods = {"eu": "eu", "outside": "outside", "FR": "eu"}[areas["goods"]]
        services = {"outside": "outside", "FR": "eu", "FI*": "aland"}[areas["services"]]
        assert goods_area("SE", place) == goods, place
        assert service_area("SE", place) == services, place
