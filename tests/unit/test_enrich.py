"""The Nordic enricher: numbers, names, post codes, VAT answers and days."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from tieout.core.model import (
    Address,
    Customer,
    Deal,
    Identifier,
    IdState,
    Item,
    ItemTax,
    PartyKind,
)
from tieout.core.tax import NumberCheck, TaxAnswer, Treatment
from tieout.services.enrich import NordicEnricher, number_sentence

DAY = date(2026, 11, 25)
PLAIN = NordicEnricher()
STANDARD = ItemTax(treatment=Treatment.DOMESTIC_RATE, rate=Decimal("0.25"))
HOURS = Item(number="KON-1", name="Konsulttimme", service=True, tax=(STANDARD,))
GOODS = replace(HOURS, number="VAR-1", name="Skåp", service=False)


def _buyer(country: str, *, vat: str = "", company: str = "", **more: object) -> Customer:
    numbers = [("company", company), ("vat", vat)]
    return PLAIN.customer(
        Customer(
            name="Köparen AB",
            identifiers=tuple(
                Identifier(kind=kind, country=None, raw=raw) for kind, raw in numbers if raw
            ),
            addresses=(Address(postcode="111 22", country=country),),
            **more,  # type: ignore[arg-type]
        )
    )


def _tax(buyer: Customer | None, item: Item = HOURS, *, by: NordicEnricher = PLAIN) -> TaxAnswer:
    return by.tax("SE", buyer, Deal(), item, Decimal("1000.00"), DAY)


# --- numbers ----------------------------------------------------------------------------------


def test_numbers_get_their_normal_form_key_and_state() -> None:
    buyer = _buyer("SE", company="Org.nr: 556016-0680", vat="SE556016068001")
    company, vat = buyer.identifiers
    assert (company.normal, company.key, company.state) == (
        "5560160680",
        "SE5560160680",
        IdState.VALID,
    )
    assert (vat.state, vat.reason) == (IdState.VALID, None)
    assert vat.normal == "SE556016068001"


def test_a_wrong_digit_is_told_with_its_sentence() -> None:
    buyer = _buyer("SE", company="556917-3071")
    number = buyer.identifiers[0]
    assert (number.state, number.reason, number.key) == (IdState.INVALID, "checksum", "")
    text = number_sentence(number, "Alvik Analys AB")
    assert text.startswith("Company number 556917-3071 of Alvik Analys AB: The check digit")


def test_a_vat_number_of_another_state_is_read_by_that_states_rules() -> None:
    number = _buyer("SE", vat="FI20774740").identifiers[0]
    assert (number.state, number.normal) == (IdState.VALID, "FI20774740")


def test_empty_numbers_go_and_no_number_is_derived() -> None:
    blank = Identifier(kind="company", country=None, raw="  ")
    vat = Identifier(kind="vat", country=None, raw="SE556016068001")
    found = PLAIN.customer(Customer(identifiers=(blank, vat), addresses=(Address(country="SE"),)))
    assert [number.kind for number in found.identifiers] == ["vat"]


def test_checking_twice_changes_nothing() -> None:
    once = _buyer("NO", company="974 760 673", vat="NO974760673MVA")
    assert PLAIN.customer(once) == once


def test_e_invoice_addresses_are_checked_too() -> None:
    good = Identifier(kind="einvoice", country=None, raw="0007:5560160680")
    bad = replace(good, raw="0007:5560160681")
    found = PLAIN.customer(Customer(identifiers=(good, bad)))
    assert [number.state for number in found.identifiers] == [IdState.VALID, IdState.INVALID]


# --- names, codes, days -----------------------------------------------------------------------


def test_folding_sees_through_form_case_and_letters() -> None:
    one = PLAIN.folded("Österviks Hamn AB", "SE")
    assert one == PLAIN.folded("AB ÖSTERVIKS  HAMN", "SE")
    assert one != PLAIN.folded("Västerviks Hamn AB", "SE")
    assert PLAIN.folded("AB", "SE")


def test_post_codes() -> None:
    assert PLAIN.postcode("SE-111 22", "SE") == PLAIN.postcode("11122", "SE") == "11122"
    assert PLAIN.postcode("no code", "SE") == "NOCODE"
    assert PLAIN.postcode("AB1 2CD", "") == "AB12CD"


def test_the_last_day_is_one_on_which_banks_pay() -> None:
    assert PLAIN.last_day(date(2026, 11, 25), "SE") == date(2026, 11, 25)
    assert PLAIN.last_day(date(2026, 11, 28), "SE") == date(2026, 11, 30)
    # Midsummer's eve, then a weekend.
    assert PLAIN.last_day(date(2026, 6, 19), "SE") == date(2026, 6, 22)


# --- VAT --------------------------------------------------------------------------------------


def test_at_home_the_rate_is_a_fraction() -> None:
    answer = _tax(_buyer("SE", company="556016-0680"))
    assert (answer.treatment, answer.rate) == (Treatment.DOMESTIC_RATE, Decimal("0.25"))
    finnish = replace(HOURS, tax=(replace(STANDARD, rate=Decimal("0.255")),))
    at_home = PLAIN.tax("FI", _buyer("FI", company="0112038-9"), Deal(), finnish, Decimal(1), DAY)
    assert at_home.rate == Decimal("0.255")


def test_a_business_in_the_union_with_a_number_is_reverse_charged() -> None:
    answer = _tax(_buyer("FI", vat="FI20774740"))
    assert (answer.treatment, answer.rate) == (Treatment.EU_SERVICE_REVERSE_CHARGE, Decimal(0))
    assert answer.text
    assert not answer.approval
    goods = _tax(_buyer("FI", vat="FI20774740"), GOODS)
    assert goods.treatment is Treatment.EU_GOODS_EXEMPT


def test_a_number_that_must_be_confirmed_and_was_not_holds() -> None:
    strict = NordicEnricher(check_vat_state=True)
    answer = _tax(_buyer("FI", vat="FI20774740"), by=strict)
    assert (answer.treatment, answer.reason) == (Treatment.HOLD, "number_unchecked")
    assert "FI20774740" in answer.text
    # At home nothing depends on it.
    home = _tax(_buyer("SE", vat="SE556016068001"), by=strict)
    assert home.treatment is Treatment.DOMESTIC_RATE


def _knowing(**states: str) -> NordicEnricher:
    strict = NordicEnricher(check_vat_state=True)
    strict.know(
        {
            number: NumberCheck(number=number, state=state, register="VIES")
            for number, state in states.items()
        }
    )
    return strict


def test_a_register_that_said_yes_frees_what_depends_on_it() -> None:
    answer = _tax(_buyer("FI", vat="2077474-0"), by=_knowing(FI20774740="valid"))
    assert answer.treatment is Treatment.EU_SERVICE_REVERSE_CHARGE
    other = _tax(_buyer("FI", vat="FI01120389"), by=_knowing(FI20774740="valid"))
    assert (other.treatment, other.reason) == (Treatment.HOLD, "number_unchecked")


def test_a_register_that_said_no_holds_what_depends_on_it_and_nothing_else() -> None:
    strict = _knowing(FI20774740="invalid", SE556016068001="invalid")
    answer = _tax(_buyer("FI", vat="FI20774740"), by=strict)
    assert (answer.treatment, answer.reason) == (Treatment.HOLD, "number_not_valid")
    assert answer.check is not None
    assert answer.check.state == "invalid"
    home = _tax(_buyer("SE", vat="SE556016068001"), by=strict)
    assert home.treatment is Treatment.DOMESTIC_RATE
    # What was known is replaced, not added to.
    strict.know({"FI20774740": NumberCheck(number="FI20774740", state="unknown")})
    again = _tax(_buyer("FI", vat="FI20774740"), by=strict)
    assert again.reason == "number_unchecked"


@pytest.mark.parametrize(
    ("seller", "country", "vat", "depends"),
    [("SE", "FI", "FI20774740", True), ("SE", "SE", "SE556016068001", False),
     ("NO", "FI", "FI20774740", False), ("SE", "NO", "NO974760673MVA", False),
     ("SE", "GB", "GB366303068", False), ("DK", "SE", "SE556016068001", True)],
)  # fmt: skip
def test_whether_an_ordinary_sale_depends_on_the_number(
    seller: str, country: str, vat: str, depends: bool
) -> None:
    strict = NordicEnricher(check_vat_state=True)
    assert strict.depends_on_number(seller, _buyer(country, vat=vat), DAY) is depends


def test_an_impossible_number_wants_a_person() -> None:
    answer = _tax(_buyer("FI", vat="FI20774741"))
    assert (answer.treatment, answer.approval) == (Treatment.DOMESTIC_RATE, True)
    assert answer.reason == "no_valid_number"


@pytest.mark.parametrize(
    ("buyer", "item", "reason"),
    [
        (None, HOURS, "buyer_country_missing"),
        (_buyer("", company="556016-0680"), HOURS, "buyer_country_missing"),
        (_buyer("FI"), HOURS, "buyer_status_unknown"),
        (_buyer("FI", kind=PartyKind.PERSON), GOODS, "oss_status_unknown"),
        (_buyer("SE"), replace(HOURS, tax=()), "tax_class_unknown"),
    ],
)
def test_what_is_not_known_holds_with_a_sentence(
    buyer: Customer | None, item: Item, reason: str
) -> None:
    answer = _tax(buyer, item)
    assert (answer.treatment, answer.rate, answer.reason) == (Treatment.HOLD, None, reason)
    assert answer.text
    assert not answer.text.endswith(".")


def test_who_uses_the_one_stop_shop_taxes_at_the_destination() -> None:
    answer = _tax(_buyer("FI", kind=PartyKind.PERSON), GOODS, by=NordicEnricher(oss=True))
    assert (answer.treatment, answer.rate) == (Treatment.OSS_DESTINATION, Decimal("0.255"))


def test_goods_follow_the_delivery_address_where_there_is_one() -> None:
    buyer = _buyer("SE", company="556016-0680")
    abroad = replace(buyer, addresses=(*buyer.addresses, Address(role="shipping", country="NO")))
    assert _tax(abroad, GOODS).treatment is Treatment.EXPORT_GOODS
    assert _tax(abroad, HOURS).treatment is Treatment.DOMESTIC_RATE


def test_an_item_without_vat_is_sold_so_at_home_and_held_abroad() -> None:
    free = replace(HOURS, tax=(ItemTax(treatment=Treatment.EXEMPT, rate=Decimal(0)),))
    assert _tax(_buyer("SE", company="556016-0680"), free).treatment is Treatment.EXEMPT
    assert _tax(_buyer("FI", vat="FI20774740"), free).treatment is Treatment.HOLD


def test_a_class_of_ours_goes_before_the_rate() -> None:
    work = replace(HOURS, tax_class="Construction")
    answer = _tax(_buyer("SE", company="556016-0680", vat="SE556016068001"), work)
    assert (answer.treatment, answer.reason) == (Treatment.HOLD, "place_missing")


def test_a_rate_that_no_class_has_is_not_guessed() -> None:
    odd = replace(HOURS, tax=(replace(STANDARD, rate=Decimal("0.17")),))
    assert _tax(_buyer("SE", company="556016-0680"), odd).treatment is Treatment.HOLD
