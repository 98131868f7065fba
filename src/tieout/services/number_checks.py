"""
Asking registers about VAT numbers, before the documents that depend on them are decided.

What is silent holds its own deals and nothing else: deciding waits a moment for answers and goes on
without those that are late. A call ends within seconds, no more than some are made in a minute, and
a register, a member state or a number that gave no answer is left alone until its time has come,
which is when the deals that wait for it are due again. Nothing is told but the number, and the
seller's own where it is set.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from tieout.core.errors import StoreError
from tieout.core.model import Customer, Deal, DealState, Entity
from tieout.core.policy import BooksPolicy, RegisterPolicy
from tieout.core.scope import deal_scope
from tieout.core.tax import NumberCheck, RegisterStatus
from tieout.engine import lanes
from tieout.engine.context import Engine
from tieout.engine.triggers import holds
from tieout.nordic.vat_state import Question, RegisterAnswer, register_question, vat_number_state
from tieout.registers.faults import (
    AREA,
    NUMBER,
    REGISTER,
    TIMEOUT,
    UNREADABLE,
    about_the_number,
    backoff_s,
    scope_of,
)
from tieout.registers.wire import Reply
from tieout.services.enrich import NordicEnricher
from tieout.store import registers as kept
from tieout.store.postgres import PostgresStore
from tieout.store.registers import Answered, Silence

TITLES: Final = {"vies": "VIES", "brreg": "Brønnøysund"}
# A no is looked at again daily: who has just registered waits a day, not the whole limit.
NO_AGAIN: Final = timedelta(days=1)
# Calls and waiting of one minute; what is left over is asked in the next.
WINDOW_MS: Final = 60_000
WAIT_MOST_MS: Final = 20_000
NEXT_TURN: Final = timedelta(seconds=60)
# How long deciding waits for the next answer; a register that works answers sooner.
GRACE_S: Final = 3
# A silence that nobody has looked at for so long is another one.
FORGOTTEN: Final = timedelta(days=1)
_UNCLEAR: Final = frozenset({TIMEOUT, UNREADABLE})


class Register(Protocol):
    """One register: it answers everything with a value and raises nothing."""

    requester_refused: bool

    async def ask(self, question: Question) -> Reply: ...

    async def status(self) -> RegisterStatus: ...


@dataclass(slots=True)
class _Turn:
    """What this minute's asking has used, and what turned out to be silent in it."""

    began_ms: int
    calls: int = 0
    waited_ms: int = 0
    unclear: dict[str, int] = field(default_factory=dict)


class NumberChecks:
    """
    `engine.enrich.Registers` over the store and the registers of a bridge.

    The enricher is told what is known of every number in the window; asked is only about those
    whose state changes the VAT, or that hold a deal.
    """

    def __init__(
        self,
        store: PostgresStore,
        enrich: NordicEnricher,
        registers: Mapping[str, Register],
        policy: RegisterPolicy,
    ) -> None:
        self.registers = registers
        self._store = store
        self._enrich = enrich
        self._policy = policy
        self._max_age = timedelta(seconds=policy.max_age_s)
        self._turn: _Turn | None = None
        self._asking: asyncio.Task[None] | None = None
        self._answered = 0

    async def before(self, engine: Engine, book: BooksPolicy, ids: Sequence[str]) -> None:
        """Asks what is missing for these deals, and tells the enricher all that is known."""
        lane = lanes.lane(engine.bridge, lanes.DOCUMENTS, book.connection)
        buyers = await self._buyers(engine, lane, ids)
        questions: dict[str, Question] = {}
        wanted: dict[str, Question] = {}
        for buyer, held in buyers:
            vat = buyer.identifier("vat")
            question = register_question(vat.raw, vat.country) if vat is not None else None
            if question is None:
                continue
            questions[question.number] = question
            day = engine.today(book.connection)
            if held or self._enrich.depends_on_number(book.seller, buyer, day):
                wanted[question.number] = question
        if not questions:
            return
        await self._ask_for_a_moment(engine, list(wanted.values()))
        self._enrich.know(await self._known(engine, list(questions.values()), wanted))

    async def status(self) -> list[tuple[str, RegisterStatus]]:
        """Each register by what people call it, and whether it works now."""
        return [
            (TITLES[name], await register.status())
            for name, register in sorted(self.registers.items(), reverse=True)
        ]

    @property
    def requester_refused(self) -> bool:
        """Whether our own number is not taken, so that no consultation number comes."""
        return any(register.requester_refused for register in self.registers.values())

    async def _buyers(
        self, engine: Engine, lane: str, ids: Sequence[str]
    ) -> list[tuple[Customer, bool]]:
        """Customers of these deals that are to be invoiced; whether a register holds one."""
        seen = await engine.store.mirror(engine.policy.crm, Entity.DEAL, ids)
        deals = {key: one.record for key, one in seen.items() if isinstance(one.record, Deal)}
        customers = await engine.store.mirror(
            engine.policy.crm,
            Entity.CUSTOMER,
            sorted({deal.customer.id for deal in deals.values() if deal.customer}),
        )
        held = await self._store.do(lambda tx: kept.held_sources(tx, lane, sorted(deals)))
        found: dict[str, tuple[Customer, bool]] = {}
        for key, deal in deals.items():
            one = customers.get(deal.customer.id) if deal.customer else None
            buyer = one.record if one is not None else None
            if not isinstance(buyer, Customer) or deal.customer is None or seen[key].gone:
                continue
            if not _to_invoice(engine, deal, buyer):
                continue
            before = found.get(deal.customer.id, (buyer, False))[1]
            found[deal.customer.id] = (buyer, before or key in held)
        return [found[key] for key in sorted(found)]

    async def close(self) -> None:
        """Waits for the calls that are under way: what they bring counts for the next run."""
        asking, self._asking = self._asking, None
        if asking is not None:
            with suppress(StoreError):
                await asking

    # --- asking ----------------------------------------------------------------------------------

    async def _ask_for_a_moment(self, engine: Engine, wanted: Sequence[Question]) -> None:
        """Asks, and goes on after a moment whatever has come; late answers are stored as well."""
        if self._asking is not None and self._asking.done():
            asked, self._asking = self._asking, None
            asked.result()
        if self._asking is None:
            missing = await self._missing(engine, wanted)
            if not missing:
                return
            self._asking = asyncio.create_task(self._ask(engine, missing))
        told = -1
        # Many answers one after the other are no silence.
        while not self._asking.done() and self._answered > told:
            told = self._answered
            await asyncio.wait({self._asking}, timeout=GRACE_S)
        if self._asking.done():
            asked, self._asking = self._asking, None
            asked.result()

    async def _missing(self, engine: Engine, wanted: Sequence[Question]) -> list[Question]:
        """Those without a good answer whose time has come, the longest untried first."""
        now = engine.clock.now()
        known = await self._answers(wanted)
        silent = await self._silences(wanted)
        due = [
            question
            for question in wanted
            if not self._good(known.get(question.number), now)
            and not any(one.next_at > now for one in _silence_of(question, silent))
        ]

        def tried(question: Question) -> tuple[bool, datetime, str]:
            own = silent.get((question.register, question.number))
            return own is not None, own.last_at if own else now, question.number

        return sorted(due, key=tried)

    def _good(self, answer: Answered | None, now: datetime) -> bool:
        """Whether there is no need to ask."""
        if answer is None:
            return False
        limit = self._max_age if answer.said == "yes" else min(self._max_age, NO_AGAIN)
        return now - answer.asked_at <= limit

    async def _ask(self, engine: Engine, due: Sequence[Question]) -> None:
        quiet: set[tuple[str, str]] = set()
        for question in due:
            register = self.registers.get(question.register)
            places = {(question.register, ""), (question.register, question.area)}
            if register is None or places & quiet:
                continue
            turn = self._this_turn(engine)
            used_up = turn.calls >= self._policy.calls or turn.waited_ms >= WAIT_MOST_MS
            if used_up or engine.stopping:
                break
            began = engine.clock.steady()
            reply = await register.ask(question)
            turn.calls += 1
            turn.waited_ms += engine.clock.steady() - began
            if reply.answer.said == "fault":
                quiet.add(await self._silent(turn, question, reply))
            else:
                turn.unclear[question.register] = 0
                self._answered += 1
                await self._spoken(question, reply.answer)

    def _this_turn(self, engine: Engine) -> _Turn:
        now = engine.clock.steady()
        if self._turn is None or now - self._turn.began_ms >= WINDOW_MS:
            self._turn = _Turn(began_ms=now)
        return self._turn

    async def _spoken(self, question: Question, answer: RegisterAnswer) -> None:
        row = Answered(
            register=answer.register,
            number=answer.number,
            asked_at=answer.asked_at,
            said=answer.said,
            consultation=answer.consultation,
            name=answer.name,
        )
        scopes = kept.scopes_of(question.number, question.area)
        await self._store.do(lambda tx: kept.put_answer(tx, row, scopes))

    async def _silent(self, turn: _Turn, question: Question, reply: Reply) -> tuple[str, str]:
        """Notes the silence as far as it reaches; the register and scope that are left alone."""
        fault, now = reply.answer.fault or UNREADABLE, reply.answer.asked_at
        reach = {scope_of(fault)}
        if fault in _UNCLEAR or fault.startswith("HTTP_5"):
            turn.unclear[question.register] = turn.unclear.get(question.register, 0) + 1
            if turn.unclear[question.register] >= 2:
                reach.add(REGISTER)
        scopes = {REGISTER: "", AREA: question.area, NUMBER: question.number}
        found = await self._silences([question])
        for each in sorted(reach):
            scope = scopes[each]
            before = found.get((question.register, scope))
            if before is not None and now - before.next_at > FORGOTTEN:
                before = None
            tries = 1 if before is None else before.tries + 1
            row = Silence(
                register=question.register,
                scope=scope,
                since=now if before is None else before.since,
                last_at=now,
                next_at=now + timedelta(seconds=backoff_s(tries, reply.retry_after_s)),
                tries=tries,
                fault=fault,
            )
            await self._store.do(_putting(row))
        widest = REGISTER if REGISTER in reach else next(iter(reach))
        return question.register, scopes[widest]

    # --- what is known ---------------------------------------------------------------------------

    async def _known(
        self, engine: Engine, questions: Sequence[Question], wanted: Mapping[str, Question]
    ) -> dict[str, NumberCheck]:
        now = engine.clock.now()
        answers = await self._answers(questions)
        silent = await self._silences(questions)
        return {
            question.number: self._check(
                question,
                answers.get(question.number),
                _silence_of(question, silent),
                now,
                asked=question.number in wanted,
            )
            for question in questions
        }

    def _check(
        self,
        question: Question,
        answered: Answered | None,
        silent: Sequence[Silence],
        now: datetime,
        *,
        asked: bool,
    ) -> NumberCheck:
        lasting = [one for one in silent if one.next_at > now]
        last = max(lasting, key=lambda one: one.next_at, default=None)
        state = number_state(question, answered, last, now=now, max_age=self._max_age)
        next_at = last.next_at if last is not None else now + NEXT_TURN if asked else now
        if state == "invalid" and answered is not None:
            again = answered.asked_at + min(self._max_age, NO_AGAIN)
            next_at = max(again, last.next_at) if last is not None else max(again, now)
        return NumberCheck(
            number=question.number,
            state=state,
            register=TITLES[question.register],
            asked_at=answered.asked_at if answered else None,
            consultation=(answered.consultation or "") if answered else "",
            name=(answered.name or "") if answered else "",
            silent_since=last.since if last else None,
            fault=last.fault if last else "",
            of_number=last is not None and about_the_number(last.fault),
            next_at=next_at,
        )

    async def _answers(self, questions: Sequence[Question]) -> dict[str, Answered]:
        numbers = [question.number for question in questions]
        found: dict[str, Answered] = await self._store.do(lambda tx: kept.answers(tx, numbers))
        return found

    async def _silences(self, questions: Sequence[Question]) -> dict[tuple[str, str], Silence]:
        scopes = [
            scope
            for question in questions
            for scope in kept.scopes_of(question.number, question.area)
        ]
        found: dict[tuple[str, str], Silence] = await self._store.do(
            lambda tx: kept.silences(tx, scopes)
        )
        return found


def number_state(
    question: Question,
    answered: Answered | None,
    silent: Silence | None,
    *,
    now: datetime,
    max_age: timedelta,
) -> str:
    """The state of a number by `nordic.vat_state`: 'valid', 'invalid' or 'unknown'."""
    answer: RegisterAnswer | None = None
    if answered is not None:
        answer = RegisterAnswer(
            register=question.register,
            number=answered.number,
            said="yes" if answered.said == "yes" else "no",
            asked_at=answered.asked_at,
            consultation=answered.consultation,
            name=answered.name,
        )
    elif silent is not None:
        answer = RegisterAnswer(
            register=question.register,
            number=question.number,
            said="fault",
            asked_at=silent.last_at,
            fault=silent.fault,
        )
    found = vat_number_state(question.number, None, answer, now=now, max_age=max_age)
    return found.state


async def answers_about(store: PostgresStore, buyer: Customer | None) -> list[Answered]:
    """What registers ever said about the VAT number of a customer, newest first."""
    vat = buyer.identifier("vat") if buyer is not None else None
    question = register_question(vat.raw, vat.country) if vat is not None else None
    if question is None:
        return []
    number = question.number
    found: list[Answered] = await store.do(lambda tx: kept.history(tx, number))
    return found


def _silence_of(question: Question, silent: Mapping[tuple[str, str], Silence]) -> list[Silence]:
    """The silences that a number is under, widest first."""
    return [
        found
        for scope in kept.scopes_of(question.number, question.area)
        if (found := silent.get((question.register, scope))) is not None
    ]


def _putting(row: Silence) -> Any:
    return lambda tx: kept.put_silence(tx, row)


def _to_invoice(engine: Engine, deal: Deal, buyer: Customer) -> bool:
    trigger = engine.policy.documents.trigger
    if trigger is None:
        return deal.state is DealState.WON
    return holds(trigger, deal_scope(deal, buyer))
