"""What to do about one customer: match it, make it, keep its fields in step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tieout.core.case import (
    OPEN,
    WAITING,
    Candidate,
    CustomerCase,
    Decision,
    OpState,
    SlotState,
    Verdict,
)
from tieout.core.change import Action, Change, Wanted
from tieout.core.compare import Verdict as Moved
from tieout.core.compare import appended, compare
from tieout.core.conflict import chosen, conflict_findings, field_content
from tieout.core.digest import digest
from tieout.core.finding import Finding
from tieout.core.keys import operation_key
from tieout.core.mapped import mapped_value
from tieout.core.mapping.fields import Mode, Owner
from tieout.core.model import Address, Customer, Entity, ExternalRef
from tieout.core.numbers import wrong_numbers
from tieout.core.policy import CustomerPolicy, FieldRule, FlowMode
from tieout.core.safeguards import ALL_ON, Safeguards
from tieout.core.scope import customer_scope

# Fields of ours that a customer in the books has, with who owns them when nothing is configured.
FIELDS: Mapping[str, Owner] = {
    "name": Owner.CRM,
    "kind": Owner.CRM,
    "identifiers": Owner.CRM,
    "addresses": Owner.CRM,
    "emails": Owner.CRM,
    "phones": Owner.CRM,
    "contact_name": Owner.CRM,
    "language": Owner.CRM,
    "currency": Owner.BOOKS,
    "terms": Owner.BOOKS,
}


def wanted_customer(
    source: Customer, policy: CustomerPolicy, currency: str = ""
) -> tuple[Customer, tuple[Finding, ...]]:
    """
    The customer that the books should hold, and what does not resolve on the way.

    ``currency`` is that of the deal that needs it, used where the CRM states none.
    """
    findings: list[Finding] = []
    scope = {"customer": customer_scope(source), "account": customer_scope(source)}
    values: dict[str, Any] = {
        name: getattr(source, name) for name in FIELDS if name not in ("terms", "currency")
    }
    values["currency"] = source.currency or currency
    values["terms"] = source.terms
    for rule in policy.fields:
        value = mapped_value(rule, scope, source.name, findings)
        if value is not None:
            _set(values, rule.target, value)
    findings.extend(wrong_numbers(source))
    return Customer(**values), tuple(findings)


def _set(values: dict[str, Any], target: str, value: object) -> None:
    """``email`` and ``phone`` are roles of their mappings; the rest are fields."""
    if target == "email":
        values["emails"] = {**values["emails"], "invoice": str(value)}
    elif target == "phone":
        values["phones"] = {**values["phones"], "general": str(value)}
    elif target in values:
        values[target] = value


def decide_customer(
    case: CustomerCase,
    policy: CustomerPolicy,
    lane: str,
    *,
    needed: bool,
    currency: str = "",
    rules: Safeguards = ALL_ON,
) -> Decision:
    """
    What this customer needs now. ``needed``: a deal waits for it, or a rule wants it.

    A create is decided only when nothing in the books could be this customer; more than one that
    could be, or one found only by name, goes to a person.
    """
    operation = case.state.operation
    if operation is not None and operation.state in OPEN and rules.one_open_operation:
        return _decision(case, lane, Verdict.WAIT, "on_its_way")
    wanted, findings = wanted_customer(case.source, policy, currency)
    if case.state.current is not None:
        return _in_step(case, policy, lane, wanted, findings)
    # A create that waits was wanted by a deal; it is kept in step until that deal says otherwise.
    # What a person named is taken over whether a deal needs it or not.
    if not needed and operation is None and case.chosen is None:
        return _decision(case, lane, Verdict.SKIP, "not_needed")
    found = match(case, policy)
    if isinstance(found, Finding):
        return _decision(
            case, lane, Verdict.HOLD, found.code, found.message, findings=(found, *findings)
        )
    if isinstance(found, Candidate):
        return _decision(
            case,
            lane,
            Verdict.AGREED,
            "matched",
            f"Customer {found.customer.number} by {found.by.replace('_', ' ')}.",
            agreed=(wanted, found.customer),
            adopt=found.customer.ref,
            adopted_record=found.customer,
        )
    stops = (*findings, *_address(wanted))
    if stops:
        return _decision(case, lane, Verdict.HOLD, stops[0].code, stops[0].message, findings=stops)
    change = Change(
        key=operation_key(case.state.slot, case.state.generation),
        entity=Entity.CUSTOMER,
        action=Action.CREATE,
        wanted=Wanted(record=wanted, fields=frozenset(FIELDS)),
    )
    return _write(case, policy, lane, change, "create", wanted)


def _address(wanted: Customer) -> tuple[Finding, ...]:
    address: Address | None = wanted.address("billing")
    absent = [
        word
        for word, value in (
            ("post code", address.postcode if address else ""),
            ("city", address.city if address else ""),
            ("country", address.country if address else ""),
        )
        if not value
    ]
    if not absent:
        return ()
    return (
        Finding(
            code="address_incomplete",
            message=f"{wanted.name} has no {', no '.join(absent)} in its billing address.",
            hint="Complete the billing address on the account.",
            hold_on="customer",
        ),
    )


# --- matching --------------------


def match(case: CustomerCase, policy: CustomerPolicy) -> Candidate | Finding | None:
    """
    The one customer in the books that this is, a finding where a person must say, or None.

    Keys in the order of trust. One hit by our own key or by a number with the same post code (or
    e-invoice address) is it; several, or one by its name, are for a person, whose answer is kept.
    """
    if case.make_new:
        return None
    if case.chosen is not None:
        return _chosen(case, case.chosen)
    for key in policy.match:
        hits = [candidate for candidate in case.candidates if candidate.by == key]
        free = [hit for hit in hits if not hit.linked_to]
        if not hits:
            continue
        if len(hits) == 1 and free and _sure(case.source, hits[0], key):
            return hits[0]
        narrowed = [hit for hit in free if _same_place(case.source, hit.customer)]
        if key == "tax_number" and len(narrowed) == 1:
            return narrowed[0]
        return _ask(case, hits, key)
    return None


def _chosen(case: CustomerCase, ref: ExternalRef) -> Candidate | Finding:
    """What a person named is it; where it cannot be seen, nothing is made in its stead."""
    for candidate in case.candidates:
        if candidate.customer.ref == ref:
            return candidate if not candidate.linked_to else _ask(case, [candidate], "person")
    return Finding(
        code="customer_maybe_known",
        message=f"{case.source.name} was said to be customer {ref.id}, which is not found.",
        hint="Pick another: tieout exceptions show.",
        hold_on="customer",
        values={"candidates": ref.id},
    )


def _sure(source: Customer, hit: Candidate, key: str) -> bool:
    """
    Whether one hit needs no person: our own key; a number, unless both sides name different post
    codes; a name never, unless nobody has a number and the whole address is the same.
    """
    if key == "external_id":
        return True
    if key == "tax_number":
        mine, theirs = source.address("billing"), hit.customer.address("billing")
        if mine and theirs and mine.postcode and theirs.postcode:
            return _same_place(source, hit.customer)
        return True
    return (
        not _numbered(source) and not _numbered(hit.customer) and _same_door(source, hit.customer)
    )


def _numbered(customer: Customer) -> bool:
    return any(number.kind in ("company", "vat") for number in customer.identifiers)


def _same_door(source: Customer, other: Customer) -> bool:
    """Name, street, post code and country, all there and all the same."""
    mine, theirs = source.address("billing"), other.address("billing")
    if mine is None or theirs is None:
        return False
    left, right = (
        (
            _words(customer.name),
            _words(" ".join(address.lines)),
            _squeezed(address.postcode),
            address.country,
        )
        for customer, address in ((source, mine), (other, theirs))
    )
    return left == right and all(left[:3])


def _words(text: str) -> str:
    return " ".join(text.casefold().split())


def _same_place(source: Customer, other: Customer) -> bool:
    mine, theirs = source.address("billing"), other.address("billing")
    my_route, their_route = source.identifier("einvoice"), other.identifier("einvoice")
    if my_route and their_route and my_route.normal and their_route.normal:
        return my_route.normal == their_route.normal
    return bool(
        mine
        and theirs
        and _squeezed(mine.postcode)
        and _squeezed(mine.postcode) == _squeezed(theirs.postcode)
    )


def _squeezed(postcode: str) -> str:
    return "".join(character for character in postcode.upper() if character.isalnum())


def _ask(case: CustomerCase, hits: Sequence[Candidate], key: str) -> Finding:
    numbers = [
        hit.customer.number or (hit.customer.ref.id if hit.customer.ref else "") for hit in hits
    ]
    if key == "person":
        return Finding(
            code="customer_maybe_known",
            message=f"{case.source.name} was said to be customer {numbers[0]}, which another "
            "account is by now.",
            hint="Pick another: tieout exceptions show.",
            hold_on="customer",
            values={"candidates": " ".join(numbers), "numbers": " ".join(numbers)},
        )
    what = {"tax_number": "tax number", "name_postcode": "name and post code"}.get(key, "key")
    listed = " and ".join([*filter(None, [", ".join(numbers[:-1])]), numbers[-1]])
    linked = [hit for hit in hits if hit.linked_to]
    extra = " (linked to another account already)" if linked else ""
    return Finding(
        code="customer_maybe_known",
        message=f"{case.source.name} has the {what} of customer{'s' if len(hits) > 1 else ''} "
        f"{listed}{extra}.",
        hint="Pick one, or say that it is new.",
        hold_on="customer",
        values={
            "candidates": " ".join(hit.customer.ref.id for hit in hits if hit.customer.ref),
            "numbers": " ".join(numbers),
        },
    )


# --- in step --------------------


def _in_step(
    case: CustomerCase,
    policy: CustomerPolicy,
    lane: str,
    wanted: Customer,
    findings: tuple[Finding, ...],
) -> Decision:
    current = case.state.current
    assert current is not None
    if case.target is None or (case.target.gone and not case.target.gone_certain):
        return _decision(case, lane, Verdict.WAIT, "not_read_yet")
    if case.target.gone:
        finding = Finding(
            code="customer_gone",
            message=f"{case.source.name} is not in {current.ref.connection} any more.",
            hint="Say which customer it is now: tieout exceptions show.",
            hold_on="customer",
        )
        return _decision(
            case, lane, Verdict.HOLD, finding.code, finding.message, findings=(finding,)
        )
    shown = case.target.record
    assert isinstance(shown, Customer)
    link = case.state.link
    written = _with_appended(policy, wanted, shown)
    changed, conflicts = _fields_to_write(case, policy, wanted, shown)
    if findings:
        return _decision(
            case, lane, Verdict.HOLD, findings[0].code, findings[0].message, findings=findings
        )
    if conflicts:
        told = conflict_findings(
            case.source, conflicts, wanted, link and link.wanted, shown, link and link.shown
        )
        return _decision(case, lane, Verdict.HOLD, told[0].code, told[0].message, findings=told)
    if policy.both and fields_back(case, policy, wanted, shown):
        # First the CRM gets what the books changed: then both sides have one base again.
        return _decision(case, lane, Verdict.NOTHING, "goes_to_crm")
    if not changed:
        if link is None or link.wanted != wanted or link.shown != shown:
            return _decision(case, lane, Verdict.AGREED, "agreed", agreed=(wanted, shown))
        return _decision(case, lane, Verdict.NOTHING, "in_step")
    change = Change(
        key=operation_key(case.state.slot, current.generation),
        entity=Entity.CUSTOMER,
        action=Action.UPDATE,
        wanted=Wanted(record=written, fields=frozenset(changed)),
        target=current.ref,
        # What is overwritten is what this decision saw, not what both once agreed on.
        base=shown,
        version=shown.version,
    )
    return replace(_write(case, policy, lane, change, "update", written), differs=tuple(changed))


def _with_appended(policy: CustomerPolicy, wanted: Customer, shown: Customer) -> Customer:
    """The customer as it is written where a mapping adds to what stands there."""
    return replace(
        wanted,
        **{
            rule.target: appended(getattr(shown, rule.target), getattr(wanted, rule.target))
            for rule in policy.fields
            if rule.mode is Mode.APPEND
        },
    )


def _left(rule: FieldRule | None, wanted: Customer, shown: Customer) -> bool:
    """Whether the way in which a mapping writes leaves what stands there."""
    if rule is None or rule.mode is Mode.OVERWRITE:
        return False
    theirs = getattr(shown, rule.target)
    if rule.mode is Mode.APPEND:
        return bool(appended(theirs, getattr(wanted, rule.target)) == theirs)
    return rule.mode is Mode.CREATE_ONLY or bool(theirs)


def _fields_to_write(
    case: CustomerCase, policy: CustomerPolicy, wanted: Customer, shown: Customer
) -> tuple[list[str], list[str]]:
    """Names of fields to write, and of those that both sides changed and nobody owns."""
    by_name = {rule.target: rule for rule in policy.fields}
    link = case.state.link
    if link is None:
        return [], []
    if not link.known:
        return _without_base(case, policy, wanted, shown)
    base_wanted, base_shown = link.wanted, link.shown
    changed: list[str] = []
    conflicts: list[str] = []
    for name, default in FIELDS.items():
        rule = by_name.get(name)
        owner = rule.owner if rule else policy.owners.get(name, default)
        if owner is Owner.BOOKS or _left(rule, wanted, shown):
            continue
        verdict = compare(
            field_content(wanted, name),
            field_content(base_wanted, name),
            field_content(shown, name),
            field_content(base_shown, name),
        )
        if verdict not in (Moved.SOURCE_CHANGED, Moved.BOTH_CHANGED):
            continue
        adds = rule is not None and rule.mode is Mode.APPEND
        if verdict is Moved.BOTH_CHANGED and not adds:
            # A person's word goes first; where nobody names an owner, the flow says who is right.
            named = rule is not None or name in policy.owners
            side = chosen(case.choices, name, wanted, shown) or _right(
                owner if named else policy.conflict, case.source, shown
            )
            if side is None:
                conflicts.append(name)
            if side is not Owner.CRM:
                continue
        changed.append(name)
    return changed, conflicts


def _without_base(
    case: CustomerCase, policy: CustomerPolicy, wanted: Customer, shown: Customer
) -> tuple[list[str], list[str]]:
    """
    As `_fields_to_write`, for a customer that we made and that a restored database found again:
    nobody knows who moved, so that only a named owner's word counts.
    """
    rules = {rule.target: rule for rule in policy.fields}
    changed, conflicts = [], []
    for name in FIELDS:
        rule = rules.get(name)
        if _left(rule, wanted, shown):
            continue
        owner = rule.owner if rule else policy.owners.get(name)
        if owner is None or field_content(wanted, name) == field_content(shown, name):
            continue
        side = _named_side(case, owner, name, wanted, shown)
        if side is Owner.CRM:
            changed.append(name)
        elif side is None:
            conflicts.append(name)
    return changed, conflicts


def _named_side(
    case: CustomerCase, owner: Owner, name: str, wanted: Customer, shown: Customer
) -> Owner | None:
    """
    Whose value counts where no base tells who moved; None: a person says. Where nobody owns the
    field alone, what is empty on one side is filled from the other.
    """
    said = chosen(case.choices, name, wanted, shown)
    if said is not None or owner in (Owner.CRM, Owner.BOOKS):
        return said or owner
    mine, theirs = getattr(wanted, name), getattr(shown, name)
    if bool(mine) is not bool(theirs):
        return Owner.CRM if mine else Owner.BOOKS
    return _right(owner, case.source, shown)


# Fields that the CRM has by our own names, so that they can be written there.
BACK = ("name", "identifiers", "addresses", "emails", "phones", "contact_name", "language")


def fields_back(
    case: CustomerCase, policy: CustomerPolicy, wanted: Customer, shown: Customer
) -> tuple[str, ...]:
    """
    Names of fields whose value in the books is to be shown in the CRM.

    Those that the books own, wherever they differ; those of the latest, or of the side that the
    flow prefers, where the books moved since both agreed. A field that a mapping makes is never
    written back, an empty one clears nothing.
    """
    link = case.state.link
    found = []
    for name in BACK:
        theirs = getattr(shown, name)
        if (
            _mapped(policy, name)
            or not theirs
            or field_content(wanted, name) == field_content(shown, name)
        ):
            continue
        owner = policy.owners.get(name, FIELDS[name])
        if owner is Owner.BOOKS:
            found.append(name)
            continue
        if link is None:
            continue
        if not link.known:
            if name in policy.owners and (
                _named_side(case, owner, name, wanted, shown) is Owner.BOOKS
            ):
                found.append(name)
            continue
        verdict = compare(
            field_content(wanted, name),
            field_content(link.wanted, name),
            field_content(shown, name),
            field_content(link.shown, name),
        )
        side = owner if name in policy.owners else policy.conflict
        theirs_only = owner is Owner.LATEST and verdict is Moved.TARGET_CHANGED
        said = chosen(case.choices, name, wanted, shown) or _right(side, case.source, shown)
        if theirs_only or (verdict is Moved.BOTH_CHANGED and said is Owner.BOOKS):
            found.append(name)
    return tuple(found)


def _mapped(policy: CustomerPolicy, name: str) -> bool:
    """Whether a mapping makes this field, or a role of it."""
    made = {rule.target for rule in policy.fields}
    return name in made or (name in ("emails", "phones") and name[:-1] in made)


def goes_back(policy: CustomerPolicy, name: str) -> bool:
    """Whether a field can be written to the CRM at all."""
    return policy.both and name in BACK and not _mapped(policy, name)


def _right(owner: Owner, source: Customer, shown: Customer) -> Owner | None:
    """Whose value counts where both moved; None: a person says."""
    if owner is not Owner.LATEST:
        return None if owner is Owner.MANUAL else owner
    if source.changed_at is None or shown.changed_at is None:
        return None
    return Owner.CRM if source.changed_at >= shown.changed_at else Owner.BOOKS


# --- results --------------------


def _write(
    case: CustomerCase,
    policy: CustomerPolicy,
    lane: str,
    change: Change,
    reason: str,
    wanted: Customer,
) -> Decision:
    assert change.wanted is not None
    content = {name: getattr(wanted, name) for name in sorted(change.wanted.fields)}
    mark = digest(change.key, change.action, change.entity, change.target, content)
    verdict = Verdict.WRITE
    if policy.mode is FlowMode.APPROVE and mark not in case.state.approved:
        verdict, reason = Verdict.APPROVAL, "waiting_for_approval"
    waiting = case.state.operation
    same = waiting is not None and waiting.state in WAITING and waiting.want_digest == mark
    if same and (waiting.state is OpState.READY) == (verdict is Verdict.WRITE):  # type: ignore[union-attr]
        return _decision(case, lane, Verdict.WAIT, reason, digest=mark, change=change)
    return _decision(
        case,
        lane,
        verdict,
        reason,
        change=change,
        digest=mark,
        supersede=waiting is not None and waiting.state in WAITING,
    )


def _decision(
    case: CustomerCase, lane: str, verdict: Verdict, reason: str, message: str = "", **more: Any
) -> Decision:
    state: SlotState = case.state
    waiting = state.operation is not None and state.operation.state in WAITING
    wanted = verdict in (Verdict.WRITE, Verdict.APPROVAL, Verdict.WAIT)
    more.setdefault("supersede", waiting and not wanted)
    source_id = case.source.ref.id if case.source.ref else ""
    return Decision(
        lane=lane,
        source_id=source_id,
        verdict=verdict,
        reason=reason,
        message=message,
        state=state,
        customer_id=source_id,
        number=case.source.number,
        title=case.source.name,
        **more,
    )
