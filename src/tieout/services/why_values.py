"""Values of a record with what each was made of: its fields, the rule, and the rule's version."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tieout.core.compose import line_scope
from tieout.core.errors import ConfigurationError
from tieout.core.mapping.errors import MappingError
from tieout.core.mapping.explain import explain
from tieout.core.model import Address, Customer, Deal, Document, Line, LineKind, Record
from tieout.core.policy import FieldRule
from tieout.core.scope import customer_scope, deal_scope
from tieout.engine.context import Engine
from tieout.settings.bridge import Configuration
from tieout.settings.compile import field_rules
from tieout.settings.expressions import parse
from tieout.settings.problems import Place as TextPlace
from tieout.store import admin
from tieout.store.postgres import PostgresStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """
    One value of a record: what it is, what it was made of (path and what stood there), and the
    rule with its version. ``usual``: no rule names it, so it comes from its usual place.
    """

    name: str
    value: str
    source: str
    rule: str = ""
    usual: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The mapping's rules of a version of the configuration."""

    version: int
    customers: tuple[FieldRule, ...]
    heads: tuple[FieldRule, ...]
    lines: tuple[FieldRule, ...]


async def rules_of(engine: Engine, store: PostgresStore, version: int) -> Rules:
    """The rules that were in force when something was written; today's where they are not kept."""
    policy = engine.policy
    if version and version != policy.version:
        kept = await store.do(lambda tx: admin.config_version(tx, engine.bridge, version))
        try:
            if kept is not None:
                found = field_rules(Configuration.from_stored(kept.body, kept.tables))
                return Rules(version=version, customers=found[0], heads=found[1], lines=found[2])
        except ConfigurationError:
            # A version that this program does not understand any more.
            version = policy.version
    return Rules(
        version=version,
        customers=tuple(policy.customers.fields),
        heads=tuple(policy.documents.fields),
        lines=tuple(policy.documents.line_fields),
    )


# --- documents --------------------

_HEAD = (
    ("currency", "deal.currency"),
    ("your_reference", "contact.name"),
    ("our_reference", "deal.owner"),
    ("po_number", "deal.po_number"),
    ("buyer_reference", "deal.buyer_reference"),
    ("delivered_on", "deal.delivered_on"),
)
_LINE = ("item", "text", "quantity", "unit_price", "discount")


def document_values(
    rules: Rules, deal: Deal, buyer: Customer | None, wanted: Document, part: int = 0
) -> list[Value]:
    """The net with its lines, every field that a rule made, and then those in their usual place."""
    name = deal.number or deal.title
    values = [_net(deal, wanted, name, part)]
    scope = deal_scope(deal, buyer)
    for rule in rules.heads:
        told = _shown(wanted, rule)
        values.append(_value(f"document.{rule.target}", rule, scope, told, rules.version))
    lines = [line for line in deal.lines if line.kind is not LineKind.TEXT]
    sent = [line for line in wanted.lines if line.kind is not LineKind.TEXT]
    for rule in rules.lines:
        for line, made in zip(lines, sent, strict=False):
            seen = {**scope, "line": line_scope(line)}
            label = f"line {line.position}.{rule.target}"
            values.append(_value(label, rule, seen, _of_line(made, rule.target), rules.version))
    if not any(rule.target == "terms" for rule in rules.heads):
        found = next((r for r in rules.customers if r.target == "terms"), None)
        if found is not None:
            values.append(_value("customer.terms", found, scope, wanted.terms, rules.version))
    ruled = {rule.target for rule in rules.heads}
    for target, path in _HEAD:
        told = text_of(getattr(wanted, target))
        if target not in ruled and told:
            values.append(_usual(target, told, path, scope))
    ruled = {rule.target for rule in rules.lines}
    for line, made in zip(lines, sent, strict=False):
        values += _usual_of_line(line, made, ruled)
    return values


def _usual_of_line(line: Line, made: Line, ruled: set[str]) -> Iterator[Value]:
    scope = {"line": line_scope(line)}
    label = f"line {line.position}"
    for target in _LINE:
        told = _of_line(made, target)
        if target in ruled or not told or (target == "discount" and not made.discount):
            continue
        path = "line.item_name" if target == "text" and not line.text else f"line.{target}"
        yield _usual(f"{label}.{target}", told, path, scope)
    if made.tax_rate is not None:
        yield Value(
            name=f"{label}.tax",
            value=f"{made.tax_code} {made.tax_rate * 100:f} %".strip(),
            source="the item's tax class, the buyer, the day",
            usual=True,
        )
    if line.stated_net is not None:
        yield _usual(f"{label}.net", text_of(line.stated_net), "line.stated_net", scope)


def _of_line(made: Line, target: str) -> str:
    if target == "item":
        return made.item.number if made.item else ""
    return text_of(getattr(made, target, None))


def _net(deal: Deal, wanted: Document, name: str, part: int) -> Value:
    total = wanted.totals.net if wanted.totals else None
    parts = [
        f"{line.stated_net:,.2f}"
        for line in deal.lines
        if line.kind is not LineKind.TEXT and line.stated_net is not None
    ]
    source = f"lines of {name}"
    if 1 < len(parts) <= 6:
        source = f"{' + '.join(parts)}, lines of {name}"
    if part:
        source = f"step {part} of the billing plan of {name}"
    elif deal.discount:
        source += f", less {deal.discount:,.2f} discount"
    return Value(name="net", value="" if total is None else f"{total:,.2f}", source=source)


def _shown(wanted: Record, rule: FieldRule) -> str:
    target = rule.target
    if target in ("email", "phone"):
        roles = getattr(wanted, f"{target}s", {})
        return str(roles.get("invoice") or roles.get("general") or "")
    return text_of(getattr(wanted, target, None))


def _usual(name: str, told: str, path: str, scope: Mapping[str, Any]) -> Value:
    """A value without a rule: `quantity  2  line.quantity 2`."""
    root, _, field = path.partition(".")
    stood = (scope.get(root) or {}).get(field)
    source = f"{path} {_quoted(stood)}" if text_of(stood) else path
    return Value(name=name, value=told, source=source, usual=True)


# --- customers --------------------

_CUSTOMER = ("name", "identifiers", "terms")
_CUSTOMER_USUAL = (
    "contact_name",
    "addresses",
    "emails",
    "phones",
    "language",
    "currency",
    "tax_group",
    "price_list",
    "credit_limit",
)


def customer_values(rules: Rules, account: Customer, wanted: Customer) -> list[Value]:
    """Every field that a rule made, then the others from their usual place."""
    scope = customer_scope(account)
    seen = {"customer": scope, "account": scope}
    values = [
        _value(f"customer.{rule.target}", rule, seen, _shown(wanted, rule), rules.version)
        for rule in rules.customers
    ]
    ruled = {rule.target for rule in rules.customers}
    for name in (*_CUSTOMER, *_CUSTOMER_USUAL):
        told = text_of(getattr(wanted, name, None))
        if name not in ruled and told:
            usual = name in _CUSTOMER_USUAL
            values.append(Value(name=name, value=told, source=f"account.{name}", usual=usual))
    return values


# --- one value --------------------


def _value(
    name: str,
    rule: FieldRule,
    scope: Mapping[str, Any],
    told: str,
    version: int,
) -> Value:
    """A value with the fields that its rule looked at and what stood in them."""
    short = name.split(".", 1)[-1]
    label = f"{name}, v{version}" if version else name
    return Value(
        name=short if not name.startswith("line ") else name,
        value=told or _now(rule, scope),
        source=_inputs(rule, scope),
        rule=label + (f", {rule.kept_in}" if rule.kept_in else ""),
    )


def _now(rule: FieldRule, scope: Mapping[str, Any]) -> str:
    try:
        return text_of(rule.value(scope))
    except MappingError:
        return ""


class _Anywhere:
    """A text that is read again from a published version: its places are of no interest."""

    def place_at(self, offset: int) -> TextPlace:
        return TextPlace(file="", line=1, column=offset + 1)


def _inputs(rule: FieldRule, scope: Mapping[str, Any]) -> str:
    """`account.Payment_Terms__c "Net 30"`: the fields that were read; the text where none was."""
    expr = parse(rule.text, place=_Anywhere())
    if isinstance(expr, list):
        return rule.text
    told = explain(expr, scope)
    seen = [
        f"{one.path} {_quoted(one.value)}" if not one.missing else f"{one.path} (not there)"
        for one in told.inputs
    ]
    return ", ".join(seen) or rule.text


def _quoted(value: Any) -> str:
    return f'"{text_of(value)}"' if isinstance(value, str) else text_of(value) or "(empty)"


def text_of(value: Any) -> str:
    """A value as a person reads it."""
    match value:
        case None:
            return ""
        case Decimal():
            return f"{value:f}"
        case tuple() | list():
            return ", ".join(filter(None, (text_of(inner) for inner in value)))
        case Address():
            lines = (value.name, *value.lines, f"{value.postcode} {value.city}", value.country)
            return ", ".join(one.strip() for one in lines if one.strip())
        case Mapping():
            return ", ".join(f"{key} {text_of(inner)}" for key, inner in value.items())
    normal = getattr(value, "normal", None)
    if normal is not None:
        return str(normal or getattr(value, "raw", ""))
    return str(getattr(value, "value", value))
