"""
Time as the vendor writes it: without a zone, with Z, or with an offset, differing by resource.

Which zone a stamp without one has nobody says; a record that was written a moment ago shows it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from tieout.connectors.visma_net.values import Payload, text_of

_NEAR = timedelta(minutes=10)
MODIFIED, CREATED = "lastModifiedDateTime", "createdDateTime"


class Stamps:
    """What is known of the zone of each resource's stamps."""

    def __init__(self) -> None:
        self.zone = ZoneInfo("Europe/Oslo")
        self._local: dict[str, bool] = {}

    def learn(self, resource: str, payload: Payload, now: datetime | None) -> None:
        """
        Looks at the stamp of a record that was written just now: it is that of the vendor's clock
        in UTC, or in the company's zone. Anything else teaches nothing.
        """
        when = _parsed(text_of(payload, MODIFIED))
        if when is None or now is None or when.tzinfo is not None:
            return
        in_utc = abs(when.replace(tzinfo=UTC) - now) <= _NEAR
        local = abs(when - now.astimezone(self.zone).replace(tzinfo=None)) <= _NEAR
        if in_utc != local:
            self._local[resource] = local

    def instant(self, resource: str, payload: Payload, name: str = MODIFIED) -> datetime | None:
        """The moment of a stamp. One without a zone is taken as UTC until its zone was seen."""
        when = _parsed(text_of(payload, name))
        if when is None:
            return None
        if when.tzinfo is not None:
            return when.astimezone(UTC)
        zone = self.zone if self._local.get(resource) else UTC
        return when.replace(tzinfo=zone).astimezone(UTC)

    def latest(self, payload: Payload, name: str = MODIFIED) -> datetime | None:
        """The latest moment that a stamp can mean: without a zone it is in UTC or ahead of it."""
        when = _parsed(text_of(payload, name))
        if when is None:
            return None
        return when.astimezone(UTC) if when.tzinfo is not None else when.replace(tzinfo=UTC)


def _parsed(text: str) -> datetime | None:
    """A stamp as it stands. Raises ValueError where it is none."""
    return datetime.fromisoformat(text) if text else None
