"""The worked month-end: what people did from September to 5 November 2026, in order."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from support.real_pair import RealPair

STOCKHOLM = ZoneInfo("Europe/Stockholm")
CONFIGURATION = """
bridge: nordic
crm: salesforce-prod
books:
  - connection: visma-se
    currency: [SEK, EUR]
flows:
  documents:
    mode: approve
    approve_above: 100000
    include: account.Own_Group__c != true
    when: deal.won and deal.Order_Confirmed__c
    instalments: deal.Billing_Plan__c
    tolerance: 0.01
  reconcile:
    rate: deal.Sales_Rate__c
tables:
  payment_terms: {"Net 10": "10", "Net 14": "14", "Net 30": "30", "Net 60": "60"}
  items: {CONS: KONS-1}
"""
OWN_GROUP = "Nordljus Fastigheter AB"
FINNISH = "Saimaan Telakka Oy"
THIRDS = "1/3 2026-10-05, 1/3 2026-10-19, rest 2026-11-30"
HALF_HOUR = {"product": "CONS", "quantity": "0.5", "unit_price": "6666.67"}


def moment(month: int, day: int, hour: int = 9, minute: int = 0) -> datetime:
    """A moment of 2026 by the clock on the wall in Stockholm."""
    return datetime(2026, month, day, hour, minute, tzinfo=STOCKHOLM).astimezone(UTC)


class October:
    """Plays the month over a pair; every deal is confirmed unless the story says otherwise."""

    def __init__(self, pair: RealPair) -> None:
        self.pair = pair
        pair.in_crm("set_scale", object="OpportunityLineItem", field="TotalPrice", scale=3)
        pair.in_crm("create_product", name="Montage plus", price="9640.00")

    def play(self) -> None:
        """From 1 September to the morning of 5 November."""
        self.september()
        self.first_half()
        self.second_half()
        self.last_evening()
        self.november()

    def deal(self, number: str, account: str, *amounts: object, **more: object) -> None:
        """A deal whose order is confirmed."""
        values = {"Order_Confirmed__c": True, **more}
        self.pair.deal(number, account, *amounts, **values)  # type: ignore[arg-type]

    # --- September --------------------------------------------------------------------------------

    def september(self) -> None:
        pair = self.pair
        pair.account("Sjöholm Bygg AB", Payment_Terms__c="Net 10")
        pair.at(moment(9, 10))
        self.deal("D-91", "Sjöholm Bygg AB", "38000.00")
        pair.run()
        pair.book("D-91")
        pair.at(moment(9, 14))
        self.deal("D-92", "Älvdal Kraft AB", "25000.00")
        self.deal("D-93", "Kusthöjden AB", "32000.00")
        self.deal("D-94", "Norrsken Foto AB", "10000.00")
        pair.run()
        for number in ("D-92", "D-93", "D-94"):
            pair.book(number)
        pair.at(moment(9, 28))
        self.deal("D-98", "Granit & Mark AB", "22000.00")
        pair.run()

    # --- October ----------------------------------------------------------------------------------

    def first_half(self) -> None:
        pair = self.pair
        pair.at(moment(10, 2))
        pair.book("D-98")
        self._longer_terms("Sjöholm Bygg AB")
        pair.at(moment(10, 5))
        pair.account(OWN_GROUP, Own_Group__c=True)
        pair.account(FINNISH, "FI")
        self.deal("D-101", "Brännvik Logistik AB", "80000.00", "40000.00")
        self.deal("D-102", "Sjöholm Bygg AB", "30000.00", "18750.00")
        self.deal("D-103", OWN_GROUP, "15000.00")
        pair.deal("D-104", "Havtorn Energi AB", "64000.00")
        self.deal("D-105", "Kustbanan Drift AB", "210000.00")
        montage = {"product": "Montage plus", "quantity": "1", "unit_price": "9640.00"}
        self.deal("D-106", "Ekfors Trä AB", montage)
        self.deal("D-110", "Fjällbo Hotell AB", "100000.00", Billing_Plan__c=THIRDS)
        self.deal("D-111", "Rönnskär Plåt AB", "27200.00")
        self.deal("D-112", "Mosippa Handel AB", "8900.00")
        pair.run()
        pair.approve("D-101")
        pair.run()
        pair.at(moment(10, 7))
        for number in ("D-101", "D-102"):
            pair.book(number)
        pair.book("D-110", 1)
        pair.in_books("edit_draft", draft=pair.draft_of("D-111"), line=1, price="26000.00")
        pair.book("D-111")
        pair.run()

    def _longer_terms(self, name: str) -> None:
        """Finance, who owns the terms, gives a customer 30 days from now on."""
        pair = self.pair
        customer = next(row for row in pair.records("customers") if row["Name"] == name)
        terms = next(
            row for row in pair.records("termsofpayments") if row["Name"] == "30 dagar netto"
        )
        changed = {"TermsOfPaymentId": terms["Id"]}
        pair.in_books("edit_customer", customer=customer["Id"], set=changed)

    def second_half(self) -> None:
        pair = self.pair
        pair.at(moment(10, 19))
        self.deal("D-113", "Granit & Mark AB", "54000.00")
        self.deal("D-114", "Alvik Analys AB", HALF_HOUR, HALF_HOUR, HALF_HOUR)
        self.deal("D-115", FINNISH, "12000.00", currency="EUR", Sales_Rate__c=Decimal("11.20"))
        self.deal("D-116", "Vattenbo Teknik AB", "80000.00")
        self.deal("D-117", "Björkhaga Vård AB", "60000.00", Billing_Plan__c="2")
        pair.run()
        pair.approve("D-115")
        pair.run()
        for number in ("D-113", "D-114", "D-115", "D-116"):
            pair.book(number)
        pair.book("D-110", 2)
        pair.book("D-117", 1)
        pair.in_books("edit_draft", draft=pair.draft_of("D-117", 2), line=1, price="29000.00")
        pair.run()
        pair.at(moment(10, 20))
        pair.price("D-116", "82000.00")
        self._invoice_without_deal()
        pair.run()
        pair.at(moment(10, 27))
        pair.in_books("delete_draft", draft=pair.draft_of("D-112"))
        self._credits()
        pair.run()
        pair.at(moment(10, 28))
        self._money()
        pair.run()

    def _invoice_without_deal(self) -> None:
        made = self.pair.in_books("create_customer", set={"Name": "Åsvik Montage AB"})
        self.pair.in_books("set_company_setting", name="NextCustomerInvoiceNumber", value=1049)
        self.pair.in_books("create_invoice", customer=made["Id"], amount="6300.00")

    def _credits(self) -> None:
        for number, part, gross in (
            ("D-117", 1, "3750.00"),
            ("D-113", 0, "16875.00"),
            ("D-91", 0, "5000.00"),
        ):
            self.pair.in_books("credit", invoice=self._invoice(number, part), amount=gross)

    def _money(self) -> None:
        pay = self.pair.in_books
        pay("pay", invoice=self._invoice("D-101"), amount="150000.00")
        pay("pay", invoice=self._invoice("D-102"), amount="30000.00")
        pay("pay", invoice=self._invoice("D-110", 1), amount="41666.66", kind=3)
        pay("pay", invoice=self._invoice("D-111"), amount="33000.00")
        pay("pay", invoice=self._invoice("D-93"), amount="40000.00")
        pay("write_off", invoice=self._invoice("D-94"))
        pay("set_exchange_rate", currency="EUR", rate="11.10")
        pay("pay", invoice=self._invoice("D-115"), amount="12000.00", fee="166.50")
        pay("reminder_fee", invoice=self._invoice("D-91"))
        pay("manual_voucher_1510", amount="2400.00", text="no invoice")

    def _invoice(self, number: str, part: int = 0) -> str:
        return self.pair.invoice_of(number, part)

    # --- the last evening, and after --------------------------------------------------------------

    def last_evening(self) -> None:
        pair = self.pair
        pair.at(moment(10, 31, 17))
        self.deal("D-108", "Tallmo Skog AB", "37500.00")
        self.deal("D-109", "Österviks Hamn AB", "25000.00")
        pair.account("Lindvall Data AB")
        pair.run()
        pair.at(moment(10, 31, 23, 56))
        self.deal("D-107", "Lindvall Data AB", "18000.00", close="2026-10-31")
        drafts = "/v2/customerinvoicedrafts"
        pair.books.faults.add({"kind": "drop_after_commit", "method": "POST", "path": drafts})
        pair.at(moment(10, 31, 23, 57))
        pair.run()

    def november(self) -> None:
        pair = self.pair
        pair.at(moment(11, 1, 0, 9))
        pair.run()
        pair.at(moment(11, 2))
        pair.book("D-109")
        pair.run()
        pair.at(moment(11, 5, 8, 10))
        pair.run()
