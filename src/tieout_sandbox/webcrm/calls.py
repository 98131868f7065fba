"""One call of the API: who makes it, what its path and query say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from tieout_sandbox.kit import Request, Response, json_response
from tieout_sandbox.webcrm.assumptions import Assumptions
from tieout_sandbox.webcrm.errors import invalid, not_found
from tieout_sandbox.webcrm.values import moment_of

MOST_PAGE, MOST_SIZE = 1_000_000, 1000
LARGEST = 2**31 - 1
One = TypeVar("One")


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who is signed in: an application token, or a user. `user_id` 0 for a token."""

    key: str
    signs_as: str
    user_id: int = 0
    read_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request with the parts of its path that are no fixed words, and its caller."""

    request: Request
    parts: Mapping[str, str]
    principal: Principal
    assumptions: Assumptions
    batch_items: int | None = None

    @property
    def by(self) -> str:
        """What the call leaves in `…UpdatedBy`."""
        return self.principal.signs_as

    def number(self, name: str = "id") -> int:
        """A part of the path that is a whole number; a refusal where it is none."""
        text = self.parts[name]
        if not text.lstrip("-").isdigit() or abs(int(text)) > LARGEST:
            raise invalid(f"The value '{text}' is not valid.")
        return int(text)

    def moment(self, name: str) -> datetime:
        """A part of the path that is a time; a refusal where it is none."""
        try:
            found = moment_of(self.parts[name], without_zone=self.assumptions.dates_without_zone)
        except ValueError as error:
            raise invalid(f"The value '{self.parts[name]}' is not valid.") from error
        if found is None:
            raise invalid(f"The value '{self.parts[name]}' is not valid.")
        return found

    def param(self, name: str) -> str | None:
        """A query parameter by its name in any case."""
        wanted = name.lower()
        return next((text for key, text in self.request.query if key.lower() == wanted), None)

    @property
    def wants_security(self) -> bool:
        """Whether `include` asks for SecurityInfo."""
        return any(
            "SecurityInfo" in text.split(",")
            for key, text in self.request.query
            if key.lower() == "include"
        )

    def page(self) -> tuple[int, int]:
        """Page and size, the first page being 1."""
        size = self.assumptions.default_page_size
        return self._bounded("Page", 1, MOST_PAGE), self._bounded("Size", size, MOST_SIZE)

    def page_of(self, rows: Iterable[One]) -> list[One]:
        """The rows of the page that is asked for."""
        page, size = self.page()
        start = (page - 1) * size
        found: list[One] = []
        for place, row in enumerate(rows):
            if place >= start + size:
                break
            if place >= start:
                found.append(row)
        return found

    def _bounded(self, name: str, default: int, most: int) -> int:
        text = self.param(name)
        if text is None or text == "":
            return default
        try:
            number = int(text)
        except ValueError as error:
            raise invalid(f"The value '{text}' is not valid for {name}.") from error
        if 1 <= number <= most:
            return number
        if self.assumptions.paging_out_of_range == "nearest":
            return min(max(number, 1), most)
        raise invalid(f"The field {name} must be between 1 and {most}.")

    def body(self) -> Any:
        """The body as JSON; a refusal where it is none."""
        try:
            return self.request.json()
        except ValueError as error:
            raise invalid(f"The body is not valid JSON: {error}") from error

    def object(self) -> dict[str, Any]:
        """The body as a JSON object; a refusal where it is none."""
        found = self.body()
        if not isinstance(found, dict):
            raise invalid("A JSON object is expected.")
        return found


def wanted(found: One | None, what: str, given: object) -> One:
    """The record, or the refusal that there is none."""
    if found is None:
        raise not_found(what, given)
    return found


def array(rows: list[Any]) -> Response:
    """A list: a bare array, no envelope."""
    return json_response(200, rows)


def nothing(status: int = 200) -> Response:
    """An answer without a body."""
    return Response(status=status, headers={"Content-Length": "0"} if status == 200 else {})
