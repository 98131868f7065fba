"""Background requests: queued, carried out a little later, with an outcome of their own."""

from __future__ import annotations

from datetime import timedelta

from tieout_sandbox.kit import Request, Response, json_response
from tieout_sandbox.kit.journal import entry_request, request_entry
from tieout_sandbox.visma_net import webhooks
from tieout_sandbox.visma_net.call import Call
from tieout_sandbox.visma_net.company import Company, stamp_text
from tieout_sandbox.visma_net.errors import BusinessError, NotFoundError, StatusError
from tieout_sandbox.visma_net.tables import Record

HEADER = "erp-api-background"
KEPT = timedelta(hours=24)


def queue(company: Company, request: Request, owner: str) -> Response:
    """202 with where to ask; BusinessError where the header has another value."""
    wanted = (request.header(HEADER) or "").strip()
    if not (wanted == "none" or wanted.startswith(("subscription", "https://"))):
        raise BusinessError(f"Error: {HEADER} '{wanted}' is not valid.", status=400)
    job_id = company.new_id("background")
    headers = {name: value for name, value in request.headers.items() if name != HEADER}
    kept = Request(
        method=request.method,
        path=request.path,
        query=request.query,
        headers=headers,
        body=request.body,
    )
    company.save(
        company.background,
        {
            "_key": job_id,
            "_request": request_entry(kept),
            "_owner": owner,
            "_received": company.clock.now(),
            "_started": None,
            "_finished": None,
            "_body": None,
            "status": "Started",
            "statusCode": 0,
            "webhookAddress": wanted,
            "errorMessage": None,
            "responseHeaders": {},
        },
    )
    company.later(company.assumptions.background_seconds, {"kind": "background", "key": job_id})
    call = Call(request=request)
    where = call.address(company, f"/v1/background/{job_id}")
    return json_response(202, {"id": job_id, "stateLocation": where})


def job_request(company: Company, job_id: str) -> Request:
    """The call that a job carries out."""
    row = company.background.get(job_id)
    assert row is not None
    return entry_request(row["_request"])


def finish(company: Company, job_id: str, answer: Response) -> None:
    """Keeps what the job's call was answered, whatever it was: it ran."""
    row = company.background.get(job_id)
    assert row is not None
    now = company.clock.now()
    failed = company.settings.get("failBackground", False)
    shown = {name: value for name, value in answer.headers.items() if name in ("Location", "ETag")}
    company.save(
        company.background,
        {
            **row,
            "_started": now,
            "_finished": now,
            "_body": answer.body.decode("utf-8") if answer.body and not failed else None,
            "status": "Failed" if failed else "Finished",
            "statusCode": 0 if failed else answer.status,
            "errorMessage": "The background service stopped." if failed else None,
            "responseHeaders": {} if failed else shown,
        },
    )
    address = row["webhookAddress"]
    if address.startswith("subscription"):
        pairs = address.partition(":")[2]
        headers = dict(pair.split("=", 1) for pair in pairs.split(",") if "=" in pair)
        webhooks.send(company, "BACKGROUND_API_RESPONSE", job_id, headers)


def _need(company: Company, job_id: str, owner: str) -> Record:
    row = company.background.get(job_id)
    if row is None:
        raise NotFoundError(f"Background request '{job_id}' cannot be found in the system.")
    if row["_owner"] != owner:
        raise StatusError(403)
    return row


def _old(company: Company, row: Record) -> bool:
    return bool(company.clock.now() - row["_received"] > KEPT)


def state(company: Company, call: Call, owner: str) -> Response:
    """GET /v1/background/{id}: `Finished` means that it ran; `statusCode` says how it ended."""
    row = _need(company, call.ids[0], owner)
    if _old(company, row):
        raise NotFoundError(f"Background request '{call.ids[0]}' cannot be found in the system.")
    form = company.assumptions.form_of("background")

    def stamp(name: str) -> str | None:
        return stamp_text(row[name], "local", form) if row[name] is not None else None

    content = row["_body"] is not None
    address = call.address(company, f"/v1/background/{row['_key']}/content")
    return json_response(
        200,
        {
            "id": row["_key"],
            "status": row["status"],
            "statusCode": row["statusCode"],
            "receivedUtc": stamp("_received"),
            "startedUtc": stamp("_started"),
            "finishedUtc": stamp("_finished"),
            "webhookAddress": row["webhookAddress"],
            "errorMessage": row["errorMessage"],
            "reference": None,
            "originalUri": f"https://finance.visma.net/3006001/api{row['_request']['path']}",
            "hasResponseContent": content,
            "hasRequestContent": bool(row["_request"]["body"]),
            "contentLocation": address if content else None,
            "responseHeaders": row["responseHeaders"],
        },
    )


def content(company: Company, call: Call, owner: str) -> Response:
    """GET /v1/background/{id}/content: what the operation answered; 410 after a day."""
    row = _need(company, call.ids[0], owner)
    if _old(company, row):
        raise StatusError(410)
    if row["_body"] is None:
        raise NotFoundError("There is no content.")
    headers = {"Content-Type": "application/json;charset=UTF-8"}
    return Response(status=200, headers=headers, body=row["_body"].encode())
