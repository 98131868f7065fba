"""Attributes of customers, items and projects: what a client keeps its own key in."""

from __future__ import annotations

from typing import Any

from tieout_sandbox.kit import loads
from tieout_sandbox.visma_net.company import Company
from tieout_sandbox.visma_net.errors import BusinessError, missing
from tieout_sandbox.visma_net.tables import Record


def merged(
    company: Company, old: dict[str, str], sent: list[Record], allowed: list[str]
) -> dict[str, str]:
    """The attributes with those that were sent; BusinessError where one is not there or not
    assigned to the class."""
    found = dict(old)
    for line in sent:
        name = line.get("attributeId") or ""
        if company.attributes.get(name) is None:
            raise missing("AttributeID", name)
        if name not in allowed:
            raise BusinessError(f"Error: attribute '{name}' is not assigned to the class.")
        value = line.get("attributeValue") or ""
        if value:
            found[name] = value
        else:
            found.pop(name, None)
    return found


def shown(company: Company, stored: dict[str, str]) -> list[Record]:
    """Attributes as records carry them."""
    return [
        {"id": name, "value": value, "description": _text(company, name)}
        for name, value in stored.items()
    ]


def of_class(company: Company, name: str, place: int) -> Record:
    """An attribute as a class carries it."""
    return {
        "attributeId": name,
        "description": _text(company, name),
        "sortOrder": place,
        "required": False,
        "attributeType": "Text",
        "details": [],
    }


def _text(company: Company, name: str) -> str:
    row = company.attributes.get(name)
    return str(row["description"]) if row is not None else ""


def query(text: str | None) -> dict[str, list[str]]:
    """The attribute filter of a list: JSON in the query. A comma in a value means or.
    BusinessError where it is no object of texts."""
    if text is None:
        return {}
    try:
        value: Any = loads(text)
    except ValueError as error:
        raise BusinessError("Error: attributes is no JSON.", status=400) from error
    if not isinstance(value, dict):
        raise BusinessError("Error: attributes is no JSON object.", status=400)
    return {name: str(wanted).split(",") for name, wanted in value.items()}


def meet(stored: dict[str, str], wanted: dict[str, list[str]]) -> bool:
    """Whether every attribute has one of its values."""
    return all(stored.get(name) in values for name, values in wanted.items())
