"""
Norway's register of entities at Brønnøysund: open data that says who is registered for VAT.

A number counts as *no* only where the register says so in its own form: the field is false, the
entity was deleted, or a search by the number comes back empty. A bare 404 could be a moved address.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tieout.core.tax import RegisterStatus
from tieout.nordic.vat_state import Question
from tieout.ports import Clock, Transport
from tieout.registers.faults import UNREADABLE
from tieout.registers.wire import Got, Reply, Wire, clean

ENTITIES: Final = "/enheter"
FIELD: Final = "registrertIMvaregisteret"
DELETED: Final = "slettedato"


class BrregRegister:
    """``base_url`` ends before `/enheter`."""

    name = "brreg"
    title = "Brønnøysund"
    requester_refused = False

    def __init__(
        self, base_url: str, transport: Transport, clock: Clock, *, timeout_s: int = 5
    ) -> None:
        self._wire = Wire(base_url, transport, clock, timeout_s=timeout_s)

    async def ask(self, question: Question) -> Reply:
        """The register's word on a number, or its fault."""
        got = await self._wire.get(f"{ENTITIES}/{question.local}")
        if got.status == 404:
            got = await self._searched(question)
            if got.status == 404:
                # The search works, and found nothing.
                return self._wire.reply(question, "no")
        if got.fault:
            return self._wire.reply(question, "fault", got=got, fault=got.fault)
        body = got.body
        said = _registered(body)
        if str(body.get("organisasjonsnummer")) != question.local or said is None:
            return self._wire.reply(question, "fault", got=got, fault=UNREADABLE)
        return self._wire.reply(question, "yes" if said else "no", name=clean(body.get("navn")))

    async def status(self) -> RegisterStatus:
        """Whether it works: a search that asks for one entity."""
        got = await self._wire.get(f"{ENTITIES}?size=1")
        return RegisterStatus(
            fault=got.fault or ("" if _total(got.body) is not None else UNREADABLE)
        )

    async def _searched(self, question: Question) -> Got:
        """The entity as the search tells it; status 404 where the search finds none."""
        got = await self._wire.get(f"{ENTITIES}?organisasjonsnummer={question.local}")
        if got.fault:
            # The search failed too: nothing was said about the number.
            return Got(status=0, fault=got.fault, retry_after_s=got.retry_after_s)
        total = _total(got.body)
        if total is None:
            return Got(fault=UNREADABLE)
        if total == 0:
            return Got(status=404)
        inner = got.body.get("_embedded")
        found = inner.get("enheter") if isinstance(inner, dict) else None
        first = found[0] if isinstance(found, list) and found else None
        return Got(status=200, body=first) if isinstance(first, dict) else Got(fault=UNREADABLE)


def _registered(body: Mapping[str, Any]) -> bool | None:
    """Whether it stands in the VAT register; None where the answer does not say."""
    if body.get(DELETED):
        return False
    told = body.get(FIELD)
    return told if isinstance(told, bool) else None


def _total(body: Mapping[str, Any]) -> int | None:
    page = body.get("page")
    total = page.get("totalElements") if isinstance(page, dict) else None
    return total if isinstance(total, int) and not isinstance(total, bool) else None
