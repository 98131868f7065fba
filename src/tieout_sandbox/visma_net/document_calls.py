"""The calls on invoices, credit notes, debit notes and the list of all documents."""

from __future__ import annotations

from typing import Any

from tieout_sandbox.kit import Response, json_response
from tieout_sandbox.visma_net import documents, reversal, views, webhooks
from tieout_sandbox.visma_net.call import Call, Handler, changed, created, done
from tieout_sandbox.visma_net.company import Company
from tieout_sandbox.visma_net.documents import CREDIT_NOTE, INVOICE, Kind
from tieout_sandbox.visma_net.errors import BusinessError, NotFoundError
from tieout_sandbox.visma_net.lists import flag, greater, matching, one, paged, param, stored
from tieout_sandbox.visma_net.release import release
from tieout_sandbox.visma_net.tables import Record


def listing(kind: Kind) -> Handler:
    """GET of all of a kind."""

    def handler(company: Company, call: Call) -> Response:
        return _list(company, call, kind, None)

    return handler


def of_customer(kind: Kind) -> Handler:
    """GET of all of a kind of one customer."""

    def handler(company: Company, call: Call) -> Response:
        return _list(company, call, kind, _customer_id(company, call.ids[0]))

    return handler


def _customer_id(company: Company, number: str) -> int:
    customer = company.customers.one("number", number)
    if customer is None:
        raise NotFoundError(f"Customer '{number}' cannot be found in the system.")
    return int(customer["internalId"])


def _list(company: Company, call: Call, kind: Kind, customer: int | None) -> Response:
    types = documents.SHOWN_AS[kind.type]
    source = [
        record
        for record in _candidates(company, call)
        if record["documentType"] in types and customer in (None, record["_customer"])
    ]
    found = _filtered(company, call, kind.path.lower(), source)
    parts = frozenset(name for name, expand in views.PARTS.items() if flag(call.request, expand))

    def present(company: Company, record: Record) -> Any:
        return views.full(company, record, parts)

    return paged(company, call.request, kind.path.lower(), found, present)


def _candidates(company: Company, call: Call) -> list[Record]:
    """What a search starts from: all documents, or the few with the reference it asks for."""
    known = company.assumptions
    if known.external_reference_filter == "equals" and not company.documents.lagging:
        for name in ("externalReference", "customerRefNumber"):
            wanted = param(call.request, name)
            if wanted is not None:
                return company.documents.find(name, wanted)
    return stored(company, company.documents)


def _filtered(company: Company, call: Call, resource: str, source: list[Record]) -> list[Record]:
    def customer_number(company: Company, record: Record) -> str:
        return str(documents.customer_of(company, record)["number"])

    def project(company: Company, record: Record) -> str:
        row = company.projects.get(record["project"])
        return str(row["projectID"]) if row else company.settings["nonProject"]

    def text(name: str) -> Any:
        def test(record: Record, wanted: str) -> bool:
            value = str(record.get(name) or "").casefold()
            if company.assumptions.external_reference_filter == "contains":
                return wanted.casefold() in value
            return value == wanted.casefold()

        return test

    return matching(
        company,
        call.request,
        resource,
        source,
        equal={
            "customer": customer_number,
            "branch": lambda _, record: record["branch"],
            "project": project,
            "status": lambda _, record: record["status"],
            "financialPeriod": lambda _, record: record["financialPeriod"],
            "closedFinancialPeriod": lambda _, record: record.get("closedFinancialPeriod"),
            "dunningLevel": lambda _, record: str(record.get("_dunning_level", 0)),
            "paymentReference": lambda _, record: record.get("paymentReference"),
        },
        dates={"documentDate": "documentDate", "documentDueDate": "documentDueDate"},
        tests={
            "released": lambda record, wanted: (
                record["_released"] == (wanted.lower() in ("1", "true"))
            ),
            "externalReference": text("externalReference"),
            "customerRefNumber": text("customerRefNumber"),
            "greaterThanValue": greater("referenceNumber"),
        },
    )


def every_document(company: Company, call: Call) -> Response:
    """GET /v1/customerdocument: every type, slim. Here documentType is a filter."""
    return _documents(company, call, None)


def documents_of_customer(company: Company, call: Call) -> Response:
    """GET /v1/customer/{number}/document."""
    return _documents(company, call, _customer_id(company, call.ids[0]))


def _documents(company: Company, call: Call, customer: int | None) -> Response:
    wanted = param(call.request, "documentType")
    source = [
        record
        for record in stored(company, company.documents)
        if customer in (None, record["_customer"])
        and (wanted is None or record["documentType"].casefold() == wanted.casefold())
    ]
    found = _filtered(company, call, "customerdocument", source)
    return paged(company, call.request, "customerdocument", found, views.customer_document)


def single(kind: Kind) -> Handler:
    """GET of one."""

    def handler(company: Company, call: Call) -> Response:
        record = documents.need(company, kind, call.ids[0])
        return one(company, views.full(company, record), record["_version"])

    return handler


def create(kind: Kind, version: str) -> Handler:
    """POST of one; by v2 too it is read from v1."""

    def handler(company: Company, call: Call) -> Response:
        record = documents.create(company, kind, call.body())
        webhooks.send(company, "AR Invoice Changed", record["_key"])
        where = company.assumptions.v2_location if version == "v2" else "v1"
        number = record["referenceNumber"]
        return created(company, call, f"{where}/{kind.path}", number, record["_version"])

    return handler


def change(kind: Kind) -> Handler:
    """PUT of one."""

    def handler(company: Company, call: Call) -> Response:
        record = documents.need(company, kind, call.ids[0])
        call.require_match(record)
        record = documents.change(company, record, call.body())
        webhooks.send(company, "AR Invoice Changed", record["_key"])
        number = record["referenceNumber"]
        return changed(company, call, f"v1/{kind.path}", number, record["_version"])

    return handler


def delete(kind: Kind) -> Handler:
    """DELETE of one."""

    def handler(company: Company, call: Call) -> Response:
        # The vendor lists no If-Match here: whatever was sent is not looked at.
        documents.delete(company, documents.need(company, kind, call.ids[0]))
        return Response(status=204)

    return handler


def release_call(kind: Kind) -> Handler:
    """The release action: answered before anything is done, unless it runs in the background."""

    def handler(company: Company, call: Call) -> Response:
        record = documents.need(company, kind, call.ids[0])
        call.require_match(record)
        if call.in_background:
            release(company, record)
            return done(company)
        if record["status"] != "Balanced":
            text = f"{kind.type} {record['referenceNumber']} has status {record['status']}."
            if company.assumptions.release_not_balanced == "error":
                raise BusinessError(f"Error: {text}")
            return done(company, "Failed", text)
        company.later(
            company.assumptions.release_seconds, {"kind": "release", "key": record["_key"]}
        )
        webhooks.send(company, "AR Invoice Action Triggered", record["_key"])
        return done(company, "InProcess")

    return handler


def print_call(kind: Kind) -> Handler:
    """GET of the printed document."""

    def handler(company: Company, call: Call) -> Response:
        record = documents.need(company, kind, call.ids[0])
        text = f"{kind.type} {record['referenceNumber']} {record['amount']}"
        body = f"%PDF-1.4\n% {text}\n%%EOF\n".encode()
        return Response(status=200, headers={"Content-Type": "application/pdf"}, body=body)

    return handler


def send_call(kind: Kind) -> Handler:
    """The action that sends a released document to AutoInvoice."""

    def handler(company: Company, call: Call) -> Response:
        record = documents.need(company, kind, call.ids[0])
        call.require_match(record)
        if not record["_released"]:
            raise BusinessError("Error: the document is not released.")
        company.save(company.documents, {**record, "sendToAutoInvoice": True})
        return done(company)

    return handler


def reverse_call(apply_it: bool) -> Handler:
    """The actions `reverse` and `reverseandapplytonote`."""

    def handler(company: Company, call: Call) -> Response:
        record = documents.need(company, INVOICE, call.ids[0])
        call.require_match(record)
        note = reversal.reverse(company, record, apply_it=apply_it)
        version = note["_version"]
        body = call.body(optional=True)
        if isinstance(body, dict) and body.get("returnCreditNote") is True:
            return json_response(200, views.full(company, note), {"ETag": f'"{version}"'})
        if company.assumptions.reverse_without_flag == "empty":
            return Response(status=200)
        path = f"/v1/{CREDIT_NOTE.path}/{note['referenceNumber']}"
        return Response(status=200, headers={"Location": call.address(company, path)})

    return handler


def correct_call(company: Company, call: Call) -> Response:
    """The action `correct`."""
    record = documents.need(company, INVOICE, call.ids[0])
    call.require_match(record)
    made = reversal.correct(company, record)
    path = f"/v1/{INVOICE.path}/{made['referenceNumber']}"
    headers = {"Location": call.address(company, path), "ETag": f'"{made["_version"]}"'}
    return Response(status=200, headers=headers)


def dunning_call(company: Company, call: Call) -> Response:
    """The action `createDunningLetter`: every overdue invoice of a customer goes up one level."""
    customer = _customer_id(company, call.ids[0])
    today = company.today()
    for record in company.documents.find("_customer", customer):
        late = record["_released"] and record["documentType"] == "Invoice" and record["balance"] > 0
        if late and record["documentDueDate"] < today:
            level = record.get("_dunning_level", 0) + 1
            row = {**record, "_dunning_level": level, "_dunning_date": today}
            company.save(company.documents, row)
    return done(company)


def nothing(company: Company, call: Call) -> Response:
    """A list of which this company has none: work types, for one."""
    _ = company, call
    return json_response(200, [])


def domestic_services(company: Company, call: Call) -> Response:
    """GET of what domestic services an invoice holds: none."""
    documents.need(company, INVOICE, call.ids[0])
    return json_response(200, {})
