"""A bridge as people write it, and small helpers for the tests about it."""

from __future__ import annotations

from collections.abc import Mapping

from tieout.core.model import Company
from tieout.core.policy import BridgePolicy
from tieout.settings.bridge import Configuration, read_bridge
from tieout.settings.compile import compile_policy
from tieout.settings.problems import Problem, render_problems

NORDIC = """\
# The bridge of Nordljus Konsult.
bridge: nordic
crm: salesforce-prod
books:
  - connection: visma-se
    when: account.BillingCountryCode == 'SE'
    currency: [SEK, EUR]
  - connection: visma-no
flows:
  customers:  {direction: to_books, mode: auto, match: [external_id, tax_number]}
  documents:
    when: deal.won and deal.Signed__c
    include: account.Type != 'Own group'
    mode: approve
    approve_above: 100000
  status:     {direction: to_crm, every: 1m}
  reconcile:  {every: 1d, threshold: 1.00, alert: finance}
brakes: {update_share: 0.5, clock_offset: 30m}
mapping:
  customer:
    payment_terms: {from: account.Payment_Terms__c, values: payment_terms, owner: books}
    email: account.Invoice_Email__c
  document:
    your_reference: contact.name | default('', true)
  document.line:
    item: {from: line.Product2.ProductCode, values: items}
  dimensions:
    cost_center: deal.Cost_Center__c
tables:
  payment_terms: {"Net 30": "30", "Net 14": 014}
"""
ITEMS = "from,to,note\nCONS,100,hours\nMontage plus,MON-2,\n"

COMPANIES = {
    name: Company(id=f"id-{name}", name=name, country=country, currency=currency, time_zone=zone)
    for name, country, currency, zone in (
        ("visma-se", "SE", "SEK", "Europe/Stockholm"),
        ("visma-no", "NO", "NOK", "Europe/Oslo"),
        ("books", "SE", "SEK", "Europe/Stockholm"),
    )
}

SMALL = """\
bridge: small
crm: crm
books: [{connection: books}]
"""


def configured(text: str = NORDIC, tables: Mapping[str, str] | None = None) -> Configuration:
    """The configuration of a text that is right."""
    found = read_bridge(text, {"items": ITEMS} if tables is None else tables)
    assert isinstance(found, Configuration), render_problems(found, {"tieout.yaml": text})
    return found


def problems_in(text: str, tables: Mapping[str, str] | None = None) -> list[Problem]:
    """The problems of a text that is wrong."""
    found = read_bridge(text, tables or {})
    assert isinstance(found, list), "the text was taken"
    return found


def shown(text: str, tables: Mapping[str, str] | None = None) -> list[str]:
    """Place, code, message and hint of each problem."""
    return [
        f"{found.place} {found.code} {found.message} {found.hint}".rstrip()
        for found in problems_in(text, tables)
    ]


def policy_of(configuration: Configuration) -> BridgePolicy:
    """Its policy, version 7."""
    return compile_policy(configuration, version=7, crm_org="00D000000000001", companies=COMPANIES)
