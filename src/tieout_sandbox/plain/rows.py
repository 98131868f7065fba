"""What both plain simulators share: rows in memory, pages by stamp, and the form on the wire."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from tieout_sandbox.kit import Request, Response, json_response
from tieout_sandbox.kit.clock import instant_text, parse_instant

Row = dict[str, Any]
PAGE = 100
_MARK = "~"


class RefusedError(Exception):
    """A call that is refused: status, code, a sentence, and facts for the caller."""

    def __init__(self, status: int, code: str, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.status = status
        self.error = {"code": code, "message": message, **facts}

    def response(self) -> Response:
        """The answer in the vendor's form."""
        return json_response(self.status, {"error": self.error})


def wire(row: Mapping[str, Any]) -> Row:
    """A row as the API shows it: what begins with `_` stays inside, times become text."""
    return {name: _shown(value) for name, value in row.items() if not name.startswith("_")}


def stored(row: Mapping[str, Any]) -> Row:
    """A row with its inner marks, as a test sees it."""
    return {name: _shown(value) for name, value in row.items()}


def _shown(value: Any) -> Any:
    if isinstance(value, datetime):
        return instant_text(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {key: _shown(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_shown(item) for item in value]
    return value


def cents(value: Decimal) -> Decimal:
    """Two decimals, half away from zero."""
    return value.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)


def instant_param(request: Request, name: str) -> datetime | None:
    """A time of the query; RefusedError where it is none."""
    text = request.param(name)
    if not text:
        return None
    try:
        return parse_instant(text)
    except ValueError as error:
        raise RefusedError(400, "bad_query", str(error)) from error


def object_of(request: Request) -> Row:
    """The body as a JSON object; RefusedError where it is none."""
    try:
        value = request.json()
    except ValueError as error:
        raise RefusedError(400, "bad_body", str(error)) from error
    if not isinstance(value, dict):
        raise RefusedError(400, "bad_body", "a JSON object is expected")
    return value


def page_by_stamp(
    rows: Iterable[Row], request: Request, shown: Callable[[Row], Row] = wire
) -> Response:
    """Rows changed at or after `since`, oldest change first; `page` continues after a row."""
    since = instant_param(request, "since")
    after = _after(request.param("page"))
    chosen = [row for row in rows if since is None or row["changed_at"] >= since]
    chosen.sort(key=_order)
    if after is not None:
        chosen = [row for row in chosen if _order(row) > after]
    per = min(int(request.param("per") or PAGE), PAGE)
    part = chosen[:per]
    more = len(chosen) > per
    token = f"{instant_text(part[-1]['changed_at'])}{_MARK}{part[-1]['id']}" if more else None
    return json_response(200, {"rows": [shown(row) for row in part], "next": token})


def _order(row: Row) -> tuple[datetime, str]:
    return row["changed_at"], row["id"]


def _after(token: str | None) -> tuple[datetime, str] | None:
    if not token:
        return None
    stamp, _, row_id = token.partition(_MARK)
    try:
        return parse_instant(stamp), row_id
    except ValueError as error:
        raise RefusedError(400, "bad_query", f"no such page: {token}") from error
