"""Each numbered history of docs/explanation/once-only.md, told as it stands there."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine as SqlEngine

import directed_answers
import directed_back
import directed_buyers
import directed_change
import directed_contacts
import directed_create
import directed_guards
import directed_lists
import directed_matching
import directed_naming
import directed_orders
import directed_plans
import directed_prices
import directed_published
import directed_restore
import directed_sales
import directed_taken
import directed_unread
from scenes import TOLD, tell

NUMBERED = sorted(TOLD)
assert directed_answers
assert directed_back
assert directed_buyers
assert directed_change
assert directed_contacts
assert directed_create
assert directed_guards
assert directed_lists
assert directed_matching
assert directed_naming
assert directed_orders
assert directed_plans
assert directed_prices
assert directed_published
assert directed_restore
assert directed_sales
assert directed_taken
assert directed_unread

# The numbers of the table of histories in docs/explanation/once-only.md. Those with a letter behind
# their number, and those from 53 on, are beyond it.
HISTORIES = {
    1: "h01_lost_and_killed",
    2: "h02_late_by_three_minutes",
    3: "h03_killed_before_the_socket",
    4: "h04_killed_after_the_answer",
    5: "h05_our_commit_unanswered",
    6: "h06_lost_then_booked",
    7: "h07_booked_between_two_calls_of_a_look",
    8: "h08_lost_then_copied",
    9: "h09_linked_by_answer_then_copied",
    10: "h10_lost_then_deleted",
    11: "h11_lost_then_carrier_overwritten",
    12: "h12_repeat_delayed_past_the_key",
    13: "h13_edited_between_two_sends_of_a_key",
    14: "h14_error_cached_under_the_key",
    15: "h15_first_late_second_refused",
    16: "h16_rejected_fixed_retried_twice",
    17: "h17_upsert_late_person_edits",
    18: "h18_our_number_is_taken",
    19: "h19_lost_then_renumbered",
    20: "h20_won_reopened_won_between_two_reads",
    21: "h21_reopened_while_unknown",
    22: "h22_void_late_won_again",
    23: "h23_void_sent_booked_first",
    24: "h24_reopened_draft_edited",
    25: "h25_update_late_second_edit",
    26: "h26_versioned_update_late_person_edits",
    27: "h27_both_sides_to_the_same",
    28: "h28_row_added_after_our_read",
    29: "h29_draft_deleted_by_a_person",
    30: "h30_credited_reopened_won_again",
    31: "h31_pauses_after_the_claim",
    32: "h32_lease_dies_in_flight",
    33: "h33_clock_jumps_while_late",
    34: "h34_row_commits_late",
    35: "h35_two_edits_in_one_second",
    36: "h36_stale_replica",
    37: "h37_batch_made_refused_cut",
    38: "h38_published_between_plan_and_claim",
    39: "h39_approved_then_edited",
    40: "h40_restored_to_before_three_creates",
    41: "h41_restored_and_reopened_since",
    42: "h42_restored_to_before_void_and_rewin",
    43: "h43_ready_had_been_applied",
    44: "h44_restored_draft_edited",
    45: "h45_customers_merge_while_unknown",
    46: "h46_accounts_merge_in_the_crm",
    47: "h47_order_flow_replaces_opportunity_flow",
    48: "h48_new_installation",
    49: "h49_three_runs_at_once",
    50: "h50_unlinked_document_newer_than_the_backup",
    51: "h51_request_of_the_old_epoch_arrives",
    52: "h52_lost_batch_each_decides_alone",
}


@pytest.mark.parametrize("name", NUMBERED)
def test_history(name: str, app_engine: SqlEngine, owner_engine: SqlEngine) -> None:
    tell(name, app_engine, owner_engine)


def test_every_number_is_told() -> None:
    for number, name in HISTORIES.items():
        assert name in NUMBERED
        assert int(name[1:3]) == number

    assert sorted(HISTORIES) == list(range(1, 53))
