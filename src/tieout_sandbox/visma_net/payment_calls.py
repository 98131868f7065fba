"""The calls on customer payments."""

from __future__ import annotations

from tieout_sandbox.kit import Response, json_response
from tieout_sandbox.visma_net import documents, payments, views
from tieout_sandbox.visma_net.call import Call, changed, created
from tieout_sandbox.visma_net.company import Company
from tieout_sandbox.visma_net.errors import BusinessError
from tieout_sandbox.visma_net.lists import greater, matching, one, paged, stored
from tieout_sandbox.visma_net.tables import Record
from tieout_sandbox.visma_net.writes import read

RESOURCE = "customerpayment"
PATH = "v1/customerPayment"


def listing(company: Company, call: Call) -> Response:
    """GET of all payments."""
    source = [
        record
        for record in stored(company, company.documents)
        if record["documentType"] in payments.TYPES
    ]

    def customer_number(company: Company, record: Record) -> str:
        return str(documents.customer_of(company, record)["number"])

    def meets(record: Record, wanted: str) -> bool:
        key = record.get("_voids", record["_key"])
        side, other = ("_of", "_by") if record["documentType"] == "Refund" else ("_by", "_of")
        met = [one[other] for one in company.adjustments.find(side, key)]
        met += [f"{one['type']}/{one['ref']}" for one in record["_pending"]]
        return any(one.rpartition("/")[2].casefold() == wanted.casefold() for one in met)

    found = matching(
        company,
        call.request,
        RESOURCE,
        source,
        equal={
            "paymentNbr": lambda _, record: record["referenceNumber"],
            "paymentType": lambda _, record: record["documentType"],
            "customer": customer_number,
            "status": lambda _, record: record["status"],
            "branch": lambda _, record: record["branch"],
            "financialPeriod": lambda _, record: record["financialPeriod"],
        },
        dates={"docDate": "documentDate"},
        tests={"invoiceRefNbr": meets, "greaterThanValue": greater("referenceNumber")},
    )
    return paged(company, call.request, RESOURCE, found, views.payment)


def single(company: Company, call: Call) -> Response:
    """GET of one."""
    record = payments.need(company, call.ids[0])
    return one(company, views.payment(company, record), record["_version"])


def create(company: Company, call: Call) -> Response:
    """POST of one."""
    record = payments.create(company, call.body())
    return created(company, call, PATH, record["referenceNumber"], record["_version"])


def change(company: Company, call: Call) -> Response:
    """PUT of one."""
    record = payments.need(company, call.ids[0])
    call.require_match(record)
    record = payments.change(company, record, call.body())
    return changed(company, call, PATH, record["referenceNumber"], record["_version"])


def release_call(company: Company, call: Call) -> Response:
    """The action `release`; its type is wrapped."""
    given = read("ReleasePaymentActionDto", call.body(), company.assumptions)
    record = payments.need(company, call.ids[0], given.get("type") or "Payment")
    call.require_match(record)
    payments.release(company, record)
    return Response(status=200)


def void_call(company: Company, call: Call) -> Response:
    """The action `void`; its type is not wrapped."""
    given = read("VoidPaymentActionDto", call.body(), company.assumptions)
    if not given.get("type"):
        raise BusinessError("Error: 'Type' cannot be empty.")
    record = payments.need(company, call.ids[0], given["type"])
    call.require_match(record)
    made = payments.void(company, record, company.today())
    if not given.get("returnVoidPayment"):
        return Response(status=200)
    headers = {"ETag": f'"{made["_version"]}"'}
    return json_response(200, views.payment(company, made), headers)
