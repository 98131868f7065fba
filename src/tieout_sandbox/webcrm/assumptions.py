"""Everything that nobody outside the vendor knows, each as a named switch with a default.

`POST /_sandbox/actions/set_assumption {"name": "put_answer", "value": "object"}` changes one while
the simulator runs; a rehearsal should pass under either value.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any


@dataclass(slots=True, kw_only=True)
class Assumptions:
    """The switches. A field's comment says what else it may be."""

    # Sign-in.
    bad_login: str = "is_error"  # 200 with IsError; or "401", the same body under that status
    expires_in: int = 3600
    refresh_in_form: bool = True  # the refresh token is taken from a form field too
    refresh_lifetime_s: int = 86_400
    refresh_token_rotates: bool = True
    old_refresh_token_dies: bool = True

    # Errors.
    error_body: str = "json"  # Message and Type, as the documented 429; or "text", "html", "empty"
    unauthorized_body: str = "empty"  # or "like_errors"
    status_not_found: int = 404
    status_validation: int = 400
    status_forbidden: int = 403  # the token may not; or 401
    status_method: int = 405
    query_error: str = "error"  # a script that is wrong; or "object": 200 without an array

    # Answers of writes.
    organisation_answer: str = "object"  # POST of one; or "integer", "empty"
    other_create_answer: str = "empty"  # the same for relations, users, events
    put_answer: str = "empty"  # or "object"
    patch_update_answer: str = "id"  # for an item that was updated; or "empty": "", "omitted"
    patch_most: int = 0  # the longest array; 0: any length

    # Bodies.
    unknown_properties: str = "ignored"  # or "error"
    post_with_id: str = "ignored"  # a create that carries an id; or "error"
    long_text: str = "error"  # or "cut"
    dropdown_values: str = "checked"  # a value that is not in the list is refused; or "free"
    date_is_cleared_by_year_one: bool = True  # False: nothing clears a date
    dates_without_zone: str = "utc"  # in bodies, paths and scripts; or "local"
    order_date_keeps_time: bool = False  # False: a date-only field is cut to UTC midnight
    person_organisation_put: str = "ignored"  # or "error"
    product_organisation_put: str = "moved"  # or "ignored", "error"
    linked_data_required: bool = True  # a line has to name its LinkedDataId
    linked_data_fills: bool = False  # a new line takes empty columns and prices from its item
    delivery_responsible_mandatory: bool = False
    automatic_numbers: bool = False  # a delivery without a number gets the next one
    fast_creates_per_second: int = 0  # more creates than that in a second fail with 500; 0: never

    # What reads show.
    no_date: str = "mixed"  # or "utc", "local", "bare": one form for every field
    text_without_accept: bool = False  # a call that does not accept JSON gets it as text/plain
    currency_unset: str = "00"  # or ""
    unset_memo: str = "null"  # or "empty"
    document_file_shown: bool = False  # reads of a document carry its content
    later_fields: bool = True  # what the documentation has since 2024
    product_fields_told: bool = True  # metadata tells custom fields of products
    default_page_size: int = 100
    paging_out_of_range: str = "error"  # or "nearest"
    query_enums: str = "names"  # or "ordinals"
    query_operators: list[str] = field(default_factory=lambda: ["=", ">="])
    quotation_line_table: str = ""  # the name of the lines' table in scripts; "": there is none
    script_most: int = 0  # the longest script; 0: any length

    # What a change moves.
    line_touches_parent: bool = False
    line_moves_order_value: bool = False
    merge_touches_children: bool = True
    move_keeps_person: bool = True
    conversion_keeps_id: bool = True
    conversion_keeps_created: bool = True  # CreatedAt stays the opportunity's
    erp_read_only_locks: bool = False  # people cannot edit a deal whose ErpReadOnly is not empty

    # Hooks.
    hook_body: str = "url"  # or "id", "form", "empty"
    hook_tries: int = 1

    rate_limit: int = 250

    def as_json(self) -> dict[str, Any]:
        """All switches with their present values."""
        return asdict(self)

    def set(self, name: str, value: Any) -> None:
        """Changes one; ValueError where the name or the kind of value is wrong."""
        known = {entry.name for entry in fields(self)}
        if name not in known:
            raise ValueError(f"no such assumption: {name}; there are {', '.join(sorted(known))}")
        if type(value) is not type(getattr(self, name)):
            raise ValueError(f"{name} is a {type(getattr(self, name)).__name__}")
        choices = CHOICES.get(name)
        if choices is not None and value not in choices:
            raise ValueError(f"{name} is one of {', '.join(choices)}")
        setattr(self, name, value)


CHOICES: dict[str, tuple[str, ...]] = {
    "bad_login": ("is_error", "401"),
    "error_body": ("json", "text", "html", "empty"),
    "unauthorized_body": ("empty", "like_errors"),
    "query_error": ("error", "object"),
    "organisation_answer": ("object", "integer", "empty"),
    "other_create_answer": ("object", "integer", "empty"),
    "put_answer": ("empty", "object"),
    "patch_update_answer": ("id", "empty", "omitted"),
    "unknown_properties": ("ignored", "error"),
    "post_with_id": ("ignored", "error"),
    "long_text": ("error", "cut"),
    "dropdown_values": ("checked", "free"),
    "dates_without_zone": ("utc", "local"),
    "person_organisation_put": ("ignored", "error"),
    "product_organisation_put": ("moved", "ignored", "error"),
    "no_date": ("mixed", "utc", "local", "bare"),
    "currency_unset": ("00", ""),
    "unset_memo": ("null", "empty"),
    "paging_out_of_range": ("error", "nearest"),
    "query_enums": ("names", "ordinals"),
    "hook_body": ("url", "id", "form", "empty"),
}
