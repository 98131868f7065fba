"""A set of record ids that takes eight bytes for each of them, however long they are."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from hashlib import blake2b

_BUCKETS = 256


class IdSet:
    """
    Which ids a complete list holds, kept while it is read page by page: a list of a million has
    to be compared with what we hold, without being held itself.

    Of each id eight bytes of its hash are kept. One that is not in it is taken for one that is
    once in 18 million million million tries for each id that it holds; never the other way round.
    """

    __slots__ = ("_buckets", "_sorted")

    def __init__(self, ids: Iterable[str] = ()) -> None:
        self._buckets = [array("Q") for _ in range(_BUCKETS)]
        self._sorted = True
        self.update(ids)

    def update(self, ids: Iterable[str]) -> None:
        """Adds these."""
        for one in ids:
            number = _number(one)
            self._buckets[number % _BUCKETS].append(number)
            self._sorted = False

    def __len__(self) -> int:
        """How many different ones it holds."""
        self._sort()
        return sum(map(len, self._buckets))

    def __contains__(self, one: object) -> bool:
        self._sort()
        number = _number(str(one))
        bucket = self._buckets[number % _BUCKETS]
        place = bisect_left(bucket, number)
        return place < len(bucket) and bucket[place] == number

    def _sort(self) -> None:
        # Bucket by bucket, so that no second copy of the whole is made.
        if not self._sorted:
            for place, bucket in enumerate(self._buckets):
                self._buckets[place] = array("Q", sorted(set(bucket)))
            self._sorted = True


def _number(one: str) -> int:
    return int.from_bytes(blake2b(one.encode(), digest_size=8).digest(), "big")
