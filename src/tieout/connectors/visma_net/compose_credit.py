"""
A credit note on a released invoice, in the vendor's form. Pure.

Amounts of a credit note are positive over there; its type carries the sign. What it takes off the
invoice counts from its release on.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from tieout.connectors.visma_net.compose_document import Drafted, Setting
from tieout.connectors.visma_net.compose_lines import LineMaker
from tieout.connectors.visma_net.documents import line_rows
from tieout.connectors.visma_net.making import Made, carried
from tieout.connectors.visma_net.predict import predict, show_totals, taxed_lines
from tieout.connectors.visma_net.values import Payload, amount_of, rows_of, text_of, wrapped
from tieout.core.change import Predicted
from tieout.core.model import Document, Totals
from tieout.core.money import ZERO


def credit_body(
    wanted: Document | None, setting: Setting, *, key: str, invoice: Payload
) -> Drafted:
    """A credit note over the lines that are wanted, or over the whole invoice without any."""
    names, settings = setting.names, setting.settings
    currency = text_of(invoice, "currencyId") or names.currency
    number = text_of(invoice, "referenceNumber")
    made = Made()
    made.set("customerNumber", text_of(invoice, "customer", "number"))
    made.set("hold", settings.draft_status == "hold")
    made.set("currencyId", currency)
    day = (wanted.issue_date if wanted else None) or setting.today
    made.set("documentDate", day.isoformat())
    period = names.period(day)
    if period is not None:
        made.set("financialPeriod", period.code)
    if period is not None and not period.open:
        made.wrong("period_closed", f"The credit note would be booked on {day.isoformat()}; that "
                   "day is in a closed period.", hint="Finance chooses the date.")  # fmt: skip
    in_reference = settings.carrier == "external_reference"
    made.set("externalReference" if in_reference else "customerRefNumber", carried(key))
    # No field names the credited invoice but the application, which a person may take away.
    made.set("customerRefNumber" if in_reference else "invoiceText", number)
    zone = text_of(invoice, "customerVatZone", "id")
    if zone:
        made.body["customerVatZoneId"] = {"value": zone}
    rows = _copied(invoice) if wanted is None or not wanted.lines else None
    if rows is None:
        assert wanted is not None
        lines = LineMaker(made, names, settings, setting.items, currency)
        positive = [
            replace(line, quantity=abs(line.quantity)) if line.quantity < 0 else line
            for line in wanted.lines
        ]
        found = lines.build(positive, None, ())
        made.body["lines"], made.shown["lines"] = found.sent, found.shown
    else:
        made.body["lines"], made.shown["lines"] = rows
    project = text_of(invoice, "project", "id")
    if project not in ("", "X"):
        made.set("project", project)
        made.shown["project"] = {"id": project}
    made.shown |= {
        "documentType": "CreditNote",
        "status": "Hold" if settings.draft_status == "hold" else "Balanced",
        "customer": invoice.get("customer"),
        "exchangeRate": invoice.get("exchangeRate"),
    }
    taxed = taxed_lines(made, line_rows(made.shown), names, zone, day)
    if made.findings:
        return Drafted(made, taxed)
    rounds = settings.rounds_to_unit and currency == names.currency
    sized = predict(taxed, currency, names, rule=setting.rule.rule, rounds=rounds)
    show_totals(made.shown, sized, taxed, names)
    made.totals = Predicted(
        totals=_negative(sized.totals), other=_negative(sized.other) if sized.other else None
    )
    _apply(made, sized.totals.gross, invoice, number)
    return Drafted(made, taxed)


def _apply(made: Made, gross: Decimal, invoice: Payload, number: str) -> None:
    """What it takes off the invoice: no more than is open there, VAT included."""
    suffix = "InCurrency" if "balanceInCurrency" in invoice else ""
    left = amount_of(invoice, f"balance{suffix}")
    if left > 0:
        line = wrapped(documentType="Invoice", refNbr=number, amountPaid=min(gross, left))
        made.body["applicationLines"] = [{"operation": "Insert", **line}]


def _copied(invoice: Payload) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Every line of the invoice as it was sold."""
    sent, shown = [], []
    for place, row in enumerate(line_rows(invoice), start=1):
        discount = amount_of(row, "discountAmountInCurrency")
        item = text_of(row, "inventoryNumber")
        task = text_of(row, "projectTask", "id")
        values = wrapped(
            inventoryNumber=item or None,
            description=text_of(row, "description"),
            quantity=amount_of(row, "quantity"),
            uom=(text_of(row, "uom") or None) if item else None,
            unitPriceInCurrency=amount_of(row, "unitPriceInCurrency"),
            discountAmountInCurrency=discount if discount else None,
            discountPercent=None if discount else ZERO,
            manualDiscount=True,
            accountNumber=text_of(row, "account", "number") or None,
            vatCodeId=text_of(row, "vatCode", "id") or None,
            taskId=task or None,
        )
        segments = [
            {"segmentId": one.get("segmentId"), "segmentValue": text_of(one, "segmentValue")}
            for one in rows_of(row.get("subaccount") or {}, "segments")
        ]
        if segments:
            values["subaccount"] = segments
        sent.append({"operation": "Insert", **values})
        shown.append({**row, "lineNumber": place, "lineType": None})
    return sent, shown


def _negative(totals: Totals) -> Totals:
    return replace(
        totals,
        net=-totals.net,
        tax=-totals.tax,
        gross=-totals.gross,
        rounding=-totals.rounding,
    )
