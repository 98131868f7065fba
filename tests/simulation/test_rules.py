"""
What each rule of writing once is for: with it off, a history fails; with it on, the same one holds.

`core.safeguards` is the list of rules; each one is in the table below.
"""

from __future__ import annotations

from dataclasses import fields

import pytest
from sqlalchemy import Engine as SqlEngine
from sqlalchemy.exc import IntegrityError

from scenes import tell
from test_histories import NUMBERED
from tieout.core.safeguards import ALL_ON, Safeguards

# The rule that is off, and the history that fails then.
GUARDED_BY = {
    "one_open_operation": "h25_update_late_second_edit",
    "look_before_repeat": "h02_late_by_three_minutes",
    "horizon": "h02_late_by_three_minutes",
    "vendor_clock": "h33_clock_jumps_while_late",
    "books_read_first": "h40_restored_to_before_three_creates",
    "dead_lease_unknown": "h61_killed_while_late",
    "lineage": "h55_booked_reopened_won_again",
    "overlap": "h34_row_commits_late",
    "compare_with_base": "h24_reopened_draft_edited",
    "all_collections": "h56_opaque_lost_then_booked",
    "near_hit": "h11_lost_then_carrier_overwritten",
    "two_looks": "h57_opaque_late_where_lists_lag",
    "second_look_after_lag": "h58_copy_shows_before_the_booked_original",
    "no_early_upsert": "h17_upsert_late_person_edits",
    "merged_customers": "h45b_customers_merge_where_only_lists_are_read",
    "confirming": "h59_late_create_after_a_void",
    "copies_not_adopted": "h08_lost_then_copied",
    "reject_closes_own_attempt": "h15_first_late_second_refused",
    "late_answer_is_evidence": "h60_late_answer_where_nothing_is_readable",
    "stale_version_ignored": "h36_stale_replica",
    "steady_clock_test": "h31_pauses_after_the_claim",
    "recovery_marks_unknown": "h43_ready_had_been_applied",
    "void_waits": "h22_void_late_won_again",
    "update_waits": "h25_update_late_second_edit",
    "approval_bound_to_payload": "h39_approved_then_edited",
    "deletion_not_undone": "h29_draft_deleted_by_a_person",
    "booked_never_voided": "h23_void_sent_booked_first",
    "base_known_before_write": "h41_restored_and_reopened_since",
    "adopt_whatever_trigger": "h41_restored_and_reopened_since",
    "slot_wide_look": "h66_later_generation_is_followed_by_a_look",
    "fence": "h64_answer_of_a_worker_that_was_given_up",
    "carrier_adopted_at_claim": "h65_carrier_came_between_plan_and_claim",
    "empty_mirror_stops": "h67_books_show_nothing_any_more",
}


# Without this one it is tried again and again until the history gives up.
LONG = ("booked_never_voided",)


@pytest.mark.parametrize(
    ("rule", "name"),
    [
        pytest.param(rule, name, marks=pytest.mark.slow if rule in LONG else ())
        for rule, name in sorted(GUARDED_BY.items())
    ],
)
def test_a_history_fails_without_the_rule(
    rule: str, name: str, app_engine: SqlEngine, owner_engine: SqlEngine
) -> None:
    # That the history holds with all rules on is what test_histories says.
    assert name in NUMBERED

    with pytest.raises((AssertionError, IntegrityError)):
        tell(name, app_engine, owner_engine, rules=ALL_ON.without(rule), mark=f"-{rule}")


def test_every_rule_has_its_history() -> None:
    assert set(GUARDED_BY) == {rule.name for rule in fields(Safeguards)}
