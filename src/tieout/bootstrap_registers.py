"""The registers of VAT numbers with their transport, where a bridge's configuration asks them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tieout.core.policy import BridgePolicy
    from tieout.ports import Clock, Transport
    from tieout.services.enrich import NordicEnricher
    from tieout.services.number_checks import NumberChecks
    from tieout.store.postgres import PostgresStore


def registers_of(
    policy: BridgePolicy,
    store: PostgresStore,
    enrich: NordicEnricher,
    clock: Clock,
    transport: Transport,
) -> NumberChecks | None:
    """What asks the registers; None where `documents.check_vat_state` is off: no call is made."""
    if not policy.documents.check_vat_state:
        return None
    from tieout.registers import BrregRegister, ViesRegister
    from tieout.services.number_checks import NumberChecks

    given = policy.registers
    return NumberChecks(
        store,
        enrich,
        {
            "vies": ViesRegister(
                given.vies,
                transport,
                clock,
                requester=given.requester,
                timeout_s=given.timeout_s,
            ),
            "brreg": BrregRegister(given.brreg, transport, clock, timeout_s=given.timeout_s),
        },
        given,
    )
