"""What is said of a VAT number whose register is silent, or has said no."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from support.cases import (
    books_policy,
    company,
    customer,
    document_case,
    document_policy,
    number,
    target,
)
from tieout.core.case import DocumentCase
from tieout.core.compose import compose
from tieout.core.finding import Finding
from tieout.core.gates import check
from tieout.core.tax import NumberCheck, TaxAnswer, Treatment

NOW = datetime(2026, 11, 25, 9, 10, tzinfo=UTC)
NAMED = "VAT number FI12345671 of Tallmo Skog AB"


def case(reason: str, known: NumberCheck | None, now: datetime | None = NOW) -> DocumentCase:
    plain = document_case()
    held = TaxAnswer(treatment=Treatment.HOLD, rate=None, reason=reason, check=known)
    return document_case(
        crm_customer=customer("C-1", "Tallmo Skog AB", number("vat", "FI12345671")),
        taxes=dict.fromkeys(plain.taxes, held),
        target=target(books=company(time_zone="Europe/Stockholm")),
        now=now,
    )


def found(made: DocumentCase) -> Finding:
    policy = document_policy()
    every = check(made, compose(made, policy), policy, books_policy())
    (one,) = [each for each in every if each.code.startswith("number_")]
    return one


def known(state: str = "unknown", **more: object) -> NumberCheck:
    return NumberCheck(number="FI12345671", state=state, register="VIES", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("since", "words"),
    [
        (datetime(2026, 11, 25, 8, 10, tzinfo=UTC), "since 09:10"),
        (datetime(2026, 11, 24, 22, 30, tzinfo=UTC), "since 24 Nov 23:30"),
    ],
)
def test_silence_says_since_when_and_why(since: datetime, words: str) -> None:
    silent = known(silent_since=since, fault="MS_UNAVAILABLE", next_at=NOW + timedelta(minutes=10))
    one = found(case("number_unchecked", silent))
    assert one.message == (
        f"{NAMED} is unchecked: VIES is silent {words} (MS_UNAVAILABLE). Held, not refused."
    )
    assert (one.hint, one.retry_after_s) == ("Nothing; asked again 10:20.", 600)
    assert one.values == {
        "vat_number": "FI12345671",
        "register": "VIES",
        "fault": "MS_UNAVAILABLE",
    }


def test_a_register_that_answers_but_not_about_it() -> None:
    odd = known(silent_since=NOW, fault="INVALID_INPUT", of_number=True, next_at=NOW)
    one = found(case("number_unchecked", odd))
    assert "VIES tells nothing about it since 10:10 (INVALID_INPUT)" in one.message
    assert one.retry_after_s == 1


def test_a_number_that_no_register_holds_is_for_a_person() -> None:
    one = found(case("number_unchecked", NumberCheck(number="GB366303068", state="unknown")))
    assert "is unchecked: no register that is asked holds it. Held, not refused." in one.message
    assert one.hint == "Finance finds out and decides."


def test_a_no_comes_with_its_day_and_proof() -> None:
    no = known(
        "invalid",
        asked_at=datetime(2026, 11, 24, 23, 30, tzinfo=UTC),
        consultation="WAPIAAAAX0000001",
        next_at=NOW + timedelta(hours=14),
    )
    one = found(case("number_not_valid", no))
    assert (one.code, one.hold_on, one.retry_after_s) == ("number_not_valid", "customer", 50_400)
    assert one.message == f"{NAMED}: VIES says that it is not valid (25 Nov 2026)."
    assert one.values["consultation"] == "WAPIAAAAX0000001"
    assert one.values["asked"] == "25 Nov 2026"


def test_without_a_clock_nothing_is_promised() -> None:
    assert found(case("number_unchecked", known(next_at=NOW), now=None)).hint == (
        "Nothing; asked again."
    )
    assert found(case("number_not_valid", known("invalid"), now=None)).retry_after_s is None
