"""The company that every test finds: what the plan says is there, and it can invoice."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from support.tryton_server import RunningTryton, TrytonPlant
from tieout_sandbox.tryton import acts
from tieout_sandbox.tryton.acts import Line
from tieout_sandbox.tryton.books import find_books
from tieout_sandbox.tryton.rpc import Row, TrytonError
from tieout_sandbox.tryton.setup import set_up
from tieout_sandbox.tryton.template import Template

pytestmark = pytest.mark.slow


def test_everything_of_the_plan_is_there(tryton_group: RunningTryton) -> None:
    plan, books = tryton_group.plan, tryton_group.books
    assert set(books.currencies) == {"SEK", "EUR", "NOK", "DKK", "USD", "GBP"}
    assert {code for code, _ in plan.countries} <= set(books.countries)
    assert {account.code for account in plan.accounts} <= set(books.accounts)
    assert [tax.name for tax in plan.taxes] == sorted(books.taxes, key=lambda n: books.taxes[n])
    assert {item.code for item in plan.items} == set(books.items)
    assert {person.login for person in plan.people} <= set(books.users)
    assert set(books.dimension_values) == {"100", "200", "P1", "P2"}
    assert {"Net 30 days", "Halva nu, halva om 30 dagar"} <= set(books.terms)
    assert len(books.periods) == 12 * len(plan.years)


def test_a_second_set_up_changes_nothing(tryton: RunningTryton) -> None:
    set_up(tryton.admin, tryton.plan)
    assert find_books(tryton.admin) == tryton.books
    rates = sum(len(currency.rates) for currency in tryton.plan.currencies)
    assert len(tryton.admin.search("currency.currency.rate", [], [])) == rates


def _totals(tryton: RunningTryton, item: str, **more: object) -> Row:
    """The posted figures of one item of 1,000.00 on an invoice of its own."""
    admin = tryton.admin
    customer = acts.make_customer(admin, "Nordhavn Kaffe AB")
    line = Line(item=tryton.books.items[item], price=Decimal("1000.00"))
    made = acts.make_invoice(admin, customer, [line], **more)
    acts.post(admin, made)
    return admin.read(acts.INVOICE, made, "state", "untaxed_amount", "tax_amount", "move")


@pytest.mark.parametrize(
    ("item", "tax"),
    [("SKR01", "250.00"), ("KAF01", "120.00"), ("BOK01", "60.00"), ("UTB01", "0.00")],
)
def test_each_item_carries_its_tax(tryton_group: RunningTryton, item: str, tax: str) -> None:
    seen = _totals(tryton_group, item)
    assert (seen["state"], seen["tax_amount"]) == ("posted", Decimal(tax))


@pytest.mark.parametrize("code", ["EUR", "NOK", "DKK", "USD", "GBP"])
def test_each_currency_has_a_rate_to_post_with(tryton_group: RunningTryton, code: str) -> None:
    currency = tryton_group.books.currencies[code]
    seen = _totals(tryton_group, "SKR01", currency=currency)
    lines = [["move", "=", seen["move"]], ["debit", ">", Decimal(0)]]
    names = ["debit", "amount_second_currency"]
    (receivable,) = tryton_group.admin.search("account.move.line", lines, names)
    plan = next(known for known in tryton_group.plan.currencies if known.code == code)
    rate = plan.rates[-1][1]
    assert receivable["amount_second_currency"] == Decimal("1250.00")
    assert abs(receivable["debit"] - Decimal("1250.00") / rate) <= Decimal("0.01")


def test_a_customer_in_another_country_is_charged_in_reverse(tryton_group: RunningTryton) -> None:
    admin, books = tryton_group.admin, tryton_group.books
    rule = books.tax_rules["Kund i annat EU-land"]
    customer = acts.make_customer(
        admin, "Hamburg Kontor GmbH", country=books.countries["DE"], customer_tax_rule=rule
    )
    made = acts.make_invoice(admin, customer, [Line(item=books.items["KON01"])])
    seen = admin.read(acts.INVOICE, made, "tax_amount", "lines.taxes", "taxes.legal_notice")
    assert seen["tax_amount"] == 0
    assert seen["lines."][0]["taxes"] == [books.taxes["Omvänd skattskyldighet EU"]]
    assert [row["legal_notice"] for row in seen["taxes."]] == ["Reverse charge"]


def test_a_term_with_instalments_gives_two_due_dates(tryton_group: RunningTryton) -> None:
    admin, books = tryton_group.admin, tryton_group.books
    seen = _totals(tryton_group, "KON01", payment_term=books.terms["Halva nu, halva om 30 dagar"])
    due = [["move", "=", seen["move"]], ["maturity_date", "!=", None]]
    found = admin.search("account.move.line", due, ["debit", "maturity_date"])
    assert [row["debit"] for row in found] == [Decimal("625.00"), Decimal("625.00")]
    assert (found[1]["maturity_date"] - found[0]["maturity_date"]).days == 30


def _dimension_codes(tryton: RunningTryton, invoice: int) -> list[str]:
    line = tryton.admin.read(acts.INVOICE, invoice, "lines")["lines"][0]
    seen = tryton.admin.read("account.invoice.line", line, "analytic_accounts.account.code")
    chosen = [row["account."] for row in seen["analytic_accounts."] if row["account."]]
    return sorted(account["code"] for account in chosen)


def test_a_line_may_carry_a_value_of_each_dimension(tryton_group: RunningTryton) -> None:
    admin, books = tryton_group.admin, tryton_group.books
    place, project = books.dimensions["Kostnadsställe"], books.dimensions["Projekt"]
    customer = acts.make_customer(admin, "Nordhavn Kaffe AB")
    chosen = ((place, books.dimension_values["200"]), (project, books.dimension_values["P1"]))
    item = books.items["KON01"]
    made = acts.make_invoice(admin, customer, [Line(item=item, dimensions=chosen)])
    plain = acts.make_invoice(admin, customer, [Line(item=item)])
    assert _dimension_codes(tryton_group, made) == ["200", "P1"]
    assert _dimension_codes(tryton_group, plain) == []
    for invoice in (made, plain):
        line = admin.read(acts.INVOICE, invoice, "lines")["lines"][0]
        acts.set_dimension(admin, invoice, line, project, books.dimension_values["P2"])
    acts.post(admin, made, plain)
    assert _dimension_codes(tryton_group, made) == ["200", "P2"]
    assert _dimension_codes(tryton_group, plain) == ["P2"]


def test_an_order_becomes_an_invoice(tryton_group: RunningTryton) -> None:
    admin, books = tryton_group.admin, tryton_group.books
    customer = acts.make_customer(admin, "Nordhavn Kaffe AB")
    address = admin.read("party.party", customer, "addresses")["addresses"][0]
    line = {
        "product": books.items["KON01"],
        "unit": books.units["Hour"],
        "quantity": Decimal("1.5"),
        "unit_price": Decimal("1250.00"),
        "taxes": [["add", [books.taxes["Moms 25 %"]]]],
    }
    head = {
        "party": customer,
        "currency": books.currencies["SEK"],
        "invoice_address": address,
        "shipment_address": address,
        "lines": [["create", [line]]],
    }
    sale = admin.create("sale.sale", head)
    for button in ("quote", "confirm", "process"):
        admin.call(f"model.sale.sale.{button}", [sale])
    (invoice,) = admin.read("sale.sale", sale, "invoices")["invoices"]
    assert admin.read(acts.INVOICE, invoice, "total_amount")["total_amount"] == Decimal("2343.75")


def test_the_people_have_the_rights_of_their_work(tryton_group: RunningTryton) -> None:
    books, name = tryton_group.books, {"name": "Moms 99 %"}
    customer = acts.make_customer(tryton_group.admin, "Nordhavn Kaffe AB")
    integration, guest = tryton_group.person("tieout"), tryton_group.person("gast")
    made = acts.make_invoice(integration, customer, [Line(item=books.items["KON01"])])
    acts.post(integration, made)
    with pytest.raises(TrytonError, match="You are not allowed to access"):
        integration.write("account.tax", books.taxes["Moms 25 %"], name)
    with pytest.raises(TrytonError, match="You are not allowed to access"):
        guest.create(acts.INVOICE, {"party": customer, "type": "out"})
    tryton_group.person("anna").write("account.tax", books.taxes["Moms 25 %"], {"end_date": None})


def test_a_wrong_password_is_no_session(tryton_group: RunningTryton) -> None:
    client = tryton_group.server.client(tryton_group.database)
    with pytest.raises(TrytonError) as refused:
        client.log_in("tieout", "guessed-wrong")
    assert (refused.value.kind, refused.value.status) == ("http", 401)
    with pytest.raises(TrytonError, match="401"):
        client.search("party.party", [], [])


def test_a_warning_is_asked_and_then_taken(tryton_group: RunningTryton) -> None:
    admin, books = tryton_group.admin, tryton_group.books
    customer = acts.make_customer(admin, "Nordhavn Kaffe AB")
    future = date(max(tryton_group.plan.years), 12, 31)
    made = acts.make_invoice(
        admin, customer, [Line(item=books.items["KON01"])], payment_term_date=date(2025, 1, 15)
    )
    with pytest.raises(TrytonError, match="generates a payment date") as asked:
        admin.call("model.account.invoice.post", [made])
    assert asked.value.kind == "UserWarning"
    assert asked.value.name.endswith("invoice_payment_term")
    acts.post(admin, made)
    seen = admin.read(acts.INVOICE, made, "state", "invoice_date")
    assert seen["state"] == "posted"
    assert seen["invoice_date"] < future


# -- the template -----------------------------------------------------------------------------


def test_another_plan_is_another_template(tryton_plant: TrytonPlant) -> None:
    first = Template(venv=tryton_plant.venv, postgres=tryton_plant.postgres, plan=tryton_plant.plan)
    other = replace(first, plan=replace(tryton_plant.plan, tax_rounding="line"))
    assert first.key() == replace(first).key()
    assert first.key() != other.key()
    assert tryton_plant.template == f"tryton_{first.key()}"


def test_of_four_who_ask_at_once_one_builds(
    tryton_plant: TrytonPlant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Template(
        venv=tryton_plant.venv,
        postgres=tryton_plant.postgres,
        plan=replace(tryton_plant.plan, company=f"Bygge {tmp_path.name} AB"),
    )
    built: list[int] = []

    def build(self: Template, name: str, folder: Path, cache: Path) -> None:
        built.append(threading.get_ident())
        self.postgres.copy(tryton_plant.template, name)

    monkeypatch.setattr(Template, "_build_company", build)
    try:
        with ThreadPoolExecutor(4) as threads:
            names = set(threads.map(lambda _: other.ensure(tmp_path / "cache"), range(4)))
        assert names == {f"tryton_{other.key()}"}
        assert len(built) == 1
        assert names <= tryton_plant.postgres.databases()
        # From the dump alone, as another run's new PostgreSQL would.
        tryton_plant.postgres.drop(f"tryton_{other.key()}")
        assert other.ensure(tmp_path / "cache") in names
        assert len(built) == 1
    finally:
        tryton_plant.postgres.drop(f"tryton_{other.key()}")
