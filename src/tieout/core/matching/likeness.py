"""How alike two names are, in whole per cent: words in any order, letters that were mistyped."""

from __future__ import annotations

from collections.abc import Callable, Sequence

Distance = Callable[[str, str], int]
"""How many letters were changed, left out, put in or swapped with their neighbour."""

MOST_WORDS = 8


def letters_apart(left: str, right: str) -> int:
    """The `Distance` of the standard library only; a faster one may be given in its place."""
    if left == right:
        return 0
    before: list[int] = []
    row = list(range(len(right) + 1))
    for place, letter in enumerate(left, start=1):
        older, before, row = before, row, [place]
        for other, theirs in enumerate(right, start=1):
            best = min(
                row[other - 1] + 1, before[other] + 1, before[other - 1] + (letter != theirs)
            )
            swapped = (
                place > 1 and other > 1 and letter == right[other - 2] and left[place - 2] == theirs
            )
            row.append(min(best, older[other - 2] + 1) if swapped else best)
    return row[-1]


def likeness(
    left: Sequence[str], right: Sequence[str], distance: Distance = letters_apart
) -> tuple[int, int]:
    """
    Per cent, and how many letters apart, the same from both ends.

    Each word is held against the one that it is most like; words that are left over count whole,
    for a further word is never dropped (*Volvo*, *Volvo Cars*). Nothing is like nothing.
    """
    mine, theirs = sorted((sorted(left), sorted(right)))
    size = max(len("".join(mine)), len("".join(theirs)))
    if not mine or not theirs:
        return 0, size
    if mine == theirs:
        return 100, 0
    apart = distance("".join(mine), "".join(theirs))
    if len(mine) <= MOST_WORDS and len(theirs) <= MOST_WORDS:
        apart = min(apart, _word_by_word(mine, theirs, distance))
    # Written as one word or as two, in the order in which people wrote them.
    first, second = sorted(("".join(left), "".join(right)))
    apart = min(apart, distance(first, second))
    return max(0, 100 * (size - apart) // size), apart


def _word_by_word(mine: Sequence[str], theirs: Sequence[str], distance: Distance) -> int:
    pairs = sorted(
        (distance(one, other), one, other, place, at)
        for place, one in enumerate(mine)
        for at, other in enumerate(theirs)
    )
    total, left, right = 0, set(range(len(mine))), set(range(len(theirs)))
    for apart, one, other, place, at in pairs:
        if place in left and at in right and apart < max(len(one), len(other)):
            total += apart
            left.discard(place)
            right.discard(at)
    return total + sum(len(mine[at]) for at in left) + sum(len(theirs[at]) for at in right)
