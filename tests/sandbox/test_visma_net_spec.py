"""Answers and paths against the vendor's own tables, where those lie beside us."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from test_visma_net_ledger import random_step
from visma_net_support import D, VismaNet, line, wrap

from tieout_sandbox.visma_net.routes import routes
from tieout_sandbox.visma_net.writes import shapes

pytestmark = pytest.mark.shared

STAMP = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,3})?(Z|[+-]\d{2}:\d{2})?$"
PLAIN = {
    "string": {"type": "string"},
    "boolean": {"type": "boolean"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "date-time": {"type": "string", "pattern": STAMP},
    "array": {"type": "array"},
    "object": {"type": "object"},
}
# Metadata stands in the vendor's answers, but not in its field tables.
METADATA = {"type": "object", "required": ["totalCount", "maxPageSize"]}
ENVELOPES = {"/v1/creditTerm", "/v1/discount", "/v1/salesperson"}


_VALIDATORS: dict[tuple[int, str], Draft202012Validator] = {}


def load(shared_dir: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((shared_dir / "specs" / "visma-net" / name).read_text())
    return found


@pytest.fixture(scope="module")
def erp(shared_dir: Path) -> dict[str, Any]:
    return load(shared_dir, "erp-service-api-subset.json")


@pytest.fixture(scope="module")
def v3(shared_dir: Path) -> dict[str, Any]:
    return load(shared_dir, "salesorder-v3-subset.json")


def erp_schema(spec: dict[str, Any]) -> dict[str, Any]:
    """The field tables as one JSON schema; nothing beside the fields is allowed."""
    made = {}
    for name, fields in spec["definitions"].items():
        properties: dict[str, Any] = {"metadata": METADATA}
        for field, about in fields.items():
            if about.get("ref") in spec["definitions"]:
                properties[field] = {"$ref": f"#/$defs/{about['ref']}"}
            elif about.get("array_of"):
                of = about["array_of"]
                known = of in spec["definitions"]
                items = {"$ref": f"#/$defs/{of}"} if known else PLAIN.get(of, {})
                properties[field] = {"type": "array", "items": items}
            elif about.get("enum"):
                properties[field] = {"enum": about["enum"]}
            else:
                properties[field] = PLAIN.get(about.get("type", "object"), {})
        made[name] = {"type": "object", "additionalProperties": False, "properties": properties}
    return made


def v3_schema(spec: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}

    def kind(text: str) -> dict[str, Any]:
        if text.startswith("Array<"):
            return {"type": "array", "items": kind(text[6:-1])}
        if text.startswith("{"):
            inner = text.partition("]:")[2].strip(" }")
            return {"type": "object", "additionalProperties": kind(inner)}
        if text in spec["definitions"]:
            return {"$ref": f"#/$defs/{text}"}
        return PLAIN.get(text, {})

    for name, fields in spec["definitions"].items():
        properties = {}
        for field, about in fields.items():
            one = dict(kind(about["type"]))
            if "maxLength" in about:
                one["maxLength"] = about["maxLength"]
            properties[field] = {"anyOf": [one, {"type": "null"}]}
        if name == "SalesOrderListDto":  # parts that newer builds expand in lists
            properties |= {part: {} for part in ("billing", "note", "shipping")}
        made[name] = {"type": "object", "additionalProperties": False, "properties": properties}
    return made


def check(defs: dict[str, Any], name: str, value: Any) -> None:
    made = _VALIDATORS.get((id(defs), name))
    if made is None:
        made = Draft202012Validator({"$defs": defs, "$ref": f"#/$defs/{name}"})
        _VALIDATORS[(id(defs), name)] = made
    # Decimals are numbers to a reader of JSON.
    plain = json.loads(json.dumps(value, default=lambda one: float(one)))
    error = best_match(made.iter_errors(plain))
    assert error is None, f"{name}: {error.json_path}: {error.message}"


def shape(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path).lower()


@pytest.fixture(scope="module")
def erp_defs(erp: dict[str, Any]) -> dict[str, Any]:
    return erp_schema(erp)


@pytest.fixture(scope="module")
def net() -> VismaNet:
    """A company with something in every table."""
    net = VismaNet(size=5).sign_in()
    net.assume("order_sync_seconds", 0)
    key = [wrap(attributeId="CRMKEY", attributeValue="k-1")]
    number = net.customer(
        attributeLines=key,
        corporateId="987654321",
        parentRecordNumber="10000",
        priceClassId="RETAIL",
        mainContact=wrap(name="A", email="a@b", phone1="1"),
        invoiceAddress=wrap(addressLine1="x", countryId="SE", postalCode="111 22", county="AB"),
    )
    contact = net.create("contact", wrap(lastName="Ek", firstName="Sara", businessAccount=number))
    net.create("location", wrap(baccountId=number, locationId="DEPOT", gln="7080000000003"))
    net.create(
        "customerSalesPrice",
        wrap(inventoryId="CONS", price=D("900.00"), effectiveDate="2026-01-01"),
    )
    body = net.body(
        number,
        line(taskId="1", salesperson="3", note="n", discountPercent=D("12.5")),
        line("LIC", taskId="2", uom="ESKE"),
        line(None, description="free", accountNumber="3000", taskId="1", startDate="2026-11-01"),
        project="P1000",
        contact=int(contact),
        externalReference="t-1",
        customerRefNumber="PO",
        note="note",
        startDate="2026-11-01",
        billingAddress=wrap(overrideAddress=True, addressLine1="y", countryId="NO"),
        invoiceContact=wrap(overrideContact=True, name="z"),
    )
    invoice = net.create("/v2/customerinvoice", body)
    file = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.pdf"\r\n\r\nx\r\n--b--'
    net.good(
        "POST",
        f"customerinvoice/{invoice}/attachment",
        file,
        **{"Content-Type": "multipart/form-data; boundary=b"},
    )
    net.act("release", document=invoice)
    net.act("pay", document=invoice, amount=50)
    net.act("credit", document=invoice, net=10)
    net.act("overdue_charge", document=invoice)
    net.act("write_off", document=invoice, amount=1)
    debit = net.body(number)
    debit["lines"] = debit.pop("invoiceLines")
    net.create("customerDebitNote", debit)
    order = {
        "type": "SO",
        "customer": {"id": number, "order": "PO", "refNo": "r"},
        "date": "2026-11-25T00:00:00+01:00",
        "projectId": "P1000",
        "salesPersonId": "3",
        "note": "n",
        "originalOrderType": "QT",
        "originalOrderId": "000001",
        "billing": {"address": {"line1": "a", "countryId": "NO"}, "contact": {"name": "b"}},
        "shipping": {"priority": 1, "scheduledDate": "2026-12-01T00:00:00+01:00"},
        "freight": {"cost": 5, "premiumAmount": 10, "taxCategoryId": "3"},
        "financialInformation": {"invoiceDate": "2026-11-26T00:00:00+01:00"},
        "paymentSettings": {"paymentReference": "p"},
        "ownerId": "1",
        "orderLines": [
            {"inventoryId": "PUMP", "quantity": 2, "projectTaskId": "1", "salesPersonId": "3"},
            {"inventoryId": "CONS", "quantity": 1, "projectTaskId": "1", "discountAmount": 5},
        ],
    }
    net.good("POST", "/api/v3/SalesOrders", order)
    net.act("ship_order", order="000223")
    net.act("invoice_order", order="000223")
    return net


def test_every_answer_of_the_erp_host(
    erp: dict[str, Any], erp_defs: dict[str, Any], net: VismaNet
) -> None:
    defs = erp_defs
    ours = {shape(route.template) for route in routes() if route.method == "GET"}
    checked = set()
    for operation in erp["operations"]:
        path, returns = operation["path"], operation.get("returns")
        if operation["method"] != "GET" or not returns or "{" in path or shape(path) not in ours:
            continue
        value = net.get(f"{path}?pageNumber=1&pageSize=200&expandApplications=true"
                        "&expandTaxDetails=true&expandAttachments=true&expandInvoiceAddress=true"
                        "&expandBranches=true&expandCurrency=true&expandVatZone=true"
                        "&expandLedger=true&expandAddress=true&expandAccountInformation=true"
                        "&expandPaymentMethods=true&addCostPriceStatistics=true"
                        if path != "/v1/contact" else path)  # fmt: skip
        if returns.startswith("["):
            rows = value["records"] if path in ENVELOPES else value
            for row in rows:
                check(defs, returns[1:-1], row)
            if rows:
                checked.add(path)
        elif returns in defs:
            # The table says one record, the vendor's text an array.
            check(defs, returns, value)
            checked.add(path)
    assert {
        "/v1/customer", "/v1/customerinvoice", "/v1/customerCreditNote", "/v1/customerDebitNote",
        "/v1/customerdocument", "/v1/customerPayment", "/v1/inventory", "/v1/customerSalesPrice",
        "/v1/contact", "/v1/location", "/v1/vat", "/v1/vatCategory", "/v1/vatZone",
        "/v1/creditTerm",
        "/v1/currency", "/v2/currencyrate", "/v1/subaccount", "/v1/project", "/v1/projecttask",
        "/v1/financialPeriod", "/v1/branch", "/v1/organization", "/v1/numberSequence",
        "/v1/account", "/v1/salesperson", "/v1/discount", "/v1/shipment", "/v1/salesordertype",
        "/v1/customer/balance", "/v2/customer/balance", "/v1/customer/customerClass",
        "/v1/inventory/itemClass", "/v1/unitofmeasure", "/v1/cashaccount", "/v1/paymentmethod",
        "/v1/customerpaymentmethod", "/v1/department", "/v1/country",
    } <= checked  # fmt: skip


def test_single_reads_and_actions(erp_defs: dict[str, Any], net: VismaNet) -> None:
    defs = erp_defs
    invoice = net.find("customerinvoice", externalReference="t-1")[0]["referenceNumber"]
    for path, name in (
        (f"customerinvoice/{invoice}", "CustomerInvoiceDto"),
        ("customerCreditNote/200001", "CustomerCreditNoteDto"),
        ("customerDebitNote/300001", "CustomerDebitNoteDto"),
        ("customer/10005", "CustomerDto"),
        ("customer/10005/balance", "CustomerBalanceDto"),
        ("customer/10005/note", "NoteDto"),
        ("inventory/PUMP", "InventoryDto"),
        ("dimension/SUBACCOUNT", "DtoDimension"),
        ("dimension/SUBACCOUNT/1", "DtoSegment"),
        ("dimension/SUBACCOUNT/1/100", "DtoSegmentValue"),
        ("project/P1000", "ProjectDto"),
        ("vat/3", "VatInformationDto"),
        ("shipment/000701", "ShipmentDto"),
        ("organization/1?expandBranches=true", "ExtendedOrganizationDto"),
    ):
        check(defs, name, net.get(path))
    number = net.draft("10005")
    answer = net.good("POST", f"customerinvoice/{number}/action/release")
    check(defs, "ReleaseInvoiceActionResultDto", answer.json())
    job = net.call("GET", "customer", **{"erp-api-background": "none"})
    state = net.get(f"background/{job.json()['id']}")
    # Here the vendor writes null for what is not there yet.
    known = {name: value for name, value in state.items() if value is not None}
    check(defs, "BackgroundRequestStateDto", known)
    note = net.good("POST", f"customerinvoice/{invoice}/action/reverse", {"returnCreditNote": True})
    check(defs, "CustomerCreditNoteDto", note.json())
    payment = net.get("customerPayment")[0]
    check(defs, "PaymentDto", net.get(f"customerPayment/{payment['refNbr']}"))


def test_nulls_written_are_fields_too(erp: dict[str, Any], net: VismaNet) -> None:
    net.assume("null_fields", "written")
    row = net.get("customerinvoice/100245")
    assert set(row) <= set(erp["definitions"]["CustomerInvoiceDto"]) | {"metadata"}
    assert None in row.values()
    net.assume("null_fields", "omitted")


def test_every_answer_of_the_order_service(v3: dict[str, Any], net: VismaNet) -> None:
    defs = v3_schema(v3)
    check(defs, "SalesOrderListDtoPagedResult", net.get("/api/v3/SalesOrders"))
    check(defs, "SalesOrderListDtoPagedResult", net.get("/api/v3/SalesOrders/SO?expand=billing"))
    one = "/api/v3/SalesOrders/SO/000223"
    check(defs, "SalesOrderDto", net.get(one))
    full = net.get(f"{one}?expand=all")
    check(defs, "SalesOrderDto", full)
    assert {"billing", "shipping", "note", "freight", "origin", "customer", "owner"} <= set(full)
    check(defs, "SalesOrderLineDtoPagedResult", net.get(f"{one}/lines"))
    check(defs, "SalesOrderLineDto", net.get(f"{one}/lines/1"))
    for part, name in (
        ("tax", "SalesOrderTaxDto"),
        ("shipment", "SalesOrderShipmentDto"),
        ("discounts", "SalesOrderDiscountDto"),
        ("commissions", "SalesOrderCommissionDto"),
    ):
        for row in net.get(f"{one}/{part}"):
            check(defs, name, row)
    check(defs, "SalesOrderRotRutDto", net.get(f"{one}/rotrut"))
    check(defs, "CustomerDtoPagedResult", net.get("/api/v3/Customers?filter=fjord"))
    for row in net.get("/api/v3/Customers/10005/locations"):
        check(defs, "CustomerLocationItemDto", row)
    check(defs, "InventoryItemAvailabilityDtoPagedResult", net.get("/api/v3/Inventory"))
    bad = net.call("POST", "/api/v3/SalesOrders", {"type": "SO", "customer": {"id": "nobody"}})
    check(defs, "SalesOrderValidationProblemDetails", bad.json())
    gone = net.call("GET", "/api/v3/SalesOrders/SO/999999")
    check(defs, "ProblemDetails", gone.json())


def test_answers_after_whatever_people_did(erp_defs: dict[str, Any]) -> None:
    net, chance = VismaNet().sign_in(), Random(11)
    customers = [net.customer(), net.customer(customerClassId="2", country="DE", override=True)]
    for _ in range(60):
        random_step(net, chance, customers)
    note = net.act("credit", document=net.booked(customers[0]), match=False)
    net.act("refund", credit=note["referenceNumber"])
    expand = "expandApplications=true&expandTaxDetails=true&expandInvoiceAddress=true"
    seen = set()
    for path, name in (
        ("customerinvoice", "CustomerInvoiceDto"),
        ("customerCreditNote", "CustomerCreditNoteDto"),
        ("customerPayment", "PaymentDto"),
        ("customerdocument", "CustomerDocumentDto"),
    ):
        for row in net.get(f"{path}?pageNumber=1&pageSize=500&{expand}"):
            check(erp_defs, name, row)
            seen.add(row.get("documentType") or row["type"])
    assert {"Invoice", "CreditNote", "Payment", "VoidPayment", "SmallBalanceWo", "Refund"} <= seen


def test_paths_and_methods_are_the_vendors(erp: dict[str, Any]) -> None:
    theirs = {(one["method"], shape(one["path"])) for one in erp["operations"]}
    ours = {(route.method, shape(route.template)) for route in routes()}
    assert ours - theirs == set()


def test_bodies_are_the_vendors(erp: dict[str, Any], v3: dict[str, Any]) -> None:
    kinds = {"s": "string", "b": "boolean", "i": "integer", "n": "number", "d": "date-time"}
    for name, fields in shapes("erp_writes.txt").items():
        theirs = erp["definitions"][name]
        assert set(fields) == set(theirs), name
        for field, about in fields.items():
            assert about.wrapped == bool(theirs[field].get("value_wrapped")), (name, field)
            if about.kind in kinds:
                assert kinds[about.kind] == theirs[field]["type"], (name, field)
            if about.kind == "e":
                assert list(about.allowed) == theirs[field]["enum"], (name, field)
    for name, fields in shapes("order_writes.txt").items():
        theirs = v3["definitions"][name]
        newer = {"overrideNumberSeries"} if name == "NewSalesOrderCommand" else set()
        assert set(fields) - newer == set(theirs), name
        for field, about in fields.items():
            known = theirs.get(field, {})
            assert about.required == bool(known.get("required")), (name, field)
            if field != "description":  # its length stands in the vendor's text only
                assert about.size == known.get("maxLength", 0), (name, field)


def test_amounts_are_numbers(net: VismaNet) -> None:
    row = net.get("customerinvoice/100245")
    assert isinstance(row["amount"], Decimal)
    assert isinstance(row["taxDetails"][0]["vatRate"], Decimal)
    assert str(row["taxDetails"][0]["vatRate"]).partition(".")[2] == "000000"
