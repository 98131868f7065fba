"""Records as decisions need them, by Nordic rules: numbers, names, VAT, days."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Final

from tieout.core.matching.party import NameParts
from tieout.core.model import Address, Customer, Deal, Identifier, IdState, Item, PartyKind
from tieout.core.tax import NumberCheck, TaxAnswer, Treatment
from tieout.nordic import einvoice, identifiers
from tieout.nordic.countries import country_code, post_code, territory
from tieout.nordic.names import fold_name
from tieout.nordic.payment_terms import next_business_day
from tieout.nordic.reasons import explain
from tieout.nordic.tables import load_table
from tieout.nordic.vat_rates import rate
from tieout.nordic.vat_state import register_question
from tieout.nordic.vat_treatment import Kind, SaleFacts, VatState, decide_treatment
from tieout.nordic.vat_treatment import Treatment as Decided

HUNDRED: Final = Decimal(100)
ZERO: Final = Decimal(0)

# Doubts about the form of a VAT number that leave no doubt about its holder's registration.
_GOOD_ENOUGH: Final = frozenset({"suffix_not_01", "no_check_digit"})
# Classes that nothing but their rate sets apart: what an item's own rate may stand for.
_BY_RATE: Final = ("standard", "food", "book", "newspaper", "medicine", "sports_service", "hygiene")
_STATES: Final = {
    "valid": IdState.VALID,
    "doubtful": IdState.DOUBTFUL,
    "invalid": IdState.INVALID,
}
_CODES: Final = {"vat_number_unverified": "number_unchecked"}
_KINDS: Final[tuple[Kind, ...]] = ("service", "goods")
_STATE_WORDS: Final[dict[str, VatState]] = {
    "valid": "valid",
    "invalid": "invalid",
    "absent": "absent",
}


class NordicEnricher:
    """
    `engine.enrich.Enricher` for sellers in the Nordic countries.

    ``check_vat_state``: a VAT number counts only once a register has confirmed it, so that a sale
    which depends on it is held; else one that is well formed counts. What registers said is given
    with `know`; a number of which nothing is known is unknown. ``oss`` and ``below_threshold``
    say how a seller taxes consumers in other member states, None: not told.
    """

    def __init__(
        self,
        *,
        check_vat_state: bool = False,
        oss: bool | None = None,
        below_threshold: bool | None = None,
        seller_mainly_retail: bool = False,
    ) -> None:
        self._check_vat_state = check_vat_state
        self._oss = oss
        self._below_threshold = below_threshold
        self._retail = seller_mainly_retail
        self._checks: dict[str, NumberCheck] = {}

    def know(self, checks: Mapping[str, NumberCheck]) -> None:
        """What is known now of these numbers, by `nordic.vat_state.Question.number`."""
        self._checks.update(checks)

    def depends_on_number(self, seller: str, buyer: Customer, day: date) -> bool:
        """Whether the VAT of an ordinary sale to this customer is another by its number's state."""
        facts = [self._facts(seller, buyer, kind, "standard", ZERO, day) for kind in _KINDS]
        return any(_differs(each, "valid", "unknown") for each in facts)

    def customer(self, record: Customer) -> Customer:
        """
        The same customer with its numbers checked. What is empty is left out; nothing is derived:
        a company number is never made of a VAT number.
        """
        country = _country(record.address("billing"))
        checked = tuple(
            number
            for given in record.identifiers
            if (number := _checked(given, given.country or country)) is not None
        )
        return replace(record, identifiers=checked)

    def folded(self, name: str, country: str) -> str:
        """The name without case, legal form and variants of letters; a mere form stays."""
        folded = fold_name(name, country_code(country) if country else None)
        return folded.key or " ".join(name.casefold().split())

    def name_parts(self, name: str, country: str) -> NameParts:
        """Plain words without the legal form; what is only a form is its own word."""
        folded = fold_name(name, country_code(country) if country else None)
        words = folded.plain.split() or name.casefold().split()
        return NameParts(words=tuple(words), forms=tuple(sorted(folded.forms, key=sorted)))

    def postcode(self, written: str, country: str) -> str:
        """The post code's normal form, or the text without blanks where it cannot be one."""
        found = post_code(written, country_code(country) or "") if country else None
        return found.normal if found is not None else "".join(written.split()).upper()

    def last_day(self, due: date, country: str) -> date:
        """The day itself, or the next on which banks there pay."""
        return next_business_day(due, country)

    def tax(
        self, seller: str, buyer: Customer | None, deal: Deal, item: Item, net: Decimal, day: date
    ) -> TaxAnswer:
        """The VAT of one item of a deal; held, with a sentence, where something is missing."""
        if buyer is None:
            return _hold("buyer_country_missing")
        home = _place(buyer.address("billing"))
        tax_class = _tax_class(item, seller, day)
        if tax_class is None:
            return _by_item(item, seller, home)
        number = buyer.identifier("vat")
        kind: Kind = "service" if item.service else "goods"
        facts = self._facts(seller, buyer, kind, tax_class, net, day)
        check = self._check(number)
        decided = decide_treatment(facts)
        if decided.held:
            return _hold(decided.reason or "rate_unknown", number, check)
        if check is not None and check.state == "invalid" and _differs(facts, "valid", "invalid"):
            return _hold("number_not_valid", number, check)
        return TaxAnswer(
            treatment=Treatment(decided.code),
            rate=ZERO if decided.rate is None else decided.rate / HUNDRED,
            text=decided.invoice_text or "",
            approval=decided.approval,
            reason=decided.reason or "",
        )

    def _facts(
        self, seller: str, buyer: Customer, kind: Kind, tax_class: str, net: Decimal, day: date
    ) -> SaleFacts:
        number = buyer.identifier("vat")
        home = _place(buyer.address("billing"))
        return SaleFacts(
            seller=seller,
            buyer=home or None,
            business=_business(buyer),
            vat_state=self._vat_state(number),
            kind=kind,
            tax_class=tax_class,
            day=day,
            vat_prefix=_prefix(number),
            # Without an address of its own for goods they go where the invoice goes.
            ship_to=_place(buyer.address("shipping")) or home or None,
            class_net_total=net,
            seller_mainly_retail=self._retail,
            oss=self._oss,
            below_threshold=self._below_threshold,
        )

    def _check(self, number: Identifier | None) -> NumberCheck | None:
        """What its register said; None where registers are not asked, or not of this one."""
        if not self._check_vat_state or number is None:
            return None
        question = register_question(number.raw, number.country)
        if question is None:
            return NumberCheck(number=number.normal or number.raw, state="unknown")
        return self._checks.get(question.number)

    def _vat_state(self, number: Identifier | None) -> VatState:
        if number is None:
            return "absent"
        if number.state is IdState.INVALID:
            return "invalid"
        if self._check_vat_state:
            check = self._check(number)
            return "unknown" if check is None else _STATE_WORDS.get(check.state, "unknown")
        if number.state is IdState.UNCHECKED:
            return "unknown"
        if number.state is IdState.DOUBTFUL and number.reason not in _GOOD_ENOUGH:
            return "unknown"
        return "valid"


def number_sentence(number: Identifier, whose: str) -> str:
    """`Company number 556917-3071 of Alvik Analys AB: The check digit does not fit, …`"""
    what = {"company": "Company", "vat": "VAT", "einvoice": "E-invoice"}.get(number.kind, "The")
    told = explain(number.reason) if number.reason else "It is in order."
    return f"{what} number {number.raw} of {whose}: {told}"


def _checked(given: Identifier, country: str) -> Identifier | None:
    if given.kind == "einvoice":
        return _checked_address(given)
    home = country or None
    if given.kind == "vat":
        found = identifiers.parse_vat_number(given.raw, home)
        if found.reason == "country_prefix":
            # A number of another state than the address: it is that state's rules that count.
            found = identifiers.parse_vat_number(given.raw, None)
    else:
        found = identifiers.parse_company_number(given.raw, home)
    if found.state == "absent":
        return None
    return replace(
        given,
        country=given.country or home,
        normal=found.normal or "",
        key=found.key or "",
        state=_STATES[found.state],
        reason=found.reason,
    )


def _checked_address(given: Identifier) -> Identifier | None:
    if not given.raw.strip():
        return None
    found = einvoice.check_address(given.raw)
    known = "format" if found.reason in ("scheme_unknown", "scheme_removed", "value") else None
    wrong = found.reason is not None
    return replace(
        given,
        normal="" if wrong else found.text,
        key="" if wrong else found.text,
        state=IdState.INVALID if wrong else IdState.VALID,
        reason=known or found.reason,
    )


def _country(address: Address | None) -> str:
    return (country_code(address.country) or "") if address is not None else ""


def _place(address: Address | None) -> str:
    """The country, or the part of it that is taxed by its own rules."""
    country = _country(address)
    return territory(country, address.postcode) if address is not None and country else ""


def _business(buyer: Customer) -> bool | None:
    if buyer.identifier("company") is not None or buyer.identifier("vat") is not None:
        return True
    return {PartyKind.COMPANY: True, PartyKind.PERSON: False}.get(buyer.kind)


def _prefix(number: Identifier | None) -> str | None:
    if number is None:
        return None
    letters = number.normal[:2]
    if letters.isalpha() and len(letters) == 2:
        return "EL" if letters == "GR" else letters
    return "EL" if number.country == "GR" else number.country


@cache
def _classes() -> frozenset[str]:
    table = load_table("vat_rates")
    groups = load_table("vat_treatment")["class_groups"]
    found = set(table["follow_standard"])
    for classes in table["rates"].values():
        found |= set(classes)
    for name, words in groups.items():
        if name != "unmapped":
            found |= set(words)
    return frozenset(found)


def _tax_class(item: Item, seller: str, day: date) -> str | None:
    """
    The item's own class where it is one of ours; else what its domestic rate in the books stands
    for. None where it has no rate at home.
    """
    word = "_".join(item.tax_class.casefold().split())
    if word in _classes():
        return word
    domestic = [tax.rate for tax in item.tax if tax.treatment == Treatment.DOMESTIC_RATE]
    if domestic and domestic[0] is not None:
        percent = domestic[0] * HUNDRED
        return next((name for name in _BY_RATE if rate(seller, name, day) == percent), "unmapped")
    if any(tax.treatment in (Treatment.DOMESTIC_ZERO, Treatment.EXEMPT) for tax in item.tax):
        return None
    return "unmapped"


def _by_item(item: Item, seller: str, home: str) -> TaxAnswer:
    """An item that the books sell without VAT: so at home, and nobody knows why abroad."""
    if not home:
        return _hold("buyer_country_missing")
    if home != seller:
        return _hold("tax_class_unknown")
    declared = {tax.treatment for tax in item.tax}
    zero = Treatment.DOMESTIC_ZERO in declared
    return TaxAnswer(treatment=Treatment.DOMESTIC_ZERO if zero else Treatment.EXEMPT, rate=ZERO)


def _differs(facts: SaleFacts, one: VatState, other: VatState) -> bool:
    """Whether the sale is taxed otherwise, or held, when the number's state is another."""

    def taxed(state: VatState) -> tuple[object, ...]:
        decided: Decided = decide_treatment(replace(facts, vat_state=state))
        return decided.code, decided.rate, decided.approval, decided.reason

    return taxed(one) != taxed(other)


def _hold(
    reason: str, number: Identifier | None = None, check: NumberCheck | None = None
) -> TaxAnswer:
    code = _CODES.get(reason, reason)
    if code in ("number_unchecked", "number_not_valid"):
        shown = "" if number is None else f" {number.normal or number.raw}"
        text = (
            f"VAT number{shown} is not valid"
            if code == "number_not_valid"
            else f"VAT number{shown} is unchecked. Held, not refused"
        )
        return TaxAnswer(treatment=Treatment.HOLD, rate=None, text=text, reason=code, check=check)
    text = explain(reason).rstrip(".")
    return TaxAnswer(treatment=Treatment.HOLD, rate=None, text=text, reason=code)
