"""Why: every value back to its source field, its rule, its run and its request; and forward."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from tieout.core.model import Customer, Deal, Document, Entity, ExternalRef, Record
from tieout.engine.context import Engine
from tieout.services.number_checks import answers_about
from tieout.services.usage import UsedWronglyError
from tieout.services.why_values import Value, customer_values, document_values, rules_of
from tieout.store import codec, people, tracing
from tieout.store.people import Case
from tieout.store.postgres import PostgresStore
from tieout.store.registers import Answered
from tieout.store.tracing import Call, Named, Place

KINDS = ("deal", "customer", "draft", "invoice", "credit_note", "order", "document")
_WORDS = {"credit_note": "credit note"}


@dataclass(slots=True, kw_only=True)
class Why:
    """A record with where it came from and what became of it; ``line``: only that of its lines."""

    kind: str
    number: str
    title: str
    ref: ExternalRef
    record: Record
    columns: Mapping[str, Any]
    values: list[Value] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    chain: list[Step] = field(default_factory=list)
    cases: list[Case] = field(default_factory=list)
    outcomes: list[Mapping[str, Any]] = field(default_factory=list)
    deal: Deal | None = None
    line: int | None = None
    number_answers: list[Answered] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A record on the way: deal, draft, invoice, credit note, customer; its state and amounts."""

    kind: str
    number: str
    ref: ExternalRef
    role: str
    status: str
    day: Any = None
    net: Decimal | None = None
    gross: Decimal | None = None
    open: Decimal | None = None
    paid: Decimal | None = None
    paid_on: Any = None
    currency: str = ""
    part: int = 0
    found_by: str = ""


_LINE = re.compile(r"(.+?)\s+line\s+(\d{1,6})", re.IGNORECASE)


async def find(engine: Engine, store: PostgresStore, word: str) -> Named:
    """
    The record that a word names: ``1038``, ``invoice:1038``, a name, a link, an id or our key; with
    a line of it, ``1038 line 2`` or the line's own id.

    Raises `UsedWronglyError` for none, and for several with the ways to say which.
    """
    prefix, _, rest = word.partition(":")
    wanted = prefix.casefold().replace(" ", "_").replace("-", "_")
    kind = wanted if wanted in KINDS and rest and not rest.startswith("//") else ""
    plain = rest.strip() if kind else word.strip()
    if not plain:
        raise UsedWronglyError(
            "Say what to follow: a number, a name, a link or an id.", hint="tieout why --help"
        )
    sides = [engine.policy.crm, *engine.books]
    found = await store.do(lambda tx: tracing.named(tx, sides, plain))
    found = _distinct([one for one in found if _is_kind(one, kind)])
    if not found:
        of_line = _LINE.fullmatch(word.strip())
        if of_line is not None:
            return replace(await find(engine, store, of_line[1]), line=int(of_line[2]))
        found = await store.do(lambda tx: tracing.with_line(tx, sides, plain))
    if not found:
        raise await _nothing_called(store, sides, plain)
    if len(found) > 1:
        raise UsedWronglyError(_which(plain, found), code="ambiguous")
    return found[0]


async def _nothing_called(
    store: PostgresStore, sides: Sequence[str], word: str
) -> UsedWronglyError:
    """With the names that come close: most words that find nothing are a part of one."""
    message, hint = f'Nothing that was read is called "{word}".', _elsewhere(word)
    if not hint and len(word) >= _SHORTEST_PART:
        names = await store.do(lambda tx: tracing.called_like(tx, sides, word))
        if names:
            message += f" There is {', '.join(names[:3])}{', …' if len(names) > 3 else '.'}"
            hint = f"tieout why {shlex.quote(names[0])}"
    return UsedWronglyError(message, code="not_found", hint=hint or "tieout run --once")


def _is_kind(one: Named, kind: str) -> bool:
    return kind in ("", one.kind) or (kind == "document" and one.ref.entity == "document")


def _distinct(found: Sequence[Named]) -> list[Named]:
    """One record for what is the same: a booked draft is its invoice, an account its customer."""
    live = [one for one in found if not one.gone] or list(found)
    whole: dict[str, Named] = {}
    rest: list[Named] = []
    for one in live:
        if one.key13 is not None:
            whole.setdefault(one.key13, one)
        else:
            rest.append(one)
    linked = list(whole.values())
    names = {one.name.casefold() for one in linked if one.kind == "customer"}
    rest = [one for one in rest if not (one.kind == "customer" and one.name.casefold() in names)]
    return linked + rest


def _which(word: str, found: Sequence[Named]) -> str:
    kinds = list(dict.fromkeys(_WORDS.get(one.kind, one.kind) for one in found))
    if len(kinds) > 1:
        listed = " and ".join((", ".join(map(_with_article, kinds[:-1])), _with_article(kinds[-1])))
        return f"{word} is {listed}. Say which: tieout why {found[0].kind}:{word}"
    ids = ", ".join(f"{one.ref.id} ({_where(one)})" for one in found[:5])
    return f"{word} is {len(found)} {kinds[0]}s. Say which by id: {ids}"


def _where(one: Named) -> str:
    """`visma-se, number 1014`: what tells two of one name apart on a person's screen."""
    return one.ref.connection + (f", number {one.number}" if one.number else "")


# Of a word.
_SHORTEST_PART = 3
_OTHER = {"EX": "tieout exceptions show EX-", "P": "tieout plan P-"}


def _elsewhere(word: str) -> str:
    """The command that shows what is named, where that is an exception or a plan."""
    prefix, _, number = word.strip().upper().partition("-")
    return f"{_OTHER[prefix]}{number}" if prefix in _OTHER and number.isdigit() else ""


def _with_article(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


async def why(engine: Engine, store: PostgresStore, one: Named) -> Why:
    """All that is known of a record."""
    got = await store.do(lambda tx: tracing.record_of(tx, one.ref))
    assert got is not None  # it was found in the mirror a moment ago
    record, columns = got
    made = Why(
        kind=one.kind,
        number=one.number,
        title=one.name,
        ref=one.ref,
        record=record,
        columns=columns,
    )
    match record:
        case Deal():
            await _deal(engine, store, made, record)
        case Document():
            await _document(engine, store, made, record, one)
        case Customer():
            await _customer(engine, store, made, record, one)
    if one.line is not None:
        _only_line(made, one.line)
    return made


def _only_line(made: Why, position: int) -> None:
    """Leaves the values of one line. Raises `UsedWronglyError` where there is no such line."""
    lines = made.record.lines if isinstance(made.record, Deal | Document) else ()
    if position not in {line.position for line in lines}:
        raise UsedWronglyError(
            f"{made.number or made.title} has no line {position}; it has "
            f"{', '.join(str(line.position) for line in lines) or 'none'}.",
            code="not_found",
        )
    made.line = position
    made.values = [one for one in made.values if one.name.startswith(f"line {position}.")]


# --- documents --------------------


async def _document(
    engine: Engine, store: PostgresStore, made: Why, record: Document, one: Named
) -> None:
    made.title = record.customer_name or one.name
    key13 = one.key13
    if key13 is None:
        made.chain = [await _step(store, one.ref, "not ours", "")]
        return
    await _slot(engine, store, made, key13)


async def _slot(engine: Engine, store: PostgresStore, made: Why, key13: str) -> None:
    """Values, requests and records of a document's place."""
    bridge, crm = engine.bridge, engine.policy.crm
    place = await store.do(lambda tx: tracing.place(tx, key13))
    if place is None:
        return
    made.calls = await store.do(lambda tx: tracing.calls(tx, key13))
    made.chain = await _chain(store, place)
    got = await store.do(
        lambda tx: tracing.record_of(tx, ExternalRef(crm, "deal", place.source_id))
    )
    deal = got[0] if got else None
    made.cases = await _cases(store, bridge, crm, place.source_id)
    made.outcomes = await store.do(lambda tx: tracing.outcomes(tx, bridge, place.source_id))
    if not isinstance(deal, Deal):
        return
    made.deal = deal
    buyer = await _buyer(store, deal)
    made.number_answers = await answers_about(store, buyer)
    sent = _sent(made.calls)
    base = await store.do(lambda tx: tracing.base_of(tx, key13, Entity.DOCUMENT))
    wanted = sent if isinstance(sent, Document) else base[0] if base else None
    if isinstance(wanted, Document):
        rules = await rules_of(engine, store, _version(engine, made))
        made.values = document_values(rules, deal, buyer, wanted, place.part)


def _version(engine: Engine, made: Why) -> int:
    """The configuration by which it was written last."""
    return made.calls[-1].config_version if made.calls else engine.policy.version


def _sent(calls: Sequence[Call]) -> Record | None:
    """What the newest request that was sent wanted."""
    for call in reversed(calls):
        if call.change:
            change = codec.decode_change(call.change)
            if change.wanted is not None:
                return change.wanted.record
    return None


async def _buyer(store: PostgresStore, deal: Deal) -> Customer | None:
    if deal.customer is None:
        return None
    ref = deal.customer
    got = await store.do(lambda tx: tracing.record_of(tx, ref))
    return got[0] if got and isinstance(got[0], Customer) else None


async def _cases(store: PostgresStore, bridge: str, crm: str, source: str) -> list[Case]:
    found: list[Case] = await store.do(lambda tx: people.open_cases(tx, bridge, crm))
    return [case for case in found if case.source_id == source]


async def _chain(store: PostgresStore, place: Place, part: int = 0) -> list[Step]:
    """The records of a document's place, each with the credit notes against it."""
    found: list[Step] = []
    for ref, role, by, _ in place.refs:
        found.append(await _step(store, ref, role, by, part))
        notes: list[ExternalRef] = await store.do(
            lambda tx, of=ref: tracing.credits_of(tx, of)  # type: ignore[misc]
        )
        found += [await _step(store, note, "credit", "", part) for note in notes]
    return found


async def _step(
    store: PostgresStore, ref: ExternalRef, role: str, found_by: str, part: int = 0
) -> Step:
    got = await store.do(lambda tx: tracing.record_of(tx, ref))
    if got is None:
        return Step(kind=ref.entity, number="", ref=ref, role=role, status="not read")
    record, columns = got
    kind, number, paid, paid_on = ref.entity, getattr(record, "number", ""), None, None
    if isinstance(record, Document):
        kind, paid, paid_on = str(record.kind), record.paid, record.last_payment_on
        history = await store.do(lambda tx: tracing.amounts(tx, ref))
        if paid is None and history:
            paid = history[-1]["paid"]
    return Step(
        kind=kind,
        number=number,
        ref=ref,
        role=role,
        status="gone" if columns["gone_at"] is not None else columns["status"],
        day=columns["day"],
        net=columns["net"],
        gross=columns["gross"],
        open=columns["open"],
        paid=paid,
        paid_on=paid_on,
        currency=columns["currency"],
        part=part,
        found_by=found_by,
    )


# --- deals and customers --------------------


async def _deal(engine: Engine, store: PostgresStore, made: Why, record: Deal) -> None:
    bridge, crm = engine.bridge, engine.policy.crm
    buyer = await _buyer(store, record)
    made.number_answers = await answers_about(store, buyer)
    made.deal = record
    made.number = record.number or record.title
    made.title = buyer.name if buyer else record.title
    source = record.source_id or made.ref.id
    made.outcomes = await store.do(lambda tx: tracing.outcomes(tx, bridge, source))
    made.cases = await _cases(store, bridge, crm, source)
    if record.customer is not None:
        # A document waits for its customer: what keeps that one out keeps the deal out.
        of_buyer = await _cases(store, bridge, crm, record.customer.id)
        made.cases += [case for case in of_buyer if made.number in case.waiting]
    places: list[Place] = await store.do(lambda tx: tracing.places_of(tx, bridge, "D", source))
    for place in places:
        made.calls += await _calls_of(store, place.key13)
        made.chain += await _chain(store, place, place.part)
        base = await _base_of(store, place.key13)
        if base and isinstance(base[0], Document):
            rules = await rules_of(engine, store, _version(engine, made))
            made.values += document_values(rules, record, buyer, base[0], place.part)


async def _calls_of(store: PostgresStore, key13: str) -> list[Call]:
    return await store.do(lambda tx: tracing.calls(tx, key13))


async def _base_of(store: PostgresStore, key13: str) -> tuple[Record | None, Record | None] | None:
    return await store.do(lambda tx: tracing.base_of(tx, key13, Entity.DOCUMENT))


async def _customer(
    engine: Engine, store: PostgresStore, made: Why, record: Customer, one: Named
) -> None:
    bridge, crm = engine.bridge, engine.policy.crm
    made.title, made.number = record.name, record.number
    source = made.ref.id
    keys = []
    if one.key13 is not None:
        key13 = one.key13
        place = await store.do(lambda tx: tracing.place(tx, key13))
        if place is not None:
            source = place.source_id
    places: list[Place] = await store.do(lambda tx: tracing.places_of(tx, bridge, "C", source))
    for place in places:
        keys.append(place.key13)
        for ref, role, by, _ in place.refs:
            made.chain.append(await _step(store, ref, role, by))
    for key in keys:
        made.calls += await _calls_of(store, key)
    made.outcomes = await store.do(lambda tx: tracing.outcomes(tx, bridge, source))
    made.cases = await _cases(store, bridge, crm, source)
    got = await store.do(lambda tx: tracing.record_of(tx, ExternalRef(crm, "customer", source)))
    account = got[0] if got else None
    if isinstance(account, Customer):
        made.number_answers = await answers_about(store, account)
    wanted = _sent(made.calls)
    if isinstance(account, Customer) and isinstance(wanted, Customer):
        rules = await rules_of(engine, store, made.calls[-1].config_version)
        made.values = customer_values(rules, account, wanted)
