"""What a connection to Visma.net is set to. No secret stands here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation
from typing import Any

from tieout.connectors.http.addresses import address_problem
from tieout.connectors.http.tokens import Grant, SignIn
from tieout.connectors.words import truth
from tieout.core.abilities import TotalsRule

SERVICE, INTERACTIVE = "client_credentials", "refresh"
CARRIERS = ("external_reference", "customer_ref")
_VERBS = ("read", "create", "update", "delete")
_ORDERS = ("visma.net.erp.salesorder:read", "visma.net.erp.salesorder:write")
_PERSON = ("openid", "profile", "email", "tenants", "offline_access")


@dataclass(frozen=True, slots=True, kw_only=True)
class VismaNetSettings:
    """
    ``api_url`` is the ERP host, ``orders_url`` that of the Sales Order service ('': none is
    called), ``token_url`` and ``authorize_url`` are Visma Connect. ``grant`` is
    'client_credentials' (a service application, with the *company's* ``tenant_id``) or 'refresh'
    (a person signed in; then ``company_number`` says which of the companies that they see).
    ``company_id`` is the company that this connection has been bound to.

    ``carrier`` is where an invoice carries our key: 'external_reference', or 'customer_ref' where
    the e-invoice needs that field; then the buyer's order number stands in the invoice text. A
    customer carries it in the attribute ``customer_attribute``. ``number_start`` above 0: customer
    numbers are drawn by us from there on, where the series allows it.

    ``customer_class`` of new customers ('': the company's default); ``zone_domestic``,
    ``zone_eu``, ``zone_abroad`` are the VAT zones that they get by their country ('': the
    class's). ``default_terms`` for a customer without mapped ones. ``text_account`` is the account
    of lines that are text only ('': that of the document's first item). ``default_subaccount`` is
    what the company fills in for segments that a line does not name ('100-00').

    ``draft_status`` is 'hold' or 'balanced', the state in which invoices are made. ``orders``:
    sales orders are read, and made of ``order_type`` in ``order_status``, 'hold' or 'open'.
    ``rounds_to_unit``: the company rounds invoices to whole units. ``price_decimals`` and
    ``quantity_decimals`` are those that it keeps: what is finer would be rounded before it is
    multiplied. ``totals_rule`` is what documents have shown of how it rounds VAT.
    ``release_in_background`` waits for the outcome of a release itself; documents of more than
    ``background_above`` lines are made so too (0: never).
    """

    api_url: str = "https://api.finance.visma.net"
    orders_url: str = "https://salesorder.visma.net"
    token_url: str = "https://connect.visma.com/connect/token"  # noqa: S105
    authorize_url: str = "https://connect.visma.com/connect/authorize"
    grant: str = SERVICE
    client_id: str = ""
    tenant_id: str = ""
    company_number: str = ""
    company_id: str = ""
    carrier: str = "external_reference"
    customer_attribute: str = "CRMKEY"
    number_start: int = 0
    number_width: int = 0
    customer_class: str = ""
    zone_domestic: str = ""
    zone_eu: str = ""
    zone_abroad: str = ""
    default_terms: str = ""
    text_account: str = ""
    default_subaccount: str = ""
    draft_status: str = "hold"
    rounds_to_unit: bool = False
    price_decimals: int = 2
    quantity_decimals: int = 2
    orders: bool = False
    order_type: str = "SO"
    order_status: str = "hold"
    totals_rule: TotalsRule = TotalsRule.UNKNOWN
    release_in_background: bool = True
    background_above: int = 100
    calls_per_hour: int = 5000
    budget_share: str = "0.8"
    in_flight: int = 4
    overlap_s: int = 300
    drafts_every_s: int = 300
    open_invoices_every_s: int = 300
    balances_every_s: int = 3600
    page_size: int = 500

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> VismaNetSettings:
        """The settings as they are stored. Raises ValueError for a name or value that is wrong."""
        known = {entry.name for entry in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ValueError(f"no such setting: {', '.join(unknown)}")
        defaults = cls()
        made: dict[str, Any] = {}
        for name, value in values.items():
            default = getattr(defaults, name)
            if isinstance(default, bool):
                made[name] = truth(name, value)
            else:
                made[name] = type(default)(value)
        return cls(**made)

    def problems(self) -> Iterator[str]:
        """Everything that is wrong with these settings, in plain sentences."""
        for name in ("api_url", "orders_url", "token_url", "authorize_url"):
            url = getattr(self, name)
            problem = address_problem(url) if url or name != "orders_url" else None
            if problem:
                yield f"{name}: {problem}"
        yield from self._words()
        yield from self._numbers()

    def _words(self) -> Iterator[str]:
        if self.grant not in (SERVICE, INTERACTIVE):
            yield f"grant: {SERVICE} or {INTERACTIVE}, not {self.grant!r}."
        if self.carrier not in CARRIERS:
            yield f"carrier: {' or '.join(CARRIERS)}, not {self.carrier!r}."
        if self.draft_status not in ("hold", "balanced"):
            yield f"draft_status: hold or balanced, not {self.draft_status!r}."
        if self.order_status not in ("hold", "open"):
            yield f"order_status: hold or open, not {self.order_status!r}."
        if len(self.order_type) != 2:
            yield f"order_type: two characters such as SO, not {self.order_type!r}."
        if not self.customer_attribute and not self.number_start:
            yield (
                "customer_attribute: without it and without number_start nothing tells a customer "
                "that was made twice."
            )

    def _numbers(self) -> Iterator[str]:
        if not _is_share(self.budget_share):
            yield f"budget_share: a part of 1 such as 0.5, not {self.budget_share!r}."
        if self.number_start < 0 or len(str(self.number_start)) > 10:
            yield f"number_start: 0, or a number of 1 to 10 digits, not {self.number_start}."
        for name, low, high in (
            ("number_width", 0, 10),
            ("price_decimals", 0, 6),
            ("quantity_decimals", 0, 6),
            ("page_size", 1, 5000),
            ("in_flight", 1, 8),
        ):
            if not low <= getattr(self, name) <= high:
                yield f"{name}: {low} to {high}, not {getattr(self, name)}."
        if self.calls_per_hour < 1:
            yield f"calls_per_hour: a number from 1, not {self.calls_per_hour}."
        for name in (
            "background_above",
            "overlap_s",
            "drafts_every_s",
            "open_invoices_every_s",
            "balances_every_s",
        ):
            if getattr(self, name) < 0:
                yield f"{name}: must not be negative, is {getattr(self, name)}."

    @property
    def company_key(self) -> str:
        """What we call the company: its tenant, and for a person's sign-in its number too."""
        tenant = self.tenant_id.strip().lower()
        if self.grant == INTERACTIVE and self.company_number:
            return f"{tenant}/{self.company_number}" if tenant else self.company_number
        return tenant

    @property
    def scopes(self) -> str:
        """The rights to ask for: those of orders only where orders are read."""
        service = self.grant == SERVICE
        family = "vismanet_erp_service_api" if service else "vismanet_erp_interactive_api"
        wanted = [*(() if service else _PERSON), *(f"{family}:{verb}" for verb in _VERBS)]
        return " ".join([*wanted, *_ORDERS] if self.orders else wanted)

    @property
    def headers(self) -> dict[str, str]:
        """What every call says besides its token: which company, where a person sees several."""
        if self.grant == INTERACTIVE and self.company_number:
            return {"ipp-company-id": self.company_number}
        return {}

    def sign_in(self) -> SignIn:
        """How access tokens are renewed."""
        if self.grant == SERVICE:
            return SignIn(
                token_url=self.token_url,
                grant=Grant.CLIENT_CREDENTIALS,
                client_auth="form",
                client_id=self.client_id,
                scope=self.scopes,
                extra={"tenant_id": self.tenant_id},
            )
        return SignIn(token_url=self.token_url, client_auth="form", client_id=self.client_id)


def _is_share(text: str) -> bool:
    try:
        return 0 < Decimal(text) <= 1
    except InvalidOperation:
        return False
