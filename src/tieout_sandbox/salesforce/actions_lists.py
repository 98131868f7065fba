"""What an administrator does with lists of values: global sets, and a picklist field's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tieout_sandbox.kit.simulator import ActionError
from tieout_sandbox.salesforce.installed import ListValue, Picklist, ValueSet
from tieout_sandbox.salesforce.org import Org

if TYPE_CHECKING:
    from tieout_sandbox.salesforce.api import Api

Arguments = Mapping[str, Any]
_TEXTS = "list of texts, which are labels too"


class ListActions:
    """The actions on lists of values by name."""

    def __init__(self, org: Org, api: Api) -> None:
        self._org = org
        self._api = api

    def all(self) -> dict[str, tuple[Callable[[Arguments], Any], dict[str, str]]]:
        """Every action with its arguments."""
        return {
            "create_value_set": (
                self.create_value_set,
                {"name": "of a global value set", "values": _TEXTS},
            ),
            "create_picklist": (
                self.create_picklist,
                {
                    "object": "object name",
                    "field": "name of the new field, ending in __c",
                    "values": _TEXTS,
                    "restricted": "true: rows take no other text (default false)",
                    "value_set": "global set that it uses, in place of values of its own",
                },
            ),
            "edit_values": (
                self.edit_values,
                {
                    "list": "a global value set, or Object.Field__c",
                    "add": _TEXTS,
                    "relabel": "object of values and their new labels",
                    "close": "list of values to put out of use",
                    "open": "list of values to put into use",
                },
            ),
        }

    def create_value_set(self, given: Arguments) -> Any:
        """Makes a global set, or another in its place."""
        values = tuple((str(one), str(one), True, False) for one in given.get("values") or ())
        made = ValueSet(label=str(given["name"]).replace("_", " "), values=values)
        self._org.installed.value_sets[str(given["name"])] = made
        return {"name": given["name"], "values": [code for code, *_ in values]}

    def create_picklist(self, given: Arguments) -> Any:
        """Makes a custom picklist field."""
        kind = self._org.full(given["object"])
        name = str(given["field"])
        if kind is None or not name.endswith("__c") or kind.find(name) is not None:
            raise ActionError(f"there is no object {given['object']}, or it has {name} already")
        shared = str(given.get("value_set") or "")
        if shared and shared not in self._org.installed.value_sets:
            raise ActionError(f"there is no global value set {shared}")
        values = [ListValue(code=str(one), label=str(one)) for one in given.get("values") or ()]
        made = Picklist(
            label=name.removesuffix("__c").replace("_", " "),
            restricted=given.get("restricted") is True,
            value_set=shared,
            values=tuple(values),
        )
        self._org.installed.set_picklist(self._org, f"{kind.name}.{name}", made)
        self._api.metadata_changed()
        return {"field": f"{kind.name}.{name}"}

    def edit_values(self, given: Arguments) -> Any:
        """Adds, relabels, closes and opens values of one list."""
        name = str(given["list"])
        installed = self._org.installed
        shared, own = installed.value_sets.get(name), installed.picklists.get(name)
        if shared is not None:
            rows = [
                ListValue(code=code, label=label, active=active, default=default)
                for code, label, active, default in shared.values
            ]
            edited = _edited(rows, given)
            values = tuple((one.code, one.label, one.active, one.default) for one in edited)
            installed.value_sets[name] = replace(shared, values=values)
            installed.offer_anew(self._org, name)
        elif own is not None:
            edited = _edited(own.values, given)
            installed.set_picklist(self._org, name, replace(own, values=tuple(edited)))
        else:
            raise ActionError(f"there is no list of values {name}")
        self._api.metadata_changed()
        return {"list": name, "values": [one.code for one in edited if one.active]}


def _edited(values: Any, given: Arguments) -> list[ListValue]:
    known = {one.code for one in values}
    labels = given.get("relabel") or {}
    named = {*labels, *(given.get("close") or ()), *(given.get("open") or ())}
    if named - known:
        raise ActionError(f"there is no value {sorted(named - known)[0]}")
    edited = []
    for one in values:
        active = one.active
        if one.code in (given.get("close") or ()):
            active = False
        if one.code in (given.get("open") or ()):
            active = True
        edited.append(replace(one, active=active, label=str(labels.get(one.code, one.label))))
    fresh = [str(code) for code in given.get("add") or () if str(code) not in known]
    return [*edited, *(ListValue(code=code, label=code) for code in fresh)]
