"""What this system has: fields as its metadata tells, and which field stands where on a deal."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tieout.core.finding import Finding
from tieout.ports import FieldInfo

KINDS = ("Opportunity", "Delivery", "Organisation", "Person")
_CUSTOM = re.compile(r"(?:Custom|Plus)\d+|Memo")
_CONFIGURED = re.compile(
    r"(?:Opportunity)?(?:(?:Extra)?Custom|Plus|XText|XInt|XDate|XMemo|CheckMark)\d+"
)
# Metadata is about what can be configured; these every record has.
_ALWAYS = frozenset(
    {
        *("Id", "CreatedAt", "CreatedBy", "UpdatedAt", "UpdatedBy"),
        *("ErpId", "ErpStatus", "ErpSyncDateTime", "ErpReadOnly"),
    }
)
_WHOLE = re.compile(
    r"(?:XInt\d+|SortOrder|Id|Level|Percent\d?|Owner\d?|AssignedTo\d?|Responsible)$"
)
_NUMBER = re.compile(r"(?:Value|Discount|Revenue\d+|Price|Quantity|Percentage)$")
_DATE = re.compile(r"(?:XDate\d+|Date|DateTime|At|FollowUp)$")
_BOOLEAN = re.compile(r"(?:CheckMark\d+|YesNo|NoAds)$")
# The text fields of the document whose name looks like another kind.
_TEXT = frozenset({"OpportunityErpId", "DeliveryErpId"})
# The meanings of display types are documented nowhere; a check box shows Yes or No.
_CHECK_BOX = "C"
ERP_STATUSES = ("NotReadyForSynchronization", "ReadyForSynchronization", "Synchronized")
STATUSES = ("New", "Planned", "OnGoing", "Completed", "GeneralDelivery")
PERSON_STATUSES = ("Active", "Resigned", "Other", "Guest")
_ENUMS = {
    "OpportunityErpStatus": ERP_STATUSES,
    "DeliveryErpStatus": ERP_STATUSES,
    "DeliveryStatus": STATUSES,
    "PersonStatus": PERSON_STATUSES,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemField:
    """
    One field. ``kind`` is what JSON has: 'text', 'int', 'number', 'date' or 'bool'; ``options``
    are the full strings of a drop-down; ``length`` 0 where none is told.
    """

    name: str
    label: str
    display: str
    length: int
    options: tuple[str, ...]

    @property
    def kind(self) -> str:
        """What JSON has for it, by its name: custom fields are texts whatever they show."""
        return kind_of(self.name)

    @property
    def is_check_box(self) -> bool:
        """Whether it is a check box made of a text."""
        return self.display == _CHECK_BOX and self.kind == "text"

    def info(self, prefix: str = "") -> FieldInfo:
        """The field as the port shows it."""
        kinds = {"int": "number", "number": "number", "bool": "boolean", "date": "datetime"}
        kind = "choice" if self.options else kinds.get(self.kind, "text")
        return FieldInfo(
            path=prefix + self.name,
            label=self.label,
            type="boolean" if self.is_check_box else kind,
            length=self.length or None,
            writable=not prefix,
            options=self.options,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemFields:
    """The fields of one kind of record that are switched on, by name."""

    kind: str
    fields: Mapping[str, SystemField]

    def field(self, name: str) -> SystemField | None:
        """The field of that name, as it is spelled."""
        return self.fields.get(name)

    def has(self, name: str) -> bool:
        """
        Whether a record of this kind has the field: switched on, or one that all systems have.

        Whether the metadata tells of fields that nobody configures is not known: where it tells
        of none, each of them counts as there.
        """
        if name in self.fields:
            return True
        stem = name.removeprefix(self.kind)
        if stem == name or is_custom(stem):
            return False
        return stem in _ALWAYS or not self.tells_all

    @property
    def tells_all(self) -> bool:
        """Whether the metadata tells of fields that nobody configures, too."""
        return any(not is_custom(one.removeprefix(self.kind)) for one in self.fields)

    def closest(self, name: str) -> list[str]:
        """Up to three names of fields that look like this one, or are labelled so."""
        labelled = [f.name for f in self.fields.values() if f.label.casefold() == name.casefold()]
        near = difflib.get_close_matches(name, list(self.fields), n=3, cutoff=0.6)
        return list(dict.fromkeys((*labelled, *near)))[:3]


def is_custom(stem: str) -> bool:
    """Whether customers give a field its meaning, by its name without the kind."""
    return bool(_CONFIGURED.fullmatch(stem))


def read_metadata(kind: str, rows: tuple[Mapping[str, Any], ...]) -> SystemFields:
    """The fields that an answer of `/FieldsMetadata` tells about."""
    fields = (_field(row) for row in rows)
    return SystemFields(kind=kind, fields={field.name: field for field in fields if field.name})


def _field(row: Mapping[str, Any]) -> SystemField:
    options = row.get("FieldMetadataDropdownListData") or ()
    return SystemField(
        name=str(row.get("FieldMetadataFriendlyFieldName") or ""),
        label=str(row.get("FieldMetadataLabel") or ""),
        display=str(row.get("FieldMetadataDisplayType") or ""),
        length=_length(row.get("FieldMetadataTextFieldMaxLength")),
        options=tuple(str(one.get("Value")) for one in options if isinstance(one, Mapping)),
    )


def _length(told: Any) -> int:
    return told if isinstance(told, int) and told > 0 else 0


def kind_of(name: str) -> str:
    """What JSON has for a field, by its name: 'text', 'int', 'number', 'date' or 'bool'."""
    if name in _TEXT or _CUSTOM.search(name):
        return "text"
    for kind, form in (("bool", _BOOLEAN), ("date", _DATE), ("number", _NUMBER), ("int", _WHOLE)):
        if form.search(name):
            return kind
    return "text"


def native(name: str, *, length: int = 0) -> SystemField:
    """A field that every system has, where the metadata leaves it out."""
    return SystemField(
        name=name, label=name, display="", length=length, options=_ENUMS.get(name, ())
    )


def enum_name(name: str, value: Any) -> Any:
    """The name of a value of an enumeration: scripts may answer its place in the list."""
    names = _ENUMS.get(name)
    if names is None or isinstance(value, bool) or not isinstance(value, int):
        return value
    return names[value] if 0 <= value < len(names) else value


def place_on(kind: str, name: str) -> str:
    """
    Where a deal field stands on an opportunity or a delivery; '' where that kind has none such.

    `OpportunityCustom2` is carried over and stands on a delivery as `DeliveryOpportunityCustom2`;
    other fields have the prefix of their kind.
    """
    if name.startswith(kind):
        return name
    if kind == "Delivery" and name.startswith("Opportunity"):
        stem = name.removeprefix("Opportunity")
        return f"DeliveryOpportunity{stem}" if _CUSTOM.fullmatch(stem) else f"Delivery{stem}"
    if kind == "Opportunity" and name.startswith("DeliveryOpportunity"):
        return name.removeprefix("Delivery")
    if kind == "Opportunity" and name.startswith("Delivery"):
        stem = name.removeprefix("Delivery")
        # A delivery's own set of custom fields, and what only deliveries have.
        only = _CUSTOM.fullmatch(stem) or stem in ("Status", "Risk", "Type", "WonDate")
        return "" if only else f"Opportunity{stem}"
    return ""


def unknown_field(path: str, fields: SystemFields) -> Finding:
    """The finding on a path that names a field which the system does not have switched on."""
    closest = fields.closest(path)
    near = f" Closest: {', '.join(closest)}." if closest else ""
    return Finding(
        code="unknown_field",
        message=f"{fields.kind} has no field {path} that is switched on in webCRM.{near}",
        hint="Correct the name, or switch the field on in webCRM's configuration.",
        place=path,
        values={"path": path, "object": fields.kind, "closest": ", ".join(closest)},
    )
