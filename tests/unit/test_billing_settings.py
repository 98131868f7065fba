"""Where a billing plan and a deal's own rate are written, from the file to the deal."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from tieout.core.case import Seen
from tieout.core.model import Company, Deal, Entity, Instalment, Line
from tieout.core.policy import BridgePolicy
from tieout.engine.schedules import with_schedules
from tieout.settings.bridge import Configuration, read_bridge
from tieout.settings.compile import compile_policy, crm_selections

D = Decimal
PLAIN = "bridge: nordic\ncrm: sf\nbooks: [{connection: visma-se}]\n"
TEXT = PLAIN + (
    "flows:\n"
    "  documents: {instalments: deal.Billing_Plan__c}\n"
    "  reconcile: {rate: deal.Sales_Rate__c}\n"
)


def configured(text: str) -> Configuration:
    found = read_bridge(text, {})
    assert isinstance(found, Configuration), found
    return found


def policy(text: str = TEXT) -> BridgePolicy:
    company = Company(id="c", name="C", country="SE", currency="SEK", time_zone="UTC")
    return compile_policy(configured(text), version=1, crm_org="o", companies={"visma-se": company})


def deal(plan: str | None) -> dict[str, Seen]:
    record = Deal(
        source_id="1",
        number="D-1",
        currency="SEK",
        close_date=date(2026, 10, 5),
        lines=(Line(position=1, unit_price=D("100.00")),),
        extra={"Billing_Plan__c": plan, "Sales_Rate__c": D("11.20")},
    )
    return {"1": Seen(record=record)}


def test_the_paths_are_read_and_part_of_what_the_configuration_means():
    assert crm_selections(configured(TEXT))[Entity.DEAL].extra == (
        "Billing_Plan__c",
        "Sales_Rate__c",
    )
    assert configured(TEXT).digest != configured(PLAIN).digest
    assert policy(PLAIN).documents.instalments is None
    assert policy(PLAIN).reconcile.rate is None


def test_the_rate_is_the_deals_own():
    rule = policy().reconcile.rate
    assert rule is not None
    assert rule.value({"deal": {"Sales_Rate__c": D("11.20")}}) == D("11.20")


def test_a_plan_becomes_steps_and_no_plan_none():
    rule = policy().documents.instalments
    found, wrong = with_schedules(deal("30%, rest 2026-11-30"), {}, rule)
    record = found["1"].record
    assert isinstance(record, Deal)
    assert record.schedule == (
        Instalment(part=1, amount=D("30.00")),
        Instalment(part=2, amount=D("70.00"), due_on=date(2026, 11, 30)),
    )
    assert wrong == {}
    assert with_schedules(deal(None), {}, rule) == (deal(None), {})
    assert with_schedules(deal("3"), {}, None) == (deal("3"), {})


def test_a_plan_that_is_not_understood_says_so():
    found, wrong = with_schedules(deal("half"), {}, policy().documents.instalments)
    assert found == deal("half")
    finding = wrong["1"]
    assert (finding.code, finding.hold_on) == ("schedule_not_understood", "deal")
    assert 'The billing plan of D-1 is not understood: "half" is no part' in finding.message
    assert "deal.Billing_Plan__c" in finding.hint
