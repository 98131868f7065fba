"""Custom picklist fields with values of their own: read and replaced whole by the tooling API."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from tieout_sandbox.salesforce.calls import Call, Result, condition_date
from tieout_sandbox.salesforce.errors import SalesforceError, not_found
from tieout_sandbox.salesforce.ids import make_id, normalise
from tieout_sandbox.salesforce.installed import ListValue, Picklist
from tieout_sandbox.salesforce.org import Org
from tieout_sandbox.salesforce.rows import method_not_allowed
from tieout_sandbox.salesforce.values import moment, stamp

MOST_VALUES = 1000
_DEFINITION = re.compile(
    r"SELECT\s+DurableId\s+FROM\s+FieldDefinition\s+WHERE\s+"
    r"EntityDefinition\.QualifiedApiName\s*=\s*'(?P<object>\w+)'\s+AND\s+"
    r"QualifiedApiName\s*=\s*'(?P<field>\w+)'",
    re.IGNORECASE,
)
_OF_VALUE = frozenset({"color", "default", "description", "isActive", "label", "urls", "valueName"})
_OF_SET = ("controllingField", "restricted", "valueSetDefinition", "valueSetName", "valueSettings")


class Picklists:
    """`tooling/sobjects/CustomField`. `changed` is told when objects are not what they were."""

    def __init__(self, org: Org, changed: Callable[[], None]) -> None:
        self._org = org
        self._changed = changed

    def definition(self, statement: str) -> Result | None:
        """A field's durable id, which holds the id of a custom field; None for other queries."""
        asked = _DEFINITION.fullmatch(statement.strip())
        if asked is None:
            return None
        kind = self._org.full(asked["object"])
        found = kind.find(asked["field"]) if kind is not None else None
        rows: list[dict[str, Any]] = []
        if kind is not None and found is not None:
            inside = found.name
            if found.custom:
                inside = self._id(f"{kind.name}.{found.name}")[:15]
            owner = kind.name
            if kind.custom:
                number = 1 + sorted(name for name in self._org.schema).index(kind.name)
                owner = make_id("01I", number)[:15]
            rows = [{"attributes": {"type": "FieldDefinition"}, "DurableId": f"{owner}.{inside}"}]
        body = {"size": len(rows), "totalSize": len(rows), "done": True, "records": rows}
        return Result(body=body)

    def answer(self, call: Call, given: str) -> Result:
        """One field by its id: read, or replaced by the `Metadata` of the body."""
        place = self._place(given)
        if call.method == "GET":
            return Result(body=self._shown(call, place))
        if call.method == "PATCH":
            if not self._org.switches.metadata_rights:
                raise SalesforceError(
                    "INSUFFICIENT_ACCESS", "insufficient access rights on entity", status=403
                )
            self._replace(call, place)
            return Result(status=204)
        raise method_not_allowed(call)

    def _id(self, place: str) -> str:
        known = self._org.installed.field_numbers
        return make_id("00N", known.setdefault(place, len(known) + 1))

    def _place(self, given: str) -> str:
        wanted = normalise(given)
        for place in self._org.installed.field_numbers:
            owner, _, name = place.partition(".")
            there = owner in self._org.schema and name in self._org.schema[owner].fields
            if there and self._id(place) == wanted:
                return place
        raise not_found()

    def _shown(self, call: Call, place: str) -> dict[str, Any]:
        owner, _, name = place.partition(".")
        made = self._org.installed.picklists.get(place)
        field = self._org.schema[owner].fields[name]
        told: dict[str, Any] = {
            "description": None,
            "externalId": field.external_id,
            "label": field.label,
            "required": False,
            "type": "Text",
            "valueSet": None,
        }
        if made is not None:
            told |= {"description": made.description or None, "label": made.label}
            told |= {"type": "Picklist", "valueSet": self._value_set(made)}
        field_id = self._id(place)
        return {
            "attributes": {
                "type": "CustomField",
                "url": call.url("tooling", "sobjects", "CustomField", field_id),
            },
            "Id": field_id,
            "DeveloperName": name.removesuffix("__c"),
            "TableEnumOrId": owner,
            "FullName": place,
            "ManageableState": "unmanaged",
            "LastModifiedDate": made.changed if made is not None else stamp(self._org.now()),
            "Metadata": told,
        }

    def _value_set(self, made: Picklist) -> dict[str, Any]:
        hides = not made.restricted and not self._org.switches.inactive_values_shown
        definition = {
            "sorted": made.in_order,
            "value": [
                {
                    "color": None,
                    "default": one.default,
                    "description": one.description or None,
                    "isActive": None if one.active else False,
                    "label": one.label,
                    "urls": None,
                    "valueName": one.code,
                }
                for one in made.values
                if one.active or not hides
            ],
        }
        return {
            "controllingField": None,
            "restricted": made.restricted or None,
            "valueSetDefinition": None if made.value_set else definition,
            "valueSetName": made.value_set or None,
            "valueSettings": [],
        }

    def _replace(self, call: Call, place: str) -> None:
        made = self._org.installed.picklists.get(place)
        body = call.body if isinstance(call.body, Mapping) else {}
        told = body.get("Metadata")
        if made is None or not isinstance(told, Mapping):
            raise SalesforceError("JSON_PARSER_ERROR", "Metadata of a picklist is expected")
        since = condition_date(call, "if-unmodified-since")
        at = moment(made.changed)
        minds = self._org.switches.tooling_preconditions
        if minds and since is not None and at is not None and at > since:
            raise SalesforceError(
                "ENTITY_FAILED_IFLASTMODIFIED_ON_UPDATE", "the field was changed", status=412
            )
        if not told.get("label"):
            raise SalesforceError(
                "FIELD_INTEGRITY_EXCEPTION", "Required field is missing: label", fields=["label"]
            )
        if told.get("type") != "Picklist":
            raise SalesforceError(
                "FIELD_INTEGRITY_EXCEPTION", "Cannot change type of a picklist here", fields=[]
            )
        given = told.get("valueSet") or {}
        unknown = [name for name in given if name not in _OF_SET]
        definition = given.get("valueSetDefinition")
        if unknown or not isinstance(definition, Mapping):
            text = f"No such column '{(unknown or ['valueSetDefinition'])[0]}' on ValueSet"
            raise SalesforceError("JSON_PARSER_ERROR", text)
        values = _values(definition.get("value") or [])
        if self._org.switches.omitted_values == "inactive":
            known = {one.code for one in values}
            left = [one for one in made.values if one.code not in known]
            values += [replace(one, active=False, default=False) for one in left]
        self._org.installed.set_picklist(
            self._org,
            place,
            replace(
                made,
                # The whole is replaced: what is not told is not there any more.
                label=str(told["label"]),
                description=str(told.get("description") or ""),
                restricted=given.get("restricted") is True,
                in_order=definition.get("sorted") is True,
                values=tuple(values),
            ),
        )
        self._changed()


def _values(given: Any) -> list[ListValue]:
    values: list[ListValue] = []
    for one in given:
        strange = sorted(set(one) - _OF_VALUE)
        if strange:
            raise SalesforceError(
                "JSON_PARSER_ERROR", f"No such column '{strange[0]}' on sobject of type CustomValue"
            )
        code, label = str(one.get("valueName") or ""), str(one.get("label") or "")
        active = one.get("isActive") is not False
        if not code or len(code) > 255 or len(label) > 255:
            raise _refused(f"Value too long or missing: {code[:40]}")
        if any(code.casefold() == known.code.casefold() for known in values):
            raise _refused(f"Duplicate value: {code}")
        if active and any(
            known.active and label.casefold() == known.label.casefold() for known in values
        ):
            raise _refused(f"Duplicate label: {label}")
        values.append(
            ListValue(
                code=code,
                label=label or code,
                active=active,
                default=one.get("default") is True,
                description=str(one.get("description") or ""),
            )
        )
    if len(values) > MOST_VALUES:
        raise _refused(f"Picklist values limit exceeded: {MOST_VALUES}")
    return values


def _refused(text: str) -> SalesforceError:
    return SalesforceError("FIELD_INTEGRITY_EXCEPTION", text, fields=["valueSet"])
