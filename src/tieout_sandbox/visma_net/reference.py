"""The seeded company: Fjordtun Teknikk AS in Trondheim, NOK.

Documented for whoever rehearses against it: VAT ids 3 (25 %), 31 (15 %), 33 (12 %), 5 (exempt),
52 (export) and 3G (25 %, prices with VAT); zones 01 domestic, 02 EU, 03 abroad; categories 3, 31,
33, 5, 3G, and 99, which no zone knows; terms 10, 14, 30, 30EOM, 2/10 and R3 (three instalments);
customer classes 1 (domestic) and 2 (EUR); ten items, one of stock, one with a stroke in its number,
one inactive; two segments of subaccounts; the attribute CRMKEY on every class; projects P1000 with
tasks 1 and 2, P2000 (completed); months from the year before the clock's start to the year after
it, all open. No customers unless a size is given.
"""

from __future__ import annotations

import calendar
from datetime import date
from decimal import Decimal
from typing import Any

from tieout_sandbox.visma_net import dimensions, items, lookups, projects
from tieout_sandbox.visma_net.company import Company
from tieout_sandbox.visma_net.ledger import ACCOUNTS, RECEIVABLES
from tieout_sandbox.visma_net.tables import Record, Table

COUNTRIES = {
    "NO": "Norway", "SE": "Sweden", "DK": "Denmark", "FI": "Finland", "IS": "Iceland",
    "DE": "Germany", "NL": "Netherlands", "FR": "France", "GB": "United Kingdom",
    "US": "United States", "AX": "Åland Islands", "SJ": "Svalbard and Jan Mayen",
    "PL": "Poland", "EE": "Estonia", "CH": "Switzerland", "ES": "Spain", "IT": "Italy",
}  # fmt: skip
CURRENCIES = (
    ("NOK", "Norwegian krone", "kr", 2),
    ("EUR", "Euro", "€", 2),
    ("SEK", "Swedish krona", "kr", 2),
    ("DKK", "Danish krone", "kr", 2),
    ("USD", "US dollar", "$", 2),
    ("ISK", "Icelandic króna", "kr", 0),
)
RATES = {"EUR": "11.4325", "SEK": "1.0320", "DKK": "1.5310", "USD": "10.4500", "ISK": "0.0790"}
# Id, text, type, how it is reckoned, rates by the day they began.
VATS: tuple[tuple[str, str, str, str, tuple[tuple[date, str], ...]], ...] = (
    ("3", "Output 25%", "Vat", "DocumentAmount", ((date(2005, 1, 1), "25"),)),
    ("31", "Output 15%", "Vat", "DocumentAmount", ((date(2012, 1, 1), "15"),)),
    ("33", "Output 12%", "Vat", "DocumentAmount",
     ((date(2018, 1, 1), "12"), (date(2020, 4, 1), "6"), (date(2021, 10, 1), "12"))),
    ("5", "Exempt 0%", "ExemptVat", "DocumentAmount", ((date(2005, 1, 1), "0"),)),
    ("52", "Export 0%", "ExemptVat", "DocumentAmount", ((date(2005, 1, 1), "0"),)),
    ("3G", "Output 25%, gross prices", "Vat", "ExtractFromItemAmount", ((date(2005, 1, 1), "25"),)),
)  # fmt: skip
ZONES = (
    ("01", "Domestic", "3", ["3", "31", "33", "5", "3G"]),
    ("02", "EU", "3", ["52", "5"]),
    ("03", "Abroad", "3", ["52", "5"]),
)
CATEGORIES: tuple[tuple[str, str, list[str]], ...] = (
    ("3", "High rate", ["3", "52"]),
    ("31", "Middle rate", ["31", "52"]),
    ("33", "Low rate", ["33", "52"]),
    ("5", "Exempt", ["5"]),
    ("3G", "High rate, gross prices", ["3G", "52"]),
    ("99", "Unassigned", []),
)
# Id, text, type of due date, days, days and percent of cash discount, instalments.
TERMS = (
    ("10", "10 days", "FixedNumberOfDays", 10, 0, "0", 1),
    ("14", "14 days", "FixedNumberOfDays", 14, 0, "0", 1),
    ("30", "30 days", "FixedNumberOfDays", 30, 0, "0", 1),
    ("30EOM", "End of month + 30 days", "EndOfMonth", 30, 0, "0", 1),
    ("2/10", "30 days, 2 % in 10", "FixedNumberOfDays", 30, 10, "2", 1),
    ("R3", "Three instalments", "FixedNumberOfDays", 30, 0, "0", 3),
)
CUSTOMER_CLASSES = (
    ("1", "Domestic", "01", "30", "NOK", None, False),
    ("2", "Abroad, EUR", "03", "30", "EUR", None, True),
)
ITEM_CLASSES = (
    ("TJEN", "Services", "ServiceItem", "TIME", "3010"),
    ("VARE", "Goods not of stock", "NonStockItem", "STK", "3000"),
    ("LAGER", "Goods of stock", "FinishedGoodItem", "STK", "3000"),
)
# Number, text, class, VAT category, price, status.
ITEMS = (
    ("CONS", "Consulting", "TJEN", "3", "1095.00", "Active"),
    ("LIC", "Licence", "VARE", "3", "399.90", "Active"),
    ("SUPP", "Support, month", "TJEN", "3", "890.00", "Active"),
    ("FOOD", "Catering", "VARE", "31", "300.20", "Active"),
    ("TICKET", "Transport", "VARE", "33", "100.00", "Active"),
    ("COURSE", "Course, exempt", "TJEN", "5", "6500.00", "Active"),
    ("KIT/A", "Starter kit", "VARE", "3", "1249.50", "Active"),
    ("PUMP", "Pump", "LAGER", "3", "7990.00", "Active"),
    ("OLD", "No longer sold", "VARE", "3", "10.00", "NoSales"),
    ("SHOP", "Price with VAT", "VARE", "3G", "125.00", "Active"),
)
UNITS = ("STK", "TIME", "DAG", "MND", "KG", "ESKE")
SEGMENTS = (
    (1, "Department", 3, (("100", "Trondheim", True), ("200", "Oslo", True),
                          ("900", "Bergen", False))),
    (2, "Channel", 2, (("00", "None", True), ("10", "Direct", True), ("20", "Partner", True))),
)  # fmt: skip
SERIES = (
    ("CUSTOMER", "Customers", "10000", False, True),
    ("ARINVOICE", "Customer invoices", "100245", False, False),
    ("ARCREDIT", "Customer credit notes", "200001", False, False),
    ("ARDEBIT", "Customer debit notes", "300001", False, False),
    ("ARPAYMENT", "Customer payments", "400654", False, False),
    ("SOORDER", "Sales orders", "000223", False, True),
    ("SHIPMENT", "Shipments", "000701", False, False),
)
ORDER_TYPES = (
    ("SO", "Sales order", "SalesOrder", "Issue", "Invoice"),
    ("IN", "Invoice", "Invoice", "Issue", "Invoice"),
    ("QT", "Quote", "Quote", "Issue", "NoUpdate"),
    ("CM", "Credit memo", "CreditMemo", "Receipt", "CreditMemo"),
)
CRM_KEY = "CRMKEY"


def fill(company: Company) -> None:
    """Puts everything into an empty company."""
    began = company.today()
    company.settings = {
        "baseCurrency": "NOK",
        "branch": "1",
        "subaccount": "100-00",
        "nonProject": "X",
        "mainLocation": "Main",
        "customerClass": "1",
        "holdOnEntry": True,
        "useOrigInvoiceDate": False,
        "validateTotals": False,
        "printBeforeRelease": False,
        "emailBeforeRelease": False,
        "invoiceRounding": "none",
        "invoiceRoundingTo": Decimal(1),
        "invoiceRoundingLimit": Decimal(5),
        "priceDecimals": 2,
        "quantityDecimals": 2,
        "began": date(began.year - 1, 1, 1),
        "address": {
            "addressId": 1,
            "addressLine1": "Fjordgata 5",
            "postalCode": "7010",
            "city": "Trondheim",
            "country": {"id": "NO", "name": "Norway"},
        },
    }
    _money(company, began)
    _vat(company)
    _organisation(company)
    _classes(company)
    _dimensions(company)
    _selling(company)


def _put(company: Company, table: Table, key: str, **fields: Any) -> Record:
    return company.save(table, {"_key": key, **fields})


def _money(company: Company, began: date) -> None:
    for code, text, symbol, decimals in CURRENCIES:
        _put(
            company,
            company.currencies,
            code,
            id=code,
            description=text,
            symbol=symbol,
            isBaseCurrency=code == "NOK",
            decimalPrecision=decimals,
            isUsedForAccounting=True,
        )
    _put(company, company.rate_types, "SPOT", id="SPOT", description="Spot", daysEffective=0)
    for code, rate in RATES.items():
        given = {"fromCurrencyId": code, "toCurrencyId": "NOK", "rate": Decimal(rate)}
        lookups.put_rate(company, {**given, "effectiveDate": date(began.year - 1, 1, 1)})
    for code, text, due, days, discount_days, percent, parts in TERMS:
        share = Decimal(100) / parts
        _put(
            company,
            company.terms,
            code,
            termsId=code,
            description=text,
            visibleTo="All",
            dueDateType=due,
            dueDay1=days,
            dueDay2=0,
            discountDay=discount_days,
            discountPercent=Decimal(percent),
            instalmentType="Multiple" if parts > 1 else "Single",
            numberOfInstalments=parts,
            instalmentMethod="E",
            instalmentsSchedule=[
                {"days": 30 * (place + 1), "percent": share.quantize(Decimal("0.01"))}
                for place in range(parts)
            ]
            if parts > 1
            else [],
        )


def _vat(company: Company) -> None:
    for vat_id, text, kind, on, steps in VATS:
        _put(
            company,
            company.vats,
            vat_id,
            vatId=vat_id,
            description=text,
            type=kind,
            deductibleVat=False,
            reverseVat=kind == "ReverseVat",
            statisticalVat=False,
            pendingVat=False,
            includeinVatExemptTotal=kind == "ExemptVat",
            includeinVatTotal=True,
            calculateOn=on,
            cashDiscount="NoAdjust",
            notValidAfter=None,
            schedules=[
                {"startDate": day, "vatRate": Decimal(rate), "groupType": "Output"}
                for day, rate in steps
            ],
        )
    for zone_id, text, default, ids in ZONES:
        row = {"id": zone_id, "description": text, "defaultVatCategory": default}
        _put(company, company.vat_zones, zone_id, **row, _vats=ids)
    for category_id, text, ids in CATEGORIES:
        known = {"vatCategoryId": category_id, "description": text, "active": True}
        _put(company, company.vat_categories, category_id, **known, _vats=ids)


def _organisation(company: Company) -> None:
    name, corporate_id = "Fjordtun Teknikk AS", "923609016"
    numbers = {"corporateId": corporate_id, "vatRegistrationId": f"NO{corporate_id}MVA"}
    _put(
        company,
        company.organizations,
        "1",
        organizationCd="1",
        name=name,
        organizationType="WithoutBranches",
        fileTaxByBranches=False,
        baseCurrency="NOK",
        **numbers,
    )
    _put(
        company,
        company.branches,
        "1",
        branchId=1,
        number="1",
        name=name,
        organizationId=1,
        isMainBranch=True,
        isActive=True,
        **numbers,
    )
    for code, text in COUNTRIES.items():
        _put(company, company.countries, code, id=code, name=text)
    fill_periods(company, 1)
    for key, text, start, manual, on_import in SERIES:
        _put(
            company,
            company.series,
            key,
            description=text,
            manualNumbering=manual,
            _start=start,
            _manual_on_import=on_import,
        )
    for number, (kind, text) in ACCOUNTS.items():
        _put(
            company,
            company.accounts,
            number,
            accountID=int(number),
            accountCD=number,
            type=kind,
            active=True,
            description=text,
            cashAccount=number == "1920",
            controlAccountModule="AR" if number == RECEIVABLES else "",
            allowManualEntry=number != RECEIVABLES,
        )


def fill_periods(company: Company, first_month: int) -> None:
    """Twelve months a year, from the year before the clock's start to the year after it. A year
    that begins in another month than January is named by the calendar year in which it ends."""
    began = company.settings["began"]
    shift = 0 if first_month == 1 else 1
    for year in range(began.year, began.year + 3 + shift):
        for number in range(1, 13):
            months = (year - shift) * 12 + first_month - 1 + number - 1
            _period(company, f"{year}{number:02d}", months // 12, months % 12 + 1)


def _period(company: Company, key: str, year: int, month: int) -> None:
    last = calendar.monthrange(year, month)[1]
    _put(
        company,
        company.periods,
        key,
        year=int(key[:4]),
        period=key[4:],
        startDate=date(year, month, 1),
        _last=date(year, month, last),
        description=f"{month:02d}-{year}",
        active=True,
        closedInSupplierLedger=False,
        closedInCustomerLedger=False,
        closedInInventoryManagement=False,
        closedInGeneralLedger=False,
        closedInCashManagement=False,
        closedInFixedAssets=False,
    )


def _classes(company: Company) -> None:
    for name, text in ((CRM_KEY, "CRM key"), ("SEGMENT", "Segment")):
        _put(company, company.attributes, name, description=text)
    for code in ("RETAIL", "PARTNER"):
        _put(company, company.price_classes, code, id=code, description=code.capitalize())
    for code, text, zone, terms, currency, price_class, override in CUSTOMER_CLASSES:
        _put(
            company,
            company.customer_classes,
            code,
            id=code,
            description=text,
            taxZoneId=zone,
            requiredTaxzoneId=False,
            paymentMethodId="1",
            _terms=terms,
            _currency=currency,
            _price_class=price_class,
            _override_currency=override,
            _attributes=[CRM_KEY, "SEGMENT"],
        )
    _put(company, company.posting_classes, "STD", id="STD", description="Standard")
    for code, text, kind, unit, account in ITEM_CLASSES:
        _put(
            company,
            company.item_classes,
            code,
            id=code,
            description=text,
            type=kind,
            _unit=unit,
            _posting_class="STD",
            _vat_category="3",
            _sales_account=account,
            _attributes=[CRM_KEY],
        )


def _dimensions(company: Company) -> None:
    segments = [
        {
            "segmentId": number,
            "description": text,
            "length": length,
            "_values": [
                {"valueId": value, "description": name, "active": active}
                for value, name, active in values
            ],
        }
        for number, text, length, values in SEGMENTS
    ]
    row = {"id": "SUBACCOUNT", "length": 5, "description": "Subaccount", "_segments": segments}
    _put(company, company.dimensions, "SUBACCOUNT", **row)
    for number, text in (
        ("100-00", "Trondheim"),
        ("100-10", "Trondheim direct"),
        ("200-00", "Oslo"),
    ):
        dimensions.put_subaccount(company, number, text)


def _selling(company: Company) -> None:
    for unit in UNITS:
        _put(
            company,
            company.units,
            unit,
            fromUnit=unit,
            toUnit=unit,
            unitMultDiv="Multiply",
            unitRate=Decimal("1.0"),
        )
    for number, text, class_, category, price, status in ITEMS:
        body = {
            "inventoryNumber": {"value": number},
            "description": {"value": text},
            "itemClass": {"value": class_},
            "vatCode": {"value": category},
            "defaultPrice": {"value": Decimal(price)},
            "status": {"value": status},
        }
        made = items.put_new(company, body)
        if number == "LIC":
            box = {"fromUnit": "ESKE", "toUnit": "STK", "unitMultDiv": "Multiply"}
            company.save(company.items, {**made, "_units": [{**box, "unitRate": Decimal(12)}]})
        if number == "PUMP":
            extra = {"_on_hand": Decimal(25), "currentCost": Decimal("4100.00")}
            company.save(company.items, {**made, **extra})
    _put(
        company,
        company.payment_methods,
        "1",
        paymentMethodID="1",
        active=True,
        meansOfPayment="CashOrCheck",
        description="Bank",
        useInAP=True,
        details=[],
    )
    _put(company, company.cash_accounts, "1920", number="1920", description="Bank", currency="NOK")
    for code, name in (("3", "Sara Ek"), ("4", "Ola Nordmann")):
        _put(company, company.salespeople, code, salespersonID=code, name=name, isActive=True)
    _put(company, company.departments, "100", departmentId="100", description="Trondheim")
    for code, text, behaviour, operation, document in ORDER_TYPES:
        _put(
            company,
            company.order_types,
            code,
            orderType=code,
            active=True,
            description=text,
            behavior=behaviour,
            defaultOperation=operation,
            customerDocumentType=document,
        )
    for code, kind in (("LINE5", "L"), ("DOC2", "D")):
        _put(
            company,
            company.discounts,
            code,
            discountCode=code,
            series="1",
            description="Automatic discount",
            active=False,
            promotional=False,
            effectiveDate=company.settings["began"],
            _kind=kind,
            _percent=Decimal(5 if kind == "L" else 2),
        )
    for number, status in (("P1000", "Active"), ("P2000", "Completed")):
        made = projects.put(company, {"projectID": number, "description": f"Project {number}"})
        company.save(company.projects, {**made, "status": status})
        for task in ("1", "2"):
            projects.put_task(company, made, task, f"Task {task}")
