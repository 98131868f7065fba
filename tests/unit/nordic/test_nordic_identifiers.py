"""Identifiers: our own vectors, masking, keys, and the reference vectors where they are."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tieout.nordic.identifiers import (
    KINDS,
    Identifier,
    parse_company_number,
    parse_identifier,
    parse_vat_number,
    same_company,
)

TODAY = date(2026, 11, 25)


def parse(raw: str, country: str | None, kind: str) -> Identifier:
    return parse_identifier(raw, country, kind, today=TODAY)


@pytest.mark.parametrize(
    ("kind", "country", "raw", "normal", "display", "key"),
    [
        ("se.orgnr", "SE", "Org.nr: 556016-0680", "5560160680", "556016-0680", "SE5560160680"),
        ("se.orgnr", "SE", "16 556016-0680", "5560160680", "556016-0680", "SE5560160680"),
        ("se.orgnr", "SE", "Org. No. 556016-0680", "5560160680", "556016-0680", "SE5560160680"),
        (
            "se.orgnr",
            "SE",
            "\u200b５５６０１６－０６８０",
            "5560160680",
            "556016-0680",
            "SE5560160680",
        ),
        ("se.orgnr", "SE", "'5560160680", "5560160680", "556016-0680", "SE5560160680"),
        ("se.orgnr", "SE", "org.nr/personnr 556016-0680", "5560160680", None, "SE5560160680"),
        ("fi.ytunnus", "FI", "Y tunnus/FO-nummer: 0112038-9", "01120389", None, "FI01120389"),
        ("no.mva", "NO", "MVA-nr. 923609016 MVA", "NO923609016MVA", None, "NO923609016"),
        ("eu.vat", "DE", "EU VAT no: DE 818 341 704", "DE818341704", None, "DE818341704"),
        ("se.vat", "SE", "VAT no. SE556016068001", "SE556016068001", None, "SE5560160680"),
        ("fi.ytunnus", "FI", "112038-9", "01120389", "0112038-9", "FI01120389"),
        ("fi.vat", "FI", "ALV FI 0112038-9", "FI01120389", None, "FI01120389"),
        ("fi.ovt", "FI", "0216:003701120389", "003701120389", None, "0216:003701120389"),
        ("no.orgnr", "NO", "NO 923 609 016 MVA", "923609016", "923 609 016", "NO923609016"),
        ("no.mva", "NO", "923609016 mva Foretaksregisteret", "NO923609016MVA", None, "NO923609016"),
        ("dk.cvr", "DK", "CVR-nr. 24 25 67 90", "24256790", "24256790", "DK24256790"),
        ("dk.cvr", "DK", "SE 24256790", "24256790", "24256790", "DK24256790"),
        ("dk.vat", "DK", "24256790", "DK24256790", None, "DK24256790"),
        ("is.kennitala", "IS", "kt. 471008-0280", "4710080280", "471008-0280", "ISKT4710080280"),
        ("is.vsk", "IS", "VSK-nr. 10020", "10020", "10020", "ISVSK10020"),
        ("ee.kmkr", "EE", "KMKR EE100594102", "EE100594102", None, "EE100594102"),
        ("ee.regcode", "EE", "10137025", "10137025", None, "EERC10137025"),
        ("gln", None, "GLN: 5790001234560", "5790001234560", None, "GLN5790001234560"),
        ("eu.vat", None, "GR346853560", "EL346853560", None, "EL346853560"),
        ("eu.vat", "BE", "247.439.575", "BE0247439575", None, "BE0247439575"),
        ("eu.vat", "DE", "818341704", "DE818341704", None, "DE818341704"),
        ("gb.vat", "GB", "GB 980 7806 84", "GB980780684", None, "GB980780684"),
        ("ch.vat", "CH", "CHE-107.787.577 MWST", "CHE107787577", None, "CHE107787577"),
    ],
)
def test_written_forms_are_understood(
    kind: str, country: str | None, raw: str, normal: str, display: str | None, key: str
) -> None:
    found = parse(raw, country, kind)
    assert (found.state, found.reason) == ("valid", None)
    assert found.normal == normal
    assert found.key == key
    assert display is None or found.display == display


@pytest.mark.parametrize(
    ("kind", "country", "raw", "reason"),
    [
        ("se.orgnr", "SE", "556016-0681", "checksum"),
        ("se.orgnr", "SE", "121212-1212", "third_digit"),
        ("se.orgnr", "SE", "0000000000", "all_zero"),
        ("se.orgnr", "SE", "0521234567", "first_digit"),
        ("se.orgnr", "SE", "saknas", "format"),
        ("se.personnummer", "SE", "20270101-2383", "date"),
        ("se.personnummer", "SE", "850709-0002", "serial"),
        ("se.personnummer", "SE", "17850709-2388", "century"),
        ("se.vat", "SE", "SE5560160680", "length"),
        ("se.vat", "SE", "SE556016068000", "suffix"),
        ("fi.ytunnus", "FI", "1120389", "length"),
        ("fi.ytunnus", "FI", "00000000", "all_zero"),
        ("fi.ytunnus", "FI", "2000018-1", "check_digit_impossible"),
        ("fi.ytunnus", "FI", "003701120389", "is_ovt"),
        ("fi.vat", "FI", "FI112038-9", "length"),
        ("no.orgnr", "NO", "310000000", "first_digit"),
        ("no.orgnr", "NO", "SE923609016", "country_prefix"),
        ("no.mva", "NO", "NO923609017MVA", "checksum"),
        ("dk.cvr", "DK", "1003388394", "is_p_number_or_cpr"),
        ("dk.cvr", "DK", "SE556016068001", "country_prefix"),
        ("is.kennitala", "IS", "471008-0290", "checksum"),
        ("is.vsk", "IS", "4710080280", "is_kennitala"),
        ("ee.kmkr", "EE", "EE200594106", "first_digit"),
        ("gln", None, "96385074", "length"),
        ("eu.vat", None, "EU372022452", "oss_number"),
        ("eu.vat", None, "GB125307848", "not_eu_vat"),
        ("eu.vat", None, "5560160680", "no_country"),
        ("eu.vat", "DE", "FR69626275960", "country_prefix"),
        ("gb.vat", "GB", "GB980780685", "checksum"),
        ("ch.vat", "CH", "CHE-107.787.578 MWST", "checksum"),
    ],
)
def test_impossible_numbers_say_why(kind: str, country: str | None, raw: str, reason: str) -> None:
    found = parse(raw, country, kind)
    assert (found.state, found.reason) == ("invalid", reason)
    assert (found.normal, found.display, found.key) == (None, None, None)


@pytest.mark.parametrize(
    ("kind", "country", "raw", "reason"),
    [
        ("se.vat", "SE", "SE556016068002", "suffix_not_01"),
        ("se.vat", "SE", "199401012001", "may_be_person"),
        ("no.mva", "NO", "923609016", "mva_missing"),
        ("is.kennitala", "IS", "010565-2039", "no_check_digit"),
        ("is.kennitala", "IS", "811234-5679", "system_kennitala"),
        ("ch.vat", "CH", "CHE-107.787.577", "mwst_missing"),
        ("other.company", "FR", "552 100 554", "no_rule"),
    ],
)
def test_doubtful_numbers_are_kept_with_a_warning(
    kind: str, country: str, raw: str, reason: str
) -> None:
    found = parse(raw, country, kind)
    assert (found.state, found.reason) == ("doubtful", reason)
    assert found.usable
    assert found.normal is not None


@pytest.mark.parametrize("raw", ["", " ", "-", "\u2013", "\u00a0", "org.nr", "CVR-nr.:", "VAT no."])
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_nothing_a_dash_or_a_lone_label_is_no_number(kind: str, raw: str) -> None:
    found = parse(raw, "SE", kind)
    assert (found.state, found.reason) == ("absent", "empty")
    assert not found.usable


def test_only_text_is_taken() -> None:
    with pytest.raises(TypeError, match="must be text"):
        parse_identifier(5560160680, "SE", "se.orgnr")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no such kind"):
        parse_identifier("1", "SE", "se.shoe")


def test_test_numbers_of_the_norwegian_authorities_need_the_setting() -> None:
    assert parse_company_number("310028029", "NO").reason == "first_digit"
    assert parse_company_number("310028029", "NO", test_numbers=True).state == "valid"


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        ("se.personnummer", "19121212-1212"),
        ("se.personnummer", "121212-1213"),
        ("se.orgnr", "121212-1212"),
        ("se.vat", "SE121212121201"),
        ("se.vat", "SE121212121301"),
        ("is.kennitala", "010565-2009"),
        ("is.kennitala", "911234-5670"),
        ("dk.cvr", "121212-1212"),
        ("fi.ytunnus", "121212-121D"),
        ("no.orgnr", "12121212121"),
    ],
)
def test_numbers_of_persons_are_never_printed(kind: str, raw: str) -> None:
    found = parse(raw, "SE", kind)
    assert found.personal
    digits = raw.strip("SE")[-8:-2]
    for shown in (str(found), repr(found), f"{found}", found.masked(), repr([found])):
        assert digits not in shown
        assert "1212" not in shown
        assert "0105" not in shown
        assert "*" in shown


def test_numbers_of_companies_are_printed() -> None:
    found = parse("471008-0280", "IS", "is.kennitala")
    assert not found.personal
    assert str(found) == "471008-0280"
    assert "471008-0280" in repr(found)
    assert "(556016-0681)" in repr(parse("(556016-0681)", "SE", "se.orgnr"))


def test_plus_sign_is_shown_from_the_year_of_the_hundredth_birthday() -> None:
    assert parse("191212121212", "SE", "se.personnummer").display == "121212+1212"
    assert parse("201212121212", "SE", "se.personnummer").display == "121212-1212"
    assert parse_identifier("191212121212", "SE", "se.personnummer").display == "121212-1212"


@pytest.mark.parametrize(
    ("country", "raw", "kind", "key"),
    [
        ("SE", "556016-0680", "se.orgnr", "SE5560160680"),
        ("SE", "SE556016068001", "se.orgnr", "SE5560160680"),
        ("SE", "121212-1212", "se.personnummer", "SE1212121212"),
        ("SE", "SE121212121201", "se.vat", "SE1212121212"),
        ("FI", "0112038-9", "fi.ytunnus", "FI01120389"),
        ("AX", "0145065-2", "fi.ytunnus", "FI01450652"),
        ("NO", "923609016", "no.orgnr", "NO923609016"),
        ("SJ", "923609016", "no.orgnr", "NO923609016"),
        ("DK", "24256790", "dk.cvr", "DK24256790"),
        ("IS", "471008-0280", "is.kennitala", "ISKT4710080280"),
        ("EE", "10137025", "ee.regcode", "EERC10137025"),
        ("EE", "EE100594102", "ee.kmkr", "EE100594102"),
        ("CH", "CHE-107.787.577", "ch.uid", "CHE107787577"),
        ("US", "12-3456789", "other.company", "US?123456789"),
    ],
)
def test_company_number_picks_its_kind_by_country(
    country: str, raw: str, kind: str, key: str
) -> None:
    found = parse_company_number(raw, country, today=TODAY)
    assert (found.kind, found.key) == (kind, key)


@pytest.mark.parametrize(
    ("country", "raw", "kind", "state"),
    [
        ("SE", "SE556016068001", "se.vat", "valid"),
        ("AX", "FI01450652", "fi.vat", "valid"),
        ("NO", "NO923609016MVA", "no.mva", "valid"),
        ("DK", "DK24256790", "dk.vat", "valid"),
        ("IS", "12345", "is.vsk", "valid"),
        ("GR", "EL346853560", "eu.vat", "valid"),
        ("MC", "FR69626275960", "eu.vat", "valid"),
        ("GB", "XI125307848", "gb.vat", "valid"),
        ("CH", "CHE-107.787.577 TVA", "ch.vat", "valid"),
        ("US", "12-3456789", "other.vat", "doubtful"),
        (None, "NO923609016MVA", "no.mva", "valid"),
        (None, "SE556016068001", "eu.vat", "valid"),
        (None, "01120389", "eu.vat", "invalid"),
        ("FI", "SE556016068001", "fi.vat", "invalid"),
    ],
)
def test_vat_number_picks_its_kind_by_country_never_by_digits(
    country: str | None, raw: str, kind: str, state: str
) -> None:
    found = parse_vat_number(raw, country)
    assert (found.kind, found.state) == (kind, state)


def test_same_company_needs_two_valid_numbers_with_one_key() -> None:
    ericsson = parse_company_number("556016-0680", "SE")
    assert same_company(ericsson, parse_vat_number("SE556016068001", "SE"))
    assert not same_company(ericsson, parse_vat_number("SE556016068002", "SE"))  # doubtful
    assert not same_company(ericsson, parse_company_number("556012-5790", "SE"))
    nothing = parse_company_number("", "SE")
    assert not same_company(nothing, nothing)
    site = parse_identifier("1003388394", "DK", "dk.pnr")
    assert not same_company(site, site)


def test_one_ten_digits_of_two_centuries_are_two_people() -> None:
    old = parse("19121212-1212", "SE", "se.personnummer")
    young = parse("20121212-1212", "SE", "se.personnummer")
    assert old.key == young.key
    assert not same_company(old, young)
    assert not same_company(parse("121212+1212", "SE", "se.personnummer"), young)
    assert same_company(parse("121212-1212", "SE", "se.personnummer"), young)


def spec(shared_dir: Path) -> dict[str, Any]:
    text = (shared_dir / "specs/nordic/identifiers.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


# A label alone is no number (as "GLN" and "MVA" are in the same file), so it is absent.
LONE_LABEL = ("is.kennitala", "kt.")


@pytest.mark.shared
def test_every_reference_vector(shared_dir: Path) -> None:
    wrong, count = [], 0
    for kind, rules in spec(shared_dir)["kinds"].items():
        for vector in rules["valid"] + rules["invalid"]:
            if (kind, vector["input"]) == LONE_LABEL:
                continue
            found = parse(vector["input"], rules["country"], kind)
            state = "absent" if vector.get("reason") == "empty" else vector["status"]
            fields = [name for name in ("normal", "key", "display") if name in vector]
            told = [found.state, found.reason, *(getattr(found, name) for name in fields)]
            if told != [state, vector.get("reason"), *(vector[name] for name in fields)]:
                wrong.append((kind, vector["input"], told))
            if "sub" in vector and found.personal != (vector["sub"] != "organisation"):
                wrong.append((kind, vector["input"], "personal"))
            count += 1
    assert wrong == []
    assert count == 468
    assert parse(LONE_LABEL[1], "IS", LONE_LABEL[0]).state == "absent"


@pytest.mark.shared
def test_reference_groups_have_one_key_and_pairs_never_meet(shared_dir: Path) -> None:
    for group in spec(shared_dir)["same_key"]:
        country = "IS" if group["key"].startswith("ISKT") else group["key"][:2]
        numbers = [parse_company_number(raw, country, today=TODAY) for raw in group["inputs"]]
        assert {number.key for number in numbers} == {group["key"]}, group
        assert all(same_company(a, b) for a in numbers for b in numbers)
    pairs = {
        "Danish SE number": (
            parse_company_number("SE 58233528", "DK"),
            parse_vat_number("SE556016068001", "SE"),
        ),
        "VSK and kennitala": (
            parse_vat_number("12345", "IS"),
            parse_company_number("471008-0280", "IS"),
        ),
        "no country": (parse_company_number("01120389", "FI"), parse_vat_number("01120389", None)),
    }
    for why, (a, b) in pairs.items():
        assert not same_company(a, b), why
        assert a.key != b.key, why
