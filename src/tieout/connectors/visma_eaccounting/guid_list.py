"""Ids of many records in a cursor: sixteen bytes each, not the thirty-six letters of their text."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from uuid import UUID

_BYTES = 16


class GuidList:
    """Ids in the order in which they came; what is no GUID as the vendor writes one is kept too."""

    def __init__(self, ids: Iterable[str] = ()) -> None:
        self._packed = bytearray()
        self._others: list[str] = []
        self.extend(ids)

    def extend(self, ids: Iterable[str]) -> None:
        """Adds these."""
        for one in ids:
            guid = _guid(one)
            if guid is None:
                self._others.append(one)
            else:
                self._packed += guid.bytes

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self._packed), _BYTES):
            yield str(UUID(bytes=bytes(self._packed[start : start + _BYTES])))
        yield from self._others

    def state(self) -> dict[str, Any]:
        """As a part of a cursor."""
        return {"guids": b64encode(self._packed).decode(), "ids": self._others}

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> GuidList:
        """From a part of a cursor; earlier ones had all ids as texts."""
        found = cls(state.get("ids") or ())
        found._packed += b64decode(state.get("guids") or "")
        return found


def _guid(text: str) -> UUID | None:
    try:
        guid = UUID(text)
    except ValueError:
        return None
    return guid if str(guid) == text else None
