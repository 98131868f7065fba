"""
VIES, the European Commission's look-up of VAT numbers, over its REST service.

What is confirmed about it and what is not stands in docs/howto/check-vat-numbers.md. An answer
counts only where it says `valid` as true or false about the very number that was asked; all else
is a fault, whatever its status, since the service reports its own troubles with status 200 too.
"""

from __future__ import annotations

from typing import Any, Final

from tieout.core.tax import RegisterStatus
from tieout.nordic.vat_state import Question, register_question
from tieout.ports import Clock, Transport
from tieout.registers.faults import UNREADABLE
from tieout.registers.wire import Got, Reply, Wire, clean

CHECK: Final = "/check-vat-number"
TEST: Final = "/check-vat-test-service"
STATUS: Final = "/check-status"
_FINE: Final = ("", "VALID", "INVALID")
_REFUSED_REQUESTER: Final = "INVALID_REQUESTER_INFO"


class ViesRegister:
    """
    ``base_url`` is the service's address; it may end with `/check-vat-test-service`, which answers
    by fixed numbers. ``requester`` is the asking company's own VAT number: with it VIES gives a
    consultation number.
    """

    name = "vies"
    title = "VIES"

    def __init__(
        self,
        base_url: str,
        transport: Transport,
        clock: Clock,
        *,
        requester: str = "",
        timeout_s: int = 5,
    ) -> None:
        base, self._path = base_url.rstrip("/"), CHECK
        for path in (CHECK, TEST):
            if base.endswith(path):
                base, self._path = base.removesuffix(path), path
        self._wire = Wire(base, transport, clock, timeout_s=timeout_s)
        self._requester = register_question(requester, None) if requester else None
        self.requester_refused = bool(requester) and self._requester is None

    async def ask(self, question: Question) -> Reply:
        """
        The register's word on a number, or its fault.

        Where it does not take the requester's number it is asked once more without: a wrong
        setting costs the consultation number, not the answer.
        """
        got = await self._wire.post(self._path, self._body(question))
        if _fault(got) == _REFUSED_REQUESTER and not self.requester_refused:
            self.requester_refused = True
            got = await self._wire.post(self._path, self._body(question))
        return self._reply(question, got)

    async def status(self) -> RegisterStatus:
        """Whether it works, and which member states do not answer."""
        got = await self._wire.get(STATUS)
        if got.fault:
            return RegisterStatus(fault=_fault(got) or got.fault)
        service, states = got.body.get("vow"), got.body.get("countries")
        if isinstance(service, dict) and service.get("available") is False:
            return RegisterStatus(fault="SERVICE_UNAVAILABLE")
        silent = [
            str(one.get("countryCode", ""))
            for one in (states if isinstance(states, list) else ())
            if isinstance(one, dict) and str(one.get("availability")).casefold() == "unavailable"
        ]
        return RegisterStatus(silent=tuple(sorted(filter(None, silent))))

    def _body(self, question: Question) -> dict[str, str]:
        body = {"countryCode": question.area, "vatNumber": question.local}
        if self._requester is not None and not self.requester_refused:
            body["requesterMemberStateCode"] = self._requester.area
            body["requesterNumber"] = self._requester.local
        return body

    def _reply(self, question: Question, got: Got) -> Reply:
        fault = _fault(got)
        valid = got.body.get("valid", got.body.get("isValid"))
        if not fault and not _about(question, got.body):
            fault = UNREADABLE
        if not fault and not isinstance(valid, bool):
            fault = UNREADABLE
        if fault:
            return self._wire.reply(question, "fault", got=got, fault=fault)
        return self._wire.reply(
            question,
            "yes" if valid else "no",
            consultation=clean(got.body.get("requestIdentifier")),
            name=clean(got.body.get("name")) or clean(got.body.get("traderName")),
        )


def _fault(got: Got) -> str:
    """The code that the answer gives, ours where it is none; '' for an answer that counts."""
    errors = got.body.get("errorWrappers")
    if isinstance(errors, list) and errors:
        code = errors[0].get("error") if isinstance(errors[0], dict) else None
        return _code(code) or UNREADABLE
    told = _code(got.body.get("userError"))
    if told not in _FINE:
        return told
    if got.body.get("actionSucceed") is False:
        return UNREADABLE
    return got.fault


def _code(value: Any) -> str:
    # A code is shown and stored: what does not look like one is not taken from outside.
    text = value.strip() if isinstance(value, str) else ""
    fit = text.replace("_", "").replace("-", "")
    return text if fit.isascii() and fit.isalnum() and len(text) <= 40 else ""


def _about(question: Question, body: Any) -> bool:
    """Whether the answer is about that number, as far as it says."""
    area, number = body.get("countryCode"), body.get("vatNumber")
    return (area is None or area == question.area) and (
        number is None or "".join(str(number).split()) == question.local
    )
