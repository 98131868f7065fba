"""Ledger items, notes, attachments, messages, partner links, mails and printouts."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from decimal import Decimal

from tieout_sandbox.kit import Response
from tieout_sandbox.visma_eaccounting import invoices, schemas, schemas_extras
from tieout_sandbox.visma_eaccounting.books import Books
from tieout_sandbox.visma_eaccounting.call import Call, list_answer, ok, visible, with_blanks
from tieout_sandbox.visma_eaccounting.credentials import USER_ID
from tieout_sandbox.visma_eaccounting.customers import deleted
from tieout_sandbox.visma_eaccounting.errors import (
    CONFLICT,
    NOT_FOUND,
    NOT_IN_SANDBOX,
    VALIDATION,
    VismaError,
)
from tieout_sandbox.visma_eaccounting.fields import Record

DOCUMENT_TYPES = {"customerinvoice": 1, "customerinvoicedraft": 2, "order": 6}
_PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
    b"2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
)


# Ledger items.


def ledger_rows(books: Books) -> Iterator[Record]:
    """Every item of the customer ledger: invoices (where assumed), then items of their own."""
    if books.assumptions.invoices_in_ledger_items:
        for record in books.invoices.records.values():
            yield _invoice_item(record)
    yield from books.ledger_items.records.values()


def _invoice_item(record: Record) -> Record:
    return {
        "CurrencyCode": record["CurrencyCode"],
        "CurrencyRate": record["CurrencyRate"],
        "CurrencyRateUnit": 1,
        "CustomerId": record["CustomerId"],
        "DueDate": record["DueDate"],
        "Id": record["Id"],
        "InvoiceDate": record["InvoiceDate"],
        "InvoiceNumber": record["InvoiceNumber"],
        "IsCreditInvoice": record["IsCreditInvoice"],
        "PaymentReferenceNumber": record["PaymentReferenceNumber"],
        "RemainingAmountInvoiceCurrency": record["RemainingAmountInvoiceCurrency"],
        "RoundingsAmountInvoiceCurrency": record["TotalRoundings"],
        "TotalAmountInvoiceCurrency": record["TotalAmountInvoiceCurrency"],
        "VATAmountInvoiceCurrency": record["TotalVatAmountInvoiceCurrency"],
        "VoucherId": record["VoucherId"],
        "ModifiedUtc": record["ModifiedUtc"],
    }


def ledger_items(books: Books, call: Call) -> Response:
    """`GET /customerledgeritems`."""
    present = with_blanks(books.ledger_items)
    return list_answer(books, call, books.ledger_items, present, source=list(ledger_rows(books)))


def ledger_item(books: Books, call: Call) -> Response:
    """`GET /customerledgeritems/{id}`."""
    own = books.ledger_items.get(call.id)
    invoice = books.invoices.get(call.id)
    if own is None and invoice is not None and books.assumptions.invoices_in_ledger_items:
        own = _invoice_item(invoice)
    if own is None:
        raise VismaError(NOT_FOUND, f"ResourceNotFoundException - {call.id}", path_id=True)
    return ok(with_blanks(books.ledger_items)(books, own))


def create_ledger_item(books: Books, call: Call) -> Response:
    """`POST /customerledgeritems`: a receivable for a manual voucher that exists."""
    values = schemas.LEDGER_ITEM.read(call.body(), books.assumptions)
    books.need(books.customers, values["CustomerId"], "customer")
    voucher = books.need(books.vouchers, values["VoucherId"], "voucher")
    if books.ledger_items.find("VoucherId", voucher["Id"]) or voucher["SourceId"] is not None:
        raise VismaError(CONFLICT, "ConflictException - the voucher has a ledger item")
    record = {
        "CurrencyRate": books.rate_of(values["CurrencyCode"]),
        "CurrencyRateUnit": 1,
        **values,
        "Id": books.new_id("customerledgeritems"),
        "ModifiedUtc": books.stamp(),
    }
    saved = books.save(books.ledger_items, record)
    return ok(with_blanks(books.ledger_items)(books, saved), 201)


# Notes, messages, links.


def notes(books: Books, call: Call) -> Response:
    """`GET /notes`."""
    return list_answer(books, call, books.notes, with_blanks(books.notes))


def note(books: Books, call: Call) -> Response:
    """`GET /notes/{id}`."""
    found = books.need(books.notes, call.id, "note", path=True)
    return ok(with_blanks(books.notes)(books, found))


def create_note(books: Books, call: Call) -> Response:
    """`POST /notes`."""
    return _put_note(books, call, None, 201)


def replace_note(books: Books, call: Call) -> Response:
    """`PUT /notes/{id}`."""
    return _put_note(books, call, books.need(books.notes, call.id, "note", path=True), 200)


def _put_note(books: Books, call: Call, old: Record | None, status: int) -> Response:
    values = schemas_extras.NOTE.read(call.body(), books.assumptions)
    stamp = books.stamp()
    record = {
        "DocumentType": 0,
        **values,
        "Id": old["Id"] if old else books.new_id("notes"),
        "UserId": USER_ID,
        "CreatedUtc": old["CreatedUtc"] if old else stamp,
        "ModifiedUtc": stamp,
    }
    return ok(with_blanks(books.notes)(books, books.save(books.notes, record)), status)


def create_thread(books: Books, call: Call) -> Response:
    """`POST /messagethreads`."""
    values = schemas_extras.THREAD.read(call.body(), books.assumptions)
    receivers = values.get("MessageReceivers")
    if not isinstance(receivers, list) or not receivers:
        raise VismaError(VALIDATION, "At least one receiver is required.", field="MessageReceivers")
    stamp = books.stamp()
    record = {
        **values,
        "Id": books.new_id("messagethreads"),
        "Status": 0,
        "CreatedUtc": stamp,
        "ModifiedUtc": stamp,
    }
    return ok(visible(books.save(books.threads, record)), 201)


def create_link(books: Books, call: Call) -> Response:
    """`POST /partnerresourcelinks`."""
    values = schemas_extras.PARTNER_LINK.read(call.body(), books.assumptions)
    record = {**values, "Id": books.new_id("partnerresourcelinks")}
    return ok(visible(books.save(books.links, record)), 201)


def replace_link(books: Books, call: Call) -> Response:
    """`PUT /partnerresourcelinks/{id}`."""
    old = books.need(books.links, call.id, "link", path=True)
    values = schemas_extras.PARTNER_LINK.read(call.body(), books.assumptions)
    return ok(visible(books.save(books.links, {**values, "Id": old["Id"]})))


def delete_link(books: Books, call: Call) -> Response:
    """`DELETE /partnerresourcelinks/{id}`."""
    books.links.remove(books.need(books.links, call.id, "link", path=True)["Id"])
    return deleted(books)


# Attachments.


def attach(books: Books, call: Call) -> Response:
    """`POST /salesdocumentattachments/{kind}`: PDF only. The request says `DockumentId`."""
    kind = call.request.segments[-1]
    values = schemas_extras.ATTACHMENT_UPLOAD.read(call.body(), books.assumptions)
    table = {"customerinvoice": books.invoices, "customerinvoicedraft": books.drafts}.get(
        kind, books.orders
    )
    document = books.need(table, values["DockumentId"], kind)
    if values["ContentType"] != "application/pdf":
        raise VismaError(VALIDATION, "Only application/pdf is accepted.", field="ContentType")
    record = {
        "Id": books.new_id("salesdocumentattachments"),
        "DocumentId": document["Id"],
        "DocumentType": DOCUMENT_TYPES[kind],
        "OriginalFilename": values["FileName"],
        "DocumentSize": _size(values),
        "CreatedUtc": books.stamp(),
        "CreatedBy": USER_ID,
        "Thumbnail": None,
    }
    saved = books.save(books.attachments, record)
    known = document.get("SalesDocumentAttachments", [])
    table.note(document["Id"], "SalesDocumentAttachments", [*known, saved["Id"]])
    return ok(visible(saved), 201)


def _size(values: Record) -> int:
    if values.get("Url"):
        return 0
    try:
        return len(base64.b64decode(values.get("Data") or "", validate=True))
    except binascii.Error as error:
        raise VismaError(VALIDATION, "Data is no base64.", field="Data") from error


def detach(books: Books, call: Call) -> Response:
    """`DELETE /salesdocumentattachments/{kind}/{documentId}/{attachmentId}`."""
    found = books.need(books.attachments, call.guid(1), "attachment", path=True)
    if found["DocumentId"] != call.id:
        raise VismaError(NOT_FOUND, f"ResourceNotFoundException - {call.id}", path_id=True)
    books.attachments.remove(found["Id"])
    for table in (books.invoices, books.drafts, books.orders):
        document = table.get(found["DocumentId"])
        if document is not None:
            kept = [one for one in document["SalesDocumentAttachments"] if one != found["Id"]]
            table.note(document["Id"], "SalesDocumentAttachments", kept)
    return deleted(books)


# Sending and printing.


def email(books: Books, call: Call) -> Response:
    """`POST /customerinvoices/{id}/email`."""
    invoice = invoices.need(books, call)
    values = schemas_extras.EMAIL.read(call.body(optional=True), books.assumptions)
    address = values.get("Email") or invoice.get("CustomerEmail")
    if not address:
        raise VismaError(VALIDATION, "There is no e-mail address.", field="Email")
    books.mails.save(
        {
            **values,
            "Id": books.new_id("mail"),
            "InvoiceId": invoice["Id"],
            "Email": address,
            "SentUtc": books.stamp(),
        }
    )
    if books.assumptions.mail_moves_modified:
        books.save(books.invoices, {**invoice, "ModifiedUtc": books.stamp()})
    return ok({})


def send_electronically(books: Books, call: Call) -> Response:
    """`POST /customerinvoices/{id}/einvoice`: a sandbox company has no AutoInvoice."""
    invoices.need(books, call)
    raise VismaError(NOT_IN_SANDBOX, "NotAllowedWithSandboxClient - AutoInvoice is not activated")


def remind_call(books: Books, call: Call) -> Response:
    """`POST /customerinvoices/{id}/paymentreminders`."""
    invoice = invoices.need(books, call)
    body = call.body(optional=True)
    fee = body.get("LatePaymentFee") if isinstance(body, dict) else None
    if fee is not None and not isinstance(fee, (int, Decimal)):
        raise VismaError(VALIDATION, "LatePaymentFee must be a number.", field="LatePaymentFee")
    remind(books, invoice)
    return ok({})


def remind(books: Books, invoice: Record) -> Record:
    """Counts a reminder on an invoice."""
    reminded = {
        **invoice,
        "PaymentReminderIssued": True,
        "PaymentRemindersCount": invoice.get("PaymentRemindersCount", 0) + 1,
        "LastPaymentReminderSentDate": books.today(),
    }
    if books.assumptions.reminder_moves_modified:
        reminded["ModifiedUtc"] = books.stamp()
    return books.save(books.invoices, reminded)


def pdf_address(books: Books, call: Call) -> Response:
    """`GET /customerinvoices/{id}/pdf`: an address on the host that was called."""
    invoice = invoices.need(books, call)
    host = call.request.header("host") or "127.0.0.1"
    return ok({"Url": f"http://{host}/v2/customerinvoices/{invoice['Id']}/print"})


def print_invoice(books: Books, call: Call) -> Response:
    """`GET /customerinvoices/{id}/print`."""
    invoices.need(books, call)
    return Response(status=200, headers={"Content-Type": "application/pdf"}, body=_PDF)
