"""
The rules of writing once, as switches that are all on.

Nothing in the program turns one off. Tests do, one at a time, to show that each rule is needed:
with it off a named history or a seed must fail (docs/explanation/once-only.md).
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Safeguards:
    """Each field is one rule; its docs stand where it is asked for."""

    one_open_operation: bool = True
    look_before_repeat: bool = True
    horizon: bool = True
    vendor_clock: bool = True
    books_read_first: bool = True
    dead_lease_unknown: bool = True
    lineage: bool = True
    overlap: bool = True
    compare_with_base: bool = True
    all_collections: bool = True
    near_hit: bool = True
    two_looks: bool = True
    second_look_after_lag: bool = True
    no_early_upsert: bool = True
    merged_customers: bool = True
    confirming: bool = True
    slot_wide_look: bool = True
    copies_not_adopted: bool = True
    reject_closes_own_attempt: bool = True
    fence: bool = True
    late_answer_is_evidence: bool = True
    stale_version_ignored: bool = True
    steady_clock_test: bool = True
    carrier_adopted_at_claim: bool = True
    recovery_marks_unknown: bool = True
    void_waits: bool = True
    update_waits: bool = True
    approval_bound_to_payload: bool = True
    deletion_not_undone: bool = True
    booked_never_voided: bool = True
    base_known_before_write: bool = True
    empty_mirror_stops: bool = True
    adopt_whatever_trigger: bool = True

    def without(self, rule: str) -> Safeguards:
        """The same with one rule off. Raises ValueError for a name that is no rule."""
        if rule not in {entry.name for entry in fields(self)}:
            raise ValueError(f"{rule!r} is not a rule")
        return replace(self, **{rule: False})


ALL_ON = Safeguards()
