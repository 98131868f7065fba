"""What webCRM's metadata tells, and where a field stands on which kind of deal."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from support.webcrm_invoices import INVOICE
from tieout.connectors.webcrm import WebcrmSettings, scripts
from tieout.connectors.webcrm.invoice_rows import KEY_LENGTH, Mark, mark_of
from tieout.connectors.webcrm.lineage import ERP_ID_MOST, books_id_in, erp_id, root_in
from tieout.connectors.webcrm.system import SystemField, kind_of, place_on, read_metadata
from tieout.connectors.webcrm.values import Unfit, day_at, plain_text, same, text_at, to_wire

ZONE = ZoneInfo("Europe/Copenhagen")


def field(name: str = "DeliveryCustom1", **more: object) -> SystemField:
    values = {"label": "Felt", "display": "T", "length": 50, "options": (), **more}
    return SystemField(name=name, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "name", "place"),
    [
        ("Delivery", "OpportunityCustom2", "DeliveryOpportunityCustom2"),
        ("Delivery", "OpportunityPlus20", "DeliveryOpportunityPlus20"),
        ("Delivery", "OpportunityMemo", "DeliveryOpportunityMemo"),
        ("Delivery", "OpportunityDescription", "DeliveryDescription"),
        ("Delivery", "DeliveryCustom2", "DeliveryCustom2"),
        ("Opportunity", "OpportunityCustom2", "OpportunityCustom2"),
        ("Opportunity", "DeliveryOpportunityCustom2", "OpportunityCustom2"),
        ("Opportunity", "DeliveryCustom2", ""),
        ("Opportunity", "DeliveryStatus", ""),
        ("Opportunity", "DeliveryNumber", "OpportunityNumber"),
        ("Delivery", "OrganisationName", ""),
    ],
)
def test_where_a_field_stands(kind: str, name: str, place: str) -> None:
    assert place_on(kind, name) == place


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("OrganisationCustom5", "text"),
        ("OrganisationXInt1", "int"),
        ("OrganisationXDate2", "date"),
        ("DeliveryErpSyncDateTime", "date"),
        ("DeliveryErpId", "text"),
        ("DeliveryOrderValue", "number"),
        ("OpportunityWinYesNo", "bool"),
        ("PersonCheckMark3", "bool"),
        ("OrganisationPostCode", "text"),
        ("DeliveryOpportunityCustom15", "text"),
    ],
)
def test_what_json_has_for_a_field(name: str, kind: str) -> None:
    assert kind_of(name) == kind


def test_metadata_that_tells_only_of_custom_fields_denies_no_other() -> None:
    custom = {"FieldMetadataFriendlyFieldName": "DeliveryCustom1"}
    few = read_metadata("Delivery", (custom,))
    assert few.has("DeliveryCustom1")
    assert few.has("DeliveryRisk")
    assert not few.has("DeliveryCustom2")
    assert not few.has("OrganisationName")
    whole = read_metadata("Delivery", (custom, {"FieldMetadataFriendlyFieldName": "DeliveryNote"}))
    assert whole.has("DeliveryErpId")
    assert not whole.has("DeliveryRisk")


def test_a_script_takes_only_names_and_quotes_every_text() -> None:
    where = "DeliveryNumber = " + scripts.text("O'Brien")
    assert scripts.select("Delivery", where=where, order="DeliveryId", columns=("DeliveryId",)) == (
        "SELECT DeliveryId FROM Delivery WHERE DeliveryNumber = 'O''Brien' ORDER BY DeliveryId ASC"
    )
    assert scripts.moment(datetime(2026, 3, 31, 9, 14, 2, 417000, tzinfo=UTC)) == (
        "'2026-03-31T09:14:02.4170000Z'"
    )
    for name in ("Delivery; DROP", "a b", "", "1x", "x'"):
        with pytest.raises(ValueError, match="no name"):
            scripts.select(name)
    with pytest.raises(ValueError, match="invalid literal"):
        scripts.any_id("DeliveryId", ["1 OR 1=1"])  # type: ignore[list-item]
    assert [len(part) for part in scripts.chunks(range(65))] == [30, 30, 5]


def test_our_mark_in_erp_id_fits_and_tells_the_root() -> None:
    text = erp_id(12345678, "invoice:8a6c0f1e-0000-4000-8000-00000000000a")
    assert len(text) <= ERP_ID_MOST
    assert books_id_in(text) == "invoice:8a6c0f1e00004000800000000000000a"
    row = {"DeliveryId": 99999999, "DeliveryErpId": text}
    assert root_in("Delivery", row) == 12345678
    assert root_in("Delivery", {**row, "DeliveryId": 5}) == 0
    assert root_in("Delivery", {**row, "DeliveryErpId": "2026/17"}) == 0
    assert erp_id(1, None) == ""


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("-- vælg --", ""),
        ("-- Vælg ---", ""),
        ("[]", ""),
        (None, ""),
        ("07: 7 dage", "07: 7 dage"),
        ("-- ikke en pladsholder", "-- ikke en pladsholder"),
        (Decimal("1E+3"), "1000"),
    ],
)
def test_what_nobody_chose_is_nothing(value: object, shown: str) -> None:
    assert text_at({"v": value}, "v") == shown


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("2026-06-12T02:00:00+02:00", date(2026, 6, 12)),
        ("2026-06-12T00:00:00+02:00", date(2026, 6, 12)),
        ("2026-06-12T23:30:00", date(2026, 6, 12)),
        ("0001-01-01T01:00:00+01:00", None),
        ("12-06-2026", date(2026, 6, 12)),
        ("", None),
    ],
)
def test_days(written: str, day: date | None) -> None:
    assert day_at({"v": written}, "v", ZONE) == day


def test_rich_text_is_text() -> None:
    html = "<p>Ring &amp; aftal<br>i dag</p><ul><li>Port&nbsp;17</li></ul>"
    assert plain_text(html) == "Ring & aftal\ni dag\nPort 17"
    assert plain_text("  bare tekst ") == "bare tekst"


def test_values_as_fields_take_them() -> None:
    assert to_wire(field(), Decimal("3125.50")) == "3125.50"
    assert to_wire(field(), date(2026, 12, 24)) == "2026-12-24"
    assert to_wire(field(), True) == "Yes"
    assert to_wire(field(), None) == ""
    assert to_wire(field(display="C"), None) == "No"
    assert to_wire(field("OrganisationXInt1"), Decimal(5)) == 5
    assert to_wire(field("OrganisationXDate1"), None) == "0001-01-01T00:00:00"
    assert to_wire(field(length=5), "for langt", cut=True) == "for…"
    for unfit in (
        to_wire(field(length=5), "for langt"),
        to_wire(field("OrganisationXInt1"), Decimal("1.5")),
        to_wire(field(display="C"), "måske"),
        to_wire(field(options=("01: draft", "1: draft")), "draft"),
        to_wire(field("OrganisationXDate1"), "i morgen"),
    ):
        assert isinstance(unfit, Unfit)
    drop_down = field(options=("07: 7 dage", "14: 14 dage"))
    assert to_wire(drop_down, "7 dage") == "07: 7 dage"
    assert same(drop_down, "", "-- vælg --")
    assert same(field(display="C"), "No", "")
    assert same(
        field("DeliveryErpSyncDateTime"), "2026-06-12T09:00:00Z", "2026-06-12T11:00:00+02:00"
    )
    assert not same(field(), "a", "b")


def test_fields_for_invoices_are_checked_all_at_once() -> None:
    named = {"key": "ProductMemo", "net": "ProductCustom8", "gross": "ProductCustom8"}
    found = WebcrmSettings.from_mapping({"invoice": {**named, "tax": "OrganisationCustom3"}})
    told = " ".join(found.problems())
    for word in ("kind", "number", "status", "open", "amount", "item"):
        assert f"invoice.{word} is needed" in told
    assert "invoice.key is one of ProductCustom1 to 15 or ProductPlus1 to 20, not" in told
    assert "invoice.gross needs a field of its own; ProductCustom8 is invoice.net" in told
    assert "invoice.tax is one of" in told
    assert WebcrmSettings.from_mapping({"invoice": INVOICE}).problems() == []
    # Nobody asked for invoices: nothing is missing.
    assert WebcrmSettings().problems() == []
    with pytest.raises(ValueError, match=r"invoice\.total"):
        WebcrmSettings.from_mapping({"invoice": {"total": "ProductCustom1"}})


def test_a_key_on_a_row_of_an_invoice_says_whose_and_which() -> None:
    key = "SWZESKS7H1P0WH00"
    for mark in (Mark(key=key), Mark(key=key, place=3), Mark(key=key, place=3, spare=True)):
        assert mark_of(mark.text) == mark
        assert mark_of(mark.text.lower()) == mark
    assert mark_of(f"see {key}") is None
    assert mark_of(f"{key}-x") is None
    assert mark_of("0123456789ABCDEF") is None
    longest = Mark(key=key, place=99_999, spare=True)
    assert len(longest.text) == KEY_LENGTH
