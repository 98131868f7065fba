"""What the platform does by itself with deals, prices, orders and accounts."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from salesforce_client import Client

CONS = {"product": "CONS", "quantity": 10, "unit_price": "1000.00"}


@pytest.fixture
def org() -> Client:
    return Client()


def _line(org: Client, record_id: str) -> Any:
    return org.read("OpportunityLineItem", record_id)


def _figures(line: Any) -> tuple[Decimal, ...]:
    return tuple(line[name] for name in ("Quantity", "UnitPrice", "TotalPrice", "Subtotal"))


def test_the_amount_is_the_sum_of_the_lines(org: Client) -> None:
    deal = org.deal(CONS, {"product": "PM", "quantity": "2.5", "unit_price": "1350"})
    row = org.read("Opportunity", deal["id"])
    assert row["Amount"] == Decimal("13375.00")
    assert row["HasOpportunityLineItem"] is True
    assert row["TotalOpportunityQuantity"] == Decimal("12.5")
    org.update("Opportunity", deal["id"], Amount=1)
    assert org.read("Opportunity", deal["id"])["Amount"] == Decimal("13375.00")
    empty = org.create(
        "Opportunity", Name="No lines", StageName="Prospecting", CloseDate="2026-12-01"
    )
    org.update("Opportunity", empty, Amount=Decimal("99.50"))
    assert org.read("Opportunity", empty)["Amount"] == Decimal("99.50")


def test_a_changed_line_moves_its_deal(org: Client) -> None:
    deal = org.deal(CONS)
    before = org.read("Opportunity", deal["id"])["SystemModstamp"]
    org.time.advance(60)
    org.update("OpportunityLineItem", deal["lines"][0], UnitPrice=Decimal("900.00"))
    after = org.read("Opportunity", deal["id"])
    assert after["Amount"] == Decimal("9000.00")
    assert after["SystemModstamp"] > before


@pytest.mark.parametrize(
    ("change", "figures"),
    [
        ({"Quantity": 20}, ("20", "500", "10000", "10000")),
        ({"Quantity": 20, "UnitPrice": 1000}, ("20", "1000", "20000", "20000")),
        ({"UnitPrice": Decimal("999.99")}, ("10", "999.99", "9999.90", "9999.90")),
        ({"TotalPrice": 5000}, ("10", "500", "5000", "5000")),
        ({"Discount": Decimal("6.25")}, ("10", "1000", "9375", "10000")),
        ({"Discount": 50, "Quantity": 4, "UnitPrice": 1000}, ("4", "1000", "2000", "4000")),
    ],
)
def test_prices_of_a_line_move_as_documented(
    org: Client, change: dict[str, Any], figures: tuple[str, ...]
) -> None:
    deal = org.deal(CONS)
    org.update("OpportunityLineItem", deal["lines"][0], **change)
    line = _line(org, deal["lines"][0])
    assert _figures(line) == tuple(Decimal(each) for each in figures)


@pytest.mark.parametrize(
    "change",
    [
        {"UnitPrice": 5, "TotalPrice": 50},
        {"Discount": 5, "Quantity": 4},
        {"Quantity": 0},
    ],
)
def test_changes_of_a_line_that_do_not_fit_together(org: Client, change: dict[str, Any]) -> None:
    deal = org.deal(CONS)
    path = f"/sobjects/OpportunityLineItem/{deal['lines'][0]}"
    error = org.refused("PATCH", path, change)
    assert error["errorCode"] == "FIELD_INTEGRITY_EXCEPTION"
    assert _figures(_line(org, deal["lines"][0]))[:3] == (10, 1000, 10000)


def test_a_line_takes_what_its_price_says(org: Client) -> None:
    deal = org.deal({"product": "CONS", "quantity": 3})
    line = _line(org, deal["lines"][0])
    assert line["UnitPrice"] == line["ListPrice"] == Decimal("1150.00")
    assert line["ProductCode"] == "CONS"
    assert line["CurrencyIsoCode"] == "SEK"
    read_only = org.refused(
        "PATCH", f"/sobjects/OpportunityLineItem/{deal['lines'][0]}", {"ListPrice": 1}
    )
    assert read_only["errorCode"] == "INVALID_FIELD_FOR_INSERT_UPDATE"


def _entry(org: Client, code: str, currency: str) -> str:
    found = org.query(
        f"SELECT Id FROM PricebookEntry WHERE ProductCode = '{code}' "
        f"AND CurrencyIsoCode = '{currency}'"
    )
    return str(found[0]["Id"])


def test_prices_that_a_line_cannot_take(org: Client) -> None:
    deal = org.deal(CONS)
    euro = {
        "OpportunityId": deal["id"],
        "Quantity": 1,
        "PricebookEntryId": _entry(org, "PM", "EUR"),
    }
    error = org.refused("POST", "/sobjects/OpportunityLineItem", euro)
    assert "currency code does not match" in error["message"]
    org.act("deactivate_product", product="PM")
    inactive = {**euro, "PricebookEntryId": _entry(org, "PM", "SEK")}
    error = org.refused("POST", "/sobjects/OpportunityLineItem", inactive)
    assert "inactive" in error["message"]
    book = org.create("Pricebook2", Name="Partners", IsActive=True)
    other = org.create(
        "PricebookEntry",
        Pricebook2Id=book,
        Product2Id=org.query("SELECT Id FROM Product2 WHERE ProductCode = 'CONS'")[0]["Id"],
        CurrencyIsoCode="SEK",
        UnitPrice=900,
        IsActive=True,
    )
    error = org.refused(
        "POST", "/sobjects/OpportunityLineItem", {**euro, "PricebookEntryId": other}
    )
    assert "different pricebook" in error["message"]
    moved = org.refused("PATCH", f"/sobjects/Opportunity/{deal['id']}", {"Pricebook2Id": book})
    assert moved["errorCode"] == "FIELD_INTEGRITY_EXCEPTION"
    changed = org.refused(
        "PATCH", f"/sobjects/Opportunity/{deal['id']}", {"CurrencyIsoCode": "EUR"}
    )
    assert changed["errorCode"] == "FIELD_INTEGRITY_EXCEPTION"


def test_the_standard_price_comes_first(org: Client) -> None:
    product = org.create("Product2", Name="New", ProductCode="NEW")
    assert org.read("Product2", product)["IsActive"] is False
    org.update("Product2", product, IsActive=True)
    book = org.create("Pricebook2", Name="Partners", IsActive=True)
    price = {"Product2Id": product, "UnitPrice": 10, "IsActive": True, "CurrencyIsoCode": "SEK"}
    error = org.refused("POST", "/sobjects/PricebookEntry", {**price, "Pricebook2Id": book})
    assert error["errorCode"] == "STANDARD_PRICE_NOT_DEFINED"
    standard = org.create("PricebookEntry", **price, Pricebook2Id=org.standard_book())
    mirror = org.create(
        "PricebookEntry",
        Product2Id=product,
        IsActive=True,
        CurrencyIsoCode="SEK",
        UseStandardPrice=True,
        Pricebook2Id=book,
    )
    org.update("PricebookEntry", standard, UnitPrice=12)
    assert org.read("PricebookEntry", mirror)["UnitPrice"] == Decimal("12.00")
    error = org.refused("POST", "/sobjects/PricebookEntry", {**price, "Pricebook2Id": book})
    assert error["errorCode"] == "DUPLICATE_VALUE"
    org.act("set_switch", name="second_price_code", value="FIELD_INTEGRITY_EXCEPTION")
    error = org.refused("POST", "/sobjects/PricebookEntry", {**price, "Pricebook2Id": book})
    assert error["errorCode"] == "FIELD_INTEGRITY_EXCEPTION"


def test_used_products_and_prices_cannot_be_deleted(org: Client) -> None:
    deal = org.deal(CONS)
    line = _line(org, deal["lines"][0])
    error = org.refused("DELETE", f"/sobjects/Product2/{line['Product2Id']}")
    assert error["errorCode"] == "DELETE_FAILED"
    path = f"/sobjects/PricebookEntry/{line['PricebookEntryId']}"
    assert org.call("DELETE", path).status == 204
    archived = org.read("PricebookEntry", line["PricebookEntryId"])
    assert (archived["IsArchived"], archived["IsActive"]) == (True, False)


def test_a_stage_decides_what_follows_from_it(org: Client) -> None:
    deal = org.deal(CONS)
    row = org.read("Opportunity", deal["id"])
    assert (row["IsClosed"], row["IsWon"], row["ForecastCategory"]) == (False, False, "Pipeline")
    assert row["ExpectedRevenue"] == Decimal("1000.00")
    org.act("win", id=deal["id"], close_date="2026-11-20")
    won = org.read("Opportunity", deal["id"])
    assert (won["IsWon"], won["IsClosed"], won["Probability"]) == (True, True, 100)
    assert (won["ForecastCategory"], won["FiscalQuarter"]) == ("Closed", 4)
    assert won["ExpectedRevenue"] == Decimal("10000.00")
    assert won["CloseDate"] == "2026-11-20"
    org.act("reopen", id=deal["id"])
    assert org.read("Opportunity", deal["id"])["IsWon"] is False
    org.act("lose", id=deal["id"])
    lost = org.read("Opportunity", deal["id"])
    assert (lost["IsWon"], lost["IsClosed"], lost["ForecastCategory"]) == (False, True, "Omitted")
    error = org.refused("PATCH", f"/sobjects/Opportunity/{deal['id']}", {"IsWon": True})
    assert error["errorCode"] == "INVALID_FIELD_FOR_INSERT_UPDATE"


def test_stages_can_be_renamed_without_a_deal_being_lost(org: Client) -> None:
    deal = org.deal(CONS)
    org.act("win", id=deal["id"])
    org.act("rename_stage", stage="Closed Won", name="Vunnen")
    row = org.read("Opportunity", deal["id"])
    assert (row["StageName"], row["IsWon"]) == ("Vunnen", True)
    [stage] = org.query("SELECT MasterLabel FROM OpportunityStage WHERE IsWon = true")
    assert stage["MasterLabel"] == "Vunnen"
    fields = org.json("GET", "/sobjects/Opportunity/describe")["fields"]
    names = next(each for each in fields if each["name"] == "StageName")["picklistValues"]
    assert [each["value"] for each in names][-2:] == ["Vunnen", "Closed Lost"]


def test_many_deals_can_be_won_at_once(org: Client) -> None:
    ids = [org.deal(CONS)["id"] for _ in range(3)]
    assert org.act("win", ids=ids) == {"won": 3}
    assert len(org.query("SELECT Id FROM Opportunity WHERE IsWon = true")) == 3


def test_lines_can_be_edited_and_taken_off_without_a_trace(org: Client) -> None:
    deal = org.deal(CONS, CONS)
    keep, gone = deal["lines"]
    edited = org.act(
        "edit_lines",
        id=deal["id"],
        remove=[gone],
        change=[{"id": keep, "quantity": 5, "unit_price": "1000.00"}],
        add=[{"product": "PM", "quantity": 1}],
    )
    assert edited["amount"] == Decimal("6350.00")
    assert org.query(f"SELECT Id FROM OpportunityLineItem WHERE Id = '{gone}'", all_rows=True) == []
    org.act("edit_lines", id=deal["id"], remove=[keep, edited["added"][0]])
    row = org.read("Opportunity", deal["id"])
    assert (row["HasOpportunityLineItem"], row["Amount"]) == (False, Decimal("0.00"))


def test_a_deleted_deal_lies_in_the_bin_and_comes_back(org: Client) -> None:
    deal = org.deal(CONS)
    org.act("delete_opportunity", id=deal["id"])
    assert org.query("SELECT Id FROM Opportunity") == []
    [binned] = org.query("SELECT Id, IsDeleted FROM Opportunity", all_rows=True)
    assert binned["IsDeleted"] is True
    error = org.refused("GET", f"/sobjects/Opportunity/{deal['id']}", status=404)
    assert error["errorCode"] == "ENTITY_IS_DELETED"
    org.act("undelete", id=deal["id"])
    assert org.read("Opportunity", deal["id"])["Amount"] == Decimal("10000.00")
    assert _line(org, deal["lines"][0])["OpportunityId"] == deal["id"]
    org.act("delete_opportunity", id=deal["id"])
    org.act("empty_recycle_bin")
    assert org.query("SELECT Id FROM Opportunity", all_rows=True) == []


def test_rows_that_are_not_shared_are_absent(org: Client) -> None:
    account = org.create("Account", Name="Shared in part")
    seen, unseen = (org.deal(CONS, account=account)["id"] for _ in range(2))
    org.act("unshare", id=unseen)
    statement = "SELECT Id, (SELECT Id FROM Opportunities) FROM Account"
    assert [each["Id"] for each in org.query("SELECT Id FROM Opportunity")] == [seen]
    children = org.query(statement)[0]["Opportunities"]["records"]
    assert [each["Id"] for each in children] == [seen]
    assert org.call("GET", f"/sobjects/Opportunity/{unseen}").status == 404
    assert org.call("PATCH", f"/sobjects/Opportunity/{unseen}", {"NextStep": "x"}).status == 404
    granted = (
        "SELECT Id FROM PermissionSetAssignment WHERE PermissionSet.PermissionsViewAllData = true"
    )
    assert org.query(granted) == []
    org.act("grant_view_all")
    assert len(org.query("SELECT Id FROM Opportunity")) == 2
    assert len(org.query(granted)) == 1


def test_the_bin_keeps_rows_for_fifteen_days(org: Client) -> None:
    deal = org.deal(CONS)
    org.act("delete_opportunity", id=deal["id"])
    org.time.advance(14 * 86_400)
    org.token = org.sign_in()
    assert len(org.query("SELECT Id FROM Opportunity", all_rows=True)) == 1
    org.time.advance(2 * 86_400)
    org.token = org.sign_in()
    assert org.query("SELECT Id FROM Opportunity", all_rows=True) == []
    error = org.refused("GET", f"/sobjects/Opportunity/{deal['id']}", status=404)
    assert error["errorCode"] == "NOT_FOUND"


def test_a_merge_moves_the_deals_and_marks_the_loser(org: Client) -> None:
    winner = org.create("Account", Name="Winner", Erp_Id__c="C-1")
    loser = org.create("Account", Name="Loser", Erp_Id__c="C-2")
    contact = org.create("Contact", LastName="Moves", AccountId=loser)
    deal = org.deal(CONS, account=loser)
    org.act("merge_accounts", winner=winner, losers=[loser])
    assert org.read("Opportunity", deal["id"])["AccountId"] == winner
    assert org.read("Contact", contact)["AccountId"] == winner
    [gone] = org.query(
        f"SELECT IsDeleted, MasterRecordId FROM Account WHERE Id = '{loser}'", all_rows=True
    )
    assert (gone["IsDeleted"], gone["MasterRecordId"]) == (True, winner)
    assert "MERGE_FAILED" in org.act_refused("merge_accounts", winner=winner, losers=[winner])


def test_a_clone_carries_our_status_but_not_our_id(org: Client) -> None:
    deal = org.deal(CONS)
    org.update("Opportunity", deal["id"], Erp_Id__c="invoice-1", Erp_Status__c="Paid")
    copy = org.act("clone_opportunity", id=deal["id"])["id"]
    row = org.read("Opportunity", copy)
    assert (row["Erp_Id__c"], row["Erp_Status__c"]) == (None, "Paid")
    assert row["Amount"] == Decimal("10000.00")


def test_an_order_is_made_as_a_draft_and_activated_by_its_status_alone(org: Client) -> None:
    account = org.create("Account", Name="Orders")
    fields = {
        "AccountId": account,
        "EffectiveDate": "2026-12-01",
        "Pricebook2Id": org.standard_book(),
        "CurrencyIsoCode": "SEK",
    }
    early = org.refused("POST", "/sobjects/Order", {**fields, "Status": "Activated"})
    assert early["errorCode"] == "INVALID_STATUS"
    order = org.create("Order", **fields, Status="Draft")
    empty = org.refused("PATCH", f"/sobjects/Order/{order}", {"Status": "Activated"})
    assert empty["errorCode"] == "FAILED_ACTIVATION"
    entry = _entry(org, "CONS", "SEK")
    item = org.create("OrderItem", OrderId=order, PricebookEntryId=entry, Quantity=2, UnitPrice=500)
    assert org.read("Order", order)["TotalAmount"] == Decimal("1000.00")
    more = org.refused(
        "PATCH", f"/sobjects/Order/{order}", {"Status": "Activated", "PoNumber": "1"}
    )
    assert more["errorCode"] == "FAILED_ACTIVATION"
    org.update("Order", order, Status="Activated")
    row = org.read("Order", order)
    assert (row["StatusCode"], row["ActivatedDate"][:10]) == ("Activated", "2026-11-25")
    locked = org.refused("PATCH", f"/sobjects/OrderItem/{item}", {"Quantity": 3})
    assert locked["errorCode"] == "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"
    fixed = org.refused("PATCH", f"/sobjects/Order/{order}", {"EffectiveDate": "2026-12-02"})
    assert fixed["errorCode"] == "FIELD_NOT_UPDATABLE"
    kept = org.refused("DELETE", f"/sobjects/Order/{order}")
    assert kept["errorCode"] == "DELETE_FAILED"
    org.update("Order", order, Status="Draft")
    assert org.call("DELETE", f"/sobjects/Order/{order}").status == 204


def test_a_quote_sums_its_lines(org: Client) -> None:
    deal = org.deal(CONS)
    quote = org.create("Quote", Name="Offer", OpportunityId=deal["id"], Tax=100)
    org.create(
        "QuoteLineItem",
        QuoteId=quote,
        PricebookEntryId=_entry(org, "CONS", "SEK"),
        Quantity=4,
        UnitPrice=250,
        Discount=10,
    )
    row = org.read("Quote", quote)
    assert (row["Subtotal"], row["TotalPrice"], row["GrandTotal"]) == (1000, 900, 1000)
    assert row["Status"] == "Draft"


def test_a_synced_quote_and_its_deal_keep_equal_lines(org: Client) -> None:
    deal = org.deal(CONS)["id"]
    quote = org.create("Quote", Name="Offer", OpportunityId=deal)
    fields = {"QuoteId": quote, "PricebookEntryId": _entry(org, "PM", "SEK")}
    line = org.create("QuoteLineItem", **fields, Quantity=4, UnitPrice=250)
    assert org.read("Opportunity", deal)["Amount"] == 10_000
    org.update("Opportunity", deal, SyncedQuoteId=quote)
    assert org.read("Opportunity", deal)["Amount"] == 1000
    assert org.read("Quote", quote)["IsSyncing"] is True
    org.update("QuoteLineItem", line, Quantity=5, UnitPrice=250)
    [theirs] = org.query("SELECT Id, ProductCode, Quantity FROM OpportunityLineItem")
    assert (theirs["ProductCode"], theirs["Quantity"]) == ("PM", 5)
    org.update("OpportunityLineItem", theirs["Id"], Quantity=6, UnitPrice=300)
    assert org.read("QuoteLineItem", line)["TotalPrice"] == 1800
    assert org.read("Quote", quote)["TotalPrice"] == org.read("Opportunity", deal)["Amount"] == 1800
    org.create("QuoteLineItem", **fields, Quantity=1, UnitPrice=200)
    assert org.read("Opportunity", deal)["Amount"] == 2000
    org.call("DELETE", f"/sobjects/QuoteLineItem/{line}")
    assert org.read("Opportunity", deal)["Amount"] == 200
    other = org.deal(CONS)["id"]
    error = org.refused("PATCH", f"/sobjects/Opportunity/{other}", {"SyncedQuoteId": quote})
    assert error["errorCode"] == "FIELD_INTEGRITY_EXCEPTION"
    org.update("Opportunity", deal, SyncedQuoteId=None)
    assert org.read("Quote", quote)["IsSyncing"] is False


def test_a_task_has_defaults_and_an_account(org: Client) -> None:
    account = org.create("Account", Name="Tasks")
    deal = org.deal(CONS, account=account)
    task = org.create("Task", Subject="Look at this", WhatId=deal["id"], Priority="High")
    row = org.read("Task", task)
    assert (row["Status"], row["IsClosed"], row["IsHighPriority"]) == ("Not Started", False, True)
    assert row["AccountId"] == account
    [seen] = org.query("SELECT What.Name, What.Type FROM Task")
    assert (seen["What"]["Name"], seen["What"]["Type"]) == ("A deal", "Opportunity")


def test_a_transaction_may_commit_late_with_an_older_stamp(org: Client) -> None:
    deal = org.deal(CONS)
    org.time.advance(600)
    org.act("late_commit", action="win", arguments={"id": deal["id"]}, age_s=400)
    row = org.read("Opportunity", deal["id"])
    assert row["IsWon"] is True
    assert row["SystemModstamp"] == "2026-11-25T09:03:20.000+0000"
    newer = org.query("SELECT Id FROM Opportunity WHERE SystemModstamp >= 2026-11-25T09:05:00Z")
    assert newer == []


def test_contacts_have_roles_and_one_is_first(org: Client) -> None:
    deal = org.deal(CONS)
    contacts = [org.create("Contact", FirstName="C", LastName=str(n)) for n in range(2)]
    roles = [
        org.act(
            "add_contact_role", opportunity=deal["id"], contact=each, role="Billing", primary=True
        )["id"]
        for each in contacts
    ]
    primary = [org.read("OpportunityContactRole", each)["IsPrimary"] for each in roles]
    assert primary == [False, True]
    again = {"OpportunityId": deal["id"], "ContactId": contacts[0]}
    error = org.refused("POST", "/sobjects/OpportunityContactRole", again)
    assert error["errorCode"] == "DUPLICATE_VALUE"


def test_a_failed_action_leaves_nothing_behind(org: Client) -> None:
    text = org.act_refused(
        "create_opportunity", name="Half", lines=[CONS, {"product": "nothing", "quantity": 1}]
    )
    assert "nothing" in text
    assert org.query("SELECT Id FROM Opportunity", all_rows=True) == []
    assert org.query("SELECT Id FROM OpportunityLineItem") == []


def test_an_administrator_adds_fields_and_moves_decimals(org: Client) -> None:
    org.act("create_field", object="Opportunity", field="Deal_Number__c", type="string:20")
    org.act("set_scale", object="OpportunityLineItem", field="TotalPrice", scale=3)
    line = {"product": "CONS", "quantity": "0.5", "unit_price": "6666.67"}
    deal = org.deal(line, line, line)
    org.update("Opportunity", deal["id"], Deal_Number__c="D-114")
    row = org.read("Opportunity", deal["id"])
    assert row["Deal_Number__c"] == "D-114"
    assert row["Amount"] == Decimal("10000.01")
    assert _line(org, deal["lines"][0])["TotalPrice"] == Decimal("3333.335")
