"""Everything that nobody outside the vendor knows, each as a named switch with a default.

`POST /_sandbox/actions/set_assumption {"name": "vat_rounding", "value": "row"}` changes one while
the simulator runs; a rehearsal should pass under either value.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any

FILTERABLE: dict[str, list[str]] = {
    "customers": [
        "Id",
        "CustomerNumber",
        "Name",
        "IsActive",
        "ChangedUtc",
        "CurrencyCode",
        "CorporateIdentityNumber",
        "VatNumber",
        "EmailAddress",
        "InvoiceCity",
        "InvoicePostalCode",
        "InvoiceCountryCode",
        "IsPrivatePerson",
    ],
    "articles": ["Id", "Number", "Name", "IsActive", "ChangedUtc", "CodingId", "CodingType"],
    "articleaccountcodings": ["Id", "Name", "IsActive", "ChangedUtc"],
    "customerinvoicedrafts": [
        "Id",
        "CustomerId",
        "CustomerNumber",
        "CustomerName",
        "OurReference",
        "YourReference",
        "CreatedUtc",
        "IsCreditInvoice",
        "TotalAmount",
        "TotalVatAmount",
        "Rows/ArticleNumber",
        "Rows/Text",
    ],
    "customerinvoices": [
        "Id",
        "InvoiceNumber",
        "CustomerId",
        "CustomerNumber",
        "CustomerName",
        "CurrencyCode",
        "OurReference",
        "YourReference",
        "InvoiceDate",
        "DueDate",
        "IsCreditInvoice",
        "PaymentStatus",
        "TotalAmount",
        "TotalVatAmount",
        "TotalRoundings",
        "RemainingAmount",
        "TotalAmountInvoiceCurrency",
        "RemainingAmountInvoiceCurrency",
        "HasAutoInvoiceError",
        "CreatedFromDraftId",
        "CreatedFromOrderId",
        "VoucherNumber",
        "CreatedUtc",
        "ModifiedUtc",
        "Rows/ArticleNumber",
        "Rows/Text",
    ],
    "orders": ["Id", "Number", "CustomerId", "Status", "OurReference", "OrderDate", "ModifiedUtc"],
    "customerledgeritems": [
        "Id",
        "CustomerId",
        "InvoiceNumber",
        "ModifiedUtc",
        "RemainingAmountInvoiceCurrency",
    ],
    "projects": ["Id", "Number", "Name", "Status", "CustomerId", "ModifiedUtc"],
    "vouchers": ["Id", "VoucherDate", "VoucherType", "NumberAndNumberSeries", "ModifiedUtc"],
    "bankaccounts": ["Id", "IsActive", "ModifiedUtc", "LedgerAccountNumber"],
    "notes": ["Id", "AttachedTo", "DocumentType", "IsDone", "ModifiedUtc"],
}


@dataclass(slots=True, kw_only=True)
class Assumptions:
    """The switches. A field's comment says what else it may be."""

    # HTTP statuses of codes whose status is documented nowhere.
    status_not_found_path: int = 404  # 3000 for an id in the path
    status_not_found_body: int = 400  # 3000 for an id in the body
    not_found_path_body: bool = True  # False: 404 for an id in the path has no body at all
    status_conflict: int = 409  # 4000
    status_module: int = 403  # 4002, no access to a module
    status_error: int = 400  # every other code that has none of its own

    vat_rounding: str = "rate"  # or "row"
    excess_decimals: str = "error"  # 2000; or "round"
    text_length_in: str = "utf16"  # what a text's length counts; or "characters": an emoji is one
    numbers_as_text: bool = False  # amounts as "9000.00" in quotes
    unknown_fields: str = "dropped"  # or "error"
    includes_vat_rule: str = (
        "vendor_text"  # private and ShowPricesExclVatPC; or "name": its contrary
    )
    first_line_number: int = 1  # or 0
    customer_discount_on_rows: bool = False  # a row without a discount takes the customer's

    convert_removes_draft: bool = True
    header_copied_to_invoice: bool = True  # OurReference and the other references travel along
    row_ids_survive_put: bool = False
    check_row_sign_on_credit: str = "either"  # or "negative", "positive"
    draft_date_shown: str = "company"  # today where KeepOriginalDraftDate is off; or "stored"
    sales_account_checked_on_draft: bool = True  # 4024 at once; False: only when booked

    payment_moves_modified: bool = True
    set_off_moves_modified: bool = True
    mail_moves_modified: bool = False
    reminder_moves_modified: bool = False
    overpayment: str = "on_account"  # or "refuse"
    credit_totals_in_invoice_currency_positive: bool = False
    set_off_links_documents: bool = True  # ReferringInvoiceId and CreditedBy after a match
    void_makes_credit_invoice: bool = True
    void_zeroes_remaining: bool = True
    invoices_in_ledger_items: bool = True

    vies: str = "format"  # or "off", "down_4025", "down_4100"
    given_number_moves_counter: bool = False
    filter_ignores_case: bool = True
    strict_literals: bool = True  # 6000 where a GUID, number or stamp stands in quotes, or a text
    # without; False: whatever compares
    unsupported_filter: str = "error"  # 6000; or "ignored"
    page_size_limit: int = 1000
    page_size_above_limit: str = "error"  # 6000; or "capped"
    pages_when_empty: int = 1  # or 0
    meta_counts: bool = True  # False: pages and results are not counted
    nulls_first: bool = True  # in an order; False: behind all others
    modified_since_includes: bool = True  # False: only what changed after modifiedSinceUtc
    delete_status: int = 200  # or 204
    refresh_token_rotates: bool = True
    old_refresh_token_dies: bool = True
    rate_limit_per: str = "route"  # or "url"
    rate_limit: int = 600
    retry_after_header: bool = False
    vat_percent_scale: str = "fraction"  # VatPercent, VatRatePercent; or "percent"
    filterable: dict[str, list[str]] = field(
        default_factory=lambda: {name: list(names) for name, names in FILTERABLE.items()}
    )

    def as_json(self) -> dict[str, Any]:
        """All switches with their present values."""
        return asdict(self)

    def set(self, name: str, value: Any) -> None:
        """Changes one; `filterable.customerinvoices` names one list. ValueError where the name or
        the kind of value is wrong."""
        if name.startswith("filterable."):
            if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
                raise ValueError("a list of property names is expected")
            self.filterable[name.removeprefix("filterable.")] = list(value)
            return
        known = {entry.name for entry in fields(self)}
        if name not in known:
            raise ValueError(f"no such assumption: {name}; there are {', '.join(sorted(known))}")
        if type(value) is not type(getattr(self, name)):
            raise ValueError(f"{name} is a {type(getattr(self, name)).__name__}")
        setattr(self, name, value)
