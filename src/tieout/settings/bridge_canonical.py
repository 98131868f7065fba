"""The meaning of a bridge's configuration as plain data: equal data, equal behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tieout.core.decide_customer import FIELDS
from tieout.core.mapping import ValueTable, render
from tieout.core.policy import FlowMode
from tieout.settings.bridge_file import BridgeFile
from tieout.settings.bridge_written import SECTIONS, VALUES, Written

TERMS: Final = ("terms", "payment_terms")
DEFAULT_TRIGGER: Final = "deal.won"


def canonical(
    model: BridgeFile,
    written: Mapping[tuple[str, ...], Written],
    tables: Mapping[str, ValueTable],
    *,
    whole: bool = False,
) -> dict[str, Any]:
    """
    The configuration without comments, order of keys and the choice between equal forms.

    Without ``whole`` what equals its default is left out, so that the digest of a stored version
    does not move when a later program knows more settings.
    """
    data = model.model_dump(
        by_alias=True, exclude_defaults=not whole, exclude_none=True, exclude={"tables", "mapping"}
    )
    data["books"] = [_book(index, book, written) for index, book in enumerate(model.books)]
    _flows(data, model, written, whole=whole)
    data["mapping"] = {
        section: rows for section in SECTIONS if (rows := _rows(section, model, written))
    }
    data["tables"] = {name: dict(table.rows) for name, table in tables.items() if table.rows}
    return {key: value for key, value in _pruned(data).items() if value not in ({}, [])}


def target_of(section: str, target: str) -> str:
    """The target as the core calls it."""
    return "terms" if section == "customer" and target in TERMS else target


def default_owner(target: str) -> str:
    """Who owns a customer's field when the file says nothing."""
    return FIELDS[{"email": "emails", "phone": "phones"}.get(target, target)].value


def _book(index: int, book: Any, written: Mapping[tuple[str, ...], Written]) -> dict[str, Any]:
    found: dict[str, Any] = {"connection": book.connection}
    rule = written.get(("books", str(index), "when"))
    if rule is not None:
        found["when"] = render(rule.expr)
    if book.currency:
        found["currency"] = sorted(book.currency)
    if book.time_zone:
        found["time_zone"] = book.time_zone
    return found


def _flows(
    data: dict[str, Any],
    model: BridgeFile,
    written: Mapping[tuple[str, ...], Written],
    *,
    whole: bool,
) -> None:
    flows = data.setdefault("flows", {})
    for flow, name in (
        ("customers", "when"),
        ("items", "when"),
        ("contacts", "books_when"),
        ("contacts", "crm_when"),
        ("documents", "include"),
        ("documents", "when"),
        *((str(path[1]), str(path[2])) for path in VALUES),
    ):
        rule = written.get(("flows", flow, name))
        if rule is not None:
            flows.setdefault(flow, {})[name] = render(rule.expr)
    documents = flows.get("documents", {})
    for index, row in enumerate(documents.get("kinds", ())):
        rule = written.get(("flows", "documents", "kinds", str(index), "when"))
        if rule is not None:
            row["when"] = render(rule.expr)
    if documents.get("when") == DEFAULT_TRIGGER and not whole:
        del documents["when"]
    if whole:
        documents.setdefault("when", DEFAULT_TRIGGER)
    settings = model.flows.documents
    if settings.four_eyes is (settings.approve_above is not None):
        documents.pop("four_eyes", None)


def _rows(
    section: str, model: BridgeFile, written: Mapping[tuple[str, ...], Written]
) -> dict[str, Any]:
    group = {
        "customer": model.mapping.customer,
        "contact": model.mapping.contact,
        "contact.to_crm": model.mapping.contact_to_crm,
        "document": model.mapping.document,
        "document.line": model.mapping.document_line,
    }.get(section)
    named = model.mapping.item if section == "item" else model.mapping.dimensions
    rows = named if group is None else dict(group)
    return {
        target_of(section, target): _row(section, target, row, written)
        for target, row in rows.items()
        if row is not None
    }


def _row(
    section: str, target: str, row: Any, written: Mapping[tuple[str, ...], Written]
) -> dict[str, Any]:
    key = ("mapping", section, target)
    found: dict[str, Any] = row.model_dump(exclude_defaults=True, exclude_none=True, by_alias=True)
    found["from"] = render(written[key].expr)
    condition = written.get((*key, "condition"))
    if condition is not None:
        found["condition"] = render(condition.expr)
    kept = "keep" if key[1:] == ("document.line", "item") else "hold"
    if found.get("unmapped") == kept or "values" not in found:
        found.pop("unmapped", None)
    if section == "customer" and found.get("owner") == default_owner(target_of(section, target)):
        del found["owner"]
    return found


def _pruned(value: Any) -> Any:
    """Without empty groups; words of ours as plain texts."""
    if isinstance(value, FlowMode):
        return value.value
    if isinstance(value, dict):
        inner = {key: _pruned(item) for key, item in value.items()}
        return {key: item for key, item in inner.items() if item != {}}
    if isinstance(value, list | tuple):
        return [_pruned(item) for item in value]
    return value
