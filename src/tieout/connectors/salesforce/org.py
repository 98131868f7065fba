"""What this org has: objects, fields and relations as its describe tells, read once and kept."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tieout.core.finding import Finding
from tieout.ports import FieldInfo

_TYPES = {
    "currency": "number",
    "double": "number",
    "percent": "number",
    "int": "number",
    "long": "number",
    "boolean": "boolean",
    "date": "date",
    "datetime": "datetime",
    "picklist": "choice",
    "multipicklist": "choice",
    "combobox": "choice",
    "reference": "reference",
    "id": "reference",
}
_WITH_LENGTH = frozenset({"text", "choice"})


@dataclass(frozen=True, slots=True, kw_only=True)
class OrgField:
    """One field. ``relation`` is the name of the way to its parent, '' where it has none."""

    name: str
    label: str
    type: str
    length: int
    precision: int
    scale: int
    required: bool
    updateable: bool
    filterable: bool
    formula: bool
    relation: str
    targets: tuple[str, ...]
    options: tuple[str, ...]
    restricted: bool

    def info(self, prefix: str = "") -> FieldInfo:
        """The field as the port shows it, under a path."""
        kind = _TYPES.get(self.type, "text")
        return FieldInfo(
            path=prefix + self.name,
            label=self.label,
            type=kind,
            length=self.length or None if kind in _WITH_LENGTH else None,
            decimals=self.scale if kind == "number" else None,
            required=self.required,
            writable=self.updateable and not prefix,
            options=self.options,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OrgObject:
    """One object: its fields by lower-case name, its ways to parents, its lists of children."""

    name: str
    label: str
    fields: Mapping[str, OrgField]
    parents: Mapping[str, OrgField]
    children: frozenset[str]
    updateable: bool

    def field(self, name: str) -> OrgField | None:
        """The field of that name in any case."""
        return self.fields.get(name.lower())

    def has(self, name: str) -> bool:
        """Whether the integration user sees a field of that name."""
        return name.lower() in self.fields

    def only(self, *names: str) -> list[str]:
        """Those of the names that exist, as the org spells them, in the order given."""
        found = (self.field(name) for name in names if name)
        return [entry.name for entry in found if entry is not None]

    def closest(self, name: str) -> list[str]:
        """Up to three names of fields that look like this one."""
        spelled = {entry.name.lower(): entry.name for entry in self.fields.values()}
        found = difflib.get_close_matches(name.lower(), list(spelled), n=3, cutoff=0.6)
        return [spelled[lower] for lower in found]


def read_describe(value: Mapping[str, Any]) -> OrgObject:
    """The object that an answer of describe tells about."""
    fields = [_field(entry) for entry in value.get("fields") or ()]
    return OrgObject(
        name=str(value["name"]),
        label=str(value.get("label") or value["name"]),
        fields={entry.name.lower(): entry for entry in fields},
        parents={entry.relation.lower(): entry for entry in fields if entry.relation},
        children=frozenset(
            str(child["relationshipName"])
            for child in value.get("childRelationships") or ()
            if child.get("relationshipName")
        ),
        updateable=bool(value.get("updateable")),
    )


def unknown_field(path: str, place: OrgObject, name: str) -> Finding:
    """The finding on a path that ends at a name which an object does not have."""
    closest = place.closest(name)
    near = f" Closest: {', '.join(closest)}." if closest else ""
    return Finding(
        code="unknown_field",
        message=f"{place.label} has no field {name} that the integration user can see.{near}",
        hint="Correct the name, or give the integration user the right to see the field.",
        place=path,
        values={"path": path, "object": place.name, "closest": ", ".join(closest)},
    )


def _field(entry: Mapping[str, Any]) -> OrgField:
    nillable = bool(entry.get("nillable", True))
    return OrgField(
        name=str(entry["name"]),
        label=str(entry.get("label") or entry["name"]),
        type=str(entry.get("type") or "string"),
        length=int(entry.get("length") or 0),
        precision=int(entry.get("precision") or 0),
        scale=int(entry.get("scale") or 0),
        required=bool(
            not nillable and entry.get("createable") and not entry.get("defaultedOnCreate")
        ),
        updateable=bool(entry.get("updateable")),
        filterable=bool(entry.get("filterable", True)),
        formula=bool(entry.get("calculated")),
        relation=str(entry.get("relationshipName") or ""),
        targets=tuple(str(name) for name in entry.get("referenceTo") or ()),
        options=tuple(
            str(option["value"])
            for option in entry.get("picklistValues") or ()
            if option.get("active", True)
        ),
        restricted=bool(entry.get("restrictedPicklist")),
    )
