"""Settings of a Salesforce connection: hosts, sign-in, and what the org calls its fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, replace
from decimal import Decimal, InvalidOperation
from typing import Any

from tieout.connectors.http.addresses import address_problem

GRANTS = ("jwt", "refresh", "client_credentials")
SOURCES = ("opportunity", "order", "quote")

DEAL_STANDING: Mapping[str, str] = {
    "status": "Erp_Status__c",
    "synced_at": "Erp_Synced_At__c",
    "books_id": "Erp_Id__c",
    "vendor_status": "Erp_Vendor_Status__c",
    "booked": "Erp_Booked__c",
    "order_number": "Erp_Order_Number__c",
    "order_date": "Erp_Order_Date__c",
    "delivered_on": "Erp_Delivery_Date__c",
    "number": "Erp_Invoice_Number__c",
    "issue_date": "Erp_Invoice_Date__c",
    "due_date": "Erp_Due_Date__c",
    "paid": "Erp_Paid_Amount__c",
    "open": "Erp_Open_Amount__c",
    "overdue": "Erp_Overdue__c",
}
ACCOUNT_STANDING: Mapping[str, str] = {
    "status": "Erp_Status__c",
    "synced_at": "Erp_Synced_At__c",
    "books_id": "Erp_Id__c",
    "open": "Ar_Balance__c",
    "overdue_amount": "Ar_Overdue__c",
}
# Without these the answer of the books cannot be shown at all; the others are left out quietly.
NEEDED_STANDING = {
    "deal": ("status", "synced_at"),
    "customer": ("open", "overdue_amount"),
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
        "synced_at",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFields:
    """The org's names on Account (and Product2's tax class); '' is a field that it lacks."""

    org_number: str = "Org_Number__c"
    vat_number: str = "Vat_Number__c"
    terms: str = "Payment_Terms__c"
    invoice_email: str = "Invoice_Email__c"
    number: str = "AccountNumber"
    credit_stop: str = "Credit_Hold__c"
    reference_required: str = "Buyer_Reference_Required__c"
    language: str = ""
    tax_group: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DealFields:
    """
    The org's names on Opportunity, Order and Quote; '' is a field that it lacks. ``discount`` is an
    amount off the whole deal, which the deal's own amount does not know of.
    """

    number: str = ""
    po_number: str = "Po_Number__c"
    buyer_reference: str = "Buyer_Reference__c"
    delivered_on: str = ""
    discount: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemFields:
    """
    The org's names on Product2; '' is a field that it lacks. ``price_currency`` is that of the list
    price in an org with several currencies; '' for the corporate one.
    """

    tax_class: str = ""
    service_families: tuple[str, ...] = ()
    price_currency: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SalesforceSettings:
    """
    One connection to one org. Secrets are not here but in the vault.

    ``my_domain`` is the org's own host, needed for client credentials; ``api_url`` an address to
    call instead of the one that the sign-in tells (a proxy); ``namespace`` the prefix of
    our packaged fields; ``currency`` the org's one currency where it has no multi-currency;
    ``overlap_s`` how far behind the last stamp a read begins; ``user`` who signs in (JWT).
    ``quota_share`` of the org's daily calls is warned about when used by all together, and at
    ``quota_stop`` we stop, so that people and others can still work.
    """

    login_url: str = "https://login.salesforce.com"
    my_domain: str = ""
    api_url: str = ""
    grant: str = "jwt"
    user: str = ""
    audience: str = ""
    api_version: str = "68.0"
    org_id: str = ""
    client_name: str = "tieout"
    namespace: str = ""
    currency: str = ""
    sources: tuple[str, ...] = ("opportunity",)
    billing_roles: tuple[str, ...] = ("Billing", "Invoice")
    quote_won: tuple[str, ...] = ("Accepted",)
    quote_lost: tuple[str, ...] = ("Denied", "Rejected")
    account: AccountFields = field(default_factory=AccountFields)
    deal: DealFields = field(default_factory=DealFields)
    item: ItemFields = field(default_factory=ItemFields)
    deal_standing: Mapping[str, str] = field(default_factory=lambda: dict(DEAL_STANDING))
    account_standing: Mapping[str, str] = field(default_factory=lambda: dict(ACCOUNT_STANDING))
    overlap_s: int = 600
    daily_calls: int = 100_000
    quota_share: str = "0.8"
    quota_stop: str = "0.95"
    page_rows: int = 2000
    timeout_s: int = 120

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> SalesforceSettings:
        """
        The settings that a configuration names, the rest as by default. Texts stand for numbers
        and, with commas, for lists, as they come from a command line.

        Raises ValueError for a setting that nobody knows, or a number that is none.
        """
        known = {entry.name for entry in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ValueError(f"no such setting: {', '.join(unknown)}")
        made: dict[str, Any] = {
            name: _as_default(value, entry)
            for name, value in values.items()
            for entry in fields(cls)
            if entry.name == name
        }
        nested: Mapping[str, Any] = {
            "account": AccountFields(),
            "deal": DealFields(),
            "item": ItemFields(),
        }
        for name, default in nested.items():
            if isinstance(made.get(name), Mapping):
                made[name] = _nested(name, default, made[name])
        for name, base in (
            ("deal_standing", DEAL_STANDING),
            ("account_standing", ACCOUNT_STANDING),
        ):
            if name in made:
                made[name] = {**base, **made[name]}
        return cls(**made)

    @property
    def data_path(self) -> str:
        """Where the REST resources of the pinned version begin."""
        return f"/services/data/v{self.api_version}"

    @property
    def token_host(self) -> str:
        """The host that is asked for tokens: the org's own where it is known."""
        return (self.my_domain or self.login_url).rstrip("/")

    def packaged(self, name: str) -> str:
        """Our own field under the name that it has in this org, with the package's prefix."""
        return self.ours(name) if name in _OUR_FIELDS else name

    def ours(self, name: str) -> str:
        """A name of the package as this org has it, with the package's prefix."""
        return f"{self.namespace}__{name}" if self.namespace else name

    def standing_fields(self, of: str) -> dict[str, str]:
        """Our word → the org's field, for 'deal' or 'customer'. Empty names are left out."""
        chosen = self.deal_standing if of == "deal" else self.account_standing
        return {ours: self.packaged(theirs) for ours, theirs in chosen.items() if theirs}

    def problems(self) -> list[str]:
        """Whole sentences on what cannot work; empty when the settings are usable."""
        found: list[str] = []
        if self.grant not in GRANTS:
            found.append(f"grant is one of {', '.join(GRANTS)}, not {self.grant!r}.")
        if self.grant == "client_credentials" and not self.my_domain:
            found.append("my_domain is needed: client credentials are given only there.")
        if self.grant == "jwt" and not self.user:
            found.append("user is needed: the user name for whom the JWT asks.")
        for address in (self.login_url, self.my_domain, self.api_url):
            problem = address_problem(address) if address else None
            if problem is not None:
                found.append(problem)
        for source in self.sources:
            if source not in SOURCES:
                found.append(f"sources has {source!r}; there are {', '.join(SOURCES)}.")
        if not self.sources:
            found.append("sources is empty; at least one of opportunity, order, quote is needed.")
        if not _is_version(self.api_version):
            found.append(f"api_version is a number such as 68.0, not {self.api_version!r}.")
        for label, share in (("quota_share", self.quota_share), ("quota_stop", self.quota_stop)):
            if not _is_share(share):
                found.append(f"{label} is a fraction such as 0.8, not {share!r}.")
        if not 200 <= self.page_rows <= 2000:
            found.append("page_rows is between 200 and 2000.")
        if self.overlap_s < 60:
            found.append("overlap_s is at least 60: rows are committed late with older stamps.")
        if self.currency and not (len(self.currency) == 3 and self.currency.isupper()):
            found.append(f"currency is three capital letters, not {self.currency!r}.")
        for label, chosen in (
            ("deal_standing", self.deal_standing),
            ("account_standing", self.account_standing),
        ):
            strange = sorted(set(chosen) - STANDING_NAMES)
            if strange:
                found.append(f"{label} has {', '.join(strange)}, which a standing does not have.")
        return found


_OUR_FIELDS = frozenset(
    {*DEAL_STANDING.values(), *ACCOUNT_STANDING.values(), "Credit_Hold__c", "Vat_Number__c"}
)


def _as_default(value: Any, entry: Field[Any]) -> Any:
    """The value in the kind that the setting has by default."""
    if isinstance(entry.default, tuple):
        parts = value.split(",") if isinstance(value, str) else value
        return tuple(str(part).strip() for part in parts if str(part).strip())
    if isinstance(entry.default, int) and isinstance(value, str):
        return int(value)
    return value


def _is_version(value: str) -> bool:
    whole, dot, part = value.partition(".")
    return bool(dot) and whole.isdigit() and part.isdigit()


def _is_share(value: str) -> bool:
    try:
        return 0 < Decimal(value) <= 1
    except InvalidOperation:
        return False


def _nested(name: str, default: Any, values: Mapping[str, Any]) -> Any:
    known = {entry.name for entry in fields(default)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise ValueError(f"no such setting: {name}.{', '.join(unknown)}")
    made = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
    return replace(default, **made)
