"""The contract of the port, over the simulator of Visma eAccounting, in several of its tempers."""

from __future__ import annotations

import pytest

from contract.connector_contract import ConnectorContract
from support.visma_rig import VismaRig


class TestVisma(ConnectorContract):
    @pytest.fixture
    def rig(self) -> VismaRig:
        return VismaRig()


class TestVismaWithoutFilters(ConnectorContract):
    """Unsupported filters are refused: lists are read and filtered on our side."""

    @pytest.fixture
    def rig(self) -> VismaRig:
        rig = VismaRig()
        for name in ("customerinvoicedrafts", "customerinvoices", "customers", "articles"):
            rig.assume(f"filterable.{name}", ["ChangedUtc", "ModifiedUtc"])
        return rig


class TestVismaIgnoringFilters(ConnectorContract):
    """Unsupported filters are silently ignored: rows come back that nobody asked for."""

    @pytest.fixture
    def rig(self) -> VismaRig:
        rig = VismaRig()
        for name in ("customerinvoicedrafts", "customerinvoices", "customers", "articles"):
            rig.assume(f"filterable.{name}", ["ChangedUtc", "ModifiedUtc"])
        rig.assume("unsupported_filter", "ignored")
        return rig


class TestVismaOtherwise(ConnectorContract):
    """The unknowns the other way round."""

    @pytest.fixture
    def rig(self) -> VismaRig:
        rig = VismaRig()
        rig.assume("vat_rounding", "row")
        rig.assume("first_line_number", 0)
        rig.assume("row_ids_survive_put", True)
        rig.assume("pages_when_empty", 0)
        rig.assume("delete_status", 204)
        rig.assume("retry_after_header", True)
        rig.assume("vat_percent_scale", "percent")
        rig.assume("filter_ignores_case", False)
        rig.assume("draft_date_shown", "stored")
        return rig


class TestVismaTextRow(ConnectorContract):
    """The key in a text row."""

    @pytest.fixture
    def rig(self) -> VismaRig:
        return VismaRig(carrier="text_row")
