"""One company's books: every table, the ledger, the clock, numbers and ids."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from hashlib import blake2b
from typing import Any
from zoneinfo import ZoneInfo

from tieout_sandbox.kit import SandboxClock
from tieout_sandbox.visma_eaccounting import schemas, schemas_extras
from tieout_sandbox.visma_eaccounting.assumptions import Assumptions
from tieout_sandbox.visma_eaccounting.errors import (
    CANNOT_BOOK,
    NO_FISCAL_YEAR,
    NOT_FOUND,
    VismaError,
)
from tieout_sandbox.visma_eaccounting.fields import Record
from tieout_sandbox.visma_eaccounting.ledger import Entry, Ledger
from tieout_sandbox.visma_eaccounting.tables import Table

ZONES = {"SE": "Europe/Stockholm", "NO": "Europe/Oslo", "NL": "Europe/Amsterdam"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Books:
    """Everything the company has. Reference data is put in by `reference.fill`."""

    def __init__(self, *, seed: int, clock: SandboxClock) -> None:
        self.seed = seed
        self.clock = clock
        self.assumptions = Assumptions()
        self.settings: Record = {}
        self.rates: dict[str, Decimal] = {}
        self.countries: list[Record] = []
        self.eu_members: frozenset[str] = frozenset()
        self.ledger = Ledger()
        self.hold_until: str | None = None  # a write now is not found by search until then
        self._counters: dict[str, int] = {}
        self._last_tick = 0
        self.customers = Table(
            "customers",
            schemas.CUSTOMER,
            equal=("CustomerNumber", "Name", "CorporateIdentityNumber", "VatNumber"),
            stamp="ChangedUtc",
            texts=("Note",),
        )
        self.articles = Table("articles", schemas.ARTICLE, equal=("Number",), stamp="ChangedUtc")
        self.drafts = Table(
            "customerinvoicedrafts",
            schemas.DRAFT,
            equal=("CustomerId", "OurReference"),
            texts=("OurReference", "YourReference"),
            row_texts=True,
        )
        self.invoices = Table(
            "customerinvoices",
            schemas.INVOICE,
            equal=(
                "CustomerId",
                "CustomerNumber",
                "InvoiceNumber",
                "CreatedFromDraftId",
                "CreatedFromOrderId",
                "OurReference",
            ),
            stamp="ModifiedUtc",
            texts=("OurReference", "YourReference"),
            row_texts=True,
            open_amount="RemainingAmountInvoiceCurrency",
        )
        self.orders = Table(
            "orders",
            schemas.ORDER,
            equal=("CustomerId", "OurReference"),
            stamp="ModifiedUtc",
            texts=("OurReference",),
        )
        self.ledger_items = Table(
            "customerledgeritems",
            schemas.LEDGER_ITEM,
            equal=("CustomerId", "InvoiceNumber", "VoucherId"),
            stamp="ModifiedUtc",
        )
        self.vouchers = Table("vouchers", equal=("SourceId",), stamp="ModifiedUtc")
        self.payments = Table("payments", schemas.PAYMENT, equal=("InvoiceId",))
        self.terms = Table("termsofpayments")
        self.units = Table("units")
        self.price_lists = Table("salespricelists", stamp="ChangedUtc")
        self.price_rows = Table("salespricelistrows", equal=("SalesPriceListId",))
        self.codings = Table("articleaccountcodings", stamp="ChangedUtc")
        self.vat_codes = Table("vatcodes")
        self.bank_accounts = Table("bankaccounts", stamp="ModifiedUtc")
        self.cost_centers = Table("costcenters")
        self.cost_center_items = Table(
            "costcenteritems", schemas_extras.COST_CENTER_ITEM, equal=("CostCenterId",)
        )
        self.projects = Table(
            "projects", schemas_extras.PROJECT, equal=("Number",), stamp="ModifiedUtc"
        )
        self.fiscal_years = Table("fiscalyears")
        self.notes = Table("notes", schemas_extras.NOTE, equal=("AttachedTo",), stamp="ModifiedUtc")
        self.attachments = Table("salesdocumentattachments", equal=("DocumentId",))
        self.threads = Table("messagethreads", equal=("DocumentId",))
        self.links = Table(
            "partnerresourcelinks", schemas_extras.PARTNER_LINK, equal=("ResourceId",)
        )
        self.mails = Table("sentmails")

    def tables(self) -> Mapping[str, Table]:
        """Every table by the name of its resource."""
        return {table.name: table for table in vars(self).values() if isinstance(table, Table)}

    # Ids, numbers and time.

    def new_id(self, kind: str) -> str:
        """The next GUID of a kind, from the seed."""
        number = self.count(f"id:{kind}")
        raw = bytearray(blake2b(f"{self.seed}/{kind}/{number}".encode(), digest_size=16).digest())
        raw[6] = raw[6] & 0x0F | 0x40
        raw[8] = raw[8] & 0x3F | 0x80
        text = raw.hex()
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def count(self, name: str) -> int:
        """The next number of a counter, from 1."""
        number = self._counters.get(name, 0) + 1
        self._counters[name] = number
        return number

    def next_number(self, setting: str) -> int:
        """Draws the next number of a series that the company settings show."""
        number: int = self.settings[setting]
        self.settings[setting] = number + 1
        return number

    def stamp(self) -> str:
        """The present instant with seven decimals. Two writes at one instant differ in the last
        digits, so that an order by stamp is an order by writing."""
        tick = _ticks(self.clock.now())
        if tick <= self._last_tick < tick + 10_000_000:
            tick = self._last_tick + 1
        self._last_tick = tick
        return _tick_text(tick)

    def server_time(self) -> str:
        """The present instant for `Meta`; never before a stamp that was just given."""
        tick = _ticks(self.clock.now())
        return _tick_text(
            max(tick, self._last_tick) if self._last_tick < tick + 10_000_000 else tick
        )

    def today(self) -> date:
        """The date in the company's time zone."""
        zone = ZONES.get(self.settings["CountryCode"], "Europe/Stockholm")
        return self.clock.now().astimezone(ZoneInfo(zone)).date()

    # Records.

    def save(self, table: Table, record: Record) -> Record:
        """Saves into a table, and hides the new version from search where that was ordered."""
        if self.hold_until is not None:
            table.lagging[record["Id"]] = (self.hold_until, table.get(record["Id"]))
        return table.save(record)

    def need(self, table: Table, record_id: str | None, what: str, *, path: bool = False) -> Record:
        """The record; VismaError 3000 where there is none. `path`: the id stood in the path."""
        found = table.get(record_id)
        if found is None:
            raise VismaError(
                NOT_FOUND,
                f"ResourceNotFoundException - {what} {record_id} was not found",
                path_id=path,
            )
        return found

    # Money.

    def rate_of(self, currency: str) -> Decimal:
        """Base currency for one unit of a currency; VismaError 3000 where none is known."""
        if currency == self.settings["CurrencyCode"]:
            return Decimal(1)
        if currency not in self.rates:
            raise VismaError(NOT_FOUND, f"ResourceNotFoundException - currency {currency}")
        base = self.rates[self.settings["CurrencyCode"]]
        return (self.rates[currency] / base).quantize(Decimal("0.0001"), rounding=ROUND_HALF_UP)

    # Periods.

    def fiscal_year(self, day: date) -> Record | None:
        """The fiscal year that covers a date."""
        return next(
            (
                year
                for year in self.fiscal_years.records.values()
                if year["StartDate"] <= day <= year["EndDate"]
            ),
            None,
        )

    def require_open(self, day: date, code: int = CANNOT_BOOK) -> None:
        """VismaError where nothing can be booked on a date: 3001 without a fiscal year, else the
        code given."""
        year = self.fiscal_year(day)
        if year is None:
            raise VismaError(NO_FISCAL_YEAR, f"FiscalYearDoesNotExist - no fiscal year for {day}")
        locked_to = self.settings.get("AccountingLockedTo")
        if year["IsLockedForAccounting"]:
            raise VismaError(code, f"CannotBookkeepInvoice - the fiscal year of {day} is locked")
        if locked_to is not None and day <= locked_to:
            raise VismaError(code, f"CannotBookkeepInvoice - {day} is locked, up to {locked_to}")

    # Vouchers.

    def post_voucher(
        self,
        day: date,
        text: str,
        entries: list[Entry],
        *,
        kind: int,
        source: str | None = None,
    ) -> Record:
        """Books a voucher and gives it."""
        kept = self.ledger.post(day, entries)
        stamp = self.stamp()
        voucher = {
            "Id": self.new_id("voucher"),
            "VoucherDate": day,
            "VoucherText": text,
            "NumberSeries": "A",
            "NumberAndNumberSeries": f"A{self.count(f'voucher:{self._year_of(day)}')}",
            "VoucherType": kind,
            "SourceId": source,
            "CreatedUtc": stamp,
            "ModifiedUtc": stamp,
            "_entries": [[entry.account, entry.amount, entry.text] for entry in kept],
        }
        return self.vouchers.save(voucher)

    def _year_of(self, day: date) -> str:
        year = self.fiscal_year(day)
        return year["Id"] if year is not None else str(day.year)

    # State.

    def state(self) -> Record:
        """Everything, for the state file."""
        return {
            "assumptions": self.assumptions.as_json(),
            "settings": self.settings,
            "rates": self.rates,
            "ledger": self.ledger.state(),
            "counters": self._counters,
            "last_tick": self._last_tick,
            "tables": {name: table.state() for name, table in self.tables().items()},
        }

    def load(self, state: Record) -> None:
        """Takes back what `state` gave, into books that hold nothing but the countries."""
        self.assumptions = Assumptions(**state["assumptions"])
        self.settings = state["settings"]
        self.rates = {code: Decimal(rate) for code, rate in state["rates"].items()}
        self.ledger.load(state["ledger"])
        self._counters = state["counters"]
        self._last_tick = state["last_tick"]
        tables = self.tables()
        for name, stored in state["tables"].items():
            tables[name].load(stored)


Handler = Callable[[Books, Any], Any]


def _ticks(when: datetime) -> int:
    return (when - _EPOCH) // timedelta(microseconds=1) * 10


def _tick_text(tick: int) -> str:
    when = _EPOCH + timedelta(microseconds=tick // 10)
    return f"{when:%Y-%m-%dT%H:%M:%S}.{when.microsecond:06d}{tick % 10}Z"
