"""Invoices, credit notes, payments: lines, statuses, what may still be changed."""

from __future__ import annotations

from typing import Any

import pytest
from visma_net_support import D, VismaNet, line, wrap


@pytest.fixture
def net() -> VismaNet:
    return VismaNet().sign_in()


def note_body(customer: str, *lines: dict[str, Any], **head: Any) -> dict[str, Any]:
    applied = head.pop("applied", None)
    body = {
        **wrap(customerNumber=customer, hold=False, **head),
        "lines": list(lines) or [line()],
    }
    if applied is not None:
        body["applicationLines"] = applied
    return body


def applies(number: str, amount: Any) -> dict[str, Any]:
    return {
        "operation": "Insert",
        **wrap(documentType="Invoice", refNbr=number, amountPaid=amount),
    }


# Drafts.


def test_v2_creates_and_v1_reads(net: VismaNet) -> None:
    customer = net.customer()
    answer = net.good("POST", "/v2/customerinvoice", net.body(customer))
    number = answer.headers["Location"].rpartition("/")[2]
    assert "/v1/customerinvoice/" in answer.headers["Location"]
    assert net.call("GET", f"/v2/customerinvoice/{number}").status == 404
    net.assume("v2_location", "v2")
    answer = net.good("POST", "/v2/customerinvoice", net.body(customer))
    assert "/v2/customerinvoice/" in answer.headers["Location"]
    assert net.create("customerinvoice", net.body(customer))  # v1 still makes one


def test_the_example_of_a_draft(net: VismaNet) -> None:
    customer = net.customer(name="Fjord Logistikk AS")
    number = net.draft(
        customer,
        line(price="129.95", quantity=7, uom="TIME", discountPercent=D("12.5"),
             subaccount=[{"segmentId": 1, "segmentValue": "200"}]),
        hold=True,
        financialPeriod="202611",
        externalReference="tieout-9F3T6B2H",
        invoiceText="Opportunity 0064X",
    )  # fmt: skip
    found = net.invoice(number)
    assert (found["status"], found["hold"]) == ("Hold", True)
    assert found["customer"] == {"number": customer, "name": "Fjord Logistikk AS"}
    assert found["documentDueDate"] == "2026-12-25T00:00:00"
    assert found["externalReference"] == "tieout-9F3T6B2H"
    row = found["invoiceLines"][0]
    # Segments that are left out are filled.
    assert row["subaccount"]["subaccountNumber"] == "200-00"
    assert row["vatCode"]["id"] == "3"
    assert found["paymentReference"] == "1002450"


def test_post_period_goes_in_and_out_in_different_forms(net: VismaNet) -> None:
    number = net.draft(net.customer(), postPeriod="102026")
    assert net.invoice(number)["postPeriod"] == "202610"
    text = net.message("POST", "/v2/customerinvoice", net.body("10000", postPeriod="202610"))
    assert "FinPeriodID" in text


def test_lines_by_operation_and_number(net: VismaNet) -> None:
    number = net.draft(net.customer(), line(price=1), line(price=2), line(price=3))
    path = f"customerinvoice/{number}"

    def put(*lines: dict[str, Any]) -> list[tuple[int, Any]]:
        net.good("PUT", path, {"invoiceLines": list(lines)})
        rows = net.invoice(number)["invoiceLines"]
        return [(row["lineNumber"], row["amountInCurrency"]) for row in rows]

    assert put({"operation": "Delete", **wrap(lineNumber=2)}) == [(1, 1), (3, 3)]
    assert put(line(price=9)) == [(1, 1), (3, 3), (4, 9)]
    change = {"operation": "Update", **wrap(lineNumber=3, unitPriceInCurrency=5)}
    assert put(change) == [(1, 1), (3, 5), (4, 9)]
    # An Insert that names a line changes it, as the vendor's own example does.
    change = {"operation": "Insert", **wrap(lineNumber=1, quantity=2)}
    assert put(change) == [(1, 2), (3, 5), (4, 9)]
    text = net.message(
        "PUT", path, {"invoiceLines": [{"operation": "Delete", **wrap(lineNumber=2)}]}
    )
    assert "LineNbr '2' cannot be found in the system." in text
    everything = [{"operation": "Delete", **wrap(lineNumber=one)} for one in (1, 3, 4)]
    assert "no lines" in net.message("PUT", path, {"invoiceLines": everything})
    assert len(net.invoice(number)["invoiceLines"]) == 3


def test_references_that_are_not_there(net: VismaNet) -> None:
    customer = net.customer()
    segment = [{"segmentId": 1, "segmentValue": "999"}]
    inactive = [{"segmentId": 1, "segmentValue": "900"}]
    for body, sign in (
        (net.body("nobody"), "CustomerID 'nobody' cannot be found in the system."),
        (net.body(customer, line("X")), "InventoryID 'X' cannot be found in the system."),
        (net.body(customer, line("OLD")), "status NoSales"),
        (net.body(customer, line("PUMP")), "stock item"),
        (net.body(customer, line(uom="KG")), "UOM 'KG' cannot be found in the system."),
        (net.body(customer, line(subaccount=segment)), "SubID '999' cannot be found"),
        (net.body(customer, line(subaccount=inactive)), "'900' is inactive"),
        (net.body(customer, line(accountNumber="1")), "AccountID '1' cannot be found"),
        (net.body(customer, creditTermsId="99"), "TermsID '99' cannot be found"),
        (net.body(customer, locationId="X"), "CustomerLocationID 'X' cannot be found"),
        (net.body(customer, project="P9"), "ProjectID 'P9' cannot be found"),
        (net.body(customer, project="P2000"), "completed"),
        (net.body(customer, project="P1000"), "'Project Task' cannot be empty"),
        (net.body(customer, line(taskId="9"), project="P1000"), "TaskID '9' cannot be found"),
        (net.body(customer, line(None)), "needs a description and an account"),
        (net.body(customer, contact=1), "ContactID '1' cannot be found"),
        (net.body(customer, origInvoiceDate="2026-11-01"), "origInvoiceDate"),
        ({**wrap(customerNumber=customer), "invoiceLines": []}, "no lines"),
        ({"invoiceLines": [line()]}, "'Customer' cannot be empty"),
    ):
        assert sign in net.message("POST", "/v2/customerinvoice", body), sign
    net.assume("business_error_status", 500)
    net.message("POST", "/v2/customerinvoice", net.body("nobody"), status=500)
    net.assume("error_member", "Message")
    answer = net.call("POST", "/v2/customerinvoice", net.body("nobody"))
    assert answer.json()["Message"].startswith("VismaId: ")
    assert net.get("customerinvoice") == []


def test_texts_that_are_too_long(net: VismaNet) -> None:
    customer = net.customer()
    number = net.draft(
        customer, line(description="d" * 300), customerRefNumber="r" * 50, invoiceText="t" * 70,
        externalReference="e" * 100,
    )  # fmt: skip
    found = net.invoice(number)
    lengths = [len(found[name]) for name in ("customerRefNumber", "invoiceText")]
    assert lengths == [40, 60]
    assert len(found["externalReference"]) == 100
    assert len(found["invoiceLines"][0]["description"]) == 256
    net.assume("over_long", "reject")
    net.assume("external_reference_length", 30)
    for body in (
        net.body(customer, externalReference="e" * 31),
        net.body(customer, line(description="d" * 257)),
    ):
        assert "longer than" in net.message("POST", "/v2/customerinvoice", body)


def test_addresses_need_their_override(net: VismaNet) -> None:
    customer = net.customer()
    plain = wrap(addressLine1="Elsewhere 1", countryId="SE")
    number = net.draft(customer, billingAddress=plain)
    assert net.invoice(number)["invoiceAddress"]["country"]["id"] == "NO"
    net.good("PUT", f"customerinvoice/{number}",
             wrap(billingAddress={**plain, **wrap(overrideAddress=True)},
                  invoiceContact=wrap(overrideContact=True, email="a@b")))  # fmt: skip
    found = net.invoice(number)
    assert found["invoiceAddress"]["addressLine1"] == "Elsewhere 1"
    assert found["invoiceContact"]["email"] == "a@b"


def test_due_dates(net: VismaNet) -> None:
    customer = net.customer()
    assert net.invoice(net.draft(customer, creditTermsId="30EOM"))["documentDueDate"] == (
        "2026-12-30T00:00:00"
    )
    number = net.draft(customer, documentDueDate="2027-01-05")
    assert net.invoice(number)["documentDueDate"] == "2027-01-05T00:00:00"
    net.good("PUT", f"customerinvoice/{number}", wrap(note="n"))
    assert net.invoice(number)["documentDueDate"] == "2027-01-05T00:00:00"
    net.prefer("useOrigInvoiceDate", True)
    number = net.draft(customer, origInvoiceDate="2026-11-01")
    assert net.invoice(number)["documentDueDate"] == "2026-12-01T00:00:00"


# Statuses.


def test_hold_is_a_preference_when_it_is_not_sent(net: VismaNet) -> None:
    customer = net.customer()
    body = net.body(customer)
    body.pop("hold")
    assert net.invoice(net.create("/v2/customerinvoice", body))["status"] == "Hold"
    net.prefer("holdOnEntry", False)
    assert net.invoice(net.create("/v2/customerinvoice", body))["status"] == "Balanced"


def test_print_and_mail_come_before_release(net: VismaNet) -> None:
    net.prefer("printBeforeRelease", True)
    net.prefer("emailBeforeRelease", True)
    customer = net.customer()
    number = net.draft(customer)
    assert net.invoice(number)["status"] == "PendingPrint"
    assert "PendingPrint" in net.refused("release", document=number)
    net.act("print_document", document=number)
    assert net.invoice(number)["status"] == "PendingEmail"
    net.act("mail_document", document=number)
    assert net.act("release", document=number)["status"] == "Open"
    done = net.draft(customer, dontPrint=True, dontEmail=True)
    assert net.invoice(done)["status"] == "Balanced"


def test_the_credit_check(net: VismaNet) -> None:
    customer = net.customer()
    net.act("set_credit_limit", customer=customer, limit=200)
    net.booked(customer)
    number = net.draft(customer)
    assert net.invoice(number)["status"] == "CreditHold"
    net.act("approve_credit", document=number)
    assert net.act("release", document=number)["status"] == "Open"
    late = net.customer(creditVerification="DaysPastDue", creditDaysPastDue=5)
    net.booked(late, documentDate="2026-10-01")
    assert net.invoice(net.draft(late))["status"] == "CreditHold"


def test_a_released_document_stays(net: VismaNet) -> None:
    number = net.booked(net.customer())
    path = f"customerinvoice/{number}"
    assert "already released" in net.message("PUT", path, wrap(note="x"))
    assert "already released" in net.message("DELETE", path)
    assert "already released" in net.refused("release", document=number)


def test_people_edit_and_delete(net: VismaNet) -> None:
    number = net.draft(net.customer(), line(price=100))
    found = net.act(
        "edit_document",
        document=number,
        set={"invoiceText": "by hand"},
        lines=[{"lineNumber": 1, "unitPriceInCurrency": 80}],
    )
    assert (found["invoiceText"], found["detailTotal"]) == ("by hand", 80)
    net.act("hold_document", document=number, on=True)
    assert net.invoice(number)["status"] == "Hold"
    net.act("delete_document", document=number)
    assert net.call("GET", f"customerinvoice/{number}").status == 404


def test_a_total_below_nothing_is_not_released(net: VismaNet) -> None:
    number = net.draft(net.customer(), line(price=100, quantity=-1))
    assert "negative" in net.refused("release", document=number)
    zero = net.draft(net.customer(), line(price=0))
    assert net.act("release", document=zero)["status"] == "Closed"


def test_set_amount_by_hand(net: VismaNet) -> None:
    number = net.draft(net.customer(), line(price=100, manualAmountInCurrency=D("77.77")))
    row = net.invoice(number)["invoiceLines"][0]
    assert (row["amountInCurrency"], row["manualAmountInCurrency"]) == (D("77.77"), D("77.77"))
    number = net.draft("10000", line(price=100, discountAmountInCurrency=D("33.33")))
    row = net.invoice(number)["invoiceLines"][0]
    assert (row["amountInCurrency"], row["discountPercent"]) == (D("66.67"), D("33.33"))


def test_a_dunning_letter_is_done_when_it_answers(net: VismaNet) -> None:
    customer = net.customer()
    late = net.booked(customer, documentDate="2026-10-01")
    early = net.booked(customer)
    answer = net.good("POST", f"customer/{customer}/action/createDunningLetter", {})
    assert answer.json()["actionResult"] == "Done"
    assert net.invoice(late)["dunningLetterLevel"] == 1
    assert net.invoice(late)["dunningLetterDate"] == "2026-11-25T00:00:00"
    assert net.invoice(early)["dunningLetterLevel"] == 0
    rows = net.find("customerinvoice", dunningLevel=1)
    assert [row["referenceNumber"] for row in rows] == [late]


# Credit notes.


def test_a_credit_note_meets_its_invoice_on_release(net: VismaNet) -> None:
    customer = net.customer()
    number = net.booked(customer)
    body = note_body(customer, line(price=40), applied=[applies(number, 50)])
    note = net.create("/v2/customerCreditNote", body)
    found = net.get(f"customerCreditNote/{note}")
    assert (found["documentType"], found["detailTotal"]) == ("CreditNote", 40)
    assert "invoiceLines" not in found
    assert found["applications"][0]["released"] is False
    assert net.invoice(number)["balance"] == 125
    net.good("POST", f"customerCreditNote/{note}/action/release")
    net.pass_time(seconds=3)
    assert net.get(f"customerCreditNote/{note}")["status"] == "Closed"
    invoice = net.invoice(number)
    assert (invoice["balance"], invoice["applications"][0]["docType"]) == (75, "CreditNote")
    net.assume("application_doc_type", "code")
    assert net.invoice(number)["applications"][0]["docType"] == "CRM"


def test_bad_allocations(net: VismaNet) -> None:
    customer = net.customer()
    number = net.booked(customer)
    for applied, sign in (
        (applies("000225", 1), "AdjdRefNbr '000225' cannot be found in the system."),
        (applies(number, 126), "exceeds the balance"),
        (applies(net.draft(customer), 1), "AdjdRefNbr"),
        (applies(net.booked(net.customer()), 1), "AdjdRefNbr"),
    ):
        body = note_body(customer, applied=[applied])
        assert sign in net.message("POST", "/v2/customerCreditNote", body)


def test_reverse_with_and_without_the_flag(net: VismaNet) -> None:
    number = net.booked(net.customer(), line(price=40), line("FOOD", 60))
    path = f"customerinvoice/{number}/action"
    answer = net.good("POST", f"{path}/reverse", {"returnCreditNote": True})
    note = answer.json()
    assert answer.headers["ETag"] == f'"{note["timeStamp"]}"'
    assert (note["status"], note["detailTotal"], note["vatTotal"]) == ("Balanced", 100, 19)
    answer = net.good("POST", f"{path}/reverse")
    assert answer.body == b""
    assert "/v1/customerCreditNote/" in answer.headers["Location"]
    net.assume("reverse_without_flag", "empty")
    assert "Location" not in net.good("POST", f"{path}/reverse").headers
    applied = net.good("POST", f"{path}/reverseandapplytonote", {"returnCreditNote": True}).json()
    assert applied["applications"][0]["refNbr"] == number
    net.act("release", document=applied["referenceNumber"], type="CreditNote")
    assert net.invoice(number)["status"] == "Closed"
    draft = net.draft("10000")
    assert "not released" in net.message("POST", f"customerinvoice/{draft}/action/reverse", {})


def test_correct_makes_another_draft(net: VismaNet) -> None:
    number = net.booked(net.customer())
    answer = net.good("POST", f"customerinvoice/{number}/action/correct")
    made = net.invoice(answer.headers["Location"].rpartition("/")[2])
    assert (made["status"], made["detailTotal"]) == ("Hold", 100)
    assert answer.headers["ETag"] == f'"{made["timeStamp"]}"'
    assert net.get("customerCreditNote") == []
    net.assume("correct_effect", "credit_and_copy")
    net.good("POST", f"customerinvoice/{number}/action/correct")
    assert len(net.get("customerCreditNote")) == 1


# Payments by the API.


def test_a_payment_by_the_api(net: VismaNet) -> None:
    customer = net.customer()
    number = net.booked(customer)
    rows = [
        {
            "operation": "Insert",
            **wrap(documentType="Invoice", refNbr=number, amountPaid=100, cashDiscountTaken=25),
        }
    ]
    head = wrap(type="Payment", customer=customer, paymentAmount=120, hold=False, paymentRef="r")
    ref = net.create("customerPayment", {**head, "paymentLines": rows})
    draft = net.get(f"customerPayment/{ref}")
    assert (draft["status"], draft["appliedToDocuments"]) == ("Balanced", 100)
    net.good("PUT", f"customerPayment/{ref}", wrap(paymentRef="s"))
    action = f"customerPayment/{ref}/action/release"
    assert net.call("POST", action, {"type": "Payment"}).status == 400  # it is wrapped here
    net.good("POST", action, wrap(type="Payment"))
    found = net.get(f"customerPayment/{ref}")
    assert (found["status"], found["availableBalance"], found["paymentRef"]) == ("Open", 20, "s")
    assert net.invoice(number)["status"] == "Closed"
    assert net.balance() == -20 == net.open_items()
    text = net.message("PUT", f"customerPayment/{ref}", wrap(paymentRef="t"))
    assert "Payment can't be updated because it is already released." in text
    rows[0]["documentType"] = {"value": "Credit Memo"}
    assert net.call("POST", "customerPayment", {**head, "paymentLines": rows}).status == 400
    account = net.create("customerPayment", head)  # no lines: on account
    assert net.get(f"customerPayment/{account}")["paymentLines"] == []
    assert net.call("POST", f"customerPayment/{ref}/action/void", {}).status == 400
    for query in ({"paymentNbr": ref}, {"invoiceRefNbr": number}, {"status": "Open"}):
        assert [one["refNbr"] for one in net.find("customerPayment", **query)] == [ref]


def test_files_on_documents(net: VismaNet) -> None:
    number = net.draft(net.customer())

    def post(name: str, path: str = f"customerinvoice/{number}/attachment") -> Any:
        disposition = f'Content-Disposition: form-data; name="file"; filename="{name}"'
        raw = f"--b\r\n{disposition}\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b--\r\n".encode()
        return net.call("POST", path, raw, **{"Content-Type": "multipart/form-data; boundary=b"})

    where = post("a.txt").headers["Location"].rpartition("/")[2]
    assert post("a.txt").headers["Location"].endswith(where)  # a new revision
    assert net.invoice(number)["attachments"] == [{"name": "a.txt", "id": where, "revision": 2}]
    assert post("a").status == 400
    assert post("b.txt", f"customerinvoice/{number}/1/attachment").status == 201
    assert net.invoice(number)["invoiceLines"][0]["attachments"][0]["name"] == "b.txt"
    assert net.good("GET", f"attachment/{where}").body == b"hello"
    assert net.call("PUT", f"attachment/{where}", wrap(sendToAutoInvoice=True)).status == 204
    assert net.good("GET", f"customerinvoice/{number}/print").body.startswith(b"%PDF")
