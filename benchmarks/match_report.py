"""What was measured of a first connection, as lines for a person."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.matching import Found, Quality


def lines(found: Found) -> Iterator[str]:
    """Time, memory, calls, what a kill costs, and how well it matched by kind of corruption."""
    taken = found.taken
    yield (
        f"First connection, {found.customers:,} customers on each side, {found.invoices:,}"
        f" invoices, {found.deals:,} won deals"
    )
    yield f"  read in {taken.read_s:,.0f} s, matched in {taken.match_s:,.0f} s"
    if found.small is not None:
        yield (
            f"  peak {taken.peak_mb} MB; {found.small.peak_mb} MB with"
            f" {found.small_customers:,} customers"
        )
    yield f"  {taken.calls:,} calls; full pages of both sides alone are {found.least_calls:,}"
    again = "the same result" if found.same_after_kill else "ANOTHER RESULT"
    more = sum(found.again.values())
    yield (
        f"  killed {found.killed} times: {again}; its lives made {more:,} calls more than"
        f" {taken.calls:,}"
    )
    for route, number in sorted(found.again.items(), key=lambda entry: (-entry[1], entry[0]))[:12]:
        yield f"    {number:>5,} {route}"
    yield from _figures(found)
    yield "  by corruption: pairs, matched, proposed, ambiguous, missed, given to another"
    for name, one in sorted(found.by_corruption.items()):
        yield (
            f"    {name:<28} {one.pairs:>7,} {one.matched:>7,} {one.proposed:>7,}"
            f" {one.ambiguous:>6,} {one.missed:>6,} {one.wrong:>5,}"
        )


def _figures(found: Found) -> Iterator[str]:
    every = Quality()
    for one in found.by_corruption.values():
        every.pairs += one.pairs
        every.matched += one.matched
        every.proposed += one.proposed
        every.ambiguous += one.ambiguous
    for state in ("matched", "proposed"):
        good, bad = found.states.get(state, (0, 0))
        if good + bad:
            yield f"  {state}: {good + bad:,} pairs, precision {_percent(good, good + bad)}"
    shown = every.matched + every.proposed
    yield (
        f"  recall: {_percent(every.matched, every.pairs)} matched,"
        f" {_percent(shown, every.pairs)} with those proposed,"
        f" {_percent(shown + every.ambiguous, every.pairs)} with the ambiguous"
    )
    if found.documents is not None:
        told = found.documents
        yield (
            f"  documents of customers that are known: {told.deals:,} deals, {told.right:,}"
            f" proposed rightly, {told.wrong:,} wrongly, {told.ambiguous:,} left to a person"
        )


def _percent(part: int, whole: int) -> str:
    """Two decimals, rounded down, so that 100 means all."""
    if not whole:
        return "none"
    hundredths = 10_000 * part // whole
    return f"{hundredths // 100}.{hundredths % 100:02d} %"
