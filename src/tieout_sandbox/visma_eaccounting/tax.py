"""Which account and which rate a row gets: by the article's coding and the customer's situation."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tieout_sandbox.visma_eaccounting.errors import (
    REVERSED_VAT_ZERO,
    SALES_ACCOUNT_MISSING,
    VismaError,
)
from tieout_sandbox.visma_eaccounting.fields import Record

SUFFIX = "AccountNumber"
ZERO = Decimal(0)
# Standard rates of the buyer's country, for sales under the one-stop shop.
OSS_RATES = {
    "AT": "0.20", "BE": "0.21", "BG": "0.20", "CY": "0.19", "CZ": "0.21", "DE": "0.19",
    "DK": "0.25", "EE": "0.24", "EL": "0.24", "ES": "0.21", "FI": "0.255", "FR": "0.20",
    "GR": "0.24", "HR": "0.25", "HU": "0.27", "IE": "0.23", "IT": "0.22", "LT": "0.21",
    "LU": "0.17", "LV": "0.21", "MT": "0.18", "NL": "0.21", "PL": "0.23", "PT": "0.23",
    "RO": "0.21", "SE": "0.25", "SI": "0.22", "SK": "0.23",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The situation, the account it books on (None where the coding has none) and the rate."""

    situation: str
    account: int | None
    rate: Decimal


def judge(
    coding: Record,
    customer: Record,
    article: Record,
    settings: Record,
    eu_members: frozenset[str],
    *,
    third_party: bool = False,
    construction: bool = False,
    vat_free: bool = False,
) -> Verdict:
    """The tax of one row. `construction`: the row's own flag; `vat_free`: the row says so.
    VismaError 4027 where the construction flag does not fit the article or the customer."""
    if construction:
        return _construction(coding, customer)
    situation, rate = _situation(
        coding, customer, article, settings, eu_members, third_party, vat_free
    )
    return Verdict(situation=situation, account=coding.get(situation + SUFFIX), rate=rate)


def require_account(verdict: Verdict, coding: Record) -> int:
    """The account, VismaError 4024 where the coding lacks it."""
    if verdict.account is None:
        raise VismaError(
            SALES_ACCOUNT_MISSING,
            f"SalesAccountNumberMissing - {coding['Name']} has no {verdict.situation}{SUFFIX}",
        )
    return verdict.account


def _construction(coding: Record, customer: Record) -> Verdict:
    situation = "DomesticSalesSubjectToReversedConstructionVat"
    account = coding.get(situation + SUFFIX)
    if account is None or not customer.get("ReverseChargeOnConstructionServices"):
        raise VismaError(
            REVERSED_VAT_ZERO,
            "ReversedVatZero - the row is not eligible for reverse charge on construction services",
            field="ReversedConstructionServicesVatFree",
        )
    return Verdict(situation=situation, account=account, rate=ZERO)


def _situation(
    coding: Record,
    customer: Record,
    article: Record,
    settings: Record,
    eu_members: frozenset[str],
    third_party: bool,
    vat_free: bool,
) -> tuple[str, Decimal]:
    domestic_rate: Decimal = coding["VatRatePercent"]
    country = vat_country(customer, settings)
    if third_party:
        return "ForeignSalesSubjectToThirdPartySales", ZERO
    if country == settings["CountryCode"]:
        if vat_free or not domestic_rate:
            return "DomesticSalesVatExempt", ZERO
        return "DomesticSalesSubjectToVat", domestic_rate
    if country in eu_members or customer.get("IsNorthernIreland"):
        if customer.get("VatNumber") and not customer.get("IsPrivatePerson"):
            return "ForeignSalesVatExemptWithinEu", ZERO
        if settings.get("UsesMoss") and article.get("UsesMoss"):
            return "ForeignSalesSubjectToMoss", Decimal(OSS_RATES.get(country, "0.25"))
        return "ForeignSalesSubjectToVatWithinEu", domestic_rate
    if customer.get("ForceBookkeepVat"):
        return "DomesticSalesSubjectToVat", domestic_rate
    return "ForeignSalesVatExemptOutsideEu", ZERO


def vat_country(customer: Record, settings: Record) -> Any:
    """The country whose rules count for a customer."""
    if customer.get("DeliveryBasedVat") and customer.get("DeliveryCountryCode"):
        return customer["DeliveryCountryCode"]
    return customer.get("InvoiceCountryCode") or settings["CountryCode"]
