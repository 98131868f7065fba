"""Paging, filters and stamps of the ERP host, with the habits that surprise."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from visma_net_support import VismaNet, line, wrap


@pytest.fixture
def net() -> VismaNet:
    return VismaNet(size=7).sign_in()


def numbers(rows: list[dict[str, str]]) -> list[str]:
    return [row["number"] for row in rows]


def test_metadata_stands_in_every_record(net: VismaNet) -> None:
    rows = net.find("customer", pageNumber=1, pageSize=3)
    assert [row["metadata"] for row in rows] == [{"totalCount": 7, "maxPageSize": 1000}] * 3
    assert len(net.find("customer", pageNumber=3, pageSize=3)) == 1
    assert net.find("customer", pageNumber=4, pageSize=3) == []
    # A nested object has a metadata of its own, which is not the list's.
    assert rows[0]["mainAddress"]["country"]["metadata"]["totalCount"] == 0
    net.assume("metadata_missing", True)
    assert "metadata" not in net.get("customer")[0]


def test_a_page_above_the_limit_is_cut_without_a_word(net: VismaNet) -> None:
    net.assume("max_page_size_of.customer", 3)
    first = net.find("customer", pageNumber=1, pageSize=5)
    assert (len(first), first[0]["metadata"]["maxPageSize"]) == (3, 3)
    assert numbers(net.find("customer", pageNumber=2, pageSize=5))[0] == "10003"
    net.assume("default_page_size", 2)
    assert len(net.get("customer")) == 2  # the rest is silently missing
    assert numbers(net.find("customer", skipRecords=1, numberToRead=2)) == ["10001", "10002"]


def test_three_shapes_of_lists(net: VismaNet) -> None:
    assert isinstance(net.get("vat"), list)
    terms = net.find("creditTerm", pageNumber=1, pageSize=2)
    assert (terms["pageNumber"], terms["pageSize"], terms["totalCount"]) == (1, 2, 6)
    assert [one["termsId"] for one in terms["records"]] == ["10", "14"]
    assert net.find("creditTerm", termsId="30")["records"][0]["dueDay1"] == 30
    assert set(net.get("discount")) == set(net.get("salesperson")) == set(terms)


def test_time_without_condition_returns_everything(net: VismaNet) -> None:
    net.pass_time(minutes=30)
    net.customer(name="New")
    after = "2026-11-25T09:00:00"
    assert len(net.find("customer", lastModifiedDateTime=after)) == 8
    assert len(net.find("customer", lastModifiedDateTimeCondition=">")) == 8
    found = net.find("customer", lastModifiedDateTime=after, lastModifiedDateTimeCondition=">=")
    assert [row["name"] for row in found] == ["New"]
    for text in ("2026-11-25", "2026-11-25 09:00:00", "2026-11-25 09:00:00.000"):
        pair = {"lastModifiedDateTime": text, "lastModifiedDateTimeCondition": ">"}
        assert len(net.find("customer", **pair)) == (8 if len(text) == 10 else 1)
    # Letters are not accepted.
    query = "customer?lastModifiedDateTime=2026-11-25T09:00:00Z&lastModifiedDateTimeCondition=%3E"
    assert "not a valid date" in net.message("GET", query)
    net.assume("wrong_filter_date", "ignored")
    assert len(net.get(query)) == 8
    assert (
        net.call("GET", "customer?createdDateTime=2026-11-25&createdDateTimeCondition=x").status
        == 400
    )


def test_stamps_may_be_local_and_of_three_forms(net: VismaNet) -> None:
    record = net.get("customer/10000")
    assert record["lastModifiedDateTime"] == "2026-11-25T08:41:06.9"
    net.assume("stamp_zone", "local")
    assert net.get("customer/10000")["lastModifiedDateTime"] == "2026-11-25T09:41:06.9"
    pair = {"lastModifiedDateTime": "2026-11-25T09:00:00", "lastModifiedDateTimeCondition": ">"}
    assert len(net.find("customer", **pair)) == 7  # compared by the same wall clock
    # Branches are in UTC, whatever the others are.
    assert net.get("branch/1")["lastModifiedDateTime"] == "2026-11-25T08:41:06.9"
    assert net.get("project/P1000")["lastModifiedDateTime"] == "2026-11-25T08:41:06.9Z"
    contact = net.create("contact", wrap(lastName="Ek", businessAccount="10000"))
    assert net.get(f"contact/{contact}")["lastModifiedDateTime"] == "2026-11-25T09:41:06.9+01:00"


def test_unknown_parameters_are_ignored(net: VismaNet) -> None:
    assert len(net.find("customer", corporateID="none")) == 0  # names in any case
    assert len(net.find("customer", corporatId="none")) == 7


def test_filters_of_customers(net: VismaNet) -> None:
    number = net.customer(
        name="Exact AS",
        vatRegistrationId="NO1MVA",
        corporateId="1",
        status="CreditHold",
        mainContact=wrap(email="a@b.example", phone1="47"),
        attributeLines=[wrap(attributeId="CRMKEY", attributeValue="k-1")],
    )
    for name, value in (
        ("name", "Exact AS"),
        ("vatRegistrationId", "NO1MVA"),
        ("corporateId", "1"),
        ("status", "CreditHold"),
        ("email", "a@b.example"),
        ("phone", "47"),
        ("attributes", '{"CRMKEY":"k-1"}'),
        ("attributes", '{"CRMKEY":"k-0,k-1"}'),  # a comma means or
        ("greaterThanValue", "10006"),
    ):
        assert numbers(net.find("customer", **{name: value})) == [number], name
    assert net.find("customer", name="Exact") == []  # equals, not contains
    assert net.find("customer", attributes='{"CRMKEY":"k-1","SEGMENT":"x"}') == []  # and
    assert net.call("GET", f"customer?attributes={quote('{')}").status == 400


def test_lists_leave_parts_out_until_they_are_expanded(net: VismaNet) -> None:
    row = net.get("customer")[0]
    assert {"glAccounts", "paymentMethods", "directDebitLines"} & set(row) == set()
    row = net.find("customer", expandAccountInformation="true")[0]
    assert "glAccounts" in row
    number = net.booked(net.customer())
    rows = net.find("customerinvoice", status="Open", customer="10007")
    parts = {"applications", "taxDetails", "attachments", "invoiceAddress"}
    assert parts & set(rows[0]) == set()
    rows = net.find("customerinvoice", customer="10007", expandTaxDetails="true")
    assert parts & set(rows[0]) == {"taxDetails"}
    assert parts <= set(net.invoice(number))
    assert "crossReferences" in net.get("inventory")[0]
    assert "crossReferences" not in net.find("inventory", expandCrossReference="false")[0]
    net.assume("expands_by_default", False)
    assert "crossReferences" not in net.get("inventory")[0]


def test_filters_of_documents(net: VismaNet) -> None:
    customer = net.customer()
    number = net.draft(
        customer,
        line(taskId="1"),
        externalReference="tieout-9F3T6B2H",
        customerRefNumber="PO 4711",
        project="P1000",
        documentDate="2026-10-31",
    )
    kid = net.invoice(number)["paymentReference"]
    for query in (
        {"externalReference": "tieout-9F3T6B2H"},
        {"customerRefNumber": "PO 4711"},
        {"paymentReference": kid},
        {"project": "P1000"},
        {"customer": customer},
        {"released": 0, "customer": customer},
        {"status": "Balanced", "financialPeriod": "202610"},
        {"documentDate": "2026-10-31", "documentDateCondition": ">=", "customer": customer},
    ):
        rows = net.find("customerinvoice", **query)
        assert [row["referenceNumber"] for row in rows] == [number], query
    assert net.find("customerinvoice", externalReference="tieout") == []
    net.assume("external_reference_filter", "contains")
    assert len(net.find("customerinvoice", externalReference="tieout")) == 1
    # On the list of all documents the reference filters, and is not shown.
    rows = net.find("customerdocument", externalReference="tieout-9F3T6B2H")
    assert [row["referenceNumber"] for row in rows] == [number]
    assert "externalReference" not in rows[0]
    # The type filters there, and not on the specific list.
    net.act("release", document=number)
    net.act("credit", document=number)
    of_type = net.find("customerdocument", documentType="CreditNote", customer=customer)
    assert [row["documentType"] for row in of_type] == ["CreditNote"]
    rows = net.find("customerinvoice", documentType="CreditNote", customer=customer)
    assert [row["documentType"] for row in rows] == ["Invoice"]
    assert len(net.get(f"customer/{customer}/document")) == 2
    assert len(net.get(f"customer/{customer}/invoice")) == 1


def test_periods_have_an_end_that_nobody_is_sure_of(net: VismaNet) -> None:
    row = net.get("financialPeriod/202611")
    assert (row["startDate"], row["endDate"]) == ("2026-11-01T00:00:00", "2026-12-01T00:00:00")
    net.assume("period_end", "inclusive")
    assert net.get("financialPeriod/202611")["endDate"] == "2026-11-30T00:00:00"
    assert {one["year"] for one in net.find("financialPeriod", greaterThanValue=2027)} == {2027}


def test_a_number_with_a_stroke_goes_by_its_internal_id(net: VismaNet) -> None:
    row = net.find("inventory", inventoryNumber="KIT/A")[0]
    assert net.get("inventory/KIT%2FA")["inventoryId"] == row["inventoryId"]
    assert net.get(f"inventory/internal/{row['inventoryId']}")["inventoryNumber"] == "KIT/A"
    assert net.call("GET", "inventory/KIT/A").status == 404


def test_one_record_as_an_array_of_one(net: VismaNet) -> None:
    net.assume("single_as_array", True)
    assert net.get("customer/10000")[0]["number"] == "10000"


def test_search_lag_hides_a_write_for_a_while(net: VismaNet) -> None:
    fault = {"method": "POST", "path": "/v1/customer", "kind": "search_lag", "seconds": 30}
    net.send("POST", "/_sandbox/faults", fault)
    number = net.customer(name="Late")
    assert net.find("customer", name="Late") == []
    assert net.get(f"customer/{number}")["name"] == "Late"
    net.pass_time(seconds=31)
    assert numbers(net.find("customer", name="Late")) == [number]
