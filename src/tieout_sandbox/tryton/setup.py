"""Fills an empty Tryton database with a company that can invoice, as an administrator would."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from tieout_sandbox.tryton.plan import DimensionPlan, PersonPlan, Plan, TermPlan
from tieout_sandbox.tryton.rpc import Row, Tryton

MODULES = (
    "account_invoice",
    "account_tax_rule_country",
    "analytic_invoice",
    "sale",
    "tieout",
)
_CHART = "account.account_template_root_en"


def set_up(admin: Tryton, plan: Plan) -> None:
    """
    Make all that `plan` says. `admin` has logged in; the database holds nothing but the modules.

    What is there already under the same name or code is taken, so a second call changes nothing.
    """
    currencies = _make_currencies(admin, plan)
    countries = {
        code: _ensure(admin, "country.country", {"code": code}, {"name": name})
        for code, name in plan.countries
    }
    admin.company = _make_company(admin, plan, currencies, countries)
    accounts = _make_chart(admin, plan)
    journal = _ensure(
        admin, "account.journal", {"code": "ROU"}, {"name": "Rounding", "type": "write-off"}
    )
    _configure(admin, plan, accounts)
    for year in plan.years:
        _make_year(admin, year)
    taxes = _make_taxes(admin, plan, accounts)
    _make_items(admin, plan, accounts, taxes)
    _make_ways_to_settle(admin, plan, accounts, journal)
    for term in plan.terms:
        _make_term(admin, term)
    for dimension in plan.dimensions:
        _make_dimension(admin, dimension)
    for person in plan.people:
        _make_person(admin, person)


def _ensure(admin: Tryton, model: str, known_by: Row, values: Row) -> int:
    domain = [[name, "=", value] for name, value in known_by.items()]
    found = admin.search(model, domain, [], limit=1)
    return int(found[0]["id"]) if found else admin.create(model, {**known_by, **values})


def _of_company(admin: Tryton, **values: object) -> Row:
    return {**values, "company": admin.company}


def _make_currencies(admin: Tryton, plan: Plan) -> dict[str, int]:
    made = {}
    for currency in plan.currencies:
        values = {
            "name": currency.name,
            "numeric_code": currency.numeric_code,
            "symbol": currency.symbol,
            "digits": 2,
            "rounding": Decimal("0.01"),
        }
        made[currency.code] = _ensure(admin, "currency.currency", {"code": currency.code}, values)
        for day, rate in currency.rates:
            known_by = {"currency": made[currency.code], "date": day}
            _ensure(admin, "currency.currency.rate", known_by, {"rate": rate})
    return made


def _make_company(
    admin: Tryton, plan: Plan, currencies: dict[str, int], countries: dict[str, int]
) -> int:
    address = {"street": "Storgatan 1", "postal_code": "111 22", "city": "Stockholm"}
    values = {
        "identifiers": [["create", [{"type": "eu_vat", "code": plan.vat_number}]]],
        "addresses": [["create", [{**address, "country": countries[plan.country]}]]],
    }
    party = _ensure(admin, "party.party", {"name": plan.company}, values)
    company = _ensure(
        admin,
        "company.company",
        {"party": party},
        {"currency": currencies[plan.currency], "timezone": plan.timezone},
    )
    assert admin.user is not None
    admin.write("res.user", admin.user, {"companies": [["add", [company]]], "company": company})
    return company


def _make_chart(admin: Tryton, plan: Plan) -> dict[str, int]:
    if not admin.search("account.account", [["company", "=", admin.company]], [], limit=1):
        template = admin.call("model.ir.model.data.get_id", _CHART)
        account = _of_company(admin, account_template=template)
        admin.wizard(
            "account.create_chart", ("start", {}), ("create_account", {"account": account})
        )
    codes = _account_codes(admin)
    for extra in plan.accounts:
        if extra.code not in codes:
            like = admin.read("account.account", codes[extra.like], "type", "parent", "reconcile")
            values = {name: like[name] for name in ("type", "parent", "reconcile")}
            new = _of_company(admin, code=extra.code, name=extra.name, **values)
            codes[extra.code] = admin.create("account.account", new)
    return codes


def _account_codes(admin: Tryton) -> dict[str, int]:
    domain = [["company", "=", admin.company], ["code", "!=", None]]
    return {row["code"]: row["id"] for row in admin.search("account.account", domain, ["code"])}


def _configure(admin: Tryton, plan: Plan, accounts: dict[str, int]) -> None:
    exchange = admin.one("account.journal", [["code", "=", "EXC"]])["id"]
    values = {
        "default_account_receivable": accounts[plan.receivable],
        "default_account_payable": accounts[plan.payable],
        "default_category_account_revenue": accounts[plan.revenue],
        "default_category_account_expense": accounts[plan.expense],
        "currency_exchange_journal": exchange,
        "currency_exchange_credit_account": accounts[plan.exchange],
        "currency_exchange_debit_account": accounts[plan.exchange],
        "tax_rounding": plan.tax_rounding,
    }
    admin.write("account.configuration", 1, values)


def _make_year(admin: Tryton, year: int) -> None:
    known = [["company", "=", admin.company], ["name", "=", str(year)]]
    if admin.search("account.fiscalyear", known, [], limit=1):
        return
    moves = _sequence(admin, "Account Move", f"Moves {year}", "")
    invoices = _sequence(admin, "Invoice", f"Invoices {year}", f"F{year}-")
    credits = _sequence(admin, "Invoice", f"Credit notes {year}", f"K{year}-")
    kinds = {
        "out_invoice_sequence": invoices,
        "in_invoice_sequence": invoices,
        "out_credit_note_sequence": credits,
        "in_credit_note_sequence": credits,
    }
    values = _of_company(
        admin,
        name=str(year),
        start_date=date(year, 1, 1),
        end_date=date(year, 12, 31),
        move_sequence=moves,
        invoice_sequences=[["create", [_of_company(admin, **kinds)]]],
    )
    made = admin.create("account.fiscalyear", values)
    admin.call("model.account.fiscalyear.create_period", [made])


def _sequence(admin: Tryton, kind: str, name: str, prefix: str) -> int:
    of_kind = admin.one("ir.sequence.type", [["name", "=", kind]])["id"]
    values = _of_company(admin, sequence_type=of_kind, prefix=prefix, padding=5)
    return _ensure(admin, "ir.sequence.strict", {"name": name}, values)


def _make_taxes(admin: Tryton, plan: Plan, accounts: dict[str, int]) -> dict[str, int]:
    group = _ensure(admin, "account.tax.group", {"code": "VAT"}, {"name": "VAT", "kind": "both"})
    made = {}
    for tax in plan.taxes:
        values = _of_company(
            admin,
            description=tax.name,
            group=group,
            type="percentage",
            rate=tax.rate,
            invoice_account=accounts[tax.account],
            credit_note_account=accounts[tax.account],
            legal_notice=tax.legal_notice or None,
        )
        made[tax.name] = _ensure(admin, "account.tax", {"name": tax.name}, values)
    for rule in plan.tax_rules:
        lines = [
            {"group": group, "origin_tax": made[origin], "tax": made[rule.tax]}
            for origin in rule.origins
        ]
        values = _of_company(admin, kind="sale", lines=[["create", lines]])
        _ensure(admin, "account.tax.rule", {"name": rule.name}, values)
    return made


def _make_items(admin: Tryton, plan: Plan, accounts: dict[str, int], taxes: dict[str, int]) -> None:
    categories = {}
    for category in plan.categories:
        values: Row = {
            "accounting": True,
            "account_revenue": accounts[category.revenue],
            "account_expense": accounts[plan.expense],
            "customer_taxes": [["add", [taxes[category.tax]]]],
        }
        made = _ensure(admin, "product.category", {"name": category.name}, values)
        categories[category.name] = made
    for item in plan.items:
        unit = admin.one("product.uom", [["name", "=", item.unit]])["id"]
        values = {
            "name": item.name,
            "type": "service",
            "default_uom": unit,
            "sale_uom": unit,
            "salable": True,
            "list_price": item.price,
            "account_category": categories[item.category],
            "products": [["create", [{"suffix_code": None}]]],
        }
        _ensure(admin, "product.template", {"code": item.code}, values)


def _make_ways_to_settle(
    admin: Tryton, plan: Plan, accounts: dict[str, int], rounding: int
) -> None:
    cash = admin.one("account.journal", [["code", "=", "CASH"]])["id"]
    bank = accounts[plan.bank]
    values = _of_company(admin, journal=cash, credit_account=bank, debit_account=bank)
    _ensure(admin, "account.invoice.payment.method", {"name": "Bank"}, values)
    lost = accounts[plan.rounding]
    values = _of_company(admin, journal=rounding, credit_account=lost, debit_account=lost)
    _ensure(admin, "account.move.reconcile.write_off", {"name": "Rounding"}, values)


def _make_term(admin: Tryton, term: TermPlan) -> None:
    lines = []
    *parts, last = term.instalments
    for percent, days in parts:
        ratio = percent / 100
        deltas = [["create", [{"days": days}]]]
        line = {"type": "percent", "ratio": ratio, "divisor": 1 / ratio, "relativedeltas": deltas}
        lines.append(line)
    lines.append({"type": "remainder", "relativedeltas": [["create", [{"days": last[1]}]]]})
    values = {"lines": [["create", lines]]}
    _ensure(admin, "account.invoice.payment_term", {"name": term.name}, values)


def _make_dimension(admin: Tryton, dimension: DimensionPlan) -> None:
    model = "analytic_account.account"
    root = _ensure(admin, model, {"name": dimension.name, "type": "root"}, _of_company(admin))
    for code, name in dimension.values:
        values = _of_company(admin, type="normal", root=root, parent=root, name=name)
        _ensure(admin, model, {"code": code}, values)


def _make_person(admin: Tryton, person: PersonPlan) -> None:
    groups = [admin.one("res.group", [["name", "=", name]])["id"] for name in person.groups]
    english = admin.one("ir.lang", [["code", "=", "en"]])["id"]
    values = {
        "name": person.name,
        "password": person.password,
        "language": english,
        "groups": [["add", groups]],
        "companies": [["add", [admin.company]]],
        "company": admin.company,
    }
    _ensure(admin, "res.user", {"login": person.login}, values)
