"""Why: every value back to its source field, its rule, its run and its request; and forward."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tieout.core.compose import line_scope
from tieout.core.mapping.errors import MappingError
from tieout.core.mapping.explain import explain
from tieout.core.model import Customer, Deal, Document, Entity, ExternalRef, LineKind, Record
from tieout.core.policy import FieldRule
from tieout.core.scope import customer_scope, deal_scope
from tieout.engine.context import Engine
from tieout.services.number_checks import answers_about
from tieout.services.usage import UsedWronglyError
from tieout.settings.expressions import parse
from tieout.settings.problems import Place as TextPlace
from tieout.store import codec, people, tracing
from tieout.store.people import Case
from tieout.store.postgres import PostgresStore
from tieout.store.registers import Answered
from tieout.store.tracing import Call, Named, Place

KINDS = ("deal", "customer", "draft", "invoice", "credit_note", "order", "document")
_WORDS = {"credit_note": "credit note"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """
    One value of a record: what it is, what it was made of (path and what stood there), and the
    rule with its version.
    """

    name: str
    value: str
    source: str
    rule: str = ""


@dataclass(slots=True, kw_only=True)
class Why:
    """A record with where it came from and what became of it."""

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


async def find(engine: Engine, store: PostgresStore, word: str) -> Named:
    """
    The record that a word names: ``1038``, ``invoice:1038``, a name, a link, an id or our key.

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
        raise UsedWronglyError(
            f'Nothing that was read is called "{plain}".',
            code="not_found",
            hint=_elsewhere(plain) or "tieout run --once",
        )
    if len(found) > 1:
        raise UsedWronglyError(_which(plain, found), code="ambiguous")
    return found[0]


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
    return made


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
    version = made.calls[-1].config_version if made.calls else engine.policy.version
    if isinstance(wanted, Document):
        made.values = document_values(engine, deal, buyer, wanted, version, place.part)


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
            version = made.calls[-1].config_version if made.calls else engine.policy.version
            made.values += document_values(engine, record, buyer, base[0], version, place.part)


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
        version = made.calls[-1].config_version
        scope = customer_scope(account)
        seen = {"customer": scope, "account": scope}
        made.values = [
            _value(f"customer.{rule.target}", rule, seen, _shown(wanted, rule), version)
            for rule in engine.policy.customers.fields
        ]
        ruled = {rule.target for rule in engine.policy.customers.fields}
        for name in ("name", "identifiers", "terms"):
            told = text_of(getattr(wanted, name, None))
            if name not in ruled and told:
                made.values.append(Value(name=name, value=told, source=f"account.{name}"))


# --- values --------------------


def document_values(
    engine: Engine,
    deal: Deal,
    buyer: Customer | None,
    wanted: Document,
    version: int,
    part: int = 0,
) -> list[Value]:
    """The net with its lines, then every field that a rule of the mapping made."""
    name = deal.number or deal.title
    values = [_net(deal, wanted, name, part)]
    scope = deal_scope(deal, buyer)
    for rule in engine.policy.documents.fields:
        told = _shown(wanted, rule)
        values.append(_value(f"document.{rule.target}", rule, scope, told, version))
    lines = [line for line in deal.lines if line.kind is not LineKind.TEXT]
    sent = [line for line in wanted.lines if line.kind is not LineKind.TEXT]
    for rule in engine.policy.documents.line_fields:
        for line, made in zip(lines, sent, strict=False):
            seen = {**scope, "line": line_scope(line)}
            told = (
                made.item.number
                if rule.target == "item" and made.item
                else text_of(getattr(made, rule.target, None))
            )
            values.append(
                _value(
                    f"line {line.position}.{rule.target}",
                    rule,
                    seen,
                    told,
                    version,
                )
            )
    if not any(rule.target == "terms" for rule in engine.policy.documents.fields):
        found = next((r for r in engine.policy.customers.fields if r.target == "terms"), None)
        if found is not None:
            values.append(_value("customer.terms", found, scope, wanted.terms, version))
    return values


def _net(deal: Deal, wanted: Document, name: str, part: int) -> Value:
    total = wanted.totals.net if wanted.totals else None
    parts = [
        f"{line.stated_net:,.2f}"
        for line in deal.lines
        if line.kind is not LineKind.TEXT and line.stated_net is not None
    ]
    source = f"lines of {name}"
    if 1 < len(parts) <= 6:
        source = f"{' + '.join(parts)}, lines of {name}"
    if part:
        source = f"step {part} of the billing plan of {name}"
    elif deal.discount:
        source += f", less {deal.discount:,.2f} discount"
    return Value(name="net", value="" if total is None else f"{total:,.2f}", source=source)


def _shown(wanted: Record, rule: FieldRule) -> str:
    target = rule.target
    if target in ("email", "phone"):
        roles = getattr(wanted, f"{target}s", {})
        return str(roles.get("invoice") or roles.get("general") or "")
    return text_of(getattr(wanted, target, None))


def _value(
    name: str,
    rule: FieldRule,
    scope: Mapping[str, Any],
    told: str,
    version: int,
) -> Value:
    """A value with the fields that its rule looked at and what stood in them."""
    short = name.split(".", 1)[-1]
    label = f"{name}, v{version}" if version else name
    return Value(
        name=short if not name.startswith("line ") else name,
        value=told or _now(rule, scope),
        source=_inputs(rule, scope),
        rule=label + (f", tables/{rule.table}.csv" if rule.table else ""),
    )


def _now(rule: FieldRule, scope: Mapping[str, Any]) -> str:
    try:
        return text_of(rule.value(scope))
    except MappingError:
        return ""


class _Anywhere:
    """A text that is read again from a published version: its places are of no interest."""

    def place_at(self, offset: int) -> TextPlace:
        return TextPlace(file="", line=1, column=offset + 1)


def _inputs(rule: FieldRule, scope: Mapping[str, Any]) -> str:
    """`account.Payment_Terms__c "Net 30"`: the fields that were read; the text where none was."""
    expr = parse(rule.text, place=_Anywhere())
    if isinstance(expr, list):
        return rule.text
    told = explain(expr, scope)
    seen = [
        f"{one.path} {_quoted(one.value)}" if not one.missing else f"{one.path} (not there)"
        for one in told.inputs
    ]
    return ", ".join(seen) or rule.text


def _quoted(value: Any) -> str:
    return f'"{text_of(value)}"' if isinstance(value, str) else text_of(value) or "(empty)"


def text_of(value: Any) -> str:
    """A value as a person reads it."""
    match value:
        case None:
            return ""
        case Decimal():
            return f"{value:f}"
        case tuple() | list():
            return ", ".join(filter(None, (text_of(inner) for inner in value)))
        case Mapping():
            return ", ".join(f"{key} {text_of(inner)}" for key, inner in value.items())
    normal = getattr(value, "normal", None)
    if normal is not None:
        return str(normal or getattr(value, "raw", ""))
    return str(getattr(value, "value", value))
