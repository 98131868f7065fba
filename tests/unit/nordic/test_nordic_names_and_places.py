"""Names, countries, post codes and territories."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tieout.nordic.countries import (
    PostCode,
    country,
    country_code,
    eu_members,
    is_care_of,
    post_code,
    suggest_country,
    territory,
)
from tieout.nordic.names import Likeness, compare_names, fold_name, suggest
from tieout.nordic.tables import load_table


@pytest.mark.parametrize(
    ("a", "country_a", "b", "country_b", "expected"),
    [
        ("Volvo AB", "SE", "AB Volvo (publ)", "SE", "same"),
        ("Volvo AB", "SE", "Volvo Cars AB", "SE", "different"),
        ("Volvo AB", "SE", "Volvo AS", "NO", "different"),
        ("Volvo AB", "SE", "Volvo", "SE", "review"),
        ("Volvo", "SE", "Volvo", "NO", "different"),
        ("Hansen AS", "NO", "Hansen AS", "EE", "different"),
        ("Åbenrå Færge A/S", "DK", "Aabenraa Faerge AS", "DK", "same"),
        ("Båd ApS", "DK", "Baad ApS", "DK", "same"),
        ("Bad ApS", "DK", "Baad ApS", "DK", "different"),
        ("Saab AB", "SE", "Såb AB", "SE", "different"),
        ("Noel AB", "SE", "Nöl AB", "SE", "same"),
        ("Noel AB", "SE", "Nol AB", "SE", "different"),
        ("Kone Oyj", "FI", "Kone Abp", "FI", "same"),
        ("Kone Oy", "FI", "Kone Oyj", "FI", "different"),
        ("Hf Bygg ehf.", "IS", "Bygg ehf", "IS", "different"),
        ("Volvo AB", None, "Volvo AB", None, "same"),
        ("Volvo AB filial", None, "Volvo AB", None, "different"),
        ("AB Volvo AB", "SE", "Volvo AB", "SE", "review"),
        ("Ab Initio Oy", "FI", "Initio Oy", "FI", "review"),
        ("H&M AB", "SE", "H och M AB", "SE", "same"),
        ("S.E.B. AB", "SE", "SEB A.B.", "SE", "same"),
        ("AB", "SE", "AB AB", "SE", "different"),
    ],
)
def test_names_are_compared_by_letters_forms_and_country(
    a: str, country_a: str | None, b: str, country_b: str | None, expected: Likeness
) -> None:
    assert compare_names(a, country_a, b, country_b) == expected
    assert compare_names(b, country_b, a, country_a) == expected


def test_a_folded_name_shows_what_was_taken_off() -> None:
    folded = fold_name("Åkerlund & Rausing AB (publ)", "SE")
    assert folded.text == "åkerlund & rausing"
    assert folded.plain == "akerlund & rausing"
    assert folded.key == "akerlund&rausing"
    assert folded.forms == {frozenset({"SE:AB"})}
    assert fold_name("Kone Ab", "FI").forms == {frozenset({"FI:OY"})}
    assert fold_name("Kone Ab", None).forms == {frozenset({"FI:OY", "SE:AB"})}


def test_many_special_letters_do_not_explode() -> None:
    folded = fold_name("Ö" * 60, "SE")
    assert folded.spellings == {"o" * 60, "oe" * 60}


def test_suggestions_come_most_alike_first_and_never_all() -> None:
    names = ["Anderson Bygg AB", "Nordea Bank Abp", "Andersson Byggtjänst AB", "Bygg Andersson HB"]
    found = suggest("Andersson Bygg AB", names, limit=2)
    assert [one.name for one in found] == ["Bygg Andersson HB", "Anderson Bygg AB"]
    assert found[0].percent >= found[1].percent >= 70
    assert suggest("Xyz", names) == ()
    assert suggest("Andersson", []) == ()


@pytest.mark.shared
def test_every_reference_pair(shared_dir: Path) -> None:
    spec = json.loads((shared_dir / "specs/nordic/names.json").read_text(encoding="utf-8"))
    wrong = []
    for pair in spec["pairs"]:
        a, b = (pair["a"], pair.get("country_a")), (pair["b"], pair.get("country_b"))
        for found in (compare_names(*a, *b), compare_names(*b, *a)):
            if found != pair["expected"]:
                wrong.append((pair, found))
    assert wrong == []
    assert len(spec["pairs"]) == 79


@pytest.mark.shared
def test_every_reference_form_is_taken_off(shared_dir: Path) -> None:
    spec = json.loads((shared_dir / "specs/nordic/names.json").read_text(encoding="utf-8"))
    for form in spec["legal_forms"]:
        for place in form["countries"]:
            for written in form["written"]:
                folded = fold_name(f"Foobar {written}", None if place == "EU" else place)
                assert (folded.text, bool(folded.forms)) == ("foobar", True), (place, written)


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("Sverige", "SE"),
        (" RUOTSI\u00a0", "SE"),
        ("S", "SE"),
        ("SWE", "SE"),
        ("Island", "IS"),
        ("Irland", "IE"),
        ("EL", "GR"),
        ("Åland, Finland", "AX"),
        ("Nordirland", "XI"),
        ("Ｎｏｒｇｅ", "NO"),
        ("Skandinavien", None),
        ("Sverge", None),
        ("EU", None),
        ("", None),
        ("-", None),
    ],
)
def test_countries_are_looked_up_never_guessed(written: str, code: str | None) -> None:
    assert country_code(written) == code


def test_a_country_is_suggested_only_when_asked() -> None:
    assert suggest_country("Sverge") == "SE"
    assert suggest_country("Skandinavien") is None


def test_facts_of_a_country() -> None:
    greece = country("GR")
    assert greece is not None
    assert (greece.vat_prefix, greece.currency, greece.eu_member) == ("EL", "EUR", True)
    assert country("ZZ") is None
    assert len(eu_members()) == 27
    assert not {"AX", "NO", "GB", "XI"} & eu_members()


@pytest.mark.parametrize(
    ("place", "written", "normal", "display"),
    [
        ("SE", "S-111 22", "11122", "111 22"),
        ("FI", "FIN-00100", "00100", "00100"),
        ("NO", "N-0150", "0150", "0150"),
        ("DK", "DK 0900", "0900", "0900"),
        ("IS", "IS-101", "101", "101"),
        ("GB", "sw1a1aa", "SW1A1AA", "SW1A 1AA"),
        ("PL", "00001", "00001", "00-001"),
        ("LV", "LV1050", "1050", "LV-1050"),
        ("US", "100011234", "100011234", "10001-1234"),
        ("NL", "1012ab", "1012AB", "1012 AB"),
    ],
)
def test_post_codes(place: str, written: str, normal: str, display: str) -> None:
    assert post_code(written, place) == PostCode(
        normal=normal, display=display, territory=territory(place, written)
    )


@pytest.mark.parametrize(
    ("place", "written"),
    [("SE", "011 22"), ("SE", "111-2"), ("NO", "150"), ("FI", "O0100"), ("GL", "2100"), ("SE", "")],
)
def test_impossible_post_codes(place: str, written: str) -> None:
    assert post_code(written, place) is None


def test_a_post_code_moves_a_record_for_tax() -> None:
    assert territory("FI", "FI-22100") == "AX"
    assert territory("NO", "9170") == "SJ"
    assert territory("NO", "9180") == "NO"
    assert territory("GB", "BT1 5GS") == "XI"
    assert territory("GB", "B1 1AA") == "GB"
    assert territory("GB", "BTX 1AA") == "GB"
    assert territory("FI", None) == "FI"
    greenland = post_code("3900", "DK")
    assert greenland is not None
    assert greenland.territory == "GL"


def test_care_of_lines() -> None:
    assert all(is_care_of(line) for line in ("c/o Svensson", "v/ Jensen", "Att: Anna", "Attn Bo"))
    assert not any(is_care_of(line) for line in ("Attendo AB", "Co-op", "Volvo AB", "Coop"))


def test_every_country_and_territory_names_a_source() -> None:
    table = load_table("countries")
    assert all(set(row["source"]) <= table["sources"].keys() for row in table["countries"].values())
    table = load_table("territories")
    assert all(row["source"] in table["sources"] for row in table["territories"].values())


@pytest.mark.shared
def test_every_reference_country(shared_dir: Path) -> None:
    text = (shared_dir / "specs/nordic/countries.json").read_text(encoding="utf-8")
    spec: dict[str, Any] = json.loads(text)
    for one in spec["lookups"] + spec["unresolved"]:
        assert country_code(one["input"]) == one["code"], one
    for row in spec["countries"]:
        for name in [row["code"], *row["names"].values(), *row["aliases"]]:
            assert country_code(name) == row["code"], name
        facts = country(row["code"])
        assert facts is not None
        assert facts.eu_member == row["eu_member"]
        assert facts.vat_prefix == row["vat_prefix"]
        assert facts.currency == row.get("currency")
        if "postcode" in row:
            found = post_code(row["postcode"]["example"], row["code"])
            assert found is not None
            assert found.display == row["postcode"]["example"]
    for one in spec["territory_vectors"]:
        assert territory(one["country"], one["postcode"]) == one["territory"], one
    assert all(is_care_of(f"{mark} Anna") for mark in spec["care_of"])


@pytest.mark.shared
def test_every_reference_post_code(shared_dir: Path) -> None:
    spec = json.loads((shared_dir / "specs/nordic/countries.json").read_text(encoding="utf-8"))
    for place, vectors in spec["postcode_vectors"].items():
        for one in vectors["valid"]:
            found = post_code(one["input"], place)
            assert found is not None, (place, one)
            assert found.display == one["normal"]
        for written in vectors["invalid"]:
            assert post_code(written, place) is None, (place, written)
