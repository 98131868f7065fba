"""The resources of the REST interface that we use, as calls; no knowledge of our records."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from random import Random
from typing import Any
from urllib.parse import urlsplit

from tieout.connectors.http.client import ApiClient, Call
from tieout.connectors.http.json import loads
from tieout.connectors.http.traffic import Exchange, Observer
from tieout.connectors.webcrm import scripts
from tieout.connectors.webcrm.errors import garbled, mapping_of, read_error, throttled, words_of
from tieout.connectors.webcrm.settings import WebcrmSettings
from tieout.connectors.webcrm.signin import SYSTEM, WebcrmTokens
from tieout.core.abilities import BudgetWindow
from tieout.core.errors import TransientError
from tieout.ports import Clock, HttpResponse, Secrets, Transport

Row = Mapping[str, Any]

# webCRM drops calls that come together: one at a time.
IN_FLIGHT = 1
_LIST_ROWS = 1000
# A page that is shorter than asked for need not be the last; one as short as this is.
_SURELY_LAST = 50
_LEARNED_MS = 24 * 3600 * 1000
_NOT_THERE = (204, 404, 410)
RESOURCES = {
    "Opportunity": "Opportunities",
    "Delivery": "Deliveries",
    "Organisation": "Organisations",
    "Person": "Persons",
    "QuotationLine": "QuotationLines",
    "Product": "Products",
    "User": "Users",
}
# What a user record carries besides must never be kept.
_USER_FIELDS = ("UserId", "UserName", "UserEmail", "UserInitials")


class ScriptRefusedError(Exception):
    """`/Queries` is not there, or does not take this script; the text is what it said."""


class WebcrmApi:
    """One system over one sign-in, one call at a time. Reads are repeated, writes never."""

    def __init__(
        self,
        name: str,
        settings: WebcrmSettings,
        transport: Transport,
        secrets: Secrets,
        clock: Clock,
        random: Random,
        observer: Observer | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self.vendor_time: datetime | None = None
        self._told_at = 0
        self.tokens = WebcrmTokens(
            name,
            settings,
            secrets,
            clock,
            transport,
            f"{name}-{random.getrandbits(32):08x}",
            observer,
        )
        self.client = ApiClient(
            system=SYSTEM,
            connection=name,
            base_url=settings.api_url,
            transport=transport,
            clock=clock,
            random=random,
            tokens=self.tokens,
            budgets=(budget_window(settings),),
            in_flight=IN_FLIGHT,
            throttled=throttled,
            observer=_without_users(observer),
        )
        self._metadata: dict[str, tuple[Row, ...]] = {}
        self._users: dict[int, Row] | None = None
        self._setup: Row | None = None
        self._learned_at = 0

    # Reading.

    async def page(self, path: str, page: int, size: int, template: str = "") -> list[Row]:
        """One page of a list; the first page is 1."""
        query = (("Page", str(page)), ("Size", str(size)))
        response = await self._answer(Call(path=path, query=query, template=template))
        return _array(response, template or path)

    async def pages(
        self, path: str, *, size: int = _LIST_ROWS, template: str = ""
    ) -> AsyncIterator[list[Row]]:
        """
        All pages of a list. A row that goes while it is read hides one row behind it: whoever
        needs all of them reads twice.
        """
        number = 1
        while rows := await self.page(path, number, size, template):
            yield rows
            if len(rows) < min(size, _SURELY_LAST):
                return
            number += 1

    async def script(self, script: str, *, size: int, page: int = 1) -> list[Row]:
        """A page of what a script asks for. Raises `ScriptRefusedError` for any non-array."""
        query = (("script", script), ("Page", str(page)), ("Size", str(size)))
        response = await self._answer(Call(path="/Queries", query=query))
        if response.status != 200:
            raise ScriptRefusedError(words_of(response))
        try:
            return _array(response, "/Queries")
        except TransientError:
            if mapping_of(response) is None:
                raise
            raise ScriptRefusedError(words_of(response)) from None

    async def one(self, kind: str, number: int) -> Row | None:
        """A record as it is now; None where it is not there."""
        resource = RESOURCES[kind]
        call = Call(path=f"/{resource}/{number}", template=f"/{resource}/{{id}}")
        try:
            response = await self._answer(call)
        except TransientError as error:
            if error.code != "host_unreachable":
                raise
            # How a missing record is answered is told nowhere; it may be by a 5xx.
            if await self._listed(kind, number) is None:
                return None
            raise
        if response.status in _NOT_THERE:
            return None
        found = mapping_of(response) if response.status == 200 else None
        if found is not None and found.get(f"{kind}Id") == number:
            return found
        if response.status == 200 and not response.body:
            return None
        if response.status in (401, 403):
            raise read_error(response, f"{kind} {number}")
        return await self._listed(kind, number)

    async def _listed(self, kind: str, number: int) -> Row | None:
        """The same by a script, or by the list: an empty array is a plain no."""
        script = scripts.select(kind, where=scripts.any_id(f"{kind}Id", (number,)))
        try:
            rows = await self.script(script, size=2)
        except ScriptRefusedError:
            # Then the list tells: it is long, and this is rare.
            async for page in self.pages(f"/{RESOURCES[kind]}"):
                rows = [row for row in page if row.get(f"{kind}Id") == number]
                if rows:
                    return rows[0]
            return None
        return rows[0] if rows else None

    async def lines(self, kind: str, number: int) -> list[Row]:
        """The quotation lines of an opportunity or a delivery."""
        resource = RESOURCES[kind]
        path = f"/{resource}/{number}/QuotationLines"
        template = f"/{resource}/{{id}}/QuotationLines"
        return [row async for rows in self.pages(path, template=template) for row in rows]

    async def owned(self, organisation: int) -> list[Row] | None:
        """What an organisation owns or has bought; None where there is no such organisation."""
        path, template = f"/Organisations/{organisation}/Products", "/Organisations/{id}/Products"
        found: dict[int, Row] = {}
        number = 1
        while True:
            query = (("Page", str(number)), ("Size", str(_LIST_ROWS)))
            response = await self._answer(Call(path=path, query=query, template=template))
            if response.status not in (200, 401, 403):
                if await self.one("Organisation", organisation) is None:
                    return None
                raise read_error(response, template)
            rows = _array(response, template)
            found.update(rows_of(rows, "ProductId"))
            if len(rows) < min(_LIST_ROWS, _SURELY_LAST):
                return list(found.values())
            number += 1

    async def catalogue(self) -> list[Row]:
        """The items from which sellers pick lines: all at once, there are no pages."""
        response = await self._answer(Call(path="/QuotationLines/LinkedData"))
        return _array(response, "/QuotationLines/LinkedData")

    async def catalogue_setup(self) -> Row:
        """How the catalogue is set up: which columns are used. Read once a day."""
        self._forget_old()
        if self._setup is None:
            response = await self._answer(Call(path="/QuotationLines/LinkedSetup"))
            found = mapping_of(response)
            if response.status != 200 or found is None:
                raise read_error(response, "the setup of the catalogue")
            self._setup = found
        return self._setup

    async def metadata(self, kind: str) -> tuple[Row, ...]:
        """The fields of an entity that are switched on. Read once a day."""
        self._forget_old()
        if kind not in self._metadata:
            template = "/FieldsMetadata/{entityTypes}"
            response = await self._answer(Call(path=f"/FieldsMetadata/{kind}", template=template))
            self._metadata[kind] = tuple(_array(response, "/FieldsMetadata"))
        return self._metadata[kind]

    async def users(self) -> Mapping[int, Row]:
        """The users by id, without what signs them in. Read once a day."""
        self._forget_old()
        if self._users is None:
            found: dict[int, Row] = {}
            async for rows in self.pages("/Users"):
                for row in rows:
                    kept = {name: row.get(name) for name in _USER_FIELDS}
                    found[int(row.get("UserId") or 0)] = kept
            self._users = found
        return self._users

    def server_now(self) -> datetime | None:
        """The server's time now, a second spare: its last answer and what has passed since."""
        if self.vendor_time is None:
            return None
        passed = timedelta(milliseconds=self._clock.steady() - self._told_at)
        return self.vendor_time + passed - timedelta(seconds=1)

    def _forget_old(self) -> None:
        """Fields are renamed and switched off: what was learned counts for a day."""
        if self._clock.steady() - self._learned_at >= _LEARNED_MS:
            self.forget()

    def forget(self) -> None:
        """The next question about fields and users asks webCRM again."""
        self._learned_at = self._clock.steady()
        self._metadata.clear()
        self._users = None
        self._setup = None

    async def principal(self) -> Row:
        """What `GET /Auth` tells about the sign-in; its form is documented nowhere."""
        response = await self._answer(Call(path="/Auth"))
        # Nothing is told where it is refused: then a person has said which system this is.
        return (mapping_of(response) or {}) if response.status == 200 else {}

    # Writing.

    async def write(self, call: Call) -> HttpResponse:
        """One write, sent once. Raises as `ApiClient.write` does."""
        response = await self.client.write(call)
        self._note(response)
        return response

    def has_to_wait(self) -> bool:
        """Whether a further call would have to wait longer than a write may."""
        return self.client.budget.wait_ms("GET") > 5000

    # Inside.

    async def _answer(self, call: Call) -> HttpResponse:
        timed = Call(
            path=call.path,
            method=call.method,
            query=call.query,
            headers=call.headers,
            template=call.template,
            timeout_s=self._settings.timeout_s,
        )
        response = await self.client.read(timed)
        self._note(response)
        return response

    def _note(self, response: HttpResponse) -> None:
        told = server_time(response)
        if told is not None:
            self.vendor_time, self._told_at = told, self._clock.steady()


def _without_users(observer: Observer | None) -> Observer | None:
    """The same, but users' records carry passwords and tickets, and are shown to nobody."""
    if observer is None:
        return None
    tell = observer

    def told(exchange: Exchange) -> None:
        if urlsplit(exchange.request.url).path.startswith("/Users") and exchange.response:
            exchange = replace(exchange, response=replace(exchange.response, body=b""))
        tell(exchange)

    return told


def budget_window(settings: WebcrmSettings) -> BudgetWindow:
    """Our share of the calls in any minute."""
    return BudgetWindow(calls=settings.minute_calls, seconds=60, share=settings.quota_share)


def server_time(response: HttpResponse) -> datetime | None:
    """The server's clock as its answer tells it, None where it does not."""
    try:
        return parsedate_to_datetime(response.headers.get("date", "")).astimezone(UTC)
    except (TypeError, ValueError):
        return None


def _array(response: HttpResponse, what: str) -> list[Row]:
    if response.status != 200:
        raise read_error(response, what)
    try:
        found = loads(response.body)
    except ValueError:
        found = None
    if not isinstance(found, list) or not all(isinstance(row, Mapping) for row in found):
        raise garbled(what)
    return found


def rows_of(found: Sequence[Row], field: str) -> dict[int, Row]:
    """The rows by the number in a field."""
    return {int(row[field]): row for row in found if isinstance(row.get(field), int)}
