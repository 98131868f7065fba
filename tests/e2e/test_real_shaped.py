"""A real-shaped pipeline: drafted, corrected by one alias, booked by finance, and tied out."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from support.real_pair import RealPair
from tieout.core.ledger_list import Period
from tieout.core.model import Customer, Deal, Item
from tieout.core.tax import TaxAnswer, Treatment
from tieout.core.tieout import TieOut
from tieout.engine.enrich import PlainEnricher

D = Decimal
SOLD = D("10005534.00")
CONFIGURATION = """
bridge: nordic
crm: salesforce-prod
books:
  - connection: visma-se
flows:
  documents: {mode: auto}
tables:
  payment_terms: {"Net 10": "10", "Net 14": "14", "Net 30": "30", "Net 60": "60"}
  items: {}
"""
ALIAS = CONFIGURATION.replace("items: {}", "items: {GTXPro: GTX Pro}")
ALL_TIME = Period(start=date(2010, 1, 1), end=date(2027, 12, 31))
IN_EU = {"BE", "DE", "IT", "PL", "RO"}


class Goods(PlainEnricher):
    """None of these buyers is at home: goods go to numbered buyers in the EU, or out of it."""

    def tax(
        self, seller: str, buyer: Customer | None, deal: Deal, item: Item, net: Decimal, day: date
    ) -> TaxAnswer:
        address = buyer.address("billing") if buyer else None
        within = address is not None and address.country in IN_EU
        treatment = Treatment.EU_GOODS_EXEMPT if within else Treatment.EXPORT_GOODS
        return TaxAnswer(treatment=treatment, rate=D(0))


def tied_out(pair: RealPair) -> TieOut:
    result = pair.tie_out(ALL_TIME).tie_out
    assert result.explained
    return result


def net_of(pair: RealPair, entity: str) -> Decimal:
    return sum(
        (
            D(row["TotalAmount"]) - D(row["TotalVatAmount"]) - D(row["TotalRoundings"])
            for row in pair.records(entity)
        ),
        D(0),
    )


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.timeout(1800)
def test_a_pipeline_is_drafted_corrected_booked_and_tied_out(
    database_url: str, shared_dir: Path
) -> None:
    data = shared_dir / "data" / "crm-sales-opportunities"
    start = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
    with RealPair(database_url, CONFIGURATION, start=start, data=data, enrich=Goods()) as pair:
        won = [row for row in pair.crm_records("Opportunity") if row["IsWon"]]
        assert (len(won), sum(D(row["Amount"]) for row in won)) == (4238, SOLD)

        pair.run()
        assert len(pair.records("customerinvoicedrafts")) == 3509
        cases = pair.cases()
        assert (len(cases), {case.code for case in cases}) == (729, {"item_no_code"})
        assert all('"GTXPro"' in case.message for case in cases)

        pair.configure(ALIAS)
        pair.run()
        assert pair.cases() == []
        result = tied_out(pair)
        assert (result.sold, result.invoiced, result.gap) == (SOLD, D(0), SOLD)
        assert [(cause.cause.value, cause.amount) for cause in result.causes] == [
            ("in_draft", SOLD)
        ]
        assert net_of(pair, "customerinvoicedrafts") == SOLD

        pair.in_books("book_draft", all=True)
        pair.run()
        result = tied_out(pair)
        assert (result.sold, result.invoiced, result.gap) == (SOLD, SOLD, D(0))
        assert result.causes == ()
        assert len(result.deals) == len(pair.records("customerinvoices")) == 4238
        assert net_of(pair, "customerinvoices") == SOLD
        assert pair.records("customerinvoicedrafts") == []
        assert pair.cases() == []
