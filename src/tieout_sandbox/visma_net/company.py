"""One company: every table, the ledger, the clock, numbers, row versions and jobs."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from hashlib import blake2b
from typing import Any
from zoneinfo import ZoneInfo

from tieout_sandbox.kit import SandboxClock
from tieout_sandbox.visma_net.assumptions import Assumptions
from tieout_sandbox.visma_net.errors import BusinessError, missing
from tieout_sandbox.visma_net.ledger import Ledger
from tieout_sandbox.visma_net.tables import Record, Table

ZONE = ZoneInfo("Europe/Oslo")
FIRST_VERSION = 0x01DF_DE00


class Company:
    """Everything the company has. Reference data is put in by `reference.fill`."""

    def __init__(self, *, seed: int, clock: SandboxClock) -> None:
        self.seed = seed
        self.clock = clock
        self.assumptions = Assumptions()
        self.settings: Record = {}
        self.ledger = Ledger()
        self.counters: dict[str, int] = {}
        self.jobs: list[Record] = []
        self.hold_until: datetime | None = None  # a write now is not found by search until then
        self.happenings: list[Record] = []  # what a subscriber has to be told of
        self.customers = Table("customer", equal=("number", "name"))
        self.contacts = Table("contact", equal=("_customer",))
        self.locations = Table("location", equal=("_customer",))
        self.items = Table("inventory", equal=("inventoryNumber",))
        self.prices = Table("customersalesprice", equal=("inventoryId",))
        self.documents = Table(
            "customerdocument",
            equal=("referenceNumber", "externalReference", "customerRefNumber", "_customer"),
        )
        self.adjustments = Table("adjustment", equal=("_of", "_by"))
        self.orders = Table("salesorder", equal=("_customer", "orderId"))
        self.shipments = Table("shipment", equal=("shipmentNumber",))
        self.customer_classes = Table("customerclass")
        self.item_classes = Table("itemclass")
        self.posting_classes = Table("itempostclass")
        self.attributes = Table("attribute")
        self.price_classes = Table("priceclass")
        self.discounts = Table("discount")
        self.vats = Table("vat")
        self.vat_categories = Table("vatcategory")
        self.vat_zones = Table("vatzone")
        self.terms = Table("creditterm")
        self.currencies = Table("currency")
        self.rates = Table("currencyrate")
        self.rate_types = Table("currencyratetype")
        self.dimensions = Table("dimension")
        self.subaccounts = Table("subaccount", equal=("subaccountNumber",))
        self.branches = Table("branch")
        self.organizations = Table("organization")
        self.projects = Table("project", equal=("projectID",))
        self.tasks = Table("projecttask", equal=("_project",))
        self.departments = Table("department")
        self.accounts = Table("account")
        self.periods = Table("financialperiod")
        self.series = Table("numbersequence")
        self.units = Table("unitofmeasure")
        self.payment_methods = Table("paymentmethod")
        self.cash_accounts = Table("cashaccount")
        self.salespeople = Table("salesperson")
        self.countries = Table("country")
        self.order_types = Table("salesordertype")
        self.attachments = Table("attachment", equal=("_document",))
        self.background = Table("background")

    def tables(self) -> Mapping[str, Table]:
        """Every table by the name of its resource."""
        return {table.name: table for table in vars(self).values() if isinstance(table, Table)}

    # One call.

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing: what was saved or posted inside is taken back where it fails."""
        tables = list(self.tables().values())
        counters, jobs = dict(self.counters), list(self.jobs)
        batches, happened = len(self.ledger.batches), len(self.happenings)
        for table in tables:
            table.undo = []
        try:
            yield
        except BaseException:
            for table in tables:
                table.roll_back()
            self.counters, self.jobs = counters, jobs
            self.ledger.cut(batches)
            del self.happenings[happened:]
            raise
        finally:
            for table in tables:
                table.undo = None

    # Ids, numbers, versions and time.

    def count(self, name: str) -> int:
        """The next number of a counter, from 1."""
        self.counters[name] = self.counters.get(name, 0) + 1
        return self.counters[name]

    def new_id(self, kind: str) -> str:
        """The next GUID of a kind, from the seed."""
        number = self.count(f"id:{kind}")
        raw = bytearray(blake2b(f"{self.seed}/{kind}/{number}".encode(), digest_size=16).digest())
        raw[6] = raw[6] & 0x0F | 0x40
        raw[8] = raw[8] & 0x3F | 0x80
        text = raw.hex()
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def new_version(self) -> str:
        """The next row version: eight bytes, as base64."""
        return version_text(FIRST_VERSION + self.count("version"))

    def number(
        self, series: str, given: str | None, override: bool, taken: Table, prefix: str = ""
    ) -> str:
        """The number of a new record: the next free one of the series, or the given one where the
        series allows that. `taken` has the numbers in use, as keys after `prefix`. BusinessError
        where the series does not allow what is asked."""
        row = self.series.get(series)
        assert row is not None
        if given and (row["manualNumbering"] or (override and row["_manual_on_import"])):
            return given
        if row["manualNumbering"]:
            raise BusinessError(f"Error: the number is required, series {series} is manual.")
        if override and given:
            raise BusinessError(
                f"Error: manual numbering on imports is not allowed for series {series}."
            )
        number = self._next_of(row)
        while taken.get(f"{prefix}{number}") is not None:
            number = self._next_of(row)  # taken by hand
        return number

    def _next_of(self, row: Record) -> str:
        width = len(row["_start"])
        number = str(int(row["_start"]) + self.count(f"series:{row['_key']}") - 1)
        return number.rjust(width, "0")

    def today(self) -> date:
        """The date at the company."""
        return self.clock.now().astimezone(ZONE).date()

    # Records.

    def save(self, table: Table, record: Record, *, stamp: bool = True) -> Record:
        """Saves with a new row version and, unless told not to, a new stamp; hides the new
        version from search where that was ordered."""
        now = self.clock.now().replace(microsecond=self.clock.now().microsecond // 1000 * 1000)
        key = record["_key"]
        if self.hold_until is not None:
            table.lagging[key] = (self.hold_until, table.get(key))
        if "_seq" not in record:
            record["_seq"] = self.count("seq")
        record.setdefault("_created", now)
        if stamp or "_modified" not in record:
            record["_modified"] = now
        record["_version"] = self.new_version()
        return table.save(record)

    # Money.

    @property
    def base_currency(self) -> str:
        """The company's own currency."""
        return str(self.settings["baseCurrency"])

    def precision(self, currency: str) -> int:
        """Decimals of a currency."""
        row = self.currencies.get(currency)
        return int(row["decimalPrecision"]) if row is not None else 2

    def rate_of(self, currency: str, day: date) -> tuple[Decimal, str]:
        """Rate and whether to multiply or divide by it, for one unit of a currency; BusinessError
        where none is known."""
        if currency == self.base_currency:
            return Decimal(1), "Multiply"
        if self.currencies.get(currency) is None:
            raise missing("CuryID", currency)
        found = [
            row
            for row in self.rates
            if row["fromCurrencyId"] == currency
            and row["toCurrencyId"] == self.base_currency
            and row["effectiveDate"] <= day
        ]
        if not found:
            raise BusinessError(f"Error: there is no exchange rate for {currency} on {day}.")
        last = max(found, key=lambda row: (row["effectiveDate"], row["id"]))
        return last["rate"], last["multDiv"]

    def to_base(self, amount: Decimal, rate: Decimal, mult_div: str) -> Decimal:
        """An amount in base currency, half away from zero."""
        value = amount * rate if mult_div == "Multiply" else amount / rate
        return rounded(value, self.precision(self.base_currency))

    # Jobs.

    def later(self, seconds: float, job: Record) -> None:
        """Puts a job off; `kind` names it."""
        due = self.clock.now() + timedelta(seconds=seconds)
        self.jobs.append({**job, "due": due, "order": self.count("job")})

    def due_jobs(self) -> Iterator[Record]:
        """Jobs whose time has come, in order; each is taken off before it is given."""
        while True:
            waiting = [job for job in self.jobs if job["due"] <= self.clock.now()]
            if not waiting:
                return
            job = min(waiting, key=lambda one: (one["due"], one["order"]))
            self.jobs = [one for one in self.jobs if one is not job]
            yield job

    # State.

    def state(self) -> Record:
        """Everything, for the state file."""
        return {
            "assumptions": self.assumptions.as_json(),
            "settings": self.settings,
            "ledger": self.ledger.state(),
            "counters": self.counters,
            "jobs": self.jobs,
            "tables": {name: table.state() for name, table in self.tables().items()},
        }

    def load(self, state: Record) -> None:
        """Takes back what `state` gave, into an empty company."""
        self.assumptions = Assumptions(**state["assumptions"])
        self.settings = state["settings"]
        self.ledger.load(state["ledger"])
        self.counters = state["counters"]
        self.jobs = state["jobs"]
        tables = self.tables()
        for name, stored in state["tables"].items():
            tables[name].load(stored)


def rounded(value: Decimal, decimals: int) -> Decimal:
    """So many decimals, half away from zero."""
    return value.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP)


def version_text(number: int) -> str:
    """A row version as the vendor writes it."""
    return base64.b64encode(number.to_bytes(8, "big")).decode()


def stamp_text(when: datetime, zone: str, form: str) -> str:
    """A stamp: milliseconds without trailing zeros, in UTC or at the company."""
    local = when.astimezone(UTC if zone == "utc" else ZONE)
    text = f"{local:%Y-%m-%dT%H:%M:%S}"
    fraction = f"{local.microsecond // 1000:03d}".rstrip("0")
    text += f".{fraction}" if fraction else ""
    if form == "z":
        return stamp_text(when, "utc", "bare") + "Z"
    if form == "offset":
        local = when.astimezone(ZONE)
        offset = f"{local:%z}"
        return stamp_text(when, "local", "bare") + f"{offset[:3]}:{offset[3:]}"
    return text


def day_text(day: date | None) -> Any:
    """A date as answers carry it: midnight, no zone."""
    return f"{day:%Y-%m-%d}T00:00:00" if day is not None else None
