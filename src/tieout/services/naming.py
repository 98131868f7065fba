"""The one record that a person's word means."""

from __future__ import annotations

from collections.abc import Sequence

from tieout.services.usage import UsedWronglyError
from tieout.store.people import NamedDeal


def one_deal(found: Sequence[NamedDeal], word: str, crm: str) -> NamedDeal:
    """The deal that a word found. Raises `UsedWronglyError` where it is none, or several."""
    if not found:
        raise UsedWronglyError(f'{crm} has no deal "{word}".', code="no_such_record")
    if len(found) > 1:
        ids = ", ".join(deal.id for deal in found)
        raise UsedWronglyError(
            f'"{word}" is more than one deal: {ids}. Give its id.', code="ambiguous"
        )
    return found[0]
