"""What ids mean in this company: terms, dimensions, codings, and how the company is set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from tieout.connectors.visma_eaccounting.values import Payload, day_of, text_of
from tieout.core.model import ExternalRef

PROJECT = "project"


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """
    The company's own words, for translating in both directions. Values only.

    Terms are called by their days ('30') where only one row of the plain kind has these days,
    else by their name. A dimension is (kind, code): ``cost_center``, ``cost_center_2``,
    ``cost_center_3`` with the short name, ``project`` with the number.
    """

    connection: str
    country: str = ""
    currency: str = ""
    rounds: bool = False
    private_includes_vat: bool = False
    keeps_draft_date: bool = False
    uses_oss: bool = False
    company_terms: str = ""
    locked_to: date | None = None
    years: tuple[tuple[date, date, bool], ...] = ()
    terms_code: Mapping[str, str] = field(default_factory=dict)
    terms_days: Mapping[str, int] = field(default_factory=dict)
    terms_id: Mapping[str, str] = field(default_factory=dict)
    dimension: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    dimension_id: Mapping[tuple[str, str], str] = field(default_factory=dict)
    codings: Mapping[str, Payload] = field(default_factory=dict)

    def ref(self, entity: str, native_id: str) -> ExternalRef:
        """The ref of a record of this connection."""
        return ExternalRef(self.connection, entity, native_id)

    def find_terms(self, said: str) -> str | None:
        """The id of terms that are named by code, name, English name or id; None if none is."""
        return self.terms_id.get(said.strip().casefold())

    def day_is_open(self, day: date) -> bool:
        """Whether a document can be booked on that day, as far as years and lock tell."""
        if self.locked_to is not None and day <= self.locked_to:
            return False
        return any(start <= day <= end and not locked for start, end, locked in self.years)


def draft_ref(names: Names, guid: str) -> ExternalRef:
    """A draft: its collection is part of the id, since booking moves it to another one."""
    return names.ref("document", f"draft:{guid}")


def invoice_ref(names: Names, guid: str) -> ExternalRef:
    """A booked invoice or credit note."""
    return names.ref("document", f"invoice:{guid}")


def order_ref(names: Names, guid: str) -> ExternalRef:
    """An order, which stays where it is when it is invoiced."""
    return names.ref("document", f"order:{guid}")


def split_ref(ref: ExternalRef) -> tuple[str, str]:
    """Collection and guid of a ref: ('draft', guid), ('invoice', guid), ('', id) for others."""
    head, colon, tail = ref.id.partition(":")
    return (head, tail) if colon else ("", ref.id)


def settings_names(connection: str, settings: Payload, years: Iterable[Payload]) -> Names:
    """The names as far as company settings and fiscal years give them."""
    spans = []
    for year in years:
        start, end = day_of(year, "StartDate"), day_of(year, "EndDate")
        if start and end:
            spans.append((start, end, bool(year.get("IsLockedForAccounting"))))
    return Names(
        connection=connection,
        country=text_of(settings, "CountryCode").upper(),
        currency=text_of(settings, "CurrencyCode"),
        rounds=settings.get("DomesticCurrencyRounding") == 1,
        private_includes_vat=bool(settings.get("ShowPricesExclVatPC")),
        keeps_draft_date=bool(settings.get("KeepOriginalDraftDate")),
        uses_oss=bool(settings.get("UsesMoss")),
        company_terms=text_of(settings, "TermsOfPaymentId"),
        locked_to=day_of(settings, "AccountingLockedTo"),
        years=tuple(sorted(spans)),
    )


def terms_names(
    rows: Sequence[Payload],
) -> tuple[dict[str, str], dict[str, int], dict[str, str]]:
    """Codes by id, days by id, and ids by every name that terms are known by."""
    codes: dict[str, str] = {}
    days: dict[str, int] = {}
    ids: dict[str, str] = {}
    plain: dict[int, list[str]] = {}
    for row in rows:
        if row.get("AvailableForSales") is False:
            continue
        guid, number = text_of(row, "Id"), row.get("NumberOfDays")
        codes[guid] = text_of(row, "Name") or guid
        if isinstance(number, int):
            days[guid] = number
            if row.get("TermsOfPaymentTypeId") in (0, None):
                plain.setdefault(number, []).append(guid)
        for name in (guid, text_of(row, "NameEnglish"), text_of(row, "Name")):
            if name:
                ids[name.casefold()] = guid
    for number, guids in plain.items():
        if len(guids) == 1:
            codes[guids[0]] = str(number)
            ids[str(number)] = guids[0]
    return codes, days, ids


def dimension_names(
    centres: Iterable[Payload], projects: Iterable[Payload]
) -> dict[str, tuple[str, str]]:
    """(kind, code) by id of a cost centre item or project."""
    found: dict[str, tuple[str, str]] = {}
    for centre in centres:
        kind = cost_center_kind(centre.get("Number"))
        for item in centre.get("Items") or ():
            found[text_of(item, "Id")] = (kind, text_of(item, "ShortName"))
    for project in projects:
        found[text_of(project, "Id")] = (PROJECT, text_of(project, "Number"))
    return found


def cost_center_kind(number: object) -> str:
    """The kind of dimension of the first, second or third cost centre."""
    return "cost_center" if number in (1, None) else f"cost_center_{number}"
