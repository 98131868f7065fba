"""Queries: what they select, in which order, page by page, and how they are refused."""

from __future__ import annotations

import time
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from urllib.parse import quote

import pytest
from salesforce_client import Client

from tieout_sandbox.salesforce.errors import SalesforceError
from tieout_sandbox.salesforce.soql.parse import parse

CENT = Decimal("0.01")


def corporate(org: Client, row: Any) -> Decimal:
    """The amount of a row in the corporate currency, not rounded."""
    rows = org.sim.org.tables["CurrencyType"].rows.values()
    [kind] = [each for each in rows if each["IsoCode"] == row["CurrencyIsoCode"]]
    return Decimal(row["Amount"] / kind["ConversionRate"])


@pytest.fixture(scope="module")
def org() -> Client:
    """A generated org that no test changes."""
    return Client(size=120)


@pytest.fixture(scope="module")
def rows(org: Client) -> list[Any]:
    return list(org.sim.org.tables["Opportunity"].rows.values())


def test_the_query_of_the_connector_answers_in_the_vendors_form(org: Client) -> None:
    records = org.query(
        "SELECT Id, Name, AccountId, Account.Erp_Id__c, Amount, CurrencyIsoCode, CloseDate, IsWon, "
        "SystemModstamp, (SELECT Id, Product2Id, Product2.ProductCode, Quantity, UnitPrice, "
        "Discount, TotalPrice FROM OpportunityLineItems) FROM Opportunity "
        "WHERE IsWon = true AND SystemModstamp >= 2020-03-31T08:00:00Z "
        "ORDER BY SystemModstamp, Id"
    )
    assert records
    first = records[0]
    assert first["attributes"] == {
        "type": "Opportunity",
        "url": f"/services/data/v68.0/sobjects/Opportunity/{first['Id']}",
    }
    assert list(first)[:5] == ["attributes", "Id", "Name", "AccountId", "Account"]
    assert first["Account"]["attributes"]["type"] == "Account"
    assert first["SystemModstamp"].endswith(".000+0000")
    assert all(each["IsWon"] is True for each in records)
    keys = [(each["SystemModstamp"], each["Id"]) for each in records]
    assert keys == sorted(keys)
    for each in records:
        if each["OpportunityLineItems"] is not None:
            lines = each["OpportunityLineItems"]["records"]
            assert sum(line["TotalPrice"] for line in lines) == each["Amount"]


def test_a_parent_that_is_empty_and_children_that_lack_are_null(org: Client) -> None:
    client = Client()
    made = client.act("create_opportunity", name="Alone")
    [record] = client.query(
        "SELECT Id, Account.Name, (SELECT Id FROM OpportunityLineItems) FROM Opportunity"
    )
    assert record["Id"] == made["id"]
    assert record["Account"] is None
    assert record["OpportunityLineItems"] is None


@pytest.mark.parametrize(
    ("condition", "test"),
    [
        ("StageName = 'closed won'", lambda r: r["StageName"] == "Closed Won"),
        ("StageName != 'Closed Won'", lambda r: r["StageName"] != "Closed Won"),
        ("StageName LIKE 'Closed%'", lambda r: r["StageName"].startswith("Closed")),
        ("(NOT StageName LIKE 'Closed%')", lambda r: not r["StageName"].startswith("Closed")),
        (
            "StageName IN ('Closed Won', 'Prospecting')",
            lambda r: r["StageName"] in ("Closed Won", "Prospecting"),
        ),
        ("StageName NOT IN ('Closed Won')", lambda r: r["StageName"] != "Closed Won"),
        ("Amount > 500000", lambda r: (r.get("Amount") or 0) > 500000),
        (
            "Amount <= 1000.50",
            lambda r: r.get("Amount") is not None and r["Amount"] <= Decimal("1000.50"),
        ),
        ("Amount = null", lambda r: r.get("Amount") is None),
        ("Po_Number__c != null", lambda r: r.get("Po_Number__c") is not None),
        (
            "IsWon = true AND (CurrencyIsoCode = 'SEK' OR CurrencyIsoCode = 'EUR')",
            lambda r: r["IsWon"] and r["CurrencyIsoCode"] in ("SEK", "EUR"),
        ),
        ("CloseDate = THIS_MONTH", lambda r: r["CloseDate"][:7] == "2026-11"),
        ("CloseDate = LAST_MONTH", lambda r: r["CloseDate"][:7] == "2026-10"),
        ("CloseDate > TODAY", lambda r: r["CloseDate"] > "2026-11-25"),
        ("CloseDate = LAST_N_DAYS:10", lambda r: "2026-11-15" <= r["CloseDate"] <= "2026-11-25"),
        ("CloseDate = NEXT_N_DAYS:10", lambda r: "2026-11-26" <= r["CloseDate"] <= "2026-12-05"),
        ("CloseDate < 2026-10-01", lambda r: r["CloseDate"] < "2026-10-01"),
        ("CloseDate = LAST_YEAR", lambda r: r["CloseDate"].startswith("2025")),
        ("CALENDAR_MONTH(CloseDate) = 9", lambda r: r["CloseDate"][5:7] == "09"),
        ("DAY_ONLY(SystemModstamp) >= 2026-11-01", lambda r: r["SystemModstamp"] >= "2026-11-01"),
        (
            "SystemModstamp > 2026-11-01T00:00:00+02:00",
            lambda r: r["SystemModstamp"] > "2026-10-31T22:00:00.000+0000",
        ),
    ],
)
def test_conditions_choose_the_rows_they_say(
    org: Client, rows: list[Any], condition: str, test: Any
) -> None:
    expected = {row["Id"] for row in rows if test(row)}
    found = org.query(f"SELECT Id FROM Opportunity WHERE {condition}")
    assert {record["Id"] for record in found} == expected
    assert 0 < len(expected) < len(rows) or condition == "CloseDate = LAST_YEAR"


def test_amounts_compare_over_currencies(org: Client, rows: list[Any]) -> None:
    found = org.query("SELECT Id FROM Opportunity WHERE Amount > EUR20000")
    rate = {
        row["IsoCode"]: row["ConversionRate"]
        for row in org.sim.org.tables["CurrencyType"].rows.values()
    }
    expected = {
        row["Id"]
        for row in rows
        if row.get("Amount") is not None
        and row["Amount"] / rate[row["CurrencyIsoCode"]] > Decimal(20000) / rate["EUR"]
    }
    assert {each["Id"] for each in found} == expected
    assert expected


def test_semi_and_anti_joins(org: Client) -> None:
    won = org.query(
        "SELECT Id FROM Account WHERE Id IN (SELECT AccountId FROM Opportunity WHERE IsWon = true)"
    )
    rest = org.query(
        "SELECT Id FROM Account WHERE Id NOT IN "
        "(SELECT AccountId FROM Opportunity WHERE IsWon = true)"
    )
    assert won
    assert rest
    assert len(won) + len(rest) == len(org.sim.org.tables["Account"])


def test_an_apostrophe_and_a_backslash_can_be_asked_for() -> None:
    client = Client()
    account = client.act("create_account", name="O'Brien \\ Söner")["id"]
    found = client.query("SELECT Id FROM Account WHERE Name = 'o\\'brien \\\\ söner'")
    assert [each["Id"] for each in found] == [account]


def test_orders_put_nulls_where_asked(org: Client) -> None:
    first = org.query("SELECT Amount FROM Opportunity ORDER BY Amount")
    last = org.query(
        "SELECT Amount, CurrencyIsoCode FROM Opportunity ORDER BY Amount DESC NULLS LAST"
    )
    assert first[0]["Amount"] is None
    assert last[-1]["Amount"] is None
    amounts = [corporate(org, each) for each in last if each["Amount"] is not None]
    assert amounts == sorted(amounts, reverse=True)


def test_aggregates_group_and_name_their_columns(org: Client, rows: list[Any]) -> None:
    found = org.query(
        "SELECT StageName, COUNT(Id) n, SUM(Amount), MAX(CloseDate) last FROM Opportunity "
        "GROUP BY StageName HAVING COUNT(Id) > 5 ORDER BY COUNT(Id) DESC"
    )
    counts = [each["n"] for each in found]
    assert counts == sorted(counts, reverse=True)
    assert min(counts) > 5
    won = next(each for each in found if each["StageName"] == "Closed Won")
    ours = [row for row in rows if row["StageName"] == "Closed Won"]
    assert won["n"] == len(ours)
    worth = sum(corporate(org, row) for row in ours if row.get("Amount") is not None)
    assert won["expr0"] == Decimal(worth).quantize(CENT, ROUND_HALF_UP)
    assert won["last"] == max(row["CloseDate"] for row in ours)
    assert won["attributes"] == {"type": "AggregateResult"}


def test_count_answers_a_total_and_no_records(org: Client, rows: list[Any]) -> None:
    answer = org.json("GET", "/query?q=" + quote("select count() from Opportunity"))
    assert answer == {"totalSize": len(rows), "done": True, "records": []}
    [counted] = org.query("SELECT COUNT_DISTINCT(StageName) FROM Opportunity")
    assert counted["expr0"] == len({row["StageName"] for row in rows})


def test_months_can_be_grouped(org: Client, rows: list[Any]) -> None:
    found = org.query(
        "SELECT CALENDAR_YEAR(CloseDate) y, CALENDAR_MONTH(CloseDate) m, COUNT(Id) n "
        "FROM Opportunity GROUP BY CALENDAR_YEAR(CloseDate), CALENDAR_MONTH(CloseDate)"
    )
    assert sum(each["n"] for each in found) == len(rows)
    assert {(each["y"], each["m"]) for each in found} == {
        (int(row["CloseDate"][:4]), int(row["CloseDate"][5:7])) for row in rows
    }


def test_groups_of_fields_need_a_limit(org: Client) -> None:
    [record] = org.query("SELECT FIELDS(ALL) FROM Account LIMIT 1")
    assert "Erp_Id__c" in record
    assert record["BillingAddress"]["city"] == record["BillingCity"]
    error = org.refused("GET", "/query?q=" + quote("SELECT FIELDS(ALL) FROM Account"))
    assert error["errorCode"] == "MALFORMED_QUERY"
    [custom] = org.query("SELECT FIELDS(CUSTOM) FROM Account LIMIT 1")
    assert all(name.endswith("__c") for name in custom if name != "attributes")


def test_an_object_may_have_the_name_of_a_keyword() -> None:
    query = parse("SELECT Order.OrderNumber FROM OrderItem ORDER BY Order.OrderNumber LIMIT 5")
    assert query.limit == 5
    assert parse("SELECT Id FROM Order ORDER BY Id").source.names == ("Order",)
    assert parse("SELECT Id FROM Account WHERE Notes__c = null").where is not None


@pytest.mark.parametrize(
    ("statement", "code", "text"),
    [
        ("SELECT Foo FROM Account", "INVALID_FIELD", "No such column 'Foo' on entity 'Account'"),
        ("SELECT Foo.Name FROM Account", "INVALID_FIELD", "Didn't understand relationship 'Foo'"),
        ("SELECT Id, (SELECT Id FROM Foos) FROM Account", "INVALID_TYPE", "'Foos' in FROM part"),
        ("SELECT Id FROM Foo", "INVALID_TYPE", "sObject type 'Foo' is not supported"),
        ("SELECT Id FRM Account", "MALFORMED_QUERY", "unexpected token: 'Account'"),
        ("SELECT Id FROM Account WHERE", "MALFORMED_QUERY", "unexpected token: '<EOF>'"),
        ("SELECT Id FROM Account WHERE Name = 'x", "MALFORMED_QUERY", "unexpected token"),
        (
            "SELECT Id FROM Opportunity WHERE Amount = 'x'",
            "INVALID_FIELD",
            "must be of type double and should not be enclosed in quotes",
        ),
        (
            "SELECT Id FROM Opportunity WHERE SystemModstamp > '2026-01-01'",
            "INVALID_FIELD",
            "must be of type dateTime",
        ),
        ("SELECT Id FROM Account WHERE Name = 5", "INVALID_FIELD", "enclosed in quotes"),
        (
            "SELECT Id FROM Account WHERE Description = 'x'",
            "INVALID_FIELD",
            "can not be filtered",
        ),
        ("SELECT Id FROM Account WHERE Id = '12'", "INVALID_QUERY_FILTER_OPERATOR", "invalid ID"),
        ("SELECT Id FROM Account LIMIT 1 OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE", "2000"),
        ("SELECT Id, Name, id FROM Account", "INVALID_FIELD", "duplicate field selected: id"),
        ("SELECT Name, COUNT(Id) FROM Account", "MALFORMED_QUERY", "must be grouped"),
        ("SELECT Id FROM Account LIMIT -1", "MALFORMED_QUERY", "unexpected token: '-1'"),
        ("SELECT Id FROM Account LIMIT 1 OFFSET -1", "MALFORMED_QUERY", "unexpected token: '-1'"),
        ("SELECT Id FROM Account LIMIT 1.5", "MALFORMED_QUERY", "unexpected token"),
        (
            "SELECT Id FROM Opportunity WHERE CloseDate = LAST_N_DAYS:99999999999",
            "MALFORMED_QUERY",
            "unexpected token: 'LAST_N_DAYS:99999999999'",
        ),
        ("SELECT Id FROM Opportunity WHERE CloseDate = N_YEARS_AGO:3000", "MALFORMED_QUERY", ""),
        ("SELECT Id FROM Account WHERE BillingAddress = 'x'", "INVALID_FIELD", "not be filtered"),
        ("SELECT Id FROM Account ORDER BY BillingAddress", "INVALID_FIELD", "not be sorted"),
        (
            "SELECT BillingAddress FROM Account GROUP BY BillingAddress",
            "MALFORMED_QUERY",
            "field 'BillingAddress' can not be grouped",
        ),
        (
            "SELECT Amount, COUNT(Id) FROM Opportunity GROUP BY Amount",
            "MALFORMED_QUERY",
            "field 'Amount' can not be grouped",
        ),
        (
            "SELECT Name FROM Account GROUP BY Name HAVING COUNT(Id) > 'x'",
            "INVALID_FIELD",
            "wrong type",
        ),
        (
            "SELECT Name FROM Account GROUP BY Name HAVING COUNT(Id) > TODAY",
            "INVALID_FIELD",
            "wrong type",
        ),
        (
            "SELECT Id FROM Opportunity WHERE Probability LIKE '1%'",
            "INVALID_QUERY_FILTER_OPERATOR",
            "does not support filter operator like",
        ),
        ("SELECT Id FROM Account WHERE Name LIKE 5", "INVALID_FIELD", "enclosed in quotes"),
        (
            "SELECT Id FROM Account WHERE " + "NOT " * 3000 + "Name = 'x'",
            "QUERY_TOO_COMPLICATED",
            "too complicated",
        ),
        (
            "SELECT Account.Parent.Parent.Parent.Parent.Parent.Name FROM Opportunity",
            "MALFORMED_QUERY",
            "5 levels",
        ),
        (
            "SELECT Id FROM Opportunity WHERE convertCurrency(Amount) > 5",
            "MALFORMED_QUERY",
            "CONVERTCURRENCY is not allowed",
        ),
        (
            "SELECT Id FROM Opportunity ORDER BY convertCurrency(Amount)",
            "MALFORMED_QUERY",
            "CONVERTCURRENCY is not allowed",
        ),
        ("SELECT convertCurrency(Name) FROM Account", "INVALID_FIELD", "not supported on field"),
        (
            "SELECT Name FROM Opportunity GROUP BY Name HAVING MAX(Amount) > USD10000",
            "INVALID_FIELD",
            "wrong type",
        ),
        ("SELECT Name n FROM Account", "MALFORMED_QUERY", "only aggregate expressions use field"),
        (
            "SELECT COUNT(Id) FROM Account HAVING COUNT(Id) > 1",
            "MALFORMED_QUERY",
            "unexpected token: 'HAVING'",
        ),
        ("SELECT COUNT() FROM Account GROUP BY Name", "MALFORMED_QUERY", "COUNT()"),
        (
            "SELECT Id, (SELECT COUNT(Id) FROM Contacts) FROM Account",
            "MALFORMED_QUERY",
            "only root queries support aggregate expressions",
        ),
        (
            "SELECT Id FROM Account WHERE Name = 'x' OR Id IN (SELECT AccountId FROM Opportunity)",
            "MALFORMED_QUERY",
            "not allowed with the 'OR' operator",
        ),
        (
            "SELECT Id FROM Account WHERE Id IN (SELECT ParentId FROM Account)",
            "MALFORMED_QUERY",
            "should not be on the same object type",
        ),
        (
            "SELECT Id FROM Account WHERE Id IN (SELECT AccountId FROM Contact WHERE AccountId IN "
            "(SELECT AccountId FROM Opportunity))",
            "MALFORMED_QUERY",
            "Nesting of semi join",
        ),
        (
            "SELECT Id FROM Account WHERE Id IN (SELECT AccountId FROM Contact) AND Id IN "
            "(SELECT AccountId FROM Opportunity) AND Id NOT IN (SELECT AccountId FROM Order)",
            "MALFORMED_QUERY",
            "Maximum 2 semi join",
        ),
    ],
)
def test_refusals(org: Client, statement: str, code: str, text: str) -> None:
    error = org.refused("GET", "/query?q=" + quote(statement))
    assert error["errorCode"] == code
    assert text in error["message"]


def test_amounts_of_several_currencies_meet_in_the_corporate_one(
    org: Client, rows: list[Any]
) -> None:
    foreign = next(
        row for row in rows if row.get("Amount") and corporate(org, row) != row["Amount"]
    )
    found = org.query(
        f"SELECT Amount, convertCurrency(Amount) home FROM Opportunity WHERE Id = '{foreign['Id']}'"
    )
    assert [(each["Amount"], each["home"]) for each in found] == [
        (foreign["Amount"], corporate(org, foreign).quantize(CENT, ROUND_HALF_UP))
    ]
    [told] = org.query("SELECT SUM(Amount) s, MAX(Amount) m, COUNT(Amount) n FROM Opportunity")
    amounts = [corporate(org, row) for row in rows if row.get("Amount") is not None]
    assert len({row["CurrencyIsoCode"] for row in rows}) > 1
    assert told["s"] == sum(amounts).quantize(CENT, ROUND_HALF_UP)
    assert told["m"] == max(amounts).quantize(CENT, ROUND_HALF_UP)
    assert told["n"] == len(amounts)
    by_worth = [
        corporate(org, row)
        for row in org.query(
            "SELECT Amount, CurrencyIsoCode FROM Opportunity WHERE Amount != null ORDER BY Amount"
        )
    ]
    assert by_worth == sorted(by_worth)


def test_having_takes_patterns_and_lists_of_what_is_grouped(org: Client) -> None:
    def names(having: str) -> set[str]:
        grouped = f"SELECT StageName FROM Opportunity GROUP BY StageName HAVING {having}"
        return {each["StageName"] for each in org.query(grouped)}

    every = names("COUNT(Id) > 0")
    assert names("StageName LIKE 'Closed%'") == {"Closed Won", "Closed Lost"} < every
    assert names("StageName IN ('Closed Won', 'Nowhere')") == {"Closed Won"}
    assert names("StageName NOT IN ('Closed Won')") == every - {"Closed Won"}
    assert names("MAX(CloseDate) > 2000-01-01 AND MAX(IsWon) = false") == every - {"Closed Won"}


def test_like_takes_what_is_escaped_as_itself() -> None:
    client = Client()
    for name in ("50% off", "50 off", "a_b", "axb", "back\\slash"):
        client.act("create_account", name=name)

    def found(pattern: str) -> list[str]:
        statement = f"SELECT Name FROM Account WHERE Name LIKE '{pattern}' ORDER BY Name"
        return [each["Name"] for each in client.query(statement)]

    assert found(r"50\% %") == ["50% off"]
    assert found("50%") == ["50 off", "50% off"]
    assert found(r"a\_b") == ["a_b"]
    assert found("a_b") == ["a_b", "axb"]
    assert found(r"%\\%") == ["back\\slash"]


def test_a_refusal_points_at_the_place() -> None:
    with pytest.raises(SalesforceError) as caught:
        parse("SELECT Id\nFROM Account WHERE Name == 1")
    assert "ERROR at Row:2:Column:" in caught.value.message


def test_pages_follow_one_another_and_read_rows_as_they_stand() -> None:
    client = Client(size=150)
    statement = quote("SELECT Id, Name FROM Opportunity ORDER BY Id")
    wish = {"Sforce-Query-Options": "batchSize=200"}
    first = client.call("GET", f"/query?q={statement}", headers=wish).json()
    assert len(first["records"]) == 200
    assert first["done"] is False
    assert first["nextRecordsUrl"].endswith("-200")
    assert first["totalSize"] == len(client.sim.org.tables["Opportunity"])
    late = sorted(client.sim.org.tables["Opportunity"].rows)[250]
    client.act("edit_opportunity", id=late, fields={"Name": "Renamed meanwhile"})
    client.act("create_opportunity", name="Came later")
    second = client.json("GET", first["nextRecordsUrl"])
    assert second["done"] is True
    assert len(second["records"]) == first["totalSize"] - 200
    assert "Renamed meanwhile" in {each["Name"] for each in second["records"]}
    client.raw("POST", "/_sandbox/clock", body=b'{"advance_s": 172801}')
    client.token = client.sign_in()
    error = client.refused("GET", first["nextRecordsUrl"])
    assert error["errorCode"] == "INVALID_QUERY_LOCATOR"


def test_a_hidden_field_looks_like_one_that_is_not_there() -> None:
    client = Client()
    client.act("hide_field", object="Opportunity", field="Erp_Status__c")
    statement = quote("SELECT Erp_Status__c FROM Opportunity")
    error = client.refused("GET", f"/query?q={statement}")
    assert error["errorCode"] == "INVALID_FIELD"
    described = client.json("GET", "/sobjects/Opportunity/describe")
    assert "Erp_Status__c" not in {each["name"] for each in described["fields"]}
    client.act("hide_field", object="Opportunity", field="Erp_Status__c", hidden=False)
    assert client.query("SELECT Erp_Status__c FROM Opportunity") == []


def test_hundred_thousand_rows_are_polled_by_the_index() -> None:
    client = Client()
    org = client.sim.org
    stamps = [
        f"2026-{1 + n // 10000:02d}-01T{n // 3600 % 24:02d}:{n // 60 % 60:02d}:{n % 60:02d}"
        ".000+0000"
        for n in range(100_000)
    ]
    org.tables["Opportunity"].fill(
        {
            "Id": org.new_id("Opportunity"),
            "Name": f"Deal {number}",
            "IsDeleted": False,
            "CloseDate": "2026-01-01",
            "SystemModstamp": stamp,
        }
        for number, stamp in enumerate(stamps)
    )
    client.query("SELECT Id FROM Opportunity ORDER BY SystemModstamp, Id LIMIT 1")  # builds it
    statement = (
        "SELECT Id, Name, SystemModstamp FROM Opportunity WHERE SystemModstamp >= "
        "2026-10-01T00:00:00Z ORDER BY SystemModstamp, Id"
    )
    began = time.perf_counter()
    page = client.json("GET", "/query?q=" + quote(statement))
    took = time.perf_counter() - began
    assert page["totalSize"] == sum(stamp >= "2026-10-01" for stamp in stamps)
    assert len(page["records"]) == 2000
    assert took < 1.0, took
