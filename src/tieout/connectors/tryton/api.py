"""Calls to one Tryton database: reads that are repeated, writes that leave once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from tieout.connectors.http.client import ApiClient, Call
from tieout.connectors.tryton.errors import error_of, problem_of, result_of
from tieout.connectors.tryton.session import JSON, Session
from tieout.connectors.tryton.settings import TrytonSettings
from tieout.connectors.tryton.values import Payload, call_body, method_of, vendor_time
from tieout.core.errors import ConnectionBrokenError
from tieout.ports import Clock, HttpResponse

Domain = list[Any]
READ_TIMEOUT_S = 70
WRITE_TIMEOUT_S = 120


class TrytonApi:
    """What the parts of the connector share: calls, the company's context, the server's clock."""

    def __init__(
        self,
        *,
        name: str,
        settings: TrytonSettings,
        client: ApiClient,
        session: Session,
        clock: Clock,
    ) -> None:
        self.name = name
        self.settings = settings
        self.client = client
        self.session = session
        self.clock = clock
        self.company = settings.company
        self.seen_at: datetime | None = None

    # --- calls -----------------------------------------------------------------------------------

    def context(self, **more: object) -> dict[str, object]:
        """
        What every call is made in: the company, without which defaults and values per company are
        null or another one's; and English, since texts are the only codes.
        """
        base: dict[str, object] = {"language": "en"}
        if self.company:
            base["company"] = self.company
        return {**base, **more}

    async def call(self, method: str, *params: object, **context: object) -> Any:
        """
        The result of a call that changes nothing. Raises `TransientError` and
        `ConnectionBrokenError` as `errors.error_of` has it.
        """
        response = await self.ask(method, *params, **context)
        problem = problem_of(response)
        if problem is not None:
            raise error_of(problem)
        return result_of(response)

    async def call_server(self, method: str) -> Any:
        """The result of a call to the server itself, which needs no sign-in and no context."""
        call = Call(
            method="POST",
            path="/rpc/",
            headers=JSON,
            body=call_body(method, []),
            template=method,
            timeout_s=READ_TIMEOUT_S,
        )
        response = await self.client.read(call)
        self.seen_at = vendor_time(response) or self.seen_at
        problem = problem_of(response)
        if problem is not None:
            raise error_of(problem)
        return result_of(response)

    async def ask(self, method: str, *params: object, **context: object) -> HttpResponse:
        """The answer to a reading call as it came, signed in anew where the session had ended."""
        body = call_body(method, [*params, self.context(**context)])
        call = Call(
            method="POST",
            path=self.settings.path,
            body=body,
            template=method,
            timeout_s=READ_TIMEOUT_S,
        )
        return await self._signed_in(call, write=False)

    async def write(self, body: bytes, *, timeout_s: int = WRITE_TIMEOUT_S) -> HttpResponse:
        """
        The answer to stored bytes. They leave once; only after a 401, which comes before anything
        is done, they leave again with a new session: one that was idle for five minutes may read
        and draft, and not post.
        """
        call = Call(
            method="POST",
            path=self.settings.path,
            body=body,
            template=method_of(body),
            timeout_s=timeout_s,
        )
        return await self._signed_in(call, write=True)

    async def _signed_in(self, call: Call, *, write: bool) -> HttpResponse:
        header = ""
        for _ in range(2):
            header = await self.session.header(refused=header)
            signed = Call(
                method=call.method,
                path=call.path,
                body=call.body,
                template=call.template,
                timeout_s=call.timeout_s,
                headers={**JSON, "Authorization": header},
            )
            send = self.client.write if write else self.client.read
            response = await send(signed)
            self.seen_at = vendor_time(response) or self.seen_at
            if response.status != 401:
                return response
        raise ConnectionBrokenError(
            "Tryton accepts the sign-in and refuses its session.", code="sign_in_withdrawn"
        )

    def now(self) -> datetime:
        """The server's clock as it was last heard, ours before that."""
        return self.seen_at or self.clock.now()

    # --- models ----------------------------------------------------------------------------------

    async def read(
        self, model: str, ids: Sequence[int], names: Sequence[str], own: Domain | None = None
    ) -> dict[int, Payload]:
        """
        Records by id; one that is not there, or none that ``own`` selects, is left out. The order
        of the answer means nothing, and one unknown id fails a plain read, so they are searched
        for.
        """
        wanted = sorted(set(ids))
        found: dict[int, Payload] = {}
        for start in range(0, len(wanted), 200):
            part = wanted[start : start + 200]
            domain: Domain = [["id", "in", part], *everyone(model), *(own or ())]
            for row in await self.search(model, domain, names):
                found[int(row["id"])] = row
        return found

    async def search(
        self, model: str, domain: Domain, names: Sequence[str], *, limit: int | None = None
    ) -> list[Payload]:
        """The records that a domain selects, by id; all of them where there is no limit."""
        rows = await self.call(
            f"model.{model}.search_read", domain, 0, limit, [["id", "ASC"]], list(names)
        )
        return list(rows)

    async def pages(
        self, model: str, domain: Domain, names: Sequence[str], *, after: int = 0, size: int = 0
    ) -> AsyncIterator[list[Payload]]:
        """All records that a domain selects, page by page by id, so that none moves past us."""
        size = size or self.settings.page_size
        while True:
            page = await self.search(model, [domain, ["id", ">", after]], names, limit=size)
            if page:
                yield page
                after = int(page[-1]["id"])
            if len(page) < size:
                return

    async def on_change(
        self, model: str, values: Mapping[str, object], names: Sequence[str]
    ) -> Any:
        """What the screen would fill in; every field that the rule reads must be in the values."""
        return await self.call(f"model.{model}.on_change", {"id": -1, **values}, list(names))


def everyone(model: str) -> Domain:
    """The clause that shows inactive records too, for models that hide them."""
    hiding = ("party.party", "party.address", "party.identifier", "product.product", "account.tax")
    return [["active", "in", [True, False]]] if model in hiding else []
