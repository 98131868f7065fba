"""What was deployed into an org: objects, fields, and who may see them by permission sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tieout_sandbox.salesforce.ids import make_id
from tieout_sandbox.salesforce.schema import Child, Field, ObjectType, system_fields
from tieout_sandbox.salesforce.values import stamp

if TYPE_CHECKING:
    from tieout_sandbox.salesforce.org import Org


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectDefinition:
    """A custom object. `owned`: rows have an owner of their own, not that of a master."""

    name: str
    plural: str
    name_field: str
    owned: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Grants:
    """What a permission set gives: objects and fields that may be read, fields also changed."""

    label: str = ""
    objects: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    editable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueSet:
    """A global value set: values as (stored text, label, in use, default), in their order."""

    label: str
    description: str = ""
    in_order: bool = False
    values: tuple[tuple[str, str, bool, bool], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ListValue:
    """One value of a picklist field's own list."""

    code: str
    label: str
    active: bool = True
    default: bool = False
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picklist:
    """
    A custom picklist field: its own values, or those of a global set (`value_set`). `changed` is
    its stamp.
    """

    label: str
    description: str = ""
    restricted: bool = False
    in_order: bool = False
    value_set: str = ""
    changed: str = ""
    values: tuple[ListValue, ...] = ()


@dataclass(slots=True)
class Rights:
    """What the integration user has by all its permission sets together."""

    objects: frozenset[str] = frozenset()
    fields: frozenset[str] = frozenset()
    editable: frozenset[str] = frozenset()


@dataclass(slots=True)
class Installed:
    """Everything deployed so far. `changes` counts the deployments that changed something."""

    objects: dict[str, ObjectDefinition] = field(default_factory=dict)
    fields: dict[str, dict[str, Field]] = field(default_factory=dict)
    grants: dict[str, Grants] = field(default_factory=dict)
    value_sets: dict[str, ValueSet] = field(default_factory=dict)
    picklists: dict[str, Picklist] = field(default_factory=dict)
    """By object and field: `Account.Terms__c`."""
    field_numbers: dict[str, int] = field(default_factory=dict)
    others: list[tuple[str, str]] = field(default_factory=list)
    """Layouts, tabs and views by type and name: they are there, and do nothing here."""
    changes: int = 0
    _rights: dict[tuple[object, ...], Rights] = field(default_factory=dict)

    def add_object(self, org: Org, made: ObjectDefinition) -> None:
        """Makes an object, or changes what people call it."""
        self.changes += 1
        known = org.schema.get(made.name)
        if known is not None:
            known.plural = made.plural
            return
        self.objects[made.name] = made
        kind = ObjectType(name=made.name, prefix=_free_prefix(org), plural=made.plural)
        for entry in system_fields(kind):
            kind.add(entry)
        kind.add(
            Field(
                name="Name",
                label=made.name_field,
                type="string",
                length=80,
                createable=False,
                updateable=False,
                name_field=True,
                auto_number=True,
            )
        )
        if made.owned:
            kind.add(
                Field(
                    name="OwnerId",
                    label="Owner ID",
                    type="reference",
                    length=18,
                    targets=("User",),
                    relation="Owner",
                )
            )
        if org.multi_currency:
            kind.add(replace(org.schema["Account"].fields["CurrencyIsoCode"]))
        org.take_in(kind)

    def add_field(self, org: Org, kind_name: str, made: Field) -> None:
        """Makes a field, or changes one."""
        self.changes += 1
        kind = org.schema[kind_name]
        known = kind.fields.get(made.name)
        kind.add(made)
        if known is not None and made.name not in self.fields.get(kind_name, {}):
            return  # somebody else's, made before: who sees it stays as it was
        self.fields.setdefault(kind_name, {})[made.name] = made
        if known is None:
            org.tables[kind_name].add_index(made)
            for target in made.targets:
                org.schema[target].children.append(
                    Child(
                        object=kind_name,
                        field=made.name,
                        name=made.children,
                        on_delete=made.on_delete,
                    )
                )

    def add_grants(self, org: Org, name: str, made: Grants) -> None:
        """Makes a permission set, or replaces what it gives."""
        self.changes += 1
        self.grants[name] = made
        table = org.tables["PermissionSet"]
        if any(row["Name"] == name for row in table.live()):
            return
        at = stamp(org.now())
        table.put(
            {
                "Id": org.new_id("PermissionSet"),
                "CreatedDate": at,
                "CreatedById": make_id("005", 1),
                "LastModifiedDate": at,
                "LastModifiedById": make_id("005", 1),
                "SystemModstamp": at,
                "Name": name,
                "Label": made.label,
                "IsOwnedByProfile": False,
                "PermissionsApiEnabled": False,
                "PermissionsViewAllData": False,
                "PermissionsModifyAllData": False,
            }
        )

    def add_value_set(self, name: str, made: ValueSet) -> None:
        """Makes a set, or replaces it: a value that is left out goes out of use, and stays."""
        before = self.value_sets.get(name)
        told = {code for code, *_ in made.values}
        left = tuple(
            (code, label, False, False)
            for code, label, *_ in (before.values if before is not None else ())
            if code not in told
        )
        self.value_sets[name] = replace(made, values=(*made.values, *left))

    def set_picklist(self, org: Org, place: str, made: Picklist) -> None:
        """Makes a picklist field, or replaces it."""
        self.picklists[place] = replace(made, changed=stamp(org.now()))
        self._offer(org, place)
        org.seen_anew(place.partition(".")[0])

    def offer_anew(self, org: Org, value_set: str) -> None:
        """A global set changed: the fields that use it offer what it has now."""
        for place, made in self.picklists.items():
            if made.value_set == value_set:
                self._offer(org, place)
                org.seen_anew(place.partition(".")[0])

    def _offer(self, org: Org, place: str) -> None:
        made = self.picklists[place]
        owner, _, name = place.partition(".")
        listed = self.value_sets.get(made.value_set)
        values = [(one.code, one.label) for one in made.values if one.active]
        if listed is not None:
            values = [(code, label) for code, label, active, _ in listed.values if active]
        org.schema[owner].add(
            Field(
                name=name,
                label=made.label,
                type="picklist",
                length=255,
                restricted=made.restricted,
                values=tuple(values),
            )
        )

    # Who sees what.

    def mark(self, org: Org) -> tuple[object, ...]:
        """Changes whenever the integration user may see something else than before."""
        if not self.changes:
            return ()
        return (self.changes, *sorted(self._assigned(org)))

    def seen(self, org: Org, kind: ObjectType) -> ObjectType | None:
        """The object with what its permission sets give the integration user; None without it."""
        mark = self.mark(org)
        rights = self._rights.get(mark)
        if rights is None:
            self._rights.clear()
            rights = self._rights[mark] = self._added_up(org)
        if kind.name in self.objects and kind.name not in rights.objects:
            return None
        mine = self.fields.get(kind.name, {})
        places = {name: f"{kind.name}.{name}" for name in mine if not mine[name].required}
        hidden = frozenset(n for n, place in places.items() if place not in rights.fields)
        closed = [n for n, place in places.items() if place not in rights.editable]
        shown = kind.without(hidden)
        for name in closed:
            if name not in hidden:
                shown.add(replace(shown.fields[name], createable=False, updateable=False))
        return shown

    def _assigned(self, org: Org) -> set[str]:
        table = org.tables["PermissionSetAssignment"]
        return {
            str(row["PermissionSetId"])
            for row in table.live()
            if row.get("AssigneeId") == org.user_id
        }

    def _added_up(self, org: Org) -> Rights:
        mine = self._assigned(org)
        names = {
            str(row["Name"]) for row in org.tables["PermissionSet"].live() if row["Id"] in mine
        }
        sets = [grants for name, grants in self.grants.items() if name in names]
        return Rights(
            objects=frozenset(name for each in sets for name in each.objects),
            fields=frozenset(name for each in sets for name in each.fields),
            editable=frozenset(name for each in sets for name in each.editable),
        )

    # State.

    def state(self) -> dict[str, Any]:
        """Everything that would have to be kept."""
        return {
            "objects": [asdict(each) for each in self.objects.values()],
            "fields": [
                [kind, asdict(each)]
                for kind, found in self.fields.items()
                for each in found.values()
            ],
            "others": [list(each) for each in self.others],
            "value_sets": [[name, asdict(each)] for name, each in self.value_sets.items()],
            "picklists": [[place, asdict(each)] for place, each in self.picklists.items()],
            "field_numbers": dict(self.field_numbers),
            "grants": [[name, asdict(each)] for name, each in self.grants.items()],
        }

    @classmethod
    def loaded(cls, org: Org, state: Mapping[str, Any]) -> Installed:
        """Takes back what `state` gave, into an org that has nothing of it yet."""
        made = cls()
        for entry in state.get("objects", ()):
            made.add_object(org, ObjectDefinition(**entry))
        for kind, entry in state.get("fields", ()):
            made.add_field(org, kind, Field(**_with_tuples(entry)))
        for name, entry in state.get("grants", ()):
            made.grants[name] = Grants(**_with_tuples(entry))
            made.changes += 1
        for name, entry in state.get("value_sets", ()):
            made.value_sets[name] = ValueSet(**_with_tuples(entry))
        made.field_numbers = dict(state.get("field_numbers", {}))
        for place, entry in state.get("picklists", ()):
            values = tuple(ListValue(**one) for one in entry["values"])
            made.picklists[place] = Picklist(**{**entry, "values": values})
            made._offer(org, place)
        made.others = [(kind, name) for kind, name in state.get("others", ())]
        return made


def _with_tuples(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _tuple(value) for name, value in entry.items()}


def _tuple(value: Any) -> Any:
    return tuple(_tuple(each) for each in value) if isinstance(value, list) else value


def _free_prefix(org: Org) -> str:
    taken = {kind.prefix for kind in org.schema.values()}
    prefixes = (f"a{number:02d}" for number in range(1, 100))
    return next(found for found in prefixes if found not in taken)
