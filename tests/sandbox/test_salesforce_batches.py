"""Many rows or calls at once: collections, composite, graph, tree, bulk."""

from __future__ import annotations

import csv
import io
from typing import Any
from urllib.parse import quote

import pytest
from salesforce_client import DATA, Client


@pytest.fixture
def org() -> Client:
    return Client()


def _account(**fields: Any) -> dict[str, Any]:
    return {"attributes": {"type": "Account"}, **fields}


def test_a_collection_answers_each_row_by_itself(org: Client) -> None:
    made = org.json(
        "POST",
        "/composite/sobjects",
        {"allOrNone": False, "records": [_account(Name="A"), _account(Phone="1")]},
    )
    assert made[0] == {"id": made[0]["id"], "success": True, "errors": []}
    assert made[1] == {
        "success": False,
        "errors": [
            {
                "statusCode": "REQUIRED_FIELD_MISSING",
                "message": "Required fields are missing: [Name]",
                "fields": ["Name"],
            }
        ],
    }
    changed = org.json(
        "PATCH",
        "/composite/sobjects",
        {"records": [_account(id=made[0]["id"], Phone="2"), _account(Phone="2")]},
    )
    assert [each["success"] for each in changed] == [True, False]
    read = org.json("GET", f"/composite/sobjects/Account?ids={made[0]['id']},x&fields=Phone")
    assert read[0]["Phone"] == "2"
    assert read[1] is None
    gone = org.json("DELETE", f"/composite/sobjects?ids={made[0]['id']},{made[0]['id']}")
    assert [each["success"] for each in gone] == [True, False]
    assert gone[1]["errors"][0]["statusCode"] == "ENTITY_IS_DELETED"


def test_all_or_none_takes_the_good_rows_back(org: Client) -> None:
    answer = org.json(
        "POST",
        "/composite/sobjects",
        {"allOrNone": True, "records": [_account(Name="A"), _account(Phone="1")]},
    )
    codes = [each["errors"][0]["statusCode"] for each in answer]
    assert codes == ["ALL_OR_NONE_OPERATION_ROLLED_BACK", "REQUIRED_FIELD_MISSING"]
    assert org.query("SELECT Id FROM Account", all_rows=True) == []


def test_a_collection_upserts_by_key_and_by_no_id(org: Client) -> None:
    path = "/composite/sobjects/Tieout_Invoice__c/External_Id__c"
    kind = {"attributes": {"type": "Tieout_Invoice__c"}}
    records = [
        {**kind, "External_Id__c": "qbo:1:invoice:1001", "Status__c": "paid"},
        {**kind, "External_Id__c": "qbo:1:invoice:1002", "Status__c": "Unheard of"},
    ]
    first = org.json("PATCH", path, {"allOrNone": False, "records": records})
    second = org.json("PATCH", path, {"allOrNone": False, "records": records})
    assert [first[0]["created"], second[0]["created"]] == [True, False]
    assert first[1] == {
        "success": False,
        "errors": [
            {
                "statusCode": "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
                "message": "Status: bad value for restricted picklist field: Unheard of",
                "fields": ["Status__c"],
            }
        ],
    }
    by_id = org.json(
        "PATCH", "/composite/sobjects/Account/Id", {"records": [_account(Name="New", Id=None)]}
    )
    assert by_id[0]["created"] is True


def test_a_key_twice_in_one_call_is_refused_for_both(org: Client) -> None:
    records = [
        _account(Name=name, Erp_Id__c=key)
        for name, key in (("A", "C-1"), ("B", "c-1"), ("C", "C-2"))
    ]
    answer = org.json("PATCH", "/composite/sobjects/Account/Erp_Id__c", {"records": records})
    assert [each["success"] for each in answer] == [False, False, True]
    assert answer[0]["errors"][0]["statusCode"] == "DUPLICATE_VALUE"


def test_a_collection_holds_two_hundred(org: Client) -> None:
    records = [_account(Name=f"A{number}") for number in range(201)]
    error = org.refused("POST", "/composite/sobjects", {"records": records})
    assert error["errorCode"] == "EXCEEDED_ID_LIMIT"
    made = org.json("POST", "/composite/sobjects", {"records": records[:200]})
    assert len({each["id"] for each in made}) == 200


def test_a_cut_batch_does_only_the_first_rows(org: Client) -> None:
    fault = b'{"kind": "batch_cut", "path": "/services/data/*", "items": 2}'
    org.raw("POST", "/_sandbox/faults", body=fault)
    records = [_account(Name=f"A{number}") for number in range(5)]
    assert len(org.json("POST", "/composite/sobjects", {"records": records})) == 2
    assert len(org.query("SELECT Id FROM Account")) == 2


def test_later_parts_name_what_earlier_ones_gave(org: Client) -> None:
    parts = [
        {
            "method": "POST",
            "url": f"{DATA}/sobjects/Account",
            "referenceId": "acc",
            "body": {"Name": "Composite"},
        },
        {
            "method": "POST",
            "url": f"{DATA}/sobjects/Contact",
            "referenceId": "con",
            "body": {"LastName": "Part", "AccountId": "@{acc.id}"},
        },
        {
            "method": "GET",
            "url": f"{DATA}/query?q="
            + quote("SELECT Name FROM Contact WHERE AccountId = '@{acc.id}'", safe="@{}"),
            "referenceId": "found",
        },
        {
            "method": "PATCH",
            "url": f"{DATA}/sobjects/Account/@{{acc.id}}",
            "referenceId": "named",
            "body": {"Site": "@{found.records[0].Name}"},
        },
    ]
    answer = org.json("POST", "/composite", {"allOrNone": True, "compositeRequest": parts})
    statuses = [each["httpStatusCode"] for each in answer["compositeResponse"]]
    assert statuses == [201, 201, 200, 204]
    made = answer["compositeResponse"][0]
    assert made["httpHeaders"]["Location"] == f"{DATA}/sobjects/Account/{made['body']['id']}"
    assert org.read("Account", made["body"]["id"])["Site"] == "Part"


@pytest.mark.parametrize("all_or_none", [True, False])
def test_a_failed_part_takes_the_others_with_it_only_if_asked(
    org: Client, all_or_none: bool
) -> None:
    parts = [
        {
            "method": "POST",
            "url": f"{DATA}/sobjects/Account",
            "referenceId": "a",
            "body": {"Name": "A"},
        },
        {"method": "POST", "url": f"{DATA}/sobjects/Account", "referenceId": "b", "body": {}},
        {
            "method": "POST",
            "url": f"{DATA}/sobjects/Account",
            "referenceId": "c",
            "body": {"Name": "C"},
        },
    ]
    answer = org.json("POST", "/composite", {"allOrNone": all_or_none, "compositeRequest": parts})
    responses = answer["compositeResponse"]
    names = [each["Name"] for each in org.query("SELECT Name FROM Account ORDER BY Name")]
    assert responses[1]["body"][0]["errorCode"] == "REQUIRED_FIELD_MISSING"
    if all_or_none:
        assert responses[0]["body"][0]["errorCode"] == "PROCESSING_HALTED"
        assert responses[2]["httpStatusCode"] == 400
        assert names == []
    else:
        assert [each["httpStatusCode"] for each in responses] == [201, 400, 201]
        assert names == ["A", "C"]


def test_a_reference_to_a_failed_part_halts(org: Client) -> None:
    parts = [
        {"method": "POST", "url": f"{DATA}/sobjects/Account", "referenceId": "a", "body": {}},
        {
            "method": "POST",
            "url": f"{DATA}/sobjects/Contact",
            "referenceId": "b",
            "body": {"LastName": "B", "AccountId": "@{a.id}"},
        },
    ]
    answer = org.json("POST", "/composite", {"compositeRequest": parts})
    assert answer["compositeResponse"][1]["body"][0]["errorCode"] == "PROCESSING_HALTED"
    assert "a.id" in answer["compositeResponse"][1]["body"][0]["message"]


def test_an_outer_all_or_none_wins_over_a_collection_inside(org: Client) -> None:
    inner = {"allOrNone": False, "records": [_account(Name="A"), _account(Phone="1")]}
    parts = [
        {
            "method": "POST",
            "url": f"{DATA}/composite/sobjects",
            "referenceId": "rows",
            "body": inner,
        }
    ]
    org.json("POST", "/composite", {"allOrNone": True, "compositeRequest": parts})
    assert org.query("SELECT Id FROM Account") == []


def test_a_composite_has_its_bounds(org: Client) -> None:
    part = {"method": "GET", "url": f"{DATA}/limits"}
    many = [{**part, "referenceId": f"r{number}"} for number in range(26)]
    assert org.refused("POST", "/composite", {"compositeRequest": many})["errorCode"]
    query = {"method": "GET", "url": f"{DATA}/query?q=SELECT+Id+FROM+Account"}
    queries = [{**query, "referenceId": f"r{number}"} for number in range(6)]
    assert org.refused("POST", "/composite", {"compositeRequest": queries})["errorCode"]
    one_call = org.json("GET", "/limits")["DailyApiRequests"]["Remaining"]
    org.json("POST", "/composite", {"compositeRequest": many[:25]})
    assert org.json("GET", "/limits")["DailyApiRequests"]["Remaining"] == one_call - 2


def test_each_graph_stands_or_falls_as_a_whole(org: Client) -> None:
    deal = org.deal({"product": "CONS", "quantity": 1})

    def graph(name: str, status: str) -> dict[str, Any]:
        return {
            "graphId": name,
            "compositeRequest": [
                {
                    "method": "PATCH",
                    "url": f"{DATA}/sobjects/Tieout_Invoice__c/External_Id__c/qbo%3A1%3A{name}",
                    "referenceId": "inv",
                    "body": {"Number__c": name, "Balance__c": 250},
                },
                {
                    "method": "PATCH",
                    "url": f"{DATA}/sobjects/Opportunity/{deal['id']}",
                    "referenceId": "opp",
                    "body": {"Erp_Status__c": status},
                },
            ],
        }

    graphs = [graph("good", "Invoiced"), graph("bad", "x" * 81)]
    answer = org.json("POST", "/composite/graph", {"graphs": graphs})
    good, bad = answer["graphs"]
    assert (good["isSuccessful"], bad["isSuccessful"]) == (True, False)
    parts = good["graphResponse"]["compositeResponse"]
    assert [part["httpStatusCode"] for part in parts] == [201, 204]
    assert parts[1] == {
        "body": None,
        "httpHeaders": {},
        "httpStatusCode": 204,
        "referenceId": "opp",
    }
    codes = [part["body"][0]["errorCode"] for part in bad["graphResponse"]["compositeResponse"]]
    assert codes == ["PROCESSING_HALTED", "STRING_TOO_LONG"]
    assert [row["Number__c"] for row in org.query("SELECT Number__c FROM Tieout_Invoice__c")] == [
        "good"
    ]


def test_after_many_failed_graphs_the_rest_is_not_tried(org: Client) -> None:
    part = {"method": "POST", "url": f"{DATA}/sobjects/Account", "referenceId": "a", "body": {}}
    graphs = [{"graphId": str(n), "compositeRequest": [part]} for n in range(16)]
    graphs[15] = {"graphId": "15", "compositeRequest": [{**part, "body": {"Name": "Good"}}]}
    answer = org.json("POST", "/composite/graph", {"graphs": graphs})
    last = answer["graphs"][-1]["graphResponse"]["compositeResponse"][0]
    assert last["body"][0]["errorCode"] == "PROCESSING_HALTED"
    assert org.query("SELECT Id FROM Account") == []


def test_a_batch_of_independent_calls(org: Client) -> None:
    parts = [
        {"method": "POST", "url": "v68.0/sobjects/Account", "richInput": {"Name": "Batch"}},
        {"method": "GET", "url": "v68.0/sobjects/Foo"},
        {"method": "GET", "url": "v68.0/limits"},
    ]
    answer = org.json("POST", "/composite/batch", {"batchRequests": parts})
    assert answer["hasErrors"] is True
    assert [each["statusCode"] for each in answer["results"]] == [201, 404, 200]
    halted = org.json("POST", "/composite/batch", {"batchRequests": parts, "haltOnError": True})
    assert halted["results"][2]["statusCode"] == 412


def test_a_tree_is_planted_or_not(org: Client) -> None:
    def tree(last: dict[str, Any]) -> dict[str, Any]:
        contacts = [{"attributes": {"type": "Contact", "referenceId": "c1"}, **last}]
        root = {"attributes": {"type": "Account", "referenceId": "a1"}, "Name": "Tree"}
        return {"records": [{**root, "Contacts": {"records": contacts}}]}

    bad = org.call("POST", "/composite/tree/Account", tree({"FirstName": "x"}))
    assert bad.status == 400
    assert bad.json()["results"][0]["referenceId"] == "c1"
    assert org.query("SELECT Id FROM Account", all_rows=True) == []
    good = org.call("POST", "/composite/tree/Account", tree({"LastName": "Leaf"}))
    assert good.status == 201
    assert [each["referenceId"] for each in good.json()["results"]] == ["a1", "c1"]
    [row] = org.query("SELECT Account.Name FROM Contact")
    assert row["Account"]["Name"] == "Tree"


# Bulk.


def _upload(org: Client, job: str, text: str) -> None:
    kind = {"Content-Type": "text/csv"}
    answer = org.call("PUT", f"/jobs/ingest/{job}/batches", text.encode(), headers=kind)
    assert answer.status == 201
    done = org.json("PATCH", f"/jobs/ingest/{job}", {"state": "UploadComplete"})
    assert done["state"] == "UploadComplete"


def _results(org: Client, job: str, which: str) -> list[dict[str, str]]:
    answer = org.call("GET", f"/jobs/ingest/{job}/{which}")
    assert answer.headers["Content-Type"] == "text/csv"
    return list(csv.DictReader(io.StringIO(answer.body.decode())))


def test_a_bulk_upsert_may_be_complete_and_hold_failed_rows(org: Client) -> None:
    org.create("Account", Name="Old", Erp_Id__c="C-1", Phone="1")
    job = org.json(
        "POST",
        "/jobs/ingest",
        {"object": "Account", "operation": "upsert", "externalIdFieldName": "Erp_Id__c"},
    )
    assert (job["state"], job["contentType"]) == ("Open", "CSV")
    assert job["contentUrl"].endswith(f"/jobs/ingest/{job['id']}/batches")
    rows = 'Erp_Id__c,Name,Phone\nC-1,Old,#N/A\nC-2,"New, AB",\nC-3,Bad,' + "1" * 41 + "\n"
    _upload(org, job["id"], rows)
    state = org.json("GET", f"/jobs/ingest/{job['id']}")
    assert state["state"] == "JobComplete"
    assert (state["numberRecordsProcessed"], state["numberRecordsFailed"]) == (3, 1)
    good = _results(org, job["id"], "successfulResults")
    assert [(each["sf__Created"], each["Erp_Id__c"]) for each in good] == [
        ("false", "C-1"),
        ("true", "C-2"),
    ]
    [bad] = _results(org, job["id"], "failedResults")
    assert bad["sf__Error"].startswith("STRING_TOO_LONG:")
    assert bad["sf__Error"].endswith(":Phone --")
    assert org.json("GET", "/sobjects/Account/Erp_Id__c/C-1")["Phone"] is None
    assert _results(org, job["id"], "unprocessedrecords") == []
    assert org.call("DELETE", f"/jobs/ingest/{job['id']}").status == 204
    assert org.call("GET", f"/jobs/ingest/{job['id']}").status == 404


def test_a_bulk_job_with_an_unknown_column_fails_as_a_whole(org: Client) -> None:
    job = org.json("POST", "/jobs/ingest", {"object": "Account", "operation": "insert"})["id"]
    _upload(org, job, "Name,Nonsense\nA,B\n")
    state = org.json("GET", f"/jobs/ingest/{job}")
    assert state["state"] == "Failed"
    assert "Nonsense" in state["errorMessage"]
    assert len(_results(org, job, "unprocessedrecords")) == 1


def test_bulk_deletes_and_polls(org: Client) -> None:
    ids = [org.create("Account", Name=f"A{number}") for number in range(3)]
    org.act("set_switch", name="bulk_polls", value=1)
    job = org.json("POST", "/jobs/ingest", {"object": "Account", "operation": "delete"})["id"]
    _upload(org, job, "Id\n" + "\n".join(ids[:2]) + "\n")
    assert org.json("GET", f"/jobs/ingest/{job}")["state"] == "InProgress"
    assert org.json("GET", f"/jobs/ingest/{job}")["state"] == "JobComplete"
    assert [each["Id"] for each in org.query("SELECT Id FROM Account")] == [ids[2]]


def test_a_bulk_query_is_read_by_locators() -> None:
    org = Client(size=40)
    statement = "SELECT Id, Name, Account.Name, Amount FROM Opportunity ORDER BY Id"
    job = org.json("POST", "/jobs/query", {"operation": "query", "query": statement})["id"]
    assert org.json("GET", f"/jobs/query/{job}")["state"] == "JobComplete"
    rows: list[dict[str, str]] = []
    locator = ""
    while locator != "null":
        answer = org.call("GET", f"/jobs/query/{job}/results?maxRecords=30&locator={locator}")
        page = list(csv.DictReader(io.StringIO(answer.body.decode())))
        assert answer.headers["Sforce-NumberOfRecords"] == str(len(page))
        rows += page
        locator = answer.headers["Sforce-Locator"]
    expected = org.query(statement)
    assert [row["Id"] for row in rows] == [each["Id"] for each in expected]
    assert [row["Account.Name"] for row in rows] == [each["Account"]["Name"] for each in expected]
    error = org.refused(
        "POST", "/jobs/query", {"operation": "query", "query": "SELECT COUNT(Id) FROM Account"}
    )
    assert error["errorCode"] == "API_ERROR"


_DATA = "/services/data/v68.0"
_NEW = {"method": "POST", "url": f"{_DATA}/sobjects/Account", "body": {"Name": "A"}}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/composite/graph", {"graphs": [5]}),
        ("/composite/graph", {"graphs": [{"graphId": "g", "compositeRequest": None}]}),
        ("/composite", {"compositeRequest": [{**_NEW, "referenceId": {"a": 1}, "body": 5}, 5]}),
        ("/composite", {"compositeRequest": [{**_NEW, "referenceId": "a", "httpHeaders": 5}]}),
        ("/composite/batch", {"batchRequests": [5]}),
        ("/composite/tree/Account", {"records": [None]}),
        ("/composite/tree/Account", {"records": [{"Name": "A", "Contacts": {"records": 5}}]}),
    ],
)
def test_parts_of_the_wrong_shape_are_refused(org: Client, path: str, body: Any) -> None:
    assert org.refused("POST", path, body)["errorCode"] == "JSON_PARSER_ERROR"
    assert org.query("SELECT Id FROM Account") == []


def test_a_part_of_a_batch_that_names_no_address_fails_alone(org: Client) -> None:
    body = {
        "batchRequests": [{"method": "GET", "url": 5}, {"method": "GET", "url": "v68.0/limits"}]
    }
    answer = org.json("POST", "/composite/batch", body)
    assert answer["hasErrors"] is True
    assert [each["statusCode"] for each in answer["results"]] == [404, 200]


def _job(org: Client, **more: str) -> str:
    asked = {"object": "Account", "operation": "insert", "contentType": "CSV", **more}
    return f"/jobs/ingest/{org.json('POST', '/jobs/ingest', asked)['id']}"


def _put(org: Client, job: str, body: bytes) -> Any:
    head = {"Content-Type": "text/csv", "Authorization": f"Bearer {org.token}"}
    return org.raw("PUT", f"{_DATA}{job}/batches", body=body, headers=head)


def test_a_bulk_upload_that_is_no_table_fails_as_a_job(org: Client) -> None:
    job = _job(org)
    assert _put(org, job, b"\xff\xfe").status == 400
    assert _put(org, job, b"Name\n" + b"x" * 200_000 + b"\n").status == 201
    org.json("PATCH", job, {"state": "UploadComplete"})
    told = [org.json("GET", job)["state"] for _ in range(5)]
    assert told[-1] == "Failed"
    assert "Failed to parse CSV" in org.json("GET", job)["errorMessage"]


def test_rows_left_over_are_read_by_the_jobs_own_delimiter(org: Client) -> None:
    job = _job(org, columnDelimiter="PIPE")
    assert _put(org, job, b"Name|Phone\nA, B|1\n").status == 201
    org.json("PATCH", job, {"state": "Aborted"})
    left = org.call("GET", f"{job}/unprocessedrecords/").body.decode()
    assert list(csv.reader(io.StringIO(left), delimiter="|"))[-1] == ["A, B", "1"]
