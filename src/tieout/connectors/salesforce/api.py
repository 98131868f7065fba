"""The resources of the REST interface that we use, as calls; no knowledge of our records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from random import Random
from typing import Any

from tieout.connectors.http.client import ApiClient, Call
from tieout.connectors.http.json import dumps, loads
from tieout.connectors.http.tokens import Grant, SignIn, TokenKeeper
from tieout.connectors.http.traffic import Observer
from tieout.connectors.salesforce import soql
from tieout.connectors.salesforce.errors import MOVED, read_error, refusals, throttled
from tieout.connectors.salesforce.ids import id18, same_id
from tieout.connectors.salesforce.org import OrgObject, read_describe
from tieout.connectors.salesforce.settings import SalesforceSettings
from tieout.core.abilities import BudgetWindow
from tieout.core.errors import ConnectionBrokenError, TransientError
from tieout.ports import Clock, HttpResponse, Secrets, Transport

Row = Mapping[str, Any]

# The answer of a sign-in tells no life; the org's session setting is two hours unless changed,
# and a token that ended earlier shows as a 401.
_ASSUMED_LIFE_S = 6600
_STOP_S = 900
_GRANTS = {
    "jwt": Grant.JWT_BEARER,
    "refresh": Grant.REFRESH_TOKEN,
    "client_credentials": Grant.CLIENT_CREDENTIALS,
}


class LocatorGoneError(Exception):
    """The server has forgotten the query that a next page belonged to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """
    A page of a query. ``more`` is the path of the next page; ``at`` when it was asked for, by
    the server's clock.
    """

    rows: tuple[Row, ...]
    more: str | None
    total: int
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Usage:
    """How many of the org's calls in 24 hours are used, by everybody together."""

    used: int
    most: int

    def reaches(self, share: str) -> bool:
        """Whether at least this part is used."""
        return self.most > 0 and self.used >= Decimal(share) * self.most


class SalesforceApi:
    """One org over one sign-in. Reads are repeated by the client, writes never."""

    def __init__(
        self,
        name: str,
        settings: SalesforceSettings,
        transport: Transport,
        secrets: Secrets,
        clock: Clock,
        random: Random,
        observer: Observer | None = None,
        in_flight: int = 4,
    ) -> None:
        self.name = name
        self._settings = settings
        self._transport = transport
        self._clock = clock
        self._random = random
        self._org_id = settings.org_id
        self._objects: dict[str, OrgObject | None] = {}
        self._stopped_until = 0
        self.usage: Usage | None = None
        self.vendor_time: datetime | None = None
        self.tokens = TokenKeeper(
            connection=name,
            system="Salesforce",
            sign_in=_sign_in(settings),
            secrets=secrets,
            clock=clock,
            transport=transport,
            holder=f"{name}-{random.getrandbits(32):08x}",
            observer=observer,
        )
        self.client = ApiClient(
            system="Salesforce",
            connection=name,
            base_url=settings.api_url or settings.token_host,
            transport=transport,
            clock=clock,
            random=random,
            tokens=self.tokens,
            budgets=(budget_window(settings),),
            in_flight=in_flight,
            headers={"Sforce-Call-Options": f"client={settings.client_name}"},
            throttled=throttled,
            base_from="" if settings.api_url else "instance_url",
            observer=observer,
        )

    async def server_clock(self) -> datetime | None:
        """The server's time, asked without a sign-in; None where it cannot be had."""
        bare = ApiClient(
            system="Salesforce",
            base_url=self._settings.api_url or self._settings.token_host,
            transport=self._transport,
            clock=self._clock,
            random=self._random,
        )
        try:
            return server_time(await bare.read(Call(path="/services/data/")))
        except TransientError:
            return None

    # Reading.

    async def query(self, statement: str, *, deleted_too: bool = False) -> Rows:
        """The first page of a query; ``deleted_too`` reads the recycle bin as well."""
        resource = "queryAll" if deleted_too else "query"
        path = f"{self._settings.data_path}/{resource}?q={soql.encoded(statement)}"
        if len(path) > soql.ADDRESS_MOST:
            # A body has room for what an address has not.
            (rows,) = await self.queries([(statement, deleted_too)])
            if rows is not None:
                return rows
        headers = self._page_wish()
        template = f"{self._settings.data_path}/{resource}"
        started = self._clock.steady()
        response = await self._read(Call(path=path, headers=headers, template=template))
        return self._rows(_mapping(response), started)

    async def queries(self, asked: Sequence[tuple[str, bool]]) -> list[Rows | None]:
        """
        The first pages of up to five queries in one call of the org's quota; each with whether
        the recycle bin is read. None where one was not answered: ask it by itself.
        """
        parts = [
            {
                "method": "GET",
                "referenceId": f"q{at}",
                "url": f"{self._settings.data_path}/{'queryAll' if deleted_too else 'query'}"
                f"?q={soql.encoded(statement)}",
            }
            for at, (statement, deleted_too) in enumerate(asked)
        ]
        path = f"{self._settings.data_path}/composite"
        body = dumps({"allOrNone": False, "compositeRequest": parts})
        headers = {"Content-Type": "application/json", **self._page_wish()}
        started = self._clock.steady()
        response = await self._answer(Call(method="POST", path=path, headers=headers, body=body))
        if response.status != 200:
            return [None] * len(asked)
        answers = _mapping(response).get("compositeResponse") or ()
        found = {
            answer.get("referenceId"): answer.get("body")
            for answer in answers
            if answer.get("httpStatusCode") == 200
        }
        bodies = (found.get(f"q{at}") for at in range(len(asked)))
        return [self._rows(b, started) if isinstance(b, Mapping) else None for b in bodies]

    async def more(self, path: str) -> Rows:
        """The next page. Raises `LocatorGoneError` where the server has forgotten the query."""
        template = f"{self._settings.data_path}/query/{{locator}}"
        started = self._clock.steady()
        response = await self._answer(Call(path=path, template=template))
        if response.status != 200:
            codes = {refusal.code for refusal in refusals(response.body)}
            if "INVALID_QUERY_LOCATOR" in codes:
                raise LocatorGoneError
            raise read_error(response)
        return self._rows(_mapping(response), started)

    async def object(self, name: str) -> OrgObject | None:
        """The object as the integration user sees it; None where the org has none. Read once."""
        if name not in self._objects:
            path = f"{self._settings.data_path}/sobjects/{name}/describe"
            response = await self._answer(Call(path=path))
            if response.status == 404:
                self._objects[name] = None
            elif response.status == 200:
                self._objects[name] = read_describe(_mapping(response))
            else:
                raise read_error(response)
        return self._objects[name]

    def forget_objects(self) -> None:
        """The next question about an object asks the org again."""
        self._objects.clear()

    async def row(self, name: str, record_id: str) -> HttpResponse:
        """The answer to reading one row's id: its status says whether it is there."""
        path = f"{self._settings.data_path}/sobjects/{name}/{record_id}?fields=Id"
        template = f"{self._settings.data_path}/sobjects/{name}/{{id}}"
        return await self._answer(Call(path=path, template=template))

    async def versions(self) -> list[str]:
        """The versions of the interface that the org offers."""
        response = await self._read(Call(path="/services/data/"))
        found = loads(response.body)
        return [str(entry.get("version")) for entry in found] if isinstance(found, list) else []

    async def limits(self) -> Mapping[str, Any]:
        """The org's allowances, as `{"DailyApiRequests": {"Max", "Remaining"}}`."""
        return _mapping(await self._read(Call(path=f"{self._settings.data_path}/limits")))

    async def identity(self) -> tuple[str, str]:
        """Org id and user id, in 18 characters, out of the address that the sign-in told."""
        await self.tokens.access()
        address = await self.tokens.kept("id") or ""
        parts = address.rstrip("/").split("/")
        try:
            return id18(parts[-2]), id18(parts[-1])
        except (IndexError, ValueError):
            return "", ""

    async def require_same_org(self) -> None:
        """Raises `ConnectionBrokenError` where the sign-in leads to another org than before."""
        org, _ = await self.identity()
        if org:
            self.hold_org(org)

    def hold_org(self, org_id: str) -> None:
        """Remembers the org, or refuses one that differs from the one remembered."""
        if not self._org_id:
            self._org_id = id18(org_id)
        if not same_id(self._org_id, org_id):
            raise ConnectionBrokenError(
                f"The sign-in leads to the Salesforce org {org_id}, but this connection belongs "
                f"to {self._org_id}. Nothing was read or written.",
                code="company_changed",
                hint="After a sandbox refresh or for another org, add a new connection.",
            )

    async def base(self) -> str:
        """The address of the org itself, without a slash at its end."""
        return (await self.tokens.kept("instance_url") or self._settings.token_host).rstrip("/")

    # Writing.

    async def write(self, call: Call) -> HttpResponse:
        """One write, sent once. Raises as `ApiClient.write` does."""
        if self._is_full():
            raise self._full()
        response = await self.client.write(call)
        await self._note(response)
        return response

    # Inside.

    async def _read(self, call: Call) -> HttpResponse:
        response = await self._answer(call)
        if response.status != 200:
            error = read_error(response)
            if error.code == "unknown_field":
                # An administrator took a field away: the next read leaves it out.
                self.forget_objects()
            raise error
        return response

    async def _answer(self, call: Call) -> HttpResponse:
        if self._is_full():
            raise self._full()
        response = await self.client.read(call)
        await self._note(response)
        return response

    def _page_wish(self) -> dict[str, str]:
        return {"Sforce-Query-Options": f"batchSize={self._settings.page_rows}"}

    def _rows(self, found: Row, started: int) -> Rows:
        took = timedelta(milliseconds=self._clock.steady() - started)
        done = bool(found.get("done", True))
        more = found.get("nextRecordsUrl")
        return Rows(
            rows=tuple(found.get("records") or ()),
            more=str(more) if more and not done else None,
            total=int(found.get("totalSize") or 0),
            at=self.vendor_time - took if self.vendor_time else None,
        )

    async def _note(self, response: HttpResponse) -> None:
        if response.status in MOVED:
            # The org moved; its new host comes with a new sign-in, for the next call.
            token = await self.tokens.access()
            await self.tokens.access(refused=token)
        self.vendor_time = server_time(response) or self.vendor_time
        usage = read_usage(response.headers.get("sforce-limit-info", ""))
        if usage is not None:
            self.usage = usage
            if usage.reaches(self._settings.quota_stop):
                self._stopped_until = self._clock.steady() + _STOP_S * 1000

    def _is_full(self) -> bool:
        return self._clock.steady() < self._stopped_until

    def _full(self) -> TransientError:
        used = self.usage
        told = f"{used.used} of {used.most}" if used else "Nearly all"
        return TransientError(
            f"{told} calls of the Salesforce org in 24 hours are used; the rest is kept for "
            "people and other programs.",
            code="quota_used",
            hint="It goes on by itself; find what else calls the org, or buy more calls.",
            retry_after_s=max(1, (self._stopped_until - self._clock.steady()) // 1000),
        )


def budget_window(settings: SalesforceSettings) -> BudgetWindow:
    """Our share of the org's calls in 24 hours."""
    return BudgetWindow(calls=settings.daily_calls, seconds=86_400, share=settings.quota_share)


def server_time(response: HttpResponse) -> datetime | None:
    """The server's clock as its answer tells it, None where it does not."""
    try:
        return parsedate_to_datetime(response.headers.get("date", "")).astimezone(UTC)
    except (TypeError, ValueError):
        return None


def read_usage(header: str) -> Usage | None:
    """`api-usage=123/100000` as numbers, None for another text."""
    for part in header.replace(";", ",").split(","):
        name, _, value = part.strip().partition("=")
        used, _, most = value.partition("/")
        if name == "api-usage" and used.isdecimal() and most.isdecimal():
            return Usage(int(used), int(most))
    return None


def _sign_in(settings: SalesforceSettings) -> SignIn:
    return SignIn(
        token_url=f"{settings.token_host}/services/oauth2/token",
        grant=_GRANTS[settings.grant],
        client_auth="form",
        subject=settings.user,
        audience=settings.audience or settings.login_url,
        assumed_life_s=_ASSUMED_LIFE_S,
        keep=("instance_url", "id"),
    )


def _mapping(response: HttpResponse) -> Mapping[str, Any]:
    try:
        found = loads(response.body)
    except ValueError:
        found = None
    if not isinstance(found, Mapping):
        raise TransientError(
            "Salesforce gave an answer that is not its own.", code="answer_garbled"
        )
    return found
