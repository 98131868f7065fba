"""Everything that nobody outside the vendor knows, each as a named switch with a default.

`POST /_sandbox/actions/set_assumption {"name": "vat_rounding", "value": "line"}` changes one while
the simulator runs; a rehearsal should pass under either value.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any


@dataclass(slots=True, kw_only=True)
class Assumptions:
    """The switches. A field's comment says what else it may be."""

    # Answers.
    location_host: str = "request"  # or "vendor", "http": the vendor's host, https or http
    single_as_array: bool = False  # one record as an array of one
    null_fields: str = "omitted"  # or "written": what has no value
    business_error_status: int = 400  # or 500, with the same body
    error_member: str = "message"  # or "Message"
    not_found_body: str = "message"  # or "empty"
    stale_body: str = "message"  # or "empty"
    rate_limit_body: str = "gateway"  # or "empty"
    status_licence: int = 403  # of 12027, no licence for this company
    post_body: bool = False  # the record's number beside Location
    v2_location: str = "v1"  # or "v2": the address of a v2 create, which has no GET
    put_location: bool = False
    stamp_zone: str = "utc"  # or "local": of lastModifiedDateTime and its filter
    stamp_zone_of: dict[str, str] = field(default_factory=lambda: {"branch": "utc"})
    stamp_form: str = "bare"  # or "z", "offset"
    stamp_form_of: dict[str, str] = field(
        default_factory=lambda: {"project": "z", "contact": "offset", "background": "offset"}
    )
    wrong_filter_date: str = "error"  # or "ignored": a filter date with Z

    # Lists.
    default_page_size: int = 50
    max_page_size: int = 500
    max_page_size_of: dict[str, int] = field(
        default_factory=lambda: {"inventory": 5000, "customer": 1000}
    )
    metadata_missing: bool = False  # the fault of one build
    external_reference_filter: str = "equals"  # or "contains"; customerRefNumber too
    expands_by_default: bool = True  # of items; the vendor will change it

    # Writes.
    null_value: str = "absent"  # or "clear": {"value": null}
    external_reference_length: int = 0  # 0: any
    customer_ref_length: int = 40
    invoice_text_length: int = 60
    line_description_length: int = 256
    over_long: str = "cut"  # or "reject"
    reads_orig_as_error: bool = True  # origInvoiceDate with the preference off
    insert_with_number: str = "update"  # or "insert": an Insert that names an existing line

    # Books.
    item_vat_rounded: bool = True  # per line before it is summed up
    rounding_diff: str = "rounded_minus_exact"  # or "exact_minus_rounded"
    extract_detail_total: str = "net"  # or "gross", where prices hold VAT
    no_vat_id: str = "zero"  # or "error": no id in both zone and category
    period_end: str = "exclusive"  # or "inclusive"
    closed_period: str = "refused"  # or "allowed": the API user's right
    currency_pair: str = "named"  # or "swapped": xInCurrency is the base currency's amount
    amounts_on_drafts: str = "zero"  # or "shown"
    release_seconds: int = 2
    release_not_balanced: str = "failed"  # 200 with Failed; or "error"
    action_scope: str = "create"  # or "update"
    payment_moves_invoice: bool = True  # its lastModifiedDateTime
    application_doc_type: str = "name"  # or "code": PMT in place of Payment
    voided_payment: str = "VoidPayment"  # or "Payment": what the number of a voided one shows
    reverse_without_flag: str = "location"  # or "empty"
    correct_effect: str = "copy"  # or "credit_and_copy"

    # Background and webhooks.
    background_seconds: int = 1
    webhook_signature_header: str = "X-Visma-Signature"  # or any other
    webhook_tries: int = 3

    # Sign-in.
    refresh_token_rotates: bool = True
    old_refresh_token_dies: bool = True
    wrong_company: str = "empty"  # or "refused" (12027)

    # Sales order service.
    order_patch_null: str = "clear"  # or "absent"
    duplicate_order_status: int = 409  # or 400
    order_etag: str = "number"  # or "rowversion"
    order_sync_seconds: int = 2  # until the ERP host knows an order
    old_salesorder: str = "gone"  # 404; or "throttled": 429 with policy 8

    # Limits.
    rate_limit: int = 5000
    rate_limit_old_host: int = 500
    rate_limit_shared: bool = False  # the order service counts with the ERP host

    def as_json(self) -> dict[str, Any]:
        """All switches with their present values."""
        return asdict(self)

    def set(self, name: str, value: Any) -> None:
        """Changes one; `max_page_size_of.customer` names one entry. ValueError where the name or
        the kind of value is wrong."""
        name, _, entry = name.partition(".")
        known = {one.name for one in fields(self)}
        if name not in known:
            raise ValueError(f"no such assumption: {name}; there are {', '.join(sorted(known))}")
        present = getattr(self, name)
        if entry and isinstance(present, dict):
            wanted: type[Any] = int if name == "max_page_size_of" else str
            if type(value) is not wanted:
                raise ValueError(f"{name}.{entry} is a {wanted.__name__}")
            present[entry] = value
            return
        if entry or type(value) is not type(present):
            raise ValueError(f"{name} is a {type(present).__name__}")
        setattr(self, name, value)

    def zone_of(self, resource: str) -> str:
        """The zone of a resource's stamps: utc or local."""
        return self.stamp_zone_of.get(resource, self.stamp_zone)

    def form_of(self, resource: str) -> str:
        """How a resource writes its stamps: bare, z or offset."""
        return self.stamp_form_of.get(resource, self.stamp_form)

    def page_limit(self, resource: str) -> int:
        """The largest page of a resource."""
        return self.max_page_size_of.get(resource, self.max_page_size)
