"""The settings under `registers`: what they say, what is refused; defaults change nothing."""

from __future__ import annotations

import pytest
from bridge_texts import NORDIC, configured, policy_of, problems_in

from tieout.core.policy import RegisterPolicy

VIES = "http://127.0.0.1:8710/taxation_customs/vies/rest-api"


def test_left_out_nothing_is_asked_and_the_digest_is_what_it_was() -> None:
    plain = configured(NORDIC)
    policy = policy_of(plain)
    assert policy.registers == RegisterPolicy()
    assert not policy.documents.check_vat_state
    assert configured(NORDIC + "registers:\n").digest == plain.digest
    assert configured(NORDIC + "registers: {max_age: 7d, calls: 50}\n").digest == plain.digest
    assert configured(NORDIC + "registers: {max_age: 8d}\n").digest != plain.digest


def test_everything_reaches_the_policy() -> None:
    text = (
        f"registers: {{vies: '{VIES}/', brreg: 'https://data.example/api', max_age: 12h,"
        " requester: se 556016068001, timeout: 3s, calls: 7}\n"
    )
    assert policy_of(configured(NORDIC + text)).registers == RegisterPolicy(
        vies=VIES,
        brreg="https://data.example/api",
        requester="SE556016068001",
        max_age_s=12 * 3600,
        timeout_s=3,
        calls=7,
    )


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("vies: http://vies.example/rest-api", "is no address that begins with https://"),
        ("vies: ftp://127.0.0.1/", "is no address"),
        ("brreg: nowhere", "is no address"),
        ("brreg: https://a:b@data.example", "must hold no password"),
        ("brreg: https://data.example/?x=1", "must hold no password, query"),
        ("requester: '556016068001'", "is no VAT number with its letters"),
        ("max_age: 7", "is no duration"),
        ("timeout: 11s", "10"),
        ("calls: 0", "1"),
        ("url: https://data.example", "url"),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(setting: str, words: str) -> None:
    found = problems_in(f"{NORDIC}registers:\n  {setting}\n")
    assert found, setting
    assert words in " ".join(f"{one.value} {one.message}" for one in found)
