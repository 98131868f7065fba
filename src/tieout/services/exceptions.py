"""Exceptions: what waits for a person, what would free it, and the answer, kept for good."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from tieout.core.case import RefRole, SlotState
from tieout.core.keys import Slot
from tieout.core.model import ExternalRef
from tieout.engine import lanes
from tieout.engine.context import Engine
from tieout.engine.deciding import DecideCounts, decide_window, record_window
from tieout.engine.executing import execute
from tieout.engine.places import customer_slot, document_slot
from tieout.engine.sending import ExecuteCounts
from tieout.services import choosing, planning
from tieout.services.usage import UsedWronglyError
from tieout.store import admin, pages, people, planned, said
from tieout.store import slots as slot_store
from tieout.store.people import Case
from tieout.store.planned import Written
from tieout.store.postgres import PostgresStore
from tieout.store.recovering import ASSIGN, RESTORED

CUSTOMER_CODES = frozenset({"customer_maybe_known", "customer_gone"})
DOUBTS = frozenset({"two_carriers", "near_hit", "absent_three_times", "old_generation_alive"})
# A document that somebody else made: no place of ours has it, and none is taken for "not ours".
ALIKE = "possible_duplicate"
ASKS_FOR_DOCUMENT = DOUBTS | {
    *("copy", "found_after_deletion", "draft_deleted", "former_document_stands"),
}
CLOSE_ENOUGH = 60
# Flows whose exceptions are about one record, which can be decided once more.
_ONE_BY_ONE = frozenset({lanes.CUSTOMERS, lanes.DOCUMENTS, lanes.CONTACTS}) | lanes.TO_CRM
# Records that carry keys of ours, or are found by what tells them, by flow.
_RECORDS = {
    **{lanes.DOCUMENTS: "document", lanes.INVOICES: "document", lanes.CUSTOMERS: "customer"},
    **{lanes.CONTACTS: "contact", lanes.PERSONS: "contact", lanes.ITEMS: "item"},
}
# Plans have a handful of steps; a place is found by its key among so many.
_MOST_STEPS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """
    An exception with what helps to settle it: the value that is missing, what in the books comes
    close to it, records that it could be, and what else the same fix frees. ``unsent``: nothing
    was ever sent for its deal.
    """

    case: Case
    value: str
    closest: tuple[tuple[str, str], ...] = ()
    candidates: tuple[tuple[str, ...], ...] = ()
    frees: tuple[Case, ...] = ()
    unsent: bool = False


async def listing(
    store: PostgresStore, bridge: str, crm: str, *, code: str = "", owner: str = ""
) -> list[Case]:
    """Open exceptions, oldest first; of one code or one owner where that is asked for."""
    found: list[Case] = await store.do(lambda tx: people.open_cases(tx, bridge, crm))
    return [
        case
        for case in found
        if code in ("", case.code) and owner.casefold() in ("", case.owner.casefold())
    ]


async def find(store: PostgresStore, bridge: str, crm: str, number: int) -> Case:
    """The exception of that number. Raises `UsedWronglyError` where there is none."""
    found = await store.do(lambda tx: people.case(tx, bridge, crm, number))
    if found is None:
        raise UsedWronglyError(
            f"There is no EX-{number} in {bridge}.",
            code="no_exception",
            hint="tieout exceptions list",
        )
    return found


async def is_named(store: PostgresStore, bridge: str, crm: str, word: str) -> bool:
    """Whether a word means an exception: `EX-41`, or `41` where that one is open, and no deal."""
    if not word.isdecimal():
        return word.upper().startswith("EX-")
    found: Case | None = await store.do(lambda tx: people.case(tx, bridge, crm, int(word)))
    return found is not None and found.closed_at is None


def books_of(case: Case) -> str:
    """The books that an exception is about; '' for one of the whole bridge."""
    return case.lane.rsplit("/", 1)[-1]


def kept_in(case: Case, crm: str) -> tuple[str, str]:
    """The connection, and the kind of record, that an exception asks about."""
    flow = lanes.flow_of(case.lane)
    if case.code in CUSTOMER_CODES:
        return books_of(case), "customer"
    entity = _RECORDS.get(flow, "document")
    return (crm if flow in lanes.TO_CRM else books_of(case)), entity


def one_by_one(case: Case) -> bool:
    """Whether it is about one record, which can be decided once more alone."""
    return lanes.flow_of(case.lane) in _ONE_BY_ONE


def asks_which(case: Case) -> bool:
    """Whether a person names the record that counts, or those that are not ours."""
    if lanes.flow_of(case.lane) == lanes.DOCUMENTS:
        return case.code in ASKS_FOR_DOCUMENT
    return case.code in DOUBTS and lanes.flow_of(case.lane) in _RECORDS


def values_of(case: Case) -> list[dict[str, str]]:
    """What the exception's sentences were made of."""
    return [dict(found) for found in case.details.get("values", []) if isinstance(found, dict)]


def missing_value(case: Case) -> str:
    """The value that no table has yet, as the table has to name it."""
    for found in values_of(case):
        for name in ("code", "item", "value", "terms"):
            if found.get(name):
                return found[name]
    return ""


def _called(case: Case) -> str:
    """The item's name, which is nearer to an item of the books than its code in the CRM."""
    return next((found["item"] for found in values_of(case) if found.get("item")), "")


async def detail(store: PostgresStore, bridge: str, crm: str, case: Case) -> Detail:
    """An exception with all that helps."""
    value, books = missing_value(case), books_of(case)
    others = [
        other
        for other in await listing(store, bridge, crm, code=case.code)
        if value and missing_value(other) == value
    ]
    known: Sequence[tuple[str, str]] = ()
    if case.code == "item_no_code":
        known = await store.do(lambda tx: people.items_of_books(tx, books))
    elif case.code == "terms_unmapped":
        known = await store.do(lambda tx: people.codes_of_books(tx, books, "terms"))
    place, entity = kept_in(case, crm)
    ids = candidate_ids(case)
    names = await store.do(lambda tx: people.names_in_books(tx, place, entity, ids)) if ids else []
    return Detail(
        case=case,
        value=value,
        closest=closest(_called(case) or value, known),
        candidates=tuple(names),
        frees=tuple(others) or (case,),
        unsent=lanes.flow_of(case.lane) == lanes.DOCUMENTS
        and not await store.do(lambda tx: people.was_sent(tx, case.key13)),
    )


def freed_records(found: Detail) -> tuple[int, int]:
    """How many deals, and how many other records, such as customers, the fix would free."""
    flows = {case.source_id: lanes.flow_of(case.lane) for case in found.frees}
    deals = sum(flow == lanes.DOCUMENTS for flow in flows.values())
    return deals, len(flows) - deals


def candidate_ids(case: Case) -> list[str]:
    """Ids of the records that an exception could be about."""
    named = [text.split(":", 2)[-1] for text in case.candidates]
    for found in values_of(case):
        named += found.get("candidates", "").split()
    return list(dict.fromkeys(named))


def closest(
    value: str, known: Sequence[tuple[str, str]], most: int = 3
) -> tuple[tuple[str, str], ...]:
    """Those (code, name) whose name or code comes nearest, the best first; a person decides."""
    if not value or not known:
        return ()
    from rapidfuzz import fuzz, utils

    plain = utils.default_process(value)
    scored = []
    for code, name in known:
        score = max(
            fuzz.WRatio(plain, utils.default_process(name)),
            fuzz.WRatio(plain, utils.default_process(code)),
        )
        if score >= CLOSE_ENOUGH:
            scored.append((-score, code, name))
    return tuple((code, name) for _, code, name in sorted(scored)[:most])


# --- again --------------------


async def retry(
    engine: Engine,
    store: PostgresStore,
    case: Case,
    say: Callable[[str], None] = lambda _: None,
) -> tuple[Case, list[Written]]:
    """
    The exception after its source was read, decided and written once more, closed or not; and
    what was written.

    Raises `BusyError`, and what the connectors raise.
    """
    if not one_by_one(case):
        raise UsedWronglyError(
            f"{case.name} is about the whole bridge, not one deal.",
            code="not_one_deal",
            hint="tieout reconcile" if case.code == "figures_disagree" else "tieout run",
        )
    now = engine.clock.now()
    lane, source = case.lane, case.source_id
    async with planning.holding(engine) as lease:
        await planning.read_both(engine, lease, say)
        if case.code == "absent_three_times" and case.key13:
            key = case.key13
            await store.do(
                lambda tx: people.settle_doubt(tx, key, "superseded", "tried_again", now)
            )
            await store.do(
                lambda tx: people.close_case(tx, case.number, engine.who, "tried again", now)
            )
        await store.do(lambda tx: pages.make_due(tx, lane, [source], now))
        due = await store.do(lambda tx: planned.due_of(tx, lane, source))
        decisions = await decide_window(engine, lane, due)
        await record_window(engine, lane, due, decisions, None, DecideCounts())
        pairs = [
            (decision.state.key13, decision.digest)
            for decision in decisions
            if decision.state is not None and decision.digest
        ]
        made = await store.do(lambda tx: planned.written(tx, pairs)) if pairs else {}
        ids = [one.operation for one in made.values()]
        for connection in [*engine.books, engine.policy.crm] if ids else []:
            await execute(engine, connection, ExecuteCounts(), only=ids)
            await planning.keep(engine, lease)
    after = await store.do(lambda tx: planned.written(tx, pairs)) if pairs else {}
    again = await find(store, engine.bridge, engine.policy.crm, case.number)
    return again, list(after.values())


# --- a person's word --------------------


async def dismiss(store: PostgresStore, case: Case, *, who: str, reason: str, now: Any) -> Decimal:
    """
    Closes an exception with a name and a reason. Gives the amount that stays in the tie-out under
    that name; it is looked at again only when something changes.

    Raises `UsedWronglyError` where a write waits for the answer: without the exception nobody would
    know that it waits, and its deal would wait for ever.
    """
    if await store.do(lambda tx: people.waits_for_answer(tx, case.key13, case.code)):
        raise UsedWronglyError(
            f"{case.name} asks whether a write arrived; its deal waits until that is answered.",
            code="write_in_doubt",
            hint=f"tieout exceptions show {case.name}",
        )
    held = await store.do(
        lambda tx: people.held_for(tx, case.lane, case.source_id, case.code, sold=case.sold)
    )
    amounts = accepted_amounts(case, held)

    def work(tx: Any) -> None:
        people.close_case(tx, case.number, who, reason, now)
        for key13, amount in amounts.items():
            if amount:
                people.add_verdict(
                    tx, f"accept:{key13}", "accepted", [str(amount)], who, reason, now
                )
        people.forget_due(tx, case.lane, case.source_id)
        if case.code == RESTORED:
            # The modes of the configuration count again: what waited for a release is decided anew.
            admin.wake_bridge(tx, case.source_id, now)

    await store.do(work)
    return sum(amounts.values(), Decimal("0.00")) if amounts else accepted_amount(case)


def accepted_amounts(case: Case, held: Sequence[tuple[str, Decimal | None]]) -> dict[str, Decimal]:
    """
    What a person takes over with a dismissal, by the step's place. Steps that are ``held`` (place
    and what no document stands for, in order) for one reason share an exception, with a difference
    for each or for none.
    """
    if not held:
        return {case.key13: accepted_amount(case)} if case.key13 else {}
    differences = [found for value in values_of(case) if (found := _difference(value)) is not None]
    if len(differences) == len(held):
        return {key13: amount for (key13, _), amount in zip(held, differences, strict=True)}
    return {key13: rest if rest is not None else Decimal("0.00") for key13, rest in held}


def accepted_amount(case: Case) -> Decimal:
    """What a person takes over with a dismissal: the difference, else the whole amount."""
    differences = (_difference(value) for value in values_of(case))
    first = next((found for found in differences if found is not None), None)
    if first is not None:
        return first
    return case.amount if case.amount is not None else Decimal("0.00")


def _difference(values: Mapping[str, str]) -> Decimal | None:
    try:
        return Decimal(values["difference"])
    except (KeyError, InvalidOperation):
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """
    A person's answer; exactly one of the six is given. ``deal`` goes with ``which``: whose
    document it is, ``step`` of its billing steps. ``sides``: `crm` or `books`, or `name=crm`.
    """

    which: str = ""
    deal: str = ""
    step: int = 0
    new: bool = False
    make_new: bool = False
    leave_out: bool = False
    not_ours: tuple[str, ...] = ()
    sides: tuple[str, ...] = ()

    def given(self) -> int:
        """How many of them are given."""
        one = (self.which, self.new, self.make_new, self.leave_out, self.not_ours, self.sides)
        return sum(map(bool, one))


async def answer(
    engine: Engine, store: PostgresStore, case: Case, given: Answer, *, who: str
) -> str:
    """
    Keeps a person's answer and makes its source due. Gives what it means, in a sentence.

    Raises `UsedWronglyError` for an answer that does not fit the exception.
    """
    if given.given() != 1:
        raise UsedWronglyError(
            "Give one answer: --is REF, --new, --make-new, --leave-out, --not-ours REF or --side.",
            code="usage",
        )
    if case.closed_at is not None:
        raise UsedWronglyError(f"{case.name} is closed already.", code="exception_closed")
    from tieout.services.which_record import which

    if case.code == ASSIGN:
        if given.which or given.not_ours:
            from tieout.services.assigning import assign

            return await assign(engine, store, case, given, who)
    elif given.deal:
        pass
    elif case.code == choosing.CODE:
        if given.sides:
            return await choosing.choose_sides(engine, store, case, given.sides, who=who)
    elif case.code in CUSTOMER_CODES:
        if given.which or given.new:
            return await _customer(engine, store, case, given, who)
    elif lanes.flow_of(case.lane) == lanes.DOCUMENTS:
        # On any other, the word would stay with the place and make a document unasked later.
        if given.leave_out or (given.make_new and case.code in ("draft_deleted", ALIKE)):
            return await _whether(engine, store, case, given, who)
        if case.code == ALIKE and given.which:
            return await which(engine, store, case, given, who)
        if case.code == choosing.ORDER and given.sides in (("crm",), ("books",)):
            return await choosing.choose_order(engine, store, case, given.sides[0], who=who)
        if case.code in ASKS_FOR_DOCUMENT and (given.which or given.not_ours):
            return await which(engine, store, case, given, who)
    elif asks_which(case) and (given.which or given.not_ours):
        return await which(engine, store, case, given, who)
    raise UsedWronglyError(
        f"That is no answer to {case.name} ({case.code}).",
        code="answer_unfit",
        hint=f"tieout exceptions show {case.name}",
    )


async def _customer(
    engine: Engine, store: PostgresStore, case: Case, given: Answer, who: str
) -> str:
    """Which customer in the books it is, or that it is a new one."""
    books, crm, now = books_of(case), engine.policy.crm, engine.clock.now()
    flow = lanes.flow_of(case.lane)
    customer = (
        case.source_id
        if flow == lanes.CUSTOMERS
        else await store.do(lambda tx: people.customer_of_deal(tx, crm, case.source_id))
    )
    if customer is None:
        raise UsedWronglyError(f"{case.name} has no customer.", code="answer_unfit")
    chosen = await one_record(store, books, "customer", given.which) if given.which else None
    slot = customer_slot(engine, engine.policy.book(books), customer)
    customers = lanes.lane(engine.bridge, lanes.CUSTOMERS, books)
    documents = lanes.lane(engine.bridge, lanes.DOCUMENTS, books)

    def work(tx: Any) -> None:
        refs = [chosen[0]] if chosen else said.could_be(tx, crm, books, customer)
        if not chosen and case.code == "customer_maybe_known":
            refs = list(dict.fromkeys([*refs, *candidate_ids(case)]))
        people.add_verdict(
            tx,
            f"customer:{books}:{customer}",
            "is" if chosen else "new",
            refs,
            who,
            f"answer to {case.name}",
            now,
        )
        state = slot_store.slots(tx, [slot])[slot.key13]
        if chosen and state.current is not None:
            _link_to(tx, slot, ExternalRef(books, "customer", chosen[0]), state.generation, now)
        elif state.current is not None:
            slot_store.end_generation(tx, slot.key13, "a person asked for a new one")
        pages.make_due(tx, customers, [customer], now)
        pages.make_due(tx, documents, [case.source_id] if flow == lanes.DOCUMENTS else [], now)
        pages.wake(tx, documents, ["customer"], now)

    await store.do(work)
    if chosen:
        return f"{case.customer or 'It'} is customer {chosen[1]}, {chosen[2]}."
    return f"{case.customer or 'It'} becomes a new customer."


def _link_to(tx: Any, slot: Slot, ref: ExternalRef, generation: int, now: Any) -> None:
    other = slot_store.put_ref(tx, ref, slot.key13, generation, RefRole.CURRENT, "person", now)
    if other is not None:
        raise UsedWronglyError(
            "That record belongs to another deal or account already.", code="ref_taken"
        )
    people.forget_base(tx, slot.key13)


async def _whether(
    engine: Engine, store: PostgresStore, case: Case, given: Answer, who: str
) -> str:
    """Whether a new document is made or the deal is left out."""
    book, now = engine.policy.book(books_of(case)), engine.clock.now()
    verdict = "leave_out"
    if given.make_new:
        # Of one that was never made, this says no more than that it is none of those shown.
        verdict = "none_of_these" if case.code == ALIKE else "make_new"

    def work(tx: Any) -> None:
        slot_store.lock(tx, engine.bridge, "D", case.source_id)
        states = slot_store.slots_of_sources(tx, engine.bridge, "D", [case.source_id])
        mine = [state for state in states.get(case.source_id, []) if state.key13 == case.key13]
        if not mine:
            slot = place_of_step(engine, case)
            mine = [slot_store.slots(tx, [slot])[slot.key13]]
        for state in mine:
            slot_store.ensure_slot(tx, state, engine.bridge, book.connection)
            if given.make_new and case.code == "draft_deleted":
                _still_gone(tx, case, state)
                slot_store.end_generation(tx, state.key13, "a person asked for a new one")
            else:
                people.set_slot_verdict(tx, state.key13, verdict)
            people.add_verdict(
                tx, f"slot:{state.key13}", verdict, [], who, f"answer to {case.name}", now
            )
        pages.make_due(tx, case.lane, [case.source_id], now)

    await store.do(work)
    name = case.deal or case.source_id
    if given.make_new:
        return f"A new draft is made for {name}."
    return f"{name} is left out; its amount stays in the tie-out, with your name."


def _still_gone(tx: Any, case: Case, state: SlotState) -> None:
    """
    Raises `UsedWronglyError` where the place has another document by now, or none to make anew: an
    answer that is given twice, or after the draft came back, would make a second one.
    """
    current = state.current
    if current is None or not people.is_gone(tx, current.ref):
        raise UsedWronglyError(
            f"{case.name} is answered already, or its document is there again. Nothing was done.",
            code="answer_unfit",
            hint=f"tieout exceptions retry {case.name}",
        )


def place_of_step(engine: Engine, case: Case) -> Slot:
    """The place of the billing step that an exception is about, used already or not."""
    book = engine.policy.book(books_of(case))
    for part in range(_MOST_STEPS):
        slot = document_slot(engine, book, case.source_id, part)
        if slot.key13 == case.key13:
            return slot
    return document_slot(engine, book, case.source_id, 0)


async def one_record(
    store: PostgresStore, books: str, entity: str, word: str
) -> tuple[str, str, str, str]:
    """The record that a word names. Raises `UsedWronglyError` for none or several."""
    plain = word.partition(":")[2] if word.split(":", 1)[0] in _PREFIXES else word
    found = await store.do(lambda tx: people.in_books(tx, books, entity, plain))
    if not found:
        raise UsedWronglyError(f'{books} has no {entity} "{word}".', code="no_such_record")
    if len(found) > 1:
        numbers = ", ".join(f"{kind}:{number or ref}" for ref, number, _, kind in found)
        raise UsedWronglyError(
            f'"{word}" is more than one {entity} in {books}: {numbers}. Give its id.',
            code="ambiguous",
        )
    one: tuple[str, str, str, str] = found[0]
    return one


_PREFIXES = frozenset(
    {"customer", "contact", "item", "draft", "invoice", "document", "credit_note"}
)
