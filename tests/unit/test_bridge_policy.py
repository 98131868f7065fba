"""Bridges compiled into policies: what rules answer, and how tables speak, up to a decision."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from bridge_texts import NORDIC, SMALL, configured, policy_of

from tieout.core.abilities import Abilities, EntityAbilities, Reads
from tieout.core.case import Buyer, Decision, DocumentCase, SlotState, Target, Verdict
from tieout.core.decide_customer import wanted_customer
from tieout.core.decide_document import decide_document
from tieout.core.errors import ConfigurationError
from tieout.core.keys import KeyKind, Slot
from tieout.core.mapping import MappingError, Mode, Owner
from tieout.core.model import (
    Address,
    Company,
    Contact,
    Customer,
    Deal,
    DealState,
    Document,
    Entity,
    ExternalRef,
    Item,
    ItemRef,
    ItemTax,
    Line,
    PartyKind,
)
from tieout.core.policy import BridgePolicy, FieldRule, FlowMode
from tieout.core.scope import customer_scope, deal_scope
from tieout.core.tax import TaxAnswer, Treatment
from tieout.settings.compile import (
    books_selections,
    compile_policy,
    crm_selections,
    selections,
)

RATE = Decimal("0.25")
BOOKS = Company(
    id="id-books", name="Nordljus", country="SE", currency="SEK", time_zone="Europe/Stockholm"
)


def ref(entity: str, id: str, connection: str = "books") -> ExternalRef:
    return ExternalRef(connection, entity, id)


def account(**more: Any) -> Customer:
    return Customer(
        ref=ref("customer", "A1", "crm"),
        name="Ekfors Trä AB",
        addresses=(Address(postcode="74010", city="Almunge", country="SE"),),
        **more,
    )


def deal(*items: str, **more: Any) -> Deal:
    lines = tuple(
        Line(
            position=position,
            item=ItemRef(number=number.partition("|")[0], name=number.partition("|")[2] or number),
            quantity=Decimal(2),
            unit_price=Decimal("100.00"),
            stated_net=Decimal("200.00"),
        )
        for position, number in enumerate(items, start=1)
    )
    return Deal(
        ref=ref("deal", "D1", "crm"),
        source_id="D1",
        number="D-106",
        customer=ref("customer", "A1", "crm"),
        state=DealState.WON,
        currency="SEK",
        close_date=date(2026, 10, 20),
        lines=lines,
        stated_total=Decimal("200.00") * len(lines),
        **more,
    )


def decide(
    policy: BridgePolicy, sold: Deal, known: tuple[str, ...], buyer: Customer | None = None
) -> Decision:
    """The decision about a deal where the books know these items, all at 25 %."""
    items = {
        number: Item(
            ref=ref("item", number),
            number=number,
            name=f"item {number}",
            tax=(ItemTax(treatment=Treatment.DOMESTIC_RATE, rate=RATE),),
        )
        for number in known
    }
    slot = Slot(crm_org=policy.crm_org, source_id="D1", company="id-books", kind=KeyKind.DOCUMENT)
    target = Target(
        connection="books",
        company=BOOKS,
        abilities=Abilities(
            side="books",
            entities={Entity.DOCUMENT: EntityAbilities(decimals={"discount": 4})},
        ),
    )
    case = DocumentCase(
        deal=sold,
        part=0,
        crm_customer=buyer or account(),
        buyer=Buyer(ref=ref("customer", "C1"), record=Customer(ref=ref("customer", "C1"))),
        state=SlotState(slot=slot, key13=slot.key13),
        target=target,
        items=items,
        taxes={number: TaxAnswer(treatment=Treatment.DOMESTIC_RATE, rate=RATE) for number in known},
        today=date(2026, 10, 21),
    )
    return decide_document(case, policy, "small/documents/books")


def written(decision: Decision) -> Document:
    """The document that the decision writes."""
    assert decision.verdict is Verdict.WRITE, (decision.reason, decision.findings)
    assert decision.change is not None
    assert decision.change.wanted is not None
    record = decision.change.wanted.record
    assert isinstance(record, Document)
    return record


def small(more: str = "", **tables: str) -> BridgePolicy:
    text = SMALL + "flows: {documents: {mode: auto}}\n" + more
    return policy_of(configured(text, tables))


# --- the policy ----------------------------------------------------------------------------------


def test_the_whole_file_becomes_a_policy() -> None:
    configuration = configured()
    policy = policy_of(configuration)
    assert (policy.name, policy.version, policy.crm) == ("nordic", 7, "salesforce-prod")
    assert policy.digest == configuration.digest
    se, no = policy.books
    assert (se.company, se.seller, se.base_currency) == ("id-visma-se", "SE", "SEK")
    assert (se.currencies, no.currencies) == (frozenset({"SEK", "EUR"}), frozenset())
    assert (se.time_zone, no.time_zone) == ("Europe/Stockholm", "Europe/Oslo")
    assert no.when is None
    assert policy.customers.match == ("external_id", "tax_number")
    assert policy.documents.approve_above == Decimal(100000)
    assert policy.documents.four_eyes is True
    assert policy.documents.trigger is not None
    assert policy.documents.trigger.text == "deal.won and deal.Signed__c"
    assert policy.status.tolerance["SEK"] == Decimal("0.99")
    assert policy.status.tolerance["EUR"] == Decimal("0.05")
    assert policy.reconcile.threshold == Decimal("1.00")
    assert (policy.brakes.update_share, policy.brakes.clock_offset_s) == (Decimal("0.5"), 1800)
    terms, email = sorted(policy.customers.fields, key=lambda rule: rule.target, reverse=True)
    assert (terms.target, terms.owner, terms.table) == ("terms", Owner.BOOKS, "payment_terms")
    assert (email.target, email.owner, email.mode) == ("emails", Owner.CRM, Mode.OVERWRITE)


def test_four_eyes_are_off_without_a_limit_and_can_be_switched_off_with_one() -> None:
    assert policy_of(configured(SMALL, {})).documents.four_eyes is False
    text = SMALL + "flows: {documents: {approve_above: 5, four_eyes: false}}\n"
    assert policy_of(configured(text, {})).documents.four_eyes is False


def test_a_book_without_a_company_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="visma-se"):
        compile_policy(configured(), version=1, crm_org="x", companies={})


def test_the_usual_trigger_is_the_same_written_out() -> None:
    for written_out in ("deal.won", "( deal.won )"):
        text = SMALL + f"flows: {{documents: {{when: {written_out}}}}}\n"
        assert policy_of(configured(text, {})).documents.trigger is None
    assert policy_of(configured(SMALL, {})).documents.trigger is None
    book = "bridge: b\ncrm: c\nbooks: [{connection: books, when: deal.won}]\n"
    assert policy_of(configured(book, {})).books[0].when is not None


def test_rules_answer_and_a_rule_that_is_neither_is_an_error() -> None:
    rule = policy_of(configured()).books[0].when
    assert rule is not None
    for country, answer in (("SE", True), ("NO", False)):
        buyer = account(extra={"BillingCountryCode": country})
        assert rule.holds(deal_scope(deal(), buyer)) is answer
    trigger = policy_of(configured()).documents.trigger
    assert trigger is not None
    with pytest.raises(MappingError):
        trigger.holds(deal_scope(deal(extra={"Signed__c": "yes"}), account()))
    alone = policy_of(
        configured(SMALL + "flows: {documents: {when: deal.Signed__c}}\n", {})
    ).documents.trigger
    assert alone is not None
    assert alone.holds(deal_scope(deal(extra={"Signed__c": True}), account())) is True
    for odd in ("yes", None):
        with pytest.raises(MappingError, match="neither true nor false"):
            alone.holds(deal_scope(deal(extra={"Signed__c": odd}), account()))


def test_modes_reach_the_policy() -> None:
    text = (
        SMALL + "flows: {customers: {mode: off}, documents: {mode: shadow}, status: {mode: off}}\n"
    )
    policy = policy_of(configured(text, {}))
    assert (policy.customers.mode, policy.documents.mode, policy.status.mode) == (
        FlowMode.OFF,
        FlowMode.SHADOW,
        FlowMode.OFF,
    )


# --- items: a table of aliases, up to the decision -----------------------------------------------


def test_an_item_with_a_row_gets_the_books_code_and_one_without_keeps_its_own() -> None:
    policy = small(items="from,to\nCONS,100\n")
    document = written(decide(policy, deal("CONS", "MON-2"), ("100", "MON-2")))
    assert [line.item.number if line.item else "" for line in document.lines] == ["100", "MON-2"]


def test_a_product_without_a_code_is_found_by_its_name() -> None:
    policy = small(items="from,to\nMontage plus,MON-2\n")
    document = written(decide(policy, deal("|Montage plus"), ("MON-2",)))
    assert document.lines[0].item is not None
    assert document.lines[0].item.number == "MON-2"


def test_a_product_that_nobody_knows_is_held_by_name() -> None:
    policy = small(items="from,to\nCONS,100\n")
    decision = decide(policy, deal("|Montage plus"), ("100",))
    assert (decision.verdict, decision.reason) == (Verdict.HOLD, "item_no_code")
    assert decision.message == '"Montage plus" in D-106 has no code in books.'


def test_a_table_without_rows_is_as_good_as_none() -> None:
    policy = small(items="from,to,note\n", terms="from,to,note\n")
    assert policy.documents.line_fields == ()
    assert policy.customers.fields == ()
    assert written(decide(policy, deal("CONS"), ("CONS",))).lines[0].quantity == Decimal(2)


def test_an_item_mapping_of_ones_own_is_an_alias_table_too_unless_it_says_hold() -> None:
    row = (
        "mapping:\n"
        "  document.line:\n"
        "    item: {{from: line.Product2.ProductCode, values: items{0}}}\n"
    )
    sold = deal("x")
    line = sold.lines[0]
    sold = replace(sold, lines=(replace(line, extra={"Product2.ProductCode": "SKU-9"}),))
    kept = small(row.format(""), items="from,to\nCONS,100\n")
    document = written(decide(kept, sold, ("SKU-9",)))
    assert document.lines[0].item is not None
    assert document.lines[0].item.number == "SKU-9"
    held = small(row.format(", unmapped: hold"), items="from,to\nCONS,100\n")
    decision = decide(held, sold, ("SKU-9",))
    assert (decision.verdict, decision.reason) == (Verdict.HOLD, "item_no_code")
    hint = "Add SKU-9 to tables/items.csv, or make item SKU-9 in books."
    assert decision.findings[0].hint == hint
    assert decision.findings[0].values["code"] == "SKU-9"


# --- other fields of documents -------------------------------------------------------------------


def test_heads_lines_and_dimensions_are_filled() -> None:
    policy = small(
        "mapping:\n"
        "  document:\n"
        "    our_reference: \"'Ref ' ~ deal.owner\"\n"
        "    po_number: deal.Amount_Code__c\n"
        "    delivered_on: deal.Delivered__c\n"
        "  document.line:\n"
        "    text: line.item_name ~ ' for ' ~ account.name\n"
        "    unit_price: line.unit_price * 2\n"
        "  dimensions:\n"
        "    cost_center: account.Region__c\n"
        "    project: {from: deal.Project__c, values: projects}\n"
        "tables: {projects: {Lager: P-3}}\n"
    )
    sold = deal(
        "CONS",
        owner="A. Lind",
        extra={
            "Amount_Code__c": Decimal("1E+3"),
            "Delivered__c": "2026-10-19",
            "Project__c": "Lager",
        },
    )
    rules = policy.documents
    scope = deal_scope(sold, account(extra={"Region__c": "NORD"}))
    heads = {rule.target: rule.value(scope) for rule in rules.fields}
    assert heads == {
        "our_reference": "Ref A. Lind",
        "po_number": "1000",
        "delivered_on": date(2026, 10, 19),
    }
    line = {"line": {"item_name": "Hours", "unit_price": Decimal("100.00")}}
    lines = {rule.target: rule.value({**scope, **line}) for rule in rules.line_fields}
    assert lines == {
        "text": "Hours for Ekfors Trä AB",
        "unit_price": Decimal("200.00"),
        "dimensions.cost_center": "NORD",
        "dimensions.project": "P-3",
    }


@pytest.mark.parametrize(
    ("section", "target", "source", "words"),
    [
        ("document", "delivered_on", "deal.Odd__c", "a date such as 2026-10-31 belongs here"),
        ("document.line", "unit_price", "deal.Odd__c", "gives text, and a number belongs here"),
        ("document.line", "quantity", "deal.won", "gives true or false, and a number"),
    ],
)
def test_a_value_that_does_not_fit_its_target_is_an_error_and_not_a_guess(
    section: str, target: str, source: str, words: str
) -> None:
    policy = small(f"mapping: {{{section}: {{{target}: {source}}}}}\n")
    (rule,) = (*policy.documents.fields, *policy.documents.line_fields)
    scope = {**deal_scope(deal(extra={"Odd__c": "soon"}), account()), "line": {}}
    with pytest.raises(MappingError, match=words):
        rule.value(scope)


def test_a_field_whose_condition_is_false_has_its_usual_value() -> None:
    policy = small(
        "mapping:\n"
        "  document:\n"
        "    your_reference: {from: \"'Kundtjänst'\", condition: account.language == 'sv'}\n"
        "  document.line:\n"
        "    text: {from: \"'mapped'\", condition: account.language == 'sv'}\n"
    )
    sold = deal("CONS", billing_contact=Contact(given="Eva", family="Ek"))
    swedish = written(decide(policy, sold, ("CONS",), account(language="sv")))
    assert (swedish.your_reference, swedish.lines[0].text) == ("Kundtjänst", "mapped")
    finnish = written(decide(policy, sold, ("CONS",), account(language="fi")))
    assert (finnish.your_reference, finnish.lines[0].text) == ("Eva Ek", "CONS")


def test_a_deal_left_out_by_rule_is_skipped() -> None:
    text = SMALL + "flows: {documents: {mode: auto, include: account.language != 'xx'}}\n"
    policy = policy_of(configured(text, {}))
    decision = decide(policy, deal("CONS"), ("CONS",), account(language="xx"))
    assert (decision.verdict, decision.reason) == (Verdict.SKIP, "excluded_by_rule")


# --- customers -----------------------------------------------------------------------------------


def rule_of(policy: BridgePolicy, target: str) -> FieldRule:
    return next(rule for rule in policy.customers.fields if rule.target == target)


@pytest.mark.parametrize("table", ["terms", "payment_terms"])
def test_terms_go_through_their_table_without_a_word_about_it(table: str) -> None:
    policy = small(**{table: "from,to\nNet 30,30\n"})
    wanted, findings = wanted_customer(account(terms="Net 30"), policy.customers)
    assert (wanted.terms, findings) == ("30", ())
    wanted, findings = wanted_customer(account(terms="Net 45"), policy.customers)
    assert [finding.code for finding in findings] == ["terms_unmapped"]
    assert f"is not in tables/{table}.csv" in findings[0].message
    assert findings[0].hint == "Add it."
    wanted, findings = wanted_customer(account(terms=""), policy.customers)
    assert (wanted.terms, findings) == ("", ())
    # What was agreed later in the books stays, unless the file says that the CRM owns it.
    assert rule_of(policy, "terms").owner is Owner.BOOKS


def test_terms_without_any_table_stay_as_they_are() -> None:
    wanted, findings = wanted_customer(account(terms="Net 45"), small().customers)
    assert (wanted.terms, findings) == ("Net 45", ())


def test_a_mapped_address_joins_the_others() -> None:
    policy = small(
        "mapping:\n"
        "  customer:\n"
        "    email: {from: account.Billing_Email__c, owner: books, mode: if_empty}\n"
        "    kind: \"'person' if account.Private__c else 'company'\"\n"
        "    name: account.name | upper\n"
    )
    source = account(
        emails={"general": "info@ekfors.example"},
        extra={"Billing_Email__c": "ap@ekfors.example", "Private__c": False},
    )
    wanted, findings = wanted_customer(source, policy.customers)
    assert findings == ()
    assert wanted.emails == {"general": "info@ekfors.example", "invoice": "ap@ekfors.example"}
    assert (wanted.kind, wanted.name) == (PartyKind.COMPANY, "EKFORS TRÄ AB")
    email = rule_of(policy, "emails")
    assert (email.owner, email.mode) == (Owner.BOOKS, Mode.IF_EMPTY)
    none = account(extra={"Billing_Email__c": None, "Private__c": False})
    assert wanted_customer(none, policy.customers)[0].emails == {}


def test_a_kind_that_there_is_not_is_an_error() -> None:
    policy = small("mapping: {customer: {kind: account.name}}\n")
    with pytest.raises(MappingError, match="company, person or unknown"):
        rule_of(policy, "kind").value({"account": customer_scope(account())})


# --- what to read --------------------------------------------------------------------------------


def test_the_crms_own_paths_are_selected_and_ours_are_not() -> None:
    found = crm_selections(configured())
    assert list(found) == [Entity.CUSTOMER, Entity.DEAL]
    assert found[Entity.CUSTOMER].extra == (
        "BillingCountryCode",
        "Invoice_Email__c",
        "Payment_Terms__c",
        "Type",
    )
    assert found[Entity.DEAL].extra == (
        "Cost_Center__c",
        "Signed__c",
        "line.Product2.ProductCode",
    )


def test_the_shape_moves_with_the_fields_and_with_nothing_else() -> None:
    before = crm_selections(configured())
    same = crm_selections(configured(NORDIC.replace("approve_above: 100000", "four_eyes: true")))
    assert before == same
    more = crm_selections(configured(NORDIC.replace("account.Type !=", "account.Sort__c !=")))
    assert more[Entity.CUSTOMER].shape != before[Entity.CUSTOMER].shape
    assert more[Entity.DEAL].shape == before[Entity.DEAL].shape
    shapes = [one.shape for one in (*before.values(), *books_selections(configured()).values())]
    assert all(len(shape) == 64 for shape in shapes)


def test_each_connection_has_its_selections_less_what_it_cannot_show() -> None:
    configuration = configured()
    found = selections(configuration)
    assert set(found) == {"visma-se", "visma-no", "salesforce-prod"}
    assert Entity.PAYMENT in found["visma-se"]
    poor = Abilities(side="books", entities={Entity.CUSTOMER: EntityAbilities(reads=Reads.STAMP)})
    less = selections(configuration, {"visma-se": poor})
    assert list(less["visma-se"]) == [Entity.CUSTOMER]
    assert less["visma-no"] == found["visma-no"]
