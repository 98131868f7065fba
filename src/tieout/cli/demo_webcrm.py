"""The demo's CRM in a simulated webCRM, and sales people working in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from tieout.cli.demo_crms import WEBCRM
from tieout.cli.demo_servers import Wanted
from tieout.services import demo as making
from tieout.services.demo_people import UNCODED, UNCODED_PRICE, Counts, Desk, KnownCustomer, NewItem

_COUNTRIES: Final = {"SE": "Sverige", "NO": "Norge"}
_UNITS: Final = {"time": "Hour", "dag": "Day", "måned": "Month"}
_NUMBER, _TERMS, _EMAIL, _CURRENCY = (f"OrganisationCustom{place}" for place in (1, 2, 3, 6))
_STATUS: Final = "DeliveryCustom4"
# What the generated system calls its fields.
_FIELDS: Final = {
    "account": {
        "org_number": _NUMBER,
        "terms": _TERMS,
        "invoice_email": _EMAIL,
        "credit_stop": "OrganisationCustom4",
        "currency": _CURRENCY,
        "reference_required": "OrganisationCustom9",
    },
    "deal": {"po_number": "OpportunityCustom2", "buyer_reference": "OpportunityCustom3"},
    "delivery_standing": {
        "number": "DeliveryCustom3",
        "status": _STATUS,
        "due_date": "DeliveryCustom5",
        "open": "DeliveryCustom6",
        "last_payment_on": "DeliveryCustom7",
    },
    "account_standing": {
        "open": "OrganisationCustom7",
        "overdue_amount": "OrganisationCustom8",
    },
}


class WebcrmCrm:
    """One system, where a deal is won when it is a delivery."""

    label = "webCRM"
    customers = "organisations"
    deals = "opportunities and deliveries"
    texts = making.WEBCRM

    def simulator(self, port: int, size: int, seed: int) -> Wanted:
        """The system, with so many organisations."""
        options = ("--size", str(size), "--seed", str(seed), "--rate-limits", "off")
        return Wanted(system=WEBCRM, port=port, options=options)

    def access(self, address: making.Address) -> making.Access:
        """By an application token."""
        return making.Access(
            name=self.texts.connection,
            system=address.system,
            settings={"api_url": address.base_url, "currency": "SEK", "country": "SE", **_FIELDS},
            secrets={"client_secret": address.credentials["application_token"]},
        )

    def sales(self, base_url: str, currency: str, country: str) -> WebcrmSales:
        """They sell in the books' currency what has no code."""
        return WebcrmSales(Desk(base_url), currency, _COUNTRIES[country], country)


@dataclass(slots=True)
class WebcrmSales:
    """Sales people at their desks; ``called`` is the country as they write it."""

    desk: Desk
    currency: str
    called: str
    country: str

    def counts(self) -> Counts:
        """Organisations, opportunities and deliveries."""
        won = len(self.desk.records("Deliveries"))
        return Counts(
            customers=len(self.desk.records("Organisations")),
            deals=won + len(self.desk.records("Opportunities")),
            won=won,
        )

    def items(self) -> Sequence[NewItem]:
        """One for each item of the catalogue that has a number."""
        stem = "QuotationLineLinkedDataItemData"
        return [
            NewItem(
                code=row[f"{stem}1"],
                name=row[f"{stem}2"],
                unit=_UNITS.get(row[f"{stem}3"], ""),
            )
            for row in self.desk.records("QuotationLineLinkedData")
            if row[f"{stem}1"] not in ("", "-")
        ]

    def buyers(self) -> Sequence[KnownCustomer]:
        """Organisations with a delivery, a number and a post code."""
        won = {row["DeliveryOrganisationId"] for row in self.desk.records("Deliveries")}
        return [
            KnownCustomer(
                name=row["OrganisationName"],
                company_number=row[_NUMBER],
                street=row["OrganisationAddress"].partition("\n")[0],
                postcode=row["OrganisationPostCode"],
                city=row["OrganisationCity"],
                country=self.country,
                email=row[_EMAIL] or "",
            )
            for row in self.desk.records("Organisations")
            if row["OrganisationId"] in won
            and row["OrganisationCountry"] == self.called
            and row[_NUMBER]
            and row["OrganisationPostCode"]
        ]

    def sell_uncoded(self, deals: int, today: date) -> None:
        """By deliveries, with a line that nobody gave a number."""
        organisations = [
            row
            for row in self.desk.records("Organisations", OrganisationCountry=self.called)
            if row[_CURRENCY] == self.currency and str(row[_TERMS]).startswith("30") and row[_EMAIL]
        ]
        for number, row in enumerate(organisations[:deals], start=1):
            line = {"text": UNCODED, "quantity": number, "price": UNCODED_PRICE, "vat": 25}
            self.desk.act(
                "add_delivery",
                organisation=row["OrganisationId"],
                title=f"{row['OrganisationName']}: {UNCODED}",
                currency=self.currency,
                lines=[line],
                set={"OrderDate": today.isoformat()},
            )

    def sell_more(self, deal: str, today: date) -> None:
        """A copy of it is won, and a line of it gets one more."""
        number = int(deal.partition(":")[2])
        made = self.desk.act("clone_deal", deal=number)
        copied = made["OpportunityId"]
        self.desk.act("edit_deal", deal=copied, set={"OrderDate": today.isoformat()})
        self.desk.act("win", deal=copied)
        lines = [
            row
            for row in self.desk.records("QuotationLines")
            if row["QuotationLineOpportunityId"] == number and row["QuotationLineQuantity"]
        ]
        if lines:
            first = lines[0]
            more = {
                "line": first["QuotationLineId"],
                "quantity": first["QuotationLineQuantity"] + 1,
            }
            self.desk.act("edit_lines", deal=number, change=[more])

    def statuses(self) -> Counter[str]:
        """By the custom field of deliveries."""
        rows = self.desk.records("Deliveries")
        return Counter(str(row[_STATUS]) for row in rows if row.get(_STATUS))
