"""A draft as the vendor will show it: what is sent, with what it fills in by itself."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tieout.connectors.visma_eaccounting.making import Made
from tieout.connectors.visma_eaccounting.names import Names
from tieout.connectors.visma_eaccounting.values import Payload, amount_of, text_of
from tieout.core.abilities import TotalsRule
from tieout.core.change import Predicted
from tieout.core.model import Line, LineKind
from tieout.core.money import line_net
from tieout.core.predict import predict


def includes_vat(customer: Payload, names: Names, read: Payload | None) -> bool:
    """
    Whether the prices of a draft have VAT inside: as the draft says; for a new one as the vendor's
    text has it (private persons, where the company is set so).
    """
    if read is not None:
        return bool(read.get("IncludesVat"))
    return bool(customer.get("IsPrivatePerson")) and names.private_includes_vat


def check_prices(made: Made, lines: tuple[Line, ...], includes: bool) -> None:
    """Notes it as wrong where our prices are meant in another way than the vendor takes them."""
    for place, line in enumerate(lines, start=1):
        if line.kind is not LineKind.TEXT and line.includes_tax is not includes:
            ours = "with" if line.includes_tax else "without"
            theirs = "with" if includes else "without"
            made.wrong(
                "net_differs",
                f"Line {place} is priced {ours} VAT; Visma takes this customer's prices "
                f"{theirs} VAT.",
                place=f"lines.{place}.unit_price",
            )
            return


def predicted(
    made: Made, customer: Payload, names: Names, *, includes: bool, rule: TotalsRule
) -> Predicted | None:
    """The totals of a draft, None where the rate of a priced row is not known."""
    lines = []
    for row, rate in zip(made.body["Rows"], made.rates, strict=True):
        if row.get("IsTextRow"):
            continue
        if rate is None:
            return None
        lines.append(
            Line(
                quantity=amount_of(row, "Quantity"),
                unit_price=amount_of(row, "UnitPrice"),
                discount=amount_of(row, "DiscountPercentage"),
                tax_rate=rate,
            )
        )
    currency = text_of(customer, "CurrencyCode") or names.currency
    rounds = names.rounds and currency == names.currency
    return predict(lines, currency, rule=rule, rounds_to_unit=rounds, includes_tax=includes)


def draft_payload(
    made: Made,
    *,
    customer: Payload,
    articles: Mapping[str, Payload],
    names: Names,
    read: Payload | None,
    includes: bool,
    totals: Predicted | None,
) -> dict[str, Any]:
    """The draft as its answer will read, apart from id, stamps and the base-currency figures."""
    currency = text_of(customer, "CurrencyCode") or names.currency
    shown: dict[str, Any] = {
        **(read or {}),
        **made.body,
        "InvoiceCurrencyCode": currency,
        "IncludesVat": includes,
    }
    for name in ("TotalAmountBaseCurrency", "TotalVatAmountBaseCurrency"):
        shown.pop(name, None)
    if read is None:
        shown["InvoiceCustomerName"] = text_of(customer, "Name")
    if not shown.get("TermsOfPaymentId"):
        shown["TermsOfPaymentId"] = text_of(customer, "TermsOfPaymentId")
    shown["Rows"] = [
        _row(row, rate, articles) for row, rate in zip(made.body["Rows"], made.rates, strict=True)
    ]
    if totals is None:
        for name in ("TotalAmount", "TotalVatAmount", "TotalRoundings"):
            shown.pop(name, None)
        return shown
    shown["TotalAmount"] = totals.totals.gross
    shown["TotalVatAmount"] = totals.totals.tax
    shown["TotalRoundings"] = totals.totals.rounding
    if currency == names.currency:
        shown["TotalAmountBaseCurrency"] = totals.totals.gross
        shown["TotalVatAmountBaseCurrency"] = totals.totals.tax
    return shown


def _row(row: Payload, rate: Decimal | None, articles: Mapping[str, Payload]) -> dict[str, Any]:
    if row.get("IsTextRow"):
        return dict(row)
    article = articles.get(text_of(row, "ArticleId"), {})
    return {
        **row,
        "ArticleNumber": article.get("Number"),
        "UnitAbbreviation": article.get("UnitAbbreviation"),
        "UnitName": article.get("UnitName"),
        "VatRate": rate,
        "Amount": line_net(
            amount_of(row, "Quantity"),
            amount_of(row, "UnitPrice"),
            amount_of(row, "DiscountPercentage"),
        ),
    }
