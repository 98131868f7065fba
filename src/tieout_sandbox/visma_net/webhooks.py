"""Messages to who subscribed in the developer portal.

The vendor's list says which events there are and how a message is signed; the names of the body's
fields and of the signature's header are not known, and here made up: a reader takes the header's
name from its configuration, the body for a hint, and reads the record itself.
"""

from __future__ import annotations

import base64
import hmac
from hashlib import sha256

from tieout_sandbox.kit import dumps
from tieout_sandbox.kit.webhooks import Notice
from tieout_sandbox.visma_net.company import Company, stamp_text
from tieout_sandbox.visma_net.credentials import TENANT_ID
from tieout_sandbox.visma_net.tables import Record

EVENTS = (
    "Customer Created",
    "Customer Updated",
    "AR Invoice Changed",
    "AR Invoice Status Changed",
    "AR Invoice Action Triggered",
    "Inventory Item Created",
    "Inventory Item Updated",
    "BACKGROUND_API_RESPONSE",
    "SALESORDER_CREATED",
    "SALESORDER_UPDATED",
    "SALESORDER_DELETED",
)


def send(company: Company, event: str, subject: str, headers: Record | None = None) -> None:
    """Notes that something happened; who subscribed hears of it after the call."""
    company.happenings.append({"event": event, "subject": subject, "headers": headers or {}})


def notices(company: Company) -> list[Notice]:
    """What has to be sent for all that happened, which is forgotten then."""
    happenings, company.happenings = company.happenings, []
    return [
        _notice(company, subscription, happening)
        for happening in happenings
        for subscription in company.settings.get("subscriptions", [])
        if not subscription["events"] or happening["event"] in subscription["events"]
    ]


def _notice(company: Company, subscription: Record, happening: Record) -> Notice:
    body = dumps(
        {
            "id": company.new_id("webhook"),
            "event": happening["event"],
            "subject": happening["subject"],
            "tenantId": TENANT_ID,
            "timestamp": stamp_text(company.clock.now(), "utc", "z"),
        }
    )
    digest = hmac.new(subscription["key"].encode(), body, sha256).digest()
    headers = {
        "Content-Type": "application/json",
        company.assumptions.webhook_signature_header: base64.b64encode(digest).decode(),
        **happening["headers"],
    }
    subject = f"{happening['event']} {happening['subject']}"
    return Notice(target=subscription["url"], body=body, headers=headers, subject=subject)
