"""What ids mean in this company: terms, VAT, segments, projects, periods. Values only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from tieout.connectors.visma_net.values import (
    Payload,
    day_of,
    number_of,
    part_of,
    rows_of,
    text_of,
)
from tieout.core.model import ExternalRef

PROJECT, TASK, BRANCH = "project", "project_task", "branch"
_ZONES = {
    "NO": "Europe/Oslo",
    "SE": "Europe/Stockholm",
    "DK": "Europe/Copenhagen",
    "FI": "Europe/Helsinki",
    "NL": "Europe/Amsterdam",
}
EXTRACT = "ExtractFromItemAmount"
# Tax on tax and withheld tax are not reckoned here: no figure is predicted with them.
RECKONED = frozenset({"DocumentAmount", "ItemAmount", EXTRACT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Vat:
    """A VAT code of the company; ``steps`` are the days from which each rate counts."""

    code: str
    name: str = ""
    kind: str = ""
    calculate_on: str = ""
    steps: tuple[tuple[date, Decimal], ...] = ()
    not_after: date | None = None
    zones: frozenset[str] = frozenset()

    def rate(self, day: date) -> Decimal | None:
        """The rate on that day as a fraction; None where none counts yet or any more."""
        if self.not_after is not None and day > self.not_after:
            return None
        begun = [step for step in self.steps if step[0] <= day]
        if not begun:
            return None
        return Decimal(0) if self.kind == "ReverseVat" else max(begun)[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A part of the subaccount: its kind of dimension, and which values are active."""

    number: int
    kind: str
    values: Mapping[str, bool] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A financial period; ``last`` belongs to it, whichever way the vendor meant its end."""

    code: str
    first: date
    last: date
    open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """
    The company's own words. A dimension is (kind, code): the segments of the subaccount by their
    description in small letters, ``project``, ``project_task`` and ``branch``.
    """

    connection: str
    company: str = ""
    corporate_id: str = ""
    vat_number: str = ""
    country: str = ""
    currency: str = ""
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Europe/Oslo"))
    terms: Mapping[str, Payload] = field(default_factory=dict)
    terms_id: Mapping[str, str] = field(default_factory=dict)
    decimals: Mapping[str, int] = field(default_factory=dict)
    currencies: Mapping[str, str] = field(default_factory=dict)
    rates: Mapping[str, tuple[Decimal, str]] = field(default_factory=dict)
    vats: Mapping[str, Vat] = field(default_factory=dict)
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    category_names: Mapping[str, str] = field(default_factory=dict)
    vat_zones: Mapping[str, str] = field(default_factory=dict)
    segments: Mapping[int, Segment] = field(default_factory=dict)
    projects: Mapping[str, Payload] = field(default_factory=dict)
    branches: Mapping[str, str] = field(default_factory=dict)
    periods: tuple[Period, ...] = ()

    def ref(self, entity: str, native_id: object) -> ExternalRef:
        """The ref of a record of this connection."""
        return ExternalRef(self.connection, entity, str(native_id))

    def find_terms(self, said: str) -> str | None:
        """The id of terms that are named by id or description; None if none is."""
        return self.terms_id.get(said.strip().casefold())

    def places(self, currency: str) -> int:
        """Decimals of a currency in this company."""
        return self.decimals.get(currency, 2)

    def period(self, day: date) -> Period | None:
        """The period that holds a day."""
        return next((one for one in self.periods if one.first <= day <= one.last), None)

    def segment(self, kind: str) -> Segment | None:
        """The segment that a kind of dimension means."""
        return next((one for one in self.segments.values() if one.kind == kind.casefold()), None)

    def task_of(self, project: str) -> str | None:
        """The task of a project where it has exactly one that is active."""
        rows = rows_of(self.projects.get(project, {}), "tasks")
        active = [row for row in rows if text_of(row, "status") in ("Active", "")]
        return text_of(active[0], "taskId") if len(active) == 1 else None

    def applied(self, zone: str, category: str, day: date) -> list[Vat]:
        """The VAT codes that lie in both a zone and a category, with a rate on that day."""
        found = []
        for code in self.categories.get(category, ()):
            vat = self.vats.get(code)
            if vat is not None and zone in vat.zones and vat.rate(day) is not None:
                found.append(vat)
        return found


def build_names(
    connection: str,
    *,
    organization: Payload,
    branches: Iterable[Payload],
    terms: Sequence[Payload],
    currencies: Sequence[Payload],
    rates: Sequence[Payload],
    vats: Sequence[Payload],
    categories: Iterable[Payload],
    zones: Iterable[Payload],
    segments: Iterable[Payload],
    projects: Iterable[Payload],
    periods: Iterable[Payload],
) -> Names:
    """The words of a company from its lists."""
    country = text_of(organization, "mainAddress", "country", "id").upper()
    base = next((row for row in currencies if row.get("isBaseCurrency")), {})
    currency = text_of(organization, "baseCurrency") or text_of(base, "id")
    categories = list(categories)
    return Names(
        connection=connection,
        company=text_of(organization, "name"),
        corporate_id=text_of(organization, "corporateId"),
        vat_number=text_of(organization, "vatRegistrationId"),
        country=country,
        currency=currency,
        zone=ZoneInfo(_ZONES.get(country, "Europe/Oslo")),
        terms={text_of(row, "termsId"): row for row in terms},
        terms_id=_terms_ids(terms),
        decimals={
            text_of(row, "id"): int(row.get("decimalPrecision") or 0)
            for row in currencies
            if row.get("decimalPrecision") is not None
        },
        currencies={text_of(row, "id"): text_of(row, "description") for row in currencies},
        rates=_rates(rates, currency),
        vats={text_of(row, "vatId"): _vat(row) for row in vats},
        categories={
            text_of(row, "vatCategoryId"): tuple(
                text_of(line, "vatId") for line in rows_of(row, "vatCategoryLines")
            )
            for row in categories
        },
        category_names={
            text_of(row, "vatCategoryId"): text_of(row, "description") for row in categories
        },
        vat_zones={text_of(row, "id"): text_of(row, "description") for row in zones},
        segments={one.number: one for one in map(_segment, segments)},
        projects={text_of(row, "projectID"): row for row in projects},
        branches={text_of(row, "number"): text_of(row, "name") for row in branches},
        periods=read_periods(periods),
    )


def read_periods(rows: Iterable[Payload]) -> tuple[Period, ...]:
    """
    The periods in order. Whether an end is the last day or the one after it nobody says: where the
    next period begins on it, it is the one after.
    """
    read = []
    for row in rows:
        first, end = day_of(row, "startDate"), day_of(row, "endDate")
        if first is not None and end is not None and end > first:
            closed = row.get("closedInCustomerLedger") or row.get("closedInGeneralLedger")
            code = f"{text_of(row, 'year')}{text_of(row, 'period')}"
            read.append((first, end, code, row.get("active") is not False and not closed))
    read.sort()
    # A period of one day, as adjustments have it, is none that a date falls into.
    starts = {first for first, *_ in read}
    exclusive = any(end in starts for _, end, *_ in read)
    return tuple(
        Period(code=code, first=first, last=end - timedelta(days=1) if exclusive else end, open=ok)
        for first, end, code, ok in read
    )


def _terms_ids(rows: Sequence[Payload]) -> dict[str, str]:
    """Ids by every name that terms are known by; the days where only one row has them."""
    ids: dict[str, str] = {}
    by_days: dict[str, list[str]] = {}
    for row in rows:
        code = text_of(row, "termsId")
        ids[text_of(row, "description").casefold()] = code
        if text_of(row, "dueDateType") == "FixedNumberOfDays" and not is_split(row):
            by_days.setdefault(text_of(row, "dueDay1"), []).append(code)
    for days, codes in by_days.items():
        if len(codes) == 1:
            ids[days] = codes[0]
    for row in rows:
        ids[text_of(row, "termsId").casefold()] = text_of(row, "termsId")
    ids.pop("", None)
    return ids


def is_split(row: Payload) -> bool:
    """Whether terms split an invoice into several when it is released."""
    count = row.get("numberOfInstalments")
    return text_of(row, "instalmentType") == "Multiple" or (isinstance(count, int) and count > 1)


def _rates(rows: Sequence[Payload], base: str) -> dict[str, tuple[Decimal, str]]:
    """The latest rate of each currency to the company's own, and whether one multiplies by it."""
    found: dict[str, tuple[Decimal, str]] = {}
    for row in sorted(rows, key=lambda row: text_of(row, "effectiveDate")):
        rate = number_of(row, "rate")
        if text_of(row, "toCurrencyId") == base and rate:
            found[text_of(row, "fromCurrencyId")] = (rate, text_of(row, "multDiv") or "Multiply")
    return found


def _vat(row: Payload) -> Vat:
    steps = []
    for step in rows_of(row, "schedules"):
        since, rate = day_of(step, "startDate"), number_of(step, "vatRate")
        if since is not None and rate is not None and text_of(step, "groupType") != "Input":
            steps.append((since, rate / 100))
    return Vat(
        code=text_of(row, "vatId"),
        name=text_of(row, "description"),
        kind=text_of(row, "type"),
        calculate_on=text_of(row, "calculateOn"),
        steps=tuple(sorted(steps)),
        not_after=day_of(row, "notValidAfter"),
        zones=frozenset(text_of(zone, "id") for zone in rows_of(row, "zones")),
    )


def _segment(row: Payload) -> Segment:
    number = int(row.get("segmentId") or 0)
    values = rows_of(row, "segmentValues")
    described = text_of(row, "description").strip().casefold()
    return Segment(
        number=number,
        kind=described.replace(" ", "_") or f"segment_{number}",
        values={text_of(v, "valueId"): v.get("active") is not False for v in values},
        labels={text_of(v, "valueId"): text_of(v, "description") for v in values},
    )


# --- refs ----------------------------------------------------------------------------------------

# How the parts of a ref name a document: the list that it stands in, and its number.
HEADS: Mapping[str, tuple[str, bool]] = {
    "draft": ("Invoice", False),
    "invoice": ("Invoice", True),
    "draft_note": ("CreditNote", False),
    "note": ("CreditNote", True),
    "draft_debit": ("DebitNote", False),
    "debit": ("DebitNote", True),
    "charge": ("FinCharge", True),
    "draft_cash": ("CashSale", False),
    "cash": ("CashSale", True),
}
_BY_TYPE = {place: head for head, place in HEADS.items()}


def document_ref(names: Names, kind: str, number: str, *, booked: bool) -> ExternalRef:
    """
    A document: its type, whether it is released, and its number. Invoices and credit notes may
    draw from one series or from two, so that the number alone names none.
    """
    head = _BY_TYPE.get((kind, booked)) or _BY_TYPE.get((kind, True)) or kind.lower()
    return names.ref("document", f"{head}:{number}")


def split_ref(ref: ExternalRef) -> tuple[str, str]:
    """Head and number of a ref: ('draft', '100245'), ('', '4312') for a customer."""
    head, colon, tail = ref.id.partition(":")
    return (head, tail) if colon else ("", ref.id)


def customer_number(payload: Payload) -> str:
    """The number of the customer that a document or payment names."""
    return text_of(part_of(payload, "customer"), "number")
