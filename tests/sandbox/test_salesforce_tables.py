"""Whatever is written and taken back, the indexes tell what the rows say."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from salesforce_client import Client

from tieout_sandbox.salesforce.tables import Table, key_of

KEYS = st.sampled_from(["a", "A", "b", "c", None])
STEPS = st.one_of(
    st.tuples(st.just("create"), KEYS, st.booleans()),
    st.tuples(st.just("update"), st.integers(0, 9), KEYS),
    st.tuples(st.just("delete"), st.integers(0, 9), st.none()),
    st.tuples(st.just("undelete"), st.integers(0, 9), st.none()),
    st.tuples(st.just("later"), st.integers(1, 90), st.none()),
    st.tuples(st.just("all or none"), st.lists(KEYS, min_size=1, max_size=4), st.none()),
)


def _consistent(table: Table) -> None:
    """Every index, rebuilt from the rows, is the one that was kept."""
    stamps = sorted((row["SystemModstamp"], record_id) for record_id, row in table.rows.items())
    assert table.ids_in_stamp_order() == [record_id for _, record_id in stamps]
    assert set(table.deleted) == {i for i, row in table.rows.items() if row.get("IsDeleted")}
    for name, found in table.kind.fields.items():
        if not table.is_indexed(name):
            continue
        values = {row.get(name) for row in table.rows.values()} - {None}
        for value in values:
            wanted = {
                record_id
                for record_id, row in table.rows.items()
                if row.get(name) is not None and key_of(found, row[name]) == key_of(found, value)
            }
            assert {row["Id"] for row in table.find(name, value)} == wanted


def _step(org: Client, step: tuple[Any, ...], made: list[str]) -> None:
    kind, first, second = step
    if kind == "later":
        org.time.advance(first)
    elif kind == "create":
        fields = {"Name": "A", "Erp_Id__c": first, "Phone": "x" * (50 if second else 5)}
        answer = org.call("POST", "/sobjects/Account", fields)
        if answer.status == 201:
            made.append(answer.json()["id"])
    elif kind == "all or none":
        rows = [{"attributes": {"type": "Account"}, "Name": "B", "Erp_Id__c": k} for k in first]
        answer = org.call("POST", "/composite/sobjects", {"allOrNone": True, "records": rows})
        outcomes = answer.json()
        assert len({each["success"] for each in outcomes}) == 1
        made += [each["id"] for each in outcomes if each["success"]]
    elif made:
        record_id = made[first % len(made)]
        if kind == "update":
            org.call("PATCH", f"/sobjects/Account/{record_id}", {"Erp_Id__c": second})
        elif kind == "delete":
            org.call("DELETE", f"/sobjects/Account/{record_id}")
        else:
            body = f'{{"id": "{record_id}"}}'.encode()
            org.raw("POST", "/_sandbox/actions/undelete", body=body)


_ORG = Client()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example(
    steps=[
        ("create", "a", False),
        ("delete", 0, None),
        ("create", "A", False),
        ("undelete", 0, None),
    ]
)
@given(steps=st.lists(STEPS, max_size=14))
def test_indexes_follow_the_rows(steps: list[tuple[Any, ...]]) -> None:
    _ORG.raw("POST", "/_sandbox/reset", body=b"{}")
    _ORG.token = _ORG.sign_in()
    made: list[str] = []
    for step in steps:
        _step(_ORG, step, made)
    table = _ORG.sim.org.tables["Account"]
    _consistent(table)
    assert set(table.rows) == set(made)
    live = [row["Erp_Id__c"] for row in table.live() if row.get("Erp_Id__c")]
    assert len({key.casefold() for key in live}) == len(live)
    assert not _ORG.sim.org.journal.changes
