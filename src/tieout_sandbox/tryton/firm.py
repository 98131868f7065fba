"""The books of the firm whose CRM the Salesforce simulator generates, with nothing sold yet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal

from tieout_sandbox.tryton.plan import Plan, TaxRulePlan, TermPlan, nordic

COMPANY = "Nordljus Konsult AB"
# All that the firm sells: services at 25 %.
CATEGORY = "Tjänster 25 %"
IN_EU, OUTSIDE_EU = "Kund i annat EU-land", "Kund utanför EU"
TAX_RULES: Mapping[str, str] = {
    "eu_service_reverse_charge": IN_EU,
    "service_outside_eu": OUTSIDE_EU,
}
"""The tax rule of these books for each VAT situation that the firm has besides home."""

_MORE_COUNTRIES = (("EE", "Estonia"), ("CH", "Switzerland"))
_MORE_TERMS = (14, 20)


def nordljus(years: Iterable[int]) -> Plan:
    """
    The Nordic plan under the firm's name: countries of all its customers, their terms in days
    but for 45, which nobody entered. Items and customers are made by people.
    """
    plan = nordic(years)
    rule = TaxRulePlan(
        name=OUTSIDE_EU, origins=("Moms 25 %", "Moms 12 %", "Moms 6 %"), tax="Momsfri 0 %"
    )
    terms = tuple(
        TermPlan(name=f"Net {days} days", instalments=((Decimal(100), days),))
        for days in _MORE_TERMS
    )
    return replace(
        plan,
        company=COMPANY,
        countries=(*plan.countries, *_MORE_COUNTRIES),
        tax_rules=(*plan.tax_rules, rule),
        terms=(*plan.terms, *terms),
        items=(),
        dimensions=(),
    )
