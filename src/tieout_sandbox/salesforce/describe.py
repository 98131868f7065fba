"""What the org tells about its objects: the shape of real describe answers."""

from __future__ import annotations

from typing import Any

from tieout_sandbox.salesforce.org import Org
from tieout_sandbox.salesforce.schema import Field, ObjectType

_SOAP_TYPES = {
    "id": "tns:ID",
    "reference": "tns:ID",
    "boolean": "xsd:boolean",
    "currency": "xsd:double",
    "double": "xsd:double",
    "percent": "xsd:double",
    "int": "xsd:int",
    "date": "xsd:date",
    "datetime": "xsd:dateTime",
    "address": "urn:address",
}
_LONG_TEXT = 4000
MASTER_RECORD_TYPE = "012000000000000AAA"


def all_objects(org: Org, version: str) -> dict[str, Any]:
    """The answer of `/sobjects`."""
    return {
        "encoding": "UTF-8",
        "maxBatchSize": 200,
        "sobjects": [
            brief(kind, version)
            for kind in (org.visible(name) for name in org.schema)
            if kind is not None
        ],
    }


def brief(kind: ObjectType, version: str) -> dict[str, Any]:
    """An object's abilities and addresses, without its fields."""
    label = kind.name.removesuffix("__c").replace("_", " ")
    return {
        "activateable": False,
        "associateEntityType": None,
        "associateParentEntity": None,
        "createable": kind.createable,
        "custom": kind.custom,
        "customSetting": False,
        "deepCloneable": kind.name == "Opportunity",
        "deletable": kind.deletable,
        "deprecatedAndHidden": False,
        "feedEnabled": not kind.custom,
        "hasSubtypes": False,
        "isInterface": False,
        "isSubtype": False,
        "keyPrefix": kind.prefix,
        "label": label,
        "labelPlural": kind.plural,
        "layoutable": True,
        "mergeable": kind.name in ("Account", "Contact"),
        "mruEnabled": True,
        "name": kind.name,
        "queryable": True,
        "replicateable": True,
        "retrieveable": True,
        "searchable": True,
        "triggerable": True,
        "undeletable": kind.deletable,
        "updateable": kind.updateable,
        "urls": _urls(kind, version),
    }


def _urls(kind: ObjectType, version: str) -> dict[str, str]:
    base = f"/services/data/v{version}/sobjects/{kind.name}"
    return {
        "compactLayouts": f"{base}/describe/compactLayouts",
        "rowTemplate": f"{base}/{{ID}}",
        "approvalLayouts": f"{base}/describe/approvalLayouts",
        "describe": f"{base}/describe",
        "quickActions": f"{base}/quickActions",
        "layouts": f"{base}/describe/layouts",
        "sobject": base,
    }


def full(org: Org, kind: ObjectType, version: str) -> dict[str, Any]:
    """The answer of `/sobjects/{O}/describe`."""
    urls = _urls(kind, version)
    return {
        "actionOverrides": [],
        **brief(kind, version),
        "childRelationships": [
            {
                "cascadeDelete": child.on_delete == "cascade",
                "childSObject": child.object,
                "deprecatedAndHidden": False,
                "field": child.field,
                "junctionIdListNames": [],
                "junctionReferenceTo": [],
                "relationshipName": child.name,
                "restrictedDelete": child.on_delete == "restrict",
            }
            for child in kind.children
        ],
        "compactLayoutable": True,
        "defaultImplementation": None,
        "extendedBy": None,
        "extendsInterfaces": None,
        "fields": [describe_field(org, found) for found in kind.fields.values()],
        "implementedBy": None,
        "implementsInterfaces": None,
        "listviewable": None,
        "lookupLayoutable": None,
        "namedLayoutInfos": [],
        "networkScopeFieldName": None,
        "recordTypeInfos": [
            {
                "active": True,
                "available": True,
                "defaultRecordTypeMapping": True,
                "developerName": "Master",
                "master": True,
                "name": "Master",
                "recordTypeId": MASTER_RECORD_TYPE,
                "urls": {"layout": f"{urls['layouts']}/{MASTER_RECORD_TYPE}"},
            }
        ],
        "searchLayoutable": True,
        "sobjectDescribeOption": "FULL",
        "supportedScopes": [{"label": f"All {kind.plural.lower()}", "name": "everything"}],
    }


def _values(org: Org, found: Field) -> tuple[tuple[str, str], ...]:
    if found.name != "StageName":
        return found.values
    stages = sorted(org.tables["OpportunityStage"].live(), key=lambda row: str(row["Id"]))
    return tuple((str(row["ApiName"]), str(row["MasterLabel"])) for row in stages)


def describe_field(org: Org, found: Field) -> dict[str, Any]:
    """One field of a describe."""
    text = found.length > 0 and found.type not in ("id", "reference")
    nillable = not (
        found.required
        or found.type in ("boolean", "id")
        or found.name in ("CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById")
        or found.name in ("SystemModstamp", "OwnerId")
    )
    long = found.type == "textarea" and found.length >= _LONG_TEXT
    return {
        "aggregatable": not long,
        "aiPredictionField": False,
        "autoNumber": found.auto_number,
        "byteLength": found.length * 3 if text else found.length,
        "calculated": False,
        "calculatedFormula": None,
        "cascadeDelete": found.on_delete == "cascade",
        "caseSensitive": found.case_sensitive,
        "compoundFieldName": None,
        "controllerName": None,
        "createable": found.createable,
        "custom": found.custom,
        "defaultValue": False if found.type == "boolean" else found.default,
        "defaultValueFormula": None,
        "defaultedOnCreate": not nillable and not found.required,
        "dependentPicklist": False,
        "deprecatedAndHidden": False,
        "digits": 9 if found.type == "int" else 0,
        "displayLocationInDecimal": False,
        "encrypted": False,
        "externalId": found.external_id,
        "extraTypeInfo": "plaintextarea" if long and found.custom else None,
        "filterable": found.compared,
        "filteredLookupInfo": None,
        "formulaTreatNullNumberAsZero": False,
        "groupable": found.grouped and not long,
        "highScaleNumber": False,
        "htmlFormatted": False,
        "idLookup": found.id_lookup,
        "inlineHelpText": None,
        "label": found.label,
        "length": found.length,
        "mask": None,
        "maskType": None,
        "name": found.name,
        "nameField": found.name_field,
        "namePointing": len(found.targets) > 1,
        "nillable": nillable,
        "permissionable": nillable and not found.name_field,
        "picklistValues": [
            {
                "active": True,
                "defaultValue": value == found.default,
                "label": label,
                "validFor": None,
                "value": value,
            }
            for value, label in _values(org, found)
            if found.name != "CurrencyIsoCode" or org.currency_active(value)
        ],
        "polymorphicForeignKey": len(found.targets) > 1,
        "precision": found.precision,
        "queryByDistance": False,
        "referenceTargetField": None,
        "referenceTo": list(found.targets),
        "relationshipName": found.relation,
        "relationshipOrder": None,
        "restrictedDelete": found.on_delete == "restrict",
        "restrictedPicklist": found.restricted,
        "scale": found.scale,
        "searchPrefilterable": found.type == "reference",
        "soapType": _SOAP_TYPES.get(found.type, "xsd:string"),
        "sortable": found.compared,
        "type": found.type,
        "unique": found.unique,
        "updateable": found.updateable,
        "writeRequiresMasterRead": False,
    }
