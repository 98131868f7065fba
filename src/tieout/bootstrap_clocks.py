"""The vendors' clocks, as every answer tells them: known before the first send, from reads."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tieout.connectors.http.traffic import Exchange, Observer
    from tieout.engine.context import Engine


class Listener:
    """Hears from the answers of each connection what time it is there, once there is an engine."""

    def __init__(self) -> None:
        self.engine: Engine | None = None

    def of(self, connection: str, also: Observer | None) -> Observer:
        """The observer of that connection's calls; ``also`` is given them all the same."""

        def observe(exchange: Exchange) -> None:
            if also is not None:
                also(exchange)
            if self.engine is not None:
                self.engine.heard(connection, told_by(exchange))

        return observe


def told_by(exchange: Exchange) -> datetime | None:
    """The server's time in an answer, in UTC; None where it tells none."""
    if exchange.response is None:
        return None
    headers = {name.lower(): value for name, value in exchange.response.headers.items()}
    try:
        return parsedate_to_datetime(headers.get("date", "")).astimezone(UTC)
    except (TypeError, ValueError):
        return None
