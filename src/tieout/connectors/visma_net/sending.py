"""Sending: one request, then what it made is read back, since the answer itself is empty."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from tieout.connectors.http.client import ApiClient, Call
from tieout.connectors.http.silence import words_of_silence
from tieout.connectors.visma_net.api import (
    CONTACTS,
    CUSTOMERS,
    INVOICES,
    Row,
    VismaNetApi,
    explained,
)
from tieout.connectors.visma_net.errors import business_problem
from tieout.connectors.visma_net.names import document_ref
from tieout.connectors.visma_net.orders import ORDERS, OrderService
from tieout.connectors.visma_net.outcomes import (
    Answer,
    Done,
    Queued,
    Sent,
    Triggered,
    read_answer,
    refusal,
)
from tieout.connectors.visma_net.reading import Reader
from tieout.connectors.visma_net.values import (
    Payload,
    number_in,
    part_of,
    segment,
    text_of,
    vendor_time,
)
from tieout.core.change import Applied, Deferred, Outcome, Unknown, Wire
from tieout.core.errors import ConnectionBrokenError, SyncError, TransientError
from tieout.core.model import Document, ExternalRef, Record
from tieout.ports import HttpResponse, LostError, NotSentError

_TIMEOUT_S = 60
# The waits for the outcome of what runs in the background; together less than a lease.
_WAITS_S = (1, 1, 2, 3, 5, 8)
_RESOURCES = {
    CUSTOMERS: "customer",
    CONTACTS: "contact",
    INVOICES: "customerinvoice",
}
Learn = Callable[[str, Document], None]


class Sender:
    """Sends what was prepared, each request once."""

    def __init__(
        self,
        api: VismaNetApi,
        reader: Reader,
        learn: Learn,
        service: OrderService | None = None,
    ) -> None:
        self._api = api
        self._service = service
        self._reader = reader
        self._learn = learn

    async def send(self, wire: Wire) -> list[Outcome]:
        """One request, one outcome. Raises only `ConnectionBrokenError`, with nothing done."""
        (key,) = wire.items
        sent = Sent.of(wire)
        try:
            # Known before the write, so that no read can fail between it and its outcome.
            await self._api.names()
            response = await self._client(sent).write(
                Call(
                    method=wire.method,
                    path=wire.path,
                    headers={**self._api.settings.headers, **wire.headers},
                    body=wire.body,
                    template=sent.template,
                    timeout_s=_TIMEOUT_S,
                )
            )
        except NotSentError as error:
            why = f"Visma.net was not reached: {words_of_silence(error)}."
            return [_deferred(key, 60, why)]
        except TransientError as error:
            return [_deferred(key, error.retry_after_s or 60, error.message)]
        except LostError:
            return [Unknown(key=key, reason="No whole answer came from Visma.net.")]
        except ConnectionBrokenError as error:
            raise explained(error) from None
        self._api.note(response)
        answer = read_answer(wire, sent, response)
        return [await self._settled(key, sent, answer, vendor_time(response))]

    def _client(self, sent: Sent) -> ApiClient:
        """The host that a request goes to: orders have one of their own."""
        return self._service.client if sent.path == ORDERS and self._service else self._api.client

    # --- what became of it -----------------------------------------------------------------------

    async def _settled(
        self, key: str, sent: Sent, answer: Answer | Outcome, at: datetime | None
    ) -> Outcome:
        if isinstance(answer, Queued):
            answer = await self._outcome(key, sent, answer)
        assert not isinstance(answer, Queued), "a job has no job"
        if isinstance(answer, Triggered):
            return await self._released(key, sent, at)
        if not isinstance(answer, Done):
            return answer
        if sent.verb == "delete":
            return Applied(key=key, ref=await self._ref(sent, answer.number), vendor_time=at)
        if sent.verb == "release":
            return await self._released(key, sent, at)
        return await self._read_back(key, sent, answer.number, at)

    async def _read_back(self, key: str, sent: Sent, number: str, at: datetime | None) -> Outcome:
        """The record as it is now. Where it cannot be read, it was done all the same."""
        record = await self._record(sent, number, at)
        if record is None or record.ref is None:
            if sent.path == CUSTOMERS and sent.verb == "create":
                # Links are kept by an id that only the record itself tells.
                return Unknown(key=key, reason=f"Customer {number} was made and could not be read.",
                               vendor_time=at)  # fmt: skip
            return Applied(key=key, ref=await self._ref(sent, number), vendor_time=at)
        if isinstance(record, Document) and sent.path != ORDERS:
            self._learn(key, record)
        version = getattr(record, "version", None)
        return Applied(key=key, ref=record.ref, version=version, shows=record, vendor_time=at)

    async def _record(self, sent: Sent, number: str, at: datetime | None) -> Record | None:
        try:
            row = await self._row(sent, number)
            if row is None:
                return None
            self._api.stamps.learn(_RESOURCES.get(sent.path, ""), row, at)
            (record,) = await self._reader.records([row], sent.path)
        except (SyncError, ValueError, TypeError, ArithmeticError):
            return None
        return record

    async def _row(self, sent: Sent, number: str) -> Row | None:
        if sent.path == ORDERS:
            return await self._service.one(number) if self._service else None
        if sent.path == CUSTOMERS and sent.verb == "create":
            return await self._api.customer(number)
        return await self._api.record(sent.path, number)

    async def _ref(self, sent: Sent, number: str) -> ExternalRef:
        names = await self._api.names()
        if sent.path == CUSTOMERS:
            return names.ref("customer", number)
        if sent.path == CONTACTS:
            return names.ref("contact", number)
        if sent.path == ORDERS:
            return names.ref("document", f"order:{number}")
        kind = "Invoice" if sent.path == INVOICES else "CreditNote"
        return document_ref(names, kind, number, booked=sent.verb == "release")

    # --- actions and the background --------------------------------------------------------------

    async def _released(self, key: str, sent: Sent, at: datetime | None) -> Outcome:
        """
        Waits until the document is booked: the action is answered before anything is done, and a
        failure leaves no trace but a document that stays as it was.
        """
        for wait_s in (0, *_WAITS_S):
            if wait_s:
                await self._api.clock.sleep(wait_s)
            record = await self._record(sent, sent.number, at)
            if isinstance(record, Document) and record.booked and record.ref is not None:
                return Applied(key=key, ref=record.ref, version=record.version, shows=record,
                               vendor_time=at)  # fmt: skip
        reason = f"Document {sent.number} is not released yet."
        return Unknown(key=key, reason=reason, vendor_time=at)

    async def _outcome(self, key: str, sent: Sent, queued: Queued) -> Answer | Outcome:
        """
        What became of a queued request. That it is finished says that it ran; its status says how
        it ended. After a day nobody tells any more.
        """
        path, template = f"/v1/background/{segment(queued.id)}", "/v1/background/{requestId}"
        for wait_s in _WAITS_S:
            await self._api.clock.sleep(wait_s)
            try:
                state = await self._api.one(path, template)
            except SyncError as error:
                return Unknown(key=key, reason=error.message)
            if state is None:
                return Unknown(key=key, reason="Visma.net has forgotten what it was to do.")
            status = text_of(state, "status")
            if status == "Failed":
                reason = text_of(state, "errorMessage") or "The background request failed."
                return Unknown(key=key, reason=reason)
            if status == "Finished":
                return await self._finished(key, sent, state, path)
        return Unknown(key=key, reason="The background request is still running.")

    async def _finished(self, key: str, sent: Sent, state: Payload, path: str) -> Answer | Outcome:
        code = state.get("statusCode")
        code = code if isinstance(code, int) else 0
        if not 200 <= code < 300:
            return await self._failed(key, sent, code, path)
        if sent.verb != "create":
            return Done(sent.number)
        number = number_in(text_of(part_of(state, "responseHeaders"), "Location"))
        if not number:
            return Unknown(key=key, reason="Visma.net did not say under which number it was made.")
        return Done(number)

    async def _failed(self, key: str, sent: Sent, code: int, path: str) -> Outcome:
        """A job that is finished with an error inside: what it says is kept beside it."""
        try:
            response = await self._api.ask(f"{path}/content", "/v1/background/{requestId}/content")
        except SyncError:
            response = HttpResponse(status=404, headers={}, body=b"")
        body = response.body if response.status == 200 else b""
        told = HttpResponse(status=code or 500, headers=response.headers, body=body)
        answer = read_answer(
            Wire(wire_key="", method="POST", path="", body=b"", items=(key,)), sent, told
        )
        if isinstance(answer, Unknown) and 400 <= code < 500:
            problem = business_problem("")
            return refusal(key, sent, problem, told)
        assert not isinstance(answer, (Done, Queued, Triggered))
        return answer


def _deferred(key: str, seconds: int, reason: str) -> Deferred:
    return Deferred(key=key, retry_after_s=seconds, reason=reason)
