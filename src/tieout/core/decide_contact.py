"""What to do about one person: find it on the other side, make it there, keep both in step."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from tieout.core.case import OPEN, WAITING, ContactCase, Decision, Namesake, OpState, Verdict
from tieout.core.change import Action, Change, Wanted
from tieout.core.contacts import FIELDS, called, content, is_address, normal_address
from tieout.core.digest import digest
from tieout.core.finding import Finding
from tieout.core.keys import operation_key
from tieout.core.mapping.fields import Mode, Owner
from tieout.core.model import Contact, Entity
from tieout.core.policy import ContactPolicy, FieldRule, FlowMode

_SIDES = {Owner.CRM: "the CRM", Owner.BOOKS: "the books"}
# It is decided once more as soon as it was written.
_AT_ONCE = datetime(1970, 1, 1, tzinfo=UTC)
_DELETED = {Owner.CRM: "deleted_in_crm", Owner.BOOKS: "deleted_in_books"}
_OTHER = {Owner.CRM: Owner.BOOKS, Owner.BOOKS: Owner.CRM}


def decide_contact(
    case: ContactCase, policy: ContactPolicy, lane: str, fields: Set[str]
) -> Decision:
    """
    Match it by its address within its customer, make it there, write what it owns, or nothing.

    ``fields`` are those of `contacts.FIELDS` that go this way, and 'customer' where the other side
    can move a person. Nobody is deleted over there, no address is cleared. Where both directions
    run, the other one writes what the other side owns or changed last.
    """
    operation = case.state.operation
    if operation is not None and operation.state in OPEN:
        return _decision(case, lane, Verdict.WAIT, "on_its_way")
    if case.taken and case.side is Owner.BOOKS and not case.back:
        return _decision(case, lane, Verdict.SKIP, "shown_by_another_company")
    if case.gone:
        return _gone(case, policy, lane, fields)
    if case.chosen is False and case.pair is None:
        return _decision(case, lane, Verdict.SKIP, "left_out_by_rule")
    if case.source.customer is None:
        return _decision(case, lane, Verdict.SKIP, "no_customer")
    if case.pair is not None and case.target is not None and case.target.gone_certain:
        return _gone_there(case, lane)
    if case.wanted is None:
        return _decision(
            case,
            lane,
            Verdict.WAIT,
            "customer_not_linked",
            _waiting(case),
            waits_for=case.waits_for,
        )
    if case.pair is not None:
        return _paired(case, case.wanted, policy, lane, fields)
    return _alone(case, case.wanted, policy, lane, fields)


def _waiting(case: ContactCase) -> str:
    """Who has a half on the other side and moved to a customer without one keeps that half."""
    name = called(case.source)
    if case.pair is None:
        return f"{name} waits until the customer is linked."
    return f"{name} has moved, and stays as before over there until the new customer is linked."


# --- not linked --------------------


def _alone(
    case: ContactCase, wanted: Contact, policy: ContactPolicy, lane: str, fields: Set[str]
) -> Decision:
    if not case.source.active:
        return _decision(case, lane, Verdict.SKIP, "inactive")
    address = normal_address(case.source.email)
    if not address and case.chosen is None:
        return _decision(case, lane, Verdict.SKIP, "no_address")
    stops = (*_addressed(case), *case.findings, *_twins(case, address))
    if stops:
        return _held(case, lane, *stops)
    known = _known(case, lane, address)
    if known is not None:
        return known
    if case.occupied is not None:
        return _held(case, lane, _occupied(case, case.occupied))
    if case.others and policy.shared == "hold":
        return _held(case, lane, _shared(case, address))
    change = Change(
        key=operation_key(case.state.slot, case.state.generation),
        entity=Entity.CONTACT,
        action=Action.CREATE,
        wanted=Wanted(
            record=wanted, fields=frozenset({*fields, "customer"} & {*FIELDS, "customer"})
        ),
        depends_on=case.customer_key or None,
    )
    return _write(case, lane, change, policy.mode, "create", message=_also_of(case, address))


def _known(case: ContactCase, lane: str, address: str) -> Decision | None:
    """The one person over there with that address is it; more than one is for a person."""
    free = [one.contact for one in case.found if not one.linked and not one.apart]
    active = [contact for contact in free if contact.active]
    chosen = active if active else free
    ours = [one for one in case.found if one.linked and one.ours and one.contact.active]
    if len(chosen) == 1 and not ours:
        # Nothing is agreed yet: what is empty on one side is filled from the other.
        there = chosen[0]
        base = (Contact(), Contact(active=there.active))
        return _decision(
            case,
            lane,
            Verdict.AGREED,
            "matched",
            f"{called(case.source)} by the address {address}.",
            agreed=base,
            adopt=there.ref,
            adopted_record=there,
            again=True,
        )
    if chosen:
        return _held(case, lane, _twice_there(case, [*chosen, *(one.contact for one in ours)]))
    # Who was told apart has the address all the same: nobody is made with it a second time.
    if ours := ours or [one for one in case.found if one.apart]:
        return _held(case, lane, _taken(case, ours))
    if any(one.linked and not one.ours for one in case.found):
        return _decision(case, lane, Verdict.SKIP, "shown_by_another_company")
    return None


# --- linked --------------------


def _paired(
    case: ContactCase, wanted: Contact, policy: ContactPolicy, lane: str, fields: Set[str]
) -> Decision:
    if case.target is None or case.target.gone:
        return _decision(case, lane, Verdict.WAIT, "not_read_yet")
    shown = case.target.record
    assert isinstance(shown, Contact)
    if shown.customer not in case.family:
        return _moved(case, wanted, shown, policy, lane, fields)
    current = case.state.current
    if not case.back and (current is None or current.ref != case.pair):
        if case.chosen is False:
            return _decision(case, lane, Verdict.SKIP, "left_out_by_rule")
        return _decision(
            case,
            lane,
            Verdict.AGREED,
            "matched",
            f"{called(case.source)} was linked from the other side.",
            agreed=case.base or (Contact(), Contact()),
            adopt=case.pair,
            adopted_record=shown,
            again=True,
        )
    stops = (*_addressed(case), *case.findings, *_rival(case))
    if stops:
        return _held(case, lane, *stops)
    moves = movements(case, wanted, shown, policy, fields)
    if moves.conflicts and not case.back:
        return _held(case, lane, _both_changed(case, moves.conflicts))
    if set(moves.come) & case.returns and not case.back:
        # First this side gets what the other changed: then both have one base again.
        return _decision(case, lane, Verdict.NOTHING, f"goes_to_{case.side}")
    twins = _twins(case, normal_address(case.source.email)) if "email" in moves.go else ()
    if twins and case.chosen is not False:
        # An address that is somebody else's at this customer by now would tell the two no more.
        return _held(case, lane, *twins)
    if moves.go and case.chosen is not False:
        return _update(case, wanted, shown, policy, lane, moves.go)
    if case.chosen is False and moves.go:
        return _decision(case, lane, Verdict.SKIP, "left_out_by_rule")
    agreed = _agreed(case, wanted, shown, policy, moves.come)
    if case.back or _as_agreed(case, *agreed, fields):
        return _decision(case, lane, Verdict.NOTHING, "in_step")
    return _decision(case, lane, Verdict.AGREED, "agreed", agreed=agreed)


def _agreed(
    case: ContactCase,
    wanted: Contact,
    shown: Contact,
    policy: ContactPolicy,
    come: tuple[str, ...],
) -> tuple[Contact, Contact]:
    """
    Both as they are. What comes from a person whose address is none is not settled: the other
    direction waits for the address, and brings the rest once it is one again.
    """
    if not policy.both or case.base is None or is_address(normal_address(shown.email)):
        return wanted, shown
    names = [name for name in come if name != "email"]
    kept = [{name: getattr(base, name) for name in names} for base in case.base]
    return replace(wanted, **kept[0]), replace(shown, **kept[1])


def _as_agreed(case: ContactCase, wanted: Contact, shown: Contact, fields: Set[str]) -> bool:
    link = case.state.link
    if link is None or link.wanted is None or link.shown is None:
        return False
    names = [*(name for name in FIELDS if name in fields), "customer"]
    return all(
        content(one, name) == content(other, name)
        for one, other in ((wanted, link.wanted), (shown, link.shown))
        if isinstance(other, Contact)
        for name in names
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Movements:
    """Fields that go over, fields that come from there, and those for a person."""

    go: tuple[str, ...] = ()
    come: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()


def movements(
    case: ContactCase, wanted: Contact, shown: Contact, policy: ContactPolicy, fields: Set[str]
) -> Movements:
    """For each field in which both sides differ, whose value counts."""
    mapped = {
        rule.target: rule
        for rule in (policy.books_fields if case.side is Owner.CRM else policy.crm_fields)
    }
    go, come, conflicts = [], [], []
    for name in FIELDS:
        if name not in fields:
            continue
        mine, theirs = content(wanted, name), content(shown, name)
        if mine == theirs or _kept(mapped.get(name), theirs):
            continue
        if case.taken and case.side is Owner.BOOKS and name in mapped:
            continue  # what another company's books make of it stands there
        wins = _wins(case, _owner(case, policy, name), name, mine, theirs, shown)
        if wins is Owner.MANUAL:
            conflicts.append(name)
        elif wins is case.side:
            go.append(name)
        elif wins is not None:
            come.append(name)
    return Movements(go=tuple(go), come=tuple(come), conflicts=tuple(conflicts))


def _owner(case: ContactCase, policy: ContactPolicy, name: str) -> Owner:
    """
    Whose word counts. Of several companies one speaks for the books; what the others have comes
    from the CRM, else two that own one field would write it over each other for ever.
    """
    owner = policy.owners.get(name, Owner.LATEST)
    return Owner.CRM if case.taken and owner is Owner.BOOKS else owner


def _kept(rule: FieldRule | None, theirs: object) -> bool:
    """A field that its mapping writes once only, or only where nothing stands."""
    if rule is None:
        return False
    return rule.mode is Mode.CREATE_ONLY or (rule.mode is Mode.IF_EMPTY and bool(theirs))


def _wins(
    case: ContactCase, owner: Owner, name: str, mine: Any, theirs: Any, shown: Contact
) -> Owner | None:
    """
    The side whose value counts; `Owner.MANUAL`: a person says, None: both show what they did when
    they agreed, cut or left as they were.
    """
    base = case.base or (Contact(), Contact())
    i_moved, they_moved = mine != content(base[0], name), theirs != content(base[1], name)
    if not i_moved and not they_moved:
        return None
    if case.cut is not None and _pair(case.cut, name) == (mine, theirs):
        left, right = _pair(case.cut, name)
        if left != right:
            return None
    other = _OTHER[case.side]
    if mine == "" and not i_moved:
        # What was never said here clears nothing there.
        return other
    if theirs == "" and not they_moved:
        return case.side
    if owner in (Owner.CRM, Owner.BOOKS):
        return owner
    if i_moved is not they_moved:
        return case.side if i_moved else other
    if owner is Owner.MANUAL:
        return Owner.MANUAL
    return _latest(case, shown)


def _pair(pair: tuple[Contact, Contact], name: str) -> tuple[Any, Any]:
    return content(pair[0], name), content(pair[1], name)


def _latest(case: ContactCase, shown: Contact) -> Owner:
    """Whose change is later; at one second that of the CRM, where no time is told a person says."""
    mine, theirs = case.source.changed_at, shown.changed_at
    if mine is None or theirs is None:
        return Owner.MANUAL
    if mine == theirs:
        return Owner.CRM
    return case.side if mine > theirs else _OTHER[case.side]


def _update(
    case: ContactCase,
    wanted: Contact,
    shown: Contact,
    policy: ContactPolicy,
    lane: str,
    names: Sequence[str],
    reason: str = "update",
) -> Decision:
    if case.back:
        # Only what is written counts as agreed by this write; the rest is the other direction's.
        wanted = replace(shown, **{name: getattr(wanted, name) for name in names})
    current = case.state.current
    change = Change(
        key=operation_key(
            case.state.slot, current.generation if current else case.state.generation
        ),
        entity=Entity.CONTACT,
        action=Action.UPDATE,
        wanted=Wanted(record=wanted, fields=frozenset(names)),
        target=case.pair,
        base=shown,
        version=shown.version,
    )
    again = _AT_ONCE if reason in ("retired", "moved_away") else None
    return _write(
        case, lane, change, policy.mode, reason, differs=tuple(sorted(names)), not_before=again
    )


# --- gone, and at another customer --------------------


def _gone(case: ContactCase, policy: ContactPolicy, lane: str, fields: Set[str]) -> Decision:
    """
    This side deleted the person. The other half is not deleted: where only this side counts it is
    set inactive once, where that can be; where both do, the other direction says what became of it.
    """
    if case.state.current is None or not case.gone_certain:
        return _decision(case, lane, Verdict.SKIP, "not_there")
    if case.merged:
        return _decision(case, lane, Verdict.END, "merged")
    if policy.both:
        return _decision(case, lane, Verdict.SKIP, "deleted")
    shown = case.target.record if case.target and not case.target.gone else None
    if isinstance(shown, Contact) and shown.active and "active" in fields:
        wanted = replace(shown, active=False)
        return _update(case, wanted, shown, policy, lane, ("active",), "retired")
    return _decision(case, lane, Verdict.END, "deleted")


def _gone_there(case: ContactCase, lane: str) -> Decision:
    """The other side deleted the person, or joined it with another one."""
    assert case.target is not None
    current = case.state.current
    if case.target.merged_into and current is not None and current.ref == case.pair:
        return _decision(case, lane, Verdict.END, "merged")
    if case.chosen is False:
        return _decision(case, lane, Verdict.SKIP, "left_out_by_rule")
    if not case.source.active:
        return _decision(case, lane, Verdict.SKIP, "inactive")
    there = _OTHER[case.side]
    return _held(
        case,
        lane,
        _finding(
            _DELETED[there],
            f"{called(case.source)} was deleted in {_SIDES[there]}, and is not made there again.",
            f"Restore the person there, make {called(case.source)} inactive in {_SIDES[case.side]},"
            " or dismiss this: tieout exceptions show.",
        ),
    )


def _moved(
    case: ContactCase,
    wanted: Contact,
    shown: Contact,
    policy: ContactPolicy,
    lane: str,
    fields: Set[str],
) -> Decision:
    """The two halves stand at different customers: who moved is followed where that can be."""
    here = case.settled is not None and case.settled not in case.family
    current = case.state.current
    own = current is not None and current.ref == case.pair
    if not here:
        if (case.returns and case.side is Owner.CRM) or case.back:
            return _decision(case, lane, Verdict.NOTHING, f"goes_to_{case.side}")
        if own and policy.both and not case.source.active:
            return _decision(case, lane, Verdict.END, "moved")
        return _held(case, lane, _at_another(case))
    if case.chosen is False:
        return _decision(case, lane, Verdict.SKIP, "left_out_by_rule")
    linked = [one for one in case.found if one.linked and one.ours]
    if linked:
        return _held(case, lane, _taken(case, linked))
    if "customer" in fields and not case.found:
        names = ("customer", *movements(case, wanted, shown, policy, fields).go)
        return _update(case, wanted, shown, policy, lane, names, "moved")
    if shown.active and "active" in fields:
        retired = replace(shown, active=False)
        return _update(case, retired, shown, policy, lane, ("active",), "moved_away")
    return _decision(case, lane, Verdict.END if own else Verdict.NOTHING, "moved")


# --- what is wrong --------------------


def _addressed(case: ContactCase) -> tuple[Finding, ...]:
    address = normal_address(case.source.email)
    name, side = called(case.source), _SIDES[case.side]
    if not address:
        return (
            _finding(
                "contact_no_address",
                f"{name} has no e-mail address in {side}.",
                "Give the person one there: it is what a person is recognised by.",
            ),
        )
    if not is_address(address):
        return (
            _finding(
                "contact_address_invalid",
                f"{name} has {case.source.email.strip()} in {side}, which is no e-mail address.",
                "Correct it there.",
                address=address,
            ),
        )
    return ()


def _twins(case: ContactCase, address: str) -> tuple[Finding, ...]:
    if not case.twins:
        return ()
    names = ", ".join([called(case.source), *(called(one) for one in case.twins)])
    return (
        _finding(
            "contact_address_twice",
            f"{names} have one address, {address}, at one customer in {_SIDES[case.side]}.",
            "Give each an address of their own, or join them to one person there.",
            address=address,
            ids=_ids(case.twins),
        ),
    )


def _rival(case: ContactCase) -> tuple[Finding, ...]:
    """Two persons of one side are both taken for one of the other: made on both at one time."""
    address = normal_address(case.source.email)
    if (
        case.rival is None
        or not (case.source.active and case.rival.active)
        or normal_address(case.rival.email) != address
        or case.rival.customer not in case.family
    ):
        return ()
    return _twins(replace(case, twins=(case.rival,)), address)


def _twice_there(case: ContactCase, there: Sequence[Contact]) -> Finding:
    other, address = _SIDES[_OTHER[case.side]], normal_address(case.source.email)
    return _finding(
        "contact_address_twice",
        f"{called(case.source)} has the address of {len(there)} persons of that customer in"
        f" {other}: {', '.join(called(one) for one in there)}.",
        f"Join them to one person in {other}, or give all but one another address.",
        address=address,
        ids=_ids(there),
    )


def _taken(case: ContactCase, there: Sequence[Namesake]) -> Finding:
    other, address = _SIDES[_OTHER[case.side]], normal_address(case.source.email)
    names = ", ".join(called(one.contact) for one in there)
    return _finding(
        "contact_address_taken",
        f"{called(case.source)} has the address {address}, which is that of {names} in {other},"
        " and that is somebody else here.",
        "Give each person an address of their own, or join the two.",
        address=address,
        ids=_ids([one.contact for one in there]),
    )


def _occupied(case: ContactCase, who: Contact) -> Finding:
    other = _SIDES[_OTHER[case.side]]
    return _finding(
        "contact_place_taken",
        f"A customer has one contact in {other}, and that is {called(who)}, not"
        f" {called(case.source)}.",
        "Choose one of them by flows.contacts.books_when, or empty the contact over there.",
        ids=_ids([who]),
    )


def _shared(case: ContactCase, address: str) -> Finding:
    return _finding(
        "contact_address_shared",
        f"{called(case.source)} has the address {address}, which persons of other customers have"
        " too.",
        "Give the person another address, or set flows.contacts.shared_address to each.",
        address=address,
    )


def _at_another(case: ContactCase) -> Finding:
    other = _SIDES[_OTHER[case.side]]
    return _finding(
        "contact_moved",
        f"{called(case.source)} is at another customer in {other} than in {_SIDES[case.side]}.",
        "Move the person on one side, so that both say the same.",
    )


def _both_changed(case: ContactCase, names: Sequence[str]) -> Finding:
    return _finding(
        "contact_both_changed",
        f"{called(case.source)} differs on both sides: {', '.join(names)}.",
        "Make them equal on one side, or say under flows.contacts.owners whose word counts.",
        fields=", ".join(names),
    )


def _also_of(case: ContactCase, address: str) -> str:
    if not case.others:
        return ""
    return (
        f"{address} is also the address of {case.others} "
        f"{'person' if case.others == 1 else 'persons'} of other customers; each is one of its own."
    )


def _ids(contacts: Sequence[Contact]) -> str:
    return " ".join(contact.ref.id for contact in contacts if contact.ref)


def _finding(code: str, message: str, hint: str, **values: str) -> Finding:
    return Finding(code=code, message=message, hint=hint, hold_on="contact", values=values)


# --- results --------------------


def _held(case: ContactCase, lane: str, *findings: Finding) -> Decision:
    first = findings[0]
    return _decision(case, lane, Verdict.HOLD, first.code, first.message, findings=findings)


def _write(
    case: ContactCase,
    lane: str,
    change: Change,
    mode: FlowMode,
    reason: str,
    message: str = "",
    differs: tuple[str, ...] = (),
    not_before: datetime | None = None,
) -> Decision:
    assert change.wanted is not None
    values = {name: getattr(change.wanted.record, name) for name in sorted(change.wanted.fields)}
    mark = digest(change.key, change.action, change.entity, change.target, values)
    verdict = Verdict.WRITE
    if mode is FlowMode.APPROVE and mark not in case.state.approved:
        verdict, reason = Verdict.APPROVAL, "waiting_for_approval"
    waiting = case.state.operation
    waits = waiting is not None and waiting.state in WAITING
    if waiting is not None and waits and waiting.want_digest == mark:
        released = waiting.state is OpState.READY
        if released == (verdict is Verdict.WRITE):
            verdict, waits = Verdict.WAIT, False
    return _decision(
        case,
        lane,
        verdict,
        reason,
        message,
        not_before=not_before,
        change=change,
        digest=mark,
        differs=differs,
        supersede=waits,
    )


def _decision(
    case: ContactCase, lane: str, verdict: Verdict, reason: str, message: str = "", **more: Any
) -> Decision:
    waiting = case.state.operation is not None and case.state.operation.state in WAITING
    more.setdefault("supersede", waiting and verdict is not Verdict.WAIT)
    customer = (
        case.source.customer if case.side is Owner.CRM else getattr(case.wanted, "customer", None)
    )
    return Decision(
        lane=lane,
        source_id=case.source.ref.id if case.source.ref else "",
        verdict=verdict,
        reason=reason,
        message=message,
        state=case.state,
        customer_id=customer.id if customer else "",
        number=normal_address(case.source.email),
        title=case.source.name,
        **more,
    )
