"""The seeded company: a small Swedish one, Björkviken Teknik AB, with SEK and whole-krona totals.

Documented for whoever rehearses against it: VAT codings for goods and services of 25, 12, 6 and
0 %, five terms of payment, six units, twelve articles, one bank account and one of foreign
currency, two kinds of cost centre with items, three projects (one ended), and fiscal years from
the year before the clock's start to the year after it, all open. No customers unless a size is
given.
"""

from __future__ import annotations

import csv
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from tieout_sandbox.visma_eaccounting.books import Books
from tieout_sandbox.visma_eaccounting.credentials import COMPANY_ID
from tieout_sandbox.visma_eaccounting.fields import Record
from tieout_sandbox.visma_eaccounting.tables import Table

EU = frozenset({
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR",
    "HR", "HU", "IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO",
    "SE", "SI", "SK",
})  # fmt: skip
OTHERS = frozenset({
    "AD", "AE", "AF", "AG", "AI", "AL", "AM", "AO", "AR", "AU", "AW", "AX", "AZ", "BA", "BB", "BD",
    "BF", "BH", "BI", "BJ", "BM", "BN", "BO", "BR", "BS", "BT", "BW", "BY", "BZ", "CA", "CD", "CF",
    "CG", "CH", "CI", "CL", "CM", "CN", "CO", "CR", "CU", "CV", "CW", "DJ", "DM", "DO", "DZ", "EC",
    "EG", "ER", "ET", "FJ", "FM", "FO", "GA", "GB", "GD", "GE", "GG", "GH", "GI", "GL", "GM", "GN",
    "GQ", "GT", "GW", "GY", "HK", "HN", "HT", "ID", "IL", "IM", "IN", "IQ", "IR", "IS", "JE", "JM",
    "JO", "JP", "KE", "KG", "KH", "KI", "KM", "KN", "KP", "KR", "KW", "KY", "KZ", "LA", "LB", "LC",
    "LI", "LK", "LR", "LS", "LY", "MA", "MC", "MD", "ME", "MG", "MH", "MK", "ML", "MM", "MN", "MO",
    "MR", "MS", "MU", "MV", "MW", "MX", "MY", "MZ", "NA", "NE", "NG", "NI", "NO", "NP", "NR", "NZ",
    "OM", "PA", "PE", "PG", "PH", "PK", "PS", "PW", "PY", "QA", "RS", "RU", "RW", "SA", "SB", "SC",
    "SD", "SG", "SJ", "SL", "SM", "SN", "SO", "SR", "SS", "ST", "SV", "SY", "SZ", "TC", "TD", "TG",
    "TH", "TJ", "TL", "TM", "TN", "TO", "TR", "TT", "TV", "TW", "TZ", "UA", "UG", "US", "UY", "UZ",
    "VA", "VC", "VE", "VG", "VN", "VU", "WS", "XK", "YE", "ZA", "ZM", "ZW",
})  # fmt: skip
NAMES = {
    "SE": "Sverige", "NO": "Norge", "DK": "Danmark", "FI": "Finland", "DE": "Tyskland",
    "NL": "Nederländerna", "FR": "Frankrike", "GB": "Storbritannien", "US": "USA", "IS": "Island",
}  # fmt: skip
RATES = {
    "SEK": "1", "EUR": "11.0432", "USD": "9.5215", "NOK": "0.9471", "DKK": "1.4796",
    "GBP": "12.6140", "CHF": "11.8233", "PLN": "2.6012", "ISK": "0.0753",
}  # fmt: skip

TERMS = (
    ("30 dagar netto", "30 days net", 30, 0),
    ("10 dagar netto", "10 days net", 10, 0),
    ("14 dagar netto", "14 days net", 14, 0),
    ("60 dagar netto", "60 days net", 60, 0),
    ("Löpande månad + 30", "Current month + 30", 30, 1),
    ("Kontant", "Cash", 0, 2),
)
UNITS = (
    ("Styck", "C62", "st", "pcs"),
    ("Timme", "HUR", "tim", "h"),
    ("Dag", "DAY", "dag", "day"),
    ("Månad", "MON", "mån", "mth"),
    ("Kilogram", "KGM", "kg", "kg"),
    ("Meter", "MTR", "m", "m"),
)
# Name, English name, goods or services, rate, accounts by situation (D domestic, X domestic
# exempt, R construction reverse charge, E EU exempt, V EU with VAT, M one-stop shop,
# T third party, O outside the EU).
CODINGS: tuple[tuple[str, str, str, str, dict[str, int]], ...] = (
    ("Varor 25 %", "Goods 25 %", "Goods", "0.25",
     {"D": 3001, "X": 3004, "E": 3108, "V": 3106, "M": 3110, "T": 3109, "O": 3105}),
    ("Varor 12 %", "Goods 12 %", "Goods", "0.12",
     {"D": 3002, "X": 3004, "E": 3108, "V": 3106, "M": 3110, "T": 3109, "O": 3105}),
    ("Varor 6 %", "Goods 6 %", "Goods", "0.06",
     {"D": 3003, "X": 3004, "E": 3108, "V": 3106, "M": 3110, "T": 3109, "O": 3105}),
    ("Varor momsfri", "Goods exempt", "Goods", "0.00", {"X": 3004, "E": 3108, "O": 3105}),
    ("Tjänster 25 %", "Services 25 %", "Services", "0.25",
     {"D": 3041, "X": 3044, "E": 3308, "V": 3041, "O": 3305}),
    ("Tjänster 12 %", "Services 12 %", "Services", "0.12",
     {"D": 3042, "X": 3044, "E": 3308, "V": 3042, "O": 3305}),
    ("Tjänster 6 %", "Services 6 %", "Services", "0.06",
     {"D": 3043, "X": 3044, "E": 3308, "V": 3043, "O": 3305}),
    ("Tjänster momsfri", "Services exempt", "Services", "0.00",
     {"X": 3044, "E": 3308, "O": 3305}),
    ("Byggtjänster 25 %", "Construction services 25 %", "Services", "0.25",
     {"D": 3041, "X": 3044, "R": 3231}),
    ("Endast Sverige 25 %", "Domestic only 25 %", "Goods", "0.25", {"D": 3001}),
)  # fmt: skip
SITUATIONS = {
    "D": "DomesticSalesSubjectToVat",
    "X": "DomesticSalesVatExempt",
    "R": "DomesticSalesSubjectToReversedConstructionVat",
    "E": "ForeignSalesVatExemptWithinEu",
    "V": "ForeignSalesSubjectToVatWithinEu",
    "M": "ForeignSalesSubjectToMoss",
    "T": "ForeignSalesSubjectToThirdPartySales",
    "O": "ForeignSalesVatExemptOutsideEu",
}
# Number, name, net price, coding (by its place above), unit (by its place above).
ARTICLES = (
    ("KAFFE-K3", "Kaffemaskin K3", "1249.50", 0, 0),
    ("KONS-1", "Konsulttimme", "1095.00", 4, 1),
    ("FRAKT", "Frakt", "199.99", 4, 0),
    ("SUPP-ÅR", "Supportavtal per månad", "890.00", 4, 3),
    ("LIC-BAS", "Licens Bas", "450.00", 4, 0),
    ("LIC-PRO", "Licens Pro", "1250.00", 4, 0),
    ("BÖNOR-1", "Kaffebönor 1 kg", "169.00", 1, 4),
    ("BOK-1", "Handbok", "240.00", 2, 0),
    ("UTB-1", "Utbildning, momsfri", "6500.00", 7, 2),
    ("MONT-1", "Montage", "780.00", 8, 1),
    ("KABEL", "Kabel", "12.50", 0, 5),
    ("SKÅP-SE", "Kylskåp, endast Sverige", "7990.00", 9, 0),
)
COST_CENTERS = (
    (
        "Avdelning",
        1,
        (("100", "Stockholm", True), ("200", "Malmö", True), ("900", "Kalmar", False)),
    ),
    ("Säljare", 2, (("SE", "Sara Ek", True), ("OB", "Ola Berg", True))),
)
PROJECTS = (("104", "Roll-out Malmö", 1), ("105", "Ramavtal", 1), ("090", "Avslutat", 2))


def fill(books: Books, data: Path | None) -> None:
    """Puts the reference data into empty books."""
    places(books)
    year = books.clock.origin.year
    terms = [_save(books, books.terms, row) for row in _terms()]
    units = [_save(books, books.units, row) for row in _units()]
    books.settings = settings(terms[0]["Id"])
    codings = [_coding(books, row) for row in CODINGS]
    _vat_codes(books)
    _bank_accounts(books)
    _dimensions(books, year)
    first_year = min(2016, year - 1) if data is not None else year - 1
    for number in range(first_year, year + 2):
        _save(
            books,
            books.fiscal_years,
            {
                "StartDate": date(number, 1, 1),
                "EndDate": date(number, 12, 31),
                "IsLockedForAccounting": False,
                "BookkeepingMethod": 0,
            },
        )
    for number_text, name, price, coding, unit in ARTICLES:
        _article(books, number_text, name, Decimal(price), codings[coding], units[unit])
    if data is not None and (data / "products.csv").is_file():
        for product, list_price in _products(data / "products.csv"):
            _article(books, product, product, list_price, codings[0], units[0])


def places(books: Books) -> None:
    """Puts in countries and exchange rates."""
    books.countries = [
        {"Name": NAMES.get(code, code), "Code": code, "IsEuMember": code in EU}
        for code in sorted([*EU, *OTHERS])
    ]
    books.eu_members = EU
    books.rates = {code: Decimal(rate) for code, rate in RATES.items()}


def settings(terms_id: str) -> Record:
    """The company settings at the start."""
    return {
        "Name": "Björkviken Teknik AB",
        "Email": "ekonomi@bjorkviken.example",
        "Phone": "08-555 010 10",
        "MobilePhone": None,
        "Address1": "Björkvägen 12",
        "Address2": None,
        "CountryCode": "SE",
        "PostalCode": "114 55",
        "City": "Stockholm",
        "Website": "https://bjorkviken.example",
        "OurReference": "Sara Ek",
        "CurrencyCode": "SEK",
        "TermsOfPaymentId": terms_id,
        "CorporateIdentityNumber": "5599999801",
        "PeppolId": None,
        "VatCode": "SE559999980101",
        "BankGiro": "5050-1055",
        "PlusGiro": None,
        "BankAccount": None,
        "Iban": None,
        "AccountNumberDigits": 4,
        "AccountingLockedTo": None,
        "AccountingLockInterval": 1,
        "TaxDeclarationDate": None,
        "Gln": None,
        "ProductVariant": 5,
        "TypeOfBusiness": 1,
        "VatPeriod": 3,
        "ActivatedModules": ["api_standard", "sales_standard", "quote_standard"],
        "CompanyText": {
            "CustomerInvoiceTextDomestic": None,
            "CustomerInvoiceTextForeign": None,
            "OrderTextDomestic": None,
            "OrderTextForeign": None,
            "OverDueTextDomestic": None,
            "OverDueTextForeign": None,
        },
        "NextCustomerNumber": 1001,
        "NextSupplierNumber": 1,
        "NextCustomerInvoiceNumber": 1001,
        "NextQuoteNumber": 1,
        "NextOrderNumber": 401,
        "NextArticleNumber": 1,
        "ShowPricesExclVatPC": False,
        "ShowContributionMargin": False,
        "HasProportionalVatEnabled": False,
        "ProportionalVatValue": None,
        "IsPayslipActivated": False,
        "UsesCostCenter": True,
        "UsesProject": True,
        "UsesMoss": False,
        "UsesPaymentReferenceNumber": True,
        "DomesticCurrencyRounding": 1,
        "AutoInvoice": {"AutoInvoiceActivationStatus": 0, "AutoInvoiceB2CStatus": 0},
        "ApprovalSettings": None,
        "UsesReverseConstructionVat": True,
        "UsesRotReducedInvoicing": True,
        "CompanyRotRutSettings": {
            "RutMaxAmountForPersBelow65Year": Decimal("75000"),
            "RutMaxAmountForPersOver65Year": Decimal("75000"),
            "RutReducedInvoicingPercent": Decimal("50"),
            "RotReducedInvoicingMaxAmount": Decimal("50000"),
            "RotReducedInvoicingPercent": Decimal("30"),
        },
        "CompanyStatus": 1,
        "CompanyIdentifier": COMPANY_ID,
        "BankgiroNumberPrint": "5050-1055",
        "KeepOriginalDraftDate": None,
        "UsePaymentFilesForOutgoingPayments": False,
        "UseAutomaticVatCalculation": True,
        "ShowCostCenterReminder": False,
        "ShowProjectReminder": False,
        "UsesGreenTechnology": False,
        "CompanyGreenTechnologySettings": None,
    }


def _save(books: Books, table: Table, values: Record) -> Record:
    return table.save({"Id": books.new_id(table.name), **values})


def _terms() -> list[Record]:
    texts = {0: "Normal", 1: "CurrentMonth", 2: "Cash"}
    rows: list[Record] = [
        {
            "Name": name,
            "NameEnglish": english,
            "NumberOfDays": days,
            "TermsOfPaymentTypeId": kind,
            "TermsOfPaymentTypeText": texts[kind],
            "AvailableForSales": True,
            "AvailableForPurchase": True,
        }
        for name, english, days, kind in TERMS
    ]
    rows.append({**rows[2], "Name": "Endast inköp 14", "AvailableForSales": False})
    return rows


def _units() -> list[Record]:
    names = ("Name", "Code", "Abbreviation", "AbbreviationEnglish")
    return [dict(zip(names, row, strict=True)) for row in UNITS]


def _coding(books: Books, row: tuple[str, str, str, str, dict[str, int]]) -> Record:
    name, english, kind, rate, accounts = row
    values: Record = {
        "Name": name,
        "NameEnglish": english,
        "Type": kind,
        "VatRate": f"{Decimal(rate) * 100:.0f} %",
        "IsActive": True,
        "VatRatePercent": Decimal(rate),
        "DomesticSalesVatCodeExemptAccountNumber": None,
        "ChangedUtc": books.stamp(),
    }
    for letter, situation in SITUATIONS.items():
        values[situation + "AccountNumber"] = accounts.get(letter)
    return _save(books, books.codings, values)


def _vat_codes(books: Books) -> None:
    for code, text, rate, account in (
        ("SE25", "Utgående moms 25 %", "0.25", 2611),
        ("SE12", "Utgående moms 12 %", "0.12", 2621),
        ("SE06", "Utgående moms 6 %", "0.06", 2631),
        ("SE00", "Momsfri försäljning", "0.00", None),
    ):
        related = {"AccountNumber1": account, "AccountNumber2": None, "AccountNumber3": None}
        values = {
            "Code": code,
            "Description": text,
            "VatRate": Decimal(rate),
            "OssCodeType": 0,
            "RelatedAccounts": related,
        }
        _save(books, books.vat_codes, values)


def _bank_accounts(books: Books) -> None:
    for name, kind, account, currency in (
        ("Företagskonto", 1, 1930, "SEK"),
        ("Valutakonto EUR", 4, 1940, "EUR"),
        ("Kassa", 2, 1910, "SEK"),
    ):
        _save(
            books,
            books.bank_accounts,
            {
                "Bank": None,
                "BankAccountType": kind,
                "BankAccountTypeDescription": name,
                "Bban": None,
                "Iban": None,
                "Name": name,
                "IsActive": True,
                "LedgerAccountNumber": account,
                "HasActiveBankAgreement": False,
                "IsDefaultChequeAccount": account == 1930,
                "CurrencyCode": currency,
                "ModifiedUtc": books.stamp(),
                "Balance": None,
                "BankAccountHolderName": None,
            },
        )


def _dimensions(books: Books, year: int) -> None:
    for name, number, items in COST_CENTERS:
        center = _save(
            books, books.cost_centers, {"Name": name, "Number": number, "IsActive": True}
        )
        for short, text, active in items:
            values: dict[str, Any] = {
                "CostCenterId": center["Id"],
                "Name": text,
                "ShortName": short,
                "IsActive": active,
                "CreatedUtc": books.stamp(),
            }
            _save(books, books.cost_center_items, values)
    for number_text, name, status in PROJECTS:
        values = {
            "Number": number_text,
            "Name": name,
            "StartDate": date(year - 1, 1, 1),
            "EndDate": date(year - 1, 12, 31) if status == 2 else None,
            "CustomerId": None,
            "CustomerName": None,
            "Notes": None,
            "Status": status,
            "ModifiedUtc": books.stamp(),
        }
        _save(books, books.projects, values)


def _article(
    books: Books, number: str, name: str, price: Decimal, coding: Record, unit: Record
) -> None:
    from tieout_sandbox.visma_eaccounting import articles

    articles.put(
        books,
        {
            "Number": number[:40],
            "Name": name[:50],
            "NameEnglish": name[:50],
            "IsActive": True,
            "CodingId": coding["Id"],
            "UnitId": unit["Id"],
            "NetPrice": price,
            "SendToWebshop": False,
        },
    )


def _products(path: Path) -> list[tuple[str, Decimal]]:
    with path.open(encoding="utf-8", newline="") as file:
        return [
            (row["product"].strip(), Decimal(row["sales_price"]).quantize(Decimal("0.01")))
            for row in csv.DictReader(file)
        ]
