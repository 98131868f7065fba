"""What a configuration lets be written that the one in force only plans, in a sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from tieout.core.money import Money
from tieout.core.policy import FlowMode
from tieout.engine import lanes
from tieout.settings.bridge import Configuration
from tieout.store.held_back import HeldBack

# Which flow of the file rules a lane.
_FLOWS = {
    lanes.ACCOUNTS: lanes.CUSTOMERS,
    lanes.PERSONS: lanes.CONTACTS,
    lanes.BALANCES: lanes.STATUS,
}
_WRITES = (FlowMode.AUTO, FlowMode.APPROVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class GoingLive:
    """
    ``documents`` and their ``net`` per currency, and other changes by flow, that leave once the
    configuration is in force; ``flows`` are those that begin to write, ``asks`` whether a person
    releases the documents (all, or those above ``above``). ``undecided`` is what nobody looked at.
    """

    flows: tuple[str, ...] = ()
    documents: int = 0
    net: tuple[Money, ...] = ()
    others: tuple[tuple[str, int], ...] = ()
    undecided: int = 0
    asks: bool = False
    above: Decimal | None = None

    def text(self) -> str:
        """`Once published, 1 document (SEK 500.00 net) and 1 customer are written.`, or ''."""
        if not self.flows:
            return ""
        parts = [self._documents()] if self.documents else []
        parts += [_change(flow, number) for flow, number in self.others]
        told = ""
        if parts:
            more = len(parts) > 1 or self.documents + sum(n for _, n in self.others) > 1
            told = f"Once published, {_listed(parts)} {'are' if more else 'is'} written."
        if self.documents and self.asks:
            limit = "" if self.above is None else f" above {self.above:,.2f}"
            told += f" Documents{limit} wait for a person's release first."
        if self.undecided:
            verb = "is" if self.undecided == 1 else "are"
            told += f" {_count(self.undecided, 'record')} {verb} not looked at yet: tieout plan."
        if not told:
            told = "Nothing waits to be written; what comes from now on is."
        return told.strip()

    def _documents(self) -> str:
        sums = " and ".join(f"{one.currency} {one.amount:,.2f}" for one in self.net)
        return f"{_count(self.documents, 'document')} ({sums} net)"


def going_live(old: Configuration, new: Configuration, waiting: Iterable[HeldBack]) -> GoingLive:
    """What of ``waiting`` is written with ``new`` and was not with ``old``."""
    before, after = _modes(old), _modes(new)
    begin = tuple(
        flow
        for flow in after
        if after[flow] in _WRITES and before.get(flow, FlowMode.OFF) not in _WRITES
    )
    documents, undecided, others = 0, 0, Counter[str]()
    net: dict[str, Decimal] = {}
    for one in waiting:
        flow = lanes.flow_of(one.lane)
        if _FLOWS.get(flow, flow) not in begin:
            continue
        if not one.verdict:
            undecided += 1
        elif flow == lanes.DOCUMENTS and one.entity in ("", "document"):
            documents += 1
            if one.net is not None:
                net[one.currency] = net.get(one.currency, Decimal(0)) + one.net
        else:
            # A customer that a deal needs is planned with the deal.
            others["customers" if one.entity == "customer" else _FLOWS.get(flow, flow)] += 1
    rules = new.model.flows.documents
    return GoingLive(
        flows=begin,
        documents=documents,
        net=tuple(Money(amount, currency) for currency, amount in sorted(net.items())),
        others=tuple(sorted(others.items())),
        undecided=undecided,
        asks=rules.mode is FlowMode.APPROVE,
        above=rules.approve_above,
    )


def _modes(configuration: Configuration) -> dict[str, FlowMode]:
    flows = configuration.model.flows
    return {
        lanes.CUSTOMERS: flows.customers.mode,
        lanes.DOCUMENTS: flows.documents.mode,
        lanes.STATUS: flows.status.mode,
        lanes.ITEMS: flows.items.mode,
        lanes.INVOICES: flows.invoices.mode,
        lanes.CONTACTS: flows.contacts.mode,
        lanes.REFERENCE: flows.reference.mode,
    }


def _change(flow: str, number: int) -> str:
    if flow == lanes.CUSTOMERS:
        return _count(number, "customer")
    return f"{_count(number, 'change')} of {flow}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
