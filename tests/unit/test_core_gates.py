"""Each gate refuses its bad case with its own code and a sentence that tells what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from support.cases import (
    LANE,
    SE12,
    TODAY,
    abilities,
    address,
    books_customer,
    books_ref,
    bridge,
    company,
    customer,
    deal,
    document_case,
    document_policy,
    domestic,
    field_rule,
    instalments,
    item,
    items,
    line,
    number,
    rule,
    slot,
    slot_state,
    target,
    text_line,
)
from tieout.core.abilities import EntityAbilities, TotalsRule
from tieout.core.case import Buyer, Decision, DocumentCase, Verdict
from tieout.core.decide_document import decide_document
from tieout.core.finding import Finding, Severity
from tieout.core.mapping.errors import MappingError, MissingFieldError, UnmappedValueError
from tieout.core.model import Document, DocumentKind, IdState
from tieout.core.policy import DocumentPolicy
from tieout.core.tax import TaxAnswer, Treatment

IN_BOOKS = Buyer(ref=books_ref("customer", "318"), record=books_customer())


def decide(case: DocumentCase, policy: DocumentPolicy | None = None) -> Decision:
    return decide_document(case, bridge(policy), LANE)


def stops(decision: Decision) -> list[Finding]:
    return [one for one in decision.findings if one.severity is Severity.ERROR]


def unmapped(table: str, value: str) -> Any:
    def ask(scope: Mapping[str, Any]) -> object:
        raise UnmappedValueError(table, value)

    return ask


def raising(error: Exception) -> Any:
    def ask(scope: Mapping[str, Any]) -> object:
        raise error

    return ask


@dataclass(frozen=True, kw_only=True)
class Bad:
    """A case that one gate refuses: its code, its sentence, and what to do about it."""

    code: str
    message: str
    hint: str
    case: DocumentCase
    policy: DocumentPolicy | None = None


def taxed(treatment: Treatment, reason: str = "") -> dict[str, TaxAnswer]:
    return {"CONS": TaxAnswer(treatment=treatment, rate=None, reason=reason)}


def by_hand(number: str, day: date | None = None, currency: str = "SEK") -> Document:
    """An invoice that finance made without us."""
    return Document(
        ref=books_ref("document", number),
        kind=DocumentKind.INVOICE,
        number=number,
        booked=True,
        currency=currency,
        issue_date=day,
    )


BAD = [
    Bad(
        code="item_no_code",
        message='"Montage plus" in D-106 has no code in visma-se.',
        hint="Add it to tables/items.csv.",
        case=document_case(deal("D-106", line("", name="Montage plus"))),
    ),
    Bad(
        code="item_no_code",
        message='"Montage plus" in D-106 has no code in visma-se.',
        hint="Add MON-1 to tables/items.csv, or make item MON-1 in visma-se.",
        case=document_case(deal("D-106", line("MON-1", name="Montage plus"))),
    ),
    Bad(
        code="item_no_code",
        message='"Montage plus" in D-106 has no code in visma-se.',
        hint="Add it to tables/articles.csv.",
        case=document_case(deal("D-106", line("", name="Montage plus"))),
        policy=document_policy(
            line_fields=(field_rule("item", unmapped("articles", "Montage plus")),)
        ),
    ),
    Bad(
        code="item_no_code",
        message='"Montage" in D-106 is no longer sold in visma-se.',
        hint="Make item CONS active there, or map it to another code.",
        case=document_case(
            deal("D-106", line("CONS", name="Montage")), items=items(item(active=False))
        ),
    ),
    Bad(
        code="number_wrong",
        message="Company number 556917-3071 of Alvik Analys AB has a wrong last digit.",
        hint="Correct it on the account.",
        case=document_case(
            crm_customer=customer(
                "C-1",
                "Alvik Analys AB",
                number("company", "556917-3071", IdState.INVALID, "check_digit"),
            )
        ),
    ),
    Bad(
        code="number_unchecked",
        message="VAT number FI12345671 of Tallmo Skog AB is unchecked: no register was asked. "
        "Held, not refused.",
        hint="Nothing; asked again 10:40.",
        case=document_case(
            crm_customer=customer("C-1", "Tallmo Skog AB", number("vat", "FI12345671")),
            taxes=taxed(Treatment.HOLD, "number_unchecked"),
            target=target(books=company(time_zone="Europe/Stockholm")),
        ),
    ),
    Bad(
        code="number_unchecked",
        message="VAT number FI12345671 of Tallmo Skog AB is unchecked: no register was asked. "
        "Held, not refused.",
        hint="Nothing; asked again.",
        case=document_case(
            crm_customer=customer(
                "C-1", "Tallmo Skog AB", number("vat", "FI12345671", IdState.UNCHECKED)
            ),
            now=None,
        ),
        policy=document_policy(check_vat_state=True),
    ),
    Bad(
        code="currency_not_allowed",
        message="D-120 is in USD; visma-se takes SEK, EUR.",
        hint="Change the deal or books.currency.",
        case=document_case(deal("D-120", currency="USD")),
    ),
    Bad(
        code="currency_not_allowed",
        message="D-120 is in EUR; Tallmo Skog AB is invoiced in SEK in visma-se.",
        hint="Finance changes the customer's currency, or sales the deal's.",
        case=document_case(
            deal("D-120", currency="EUR"),
            buyer=replace(IN_BOOKS, record=books_customer(currency="SEK")),
            target=target(currency_on="customer"),
        ),
    ),
    Bad(
        code="tax_unresolved",
        message="No VAT rule fits line 2 of D-126.",
        hint="Give its item a tax class, or ask finance.",
        case=document_case(
            deal("D-126", line("GOODS"), line()),
            taxes=domestic(items(item("GOODS"))) | taxed(Treatment.HOLD, "no_tax_class"),
        ),
    ),
    Bad(
        code="tax_unresolved",
        message="No VAT rule fits line 1 of D-126.",
        hint="Give its item a tax class, or ask finance.",
        case=document_case(deal("D-126"), taxes={}),
    ),
    Bad(
        code="tax_unresolved",
        message="visma-se cannot book CONS as eu service reverse charge (line 1 of D-126).",
        hint="Finance completes the item's accounts, or gives it another tax class.",
        case=document_case(deal("D-126"), taxes=taxed(Treatment.EU_SERVICE_REVERSE_CHARGE)),
    ),
    Bad(
        code="tax_mixed",
        message="D-126 has VAT of this country on line 1 and none on line 2.",
        hint="Finance decides, or sales splits the deal.",
        case=document_case(
            deal("D-126", line("GOODS"), line()),
            items={
                "GOODS": item("GOODS"),
                "CONS": item(
                    tax=(replace(item().tax[0], treatment=Treatment.EXPORT_GOODS, rate=Decimal(0)),)
                ),
            },
            taxes=domestic(items(item("GOODS"))) | taxed(Treatment.EXPORT_GOODS),
        ),
    ),
    Bad(
        code="terms_unmapped",
        message='"Net 45" of Havtorn Energi AB is not in tables/terms.csv.',
        hint="Add it.",
        case=document_case(crm_customer=customer("C-1", "Havtorn Energi AB")),
        policy=document_policy(fields=(field_rule("terms", unmapped("terms", "Net 45")),)),
    ),
    Bad(
        code="value_unmapped",
        message='"Nord" of D-108 (line 1) is not in tables/centres.csv.',
        hint="Add it.",
        case=document_case(),
        policy=document_policy(
            line_fields=(field_rule("dimensions.cost_centre", unmapped("centres", "Nord")),)
        ),
    ),
    Bad(
        code="unknown_field",
        message="terms of D-108 needs account.Terms__c, which was not read.",
        hint="Correct the mapping in the configuration.",
        case=document_case(),
        policy=document_policy(
            fields=(field_rule("terms", raising(MissingFieldError("account.Terms__c"))),)
        ),
    ),
    Bad(
        code="mapping_failed",
        message="po_number of D-108 has no value: two texts cannot be divided.",
        hint="Correct the value or the mapping (deal.Field__c).",
        case=document_case(),
        policy=document_policy(
            fields=(field_rule("po_number", raising(MappingError("two texts cannot be divided"))),)
        ),
    ),
    Bad(
        code="mapping_failed",
        message='lines.1.quantity of D-108 has no value: "1,5" is not a number.',
        hint="Correct the value or the mapping (deal.Field__c).",
        case=document_case(),
        policy=document_policy(
            line_fields=(field_rule("quantity", lambda scope: "1,5"),), tolerance=Decimal(5000)
        ),
    ),
    Bad(
        code="mapping_failed",
        message='delivered_on of D-108 has no value: "soon" is not a day.',
        hint="Correct the value or the mapping (deal.Field__c).",
        case=document_case(),
        policy=document_policy(fields=(field_rule("delivered_on", lambda scope: "soon"),)),
    ),
    Bad(
        code="dimension_missing",
        message="visma-se wants a cost centre; D-121 has none.",
        hint="Fill Cost_Center__c.",
        case=document_case(deal("D-121")),
        policy=document_policy(
            required_dimensions=("cost_centre",),
            line_fields=(
                field_rule(
                    "dimensions.cost_centre", lambda scope: None, text="deal.Cost_Center__c"
                ),
            ),
        ),
    ),
    Bad(
        code="dimension_missing",
        message="visma-se wants a project; D-121 has none on line 2.",
        hint="Fill it on the deal or the line.",
        case=document_case(deal("D-121", line(dimensions={"project": "P1"}), line())),
        policy=document_policy(required_dimensions=("project",)),
    ),
    Bad(
        code="dimension_missing",
        message="visma-se wants a project; D-121 has none on lines 2, 3.",
        hint="Fill it on the deal or the line.",
        case=document_case(deal("D-121", line(dimensions={"project": "P1"}), line(), line())),
        policy=document_policy(required_dimensions=("project",)),
    ),
    Bad(
        code="period_closed",
        message="D-122 would be booked 28 Sep; open from 1 Oct.",
        hint="Finance chooses the date.",
        case=document_case(
            deal("D-122"),
            today=date(2026, 9, 28),
            target=target(books=company(locked_to=date(2026, 9, 30))),
        ),
    ),
    Bad(
        code="period_closed",
        message="D-122 would be booked 28 Dec 2026; open from 2 Jan 2027.",
        hint="Finance chooses the date.",
        case=document_case(
            deal("D-122"),
            today=date(2026, 12, 28),
            target=target(
                books=company(locked_to=date(2026, 6, 30), first_open_day=date(2027, 1, 2))
            ),
        ),
    ),
    Bad(
        code="period_closed",
        message="D-122 would be booked 31 Oct; visma-se has no financial year after 31 Aug.",
        hint="Finance opens the next financial year.",
        case=document_case(
            deal("D-122"), target=target(books=company(last_open_day=date(2026, 8, 31)))
        ),
    ),
    Bad(
        code="net_differs",
        message="D-127 is 5,000.01, visma-se would show 5,000.02.",
        hint="Allow 0.01, or price with two decimals.",
        case=document_case(
            deal(
                "D-127",
                line(price="1666.67", stated_net=Decimal("1666.67")),
                line(price="3333.345", stated_net=Decimal("3333.34")),
            )
        ),
    ),
    Bad(
        code="total_below_zero",
        message="D-124 adds up to -400.00.",
        hint="Finance makes a credit note.",
        case=document_case(deal("D-124", line(price="600"), line(price="-1000"))),
    ),
    Bad(
        code="too_many_decimals",
        message="The price 18.255 on line 1 of D-108 has more than 2 decimals, which visma-se "
        "cannot hold.",
        hint="Change the unit or the price; it is never rounded in silence.",
        case=document_case(
            deal("D-108", line(price="18.255", quantity="100")),
            target=target(document=EntityAbilities(decimals={"unit_price": 2})),
        ),
    ),
    Bad(
        code="too_many_decimals",
        message="The discount 0.12345 on line 1 of D-108 has more than 4 decimals, which "
        "visma-se cannot hold.",
        hint="Change the unit or the price; it is never rounded in silence.",
        case=document_case(deal("D-108", line(discount="0.12345"))),
    ),
    Bad(
        code="too_many_decimals",
        message="The discount 10.005 on D-108 has more than 2 decimals.",
        hint="Change the discount; it is never rounded in silence.",
        case=document_case(deal("D-108", discount=Decimal("10.005"))),
        policy=document_policy(tolerance=Decimal(100)),
    ),
    Bad(
        code="discount_no_item",
        message="The discount of 100.00 on D-108 needs item RAB, which visma-se does not sell.",
        hint="Correct flows.documents.discount_item.",
        case=document_case(
            deal("D-108", line(), line(), line(), discount=Decimal("100.00")),
        ),
        policy=document_policy(discount_item="RAB", tolerance=Decimal(100)),
    ),
    Bad(
        code="buyer_reference_missing",
        message="Ekfors kommun returns e-invoices without its reference.",
        hint="Ask the buyer, fill it on D-125.",
        case=document_case(
            deal("D-125"),
            crm_customer=customer("C-1", "Ekfors kommun", extra={"reference_required": True}),
        ),
    ),
    Bad(
        code="buyer_reference_missing",
        message="Ekfors kommun returns e-invoices without its reference.",
        hint="Ask the buyer, fill it on D-125.",
        case=document_case(
            deal("D-125"),
            crm_customer=customer("C-1", "Ekfors kommun"),
            buyer=replace(
                IN_BOOKS,
                record=books_customer("318", "Ekfors kommun", number("einvoice", "0007:2120001")),
            ),
        ),
    ),
    Bad(
        code="buyer_reference_missing",
        message="Tallmo Skog AB returns e-invoices without its reference.",
        hint="Ask the buyer, fill it on D-125.",
        case=document_case(deal("D-125")),
        policy=document_policy(require_reference="always"),
    ),
    Bad(
        code="credit_stop",
        message="Mosippa Handel AB is on credit stop; order held.",
        hint="Finance lifts it.",
        case=document_case(
            crm_customer=customer("C-1", "Mosippa Handel AB"),
            buyer=replace(IN_BOOKS, record=books_customer(credit_stop=True)),
        ),
        policy=document_policy(kind="sales_order"),
    ),
    Bad(
        code="customer_missing",
        message="D-108 has no customer.",
        hint="Choose the account on the deal.",
        case=document_case(crm_customer=None, buyer=Buyer()),
    ),
    Bad(
        code="customer_not_in_books",
        message="Tallmo Skog AB is not in visma-se, and nothing makes it there.",
        hint="Switch flows.customers on, or link the customer.",
        case=document_case(buyer=Buyer()),
    ),
    Bad(
        code="customer_maybe_known",
        message="Ekfors Trä AB has the tax number of customers 112 and 240.",
        hint="Pick one, or say that it is new.",
        case=document_case(
            buyer=Buyer(
                findings=(
                    Finding(
                        code="customer_maybe_known",
                        message="Ekfors Trä AB has the tax number of customers 112 and 240.",
                        hint="Pick one, or say that it is new.",
                    ),
                )
            )
        ),
    ),
    Bad(
        code="customer_inactive",
        message="Tallmo Skog AB is no longer active in visma-se.",
        hint="Finance makes it active again, or choose another customer.",
        case=document_case(buyer=replace(IN_BOOKS, record=books_customer(active=False))),
    ),
    Bad(
        code="address_incomplete",
        message="Tallmo Skog AB has no post code, no country in its billing address.",
        hint="Complete the billing address on the account.",
        case=document_case(
            crm_customer=customer(addresses=(address(postcode="", country=""),)),
            buyer=Buyer(pending="K"),
        ),
    ),
    Bad(
        code="email_missing",
        message="Tallmo Skog AB has no e-mail address for invoices.",
        hint="Fill it on the account.",
        case=document_case(crm_customer=customer(emails={})),
        policy=document_policy(require_email=True),
    ),
    Bad(
        code="no_lines",
        message="D-108 has no lines to invoice.",
        hint="Add its products to the deal.",
        case=document_case(deal(lines=())),
    ),
    Bad(
        code="no_lines",
        message="D-108 has no lines to invoice.",
        hint="Add its products to the deal.",
        case=document_case(deal("D-108", text_line("As agreed"))),
    ),
    Bad(
        code="amount_not_lines",
        message="D-108 says 12,000.00, its lines add up to 1,000.00.",
        hint="Correct the amount or the lines.",
        case=document_case(deal(stated_total=Decimal("12000"))),
    ),
    Bad(
        code="amount_not_lines",
        message="D-108 says 12,000.00, its lines add up to 0.00.",
        hint="Correct the amount or the lines.",
        case=document_case(deal("D-108", line(price="0"), stated_total=Decimal("12000"))),
    ),
    Bad(
        code="schedule_not_total",
        message="D-110 is 1,000.00, its instalments add up to 999.99.",
        hint="Correct the last instalment: it is the total less the others.",
        case=document_case(
            deal("D-110", schedule=instalments("333.33", "333.33", "333.33")), part=1
        ),
    ),
    Bad(
        code="possible_duplicate",
        message="visma-se holds invoice 2231 of 2026-10-03 of this customer over the same net; "
        "no deal has it, so it could be D-108.",
        hint="Say whether it is: tieout exceptions show.",
        case=document_case(alike=(by_hand("2231", date(2026, 10, 3)),)),
    ),
]


@pytest.mark.parametrize(
    ("closes", "dated", "asked"),
    [(-3, -9, True), (-3, -11, False), (60, -6, True), (60, -8, False)],
)
def test_what_could_be_the_deals_is_dated_by_then(closes: int, dated: int, asked: bool) -> None:
    """In days from today, of a deal that closes then; one that closes later is won today."""
    won = replace(deal(), close_date=TODAY + timedelta(days=closes))
    case = document_case(won, alike=(by_hand("2231", TODAY + timedelta(days=dated)),))
    held = [one.code for one in decide(case).findings]
    assert held == (["possible_duplicate"] if asked else [])


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.code)
def test_a_gate_refuses_its_bad_case(bad: Bad) -> None:
    decision = decide(bad.case, bad.policy)
    assert decision.verdict is Verdict.HOLD
    assert decision.change is None
    assert [(one.code, one.message, one.hint) for one in stops(decision)] == [
        (bad.code, bad.message, bad.hint)
    ]
    assert (decision.reason, decision.message) == (bad.code, bad.message)
    assert stops(decision)[0].hold_on or bad.code == "customer_maybe_known"


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.code)
def test_a_person_reads_plain_words(bad: Bad) -> None:
    for words in (bad.message, bad.hint):
        assert words.endswith(".")
        for never in ("failed to", "invalid", "unexpected", "please", "None", "Decimal"):
            assert never not in words


def test_the_good_case_passes_every_gate() -> None:
    assert decide(document_case()).findings == ()
    assert decide(document_case()).verdict is Verdict.WRITE


def test_all_findings_come_at_once_and_once() -> None:
    made = deal(
        "D-106",
        line("", name="Montage plus"),
        line("", name="Montage plus"),
        line("OLD"),
        currency="USD",
        stated_total=Decimal(1),
    )
    case = document_case(
        made,
        crm_customer=customer(
            "C-1", "Tallmo", number("vat", "SE1", IdState.INVALID, "length"), emails={}
        ),
        alike=(by_hand("7", currency="USD"),),
    )
    policy = document_policy(
        require_email=True, require_reference="always", required_dimensions=("project",)
    )
    codes = [one.code for one in decide(case, policy).findings]
    assert codes == [
        "item_no_code",
        "item_no_code",
        "email_missing",
        "number_wrong",
        "amount_not_lines",
        "currency_not_allowed",
        "dimension_missing",
        "buyer_reference_missing",
        "possible_duplicate",
    ]


@pytest.mark.parametrize(
    "more",
    [
        {"made": deal(close_date=date(2026, 10, 20))},
        {"made": deal(currency="EUR")},
        {"state": slot_state(slot("D-108"), verdict="none_of_these")},
    ],
    ids=["dated long before the deal", "another currency", "a person said so"],
)
def test_a_document_by_hand_that_is_another_one_stops_nothing(more: dict[str, Any]) -> None:
    case = document_case(alike=(by_hand("2231", date(2026, 10, 3)),), **more)
    assert decide(case).verdict is Verdict.WRITE


def test_a_draft_without_a_day_and_one_a_little_early_could_be_it() -> None:
    closed = deal(close_date=date(2026, 10, 9))
    draft = replace(by_hand("", None), booked=False, ref=books_ref("document", "9"))
    decision = decide(document_case(closed, alike=(by_hand("2231", date(2026, 10, 3)), draft)))
    assert decision.message.startswith("visma-se holds invoice 2231 of 2026-10-03, draft 9 of")
    assert decision.findings[0].values == {"candidates": "2231 9"}


def test_one_bad_deal_does_not_stop_another() -> None:
    good, bad = document_case(deal("D-1")), document_case(deal("D-2", line("NONE")))
    assert [decide(one).verdict for one in (bad, good)] == [Verdict.HOLD, Verdict.WRITE]


# --- what passes ---------------------------------------------------------------------------------


def test_credit_stop_only_warns_on_invoices() -> None:
    decision = decide(
        document_case(buyer=replace(IN_BOOKS, record=books_customer(credit_stop=True)))
    )
    assert decision.verdict is Verdict.WRITE


def test_an_incomplete_address_is_no_matter_for_a_customer_that_is_there() -> None:
    assert decide(document_case(crm_customer=customer(addresses=()))).verdict is Verdict.WRITE


def test_a_reference_or_an_order_number_is_enough() -> None:
    for given in ({"po_number": "4500"}, {"buyer_reference": "Anna"}):
        case = document_case(deal("D-125", **given))
        assert decide(case, document_policy(require_reference="always")).verdict is Verdict.WRITE


def test_nobody_needs_a_reference_where_the_company_says_so() -> None:
    case = document_case(crm_customer=customer(extra={"reference_required": True}))
    assert decide(case, document_policy(require_reference="never")).verdict is Verdict.WRITE


def test_a_period_is_open_on_its_first_and_last_day() -> None:
    books = company(locked_to=date(2026, 10, 30), last_open_day=date(2026, 10, 31))
    assert decide(document_case(target=target(books=books))).verdict is Verdict.WRITE


def test_finer_prices_for_buyers_abroad_where_the_books_take_them() -> None:
    limits = EntityAbilities(decimals={"unit_price": 2, "unit_price_foreign": 4, "discount": 4})
    made = deal("D-1", line(price="0.0375", quantity="1200"), currency="EUR")
    case = document_case(made, target=target(document=limits))
    assert decide(case).verdict is Verdict.WRITE
    at_home = document_case(replace(made, currency="SEK"), target=target(document=limits))
    assert decide(at_home).reason == "too_many_decimals"
    finnish = customer(addresses=(address(country="FI"),))
    assert decide(replace(at_home, crm_customer=finnish)).verdict is Verdict.WRITE


def test_tolerance_allows_a_known_difference() -> None:
    made = deal("D-114", *(line(price="3333.335", stated_net=Decimal("3333.335")),) * 3)
    case = document_case(made)
    assert decide(case).reason == "net_differs"
    allowed = decide(case, document_policy(tolerance=Decimal("0.01")))
    assert allowed.verdict is Verdict.WRITE
    assert allowed.net == Decimal("10000.01")
    assert allowed.predicted is not None
    assert allowed.predicted.totals.net == Decimal("10000.02")


def test_the_worse_of_two_possible_figures_counts() -> None:
    known = items(item(rate=Decimal("0.255")), item("FOOD", SE12))
    made = deal("D-1", *(line(price="0.30"),) * 3)
    case = document_case(
        made,
        items=known,
        target=replace(target(), abilities=abilities(totals_rule=TotalsRule.UNKNOWN)),
    )
    decision = decide(case)
    assert decision.verdict is Verdict.WRITE
    assert decision.predicted is not None
    assert decision.predicted.other is not None


def test_an_unchecked_number_holds_only_where_it_must_be_confirmed() -> None:
    asked = customer("C-1", "T", number("vat", "FI12345671", IdState.UNCHECKED))
    assert decide(document_case(crm_customer=asked)).verdict is Verdict.WRITE
    doubtful = customer("C-1", "T", number("company", "123", IdState.DOUBTFUL))
    assert decide(document_case(crm_customer=doubtful)).verdict is Verdict.WRITE


def test_a_held_number_is_asked_again_by_itself() -> None:
    case = document_case(
        crm_customer=customer("C-1", "T", number("vat", "FI12345671")),
        taxes=taxed(Treatment.HOLD, "number_unchecked"),
    )
    assert stops(decide(case))[0].retry_after_s == 1800


def test_a_rule_that_cannot_be_judged_holds_the_deal() -> None:
    broken = document_policy(trigger=rule(raising(MappingError("a text is no number"))))
    decision = decide(document_case(), broken)
    assert (decision.verdict, decision.reason) == (Verdict.HOLD, "mapping_failed")
    assert decision.message == (
        "A rule of flows.documents cannot be judged for D-108: a text is no number."
    )


def test_a_deal_is_called_by_its_number_or_title_or_id() -> None:
    for names, called in (
        ({"number": "D-7"}, "D-7"),
        ({"number": "", "title": "Lager 3"}, "Lager 3"),
        ({"number": "", "title": ""}, "D-108"),
    ):
        made = replace(deal(), **names)
        decision = decide(document_case(made, crm_customer=None))
        assert decision.message == f"{called} has no customer."
