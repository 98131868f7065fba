"""What Tryton's texts mean, as a server of series 8.0 wrote them."""

from __future__ import annotations

import pytest

from tieout.connectors.http.json import dumps
from tieout.connectors.tryton.errors import Kind, error_of, problem_of, result_of
from tieout.connectors.tryton.outcomes import Done, Sent, read_answer
from tieout.connectors.tryton.values import call_body
from tieout.core.change import AlreadyApplied, Deferred, Rejected, Stale, Unknown, Wire
from tieout.core.errors import ConnectionBrokenError, TransientError
from tieout.ports import HttpResponse

_TEXTS = [
    ("The Tieout key must be unique.", Kind.DUPLICATE_KEY, "already_there"),
    ("The code on party must be unique.", Kind.NUMBER_TAKEN, "number_taken"),
    ('To continue, you must reopen the period "2026-03" of company "Vinter Verkstad AB" for the '
     'date "03/10/2026".', Kind.REJECTED, "period_closed"),
    ('To continue, you must create a period for the date "03/10/2025" and company "Vinter '
     'Verkstad AB".', Kind.REJECTED, "period_closed"),
    ('You cannot add/modify/delete lines on closed journal-period "Revenue - 2026-11".',
     Kind.REJECTED, "period_closed"),
    ('To continue, you must reopen the fiscal year "2026" of company "V".',
     Kind.REJECTED, "period_closed"),
    ("A tax can be added only once to an invoice line.", Kind.REJECTED, "tax_unresolved"),
    ('The value "13" for field "Invoice" in "Account Invoice Line" does not exist.',
     Kind.REJECTED, "item_not_usable"),
    ('The value "Skridsko" for field "Product" in record "(4)" of "Sale Line" is not valid '
     "according to its domain.", Kind.REJECTED, "item_not_usable"),
    ('A value is required for field "Account" in "Account Invoice".',
     Kind.REJECTED, "value_not_accepted"),
    ('The number of digits in the value "\'1.5\'" for field "Quantity" in "Account Invoice Line" '
     'exceeds the limit of "(None, 0)".', Kind.REJECTED, "value_too_fine"),
    ('The European VAT Number "SE556188840499" for party "X" is not valid.',
     Kind.REJECTED, "number_wrong"),
    ('You can not call "post" on "F2026-00001 [PO-4711]" of "Account Invoice".',
     Kind.STALE, "wrong_state"),
    ('You cannot modify invoice "F2026-00001" because it is posted, paid or cancelled.',
     Kind.STALE, "wrong_state"),
    ('You cannot add lines to invoice "F1" because it is no longer in a draft state.',
     Kind.STALE, "wrong_state"),
    ('To number the invoice "(40)", you must set an invoice date after "11/01/2026" because the '
     'sequence "Invoice 2026" has already been used for invoice "F2026-00001".',
     Kind.REJECTED, "value_not_accepted"),
    ('No rate found for currency "USD" on "11/25/2026".', Kind.REJECTED, "currency_not_allowed"),
    ('The "Tax" value of the invoice "F2026-00009", SEK77.55, must equal the source value, '
     "SEK77.54.", Kind.REJECTED, "total_differs"),
    ('The records could not be deleted because they are used by field "Invoice Address" of '
     '"Account Invoice".', Kind.REJECTED, "has_dependencies"),
    ('You are not allowed to access "Account Tax".', Kind.BROKEN, "rights_missing"),
    ('You are trying to read records "99999" of "Party" that don\'t exist.',
     Kind.NOT_FOUND, "not_found"),
    ('You are not allowed to create records of "Account Invoice" because they fail on at least '
     "one of these rules:\nUser in companies", Kind.BROKEN, "rights_missing"),
    ('You are not allowed to modify the field "Source Total" of "Account Invoice".',
     Kind.REJECTED, "value_not_accepted"),
    ("Something that nobody has seen yet", Kind.REJECTED, "value_not_accepted"),
]  # fmt: skip


def answer(error: object) -> HttpResponse:
    return HttpResponse(status=200, headers={}, body=dumps({"id": 1, "error": error}))


@pytest.mark.parametrize(("text", "kind", "code"), _TEXTS)
def test_a_text_means(text: str, kind: Kind, code: str) -> None:
    problem = problem_of(answer(["UserError", [text, "", None]]))
    assert problem is not None
    assert (problem.kind, problem.code) == (kind, code)
    finding = problem.finding()
    assert finding.message.endswith(".")
    assert finding.values["tryton"] == text.strip()


def test_the_description_is_read_and_the_domain_is_dropped() -> None:
    domain = [[["type", "=", "write-off"]], {"type": {"string": "x" * 60_000}}]
    problem = problem_of(
        answer(["UserError", ['You are not allowed to access "Account Tax".',
                              "Within groups: Accounting", domain]])
    )  # fmt: skip
    assert problem is not None
    assert "Within groups: Accounting" in problem.told
    assert len(str(problem)) < 2000


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("8ae12d.invoice_date_future", "date_in_future"),
        ("8ae12d.invoice_taxes", "tax_unresolved"),
        ("8ae12d.invoice_payment_term", "value_not_accepted"),
        ("8ae12d.invoice_similar", "possible_duplicate"),
        ("8ae12d.what_else", "value_not_accepted"),
    ],
)
def test_a_question_is_a_finding_for_a_person(name: str, code: str) -> None:
    asked = 'The invoice "F2026-00005" generates a payment date "10/01/2026" in the past.'
    problem = problem_of(answer(["UserWarning", [name, asked, ""]]))
    assert problem is not None
    assert (problem.kind, problem.code) == (Kind.ASKS, code)
    assert problem.finding().values["warning"] == name


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, b"", Kind.SIGNED_OUT),
        (403, b"<html></html>", Kind.BROKEN),
        (404, b"<html></html>", Kind.BROKEN),
        (422, b"<title>Missing context argument</title>", Kind.REJECTED),
        (400, b"<h1>Unable to get RPC method</h1>", Kind.REJECTED),
        (400, b"bad gateway said so", Kind.UNKNOWN),
        (429, b"<html></html>", Kind.LATER),
        (500, b"<html></html>", Kind.UNKNOWN),
        (503, b"<html>could not serialize access due to concurrent update</html>", Kind.LATER),
        (503, b"<html>couldn't get a connection after 30.00 sec</html>", Kind.UNKNOWN),
        (504, b"", Kind.UNKNOWN),
        (200, b"<html>gateway</html>", Kind.UNKNOWN),
        (200, b'{"id":1', Kind.UNKNOWN),
        (200, b"[8, 1]", Kind.UNKNOWN),
        (200, b'{"id":1}', Kind.UNKNOWN),
    ],
)
def test_a_status_means(status: int, body: bytes, kind: Kind) -> None:
    problem = problem_of(HttpResponse(status=status, headers={}, body=body))
    assert problem is not None
    assert problem.kind is kind


def test_errors_that_are_no_text_of_a_user() -> None:
    stale = problem_of(answer(["ConcurrencyException", "Records were modified in the meanwhile"]))
    factor = problem_of(answer(["LoginException", ["code", "SMS code", "char"]]))
    ours = problem_of(answer(["'foo'", ""]))
    assert stale is not None
    assert factor is not None
    assert ours is not None
    assert (stale.kind, factor.kind, ours.kind) == (Kind.STALE, Kind.BROKEN, Kind.REJECTED)
    assert isinstance(error_of(factor), ConnectionBrokenError)
    assert isinstance(error_of(ours), TransientError)


def test_a_result_has_its_values_made_into_ours() -> None:
    body = b'{"id":1,"result":[{"id":4,"amount":{"__class__":"Decimal","decimal":"0.10"}}]}'
    (row,) = result_of(HttpResponse(status=200, headers={}, body=body))
    assert str(row["amount"]) == "0.10"


# --- outcomes -------------------------------------------------------------------------------------


def wire(*keys: str, verb: str = "create") -> Wire:
    first: object = [{} for _ in keys] if verb == "create" else [31]
    body = call_body(f"model.account.invoice.{verb}", [first, {"company": 1}])
    return Wire(wire_key="w", method="POST", path="/b/rpc/", body=body, items=keys)


def outcomes(asked: Wire, response: HttpResponse) -> list[object]:
    read = read_answer(asked, Sent.of(asked.body), response)
    assert isinstance(read, list)
    return list(read)


def test_a_list_of_which_one_is_refused_is_put_off_whole_and_at_once() -> None:
    refused = answer(["UserError", ["The Tieout key must be unique.", "", None]])
    found = outcomes(wire("a", "b"), refused)
    assert [type(outcome) for outcome in found] == [Deferred, Deferred]
    assert {outcome.retry_after_s for outcome in found if isinstance(outcome, Deferred)} == {0}
    assert [type(outcome) for outcome in outcomes(wire("a"), refused)] == [AlreadyApplied]


def test_a_code_that_is_taken_is_told_of_one_alone() -> None:
    (found,) = outcomes(
        wire("a"), answer(["UserError", ["The code on party must be unique.", "", None]])
    )
    assert isinstance(found, Rejected)
    assert found.number_taken


def test_too_few_ids_are_unknown() -> None:
    body = b'{"id":1,"result":[31]}'
    found = outcomes(wire("a", "b"), HttpResponse(status=200, headers={}, body=body))
    assert [type(outcome) for outcome in found] == [Unknown, Unknown]


def test_ids_come_in_the_order_that_was_sent() -> None:
    body = b'{"id":1,"result":[32,31]}'
    asked = wire("a", "b")
    read = read_answer(asked, Sent.of(asked.body), HttpResponse(status=200, headers={}, body=body))
    assert isinstance(read, Done)
    assert read.ids == (32, 31)


def test_what_is_gone_or_in_another_state_is_decided_anew() -> None:
    for text in ('You are trying to write to records "9" of "Party" that don\'t exist.',
                 'You can not call "post" on "F1" of "Account Invoice".'):  # fmt: skip
        (found,) = outcomes(wire("a", verb="post"), answer(["UserError", [text, "", None]]))
        assert isinstance(found, Stale)


def test_missing_rights_stop_everything() -> None:
    with pytest.raises(ConnectionBrokenError):
        outcomes(wire("a"), answer(["UserError", ['You are not allowed to access "X".', "", None]]))
