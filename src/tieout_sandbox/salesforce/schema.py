"""What the org's objects are made of: read from `objects.txt`, seen as a client may see it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

STRING_TYPES = frozenset(
    {"string", "textarea", "picklist", "phone", "url", "email", "combobox", "reference", "id"}
)
NUMBER_TYPES = frozenset({"currency", "double", "percent", "int"})

INVOICE_STATUS = (
    ("draft", "Draft"),
    ("awaiting_approval", "Awaiting approval"),
    ("cancelled", "Cancelled"),
    ("booked", "Booked"),
    ("partly_paid", "Partly paid"),
    ("paid", "Paid"),
    ("settled", "Settled"),
    ("credited", "Credited"),
    ("written_off", "Written off"),
)
INVOICE_KIND = (("invoice", "Invoice"), ("credit_note", "Credit note"))
LINE_KIND = (("item", "Item"), ("text", "Text"), ("charge", "Charge"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of an object. `relation` is the name of the way to its parent, `children` the
    parent's name for the way back; `on_delete` is cascade, restrict or - (set to null)."""

    name: str
    label: str
    type: str
    length: int = 0
    precision: int = 0
    scale: int = 0
    required: bool = False
    createable: bool = True
    updateable: bool = True
    external_id: bool = False
    unique: bool = False
    case_sensitive: bool = False
    id_lookup: bool = False
    name_field: bool = False
    auto_number: bool = False
    default: str | None = None
    filterable: bool = True
    restricted: bool = False
    targets: tuple[str, ...] = ()
    relation: str | None = None
    children: str | None = None
    on_delete: str = "-"
    values: tuple[tuple[str, str], ...] = ()

    @property
    def custom(self) -> bool:
        """Whether somebody added it to the org."""
        return self.name.endswith("__c")

    @property
    def compared(self) -> bool:
        """Whether WHERE and ORDER BY take it."""
        return self.filterable and self.type != "address"

    @property
    def grouped(self) -> bool:
        """Whether GROUP BY takes it."""
        unfit = ("currency", "double", "percent", "datetime", "address")
        return self.filterable and self.type not in unfit


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A way from a parent to the rows that point at it."""

    object: str
    field: str
    name: str | None
    on_delete: str


@dataclass(slots=True)
class ObjectType:
    """One object: fields in order, and the same by lower-case name."""

    name: str
    prefix: str
    plural: str
    createable: bool = True
    updateable: bool = True
    deletable: bool = True
    fields: dict[str, Field] = field(default_factory=dict)
    by_name: dict[str, Field] = field(default_factory=dict)
    by_relation: dict[str, Field] = field(default_factory=dict)
    children: list[Child] = field(default_factory=list)

    @property
    def custom(self) -> bool:
        """Whether somebody added it to the org."""
        return self.name.endswith("__c")

    @property
    def name_field(self) -> Field | None:
        """The field that a person knows a row by."""
        return next((f for f in self.fields.values() if f.name_field), None)

    def find(self, name: str) -> Field | None:
        """The field of that name in any case."""
        return self.by_name.get(name.lower())

    def child(self, relation: str) -> Child | None:
        """The way to children of that name, in any case."""
        wanted = relation.lower()
        return next((c for c in self.children if c.name and c.name.lower() == wanted), None)

    def add(self, found: Field) -> None:
        """Takes a field in."""
        self.fields[found.name] = found
        self.by_name[found.name.lower()] = found
        if found.relation:
            self.by_relation[found.relation.lower()] = found

    def without(self, names: frozenset[str]) -> ObjectType:
        """The object as a user sees it who may not see those fields."""
        seen = ObjectType(
            name=self.name,
            prefix=self.prefix,
            plural=self.plural,
            createable=self.createable,
            updateable=self.updateable,
            deletable=self.deletable,
            children=self.children,
        )
        for found in self.fields.values():
            if found.name not in names:
                seen.add(found)
        return seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """
    What an org has switched on, as far as it changes its objects. `package`: what Tieout's own
    package brings is there from the start, as if somebody had deployed it.
    """

    currencies: tuple[str, ...] = ()
    country_picklists: bool = True
    package: bool = False
    stages: tuple[str, ...] = ()


Schema = Mapping[str, ObjectType]


@cache
def country_names() -> Mapping[str, str]:
    """Country names by their two-letter codes."""
    lines = _text("countries.txt").splitlines()
    return {line[:2]: line[3:].strip() for line in lines if line.strip()}


def load_schema(options: Options) -> dict[str, ObjectType]:
    """The objects of an org with those options, by name."""
    lists: dict[str, tuple[tuple[str, str], ...]] = {
        "@countries": tuple(country_names().items()),
        "@currencies": tuple((code, code) for code in options.currencies),
        "@stages": tuple((stage, stage) for stage in options.stages),
        "@invoice_status": INVOICE_STATUS,
        "@invoice_kind": INVOICE_KIND,
        "@line_kind": LINE_KIND,
    }
    schema: dict[str, ObjectType] = {}
    current: ObjectType | None = None
    for line in _text("objects.txt").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith("object "):
            current = _object(line, options)
            if current is not None:
                schema[current.name] = current
        elif current is not None:
            found = _field(line, options, lists)
            if found is not None:
                current.add(found)
    _link_children(schema)
    return schema


def _text(name: str) -> str:
    return files("tieout_sandbox.salesforce").joinpath(name).read_text(encoding="utf-8")


def _object(line: str, options: Options) -> ObjectType | None:
    _, name, prefix, plural, *flags = line.split()
    if "multi" in flags and not options.currencies:
        return None
    if "optional" in flags and not options.package:
        return None
    closed = "nowrite" in flags
    found = ObjectType(
        name=name,
        prefix=prefix,
        plural=plural.replace("_", " "),
        createable=not closed and "nocreate" not in flags,
        updateable=not closed,
        deletable=not closed and "nodelete" not in flags,
    )
    for entry in system_fields(found):
        found.add(entry)
    return found


def field_of(name: str, shape: str) -> Field:
    """
    A field that an administrator adds: `string:80`, `boolean`, `date`, `currency:18.2`,
    `double:18.4`. ValueError for another shape.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*__c", name):
        raise ValueError(f"a field's name ends in __c, not {name}")
    known = r"(string:\d+|textarea:\d+|boolean|date|datetime|(currency|double):\d+\.\d+)"
    if not re.fullmatch(known, shape):
        raise ValueError(f"no such type of field: {shape}")
    made = _field(f"{name} {shape}", Options(), {})
    assert made is not None
    return made


_WITHOUT_BIN = frozenset(
    [
        "OpportunityStage",
        "RecordType",
        "Organization",
        "CurrencyType",
        "User",
        "PermissionSet",
        "PermissionSetAssignment",
    ]
)


def system_fields(owner: ObjectType) -> list[Field]:
    """What every object has without anybody making it."""
    label = owner.name.removesuffix("__c").replace("_", " ")
    found = [_system("Id", "id", f"{label} ID")]
    if owner.name not in _WITHOUT_BIN:
        found.append(_system("IsDeleted", "boolean", "Deleted"))
    for name in ("CreatedDate", "LastModifiedDate", "SystemModstamp"):
        found.append(_system(name, "datetime"))
    for name in ("CreatedById", "LastModifiedById"):
        found.append(_system(name, "reference"))
    return found


def _system(name: str, kind: str, label: str | None = None) -> Field:
    is_user = kind == "reference"
    return Field(
        name=name,
        label=label or _label(name, kind),
        type=kind,
        length=18 if kind in ("id", "reference") else 0,
        createable=False,
        updateable=False,
        id_lookup=kind == "id",
        targets=("User",) if is_user else (),
        relation=name.removesuffix("Id") if is_user else None,
    )


_VALUES = re.compile(r"\{(.*)\}")


def _field(
    line: str, options: Options, lists: Mapping[str, tuple[tuple[str, str], ...]]
) -> Field | None:
    values: tuple[tuple[str, str], ...] = ()
    listed = _VALUES.search(line)
    if listed is not None:
        line = line[: listed.start()]
        inside = listed.group(1)
        values = lists.get(inside) or tuple((v, v) for v in inside.split(";"))
    name, shape, *flags = line.split()
    if "multi" in flags and not options.currencies:
        return None
    if "country" in flags and not options.country_picklists:
        return None
    if "pkg" in flags and not options.package:
        return None
    kind, length, precision, scale = _shape(shape)
    reference = next((f[1:].split("|") for f in flags if f.startswith(">")), None)
    targets: tuple[str, ...] = ()
    relation = children = None
    on_delete = "-"
    if reference is not None:
        targets = tuple(reference[0].split(","))
        relation = reference[1]
        children = None if reference[2] == "-" else reference[2]
        on_delete = reference[3]
    named = dict(flag.split("=", 1) for flag in flags if "=" in flag)
    read_only = "ro" in flags
    return Field(
        name=name,
        label=named.get("label", "").replace("_", " ") or _label(name, kind),
        type=kind,
        length=length,
        precision=precision,
        scale=scale,
        required="req" in flags,
        createable=not read_only and "auto" not in flags,
        updateable=not read_only and "auto" not in flags and "once" not in flags,
        external_id="ext" in flags,
        unique="unique" in flags,
        case_sensitive="cs" in flags,
        id_lookup="ext" in flags or "idlookup" in flags,
        name_field="name" in flags,
        auto_number="auto" in flags,
        default=named["dflt"].replace("_", " ") if "dflt" in named else None,
        filterable="nofilter" not in flags,
        restricted="restricted" in flags,
        targets=targets,
        relation=relation,
        children=children,
        on_delete=on_delete,
        values=values,
    )


def _shape(shape: str) -> tuple[str, int, int, int]:
    kind, _, size = shape.partition(":")
    if "." in size:
        precision, scale = size.split(".")
        return kind, 0, int(precision), int(scale)
    if kind == "reference":
        return kind, 18, 0, 0
    return kind, int(size) if size else 0, 0, 0


def _label(name: str, kind: str) -> str:
    if name.endswith("__c"):
        return name[:-3].replace("_", " ")
    words = re.sub(r"(?<=[a-z])(?=[A-Z0-9])", " ", name)
    return re.sub(r" Id$", " ID", words) if kind == "reference" else words


def _link_children(schema: Mapping[str, ObjectType]) -> None:
    for owner in schema.values():
        for entry in owner.fields.values():
            for target in entry.targets:
                if target in schema and entry.name not in ("CreatedById", "LastModifiedById"):
                    schema[target].children.append(
                        Child(
                            object=owner.name,
                            field=entry.name,
                            name=entry.children,
                            on_delete=entry.on_delete,
                        )
                    )
