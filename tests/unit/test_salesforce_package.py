"""The Salesforce package: valid by the platform's rules, in step with what the connector writes."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from collections import Counter
from dataclasses import fields
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tieout.connectors.salesforce import metadata_package
from tieout.connectors.salesforce.settings import (
    _OUR_FIELDS,
    ACCOUNT_STANDING,
    DEAL_STANDING,
)
from tieout.core.errors import ConfigurationError
from tieout.core.model import Document, LineKind
from tieout.core.status import Status

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "salesforce" / "force-app" / "main" / "default"
NS = {"m": "http://soap.sforce.com/2006/04/metadata"}
STANDARD = ("Account", "Contact", "Opportunity", "Order", "Product2", "Quote")
CUSTOM = ("Tieout_Invoice__c", "Tieout_Invoice_Line__c")
SETS = ("Tieout_Admin", "Tieout_Integration", "Tieout_Reader")


def _text(element: ElementTree.Element, tag: str) -> str:
    return element.findtext(f"m:{tag}", "", NS)


def _fields() -> dict[str, ElementTree.Element]:
    """Every field of the source as `Object.Field`."""
    return {
        f"{path.parents[1].name}.{path.name.split('.')[0]}": ElementTree.parse(path).getroot()
        for path in sorted((SOURCE / "objects").glob("*/fields/*.xml"))
    }


def _permissions(name: str) -> ElementTree.Element:
    path = SOURCE / "permissionsets" / f"{name}.permissionset-meta.xml"
    return ElementTree.parse(path).getroot()


FIELDS = _fields()


# --- the source ----------------------------------------------------------------------------------


def test_every_file_of_the_source_is_well_formed_and_of_the_metadata_namespace() -> None:
    paths = list(SOURCE.rglob("*.xml"))
    assert len(paths) > 120
    for path in paths:
        root = ElementTree.parse(path).getroot()
        assert root.tag.startswith(f"{{{NS['m']}}}"), path
    project = json.loads((ROOT / "salesforce" / "sfdx-project.json").read_text())
    assert float(project["sourceApiVersion"]) >= 62
    assert project["sourceApiVersion"] == metadata_package.API_VERSION


def test_it_has_the_objects_it_promises() -> None:
    owners = Counter(place.split(".")[0] for place in FIELDS)
    assert set(owners) == {*STANDARD, *CUSTOM}
    assert owners["Opportunity"] == owners["Order"] == owners["Quote"] == 21


@pytest.mark.parametrize("place", sorted(FIELDS))
def test_a_field_follows_the_rules_of_the_platform(place: str) -> None:
    field, name = FIELDS[place], place.split(".")[1]
    assert _text(field, "fullName") == name
    assert name.endswith("__c")
    assert len(name.removesuffix("__c")) <= 40
    assert "__" not in name.removesuffix("__c")
    assert 0 < len(_text(field, "label")) <= 40
    assert 0 < len(_text(field, "inlineHelpText")) <= 510
    kind = _text(field, "type")
    needed = {
        "Text": ("length",),
        "LongTextArea": ("length", "visibleLines"),
        "Checkbox": ("defaultValue",),
        "Currency": ("precision", "scale"),
        "Number": ("precision", "scale"),
        "Percent": ("precision", "scale"),
        "Lookup": ("referenceTo", "relationshipName", "deleteConstraint"),
        "MasterDetail": ("referenceTo", "relationshipName", "relationshipOrder"),
        "Date": (),
        "DateTime": (),
        "Picklist": (),
        "TextArea": (),
        "Url": (),
    }[kind]
    assert [tag for tag in needed if not _text(field, tag)] == []
    if kind == "Text":
        assert 1 <= int(_text(field, "length")) <= 255
    if kind in ("Currency", "Number", "Percent"):
        assert 0 <= int(_text(field, "scale")) <= int(_text(field, "precision")) <= 18
    if kind == "MasterDetail":
        assert field.find("m:required", NS) is None
    if _text(field, "externalId") == "true":
        assert _text(field, "unique") == "true"
        assert kind == "Text"


def test_relations_of_one_parent_have_different_names() -> None:
    names = Counter(
        (_text(field, "referenceTo"), _text(field, "relationshipName"))
        for field in FIELDS.values()
        if _text(field, "referenceTo")
    )
    assert len(names) == 5
    assert set(names.values()) == {1}


def test_each_object_that_is_upserted_has_a_key() -> None:
    keys = {place for place, field in FIELDS.items() if _text(field, "externalId") == "true"}
    assert {f"{name}.Erp_Id__c" for name in STANDARD} <= keys
    assert {f"{name}.External_Id__c" for name in CUSTOM} <= keys
    assert "Product2.Erp_Item_Number__c" in keys


def test_an_invoice_has_the_status_words_of_the_core() -> None:
    values = [
        _text(value, "fullName")
        for value in FIELDS["Tieout_Invoice__c.Status__c"].iter(f"{{{NS['m']}}}value")
    ]
    assert sorted(values) == sorted(status.value for status in Status)


def test_an_invoice_shows_what_the_books_tell_of_a_document() -> None:
    """The fields in which a document of the core is shown, one by one."""
    places = {
        "kind": "Kind__c",
        "number": "Number__c",
        "raw_status": "Vendor_Status__c",
        "booked": "Booked__c",
        "customer": "Account__c",
        "issue_date": "Issue_Date__c",
        "due_date": "Due_Date__c",
        "last_payment_on": "Last_Payment__c",
        "currency": "Erp_Currency__c",
        "totals": "Total__c",
        "paid": "Paid__c",
        "credited": "Credited__c",
        "sale": "Sale__c",
        "url": "Erp_Url__c",
    }
    assert set(places) <= {entry.name for entry in fields(Document)}
    assert {f"Tieout_Invoice__c.{name}" for name in places.values()} <= set(FIELDS)
    kinds = [
        _text(value, "fullName")
        for value in FIELDS["Tieout_Invoice_Line__c.Kind__c"].iter(f"{{{NS['m']}}}value")
    ]
    assert sorted(kinds) == sorted(kind.value for kind in LineKind)


def test_it_has_every_field_that_the_connector_writes_by_default() -> None:
    for name in ("Opportunity", "Order", "Quote"):
        assert {f"{name}.{field}" for field in DEAL_STANDING.values()} <= set(FIELDS)
    assert {f"Account.{field}" for field in ACCOUNT_STANDING.values()} <= set(FIELDS)
    names = {place.split(".")[1] for place in FIELDS}
    assert names >= _OUR_FIELDS
    assert metadata_package.field_names() == set(FIELDS)


# --- permission sets -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", SETS)
def test_a_permission_set_names_only_what_there_is(name: str) -> None:
    root = _permissions(name)
    assert 0 < len(_text(root, "label")) <= 80
    rights = [
        (_text(each, "field"), _text(each, "readable"), _text(each, "editable"))
        for each in root.findall("m:fieldPermissions", NS)
    ]
    places = [place for place, _, _ in rights]
    assert len(places) == len(set(places))
    assert set(places) <= set(FIELDS)
    # The platform refuses rights on fields that are always there.
    assert [p for p in places if _text(FIELDS[p], "type") == "MasterDetail"] == []
    assert [each for each in rights if each[2] == "true" and each[1] != "true"] == []
    for each in root.findall("m:objectPermissions", NS):
        for given, needed in (
            ("allowCreate", "allowRead"),
            ("allowEdit", "allowRead"),
            ("allowDelete", "allowEdit"),
            ("viewAllRecords", "allowRead"),
            ("modifyAllRecords", "allowDelete"),
            ("modifyAllRecords", "viewAllRecords"),
        ):
            if _text(each, given) == "true":
                assert _text(each, needed) == "true", _text(each, "object")
        # Products and price books have no sharing, so no View All either.
        if _text(each, "object") in ("Product2", "Pricebook2"):
            assert _text(each, "viewAllRecords") == "false"


def _readable(name: str) -> set[str]:
    return {
        _text(each, "field")
        for each in _permissions(name).findall("m:fieldPermissions", NS)
        if _text(each, "readable") == "true"
    }


def _editable(name: str) -> set[str]:
    return {
        _text(each, "field")
        for each in _permissions(name).findall("m:fieldPermissions", NS)
        if _text(each, "editable") == "true"
    }


def test_readers_see_everything_but_cost_and_change_nothing() -> None:
    always = {place for place in FIELDS if _text(FIELDS[place], "type") == "MasterDetail"}
    assert _readable("Tieout_Admin") == set(FIELDS) - always
    hidden = set(FIELDS) - always - _readable("Tieout_Reader")
    assert hidden == {"Product2.Erp_Cost_Price__c"}
    assert _editable("Tieout_Reader") == set()
    for each in _permissions("Tieout_Reader").findall("m:objectPermissions", NS):
        given = {_text(each, tag) for tag in ("allowCreate", "allowEdit", "allowDelete")}
        assert given == {"false"}, _text(each, "object")


def test_the_integration_user_deletes_no_record_of_people_and_sees_all_rows() -> None:
    root = _permissions("Tieout_Integration")
    by_object = {_text(each, "object"): each for each in root.findall("m:objectPermissions", NS)}
    assert {name for name, each in by_object.items() if _text(each, "allowDelete") == "true"} == {
        "Tieout_Invoice_Line__c"
    }
    assert not [n for n, each in by_object.items() if _text(each, "modifyAllRecords") == "true"]
    for name in ("Account", "Contact", "Opportunity", "Order", "Quote"):
        assert _text(by_object[name], "viewAllRecords") == "true", name
    given = [_text(each, "name") for each in root.findall("m:userPermissions", NS)]
    assert given == ["ApiEnabled"]
    always = {place for place in FIELDS if _text(FIELDS[place], "type") == "MasterDetail"}
    assert set(FIELDS) - always - _editable("Tieout_Integration") == {"Contact.Billing_Contact__c"}


# --- the zip -------------------------------------------------------------------------------------


def test_the_same_source_gives_the_same_bytes(tmp_path: Path) -> None:
    first = metadata_package.build().zipped()
    copy = tmp_path / "elsewhere"
    shutil.copytree(ROOT / "salesforce", copy)
    for path in sorted(copy.rglob("*.xml"), reverse=True):
        path.touch()
    assert metadata_package.build(copy).zipped() == first
    script = (
        "import hashlib; from tieout.connectors.salesforce.metadata_package import build;"
        "print(hashlib.sha256(build().zipped()).hexdigest())"
    )
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == hashlib.sha256(first).hexdigest()


def test_the_manifest_names_every_component_of_the_zip() -> None:
    built = metadata_package.build()
    files = dict(built.files)
    root = ElementTree.fromstring(files["package.xml"])
    named = {
        (_text(types, "name"), member.text)
        for types in root.findall("m:types", NS)
        for member in types.findall("m:members", NS)
    }
    assert named == set(built.components)
    assert metadata_package.describe_zip(built.zipped()) == built.components
    assert {f"objects/{name}.object" for name in (*STANDARD, *CUSTOM)} <= set(files)
    for name in (*STANDARD, *CUSTOM):
        found = ElementTree.fromstring(files[f"objects/{name}.object"])
        inside = [_text(field, "fullName") for field in found.findall("m:fields", NS)]
        assert sorted(f"{name}.{field}" for field in inside) == sorted(
            place for place in FIELDS if place.startswith(f"{name}.")
        )
        # Elements of one kind stand together: the vendor refuses them scattered.
        tags = [child.tag for child in found]
        assert tags == sorted(tags)


def test_nothing_of_the_source_is_lost_on_the_way() -> None:
    files = dict(metadata_package.build().files)

    def leaves(element: ElementTree.Element) -> Counter[tuple[str, str]]:
        return Counter(
            (each.tag, (each.text or "").strip()) for each in element.iter() if len(each) == 0
        )

    for name in SETS:
        packed = ElementTree.fromstring(files[f"permissionsets/{name}.permissionset"])
        assert leaves(packed) == leaves(_permissions(name))
    whole = leaves(ElementTree.fromstring(files["objects/Tieout_Invoice__c.object"]))
    parts: Counter[tuple[str, str]] = Counter()
    for path in (SOURCE / "objects" / "Tieout_Invoice__c").rglob("*.xml"):
        parts += leaves(ElementTree.parse(path).getroot())
    assert whole == parts


def test_an_org_without_orders_and_quotes_gets_nothing_that_needs_them() -> None:
    built = metadata_package.build(without=("Order", "Quote"))
    text = b"".join(content for _, content in built.files).decode()
    assert "<object>Order<" not in text
    assert "Order__c<" not in text
    assert "Order.Erp" not in text
    assert "Quote" not in text
    assert built.without == ("Order", "Quote")
    assert ("CustomField", "Opportunity.Erp_Order_Number__c") in built.components


@pytest.mark.parametrize("name", ["objects/Account/fields/Erp_Id__c.field-meta.xml", SETS[0]])
def test_a_broken_source_file_is_named_with_its_line(tmp_path: Path, name: str) -> None:
    copy = tmp_path / "broken"
    shutil.copytree(ROOT / "salesforce", copy)
    inside = copy / "force-app" / "main" / "default"
    if "/" not in name:
        name = f"permissionsets/{name}.permissionset-meta.xml"
    path = inside / name
    path.write_text(path.read_text().replace("</label>", "</lable>", 1))
    with pytest.raises(ConfigurationError, match=rf"{path.name}.*line \d+") as raised:
        metadata_package.build(copy)
    assert raised.value.code == "package_broken"


@pytest.mark.parametrize("data", [b"", b"not a zip", b"PK\x03\x04 cut off"])
def test_what_is_no_zip_is_said(data: bytes) -> None:
    with pytest.raises(ConfigurationError, match="not a zip"):
        metadata_package.describe_zip(data)


def test_an_installed_program_has_the_source(tmp_path: Path) -> None:
    """The wheel holds the source, and what it builds is what the checkout builds."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    installed = tmp_path / "site"
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(installed)
    script = (
        "import hashlib; from tieout.connectors.salesforce import metadata_package as p;"
        "print(p.source_folder(), hashlib.sha256(p.build().zipped()).hexdigest())"
    )
    told = subprocess.run(
        [sys.executable, "-P", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(installed), "PATH": ""},
    )
    place, sha256 = told.stdout.split()
    assert Path(place) == installed / "tieout" / "salesforce_package"
    assert sha256 == hashlib.sha256(metadata_package.build().zipped()).hexdigest()


def test_the_reference_page_has_every_field_with_its_label() -> None:
    page = (ROOT / "docs" / "reference" / "salesforce-package.md").read_text(encoding="utf-8")
    heads = {"Opportunity": "Opportunity, Order and Quote", "Order": "", "Quote": ""}
    for place, field in FIELDS.items():
        owner, name = place.split(".")
        head = heads.get(owner, owner)
        if head:
            title = f"## {head}\n" if owner.endswith("__c") else f"## On {head}\n"
            section = page.partition(title)[2].partition("\n## ")[0]
            assert f"| `{name}` | {_text(field, 'label')} |" in section, place
