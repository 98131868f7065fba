"""Messages that the vendor would send to a subscription: kept in an outbox, never sent.

Their form is not known, so they say only what the vendor's list of events says. A test reads them
under `/_sandbox/records/webhook` and delivers them as it likes.
"""

from __future__ import annotations

from tieout_sandbox.visma_net.company import Company
from tieout_sandbox.visma_net.tables import Record


def send(company: Company, event: str, subject: str, headers: Record | None = None) -> None:
    """Puts a message out; twice, before the last one, or not at all where that was ordered."""
    fault = company.webhook_fault
    if fault == "lost_webhook":
        return
    for _ in range(2 if fault == "duplicate_webhook" else 1):
        number = company.count("webhook")
        message: Record = {
            "_key": str(number),
            "notificationId": company.new_id("webhook"),
            "event": event,
            "subject": subject,
            "headers": headers or {},
            "order": number - 2 if fault == "reordered_webhooks" else number,
        }
        company.save(company.webhooks, message)
