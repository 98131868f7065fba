"""What a customer of the CRM takes over from the books: fields that they own or changed last."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tieout.core.case import OPEN, WAITING, CustomerCase, Decision, OpState, SlotState, Verdict
from tieout.core.change import Action, Change, Wanted
from tieout.core.decide_customer import fields_back, wanted_customer
from tieout.core.digest import digest
from tieout.core.keys import operation_key
from tieout.core.model import Customer, Entity
from tieout.core.policy import CustomerPolicy, FlowMode


def decide_account(
    case: CustomerCase, account: SlotState, policy: CustomerPolicy, lane: str
) -> Decision:
    """
    Write to the CRM what the books say otherwise, or nothing.

    ``account`` is the slot of this write; the base of both sides is that of the customer's own
    slot, in ``case``. What the CRM cut when it was last written is no difference.
    """
    operation = account.operation
    if operation is not None and operation.state in OPEN:
        return _decision(case, account, lane, Verdict.WAIT, "on_its_way")
    if case.state.current is None or case.target is None:
        return _decision(case, account, lane, Verdict.SKIP, "not_linked")
    shown = case.target.record
    if case.target.gone or not isinstance(shown, Customer):
        return _decision(case, account, lane, Verdict.SKIP, "customer_gone")
    wanted, _ = wanted_customer(case.source, policy)
    names = [
        name
        for name in fields_back(case, policy, wanted, shown)
        if not _as_cut_before(account, case.source, shown, name)
    ]
    if not names:
        return _decision(case, account, lane, Verdict.NOTHING, "in_step")
    record = replace(case.source, **{name: getattr(shown, name) for name in names})
    change = Change(
        key=operation_key(account.slot, 0),
        entity=Entity.CUSTOMER,
        action=Action.UPDATE,
        wanted=Wanted(record=record, fields=frozenset(names)),
        target=case.source.ref,
        base=case.source,
        version=case.source.version,
    )
    content = {name: getattr(record, name) for name in names}
    mark = digest(change.key, change.action, change.entity, change.target, content)
    verdict, reason = Verdict.WRITE, "update"
    if policy.mode is FlowMode.APPROVE and mark not in account.approved:
        verdict, reason = Verdict.APPROVAL, "waiting_for_approval"
    released = operation is not None and operation.state is OpState.READY
    waits = operation is not None and operation.state in WAITING
    same = waits and operation is not None and operation.want_digest == mark
    if same and released == (verdict is Verdict.WRITE):
        verdict = Verdict.WAIT
    return _decision(
        case,
        account,
        lane,
        verdict,
        reason,
        change=change,
        digest=mark,
        differs=tuple(sorted(names)),
    )


def _as_cut_before(account: SlotState, source: Customer, shown: Customer, name: str) -> bool:
    """We wrote this very value before, and the CRM shows what it made of it then."""
    link = account.link
    if link is None or link.wanted is None or link.shown is None:
        return False
    return bool(
        getattr(link.wanted, name) == getattr(shown, name)
        and getattr(link.shown, name) == getattr(source, name)
    )


def _decision(
    case: CustomerCase,
    account: SlotState,
    lane: str,
    verdict: Verdict,
    reason: str,
    **more: Any,
) -> Decision:
    waiting = account.operation is not None and account.operation.state in WAITING
    source_id = case.source.ref.id if case.source.ref else ""
    return Decision(
        lane=lane,
        source_id=source_id,
        verdict=verdict,
        reason=reason,
        state=account,
        customer_id=source_id,
        number=case.source.number,
        title=case.source.name,
        supersede=waiting and verdict is not Verdict.WAIT,
        **more,
    )
