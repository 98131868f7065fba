"""What a connection to Visma eAccounting is set to. No secret stands here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from tieout.connectors.http.addresses import address_problem
from tieout.connectors.http.tokens import SignIn
from tieout.core.abilities import TotalsRule

SCOPES = "ea:api offline_access ea:sales ea:accounting_readonly ea:purchase_readonly"
_SERVICE = "44643EB1-3F76-4C1C-A672-402AE8085934"


@dataclass(frozen=True, slots=True, kw_only=True)
class VismaSettings:
    """
    ``api_url`` is the host, the version is in the paths. ``carrier`` is where a draft carries our
    key: 'our_reference' or, for a company that does not want it there, 'text_row'.

    Customer numbers are drawn by us from ``number_start`` on, ``number_width`` digits wide (0: as
    many as it takes). ``default_terms`` is the code of the terms of a customer for whom none are
    mapped ('': the company's own). ``company_id`` is the company that this connection has been
    bound to, '' before the first check. ``orders``: orders are read, and made as ``order_status``
    says, 'draft' (without a number, to be confirmed) or 'ongoing'. ``totals_rule`` is what drafts
    have shown of this company.
    ``calls_per_minute`` is the vendor's limit per route, of which ``budget_share`` is ours; another
    figure only where the vendor agreed on one, or for a simulator without limits.
    """

    api_url: str = "https://eaccountingapi.vismaonline.com"
    token_url: str = "https://identity.vismaonline.com/connect/token"  # noqa: S105
    authorize_url: str = "https://identity.vismaonline.com/connect/authorize"
    client_id: str = ""
    company_id: str = ""
    carrier: str = "our_reference"
    our_contact: str = ""
    number_start: int = 200_000
    number_width: int = 0
    default_terms: str = ""
    orders: bool = False
    order_status: str = "draft"
    totals_rule: TotalsRule = TotalsRule.UNKNOWN
    calls_per_minute: int = 600
    budget_share: str = "0.5"
    in_flight: int = 4
    overlap_s: int = 120
    open_invoices_every_s: int = 300
    balances_every_s: int = 3600
    prices_every_s: int = 900
    page_size: int = 1000

    def problems(self) -> Iterator[str]:
        """Everything that is wrong with these settings, in plain sentences."""
        for name in ("api_url", "token_url", "authorize_url"):
            problem = address_problem(getattr(self, name))
            if problem:
                yield f"{name}: {problem}"
        if self.carrier not in ("our_reference", "text_row"):
            yield f"carrier: our_reference or text_row, not {self.carrier!r}."
        if self.order_status not in ("draft", "ongoing"):
            yield f"order_status: draft or ongoing, not {self.order_status!r}."
        if len(self.our_contact) > 79:
            yield f"our_contact: at most 79 characters, not {len(self.our_contact)}."
        if self.number_start < 1 or len(str(self.number_start)) > 16:
            yield f"number_start: a number of 1 to 16 digits, not {self.number_start}."
        if not 0 <= self.number_width <= 16:
            yield f"number_width: 0 to 16, not {self.number_width}."
        if not 1 <= self.page_size <= 1000:
            yield f"page_size: 1 to 1000, not {self.page_size}."
        if not 1 <= self.in_flight <= 10:
            yield f"in_flight: 1 to 10, not {self.in_flight}."
        if self.calls_per_minute < 1:
            yield f"calls_per_minute: a number from 1, not {self.calls_per_minute}."
        if not _is_share(self.budget_share):
            yield f"budget_share: a part of 1 such as 0.5, not {self.budget_share!r}."
        for name in ("overlap_s", "open_invoices_every_s", "balances_every_s", "prices_every_s"):
            if getattr(self, name) < 0:
                yield f"{name}: must not be negative, is {getattr(self, name)}."

    @property
    def host(self) -> str:
        """The address before the version, also where somebody wrote the version behind it."""
        return self.api_url.rstrip("/").removesuffix("/v2")

    def sign_in(self) -> SignIn:
        """How access tokens are renewed."""
        return SignIn(token_url=self.token_url, client_id=self.client_id)

    @staticmethod
    def authorize_extra() -> dict[str, str]:
        """
        What the browser's address needs besides the standard: without the forced choice a
        person's default company is taken silently.
        """
        return {
            "prompt": "select_account",
            "acr_values": f"service:{_SERVICE} forceselectcompany:true",
        }


def _is_share(text: str) -> bool:
    try:
        return 0 < Decimal(text) <= 1
    except InvalidOperation:
        return False
