"""Settings of a webCRM connection: addresses, and what this system's fields and words mean."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, replace
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tieout.connectors.http.addresses import address_problem

WON = ("delivery", "status", "ready", "level", "flag")
DISCOUNTS = ("percent", "amount")
CHANGES = ("queries", "lists")
DELIVERY_STATUSES = ("New", "Planned", "OnGoing", "Completed", "GeneralDelivery")

DELIVERY_STANDING: Mapping[str, str] = {
    "books_id": "DeliveryErpId",
    "erp_status": "DeliveryErpStatus",
    "synced_at": "DeliveryErpSyncDateTime",
}
OPPORTUNITY_STANDING: Mapping[str, str] = {
    "books_id": "OpportunityErpId",
    "erp_status": "OpportunityErpStatus",
    "synced_at": "OpportunityErpSyncDateTime",
}
STANDING_NAMES = frozenset(
    {
        "status",
        "overdue",
        "credited_in_part",
        "refund_due",
        "booked",
        "vendor_status",
        "order_number",
        "order_date",
        "delivered_on",
        "number",
        "books_id",
        "issue_date",
        "due_date",
        "last_payment_on",
        "currency",
        "net",
        "gross",
        "paid",
        "open",
        "overdue_amount",
        "message",
        "erp_status",
        "synced_at",
    }
)
_STANDINGS = {
    "delivery_standing": "Delivery",
    "opportunity_standing": "Opportunity",
    "account_standing": "Organisation",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFields:
    """
    The system's names on organisations; '' is a field that it lacks. ``person_types`` are the
    values of `OrganisationType` that mean a private person.
    """

    number: str = ""
    org_number: str = ""
    vat_number: str = "OrganisationVatNumber"
    terms: str = ""
    invoice_email: str = ""
    currency: str = ""
    language: str = ""
    tax_group: str = ""
    credit_stop: str = ""
    reference_required: str = ""
    person_types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DealFields:
    """
    The system's names on deals; '' is a field that it lacks.

    `OpportunityCustom2` means that field, and on a delivery the same value as it was carried over
    (`DeliveryOpportunityCustom2`); `DeliveryCustom2` is the delivery's own set. ``delivered_on``
    may be a text that holds a day.
    """

    po_number: str = ""
    buyer_reference: str = ""
    delivered_on: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineFields:
    """
    Which of the columns `Data1` to `Data9` of lines and catalogue hold what. ``key`` is one that
    is ours, for items that the books bring; '' writes none.
    """

    item: str = "Data1"
    name: str = "Data2"
    unit: str = "Data3"
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceFields:
    """
    The system's names on products, where invoices of the books are shown; '' is a field that it
    lacks. ``key`` carries our key: without it no invoice is shown.

    Of the document: ``kind`` to ``url`` and ``synced_at``; of its lines: ``item`` to
    ``dimensions``. Quantity, price and discount have fields of webCRM's own.
    """

    key: str = ""
    kind: str = ""
    number: str = ""
    status: str = ""
    issue_date: str = ""
    due_date: str = ""
    currency: str = ""
    net: str = ""
    tax: str = ""
    gross: str = ""
    open: str = ""
    rounding: str = ""
    paid: str = ""
    credited: str = ""
    credited_in_part: str = ""
    last_payment_on: str = ""
    vendor_status: str = ""
    booked: str = ""
    sale: str = ""
    deal: str = ""
    url: str = ""
    synced_at: str = ""
    item: str = ""
    amount: str = ""
    text: str = "ProductComment"
    unit: str = ""
    tax_rate: str = ""
    tax_code: str = ""
    line_kind: str = ""
    dimensions: str = ""

    def places(self) -> dict[str, str]:
        """Our word → the field, of those that are named."""
        named = ((entry.name, getattr(self, entry.name)) for entry in fields(self))
        return {word: name for word, name in named if name}

    def problems(self) -> list[str]:
        """Whole sentences on what cannot work."""
        places = self.places()
        chosen = {word: name for word, name in places.items() if (word, name) != _USUAL_TEXT}
        if not chosen:
            return []
        found = [
            f"invoice.{word} is needed: without it an invoice of the books is not shown whole."
            for word in _NEEDED
            if not places.get(word)
        ]
        words: dict[str, str] = {}
        for word, name in places.items():
            if not _PLACE.fullmatch(name) or (word == "key" and not _OWN_FIELD.fullmatch(name)):
                kinds = "ProductCustom1 to 15 or ProductPlus1 to 20"
                more = "" if word == "key" else ", ProductComment, ProductMemo, ProductVatCode"
                found.append(f"invoice.{word} is one of {kinds}{more}, not {name}.")
            elif name in words:
                found.append(f"invoice.{word} needs a field of its own; {name} is {words[name]}.")
            words.setdefault(name, f"invoice.{word}")
        return found


_NEEDED = (
    *("key", "kind", "number", "status", "issue_date", "due_date", "currency"),
    *("net", "tax", "gross", "open", "item", "amount"),
)
_USUAL_TEXT = ("text", "ProductComment")
_OWN_FIELD = re.compile(r"Product(?:Custom(?:[1-9]|1[0-5])|Plus(?:[1-9]|1\d|20))")
_PLACE = re.compile(_OWN_FIELD.pattern + r"|Product(?:Comment|Memo|VatCode)")


@dataclass(frozen=True, slots=True, kw_only=True)
class WebcrmSettings:
    """
    One connection to one system. The application token is not here but in the vault.

    ``system_id`` names the system for ever: the API has no such id, so it is told by a person, and
    held against what `GET /Auth` tells. ``won`` says what makes a deal won: being a ``delivery``,
    a delivery's ``status`` (one of ``won_statuses``), being ``ready`` for synchronisation, the
    opportunity's ``level`` (one of ``won_levels``) or its won ``flag``; ``lost_levels`` are lost.
    ``currency`` is meant where a deal names none; ``currencies`` and ``countries`` say what names
    mean that are no ISO codes. ``changes``: by scripts (`/Queries`) or by whole ``lists``.
    ``line_table`` is the name of the lines' table in scripts, '' where there is none: then lines
    are read through every ``lines_every_s``. The list of products, where invoices are shown, is
    read every ``invoices_every_s``; 0: in every run. ``overlap_s`` is how far behind the last
    stamp a read begins. ``minute_calls`` and ``quota_share`` are the vendor's limit and our part
    of it.
    """

    api_url: str = "https://api.webcrm.com"
    login_url: str = ""
    system_id: str = ""
    name: str = ""
    country: str = ""
    time_zone: str = "Europe/Copenhagen"
    currency: str = ""
    currencies: Mapping[str, str] = field(default_factory=dict)
    countries: Mapping[str, str] = field(default_factory=dict)
    won: str = "delivery"
    won_statuses: tuple[str, ...] = ()
    won_levels: tuple[str, ...] = ()
    lost_levels: tuple[str, ...] = ()
    head_discount: str = "percent"
    check_order_value: str = "yes"
    account: AccountFields = field(default_factory=AccountFields)
    deal: DealFields = field(default_factory=DealFields)
    line: LineFields = field(default_factory=LineFields)
    invoice: InvoiceFields = field(default_factory=InvoiceFields)
    contact_role: str = ""
    delivery_standing: Mapping[str, str] = field(default_factory=lambda: dict(DELIVERY_STANDING))
    opportunity_standing: Mapping[str, str] = field(
        default_factory=lambda: dict(OPPORTUNITY_STANDING)
    )
    account_standing: Mapping[str, str] = field(default_factory=dict)
    changes: str = "queries"
    line_table: str = ""
    lines_every_s: int = 3600
    invoices_every_s: int = 3600
    overlap_s: int = 600
    minute_calls: int = 250
    quota_share: str = "0.8"
    page_rows: int = 500
    patch_items: int = 50
    timeout_s: int = 60

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> WebcrmSettings:
        """
        The settings that a configuration names, the rest as by default. Texts stand for numbers
        and, with commas, for lists, as they come from a command line.

        Raises ValueError for a setting that nobody knows, or a number that is none.
        """
        known = {entry.name: entry for entry in fields(cls)}
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise ValueError(f"no such setting: {', '.join(unknown)}")
        made = {name: _as_default(value, known[name]) for name, value in values.items()}
        nested: Mapping[str, Any] = {
            "account": AccountFields(),
            "deal": DealFields(),
            "line": LineFields(),
            "invoice": InvoiceFields(),
        }
        for name, default in nested.items():
            if isinstance(made.get(name), Mapping):
                made[name] = _nested(name, default, made[name])
        for name, base in (
            ("delivery_standing", DELIVERY_STANDING),
            ("opportunity_standing", OPPORTUNITY_STANDING),
        ):
            if name in made:
                made[name] = {**base, **made[name]}
        return cls(**made)

    @property
    def token_url(self) -> str:
        """Where application tokens are exchanged."""
        return f"{(self.login_url or self.api_url).rstrip('/')}/Auth/ApiLogin"

    def standing_fields(self, kind: str) -> dict[str, str]:
        """Our word → the field, for 'Delivery', 'Opportunity' or 'Organisation'."""
        chosen = {
            "Delivery": self.delivery_standing,
            "Opportunity": self.opportunity_standing,
            "Organisation": self.account_standing,
        }[kind]
        return {ours: theirs for ours, theirs in chosen.items() if theirs}

    def problems(self) -> list[str]:
        """Whole sentences on what cannot work; empty when the settings are usable."""
        found = [
            problem
            for address in (self.api_url, self.login_url)
            if address and (problem := address_problem(address)) is not None
        ]
        found += self._choices()
        found += self._numbers()
        found += self.invoice.problems()
        for label, prefix in _STANDINGS.items():
            found += _standing_problems(label, prefix, getattr(self, label))
        for label, names in (("currencies", self.currencies), ("countries", self.countries)):
            size = 3 if label == "currencies" else 2
            for name, code in names.items():
                if not (len(str(code)) == size and str(code).isalpha() and str(code).isupper()):
                    found.append(f"{label}.{name} is {size} capital letters, not {code!r}.")
        return found

    def _choices(self) -> list[str]:
        found: list[str] = []
        for label, value, choices in (
            ("won", self.won, WON),
            ("head_discount", self.head_discount, DISCOUNTS),
            ("changes", self.changes, CHANGES),
            ("check_order_value", self.check_order_value, ("yes", "no")),
        ):
            if value not in choices:
                found.append(f"{label} is one of {', '.join(choices)}, not {value!r}.")
        if self.won == "status" and not self.won_statuses:
            found.append("won_statuses is needed where won is status.")
        for status in self.won_statuses:
            if status not in DELIVERY_STATUSES:
                listed = ", ".join(DELIVERY_STATUSES)
                found.append(f"won_statuses has {status!r}; there are {listed}.")
        if self.won == "level" and not self.won_levels:
            found.append("won_levels is needed where won is level.")
        for label, levels in (("won_levels", self.won_levels), ("lost_levels", self.lost_levels)):
            if not all(level.isdigit() for level in levels):
                found.append(f"{label} are the numbers of levels, such as 10.")
        if self.currency and not (len(self.currency) == 3 and self.currency.isupper()):
            found.append(f"currency is three capital letters, not {self.currency!r}.")
        try:
            ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError):
            found.append(f"time_zone is a name such as Europe/Copenhagen, not {self.time_zone!r}.")
        for label, column in (
            ("line.item", self.line.item),
            ("line.name", self.line.name),
            ("line.unit", self.line.unit),
            ("line.key", self.line.key),
        ):
            if column and column not in _COLUMNS:
                found.append(f"{label} is one of Data1 to Data9, not {column!r}.")
        if self.line.key and self.line.key in (self.line.item, self.line.name, self.line.unit):
            found.append(f"line.key is a column of its own; {self.line.key} holds something else.")
        return found

    def _numbers(self) -> list[str]:
        found: list[str] = []
        if not _is_share(self.quota_share):
            found.append(f"quota_share is a fraction such as 0.8, not {self.quota_share!r}.")
        if not 2 <= self.page_rows <= 1000:
            found.append("page_rows is between 2 and 1000.")
        if not 1 <= self.patch_items <= 50:
            found.append("patch_items is between 1 and 50.")
        if self.invoices_every_s < 0:
            found.append("invoices_every_s is 0 (in every run) or so many seconds.")
        if self.overlap_s < 60:
            found.append("overlap_s is at least 60: rows are committed late with older stamps.")
        if not 1 <= self.minute_calls <= 250:
            found.append("minute_calls is between 1 and 250.")
        return found


_COLUMNS = frozenset(f"Data{number}" for number in range(1, 10))


def _standing_problems(label: str, prefix: str, chosen: Mapping[str, str]) -> list[str]:
    found: list[str] = []
    strange = sorted(set(chosen) - STANDING_NAMES)
    if strange:
        found.append(f"{label} has {', '.join(strange)}, which a standing does not have.")
    for ours, theirs in chosen.items():
        if theirs and not theirs.startswith(prefix):
            found.append(f"{label}.{ours} begins with {prefix}, as all fields there; not {theirs}.")
    return found


def _as_default(value: Any, entry: Field[Any]) -> Any:
    """The value in the kind that the setting has by default."""
    if isinstance(entry.default, tuple):
        parts = str(value).split(",") if isinstance(value, (str, int)) else value
        return tuple(str(part).strip() for part in parts if str(part).strip())
    if isinstance(entry.default, int) and isinstance(value, str):
        return int(value)
    if isinstance(entry.default, str):
        # `--set check_order_value=no` and YAML's own words for it mean the same.
        return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
    return value


def _is_share(value: str) -> bool:
    try:
        return 0 < Decimal(value) <= 1
    except InvalidOperation:
        return False


def _nested(name: str, default: Any, values: Mapping[str, Any]) -> Any:
    known = {entry.name: entry for entry in fields(default)}
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ValueError(f"no such setting: {name}.{', '.join(unknown)}")
    made = {key: _as_default(value, known[key]) for key, value in values.items()}
    return replace(default, **made)
