"""The state of a VAT number: valid, invalid, unknown or absent.

*Unknown* holds the document and asks again. Time-outs, faults and old answers are unknown; they
never become invalid, and never domestic VAT by themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from tieout.nordic.identifier_forms import compact, written
from tieout.nordic.identifiers import Identifier, parse_vat_number
from tieout.nordic.vat_areas import union_prefixes

State = Literal["valid", "invalid", "unknown", "absent"]
Register = Literal["vies", "brreg"]
Said = Literal["yes", "no", "fault"]
NORTHERN_IRELAND = "XI"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """
    What a register is asked: `number` in one form ("FI20774740", "NO974760673MVA"), and the same
    as the register takes it: `area` the letters ("FI", "EL", "XI", "NO"), `local` the rest
    without them ("20774740", "974760673").
    """

    register: Register
    number: str
    area: str
    local: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterAnswer:
    """What a register said about one number, kept with all that proves it later.

    `fault` is the register's code ("MS_UNAVAILABLE"), or ours for what is no answer at all
    ("TIMEOUT", "HTTP_500", "UNREADABLE").
    """

    register: Register
    number: str
    said: Said
    asked_at: datetime
    fault: str | None = None
    consultation: str | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        if self.asked_at.tzinfo is None:
            raise ValueError("asked_at must be an aware time")


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberState:
    """The state with its reason; `finding` names something wrong in the field itself."""

    state: State
    reason: str
    finding: str | None = None


def vat_number_state(
    raw: str | None,
    country: str | None,
    answer: RegisterAnswer | None,
    *,
    now: datetime,
    max_age: timedelta,
) -> NumberState:
    """The state of the number on a customer, given the last answer of the register.

    A fresh answer about this very number decides. Without one, an impossible form is invalid and
    everything else unknown. `max_age` is the limit that the company has set.
    """
    number, finding = _parsed(raw or "", country)
    if number.state == "absent":
        return NumberState(state="absent", reason="empty")
    if not any(sign.isdigit() for sign in raw or ""):
        return NumberState(state="absent", reason="text", finding="number_is_text")
    told = None if answer is None else _told(number, answer, now, max_age)
    found = _by_form(number, answer) if told is None else told
    return replace(found, finding=finding)


def register_question(raw: str | None, country: str | None) -> Question | None:
    """
    Which register holds this number and how it is asked. None where no register that we know does
    (Great Britain, Switzerland, Iceland), and where the form is impossible: that is not asked.
    """
    number, _ = _parsed(raw or "", country)
    if number.normal is None or number.state not in ("valid", "doubtful"):
        return None
    text = compact(number.normal)
    area = text[:2]
    if area == "NO":
        local = "".join(sign for sign in text if sign.isdigit())
        return Question(register="brreg", number=f"NO{local}MVA", area=area, local=local)
    if area not in union_prefixes() and area != NORTHERN_IRELAND:
        return None
    return Question(register="vies", number=text, area=area, local=text[2:])


def _parsed(raw: str, country: str | None) -> tuple[Identifier, str | None]:
    """The number, read by its own letters where they name another state, with that finding."""
    number = parse_vat_number(raw, country)
    if number.reason != "country_prefix":
        return number, None
    return parse_vat_number(raw, None), "country_prefix"


def _told(
    number: Identifier, answer: RegisterAnswer, now: datetime, max_age: timedelta
) -> NumberState | None:
    """What a yes or a no means today; None for a fault."""
    if answer.said == "fault":
        return None
    if not _asked_about(number, answer):
        return _held_by_form(number, "number_changed")
    if now - answer.asked_at > max_age:
        return _held_by_form(number, "answer_too_old")
    if answer.said == "yes":
        return NumberState(state="valid", reason="register")
    return NumberState(state="invalid", reason="register")


def _asked_about(number: Identifier, answer: RegisterAnswer) -> bool:
    asked, _ = _parsed(answer.number, number.country)
    if asked.normal is not None and number.normal is not None:
        return asked.normal == number.normal
    return compact(written(answer.number)) == compact(written(number.raw))


def _held_by_form(number: Identifier, reason: str) -> NumberState:
    if number.state == "invalid" and number.reason != "no_country":
        return NumberState(state="invalid", reason=f"form:{number.reason}")
    return NumberState(state="unknown", reason=reason)


def _by_form(number: Identifier, answer: RegisterAnswer | None) -> NumberState:
    """Without an answer: the register is asked again unless the form itself is impossible.

    INVALID_INPUT says that the register takes the form for impossible. It counts only when our
    own check agrees: a register that mistypes a rule must not turn a customer invalid.
    """
    fault = None if answer is None else answer.fault or "fault"
    return _held_by_form(number, "never_asked" if fault is None else f"fault:{fault}")
