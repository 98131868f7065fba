"""Answers, paths and scopes against the vendor's own tables, where those lie beside us."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from visma_support import Visma

from tieout_sandbox.visma_eaccounting import schemas, schemas_extras
from tieout_sandbox.visma_eaccounting.fields import Schema
from tieout_sandbox.visma_eaccounting.routes import _routes

pytestmark = pytest.mark.shared

DATE = re.compile(r"\d{4}-\d{2}-\d{2}(T00:00:00Z|T\d{2}:\d{2}:\d{2}\.\d{7}Z)?")
GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Properties that the vendor has since the table was made, or that stand in its text only.
NEWER = {
    "OrderApi": {"TermsOfPaymentId", "CreatedFromQuoteId"},
    "CustomerInvoiceDraftApi": set(),
}
# Where the page of facts is newer than the table: length of text, or required or not.
LONGER = {
    ("OrderApi", "DeliveryCustomerName"),
    ("OrderApi", "DeliveryMethodCode"),
    ("NoteApi", "Text"),
}


@pytest.fixture(scope="module")
def spec(shared_dir: Path) -> dict[str, Any]:
    text = (shared_dir / "specs" / "visma-eaccounting" / "api-v2-subset.json").read_text()
    found: dict[str, Any] = json.loads(text)
    return found


@pytest.fixture(scope="module")
def visma() -> Visma:
    """A company with something in every table."""
    visma = Visma(size=6, rate_limits=False).sign_in()
    customer = visma.customer(
        VatNumber="SE559999981901",
        EmailAddress="a@b",
        CustomerLabels=[{"Name": "x"}],
    )["Id"]
    text = {"IsTextRow": True, "Text": "t", "ReversedConstructionServicesVatFree": False}
    visma.draft(customer, visma.row(), text, OurReference="x", InvoiceDate="2026-12-24")
    made = visma.booked(customer, visma.row(), text, DeliveryDate="2026-11-20")
    visma.act("pay", invoice=made["InvoiceNumber"], amount=25)
    visma.act("credit", invoice=made["InvoiceNumber"], amount=25)
    visma.act("pay", invoice=made["InvoiceNumber"], amount=500)
    visma.act("reminder_fee", invoice=made["InvoiceNumber"])
    visma.good("POST", "notes", {"Text": "n", "AttachedTo": customer, "DocumentType": 9})
    link = {"ResourceId": customer, "ResourceType": 1, "Href": "h"}
    names = {"PartnerCompanyName": "p", "PartnerSystemName": "s"}
    visma.good("POST", "partnerresourcelinks", link | names)
    visma.good(
        "POST",
        "salesdocumentattachments/customerinvoice",
        {
            "ContentType": "application/pdf",
            "FileName": "f",
            "DockumentId": made["Id"],
            "Data": "AA==",
        },
    )
    row = {
        "LineNumber": 1,
        "IsTextRow": False,
        "IsWorkCost": False,
        "EligibleForReverseChargeOnVat": False,
        "ArticleId": visma.article("KONS-1"),
        "Quantity": 1,
    }
    visma.good(
        "POST",
        "orders",
        {
            "CustomerId": customer,
            "CurrencyCode": "SEK",
            "OrderDate": "2026-11-24",
            "Status": 2,
            "Rows": [row],
        },
    )
    return visma


def shape(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)


def listed(spec: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (operation["path"], operation["returns"].removeprefix("Paginated "))
        for operation in spec["operations"]
        if operation["method"] == "GET"
        and operation.get("returns", "").startswith("Paginated ")
        and "{" not in operation["path"]
    ]


def check(spec: dict[str, Any], model: str, record: dict[str, Any], where: str) -> None:
    fields = spec["models"][model]
    names = set(fields) | NEWER.get(model, set())
    assert set(record) <= names, (where, set(record) - names)
    missing = {name for name in fields if name not in record}
    assert not missing, (where, missing)
    for name, value in record.items():
        if value is not None and name in fields:
            check_value(spec, fields[name], value, f"{where}.{name}")


def check_value(spec: dict[str, Any], field: dict[str, Any], value: Any, where: str) -> None:
    if "array_of" in field:
        assert isinstance(value, list), where
        for item in value:
            if field["array_of"] in spec["models"] and not where.endswith("CustomerLabels"):
                check(spec, field["array_of"], item, where)
        return
    if "ref" in field:
        if field["ref"] in ("TermsOfPaymentApi",):
            check(spec, field["ref"], value, where)
        return
    match field["type"]:
        case "string":
            assert isinstance(value, str), (where, value)
            assert len(value) <= field.get("maxLength", len(value)), (where, value)
        case "uuid":
            assert GUID.fullmatch(value), (where, value)
        case "boolean":
            assert isinstance(value, bool), (where, value)
        case "integer":
            assert isinstance(value, int), (where, value)
            assert not isinstance(value, bool), where
            assert str(value) in field.get("enum", {str(value): ""}), (where, value)
        case "number":
            assert isinstance(value, (int, Decimal)), (where, value)
            assert not isinstance(value, bool), where
        case "date-time":
            assert DATE.fullmatch(value), (where, value)
        case _:
            assert isinstance(value, list), (where, field)


def test_every_listed_answer_has_the_models_properties(spec: dict[str, Any], visma: Visma) -> None:
    ours = {route.template for route in _routes() if route.method == "GET"}
    checked = set()
    for path, model in listed(spec):
        if path not in ours or model not in spec["models"]:
            continue
        for record in visma.get(f"{path.removeprefix('/v2/')}?$pagesize=1000")["Data"]:
            check(spec, model, record, path)
            checked.add(path)
    assert {
        "/v2/customers",
        "/v2/articles",
        "/v2/customerinvoicedrafts",
        "/v2/customerinvoices",
        "/v2/orders",
        "/v2/customerledgeritems",
        "/v2/vouchers",
        "/v2/bankaccounts",
        "/v2/fiscalyears",
        "/v2/projects",
        "/v2/costcenters",
        "/v2/termsofpayments",
        "/v2/units",
        "/v2/vatcodes",
        "/v2/vatcodesrates",
        "/v2/articleaccountcodings",
        "/v2/salesdocumentattachments",
        "/v2/partnerresourcelinks",
    } <= checked


def test_company_settings_and_notes(spec: dict[str, Any], visma: Visma) -> None:
    settings = visma.get("companysettings")
    assert set(settings) == set(spec["models"]["CompanySettingsApi"])
    check(spec, "CompanySettingsApi", settings, "companysettings")
    note = visma.get("notes")["Data"][0]
    check(spec, "NoteApi", visma.get(f"notes/{note['Id']}"), "notes")
    balance = visma.get("accountbalances/1510/2026-12-31")
    check(spec, "AccountBalanceAPI", balance, "accountbalances")
    meta = visma.get("units")["Meta"]
    check(spec, "CommonPaginationMetadata", meta, "Meta")


def test_error_bodies(spec: dict[str, Any], visma: Visma) -> None:
    body = visma.call("POST", "customers", {"Name": "x" * 51}).json()
    check(spec, "CommonExtendedBadRequest", body, "error")
    assert body["Errors"]


def test_paths_and_methods_are_the_vendors(spec: dict[str, Any]) -> None:
    theirs = {(one["method"], shape(one["path"])) for one in spec["operations"]}
    # Known from the vendor's text, but left out of the table.
    theirs |= {
        ("GET", "/v2/messagethreads"),
        ("GET", "/v2/messagethreads/{}"),
        ("POST", "/v2/messagethreads"),
    }
    ours = {(route.method, shape(route.template)) for route in _routes()}
    assert ours - theirs == set()


def test_scopes_are_the_vendors(spec: dict[str, Any]) -> None:
    theirs = {
        (one["method"], shape(one["path"])): set(one["scopes"])
        for one in spec["operations"]
        if one.get("scopes")
    }
    # Listed with the read-only scope although it writes: not to be relied on.
    doubtful = {"ea:sales_readonly"}
    for route in _routes():
        expected = theirs.get((route.method, shape(route.template)))
        if expected is None:
            continue
        if route.method != "GET" and "notes" not in route.template:
            expected = expected - doubtful
        assert route.scopes == expected, (route.method, route.template)


@pytest.mark.parametrize(
    "schema",
    [
        value
        for module in (schemas, schemas_extras)
        for value in vars(module).values()
        if isinstance(value, Schema)
    ],
    ids=lambda schema: schema.name,
)
def test_lengths_and_requirements(spec: dict[str, Any], schema: Schema) -> None:
    fields = spec["models"].get(schema.name)
    if fields is None:
        pytest.skip(f"{schema.name} is not in the table")
    known = NEWER.get(schema.name, set())
    assert set(schema.fields) - known <= set(fields), set(schema.fields) - set(fields)
    for name, field in schema.fields.items():
        if name in known or field.read_only:
            continue
        theirs = fields[name]
        if field.kind == "s" and theirs.get("maxLength") and (schema.name, name) not in LONGER:
            assert field.size == theirs["maxLength"], name
        if theirs.get("required") and name != "Rows":
            assert field.required, name
        if theirs.get("enum") and field.allowed is not None:
            assert {str(one) for one in field.allowed} == set(theirs["enum"]), name
