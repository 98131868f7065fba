"""What is always there: states that VIES knows, its test numbers, a few invented entities."""

from __future__ import annotations

from typing import Any

_STATES = "AT BE BG CY CZ DE DK EE EL ES FI FR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK XI"
STATES = tuple(_STATES.split())

TEST_CODES = {
    "201": "INVALID_INPUT",
    "202": "INVALID_REQUESTER_INFO",
    "300": "SERVICE_UNAVAILABLE",
    "301": "MS_UNAVAILABLE",
    "302": "TIMEOUT",
    "400": "VAT_BLOCKED",
    "401": "IP_BLOCKED",
    "500": "GLOBAL_MAX_CONCURRENT_REQ",
    "501": "GLOBAL_MAX_CONCURRENT_REQ_TIME",
    "600": "MS_MAX_CONCURRENT_REQ",
    "601": "MS_MAX_CONCURRENT_REQ_TIME",
}


def _entity(number: str, name: str, **more: Any) -> dict[str, Any]:
    return {
        "organisasjonsnummer": number,
        "navn": name,
        "organisasjonsform": {"kode": "AS", "beskrivelse": "Aksjeselskap"},
        "registreringsdatoEnhetsregisteret": "2011-03-14",
        "konkurs": False,
        "underAvvikling": False,
        **more,
    }


ENTITIES: dict[str, dict[str, Any]] = {
    "910000128": _entity("910000128", "FJORDLYS AS", registrertIMvaregisteret=True),
    "910000136": _entity("910000136", "STILLE VANN AS", registrertIMvaregisteret=False),
    "910000144": _entity("910000144", "BORTE AS", slettedato="2024-05-31"),
    "910000152": {"organisasjonsnummer": "910000152", "_removed": True},
}
