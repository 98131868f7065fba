"""Files on documents."""

from __future__ import annotations

import base64
from email.parser import BytesParser
from email.policy import HTTP

from tieout_sandbox.kit import Response
from tieout_sandbox.visma_net import documents
from tieout_sandbox.visma_net.call import Call, Handler
from tieout_sandbox.visma_net.company import Company
from tieout_sandbox.visma_net.documents import Kind
from tieout_sandbox.visma_net.errors import BusinessError, NotFoundError, missing
from tieout_sandbox.visma_net.tables import Record


def attach(kind: Kind) -> Handler:
    """POST of a file on a document or on one of its lines, as multipart form data."""

    def handler(company: Company, call: Call) -> Response:
        record = documents.need(company, kind, call.ids[0])
        call.require_match(record)
        line = _line(record, call.ids[1]) if len(call.ids) > 1 else None
        name, raw = _file(call)
        old = [
            row
            for row in company.attachments.find("_document", record["_key"])
            if row["name"] == name and row["line"] == line
        ]
        file_id = old[0]["_key"] if old else company.new_id("attachment")
        row = {
            **(old[0] if old else {}),
            "_key": file_id,
            "_document": record["_key"],
            "name": name,
            "line": line,
            "revision": old[0]["revision"] + 1 if old else 1,
            "data": base64.b64encode(raw).decode(),
            "sendToAutoInvoice": False,
        }
        company.save(company.attachments, row)
        where = call.address(company, f"/v1/attachment/{file_id}")
        return Response(status=201, headers={"Location": where})

    return handler


def _line(record: Record, text: str) -> int:
    numbers = {str(line["lineNumber"]) for line in record["_lines"]}
    if text not in numbers:
        raise missing("LineNbr", text)
    return int(text)


def _file(call: Call) -> tuple[str, bytes]:
    """Name and bytes of the first part that is a file; BusinessError without one."""
    kind = call.request.header("content-type") or ""
    head = f"Content-Type: {kind}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + call.request.body)
    for part in message.walk():
        name = part.get_filename()
        if name is None:
            continue
        if "." not in name:
            raise BusinessError(f"Error: the file name '{name}' has no extension.")
        raw = part.get_payload(decode=True)
        return name, raw if isinstance(raw, bytes) else b""
    raise BusinessError("Error: a file is expected.", status=400)


def _need(company: Company, file_id: str) -> Record:
    row = company.attachments.get(file_id)
    if row is None:
        raise NotFoundError(f"Attachment '{file_id}' cannot be found in the system.")
    return row


def download(company: Company, call: Call) -> Response:
    """GET of the bytes."""
    row = _need(company, call.ids[0])
    headers = {
        "Content-Type": "application/octet-stream",
        "Content-Disposition": f'attachment; filename="{row["name"]}"',
    }
    return Response(status=200, headers=headers, body=base64.b64decode(row["data"]))


def mark(company: Company, call: Call) -> Response:
    """PUT: whether the file goes out with the e-invoice."""
    row = _need(company, call.ids[0])
    body = call.body()
    sent = next(
        (
            value
            for name, value in (body.items() if isinstance(body, dict) else ())
            if name.lower() == "sendtoautoinvoice"
        ),
        None,
    )
    if not isinstance(sent, dict) or not isinstance(sent.get("value"), bool):
        raise BusinessError("Error: sendToAutoInvoice is expected.", status=400)
    company.save(company.attachments, {**row, "sendToAutoInvoice": sent["value"]})
    return Response(status=204)
