"""The contract of the port, over the simulator of Visma.net, in several of its tempers."""

from __future__ import annotations

import pytest

from contract.connector_contract import ConnectorContract
from support.visma_net_rig import VismaNetRig


class TestVismaNet(ConnectorContract):
    @pytest.fixture
    def rig(self) -> VismaNetRig:
        return VismaNetRig()


class TestVismaNetOtherwise(ConnectorContract):
    """The unknowns the other way round: shapes of answers, stamps, filters, statuses."""

    @pytest.fixture
    def rig(self) -> VismaNetRig:
        rig = VismaNetRig()
        rig.assume("location_host", "http")
        rig.assume("single_as_array", True)
        rig.assume("null_fields", "written")
        rig.assume("business_error_status", 500)
        rig.assume("error_member", "Message")
        rig.assume("not_found_body", "empty")
        rig.assume("stale_body", "empty")
        rig.assume("rate_limit_body", "empty")
        rig.assume("post_body", True)
        rig.assume("v2_location", "v2")
        rig.assume("put_location", True)
        rig.assume("stamp_zone", "local")
        rig.assume("external_reference_filter", "contains")
        rig.assume("expands_by_default", False)
        rig.assume("insert_with_number", "insert")
        rig.assume("amounts_on_drafts", "shown")
        rig.assume("period_end", "inclusive")
        rig.assume("rounding_diff", "exact_minus_rounded")
        rig.assume("over_long", "reject")
        rig.assume("no_vat_id", "error")
        return rig


class TestVismaNetWithoutCounts(ConnectorContract):
    """Lists without counts, pages that are cut, stamps with an offset."""

    @pytest.fixture
    def rig(self) -> VismaNetRig:
        rig = VismaNetRig(page_size=200)
        rig.assume("metadata_missing", True)
        rig.assume("max_page_size", 3)
        rig.assume("max_page_size_of.customer", 5)
        rig.assume("stamp_form", "offset")
        return rig


class TestVismaNetOrderNumber(ConnectorContract):
    """The key where the buyer's order number would stand; invoices are made ready to release."""

    @pytest.fixture
    def rig(self) -> VismaNetRig:
        return VismaNetRig(carrier="customer_ref", draft_status="balanced")


class TestVismaNetOwnNumbers:
    """
    The company draws the numbers of customers, and only the attribute tells one of ours: what
    depends on it of the same contract.
    """

    @pytest.fixture
    def rig(self) -> VismaNetRig:
        return VismaNetRig(drawn=False)

    test_read_again = ConnectorContract.test_written_and_read_again_nothing_has_changed
    test_update = ConnectorContract.test_an_update_sets_what_is_named_and_keeps_the_rest
    test_lost = ConnectorContract.test_a_lost_answer_is_unknown_and_found_by_its_key
    test_booked = ConnectorContract.test_a_document_booked_meanwhile_is_found_as_what_it_became
    test_bytes = ConnectorContract.test_the_bytes_that_arrive_are_the_bytes_that_were_stored
    test_changed = ConnectorContract.test_only_what_changed_since_is_read_and_doubles_are_allowed
    test_company = ConnectorContract.test_the_company_says_where_and_when_it_can_book
