"""What the platform demands of objects, fields, permission sets, layouts and tabs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from tieout_sandbox.salesforce.installed import Grants, ObjectDefinition, ValueSet
from tieout_sandbox.salesforce.metadata_files import NAMESPACE, Component, Contents, Node, Problem
from tieout_sandbox.salesforce.org import Org
from tieout_sandbox.salesforce.schema import Field

MOST_NAME = MOST_LABEL = 40
MOST_SET_LABEL = 80
_NAME = re.compile(r"[A-Za-z](?:_?[A-Za-z0-9])*__c")
_SIMPLE = {
    "Checkbox": "boolean",
    "Currency": "currency",
    "Date": "date",
    "DateTime": "datetime",
    "Email": "email",
    "LongTextArea": "textarea",
    "Lookup": "reference",
    "MasterDetail": "reference",
    "Number": "double",
    "Percent": "percent",
    "Phone": "phone",
    "Picklist": "picklist",
    "Text": "string",
    "TextArea": "textarea",
    "Url": "url",
}
_LENGTHS = {"Email": 80, "Phone": 40, "TextArea": 255, "Url": 255, "Picklist": 255}
_NUMBERS = ("Currency", "Number", "Percent")
_KEYS = ("Text", "Number", "Email")
_NEEDS = {
    "Text": ("length",),
    "LongTextArea": ("length", "visibleLines"),
    "Checkbox": ("defaultValue",),
    "Currency": ("precision", "scale"),
    "Number": ("precision", "scale"),
    "Percent": ("precision", "scale"),
    "Picklist": ("valueSet",),
    "Lookup": ("referenceTo", "relationshipName"),
    "MasterDetail": ("referenceTo", "relationshipName"),
}
_FIELD_ELEMENTS = frozenset(
    [
        "caseSensitive",
        "defaultValue",
        "deleteConstraint",
        "description",
        "externalId",
        "fullName",
        "inlineHelpText",
        "label",
        "length",
        "precision",
        "referenceTo",
        "relationshipLabel",
        "relationshipName",
        "relationshipOrder",
        "reparentableMasterDetail",
        "required",
        "scale",
        "trackHistory",
        "trackTrending",
        "type",
        "unique",
        "valueSet",
        "visibleLines",
        "writeRequiresMasterRead",
    ]
)
_SHARING = ("Private", "Read", "ReadWrite", "ControlledByParent")
_DEPENDS = (
    ("allowCreate", "allowRead", "Create", "Read"),
    ("allowEdit", "allowRead", "Edit", "Read"),
    ("allowDelete", "allowEdit", "Delete", "Edit"),
    ("viewAllRecords", "allowRead", "View All", "Read"),
    ("modifyAllRecords", "allowDelete", "Modify All", "Delete"),
)
_COMPOUND = {"BillingAddress", "ShippingAddress", "MailingAddress"}


@dataclass(slots=True)
class Checked:
    """What would be made, in an order in which it can be, and what is wrong."""

    objects: dict[str, ObjectDefinition] = field(default_factory=dict)
    fields: dict[tuple[str, str], Field] = field(default_factory=dict)
    grants: dict[str, Grants] = field(default_factory=dict)
    value_sets: dict[str, ValueSet] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def check(org: Org, contents: Contents) -> Checked:
    """Looks at every component and finds everything that is wrong, not only the first."""
    return _Check(org, contents).run()


class _Check:
    def __init__(self, org: Org, contents: Contents) -> None:
        self._org = org
        self._contents = contents
        self._found = Checked()
        self._details: set[str] = set()
        self._relations: dict[tuple[str, str], str] = {}
        for kind in org.schema.values():
            for entry in kind.fields.values():
                for target in entry.targets:
                    if entry.children:
                        self._relations[target, entry.children] = f"{kind.name}.{entry.name}"

    def run(self) -> Checked:
        self._found.problems.extend(self._contents.problems)
        for each in self._of("CustomField"):
            if each.node.get("type") == "MasterDetail":
                self._details.add(each.name.partition(".")[0])
        by_type: Mapping[str, Callable[[Component], None]] = {
            "CustomObject": self._object,
            "CustomField": self._field,
            "ListView": self._list_view,
            "Layout": self._layout,
            "CustomTab": self._tab,
            "PermissionSet": self._permission_set,
            "GlobalValueSet": self._value_set,
        }
        # Fields may point at objects of the same deployment, and permission sets at both.
        for kind, look in by_type.items():
            for each in self._of(kind):
                look(each)
        return self._found

    def _of(self, kind: str) -> list[Component]:
        return [each for each in self._contents.components if each.type == kind]

    def _wrong(self, each: Component, text: str, node: Node | None = None) -> None:
        at = node or each.node
        self._found.problems.append(
            Problem(
                type=each.type,
                name=each.name,
                file=each.file,
                text=text,
                line=at.line,
                column=at.column,
            )
        )

    def _value_set(self, each: Component) -> None:
        node = each.node
        if not node.get("masterLabel"):
            self._wrong(each, "Required field is missing: masterLabel")
            return
        values: list[tuple[str, str, bool, bool]] = []
        for one in node.all("customValue"):
            code, label = one.get("fullName") or "", one.get("label") or ""
            if not code or not label:
                self._wrong(each, "Required field is missing: label", one)
            elif len(code) > 255 or len(label) > 255:
                self._wrong(each, f"Value too long: {code[:40]}", one)
            elif code.casefold() in {known.casefold() for known, *_ in values}:
                self._wrong(each, f"Duplicate value: {code}", one)
            elif label.casefold() in {known.casefold() for _, known, active, _ in values if active}:
                self._wrong(each, f"Duplicate label: {label}", one)
            active = one.get("isActive") != "false"
            values.append((code, label, active, one.get("default") == "true"))
        self._found.value_sets[each.name] = ValueSet(
            label=node.get("masterLabel") or "",
            description=node.get("description") or "",
            in_order=node.get("sorted") == "true",
            values=tuple(values),
        )

    # Objects.

    def _object(self, each: Component) -> None:
        if not each.name.endswith("__c"):
            if each.name not in self._org.schema:
                self._wrong(each, _no_entity(each.name))
            return
        before = len(self._found.problems)
        node = each.node
        self._check_name(each, each.name)
        for tag in ("label", "pluralLabel"):
            if not node.get(tag):
                self._wrong(each, f"Must specify a non-empty {tag} for the CustomObject")
            elif len(node.get(tag) or "") > MOST_LABEL:
                self._wrong(each, f"Value too long for field: {tag} maximum length is:{MOST_LABEL}")
        name_field = next(iter(node.all("nameField")), None)
        if name_field is None:
            self._wrong(each, "Must specify a nameField of type Text or AutoNumber")
        elif name_field.get("type") == "AutoNumber" and not name_field.get("displayFormat"):
            self._wrong(each, "Must specify 'displayFormat' for an AutoNumber", name_field)
        sharing = node.get("sharingModel")
        if sharing not in _SHARING:
            self._wrong(each, "Must specify a sharingModel for the CustomObject")
        detail = each.name in self._details or any(
            entry.required and entry.targets and entry.custom
            for entry in self._known_fields(each.name)
        )
        if sharing == "ControlledByParent" and not detail:
            self._wrong(
                each,
                "Cannot set sharingModel to ControlledByParent on a CustomObject without a "
                "MasterDetail relationship field",
            )
        if node.get("deploymentStatus") not in ("Deployed", "InDevelopment"):
            self._wrong(each, "Must specify a deploymentStatus for the CustomObject")
        if len(self._found.problems) == before:
            self._found.objects[each.name] = ObjectDefinition(
                name=each.name,
                plural=node.get("pluralLabel") or "",
                name_field=(name_field.get("label") if name_field else "") or "Name",
                owned=sharing != "ControlledByParent",
            )

    def _known_fields(self, name: str) -> list[Field]:
        kind = self._org.schema.get(name)
        return list(kind.fields.values()) if kind is not None else []

    def _has_object(self, name: str) -> bool:
        return name in self._org.schema or name in self._found.objects

    # Fields.

    def _field(self, each: Component) -> None:
        before = len(self._found.problems)
        owner, _, name = each.name.partition(".")
        if not self._has_object(owner):
            broken = any(p.name == owner for p in self._found.problems)
            if not broken:
                self._wrong(each, _no_entity(owner))
            return
        node = each.node
        for child in node.children:
            if child.tag not in _FIELD_ELEMENTS:
                text = f"Element {{{NAMESPACE}}}{child.tag} invalid at this location in type "
                self._wrong(each, text + "CustomField", child)
        self._check_name(each, name)
        label = node.get("label") or ""
        if not label:
            self._wrong(each, "Must specify a non-empty label for the CustomField")
        elif len(label) > MOST_LABEL:
            self._wrong(
                each, f"Value too long for field: MasterLabel maximum length is:{MOST_LABEL}"
            )
        kind = node.get("type")
        if kind not in _SIMPLE:
            self._wrong(each, f"'{kind or ''}' is not a valid value for the enum 'FieldType'")
            return
        for tag in _NEEDS.get(kind, ()):
            if not node.all(tag):
                self._wrong(each, f"Must specify '{tag}' for a CustomField of type {kind}")
        self._check_sizes(each, kind)
        self._check_keys(each, kind)
        self._check_relation(each, kind, owner)
        self._check_same_type(each, kind, owner, name)
        if len(self._found.problems) == before:
            self._found.fields[owner, name] = _made(node, kind, name)

    def _check_name(self, each: Component, name: str) -> None:
        if not _NAME.fullmatch(name):
            self._wrong(each, f"The name {name} is not valid: letters, digits, single underscores")
        elif len(name.removesuffix("__c")) > MOST_NAME:
            self._wrong(
                each, f"Value too long for field: DeveloperName maximum length is:{MOST_NAME}"
            )

    def _check_sizes(self, each: Component, kind: str) -> None:
        node = each.node
        length = _number(node.get("length"))
        if kind == "Text" and length is not None and not 1 <= length <= 255:
            self._wrong(each, "length of a Text field has to be from 1 to 255")
        if kind == "LongTextArea" and length is not None and not 256 <= length <= 131_072:
            self._wrong(each, "length of a LongTextArea field has to be from 256 to 131072")
        precision, scale = _number(node.get("precision")), _number(node.get("scale"))
        if kind in _NUMBERS and precision is not None and scale is not None:
            fits = 1 <= precision <= 18 and 0 <= scale <= precision
            if not fits:
                self._wrong(each, f"precision {precision} and scale {scale} do not fit together")
        if kind == "MasterDetail" and node.all("required"):
            self._wrong(each, "Can not specify 'required' for a CustomField of type MasterDetail")

    def _check_keys(self, each: Component, kind: str) -> None:
        for tag in ("externalId", "unique"):
            if each.node.get(tag) == "true" and kind not in _KEYS:
                self._wrong(each, f"Can not specify '{tag}' for a CustomField of type {kind}")

    def _check_relation(self, each: Component, kind: str, owner: str) -> None:
        if kind not in ("Lookup", "MasterDetail"):
            return
        target = each.node.get("referenceTo") or ""
        if target and not self._has_object(target):
            text = f"referenceTo value of '{target}' does not resolve to a valid sObject type"
            self._wrong(each, text)
        relation = f"{each.node.get('relationshipName') or ''}__r"
        taken = self._relations.setdefault((target, relation), each.name)
        if taken != each.name:
            text = f"There is already a Child Relationship named {relation[:-3]} on {target}."
            self._wrong(each, text)
        constraint = each.node.get("deleteConstraint")
        if constraint == "Cascade" and not owner.endswith("__c"):
            self._wrong(each, "Cascade delete is for custom objects only")

    def _check_same_type(self, each: Component, kind: str, owner: str, name: str) -> None:
        known = self._org.schema.get(owner)
        before = known.fields.get(name) if known is not None else None
        if before is None:
            return
        if before.type != _SIMPLE[kind] or before.required != (kind == "MasterDetail"):
            self._wrong(each, f"Cannot update a field to a {kind} from something else")

    # Views, layouts, tabs.

    def _list_view(self, each: Component) -> None:
        owner = each.name.partition(".")[0]
        for node in [*each.node.all("columns"), *each.node.within("field")]:
            name = node.text.strip()
            if name.endswith("__c") and not self._has_field(owner, name):
                self._wrong(each, f"Could not resolve list view column: {name}", node)

    def _layout(self, each: Component) -> None:
        owner = each.name.partition("-")[0]
        if not self._has_object(owner):
            self._wrong(each, f"In field: layout - no CustomObject named {owner} found")
            return
        for item in each.node.within("layoutItems"):
            name = item.get("field") or ""
            if not self._has_field(owner, name):
                text = f"In field: field - no CustomField named {owner}.{name} found"
                self._wrong(each, text, item)
        for related in each.node.all("relatedLists"):
            child, _, way = (related.get("relatedList") or "").partition(".")
            if way and not self._has_field(child, way):
                self._wrong(each, f"Cannot find related list:{child}.{way}", related)
                continue
            for column in related.all("fields"):
                if way and not self._has_field(child, column.text.strip()):
                    text = f"Invalid field:{column.text.strip()} in related list:{child}.{way}"
                    self._wrong(each, text, column)

    def _tab(self, each: Component) -> None:
        if each.node.get("customObject") == "true" and not self._has_object(each.name):
            self._wrong(each, f"In field: customObject - no CustomObject named {each.name} found")
        if not each.node.get("motif"):
            self._wrong(each, "Required field is missing: motif")

    def _has_field(self, owner: str, name: str) -> bool:
        if (owner, name) in self._found.fields:
            return True
        if owner in self._found.objects and name in ("Name", "OwnerId"):
            return True
        kind = self._org.schema.get(owner)
        return kind is not None and (name in kind.fields or name in _COMPOUND)

    # Permission sets.

    def _permission_set(self, each: Component) -> None:
        before = len(self._found.problems)
        node = each.node
        label = node.get("label") or ""
        if not label:
            self._wrong(each, "Required field is missing: label")
        elif len(label) > MOST_SET_LABEL:
            self._wrong(each, f"Value too long for field: Label maximum length is:{MOST_SET_LABEL}")
        if not re.fullmatch(r"[A-Za-z](?:_?[A-Za-z0-9])*", each.name):
            self._wrong(each, f"The name {each.name} is not valid")
        for entry in node.all("fieldPermissions"):
            self._field_permission(each, entry)
        for entry in node.all("objectPermissions"):
            self._object_permission(each, entry)
        for entry in node.all("tabSettings"):
            tab = entry.get("tab") or ""
            if tab.endswith("__c") and not any(c.name == tab for c in self._of("CustomTab")):
                self._wrong(each, f"In field: tab - no CustomTab named {tab} found", entry)
        if len(self._found.problems) == before:
            self._found.grants[each.name] = _grants(node, label)

    def _field_permission(self, each: Component, entry: Node) -> None:
        place = entry.get("field") or ""
        owner, _, name = place.partition(".")
        if not self._has_field(owner, name):
            self._wrong(each, f"In field: field - no CustomField named {place} found", entry)
            return
        made = self._found.fields.get((owner, name))
        if made is None:
            made = next((f for f in self._known_fields(owner) if f.name == name), None)
        if made is not None and (made.required or made.name_field):
            self._wrong(each, f"You cannot deploy to a required field: {place}", entry)
        if entry.get("editable") == "true" and entry.get("readable") != "true":
            self._wrong(each, f"Field permission {place} is editable and not readable", entry)

    def _object_permission(self, each: Component, entry: Node) -> None:
        name = entry.get("object") or ""
        if not self._has_object(name):
            self._wrong(each, f"In field: field - no CustomObject named {name} found", entry)
            return
        for given, needed, word, other in _DEPENDS:
            if entry.get(given) == "true" and entry.get(needed) != "true":
                text = f"Permission {word} {name} depends on permission(s): {other} {name}"
                self._wrong(each, text, entry)


def _no_entity(name: str) -> str:
    return f"Entity of type 'CustomObject' named '{name}' cannot be found"


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdigit() else None


def _made(node: Node, kind: str, name: str) -> Field:
    key = node.get("externalId") == "true"
    reference = kind in ("Lookup", "MasterDetail")
    master = kind == "MasterDetail"
    values = tuple(_values(node)) if kind == "Picklist" else ()
    length = _LENGTHS.get(kind) or _number(node.get("length")) or (18 if reference else 0)
    return Field(
        name=name,
        label=node.get("label") or name,
        type=_SIMPLE[kind],
        length=length,
        precision=_number(node.get("precision")) or 0,
        scale=_number(node.get("scale")) or 0,
        required=master,
        updateable=not master,
        external_id=key,
        unique=node.get("unique") == "true",
        case_sensitive=node.get("caseSensitive") == "true",
        id_lookup=key,
        filterable=kind != "LongTextArea",
        restricted=any(each.text.strip() == "true" for each in node.within("restricted")),
        targets=(node.get("referenceTo") or "",) if reference else (),
        relation=f"{name[:-3]}__r" if reference else None,
        children=f"{node.get('relationshipName')}__r" if reference else None,
        on_delete="cascade" if master or node.get("deleteConstraint") == "Cascade" else "-",
        values=values,
    )


def _values(node: Node) -> Iterator[tuple[str, str]]:
    for definition in node.within("valueSetDefinition"):
        for value in definition.all("value"):
            name = value.get("fullName") or ""
            yield name, value.get("label") or name


def _grants(node: Node, label: str) -> Grants:
    fields = [
        (entry.get("field") or "", entry.get("editable") == "true")
        for entry in node.all("fieldPermissions")
        if entry.get("readable") == "true"
    ]
    return Grants(
        label=label,
        objects=tuple(
            entry.get("object") or ""
            for entry in node.all("objectPermissions")
            if entry.get("allowRead") == "true"
        ),
        fields=tuple(name for name, _ in fields),
        editable=tuple(name for name, editable in fields if editable),
    )
